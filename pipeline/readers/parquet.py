"""Rows of Parquet and GeoParquet, and how large its pages are before anything is unpacked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely

from stswatch.errors import StswatchError
from stswatch.pipeline.readers.source import WHOLE, Chunk, Source, SourceError, SourcePlace
from stswatch.pipeline.readers.tabular import TableRows
from stswatch.pipeline.readers.values import ordinary

# ----------------------------------------------------------------------------------------------------------------
# How large the pages of a Parquet file are unpacked, before anything is unpacked: a few bytes can stand for
# gigabytes
# A page begins with a header in Thrift's compact protocol. Source: parquet.thrift (PageHeader) of the Parquet format;
# thrift-compact-protocol.md of Apache Thrift.

LONGEST_TEXT = 1024  # bytes of a text on the average of a page; what AIS tells has 20
_SLACK = 4096
_LARGEST_PAGE = 128 << 20
_HEADER = 65_536  # bytes at most, with the least and the largest value of its page
_STRUCT, _LIST, _SET, _BINARY, _DOUBLE, _BYTE = 12, 9, 10, 8, 7, 3
_VALUES_IN = (5, 7, 8)  # the headers of pages of data, of a dictionary, of pages of data in their second version


class PageError(StswatchError, ValueError):
    """A page that cannot be read or would be too large; the message says what was found."""


@dataclass(frozen=True)
class Page:
    """A page: bytes unpacked and packed without its header, how many values it holds, whether it is a dictionary."""

    unpacked: int
    packed: int
    values: int
    dictionary: bool


def check_text(file: BinaryIO, begin: int, end: int) -> bool:
    """Raise PageError where texts in a column chunk, bytes [begin, end), are longer than any in AIS.

    Gives whether it has a dictionary in which one might still be.
    """
    dictionary = False
    for page in pages(file, begin, end):
        if page.unpacked > min(_SLACK + page.values * LONGEST_TEXT, _LARGEST_PAGE):
            raise PageError(f"{page.unpacked:,} bytes for {page.values:,} texts")
        dictionary |= page.dictionary and page.unpacked > LONGEST_TEXT
    return dictionary


def pages(file: BinaryIO, begin: int, end: int) -> Iterator[Page]:
    """The pages of a column chunk, bytes [begin, end) of a file. Raises PageError where they are none."""
    while begin < end:
        file.seek(begin)
        page, length = _parsed(file.read(min(_HEADER, end - begin)))
        yield page
        begin += length + page.packed


def _parsed(data: bytes) -> tuple[Page, int]:
    reader = _Compact(data)
    try:
        fields = reader.struct()
    except IndexError:
        raise PageError("the header of a page breaks off") from None
    values = [fields[name].get(1) for name in _VALUES_IN if isinstance(fields.get(name), dict)]
    sizes = [size for size in (fields.get(2), fields.get(3), *(values or [0])) if isinstance(size, int) and size >= 0]
    if len(sizes) != 3:
        raise PageError("the header of a page tells no sizes")
    return Page(sizes[0], sizes[1], sizes[2], _VALUES_IN[1] in fields), reader.at


class _Compact:
    """Reads the whole numbers of a struct and passes over everything else. Raises IndexError where it breaks off."""

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Field -> its number or struct, or None for what was passed over."""
        if depth > 8:
            raise IndexError
        found: dict[int, Any] = {}
        name = 0
        while (head := self._byte()) != 0:
            name = name + (head >> 4) if head >> 4 else self._number()
            found[name] = self._value(head & 15, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (1, 2):  # true and false, told by the kind itself
            return None
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_LIST, _SET):
            return self._list(depth)
        if kind == _BINARY:
            self._pass(self._varint())
        elif kind == _DOUBLE:
            self._pass(8)
        elif kind == _BYTE:
            self._pass(1)
        elif kind in (4, 5, 6):
            return self._number()
        else:  # a map among them, which no header of a page has
            raise IndexError
        return None

    def _list(self, depth: int) -> None:
        head = self._byte()
        count = head >> 4 if head >> 4 < 15 else self._varint()
        if count > len(self._data):
            raise IndexError
        for _ in range(count):
            if head & 15 in (1, 2):
                self._pass(1)
            else:
                self._value(head & 15, depth + 1)

    def _pass(self, count: int) -> None:
        self.at += count
        if self.at > len(self._data):
            raise IndexError

    def _byte(self) -> int:
        self._pass(1)
        return self._data[self.at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise IndexError

    def _number(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)


# ------- Rows of Parquet and GeoParquet: the offset of a row is its number, its length 1; a file is cut at row groups

MAGIC = b"PAR1"
BATCH = 131_072  # rows at a time
_GROUPS, _SOME = 16, 8_192  # row groups that are looked at beforehand, and rows of each
_TIME_GROUPS, _PIECES, _ROWS = 8, 8, 32_768  # row groups that are looked at before, parts of each, rows in all
_DAMAGED = (pa.ArrowException, OSError, UnicodeDecodeError)  # the last: names of columns that are no text
_WGS84 = ("CRS84", 4326, "4326")
_POINT = 21  # bytes of a point in well-known binary: order, type, longitude, latitude
_POINT_HEAD = np.frombuffer(b"\x01\x01\x00\x00\x00", np.uint8)  # little-endian, a point


def opened(path: str) -> pq.ParquetFile:
    """A Parquet file. Raises SourceError where it is none or damaged."""
    try:
        return pq.ParquetFile(_named_or_open(path), pre_buffer=False, buffer_size=1 << 20)
    except _DAMAGED as error:
        raise SourceError(f"{path}: is damaged or no Parquet file ({_short(error)}); fetch the file again") from error


def _named_or_open(path: str) -> Any:
    """Arrow opens files by names that are UTF-8; any other is opened for it."""
    return path if path.isprintable() else open(path, "rb")


def _short(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(". ")


def geometry_of(place: SourcePlace, schema: pa.Schema) -> str | None:
    """The column of points of a GeoParquet file, None where it has none.

    Raises SourceError where they are no points in WGS 84: longitude and latitude are not worked out from others.
    """
    geo = _geo(place, schema)
    name = geo.get("primary_column") or next((n for n in ("geometry", "geom") if n in schema.names), None)
    if name is None or name not in schema.names:
        return None
    column = geo.get("columns", {}).get(name, {})
    crs = column.get("crs")  # absent: OGC:CRS84, as GeoParquet has it
    code = (crs.get("id") or {}).get("code") if isinstance(crs, dict) else None
    if crs is not None and code not in _WGS84:
        raise SourceError(f"{place}: the points of {name!r} are not in WGS 84 (EPSG:4326); write them in that")
    strange = [kind for kind in column.get("geometry_types", []) if not kind.startswith("Point")]
    if strange:
        raise SourceError(f"{place}: {name!r} holds a {strange[0]}, not points; give positions, a row each")
    return str(name)


def _geo(place: SourcePlace, schema: pa.Schema) -> Mapping[str, Any]:
    try:
        geo = json.loads((schema.metadata or {}).get(b"geo", b"{}"))
    except ValueError as error:
        raise SourceError(
            f"{place}: what it says of its geometry is no JSON ({error}); fetch the file again"
        ) from error
    return geo if isinstance(geo, dict) else {}


def lon_lat(points: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Longitude and latitude of points, null where there is none; never raises.

    points: (n,) in well-known binary, or structs of x and y.

    >>> lon_lat(pa.array([shapely.to_wkb(shapely.Point(124.5, 38.0)), None]))[0].to_pylist()
    [124.5, None]
    """
    if isinstance(points, pa.ExtensionArray):
        points = points.storage
    if pa.types.is_struct(points.type):
        return points.field("x"), points.field("y")
    count = len(points)
    binary = points.cast(pa.binary())
    edges = np.frombuffer(binary.buffers()[1], np.int32)[binary.offset : binary.offset + count + 1]
    if not binary.null_count and (np.diff(edges) == _POINT).all():  # as all of them are in practice
        data = np.frombuffer(binary.buffers()[2] or b"", np.uint8)[edges[0] : edges[-1]].reshape(count, _POINT)
        if (data[:, :5] == _POINT_HEAD).all():
            lon, lat = np.ascontiguousarray(data[:, 5:]).view("<f8").T
            return pa.array(lon.copy()), pa.array(lat.copy())
    shapes = shapely.from_wkb(binary.to_numpy(zero_copy_only=False), on_invalid="ignore")
    shapes = np.where(shapely.is_empty(shapes), None, shapes)
    lon, lat = shapely.get_x(shapes), shapely.get_y(shapes)
    return pa.array(lon, mask=np.isnan(lon)), pa.array(lat, mask=np.isnan(lat))


def chunks(source: Source, target_bytes: int) -> list[Chunk]:
    """Runs of row groups of about target_bytes. Raises SourceError where the file is damaged."""
    metadata = opened(source.path).metadata
    cut, start, row, size = [], 0, 0, 0
    for group in range(metadata.num_row_groups):
        row += metadata.row_group(group).num_rows
        size += metadata.row_group(group).total_byte_size
        if size >= target_bytes or group + 1 == metadata.num_row_groups:
            cut.append(Chunk(source, start, row))
            start, size = row, 0
    return cut


def rows(chunk: Chunk, columns: Mapping[str, str], points: str | None) -> Iterator[TableRows]:
    """The rows of a chunk. Raises SourceError where the file is damaged.

    columns: our name -> theirs; points: the column that lon and lat are taken from, where there is one.
    """
    file = opened(chunk.source.path)
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    first = np.cumsum([0, *sizes])[:-1]
    groups = np.flatnonzero((first >= chunk.start) & (first < min(chunk.end, WHOLE))).tolist()
    row = chunk.start
    _check_texts(chunk.source, file, groups, _named(columns, points))
    try:
        for batch in file.iter_batches(BATCH, groups, _named(columns, points), use_threads=False):
            yield _rows(batch, row, columns, points)
            row += batch.num_rows
    except _DAMAGED as error:
        raise SourceError(f"{chunk.source.path}: is damaged ({_short(error)}); fetch the file again") from error


def _check_texts(
    source: Source | SourcePlace, file: pq.ParquetFile, groups: Sequence[int], names: Sequence[str]
) -> None:
    """Raise SourceError where a column that is read holds longer texts than any AIS has, before they are unpacked."""
    coded = set()
    with open(source.path, "rb") as data:
        for group in groups:
            row_group = file.metadata.row_group(group)
            for column in map(row_group.column, range(row_group.num_columns)):
                name = column.path_in_schema.partition(".")[0]
                if name in names and column.physical_type == "BYTE_ARRAY":
                    begin = min(column.dictionary_page_offset or column.data_page_offset, column.data_page_offset)
                    try:
                        if check_text(data, begin, begin + column.total_compressed_size):
                            coded.add((group, name))
                    except PageError as error:
                        raise SourceError(_TOO_LONG.format(source.path, name, error)) from error
    for group, name in sorted(coded):
        _check_dictionary(source, group, name)


def _check_dictionary(source: Source | SourcePlace, group: int, name: str) -> None:
    """Raise SourceError where a dictionary, that stands for any number of rows, holds a longer text."""
    try:
        file = pq.ParquetFile(_named_or_open(source.path), read_dictionary=[name], pre_buffer=False)
        batch = next(file.iter_batches(1, [group], [name], use_threads=False), None)
    except _DAMAGED as error:
        raise SourceError(f"{source.path}: is damaged ({_short(error)}); fetch the file again") from error
    column = None if batch is None else batch.column(0)
    if isinstance(column, pa.DictionaryArray):
        longest = pc.max(pc.binary_length(column.dictionary)).as_py() or 0
        if longest > _LONGEST:
            raise SourceError(_TOO_LONG.format(source.path, name, f"{longest:,} bytes in one text"))


_LONGEST = 65_536  # as in a row of CSV
_TOO_LONG = "{}: column {!r} holds what no AIS tells ({}); leave it out or write it without that column"


def samples(place: SourcePlace, columns: Mapping[str, str], points: str | None) -> Iterator[TableRows]:
    """The first rows of some row groups. Raises SourceError where the file is damaged; arguments as for `rows`."""
    file = opened(place.path)
    count, names = file.metadata.num_row_groups, _named(columns, points)
    groups = list(dict.fromkeys(count * i // _GROUPS for i in range(_GROUPS))) if count else []
    try:
        _check_texts(place, file, groups, names)
        for group in groups:
            for batch in file.iter_batches(_SOME, [group], names, use_threads=False):
                yield _rows(batch, 0, columns, points)
                break
    except _DAMAGED as error:
        raise SourceError(f"{place}: is damaged ({_short(error)}); fetch the file again") from error


def sample(place: SourcePlace, columns: Mapping[str, str]) -> list[dict[str, pa.Array]]:
    """Columns of some rows from all through a file, by our names. Raises SourceError where it is damaged."""
    file = opened(place.path)
    count = file.metadata.num_row_groups
    groups = sorted({count * i // _TIME_GROUPS for i in range(_TIME_GROUPS)}) if count else []
    found = []
    try:
        _check_texts(place, file, groups, _named(columns, None))
        for group in groups:
            rows = file.metadata.row_group(group).num_rows
            size = max(rows // _PIECES, -(-_ROWS // (_PIECES * len(groups))))
            batches = file.iter_batches(size, [group], _named(columns, None), use_threads=False)
            for batch in batches:
                part = batch.slice(0, _ROWS // (_PIECES * len(groups)) + 1)
                found.append({ours: ordinary(part.column(theirs)) for ours, theirs in columns.items()})
    except _DAMAGED as error:
        raise SourceError(f"{place}: is damaged ({_short(error)}); fetch the file again") from error
    return found


def _named(columns: Mapping[str, str], points: str | None) -> Sequence[str]:
    return list(dict.fromkeys([*columns.values(), *([points] if points else [])]))


def _rows(batch: pa.RecordBatch, row: int, columns: Mapping[str, str], points: str | None) -> TableRows:
    none = np.zeros(0, np.int64)
    found = {ours: ordinary(batch.column(theirs)) for ours, theirs in columns.items()}
    if points is not None:
        found["lon"], found["lat"] = lon_lat(batch.column(points))
    return TableRows(found, np.arange(row, row + batch.num_rows), np.ones(batch.num_rows, np.int32), none, none)
