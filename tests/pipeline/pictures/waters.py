"""Waters with one meeting each, for pictures: fixes about a place given in metres, and the encounter found in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyproj

from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, MINUTE
from stswatch.pipeline.pictures.courses import needed_us
from stswatch.pipeline.rules import Rules
from tests.pipeline import seas

A, B = 431000001, 440000002
START_US = seas.NOON_US
GEOD = pyproj.Geod(ellps="WGS84")


@dataclass(frozen=True)
class Water:
    """An encounter as `api.encounter` gives it, and fixes round it."""

    row: dict[str, Any]
    fixes: pa.Table


def places(east_m, north_m, lon, lat):
    """Degrees of points in metres about a place, true in distance and direction from there."""
    turn = np.degrees(np.arctan2(east_m, north_m))
    full = np.full(len(turn), float(lon)), np.full(len(turn), float(lat))
    found = GEOD.fwd(*full, turn, np.hypot(east_m, north_m))
    return (np.asarray(found[0]) + 180) % 360 - 180, np.asarray(found[1])


def vessel(mmsi, hours, east_m, north_m, lon=124.7, lat=38.6, every_s=60.0, silent=()):
    """Fixes of a vessel that goes evenly between way points: hours after START_US, metres about a place.

    silent: (from, to) hours without a fix.
    """
    time_us = START_US + np.arange(round(hours[0] * HOUR), round(hours[-1] * HOUR) + 1, round(every_s * 1_000_000))
    at_h = (time_us - START_US) / HOUR
    for first, last in silent:
        time_us, at_h = time_us[(at_h < first) | (at_h > last)], at_h[(at_h < first) | (at_h > last)]
    x, y = (np.interp(at_h, hours, way) for way in (east_m, north_m))
    part = np.clip(np.searchsorted(hours, at_h, side="right") - 1, 0, len(hours) - 2)
    speed_kn = [(np.diff(way) / np.diff(hours) / 1852)[part] for way in (east_m, north_m)]
    return seas.fixes(mmsi, time_us, *places(x, y, lon, lat), sog_kn=np.hypot(*speed_kn).round(1))


def water(*vessels) -> Water:
    """The longest encounter among these vessels; names and run as the store would give them."""
    fixes = pa.concat_tables(vessels)
    found = seas.run(fixes)
    row = max(found["encounters"].to_pylist(), key=lambda e: e["duration_min"])
    who = {v["mmsi"]: v for v in found["vessels"].to_pylist()}
    printed = {A: {"name": "SIM ALPHA", "imo": 3900067, "length_m": 88.0, "beam_m": 13.0, "flag": "JP"}}
    run = {
        "rules": Rules().to_json(),
        "rules_fingerprint": Rules().fingerprint(),
        "code_version": "0",
        "model_id": "rules-1",
        "run_id": "r",
    }
    vessels_known = {m: who[m] | printed.get(m, {}) for m in (row["mmsi_a"], row["mmsi_b"])}
    row |= {"run_id": "r", "vessels": vessels_known, "run": run}
    first_us, last_us = needed_us(row, Rules())
    time_us = np.asarray(fixes["time"].cast(pa.int64()))
    return Water(row, fixes.filter(pa.array((time_us >= first_us) & (time_us <= last_us))))


def meeting(lon=124.7, lat=38.6, every_s=60.0, hours=4.0, drift_kn=0.3, beside_m=80.0, **options) -> Water:
    """Two ships come from west and south, lie beside each other for some hours, and go north and east."""
    drift_m = drift_kn * 1852 * hours
    h = [0.0, 4.0, 4.0 + hours, 8.0 + hours]
    away_m = 4 * 9 * 1852.0
    a = vessel(A, h, [-away_m, 0, drift_m, drift_m], [0, 0, 0, away_m], lon, lat, every_s, **options)
    b = vessel(B, h, [beside_m, beside_m, drift_m + beside_m, away_m], [-away_m, 0, 0, 0], lon, lat, every_s)
    return water(a, b)


def still(lon=124.7, lat=38.6, hours=8.0, every_s=180.0, beside_m=40.0) -> Water:
    """Two ships lie beside each other all the time and swing by some metres."""
    h = np.linspace(0, hours, 33)
    x, y = 25 * np.sin(h), 25 * np.cos(h * 1.3)
    return water(vessel(A, h, x, y, lon, lat, every_s), vessel(B, h, x + beside_m, y, lon, lat, every_s))


def few(every_min=50.0) -> Water:
    """A meeting of which there are few reports."""
    return meeting(every_s=every_min * MINUTE / 1_000_000)


def crowded() -> Water:
    """100,000 fixes: one a second of both, with noise."""
    h = [0.0, 4.0, 9.9, 13.9]
    rng = np.random.default_rng(3)
    a = vessel(A, h, [-60_000, 0, 900, 900], [0, 0, 0, 60_000], every_s=1.0)
    b = vessel(B, h, [80, 80, 980, 60_000], [-60_000, 0, 0, 0], every_s=1.0)
    both = pa.concat_tables([a, b])
    noise = rng.normal(0, 5 / 111_000, (2, both.num_rows))
    for name, off in zip(("lon", "lat"), noise, strict=True):
        at = both.column_names.index(name)
        both = both.set_column(at, schema.FIXES.field(name), pa.array(np.asarray(both[name]) + off))
    return water(both)


def shared() -> Water:
    """A meeting of a vessel whose MMSI is used by another hull 200 km away at the same time."""
    found = meeting()
    other = vessel(A, [-1.0, 12.0], [150_000, 160_000], [150_000, 90_000], every_s=97.003)
    a_and_b = pa.concat_tables([found.fixes, other])
    return water(a_and_b)
