"""The oracle itself, on meetings that are solved by hand on the equator."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle import oracle_encounters, oracle_envelope, port_berth

EAST_M = 6378137.0 * np.pi / 180  # a degree along the equator, WGS 84
NORTH_M = 110574.27  # a degree of latitude at the equator, WGS 84
NOON = pd.Timestamp("2024-03-01T12:00:00Z")
REAL = os.environ.get("STSWATCH_REAL_DATA")


def vessel(mmsi, east_m, north_m, every_s=600, sog_kn=None, start=NOON, lon=0.0):
    """Fixes at even intervals: metres east of `lon` and north of the equator at each."""
    east_m, north_m = np.broadcast_arrays(np.asarray(east_m, float), np.asarray(north_m, float))
    time = start + pd.to_timedelta(np.arange(len(east_m)) * every_s, unit="s")
    east = (lon + east_m / EAST_M + 180) % 360 - 180
    speed = np.nan if sog_kn is None else sog_kn
    return pd.DataFrame({"mmsi": mmsi, "time": time, "lon": east, "lat": north_m / NORTH_M, "sog_kn": speed})


def meetings(*vessels, **options):
    return oracle_encounters(pd.concat(vessels), **options)


def test_head_on():
    """4 km apart, each at 1 m/s: |4000 - 2 t| is under 500 m from 1750 s to 2250 s, and 0 between."""
    found = meetings(vessel(1, [0, 4000], 0, 4000), vessel(2, [4000, 0], 0, 4000), min_duration_min=5)
    assert len(found) == 1
    row = found.iloc[0]
    assert abs((row.start_time - NOON).total_seconds() - 1750) <= 1
    assert abs((row.end_time - NOON).total_seconds() - 2250) <= 1
    assert row.cpa_distance_m < 1
    assert row.median_distance_m == pytest.approx(250, abs=1)
    assert (row.fixes_a, row.fixes_b) == (0, 0)
    assert not row.start_censored
    assert not row.end_censored


def test_overtaking():
    """2 m/s past 1 m/s from 2000 m behind: |2000 - t| is under 500 m from 1500 s to 2500 s."""
    found = meetings(vessel(1, [0, 8000], 0, 4000), vessel(2, [2000, 6000], 0, 4000), min_duration_min=5)
    assert found.duration_min.tolist() == pytest.approx([1000 / 60], abs=0.034)
    assert abs((found.start_time[0] - NOON).total_seconds() - 1500) <= 1


def test_parallel_is_censored_by_the_data():
    """300 m abreast for an hour: the data begins and ends it, and each fix counts."""
    east = np.arange(7) * 600.0
    row = meetings(vessel(2, east, 0), vessel(1, east, 300)).iloc[0]
    assert (row.mmsi_a, row.mmsi_b) == (1, 2)
    assert row.duration_min == 60
    assert (row.cpa_distance_m, row.median_distance_m) == pytest.approx((300, 300), abs=0.1)
    assert (row.fixes_a, row.fixes_b) == (7, 7)
    assert row.start_censored
    assert row.end_censored


@pytest.mark.parametrize(("abeam_m", "seconds"), [(499.9, 20.0), (500.1, None)])
def test_touching(abeam_m, seconds):
    """At 1 m/s past a stopped vessel the chord is 2 sqrt(500² - abeam²); further off there is none."""
    passing, stopped = vessel(1, [0, 4000], 0, 4000), vessel(2, [2000, 2000], abeam_m, 4000)
    found = meetings(passing, stopped, min_duration_min=0)
    assert (found.duration_min * 60).tolist() == ([] if seconds is None else [pytest.approx(seconds, abs=2)])


def test_one_stopped():
    """0.3 m/s past one that lies 300 m off the course: a chord of 800 m, half of it within 200 m of abeam."""
    found = meetings(vessel(1, np.arange(13) * 180.0, 0), vessel(2, [1080] * 13, 300))
    assert (found.duration_min * 60).tolist() == pytest.approx([800 / 0.3], abs=2)
    assert found.cpa_distance_m.tolist() == pytest.approx([300], abs=0.1)
    assert found.median_distance_m.tolist() == pytest.approx([np.hypot(300, 200)], abs=0.5)


@pytest.mark.parametrize("start", ["2024-02-28T23:40:00Z", "2024-12-31T23:31:07Z"])
def test_across_midnight(start):
    """The day's end is a moment like any other."""
    east = np.arange(7) * 600.0
    options = {"start": pd.Timestamp(start)}
    found = meetings(vessel(1, east, 0, **options), vessel(2, east, 300, **options))
    assert found.duration_min.tolist() == [60]
    assert found.start_time[0] == pd.Timestamp(start)


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([180.0, 179.99, -179.995, 0.0]) | st.floats(-180, 180))
def test_same_at_every_longitude(lon):
    """A head-on meeting is the same wherever on the equator it is, 180 degrees included."""
    found = meetings(vessel(1, [0, 4000], 0, 4000, lon=lon), vessel(2, [4000, 0], 0, 4000, lon=lon), min_duration_min=5)
    assert found.duration_min.tolist() == pytest.approx([500 / 60], abs=0.034)


