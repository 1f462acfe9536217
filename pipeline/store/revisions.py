"""Which new events are old ones changed: names, revisions and ends of encounters.

What is stored is compared with what is said now: all that the slices say, or, between two finalized hours, only what
stands so far. An event with the same content is left alone. A changed one takes the name of the stored event of its
kind and pair with which it shares most time, one revision on. The other stored events that it covers are superseded by
it; those that nothing covers are retracted. What stands so far is provisional and changes with every look: while
nothing of its class changes it is replaced under its name and revision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain, count
from typing import Any

import duckdb
import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.batch import Bools
from stswatch.pipeline.store import ddl

_NOT_CONTENT = ("id", "revision", "status", "run_id")
_CONTENT = [name for name in schema.ENCOUNTERS.names if name not in _NOT_CONTENT]
_MOMENT = ("kind", "mmsi_a", "mmsi_b", "start_time", "end_time", "track_a", "track_b")
_REST = [name for name in _CONTENT if name not in _MOMENT]
RUNNING = pa.field("_running", pa.bool_(), False)
# of a stored revision, for those who tell of leads: when it was written or withdrawn, whether it was a lead then, and
# whether its vessels could still be meeting
NOTED = pa.schema([pa.field("_commit", pa.int64(), False), pa.field("_lead", pa.bool_(), False), RUNNING])
LIVING = ("current", "provisional")
EVER_US = 1 << 62
_SLACK_US = 90_000_000  # what stands so far is made of a fix a minute
_OVERLAP = "(({0}.start_time < {1}.end_time AND {1}.start_time < {0}.end_time)" + (
    " OR ({0}.start_time = {1}.start_time AND {0}.end_time = {1}.end_time))"
)

Name = tuple[str, int]  # id and revision
Pair = tuple[int, str, str, int]  # number and provisional id of a new event, id and revision of an old one
Judge = Callable[[pa.Table], Bools]  # (lon, lat, score) of n events -> which are leads
Rescore = Callable[[duckdb.DuckDBPyConnection], None]


def revise(
    work: duckdb.DuckDBPyConnection,
    run_id: str,
    judge: Judge,
    live: pa.Table | None,
    finalized: bool,
    decided_us: int = EVER_US,
    rescore: Rescore | None = None,
) -> int:
    """Bring table encounters in line with what is said; gives the number of this commit.

    live: what stands so far, schema.ENCOUNTERS and RUNNING; None for nothing. finalized: whether the slices have
    changed, so that part_encounters counts too; else only provisional rows are looked at, however much is stored. New
    revisions bear the name of the run. decided_us: the slices say all of events that ended before; one that ended
    later and was final, since the data ended once, stays so until they say something of it or what stands so far goes
    beyond it. rescore: called once tables `fresh`, `former` and `held` are there, to add to the score and reasons of
    each event in `fresh` what else is known. Runs inside the caller's transaction.
    """
    _gather(work, live, finalized, decided_us)
    if rescore is not None:
        rescore(work)
    _compare(work)
    _judged(work, judge)
    pairs = work.execute(_PAIRS).fetchall()
    heirs, covered = succession(pairs)
    steady = _steady(work, heirs)
    named = _names(work, heirs) | {n: heirs[n] for n in steady}
    final = {n: named.get(n, (provisional, 1))[0] for n, provisional, *_ in pairs}
    continued = {old for old, _ in heirs.values()}
    commit: int = work.execute("UPDATE commits SET number = number + 1 RETURNING number").fetchall()[0][0]
    kept = _replaced(work, {heirs[n][0]: n for n in steady})
    _end(work, {old: None if old in continued else final[n] for old, n in covered.items()}, commit)
    _begin(work, named, kept, run_id, commit)
    for name in ("fresh", "same", "former", "held", "judged"):
        work.execute(f"DROP TABLE {name}")
    return commit


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

    `known` is name -> (last revision, is living). A name that ended earlier goes on; a living one gets a
    number behind it.

    >>> free_name("x", {"x": (2, False)}, set()), free_name("x", {"x": (2, True)}, set())
    (('x', 3), ('x-2', 1))
    """
    names = chain([provisional], (f"{provisional}-{number}" for number in count(2)))
    name = next(name for name in names if name not in used and not known.get(name, (0, False))[1])
    return name, known.get(name, (0, False))[0] + 1


