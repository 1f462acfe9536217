"""What of an event follows: each stored number beside the one that was worked out again, and how far it may be off."""

from __future__ import annotations

import bisect
import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from stswatch.geo.coast.water import distance_to_shore_km, shore_error_km
from stswatch.geo.coordinates.sphere import MS_PER_KN
from stswatch.geo.coordinates.sun import sun_elevation_deg
from stswatch.geo.reference.harbours import nearest_port, port_or_anchorage_of
from stswatch.geo.reference.ports import ports, world_ports
from stswatch.geo.reference.zones import zone_of
from stswatch.models.feature import values
from stswatch.models.scorecard import ALL, BASE
from stswatch.pipeline.batch import HOUR, MINUTE
from stswatch.pipeline.evidence import recomputed
from stswatch.pipeline.evidence.lake_fixes import Ints, Lake, Rows, TrackFixes, apart_m, chords_of
from stswatch.pipeline.evidence.recomputed import Measured, Pair
from stswatch.pipeline.evidence.vault import course_of
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.schema.measures import MEASURES
from stswatch.pipeline.times import iso, micros

_MEDIAN_OFF = {"median_distance_m": 5.0, "heading_difference_deg": 5.0}  # one bin of those that a run counts in
_SPEED_OFF_KN = 0.1
_LAY_OFF_M = 5.0  # of a mean place: millionths of a degree, and what a plane in degrees bends
_STAY_OFF_H = 0.0055  # half of the last decimal, and what a whole millisecond makes
_SHARE_OFF = 0.02  # of the time, by which a stored median may be beside the half: within a bin time is taken as even


@dataclass(frozen=True)
class Finding:
    """One number: whether it follows (None: not checked, and why), what is stored, what was worked out."""

    what: str
    follows: bool | None
    stored: Any = None
    again: Any = None
    why: str = ""


def near(what: str, stored: Any, again: float, off: float) -> Finding:
    """Whether a number follows, to within so much and half of its last published decimal."""
    if stored is None or (isinstance(stored, float) and math.isnan(stored)):
        return Finding(what, math.isnan(again), None, again)
    decimals = MEASURES[what].decimals if what in MEASURES else None
    half = 0.5 * 10.0**-decimals if decimals is not None else 0.0
    return Finding(what, bool(abs(float(stored) - again) <= off + half * 1.001 + 1e-9), stored, again)


def same(what: str, stored: Any, again: Any) -> Finding:
    """Whether something is exactly what was worked out."""
    again = again.item() if isinstance(again, np.generic) else again
    return Finding(what, bool(stored == again), stored, again)


