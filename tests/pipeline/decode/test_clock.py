"""Owns: the clock of an untimed capture follows most base stations, whatever single ones say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline.decode.assembled import BEYOND_S, CaptureClock, consensus
from stswatch.pipeline.decode.stamps import NO_TIME

START_US = 1_331_724_600_000_000
SIZE = 4_000_000


def reports(n: int, liars: list[int], lie_s: int, rate: int = 50):
    """n reports of 12 stations, one byte each `rate` microseconds; some stations are wrong by lie_s."""
    offset = np.linspace(0, SIZE - 1, n).astype(np.int64)
    mmsi = 2_190_000 + np.arange(n) % 12
    time_us = START_US + offset * rate
    return offset, time_us + np.isin(mmsi - 2_190_000, liars) * lie_s * 1_000_000, mmsi


@given(
    st.integers(120, 400),
    st.sets(st.integers(0, 11), max_size=4),
    st.sampled_from([-(10**9), -(10**8), 10**8, 10**9]),
    st.sampled_from([50, 500, 50_000]),  # captures of 200 s, half an hour and two days
)
def test_a_third_of_stationary_stations_changes_nothing(n, liars, lie_s, rate):
    offset, time_us, mmsi = reports(n, list(liars), lie_s, rate)
    found = consensus(offset, time_us, mmsi, SIZE)
    at = np.arange(0, SIZE, 10_000)
    assert found.clock is not None
    time_us = found.clock.at(at)
    known = time_us != NO_TIME
    assert np.abs(time_us - (START_US + at * rate))[known].max() < 2_000_000 + 0.05 * SIZE * rate
    assert (np.diff(time_us[known]) >= 0).all()
    offset, _, mmsi = reports(n, list(liars), lie_s, rate)
    honest = offset[~np.isin(mmsi - 2_190_000, list(liars))]
    assert known[(at >= honest[0]) & (at <= honest[-1])].all()
    beyond = np.maximum(honest[0] - at, at - honest[-1]) * rate
    assert not known[beyond > 2 * BEYOND_S * 1_000_000].any()


def test_without_a_majority_there_is_no_clock():
    offset, time_us, mmsi = reports(120, [], 0)
    apart = time_us + (mmsi - 2_190_000) * 10**9
    assert consensus(offset, apart, mmsi, SIZE).clock is None
    none = np.zeros(0, np.int64)
    assert consensus(none, none, none, SIZE).clock is None


def test_one_talkative_liar_does_not_outvote_the_others():
    offset, time_us, mmsi = reports(1200, [], 0)
    loud = np.linspace(0, SIZE - 1, 20_000).astype(np.int64)
    offset, order = np.sort(np.append(offset, loud)), np.argsort(np.append(offset, loud), kind="stable")
    time_us = np.append(time_us, START_US + loud * 50 - 10**15)[order]
    mmsi = np.append(mmsi, np.full(20_000, 2_199_999))[order]
    found = consensus(offset, time_us, mmsi, SIZE)
    assert found.clock is not None
    assert abs(int(found.clock.at(np.array([SIZE // 2]))[0]) - (START_US + SIZE // 2 * 50)) < 2_000_000


def test_the_first_and_the_last_report_are_where_the_clock_says_so():
    """Reports to the end of the file, of one station and at an uneven pace, leave nothing to extrapolate."""
    offset = np.cumsum(np.concatenate([np.full(500, 200), np.full(500, 20_000)]))
    time_us = START_US + np.arange(1000) * 10_000_000
    found = consensus(offset, time_us, np.full(1000, 2_190_001), int(offset[-1]) + 80).clock
    assert found.at(offset[[0, -1]]).tolist() == time_us[[0, -1]].tolist()
    assert np.abs(found.at(offset) - time_us).max() < 400_000_000


@pytest.mark.parametrize("every_s", [60, 600, 3600])
@pytest.mark.parametrize("n", [3, 5, 8, 12])
def test_a_few_rare_reports_are_a_clock(n, every_s):
    offset, time_us = np.arange(n) * 500, START_US + np.arange(n) * every_s * 1_000_000
    found = consensus(offset, time_us, 2_190_000 + np.arange(n) % 2, 500 * n)
    assert found.clock.at(offset).tolist() == time_us.tolist()


def test_no_time_is_told_far_beyond_what_was_heard():
    clock = CaptureClock(((1000, START_US), (2000, START_US + 10_000_000)))
    known = clock.at(np.array([1000 - 6001, 1000 - 5999, 2000 + 5999, 2000 + 6001])) != NO_TIME
    assert known.tolist() == [False, True, True, False]
    lone = CaptureClock(((1000, START_US),), still=False)
    assert (lone.at(np.array([0, 1000, 5096, 5097])) != NO_TIME).tolist() == [True, True, True, False]
    assert (CaptureClock(((0, START_US),)).at(np.array([10**9])) == START_US).all()  # given for the whole file


def test_the_time_of_a_satellite_receiver_is_enough_and_does_not_outvote_base_stations():
    offset, time_us, mmsi = reports(120, [], 0)
    assert consensus(offset[:1], time_us[:1], np.array([-5]), SIZE).clock.at(offset[:1]).tolist() == [START_US]
    wrong = np.where(np.arange(240) % 2, START_US - 1024 * 7 * 86_400_000_000, 0)  # its count of weeks came round
    found = consensus(np.repeat(offset, 2), np.where(wrong, wrong, np.repeat(time_us, 2)),
                      np.where(wrong, -5, np.repeat(mmsi, 2)), SIZE)  # fmt: skip
    assert found.clock is None or np.abs(found.clock.at(offset) - time_us).max() < 300_000_000
