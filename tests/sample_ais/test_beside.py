"""Owns: how hulls lie and go beside each other: as far apart and as fast as asked for, heads where they can be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.geo.sphere import haversine_m
from stswatch.sample_ais import beside
from stswatch.sample_ais.yard import Yard

HOUR_S = 3600.0
GOAL = (124.9, 37.0)
DISTANCES = st.floats(12.0, 450.0)
SEEDS = st.integers(0, 10_000)


def hosts(rng, hours, speed_kn):
    """A host of each kind, for some hours and one before and after."""
    span = -HOUR_S, (hours + 1) * HOUR_S
    return {
        "at anchor": beside.at_anchor(rng, 124.0, 37.0, *span, 150.0),
        "adrift": beside.drifting(rng, 124.0, 37.0, *span, speed_kn, 20_000.0),
        "under way": beside.keeping_way(rng, 124.0, 37.0, GOAL, *span, speed_kn),
    }


@given(SEEDS, DISTANCES)
def test_a_guest_keeps_its_distance_whatever_the_host_does(seed, distance_m):
    rng = np.random.default_rng(seed)
    yard = Yard(rng)
    one, two = yard.launch("tanker"), yard.launch("small_tanker")
    right, ahead, turned = beside.offset_m(rng, one, two, distance_m)
    least_m = (one.kind.beam_m + two.kind.beam_m) / 2 + beside.FENDER_M
    assert np.hypot(right, ahead) == pytest.approx(max(distance_m, least_m), rel=1e-6)
    for host in hosts(rng, 5, 2.5).values():
        guest = beside.alongside(rng, host, 0.0, 5 * HOUR_S, right, ahead, turned)
        time_s = np.arange(0.0, 5 * HOUR_S, 60.0)
        apart_m = haversine_m(*host.course.at(time_s), *guest.course.at(time_s))
        assert np.median(apart_m) == pytest.approx(np.hypot(right, ahead), rel=0.1, abs=4)
        assert apart_m.max() < np.hypot(right, ahead) * 1.3 + 15
        before = haversine_m(*host.course.at([-1800.0]), *guest.course.at([-1800.0]))[0]
        assert before > 2000


@given(SEEDS, st.floats(1.0, 4.3))
def test_courses_are_as_fast_as_asked_for(seed, speed_kn):
    rng = np.random.default_rng(seed)
    for name, host in hosts(rng, 10, speed_kn).items():
        pace_kn = beside._pace_kn(host.course)
        if name == "at anchor":
            assert pace_kn < 1.0
        else:
            assert pace_kn == pytest.approx(speed_kn, rel=0.1, abs=0.08)


@given(SEEDS)
def test_a_drift_of_hours_stays_about_where_there_is_room(seed):
    rng = np.random.default_rng(seed)
    course = beside.drifting(rng, 124.0, 37.0, 0.0, 10 * HOUR_S, 1.9, 3_000.0).course
    assert haversine_m(course.lon, course.lat, 124.0, 37.0).max() < 1.8 * 3_000


@given(SEEDS)
def test_beside_a_host_under_way_both_head_the_same_way(seed):
    rng = np.random.default_rng(seed)
    for name, host in hosts(rng, 4, 3.5).items():
        guest = beside.alongside(rng, host, 0.0, 4 * HOUR_S, 25.0, 10.0, 180.0)
        own = np.interp(guest.time_s, host.time_s, host.heading_deg)
        against = np.median(np.abs((guest.heading_deg - own + 180) % 360 - 180))
        assert against == pytest.approx(180 if name == "at anchor" else 0, abs=6)


def test_a_hull_at_anchor_swings_about_it_with_the_bow_ahead():
    rng = np.random.default_rng(1)
    lying = beside.at_anchor(rng, 124.0, 37.0, 0.0, 48 * HOUR_S, 150.0)
    away_m = haversine_m(lying.course.lon, lying.course.lat, 124.0, 37.0)
    assert away_m.std() < 1
    assert 150 < away_m.mean() < 400
    assert np.ptp(lying.heading_deg) > 60  # with the tide, in two days
