"""What a column and a table are: Arrow fields and schemas that carry their meaning and unit."""

from __future__ import annotations

import pyarrow as pa

UTC = pa.timestamp("us", tz="UTC")
REF = pa.struct([pa.field("offset", pa.int64(), False), pa.field("length", pa.int32(), False)])
REASON = pa.struct(
    [
        pa.field("feature", pa.string(), False),
        pa.field("value", pa.float64()),
        pa.field("points", pa.float64(), False),
        pa.field("text", pa.string(), False),
    ]
)


def column(name: str, kind: pa.DataType, meaning: str, *, unit: str = "", null: bool = False) -> pa.Field:
    """One field with its meaning and unit in the metadata; not nullable unless said."""
    return pa.field(name, kind, nullable=null, metadata={"meaning": meaning, "unit": unit})


def table(meaning: str, *columns: pa.Field) -> pa.Schema:
    """One schema with what the table holds in its metadata."""
    return pa.schema(columns, metadata={"meaning": meaning})


def meaning_of(thing: pa.Field | pa.Schema) -> str:
    """The sentence that describes a field or a table, with the unit in brackets where there is one."""
    metadata = thing.metadata or {}
    unit = metadata.get(b"unit", b"").decode()
    meaning: str = metadata.get(b"meaning", b"").decode()
    return meaning + (f" [{unit}]" if unit else "")
