"""Pairs of legs solved by hand, through the whole flow: right to one second and one metre anywhere on the Earth.

Scenes are laid out in metres on a plane that touches the Earth (geodesics of pyproj from its middle): over 2 km a
straight line there is a geodesic, and a distance there a distance, to well within a millimetre.
"""

import numpy as np
import pyarrow as pa
import pytest
from pyproj import Geod

from stswatch.pipeline.batch import HOUR, SECOND
from tests.pipeline import seas

EARTH = Geod(ellps="WGS84")
SHORT = seas.at_least(1 / 60)
PLACES = [(0, 0), (179.9995, 0.001), (180, 52), (-179.99, -33), (124.5, 38.8), (5, 60), (20, 78), (-120, 85), (40, -88)]


def ship(mmsi, east_m, north_m, seconds, place=(0, 0), start_us=seas.NOON_US, sog_kn=None):
    """A vessel at points of the plane, the way between them even; seconds: (n,) after the start."""
    east_m, north_m, seconds = np.broadcast_arrays(np.asarray(east_m, float), north_m, seconds)
    middle = (np.full(len(east_m), float(axis)) for axis in place)
    away_m, bearing = np.hypot(east_m, north_m), np.degrees(np.arctan2(east_m, north_m))
    lon, lat, _ = EARTH.fwd(*middle, bearing, away_m)
    return seas.fixes(mmsi, start_us + (seconds * SECOND).astype(np.int64), lon, lat, sog_kn)


def meet(*ships, start_us=seas.NOON_US, rules=SHORT, **how):
    """The one meeting of some ships, its times in seconds after the start."""
    found = seas.encounters(pa.concat_tables(ships), rules, **how)
    assert len(found) == 1
    row = found.iloc[0].copy()
    for name in ("start_time", "end_time", "cpa_time"):
        row[name] = row[name].timestamp() - start_us / SECOND
    return row


def within(row, start_s, end_s, min_m, median_m, bin_m=0.0):
    """bin_m: half a bin of the histogram, where the distance keeps to one."""
    assert row.start_time == pytest.approx(start_s, abs=1)
    assert row.end_time == pytest.approx(end_s, abs=1)
    assert row.cpa_distance_m == pytest.approx(min_m, abs=1)
    assert row.median_distance_m == pytest.approx(median_m, abs=1 + bin_m)


@pytest.mark.parametrize("place", PLACES)
def test_head_on(place):
    """Each at 1 m/s, 2 km apart: |2000 - 2t| is within 500 from 750 s to 1250 s, evenly from 500 to 0 and back."""
    ships = ship(1, [-1000, 1000], 0, [0, 2000], place), ship(2, [1000, -1000], 0, [0, 2000], place)
    row = meet(*ships)
    within(row, 750, 1250, 0, 250)
    assert row.cpa_time == pytest.approx(1000, abs=1)
    assert (row.fixes_a, row.fixes_b) == (0, 0)
    assert not row.start_censored
    assert not row.end_censored
    assert EARTH.inv(row.lon, row.lat, *place)[2] < 1


@pytest.mark.parametrize("place", PLACES)
def test_head_on_northward_with_room_between(place):
    """The same northward and 300 m aside: within 500 while the way between is within 400, from 800 s to 1200 s.

    Half of that time it is within 200 m, so the median distance is that of (300, 200).
    """
    ships = ship(1, -150, [-1000, 1000], [0, 2000], place), ship(2, 150, [1000, -1000], [0, 2000], place)
    within(meet(*ships), 800, 1200, 300, np.hypot(300, 200))


@pytest.mark.parametrize("place", PLACES)
def test_overtaking(place):
    """1.5 m/s past 0.5 m/s from 1000 m behind: |1000 - t| is within 500 from 500 s to 1500 s."""
    ships = ship(1, [-1000, 2000], 0, [0, 2000], place), ship(2, [0, 1000], 0, [0, 2000], place)
    within(meet(*ships), 500, 1500, 0, 250)


@pytest.mark.parametrize("place", PLACES)
def test_parallel_from_the_first_fix_to_the_last(place):
    """300 m abreast for 2000 s: the data begins it and ends it, and each fix counts."""
    ships = ship(2, [-1000, 1000], 150, [0, 2000], place), ship(1, [-1000, 1000], -150, [0, 2000], place)
    row = meet(*ships)
    within(row, 0, 2000, 300, 300, bin_m=2.5)
    assert (row.fixes_a, row.fixes_b) == (2, 2)
    assert row.start_censored
    assert row.end_censored


