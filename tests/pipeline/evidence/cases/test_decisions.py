"""Owns: what a decision needs, that nobody can hold a case up, and that the database says what the log says."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline.evidence import decisions, upkeep
from stswatch.pipeline.evidence.decisions import (
    ENTRY_KINDS,
    STATUSES,
    Event,
    decide,
    decision_body,
    record,
    record_reading,
)
from stswatch.pipeline.evidence.upkeep import DecisionError
from stswatch.pipeline.rules import CaseRules
from stswatch.pipeline.store import case_log, case_queries
from stswatch.pipeline.store.case_log import sealed
from stswatch.pipeline.store.database import StoreError
from tests.pipeline.evidence.cases.conftest import DARK, HOSTILE, LEAD, dark, tables
from tests.pipeline.store import build

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
WAIT = timedelta(hours=CaseRules().second_reader_h)
ALTERNATIVE = ["bunkering: no bunker vessel was near"]


def assess(data, now=NOW, by="Ann Lee", case=LEAD):
    return decide(data, case, "assessed", by, "both waited", ALTERNATIVE, now=now)


def refer(data, now=NOW, to=("GR",), by="Ann Lee", case=LEAD):
    return decide(data, case, "referred", by, "as assessed", recipients=to, now=now)


def waiting(data, now=NOW, case=LEAD):
    return [(row["waits_for"], row["what"]) for row in case_queries.of_cases(data, "docket", case, now=now)]


def test_what_lacks_is_said(data):
    with pytest.raises(DecisionError, match="referred comes after assessed"):
        refer(data)
    with pytest.raises(DecisionError, match="`alternatives`"):
        decide(data, LEAD, "assessed", "Ann", "why", now=NOW)
    with pytest.raises(DecisionError, match="`note`"):
        decide(data, LEAD, "watch", "Ann", "  ", now=NOW)
    with pytest.raises(DecisionError, match="no status 'guilty'"):
        decide(data, LEAD, "guilty", "Ann", "why", now=NOW)
    with pytest.raises(DecisionError, match="give a name"):
        decide(data, LEAD, "watch", " ", "why", now=NOW)
    assess(data)
    with pytest.raises(DecisionError, match="`to`"):
        refer(data, to=())
    with pytest.raises(DecisionError, match="was never referred to GR"):
        record(data, LEAD, "acknowledged", "Ann", "by telephone", "GR", now=NOW)
    assert len(case_log.read(data).entries) == 1


def test_a_second_reader_is_another_who_read_it_masked_first(data):
    assess(data)
    for name, masked in (("ann  LEE", True), ("Bo", False), ("Bo", True)):
        record_reading(data, LEAD, name, masked, now=NOW)
        with pytest.raises(DecisionError, match="no second reader yet"):
            refer(data)
        assert waiting(data) == [("second reader", "second reading")]
    record_reading(data, LEAD, "Cy", True, now=NOW)
    assert waiting(data) == [("who may refer", "refer")]
    assert refer(data).entry.body["readers"] == "two"
    assert refer(data).entry.body["second_reader"] == "Cy"


def test_nobody_blocks_by_not_answering_and_the_referral_says_so(data):
    assess(data)
    with pytest.raises(DecisionError, match=r"2026-11-30T12:00:00\.000Z on it may be referred without"):
        refer(data, NOW + WAIT - timedelta(seconds=1))
    assert waiting(data, NOW + WAIT) == [("who may refer", "refer")]
    assert refer(data, NOW + WAIT).entry.body["readers"] == "SINGLE READER"
    assert [row["readers"] for row in case_queries.of_cases(data, "cases", LEAD)] == ["SINGLE READER"]


def test_nobody_blocks_by_objecting_and_the_dissent_travels(data):
    assess(data)
    record_reading(data, LEAD, "Bo", True, now=NOW)
    seq = [record(data, LEAD, "dissent", who, HOSTILE, now=NOW).entry.seq for who in ("Bo", "Cy", "Di")]
    assert refer(data).entry.body["dissents"] == seq
    assert case_queries.of_cases(data, "cases", LEAD)[0]["dissents"] == 3


def test_revisions_that_keep_coming_do_not_start_the_wait_anew(data):
    assess(data)
    build.publish(data, build.output(data, "more", tables(encounters=[build.encounter(1, 5, score=1.5)])))
    assert ("first reader", "decide again") in waiting(data)
    with pytest.raises(DecisionError, match="has changed since it was assessed"):
        refer(data, NOW + WAIT)
    assess(data, NOW + WAIT / 2)
    assert ("first reader", "decide again") not in waiting(data)
    assert refer(data, NOW + WAIT).entry.body["revision"] == 2


def test_an_event_that_is_gone_or_changed_comes_back_to_the_docket(data):
    assess(data)
    assess(data, case=DARK)
    record_reading(data, LEAD, "Bo", True, now=NOW)
    refer(data)
    build.publish(data, build.output(data, "none", tables(encounters=[], dark_meetings=[])))
    rows = {
        row["case_id"]: row["why"] for row in case_queries.of_cases(data, "docket", now=NOW) if "again" in row["what"]
    }
    assert rows == dict.fromkeys((LEAD, DARK), "the event was retracted")


def test_a_dark_meeting_that_is_revised_comes_back_whatever_its_name_is_then(data):
    """Its own numbers changed, then a silence began later, by which its row has another id; then nothing fits."""

    def why():
        rows = case_queries.of_cases(data, "docket", DARK, now=NOW)
        return [row["why"] for row in rows if row["what"] == "decide again"]

    assess(data, case=DARK)
    assert why() == []
    build.publish(data, build.output(data, "more", tables(dark_meetings=[dark(rivals=3)])))
    assert why() == ["decided on revision 1, it now has revision 2"]
    assess(data, case=DARK)
    assert why() == []
    with pytest.raises(DecisionError, match="second reader"):  # nothing else is missing
        refer(data, case=DARK)
    later = dark(id="D-later", gap_start_b=build.at(5), start_time=build.at(6))
    build.publish(data, build.output(data, "later", tables(dark_meetings=[later])))
    assert why() == ["it became part of D-later"]
    assert decisions.event_of(data, DARK) == Event("D-later", 3, 2.0)
    build.publish(data, build.output(data, "none", tables(dark_meetings=[])))
    assert why() == ["the event was retracted"]


def test_a_case_whose_event_is_gone_can_still_be_answered_and_withdrawn(data):
    assess(data, case=DARK)
    refer(data, NOW + WAIT, ("GR",), case=DARK)
    build.publish(data, build.output(data, "none", tables(dark_meetings=[])))
    record(data, DARK, "acknowledged", "Ann Lee", "by mail", "GR", now=NOW + 2 * WAIT)
    with pytest.raises(StoreError, match="no dark meeting"):
        assess(data, case=DARK)
    decide(data, DARK[:6], "withdrawn", "Ann Lee", "no such silence", now=NOW + 3 * WAIT)
    assert waiting(data, case=DARK) == [("GR", "tell")]


def test_a_case_that_became_part_of_another_waits_until_that_is_decided_on(data):
    near = {"port": "nampo", "distance_to_port_km": 20.0}
    meetings = [build.encounter(1, 4, **near), build.encounter(6, 8, **near)]
    build.publish(data, build.output(data, "two", tables(encounters=meetings)))
    shorter = LEAD.replace("222-1", "222-6")
    assess(data, case=shorter)
    refer(data, NOW + WAIT, ("GR",), case=shorter)
    build.publish(data, build.output(data, "one", tables(encounters=[build.encounter(0.5, 9, **near)])))
    assert case_queries.of_cases(data, "cases", shorter)[0]["superseded_by"] == LEAD
    assert ("first reader", "decide again") in waiting(data, case=shorter)
    record(data, shorter, "acknowledged", "Ann Lee", "by mail", "GR", now=NOW + 2 * WAIT)
    assert assess(data, NOW + 3 * WAIT, case=shorter).entry.case == LEAD
    assert waiting(data, case=shorter) == [("GR", "outcome")]
    decide(data, shorter, "withdrawn", "Ann Lee", "one meeting", now=NOW + 4 * WAIT)
    assert waiting(data, case=shorter) == [("GR", "tell")]


def test_those_who_have_a_case_learn_that_it_was_withdrawn(data):
    assess(data)
    refer(data, NOW + WAIT, ("GR", "ECC"))
    refer(data, NOW + 2 * WAIT, ("KR",))
    done = decide(data, LEAD, "withdrawn", "Ann Lee", "the track was forged", now=NOW + 3 * WAIT)
    assert done.entry.body["recipients"] == ["ECC", "GR", "KR"]
    assert waiting(data) == [("ECC", "tell"), ("GR", "tell"), ("KR", "tell")]
    record(data, LEAD, "correction", "Ann Lee", "sent", "GR", now=NOW + 4 * WAIT)
    assert waiting(data) == [("ECC", "tell"), ("KR", "tell")]


def test_what_was_referred_waits_for_an_answer(data):
    assess(data)
    refer(data, NOW + WAIT, ("GR", "ECC"))
    assert waiting(data) == [("ECC", "acknowledge"), ("GR", "acknowledge")]
    record(data, LEAD, "inquiry", "Ann Lee", "where was it bound?", "owner", now=NOW + 2 * WAIT)
    record(data, LEAD, "acknowledged", "Ann Lee", "by telephone", "GR", now=NOW + 2 * WAIT)
    assert waiting(data) == [("ECC", "acknowledge"), ("GR", "outcome"), ("owner", "reply")]
    record(data, LEAD, "outcome", "Ann Lee", "inspected", "GR", "cleared", now=NOW + 3 * WAIT)
    record(data, LEAD, "reply", "Ann Lee", "to Weihai", "owner", now=NOW + 3 * WAIT)
    assert waiting(data) == [("ECC", "acknowledge")]
    with pytest.raises(DecisionError, match="one of confirmed, cleared"):
        record(data, LEAD, "outcome", "Ann Lee", "x", "GR", "guilty", now=NOW)


def test_the_same_command_again_writes_no_second_entry(data):
    first, again = assess(data), assess(data, NOW + timedelta(minutes=1))
    assert (first.new, again.new, again.entry) == (True, False, first.entry)
    other = decide(data, LEAD, "assessed", "Ann Lee", "another note", ALTERNATIVE, now=NOW)
    assert (other.new, other.entry.seq) == (True, 2)


def test_an_exercise_shows_where_it_is_asked_for_alone(data, shown):
    decide(data, LEAD, "watch", "Ann", "live", now=NOW)
    decide(data, LEAD, "assessed", "Bo", "drill", ALTERNATIVE, exercise="Bright Lights", now=NOW)
    assert [row["status"] for row in case_queries.of_cases(data, "cases")] == ["watch"]
    assert [row["status"] for row in case_queries.of_cases(data, "cases", exercise="Bright Lights")] == ["assessed"]
    assert case_queries.of_cases(data, "cases", exercise="another") == []
    assert waiting(data) == []
    with pytest.raises(DecisionError, match="is watch"):
        refer(data, NOW + WAIT)
    for live in ("decisions", "cases", "docket", "referral_queue"):
        assert "Bo" not in str(build.rows(data, f"FROM {live}"))
    assert [row["exercise"] for row in build.rows(data, "FROM exercise_decisions")] == ["Bright Lights"]


def test_scores_are_the_same_with_a_log_and_without(data, shown, made):
    def scores(folder):
        return build.rows(folder, "SELECT id, revision, score, reasons FROM encounters ORDER BY ALL")

    assess(data)
    refer(data, NOW + WAIT)
    build.publish(data, build.output(data, "first", tables()))
    assert scores(data) == scores(made) != []


def test_a_database_made_anew_says_the_same(data, shown, tmp_path):
    assess(data)
    refer(data, NOW + WAIT)
    views = ("decisions", "observations", "cases", "ports_in_reach", "provision_conditions")
    before = {view: build.rows(data, f"FROM {view}") for view in views}
    build.publish(data, build.output(data, "first", tables()))
    assert {view: build.rows(data, f"FROM {view}") for view in views} == before
    assert before["cases"] == case_queries.of_cases(data, "cases")
    found = case_log.read(data).entries
    assert [(row["seq"], row["sha256"]) for row in before["decisions"]] == [(e.seq, e.sha256) for e in found]


def test_a_watch_that_has_the_store_is_not_waited_for_long(data, monkeypatch):
    monkeypatch.setattr(upkeep, "_TRIES", 2)
    with build.Held(data) as held:
        done = assess(data)
    assert held
    assert (done.new, done.published) == (True, False)
    assert case_queries.of_cases(data, "cases", LEAD)[0]["status"] == "assessed", "what the command shows is the log"


# ------------------------------------------------------------------------------------- the table of statuses, by itself

EVENT = Event("E1", 1, 1.0)
NAMES = ("Ann", "Bo", "Cy")
steps = st.lists(
    st.tuples(
        st.sampled_from([*(s.name for s in STATUSES), "masked", "unmasked", "dissent"]),
        st.sampled_from(NAMES),
        st.integers(0, 40),
    ),
    max_size=12,
)


def entry_of(entries, kind, author, body, now):
    at = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return sealed(entries[-1] if entries else None, at, kind, author, {"case": "E1", "exercise": None, "body": body})


@settings(max_examples=300)
@given(steps)
def test_no_order_of_decisions_blocks_or_skips_a_reader(plan):
    entries, now = [], NOW
    for what, who, hours in plan:
        now += timedelta(hours=hours)
        if what in ("masked", "unmasked"):
            entries.append(entry_of(entries, "reading", who, {"masked": what == "masked"}, now))
            continue
        if what == "dissent":
            entries.append(entry_of(entries, "dissent", who, {"note": "no"}, now))
            continue
        try:
            body = decision_body(entries, EVENT, what, who, "why", ALTERNATIVE, ["GR"], now, CaseRules())
        except DecisionError:
            continue
        if what == "referred":
            assessed = decisions.last_decision(entries, "assessed")
            readers = {e.author for e in entries if e.kind == "reading" and e.body["masked"]} - {assessed.author}
            assert readers or now - assessed.when >= timedelta(0)
            assert body["readers"] == ("two" if body["second_reader"] else "SINGLE READER")
            assert body["second_reader"] in {*readers, None}
        entries.append(entry_of(entries, "decision", who, body, now))
    # whatever was written: who assesses it can refer it after the wait, at the latest
    after = now + WAIT
    entries.append(
        entry_of(
            entries,
            "decision",
            "Ann",
            decision_body(entries, EVENT, "assessed", "Ann", "why", ALTERNATIVE, [], now, CaseRules()),
            now,
        )
    )
    decision_body(entries, EVENT, "referred", "Ann", "why", [], ["GR"], after, CaseRules())


@given(st.text(min_size=1, max_size=20).filter(lambda text: text.strip()))
def test_a_name_is_the_same_however_it_is_written(text):
    name = upkeep.checked_name(text)
    assert decisions.same_name(name) == decisions.same_name(unicodedata.normalize("NFD", f" {name} "))


def test_each_kind_and_status_says_what_it_means():
    assert len({row.name for row in STATUSES}) == len(STATUSES) == 6
    assert all(len(row.meaning) > 15 for row in (*STATUSES, *ENTRY_KINDS))
    reached: set[str | None] = {None}
    while more := {row.name for row in STATUSES if reached & {*row.after}} - reached:
        reached |= more
    assert reached == {None, *(row.name for row in STATUSES)}
