"""Owns: the evaluation says of every part what counting says; its card and pictures are made from the figures."""

from __future__ import annotations

import copy
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from stswatch.models import scorecard
from stswatch.models.ranking import BASELINES
from stswatch.pipeline.evaluation import evaluate
from stswatch.pipeline.evaluation.card import markdown, verdict
from stswatch.pipeline.evaluation.evaluate import TRAINED, VARIANTS, Ground, card_of, detection
from stswatch.pipeline.evaluation.figures import FIGURES, expected, published, sample
from tests.pipeline.evaluation import seas


@pytest.fixture(scope="module")
def ground():
    """Three seas of one make: the longer and the nearer are transfers more often in all of them."""
    what = {"plans": {"standard": "made up"}}
    return Ground(seas.watched(1200, 1), seas.watched(600, 2), seas.watched(400, 3), what)


@pytest.fixture(scope="module")
def card(ground):
    return scorecard.parsed(card_of(ground.training, about={"sea": "standard", "seeds": [1]}))


@pytest.fixture(scope="module")
def written(card, ground):
    return evaluate.evaluated(card, ground, [])


@pytest.fixture(scope="module")
def collected(written):
    return json.loads(written[evaluate.FIGURES])


def test_every_way_of_ranking_has_every_figure_on_both_seas(collected):
    names = {TRAINED, *(name for name, _ in VARIANTS), *(baseline.name for baseline in BASELINES)}
    for part in ("figures", "shifted"):
        assert set(collected[part]) == names
        assert all(set(of) == {key for key, _, _ in FIGURES} for of in collected[part].values())
    assert set(collected["paired"]) == names - {TRAINED}


def test_a_card_without_real_archives_says_so_in_one_line(written):
    assert "\n\nNo real archive was given (`--archive FILE`): no figure of this card" in written[evaluate.CARD].decode()


def test_a_card_that_learned_beats_what_knows_one_thing(collected):
    """Two things tell in these seas; the card knows both, a baseline one: the verdict says so, with the range."""
    assert collected["figures"][TRAINED]["pr_auc"][0] > collected["figures"]["duration alone"]["pr_auc"][0] + 0.02
    assert collected["figures"][TRAINED]["pr_auc"][0] > collected["figures"]["distance alone"]["pr_auc"][0] + 0.02
    assert collected["best_baseline"] in {baseline.name for baseline in BASELINES}
    assert collected["calibration"]["slope"] == pytest.approx(1, abs=0.4)


@pytest.mark.parametrize(
    ("ranges", "says"),
    [
        ({"5": (0.1, 0.01, 0.2), "10": (0.1, 0.01, 0.2), "20": (0.1, 0.01, 0.2)}, "finds more than the best baseline"),
        ({"5": (0.1, -0.01, 0.2), "10": (0.1, 0.01, 0.2), "20": (0.1, 0.0, 0.2)}, "only at 10 leads a day"),
        ({"5": (0.1, -0.1, 0.2), "10": (0.1, -0.1, 0.2), "20": (0.1, 0, 0.2)}, "does **not** find clearly more"),
        ({"5": (-0.1, -0.2, -0.01), "10": (0, -0.1, 0.1), "20": (0, -0.1, 0.2)}, "and clearly less at 5"),
    ],
)
def test_the_verdict_is_that_of_the_ranges(collected, ranges, says):
    changed = copy.deepcopy(collected)
    for k, difference in ranges.items():
        changed["paired"][collected["best_baseline"]][k]["difference"] = difference
    assert says in verdict(changed)


def test_the_card_is_made_from_the_file_of_figures(written, collected):
    assert markdown(collected).encode() == written[evaluate.CARD]


def test_the_card_has_every_section_and_no_broken_table(written):
    text = written[evaluate.CARD].decode()
    heads = re.findall(r"^## (.+)$", text, re.M)
    assert heads[:3] == ["In short", "What it is for", "The seas"]
    assert heads[-1] == "Limits"
    assert len(heads) >= 13
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        lines = table.splitlines()
        assert len(lines) >= 3
        assert len({line.count("|") for line in lines}) == 1
    pictures = set(re.findall(r"!\[[^]]*\]\(([^)]+)\)", text))
    assert pictures == {name for name in written if name.endswith(".png")}
    assert not re.search(r"\bnan\b|None", text)


def test_pictures_are_pictures_and_the_same_each_time(card, ground, written):
    again = evaluate.evaluated(card, ground, [])
    for name, content in written.items():
        assert again[name] == content, name
        if name.endswith(".png"):
            picture = np.asarray(Image.open(io.BytesIO(content)).convert("L"))
            assert 0.005 < (picture < 200).mean() < 0.5, name


def test_what_was_found_is_told_per_scenario(ground):
    rows = {row["scenario"]: row for row in detection(ground.held_out)}
    assert rows["never_seen"]["found"] == 0
    assert rows["never_seen"]["transfers"] == 20
    assert rows["never_seen"]["start_off_min"] is None
    assert rows["at_anchor"]["found"] == rows["at_anchor"]["transfers"] > 0
    assert rows["at_anchor"]["start_off_min"] == pytest.approx(3 * 1.645, abs=1.5)  # nine of ten of a normal


def test_published_rules_are_counted_as_they_stand(ground):
    taken = sample(ground.held_out)
    starboard = {row["name"]: row for row in published(taken)}["Starboard"]
    rows = taken.rows.to_pandas()
    passes = rows.starboard & (rows.distance_to_port_km >= 10)
    assert starboard["leads_a_day"] * taken.days == pytest.approx(passes.sum())
    assert starboard["precision"] == pytest.approx((passes & (rows.truth == "transfer")).sum() / passes.sum())
    assert starboard["recall"] == pytest.approx(
        (passes & (rows.truth == "transfer")).sum() / ((rows.truth == "transfer").sum() + 20)
    )


def test_expected_leads_are_more_in_a_larger_fleet_and_worth_less_where_transfers_are_rare(ground):
    taken = sample(ground.held_out)
    rows = expected(taken, np.asarray(taken.rows["duration_min"]))
    assert len(rows) == 18
    by = {(r["false_rate"], r["transfers_per_1000_vessel_days"], r["vessels"]): r for r in rows}
    often = sorted({key[1] for key in by}, reverse=True)
    assert [by[0.01, o, 500]["precision"] for o in often] == sorted(
        (by[0.01, o, 500]["precision"] for o in often), reverse=True
    )
    assert by[0.01, often[0], 5000]["leads_a_day"] == pytest.approx(10 * by[0.01, often[0], 500]["leads_a_day"])
    assert by[0.05, often[0], 500]["leads_a_day"] > by[0.01, often[0], 500]["leads_a_day"]


def test_each_family_is_left_out_in_turn(collected, ground):
    rows = {row["family"]: row for row in collected["left_out"]}
    assert set(rows) == {"at_anchor", "under_way", "bunkering", "pilots"}  # never_seen gave no encounter
    assert all(0 <= row[key] <= 1 for row in rows.values() for key in ("in", "out"))
    assert rows["at_anchor"]["transfers"] == rows["at_anchor"]["encounters"] > 0
    assert rows["pilots"]["transfers"] == 0


@pytest.mark.parametrize(
    ("training", "says"),
    [({"sea": "standard", "seeds": [101]}, "seed 101 was in the training"), ({}, "says nothing of seeds")],
)
def test_a_card_is_not_tried_on_what_it_learned_from(ground, training, says):
    card = scorecard.parsed(card_of(ground.training, about=training))
    with pytest.raises(evaluate.TrialError, match=says):
        evaluate.ground(card, (101, 102), (201,), None, 1, lambda stage, done, of: None)
