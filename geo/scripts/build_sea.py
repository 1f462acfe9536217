"""Makes geo/data/sea.npz from the coast: the lattices on water, and the land that no way can cut off.

    python -m stswatch.geo.scripts.build_sea [--check]

Run by `make sea`, after the coast has changed; a minute. `--check` builds it again and compares: the exit status is
1 where the file differs.

Two things are made, which stand on either side of the truth. The lattices hold ways that cross no land of the coast:
what is found on them can be sailed, and the shortest way is no longer. The inner land lies within the land everywhere,
is simple, and leaves out small islands: the way round it is no longer than any that can be sailed.
"""

from __future__ import annotations

import argparse
import io
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse.csgraph import connected_components

from stswatch.geo.coast.land import REGION_BOX, coast, layer
from stswatch.geo.coast.water import is_water
from stswatch.geo.coordinates.plane import on_plane, sides_of
from stswatch.geo.sea.lattice import (
    LEVELS,
    NAME,
    PER_DEG,
    SHAPE,
    SHORE_NODES,
    SOUTH,
    WEST,
    Level,
    crosses_shore,
    laid_out,
)
from stswatch.geo.sea.strings import UNITS, Strings, sectors_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# The inner land. Farther north than the region of interest, so that no way leads over Sakhalin.
INNER_BOX = (REGION_BOX[0], 13.0, 146.0, 55.0)
LEAST_KM2 = 100.0
# Simplified, then shrunk, then simplified again: 0.02 is more than 0.004 and 0.014, so it never reaches the shore. And
# it is so little that the neck of land by Dalian, 8 km wide, stays whole: the way to the Bohai Sea goes round Lushun.
ROUGH_DEG, SHRUNK_DEG, INNER_DEG = 0.004, 0.02, 0.014
LONGEST_SIDE_DEG = 0.5  # a longer side would leave its parallel by more than what is left of the margin
_KM2_PER_DEG2 = 111.2**2


def inner_land() -> NDArray[np.object_]:
    """Polygons without holes within the land, their points as lon, lat in degrees; lakes are land."""
    land = shapely.get_parts(coast(*INNER_BOX))
    middle = np.radians(shapely.bounds(land)[:, [1, 3]].mean(axis=1))
    land = land[shapely.area(land) * _KM2_PER_DEG2 * np.cos(middle) >= LEAST_KM2]
    shells = shapely.polygons(shapely.get_exterior_ring(land))
    shrunk = shapely.buffer(shapely.simplify(shells, ROUGH_DEG), -SHRUNK_DEG, quad_segs=2)
    inner = shapely.get_parts(shapely.simplify(shrunk, INNER_DEG))
    inner = shapely.segmentize(inner[shapely.area(inner) > SHRUNK_DEG**2], LONGEST_SIDE_DEG)
    return np.asarray(inner)


def nodes() -> tuple[Bools, Floats]:
    """Which places of the finest lattice (rows, columns) are nodes, and how many places off the shore is at least."""
    lon, lat = WEST + np.arange(SHAPE[1]) / PER_DEG, SOUTH + np.arange(SHAPE[0]) / PER_DEG
    water = np.array([is_water(lon, np.full(len(lon), y)) for y in lat.tolist()])
    free = water.copy()
    shore = shapely.get_coordinates(shapely.segmentize(layer("region").lines(), 0.5 / PER_DEG))
    column, row = np.rint((shore - [WEST, SOUTH]) * PER_DEG).astype(np.int64).T
    free[np.clip(row, 0, SHAPE[0] - 1), np.clip(column, 0, SHAPE[1] - 1)] = False
    off = ndimage.distance_transform_edt(free)
    known = off <= SHORE_NODES
    for level in LEVELS[1:]:
        known[:: level.step, :: level.step] = True
    return water & known, off


