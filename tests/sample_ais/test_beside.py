"""Owns: how hulls lie beside each other: as far apart as asked for, as one, heads where they can be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.geo.coordinates.sphere import haversine_m
from stswatch.sample_ais.fleet import at_rest
from stswatch.sample_ais.fleet.ships import KINDS, ShipFactory

HOUR_S = 3600.0
GOAL = (124.9, 37.0)
DISTANCES = st.floats(12.0, 450.0)
SEEDS = st.integers(0, 10_000)


def hosts(rng, hours, speed_kn):
    """A host of each kind, for some hours and one before and after."""
    span = -HOUR_S, (hours + 1) * HOUR_S
    return {
        "at anchor": at_rest.at_anchor(rng, 124.0, 37.0, *span, 150.0),
        "adrift": at_rest.drifting(rng, 124.0, 37.0, *span, speed_kn, 20_000.0),
        "under way": at_rest.keeping_way(rng, 124.0, 37.0, GOAL, *span, speed_kn),
    }


def between_m(one, other, time_s):
    """The distance (n,) of two courses at times (n,), metres."""
    (lon, lat), (x, y) = one.course.at(time_s), other.course.at(time_s)
    return haversine_m(lon, lat, x, y)


@given(SEEDS, DISTANCES)
def test_a_guest_keeps_its_distance_whatever_the_host_does(seed, distance_m):
    rng = np.random.default_rng(seed)
    ship_factory = ShipFactory(rng)
    one, two = ship_factory.launch("tanker"), ship_factory.launch("small_tanker")
    right, ahead, turned = at_rest.offset_m(rng, one, two, distance_m)
    least_m = (one.kind.beam_m + two.kind.beam_m) / 2 + at_rest.FENDER_M
    assert np.hypot(right, ahead) == pytest.approx(max(distance_m, least_m), rel=1e-6)
    for host in hosts(rng, 5, 2.5).values():
        guest = at_rest.alongside(rng, host, 0.0, 5 * HOUR_S, right, ahead, turned)
        time_s = np.arange(0.0, 5 * HOUR_S, 60.0)
        apart_m = between_m(host, guest, time_s)
        assert np.median(apart_m) == pytest.approx(np.hypot(right, ahead), rel=0.1, abs=4)
        assert apart_m.max() < np.hypot(right, ahead) * 1.3 + 15
        before = between_m(host, guest, [-1800.0])[0]
        assert before > 2000


@given(SEEDS, st.floats(12.0, 60.0), st.floats(6.0, 72.0))
def test_two_hulls_made_fast_keep_their_distance_for_days(seed, distance_m, hours):
    """A few metres, as the lightering in the Gulf of Mexico did, and the two go the same way at the same time."""
    rng = np.random.default_rng(seed)
    ship_factory = ShipFactory(rng)
    one, two = ship_factory.launch("tanker"), ship_factory.launch("small_tanker")
    right, ahead, turned = at_rest.offset_m(rng, one, two, distance_m)
    for name, host in hosts(rng, hours, 1.2).items():
        guest = at_rest.alongside(rng, host, 0.0, hours * HOUR_S, right, ahead, turned)
        time_s = np.arange(0.0, hours * HOUR_S, 120.0)
        (lon, lat), (lon2, lat2) = host.course.at(time_s), guest.course.at(time_s)
        off_m = np.abs(haversine_m(lon, lat, lon2, lat2) - np.hypot(right, ahead))
        assert np.median(off_m) < 3, name
        assert off_m.max() < 12, name
        apart_m = [haversine_m(a, b, c, d) for a, b, c, d in ((lon, lat, 124.0, 37.0), (lon2, lat2, 124.0, 37.0))]
        assert np.abs(apart_m[0] - apart_m[1]).max() < np.hypot(right, ahead) + 12


@given(SEEDS)
def test_only_beside_a_host_under_way_both_must_head_the_same_way(seed):
    rng = np.random.default_rng(seed)
    for name, host in hosts(rng, 4, 3.5).items():
        guest = at_rest.alongside(rng, host, 0.0, 4 * HOUR_S, 25.0, 10.0, 180.0)
        own = np.interp(guest.time_s, host.time_s, host.heading_deg)
        against = np.median(np.abs((guest.heading_deg - own + 180) % 360 - 180))
        assert against == pytest.approx(0 if name == "under way" else 180, abs=6)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_ships_are_as_many_as_one_asks_for_and_each_has_its_own_name_and_call_sign(kind):
    """More than four digits tell apart: what a set sends holds 20 and 7 characters."""
    ships = [ShipFactory(np.random.default_rng(1), n).launch(kind) for n in (0, 998, 9_998, 9_999, 10_700, 99_999)]
    assert all(len(ship.name) <= 20 and len(ship.call_sign) <= 7 for ship in ships)
    for field in ("name", "call_sign", "mmsi", "hull"):
        assert len({getattr(ship, field) for ship in ships}) == len(ships)
