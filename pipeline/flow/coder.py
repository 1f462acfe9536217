"""How Arrow batches travel through a shuffle of Beam: as themselves, not pickled.

Pickling a slice of a batch writes the whole parent buffer; an Arrow message holds just the rows.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from apache_beam import coders

_NAME_BYTES = 64


class Parcel:
    """Rows of one table of the flow on their way to a shard."""

    __slots__ = ("batch", "table")

    def __init__(self, table: str, batch: pa.RecordBatch) -> None:
        self.table = table
        self.batch = batch


class ParcelCoder(coders.Coder):  # type: ignore[misc]
    """Table name, filled up with zeros so that what follows lies aligned, then an Arrow stream."""

    def encode(self, value: Parcel) -> bytes:
        """A parcel as bytes."""
        sink = pa.BufferOutputStream()
        sink.write(value.table.encode().ljust(_NAME_BYTES, b"\0"))
        with pa.ipc.new_stream(sink, value.batch.schema) as writer:
            writer.write_batch(value.batch)
        return bytes(memoryview(sink.getvalue()))

    def decode(self, encoded: bytes) -> Parcel:
        """The parcel that `encode` wrote."""
        reader = pa.ipc.open_stream(pa.py_buffer(encoded).slice(_NAME_BYTES))
        return Parcel(encoded[:_NAME_BYTES].rstrip(b"\0").decode(), reader.read_next_batch())

    def is_deterministic(self) -> bool:
        """Equal rows need not have equal bytes."""
        return False

    def to_type_hint(self) -> Any:
        """The type this coder is for."""
        return Parcel


coders.registry.register_coder(Parcel, ParcelCoder)
