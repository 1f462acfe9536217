"""A sheet: the plane of a map, metres east and north of its centre, true in distance and direction from there.

Azimuthal and equidistant, so there is nothing special about the date line, and high latitudes look as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyproj
import shapely
from numpy.typing import ArrayLike

from stswatch.geo.coordinates.sphere import near_lon
from stswatch.pipeline.batch import Floats

_ROUND = 181  # points along an edge or a meridian: enough for a smooth line
_LEAST_LINES = 3  # meridians or parallels in a map, at the least
_OPPOSITE_DEG = 8.0  # about the point opposite to the centre, nothing is drawn
_STEPS_MIN = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800)  # between them, minutes of arc


class Box(NamedTuple):
    """A rectangle of a sheet, metres."""

    west: float
    south: float
    east: float
    north: float

    @property
    def width(self) -> float:
        """East to west, metres."""
        return self.east - self.west

    @property
    def height(self) -> float:
        """North to south, metres."""
        return self.north - self.south

    def holds(self, x: Floats, y: Floats) -> np.ndarray:
        """Which points (n,) lie in it."""
        return np.asarray((x >= self.west) & (x <= self.east) & (y >= self.south) & (y <= self.north))


def around(x: Floats, y: Floats, ratio: float, least_m: float, margin: float) -> Box:
    """A box of this ratio of width to height that holds points (n,), with a margin (a share of its size) round them.

    least_m: its height at the least.

    >>> around(np.array([0.0, 1000.0]), np.zeros(2), 2.0, 100.0, 0.1)
    Box(west=-125.0, south=-312.5, east=1125.0, north=312.5)
    """
    width, height = (float(np.ptp(c)) / (1 - 2 * margin) for c in (x, y))
    height = max(height, width / ratio, least_m)
    middle_x, middle_y = (float(c.min() + c.max()) / 2 for c in (x, y))
    half_x, half_y = height * ratio / 2, height / 2
    return Box(middle_x - half_x, middle_y - half_y, middle_x + half_x, middle_y + half_y)


@dataclass(frozen=True)
class Sheet:
    """The plane about a place; lon, lat degrees."""

    lon: float
    lat: float

    @cached_property
    def _proj(self) -> Any:
        return pyproj.Proj(proj="aeqd", lon_0=self.lon, lat_0=self.lat, ellps="WGS84")

    def xy(self, lon: ArrayLike, lat: ArrayLike) -> tuple[Floats, Floats]:
        """Metres east and north, (n,) each, of places in degrees; NaN gives NaN."""
        x, y = self._proj(np.asarray(lon, float), np.asarray(lat, float))
        return np.where(np.isfinite(x), x, np.nan), np.where(np.isfinite(y), y, np.nan)

    def lon_lat(self, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
        """Degrees of places in metres; longitudes within 180 degrees of that of the centre."""
        lon, lat = self._proj(np.asarray(x, float), np.asarray(y, float), inverse=True)
        return near_lon(lon, self.lon), np.asarray(lat)

    def degrees(self, box: Box) -> tuple[float, float, float, float]:
        """West, south, east, north of a box in degrees; all the way round where a pole is in it."""
        lon, lat = self.lon_lat(*_edge(box))
        west, south, east, north = (
            float(f(c)) for f, c in ((np.min, lon), (np.min, lat), (np.max, lon), (np.max, lat))
        )
        for pole in (-90.0, 90.0):
            if box.holds(*self.xy([0.0], [pole]))[0]:
                west, east = self.lon - 180.0, self.lon + 180.0
                south, north = min(south, pole), max(north, pole)
        return west, south, east, north

    def shape(self, geometry: Any) -> np.ndarray:
        """The polygons of shapely geometries in degrees, drawn on the sheet, (n,).

        What reaches to the other side of the Earth is cut there, and ends short of the point opposite to the centre,
        which has no place on the sheet.
        """
        parts = _polygons(geometry)
        west, _, east, _ = shapely.bounds(parts).reshape(-1, 4).T
        half = (east - west) / 2
        far = np.abs(near_lon(west + half, self.lon) - self.lon) + half > 180 - _OPPOSITE_DEG
        cut = [shapely.intersection(shapely.transform(parts[far], _turn(k)), self._seen) for k in (-360, 0, 360)]
        pieces = _polygons(np.concatenate([parts[~far], *cut]))
        return np.asarray(shapely.transform(pieces, lambda points: np.column_stack(self.xy(*points.T))))

    @cached_property
    def _seen(self) -> Any:
        """The Earth, longitudes within 180 degrees of the centre, but for what is round the opposite point."""
        frame = shapely.box(self.lon - 180, -90, self.lon + 180, 90)
        opposite = [shapely.Point(self.lon + side, -self.lat).buffer(_OPPOSITE_DEG) for side in (-180, 180)]
        return shapely.segmentize(shapely.difference(frame, shapely.union_all(opposite)), 1.0)


def _polygons(geometry: Any) -> np.ndarray:
    parts = shapely.get_parts(shapely.get_parts(shapely.get_parts(geometry)))
    return np.asarray(parts[(shapely.get_type_id(parts) == shapely.GeometryType.POLYGON) & ~shapely.is_empty(parts)])


def _turn(degrees: float) -> Any:
    return lambda points: points + np.array([degrees, 0.0])


def _edge(box: Box) -> tuple[Floats, Floats]:
    x, y = np.linspace(box.west, box.east, _ROUND), np.linspace(box.south, box.north, _ROUND)
    return (
        np.concatenate([x, x, np.full(_ROUND, box.west), np.full(_ROUND, box.east)]),
        np.concatenate([np.full(_ROUND, box.south), np.full(_ROUND, box.north), y, y]),
    )


@dataclass(frozen=True)
class Line:
    """A meridian or a parallel: its degrees, whether it is a parallel, its points on the sheet, metres."""

    degrees: float
    parallel: bool
    step_min: int
    x: Floats
    y: Floats


def graticule(sheet: Sheet, box: Box) -> Iterator[Line]:
    """The meridians and parallels of a box, at round numbers."""
    west, south, east, north = sheet.degrees(box)
    lon, lat = np.linspace(west, east, _ROUND), np.linspace(south, north, _ROUND)
    step_lon, step_lat = _step_min(east - west), _step_min(north - south)
    for degrees in _rounds(south, north, step_lat):
        yield Line(degrees, True, step_lat, *sheet.xy(lon, np.full(_ROUND, degrees)))
    for degrees in _rounds(west, east, step_lon):
        yield Line(degrees, False, step_lon, *sheet.xy(np.full(_ROUND, degrees), lat))


def _step_min(span_deg: float) -> int:
    fitting = [step for step in _STEPS_MIN if span_deg * 60 / step >= _LEAST_LINES]
    return fitting[-1] if fitting else _STEPS_MIN[0]


def _rounds(low: float, high: float, step_min: int) -> list[float]:
    return [
        k * step_min / 60 for k in range(int(np.ceil(low * 60 / step_min)), int(np.floor(high * 60 / step_min)) + 1)
    ]


def metres_text(metres: float) -> str:
    """A length for people.

    >>> metres_text(56.3), metres_text(1500.0), metres_text(20000.0)
    ('56 m', '1.5 km', '20 km')
    """
    return f"{metres:.0f} m" if metres < 1000 else f"{metres / 1000:.3g} km"
