"""From the working database to a snapshot that nobody touches again."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import duckdb
import pyarrow as pa

from stswatch.pipeline import faults, schema
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.schema import Registry
from stswatch.pipeline.store import ddl, entries, merge, snapshots, views
from stswatch.pipeline.store.database import AFRESH, WORK, StoreError, sound
from stswatch.pipeline.store.disk import sync
from stswatch.pipeline.store.snapshots import PUBLISHED, Snapshot

READABLE_FROM = "v1.4.0"  # the oldest DuckDB that this project allows can open what is published


def publish(
    work: duckdb.DuckDBPyConnection,
    data: Path,
    tables: Mapping[str, pa.Table],
    lake_files: Mapping[str, Sequence[str]],
    rules: Rules,
    left_out: views.LeftOut | None = None,
    registry: Registry = schema.TABLES,
) -> Path:
    """Write a snapshot of the working database, lead DIR/stswatch.duckdb to it, and return the path that it leads to.

    `tables` holds what the working database does not: sources, reject_counts, and placed (row number of an
    encounter there, in_area, area_zones); left_out: see loader.Beside; registry: what is published. Until the last
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
            described = [*views.statements(lake_files, rules, left_out or {})]
            _fill(work, unfinished, tables, described, registry)
        faults.reach("snapshot_filled")
        snapshots.seal(snapshot, unfinished, lake_files, left_out or {})
        sync([snapshot.pristine, snapshot.shown, snapshot.manifest], home)
    except (duckdb.Error, StoreError, OSError) as error:
        with suppress(OSError):  # where the disk is full, it is full of these
            _remove(unfinished)
            _remove(snapshot.shown.with_name(unfinished.name))
        if "read_parquet" in str(error) or "lake/" in str(error):  # a view looks into the first of its files
            entries.verify(data, (path for paths in lake_files.values() for path in paths))
        said = str(error).splitlines()[0]
        if isinstance(error, duckdb.IOException | OSError):
            raise StoreError(f"{data}: no snapshot was made ({said}); run again") from error
        raise
    faults.reach("snapshot_named")
    _lead_to(snapshot, home / PUBLISHED)
    sync([snapshot.manifest], home)  # not the databases: somebody here may have opened them already (holders.py)
    faults.reach("snapshot_published")
    return snapshot.shown


def _fill(
    work: duckdb.DuckDBPyConnection,
    path: Path,
    tables: Mapping[str, pa.Table],
    described: list[str],
    registry: Registry,
) -> None:
    home = work.execute("SELECT current_database()").fetchall()[0][0]
    work.execute(f"ATTACH {ddl.literal(str(path))} AS snapshot (STORAGE_VERSION '{READABLE_FROM}')")
    try:
        for name, table in tables.items():
            work.register(f"given_{name}", table)
        work.begin()
        for name, fields in registry.stored.items():
            # what is grouped by its key needs no index to hold it: that would be most of the file
            key = () if registry.merge(name) in merge.GROUPED else registry.key(name)
            work.execute(ddl.create_table(f"snapshot.{name}", fields, key=key))
            work.execute(f"INSERT INTO snapshot.{name} BY NAME {merge.query(name, registry)}")
        work.execute("USE snapshot")  # so that the views name no database: the file gets another name
        for name, fields in registry.stored.items():
            for statement in ddl.comments(name, fields):
                work.execute(statement)
        for statement in described:
            work.execute(statement)
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
