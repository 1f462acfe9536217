"""Owns: a sentence is found with its time whatever stands round it, and counted once whatever is wrong with it."""

import os
from dataclasses import fields
from functools import reduce
from operator import xor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline.decode.fast_path import fast_path
from stswatch.pipeline.decode.lines import find_lines, line_spans, padded, xor_between
from stswatch.pipeline.decode.sentences import MAX_LINE, frame, frame_one_by_one
from stswatch.pipeline.decode.stamps import NO_TIME, epoch_us
from stswatch.pipeline.decode.units import Names
from stswatch.pipeline.schema.lake_tables import CODES
from tests.pipeline.decode.captures import capture, parts, texts, wrapped
from tests.pipeline.decode.mutants import mutated

REAL = os.environ.get("STSWATCH_REAL_DATA", "")
PLAIN = b"!AIVDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0*23"
NO_PAYLOAD = {
    "total",
    "part",
    "fill",
    "first",
    "last",
    "alike",
    "talker",
    "group",
}  # of sentences that cannot be used: anything


def stations(found):
    return [found.stations[number].as_py() if number >= 0 else None for number in found.station.tolist()]


def relabelled(values):
    """Equal numbers for equal values, in the order in which they come."""
    seen = {}
    return [seen.setdefault(value, len(seen)) for value in values.tolist()]


def assert_as_one_by_one(text):
    """The lines of usual shape are read as each of them is by itself."""
    found, oracle = frame(text, 1000), frame_one_by_one(text, 1000)
    assert stations(found) == stations(oracle)
    for field in fields(found):
        ours, theirs = getattr(found, field.name), getattr(oracle, field.name)
        if field.name in NO_PAYLOAD:
            ours, theirs = ours[found.code == 0], theirs[oracle.code == 0]
        if field.name in ("alike", "group"):
            ours, theirs = (np.array(relabelled(numbers)) for numbers in (ours, theirs))
        if field.name not in ("data", "size", "station", "stations"):
            np.testing.assert_array_equal(ours, theirs, field.name)
    return found


@given(st.lists(st.sampled_from([b"ab", b"", b"\r", b"c\rd"])), st.booleans())
def test_lines_are_where_splitting_finds_them(pieces, ended):
    text = b"\n".join(pieces) + b"\n" * ended
    lines = text.split(b"\n")
    lines = lines[:-1] if not lines[-1] else lines
    starts, ends = line_spans(np.frombuffer(text, np.uint8))
    assert [text[a:b] for a, b in zip(starts, ends, strict=True)] == [line.removesuffix(b"\r") for line in lines]


@given(st.binary(min_size=20), st.integers(0, 8), st.integers(9, 19))
def test_checksums_of_many_at_once_equal_those_of_one(data, start, end):
    sums = xor_between(np.frombuffer(data, np.uint8), np.array([start, end - 1]), np.array([end, end]))
    assert sums.tolist() == [reduce(xor, data[start:end]), data[end - 1]]