def shown(value: Any) -> str:
    """A number of a finding in words.

    >>> shown(12.345678901), shown(None), shown(1741564800000000)
    ('12.3457', 'nothing', '2025-03-10T00:00:00.000Z')
    """
    if value is None:
        return "nothing"
    if isinstance(value, int) and not isinstance(value, bool) and value > 1 << 44:
        return iso(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def us(moment: datetime) -> int:
    """A time of the database as UTC microseconds."""
    return micros(moment)


# --------------------------------------------------------------------------------------------- measured of a meeting


def of_meeting(row: Mapping[str, Any], pair: Pair, rules: Rules) -> Iterator[Finding]:
    """What was measured of an encounter; pair: the spans of the meeting, see recomputed.meeting_at."""
    again = recomputed.measured(pair, rules)
    spans, within_s = pair.near, again.values["within_min"] * 60
    slack_s = sum(again.slack_us) / 1e6 * (1 + int((spans.start_us[1:] != spans.end_us[:-1]).sum()))
    for name, slack_us in zip(("start_time", "end_time"), again.slack_us, strict=True):
        yield _moment(name, us(row[name]), again.values[name], slack_us)
    yield from _at_nearest(row, pair, again, rules)
    off_m = again.off_m
    allowed = {
        "duration_min": sum(again.slack_us) / 60e6,
        "within_min": slack_s / 60,
        "cpa_distance_m": off_m,
        "position_error_m": 0.0,
        "relative_speed_kn": (0.02 * len(spans.start_us) + off_m) / within_s / MS_PER_KN + 0.001,
        "drift_km": off_m / 500,
        "drift_kn": off_m / 500 / max(within_s / 3600, 0.1),
        "observed_share": min(slack_s / within_s, 1.0),
    }
    yield from (near(name, row[name], again.values[name], off) for name, off in allowed.items())
    for name in ("fixes_a", "fixes_b"):
        yield Finding(
            name, bool(abs(row[name] - again.values[name]) <= again.edge_fixes[name]), row[name], again.values[name]
        )
    yield from (_median(name, row[name], *again.samples[name]) for name in again.samples)
    yield _one_hull(row, again, rules)
    yield same("start_censored", row["start_censored"], recomputed.starts_with_data(pair, rules))
    yield same("end_censored", row["end_censored"], recomputed.ends_with_data(pair, rules))
    yield same("computed_id", row["computed_id"], name_of(row))


def _moment(what: str, stored_us: int, again_us: int, slack_us: float) -> Finding:
    return Finding(what, bool(abs(stored_us - again_us) <= slack_us), stored_us, again_us)


def _at_nearest(row: Mapping[str, Any], pair: Pair, again: Measured, rules: Rules) -> Iterator[Finding]:
    """Time and place of the nearest approach, and how far both may be off then: held against the stored moment.

    Of several that are equally near a run takes the first; the centimetre decides which those are.
    """
    at_us = us(row["cpa_time"])
    apart = pair.near.offset_m(at_us)
    found = bool(apart <= again.values["cpa_distance_m"] + 2 * again.off_m)
    yield Finding("cpa_time", found, at_us, again.values["cpa_time"])
    k = int(np.searchsorted(pair.near.start_us, at_us, side="right")) - 1
    if not found:
        why = "cpa_time does not follow"
        yield Finding("place", None, (row["lon"], row["lat"]), why=why)
        yield Finding("motion_error_m", None, row["motion_error_m"], why=why)
        return
    lon, lat = pair.near.place_at(k, at_us)
    away_m = float(apart_m(row["lon"], row["lat"], lon, lat))
    yield Finding("place", away_m <= again.off_m + 0.1, (row["lon"], row["lat"]), (round(lon, 7), round(lat, 7)))
    yield near("motion_error_m", row["motion_error_m"], recomputed.motion_error_m(pair, k, at_us, rules), 0.02)


def _median(what: str, stored: Any, value: np.ndarray, weight: np.ndarray) -> Finding:
    """Whether half of the time lies on either side of a stored median, to within a bin."""
    if stored is None or (isinstance(stored, float) and math.isnan(stored)):
        return Finding(what, not len(value), None, None if not len(value) else "known")
    if not len(value):
        return Finding(what, False, stored, None)
    off, total = _MEDIAN_OFF.get(what, _SPEED_OFF_KN) + 0.06, weight.sum()
    below = float(weight[value < stored - off].sum() / total)
    upto = float(weight[value <= stored + off].sum() / total)
    order = np.argsort(value)
    middle = float(value[order][np.searchsorted(np.cumsum(weight[order]), total / 2)])
    return Finding(what, below <= 0.5 + _SHARE_OFF and upto >= 0.5 - _SHARE_OFF, stored, middle)


def _one_hull(row: Mapping[str, Any], again: Measured, rules: Rules) -> Finding:
    own = rules.encounter
    apart, long_ms = again.samples["median_distance_m"]
    share = float(long_ms[apart < own.one_place_m].sum() / long_ms.sum())
    found = share >= own.one_place_share and row["within_min"] >= own.one_place_min
    sure = abs(share - own.one_place_share) > _SHARE_OFF
    return (
        same("possibly_one_hull", row["possibly_one_hull"], found)
        if sure
        else Finding(
            "possibly_one_hull", None, row["possibly_one_hull"], why="the share of time is too near to the rule"
        )
    )


def name_of(row: Mapping[str, Any]) -> str:
    """The id that is computed of an encounter: of its tracks and its start."""
    tracks = [(row[f"mmsi_{v}"], begun_us(row, v)) for v in "ab"]
    text = repr((*tracks[0], *tracks[1], us(row["start_time"])))
    return "E" + hashlib.sha256(text.encode()).hexdigest()[:12]


# ------------------------------------------------------------------------------------- where it was, and its score


def of_places(rows: Sequence[Mapping[str, Any]], rules: Rules) -> list[list[Finding]]:
    """What the shipped ports, zones and coast say of the place of each encounter, and the sun of its time."""
    lon, lat = (np.array([row[name] for row in rows], np.float64) for name in ("lon", "lat"))
    port, port_km = nearest_port(lon, lat)
    inside, part = port_or_anchorage_of(lon, lat, rules.proximity.port_radius_km)
    shore_km = distance_to_shore_km(lon, lat)
    off_km = shore_error_km(lon, lat, np.round(shore_km, 2))
    sun_deg = sun_elevation_deg(lon, lat, np.array([us(row["cpa_time"]) for row in rows], np.int64))
    zones, found = zone_of(lon, lat), []
    for k, row in enumerate(rows):
        lies = inside[k] >= 0
        found.append(
            [
                same("zones", list(row["zones"]), list(zones[k])),
                same("port", row["port"], str(world_ports().id[port[k]])),
                near("distance_to_port_km", row["distance_to_port_km"], float(port_km[k]), 0.0),
                same("in_port", row["in_port"], str(ports().id[inside[k]]) if lies else None),
                same("in_port_part", row["in_port_part"], str(part[k]) if lies else None),
                near("distance_to_shore_km", row["distance_to_shore_km"], float(shore_km[k]), 0.0),
                near(
                    "distance_to_shore_error_km",
                    row["distance_to_shore_error_km"],
                    float(off_km[k]) + row["position_error_m"] / 2000,
                    0.0,
                ),
                near("sun_elevation_deg", row["sun_elevation_deg"], float(sun_deg[k]), 0.0),
            ]
        )
    return found


def of_scores(events: pa.Table, beside: pa.Table, card: bytes) -> list[Finding]:
    """Score and reasons of each encounter by look-up in a scorecard, the content of its file.

    beside: what lies round each, a row for each event. Features are those of models/; points are looked up here.
    """
    given = json.loads(card)
    tables, intercept = given["features"], float(given["intercept"])
    features = [feature for feature in ALL if feature.name in tables]
    columns = {name: events[name] for name in events.column_names} | {
        name: beside[name] for name in beside.column_names if name not in ("id", "revision")
    }
    known = values(columns, features)
    found = []
    for k, reasons in enumerate(events["reasons"].to_pylist()):
        points = {f.name: _points(tables[f.name], float(known[k, i])) for i, f in enumerate(features)}
        points[BASE] = intercept
        stored = float(events["score"][k].as_py())
        again = math.fsum(points.values())
        wrong = [each["feature"] for each in reasons if points.get(each["feature"]) != each["points"]]
        lacking = points.keys() - {each["feature"] for each in reasons}
        why = f"the points of {', '.join(sorted({*wrong, *lacking}))} are others" if wrong or lacking else ""
        found.append(Finding("score", not why and abs(stored - again) < 1e-9, stored, again, why))
    return found


def _points(table: Mapping[str, Any], value: float) -> float:
    """The points of a value in the steps of a feature."""
    if math.isnan(value):
        return float(table["missing"])
    return float(table["points"][bisect.bisect_right(table["edges"], value)])


# -------------------------------------------------------------------------------------------------- what was reported


def of_reported(what: str, stored: Any, reported: Sequence[Any]) -> Finding:
    """Whether a value is one that the vessel reported in the time that counts, or null where it reported none.

    Where it reported several, the last of a day decides by how a run keeps them once a day: then any of them follows.
    """
    if stored is None or (isinstance(stored, float) and math.isnan(stored)):
        return Finding(what, not reported, None, reported[-1] if reported else None)
    return Finding(what, stored in reported, stored, reported[-1] if reported else None)


def differing(found: Sequence[Finding]) -> list[str]:
    """A phrase for each finding that does not follow."""
    return [
        f"{each.what} is stored as {shown(each.stored)}, not {shown(each.again)}{f' ({each.why})' if each.why else ''}"
        for each in found
        if each.follows is False
    ]


def begun_us(row: Mapping[str, Any], v: str) -> int:
    """When the track of a vessel of an encounter began, as its name says."""
    return us(datetime.fromisoformat(row[f"track_{v}"].partition("@")[2]))


# -------------------------------------------------------------------------------------------------- of dark meetings


def of_party(party: Mapping[str, Any], lake: Lake, fixes: Rows, rules: Rules) -> tuple[list[Finding], list[int]]:
    """What the fixes of one party of a dark meeting say of its silence or its wait; the rows at both ends of it.

    party: role (gap, wait), v, mmsi, track_us, start_us, end_us; of a wait lon, lat, drift_km. Raises RemovedFixes.
    """
    span_us = start_us, end_us = party["start_us"], party["end_us"]
    wide_us = round(2 * rules.vessel.thin_bucket_min * MINUTE) if party["role"] == "wait" else 0
    course = course_of(
        lake, fixes, party["mmsi"], party["track_us"], (start_us - wide_us, end_us + wide_us), rules.vessel
    )
    if gone := lake.removal((start_us - wide_us, end_us + wide_us)):
        return [Finding(party["role"], None, why=gone)], []
    edges = course.row[np.isin(course.time_us, span_us)].tolist()
    if party["role"] == "wait":
        return list(_of_wait(party, course, span_us, rules)), edges
    heard = course.time_us[course.time_us >= start_us].tolist()
    whole = "heard at both edges, not between"
    again = whole if heard == [*span_us] else f"{len(heard) - len(edges)} fixes between, {len(edges)} edges"
    judged = Finding("what a silence was judged to be", None, why=_OF_OTHERS)
    return [Finding(f"gap_{party['v']}", heard == [*span_us], whole, again), judged], edges


_OF_OTHERS = "it rests on what others sent, and is taken from table gaps, as is how much of it lay in outages then"


def _of_wait(wait: Mapping[str, Any], course: TrackFixes, span_us: tuple[int, int], rules: Rules) -> Iterator[Finding]:
    """Whether who waited was heard when it began and ended, and where it lay between."""
    ends = np.flatnonzero(np.isin(course.time_us, span_us)).tolist()
    yield same("wait", "heard at 2 ends", f"heard at {len(ends)} ends")
    if len(ends) == 2:
        drift_km = float(apart_m(*(axis[k] for k in ends for axis in (course.lon, course.lat)))) / 1000
        yield near("drift of the wait", wait["drift_km"], drift_km, 0.0015)
        middles = [_middle_of(course, span_us, rules, lean) for lean in (0, 1, -1)]
        away_m = [float(apart_m(*middle, wait["lon"], wait["lat"])) for middle in middles]
        place = middles[int(np.argmin(away_m))]
        yield Finding("place of the wait", min(away_m) <= _LAY_OFF_M, (wait["lon"], wait["lat"]), place)


def _middle_of(course: TrackFixes, span_us: tuple[int, int], rules: Rules, lean: int) -> tuple[float, float]:
    """The mean place, by time, of the chords of a span in which a vessel lay or drifted."""
    of = chords_of(course, rules.vessel, lean)
    inside = (course.time_us[of.first] >= span_us[0]) & (course.time_us[of.last] <= span_us[1])
    inside &= of.speed_dkn < rules.stays.slow_kn * 10
    first, last = of.first[inside], of.last[inside]
    long_us = np.maximum(course.time_us[last] - course.time_us[first], 1)
    turn = (course.lon - course.lon[0] + 180) % 360 - 180
    lon, lat = (float(np.average((axis[first] + axis[last]) / 2, weights=long_us)) for axis in (turn, course.lat))
    return (lon + float(course.lon[0]) + 180) % 360 - 180, lat


def stays_of(v: str) -> tuple[str, str]:
    """The columns that say how long a vessel lay before and after an encounter."""
    return f"slow_before_{v}_h", f"slow_after_{v}_h"


def _is_covered(course: TrackFixes, edges: Ints, begun_us: int, span_us: tuple[int, int]) -> bool:
    """Whether the data of a track cover a span: no silence begins or ends in it, nor the track, nor the data.

    edges: as `gap_edges` gives them.
    """
    inside = bool(((edges >= span_us[0]) & (edges <= span_us[1])).any())
    return begun_us < span_us[0] and len(course) > 0 and int(course.time_us[-1]) > span_us[1] and not inside


def of_stays(row: Mapping[str, Any], v: str, course: TrackFixes, edges: Ints, rules: Rules) -> Iterator[Finding]:
    """How long a vessel lay before and after an encounter; thinned by a hair either way counts. edges: of silences."""
    start_us, end_us, around_us = us(row["start_time"]), us(row["end_time"]), round(rules.encounter.around_h * HOUR)
    short = end_us - start_us <= rules.encounter.around_most_d * 24 * HOUR
    sides = (start_us - around_us, start_us), (end_us, end_us + around_us)
    for name, span_us in zip(stays_of(v), sides, strict=True):
        stored = row[name]
        if not (short and _is_covered(course, edges, begun_us(row, v), span_us)):
            yield Finding(name, stored is None, stored, None)
            continue
        again = (recomputed.slow_h(course, span_us, rules, lean) for lean in (0, 1, -1))
        first = Finding(name, False, stored, next(again))
        every = itertools.chain([first.again], again)
        near = (h for h in every if stored is not None and abs(stored - h) <= _STAY_OFF_H)
        yield next((Finding(name, True, stored, h) for h in near), first)


# ------------------------------------------------------------------------------------- which fixes decide a meeting


def deciding_fixes(
    pair: Pair, courses: tuple[TrackFixes, TrackFixes], cpa_us: int, rules: Rules
) -> dict[int, list[str]]:
    """The fixes of both that decide a meeting, by their row, and what each decides. courses: with what lies round it.

    Those beside its first, nearest and last moment, and at the edges of gaps in or beside it.
    """
    near, found = pair.near, dict[int, list[str]]()
    begin_us, end_us = int(near.start_us[0]), int(near.end_us[-1])
    beside_us = round(rules.encounter.dark_beside_min * 60e6)
    for course in courses:
        for role, time_us in (("first", begin_us), ("nearest", cpa_us), ("last", end_us)):
            for k in _beside(course, time_us):
                found.setdefault(int(course.row[k]), []).append(role)
        for k in gaps_in(course, begin_us - beside_us, end_us + beside_us, rules):
            for edge in (k, k + 1):
                found.setdefault(int(course.row[edge]), []).append("gap")
    return found


def _beside(course: TrackFixes, time_us: int) -> Iterator[int]:
    """The fixes between which a moment lies, or the one that stands at it."""
    after = int(np.searchsorted(course.time_us, time_us))
    if after < len(course) and course.time_us[after] == time_us:
        yield after
        return
    yield from (k for k in (after - 1, after) if 0 <= k < len(course))


def gaps_in(course: TrackFixes, from_us: int, to_us: int, rules: Rules) -> list[int]:
    """After which fixes of a course a gap begins of which an edge lies in a span."""
    took_us = np.diff(course.time_us)
    kind = course.satellite[1:] & course.satellite[:-1]
    limit_us = np.where(kind, rules.vessel.gap_satellite_h, rules.vessel.gap_terrestrial_h) * 3.6e9
    edges = [(side >= from_us) & (side <= to_us) for side in (course.time_us[:-1], course.time_us[1:])]
    return np.flatnonzero((took_us > limit_us) & (edges[0] | edges[1])).tolist()
