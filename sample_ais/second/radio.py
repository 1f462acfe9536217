"""What the second sea's ships send and who hears it: intervals, noise, stations, satellites, and why it was silent.

Intervals after ITU-R M.1371-5, tables 1 (class A) and 2 (class B carrier sense). A station hears at p = 1/2 where
a ship is at the radio horizon, 4.12 (sqrt h1 + sqrt h2) km (ITU-R P.310), grown by a fifth; from there the signal falls
by the log-distance law with exponent 4 (Rappaport, Wireless Communications, 2002) and log-normal shadowing that is
correlated over hours, as ducting over the Yellow Sea is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from stswatch.geo.coordinates.sphere import MS_PER_KN, haversine_m
from stswatch.sample_ais.second.movement import (
    AT_ANCHOR,
    MOORED,
    Random,
    moved,
    wander,
)
from stswatch.sample_ais.second.net import Floats, Ints
from stswatch.sample_ais.second.plans import LEFT, Tracks, Vessel

SATELLITE, STATIC_STATION = "SAT-B", "S-STATIC"  # static reports come by one station in a recording
# Coast stations of the second sea: where one could stand, and its antenna over the sea, m. None is real.
STATIONS = (
    ("S-DALIAN", 121.65, 38.87, 90), ("S-CHANGHAI", 122.6, 39.2, 60), ("S-WEIHAI", 122.2, 37.45, 110),
    ("S-QINGDAO", 120.4, 36.0, 130), ("S-RIZHAO", 119.55, 35.4, 50), ("S-YANGKOU", 121.1, 32.6, 35),
    ("S-SHENGSI", 122.6, 30.75, 160), ("S-TAIZHOU", 121.9, 28.4, 140), ("S-PINGTAN", 119.85, 25.5, 110),
    ("S-XIAMEN", 118.15, 24.4, 160), ("S-BAENGNYEONG", 124.7, 37.95, 120), ("S-DEOKJEOK", 126.1, 37.25, 130),
    ("S-GAGEO", 125.1, 34.07, 280), ("S-HALLIM", 126.25, 33.4, 180), ("S-DOLSAN", 127.75, 34.6, 150),
    ("S-YEONGDO", 129.07, 35.07, 200), ("S-HOMI", 129.55, 36.07, 60), ("S-MUKHO", 129.1, 37.55, 90),
    ("S-GOSEONG", 128.45, 38.4, 120), ("S-TSUSHIMA", 129.3, 34.4, 260), ("S-GOTO", 128.7, 32.7, 220),
    ("S-OKI", 133.2, 36.2, 250), ("S-AMAMI", 129.4, 28.3, 240), ("S-NAHA", 127.7, 26.2, 90),
    ("S-YONAGUNI", 123.0, 24.45, 150), ("S-KEELUNG", 121.75, 25.15, 180), ("S-HENGCHUN", 120.75, 22.0, 160),
    ("S-NAKHODKA", 132.95, 42.75, 190), ("S-POSYET", 130.85, 42.6, 100),
)  # fmt: skip
CELL_MIN = 10  # reception is drawn anew in cells of so many minutes
_EXPONENT, _SOFT_DB = 4.0, 1.6
_CLASS_B_DB = -8.0  # 2 W against 12.5 W
_MOST = 0.88  # slots that others take
Gap: TypeAlias = tuple[float, float | None, str]  # from s, to s or None where it goes on, cause
TrueGap: TypeAlias = tuple[float, float | None, str, float]  # and log10 of the chance that nothing would be received
_CAUSES = ("out_of_range", "outage", "fade")


class Reports(NamedTuple):
    """Position reports as received, one row each: of which ship, when (s), and what was sent."""

    row: Ints
    time_s: Floats
    lon: Floats
    lat: Floats
    sog_kn: Floats
    cog_deg: Floats
    heading_deg: Ints
    status: Ints
    station: Ints  # index among STATIONS, -1 for a satellite


def rates(vessel: Vessel, speed_kn: Floats, turn_deg: Floats, status: NDArray[np.int8]) -> Floats:
    """Reports a minute (n,) that a transponder sends at a speed, a change of heading in a minute and a status."""
    if vessel.class_b:
        return np.where(speed_kn > 2, 2.0, 1 / 3)
    interval = np.select([speed_kn > 23, speed_kn > 14], [2.0, 6.0], 10.0)
    turning = turn_deg > 5
    interval = np.where(turning & (speed_kn <= 14), 10 / 3, np.where(turning & (speed_kn <= 23), 2.0, interval))
    at_rest = np.isin(status, (AT_ANCHOR, MOORED))
    return 60 / np.where(at_rest, np.where(speed_kn > 3, 10.0, 180.0), interval)


def sent(rng: Random, rate: Floats, vessel: Vessel) -> Floats:
    """When a ship sends, minutes: whenever the integral of its rate passes a whole number, a tenth off at most."""
    phase = np.concatenate([[0.0], np.cumsum(rate)]) + rng.uniform()
    times = np.interp(np.arange(1, int(phase[-1]) + 1), phase, np.arange(len(phase)))
    nominal = 1 / rate[np.minimum(times.astype(np.int64), len(rate) - 1)]
    times = np.sort(times + rng.uniform(-0.1, 0.1, len(times)) * nominal)
    for silence in vessel.silences:
        times = times[(times < silence.begin) | (times > silence.end)]
    return times[(times >= 0) & (times < len(rate))]


@dataclass(frozen=True)
class Ether:
    """Who can hear, over the whole sea: shadowing and outages by station (stations, cells), passes of satellites."""

    shadow_db: Floats
    broken: NDArray[np.bool_]
    passing: NDArray[np.bool_]  # (minutes,)
    crowd: Floats  # (lon, lat) cells of a degree from 117 E, 19 N: share of a pass that collisions leave

    @classmethod
    def drawn(cls, rng: Random, tracks: Tracks, outages_per_day: float) -> Ether:
        """The weather, the outages and the passes of one sea."""
        minutes = tracks.lon.shape[1]
        cells, n = -(-minutes // CELL_MIN), len(STATIONS)
        weather = wander(rng, cells, 3.0, 600, CELL_MIN)
        shadow = np.array([wander(rng, cells, 2.5, 360, CELL_MIN) for _ in range(n)]) + weather
        broken = np.zeros((n, cells), bool)
        for _ in range(rng.poisson(outages_per_day * minutes / 1440)):
            begin, long = rng.integers(cells), int(rng.lognormal(np.log(4), 0.7) * 60 / CELL_MIN) + 2
            broken[rng.integers(n), begin : begin + long] = True
        passing = np.zeros(minutes, bool)
        at = rng.uniform(0, 60)
        while at < minutes:
            passing[int(at) : int(at + rng.uniform(4, 11))] = True
            at += rng.gamma(4.0, 11.0)
        counts, *_ = np.histogram2d(tracks.lon[:, 0], tracks.lat[:, 0], (np.arange(117, 136), np.arange(19, 46)))
        return cls(
            shadow, broken, passing, np.exp(-60 * uniform_filter1d(uniform_filter1d(counts, 5, 0), 5, 1) / counts.sum())
        )

    def chances(self, rng: Random, vessel: Vessel, lon: Floats, lat: Floats) -> tuple[Floats, Ints, Floats, Floats]:
        """For a ship (cells,): the chance of one report ashore and at which station; without outages, without fades."""
        _, slon, slat, height = (np.array(column) for column in zip(*STATIONS, strict=True))
        km = haversine_m(slon[:, None], slat[:, None], lon, lat) / 1000
        horizon = 1.2 * 4.12 * (np.sqrt(height) + np.sqrt(vessel.height_m))
        free = 10 * _EXPONENT * np.log10(horizon[:, None] / np.maximum(km, 0.5)) + _CLASS_B_DB * vessel.class_b
        fade = rng.normal(0, 2.5) + wander(rng, len(lon), 3.0, 180, CELL_MIN)
        heard = free + self.shadow_db[:, : len(lon)] + fade
        working = np.where(self.broken[:, : len(lon)], -99.0, heard)
        best = working.argmax(axis=0)
        return _chance(working.max(axis=0)), best, _chance(heard.max(axis=0)), _chance(free.max(axis=0))

    def from_space(self, vessel: Vessel, lon: Floats, lat: Floats) -> Floats:
        """The chance (minutes,) of one report at a satellite that passes."""
        i, j = (
            np.clip((x - x0).astype(int), 0, n - 1)
            for x, x0, n in zip((lon, lat), (117, 19), self.crowd.shape, strict=True)
        )
        return np.where(self.passing, (0.03 if vessel.class_b else 0.3) * self.crowd[i, j], 0.0)


def _chance(margin_db: Floats) -> Floats:
    return _MOST / (1 + np.exp(-np.clip(margin_db, -60, 60) / _SOFT_DB))


def received(
    rng: Random, vessel: Vessel, row: int, tracks: Tracks, ether: Ether, thin_s: float
) -> tuple[Reports, list[TrueGap]]:
    """The reports of a ship that are heard, at most one in `thin_s`, and its gaps.

    Of each gap it is told how likely it is that none of the reports of a set that sends throughout would be received.
    """
    lon, lat = tracks.lon[row], tracks.lat[row]
    reported_lon, reported_lat, reported_heading = _reported(rng, vessel, lon, lat, tracks.heading[row])
    speed, turn, cog = _motion(reported_lon, reported_lat, reported_heading)
    rate = rates(vessel, speed, turn, tracks.status[row])
    times = sent(rng, rate, vessel)
    ashore, station, unbroken, unfaded = ether.chances(rng, vessel, lon[::CELL_MIN], lat[::CELL_MIN])
    minute = times.astype(np.int64)
    drawn = rng.random(len(times))
    by_land = drawn < ashore[minute // CELL_MIN]
    space = ether.from_space(vessel, lon, lat)
    by_space = ~by_land & (rng.random(len(times)) < space[minute])
    kept = np.flatnonzero(by_land | by_space)
    if thin_s:
        kept = kept[np.diff((times[kept] * 60 // thin_s), prepend=-1) > 0]
    at, by = times[kept], np.where(by_land, station[minute // CELL_MIN], -1)[kept]
    east, north = _gps_noise(rng, at, len(lon))
    nth = np.arange(len(lon))
    places = moved(np.interp(at, nth, reported_lon), np.interp(at, nth, reported_lat), east, north)
    status = tracks.status[row][at.astype(np.int64)].astype(np.int64)
    shown = _instruments(rng, vessel, at, speed, cog, reported_heading)
    columns: list[Any] = [np.full(len(at), row), at * 60, *places, *shown, status, by]
    reports = Reports(*columns)
    found = gaps(vessel, at, len(lon), unbroken - ashore, unfaded)
    missed = rate * (np.log1p(-ashore[np.arange(len(lon)) // CELL_MIN]) + np.log1p(-space))
    return reports, _with_chances(found, missed)


def _reported(rng: Random, vessel: Vessel, lon: Floats, lat: Floats, heading: Floats) -> tuple[Floats, Floats, Floats]:
    """The positions that a ship sends: its own, or while it forges them a slow course somewhere else, 150 km off."""
    if vessel.forged is None:
        return lon, lat, heading
    begin, end = (int(np.clip(m, 0, len(lon))) for m in vessel.forged)
    lon, lat, heading = lon.copy(), lat.copy(), heading.copy()
    n = end - begin
    if n > 0:
        hours = np.arange(n) / 60
        bearing = rng.uniform(0, 2 * np.pi)
        loop = 2 * np.pi * hours / rng.uniform(5, 9)
        places = moved(
            lon[begin],
            lat[begin],
            150_000 * np.sin(bearing) + 6000 * np.sin(loop),
            150_000 * np.cos(bearing) + 6000 * np.cos(loop),
        )
        lon[begin:end], lat[begin:end] = places
        heading[begin:end] = np.degrees(loop + np.pi / 2) % 360
    return lon, lat, heading


def _motion(lon: Floats, lat: Floats, heading: Floats) -> tuple[Floats, Floats, Floats]:
    """Speed over ground (kn), change of heading in a minute and course over ground, each minute."""
    east = np.diff(lon, append=lon[-1:]) * np.cos(np.radians(lat)) * 111_195
    north = np.diff(lat, append=lat[-1:]) * 111_195
    speed = uniform_filter1d(np.hypot(east, north), 3) / (60 * MS_PER_KN)
    turn = np.abs((np.diff(heading, append=heading[-1:]) + 180) % 360 - 180)
    return np.minimum(speed, 40.0), np.where(speed > 1, turn, 0.0), np.degrees(np.arctan2(east, north)) % 360


def _gps_noise(rng: Random, at: Floats, minutes: int) -> tuple[Floats, Floats]:
    """Errors (n,) in metres: two correlated parts, of minutes and of hours, and the receiver's own, white."""
    fine, slow = rng.uniform(0.6, 2.5), rng.uniform(0.8, 3.5)
    nth = np.arange(minutes)
    east, north = (
        np.interp(at, nth, wander(rng, minutes, fine, 6) + wander(rng, minutes, slow, 150))
        + rng.normal(0, 0.4, len(at))
        for _ in range(2)
    )
    return east, north


