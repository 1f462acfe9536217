"""Owns: the law of detection on simulated seas: what is lit is found, when it was; satellites show most of theirs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stswatch.sample_ais.simulation import Plan
from tests.sample_ais import seas

SMALL = Plan(days=3.0, background=10, transfers=70, look_alikes=70, range_factor=1.4)
LARGE = Plan(days=7.0, background=100, transfers=120, look_alikes=200)
SPARSE = Plan(days=4.0, background=5, transfers=60, look_alikes=0, only=("satellite_only",))
NEAR_MIN = 10.0


def errors_min(meetings: pd.DataFrame) -> np.ndarray:
    """How far start and end were missed, minutes, where both hulls were heard then and the plan did not cut."""
    start = meetings[meetings.seen_start & ~meetings.begun_before]
    end = meetings[meetings.seen_end & ~meetings.goes_on_after]
    missed = [start.found_start_time - start.start, end.found_end_time - end.end]
    return np.abs(pd.concat(missed).dt.total_seconds().to_numpy() / 60)


def held(meetings: pd.DataFrame, least_lit: int, least_satellite: int) -> None:
    lit = seas.lit(meetings)
    assert len(lit) >= least_lit
    assert lit.found.notna().mean() >= 0.98
    off_min = errors_min(lit[lit.found.notna()])
    assert len(off_min) >= least_lit
    assert (off_min <= NEAR_MIN).mean() >= 0.98
    far = seas.by_satellite(meetings)
    assert len(far) >= least_satellite
    assert far.found.notna().mean() >= 0.8


def test_what_is_lit_is_found_when_it_was_and_most_of_what_satellites_hear():
    held(seas.sea(SMALL, 101)[1], 20, 15)


def test_hulls_heard_only_each_40_to_100_minutes_are_mostly_found():
    """Of all of two hours and more, those too of which one hull was heard little or never."""
    far = seas.sea(SPARSE, 301)[1]
    far = far[(far.lasts_min >= 120) & ~far.in_port]
    assert len(far) >= 40
    assert far.found.notna().mean() >= 0.8


def test_they_are_heard_only_each_40_to_100_minutes():
    """From one pass to the next in which anything was received of a hull."""
    simulated, meetings = seas.sea(SPARSE, 301)
    fixes = simulated.fixes.to_pandas()
    fixes = fixes[fixes.mmsi.isin({*meetings.mmsi_a, *meetings.mmsi_b})]
    passes = {mmsi: rows.time.sort_values() for mmsi, rows in fixes.groupby("mmsi")}
    apart_min = [passed(times.diff().dt.total_seconds() / 60, times) for times in passes.values()]
    apart = np.concatenate(apart_min)
    assert len(apart) > 2000
    assert np.quantile(apart, 0.02) > 35
    assert ((apart > 38) & (apart < 102)).mean() > 0.9


def passed(since_min: pd.Series, times: pd.Series) -> np.ndarray:
    """Minutes (n,) from the first fix of each pass to that of the next, where a pass is over after 20 min without."""
    first = times[since_min.isna() | (since_min > 20)]
    return first.diff().dropna().dt.total_seconds().to_numpy() / 60


@pytest.mark.soak
def test_large_seas_too():
    held(pd.concat(seas.sea(LARGE, seed)[1] for seed in range(201, 206)), 300, 200)


def test_what_nobody_heard_is_not_found():
    meetings = seas.sea(SMALL, 101)[1]
    dark = meetings[(meetings.scenario == "both_dark") & (meetings.receiver == "none")]
    assert len(dark) >= 1
    assert dark.found.isna().all()
