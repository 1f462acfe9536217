"""Owns: what bytes say is read by others than the decoder; what differs is named, and what cannot be told."""

from __future__ import annotations

import json

import pytest

from stswatch.pipeline.evidence import plain_reading
from stswatch.pipeline.evidence.plain_reading import Unreadable, compare, mapping_of, moments_us, of_line, of_record

LINE = rb"\s:SIM,c:1741564801*10\!AIVDM,1,1,,B,14=BeMPP1s8nOR2EkVsR6Ab20000,0*32"
CLAIMS = plain_reading.of_sentences([LINE])
ROW = {
    "mmsi": 282373494,
    "lon": 123.752215,
    "lat": 38.10941,
    "sog_kn": 12.3,
    "cog_deg": CLAIMS["cog_deg"],
    "heading_deg": CLAIMS["heading_deg"],
    "msg_type": 1,
    "time": 1741564801_000_000,
}


def test_a_sentence_follows():
    assert compare(ROW, CLAIMS, [LINE], True) == plain_reading.Compared()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("mmsi", 282373495), ("lon", 123.752217), ("lat", 38.1095), ("sog_kn", 12.4), ("sog_kn", None)),
        *(("heading_deg", None), ("cog_deg", 1.0), ("msg_type", 2), ("time", 1741564801_000_001)),
    ],
)
def test_another_value_differs(name, value):
    found = compare(ROW | {name: value}, CLAIMS, [LINE], True)
    assert [phrase.split()[0] for phrase in found.differs] == [name]


def test_a_sentence_that_is_damaged_is_not_read():
    with pytest.raises(Unreadable):
        plain_reading.of_sentences([LINE[:60]])
    assert "Unreadable" not in repr(plain_reading.of_sentences([LINE]))


def test_columns_are_those_that_the_sources_name():
    named = "mmsi = MMSI, time = Base Date, lon = X, lat = Y; not read: Z"
    assert mapping_of(named) == {"mmsi": "MMSI", "time": "Base Date", "lon": "X", "lat": "Y"}
    claims = of_line(b"Y;X;MMSI;Base Date", b"38.1;124.5;431000001;2025-03-10 00:00:00", named)
    assert (claims["lon"], claims["lat"], claims["stamp"]) == ("124.5", "38.1", "2025-03-10 00:00:00")
    with pytest.raises(Unreadable):
        of_line(b"a,b", b"1,2", None)


@pytest.mark.parametrize(
    "text", ["2025-03-10T00:00:01Z", "2025-03-10 09:00:01+09:00", "1741564801", "1741564801000", "10/03/2025 00:00:01"]
)
def test_moments_are_read_as_they_are_written(text):
    assert 1741564801_000_000 in moments_us(text)


@pytest.mark.parametrize(
    "record", [{"mmsi": 1, "lat": 2, "lon": 3}, {"x": "!AIVDM,1,1,,B,14=BeMPP1s8nOR2EkVsR6Ab20000,0*32"}]
)
def test_records_of_json_are_read(record):
    assert {"mmsi", "lon", "lat"} <= of_record(json.dumps(record).encode()).keys()


@pytest.mark.parametrize("text", [b"[", b"[1]", b'{"a": 1}'])
def test_what_is_no_such_record_is_said(text):
    with pytest.raises(Unreadable):
        of_record(text)
