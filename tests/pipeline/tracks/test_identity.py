"""Which hull sent a fix: tracks of one MMSI, hops, long silences."""

from dataclasses import fields
from time import process_time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.geo.coordinates.sphere import haversine_m
from stswatch.pipeline.batch import HOUR, MINUTE, SECOND
from stswatch.pipeline.rules import VesselRules
from stswatch.pipeline.tracks.identity import Fixes, attribute
from tests.pipeline import seas

DAY = 24 * HOUR
RULES = VesselRules()


def tracks(mmsi, time_us, lon, lat=0.0):
    """The track of each fix of some, all new."""
    mmsi, time_us, lon, lat = np.broadcast_arrays(mmsi, np.asarray(time_us, np.int64), lon, lat)
    collected = {"mmsi": mmsi, "time_us": time_us, "lon": lon, "lat": lat}
    collected["distance_m"] = np.append(0.0, haversine_m(lon[:-1], lat[:-1], lon[1:], lat[1:]))
    collected |= {"carried": np.zeros(len(time_us), bool), "track_us": np.zeros(len(time_us), np.int64)}
    return attribute(Fixes(**{f.name: collected[f.name] for f in fields(Fixes)}), RULES).tolist()


def test_one_wild_position_does_not_split_a_track():
    time_us = np.arange(9) * 10 * MINUTE
    lon = np.where(np.arange(9) == 4, 3.0, 0.001 * np.arange(9))
    assert tracks(1, time_us, lon) == [0, 0, 0, 0, time_us[4], 0, 0, 0, 0]


def test_two_hulls_under_one_mmsi_are_two_tracks_however_they_take_turns():
    rng = np.random.default_rng(1)
    time_us = np.arange(200) * MINUTE
    hull = rng.random(200) < 0.4
    hull[:2] = [False, True]
    lon = np.where(hull, 20.0, 0.0) + rng.normal(0, 1e-3, 200)
    assert tracks(1, time_us, lon) == np.where(hull, MINUTE, 0).tolist()


def test_where_two_tracks_explain_a_fix_it_joins_the_nearer():
    time_us = np.array([0, 1, 60]) * MINUTE
    assert tracks(1, time_us, [0.0, 0.5, 0.3]) == [0, MINUTE, MINUTE]


@pytest.mark.parametrize(("silence_us", "same"), [(7 * DAY, True), (7 * DAY + 1000, False)])
@pytest.mark.parametrize("shared", [False, True])
def test_after_a_week_of_silence_another_track_begins(silence_us, same, shared):
    """Both where one vectorised test tells all and where a hop has the vessel walked through."""
    time_us = np.array([0, MINUTE, MINUTE + silence_us])
    lon = [0.0, 50.0 if shared else 0.0, 50.0 if shared else 0.0]
    assert (tracks(1, time_us, lon)[2] == (MINUTE if shared else 0)) == same


def test_vessels_never_share_a_track_and_order_of_vessels_is_nothing():
    time_us = np.tile(np.arange(3) * MINUTE, 2)
    mmsi = np.repeat([7, 9], 3)
    assert tracks(mmsi, time_us, np.repeat([0.0, 0.0], 3)) == [0] * 6


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(2, 60), st.booleans())
def test_no_step_of_a_track_is_an_impossible_hop(seed, hulls, n, cut):
    """And fixes that are handed over in two parts are attributed as in one."""
    rng = np.random.default_rng(seed)
    time_us = np.sort(rng.choice(10_000, n, replace=False)) * 30 * SECOND
    lon, lat = rng.choice([0.0, 0.4, 5.0, 179.99][:hulls], n) + rng.normal(0, 0.01, n), rng.normal(0, 0.01, n)
    track = np.array(tracks(1, time_us, lon, lat))
    for name in np.unique(track):
        at = np.flatnonzero(track == name)
        assert name == time_us[at[0]]
        far_m = haversine_m(lon[at[:-1]], lat[at[:-1]], lon[at[1:]], lat[at[1:]])
        assert (far_m <= 1000 + 60 * 1852 / 3600 * np.diff(time_us[at]) / 1e6).all()
    rows = seas.fixes(1, time_us, lon, lat)
    cuts = [int(time_us[n // 2])] if cut else []
    edges = seas.tracked(rows, cuts)["edges"]
    named = np.unique(seas.micros_of(edges, "track_start"))
    assert named.tolist() == np.unique(track).tolist()


def test_an_mmsi_of_two_hulls_gives_each_its_own_legs():
    near = seas.vessel(1, np.zeros(13), 0, 300)
    far = seas.vessel(1, np.full(13, 500_000.0), 0, 300, start_us=seas.NOON_US + 150 * SECOND)
    others = [seas.vessel(2, np.zeros(13), 100, 300), seas.vessel(3, np.full(13, 500_000.0), 100, 300)]
    found = seas.encounters(pa.concat_tables([near, far, *others]))
    assert found.mmsi_b.tolist() == [2, 3]
    assert found.track_a.tolist() == ["000000001@2024-03-01T12:00:00Z", "000000001@2024-03-01T12:02:30Z"]


def test_years_between_fixes_of_one_slice_keep_the_vessels_apart():
    """Beyond 99 days MMSI and milliseconds do not fit one whole number, and ranks stand for the MMSI."""
    time_us = np.tile([0, 10 * MINUTE, 4000 * DAY, 4000 * DAY + 10 * MINUTE], 3)
    mmsi = np.repeat([999_999_999, 2, 500_000_000], 4)
    given = seas.tracked(seas.fixes(mmsi, time_us, 0.001 * np.repeat([0, 1, 2], 4), 0.0))
    legs = given["legs"]
    assert legs.num_rows == 6
    assert sorted(legs["mmsi"].to_pylist()) == [2, 2, 500_000_000, 500_000_000, 999_999_999, 999_999_999]
    counts = [(row["mmsi"], row["fixes"]) for row in given["vessels"].to_pylist()]
    assert sorted(counts) == [(each, 2) for each in (2, 500_000_000, 999_999_999) for _ in "ab"]  # before and after


def test_an_mmsi_that_jumps_about_all_day_costs_no_more_with_every_jump():
    """Every fix at another place: as many tracks, but none is compared with more than the last few."""
    rng = np.random.default_rng(4)

    def seconds(n):
        time_us = np.arange(n) * MINUTE
        where = rng.uniform(-170, 170, n), rng.uniform(-60, 60, n)
        began = process_time()
        tracks(np.full(n, 1), time_us, *where)
        return process_time() - began

    seconds(100)
    assert seconds(8000) < 8 * max(seconds(2000), 0.02)


def test_which_of_many_tracks_go_on_does_not_show_a_cut():
    rng = np.random.default_rng(5)
    hulls, n = 90, 4000  # more than are kept apart at once
    places = rng.uniform(-170, 170, hulls), rng.uniform(-60, 60, hulls)
    hull = rng.integers(0, hulls, n)
    time_us = seas.NOON_US + np.arange(n) * 20 * SECOND
    table = seas.fixes(np.full(n, 1), time_us, places[0][hull], places[1][hull], np.zeros(n))
    cuts = [int(time_us[n // 3]), int(time_us[n // 2])]
    one, other = (seas.run(table, how)["legs"] for how in ([], cuts))
    key = [(name, "ascending") for name in ("track_start", "start")]
    assert one.num_rows > 100
    assert one.sort_by(key).equals(other.sort_by(key))
