"""Owns: whatever stamps a capture mixes, whole and broken ones, each line has the time that it says, or none.

Each sentence carries its number as its MMSI, so that it is known among the rows that come out.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline.flow.ingest import ingest
from stswatch.pipeline.flow.row import Engine
from stswatch.pipeline.readers.formats import chunks, open_source, read
from stswatch.pipeline.readers.nmea import AROUND, decode_window
from stswatch.pipeline.readers.text import Window
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.entries import entries
from tests.pipeline.decode.captures import digits, sentence, tagged
from tests.pipeline.readers.gather import together

START = datetime(2025, 3, 10, 12, 0, 0, tzinfo=UTC)
ISO, COMPACT = "%Y-%m-%d %H:%M:%S", "%Y%m%d%H%M%S"


def position(number: int) -> bytes:
    """A position report of a vessel of this number, off the coast of Korea."""
    bits = f"{1:06b}00{431_000_000 + number:030b}0000" + "0" * 8 + f"{10:010b}0" + f"{74_700_000:028b}"
    bits += f"{22_950_000:027b}" + f"{900:012b}" + f"{90:09b}" + "0" * 31
    values = [int(bits[at : at + 6], 2) for at in range(0, 168, 6)]
    return sentence(bytes(value + (48 if value < 40 else 56) for value in values))


def s(when: datetime) -> int:
    return int(when.timestamp())


# what stands round the sentence of a moment; each says that moment to the second
STYLES = {
    "tag block": lambda line, when: tagged(line, s(when), b"S1"),
    "tag block in ms": lambda line, when: b"\\s:S2,c:%d000\\" % s(when) + line,
    "tag block with group": lambda line, when: tagged(line, s(when), b"S3", b"1-1-7"),
    "suffix": lambda line, when: line + b",r003669945,%d" % s(when),
    "suffix of letters": lambda line, when: line + b",s26018,d-103,T37.84,rUSB-SER_1,%d" % s(when),
    "suffix of a base": lambda line, when: line + b",bKNOX01,%d.0,%d" % (s(when), s(when) + 7),
    "epoch behind": lambda line, when: line + b",%d" % s(when),
    "two epochs behind": lambda line, when: line + b",%d,%d" % (s(when), s(when) + 3),
    "epoch in ms behind": lambda line, when: line + b",%d000" % s(when),
    "epoch before": lambda line, when: b"%d " % s(when) + line,
    "epoch in us before": lambda line, when: b"%d000000," % s(when) + line,
    "ISO": lambda line, when: b"%s " % when.strftime(ISO).encode() + line,
    "ISO in brackets": lambda line, when: b"[%s] " % when.strftime(ISO).encode() + line,
    "ISO of a zone": lambda line, when: b"%s+09:00 " % (when + timedelta(hours=9)).strftime(ISO).encode() + line,
    "compact": lambda line, when: b"%s " % when.strftime(COMPACT).encode() + line,
    "compact of two": lambda line, when: b"%s;" % when.strftime("%Y%m%d %H%M%S").encode() + line,
    "Gatehouse": lambda line, when: (
        when.strftime("$PGHP,1,%Y,%m,%d,%H,%M,%S,0,316,56,316999999,1,75*24\n").encode() + line
    ),
}
# what is no stamp, or none that can be understood
VOID = {
    "bare": lambda line, when: line,
    "time of day": lambda line, when: b"%s " % when.strftime("%H:%M:%S").encode() + line,
    "no year": lambda line, when: b"%s host " % when.strftime("%b %d %H:%M:%S").encode() + line,
    "day first": lambda line, when: b"%s " % when.strftime("%d/%m/%Y %H:%M:%S").encode() + line,
    "a zone by name": lambda line, when: b"%s KST " % when.strftime(ISO).encode() + line,
    "a day": lambda line, when: b"%s " % when.strftime("%Y%m%d").encode() + line,
    "a month too many": lambda line, when: b"%s " % when.strftime("%Y13%d%H%M%S").encode() + line,
    "cut suffix": lambda line, when: line + b",r003669945,%d" % (s(when) // 10),
    "cut epoch": lambda line, when: b"%d " % (s(when) // 100) + line,
    "cut compact": lambda line, when: b"%s " % when.strftime(COMPACT).encode()[:-1] + line,
    "cut ISO": lambda line, when: b"%s " % when.strftime(ISO).encode()[:-1] + line,
    "suffix without a time": lambda line, when: line + b",r003669945",
    "broken tag block": lambda line, when: tagged(line, s(when)).replace(b"c:1", b"c:2", 1),
    "Gatehouse of no month": lambda line, when: (
        when.strftime("$PGHP,1,%Y,13,%d,%H,%M,%S,0,316,,,1,75*24\n").encode() + line
    ),
    "Gatehouse of another": lambda line, when: b"$PGHP,1,2025,3,10,10,0,0,0,316,,,1,75*24\n# rubbish\n" + line,
}
ANY = st.tuples(st.sampled_from([*STYLES, *VOID]), st.integers(0, 100_000))


def written_as(lines) -> tuple[bytes, dict[int, datetime]]:
    """A capture of these styles and seconds, and the time that each vessel's line says."""
    text, collected = [], {}
    for number, (style, second) in enumerate(lines):
        when = START + timedelta(seconds=second)
        text.append((STYLES | VOID)[style](position(number), when))
        if style in STYLES:
            collected[431_000_000 + number] = when
    return b"\n".join(text) + b"\n", collected


