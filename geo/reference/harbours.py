"""Which port a place lies in, which is the nearest, and how far inland no ship can be.

A port of interest has polygons of its harbours and anchorages; of any other a place lies in it within a radius of its
point, a stand-in. `trade` marks the ports of the DPRK trade: to lie in one of those is never lawful by itself, since
transfers happen inside DPRK waters.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from stswatch.geo.coast.land import holding
from stswatch.geo.coast.water import distance_inland_km, distance_to_shore_km, shore_error_km
from stswatch.geo.coordinates.sphere import MEAN_RADIUS_M, haversine_m, unit_vectors, wrap_lon
from stswatch.geo.reference.ports import (
    ANCHORAGE,
    HARBOUR,
    NEAR,
    SAME_TRADE_PORT_KM,
    SHORE,
    Ports,
    ports,
    world_ports,
)
from stswatch.geo.reference.zones import shipped

NEAR_KM = 10.0  # for a port without polygons; Global Fishing Watch takes 10 km from an anchorage

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Harbours:
    """Polygons of harbours and anchorages, harbours first, small before large; none of the trade meets one that is not.

    `port` (n,) index into `ports()`, `part` (n,) "harbour" or "anchorage", `geometry` (n,) of shapely, prepared.
    """

    port: Ints
    part: NDArray[np.str_]
    geometry: NDArray[np.object_]


@cache
def harbours() -> Harbours:
    """The polygons of geo/data/harbours.geojson; read once, never raises on a sound install.

    >>> table = harbours()
    >>> bool((table.part == "anchorage").any()), set(ports().id[table.port]) == set(ports().id[ports().drawn])
    (True, True)
    """
    features = shipped("harbours.geojson")
    where = {name: i for i, name in enumerate(ports().id.tolist())}
    port = np.array([where[feature.properties["port"]] for feature in features])
    part = np.array([feature.properties["part"] for feature in features])
    geometry = np.array([feature.shape for feature in features], dtype=object)
    order = np.lexsort((shapely.area(geometry), part != HARBOUR))
    geometry = geometry[order]
    shapely.prepare(geometry)
    return Harbours(port[order], part[order], geometry)


def of_interest() -> list[dict[str, Any]]:
    """The ports with polygons, those of the trade first: columns of `ports()`, and how many `harbours`, `anchorages`.

    >>> of_interest()[0]["id"], of_interest()[0]["anchorages"]
    ('nampo', 2)
    """
    table, polygons = ports(), harbours()
    which = np.flatnonzero(table.drawn)
    rows = []
    for i in which[np.argsort(~table.trade[which], kind="stable")].tolist():
        row = {column.name: getattr(table, column.name)[i].item() for column in fields(table)}
        parts = polygons.part[polygons.port == i].tolist()
        rows.append({**row, "harbours": parts.count(HARBOUR), "anchorages": parts.count(ANCHORAGE)})
    return rows


def nearest_port(lon: ArrayLike, lat: ArrayLike) -> tuple[Ints, Floats]:
    """The port of the world nearest to points (n,), degrees: (index (n,) into `world_ports()`, distance_km).

    By great circle, to its point. Any longitude. Never raises: -1 and NaN where a coordinate is no number or beyond a
    pole.

    >>> index, distance_km = nearest_port([125.40, float("nan")], [38.70, 0.0])
    >>> str(world_ports().name[index[0]]), round(float(distance_km[0]), 1), int(index[1])
    ('Nampo', 1.9, -1)
    """
    lon, lat, known = _points(lon, lat)
    index, distance_km = np.full(len(lon), -1), np.full(len(lon), np.nan)
    at, table = np.flatnonzero(known), world_ports()
    index[at] = _world_tree().query(unit_vectors(lon[at], lat[at]))[1]
    distance_km[at] = haversine_m(lon[at], lat[at], table.lon[index[at]], table.lat[index[at]]) / 1000
    return index, distance_km


def port_or_anchorage_of(lon: ArrayLike, lat: ArrayLike, radius_km: float = NEAR_KM) -> tuple[Ints, NDArray[np.str_]]:
    """The port that points (n,), degrees, lie in: (index (n,) into `ports()`, -1 in none; how (n,)).

    How is "harbour" or "anchorage" where a polygon holds the point, "near" where none does and the nearest port of all
    has no polygon and is within the radius of its point, else "". Where polygons overlap, a harbour comes first, then
    the smaller one. Any longitude. Never raises: what is no number or beyond a pole lies in none.

    >>> index, how = port_or_anchorage_of([125.39, 125.10, -90.07, 124.0], [38.71, 38.70, 29.95, 28.0])
    >>> [str(ports().name[i]) if i >= 0 else "-" for i in index], how.tolist()
    (['Nampo', 'Nampo', 'New Orleans', '-'], ['harbour', 'anchorage', 'near', ''])
    """
    lon, lat, known = _points(lon, lat)
    polygon = _polygon_of(lon, lat)
    inside = polygon >= 0
    index, how = np.full(len(lon), -1), np.full(len(lon), "", harbours().part.dtype)
    index[inside], how[inside] = harbours().port[polygon[inside]], harbours().part[polygon[inside]]
    rest = np.flatnonzero(known & ~inside)
    index[rest] = _near_point(lon[rest], lat[rest], radius_km)
    how[rest[index[rest] >= 0]] = NEAR
    return index, how


def port_of_call(lon: ArrayLike, lat: ArrayLike, radius_km: float = NEAR_KM) -> tuple[Ints, NDArray[np.str_], Floats]:
    """The port in which a vessel at points (n,), degrees, calls: index (n,) into `world_ports()`, how (n,), km (n,).

    As `port_or_anchorage_of`, over all ports of the world; km is the distance from the point of that port, from the
    nearest one where the place lies in none (index -1), NaN for what is no position. For names and distances only:
    what lies near a port is not lawful by that. Never raises.

    >>> index, how, km = port_of_call([-5.5, 125.39, -30.0], [35.89, 38.71, 40.0])
    >>> [str(world_ports().name[i]) if i >= 0 else "-" for i in index], how.tolist(), km[:2].round().tolist()
    (['Tanger Med', 'Nampo', '-'], ['near', 'harbour', ''], [1.0, 1.0])
    """
    lon, lat, known = _points(lon, lat)
    table, polygon, at = world_ports(), _polygon_of(lon, lat), np.flatnonzero(known)
    index, how, km = np.full(len(lon), -1), np.full(len(lon), "", harbours().part.dtype), np.full(len(lon), np.nan)
    nearest = np.full(len(lon), -1)
    nearest[at] = _world_tree().query(unit_vectors(lon[at], lat[at]))[1]
    index[at] = np.where(polygon[at] >= 0, harbours().port[polygon[at]], nearest[at])
    km[at] = haversine_m(lon[at], lat[at], table.lon[index[at]], table.lat[index[at]]) / 1000
    near = known & (polygon < 0) & (km <= radius_km) & ~table.drawn[index]
    how[near], inside = NEAR, polygon >= 0
    how[inside] = harbours().part[polygon[inside]]
    return np.where(near | inside, index, -1), how, km


def lawful_port(lon: ArrayLike, lat: ArrayLike, radius_km: float = NEAR_KM) -> Ints:
    """The port that points (n,), degrees, lie in, index (n,) into `ports()`; -1 outside and in a trade port.

    In port is what `port_or_anchorage_of` says. In a port of the DPRK trade is as if outside: what lies there is to be
    looked at, not to be counted. Never raises.

    >>> lawful_port([120.30, 125.40, 124.0], [36.07, 38.71, 28.0])[1:].tolist()
    [-1, -1]
    """
    lon, lat, known = _points(lon, lat)
    polygon = _polygon_of(lon, lat)
    index = np.where(polygon >= 0, harbours().port[polygon], -1)
    rest = np.flatnonzero(known & (polygon < 0))
    index[rest] = _near_point(lon[rest], lat[rest], radius_km)
    return np.where((index >= 0) & ports().trade[index], -1, index)


# What is taken for the coast of the DPRK, lon, lat: wide on purpose, some islands south of the Northern Limit Line in
# it, since whatever lies still there is to be looked at. Drawn by this project: from off the Yalu round both coasts to
# the Tumen, and back along the land border.
# fmt: off
DPRK_COAST = shapely.Polygon([
    (123.6, 39.75), (123.6, 37.55), (126.75, 37.55), (126.75, 38.1), (128.3, 38.58), (131.0, 38.58), (131.0, 42.2),
    (130.7, 42.31), (130.2, 42.9), (124.6, 40.4), (124.15, 39.9),
])
# fmt: on
shapely.prepare(DPRK_COAST)
_PER_DEG = 1000


def berth_of(lon: ArrayLike, lat: ArrayLike) -> tuple[Ints, NDArray[np.str_]]:
    """Where two that lie still at points (n,), degrees, are neighbours and no meeting: index (n,) of a port, how (n,).

    How is "harbour" or "anchorage" in a drawn polygon of a port that is no part of the DPRK trade, "shore" where the
    shore is no further off than its own error: quays, docks, marinas and rivers, many of them in no table. A port is an
    index into `world_ports()`, by a shore the nearest one. Elsewhere, and by the DPRK's shores and those of its trade
    ports, -1 and "". Any longitude. Never raises.

    >>> index, how = berth_of([120.30, -5.353, 125.40, 124.85, -5.45], [36.07, 36.149, 38.71, 38.52, 35.93])
    >>> [str(world_ports().name[i]) if i >= 0 else "-" for i in index], how.tolist()
    (['Qingdao', 'Gibraltar', '-', '-', '-'], ['harbour', 'shore', '', '', ''])
    """
    lon, lat, known = _points(lon, lat)
    polygon = _polygon_of(lon, lat)
    index, how = np.where(polygon >= 0, harbours().port[polygon], -1), np.full(len(lon), "", harbours().part.dtype)
    lawful = (index >= 0) & ~ports().trade[index]
    index[~lawful], how[lawful] = -1, harbours().part[polygon[lawful]]
    rest = np.flatnonzero(known & (polygon < 0))
    port = _port_by_shore(lon[rest], lat[rest])
    index[rest], how[rest[port >= 0]] = port, SHORE
    return index, how


def _port_by_shore(lon: Floats, lat: Floats) -> Ints:
    """The nearest port of points (n,) that lie no further from a shore than its error, -1 elsewhere and in the trade.

    Asked at whole thousandths of a degree, 70 m off at most: what lies still is asked for many times at one place.
    """
    at, column = np.rint(lon * _PER_DEG).astype(np.int64), 400 * _PER_DEG
    place, back = np.unique(at + column * np.rint(lat * _PER_DEG).astype(np.int64), return_inverse=True)
    x = (place + column // 2) % column - column // 2
    y = (place - x) // column
    x, y = x / _PER_DEG, y / _PER_DEG
    km, port = distance_to_shore_km(x, y), np.full(len(place), -1)
    near = np.flatnonzero(km <= shore_error_km(x, y, km))
    near = near[~of_trade(x[near], y[near])]
    if near.size:
        port[near] = nearest_port(x[near], y[near])[0]
    return np.asarray(port[back])


def of_trade(lon: Floats, lat: Floats) -> NDArray[np.bool_]:
    """Whether points (n,), degrees, lie off the coast of the DPRK or beside a port of its trade, (n,) bool.

    Beside is within SAME_TRADE_PORT_KM of its point. Never raises.

    >>> of_trade(np.array([124.85, 128.9, 133.05, 126.6]), np.array([38.52, 40.3, 42.74, 37.4])).tolist()
    [True, True, True, False]
    """
    chord = 2 * np.sin(1000 * SAME_TRADE_PORT_KM / MEAN_RADIUS_M / 2)
    beside, _ = _trade_tree().query(unit_vectors(lon, lat), distance_upper_bound=chord)
    return np.asarray(np.isfinite(beside) | shapely.contains_xy(DPRK_COAST, lon, lat))


def _points(lon: ArrayLike, lat: ArrayLike) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Points as arrays (n,), and which of them are on Earth."""
    x, y = np.broadcast_arrays(np.atleast_1d(wrap_lon(lon)), np.atleast_1d(np.asarray(lat, np.float64)))
    return x, y, np.asarray(np.isfinite(x) & (np.abs(y) <= 90))


