"""Which new events are old ones changed: names, revisions and ends of encounters.

What is stored is compared with all that the slices now say. An event with the same content is left alone. A
changed one takes the name of the stored event of its kind and pair with which it shares most time, one
revision on. The other stored events that it covers are superseded by it; those that nothing covers are
retracted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain, count

import duckdb
import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.store import ddl

_NOT_CONTENT = ("id", "revision", "status", "run_id")
_CONTENT = [name for name in schema.ENCOUNTERS.names if name not in _NOT_CONTENT]
_MOMENT = ("kind", "mmsi_a", "mmsi_b", "start_time", "end_time", "track_a", "track_b")
_REST = [name for name in _CONTENT if name not in _MOMENT]

Name = tuple[str, int]  # id and revision
Pair = tuple[int, str, str, int]  # number and provisional id of a new event, id and revision of an old one


def revise(work: duckdb.DuckDBPyConnection, run_id: str) -> None:
    """Bring table encounters in line with part_encounters; new revisions bear the name of this run.

    Runs inside the caller's transaction.
    """
    _compare(work)
    pairs = work.execute(_PAIRS).fetchall()
    heirs, covered = succession(pairs)
    named = _names(work, heirs)
    final = {n: named.get(n, (provisional, 1))[0] for n, provisional, *_ in pairs}
    continued = {old for old, _ in heirs.values()}
    _end(work, {old: None if old in continued else final[n] for old, n in covered.items()})
    _begin(work, named, run_id)
    for name in ("fresh", "same"):
        work.execute(f"DROP TABLE {name}")


def succession(pairs: Iterable[Pair]) -> tuple[dict[int, Name], dict[str, int]]:
    """Who succeeds whom, from (new, provisional id, old id, old revision), largest overlap first.

    Gives new -> (id, revision) of the old event that it continues, and old id -> the new event that covers
    most of it. An old event is continued at most once, and a new one continues at most one. Never raises.

    >>> succession([(1, "p", "x", 1), (1, "p", "y", 3), (2, "q", "x", 1)])
    ({1: ('x', 1)}, {'x': 1, 'y': 1})
    """
    heirs: dict[int, Name] = {}
    covered: dict[str, int] = {}
    taken: set[str] = set()
    for new, _, old, revision in pairs:
        covered.setdefault(old, new)
        if new not in heirs and old not in taken:
            heirs[new] = (old, revision)
            taken.add(old)
    return heirs, covered


def free_name(provisional: str, known: Mapping[str, tuple[int, bool]], used: set[str]) -> Name:
    """The name and revision of an event that continues none; never raises.

    `known` is name -> (last revision, is current). A name that ended earlier goes on; a living one gets a
    number behind it.

    >>> free_name("x", {"x": (2, False)}, set()), free_name("x", {"x": (2, True)}, set())
    (('x', 3), ('x-2', 1))
    """
    names = chain([provisional], (f"{provisional}-{number}" for number in count(2)))
    name = next(name for name in names if name not in used and not known.get(name, (0, False))[1])
    return name, known.get(name, (0, False))[0] + 1


def _compare(work: duckdb.DuckDBPyConnection) -> None:
    """Table fresh: every event that the slices say, numbered; table same: those that are stored unchanged."""
    content = ddl.columns(_CONTENT)
    work.execute(
        f"""CREATE TEMP TABLE fresh AS
            SELECT row_number() OVER (ORDER BY start_time, {ddl.columns(_MOMENT)}, id) AS n, *
            FROM (SELECT min(id) AS id, {content} FROM part_encounters GROUP BY ALL)"""
    )
    moment = " AND ".join(f"f.{name} = e.{name}" for name in _MOMENT)
    work.execute(
        f"""CREATE TEMP TABLE same AS SELECT f.n, e.id
            FROM fresh f JOIN encounters e ON e.status = 'current' AND {moment}
            WHERE row({ddl.columns(_REST, "f")}) IS NOT DISTINCT FROM row({ddl.columns(_REST, "e")})"""
    )


_PAIRS = """
    WITH changed AS (SELECT * FROM fresh WHERE n NOT IN (SELECT n FROM same)),
         former AS (SELECT * FROM encounters WHERE status = 'current' AND id NOT IN (SELECT id FROM same))
    SELECT c.n, c.id, f.id, f.revision
    FROM changed c JOIN former f ON c.kind = f.kind AND c.mmsi_a = f.mmsi_a AND c.mmsi_b = f.mmsi_b
        AND ((c.start_time < f.end_time AND f.start_time < c.end_time)
             OR (c.start_time = f.start_time AND c.end_time = f.end_time))
    ORDER BY epoch_us(least(c.end_time, f.end_time)) - epoch_us(greatest(c.start_time, f.start_time)) DESC,
        f.start_time, f.id, c.n
