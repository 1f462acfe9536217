"""The plain square grid of latitude and longitude that counts are kept by.

Ids are int64 (n,): row * 100000 + column, from 90 S and 180 W. Scalars pass too; nothing is mutated; empty arrays give
empty arrays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stswatch.geo.longitude import wrap_lon

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROW = 100_000


def grid_cell(lon: ArrayLike, lat: ArrayLike, size_deg: float) -> Ints:
    """Grid cells (n,) of points, degrees; any longitude, latitude clipped to +-90.

    Raises ValueError unless 0.0036 <= size_deg <= 180, and for NaN or infinity.

    >>> int(grid_cell(-179.9, -89.9, 0.5)), int(grid_cell(0.1, 0.1, 0.5))
    (0, 18000360)
    """
    if not 360 / _ROW <= size_deg <= 180:
        raise ValueError(f"a grid of {size_deg} degrees has no cell ids; give a size from 0.0036 to 180 degrees")
    if not (np.all(np.isfinite(lon)) and np.all(np.isfinite(lat))):
        raise ValueError("a point is not finite; leave out points without a position")
    row = np.floor((np.clip(np.asarray(lat, np.float64), -90, 90) + 90) / size_deg).astype(np.int64)
    column = np.floor((wrap_lon(lon) + 180) / size_deg).astype(np.int64)
    return np.minimum(row, int(np.ceil(180 / size_deg)) - 1) * _ROW + column


def grid_centre(cell: ArrayLike, size_deg: float) -> tuple[Floats, Floats]:
    """Longitude and latitude of the centres of grid cells (n,), degrees.

    >>> [float(x) for x in grid_centre(18000360, 0.5)]
    [0.25, 0.25]
    """
    row, column = np.divmod(np.asarray(cell, np.int64), _ROW)
    return (column + 0.5) * size_deg - 180, (row + 0.5) * size_deg - 90
