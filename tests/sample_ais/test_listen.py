"""Owns: who hears what: near ships more than far ones, none in an outage, from space fewer the denser the sea."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from stswatch.sample_ais.fleet.motion import Courses, shift, stay
from stswatch.sample_ais.reception import receivers
from stswatch.sample_ais.reception.receivers import Outage

DAYS = 1.0
BAENGNYEONG = (124.67, 37.96)


def ships(km_west: list[float], copies: int = 1) -> Courses:
    places = [shift(*BAENGNYEONG, -1000.0 * km, 0.0) for km in km_west for _ in range(copies)]
    return Courses.of([stay(float(x), float(y), -1e4, 2e5) for x, y in places])


@pytest.fixture(scope="module")
def network():
    """One station, at Baengnyeong-do, without outages."""
    whole = receivers.network(np.random.default_rng(1), DAYS)
    k = [whole.ids.index("SIM-BAENGNYEONG")]
    own = {"lon": whole.lon[k], "lat": whole.lat[k], "range_km": whole.range_km[:, k], "clock_s": whole.clock_s[k]}
    return dataclasses.replace(whole, ids=("SIM-BAENGNYEONG",), outages=(), **own)


def heard(network, courses, class_b=(), density=1.0, footprint=2500.0):
    n = len(courses.knots.first) - 1
    return receivers.chances(network, courses, list(class_b) or [False] * n, DAYS, footprint, density)


def test_near_ships_are_heard_and_far_ones_not(network):
    chance = heard(network, ships([5, 30, 60, 300])).chance[0].mean(axis=1)
    assert chance[0] > 0.85
    assert (np.diff(chance) < 0).all()
    assert chance[-1] < 0.01


def test_class_b_carries_less_far(network):
    chance = heard(network, ships([50, 50]), class_b=[False, True]).chance[0].mean(axis=1)
    assert chance[1] < 0.6 * chance[0]


def test_range_comes_and_goes_with_the_weather():
    network = receivers.network(np.random.default_rng(3), 10.0)
    hours = network.range_km / np.median(network.range_km, axis=0)
    assert 0.05 < np.log(hours).std() < 0.4
    step = np.diff(np.log(network.range_km), axis=0)
    assert np.abs(step).mean() < 0.1  # from hour to hour it changes little


def test_nothing_is_heard_in_an_outage(network):
    down = dataclasses.replace(network, outages=(Outage((0,), 6 * 3600.0, 9 * 3600.0),))
    courses = ships([5])
    collected = heard(down, courses)
    bins = collected.bin_of(np.array([5.0, 7.5, 10.0]) * 3600)
    assert (collected.chance[0, 0, bins] > 0.5).tolist() == [True, False, True]
    assert collected.chance[0, 0, bins[1]] < 0.01 < collected.without_outage[0, bins[1]]


def test_a_dense_sea_is_heard_less_from_space(network):
    alone = heard(network, ships([300])).satellite.mean()
    crowd = heard(network, ships([300], copies=40)).satellite.mean()
    elsewhere = heard(network, ships([300]), footprint=8000.0).satellite.mean()
    assert crowd < 0.7 * alone
    assert elsewhere < 0.2 * alone


def test_passes_are_as_far_apart_as_asked():
    network = receivers.network(np.random.default_rng(2), 10.0)
    apart_min = np.diff(network.good_passes[:, 0]) / 60
    assert (apart_min >= 40).all()
    assert (apart_min <= 100).all()
    assert len(apart_min) > 150
    assert np.diff(network.passes[:, 0]).mean() / 60 == pytest.approx(26, abs=2)
    middle = network.passes.mean(axis=1)
    assert receivers.over(network.passes, middle).all()


def test_stations_are_a_table_of_places_with_a_reach():
    rows = receivers.stations()
    assert len(rows) > 40
    assert len({row["id"] for row in rows}) == len(rows)
    assert all(row["id"].startswith("SIM-") and len(row["id"]) <= 15 for row in rows)
    assert all(0 < float(row["delivered"]) <= 1 and 30 <= float(row["range_km"]) <= 120 for row in rows)
