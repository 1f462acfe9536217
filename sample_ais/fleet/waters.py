"""Where simulated ships go: ports, lanes between them and places at sea, every way over water.

Read from waters.json, which scripts.py makes on the coast of geo/ from the lanes drawn by hand in lanes.csv.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from stswatch.geo.coordinates.sphere import MEAN_RADIUS_M, bearing_deg, haversine_m
from stswatch.sample_ais.fleet.at_rest import STRAYS_M
from stswatch.sample_ais.fleet.motion import Floats, shift

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # west, south, east, north, degrees
BESIDE_LANE_KM = 6.0  # ships keep so far to each side of the middle of a lane, where there is room
BERTH, ROADS, EDGE = "berth", "roads", "edge"


@dataclass(frozen=True)
class Spot:
    """Where a voyage begins or ends: a berth, a place in the roads, or the edge of the simulated sea.

    `way` leads from the spot itself to `node` of the lanes, which is not part of it.
    """

    kind: str
    port: str  # id in geo/data/ports.csv, or the name of a node on the edge
    country: str  # of the port; "" on the edge
    way: tuple[Point, ...]
    node: int

    @property
    def place(self) -> Point:
        """Longitude and latitude."""
        return self.way[0]


@dataclass(frozen=True)
class Place:
    """A place at sea: degrees, how far the shore is, the node of the lanes in sight, the zone or "" for none."""

    lon: float
    lat: float
    room_km: float
    node: int
    zone: str
    setting: str

    @property
    def drift_m(self) -> float:
        """How far a drift may stray there: four fifths of the way to the shore, and no farther than who waits would."""
        return min(800.0 * self.room_km, STRAYS_M)


@dataclass(frozen=True)
class Waters:
    """The whole sea; `waters()` reads it."""

    nodes: Floats  # (n, 2)
    names: tuple[str, ...]
    open_nodes: tuple[int, ...]  # nodes about which ships may meet
    room_km: Floats  # (n,) least distance to shore along the lanes of a node
    before: NDArray[np.int32]  # (n, n) predecessors of all shortest ways
    km: Floats  # (n, n)
    spots: tuple[Spot, ...]  # berths, roads, edges of the sea
    spot_node: NDArray[np.int64]  # (s,)
    spot_off_km: Floats  # (s,) from the spot to its node
    spot_country: NDArray[np.str_]
    spot_on_edge: NDArray[np.bool_]
    zones: dict[str, tuple[Place, ...]]
    zone_kinds: dict[str, str]
    trade: frozenset[str]  # ports of the DPRK trade

    def within(self, box: Box) -> Waters:
        """The same with the spots, places and edges of a box alone: ships may still pass outside on their way."""
        west, south, east, north = box

        def inside(lon: float, lat: float) -> bool:
            return west <= lon <= east and south <= lat <= north

        keep = np.array([inside(*s.place) and inside(*self.nodes[s.node].tolist()) for s in self.spots])
        zones = {name: tuple(p for p in places if inside(p.lon, p.lat)) for name, places in self.zones.items()}
        return replace(
            self,
            spots=tuple(s for s, kept in zip(self.spots, keep.tolist(), strict=True) if kept),
            spot_node=self.spot_node[keep],
            spot_off_km=self.spot_off_km[keep],
            spot_country=self.spot_country[keep],
            spot_on_edge=self.spot_on_edge[keep],
            zones={name: places for name, places in zones.items() if places},
            open_nodes=tuple(k for k in self.open_nodes if inside(*self.nodes[k].tolist())),
        )

    def path(self, start: int, end: int) -> list[int]:
        """Nodes of the shortest way along the lanes, both ends among them."""
        chain = [end]
        while chain[-1] != start:
            chain.append(int(self.before[start, chain[-1]]))
        return chain[::-1]

    def way(self, rng: np.random.Generator | None, start: Spot | Place, end: Spot | Place) -> list[Point]:
        """Points of a ship's own way from one to the other, both among them: beside the lanes where there is room.

        It ends where it first comes near a place at sea, and begins where it last is: nobody sails past and back.
        Without random numbers it keeps to the middle of the lanes.
        """
        nodes = self.path(start.node, end.node)
        # what was tried for water from a berth or a place is the line to the node itself, so the ends stay near it
        middle = [self._beside(rng, k, 0.15 if k in (nodes[0], nodes[-1]) else BESIDE_LANE_KM) for k in nodes]
        points = [*_from(start), *middle, *_from(end)[::-1]]
        points = _until_near(points, end) if isinstance(end, Place) else points
        return _until_near(points[::-1], start)[::-1] if isinstance(start, Place) else points

    def bearing_deg(self, place: Place, spot: Spot) -> float:
        """From a place at sea to the next point of the way to a spot that is not right beside it."""
        points = self.way(None, place, spot)[1:]
        far = [p for p in points if float(haversine_m(place.lon, place.lat, *p)) > 2000]
        return float(bearing_deg(place.lon, place.lat, *(far or points)[0]))

    def km_from_spots(self, place: Place) -> Floats:
        """About how far it is along the lanes from each of `spots` (s,)."""
        off_km = float(haversine_m(self.nodes[place.node, 0], self.nodes[place.node, 1], place.lon, place.lat)) / 1000
        return np.asarray(self.km[place.node, self.spot_node] + self.spot_off_km + off_km)

    def goal(self, rng: np.random.Generator, place: Place) -> Point:
        """Where a ship that goes to and fro from a place may head: the node in sight, or one beyond where that is near.

        A lane has so much water on both sides that a way beside it stays over water.
        """
        at, to = self.nodes[place.node], [place.node]
        if haversine_m(place.lon, place.lat, *at) < 500.0 * self.room_km[place.node]:
            to = np.flatnonzero((self.before[place.node] == place.node) & (self.km[place.node] > 5.0)).tolist() or to
        lon, lat = self.nodes[to[int(rng.integers(len(to)))]].tolist()
        return float(lon), float(lat)

    def port_km(self, place: Place) -> float:
        """How far the nearest berth or roads are, straight; infinite where the sea has none."""
        at = np.array([spot.place for spot in self.spots])[~self.spot_on_edge].reshape(-1, 2)
        return float(haversine_m(place.lon, place.lat, *at.T).min(initial=np.inf)) / 1000

    def _beside(self, rng: np.random.Generator | None, node: int, most_km: float) -> Point:
        if rng is None:
            return (float(self.nodes[node, 0]), float(self.nodes[node, 1]))
        off_km = min(most_km, 0.35 * self.room_km[node])
        east, north = rng.uniform(-1, 1, 2) * 700.0 * off_km
        lon, lat = shift(self.nodes[node, 0], self.nodes[node, 1], east, north)
        return float(lon), float(lat)


def _from(end: Spot | Place) -> list[Point]:
    return list(end.way) if isinstance(end, Spot) else [(end.lon, end.lat)]


def _until_near(points: list[Point], place: Place) -> list[Point]:
    """The points up to where the way first comes near a place, then the place."""
    near_m = 1000.0 * min(4.0, max(0.7, 0.4 * place.room_km))
    at = np.array(points)
    east = np.radians(at[:, 0] - place.lon) * MEAN_RADIUS_M * np.cos(np.radians(place.lat))
    north = np.radians(at[:, 1] - place.lat) * MEAN_RADIUS_M
    dx, dy = np.diff(east), np.diff(north)
    share = -(east[:-1] * dx + north[:-1] * dy) / np.maximum(dx**2 + dy**2, 1e-9)
    share = np.clip(share, 0.0, 1.0)
    close = np.hypot(east[:-1] + share * dx, north[:-1] + share * dy) < near_m
    if not close[:-1].any():
        return points
    k = int(np.argmax(close))
    turn = at[k] + 0.8 * share[k] * (at[k + 1] - at[k])
    return [*points[: k + 1], (float(turn[0]), float(turn[1])), (place.lon, place.lat)]


@cache
def waters() -> Waters:
    """The sea of waters.json, read once.

    >>> sea = waters()
    >>> [sea.names[k] for k in sea.path(sea.names.index("west_sea"), sea.names.index("yellow_m"))][:2]
    ['west_sea', 'baengnyeong_w']
    """
    held = json.loads((files("stswatch.sample_ais") / "waters.json").read_text(encoding="utf-8"))
    nodes, lanes = np.array(held["nodes"]), np.array(held["lanes"])
    i, j = lanes[:, 0].astype(int), lanes[:, 1].astype(int)
    km = haversine_m(*nodes[i].T, *nodes[j].T) / 1000
    graph = csr_matrix((np.r_[km, km], (np.r_[i, j], np.r_[j, i])), (len(nodes), len(nodes)))
    far_km, before = dijkstra(graph, return_predecessors=True)
    room_km = np.full(len(nodes), np.inf)
    for node in (i, j):
        np.minimum.at(room_km, node, lanes[:, 2])
    names, edge = held["names"], np.flatnonzero(held["edge"]).tolist()
    spots = [s for port in held["ports"] for s in _spots(port, "berths", BERTH)]
    spots += [s for port in held["ports"] for s in _spots(port, "roads", ROADS)]
    spots += [Spot(EDGE, names[k], "", (tuple(nodes[k].tolist()),), k) for k in edge]
    node = np.array([s.node for s in spots])
    at = np.array([s.place for s in spots])
    return Waters(
        nodes=nodes,
        names=tuple(names),
        open_nodes=tuple(range(len(names))),
        room_km=room_km,
        before=before,
        km=far_km,
        spots=tuple(spots),
        spot_node=node,
        spot_off_km=haversine_m(*at.T, *nodes[node].T) / 1000,
        spot_country=np.array([s.country for s in spots]),
        spot_on_edge=np.array([s.kind == EDGE for s in spots]),
        zones={z["id"]: tuple(_place(z["id"], *p) for p in z["places"]) for z in held["zones"]},
        zone_kinds={z["id"]: z["kind"] for z in held["zones"]},
        trade=frozenset(p["id"] for p in held["ports"] if p["trade"]),
    )


def _spots(port: dict[str, Any], name: str, kind: str) -> list[Spot]:
    return [
        Spot(kind, port["id"], port["country"], tuple((float(x), float(y)) for x, y in spot["way"]), spot["node"])
        for spot in port[name]
    ]


def _place(zone: str, lon: float, lat: float, room_km: float, node: int) -> Place:
    return Place(lon, lat, room_km, int(node), zone, "zone")
