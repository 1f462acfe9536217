"""Tables of positions, CSV, Parquet or GeoParquet, by their column names or by the map given with `--columns`.

See column_map.py for the names and the map, csv_rows.py and parquet_rows.py for what a row is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import pyarrow as pa

from stswatch.pipeline.readers import column_map, parquet_rows
from stswatch.pipeline.readers.base import Chunk, Decoded, Place, Prepared, Request, Source, SourceError
from stswatch.pipeline.readers.column_map import AS_USUAL, ColumnMap, Writing
from stswatch.pipeline.readers.column_words import words
from stswatch.pipeline.readers.csv_rows import Form, header_of, rows_of, worded
from stswatch.pipeline.readers.packing import is_packed
from stswatch.pipeline.readers.tabular import Rows, decode_rows
from stswatch.pipeline.readers.text import Window, byte_chunks, head, windows
from stswatch.pipeline.readers.time_columns import Chosen, choose
from stswatch.pipeline.readers.time_look import Column
from stswatch.pipeline.readers.values import flat
from stswatch.pipeline.readers.vocabulary import plain

STEP = 16 << 20  # bytes of CSV at a time: 150,000 to 300,000 rows
_LONGEST_ROW = 65_536
_PIECES = 16  # parts of a CSV that are looked at before it is read
_LOOKED_AT = (256 << 10, 64 << 20)  # bytes of them together, and where those leave it open
Names = Mapping[str, tuple[str, ...]]  # our name -> theirs, beside those of column_map.HEADERS


@dataclass(frozen=True)
class Options:
    """How to read one table."""

    columns: tuple[tuple[str, int], ...]  # our name -> index of their column
    names: tuple[str, ...]  # their header
    writing: Writing = AS_USUAL
    form: Form | None = None  # of a CSV
    first_row: int = 0  # offset of the first row of a CSV
    points: str | None = None  # column of a GeoParquet file


def sniff(start: bytes, path: str) -> bool:
    """Whether it is Parquet, or a CSV whose header has names that are recognised."""
    if start.startswith(parquet_rows.MAGIC):
        return True
    return b"\0" not in start and not column_map.lacking(column_map.recognise(header_of(start)[0]))


def prepare(place: Place, request: Request) -> Prepared:
    """Find the columns. Raises SourceError where one that is needed lacks or the map cannot be used."""
    return prepare_table(place, column_map.load(request.columns) if request.columns else ColumnMap(), day=request.day)


def prepare_table(place: Place, asked: ColumnMap, also: Names | None = None, day: date | None = None) -> Prepared:
    """Find the columns of a CSV or Parquet file, and which hold the time, in which form.

    day: of ingest. Raises SourceError where a column that is needed lacks, or the form of the time is not clear.
    """
    start = head(place)
    whole = _parquet if start.startswith(parquet_rows.MAGIC) else _csv
    options = whole(place, start, asked, also)
    chosen = _time(place, options, asked, also, day)
    columns = [(ours, index) for ours, index in options.columns if ours not in ("time", "date")]
    columns += [(ours, one.index) for ours, one in (("time", chosen.time), ("date", chosen.date)) if one is not None]
    units = column_map.betrayed(options.names, dict(columns))
    factors = tuple({**units, **dict(asked.writing.factors)}.items())
    writing = replace(options.writing, time=chosen.how, factors=factors)
    form = options.form and replace(options.form, columns=tuple(columns))
    options = replace(options, columns=tuple(columns), writing=writing, form=form)
    said = words(options.names, columns, dict(factors))
    return Prepared(chosen.says, options, asked.receiver, asked.licence, said)


def _time(place: Place, options: Options, asked: ColumnMap, also: Names | None, day: date | None) -> Chosen:
    """The columns of the time and their form, by rows from all through the file. Raises SourceError."""
    indices = column_map.time_columns(options.names, asked, also)
    for size in _LOOKED_AT:
        looked = _sample(place, options, (*indices[0], *indices[1]), size)
        times, dates = ([Column(options.names[i], looked[str(i)], i) for i in part] for part in indices)
        try:
            return choose(place, times, dates, looked["mmsi"], asked.writing.time, day)
        except SourceError:
            if size == _LOOKED_AT[-1] or options.form is None:
                raise
    raise AssertionError("the last round returns or raises")


def _csv(place: Place, start: bytes, asked: ColumnMap, also: Names | None) -> Options:
    if not start or b"\0" in start:
        found = "is empty" if not start else "is neither text nor Parquet"
        raise SourceError(f"{place}: {found}; a table needs a line with the names of its columns: leave the file out")
    names, delimiter, first_row = header_of(start, asked.delimiter)
    columns = column_map.find(place, names, asked, also)
    form = Form(columns, len(names), delimiter, asked.writing.decimal)
    return Options(columns, tuple(names), asked.writing, replace(form, words=worded(start, form)), first_row)


def _parquet(place: Place, start: bytes, asked: ColumnMap, also: Names | None) -> Options:
    if is_packed(place):
        raise SourceError(f"{place}: is Parquet packed once more, which cannot be read in place; unpack it first")
    schema = parquet_rows.opened(place.path).schema_arrow
    names = list(schema.names)
    points = None
    if not asked.columns and {"lon", "lat"} - set(column_map.recognise(names, also)):
        points = parquet_rows.geometry_of(place, schema)
    if points is not None:  # stands for both
        also = {**(also or {}), "lon": (plain(points),), "lat": (plain(points),)}
    return Options(column_map.find(place, names, asked, also), tuple(names), asked.writing, points=points)


def _sample(place: Place, options: Options, wanted: Sequence[int], at_most: int) -> Mapping[str, pa.Array]:
    """MMSI and the columns of these indices, by their index as a word, in rows from all through a file.

    at_most: bytes of a CSV. Raises SourceError where it is damaged.
    """
    columns = {"mmsi": dict(options.columns)["mmsi"], **{str(index): index for index in wanted}}
    if options.form is None:
        rows: Sequence[Mapping[str, pa.Array]] = parquet_rows.sample(
            place, {name: options.names[index] for name, index in columns.items()}
        )
    else:
        form = replace(options.form, columns=tuple(columns.items()), words=frozenset(columns))
        text = b"".join(_lines(place, max(start, options.first_row), end) for start, end in _pieces(place, at_most))
        rows = [rows_of(Window(text, 0, 0, len(text)), form).columns]
    none = [dict.fromkeys(columns, pa.array([], pa.string()))]  # of a Parquet file without a row
    return {name: pa.concat_arrays([flat(batch[name]) for batch in rows or none]) for name in columns}


def _lines(place: Place, start: int, end: int) -> bytes:
    """The lines that begin in [start, end). Raises SourceError where the file breaks off."""
    found = b""
    for window in windows(place, start, end, STEP, 1, _LONGEST_ROW):
        last = window.text.find(b"\n", max(0, window.end - 1 - window.base)) + 1
        part = window.text[: last or None]
        found += part if part.endswith(b"\n") or not part else part + b"\n"
    return found


def _pieces(place: Place, at_most: int) -> list[tuple[int, int]]:
    """Ranges of bytes that are looked at: even ones of a file, the first of a packed one, which has no other entry."""
    size = os.path.getsize(place.path)
    if is_packed(place) or size <= at_most:
        return [(0, at_most)]
    return [(size * i // _PIECES, size * i // _PIECES + at_most // _PIECES) for i in range(_PIECES)]


def chunks(source: Source, target_bytes: int) -> list[Chunk]:
    """Byte ranges of a CSV, runs of row groups of a Parquet file. Raises SourceError where it is damaged."""
    cut = byte_chunks if source.options.form else parquet_rows.chunks
    return cut(source, target_bytes)


def read(chunk: Chunk) -> Iterator[Decoded]:
    """Decode a chunk, some 100,000 rows or more at a time. Raises SourceError where the file breaks off."""
    options: Options = chunk.source.options
    for rows in _rows(chunk, options):
        yield decode_rows(rows, chunk.source.source, chunk.source.receiver, options.writing)


def _rows(chunk: Chunk, options: Options) -> Iterator[Rows]:
    if options.form is None:
        columns = {ours: options.names[index] for ours, index in options.columns}
        yield from parquet_rows.rows(chunk, columns, options.points)
        return
    yield from _csv_rows(chunk.source.place, chunk.start, chunk.end, options, options.form)


def _csv_rows(place: Place, start: int, end: int, options: Options, form: Form) -> Iterator[Rows]:
    start = max(start, options.first_row)
    for window in windows(place, start, max(end, start), STEP, 1, _LONGEST_ROW):
        yield rows_of(window, form)
