"""What a step is handed and what it keeps: named Arrow tables, a watermark, a shard; state as bytes."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stswatch.pipeline import schema

Tables = dict[str, pa.Table]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Column = npt.NDArray[Any]

MS = 1_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
_NAME_BYTES = 64


@dataclass(frozen=True)
class Batch:
    """What one call of a step gets: the new rows of its shard, and how far time has come.

    tables: name of each table that the step takes -> its new rows for this shard; a missing name stands for no rows.
    watermark_us: all fixes before it are there, UTC epoch microseconds.
    final: the data ends at the watermark; everything still open is given as it stands.
    provisional: of a final one: the data go on, and this is only a look at what would be given if they did not.
    """

    tables: Mapping[str, pa.Table]
    watermark_us: int
    final: bool = False
    shard: int = 0
    shards: int = 1
    provisional: bool = False

    def table(self, name: str) -> pa.Table:
        """The new rows of one table, an empty table where there are none."""
        found = self.tables.get(name)
        return schema.empty(name) if found is None else found


@dataclass(frozen=True)
class Result:
    """What one call of a step gives: the state to carry to the next slice, and rows of the tables it gives."""

    state: Tables
    rows: Tables = field(default_factory=dict)


def micros(table: pa.Table | pa.RecordBatch, name: str) -> Ints:
    """A timestamp column without nulls as (n,) int64 UTC epoch microseconds."""
    return np.asarray(table[name].cast(pa.int64()))


def build(name_or_schema: str | pa.Schema, columns: Mapping[str, object]) -> pa.Table:
    """A table of a schema from NumPy arrays or Arrow arrays by column name.

    int64 arrays become timestamps where the schema says so; NaN becomes null in nullable float columns.
    """
    wanted = {**schema.LAKE, **schema.FLOW}[name_or_schema] if isinstance(name_or_schema, str) else name_or_schema
    return pa.table([_array(columns[f.name], f) for f in wanted], schema=wanted)


def _array(given: object, wanted: pa.Field) -> pa.Array | pa.ChunkedArray:
    if isinstance(given, pa.Array | pa.ChunkedArray):
        return given if given.type == wanted.type else given.cast(wanted.type)
    if isinstance(given, np.ndarray):
        from_pandas = wanted.nullable and pa.types.is_floating(wanted.type)
        if pa.types.is_timestamp(wanted.type):
            return pa.array(given.astype(np.int64), pa.int64()).cast(wanted.type)
        return pa.array(given, wanted.type, from_pandas=from_pandas)
    return pa.array(given, wanted.type)


def concat(tables: Iterable[pa.Table], like: pa.Schema) -> pa.Table:
    """The rows of all tables in one contiguous table; an empty one of schema `like` where there are none."""
    parts = [t for t in tables if t.num_rows]
    if not parts:
        return like.empty_table()
    return parts[0] if len(parts) == 1 else pa.concat_tables(parts).combine_chunks()


def grouped(table: pa.Table, keys: str | Sequence[str]) -> pa.TableGroupBy:
    """The rows of a table by their keys, to be aggregated in this thread, groups in the order of their first row.

    With threads of its own, Arrow waits for ever where the machine has no memory left to start one.

    >>> grouped(pa.table({"k": [7, 5, 7], "n": [1, 2, 3]}), "k").aggregate([("n", "sum")]).to_pydict()
    {'k': [7, 5], 'n_sum': [4, 2]}
    """
    return table.group_by(keys, use_threads=False)


def to_bytes(state: Tables) -> bytes:
    """A state as bytes: for each table its name and an Arrow stream, each with its length before it, aligned to 8."""
    out = io.BytesIO()
    for name in sorted(state):
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, state[name].schema) as writer:
            writer.write_table(state[name])
        for part in (name.encode().ljust(_NAME_BYTES, b"\0"), sink.getvalue()):
            out.write(struct.pack("<q", len(part)))
            out.write(part)
    return out.getvalue()


def from_bytes(data: bytes) -> Tables:
    """The state that `to_bytes` wrote.

    >>> from_bytes(to_bytes({"legs": schema.empty("legs")}))["legs"].num_rows
    0
    """
    parts: list[pa.Buffer] = []
    buffer = pa.py_buffer(data)
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<q", data, at)
        parts.append(buffer.slice(at + 8, length))
        at += 8 + length
    names, streams = parts[::2], parts[1::2]
    return {
        name.to_pybytes().rstrip(b"\0").decode(): pa.ipc.open_stream(stream).read_all()
        for name, stream in zip(names, streams, strict=True)
    }


def starts_of(*keys: npt.NDArray[np.generic]) -> Ints:
    """Where a new group begins in arrays sorted by these keys, as indices.

    >>> starts_of(np.array([7, 7, 9])).tolist()
    [0, 2]
    """
    n = len(keys[0])
    if n == 0:
        return np.zeros(0, np.int64)
    new = np.zeros(n, bool)
    new[0] = True
    for key in keys:
        new[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(new)


def spread(counts: Ints) -> tuple[Ints, Ints]:
    """Repeat row i counts[i] times: (row of each copy, number of the copy within its row).

    >>> [part.tolist() for part in spread(np.array([2, 0, 1]))]
    [[0, 0, 2], [0, 1, 0]]
    """
    row = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    return row, np.arange(len(row)) - first[row]


def ordered(*keys: Column, in_runs: bool = True) -> Ints:
    """The order of rows by whole-number keys (n,), the first key first; rows with equal keys in any order.

    The keys are packed into one number where they fit: sorting that is five to ten times as fast as sorting by several.
    in_runs: most rows lie in order already, in some sorted runs one behind the other, which a stable sort merges; what
    lies in no order at all is sorted faster without.

    >>> ordered(np.array([2, 1, 1]), np.array([0, 9, 3])).tolist()
    [2, 1, 0]
    """
    if not len(keys[0]):
        return np.zeros(0, np.int64)
    lows = [int(key.min()) for key in keys]
    spans = [int(key.max()) - low + 1 for key, low in zip(keys, lows, strict=True)]
    if math.prod(spans) >= 1 << 63:
        return np.lexsort(keys[::-1])
    packed = np.zeros(len(keys[0]), np.int64)
    for key, low, span in zip(keys, lows, spans, strict=True):
        packed = packed * span + (key - low)
    return np.argsort(packed, kind="stable" if in_runs else None)


def matching(have: Sequence[Column], asked: Sequence[Column]) -> Ints:
    """For each of some rows, by whole-number keys (n,), the row among others (m,) with the same keys, -1 for none.

    Of several the last. Never raises.

    >>> matching([np.array([7, 9]), np.array([1, 1])], [np.array([9, 9]), np.array([1, 2])]).tolist()
    [1, -1]
    """
    m = len(have[0])
    both = [np.concatenate(keys) for keys in zip(have, asked, strict=True)]
    order = ordered(*both)
    head = np.zeros(len(order), np.int64)
    head[starts_of(*(key[order] for key in both))] = 1
    group = np.empty(len(order), np.int64)
    group[order] = np.cumsum(head) - 1
    row = np.full(int(head.sum()), -1)
    row[group[:m]] = np.arange(m)
    return row[group[m:]]


def union_us(row: Ints, start_us: Ints, end_us: Ints, n: int) -> Floats:
    """How much of time the spans of each of n rows cover, (n,) microseconds; several spans of a row may overlap.

    >>> union_us(np.array([1, 1, 1]), np.array([0, 3, 20]), np.array([5, 7, 21]), 2).tolist()
    [0.0, 8.0]
    """
    if not len(row):
        return np.zeros(n)
    order = np.lexsort((start_us, row))
    base, width = int(start_us.min()), int(end_us.max() - start_us.min()) + 1
    start, end = (row[order] * width + us[order] - base for us in (start_us, end_us))
    upto = np.append(-1, np.maximum.accumulate(end)[:-1])
    return np.asarray(np.bincount(row[order], np.maximum(end - np.maximum(start, upto), 0), n), float)
