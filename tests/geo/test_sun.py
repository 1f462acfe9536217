"""Owns: the sun stands where almanacs put it, by another formula too, and light is named by its limits."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.geo.coordinates import sun

LON, LAT = st.floats(-180, 180), st.floats(-90, 90)
TIME_US = st.integers(-631_152_000 * 10**6, 2_524_608_000 * 10**6)  # 1950 to 2050
TEN_S_US = 10_000_000


def by_the_almanac(lon, lat, time_us):
    """The low-precision formulas of the Astronomical Almanac, good to 0.01 degrees from 1950 to 2050.

    Source: Michalsky, The Astronomical Almanac's algorithm for approximate solar position, Solar Energy 40 (1988).
    """
    days = (np.asarray(time_us) - 946_728_000 * 10**6) / 86_400e6
    mean = 280.460 + 0.9856474 * days
    g = np.radians(357.528 + 0.9856003 * days)
    ecliptic = np.radians(mean + 1.915 * np.sin(g) + 0.020 * np.sin(2 * g))
    tilt = np.radians(23.439 - 0.0000004 * days)
    ascension = np.arctan2(np.cos(tilt) * np.sin(ecliptic), np.cos(ecliptic))
    declination = np.arcsin(np.sin(tilt) * np.sin(ecliptic))
    hours = (days + 0.5) % 1 * 24
    sidereal_h = 6.697375 + 0.0657098242 * days + hours
    hour_angle = np.radians(sidereal_h * 15 + lon) - ascension
    phi = np.radians(lat)
    sine = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour_angle)
    return np.degrees(np.arcsin(np.clip(sine, -1, 1)))


@given(LON, LAT, TIME_US)
def test_another_formula_puts_the_sun_in_the_same_place(lon, lat, time_us):
    ours = float(sun.sun_elevation_deg(lon, lat, time_us))
    assert ours == pytest.approx(float(by_the_almanac(lon, lat, time_us)), abs=0.02)


# NREL's Solar Position Algorithm (good to 0.0003 degrees) by pvlib 0.16.1, sea level, without refraction. The first is
# the worked example of its report (NREL/TP-560-34302, 1,830 m up), which prints 39.872.
@pytest.mark.parametrize(
    ("when", "lon", "lat", "elevation_deg"),
    [
        ("2003-10-17T19:30:30", -105.1786, 39.742476, 39.8720),
        ("1952-02-29T23:59:59", 179.999, -66.5, 31.1446),
        ("1987-04-10T19:21:00", -77.0656, 38.9214, 47.2596),
        ("2017-10-19T03:15:00", 124.9, 38.6, 41.3229),
        ("2018-01-20T14:30:00", 124.95, 30.0, -69.1243),
        ("2024-06-20T16:00:00", 125.4, 38.7, -27.6901),
        ("2035-08-01T00:00:00", -180.0, 0.0, 71.8296),
        ("2049-12-31T12:00:00", 20.0, 78.2, -11.8521),
    ],
)
def test_the_elevation_is_that_of_an_exact_algorithm_within_the_stated_bound(when, lon, lat, elevation_deg):
    assert float(sun.sun_elevation_deg(lon, lat, np.datetime64(when))) == pytest.approx(elevation_deg, abs=0.0125)


# Equinoxes and solstices of 2024 as the US Naval Observatory prints them: at a pole the sun stands as high as it is
# north or south of the equator, which is nothing at an equinox and the tilt of the axis (23.4361) at a solstice.
@pytest.mark.parametrize(
    ("when", "north_deg"),
    [
        ("2024-03-20T03:06", 0.0),
        ("2024-06-20T20:51", 23.4361),
        ("2024-09-22T12:44", 0.0),
        ("2024-12-21T09:21", -23.4361),
    ],
)
def test_at_the_poles_the_seasons_turn_when_they_should(when, north_deg):
    at = np.datetime64(when)
    assert sun.sun_elevation_deg([0.0, 77.0], 90.0, at) == pytest.approx([north_deg] * 2, abs=0.01)
    assert sun.sun_elevation_deg([0.0, 77.0], -90.0, at) == pytest.approx([-north_deg] * 2, abs=0.01)


def test_the_declination_is_that_of_the_worked_example():
    """Meeus, Astronomical Algorithms, example 25.a: 1992-10-13 at 0 h of even time, here 69.2 s ahead of UTC."""
    assert float(sun.sun_elevation_deg(0.0, 90.0, np.datetime64("1992-10-12T23:58:50.8"))) == pytest.approx(
        -7.78507, abs=1e-5
    )


@pytest.mark.parametrize(
    ("rise", "set_"), [("2024-06-21T03:43", "2024-06-21T20:21"), ("2024-12-21T08:04", "2024-12-21T15:53")]
)
def test_the_sun_rises_and_sets_over_london_in_the_minute_that_is_printed(rise, set_):
    for when, way in ((rise, 1), (set_, -1)):
        minute = np.timedelta64(1, "m")
        around = np.datetime64(when) + np.array([-1, 1]) * minute
        before, after = sun.light_of(sun.sun_elevation_deg(-0.1278, 51.5074, around))[::way]
        assert (before, after) == ("civil_twilight", "day")


@given(LON, LAT, TIME_US, st.integers(-3, 3))
def test_a_turn_of_longitude_changes_nothing(lon, lat, time_us, turns):
    turned = sun.sun_elevation_deg(lon + 360 * turns, lat, time_us)
    assert float(turned) == pytest.approx(float(sun.sun_elevation_deg(lon, lat, time_us)), abs=1e-6)


@given(LON, st.floats(-89, 89), TIME_US)
def test_no_sun_moves_faster_than_the_earth_turns(lon, lat, time_us):
    first, later = sun.sun_elevation_deg(lon, lat, np.array([time_us, time_us + TEN_S_US]))
    assert abs(later - first) <= 15.1 / 3600 * 10  # 15.04 degrees an hour, and some for the seasons
    east = sun.sun_elevation_deg(lon + 1e-3, lat, time_us)
    assert abs(east - first) <= 1.001e-3


def test_half_of_the_earth_has_sun():
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(-180, 180, 100_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 100_000)))
    elevation = sun.sun_elevation_deg(lon, lat, np.datetime64("2020-02-11T17:00"))
    assert np.mean(elevation > 0) == pytest.approx(0.5, abs=0.01)
    assert np.mean(sun.light_of(elevation) == "night") == pytest.approx((1 - np.sin(np.radians(12))) / 2, abs=0.01)


@given(st.one_of(st.floats(-90, 90), st.sampled_from([-0.833, -6.0, -12.0])))
def test_light_has_four_names_in_order(elevation_deg):
    name = str(sun.light_of(elevation_deg))
    rank = sum(elevation_deg >= limit for limit in (-12.0, -6.0, -0.833))
    assert name == ("night", "nautical_twilight", "civil_twilight", "day")[rank]


def test_times_of_every_kind_pass_and_broadcast():
    stamp = np.datetime64("2024-06-20T16:00:00.250")
    us = int(stamp.astype("datetime64[us]").astype(np.int64))
    expected = float(sun.sun_elevation_deg(125.4, 38.7, us))
    for unit in ("ms", "us", "ns"):
        assert float(sun.sun_elevation_deg(125.4, 38.7, stamp.astype(f"datetime64[{unit}]"))) == expected
    assert sun.sun_elevation_deg([125.4, 125.4], 38.7, us).tolist() == [expected] * 2
    assert sun.sun_elevation_deg(125.4, 38.7, np.full((2, 3), us)).shape == (2, 3)
    assert sun.sun_elevation_deg([], [], []).shape == sun.light_of([]).shape == (0,)
    assert sun.sun_elevation_deg([], [], np.array([], "datetime64[s]")).shape == (0,)


def test_what_is_no_place_or_no_time_gives_nan_and_no_light():
    lon, lat = np.array([np.nan, 0, 0, np.inf, 0]), np.array([0, np.nan, 90.001, 0, 0])
    when = np.full(5, np.datetime64("2024-01-01", "us"))
    when[4] = np.datetime64("NaT")
    elevation = sun.sun_elevation_deg(lon, lat, when)
    assert np.isnan(elevation).all()
    assert sun.light_of(elevation).tolist() == [""] * 5
    for bad in ([1.7e15], ["2024-01-01"], [True]):
        with pytest.raises(TypeError, match="datetime64 or whole microseconds"):
            sun.sun_elevation_deg(0, 0, bad)


def test_a_million_take_less_than_a_second():
    rng = np.random.default_rng(0)
    lon, lat, when = rng.uniform(-180, 180, 10**6), rng.uniform(-90, 90, 10**6), rng.integers(0, 17 * 10**14, 10**6)

    def seconds():
        began = time.process_time()
        sun.sun_elevation_deg(lon, lat, when)
        return time.process_time() - began

    assert min(seconds() for _ in range(3)) < 1  # 0.35 s on a core; the rest is for a busy machine
