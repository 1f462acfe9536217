"""Makes waters.json, moorings.csv and meetings.json: lanes, ports, places to lie; how long real meetings last."""

from __future__ import annotations

import argparse
import csv
import gzip
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.special import ndtr

from stswatch.geo.coast import water
from stswatch.geo.coast.land import coast
from stswatch.geo.coordinates.sphere import haversine_m
from stswatch.geo.reference import harbours, ports, zones

# ----------------------------------------------------------------------------------------------------------------
# Makes waters.json: lanes, ports and places on water for the simulated ships, every line between them over water
# The nodes of the lanes are drawn by hand in lanes.csv. What joins them, where ships lie in the ports of geo/, how
# they come from there to the lanes, and the places at sea where they may meet are worked out here on the coast of
# geo/, once, so that a simulation asks no coast and stays the same when the coast is refined.
#
# python -m stswatch.sample_ais.make_files

Floats = NDArray[np.float64]

WATERS_SEED = 20_250_310
LONGEST_KM = 420.0  # of a straight piece of a lane
STEP_KM = 0.25  # points on a line that are tried for water
BOX_DEG = 0.75  # about a port, for the way to the lanes
BERTHS, ROADS, PLACES = 16, 24, 90
WANTED_KM = 2.0  # a way nearer to the shore counts as longer
WATERS_FILE = "waters.json"


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
    table, polygons = ports.ports(), harbours.harbours()
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
    outside = harbours.lawful_port(*at.T) < 0
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
    rng = np.random.default_rng(WATERS_SEED)
    rows, way = lanes()
    made = [port(rng, int(i), way.nodes) for i in np.unique(harbours.harbours().port)]
    table = zones.zones()
    return {
        "made_by": "python -m stswatch.sample_ais.make_files",
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


def write_waters(argv: Sequence[str] | None = None) -> None:
    """Writes the file beside this one."""
    path = Path(str(files("stswatch.sample_ais") / WATERS_FILE))
    path.write_text(json.dumps(waters(), separators=(",", ":")).replace("},{", "},\n{") + "\n")
    print(path, path.stat().st_size)


# ----------------------------------------------------------------------------------------------------------------
# Makes moorings.csv: where craft lie for weeks, in marinas, at quays, in docks and up rivers, near ports and far off
# Places by chance along the coast of geo/, so that they know nothing of what a real marina is called or holds.

MOORINGS_FILE, MOORINGS_SEED, SITES = "moorings.csv", 20_260_101, 240
# metres from the shore, seaward positive: docks and rivers are narrower than the coast is drawn, so they lie on land
OFF_SHORE_M = {"marina": (15, 250), "quay": (5, 60), "dock": (-400, -20), "river": (-7000, -600)}
SITE_BOXES = ((118.0, 24.0, 129.7, 41.0), (129.7, 41.0, 134.0, 43.6), (106.3, 18.6, 109.5, 21.7))
FAR_FROM_PORT_KM, FAR_SHARE = 12.0, 0.5


def moorings(rng: np.random.Generator) -> list[tuple[str, float, float, float, float]]:
    """Kind, longitude, latitude, kilometres off the shore (on land below 0) and from the nearest port of each site."""
    import shapely

    shores = [shapely.get_parts(coast(*box)) for box in SITE_BOXES]
    lines = shapely.get_exterior_ring(np.concatenate(shores))
    share = shapely.length(lines) / shapely.length(lines).sum()
    found: list[tuple[str, float, float, float, float]] = []
    while len(found) < SITES:
        kind = str(rng.choice(list(OFF_SHORE_M)))
        at = shapely.line_interpolate_point(lines[rng.choice(len(lines), p=share)], rng.random(), normalized=True)
        lon, lat = np.round(np.array([at.x, at.y]) + rng.normal(0, 0.03 if kind == "river" else 0.002, 2), 4).tolist()
        inland_m = -1000 * float(water.distance_inland_km([lon], [lat])[0])
        off_m = inland_m or 1000 * float(water.distance_to_shore_km([lon], [lat])[0])
        port_km = float(harbours.nearest_port([lon], [lat])[1][0])
        cut = any(min(abs(lon - w), abs(lat - s), abs(lon - e), abs(lat - n)) < 0.15 for w, s, e, n in SITE_BOXES)
        far = sum(row[4] > FAR_FROM_PORT_KM for row in found) < FAR_SHARE * (len(found) + 1)
        least_m, most_m = OFF_SHORE_M[kind]
        if not cut and least_m <= off_m <= most_m and (port_km > FAR_FROM_PORT_KM) == far:
            found.append((kind, lon, lat, round(off_m / 1000, 3), round(port_km, 1)))
    return found


def write_moorings() -> None:
    """Writes the file beside this one."""
    path = Path(str(files("stswatch.sample_ais") / MOORINGS_FILE))
    with path.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(("kind", "lon", "lat", "off_shore_km", "port_km"))
        rows.writerows(moorings(np.random.default_rng(MOORINGS_SEED)))


# -------- Fits how long real meetings at sea last, how far apart the antennas are and how fast both go: meetings.json
# The sample holds what its makers call an encounter: two vessels within 0.5 km for 2 h or more, at a median speed
# under 2 kn. So it is truncated at all three, and each column is fitted as a truncated sample: a mixture of two
# lognormals, for the distances of a lognormal and an exponential (hulls alongside, and those that are not), whose
# mass inside the bounds is divided out. The lower tail of the durations, under 2 h, is extrapolated from the shape
# above, and nothing in the sample says whether it is right.
#
# The errors are standard deviations over fits to samples in which carriers (the vessels met) were drawn anew with all
# their meetings, since the meetings of one carrier are alike: the usual formula would make them too small.
#
# python -m stswatch.sample_ais.make_files FILE
#
# Source: Miller, Roan, Hochberg, Amos, Kroodsma, Identifying global patterns of transshipment behavior, Watermarks in
# Marine Science 5:240 (2018); the table of its encounters, by Global Fishing Watch and SkyTruth. It is not part of the
# project.

MEETINGS_FILE = "meetings.json"
MEETINGS_SEED, RESAMPLES = 1, 60
NAMES = ("share", "median_1", "sigma_1", "median_2", "sigma_2")  # no last one where the second part is exponential


class FittedColumn(NamedTuple):
    """A column of the sample, the bounds at which it is truncated, and where a fit may begin."""

    name: str
    theirs: str
    scale: float  # their unit in ours
    low: float
    high: float
    start: tuple[float, ...]  # as NAMES, four of them where the second part is exponential
    step: float  # resolution of the sample, ours: what lies on a bound is half a step inside


COLUMNS = (
    FittedColumn("duration_h", "duration_hr", 1.0, 2.0, np.inf, (0.5, 4.0, 0.7, 14.0, 0.8), 1 / 6),
    FittedColumn("median_distance_m", "median_distance_km", 1000.0, 0.0, 500.0, (0.85, 38.0, 0.5, 200.0), 1.0),
    FittedColumn("median_speed_kn", "median_speed_knots", 1.0, 0.0, 2.0, (0.3, 0.02, 0.8, 0.9, 0.6), 0.001),
)


def log_density(p: Floats, x: Floats, low: float, high: float) -> Floats:
    """Log density (n,) of the mixture truncated to (low, high); p as `_free` makes it."""
    share, log_x = 1 / (1 + np.exp(-p[0])), np.log(x)
    inside, density = 0.0, np.zeros_like(x)
    for weight, part in ((share, p[1:3]), (1 - share, p[3:])):
        if len(part) == 2:
            m, s = float(part[0]), float(np.exp(part[1]))
            density += weight * np.exp(-(((log_x - m) / s) ** 2) / 2) / (s * np.sqrt(2 * np.pi)) / x
            below, above = (0.0 if v <= 0 else float(ndtr((np.log(v) - m) / s)) for v in (low, high))
        else:
            mean = float(np.exp(part[0])) / np.log(2.0)
            density += weight * np.exp(-x / mean) / mean
            below, above = (1 - float(np.exp(-v / mean)) for v in (low, high))
        inside += weight * (above - below)
    return np.asarray(np.log(np.maximum(density, 1e-300)) - np.log(max(inside, 1e-12)))


def fit(x: Floats, weight: Floats, column: FittedColumn, start: Floats | None = None) -> Floats:
    """Parameters in the order of NAMES of greatest likelihood, each value counted `weight` times."""
    low = max(column.low - column.step / 2, 0.0)
    # a weak pull towards sigmas near 0.7 keeps a part from closing in on a few equal values or fading out of sight
    found = minimize(
        lambda p: -float(weight @ log_density(p, x, low, column.high)) + 20.0 * float(((p[2::2] + 0.36) ** 2).sum()),
        _free(np.array(column.start) if start is None else start),
        method="Nelder-Mead" if start is None else "Powell",
        options={"maxiter": 6000, "maxfev": 6000, "xatol": 1e-5, "fatol": 1e-3} if start is None else {"ftol": 1e-7},
    )
    return _plain(found.x)


def _free(shares: Floats) -> Floats:
    return np.concatenate([[np.log(shares[0] / (1 - shares[0]))], np.log(shares[1:])])


def _plain(p: Floats) -> Floats:
    return np.concatenate([[1 / (1 + np.exp(-p[0]))], np.exp(p[1:])])


def fitted(rows: Sequence[dict[str, str]], column: FittedColumn, rng: np.random.Generator) -> dict[str, Any]:
    """What meetings.json says of a column."""
    x = np.array([float(row[column.theirs]) * column.scale for row in rows])
    carrier = np.unique([row["transshipment_vessel_mmsi"] for row in rows], return_inverse=True)[1]
    known = (x >= column.low) & (x < column.high) & (x > 0)
    x, carrier = x[known], carrier[known]
    best = fit(x, np.ones(len(x)), column)
    again = []
    for _ in range(RESAMPLES):
        drawn = np.bincount(rng.integers(0, carrier.max() + 1, carrier.max() + 1), minlength=carrier.max() + 1)
        again.append(fit(x, drawn[carrier].astype(float), column, best))
    errors = np.std(again, axis=0)
    names = NAMES[: len(best)]
    second = "median and sigma of another" if len(best) == len(NAMES) else "median of an exponential"
    return {
        "parts": f"share, median and sigma (of the logarithm) of a lognormal; {second}",
        **{name: float(f"{value:.4g}") for name, value in zip(names, best, strict=True)},
        "standard_errors": {name: float(f"{error:.2g}") for name, error in zip(names, errors, strict=True)},
        "truncated_to": [column.low, None if np.isinf(column.high) else column.high],
        "values": len(x),
        "quartiles_of_the_sample": [float(f"{q:.4g}") for q in np.quantile(x, [0.25, 0.5, 0.75])],
    }


def write_meetings(argv: Sequence[str] | None = None) -> None:
    """Fits and writes the file beside this one."""
    parser = argparse.ArgumentParser(description="Fit the shapes of real meetings.")
    parser.add_argument("file", type=Path, help="gfw_miller2018_encounter-events.csv.gz")
    with gzip.open(parser.parse_args(argv).file, "rt", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    rng = np.random.default_rng(MEETINGS_SEED)
    figures = {
        "made_by": "python -m stswatch.sample_ais.make_files",
        "source": "Miller et al. 2018, Watermarks in Marine Science 5:240: 11,681 encounters of fishing vessels with "
        "carriers, Global Fishing Watch and SkyTruth",
        "how": "maximum likelihood of samples truncated at the bounds of the definition (2 h, 0.5 km, 2 kn); standard "
        f"errors over {RESAMPLES} samples with carriers drawn anew",
        "columns": {c.name: fitted(rows, c, rng) for c in COLUMNS},
    }
    path = Path(str(files("stswatch.sample_ais") / MEETINGS_FILE))
    path.write_text(json.dumps(figures, indent=1) + "\n")
    print(path.read_text())


if __name__ == "__main__":
    write_waters()
    write_moorings()
    write_meetings()
