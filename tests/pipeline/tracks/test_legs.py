"""Legs and gaps, slow legs, thinned stays, pieces of long legs."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from stswatch.pipeline.batch import HOUR, MINUTE, SECOND
from stswatch.pipeline.rules import Rules, VesselRules
from tests.pipeline import seas

EARTH = Geod(ellps="WGS84")
BUCKET = 30 * MINUTE
PLAIN = seas.unthinned()


def legs_of(table, rules=None):
    return seas.in_order(seas.tracked(table, rules=rules)["legs"], ("mmsi", "track_start", "start"))


def times(table, *names):
    return [seas.micros_of(table, name) for name in names]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 80))
def test_every_consecutive_pair_of_a_track_is_a_leg_or_a_gap(seed, n):
    rng = np.random.default_rng(seed)
    step_s = np.where(rng.random(n) < 0.2, rng.integers(7195, 7206, n), rng.integers(60, 30_000, n))
    time_us = np.cumsum(step_s) * SECOND
    receiver = np.where(rng.random(n) < 0.5, "satellite", "terrestrial")
    given = seas.tracked(seas.fixes(1, time_us, rng.normal(0, 1e-3, n), 0.0, 0.0, receiver), rules=PLAIN)
    both = (receiver[1:] == "satellite") & (receiver[:-1] == "satellite")
    is_gap = np.diff(time_us) > np.where(both, 6 * HOUR, 2 * HOUR)
    start, end = times(given["legs"], "start", "end")
    order = np.argsort(start)
    assert start[order].tolist() == time_us[:-1][~is_gap].tolist()
    assert end[order].tolist() == time_us[1:][~is_gap].tolist()
    gaps = given["gaps"].to_pandas()
    assert gaps.start_time.astype("datetime64[us, UTC]").astype("int64").tolist() == time_us[:-1][is_gap].tolist()
    assert gaps.receiver.tolist() == np.where(both, "satellite", "terrestrial")[is_gap].tolist()
    assert gaps.threshold_h.tolist() == np.where(both, 6.0, 2.0)[is_gap].tolist()
    assert gaps.ending.tolist() == ["resumed"] * int(is_gap.sum())


@pytest.mark.parametrize(
    ("speeds", "every_s", "metres", "slow"),
    [
        ([4.9, 5.0], 600, 2000, True),  # the mean of what was reported, not the speed implied
        ([5.0, 5.0], 600, 10, False),
        ([4.8, 5.2], 600, 10, False),
        ([3.8, 6.2], 600, 10, False),  # as float32 less than 10 together
        ([None, 9.0], 600, 1500, True),  # one missing: 1500 m in 600 s are 4.86 kn
        ([None, 0.1], 600, 1600, False),
        ([None, None], 10, 150, True),  # 29 kn implied over 10 s, 4.86 kn over the minute that it needs
        ([None, None], 10, 160, False),
        ([0.0, 9.9], 600, 10, True),
    ],
)
def test_a_leg_is_slow_by_the_mean_reported_speed_else_by_the_speed_implied(speeds, every_s, metres, slow):
    speeds = [np.nan if s is None else s for s in speeds]
    table = seas.vessel(1, [0, metres], 0, every_s, speeds)
    assert legs_of(table).num_rows == slow


def test_the_first_leg_of_a_track_and_the_first_after_a_gap_are_fresh():
    time_us = np.array([0, 60, 120, 260, 320]) * MINUTE
    legs = legs_of(seas.fixes(1, time_us, 0.0, 0.0, 0.0), PLAIN)
    assert legs["fresh"].to_pylist() == [True, False, True]
    fast_first = seas.fixes(1, time_us[:3], 0.0, 0.0, [9.0, 9.0, 0.0])
    assert legs_of(fast_first, PLAIN)["fresh"].to_pylist() == [False]


def still(seed, n, noise_m=4.0, every=(20, 400), speed=0.2):
    """A vessel at anchor near the equator."""
    rng = np.random.default_rng(seed)
    time_us = seas.NOON_US + np.cumsum(rng.integers(*every, n)) * SECOND
    lon, lat = rng.normal(0, noise_m / seas.EAST_M, n), rng.normal(0, noise_m / seas.NORTH_M, n)
    return seas.fixes(1, time_us, lon, lat, speed)


def covered(legs, table):
    """Each consecutive pair of fixes that lies in a leg, as (leg, first fix)."""
    start, end = times(legs, "start", "end")
    (time_us,) = times(table, "time")
    leg = np.searchsorted(start, time_us[:-1], side="right") - 1
    inside = (leg >= 0) & (time_us[1:] <= end[np.maximum(leg, 0)])
    return leg[inside], np.flatnonzero(inside)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.1, 40), st.sampled_from([(20, 400), (200, 1500), (1000, 3000)]))
def test_thinning_keeps_every_fix_within_its_tolerance_and_within_its_bucket(seed, noise_m, every):
    """No leg strays more than 15 m from a fix that it hides; what it hides and its end share a bucket."""
    table = still(seed, 120, noise_m, every)
    legs = legs_of(table)
    assert len(covered(legs, table)[1]) == table.num_rows - 1
    (time_us,) = times(table, "time")
    start, end = times(legs, "start", "end")
    lon, lat = table["lon"].to_numpy(), table["lat"].to_numpy()
    hidden = 0
    for k, inner in enumerate(legs["inner"].to_pylist()):
        row = np.searchsorted(time_us, start[k] + 1000 * np.array(inner, np.int64))
        assert time_us[row].tolist() == [start[k] + 1000 * ms for ms in inner]
        hidden += len(inner)
        if not inner:
            continue
        assert len({*(time_us[row] // BUCKET).tolist(), end[k] // BUCKET}) == 1
        assert np.diff(time_us[row[0] - 1 : row[-1] + 2]).max() <= 20 * MINUTE
        share = (time_us[row] - start[k]) / (end[k] - start[k])
        on_lon, on_lat = (
            legs[f"{a}0"][k].as_py() * (1 - share) + legs[f"{a}1"][k].as_py() * share for a in ("lon", "lat")
        )
        assert EARTH.inv(on_lon, on_lat, lon[row], lat[row])[2].max() <= 15.1
    assert legs.num_rows + hidden == table.num_rows - 1


def test_thinning_leaves_one_leg_a_bucket_of_a_quiet_stay():
    table = still(1, 500, 2.0, (50, 70))
    legs = legs_of(table)
    hours = (seas.micros_of(table, "time").max() - seas.NOON_US) / HOUR
    assert legs.num_rows <= 2 * hours + 2
    assert legs_of(table, PLAIN).num_rows == table.num_rows - 1


@pytest.mark.parametrize(("minutes", "thinned"), [([0, 5, 25, 28], True), ([0, 5, 25.1, 28], False)])
def test_no_thinning_over_an_interval_in_which_nothing_was_heard(minutes, thinned):
    time_us = seas.NOON_US + np.rint(np.array(minutes) * MINUTE).astype(np.int64)
    legs = legs_of(seas.fixes(1, time_us, 0.0, 0.0, 0.0))
    assert legs.num_rows == (1 if thinned else 3)


def test_no_thinning_over_a_fast_leg():
    time_us = seas.NOON_US + np.arange(4) * 5 * MINUTE
    legs = legs_of(seas.fixes(1, time_us, 0.0, 0.0, [0.0, 9.0, 9.0, 0.0]))
    assert legs.num_rows == 2
    assert legs["inner"].to_pylist() == [[], []]


def test_the_speed_of_a_thinned_leg_is_the_mean_over_time():
    time_us = seas.NOON_US + np.array([0, 10, 15, 25]) * MINUTE
    legs = legs_of(seas.fixes(1, time_us, 0.0, 0.0, [1.0, 3.0, 1.0, 0.0]))
    # 2.0 kn for 10 min, 2.0 for 5, 0.5 for 10
    assert legs["speed_dkn"].to_pylist() == [14]


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 49), st.integers(0, 49))
def test_a_mean_under_a_whole_tenth_stays_under_it(one, other):
    """0.9 and 1.0 kn make 0.95, which is slower than 1.0: of halves the lesser tenth is kept."""
    time_us = seas.NOON_US + np.array([0, 10]) * MINUTE
    (speed_dkn,) = legs_of(seas.fixes(1, time_us, 0.0, 0.0, [one / 10, other / 10]))["speed_dkn"].to_pylist()
    assert speed_dkn == (one + other) // 2


@settings(max_examples=60, deadline=None)
@given(st.floats(-180, 180), st.floats(-70, 70), st.floats(0, 360), st.floats(10, 200_000), st.integers(7000, 7200))
def test_pieces_are_short_contiguous_and_lie_on_the_great_circle(lon, lat, bearing, metres, seconds):
    lon1, lat1, _ = EARTH.fwd(lon, lat, bearing, metres)
    time_us = np.array([0, seconds * SECOND]) + seas.NOON_US
    legs = legs_of(seas.fixes(1, time_us, [lon, lon1], [lat, lat1], 0.0))
    start, end = times(legs, "start", "end")
    assert (start[0], end[-1]) == tuple(time_us)
    assert start[1:].tolist() == end[:-1].tolist()
    assert (end > start).all()
    lon0, lat0, lon1_, lat1_ = (legs[n].to_numpy() for n in ("lon0", "lat0", "lon1", "lat1"))
    length_m = EARTH.inv(lon0, lat0, lon1_, lat1_)[2]
    assert length_m.max() <= 8050
    assert np.abs(length_m - length_m.mean()).max() <= 0.005 * length_m.mean() + 1
    assert np.abs(lon1_ - lon0).max() < 180
    assert (np.abs((lon1_[:-1] - lon0[1:] + 180) % 360 - 180) < 1e-6).all()
    assert np.allclose(lat1_[:-1], lat0[1:], atol=1e-6)
    there = EARTH.fwd(
        np.full(len(end), lon),
        np.full(len(end), lat),
        np.full(len(end), bearing),
        metres * (end - time_us[0]) / 1e6 / seconds,
    )
    off_m = EARTH.inv(there[0], there[1], lon1_, lat1_)[2]
    # the great circle of the sphere leaves the geodesic of the ellipsoid by some 1e-4 of long ways
    assert off_m.max() <= 0.5 + 1e-4 * metres
    assert legs["fresh"].to_pylist() == [True] + [False] * (len(end) - 1)
    assert set(seas.micros_of(legs, "fix_end")) == {time_us[1]}


def test_rules_are_obeyed():
    """Another threshold, another speed, another length of pieces."""
    rules = Rules(vessel=replace(VesselRules(), gap_terrestrial_h=1.0, slow_kn=2.0, piece_km=1.0))
    time_us = seas.NOON_US + np.array([0, 50, 115]) * MINUTE
    given = seas.tracked(seas.fixes(1, time_us, [0.0, 0.02, 0.02], 0.0, 1.9), rules=rules)
    assert given["legs"].num_rows == 3
    assert given["gaps"]["threshold_h"].to_pylist() == [1.0]
    assert seas.tracked(seas.fixes(1, time_us, [0.0, 0.02, 0.02], 0.0, 2.0), rules=rules)["legs"].num_rows == 0


def test_invalid_fixes_make_no_leg_and_no_count():
    table = seas.vessel(1, np.zeros(4), 0)
    wrong = table.set_column(
        table.column_names.index("invalid_reason"),
        table.schema.field("invalid_reason"),
        pa.array([None, "position", None, None]),
    )
    given = seas.tracked(wrong, rules=PLAIN)
    assert given["legs"].num_rows == 2
    assert given["vessels"]["fixes"].to_pylist() == [3]
    assert sum(given["coverage"]["fixes"].to_pylist()) == 3
