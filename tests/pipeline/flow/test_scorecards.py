"""Owns: a run scores by the scorecard asked for; another makes revisions of the same meetings and reads nothing."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace

import pytest

from stswatch.models.scorecard import RULES, chosen, own
from stswatch.pipeline import api, words
from stswatch.pipeline.flow.row import Engine
from stswatch.pipeline.rules import LeadRules, Rules
from stswatch.pipeline.steps import STEPS, card_of, scored_by
from stswatch.pipeline.store.encounter_context import sides
from tests.pipeline.flow import archive

pytestmark = pytest.mark.e2e

JUDGED = ["score", "reasons"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return archive.in_two(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A scorecard of somebody's own: the rules with half a point more for everybody."""
    card = json.loads(own(RULES).read_text())
    path = tmp_path_factory.mktemp("card") / "mine.json"
    path.write_text(json.dumps(card | {"id": "mine", "intercept": card["intercept"] + 0.5}))
    return path


@pytest.fixture(scope="module")
def scored(files, mine, tmp_path_factory):
    """A folder scored by the rules, by the default, by a file and by the rules again; what each run left."""
    data = tmp_path_factory.mktemp("scored") / "data"
    left = []
    for card in ("rules", None, mine, "rules"):
        found = archive.run(data, files, scorecard=card)
        left.append((found, with_what_lies_round(data), archive.lake_times(data)))
    return data, left


def with_what_lies_round(data):
    """The events that hold, each with the name of its card and the columns of view encounter_context."""
    with closing(api.connect(data)) as db:
        query = "SELECT e.*, model_id FROM encounters e JOIN runs USING (run_id) WHERE status = 'current' ORDER BY id"
        events, beside = db.sql(query).to_arrow_table(), sides(db.sql("FROM encounter_context").to_arrow_table())
    assert beside["id"].equals(events["id"])
    for name in beside.column_names[2:]:
        events = events.append_column(name, beside[name])
    return events


def test_scores_are_those_of_the_card_that_was_asked_for(scored, mine):
    """From the events, and from the view beside them in the same snapshot."""
    for name, (_, current, _) in zip(("rules", "trained", mine, "rules"), scored[1], strict=True):
        card = chosen(name)
        score, _ = card.score(current)
        assert current["score"].to_pylist() == score.tolist()
        assert set(current["model_id"].to_pylist()) == {card.model_id}


def test_what_lies_round_a_meeting_counts_as_the_view_says(files, tmp_path):
    """Of so few hours only doubts are known; a card with points for them scores a run by the view beside its events."""
    doubts = {"doubts": {"edges": [1], "points": [0.25, 0.75], "missing": 0, "reason": "our own cases"}}
    rules = json.loads(own(RULES).read_text())
    path = tmp_path / "doubting.json"
    path.write_text(json.dumps(rules | {"features": rules["features"] | doubts}))
    card = chosen(path)
    archive.run(tmp_path / "data", files, scorecard=path)
    events = with_what_lies_round(tmp_path / "data")
    assert events.num_rows >= 10
    assert events["score"].to_pylist() == card.score(events)[0].tolist()
    assert events["score"].to_pylist() != card.of_meeting.score(events)[0].tolist()


def test_another_card_makes_revisions_of_the_same_meetings_and_reads_nothing(scored):
    (first, current, lake), *later = scored[1]
    assert current.num_rows >= 10
    measured = [name for name in current.column_names if name not in (*JUDGED, "revision", "run_id", "model_id")]
    for number, (_, again, read) in enumerate(later, 2):
        assert read == lake
        assert again.select(measured).equals(current.select(measured))
        assert again["score"].to_pylist() != current["score"].to_pylist() or number == 4
        assert set(again["revision"].to_pylist()) == {number}
    archive.assert_same(first, later[-1][0])


def test_every_run_is_kept_with_its_card_and_explained_by_it(scored, mine):
    data, left = scored
    wanted = [chosen(card).model_id for card in ("rules", "trained", mine, "rules")]
    with closing(api.connect(data)) as db:
        assert [row[0] for row in db.sql("SELECT model_id FROM runs ORDER BY started").fetchall()] == wanted
    name = left[-1][1]["id"][0].as_py()
    assert f"scorecard {wanted[0]}," in words.explanation(api.encounter(data, name))


def test_each_run_keeps_the_cut_off_of_its_card_and_leads_are_those_above_it(scored):
    data = scored[0]
    wanted = [chosen(card).cut_off.score for card in ("rules", "trained", "rules", "rules")]
    with closing(api.connect(data)) as db:
        kept = db.sql("SELECT CAST(rules->'lead'->>'min_score' AS DOUBLE) FROM runs ORDER BY started").fetchall()
        query = "SELECT count(*) FROM {} WHERE status = 'current' AND in_area AND score >= 0"
        leads, above = (db.sql(query.format(t)).fetchall()[0][0] for t in ("flagged_encounters", "encounters"))
    assert [row[0] for row in kept] == wanted
    assert leads == above > 0
    assert f"(a lead from {wanted[-1]:+.2f})" in words.explanation(api.encounter(data))


def test_a_rule_of_the_user_goes_before_the_cut_off_of_the_card(files, tmp_path):
    strict = replace(Rules(), lead=LeadRules(2.5))
    archive.run(tmp_path / "data", files, rules=strict)
    assert json.loads(api.run_of(tmp_path / "data")["rules"])["lead"]["min_score"] == 2.5
    assert all(lead["score"] >= 2.5 for lead in api.leads(tmp_path / "data", 100))


@pytest.mark.parametrize("how", [{}, {"workers": 2}, {"slice_h": 3.0, "shards": 3}])
def test_a_fresh_run_with_a_card_gives_what_a_second_one_gave(scored, files, how, tmp_path):
    archive.assert_same(scored[1][1][0], archive.run(tmp_path / "fresh", files, scorecard="trained", **how))


def test_detect_takes_a_card_too(files, mine):
    fixes = api.decode(files).fixes
    plain, other = (api.detect(fixes, scorecard=card) for card in ("rules", mine))
    assert len(plain) >= 10
    assert (other.score - plain.score == 0.5).all()


def test_a_table_of_steps_knows_its_card(mine):
    assert card_of(STEPS).model_id == card_of(Engine().steps).model_id == chosen("trained").model_id
    assert card_of(scored_by(chosen(mine))).model_id == chosen(mine).model_id
    assert [step.name for step in scored_by(chosen(mine))] == [step.name for step in STEPS]
