"""Owns: of the calls of a simulated sea, lit and dark, so many are found; the figures are printed."""

from __future__ import annotations

import pandas as pd
import pytest

from stswatch.geo.reference.ports import ports
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import STEPS, at_once
from stswatch.sample_ais.simulation import VoyagePlan, simulate

PLAN = VoyagePlan(days=9.0, background=20, transfers=6, look_alikes=10, trade=30, moored=4)
RECALL_LIT, RECALL_DARK, FIRST = 0.9, 0.7, 3

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def sea():
    """Calls of three seas, those found in their fixes, and the end of every silence that a fix ended."""
    true, found, gaps = [], [], []
    for seed in (11, 12, 13):
        simulated = simulate(PLAN, seed)
        steps = tuple(step for step in STEPS if step.name in ("vessel", "coverage", "reception", "calls"))
        given = at_once(simulated.fixes, simulated.static_reports, Rules(), steps)
        span = simulated.fixes["time"].to_pandas()
        calls = simulated.more["port_calls"].to_pandas()
        calls["arrives"], calls["leaves"] = calls.arrives.fillna(span.min()), calls.leaves.fillna(span.max())
        for rows, table in ((true, calls), (found, given["port_calls"].to_pandas()), (gaps, given["gaps"].to_pandas())):
            rows.append(table.assign(seed=seed))
    return tuple(pd.concat(rows, ignore_index=True) for rows in (true, found, gaps))


def matched(true: pd.DataFrame, found: pd.DataFrame) -> pd.Series:
    """Whether each call has one of the same vessel and port that overlaps it."""
    pairs = true.reset_index(names="call").merge(found, on=["seed", "mmsi", "port"], suffixes=("", "_found"))
    hit = pairs[(pairs.arrival < pairs.leaves) & (pairs.departure > pairs.arrives)].call
    return pd.Series(true.index.isin(hit), true.index)


def hours(rows: pd.DataFrame) -> pd.Series:
    return (rows.leaves - rows.arrives).dt.total_seconds() / 3600


def test_calls_that_were_heard_are_found(sea, capsys):
    true, found, _ = sea
    lit = true[(true.shown == "lit") & ~true.forged & (hours(true) >= 1) & ~true.port.str.startswith("mooring")]
    hit = matched(lit, found[found.shown != "dark_possible"])
    of_trade = lit.port.isin(ports().id[ports().trade])
    with capsys.disabled():
        print(
            f"\nlit calls: {hit.mean():.3f} of {len(lit)};"
            f" at trade ports {hit[of_trade].mean():.3f} of {of_trade.sum()}"
        )
    assert len(lit) > 150
    assert of_trade.sum() > 40
    assert min(hit.mean(), hit[of_trade].mean()) >= RECALL_LIT


def test_dark_calls_are_among_the_first_ports_that_the_silence_leaves_time_for(sea, capsys):
    """Of those at DPRK and trade ports of which the vessel was heard again: an open silence says nothing."""
    true, found, gaps = sea
    dark = true[(true.shown == "dark") & ~true.forged & true.port.isin(ports().id[ports().trade])]
    ended = gaps[gaps.ending == "resumed"]
    pairs = dark.reset_index(names="call").merge(ended, on=["seed", "mmsi"])
    dark = dark.loc[pairs[(pairs.start_time <= pairs.arrives) & (pairs.end_time >= pairs.leaves)].call.unique()]
    possible = found[found.shown == "dark_possible"]
    hit, first = matched(dark, possible), matched(dark, possible[possible["rank"] <= FIRST])
    with capsys.disabled():
        print(f"\ndark calls: {first.mean():.3f} of {len(dark)} among the first {FIRST}, {hit.mean():.3f} at all")
    assert len(dark) >= 10
    assert first.mean() >= RECALL_DARK
    assert not possible.may_score.any()
