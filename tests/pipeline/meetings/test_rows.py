"""Owns: what a row says of the place and the light of a meeting follows from its own nearest approach."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.geo.coast.water import distance_to_shore_km
from stswatch.geo.coordinates.sun import light_of, sun_elevation_deg
from stswatch.pipeline.batch import MINUTE
from tests.pipeline import seas


def beside(lon, lat=0.0, minutes=60):
    """The row of two vessels that lie 100 m from each other from noon UTC of 2024-03-01 on."""
    time_us = seas.NOON_US + np.arange(0, minutes + 1, 5) * MINUTE
    a, b = (
        seas.fixes(mmsi, time_us, lon, lat + north_m / seas.NORTH_M, 0.0) for mmsi, north_m in ((1, 0.0), (2, 100.0))
    )
    (row,) = seas.encounters(pa.concat_tables([a, b])).to_dict("records")
    return row


@pytest.mark.parametrize(
    ("lon", "lat", "light"),
    [
        (0.0, 0.0, "day"),
        (88.0, 0.0, "day"),
        (95.0, 0.0, "civil_twilight"),
        (180.0, 20.0, "night"),
        (124.9, 38.6, "night"),
    ],
)
def test_the_sun_is_that_of_the_nearest_approach(lon, lat, light):
    row = beside(lon, lat)
    when = np.datetime64(row["cpa_time"].tz_convert(None), "us")
    assert row["sun_elevation_deg"] == pytest.approx(float(sun_elevation_deg(row["lon"], row["lat"], when)), abs=0.005)
    assert row["sun_elevation_deg"] == round(row["sun_elevation_deg"], 2)
    assert str(light_of(row["sun_elevation_deg"])) == light


@pytest.mark.parametrize(
    ("lon", "lat", "least_km", "most_km"),
    [
        (124.0, 38.0, 50, 58),  # Yellow Sea, off Paengnyong-do
        (124.92, 38.60, 2, 8),  # between Sok-do and Cho-do
        (128.1, 39.3, 20, 60),  # off Wonsan
        (127.0, 39.5, 0, 0),  # ashore: forged, or a river that the coast does not draw
        (0.0, 0.0, 500, 700),  # Gulf of Guinea
    ],
)
def test_the_shore_is_that_nearest_to_the_nearest_approach(lon, lat, least_km, most_km):
    row = beside(lon, lat)
    assert row["distance_to_shore_km"] == round(float(distance_to_shore_km(row["lon"], row["lat"])[0]), 2)
    assert least_km <= row["distance_to_shore_km"] <= most_km


@pytest.mark.parametrize(
    ("lon", "lat", "port", "part"),
    [
        (125.39, 38.71, "nampo", "harbour"),
        (125.10, 38.70, "nampo", "anchorage"),
        (124.0, 38.0, None, None),  # Yellow Sea
    ],
)
def test_the_port_is_the_one_in_whose_waters_the_nearest_approach_lies(lon, lat, port, part):
    row = beside(lon, lat)
    assert [None if pd.isna(row[name]) else row[name] for name in ("in_port", "in_port_part")] == [port, part]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.0, 490.0))
def test_the_figures_of_a_meeting_do_not_contradict_each_other(seed, apart_m):
    """The least distance is never above the median, nor that above the encounter distance; no share is above 1."""
    rng = np.random.default_rng(seed)
    n, noise_m = 60, rng.choice([0.0, 0.5, 20.0])
    a = seas.vessel(1, rng.normal(0, noise_m, n), 0.0, 300.0, sog_kn=0.1)
    b = seas.vessel(2, apart_m + rng.normal(0, noise_m, n), 0.0, 300.0, sog_kn=0.1)
    found = seas.encounters(pa.concat_tables([a, b]))
    assert (found.cpa_distance_m <= found.median_distance_m).all()
    assert (found.median_distance_m <= 500).all()
    assert (found.within_min <= found.duration_min).all()
    assert found.observed_share.between(0, 1).all()
    if noise_m == 0.0 and len(found):
        assert abs(found.median_distance_m - apart_m).max() <= 2.6


@pytest.mark.parametrize(
    ("apart_m", "noise_m", "hours", "one"),
    [(0.0, 0.0, 6, True), (4.0, 1.0, 3, True), (0.0, 0.0, 1.5, False), (14.0, 0.5, 6, False), (60.0, 3.0, 6, False)],
)
def test_two_numbers_at_one_place_for_hours_are_possibly_one_hull(apart_m, noise_m, hours, one):
    rng, n = np.random.default_rng(2), round(hours * 12) + 1
    a = seas.vessel(1, rng.normal(0, noise_m, n), 0.0, 300.0, sog_kn=0.1)
    b = seas.vessel(2, apart_m + rng.normal(0, noise_m, n), 0.0, 300.0, sog_kn=0.1)
    assert seas.encounters(pa.concat_tables([a, b])).possibly_one_hull.tolist() == [one]
