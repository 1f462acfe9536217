"""Where, when, how long, how close and how fast: drawn first and alike for transfers and for what only looks like them.

A family of scenes is chosen afterwards among those to which the circumstances can happen. So neither the zone, nor the
distance to port, nor the hour, nor duration, distance or speed says by itself what a meeting is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stswatch.sample_ais.fleet.at_rest import KEEPS_WAY_KN, STILL_KN, drift_room_m
from stswatch.sample_ais.fleet.motion import Floats, shift
from stswatch.sample_ais.fleet.waters import ROADS, Place, Spot, Waters

# ------------------------------------- durations, distances and speeds, drawn from what was fitted to real meetings
# meetings.json holds the parameters, with their errors; make_files.py says how they were fitted, and to what.

SHORTEST_H, LONGEST_H = 1 / 3, 72.0
NEAREST_M, FARTHEST_M = 12.0, 460.0  # under the 500 m of an encounter with the swing of both
FASTEST_KN = 4.3


class Mixture(NamedTuple):
    """Share, median and sigma of a lognormal; median and sigma of a second one, or the median of an exponential."""

    share: float
    median_1: float
    sigma_1: float
    median_2: float
    sigma_2: float | None = None  # None: the second part is exponential

    def draw(self, rng: np.random.Generator, n: int, low: float, high: float) -> Floats:
        """Values (n,) within (low, high); those that fall outside are drawn again."""
        out = np.empty(0)
        while len(out) < n:
            first = rng.random(4 * n) < self.share
            one = self.median_1 * np.exp(self.sigma_1 * rng.standard_normal(4 * n))
            if self.sigma_2 is None:
                two = rng.exponential(self.median_2 / np.log(2.0), 4 * n)
            else:
                two = self.median_2 * np.exp(self.sigma_2 * rng.standard_normal(4 * n))
            drawn = np.where(first, one, two)
            out = np.append(out, drawn[(drawn > low) & (drawn < high)])
        return out[:n]


def fitted_columns() -> dict[str, dict[str, Any]]:
    """What meetings.json says of each column: parameters, their errors, how many values, bounds."""
    held = json.loads((files("stswatch.sample_ais") / "meetings.json").read_text(encoding="utf-8"))
    columns: dict[str, dict[str, Any]] = held["columns"]
    return columns


@cache
def fitted() -> dict[str, Mixture]:
    """The fitted mixtures: duration_h, median_distance_m, median_speed_kn.

    >>> 30 < fitted()["median_distance_m"].median_1 < 45
    True
    """
    return {
        name: Mixture(**{k: fields[k] for k in Mixture._fields if k in fields})
        for name, fields in fitted_columns().items()
    }


def durations_h(rng: np.random.Generator, n: int, longest_h: float = LONGEST_H, factor: float = 1.0) -> Floats:
    """Durations (n,) in hours, from 20 minutes up; `factor` stretches the fitted shape."""
    return factor * fitted()["duration_h"].draw(rng, n, SHORTEST_H / factor, longest_h / factor)


def distances_m(rng: np.random.Generator, n: int, factor: float = 1.0) -> Floats:
    """Median distances of antennas (n,) in metres."""
    return factor * fitted()["median_distance_m"].draw(rng, n, NEAREST_M / factor, FARTHEST_M / factor)


def speeds_kn(rng: np.random.Generator, n: int, fastest_kn: float = FASTEST_KN) -> Floats:
    """Median speeds (n,) in knots, up to that of hulls that go on side by side."""
    return fitted()["median_speed_kn"].draw(rng, n, 0.0, fastest_kn)


# ---------------------------------------------------------------------------------------------------- circumstances

HOUR_S = 3600.0
ZONE, CONTEXT, OPEN, TRADE_ROADS, APPROACHES = "zone", "context", "open", "trade_roads", "approaches"
# How often a meeting is where. The share in zones is that of the plan; the others share the rest.
ELSEWHERE = {CONTEXT: 0.25, OPEN: 0.40, TRADE_ROADS: 0.10, APPROACHES: 0.25}
CRAMPED_ANCHOR = 0.7  # the others keep slow way (an estimate)
# How often in which zone: by reports, the East China Sea and the west coast most (docs/zones.md).
ZONE_WEIGHTS = {
    "ecs_offshore": 5.0,
    "chodo": 3.0,
    "nampo_sokto": 3.0,
    "korea_bay": 3.0,
    "ningbo_zhoushan": 2.0,
    "haeju_north": 1.0,
    "wonsan_bay": 1.0,
    "rason_chongjin": 1.0,
    "lianyungang": 1.0,
    "taipei_north": 1.5,
    "fujian_coast": 1.0,
    "kaohsiung_south": 1.0,
    "tonkin": 1.0,
}


@dataclass(frozen=True)
class Circumstance:
    """What is given to a family of scenes; seconds from the start of the plan."""

    place: Place
    start_s: float
    duration_s: float
    distance_m: float
    speed_kn: float
    port_km: float  # straight to the nearest berth or roads

    @property
    def end_s(self) -> float:
        """When it ends."""
        return self.start_s + self.duration_s


def circumstances(
    rng: np.random.Generator,
    n: int,
    sea: Waters,
    days: float,
    in_zones: float,
    duration_factor: float = 1.0,
    distance_factor: float = 1.0,
    zones: Sequence[str] = (),
) -> list[Circumstance]:
    """Circumstances (n,) within so many days; some begin before or end after, most do neither.

    zones: only these; all where empty. Raises KeyError for a zone that is none.
    """
    hours = durations_h(rng, n, min(72.0, 16.0 * days), duration_factor)
    apart_m, speed_kn, still_kn = distances_m(rng, n, distance_factor), speeds_kn(rng, n), speeds_kn(rng, n, STILL_KN)
    middle_s = rng.uniform(0.02, 0.98, n) * days * 24 * HOUR_S
    places = [_place(rng, sea, in_zones, zones) for _ in range(n)]
    port_km = [sea.port_km(p) for p in places]
    anchors = _anchors(places, speed_kn, hours, rng.random(n))
    speed_kn = np.where(anchors & (speed_kn < KEEPS_WAY_KN), still_kn, speed_kn)
    columns = zip(places, middle_s, hours * HOUR_S, apart_m, speed_kn, port_km, strict=True)
    return [Circumstance(p, float(m - d / 2), float(d), float(a), float(v), k) for p, m, d, a, v, k in columns]


def _anchors(places: Sequence[Place], speed_kn: Floats, hours: Floats, drawn: Floats) -> NDArray[np.bool_]:
    """Who would drift, and lies at anchor (n,): all near ports, most of those for whom there is no room to drift."""
    near = np.array([p.setting in (TRADE_ROADS, APPROACHES) for p in places], bool)
    least_m = [drift_room_m(v, h * HOUR_S) for v, h in zip(speed_kn.tolist(), hours.tolist(), strict=True)]
    room_m = np.array([p.drift_m for p in places])
    return near | ((np.array(least_m) > room_m) & (drawn < CRAMPED_ANCHOR))


def _place(rng: np.random.Generator, sea: Waters, in_zones: float, zones: Sequence[str]) -> Place:
    if zones or rng.random() < in_zones:
        names = [name for name in zones or ZONE_WEIGHTS if name in sea.zones]
        weights = np.array([ZONE_WEIGHTS.get(name, 1.0) for name in names])
        return _near(rng, _one(rng, sea.zones[names[rng.choice(len(names), p=weights / weights.sum())]]), ZONE)
    settings = list(ELSEWHERE)
    return _elsewhere(rng, sea, settings[rng.choice(len(settings), p=list(ELSEWHERE.values()))])


def _elsewhere(rng: np.random.Generator, sea: Waters, setting: str) -> Place:
    if setting == CONTEXT:
        names = [name for name in sea.zones if sea.zone_kinds[name] == "context"]
        return _near(rng, _one(rng, sea.zones[names[rng.integers(len(names))]]), CONTEXT)
    if setting == OPEN:
        node = sea.open_nodes[int(rng.integers(len(sea.open_nodes)))]
        lon, lat = sea.nodes[node].tolist()
        return _near(rng, Place(lon, lat, float(sea.room_km[node]), node, "", OPEN), OPEN)
    roads = [s for s in sea.spots if s.kind == ROADS and (s.port in sea.trade) == (setting == TRADE_ROADS)]
    spot = roads[rng.integers(len(roads))]
    if setting == TRADE_ROADS:
        return Place(*spot.place, 1.0, spot.node, "", setting)
    return _approach(rng, sea, spot)


def _approach(rng: np.random.Generator, sea: Waters, spot: Spot) -> Place:
    """On the way from the roads of a port to the lanes, some kilometres out."""
    ends = [*spot.way, tuple(sea.nodes[spot.node].tolist())]
    k = len(ends) - 2
    share = rng.uniform(0.15, 0.85)
    lon = ends[k][0] + share * (ends[k + 1][0] - ends[k][0])
    lat = ends[k][1] + share * (ends[k + 1][1] - ends[k][1])
    return Place(float(lon), float(lat), 0.8, spot.node, "", APPROACHES)


def _one(rng: np.random.Generator, places: Sequence[Place]) -> Place:
    return places[int(rng.integers(len(places)))]


def _near(rng: np.random.Generator, place: Place, setting: str) -> Place:
    """A place near one that is kept, so that no two meetings are at the same spot."""
    out_m = 1000.0 * min(5.0, 0.25 * place.room_km)
    lon, lat = shift(place.lon, place.lat, *rng.uniform(-0.7, 0.7, 2) * out_m)
    return replace(place, lon=float(lon), lat=float(lat), room_km=0.75 * place.room_km, setting=setting)
