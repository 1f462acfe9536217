"""A plane on which every great circle is a straight line: who sees whom round the coast is decided there.

The gnomonic projection of a sphere from its centre, on the plane that touches it at the middle of the region of
interest. Lines are straight, so what lies left of a great circle lies left of its line; lengths and angles are not
kept. Latitudes are taken as those of a sphere, for points and coasts alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stswatch.geo.longitude import wrap_lon
from stswatch.geo.sphere import unit_vectors

Floats = NDArray[np.float64]

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
