"""Revisions of events of every table whose row in pipeline/schema says so; encounters have their own (revisions.py).

What a load says is compared with what stood before, column by column, by hashes: rows themselves are not kept twice. A
row that is said again in the same way is left alone. A changed one is the next revision of the one of its subject with
which it shares most time; others that it covers are superseded by it, and what nothing covers is retracted.

Law: after any loads the current revisions are the rows that are published, each once; whatever came before them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

import duckdb
import pyarrow as pa

from stswatch.pipeline.rules import Rules
from stswatch.pipeline.schema import Merge, Registry
from stswatch.pipeline.store import ddl
from stswatch.pipeline.store.publish import query
from stswatch.pipeline.store.revisions import EVER_US, Name, free_name, succession

TABLE = "event_revisions"


class ByRun(Protocol):
    """What is asked of the run that loads."""

    @property
    def run_id(self) -> str: ...  # noqa: D102
    @property
    def code_version(self) -> str: ...  # noqa: D102
    @property
    def rules(self) -> Rules: ...  # noqa: D102


@dataclass(frozen=True)
class Moved:
    """What a load drops and adds: how many outputs, and from when until when their events last, UTC microseconds."""

    gone: int
    come: int
    since_us: int
    until_us: int


def event_span(work: duckdb.DuckDBPyConnection, tables: Registry, outputs: Collection[int]) -> tuple[int, int]:
    """From when until when the events of some outputs last, UTC microseconds; from the end to the start of all time
    where they have none."""
    if not outputs:
        return EVER_US, -EVER_US
    parts = []
    for name, by in tables.revised.items():
        since, until = (ddl.quoted(each) for each in by.span)
        ends = f"min(epoch_us({since})) AS since, max(coalesce(epoch_us({until}), {EVER_US})) AS until"
        parts.append(f"SELECT {ends} FROM part_{name} WHERE _output IN (SELECT unnest($outputs::INTEGER[]))")
    query_of = f"SELECT min(since), max(until) FROM ({' UNION ALL '.join(parts)})"
    since_us, until_us = work.execute(query_of, {"outputs": list(outputs)}).fetchall()[0]
    return (EVER_US, -EVER_US) if since_us is None else (int(since_us), int(until_us))


def revise_events(work: duckdb.DuckDBPyConnection, run: ByRun, moved: Moved, tables: Registry) -> None:
    """Bring the revisions of all tables in line with what the slices say now; only what lasted while what a load
    drops or adds lasts is looked at. Runs inside the caller's transaction, before the run is noted."""
    if not moved.gone and not moved.come:
        return
    run_id, why = run.run_id, _reason(work, run, moved.gone > 0)
    other = bool(work.execute("SELECT made FROM hashed_by WHERE made <> version()").fetchall())
    for name in _not_empty(work, tables):
        fresh, left = _compare(work, name, tables, None if other else moved)
        if not fresh and not left:
            continue
        pairs = work.execute(_PAIRS).fetchall() if fresh and left else []
        heirs, covered = succession(pairs)
        named = _names(work, name, heirs, set(covered.values()))
        if left:
            continued = {old for old, _ in heirs.values()}
            _end(work, name, {old: None if old in continued else named[n] for old, n in covered.items()}, why, run_id)
        _begin(work, name, tables, why, run_id)
    work.execute("DELETE FROM hashed_by; INSERT INTO hashed_by VALUES (version())")
    for made in ("fresh_events", "left_events", "new_names"):
        work.execute(f"DROP TABLE IF EXISTS temp.{made}")


def _not_empty(work: duckdb.DuckDBPyConnection, tables: Registry) -> list[str]:
    """The tables with rows, or revisions that hold: of the others nothing has to be compared."""
    holding = work.execute(f"SELECT DISTINCT table_name FROM {TABLE} WHERE status = 'current'").fetchall()

    def has_rows(name: str) -> bool:
        return bool(work.execute(f"SELECT EXISTS (FROM part_{name})").fetchall()[0][0])

    # of a table that is put together of several parts it is not known before
    return [n for n in tables.revised if tables.merge(n) is not Merge.ROWS or (n,) in holding or has_rows(n)]


