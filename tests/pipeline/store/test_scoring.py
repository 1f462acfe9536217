"""Owns: what lies round a meeting is added to its score at each load; the published score is that of the card."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given, settings

from stswatch.models.context import CONTEXT
from stswatch.models.scorecard import Scorecard, chosen, merged, parsed
from stswatch.pipeline import api, schema
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.store import encounter_context
from stswatch.pipeline.store.loader import Beside, Live, load
from stswatch.pipeline.store.revisions import LIVING, RUNNING
from tests.pipeline.store.build import at, encounter, gap, output, rows, run
from tests.pipeline.store.test_encounter_context import filled, seas

NOTHING = Beside(schema.SOURCES.empty_table(), schema.REJECT_COUNTS.empty_table(), {})


def card_file() -> bytes:
    """A card with points of its own for each feature of what lies round a meeting, and for one of the meeting."""
    tables = {}
    for number, feature in enumerate(CONTEXT, 1):
        points = [(step - 1) * number / 64 * (feature.monotone or 1) for step in range(len(feature.cuts) + 1)]
        missing = min(points[0], 0) if feature.silence else 0.0
        tables[feature.name] = {"edges": [*feature.cuts], "points": points, "missing": missing, "reason": "drawn"}
    tables["duration_h"] = {"edges": [2.0], "points": [-1.0, 1.0], "missing": 0.0, "reason": "drawn"}
    given = {"id": "drawn", "description": "", "intercept": 0.5, "intercept_reason": "all", "features": tables}
    return json.dumps(given).encode()


CARD = parsed(card_file())
DRAWN = ("kind", "mmsi_a", "mmsi_b", "track_a", "track_b", "start_time", "end_time")


def scored(event: dict[str, Any]) -> dict[str, Any]:
    """An event with score and reasons as the step judge gives them."""
    columns = pa.Table.from_pylist([event], schema=schema.ENCOUNTERS)
    score, _ = CARD.of_meeting.score(columns)
    return event | {"score": float(score[0]), "reasons": CARD.of_meeting.reasons(columns).to_pylist()[0]}


def loads(data, *outputs, of: Scorecard | None = CARD) -> None:
    load(data, replace(run(), card=of), outputs, NOTHING, at(30))


def published(data) -> list[dict[str, Any]]:
    return rows(data, f"FROM encounters WHERE status IN {LIVING} ORDER BY id, revision")


def by_the_card(data) -> tuple[pa.Table, pa.Table]:
    """The events that hold, and view encounter_context beside them."""
    living = pa.Table.from_pylist(published(data), schema=schema.STORED["encounters"])
    beside = pa.Table.from_pylist(rows(data, "FROM encounter_context"), schema=encounter_context.context_schema())
    return living, encounter_context.sides(beside)


def close_to_the_card(data) -> None:
    living, beside = by_the_card(data)
    columns = {name: living[name] for name in living.schema.names}
    columns |= {name: beside[name] for name in beside.schema.names if name not in ("id", "revision")}
    score, _ = CARD.score(columns)
    assert beside["id"].equals(living["id"])
    np.testing.assert_array_equal(np.asarray(living["score"]), score)
    for row in living.to_pylist():
        points = [reason["points"] for reason in row["reasons"]]
        assert sum(points) == row["score"]
        assert len(points) == len(CARD.parts)
        assert row["reasons"][-1]["feature"] == "base"
        assert points[:-1] == sorted(points[:-1], key=abs, reverse=True)


def around(*gaps: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A meeting of 10 to 14 h, its vessels heard for ten days before and after, and silences."""
    event = encounter(10, 14, track_a="241502000@2023-08-01T00:00:00Z", track_b="311000222@2023-08-01T00:00:00Z")
    vessels = [
        {"mmsi": mmsi, "first_seen": at(-240), "last_seen": at(240), "fixes": 9, "flag": None}
        for mmsi in (241502000, 311000222)
    ]
    return {
        "encounters": [scored(event | more)],
        "gaps": [filled("gaps", each) for each in gaps],
        "vessels": [filled("vessels", each) for each in vessels],
    }


