"""How one ship of the second sea moves: pieces of a track, a position a minute.

Speeds are Ornstein-Uhlenbeck processes about a cruising speed (Uhlenbeck and Ornstein, Phys. Rev. 36, 1930; for ships:
Millefiori et al., IEEE Trans. Aerospace and Electronic Systems 52, 2016). Tides are semidiurnal, 12.42 h.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import lfilter

from stswatch.geo.coordinates.sphere import MS_PER_KN, bearing_deg, haversine_m
from stswatch.sample_ais.second.net import Floats

M_PER_DEG = 111_195.0
TIDE_H = 12.42
UNDER_WAY, AT_ANCHOR, RESTRICTED, MOORED, FISHING = 0, 1, 3, 5, 7  # navigational status, ITU-R M.1371-5
Random: TypeAlias = np.random.Generator


class Passage(NamedTuple):
    """A stretch of a track, one row a minute: lon, lat, heading (n,) in degrees, and its navigational status."""

    lon: Floats
    lat: Floats
    heading: Floats
    status: int

    def part(self, begin: int, end: int) -> Passage:
        """The minutes from begin to end."""
        return Passage(self.lon[begin:end], self.lat[begin:end], self.heading[begin:end], self.status)


def wander(rng: Random, n: int, sd: float, minutes: float, step: float = 1.0) -> Floats:
    """An Ornstein-Uhlenbeck process (n,), `step` minutes a row, with a standard deviation and a correlation time."""
    keep = np.exp(-step / minutes)
    white = rng.standard_normal(n) * sd * np.sqrt(1 - keep**2)
    white[:1] /= np.sqrt(1 - keep**2)
    return np.asarray(lfilter([1.0], [1.0, -keep], white))


def moved(lon: Floats | float, lat: Floats | float, east_m: Floats, north_m: Floats) -> tuple[Floats, Floats]:
    """Places moved by metres, on a plane tangent there."""
    return lon + east_m / (M_PER_DEG * np.cos(np.radians(lat))), lat + north_m / M_PER_DEG


def sail(rng: Random, way: Floats, cruise_kn: float, status: int = UNDER_WAY) -> Passage:
    """Along a way (k, 2) from rest to rest: the ship gathers way, wanders about its speed and its line, and slows."""
    reach = np.concatenate([[0.0], np.cumsum(haversine_m(*way[:-1].T, *way[1:].T))])
    ramp = 15
    n = int(np.ceil(reach[-1] / (cruise_kn * MS_PER_KN * 60))) + ramp + 1
    nth = np.arange(n)
    speed = np.minimum(1.0, np.minimum(nth, n - 1 - nth) / min(ramp, n / 2)) * (
        1 + wander(rng, n, 0.04, 180).clip(-0.15, 0.12)
    )
    gone = np.cumsum(speed) * (reach[-1] / max(speed.sum(), 1e-9))
    lon, lat = (uniform_filter1d(np.interp(gone, reach, way[:, k]), min(7, n), mode="nearest") for k in (0, 1))
    heading = np.radians(_headings(lon, lat))
    taper = np.minimum(1.0, np.minimum(gone, reach[-1] - gone) / 15_000) ** 2
    aside = uniform_filter1d(wander(rng, n, 120.0, 120), min(45, n)) * taper
    lon, lat = moved(lon, lat, aside * np.cos(heading), -aside * np.sin(heading))
    return Passage(lon, lat, _headings(lon, lat), status)


def lie(rng: Random, lon: float, lat: float, n: int) -> Passage:
    """Moored: it does not move; its heading by the quay."""
    return Passage(np.full(n, lon), np.full(n, lat), np.full(n, rng.uniform(0, 360)), MOORED)


def swing(rng: Random, lon: float, lat: float, n: int, chain_m: float) -> Passage:
    """At anchor: on its chain, about with the tide and the wind."""
    hours = np.arange(n) / 60
    turn = 65 * np.sin(2 * np.pi * (hours / TIDE_H + rng.uniform())) + uniform_filter1d(wander(rng, n, 15, 180), 30)
    heading = rng.uniform(0, 360) + turn
    back = np.radians(heading + 180)
    return Passage(*moved(lon, lat, chain_m * np.sin(back), chain_m * np.cos(back)), heading % 360, AT_ANCHOR)


def drift(rng: Random, lon: float, lat: float, n: int) -> Passage:
    """Adrift with a stopped engine: a tidal ellipse, and the wind slowly on top."""
    hours = np.arange(n) / 60
    phase = 2 * np.pi * (hours / TIDE_H + rng.uniform())
    tide_kn, wind_kn = rng.uniform(0.2, 0.9), rng.uniform(0.05, 0.35)
    along, across = tide_kn * np.sin(phase), 0.3 * tide_kn * np.cos(phase)
    bow, leeway = rng.uniform(0, 2 * np.pi, 2)
    wind = wind_kn + uniform_filter1d(wander(rng, n, 0.1, 240), 30)
    east_kn = along * np.sin(bow) + across * np.cos(bow) + wind * np.sin(leeway)
    north_kn = along * np.cos(bow) - across * np.sin(bow) + wind * np.cos(leeway)
    east, north = (np.cumsum(kn) * MS_PER_KN * 60 for kn in (east_kn, north_kn))
    heading = np.degrees(leeway) + 90 + uniform_filter1d(wander(rng, n, 25, 180), 30)
    return Passage(*moved(lon, lat, east, north), heading % 360, UNDER_WAY)


def trawl(rng: Random, lon: float, lat: float, n: int, kn: float) -> Passage:
    """To and fro over a ground, a turn every two or three hours, with stops to haul."""
    every = rng.integers(110, 190)
    nth = np.arange(n)
    legs = uniform_filter1d(180.0 * ((nth // every) % 2), 20) + uniform_filter1d(wander(rng, n, 20, 90), 20)
    heading = rng.uniform(0, 360) + legs
    hauls = np.where(nth % every < 25, 0.25, 1.0)
    speed = np.clip(kn * (1 + wander(rng, n, 0.1, 45)), 0.5, None) * uniform_filter1d(hauls, 6)
    return _dead_reckoned(lon, lat, heading, speed, FISHING)


def steam(rng: Random, lon: float, lat: float, n: int, kn: float, bearing: float) -> Passage:
    """Slowly on one course."""
    heading = bearing + uniform_filter1d(wander(rng, n, 5, 120), 20)
    return _dead_reckoned(lon, lat, heading, np.clip(kn * (1 + wander(rng, n, 0.06, 90)), 0.3, None), RESTRICTED)


def beside(rng: Random, host: Passage, aside_m: float, along_m: float, loose: float, side: float) -> Passage:
    """Beside a host, on its side 1 (right) or -1: an offset in its frame that wanders by a share `loose` of itself."""
    n = len(host.lon)
    aside = side * aside_m * (1 + uniform_filter1d(wander(rng, n, loose, 60), 9)).clip(0.6, 1.6)
    ahead = along_m + uniform_filter1d(wander(rng, n, loose * aside_m, 90), 9)
    bow = np.radians(uniform_filter1d(np.unwrap(host.heading, period=360), 9))
    east, north = aside * np.cos(bow) + ahead * np.sin(bow), -aside * np.sin(bow) + ahead * np.cos(bow)
    heading = host.heading + (180 if rng.random() < 0.25 and host.status != RESTRICTED else 0) + rng.normal(0, 2)
    return Passage(*moved(host.lon, host.lat, east, north), heading % 360, host.status)


def _dead_reckoned(lon: float, lat: float, heading: Floats, speed_kn: Floats, status: int) -> Passage:
    gone = speed_kn * MS_PER_KN * 60
    east, north = (np.cumsum(gone * turn(np.radians(heading))) for turn in (np.sin, np.cos))
    return Passage(*moved(lon, lat, east, north), heading % 360, status)


def _headings(lon: Floats, lat: Floats) -> Floats:
    """Where a track leads to at each row, degrees."""
    if len(lon) < 2:
        return np.zeros(len(lon))
    ahead = bearing_deg(lon[:-1], lat[:-1], lon[1:], lat[1:])
    return np.append(ahead, ahead[-1])
