"""The sides of all rings of the coast, both layers in one row, found by the boxes that they touch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from stswatch.geo.coast import LAYERS, PER_DEG, REGION_BOX, path, rings
from stswatch.geo.longitude import lon_difference

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_CHUNK = 32  # sides that are looked for together
_PER_DEG = PER_DEG["region"]


@dataclass(frozen=True)
class Sides:
    """All rings, closed, as points (n,) in units of 0.00001 degrees, and chunks (m,) of their sides.

    A chunk has the sides from point `begin` to point `end`, in a `box` of west, south, east, north, degrees. The first
    `region` points are of the layer that keeps every point of the source.
    """

    lon: NDArray[np.int32]
    lat: NDArray[np.int32]
    begin: Ints
    end: Ints
    box: tuple[Floats, Floats, Floats, Floats]
    region: int

    def near(self, west: float, south: float, east: float, north: float) -> tuple[Floats, Bools]:
        """Sides of chunks that touch a box in continuous degrees, as lon0, lat0, lon1, lat1 (k, 4), in order.

        And of each (k,) whether every point of the source is kept there. Longitudes are as in the coast, +-180.
        """
        low_x, low_y, high_x, high_y = self.box
        rows = np.flatnonzero((low_y <= north) & (high_y >= south))
        apart = np.abs(lon_difference((west + east) / 2, (low_x[rows] + high_x[rows]) / 2))
        return self._of(rows[apart <= (east - west + high_x[rows] - low_x[rows]) / 2])

    def west_of(self, lon: float, lat: float) -> Floats:
        """Sides (k, 4) of chunks that a line from a point west along its parallel may cross."""
        low_x, low_y, _, high_y = self.box
        return self._of(np.flatnonzero((low_y <= lat) & (high_y >= lat) & (low_x <= lon)))[0]

    def _of(self, chunk: Ints) -> tuple[Floats, Bools]:
        i = spread(self.begin[chunk], self.end[chunk])[1]
        out = np.column_stack([axis[k] for k in (i, i + 1) for axis in (self.lon, self.lat)]) / _PER_DEG
        return out, i < self.region


def is_cut(sides: Floats) -> Bools:
    """Sides (m, 4) that are no shore: along the edge of the region, the date line, or the south pole's parallel.

    >>> is_cut(np.array([[180.0, 66.0, 180.0, 66.1], [125.0, 38.6, 125.0, 38.7]])).tolist()
    [True, False]
    """
    west, south, east, north = REGION_BOX
    meridian, parallel = sides[:, 0] == sides[:, 2], sides[:, 1] == sides[:, 3]
    along = np.isin(sides[:, 0], [-180.0, 180.0, west, east]) & meridian
    return np.asarray(along | (np.isin(sides[:, 1], [-90.0, south, north]) & parallel))


def spread(begin: NDArray[np.integer], end: NDArray[np.integer]) -> tuple[Ints, Ints]:
    """Ranges begin:end (n,) written out one after the other, as (which range (m,), value (m,)).

    >>> [part.tolist() for part in spread(np.array([5, 1]), np.array([7, 4]))]
    [[0, 0, 1, 1, 1], [5, 6, 1, 2, 3]]
    """
    count = (end - begin).astype(np.int64)
    which = np.repeat(np.arange(len(count)), count)
    ahead = begin - (np.cumsum(count) - count)
    return which, np.arange(len(which)) + ahead[which]


def cut_up(sides: Floats, most_deg: Floats | float) -> Floats:
    """Sides (m, 4) cut into equal pieces no longer than most_deg along either axis, joined without a gap.

    >>> cut_up(np.array([[0.0, 0.0, 2.0, 1.0]]), 1.0).tolist()
    [[0.0, 0.0, 1.0, 0.5], [1.0, 0.5, 2.0, 1.0]]
    """
    longest = np.maximum(np.abs(sides[:, 2] - sides[:, 0]), np.abs(sides[:, 3] - sides[:, 1]))
    pieces = np.maximum(np.ceil(longest / most_deg).astype(np.int64), 1)
    which, nth = spread(np.zeros(len(sides), np.int64), pieces)
    out = sides[which]
    cut = np.flatnonzero(pieces[which] > 1)
    begin, end = out[cut, :2].copy(), out[cut, 2:].copy()
    nth, most = nth[cut, None], pieces[which[cut], None]
    out[cut, :2] = begin + nth / most * (end - begin)
    out[cut, 2:] = np.where(nth + 1 == most, end, begin + (nth + 1) / most * (end - begin))
    return out


@cache
def sides() -> Sides:
    """Those of the coast that is shipped, read once.

    >>> near, fine = sides().near(124.9, 38.6, 125.0, 38.7)
    >>> near.shape[1], bool(fine.any())
    (4, True)
    """
    parts = [rings(path(), name) for name in LAYERS]
    lon, lat = np.hstack(
        [points * (_PER_DEG // PER_DEG[name]) for name, (points, *_) in zip(LAYERS, parts, strict=True)]
    )
    region = parts[0][0].shape[1]
    start = np.concatenate([parts[0][1][:-1], parts[1][1] + region])
    count = -(-(np.diff(start) - 1) // _CHUNK)
    ring, nth = spread(np.zeros(len(count), np.int64), count)
    begin = start[:-1][ring] + nth * _CHUNK
    end = np.minimum(begin + _CHUNK, start[1:][ring] - 1)
    low_x, low_y = (np.minimum(np.minimum.reduceat(axis, begin), axis[end]) / _PER_DEG for axis in (lon, lat))
    high_x, high_y = (np.maximum(np.maximum.reduceat(axis, begin), axis[end]) / _PER_DEG for axis in (lon, lat))
    return Sides(lon, lat, begin, end, (low_x, low_y, high_x, high_y), region)
