"""Real ships beside which docs/simulator.py sets the simulated ones, and what is measured of both alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from stswatch.geo.coordinates.sphere import MS_PER_KN, bearing_deg, haversine_m
from stswatch.sample_ais.fleet.at_rest import KEEPS_WAY_KN, STILL_KN

WINDOW_S, STEP_S = 1440, 600  # the NOAA record lasts 24 minutes for most ships; the Gulf file has a step of 10 minutes
ADRIFT_H = 6, 20  # what is there of real spells


def noaa(folder: Path) -> pd.DataFrame:
    """Positions of MarineCadastre: mmsi, time_s, lon, lat, sog, status."""
    collected = pd.read_csv(folder / "decoded" / "noaa_2022-01-03_99999.csv.gz")
    time = pd.to_datetime(collected.BaseDateTime).astype("datetime64[s]").astype("int64")
    return pd.DataFrame(
        {
            "mmsi": collected.MMSI,
            "time_s": time,
            "lon": collected.LON,
            "lat": collected.LAT,
            "sog": collected.SOG,
            "status": collected.Status,
        }
    )


def gulf(folder: Path) -> pd.DataFrame:
    """Positions in the Gulf of Mexico, a step of 10 minutes; no status."""
    collected = pd.read_csv(folder / "decoded" / "gulf_mexico_2023-08-01_to_12.csv.gz")
    time = pd.to_datetime(collected.timestamp).astype("datetime64[s]").astype("int64")
    columns = {"mmsi": collected.mmsi, "time_s": time, "lon": collected.lon, "lat": collected.lat, "sog": collected.sog}
    return pd.DataFrame(columns).sort_values(["mmsi", "time_s"], ignore_index=True)


def stopped(fixes: pd.DataFrame, status: int) -> tuple[np.ndarray, np.ndarray]:
    """Speeds (n,) in kn of ships that lie still under a status, and how far their positions scatter (k,) in metres.

    Scatter: the median distance from the median place, in each window of 24 minutes with six positions or more.
    """
    window = [fixes.mmsi, fixes.time_s // WINDOW_S]
    groups = fixes.groupby(window)
    still = fixes[
        (groups.sog.transform("median") < 0.5) & (groups.sog.transform("size") >= 6) & (fixes.status == status)
    ]
    groups = still.groupby([still.mmsi, still.time_s // WINDOW_S])
    away_m = haversine_m(still.lon, still.lat, groups.lon.transform("median"), groups.lat.transform("median"))
    scatter_m = pd.Series(away_m, still.index).groupby([still.mmsi, still.time_s // WINDOW_S]).median()
    return still.sog.to_numpy().round(1), scatter_m.to_numpy()


def every_ten_minutes(fixes: pd.DataFrame) -> pd.DataFrame:
    """The first position of each ship in each ten minutes."""
    return fixes.groupby([fixes.mmsi, fixes.time_s // STEP_S], as_index=False).first()


def slow_steps_m(fixes: pd.DataFrame) -> np.ndarray:
    """How far ships slower than 3 kn come in about ten minutes (n,), metres, scaled to ten."""
    before = fixes.groupby("mmsi")[["lon", "lat", "time_s", "sog"]].shift()
    dt = fixes.time_s - before.time_s
    use = (dt > 0.7 * STEP_S) & (dt < 1.3 * STEP_S) & (fixes.sog < 3) & (before.sog < 3)
    far_m = haversine_m(fixes.lon[use], fixes.lat[use], before.lon[use], before.lat[use])
    return np.asarray(far_m * STEP_S / dt[use])


def apart_m(fixes: pd.DataFrame, pair: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Hours since they came within 500 m, and the distance, metres, of a pair whenever the first reports (n,)."""
    one, two = (fixes[fixes.mmsi == mmsi] for mmsi in pair)
    when = one.time_s.to_numpy()
    inside = (when >= two.time_s.min()) & (when <= two.time_s.max())
    at = [np.interp(when, two.time_s, two[axis]) for axis in ("lon", "lat")]
    far = np.where(inside, haversine_m(one.lon, one.lat, *at), np.inf)
    near = np.flatnonzero(far < 500)
    near = max(np.split(near, np.flatnonzero(np.diff(near) > 1) + 1), key=len)  # of a pair that met twice, the longer
    span = slice(near[0], near[-1] + 1)
    return (when[span] - when[near[0]]) / 3600, far[span]


def adrift(fixes: pd.DataFrame) -> list[pd.DataFrame]:
    """Spells of 6 to 20 h under 3 kn, a fix each ten minutes, of ships as fast in the median as ones adrift."""
    slow = fixes.sog < 3
    new = (fixes.mmsi != fixes.mmsi.shift()) | (slow != slow.shift()) | (fixes.time_s.diff() > 2.5 * STEP_S)
    spells = [spell for _, spell in fixes[slow].groupby(new.cumsum()[slow])]
    hours = [(spell.time_s.iloc[-1] - spell.time_s.iloc[0]) / 3600 for spell in spells]
    long = [spell for spell, h in zip(spells, hours, strict=True) if ADRIFT_H[0] <= h <= ADRIFT_H[1]]
    return [spell for spell in long if STILL_KN < np.median(_steps(spell)[0]) < KEEPS_WAY_KN]


def _steps(spell: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Speed (n,) in kn and bearing (n,) in radians, unwrapped, from fix to fix."""
    ends = [spell[axis].to_numpy()[cut] for cut in (slice(-1), slice(1, None)) for axis in ("lon", "lat")]
    speed_kn = haversine_m(*ends) / np.diff(spell.time_s) / MS_PER_KN
    return speed_kn, np.unwrap(np.radians(bearing_deg(*ends)))


def drift_figures(spells: list[pd.DataFrame]) -> tuple[np.ndarray, np.ndarray]:
    """Way over displacement (n,) of spells adrift, and degrees turned an hour (n,)."""
    ends = [spell[["lon", "lat"]].to_numpy()[[0, -1]].ravel() for spell in spells]
    hours = np.array([(spell.time_s.iloc[-1] - spell.time_s.iloc[0]) / 3600 for spell in spells])
    steps = [_steps(spell) for spell in spells]
    way_m = [(kn * np.diff(spell.time_s)).sum() * MS_PER_KN for (kn, _), spell in zip(steps, spells, strict=True)]
    turned = [abs(np.degrees(bearing[-1] - bearing[0])) for _, bearing in steps]
    return np.array(way_m) / haversine_m(*np.array(ends).T), np.array(turned) / hours
