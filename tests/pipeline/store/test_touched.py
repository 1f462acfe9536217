"""Owns: a load scores again what it touched alone, and every score is as if all had been scored."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.models.scorecard import chosen
from stswatch.pipeline import schema
from stswatch.pipeline.rules import ContextRules
from stswatch.pipeline.store import ddl, encounter_context, touched
from stswatch.pipeline.store.loader import Live, Output
from stswatch.pipeline.store.revisions import EVER_US, RUNNING
from tests.pipeline.store.build import DAY, at, encounter, output, run
from tests.pipeline.store.test_encounter_context import filled, seas
from tests.pipeline.store.test_scoring import CARD, DRAWN, NOTHING, scored


@pytest.fixture(autouse=True, scope="module")
def _however_few():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(touched, "FEW", 1)
        yield


PARTS = ("gaps", "port_calls", "loitering", "vessels")
IMO = ("9074729", "9319466")  # numbers with the right check digit
SPREAD = 6  # hours of `seas` lie so far apart: 100 days, so that windows of 30 and 10 leave much outside
Rows = dict[str, list[dict[str, Any]]]


def spread(row: dict[str, Any]) -> dict[str, Any]:
    return {k: DAY + (v - DAY) * SPREAD if isinstance(v, datetime) else v for k, v in row.items()}


@st.composite
def slices(draw) -> Rows:
    """What a slice may say: meetings of three vessels and all that lies round meetings."""
    sea = {name: [spread(row) for row in of] for name, of in draw(seas()).items()}
    meetings = [{k: row[k] for k in DRAWN} for row in sea["encounters"]]
    found: Rows = {"encounters": [scored(encounter(0, 1, id=f"E{n}") | of) for n, of in enumerate(meetings)]}
    found |= {name: [part(name, row) for row in sea[name]] for name in PARTS}
    kinds = ("identity_change", "shared_identity", "imo_look_alike")
    events = [{"kind": draw(st.sampled_from(kinds)), "times": 1} | times(row) for row in sea["identity_events"]]
    found["identity_events"] = [part("identity_events", row) for row in events]
    values = [{"mmsi": row["mmsi"], "field": "imo", "value": draw(st.sampled_from(IMO))} for row in sea["gaps"]]
    spans = [{"first_seen": row["start_time"], "last_seen": row["start_time"] + timedelta(9)} for row in sea["gaps"]]
    found["identity_values"] = [one | other for one, other in zip(values, spans, strict=True)]
    names = st.sampled_from(("displacement", "teleport"))
    found["track_checks"] = [part("track_checks", row | {"check_name": draw(names)}) for row in sea["track_checks"]]
    return found


def times(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("mmsi", "other_mmsi", "first_time", "last_time")}


def part(name: str, row: dict[str, Any]) -> dict[str, Any]:
    row = filled(name, row)
    return {key: value for key, value in row.items() if key in schema.TABLES.parts[name].names}


def standing(events: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(
        [{RUNNING.name: False} | row for row in events], pa.schema([*schema.ENCOUNTERS, RUNNING])
    )


def stored(store: Live) -> list[dict[str, Any]]:
    return store._work.sql("FROM encounters ORDER BY id, revision").to_arrow_table().to_pylist()


def differing(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> list[Any]:
    """Rows that are not the same in both, by what differs."""
    pairs = zip_longest(one, other, fillvalue={})
    return [{k: (a.get(k), b.get(k)) for k in {**a, **b} if a.get(k) != b.get(k)} for a, b in pairs if a != b]


def counted(store: Live) -> int:
    """How many events the last load scored."""
    return int(store._work.execute("SELECT scored FROM scored_by").fetchall()[0][0])


def named(drawn: list[Rows]) -> list[Rows]:
    """The same slices, ids of meetings and ports each its own, so that nothing has to choose among equals."""
    return [
        one
        | {"encounters": [row | {"id": f"{row['id']}{letter}"} for row in one["encounters"]]}
        | {"port_calls": [row | {"port": f"{row['port']}{letter}"} for row in one["port_calls"]]}
        for letter, one in zip("abcd", drawn, strict=True)
    ]


CHOICES = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([None, 0, 1])), min_size=2, max_size=4)
LOADS = st.lists(slices(), min_size=4, max_size=4).map(named), CHOICES, st.data()


@settings(max_examples=3)
@given(*LOADS)
def test_after_any_loads_all_is_as_if_all_had_been_scored(drawn, choices, data):
    as_if_all_had_been_scored(drawn, choices, data)


@pytest.mark.soak
@settings(max_examples=200)
@given(*LOADS)
def test_after_many_loads_all_is_as_if_all_had_been_scored(drawn, choices, data):
    as_if_all_had_been_scored(drawn, choices, data)


def as_if_all_had_been_scored(drawn: list[Rows], choices: list[tuple[int, int | None]], data: st.DataObject) -> None:
    """Slices that come, go, and come again with one table other; what stands beyond them; what is not decided yet."""
    *mine, spare = drawn
    names = [data.draw(st.sampled_from(sorted(spare))) for _ in mine]
    variants = [(one, one | {n: one[n][1:] + spare[n][:1]}) for one, n in zip(mine, names, strict=True)]
    so_far = [{**row, "id": f"L{row['id']}"} for row in spare["encounters"]]
    with TemporaryDirectory() as folder:
        homes = [Path(folder) / name for name in ("one", "other")]
        written: dict[tuple[int, int], Output] = {}

        def of(slot: int, variant: int) -> Output:
            """The slice, written once for both stores."""
            if (slot, variant) not in written:
                one = output(Path(folder), f"{slot}-{variant}", variants[slot][variant])
                named_files = {name: [str(Path(folder) / path) for path in of] for name, of in one.files.items()}
                written[slot, variant] = replace(one, files=named_files)
            return written[slot, variant]

        with ExitStack() as stack:
            stores = [stack.enter_context(closing(Live(home, replace(run(), card=CARD)))) for home in homes]
            given_slots: dict[int, int | None] = dict.fromkeys(range(3), 0)
            for slot, variant in [(0, 0), *choices]:
                given_slots[slot] = variant
                live = standing(data.draw(st.sampled_from([[], so_far, so_far[:1]])))
                decided = data.draw(st.sampled_from([EVER_US, int(at(600).timestamp() * 1e6)]))
                later = data.draw(st.booleans())
                stores[1]._work.execute("DROP TABLE IF EXISTS scored_by; DROP TABLE IF EXISTS scored_events")
                outputs = [of(s, v) for s, v in given_slots.items() if v is not None]
                for store in stores:
                    store.finalize(outputs, NOTHING, live, at(30), decided)
                    if later:
                        store.stand(standing(so_far[1:]), schema.VESSELS.empty_table())
                assert differing(*(stored(store) for store in stores)) == []


def vessel(mmsi: int, last_h: float) -> dict[str, Any]:
    return filled("vessels", {"mmsi": mmsi, "first_seen": at(-2000), "last_seen": at(last_h), "fixes": 9})


def days_of_meetings(folder: Path, days: int) -> list[Output]:
    """A slice a day, with a meeting of two vessels of its own and one of a pair that meets each day."""
    return [
        output(
            folder,
            f"day {day}",
            {
                "encounters": [
                    scored(encounter(24 * day, 24 * day + 3, mmsi_a=a, mmsi_b=a + 1))
                    for a in (440_000_000, 441_000_000 + 2 * day)
                ],
                "vessels": [vessel(a + v, 24 * day + 5) for a in (440_000_000, 441_000_000 + 2 * day) for v in (0, 1)],
            },
        )
        for day in range(days)
    ]


ONE = 441_000_040  # of a pair that meets once, on day 20
MET_H = 24 * 20


def between(start_h: float, end_h: float, first: str = "start_time", last: str = "end_time") -> dict[str, Any]:
    return {"mmsi": ONE, first: at(MET_H + start_h), last: at(MET_H + end_h)}


NEVER = {"arrival": at(-9000), "departure": at(-9000)}
SEEN = between(-200, -100, "first_seen", "last_seen") | {"field": "imo", "value": IMO[0]}
LATE = {
    "gaps": [between(4, 9) | {"judgement": "silenced", "p_off": 0.9}],
    "port_calls": [between(-90, -80, "arrival", "departure") | {"shown": "lit", "port": "P"}],
    "port_calls in the dark": [between(-90, -80, "gap_start", "gap_end") | NEVER | {"may_score": True, "spare_h": 9.0}],
    "loitering": [between(-9, -4)],
    "track_checks": [between(5, 6) | {"check_name": "teleport"}],
    "identity_events": [between(-9, -4, "first_time", "last_time") | {"kind": "identity_change", "times": 1}],
    "identity_values": [SEEN, SEEN | {"mmsi": 442_000_000}],
    "vessels": [vessel(ONE, MET_H + 90)],
    "encounters": [scored(encounter(MET_H + 50, MET_H + 53, mmsi_a=ONE, mmsi_b=442_000_000))],
}
TOO_FAR = {"gaps": [between(-90, -80)], "loitering": [between(70, 80)], "track_checks": [between(-800, -790)]}


def late(folder: Path, name: str, given: list[dict[str, Any]]) -> Output:
    table = name.partition(" ")[0]
    return output(folder, name, {table: given if table == "encounters" else [part(table, row) for row in given]})


def test_a_day_more_scores_what_lies_in_reach_and_late_data_what_they_touch(tmp_path):
    given_days = days_of_meetings(tmp_path, 61)
    with closing(Live(tmp_path, replace(run(), card=CARD))) as store:

        def load(*outputs: Output) -> int:
            store.finalize(outputs, NOTHING, None, at(30))
            return counted(store)

        assert load(*given_days[:60]) == 120
        assert load(*given_days[:60]) == 0
        # both of the new day, and of the pair that meets each day those of the ten days before
        assert load(*given_days) == 2 + 10
        for name, given_rows in LATE.items():
            new = name == "encounters"
            assert load(*given_days, late(tmp_path, name, given_rows)) == 1 + new, name
            assert load(*given_days) == 1, name
        for name, given_rows in TOO_FAR.items():
            assert load(*given_days, late(tmp_path, f"{name} too far", given_rows)) == 0, name
            assert load(*given_days) == 0, name
        store._run = replace(store._run, card=chosen("trained"))
        assert load(*given_days) == 122


def test_a_meeting_that_the_slices_score_otherwise_is_scored_again(tmp_path):
    """At the same moment, and with nothing else changed."""
    given_days, event = days_of_meetings(tmp_path, 3), scored(encounter(1, 4))
    first, *others = event["reasons"]
    other = event | {"score": event["score"] + 1, "reasons": [first | {"points": first["points"] + 1}, *others]}
    scores = []
    with closing(Live(tmp_path, replace(run(), card=CARD))) as store:
        for name, given_event in (("one", event), ("other", other)):
            outputs = [*given_days, output(tmp_path, name, {"encounters": [given_event]})]
            store.finalize(outputs, NOTHING, None, at(30))
            scores += [row["score"] for row in stored(store) if (row["id"], row["status"]) == (event["id"], "current")]
        assert counted(store) == 1
    assert scores[1] == scores[0] + 1


def test_a_load_without_such_a_card_has_all_scored_by_the_next(tmp_path):
    given_days = days_of_meetings(tmp_path, 3)
    for card, scores in ((CARD, 6), (chosen("rules"), None), (CARD, 6)):
        with closing(Live(tmp_path, replace(run(), card=card))) as store:
            store.finalize(given_days, NOTHING, None, at(30))
            assert scores is None or counted(store) == scores


def test_of_few_all_are_scored_and_nothing_is_remembered(tmp_path, monkeypatch):
    given_days = days_of_meetings(tmp_path, 3)
    with closing(Live(tmp_path, replace(run(), card=CARD))) as store:
        store.finalize(given_days, NOTHING, None, at(30))
        assert counted(store) == 6
        monkeypatch.setattr(touched, "FEW", 7)
        store.finalize(given_days[:2], NOTHING, None, at(30))
        assert store._work.execute("SELECT count(*) FROM scored_by").fetchall() == [(0,)]
        monkeypatch.setattr(touched, "FEW", 1)
        store.finalize(given_days, NOTHING, None, at(30))
        assert counted(store) == 6


@pytest.mark.parametrize("name", [name for name, columns in touched.READS.items() if columns])
def test_the_view_reads_no_other_columns_than_are_compared(name):
    """With these columns of the parts alone the query for what lies round events still runs."""
    tables = schema.TABLES
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        for other, fields in tables.parts.items():
            kept = [f for f in fields if other != name or f.name in touched.READS[name]]
            db.execute(ddl.create_table(f"part_{other}", pa.schema(kept)))
        db.execute("CREATE TABLE fresh AS SELECT 1 AS n, * FROM part_encounters LIMIT 0")
        assert db.sql(encounter_context._query(ContextRules(), tables)).fetchall() == []
