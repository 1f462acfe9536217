"""Owns: never more messages in any span of time than the pace allows, and none held back for longer than it must be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline.alerts.alert import Pace
from stswatch.pipeline.alerts.delivery import Bucket


@given(
    st.floats(1, 3600),
    st.integers(1, 20),
    st.lists(st.floats(0, 600), min_size=1, max_size=80),
)
def test_no_span_holds_more_than_the_pace(per_hour, burst, pauses_s):
    bucket, at_s, went_s = Bucket(Pace(per_hour, burst), 0.0), 0.0, []
    for pause_s in pauses_s:
        at_s += pause_s
        ready = bucket.ready_in_s(at_s) <= 1e-6
        if bucket.take(at_s):
            went_s.append(at_s)
            assert ready
    for first, begin_s in enumerate(went_s):
        for last in range(first, len(went_s)):
            span_h = (went_s[last] - begin_s) / 3600
            assert last - first + 1 <= burst + span_h * per_hour + 1e-6


@given(st.floats(1, 3600), st.integers(1, 20))
def test_after_the_wait_that_it_names_a_message_may_go(per_hour, burst):
    bucket = Bucket(Pace(per_hour, burst), 0.0)
    assert all(bucket.take(0.0) for _ in range(burst))
    wait_s = bucket.ready_in_s(0.0)
    assert 0 < wait_s <= 3600 / per_hour + 1e-6
    assert bucket.take(wait_s + 1e-6)


def test_a_clock_that_stands_or_goes_back_gives_nothing():
    bucket = Bucket(Pace(60, 1), 100.0)
    assert [bucket.take(100.0), bucket.take(100.0), bucket.take(50.0)] == [True, False, False]


def test_without_a_pace_all_may_go():
    bucket = Bucket(Pace(), 0.0)
    assert all(bucket.take(0.0) for _ in range(1000))