def _reason(work: duckdb.DuckDBPyConnection, run: ByRun, dropped: bool) -> str:
    """Why events may be others than at the last load: other rules, another version, or other data."""
    query_of = "SELECT rules_fingerprint, code_version FROM runs WHERE run_id <> ? ORDER BY started DESC LIMIT 1"
    last = work.execute(query_of, [run.run_id]).fetchall()
    if last and last[0][0] != run.rules.fingerprint():
        return "rules: others than those of the run before"
    if last and last[0][1] != run.code_version:
        return f"version: {run.code_version} after {last[0][1]}"
    if dropped:
        return "data: late, corrected or additional ones, by which slices were run again"
    return "data: more of them"


def _compare(work: duckdb.DuckDBPyConnection, name: str, tables: Registry, moved: Moved | None) -> tuple[int, int]:
    """Tables fresh_events, what is said now and was not before, numbered, and left_events, what was; rows of each.

    The numbers are in no order. moved: None to look at all, by hashes that are taken anew.
    """
    revised, fields = tables.revised[name], tables.stored[name]
    subject = ", ".join(f"{ddl.quoted(each)}::VARCHAR" for each in revised.subject)
    since, until = (ddl.quoted(each) for each in revised.span)
    hashes = ", ".join(f"hash({ddl.quoted(column)})" for column in _compared(fields))
    known = "id" if "id" in fields.names else "NULL"
    followed = f"{ddl.quoted(revised.but[0])} <> {ddl.literal(revised.but[1])}" if revised.but else "true"
    part = tables.merge(name) in (Merge.ROWS, Merge.GAPS)  # others are put together of parts from any slice
    meanwhile = "true"
    if moved is not None and part:
        meanwhile = f"epoch_us({{0}}) <= {moved.until_us} AND coalesce(epoch_us({{1}}) >= {moved.since_us}, true)"
    stood = f"""FROM {TABLE} s WHERE table_name = {ddl.literal(name)} AND status = 'current'
        AND {meanwhile.format("start_time", "end_time")}"""
    alike = "f.subject = s.subject AND f.start_time = s.start_time AND f._columns = s._columns"
    work.execute(
        f"""CREATE OR REPLACE TEMP TABLE all_events AS SELECT DISTINCT concat_ws(' ', {subject}) AS subject,
                {since} AS start_time, {until} AS end_time, {known}::VARCHAR AS known, [{hashes}] AS _columns
            FROM ({query(name, tables)}) WHERE {meanwhile.format(since, until)} AND {followed}"""
    )
    if moved is None:
        _rehash(work, name)
    work.execute(
        f"""CREATE OR REPLACE TEMP TABLE left_events AS SELECT s.* {stood}
            AND NOT EXISTS (FROM all_events f WHERE {alike})"""
    )
    work.execute(
        f"""CREATE OR REPLACE TEMP TABLE fresh_events AS
            SELECT row_number() OVER () AS n, * FROM all_events f WHERE NOT EXISTS ({stood} AND {alike})"""
    )
    work.execute("DROP TABLE temp.all_events")
    count = "SELECT (SELECT count(*) FROM fresh_events), (SELECT count(*) FROM left_events)"
    fresh, left = work.execute(count).fetchall()[0]
    return int(fresh), int(left)


def _compared(fields: pa.Schema) -> list[str]:
    """The columns in which an event may differ; an id that a step gives is made of others."""
    return [name for name in fields.names if name != "id"]


_IN_ORDER = "f.subject, f.start_time, f.end_time, f._columns"  # whatever the order in which rows came
_EVER = "TIMESTAMPTZ '9999-01-01'"  # where an event has no end yet
_PAIRS = f"""
    SELECT f.n, '', s.id, s.revision FROM (SELECT *, coalesce(end_time, {_EVER}) AS until FROM fresh_events) f
    JOIN (SELECT *, coalesce(end_time, {_EVER}) AS until FROM left_events) s ON f.subject = s.subject
        AND ((f.start_time < s.until AND s.start_time < f.until)
             OR (f.start_time = s.start_time OR f.until = s.until))
    ORDER BY epoch_us(least(f.until, s.until)) - epoch_us(greatest(f.start_time, s.start_time)) DESC,
        s.start_time, s.id, {_IN_ORDER}
"""


