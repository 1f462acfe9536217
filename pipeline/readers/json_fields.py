"""Objects of JSON as columns: which field is which, and when each record was received."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pajson

from stswatch.pipeline.decode.lines import Bools, Bytes, Ints
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.readers.column_map import TimeFormat
from stswatch.pipeline.readers.column_names import HEADERS, NEEDED
from stswatch.pipeline.readers.json_text import LONGEST
from stswatch.pipeline.readers.text import UTF8, in_utf8
from stswatch.pipeline.readers.time_values import times_us
from stswatch.pipeline.readers.values import is_text, numbers, plain

# --------------------------------- Which field of JSON records is which: found out from some of them, nested ones too
# A record is read from the sentences that it carries, where it carries any, else from fields named as the columns of
# any other table (HEADERS), or from the coordinates of a GeoJSON point.
#
# Of AIS-catcher `toa` is when a message was received first, where another program told it, `rxuxtime` when AIS-
# catcher received it, both in s since 1970, and `rxtime` the same as YYYYMMDDHHMMSS in UTC. `timestamp` in it is the
# clock of a base station and `second` that of a ship.
#
# Source: https://docs.aiscatcher.org/references/JSON-decoding/

NUMBER, TEXT, TEXTS, NUMBERS, FLAG = "number", "text", "texts", "numbers", "flag"
KINDS: Mapping[str, pa.DataType] = {
    NUMBER: pa.float64(),
    TEXT: pa.string(),
    TEXTS: pa.list_(pa.string()),
    NUMBERS: pa.list_(pa.float64()),
    FLAG: pa.bool_(),
}
SENTENCE = re.compile(r"[!$][A-Z0-9-]{2}VD[MO],")
STAMPS = ("toa", "rxuxtime", "rxtime")  # of AIS-catcher, best first
OTHER_TIMES = ("timestampexternal", "received", "receivedat", "receivetime", "rxtimestamp", "arrival", "date", "utc")
_DEPTH = 4  # fields of fields
_FIELDS = 400  # of a record; more are not looked at

Path = tuple[str, ...]


@dataclass(frozen=True)
class JsonField:
    """A field of a record, by the names that lead to it."""

    path: Path
    kind: str  # of KINDS

    def __str__(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True)
class Fields:
    """What is read of each record; picklable. Names are ours, `sentences`, `point`, `scaled`, and those of STAMPS."""

    found: tuple[tuple[str, JsonField], ...]

    def get(self, name: str) -> JsonField | None:
        """The field by its name here."""
        return dict(self.found).get(name)

    @property
    def times(self) -> list[str]:
        """The names of what tells the time, best first."""
        return [name for name in (*STAMPS, "time") if self.get(name)]


def fields_of(sample: Sequence[Mapping[str, Any]], also: Mapping[str, tuple[str, ...]] | None = None) -> Fields:
    """What of these records is known by its name; never raises. also: names beside those of HEADERS.

    >>> record = {"rxtime": "20250310120000", "nmea": ["!AIVDM,1,1,,A,16K29hAP018qrW0EphL7CUtD0000,0*45"]}
    >>> [(name, str(field), field.kind) for name, field in fields_of([record]).found]
    [('sentences', 'nmea', 'texts'), ('rxtime', 'rxtime', 'text')]
    """
    kinds = _kinds(sample)
    of_catcher = is_catcher(sample)
    found = {}
    carriers = [path for path, values in kinds.items() if _carry_sentences(values)]
    if carriers:
        found["sentences"] = min(carriers, key=_order)
    names: dict[str, tuple[str, ...]] = {name: (name,) for name in STAMPS}
    names |= dict(HEADERS) | {"time": HEADERS["time"] + OTHER_TIMES}
    names |= {name: names[name] + more for name, more in (also or {}).items()}
    if of_catcher:
        names |= {"msg_type": ("type",), "time": (), "scaled": ("scaled",)}
    for ours, theirs in names.items():
        known = [path for path in kinds if plain(path[-1]) in theirs and path not in found.values()]
        if ours == "time":
            known = [path for path in known if not _are_utc_seconds(kinds[path])]
        if known:
            found[ours] = min(known, key=lambda path: (theirs.index(plain(path[-1])), *_order(path)))
    points = [path for path in kinds if path[-2:] == ("geometry", "coordinates")]
    if points and not {"lon", "lat"} <= set(found):
        found["point"] = points[0]
    fields = {name: JsonField(path, _kind(kinds[path])) for name, path in found.items()}
    wanted = {"point": (NUMBERS,), "sentences": (TEXT, TEXTS), "scaled": (FLAG,), "raim": (FLAG, NUMBER)}
    return Fields(tuple((n, f) for n, f in fields.items() if f.kind in wanted.get(n, (NUMBER, TEXT))))


def is_catcher(sample: Sequence[Mapping[str, Any]]) -> bool:
    """Whether records are as AIS-catcher (or gpsd) writes them."""
    return bool(sample) and all(each.get("class") == "AIS" for each in sample)


def usable(fields: Fields) -> bool:
    """Whether records of these fields can be read: sentences, or positions with a vessel and a time."""
    names = {name for name, _ in fields.found}
    timed = bool(names & {"time", *STAMPS})
    placed = {"lon", "lat"} <= names or "point" in names
    return "sentences" in names or ("mmsi" in names and timed and placed)


def missing(fields: Fields) -> list[str]:
    """Which of the needed names no field has."""
    names = {name for name, _ in fields.found} | ({"time"} if fields.times else set())
    names |= {"lon", "lat"} if "point" in names else set()
    return [name for name in NEEDED if name not in names]


def paths_of(sample: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of all fields, those of fields of fields with dots."""
    return [".".join(path) for path in _kinds(sample)]


