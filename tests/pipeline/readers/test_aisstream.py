"""Owns: each message of aisstream.io gives the rows of its message type; whatever a line holds, it is counted once."""

import json
import random
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stswatch.pipeline.readers.aisstream import decode_lines, sniff
from stswatch.pipeline.readers.formats import open_source, read
from stswatch.pipeline.readers.source import Chunk
from tests.pipeline.readers.gather import same, together

NOON = "2025-03-10 12:00:00.5 +0000 UTC"
HEAD = {"UserID": 431000001, "Valid": True, "RepeatIndicator": 0}
PLACE = {**HEAD, "Latitude": 38.5, "Longitude": 124.75, "Sog": 3.5, "Cog": 90.5}
SIDES = {"A": 150, "B": 30, "C": 10, "D": 20}
PART_A = {"Valid": True, "Name": "ABLE@@@"}
PART_B = {"Valid": True, "ShipType": 80, "CallSign": "HABC ", "Dimension": SIDES, "VendorIDName": "SRT"}
LACKING = {"Valid": False, "Name": "", "ShipType": 0, "CallSign": "", "Dimension": dict.fromkeys("ABCD", 0)}


def line(kind, body, time=NOON, **meta):
    head = {"MMSI": 431000001, "MMSI_String": 431000001, "ShipName": "ABLE", "latitude": 1.0, "time_utc": time}
    return json.dumps({"MessageType": kind, "MetaData": head | meta, "Message": {kind: body}}).encode()


def decoded(*lines):
    return decode_lines(b"\n".join(lines) + b"\n", "ab" * 8)


@pytest.mark.parametrize(
    ("kind", "number", "more", "wanted"),
    [
        ("PositionReport", 3, {"TrueHeading": 77, "NavigationalStatus": 1}, {"heading_deg": 77, "status": 1}),
        ("StandardClassBPositionReport", 18, {"TrueHeading": 511}, {"heading_deg": None, "status": None}),
        ("LongRangeAisBroadcastMessage", 27, {"NavigationalStatus": 15}, {"heading_deg": None, "status": None}),
        ("ExtendedClassBPositionReport", 19, {"TrueHeading": 77, "Name": "ABLE", "Type": 36, "Dimension": SIDES}, {}),
    ],
)
def test_a_position_is_a_fix_of_its_message_type(kind, number, more, wanted):
    got = decoded(line(kind, PLACE | {"MessageID": number} | more))
    (row,) = got.fixes.to_pylist()
    wanted = {
        "mmsi": 431000001,
        "msg_type": number,
        "lon": 124.75,
        "lat": 38.5,
        "sog_kn": 3.5,
        "cog_deg": 90.5,
    } | wanted
    wanted |= {"time": datetime(2025, 3, 10, 12, 0, 0, 500_000, UTC), "receiver": "terrestrial", "source": "ab" * 8}
    assert {name: row[name] for name in wanted} == wanted
    assert got.static_reports.num_rows == (number == 19)


def test_what_a_vessel_says_of_herself_is_a_static_report_the_halves_of_type_24_apart():
    both = HEAD | {"MessageID": 24}
    got = decoded(
        line("StaticDataReport", both | {"PartNumber": False, "ReportA": PART_A, "ReportB": LACKING}),
        line("StaticDataReport", both | {"PartNumber": True, "ReportA": LACKING, "ReportB": PART_B}),
        line(
            "ExtendedClassBPositionReport", PLACE | {"MessageID": 19, "Name": "BAKER", "Type": 36, "Dimension": SIDES}
        ),
    )
    names = ("msg_type", "name", "call_sign", "ship_type", "length_m", "beam_m", "to_bow_m", "to_starboard_m", "imo")
    assert [tuple(row[name] for name in names) for row in got.static_reports.to_pylist()] == [
        (24, "ABLE", None, None, None, None, None, None, None),
        (24, None, "HABC", 80, 180.0, 30.0, 150, 20, None),
        (19, "BAKER", None, 36, 180.0, 30.0, 150, 20, None),
    ]
    assert got.messages == 3


