"""Columns of a table as numbers, times and words, whatever their type; what cannot be read is missing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stswatch.pipeline.decode.stamps import LAST_US, NO_TIME
from stswatch.pipeline.readers.column_map import TimeFormat
from stswatch.pipeline.readers.encodings import in_utf8
from stswatch.pipeline.readers.vocabulary import plain

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"
_ZONE = r":\d\d(\.\d+)?\s*(Z|[+-]\d\d(:?\d\d)?)\s*$"
_GO = r"^\s*(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d{1,6})?\d* \+0000 UTC.*$"  # as programs in Go print it
_SLASHES = r"^(\d{4})/(\d\d)/(\d\d)"
_UNIT_US = {"s": 1_000_000.0, "ms": 1_000.0, "us": 1.0}


def is_text(kind: pa.DataType) -> bool:
    """Whether a type holds words."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One array, dictionaries written out."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def numbers(column: pa.Array) -> Floats:
    """A column as float64, NaN where missing or no number; never raises.

    >>> numbers(pa.array(["7", " 1.5 ", "x", None])).tolist()
    [7.0, 1.5, nan, nan]
    """
    if is_text(column.type):
        column = _text_to_number(column)
    try:
        values = column.cast(pa.float64(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return np.full(len(column), np.nan)
    return np.asarray(values.to_numpy(zero_copy_only=False), np.float64)


def _text_to_number(column: pa.Array) -> pa.Array:
    try:
        return column.cast(pa.float64())
    except pa.ArrowInvalid:
        good = pc.match_substring_regex(column, _NUMBER)
        kept = pc.if_else(good, column, pa.scalar(None, column.type))
        return pc.utf8_trim_whitespace(kept).cast(pa.float64())


def whole_numbers(column: pa.Array) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """A column as int32, and where it is one; 0 elsewhere. Never raises.

    >>> [part.tolist() for part in whole_numbers(pa.array(["431000123", "4.5", None, "99999999999"]))]
    [[431000123, 0, 0, 0], [True, False, False, False]]
    """
    if pa.types.is_integer(column.type) and not column.null_count:
        whole = column.to_numpy()
        good = (whole >= -(2**31)) & (whole < 2**31)
        return (whole if good.all() else np.where(good, whole, 0)).astype(np.int32), good
    value = numbers(column)
    good = (np.abs(value) < 2**31) & (value == np.floor(value))
    return np.where(good, value, 0).astype(np.int32), good


def codes(column: pa.Array, known: Mapping[str, int | str]) -> Floats:
    """A column of numbers or of words as numbers, NaN where missing or not known; never raises.

    known: the word, plain, and its number.

    >>> codes(pa.array(["Moored", "1", "at the pier", None]), {"moored": 5}).tolist()
    [5.0, 1.0, nan, nan]
    """
    if not is_text(column.type):
        return numbers(column)
    coded = words(column)
    said = coded.dictionary.to_pylist()
    table = np.append(numbers(coded.dictionary), np.nan)
    for at, word in enumerate(said):
        if np.isnan(table[at]):
            table[at] = known.get(plain(word), np.nan)
    return table[np.asarray(coded.indices.fill_null(len(said)).to_numpy(zero_copy_only=False), np.int64)]


def names(column: pa.Array, known: Mapping[str, int | str], other: str) -> pa.Array:
    """A column of words as the names known for them, `other` where missing or not known; never raises.

    >>> names(pa.array(["S-AIS", "?", None]), {"sais": "satellite"}, "unknown").to_pylist()
    ['satellite', 'unknown', 'unknown']
    """
    coded = words(column)
    table = pa.array([str(known.get(plain(word), other)) for word in coded.dictionary.to_pylist()], pa.string())
    return table.take(coded.indices).fill_null(other)


def words(column: pa.Array) -> pa.Array:
    """A column as a dictionary of strings; never raises."""
    if not is_text(column.type):
        column = column.cast(pa.string(), safe=False)
    coded = column.cast(pa.string()).dictionary_encode()
    try:
        coded.dictionary.validate(full=True)
    except pa.ArrowInvalid:  # Parquet holds whatever bytes it was given
        told = [in_utf8(word).decode() for word in coded.dictionary.view(pa.binary()).to_pylist()]
        return pa.DictionaryArray.from_arrays(coded.indices, pa.array(told, pa.string()))
    return coded


def times_us(column: pa.Array, how: TimeFormat) -> Ints:
    """A column as UTC microseconds, NO_TIME where missing or not to be read; never raises.

    >>> times_us(pa.array(["2023-08-01 00:00:00", "1690848000", "soon"]), TimeFormat()).tolist()[:2]
    [1690848000000000, 1690848000000000]
    """
    if pa.types.is_timestamp(column.type):
        return _plausible(_of_timestamps(column, how.zone))
    if pa.types.is_date(column.type):
        return _plausible(_of_timestamps(column.cast(pa.timestamp("us"), safe=False), how.zone))
    if not is_text(column.type):
        return _of_epoch(numbers(column), how.format)
    if how.format in _UNIT_US:
        return _of_epoch(numbers(column), how.format)
    return _plausible(_of_words(column, how))


def _of_timestamps(column: pa.Array, zone: str) -> Ints:
    if column.type.tz is None and zone != "UTC":
        column = pc.assume_timezone(column, zone, ambiguous="earliest", nonexistent="earliest")
    whole = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
    return np.asarray(pc.fill_null(whole, NO_TIME).to_numpy(zero_copy_only=False), np.int64)


def _of_epoch(value: Floats, unit: str) -> Ints:
    """Epochs in the unit named or, with none, in the one that puts each between 1973 and 5138."""
    if unit in _UNIT_US:
        scaled = value * _UNIT_US[unit]
    else:
        size = np.abs(value)
        scaled = value * np.select([size < 1e11, size < 1e14, size < 1e17], [1e6, 1e3, 1.0], 1e-3)
    good = (scaled > 0) & (scaled <= LAST_US)
    return np.where(good, np.rint(np.where(good, scaled, 0.0)), NO_TIME).astype(np.int64)


def _plausible(time_us: Ints) -> Ints:
    good = (time_us != 0) & (time_us <= LAST_US)
    return time_us if good.all() else np.where(good, time_us, NO_TIME)


def _of_words(column: pa.Array, how: TimeFormat) -> Ints:
    """The whole column at once where it is of one make, else each different word by itself."""
    column = column.cast(pa.string())
    if "%" in how.format:
        if "%f" not in how.format and "%z" not in how.format.lower():
            return _of_timestamps(pc.strptime(column, format=how.format, unit="us", error_is_null=True), how.zone)
        return _word_by_word(column, how)
    column = _usual(column)
    make = _make(column)
    if make is not None:
        try:
            values = column.cast(make)
            return (
                _of_epoch(numbers(values), "auto") if pa.types.is_floating(make) else _of_timestamps(values, how.zone)
            )
        except pa.ArrowInvalid:  # not all are of the make of the first
            pass
    return _word_by_word(column, how)


def _usual(column: pa.Array) -> pa.Array:
    """Times as ISO 8601 has them, where the first of a column is written in another known way."""
    first = pc.first(column).as_py() or ""
    if re.match(_GO, first):
        return pc.replace_substring_regex(column, _GO, r"\1T\2\3Z")
    if re.match(_SLASHES, first):
        return pc.replace_substring_regex(column, _SLASHES, r"\1-\2-\3")
    return column


def _make(column: pa.Array) -> pa.DataType | None:
    """What the first word of a column looks like: a number, or a time with a zone or without."""
    first = pc.first(column).as_py()
    if first is None:
        return None
    if re.fullmatch(_NUMBER, first):
        return pa.float64()
    return pa.timestamp("us", "UTC" if re.search(_ZONE, first) else None)


def _word_by_word(column: pa.Array, how: TimeFormat) -> Ints:
    coded = column.dictionary_encode()
    known = [_one_time_us(word.strip(), how) for word in coded.dictionary.to_pylist()]
    table = np.array([*known, NO_TIME], np.int64)
    at = np.asarray(pc.fill_null(coded.indices, len(known)).to_numpy(zero_copy_only=False), np.int64)
    return np.asarray(table[at], np.int64)


def _one_time_us(word: str, how: TimeFormat) -> int:
    try:
        if "%" in how.format:
            when = datetime.strptime(word, how.format)
        elif re.fullmatch(_NUMBER, word):
            return int(_of_epoch(np.array([float(word)]), "auto")[0])
        else:
            word = re.sub(_SLASHES, r"\1-\2-\3", re.sub(_GO, r"\1T\2\3Z", word))
            when = datetime.fromisoformat(word)
    except ValueError:
        return NO_TIME
    when = when.replace(tzinfo=ZoneInfo(how.zone)) if when.tzinfo is None else when
    elapsed = when.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds
