"""Rows of CSV text with their byte offsets: one line is one row.

A line break inside quotes is not known here: both halves are rejected as malformed. A quote without its
partner on the line is taken for a blank.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from stswatch.pipeline.decode.lines import Bytes, Ints, line_spans
from stswatch.pipeline.readers.tabular import STATIC_WORDS, Rows
from stswatch.pipeline.readers.text import Window

DELIMITERS = ",;\t|"
NULLS = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "\\N"]
_WORDS = ("time", "imo", *STATIC_WORDS)
_QUOTE = 34


def _as_latin1(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error("stswatch.latin1", _as_latin1)  # names in older archives are not UTF-8


def header_of(head: bytes, delimiter: str | None = None) -> tuple[list[str], str, int]:
    """The column names in the first line, the delimiter, and the offset of the first row; never raises.

    >>> header_of(b"mmsi;time\\n1;2\\n")
    (['mmsi', 'time'], ';', 10)
    """
    first, newline, _ = head.partition(b"\n")
    text = first.decode("utf-8-sig", "replace").rstrip("\r")
    if delimiter is None:
        delimiter = max(DELIMITERS, key=text.count)
    names = next(csv.reader([text], delimiter=delimiter), [])
    return [name.strip() for name in names], delimiter, len(first) + len(newline)


def rows_of(window: Window, columns: Sequence[tuple[str, int]], width: int, delimiter: str) -> Rows:
    """The rows that a window owns; never raises.

    columns: (our name, index of their column); width: how many columns the header has.
    """
    data = np.frombuffer(window.text, np.uint8)
    starts, ends = line_spans(data)
    owned = (starts + window.base >= window.start) & (starts + window.base < window.end) & (ends > starts)
    starts, ends = starts[owned], ends[owned]
    block = window.text[starts[0] : ends[-1]] if len(starts) else b""
    table, good = _parse(block, starts - starts[0] if len(starts) else starts, columns, width, delimiter)
    offset, length = starts + window.base, ends - starts
    return Rows(table, offset[good], length[good].astype(np.int32), offset[~good], length[~good])


def _parse(
    block: bytes, starts: Ints, columns: Sequence[tuple[str, int]], width: int, delimiter: str
) -> tuple[Mapping[str, pa.Array], NDArray[np.bool_]]:
    """The columns of the rows that are as wide as the header, and which lines these are."""
    block = _without_single_quotes(block, starts)
    table, count = _read(block, columns, width, delimiter)
    if count == len(starts) == len(table["mmsi"]):
        return table, np.ones(count, np.bool_)
    good = _widths(block, starts, delimiter) == width
    if good.sum() != len(table["mmsi"]):  # quotes that begin inside a field: without any, each line stands for itself
        block = block.replace(b'"', b" ")
        good = _widths(block, starts, delimiter) == width
        table, _ = _read(block, columns, width, delimiter)
    return table, good


def _without_single_quotes(block: bytes, starts: Ints) -> bytes:
    if b'"' not in block:
        return block
    data = np.frombuffer(block, np.uint8)
    quote = data == _QUOTE
    odd = np.add.reduceat(quote, starts, dtype=np.int64) % 2 == 1
    if not odd.any():
        return block
    line = np.repeat(odd, np.diff(np.append(starts, len(data))))
    return bytes(np.where(quote & line, np.uint8(32), data).tobytes())


def _widths(block: bytes, starts: Ints, delimiter: str) -> Ints:
    """How many fields each line has, delimiters inside quotes aside."""
    if not len(starts):
        return starts
    data: Bytes = np.frombuffer(block, np.uint8)
    outside = np.cumsum(data == _QUOTE) % 2 == 0
    return np.add.reduceat((data == ord(delimiter)) & outside, starts, dtype=np.int64) + 1


def _read(
    block: bytes, columns: Sequence[tuple[str, int]], width: int, delimiter: str
) -> tuple[Mapping[str, pa.Array], int]:
    """Parsed columns, and the number of rows, those of another width counted in."""
    if not block:
        return {ours: pa.array([], pa.string()) for ours, _ in columns}, 0
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        block = block.decode("utf-8", "stswatch.latin1").encode()
    strange: list[str | None] = []

    def skip(row: pacsv.InvalidRow) -> str:
        strange.append(row.text)
        return "skip"

    how = pacsv.ReadOptions(use_threads=False, block_size=len(block) + 2, column_names=[str(i) for i in range(width)])
    form = pacsv.ParseOptions(delimiter=delimiter, invalid_row_handler=skip)
    try:
        table = pacsv.read_csv(pa.BufferReader(block), how, form, _kinds(columns, pa.float64()))
    except pa.ArrowInvalid:  # a single word in a column of numbers: read words, and see later which are numbers
        strange.clear()
        table = pacsv.read_csv(pa.BufferReader(block), how, form, _kinds(columns, pa.string()))
    return {ours: table.column(str(index)) for ours, index in columns}, table.num_rows + len(strange)


def _kinds(columns: Sequence[tuple[str, int]], number: pa.DataType) -> pacsv.ConvertOptions:
    kinds = {str(index): pa.string() if ours in _WORDS else number for ours, index in columns}
    return pacsv.ConvertOptions(
        include_columns=list(kinds),
        column_types=kinds,
        null_values=NULLS,
        strings_can_be_null=True,
        check_utf8=False,
    )