def _gather(work: duckdb.DuckDBPyConnection, live: pa.Table | None, finalized: bool, decided_us: int) -> None:
    """Tables fresh: every event that there is now, numbered; former: those stored that may change; held: see _hold."""
    content, running = ddl.columns(_CONTENT), ddl.quoted(RUNNING.name)
    work.register("given_live", _none() if live is None else live)
    selects = [f"SELECT id, 'provisional' AS status, {running}, {content} FROM given_live"]
    if finalized:
        once = f"SELECT min(id) AS id, {content} FROM part_encounters GROUP BY ALL"
        selects.append(f"SELECT id, 'current' AS status, false AS {running}, {content} FROM ({once})")
    work.execute(
        f"""CREATE TEMP TABLE fresh AS
            SELECT row_number() OVER (ORDER BY start_time, {ddl.columns(_MOMENT)}, id) AS n, *
            FROM ({" UNION ALL BY NAME ".join(selects)})"""
    )
    which = f"status IN {LIVING}" if finalized else "status = 'provisional'"
    held = f"status = 'current' AND epoch_us(end_time) >= {decided_us}"
    work.execute(f"CREATE TEMP TABLE former AS SELECT * FROM encounters WHERE {which} OR ({held})")
    _hold(work, held)


def _compare(work: duckdb.DuckDBPyConnection) -> None:
    """Table same: those of `fresh` that are stored unchanged."""
    running = ddl.quoted(RUNNING.name)
    moment = " AND ".join(f"f.{name} = e.{name}" for name in _MOMENT)
    work.execute(
        f"""CREATE TEMP TABLE same AS SELECT f.n, e.id
            FROM fresh f JOIN former e ON f.status = e.status AND f.{running} = e.{running} AND {moment}
            WHERE row({ddl.columns(_REST, "f")}) IS NOT DISTINCT FROM row({ddl.columns(_REST, "e")})"""
    )


def _hold(work: duckdb.DuckDBPyConnection, held: str) -> None:
    """Leave those alone that are final and not decided by the slices yet, and what stands so far within them.

    They are in table `held`; those of them that change all the same stay in `former`.
    """
    one = f"f.kind = h.kind AND f.mmsi_a = h.mmsi_a AND f.mmsi_b = h.mmsi_b AND {_OVERLAP.format('f', 'h')}"
    work.execute(
        f"""CREATE TEMP TABLE held AS SELECT * FROM former h WHERE {held}
            AND NOT EXISTS (FROM fresh f WHERE f.status = 'current' AND {one})"""
    )
    inside = f"epoch_us(f.start_time) >= epoch_us(h.start_time) - {_SLACK_US}"
    inside += f" AND epoch_us(f.end_time) <= epoch_us(h.end_time) + {_SLACK_US}"
    work.execute(f"DELETE FROM fresh f WHERE EXISTS (FROM held h WHERE {one} AND {inside})")
    work.execute(
        f"""DELETE FROM former WHERE id IN (
                SELECT id FROM held h WHERE NOT EXISTS (FROM fresh f WHERE {one})) AND status = 'current'"""
    )


def _none() -> pa.Table:
    return pa.schema([*schema.ENCOUNTERS, RUNNING]).empty_table()


def _judged(work: duckdb.DuckDBPyConnection, judge: Judge) -> None:
    """Table judged: whether each new or changed event is a lead."""
    query = "SELECT n, lon, lat, score FROM fresh WHERE n NOT IN (SELECT n FROM same)"
    events = work.sql(query).to_arrow_table()
    work.register("given_judged", pa.table({"n": events["n"], "lead": judge(events)}))
    work.execute("CREATE TEMP TABLE judged AS FROM given_judged")


