"""What cases and the verification of events ask of a published snapshot, and of the log beside it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stswatch.pipeline import rule_files
from stswatch.pipeline.store import case_referrals, case_tables, ddl, encounter_context, revisions
from stswatch.pipeline.store.database import connect
from stswatch.pipeline.store.queries import asked, dark_meeting, dicts, encounter, run_of
from stswatch.pipeline.times import micros


def event(data: Path, name: str) -> dict[str, Any]:
    """The encounter or dark meeting of that id or beginning of one, as it is now: a row. Raises StoreError."""
    return (dark_meeting if name.startswith("D") else encounter)(data, name)


def of_cases(
    data: Path, view: str, case: str | None = None, exercise: str | None = None, now: datetime | None = None
) -> list[dict[str, Any]]:
    """The rows of a view of cases by the log as it is now, of one exercise or live; of one case where it is named.

    now: the time at which docket is asked, the clock's where None. Raises StoreError where the folder holds no
    database.
    """
    rules = rule_files.from_json(run_of(data)["rules"])
    made = case_tables.queries(rules.case) | case_referrals.queries(rules)
    if now is not None:
        made[case_tables.DOCKET] = case_tables.docket_query(rules.case, f"make_timestamptz({micros(now)})")
    log, before = case_tables.given(data), "" if exercise is None else "exercise_"
    with asked(data) as db:
        for name in ("decisions", "observations"):
            db.register(f"given_{name}", log[before + name])
        of = "" if exercise is None else f"WHERE exercise = {ddl.literal(exercise)}"
        parts = [f"{name} AS (FROM given_{name} {of})" for name in ("decisions", "observations")]
        parts += [f"{name} AS ({query})" for name, query in made.items()]
        which = "" if case is None else f"WHERE case_id = {ddl.literal(case)}"
        return dicts(db.sql(f"WITH {', '.join(parts)} SELECT * FROM {view} {which}"))


def log_head(data: Path) -> list[tuple[int, str]]:
    """The last entry of the log of decisions that was published, (seq, sha256), by whichever version.

    None where that knew no such log. Raises StoreError as `leads`.
    """
    with closing(connect(data)) as db:
        if not db.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'exercise_decisions'").fetchall():
            return []
        every = " UNION ALL ".join(f"SELECT seq, sha256 FROM {name}" for name in ("decisions", "exercise_decisions"))
        return [(seq, text) for seq, text in db.execute(f"{every} ORDER BY seq DESC LIMIT 1").fetchall()]


def standing(data: Path, after: tuple[datetime, str] | None, limit: int, name: str | None = None) -> pa.Table:
    """At most so many encounters that hold, by start and id, those after one; or that of an id.

    Raises StoreError where the folder holds no database.
    """
    query = f"""SELECT * FROM encounters WHERE status IN {revisions.LIVING} AND ($name IS NULL OR id = $name)
        AND ($id IS NULL OR (start_time, id) > ($start, $id)) ORDER BY start_time, id LIMIT $limit"""
    start, last = after or (None, None)
    with asked(data) as db:
        given = {"start": start, "id": last, "limit": limit, "name": name}
        return db.sql(query, params=given).to_arrow_table()


def beside(data: Path, ids: Sequence[str]) -> pa.Table:
    """What lies round encounters that hold: id, revision and encounter_context.beside_schema(), by id.

    Raises StoreError where the folder holds no database.
    """
    query = f"SELECT * FROM {encounter_context.CONTEXT} WHERE id IN (SELECT unnest($ids))"
    with asked(data) as db:
        return encounter_context.sides(db.sql(query, params={"ids": list(ids)}).to_arrow_table())


def table(data: Path, name: str, row_id: str | None = None) -> pa.Table:
    """All rows of a published table, or those of an id. Raises StoreError where the folder holds no database."""
    which = "" if row_id is None else f" WHERE id = {ddl.literal(row_id)}"
    with asked(data) as db:
        return db.sql(f"SELECT * FROM {ddl.quoted(name)}{which}").to_arrow_table()


def heard_hours(data: Path, since: datetime, until: datetime) -> NDArray[np.int64]:
    """Hours since 1970 in which a usable position was received, (n,) in order, of a span.

    Raises StoreError where the folder holds no database.
    """
    query = """SELECT DISTINCT epoch_us(time) // 3_600_000_000 AS hour FROM fixes
        WHERE invalid_reason IS NULL AND time BETWEEN $since AND $until ORDER BY 1"""
    with asked(data) as db:
        return np.asarray(db.execute(query, {"since": since, "until": until}).fetchnumpy()["hour"], np.int64)
