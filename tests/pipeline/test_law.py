"""The law: the same fixes give the same events, whatever the order of rows, the shards and the cut into slices."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, MINUTE, from_bytes, to_bytes
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import InMemory
from tests.pipeline import seas

DAY = 24 * HOUR


@pytest.fixture(scope="module")
def sea():
    return seas.fleet(seed=1, hours=30.0)


@pytest.fixture(scope="module")
def reports(sea):
    return seas.reports(sea)


@pytest.fixture(scope="module")
def whole(sea, reports):
    return seas.canonical(seas.run(sea, reports=reports))


@pytest.fixture(scope="module")
def bare(sea):
    """The same without static reports."""
    return seas.canonical(seas.run(sea))


def has_a_floor(whole, cuts, encounters=50, across=10):
    found = whole["encounters"]
    assert found.num_rows >= encounters
    assert cuts
    assert min(seas.open_across(found, cuts)) >= across


# each length once, and each number; 64 shards are in the next test; the soak has all
SOME = [(1, 1), (6, 7), (24, 7), (7 + 13 / 60, 7)]
ALL = [(hours, shards) for hours in (1, 6, 24, 7 + 13 / 60) for shards in (1, 7, 64)]


@pytest.mark.parametrize(("hours", "shards"), [how if how in SOME else seas.long(*how) for how in ALL])
def test_slices_and_shards_do_not_show(sea, reports, whole, hours, shards):
    cuts = seas.every(sea, hours)
    has_a_floor(whole, cuts)
    printed = whole["encounters"]
    some = ("ship_type_a", "ship_type_b", "length_a_m", "heading_difference_deg")
    assert all(printed.num_rows > printed[name].null_count > 0 for name in some)
    seas.assert_same(whole, seas.canonical(seas.run(sea, cuts, shards, reports=reports)))


def test_many_shards_and_short_slices_do_not_show():
    sea = seas.fleet(seed=2, hours=6.0, pairs=40)
    whole, cuts = seas.canonical(seas.run(sea)), seas.every(sea, 2)
    has_a_floor(whole, cuts)
    seas.assert_same(whole, seas.canonical(seas.run(sea, cuts, 64)))


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(40, 23 * 60), min_size=1, max_size=6, unique=True), st.sampled_from([1, 2, 3]))
def test_unequal_cuts_do_not_show(minutes, shards):
    """Each shard of each slice costs the same however little lies in it: few of them are enough to differ in length."""
    sea = seas.fleet(seed=1, hours=24.0)
    whole = seas.whole(seed=1, hours=24.0)
    start = int(seas.micros_of(sea, "time").min())
    cuts = sorted(start + m * 60_000_000 + 137_000 for m in minutes)
    has_a_floor(whole, cuts)
    seas.assert_same(whole, seas.canonical(seas.run(sea, cuts, shards)))


@pytest.mark.parametrize("seed", [1, seas.long(2), seas.long(3)])
def test_shuffled_and_repeated_rows_do_not_show(sea, reports, whole, seed):
    rng, n, m = np.random.default_rng(seed), sea.num_rows, reports.num_rows
    rows = rng.permutation(np.concatenate([np.arange(n), rng.integers(0, n, n // 3)]))
    collected = rng.permutation(np.concatenate([np.arange(m), rng.integers(0, m, m)]))
    has_a_floor(whole, seas.every(sea, 6))
    mixed = seas.run(sea.take(rows), seas.every(sea, 6), 7, reports=reports.take(collected))
    seas.assert_same(whole, seas.canonical(mixed))


def test_a_fleet_at_anchor_for_days():
    sea = seas.fleet(pairs=0, anchored=24, hours=80.0)
    whole = seas.canonical(seas.run(sea))
    longest_h = pc.max(whole["encounters"]["duration_min"]).as_py() / 60
    assert longest_h > 75
    assert whole["port_pair_counts"].num_rows > 75
    for hours, shards in ((24, 1), (7 + 13 / 60, 3)):  # of 24 vessels, each shard has some
        cuts = seas.every(sea, hours)
        has_a_floor(whole, cuts)
        seas.assert_same(whole, seas.canonical(seas.run(sea, cuts, shards)))


def test_bytes_between_slices_do_not_show(sea, bare):
    """A state written and read again is the same state."""
    engine, given = InMemory(shards=2), []
    cuts = seas.every(sea, 6)
    has_a_floor(bare, cuts)
    time_us = seas.micros_of(sea, "time")
    for low, high in zip([0, *cuts], [*cuts, int(time_us.max()) + 1], strict=True):
        part = sea.filter(pa.array((time_us >= low) & (time_us < high)))
        given.append(engine.slice({"fixes": part}, min(high, int(time_us.max())), high > time_us.max()))
        states = {key: from_bytes(to_bytes(state)) for key, state in engine._states.items()}
        engine = InMemory(Rules(), 2, _states=states)
    found = pa.concat_tables([g["encounters"] for g in given]).drop_columns(["run_id"])
    seas.assert_same({"e": bare["encounters"]}, {"e": seas.in_order(found, seas.ENCOUNTER_KEY)})


def test_a_shift_by_whole_days_shifts_the_times(sea, bare):
    days = 437
    later = pa.array(seas.micros_of(sea, "time") + days * DAY).cast(schema.UTC)
    moved = seas.canonical(seas.run(sea.set_column(1, schema.FIXES.field("time"), later)))
    for name in ("encounters", "gaps", "coverage", "port_pair_counts"):
        here, there = bare[name], moved[name]
        for column in here.column_names:
            if pa.types.is_timestamp(here[column].type):
                shifted = pc.add(here[column].cast(pa.int64()), days * DAY)
                assert shifted.equals(there[column].cast(pa.int64())), (name, column)
            elif column not in ("id", "track_a", "track_b", "sun_elevation_deg"):  # the sun goes by the year
                assert here[column].equals(there[column]), (name, column)
    assert bare["encounters"].num_rows >= 50


def test_a_turn_of_longitude_changes_nothing(sea, bare):
    turned = sea.set_column(2, schema.FIXES.field("lon"), pc.add(sea["lon"], 360.0))
    found = seas.canonical(seas.run(turned))
    assert bare["encounters"].num_rows >= 50
    seas.assert_same({n: bare[n] for n in ("coverage", "port_pair_counts")}, found)
    here, there = (t["encounters"].drop_columns(["lon", "lat"]) for t in (bare, found))
    seas.assert_same({"encounters": here}, {"encounters": there})
    for axis in ("lon", "lat"):
        near = np.asarray(bare["encounters"][axis]) - np.asarray(found["encounters"][axis])
        assert np.abs(near).max() < 1e-6


def test_the_order_of_mmsi_only_swaps_the_sides(sea, bare):
    mmsi = sea["mmsi"].to_numpy()
    swapped = sea.set_column(
        0, schema.FIXES.field("mmsi"), pa.array(int(mmsi.min()) + int(mmsi.max()) - mmsi, pa.int32())
    )
    found = seas.run(swapped, seas.every(sea, 6), 7)["encounters"].to_pandas()
    expected = bare["encounters"].to_pandas()
    back = mmsi.min() + mmsi.max()
    sides = {
        f"{n}_{v}": f"{n}_{'ba'[v == 'b']}" for v in "ab" for n in ("mmsi", "track", "fixes", "gap", "median_speed")
    }
    sides |= {f"slow_{n}_{v}_h": f"slow_{n}_{'ba'[v == 'b']}_h" for v in "ab" for n in ("before", "after")}
    sides |= {"median_speed_a_kn": "median_speed_b_kn", "median_speed_b_kn": "median_speed_a_kn"}
    found = found.rename(columns={old: new for old, new in sides.items() if old in found})
    found = found.assign(mmsi_a=back - found.mmsi_a, mmsi_b=back - found.mmsi_b)
    found = found.sort_values(["mmsi_a", "mmsi_b", "start_time"], ignore_index=True)
    expected = expected.sort_values(["mmsi_a", "mmsi_b", "start_time"], ignore_index=True)
    assert len(expected) >= 50
    for name in expected.columns.difference(["id", "track_a", "track_b", "reasons", "zones"]):
        assert found[name].equals(expected[name]), name


@pytest.mark.parametrize("start", ["2024-02-28T23:10:00", "2024-12-31T23:29:59"])
def test_midnight_is_a_moment_like_any_other(start):
    start_us = int(np.datetime64(start, "us").astype(int))
    east = np.arange(13) * 300.0
    rows = pa.concat_tables([seas.vessel(1, east, 0, start_us=start_us), seas.vessel(2, east, 300, start_us=start_us)])
    cuts = [start_us // DAY * DAY + DAY]
    assert start_us < cuts[0] < start_us + 2 * HOUR
    for how in ({}, {"cuts": cuts}, {"cuts": cuts, "shards": 7}):
        row = seas.encounters(rows, **how).iloc[0]
        assert (row.duration_min, row.fixes_a, row.fixes_b) == (120, 13, 13)
        assert row.cpa_distance_m == pytest.approx(300, abs=0.1)


def test_the_date_line_is_a_meridian_like_any_other():
    """Two vessels cross 180 degrees side by side for two hours, and nothing tells it from the same at 10 E."""
    east = np.arange(13) * 1200.0 - 7200.0
    scenes = [
        pa.concat_tables([seas.vessel(1, east, 0, lon=lon), seas.vessel(2, east - 40, 300, lon=lon)])
        for lon in (10.0, 180.0)
    ]
    here, there = (seas.encounters(scene, shards=7) for scene in scenes)
    assert len(there) == 1
    same = ["duration_min", "cpa_distance_m", "median_distance_m", "fixes_a", "fixes_b", "observed_share", "lat"]
    assert here[same].iloc[0].to_dict() == pytest.approx(there[same].iloc[0].to_dict(), abs=1e-6)
    assert abs((there.lon[0] - here.lon[0]) % 360 - 170) < 1e-6


@pytest.fixture(scope="module")
def harbours():
    """The positions of half an hour of real harbours, and what is found there without a cut."""
    sea = seas.of_frame(seas.noaa())
    return sea, seas.canonical(seas.run(sea, rules=seas.uncounted(seas.at_least(10))))


@pytest.fixture(scope="module")
def twelve_days():
    """The positions of twelve real days, and what is found there without a cut."""
    sea = seas.of_frame(seas.gulf())
    return sea, seas.canonical(seas.run(sea, rules=seas.at_least(5)))


@pytest.mark.real
@seas.needs_real
@pytest.mark.parametrize(("minutes", "shards"), [(7, 1), (11, 7), seas.long(17, 64)])
def test_no_cut_shows_in_half_an_hour_of_real_harbours(harbours, minutes, shards):
    """12,000 meetings of ten minutes or more, those at berth too, thousands of them open across each cut."""
    (sea, whole), rules = harbours, seas.uncounted(seas.at_least(10))
    start = int(seas.micros_of(sea, "time").min())
    cuts = list(range(start + minutes * MINUTE, start + 20 * MINUTE, minutes * MINUTE))
    has_a_floor(whole, cuts, 10_000, 100)
    seas.assert_same(whole, seas.canonical(seas.run(sea, cuts, shards, rules)))


@pytest.mark.real
@seas.needs_real
@pytest.mark.parametrize(
    ("hours", "shards"), [seas.long(1, 1), seas.long(6, 7), (6, 2), seas.long(24, 64), (7 + 13 / 60, 3)]
)
def test_no_cut_shows_in_twelve_real_days(twelve_days, hours, shards):
    """Few meet there, but there are thousands of silences. Real data in seven shards: above, and in the soak."""
    (sea, whole), rules = twelve_days, seas.at_least(5)
    assert whole["gaps"].num_rows > 100
    assert whole["encounters"].num_rows > 10
    seas.assert_same(whole, seas.canonical(seas.run(sea, seas.every(sea, hours), shards, rules)))
