"""Owns: what a card writes down of its training is what was there, and drift is nought there and grows elsewhere."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.models.scorecard import ALIKE, OTHER, load, own, parsed, stability
from stswatch.models.training import train

shares = st.lists(st.integers(0, 50), min_size=2, max_size=8).filter(any)


def meetings(n=2000, seed=1, longer=1.0):
    """Meetings of which the longer and nearer are transfers more often."""
    rng = np.random.default_rng(seed)
    minutes, metres = rng.lognormal(5, 1, n) * longer, rng.uniform(20, 500, n)
    odds = np.log(minutes / longer / 150) + (150 - metres) / 80
    columns = {"duration_min": minutes, "median_distance_m": np.where(rng.random(n) < 0.1, np.nan, metres)}
    return columns, rng.random(n) < 1 / (1 + np.exp(-odds))


@pytest.fixture(scope="module")
def card():
    from stswatch.models.features import FEATURES

    columns, transfer = meetings()
    mine = [f for f in FEATURES if f.name in ("duration_h", "median_distance_m")]
    return parsed(train(columns, transfer, features=mine))


def values(card, columns):
    """Scores and values by feature, as a store has them."""
    value = card._values(columns)
    return card.score(columns)[0], {s.feature.name: value[:, i] for i, s in enumerate(card.steps)}


def test_what_is_written_down_is_how_the_training_was_spread(card):
    columns, _ = meetings()
    known = card.training["distribution"]
    assert known["meetings"] == 2000
    assert json.loads(json.dumps(known)) == card.distribution(columns)
    for steps in card.steps:
        share = known["features"][steps.feature.name]
        assert len(share) == len(steps.points) + 1
        assert sum(share) == pytest.approx(1)
    assert known["features"]["median_distance_m"][-1] == pytest.approx(np.isnan(columns["median_distance_m"]).mean())
    assert known["score"]["shares"][-1] == 0


def test_there_is_no_drift_where_nothing_has_changed_and_more_the_more_has(card):
    same = card.drift(*values(card, meetings()[0]))
    assert set(same) == {"score", "duration_h", "median_distance_m"}
    assert max(same.values()) == pytest.approx(0, abs=1e-9)
    other = card.drift(*values(card, meetings(seed=2)[0]))
    assert max(other.values()) < ALIKE / 2
    longer = card.drift(*values(card, meetings(seed=2, longer=4.0)[0]))
    assert longer["duration_h"] > OTHER
    assert longer["median_distance_m"] < ALIKE / 2


def test_a_card_set_by_hand_has_nothing_to_drift_from():
    assert load(own("rules.json")).drift(np.zeros(3), {}) is None


@given(shares, st.integers(1, 10_000))
def test_stability_is_nought_of_itself_and_never_below(counts, n):
    there = np.array(counts) / sum(counts)
    other = np.roll(there, 1)
    assert stability(there, there, n) == 0
    assert stability(there, other, n) == pytest.approx(stability(other, there, n))
    assert stability(there, other, n) >= 0
    assert np.isfinite(stability(there, other, n))