def silenced(start_h: float, p_off: float = 0.95) -> dict[str, Any]:
    return gap(start_h, end_time=at(start_h + 3), judgement="silenced", p_off=p_off)


def test_the_published_score_is_that_of_the_card(tmp_path):
    loads(tmp_path, output(tmp_path, "one", around(silenced(4))))
    close_to_the_card(tmp_path)
    (row,) = published(tmp_path)
    (before,) = (reason for reason in row["reasons"] if reason["feature"] == "silenced_before")
    assert before["value"] == 0.95
    assert before["points"] > 0


def test_a_silence_that_is_not_judged_gives_no_points_and_changes_nothing(tmp_path):
    loads(tmp_path, output(tmp_path, "one", around(silenced(4) | {"judgement": "not_received"})))
    close_to_the_card(tmp_path)
    (row,) = published(tmp_path)
    (before,) = (reason for reason in row["reasons"] if reason["feature"] == "silenced_before")
    assert (before["value"], before["points"] <= 0) == (None, True)


def test_what_comes_later_revises_the_score_and_the_same_again_does_not(tmp_path):
    first = output(tmp_path, "one", around())
    loads(tmp_path, first)
    (before,) = published(tmp_path)
    loads(tmp_path, first)
    assert published(tmp_path) == [before | {"run_id": published(tmp_path)[0]["run_id"]}]
    later = output(tmp_path, "two", {"gaps": [filled("gaps", silenced(20))]})
    loads(tmp_path, first, later)
    (after,) = published(tmp_path)
    assert (after["id"], after["revision"]) == (before["id"], 2)
    assert after["score"] > before["score"]
    close_to_the_card(tmp_path)


def test_the_order_of_the_slices_does_not_show(tmp_path):
    one, two = (tmp_path / name for name in ("one", "two"))
    for data, turn in ((one, 1), (two, -1)):
        parts = [output(data, "a", around()), output(data, "b", {"gaps": [filled("gaps", silenced(20))]})][::turn]
        loads(data, parts[0])
        loads(data, *parts)
    score = [published(data)[0]["score"] for data in (one, two)]
    assert score[0] == score[1]


def test_a_card_without_such_points_leaves_the_scores_of_the_slices_alone(tmp_path):
    for of in (None, chosen("rules")):
        loads(tmp_path, output(tmp_path, "one", around(silenced(4))), of=of)
        (row,) = published(tmp_path)
        assert row["score"] == around()["encounters"][0]["score"]
        assert len(row["reasons"]) == len(CARD.of_meeting.parts)


def test_what_stands_so_far_is_scored_by_what_is_final_and_is_final_with_the_same_score(tmp_path):
    all_of_it = around(silenced(4))
    events = all_of_it.pop("encounters")
    with closing(Live(tmp_path, replace(run(), card=CARD))) as store:
        final = output(tmp_path, "before", all_of_it)
        store.finalize([final], NOTHING, None, at(30))
        fields = pa.schema([*schema.ENCOUNTERS, RUNNING])
        live = pa.Table.from_pylist([{RUNNING.name: False} | event for event in events], schema=fields)
        store.stand(live, schema.VESSELS.empty_table())
        store.publish(at(30))
        (so_far,) = published(tmp_path)
        assert so_far["status"] == "provisional"
        close_to_the_card(tmp_path)
        store.finalize([final, output(tmp_path, "it", {"encounters": events})], NOTHING, None, at(31))
        store.publish(at(31))
    (row,) = published(tmp_path)
    assert row["status"] == "current"
    assert row["score"] == so_far["score"]
    close_to_the_card(tmp_path)


