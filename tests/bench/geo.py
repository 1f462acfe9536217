"""What look-ups in geo/ cost, beside the plain answer of shapely: CPU seconds of this process, one thread.

    python -m tests.bench.geo [--points 1000000] [--write]

Each row of ROWS is a look-up with the plain way beside it, on the same points, in the same process, the better of
three, and what the first time cost, what is laid out then included. The plain way gets as many of the points as it can
do in some seconds. `--write` puts the table into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import searoute
import shapely
from numpy.typing import NDArray

from stswatch.geo.coast.land import REGION_BOX, coast, layer
from stswatch.geo.coast.water import distance_inland_km, distance_to_shore_km, is_water
from stswatch.geo.coordinates.sphere import haversine_m
from stswatch.geo.reference.harbours import harbours, lawful_port, nearest_port
from stswatch.geo.reference.ports import ports
from stswatch.geo.reference.zones import zone_of, zones
from stswatch.geo.sea.distance import port_distance_km, reach_km
from tests.bench.run import put, table

PORTS = ("nampo", "haeju", "wonsan", "chongjin", "rajin")
BEGIN, END = "<!-- geo bench -->", "<!-- end of geo -->"
Floats = NDArray[np.float64]
Points = tuple[Floats, Floats]


class Row(NamedTuple):
    """A look-up: what it is called, where its points lie, ours, and the plain way on `plain_points` of them."""

    name: str
    points: Callable[[np.random.Generator, int], Points]
    ours: Callable[[Floats, Floats], Any]
    plain: Callable[[Floats, Floats], Any] | None
    plain_points: int
    most_points: int = 1_000_000


def region(rng: np.random.Generator, n: int) -> Points:
    """Anywhere from the Gulf of Tonkin to Sakhalin."""
    return rng.uniform(105, 145, n), rng.uniform(15, 48, n)


def yellow_sea(rng: np.random.Generator, n: int) -> Points:
    """From Shanghai to the Yalu, half of it in one zone or more."""
    return rng.uniform(121.5, 126, n), rng.uniform(34, 40, n)


def at_sea(rng: np.random.Generator, n: int) -> Points:
    """On the water of the Yellow Sea."""
    lon, lat = yellow_sea(rng, 2 * n)
    water = np.flatnonzero(is_water(lon, lat))[:n]
    return lon[water], lat[water]


def by_ports(rng: np.random.Generator, n: int) -> Points:
    """Within some 15 km of a port of interest, as vessels that lie still are."""
    table = ports()
    port = rng.choice(np.flatnonzero(table.drawn), n)
    return table.lon[port] + rng.normal(0, 0.1, n), table.lat[port] + rng.normal(0, 0.1, n)


def by_the_shore(rng: np.random.Generator, n: int) -> Points:
    """In the region, where the shore is within 20 km, on land or at sea."""
    lon, lat = region(rng, 12 * n)
    near = np.flatnonzero(distance_to_shore_km(lon, lat) + distance_inland_km(lon, lat) < 20)[:n]
    return lon[near], lat[near]


def world(rng: np.random.Generator, n: int) -> Points:
    """Anywhere on the Earth."""
    return rng.uniform(-180, 180, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))


def tree_of(polygons: Any) -> Callable[[Floats, Floats], Any]:
    """shapely's own way: a tree over the polygons, asked for each point."""
    tree = shapely.STRtree(polygons)
    return lambda lon, lat: tree.query(shapely.points(lon, lat), predicate="intersects")


@cache
def land() -> Any:
    """The land of the region, prepared."""
    held = coast(*REGION_BOX)
    shapely.prepare(held)
    return held


def plain_water(lon: Floats, lat: Floats) -> Any:
    """shapely's own way to know what is water."""
    return ~shapely.intersects_xy(land(), lon, lat)


@cache
def shore() -> Any:
    """A tree over all sides of the shore of the region."""
    return shapely.STRtree(layer("region").lines())


def plain_shore(lon: Floats, lat: Floats) -> Any:
    """shapely's own way to the nearest side of the shore: as degrees of a plane have it, which is not the nearest."""
    return shore().query_nearest(shapely.points(lon, lat), return_distance=True, all_matches=False)


def plain_nearest(lon: Floats, lat: Floats) -> Any:
    """The distance of every point to every port."""
    return np.argmin(haversine_m(lon[:, None], lat[:, None], ports().lon, ports().lat), axis=1)


def to_ports(lon: Floats, lat: Floats) -> Any:
    """Value and bound to five ports of the DPRK."""
    return port_distance_km(lon, lat, PORTS)


def to_ports_by_the_net(lon: Floats, lat: Floats) -> Any:
    """The same from the net of places 5 km apart."""
    return reach_km(lon, lat, PORTS)


def plain_ways(lon: Floats, lat: Floats) -> Any:
    """searoute's way from every point to the same five ports, over its network of lanes: a value alone."""
    at = [np.flatnonzero(ports().id == port)[0] for port in PORTS]
    ends = [[float(ports().lon[k]), float(ports().lat[k])] for k in at]
    return [searoute.searoute([x, y], end) for x, y in zip(lon.tolist(), lat.tolist(), strict=True) for end in ends]


ROWS = (
    Row("is_water, in the region", region, is_water, plain_water, 200_000),
    Row("distance_to_shore_km, in the region", region, distance_to_shore_km, plain_shore, 20_000),
    Row("distance_to_shore_km, by its shore", by_the_shore, distance_to_shore_km, plain_shore, 20_000),
    Row("distance_to_shore_km, in the world", world, distance_to_shore_km, None, 0),
    Row("zone_of, in the region", region, zone_of, tree_of(zones().geometry), 200_000),
    Row("zone_of, in the Yellow Sea", yellow_sea, zone_of, tree_of(zones().geometry), 200_000),
    Row("lawful_port, in the region", region, lawful_port, tree_of(harbours().geometry), 200_000),
    Row("lawful_port, by ports of interest", by_ports, lawful_port, tree_of(harbours().geometry), 200_000),
    Row("nearest_port, in the region", region, nearest_port, plain_nearest, 2_000),
    Row("port_distance_km, five ports", at_sea, to_ports, plain_ways, 20, 20_000),
    Row("reach_km, five ports", at_sea, to_ports_by_the_net, plain_ways, 20),
)


def cost_us(look_up: Callable[[Floats, Floats], Any], points: Points) -> float:
    """CPU microseconds a point, the best of three."""
    spent = []
    for _ in range(3):
        started = time.process_time()
        look_up(*points)
        spent.append(time.process_time() - started)
    return 1e6 * min(spent) / len(points[0])


def measured(row: Row, n: int) -> list[str]:
    """The cells of one row."""
    lon, lat = row.points(np.random.default_rng(1), min(n, row.most_points))
    started = time.process_time()
    row.ours(lon, lat)
    first_s = time.process_time() - started
    ours = cost_us(row.ours, (lon, lat))
    cells = [row.name, f"{first_s:.2f}", f"{ours:.2f}", f"{1 / ours:.1f}"]
    if row.plain is None:
        return [*cells, "", ""]
    few = slice(min(n, row.plain_points))
    row.plain(lon[:1], lat[:1])  # what is read once is read before
    plain = cost_us(row.plain, (lon[few], lat[few]))
    return [*cells, f"{plain:.2f}", f"{plain / ours:.1f}"]


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    given = parser.parse_args()
    head = ["look-up", "the first time, s", "then µs a point", "million a second", "plain way, µs", "ratio"]
    text = table(head, [measured(row, given.points) for row in ROWS])
    print(text)
    if given.write:
        put(BEGIN, text, END)


if __name__ == "__main__":
    main()
