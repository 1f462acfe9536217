"""Points of the ellipsoid as points in space, where a tree finds the nearest and a distance is a root."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stswatch.geo.plane import WGS84_A_M, WGS84_E2
from stswatch.geo.sphere import MEAN_RADIUS_M

Floats = NDArray[np.float64]


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
