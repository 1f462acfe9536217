"""Great circles: how far, in what direction, where one ends up, on the sphere of mean radius.

Longitudes and latitudes are degrees in the order lon, lat; a longitude may be of any turn. Functions take scalars or
arrays (n,), broadcast as NumPy does, give float64, never mutate and never raise on numbers; NaN goes in, NaN comes out,
and latitudes beyond +-90 are taken as angles, not refused. The Earth is no sphere: each function says how far it is
from the geodesic of WGS 84. For some kilometres `plane` is nearer to the truth.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# Source: Moritz, Geodetic Reference System 1980: R1 = (2a + b) / 3, for WGS 84 6,371,008.77 m.
MEAN_RADIUS_M = 6_371_008.8
M_PER_NM = 1852.0  # Source: ISO 80000-3
MS_PER_KN = M_PER_NM / 3600
KMH_PER_KN = M_PER_NM / 1000


def haversine_m(lon0: ArrayLike, lat0: ArrayLike, lon1: ArrayLike, lat1: ArrayLike) -> Floats:
    """Great-circle distance in metres; within 0.6 % of the WGS 84 geodesic.

    Rounding stays below 0.1 micrometre up to some hundred metres, below a micrometre at every distance, antipodes
    included. Symmetric in the two points, bit for bit.
    Source: the haversine formula; sine and cosine of half the angle are built apart, never as differences of near
    equals.

    >>> round(float(haversine_m(0.0, 0.0, 180.0, 0.0)))
    20015114
    """
    distance_m: Floats = MEAN_RADIUS_M * _angle(*_radians(lon0, lat0, lon1, lat1))
    return distance_m[()]


def bearing_deg(lon0: ArrayLike, lat0: ArrayLike, lon1: ArrayLike, lat1: ArrayLike) -> Floats:
    """Initial bearing of the great circle from point 0 to point 1: degrees in [0, 360), clockwise from north.

    Within 0.2 degrees of that of the WGS 84 geodesic up to 10,000 km and 0.3 up to 15,000 km; between antipodes any
    bearing is right. From a place to itself it is 0. At a pole it counts from the meridian of lon0. Rounding stays
    below 0.0001 degrees from a centimetre on.
    Source: Snyder, Map Projections: A Working Manual, USGS PP 1395 (1987), eq. 5-4b, the difference in its numerator
    written so that it does not cancel.

    >>> float(bearing_deg(179.5, 0.0, -179.5, 0.0)), round(float(bearing_deg(124.9, 38.6, 125.4, 38.7)), 2)
    (90.0, 75.48)
    """
    turn = np.radians(lon_difference(lon0, lon1))
    south, north = _radians(lat0, lat1)
    rise = np.radians(np.asarray(lat1, np.float64) - np.asarray(lat0, np.float64))
    east = np.cos(north) * np.sin(turn)
    ahead = np.sin(rise) + 2.0 * np.sin(south) * np.cos(north) * np.sin(turn / 2) ** 2
    bearing = np.degrees(np.arctan2(east, ahead))
    bearing = np.where(bearing < 0, bearing + 360.0, bearing)
    return np.where(bearing >= 360.0, 0.0, bearing)[()]  # a hair west of north rounds up to a full turn


def destination(lon: ArrayLike, lat: ArrayLike, bearing: ArrayLike, distance_m: ArrayLike) -> tuple[Floats, Floats]:
    """Where the great circle from a place on an initial bearing (degrees) is after a distance (metres), as (lon, lat).

    Undoes `haversine_m` and `bearing_deg` to a micrometre. The longitude comes back within 180 degrees of where it
    began, so it may lie beyond +-180. Off the WGS 84 geodesic by 0.6 % of the distance at most.
    Source: Snyder (1987), eq. 5-5 and 5-6, the latitude from its tangent so that it keeps its digits at the poles.

    >>> east, north = destination(179.0, 0.0, 90.0, 222_390.0)
    >>> round(float(east), 3), round(float(north), 3)
    (181.0, 0.0)
    """
    start_lon, start_lat = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
    rise, heading = _radians(start_lat, bearing)
    angle = np.asarray(distance_m, np.float64) / MEAN_RADIUS_M
    ahead, aside = np.sin(angle) * np.cos(heading), np.sin(angle) * np.sin(heading)
    x = np.cos(rise) * np.cos(angle) - np.sin(rise) * ahead
    z = np.sin(rise) * np.cos(angle) + np.cos(rise) * ahead
    end_lon = start_lon + np.degrees(np.arctan2(aside, x))
    return end_lon[()], np.degrees(np.arctan2(z, np.hypot(x, aside)))[()]


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


def unit_vectors(lon: ArrayLike, lat: ArrayLike) -> Floats:
    """Points (n,) as vectors (n, 3) of length 1 from the centre of the Earth.

    The nearest by chord is the nearest by great circle: for neighbour searches, which then know neither poles nor date
    line.

    >>> unit_vectors([0.0, 90.0], [0.0, 0.0]).round(9).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    turn, rise = _radians(lon, lat)
    flat = np.cos(rise)
    return np.column_stack([flat * np.cos(turn), flat * np.sin(turn), np.sin(rise)])


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


