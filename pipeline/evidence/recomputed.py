"""A meeting measured again from its fixes alone, by a plain path of its own: straight lines between points in space.

Where a run takes local planes in degrees, pieces of 8 km and counts in bins, this takes Earth-centred coordinates,
whole legs and every moment; none of the code that a run measures by is called here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from stswatch.geo.coordinates.plane import in_space_km
from stswatch.geo.coordinates.sphere import MEAN_RADIUS_M, MS_PER_KN
from stswatch.geo.reference.harbours import berth_of
from stswatch.pipeline.batch import DAY, HOUR, MINUTE, MS, SECOND
from stswatch.pipeline.evidence.lake_fixes import (
    NO_HEADING,
    Bools,
    Chords,
    Floats,
    Ints,
    TrackFixes,
    apart_m,
    chords_of,
    legs_of,
)
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.track_rules import VesselRules

_E2 = 1 - (1 - 1 / 298.257223563) ** 2  # WGS 84, Source: NIMA TR8350.2

# -------------------------------------------------------------------------- when two courses are near, and how near


@dataclass(frozen=True)
class Nearness:
    """Spans in which two courses are within the distance, in order, (k,) each; times in whole milliseconds.

    x_m, y_m: (k, 2) east and north of a to b at both ends. lon, lat: (k, 2) the middle of both. chord: (k, 2) of each.
    """

    start_us: Ints
    end_us: Ints
    x_m: Floats
    y_m: Floats
    lon: Floats
    lat: Floats
    chord: Ints

    def at(self, rows: Any) -> Nearness:
        """These spans."""
        return Nearness(*(getattr(self, field.name)[rows] for field in fields(self)))

    def offset_m(self, time_us: int) -> float:
        """How far apart the two are at a time; NaN where it lies in none of the spans."""
        k = int(np.searchsorted(self.start_us, time_us, side="right")) - 1
        if k < 0 or time_us > self.end_us[k]:
            return math.nan
        share = (time_us - self.start_us[k]) / (self.end_us[k] - self.start_us[k])
        x_m, y_m = (side[k, 0] + (side[k, 1] - side[k, 0]) * share for side in (self.x_m, self.y_m))
        return math.hypot(x_m, y_m)

    def place_at(self, k: int, time_us: int) -> tuple[float, float]:
        """Longitude and latitude of the middle of both at a time in the k-th span."""
        share = (time_us - self.start_us[k]) / (self.end_us[k] - self.start_us[k])
        turn = (self.lon[k, 1] - self.lon[k, 0] + 180) % 360 - 180
        lon = (self.lon[k, 0] + turn * share + 180) % 360 - 180
        return float(lon), float(self.lat[k, 0] + (self.lat[k, 1] - self.lat[k, 0]) * share)


@dataclass(frozen=True)
class Pair:
    """Two courses, their slow legs, and when they are near."""

    courses: tuple[TrackFixes, TrackFixes]
    chords: tuple[Chords, Chords]
    near: Nearness


def pair_of(a: TrackFixes, b: TrackFixes, rules: Rules, lean: int = 0) -> Pair:
    """Two courses as a pair; near are slow legs of both within the encounter distance, but those at berth.

    lean: see chords_of.
    """
    courses, chords = (a, b), (chords_of(a, rules.vessel, lean), chords_of(b, rules.vessel, lean))
    begin, until, chord = _together(courses, chords)
    ends = [
        [_at(course, of, chord[:, v], t) for t in (begin, until)]
        for v, (course, of) in enumerate(_both(courses, chords))
    ]
    middle = [(ends[0][k] + ends[1][k]) / 2 for k in (0, 1)]
    x_m, y_m = _east_north([ends[1][k] - ends[0][k] for k in (0, 1)], (middle[0] + middle[1]) / 2)
    lower, upper = _within(x_m, y_m, rules.proximity.distance_m)
    span_us = until - begin
    start_us, end_us = (begin + np.rint(share * span_us / MS).astype(np.int64) * MS for share in (lower, upper))
    end_us = np.where(upper >= 1, until, end_us)
    hit = np.flatnonzero((lower <= upper) & (start_us < end_us))
    shares = np.stack([(t - begin)[hit] / span_us[hit] for t in (start_us, end_us)], axis=1)
    x_m, y_m = (side[hit, :1] + (side[hit, 1:] - side[hit, :1]) * shares for side in (x_m, y_m))
    space = [middle[0][hit] + (middle[1] - middle[0])[hit] * shares[:, k : k + 1] for k in (0, 1)]
    lon, lat = (np.stack(side, axis=1) for side in zip(*(_places(each) for each in space), strict=True))
    near = Nearness(start_us[hit], end_us[hit], x_m, y_m, lon, lat, chord[hit])
    return Pair(courses, chords, near.at(~_at_berth(courses, chords, near, rules)))


def _both(courses: tuple[TrackFixes, TrackFixes], chords: tuple[Chords, Chords]) -> Any:
    return zip(courses, chords, strict=True)


def _together(courses: tuple[TrackFixes, TrackFixes], chords: tuple[Chords, Chords]) -> tuple[Ints, Ints, Ints]:
    """Spans in which each of the two is on one slow leg: from, to, and (k, 2) which."""
    times = [(course.time_us[of.first], course.time_us[of.last]) for course, of in _both(courses, chords)]
    edges = np.unique(np.concatenate([each for pair in times for each in pair]))
    if min(len(start) for start, _ in times) == 0 or len(edges) < 2:
        none = np.zeros(0, np.int64)
        return none, none, np.zeros((0, 2), np.int64)
    begin, until = edges[:-1], edges[1:]
    chord = np.stack([np.searchsorted(start, begin, side="right") - 1 for start, _ in times], axis=1)
    on = np.all([(chord[:, v] >= 0) & (times[v][1][chord[:, v]] >= until) for v in (0, 1)], axis=0)
    return begin[on], until[on], chord[on]


def _at(course: TrackFixes, of: Chords, chord: Ints, time_us: Ints) -> Floats:
    """Points in space, metres, (k, 3), where even motion on a leg puts a vessel at some times."""
    first, last = of.first[chord], of.last[chord]
    space = [in_space_km(course.lon[row], course.lat[row]) * 1000 for row in (first, last)]
    share = (time_us - course.time_us[first]) / (course.time_us[last] - course.time_us[first])
    return np.asarray(space[0] + (space[1] - space[0]) * share[:, None])


def _places(space_m: Floats) -> tuple[Floats, Floats]:
    """Longitude and latitude of points on the ellipsoid, degrees."""
    x, y, z = space_m.T
    return np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, (1 - _E2) * np.hypot(x, y)))


def _east_north(offsets: list[Floats], at: Floats) -> tuple[Floats, Floats]:
    """East and north, (k, 2) metres, of offsets in space at two ends, on the plane that touches the Earth there."""
    lon, lat = (np.radians(degrees) for degrees in _places(at))
    east = np.stack([-np.sin(lon), np.cos(lon), np.zeros(len(lon))], axis=1)
    north = np.stack([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)], axis=1)
    x_m, y_m = (np.stack([(each * axis).sum(axis=1) for each in offsets], axis=1) for axis in (east, north))
    return x_m, y_m


def _within(x_m: Floats, y_m: Floats, distance_m: float) -> tuple[Floats, Floats]:
    """The share of each even motion from which and up to which it is within a distance; nowhere: from 1 to 0."""
    dx, dy = x_m[:, 1] - x_m[:, 0], y_m[:, 1] - y_m[:, 0]
    a, b = dx * dx + dy * dy, x_m[:, 0] * dx + y_m[:, 0] * dy
    c = x_m[:, 0] ** 2 + y_m[:, 0] ** 2 - distance_m**2
    moves = a > 1e-12
    root = np.sqrt(np.maximum(b * b - a * c, 0.0))
    divisor = np.where(moves, a, 1.0)
    low, high = (np.where(c <= 0, *ends) for ends in ((0.0, 1.0), (1.0, 0.0)))  # of what keeps its distance
    lower, upper = np.where(moves, (-b - root) / divisor, low), np.where(moves, (-b + root) / divisor, high)
    never = moves & (b * b < a * c) | (upper < 0) | (lower > 1)
    return np.where(never, 1.0, np.clip(lower, 0, 1)), np.where(never, 0.0, np.clip(upper, 0, 1))


def _at_berth(
    courses: tuple[TrackFixes, TrackFixes], chords: tuple[Chords, Chords], near: Nearness, rules: Rules
) -> Bools:
    """Which spans are of two that both lie still at berth: those are counted, not measured."""
    dkn = np.stack([of.speed_dkn[near.chord[:, v]] for v, of in enumerate(chords)], axis=1)
    out = np.asarray((dkn < rules.proximity.still_kn * 10).all(axis=1))
    for v, (course, of) in enumerate(_both(courses, chords)):
        if out.any():
            chord, back = np.unique(near.chord[out, v], return_inverse=True)
            ends = [of.first[chord], of.last[chord]]
            lon0, lon1 = (course.lon[row] for row in ends)
            lon1 = lon0 + (lon1 - lon0 + 180) % 360 - 180
            port, _ = berth_of((lon0 + lon1) / 2, (course.lat[ends[0]] + course.lat[ends[1]]) / 2)
            out[out] = (port >= 0)[back]
    return out


def meeting_at(pair: Pair, start_us: int, end_us: int, rules: Rules) -> Pair | None:
    """The pair with the spans of the meeting that shares most time with one from start to end; None where none does."""
    near = pair.near
    if not len(near.start_us):
        return None
    apart_us = near.start_us[1:] - np.maximum.accumulate(near.end_us)[:-1]
    run = np.cumsum(np.concatenate([[False], apart_us > rules.encounter.join_min * MINUTE]))
    shared = np.maximum(np.minimum(near.end_us, end_us) - np.maximum(near.start_us, start_us), 0)
    by_run = np.bincount(run, weights=shared)
    best = int(np.argmax(by_run))
    return replace(pair, near=near.at(run == best)) if by_run[best] > 0 else None


# ----------------------------------------------------------------------------------------- what is measured of it


@dataclass(frozen=True)
class Measured:
    """A meeting as measured here: numbers under the names of table encounters, and what tells how good they are.

    off_m: how far this way of measuring and that of a run may lie apart. slack_us: what that makes of start and end.
    edge_fixes: how many fixes stand so near to where the two came or went that they may lie on either side.
    distance, speed_a, speed_b, angle: (values, milliseconds) of which the stored number must be the median.
    """

    values: Mapping[str, Any]
    off_m: float
    slack_us: tuple[float, float]
    samples: Mapping[str, tuple[Floats, Floats]]
    edge_fixes: Mapping[str, int]


_PARTS = 16, 512  # moments of a span, and of all, at the least, at which the distance is taken for the median


def measured(pair: Pair, rules: Rules) -> Measured:
    """What is measured of the meeting whose spans a pair holds."""
    near = pair.near
    x0, y0, x1, y1 = near.x_m[:, 0], near.y_m[:, 0], near.x_m[:, 1], near.y_m[:, 1]
    long_us = (near.end_us - near.start_us).astype(np.float64)
    dx, dy = x1 - x0, y1 - y0
    speed2 = dx * dx + dy * dy
    share = np.clip(-(x0 * dx + y0 * dy) / np.where(speed2 == 0, 1.0, speed2), 0.0, 1.0)
    least_m = np.hypot(x0 + dx * share, y0 + dy * share)
    k = int(np.argmin(least_m))
    cpa_us = int(near.start_us[k] + round(float(share[k] * long_us[k]) / MS) * MS)
    within_us, start_us, end_us = float(long_us.sum()), int(near.start_us[0]), int(near.end_us[-1])
    drift_km = float(apart_m(near.lon[0, 0], near.lat[0, 0], near.lon[-1, 1], near.lat[-1, 1])) / 1000
    values: dict[str, Any] = {
        "start_time": start_us,
        "end_time": end_us,
        "duration_min": (end_us - start_us) / MINUTE,
        "within_min": within_us / MINUTE,
        "cpa_time": cpa_us,
        "cpa_distance_m": float(least_m[k]),
        "relative_speed_kn": float(np.sqrt(speed2).sum() / (within_us / SECOND)) / MS_PER_KN,
        "drift_km": drift_km,
        "drift_kn": drift_km / ((end_us - start_us) / HOUR) / 1.852,
        "position_error_m": _rounding_m(pair) + 2 * rules.vessel.fix_error_m,
        "observed_share": _observed_us(pair, rules) / within_us,
        **{f"fixes_{v}": _fixes_in(course, near) for v, course in zip("ab", pair.courses, strict=True)},
    }
    bend_m = sum(_bend_m(pair, v) for v in (0, 1))
    slack_us = _slack_us(near, 0, bend_m), _slack_us(near, -1, bend_m)
    apart = near.start_us[1:] != near.end_us[:-1]
    edges = np.concatenate([near.start_us[:1], near.end_us[:-1][apart], near.start_us[1:][apart], near.end_us[-1:]])
    beside = {
        f"fixes_{v}": int((np.abs(course.time_us[:, None] - edges) <= max(slack_us)).any(axis=1).sum())
        for v, course in zip("ab", pair.courses, strict=True)
    }
    return Measured(values, bend_m, slack_us, _samples(pair, rules), beside)


def _slack_us(near: Nearness, k: int, off_m: float) -> float:
    """How much later or earlier the two may have come or gone by the k-th span, were they so much nearer or further."""
    end = 0 if k == 0 else 1
    x, y, dx, dy = near.x_m[k, end], near.y_m[k, end], np.diff(near.x_m[k])[0], np.diff(near.y_m[k])[0]
    took_us, speed2, toward = float(near.end_us[k] - near.start_us[k]), dx * dx + dy * dy, abs(x * dx + y * dy)
    if speed2 < 1e-9:
        return took_us
    change = 2 * off_m * (math.hypot(x, y) + off_m)  # of the squared distance
    outward = (math.sqrt(toward * toward + speed2 * change) - toward) / speed2
    inward = (toward - math.sqrt(max(toward * toward - speed2 * change, 0.0))) / speed2
    return float(2 * MS + max(outward, inward) * took_us)


def _bend_m(pair: Pair, v: int) -> float:
    """How far a run's pieces of legs may lie off the straight way, and what its whole centimetres leave."""
    course, of = pair.courses[v], pair.chords[v]
    first, last = (row[pair.near.chord[:, v]] for row in (of.first, of.last))
    way_m = np.minimum(apart_m(course.lon[first], course.lat[first], course.lon[last], course.lat[last]), 8000.0)
    steep = np.tan(np.radians(np.minimum(np.abs(course.lat[first]), 89.0)))
    return float((way_m**2 * np.maximum(steep, 1.0) / (8 * MEAN_RADIUS_M)).max()) + 0.03


