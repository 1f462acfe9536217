"""Intervals of nearness: joined, and their distances as counts that add up exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.batch import Bools, Column, Floats, Ints, build, micros, spread, starts_of
from stswatch.pipeline.schema.measures import Join, names_joined_by

# ----------------------------------------------------------------------------------------------------------------
# Time spent in each bin of distance, speed or angle: whole milliseconds, so that sums do not depend on their order
# One number codes a bin: what is measured (DISTANCE, SPEED_A, SPEED_B, ANGLE), and the number of the bin in the low
# 24 bits. Distance bin n holds [5 n, 5 n + 5) m; speed bin n holds the speeds that round to n tenths of a knot; angle
# bin n holds [5 n, 5 n + 5) degrees between the keels.

DISTANCE_BIN_M = 5.0
SPEED_BIN_KN = 0.1
ANGLE_BIN_DEG = 5
DISTANCE, SPEED_A, SPEED_B, ANGLE = KINDS = tuple(what << 24 for what in range(4))
_NUMBER = (1 << 24) - 1
_DENSE = 8  # cells of a table of rows and bins, per entry, up to which filling it is faster than sorting


def packed(code: Ints) -> tuple[Ints, Ints]:
    """Codes as numbers in the same order without the room between what is measured: (m,), and the code of each number.

    >>> number, codes = packed(np.array([DISTANCE + 2, SPEED_A + 1, SPEED_A + 0]))
    >>> number.tolist(), (codes[number] - SPEED_A).tolist()[1:]
    ([2, 4, 3], [1, 0])
    """
    number, kind = code & _NUMBER, (code >> 24).astype(np.int8)
    kinds = [np.flatnonzero(kind == what >> 24) for what in KINDS]
    codes, begins = layout(*(number[rows] for rows in kinds))
    for rows, begin in zip(kinds[1:], begins[1:], strict=True):
        number[rows] += begin
    return number, codes


def layout(*numbers: Ints) -> tuple[Ints, list[int]]:
    """The codes of all bins up to the greatest given of each quantity, (k,) rising, and where those of each begin.

    numbers: the bins of each of KINDS, in that order.
    """
    count = [int(number.max(initial=-1)) + 1 for number in numbers]
    codes = np.concatenate([what + np.arange(n) for what, n in zip(KINDS, count, strict=True)])
    return codes, [sum(count[:k]) for k in range(len(count))]


def angle_bins(heading_a_deg: Ints, heading_b_deg: Ints) -> Ints:
    """The bin of the angle between two keels, whichever way the bows: 0 side by side, the last one straight across.

    >>> angle_bins(np.array([10, 10, 350, 0]), np.array([12, 191, 85, 90])).tolist()
    [0, 0, 17, 18]
    """
    apart_deg = np.abs(heading_a_deg - heading_b_deg) % 180
    return np.asarray(np.minimum(apart_deg, 180 - apart_deg) // ANGLE_BIN_DEG)


def added(row: Ints, number: Ints, ms: Column, codes: Ints) -> tuple[Ints, Ints, Ints]:
    """Times of the same row and bin added up: (row, code, ms), sorted by row and code, none without time.

    number: (m,) place of the bin in `codes`, which rise. ms: whole numbers, whatever their type.
    """
    key = row * len(codes) + number
    if len(key) and key.max() < _DENSE * len(key):  # many fall into the same bins, as in a crowd: count, do not sort
        total = np.bincount(key, weights=ms)  # exact: whole numbers far below 2**53
        key = np.flatnonzero(total)
        total = total[key]
    else:
        some = np.flatnonzero(ms)
        order = some[np.argsort(key[some], kind="stable")]
        key = key[order]
        head = starts_of(key)
        key, total = key[head], np.add.reduceat(ms[order], head) if len(head) else ms[order]
    row = key // len(codes)
    return row, codes[key - row * len(codes)], total.astype(np.int64)


def medians(row: Ints, code: Ints, ms: Ints, what: int, rows: int) -> Floats:
    """The median of one quantity for each of n rows, weighted by time: metres, knots, degrees; NaN where unknown.

    row, code, ms: (m,) bins sorted by row and code. what: one of KINDS.
    """
    at = np.flatnonzero(code >> 24 == what >> 24)
    middle = median(row[at], code[at] - what, ms[at], rows)
    if what == DISTANCE:
        return middle * DISTANCE_BIN_M
    if what == ANGLE:
        return np.minimum(middle * ANGLE_BIN_DEG, 90.0)
    return np.maximum(middle - 0.5, 0.0) * SPEED_BIN_KN


def share_below(row: Ints, code: Ints, ms: Ints, metres: float, rows: int) -> Floats:
    """What share of its time each of n rows spent in the bins of distance that end at so many metres or before.

    row, code, ms: (m,) bins of any order.
    """
    at = code >> 24 == DISTANCE >> 24
    near = at & (code - DISTANCE < metres // DISTANCE_BIN_M)
    whole, part = (np.bincount(row[some], weights=ms[some], minlength=rows) for some in (at, near))
    return np.asarray(part / np.maximum(whole, 1))


@dataclass(frozen=True)
class Motion:
    """Even motions of b beside a, (n,) each: the offset at the start and its change to the end, metres.

    shortest: when the offset is shortest on the whole line of the motion, as a share of its span. at: the same within
    the span, at the start where it never changes. nearest_m: how long it is then.
    """

    x0: Floats
    y0: Floats
    vx: Floats
    vy: Floats
    speed2: Floats
    shortest: Floats
    at: Floats
    nearest_m: Floats

    @staticmethod
    def of(x0: Floats, y0: Floats, x1: Floats, y1: Floats) -> Motion:
        """From the offsets at both ends, metres."""
        vx, vy = x1 - x0, y1 - y0
        speed2 = vx * vx + vy * vy
        speed2[speed2 == 0] = 1.0  # what never changes is as near as at the start
        shortest = -(x0 * vx + y0 * vy) / speed2
        at = np.clip(shortest, 0.0, 1.0)
        x, y = x0 + vx * at, y0 + vy * at
        return Motion(x0, y0, vx, vy, speed2, shortest, at, np.sqrt(x * x + y * y))

    def rings(self, span_ms: Ints) -> tuple[Ints, Ints, Floats]:
        """How long each keeps in each ring of 5 m: (row, ring, milliseconds); those of a row add up to its span.

        span_ms: (n,) whole milliseconds, as are those given.
        """
        x1, y1 = self.x0 + self.vx, self.y0 + self.vy
        furthest2 = np.maximum(self.x0 * self.x0 + self.y0 * self.y0, x1 * x1 + y1 * y1)
        low = np.floor(self.nearest_m / DISTANCE_BIN_M).astype(np.int64)
        high = np.maximum(np.floor(np.sqrt(furthest2) / DISTANCE_BIN_M).astype(np.int64), low)
        row, nth = spread(high - low)  # the rings but for the last, which has what is left of the span
        ring = low[row] + nth
        radius = (ring + 1) * DISTANCE_BIN_M
        across = self.x0 * self.vy - self.y0 * self.vx
        across2, speed2 = across * across / self.speed2, self.speed2
        half = np.sqrt(np.maximum(radius * radius - across2[row], 0.0) / speed2[row])
        shortest = self.shortest[row]
        share = np.clip(shortest + half, 0.0, 1.0) - np.clip(shortest - half, 0.0, 1.0)
        upto_ms = np.rint(share * span_ms[row])
        left_ms = span_ms.astype(np.float64)
        last = np.flatnonzero(nth == (high - low)[row] - 1)
        left_ms[row[last]] -= upto_ms[last]
        spent_ms = np.diff(upto_ms, prepend=0)
        first = np.flatnonzero(nth == 0)
        spent_ms[first] = upto_ms[first]
        return (
            np.concatenate([row, np.arange(len(low))]),
            np.concatenate([ring, high]),
            np.concatenate([spent_ms, left_ms]),
        )


def median(group: Ints, bin_: Ints, weight: Ints, groups: int) -> Floats:
    """The weighted median of each group, in bins, evenly spread within the bin; NaN for an empty group.

    group, bin_, weight: (m,) sorted by group and bin.
    """
    out = np.full(groups, np.nan)
    if not len(group):
        return out
    total = np.bincount(group, weights=weight, minlength=groups)
    before_group = np.concatenate([[0], np.cumsum(total)[:-1]])
    upto = np.cumsum(weight)
    half = before_group + total / 2
    row = np.searchsorted(upto, half, side="left")
    some = total > 0
    row = np.minimum(row, len(group) - 1)
    into = (half - (upto[row] - weight[row])) / np.maximum(weight[row], 1)
    out[some] = (bin_[row] + into)[some]
    return out


# ------------------------------- Intervals of pairs and how they join, by what schema/measures.py says of each column
# A proximity, an open encounter and a closed one are the same thing at different times: an interval of a pair with
# sums over it. Joining neighbours keeps the pair and the start of the first, the end of the last, sums, the most of
# an error, and the nearest.

PAIR = ("mmsi_a", "track_a", "mmsi_b", "track_b")
_LAST, _SUM, _MOST, _NEAREST, _FIXES = (
    names_joined_by(join) for join in (Join.LAST, Join.SUM, Join.MOST, Join.NEAREST, Join.FIXES)
)
_NOT_FIRST = {*_LAST, *_SUM, *_MOST, *_NEAREST, *_FIXES}


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
    number, codes = packed(code)
    return added(row, number, ms, codes)


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
