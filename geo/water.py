"""Water and land: which of them a point is on, and how far the shore is.

Shore is the coast of GSHHG with its lakes and rivers of two banks (see geo/coast.py). Points are lon, lat in degrees,
WGS 84; any longitude will do. The coast is laid out a tile at a time, when a point first lies there, and kept: a few
places cost little, and millions of points some second once.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stswatch.geo.coast import INTEREST_BOX, coast
from stswatch.geo.land_grid import LandGrid, land_grid
from stswatch.geo.longitude import wrap_lon
from stswatch.geo.shore import Shore, far_km, shore_round
from stswatch.geo.sides import sides
from stswatch.geo.space import arc_km, in_space_km

__all__ = ["coast", "distance_inland_km", "distance_to_shore_km", "is_water"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

TILE_DEG = 4
_FINE_KM = 20.0  # so near is the shore of the region known at full resolution
_ACROSS = 64  # a tile's points are worked on in the order of this many squares along its side: neighbours share a cache
_AT_ONCE = 1 << 15  # and so many at a time, so that what is read again is still in it


def is_water(lon: ArrayLike, lat: ArrayLike) -> Bools:
    """Whether points (n,) are on water, lakes and rivers of two banks included; False for what is no position.

    NaN, infinity and latitudes beyond +-90 are no position. Exact on the coast of geo/coast.py. Never raises.

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
    """How far `distance_to_shore_km` (n,) of points may be off, km; never raises.

    >>> shore_error_km([125.0, 125.0, 0.0], [38.6, 36.0, 38.6], [2.0, 60.0, 2.0]).tolist()
    [0.1, 1.0, 1.0]
    """
    x, y = wrap_lon(np.asarray(lon, np.float64)), np.asarray(lat, np.float64)
    west, south, east, north = INTEREST_BOX
    fine = (x >= west) & (x <= east) & (y >= south) & (y <= north) & (np.asarray(distance_km) <= _FINE_KM)
    return np.where(fine, 0.1, 1.0)


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
