"""Owns: however a capture is cut, each sentence comes to one end and is counted once; its time is found or asked."""

import gzip
import os
import re
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stswatch.pipeline.readers.formats import chunks, open_source, read
from stswatch.pipeline.readers.nmea import AROUND, decode_window
from stswatch.pipeline.readers.source import Chunk, SourceError
from stswatch.pipeline.readers.text import windows
from stswatch.pipeline.schema.lake_tables import REASONS
from tests.pipeline.decode.captures import capture, parts, sentence, tagged
from tests.pipeline.readers.gather import same, together

REAL = os.environ.get("STSWATCH_REAL_DATA", "")
GIVEN = datetime(2012, 3, 14, 11, 30, tzinfo=UTC)
CAPTURES = sorted(
    path for path in Path(REAL, "nmea").glob("*") if path.suffix not in (".json", ".chk")
) if REAL else []  # fmt: skip


def whole(path, **options):
    source = open_source(path, **options)
    return together(batch for chunk in chunks(source) for batch in read(chunk))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), data=st.data())
def test_any_cut_gives_the_same(written, seed, data):
    text = capture(seed, 3000)
    path = written("capture.txt", text)
    source = open_source(path, format="nmea", start_time=GIVEN)
    once = together(read(Chunk(source, 0, len(text))))
    inner = data.draw(st.lists(st.integers(1, len(text) - 1), max_size=12))
    edges = [0, *sorted(set(inner)), len(text)]
    cut = [Chunk(source, a, b) for a, b in pairwise(edges)]
    data.draw(st.randoms()).shuffle(cut)
    assert same(together(batch for chunk in cut for batch in read(chunk)), once)
    assert once.rejects.num_rows > 100
    assert once.fragments > 200


@pytest.mark.parametrize("step", [5_000, 100_000])
def test_windows_of_any_size_and_gzip_give_the_same(written, step):
    text = capture(7, 3000)
    plain = whole(written("a.txt", text), start_time=GIVEN)
    packed = written("a.txt.gz", text)
    assert same(whole(packed, start_time=GIVEN), plain)
    source = open_source(packed, start_time=GIVEN)
    small = windows(source.place, 0, 2**62, step, AROUND, AROUND)
    assert same(together(decode_window(w, source.source, source.options.clock) for w in small), plain)


def test_each_sentence_is_counted_once(written):
    first, second = parts(b"3")
    lines = [
        sentence(b"13HOI:0P0000VOHLCnHQKwvL05Ip"),
        first,
        second,
        first,
        b"!AIVDM,1,1,,B,,0*25",
        b"rubbish",
        b"",
        b"# no",
    ]
    got = whole(written("a.txt", b"\n".join(lines)), start_time=GIVEN)
    assert (got.sentences, got.messages, got.fragments) == (6, 2, 2)
    assert Counter(got.rejects["reason"].to_pylist()) == {"fragment_missing": 1, "empty": 1, "malformed": 1}
    assert got.static_reports["more_refs"].to_pylist() == [
        [{"offset": len(lines[0] + first) + 2, "length": len(second)}]
    ]


def test_a_multipart_message_has_the_time_and_station_of_its_tag_group(written):
    first, second = parts(b"3")
    lines = [tagged(first, 1_600_000_000, b"S1", b"1-2-77"), tagged(first, 1_600_000_000, b"S2", b"1-2-78"),
             tagged(second, None, b"", b"2-2-77"), tagged(second, None, b"", b"2-2-78")]  # fmt: skip
    got = whole(written("a.txt", b"\n".join(lines)))
    assert (got.messages, got.fragments, got.static_reports.num_rows) == (2, 4, 2)
    assert {t.timestamp() for t in got.static_reports["time"].to_pylist()} == {1_600_000_000}


def test_what_tells_no_time_and_has_none_near_is_a_reject(written):
    plain = sentence(b"13HOI:0P0000VOHLCnHQKwvL05Ip")
    got = whole(written("a.txt", plain + b"\n" + tagged(plain, 1_600_000_000)))
    assert got.rejects["reason"].to_pylist() == ["no_time"]
    assert got.fixes["time"].to_pylist() == [datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)]


def test_an_untimed_capture_asks_for_its_time_and_takes_it(written):
    path = written("a.txt", sentence(b"13HOI:0P0000VOHLCnHQKwvL05Ip"))
    with pytest.raises(SourceError, match=r"a\.txt.*`start_time`"):
        open_source(path)
    assert whole(path, start_time=GIVEN).fixes["time"].to_pylist() == [GIVEN]
    assert "given" in open_source(path, start_time=GIVEN).clock
    with pytest.raises(SourceError, match="zone"):
        open_source(path, start_time=GIVEN.replace(tzinfo=None))


@pytest.mark.real
@pytest.mark.skipif(not REAL, reason="STSWATCH_REAL_DATA names no folder")
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_the_account_of_every_capture_adds_up(path):
    got = whole(path, start_time=GIVEN)
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    refs = zip(got.rejects["offset"].to_pylist(), got.rejects["length"].to_pylist(), strict=True)
    without = [text[o : o + n] for o, n in refs if not re.search(rb"!..VD[MO],", text[o : o + n])]
    lines = [line for line in text.splitlines() if not line.startswith(b"#")]
    assert got.sentences == sum(len(re.findall(rb"!..VD[MO],", line)) for line in lines) + len(without) > 0
    single = got.sentences - got.fragments - got.rejects.num_rows
    several = got.messages - single
    assert 2 * several <= got.fragments <= 9 * several
    assert set(got.rejects["reason"].to_pylist()) <= set(REASONS)
    for rows in (got.fixes, got.static_reports, got.rejects):
        rows.validate(full=True)


@pytest.mark.real
@pytest.mark.skipif(not REAL, reason="STSWATCH_REAL_DATA names no folder")
def test_the_aishub_capture_is_decoded():
    path = Path(REAL, "nmea", "aishub_nmea-sample.txt.gz")
    got = whole(path)
    assert got.messages >= 82_700
    assert got.sentences == 85_194
    times = got.fixes["time"].to_pylist()
    assert (
        datetime(2012, 3, 14, 11, 30, tzinfo=UTC) < min(times) < max(times) < datetime(2012, 3, 14, 11, 35, tzinfo=UTC)
    )
    assert "stations agree" in open_source(path).clock
