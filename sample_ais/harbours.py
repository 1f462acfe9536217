"""Where the vessels of the generated sea lie: berths in clusters, as dense as in a real record.

All numbers here were measured in one record: MarineCadastre (NOAA), 2022-01-03, the first 24 minutes of UTC,
99,647 positions of 10,616 vessels, distances between median positions, ports as in searoute.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from stswatch.geo.sphere import MEAN_RADIUS_M, unit_vectors
from stswatch.sample_ais.motion import Floats, shift

PORT_KM = 10.0


class Clusters(NamedTuple):
    """Slow vessels linked by steps under 500 m, by size of the cluster."""

    smallest: int
    largest: int
    vessels: int  # in all clusters of these sizes
    in_port: float  # share within 10 km of a port
    length_m: float  # of a quay on which as many of the pairs are within 500 m as were found


# 9,741 slow vessels, 39,637 pairs within 500 m, 60 % of them with both within 10 km of a port
MEASURED = (
    Clusters(1, 1, 2107, 0.37, 1.0),
    Clusters(2, 2, 896, 0.46, 450.0),
    Clusters(3, 5, 1683, 0.52, 660.0),
    Clusters(6, 10, 1359, 0.64, 920.0),
    Clusters(11, 20, 1433, 0.54, 1040.0),
    Clusters(21, 50, 1317, 0.50, 1300.0),
    Clusters(51, 123, 946, 0.77, 2150.0),
)
PORTS = 238  # with slow vessels: 364, 245, 188, 159, 134, ... at the fullest, about as rank ** -0.6


def ports() -> tuple[Floats, Floats]:
    """Positions (p, 2) of the ports of the United States, and of all ports, lon and lat in degrees.

    Source: package searoute 1.6.0, data/ports.geojson (Apache-2.0).
    """
    table = json.loads(files("searoute").joinpath("data/ports.geojson").read_text(encoding="utf-8"))["features"]
    where = np.array([port["geometry"]["coordinates"] for port in table], dtype=np.float64)
    american = np.array([port["properties"].get("cty") == "United_states" for port in table])
    return where[american], where


def on_sphere(lon: Floats, lat: Floats) -> Floats:
    """Points (n, 3) in metres from the centre of the Earth, for neighbour searches."""
    return MEAN_RADIUS_M * unit_vectors(lon, lat)


class Coast:
    """The ports of a seed: which are full, and what is near them."""

    def __init__(self, rng: np.random.Generator) -> None:
        american, everywhere = ports()
        self.ports = rng.permutation(american)[:PORTS]
        weight = np.arange(1, len(self.ports) + 1) ** -0.6
        self._weight = weight / weight.sum()
        self._all = cKDTree(on_sphere(*everywhere.T))

    def in_port(self, rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
        """Positions (n,) within 7.5 km of a port."""
        port = self.ports[rng.choice(len(self.ports), n, p=self._weight)]
        out_m, bearing = 7500 * np.sqrt(rng.random(n)), rng.uniform(0, 2 * np.pi, n)
        return shift(port[:, 0], port[:, 1], out_m * np.sin(bearing), out_m * np.cos(bearing))

    def away(
        self, rng: np.random.Generator, n: int, least_km: float = 13.0, most_km: float = 60.0
    ) -> tuple[Floats, Floats]:
        """Positions (n,) off a port and more than `least_km` from any."""
        lon, lat = np.empty(0), np.empty(0)
        while len(lon) < n:
            port = self.ports[rng.choice(len(self.ports), 2 * n, p=self._weight)]
            out_m, bearing = 1000 * rng.uniform(least_km, most_km, 2 * n), rng.uniform(0, 2 * np.pi, 2 * n)
            new_lon, new_lat = shift(port[:, 0], port[:, 1], out_m * np.sin(bearing), out_m * np.cos(bearing))
            clear = self._all.query(on_sphere(new_lon, new_lat))[0] > 1000 * least_km
            lon, lat = np.append(lon, new_lon[clear]), np.append(lat, new_lat[clear])
        return lon[:n], lat[:n]


def berths(rng: np.random.Generator, coast: Coast, vessels: int) -> tuple[Floats, Floats]:
    """Positions (vessels,) of slow vessels, in clusters of the measured sizes and shapes."""
    share = np.array([c.vessels for c in MEASURED], dtype=np.float64)
    counts = np.floor(share / share.sum() * vessels).astype(int)
    counts[0] += vessels - counts.sum()
    places = [_clusters(rng, coast, c, int(n)) for c, n in zip(MEASURED, counts, strict=True)]
    return np.concatenate([p[0] for p in places]), np.concatenate([p[1] for p in places])


def _clusters(rng: np.random.Generator, coast: Coast, kind: Clusters, vessels: int) -> tuple[Floats, Floats]:
    sizes = _sizes(rng, kind, vessels)
    in_port = rng.random(len(sizes)) < kind.in_port
    lon, lat = np.empty(len(sizes)), np.empty(len(sizes))
    lon[in_port], lat[in_port] = coast.in_port(rng, int(in_port.sum()))
    lon[~in_port], lat[~in_port] = coast.away(rng, int((~in_port).sum()))
    of = np.repeat(np.arange(len(sizes)), sizes)
    along_m = rng.uniform(-0.5, 0.5, len(of)) * kind.length_m
    across_m = rng.normal(0, 40, len(of))
    quay = rng.uniform(0, np.pi, len(sizes))[of]
    east_m = along_m * np.sin(quay) + across_m * np.cos(quay)
    north_m = along_m * np.cos(quay) - across_m * np.sin(quay)
    return shift(lon[of], lat[of], east_m, north_m)


def _sizes(rng: np.random.Generator, kind: Clusters, vessels: int) -> NDArray[np.int64]:
    """Sizes (c,) between smallest and largest that add up to the vessels; the last may be smaller."""
    ratio = kind.largest / kind.smallest
    drawn = np.round(kind.smallest * ratio ** rng.random(vessels // kind.smallest + 1)).astype(np.int64)
    ends = np.cumsum(drawn)
    last = int(np.searchsorted(ends, vessels))
    sizes = drawn[: last + 1].copy()
    sizes[last] -= ends[last] - vessels
    return sizes[sizes > 0]
