"""The coast as polygons, lines and sides: GSHHG, at full resolution in the region of interest, simplified elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from stswatch.geo.coordinates.sphere import lon_difference, turns_of, wrap_lon

# ----------------------------------------------------------------------------------------------------------------
# The coast as polygons and lines: GSHHG, at full resolution in the region of interest and simplified elsewhere
# The file is geo/data/coast.npz, under LGPL-3; geo/scripts/build_coast.py makes it, geo/data/SOURCES.md says from
# what.

Floats = NDArray[np.float64]

NAME = "coast.npz"
# West, south, east, north of the region of interest, and of the layer at full resolution: half a degree more on each
# side, so that the shore nearest to a point of the region is in it, if it is near.
INTEREST_BOX = (105.0, 15.0, 145.0, 48.0)
REGION_BOX = (104.5, 14.5, 145.5, 48.5)
REGION_UNIT_DEG = 1e-5
WORLD_UNIT_DEG = 1e-3
LAYERS = ("region", "world")
PER_DEG = {"region": round(1 / REGION_UNIT_DEG), "world": round(1 / WORLD_UNIT_DEG)}
# From here on a few points of the shore stand for all of it (`far_points`). Were it less, more of them would be needed;
# were it more, more shore round a place would have to be laid out.
FAR_KM = 25.0


@dataclass(frozen=True)
class Layer:
    """Land as closed rings: lon, lat (n,) of all points, degrees; ring k is start[k]:start[k + 1].

    `polygon` (rings,) says of which polygon a ring is, shell first, then the lakes in it.
    """

    lon: Floats
    lat: Floats
    start: NDArray[np.int64]
    polygon: NDArray[np.int64]

    def polygons(self) -> NDArray[np.object_]:
        """The polygons as shapely geometries, valid ones."""
        ring = np.repeat(np.arange(len(self.polygon)), np.diff(self.start))
        return np.asarray(shapely.polygons(shapely.linearrings(self.lon, self.lat, indices=ring), indices=self.polygon))

    def segments(self) -> tuple[Floats, Floats, Floats, Floats]:
        """All sides of all rings as lon0, lat0, lon1, lat1, each (m,), the cuts of the layer among them."""
        side = np.ones(len(self.lon) - 1, bool)
        side[self.start[1:-1] - 1] = False
        return self.lon[:-1][side], self.lat[:-1][side], self.lon[1:][side], self.lat[1:][side]

    def lines(self) -> NDArray[np.object_]:
        """The same sides as shapely lines (m,)."""
        return np.asarray(shapely.linestrings(np.column_stack(self.segments()).reshape(-1, 2, 2)))


def read(file: Any, name: str) -> Layer:
    """A layer of an open file or a path; raises KeyError where it has none of that name.

    >>> len(read(path(), "region").polygons()) > 10_000
    True
    """
    points, start, polygon = rings(file, name)
    lon, lat = points / PER_DEG[name]
    return Layer(lon, lat, start, polygon)


def rings(file: Any, name: str) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """The points (2, n) of a layer in whole units of it, PER_DEG to a degree, and `start` and `polygon` of Layer.

    >>> points, start, _ = rings(path(), "region")
    >>> bool((points[:, start[:-1]] == points[:, start[1:] - 1]).all())  # rings are closed
    True
    """
    with np.load(file, allow_pickle=False) as held:
        polygons, sizes, steps = (held[f"{name}_{part}"] for part in ("rings", "sizes", "steps"))
    points = _unpacked(steps)
    start = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    closed = np.insert(np.arange(points.shape[1]), start[1:], start[:-1])
    return points[:, closed], start + np.arange(len(start)), np.repeat(np.arange(len(polygons)), polygons)


def _unpacked(steps: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Points (2, n) in whole units from the bytes (2, 4, n) of the steps between them."""
    units = np.ascontiguousarray(steps.transpose(0, 2, 1)).view("<i4")[:, :, 0]
    return np.cumsum(units, axis=1, dtype=np.int32)


