"""The views beside encounters: voyages from call to call, the history of vessels, what lies round each meeting.

Law of `encounter_context`: a row is a function of the tables beside it, within windows of rules `context` before the
start and after the end. So it shows neither how data were cut nor in which order they came, and what comes later fills
what was not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.rules import ContextRules, days, hours
from stswatch.pipeline.schema import column
from stswatch.pipeline.store import ddl
from stswatch.pipeline.store.revisions import LIVING

VOYAGES, HISTORY, CONTEXT = "voyages", "vessel_history", "encounter_context"


def schemas() -> dict[str, pa.Schema]:
    """View -> its schema."""
    return {VOYAGES: voyage_schema(), HISTORY: history_schema(), CONTEXT: context_schema()}


def statements(rules: ContextRules) -> Iterator[str]:
    """The statements that make the views."""
    yield f"CREATE VIEW {VOYAGES} AS {_VOYAGES}"
    yield f"CREATE VIEW {HISTORY} AS {_history()}"
    yield f"CREATE VIEW {CONTEXT} AS {context_query(rules)}"


# ------------------------------------------------------------------ what a vessel did over time


def voyage_schema() -> pa.Schema:
    """The columns of view voyages, with what the view holds."""
    calls = schema.STORED["port_calls"]
    return schema.table(
        "What lies between two calls of one vessel that were heard, one after the other.",
        calls.field("mmsi"),
        column("from_port", pa.string(), "port id of the call before"),
        column("to_port", pa.string(), "port id of the call after"),
        column("departure", schema.UTC, "departure from the one"),
        column("arrival", schema.UTC, "arrival at the other"),
        *(calls.field(name) for name in ("destination_after", "destination_before")),
        *(calls.field(name) for name in ("draught_m_after", "draught_m_before")),
        column("gaps", pa.int64(), "silences that begin or end between the two"),
        column("silent_h", pa.float64(), "hours of them that are known, within the voyage", unit="h"),
        column(
            "dark_possible",
            pa.list_(pa.string()),
            "DPRK and trade ports that a silence within it leaves time for, first those with most; "
            "no indication but where port_calls.may_score",
        ),
    )


def history_schema() -> pa.Schema:
    """The columns of view vessel_history, with what the view holds."""
    return schema.table(
        "What is known of each vessel in order of time: calls, meetings, silences, loitering.",
        schema.STORED["vessels"].field("mmsi"),
        column("start_time", schema.UTC, "when it began"),
        column("end_time", schema.UTC, "when it ended", null=True),
        column("kind", pa.string(), "port_call, encounter, gap or loitering"),
        column("what", pa.string(), "how a call was shown, kind of a meeting, judgement of a gap", null=True),
        column("place", pa.string(), "the port of a call; of the others the nearest, where it is known", null=True),
        column("id", pa.string(), "id of the encounter", null=True),
        column("other_mmsi", pa.int32(), "the other vessel of an encounter", null=True),
    )


_VOYAGES = """
    WITH heard AS (FROM port_calls WHERE shown <> 'dark_possible'),
    pairs AS (SELECT mmsi, port AS from_port, lead(port) OVER w AS to_port, departure, lead(arrival) OVER w AS arrival,
            destination_after, lead(destination_before) OVER w AS destination_before,
            draught_m_after, lead(draught_m_before) OVER w AS draught_m_before
        FROM heard WINDOW w AS (PARTITION BY mmsi ORDER BY arrival, departure, port)),
    legs AS (SELECT row_number() OVER (ORDER BY mmsi, departure, arrival) AS leg, * FROM pairs
        WHERE arrival IS NOT NULL AND arrival >= departure),
    silences AS (SELECT leg, count(*) AS gaps,
            sum(epoch_us(least(l.arrival, g.end_time)) - epoch_us(greatest(l.departure, g.start_time))) / 3.6e9
                AS silent_h
        FROM legs l JOIN gaps g ON g.mmsi = l.mmsi AND g.start_time < l.arrival
            AND (g.end_time > l.departure OR g.end_time IS NULL AND g.start_time >= l.departure) GROUP BY leg),
    ports AS (SELECT leg, list(port ORDER BY most DESC, port) AS dark_possible FROM (
            SELECT leg, c.port, max(c.spare_h) AS most FROM legs l JOIN port_calls c ON c.mmsi = l.mmsi
                AND c.shown = 'dark_possible' AND c.gap_start < l.arrival AND c.gap_end > l.departure
            GROUP BY leg, c.port) GROUP BY leg)
    SELECT mmsi, from_port, to_port, departure, arrival, destination_after, destination_before,
        draught_m_after, draught_m_before, coalesce(gaps, 0)::BIGINT AS gaps,
        coalesce(silent_h, 0)::DOUBLE AS silent_h, coalesce(dark_possible, []) AS dark_possible
    FROM legs LEFT JOIN silences USING (leg) LEFT JOIN ports USING (leg) ORDER BY mmsi, departure, arrival"""


def _history() -> str:
    sides = " UNION ALL ".join(
        f"""SELECT mmsi_{v}, start_time, end_time, 'encounter', kind, port, id, mmsi_{w}
            FROM encounters WHERE status IN {LIVING}"""
        for v, w in ("ab", "ba")
    )
    return f"""SELECT mmsi, arrival AS start_time, departure AS end_time, 'port_call' AS kind, shown AS what,
            port AS place, NULL::VARCHAR AS id, NULL::INTEGER AS other_mmsi
        FROM port_calls WHERE shown <> 'dark_possible' OR rank = 1
        UNION ALL {sides}
        UNION ALL SELECT mmsi, start_time, end_time, 'gap', judgement, NULL, NULL, NULL FROM gaps
        UNION ALL SELECT mmsi, start_time, end_time, 'loitering', NULL, port, NULL, NULL FROM loitering
        ORDER BY mmsi, start_time, kind"""


# ------------------------------------------------------------------ what lies round each meeting


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
