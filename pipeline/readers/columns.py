"""Tables of positions, CSV or Parquet, by their column names or by the map given with `--columns`.

See column_map.py for the names and the map, csv_rows.py for what a row is. Parquet is cut at its row groups;
the offset of a row is its number there, its length 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stswatch.pipeline.readers import column_map
from stswatch.pipeline.readers.base import WHOLE, Chunk, Decoded, Place, Prepared, Request, Source, SourceError
from stswatch.pipeline.readers.column_map import NEEDED, ColumnMap, TimeFormat
from stswatch.pipeline.readers.csv_rows import header_of, rows_of
from stswatch.pipeline.readers.packing import is_packed
from stswatch.pipeline.readers.tabular import Rows, decode_rows
from stswatch.pipeline.readers.text import byte_chunks, head, windows

PARQUET_MAGIC = b"PAR1"
STEP = 16 << 20  # bytes of CSV at a time: 150,000 to 300,000 rows
BATCH = 131_072  # rows of Parquet at a time
_LONGEST_ROW = 65_536


@dataclass(frozen=True)
class Options:
    """How to read one table."""

    columns: tuple[tuple[str, int], ...]  # our name -> index of their column
    names: tuple[str, ...]  # their header
    time: TimeFormat
    receiver: str
    parquet: bool = False
    delimiter: str = ","
    first_row: int = 0  # offset of the first row of a CSV


def sniff(start: bytes, path: str) -> bool:
    """Whether it is Parquet, or a CSV whose header has names that are recognised."""
    if start.startswith(PARQUET_MAGIC):
        return True
    return b"\0" not in start and set(NEEDED) <= set(column_map.recognise(header_of(start)[0]))


def prepare(place: Place, request: Request) -> Prepared:
    """Find the columns. Raises SourceError where one that is needed lacks or the map cannot be used."""
    asked = column_map.load(request.columns) if request.columns else None
    start = head(place)
    if start.startswith(PARQUET_MAGIC):
        return _prepare_parquet(place, asked)
    return prepare_csv(place, start, asked, asked.receiver if asked else "unknown")


def prepare_csv(place: Place, start: bytes, asked: ColumnMap | None, receiver: str) -> Prepared:
    """Find the columns of a CSV from its first bytes. Raises SourceError where one that is needed lacks."""
    if not start or b"\0" in start:
        found = "is empty" if not start else "is neither text nor Parquet"
        raise SourceError(f"{place}: {found}; a table needs a line with the names of its columns: leave the file out")
    names, delimiter, first_row = header_of(start, asked.delimiter if asked else None)
    columns = column_map.find(place, names, asked)
    how = asked.time if asked else TimeFormat()
    options = Options(columns, tuple(names), how, receiver, False, delimiter, first_row)
    return Prepared(_clock(options), options)


def _prepare_parquet(place: Place, asked: ColumnMap | None) -> Prepared:
    if is_packed(place):
        raise SourceError(f"{place}: is Parquet packed once more, which cannot be read in place; unpack it first")
    names = _open(place.path).schema_arrow.names
    columns = column_map.find(place, names, asked)
    options = Options(
        columns,
        tuple(names),
        asked.time if asked else TimeFormat(),
        asked.receiver if asked else "unknown",
        True,
    )
    return Prepared(_clock(options), options)


def _clock(options: Options) -> str:
    index = dict(options.columns)["time"]
    zone = "" if options.time.zone == "UTC" else f", times without a zone taken as {options.time.zone}"
    return f"column {options.names[index]}{zone}"


def _open(path: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path}: is damaged or no Parquet file ({_short(error)}); fetch the file again") from error


def _short(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(". ")


def chunks(source: Source, target_bytes: int) -> list[Chunk]:
    """Byte ranges of a CSV, runs of row groups of a Parquet file. Raises SourceError where it is damaged."""
    if not source.options.parquet:
        return byte_chunks(source, target_bytes)
    metadata = _open(source.path).metadata
    cut, start, row, size = [], 0, 0, 0
    for group in range(metadata.num_row_groups):
        row += metadata.row_group(group).num_rows
        size += metadata.row_group(group).total_byte_size
        if size >= target_bytes or group + 1 == metadata.num_row_groups:
            cut.append(Chunk(source, start, row))
            start, size = row, 0
    return cut


def read(chunk: Chunk) -> Iterator[Decoded]:
    """Decode a chunk, some 100,000 rows or more at a time. Raises SourceError where the file breaks off."""
    options: Options = chunk.source.options
    rows = _parquet_rows if options.parquet else _csv_rows
    for batch in rows(chunk, options):
        yield decode_rows(batch, chunk.source.source, options.receiver, options.time)


def _csv_rows(chunk: Chunk, options: Options) -> Iterator[Rows]:
    start = max(chunk.start, options.first_row)
    end = max(chunk.end, start)
    for window in windows(chunk.source.place, start, end, STEP, 1, _LONGEST_ROW):
        yield rows_of(window, options.columns, len(options.names), options.delimiter)


def _parquet_rows(chunk: Chunk, options: Options) -> Iterator[Rows]:
    file = _open(chunk.source.path)
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    first = np.cumsum([0, *sizes])[:-1]
    groups = np.flatnonzero((first >= chunk.start) & (first < min(chunk.end, WHOLE))).tolist()
    names = {ours: options.names[index] for ours, index in options.columns}
    none = np.zeros(0, np.int64)
    row = chunk.start
    try:
        for batch in file.iter_batches(
            BATCH, row_groups=groups, columns=list(dict.fromkeys(names.values())), use_threads=False
        ):
            offset = np.arange(row, row + batch.num_rows)
            row += batch.num_rows
            columns = {ours: batch.column(theirs) for ours, theirs in names.items()}
            yield Rows(columns, offset, np.ones(batch.num_rows, np.int32), none, none)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{chunk.source.path}: is damaged ({_short(error)}); fetch the file again") from error
