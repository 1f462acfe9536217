"""Zones of a regime, and the area that a user asked to be shown: polygons from GeoJSON files, read and checked."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from stswatch.errors import StswatchError
from stswatch.geo.coast.land import holding
from stswatch.geo.coordinates.sphere import wrap_lon
from stswatch.regular_files import read_regular

# ---------- Polygons from GeoJSON files, those of the program and those of users: read, checked, brought within +-180
# At the date line a file may cut its polygons, as RFC 7946 asks, or simply draw on beyond +-180 (up to +-360): what
# lies beyond is moved to the other side.


class AreaError(StswatchError, ValueError):
    """A file of polygons that cannot be used; the message says what was found and what to do."""


class GeoFeature(NamedTuple):
    """A polygon and what its file says of it; `number` counts from 1 in the file."""

    number: int
    properties: dict[str, Any]
    shape: Any


def read(path: str | Path) -> list[GeoFeature]:
    """The features of a GeoJSON file: a FeatureCollection, one Feature, or one bare Polygon or MultiPolygon.

    Raises AreaError where it cannot be read, is no GeoJSON, or holds something that is no valid polygon in degrees:
    nothing is mended, since what was meant by a polygon that crosses itself only who drew it knows.

    >>> try:
    ...     read("nowhere.geojson")
    ... except AreaError as error:
    ...     print(str(error).split(";")[0])
    nowhere.geojson: cannot be read (No such file or directory)
    """
    return _parsed(str(path), _text(Path(path)))


def shipped(name: str) -> list[GeoFeature]:
    """The features of a file in geo/data.

    >>> shipped("zones.geojson")[0].properties["regime"]
    'DPRK'
    """
    return _parsed(name, (files("stswatch.geo") / "data" / name).read_text(encoding="utf-8"))


def _text(path: Path) -> str:
    try:
        return read_regular(path).decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or "no such file"
        raise AreaError(f"{path}: cannot be read ({reason}); give world, dprk or the path of a GeoJSON file") from error
    except UnicodeDecodeError as error:
        raise AreaError(f"{path}: not text; give world, dprk or the path of a GeoJSON file of polygons") from error


def _parsed(name: str, text: str) -> list[GeoFeature]:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AreaError(f"{name}: not JSON ({error}); give a GeoJSON file of polygons") from error
    kind = given.get("type") if isinstance(given, dict) else None
    if kind == "FeatureCollection":
        rows = given.get("features")
    elif kind == "Feature":
        rows = [given]
    else:
        rows = [{"properties": {}, "geometry": given}]
    if not isinstance(rows, list) or not rows:
        raise AreaError(f"{name}: holds no feature; give a GeoJSON file with at least one polygon")
    return [_feature(name, number, row) for number, row in enumerate(rows, 1)]


def _feature(name: str, number: int, row: Any) -> GeoFeature:
    geometry = row.get("geometry") if isinstance(row, dict) else None
    try:
        shape = shapely.from_geojson(json.dumps(geometry))
    except (shapely.errors.GEOSException, ValueError, TypeError) as error:
        raise AreaError(f"{name}: feature {number} is no GeoJSON geometry; give polygons") from error
    if shape is None or shape.geom_type not in ("Polygon", "MultiPolygon") or shape.is_empty:
        found = "nothing" if shape is None or shape.is_empty else f"a {shape.geom_type}"
        raise AreaError(f"{name}: feature {number} is {found}; give a Polygon or MultiPolygon")
    if not shape.is_valid:
        raise AreaError(f"{name}: feature {number} is not valid ({shapely.is_valid_reason(shape)}); draw it anew")
    west, south, east, north = shape.bounds
    if not (west >= -360 and east <= 360 and south >= -90 and north <= 90):
        raise AreaError(f"{name}: feature {number} reaches to {shape.bounds}; give degrees, longitude before latitude")
    properties = row.get("properties") or {}
    if not isinstance(properties, dict):
        raise AreaError(f"{name}: the properties of feature {number} are {properties!r}; give an object or null")
    if row.get("id") is not None:
        properties = {"id": row["id"], **properties}
    return GeoFeature(number, properties, _at_home(shape))


def _at_home(shape: Any) -> Any:
    """The polygon within +-180: what was drawn beyond is moved to the other side."""
    west, _, east, _ = shape.bounds
    if west >= -180 and east <= 180:
        return shape
    parts = [
        shapely.transform(shape, lambda xy, turn=turn: xy + np.array([turn, 0])) & shapely.box(-180, -90, 180, 90)
        for turn in (-360, 0, 360)
    ]
    return shapely.union_all([p for p in parts if p.area > 0])


# ------------------------------------------------------ Zones of a regime, and the area that a user asked to be shown
# A zone is a polygon with provenance. Those of the DPRK regime are in geo/data/zones.geojson, which
# geo/scripts/build_places.py makes from hand-kept drawings; a user adds others as a GeoJSON file. Its kind says what a
# zone may do: `reported_transfer_area` may be scored, `context` is shown and never scored. Where zones overlap, a
# point gets them all, by their precedence. Points may have any longitude; the date line itself counts as -180.

__all__ = ["CONTEXT", "KINDS", "MARKS", "REPORTED", "Area", "AreaError", "Zones", "area", "kinds", "zone_of", "zones"]

REPORTED, CONTEXT = "reported_transfer_area", "context"
KINDS = (REPORTED, CONTEXT)
MARKS = {"G": "given", "D": "derived", "E": "estimate"}


@dataclass(frozen=True)
class Zones:
    """Zones, most specific first: by `precedence` (lower first, none last), then by size, then by id.

    `properties` has id, labels, regime, kind, mark, source, date and precedence of each; `geometry` (n,) of shapely.
    """

    properties: tuple[dict[str, Any], ...]
    geometry: NDArray[np.object_]

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids, most specific first."""
        return tuple(p["id"] for p in self.properties)

    def of(self, lon: ArrayLike, lat: ArrayLike) -> list[list[str]]:
        """For points (n,), degrees: ids of the zones that hold each, see `zone_of`."""
        x, y = np.broadcast_arrays(np.atleast_1d(wrap_lon(lon)), np.atleast_1d(np.asarray(lat, float)))
        found: list[list[str]] = [[] for _ in range(x.size)]
        ids = self.ids
        for i, z in zip(*(axis.tolist() for axis in holding(self.geometry, x, y)), strict=True):
            found[i].append(ids[z])
        return found


