"""Owns: two silences are a lead only where they are rare by accident and something else speaks for them."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest

from stswatch.pipeline import api, schema
from stswatch.pipeline.rules import DarkRules
from stswatch.pipeline.store import views
from tests.pipeline.store.build import encounter, output, publish
from tests.pipeline.test_dark_command import at, row, silent_pair

RARE = {"id": "Drare", "chance_by_accident": 0.02, "nearer_by_accident": 0.0202}
NAMED = {"kind": "identity_change", "field": "imo", "old_value": "9000001", "new_value": "9000012"}


def event(hour=0.0, **more):
    """One vessel under another IMO number."""
    of = dict.fromkeys(schema.TABLES.parts["identity_events"].names)
    return of | NAMED | {"mmsi": 273000001, "first_time": at(hour), "last_time": at(hour + 1), "times": 9} | more


def check(hour=0.0, **more):
    """A jump of one vessel."""
    of = dict.fromkeys(schema.TABLES.parts["track_checks"].names)
    of |= {"mmsi": 412000002, "track_start": at(-90), "check_name": "position_jump", "start_time": at(hour)}
    return (
        of | {"end_time": at(hour), "lon": 124.0, "lat": 38.0, "measured": 99.0, "threshold": 60.0, "samples": 3} | more
    )


def published(folder, pair=RARE, events=(), checks=()):
    """The leads and candidates of a folder with a pair of silences."""
    rows = {"encounters": [encounter(1, 4)], "dark_meetings": [row(), silent_pair(**pair)]}
    publish(folder, output(folder, "one", rows | {"identity_events": [*events], "track_checks": [*checks]}))
    return {name: [each["id"] for each in found] for name, found in api.dark_meetings(folder).items()}


@pytest.mark.parametrize(
    ("beside", "indicator"),
    [
        ({"events": [event()]}, "identity"),
        ({"events": [event(mmsi=999, other_mmsi=412000002)]}, "identity"),
        ({"checks": [check()]}, "track_check"),
    ],
)
def test_two_silences_for_which_something_speaks_are_a_lead(beside, indicator, tmp_path):
    assert published(tmp_path, **beside) == {"leads": ["D0123456789ab", "Drare"], "candidates": []}
    found = api.dark_meeting(tmp_path, "Drare")
    assert (found["lead"], found["indicators"]) == (True, [indicator])
    with api.connect(tmp_path) as db:
        assert db.sql("SELECT count(*) FROM docket WHERE case_id = 'Drare'").fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("pair", "beside"),
    [
        (RARE, {}),
        (RARE, {"events": [event(hour=-24 * 30)]}),
        (RARE, {"events": [event(mmsi=1)]}),
        (RARE | {"chance_by_accident": 0.2}, {"events": [event()]}),
        (RARE | {"chance_by_accident": None}, {"events": [event()]}),
        (RARE | {"lost_together": 5}, {"events": [event()]}),
        (RARE | {"outage_share": 0.5}, {"events": [event()]}),
    ],
)
def test_what_is_not_so_rare_has_another_cause_or_nothing_beside_it_stays_a_candidate(pair, beside, tmp_path):
    assert published(tmp_path, pair, **beside) == {"leads": ["D0123456789ab"], "candidates": ["Drare"]}
    assert not api.dark_meeting(tmp_path, "Drare")["lead"]


def test_tables_in_memory_give_the_same(tmp_path):
    events, pair = [event()], [row(), silent_pair(**RARE), silent_pair(id="Dother", mmsi_a=5, mmsi_b=6)]
    given = {"dark_meetings": pair, "identity_events": events, "track_checks": [check(hour=24 * 30)]}
    tables = {name: pa.Table.from_pylist(rows, schema=schema.TABLES.flow[name]) for name, rows in given.items()}
    assert views.dark_leads_of(tables, DarkRules()) == ["D0123456789ab", "Drare"]
    assert at(0) - timedelta(days=DarkRules().indicator_d) > at(-24 * 30)