@pytest.mark.parametrize(
    ("line", "time_s", "station"),
    [
        (b"\\s:42809,c:1635731889,t:1635731965*6A\\" + PLAIN, 1635731889, "42809"),
        (b"\\c:1599239526500,s:sdr*51\\" + PLAIN, NO_TIME, "sdr"),  # the checksum of the tag block does not hold
        (b"\\c:1599239526500,s:sdr\\" + PLAIN, 1599239526.5, "sdr"),
        (b"\\c:0\\" + PLAIN, NO_TIME, None),
        (PLAIN + b",r003669987,1152921693", 1152921693, "r003669987"),
        (PLAIN + b",d-109,S2105,t050056.00,T56.13718694,r003669946,1325394060,1325394001", 1325394060, "r003669946"),
        (b"$PGHP,1,2010,6,11,11,46,11,390,231,45,992190934,1,2B*5B\n" + PLAIN, 1276256771.39, None),
        (b"1152921693 " + PLAIN, 1152921693, None),
        (b"1152921693.25 " + PLAIN, 1152921693.25, None),
        (b"2006-07-15T00:01:33Z " + PLAIN, 1152921693, None),
        (b"2006-07-15 00:01:33.5," + PLAIN, 1152921693.5, None),
        (b"2006-07-15T09:01:33+09:00 " + PLAIN, 1152921693, None),
        (b"[2006-07-15 00:01:33] " + PLAIN, 1152921693, None),
        (b"\\g:1-2-73874,n:157036,s:r003669945,c:1241544035*4A\\" + PLAIN, 1241544035, "r003669945"),
        (b"\\s:S1,c:1635731889*4\\" + PLAIN, NO_TIME, "S1"),  # the checksum has one digit, and does not hold
        (PLAIN, NO_TIME, None),
        (PLAIN + b",r09ABCD1,1741608600", 1741608600, "r09ABCD1"),
        (PLAIN + b",s26018,d-103,T37.84369449,rUSB-SER_1,1741608600.25", 1741608600.25, "rUSB-SER_1"),
        (PLAIN + b",bKNOX01,1741608600,1741608601", 1741608600, "bKNOX01"),
        (PLAIN + b",1741608005", 1741608005, None),
        (PLAIN + b",1741608005,1741608006", 1741608005, None),
        (PLAIN + b",1741608005123", 1741608005.123, None),
        (PLAIN + b",1741608005.5", 1741608005.5, None),
        (PLAIN + b",003669945,1741608005", 1741608005, None),
        (PLAIN + b",2025-03-10T12:00:05Z", 1741608005, None),
        (PLAIN + b",r003669945,17416080", NO_TIME, None),  # its end is lost
        (PLAIN + b",r003669945,174160800", NO_TIME, None),
        (PLAIN + b",r003669945,20250310120005", 1741608005, "r003669945"),
        (b"20250310120005 " + PLAIN, 1741608005, None),
        (b"20250310 120005.5," + PLAIN, 1741608005.5, None),
        (b"20250310T120005Z;" + PLAIN, 1741608005, None),
        (b"202503101200\t" + PLAIN, 1741608000, None),
        (b"2025-03-10 12:00:05,250 " + PLAIN, 1741608005.25, None),
        (b"2025-03-10 21:00:05 +0900 KST " + PLAIN, 1741608005, None),
        (b"1741608005123456 " + PLAIN, 1741608005.123456, None),
        (b"1741608005123456789 " + PLAIN, 1741608005.123456, None),
        (b"2025-03-10 12:00:05 KST " + PLAIN, NO_TIME, None),
        (b"2025-03-10 12:00:05 PM " + PLAIN, NO_TIME, None),
        (b"2025031012000 " + PLAIN, NO_TIME, None),  # its end is lost
        (b"20250310 " + PLAIN, NO_TIME, None),
        (b"20251310120005 " + PLAIN, NO_TIME, None),
        (b"10/03/2025 12:00:05 " + PLAIN, NO_TIME, None),
        (b"Mar 10 12:00:05 host " + PLAIN, NO_TIME, None),
    ],
)
def test_the_time_is_read_from_every_known_wrapper(line, time_s, station):
    found = frame(line + b"\r\n", 100)
    assert found.own_us.tolist() == [time_s if time_s == NO_TIME else round(time_s * 1e6)]
    assert stations(found) == [station]
    assert found.code.tolist() == [0]
    assert_as_one_by_one(line + b"\r\n")
    assert found.unread.tolist() == [time_s == NO_TIME and line not in (PLAIN, b"\\c:0\\" + PLAIN)]
    begin, end = found.offset[0] - 100, found.offset[0] - 100 + found.length[0]
    assert line[begin:end] == line.split(b"\n")[-1]


@given(st.integers(1, 99_999_999_999))
def test_seconds_and_milliseconds_of_an_epoch_are_told_apart(epoch):
    assert epoch_us(b"%d" % epoch) == epoch * 1_000_000
    if epoch >= 10**8 and str(epoch)[:2] not in ("19", "20", "21"):  # these may be dates
        assert epoch_us(b"%d000" % epoch) == epoch * 1_000_000


def test_no_sentence_takes_the_time_of_another():
    text = b"\n".join([PLAIN, b"\\c:1635731889\\" + PLAIN, PLAIN, b"1635731890 " + PLAIN, PLAIN]) + b"\n"
    assert frame(text, 0).own_us.tolist() == [NO_TIME, 1635731889000000, NO_TIME, 1635731890000000, NO_TIME]


GATEHOUSE = b"$PGHP,1,2010,6,11,11,46,11,390,231,45,992190934,1,2B*5B"


@pytest.mark.parametrize(
    ("lines", "tell"),
    [
        ([GATEHOUSE, PLAIN, PLAIN], [1, 0]),
        ([GATEHOUSE, b"", PLAIN], [1]),
        ([GATEHOUSE, b"rubbish", PLAIN], [0]),  # that was its sentence
        ([GATEHOUSE, PLAIN[:-2] + b"00", PLAIN], [1, 0]),
        ([GATEHOUSE, b"$GPRMC,,V,,,,,,,,,,N*53", PLAIN], [0]),
        ([GATEHOUSE, *parts(b"3"), PLAIN], [1, 0, 0]),
        ([GATEHOUSE.replace(b",6,", b",13,"), PLAIN], [0]),
    ],
)
def test_a_gatehouse_line_is_for_the_sentence_after_it(lines, tell):
    found = assert_as_one_by_one(b"\r\n".join(lines) + b"\r\n")
    assert (found.own_us == 1276256771390000).astype(int).tolist() == tell
    assert found.unread.any() == (b",13," in lines[0])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (PLAIN[:-2] + b"00", "checksum"),
        (b"!AIVDM,1,2,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0*20", "malformed"),
        (b"!AIVDM,1,1,,A,13HOI:0P0000", "malformed"),
        (b"!AIVDM,0,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0*22", "malformed"),
        (b"!AIVDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,6*25", "malformed"),  # a character has six bits
        (PLAIN[:-2], "no_checksum"),
        (PLAIN[:-3], "no_checksum"),
        (PLAIN[:-3] + b",r003669987,1152921693", "no_checksum"),
        (PLAIN[:-1] + b"2", "checksum"),
        (b"!AIVDM,1,1,,A," + b"0" * 201 + b",0*16", "payload"),
    ],
)
def test_a_bad_sentence_says_why(line, reason):
    assert frame(line + b"\n", 0).code.tolist() == [CODES[reason]]


