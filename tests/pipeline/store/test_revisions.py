"""Owns: which stored encounter a new one continues, and what becomes of those that none continues."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline.store.revisions import succession
from tests.pipeline.store.build import HISTORY, Working, encounter, output

A = "241502000-311000222-"


CURRENT = """SELECT id, revision, start_time, end_time, run_id FROM encounters WHERE status = 'current'
             ORDER BY start_time, mmsi_a"""


class Store(Working):
    STORED = ("encounters", "part_encounters")

    def take(self, number, *files):
        """Outputs in place of those before: of each its key and its lists of encounters, a file each."""
        outputs = [output(self.data, key, *({"encounters": rows} for rows in of)) for key, *of in files]
        self.load(f"run-{number}", outputs)

    def tell(self, number, *events):
        """A single output that says these events, in place of the one before."""
        self.take(number, (f"open-{number}", events))

    def history(self):
        """Id, revision, status and successor of every stored encounter."""
        return self.work.execute(HISTORY).fetchall()

    def current(self):
        return self.rows(CURRENT)


@pytest.fixture(scope="module")
def working(tmp_path_factory):
    """To be emptied, not made anew."""
    with Store.at(tmp_path_factory.mktemp("working")) as store:
        yield store


@pytest.fixture
def store(working):
    working.empty()
    return working


@pytest.mark.parametrize("changed", [encounter(1, 4), encounter(1, 2), encounter(0.5, 3), encounter(1, 3, score=9.0)])
def test_a_changed_event_keeps_its_name_and_gets_the_next_revision(store, changed):
    store.tell(1, encounter(1, 3))
    store.tell(2, changed)
    assert store.history() == [(A + "1", 1, "superseded", None), (A + "1", 2, "current", None)]
    (now,) = store.current()
    assert (now["start_time"], now["end_time"], now["run_id"]) == (
        changed["start_time"],
        changed["end_time"],
        "run-2",
    )
    (before,) = store.rows("SELECT start_time, end_time, run_id FROM encounters WHERE revision = 1")
    assert (before["start_time"], before["end_time"]) == tuple(
        encounter(1, 3)[name] for name in ("start_time", "end_time")
    )
    assert before["run_id"] == "run-1"


def test_unchanged_events_are_left_alone_also_when_another_output_says_them(store):
    store.tell(1, encounter(1, 3), encounter(5, 6))
    store.take(2, ("day-1", [encounter(1, 3)]), ("open-2", [encounter(5, 6)]))
    assert {(row["id"], row["revision"], row["run_id"]) for row in store.current()} == {
        (A + "1", 1, "run-1"),
        (A + "5", 1, "run-1"),
    }
    assert len(store.history()) == 2


def test_of_a_split_the_larger_part_keeps_the_name_and_the_other_gets_one_of_its_own(store):
    store.tell(1, encounter(1, 10))
    store.tell(2, encounter(1, 3), encounter(4, 10))
    assert store.history() == [
        (A + "1", 1, "superseded", None),
        (A + "1", 2, "current", None),
        (A + "1-2", 1, "current", None),
    ]
    assert [(row["id"], row["start_time"].hour) for row in store.current()] == [
        (A + "1-2", 1),
        (A + "1", 4),
    ]
    store.tell(3, encounter(1, 3.5), encounter(4, 10))
    assert (A + "1-2", 2, "current", None) in store.history()


def test_what_is_merged_away_names_the_event_that_took_its_place(store):
    store.tell(1, encounter(1, 3), encounter(4, 10), encounter(12, 13))
    store.tell(2, encounter(1, 13))
    assert store.history() == [
        (A + "1", 1, "superseded", A + "4"),
        (A + "12", 1, "superseded", A + "4"),
        (A + "4", 1, "superseded", None),
        (A + "4", 2, "current", None),
    ]


def test_a_vanished_event_is_retracted_and_goes_on_if_it_comes_back(store):
    store.tell(1, encounter(1, 3), encounter(5, 6))
    store.tell(2, encounter(5, 6))
    assert store.history() == [(A + "1", 1, "retracted", None), (A + "5", 1, "current", None)]
    store.tell(3, encounter(1, 3), encounter(5, 6))
    assert store.history()[:2] == [(A + "1", 1, "retracted", None), (A + "1", 2, "current", None)]
    store.tell(4)
    assert {status for *_, status, _ in store.history()} == {"retracted"}


@pytest.mark.parametrize("other", [{"kind": "one_dark"}, {"mmsi_b": 311000223}, {"start_h": 3}])
def test_another_kind_pair_or_time_is_another_event(store, other):
    start = other.pop("start_h", 1)
    store.tell(1, encounter(1, 3))
    store.tell(2, encounter(start, start + 2, **other))
    assert sorted(status for _, _, status, _ in store.history()) == ["current", "retracted"]
    assert len({name for name, *_ in store.history()}) == 2


def test_reasons_and_zones_are_content_too(store):
    store.tell(1, encounter(1, 3), encounter(5, 6))
    store.tell(2, encounter(1, 3, zones=["chodo"]), encounter(5, 6, reasons=[]))
    assert [row["revision"] for row in store.current()] == [2, 2]


def test_the_same_event_said_twice_is_one(store):
    store.take(1, ("a", [encounter(1, 3)], [encounter(1, 3)]))
    assert store.history() == [(A + "1", 1, "current", None)]


spans = st.tuples(st.integers(0, 20), st.integers(1, 8)).map(lambda span: (span[0], span[0] + span[1]))
states = st.lists(st.lists(spans, max_size=6, unique_by=lambda span: span[0]), min_size=1, max_size=4)


@settings(max_examples=15, deadline=None)
@given(states)
def test_whatever_came_before_the_current_events_are_those_said_last(working, collected):
    before = set()
    working.empty()
    for number, printed in enumerate(collected):
        working.tell(number, *(encounter(*span) for span in printed))
        now = working.current()
        assert [(row["start_time"], row["end_time"]) for row in now] == [
            (event["start_time"], event["end_time"])
            for event in sorted((encounter(*span) for span in printed), key=lambda event: event["start_time"])
        ]
        stored = working.history()
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
