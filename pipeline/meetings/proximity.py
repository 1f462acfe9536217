"""The proximity step: when two tracks were within the encounter distance, in continuous time.

Law: a leg is delivered when it is complete, so a later leg can begin up to `Rules.lag_us` before the frontier; legs are
kept so long. Pairs of legs that lie still in a port which is no part of the DPRK trade are counted, not written.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from stswatch.geo.plane import wrap_lon
from stswatch.geo.ports import lawful_port, ports
from stswatch.pipeline import schema
from stswatch.pipeline.batch import (
    HOUR,
    MS,
    Batch,
    Bools,
    Ints,
    Result,
    Tables,
    build,
    concat,
    micros,
    spread,
)
from stswatch.pipeline.meetings import berths
from stswatch.pipeline.meetings.candidates import Boxes, candidates
from stswatch.pipeline.meetings.motion import Ends, Near, near
from stswatch.pipeline.routes import grown_boxes
from stswatch.pipeline.rules import Rules, minutes

STATE = {"legs": schema.LEGS}


def proximity(state: Tables, batch: Batch, rules: Rules) -> Result:
    """One slice of the cells of one shard; see the module docstring for the law, schema.FLOW for what it gives."""
    new = batch.table("legs")
    legs = concat([state["legs"], new], schema.LEGS)
    kept = legs if batch.final else legs.filter(micros(legs, "end") > batch.frontier_us - rules.lag_us)
    if new.num_rows == 0:
        return Result({"legs": kept.combine_chunks()})
    view = _Legs(legs)
    is_new = np.arange(legs.num_rows) >= legs.num_rows - new.num_rows
    parts = [
        _judge(view, i, j, rules)
        for i, j in candidates(_boxes(legs, view, is_new, rules), batch.shard, batch.shards)
    ]
    rows = {
        "proximities": concat([p for p, _ in parts], schema.PROXIMITIES),
        "berth_pairs": berths.distinct(concat([b for _, b in parts], schema.BERTH_PAIRS)),
    }
    return Result({"legs": kept.combine_chunks()}, rows)


class _Legs:
    """Legs as NumPy columns."""

    def __init__(self, legs: pa.Table) -> None:
        self.mmsi = np.asarray(legs["mmsi"]).astype(np.int64)
        self.track_us = micros(legs, "track")
        self.ends = Ends(
            micros(legs, "start"),
            micros(legs, "end"),
            *(np.asarray(legs[n]) for n in ("lon0", "lat0", "lon1", "lat1")),
        )
        self.speed_dkn = np.asarray(legs["speed_dkn"]).astype(np.int64)
        self.fix_start_us, self.fix_end_us = micros(legs, "fix_start"), micros(legs, "fix_end")
        self.fresh = np.asarray(legs["fresh"])
        inner = legs["inner"].combine_chunks()
        self.inner_count = np.diff(np.asarray(inner.offsets)).astype(np.int64)
        # leg and moment in one sortable whole number: an inner fix is at most 2**31 ms after its leg starts
        self.inner_key = (np.repeat(np.arange(len(inner)), self.inner_count) << 32) + np.asarray(
            inner.flatten()
        )

    def fixes_between(self, leg: Ints, start_us: Ints, end_us: Ints) -> Ints:
        """Fixes of the leg in [start, end), (m,)."""
        begins = (start_us == self.ends.start_us[leg]) & (start_us == self.fix_start_us[leg])
        count = begins.astype(np.int64)
        some = np.flatnonzero(self.inner_count[leg])
        leg, start_us, end_us = leg[some], start_us[some], end_us[some]
        keys = [(leg << 32) + (t - self.ends.start_us[leg]) // MS for t in (start_us, end_us)]
        low, high = (np.searchsorted(self.inner_key, key) for key in keys)
        count[some] += high - low
        return count


def _boxes(legs: pa.Table, view: _Legs, is_new: Bools, rules: Rules) -> Boxes:
    west, south, east, north = grown_boxes(legs, rules.proximity.distance_m)
    return Boxes(wrap_lon(west), east - west, south, north, view.ends.start_us, view.ends.end_us, is_new)


def _judge(legs: _Legs, i: Ints, j: Ints, rules: Rules) -> tuple[pa.Table, pa.Table]:
    """Proximities and berth pairs of candidate legs."""
    swap = (legs.mmsi[i] > legs.mmsi[j]) | (
        (legs.mmsi[i] == legs.mmsi[j]) & (legs.track_us[i] > legs.track_us[j])
    )
    a, b = np.where(swap, j, i), np.where(swap, i, j)
    other = (legs.mmsi[a] != legs.mmsi[b]) | (legs.track_us[a] != legs.track_us[b])
    a, b = a[other], b[other]
    found = near(legs.ends.at(a), legs.ends.at(b), rules.proximity.distance_m)
    a, b = a[found.pair], b[found.pair]
    berth, port = _at_berth(legs, a, b, rules)
    at_sea = np.flatnonzero(~berth)
    return _proximity_rows(legs, a, b, found, at_sea, rules), _berth_rows(legs, a, b, found, berth, port)


def _at_berth(legs: _Legs, a: Ints, b: Ints, rules: Rules) -> tuple[Bools, np.ndarray]:
    """Whether both lie still in a port that is no part of the trade, and the port of a."""
    still = np.flatnonzero(np.maximum(legs.speed_dkn[a], legs.speed_dkn[b]) < rules.proximity.still_kn * 10)
    leg, back = np.unique(np.concatenate([a[still], b[still]]), return_inverse=True)
    ends = legs.ends.at(leg)
    port = lawful_port(
        (ends.lon0 + ends.lon1) / 2, (ends.lat0 + ends.lat1) / 2, rules.proximity.port_radius_km
    )[back]
    port_a, port_b = port[: len(still)], port[len(still) :]
    berth, place = np.zeros(len(a), bool), np.full(len(a), -1)
    berth[still], place[still] = (port_a >= 0) & (port_b >= 0), port_a
    return berth, place


def _pair_columns(legs: _Legs, a: Ints, b: Ints) -> dict[str, object]:
    return {
        "mmsi_a": legs.mmsi[a],
        "track_a": legs.track_us[a],
        "mmsi_b": legs.mmsi[b],
        "track_b": legs.track_us[b],
    }


def _proximity_rows(legs: _Legs, a: Ints, b: Ints, found: Near, rows: Ints, rules: Rules) -> pa.Table:
    a, b = a[rows], b[rows]
    start_us, end_us = found.start_us[rows], found.end_us[rows]
    columns = _pair_columns(legs, a, b) | {"start": start_us, "end": end_us}
    for k in (0, 1):
        columns[f"dx{k}_cm"] = np.rint(found.dx_m[k][rows] * 100)
        columns[f"dy{k}_cm"] = np.rint(found.dy_m[k][rows] * 100)
        columns[f"lon{k}"] = np.round(found.lon[k][rows], 7)
        columns[f"lat{k}"] = np.round(found.lat[k][rows], 7)
    for name, leg in (("a", a), ("b", b)):
        columns[f"speed_{name}_dkn"] = legs.speed_dkn[leg]
        columns[f"fixes_{name}"] = legs.fixes_between(leg, start_us, end_us)
        columns[f"end_fix_{name}"] = end_us == legs.fix_end_us[leg]
    columns["observed_ms"] = _observed_us(legs, a, b, start_us, end_us, rules) // MS
    columns["fresh"] = (legs.fresh[a] & (start_us == legs.ends.start_us[a])) | (
        legs.fresh[b] & (start_us == legs.ends.start_us[b])
    )
    return build("proximities", columns)


def _observed_us(legs: _Legs, a: Ints, b: Ints, start_us: Ints, end_us: Ints, rules: Rules) -> Ints:
    """How much of [start, end) lies within observed_within_min of a fix of both, microseconds."""
    within_us = minutes(rules.proximity.observed_within_min)

    def blind(leg: Ints) -> tuple[Ints, Ints]:
        # thinned legs have fixes inside, never further apart than twice the allowance
        full = legs.inner_count[leg] > 0
        low, high = legs.fix_start_us[leg] + within_us, legs.fix_end_us[leg] - within_us
        return np.maximum(low, start_us), np.where(full, low, np.minimum(high, end_us))

    (low_a, high_a), (low_b, high_b) = blind(a), blind(b)
    blind_us = np.maximum(high_a - low_a, 0) + np.maximum(high_b - low_b, 0)
    both = np.maximum(np.minimum(high_a, high_b) - np.maximum(low_a, low_b), 0)
    some = (high_a > low_a) & (high_b > low_b)
    return end_us - start_us - blind_us + np.where(some, both, 0)


def _berth_rows(legs: _Legs, a: Ints, b: Ints, found: Near, berth: Bools, port: np.ndarray) -> pa.Table:
    """One row per pair and hour that the pair lay side by side in."""
    rows = np.flatnonzero(berth)
    first, last = found.start_us[rows] // HOUR, (found.end_us[rows] - 1) // HOUR
    row, nth = spread(last - first + 1)
    at = rows[row]
    columns = _pair_columns(legs, a[at], b[at]) | {
        "port": pa.array(ports().id[port[at]], pa.string()),
        "hour": (first[row] + nth) * HOUR,
    }
    return berths.distinct(build("berth_pairs", columns))
