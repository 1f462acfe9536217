"""Owns: the baselines are the rules as published, with edges, and what passes stands above what does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from stswatch.models import scorecard
from stswatch.models.ranking import BASELINES, PASSED, scores
from tests.models.drawn import MEETINGS, columns, meeting, swapped

BY_NAME = {baseline.name: baseline for baseline in BASELINES}
FISHING = {"duration_min": 120, "median_speed_a_kn": 1.9, "median_speed_b_kn": 0.1, "distance_to_port_km": 10}


def passes(name, beside=False, **given_columns):
    return bool(BY_NAME[name].function(meeting(**given_columns) | {"starboard": [beside]})[0] == PASSED)


@pytest.mark.parametrize(
    ("change", "passed"),
    [
        ({}, True),
        ({"duration_min": 119.9}, False),
        ({"median_speed_b_kn": 2.0}, False),
        ({"distance_to_port_km": 9.9}, False),
        ({"median_distance_m": 490}, True),
        ({"distance_to_port_km": None}, False),
    ],
)
def test_the_rule_of_global_fishing_watch(change, passed):
    assert passes("Global Fishing Watch", **(FISHING | change)) is passed


@pytest.mark.parametrize(
    ("beside", "shore_km", "port_km", "passed"),
    [
        (True, 10, 1, True),
        (True, 9.9, 50, False),
        (True, None, 10, True),
        (True, None, 9, False),
        (False, 90, 90, False),
    ],
)
def test_the_rule_of_starboard(beside, shore_km, port_km, passed):
    given_columns = {"distance_to_shore_km": shore_km, "distance_to_port_km": port_km}
    assert passes("Starboard", beside, **given_columns) is passed


@given(MEETINGS)
def test_each_is_symmetric_and_a_rule_has_two_values(rows):
    made = columns(rows, starboard=[row["gap_a"] for row in rows])
    for baseline in BASELINES:
        score = baseline.function(made)
        assert np.isfinite(score).all()
        np.testing.assert_array_equal(score, baseline.function(swapped(made)))
        assert not baseline.parts or set(score.tolist()) <= {0.0, PASSED}


def test_the_table_has_the_rules_and_the_plain_measures():
    made = meeting() | {"starboard": [True]}
    found = scores_of(made)
    assert found["rules.json"] == scorecard.load(scorecard.own("rules.json")).score(made)[0][0]
    assert found["duration alone"] == 1.5
    assert found["distance alone"] == -150
    assert len(found) == len(BASELINES) >= 5


def scores_of(made):
    return {name: float(score[0]) for name, score in scores(made).items()}
