"""Closed encounters as the rows that people read: medians, place, what both said of themselves, score and reasons."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo.coast.water import distance_to_shore_km, shore_error_km
from stswatch.geo.coordinates.sphere import M_PER_NM, MS_PER_KN, haversine_m
from stswatch.geo.coordinates.sun import sun_elevation_deg
from stswatch.geo.reference.harbours import nearest_port, port_or_anchorage_of
from stswatch.geo.reference.ports import ports
from stswatch.geo.reference.zones import zone_of
from stswatch.models.scorecard import Scorecard, load
from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, MINUTE, MS, SECOND, Bools, Ints, build, micros, ordered, starts_of
from stswatch.pipeline.meetings import intervals
from stswatch.pipeline.rules import EncounterRules, Rules, days, minutes
from stswatch.pipeline.schema.measures import MEASURES
from stswatch.pipeline.times import iso

# ------------------------------------------------- gaps beside encounters: which vessel's data began or ended there


@dataclass(frozen=True)
class Edges:
    """Times at which the legs of tracks begin or end for want of data, sorted by track and time.

    key: number of the track and time in one whole number, times counted from `base_us` and shorter than `span_us`.
    """

    mmsi: Ints
    track_us: Ints
    key: Ints
    base_us: int
    span_us: int

    @staticmethod
    def of(table: pa.Table) -> Edges:
        """From rows of schema.EDGES, whatever their side."""
        mmsi, track_us, time_us = np.asarray(table["mmsi"]), micros(table, "track_start"), micros(table, "time")
        order = ordered(mmsi, track_us, time_us)
        mmsi, track_us, time_us = mmsi[order], track_us[order], time_us[order]
        change = (np.diff(mmsi, prepend=mmsi[:1]) != 0) | (np.diff(track_us, prepend=track_us[:1]) != 0)
        number = np.cumsum(change)
        first = np.flatnonzero(np.diff(number, prepend=-1))
        base_us = int(time_us.min(initial=1 << 62))
        span_us = int(time_us.max(initial=base_us)) - base_us + 1
        return Edges(mmsi[first], track_us[first], number * span_us + time_us - base_us, base_us, span_us)

    def any_between(self, mmsi: Ints, track_us: Ints, low_us: Ints, high_us: Ints) -> Bools:
        """Whether a track has an edge in [low, high], (n,) each."""
        number = self._number(mmsi, track_us)
        # a time before or after all edges must not reach into the numbers of another track
        low = number * self.span_us + np.clip(low_us - self.base_us, 0, self.span_us)
        high = number * self.span_us + np.clip(high_us - self.base_us, -1, self.span_us - 1)
        found = np.searchsorted(self.key, high, side="right") > np.searchsorted(self.key, low, side="left")
        return found & (number >= 0)

    def _number(self, mmsi: Ints, track_us: Ints) -> Ints:
        """The number of each track among those with edges, -1 where it has none."""
        have = len(self.mmsi)
        both = np.concatenate([self.mmsi, mmsi]), np.concatenate([self.track_us, track_us])
        order = ordered(*both)
        a, b = both[0][order], both[1][order]
        group = np.cumsum((np.diff(a, prepend=a[:1]) != 0) | (np.diff(b, prepend=b[:1]) != 0))
        number = np.full(len(order) + 1, -1)
        mine = order < have
        number[group[mine]] = order[mine]
        out = np.empty(len(order), np.int64)
        out[order] = number[group]
        return out[have:]


def darken(meetings: pa.Table, edges: pa.Table, beside_us: int) -> pa.Table:
    """The encounters with gap_a, gap_b set where a silence of that vessel begins or ends in or beside them."""
    silences = Edges.of(edges.filter(pc.not_equal(edges["side"], "data_end")))
    low, high = micros(meetings, "start") - beside_us, micros(meetings, "end") + beside_us
    for v in ("a", "b"):
        found = silences.any_between(np.asarray(meetings[f"mmsi_{v}"]), micros(meetings, f"track_{v}"), low, high)
        at = meetings.column_names.index(f"gap_{v}")
        dark = pa.array(found | np.asarray(meetings[f"gap_{v}"]))
        meetings = meetings.set_column(at, meetings.schema.field(at), dark)
    return meetings


def ended_by_data(meetings: pa.Table, edges: pa.Table) -> Bools:
    """Whether the legs of a or b end, for want of data, just where the encounter does, (n,) bool."""
    ends = Edges.of(edges.filter(pc.not_equal(edges["side"], "start")))
    end = micros(meetings, "end")
    sides = [
        ends.any_between(np.asarray(meetings[f"mmsi_{v}"]), micros(meetings, f"track_{v}"), end, end)
        for v in ("a", "b")
    ]
    return np.asarray(sides[0] | sides[1])


# ------------------------------------------------------------------------------------------------------------- rows

_MEDIANS = (
    ("median_distance_m", intervals.DISTANCE),
    ("median_speed_a_kn", intervals.SPEED_A),
    ("median_speed_b_kn", intervals.SPEED_B),
    ("heading_difference_deg", intervals.ANGLE),
)


def encounter_rows(
    closed: pa.Table, known_edges: pa.Table, static_data: pa.Table, rules: Rules, card: Scorecard
) -> pa.Table:
    """Encounters long enough to count, as schema.ENCOUNTERS; `run_id` is filled in by the store."""
    span_us = micros(closed, "end") - micros(closed, "start")
    rows = closed.filter(pa.array(span_us >= minutes(rules.encounter.min_duration_min)))
    if rows.num_rows == 0:
        return schema.empty("encounters")
    columns: dict[str, Any] = _measured(rows) | _of_each(rows) | _moved(rows)
    columns["position_error_m"] = 2 * rules.vessel.fix_error_m + np.asarray(rows["rounding_m"])
    columns["end_censored"] = ended_by_data(rows, known_edges)
    columns |= by_the_end(rows, static_data, rules.encounter)
    row, code, ms = intervals.bins_of(rows)
    for name, what in _MEDIANS:
        columns[name] = intervals.medians(row, code, ms, what, rows.num_rows)
    columns = rounded(columns)
    # a median within a bin may lie below the least distance, which is known to the centimetre
    columns["median_distance_m"] = np.maximum(columns["median_distance_m"], columns["cpa_distance_m"])
    own = rules.encounter
    near = intervals.share_below(row, code, ms, own.one_place_m, rows.num_rows)
    columns["possibly_one_hull"] = (near >= own.one_place_share) & (columns["within_min"] >= own.one_place_min)
    columns |= rounded(_place(columns["lon"], columns["lat"], rules.proximity.port_radius_km))
    off_km = shore_error_km(columns["lon"], columns["lat"], columns["distance_to_shore_km"])
    sun_deg = sun_elevation_deg(columns["lon"], columns["lat"], columns["cpa_time"])
    far = {"distance_to_shore_error_km": off_km + columns["position_error_m"] / 2000, "sun_elevation_deg": sun_deg}
    columns |= rounded(far)
    order = np.lexsort((columns["start_time"], columns["mmsi_b"], columns["mmsi_a"]))
    return build("encounters", columns | _judged(columns, card)).take(pa.array(order))


def rounded(columns: dict[str, Any]) -> dict[str, Any]:
    """The same columns, those that are measures as they are published; see schema/measures.py."""
    decimals = {name: MEASURES[name].decimals for name in columns if name in MEASURES}
    return columns | {name: np.round(columns[name], n) for name, n in decimals.items() if n is not None}


def _measured(rows: pa.Table) -> dict[str, np.ndarray]:
    """What follows from the sums alone."""
    n = rows.num_rows
    start_us, end_us, within_ms = micros(rows, "start"), micros(rows, "end"), np.asarray(rows["within_ms"])
    return {
        "id": _ids(rows),
        "revision": np.ones(n, np.int64),
        "status": np.full(n, "current", object),
        "kind": np.full(n, "lit", object),
        "start_time": start_us,
        "end_time": end_us,
        "start_censored": np.asarray(rows["fresh"]),
        "duration_min": (end_us - start_us) / MINUTE,
        "within_min": within_ms * MS / MINUTE,
        "lon": np.asarray(rows["lon"]),
        "lat": np.asarray(rows["lat"]),
        "cpa_time": micros(rows, "cpa_time"),
        "region": np.full(n, None, object),
        "cpa_distance_m": np.asarray(rows["nearest_cm"]) / 100.0,
        "observed_share": np.asarray(rows["observed_ms"]) / within_ms,
        "candidate_count": np.ones(n, np.int64),
        "run_id": np.full(n, "", object),
    }


def _of_each(rows: pa.Table) -> dict[str, np.ndarray]:
    """What is told of a and of b."""
    columns: dict[str, np.ndarray] = {}
    for v in ("a", "b"):
        columns[f"track_{v}"] = _track_names(rows, v)
        columns[f"mmsi_{v}"] = np.asarray(rows[f"mmsi_{v}"])
        columns[f"fixes_{v}"] = np.asarray(rows[f"fixes_{v}"]) + np.asarray(rows[f"end_fix_{v}"])
        columns[f"gap_{v}"] = np.asarray(rows[f"gap_{v}"])
    return columns


def _moved(rows: pa.Table) -> dict[str, np.ndarray]:
    """How fast the two moved against each other, and how far and how fast the pair as a whole."""
    m_per_s = np.asarray(rows["moved_cm"]) / 100 / (np.asarray(rows["within_ms"]) / 1000)
    drift_km = haversine_m(*(np.asarray(rows[name]) for name in ("lon0", "lat0", "lon1", "lat1"))) / 1000
    hours = (micros(rows, "end") - micros(rows, "start")) / HOUR
    return {
        "relative_speed_kn": m_per_s / MS_PER_KN,
        "drift_km": drift_km,
        "drift_kn": drift_km / hours / (M_PER_NM / 1000),
    }


def _track_names(rows: pa.Table, v: str) -> np.ndarray:
    """The name of the track of each, written once for each track: in a harbour one has many neighbours."""
    mmsi, first_us = np.asarray(rows[f"mmsi_{v}"]), micros(rows, f"track_{v}")
    order = ordered(mmsi.astype(np.int64), first_us // MS)
    head = starts_of(mmsi[order], first_us[order])
    tracks = zip(mmsi[order[head]].tolist(), first_us[order[head]].tolist(), strict=True)
    names = np.array([f"{m:09d}@{_iso(t)}" for m, t in tracks], object)
    found = np.empty(len(order), object)
    found[order] = np.repeat(names, np.diff(np.append(head, len(order))))
    return found


def _iso(time_us: int) -> str:
    return iso(time_us) if time_us % SECOND else iso(time_us).replace(".000", "")


def _ids(rows: pa.Table) -> np.ndarray:
    """A name for each encounter made of its pair and start: the same event gets the same name in every run."""
    parts = [
        np.asarray(rows["mmsi_a"]),
        micros(rows, "track_a"),
        np.asarray(rows["mmsi_b"]),
        micros(rows, "track_b"),
    ]
    text = zip(*(p.tolist() for p in (*parts, micros(rows, "start"))), strict=True)
    return np.array(["E" + hashlib.sha256(repr(t).encode()).hexdigest()[:12] for t in text], object)


def _place(lon: np.ndarray, lat: np.ndarray, port_radius_km: float) -> dict[str, np.ndarray]:
    """Zones of the nearest approach, its nearest port, the one that it lies in, and how far the shore is."""
    index, distance_km = nearest_port(lon, lat)
    inside, part = port_or_anchorage_of(lon, lat, port_radius_km)
    zones = np.empty(len(lon), object)
    zones[:] = zone_of(lon, lat)
    return {
        "zones": zones,
        "port": ports().id[index].astype(object),
        "distance_to_port_km": distance_km,
        "in_port": _where(inside >= 0, ports().id[inside]),
        "in_port_part": _where(inside >= 0, part),
        "distance_to_shore_km": distance_to_shore_km(lon, lat),
    }


def _where(known: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Words where they are known, else null."""
    out = words.astype(object)
    out[~known] = None
    return out


