"""Rows on their way from one step to another: they lie in a file of the slice, and Beam passes on where.

One file for each call of a step, mapped by those who read it. Sent through Beam the same bytes would be copied some
four times, all in one process, which the workers would then wait for (docs/decisions/0004).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from stswatch.pipeline.batch import Tables, concat

Parcel = tuple[str, str, int, int]  # table, file, where its Arrow stream begins and how long it is, bytes
Sent = tuple[str, int, Parcel]  # step, shard, where the rows for it lie
SENT = "sent"  # the folder of these files in that of a slice


class Outbox:
    """Takes the parcels of one call of a step; the file is made with the first."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / SENT / f"{name}.arrow"
        self._file: pa.NativeFile | None = None

    def put(self, table: str, rows: pa.Table) -> Parcel:
        """Write rows; gives what finds them again. Raises OSError where they cannot be written."""
        if self._file is None:
            self._path.parent.mkdir(exist_ok=True)
            self._file = pa.OSFile(str(self._path), "wb")
        begin = self._file.tell()
        with pa.ipc.new_stream(self._file, rows.schema) as stream:
            stream.write_table(rows)
        return table, self._path.name, begin, self._file.tell() - begin

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()


def opened(folder: Path, parcels: Iterable[Parcel]) -> Tables:
    """The rows of some parcels by table, in the order given. Raises OSError where a file is gone."""
    files: dict[str, pa.Buffer] = {}
    parts: dict[str, list[pa.Table]] = {}
    for table, name, begin, length in parcels:
        if name not in files:
            files[name] = pa.memory_map(str(folder / SENT / name)).read_buffer()
        rows = pa.ipc.open_stream(files[name].slice(begin, length)).read_all()
        parts.setdefault(table, []).append(rows)
    return {table: concat(found, found[0].schema) for table, found in parts.items()}
