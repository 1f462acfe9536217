"""Owns: what people see of dark meetings: ranked, leads apart, explained, and in no word as if they had happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from stswatch.pipeline import api, cli, schema
from stswatch.pipeline.batch import build
from stswatch.pipeline.meetings.dark import _ids
from tests.pipeline.store.build import encounter, output, publish

PAGE = Path(__file__).resolve().parents[2] / "docs" / "dark_meetings.md"
DAY = datetime(2025, 3, 20, tzinfo=UTC)
NAME = "EVER\x1b[2J SO"


def at(hour: float) -> datetime:
    return DAY + timedelta(hours=hour)


def row(**more: Any) -> dict[str, Any]:
    """A wait that another's silence fits."""
    alike = {"lead": True, "kind": "one_dark", "stay_h": 6.5, "spare_h": 4.5, "least_speed_kn": 7.25, "rivals": 2}
    alike |= {"track_start_a": at(-90), "track_start_b": at(-80), "start_time": at(3), "end_time": at(9.5)}
    alike |= {"mmsi_a": 273000001, "mmsi_b": 412000002, "lon": 124.1, "lat": 38.55, "region": None, "region_km2": None}
    alike |= {"over_water": True, "stay_water_h": 6.5, "course_off_before_deg": 7.3, "course_off_after_deg": 12.0}
    alike |= {"zones": ["chodo"], "port": "nampo", "distance_to_port_km": 62.0, "shifts": 27, "lost_together": 0}
    alike |= {"gap_start_a": None, "gap_end_a": None, "judgement_a": None, "judgement_b": "silenced"}
    alike |= {
        "gap_start_b": at(-6),
        "gap_end_b": at(14),
        "expected_by_accident": 0.2037,
        "nearer_by_accident": 0.0185,
        "outage_share": 0.0,
    }
    made = alike | {"chance_by_accident": 0.0183, "score": 3.98, "id": "D0123456789ab"} | more
    assert set(made) == set(schema.DARK_MEETINGS.names)
    return made


def silent_pair(**more: Any) -> dict[str, Any]:
    """Two silences that fit each other."""
    silence = {"gap_start_a": at(-5), "gap_end_a": at(15), "judgement_a": "not_received"}
    where = {"region": b"\x01", "region_km2": 1234.5, "course_off_before_deg": None, "course_off_after_deg": None}
    return row(kind="both_dark", lead=False, id="D9999999999ff", score=1.25, **silence, **where) | more


