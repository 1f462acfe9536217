"""Owns: outcomes are labels and never features; a card of them is compared and approved before anything may use it."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta

import pytest

from stswatch.models import scorecard
from stswatch.models.features import FEATURES
from stswatch.pipeline import api
from stswatch.pipeline.evaluation import seas
from stswatch.pipeline.evidence import learning
from stswatch.pipeline.evidence.learning import LearningError
from stswatch.pipeline.store import case_log, revisions
from stswatch.sample_ais.simulation import Plan
from tests.pipeline.store import build

EACH = 40
SMALL = Plan(days=1.0, background=4, transfers=70, look_alikes=70)


def pair(k):
    return {"mmsi_a": 241502000 + k, "mmsi_b": 311000222 + k, "median_distance_m": 40.0 if k < EACH else 300.0}


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    """A folder with 80 meetings of 80 pairs, of which half were confirmed and half cleared."""
    data = tmp_path_factory.mktemp("decided")
    meetings = [build.encounter(1, 4, **pair(k)) for k in range(2 * EACH)]
    build.publish(data, build.output(data, "first", {"encounters": meetings}))
    rows = build.rows(data, "SELECT id, mmsi_a FROM encounters ORDER BY mmsi_a")
    with case_log.appending(data) as log:
        for k, row in enumerate(rows):
            body = {"outcome": "confirmed" if k < EACH else "cleared", "party": "KR", "note": "inspected"}
            log.append("outcome", "Ann", row["id"], None, body, build.at(30) + timedelta(seconds=k))
    return data


@pytest.fixture
def data(decided, tmp_path):
    return shutil.copytree(decided, tmp_path / "data", symlinks=True)


def outcome(data, case, word, exercise=None):
    with case_log.appending(data) as log:
        log.append("outcome", "Bo", case, exercise, {"outcome": word, "party": "KR", "note": "x"}, build.at(40))


def test_the_last_live_outcome_of_a_meeting_is_its_label(data):
    cases = [entry.case for entry in case_log.read(data).entries]
    assert learning.outcomes(data).counts == {"confirmed": EACH, "cleared": EACH}
    outcome(data, cases[0], "inconclusive")
    outcome(data, cases[1], "cleared")
    outcome(data, cases[2], "cleared", exercise="Bright Lights")
    outcome(data, "E000000000000", "confirmed")
    outcome(data, "D000000000000", "confirmed")
    found = learning.outcomes(data)
    assert found.counts == {"confirmed": EACH - 2, "cleared": EACH + 1, "gone": 2}
    assert found.rows.schema == seas.ROWS
    assert found.rows["truth"].to_pylist().count(seas.TRANSFER) == EACH - 2


def test_no_feature_sees_what_was_decided(data):
    """Every column that could tell it is changed: no value of any feature moves."""
    rows = learning.outcomes(data).rows
    other = rows
    for name in ("truth", "family", "scenario"):
        at = other.schema.get_field_index(name)
        other = other.set_column(at, other.schema.field(at), [["another"] * rows.num_rows])
    for feature in FEATURES:
        assert feature.function(rows).tolist() == pytest.approx(feature.function(other).tolist(), nan_ok=True)


def test_below_the_floor_one_sentence_says_what_lacks(data, say, tmp_path):
    cases = [entry.case for entry in case_log.read(data).entries]
    for case in cases[:3]:
        outcome(data, case, "no action")
    words = ("train", "--from-decisions", data, "--out", tmp_path / "card.json")
    assert say(*words) == (
        1,
        "",
        f"stswatch: {data}: 37 confirmed, 40 cleared outcomes are too few to learn from;"
        " 3 more confirmed are needed (rule case.learn_from)\n",
    )
    assert say("train", "--out", tmp_path / "x", "--approved-by", "Ann")[0] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_a_log_that_does_not_fit_teaches_nothing(data):
    path = data / case_log.NAME
    path.write_bytes(path.read_bytes().replace(b"cleared", b"claered", 1))
    with pytest.raises(case_log.CaseLogError, match="nothing is learned from it"):
        learning.outcomes(data)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """The seas of this module are small ones, watched once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(seas.SEAS, seas.STANDARD, (SMALL, "a small sea"))
        patch.setattr(seas, "HELD_OUT_SEEDS", (102,))
        yield tmp_path_factory.mktemp("seas")


@pytest.mark.e2e
def test_a_card_is_compared_approved_by_a_name_and_used_where_it_is_named(data, cache, say, tmp_path, met):
    out = tmp_path / "learned.json"
    words = ("train", "--from-decisions", data, "--seeds", "11", "--cache", cache, "--out", out, "--quiet")
    assert say(*words, "--approved-by", "Ann Lee")[0] == 1, "nobody can have read what was not written"
    assert not out.exists()
    assert say(*words)[0] == 0
    compared = json.loads(out.with_suffix(".comparison.json").read_text())
    assert compared["held_out_seeds"] == [102]
    assert compared["outcomes"] == {"confirmed": EACH, "cleared": EACH}
    assert compared["before"]["model_id"] == scorecard.load().model_id
    assert set(compared["new"]["figures"]) == set(compared["before"]["figures"])
    assert not out.exists()
    entries = len(case_log.read(data).entries)
    code, _, err = say(*words, "--approved-by", "Ann Lee")
    if compared["worse"]:  # as a card of one small sea may be
        assert (code, "is worse than trained@" in err) == (1, True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(learning, "comparison", lambda *given: compared | {"worse": False})
            code, _, err = say(*words, "--approved-by", "Ann Lee")
    assert (code, err) == (0, "")
    card = scorecard.load(out)
    assert card.model_id == compared["new"]["model_id"]
    entry = case_log.read(data).entries[entries]
    assert (entry.kind, entry.author, entry.body["model_id"]) == ("approved", "Ann Lee", card.model_id)
    assert say(*words)[0] == 0
    assert json.loads(out.with_suffix(".comparison.json").read_text()) == compared, "the same again"
    shutil.copytree(met[1], tmp_path / "run", symlinks=True)
    before = scores(tmp_path / "run")
    for name in (case_log.NAME, case_log.HEAD):  # the log of others beside it, and none
        shutil.copy(data / name, tmp_path / "run" / name)
    api.run(met[0], tmp_path / "run", area="world", slice_h=6.0)
    assert scores(tmp_path / "run") == before
    api.run(met[0], tmp_path / "run", area="world", slice_h=6.0, scorecard=out)
    assert scores(tmp_path / "run")[1] == card.model_id != before[1]


@pytest.mark.e2e
def test_another_outcome_needs_another_comparison(data, cache, tmp_path):
    out = tmp_path / "learned.json"
    learning.learn(data, out, seeds=(11,), cache=cache)
    outcome(data, case_log.read(data).entries[0].case, "cleared")
    outcome(data, case_log.read(data).entries[-2].case, "confirmed")
    with pytest.raises(LearningError, match="without `approved_by` and read it"):
        learning.learn(data, out, "Ann", seeds=(11,), cache=cache)


def scores(data):
    """What the events of a folder score, and by which card."""
    query = f"SELECT id, score, reasons FROM encounters WHERE status IN {revisions.LIVING} ORDER BY id"
    return build.rows(data, query), api.run_of(data)["model_id"]


def test_without_the_log_every_score_is_the_same(data):
    meetings = [build.encounter(1, 4, **pair(k)) for k in range(2 * EACH)]
    before = scores(data)
    for name in (case_log.NAME, case_log.HEAD):
        (data / name).unlink()
    build.publish(data, build.output(data, "first", {"encounters": meetings}))
    assert scores(data) == before
