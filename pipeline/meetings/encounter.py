"""The encounter step: proximities of one pair become encounters, encounters become scored rows.

Law: proximities of a pair arrive in order of time, since a moment is known once the later of two legs is complete. An
encounter closes when nothing that can still arrive would touch it: its end, plus the joining time or the time in which
a silence counts as beside it, lies before the frontier less the lag. What is kept of it are sums of whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.batch import Batch, Bools, Ints, Result, Tables, build, concat, micros, starts_of
from stswatch.pipeline.meetings import berths, edges, histogram
from stswatch.pipeline.meetings.rows import encounter_rows
from stswatch.pipeline.rules import EncounterRules, Rules, days, minutes

_PAIR = tuple(schema.PROXIMITIES.field(name) for name in ("mmsi_a", "track_a", "mmsi_b", "track_b"))
OPEN = schema.table(
    "Encounters that are not closed, or runs of proximities of one; in order of pair and time.",
    *_PAIR,
    schema.column("start", schema.UTC, "first moment within the distance"),
    schema.column("end", schema.UTC, "last moment within the distance so far"),
    schema.column("within_ms", pa.int64(), "time within the distance", unit="ms"),
    schema.column("observed_ms", pa.int64(), "part of it that was observed", unit="ms"),
    schema.column("nearest_cm", pa.int64(), "least distance", unit="cm"),
    schema.column("nearest_time", schema.UTC, "when it was least"),
    schema.column("lon", pa.float64(), "middle of the pair then", unit="deg"),
    schema.column("lat", pa.float64(), "middle of the pair then", unit="deg"),
    schema.column("fixes_a", pa.int64(), "fixes of a in it, one at the end left out"),
    schema.column("fixes_b", pa.int64(), "fixes of b in it, one at the end left out"),
    schema.column("end_fix_a", pa.bool_(), "a fix of a stands at the end"),
    schema.column("end_fix_b", pa.bool_(), "a fix of b stands at the end"),
    schema.column("fresh", pa.bool_(), "the legs of a or b begin at the start"),
    schema.column("dark_a", pa.bool_(), "a silence of a beside it was told"),
    schema.column("dark_b", pa.bool_(), "a silence of b beside it was told"),
)
STATE = {"open": OPEN, "bins": histogram.BINS, "edges": schema.EDGES, "berths": schema.BERTH_PAIRS}


def encounter(state: Tables, batch: Batch, rules: Rules) -> Result:
    """One slice of one pair shard; see the module docstring for the law, schema.FLOW for what it gives."""
    known_edges = concat([state["edges"], batch.table("edges")], schema.EDGES)
    meetings, bins = _joined(state, batch.table("proximities"), rules.encounter)
    meetings = edges.darken(meetings, known_edges, minutes(rules.encounter.dark_beside_min))
    done = _done(meetings, batch, rules)
    closed, closed_bins, still, still_bins = _parted(meetings, bins, done)
    kept_edges, kept_berths, neighbours = (
        _kept_edges(known_edges, batch, rules),
        *berths.count(state, batch, rules),
    )
    rows = {
        "encounters": encounter_rows(closed, closed_bins, known_edges, rules),
        "berth_neighbours": neighbours,
    }
    return Result({"open": still, "bins": still_bins, "edges": kept_edges, "berths": kept_berths}, rows)


def _joined(state: Tables, proximities: pa.Table, rules: EncounterRules) -> tuple[pa.Table, pa.Table]:
    """Open encounters with the new proximities joined to them, and their bins."""
    old = state["open"]
    runs = _Runs.of(concat([old, _as_runs(proximities)], OPEN), old.num_rows)
    head = runs.heads(rules)
    number = np.cumsum(head) - 1
    place = np.empty(len(number), np.int64)
    place[runs.order] = number
    bins = histogram.summed(
        concat(
            [
                histogram.renumbered(state["bins"], place[: old.num_rows]),
                histogram.bins_of(proximities, place[old.num_rows :]),
            ],
            histogram.BINS,
        )
    )
    return runs.merged(np.flatnonzero(head)), bins


def _as_runs(p: pa.Table) -> pa.Table:
    """Each proximity as a run of its own."""
    when_us, nearest_cm, lon, lat = histogram.nearest(p)
    n = p.num_rows
    never = pa.array(np.zeros(n, bool))
    columns: dict[str, object] = {f.name: p[f.name] for f in OPEN if f.name in p.column_names}
    columns["within_ms"] = (micros(p, "end") - micros(p, "start")) // 1000
    columns |= {"nearest_cm": nearest_cm, "nearest_time": when_us, "lon": lon, "lat": lat}
    return build(OPEN, columns | {"dark_a": never, "dark_b": never})


@dataclass(frozen=True)
class _Runs:
    """Runs sorted by pair and start; `order` is where each stood before, `opened` tells former encounters."""

    table: pa.Table
    order: Ints
    opened: Bools

    @staticmethod
    def of(runs: pa.Table, old: int) -> _Runs:
        keys = [
            np.asarray(runs["mmsi_a"]),
            micros(runs, "track_a"),
            np.asarray(runs["mmsi_b"]),
            micros(runs, "track_b"),
        ]
        order = np.lexsort((micros(runs, "start"), *reversed(keys)))
        return _Runs(runs.take(pa.array(order)).combine_chunks(), order, order < old)

    def column(self, name: str) -> np.ndarray:
        kind = self.table.schema.field(name).type
        return micros(self.table, name) if pa.types.is_timestamp(kind) else np.asarray(self.table[name])

    def heads(self, rules: EncounterRules) -> Bools:
        """Which runs begin an encounter: a new pair, too long after the last, or past the longest an encounter may be."""
        n = self.table.num_rows
        head = self.opened.copy()
        head[starts_of(*(self.column(f.name) for f in _PAIR))] = True
        start, end = self.column("start"), self.column("end")
        head[1:] |= start[1:] - end[:-1] > minutes(rules.join_min)
        begun = start[np.maximum.accumulate(np.where(head, np.arange(n), 0))]
        late = start - begun >= days(rules.max_open_d)
        late[1:] &= ~late[:-1] | head[1:]
        return head | late

    def merged(self, head: Ints) -> pa.Table:
        """One row per encounter from the runs between the heads."""
        n = self.table.num_rows
        if n == 0:
            return self.table
        tail = np.append(head[1:], n) - 1
        start, end = self.column("start"), self.column("end")
        inside = np.ones(n, bool)
        inside[tail] = False
        apart = np.append(start[1:] != end[:-1], False) & inside
        # of equal distances the earliest counts: sort by distance within the encounter, stable in time
        best = np.lexsort(
            (
                self.column("nearest_time"),
                self.column("nearest_cm"),
                np.repeat(np.arange(len(head)), tail - head + 1),
            )
        )
        best = best[head]
        columns: dict[str, object] = {f.name: self.table[f.name].take(pa.array(head)) for f in _PAIR}
        columns |= {"start": start[head], "fresh": self.column("fresh")[head], "end": end[tail]}
        columns |= {name: np.add.reduceat(self.column(name), head) for name in ("within_ms", "observed_ms")}
        columns |= {name: self.column(name)[best] for name in ("nearest_cm", "nearest_time", "lon", "lat")}
        for v in ("a", "b"):
            passed = self.column(f"fixes_{v}") + (apart & self.column(f"end_fix_{v}"))
            columns[f"fixes_{v}"] = np.add.reduceat(passed, head)
            columns[f"end_fix_{v}"] = self.column(f"end_fix_{v}")[tail]
            columns[f"dark_{v}"] = np.logical_or.reduceat(self.column(f"dark_{v}"), head)
        return build(OPEN, columns)


def _done(meetings: pa.Table, batch: Batch, rules: Rules) -> Bools:
    """Which encounters nothing can touch any more."""
    if batch.final:
        return np.ones(meetings.num_rows, bool)
    wait_us = minutes(max(rules.encounter.join_min, rules.encounter.dark_beside_min)) + rules.lag_us
    return micros(meetings, "end") < batch.frontier_us - wait_us


def _parted(meetings: pa.Table, bins: pa.Table, done: Bools) -> tuple[pa.Table, pa.Table, pa.Table, pa.Table]:
    """Closed encounters with their bins, then open ones with theirs."""
    place = np.where(done, np.cumsum(done), np.cumsum(~done)) - 1
    closed = done[np.asarray(bins["meeting"])] if bins.num_rows else np.zeros(0, bool)
    parts = [histogram.renumbered(bins.filter(pa.array(at)), place) for at in (closed, ~closed)]
    return (
        meetings.filter(pa.array(done)),
        parts[0],
        meetings.filter(pa.array(~done)).combine_chunks(),
        parts[1],
    )


def _kept_edges(known: pa.Table, batch: Batch, rules: Rules) -> pa.Table:
    """Edges that can still lie beside an encounter."""
    beside_us = minutes(rules.encounter.join_min + rules.encounter.dark_beside_min)
    return known.filter(
        pa.array(micros(known, "time") >= batch.frontier_us - rules.lag_us - beside_us)
    ).combine_chunks()
