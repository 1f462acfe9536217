"""The proximity step: when two tracks were within the encounter distance, in continuous time.

Law: a leg is delivered when it is complete, so a later leg can begin up to `Rules.lag_us` before the watermark; legs
are kept so long. Pairs of legs that lie still at berth (geo/reference/harbours.py) are counted, not written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa

from stswatch.geo.coordinates.sphere import M_PER_NM, wrap_lon
from stswatch.geo.reference.harbours import berth_of
from stswatch.geo.reference.ports import ANCHORAGE, HARBOUR, SHORE, world_ports
from stswatch.pipeline import schema
from stswatch.pipeline.batch import (
    HOUR,
    MS,
    SECOND,
    Batch,
    Bools,
    Column,
    Floats,
    Ints,
    Result,
    Tables,
    build,
    concat,
    grouped,
    micros,
    ordered,
    spread,
    starts_of,
)
from stswatch.pipeline.meetings import intervals
from stswatch.pipeline.meetings.candidates import Boxes, candidates, prune_legs
from stswatch.pipeline.meetings.intervals import Runs
from stswatch.pipeline.meetings.relative_motion import Found, LegColumns, near, when_near
from stswatch.pipeline.routes import grown_boxes
from stswatch.pipeline.rules import Rules, days, minutes

# ------------------------------------------- pairs at berth: counted by port, by how they lie, and by hour, each once

_HOW = np.array([HARBOUR, ANCHORAGE, SHORE])


@dataclass(frozen=True)
class Berths:
    """Of each leg (n,) where it lies still at berth, see `berth_of`: a port, -1 where at none, and how, of _HOW."""

    port: Ints
    how: Ints

    @staticmethod
    def of(legs: LegColumns, a: Ints, b: Ints) -> Berths:
        """Those of the legs of pairs of which both lie still; of no other it is asked."""
        asked = np.zeros(len(legs.mmsi), bool)
        asked[a] = asked[b] = True
        leg = np.flatnonzero(asked)
        ends, port, how = legs.ends.at(leg), np.full(len(asked), -1), np.zeros(len(asked), np.int64)
        port[leg], words = berth_of((ends.lon0 + ends.lon1) / 2, (ends.lat0 + ends.lat1) / 2)
        how[leg] = np.argmax(words[:, None] == _HOW, axis=1)
        return Berths(port, how)


def at_berth(legs: LegColumns, a: Ints, b: Ints, rules: Rules) -> tuple[Berths, Bools]:
    """Where legs of pairs lie still at berth, and whether both of each pair do."""
    still = np.flatnonzero(np.maximum(legs.speed_dkn[a], legs.speed_dkn[b]) < rules.proximity.still_kn * 10)
    still_a, still_b = a[still], b[still]
    berths, both = Berths.of(legs, still_a, still_b), np.zeros(len(a), bool)
    both[still] = (berths.port[still_a] >= 0) & (berths.port[still_b] >= 0)
    return berths, both


def rows_of(legs: LegColumns, a: Ints, b: Ints, berths: Berths, rules: Rules) -> pa.Table:
    """One row per pair and hour that two lay side by side in, of pairs of legs sorted by pair and time.

    The row tells the berth of a. When the pair was near is all that is measured.
    """
    hit, start_us, end_us = when_near(legs.ends.at(a), legs.ends.at(b), rules.proximity.distance_m)
    a, b = a[hit], b[hit]
    first, last = start_us // HOUR, (end_us - 1) // HOUR
    row, nth = spread(last - first + 1)
    berth = berths.port[a] * len(_HOW) + berths.how[a]
    keys = legs.rank[a[row]], legs.rank[b[row]], first[row] + nth, berth[row]
    some = starts_of(*keys)  # legs of minutes tell one hour many times in a row: few are left to sort
    order = some[ordered(*(key[some] for key in keys))]
    once = order[starts_of(*(key[order] for key in keys))]
    row, hour = row[once], keys[2][once]
    port, how = np.divmod(berth[row], len(_HOW))
    columns: dict[str, object] = {"port": _port_ids().take(pa.array(port)), "hour": hour * HOUR}
    columns["part"] = pa.array(_HOW, pa.string()).take(pa.array(how))
    for v, leg in (("a", a[row]), ("b", b[row])):
        columns |= {f"mmsi_{v}": legs.mmsi[leg], f"track_{v}": legs.track_us[leg]}
    return build("port_pairs", columns)


@cache
def _port_ids() -> pa.Array:
    return pa.array(world_ports().id, pa.string())


def distinct(pairs: pa.Table) -> pa.Table:
    """Each row once."""
    if pairs.num_rows == 0:
        return pairs
    return grouped(pairs, pairs.column_names).aggregate([]).cast(schema.PORT_PAIRS)


def count(state: Tables, batch: Batch, rules: Rules) -> tuple[pa.Table, pa.Table]:
    """The pairs of hours that more can still be told of, and the counts of the hours that are over."""
    pairs = distinct(concat([state["berths"], batch.table("port_pairs")], schema.PORT_PAIRS))
    over = np.ones(pairs.num_rows, bool)
    if not batch.final:
        over = micros(pairs, "hour") + HOUR < batch.watermark_us - rules.lag_us
    done = pairs.filter(pa.array(over))
    key = ["port", "part", "hour"]
    counted = grouped(done, key).aggregate([([], "count_all")])
    counted = counted.rename_columns([*key, "pairs"]).cast(schema.PORT_PAIR_COUNTS)
    return pairs.filter(pa.array(~over)).combine_chunks(), counted


# --------------------------------------------------------------------------------------------------------- the step

STATE = {"legs": schema.LEGS}
_PAIRS_AT_ONCE = 1_000_000  # of legs, sorted together
_PAIRS_IN_CACHE = 65_536


def proximity(state: Tables, batch: Batch, rules: Rules) -> Result:
    """One slice of the cells of one shard; see the module docstring for the law, schema.FLOW for what it gives."""
    new = batch.table("legs")
    kept = {"legs": _kept(pa.concat_tables([state["legs"], new]), batch, rules)}
    if new.num_rows == 0:
        return Result(kept)
    former = state["legs"].filter(pa.array(prune_legs(state["legs"], new, rules.proximity.distance_m)))
    legs = concat([former, new], schema.LEGS)
    view = LegColumns(legs)
    is_new = np.arange(legs.num_rows) >= legs.num_rows - new.num_rows
    boxes = _boxes(legs, view, is_new, rules)
    rows: dict[str, list[pa.Table]] = {"proximities": [], "port_pairs": []}
    for i, j in _together(candidates(boxes, batch.shard, batch.shards), _PAIRS_AT_ONCE):
        a, b = _pairs(view, *_fine_enough(view, i, j, rules))
        berths, berth = at_berth(view, a, b, rules)
        for some_a, some_b in _cached(a[berth], b[berth]):
            rows["port_pairs"].append(rows_of(view, some_a, some_b, berths, rules))
        for some_a, some_b in _cached(a[~berth], b[~berth]):
            rows["proximities"].append(_proximity_rows(view, _meetings(view, some_a, some_b, rules), rules))
    given = {name: concat(parts, schema.FLOW[name]) for name, parts in rows.items()}
    return Result(kept, given)


def _kept(legs: pa.Table, batch: Batch, rules: Rules) -> pa.Table:
    """The legs that a later one can still meet; at the end of the data all, as they lie, for nothing comes later."""
    if batch.final:
        return legs
    recent = micros(legs, "end") > batch.watermark_us - rules.lag_us
    return legs.filter(pa.array(recent)).combine_chunks()


def _together(parts: Iterable[tuple[Ints, Ints]], at_least: int) -> Iterator[tuple[Ints, Ints]]:
    """Parts put together until they hold so many pairs, so that what belongs to one pair of tracks is seldom torn."""
    waiting: list[tuple[Ints, Ints]] = []
    for part in parts:
        waiting.append(part)
        if sum(len(i) for i, _ in waiting) >= at_least:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _cached(a: Ints, b: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of legs part by part: what is in the cache is worked on at once; later steps join what two parts hold."""
    for begin in range(0, len(a), _PAIRS_IN_CACHE):
        yield a[begin : begin + _PAIRS_IN_CACHE], b[begin : begin + _PAIRS_IN_CACHE]


