"""A grid of cells over a tile of the Earth: each is all land, all water, or crossed by the shore.

Points in uncrossed cells are answered by looking the cell up. Points in a crossed one are walked to its centre, whose
side is known, east or west and then north or south: each side of the coast that lies across that way changes land to
water or back. So the answer is exact, at the cost of the few sides in one cell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stswatch.geo.sides import Sides, cut_up, spread

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

WATER, LAND = -1, -2
# Cells are small enough that a crossed one holds some ten sides, and not more than fit into memory beside the sides.
MOST_CELLS = 512
# The coast has its points at whole multiples of a unit: lines of centres off by this never go through one. Off in one
# direction by another share than in the other, or a side at 45 degrees would go through a centre.
OFF_DEG = 3.3217e-7, 1.2919e-7


@dataclass(frozen=True)
class LandGrid:
    """Cells of one size, degrees, from west and south on, as many rows as columns.

    `cell` (rows, columns), south row first, is WATER or LAND, or k >= 0 where the shore crosses: `land[k]` says then
    what its centre is, and the sides that touch it are first[k]:first[k + 1] of `sides` (4, m), lon0, lat0, lon1, lat1.
    """

    west: float
    south: float
    cell_deg: float
    cell: NDArray[np.int32]
    land: Bools
    first: Ints
    sides: Floats

    def is_land(self, lon: Floats, lat: Floats) -> Bools:
        """Whether points (n,) in the grid are on land; those on the shore itself are on either side."""
        most = len(self.cell) - 1
        column = np.minimum(((lon - self.west) / self.cell_deg).astype(np.int64), most)
        row = np.minimum(((lat - self.south) / self.cell_deg).astype(np.int64), most)
        cell = self.cell[row, column]
        land = cell == LAND
        near = np.flatnonzero(cell >= 0)
        if near.size:
            cell, row, column = cell[near], row[near], column[near]
            x, y = _centres((self.west, self.south), (column, row), self.cell_deg)
            point, side = spread(self.first[cell], self.first[cell + 1])
            odd = _odd(lon[near], lat[near], x, y, point, self.sides[:, side])
            land[near] = self.land[cell] ^ odd
        return np.asarray(land)


def _odd(lon: Floats, lat: Floats, x: Floats, y: Floats, point: Ints, sides: Floats) -> Bools:
    """Whether the ways lon, lat -> x, lat -> x, y (n,) are crossed an odd number of times by the sides of each point.

    `point` (m,) says whose each of sides (4, m) is.
    """
    lon0, lat0, lon1, lat1 = sides
    py, cx = lat[point], x[point]
    k = np.flatnonzero((lat0 <= py) != (lat1 <= py))  # few sides get past the first test
    at, p = _where(lat0[k], lon0[k], lat1[k], lon1[k], py[k]), point[k]
    crossed = p[(at <= lon[p]) != (at <= x[p])]
    k = np.flatnonzero((lon0 <= cx) != (lon1 <= cx))
    at, p = _where(lon0[k], lat0[k], lon1[k], lat1[k], cx[k]), point[k]
    crossed = np.concatenate([crossed, p[(at <= lat[p]) != (at <= y[p])]])
    return np.asarray(np.bincount(crossed, minlength=len(lon)) % 2 == 1)


def _centres(corner: tuple[float, float], k: tuple[Ints, Ints], cell_deg: float) -> tuple[Floats, Floats]:
    """Longitudes and latitudes of the centres in columns and rows from a corner on."""
    lon, lat = (a + (i + 0.5) * cell_deg + off for a, i, off in zip(corner, k, OFF_DEG, strict=True))
    return np.asarray(lon), np.asarray(lat)


def _where(along0: Floats, across0: Floats, along1: Floats, across1: Floats, along: Floats | float) -> Floats:
    """Where sides come across a line."""
    return np.asarray(across0 + (along - along0) / (along1 - along0) * (across1 - across0))


def land_grid(coast: Sides, west: float, south: float, size_deg: float) -> LandGrid:
    """The grid of a tile, a square of size_deg from west and south on.

    >>> from stswatch.geo.sides import sides
    >>> grid = land_grid(sides(), 124.0, 36.0, 4.0)
    >>> grid.is_land(np.array([125.75, 124.5]), np.array([39.03, 38.0])).tolist()  # Pyongyang, the Yellow Sea
    [True, False]
    """
    sides = coast.near(west, south, west + size_deg, south + size_deg)[0]
    count = min(2 ** int(np.ceil(np.log2(2.0 * np.sqrt(len(sides))))), MOST_CELLS) if len(sides) else 1
    cell_deg = size_deg / count
    x, y = _centres((west, south), (np.arange(count),) * 2, cell_deg)
    pieces = cut_up(sides, cell_deg)
    land = _centres_on_land(pieces, _is_land(coast, x[0], y[0]), x, y)
    row, column, piece = _touched(pieces, west, south, cell_deg, count)
    key, k = np.unique(row * count + column, return_inverse=True)
    cell = np.where(land, LAND, WATER).astype(np.int32)
    cell.ravel()[key] = np.arange(len(key))
    first = np.concatenate([[0], np.cumsum(np.bincount(k, minlength=len(key)))])
    held = np.ascontiguousarray(pieces[piece[np.argsort(k, kind="stable")]].T)
    return LandGrid(west, south, cell_deg, cell, land.ravel()[key], first, held)


def _touched(sides: Floats, west: float, south: float, cell_deg: float, count: int) -> tuple[Ints, Ints, Ints]:
    """Cells of the grid that the boxes of sides touch, as (row (k,), column (k,), side (k,))."""
    lon0, lat0, lon1, lat1 = sides.T

    def k(value: Floats, origin: float) -> Ints:
        return np.clip(np.floor((value - origin) / cell_deg), -1, count).astype(np.int64)

    # a hair wider: what lies on the line between two cells may be looked up in either
    left, right = k(np.minimum(lon0, lon1) - 1e-9, west), k(np.maximum(lon0, lon1) + 1e-9, west)
    low, high = k(np.minimum(lat0, lat1) - 1e-9, south), k(np.maximum(lat0, lat1) + 1e-9, south)
    wide = right - left + 1
    side, nth = spread(np.zeros(len(sides), np.int64), wide * (high - low + 1))
    row, column = low[side] + nth // wide[side], left[side] + nth % wide[side]
    inside = (row >= 0) & (row < count) & (column >= 0) & (column < count)
    return row[inside], column[inside], side[inside]


def _is_land(coast: Sides, lon: float, lat: float) -> bool:
    """Whether a point is on land, from all that lies west of it."""
    lon0, lat0, lon1, lat1 = coast.west_of(lon, lat).T
    k = np.flatnonzero((lat0 <= lat) != (lat1 <= lat))
    return bool(np.count_nonzero(_where(lat0[k], lon0[k], lat1[k], lon1[k], lat) <= lon) % 2)


def _centres_on_land(sides: Floats, first_is_land: bool, x: Floats, y: Floats) -> Bools:
    """Whether the centres at x (n,), y (n,) are on land, as (n, n), from that of the first.

    Up the first column, and from there along each row, every side that comes across between two of them changes it.
    """
    column = _changes(sides[:, [1, 0, 3, 2]], x[:1], y)[0]
    column[0] = first_is_land
    rows = _changes(sides, y, x)
    rows[:, 0] = np.bitwise_xor.accumulate(column)
    return np.asarray(np.bitwise_xor.accumulate(rows, axis=1).astype(bool))


def _changes(sides: Floats, across: Floats, along: Floats) -> NDArray[np.uint8]:
    """Along lines at `across` (r,): 1 where an odd number of sides comes between two of the places `along` (n,).

    Both ascend. Entry (r, k) is of what lies between along[k - 1] and along[k], entry (r, 0) of what lies before.
    """
    along0, across0, along1, across1 = sides.T
    out = np.zeros((len(across), len(along) + 1), np.uint8)
    low, high = (np.searchsorted(across, f(across0, across1), "left") for f in (np.minimum, np.maximum))
    side, line = spread(low, high)
    at = _where(across0[side], along0[side], across1[side], along1[side], across[line])
    np.bitwise_xor.at(out, (line, np.searchsorted(along, at)), 1)
    return out[:, :-1]