def test_lines_that_are_no_sentence_are_told_from_those_that_need_not_be():
    long = b"x" * (MAX_LINE + 1)
    text = (
        b"# !AIVDM,3,3,3,B,v@,3*23\n\n$AITXT,01,01,91*20\nrubbish\n" + PLAIN * 2 + b"\n" + long + b"\n" + long + PLAIN
    )
    found = frame(text, 0)
    assert len(found.code) == 2
    assert [text[o : o + 7] for o in found.bad_offset.tolist()] == [b"rubbish", b"x" * 7, b"x" * 7]
    assert found.bad_length.tolist() == [7, MAX_LINE, MAX_LINE]


@pytest.mark.parametrize(
    ("body", "after"),
    [
        (b"$AIVDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0", b"%02X"),
        (b"!AIVDM,01, 1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0", b"%02X"),
        (b"!BSVDO,1,1,10,,13HOI:0P0000VOHLCnHQKwvL05Ip,0", b"%02X"),
        (b"!ABVDM,1,1,123,AIS1,13HOI:0P0000VOHLCnHQKwvL05Ip,0", b"%02X"),
        (b"!--VDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0", b"%02x \r"),
        (b"!AIVDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,x", b"%02x"),
        (b"!AIVDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,", b"0x%02x"),
        (b"!AIVDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0,0", b"%X"),
    ],
)
def test_what_is_written_oddly_is_read_where_its_checksum_holds(body, after):
    found = frame(body + b"*" + after % reduce(xor, body[1:]), 0)
    assert found.code.tolist() == [0]
    assert found.data[found.first[0] : found.last[0]].tobytes() == b"13HOI:0P0000VOHLCnHQKwvL05Ip"


@pytest.mark.parametrize("seed", range(20))
def test_lines_of_usual_shape_are_read_as_one_by_one(seed):
    found = assert_as_one_by_one(capture(seed, 800))
    assert (found.code == 0).sum() > 400
    assert_as_one_by_one(mutated(seed, capture(seed, 800), 800))


@pytest.mark.parametrize("kind", wrapped(b"", 0))
def test_every_usual_wrapper_is_read_as_one_by_one(kind):
    lines = [wrapped(sentence, at)[kind] for at, sentence in enumerate([PLAIN, *parts(b"3"), PLAIN] * 50)]
    text = b"\n".join(lines) + b"\n"
    assert (assert_as_one_by_one(text).code == 0).all()
    for seed in range(10):
        assert_as_one_by_one(mutated(seed, text, 200))


def test_names_of_stations_stay_apart_however_many_there_are():
    """A feed may have thousands; names of the same beginning or of four words are different ones."""
    names = [f"{'A VERY LONG NAME ' * (at % 2)}S{at * 7 % 3001}".encode() for at in range(6000)]
    text = b"".join(b"\\s:%s,c:%d\\%s\n" % (name, 1_600_000_000 + at, PLAIN) for at, name in enumerate(names))
    assert stations(assert_as_one_by_one(text)) == [name.decode() for name in names]


@pytest.mark.parametrize("kind", wrapped(b"", 0))
def test_every_usual_wrapper_is_read_with_all_others(kind):
    """A floor for the test above: what is usual is not left to the slow way."""
    text = b"\n".join(wrapped(PLAIN, at)[kind] for at in range(50)) + b"\n"
    data = padded(text)
    found, _, left = fast_path(data, find_lines(data, len(text)), MAX_LINE, Names())
    assert len(found.fast) == 50
    assert not left.any()


@pytest.mark.real
@pytest.mark.skipif(not REAL, reason="STSWATCH_REAL_DATA names no folder")
def test_every_capture_and_its_mutants_are_read_as_one_by_one():
    read = 0
    for seed, text in enumerate(texts(REAL)):
        read += len(assert_as_one_by_one(text[:400_000]).code)
        assert_as_one_by_one(mutated(seed, text, 1_000))
    assert read > 15_000
