"""Owns: train and evaluate work from the command on, keep what they watched, and say in a sentence what is amiss."""

from __future__ import annotations

import json

import pytest

from stswatch.models import scorecard
from stswatch.pipeline import cli
from stswatch.pipeline.evaluation import seas
from stswatch.pipeline.evaluation.seas import saved
from stswatch.pipeline.options import seed_list
from stswatch.sample_ais.simulation import Plan

pytestmark = pytest.mark.e2e

SMALL = Plan(days=1.0, background=4, transfers=70, look_alikes=70)  # as many as give a leaf of trees its least


@pytest.fixture(scope="module")
def small():
    """The seas of this module are small ones."""
    with pytest.MonkeyPatch.context() as patch:
        for name in seas.SEAS:
            patch.setitem(seas.SEAS, name, (SMALL, "a small sea"))
        yield


@pytest.fixture(scope="module")
def done(small, tmp_path_factory):
    """A card that the command trained on one seed, and the folder of watched seas."""
    folder = tmp_path_factory.mktemp("trials")
    words = ["train", "--seeds", "1", "--out", str(folder / "card.json"), "--cache", str(folder / "seas"), "--quiet"]
    assert cli.main(words) == 0
    return folder


def test_the_card_is_one_that_loads_and_says_its_seeds(done):
    card = scorecard.load(done / "card.json")
    assert card.training["seeds"] == [1]
    assert card.training["transfers"] > 3


def test_the_same_seed_gives_the_same_file_from_a_kept_sea(done, capsys):
    (kept,) = (done / "seas").iterdir()
    before = kept.stat().st_mtime_ns
    words = ["train", "--seeds", "1", "--out", str(done / "again.json"), "--cache", str(done / "seas")]
    assert cli.main(words) == 0
    assert (done / "again.json").read_bytes() == (done / "card.json").read_bytes()
    assert kept.stat().st_mtime_ns == before
    assert "of them transfers" in capsys.readouterr().out


def test_what_is_watched_has_every_kind_of_meeting(done):
    (kept,) = (done / "seas").iterdir()
    sea = saved(kept)
    assert {"transfer", "look_alike"} <= set(sea.rows["truth"].to_pylist())
    assert sea.days == 1
    assert sea.vessel_days > 30
    assert sea.rows["ship_type_a"].null_count < sea.rows.num_rows / 2


def test_evaluate_writes_the_card_its_figures_and_pictures(done, capsys):
    out = done / "evaluation"
    words = ["evaluate", "--scorecard", done / "card.json", "--seeds", "2", "--shifted", "3", "--out", out]
    assert cli.main([str(word) for word in [*words, "--cache", done / "seas"]]) == 0
    collected = json.loads((out / "evaluation.json").read_text())
    assert collected["seas"]["counts"]["held_out"]["seeds"] == [2]
    assert (out / "CARD.md").read_text() == capsys.readouterr().out.removesuffix("\n")
    assert {path.suffix for path in out.iterdir()} == {".md", ".json", ".png"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--seeds", "1", "--shifted", "3"), "seed 1 was in the training"),
        (("--scorecard", "nothing.json"), "nothing.json: cannot be read"),
        (("--scorecard", scorecard.own(scorecard.RULES)), "says nothing of seeds"),
    ],
)
def test_what_is_amiss_is_one_sentence(done, capsys, words, says):
    given = ["evaluate", "--out", done / "no", "--cache", done / "seas", "--scorecard", done / "card.json", *words]
    assert cli.main([str(word) for word in given]) == 1
    printed = capsys.readouterr().err
    assert says in printed
    assert printed.count("stswatch: ") == 1
    assert not (done / "no").exists()


@pytest.mark.parametrize("words", [("--seeds", "5-2"), ("--seeds", "a"), ("--pair", "12")])
def test_what_is_no_seed_or_pair_is_refused(words, capsys):
    with pytest.raises(SystemExit):
        cli.main(["evaluate", "--out", "no", *words])
    assert "give" in capsys.readouterr().err


def test_seeds_are_spans_and_lists():
    assert seed_list("1-3,9") == (1, 2, 3, 9)
