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
    at = nearest_share(x0, y0, x1, y1)
    vx, vy = x1 - x0, y1 - y0
    closest = np.hypot(x0 + vx * at, y0 + vy * at)
    low = np.floor(closest / DISTANCE_BIN_M).astype(np.int64)
    high = np.floor(np.maximum(np.hypot(x0, y0), np.hypot(x1, y1)) / DISTANCE_BIN_M).astype(np.int64)
    row, nth = spread(high - low + 1)
    ring = low[row] + nth
    outer_ms = _within_ms(x0, y0, vx, vy, span_ms, row, np.asarray((ring + 1) * DISTANCE_BIN_M))
    outer_ms = np.where(ring == high[row], span_ms[row], outer_ms)
    inner_ms = np.where(nth == 0, 0, np.roll(outer_ms, 1))
    spent = outer_ms - inner_ms
    some = spent > 0
    return row[some], ring[some], spent[some]


def nearest_share(x0: Floats, y0: Floats, x1: Floats, y1: Floats) -> Floats:
    """Where on the way from start to end the offset is shortest, 0 to 1; the start where it never changes."""
    vx, vy = x1 - x0, y1 - y0
    speed2 = vx * vx + vy * vy
    return np.clip(-(x0 * vx + y0 * vy) / np.where(speed2 > 0, speed2, 1.0), 0.0, 1.0)


def _within_ms(x0: Floats, y0: Floats, vx: Floats, vy: Floats, span_ms: Ints, row: Ints, radius: Floats) -> Ints:
    """How long the offset of a row is shorter than a radius, milliseconds."""
    x, y, vx, vy = x0[row], y0[row], vx[row], vy[row]
    speed2 = vx * vx + vy * vy
    room = radius * radius * speed2 - (x * vy - y * vx) ** 2
    half, toward = np.sqrt(np.maximum(room, 0.0)), x * vx + y * vy
    divisor = np.where(speed2 > 0, speed2, 1.0)
    lower, upper = np.clip((-toward - half) / divisor, 0, 1), np.clip((-toward + half) / divisor, 0, 1)
    share = np.where(
        speed2 > 0,
        np.where(room > 0, upper - lower, 0.0),
        np.where(x * x + y * y < radius * radius, 1.0, 0.0),
    )
    return np.rint(share * span_ms[row]).astype(np.int64)


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
