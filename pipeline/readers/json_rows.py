"""Objects of JSON as columns: many at once by Arrow, and one at a time those that are written otherwise than most."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pajson

from stswatch.pipeline.decode.lines import Bytes, Ints
from stswatch.pipeline.readers.encodings import UTF8, in_utf8
from stswatch.pipeline.readers.json_fields import FLAG, KINDS, NUMBERS, TEXT, TEXTS, Field, Fields
from stswatch.pipeline.readers.json_text import LONGEST

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


def _at(table: pa.Table, field: Field) -> pa.Array:
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


def _value(record: Any, field: Field) -> Any:
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