def field_paths(sample: Sequence[Mapping[str, Any]]) -> dict[str, JsonField]:
    """The fields by such names."""
    return {".".join(path): JsonField(path, _kind(values)) for path, values in _kinds(sample).items()}


def _kinds(sample: Sequence[Mapping[str, Any]]) -> dict[Path, list[Any]]:
    """The values of each field that is no object."""
    found: dict[Path, list[Any]] = {}
    for record in sample:
        for path, value in _leaves(record, ()):
            if len(found) < _FIELDS or path in found:
                found.setdefault(path, []).append(value)
    return found


def _leaves(record: Mapping[str, Any], before: Path) -> Iterator[tuple[Path, Any]]:
    for name, value in record.items():
        if isinstance(value, dict):
            if len(before) < _DEPTH:
                yield from _leaves(value, (*before, name))
        else:
            yield (*before, name), value


def _are_utc_seconds(values: Sequence[Any]) -> bool:
    """Whether a field is the second within a minute that a message of AIS carries (60 to 63: not available)."""
    return all(isinstance(each, int | float) and 0 <= each <= 63 for each in values if each is not None)


def _order(path: Path) -> tuple[int, Path]:
    return len(path), path


def _carry_sentences(values: Sequence[Any]) -> bool:
    texts = [each for value in values for each in (value if isinstance(value, list) else [value])]
    return any(isinstance(each, str) and SENTENCE.search(each) for each in texts)


def _kind(values: Sequence[Any]) -> str:
    """The kind that the first value has which has one."""
    for value in values:
        if isinstance(value, bool):
            return FLAG
        if isinstance(value, int | float):
            return NUMBER
        if isinstance(value, str):
            return TEXT
        if isinstance(value, list) and value:
            return NUMBERS if all(isinstance(each, int | float) for each in value) else TEXTS
    return TEXT


# --------------------------------------------- When each record of JSON was received: by the field that tells it best

_EARLIEST_S, _LATEST_S = 788_918_400.0, 4_102_444_800.0  # 1995 to 2100: beyond, a number of seconds is none
_COMPACT = r"^\s*\d{14}\s*$"


