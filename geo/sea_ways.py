"""Ways by sea from one place to many, along the lattices."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from stswatch.geo.coast import layer
from stswatch.geo.gnomonic import from_plane
from stswatch.geo.sea_lattice import LEVELS, PER_DEG, SHAPE, SOUTH, WEST, Level, lattice
from stswatch.geo.sides import spread
from stswatch.geo.space import apart_km, in_space_km

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

FROM_SEA_KM = 20.0  # a place farther than this from every node is not at sea
_WINDOWS = LEVELS[:2]  # nodes of these round a place, two to each side, are what it can go to
_PIECE = 0.004  # of the unit of the plane, some 25 km: as far as a great circle is straight in degrees, to a few metres


@cache
def _shore() -> Any:
    """All sides of the coast of the region, as a tree of lines."""
    return shapely.STRtree(layer("region").lines())


def crosses_shore(lon0: Floats, lat0: Floats, lon1: Floats, lat1: Floats) -> Bools:
    """Whether lines (n,), straight in degrees, from points to others in the region cross the shore or touch it.

    >>> over_jeju, past_it = crosses_shore(*np.array([[126.0, 126.0], [33.4, 33.7], [127.2, 127.2], [33.4, 33.7]]))
    >>> bool(over_jeju), bool(past_it)
    (True, False)
    """
    lines = shapely.linestrings(np.stack([np.column_stack([lon0, lat0]), np.column_stack([lon1, lat1])], axis=1))
    out = np.zeros(len(lon0), bool)
    out[_shore().query(lines, predicate="intersects")[0]] = True
    return out


def straight_is_clear(xy0: Floats, xy1: Floats) -> Bools:
    """Whether great circles from points (n, 2) of the plane of `gnomonic` to others cross no shore.

    They are tried in pieces: a tree looks at the boxes of lines, and a long one has all coasts in its box.

    >>> from stswatch.geo.gnomonic import to_plane
    >>> qingdao, shanghai, dalian = to_plane([121.0, 123.0, 121.7], [35.8, 31.0, 38.8])[:, None]
    >>> straight_is_clear(qingdao, shanghai).tolist(), straight_is_clear(qingdao, dalian).tolist()
    ([True], [False])
    """
    size = np.maximum(np.ceil(np.abs(xy1 - xy0).max(axis=1) / _PIECE), 1.0).astype(np.int64)
    line, nth = spread(np.zeros(len(size), np.int64), size)
    way = xy1 - xy0
    begin, end = (from_plane(xy0[line] + way[line] * ((nth + k) / size[line])[:, None]) for k in (0, 1))
    out = np.ones(len(size), bool)
    out[line[crosses_shore(*begin, *end)]] = False
    return out


def nodes_near(lon: Floats, lat: Floats) -> tuple[Ints, Ints, Floats]:
    """The nodes of the lattice that places (n,) can go to, as (place (m,), node (m,), distance in km (m,)), by place.

    Those two to each side of it to which nothing bars the way; else the nearest one, if it is within FROM_SEA_KM.

    >>> place, node, km = nodes_near(np.array([124.0, 125.9, 110.0]), np.array([38.0, 39.1, 34.0]))
    >>> sorted(set(place.tolist())), bool(km.max() < FROM_SEA_KM)
    ([0], True)
    """
    held = lattice()
    place, node = (
        np.concatenate(parts) for parts in zip(*(_window(lon, lat, level) for level in _WINDOWS), strict=True)
    )
    barred = crosses_shore(lon[place], lat[place], held.lon[node], held.lat[node])
    place, node = place[~barred], node[~barred]
    lost = np.setdiff1d(np.arange(len(lon)), place)
    if lost.size:
        off_km, nearest = _tree().query(in_space_km(lon[lost], lat[lost]), distance_upper_bound=FROM_SEA_KM)
        found = np.isfinite(off_km)
        place, node = np.append(place, lost[found]), np.append(node, nearest[found])
    order = np.argsort(place, kind="stable")
    place, node = place[order], node[order]
    return place, node, apart_km(in_space_km(lon[place], lat[place]), held.space_km[node])


def _window(lon: Floats, lat: Floats, level: Level) -> tuple[Ints, Ints]:
    """The nodes of a level next to places (n,), two to each side, as (place (m,), node (m,))."""
    row, column = (
        np.floor((v - low) * PER_DEG / level.step).astype(np.int64) for v, low in ((lat, SOUTH), (lon, WEST))
    )
    beside = np.arange(-1, 3)
    row, column = (row[:, None, None] + beside[:, None]) * level.step, (column[:, None, None] + beside) * level.step
    inside = (row >= 0) & (row < SHAPE[0]) & (column >= 0) & (column < SHAPE[1])
    node = np.where(inside, lattice().index[row % SHAPE[0], column % SHAPE[1]], -1)
    place = np.nonzero(node >= 0)[0]
    return place, node[node >= 0].astype(np.int64)


@cache
def _tree() -> Any:
    return cKDTree(lattice().space_km)


def from_place_km(lon: float, lat: float) -> Floats:
    """Lengths of the shortest ways on the lattice from a place to all its nodes (n,), km; inf where none goes.

    >>> field = from_place_km(124.0, 38.0)
    >>> _, node, km = nodes_near(np.array([122.5]), np.array([36.0]))
    >>> float((field[node] + km).min().round(-1))
    260.0
    """
    held = lattice()
    _, node, km = nodes_near(np.array([lon]), np.array([lat]))
    ways, n = held.ways_km, len(held.row)
    if not node.size:
        return np.full(n, np.inf)
    parts = (
        (ways.data, km),
        (ways.indices, node.astype(ways.indices.dtype)),
        (ways.indptr, ways.indptr[-1:] + len(node)),
    )
    data, indices, pointers = (np.concatenate(part) for part in parts)
    out: Floats = dijkstra(csr_array((data, indices, pointers), shape=(n + 1, n + 1)), indices=n)[:n]
    return out