@pytest.mark.parametrize("place", PLACES)
def test_one_stopped(place):
    """1 m/s past one that lies 300 m off the course: a chord of 800 m, half of it within 200 m of abeam."""
    ships = ship(1, [-1000, 1000], 0, [0, 2000], place), ship(2, 0, [300, 300], [0, 2000], place)
    within(meet(*ships), 600, 1400, 300, np.hypot(300, 200))


@pytest.mark.parametrize("place", PLACES)
def test_crossing(place):
    """1 m/s north through the wake of 1 m/s east, both at the crossing at 1000 s: sqrt(2) |t - 1000| m apart."""
    ships = ship(1, [-1000, 1000], 0, [0, 2000], place), ship(2, 0, [-1000, 1000], [0, 2000], place)
    half_s = 500 / np.sqrt(2)
    within(meet(*ships), 1000 - half_s, 1000 + half_s, 0, 250)


@pytest.mark.parametrize(("abeam_m", "chord_s"), [(499, 2 * np.sqrt(500**2 - 499**2)), (500.1, None)])
@pytest.mark.parametrize("lon", [0, 180])
def test_touching(abeam_m, chord_s, lon):
    """At 1 m/s past a stopped vessel the chord is 2 sqrt(500² - abeam²); further off there is none."""
    ships = ship(1, [-1000, 1000], 0, [0, 2000], (lon, 0)), ship(2, 0, [abeam_m] * 2, [0, 2000], (lon, 0))
    if chord_s is None:
        assert len(seas.encounters(pa.concat_tables(ships), SHORT)) == 0
    else:
        within(meet(*ships), 1000 - chord_s / 2, 1000 + chord_s / 2, abeam_m, (abeam_m + 500) / 2, bin_m=2.5)


@pytest.mark.parametrize("fast_m", [4000, 7900])
def test_legs_that_overlap_in_part_only(fast_m):
    """A fast way that is slow by report: each moment counts on the legs that hold it, however the legs are cut."""
    a = ship(1, [-fast_m, fast_m], 0, [0, 6000], sog_kn=1.0)
    b = ship(2, 0, [300, 300, 300], [1200, 2950, 6100])
    half_s = 400 / (2 * fast_m / 6000)
    within(meet(a, b), 3000 - half_s, 3000 + half_s, 300, np.hypot(300, 200))


@pytest.mark.parametrize("start", ["2024-02-28T23:40:00", "2024-12-31T23:45:00", "2023-12-31T23:59:59"])
@pytest.mark.parametrize("sliced", [False, True])
def test_across_midnight(start, sliced):
    start_us = int(np.datetime64(start, "us").astype(int))
    ships = (
        ship(1, [-1000, 1000], 0, [0, 2000], start_us=start_us),
        ship(2, [1000, -1000], 0, [0, 2000], start_us=start_us),
    )
    cuts = [start_us // (24 * HOUR) * 24 * HOUR + 24 * HOUR] if sliced else []
    assert all(start_us < cut < start_us + 2000 * SECOND for cut in cuts)
    within(meet(*ships, start_us=start_us, cuts=cuts), 750, 1250, 0, 250)


@pytest.mark.parametrize("place", PLACES[2:])
@pytest.mark.parametrize("bearing", [0, 90, 200])
def test_a_long_way_past_one_that_lies_still(place, bearing):
    """18 km in 2 h, 2.5 m/s: a leg of pieces, right in the middle and where pieces meet."""
    speed, turn = 2.5, np.radians(bearing)
    along, aside = np.array([np.sin(turn), np.cos(turn)]), np.array([np.cos(turn), -np.sin(turn)])
    a = ship(1, np.array([-9000, 9000]) * along[0], np.array([-9000, 9000]) * along[1], [0, 7200], place)
    for mmsi, ahead_m in ((2, 0), (3, 3000), (4, -5500)):
        where = along * ahead_m + aside * 300
        b = ship(mmsi, [where[0]] * 2, where[1], [0, 7200], place)
        middle_s = 3600 + ahead_m / speed
        within(meet(a, b), middle_s - 400 / speed, middle_s + 400 / speed, 300, np.hypot(300, 200))
