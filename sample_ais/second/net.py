"""Where ships of the second sea can go: a net of water nodes, ports with quays and roads, ways between them.

The nodes are a coarse grid over the open sea and random points round each port; two are joined where they are
neighbours in the Delaunay triangulation and the straight line between them meets no shore. A way is the shortest path
over the net, with every corner left out that need not be.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import Delaunay

from stswatch.geo.coast.water import distance_to_shore_km, is_water
from stswatch.geo.coordinates.sphere import haversine_m
from stswatch.geo.reference.ports import ports
from stswatch.geo.reference.zones import kinds, zones
from stswatch.geo.sea.lattice import crosses_shore

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

BOX = (117.5, 20.0, 134.0, 43.4)  # west, south, east, north of the second sea
_GRID_DEG = (0.125, 0.1)
_OPEN_KM = 1.5  # grid nodes nearer to the shore are left out: ships keep off it
_ROUND_PORT = 320  # random points round each port
_PORT_SD_KM = (2.5, 9.0)  # of which half lie this near, half that near
QUAY_KM, ROADS_KM = (0.02, 0.35), (1.2, 9.0)  # from the shore: berths, and where ships anchor
_LOOK_AHEAD = (24, 16, 11, 7, 4, 2, 1)  # how many corners further on a straight line is tried
DPRK = "KP"
# Ports by their names in geo/data/ports.csv and in searoute; one that no way reaches falls out by itself.
PORT_NAMES = (
    "Nampo", "Haeju", "Wonsan", "Hungnam", "Ch'ongjin", "Rajin", "Vostochny", "Nakhodka", "Vladivostok",
    "Bayuquan", "Longkou", "Penglai", "Rizhao", "Lanshan", "Dandong", "Dalian", "Lianyungang", "Dongshan",
    "Qingdao", "Qinhuangdao", "Shidao", "Weihai", "Yantai", "Xiamen", "Yangshan", "Tianjin", "Hakata",
    "Nagasaki", "Kagoshima", "Naha", "Ishigaki", "Sakaiminato", "Hamanda", "Incheon", "Kunsan", "Mukho",
    "Pohang", "Pusan", "Pyeong Taek", "Sokcho", "Tonghae", "Ulsan", "Yeosu", "Kaohsiung", "Keelung", "Hualien",
    "Taichung", "Su-Ao", "Daesan",
)  # fmt: skip


@dataclass(frozen=True)
class Haven:
    """A port of the net: its gateway, and its quays and roads as nodes (n,)."""

    name: str
    country: str
    gateway: int
    quays: Ints
    roads: Ints


@dataclass(frozen=True, eq=False)
class Net:
    """The nodes (n,) in degrees, the ports, where meetings may be, and the way back to each port from each node.

    towards (ports, n): the next node on the shortest way to the gateway of a port, below 0 where there is none.
    """

    lon: Floats
    lat: Floats
    havens: tuple[Haven, ...]
    towards: NDArray[np.int32]
    open_sea: Ints
    zones: dict[str, Ints]

    def way(self, haven: int, node: int) -> Floats:
        """The way (k, 2) from the gateway of a port to a node, lon and lat, corners at both ends."""
        nodes = [node]
        while (following := int(self.towards[haven, nodes[-1]])) >= 0:
            nodes.append(following)
        return np.column_stack([self.lon[nodes[::-1]], self.lat[nodes[::-1]]])

    def between(self, one: int, node_one: int, other: int, node_other: int) -> Floats:
        """The way (k, 2) from a node of one port to a node of another, over their gateways."""
        over = self.trunk(one, other) if one <= other else self.trunk(other, one)[::-1]
        return np.vstack([self.approach(one, node_one)[::-1], over[1:], self.approach(other, node_other)[1:]])

    @cache  # noqa: B019  # one net lives as long as its process
    def trunk(self, one: int, other: int) -> Floats:
        """The straightened way (k, 2) between the gateways of two ports."""
        return straightened(self.way(one, self.havens[other].gateway))

    @cache  # noqa: B019
    def approach(self, haven: int, node: int) -> Floats:
        """The straightened way (k, 2) from the gateway of a port to a node."""
        return straightened(self.way(haven, node))

    def km_to_havens(self, lon: float, lat: float) -> Floats:
        """Distance as the crow flies from a place to every port (ports,)."""
        gates = [haven.gateway for haven in self.havens]
        return haversine_m(lon, lat, self.lon[gates], self.lat[gates]) / 1000


def straightened(way: Floats) -> Floats:
    """The way (k, 2) without the corners that need not be: each straight line was tried against the shore."""
    at, kept = 0, [0]
    while at < len(way) - 1:
        further = np.unique([min(at + k, len(way) - 1) for k in _LOOK_AHEAD])[::-1]
        here = np.repeat(way[at : at + 1], len(further), axis=0)
        clear = ~crosses_shore(*here.T, *way[further].T)
        clear[-1] = True
        at = int(further[np.argmax(clear)])
        kept.append(at)
    return way[kept]


@cache
def net() -> Net:
    """The net, made once a process; the same each time."""
    table = ports()
    first = {name: int(np.flatnonzero(table.name == name)[0]) for name in PORT_NAMES if name in table.name}
    place = np.array([[table.lon[i], table.lat[i]] for i in first.values()])
    nodes, shore_km, owner = _nodes(place)
    links = _links(nodes)
    gates = _gateways(nodes, owner, place, links)
    _, towards = dijkstra(links, directed=False, indices=gates, return_predecessors=True)
    reached = (towards[int(np.argmax((towards >= 0).sum(axis=1)))] >= 0) | (np.arange(len(nodes)) == gates[0])
    keep, havens = [], []
    for k, (name, i) in enumerate(first.items()):
        mine = reached & (owner == k) & (towards[k] >= 0)
        quays, roads = (np.flatnonzero(mine & (shore_km > a) & (shore_km < b)) for a, b in (QUAY_KM, ROADS_KM))
        if len(quays) >= 3 and len(roads) >= 3:
            keep.append(k)
            havens.append(Haven(name, str(table.country[i]), int(gates[k]), quays, roads))
    open_sea = np.flatnonzero(reached & (owner < 0) & (shore_km > 4))
    found = zones()
    wanted = [g for g, kind in zip(found.geometry, kinds(found.ids), strict=True) if kind == "reported_transfer_area"]
    names = [i for i, kind in zip(found.ids, kinds(found.ids), strict=True) if kind == "reported_transfer_area"]
    clear = np.flatnonzero(reached & (shore_km > 2.5))
    inside = {n: clear[shapely.contains_xy(g, *nodes[clear].T)] for n, g in zip(names, wanted, strict=True)}
    return Net(
        nodes[:, 0],
        nodes[:, 1],
        tuple(havens),
        towards[keep],
        open_sea,
        {n: of for n, of in inside.items() if len(of) > 3},
    )


def _nodes(place: Floats) -> tuple[Floats, Floats, Ints]:
    """All nodes (n, 2), how far each is from the shore, and of which port it is, -1 for the open sea."""
    west, south, east, north = BOX
    grid = np.meshgrid(np.arange(west, east, _GRID_DEG[0]), np.arange(south, north, _GRID_DEG[1]))
    sea = np.column_stack([axis.ravel() for axis in grid])
    rng = np.random.default_rng(19)  # the net is geography: it does not change with the seed of a sea
    sd_km = np.repeat(_PORT_SD_KM, _ROUND_PORT // 2)
    off = rng.standard_normal((len(place), _ROUND_PORT, 2)) * (sd_km / 111.2)[:, None]
    off[..., 0] /= np.cos(np.radians(place[:, 1]))[:, None]
    near = (place[:, None] + off).reshape(-1, 2)
    nodes = np.vstack([sea, near])
    owner = np.concatenate([np.full(len(sea), -1), np.repeat(np.arange(len(place)), _ROUND_PORT)])
    water = is_water(*nodes.T)
    nodes, owner = nodes[water], owner[water]
    shore_km = distance_to_shore_km(*nodes.T)
    kept = (owner >= 0) | (shore_km > _OPEN_KM)
    return nodes[kept], shore_km[kept], owner[kept]


def _links(nodes: Floats) -> coo_array:
    """Lengths of the lines between neighbours that meet no shore, km."""
    corners = Delaunay(nodes).simplices
    pairs = np.unique(np.sort(np.vstack([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [0, 2]]]), axis=1), axis=0)
    a, b = nodes[pairs[:, 0]], nodes[pairs[:, 1]]
    clear = ~crosses_shore(*a.T, *b.T) & (np.abs(a - b).max(axis=1) < 0.6)
    km = haversine_m(*a[clear].T, *b[clear].T) / 1000
    return coo_array((km, pairs[clear].T), shape=(len(nodes),) * 2).tocsr()


def _gateways(nodes: Floats, owner: Ints, place: Floats, links: coo_array) -> Ints:
    """For each port the node of the open sea that is nearest among those the largest part of the net holds."""
    _, part = connected_components(links, directed=False)
    sea = np.flatnonzero((owner < 0) & (part == np.bincount(part).argmax()))
    km = haversine_m(place[:, :1], place[:, 1:], nodes[sea, 0], nodes[sea, 1])
    return np.asarray(sea[np.argmin(km, axis=1)])