def _joined(parts: Sequence[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    i, j = (np.concatenate(side) for side in zip(*parts, strict=True))
    return i, j


def _boxes(legs: pa.Table, view: LegColumns, is_new: Bools, rules: Rules) -> Boxes:
    west, south, east, north = grown_boxes(legs, rules.proximity.distance_m)
    return Boxes(wrap_lon(west), east - west, south, north, view.ends.start_us, view.ends.end_us, is_new)


def _fine_enough(legs: LegColumns, i: Ints, j: Ints, rules: Rules) -> tuple[Ints, Ints]:
    """The pairs of legs of which the positions are told finely enough to decide whether they are near."""
    if not legs.rounding_m.any():
        return i, j
    off_m = legs.rounding_m[i] + legs.rounding_m[j] + 2 * rules.vessel.fix_error_m
    fine = np.flatnonzero(off_m <= rules.proximity.error_share * rules.proximity.distance_m)
    return i[fine], j[fine]


def _pairs(legs: LegColumns, i: Ints, j: Ints) -> tuple[Ints, Ints]:
    """Candidate legs of two tracks, the smaller MMSI first, sorted by pair and time."""
    rank_i, rank_j = legs.rank[i], legs.rank[j]
    other = np.flatnonzero(rank_i != rank_j)
    if len(other) < len(i):
        i, j, rank_i, rank_j = i[other], j[other], rank_i[other], rank_j[other]
    swap = rank_i > rank_j
    a, b = np.where(swap, j, i), np.where(swap, i, j)
    pair = np.minimum(rank_i, rank_j) * len(legs.rank) + np.maximum(rank_i, rank_j)
    order = ordered(pair, np.maximum(legs.start_ms[a], legs.start_ms[b]), in_runs=False)
    return a[order], b[order]


def _meetings(legs: LegColumns, a: Ints, b: Ints, rules: Rules) -> Found:
    """The proximities of pairs of legs."""
    found = near(legs.ends.at(a), legs.ends.at(b), rules.proximity.distance_m)
    return Found(a[found.pair], b[found.pair], found)


def _proximity_rows(legs: LegColumns, found: Found, rules: Rules) -> pa.Table:
    """Proximities on single legs, sorted by pair and time, joined to whole ones, as schema.PROXIMITIES."""
    if not len(found.a):
        return schema.PROXIMITIES.empty_table()
    head = _fresh_starts(legs, found)
    first, group = np.flatnonzero(head), np.cumsum(head) - 1
    last = np.append(first[1:], len(found.a)) - 1
    a, b, start_us, end_us = found.a[first], found.b[first], found.near.start_us[first], found.near.end_us[last]
    nearest = intervals.best(found.near.nearest_cm(), group, first)
    best = found.near.at(nearest)
    observed_ms = _observed_us(legs, found, rules) // MS
    columns: dict[str, Column] = {"start": start_us, "end": end_us, "within_ms": (end_us - start_us) // MS}
    columns |= {"observed_ms": np.add.reduceat(observed_ms, first), "fresh": np.zeros(len(first), bool)}
    columns["rounding_m"] = np.maximum.reduceat(legs.rounding_m[found.a] + legs.rounding_m[found.b], first)
    columns["moved_cm"] = np.add.reduceat(found.near.moved_cm(), first)
    for end, rows in ((0, first), (1, last)):
        columns[f"lon{end}"], columns[f"lat{end}"] = found.near.middle(rows, end)
    columns |= dict(zip(("cpa_time", "lon", "lat"), best.nearest(), strict=True), nearest_cm=best.nearest_cm())
    off_m = [_motion_error_m(legs, leg[nearest], columns["cpa_time"], rules) for leg in (found.a, found.b)]
    columns["motion_cm"] = np.rint(np.hypot(*off_m) * 100).astype(np.int64)
    for v, leg, end_leg in (("a", a, found.a[last]), ("b", b, found.b[last])):
        columns[f"mmsi_{v}"], columns[f"track_{v}"] = legs.mmsi[leg], legs.track_us[leg]
        columns[f"fixes_{v}"], at_end = legs.fixes(leg, start_us, end_us)
        columns[f"end_fix_{v}"] = at_end | (end_us == legs.fix_end_us[end_leg])
        columns["fresh"] |= legs.fresh[leg] & (start_us == legs.ends.start_us[leg])
    return intervals.to_table(Runs(columns, *_bins(legs, found, group, rules)), schema.PROXIMITIES)


def _motion_error_m(legs: LegColumns, leg: Ints, time_us: Ints, rules: Rules) -> Floats:
    """How far each may be at a time (m,) from where even motion between its two fixes puts it, metres.

    Nothing at a fix, most in the middle: leg_error_share of the way that its speed makes in the time between.
    """
    took_us = np.maximum(legs.fix_end_us[leg] - legs.fix_start_us[leg], 1)
    share = (time_us - legs.fix_start_us[leg]) / took_us
    way_m = legs.speed_dkn[leg] / 10 * (M_PER_NM / 3600 / SECOND) * took_us
    off_m = rules.vessel.leg_error_share * way_m * 4 * share * (1 - share)
    return np.asarray(np.where(legs.thinned[leg], np.minimum(off_m, rules.vessel.thin_tolerance_m), off_m))


def _fresh_starts(legs: LegColumns, found: Found) -> Bools:
    """Which of these, sorted by pair and time, do not go on from the one before, or are the first of a UTC day."""
    head = np.zeros(len(found.a), bool)
    head[starts_of(legs.rank[found.a], legs.rank[found.b])] = True
    start_us, day = found.near.start_us, found.near.start_us // days(1)
    head[1:] |= (start_us[1:] != found.near.end_us[:-1]) | (day[1:] != day[:-1])
    return head


def _bins(legs: LegColumns, found: Found, group: Ints, rules: Rules) -> tuple[Ints, Ints, Ints]:
    """The time in each bin of distance, speed and angle; group: (m,) the proximity that each belongs to."""
    within_ms = (found.near.end_us - found.near.start_us) // MS
    row, ring, spent_ms = found.near.motion.rings(within_ms)
    reported = [
        _speeds_reported(legs, found.a),
        _speeds_reported(legs, found.b),
        _headings_reported(legs, found, rules),
    ]
    angle = intervals.angle_bins(*(legs.heading_deg[leg[reported[2]]] for leg in (found.a, found.b)))
    numbers = (ring, legs.speed_dkn[found.a[reported[0]]], legs.speed_dkn[found.b[reported[1]]], angle)
    codes, begins = intervals.layout(*numbers)
    return intervals.added(
        np.concatenate([group[row], *(group[rows] for rows in reported)]),
        np.concatenate([number + begin for number, begin in zip(numbers, begins, strict=True)]),
        np.concatenate([spent_ms, *(within_ms[rows] for rows in reported)]),
        codes,
    )


def _speeds_reported(legs: LegColumns, leg: Ints) -> Ints | slice:
    """The rows of legs on which a speed was reported."""
    reported = legs.speed_sent[leg]
    return slice(None) if reported.all() else np.flatnonzero(reported)


def _headings_reported(legs: LegColumns, found: Found, rules: Rules) -> Ints:
    """In which both told a heading where their legs end, one soon after the other."""
    reported = np.flatnonzero((legs.heading_deg[found.a] >= 0) & (legs.heading_deg[found.b] >= 0))
    apart_us = np.abs(legs.fix_end_us[found.a[reported]] - legs.fix_end_us[found.b[reported]])
    return np.asarray(reported[apart_us <= minutes(rules.proximity.observed_within_min)])


def _observed_us(legs: LegColumns, found: Found, rules: Rules) -> Ints:
    """How much of each lies within observed_within_min of a fix of both, microseconds."""
    within_us = minutes(rules.proximity.observed_within_min)
    observed_us = found.near.end_us - found.near.start_us
    # thinned legs have fixes inside, never further apart than twice the allowed lateness
    rows = np.flatnonzero(~(legs.thinned[found.a] & legs.thinned[found.b]))
    start_us, end_us = found.near.start_us[rows], found.near.end_us[rows]

    def blind(leg: Ints) -> tuple[Ints, Ints]:
        low, high = legs.fix_start_us[leg] + within_us, legs.fix_end_us[leg] - within_us
        return np.maximum(low, start_us), np.where(legs.thinned[leg], low, np.minimum(high, end_us))

    (low_a, high_a), (low_b, high_b) = blind(found.a[rows]), blind(found.b[rows])
    both = np.maximum(np.minimum(high_a, high_b) - np.maximum(low_a, low_b), 0)
    some = (high_a > low_a) & (high_b > low_b)
    observed_us[rows] -= np.maximum(high_a - low_a, 0) + np.maximum(high_b - low_b, 0) - np.where(some, both, 0)
    return np.asarray(observed_us)
