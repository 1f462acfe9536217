"""How far ports are by sea from many places: a net of places 5 km apart, worked out where it is asked for and kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stswatch.geo.gnomonic import to_plane
from stswatch.geo.inner_land import inner_land
from stswatch.geo.longitude import wrap_lon
from stswatch.geo.sea import BySea, port_distance_km
from stswatch.geo.sea_lattice import LEVELS, PER_DEG, SOUTH, WEST, lattice
from stswatch.geo.sea_ways import crosses_shore
from stswatch.geo.space import apart_km, in_space_km

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Singles = NDArray[np.float32]

_STEP = LEVELS[1].step
_TILE = 16  # nodes along the side of a tile
_TILES_KEPT = 1000  # 4 kB a port each


def reach_km(lon: ArrayLike, lat: ArrayLike, port_ids: Sequence[str]) -> BySea:
    """Distances by sea (n, k) from points (n,) to ports, by their ids: as `port_distance_km`, cheaper and less sharp.

    Each point takes the answer of the node of the net next to it, some 4 km off at most: the value is longer by as
    much, the bound shorter. A point with land before that node gets the sharp answer. Raises KeyError for an id that
    is none.

    >>> value, bound = reach_km([124.0], [38.0], ["nampo"])
    >>> sharp = port_distance_km([124.0], [38.0], ["nampo"])
    >>> bool(bound[0] <= sharp.bound_km[0] <= value[0] < bound[0] + 20.0)
    True
    """
    x, y = (np.asarray(v, np.float64).ravel() for v in np.broadcast_arrays(wrap_lon(lon), lat))
    value, bound = (np.full((len(x), len(port_ids)), np.nan) for _ in range(2))
    point, row, column = _next_nodes(x, y)
    tile = row // _TILE * 10_000 + column // _TILE
    for one in np.unique(tile).tolist():
        up, right = divmod(one, 10_000)
        here = np.flatnonzero(tile == one)
        held_value, held_bound = _tile(up, right, tuple(port_ids))
        at = row[here] - up * _TILE, column[here] - right * _TILE
        node_km = in_space_km(*_place(row[here], column[here]))
        off_km = apart_km(in_space_km(x[point[here]], y[point[here]]), node_km)[:, None]
        value[point[here]], bound[point[here]] = held_value[at] + off_km, held_bound[at] - off_km
    rest = np.setdiff1d(np.arange(len(x)), point)
    value[rest], bound[rest] = port_distance_km(x[rest], y[rest], port_ids)
    return BySea(value, np.maximum(bound, 0.0))


def _place(row: Ints, column: Ints) -> tuple[Floats, Floats]:
    """Longitude and latitude of nodes of the net."""
    return WEST + column * _STEP / PER_DEG, SOUTH + row * _STEP / PER_DEG


def _next_nodes(lon: Floats, lat: Floats) -> tuple[Ints, Ints, Ints]:
    """The points that have a node next to them with nothing between, and its row and column in the net."""
    index = lattice().index[::_STEP, ::_STEP]
    with np.errstate(invalid="ignore"):
        known = np.isfinite(lon) & (np.abs(lat) <= 90.0)
        row, column = (
            np.where(known, np.rint((v - low) * PER_DEG / _STEP), -1.0) for v, low in ((lat, SOUTH), (lon, WEST))
        )
    inside = (row >= 0) & (row < index.shape[0]) & (column >= 0) & (column < index.shape[1])
    point = np.flatnonzero(inside)
    r, c = row[point].astype(np.int64), column[point].astype(np.int64)
    there = index[r, c] >= 0
    point, r, c = point[there], r[there], c[there]
    x, y = _place(r, c)
    clear = ~crosses_shore(lon[point], lat[point], x, y)
    clear[clear] = inner_land().clear(to_plane(lon[point[clear]], lat[point[clear]]), to_plane(x[clear], y[clear]))
    return point[clear], r[clear], c[clear]


@lru_cache(_TILES_KEPT)
def _tile(up: int, right: int, port_ids: tuple[str, ...]) -> tuple[Singles, Singles]:
    """Value and bound of the nodes of a tile (rows, columns, k)."""
    row, column = np.meshgrid(up * _TILE + np.arange(_TILE), right * _TILE + np.arange(_TILE), indexing="ij")
    found = port_distance_km(*_place(row.ravel(), column.ravel()), port_ids)
    value, bound = (km.reshape(_TILE, _TILE, -1).astype(np.float32) for km in found)
    return value, bound
