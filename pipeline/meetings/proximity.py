"""The proximity step: when two tracks were within the encounter distance, in continuous time.

Law: a leg is delivered when it is complete, so a later leg can begin up to `Rules.lag_us` before the frontier; legs are
kept so long. Pairs of legs that lie still in a port which is no part of the DPRK trade are counted, not written.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from stswatch.geo.longitude import wrap_lon
from stswatch.geo.ports import lawful_port, ports
from stswatch.pipeline import schema
from stswatch.pipeline.batch import (
    HOUR,
    MS,
    Batch,
    Bools,
    Column,
    Ints,
    Result,
    Tables,
    build,
    concat,
    micros,
    ordered,
    spread,
    starts_of,
)
from stswatch.pipeline.meetings import histogram, runs
from stswatch.pipeline.meetings.candidates import Boxes, candidates
from stswatch.pipeline.meetings.motion import Ends, Near, near
from stswatch.pipeline.meetings.runs import Runs
from stswatch.pipeline.routes import grown_boxes
from stswatch.pipeline.rules import Rules, days, minutes

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
    boxes = _boxes(legs, view, is_new, rules)
    rows: dict[str, list[pa.Table]] = {"proximities": [], "berth_pairs": []}
    # part by part, since a crowd has millions of pairs; the encounter step joins what two parts hold of one pair
    for i, j in candidates(boxes, batch.shard, batch.shards):
        found = _meetings(view, i, j, rules)
        berth, port = _at_berth(view, found.a, found.b, rules)
        rows["proximities"].append(_proximity_rows(view, found.at(np.flatnonzero(~berth)), rules))
        rows["berth_pairs"].append(_berth_rows(view, found.at(np.flatnonzero(berth)), port[berth]))
    given = {name: concat(parts, schema.FLOW[name]) for name, parts in rows.items()}
    return Result({"legs": kept.combine_chunks()}, given)


class _Legs:
    """Legs as NumPy columns."""

    def __init__(self, legs: pa.Table) -> None:
        self.mmsi = np.asarray(legs["mmsi"]).astype(np.int64)
        self.track_us = micros(legs, "track")
        # tracks by number, in order of MMSI and start
        order = ordered(self.mmsi, self.track_us // MS)
        self.rank = np.empty(len(order), np.int64)
        head = np.zeros(len(order), np.int64)
        head[starts_of(self.mmsi[order], self.track_us[order])] = 1
        self.rank[order] = np.cumsum(head) - 1
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
        self.inner_key = (np.repeat(np.arange(len(inner)), self.inner_count) << 32) + np.asarray(inner.flatten())

    def fixes_between(self, leg: Ints, start_us: Ints, end_us: Ints) -> Ints:
        """Fixes of the leg in [start, end), (m,)."""
        begins = (start_us == self.ends.start_us[leg]) & (start_us == self.fix_start_us[leg])
        count = begins.astype(np.int64)
        some = np.flatnonzero(self.inner_count[leg])
        leg, start_us, end_us = leg[some], start_us[some], end_us[some]
        keys = [(leg << 32) + (t - self.ends.start_us[leg]) // MS for t in (start_us, end_us)]
        low, high = (np.searchsorted(self.inner_key, key) for key in keys)
        count[some] += high - low
        return np.asarray(count)

    def fix_at(self, leg: Ints, time_us: Ints) -> Bools:
        """Whether a fix stands at a time after the start of the leg, (m,): at its end, or one thinned."""
        found = time_us == self.fix_end_us[leg]
        some = np.flatnonzero(~found & (self.inner_count[leg] > 0))
        found[some] = self.fixes_between(leg[some], time_us[some], time_us[some] + MS) > 0
        return np.asarray(found)


def _boxes(legs: pa.Table, view: _Legs, is_new: Bools, rules: Rules) -> Boxes:
    west, south, east, north = grown_boxes(legs, rules.proximity.distance_m)
    return Boxes(wrap_lon(west), east - west, south, north, view.ends.start_us, view.ends.end_us, is_new)


@dataclass(frozen=True)
class _Found:
    """Proximities of pairs of legs: rows of the legs a and b, and when and where they were near, (m,) each."""

    a: Ints
    b: Ints
    near: Near

    def at(self, rows: Ints) -> _Found:
        return _Found(self.a[rows], self.b[rows], self.near.at(rows))


def _meetings(legs: _Legs, i: Ints, j: Ints, rules: Rules) -> _Found:
    """The proximities of candidate legs, the smaller MMSI first."""
    swap = legs.rank[i] > legs.rank[j]
    a, b = np.where(swap, j, i), np.where(swap, i, j)
    other = legs.rank[a] != legs.rank[b]
    a, b = a[other], b[other]
    found = near(legs.ends.at(a), legs.ends.at(b), rules.proximity.distance_m)
    return _Found(a[found.pair], b[found.pair], found)


def _at_berth(legs: _Legs, a: Ints, b: Ints, rules: Rules) -> tuple[Bools, np.ndarray]:
    """Whether both lie still in a port that is no part of the trade, and the port of a."""
    still = np.flatnonzero(np.maximum(legs.speed_dkn[a], legs.speed_dkn[b]) < rules.proximity.still_kn * 10)
    leg, back = np.unique(np.concatenate([a[still], b[still]]), return_inverse=True)
    ends = legs.ends.at(leg)
    port = lawful_port((ends.lon0 + ends.lon1) / 2, (ends.lat0 + ends.lat1) / 2, rules.proximity.port_radius_km)[back]
    port_a, port_b = port[: len(still)], port[len(still) :]
    berth, place = np.zeros(len(a), bool), np.full(len(a), -1)
    berth[still], place[still] = (port_a >= 0) & (port_b >= 0), port_a
    return berth, place


def _proximity_rows(legs: _Legs, found: _Found, rules: Rules) -> pa.Table:
    """Proximities on single legs joined to whole ones, as schema.PROXIMITIES."""
    found = found.at(ordered(legs.rank[found.a], legs.rank[found.b], found.near.start_us // MS))
    joined = runs.join(_runs(legs, found, rules), _fresh_starts(legs, found))
    return runs.to_table(joined, schema.PROXIMITIES, _pair_columns(legs, joined.columns["a"], joined.columns["b"]))


def _fresh_starts(legs: _Legs, found: _Found) -> Bools:
    """Which of these, sorted by pair and time, do not go on from the one before, or are the first of a UTC day."""
    head = np.zeros(len(found.a), bool)
    head[starts_of(legs.rank[found.a], legs.rank[found.b])] = True
    start_us, day = found.near.start_us, found.near.start_us // days(1)
    head[1:] |= (start_us[1:] != found.near.end_us[:-1]) | (day[1:] != day[:-1])
    return head


def _pair_columns(legs: _Legs, a: Ints, b: Ints) -> dict[str, object]:
    return {
        "mmsi_a": legs.mmsi[a],
        "track_a": legs.track_us[a],
        "mmsi_b": legs.mmsi[b],
        "track_b": legs.track_us[b],
    }


def _runs(legs: _Legs, found: _Found, rules: Rules) -> Runs:
    """Each proximity as an interval of its own, with its bins."""
    a, b, start_us, end_us = found.a, found.b, found.near.start_us, found.near.end_us
    when_us, nearest_cm, lon, lat = found.near.nearest()
    within_ms = (end_us - start_us) // MS
    columns: dict[str, Column] = {"a": a, "b": b, "start": start_us, "end": end_us, "within_ms": within_ms}
    columns |= {"nearest_cm": nearest_cm, "nearest_time": when_us, "lon": lon, "lat": lat}
    columns["observed_ms"] = _observed_us(legs, a, b, start_us, end_us, rules) // MS
    columns["fresh"] = np.zeros(len(a), bool)
    for v, leg in (("a", a), ("b", b)):
        columns[f"fixes_{v}"] = legs.fixes_between(leg, start_us, end_us)
        columns[f"end_fix_{v}"] = legs.fix_at(leg, end_us)
        columns["fresh"] |= legs.fresh[leg] & (start_us == legs.ends.start_us[leg])
    row, ring, spent_ms = found.near.distance_bins()
    rows = np.arange(len(a))
    bin_row = np.concatenate([row, rows, rows])
    code = [ring + histogram.DISTANCE, legs.speed_dkn[a] + histogram.SPEED_A, legs.speed_dkn[b] + histogram.SPEED_B]
    ms = np.concatenate([spent_ms, within_ms, within_ms])
    return Runs(columns, bin_row, np.concatenate(code), ms)


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
    return np.asarray(end_us - start_us - blind_us + np.where(some, both, 0))


def _berth_rows(legs: _Legs, found: _Found, port: Ints) -> pa.Table:
    """One row per pair and hour that the pair lay side by side in; port: (m,) the port of a."""
    first, last = found.near.start_us // HOUR, (found.near.end_us - 1) // HOUR
    row, nth = spread(last - first + 1)
    hour = first[row] + nth
    order = ordered(legs.rank[found.a[row]], legs.rank[found.b[row]], hour, port[row])
    row, hour = row[order], hour[order]
    once = starts_of(legs.rank[found.a[row]], legs.rank[found.b[row]], hour, port[row])
    row, hour = row[once], hour[once]
    columns = _pair_columns(legs, found.a[row], found.b[row])
    return build("berth_pairs", columns | {"port": pa.array(ports().id[port[row]], pa.string()), "hour": hour * HOUR})
