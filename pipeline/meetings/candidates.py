"""Which legs can be near each other: those whose grown boxes share a cell and a moment.

An incremental interval join: new legs meet new ones and kept ones, kept ones never meet again, so each pair of legs is
tested once. A pair is reported only from the cell that holds the south-west corner of where both boxes overlap: both
touch that cell, there is one such cell, and it belongs to one shard. The corner lies at the greater of the two western
sides and of the two southern sides, so it lies in a shared cell just when one box has its western side there and one
its southern side. (Within 300 m of a pole, where a box goes round the Earth, a pair may be reported twice.)

Most kept legs ended before any new one near them began: kept are the legs of hours, new those of minutes where a slice
is short or a watch looks. Asking a map of the Earth in squares of half a degree which do not costs some hundredths of
what it costs to look for neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import numpy as np
import pyarrow as pa

from stswatch.geo.coordinates import cells
from stswatch.geo.coordinates.plane import LEAST_M_PER_DEG
from stswatch.geo.coordinates.sphere import wrap_lon
from stswatch.pipeline.batch import Bools, Floats, Ints, micros, spread, starts_of
from stswatch.pipeline.routes import cell_shard

_PAIRS_AT_ONCE = 400_000


@dataclass(frozen=True)
class Boxes:
    """Boxes of legs in space and time, (n,) each; `west` lies in [-180, 180), `width` reaches east from it."""

    west: Floats
    width: Floats
    south: Floats
    north: Floats
    start_us: Ints
    end_us: Ints
    new: Bools


def candidates(boxes: Boxes, shard: int, shards: int) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of legs (i, j) whose boxes meet in space and time, at least one of them new, each pair once; in parts."""
    leg, cell = cells.cover(boxes.west, boxes.south, boxes.west + boxes.width, boxes.north, level="fine")
    sides = _sides(leg, cell)
    if shards > 1:
        mine = cell_shard(cells.parent(cell), shards) == shard
        leg, cell, sides = leg[mine], cell[mine], sides[mine]
    if not len(leg):
        return
    entries = _Entries.of(leg, cell, sides, boxes)
    new, kept = (entries.those(at) for at in (boxes.new[entries.leg], ~boxes.new[entries.leg]))
    # of two legs that start at once the new one counts as the earlier, else both sides would find the pair
    for left, right, side in ((new, None, "left"), (new, kept, "left"), (kept, new, "right")):
        for i, j in _starting_within(left, right, side):
            meet = _overlap(boxes, i, j)
            if meet.any():
                yield i[meet], j[meet]


def _sides(leg: Ints, cell: Ints) -> Ints:
    """Which sides of its box each cell of a cover holds: 1 the western, 2 the southern, 3 both."""
    row = cells.fine_row(cell)
    first = starts_of(leg)
    southern = row == np.repeat(row[first], np.diff(np.append(first, len(leg))))
    western = np.zeros(len(leg), bool)
    western[starts_of(leg, row)] = True
    return np.asarray(western + 2 * southern.astype(np.int64))


@dataclass(frozen=True)
class _Entries:
    """Legs by the cells they touch, sorted by cell and start; both in one whole number, (m,) each."""

    leg: Ints
    sides: Ints
    start: Ints
    end: Ints

    @staticmethod
    def of(leg: Ints, cell: Ints, sides: Ints, boxes: Boxes) -> _Entries:
        base = boxes.start_us.min()
        span = int(boxes.end_us.max() - base) + 1
        order = np.argsort(cell, kind="stable")  # legs lie by vessel, and so mostly by cell
        leg, cell, sides = leg[order], cell[order], sides[order]
        code = np.cumsum(np.diff(cell, prepend=cell[:1]) != 0) * span
        start, end = code + boxes.start_us[leg] - base, code + boxes.end_us[leg] - base
        order = np.argsort(start, kind="stable")
        return _Entries(leg[order], sides[order], start[order], end[order])

    def those(self, at: Bools) -> _Entries:
        return self if at.all() else _Entries(self.leg[at], self.sides[at], self.start[at], self.end[at])


