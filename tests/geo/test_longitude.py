"""Owns: one meridian is one meridian whatever its longitude is written as, a hair beside the date line too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.geo.coordinates import sphere

FAR = st.floats(-500, 500)
BESIDE = [np.nextafter(180, 0), np.nextafter(180, 999), np.nextafter(-180, -999), 180.0, 540.0, -540.0, -180.0]


@given(FAR)
def test_a_wrapped_longitude_is_the_same_meridian_in_range(lon):
    wrapped = float(sphere.wrap_lon(lon))
    assert -180 <= wrapped < 180
    assert (wrapped - lon) / 360 == pytest.approx(round((wrapped - lon) / 360), abs=1e-12)
    if -180 <= lon < 180:
        assert wrapped == lon


@pytest.mark.parametrize("lon", BESIDE)
def test_wrapping_holds_a_hair_beside_the_date_line(lon):
    assert -180 <= float(sphere.wrap_lon(lon)) < 180
    assert -180 <= lon - 360 * float(sphere.turns_of(lon)) < 180


def test_wrapping_holds_a_hair_beside_every_turn_of_the_date_line():
    line = 180.0 * np.arange(-9_999, 10_000, 2)
    lon = np.concatenate([line, *(np.nextafter(line, way) for way in (-np.inf, np.inf))])
    for _ in range(5):
        lon = np.concatenate([lon, np.nextafter(lon, np.inf), np.nextafter(lon, -np.inf)])
    wrapped = sphere.wrap_lon(lon)
    assert ((wrapped >= -180) & (wrapped < 180)).all()
    assert (wrapped == lon - 360 * sphere.turns_of(lon)).all()


@given(FAR, FAR)
def test_a_near_longitude_is_the_same_meridian_within_half_a_turn(lon, reference):
    near = float(sphere.near_lon(lon, reference))
    assert abs(near - reference) <= 180 + 1e-12
    assert (near - lon) % 360 == pytest.approx(0, abs=1e-9) or (near - lon) % 360 == pytest.approx(360, abs=1e-9)
    assert near == lon + float(sphere.turn_to(lon, reference))
    assert float(sphere.turn_to(lon, reference)) % 360 == 0


@given(FAR, FAR, st.integers(-2, 2))
def test_the_way_east_is_the_shorter_one_there_and_back_and_knows_no_turn(lon0, lon1, turns):
    east = float(sphere.lon_difference(lon0, lon1))
    assert abs(east) <= 180 + 1e-12
    back, turned = sphere.lon_difference(lon1, lon0), sphere.lon_difference(lon0, lon1 + 360 * turns)
    if abs(east) < 179.999:
        assert float(back) == pytest.approx(-east, abs=1e-9)
        assert float(turned) == pytest.approx(east, abs=1e-9)


def test_what_is_no_longitude_gives_nan_and_nothing_gives_nothing():
    bad = np.array([np.nan, np.inf, -np.inf])
    assert np.isnan(sphere.wrap_lon(bad)).all()
    assert not np.isfinite(sphere.turns_of(bad)).any()
    for function in (sphere.near_lon, sphere.turn_to, sphere.lon_difference):
        assert not np.isfinite(function(bad, 0.0)).any()
        assert function([], []).shape == (0,)
    assert sphere.wrap_lon([]).shape == (0,)
    assert isinstance(sphere.wrap_lon(1.0), np.float64)