@dataclass(frozen=True)
class Area:
    """What the user asked to be shown: `geometry` None is the whole world; `zones` are those of the user's file."""

    name: str
    geometry: Any
    zones: Zones

    def contains(self, lon: ArrayLike, lat: ArrayLike) -> NDArray[np.bool_]:
        """Whether points (n,), degrees, any longitude, lie in the area; NaN does not; never raises."""
        x, y = np.broadcast_arrays(np.atleast_1d(wrap_lon(lon)), np.atleast_1d(np.asarray(lat, float)))
        known = np.isfinite(x) & np.isfinite(y)
        if self.geometry is None:
            return np.asarray(known)
        return np.asarray(shapely.intersects_xy(self.geometry, x, y) & known)


@cache
def zones() -> Zones:
    """The zones that come with the program, read once.

    >>> zones().ids[:2]
    ('chodo', 'nampo_sokto')
    """
    return _zones(shipped("zones.geojson"))


def zone_of(lon: ArrayLike, lat: ArrayLike) -> list[list[str]]:
    """For points (n,), degrees, any longitude: ids of the zones that hold each, most specific first.

    The edge belongs to a zone. Never raises; a point that is NaN, infinite or beyond a pole lies in no zone.

    >>> zone_of([124.93, 0.0, float("nan")], [38.53, 0.0, 0.0])
    [['chodo', 'nampo_sokto'], [], []]
    """
    return zones().of(lon, lat)


def kinds(ids: Sequence[str]) -> list[str]:
    """The kind of each zone id, `reported_transfer_area` or `context`; KeyError for an id that is no zone.

    >>> kinds(["yellow_sea", "chodo"])
    ['context', 'reported_transfer_area']
    """
    kind = {p["id"]: p["kind"] for p in zones().properties}
    return [kind[name] for name in ids]