def test_what_is_heard_of_vessels_while_a_meeting_stands_counts_at_once(tmp_path):
    """What is known after it, of those heard an hour longer when the hour was finalized, and for days by now."""
    all_of_it = around()
    heard = [vessel | {"last_seen": at(15)} for vessel in all_of_it["vessels"]]
    with closing(Live(tmp_path, replace(run(), card=CARD))) as store:
        store.finalize([output(tmp_path, "before", {"vessels": heard})], NOTHING, None, at(30))
        fields = pa.schema([*schema.ENCOUNTERS, RUNNING])
        live = pa.Table.from_pylist([{RUNNING.name: False} | all_of_it["encounters"][0]], schema=fields)
        store.stand(live, pa.Table.from_pylist(all_of_it["vessels"], schema=schema.VESSELS))
        store.publish(at(30))
    assert rows(tmp_path, "SELECT min(known_after_d) AS d FROM encounter_context")[0]["d"] > 9
    close_to_the_card(tmp_path)


def test_in_memory_and_in_the_store_the_same_lies_round_a_meeting(tmp_path):
    given = around(silenced(4), silenced(20))
    names = {stored: name for name, stored in schema.TABLES.events.items()}
    tables = {names[name]: pa.Table.from_pylist(of, schema=schema.TABLES.parts[name]) for name, of in given.items()}
    found = encounter_context.context_of(tables, Rules().context)
    loads(tmp_path, output(tmp_path, "one", given))
    _, beside = by_the_card(tmp_path)
    assert found.to_pylist() == beside.select(found.schema.names).to_pylist()


def test_detect_scores_as_a_run_over_the_same_rows(tmp_path):
    path = tmp_path / "card.json"
    path.write_bytes(card_file())
    found = api.detect(beside_each_other(), scorecard=path)
    assert len(found) == 1
    (row,) = found.to_dict("records")
    assert len(row["reasons"]) == len(CARD.parts)
    assert sum(reason["points"] for reason in row["reasons"]) == row["score"]


def beside_each_other() -> pd.DataFrame:
    """Positions of two ships that lie beside each other at sea for half of a day."""
    time = pd.date_range("2023-08-01", periods=72, freq="10min", tz="UTC")
    where = {241502000: 124.5, 311000222: 124.501}
    ships = [pd.DataFrame({"mmsi": m, "time": time, "lon": lon, "lat": 37.2, "sog": 0.1}) for m, lon in where.items()]
    return pd.concat(ships)


def test_reasons_of_two_parts_are_those_of_the_whole():
    """A meeting by the whole card and by its two parts."""
    columns = pa.Table.from_pylist([encounter(1, 4), encounter(2, 3)], schema=schema.ENCOUNTERS)
    beside = {name: [None, 2.0] for name in encounter_context.beside_schema().names}
    both = {**{name: columns[name] for name in columns.schema.names}, **beside}
    parts = CARD.of_meeting.reasons(both), CARD.of_context.reasons(both)
    whole = CARD.reasons(both).to_pylist()
    for one, other in zip(merged(*parts).to_pylist(), whole, strict=True):
        assert sorted(one[:-1], key=str) == sorted(other[:-1], key=str)
        assert one[-1] == other[-1]
    np.testing.assert_array_equal(CARD.score(both)[0], CARD.of_meeting.score(both)[0] + CARD.of_context.score(both)[0])


@settings(max_examples=8, deadline=None)
@given(seas())
def test_whatever_lies_round_them_all_scores_are_those_of_the_card(sea):
    events = [encounter(0, 1, id=f"E{n}") | {k: row[k] for k in DRAWN} for n, row in enumerate(sea["encounters"])]
    parts = {"encounters": [scored(event) for event in events]}
    for name in ("gaps", "port_calls", "loitering", "track_checks", "vessels"):
        wanted = schema.TABLES.parts[name].names
        parts[name] = [{key: value for key, value in row.items() if key in wanted} for row in sea[name]]
    with TemporaryDirectory() as folder:
        data = Path(folder)
        loads(data, output(data, "one", parts))
        close_to_the_card(data)
