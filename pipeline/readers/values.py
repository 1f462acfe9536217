"""Columns of a table as numbers and words, whatever their type; what cannot be read is missing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stswatch.pipeline.readers.encodings import in_utf8
from stswatch.pipeline.readers.vocabulary import plain

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"


def is_text(kind: pa.DataType) -> bool:
    """Whether a type holds words."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One array, dictionaries written out."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def ordinary(column: pa.Array) -> pa.Array:
    """The same values in a type that all else here can work on, and words in UTF-8; never raises.

    Arrow compares no half floats and searches no views, and Parquet holds whatever bytes it was given as words.

    >>> ordinary(pa.array([b"caf\\xe9"]).view(pa.string())).to_pylist()
    ['café']
    """
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_float16(column.type):
        return column.cast(pa.float32())
    if not is_text(column.type):
        return column
    column = column.cast(pa.string())
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        given = column.view(pa.binary()).to_pylist()
        return pa.array([None if word is None else in_utf8(word).decode() for word in given], pa.string())
    return column


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
    """A column as a dictionary of strings, missing where its type has no words for them; never raises.

    >>> words(pa.array([[1], [2]])).to_pylist(), words(pa.array([b"A", None])).to_pylist()
    ([None, None], ['A', None])
    """
    try:
        coded = column.cast(pa.string(), safe=False).dictionary_encode()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # lists, structs
        coded = pa.nulls(len(column), pa.string()).dictionary_encode()
    try:
        coded.dictionary.validate(full=True)
    except pa.ArrowInvalid:  # Parquet holds whatever bytes it was given
        told = [in_utf8(word).decode() for word in coded.dictionary.view(pa.binary()).to_pylist()]
        return pa.DictionaryArray.from_arrays(coded.indices, pa.array(told, pa.string()))
    return coded
