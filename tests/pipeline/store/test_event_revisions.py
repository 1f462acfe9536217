"""Owns: every table of events keeps what stood before: each change is a revision with its reason, nothing is lost."""

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline import schema
from tests.pipeline.store.build import Working, at, encounter, gap, output, publish, rows

ALL = """SELECT id, revision, status, superseded_by, subject, start_time, end_time, changed, reason, ended_reason
         FROM event_revisions ORDER BY id, revision"""


def silence(start_h, end_h, mmsi=241502000, **more):
    ends = {"end_time": None} if end_h is None else {"end_time": at(end_h), "lon1": 125.0, "lat1": 38.6}
    return gap(start_h, mmsi=mmsi, ending="open" if end_h is None else "resumed", **ends, **more)


class Store(Working):
    STORED = ("part_gaps", "part_outages", "event_revisions")
    loads = 0

    def tell(self, *files, **more):
        """Outputs with these gaps each, in place of those before; one with the same gaps as before is the same."""
        self.loads += 1
        keys = [crc32(repr(of).encode()) if of else k for k, of in enumerate(files)]
        outputs = [output(self.data, str(key), {"gaps": list(of)}) for key, of in zip(keys, files, strict=True)]
        self.load(f"run-{self.loads}", outputs, 30 + self.loads, **more)

    def all(self):
        return self.rows(ALL)

    def history(self):
        return [(row["id"], row["revision"], row["status"], row["superseded_by"]) for row in self.all()]


@pytest.fixture(scope="module")
def working(tmp_path_factory):
    with Store.at(tmp_path_factory.mktemp("working")) as store:
        yield store


@pytest.fixture
def store(working):
    working.empty()
    return working


def test_every_table_of_events_has_revisions():
    """Of tables that say what happened; others say what was counted, reported or decided."""
    counted = {"vessels", "coverage", "port_pair_counts", "identity_values", "encounters"}
    assert set(schema.TABLES.revised) == set(schema.TABLES.parts) - counted


def test_what_changed_is_the_next_revision_and_says_which_columns(store):
    store.tell([silence(1, 4)], [silence(9, None, mmsi=311000222)])
    store.tell([silence(1, 4)], [silence(9, 12, mmsi=311000222)])
    first, second = [row for row in store.all() if row["subject"] == "311000222"]
    assert (first["id"], first["revision"], first["status"]) == (second["id"], 1, "superseded")
    assert (second["revision"], second["status"], second["end_time"]) == (2, "current", at(12))
    assert set(second["changed"]) == {"end_time", "lon1", "lat1", "ending"}
    assert second["reason"].startswith("data: late, corrected")
    assert first["ended_reason"] == second["reason"]
    assert [row["revision"] for row in store.all() if row["subject"] == "241502000"] == [1]


def test_what_is_disproved_is_retracted_and_comes_back_under_its_name(store):
    store.tell([silence(1, 4)])
    store.tell([])
    (gone,) = store.all()
    assert (gone["status"], gone["superseded_by"]) == ("retracted", None)
    assert gone["ended_reason"].startswith("data")
    store.tell([silence(1, 4)])
    assert [row[1:] for row in store.history()] == [(1, "retracted", None), (2, "current", None)]


def test_of_two_that_become_one_the_longer_keeps_the_id(store):
    store.tell([silence(1, 4), silence(5, 12)])
    short, long = (row["id"] for row in sorted(store.all(), key=lambda row: row["start_time"]))
    store.tell([silence(1, 12)])
    assert set(store.history()) == {
        (short, 1, "superseded", long),
        (long, 1, "superseded", None),
        (long, 2, "current", None),
    }


def test_the_reason_names_other_rules(store):
    store.tell([silence(1, 4)])
    store.tell([silence(1, 5)], min_score=1.0)
    assert store.all()[-1]["reason"].startswith("rules")


def test_a_load_of_the_same_outputs_asks_nothing(store):
    outputs = [output(store.data, "same", {"gaps": [silence(1, 4)]})]
    for number in range(2):
        store.load(f"r{number}", outputs, 40)
    assert len(store.history()) == 1
    store.work.execute("UPDATE hashed_by SET made = 'v1'; UPDATE event_revisions SET _columns = [1]")
    store.tell([silence(1, 4)])  # by another DuckDB, whose hashes are others
    assert len(store.history()) == 1


def test_an_outage_that_comes_later_changes_the_gaps_in_it_and_no_others(store):
    """Though their rows are those they were: how much of a gap lies in an outage is worked out from both."""
    outage = {"receiver": "all", "start_time": at(2), "end_time": at(3), "minutes": 60.0}
    outage |= {"vessels_before": 9, "vessels_after": 9}
    early, late = (output(store.data, f"gaps-{h}", {"gaps": [silence(h, h + 3)]}) for h in (1, 8))
    nobody = output(store.data, "outage", {"outages": [outage]})
    for number, outputs in enumerate(([early, late], [early, late, nobody])):
        store.load(f"r{number}", outputs, 40)
    changed = [row for row in store.all() if row["changed"]]
    assert [(row["start_time"], row["changed"]) for row in changed] == [(at(1), ["outage_min"])]