UNKNOWN = {
    "chance_by_accident": None,
    "expected_by_accident": None,
    "nearer_by_accident": None,
    "score": None,
    "shifts": 3,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dark")
    vessel = dict.fromkeys(schema.STORED["vessels"].names)
    vessel |= {
        "mmsi": 273000001,
        "name": NAME,
        "name_time": at(0),
        "fixes": 9,
        "first_seen": at(-90),
        "last_seen": at(20),
    }
    dark = [silent_pair(), row(score=4.5, id="D1"), row(), silent_pair(id="D2", mmsi_b=412000003, **UNKNOWN)]
    publish(
        folder, output(folder, "one", {"encounters": [encounter(1, 4)], "dark_meetings": dark, "vessels": [vessel]})
    )
    return folder


@pytest.fixture
def say(capsys):
    def printed(*words: object) -> tuple[int, str, str]:
        code = cli.main([str(word) for word in words])
        return (code, *capsys.readouterr())

    return printed


def test_leads_come_first_and_the_best_score_before_others(data, say):
    code, out, _ = say("dark", "--data", data)
    assert code == 0
    order = [out.index(name) for name in ("leads:", "D1 ", "D0123456789ab", "candidates:", "D9999999999ff", "D2 ")]
    assert order == sorted(order)
    assert "never that it happened" in out
    assert "not known" in out.splitlines()[[line[7:9] for line in out.splitlines()].index("D2")]
    assert say("dark", "--data", data, "--limit", 1)[1].count("273000001") == 2  # a lead and a candidate
    assert [len(rows) for rows in api.dark_meetings(data).values()] == [2, 2]


def test_an_explanation_says_who_had_time_and_how_little_that_says(data, say):
    code, out, _ = say("explain", "D0123", "--data", data)
    assert code == 0
    for words in (
        "D0123456789ab, lead: nobody saw a meeting of these two",
        "273000001 was slow or adrift for hours, and was heard.",
        "412000002 was not heard from 2025-03-19 18:00 to 2025-03-20 14:00 UTC (20.0 h), judged: silenced.",
        "from 2025-03-20 03:00 to 2025-03-20 09:30 UTC, 6.5 h at most",
        "for 2 h of that, 7.2 kn is the least speed",
        "When 412000002 was heard last, it steered 7 degrees off the way to the place; when it was heard again, it "
        "steered 12 degrees off the way from there.",
        "2 other silences would fit the wait as well",
        "of those of 27 other days, moved to this one, 0.20 would in the mean, 0.02 as near in place and time",
        "the chance of one as near by accident is 1.8 %",
        r"EVER\x1b[2J SO",
        "It does not say that they met",
    ):
        assert words in out
    assert "region" not in out


def test_an_explanation_of_two_silences_has_a_region_and_no_chance_where_none_is_known(data, say):
    out = say("explain", "D999", "--data", data)[1]
    for words in ("candidate", "region of 1,23", "judged: not received", "would fit one of the two as well"):
        assert words in out
    assert "is not known, 3 other days being too few to tell" in say("explain", "D2", "--data", data)[1]


def test_what_was_impossible_by_sea_comes_last_and_is_said_to_be(tmp_path, say):
    over_land = {"over_water": False, "stay_water_h": -3.0}
    dark = [silent_pair(id="D1", score=4.0, **over_land), silent_pair(id="D2", score=0.5, over_water=None)]
    publish(tmp_path, output(tmp_path, "one", {"encounters": [encounter(1, 4)], "dark_meetings": dark}))
    assert [row["id"] for row in api.dark_meetings(tmp_path)["candidates"]] == ["D2", "D1"]
    first, last = (say("explain", name, "--data", tmp_path)[1] for name in ("D2", "D1"))
    for text in (first, last):
        assert "on straight ways over land too, both had time" in text
        assert "region of 1,234 km2, in which land is not left out" in text
    assert "But by sea, round the land, there was no time for 2 h together at any place: so it is no lead." in last
    assert "by sea" not in first
    (line,) = [line for line in say("dark", "--data", tmp_path)[1].splitlines() if "D1 " in line]
    assert " -  " in line


def test_nothing_says_that_it_happened(data, say):
    texts = [say("dark", "--data", data)[1], *(say("explain", name, "--data", data)[1] for name in ("D0", "D9"))]
    for text in texts:
        for words in ("rendezvous", "transferred", "illicit", "must have", "went dark", "switched off", "hid "):
            assert words not in text
        assert " met" not in text.replace("that they met", "")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("D5",), "no dark meeting 'D5'; `stswatch dark"),
        (("D",), "begins several dark meetings"),
        (("D1", "--quiet", "--picture", "x.png"), "D1: the lake lacks a position at the end of a silence"),
    ],
)
def test_what_cannot_be_is_one_sentence(data, say, words, reason):
    code, out, error = say("explain", *words, "--data", data)
    assert (code, out, error.count("\n")) == (1, "", 1)
    assert reason in error


def test_nothing_found_is_said(tmp_path, say):
    publish(tmp_path, output(tmp_path, "one", {"encounters": [encounter(1, 4)]}))
    assert say("dark", "--data", tmp_path)[1] == "no dark meeting: table dark_meetings is empty\n"


def test_the_page_shows_what_is_printed(data, say):
    shown = say("explain", "D0123", "--data", data)[1].replace(r"EVER\x1b[2J SO", "EVER SO")
    assert f"```text\n{shown}```" in PAGE.read_text()


def test_a_name_is_made_of_the_pair_the_silence_and_the_start():
    rows = [row(id=""), row(id="", start_time=at(4)), row(id="", gap_start_b=at(-7)), silent_pair(id="")]
    table = pa.Table.from_pylist(rows, schema=schema.DARK_MEETINGS)
    names = _ids(table)
    assert len(set(names)) == 4
    assert _ids(table.take(np.arange(3, -1, -1))) == names[::-1]
    assert _ids(build("dark_meetings", {name: table[name] for name in table.column_names})) == names
