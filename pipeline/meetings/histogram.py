"""Time spent in each bin of distance, speed or angle: whole milliseconds, so that sums do not depend on their order.

One number codes a bin: what is measured (DISTANCE, SPEED_A, SPEED_B, ANGLE), and the number of the bin in the low 24
bits. Distance bin n holds [5 n, 5 n + 5) m; speed bin n holds the speeds that round to n tenths of a knot; angle bin n
holds [5 n, 5 n + 5) degrees between the keels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stswatch.pipeline.batch import Column, Floats, Ints, spread, starts_of

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
    number = code & _NUMBER
    kinds = [np.flatnonzero(code >> 24 == what >> 24) for what in KINDS]
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
        order = some[np.argsort(key[some])]
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
