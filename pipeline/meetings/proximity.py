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
        self._base_us = self.ends.start_us.min(initial=0)
        self.thinned = np.asarray(inner.value_lengths()) > 0
        self._fixes = self._fix_keys(inner)

    def _fix_keys(self, inner: pa.ListArray) -> Ints:
        """Every fix of a track but its last, as one number of track and moment, rising."""
        order = ordered(self.rank, self.ends.start_us // MS)
        inner = inner.take(pa.array(order)) if (np.diff(order) != 1).any() else inner
        begins = (self.ends.start_us == self.fix_start_us)[order].astype(np.int64)
        count = np.asarray(inner.value_lengths()).astype(np.int64) + begins
        leg, nth = spread(count)
        after_ms = np.zeros(len(leg), np.int64)
        after_ms[(nth > 0) | (begins[leg] == 0)] = np.asarray(inner.flatten())
        return self._key(self.rank[order[leg]], self.ends.start_us[order[leg]] + after_ms * MS)

    def _key(self, rank: Ints, time_us: Ints) -> Ints:
        return np.asarray((rank << 42) + (time_us - self._base_us) // MS)

    def fixes(self, leg: Ints, start_us: Ints, end_us: Ints) -> tuple[Ints, Bools]:
        """How many fixes of the track of each leg lie in [start, end), and whether one stands at the end, (m,) each."""
        low, high = (np.searchsorted(self._fixes, self._key(self.rank[leg], t)) for t in (start_us, end_us))
        at_end = np.append(self._fixes, -1)[high] == self._key(self.rank[leg], end_us)
        return high - low, at_end


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
        """These, which rise; all of them are not copied."""
        return self if len(rows) == len(self.a) else _Found(self.a[rows], self.b[rows], self.near.at(rows))


def _meetings(legs: _Legs, i: Ints, j: Ints, rules: Rules) -> _Found:
    """The proximities of candidate legs, the smaller MMSI first, sorted by pair and time."""
    other = np.flatnonzero(legs.rank[i] != legs.rank[j])
    i, j = i[other], j[other]
    swap = legs.rank[i] > legs.rank[j]
    a, b = np.where(swap, j, i), np.where(swap, i, j)
    begin_us = np.maximum(legs.ends.start_us[a], legs.ends.start_us[b])
    order = ordered(legs.rank[a], legs.rank[b], begin_us // MS)
    a, b = a[order], b[order]
    found = near(legs.ends.at(a), legs.ends.at(b), rules.proximity.distance_m)
    return _Found(a[found.pair], b[found.pair], found)


def _at_berth(legs: _Legs, a: Ints, b: Ints, rules: Rules) -> tuple[Bools, np.ndarray]:
    """Whether both lie still in a port that is no part of the trade, and the port of a."""
    still = np.flatnonzero(np.maximum(legs.speed_dkn[a], legs.speed_dkn[b]) < rules.proximity.still_kn * 10)
    meant = np.zeros(len(legs.mmsi), bool)
    meant[a[still]] = meant[b[still]] = True
    leg = np.flatnonzero(meant)
    ends, port = legs.ends.at(leg), np.full(len(legs.mmsi), -1)
    port[leg] = lawful_port((ends.lon0 + ends.lon1) / 2, (ends.lat0 + ends.lat1) / 2, rules.proximity.port_radius_km)
    berth, place = np.zeros(len(a), bool), port[a]
    berth[still] = (place[still] >= 0) & (port[b[still]] >= 0)
    return berth, place


def _proximity_rows(legs: _Legs, found: _Found, rules: Rules) -> pa.Table:
    """Proximities on single legs, sorted by pair and time, joined to whole ones, as schema.PROXIMITIES."""
    if not len(found.a):
        return schema.PROXIMITIES.empty_table()
    head = _fresh_starts(legs, found)
    first, group = np.flatnonzero(head), np.cumsum(head) - 1
    last = np.append(first[1:], len(found.a)) - 1
    a, b, start_us, end_us = found.a[first], found.b[first], found.near.start_us[first], found.near.end_us[last]
    best = found.near.at(runs.best(found.near.nearest_cm(), group, first))
    observed_ms = _observed_us(legs, found.a, found.b, found.near.start_us, found.near.end_us, rules) // MS
    columns: dict[str, Column] = {"start": start_us, "end": end_us, "within_ms": (end_us - start_us) // MS}
    columns |= {"observed_ms": np.add.reduceat(observed_ms, first), "fresh": np.zeros(len(first), bool)}
    columns |= dict(zip(("nearest_time", "lon", "lat"), best.nearest(), strict=True), nearest_cm=best.nearest_cm())
    for v, leg, end_leg in (("a", a, found.a[last]), ("b", b, found.b[last])):
        columns[f"mmsi_{v}"], columns[f"track_{v}"] = legs.mmsi[leg], legs.track_us[leg]
        columns[f"fixes_{v}"], at_end = legs.fixes(leg, start_us, end_us)
        columns[f"end_fix_{v}"] = at_end | (end_us == legs.fix_end_us[end_leg])
        columns["fresh"] |= legs.fresh[leg] & (start_us == legs.ends.start_us[leg])
    return runs.to_table(Runs(columns, *_bins(legs, found, group)), schema.PROXIMITIES)


def _fresh_starts(legs: _Legs, found: _Found) -> Bools:
    """Which of these, sorted by pair and time, do not go on from the one before, or are the first of a UTC day."""
    head = np.zeros(len(found.a), bool)
    head[starts_of(legs.rank[found.a], legs.rank[found.b])] = True
    start_us, day = found.near.start_us, found.near.start_us // days(1)
    head[1:] |= (start_us[1:] != found.near.end_us[:-1]) | (day[1:] != day[:-1])
    return head


def _bins(legs: _Legs, found: _Found, group: Ints) -> tuple[Ints, Ints, Ints]:
    """The time in each bin of distance and speed; group: (m,) the proximity that each belongs to."""
    row, ring, spent_ms = found.near.distance_bins()
    within_ms = (found.near.end_us - found.near.start_us) // MS
    speeds = legs.speed_dkn[found.a] + histogram.SPEED_A, legs.speed_dkn[found.b] + histogram.SPEED_B
    return runs.summed(
        np.concatenate([group[row], group, group]),
        np.concatenate([ring + histogram.DISTANCE, *speeds]),
        np.concatenate([spent_ms, within_ms, within_ms]),
    )


def _observed_us(legs: _Legs, a: Ints, b: Ints, start_us: Ints, end_us: Ints, rules: Rules) -> Ints:
    """How much of [start, end) lies within observed_within_min of a fix of both, microseconds."""
    within_us = minutes(rules.proximity.observed_within_min)

    def blind(leg: Ints) -> tuple[Ints, Ints]:
        # thinned legs have fixes inside, never further apart than twice the allowance
        full = legs.thinned[leg]
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
    columns: dict[str, object] = {"port": pa.array(ports().id[port[row]], pa.string()), "hour": hour * HOUR}
    for v, leg in (("a", found.a[row]), ("b", found.b[row])):
        columns |= {f"mmsi_{v}": legs.mmsi[leg], f"track_{v}": legs.track_us[leg]}
    return build("berth_pairs", columns)
