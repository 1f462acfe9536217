"""What the command says: every number of an event in its sentence, and no word beyond what was measured."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stswatch.pipeline import rule_files, rules, words
from stswatch.pipeline.api import Summary
from stswatch.pipeline.facts import CAUTION

REASONS = [
    {"feature": "place", "value": 1.0, "points": 2.0, "text": "nearest approach in a reported transfer area"},
    {"feature": "start", "value": None, "points": -0.75, "text": "every meeting starts below"},
]
ROW: dict[str, Any] = {
    "id": "E0123456789ab",
    "revision": 2,
    "status": "current",
    "mmsi_a": 3112345,
    "mmsi_b": 431000123,
    "track_a": "003112345@2024-02-28T00:00:00Z",
    "track_b": "431000123@2024-02-28T00:00:00Z",
    "start_time": datetime(2024, 2, 29, 23, 59, 7, tzinfo=UTC),
    "end_time": datetime(2024, 3, 1, 3, 30, 0, tzinfo=UTC),
    "start_censored": False,
    "end_censored": False,
    "duration_min": 210.9,
    "within_min": 200.2,
    "lon": -124.50004,
    "lat": -38.25,
    "cpa_time": datetime(2024, 3, 1, 1, 2, 3, tzinfo=UTC),
    "cpa_distance_m": 31.4,
    "position_error_m": 20.0,
    "motion_error_m": None,
    "median_distance_m": 62.2,
    "median_speed_a_kn": 0.34,
    "median_speed_b_kn": 1.26,
    "relative_speed_kn": 0.127,
    "drift_km": 1.916,
    "drift_kn": 0.294,
    "heading_difference_deg": None,
    "fixes_a": 17,
    "fixes_b": 23,
    "observed_share": 0.874,
    "zones": ["chodo", "korea_bay"],
    "area_zones": [],
    "port": "nobody's port",
    "distance_to_port_km": 41.7,
    "distance_to_shore_km": 18.44,
    "distance_to_shore_error_km": 0.11,
    "in_port": None,
    "in_port_part": None,
    "sun_elevation_deg": -7.25,
    "gap_a": False,
    "gap_b": False,
    "score": 1.25,
    "reasons": REASONS,
    "run_id": "abc123",
    "run": {
        "rules": rules.Rules().to_json(),
        "rules_fingerprint": "f" * 64,
        "code_version": "0.1.0",
        "model_id": "rules-1",
    },
    "vessels": {
        431000123: {"name": "SEA STAR", "flag": "JP", "imo": 9187629, "call_sign": "JABC", "length_m": 88.0},
    },
}


def counts(leads: int) -> dict[str, int]:
    return {"flagged_encounters": leads, "current_encounters": leads + 3}


def test_an_explanation_holds_what_was_measured():
    text = words.explanation(ROW)
    for part in (
        "E0123456789ab, revision 2, current",
        "003112345 and 431000123 were within 500 m",
        "from 2024-02-29 23:59:07 to 2024-03-01 03:30:00 UTC (211 min, 200 of them measured within)",
        "no more than 62 ± 20 m apart, at the least 31 ± 20 m, at 2024-03-01 01:02:03 UTC near 38.2500°S 124.5000°W",
        "Median speeds 0.3 and 1.3 kn; 17 and 23 position reports; 87 % of the time within 10 min",
        "they moved at 0.13 kn; from first to last the middle of the pair went 1.92 km, 0.29 kn.",
        "chodo, korea_bay; 42 km from nobody's port, 18.4 ± 0.1 km from the nearest shore.",
        "the sun stood 7.2 degrees under the horizon at the nearest approach: nautical twilight",
        "003112345: nothing known",
        "431000123: SEA STAR, flag by MMSI: Japan, IMO 9187629, call sign JABC, 88 m",
        "score +1.25, the sum of",
        "+2.00  nearest approach in a reported transfer area",
        "-0.75  every meeting starts below",
        "Run abc123",
        CAUTION,
    ):
        assert part in text
    assert "silence" not in text.replace(CAUTION, "")
    assert "The data, not the vessels" not in text


@pytest.mark.parametrize(
    ("changed", "printed"),
    [
        ({"start_censored": True}, "The data, not the vessels, began it"),
        ({"end_censored": True}, "The data, not the vessels, ended it"),
        ({"start_censored": True, "end_censored": True}, "The data, not the vessels, began and ended it"),
        ({"gap_a": True}, "A silence of 003112345 begins or ends beside it; whether it was silenced is not known"),
        ({"gap_a": True, "gap_b": True}, "A silence of 003112345 and 431000123 begins"),
        (
            {"heading_difference_deg": 7.4},
            "0.29 kn; half of the time their keels were no more than 7 deg from parallel.",
        ),
        ({"zones": []}, "Where: in no zone; 42 km"),
        ({"area_zones": ["mine"]}, "Where: mine, chodo, korea_bay; 42 km"),
        ({"distance_to_shore_km": 0.0}, "nobody's port, where the coast as known to this program has land: a river"),
        ({"distance_to_shore_km": None}, "42 km from nobody's port."),
        (
            {"in_port": "nampo", "in_port_part": "anchorage"},
            "42 km from nobody's port, in Nampo anchorage, 18.4 ± 0.1 km",
        ),
        ({"sun_elevation_deg": 33.33}, "the sun stood 33.3 degrees over the horizon at the nearest approach: day"),
        ({"lon": 0.0, "lat": 0.0}, "near 0.0000°N 0.0000°E"),
        (
            {"slow_before_a_h": 2.9, "slow_before_b_h": 0.2},
            "In the 3 h before it 003112345 was slow for 2.9 h, 431000123 for 0.2 h: one lay or drifted, the other",
        ),
        ({"slow_after_a_h": 0.0, "slow_after_b_h": 0.1}, "431000123 for 0.1 h: both went on under way."),
        ({"slow_after_b_h": 1.0}, "In the 3 h after it 431000123 was slow for 1.0 h."),
    ],
)
def test_what_is_not_always_so_is_said_where_it_is(changed, printed):
    assert printed in words.explanation(ROW | changed)
    assert printed not in words.explanation(ROW)


def test_the_distance_is_that_of_the_run():
    used = json.loads(ROW["run"]["rules"])
    used["proximity"]["distance_m"] = 250.0
    assert "within 250 m of each other" in words.explanation(ROW | {"run": ROW["run"] | {"rules": json.dumps(used)}})


def test_a_vessel_that_says_nothing_of_itself():
    known = {"name": None, "flag": None, "imo": None, "call_sign": None, "length_m": None}
    text = words.explanation(ROW | {"vessels": {3112345: known}})
    assert "003112345: no name, flag by MMSI: digits of no state, no IMO number, no call sign\n" in text


def test_leads_stand_in_columns():
    far = ROW | {"id": "E1", "zones": [], "score": -0.5}
    lines = words.leads([ROW, far], counts(2), "world", "DIR").splitlines()
    head, first, second = lines[1:4]
    assert first.index("431000123") == second.index("431000123") == head.index("mmsi b")
    assert first.endswith("chodo, korea_bay")
    assert second.endswith("42 km from nobody's port")
    assert first.split()[:3] == ["1.2", "E0123456789ab", "2024-02-29"]
    assert lines[-1].endswith("stswatch explain E0123456789ab --data DIR")
    assert CAUTION in lines
    assert not any(line.endswith(" ") for line in lines)


def test_leads_left_out_are_counted():
    assert "1 of 2,000 leads" in words.leads([ROW], counts(2000), "world", "DIR")
    assert " of 1 leads" not in words.leads([ROW], counts(1), "world", "DIR")


@pytest.mark.parametrize(
    ("area", "encounters", "printed"),
    [
        ("dprk", 3, "none of 3 encounters lies in area dprk and passes the cut-off; run again with --area world"),
        ("world", 3, "none of 3 encounters passes the cut-off; they stand with their scores in the table encounters"),
        ("world", 1, "none of 1 encounter passes"),
        ("dprk", 0, "no encounter was found; stswatch rules says"),
        ("world", 0, "no encounter was found"),
    ],
)
def test_no_leads_are_said_with_the_next_step(area, encounters, printed):
    text = words.leads([], {"flagged_encounters": 0, "current_encounters": encounters}, area, "DIR")
    assert text.strip().startswith(f"no leads: {printed}")
    assert "\n" not in text.strip()


@pytest.mark.parametrize(
    ("argument", "path", "proposed"),
    [
        (".venv/bin/stswatch", "nowhere", ".venv/bin/stswatch"),
        ("/opt/venv/bin/stswatch", "nowhere", "/opt/venv/bin/stswatch"),
        (".venv/bin/stswatch", "here", "stswatch"),
        ("/usr/lib/python3/stswatch/pipeline/cli.py", "nowhere", "stswatch"),
        ("", "nowhere", "stswatch"),
    ],
)
def test_what_is_proposed_can_be_called_as_it_stands(argument, path, proposed, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "stswatch").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / path))
    monkeypatch.setattr("sys.argv", [argument])
    assert words.called() == proposed
    assert f": {proposed} explain E0123456789ab --data DIR" in words.leads([ROW], counts(1), "world", "DIR")


def test_a_source_is_accounted_for():
    source = {
        "path": "/far/away/a.nmea",
        "member": None,
        "format": "nmea",
        "sentences": 1200,
        "rejects": 3,
        "reasons": [{"count": 2, "reason": "checksum"}, {"count": 1, "reason": "empty"}],
        "invalid_fixes": 4,
        "stray_fixes": 0,
        "clock": "told by the sentences",
    }
    counts = {"vessels": 1000, "current_encounters": 5, "gaps": 7, "flagged_encounters": 2}
    text = words.summary(Summary(Path("d/stswatch.duckdb"), counts, [source, source | {"format": "columns"}]), "world")
    first, second, *_ = text.splitlines()
    assert first == (
        "a.nmea: 1,200 sentences: 1,197 used, 3 rejected (2 checksum, 1 empty), 4 positions invalid;"
        " times: told by the sentences"
    )
    assert "1,200 rows:" in second
    assert "1,000 vessels, 5 encounters, 7 gaps; 2 leads in area world" in text
    assert text.endswith("database: d/stswatch.duckdb")
    assert "SELECT" not in text


def test_first_and_last_time_and_the_columns_are_said_these_once_for_files_of_one_make():
    source = {"path": "a.csv", "member": None, "format": "columns", "sentences": 2, "rejects": 0, "reasons": []}
    times = [datetime(2025, 3, 10, hour, tzinfo=UTC) for hour in (0, 11)]
    source |= {"clock": "column t (ISO 8601)", "first_time": times[0], "last_time": times[1], "invalid_fixes": 0}
    source |= {"stray_fixes": 0}
    source |= {"columns": "time = t; not read: Cargo"}
    counts = {"vessels": 1, "current_encounters": 1, "gaps": 0, "flagged_encounters": 1}
    first, second, third, *_ = words.summary(Summary(Path("d"), counts, [source, source]), "world").splitlines()
    assert first.endswith("; times: column t (ISO 8601), 2025-03-10 00:00:00 to 2025-03-10 11:00:00Z")
    assert second == "  columns: time = t; not read: Cargo"
    assert third == first


def test_one_is_not_several_and_many_invalid_positions_are_worth_a_look():
    source = {"path": "a.csv", "member": None, "format": "columns", "sentences": 1, "rejects": 0, "reasons": []}
    source |= {"clock": "column time"}
    counts = {"vessels": 1, "current_encounters": 1, "gaps": 0, "flagged_encounters": 1}
    source |= {"invalid_fixes": 1, "stray_fixes": 0}
    text = words.summary(Summary(Path("d"), counts, [source]), "world")
    assert text.startswith("a.csv: 1 row: 1 used, 0 rejected, 1 position invalid; times: column time\n")
    assert "\n  why: SELECT invalid_reason, count(*) FROM fixes GROUP BY invalid_reason\n" in text
    assert "\n1 vessel, 1 encounter, 0 gaps; 1 lead in area world\n" in text
    text = words.summary(Summary(Path("d"), counts, [source | {"stray_fixes": 1}]), "world")
    assert "1 position invalid, 1 of them for their date; times: column time\n" in text
    assert "SELECT mmsi, time FROM fixes WHERE invalid_reason = 'clock'\n" in text


def test_rules_show_what_a_run_changed_and_what_it_did_not_know():
    used = json.loads(rules.Rules().to_json())
    used["vessel"]["slow_kn"] = 4.0
    del used["lead"]
    text = words.rules(rule_files.rows(), json.dumps(used))
    assert len(text.splitlines()) == len(rule_files.rows())
    (changed,) = (line for line in text.splitlines() if "(default" in line)
    assert changed.split()[:2] == ["vessel.slow_kn", "4"]
    assert changed.endswith("(default 5)")


def test_an_explanation_names_the_group_and_whom_each_met_before_and_after():
    day = datetime(2024, 2, 28, tzinfo=UTC)
    group = {"group_id": "G0123456789ab", "meetings": 3, "hulls": 4, "start_time": day, "end_time": ROW["end_time"]}
    chain = {"via_mmsi": 431000123, "between_d": 2.0, "same_track": True, "to_port": None}
    before = chain | {"from_mmsi": 412000001, "from_name": "X\x1b[2J", "first_id": "E1", "second_id": ROW["id"]}
    after = chain | {"to_mmsi": 412000002, "to_name": None, "first_id": ROW["id"], "second_id": "E3", "between_d": 3.0}
    more = after | {"to_mmsi": 412000003, "between_d": 4.0, "same_track": False}
    text = words.explanation(ROW | {"groups": [group], "chains": [before, after, more]})
    assert "One of 3 meetings of 4 hulls between 2024-02-28 00:00 and 2024-03-01 03:30 UTC" in text
    assert (
        r"SEA STAR met 412000001 (X\x1b[2J) 2.0 d before it and 412000002 3.0 d after it (and 1 other after it)."
        in text
    )
    assert "another hull" not in text
    far = words.explanation(ROW | {"chains": [more]})
    assert "412000003 4.0 d after it, on another track of its number: perhaps another hull." in far
    assert "says nothing of what was handed on" in far
