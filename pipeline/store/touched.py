"""Which events a load has to score again, since something in their windows has changed; the others keep their score.

Law: after any loads each score is as if all had been scored at the last one. What a load adds and drops is compared row
by row, so that a slice that says the same once more touches nothing. An event is touched where a row that is new, gone
or other lies in its window and can change a column of view encounter_context (READS). What was scored is remembered in
the working database beside what it rested on: the card, the query, the outputs. Where that is not the same, as after a
load by another card, where most was replaced or where there are few, all are scored.

Within a load: `begin` before rows are dropped, `settle` once table `fresh` is there, `remember` when it is scored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb

from stswatch.pipeline.rules import ContextRules, days, hours
from stswatch.pipeline.schema import Registry
from stswatch.pipeline.store import across_vessels, ddl

# of the parts of each table the columns on which view encounter_context rests; those of which it merges parts: all
READS = {
    "gaps": ("mmsi", "track_start", "start_time", "end_time", "judgement", "p_off"),
    "port_calls": (
        *("mmsi", "shown", "port", "trade", "arrival", "departure", "may_score", "gap_start", "gap_end", "spare_h"),
        *("draught_m_before", "draught_m_after", "destination_after"),
    ),
    "loitering": ("mmsi", "start_time", "end_time"),
    "vessels": ("mmsi", "first_seen", "last_seen"),
    "identity_events": (),
    "identity_values": (),
    "track_checks": (),
}
_NAMES = ("kind", "mmsi_a", "mmsi_b", "start_time", "end_time", "track_a", "track_b")
_MOMENT = ", ".join(_NAMES)
# where more of the outputs than MOST was replaced, or there are fewer events than FEW, to compare is no gain
MOST, FEW = 0.5, 5_000
_STATE = (
    f"""CREATE TABLE IF NOT EXISTS scored_events AS
        SELECT {_MOMENT}, 0::BIGINT AS finals, 0::BIGINT AS others, 0::UBIGINT AS own FROM encounters LIMIT 0""",
    "CREATE TABLE IF NOT EXISTS scored_by (card VARCHAR, outputs VARCHAR, scored BIGINT)",
)


@dataclass(frozen=True)
class Scored:
    """What scores rest on beside the tables. card: names the card and the query; features: how many of what lies round
    an event it has, one of `reasons` each; rules: the windows."""

    card: str
    features: int
    rules: ContextRules
    tables: Registry


def named(card: str, query: str) -> str:
    """A name for a card, a query for what lies round events, and the program's own words and sums for both."""
    return hashlib.sha256(f"{card} {query} {_code()}".encode()).hexdigest()


@cache
def _code() -> str:
    models = sorted(Path(str(files("stswatch.models"))).glob("*.py"))
    beside = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in (*models, *beside))).hexdigest()


def begin(work: duckdb.DuckDBPyConnection, tables: Registry, gone: Collection[int], come: int, first: int) -> None:
    """Put aside what a load drops, before it does: numbers of outputs; come: how many it adds, numbered from `first`.

    Gives tables `gone_TABLE` and `load_begun`, which stay empty where all will have to be scored.
    """
    for statement in _STATE:
        work.execute(statement)
    keys = _outputs(work)
    kept = len(keys) - len(gone)
    alike = work.execute("SELECT count(*) FROM scored_by WHERE outputs = ?", [_digest(keys)]).fetchall()[0][0]
    worth = bool(alike) and max(len(gone), come) <= MOST * max(kept, 1)
    work.execute("CREATE OR REPLACE TEMP TABLE load_begun (first INTEGER)")
    if worth:
        work.execute("INSERT INTO load_begun VALUES (?)", [first])
        for name, columns in _reads(tables):
            work.execute(
                f"""CREATE OR REPLACE TEMP TABLE gone_{name} AS SELECT {ddl.columns(columns)} FROM part_{name}
                    WHERE _output IN (SELECT unnest(?::INTEGER[]))""",
                [list(gone)],
            )


def forget(work: duckdb.DuckDBPyConnection) -> None:
    """Have all be scored at the next load, since this one scores nothing."""
    for statement in _STATE:
        work.execute(statement)
    work.execute("DELETE FROM scored_by")


