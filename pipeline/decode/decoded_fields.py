"""All that messages carry: every field of every type, as columns, under the names of pyais."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
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
from stswatch.pipeline.decode.rare_layouts import RARE_LAYOUTS
from stswatch.pipeline.schema import UTC

# ------------------------------------------------------ Every field of a message as columns, under the names of pyais

FULL_NAME = "full_name"  # of an aid to navigation: its name and the extension of it
_FLOATS = frozenset({"quantity", "signed quantity", "degrees", "turn"})


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
    """The columns of the given types, in the order of the tables, those that no run needs last.

    >>> list(field_types([24]))[:5]
    ['msg_type', 'repeat', 'mmsi', 'partno', 'shipname']
    """
    wanted = set(types)
    kinds: dict[str, pa.DataType] = {}
    for layout in (*LAYOUTS, *RARE_LAYOUTS):
        if wanted & set(layout.types):
            kinds |= {name: kind for name, kind in _types(layout).items() if name not in kinds}
    return kinds


def _types(layout: Layout) -> dict[str, pa.DataType]:
    names = {field.name: _type(field.kind) for field in layout.fields if field.kind != "spare"}
    return names | ({FULL_NAME: pa.string()} if layout is AID else {})


def _type(kind: str) -> pa.DataType:
    if kind in _FLOATS:
        return pa.float64()
    return {"flag": pa.bool_(), "text": pa.string(), "bytes": pa.binary()}.get(kind, pa.int32())


# ------------------------------------------------ Messages of the types that no run needs, sorted by form and packed


def rare_groups(
    data: Bytes, start: Ints, end: Ints, fill: NDArray[Any], msg_type: NDArray[np.int8], types: frozenset[int]
) -> list[Group]:
    """The groups of payloads by form; arguments as for messages.decode, and the type of each, 0 where it is none.

    >>> text = np.frombuffer(b"=39UOj0jFs9R", np.uint8)
    >>> places = np.array([0]), np.array([12]), np.array([0]), np.array([13])
    >>> [(group.layout.name, group.rows.tolist()) for group in rare_groups(text, *places, frozenset({13}))]
    [('acknowledgement', [0])]
    """
    groups = []
    for forms in _FORMS:
        rows = np.flatnonzero(np.isin(msg_type, list(types.intersection(forms[0].types))))
        if not len(rows):
            continue
        chars = -(-max(form.bits for form in forms) // 6)
        packed, _ = payloads.pack(data, start[rows], end[rows], fill[rows], chars)
        free = np.ones(len(rows), np.bool_)
        for form in forms:
            at = np.flatnonzero(free & _holds(form, packed))
            if len(at):
                groups.append(Group(form, rows[at], packed.take(at)))
            free[at] = False
    return groups


def _holds(form: Layout, packed: payloads.Packed) -> payloads.Bools:
    """Whether payloads are of a form, if they are of none before it."""
    holds = packed.bits <= form.most if form.most else np.ones(len(packed.bits), np.bool_)
    for test in form.when:
        holds &= packed.carried(test.offset, test.bits) & (packed.unsigned(test.offset, test.bits) == test.value)
    return np.asarray(holds)


_FORMS = tuple(
    tuple(form for form in RARE_LAYOUTS if form.types == types)
    for types in dict.fromkeys(form.types for form in RARE_LAYOUTS)
)


# ------------------------------------------------------------------------------ Messages as JSON: a line, or an object
# Times are ISO 8601 there, and bytes are base64, as pyais writes them.

Form = tuple[Ints, dict[str, pa.Array]]  # messages of one form: their rows, rising, and their columns
_BASE64 = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", np.uint8)


def json_lines(head: Mapping[str, pa.Array], forms: list[Form]) -> bytes:
    r"""Messages as lines of JSON in the order of their rows, with the fields that their form has.

    >>> head = {"time": pa.array([0], pa.timestamp("us", "UTC")), "station": pa.array(["A"])}
    >>> json_lines(head, [(np.array([0]), {"msg_type": pa.array([1]), "lon": pa.array([None], pa.float64())})])
    b'{"time":"1970-01-01T00:00:00.000000Z","station":"A","msg_type":1,"lon":null}\n'
    """
    if not forms:
        return b""
    written = {name: _json(column) for name, column in head.items()}
    rows = np.concatenate([rows for rows, _ in forms])
    lines = pa.concat_arrays([_lines(written, *form) for form in forms]).take(pa.array(np.argsort(rows)))
    return _joined(lines)


def _lines(head: Mapping[str, pa.Array], rows: Ints, columns: Mapping[str, pa.Array]) -> pa.Array:
    at = pa.array(rows)
    values = {name: column.take(at) for name, column in head.items()}
    values |= {name: _json(column) for name, column in columns.items() if name not in head}
    first = {name: values.pop(name) for name in (*head, "msg_type", "mmsi") if name in values}
    return _objects(first | values, "}\n")


def _objects(values: Mapping[str, pa.Array], end: str = "}") -> pa.Array:
    """Objects of values that stand as they do in JSON."""
    pieces: list[Any] = []
    for name, value in values.items():
        pieces += [f'{"," if pieces else "{"}"{name}":', value]
    return pc.binary_join_element_wise(*pieces, end, "")


def _joined(lines: pa.Array) -> bytes:
    """The bytes of strings, one after the other."""
    whole = pa.concat_arrays([lines])
    edges = np.frombuffer(whole.buffers()[1], np.int32)[[whole.offset, whole.offset + len(whole)]]
    return whole.buffers()[2][int(edges[0]) : int(edges[1])].to_pybytes() if len(whole) else b""


def _json(column: pa.Array) -> pa.Array:
    """Each value as it stands in JSON."""
    text = plain(column)
    if pa.types.is_string(text.type):
        text = _quoted(text)
    text = text.cast(pa.string())
    return pc.fill_null(text, "null") if text.null_count else text


def _quoted(text: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring_regex(text, r"[^ !#-\[\]-~]")).as_py():  # nothing that would be escaped
        return pc.binary_join_element_wise('"', text, '"', "")
    if pc.any(pc.match_substring_regex(text, r"[^ -~]")).as_py():  # beyond plain ASCII
        return pa.array([None if value is None else _dumped(value) for value in text.to_pylist()], pa.string())
    for sign in ("\\", '"'):
        text = pc.replace_substring(text, sign, "\\" + sign)
    return pc.binary_join_element_wise('"', text, '"', "")


def _dumped(value: str) -> str:
    return json.dumps(value).replace("\x7f", "\\u007f")


def plain(column: pa.Array) -> pa.Array:
    """Times as ISO 8601 and bytes as base64, all else as it is.

    >>> plain(pa.array([b"AIS", None])).to_pylist(), plain(pa.array([0], pa.timestamp("us", "UTC"))).to_pylist()
    (['QUlT', None], ['1970-01-01T00:00:00.000000Z'])
    """
    if pa.types.is_timestamp(column.type):
        return pc.replace_substring(column.cast(pa.string()), " ", "T")
    if pa.types.is_binary(column.type):
        return _base64(column)
    return column


def _base64(column: pa.Array) -> pa.Array:
    """Bytes as base64: each value filled up to threes of bytes, these read as fours of letters."""
    size = np.asarray(pc.fill_null(pc.binary_length(column), 0), np.int64)
    threes = -(-size // 3)
    ends = np.cumsum(threes)
    raw = np.zeros((int(threes.sum()), 3), np.uint8)
    within = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
    raw.reshape(-1)[np.repeat((ends - threes) * 3, size) + within] = np.frombuffer(_joined(column), np.uint8)
    bits = raw.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    letters = _BASE64[(bits[:, None] >> np.array([18, 12, 6, 0], np.uint32)) & np.uint32(63)]
    filled = threes * 3 - size  # 0 to 2, as many letters at the end stand for nothing
    for short in (1, 2):
        letters[ends[filled >= short] - 1, 4 - short] = ord("=")
    edges = np.concatenate([[0], ends * 4]).astype(np.int32)
    valid = pa.array(np.asarray(column.is_valid())).buffers()[1] if column.null_count else None
    buffers = [valid, pa.py_buffer(edges), pa.py_buffer(np.ascontiguousarray(letters))]
    return pa.StringArray.from_buffers(len(column), *buffers[1:], buffers[0])


# ----------------------------- All that messages say: every field of every type, as columns, under the names of pyais

ALL_TYPES = frozenset(range(1, LAST_TYPE + 1))
LAYOUT_TYPES = frozenset(kind for layout in LAYOUTS for kind in layout.types)
FIELDS = "fields"  # what messages of the types say that no run needs, in a table of all types
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
    groups = [group for group in found.groups if types & set(group.layout.types)]
    groups += rare_groups(data, start, end, fill, found.msg_type, types - LAYOUT_TYPES)
    forms = [(group.rows, fields(group)) for group in (_chosen(group, found.msg_type, types) for group in groups)]
    return DecodedFields(found.code, found.msg_type, forms)


def _chosen(group: Group, msg_type: NDArray[np.int8], types: frozenset[int]) -> Group:
    """The messages of these types alone, where one layout serves several."""
    if types.issuperset(group.layout.types):
        return group
    kept = np.isin(msg_type[group.rows], list(types))
    return Group(group.layout, group.rows[kept], group.packed.take(kept))


def columns_of(types: Iterable[int] | None = None) -> pa.Schema:
    """The columns of a table of messages: where and when, type, MMSI, then every field of the types that are asked for.

    Where none is asked for, those of the types that a run needs, and FIELDS for what all others say.

    >>> columns_of([27]).names[6:12]
    ['msg_type', 'mmsi', 'repeat', 'accuracy', 'raim', 'status']
    """
    kinds = HEAD | field_types(LAYOUT_TYPES if types is None else types)
    return pa.schema(list((kinds if types is not None else kinds | {FIELDS: pa.string()}).items()))


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
    for rows, columns in (_folded(form) if FIELDS in schema.names else form for form in forms):
        for name, column in columns.items():
            parts_of.setdefault(name, []).append((rows, column))
    spread = _Spread(n)
    known = {name: spread(parts) for name, parts in parts_of.items() if name in schema.names} | dict(head)
    empty = {kind: pa.nulls(n, kind) for kind in {field.type for field in schema if field.name not in known}}
    return pa.Table.from_arrays([known.get(field.name, empty.get(field.type)) for field in schema], schema=schema)


def _folded(form: Form) -> Form:
    """A form with what it says beyond the head as one JSON object, where it is of a type that no run needs."""
    rows, columns = form
    if not len(rows) or columns["msg_type"][0].as_py() in LAYOUT_TYPES:
        return form
    kept = {name: columns[name] for name in ("msg_type", "repeat", "mmsi")}
    return rows, kept | {FIELDS: _objects({name: _json(c) for name, c in columns.items() if name not in kept})}


class _Spread:
    """Spreads the values of some rows among n, null elsewhere; columns of the same forms share where they are null."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._valid: dict[tuple[int, ...], pa.Buffer] = {}

    def __call__(self, parts: list[tuple[Ints, pa.Array]]) -> pa.Array:
        kind = parts[0][1].type
        if pa.types.is_string(kind) or pa.types.is_binary(kind):
            return self._texts(parts, kind)
        values = np.zeros(self._n, np.bool_ if pa.types.is_boolean(kind) else kind.to_pandas_dtype())
        for rows, column in parts:
            whole = column.fill_null(pa.scalar(0).cast(kind)) if column.null_count else column
            values[rows] = whole.to_numpy(zero_copy_only=False)
        raw = np.packbits(values, bitorder="little") if values.dtype == np.bool_ else values
        return pa.Array.from_buffers(kind, self._n, [self._valid_bits(parts), pa.py_buffer(raw)])

    def _texts(self, parts: list[tuple[Ints, pa.Array]], kind: pa.DataType) -> pa.Array:
        rows = np.concatenate([rows for rows, _ in parts])
        order = np.argsort(rows, kind="stable")
        texts = pa.concat_arrays([column for _, column in parts]).take(pa.array(order))
        edges = np.zeros(self._n + 1, np.int32)
        edges[rows[order] + 1] = np.diff(np.frombuffer(texts.buffers()[1], np.int32)[: len(texts) + 1])
        np.cumsum(edges, out=edges)
        return pa.Array.from_buffers(kind, self._n, [self._valid_bits(parts), pa.py_buffer(edges), texts.buffers()[2]])

    def _valid_bits(self, parts: list[tuple[Ints, pa.Array]]) -> pa.Buffer:
        """Where there is a value, as bits."""
        whole = not any(column.null_count for _, column in parts)
        key = tuple(id(rows) for rows, _ in parts) if whole else ()
        if key not in self._valid or not whole:
            valid = np.zeros(self._n, np.bool_)
            for rows, column in parts:
                valid[rows] = column.is_valid() if column.null_count else True
            self._valid[key] = pa.py_buffer(np.packbits(valid, bitorder="little"))
        return self._valid[key]
