"""What the law tests rely on: a fleet that is deterministic, meets often, and is meeting at any cut."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.geo.coordinates.sphere import haversine_m, wrap_lon
from tests.simulators.fleet import FIRST_MMSI, START_S, fleet

HOURS = 48


@pytest.fixture(scope="module")
def table():
    return fleet(seed=1, hours=HOURS)


def meetings(table, pairs):
    """Spans (start_h, end_h) of 30 min or more within 500 m, minute by minute, joined over 30 min."""
    mmsi, time_us = table["mmsi"].to_numpy(), table["time"].cast("int64").to_numpy()
    lon, lat = table["lon"].to_numpy(), table["lat"].to_numpy()
    grid_us = np.arange(time_us.min(), time_us.max(), 60_000_000)
    spans = []
    for a, b in pairs:
        place = []
        for ship in (a, b):
            mine = mmsi == ship
            turned = np.unwrap(lon[mine], period=360)
            seen = np.searchsorted(time_us[mine], grid_us).clip(1, mine.sum() - 1)
            dark = np.diff(time_us[mine])[seen - 1] > 7.2e9
            where = np.interp(grid_us, time_us[mine], turned)
            place.append((np.where(dark, np.nan, where), np.interp(grid_us, time_us[mine], lat[mine])))
        near = haversine_m(*place[0], *place[1]) <= 500
        at = np.flatnonzero(near)
        for run in np.split(at, np.flatnonzero(np.diff(at) > 30) + 1):
            if len(run) >= 30:
                spans.append((run[0] / 60, (run[-1] + 1) / 60))
    return np.array(spans)


def test_same_seed_same_table(table):
    assert table.equals(fleet(seed=1, hours=HOURS))
    assert not table.equals(fleet(seed=2, hours=HOURS))


def test_many_meetings_and_ten_open_at_every_cut(table):
    spans = meetings(table, [(FIRST_MMSI + 2 * k, FIRST_MMSI + 2 * k + 1) for k in range(24)])
    assert len(spans) >= 60
    assert ((spans[:, 1] - spans[:, 0]) >= 3).sum() >= 30
    cuts = np.arange(1, HOURS)
    open_at = ((spans[:, 0, None] < cuts) & (spans[:, 1, None] > cuts)).sum(axis=0)
    assert open_at.min() >= 10


def test_anchored_ships_stay_together_for_days(table):
    anchored = range(FIRST_MMSI + 48, FIRST_MMSI + 60)
    spans = meetings(table, itertools.combinations(anchored, 2))
    assert (spans[:, 1] - spans[:, 0] > 40).sum() >= 4


def test_dirt_is_there(table):
    time_us = table["time"].cast("int64").to_numpy()
    assert (np.diff(time_us) >= 0).all()
    rows = np.column_stack([table["mmsi"].to_numpy(), time_us, table["lon"].to_numpy()])
    assert len(np.unique(rows, axis=0)) < len(rows)
    assert len(np.unique(rows[:, :2], axis=0)) < len(np.unique(rows, axis=0))
    assert 0.05 < table["sog_kn"].null_count / len(table) < 0.4
    by_ship = np.lexsort((time_us, rows[:, 0]))
    same = np.diff(rows[by_ship, 0]) == 0
    step_s = np.diff(time_us[by_ship])[same] / 1e6
    assert (step_s > 7200).sum() >= 5
    assert np.median(step_s) <= 60
    assert (step_s > 400).any()
    lon = table["lon"].to_numpy()
    assert (lon > 179.5).any()
    assert (lon < -179.5).any()
    assert (np.abs(table["lat"].to_numpy()) > 77).any()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), hours=st.floats(0.5, 8), pairs=st.integers(0, 4), anchored=st.integers(0, 4))
def test_any_fleet_lies_on_the_earth_within_its_hours(seed, hours, pairs, anchored):
    table = fleet(seed=seed, hours=hours, pairs=pairs, anchored=anchored)
    time_s = table["time"].cast("int64").to_numpy() / 1e6
    assert ((time_s >= START_S - 1) & (time_s <= START_S + hours * 3600 + 1)).all()
    lon, lat = table["lon"].to_numpy(), table["lat"].to_numpy()
    assert np.allclose(wrap_lon(lon), lon)
    assert (np.abs(lat) < 90).all()
    assert len(np.unique(table["mmsi"].to_numpy())) <= 2 * pairs + anchored
