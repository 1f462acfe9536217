"""Planes on the Earth: near a place, and where every great circle is a straight line; places as points in space."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from stswatch.geo.coordinates.sphere import MEAN_RADIUS_M, haversine_m, lon_difference, unit_vectors, wrap_lon

# ----------------------------------------------------------------------------------------------------------------
# Degrees and metres near a place: the size of a degree on WGS 84, a plane laid on it, short distances, boxes grown
# Longitudes and latitudes are degrees, WGS 84, in the order lon, lat; a longitude may be of any turn. Functions take
# scalars or arrays (n,), broadcast as NumPy does unless they say (n,), give float64, never mutate and never raise on
# numbers; NaN goes in, NaN comes out.

Floats = NDArray[np.float64]

# Source: NIMA TR8350.2, WGS 84: semi-major axis and flattening are its defining constants.
WGS84_A_M = 6_378_137.0
WGS84_F = 1 / 298.257223563
WGS84_E2 = WGS84_F * (2 - WGS84_F)

LEAST_M_PER_DEG = 110_574.0  # no degree of a meridian is shorter: `metres_per_degree(0)`, rounded down

_NEAR_DEG = 0.1  # how far apart, and
_PLANE_UPTO_DEG = 85.0  # up to which latitude a hop takes the Earth for flat


def metres_per_degree(lat_deg: ArrayLike) -> tuple[Floats, Floats]:
    """Length in metres of one degree of longitude and of latitude, at a latitude on the WGS 84 ellipsoid.

    For a small local plane at the mean latitude of two points: their distance comes out within 2 micrometres
    at 500 m and 5 mm at 8 km, up to 70 degrees of latitude.
    Source: Snyder, Map Projections: A Working Manual, USGS PP 1395 (1987), eq. 4-18 to 4-21.

    >>> east_m, north_m = metres_per_degree(0.0)
    >>> round(float(east_m), 1), round(float(north_m), 1)
    (111319.5, 110574.3)
    """
    lat = np.radians(np.asarray(lat_deg, np.float64))
    w2 = 1.0 - WGS84_E2 * np.sin(lat) ** 2
    prime_vertical_m = WGS84_A_M / np.sqrt(w2)
    meridional_m = prime_vertical_m * (1.0 - WGS84_E2) / w2
    return np.radians(prime_vertical_m * np.cos(lat)), np.radians(meridional_m)


def to_local_m(lon: ArrayLike, lat: ArrayLike, lon0: ArrayLike, lat0: ArrayLike) -> tuple[Floats, Floats]:
    """Metres east and north of a place (lon0, lat0) on the plane that touches the WGS 84 ellipsoid there.

    At any latitude, at the poles and over the date line alike. A bearing from the place is true; a distance d from it
    comes out short by d^3 / (6 R^2): a micrometre at 500 m, 2.2 mm at 8 km, 0.52 m at 50 km, 4.2 m at 100 km. What lies
    beyond a quarter of the Earth folds back. At a pole, north is along the meridian lon0.
    Source: IOGP Guidance Note 373-7-2, method 9840 (orthographic, ellipsoidal).

    >>> east_m, north_m = to_local_m(-179.99, 0.01, 179.99, 0.0)
    >>> round(float(east_m), 1), round(float(north_m), 1)
    (2226.4, 1105.7)
    """
    turn = np.radians(lon_difference(lon0, lon))
    rise, rise0 = (np.radians(np.asarray(degrees, np.float64)) for degrees in (lat, lat0))
    from_axis_m, from_equator_m = _meridian_m(rise)
    from_axis0_m, from_equator0_m = _meridian_m(rise0)
    inward_m = from_axis0_m - from_axis_m * np.cos(turn)
    north_m = np.sin(rise0) * inward_m + np.cos(rise0) * (from_equator_m - from_equator0_m)
    return (from_axis_m * np.sin(turn))[()], north_m[()]


def from_local_m(east_m: ArrayLike, north_m: ArrayLike, lon0: ArrayLike, lat0: ArrayLike) -> tuple[Floats, Floats]:
    """The (lon, lat) of a point so many metres east and north of a place, on the plane of `to_local_m`.

    Undoes it to 10 nanometres up to 1,000 km; further than the plane covers (about 6,357 km) gives NaN. The longitude
    comes back within 180 degrees of lon0, so it may lie beyond +-180.

    >>> lon, lat = from_local_m(2226.4, 1105.7, 179.99, 0.0)
    >>> round(float(lon), 5), round(float(lat), 5)
    (180.01, 0.01)
    """
    east, north = np.asarray(east_m, np.float64), np.asarray(north_m, np.float64)
    rise0 = np.radians(np.asarray(lat0, np.float64))
    sine, cosine = np.sin(rise0), np.cos(rise0)
    from_axis0_m, from_equator0_m = _meridian_m(rise0)
    # How far below the plane the ellipsoid lies is the nearer root of a quadratic, whose constant part needs no
    # difference of great numbers because the place itself lies on both.
    stretch = 1.0 / (1.0 - WGS84_E2)
    half = WGS84_A_M / np.sqrt(1.0 - WGS84_E2 * sine**2) + north * sine * cosine * (stretch - 1.0)
    least = east**2 + north**2 * (sine**2 + stretch * cosine**2)
    with np.errstate(invalid="ignore"):
        below_m = least / (half + np.sqrt(half**2 - (cosine**2 + stretch * sine**2) * least))
    x = from_axis0_m - north * sine - below_m * cosine
    z = from_equator0_m + north * cosine - below_m * sine
    lon = np.asarray(lon0, np.float64) + np.degrees(np.arctan2(east + 0 * x, x))
    return lon[()], np.degrees(np.arctan2(stretch * z, np.hypot(x, east)))[()]


def hop_m(lon: ArrayLike, lat: ArrayLike) -> Floats:
    """Distance in metres from each of n points in degrees to the next, (n - 1,), on the sphere of mean radius.

    Points less than a tenth of a degree apart, as nearly all fixes of a vessel are, are measured on a plane: within
    a part in 10^5 of `haversine_m` up to 85 degrees of latitude, at a quarter of its cost. Never raises.

    >>> [round(float(d)) for d in hop_m([10.0, 10.0, 30.0], [50.0, 50.001, 50.001])]
    [111, 1425190]
    """
    lon, lat = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
    turn, rise = np.diff(lon), np.diff(lat)
    flat = np.cos(np.radians((lat[:-1] + lat[1:]) / 2))
    east = turn * flat
    distance_m = np.sqrt(east * east + rise * rise) * np.radians(MEAN_RADIUS_M)  # np.hypot costs twice as much
    far = np.flatnonzero((np.abs(turn) > _NEAR_DEG) | (np.abs(rise) > _NEAR_DEG) | (np.abs(lat[1:]) > _PLANE_UPTO_DEG))
    distance_m[far] = haversine_m(lon[far], lat[far], lon[far + 1], lat[far + 1])
    return np.asarray(distance_m)


def one_hop_m(lon0: float, lat0: float, lon1: float, lat1: float) -> float:
    """What `hop_m` gives for one pair of points, at a twentieth of the cost of a call of it; never raises.

    The same to a micrometre: where a vectorised test and a walk judge the same hop, rounding to the millimetre makes
    them agree.

    >>> round(one_hop_m(10.0, 50.001, 30.0, 50.001))
    1425190
    """
    turn, rise = lon1 - lon0, lat1 - lat0
    if abs(turn) <= _NEAR_DEG and abs(rise) <= _NEAR_DEG and abs(lat1) <= _PLANE_UPTO_DEG:
        return math.hypot(turn * math.cos(math.radians((lat0 + lat1) / 2)), rise) * math.radians(MEAN_RADIUS_M)
    south, north, half_lon = math.radians(lat0), math.radians(lat1), math.radians(turn) / 2
    both = math.cos(south) * math.cos(north)
    sine2 = math.sin((north - south) / 2) ** 2 + both * math.sin(half_lon) ** 2
    cosine2 = math.sin((north + south) / 2) ** 2 + both * math.cos(half_lon) ** 2
    return 2 * MEAN_RADIUS_M * math.atan2(math.sqrt(sine2), math.sqrt(cosine2))


def grow_box(
    west: ArrayLike, south: ArrayLike, east: ArrayLike, north: ArrayLike, by_m: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Boxes in continuous degrees grown so that all within `by_m` metres of one lies in it: west, south, east, north.

    By up to 200 km. A box in reach of a pole grows to the whole circle; sides may then lie beyond +-90 or +-180.

    >>> [round(float(side), 2) for side in grow_box(179.9, 60.0, 179.9, 60.0, 1112.0)]
    [179.88, 59.99, 179.92, 60.01]
    """
    west, south, east, north = (np.asarray(side, np.float64) for side in (west, south, east, north))
    up = by_m / LEAST_M_PER_DEG
    widest = np.cos(np.radians(np.minimum(np.maximum(-south, north) + up, 90.0)))
    out = np.minimum(up / widest, 180.0)
    return west - out, south - up, east + out, north + up


