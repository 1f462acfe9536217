"""Owns: which days a wrong clock brought: those alone; no day of an archive that is whole, thin or of many years."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline import schema
from stswatch.pipeline.batch import DAY
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.tracks.stray_days import FEW, Day, added, days_of, impossible, stray_days, without_strays
from tests.pipeline import seas

BASE = 20_157  # 2025-03-10
HOUR_US = DAY // 24
YEAR_D = 365


def heard(vessels, days, every_min=10.0, hours=(0.0, 24.0)):
    """MMSI and time of vessels heard in some hours of some days, from BASE."""
    at = np.arange(hours[0] * 60, hours[1] * 60, every_min) * 60_000_000
    parts = [
        (np.full(len(at), v), (BASE + d) * DAY + at.astype(np.int64) + 1_000_000 * (v % 50))
        for v in vessels
        for d in days
    ]
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def together(*parts):
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def table(rows):
    mmsi, time_us = rows
    return pa.table({"mmsi": pa.array(mmsi, pa.int32()), "time": pa.array(time_us, pa.int64()).cast(schema.UTC)})


def strays(*parts):
    return {day - BASE for day in stray_days(added([days_of(table(together(*parts)))]), Rules())}


TWO = heard([1, 2], [0], every_min=10.0, hours=(12, 14.2))  # 27 rows
SHIPS = heard(range(1, 23), [0])
WEEK = heard(range(1, 23), range(7))


def record(vessel, day, hour=12.0):
    return np.array([vessel]), np.array([(BASE + day) * DAY + round(hour * HOUR_US)])


@pytest.mark.parametrize("base", [TWO, SHIPS, WEEK], ids=["two", "ships", "week"])
@pytest.mark.parametrize("day", [9862, 1096, 40, 19, -19, -400, -7168], ids=str)
def test_one_record_far_away_is_a_stray(base, day):
    assert strays(base, record(3, day)) == {day}
    assert strays(base, record(99, day)) == {day}


@pytest.mark.parametrize("day", [12, 20, -30, -7168])
@pytest.mark.parametrize("base", [TWO, SHIPS, WEEK], ids=["two", "ships", "week"])
def test_dozens_of_records_of_one_clock_are_strays(base, day):
    assert strays(base, heard([99], [day], hours=(12, 18))) == {day}


@pytest.mark.parametrize("day", [2, 3, 5, -2, -6])
@pytest.mark.parametrize("vessel", [3, 99])
def test_days_ahead_or_behind_of_a_full_day(day, vessel):
    assert strays(SHIPS, heard([vessel], [day], hours=(12, 16))) == {day}


@pytest.mark.parametrize("day", [1, -1])
def test_a_clock_that_always_is_a_day_wrong(day):
    assert strays(SHIPS, heard([99], [day])) == {day}
    assert strays(WEEK, heard([99], [k + day for k in range(7)])) == {7 if day > 0 else -1}


def test_a_new_vessel_days_ahead_of_two():
    assert strays(TWO, record(3, 5)) == {5}


def test_several_clocks_are_judged_one_by_one():
    assert strays(SHIPS, record(50, 3), record(51, 5), record(52, 900), record(53, -7168)) == {3, 5, 900, -7168}


def test_statics_alone_far_away_are_strays():
    fixes, reports = days_of(table(SHIPS)), days_of(table(record(3, 500)))
    assert stray_days(added([fixes, reports]), Rules()) == {BASE + 500}


WHOLE = {
    "one day": [SHIPS],
    "a week": [WEEK],
    "past midnight": [SHIPS, heard([5], [1], hours=(0, 1))],
    "a moored ship through the night": [SHIPS, heard([5], [1], hours=(0, 4))],
    "two years apart": [heard(range(1, 23), range(3)), heard(range(1, 23), range(2000, 2300), every_min=240)],
    "a file of two ships of other years": [SHIPS, heard([30, 31], [-3000], hours=(10, 14))],
    "one ship for a year and a day of many": [SHIPS, heard([5], range(-200, 165), every_min=60)],
    "one ship for a year, long before": [SHIPS, heard([5], range(-900, -535), every_min=60)],
    "a satellite": [heard([1], range(0, 300, 2), every_min=720), heard([2], range(1, 300, 2), every_min=720)],
    "a satellite with weeks between": [heard([1, 2], range(0, 300, 15), 720), heard([3], [320, 340], 720)],
    "thin years before": [heard([1], range(-700, 0), every_min=300), WEEK],
    "thin years after": [WEEK, heard([1], range(7, 700), every_min=300)],
    "one comes back": [TWO, record(1, 3)],
    "one ship alone": [heard([1], [0]), record(1, 400)],
    "nothing": [(np.zeros(0, int), np.zeros(0, int))],
}


@pytest.mark.parametrize("name", WHOLE)
def test_an_archive_that_is_whole_has_none(name):
    assert strays(*WHOLE[name]) == set()


@given(data=st.data(), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_no_cut_shows(data, seed):
    rows = together(SHIPS, record(99, 700), heard([98], [1]), heard(range(200, 200 + FEW), [2], every_min=300))
    order = np.random.default_rng(seed).permutation(len(rows[0]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=4)))
    parts = [days_of(table(tuple(column[at] for column in rows))) for at in np.split(order, cuts)]
    assert added(parts) == added([days_of(table(rows))])


def test_a_day_survives_json():
    for vessels in ((), (3, 9), None):
        day = Day(5, 2, 10, 20, vessels)
        assert Day.from_list(day.to_list()) == day


def test_what_comes_after_the_day_of_reading_or_before_ais_is_impossible():
    assert [impossible(day, 20_000) for day in (0, 9130, 9131, 20_000, 20_001)] == [True, True, False, False, True]
    assert not impossible(30_000, None)


def test_rows_in_memory():
    mmsi, time_us = together(SHIPS, record(99, 700), record(98, 9000))
    fixes = seas.fixes(mmsi, time_us, np.full(len(mmsi), 124.0), np.full(len(mmsi), 38.0))
    used, _ = without_strays(fixes, schema.empty("static_reports"), Rules(), BASE + 800)
    assert used.num_rows == len(SHIPS[0])
    assert without_strays(used, schema.empty("static_reports"), Rules(), BASE + 800)[0] is used