def settle(work: duckdb.DuckDBPyConnection, by: Scored | None) -> None:
    """Give the events in table `fresh` that nothing touched score and reasons as they are stored.

    Table `again` gets the numbers of those that are to be scored: all, where `by` is None.
    """
    work.execute("CREATE OR REPLACE TEMP TABLE again AS SELECT n FROM fresh")
    if by is None or _few(work):
        return
    work.execute(
        f"""CREATE OR REPLACE TEMP TABLE standing_now AS
            SELECT {_MOMENT}, count(*) FILTER (final) AS finals, count(*) FILTER (NOT final) AS others,
                min(own) AS own FROM (
                    SELECT {_MOMENT}, status = 'current' AS final, hash(score, reasons) AS own FROM fresh
                    UNION ALL SELECT {_MOMENT}, false, 0 FROM held WHERE id NOT IN (SELECT id FROM former))
            GROUP BY ALL"""
    )
    work.execute(
        f"""CREATE OR REPLACE TEMP TABLE moved AS
            SELECT {_MOMENT}, n.finals + n.others IS DISTINCT FROM o.finals + o.others AS counts
            FROM standing_now n FULL JOIN scored_events o USING ({_MOMENT})
            WHERE (n.finals, n.others, n.own) IS DISTINCT FROM (o.finals, o.others, o.own)"""
    )
    begun = work.execute("SELECT first FROM load_begun, scored_by WHERE card = ?", [by.card]).fetchall()
    if not begun:
        return
    _same(work, by)
    (first,) = begun[0]
    for name, columns in _reads(by.tables):
        listed, come = ddl.columns(columns), f"FROM part_{name} WHERE _output >= {int(first)}"
        work.execute(
            f"""CREATE OR REPLACE TEMP TABLE changed_{name} AS
                (SELECT {listed} {come} EXCEPT ALL SELECT {listed} FROM gone_{name})
                UNION ALL (SELECT {listed} FROM gone_{name} EXCEPT ALL SELECT {listed} {come})"""
        )
    found = " UNION ".join(f"({query})" for query in _touched(by.rules, by.tables, int(first)))
    work.execute(f"CREATE OR REPLACE TEMP TABLE again AS WITH touched AS ({found}) FROM touched")
    work.execute("DELETE FROM alike WHERE n IN (FROM again)")
    work.execute("CREATE OR REPLACE TEMP TABLE again AS SELECT n FROM fresh WHERE n NOT IN (SELECT n FROM alike)")
    work.execute(
        """UPDATE fresh SET score = e.score, reasons = e.reasons
           FROM alike a JOIN former e ON e.rowid = a.row WHERE fresh.n = a.n"""
    )


def remember(work: duckdb.DuckDBPyConnection, by: Scored, scored: int) -> None:
    """Keep what stands now, and by what it was scored; scored: how many events were."""
    if _few(work):
        forget(work)
        return
    moment = " AND ".join(f"scored_events.{name} = moved.{name}" for name in _NAMES)
    work.execute(f"DELETE FROM scored_events USING moved WHERE {moment}")
    work.execute(f"INSERT INTO scored_events SELECT n.* FROM standing_now n SEMI JOIN moved USING ({_MOMENT})")
    work.execute("DELETE FROM scored_by")
    work.execute("INSERT INTO scored_by VALUES (?, ?, ?)", [by.card, _digest(_outputs(work)), scored])
    beside = [f"{when}_{name}" for name, _ in _reads(by.tables) for when in ("gone", "changed")]
    for name in ("standing_now", "moved", "alike", "sides", "again", *beside):
        work.execute(f"DROP TABLE IF EXISTS temp.{name}")


def _few(work: duckdb.DuckDBPyConnection) -> bool:
    return bool(work.execute("SELECT count(*) FROM fresh").fetchall()[0][0] < FEW)


def _outputs(work: duckdb.DuckDBPyConnection) -> list[str]:
    return [key for (key,) in work.execute("SELECT key FROM outputs ORDER BY key").fetchall()]


def _digest(keys: Collection[str]) -> str:
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()