def _meridian_m(rise: Floats) -> tuple[Floats, Floats]:
    """Distance from the axis and height over the equator, metres, of latitudes in radians on WGS 84."""
    prime_vertical_m = WGS84_A_M / np.sqrt(1.0 - WGS84_E2 * np.sin(rise) ** 2)
    return prime_vertical_m * np.cos(rise), prime_vertical_m * (1.0 - WGS84_E2) * np.sin(rise)


# ------------- A plane on which every great circle is a straight line: who sees whom round the coast is decided there
# The gnomonic projection of a sphere from its centre, on the plane that touches it at the middle of the region of
# interest. Lines are straight, so what lies left of a great circle lies left of its line; lengths and angles are not
# kept. Latitudes are taken as those of a sphere, for points and coasts alike.

CENTRE = 125.0, 33.0  # lon, lat
_UP = unit_vectors(*CENTRE).reshape(3)
_EAST = unit_vectors(CENTRE[0] + 90.0, 0.0).reshape(3)
_NORTH = np.cross(_UP, _EAST)


def to_plane(lon: ArrayLike, lat: ArrayLike) -> Floats:
    """Points (n,), degrees, on the plane (n, 2), in radii of the Earth; NaN for what lies 90 degrees off or more.

    >>> np.abs(to_plane([125.0, 125.0, -55.0], [33.0, 78.0, 0.0])).round(6).tolist()
    [[0.0, 0.0], [0.0, 1.0], [nan, nan]]
    """
    points = unit_vectors(np.atleast_1d(lon), np.atleast_1d(lat))
    if len(points) == 1:  # whose products BLAS rounds otherwise: no point may depend on what else is asked
        return to_plane(np.repeat(lon, 2), np.repeat(lat, 2))[:1]
    up = points @ _UP
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((up > 0.0)[:, None], np.column_stack([points @ _EAST, points @ _NORTH]) / up[:, None], np.nan)


