"""Owns: the trained card of the program, its figures and its model card belong together, and are large enough."""

from __future__ import annotations

import json

import pytest

from stswatch.models import scorecard
from stswatch.pipeline.evaluation import evaluate
from stswatch.pipeline.evaluation.card import MOST_AUC, markdown

MODELS = scorecard.own(scorecard.TRAINED).parent


@pytest.fixture(scope="module")
def collected():
    return json.loads((MODELS / evaluate.FIGURES).read_text())


def test_the_figures_are_those_of_this_card(collected):
    card = scorecard.load(scorecard.own(scorecard.TRAINED))
    assert collected["card"]["model_id"] == card.model_id, "trained.json changed: stswatch evaluate --out models"
    assert collected["seas"]["counts"]["training"]["seeds"] == card.training["seeds"]
    assert card.training["sea"] == "standard"
    assert len(card.training["seeds"]) >= 4
    assert not set(card.parts) & set(card.training["costs_nothing"])
    assert {*card.parts, *card.training["costs_nothing"]} <= {*(f.name for f in scorecard.ALL), scorecard.BASE}
    assert card.of_context.steps
    assert card.of_meeting.steps


def test_the_model_card_is_made_from_the_figures(collected):
    assert (MODELS / evaluate.CARD).read_text() == markdown(collected), (
        "CARD.md is stale: stswatch evaluate --out models"
    )
    assert all((MODELS / f"{name}.png").stat().st_size > 1000 for name in ("precision_recall", "leads", "points"))


def test_it_was_measured_on_twenty_thousand_vessel_days_that_it_never_saw(collected):
    counts = collected["seas"]["counts"]
    assert counts["held_out"]["vessel_days"] >= 20_000
    assert not set(counts["training"]["seeds"]) & set(counts["held_out"]["seeds"])
    assert counts["held_out"]["encounters"]["transfer"] >= 100


def test_no_single_feature_tells_transfers_from_look_alikes(collected):
    assert len(collected["features"]) == len(scorecard.ALL)
    assert all((row["auc_look_alikes"] or 0) <= MOST_AUC for row in collected["features"])