def _judged(columns: dict[str, Any], card: Scorecard) -> dict[str, object]:
    """Score and reasons from what was measured; flag, name and lists never enter."""
    score, _ = card.score(columns)
    return {"score": score, "reasons": card.reasons(columns).cast(schema.ENCOUNTERS.field("reasons").type)}


@cache
def scorecard() -> Scorecard:
    """The scorecard that gives the scores where no other is asked for, read once."""
    return load()


STATIC_COLUMNS = {"ship_type": "ship_type_{}", "length_m": "length_{}_m"}


def by_the_end(meetings: pa.Table, static_data: pa.Table, rules: EncounterRules) -> dict[str, pa.Array]:
    """The columns ship_type_a, ship_type_b, length_a_m, length_b_m for n encounters; null where nothing was said.

    said: schema.STATIC_DATA. What a vessel says after the end does not count, so that later data change nothing; nor
    does what it said more than static_memory_d before, in whole UTC days, since a value is told once in each.
    """
    static_data = static_data.take(
        pa.array(ordered(np.asarray(static_data["mmsi"]), micros(static_data, "time") // MS))
    ).combine_chunks()
    n = meetings.num_rows
    mmsi = np.concatenate([np.asarray(meetings[f"mmsi_{v}"]) for v in ("a", "b")])
    end_us = np.tile(micros(meetings, "end"), 2)
    columns: dict[str, pa.Array] = {}
    for name, column in STATIC_COLUMNS.items():
        known = static_data.filter(pc.is_valid(static_data[name])).combine_chunks()
        row = _last_before(known, mmsi, end_us)
        told_us = np.append(micros(known, "time"), 0)[row]
        row[told_us < _oldest_us(end_us, rules)] = -1
        found = known[name].combine_chunks().take(pa.array(row, mask=row < 0))
        columns |= {column.format("a"): found[:n], column.format("b"): found[n:]}
    return columns


def still_needed(static_data: pa.Table, since_us: int, rules: EncounterRules) -> pa.Table:
    """What an encounter that ends then or later can ask for, and nothing older than static_memory_d before.

    Of each vessel that is the last row until then that tells a value, for each of them, and all rows after.
    """
    mmsi, time_us = np.asarray(static_data["mmsi"]), micros(static_data, "time")
    needed = time_us > since_us
    order = ordered(mmsi, time_us // MS)
    order = order[~needed[order]]
    for name in STATIC_COLUMNS:
        row = order[np.asarray(static_data[name].is_valid())[order]]
        first = starts_of(mmsi[row])
        needed[row[np.append(first[1:], len(row))[: len(first)] - 1]] = True
    needed &= time_us >= _oldest_us(np.int64(since_us), rules)
    return static_data.filter(pa.array(needed)).combine_chunks()


def _oldest_us(end_us: Ints | np.int64, rules: EncounterRules) -> Ints:
    """The first moment of what is still remembered at a time, (n,) microseconds: the beginning of a UTC day."""
    oldest_us = end_us // days(1) * days(1) - days(rules.static_memory_d)
    return np.asarray(-(-oldest_us // days(1)) * days(1))


def _last_before(known: pa.Table, mmsi: Ints, end_us: Ints) -> Ints:
    """The row of each vessel's last word at or before a time, (n,); -1 where there is none. told: sorted."""
    have, time_us = np.asarray(known["mmsi"]), micros(known, "time")
    n = len(have)
    # both lists in one order, a word before an end at the same moment: the last word so far of the same vessel is it
    order = np.lexsort((np.repeat([0, 1], [n, len(mmsi)]), np.append(time_us, end_us), np.append(have, mmsi)))
    last = np.maximum.accumulate(np.where(order < n, order, -1))
    row = np.empty(n + len(mmsi), np.int64)
    row[order] = last
    row = row[n:]
    return np.asarray(np.where((row >= 0) & (np.append(have, -1)[row] == mmsi), row, -1))
