"""Owns: how fast two moved as seen from each other, how far the pair went, how their keels lay."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline.batch import MINUTE
from stswatch.pipeline.rules import Rules
from tests.pipeline import seas

KN_M = 1852 / 6  # what a knot makes in the ten minutes between the fixes of these tests
PLAIN = seas.unthinned()
SLOW = st.floats(-2.0, 2.0)


def meet(a, b, **how):
    """The one encounter of two vessels."""
    (row,) = seas.encounters(pa.concat_tables([a, b]), how.pop("rules", PLAIN), **how).to_dict("records")
    return row


def going(mmsi, east_kn, north_kn, at_m=0.0, minutes=120, heading_deg=-1):
    """A vessel that keeps its speed, from a place some metres north of the origin."""
    nth = np.arange(minutes // 10 + 1)
    return seas.vessel(mmsi, nth * east_kn * KN_M, at_m + nth * north_kn * KN_M, sog_kn=1.0, heading_deg=heading_deg)


@settings(max_examples=25, deadline=None)
@given(SLOW, SLOW)
def test_two_that_go_as_one_do_not_move_against_each_other(east_kn, north_kn):
    row = meet(going(1, east_kn, north_kn), going(2, east_kn, north_kn, 100.0))
    assert row["relative_speed_kn"] == pytest.approx(0, abs=0.01)
    # rounded to hundredths, and on a sphere, which the Earth is to 0.7 %
    drift_kn = np.hypot(east_kn, north_kn)
    assert row["drift_kn"] == pytest.approx(drift_kn, abs=0.006 + 0.008 * drift_kn)
    assert row["drift_km"] == pytest.approx(drift_kn * 2 * 1.852, abs=0.006 + 0.008 * drift_kn * 2 * 1.852)


@settings(max_examples=25, deadline=None)
@given(st.floats(-0.25, 0.25), st.floats(-0.25, 0.25))
def test_a_pair_that_parts_evenly_drifts_with_its_middle(east_kn, north_kn):
    """One lies still, the other leaves it: half as fast goes the middle."""
    row = meet(going(1, 0, 0), going(2, east_kn, north_kn, 1.0, minutes=40))
    assert row["duration_min"] == 40
    assert row["relative_speed_kn"] == pytest.approx(np.hypot(east_kn, north_kn), abs=0.02)
    assert row["drift_kn"] == pytest.approx(row["relative_speed_kn"] / 2, abs=0.02)


def test_there_and_back_is_a_way_but_no_drift():
    """East for an hour at half a knot as seen from the other, and west again; the middle ends where it began."""
    east = np.concatenate([np.arange(7), np.arange(6)[::-1]]) * 0.25 * KN_M
    row = meet(seas.vessel(1, 0 * east, 0), seas.vessel(2, east, 50))
    assert row["duration_min"] == 120
    assert (row["relative_speed_kn"], row["drift_km"], row["drift_kn"]) == (0.25, 0.0, 0.0)


@pytest.mark.parametrize("cuts", [False, True])
def test_what_is_done_out_of_reach_does_not_count(cuts):
    """Twice 40 minutes side by side; between them one goes 1.5 km away and comes back, within the time to join."""
    east = np.array([0, 0, 0, 0, 0, 1500, 0, 0, 0, 0, 0], float)
    a, b = seas.vessel(1, 0 * east, 0), seas.vessel(2, east, 100, sog_kn=1.0)
    at = (seas.NOON_US + 45 * MINUTE, seas.NOON_US + 50 * MINUTE) if cuts else ()
    row = meet(a, b, cuts=at, shards=2 if cuts else 1)
    reach_m = np.sqrt(500**2 - 100**2)
    within_min = 80 + 20 * reach_m / 1500
    assert row["within_min"] == pytest.approx(within_min, abs=0.05)
    assert row["relative_speed_kn"] == pytest.approx(2 * reach_m / (within_min * 60) / (1852 / 3600), abs=0.01)
    assert row["drift_km"] == 0


@pytest.mark.parametrize(
    ("of_a", "of_b", "low", "high"),
    [
        (10, 12, 0, 5),
        (359, 2, 0, 5),  # across north
        (10, 191, 0, 5),  # bow to stern
        (90, 0, 90, 90),
        (0, 270, 90, 90),
        (350, 32, 40, 45),
        (32, 350, 40, 45),
        (-1, 0, None, None),
        (0, -1, None, None),
        ([0, -1] * 6 + [0], [-1, 0] * 6 + [-1], None, None),  # never together
        ([0] * 9 + [80] * 4, 0, 0, 5),  # parallel most of the time
        ([0] * 4 + [80] * 9, 0, 80, 85),
    ],
)
def test_the_angle_is_that_between_the_keels(of_a, of_b, low, high):
    row = meet(going(1, 0, 0, heading_deg=of_a), going(2, 0, 0, 80.0, heading_deg=of_b))
    angle_deg = row["heading_difference_deg"]
    if low is None:
        assert np.isnan(angle_deg)
    else:
        assert low <= angle_deg <= high


@pytest.mark.parametrize(("apart_min", "known"), [(9, True), (10, True), (11, False)])
def test_headings_count_that_were_told_near_in_time(apart_min, known):
    """Both report each 30 minutes, one some minutes after the other."""
    time_us = seas.NOON_US + np.arange(8) * 30 * MINUTE
    a = seas.fixes(1, time_us, 0.0, 0.0, 0.0, heading_deg=20)
    b = seas.fixes(2, time_us + apart_min * MINUTE, 0.0, 0.0005, 0.0, heading_deg=23)
    row = meet(a, b)
    assert row["duration_min"] > 190
    assert bool(np.isfinite(row["heading_difference_deg"])) == known


def test_of_reports_at_one_moment_one_heading_counts_whatever_their_order():
    one, other = (going(1, 0, 0, heading_deg=deg) for deg in (0, 60))
    found = [
        meet(pa.concat_tables(twice), going(2, 0, 0, 80.0, heading_deg=0)) for twice in ((one, other), (other, one))
    ]
    assert [row["heading_difference_deg"] <= 5 for row in found] == [True, True]


def test_a_thinned_stay_has_the_headings_at_the_ends_of_its_half_hours():
    """Every minute a report: that of the last one before each half hour counts."""
    time_us = seas.NOON_US + np.arange(181) * MINUTE
    turned = np.where(np.arange(181) % 30 == 29, 50, 0)
    swinging = np.arange(181) % 2 * 1e-5
    a = seas.fixes(1, time_us, swinging, 0.0, 0.0, heading_deg=turned)
    b = seas.fixes(2, time_us, -swinging, 0.0005, 0.0, heading_deg=0)
    assert 50 <= meet(a, b, rules=Rules())["heading_difference_deg"] <= 55
    assert meet(a, b)["heading_difference_deg"] <= 5
