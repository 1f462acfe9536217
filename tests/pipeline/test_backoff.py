"""Owns: pauses between tries grow to a longest, and chance takes at most a half of each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline.trouble import wait_s


@given(st.integers(1, 10**9), st.floats(0.001, 10), st.floats(10, 1e4), st.floats(0, 1))
def test_a_pause_lies_within_its_bounds(failures, first_s, most_s, chance):
    longest_s = wait_s(failures, first_s, most_s, 1.0)
    assert longest_s / 2 <= wait_s(failures, first_s, most_s, chance) <= longest_s <= most_s
    assert longest_s <= wait_s(failures + 1, first_s, most_s, 1.0)
    assert wait_s(1, first_s, most_s, 1.0) == first_s