def record_times(columns: Mapping[str, pa.Array], n: int, how: TimeFormat) -> Ints:
    """Times of n records, UTC microseconds, NO_TIME where none is told; never raises.

    >>> record_times({"rxuxtime": pa.array([None, 12.5]), "rxtime": pa.array(["20250310120000"] * 2)}, 2, TimeFormat())
    array([1741608000000000, 1741608000000000])
    """
    time_us = np.full(n, NO_TIME)
    for name, read in (("toa", _epochs), ("rxuxtime", _epochs), ("rxtime", _compact)):
        if name in columns and (time_us == NO_TIME).any():
            time_us = np.where(time_us == NO_TIME, read(columns[name]), time_us)
    if "time" in columns and (time_us == NO_TIME).any():
        time_us = np.where(time_us == NO_TIME, _any(columns["time"], how), time_us)
    return time_us


def _epochs(column: pa.Array) -> Ints:
    """Seconds since 1970, with a fraction; a number that is no such time of our days is none."""
    value = numbers(column)
    good = (value >= _EARLIEST_S) & (value < _LATEST_S)
    return np.where(good, np.rint(np.where(good, value, 0.0) * 1e6), NO_TIME).astype(np.int64)


def _compact(column: pa.Array) -> Ints:
    """YYYYMMDDHHMMSS in UTC, as a word or a number."""
    if not is_text(column.type):
        whole = column.cast(pa.int64(), safe=False)
        column = pc.if_else(pc.greater(whole, 0), whole.cast(pa.string()), pa.scalar(None, pa.string()))
    column = pc.if_else(pc.match_substring_regex(column, _COMPACT), column, pa.scalar(None, pa.string()))
    stamps = pc.strptime(pc.utf8_trim_whitespace(column), format="%Y%m%d%H%M%S", unit="us", error_is_null=True)
    found = np.asarray(stamps.cast(pa.int64()).fill_null(NO_TIME).to_numpy(zero_copy_only=False), np.int64)
    return np.where(_is_ours(found), found, NO_TIME)


def _is_ours(time_us: Ints) -> Bools:
    return np.asarray((time_us >= _EARLIEST_S * 1e6) & (time_us < _LATEST_S * 1e6))


def _any(column: pa.Array, how: TimeFormat) -> Ints:
    """A time as tables write it."""
    if not is_text(column.type):  # a number may be of another unit, or no time at all
        return np.where(_is_ours(found := times_us(column, how)), found, _compact(column))
    return times_us(column, how)


# ----------------------------------------------------------------------------------------------------------------
# Objects of JSON as columns: many at once by Arrow, and one at a time those that are written otherwise than most

_FEW = 512  # objects that are read one at a time where one of them is odd


@dataclass(frozen=True)
class Columns:
    """Fields of records that are objects, and their rows (n,) among all records, rising."""

    rows: Ints
    columns: Mapping[str, pa.Array]

    def where(self, kept: pa.Array) -> Columns:
        """Some of the rows; null counts as no."""
        kept = kept.fill_null(False)
        columns = {name: column.filter(kept) for name, column in self.columns.items()}
        return Columns(self.rows[np.asarray(kept)], columns)


def parsed(text: bytes, start: Ints, end: Ints, fields: Fields, encoding: str = UTF8) -> Iterator[Columns]:
    """The fields of records, in parts of one make each; a record that is no object is in none. Never raises.

    start, end: (n,) spans of the records. A number in a column of words, or the other way round, comes as a word.
    """
    data = np.frombuffer(text, np.uint8)
    tried = np.flatnonzero((data[start] == ord("{")) & (data[end - 1] == ord("}")) & (end - start <= LONGEST))
    if not len(tried):
        return
    block = _a_line_each(data, start[tried], end[tried])
    todo = [(0, len(tried))]
    while todo:
        first, last = todo.pop()
        rows = tried[first:last]
        table = _at_once(in_utf8(block[start[rows[0]] : end[rows[-1]]], encoding), fields)
        if table is not None and table.num_rows == len(rows):
            yield Columns(rows, {name: _at(table, field) for name, field in fields.found})
        elif len(rows) > _FEW:
            middle = (first + last) // 2
            todo += [(middle, last), (first, middle)]
        else:
            lines = [block[a:b] for a, b in zip(start[rows].tolist(), end[rows].tolist(), strict=True)]
            yield _one_by_one(rows, lines, fields, encoding)


