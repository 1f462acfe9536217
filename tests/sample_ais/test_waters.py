"""Owns: lanes, ways and true courses of simulated ships lie on water."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from stswatch.geo.coast.water import is_water
from stswatch.geo.coordinates.sphere import haversine_m
from stswatch.geo.reference.harbours import port_or_anchorage_of
from stswatch.sample_ais import simulation
from stswatch.sample_ais.fleet.motion import step_at
from stswatch.sample_ais.fleet.waters import BERTH, EDGE, Place, waters
from stswatch.sample_ais.scenes.circumstances import circumstances
from stswatch.sample_ais.simulation import Plan


def along(points: np.ndarray, every_m: float = 500.0) -> np.ndarray:
    """Points (m, 2) on a line through points (k, 2)."""
    parts = []
    for a, b in pairwise(points):
        share = np.linspace(0, 1, 2 + int(haversine_m(*a, *b) / every_m))[:, None]
        parts.append(a + share * (b - a))
    return np.concatenate(parts)


def test_lanes_join_all_waters_and_cross_no_land():
    sea = waters()
    assert np.isfinite(sea.km).all()
    assert connected_components(np.isfinite(sea.km))[0] == 1
    pairs = {(min(k, j), max(k, j)) for k in range(len(sea.nodes)) for j in sea.before[k].tolist() if j >= 0}
    assert len(pairs) > 100


@pytest.mark.parametrize("seed", [1, 2])
def test_ways_between_any_two_spots_are_over_water(seed):
    rng, sea = np.random.default_rng(seed), waters()
    dry = total = 0
    for _ in range(150):
        start, end = (sea.spots[int(k)] for k in rng.choice(len(sea.spots), 2, replace=False))
        points = along(np.array(sea.way(rng, start, end)))
        wet = is_water(*points.T)
        dry, total = dry + int((~wet).sum()), total + len(wet)
    assert total > 50_000
    assert dry <= 0.0001 * total  # the ends of a way stand 100 m beside what was tried, and may graze a spit


def test_ways_to_places_at_sea_are_over_water():
    rng, sea = np.random.default_rng(3), waters()
    places = [p for zone in sea.zones.values() for p in zone]
    dry = total = 0
    for _ in range(300):
        place, spot = places[int(rng.integers(len(places)))], sea.spots[int(rng.integers(len(sea.spots)))]
        ends = (place, spot) if rng.random() < 0.5 else (spot, place)
        wet = is_water(*along(np.array(sea.way(rng, *ends))).T)
        dry, total = dry + int((~wet).sum()), total + len(wet)
    assert total > 50_000
    assert dry <= 0.0005 * total


def test_berths_and_roads_lie_in_their_ports():
    sea = waters()
    spots = [s for s in sea.spots if s.kind != EDGE]
    at = np.array([s.place for s in spots])
    assert is_water(*at.T).all()
    how = port_or_anchorage_of(*at.T)[1]
    berth = np.array([s.kind == BERTH for s in spots])
    assert (how[berth] == "harbour").all()
    assert np.isin(how[~berth], ["anchorage", "harbour"]).all()
    assert len({s.port for s in spots}) > 40


def test_a_way_stops_where_it_comes_near_its_place():
    """Nobody sails past the place that he goes to and comes back."""
    sea, rng = waters(), np.random.default_rng(4)
    for places in sea.zones.values():
        for place in places[:5]:
            spot = sea.spots[int(rng.integers(len(sea.spots)))]
            points = along(np.array(sea.way(rng, spot, place)))
            far_m = haversine_m(points[:, 0], points[:, 1], place.lon, place.lat)
            near = np.flatnonzero(far_m < min(700.0, 300 * place.room_km))
            assert isinstance(place, Place)
            assert (np.diff(near) == 1).all()


def test_where_ships_go_to_and_fro_is_over_water():
    sea, rng = waters(), np.random.default_rng(6)
    places = [c.place for c in circumstances(rng, 400, sea, 7.0, 0.6)]
    ways = [along(np.array([(p.lon, p.lat), sea.goal(rng, p)])) for p in places if p.setting != "trade_roads"]
    wet = is_water(*np.concatenate(ways).T)
    assert len(wet) > 20_000
    assert (~wet).mean() < 0.001
    far_m = [haversine_m(*way[0], *way[-1]) for way in ways]
    assert np.quantile(far_m, 0.05) > 4000  # room to go on for an hour


def test_true_courses_are_over_water():
    """Whole courses, meetings and anchorages too; at a berth the coast is less exact than a quay."""
    built = simulation.build(Plan(days=2.0, background=60, transfers=30, look_alikes=40), 5)
    hulls, time_s = len(built.cast.actors), np.arange(0, 2 * 86_400, 300.0)
    which, when = np.repeat(np.arange(hulls), len(time_s)), np.tile(time_s, hulls)
    moored = step_at(built.cast.statuses, which, when) == 5
    wet = is_water(*built.cast.courses.at(which, when))
    assert (~moored).sum() > 50_000
    assert (~wet[~moored]).mean() < 0.001
    assert (~wet[moored]).mean() < 0.2
