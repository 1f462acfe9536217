"""A small simulated fleet that meets often, for tests of what must hold however the input is cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from stswatch.geo.coordinates.sphere import M_PER_NM, wrap_lon
from stswatch.sample_ais.fleet.motion import Course, Floats, drift, report_times, shift, stay, swing

START_S = 1_741_564_800.0  # 2025-03-10T00:00Z
FIRST_MMSI = 290_000_001  # country digits 280 to 300 are given to nobody (ITU, table of MID)
KM_PER_KN_H = M_PER_NM / 1000

# lon, lat of the grounds where pairs meet; the last two lie on the date line and at high latitude
GROUNDS = ((124.5, 38.8), (125.5, 29.5), (123.0, 30.5), (131.5, 40.0), (180.0, 52.0), (20.0, 78.0))
HARBOUR = (120.30, 36.08)  # Qingdao, in the port table of searoute
OPEN_SEA = (124.0, 28.0)
INTERVALS_S = (60.0, 60.0, 180.0, 180.0, 300.0, 600.0)


@dataclass(frozen=True)
class _Ship:
    course: Course
    every_s: float
    has_speed: bool = True
    gaps_s: tuple[tuple[float, float], ...] = ()


def fleet(
    seed: int = 1,
    hours: float = 48.0,
    pairs: int = 24,
    anchored: int = 12,
    fast: int = 2,
    gap_share: float = 0.25,
    start_s: float = START_S,
) -> pa.Table:
    """Fixes of a fleet whose pairs meet, part and meet again over the whole time.

    Args:
        seed: the same seed and arguments give the same table.
        hours: length of the record; about three quarters of the pairs are together at any moment of it.
        pairs: pairs of ships; each meets about once in ten hours, two thirds of the meetings for 3 to 20 h.
            Some keep to the edge of 500 m, some part for less or little more than half an hour in between.
        anchored: ships at anchor all the time, half in a harbour and half in open sea, some 300 m apart.
        fast: ships that report every 10 s; the others every 1 to 10 min.
        gap_share: share of ships that fall silent once or twice for 2.2 to 9 h.
        start_s: start of the record, seconds since 1970.

    Returns:
        Columns mmsi int32, time timestamp[us, UTC], lon, lat float64 (deg, in steps of 1/600000), sog_kn
        float32 (null where not sent), sorted by time. One row in a hundred is repeated; a few share a time
        at another place; the last ship hops 90 km away for single fixes.

    Never raises.
    """
    end_s = start_s + hours * 3600
    courses = [c for k in range(pairs) for c in _pair(np.random.default_rng([seed, 1, k]), k, start_s, end_s)]
    courses += [_anchored(np.random.default_rng([seed, 2, k]), k, start_s, end_s) for k in range(anchored)]
    ships = [
        _habits(np.random.default_rng([seed, 3, k]), c, start_s, end_s, k < fast, gap_share)
        for k, c in enumerate(courses)
    ]
    rows = [_fixes(np.random.default_rng([seed, 4, k]), s, start_s, end_s) for k, s in enumerate(ships)]
    mmsi = np.repeat(FIRST_MMSI + np.arange(len(ships)), [len(r) for r in rows])
    return _table(np.random.default_rng([seed, 5]), mmsi, np.concatenate([np.empty((0, 4)), *rows]))


def _pair(rng: np.random.Generator, k: int, start_s: float, end_s: float) -> tuple[Course, Course]:
    lon, lat = GROUNDS[k % len(GROUNDS)]
    # on the date line the pairs lie close about it, elsewhere 15 km apart on average
    spread_km = 4.0 if lon == 180.0 else 40.0
    where = shift(lon, lat, *(1000 * rng.uniform(-spread_km, spread_km, 2)))
    middle = drift(rng, float(where[0]), float(where[1]), start_s, end_s, rng.uniform(0.05, 0.8))
    time_s, away_a, away_b = _meetings(rng, start_s, end_s)
    return middle.beside(time_s, *away_a), middle.beside(time_s, *away_b)


def _meetings(rng: np.random.Generator, start_s: float, end_s: float) -> tuple[Floats, Floats, Floats]:
    """Knots (k,) and the offsets (2, k) of both ships, metres, in turns together and apart."""
    knots: list[tuple[float, float, float, float, float]] = []
    now = start_s - 3600 * rng.uniform(0, 8)
    while now < end_s:
        together_s = 3600 * (rng.uniform(0.6, 3) if rng.random() < 0.3 else rng.uniform(3, 20))
        knots += _together(rng, now, now + together_s)
        apart_s = 3600 * rng.uniform(0.8, 4)
        speed_kn = rng.uniform(0.6, 2) if rng.random() < 0.4 else rng.uniform(4, 10)
        out_m = 1000 * KM_PER_KN_H * speed_kn * apart_s / 3600 / 2
        bearing = rng.uniform(0, 2 * np.pi)
        half = rng.uniform(0.3, 0.7)  # the share of the way that a makes, b goes the other way
        east, north = out_m * np.sin(bearing), out_m * np.cos(bearing)
        turn_s = now + together_s + apart_s / 2
        knots.append((turn_s, east * half, north * half, -east * (1 - half), -north * (1 - half)))
        now += together_s + apart_s
    k = np.array(knots).T
    return k[0], k[1:3], k[3:5]


def _together(rng: np.random.Generator, from_s: float, to_s: float) -> list[tuple[float, float, float, float, float]]:
    """Knots of one meeting: a lies still, b beside it, with a break in some."""
    gap_m = rng.uniform(40, 150) if rng.random() < 0.7 else rng.uniform(350, 480)
    time_s = np.linspace(from_s, to_s, max(3, int((to_s - from_s) // 1800)))
    bearing = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.1, len(time_s)))
    away_m = gap_m * rng.uniform(0.9, 1.1, len(time_s))
    if to_s - from_s > 3 * 3600 and rng.random() < 0.4:  # parts for 5 to 55 min, then comes back
        break_s = from_s + (to_s - from_s) * rng.uniform(0.3, 0.6)
        extra = break_s + 60 * np.array([0, 5, 5 + rng.uniform(5, 50), 0]).cumsum().clip(max=60)
        extra[3] = extra[2] + 300
        outside = (time_s < extra[0] - 60) | (time_s > extra[3] + 60)
        turn = np.full(4, bearing[len(bearing) // 2])
        apart = np.array([gap_m, 900.0, 900.0, gap_m])
        order = np.argsort(np.concatenate([time_s[outside], extra]), kind="stable")
        time_s = np.concatenate([time_s[outside], extra])[order]
        bearing = np.concatenate([bearing[outside], turn])[order]
        away_m = np.concatenate([away_m[outside], apart])[order]
    zero = np.zeros(len(time_s))
    return list(zip(*np.array([time_s, zero, zero, away_m * np.sin(bearing), away_m * np.cos(bearing)]), strict=True))


def _anchored(rng: np.random.Generator, k: int, start_s: float, end_s: float) -> Course:
    in_harbour = k % 2 == 0
    east_m, north_m = 300.0 * (k // 2 % 3) + rng.uniform(-40, 40), 300.0 * (k // 6) + rng.uniform(-40, 40)
    lon, lat = (float(v) for v in shift(*(HARBOUR if in_harbour else OPEN_SEA), east_m, north_m))
    if in_harbour and k % 4 == 0:
        return stay(lon, lat, start_s, end_s)
    return swing(rng, lon, lat, start_s, end_s, rng.uniform(30, 90))


def _habits(
    rng: np.random.Generator, course: Course, start_s: float, end_s: float, fast: bool, gap_share: float
) -> _Ship:
    gaps: list[tuple[float, float]] = []
    if rng.random() < gap_share:
        for _ in range(rng.integers(1, 3)):
            begin = rng.uniform(start_s, max(start_s + 1, end_s - 3600))
            gaps.append((begin, begin + 3600 * rng.uniform(2.2, 9)))
    every_s = 10.0 if fast else INTERVALS_S[rng.integers(len(INTERVALS_S))]
    return _Ship(course, every_s, has_speed=rng.random() > 0.12, gaps_s=tuple(gaps))


def _fixes(rng: np.random.Generator, ship: _Ship, start_s: float, end_s: float) -> Floats:
    """Rows (n, 4): time, lon, lat, speed (nan where not sent)."""
    time_s = report_times(rng, start_s, end_s, ship.every_s, whole_ms=int(rng.choice([1, 1000])))
    for begin, end in ship.gaps_s:
        time_s = time_s[(time_s <= begin) | (time_s >= end)]
    noise_m = rng.normal(0, 4, (2, len(time_s)))
    lon, lat = shift(*ship.course.at(time_s), *noise_m)
    speed_kn = ship.course.speed_and_bearing(time_s)[0] + rng.normal(0, 0.15, len(time_s))
    sent = ship.has_speed & (rng.random(len(time_s)) > 0.02)
    return np.column_stack([time_s, lon, lat, np.where(sent, np.abs(speed_kn).round(1), np.nan)])


def _table(rng: np.random.Generator, mmsi: np.ndarray, rows: Floats) -> pa.Table:
    n = len(rows)
    repeats = rng.choice(n, n // 100, replace=False)
    doubles = rng.choice(n, n // 500, replace=False)
    elsewhere = rows[doubles].copy()
    elsewhere[:, 1:3] += rng.normal(0, 1e-4, (len(doubles), 2))
    hops = np.flatnonzero(mmsi == mmsi.max(initial=0))[7::200]
    rows = rows.copy()
    rows[hops, 2] += 0.8  # 90 km north for one fix
    pick = np.concatenate([np.arange(n), repeats, doubles])
    time_s, lon, lat, speed_kn = np.concatenate([rows, rows[repeats], elsewhere]).T
    order = np.lexsort((lat, lon, mmsi[pick], time_s))
    steps = 600_000.0  # AIS sends positions in 1/10000 of a minute
    time_us = (time_s * 1000).round().astype(np.int64) * 1000
    return pa.table(
        {
            "mmsi": pa.array(mmsi[pick][order].astype(np.int32)),
            "time": pa.array(time_us[order]).cast(pa.timestamp("us", tz="UTC")),
            "lon": (wrap_lon(lon[order]) * steps).round() / steps,
            "lat": (lat[order] * steps).round() / steps,
            "sog_kn": pa.array(speed_kn[order].astype(np.float32), from_pandas=True),
        }
    )
