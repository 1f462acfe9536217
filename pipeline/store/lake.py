"""The lake: Parquet of fixes and static reports by span of time and MMSI, written once, verified when read."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stswatch.geo.coordinates.cells import FINE_DEG, Rounding, together
from stswatch.pipeline import faults, schema, times
from stswatch.pipeline.batch import MS, Ints, micros
from stswatch.pipeline.routes import LAKE_SHARDS, lake_shard
from stswatch.pipeline.store.files import DIFFERS, WITH_RADIO, DamagedFile, has_radio, sync
from stswatch.pipeline.tracks.stray_days import Days, added, days_of

# ------- Checksums of what is kept: of the files of the lake by piece, so that a part of a file is verified by itself
# CRC-32, since zlib has it at 2.4 GB/s, against 1.4 of SHA-256: it finds any one flipped bit, of other damage all but
# one in four thousand million. It is no protection against somebody who means to change a file.


def checksums(written: pa.Buffer, edges: Sequence[int]) -> list[list[int]]:
    """Where each piece of a file ends, bytes, and its CRC-32; edges: where they begin, the first at 0."""
    return [[end, zlib.crc32(written[start:end])] for start, end in pairwise([*edges, written.size])]


def verified(data: Path, part: Part, groups: Sequence[int]) -> pa.BufferReader:
    """A file of the lake of which these row groups, and what says where they lie, can be read; nothing else of it.

    Raises DamagedFile where these pieces are not what was written.
    """
    path = str(data / part.path)
    if part.removed:
        raise DamagedFile(path, f"was {part.removed}")
    try:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if part.pieces and size != part.pieces[-1][0]:
                raise DamagedFile(path, f"is damaged (it has {size:,} bytes of {part.pieces[-1][0]:,})")
            content = bytearray(size)  # of zeros, which take no memory where nothing is read into them
            pieces = {*groups, len(part.pieces) - 1} if part.pieces else {0}
            edges = [0, *(end for end, _ in part.pieces)] if part.pieces else [0, size]
            for piece in sorted(pieces):
                held = memoryview(content)[edges[piece] : edges[piece + 1]]
                file.seek(edges[piece])
                if file.readinto(held) != len(held):
                    raise DamagedFile(path, "is damaged (it breaks off)")
                if part.pieces and zlib.crc32(held) != part.pieces[piece][1]:
                    raise DamagedFile(path, DIFFERS)
    except FileNotFoundError as error:
        raise DamagedFile(path, "is not there") from error
    return pa.BufferReader(pa.py_buffer(content))


def is_whole(data: Path, part: Part) -> bool:
    """Whether all of a file of the lake is what was written. Raises OSError where the disk does not give it."""
    try:
        verified(data, part, range(len(part.pieces) - 1))
    except DamagedFile:
        return False
    return True


# --------------- The lake: fixes, static reports and rejects as Parquet, by slab of time, within a file by MMSI shard
#     lake/fixes/2023-08-01T00/1a2b3c4d5e6f7a8b-90ab12cd-0-0.parquet     slab / reading - start of the chunk - part
#
# A file counts when the catalogue leads to it. Rows are sorted by shard (64, fixed), MMSI and time; a row group holds
# whole shards. The slab is the slice of the run. RADIO_FIELDS are there only in files named so; else they read as null.

_ROWS_PER_GROUP = 32_768
_ROWS_PER_FILE = 500_000  # written together, so that a row group holds few shards; a million takes 100 MB more
_RISING = ("time", "offset", "length")  # stored as differences
_PLAIN = ("lon", "lat")  # nearly every value differs: a dictionary only costs
_FEW_WORDS = ["receiver", "station"]
_MMSI_BITS = (1 << 30) - 1
TIMELESS = "timeless"
ROUNDED = "rounded_deg"  # beside the columns of fixes: the grid of their source, see geo/coordinates/cells.py

Span = tuple[int, int]  # from, and to before, UTC microseconds


@dataclass(frozen=True)
class Part:
    """One file of the lake: table, slab, path within the data folder, rows, the last shard of each row group.

    pieces: the file in order, a piece for each row group and one for what follows them: where it ends, bytes, and its
    CRC-32. Files of version 0.1.0 have none and are not verified.
    rounded_deg: the grid to which the positions of its source are rounded; 0 where none is known. left_out: spans of
    which no row is used, see usable.py; not kept on disk. removed: under which rule `stswatch retain` removed it, in
    words; empty where it is there.
    """

    table: str
    slab_us: int | None
    path: str
    rows: int
    last_shards: list[int] = field(default_factory=list)
    pieces: list[list[int]] = field(default_factory=list)
    rounded_deg: float = 0.0
    left_out: tuple[Span, ...] = ()
    removed: str = ""

    @property
    def moves_time(self) -> bool:
        """Whether its rows are positions, by which slices are planned; what is told beside them waits for them."""
        return self.table == "fixes"


@dataclass(frozen=True)
class Receipt:
    """What one chunk gave: its files, its counts, and the span and the rounding of its valid fixes.

    days: of the valid rows of `fixes` and `static_reports`, by table. lost: spans of which it could not read something.
    """

    parts: list[Part]
    counts: dict[str, int]
    rejects: dict[str, int]
    first_us: int | None = None
    last_us: int | None = None
    decimals: int = FINE_DEG
    places: list[list[float]] = field(default_factory=list)
    days: Mapping[str, Days] = field(default_factory=dict)
    lost: tuple[Span, ...] = ()

    def rounding(self) -> Rounding:
        """How finely its valid positions are told."""
        return Rounding(self.decimals, tuple((lon, lat) for lon, lat in self.places))


def rounded_deg(receipts: Sequence[Receipt]) -> float:
    """The grid to which the positions of a source are rounded, degrees; 0 where none is known."""
    return together([r.rounding() for r in receipts if r.first_us is not None]).step_deg()


class Writer:
    """Writes the tables of one chunk of a reading (entries.py); `close` gives the receipt. Nothing is read back."""

    def __init__(self, data: Path, reading: str, chunk: int, slab_us: int) -> None:
        self._data, self._name, self._slab_us = data, f"{reading}-{chunk}", slab_us
        self._parts: list[Part] = []
        self._waiting: dict[str, list[pa.Table]] = {name: [] for name in schema.LAKE}
        self._counts = {"fixes": 0, "invalid_fixes": 0, "static_reports": 0}
        self._rejects: dict[str, int] = {}
        self._span: list[int] = []
        self._rounding = Rounding()
        self._days: dict[str, Days] = {}
        self._flushed = 0

    def write(self, tables: Mapping[str, pa.Table]) -> None:
        """Add one batch of decoded tables."""
        for name, table in tables.items():
            self._waiting[name].append(_coded(table))
        for reason in tables["rejects"]["reason"].value_counts().to_pylist():
            self._rejects[reason["values"]] = self._rejects.get(reason["values"], 0) + reason["counts"]
        self._counts["fixes"] += tables["fixes"].num_rows
        self._counts["static_reports"] += tables["static_reports"].num_rows
        for name in ("fixes", "static_reports"):
            self._note(name, tables[name])
        if sum(t.num_rows for ts in self._waiting.values() for t in ts) >= _ROWS_PER_FILE:
            self._flush()

    def close(self, lost: Sequence[Span] = (), **counts: int) -> Receipt:
        """The receipt of the chunk with what was lost of it and further counts; by then the disk holds its files."""
        self._flush()
        sync((self._data / part.path for part in self._parts), self._data)
        first, last = (min(self._span), max(self._span)) if self._span else (None, None)
        rounding = self._rounding.decimals, [list(place) for place in self._rounding.places]
        counts = self._counts | counts
        return Receipt(self._parts, counts, self._rejects, first, last, *rounding, self._days, tuple(lost))

    def _flush(self) -> None:
        tables = {name: _together(waiting) for name, waiting in self._waiting.items()}
        self._waiting = {name: [] for name in schema.LAKE}
        for name in ("fixes", "static_reports"):
            self._sorted(name, tables[name])
        if tables["rejects"].num_rows:
            self._file("rejects", None, tables["rejects"])
        self._flushed += 1

    def _note(self, name: str, rows: pa.Table) -> None:
        """Count the valid rows by day, and note the span of fixes."""
        if rows["invalid_reason"].null_count < rows.num_rows:
            rows, before = rows.filter(pc.is_null(rows["invalid_reason"])), rows.num_rows
            if name == "fixes":
                self._counts["invalid_fixes"] += before - rows.num_rows
        days = days_of(rows)
        self._days[name] = added([self._days.get(name, {}), days])
        if name == "fixes":
            self._span += [t // MS * MS for day in days.values() for t in (day.first_us, day.last_us)]
            if len(days) and self._rounding.decimals < FINE_DEG:
                lon, lat = (np.asarray(rows[name]) for name in ("lon", "lat"))
                self._rounding = self._rounding.with_positions(lon, lat)

    def _sorted(self, name: str, table: pa.Table) -> None:
        if table.num_rows == 0:
            return
        code, time_us = table["mmsi"].combine_chunks().dictionary_encode(), micros(table, "time")
        vessel, nth = np.asarray(code.dictionary).astype(np.int64), np.asarray(code.indices)
        # what claims to be an MMSI but has more than 9 digits or a sign must not reach into the shard
        who = (lake_shard(vessel) << 57) | ((vessel & _MMSI_BITS) << 27)
        rank = np.unique(who, return_inverse=True)[1]
        first, last = (int(t) // self._slab_us for t in (time_us.min(), time_us.max()))
        slab = time_us // self._slab_us if last > first else None
        orders = {}
        for number in [first] if slab is None else np.unique(slab).tolist():
            row = np.flatnonzero(slab == number) if slab is not None else np.arange(len(nth))
            when = time_us[row]
            if len(vessel) <= 1 << 16 and (when[1:] >= when[:-1]).all():  # counted out, a quarter of the cost
                orders[number] = row[np.argsort(rank.astype(np.uint16)[nth[row]], kind="stable")]
            else:
                orders[number] = row[np.argsort(who[nth[row]] | (when - number * self._slab_us) // MS)]
        order = np.concatenate(list(orders.values()))
        shard = lake_shard(vessel)[nth[order]]
        table = _take(table, order)  # at once: of many slabs each may have few rows
        for number, (begin, end) in zip(orders, pairwise(np.cumsum([0, *map(len, orders.values())])), strict=True):
            self._file(name, number * self._slab_us, table.slice(begin, end - begin), shard[begin:end])

    def _file(self, name: str, slab_us: int | None, table: pa.Table, shard: Ints | None = None) -> None:
        table, ending = _without_empty(table)
        full = self._data / (path := Path("lake", name, slab_name(slab_us), f"{self._name}-{self._flushed}{ending}"))
        full.parent.mkdir(parents=True, exist_ok=True)
        ends = [table.num_rows] if shard is None else _group_ends(shard)
        rising = [c for c in table.column_names if c in _RISING]
        options = {
            "compression": {c: "lz4" for c in table.column_names if c not in rising},
            "use_dictionary": [c for c in table.column_names if c not in (*_PLAIN, *_RISING)],
            "column_encoding": dict.fromkeys(rising, "DELTA_BINARY_PACKED"),
        }
        part = full.with_suffix(".part")
        sink, edges = pa.BufferOutputStream(), [0]
        with pq.ParquetWriter(sink, table.schema, write_statistics=False, store_schema=False, **options) as out:
            for start, end in pairwise([0, *ends]):
                out.write_table(table.slice(start, end - start), row_group_size=end - start)
                edges.append(sink.tell())
        written = sink.getvalue()
        part.write_bytes(written)
        part.replace(full)  # a file of this name may lie there, and somebody who holds an old snapshot be reading it
        last = [] if shard is None else [int(shard[end - 1]) for end in ends]
        self._parts.append(Part(name, slab_us, str(path), table.num_rows, last, checksums(written, edges)))
        faults.reach("lake_file")


def _without_empty(table: pa.Table) -> tuple[pa.Table, str]:
    """The table without RADIO_FIELDS where all of these are null, and how the name of its file ends."""
    radio = [name for name in schema.RADIO_FIELDS if name in table.column_names]
    if any(table[name].null_count < table.num_rows for name in radio):
        return table, WITH_RADIO
    return table.drop_columns(radio), ".parquet"


def _group_ends(shard: Ints) -> list[int]:
    """Where row groups end: after every 1, 2, 4, ... or 64 shards, so that a power of two of readers share none."""
    together = 1
    while together < LAKE_SHARDS and len(shard) * together < _ROWS_PER_GROUP * LAKE_SHARDS:
        together *= 2
    ends = np.searchsorted(shard // together, np.arange(LAKE_SHARDS // together), side="right")
    return [int(end) for end in np.unique(ends) if end]


def _coded(table: pa.Table) -> pa.Table:
    """The table with text as numbers into a dictionary: most of it says the same in every row."""
    columns = [_words(c.combine_chunks()) if pa.types.is_string(c.type) else c for c in table.columns]
    return pa.table(columns, names=table.column_names)


def _words(text: pa.StringArray) -> pa.DictionaryArray:
    """Text as numbers into a dictionary; where all rows say the same, none is looked up."""
    if text.null_count == len(text) or not pc.all(pc.equal(text, text[0]), skip_nulls=False).as_py():
        return text.dictionary_encode()
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(text), np.int32)), text[:1])


def _together(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks() if tables else pa.table({})


def _take(table: pa.Table, order: Ints) -> pa.Table:
    """All rows of a table in this order; columns of nulls, or of one word, are not moved."""
    columns = [_moved(c.combine_chunks(), order) for c in table.columns]
    return pa.table(columns, names=table.column_names)


def _moved(column: pa.Array, order: Ints) -> pa.Array:
    """By NumPy where nothing is null, at an eighth of the cost."""
    if column.null_count:
        return column if column.null_count == len(column) else column.take(pa.array(order))
    if pa.types.is_dictionary(column.type):
        indices = pa.array(np.asarray(column.indices)[order])
        few = len(column.dictionary) == 1
        return column if few else pa.DictionaryArray.from_arrays(indices, column.dictionary, safe=False)
    if not pa.types.is_primitive(column.type) or pa.types.is_boolean(column.type):
        return column.take(pa.array(order))
    return pa.array(column.to_numpy()[order]).view(column.type)


def slab_name(slab_us: int | None) -> str:
    """The folder of a slab: its start, to the second where it needs to be."""
    if slab_us is None:
        return TIMELESS
    return times.utc(slab_us).strftime("%Y-%m-%dT%H" if slab_us % 3_600_000_000 == 0 else "%Y-%m-%dT%H%M%S")


def slab_start_us(name: str) -> int:
    """When the slab of a folder starts, from its name; the reverse of slab_name. Raises ValueError.

    >>> [slab_name(slab_start_us(name)) for name in ("2024-01-01T05", "2024-01-01T053000")]
    ['2024-01-01T05', '2024-01-01T053000']
    """
    form = "%Y-%m-%dT%H" if len(name) == len("2024-01-01T05") else "%Y-%m-%dT%H%M%S"
    return times.micros(datetime.strptime(name, form).replace(tzinfo=UTC))


def read(
    data: Path,
    parts: Sequence[Part],
    names: Sequence[str],
    shards: tuple[int, int],
    span_us: tuple[int, int],
    table: str,
) -> pa.Table:
    """Rows of these parts in lake shards [first, last) and in the span [start, end), these columns only.

    The kind of receiver comes as numbers into a dictionary; ROUNDED is a column too. Raises DamagedFile where a file is
    gone or no longer what was written.
    """
    stored = [name for name in names if name != ROUNDED]
    fields = [schema.LAKE[table].field(name) for name in stored]
    kind = pa.schema([_as_dictionary(f) if f.name in _FEW_WORDS else f for f in fields])
    found: list[pa.Table] = []
    for part in parts:
        held = list(enumerate(pairwise([-1, *part.last_shards])))  # by row group the last shard before it, and its own
        held = [(g, ends) for g, ends in held if ends[1] >= shards[0] and ends[0] + 1 < shards[1]]
        if held:
            rows = _groups(data, part, [g for g, _ in held], stored).cast(kind)
            if held[0][1][0] + 1 < shards[0] or held[-1][1][1] >= shards[1]:
                shard = lake_shard(np.asarray(rows["mmsi"]))
                rows = rows.filter(pa.array((shard >= shards[0]) & (shard < shards[1])))
            rows = _used(rows, span_us, part.left_out)
            if ROUNDED in names:
                rows = rows.append_column(ROUNDED, pa.array(np.full(rows.num_rows, part.rounded_deg)))
            found.append(rows)
    if ROUNDED in names:
        kind = kind.append(pa.field(ROUNDED, pa.float64()))
    return pa.concat_tables(found).unify_dictionaries().combine_chunks() if found else kind.empty_table()


def _used(rows: pa.Table, span_us: Span, left_out: Sequence[Span]) -> pa.Table:
    """The rows in a span and outside of others."""
    time_us = micros(rows, "time")
    wanted = (time_us >= span_us[0]) & (time_us < span_us[1])
    for start_us, end_us in left_out:
        wanted &= (time_us < start_us) | (time_us >= end_us)
    return rows if wanted.all() else rows.filter(pa.array(wanted))


def columns(data: Path, part: Part, names: Sequence[str]) -> pa.Table:
    """Some columns of all rows of a file. Raises DamagedFile."""
    return _groups(data, part, range(len(part.last_shards)), names)


def _groups(data: Path, part: Part, groups: Sequence[int], names: Sequence[str]) -> pa.Table:
    """Some row groups of a file, verified. Raises DamagedFile."""
    try:
        content, words = verified(data, part, groups), [name for name in names if name in _FEW_WORDS]
        content.seek(part.pieces[-2][0] if len(part.pieces) > 1 else 0)
        metadata = _metadata(content.read()) if part.pieces else None
        file = pq.ParquetFile(content, metadata=metadata, read_dictionary=words, pre_buffer=False)
        stored = [name for name in names if has_radio(part.path) or name not in schema.RADIO_FIELDS]
        rows = file.read_row_groups(list(groups), columns=stored, use_threads=False)
    except pa.ArrowException as error:
        raise DamagedFile(str(data / part.path), f"is damaged ({str(error).splitlines()[0].rstrip('. ')})") from error
    for name in names:
        if name not in stored:
            rows = rows.append_column(name, pa.nulls(rows.num_rows, schema.FIXES.field(name).type))
    return rows.select(list(names))


@lru_cache(64)
def _metadata(end: bytes) -> pq.FileMetaData:
    """What the end of a file says of its row groups, read once for all shards."""
    return pq.read_metadata(pa.BufferReader(end))


def _as_dictionary(text: pa.Field) -> pa.Field:
    return pa.field(text.name, pa.dictionary(pa.int32(), pa.string()), text.nullable)
