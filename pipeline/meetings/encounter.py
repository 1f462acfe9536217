"""The dark and encounter steps: proximities of one pair become encounters, encounters become scored rows.

Law: proximities of a pair arrive in order of time, since a moment is known once the later of two legs is complete. An
encounter closes when nothing that can still arrive would touch it: its end, plus the joining time or the time in which
a silence counts as beside it, lies before the watermark less the lag. What is kept of it are sums of whole numbers.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from stswatch.models.scorecard import Scorecard
from stswatch.pipeline import schema
from stswatch.pipeline.batch import Batch, Bools, Result, Tables, concat, micros, starts_of
from stswatch.pipeline.meetings import intervals, proximity, rows
from stswatch.pipeline.meetings.intervals import PAIR, Runs
from stswatch.pipeline.meetings.rows import encounter_rows, scorecard, still_needed
from stswatch.pipeline.rules import EncounterRules, Rules, days, minutes
from stswatch.pipeline.schema.measures import SILENCES

OPEN = schema.table(
    "Encounters that are not closed.",
    *schema.PROXIMITIES,
    *(silence.field for silence in SILENCES),
    schema.column("opened", pa.bool_(), "was an encounter before this slice"),
)
STATE = {"open": OPEN, "edges": schema.EDGES, "said": schema.STATIC_DATA, "berths": schema.PORT_PAIRS}


def dark(state: Tables, batch: Batch, rules: Rules) -> Result:
    """Give no dark meetings yet: every gap is judged `unknown`, and an unknown gap proves nothing."""
    return Result(state, {"dark_meetings": schema.empty("dark_meetings")})


def encounter(state: Tables, batch: Batch, rules: Rules, card: Scorecard | None = None) -> Result:
    """One slice of one pair shard; see the module docstring for the law, schema.FLOW for what it gives.

    card: the scorecard that gives the scores, the program's default where None.
    """
    known_edges = concat([state["edges"], batch.table("edges")], schema.EDGES)
    meetings = _joined(state["open"], batch.table("proximities"), rules.encounter)
    meetings = rows.darken(meetings, known_edges, minutes(rules.encounter.dark_beside_min))
    static_data = concat([state["said"], batch.table("static_data")], schema.STATIC_DATA)
    done = _done(meetings, batch, rules)
    port_pairs, neighbours = proximity.count(state, batch, rules)
    kept = {
        "open": meetings.filter(pa.array(~done)).combine_chunks(),
        "edges": _kept_edges(known_edges, batch, rules),
        "said": still_needed(static_data, batch.watermark_us - wait_us(rules), rules.encounter),
        "berths": port_pairs,
    }
    encounters = encounter_rows(meetings.filter(pa.array(done)), known_edges, static_data, rules, card or scorecard())
    return Result(kept, {"encounters": encounters, "port_pair_counts": neighbours})


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


def wait_us(rules: Rules) -> int:
    """How long after its end, microseconds, an encounter can still be touched."""
    return minutes(max(rules.encounter.join_min, rules.encounter.dark_beside_min)) + rules.lag_us


def _kept_edges(known: pa.Table, batch: Batch, rules: Rules) -> pa.Table:
    """Edges that can still lie beside an encounter."""
    beside_us = minutes(rules.encounter.join_min + rules.encounter.dark_beside_min)
    recent = micros(known, "time") >= batch.watermark_us - rules.lag_us - beside_us
    return known.filter(pa.array(recent)).combine_chunks()
