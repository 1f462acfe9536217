"""The dark, encounter and judge steps: proximities of one pair become encounters, encounters become scored rows.

Law: proximities of a pair arrive in order of time, since a moment is known once the later of two legs is complete. An
encounter closes when nothing that can still arrive would touch it (`Rules.wait_us`): its end, plus the joining time,
the time in which a silence counts as beside it and the hours in which its vessels are seen to go, lies before the
watermark less the lag. What is kept of it are sums of whole numbers.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from stswatch.models.scorecard import Scorecard
from stswatch.pipeline import schema
from stswatch.pipeline.batch import Batch, Bools, Result, Tables, concat, micros, starts_of
from stswatch.pipeline.meetings import intervals, proximity
from stswatch.pipeline.meetings.intervals import PAIR, Runs
from stswatch.pipeline.meetings.rows import encounter_rows, scorecard
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
    return np.asarray(micros(meetings, "end") < batch.watermark_us - rules.wait_us)
