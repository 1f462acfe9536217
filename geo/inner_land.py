"""The land that no way can cut off, and the shortest ways round it: what bounds every way by sea from below.

It lies within the land of the coast everywhere, without lakes and without small islands (geo/build_sea.py). Round it
ships may go some kilometres inland and through what is narrow; so that way is never longer than one that can be sailed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from stswatch.geo.gnomonic import from_plane, to_plane
from stswatch.geo.sea_lattice import NAME
from stswatch.geo.space import apart_km, in_space_km
from stswatch.geo.strings import Sectors, Strings, sides_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

UNITS = 100_000  # points are kept in so many parts of a degree
_HAIR = 1e-6  # of the plane's unit, 6 m: a line that only touches the land is not cut off by it
ROUNDING = 1.0 - 1e-4  # `arc_km` is good to 6 parts in 100,000 as far as the region goes


@dataclass(frozen=True)
class InnerLand:
    """Polygons on the plane of `gnomonic`, and the strings round them."""

    polygons: NDArray[np.object_]
    strings: Strings

    @cached_property
    def corners_km(self) -> Floats:
        """The corners in space (c, 3)."""
        return in_space_km(*from_plane(self.strings.corner))

    @cached_property
    def _tree(self) -> Any:
        shapely.prepare(self.polygons)
        return shapely.STRtree(self.polygons)

    @cached_property
    def _solid(self) -> Any:
        """All of it as one, a hair smaller."""
        solid = shapely.union_all(shapely.buffer(self.polygons, -_HAIR))
        shapely.prepare(solid)
        return solid

    @cached_property
    def _ways(self) -> tuple[Ints, Ints, Floats]:
        one, other = self.strings.between
        return one, other, apart_km(self.corners_km[one], self.corners_km[other])

    def moved_out(self, xy: Floats) -> Floats:
        """Points (n, 2) of the plane; those within the land moved to the nearest point of its edge."""
        point, polygon = self._tree.query(shapely.points(xy), predicate="within")
        out = xy.copy()
        lines = shapely.shortest_line(shapely.get_exterior_ring(self.polygons[polygon]), shapely.points(xy[point]))
        out[point] = shapely.get_coordinates(lines).reshape(-1, 2, 2)[:, 0]
        return out

    def clear(self, one: Floats, other: Floats) -> Bools:
        """Whether nothing of it lies between points (n, 2) of the plane and others."""
        return np.asarray(~shapely.intersects(self._solid, shapely.linestrings(np.stack([one, other], axis=1))))

    def seen_km(self, xy: Floats) -> tuple[Ints, Ints, Floats]:
        """The corners to which strings can go straight from points (n, 2): point (m,), by point, corner, distance."""
        point, corner = self.strings.seen(xy)
        here_km = in_space_km(*from_plane(xy))
        return point, corner, apart_km(here_km[point], self.corners_km[corner])

    def to_corners_km(self, xy: Floats) -> Floats:
        """Lengths of the shortest strings from points (n, 2) of the plane to corners (n, c); inf where none goes."""
        one, other, km = self._ways
        point, corner, near_km = self.seen_km(xy)
        size = len(self.corners_km)
        begin, end = np.concatenate([one, size + point]), np.concatenate([other, corner])
        ways = csr_array((np.concatenate([km, near_km]), (begin, end)), shape=(size + len(xy),) * 2)
        if not len(xy):
            return np.empty((0, size))
        return np.asarray(dijkstra(ways, indices=size + np.arange(len(xy)))[:, :size])


@cache
def inner_land() -> InnerLand:
    """That of geo/data/sea.npz, read once.

    >>> pyongyang, korea_bay = to_plane([125.9, 124.0], [39.1, 39.0])
    >>> [bool(shapely.contains_xy(inner_land().polygons, *place).any()) for place in (pyongyang, korea_bay)]
    [True, False]
    """
    with np.load(str(files("stswatch.geo") / "data" / NAME), allow_pickle=False) as held:
        points, sizes = held["ring_points"] / UNITS, held["ring_sizes"].astype(np.int64)
        sectors = Sectors(*(held[f"sector_{part}"].astype(np.int64) for part in ("start", "first", "side")))
    polygons = on_plane(points, sizes)
    return InnerLand(polygons, Strings(*sides_of(polygons), sectors))


def on_plane(points: Floats, sizes: Ints) -> NDArray[np.object_]:
    """Polygons from the points of their shells, lon, lat in degrees (n, 2), not closed, so many of each.

    >>> square = on_plane(np.array([[124.0, 33.0], [126.0, 33.0], [126.0, 34.0], [124.0, 34.0]]), np.array([4]))
    >>> len(square), bool(square[0].contains(shapely.Point(0.0, 0.01)))
    (1, True)
    """
    xy = to_plane(*points.T)
    ring = np.repeat(np.arange(len(sizes)), sizes)
    return np.asarray(shapely.polygons(shapely.linearrings(xy, indices=ring)))
