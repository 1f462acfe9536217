"""Owns: what is heard piece after piece is what a reader of archives finds in the whole, however the pieces are cut."""

from __future__ import annotations

import itertools
import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline.batch import concat
from stswatch.pipeline.decode.stamps import Arrivals
from stswatch.pipeline.live.spool_reader import IncrementalDecoder
from stswatch.pipeline.readers import aisstream, nmea
from stswatch.pipeline.readers.arrival_index import Header
from stswatch.pipeline.readers.source import WHOLE
from stswatch.pipeline.readers.text import Window
from tests.pipeline.live.replay import lines

TEXT = lines(0.3)
CAME_US = 1_741_564_805_000_000  # 2025-03-10T00:00:05Z
CAME, HEAD = Arrivals.of([(0, CAME_US)]), Header("roof")


def heard(text: list[bytes], cuts, form="nmea"):
    """The rows of all pieces, sentences and rejects."""
    incremental, base, parts = IncrementalDecoder(form), 0, []
    edges = [0, *sorted({cut % (len(text) + 1) for cut in cuts}), len(text)]
    for begin, end in itertools.pairwise(edges):
        piece = b"".join(text[begin:end])
        parts.append(incremental.hear("segment", base, piece, CAME, HEAD))
        base += len(piece)
    tables = [concat([getattr(p, n) for p in parts], getattr(parts[0], n).schema) for n in ("fixes", "static_reports")]
    return [printed(t) for t in tables], sum(p.sentences for p in parts), sum(sum(p.rejects.values()) for p in parts)


def printed(rows: pa.Table) -> list[str]:
    """Rows without where they stood: in a piece lines of an earlier one are moved up to it."""
    rows = rows.drop_columns(["source", "offset", "length", "more_refs"])
    return sorted(json.dumps(row, default=str) for row in rows.to_pylist())


def whole(text: list[bytes]):
    found = nmea.decode_window(Window(b"".join(text), 0, 0, WHOLE), "0" * 16, None)
    return [printed(found.fixes), printed(found.static_reports)], found.sentences


@pytest.fixture(scope="module")
def whole_text():
    return whole(TEXT)


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 10**6), max_size=40))
def test_no_cut_between_lines_shows(whole_text, cuts):
    rows, sentences = whole_text
    assert len(rows[0]) > 100
    assert len(rows[1]) > 20, "messages of two sentences, which a cut can part"
    assert heard(TEXT, cuts)[:2] == (rows, sentences)


def test_each_line_by_itself():
    text = TEXT[: len(TEXT) // 2]
    rows, sentences = whole(text)
    assert len(rows[0]) > 50
    assert len(rows[1]) > 10, "messages of two sentences, which are parted"
    assert heard(text, range(len(text)))[:2] == (rows, sentences)


def test_what_tells_no_time_takes_its_arrival():
    bare = [line.rpartition(b"\\")[2] for line in TEXT if b",1,1,," in line][:9]
    (fixes, _), sentences, _ = heard(bare, range(10))
    assert sentences == 9
    assert fixes
    assert {json.loads(row)["time"] for row in fixes} == {"2025-03-10 00:00:05+00:00"}


def test_what_is_no_use_is_counted_once_and_what_may_still_be_whole_is_not():
    broken = TEXT[0].rpartition(b"*")[0] + b"*??\n"
    head = next(line for line in TEXT if b"VDM,2,1," in line)
    for cuts in ([], [1], [1, 2]):
        _, sentences, rejects = heard([b"nonsense\n", broken, head], cuts)
        assert sentences == 3
        assert rejects == 2


def test_the_index_of_the_next_segment_holds_what_was_not_complete():
    at = next(k for k, line in enumerate(TEXT) if b"VDM,2,1," in line and b"VDM,2,2," in TEXT[k + 1])
    incremental = IncrementalDecoder("nmea")
    assert incremental.hear("one", 5000, TEXT[at], CAME, HEAD).static_reports.num_rows == 0
    begun = Header("roof", begun=((CAME_US, TEXT[at]),))
    heard = [incremental.hear("two", base, TEXT[at + 1], CAME, begun) for base in (0, len(TEXT[at + 1]))]
    assert [each.static_reports.num_rows for each in heard] == [1, 0]


def test_json_is_heard_as_it_is_read():
    message = {
        "MessageType": "PositionReport",
        "MetaData": {"MMSI": 431000001, "time_utc": "2025-03-10 12:00:00.1 +0000 UTC"},
        "Message": {"PositionReport": {"MessageID": 1, "UserID": 431000001, "Latitude": 38.5, "Longitude": 124.9}},
    }
    text = [json.dumps(message).encode() + b"\n"] * 3
    found = aisstream.decode_lines(b"".join(text), "0" * 16)
    (fixes, _), sentences, _ = heard(text, [1, 2], "json")
    assert (len(fixes), sentences) == (found.fixes.num_rows, 3) == (3, 3)
