"""Which of some polygons hold which of many points."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

Floats = NDArray[np.float64]
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
    for k, polygon in enumerate(polygons):
        there = y[first[k] : beyond[k]]
        at = first[k] + np.flatnonzero((there >= south[k]) & (there <= north[k]))
        found.append(at[shapely.intersects_xy(polygon, x[at], y[at])])
    counts = [len(at) for at in found[1:]]
    return order[np.concatenate(found)], np.repeat(np.arange(len(polygons)), counts)
