"""Routes: what belongs together meets in one shard, and the shards carry alike."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline.routes import LAKE_SHARDS, by_cell, by_mmsi, by_pair, grown_boxes, lake_shard, step_shard, to_all
from stswatch.pipeline.rules import Rules

RULES = Rules()
shards = st.sampled_from([1, 2, 3, 7, 16, 63, 64])
mmsis = st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=50)


@given(mmsis, shards)
def test_an_mmsi_is_always_in_one_shard_and_that_takes_whole_lake_shards(mmsi, n):
    rows = pa.table({"mmsi": pa.array(mmsi + mmsi, pa.int32())})
    row, shard = by_mmsi(rows, n, RULES)
    assert row.tolist() == list(range(2 * len(mmsi)))
    assert ((shard >= 0) & (shard < n)).all()
    assert (shard[: len(mmsi)] == shard[len(mmsi) :]).all()
    assert (shard == step_shard(lake_shard(np.asarray(rows["mmsi"])), n)).all()


@pytest.mark.parametrize("n", range(1, 65))
def test_step_shards_are_rows_of_neighbouring_lake_shards(n):
    """As the engine reads them: lake shards from ceil(64 k / n) on."""
    shard = step_shard(np.arange(LAKE_SHARDS), n)
    for k in range(n):
        first, last = (-(-j * LAKE_SHARDS // n) for j in (k, k + 1))
        assert np.flatnonzero(shard == k).tolist() == list(range(first, last))
        assert last > first


@pytest.mark.parametrize("step", [1, 2, 10, 1000])
def test_mmsi_in_any_step_fill_the_lake_shards_alike(step):
    """Numbers are given out in blocks, and many end in noughts."""
    count = np.bincount(lake_shard(366_000_000 + step * np.arange(64_000)), minlength=LAKE_SHARDS)
    assert len(count) == LAKE_SHARDS
    assert count.min() > 500
    assert count.max() < 2000


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)), min_size=1, max_size=50), shards)
def test_a_pair_is_always_in_one_shard(pairs, n):
    a, b = np.array(pairs, np.int32).T
    rows = pa.table({"mmsi_a": np.append(a, a), "mmsi_b": np.append(b, b)})
    row, shard = by_pair(rows, n, RULES)
    assert row.tolist() == list(range(2 * len(a)))
    assert ((shard >= 0) & (shard < n)).all()
    assert (shard[: len(a)] == shard[len(a) :]).all()


@given(st.integers(0, 20), shards)
def test_to_all_is_every_row_to_every_shard(m, n):
    row, shard = to_all(pa.table({"mmsi": np.arange(m)}), n, RULES)
    assert sorted(zip(row.tolist(), shard.tolist(), strict=True)) == [(r, s) for r in range(m) for s in range(n)]


near = st.floats(-0.0031, 0.0031)  # degrees: up to 490 m along the equator and a meridian


@given(st.floats(-180, 180), st.floats(-80, 80), near, near, shards)
def test_two_legs_that_come_near_share_a_shard(lon, lat, east, north, n):
    """Also across the date line, where the second is told at the other end of the map."""
    east = east / np.cos(np.radians(lat)) * 0.7
    other = (lon + east + 180) % 360 - 180
    ends = {"lon0": [lon, other], "lat0": [lat, lat + north * 0.7]}
    legs = pa.table(ends | {"lon1": ends["lon0"], "lat1": ends["lat0"]})
    row, shard = by_cell(legs, n, RULES)
    assert set(shard[row == 0]) & set(shard[row == 1])
    assert ((shard >= 0) & (shard < n)).all()
    assert len(set(zip(row.tolist(), shard.tolist(), strict=True))) == len(row)


@given(st.floats(-180, 180), st.floats(-85, 85), st.floats(-0.1, 0.1), st.floats(-0.07, 0.07))
def test_a_box_holds_its_leg_and_half_the_distance_round_it(lon, lat, east, north):
    legs = pa.table({"lon0": [lon], "lat0": [lat], "lon1": [lon + east], "lat1": [lat + north]})
    west, south, right, top = (side[0] for side in grown_boxes(legs, 500.0))
    half_deg = 250 / 111_700  # no degree of latitude is longer
    assert south < min(lat, lat + north) - half_deg
    assert top > max(lat, lat + north) + half_deg
    wide = half_deg / np.cos(np.radians(max(abs(lat), abs(lat + north))))
    assert west < min(lon, lon + east) - wide * 0.99
    assert right > max(lon, lon + east) + wide * 0.99
