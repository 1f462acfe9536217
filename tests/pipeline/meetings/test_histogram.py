"""Time spent by distance, and medians from it, against the same motion sampled densely."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline.meetings.intervals import DISTANCE, DISTANCE_BIN_M, SPEED_A, SPEED_B, Motion, median, medians

BIN_M = DISTANCE_BIN_M


def motions(seed, n):
    """Offsets at both ends within 500 m, some that never change, some along one line through the other ship."""
    rng = np.random.default_rng(seed)
    away_m, turn = 500 * np.sqrt(rng.random((2, n))), rng.uniform(0, 2 * np.pi, (2, n))
    x, y = away_m * np.sin(turn), away_m * np.cos(turn)
    rest, line = rng.random(n) < 0.2, rng.random(n) < 0.2
    x[1], y[1] = np.where(rest, x[0], np.where(line, -x[0], x[1])), np.where(rest, y[0], np.where(line, -y[0], y[1]))
    x, y = np.round(x, 2), np.round(y, 2)
    return x[0], y[0], x[1], y[1], rng.integers(1, 7_200_000, n)


def rings(x0, y0, x1, y1, span_ms):
    """Row, ring and milliseconds, none of them 0."""
    found = Motion.of(x0, y0, x1, y1).rings(span_ms)
    assert (found[2] >= 0).all()
    return tuple(part[found[2] > 0] for part in found)


def sampled(x0, y0, x1, y1, samples=20_001):
    """Distances along each motion at even times, (n, samples)."""
    share = (np.arange(samples) + 0.5) / samples
    return np.hypot(x0[:, None] + (x1 - x0)[:, None] * share, y0[:, None] + (y1 - y0)[:, None] * share)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_the_time_in_each_ring_is_that_of_dense_samples_and_adds_up(seed):
    x0, y0, x1, y1, span_ms = motions(seed, 40)
    row, ring, spent_ms = rings(x0, y0, x1, y1, span_ms)
    assert (np.bincount(row, spent_ms, 40) == span_ms).all()
    distance_m = sampled(x0, y0, x1, y1)
    for k in range(40):
        count = np.bincount((distance_m[k] // BIN_M).astype(int), minlength=102) / distance_m.shape[1]
        share = np.zeros(102)
        share[ring[row == k]] = spent_ms[row == k] / span_ms[k]
        assert np.abs(np.cumsum(share) - np.cumsum(count)).max() < 2e-3 + 1.5 / span_ms[k]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12))
def test_the_median_of_several_motions_is_within_a_bin_of_that_of_all_samples(seed, groups):
    n = 60
    x0, y0, x1, y1, span_ms = motions(seed, n)
    group = np.sort(np.random.default_rng(seed).integers(0, groups, n))
    row, ring, spent_ms = rings(x0, y0, x1, y1, span_ms)
    order = np.lexsort((ring, group[row]))
    found = median(group[row][order], ring[order], spent_ms[order], groups) * BIN_M
    distance_m = sampled(x0, y0, x1, y1, 501)
    for k in range(groups):
        mine = group == k
        if not mine.any():
            assert np.isnan(found[k])
            continue
        flat, weight = distance_m[mine].ravel(), np.repeat(span_ms[mine], 501)
        by_distance = np.argsort(flat)
        upto = np.cumsum(weight[by_distance])
        middle = flat[by_distance][np.searchsorted(upto, upto[-1] / 2)]
        # where the two halves lie in bins apart, any distance between them is a median
        low, high = (flat[by_distance][np.searchsorted(upto, upto[-1] * q)] for q in (0.495, 0.505))
        assert low - BIN_M <= found[k] <= high + BIN_M, (middle, found[k])


def test_the_bins_of_distance_and_speed_do_not_mix():
    """Three quantities of two encounters in one list: 20 to 25 m, 1.0 kn and 2.3 kn; nothing but a distance."""
    row = np.array([0, 0, 0, 1])
    code = np.array([DISTANCE + 4, SPEED_A + 10, SPEED_B + 23, DISTANCE + 0])
    ms = np.array([8, 8, 8, 8])
    assert medians(row, code, ms, DISTANCE, 2).tolist() == [22.5, 2.5]
    assert medians(row, code, ms, SPEED_A, 2)[0] == pytest.approx(1.0)
    assert medians(row, code, ms, SPEED_B, 2)[0] == pytest.approx(2.3)
    assert np.isnan(medians(row, code, ms, SPEED_A, 2)[1])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 49), st.integers(1, 10**6)), min_size=1, max_size=30, unique_by=lambda b: b[0])
)
def test_the_median_speed_is_within_a_tenth_of_a_knot(collected):
    collected = np.array(sorted(collected))
    code, ms = collected[:, 0] + SPEED_A, collected[:, 1]
    found = medians(np.zeros(len(ms), int), code, ms, SPEED_A, 1)[0]
    upto = np.cumsum(ms)
    middle = collected[np.searchsorted(upto, upto[-1] / 2), 0] / 10
    assert abs(found - middle) <= 0.1 + 1e-9


def test_a_slow_ship_has_a_median_speed_that_is_not_below_zero():
    assert medians(np.array([0]), np.array([SPEED_A]), np.array([5]), SPEED_A, 1).tolist() == [0.0]
