"""Longitudes that run from 0 to 360: known by the values of a table, and moved to -180 to 180.

The table is looked at as a whole, or where that takes long in samples all over it. Only a value beyond 180 is moved, so
what is not seen costs positions, which are counted as out of range, and makes none wrong.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NOT_AVAILABLE = 181.0
NOTE = "longitudes of 0 to 360 taken as -180 to 180"

Floats = NDArray[np.float64]


def runs_to_360(lon: Floats) -> bool:
    """Whether longitudes of a table lie beyond 180 and none below 0; never raises.

    >>> runs_to_360(np.array([124.5, 235.0])), runs_to_360(np.array([-90.0, 235.0])), runs_to_360(np.array([181.0]))
    (True, False, False)
    """
    lon = lon[np.isfinite(lon) & (lon != NOT_AVAILABLE)]
    beyond = (lon > 180.0) & (lon <= 360.0)
    return bool(beyond.any() and not (lon < 0.0).any())


def westward(lon: Floats) -> Floats:
    """Longitudes with those beyond 180 as west; what means "not available" as it is.

    >>> westward(np.array([124.5, 235.0, 360.0, 181.0])).tolist()
    [124.5, -125.0, 0.0, 181.0]
    """
    beyond = (lon > 180.0) & (lon <= 360.0) & (lon != NOT_AVAILABLE)
    return np.where(beyond, lon - 360.0, lon)