@settings(deadline=None)
@given(st.lists(ANY, min_size=1, max_size=40))
def test_each_line_has_the_time_that_it_says_or_none(lines):
    text, collected = written_as(lines)
    got = decode_window(Window(text, 0, 0, len(text)), "0" * 16, None)
    assert dict(zip(got.fixes["mmsi"].to_pylist(), got.fixes["time"].to_pylist(), strict=True)) == collected
    assert got.rejects["reason"].to_pylist() == ["no_time"] * (len(lines) - len(collected))
    void = [style for style, _ in lines if style in VOID]
    assert got.unread_times == sum(v not in ("bare", "suffix without a time", "Gatehouse of another") for v in void)


@settings(max_examples=30, deadline=None)
@given(st.lists(ANY, min_size=2, max_size=60), st.data())
def test_no_cut_shows(lines, data):
    text, _ = written_as(lines)
    inner = data.draw(st.lists(st.integers(1, len(text) - 1), max_size=5))
    parts = [around(text, a, b) for a, b in pairwise([0, *sorted(set(inner)), len(text)])]
    cut = together([decode_window(window, "0" * 16, None) for window in parts])
    once = together([decode_window(Window(text, 0, 0, len(text)), "0" * 16, None)])
    assert cut.fixes.sort_by("offset").equals(once.fixes.sort_by("offset"))
    assert cut.rejects.sort_by("offset").equals(once.rejects.sort_by("offset"))


def around(text, start, end):
    base = max(0, start - AROUND)
    base = text.find(b"\n", base) + 1 if base else 0
    return Window(text[base : end + AROUND], base, start, end)


@pytest.mark.parametrize("style", VOID)
def test_what_is_not_understood_is_said_with_an_example(written, style):
    if style in ("bare", "suffix without a time", "Gatehouse of another"):
        return
    text, _ = written_as([("ISO", at) for at in range(20)] + [(style, 30)])
    source = open_source(written("a.nmea", text))
    assert sum(batch.unread_times for chunk in chunks(source) for batch in read(chunk)) == 1
    assert source.clock == "told by the sentences"
    assert "!..." in source.options.unread
    assert len(source.options.unread) <= 60


def rmc(when: datetime, status: str = "A") -> bytes:
    body = when.strftime(f"GPRMC,%H%M%S.00,{status},3815.00,N,12430.00,E,0.0,0.0,%d%m%y,,,A").encode()
    return b"$%s*%s" % (body, digits(body))


def zda(when: datetime) -> bytes:
    body = when.strftime("GNZDA,%H%M%S.00,%d,%m,%Y,00,00").encode()
    return b"$%s*%s" % (body, digits(body))


@pytest.mark.parametrize("every_s", [1, 60, 600])
@pytest.mark.parametrize("clock", [rmc, zda])
@pytest.mark.parametrize("n", [1, 2, 30])
def test_rmc_and_zda_tell_the_time_of_the_line_after_them(written, clock, every_s, n):
    times = [START + timedelta(seconds=at * every_s) for at in range(n)]
    lines = [line for at, when in enumerate(times) for line in (clock(when), position(at))]
    path = written("a.nmea", b"\r\n".join(lines) + b"\r\n")
    got = together(batch for chunk in chunks(open_source(path)) for batch in read(chunk))
    assert got.fixes["time"].to_pylist() == times
    assert "RMC or ZDA" in open_source(path).clock


def test_a_clock_of_rmc_sentences_ends_where_they_end(written):
    times = [START + timedelta(seconds=at) for at in range(60)]
    lines = [line for at, when in enumerate(times) for line in (rmc(when), position(at))]
    path = written("a.nmea", b"\n".join([*lines, *(position(100 + at) for at in range(1000))]))
    got = together(batch for chunk in chunks(open_source(path)) for batch in read(chunk))
    assert got.fixes.num_rows > 100
    assert max(got.fixes["time"].to_pylist()) <= times[-1] + timedelta(seconds=61)
    assert set(got.rejects["reason"].to_pylist()) == {"no_time"}


@pytest.mark.parametrize("bad", [rmc(START, "V"), rmc(START)[:-2] + b"00", zda(START.replace(year=1980))])
def test_a_clock_that_is_not_sure_tells_nothing(written, bad):
    path = written("a.nmea", b"\n".join([rmc(START + timedelta(hours=1)), position(1), bad, position(2)]))
    got = together(batch for chunk in chunks(open_source(path)) for batch in read(chunk))
    assert {when.hour for when in got.fixes["time"].to_pylist()} == {13}


def test_the_run_counts_what_is_not_understood(tmp_path):
    """One chunk, as a worker takes it, and the words about its source."""
    text, _ = written_as([("ISO", at) for at in range(5)] + [("no year", 30), ("day first", 40)])
    (tmp_path / "a.nmea").write_bytes(text)
    (tmp_path / "b.nmea").write_bytes(text.replace(b" host ", b"\x1b[31m\n host `", 1))
    for name in ("a.nmea", "b.nmea"):
        source = open_source(tmp_path / name)
        with Catalogue.open(tmp_path, verify=False) as catalogue:
            ingest(catalogue, entries(catalogue), [source], 86_400_000_000, Engine(), lambda sentences: None)
            words = entries(catalogue)[source.source].source["clock"]
        assert re.search(r"; [12] lines? carr(y|ies) a time that is not understood, for example `[ -_a-~]*`$", words)