def _polygon_of(lon: Floats, lat: Floats) -> Ints:
    """Row of `harbours()` of the first polygon that holds each point, -1 where none does."""
    point, polygon = holding(harbours().geometry, lon, lat)
    first = np.full(len(lon), -1)
    first[point[::-1]] = polygon[::-1]  # by polygon, backwards: the first one is written last
    return first


def _near_point(lon: Floats, lat: Floats, radius_km: float) -> Ints:
    """The nearest port where it has no polygon and its point is within the radius, else -1."""
    table = ports()
    # a chord longer than any within the radius; what lies between is settled below
    reach = 2 * np.sin(min(radius_km * 1.000001 / (MEAN_RADIUS_M / 1000), np.pi) / 2) + 1e-9
    index = _tree().query(unit_vectors(lon, lat), distance_upper_bound=reach)[1]
    found = np.flatnonzero(index < len(table.id))
    port = index[found]
    away_km = haversine_m(lon[found], lat[found], table.lon[port], table.lat[port]) / 1000
    out = np.full(len(lon), -1)
    out[found] = np.where((away_km <= radius_km) & ~table.drawn[port], port, -1)
    return out


@cache
def _tree() -> Any:
    """Points of all ports as unit vectors: the nearest by chord is the nearest by great circle, date line included."""
    return _tree_of(ports())


