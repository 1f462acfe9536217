"""Owns: the masked page names nobody, the whole one hides nothing, and no text of others acts on a terminal."""

from __future__ import annotations

import re

from stswatch.pipeline.evidence import case_page
from stswatch.pipeline.store import case_log
from tests.pipeline.evidence.cases.conftest import DARK, HOSTILE, LEAD

NAMING = ("241502000", "311000222", "SEA STAR", "SVXX", "9187629", "Greece", "Bahamas", "NAMPO")


def test_the_masked_page_names_nobody(data, say):
    code, whole, _ = say("case", LEAD, "--data", data)
    assert code == 0
    assert [name for name in NAMING if name not in whole] == ["NAMPO"]  # a destination stands at calls alone
    say("decide", LEAD, "--status", "watch", "--by", "Ann", "--note", "SEA STAR again", "--data", data)
    code, page, err = say("case", LEAD, "--masked", "--by", "Bo", "--data", data)
    assert (code, err) == (0, "")
    assert [name for name in NAMING if name in page.replace(LEAD, "")] == []
    assert "vessel A and vessel B were within 500 m" in page
    assert page.count("identity masked") == 2
    assert "120 m" in page, "what was measured stays"
    assert "Ann" not in page
    assert "again" not in page
    assert case_log.read(data).entries[-1].body["masked"] is True


def test_a_dark_meeting_is_masked_too(data, say):
    code, page, _ = say("case", DARK, "--masked", "--data", data)
    assert code == 0
    assert [name for name in NAMING if name in page] == []
    assert "vessel A" in page
    assert case_log.read(data).entries == (), "without a name nothing is written"


def test_masking_leaves_no_number_and_no_name_in_a_row():
    row = {
        "mmsi_a": 441000111,
        "mmsi_b": 563000222,
        "track_a": "441000111@2025-03-10T00:00:00Z",
        "score": 1.0,
        "met": {"pair": 2, 441000111: 1, 563000222: 0},
        "chains": [{"from_mmsi": 563000222, "via_mmsi": 441000111, "to_mmsi": 355000333, "to_name": "NOBODY"}],
        "groups": [{"mmsi": [355000333, 441000111, 563000222]}],
        "calls": [{"mmsi": 441000111, "port": "nampo", "destination_after": "NAMPO", "draught_m_after": 8.0}],
        "identity_events": [{"mmsi": 441000111, "old_value": "NOBODY"}],
        "vessels": {441000111: {"mmsi": 441000111, "name": "NOBODY", "flag": "KR", "imo": 9187629, "length_m": 90.0}},
    }
    made = case_page.masked(row)
    assert re.findall(r"\d{7,}|NOBODY|KR|NAMPO", str(made)) == []
    assert (made["score"], made["vessels"][1]["length_m"], made["met"]) == (1.0, 90.0, {"pair": 2, 1: 1, 2: 0})
    assert made["chains"][0] == {"from_mmsi": 2, "via_mmsi": 1, "to_mmsi": 3, "to_name": None}
    assert "441000111" in str(row), "its argument stays as it is"


def test_no_text_of_others_acts(data, say):
    words = ("--by", HOSTILE, "--note", HOSTILE, "--data", data)
    pages = [say("decide", LEAD, "--status", "assessed", "--alternative", HOSTILE, *words)]
    pages += [say("record", LEAD, "--kind", "inquiry", "--party", HOSTILE, *words)]
    pages += [say("docket", "--data", data), say("case", LEAD, "--data", data), say("case", "x\x1b", "--data", data)]
    assert [code for code, *_ in pages] == [0, 0, 0, 0, 1]
    for _, out, err in pages:
        assert not re.search("[\x1b\u202e]", out + err)
        assert not re.search("^entry 9: cleared", out + err, re.M), "no line of ours is forged"