def from_plane(xy: ArrayLike) -> tuple[Floats, Floats]:
    """Longitude and latitude (n,), degrees, of points of the plane (n, 2).

    >>> lon, lat = from_plane(to_plane([130.0], [41.0]))
    >>> round(float(lon[0]), 9), round(float(lat[0]), 9)
    (130.0, 41.0)
    """
    xy = np.asarray(xy, np.float64).reshape(-1, 2)
    points = _UP + xy[:, :1] * _EAST + xy[:, 1:] * _NORTH
    lon = np.degrees(np.arctan2(points[:, 1], points[:, 0]))
    return np.asarray(wrap_lon(lon)), np.degrees(np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1])))


def on_plane(points: Floats, sizes: NDArray[np.int64]) -> NDArray[np.object_]:
    """Polygons from the points of their shells, lon, lat in degrees (n, 2), not closed, so many of each.

    >>> square = on_plane(np.array([[124.0, 33.0], [126.0, 33.0], [126.0, 34.0], [124.0, 34.0]]), np.array([4]))
    >>> len(square), bool(square[0].contains(shapely.Point(0.0, 0.01)))
    (1, True)
    """
    xy = to_plane(*points.T)
    ring = np.repeat(np.arange(len(sizes)), sizes)
    return np.asarray(shapely.polygons(shapely.linearrings(xy, indices=ring)))


def sides_of(polygons: Any) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """The shells of shapely polygons as tail, head (s, 2) and next_side (s,), with the inside on the left.

    >>> tail, head, next_side = sides_of(np.array([shapely.box(0, 0, 1, 1)]))
    >>> len(tail), bool((tail[next_side] == head).all())
    (4, True)
    """
    rings = shapely.get_exterior_ring(shapely.orient_polygons(polygons))
    size = shapely.get_num_points(rings) - 1
    beyond = np.cumsum(size, dtype=np.int64)
    tail = np.delete(shapely.get_coordinates(rings), beyond + np.arange(len(size)), axis=0)
    next_side = np.arange(1, len(tail) + 1)
    next_side[beyond - 1] = beyond - size
    return tail, tail[next_side], next_side