_PAIRS = """
    WITH changed AS (SELECT * FROM fresh WHERE n NOT IN (SELECT n FROM same)),
         left_over AS (SELECT * FROM former WHERE id NOT IN (SELECT id FROM same))
    SELECT c.n, c.id, f.id, f.revision
    FROM changed c JOIN left_over f ON c.kind = f.kind AND c.mmsi_a = f.mmsi_a AND c.mmsi_b = f.mmsi_b
        AND ((c.start_time < f.end_time AND f.start_time < c.end_time)
             OR (c.start_time = f.start_time AND c.end_time = f.end_time))
    ORDER BY epoch_us(least(c.end_time, f.end_time)) - epoch_us(greatest(c.start_time, f.start_time)) DESC,
        f.start_time, f.id, c.n
"""
# New events whose provisional name is stored already, or is given to more than one of them.
_CONTESTED = """
    SELECT n, id FROM fresh
    WHERE n NOT IN (SELECT n FROM same) AND n NOT IN (SELECT unnest($heirs::BIGINT[]))
        AND id IN (SELECT id FROM encounters UNION ALL SELECT id FROM fresh GROUP BY id HAVING count(*) > 1)
    ORDER BY n
"""
_KNOWN = f"""
    SELECT id, max(revision), bool_or(status IN {LIVING}) FROM encounters
    WHERE id IN (SELECT unnest($names::VARCHAR[]))
        OR regexp_replace(id, '-[0-9]+$', '') IN (SELECT unnest($names::VARCHAR[]))
    GROUP BY id
"""
# Of pairs of a new event and the one that it continues: where both are provisional and of one class.
_STEADY = f"""
    SELECT n FROM (SELECT unnest($new::BIGINT[]) AS n, unnest($old::VARCHAR[]) AS old)
    JOIN fresh f USING (n) JOIN judged USING (n) JOIN former e ON e.id = old
    WHERE f.status = 'provisional' AND e.status = 'provisional' AND f.zones[1] IS NOT DISTINCT FROM e.zones[1]
        AND lead = e._lead AND f.{RUNNING.name} = e.{RUNNING.name}
"""


def _steady(work: duckdb.DuckDBPyConnection, heirs: Mapping[int, Name]) -> list[int]:
    """New events that only say more exactly what stands so far: kind, most specific zone and the like are the same."""
    if not heirs:
        return []
    given = {"new": list(heirs), "old": [old for old, _ in heirs.values()]}
    return [n for (n,) in work.execute(_STEADY, given).fetchall()]


def _names(work: duckdb.DuckDBPyConnection, heirs: Mapping[int, Name]) -> dict[int, Name]:
    """New event -> name, for those that are not simply the first revision of their provisional name."""
    named = {new: (old, revision + 1) for new, (old, revision) in heirs.items()}
    contested = work.execute(_CONTESTED, {"heirs": list(heirs)}).fetchall()
    if contested:
        rows = work.execute(_KNOWN, {"names": [name for _, name in contested]}).fetchall()
        known = {name: (revision, living) for name, revision, living in rows}
        used: set[str] = set()
        for n, name in contested:
            named[n] = free_name(name, known, used)
            used.add(named[n][0])
    return named


def _replaced(work: duckdb.DuckDBPyConnection, steady: Mapping[str, int]) -> dict[int, int]:
    """Take out the provisional rows that are written anew; gives new event -> when its revision was first written."""
    if not steady:
        return {}
    query = "DELETE FROM encounters WHERE status = 'provisional' AND id IN (SELECT unnest(?::VARCHAR[]))"
    rows = work.execute(f"{query} RETURNING id, _commit", [list(steady)]).fetchall()
    return {steady[name]: commit for name, commit in rows}


def _end(work: duckdb.DuckDBPyConnection, successors: Mapping[str, str | None], commit: int) -> None:
    """Mark the rows that no longer hold: superseded, by whom if by another event, or retracted."""
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
           FROM former e LEFT JOIN fates f USING (id) WHERE e.id NOT IN (SELECT id FROM same)"""
    )
    work.execute(
        f"""UPDATE encounters SET status = ended.status, superseded_by = ended.successor,
               _commit = CASE WHEN ended.status = 'retracted' OR ended.successor IS NOT NULL THEN {commit}
                         ELSE _commit END
           FROM ended WHERE encounters.id = ended.id AND encounters.status IN {LIVING}"""
    )
    work.execute("DROP TABLE ended")


def _begin(
    work: duckdb.DuckDBPyConnection, named: Mapping[int, Name], kept: Mapping[int, int], run_id: str, commit: int
) -> None:
    """Add the events that are new or changed."""
    names = pa.table(
        {
            "n": pa.array(list(named), pa.int64()),
            "name": pa.array([name for name, _ in named.values()], pa.string()),
            "revision": pa.array([revision for _, revision in named.values()], pa.int32()),
            "written": pa.array([kept.get(n) for n in named], pa.int64()),
        }
    )
    work.register("names", names)
    work.execute(
        f"""INSERT INTO encounters BY NAME
            SELECT coalesce(names.name, fresh.id) AS id, coalesce(names.revision, 1) AS revision,
                fresh.id AS computed_id, fresh.status, $run_id AS run_id, {ddl.columns(_CONTENT, "fresh")},
                coalesce(names.written, $commit) AS _commit, lead AS _lead, fresh.{RUNNING.name}
            FROM fresh JOIN judged USING (n) LEFT JOIN names USING (n)""",
        {"run_id": run_id, "commit": commit},
    )


# ------------------------------------------------------------------------------------------ what became of leads

# A revision that is a lead is told, and one that is none where the one before was; a lead that was withdrawn is told
# once more, under its own revision. One that says the same as the one before, times to the minute, is not: what stands
# so far is made of a fix a minute, and differs by less from what is finalized.
_SAME = """
    kind = lag(kind) OVER w AND zones IS NOT DISTINCT FROM lag(zones) OVER w
    AND abs(score - lag(score) OVER w) < 0.05
    AND abs(epoch_us(start_time) - epoch_us(lag(start_time) OVER w)) < 60_000_000
    AND abs(epoch_us(end_time) - epoch_us(lag(end_time) OVER w)) < 60_000_000
