"""Every field of a message as columns, under the names of pyais."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline.decode import values
from stswatch.pipeline.decode.groups import Group
from stswatch.pipeline.decode.layouts import AID, LAYOUTS, Layout

FULL_NAME = "full_name"  # of an aid to navigation: its name and the extension of it
_FLOATS = frozenset({"quantity", "degrees", "turn"})


def fields(group: Group) -> dict[str, pa.Array]:
    """The columns (n,) of a group, spare bits left out; null where a field did not arrive whole.

    >>> import numpy as np
    >>> from stswatch.pipeline.decode.groups import grouped
    >>> text = np.frombuffer(b"13HOI:0P0000VOHLCnHQKwvL05Ip", np.uint8)
    >>> found = grouped(text, np.array([0]), np.array([28]), np.array([0]))
    >>> {name: column[0].as_py() for name, column in fields(found.groups[0]).items() if name in ("mmsi", "speed")}
    {'mmsi': 227006760, 'speed': 0.0}
    """
    columns, offset = {}, 0
    for field in group.layout.fields:
        if field.kind != "spare":
            columns[field.name] = values.column(group.packed, field, offset)
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
    told: dict[str, pa.DataType] = {}
    for layout in LAYOUTS:
        if wanted & set(layout.types):
            told |= {name: kind for name, kind in _types(layout).items() if name not in told}
    return told


def _types(layout: Layout) -> dict[str, pa.DataType]:
    names = {field.name: _type(field.kind) for field in layout.fields if field.kind != "spare"}
    return names | ({FULL_NAME: pa.string()} if layout is AID else {})


def _type(kind: str) -> pa.DataType:
    if kind in _FLOATS:
        return pa.float64()
    return {"flag": pa.bool_(), "text": pa.string()}.get(kind, pa.int32())