def far_points(file: Any = None) -> tuple[Floats, Floats]:
    """Points of shore, lon, lat (n,), of which the nearest is the nearest shore to any place FAR_KM from it or more.

    Those of an open file, a path, or of the coast that is shipped.

    >>> lon, lat = far_points()
    >>> len(lon) > 100_000, bool(np.abs(lat).max() <= 90)
    (True, True)
    """
    with np.load(file or path(), allow_pickle=False) as held:
        lon, lat = _unpacked(held["far"]) / PER_DEG["world"]
    return lon, lat


def path() -> str:
    """Where the file is.

    >>> path().endswith("coast.npz")
    True
    """
    return str(files("stswatch.geo") / "data" / NAME)


@cache
def layer(name: str) -> Layer:
    """One of LAYERS, read once: "region" is the land in REGION_BOX, "world" all other land.

    >>> layer("world") is layer("world"), len(layer("world").lon) > 500_000
    (True, True)
    """
    return read(path(), name)


@cache
def _tree(name: str) -> tuple[Any, NDArray[np.object_]]:
    polygons = layer(name).polygons()
    shapely.prepare(polygons)
    return shapely.STRtree(polygons), polygons


def coast(west: float, south: float, east: float, north: float) -> Any:
    """Land in a box, degrees, as one shapely MultiPolygon; empty where there is none.

    West may be greater than east or either lie beyond +-180: the box then goes over the date line, and the land
    is given with longitudes from west on, without a cut there. Where the box is in the region of interest (15 to 48 N,
    105 to 145 E) every point of the source is kept; elsewhere the shore is within 0.55 km of it. Lakes are water.
    Raises ValueError where a bound is no number, south is not below north or the box goes more than once around.

    >>> korea_bay = coast(124.9, 38.6, 125.1, 38.7)
    >>> korea_bay.contains(shapely.Point(125.0, 38.65)), korea_bay.contains(shapely.Point(124.92, 38.62))
    (True, False)
    >>> coast(150.0, 30.0, 151.0, 31.0).is_empty
    True
    """
    if not np.isfinite([west, south, east, north]).all() or not south < north:
        raise ValueError(f"no box: west {west}, south {south}, east {east}, north {north}")
    first, turned = float(wrap_lon(west)), 360.0 * float(turns_of(west))
    width = east - west if west < east else (east - west) % 360.0
    if width > 360.0:
        raise ValueError(f"a box from {west} to {east} goes more than once around the Earth")
    parts = [_land(first, south, min(first + width, 180.0), north, turned)]
    if first + width > 180.0:
        parts.append(_land(-180.0, south, first + width - 360.0, north, turned + 360.0))
    return shapely.multipolygons(_healed(np.concatenate(parts)))


def _healed(parts: NDArray[np.object_]) -> NDArray[np.object_]:
    """Polygons cut along the edge of the region or the date line, in one piece again; all others as they are."""
    west, south, east, north = REGION_BOX
    seams = [shapely.box(west + turn, south, east + turn, north).exterior for turn in (-360.0, 0.0, 360.0)]
    seams += [shapely.LineString([(x, -90.0), (x, 90.0)]) for x in (-180.0, 180.0)]
    cut = shapely.intersects(shapely.multilinestrings(shapely.get_parts(seams)), parts)
    if cut.sum() < 2:
        return parts
    return np.concatenate([parts[~cut], shapely.get_parts(shapely.union_all(parts[cut]))])


def _land(west: float, south: float, east: float, north: float, shift: float) -> NDArray[np.object_]:
    """Land of both layers in a box that does not go over the date line, moved east by a shift."""
    box = shapely.box(west, south, east, north)
    out = []
    for name in LAYERS:
        tree, polygons = _tree(name)
        near = polygons[np.sort(tree.query(box))]
        inside = shapely.covered_by(near, box)
        cut = shapely.intersection(near[~inside], box)
        cut = shapely.get_parts(shapely.get_parts(cut))
        out += [near[inside], cut[shapely.get_type_id(cut) == shapely.GeometryType.POLYGON]]
    return np.asarray(shapely.transform(np.concatenate(out), lambda xy: xy + np.array([shift, 0.0])))


