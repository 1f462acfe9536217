"""Water and land: which of them a point is on, and how far the shore is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from stswatch.geo.coast.land import FAR_KM, INTEREST_BOX, Sides, coast, cut_up, far_points, is_cut, sides, spread
from stswatch.geo.coordinates.plane import arc_km, grow_box, in_space_km
from stswatch.geo.coordinates.sphere import wrap_lon

# --------------------- A grid of cells over a tile of the Earth: each is all land, all water, or crossed by the shore
# Points in uncrossed cells are answered by looking the cell up. Points in a crossed one are walked to its centre,
# whose side is known, east or west and then north or south: each side of the coast that lies across that way changes
# land to water or back. So the answer is exact, at the cost of the few sides in one cell.

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

    >>> from stswatch.geo.coast.land import sides
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


# ---------------------------------------------- How far the shore is: the nearest of pieces of it, as points in space
# Near the shore a tree over all pieces round a tile answers; further out one over the few points of shore that are the
# nearest to any place as far out as that, which are a part of the file of the coast.

# A piece of length s puts the shore at most s / 2 too far, and only where the shore is within s / 2.
REGION_PIECE_DEG = 0.0018  # at most 200 m
WORLD_PIECE_DEG = 0.008  # at most 0.9 km; with the 0.53 km of the world layer under 1 km


@dataclass(frozen=True)
class Shore:
    """Ends of pieces of shore as points in space (n, 3), kilometres, in order, `first` and `last` (n,) of a chain."""

    ends: Floats
    first: Bools
    last: Bools
    tree: Any

    def distance_km(self, points: Floats) -> Floats:
        """Distance (m,) through space from points (m, 3) to the nearest piece; infinite where it is beyond FAR_KM."""
        distance_km, end = self.tree.query(points, distance_upper_bound=FAR_KM)
        found = np.flatnonzero(np.isfinite(distance_km))
        points, end = points[found], end[found]
        corner = self.ends[end]
        beside = end - ~self.first[end], end + ~self.last[end]
        squared = np.minimum(*(_to_piece(points - corner, self.ends[other] - corner) for other in beside))
        distance_km[found] = np.sqrt(squared)
        return np.asarray(distance_km)


def shore_round(coast: Sides, west: float, south: float, size_deg: float) -> Shore | None:
    """The shore in a tile, a square of size_deg from west and south on, and FAR_KM round it; None where there is none.

    >>> from stswatch.geo.coast.land import sides
    >>> shore_round(sides(), 150.0, 28.0, 4.0) is None  # the Pacific
    True
    >>> near = shore_round(sides(), 124.0, 36.0, 4.0)
    >>> near.distance_km(in_space_km([124.92], [38.60])).round(1).tolist()  # between Sok-do and Cho-do
    [3.6]
    """
    box = grow_box(west, south, west + size_deg, south + size_deg, 1001.0 * FAR_KM)  # along the Earth, not through it
    sides, fine = coast.near(*map(float, box))
    shore = ~is_cut(sides)
    if not shore.any():
        return None
    ends, first, last = _chains(cut_up(sides[shore], np.where(fine[shore], REGION_PIECE_DEG, WORLD_PIECE_DEG)))
    points = in_space_km(*ends.T)
    return Shore(points, first, last, _tree(points))


def _tree(points: Floats) -> Any:
    return cKDTree(points, balanced_tree=False, compact_nodes=False)


@cache
def _far_tree() -> Any:
    return _tree(in_space_km(*far_points()))


def far_km(points: Floats) -> Floats:
    """Distance (n,) through space from points (n, 3), FAR_KM or more from any shore, to the nearest, km.

    >>> far_km(in_space_km([124.0], [36.0])).round().tolist()
    [154.0]
    """
    return np.asarray(_far_tree().query(points)[0])


def _to_piece(off: Floats, way: Floats) -> Floats:
    """Squared distance of points to pieces, both given from the begin of the piece, as (n, 3)."""
    share = np.einsum("ij,ij->i", way, off) / np.maximum(np.einsum("ij,ij->i", way, way), 1e-12)
    apart = off - np.clip(share, 0.0, 1.0)[:, None] * way
    return np.asarray(np.einsum("ij,ij->i", apart, apart))


def _chains(pieces: Floats) -> tuple[Floats, Bools, Bools]:
    """Ends of pieces (n, 4) that follow each other, in order (m, 2), and which are the first and last of a chain."""
    broken = np.append((pieces[:-1, 2:] != pieces[1:, :2]).any(axis=1), True)
    chain_ends = np.flatnonzero(broken) + 1
    ends = np.insert(pieces[:, :2], chain_ends, pieces[broken, 2:], axis=0)
    last = np.zeros(len(ends), bool)
    last[chain_ends + np.arange(len(chain_ends))] = True
    return ends, np.insert(last[:-1], 0, True), last


# ---------------------------------------------- Water and land: which of them a point is on, and how far the shore is
# Shore is the coast of GSHHG with its lakes and rivers of two banks (see geo/coast/land.py). Points are lon, lat in
# degrees, WGS 84; any longitude will do. The coast is laid out a tile at a time, when a point first lies there, and
# kept: a few places cost little, and millions of points some second once.

__all__ = ["coast", "distance_inland_km", "distance_to_shore_km", "is_water"]


TILE_DEG = 4
_FINE_KM = 20.0  # so near is the shore of the region known at full resolution
# How far `distance_to_shore_km` may be off the shore as it is: by what the coast of this program was simplified to and
# cut into (tests hold it against the source), and by the source itself, of which 90 % of the shores lie within 500 m.
# Source: Soluri and Woodson 1990, World Vector Shoreline, International Hydrographic Review 67(1); GSHHG is made of it.
FINE_ERROR_KM, COARSE_ERROR_KM, SOURCE_ERROR_KM = 0.1, 1.0, 0.5
_ACROSS = 64  # a tile's points are worked on in the order of this many squares along its side: neighbours share a cache
_AT_ONCE = 1 << 15  # and so many at a time, so that what is read again is still in it


def is_water(lon: ArrayLike, lat: ArrayLike) -> Bools:
    """Whether points (n,) are on water, lakes and rivers of two banks included; False for what is no position.

    NaN, infinity and latitudes beyond +-90 are no position. Exact on the coast of geo/coast/land.py. Never raises.

    >>> is_water([124.85, 125.0, 125.4, 127.0, np.nan], [38.65, 38.65, 38.7, 39.0, 38.0]).tolist()
    [True, False, True, False, False]
    """
    x, y, shape = _points(lon, lat)
    out = np.zeros(x.shape, bool)
    for row, column, index in _by_tile(x, y):
        out[index] = ~_land(row, column).is_land(x[index], y[index])
    return out.reshape(shape)


def distance_to_shore_km(lon: ArrayLike, lat: ArrayLike) -> Floats:
    """Distance (n,) in km from points (n,) on water to the nearest shore; 0 on land, NaN for what is no position.

    Against the coast at full resolution and the WGS 84 geodesic: within 0.1 km in the region of interest where the
    shore is within 20 km, within 1 km anywhere. Never raises.

    >>> [round(float(d), 1) for d in distance_to_shore_km([124.0, 125.0, 484.0, np.nan], [38.0, 38.65, 38.0, 38.0])]
    [54.0, 0.0, 54.0, nan]
    """
    return _distance_km(lon, lat, on_land=False)


def shore_error_km(lon: ArrayLike, lat: ArrayLike, distance_km: ArrayLike) -> Floats:
    """How far the shore may be nearer or further than `distance_to_shore_km` (n,) of points says, km; never raises.

    The coast as it is here, and nine of ten shores of its source. Newer quays and land made since are further off.

    >>> shore_error_km([125.0, 125.0, 0.0], [38.6, 36.0, 38.6], [2.0, 60.0, 2.0]).tolist()
    [0.6, 1.5, 1.5]
    """
    x, y = wrap_lon(np.asarray(lon, np.float64)), np.asarray(lat, np.float64)
    west, south, east, north = INTEREST_BOX
    fine = (x >= west) & (x <= east) & (y >= south) & (y <= north) & (np.asarray(distance_km) <= _FINE_KM)
    return SOURCE_ERROR_KM + np.where(fine, FINE_ERROR_KM, COARSE_ERROR_KM)


def distance_inland_km(lon: ArrayLike, lat: ArrayLike) -> Floats:
    """Distance (n,) in km from points (n,) on land to the nearest shore, that of a lake too; else as from water.

    0 on water, NaN for what is no position; errors as of `distance_to_shore_km`. Never raises.

    >>> [round(float(d), 1) for d in distance_inland_km([126.7, 124.0], [38.75, 38.0])]
    [78.1, 0.0]
    """
    return _distance_km(lon, lat, on_land=True)


def _distance_km(lon: ArrayLike, lat: ArrayLike, on_land: bool) -> Floats:
    x, y, shape = _points(lon, lat)
    out = np.full(x.shape, np.nan)
    for row, column, index in _by_tile(x, y):
        out[index] = 0.0
        index = index[_land(row, column).is_land(x[index], y[index]) == on_land]
        if index.size:
            out[index] = _to_shore_km(_shore(row, column), x[index], y[index])
    return out.reshape(shape)


def _to_shore_km(near: Shore | None, lon: Floats, lat: Floats) -> Floats:
    points = in_space_km(lon, lat)
    chord_km = np.full(len(lon), np.inf) if near is None else near.distance_km(points)
    far = np.flatnonzero(np.isinf(chord_km))
    if far.size:
        chord_km[far] = far_km(points[far])
    return arc_km(chord_km)


def _points(lon: ArrayLike, lat: ArrayLike) -> tuple[Floats, Floats, tuple[int, ...]]:
    """Both as arrays (n,), longitudes wrapped, and the shape that they came in."""
    x, y = np.broadcast_arrays(np.asarray(lon, np.float64), np.asarray(lat, np.float64))
    return np.atleast_1d(wrap_lon(x)).ravel(), np.atleast_1d(y).ravel(), np.atleast_1d(x).shape


def _by_tile(lon: Floats, lat: Floats) -> Iterator[tuple[int, int, Ints]]:
    """Rows and columns of tiles with the indices of points in them, each point that is a position once."""
    known = np.flatnonzero((np.abs(lon) <= 180.0) & (np.abs(lat) <= 90.0))  # not NaN; 1e300 cannot be wrapped
    per_deg, columns = _ACROSS // TILE_DEG, 360 // TILE_DEG
    up = np.minimum(((lat[known] + 90.0) * per_deg).astype(np.int64), 180 * per_deg - 1)
    right = np.minimum(((lon[known] + 180.0) * per_deg).astype(np.int64), 360 * per_deg - 1)
    tile = up // _ACROSS * columns + right // _ACROSS
    order = np.argsort((tile * _ACROSS + up % _ACROSS) * _ACROSS + right % _ACROSS, kind="stable")
    known, tile = known[order], tile[order]
    begin = np.flatnonzero(np.diff(tile, prepend=-1))
    for first, after in zip(begin.tolist(), np.append(begin, len(tile))[1:].tolist(), strict=True):
        row, column = divmod(int(tile[first]), columns)
        for part in range(first, after, _AT_ONCE):
            yield row, column, known[part : min(part + _AT_ONCE, after)]


def _corner(row: int, column: int) -> tuple[float, float]:
    return column * TILE_DEG - 180.0, row * TILE_DEG - 90.0


@cache
def _land(row: int, column: int) -> LandGrid:
    return land_grid(sides(), *_corner(row, column), TILE_DEG)


@cache
def _shore(row: int, column: int) -> Shore | None:
    return shore_round(sides(), *_corner(row, column), TILE_DEG)
