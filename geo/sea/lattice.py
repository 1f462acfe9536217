"""Ways by sea on lattices: nodes on water, straight ways between them over no land, the shortest to many places."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from math import gcd
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from stswatch.geo.coast.land import REGION_BOX, layer, spread
from stswatch.geo.coordinates.plane import apart_km, from_plane, in_space_km

# --------------------- Ways by sea on lattices: nodes on water, and the straight ways between them that cross no land
# Three lattices, each of every fourth node of the finer one. The finest lies along the shore alone, for harbours,
# straits and islands; the coarsest has long ways in many directions, so that out at sea a way is hardly longer than
# the great circle. geo/scripts/build_sea.py makes them from the coast and tests every way against it;
# geo/data/sea.npz keeps them.

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NAME = "sea.npz"
PER_DEG = 80  # nodes of the finest lattice in a degree: 1.4 km of latitude
WEST, SOUTH = REGION_BOX[0] + 0.5 / PER_DEG, REGION_BOX[1] + 0.5 / PER_DEG
SHAPE = round((REGION_BOX[3] - REGION_BOX[1]) * PER_DEG), round((REGION_BOX[2] - REGION_BOX[0]) * PER_DEG)
SHORE_NODES = 5  # the finest lattice goes so many nodes out from the shore: on one of the middle one there at least


class Level(NamedTuple):
    """A lattice: every so many nodes of the finest one, and ways to nodes up to `reach` of its own steps off.

    Of a great circle in between two directions a way is too long by at most 1 / cos(half the angle between them):
    2.7 % with reach 2, 1.3 % with 3, 0.3 % with 6.
    """

    step: int
    reach: int

    @property
    def ways(self) -> tuple[tuple[int, int], ...]:
        """Rows up and columns right of each way, one of every two opposite ones; at most 64."""
        each = range(-self.reach, self.reach + 1)
        return tuple((up, right) for up in each for right in each if gcd(up, right) == 1 and (up, right) > (0, 0))

    def holds(self, row: Ints, column: Ints) -> Bools:
        """Whether nodes (n,), by row and column of the finest lattice, are of this one too."""
        return np.asarray((row % self.step == 0) & (column % self.step == 0))


LEVELS = Level(1, 2), Level(4, 3), Level(16, 6)


@dataclass(frozen=True)
class Lattice:
    """Nodes (n,) by row and column of the finest lattice, and the ways between them in km as a sparse matrix (n, n).

    `index` (rows, columns) is the node at a place, -1 for none; `space_km` (n, 3) where nodes are in space.
    """

    row: Ints
    column: Ints
    index: NDArray[np.int32]
    space_km: Floats
    ways_km: Any

    @cached_property
    def lon(self) -> Floats:
        """Longitude of the nodes (n,), degrees."""
        return WEST + self.column / PER_DEG

    @cached_property
    def lat(self) -> Floats:
        """Latitude of the nodes (n,), degrees."""
        return SOUTH + self.row / PER_DEG


@cache
def lattice() -> Lattice:
    """The lattice of geo/data/sea.npz, laid out once, in some two seconds and 300 MB.

    >>> held = lattice()
    >>> len(held.row) == held.ways_km.shape[0] == len(held.lon), bool((held.index[held.row, held.column] >= 0).all())
    (True, True)
    """
    with np.load(str(files("stswatch.geo") / "data" / NAME), allow_pickle=False) as held:
        node = np.unpackbits(held["node"], count=SHAPE[0] * SHAPE[1]).reshape(SHAPE).astype(bool)
        clear = [held[f"ways_{level.step}"] for level in LEVELS]
    return laid_out(node, clear)


def laid_out(node: Bools, clear: list[NDArray[np.uint64]]) -> Lattice:
    """The lattice of nodes (rows, columns) with the clear ways of each level: of each of its nodes, bit by bit.

    >>> node = np.zeros(SHAPE, bool)
    >>> node[0, :2] = True  # two nodes of the finest level, the first of them of the others too
    >>> east, none = np.array([1, 0], np.uint64), np.zeros(1, np.uint64)
    >>> laid_out(node, [east, none, none]).ways_km.toarray().round(3).tolist()
    [[0.0, 1.347], [1.347, 0.0]]
    """
    row, column = np.nonzero(node)
    index = np.full(SHAPE, -1, np.int32)
    index[row, column] = np.arange(len(row))
    begin, end, length = [], [], []
    for level, bits in zip(LEVELS, clear, strict=True):
        mine = np.flatnonzero(level.holds(row, column))
        for k, (up, right) in enumerate(level.ways):
            one = mine[(bits >> np.uint64(k) & np.uint64(1)).astype(bool)]
            by_row = lengths_km(up * level.step, right * level.step)
            begin.append(one)
            end.append(index[row[one] + up * level.step, column[one] + right * level.step])
            length.append(by_row[row[one]])
    a, b, km = np.concatenate(begin), np.concatenate(end), np.concatenate(length)
    ways = csr_array((np.r_[km, km], (np.r_[a, b], np.r_[b, a])), shape=(len(row), len(row)))
    space = in_space_km(WEST + column / PER_DEG, SOUTH + row / PER_DEG)
    return Lattice(row, column, index, space, ways)


def lengths_km(up: int, right: int) -> Floats:
    """How long a way is from a node in each row (rows,), km; NaN where it leaves the lattice.

    >>> north = lengths_km(1, 0)
    >>> north[0].round(3), north[-1]
    (np.float64(1.383), np.float64(nan))
    """
    lat = SOUTH + np.arange(SHAPE[0]) / PER_DEG
    here, there = (
        in_space_km(np.zeros(len(lat)), lat),
        in_space_km(np.full(len(lat), right / PER_DEG), lat + up / PER_DEG),
    )
    km = apart_km(here, there)
    out = np.arange(SHAPE[0]) + up
    return np.where((out >= 0) & (out < SHAPE[0]), km, np.nan)


# ------------------------------------------------------------- Ways by sea from one place to many, along the lattices

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

    >>> from stswatch.geo.coordinates.plane import to_plane
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
