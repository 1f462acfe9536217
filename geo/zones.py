"""Zones of a regime, and the area that a user asked to be shown.

A zone is a polygon with provenance in geo/data/zones.geojson. Its kind says what it may do:
`reported_transfer_area` may be scored, `context` is shown and never scored. At the date line: points may
have any longitude; polygons may be cut there, as RFC 7946 asks, or simply drawn on beyond +-180 (up to
+-360): what lies beyond is moved to the other side when the file is read. The line itself counts as -180.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from stswatch.geo.longitude import wrap_lon

REPORTED, CONTEXT = "reported_transfer_area", "context"
KINDS = (REPORTED, CONTEXT)


class AreaError(ValueError):
    """An area or zone file that cannot be used; the message says what was found and what to do."""


@dataclass(frozen=True)
class Zones:
    """Zones, smallest first: `properties` as in the file, `geometry` (n,) of shapely, `tree` over it."""

    properties: tuple[dict[str, Any], ...]
    geometry: NDArray[np.object_]
    tree: Any

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids, smallest zone first."""
        return tuple(str(p["id"]) for p in self.properties)


@dataclass(frozen=True)
class Area:
    """What the user asked to be shown; `geometry` None is the whole world."""

    name: str
    geometry: Any

    def contains(self, lon: ArrayLike, lat: ArrayLike) -> NDArray[np.bool_]:
        """Whether points (n,), degrees, any longitude, lie in the area; NaN does not; never raises."""
        x, y = np.broadcast_arrays(np.atleast_1d(wrap_lon(lon)), np.atleast_1d(np.asarray(lat, float)))
        known = np.isfinite(x) & np.isfinite(y)
        if self.geometry is None:
            return np.asarray(known)
        return np.asarray(shapely.intersects_xy(self.geometry, x, y) & known)


@cache
def zones(path: str | Path | None = None) -> Zones:
    """The zones that come with the program, or those of a GeoJSON file of the same shape; read once a path.

    Raises AreaError where the file cannot be used.

    >>> "nampo_sokto" in zones().ids
    True
    """
    source = files("stswatch.geo") / "data" / "zones.geojson" if path is None else Path(path)
    features = _features(str(path or "zones.geojson"), _read(source))
    for number, (properties, _) in enumerate(features, 1):
        _check_zone(str(path or "zones.geojson"), number, properties)
    features.sort(key=lambda feature: (_size(feature[1]), feature[0]["id"]))
    geometry = np.array([shape for _, shape in features], dtype=object)
    shapely.prepare(geometry)
    return Zones(tuple(properties for properties, _ in features), geometry, shapely.STRtree(geometry))


def zones_of(lon: ArrayLike, lat: ArrayLike, among: Zones | None = None) -> list[list[str]]:
    """For points (n,), degrees, any longitude: ids of the zones that hold each, smallest first.

    Never raises; a point that is NaN lies in no zone.

    >>> zones_of([125.0, 0.0], [38.6, 0.0])
    [['chodo', 'nampo_sokto', 'korea_bay'], []]
    """
    table = zones() if among is None else among
    x, y = np.broadcast_arrays(np.atleast_1d(wrap_lon(lon)), np.atleast_1d(np.asarray(lat, float)))
    found: list[list[str]] = [[] for _ in range(x.size)]
    which = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    point, zone = table.tree.query(shapely.points(x[which], y[which]), predicate="intersects")
    order = np.lexsort((zone, point))
    ids = table.ids
    for i, z in zip(which[point[order]].tolist(), zone[order].tolist(), strict=True):
        found[i].append(ids[z])
    return found


def kinds(ids: Sequence[str]) -> list[str]:
    """The kind of each zone id, `reported_transfer_area` or `context`; KeyError for an id that is no zone.

    >>> kinds(["yellow_sea", "chodo"])
    ['context', 'reported_transfer_area']
    """
    kind = {str(p["id"]): str(p["kind"]) for p in zones().properties}
    return [kind[name] for name in ids]


def area(name_or_path: str | Path) -> Area:
    """The area "world", "dprk" (all reported transfer areas of that regime) or that of a GeoJSON file.

    Raises AreaError where the file cannot be used.

    >>> area("dprk").contains([125.0, -90.0], [38.6, 28.0]).tolist()
    [True, False]
    """
    name = str(name_or_path)
    if name == "world":
        return Area(name, None)
    if name == "dprk":
        wanted = [p["regime"] == "DPRK" and p["kind"] == REPORTED for p in zones().properties]
        shapes = zones().geometry[np.array(wanted)]
    else:
        shapes = np.array([shape for _, shape in _features(name, _read(Path(name)))], dtype=object)
    union = shapely.union_all(shapes)
    shapely.prepare(union)
    return Area(name, union)


def _read(source: Any) -> str:
    try:
        return str(source.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or "no such file"
        raise AreaError(
            f"{source}: cannot be read ({reason}); give world, dprk or the path of a GeoJSON file"
        ) from error
    except UnicodeDecodeError as error:
        raise AreaError(f"{source}: not text; give world, dprk or the path of a GeoJSON file of polygons") from error


def _features(name: str, text: str) -> list[tuple[dict[str, Any], Any]]:
    """Properties and polygon of each feature of a GeoJSON text."""
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


def _feature(name: str, number: int, row: Any) -> tuple[dict[str, Any], Any]:
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
    return row.get("properties") or {}, _at_home(shape)


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


def _check_zone(name: str, number: int, properties: dict[str, Any]) -> None:
    missing = [key for key in ("id", "labels", "regime", "kind", "mark", "source") if not properties.get(key)]
    if missing:
        raise AreaError(f"{name}: zone {number} has no {', '.join(missing)}; each zone says what it is and where from")
    if properties["kind"] not in KINDS:
        raise AreaError(f"{name}: zone {properties['id']} is of kind {properties['kind']!r}; give {' or '.join(KINDS)}")


def _size(shape: Any) -> float:
    """Area on the sphere up to a constant, by Lambert's cylindrical projection."""
    return float(shapely.transform(shape, lambda xy: np.column_stack([xy[:, 0], np.sin(np.radians(xy[:, 1]))])).area)
