"""Owns: how hulls lie and go by themselves: as fast as asked for, within chain, room and way; a drift is no circle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.geo.coordinates.sphere import MS_PER_KN, haversine_m
from stswatch.sample_ais.fleet import at_rest

HOUR_S = 3600.0
AT = (124.0, 37.0)
GOAL = (124.9, 37.0)
SEEDS = st.integers(0, 10_000)
HOURS = st.floats(0.5, 96.0)
DRIFTS_KN = st.floats(at_rest.STILL_KN, at_rest.KEEPS_WAY_KN)


def pace_kn(course):
    metres = haversine_m(course.lon[:-1], course.lat[:-1], course.lon[1:], course.lat[1:]).sum()
    return float(metres / (course.time_s[-1] - course.time_s[0]) / MS_PER_KN)


def steps(course, every_s=600.0):
    """Metres (n,) of each step, and degrees turned (n - 1,) from each to the next."""
    lon, lat = course.at(np.arange(course.time_s[0], course.time_s[-1], every_s))
    east, north = np.diff(lon) * np.cos(np.radians(AT[1])), np.diff(lat)
    turned = np.degrees(np.diff(np.arctan2(east, north)))
    return haversine_m(lon[:-1], lat[:-1], lon[1:], lat[1:]), (turned + 180) % 360 - 180


@given(SEEDS, HOURS, st.floats(30.0, 330.0))
def test_a_hull_at_anchor_stays_within_its_chain(seed, hours, length_m):
    course = at_rest.at_anchor(np.random.default_rng(seed), *AT, 0.0, hours * HOUR_S, length_m).course
    away_m = haversine_m(course.lon, course.lat, *AT)
    assert np.ptp(away_m) < 1  # taut
    assert away_m.max() < 6 * 35 + length_m
    assert pace_kn(course) < 1.0


def test_a_hull_at_anchor_swings_with_the_tide():
    heading = at_rest.at_anchor(np.random.default_rng(1), *AT, 0.0, 48 * HOUR_S, 150.0).heading_deg
    assert np.ptp(heading) > 60


@given(SEEDS, HOURS, DRIFTS_KN, st.floats(1.0, 6.0))
def test_a_drift_keeps_to_its_room_however_long_it_is(seed, hours, speed_kn, times):
    room_m = times * at_rest.drift_room_m(speed_kn, hours * HOUR_S)
    drift = at_rest.drifting(np.random.default_rng(seed), *AT, 0.0, hours * HOUR_S, speed_kn, room_m)
    away_m = haversine_m(drift.course.lon, drift.course.lat, *AT).max()
    assert away_m <= 1.003 * room_m
    assert away_m <= 0.75 * speed_kn * MS_PER_KN * hours * HOUR_S  # nor farther than it goes


@given(SEEDS, HOURS, DRIFTS_KN)
def test_a_drift_is_as_fast_as_asked_for(seed, hours, speed_kn):
    drift = at_rest.drifting(np.random.default_rng(seed), *AT, 0.0, hours * HOUR_S, speed_kn, 20_000.0)
    assert pace_kn(drift.course) == pytest.approx(speed_kn, rel=0.02)


def test_a_drift_of_days_is_no_circle():
    """Its speed comes and goes with the tide, and what it turns an hour does too; a circle has one of each."""
    uneven, turns, closed = [], [], []
    for seed in range(60):
        course = at_rest.drifting(np.random.default_rng(seed), *AT, 0.0, 48 * HOUR_S, 1.0, 20_000.0).course
        far_m, turned = steps(course)
        uneven.append(far_m.std() / far_m.mean())
        turns.append(turned.std())
        closed.append(abs(turned.sum()) / 360)
    assert np.median(uneven) > 0.3
    assert np.quantile(uneven, 0.1) > 0.1
    assert np.median(turns) > 5
    assert max(closed) < 5  # the tide turns four times in two days, nothing turns faster


def test_a_drift_of_hours_goes_on_as_real_ones_do():
    """Of 15 ships adrift 6 to 20 h in the Gulf of Mexico: way over displacement 1.0 to 2.6, turned 2 to 38 deg/h."""
    way, turned = [], []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        hours = rng.uniform(6, 20)
        course = at_rest.drifting(rng, *AT, 0.0, hours * HOUR_S, rng.uniform(0.4, 1.6), 60_000.0).course
        far_m, by_deg = steps(course)
        way.append(far_m.sum() / haversine_m(course.lon[0], course.lat[0], course.lon[-1], course.lat[-1]))
        turned.append(abs(by_deg.sum()) / hours)
    assert 1.1 < np.median(way) < 2
    assert np.quantile(way, 0.8) < 2.6
    assert 2 < np.median(turned) < 20
    assert np.quantile(turned, 0.95) < 40


@given(SEEDS, st.floats(1.0, 40.0), st.floats(0.4, 4.3))
def test_under_way_it_goes_to_and_fro_at_one_speed(seed, hours, speed_kn):
    host = at_rest.keeping_way(np.random.default_rng(seed), *AT, GOAL, 0.0, hours * HOUR_S, speed_kn)
    assert host.keeps_way
    assert pace_kn(host.course) == pytest.approx(speed_kn, rel=0.1, abs=0.08)
    assert haversine_m(host.course.lon, host.course.lat, *AT).max() < 16_500


@given(SEEDS, st.floats(1.0, 4.3))
def test_under_way_the_bow_is_ahead_and_turns_slowly(seed, speed_kn):
    goal = (AT[0] + 0.03, AT[1])  # so near that it turns some times
    host = at_rest.keeping_way(np.random.default_rng(seed), *AT, goal, 0.0, 20 * HOUR_S, speed_kn)
    time_s = np.arange(0.0, 20 * HOUR_S, 30.0)
    heading = np.interp(time_s, host.time_s, host.heading_deg)
    assert np.ptp(heading) > 150
    assert np.abs(np.diff(heading)).max() < 60
    (lon, lat), (lon2, lat2) = host.course.at(time_s - 5), host.course.at(time_s + 5)
    bearing = np.degrees(np.arctan2((lon2 - lon) * np.cos(np.radians(AT[1])), lat2 - lat))
    off = np.abs((heading - bearing + 180) % 360 - 180)
    assert np.median(off) < 10
    assert np.quantile(off, 0.99) < 45
