"""Rows of one table of the flow on their way to a shard, as bytes: Beam and worker processes pass them on unread.

Pickling a slice of an Arrow batch writes the whole parent buffer; an Arrow stream holds just the rows.
"""

from __future__ import annotations

import pyarrow as pa

_NAME_BYTES = 64


class Parcel:
    """Table name, filled up with zeros so that what follows lies aligned, then an Arrow stream of one batch."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    @staticmethod
    def of(table: str, batch: pa.RecordBatch) -> Parcel:
        """Pack a batch."""
        sink = pa.BufferOutputStream()
        sink.write(table.encode().ljust(_NAME_BYTES, b"\0"))
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        return Parcel(bytes(memoryview(sink.getvalue())))

    @property
    def table(self) -> str:
        """The table that the rows are of."""
        return self.data[:_NAME_BYTES].rstrip(b"\0").decode()

    @property
    def batch(self) -> pa.RecordBatch:
        """The rows; the buffers are those of the parcel."""
        return pa.ipc.open_stream(pa.py_buffer(self.data).slice(_NAME_BYTES)).read_next_batch()