def _starting_within(left: _Entries, right: _Entries | None, side: str) -> Iterator[tuple[Ints, Ints]]:
    """Pairs where the right leg starts while the left one lasts, in the one cell that reports them.

    Without a right side left ones meet each other.
    """
    other = left if right is None else right
    if not len(left.leg) or not len(other.leg):
        return
    if right is None:
        first = np.arange(1, len(left.leg) + 1)
    else:
        first = np.searchsorted(other.start, left.start, side="left" if side == "left" else "right")
    count = np.maximum(np.searchsorted(other.start, left.end, side="left") - first, 0)
    total = np.cumsum(count)
    cuts = np.unique(np.append(np.searchsorted(total, np.arange(0, total[-1], _PAIRS_AT_ONCE)), [0, len(count)]))
    for begin, stop in pairwise(cuts.tolist()):
        row, nth = spread(count[begin:stop])
        i, j = begin + row, first[begin:stop][row] + nth
        here = np.flatnonzero((left.sides[i] | other.sides[j]) == 3)
        yield left.leg[i[here]], other.leg[j[here]]


def _overlap(boxes: Boxes, i: Ints, j: Ints) -> Bools:
    """Whether two boxes overlap."""
    east_of = boxes.west[j] - boxes.west[i]
    if np.abs(east_of).max(initial=0.0) > 180.0:
        east_of = wrap_lon(east_of)
    beside = np.where(east_of >= 0, east_of <= boxes.width[i], -east_of <= boxes.width[j])
    return np.asarray(beside & (boxes.south[i] <= boxes.north[j]) & (boxes.south[j] <= boxes.north[i]))


_DEG = 0.5
_ROWS, _COLUMNS = round(180 / _DEG), round(360 / _DEG)
_NEVER = np.iinfo(np.int64).max


def prune_legs(kept: pa.Table, new: pa.Table, distance_m: float) -> Bools:
    """Whether each kept leg, (n,), lasts when a new leg within the distance of it may have begun; never misses one.

    kept, new: schema.LEGS.
    """
    if not kept.num_rows:
        return np.zeros(0, bool)
    begun = np.full(_ROWS * _COLUMNS, _NEVER)
    np.minimum.at(begun, _square(new), micros(new, "start"))
    up, aside = _reach(kept, new, distance_m)
    nearest = _least_around(begun.reshape(_ROWS, _COLUMNS), up, aside)
    return np.asarray(micros(kept, "end") > nearest.ravel()[_square(kept)])


def _square(legs: pa.Table) -> Ints:
    """The square in which each leg begins; longitudes of any turn."""
    column, row = (np.floor(np.asarray(legs[name]) / _DEG).astype(np.int64) for name in ("lon0", "lat0"))
    return np.minimum(row + _ROWS // 2, _ROWS - 1) * _COLUMNS + column % _COLUMNS


def _reach(kept: pa.Table, new: pa.Table, distance_m: float) -> tuple[int, int]:
    """How many squares to the north or south, and to the east or west, two legs that meet can begin from each other."""
    wide_deg, high_deg, furthest_deg = np.zeros(2), np.zeros(2), 0.0
    for k, legs in enumerate((kept, new)):
        lon0, lat0, lon1, lat1 = (np.asarray(legs[name]) for name in ("lon0", "lat0", "lon1", "lat1"))
        wide_deg[k], high_deg[k] = _most(lon1 - lon0), _most(lat1 - lat0)
        furthest_deg = max(furthest_deg, _most(lat0), _most(lat1))
    apart_deg = 2 * distance_m / LEAST_M_PER_DEG  # twice: for the bend of the way, as grown boxes have it
    up = np.ceil((high_deg.sum() + apart_deg) / _DEG)
    narrowest = max(np.cos(np.radians(min(furthest_deg + apart_deg, 90.0))), 1e-6)
    aside = np.ceil((wide_deg.sum() + apart_deg / narrowest) / _DEG)
    return int(min(up, _ROWS)), int(min(aside, _COLUMNS // 2))


def _most(degrees: Floats) -> float:
    return float(np.abs(degrees).max(initial=0.0))


def _least_around(values: Ints, up: int, aside: int) -> Ints:
    """The least value within so many rows and columns of each; columns go round."""
    n, m = values.shape
    rows = np.pad(values, ((up, up), (0, 0)), constant_values=_NEVER)
    least = reduce(np.minimum, (rows[k : k + n] for k in range(2 * up + 1)))
    columns = np.pad(least, ((0, 0), (aside, aside)), mode="wrap")
    return reduce(np.minimum, (columns[:, k : k + m] for k in range(2 * aside + 1)))