def clear_ways(node: Bools, off: Floats, level: Level) -> NDArray[np.uint64]:
    """Of each node of a level, bit by bit, which of its ways are there and cross no land."""
    mine = np.zeros(SHAPE, bool)
    mine[:: level.step, :: level.step] = node[:: level.step, :: level.step]
    if level.step == 1:
        mine &= off <= SHORE_NODES
    row, column = np.nonzero(node)
    of_level = level.holds(row, column)
    bits = np.zeros(SHAPE, np.uint64)
    for k, (up, right) in enumerate(level.ways):
        up, right = up * level.step, right * level.step
        begin = np.argwhere(mine)
        end = begin + np.array([up, right])
        there = ((end >= 0) & (end < SHAPE)).all(axis=1)
        begin, end = begin[there], end[there]
        there = mine[end[:, 0], end[:, 1]]
        begin, end = begin[there], end[there]
        free = np.maximum(off[begin[:, 0], begin[:, 1]], off[end[:, 0], end[:, 1]]) > np.hypot(up, right) + 1.5
        near = np.flatnonzero(~free)
        (lat0, lon0), (lat1, lon1) = (k[near].T / PER_DEG + [[SOUTH], [WEST]] for k in (begin, end))
        free[near] = ~crosses_shore(lon0, lat0, lon1, lat1)
        bits[begin[free, 0], begin[free, 1]] |= np.uint64(1) << np.uint64(k)
    return np.asarray(bits[row[of_level], column[of_level]])


def connected(node: Bools, off: Floats) -> tuple[Bools, list[NDArray[np.uint64]]]:
    """The nodes from which the open sea is reached, and their ways by level: lakes and ponds are no sea."""
    clear = [clear_ways(node, off, level) for level in LEVELS]
    found = laid_out(node, clear)
    part = connected_components(found.ways_km, directed=False)[1]
    sea = part == np.bincount(part).argmax()
    kept = np.zeros(SHAPE, bool)
    kept[found.row[sea], found.column[sea]] = True
    return kept, [bits[sea[level.holds(found.row, found.column)]] for bits, level in zip(clear, LEVELS, strict=True)]


def build() -> bytes:
    """The file, as bytes; the same on every machine with the same coast, GEOS and zlib."""
    node, clear = connected(*nodes())
    shells = [shapely.get_coordinates(ring)[:-1] for ring in shapely.get_exterior_ring(inner_land())]
    points, sizes = np.rint(np.concatenate(shells) * UNITS).astype("<i4"), np.array([len(s) for s in shells], "<u4")
    inner = on_plane(points / UNITS, sizes)
    if not shapely.is_valid(inner).all():
        raise ValueError("inner land is not sound any more once it is rounded; choose another SHRUNK_DEG")
    sides = sides_of(inner)
    sectors = sectors_of(*sides)
    strings = Strings(*sides, sectors)
    begin, end = strings.between()
    arrays: dict[str, Any] = {
        "node": np.packbits(node),
        "ring_sizes": sizes,
        "ring_points": points,
        "sector_start": sectors.start.astype("<u4"),
        "sector_first": sectors.first.astype("<u2"),
        "sector_side": sectors.side.astype("<i2"),
        "between_count": np.bincount(begin, minlength=len(strings.corner)).astype("<u2"),
        "between_to": end.astype("<u2"),
    }
    arrays |= {f"ways_{level.step}": bits for level, bits in zip(LEVELS, clear, strict=True)}
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def main() -> None:
    """Write the file, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the file that is there, write nothing")
    given = parser.parse_args()
    path, content = Path(str(files("stswatch.geo") / "data" / NAME)), build()
    if given.check:
        same = path.read_bytes() == content
        print(
            f"{path}: "
            + (f"the same, byte for byte ({len(content):,} bytes)" if same else "differs; run without --check")
        )
        sys.exit(not same)
    path.write_bytes(content)
    print(f"{path}: {len(content):,} bytes")


if __name__ == "__main__":
    main()