# ---------------- Points of the ellipsoid as points in space, where a tree finds the nearest and a distance is a root


def in_space_km(lon: Floats, lat: Floats) -> Floats:
    """Points (n,), degrees, on the WGS 84 ellipsoid as points in space (n, 3), kilometres from its centre.

    >>> in_space_km([0.0, 90.0], [0.0, 0.0]).round(3).tolist()
    [[6378.137, 0.0, 0.0], [0.0, 6378.137, 0.0]]
    """
    turn, rise = np.radians(lon), np.radians(lat)
    sine, flat = np.sin(rise), np.cos(rise)
    normal = WGS84_A_M / 1000 / np.sqrt(1.0 - WGS84_E2 * sine**2)
    return np.column_stack([normal * flat * np.cos(turn), normal * flat * np.sin(turn), normal * (1 - WGS84_E2) * sine])


def arc_km(chord_km: Floats) -> Floats:
    """Length along the ellipsoid of the way between two points of it, from their distance through it.

    Within 0.1 m of the geodesic up to 100 km, 0.1 km up to 2,500 km, 0.3 % beyond.

    >>> arc_km(np.array([0.0, 100.0, 1000.0])).round(3).tolist()
    [0.0, 100.001, 1001.029]
    """
    across = 2.0 * MEAN_RADIUS_M / 1000
    return np.asarray(across * np.arcsin(np.minimum(chord_km / across, 1.0)))


def apart_km(one: Floats, other: Floats) -> Floats:
    """Geodesics (n,) between points in space (n, 3), km, as good as `arc_km`; other may be a single one.

    >>> apart_km(in_space_km([125.4], [38.72]), in_space_km([127.45], [39.17])).round().tolist()
    [185.0]
    """
    return arc_km(np.sqrt(((one - other) ** 2).sum(axis=1)))


# ---------------------------------------------------------------------------------- Areas, and shapes drawn on a grid


def area_km2(lon: Floats, lat: Floats) -> Floats:
    """The areas (n,) of polygons with corners (n, m), degrees.

    >>> area_km2(np.array([[124.0, 125.0, 125.0, 124.0]]), np.array([[0.0, 0.0, 1.0, 1.0]])).round(-2).tolist()
    [12300.0]
    """
    rise, turn = np.radians(lat), np.radians(lon - lon[:, :1])
    turn = (turn + np.pi) % (2 * np.pi) - np.pi
    step = np.roll(turn, -1, axis=1) - turn
    strips = step * (np.sin(rise) + np.sin(np.roll(rise, -1, axis=1))) / 2
    b2 = (WGS84_A_M / 1000) ** 2 * (1 - WGS84_E2)
    return np.asarray(np.abs(strips.sum(axis=1)) * b2 * (1 + WGS84_E2 * np.sin(rise).mean(axis=1) ** 2) ** 2)


def not_below(x: Floats, y: Floats, value: Floats) -> Any:
    """Where values (n, m) at the corners of a grid are 0 or more, as one shapely geometry.

    Each square is cut in two triangles on which the value is linear. Never raises on numbers.

    >>> x, y = np.meshgrid([0.0, 1.0, 2.0], [0.0, 1.0])
    >>> not_below(x, y, 0.5 - x).bounds, not_below(x, y, x - 3.0).is_empty
    ((0.0, 0.0, 0.5, 1.0), True)
    """
    at = np.arange(x.size).reshape(x.shape)
    a, b, c, d = (part.ravel() for part in (at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1]))
    corner = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    points, height = np.column_stack([x.ravel(), y.ravel()]), value.ravel()
    ahead, inside = np.roll(corner, -1, axis=1), height >= 0
    low, high = np.where(inside[corner], ahead, corner), np.where(inside[corner], corner, ahead)
    drop = height[high] - height[low]
    crossing = points[high] + (points[low] - points[high]) * (height[high] / np.where(drop > 0, drop, 1.0))[..., None]
    slots = np.stack([points[corner], crossing], axis=2)
    used = np.stack([inside[corner], inside[corner] != inside[ahead]], axis=2)
    of = np.broadcast_to(np.arange(len(corner))[:, None, None], used.shape)[used]
    if not len(of):
        return shapely.Polygon()
    rings = shapely.linearrings(slots[used], indices=np.unique(of, return_inverse=True)[1])
    return shapely.coverage_union_all(shapely.polygons(rings))