def _reads(tables: Registry) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each table with parts that the view reads, and what it reads of it."""
    return (
        (name, columns or tuple(tables.parts[name].names)) for name, columns in READS.items() if name in tables.parts
    )


def _same(work: duckdb.DuckDBPyConnection, by: Scored) -> None:
    """Table alike: final events of `fresh` that were scored at the last load and of which the slices say the same, with
    their row in `former`; table sides: their vessels."""
    stored, scored = (" AND ".join(f"f.{name} = {table}.{name}" for name in _NAMES) for table in "eo")
    work.execute(
        f"""CREATE OR REPLACE TEMP TABLE alike AS
            SELECT f.n, f.start_time AS s, f.end_time AS e, f.mmsi_a, f.mmsi_b, e.rowid AS row
            FROM fresh f JOIN former e ON f.status = 'current' AND e.status = 'current' AND {stored}
            SEMI JOIN (SELECT o.* FROM scored_events o ANTI JOIN moved USING ({_MOMENT})
                WHERE finals = 1 AND others = 0) o ON {scored}
            WHERE len(e.reasons) = len(f.reasons) + {by.features}"""
    )
    work.execute(
        """CREATE OR REPLACE TEMP TABLE sides AS SELECT n, mmsi_a AS mmsi, s, e FROM alike
           UNION ALL SELECT n, mmsi_b, s, e FROM alike"""
    )


# ------------------------------------------------------------------------------------- which rows change what of whom


def _touched(rules: ContextRules, tables: Registry, first: int) -> Iterator[str]:
    """For each table a query for the numbers of the events of `sides` that what has changed of it may change."""
    before, after = (f"INTERVAL {days(length_d)} MICROSECONDS" for length_d in (rules.before_d, rules.after_d))
    silence, wait = (f"INTERVAL {hours(length_h)} MICROSECONDS" for length_h in (rules.silence_h, rules.loitering_h))
    join = "SELECT p.n FROM sides p JOIN {} c ON c.mmsi = p.mmsi AND {}".format
    yield join(
        "changed_gaps",
        f"start_time <= e + {silence} AND coalesce(end_time, TIMESTAMPTZ 'infinity') >= s - {silence}",
    )
    calls = f"arrival <= e + {after} AND departure >= s - {before}"
    dark = f"may_score AND gap_start < e + {after} AND gap_end > s - {before}"
    yield join("changed_port_calls", f"({calls} OR {dark})")
    yield join("changed_loitering", f"end_time > s - {wait} AND start_time < e + {wait}")
    met = """(SELECT mmsi_a AS mmsi, start_time, end_time FROM moved WHERE counts AND kind = 'lit'
        UNION ALL SELECT mmsi_b, start_time, end_time FROM moved WHERE counts AND kind = 'lit')"""
    yield join(met, f"end_time > s - {before} AND start_time < e + {after}")
    yield join(_heard(first), f"(s - {before} < since OR e + {after} > until)")
    for counted in (_events(tables, first), _checks(tables, first)):
        inside = f"first_time < e + {after} AND last_time > s - {before}"
        yield f"""SELECT n FROM sides p JOIN ({counted}) c ON c.mmsi = p.mmsi AND {inside}
            GROUP BY n, p.mmsi HAVING sum(sign) <> 0"""


def _state(name: str, first: int, old: bool, which: str) -> str:
    """Rows of a table with parts as they are, or as they were before this load."""
    columns = ddl.columns(READS[name]) or "* EXCLUDE (_output)"
    if not old:
        return f"SELECT {columns} FROM main.part_{name} WHERE {which}"
    kept = f"SELECT {columns} FROM main.part_{name} WHERE _output < {first} AND {which}"
    return f"{kept} UNION ALL SELECT {ddl.columns(READS[name]) or '*'} FROM gone_{name} WHERE {which}"


def _heard(first: int) -> str:
    """Vessels of which it is other when they were heard first or last: before `since`, and after `until`, all is as it
    was of them."""
    which = "mmsi IN (SELECT mmsi FROM changed_vessels)"
    old, new = (
        f"""(SELECT mmsi, min(first_seen) AS first, max(last_seen) AS last
            FROM ({_state("vessels", first, old, which)}) GROUP BY mmsi)"""
        for old in (True, False)
    )
    return f"""(SELECT mmsi,
            CASE WHEN o.mmsi IS NULL OR n.mmsi IS NULL THEN TIMESTAMPTZ 'infinity'
                WHEN o.first <> n.first THEN greatest(o.first, n.first) END AS since,
            CASE WHEN o.last <> n.last THEN least(o.last, n.last) END AS until
        FROM {old} o FULL JOIN {new} n USING (mmsi))"""


def _counted(first: int, rows: Any) -> str:
    """What is counted in a window, as it is with sign 1, as it was with sign -1; rows: (old) -> a query for mmsi,
    first_time, last_time."""
    return " UNION ALL ".join(f"SELECT *, {-1 if old else 1} AS sign FROM ({rows(old)})" for old in (False, True))


def _events(tables: Registry, first: int) -> str:
    """Identity events about a vessel, of those vessels and numbers of which something has changed."""
    of_events = "mmsi IN (SELECT mmsi FROM changed_identity_events)"
    of_values = "field = 'imo' AND value IN (SELECT value FROM changed_identity_values WHERE field = 'imo')"

    def rows(old: bool) -> str:
        return f"""WITH part_identity_events AS ({_state("identity_events", first, old, of_events)}),
                part_identity_values AS ({_state("identity_values", first, old, of_values)}),
                found AS (SELECT mmsi, other_mmsi, first_time, last_time
                    FROM ({across_vessels.events("identity_events", tables)}) WHERE NOT candidate)
            SELECT mmsi, first_time, last_time FROM found UNION ALL
            SELECT other_mmsi, first_time, last_time FROM found WHERE other_mmsi <> mmsi"""

    return _counted(first, rows)


def _checks(tables: Registry, first: int) -> str:
    """Track checks of those vessels of which something has changed, without interference."""
    which = "mmsi IN (SELECT mmsi FROM changed_track_checks)"

    def rows(old: bool) -> str:
        return f"""WITH part_track_checks AS ({_state("track_checks", first, old, which)})
            SELECT mmsi, start_time AS first_time, end_time AS last_time
            FROM ({across_vessels.checks("track_checks", tables)}) WHERE NOT interference"""

    return _counted(first, rows)
