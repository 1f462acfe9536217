"""From the working database to a snapshot that nobody touches again, with its views of leads and of the lake."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

import duckdb
import pyarrow as pa

from stswatch.pipeline import faults, schema
from stswatch.pipeline.rules import Rules, minutes
from stswatch.pipeline.schema import Merge, Registry
from stswatch.pipeline.store import across_vessels, case_referrals, case_tables, ddl, snapshots, views
from stswatch.pipeline.store.database import (
    AFRESH,
    READABLE_FROM,
    WORK,
    StoreError,
    attach_empty,
    open_file,
    sound,
)
from stswatch.pipeline.store.ddl import LeftOut, lake_rows
from stswatch.pipeline.store.files import sync
from stswatch.pipeline.store.revisions import LIVING
from stswatch.pipeline.store.snapshots import PUBLISHED, Snapshot

# ----------------------- from the parts of all slices to the rows that are published: a query for each way to merge

# made of the parts, so that no index need hold their keys
GROUPED = (Merge.ROWS, Merge.SUMS, Merge.LATEST, Merge.GAPS, Merge.SPANS, Merge.IDENTITY, Merge.CHECKS)


def query(table: str, tables: Registry = schema.TABLES) -> str:
    """The query that gives the rows of a published table; raises KeyError for another name.

    It reads part_TABLE, the rows of every slice; of what the publisher has, given_TABLE.
    """
    return _QUERIES[tables.merge(table)](table, tables)


def _added_up(table: str, tables: Registry) -> str:
    """Rows of one key are added up, over all slices and files."""
    key = tables.key(table)
    sums = [field for field in tables.stored[table] if field.name not in key]
    added = ", ".join(f"sum({ddl.quoted(f.name)})::{ddl.sql_type(f.type)} AS {ddl.quoted(f.name)}" for f in sums)
    return f"SELECT {ddl.columns(key)}, {added} FROM part_{table} GROUP BY ALL ORDER BY {ddl.columns(key)}"


def _all_rows(table: str, tables: Registry) -> str:
    """Every row of every slice."""
    order = ddl.columns(tables.order(table))
    return f"SELECT {ddl.columns(tables.stored[table].names)} FROM part_{table} ORDER BY {order}"


def _gaps_with_outages(table: str, tables: Registry) -> str:
    """Every gap, with how much of it lies in outages of all receivers, its kind, and places of its two ends."""
    given = [name for name in tables.stored[table].names if name != "outage_min"]
    end = "coalesce(g.end_time, TIMESTAMPTZ 'infinity')"
    kind = "o.name IS NULL AND (g.receiver = 'satellite') = (o.receiver = 'satellite')"
    within = "floor(g.lon{0}) = floor(o.lon) AND floor(g.lat{0}) = floor(o.lat)"
    region = f"o.receiver = 'region' AND ({within.format(0)} OR {within.format(1)})"
    return f"""
        WITH met AS (
            SELECT g.rowid AS row, epoch_us(least({end}, o.end_time)) AS upto,
                epoch_us(greatest(g.start_time, o.start_time)) AS since
            FROM part_{table} g JOIN part_outages o ON o.start_time < {end} AND o.end_time > g.start_time
            WHERE o.receiver = 'all' OR {kind} OR {region}
                OR o.receiver = 'station' AND o.name IN (g.station0, g.station1)),
        apart AS (SELECT row, upto, greatest(since, coalesce(max(upto) OVER (PARTITION BY row ORDER BY since, upto
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), since)) AS since FROM met),
        summed AS (SELECT row, sum(greatest(upto - since, 0)) / 6e7 AS outage_min FROM apart GROUP BY row)
        SELECT {ddl.columns(given, "g")}, coalesce(outage_min, 0)::DOUBLE AS outage_min
        FROM part_{table} g LEFT JOIN summed ON summed.row = g.rowid
        ORDER BY {ddl.columns(tables.order(table), "g")}"""


def _last_known(table: str, tables: Registry) -> str:
    """One row per MMSI: of each column that has a time beside it the value reported last.

    Of two values reported at the same time the larger is kept, so that the order of the slices cannot show.
    """
    names = tables.stored[table].names
    chosen = {
        "flag": "max(flag)",
        "first_seen": "min(first_seen)",
        "last_seen": "max(last_seen)",
        "fixes": "sum(fixes)::BIGINT",
    }
    chosen |= {f"first_{axis}": f"arg_min(first_{axis}, first_seen)" for axis in ("lon", "lat")}
    chosen |= {f"last_{axis}": f"arg_max(last_{axis}, last_seen)" for axis in ("lon", "lat")}
    for name in (n for n in names if f"{n}_time" in names):
        latest = f"max({{'time': {name}_time, 'value': {name}}}) FILTER (WHERE {name}_time IS NOT NULL)"
        chosen |= {name: f"({latest}).value", f"{name}_time": f"max({name}_time)"}
    selected = ", ".join(f"{chosen[name]} AS {ddl.quoted(name)}" for name in names if name != "mmsi")
    return f"SELECT mmsi, {selected} FROM part_{table} GROUP BY mmsi ORDER BY mmsi"


def _events(table: str, tables: Registry) -> str:
    """The rows of the working database, each with where it lies in the area asked for."""
    stored = [name for name in tables.stored[table].names if name not in schema.AREA_COLUMNS]
    return f"""SELECT {ddl.columns(stored, "e")}, p.in_area, p.area_zones
        FROM {table} e JOIN given_placed p ON e.rowid = p.row
        ORDER BY e.start_time, e.mmsi_a, e.mmsi_b, e.id, e.revision"""


def _runs(table: str, tables: Registry) -> str:
    return f"SELECT {ddl.columns(tables.stored[table].names)} FROM {table} ORDER BY {ddl.columns(tables.order(table))}"


def _given(table: str, tables: Registry) -> str:
    return f"SELECT {ddl.columns(tables.stored[table].names)} FROM given_{table}"


_QUERIES: Mapping[Merge, Callable[[str, Registry], str]] = {
    Merge.ROWS: _all_rows,
    Merge.SUMS: _added_up,
    Merge.LATEST: _last_known,
    Merge.SPANS: across_vessels.spans,
    Merge.IDENTITY: across_vessels.events,
    Merge.CHECKS: across_vessels.checks,
    Merge.GAPS: _gaps_with_outages,
    Merge.EVENTS: _events,
    Merge.RUNS: _runs,
    Merge.REVISIONS: _runs,
    Merge.GIVEN: _given,
}


# ---------------------------------------------- views: the leads, and the lake files of the snapshot's own manifest

LEADS = "flagged_encounters"
GAPS_BESIDE = "gaps_beside"


def lead_schema() -> pa.Schema:
    """The columns of view flagged_encounters, with what the view holds."""
    meaning = (
        "Leads: encounters that hold, final or provisional, in the area asked for, score at or above lead.min_score."
    )
    return schema.STORED["encounters"].with_metadata({"meaning": meaning})


def beside_schema() -> pa.Schema:
    """The columns of view gaps_beside, with what the view holds."""
    stored = schema.STORED["encounters"]
    return schema.table(
        "Gaps of the tracks of an encounter that begin or end during it or within dark_beside_min of it: "
        "what gap_a and gap_b stand for. A gap that begins or ends just where it does says how long "
        "a vessel was not received before or after.",
        *(stored.field(name) for name in ("id", "revision")),
        *(schema.STORED["gaps"].field(name) for name in schema.STORED["gaps"].names),
    )


def schemas() -> dict[str, pa.Schema]:
    """View -> its schema, of every view in a snapshot."""
    cases = {**case_tables.schemas(), **case_referrals.schemas()}
    return {LEADS: lead_schema(), GAPS_BESIDE: beside_schema(), **views.schemas(), **cases, **schema.LAKE}


def statements(rules: Rules, registry: Registry = schema.TABLES) -> Iterator[str]:
    """The statements that make and describe all that a snapshot shows, tables without rows, the lake without files.

    `rules` are those of the run that is published.
    """
    for name, fields in registry.stored.items():
        # what is grouped by its key needs no index to hold it: that would be most of the file
        key = () if registry.merge(name) in GROUPED else registry.key(name)
        yield ddl.create_table(name, fields, key=key)
        yield from ddl.comments(name, fields)
    yield f"CREATE VIEW {LEADS} AS {_leads(rules.cut_off)}"
    yield f"CREATE VIEW {GAPS_BESIDE} AS {_beside(rules.encounter.dark_beside_min)}"
    for name, query_of in views.queries(rules).items():
        yield f"CREATE VIEW {name} AS {query_of}"
    for name, fields in schema.LAKE.items():
        yield f"CREATE VIEW {name} AS {ddl.empty_select(fields)}"
    cases = case_tables.queries(rules.case)
    seen = cases.pop(case_tables.BESIDE)  # which dark_leads needs, and the docket needs that
    dark = {views.DARK_LEADS: views.dark_lead_query(rules.dark)}
    for name, query_of in {case_tables.BESIDE: seen, **dark, **cases, **case_referrals.queries(rules)}.items():
        yield f"CREATE VIEW {name} AS {query_of}"
    for name, fields in schemas().items():
        yield from ddl.comments(name, fields, "VIEW")


def _of_lake(lake_files: Mapping[str, Sequence[str]], left_out: LeftOut) -> Iterator[str]:
    """The statements that make and describe anew the views of the lake of which there are files.

    `lake_files` is lake table -> paths within the data folder; left_out: see lake_rows.
    """
    for name, fields in schema.LAKE.items():
        if files := lake_files.get(name):
            yield f"CREATE OR REPLACE VIEW {name} AS {lake_rows(fields, files, left_out)}"
            yield from ddl.comments(name, fields, "VIEW")


def _leads(min_score: float) -> str:
    columns = ddl.columns(schema.STORED["encounters"].names)
    return (
        f"SELECT {columns} FROM encounters WHERE status IN {LIVING} AND in_area"
        f" AND score >= {float(min_score)!r}::DOUBLE ORDER BY score DESC, start_time, id"
    )


def _beside(beside_min: float) -> str:
    near = f"INTERVAL {minutes(beside_min)} MICROSECONDS"
    sides = " UNION ALL ".join(
        f"""SELECT id, revision, mmsi_{v} AS mmsi,
            try_cast(split_part(track_{v}, '@', 2) AS TIMESTAMPTZ) AS track_start,
            start_time - {near} AS first, end_time + {near} AS last FROM encounters"""
        for v in "ab"
    )
    gaps = ddl.columns(schema.STORED["gaps"].names, "g")
    return f"""SELECT s.id, s.revision, {gaps} FROM ({sides}) s JOIN gaps g USING (mmsi, track_start)
        WHERE g.start_time BETWEEN s.first AND s.last OR g.end_time BETWEEN s.first AND s.last"""


# ------------------------------------------------------------------------------------------------------- publishing

Reach = Callable[[duckdb.DuckDBPyConnection], pa.Table]  # rows of ports_in_reach, from what else is in a snapshot


def publish(
    work: duckdb.DuckDBPyConnection,
    data: Path,
    tables: Mapping[str, pa.Table],
    lake_files: Mapping[str, Sequence[str]],
    rules: Rules,
    left_out: LeftOut | None = None,
    registry: Registry = schema.TABLES,
    reach: Reach | None = None,
) -> Path:
    """Write a snapshot of the working database, lead DIR/stswatch.duckdb to it, and return the path that it leads to.

    `tables` holds what the working database does not: sources, reject_counts, and placed (row number of an
    encounter there, in_area, area_zones); left_out: see loader.Beside; registry: what is published; reach: rows
    of ports_in_reach. Until the last
    rename nothing published changes. Raises StoreError where it cannot be written or the working database is damaged,
    CatalogueError where a lake file is into which DuckDB looks.
    """
    home = data.resolve()
    snapshot = snapshots.following(data)
    snapshot.pristine.parent.mkdir(parents=True, exist_ok=True)
    unfinished = snapshot.pristine.with_name("unfinished.duckdb")
    _remove(unfinished)
    try:
        with sound(data / WORK, AFRESH):
            made = [*statements(rules, registry)]
            _fill(work, unfinished, tables, made, _of_lake(lake_files, left_out or {}), registry, reach)
        _name_files(snapshot, unfinished, lake_files, left_out or {}, home)
    except (duckdb.Error, StoreError, OSError) as error:
        if "read_parquet" in str(error) or "lake/" in str(error):  # a view looks into the first of its files
            from stswatch.pipeline.store import entries  # see queries.py

            entries.verify(data, (path for paths in lake_files.values() for path in paths))
        message = str(error).splitlines()[0]
        if isinstance(error, duckdb.IOException | OSError):
            raise StoreError(f"{data}: no snapshot was made ({message}); run again") from error
        raise
    finally:  # after Ctrl-C too; and where the disk is full, it is full of these
        with suppress(OSError):
            _remove(unfinished)
            _remove(snapshot.shown.with_name(unfinished.name))
    return _show(snapshot, home)


def _name_files(
    snapshot: Snapshot, unfinished: Path, lake_files: Mapping[str, Sequence[str]], left_out: LeftOut, home: Path
) -> None:
    """Give a filled database its place, on the disk."""
    faults.reach("snapshot_filled")
    snapshots.finalize(snapshot, unfinished, lake_files, left_out)
    sync([snapshot.pristine, snapshot.shown, snapshot.manifest], home)


def _show(snapshot: Snapshot, home: Path) -> Path:
    faults.reach("snapshot_named")
    _lead_to(snapshot, home / PUBLISHED)
    sync([snapshot.manifest], home)  # not the databases: somebody here may have opened them already (snapshots.py)
    faults.reach("snapshot_published")
    return snapshot.shown


def republish(
    data: Path,
    tables: Callable[[duckdb.DuckDBPyConnection], Mapping[str, pa.Table]],
    lake_files: Mapping[str, Sequence[str]] | None = None,
) -> Path | None:
    """Publish what was published last with some tables in place of its own: what `tables` gives for a connection to it.

    lake_files: what the views of the lake list from now on; as before where None. Gives None where that snapshot has no
    such tables, as of an older version. To be called by whoever holds the working database, since one at a time may
    publish. Raises StoreError, OSError.
    """
    home, last = data.resolve(), snapshots.newest(data)
    manifest = snapshots.read_manifest(last) if last else None
    if last is None or manifest is None:
        raise StoreError(f"{data}: holds no snapshot that is whole; `stswatch run` over any file of it publishes anew")
    snapshot = snapshots.following(data)
    unfinished = snapshot.pristine.with_name("unfinished.duckdb")
    _remove(unfinished)
    try:
        snapshots.copy(last.pristine, unfinished)
        unfinished.chmod(0o644)
        with closing(open_file(unfinished)) as made, sound(unfinished, AFRESH):
            made.execute(f"SET TimeZone = 'UTC'; SET file_search_path = {ddl.literal(str(home))}")
            there = {row[0] for row in made.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
            new = tables(made) if "decisions" in there else {}
            for name, table in new.items():  # one by one: a key that goes and comes in one transaction is refused
                made.register("given_rows", table)
                made.execute(f"DELETE FROM {name}")
                made.execute(f"INSERT INTO {name} BY NAME SELECT * FROM given_rows")
                made.unregister("given_rows")
            listed = manifest.lake_files if lake_files is None else lake_files
            for statement in _of_lake(listed, manifest.left_out) if new and lake_files is not None else ():
                made.execute(statement)
            made.execute("CHECKPOINT")
        if not new:
            return None
        _name_files(snapshot, unfinished, listed, manifest.left_out, home)
    finally:
        with suppress(OSError):
            _remove(unfinished)
            _remove(snapshot.shown.with_name(unfinished.name))
    return _show(snapshot, home)


def _fill(
    work: duckdb.DuckDBPyConnection,
    path: Path,
    tables: Mapping[str, pa.Table],
    made: Sequence[str],
    of_lake: Iterable[str],
    registry: Registry,
    reach: Reach | None,
) -> None:
    home = work.execute("SELECT current_database()").fetchall()[0][0]
    empty = attach_empty(work, made)
    work.execute(f"ATTACH {ddl.literal(str(path))} AS snapshot (STORAGE_VERSION '{READABLE_FROM}')")
    try:
        none = {n: registry.stored[n].empty_table() for n in registry.stored if registry.merge(n) is Merge.GIVEN}
        for name, table in (none | {**tables}).items():
            work.register(f"given_{name}", table)
        work.begin()
        work.execute(f"COPY FROM DATABASE {empty} TO snapshot (SCHEMA)")
        for name in registry.stored:
            work.execute(f"INSERT INTO snapshot.{name} BY NAME {query(name, registry)}")
        work.execute("USE snapshot")  # so that the views name no database: the file gets another name
        for statement in of_lake:
            work.execute(statement)
        if reach is not None:
            work.register("given_reach", reach(work))
            work.execute("INSERT INTO ports_in_reach BY NAME SELECT * FROM given_reach")
        work.commit()
        work.execute("CHECKPOINT snapshot")
    except BaseException:
        with suppress(duckdb.Error):
            work.rollback()
        raise
    finally:
        work.execute(f"USE {ddl.quoted(home)}")
        work.execute("DETACH snapshot")


def _lead_to(snapshot: Snapshot, link: Path) -> None:
    """Make the link lead to the snapshot in one step, by a path that holds when the data folder is moved."""
    beside = link.with_name(f".{link.name}.new")
    beside.unlink(missing_ok=True)
    beside.symlink_to(snapshot.shown.relative_to(link.parent))
    # DuckDB 1.4 writes its log beside the link, where it would be taken for the new snapshot's.
    snapshots.log(link).unlink(missing_ok=True)
    os.replace(beside, link)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    snapshots.log(path).unlink(missing_ok=True)