@pytest.mark.parametrize(("away", "events"), [(29, 1), (31, 2)])
def test_interruptions_are_joined_up_to_half_an_hour(away, events):
    """Two hours beside each other, with some minutes 900 m off between."""
    beside, off = np.full(60, 100.0), np.full(away - 1, 900.0)
    north = np.concatenate([beside, off, beside])
    found = meetings(vessel(1, np.zeros(len(north)), north, 60), vessel(2, np.zeros(len(north)), 0, 60))
    assert len(found) == events
    assert found.median_distance_m.tolist() == pytest.approx([100] * events, abs=1)


def test_slow_legs_only():
    """The mean of two reported speeds decides, and the implied speed only where one is missing."""
    east = np.arange(7) * 600.0
    b = vessel(2, east, 300)
    assert len(meetings(vessel(1, east, 0, sog_kn=5.0), b)) == 0
    assert len(meetings(vessel(1, east, 0, sog_kn=[4.9, 5.0, 4.9, 5.0, 4.9, 5.0, 4.9]), b)) == 1
    assert len(meetings(vessel(1, east, 0, sog_kn=[None, 9.0, None, 9.0, None, 9.0, None]), b)) == 1


def test_gap_ends_a_leg():
    """Beside each other for 2 h and 2 h 1 min between fixes: a leg, and a gap."""
    a = vessel(1, [0, 0], 0, 7200)
    assert meetings(a, vessel(2, [0, 0], 100, 7200)).duration_min.tolist() == [120]
    assert len(meetings(a, vessel(2, [0, 0], 100, 7260))) == 0


def test_repeats_order_and_equal_times_change_nothing():
    """Rows shuffled and repeated, and a second position at a time already taken: the lesser stays."""
    east = np.arange(7) * 600.0
    rows = pd.concat([vessel(1, east, 0), vessel(2, east, 300)])
    further = vessel(2, east, 300).assign(lat=0.1)
    mixed = pd.concat([rows, rows, further]).sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(oracle_encounters(rows), oracle_encounters(mixed))


def test_null_positions_are_left_out():
    east = np.arange(7) * 600.0
    rows = pd.concat([vessel(1, east, 0), vessel(2, east, 300)])
    assert len(oracle_encounters(rows.assign(lon=np.nan))) == 0
    assert len(oracle_encounters(rows.iloc[:0])) == 0


def test_two_hulls_under_one_mmsi_are_two_tracks():
    """Two hulls 500 km apart share an MMSI and report by turns: each meets its own neighbour."""
    near, far = (
        vessel(1, [0] * 13, 0, 300),
        vessel(1, [500_000] * 13, 0, 300, start=NOON + pd.Timedelta(150, "s")),
    )
    found = meetings(near, far, vessel(2, [0] * 13, 100, 300), vessel(3, [500_000] * 13, 100, 300))
    assert found.mmsi_b.tolist() == [2, 3]
    assert found.duration_min.tolist() == [60, 57.5]
    assert found.track_a.nunique() == 2


def test_port_pair_counts_are_no_encounter():
    """Both still in a port: no encounter; one of them moving, or both out of port: an encounter."""
    berth = port_berth(np.array([0.0]), np.array([0.0]))
    still, beside = vessel(1, [0] * 13, 0, sog_kn=0.0), vessel(2, [0] * 13, 100, sog_kn=0.0)
    assert len(meetings(still, beside)) == 1
    assert len(meetings(still, beside, berth=berth)) == 0
    assert len(meetings(still, beside.assign(sog_kn=1.0), berth=berth)) == 1
    away = port_berth(np.array([0.0]), np.array([0.1]))
    assert len(meetings(still, beside, berth=away)) == 1


def test_the_envelope_holds_the_same_as_single_runs():
    rng = np.random.default_rng(7)
    rows = pd.concat([vessel(m, rng.normal(0, 300, 40).cumsum() / 4, rng.normal(0, 150, 40)) for m in range(8)])
    bracket = oracle_envelope(rows, (470, 500, 530))
    assert len(bracket[500]) >= 5
    for distance, table in bracket.items():
        pd.testing.assert_frame_equal(table, oracle_encounters(rows, distance))
    total = [table.duration_min.sum() for table in bracket.values()]
    assert total == sorted(total)


@pytest.mark.real
@pytest.mark.skipif(REAL is None, reason="STSWATCH_REAL_DATA names no folder of real data")
def test_the_lightering_of_august_2023():
    """241502000 and 311000222 lay beside each other for 704 min, 62 m apart (NOAA / USCG AIS)."""
    rows = pd.read_csv(Path(str(REAL)) / "decoded" / "gulf_mexico_2023-08-01_to_12.csv.gz")
    fixes = rows.assign(time=pd.to_datetime(rows.timestamp, utc=True)).rename(columns={"sog": "sog_kn"})
    found = oracle_encounters(fixes)
    assert len(found) == 7
    row = found[(found.mmsi_a == 241502000) & (found.mmsi_b == 311000222)]
    assert row.duration_min.tolist() == pytest.approx([703.5], abs=0.1)
    assert row.median_distance_m.tolist() == pytest.approx([62.4], abs=0.1)
