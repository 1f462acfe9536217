"""What lies round a meeting in its score: the part of a scorecard that the slices cannot know.

A slice knows the meeting; the calls, silences and meetings of both vessels in the month before and the days after lie
in others. So the slices give the part of a card that needs the meeting alone, and here the rest is added from the
tables of all slices, anew at each load: a score ripens as what follows the meeting comes.

Law: the score that is published is that of the card, from the columns of the event and of view `encounter_context`
beside it in the same snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.models.scorecard import Scorecard, merged
from stswatch.pipeline import schema
from stswatch.pipeline.rules import ContextRules
from stswatch.pipeline.schema import Registry
from stswatch.pipeline.store import publish, views
from stswatch.pipeline.store.revisions import Rescore

_EVENTS = ", ".join(("kind", "mmsi_a", "mmsi_b", "track_a", "track_b", "start_time", "end_time"))
_MERGED = ("port_calls", "loitering", "identity_events", "track_checks")  # of the tables that the view reads
# Of these the view reads no column for which all parts of a row would be needed.
_PLAIN = """gaps AS (FROM part_gaps), vessels AS (
    SELECT mmsi, min(first_seen) AS first_seen, max(last_seen) AS last_seen FROM part_vessels GROUP BY mmsi)"""
_FRESH = f"SELECT n::VARCHAR AS id, 0 AS revision, 'current' AS status, {_EVENTS} FROM fresh"
# Of all that is stored: beside what the slices say those that they have not decided yet, else all that is final.
_HELD = f"SELECT id, revision, status, {_EVENTS} FROM held WHERE id NOT IN (SELECT id FROM former)"
_FINAL = f"SELECT id, revision, status, {_EVENTS} FROM encounters WHERE status = 'current'"


def rescoring(card: Scorecard | None, rules: ContextRules, finalized: bool, tables: Registry) -> Rescore | None:
    """What adds the points of a card for what lies round each event; None where it has none.

    finalized: see revisions.revise.
    """
    if card is None or not card.of_context.steps or not {"vessels", "gaps", *_MERGED} <= set(tables.parts):
        return None
    query = _query(rules, tables, _HELD if finalized else _FINAL)
    return partial(_rescore, card=card.of_context, query=query)


def _rescore(work: duckdb.DuckDBPyConnection, card: Scorecard, query: str) -> None:
    """Add to score and reasons of each row of table `fresh` what lies round it."""
    found = work.sql("SELECT n, score, reasons FROM fresh").to_arrow_table().combine_chunks()
    if not found.num_rows:
        return
    beside = sides(work.sql(query).to_arrow_table())
    beside = beside.take(pc.index_in(found["n"], value_set=beside["id"].cast(pa.int64())))
    work.register("given_scores", pa.table({"n": found["n"], **_with_context(found, beside, card)}))
    work.execute("UPDATE fresh SET score = g.score, reasons = g.reasons FROM given_scores g WHERE fresh.n = g.n")


def _with_context(events: pa.Table, beside: pa.Table, card: Scorecard) -> dict[str, Any]:
    """Score and reasons of events with those of what lies round them, row by row."""
    points, _ = card.score(beside)
    reasons = merged(events["reasons"].combine_chunks(), card.reasons(beside))
    return {"score": np.asarray(events["score"]) + points, "reasons": reasons}


def _query(rules: ContextRules, tables: Registry, stored: str = f"{_FRESH} LIMIT 0") -> str:
    """What lies round each event of table `fresh`, by its number; other meetings are those of it and what is stored."""
    parts = ", ".join(f"{name} AS ({publish.query(name, tables)})" for name in _MERGED)
    return f"""WITH {_PLAIN}, {parts}, said AS ({_FRESH}), standing AS (FROM said UNION ALL ({stored}))
        FROM ({views.context_query(rules, "said", "standing")})"""


def sides(context: pa.Table) -> pa.Table:
    """Rows of view encounter_context, two for each meeting, as one row each, with NAME_a and NAME_b of each column.

    The vessel with the smaller MMSI is a, as in table encounters; rows come by id and revision. Raises ValueError where
    a meeting has no two rows.
    """
    context = context.sort_by([(name, "ascending") for name in ("id", "revision", "mmsi")])
    a, b = (context.take(np.arange(first, context.num_rows, 2)) for first in (0, 1))
    if not all(a[name].equals(b[name]) for name in ("id", "revision")):
        raise ValueError("each meeting has two vessels, and a row for each")
    names = [name for name in context.schema.names if name not in ("id", "revision")]
    columns = {f"{name}_{v}": side[name] for v, side in (("a", a), ("b", b)) for name in names}
    return pa.table({"id": a["id"], "revision": a["revision"], **columns})


def beside_schema() -> pa.Schema:
    """The columns of `context_of`; all of them are null where nothing is known of what lies round a meeting."""
    fields = [field for field in views.context_schema() if field.name not in ("id", "revision")]
    return pa.schema([field.with_name(f"{field.name}_{v}").with_nullable(True) for v in "ab" for field in fields])


def context_of(given: Mapping[str, pa.Table], rules: ContextRules) -> pa.Table:
    """What lies round each meeting of tables in memory, beside_schema(), in the order of table encounters.

    given: what the steps gave, by the names of the flow; a table that is not there is empty.
    """
    tables = schema.TABLES
    with duckdb.connect(config={"threads": 1}) as db:
        db.execute("SET TimeZone = 'UTC'")
        for name, stored in tables.events.items():
            db.register(f"part_{stored}", given.get(name, tables.flow[name].empty_table()))
        db.execute("CREATE TABLE fresh AS SELECT row_number() OVER () AS n, * FROM part_encounters")
        found = sides(db.sql(_query(rules, tables)).to_arrow_table())
    order = np.argsort(np.asarray(found["id"].cast(pa.int64())))
    return found.take(order).select(beside_schema().names).cast(beside_schema())


def rescored(given: Mapping[str, pa.Table], card: Scorecard, rules: ContextRules) -> pa.Table:
    """Table encounters of tables in memory, with what lies round each in score and reasons, as far as a card has points
    for it.

    given: see context_of; scored by the same card.
    """
    events = given.get("encounters", schema.empty("encounters"))
    if not (card.of_context.steps and events.num_rows):
        return events
    for name, column in _with_context(events, context_of(given, rules), card.of_context).items():
        at = events.schema.get_field_index(name)
        events = events.set_column(at, events.schema.field(at), pa.array(column).cast(events.schema.field(at).type))
    return events
