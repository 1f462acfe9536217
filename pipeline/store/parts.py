"""What each committed slice contributed, with the ledger of what is already in the working database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.schema import Registry
from stswatch.pipeline.store import ddl
from stswatch.pipeline.store.checksums import verify
from stswatch.pipeline.store.database import StoreError

LIVE = 0  # the number of what stands so far, beside those of outputs


@dataclass(frozen=True)
class Output:
    """The files of one committed slice: its content address; stored table -> paths within the data folder.

    checksums: path -> CRC-32 of the file, which is verified when it is loaded.
    """

    key: str
    files: Mapping[str, list[str]]
    checksums: Mapping[str, int] = field(default_factory=dict)


def synchronise(
    work: duckdb.DuckDBPyConnection, data: Path, outputs: Sequence[Output], tables: Registry = schema.TABLES
) -> None:
    """Take in the outputs that the ledger lacks, and drop what came from outputs that are no longer given.

    Runs inside the caller's transaction. Raises StoreError for repeated keys, unknown tables and files that
    cannot be read, DamagedFile for one that no longer is what was written.
    """
    given = {output.key: output for output in outputs}
    if len(given) < len(outputs):
        raise StoreError(
            f"{data}: {len(outputs) - len(given)} outputs have the key of another; each key must be unique"
        )
    known = dict(work.execute("SELECT key, number FROM outputs").fetchall())
    _drop(work, tables, [LIVE, *(number for key, number in known.items() if key not in given)])
    first = 1 + max(known.values(), default=0)
    new = {first + i: output for i, output in enumerate(o for key, o in given.items() if key not in known)}
    _add(work, data, new, tables)


def _drop(work: duckdb.DuckDBPyConnection, tables: Registry, numbers: list[int]) -> None:
    for name in tables.parts:
        work.execute(f"DELETE FROM part_{name} WHERE _output IN (SELECT unnest(?::INTEGER[]))", [numbers])
    work.execute("DELETE FROM outputs WHERE number IN (SELECT unnest(?::INTEGER[]))", [numbers])


def _add(work: duckdb.DuckDBPyConnection, data: Path, new: Mapping[int, Output], tables: Registry) -> None:
    if not new:
        return
    ledger = pa.table({"number": pa.array(list(new), pa.int32()), "key": [output.key for output in new.values()]})
    work.register("new_outputs", ledger)
    work.execute("INSERT INTO outputs SELECT number, key FROM new_outputs")
    unknown = {name for output in new.values() for name in output.files} - set(tables.parts)
    if unknown:
        raise StoreError(f"no table {sorted(unknown)} in the store; outputs may hold {sorted(tables.parts)}")
    for output in new.values():
        verify(data, output.checksums.items())
    for name, fields in tables.parts.items():
        files = {str(data.resolve() / path): n for n, output in new.items() for path in output.files.get(name, ())}
        if files:
            _read(work, name, fields, files)


def _read(work: duckdb.DuckDBPyConnection, name: str, fields: pa.Schema, files: Mapping[str, int]) -> None:
    names = ddl.columns(fields.names)
    owners = pa.table({"path": list(files), "number": pa.array(list(files.values()), pa.int32())})
    work.register("owners", owners)
    source = "read_parquet($files, filename = '_file', hive_partitioning = false)"
    try:
        work.execute(
            f"INSERT INTO part_{name} SELECT number, {names} FROM {source} JOIN owners ON path = _file",
            {"files": list(files)},
        )
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.BinderException) as error:
        first_line = str(error).splitlines()[0]
        raise StoreError(f"a file of {name} cannot be read ({first_line}); run again to write it anew") from error