# --------------- The date line, in one place: one meridian has many longitudes, and these functions choose among them
# Longitudes are degrees, float64, of any turn. Functions take scalars or arrays (n,), broadcast as NumPy does, never
# mutate and never raise on numbers; what is not finite gives nothing finite.


def wrap_lon(lon_deg: ArrayLike) -> Floats:
    """Longitude in [-180, 180); what is in that range already comes back bit for bit.

    >>> float(wrap_lon(181.5)), float(wrap_lon(-180.0)), float(wrap_lon(180.0))
    (-178.5, -180.0, -180.0)
    """
    lon = np.asarray(lon_deg, np.float64)
    with np.errstate(invalid="ignore"):
        turned = lon - 360.0 * turns_of(lon)
    return turned[()]


def turns_of(lon_deg: ArrayLike) -> Floats:
    """Whole turns to take off a longitude so that it lies in [-180, 180).

    >>> turns_of([-181.0, 179.0, 540.0]).tolist()
    [-1.0, 0.0, 2.0]
    """
    lon = np.asarray(lon_deg, np.float64)
    with np.errstate(invalid="ignore"):
        turns = np.floor((lon + 180.0) / 360.0)
        # the quotient may round up to a whole number: a longitude a hair below 180 would be turned below -180
        turns = turns - (lon - 360.0 * turns < -180.0)
    return turns[()]


def near_lon(lon_deg: ArrayLike, reference_deg: ArrayLike) -> Floats:
    """The same meridian as lon, within 180 degrees of the reference; may lie beyond +-180.

    >>> float(near_lon(-179.5, 179.5)), float(near_lon(179.5, -179.5)), float(near_lon(10.0, 20.0))
    (180.5, -180.5, 10.0)
    """
    with np.errstate(invalid="ignore"):
        return (np.asarray(lon_deg, np.float64) + turn_to(lon_deg, reference_deg))[()]


def turn_to(lon_deg: ArrayLike, reference_deg: ArrayLike) -> Floats:
    """Degrees, whole turns, that bring lon within 180 degrees of the reference.

    For a piece of a way, whose ends must be turned together.

    >>> float(turn_to(-179.5, 179.5)), float(turn_to(10.0, 20.0))
    (360.0, 0.0)
    """
    lon, reference = np.asarray(lon_deg, np.float64), np.asarray(reference_deg, np.float64)
    with np.errstate(invalid="ignore"):
        return (np.rint((reference - lon) / 360.0) * 360.0)[()]


def lon_difference(lon0_deg: ArrayLike, lon1_deg: ArrayLike) -> Floats:
    """Degrees east from lon0 to lon1 by the shorter way, within +-180; west is negative.

    >>> float(lon_difference(179.5, -179.5)), float(lon_difference(10.0, 350.0))
    (1.0, -20.0)
    """
    lon0 = np.asarray(lon0_deg, np.float64)
    with np.errstate(invalid="ignore"):
        return (near_lon(lon1_deg, lon0) - lon0)[()]
