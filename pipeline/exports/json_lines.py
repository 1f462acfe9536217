"""Messages as lines of JSON, whole columns at a time."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline.decode.lines import Ints
from stswatch.pipeline.decode.said import Form


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
    pieces: list[Any] = []
    for name, value in (first | values).items():
        pieces += [f'{"," if pieces else "{"}"{name}":', value]
    return pc.binary_join_element_wise(*pieces, "}\n", "")


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
    return pc.fill_null(text.cast(pa.string()), "null")


def _quoted(text: pa.Array) -> pa.Array:
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
        return pa.array([None if v is None else base64.b64encode(v).decode() for v in column.to_pylist()], pa.string())
    return column
