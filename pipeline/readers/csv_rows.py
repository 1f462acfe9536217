"""Rows of CSV text with their byte offsets: one line is one row.

A line break inside quotes is not known here: both halves are rejected as malformed. A quote without its
partner on the line is taken for a blank, and so is a carriage return that ends no line.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from stswatch.pipeline.decode.lines import Bytes, Ints, line_spans
from stswatch.pipeline.readers.column_map import WORDED
from stswatch.pipeline.readers.column_names import recognise
from stswatch.pipeline.readers.tabular import STATIC_WORDS, TableRows
from stswatch.pipeline.readers.text import UTF8, UTF16, Window, encoding_of, in_utf8
from stswatch.pipeline.readers.values import NOTHING

DELIMITERS = ",;\t|"
NULLS = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "\\N", *NOTHING]
_WORDS = ("time", "date", "imo", "station", *STATIC_WORDS)
_QUOTE = 34
COMMENTS = ("#", "//", "%", ";")
_NAMES = 2  # that are known make a comment the line of the names
_SEPARATOR = re.compile(r'\s*"?sep=(?:(.)"?|(\t)"?)\s*', re.IGNORECASE)


def header_of(head: bytes, delimiter: str | None = None) -> tuple[list[str], str, int]:
    """The column names of a table, the delimiter, and the offset of the first row; never raises.

    Blank lines, comments and the line `sep=;` of Excel before the names are passed over. A comment that holds names
    which are known is the line of the names where what follows it is none.

    >>> header_of(b"mmsi;time\\n1;2\\n"), header_of(b"sep=|\\n# from 2025\\n\\nmmsi|time\\n1|2\\n")
    ((['mmsi', 'time'], ';', 10), (['mmsi', 'time'], '|', 29))
    """
    remark: tuple[list[str], str, int] | None = None
    at, first = 0, True
    while True:
        end = head.find(b"\n", at)
        newline = end >= 0
        line, at = (head[at:end], end + 1) if newline else (head[at:], len(head))
        text = _decoded(line, head, first).strip("\r").replace("\r", " ")
        first = False
        if separator := _SEPARATOR.fullmatch(text):
            delimiter = delimiter or separator[1] or separator[2]
            continue
        names = _names(text, delimiter)
        if newline and not text.strip():
            continue
        if newline and text.lstrip(' "').startswith(COMMENTS):
            if _known(names[0]) >= _NAMES:
                remark = (*names, at)
            continue
        if remark is not None and (_known(names[0]) < _NAMES or not newline):
            return remark
        return (*names, at)


def _decoded(line: bytes, head: bytes, first: bool) -> str:
    """A line of the first bytes of a table, by the encoding that these are in; never raises."""
    line = line.removeprefix(codecs.BOM_UTF8) if first else line
    try:
        return line.decode(UTF8)
    except UnicodeDecodeError:
        return in_utf8(line, encoding_of(head)).decode(UTF8, "replace")


def _names(text: str, delimiter: str | None) -> tuple[list[str], str]:
    if delimiter is None:
        unquoted = re.sub(r'"[^"]*"', "", text)
        delimiter = max(DELIMITERS, key=unquoted.count)
    return [name.strip() for name in next(csv.reader([text], delimiter=delimiter), [])], delimiter


def _known(names: list[str]) -> int:
    return len(recognise(names))


@dataclass(frozen=True)
class CsvForm:
    """How one CSV is written; picklable."""

    columns: tuple[tuple[str, int], ...]  # (our name, index of their column)
    width: int  # how many columns the header has
    delimiter: str = ","
    decimal: str = "."
    words: frozenset[str] = frozenset()  # our names of columns that hold words where others hold numbers
    encoding: str = UTF8


def worded(rows: bytes, form: CsvForm) -> frozenset[str]:
    """Which columns that may hold numbers or words hold words, by the first rows, in UTF-8; never raises."""
    lines = rows.decode("utf-8", "replace").splitlines()[:200]
    fields = [row for row in csv.reader(lines, delimiter=form.delimiter) if len(row) == form.width]
    found = {name for name, at in form.columns if name in WORDED and any(map(_is_word, (row[at] for row in fields)))}
    return frozenset(found | {"receiver"})


def _is_word(value: str) -> bool:
    return value not in NULLS and any(letter.isalpha() for letter in value)


def rows_of(window: Window, form: CsvForm) -> TableRows:
    """The rows that a window owns; never raises."""
    data = np.frombuffer(window.text, np.uint8)
    starts, ends = line_spans(data)
    begins = window.offsets(starts)
    owned = (begins >= window.start) & (begins < window.end) & (ends > starts)
    starts, ends = starts[owned], ends[owned]
    block = window.text[starts[0] : ends[-1]] if len(starts) else b""
    table, good = _parse(*_in_utf8(block, starts - starts[0] if len(starts) else starts, form), form)
    offset = window.offsets(starts)
    length = window.offsets(ends) - offset
    return TableRows(table, offset[good], length[good].astype(np.int32), offset[~good], length[~good])


def _in_utf8(block: bytes, starts: Ints, form: CsvForm) -> tuple[bytes, Ints]:
    """The same rows in UTF-8, and where they begin there."""
    text = block if form.encoding in UTF16 else in_utf8(block, form.encoding)
    if text is block:
        return block, starts
    first, end = line_spans(np.frombuffer(text, np.uint8))
    return text, first[end > first]


def _parse(block: bytes, starts: Ints, form: CsvForm) -> tuple[Mapping[str, pa.Array], NDArray[np.bool_]]:
    """The columns of the rows that are as wide as the header, and which lines these are."""
    block = _without_single_quotes(_without_single_returns(block), starts)
    table, count = _read(block, form)
    if count == len(starts) == len(table["mmsi"]):
        return table, np.ones(count, np.bool_)
    good = _widths(block, starts, form.delimiter) == form.width
    if good.sum() != len(table["mmsi"]):  # quotes that begin inside a field: without any, each line stands for itself
        block = block.replace(b'"', b" ")
        good = _widths(block, starts, form.delimiter) == form.width
        table, _ = _read(block, form)
    return table, good


def _without_single_returns(block: bytes) -> bytes:
    if block.count(b"\r") == block.count(b"\r\n"):
        return block
    return re.sub(rb"\r(?!\n)", b" ", block)


def _without_single_quotes(block: bytes, starts: Ints) -> bytes:
    if b'"' not in block:
        return block
    data: Bytes = np.frombuffer(block, np.uint8)
    quote = np.flatnonzero(data == _QUOTE)
    line = _line_of(quote, starts)
    lonely = quote[np.bincount(line)[line] % 2 == 1]
    if not len(lonely):
        return block
    data = data.copy()
    data[lonely] = ord(" ")
    return data.tobytes()


def _widths(block: bytes, starts: Ints, delimiter: str) -> Ints:
    """How many fields each line has, delimiters inside quotes aside."""
    data: Bytes = np.frombuffer(block, np.uint8)
    quote, between = np.flatnonzero(data == _QUOTE), np.flatnonzero(data == ord(delimiter))
    outside = between[np.searchsorted(quote, between) % 2 == 0]
    return np.bincount(_line_of(outside, starts), minlength=len(starts)) + 1


def _line_of(at: Ints, starts: Ints) -> Ints:
    """The line that each byte stands in."""
    return np.searchsorted(starts, at, "right") - 1


def _read(block: bytes, form: CsvForm) -> tuple[Mapping[str, pa.Array], int]:
    """Parsed columns, and the number of rows, those of another width counted in."""
    if not block:
        return {ours: pa.array([], pa.string()) for ours, _ in form.columns}, 0
    strange: list[str | None] = []

    def skip(row: pacsv.InvalidRow) -> str:
        strange.append(row.text)
        return "skip"

    names = [str(i) for i in range(form.width)]
    how = pacsv.ReadOptions(use_threads=False, block_size=len(block) + 2, column_names=names)
    lines = pacsv.ParseOptions(delimiter=form.delimiter, invalid_row_handler=skip)
    try:
        table = pacsv.read_csv(pa.BufferReader(block), how, lines, _kinds(form, pa.float64()))
    except pa.ArrowInvalid:  # a single word in a column of numbers: read words, and see later which are numbers
        strange.clear()
        table = pacsv.read_csv(pa.BufferReader(block), how, lines, _kinds(form, pa.string()))
    return {ours: table.column(str(index)) for ours, index in form.columns}, table.num_rows + len(strange)


def _kinds(form: CsvForm, number: pa.DataType) -> pacsv.ConvertOptions:
    texts = form.words.union(_WORDS)
    kinds = {str(index): pa.string() if ours in texts else number for ours, index in form.columns}
    return pacsv.ConvertOptions(
        include_columns=list(kinds),
        column_types=kinds,
        null_values=NULLS,
        decimal_point=form.decimal,
        strings_can_be_null=True,
        check_utf8=False,
    )
