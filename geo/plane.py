"""Degrees and metres: the nearest meridian, the size of a degree, distance and the way along a great circle.

Longitudes and latitudes are degrees, WGS 84, in the order lon, lat. Every function takes scalars or arrays
of one shape (n,) (broadcasting as NumPy does), gives float64 of that shape, never mutates and never raises
on numbers; NaN goes in, NaN comes out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# Source: NIMA TR8350.2, WGS 84: semi-major axis and flattening are its defining constants.
WGS84_A_M = 6_378_137.0
WGS84_F = 1 / 298.257223563
WGS84_E2 = WGS84_F * (2 - WGS84_F)

# Source: Moritz, Geodetic Reference System 1980: R1 = (2a + b) / 3, for WGS 84 6,371,008.77 m.
MEAN_RADIUS_M = 6_371_008.8

NEAR_DEG = 0.1  # how far apart, and
PLANE_UPTO_DEG = 85.0  # up to which latitude `hop_m` takes the Earth for flat


def wrap_lon(lon_deg: ArrayLike) -> Floats:
    """Longitude in [-180, 180); what is in that range already comes back bit for bit.

    >>> float(wrap_lon(181.5)), float(wrap_lon(-180.0)), float(wrap_lon(180.0))
    (-178.5, -180.0, -180.0)
    """
    lon = np.asarray(lon_deg, np.float64)
    turned = lon - 360.0 * turns_of(lon)
    return turned[()]


def turns_of(lon_deg: ArrayLike) -> Floats:
    """Whole turns to take off a longitude so that it lies in [-180, 180)."""
    lon = np.asarray(lon_deg, np.float64)
    turns = np.floor((lon + 180.0) / 360.0)
    # the quotient rounds: a longitude a hair below 180 would be turned below -180
    turns = turns - (lon - 360.0 * turns < -180.0)
    turns = turns + (lon - 360.0 * turns >= 180.0)
    return turns[()]


def near_lon(lon_deg: ArrayLike, reference_deg: ArrayLike) -> Floats:
    """The same meridian as lon, within 180 degrees of the reference; may lie beyond +-180.

    >>> float(near_lon(-179.5, 179.5)), float(near_lon(179.5, -179.5)), float(near_lon(10.0, 20.0))
    (180.5, -180.5, 10.0)
    """
    lon, reference = np.asarray(lon_deg, np.float64), np.asarray(reference_deg, np.float64)
    return (lon - 360.0 * np.rint((lon - reference) / 360.0))[()]


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


def haversine_m(lon0: ArrayLike, lat0: ArrayLike, lon1: ArrayLike, lat1: ArrayLike) -> Floats:
    """Great-circle distance, metres, on the sphere of mean radius; within 0.6 % of the WGS 84 geodesic.

    Rounding stays below 0.1 micrometre at every distance, antipodes included. Symmetric in the two points,
    bit for bit.
    Source: the haversine formula; sine and cosine of half the angle are built apart, never as differences
    of near equals.

    >>> round(float(haversine_m(0.0, 0.0, 180.0, 0.0)))
    20015114
    """
    distance_m: Floats = MEAN_RADIUS_M * _angle(*_radians(lon0, lat0, lon1, lat1))
    return distance_m[()]


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
    distance_m = np.hypot(turn * flat, rise) * np.radians(MEAN_RADIUS_M)
    far = np.flatnonzero((np.abs(turn) > NEAR_DEG) | (np.abs(rise) > NEAR_DEG) | (np.abs(lat[1:]) > PLANE_UPTO_DEG))
    distance_m[far] = haversine_m(lon[far], lat[far], lon[far + 1], lat[far + 1])
    return np.asarray(distance_m)


def along(
    lon0: ArrayLike, lat0: ArrayLike, lon1: ArrayLike, lat1: ArrayLike, fraction: ArrayLike
) -> tuple[Floats, Floats]:
    """The point at a fraction (0 to 1) of the way along the great circle, as (lon, lat).

    Longitude comes back within 180 degrees of lon0, so it may lie beyond +-180; fractions 0 and 1 give the
    ends bit for bit. Between antipodes every great circle is as short: the point then lies on one of them
    or, half way, anywhere.
    Within 0.01 mm of the great circle and of the fraction, 1 km or more short of antipodes.
    Source: spherical linear interpolation (Shoemake 1985) on unit vectors.

    >>> lon, lat = along(179.0, 0.0, -179.0, 0.0, 0.75)
    >>> round(float(lon), 9), round(float(lat), 9)
    (180.5, 0.0)
    """
    t = np.asarray(fraction, np.float64)
    start_lon, start_lat = np.asarray(lon0, np.float64), np.asarray(lat0, np.float64)
    end_lon, end_lat = near_lon(lon1, start_lon), np.asarray(lat1, np.float64)
    lon, lat = _slerp(t, *_radians(start_lon, start_lat, end_lon, end_lat))
    lon = near_lon(lon, start_lon)
    lon = np.where(t == 0, start_lon, np.where(t == 1, end_lon, lon))
    lat = np.where(t == 0, start_lat, np.where(t == 1, end_lat, lat))
    return lon[()], lat[()]


def _radians(*degrees: ArrayLike) -> tuple[Any, ...]:
    return tuple(np.radians(np.asarray(value, np.float64)) for value in degrees)


def _angle(lon0: Any, lat0: Any, lon1: Any, lat1: Any) -> Any:
    """Angle between two directions, radians, from sine and cosine of its half, both sums of squares."""
    half_lon = (lon1 - lon0) / 2
    both = np.cos(lat0) * np.cos(lat1)
    sine2 = np.sin((lat1 - lat0) / 2) ** 2 + both * np.sin(half_lon) ** 2
    cosine2 = np.sin((lat1 + lat0) / 2) ** 2 + both * np.cos(half_lon) ** 2
    return 2.0 * np.arctan2(np.sqrt(sine2), np.sqrt(cosine2))


def _slerp(t: Any, lon0: Any, lat0: Any, lon1: Any, lat1: Any) -> tuple[Any, Any]:
    """Degrees of the point at fraction t; worked out in the frame whose x axis is the meridian of the start.

    In that frame the change of longitude is a small number with its own precision, so short legs keep theirs.
    """
    angle = _angle(lon0, lat0, lon1, lat1)
    sine = np.sin(angle)
    short = sine < 1e-12  # a leg of micrometres, or antipodes: the chord is as good, and there is nothing to divide by
    safe = np.where(short, 1.0, sine)
    weight0 = np.where(short, 1.0 - t, np.sin((1.0 - t) * angle) / safe)
    weight1 = np.where(short, t, np.sin(t * angle) / safe)
    turn = lon1 - lon0
    x = weight0 * np.cos(lat0) + weight1 * np.cos(lat1) * np.cos(turn)
    y = weight1 * np.cos(lat1) * np.sin(turn)
    z = weight0 * np.sin(lat0) + weight1 * np.sin(lat1)
    return np.degrees(lon0 + np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))
