"""How the vessels of the generated sea move: four kinds of motion, each a function of vessel and time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from stswatch.geo.coordinates.sphere import MEAN_RADIUS_M, MS_PER_KN, unit_vectors
from stswatch.sample_ais.fleet.motion import Floats, shift

Ints = NDArray[np.int64]
FIRST_MMSI = 290_000_001  # country digits 280 to 300 are given to nobody

# share of the vessels, measured as said below; the rest lie still
PASSING = 0.082  # 5 kn and more
WORKING = 0.037  # 1 to 5 kn
MEETINGS_PER_VESSEL_DAY = 0.01  # pairs that come together at sea (a choice, not a measurement)
MEETING_DAYS = 0.5  # a pair that meets does so every other day
PASSING_KN = 9.35  # median; the middle half from 6.8 to 12.6

STILL, WORK, PASS, MEET = range(4)


@dataclass(frozen=True)
class Sea:
    """The vessels (v,) and what decides their motion; see `motion`."""

    seed: int
    kind: Ints
    lon: Floats  # home, deg
    lat: Floats
    speed_kn: Floats
    bearing: Floats  # radians
    reach_m: Floats  # how far from home
    phase: Floats  # 0 to 1
    habit: Floats  # 0 to 1, decides the interval between reports

    @staticmethod
    def at_rest(lon: Floats, lat: Floats) -> Sea:
        """Vessels that lie still at their homes."""
        zero, half = np.zeros(len(lon)), np.full(len(lon), 0.5)
        return Sea(0, np.zeros(len(lon), np.int64), lon, lat, zero, zero, zero, half, half)

    def motion(self, vessel: Ints, time_s: Ints) -> tuple[Floats, Floats, Floats, Floats]:
        """East and north of home in m, speed in kn and course in degrees, of vessels (n,) at times (n,)."""
        out = tuple(np.zeros(len(vessel)) for _ in range(4))
        kind = self.kind[vessel]
        for which, move in ((WORK, self._circle), (PASS, self._shuttle), (MEET, self._rendezvous)):
            at = np.flatnonzero(kind == which)
            for column, values in zip(out, move(vessel[at], time_s[at]), strict=True):
                column[at] = values
        return out[0], out[1], out[2], out[3]

    def _circle(self, vessel: Ints, time_s: Ints) -> tuple[Floats, Floats, Floats, Floats]:
        """Round home at the vessel's speed: fishing, dredging, waiting."""
        reach_m, speed_kn = self.reach_m[vessel], self.speed_kn[vessel]
        angle = 2 * np.pi * self.phase[vessel] + time_s * speed_kn * MS_PER_KN / reach_m
        return reach_m * np.sin(angle), reach_m * np.cos(angle), speed_kn, np.degrees(angle + np.pi / 2) % 360

    def _shuttle(self, vessel: Ints, time_s: Ints) -> tuple[Floats, Floats, Floats, Floats]:
        """Straight from home to a far point and back."""
        reach_m, speed_kn, bearing = self.reach_m[vessel], self.speed_kn[vessel], self.bearing[vessel]
        out, outward = _to_and_fro(time_s * speed_kn * MS_PER_KN / (2 * reach_m) + self.phase[vessel])
        course = np.degrees(bearing + np.where(outward, 0, np.pi)) % 360
        return reach_m * out * np.sin(bearing), reach_m * out * np.cos(bearing), speed_kn, course

    def _rendezvous(self, vessel: Ints, time_s: Ints) -> tuple[Floats, Floats, Floats, Floats]:
        """A pair patrols on both sides of its common home; on meeting days both come in and lie together.

        Speed and course are those of the way since half a minute before.
        """
        now, before = (self._off_home(vessel, time_s - back) for back in (0, 30))
        east_m, north_m = now[0] - before[0], now[1] - before[1]
        return (
            now[0],
            now[1],
            np.hypot(east_m, north_m) / 30 / MS_PER_KN,
            np.degrees(np.arctan2(east_m, north_m)) % 360,
        )

    def _off_home(self, vessel: Ints, time_s: Ints) -> tuple[Floats, Floats]:
        start_s, end_s = self._meeting_times(vessel, time_s)
        until_s = np.maximum(np.maximum(start_s - time_s, time_s - end_s), 0)
        away_m = np.minimum(until_s * self.speed_kn[vessel] * MS_PER_KN, self.reach_m[vessel])
        across = _to_and_fro(time_s / 7200 + self.phase[vessel])[0] - 0.5
        across_m = 12_000 * across * away_m / self.reach_m[vessel]
        off_m = away_m + np.where(vessel % 2 == 0, 25.0, 40.0)  # side by side 65 m apart
        bearing = self.bearing[vessel]
        drift_m = 600 * np.sin(2 * np.pi * (time_s / 86_400 + self.phase[vessel - vessel % 2]))  # of both alike
        east_m = off_m * np.sin(bearing) + across_m * np.cos(bearing) + drift_m
        return east_m, off_m * np.cos(bearing) - across_m * np.sin(bearing)

    def _meeting_times(self, vessel: Ints, time_s: Ints) -> tuple[Floats, Floats]:
        """Start and end of the pair's meeting of the day; far in the past where it has none."""
        start_s, end_s = np.full(len(vessel), -1e9), np.full(len(vessel), -1e9)
        day = time_s // 86_400
        for d in np.unique(day).tolist():
            draw = np.random.default_rng([self.seed, 5, d + 1]).random((3, len(self.kind)))[:, vessel - vessel % 2]
            hours = 1 + 5 * draw[1]
            at = (day == d) & (draw[0] < MEETING_DAYS)
            begin_s = 86_400 * d + 3600 * (3 + draw[2] * (18 - hours))
            start_s, end_s = np.where(at, begin_s, start_s), np.where(at, begin_s + 3600 * hours, end_s)
        return start_s, end_s