def _instruments(
    rng: Random, vessel: Vessel, at: Floats, speed: Floats, cog: Floats, heading: Floats
) -> tuple[Floats, Floats, Ints]:
    """Speed, course and heading as sent; 511 where there is no compass; a course that wanders where it lies still."""
    minute, n = at.astype(np.int64), len(at)
    sog = np.abs(np.interp(at, np.arange(len(speed)), speed) + rng.normal(0, 0.06, n))
    loose = np.degrees(0.12 / np.maximum(sog, 0.06))
    course = np.where(
        sog < 0.15, wander(rng, n, 90, 5) + 180, cog[minute] + rng.normal(0, 1, n) * np.minimum(loose, 90)
    )
    bow = np.round(heading[minute] + rng.normal(0, 0.7, n)).astype(np.int64) % 360
    return sog, course % 360, bow if vessel.gyro else np.full(n, 511)


LEAST_GAP_H = 2.0


def gaps(vessel: Vessel, at: Floats, minutes: int, lost: Floats, unfaded: Floats) -> list[Gap]:
    """Where nothing was heard for LEAST_GAP_H and more, and why: (from s, to s or None, cause)."""
    edges = np.append(at, minutes)
    found = []
    for k in np.flatnonzero(np.diff(edges) > LEAST_GAP_H * 60):
        begin, end = edges[k], edges[k + 1]
        found.append((begin * 60, None if k == len(at) - 1 else end * 60, _cause(vessel, begin, end, lost, unfaded)))
    return found


