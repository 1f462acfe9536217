"""Owns: the words of the Danish archives become the numbers of AIS, and what is no ship gives no position."""

import pytest

from stswatch.pipeline.readers import values
from stswatch.pipeline.readers.formats import chunks, open_source, read
from tests.pipeline.readers.gather import together
from tests.pipeline.readers.one_vessel import danish

HEADER = danish().split(b"\n")[0].decode()
NAMES = HEADER.split(",")
ROW = {
    "# Timestamp": "31/12/2024 23:59:59",
    "Type of mobile": "Class A",
    "MMSI": "219000001",
    "Latitude": "57.1152",
    "Longitude": "8.33121",
    "Navigational status": "Moored",
    "Data source type": "AIS",
}


@pytest.fixture
def rows(written):
    def give(*changes):
        lines = [",".join((ROW | change).get(name, "") for name in NAMES) for change in changes]
        source = open_source(written("aisdk-2024-12-31.csv", "\n".join([HEADER, *lines]).encode()))
        assert source.format == "danish"
        return together(batch for chunk in chunks(source) for batch in read(chunk))

    return give


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Under way using engine", 0),
        ("Restricted maneuverability", 3),
        ("Engaged in fishing", 7),
        ("Reserved for future amendment [HSC]", 9),
        ("Power-driven vessel pushing ahead or towing alongside", 12),
        ("AIS-SART", 14),
        ("Unknown value", None),
        ("", None),
        ("Having tea", None),
    ],
)
def test_a_status_in_words_is_its_number(rows, word, status):
    assert rows({"Navigational status": word}).fixes["status"].to_pylist() == [status]


@pytest.mark.parametrize(
    ("word", "kind"), [("Cargo", 70), ("Towing long/wide", 32), ("HSC", 40), ("Spare 2", 57), ("Reserved", None)]
)
def test_a_ship_type_in_words_is_the_first_number_of_its_kind(rows, word, kind):
    got = rows({"Ship type": word, "Name": "ABLE", "Destination": "Unknown"})
    (row,) = got.static_reports.to_pylist()
    assert (row["ship_type"], row["name"], row["destination"], row["imo"]) == (kind, "ABLE", None, None)


def test_what_is_no_ship_is_counted_and_gives_no_position(rows):
    others = [{"Type of mobile": word, "Name": "X"} for word in ("Base Station", "AtoN", "SAR Airborne")]
    ships = [{"Type of mobile": word} for word in ("Class A", "Class B")]
    got = rows(*others, *ships)
    assert (got.sentences, got.messages, got.rejects.num_rows) == (5, 5, 0)
    assert got.fixes["msg_type"].to_pylist() == [None, None]
    assert got.static_reports.num_rows == 0


def test_the_day_comes_first_and_a_month_of_13_is_no_time(rows):
    got = rows({"# Timestamp": "01/02/2025 00:00:00"}, {"# Timestamp": "01/13/2025 00:00:00"})
    assert [str(time)[:10] for time in got.fixes["time"].to_pylist()] == ["2025-02-01"]
    assert got.rejects["reason"].to_pylist() == ["no_time"]


def test_the_words_are_those_of_the_standard():
    """ITU-R M.1371-5: 16 states, of which 15 is none; types in tens, 3x and 5x one by one."""
    assert set(values.STATUS.values()) == set(range(15))
    one_by_one = {*range(30, 38), *range(50, 60)}
    assert set(values.SHIP_TYPE.values()) == {20, 40, 60, 70, 80, 90} | one_by_one
    assert all(word == values.plain(word) for word in (*values.STATUS, *values.SHIP_TYPE))
