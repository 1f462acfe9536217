"""Owns: the same vessel gives the same rows whatever format tells of her, what is not available is null in all of them,
and no damage to a file does more than to spoil rows or to be said in a sentence.
"""

import json
import random

import pyais
import pytest

from stswatch.pipeline.readers.formats import READERS, chunks, open_source, read
from stswatch.pipeline.readers.source import SourceError
from tests.pipeline.decode.captures import tagged
from tests.pipeline.readers.gather import together
from tests.pipeline.readers.one_vessel import EPOCH, FIXES, FORMATS, MAP, MMSI, STATIC


@pytest.fixture
def collected(written):
    """The source of a format, and what it gave."""

    def tell(name):
        _, content, _ = FORMATS[name]
        path = written("vessel.dat", content)
        asked = {"columns": written("map.toml", MAP.encode())} if name == "mapped" else {}
        source = open_source(path, **asked)
        return source, together(batch for chunk in chunks(source) for batch in read(chunk))

    return tell


def test_every_reader_is_told_of_her():
    assert {reader for reader, _, _ in FORMATS.values()} == {reader.name for reader in READERS}


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_positions_come_from_every_format(collected, name):
    source, got = collected(name)
    assert source.format == FORMATS[name][0]
    rows = got.fixes.sort_by("time").to_pylist()
    assert [row["time"].timestamp() for row in rows] == [EPOCH, EPOCH + 60, EPOCH + 120]
    assert [{column: row[column] for column in FIXES[0]} for row in rows] == FIXES
    assert [row["invalid_reason"] for row in rows] == [None, None, "no_position"]
    assert got.rejects.num_rows == 0


@pytest.mark.parametrize("name", FORMATS)
def test_what_she_says_of_herself_is_the_same_in_every_format(collected, name):
    _, got = collected(name)
    lacks = FORMATS[name][2]
    wanted = {column: value for column, value in STATIC.items() if column not in lacks}
    rows = [{column: row[column] for column in wanted} for row in got.static_reports.to_pylist()]
    printed = [row for row in rows if any(value is not None for column, value in row.items() if column != "mmsi")]
    assert printed == ([wanted] if wanted else [])
    assert all(value is None for row in rows if row not in printed for column, value in row.items() if column != "mmsi")


@pytest.mark.parametrize("name", FORMATS)
def test_kind_of_receiver_and_licence_are_those_of_the_format_or_the_map(collected, name):
    source, got = collected(name)
    (reader,) = (reader for reader in READERS if reader.name == FORMATS[name][0])
    wanted = ("satellite", "bought") if name == "mapped" else (reader.receiver, reader.licence)
    assert (source.receiver, source.licence) == wanted
    assert set(got.fixes["receiver"].to_pylist()) == {source.receiver}


@pytest.mark.parametrize("name", ["nmea", "Danish", "mapped"])
def test_what_the_user_says_of_receiver_and_licence_goes_before(written, collected, name):
    collected(name)
    path, asked = written("vessel.dat", FORMATS[name][1]), {"receiver": "satellite", "licence": "ours"}
    if name == "mapped":
        asked["columns"] = written("map.toml", MAP.encode())
    source = open_source(path, **asked)
    assert (source.receiver, source.licence) == ("satellite", "ours")
    got = together(batch for chunk in chunks(source) for batch in read(chunk))
    assert set(got.fixes["receiver"].to_pylist()) == {"satellite"}


def spoiled(rng, content):
    """The content with some bytes changed, cut out, put in or cut off."""
    text = bytearray(content)
    for _ in range(rng.randrange(1, 6)):
        at, kind = rng.randrange(len(text) + 1), rng.randrange(10)
        more = bytes(rng.choice(b'\r\n",;{}\0\xff5A') for _ in range(rng.randrange(1, 8)))
        if kind < 4:
            text[at : at + 1] = more[:1]
        elif kind < 6:
            del text[at : at + rng.randrange(1, 20)]
        elif kind < 9:
            text[at:at] = more
        else:
            del text[at:]
    return bytes(text)


@pytest.mark.parametrize("name", FORMATS)
def test_whatever_happens_to_a_file_each_line_is_counted_once_or_one_sentence_says_what_is_wrong(written, name):
    rng, printed, counted = random.Random(7), [], 0
    for _ in range(60):
        path = written("spoiled.dat", spoiled(rng, FORMATS[name][1]))
        try:
            source = open_source(path)
            got = together(batch for chunk in chunks(source) for batch in read(chunk))
        except SourceError as error:
            printed.append(str(error))
            continue
        counted += 1
        if source.format not in ("nmea", "aiscatcher", "json"):  # of which several sentences can be one message
            assert got.sentences == got.messages + got.rejects.num_rows
    assert all(collected.startswith(str(path)) and "\n" not in collected for collected in printed)
    assert printed or name == "nmea"
    assert counted > 3 or "arquet" in name or name == "mapped"


RADIO = {"station": "HILL", "radio": 67_427, "raim": True, "utc_second": 59}
FORMATS_OF_DAT = {
    "nmea": tagged(
        pyais.encode_dict(
            {"msg_type": 1, "mmsi": MMSI, "lon": 1, "lat": 2, "radio": 67_427, "raim": 1, "second": 59}, talker_id="AI"
        )[0].encode(),
        EPOCH,
        b"HILL",
    ),
    "csv": b"mmsi,time,lon,lat,station,radio,raim,second\n431000001,1741608000,1,2,HILL,67427,1,59\n"
    b"431000001,1741608060,1,2,,,,60\n",
    "aisstream": json.dumps(
        {
            "MessageType": "StandardClassBPositionReport",
            "MetaData": {"MMSI": MMSI, "time_utc": "2025-03-10 12:00:00 +0000 UTC"},
            "Message": {
                "StandardClassBPositionReport": {
                    "MessageID": 18,
                    "UserID": MMSI,
                    "Valid": True,
                    "Longitude": 1,
                    "Latitude": 2,
                    "Timestamp": 59,
                    "Raim": True,
                    "CommunicationStateIsItdma": True,
                    "CommunicationState": 67_427,
                }
            },
        }
    ).encode(),
    "aiscatcher": json.dumps(
        {
            "class": "AIS",
            "rxuxtime": EPOCH,
            "mmsi": MMSI,
            "type": 1,
            "lon": 1.0,
            "lat": 2.0,
            "second": 59,
            "station_id": "HILL",
            "radio": 67_427,
            "raim": True,
            "scaled": True,
        }
    ).encode(),
}


@pytest.mark.parametrize("name", FORMATS_OF_DAT)
def test_station_and_fields_of_the_sentence_come_from_formats_that_have_them(written, name):
    source = open_source(written("radio.dat", FORMATS_OF_DAT[name]))
    rows = together(batch for chunk in chunks(source) for batch in read(chunk)).fixes.to_pylist()
    wanted = RADIO | ({"station": None, "radio": (1 << 19) + 67_427} if name == "aisstream" else {})
    assert source.format == {"csv": "columns"}.get(name, name)
    assert {column: rows[0][column] for column in RADIO} == wanted
    assert all({row[column] for column in RADIO} == {None} for row in rows[1:])


@pytest.mark.parametrize("name", ["MarineCadastre 2025", "Danish"])
def test_formats_without_fields_of_the_sentence_have_none(collected, name):
    _, got = collected(name)
    assert got.fixes.num_rows == 3
    assert all(got.fixes[column].null_count == 3 for column in RADIO)
