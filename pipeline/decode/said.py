"""All that messages say: every field of every type, as columns, under the names of pyais."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stswatch.pipeline.decode.fields import field_types, fields
from stswatch.pipeline.decode.groups import LAST_TYPE, grouped
from stswatch.pipeline.decode.layouts import LAYOUTS
from stswatch.pipeline.decode.lines import Bytes, Ints
from stswatch.pipeline.decode.others import other_types, others
from stswatch.pipeline.decode.rejects import CODES
from stswatch.pipeline.schema import UTC

ALL_TYPES = frozenset(range(1, LAST_TYPE + 1))
LAYOUT_TYPES = frozenset(kind for layout in LAYOUTS for kind in layout.types)
HEAD = {
    "time": UTC,
    "station": pa.string(),
    "receiver": pa.string(),
    "source": pa.string(),
    "offset": pa.int64(),
    "length": pa.int32(),
    "msg_type": pa.int32(),
    "mmsi": pa.int32(),
}
Form = tuple[Ints, dict[str, pa.Array]]  # messages of one form: their rows, rising, and their columns


@dataclass(frozen=True)
class Said:
    """What n payloads say: code and msg_type (n,) as in messages.Messages, and the messages of each form."""

    code: NDArray[np.int8]
    msg_type: NDArray[np.int8]
    forms: list[Form]


@dataclass(frozen=True)
class Spoken:
    """Messages of a stretch of a capture: head (n,) and forms as `table` takes them, and the lines that are none."""

    head: dict[str, pa.Array]  # time, station, receiver, source, offset, length
    forms: list[Form]
    rejects: pa.Table  # see schema.REJECTS
    sentences: int
    messages: int  # of whatever type


def say(data: Bytes, start: Ints, end: Ints, fill: NDArray[Any], types: frozenset[int] = ALL_TYPES) -> Said:
    """Decode every field of the messages of some types; arguments else as for messages.decode; never raises.

    >>> text = np.frombuffer(b"=39UOj0jFs9R", np.uint8)
    >>> say(text, np.array([0]), np.array([12]), np.array([0])).forms[0][1]["mmsi"].to_pylist()
    [211378120]
    """
    found = grouped(data, start, end, fill)
    code, msg_type = found.code.copy(), found.msg_type.copy()
    forms = [(group.rows, fields(group)) for group in found.groups if types & set(group.layout.types)]
    forms = [_chosen(form, types) for form in forms]
    rows = np.flatnonzero(np.isin(msg_type, list(types - LAYOUT_TYPES)))
    payloads = [data[a:b].tobytes() for a, b in zip(start[rows].tolist(), end[rows].tolist(), strict=True)]
    if len(rows):
        more, bad = others(payloads, fill[rows].tolist())
        forms += [(rows[at], columns) for at, columns in more]
        code[rows[bad]], msg_type[rows[bad]] = CODES["payload"], 0
    return Said(code, msg_type, forms)


def _chosen(form: Form, types: frozenset[int]) -> Form:
    """The messages of these types alone, where one layout serves several."""
    rows, columns = form
    kept = np.isin(columns["msg_type"].to_numpy(), list(types))
    if kept.all():
        return form
    return rows[kept], {name: column.filter(pa.array(kept)) for name, column in columns.items()}


def columns_of(types: Iterable[int] = ALL_TYPES) -> pa.Schema:
    """The columns of a table of messages of these types: where and when, type, MMSI, then every field.

    >>> columns_of([27]).names[6:12]
    ['msg_type', 'mmsi', 'repeat', 'accuracy', 'raim', 'status']
    """
    wanted = set(types)
    kinds = dict(HEAD) | {name: kind for name, kind in field_types(wanted).items() if name not in HEAD}
    rest = wanted - LAYOUT_TYPES
    if rest:
        kinds |= {name: kind for name, kind in other_types(rest).items() if name not in kinds}
    return pa.schema(list(kinds.items()))


def table(head: Mapping[str, pa.Array], forms: Iterable[Form], schema: pa.Schema) -> pa.Table:
    """Messages as one table, a column a field, null where a message has no such field.

    head: columns (n,) of HEAD without type and MMSI; forms: of say, with rows from 0 to n - 1, each in one of them;
    schema: of columns_of.

    >>> forms = [(np.array([1]), {"a": pa.array([7])}), (np.array([0]), {"b": pa.array(["x"])})]
    >>> columns = pa.schema([("time", pa.int64()), ("a", pa.int64()), ("b", pa.string())])
    >>> table({"time": pa.array([10, 20])}, forms, columns).to_pylist()
    [{'time': 10, 'a': None, 'b': 'x'}, {'time': 20, 'a': 7, 'b': None}]
    """
    n = len(next(iter(head.values())))
    told: dict[str, list[tuple[Ints, pa.Array]]] = {}
    for rows, columns in forms:
        for name, column in columns.items():
            told.setdefault(name, []).append((rows, column))
    empty = {kind: pa.nulls(n, kind) for kind in set(schema.types)}
    spread = {name: _spread(parts, n) for name, parts in told.items() if name in schema.names}
    known = spread | dict(head)
    return pa.Table.from_arrays([known.get(field.name, empty[field.type]) for field in schema], schema=schema)


def _spread(parts: list[tuple[Ints, pa.Array]], n: int) -> pa.Array:
    """The values of some rows among n, null elsewhere."""
    at = np.full(n, -1, np.int64)
    rows = np.concatenate([rows for rows, _ in parts])
    at[rows] = np.arange(len(rows))
    return pa.concat_arrays([column for _, column in parts]).take(pa.array(at, mask=at < 0))
