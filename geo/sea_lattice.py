"""Ways by sea on lattices: nodes on water, and the straight ways between them that cross no land.

Three lattices, each of every fourth node of the finer one. The finest lies along the shore alone, for harbours, straits
and islands; the coarsest has long ways in many directions, so that out at sea a way is hardly longer than the great
circle. geo/build_sea.py makes them from the coast and tests every way against it; geo/data/sea.npz keeps them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from math import gcd
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from stswatch.geo.coast import REGION_BOX
from stswatch.geo.space import apart_km, in_space_km

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