"""
_CHANGES = f"""
    WITH touched AS (SELECT DISTINCT id FROM encounters WHERE _commit > $since AND end_time >= $oldest),
    revisions AS (
        SELECT *, _lead AND (status = 'retracted' OR superseded_by IS NOT NULL) AS withdrawn
        FROM encounters WHERE id IN (FROM touched)),
    numbered AS (
        SELECT *, coalesce(lag(_lead AND NOT withdrawn) OVER w, false) AS was_lead,
            coalesce(lag(_running) OVER w, false) AS was_running, coalesce({_SAME}, false) AS same
        FROM revisions WINDOW w AS (PARTITION BY id ORDER BY revision)),
    changes AS (
        SELECT *, CASE WHEN NOT _lead THEN 'retracted' WHEN NOT was_lead THEN 'opened'
            WHEN was_running AND NOT _running THEN 'closed' ELSE 'changed' END AS change
        FROM numbered WHERE _lead OR was_lead
        UNION ALL SELECT *, 'retracted' AS change FROM numbered WHERE withdrawn)
    SELECT id, revision, change, kind, zones, score, start_time, end_time, mmsi_a, mmsi_b
    FROM changes WHERE _commit > $since AND NOT (change = 'changed' AND same)
    ORDER BY _commit, id, revision, change = 'retracted'
"""
_VESSEL_NAMES = """
    SELECT mmsi, max({'time': name_time, 'value': name}).value AS name FROM part_vessels
    WHERE name_time IS NOT NULL AND mmsi IN (SELECT unnest($mmsi::INTEGER[])) GROUP BY mmsi
"""


def lead_changes(work: duckdb.DuckDBPyConnection, since: int, oldest: datetime) -> list[dict[str, Any]]:
    """What became of leads after a commit, of those that lasted at least until `oldest`; in order of the commits.

    A row each: id, revision, change (opened, changed, closed, retracted), kind, zones, score, start_time, end_time,
    mmsi_a, mmsi_b, name_a, name_b. The same rows come again for the same commits: nothing is noted as told.
    """
    rows = work.sql(_CHANGES, params={"since": since, "oldest": oldest}).to_arrow_table().to_pylist()
    names = _vessel_names(work, sorted({row[f"mmsi_{v}"] for row in rows for v in "ab"})) if rows else {}
    return [row | {f"name_{v}": names.get(row[f"mmsi_{v}"]) for v in "ab"} for row in rows]


_FINAL = """
    SELECT id, revision, status, superseded_by, kind, zones, score, _lead AS lead, start_time, end_time, duration_min,
        lon, lat, cpa_distance_m, mmsi_a, mmsi_b
    FROM encounters
    WHERE _commit > $since AND end_time >= $oldest
        AND (status IN ('current', 'retracted') OR superseded_by IS NOT NULL)
    ORDER BY _commit, id, revision
"""


def final_encounters(work: duckdb.DuckDBPyConnection, since: int, oldest: datetime) -> list[dict[str, Any]]:
    """Encounters that became final after a commit, and final ones that hold no more; as `lead_changes` otherwise.

    status: current, retracted, or superseded by the event that superseded_by names.
    """
    return list(work.sql(_FINAL, params={"since": since, "oldest": oldest}).to_arrow_table().to_pylist())


def _vessel_names(work: duckdb.DuckDBPyConnection, mmsi: Sequence[int]) -> dict[int, str]:
    return dict(work.execute(_VESSEL_NAMES, {"mmsi": list(mmsi)}).fetchall())
