"""Owns: the clock of an untimed capture follows most base stations, whatever single ones say."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline.decode.clock import consensus

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
def test_a_third_of_lying_stations_changes_nothing(n, liars, lie_s, rate):
    found = consensus(*reports(n, list(liars), lie_s, rate), SIZE)
    at = np.arange(0, SIZE, 10_000)
    assert found.clock is not None
    wrong = np.abs(found.clock.at(at) - (START_US + at * rate))
    assert wrong.max() < 2_000_000 + 0.05 * SIZE * rate
    assert (np.diff(found.clock.at(at)) >= 0).all()


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
