"""Intervals of pairs and how they join, by what schema/measures.py says of each column.

A proximity, an open encounter and a closed one are the same thing at different times: an interval of a pair with sums
over it. Joining neighbours keeps the pair and the start of the first, the end of the last, sums, the most of an error,
and the nearest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.batch import Bools, Ints, build, micros, starts_of
from stswatch.pipeline.meetings import histogram
from stswatch.pipeline.schema.measures import Join, names_joined_by

PAIR = ("mmsi_a", "track_a", "mmsi_b", "track_b")
_LAST, _SUM, _MOST, _NEAREST, _ANY, _FIXES = (
    names_joined_by(join) for join in (Join.LAST, Join.SUM, Join.MOST, Join.NEAREST, Join.ANY, Join.FIXES)
)
_NOT_FIRST = {*_LAST, *_SUM, *_MOST, *_NEAREST, *_ANY, *_FIXES}


@dataclass(frozen=True)
class Runs:
    """Intervals sorted by pair and start: columns (n,) each, times in microseconds, and their bins.

    bin_row: (m,) the interval of each bin, rising. code, ms: (m,) which bin, and the time in it.
    """

    columns: Mapping[str, np.ndarray]
    bin_row: Ints
    code: Ints
    ms: Ints

    def __len__(self) -> int:
        return len(self.columns["start"])


def join(runs: Runs, head: Bools) -> Runs:
    """One interval for each head and the intervals behind it, up to the next head."""
    if len(runs) == 0:
        return runs
    given, first = runs.columns, np.flatnonzero(head)
    last = np.append(first[1:], len(runs)) - 1
    group = np.cumsum(head) - 1
    columns = {name: values[first] for name, values in given.items() if name not in _NOT_FIRST}
    columns |= {name: given[name][last] for name in _LAST}
    columns |= {name: np.add.reduceat(given[name], first) for name in _SUM}
    columns |= {name: np.maximum.reduceat(given[name], first) for name in _MOST}
    # a fix at the end of an interval is counted by the one that goes on from there, if one does
    apart = np.append(given["start"][1:] != given["end"][:-1], False)
    apart[last] = False
    for name in _FIXES:
        columns[name] = np.add.reduceat(given[name] + (apart & given[_end_fix(name)]), first)
    nearest = best(given["nearest_cm"], group, first)
    columns |= {name: given[name][nearest] for name in _NEAREST}
    columns |= {name: np.logical_or.reduceat(given[name], first) for name in _ANY if name in given}
    return Runs(columns, *summed(group[runs.bin_row], runs.code, runs.ms))


def _end_fix(fixes: str) -> str:
    """The column that says whether a fix stands at the end, of the one that counts fixes."""
    return fixes.replace("fixes", "end_fix")


def best(distance_cm: Ints, group: Ints, first: Ints) -> Ints:
    """The row of the least distance in each group; of equal ones the first, which is the earliest."""
    least = np.minimum.reduceat(distance_cm, first)[group] == distance_cm
    rows = np.flatnonzero(least)
    return rows[starts_of(group[rows])]


def summed(row: Ints, code: Ints, ms: Ints) -> tuple[Ints, Ints, Ints]:
    """One entry per row and bin, in that order."""
    number, codes = histogram.packed(code)
    return histogram.added(row, number, ms, codes)


def to_table(runs: Runs, kind: pa.Schema, columns: Mapping[str, object] | None = None) -> pa.Table:
    """The intervals as a table of this schema; `columns` gives what the runs do not hold."""
    offsets = np.searchsorted(runs.bin_row, np.arange(len(runs) + 1)).astype(np.int32)
    values = pa.StructArray.from_arrays(
        [pa.array(runs.code, pa.int32()), pa.array(runs.ms, pa.int64())], fields=list(schema.BIN)
    )
    bins = pa.ListArray.from_arrays(pa.array(offsets), values)
    return build(kind, {**runs.columns, **(columns or {}), "bins": bins.cast(kind.field("bins").type)})


def from_table(table: pa.Table) -> Runs:
    """The intervals of a table, sorted by pair and start."""
    columns = {f.name: _column(table, f) for f in table.schema if f.name != "bins"}
    bins = table["bins"].combine_chunks()
    order = np.lexsort((columns["start"], *(columns[name] for name in reversed(PAIR))))
    if (np.diff(order) != 1).any():
        bins = bins.take(pa.array(order))
        columns = {name: values[order] for name, values in columns.items()}
    return Runs(columns, *_flat(bins))


def _column(table: pa.Table, field: pa.Field) -> np.ndarray:
    return micros(table, field.name) if pa.types.is_timestamp(field.type) else np.asarray(table[field.name])


def bins_of(table: pa.Table) -> tuple[Ints, Ints, Ints]:
    """The bins of all rows: (row, code, milliseconds), (m,) each."""
    return _flat(table["bins"].combine_chunks())


def _flat(lists: pa.ListArray) -> tuple[Ints, Ints, Ints]:
    flat = lists.flatten()
    code, ms = (np.asarray(flat.field(name)).astype(np.int64) for name in ("bin", "ms"))
    count = np.asarray(lists.value_lengths()).astype(np.int64)
    return np.repeat(np.arange(len(count)), count), code, ms
