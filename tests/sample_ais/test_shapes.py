"""Owns: durations, distances and speeds are drawn as the fit says, and the fit is that of the real meetings."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from stswatch.sample_ais import make_files
from stswatch.sample_ais.scenes import circumstances

HELD = json.loads((files("stswatch.sample_ais") / "meetings.json").read_text())["columns"]
DRAWN = {
    "duration_h": lambda rng, n: circumstances.fitted()["duration_h"].draw(rng, n, 2.0, np.inf),
    "median_distance_m": lambda rng, n: circumstances.fitted()["median_distance_m"].draw(rng, n, 0.0, 500.0),
    "median_speed_kn": lambda rng, n: circumstances.fitted()["median_speed_kn"].draw(rng, n, 0.0, 2.0),
}


@pytest.mark.parametrize("name", HELD)
def test_draws_within_the_bounds_of_the_sample_have_its_quartiles(name):
    drawn = DRAWN[name](np.random.default_rng(1), 100_000)
    assert np.quantile(drawn, [0.25, 0.5, 0.75]) == pytest.approx(HELD[name]["quartiles_of_the_sample"], rel=0.12)
    assert HELD[name]["values"] > 11_000


def test_what_is_drawn_lies_within_what_an_encounter_can_be():
    rng = np.random.default_rng(2)
    hours, apart_m, speed_kn = (
        circumstances.durations_h(rng, 20_000),
        circumstances.distances_m(rng, 20_000),
        circumstances.speeds_kn(rng, 20_000),
    )
    assert hours.min() >= circumstances.SHORTEST_H
    assert (hours < 2).mean() > 0.1  # the sample has none; the shape goes on below it
    assert (apart_m.min(), apart_m.max() < 500) == (pytest.approx(circumstances.NEAREST_M, abs=1), True)
    assert (speed_kn > 2).mean() > 0.02
    assert speed_kn.max() < 5


def test_factors_stretch():
    rng = np.random.default_rng(3)
    plain, double = (np.median(circumstances.durations_h(rng, 20_000, factor=f)) for f in (1.0, 2.0))
    assert 1.3 < double / plain < 2.2


@pytest.mark.parametrize("column", make_files.COLUMNS, ids=lambda column: column.name)
def test_a_fit_finds_what_a_truncated_sample_was_drawn_from(column):
    """The oracle of the likelihood: what it is told to find, though the sample shows only a part."""
    collected = np.array(column.start)
    mixture = circumstances.Mixture(*column.start)
    drawn = mixture.draw(np.random.default_rng(4), 20_000, column.low, column.high)
    assert len(drawn) == 20_000
    found = make_files.fit(drawn, np.ones(len(drawn)), column._replace(step=0.0))
    median = 1 if column.name == "median_distance_m" else 3
    assert found[median] == pytest.approx(collected[median], rel=0.15)
    assert found[0] == pytest.approx(collected[0], abs=0.15)


def test_real_meetings_are_drawn_alike(real):
    sample = pd.read_csv(real / "truth" / "gfw_miller2018_encounter-events.csv.gz")
    rng = np.random.default_rng(5)
    for column in make_files.COLUMNS:
        x = sample[column.theirs].to_numpy() * column.scale
        x = x[(x >= column.low) & (x < column.high) & (x > 0)]
        assert ks_2samp(x, DRAWN[column.name](rng, 50_000)).statistic < 0.06
