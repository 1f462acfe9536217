"""The distance to the shore by brute force: every side of a coast near enough is looked at, on a plane of its own."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyproj
import shapely

from stswatch.geo.coast.land import LAYERS, layer
from stswatch.geo.scripts.build_coast import source

KM_PER_DEG = 110.5  # no degree of latitude is shorter
PIECE_DEG = 0.02  # a straight line between longitudes and latitudes is one of the plane so far, to a metre or two


class Coast:
    """Sides (m, 4) of rings, in order of latitude; what only closes polygons is no shore."""

    def __init__(self, sides: np.ndarray) -> None:
        lon0, lat0, lon1, lat1 = sides.T
        cut = (lon0 == lon1) & np.isin(lon0, [-180, 180, 104.5, 145.5])
        cut |= (lat0 == lat1) & np.isin(lat0, [14.5, 48.5])
        cut |= (lat0 == -90) | (lat1 == -90)  # the source cuts Antarctica from the pole along 0 and 180 degrees
        sides = pieces(sides[~cut])
        self.sides = sides[np.argsort(sides[:, 1])]

    def distance_km(self, lon: float, lat: float) -> float:
        """Distance from a place to the nearest side: among those in a band of latitude, the wider the further it is."""
        band_deg = 0.25
        while True:
            first, after = np.searchsorted(self.sides[:, 1], [lat - band_deg, lat + band_deg])
            sides = self.sides[first:after]
            to_end_km = sphere_km(lon, lat, sides[:, 0], sides[:, 1])
            # within what the sphere is off, and the length of a piece, nothing nearer can lie outside of the band
            least = to_end_km.min(initial=np.inf) * 1.01 + 2 * PIECE_DEG * 112
            if least < band_deg * KM_PER_DEG or band_deg > 360:
                return on_plane_km(sides[to_end_km <= least], lon, lat)
            band_deg *= 2


def pieces(sides: np.ndarray) -> np.ndarray:
    """Sides cut into pieces no longer than PIECE_DEG."""
    count = np.maximum(np.ceil(np.abs(sides[:, 2:] - sides[:, :2]).max(axis=1) / PIECE_DEG).astype(int), 1)
    side = np.repeat(np.arange(len(sides)), count)
    nth = np.arange(len(side)) - np.repeat(np.cumsum(count) - count, count)
    begin, way = sides[side, :2], (sides[side, 2:] - sides[side, :2]) / count[side, None]
    return np.hstack([begin + nth[:, None] * way, begin + (nth[:, None] + 1) * way])


def sphere_km(lon: float, lat: float, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    rise, turn = np.radians(y - lat), np.radians(x - lon)
    a = np.sin(rise / 2) ** 2 + np.cos(np.radians(y)) * np.cos(np.radians(lat)) * np.sin(turn / 2) ** 2
    return 2 * 6371.0 * np.arcsin(np.sqrt(a))


def on_plane_km(sides: np.ndarray, lon: float, lat: float) -> float:
    """On the plane about a place on which every distance from it is that of the WGS 84 geodesic."""
    plane = pyproj.Transformer.from_crs(
        "EPSG:4326", f"+proj=aeqd +lat_0={lat} +lon_0={lon} +ellps=WGS84", always_xy=True
    )
    east, north = plane.transform(*sides.reshape(-1, 2).T)
    lines = shapely.linestrings(np.column_stack([east, north]).reshape(-1, 2, 2))
    return float(shapely.distance(lines, shapely.Point(0, 0)).min()) / 1000


@cache
def shipped() -> Coast:
    return Coast(np.hstack([np.array(layer(name).segments()) for name in LAYERS]).T)


@cache
def full(within: tuple[float, float, float, float] | None = None) -> Coast:
    """The source at full resolution, or what of it begins in a box: every line of it is shore.

    Raises PackageNotFoundError where it is not there.
    """
    points, size, _ = source()
    side = np.ones(len(points) - 1, bool)
    side[np.cumsum(size)[:-1] - 1] = False
    if within:
        side &= np.all((points >= within[:2]) & (points <= within[2:]), axis=1)[:-1]
    return Coast(np.hstack([points[:-1], points[1:]])[side])
