"""Owns: what stands so far in the store: names, revisions, ends, and what is told of leads."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline import schema
from stswatch.pipeline.rules import LeadRules, Rules
from stswatch.pipeline.store import queries
from stswatch.pipeline.store.loader import Beside, Live, RunRecord
from stswatch.pipeline.store.revisions import RUNNING
from tests.pipeline.store.build import DAY, at, encounter, history, output, rows

A = "241502000-311000222-"
NOTHING = Beside(schema.SOURCES.empty_table(), schema.REJECT_COUNTS.empty_table(), {})
LONG_AGO = DAY - timedelta(days=900)


def started(data, run_id="watch-1", area="world"):
    rules = Rules(lead=LeadRules(min_score=0.5))
    return closing(Live(data, RunRecord(run_id, DAY, "0.1.0", rules, "rules-1", area, at(0), at(24))))


def so_far(*events, running=True):
    fields = pa.schema([*schema.ENCOUNTERS, RUNNING])
    return pa.Table.from_pylist([{RUNNING.name: running} | event for event in events], schema=fields)


def stands(store, *events, running=True, vessels=()):
    known = pa.Table.from_pylist([{"fixes": 9} | vessel for vessel in vessels], schema=schema.VESSELS)
    return store.stand(so_far(*events, running=running), known)


def finalizes(data, store, number, *events, then=()):
    return store.finalize([output(data, f"slice-{number}", {"encounters": events})], NOTHING, so_far(*then), at(30))


def collected(store, since=0):
    return [(row["id"], row["revision"], row["change"]) for row in store.lead_changes(since, LONG_AGO)]


def test_the_run_that_an_event_names_is_there_before_anything_is_finalized(tmp_path):
    with started(tmp_path) as store:
        stands(store, encounter(1, 2))
        store.publish(at(30))
        (row,) = rows(tmp_path, "SELECT run_id, area, finished FROM runs JOIN encounters USING (run_id)")
        assert row == {"run_id": "watch-1", "area": "world", "finished": None}
        finalizes(tmp_path, store, 1, then=[encounter(1, 2)])
        stands(store, encounter(1, 2.1))
        store.publish(at(30))
        assert rows(tmp_path, "SELECT finished FROM runs") == [{"finished": at(30)}]


def test_while_its_class_is_the_same_it_is_replaced_under_its_name_and_revision(tmp_path):
    with started(tmp_path) as store:
        first = stands(store, encounter(1, 1.5))
        for end_h in (1.6, 1.7):
            assert stands(store, encounter(1.01, end_h, score=2.0)) > first
        store.publish(at(30))
        (row,) = rows(tmp_path, "SELECT id, revision, status, end_time, score FROM encounters")
        assert row == {"id": A + "1", "revision": 1, "status": "provisional", "end_time": at(1.7), "score": 2.0}
        assert collected(store) == [(A + "1", 1, "opened")]
        assert collected(store, since=first) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [({"zones": ["yellow_sea"]}, "changed"), ({"score": 0.2}, "retracted"), ({"running": False}, "closed")],
    ids=str,
)
def test_another_zone_another_rank_or_the_end_is_another_revision(tmp_path, change, word):
    with started(tmp_path) as store:
        first = stands(store, encounter(1, 2))
        running = change.pop("running", True)
        stands(store, encounter(1, 2.2, **change), running=running)
        store.publish(at(30))
        expected = [(A + "1", 1, "superseded", None), (A + "1", 2, "provisional", None)]
        assert history(tmp_path) == expected
        assert collected(store, since=first) == [(A + "1", 2, word)]
        assert collected(store) == [(A + "1", 1, "opened"), (A + "1", 2, word)]


def test_a_zone_behind_the_first_is_no_other_class(tmp_path):
    with started(tmp_path) as store:
        stands(store, encounter(1, 2, zones=["chodo", "a"]))
        stands(store, encounter(1, 2, zones=["chodo", "b"]))
        store.publish(at(30))
        assert history(tmp_path) == [(A + "1", 1, "provisional", None)]


def test_what_vanishes_is_retracted_and_told_under_its_own_revision(tmp_path):
    with started(tmp_path) as store:
        first = stands(store, encounter(1, 2), encounter(5, 6))
        stands(store, encounter(5, 6))
        assert collected(store, since=first) == [(A + "1", 1, "opened"), (A + "1", 1, "retracted")]
        stands(store, encounter(1, 2), encounter(5, 6))
        store.publish(at(30))
        assert history(tmp_path)[:2] == [(A + "1", 1, "retracted", None), (A + "1", 2, "provisional", None)]
        assert collected(store)[-1] == (A + "1", 2, "opened")


def test_what_one_event_takes_the_place_of_is_told_as_retracted(tmp_path):
    with started(tmp_path) as store:
        first = stands(store, encounter(1, 3), encounter(4, 10))
        stands(store, encounter(1, 10))
        store.publish(at(30))
        assert history(tmp_path) == [(A + "1", 1, "superseded", A + "4"), (A + "4", 1, "provisional", None)]
        assert collected(store, since=first) == [(A + "1", 1, "opened"), (A + "1", 1, "retracted")]


def test_finalized_it_keeps_its_name_and_is_current(tmp_path):
    with started(tmp_path) as store:
        stands(store, encounter(1, 2), encounter(7, 8))
        finalized = finalizes(tmp_path, store, 1, encounter(1.02, 2.01), then=[encounter(7, 8.1)])
        store.publish(at(30))
        assert history(tmp_path) == [
            (A + "1", 1, "superseded", None),
            (A + "1", 2, "current", None),
            (A + "7", 1, "provisional", None),
        ]
        assert collected(store, since=finalized - 1) == [(A + "1", 2, "closed")]
        before = history(tmp_path)
        stands(store, encounter(7, 8.2))
        finalizes(tmp_path, store, 1, encounter(1.02, 2.01), then=[encounter(7, 8.2)])
        store.publish(at(30))
        assert history(tmp_path) == before


def test_late_data_open_again_what_was_finalized(tmp_path):
    with started(tmp_path) as store:
        finalizes(tmp_path, store, 1, encounter(1, 2))
        finalizes(tmp_path, store, 2, then=[encounter(1, 4)])
        store.publish(at(30))
        assert history(tmp_path) == [(A + "1", 1, "superseded", None), (A + "1", 2, "provisional", None)]


def test_a_peek_leaves_what_is_finalized_alone(tmp_path):
    """Of the same pair and time: only what is provisional is compared."""
    with started(tmp_path) as store:
        finalizes(tmp_path, store, 1, encounter(1, 2))
        stands(store, encounter(3, 4))
        stands(store)
        store.publish(at(30))
        assert history(tmp_path) == [(A + "1", 1, "current", None), (A + "3", 1, "retracted", None)]


def test_a_peek_never_takes_a_name_that_somebody_bears(tmp_path):
    with started(tmp_path) as store:
        finalizes(tmp_path, store, 1, encounter(1, 2))
        stands(store, encounter(1, 2.5))
        store.publish(at(30))
        assert history(tmp_path) == [(A + "1", 1, "current", None), (A + "1-2", 1, "provisional", None)]


def test_leads_are_those_that_hold_finalized_or_not(tmp_path):
    with started(tmp_path) as store:
        finalizes(tmp_path, store, 1, encounter(1, 2), then=[encounter(5, 6), encounter(8, 9, score=0.1)])
        store.publish(at(30))
        found = rows(tmp_path, "SELECT id, status FROM flagged_encounters ORDER BY id")
        assert [(row["id"], row["status"]) for row in found] == [(A + "1", "current"), (A + "5", "provisional")]


def test_outside_of_the_area_it_is_no_lead(tmp_path):
    with started(tmp_path, area="dprk") as store:
        stands(store, encounter(1, 2, lon=-90.0, lat=28.0), encounter(5, 6, lon=124.93, lat=38.53))
        assert collected(store) == [(A + "5", 1, "opened")]


def test_only_what_ended_lately_is_told(tmp_path):
    with started(tmp_path) as store:
        stands(store, encounter(1, 2), encounter(5, 6))
        assert [row["id"] for row in store.lead_changes(0, at(3))] == [A + "5"]


def test_names_are_those_told_last_and_no_fix_counts_twice(tmp_path):
    printed = {"name": "OLD", "name_time": at(1)}
    finalized = {"mmsi": 241502000, "fixes": 7, "first_seen": at(1), "last_seen": at(1), **printed}
    live = {"mmsi": 311000222, "name": "LIVE", "name_time": at(2)}
    newer = {"mmsi": 241502000, "name": "NEW", "name_time": at(3)}
    with started(tmp_path) as store:
        store.finalize([output(tmp_path, "s", {"vessels": [finalized]})], NOTHING, so_far(), at(30))
        stranger = {"mmsi": 999000001, "name": "ELSEWHERE", "name_time": at(2)}
        for _ in range(2):
            stands(store, encounter(1, 2), vessels=[live, newer, stranger])
        (row,) = store.lead_changes(0, LONG_AGO)
        assert (row["name_a"], row["name_b"]) == ("NEW", "LIVE")
        store.publish(at(30))
        known = rows(tmp_path, "SELECT mmsi, name, fixes FROM vessels ORDER BY mmsi")
        assert [tuple(row.values()) for row in known] == [(241502000, "NEW", 7), (311000222, "LIVE", 0)]


def test_another_watch_goes_on_where_the_last_one_stood(tmp_path):
    with started(tmp_path) as store:
        stands(store, encounter(1, 2))
    with started(tmp_path, "watch-2") as store:
        stands(store, encounter(1, 2.5))
        store.publish(at(30))
        assert history(tmp_path) == [(A + "1", 1, "provisional", None)]
        assert collected(store) == [(A + "1", 1, "opened")]


def test_a_failure_half_way_leaves_what_stood(tmp_path, monkeypatch):
    with started(tmp_path) as store:
        stands(store, encounter(1, 2))
        monkeypatch.setattr(store, "_take_vessels", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            stands(store, encounter(5, 6))
        monkeypatch.undo()
        stands(store, encounter(1, 2.1))
        store.publish(at(30))
        assert history(tmp_path) == [(A + "1", 1, "provisional", None)]


spans = st.tuples(st.integers(0, 20), st.integers(1, 8)).map(lambda span: (span[0], span[0] + span[1]))
events = st.tuples(spans, st.sampled_from(["chodo", "nampo_sokto"]), st.sampled_from([0.1, 1.0]), st.booleans())
looks = st.lists(st.lists(events, max_size=5, unique_by=lambda event: event[0][0]), min_size=1, max_size=6)


@settings(max_examples=settings.default.max_examples // 3)  # each keeps what stands in a database of its own
@given(looks)
def test_whatever_stood_before_the_keys_that_were_told_are_those_of_the_leads(tmp_path_factory, seen):
    """Told after each commit or all at once at the end: the same keys, and no lead revision is missed."""
    data = tmp_path_factory.mktemp("data")
    keys, since = set(), 0
    with started(data) as store:
        for look in seen:
            now = [
                {RUNNING.name: running} | encounter(*span, zones=[zone], score=score)
                for span, zone, score, running in look
            ]
            commit = stands(store, *now)
            keys |= {key(*change) for change in collected(store, since)}
            since = commit
        assert keys == {key(*change) for change in collected(store)}
        # not published: above, each publication is looked at
        leads = in_work(store, "SELECT id, revision, status, superseded_by FROM encounters WHERE score >= 0.5")
        now = in_work(store, "SELECT start_time FROM encounters WHERE status = 'provisional' ORDER BY start_time")
    assert {key for key in keys if not key.endswith("retracted")} == {f"{r['id']}:{r['revision']}" for r in leads}
    withdrawn = [r for r in leads if r["status"] == "retracted" or r["superseded_by"]]
    assert {f"{r['id']}:{r['revision']}:retracted" for r in withdrawn} <= keys
    assert [row["start_time"] for row in now] == sorted(at(span[0]) for span, *_ in seen[-1])


def in_work(store, query):
    return store._work.sql(query).to_arrow_table().to_pylist()


def key(name, revision, change):
    return f"{name}:{revision}" + (":retracted" if change == "retracted" else "")


def final(data, store, *events):
    """All is finalized to the last fix, where the data end."""
    return store.finalize([output(data, "last", {"encounters": events})], NOTHING, None, at(30))


def goes_on(data, store, decided_h, *then):
    """Finalized to an hour again, by which nothing is decided that ended at or after `decided_h`."""
    decided_us = int(at(decided_h).timestamp() * 1e6)
    return store.finalize(
        [output(data, "hour", {"encounters": []})], NOTHING, so_far(*then, running=False), at(30), decided_us
    )


def test_what_was_final_stays_so_without_new_data_and_nobody_is_told(tmp_path):
    near, far = encounter(1, 2), encounter(7, 8, mmsi_b=311000333)  # of the second nothing stands: it is far away
    with started(tmp_path) as store:
        last = final(tmp_path, store, near, far)
        goes_on(tmp_path, store, 0, encounter(1.01, 2))
        stands(store, encounter(1, 2.01), running=False)
        store.publish(at(30))
        assert [status for _, _, status, _ in history(tmp_path)] == ["current", "current"]
        assert collected(store, last) == []
        again = final(tmp_path, store, near, far)
        assert store.changed(again) == {"new": 0, "revised": 0, "retracted": 0}
        assert collected(store, last) == []


def test_what_was_final_goes_on_with_new_data_and_is_withdrawn_once_the_slices_know_better(tmp_path):
    with started(tmp_path) as store:
        final(tmp_path, store, encounter(1, 2), encounter(7, 8, mmsi_b=311000333))
        goes_on(tmp_path, store, 0, encounter(1, 3))
        store.publish(at(30))
        assert sorted(row[1:] for row in history(tmp_path)) == [
            (1, "current", None),
            (1, "superseded", None),
            (2, "provisional", None),
        ]
        goes_on(tmp_path, store, 9, encounter(1, 3))
        store.publish(at(30))
        assert sorted(row[2] for row in history(tmp_path)) == ["provisional", "retracted", "superseded"]


def test_another_revision_that_says_the_same_is_told_to_nobody(tmp_path):
    with started(tmp_path) as store:
        opened = stands(store, encounter(1, 2), running=False)
        same = finalizes(tmp_path, store, 1, encounter(1, 2.01, median_speed_a_kn=0.7))
        assert collected(store, opened) == []
        finalizes(tmp_path, store, 2, encounter(1, 2.01, median_speed_a_kn=0.7, score=9.0))
        assert [change for _, _, change in collected(store, same)] == ["changed"]


def test_by_the_id_that_a_run_computes_the_event_is_found_that_has_an_earlier_one(tmp_path):
    with started(tmp_path) as store:
        stands(store, encounter(1, 2), encounter(7, 8))
        finalizes(tmp_path, store, 1, encounter(1.02, 2.01), encounter(7, 8))
        store.publish(at(30))
    query = "SELECT id, computed_id FROM encounters WHERE status = 'current' ORDER BY start_time"
    held = [tuple(row.values()) for row in rows(tmp_path, query)]
    assert held == [(A + "1", A + "1.02"), (A + "7", A + "7")]
    for name in (A + "1", A + "1.02", A + "1.0"):
        found = queries.encounter(tmp_path, name)
        assert (found["id"], found["status"], found["start_time"]) == (A + "1", "current", at(1.02)), name


def test_by_the_id_of_an_event_that_another_took_the_place_of_that_other_is_found(tmp_path):
    with started(tmp_path) as store:
        stands(store, encounter(1, 3), encounter(4, 10))
        finalizes(tmp_path, store, 1, encounter(1, 10))
        store.publish(at(30))
    assert (A + "1", 1, "superseded", A + "4") in history(tmp_path)
    for name in (A + "1", A + "4"):
        assert queries.encounter(tmp_path, name)["id"] == A + "4"