# ------------------------------------------------------------------- Which of some polygons hold which of many points

Ints = NDArray[np.int64]


def holding(polygons: NDArray[np.object_], lon: Floats, lat: Floats) -> tuple[Ints, Ints]:
    """The pairs of a point and a polygon that holds it, as (point (m,), polygon (m,)), by polygon, then by longitude.

    polygons (k,) of shapely, within +-180, better prepared; lon, lat (n,), degrees. The edge belongs to a polygon. A
    point that is NaN or infinite lies in none. Never raises.

    A sweep: the points lie in order of longitude, so that each polygon looks only at those in its box, all at once. The
    tree of shapely wants an object for each point and does not use prepared polygons: see docs/benchmarks.md.

    >>> point, polygon = holding(np.array([shapely.box(0, 0, 2, 2), shapely.box(1, 1, 3, 3)]), [0.5, 1.5], [0.5, 1.5])
    >>> point.tolist(), polygon.tolist()
    ([0, 1, 1], [0, 0, 1])
    """
    x, y = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
    order = np.argsort(x, kind="stable")  # what is NaN comes last
    x, y = x[order], y[order]
    west, south, east, north = shapely.bounds(polygons).reshape(-1, 4).T
    first, beyond = np.searchsorted(x, west), np.searchsorted(x, east, "right")
    found: list[Any] = [np.empty(0, np.int64)]
    some = np.flatnonzero(beyond > first)  # few points lie beside few polygons
    for k in some:
        there = y[first[k] : beyond[k]]
        at = first[k] + np.flatnonzero((there >= south[k]) & (there <= north[k]))
        found.append(at[shapely.intersects_xy(polygons[k], x[at], y[at])])
    counts = [len(at) for at in found[1:]]
    return order[np.concatenate(found)], np.repeat(some, counts)


# -------------------- The sides of all rings of the coast, both layers in one row, found by the boxes that they touch

Bools = NDArray[np.bool_]

_CHUNK = 32  # sides that are looked for together
_PER_DEG = PER_DEG["region"]


@dataclass(frozen=True)
class Sides:
    """All rings, closed, as points (n,) in units of 0.00001 degrees, and chunks (m,) of their sides.

    A chunk has the sides from point `begin` to point `end`, in a `box` of west, south, east, north, degrees. The first
    `region` points are of the layer that keeps every point of the source.
    """

    lon: NDArray[np.int32]
    lat: NDArray[np.int32]
    begin: Ints
    end: Ints
    box: tuple[Floats, Floats, Floats, Floats]
    region: int

    def near(self, west: float, south: float, east: float, north: float) -> tuple[Floats, Bools]:
        """Sides of chunks that touch a box in continuous degrees, as lon0, lat0, lon1, lat1 (k, 4), in order.

        And of each (k,) whether every point of the source is kept there. Longitudes are as in the coast, +-180.
        """
        low_x, low_y, high_x, high_y = self.box
        rows = np.flatnonzero((low_y <= north) & (high_y >= south))
        apart = np.abs(lon_difference((west + east) / 2, (low_x[rows] + high_x[rows]) / 2))
        return self._of(rows[apart <= (east - west + high_x[rows] - low_x[rows]) / 2])

    def west_of(self, lon: float, lat: float) -> Floats:
        """Sides (k, 4) of chunks that a line from a point west along its parallel may cross."""
        low_x, low_y, _, high_y = self.box
        return self._of(np.flatnonzero((low_y <= lat) & (high_y >= lat) & (low_x <= lon)))[0]

    def _of(self, chunk: Ints) -> tuple[Floats, Bools]:
        i = spread(self.begin[chunk], self.end[chunk])[1]
        out = np.column_stack([axis[k] for k in (i, i + 1) for axis in (self.lon, self.lat)]) / _PER_DEG
        return out, i < self.region