def _cause(vessel: Vessel, begin: float, end: float, lost: Floats, unfaded: Floats) -> str:
    """The cause that takes most of a gap: the ship's own first, then range, then outages, then fades."""
    shared = [(min(end, s.end) - max(begin, s.begin), s.cause) for s in vessel.silences]
    longest, cause = max(shared, default=(0.0, LEFT))
    if longest > 0.4 * (end - begin):
        return cause
    cells = slice(int(begin) // CELL_MIN, int(end) // CELL_MIN + 1)
    marks = unfaded[cells].mean() < 0.1, lost[cells].mean() > 0.2
    return next((cause for cause, holds in zip(_CAUSES, (*marks, True), strict=True) if holds))


def _with_chances(found: list[Gap], missed: Floats) -> list[TrueGap]:
    """Gaps with log10 of the chance that nothing of them would be received; missed: its logarithm by minute."""
    total = np.concatenate([[0.0], np.cumsum(missed)]) / np.log(10)
    nth = np.arange(len(total))

    def upto(time_s: float | None) -> float:
        return float(total[-1] if time_s is None else np.interp(time_s / 60, nth, total))

    return [(begin, end, cause, upto(end) - upto(begin)) for begin, end, cause in found]


def joined(parts: Sequence[Reports]) -> Reports:
    """Reports of several ships as one, by time."""
    columns: list[Any] = [np.concatenate(column) for column in zip(*parts, strict=True)]
    one = Reports(*columns)
    order = np.lexsort((one.row, one.time_s))
    columns = [column[order] for column in one]
    return Reports(*columns)
