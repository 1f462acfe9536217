"""Owns: what the truth of a sea of weeks says of a ship is not readable from one field of what it sends."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.tree import DecisionTreeClassifier

from stswatch.sample_ais.fleet.waters import waters
from stswatch.sample_ais.scenes.scenarios import LOOK_ALIKE, TRANSFER
from stswatch.sample_ais.simulation import VoyagePlan, scenes_of, simulate

PLAN = VoyagePlan(days=9.0, background=70, transfers=30, look_alikes=60, trade=14, moored=24)
# not place and time: where and when an outage was is what tells it, in every sea
REPORT = ("sog_kn", "cog_deg", "heading_deg", "status", "msg_type", "radio", "raim", "utc_second")
OF_SETS = ("turn", "accuracy", "maneuver", "flags")
STATIC_COLUMNS = ("imo", "name", "call_sign", "ship_type", "length_m", "beam_m", "draught_m", "destination")
LEAST_GAPS = 40
MOST_AUC = 0.85


@pytest.fixture(scope="module")
def sea():
    return simulate(PLAN, 5)


@pytest.fixture(scope="module")
def before_gaps(sea):
    """Each gap with a cause, and the last report and static report before it."""
    sent, fields = sea.fixes.to_pandas(), sea.more["fields"].to_pandas()
    sent = pd.concat([sent, fields[list(OF_SETS)]], axis=1)[["mmsi", "time", *REPORT, *OF_SETS]].sort_values("time")
    collected = sea.static_reports.to_pandas()[["mmsi", "time", *STATIC_COLUMNS]].sort_values("time")
    gaps = sea.gaps.to_pandas().sort_values("start")
    for reports in (sent, collected):
        gaps = pd.merge_asof(gaps, reports.rename(columns={"time": "at"}), left_on="start", right_on="at", by="mmsi")
        gaps = gaps.drop(columns="at")
    return gaps


def read_from(column: pd.Series, truth: np.ndarray, ship: pd.Series) -> float:
    """AUC with which a tree reads a truth from one field, ships of two halves apart; texts by their numbers."""
    if not pd.api.types.is_numeric_dtype(column):
        column = column.fillna("").str.extract(r"(\d+)$", expand=False).combine_first(column)
        digits = pd.to_numeric(column, errors="coerce")
        column = digits.fillna(-1.0 - pd.Series(pd.factorize(column)[0], column.index))
    values, score = column.astype(float).fillna(-1e9).to_numpy()[:, None], np.zeros(len(truth))
    for one, other in GroupKFold(2).split(values, truth, ship):
        tree = DecisionTreeClassifier(min_samples_leaf=15, random_state=0).fit(values[one], truth[one])
        score[other] = tree.predict_proba(values[other])[:, -1]
    return float(roc_auc_score(truth, score))


def test_no_field_tells_why_a_ship_is_silent(before_gaps):
    often = [cause for cause, count in before_gaps.cause.value_counts().items() if count >= LEAST_GAPS]
    assert {"switched_off", "equipment", "out_of_range"} <= set(often)
    auc = {
        (cause, name): read_from(before_gaps[name], (before_gaps.cause == cause).to_numpy(), before_gaps.hull)
        for cause in often
        for name in (*REPORT, *OF_SETS, *STATIC_COLUMNS, "mmsi")
    }
    assert max(auc.values()) > 0.6  # the tree can read: the status of who lies tells something
    assert {key: round(value, 2) for key, value in auc.items() if value > MOST_AUC} == {}


def test_a_field_that_told_the_cause_would_be_seen(before_gaps):
    off = (before_gaps.cause == "switched_off").to_numpy()
    collected = pd.Series(np.where(off, 3, 5) + np.arange(len(off)) % 2, before_gaps.index)
    assert read_from(collected, off, before_gaps.hull) > MOST_AUC


def test_numbers_and_names_do_not_tell_transfers_from_look_alikes():
    """Nor ships of scenes from others: their numbers are in no order of kinds."""
    plan = VoyagePlan(days=1.0, background=120, transfers=60, look_alikes=120, trade=4, moored=8)
    scenes = scenes_of(plan, 5)
    ships = [(k, scene.kind, actor.ship) for k, scene in enumerate(scenes) for actor in scene.actors if actor.ship.imo]
    of_scene, kind = pd.Series([k for k, _, _ in ships]), pd.Series([kind for _, kind, _ in ships])
    columns = {name: pd.Series([getattr(ship, name) for _, _, ship in ships]) for name in ("imo", "hull")}
    assert len(ships) > 200
    for what in (TRANSFER, LOOK_ALIKE, "traffic"):
        auc = {name: read_from(column, (kind == what).to_numpy(), of_scene) for name, column in columns.items()}
        assert {name: round(value, 2) for name, value in auc.items() if value > 0.65} == {}


def test_zones_hold_look_alikes_as_often_as_transfers():
    inside = {TRANSFER: [], LOOK_ALIKE: []}
    plan = VoyagePlan(days=5.0, background=0, transfers=200, look_alikes=200, trade=0, moored=0)
    for scene in scenes_of(plan, 8):
        if scene.kind in inside:
            inside[scene.kind].append(scene.place in waters().zones and scene.place != "")
    assert min(len(found) for found in inside.values()) > 180
    assert abs(np.mean(inside[TRANSFER]) - np.mean(inside[LOOK_ALIKE])) < 0.12
    assert np.mean(inside[TRANSFER]) > 0.45
