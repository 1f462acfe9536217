"""What lies round each meeting: view encounter_context, and the part of a score that rests on it.

Laws. A row of the view is a function of the tables beside it, within windows of rules `context` before the start and
after the end: it shows neither how data were cut nor in which order they came, and what comes later fills what was not
known. The score that is published is that of the card, from the columns of the event and of the view beside it in the
same snapshot.

A slice knows the meeting; the calls, silences and meetings of both vessels in the month before and the days after lie
in others. So the slices give the part of a card that needs the meeting alone, and here the rest is added from the
tables of all slices, anew at each load: a score ripens as what follows the meeting comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.rules import ContextRules, days, hours
from stswatch.pipeline.schema import Registry, column
from stswatch.pipeline.store import across_vessels, ddl, touched
from stswatch.pipeline.store.revisions import LIVING, Rescore

if TYPE_CHECKING:  # who asks for leads reads the views, and waits for no scorecard
    from stswatch.models.scorecard import Scorecard

CONTEXT = "encounter_context"


def context_schema() -> pa.Schema:
    """The columns of view encounter_context, with what the view holds."""
    return schema.table(
        "What lies round each meeting that holds, a row for each of its two vessels. A scorecard may have points for "
        "it (models/context.py).",
        *(schema.STORED["encounters"].field(name) for name in ("id", "revision")),
        column("mmsi", pa.int32(), "the vessel"),
        column("other_mmsi", pa.int32(), "the other vessel of the meeting"),
        *(field for family in _families(ContextRules()) for field in family.fields),
    )


def context_query(rules: ContextRules, of: str = "encounters", among: str = "encounters") -> str:
    """The query for all rows of the view.

    of: the table of the meetings; among: that of all meetings which may lie round them, with the same columns.
    """
    found = _families(rules)
    tables = ", ".join(f"{f.name} AS (SELECT p.id, p.mmsi, {f.gathered} GROUP BY p.id, p.mmsi)" for f in found)
    joins = " ".join(f"LEFT JOIN {f.name} USING (id, mmsi)" for f in found)
    return f"""WITH parties AS ({_parties(of)}), others AS ({_parties(among)}), {tables}
        SELECT id, revision, mmsi, other_mmsi, {", ".join(f.selected for f in found)}
        FROM parties {joins} ORDER BY id, revision, mmsi"""


def _parties(table: str) -> str:
    """Each vessel of the meetings of a table that hold."""
    return " UNION ALL ".join(
        f"""SELECT id, revision, kind, mmsi_{v} AS mmsi, mmsi_{w} AS other_mmsi, start_time AS s, end_time AS e,
            try_cast(split_part(track_{v}, '@', 2) AS TIMESTAMPTZ) AS track_start
        FROM {table} WHERE status IN {LIVING}"""
        for v, w in ("ab", "ba")
    )


# ------------------------------------------------------------------ the families of columns, one table of events each


@dataclass(frozen=True)
class _Family:
    """Columns that come from one table of events.

    gathered: what is worked out for each party `p`, from `s` to `e`, and from where. values: what each column is of
    that, where there is nothing all of it is null.
    """

    name: str
    gathered: str
    fields: tuple[pa.Field, ...]
    values: tuple[str, ...]

    @property
    def selected(self) -> str:
        """The columns as they are selected."""
        both = zip(self.fields, self.values, strict=True)
        return ", ".join(f"({value})::{ddl.sql_type(field.type)} AS {field.name}" for field, value in both)


def _families(rules: ContextRules) -> tuple[_Family, ...]:
    before, after = _interval(days(rules.before_d)), _interval(days(rules.after_d))
    return (
        _known(rules),
        _silences(_interval(hours(rules.silence_h))),
        _last_call(before),
        _next_call(after),
        _dark_calls(before, after),
        _loitering(_interval(hours(rules.loitering_h))),
        _meetings(before, after),
        *_doubts(before, after),
    )


def _known(rules: ContextRules) -> _Family:
    return _Family(
        "known",
        f"""any_value({_between("v.first_seen", "s", days(1), rules.before_d)}) AS before,
            any_value({_between("e", "v.last_seen", days(1), rules.after_d)}) AS after
            FROM parties p JOIN vessels v USING (mmsi)""",
        (
            column("known_before_d", pa.float64(), "how much of before_d it had been heard for", unit="d", null=True),
            column("known_after_d", pa.float64(), "how much of after_d it was heard until", unit="d", null=True),
        ),
        ("known.before", "known.after"),
    )


def _silences(near: str) -> _Family:
    """The greatest chance of those judged silenced; 0 where there is no silence, null where none was judged so."""
    spans = {
        "before": f"start_time < s AND ends >= s - {near}",
        "inside": "start_time < e AND ends > s",
        "after": f"ends > e AND start_time <= e + {near}",
    }
    off = ", ".join(
        f"""CASE WHEN count(*) FILTER ({when}) = 0 THEN 0
            ELSE max(p_off) FILTER (({when}) AND judgement = 'silenced') END AS {name}"""
        for name, when in spans.items()
    )
    where = {
        "before": "that touch the silence_h before the start",
        "inside": "within the meeting",
        "after": "that touch the silence_h after the end",
    }
    return _Family(
        "silences",
        f"""{off} FROM parties p
            JOIN (SELECT *, coalesce(end_time, TIMESTAMPTZ 'infinity') AS ends FROM gaps) g
            ON g.mmsi = p.mmsi AND g.track_start = p.track_start AND start_time <= e + {near} AND ends >= s - {near}""",
        tuple(
            column(
                f"off_{when}",
                pa.float64(),
                f"greatest gaps.p_off of its silences {words} that were judged silenced; 0 where it was silent in none "
                "of that, null where none of its silences there was judged so",
                null=True,
            )
            for when, words in where.items()
        ),
        tuple(f"CASE WHEN silences.mmsi IS NULL THEN 0 ELSE silences.{when} END" for when in where),
    )


_HEARD = "JOIN (FROM port_calls WHERE shown <> 'dark_possible') c ON c.mmsi = p.mmsi"


def _last_call(before: str) -> _Family:
    return _Family(
        "last_call",
        f"""arg_max(c, (departure, arrival, port)) AS c, min({_between("departure", "s", hours(1))}) AS hours
            FROM parties p {_HEARD} AND arrival <= s AND departure >= s - {before}""",
        (
            column("last_port", pa.string(), "port id of its last call by the start, heard within before_d", null=True),
            column("last_port_trade", pa.bool_(), "that is a port of the DPRK or of its trade", null=True),
            column("since_call_h", pa.float64(), "from the departure to the start; 0 in port", unit="h", null=True),
            column("bound_for", pa.string(), "destination entered after that call", null=True),
        ),
        ("last_call.c.port", "last_call.c.trade", "last_call.hours", "last_call.c.destination_after"),
    )


def _next_call(after: str) -> _Family:
    changed = "round(next_call.c.draught_m_before::DOUBLE - last_call.c.draught_m_after::DOUBLE, 1)"
    return _Family(
        "next_call",
        f"""arg_min(c, (arrival, departure, port)) AS c, min({_between("e", "arrival", hours(1))}) AS hours
            FROM parties p {_HEARD} AND departure >= e AND arrival <= e + {after}""",
        (
            column("next_port", pa.string(), "port id of its next call from the end, heard within after_d", null=True),
            column("next_port_trade", pa.bool_(), "that is a port of the DPRK or of its trade", null=True),
            column("to_call_h", pa.float64(), "from the end to the arrival; 0 in port", unit="h", null=True),
            column(
                "draught_change_m",
                pa.float64(),
                "draught entered last by the next call, less that entered last after the last call",
                unit="m",
                null=True,
            ),
        ),
        ("next_call.c.port", "next_call.c.trade", "next_call.hours", changed),
    )


def _dark_calls(before: str, after: str) -> _Family:
    windows = {"before": "before_d before the start", "after": "after_d after the end"}
    return _Family(
        "dark_calls",
        f"""max(spare_h) FILTER (gap_start < s) AS before, max(spare_h) FILTER (gap_end > e) AS after
            FROM parties p JOIN port_calls c ON c.mmsi = p.mmsi AND may_score
            AND gap_start < e + {after} AND gap_end > s - {before}""",
        tuple(
            column(
                f"dark_call_{when}_h",
                pa.float64(),
                f"most time to spare at a DPRK or trade port in a silence judged silenced, within {window}; 0: none",
                unit="h",
            )
            for when, window in windows.items()
        ),
        tuple(f"coalesce(dark_calls.{when}, 0)" for when in windows),
    )


def _loitering(near: str) -> _Family:
    spans = {"before": (f"s - {near}", "s"), "after": ("e", f"e + {near}")}
    overlap = ", ".join(
        f"""sum(greatest(date_diff('microsecond', greatest(l.start_time, {first}), least(l.end_time, {last})), 0))
            / {hours(1)}.0 AS {when}"""
        for when, (first, last) in spans.items()
    )
    of = {"before": "before the start", "after": "after the end"}
    return _Family(
        "loitered",
        f"""{overlap} FROM parties p JOIN loitering l ON l.mmsi = p.mmsi
            AND l.end_time > s - {near} AND l.start_time < e + {near}""",
        tuple(
            column(f"loitered_{when}_h", pa.float64(), f"time loitering in the loitering_h {words}", unit="h")
            for when, words in of.items()
        ),
        tuple(f"coalesce(loitered.{when}, 0)" for when in of),
    )


def _meetings(before: str, after: str) -> _Family:
    return _Family(
        "meetings",
        f"""count(*) FILTER (q.e <= p.s) AS before, count(*) FILTER (q.s >= p.e) AS after,
            count(DISTINCT q.other_mmsi) FILTER (q.e <= p.s) AS partners,
            count(*) FILTER (q.e <= p.s AND q.other_mmsi = p.other_mmsi) AS same
            FROM parties p JOIN others q ON q.kind = 'lit' AND q.mmsi = p.mmsi AND q.id <> p.id
            AND (q.e <= p.s AND q.e > p.s - {before} OR q.s >= p.e AND q.s < p.e + {after})""",
        (
            column("meetings_before", pa.int64(), "its other meetings, lit, within before_d before the start"),
            column("meetings_after", pa.int64(), "its other meetings, lit, within after_d after the end"),
            column("partners_before", pa.int64(), "how many vessels it met in those before"),
            column("same_before", pa.int64(), "how many of those before were with the same vessel"),
        ),
        tuple(f"coalesce(meetings.{name}, 0)" for name in ("before", "after", "partners", "same")),
    )


def _doubts(before: str, after: str) -> Iterator[_Family]:
    """How much speaks against the identity and against the positions of a party."""
    span = "from before_d before to after_d after"
    yield _Family(
        "events",
        f"""count(*) AS n FROM parties p JOIN identity_events i ON p.mmsi IN (i.mmsi, i.other_mmsi)
            AND NOT candidate AND first_time < e + {after} AND last_time > s - {before}""",
        (column("identity_events", pa.int64(), f"rows about it {span}, but for candidates"),),
        ("coalesce(events.n, 0)",),
    )
    yield _Family(
        "checks",
        f"""count(*) AS n FROM parties p JOIN track_checks t ON t.mmsi = p.mmsi
            AND NOT interference AND start_time < e + {after} AND end_time > s - {before}""",
        (column("track_checks", pa.int64(), f"rows about it {span}, but for interference"),),
        ("coalesce(checks.n, 0)",),
    )


def _between(first: str, last: str, unit_us: int, most: float = 1e9) -> str:
    """The time from one moment to another in a unit, from 0 to the most; null where one is not known."""
    between = f"least(greatest(date_diff('microsecond', {first}, {last}), 0) / {unit_us}.0, {most})"
    return f"CASE WHEN {first} IS NOT NULL AND {last} IS NOT NULL THEN {between} END"  # least and greatest skip nulls


def _interval(us: int) -> str:
    return f"INTERVAL {us} MICROSECONDS"


# ------------------------------------------------------------------ what of it is part of the score

_EVENTS = ", ".join(("kind", "mmsi_a", "mmsi_b", "track_a", "track_b", "start_time", "end_time"))
_MERGED = {"identity_events": across_vessels.events, "track_checks": across_vessels.checks}
# Of these the view reads no column for which all parts of a row would be needed.
_PLAIN = """gaps AS (FROM part_gaps), port_calls AS (FROM part_port_calls), loitering AS (FROM part_loitering),
    vessels AS (
        SELECT mmsi, min(first_seen) AS first_seen, max(last_seen) AS last_seen FROM part_vessels GROUP BY mmsi)"""
_FRESH = f"SELECT n::VARCHAR AS id, 0 AS revision, 'current' AS status, {_EVENTS} FROM fresh"
# Of all that is stored: beside what the slices say those that they have not decided yet, else all that is final.
_HELD = f"SELECT id, revision, status, {_EVENTS} FROM held WHERE id NOT IN (SELECT id FROM former)"
_AGAIN = "WHERE n IN (FROM again)"
_FINAL = f"SELECT id, revision, status, {_EVENTS} FROM encounters WHERE status = 'current'"


def rescoring(card: Scorecard | None, rules: ContextRules, finalized: bool, tables: Registry) -> Rescore | None:
    """What adds the points of a card for what lies round each event; None where it has none.

    finalized: see revisions.revise; then only those are scored that something touched (touched.py).
    """
    if card is None or not card.of_context.steps:
        return None
    query, features = _query(rules, tables, _HELD if finalized else _FINAL, _AGAIN), len(card.of_context.steps)
    by = touched.Scored(touched.named(card.model_id, query), features, rules, tables) if finalized else None
    return partial(_rescore, card=card.of_context, query=query, by=by)


def _rescore(work: duckdb.DuckDBPyConnection, card: Scorecard, query: str, by: touched.Scored | None) -> None:
    """Add to score and reasons of each row of table `fresh` what lies round it."""
    touched.settle(work, by)
    found = work.sql(f"SELECT n, score, reasons FROM fresh {_AGAIN} ORDER BY n").to_arrow_table()
    if found.num_rows:
        added = _with_context(found, _by_number(work, query), card)
        work.register("given_scores", pa.table({"n": found["n"], **added}))
        work.execute("UPDATE fresh SET score = g.score, reasons = g.reasons FROM given_scores g WHERE fresh.n = g.n")
    if by is not None:
        touched.remember(work, by, found.num_rows)


def _by_number(db: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    """What lies round each row of table `fresh`, as `sides`, in the order of their numbers."""
    found = sides(db.sql(query).to_arrow_table())
    return found.take(np.argsort(np.asarray(found["id"].cast(pa.int64()))))


def _with_context(events: pa.Table, beside: pa.Table, card: Scorecard) -> dict[str, Any]:
    """Score and reasons of events with those of what lies round them, row by row."""
    from stswatch.models.scorecard import merged

    points, _ = card.score(beside)
    reasons = merged(events["reasons"].combine_chunks(), card.reasons(beside))
    return {"score": np.asarray(events["score"]) + points, "reasons": reasons}


def _query(rules: ContextRules, tables: Registry, stored: str = f"{_FRESH} LIMIT 0", which: str = "") -> str:
    """What lies round events of table `fresh`, by number; other meetings are those of it and what is stored."""
    parts = ", ".join(f"{name} AS ({query(name, tables)})" for name, query in _MERGED.items())
    return f"""WITH {_PLAIN}, {parts}, events AS ({_FRESH} {which}), standing AS (({_FRESH}) UNION ALL ({stored}))
        FROM ({context_query(rules, "events", "standing")})"""


def sides(context: pa.Table) -> pa.Table:
    """Rows of view encounter_context, two for each meeting, as one row each: id, revision and beside_schema().

    The vessel with the smaller MMSI is a, as in table encounters; rows come by id and revision. Raises ValueError where
    a meeting has no two rows.
    """
    context = context.sort_by([(name, "ascending") for name in ("id", "revision", "mmsi")])
    a, b = (context.take(np.arange(first, context.num_rows, 2)) for first in (0, 1))
    if not all(a[name].equals(b[name]) for name in ("id", "revision")):
        raise ValueError("each meeting has two vessels, and a row for each")
    beside = {f"{name}_{v}": side[name] for v, side in (("a", a), ("b", b)) for name in context.schema.names}
    return pa.table({"id": a["id"], "revision": a["revision"]} | {name: beside[name] for name in beside_schema().names})


def beside_schema() -> pa.Schema:
    """The columns of the view but who it is about, as NAME_a and NAME_b, null where nothing is known."""
    fields = [field for family in _families(ContextRules()) for field in family.fields]
    return pa.schema([field.with_name(f"{field.name}_{v}").with_nullable(True) for v in "ab" for field in fields])


@contextmanager
def of_flow(given: Mapping[str, pa.Table]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory with the parts of events in tables, by the names of the flow; what is not there is empty."""
    tables = schema.TABLES
    with duckdb.connect(config={"threads": 1}) as db:
        db.execute("SET TimeZone = 'UTC'")
        for name, stored in tables.events.items():
            db.register(f"part_{stored}", given.get(name, tables.flow[name].empty_table()))
        yield db


def context_of(given: Mapping[str, pa.Table], rules: ContextRules) -> pa.Table:
    """What lies round each meeting of tables in memory, beside_schema(), in the order of table encounters.

    given: what the steps gave, by the names of the flow; a table that is not there is empty.
    """
    with of_flow(given) as db:
        db.execute("CREATE TABLE fresh AS SELECT row_number() OVER () AS n, * FROM part_encounters")
        return _by_number(db, _query(rules, schema.TABLES)).select(beside_schema().names).cast(beside_schema())


def rescored(given: Mapping[str, pa.Table], card: Scorecard, rules: ContextRules) -> pa.Table:
    """Table encounters of tables in memory with what lies round each in score and reasons, by a card that has points
    for it.

    given: see context_of; scored by the same card.
    """
    events = given.get("encounters", schema.empty("encounters"))
    for name, values in _with_context(events, context_of(given, rules), card.of_context).items():
        at = events.schema.get_field_index(name)
        events = events.set_column(at, events.schema.field(at), pa.array(values).cast(events.schema.field(at).type))
    return events
