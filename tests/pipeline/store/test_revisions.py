"""Owns: which stored encounter a new one continues, and what becomes of those that none continues."""

from __future__ import annotations

from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.geo.reference import zones
from stswatch.pipeline.store.database import open_work
from stswatch.pipeline.store.loader import commit
from stswatch.pipeline.store.revisions import succession
from tests.pipeline.store.build import HISTORY, at, encounter, history, output, publish, rows, run

A = "241502000-311000222-"


def tell(data, number, *events):
    """Load a single output that says these events, in place of the one before."""
    publish(data, output(data, f"open-{number}", {"encounters": events}), run_id=f"run-{number}")


CURRENT = """SELECT id, revision, start_time, end_time, run_id FROM encounters WHERE status = 'current'
             ORDER BY start_time, mmsi_a"""


def current(data):
    return rows(data, CURRENT)


@pytest.mark.parametrize("changed", [encounter(1, 4), encounter(1, 2), encounter(0.5, 3), encounter(1, 3, score=9.0)])
def test_a_changed_event_keeps_its_name_and_gets_the_next_revision(tmp_path, changed):
    tell(tmp_path, 1, encounter(1, 3))
    tell(tmp_path, 2, changed)
    assert history(tmp_path) == [(A + "1", 1, "superseded", None), (A + "1", 2, "current", None)]
    (now,) = current(tmp_path)
    assert (now["start_time"], now["end_time"], now["run_id"]) == (
        changed["start_time"],
        changed["end_time"],
        "run-2",
    )
    (before,) = rows(tmp_path, "SELECT start_time, end_time, run_id FROM encounters WHERE revision = 1")
    assert (before["start_time"], before["end_time"]) == tuple(
        encounter(1, 3)[name] for name in ("start_time", "end_time")
    )
    assert before["run_id"] == "run-1"


def test_unchanged_events_are_left_alone_also_when_another_output_says_them(tmp_path):
    closed = output(tmp_path, "day-1", {"encounters": [encounter(1, 3)]})
    publish(tmp_path, output(tmp_path, "open-1", {"encounters": [encounter(1, 3), encounter(5, 6)]}))
    publish(tmp_path, closed, output(tmp_path, "open-2", {"encounters": [encounter(5, 6)]}), run_id="run-2")
    assert {(row["id"], row["revision"], row["run_id"]) for row in current(tmp_path)} == {
        (A + "1", 1, "run-1"),
        (A + "5", 1, "run-1"),
    }
    assert len(history(tmp_path)) == 2


def test_of_a_split_the_larger_part_keeps_the_name_and_the_other_gets_one_of_its_own(tmp_path):
    tell(tmp_path, 1, encounter(1, 10))
    tell(tmp_path, 2, encounter(1, 3), encounter(4, 10))
    assert history(tmp_path) == [
        (A + "1", 1, "superseded", None),
        (A + "1", 2, "current", None),
        (A + "1-2", 1, "current", None),
    ]
    assert [(row["id"], row["start_time"].hour) for row in current(tmp_path)] == [
        (A + "1-2", 1),
        (A + "1", 4),
    ]
    tell(tmp_path, 3, encounter(1, 3.5), encounter(4, 10))
    assert (A + "1-2", 2, "current", None) in history(tmp_path)


def test_what_is_merged_away_names_the_event_that_took_its_place(tmp_path):
    tell(tmp_path, 1, encounter(1, 3), encounter(4, 10), encounter(12, 13))
    tell(tmp_path, 2, encounter(1, 13))
    assert history(tmp_path) == [
        (A + "1", 1, "superseded", A + "4"),
        (A + "12", 1, "superseded", A + "4"),
        (A + "4", 1, "superseded", None),
        (A + "4", 2, "current", None),
    ]


