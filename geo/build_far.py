"""The few points of shore that are the nearest to any place far out, for the file of the coast.

The way from such a place to the shore nearest to it comes by a place that is just FAR_KM from any shore, with the same
shore nearest to it. So only what is nearest to the lines FAR_KM from shore can be nearest further out. These lines are
found by cutting up the Earth into squares, and those that one may go through into smaller ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from stswatch.geo.coast import FAR_KM
from stswatch.geo.sides import cut_up, is_cut
from stswatch.geo.space import in_space_km

Floats = NDArray[np.float64]

# Ends of pieces stand for the shore: seen from FAR_KM it is too far by PIECE^2 / 8 FAR_KM, 0.1 km
PIECE_DEG = 0.04
FIRST_SQUARE_DEG, TIMES_CUT = 2.0, 8  # 0.008 degrees in the end: what is missed is the nearest over less than 1.3 km
AT_ONCE = 1 << 20
MOST_KM_PER_DEG = 111.7


def far_of(sides: Floats) -> Floats:
    """Points (k, 2), degrees, of all sides (n, 4) of a coast that are nearest to any place FAR_KM or more from it."""
    points = cut_up(sides[~is_cut(sides)], PIECE_DEG)[:, :2]
    tree = cKDTree(in_space_km(*points.T), balanced_tree=False, compact_nodes=False)
    half = FIRST_SQUARE_DEG / 2
    lon, lat = (a.ravel() for a in np.meshgrid(*(np.arange(half - w, w, 2 * half) for w in (180.0, 90.0))))
    for _ in range(TIMES_CUT):
        lon, lat = lon[near := _nearest(tree, lon, lat, half)[0]], lat[near]
        half /= 2
        lon = (lon[:, None] + np.array([-half, half, -half, half])).ravel()
        lat = (lat[:, None] + np.array([-half, -half, half, half])).ravel()
    on_line, nearest = _nearest(tree, lon, lat, half)
    return np.asarray(points[np.unique(nearest[on_line])])


def _nearest(tree: cKDTree, lon: Floats, lat: Floats, half: float) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Whether a line FAR_KM from shore may go through squares (n,) about points, and what is nearest to these."""
    up_km = half * MOST_KM_PER_DEG
    out = np.zeros(len(lon), bool), np.zeros(len(lon), np.int64)
    for first in range(0, len(lon), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        radius_km = np.hypot(up_km, up_km * np.cos(np.radians(np.abs(lat[part]) - half)))
        off_km, out[1][part] = tree.query(in_space_km(lon[part], lat[part]), distance_upper_bound=FAR_KM + 2 * up_km)
        out[0][part] = np.abs(off_km - FAR_KM) <= radius_km
    return out
