"""The table of ports: those of the package searoute, put right where wrong, and those of geo/data/ports.csv.

Where a searoute port lies beside one of ports.csv, the latter stands for both, so that no double takes the mark `trade`
away. A port of interest has polygons in geo/data/harbours.geojson (harbours.py); any other port of the world is a point
alone. `world_ports` has more of them. Nothing here needs shapely or SciPy: whoever wants names alone is not kept
waiting for them.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stswatch.geo.coordinates.sphere import haversine_m

Floats = NDArray[np.float64]

HARBOUR, ANCHORAGE, NEAR = "harbour", "anchorage", "near"  # how a place lies in a port
SHORE = "shore"  # how one lies by it: at a quay, in a dock, a marina or a river that need not be in the table

SAME_PORT_KM = 5.0  # a searoute port this near to one of ports.csv is the same port
SAME_TRADE_PORT_KM = 10.0  # beside a trade port the net is wider: a double there would hide leads


@dataclass(frozen=True)
class Ports:
    """The table as read-only arrays (n,); `id` is unique, `country` ISO 3166 alpha-2, lon and lat degrees.

    `trade` marks the ports of the DPRK and those abroad known as part of its trade, `drawn` those with polygons; `mark`
    (G given, D derived, E estimate) and `source` say where the point is from.
    """

    id: NDArray[np.str_]
    name: NDArray[np.str_]
    country: NDArray[np.str_]
    lon: Floats
    lat: Floats
    trade: NDArray[np.bool_]
    drawn: NDArray[np.bool_]
    mark: NDArray[np.str_]
    source: NDArray[np.str_]

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
    others = _once(_searoute_rows())
    rows = own + [row for row, double in zip(others, _beside(others, own), strict=True) if not double]
    columns = {name: np.array([row[name] for row in rows]) for name in ("name", "country", "lon", "lat", "mark")}
    ids = np.array(_unique([row["id"] for row in rows]))
    return Ports(
        id=ids,
        **columns,
        trade=np.array([row["trade"] or row["country"] == "KP" for row in rows]),
        drawn=np.isin(ids, [feature["properties"]["port"] for feature in _drawn()]),
        source=np.array([row["source"] for row in rows]),
    )


@cache
def world_ports() -> Ports:
    """`ports()`, and behind them those of the World Port Index that lie beside none of them: for names and distances.

    An index into `ports()` is one into this table too. Read once, never raises on a sound install.

    >>> table = world_ports()
    >>> bool((table.id[: len(ports().id)] == ports().id).all()), "Tanger Med" in table.name
    (True, True)
    """
    known, rows = ports(), _index_rows()
    columns: dict[str, list[Any]] = {f.name: getattr(known, f.name).tolist() for f in fields(Ports)}
    for row in rows:
        for name, values in columns.items():
            values.append(row[name])
    return Ports(**{name: np.array(values) for name, values in columns.items()})


def _index_rows() -> list[dict[str, Any]]:
    """The ports of geo/data/world_ports.csv."""
    rows = []
    for row in _table("world_ports.csv"):
        given = row["id"].startswith("WPI")
        source = f"World Port Index {row['id'][3:]}" if given else "estimate of this project, about 1 km"
        lon, lat = float(row["lon"]), float(row["lat"])
        marks = {"trade": row["country"] == "KP", "drawn": False, "mark": "G" if given else "E", "source": source}
        rows.append({**row, "lon": lon, "lat": lat, **marks})
    return rows


def _text(name: str) -> str:
    return (files("stswatch.geo") / "data" / name).read_text(encoding="utf-8")


def _drawn() -> list[dict[str, Any]]:
    """The features of harbours.geojson as they stand in it."""
    features: list[dict[str, Any]] = json.loads(_text("harbours.geojson"))["features"]
    return features


def _table(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(_text(name).splitlines()))


def _own_rows() -> list[dict[str, Any]]:
    return [
        {**row, "lon": float(row["lon"]), "lat": float(row["lat"]), "trade": row["trade"] == "true"}
        for row in _table("ports.csv")
    ]


def _searoute_rows() -> list[dict[str, Any]]:
    """Ports of searoute as in its data/ports.geojson, with geo/data/searoute_corrections.csv applied.

    Found through the metadata of the distribution: importing the package would load its route network.
    """
    from importlib.metadata import distribution  # imports `email`, which `rules` does not need

    package = distribution("searoute")
    source = f"searoute {package.version}"
    path = Path(str(package.locate_file("searoute/data/ports.geojson")))
    corrections = {(row["port"], row["name"]): row for row in _table("searoute_corrections.csv")}
    rows = []
    for feature in json.loads(path.read_text(encoding="utf-8"))["features"]:
        properties, (lon, lat) = feature["properties"], feature["geometry"]["coordinates"][:2]
        code, name = properties["port"], properties["name"].strip()
        row = {
            "id": code,
            "name": name.title() if name.isupper() else name,
            "country": code[:2],
            "lon": float(lon),
            "lat": float(lat),
            "trade": False,
            "mark": "G",
            "source": source,
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
    lon, lat = float(correction["lon"]), float(correction["lat"])
    changes = {"mark": correction["mark"], "source": f"{row['source']}, moved: {correction['reason']}"}
    return {**row, "lon": lon, "lat": lat, **changes}


def _once(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first row at each point: searoute has six ports twice, under other spellings."""
    return list({(row["lon"], row["lat"]): row for row in reversed(rows)}.values())[::-1]


def _beside(others: list[dict[str, Any]], own: list[dict[str, Any]]) -> NDArray[np.bool_]:
    """Whether each of the others is the same port as one of our own."""
    lon, lat = (np.array([row[axis] for row in others])[:, None] for axis in ("lon", "lat"))
    distance_km = haversine_m(lon, lat, [o["lon"] for o in own], [o["lat"] for o in own]) / 1000
    reach_km = np.where([o["trade"] for o in own], SAME_TRADE_PORT_KM, SAME_PORT_KM)
    return np.asarray(np.any(distance_km <= reach_km, axis=1))


def _unique(ids: list[str]) -> list[str]:
    """Each id once: searoute gives some codes to two ports each, and the second takes a number."""
    seen: dict[str, int] = {}
    out = []
    for name in ids:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return out
