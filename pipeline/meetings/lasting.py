"""Which kept legs can still meet a new one: most ended before any new one near them began.

Kept are the legs of hours, new those of minutes where a slice is short or a watch looks. Asking a map of the Earth in
squares of half a degree costs some hundredths of what it costs to look for neighbours.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.lib.stride_tricks import sliding_window_view

from stswatch.geo.plane import LEAST_M_PER_DEG
from stswatch.pipeline.batch import Bools, Floats, Ints, micros

_DEG = 0.5
_ROWS, _COLUMNS = round(180 / _DEG), round(360 / _DEG)
_NEVER = np.iinfo(np.int64).max


def lasting(kept: pa.Table, new: pa.Table, distance_m: float) -> Bools:
    """Whether each kept leg, (n,), lasts when a new leg within the distance of it may have begun; never misses one.

    kept, new: schema.LEGS.
    """
    begun = np.full(_ROWS * _COLUMNS, _NEVER)
    np.minimum.at(begun, _square(new), micros(new, "start"))
    up, aside = _reach(kept, new, distance_m)
    nearest = _least_around(begun.reshape(_ROWS, _COLUMNS), up, aside)
    return np.asarray(micros(kept, "end") > nearest.ravel()[_square(kept)])


def _square(legs: pa.Table) -> Ints:
    """The square in which each leg begins; longitudes of any turn."""
    column, row = (np.floor(np.asarray(legs[name]) / _DEG).astype(np.int64) for name in ("lon0", "lat0"))
    return np.minimum(row + _ROWS // 2, _ROWS - 1) * _COLUMNS + column % _COLUMNS


def _reach(kept: pa.Table, new: pa.Table, distance_m: float) -> tuple[int, int]:
    """How many squares to the north or south, and to the east or west, two legs that meet can begin from each other."""
    wide_deg, high_deg, furthest_deg = np.zeros(2), np.zeros(2), 0.0
    for k, legs in enumerate((kept, new)):
        lon0, lat0, lon1, lat1 = (np.asarray(legs[name]) for name in ("lon0", "lat0", "lon1", "lat1"))
        wide_deg[k], high_deg[k] = _most(lon1 - lon0), _most(lat1 - lat0)
        furthest_deg = max(furthest_deg, _most(lat0), _most(lat1))
    apart_deg = 2 * distance_m / LEAST_M_PER_DEG  # twice: for the bend of the way, as grown boxes have it
    up = np.ceil((high_deg.sum() + apart_deg) / _DEG)
    narrowest = max(np.cos(np.radians(min(furthest_deg + apart_deg, 90.0))), 1e-6)
    aside = np.ceil((wide_deg.sum() + apart_deg / narrowest) / _DEG)
    return int(min(up, _ROWS)), int(min(aside, _COLUMNS // 2))


def _most(degrees: Floats) -> float:
    return float(np.abs(degrees).max(initial=0.0))


def _least_around(values: Ints, up: int, aside: int) -> Ints:
    """The least value within so many rows and columns of each; columns go round."""
    rows = np.pad(values, ((up, up), (0, 0)), constant_values=_NEVER)
    values = sliding_window_view(rows, 2 * up + 1, axis=0).min(axis=-1)
    columns = np.pad(values, ((0, 0), (aside, aside)), mode="wrap")
    return np.asarray(sliding_window_view(columns, 2 * aside + 1, axis=1).min(axis=-1))
