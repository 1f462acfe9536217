"""How far the shore is: the nearest of pieces of it, as points in space.

Near the shore a tree over all pieces round a tile answers; further out one over the few points of shore that are the
nearest to any place as far out as that, which are a part of the file of the coast.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from stswatch.geo.coast import FAR_KM, far_points
from stswatch.geo.plane import grow_box
from stswatch.geo.sides import Sides, cut_up, is_cut
from stswatch.geo.space import in_space_km

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

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

    >>> from stswatch.geo.sides import sides
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
    return Shore(points, first, last, cKDTree(points, balanced_tree=False, compact_nodes=False))


@cache
def _far_tree() -> Any:
    return cKDTree(in_space_km(*far_points()), balanced_tree=False, compact_nodes=False)


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
