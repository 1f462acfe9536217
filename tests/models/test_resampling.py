"""Owns: vessels are drawn, not meetings: the same each time, one on average; what shares a vessel moves together."""

from __future__ import annotations

import numpy as np

from stswatch.models.ranking import interval, vessel_draws


def test_the_same_seed_gives_the_same_weights():
    a, b = np.arange(50), np.arange(50) + 50
    first = vessel_draws(a, b, 20, seed=3)
    assert (first == vessel_draws(a, b, 20, seed=3)).all()
    assert (first != vessel_draws(a, b, 20, seed=4)).any()


def test_a_meeting_counts_once_on_average():
    a, b = np.arange(2000), np.arange(2000) + 2000
    assert abs(vessel_draws(a, b, 50, seed=1).mean() - 1) < 0.02


def test_without_a_vessel_none_of_its_meetings_counts():
    """Nine meetings of one busy vessel go together: in about 37 of 100 draws all of them are gone."""
    busy, others = np.zeros(9, np.int64), np.arange(1, 10)
    weights = vessel_draws(busy, others, 4000, seed=2)
    gone = (weights == 0).all(axis=1).mean()
    assert abs(gone - np.exp(-1)) < 0.03
    apart = vessel_draws(np.arange(100, 109), others, 4000, seed=2)
    assert (apart == 0).all(axis=1).mean() < 0.05


def test_the_range_of_a_mean_holds_what_it_should():
    """Nine ranges of ten hold the true mean of meetings whose two vessels each bring a share of the value."""
    held = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        trait = rng.normal(0, 1, 60)
        a, b = rng.integers(0, 30, 300), rng.integers(30, 60, 300)
        value = trait[a] + trait[b] + rng.normal(0, 0.3, 300)
        weights = vessel_draws(a, b, 400, seed=seed)
        low, high = interval(value.mean(), (weights * value).sum(axis=1) / weights.sum(axis=1))[1:]
        held += low <= 0 <= high
    assert held >= 51


def test_draws_without_meaning_are_left_out():
    value, low, high = interval(1.0, np.array([np.nan, 0.0, 2.0]))
    assert (value, low, high) == (1.0, 0.05, 1.95)
    assert np.isnan(interval(1.0, np.array([np.nan]))[1:]).all()
