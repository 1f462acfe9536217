"""Silences looked up by track and time."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline.batch import HOUR, MINUTE, build
from stswatch.pipeline.tracks.parties import Edges
from tests.pipeline import seas

NOON = seas.NOON_US


def edges(mmsi, track_us, time_us):
    side = np.full(len(mmsi), "end", object)
    return Edges.of(build("edges", {"mmsi": mmsi, "track_start": track_us, "time": time_us, "side": side}))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 60), st.integers(1, 60))
def test_found_as_by_looking_at_every_edge(seed, n, asked):
    rng = np.random.default_rng(seed)
    mmsi, track = rng.integers(1, 6, n), NOON + rng.integers(0, 3, n) * HOUR
    time = NOON + rng.integers(0, 50, n) * MINUTE
    of, of_track = rng.integers(1, 7, asked), NOON + rng.integers(0, 4, asked) * HOUR
    low = NOON + rng.integers(-100, 100, asked) * MINUTE
    high = low + rng.integers(0, 80, asked) * MINUTE
    found = edges(mmsi, track, time).any_between(of, of_track, low, high)
    expected = [
        bool(((mmsi == m) & (track == t) & (time >= a) & (time <= b)).any())
        for m, t, a, b in zip(of, of_track, low, high, strict=True)
    ]
    assert found.tolist() == expected


def test_a_hundred_thousand_tracks_keep_apart():
    """So many tracks times the microseconds since 1970 would not fit 63 bits."""
    rng, n = np.random.default_rng(1), 100_000
    mmsi, time = np.arange(n) + 200_000_000, NOON + rng.integers(0, 30 * 24 * 60, n) * MINUTE
    collected = edges(mmsi, np.full(n, NOON), time)
    track = np.full(n, NOON)
    assert collected.any_between(mmsi, track, time, time).all()
    assert not collected.any_between(mmsi, track, time + 1, time + MINUTE).any()
    assert not collected.any_between(mmsi, track, time - MINUTE, time - 1).any()
    assert not collected.any_between(mmsi, track + 1, time, time).any()