def _to_and_fro(turns: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """From 0 to 1 and back, once a turn, and whether on the way out.

    >>> _to_and_fro(np.array([0.0, 0.25, 0.5, 0.75]))[0].tolist()
    [0.0, 0.5, 1.0, 0.5]
    """
    part = turns % 1
    return 1 - np.abs(2 * part - 1), part < 0.5


def sea(seed: int, vessels: int) -> Sea:
    """The vessels of a seed; never raises for one vessel or more."""
    rng = np.random.default_rng([seed, 1])
    coast = Coast(rng)
    meeting = 2 * round(vessels * MEETINGS_PER_VESSEL_DAY / MEETING_DAYS)
    passing, working = max(0, round(vessels * PASSING) - meeting), round(vessels * WORKING)
    counts = {MEET: meeting, PASS: passing, WORK: working, STILL: vessels - meeting - passing - working}
    # pairs first, so that the two of a pair have numbers 2 k and 2 k + 1
    kind = np.repeat(np.array(list(counts), np.int64), list(counts.values()))
    meet = [np.repeat(p, 2) for p in coast.away(rng, meeting // 2, 25, 120)]
    places = [
        (meet[0], meet[1]),
        coast.away(rng, passing, 20, 80),
        coast.away(rng, working),
        berths(rng, coast, counts[STILL]),
    ]
    bearing = rng.uniform(0, 2 * np.pi, vessels)
    bearing[1:meeting:2] = bearing[:meeting:2] + np.pi
    passing_kn = (PASSING_KN * np.exp(rng.normal(0, 0.4, vessels))).clip(5.2, 30)
    return Sea(
        seed=seed,
        kind=kind,
        lon=np.concatenate([p[0] for p in places]),
        lat=np.concatenate([p[1] for p in places]),
        speed_kn=np.choose(kind, [np.zeros(vessels), rng.uniform(1, 4.5, vessels), passing_kn, passing_kn]),
        bearing=bearing,
        reach_m=np.choose(kind, [0, rng.uniform(800, 4000, vessels), rng.uniform(8e4, 8e5, vessels), 12_000.0]),
        phase=rng.random(vessels),
        habit=rng.random(vessels),
    )


# ----------------------- Where the vessels of the generated sea lie: berths in clusters, as dense as in a real record
# All numbers here were measured in one record: MarineCadastre (NOAA), 2022-01-03, the first 24 minutes of UTC,
# 99,647 positions of 10,616 vessels, distances between median positions, ports as in searoute.

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
