"""Tables of positions, in CSV, Parquet or memory, by their column names or by the map given with `--columns`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline.options import ReadOptions
from stswatch.pipeline.readers import column_map, column_names, parquet, values
from stswatch.pipeline.readers.column_map import PLAINLY_WRITTEN, ColumnMap, Writing, time_columns
from stswatch.pipeline.readers.column_names import NEEDED, OTHER_IDS, betrayed, lacking, listed, recognise
from stswatch.pipeline.readers.csv_rows import CsvForm, header_of, rows_of, worded
from stswatch.pipeline.readers.packing import is_packed
from stswatch.pipeline.readers.source import Chunk, DecodedBatch, Prepared, Source, SourceError, SourcePlace
from stswatch.pipeline.readers.tabular import TableRows, decode_rows, number_of
from stswatch.pipeline.readers.text import (
    UTF8,
    UTF16,
    Window,
    byte_chunks,
    encoding_at,
    head,
    in_utf8,
    stated,
    units,
    windows,
)
from stswatch.pipeline.readers.time_columns import Chosen, choose
from stswatch.pipeline.readers.time_look import TimeColumn
from stswatch.pipeline.readers.values import Numbering, flat, plain, runs_to_360

if TYPE_CHECKING:
    import pandas as pd


# ---------------------- Which columns of a table were taken for what, and which were not read, in one line for people

_LONGEST = 40  # letters of a name
_MOST = 12  # names of columns that were not read


def words(names: Sequence[str], columns: Sequence[tuple[str, int]], factors: Mapping[str, float]) -> str:
    """What each column is; never raises.

    names: the header; columns: (our name, index of their column); factors: what theirs are multiplied by.

    >>> words(["MMSI", "speed_x10", "Cargo"], [("mmsi", 0), ("sog_kn", 1)], {"sog_kn": 0.1})
    'mmsi = MMSI, sog_kn = speed_x10 times 0.1; not read: Cargo'
    """
    taken = []
    for ours, index in columns:
        times = f" times {factors[ours]:.7g}" if factors.get(ours, 1.0) != 1.0 else ""
        taken.append(f"{ours} = {_short(names[index])}{times}")
    used = {index for _, index in columns}
    left = [_short(name) for index, name in enumerate(names) if index not in used]
    more = f" and {len(left) - _MOST} more" if len(left) > _MOST else ""
    return ", ".join(taken) + (f"; not read: {', '.join(left[:_MOST])}{more}" if left else "")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else name[:_LONGEST] + "..."


# -------- Tables of positions, CSV, Parquet or GeoParquet, by their column names or by the map given with `--columns`
# See column_map.py for the names and the map, csv_rows.py and parquet.py for what a row is.

STEP = 16 << 20  # bytes of CSV at a time: 150,000 to 300,000 rows
_LONGEST_ROW = 65_536
_LOOKED_AT = ("mmsi", "lon", "lat", "sog_kn")
_SPOTS, _SPOT = 8, 16_384  # places of a large table that are looked at, and bytes of each
_PIECES = 16  # parts of a CSV that are looked at before it is read
_TIME_BYTES = (256 << 10, 64 << 20)  # bytes of them together, and where those leave it open
Names = Mapping[str, tuple[str, ...]]  # our name -> theirs, beside those of column_names.HEADERS


@dataclass(frozen=True)
class TableOptions:
    """How to read one table."""

    columns: tuple[tuple[str, int], ...]  # our name -> index of their column
    names: tuple[str, ...]  # their header
    writing: Writing = PLAINLY_WRITTEN
    form: CsvForm | None = None  # of a CSV
    first_row: int = 0  # offset of the first row of a CSV
    points: str | None = None  # column of a GeoParquet file


def sniff(start: bytes, path: str) -> bool:
    """Whether it is Parquet, or a CSV whose header has names that are recognised."""
    if start.startswith(parquet.MAGIC):
        return True
    return b"\0" not in start and not column_names.lacking(column_names.recognise(header_of(start)[0]))


def sniff_any_ids(start: bytes, path: str) -> bool:
    """As `sniff`, where the ids of vessels may be others than MMSI."""
    return b"\0" not in start and set(NEEDED) <= set(column_names.recognise(header_of(start)[0], {"mmsi": OTHER_IDS}))


def prepare(place: SourcePlace, request: ReadOptions) -> Prepared:
    """Find the columns. Raises SourceError where one that is needed lacks or the map cannot be used."""
    asked = column_map.load(request.columns) if request.columns else ColumnMap()
    return prepare_table(place, asked, kind=request.ids, day=request.day)


def prepare_table(
    place: SourcePlace, asked: ColumnMap, also: Names | None = None, kind: str = "mmsi", day: date | None = None
) -> Prepared:
    """Find the columns of a CSV or Parquet file, and which hold the time, in which form.

    kind: of ids, one of IDS, as the user says beside the map; day: of ingest. Raises SourceError where a column that is
    needed lacks, an option does, or the form of the time is not clear.
    """
    if "any" in (kind, asked.ids):
        also = {**(also or {}), "mmsi": OTHER_IDS}
        asked = replace(asked, writing=replace(asked.writing, ids=Numbering()))
    start = head(place)
    whole = _parquet if start.startswith(parquet.MAGIC) else _csv
    options = whole(place, start, asked, also)
    chosen = _time(place, options, asked, also, day)
    columns = [(ours, index) for ours, index in options.columns if ours not in ("time", "date")]
    columns += [(ours, one.index) for ours, one in (("time", chosen.time), ("date", chosen.date)) if one is not None]
    units = column_names.betrayed(options.names, dict(columns))
    factors = tuple({**units, **dict(asked.writing.factors)}.items())
    writing = replace(options.writing, time=chosen.how, factors=factors)
    form = options.form and replace(options.form, columns=tuple(columns))
    options, notes = looked_at(place, replace(options, columns=tuple(columns), writing=writing, form=form))
    clock = stated(chosen.says, form.encoding if form else UTF8, *notes)
    columns_used = words(options.names, columns, dict(factors))
    return Prepared(clock, options, asked.receiver, asked.licence, columns_used)


def looked_at(place: SourcePlace, options: TableOptions) -> tuple[TableOptions, list[str]]:
    """What the values of some rows show, and what there is to say of it.

    Raises SourceError where ids are no MMSI, or speeds no knots.
    """
    rows = list(_samples(place, options))
    writing, columns = options.writing, dict(options.columns)

    def numbers(ours: str) -> values.Floats:
        return np.concatenate([number_of(flat(each.columns[ours]), ours, writing) for each in rows])

    if writing.ids is None and rows:
        ids = pa.concat_arrays([values.texts(each.columns["mmsi"]) for each in rows])
        values.check(place, options.names[columns["mmsi"]], ids)
    if rows and "sog_kn" in columns and "sog_kn" not in dict(writing.factors):
        values.check_speeds(place, options.names[columns["sog_kn"]], numbers("sog_kn"))
    east_360 = bool(rows) and values.runs_to_360(numbers("lon"))
    options = replace(options, writing=replace(writing, east_360=east_360))
    return options, [values.NOTE] * east_360 + [values.IDS_NOTE] * (writing.ids is not None)


def _samples(place: SourcePlace, options: TableOptions) -> Iterator[TableRows]:
    """Rows from all over a table; all of them of a small one, the first of one that is packed."""
    if options.form is None:
        columns = {ours: options.names[index] for ours, index in options.columns if ours in _LOOKED_AT}
        yield from parquet.samples(place, columns, options.points)
        return
    form, first = options.form, options.first_row
    form = replace(form, columns=tuple(each for each in form.columns if each[0] in _LOOKED_AT))
    size = _SPOTS * _SPOT if is_packed(place) else os.path.getsize(place.path) - first
    spots = [first + (size - _SPOT) * i // (_SPOTS - 1) for i in range(_SPOTS)]
    length = _SPOT
    if size <= _SPOTS * _SPOT:
        spots, length = [first], size
    for start in spots:
        for window in windows(place, start, start + length, STEP, 1, _LONGEST_ROW, form.encoding):
            yield rows_of(window, form)


def ids_of(chunk: Chunk) -> set[str]:
    """The ids of the vessels in a chunk. Raises SourceError where the file breaks off."""
    options: TableOptions = chunk.source.options
    columns = tuple(each for each in options.columns if each[0] == "mmsi")
    form = replace(options.form, columns=columns) if options.form else None
    found: set[str] = set()
    for rows in _rows(chunk, replace(options, columns=columns, form=form, points=None)):
        found.update(pc.unique(values.texts(rows.columns["mmsi"]).drop_null()).to_pylist())
    return found


def _time(place: SourcePlace, options: TableOptions, asked: ColumnMap, also: Names | None, day: date | None) -> Chosen:
    """The columns of the time and their form, by rows from all through the file. Raises SourceError."""
    indices = column_map.time_columns(options.names, asked, also)
    for size in _TIME_BYTES:
        looked = _sample(place, options, (*indices[0], *indices[1]), size)
        times, dates = ([TimeColumn(options.names[i], looked[str(i)], i) for i in part] for part in indices)
        try:
            return choose(place, times, dates, looked["mmsi"], asked.writing.time, day)
        except SourceError:
            if size == _TIME_BYTES[-1] or options.form is None:
                raise
    raise AssertionError("the last round returns or raises")


def _csv(place: SourcePlace, start: bytes, asked: ColumnMap, also: Names | None) -> TableOptions:
    if not start or b"\0" in start:
        found = "is empty" if not start else "is neither text nor Parquet"
        raise SourceError(f"{place}: {found}; a table needs a line with the names of its columns: leave the file out")
    encoding = asked.encoding or encoding_at(place)
    text = start if encoding in UTF16 else in_utf8(start, encoding)
    names, delimiter, first_row = header_of(text, asked.delimiter)
    columns = column_map.find(place, names, asked, also)
    form = CsvForm(columns, len(names), delimiter, asked.writing.decimal, encoding=encoding)
    form = replace(form, words=worded(text[first_row:], form) | ({"mmsi"} if asked.writing.ids else set()))
    return TableOptions(columns, tuple(names), asked.writing, form, _in_file(start, text[:first_row], encoding))


def _in_file(start: bytes, before: bytes, encoding: str) -> int:
    """How many bytes of a file stand before the first row; start: its first bytes, before: those lines in UTF-8."""
    if encoding in UTF16:
        return 2 * int(units(before, np.array([len(before)]))[0])
    at = 0
    for _ in range(before.count(b"\n")):
        at = start.find(b"\n", at) + 1
    return at if before.endswith(b"\n") else len(start)


def _parquet(place: SourcePlace, start: bytes, asked: ColumnMap, also: Names | None) -> TableOptions:
    if is_packed(place):
        raise SourceError(f"{place}: is Parquet packed once more, which cannot be read in place; unpack it first")
    schema = parquet.opened(place.path).schema_arrow
    names = list(schema.names)
    points = None
    if not asked.columns and {"lon", "lat"} - set(column_names.recognise(names, also)):
        points = parquet.geometry_of(place, schema)
    if points is not None:  # stands for both
        also = {**(also or {}), "lon": (plain(points),), "lat": (plain(points),)}
    return TableOptions(column_map.find(place, names, asked, also), tuple(names), asked.writing, points=points)


def _sample(place: SourcePlace, options: TableOptions, wanted: Sequence[int], at_most: int) -> Mapping[str, pa.Array]:
    """MMSI and the columns of these indices, by their index as a word, in rows from all through a file.

    at_most: bytes of a CSV. Raises SourceError where it is damaged.
    """
    columns = {"mmsi": dict(options.columns)["mmsi"], **{str(index): index for index in wanted}}
    if options.form is None:
        rows: Sequence[Mapping[str, pa.Array]] = parquet.sample(
            place, {name: options.names[index] for name, index in columns.items()}
        )
    else:
        form = replace(options.form, columns=tuple(columns.items()), words=frozenset(columns))
        begun = options.first_row
        text = b"".join(_lines(place, max(start, begun), end, form.encoding) for start, end in _pieces(place, at_most))
        rows = [rows_of(Window(text, 0, 0, len(text)), form).columns]
    none = [dict.fromkeys(columns, pa.array([], pa.string()))]  # of a Parquet file without a row
    return {name: pa.concat_arrays([flat(batch[name]) for batch in rows or none]) for name in columns}


def _lines(place: SourcePlace, start: int, end: int, encoding: str) -> bytes:
    """The lines that begin in [start, end). Raises SourceError where the file breaks off."""
    found = b""
    for window in windows(place, start, end, STEP, 1, _LONGEST_ROW, encoding):
        last = window.text.find(b"\n", max(0, window.end - 1 - window.base)) + 1
        part = window.text[: last or None]
        found += part if part.endswith(b"\n") or not part else part + b"\n"
    return found


def _pieces(place: SourcePlace, at_most: int) -> list[tuple[int, int]]:
    """Ranges of bytes that are looked at: even ones of a file, the first of a packed one, which has no other entry."""
    size = os.path.getsize(place.path)
    if is_packed(place) or size <= at_most:
        return [(0, at_most)]
    return [(size * i // _PIECES, size * i // _PIECES + at_most // _PIECES) for i in range(_PIECES)]


def chunks(source: Source, target_bytes: int) -> list[Chunk]:
    """Byte ranges of a CSV, runs of row groups of a Parquet file. Raises SourceError where it is damaged."""
    cut = byte_chunks if source.options.form else parquet.chunks
    return cut(source, target_bytes)


def read(chunk: Chunk) -> Iterator[DecodedBatch]:
    """Decode a chunk, some 100,000 rows or more at a time. Raises SourceError where the file breaks off."""
    options: TableOptions = chunk.source.options
    for rows in _rows(chunk, options):
        yield decode_rows(rows, chunk.source.source, chunk.source.receiver, options.writing)


def _rows(chunk: Chunk, options: TableOptions) -> Iterator[TableRows]:
    if options.form is None:
        columns = {ours: options.names[index] for ours, index in options.columns}
        yield from parquet.rows(chunk, columns, options.points)
        return
    start = max(chunk.start, options.first_row)
    end = max(chunk.end, start)
    for window in windows(chunk.source.place, start, end, STEP, 1, _LONGEST_ROW, options.form.encoding):
        yield rows_of(window, options.form)


# ------------------------ Positions in memory: Arrow tables, DataFrames and GeoDataFrames as fixes and static reports

_ROWS_LOOKED_AT = 10_000  # rows
_EVIDENCE = ("source", "offset", "length", "more_refs")  # of a sentence, not of a vessel


def decode_memory(positions: pa.Table | pd.DataFrame, kind: str = "mmsi", day: date | None = None) -> DecodedBatch:
    """Fixes and static reports of positions in memory, by their column names as in a file; points of a GeoDataFrame.

    Rows of the lake, as `api.decode` gives them, keep their kind of receiver, and those marked invalid are left out.
    kind: of ids, one of IDS. day: of today: no time after it decides how the times are read. Raises SourceError where
    a needed column lacks, the ids are of another kind, or the form of the time is not clear.
    """
    table = positions if isinstance(positions, pa.Table) else _of_frame(positions)
    if "invalid_reason" in table.column_names:
        table = table.filter(pc.is_null(table["invalid_reason"], nan_is_null=True))
        table = table.drop_columns([name for name in _EVIDENCE if name in table.column_names])
        kind = "numbered"
    return _by_names(table.combine_chunks(), kind, day)


def _by_names(table: pa.Table, kind: str, day: date | None) -> DecodedBatch:
    found = recognise(table.column_names, {"mmsi": OTHER_IDS} if kind == "any" else None)
    missing = lacking(found)
    if missing:
        raise SourceError(
            f"the table: has no column for {', '.join(missing)} among {listed(table.column_names)}; name a column so"
        )
    none = np.zeros(0, np.int64)
    columns = {ours: table.column(index) for ours, index in found.items() if ours not in ("time", "date")}
    times, dates = (
        [TimeColumn(table.column_names[i], table.column(i), i) for i in indices]
        for indices in time_columns(table.column_names, None)
    )
    chosen = choose("the table", times, dates, columns["mmsi"], PLAINLY_WRITTEN.time, day)
    columns["time"] = chosen.time.values
    if chosen.date is not None:
        columns["date"] = chosen.date.values
    units = tuple(betrayed(table.column_names, found).items())
    rows = TableRows(columns, np.arange(table.num_rows), np.ones(table.num_rows, np.int32), none, none)
    east_360 = runs_to_360(number_of(flat(columns["lon"]), "lon", replace(PLAINLY_WRITTEN, factors=units)))
    writing = replace(_ids(columns["mmsi"], kind), east_360=east_360, time=chosen.how, factors=units)
    return decode_rows(rows, "memory", "unknown", writing)


def _ids(column: pa.ChunkedArray, kind: str) -> Writing:
    """How the ids are written. Raises SourceError where they are no MMSI, though these are asked for."""
    if kind == "numbered":
        return Writing(numbered=True)
    if kind == "any":
        return Writing(ids=values.numbering_of(pc.unique(values.texts(column).drop_null()).to_pylist()))
    values.check(SourcePlace("the table"), "mmsi", column.slice(0, _ROWS_LOOKED_AT))
    return PLAINLY_WRITTEN


def _of_frame(frame: pd.DataFrame) -> pa.Table:
    """A frame as a table; the points of a GeoDataFrame as lon and lat, where it has no such columns."""
    if hasattr(frame, "geom_type"):
        lacks = {"lon", "lat"} - set(recognise([str(name) for name in frame.columns]))
        points = _points(frame) if lacks else {}
        shapes = [name for name, kind in frame.dtypes.items() if str(kind) == "geometry"]
        frame = frame.drop(columns=shapes).assign(**points)
    return pa.Table.from_pandas(frame, preserve_index=False)


def _points(frame: Any) -> dict[str, Any]:
    """Longitude and latitude of the points, NaN where there is none. Raises SourceError where they are no points."""
    others = set(frame.geom_type.dropna()) - {"Point"}
    if others:
        raise SourceError(f"the table: its geometry holds a {sorted(others)[0]}; give points, or columns lon and lat")
    degrees = frame.geometry.to_crs(4326) if frame.crs is not None else frame.geometry
    return {"lon": degrees.x.to_numpy(), "lat": degrees.y.to_numpy()}
