"""The parties step: what became of each vessel of a closed encounter, and what it had said of itself.

Law: an encounter is closed when all that can lie beside it is known. So each vessel is asked once, in the shard that
holds what is known of it. Of edges before those that a later encounter may ask for only the last of a track counts: no
window ends before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline import schema
from stswatch.pipeline.batch import (
    HOUR,
    Batch,
    Bools,
    Ints,
    Result,
    Tables,
    build,
    concat,
    matching,
    micros,
    ordered,
    starts_of,
)
from stswatch.pipeline.reported import as_of, still_needed
from stswatch.pipeline.routes import lake_shard, step_shard
from stswatch.pipeline.rules import EncounterRules, Rules, days, hours, minutes
from stswatch.pipeline.tracks import stays

PAIR = tuple(schema.PARTIES.names[:4])  # what names two tracks
STATE = {"edges": schema.EDGES, "stays": schema.STAYS, "static_data": schema.STATIC_DATA}
REPORTED = ("ship_type", "length_m")


def parties(state: Tables, batch: Batch, rules: Rules) -> Result:
    """One slice of one MMSI shard; see the module docstring for the law, schema.FLOW for what it gives."""
    edges = concat([state["edges"], batch.table("edges")], schema.EDGES)
    static_data = concat([state["static_data"], batch.table("static_data")], schema.STATIC_DATA)
    slow, _ = stays.join(concat([state["stays"], batch.table("stays")], schema.STAYS), rules.stays)
    asked = _asked(batch)
    kept = {
        "edges": _kept_edges(edges, batch.watermark_us, rules),
        "stays": _kept_stays(slow, batch.watermark_us, rules),
        "static_data": remembered(static_data, batch.watermark_us - rules.wait_us, rules.encounter),
    }
    if asked.num_rows == 0:
        return Result(kept, {"parties": schema.empty("parties")})
    mmsi, end_us = np.asarray(asked["mmsi"]), micros(asked, "end")
    columns: dict[str, object] = {name: asked[name] for name in (*PAIR, "start", "party")}
    columns["gap"] = silent_beside(asked, edges, minutes(rules.encounter.dark_beside_min))
    columns["ended"] = ended_by_data(asked, edges)
    columns |= slow_around(asked, edges, slow, rules.encounter)
    columns |= last_values(mmsi, end_us, static_data, rules.encounter)
    return Result(kept, {"parties": build("parties", columns)})


def _asked(batch: Batch) -> pa.Table:
    """A row for each vessel of this shard and closed encounter of it: what names both, start and end."""
    closed = batch.table("closed_encounters").select([*PAIR, "start", "end"])
    parts = []
    for k, v in enumerate("ab"):
        mmsi = closed[f"mmsi_{v}"]
        of = closed.append_column("mmsi", mmsi).append_column("track_start", closed[f"track_{v}"])
        of = of.append_column("party", pa.array(np.full(closed.num_rows, k, np.int8)))
        mine = step_shard(lake_shard(np.asarray(mmsi)), batch.shards) == batch.shard
        parts.append(of.filter(pa.array(mine)))
    return pa.concat_tables(parts).combine_chunks()


def silent_beside(asked: pa.Table, edges: pa.Table, beside_us: int) -> Bools:
    """Whether a silence of the vessel begins or ends in or beside the encounter, (n,) bool."""
    silences = Edges.of(edges.filter(pc.not_equal(edges["side"], "data_end")))
    track = np.asarray(asked["mmsi"]), micros(asked, "track_start")
    return silences.any_between(*track, micros(asked, "start") - beside_us, micros(asked, "end") + beside_us)


def ended_by_data(asked: pa.Table, edges: pa.Table) -> Bools:
    """Whether the legs of the vessel end, for want of data, just where the encounter does, (n,) bool."""
    ends = Edges.of(edges.filter(pc.not_equal(edges["side"], "start")))
    end_us = micros(asked, "end")
    return ends.any_between(np.asarray(asked["mmsi"]), micros(asked, "track_start"), end_us, end_us)


def slow_around(asked: pa.Table, edges: pa.Table, slow: pa.Table, rules: EncounterRules) -> dict[str, pa.Array]:
    """How many hours of those before and after an encounter each vessel lay or drifted, (n,) each, as columns.

    slow: schema.STAYS, joined. Null where the legs of the vessel begin or end for want of data in those hours, and
    where the encounter is longer than around_most_d.
    """
    track = np.asarray(asked["mmsi"]), micros(asked, "track_start")
    start_us, end_us, around_us = micros(asked, "start"), micros(asked, "end"), hours(rules.around_h)
    any_edge, lain, columns = Edges.of(edges), Spans.of(slow), {}
    sides = {"before": (start_us - around_us, start_us), "after": (end_us, end_us + around_us)}
    for side, (low_us, high_us) in sides.items():
        known = (end_us - start_us <= days(rules.around_most_d)) & (track[1] <= low_us)
        known &= ~any_edge.any_between(*track, low_us, high_us)
        slow_h = np.round(lain.between(*track, low_us, high_us) / HOUR, 2)
        columns[f"slow_{side}_h"] = pa.array(slow_h, mask=~known)
    return columns


def _since_us(watermark_us: int, rules: Rules) -> int:
    """The first moment of what can lie before an encounter of which it is still to be told how the vessels came."""
    own = rules.encounter
    return watermark_us - rules.wait_us - days(own.around_most_d) - hours(own.around_h)


def _kept_stays(slow: pa.Table, watermark_us: int, rules: Rules) -> pa.Table:
    """Stays that can still lie beside an encounter, and those that they would be joined to."""
    since_us = _since_us(watermark_us, rules) - minutes(rules.stays.join_min)
    return slow.filter(pa.array(micros(slow, "end") >= since_us)).combine_chunks()


def _kept_edges(known: pa.Table, watermark_us: int, rules: Rules) -> pa.Table:
    """Edges that can still lie beside an encounter: all that a later one may end at, and of each track one before."""
    mmsi, track_us, time_us = np.asarray(known["mmsi"]), micros(known, "track_start"), micros(known, "time")
    own = rules.encounter
    since_us = min(
        watermark_us - rules.lag_us - minutes(own.join_min + own.dark_beside_min), _since_us(watermark_us, rules)
    )
    keep = time_us >= since_us
    old = np.flatnonzero(~keep & (time_us >= since_us - days(own.max_open_d + 2)))
    old = old[ordered(mmsi[old], track_us[old], time_us[old])]
    first = starts_of(mmsi[old], track_us[old])
    keep[old[np.append(first[1:], len(old))[: len(first)] - 1]] = True
    return known.filter(pa.array(keep)).combine_chunks()


# ------------------------------------------------------- when the data of a vessel began or ended, by track and time


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
        number = self.number(mmsi, track_us)
        # a time before or after all edges must not reach into the numbers of another track
        low = number * self.span_us + np.clip(low_us - self.base_us, 0, self.span_us)
        high = number * self.span_us + np.clip(high_us - self.base_us, -1, self.span_us - 1)
        found = np.searchsorted(self.key, high, side="right") > np.searchsorted(self.key, low, side="left")
        return found & (number >= 0)

    def number(self, mmsi: Ints, track_us: Ints) -> Ints:
        """The number of each track among those with edges, -1 where it has none."""
        return matching([self.mmsi, self.track_us], [mmsi, track_us])


@dataclass(frozen=True)
class Spans:
    """Spans of tracks that do not overlap, sorted by track and time: their begin, and how long they last, (k,) us."""

    begin: Edges
    long_us: Ints

    @staticmethod
    def of(stays: pa.Table) -> Spans:
        """From rows of schema.STAYS, those of a track apart from each other."""
        mmsi, track_us, start_us = np.asarray(stays["mmsi"]), micros(stays, "track_start"), micros(stays, "start")
        begin = stays.select(["mmsi", "track_start", "start"]).rename_columns(["mmsi", "track_start", "time"])
        return Spans(Edges.of(begin), (micros(stays, "end") - start_us)[ordered(mmsi, track_us, start_us)])

    def between(self, mmsi: Ints, track_us: Ints, low_us: Ints, high_us: Ints) -> Ints:
        """How much of [low, high] lies in spans of a track, (n,) microseconds each."""
        if not len(self.long_us):
            return np.zeros(len(mmsi), np.int64)
        number = self.begin.number(mmsi, track_us)
        return np.where(number >= 0, self._upto(number, high_us) - self._upto(number, low_us), 0)

    def _upto(self, number: Ints, time_us: Ints) -> Ints:
        """How much of all spans of tracks with lesser numbers, and of those of this one up to a time, there is."""
        begin, key = self.begin, number * self.begin.span_us
        begun = np.searchsorted(begin.key, key + np.clip(time_us - begin.base_us, 0, begin.span_us - 1), side="right")
        last = np.maximum(begun - 1, 0)
        mine = (begun > 0) & (begin.key[last] >= key)
        done_us = np.clip(time_us - begin.base_us - (begin.key[last] - key), 0, self.long_us[last])
        total_us = np.concatenate([[0], np.cumsum(self.long_us)])
        return np.asarray(total_us[begun] - np.where(mine, self.long_us[last] - done_us, 0))


# --------------------------------------------------- what vessels say of their kind and size, and how long that counts


def last_values(mmsi: Ints, end_us: Ints, static_data: pa.Table, rules: EncounterRules) -> dict[str, pa.Array]:
    """The values of REPORTED that vessels (n,) had reported last by a time; null where nothing was reported.

    static_data: schema.STATIC_DATA. What was reported more than static_memory_d before, in whole UTC days, does not
    count, since a value is given once in each.
    """
    oldest_us = _oldest_us(end_us, rules)
    return {name: as_of(static_data, name, mmsi, end_us, oldest_us)[0] for name in REPORTED}


def remembered(static_data: pa.Table, since_us: int, rules: EncounterRules) -> pa.Table:
    """What of static data an encounter that ends then or later can ask for."""
    return still_needed(static_data, REPORTED, since_us, int(_oldest_us(np.int64(since_us), rules)))


def _oldest_us(end_us: Ints | np.int64, rules: EncounterRules) -> Ints:
    """The first moment of what is still remembered at a time, (n,) microseconds: the beginning of a UTC day."""
    oldest_us = end_us // days(1) * days(1) - days(rules.static_memory_d)
    return np.asarray(-(-oldest_us // days(1)) * days(1))
