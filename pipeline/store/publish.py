"""From the working database to a snapshot that nobody touches again."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import duckdb
import pyarrow as pa

from stswatch.pipeline import faults, schema
from stswatch.pipeline.store import ddl, merge, views
from stswatch.pipeline.store.database import PUBLISHED, SNAPSHOTS, StoreError

KEPT = 3  # snapshots left in the folder; one that a reader has open stays readable to it after that
READABLE_FROM = "v1.4.0"  # the oldest DuckDB that this project allows can open what is published
KEYS: Mapping[str, tuple[str, ...]] = {  # what names a row of each published table
    "runs": ("run_id",),
    "sources": ("source",),
    "vessels": ("mmsi",),
    "encounters": ("id", "revision"),
    "coverage": ("cell", "hour", "receiver"),
    "reject_counts": ("source", "reason"),
    "berth_neighbours": ("port", "hour"),
}


def publish(
    work: duckdb.DuckDBPyConnection,
    data: Path,
    tables: Mapping[str, pa.Table],
    lake_files: Mapping[str, Sequence[str]],
    min_score: float,
) -> Path:
    """Write a snapshot of the working database, lead DIR/stswatch.duckdb to it, and return its path.

    `tables` holds what the working database does not: sources, reject_counts, and placed (row number of an
    encounter there, in_area). Until the last rename nothing published changes. Raises StoreError where
    it cannot be written or a lake file is missing.
    """
    folder = data.resolve() / SNAPSHOTS
    folder.mkdir(exist_ok=True)
    unfinished = folder / "unfinished.duckdb"
    _remove(unfinished)
    try:
        _fill(work, unfinished, tables, [*views.statements(lake_files, min_score)])
    except duckdb.IOException as error:
        raise StoreError(f"{data}: no snapshot was made ({str(error).splitlines()[0]}); run again") from error
    snapshot = folder / f"{1 + max(_numbers(folder), default=0):06d}.duckdb"
    faults.reach("snapshot_filled")
    os.rename(unfinished, snapshot)
    faults.reach("snapshot_named")
    _lead_to(snapshot, data.resolve() / PUBLISHED)
    faults.reach("snapshot_published")
    for number in _numbers(folder)[:-KEPT]:
        _remove(folder / f"{number:06d}.duckdb")
    return snapshot


def _fill(work: duckdb.DuckDBPyConnection, path: Path, tables: Mapping[str, pa.Table], described: list[str]) -> None:
    home = work.execute("SELECT current_database()").fetchall()[0][0]
    work.execute(f"ATTACH {ddl.literal(str(path))} AS snapshot (STORAGE_VERSION '{READABLE_FROM}')")
    try:
        for name, table in tables.items():
            work.register(f"given_{name}", table)
        work.begin()
        for name, fields in schema.STORED.items():
            # what is grouped by its key needs no index to hold it: that would be most of the file
            key = () if name in merge.MERGES else KEYS.get(name, ())
            work.execute(ddl.create_table(f"snapshot.{name}", fields, key=key))
            work.execute(f"INSERT INTO snapshot.{name} BY NAME {_rows(name)}")
        work.execute("USE snapshot")  # so that the views name no database: the file gets another name
        for name, fields in schema.STORED.items():
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


def _rows(name: str) -> str:
    if name in merge.MERGES:
        return merge.MERGES[name]()
    if name == "encounters":
        return """SELECT e.*, p.in_area FROM encounters e JOIN given_placed p ON e.rowid = p.row
                  ORDER BY e.start_time, e.mmsi_a, e.mmsi_b, e.id, e.revision"""
    columns = ddl.columns(schema.STORED[name].names)
    return f"SELECT {columns} FROM {'runs ORDER BY started, run_id' if name == 'runs' else f'given_{name}'}"


def _lead_to(snapshot: Path, link: Path) -> None:
    """Make the link lead to the snapshot in one step, by a path that holds when the data folder is moved."""
    beside = link.with_name(f".{link.name}.new")
    beside.unlink(missing_ok=True)
    beside.symlink_to(snapshot.relative_to(link.parent))
    # Some versions of DuckDB write their log beside the link, where it would be taken for the new snapshot's.
    link.with_name(link.name + ".wal").unlink(missing_ok=True)
    os.replace(beside, link)
    for folder in (snapshot.parent, link.parent):
        _sync(folder)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _numbers(folder: Path) -> list[int]:
    found = (re.fullmatch(r"(\d{6,})\.duckdb", path.name) for path in folder.iterdir())
    return sorted(int(match[1]) for match in found if match)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_name(path.name + ".wal").unlink(missing_ok=True)
