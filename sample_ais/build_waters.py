"""Makes waters.json: lanes, ports and places on water for the simulated ships, every line between them over water.

The nodes of the lanes are drawn by hand in lanes.csv. What joins them, where ships lie in the ports of geo/, how they
come from there to the lanes, and the places at sea where they may meet are worked out here on the coast of geo/, once,
so that a simulation asks no coast and stays the same when the coast is refined.

python -m stswatch.sample_ais.build_waters
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from stswatch.geo import ports, water, zones
from stswatch.geo.sphere import haversine_m

Floats = NDArray[np.float64]

SEED = 20_250_310
LONGEST_KM = 420.0  # of a straight piece of a lane
STEP_KM = 0.25  # points on a line that are tried for water
BOX_DEG = 0.75  # about a port, for the way to the lanes
BERTHS, ROADS, PLACES = 16, 24, 90
WANTED_KM = 2.0  # a way nearer to the shore counts as longer
OUT = "waters.json"


class Way(NamedTuple):
    """Nodes (n, 2), lon and lat, and pairs of them that see each other over water, with the least distance to shore."""

    nodes: Floats
    pairs: NDArray[np.int64]  # (m, 2)
    km: Floats  # (m,)
    clear_km: Floats  # (m,)

    def graph(self) -> Any:
        """Costs as a sparse matrix: lengths, the nearer to the shore the more."""
        cost = self.km * (1 + 2 * np.maximum(0, 1 - self.clear_km / WANTED_KM))
        i, j = self.pairs.T
        n = len(self.nodes)
        return csr_matrix((np.r_[cost, cost], (np.r_[i, j], np.r_[j, i])), (n, n))


def clearance_km(start: Floats, end: Floats) -> Floats:
    """Least distance to shore (n,) along straight lines from points (n, 2) to points (n, 2); -1 where land is met."""
    km = haversine_m(*start.T, *end.T) / 1000
    steps = np.maximum(2, np.ceil(km / STEP_KM).astype(int) + 1)
    line = np.repeat(np.arange(len(km)), steps)
    first = np.repeat(np.cumsum(steps) - steps, steps)
    share = ((np.arange(len(line)) - first) / (steps[line] - 1))[:, None]
    at = start[line] + share * (end - start)[line]
    wet = water.is_water(*at.T)
    dry = np.zeros(len(km), bool)
    np.logical_or.at(dry, line, ~wet)
    use = ~dry[line]
    clear = np.full(len(km), np.inf)
    np.minimum.at(clear, line[use], water.distance_to_shore_km(*at[use].T))
    return np.where(dry, -1.0, clear)


def roadmap(nodes: Floats, longest_km: float, most: int = 10**9) -> Way:
    """All pairs of nodes nearer than `longest_km` (and among the `most` nearest of one) that see each other."""
    i, j = np.triu_indices(len(nodes), 1)
    km = haversine_m(*nodes[i].T, *nodes[j].T) / 1000
    square = np.full((len(nodes), len(nodes)), np.inf)
    square[i, j] = square[j, i] = km
    reach = np.sort(square, axis=1)[:, min(most, len(nodes) - 1)]
    keep = (km <= longest_km) & ((km <= reach[i]) | (km <= reach[j]))
    i, j, km = i[keep], j[keep], km[keep]
    clear = clearance_km(nodes[i], nodes[j])
    seen = clear > 0
    return Way(nodes, np.column_stack([i, j])[seen], km[seen], clear[seen])


def lanes() -> tuple[list[dict[str, Any]], Way]:
    """The nodes of lanes.csv and the lanes between them."""
    text = (files("stswatch.sample_ais") / "lanes.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    nodes = np.array([[float(r["lon"]), float(r["lat"])] for r in rows])
    way = roadmap(nodes, LONGEST_KM, 7)
    keep = way.clear_km > 1.5
    return rows, Way(nodes, way.pairs[keep], way.km[keep], way.clear_km[keep])


def _inside(rng: np.random.Generator, shape: Any, n: int, off_km: float = 0.05) -> Floats:
    """Up to n points on water in a polygon, farther from shore than `off_km`."""
    west, south, east, north = shape.bounds
    at = np.round(rng.uniform((west, south), (east, north), (60 * n, 2)), 4)
    import shapely

    at = at[shapely.contains_xy(shape, *at.T) & water.is_water(*at.T)]
    return np.asarray(at[water.distance_to_shore_km(*at.T) > off_km][:n])


def port(rng: np.random.Generator, index: int, lane_nodes: Floats) -> dict[str, Any] | None:
    """Berths and roads of a port, each with its way over water to the nearest node of the lanes; None without any."""
    table, polygons = ports.ports(), ports.harbours()
    mine = polygons.port == index
    parts = list(zip(polygons.part[mine].tolist(), polygons.geometry[mine], strict=True))
    spots = {
        "berths": [p for part, g in parts if part == ports.HARBOUR for p in _inside(rng, g, BERTHS).tolist()],
        "roads": [p for part, g in parts if part == ports.ANCHORAGE for p in _inside(rng, g, ROADS, 0.6).tolist()],
    }
    spots = {k: [v[i] for i in rng.permutation(len(v))[: BERTHS if k == "berths" else ROADS]] for k, v in spots.items()}
    at = np.array([*spots["berths"], *spots["roads"]]).reshape(-1, 2)
    centre = np.array([table.lon[index], table.lat[index]])
    free = np.round(rng.uniform(centre - BOX_DEG, centre + BOX_DEG, (700, 2)), 4)
    close = np.round(rng.uniform(centre - 0.2, centre + 0.2, (600, 2)), 4)
    free = np.concatenate([free, close])
    free = free[water.is_water(*free.T)]
    near = np.flatnonzero(haversine_m(*lane_nodes.T, *centre) < 260_000)
    way = roadmap(np.concatenate([at, lane_nodes[near], free]), 260.0, 14)
    cost, before = dijkstra(way.graph(), indices=np.arange(len(at)), return_predecessors=True)
    goals = len(at) + np.arange(len(near))
    out: dict[str, Any] = {"id": str(table.id[index]), "country": str(table.country[index])}
    out["trade"] = bool(table.trade[index])
    row = 0
    for kind in ("berths", "roads"):
        out[kind] = []
        for _ in spots[kind]:
            if len(goals) and np.isfinite(cost[row, goals]).any():
                goal = int(goals[np.argmin(cost[row, goals])])
                chain = [goal]
                while chain[-1] != row:
                    chain.append(int(before[row, chain[-1]]))
                path = way.nodes[chain[::-1][:-1]]
                out[kind].append({"way": path.tolist(), "node": int(near[goal - len(at)])})
            row += 1
    return out if out["berths"] or out["roads"] else None


def places(rng: np.random.Generator, shape: Any, lane_nodes: Floats) -> list[list[float]]:
    """Up to PLACES places in a zone: lon, lat, distance to shore in km, the nearest node of the lanes in sight."""
    at = _inside(rng, shape, 4 * PLACES)
    shore_km = water.distance_to_shore_km(*at.T)
    at, shore_km = at[shore_km > 2.5], shore_km[shore_km > 2.5]
    outside = ports.lawful_port(*at.T) < 0
    at, shore_km = at[outside], shore_km[outside]
    found = []
    for spot, clear in zip(at, shore_km, strict=True):
        far = haversine_m(*lane_nodes.T, *spot)
        nearest = np.argsort(far)[:8]
        seen = clearance_km(np.broadcast_to(spot, (len(nearest), 2)), lane_nodes[nearest])
        good = nearest[seen > 0.8]
        if len(good):
            found.append([*spot.tolist(), round(float(clear), 1), int(good[0])])
        if len(found) == PLACES:
            break
    return found


def waters() -> dict[str, Any]:
    """All that waters.json holds."""
    rng = np.random.default_rng(SEED)
    rows, way = lanes()
    made = [port(rng, int(i), way.nodes) for i in np.unique(ports.harbours().port)]
    table = zones.zones()
    return {
        "made_by": "python -m stswatch.sample_ais.build_waters",
        "nodes": [[float(r["lon"]), float(r["lat"])] for r in rows],
        "names": [r["name"] for r in rows],
        "edge": [bool(r["edge"]) for r in rows],
        "lanes": [
            [int(i), int(j), round(float(c), 1)] for (i, j), c in zip(way.pairs.tolist(), way.clear_km, strict=True)
        ],
        "ports": [p for p in made if p is not None],
        "zones": [
            {"id": p["id"], "kind": p["kind"], "places": places(rng, g, way.nodes)}
            for p, g in zip(table.properties, table.geometry, strict=True)
        ],
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the file beside this one."""
    path = Path(str(files("stswatch.sample_ais") / OUT))
    path.write_text(json.dumps(waters(), separators=(",", ":")).replace("},{", "},\n{") + "\n")
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