def is_cut(sides: Floats) -> Bools:
    """Sides (m, 4) that are no shore: along the edge of the region, the date line, or the south pole's parallel.

    >>> is_cut(np.array([[180.0, 66.0, 180.0, 66.1], [125.0, 38.6, 125.0, 38.7]])).tolist()
    [True, False]
    """
    west, south, east, north = REGION_BOX
    meridian, parallel = sides[:, 0] == sides[:, 2], sides[:, 1] == sides[:, 3]
    along = np.isin(sides[:, 0], [-180.0, 180.0, west, east]) & meridian
    return np.asarray(along | (np.isin(sides[:, 1], [-90.0, south, north]) & parallel))


def spread(begin: NDArray[np.integer], end: NDArray[np.integer]) -> tuple[Ints, Ints]:
    """Ranges begin:end (n,) written out one after the other, as (which range (m,), value (m,)).

    >>> [part.tolist() for part in spread(np.array([5, 1]), np.array([7, 4]))]
    [[0, 0, 1, 1, 1], [5, 6, 1, 2, 3]]
    """
    count = (end - begin).astype(np.int64)
    which = np.repeat(np.arange(len(count)), count)
    ahead = begin - (np.cumsum(count) - count)
    return which, np.arange(len(which)) + ahead[which]


def cut_up(sides: Floats, most_deg: Floats | float) -> Floats:
    """Sides (m, 4) cut into equal pieces no longer than most_deg along either axis, joined without a gap.

    >>> cut_up(np.array([[0.0, 0.0, 2.0, 1.0]]), 1.0).tolist()
    [[0.0, 0.0, 1.0, 0.5], [1.0, 0.5, 2.0, 1.0]]
    """
    longest = np.maximum(np.abs(sides[:, 2] - sides[:, 0]), np.abs(sides[:, 3] - sides[:, 1]))
    pieces = np.maximum(np.ceil(longest / most_deg).astype(np.int64), 1)
    which, nth = spread(np.zeros(len(sides), np.int64), pieces)
    out = sides[which]
    cut = np.flatnonzero(pieces[which] > 1)
    begin, end = out[cut, :2].copy(), out[cut, 2:].copy()
    nth, most = nth[cut, None], pieces[which[cut], None]
    out[cut, :2] = begin + nth / most * (end - begin)
    out[cut, 2:] = np.where(nth + 1 == most, end, begin + (nth + 1) / most * (end - begin))
    return out


@cache
def sides() -> Sides:
    """Those of the coast that is shipped, read once.

    >>> near, fine = sides().near(124.9, 38.6, 125.0, 38.7)
    >>> near.shape[1], bool(fine.any())
    (4, True)
    """
    parts = [rings(path(), name) for name in LAYERS]
    lon, lat = np.hstack(
        [points * (_PER_DEG // PER_DEG[name]) for name, (points, *_) in zip(LAYERS, parts, strict=True)]
    )
    region = parts[0][0].shape[1]
    start = np.concatenate([parts[0][1][:-1], parts[1][1] + region])
    count = -(-(np.diff(start) - 1) // _CHUNK)
    ring, nth = spread(np.zeros(len(count), np.int64), count)
    begin = start[:-1][ring] + nth * _CHUNK
    end = np.minimum(begin + _CHUNK, start[1:][ring] - 1)
    low_x, low_y = (np.minimum(np.minimum.reduceat(axis, begin), axis[end]) / _PER_DEG for axis in (lon, lat))
    high_x, high_y = (np.maximum(np.maximum.reduceat(axis, begin), axis[end]) / _PER_DEG for axis in (lon, lat))
    return Sides(lon, lat, begin, end, (low_x, low_y, high_x, high_y), region)
