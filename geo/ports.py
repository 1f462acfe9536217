"""The port table: the ports of the package searoute, put right where wrong, and the ports of the DPRK trade.

`trade` marks the ports of the DPRK itself and those abroad known as part of its trade. Where a searoute
port lies beside a port of geo/data/ports.csv, the latter stands for both, so that no double takes the mark
away.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, fields
from functools import cache
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from stswatch.geo.sphere import haversine_m, unit_vectors

Floats = NDArray[np.float64]

SAME_PORT_KM = 5.0  # a searoute port this near to one of ports.csv is the same port
SAME_TRADE_PORT_KM = 10.0  # beside a trade port the net is wider: a double there would hide leads


@dataclass(frozen=True)
class Ports:
    """The table as read-only arrays (n,); `id` is unique, `country` ISO 3166 alpha-2, lon and lat degrees."""

    id: NDArray[np.str_]
    name: NDArray[np.str_]
    country: NDArray[np.str_]
    lon: Floats
    lat: Floats
    trade: NDArray[np.bool_]

    def __post_init__(self) -> None:
        for column in fields(self):
            getattr(self, column.name).flags.writeable = False


@cache
def ports() -> Ports:
    """The whole table, those of ports.csv first; read once, never raises on a sound install.

    >>> table = ports()
    >>> bool(table.trade[table.id == "nampo"][0]), len(set(table.id)) == len(table.id)
    (True, True)
    """
    own = _own_rows()
    others = _searoute_rows()
    rows = own + [row for row, double in zip(others, _beside(others, own), strict=True) if not double]
    ids = _unique([row["id"] for row in rows])
    return Ports(
        id=np.array(ids),
        name=np.array([row["name"] for row in rows]),
        country=np.array([row["country"] for row in rows]),
        lon=np.array([row["lon"] for row in rows]),
        lat=np.array([row["lat"] for row in rows]),
        trade=np.array([row["trade"] or row["country"] == "KP" for row in rows]),
    )


def nearest_port(lon: ArrayLike, lat: ArrayLike) -> tuple[NDArray[np.int64], Floats]:
    """The nearest port to points (n,), degrees, as (index (n,) into `ports()`, great-circle distance_km).

    Any longitude. Raises ValueError where a coordinate is NaN.

    >>> index, distance_km = nearest_port([125.40], [38.70])
    >>> str(ports().name[index[0]]), round(float(distance_km[0]), 1)
    ('Nampo', 1.9)
    """
    lon, lat = np.broadcast_arrays(np.atleast_1d(np.asarray(lon, float)), np.atleast_1d(np.asarray(lat, float)))
    table = ports()
    index = _nearest(unit_vectors(lon, lat), trade_only=False)
    return index, haversine_m(lon, lat, table.lon[index], table.lat[index]) / 1000


def lawful_port(lon: ArrayLike, lat: ArrayLike, radius_km: float) -> NDArray[np.int64]:
    """The port that points (n,), degrees, lie in, index (n,) into `ports()`; -1 outside and by a trade port.

    In port means within the radius of its point. A point within the radius of a trade port too counts as
    outside: what lies there is to be looked at, not to be counted. Raises ValueError where a coordinate is
    NaN.

    >>> lawful_port([120.30, 125.40, 124.0], [36.07, 38.71, 28.0], 10.0)[1:].tolist()
    [-1, -1]
    """
    lon, lat = np.atleast_1d(np.asarray(lon, float)), np.atleast_1d(np.asarray(lat, float))
    table, unit = ports(), unit_vectors(lon, lat)

    def away_km(index: NDArray[np.int64]) -> Floats:
        return np.asarray(haversine_m(lon, lat, table.lon[index], table.lat[index]) / 1000)

    index = _nearest(unit, trade_only=False)
    inside = away_km(index) <= radius_km
    inside[inside] = away_km(_nearest(unit, trade_only=True))[inside] > radius_km
    return np.where(inside, index, -1)


def _nearest(unit: Floats, trade_only: bool) -> NDArray[np.int64]:
    tree, index = _tree(trade_only)
    return np.asarray(index[tree.query(unit)[1]])


@cache
def _tree(trade_only: bool) -> tuple[Any, NDArray[np.int64]]:
    """Ports as unit vectors: the nearest by chord is the nearest by great circle, date line included."""
    table = ports()
    index = np.flatnonzero(table.trade | (not trade_only))
    return cKDTree(unit_vectors(table.lon[index], table.lat[index])), index


def _table(name: str) -> list[dict[str, str]]:
    text = (files("stswatch.geo") / "data" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _own_rows() -> list[dict[str, Any]]:
    return [
        {**row, "lon": float(row["lon"]), "lat": float(row["lat"]), "trade": row["trade"] == "true"}
        for row in _table("ports.csv")
    ]


def _searoute_rows() -> list[dict[str, Any]]:
    """Ports of searoute as in its data/ports.geojson, with geo/data/searoute_corrections.csv applied.

    Found through the metadata of the distribution: importing the package would load its route network.
    """
    path = Path(str(distribution("searoute").locate_file("searoute/data/ports.geojson")))
    corrections = {(row["port"], row["name"]): row for row in _table("searoute_corrections.csv")}
    rows = []
    for feature in json.loads(path.read_text(encoding="utf-8"))["features"]:
        properties, (lon, lat) = feature["properties"], feature["geometry"]["coordinates"][:2]
        code, name = properties["port"], properties["name"].strip()
        row = {
            "id": code,
            "name": name,
            "country": code[:2],
            "lon": float(lon),
            "lat": float(lat),
            "trade": False,
        }
        corrected = _corrected(row, corrections.get((code, name)))
        if corrected:
            rows.append(corrected)
    return rows


def _corrected(row: dict[str, Any], correction: dict[str, str] | None) -> dict[str, Any] | None:
    if correction is None:
        return row
    if correction["action"] == "drop":
        return None
    if correction["action"] == "country":
        return {**row, "country": correction["country"]}
    return {**row, "lon": float(correction["lon"]), "lat": float(correction["lat"])}


def _beside(others: list[dict[str, Any]], own: list[dict[str, Any]]) -> NDArray[np.bool_]:
    """Whether each of the others is the same port as one of our own."""
    lon, lat = (np.array([row[axis] for row in others])[:, None] for axis in ("lon", "lat"))
    distance_km = haversine_m(lon, lat, [o["lon"] for o in own], [o["lat"] for o in own]) / 1000
    reach_km = np.where([o["trade"] for o in own], SAME_TRADE_PORT_KM, SAME_PORT_KM)
    return np.asarray(np.any(distance_km <= reach_km, axis=1))


def _unique(ids: list[str]) -> list[str]:
    """Each id once: searoute gives 38 codes to two ports each, and the second takes a number."""
    seen: dict[str, int] = {}
    out = []
    for name in ids:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return out