def _rounding_m(pair: Pair) -> float:
    """The most by which rounding may have moved both, whole metres."""
    total = np.zeros(len(pair.near.start_us))
    for v, (course, of) in enumerate(_both(pair.courses, pair.chords)):
        if course.rounding_m.any():
            chord = pair.near.chord[:, v]
            total += [course.rounding_m[of.first[c] : of.last[c] + 1].max() for c in chord.tolist()]
    return float(total.max())


def motion_error_m(pair: Pair, k: int, time_us: int, rules: Rules) -> float:
    """How far both may be off at a time in the k-th span, since they may not have moved evenly."""
    return math.hypot(*(_off_m(pair, v, k, time_us, rules.vessel) for v in (0, 1)))


def _off_m(pair: Pair, v: int, k: int, time_us: int, rules: VesselRules) -> float:
    """How far a vessel may be at a time from where even motion puts it."""
    course, of, c = pair.courses[v], pair.chords[v], int(pair.near.chord[k, v])
    begin_us, end_us = (int(course.time_us[row[c]]) for row in (of.first, of.last))
    share, took_s = (time_us - begin_us) / (end_us - begin_us), (end_us - begin_us) / SECOND
    off_m = rules.leg_error_share * of.speed_dkn[c] / 10 * MS_PER_KN * took_s * 4 * share * (1 - share)
    return float(min(off_m, rules.thin_tolerance_m) if of.last[c] - of.first[c] > 1 else off_m)


