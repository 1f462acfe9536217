"""The dark, encounter and judge steps: proximities of one pair become encounters, encounters become scored rows.

Law: proximities of a pair arrive in order of time, since a moment is known once the later of two legs is complete. An
encounter closes when nothing that can still arrive would touch it: its end, plus the joining time or the time in which
a silence counts as beside it, lies before the watermark less the lag. What is kept of it are sums of whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.models.scorecard import Scorecard
from stswatch.pipeline import schema
from stswatch.pipeline.batch import Batch, Bools, Ints, Result, Tables, build, concat, micros, ordered, starts_of
from stswatch.pipeline.meetings import intervals, proximity
from stswatch.pipeline.meetings.intervals import PAIR, Runs
from stswatch.pipeline.meetings.rows import encounter_rows, scorecard
from stswatch.pipeline.reported import as_of, still_needed
from stswatch.pipeline.routes import lake_shard, step_shard
from stswatch.pipeline.rules import EncounterRules, Rules, days, minutes

OPEN = schema.table(
    "Encounters that are not closed.",
    *schema.PROXIMITIES,
    schema.column("opened", pa.bool_(), "was an encounter before this slice"),
)
STATE = {"open": OPEN, "berths": schema.PORT_PAIRS}


def dark(state: Tables, batch: Batch, rules: Rules) -> Result:
    """Give no dark meetings yet."""
    return Result(state, {"dark_meetings": schema.empty("dark_meetings")})


def encounter(state: Tables, batch: Batch, rules: Rules) -> Result:
    """One slice of one pair shard; see the module docstring for the law, schema.FLOW for what it gives."""
    meetings = _joined(state["open"], batch.table("proximities"), rules.encounter)
    done = _done(meetings, batch, rules)
    port_pairs, neighbours = proximity.count(state, batch, rules)
    kept = {"open": meetings.filter(pa.array(~done)).combine_chunks(), "berths": port_pairs}
    span_us = micros(meetings, "end") - micros(meetings, "start")
    counts = done & (span_us >= minutes(rules.encounter.min_duration_min))
    closed = meetings.filter(pa.array(counts)).select(schema.CLOSED_ENCOUNTERS.names)
    rows = {"closed_encounters": closed.cast(schema.CLOSED_ENCOUNTERS), "port_pair_counts": neighbours}
    return Result(kept, rows)


def judge(state: Tables, batch: Batch, rules: Rules, card: Scorecard | None = None) -> Result:
    """Give the encounters that were closed, with what became of their vessels, score and reasons.

    card: the scorecard that gives the scores, the program's default where None.
    """
    closed, of = batch.table("closed_encounters"), batch.table("parties")
    return Result(state, {"encounters": encounter_rows(closed, of, rules, card or scorecard())})


def _joined(opened: pa.Table, proximities: pa.Table, rules: EncounterRules) -> pa.Table:
    """The open encounters with the new proximities joined to them."""
    never = pa.array(np.zeros(proximities.num_rows, bool))
    new = proximities
    for name in OPEN.names[len(schema.PROXIMITIES) :]:
        new = new.append_column(OPEN.field(name), never)
    both = intervals.from_table(concat([opened, new.cast(OPEN)], OPEN))
    joined = intervals.join(both, _heads(both, rules))
    return intervals.to_table(joined, OPEN, {"opened": np.ones(len(joined), bool)})


def _heads(given: Runs, rules: EncounterRules) -> Bools:
    """What begins an encounter: a former one, a new pair, too long an interruption, the longest an encounter may be."""
    columns = given.columns
    start, end, n = columns["start"], columns["end"], len(given)
    head = columns["opened"].copy()
    head[starts_of(*(columns[name] for name in PAIR))] = True
    head[1:] |= start[1:] - end[:-1] > minutes(rules.join_min)
    begun = start[np.maximum.accumulate(np.where(head, np.arange(n), 0))]
    # counted in whole UTC days: there intervals part in every run, so that no slice shows in where an encounter is cut
    age = (start // days(1) - begun // days(1)) * days(1) // days(rules.max_open_d)
    head[1:] |= age[1:] > age[:-1]
    return np.asarray(head)


def _done(meetings: pa.Table, batch: Batch, rules: Rules) -> Bools:
    """Which encounters nothing can touch any more."""
    if batch.final:
        return np.ones(meetings.num_rows, bool)
    return np.asarray(micros(meetings, "end") < batch.watermark_us - wait_us(rules))


# ---------------- the parties step: what became of each vessel of a closed encounter, and what it had said of itself
# Law: an encounter is closed when all that can lie beside it is known. So each vessel is asked once, in the shard that
# holds what is known of it. Of edges before those that a later encounter may end at only the last of a track counts:
# no window ends before it.

PARTIES_STATE = {"edges": schema.EDGES, "said": schema.STATIC_DATA}
TOLD = ("ship_type", "length_m")


def parties(state: Tables, batch: Batch, rules: Rules) -> Result:
    """One slice of one MMSI shard; see the module docstring for the law, schema.FLOW for what it gives."""
    edges = concat([state["edges"], batch.table("edges")], schema.EDGES)
    static_data = concat([state["said"], batch.table("static_data")], schema.STATIC_DATA)
    asked = _asked(batch)
    kept = {
        "edges": _kept_edges(edges, batch.watermark_us, rules),
        "said": remembered(static_data, batch.watermark_us - wait_us(rules), rules.encounter),
    }
    if asked.num_rows == 0:
        return Result(kept, {"parties": schema.empty("parties")})
    mmsi, end_us = np.asarray(asked["mmsi"]), micros(asked, "end")
    columns: dict[str, object] = {name: asked[name] for name in (*PAIR, "start", "party")}
    columns["gap"] = silent_beside(asked, edges, minutes(rules.encounter.dark_beside_min))
    columns["ended"] = ended_by_data(asked, edges)
    columns |= last_values(mmsi, end_us, static_data, rules.encounter)
    return Result(kept, {"parties": build("parties", columns)})


def wait_us(rules: Rules) -> int:
    """How long after its end, microseconds, an encounter can still be touched."""
    return minutes(max(rules.encounter.join_min, rules.encounter.dark_beside_min)) + rules.lag_us


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


def _kept_edges(known: pa.Table, watermark_us: int, rules: Rules) -> pa.Table:
    """Edges that can still lie beside an encounter: all that a later one may end at, and of each track one before."""
    mmsi, track_us, time_us = np.asarray(known["mmsi"]), micros(known, "track_start"), micros(known, "time")
    own = rules.encounter
    since_us = watermark_us - rules.lag_us - minutes(own.join_min + own.dark_beside_min)
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


# --------------------------------------------------- what vessels say of their kind and size, and how long that counts


def last_values(mmsi: Ints, end_us: Ints, static_data: pa.Table, rules: EncounterRules) -> dict[str, pa.Array]:
    """The values of TOLD that vessels (n,) had reported last by a time; null where nothing was reported.

    static_data: schema.STATIC_DATA. What was reported more than static_memory_d before, in whole UTC days, does not
    count, since a value is given once in each.
    """
    oldest_us = _oldest_us(end_us, rules)
    return {name: as_of(static_data, name, mmsi, end_us, oldest_us)[0] for name in TOLD}


def remembered(static_data: pa.Table, since_us: int, rules: EncounterRules) -> pa.Table:
    """What of static data an encounter that ends then or later can ask for."""
    return still_needed(static_data, TOLD, since_us, int(_oldest_us(np.int64(since_us), rules)))


def _oldest_us(end_us: Ints | np.int64, rules: EncounterRules) -> Ints:
    """The first moment of what is still remembered at a time, (n,) microseconds: the beginning of a UTC day."""
    oldest_us = end_us // days(1) * days(1) - days(rules.static_memory_d)
    return np.asarray(-(-oldest_us // days(1)) * days(1))