@cache
def _world_tree() -> Any:
    return _tree_of(world_ports())


@cache
def _trade_tree() -> Any:
    table = ports()
    return cKDTree(unit_vectors(table.lon[table.trade], table.lat[table.trade]))


def _tree_of(table: Ports) -> Any:
    return cKDTree(unit_vectors(table.lon, table.lat))


# --------- Positions so far inland that no ship can be there: what a falsified track may show, and no river port does

# Rivers and docks are lawful places, and the coast draws few of them: it ends the Scheldt 7 km below Antwerp and the
# Delaware 26 km below Philadelphia. So a position is called far inland only from here on, and
FAR_INLAND_KM = 5.0
# only this far from every port, and in no harbour that is drawn. docs/zones.md says how many real positions are left.
FROM_PORT_KM = 20.0


def far_inland(lon: ArrayLike, lat: ArrayLike) -> NDArray[np.bool_]:
    """Whether points (n,), degrees, are on land, FAR_INLAND_KM or more from water, and far from every port.

    That is FROM_PORT_KM from its point and in no polygon of its harbours. Lakes are water. False for what is no
    position. Never raises.

    >>> far_inland([126.7, 125.62, 124.0, np.nan], [40.0, 38.74, 38.0, 39.0]).tolist()
    [True, False, False, False]
    """
    x, y = np.broadcast_arrays(np.atleast_1d(np.asarray(lon, float)), np.atleast_1d(np.asarray(lat, float)))
    with np.errstate(invalid="ignore"):
        far = distance_inland_km(x, y) >= FAR_INLAND_KM
    where = np.nonzero(far)
    far[where] = port_or_anchorage_of(x[where], y[where], FROM_PORT_KM)[0] < 0
    return np.asarray(far)
