"""Owns: an arrival line says when what follows it arrived, to every reader, and no source can write one."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyais.messages import GatehouseSentence

from stswatch.pipeline.decode.parts import REACH
from stswatch.pipeline.decode.sentences import MAX_LINE
from stswatch.pipeline.spool.arrivals import Arrivals, Stamper
from stswatch.pipeline.spool.segments import utc
from tests.pipeline.decode.captures import digits
from tests.pipeline.spool.spools import NOON_US, bare, decoded, told

TIMES_US = st.datetimes(datetime(1971, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)).map(
    lambda when: round(when.timestamp() * 1000) * 1000
)
MARKS = st.integers(100_000_000, 999_999_999)


@given(TIMES_US, MARKS, st.sampled_from(["nmea", "json"]))
def test_what_is_written_is_found_to_the_millisecond(time_us, mark, form):
    arrivals = Arrivals(form, mark)
    text = arrivals.line(time_us) + b"a line\n" + arrivals.line(time_us + 1000)
    at, found_us = arrivals.find(text)
    assert at.tolist() == [0, text.rindex(b"\n", 0, -1) + 1]
    assert found_us.tolist() == [time_us, time_us + 1000]
    assert arrivals.told_before(b"x\n" + text, np.array([0, 2, 50])).tolist() == [0, time_us, time_us]


@given(TIMES_US, MARKS)
def test_a_line_for_other_programs(time_us, mark):
    line = Arrivals("nmea", mark).line(time_us).strip()
    assert line.endswith(b"*" + digits(line[1:-3]))
    read = GatehouseSentence(line)
    assert read.timestamp.replace(tzinfo=UTC) == utc(time_us)
    assert (read.pss, read.online_data) == (str(mark), 1)


def test_sentences_without_a_time_take_that_of_their_arrival(tmp_path):
    arrivals = Arrivals("nmea", 123_456_789)
    times_us = [NOON_US, NOON_US + 1_234_000, NOON_US + 60_000_000]
    text = b"# stswatch\n" + b"".join(arrivals.line(time_us) + bare(2) for time_us in times_us)
    (tmp_path / "a.nmea").write_bytes(text + told([1_700_000_000]))
    found = decoded(tmp_path / "a.nmea").fixes["time"].cast("int64").to_pylist()
    assert found == [*np.repeat(times_us, 2), 1_700_000_000_000_000]


@pytest.mark.parametrize(
    "line",
    [
        b"$PGHP,1,2010,6,11,11,46,11,390,231,45,992190934,1,2B*5B",  # of a source that sends such lines
        Arrivals("nmea", 987_654_321).line(NOON_US).strip(),  # of another segment, sent again
        b"x" + Arrivals("nmea", 123_456_789).line(NOON_US).strip(),
        b"$PGHP,1,,,,,,,,,,123456789,1,x",
        b"$PGHP,1,2010,6,11,11,46,11,390,231,45,123456789,1,*5B",
    ],
)
def test_no_line_of_a_source_is_taken_for_an_arrival(line):
    at, _ = Arrivals("nmea", 123_456_789).find(b"!AIVDM\n" + line + b"\n")
    assert len(at) == 0


def test_arrivals_in_json_are_lines_of_json():
    told_ = json.loads(Arrivals("json", 5).line(NOON_US + 7_000))
    assert told_ == {"arrival": "2025-11-25T12:00:00.007Z", "mark": 5}


@given(st.lists(st.tuples(st.integers(0, 1), st.lists(st.integers(0, MAX_LINE), min_size=1, max_size=12)), max_size=20))
def test_an_arrival_stands_near_before_every_line(came):
    """So near that a sentence always finds it, and none is added where nothing new is said."""
    arrivals, every = Arrivals("nmea", 123_456_789), 16_384
    stamper, text, time_us = Stamper(arrivals, every), b"", NOON_US
    expected = []
    for later, lengths in came:
        time_us += later * 1000
        text += stamper.stamped(time_us, b"".join(b"x" * n + b"\n" for n in lengths))
        expected += [time_us] * len(lengths)
    at, _ = arrivals.find(text)
    starts = np.flatnonzero(np.frombuffer(b"\n" + text, np.uint8)[:-1] == 10) if text else np.zeros(0, np.int64)
    lines = np.setdiff1d(starts, at)
    assert arrivals.told_before(text, lines).tolist() == expected
    if len(lines):
        last = at[np.searchsorted(at, lines, side="right") - 1]
        assert (lines - last).max() <= every + MAX_LINE < REACH
    changes = sum(a != b for a, b in zip([0, *expected], expected, strict=False))
    assert len(at) <= changes + len(text) // (every - MAX_LINE) + 1


def test_before_any_time_is_known_none_is_said():
    assert Stamper(Arrivals("nmea", 5), 16_384).stamped(0, b"a\n") == b"a\n"