def _names(
    work: duckdb.DuckDBPyConnection, name: str, heirs: Mapping[int, Name], asked: Collection[int]
) -> dict[int, str]:
    """Table new_names: id and revision of each of fresh_events, and whether it continues one. Gives the asked ids."""
    going = {"n": list(heirs), "id": [old for old, _ in heirs.values()], "last": [last for _, last in heirs.values()]}
    kinds = {"n": pa.int64(), "id": pa.string(), "last": pa.int32()}
    work.register("given_heirs", pa.table({key: pa.array(values, kinds[key]) for key, values in going.items()}))
    of_table = f"FROM {TABLE} WHERE table_name = {ddl.literal(name)}"
    work.execute(
        f"""CREATE OR REPLACE TEMP TABLE new_names AS
            SELECT n, coalesce(h.id, known, upper(left({ddl.literal(name)}, 1)) || left(md5(concat_ws(' ',
                {ddl.literal(name)}, subject, epoch_us(start_time))), 12)) AS id,
                coalesce(h.last, 0)::INTEGER + 1 AS revision, h.id IS NOT NULL AS heir
            FROM fresh_events LEFT JOIN given_heirs h USING (n)"""
    )
    work.unregister("given_heirs")
    contested = work.execute(
        f"""SELECT n, id FROM new_names JOIN fresh_events f USING (n) WHERE NOT heir AND id IN (
            SELECT id {of_table} UNION ALL SELECT id FROM new_names GROUP BY id HAVING count(*) > 1)
        ORDER BY {_IN_ORDER}"""
    ).fetchall()
    if contested:
        query_of = f"""SELECT id, max(revision), bool_or(status = 'current') {of_table}
            AND regexp_replace(id, '-[0-9]+$', '') IN (SELECT unnest(?::VARCHAR[])) GROUP BY id"""
        known = {
            each: (last, living)
            for each, last, living in work.execute(query_of, [[each for _, each in contested]]).fetchall()
        }
        used = {old for old, _ in heirs.values()}
        for n, provisional in contested:
            used.add((free := free_name(provisional, known, used))[0])
            work.execute("UPDATE new_names SET id = ?, revision = ? WHERE n = ?", [*free, n])
    if not asked:
        return {}
    rows = work.execute("SELECT n, id FROM new_names WHERE n IN (SELECT unnest(?::BIGINT[]))", [list(asked)])
    return dict(rows.fetchall())


def _end(
    work: duckdb.DuckDBPyConnection, name: str, successors: Mapping[str, str | None], why: str, run_id: str
) -> None:
    """Mark the revisions that no longer hold: superseded, by whom if by another event, or retracted."""
    ends = {"id": pa.array(list(successors), pa.string()), "by": pa.array(list(successors.values()), pa.string())}
    work.register("given_ends", pa.table(ends))
    work.execute(
        f"""UPDATE {TABLE} SET superseded_by = e.by, ended_reason = $why, ended_run_id = $run_id,
                status = CASE WHEN e.known THEN 'superseded' ELSE 'retracted' END
            FROM (SELECT l.id, g.by, g.id IS NOT NULL AS known FROM left_events l LEFT JOIN given_ends g USING (id)) e
            WHERE table_name = {ddl.literal(name)} AND status = 'current' AND {TABLE}.id = e.id""",
        {"why": why, "run_id": run_id},
    )
    work.unregister("given_ends")


def _begin(work: duckdb.DuckDBPyConnection, name: str, tables: Registry, why: str, run_id: str) -> None:
    """Add the revisions that are new: of one that goes on with the columns in which it differs."""
    columns = f"[{', '.join(ddl.literal(each) for each in _compared(tables.stored[name]))}]"
    differ = f"[{columns}[k] for k in range(1, len({columns}) + 1) if l._columns[k] <> f._columns[k]]"
    work.execute(
        f"""INSERT INTO {TABLE} BY NAME
            SELECT {ddl.literal(name)} AS table_name, n.id, n.revision, 'current' AS status, f.subject, f.start_time,
                f.end_time, f.known AS computed_id, CASE WHEN n.heir THEN {differ} END AS changed, $why AS reason,
                $run_id AS run_id, f._columns
            FROM fresh_events f JOIN new_names n USING (n) LEFT JOIN left_events l ON n.heir AND l.id = n.id""",
        {"why": why, "run_id": run_id},
    )


def _rehash(work: duckdb.DuckDBPyConnection, name: str) -> None:
    """Take the hashes of another version of DuckDB for those of this one, of events that begin and end as before."""
    work.execute(
        f"""UPDATE {TABLE} SET _columns = f._columns FROM all_events f
            WHERE table_name = {ddl.literal(name)} AND status = 'current' AND {TABLE}.subject = f.subject
                AND {TABLE}.start_time = f.start_time AND {TABLE}.end_time IS NOT DISTINCT FROM f.end_time"""
    )