def test_a_vanished_event_is_retracted_and_goes_on_if_it_comes_back(tmp_path):
    tell(tmp_path, 1, encounter(1, 3), encounter(5, 6))
    tell(tmp_path, 2, encounter(5, 6))
    assert history(tmp_path) == [(A + "1", 1, "retracted", None), (A + "5", 1, "current", None)]
    tell(tmp_path, 3, encounter(1, 3), encounter(5, 6))
    assert history(tmp_path)[:2] == [(A + "1", 1, "retracted", None), (A + "1", 2, "current", None)]
    tell(tmp_path, 4)
    assert {status for *_, status, _ in history(tmp_path)} == {"retracted"}


@pytest.mark.parametrize("other", [{"kind": "one_dark"}, {"mmsi_b": 311000223}, {"start_h": 3}])
def test_another_kind_pair_or_time_is_another_event(tmp_path, other):
    start = other.pop("start_h", 1)
    tell(tmp_path, 1, encounter(1, 3))
    tell(tmp_path, 2, encounter(start, start + 2, **other))
    assert sorted(status for _, _, status, _ in history(tmp_path)) == ["current", "retracted"]
    assert len({name for name, *_ in history(tmp_path)}) == 2


def test_reasons_and_zones_are_content_too(tmp_path):
    tell(tmp_path, 1, encounter(1, 3), encounter(5, 6))
    tell(tmp_path, 2, encounter(1, 3, zones=["chodo"]), encounter(5, 6, reasons=[]))
    assert [row["revision"] for row in current(tmp_path)] == [2, 2]


def test_the_same_event_said_twice_is_one(tmp_path):
    publish(tmp_path, output(tmp_path, "a", {"encounters": [encounter(1, 3)]}, {"encounters": [encounter(1, 3)]}))
    assert history(tmp_path) == [(A + "1", 1, "current", None)]


spans = st.tuples(st.integers(0, 20), st.integers(1, 8)).map(lambda span: (span[0], span[0] + span[1]))
states = st.lists(st.lists(spans, max_size=6, unique_by=lambda span: span[0]), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def working(tmp_path_factory):
    """A working database that is emptied, not made anew, and not published: above, each publication is looked at."""
    data = tmp_path_factory.mktemp("working")
    with closing(open_work(data)) as work:
        yield data, work


@settings(max_examples=15, deadline=None)
@given(states)
def test_whatever_came_before_the_current_events_are_those_said_last(working, told):
    (data, work), before = working, set()
    for name in ("encounters", "outputs", "runs", "part_encounters"):
        work.execute(f"DELETE FROM {name}")
    for number, said in enumerate(told):
        now_said = output(data, f"open-{number}", {"encounters": [encounter(*span) for span in said]})
        commit(work, data, run(f"run-{number}"), zones.area("world"), [now_said], None, at(30))
        now = work.sql(CURRENT).to_arrow_table().to_pylist()
        assert [(row["start_time"], row["end_time"]) for row in now] == [
            (event["start_time"], event["end_time"])
            for event in sorted((encounter(*span) for span in said), key=lambda event: event["start_time"])
        ]
        stored = work.execute(HISTORY).fetchall()
        named = {(name, revision) for name, revision, *_ in stored}
        assert len(named) == len(stored)
        assert len({row["id"] for row in now}) == len(now)
        assert before <= named  # nothing is ever taken away
        assert {successor for *_, successor in stored if successor} <= {name for name, *_ in stored}
        for name, revision, status, _ in stored:
            assert revision == 1 or (name, revision - 1) in named
            assert status != "current" or (name, revision + 1) not in named
        before = named


pairs = st.lists(st.tuples(st.integers(0, 5), st.just("p"), st.sampled_from("abcdef"), st.just(1)), max_size=20)


@given(pairs)
def test_nobody_continues_two_and_nobody_who_could_go_on_is_left(given_pairs):
    heirs, covered = succession(given_pairs)
    continued = [old for old, _ in heirs.values()]
    assert len(set(continued)) == len(continued)
    assert set(covered) == {old for _, _, old, _ in given_pairs}
    assert all(new in heirs or old in continued for new, _, old, _ in given_pairs)