def area(name_or_path: str | Path) -> Area:
    """The area "world", "dprk" (all reported transfer areas of that regime) or that of a GeoJSON file.

    Features of a file may carry `id`, `labels` (a text or a list), `kind`, `regime`, `mark`, `source`, `date` and
    `precedence`; one without an id is called by the name of the file, with its number where there are several. The area
    is all of them that are not `context`. Raises AreaError where the file cannot be used.

    >>> area("dprk").contains([124.8, -90.0], [38.45, 28.0]).tolist()
    [True, False]
    """
    name = str(name_or_path)
    if name == "world":
        return Area(name, None, _zones([]))
    own = zones() if name == "dprk" else _zones(_described(Path(name)))
    wanted = [p["kind"] == REPORTED and (name != "dprk" or p["regime"] == "DPRK") for p in own.properties]
    if not any(wanted):
        raise AreaError(f"{name}: every feature is {CONTEXT}, which selects nothing; make one a {REPORTED}")
    union = shapely.union_all(own.geometry[np.array(wanted)])
    shapely.prepare(union)
    return Area(name, union, _zones([]) if name == "dprk" else own)


def area_km2(geometry: Any) -> float:
    """Area of a polygon in degrees on the WGS 84 ellipsoid, its sides taken as geodesics, in square kilometres.

    >>> round(area_km2(shapely.box(125.0, 38.0, 126.0, 39.0)))
    9683
    """
    from pyproj import Geod

    return abs(float(Geod(ellps="WGS84").geometry_area_perimeter(shapely.orient_polygons(geometry))[0])) / 1e6


def _zones(features: Sequence[GeoFeature]) -> Zones:
    ordered = sorted(features, key=_rank)
    geometry = np.array([feature.shape for feature in ordered], dtype=object)
    shapely.prepare(geometry)
    return Zones(tuple(feature.properties for feature in ordered), geometry)


def _rank(feature: GeoFeature) -> tuple[float, float, str]:
    precedence = feature.properties["precedence"]
    return math.inf if precedence is None else precedence, _size(feature.shape), feature.properties["id"]


def _size(shape: Any) -> float:
    """Area on the sphere up to a constant, by Lambert's cylindrical projection."""
    return float(shapely.transform(shape, lambda xy: np.column_stack([xy[:, 0], np.sin(np.radians(xy[:, 1]))])).area)


def _described(path: Path) -> list[GeoFeature]:
    """The features of a user's file, each with every property of a zone. Raises AreaError."""
    features = read(path)
    out = []
    for number, given, shape in features:
        called = path.stem if len(features) == 1 else f"{path.stem}-{number}"
        name = _words(called if given.get("id") is None else given["id"])
        labels = given.get("labels") or given.get("label") or given.get("name") or []
        properties = {
            "id": name,
            "labels": [_words(label) for label in (labels if isinstance(labels, list) else [labels])],
            "regime": _words(given.get("regime") or ""),
            "kind": given.get("kind") or REPORTED,
            "mark": _words(given.get("mark") or ""),
            "source": _words(given.get("source") or f"{path.name}, as given"),
            "date": given.get("date"),
            "precedence": given.get("precedence"),
        }
        _check(f"{path}: feature {number}", properties)
        out.append(GeoFeature(number, properties, shape))
    names = [feature.properties["id"] for feature in out]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise AreaError(f"{path}: several features have the id {twice!r}; give each its own, or none")
    return out


def _words(value: object) -> str:
    """A text that UTF-8 can hold: JSON and file names may have halves of a character, which become escapes."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def _check(where: str, properties: dict[str, Any]) -> None:
    kind, precedence = properties["kind"], properties["precedence"]
    if kind not in KINDS:
        raise AreaError(f"{where} is of kind {kind!r}; give {' or '.join(KINDS)}, or leave it out")
    if isinstance(precedence, bool) or not isinstance(precedence, int | float | None) or precedence != precedence:
        raise AreaError(f"{where} has the precedence {precedence!r}; give a number, lower for what is more specific")
