"""Owns: a grid is found from positions alone, however they are cut, and not where a few lie on one by accident."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.geo.coordinates.cells import FINE_DEG, Rounding, moved_m, together


def places(seed, n, decimals):
    rng = np.random.default_rng(seed)
    return np.round(rng.uniform(100, 140, n), decimals), np.round(rng.uniform(20, 45, n), decimals)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 7), st.integers(1, 9))
def test_the_grid_of_many_positions_is_found_wherever_they_are_cut(seed, decimals, parts):
    lon, lat = places(seed, 400, decimals)
    cut = np.sort(np.random.default_rng(seed).integers(0, 401, parts - 1))
    pieces = [Rounding().with_positions(x, y) for x, y in zip(np.split(lon, cut), np.split(lat, cut), strict=True)]
    whole = Rounding().with_positions(lon, lat)
    assert together(pieces).step_deg() == whole.step_deg() == (10.0**-decimals if decimals < FINE_DEG else 0.0)


@pytest.mark.parametrize("decimals", [5, 7])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_positions_of_a_fine_archive_are_no_grid(decimals, n):
    grids = [Rounding().with_positions(*places(seed, n, decimals)).step_deg() for seed in range(3000)]
    assert not any(grids)


@pytest.mark.parametrize(("decimals", "needed"), [(0, 1), (1, 2), (2, 2), (3, 4)])
def test_the_finer_the_grid_the_more_distinct_positions_tell_it(decimals, needed):
    place = np.array([124.0, 36.0]) + 10.0**-decimals
    for n in range(1, 6):
        lon, lat = place[0] + np.arange(n) * 10.0**-decimals, np.full(n, place[1])
        assert bool(Rounding().with_positions(lon.repeat(9), lat.repeat(9)).step_deg()) == (n >= needed)


def test_half_a_diagonal_is_the_furthest_that_rounding_moves_a_position():
    lon, lat = places(1, 1000, 7)
    from stswatch.geo.coordinates.sphere import haversine_m

    off_m = haversine_m(lon, lat, np.round(lon, 2), np.round(lat, 2))
    assert off_m.max() <= moved_m(0.01)
    assert off_m.max() > 0.6 * moved_m(0.01)
