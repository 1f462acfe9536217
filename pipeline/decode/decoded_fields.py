"""All that messages carry: every field of every type, as columns, under the names of pyais."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stswatch.pipeline.decode import payloads
from stswatch.pipeline.decode.layouts import AID, LAYOUTS, Layout
from stswatch.pipeline.decode.lines import Bytes, Ints
from stswatch.pipeline.decode.messages import LAST_TYPE, Group, grouped
from stswatch.pipeline.decode.rejects import CODES
from stswatch.pipeline.schema import UTC

# ------------------------------------------------------ Every field of a message as columns, under the names of pyais

FULL_NAME = "full_name"  # of an aid to navigation: its name and the extension of it
_FLOATS = frozenset({"quantity", "degrees", "turn"})


def fields(group: Group) -> dict[str, pa.Array]:
    """The columns (n,) of a group, spare bits left out; null where a field did not arrive whole.

    >>> import numpy as np
    >>> from stswatch.pipeline.decode.messages import grouped
    >>> text = np.frombuffer(b"13HOI:0P0000VOHLCnHQKwvL05Ip", np.uint8)
    >>> found = grouped(text, np.array([0]), np.array([28]), np.array([0]))
    >>> {name: column[0].as_py() for name, column in fields(found.groups[0]).items() if name in ("mmsi", "speed")}
    {'mmsi': 227006760, 'speed': 0.0}
    """
    columns, offset = {}, 0
    for field in group.layout.fields:
        if field.kind != "spare":
            columns[field.name] = payloads.column(group.packed, field, offset)
        offset += field.bits
    if group.layout is AID:
        columns[FULL_NAME] = _full_name(columns["name"], columns["name_ext"])
    return columns


def _full_name(name: pa.Array, extension: pa.Array) -> pa.Array:
    """Name and extension; nothing where there is no name."""
    whole = pc.binary_join_element_wise(name, extension, "", null_handling="replace")
    return pc.if_else(pc.equal(pc.fill_null(name, ""), ""), "", whole)


def field_types(types: Iterable[int]) -> dict[str, pa.DataType]:
    """The columns of those of the given types that have a layout, in the order of the tables.

    >>> list(field_types([24]))[:5]
    ['msg_type', 'repeat', 'mmsi', 'partno', 'shipname']
    """
    wanted = set(types)
    kinds: dict[str, pa.DataType] = {}
    for layout in LAYOUTS:
        if wanted & set(layout.types):
            kinds |= {name: kind for name, kind in _types(layout).items() if name not in kinds}
    return kinds


def _types(layout: Layout) -> dict[str, pa.DataType]:
    names = {field.name: _type(field.kind) for field in layout.fields if field.kind != "spare"}
    return names | ({FULL_NAME: pa.string()} if layout is AID else {})


def _type(kind: str) -> pa.DataType:
    if kind in _FLOATS:
        return pa.float64()
    return {"flag": pa.bool_(), "text": pa.string()}.get(kind, pa.int32())


# ----------------------------------------------------------------------------------------------------------------
# Messages of the types without a layout, one by one through pyais: for `stswatch decode` alone, never for a run
# Binary messages, acknowledgements, safety texts and the like are few, and pyais knows some sixty forms of them. It is
# imported with the first one.

# The names that the columns of where and when have too: of an inland ship (type 8, DAC 200, FID 10), and of a signal
# (type 8, DAC 1, FID 19).
RENAMED = {"length": "ship_length", "station": "signal_station"}
_SENT = {name: sent for sent, name in RENAMED.items()}
_TYPES = {int: pa.int32(), float: pa.float64(), bool: pa.bool_(), str: pa.string(), bytes: pa.binary()}


def others(payloads: Sequence[bytes], fill: Sequence[int]) -> tuple[list[tuple[Ints, dict[str, pa.Array]]], Ints]:
    """Every field of these messages by form, and the rows that are none.

    payloads, fill: (n,), as for messages.decode; only of types without a layout.

    Returns:
        For each form its rows and columns, under the names of pyais; and the rows for which pyais has no message.

    >>> found, bad = others([b"=39UOj0jFs9R"], [0])
    >>> found[0][1]["msg_type"].to_pylist(), found[0][1]["mmsi"].to_pylist(), len(bad)
    ([13], [211378120], 0)
    """
    from pyais.bit_vector import bit_vector
    from pyais.messages import MSG_CLASS

    forms: dict[type, tuple[list[int], list[dict[str, Any]]]] = {}
    bad = []
    for row, (payload, pad) in enumerate(zip(payloads, fill, strict=True)):
        vector = bit_vector(payload, pad)
        try:
            message = MSG_CLASS[vector.get(0, 6)].from_vector(vector)
        except Exception:  # whatever a garbled payload makes of a field; no garbled payload may end a run
            bad.append(row)
            continue
        rows, messages = forms.setdefault(type(message), ([], []))
        rows.append(row)
        messages.append(message.asdict())
    found = [(np.array(rows, np.int64), _columns(form, messages)) for form, (rows, messages) in forms.items()]
    return found, np.array(bad, np.int64)


def other_types(types: Iterable[int]) -> dict[str, pa.DataType]:
    """The columns of every form of these types.

    >>> list(other_types([10]))
    ['msg_type', 'repeat', 'mmsi', 'dest_mmsi']
    """
    kinds: dict[str, pa.DataType] = {}
    for form in (form for kind in sorted(set(types)) for form in _forms(kind)):
        kinds |= {name: kind for name, kind in _kinds(form).items() if name not in kinds}
    return kinds


def _forms(kind: int) -> list[Any]:
    """The form of a type, or those among which pyais chooses by what a message says."""
    from pyais import messages

    own: Any = messages.MSG_CLASS[kind]
    if own.fields():
        return [own]
    all_forms: list[Any] = [form for form in vars(messages).values() if hasattr(form, "__attrs_attrs__")]
    return [form for form in all_forms if form.fields() and form.fields()[0].metadata["default"] == kind]


def _kinds(form: Any) -> dict[str, pa.DataType]:
    """The columns of a form: all its fields but spare bits."""
    fields = [field for field in form.fields() if not field.metadata["is_spare"]]
    return {RENAMED.get(field.name, field.name): _TYPES[field.metadata["d_type"]] for field in fields}


def _columns(form: Any, messages: Sequence[dict[str, Any]]) -> dict[str, pa.Array]:
    """Columns of messages of one form; members of an enumeration as their numbers."""
    columns = {}
    for name, kind in _kinds(form).items():
        values = [message[_SENT.get(name, name)] for message in messages]
        if kind == pa.int32():
            values = [None if value is None else int(value) for value in values]
        columns[name] = pa.array(values, kind)
    return columns


# ----------------------------- All that messages say: every field of every type, as columns, under the names of pyais

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
class DecodedFields:
    """What n payloads say: code and msg_type (n,) as in messages.Messages, and the messages of each form."""

    code: NDArray[np.int8]
    msg_type: NDArray[np.int8]
    forms: list[Form]


@dataclass(frozen=True)
class FieldRows:
    """Messages of a stretch of a capture: head (n,) and forms as `table` takes them, and the lines that are none."""

    head: dict[str, pa.Array]  # time, station, receiver, source, offset, length
    forms: list[Form]
    rejects: pa.Table  # see schema.REJECTS
    sentences: int
    messages: int  # of whatever type


def say(data: Bytes, start: Ints, end: Ints, fill: NDArray[Any], types: frozenset[int] = ALL_TYPES) -> DecodedFields:
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
    return DecodedFields(code, msg_type, forms)


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
    parts_of: dict[str, list[tuple[Ints, pa.Array]]] = {}
    for rows, columns in forms:
        for name, column in columns.items():
            parts_of.setdefault(name, []).append((rows, column))
    empty = {kind: pa.nulls(n, kind) for kind in set(schema.types)}
    spread = {name: _spread(parts, n) for name, parts in parts_of.items() if name in schema.names}
    known = spread | dict(head)
    return pa.Table.from_arrays([known.get(field.name, empty[field.type]) for field in schema], schema=schema)


def _spread(parts: list[tuple[Ints, pa.Array]], n: int) -> pa.Array:
    """The values of some rows among n, null elsewhere."""
    at = np.full(n, -1, np.int64)
    rows = np.concatenate([rows for rows, _ in parts])
    at[rows] = np.arange(len(rows))
    return pa.concat_arrays([column for _, column in parts]).take(pa.array(at, mask=at < 0))