"""
# New events whose provisional name is stored already, or is given to more than one of them.
_CONTESTED = """
    SELECT n, id FROM fresh
    WHERE n NOT IN (SELECT n FROM same)
        AND id IN (SELECT id FROM encounters UNION ALL SELECT id FROM fresh GROUP BY id HAVING count(*) > 1)
    ORDER BY n
"""
_KNOWN = """
    SELECT id, max(revision), bool_or(status = 'current') FROM encounters
    WHERE id IN (SELECT unnest($names::VARCHAR[]))
        OR regexp_replace(id, '-[0-9]+$', '') IN (SELECT unnest($names::VARCHAR[]))
    GROUP BY id
"""


def _names(work: duckdb.DuckDBPyConnection, heirs: Mapping[int, Name]) -> dict[int, Name]:
    """New event -> name, for those that are not simply the first revision of their provisional name."""
    named = {new: (old, revision + 1) for new, (old, revision) in heirs.items()}
    contested = [(n, name) for n, name in work.execute(_CONTESTED).fetchall() if n not in heirs]
    if contested:
        rows = work.execute(_KNOWN, {"names": [name for _, name in contested]}).fetchall()
        known = {name: (revision, living) for name, revision, living in rows}
        used: set[str] = set()
        for n, name in contested:
            named[n] = free_name(name, known, used)
            used.add(named[n][0])
    return named


def _end(work: duckdb.DuckDBPyConnection, successors: Mapping[str, str | None]) -> None:
    """Mark the current rows that no longer hold: superseded, by whom if by another event, or retracted."""
    fates = pa.table(
        {
            "id": pa.array(list(successors), pa.string()),
            "successor": pa.array(list(successors.values()), pa.string()),
        }
    )
    work.register("fates", fates)
    work.execute(
        """CREATE TEMP TABLE ended AS
           SELECT e.id, CASE WHEN f.id IS NULL THEN 'retracted' ELSE 'superseded' END AS status, f.successor
           FROM encounters e LEFT JOIN fates f USING (id)
           WHERE e.status = 'current' AND e.id NOT IN (SELECT id FROM same)"""
    )
    work.execute(
        """UPDATE encounters SET status = ended.status, superseded_by = ended.successor
           FROM ended WHERE encounters.id = ended.id AND encounters.status = 'current'"""
    )
    work.execute("DROP TABLE ended")


def _begin(work: duckdb.DuckDBPyConnection, named: Mapping[int, Name], run_id: str) -> None:
    """Add the events that are new or changed."""
    names = pa.table(
        {
            "n": pa.array(list(named), pa.int64()),
            "name": pa.array([name for name, _ in named.values()], pa.string()),
            "revision": pa.array([revision for _, revision in named.values()], pa.int32()),
        }
    )
    work.register("names", names)
    work.execute(
        f"""INSERT INTO encounters BY NAME
            SELECT coalesce(names.name, fresh.id) AS id, coalesce(names.revision, 1) AS revision,
                'current' AS status, $run_id AS run_id, {ddl.columns(_CONTENT, "fresh")}
            FROM fresh LEFT JOIN names USING (n) WHERE n NOT IN (SELECT n FROM same)""",
        {"run_id": run_id},
    )
