"""Polygons from GeoJSON files, those of the program and those of users: read, checked, brought within +-180.

At the date line a file may cut its polygons, as RFC 7946 asks, or simply draw on beyond +-180 (up to +-360): what lies
beyond is moved to the other side.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely

from stswatch.errors import StswatchError


class AreaError(StswatchError, ValueError):
    """A file of polygons that cannot be used; the message says what was found and what to do."""


class Feature(NamedTuple):
    """A polygon and what its file says of it; `number` counts from 1 in the file."""

    number: int
    properties: dict[str, Any]
    shape: Any


def read(path: str | Path) -> list[Feature]:
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


def shipped(name: str) -> list[Feature]:
    """The features of a file in geo/data.

    >>> shipped("zones.geojson")[0].properties["regime"]
    'DPRK'
    """
    return _parsed(name, (files("stswatch.geo") / "data" / name).read_text(encoding="utf-8"))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = error.strerror or "no such file"
        raise AreaError(f"{path}: cannot be read ({reason}); give world, dprk or the path of a GeoJSON file") from error
    except UnicodeDecodeError as error:
        raise AreaError(f"{path}: not text; give world, dprk or the path of a GeoJSON file of polygons") from error


def _parsed(name: str, text: str) -> list[Feature]:
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


def _feature(name: str, number: int, row: Any) -> Feature:
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
    return Feature(number, properties, _at_home(shape))


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