def _fixes_in(course: TrackFixes, near: Nearness) -> int:
    """How many fixes lie in the spans."""
    k = np.searchsorted(near.start_us, course.time_us, side="right") - 1
    return int(((k >= 0) & (course.time_us <= near.end_us[np.maximum(k, 0)])).sum())


def _observed_us(pair: Pair, rules: Rules) -> float:
    """How much of the spans lies within a time of a fix of both: a thinned leg has fixes all along."""
    near, beside_us = pair.near, round(rules.proximity.observed_within_min * MINUTE)
    blind = []
    for v, (course, of) in enumerate(_both(pair.courses, pair.chords)):
        first, last = (row[near.chord[:, v]] for row in (of.first, of.last))
        low = np.clip(course.time_us[first] + beside_us, near.start_us, near.end_us)
        high = np.clip(course.time_us[last] - beside_us, near.start_us, near.end_us)
        blind.append((low, np.where(last - first > 1, low, np.maximum(high, low))))
    (low_a, high_a), (low_b, high_b) = blind
    both = np.where((high_a > low_a) & (high_b > low_b), np.minimum(high_a, high_b) - np.maximum(low_a, low_b), 0)
    return float((near.end_us - near.start_us - (high_a - low_a) - (high_b - low_b) + np.maximum(both, 0)).sum())


