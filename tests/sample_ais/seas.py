"""Simulated seas beside what was detected in them: for tests of both."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from stswatch.pipeline import api
from stswatch.sample_ais.simulation import Plan, Simulated, simulate

LEAST_MIN = 40.0  # a meeting of less may be measured as under the half hour of an encounter


@cache
def sea(plan: Plan, seed: int) -> tuple[Simulated, pd.DataFrame]:
    """A sea, and its meetings on purpose: what was detected of each stands in the columns `found_*`."""
    simulated = simulate(plan, seed)
    meetings = simulated.meetings.to_pandas()
    meetings = meetings[meetings.kind != "traffic"].reset_index(drop=True)
    meetings["lasts_min"] = (meetings.end - meetings.start).dt.total_seconds() / 60
    return simulated, matched(meetings, api.detect(simulated.fixes).drop(columns="geometry"))


def matched(meetings: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Meetings with the encounter of the same pair that overlaps each longest; NaN and NaT where there is none."""
    theirs = found.add_prefix("found_").reset_index(names="found")
    pairs = meetings.reset_index(names="row").merge(
        theirs, left_on=["mmsi_a", "mmsi_b"], right_on=["found_mmsi_a", "found_mmsi_b"]
    )
    shared = np.minimum(pairs.end, pairs.found_end_time) - np.maximum(pairs.start, pairs.found_start_time)
    pairs = pairs.assign(shared=shared.dt.total_seconds())
    best = pairs[pairs.shared > 0].sort_values("shared").groupby("row").last()
    return meetings.join(best[[name for name in best if name.startswith("found")]])


def lit(meetings: pd.DataFrame) -> pd.DataFrame:
    """The meetings of which both hulls were heard all the time, outside lawful ports, where neighbours are counted."""
    return meetings[(meetings.seen_share >= 0.95) & (meetings.lasts_min >= LEAST_MIN) & ~meetings.in_port]


def by_satellite(meetings: pd.DataFrame) -> pd.DataFrame:
    """The meetings of two hours or more, outside lawful ports, of which satellites alone heard both hulls."""
    return meetings[(meetings.receiver == "satellite") & (meetings.lasts_min >= 120) & ~meetings.in_port]
