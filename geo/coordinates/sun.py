"""Where the sun stands, and whether it is day: for telling what could have been seen of a meeting.

Source: NOAA Global Monitoring Laboratory, Solar Calculator, which is the short form in Meeus, Astronomical Algorithms
(2nd ed., 1998), chapter 25, with sidereal time after chapter 12; limits of twilight as the US Naval Observatory
defines them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# Elevation of the sun's centre, degrees, below which it gets darker, geometric. Day ends when the upper edge is gone:
# half its width, 16', and the 34' by which air lifts it at the horizon. Civil twilight: the horizon and ships are seen
# without lamps; nautical twilight: the horizon is still seen.
DAY_DEG, CIVIL_DEG, NAUTICAL_DEG = -0.833, -6.0, -12.0
LIGHTS = ("night", "nautical_twilight", "civil_twilight", "day")

_J2000_US = 946_728_000_000_000  # 2000-01-01T12:00Z
_DAY_US = 86_400_000_000
_DAYS_PER_CENTURY = 36_525.0
_TT_LESS_UTC_D = 69.2 / 86_400  # the sun's place is counted in even time; Source: IERS Bulletin A, since 2017


def sun_elevation_deg(lon: ArrayLike, lat: ArrayLike, time: ArrayLike) -> Floats:
    """How high the middle of the sun stands over the horizon, degrees, negative below; no refraction.

    lon, lat: degrees (n,), any longitude. time: UTC, datetime64 or whole microseconds since 1970, (n,). Scalars pass,
    and all broadcast. From 1950 to 2050 within 0.0125 degrees of NREL's Solar Position Algorithm (a fifth of it because
    this is the elevation as from the middle of the Earth), to which clocks may add 0.004: UTC is up to 0.9 s off the
    turning of the Earth. Air lifts the sun by half a degree at the horizon and by less than 0.1 above 10 degrees: it is
    seen that much higher. NaN where a coordinate is not finite, a latitude lies beyond +-90 or a time is NaT. Raises
    TypeError for times of another kind.

    >>> noon = np.datetime64("2024-06-20T12:00")
    >>> round(float(sun_elevation_deg(0.0, 23.44, noon)), 1), round(float(sun_elevation_deg(0.0, -90.0, noon)), 1)
    (89.6, -23.4)
    """
    lon, lat = (np.asarray(degrees, np.float64) for degrees in (lon, lat))
    days = _days(time)
    x, y, z = _toward_sun(days + _TT_LESS_UTC_D)
    north = np.radians(np.where(np.abs(lat) <= 90, lat, np.nan))
    with np.errstate(invalid="ignore"):
        turned = _sidereal(days) + np.radians(lon)
        sine = np.sin(north) * z + np.cos(north) * (np.cos(turned) * x + np.sin(turned) * y)
    return np.asarray(np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0))))[()]


def light_of(elevation_deg: ArrayLike) -> NDArray[np.str_]:
    """One of LIGHTS for elevations of the sun (n,), degrees as `sun_elevation_deg` gives them; "" for NaN.

    >>> light_of([5.0, -0.8, -3.0, -9.0, -20.0, np.nan]).tolist()
    ['day', 'day', 'civil_twilight', 'nautical_twilight', 'night', '']
    """
    elevation = np.asarray(elevation_deg, np.float64)
    level = np.searchsorted([NAUTICAL_DEG, CIVIL_DEG, DAY_DEG], elevation, side="right")
    return np.where(np.isnan(elevation), "", np.array(LIGHTS)[np.minimum(level, len(LIGHTS) - 1)])


def _days(time: ArrayLike) -> Floats:
    """Days since noon of 2000-01-01 UTC; the whole ones are taken off first, so that a microsecond is not lost."""
    when = np.asarray(time)
    if when.dtype.kind == "M":
        when = when.astype("datetime64[us]").view(np.int64)
    elif when.dtype.kind not in "iu" and when.size:
        raise TypeError(f"times must be datetime64 or whole microseconds since 1970, not {when.dtype}")
    whole, rest_us = np.divmod(when.astype(np.int64) - _J2000_US, _DAY_US)
    return np.where(when == np.iinfo(np.int64).min, np.nan, whole + rest_us / _DAY_US)


def _toward_sun(days: Floats) -> tuple[Any, Any, Any]:
    """The direction of the sun: a vector of length 1 toward the equinox, 90 degrees east of it on the equator, north.

    Source: Meeus, eq. 25.2 to 25.8, which give the ecliptic longitude as it is seen, and the tilt of the axis.
    """
    t = days / _DAYS_PER_CENTURY
    mean_longitude = np.radians(280.46646 + t * (36000.76983 + t * 0.0003032))
    anomaly = np.radians(357.52911 + t * (35999.05029 - t * 0.0001537))
    centre_deg = (
        (1.914602 - t * (0.004817 + t * 0.000014)) * np.sin(anomaly)
        + (0.019993 - t * 0.000101) * np.sin(2 * anomaly)
        + 0.000289 * np.sin(3 * anomaly)
    )
    node = np.radians(125.04 - 1934.136 * t)
    longitude = mean_longitude + np.radians(centre_deg - 0.00569 - 0.00478 * np.sin(node))
    tilt = np.radians(23.4392911 - t * (0.0130042 + t * (1.64e-7 - t * 5.04e-7)) + 0.00256 * np.cos(node))
    sine = np.sin(longitude)
    return np.cos(longitude), np.cos(tilt) * sine, np.sin(tilt) * sine


def _sidereal(days: Floats) -> Any:
    """Apparent sidereal time at Greenwich, radians. Source: Meeus, eq. 12.4, with the equation of the equinoxes."""
    t = days / _DAYS_PER_CENTURY
    node, moon = np.radians(125.04 - 1934.136 * t), np.radians(2 * (280.47 + 36000.77 * t))
    equinoxes_deg = (-17.2 * np.sin(node) - 1.32 * np.sin(moon)) / 3600 * 0.9175  # cosine of the tilt
    return np.radians((280.46061837 + 360.98564736629 * days + t * t * 0.000387933 + equinoxes_deg) % 360.0)