def test_current_events_are_published_beside_all_revisions(tmp_path):
    day = output(tmp_path, "a", {"encounters": [encounter(1, 3)], "gaps": [silence(1, 4), silence(6, 8)]})
    publish(tmp_path, day)
    publish(tmp_path, output(tmp_path, "b", {"gaps": [silence(1, 4, lost_min=3.0)]}), run_id="run-2")
    found = rows(
        tmp_path,
        "SELECT e.id, e.revision, e.run_id, e.changed, lost_min FROM current_events e "
        "JOIN gaps g ON e.table_name = 'gaps' AND e.subject = g.mmsi::VARCHAR AND e.start_time = g.start_time",
    )
    assert [(row["revision"], row["run_id"], row["changed"], row["lost_min"]) for row in found] == [
        (2, "run-2", ["lost_min"], 3.0)
    ]
    assert [row["status"] for row in rows(tmp_path, "FROM event_revisions ORDER BY status")] == [
        "current",
        "retracted",
        "superseded",
    ]


# ------------------------------------------------------------------- whatever comes, held against a plain reading

spans = st.tuples(
    st.integers(0, 14), st.one_of(st.none(), st.integers(1, 6)), st.sampled_from([1, 2]), st.sampled_from([0.0, 1.0])
)
loads = st.lists(st.lists(spans, max_size=5, unique_by=lambda span: (span[0], span[2])), min_size=1, max_size=4)
EVER = 10_000


def made(span):
    start, long, mmsi, lost_min = span
    return silence(start, None if long is None else start + long, mmsi=241502000 + mmsi, lost_min=lost_min)


def plain(stood, now):
    """What becomes of events that stood, id -> (span, revision), by what is loaded: a plain reading of the law.

    Gives (id of each that goes on -> span), ids superseded by another span, ids retracted, spans that are new.
    """

    def end(span):
        return EVER if span[1] is None else span[0] + span[1]

    same = {name: span for name, (span, _) in stood.items() if span in now}
    left = {name: span for name, (span, _) in stood.items() if name not in same}
    fresh = [span for span in now if span not in same.values()]
    pairs = []
    for span in fresh:
        for name, old in left.items():
            shared = min(end(span), end(old)) - max(span[0], old[0])
            if span[2] == old[2] and (shared > 0 or span[0] == old[0] or end(span) == end(old)):
                pairs.append((-shared, old[0], name, span))
    goes_on, covered = {}, {}
    for _, _, name, span in sorted(pairs, key=lambda pair: (*pair[:3], fresh.index(pair[3]))):
        covered.setdefault(name, span)
        if name not in goes_on and span not in goes_on.values():
            goes_on[name] = span
    return (
        same,
        goes_on,
        {name: span for name, span in covered.items() if name not in goes_on},
        set(left) - set(covered),
    )


@settings(max_examples=10, deadline=None)
@given(loads, st.randoms(use_true_random=False))
def test_whatever_comes_current_are_those_said_last_and_nothing_is_lost(working, collected, shuffled):
    working.empty()
    stood, before = {}, {}
    for loaded in collected:
        now = sorted(loaded, key=lambda span: (241502000 + span[2], span[0]))
        files = [[made(span) for span in loaded if span[0] % 3 == k] for k in range(3)]  # some are those before
        shuffled.shuffle(files)
        working.tell(*files)
        every = {(row["id"], row["revision"]): row for row in working.all()}
        current = {row["id"]: row for row in every.values() if row["status"] == "current"}
        spans_of = {(row["subject"], row["start_time"]): name for name, row in current.items()}
        names = {span: spans_of[str(241502000 + span[2]), at(span[0])] for span in now}
        assert len(names) == len(current) == len(now)
        same, goes_on, covered, retracted = plain(stood, now)
        assert all(names[span] == name and current[name]["revision"] == stood[name][1] for name, span in same.items())
        assert all(
            names[span] == name and current[name]["revision"] == stood[name][1] + 1 for name, span in goes_on.items()
        )
        for name, span in covered.items():
            row = every[name, stood[name][1]]
            assert (row["status"], row["superseded_by"]) == ("superseded", names[span])
        assert all(every[name, stood[name][1]]["status"] == "retracted" for name in retracted)
        assert all(
            row["reason"] and (row["status"] == "current") == (row["ended_reason"] is None) for row in every.values()
        )
        assert all(
            (row["changed"] is None) == (row["id"] not in goes_on)
            for row in every.values()
            if (row["id"], row["revision"]) not in before
        )
        fixed = ("subject", "start_time", "end_time", "changed", "reason")
        assert all(every[key][name] == row[name] for key, row in before.items() for name in fixed)
        stood, before = {names[span]: (span, current[names[span]]["revision"]) for span in now}, every


@settings(max_examples=4, deadline=None)
@given(loads)
def test_the_order_of_arrival_does_not_show_in_what_is_current(working, collected):
    """Each part loaded once more, in either order: the current rows are the same, whatever their history."""
    parts = {f"{k}": [made(span) for span in loaded] for k, loaded in enumerate(collected)}
    found = []
    for order in (list(parts), list(parts)[::-1]):
        working.empty()
        known = []
        for name in order:
            working.loads += 1
            known.append(output(working.data, f"p{working.loads}", {"gaps": parts[name]}))
            working.load(f"o-{working.loads}", known, 40)
        query = "SELECT subject, start_time, end_time FROM event_revisions WHERE status = 'current' ORDER BY ALL"
        found.append(working.work.execute(query).fetchall())
    assert found[0] == found[1]