def test_other_messages_are_counted_and_what_cannot_be_used_is_a_reject_with_its_reason():
    position = PLACE | {"MessageID": 1}
    lines = {
        line("BaseStationReport", HEAD | {"MessageID": 4, "UtcYear": 2025}): None,
        line("AidsToNavigationReport", PLACE | {"MessageID": 21}): None,
        line("PositionReport", position): None,
        line("PositionReport", position | {"Valid": False}): "payload",
        line("PositionReport", position, time="soon"): "no_time",
        line("PositionReport", position, time=None): "no_time",
        line("PositionReport", {"MessageID": 1}, MMSI=None): "no_mmsi",
        line("PositionReport", position | {"UserID": 10**12}): "no_mmsi",
        line("PositionReport", None): "malformed",
        line("PositionReport", position | {"Latitude": "north"}): "malformed",
        line("PositionReport", position)[:-9]: "malformed",
        line("PositionReport", position) * 2: "malformed",
        b'{"error":"Api Key Is Not Valid"}': "malformed",
        b"[1, 2]": "malformed",
        b"connected": "malformed",
    }
    text = b"\r\n".join(lines)
    got = decode_lines(text, "ab" * 8)
    reasons = {text[row["offset"] : row["offset"] + row["length"]]: row["reason"] for row in got.rejects.to_pylist()}
    assert reasons == {content: reason for content, reason in lines.items() if reason}
    assert (got.sentences, got.messages, got.fixes.num_rows) == (len(lines), 3, 1)


def test_the_mmsi_is_that_of_the_message_and_only_without_one_that_of_the_service():
    bare = {name: value for name, value in PLACE.items() if name != "UserID"}
    got = decoded(line("PositionReport", PLACE, MMSI=1), line("PositionReport", bare, MMSI=431000002))
    assert got.fixes["mmsi"].to_pylist() == [431000001, 431000002]


@pytest.mark.parametrize("fraction", ["", ".1", ".318353", ".123456789", ".1234567891234"])
@pytest.mark.parametrize("first", ["", "x"])
def test_times_of_go_are_read_to_the_microsecond_whatever_stands_before(fraction, first):
    """A word that is no time at the head of a batch changes nothing for the others."""
    times = [first] * bool(first) + [f"2022-12-29 18:22:32{fraction} +0000 UTC"]
    got = decoded(*(line("PositionReport", PLACE, time=time) for time in times))
    us = int(f"{fraction[1:]:0<6}"[:6])
    assert got.fixes["time"].to_pylist() == [datetime(2022, 12, 29, 18, 22, 32, us, UTC)]


def rubbish(seed: int, count: int) -> bytes:
    rng = random.Random(seed)
    kinds = [
        line("PositionReport", PLACE | {"MessageID": 1}),
        line("ShipStaticData", HEAD | {"MessageID": 5, "Name": "CH\xd3-DO 초도", "Type": 80, "Dimension": SIDES}),
        line("BaseStationReport", HEAD),
        line("PositionReport", PLACE, time="never"),
    ]
    lines = []
    for _ in range(count):
        one = rng.choice(kinds)
        at = rng.randrange(len(one))
        lines.append(
            rng.choice(
                [
                    *[one] * 12,
                    one[:at],
                    one[at:],
                    one[:at] + bytes([rng.randrange(256)]) + one[at + 1 :],
                    b"",
                    b" ",
                    one * 2,
                ]
            )
        )
    return rng.choice([b"\n", b"\r\n"]).join([kinds[0], *lines])


@settings(max_examples=settings.default.max_examples // 4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), data=st.data())
def test_any_cut_of_rubbish_gives_the_same_and_counts_each_line_once(written, seed, data):
    text = rubbish(seed, 300)
    source = open_source(written("a.jsonl", text), format="aisstream")
    once = together(read(Chunk(source, 0, len(text))))
    edges = [0, *sorted(data.draw(st.sets(st.integers(1, len(text) - 1), max_size=12))), len(text)]
    assert same(together(batch for a, b in pairwise(edges) for batch in read(Chunk(source, a, b))), once)
    assert same(together([decode_lines(text, "live")]), once)
    assert once.sentences == sum(1 for part in text.split(b"\n") if part.strip(b"\r"))
    assert once.sentences == once.messages + once.rejects.num_rows
    assert Counter(once.rejects["reason"].to_pylist())["malformed"] > 20
    assert once.fixes.num_rows > 10


def test_a_recording_is_told_from_other_json():
    assert sniff(line("PositionReport", PLACE), "x")
    assert not sniff(b'{"mmsi": 431000001, "lat": 38.5}\n', "x")
    assert not sniff(b'"MessageType","MetaData","Message"\n', "x")
