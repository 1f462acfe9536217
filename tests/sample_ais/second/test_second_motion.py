"""Owns: ships of the second sea move as ships can, and send as often as ITU-R M.1371 says."""

from __future__ import annotations

import numpy as np
import pytest

from stswatch.geo.coordinates.sphere import MS_PER_KN, haversine_m
from stswatch.sample_ais.second import movement, radio
from stswatch.sample_ais.second.plans import SWITCHED_OFF, Silence, Vessel, checked

HOUR = 60


def vessel(*silences: Silence, class_b: bool = False) -> Vessel:
    return Vessel(
        1, "coaster", "host", "", 291000001, checked(400_001), 90, 14, 11.0, (5.0, 3.0), np.inf, class_b, 70, "", True,
        list(silences),
    )  # fmt: skip


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def speeds_kn(piece: movement.Passage) -> np.ndarray:
    return haversine_m(piece.lon[:-1], piece.lat[:-1], piece.lon[1:], piece.lat[1:]) / 60 / MS_PER_KN


@pytest.mark.parametrize("minutes", [20, 200])
def test_a_wandering_speed_has_its_spread_and_its_correlation_time(rng, minutes):
    of = movement.wander(rng, 400_000, 3.0, minutes)
    assert of.std() == pytest.approx(3.0, rel=0.1)
    later = np.corrcoef(of[:-minutes], of[minutes:])[0, 1]
    assert later == pytest.approx(np.exp(-1), abs=0.06)


def test_a_voyage_leads_from_end_to_end_at_speeds_of_such_a_ship(rng):
    way = np.array([[124.0, 35.0], [124.5, 34.0], [126.0, 33.0]])
    piece = movement.sail(rng, way, 12.0)
    ends = haversine_m(piece.lon[[0, -1]], piece.lat[[0, -1]], *way[[0, -1]].T)
    assert (ends < 400).all()
    assert np.median(speeds_kn(piece)) == pytest.approx(12, rel=0.1)
    assert speeds_kn(piece).max() < 15
    assert speeds_kn(piece)[[0, -1]].max() < 3


@pytest.mark.parametrize("kind", ["drift", "swing", "trawl", "lie"])
def test_who_does_not_sail_stays_slow_and_near(rng, kind):
    more = {"swing": (90.0,), "trawl": (3.3,)}.get(kind, ())
    piece = getattr(movement, kind)(rng, 124.0, 38.0, 24 * HOUR, *more)
    assert speeds_kn(piece).max() < {"drift": 2.5, "swing": 1.5, "trawl": 6.0, "lie": 0.001}[kind]
    away = haversine_m(124.0, 38.0, piece.lon, piece.lat).max()
    assert away < {"drift": 60_000, "swing": 91, "trawl": 60_000, "lie": 0.001}[kind]


def test_a_guest_keeps_its_distance_while_both_drift(rng):
    host = movement.drift(rng, 124.0, 38.0, 8 * HOUR)
    guest = movement.beside(rng, host, 25.0, 0.0, 0.06, 1.0)
    apart = haversine_m(host.lon, host.lat, guest.lon, guest.lat)
    assert 12 < apart.min() < np.median(apart) < apart.max() < 50
    assert speeds_kn(guest).max() < 4


@pytest.mark.parametrize(
    ("class_b", "speed", "turn", "status", "seconds"),
    [
        (False, 0.0, 0.0, movement.MOORED, 180),
        (False, 1.0, 0.0, movement.AT_ANCHOR, 180),
        (False, 5.0, 0.0, movement.AT_ANCHOR, 10),
        (False, 8.0, 0.0, movement.UNDER_WAY, 10),
        (False, 8.0, 20.0, movement.UNDER_WAY, 10 / 3),
        (False, 18.0, 0.0, movement.UNDER_WAY, 6),
        (False, 18.0, 20.0, movement.UNDER_WAY, 2),
        (False, 25.0, 0.0, movement.UNDER_WAY, 2),
        (True, 1.0, 0.0, movement.UNDER_WAY, 180),
        (True, 9.0, 20.0, movement.UNDER_WAY, 30),
    ],
)
def test_reports_come_as_often_as_the_standard_says(rng, class_b, speed, turn, status, seconds):
    n = 4 * HOUR
    rate = radio.rates(vessel(class_b=class_b), np.full(n, speed), np.full(n, turn), np.full(n, status, np.int8))
    between = np.diff(radio.sent(rng, rate, vessel(class_b=class_b))) * 60
    assert between.mean() == pytest.approx(seconds, rel=0.02)
    assert seconds * 0.79 < between.min() <= between.max() < seconds * 1.21


def test_who_is_silent_sends_nothing(rng):
    times = radio.sent(rng, np.full(600, 6.0), vessel(Silence(100, 250, SWITCHED_OFF)))
    assert not ((times > 100) & (times < 250)).any()
    assert len(times) == pytest.approx(450 * 6, rel=0.01)


def test_a_gap_has_the_cause_of_the_ship_before_any_other():
    nothing, all_well = np.zeros(100), np.full(100, 0.8)
    silent = vessel(Silence(100, 400, SWITCHED_OFF))
    heard = np.concatenate([np.arange(0, 100, 5.0), np.arange(400, 1000, 5.0)])
    assert radio.gaps(silent, heard, 1000, nothing, all_well) == [(95 * 60, 400 * 60, SWITCHED_OFF)]
    causes = {"out_of_range": (nothing, nothing), "outage": (all_well, all_well), "fade": (nothing, all_well)}
    for cause, of in causes.items():
        assert radio.gaps(vessel(), heard, 1000, *of)[0][2] == cause
