"""Owns: the suite gives nothing away: no single feature tells a transfer from what only looks like one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from stswatch.models import feature, features
from stswatch.sample_ais.simulation import Plan
from tests.sample_ais import seas

MOST = 0.85
SMALL = Plan(
    days=3.0, background=10, transfers=70, look_alikes=70, range_factor=1.4
)  # as test_detection's, whose sea is at hand
LARGE = Plan(days=7.0, background=100, transfers=120, look_alikes=200)


def aucs(meetings: pd.DataFrame) -> dict[str, float]:
    """For each feature of the score, and the hour: how well it alone tells transfers among what was detected.

    0.5 is not at all, 1 always; a feature that is the same for all has 0.5.
    """
    found = meetings[meetings.found.notna()]
    columns = {name.removeprefix("found_"): found[name].to_numpy() for name in found if name.startswith("found_")}
    collected = {name: list(v) if v.dtype == object else v for name, v in columns.items()}
    values = dict(zip((f.name for f in features.FEATURES), feature.values(collected, features.FEATURES).T, strict=True))
    values["hour"] = found.found_start_time.dt.hour.to_numpy(float)
    transfer = (found.kind == "transfer").to_numpy()
    out = {}
    for name, value in values.items():
        known = ~np.isnan(value)
        if len(np.unique(transfer[known])) == 2:
            auc = float(roc_auc_score(transfer[known], value[known]))
            out[name] = max(auc, 1 - auc)
    return out


def test_no_feature_of_the_score_gives_a_transfer_away():
    meetings = seas.sea(SMALL, 101)[1]
    assert meetings[meetings.found.notna()].kind.value_counts().min() >= 20
    collected = aucs(meetings)
    assert {"duration_h", "median_distance_m", "speed_kn", "zone", "distance_to_port_km", "dark_beside"} <= set(
        collected
    )
    assert {name: auc for name, auc in collected.items() if auc > MOST} == {}


@pytest.mark.soak
def test_no_feature_gives_a_transfer_away_in_large_seas():
    collected = aucs(pd.concat(seas.sea(LARGE, seed)[1] for seed in range(201, 206)))
    print({name: round(auc, 3) for name, auc in collected.items()})
    assert max(collected.values()) <= MOST


def test_the_check_would_notice():
    """A sea in which one feature tells all has an AUC of 1."""
    meetings = seas.sea(SMALL, 101)[1].copy()
    meetings["found_duration_min"] = np.where(meetings.kind == "transfer", 600.0, 60.0)
    assert aucs(meetings)["duration_h"] == 1.0


def test_circumstances_are_drawn_alike():
    """Where, how long and how close do not depend on the kind: the truth itself, detected or not."""
    meetings = seas.sea(SMALL, 101)[1]
    inside = meetings.groupby("kind").place.agg(lambda p: (~p.isin(["open", "approaches", "trade_roads"])).mean())
    assert abs(inside["transfer"] - inside["look_alike"]) < 0.25
    for column in ("lasts_min", "median_m"):
        auc = roc_auc_score(meetings.kind == "transfer", meetings[column])
        assert 0.35 < auc < 0.65