def _samples(pair: Pair, rules: Rules) -> dict[str, tuple[Floats, Floats]]:
    """Values that stand for equal parts of each span, and how long, for each number that is a median."""
    near = pair.near
    long_ms = (near.end_us - near.start_us) / MS
    parts = max(_PARTS[0], _PARTS[1] // len(near.start_us))
    share = (np.arange(parts) + 0.5) / parts
    x_m, y_m = (side[:, :1] + (side[:, 1:] - side[:, :1]) * share for side in (near.x_m, near.y_m))
    found = {"median_distance_m": (np.hypot(x_m, y_m).ravel(), np.repeat(long_ms / parts, parts))}
    headings, ends = [], []
    for v, (course, of) in enumerate(_both(pair.courses, pair.chords)):
        chord = near.chord[:, v]
        some = of.reported[chord]
        found[f"median_speed_{'ab'[v]}_kn"] = of.speed_dkn[chord][some] / 10, long_ms[some]
        headings.append(course.heading_deg[of.last[chord]])
        ends.append(course.time_us[of.last[chord]])
    known = (headings[0] != NO_HEADING) & (headings[1] != NO_HEADING)
    known &= np.abs(ends[0] - ends[1]) <= rules.proximity.observed_within_min * MINUTE
    keels = np.abs(headings[0] - headings[1]) % 180
    found["heading_difference_deg"] = np.minimum(keels, 180 - keels)[known].astype(np.float64), long_ms[known]
    return found


# --------------------------------------------------------------- where the data, not the vessels, begin or end a track


def starts_with_data(pair: Pair, rules: Rules) -> bool:
    """Whether the legs of one of the two begin where the meeting does."""
    near = pair.near
    for v, (course, of) in enumerate(_both(pair.courses, pair.chords)):
        k = int(of.first[near.chord[0, v]])
        before = k > 0 and bool(legs_of(course.at(slice(k - 1, k + 1)), rules.vessel)[1][0])
        if course.time_us[k] == near.start_us[0] and not before:
            return True
    return False


def ends_with_data(pair: Pair, rules: Rules) -> bool:
    """Whether the legs of one of the two end where the meeting does."""
    near = pair.near
    for v, (course, of) in enumerate(_both(pair.courses, pair.chords)):
        k = int(of.last[near.chord[-1, v]])
        after = k + 1 < len(course) and bool(legs_of(course.at(slice(k, k + 2)), rules.vessel)[1][0])
        if course.time_us[k] == near.end_us[-1] and not after:
            return True
    return False


def about(course: TrackFixes, start_us: int, end_us: int, rules: Rules) -> TrackFixes:
    """The fixes by which a meeting is measured: as far off as a leg can be long, and what joins meetings."""
    own, satellite = rules.vessel, course.satellite.any()
    longest_us = (own.gap_satellite_h if satellite else own.gap_terrestrial_h) * HOUR
    wide_us = round(longest_us + (rules.encounter.join_min + 2 * own.thin_bucket_min) * MINUTE)
    return course.at((course.time_us >= start_us - wide_us) & (course.time_us <= end_us + wide_us))


# ------------------------------------------------------------------------ how a vessel came and went: how long it lay


def slow_h(course: TrackFixes, span_us: tuple[int, int], rules: Rules, lean: int) -> float:
    """Hours of a span in which a vessel lay or drifted: slow chords, and what parts them for a short time."""
    own, cut_us = rules.stays, round(rules.stays.cut_d * DAY)
    wide_us = round((own.join_min + 2 * rules.vessel.thin_bucket_min) * MINUTE)
    low, high = np.searchsorted(course.time_us, [span_us[0] - wide_us, span_us[1] + wide_us])
    course = course.at(slice(max(int(low) - 1, 0), int(high) + 1))  # with the legs that reach into it
    slow = np.ceil(legs_of(course, rules.vessel)[2] * 10 - 0.5) < own.slow_kn * 10
    if slow.all() or not slow.any():  # as mostly: a mean of such legs is such a one, whatever is thinned
        return (span_us[1] - span_us[0]) / HOUR * float(slow.any())
    chords = chords_of(course, rules.vessel, lean)
    still = chords.speed_dkn < own.slow_kn * 10
    first, last = chords.first[still], chords.last[still]
    start_us, until_us = course.time_us[first], course.time_us[last]
    away_m = apart_m(course.lon[last[:-1]], course.lat[last[:-1]], course.lon[first[1:]], course.lat[first[1:]])
    joined = (start_us[1:] - until_us[:-1] <= own.join_min * MINUTE) & (np.round(away_m, 3) <= own.join_m)
    joined &= start_us[1:] // cut_us == start_us[:-1] // cut_us
    until_us[:-1][joined] = start_us[1:][joined]
    return float((np.clip(until_us, *span_us) - np.clip(start_us, *span_us)).sum() / HOUR)