def _a_line_each(data: Bytes, start: Ints, end: Ints) -> bytes:
    """The text with line ends between the records and none in them."""
    inside = np.zeros(len(data) + 1, np.int8)
    inside[start] += 1
    inside[end] -= 1
    within = np.cumsum(inside[:-1], dtype=np.int8).view(np.bool_)
    data = np.where(within, data, np.uint8(ord("\n")))
    data[within & (data < ord(" "))] = ord(" ")
    return data.tobytes()


def _at_once(block: bytes, fields: Fields) -> pa.Table | None:
    """Lines of JSON as a table; None where one does not fit."""
    how = pajson.ReadOptions(use_threads=False, block_size=2 * len(block) + 2)
    form = pajson.ParseOptions(explicit_schema=_schema(fields), unexpected_field_behavior="ignore")
    try:
        return pajson.read_json(pa.BufferReader(block), how, form)
    except pa.ArrowInvalid:
        return None


def _schema(fields: Fields) -> pa.Schema:
    tree: dict[str, Any] = {}
    for _, field in fields.found:
        level = tree
        for name in field.path[:-1]:
            level = level.setdefault(name, {})
        level[field.path[-1]] = KINDS[field.kind]
    return pa.schema(_branches(tree))


def _branches(tree: Mapping[str, Any]) -> list[tuple[str, pa.DataType]]:
    return [(name, pa.struct(_branches(each)) if isinstance(each, dict) else each) for name, each in tree.items()]


def _at(table: pa.Table, field: JsonField) -> pa.Array:
    column = table[field.path[0]].combine_chunks()
    return pc.struct_field(column, list(field.path[1:])) if len(field.path) > 1 else column


def _one_by_one(rows: Ints, lines: list[bytes], fields: Fields, encoding: str) -> Columns:
    """The lines that are objects, whatever their fields are: numbers as words."""
    good, records = [], []
    for row, line in zip(rows.tolist(), lines, strict=True):
        record = _object(in_utf8(line, encoding))
        if record is not None:
            good.append(row)
            records.append(record)
    columns = {name: _column([_value(r, field) for r in records], field.kind) for name, field in fields.found}
    return Columns(np.array(good, np.int64), columns)


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _value(record: Any, field: JsonField) -> Any:
    for name in field.path:
        record = record.get(name) if isinstance(record, dict) else None
    return record


def _column(values: list[Any], kind: str) -> pa.Array:
    if kind == FLAG:
        return pa.array([each if isinstance(each, bool) else None for each in values], pa.bool_())
    if kind == NUMBERS:
        return pa.array([_numbers(each) for each in values], KINDS[NUMBERS])
    if kind in (TEXTS, TEXT):
        texts = [each if isinstance(each, list) else [each] for each in values]
        if kind == TEXTS:
            return pa.array([[t for t in each if isinstance(t, str)] for each in texts], KINDS[TEXTS])
        return pa.array(["\n".join(map(_word, each)) if each != [None] else None for each in texts], pa.string())
    return pa.array(
        [None if each is None or isinstance(each, list | dict) else _word(each) for each in values], pa.string()
    )


def _numbers(value: Any) -> list[float] | None:
    good = isinstance(value, list) and all(isinstance(each, int | float) for each in value)
    return [float(each) for each in value] if good else None


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
