"""Time spent in each bin of distance or speed: whole milliseconds, so that sums do not depend on their order.

One number codes a bin: what is measured (DISTANCE, SPEED_A, SPEED_B), and the number of the bin in the low 24 bits.
Distance bin n holds [5 n, 5 n + 5) m; speed bin n holds the speeds that round to n tenths of a knot.
"""

from __future__ import annotations

import numpy as np

from stswatch.pipeline.batch import Floats, Ints, spread

DISTANCE_BIN_M = 5.0
SPEED_BIN_KN = 0.1
DISTANCE, SPEED_A, SPEED_B = (what << 24 for what in range(3))
_NUMBER = (1 << 24) - 1


def packed(code: Ints) -> tuple[Ints, int]:
    """Codes as numbers in the same order without the room between what is measured: (m,), and how many there can be.

    >>> packed(np.array([DISTANCE + 99, SPEED_A + 3]))
    (array([ 99, 103]), 300)
    """
    width = int((code & _NUMBER).max(initial=0)) + 1
    return (code >> 24) * width + (code & _NUMBER), 3 * width


def unpacked(number: Ints, of: int) -> Ints:
    """The codes that `packed` was given."""
    width = of // 3
    return (number // width << 24) + number % width


def medians(row: Ints, code: Ints, ms: Ints, what: int, rows: int) -> Floats:
    """The median of one quantity for each of n rows, weighted by time, in metres or knots; NaN where unknown.

    row, code, ms: (m,) bins sorted by row and code. what: DISTANCE, SPEED_A or SPEED_B.
    """
    at = np.flatnonzero(code >> 24 == what >> 24)
    middle = median(row[at], code[at] - what, ms[at], rows)
    return middle * DISTANCE_BIN_M if what == DISTANCE else np.maximum(middle - 0.5, 0.0) * SPEED_BIN_KN


def distance_bins(x0: Floats, y0: Floats, x1: Floats, y1: Floats, span_ms: Ints) -> tuple[Ints, Ints, Ints]:
    """How long an even motion from (x0, y0) to (x1, y1) keeps in each ring of 5 m: (row, ring, milliseconds).

    x0, y0, x1, y1: (n,) metres, the offset of b from a at both ends. span_ms: (n,) milliseconds. The milliseconds of a
    row add up to its span.
    """
    vx, vy = x1 - x0, y1 - y0
    speed2 = vx * vx + vy * vy
    divisor = np.where(speed2 > 0, speed2, 1.0)
    # on the whole line of the motion: when, as a share of the span, the offset is shortest, and its square there
    shortest, across = -(x0 * vx + y0 * vy) / divisor, x0 * vy - y0 * vx
    across2 = across * across / divisor
    at = np.clip(shortest, 0.0, 1.0)
    low, high = (
        np.floor(away / DISTANCE_BIN_M).astype(np.int64)
        for away in (np.hypot(x0 + vx * at, y0 + vy * at), np.maximum(np.hypot(x0, y0), np.hypot(x1, y1)))
    )
    row, nth = spread(high - low)  # the rings but for the last, which has what is left of the span
    ring = low[row] + nth
    radius = (ring + 1) * DISTANCE_BIN_M
    half = np.sqrt(np.maximum(radius * radius - across2[row], 0.0) / divisor[row])
    shortest = shortest[row]
    share = np.clip(shortest + half, 0.0, 1.0) - np.clip(shortest - half, 0.0, 1.0)
    upto_ms = np.rint(share * span_ms[row]).astype(np.int64)
    left_ms = span_ms.copy()
    last = np.flatnonzero(nth == (high - low)[row] - 1)
    left_ms[row[last]] -= upto_ms[last]
    spent_ms = np.diff(upto_ms, prepend=0)
    first = np.flatnonzero(nth == 0)
    spent_ms[first] = upto_ms[first]
    row, ring = np.concatenate([row, np.arange(len(low))]), np.concatenate([ring, high])
    spent_ms = np.concatenate([spent_ms, left_ms])
    some = np.flatnonzero(spent_ms)
    return row[some], ring[some], spent_ms[some]


def nearest_share(x0: Floats, y0: Floats, x1: Floats, y1: Floats) -> Floats:
    """Where on the way from start to end the offset is shortest, 0 to 1; the start where it never changes."""
    vx, vy = x1 - x0, y1 - y0
    speed2 = vx * vx + vy * vy
    return np.clip(-(x0 * vx + y0 * vy) / np.where(speed2 > 0, speed2, 1.0), 0.0, 1.0)


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
