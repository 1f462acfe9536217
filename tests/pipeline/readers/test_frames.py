"""Owns: of a packed segment nothing that is damaged is read, all the rest is, and every line keeps its place."""

from __future__ import annotations

import io
import random
import re
import zlib
from itertools import pairwise

import pyarrow as pa
import pytest

from stswatch.pipeline.readers import arrival_index, frames
from stswatch.pipeline.readers.arrival_index import Header, IndexEntry, entry_line, header_line
from stswatch.pipeline.readers.packing import damage, opened
from stswatch.pipeline.readers.source import SourceError, SourcePlace
from tests.pipeline.damage import flip

HEADER = Header("busan", "satellite", begun=((7, b"!a line\n"),))
HEAD = b"# a line\n"
TEXT = HEAD + b"".join(b"!AIVDM,1,1,,A,%07d,0*00\n" % k for k in range(20_000))


def segment(tmp_path, text=TEXT):
    path = tmp_path / "20250310T000000.000Z.nmea.zst"
    with path.open("wb") as out:
        index = header_line(HEADER) + entry_line(IndexEntry(0, len(text), zlib.crc32(text), ((0, 5), (len(text), 9))))
        frames.pack(io.BytesIO(text), len(text), out, index)
    return path


def read(path):
    with opened(SourcePlace(str(path))) as file:
        return file.read()


@pytest.mark.parametrize("text", [TEXT, HEAD, b"", b"x\n" * 70_000, HEAD + b"y" * 100_000 + b"\n"])
def test_what_was_packed_is_what_is_read_by_any_zstd(tmp_path, text):
    path = segment(tmp_path, text)
    assert read(path) == text
    assert pa.CompressedInputStream(pa.OSFile(str(path)), "zstd").read() == text
    assert damage(str(path)) == []


def test_a_flipped_bit_costs_one_named_stretch_at_most(tmp_path):
    path = segment(tmp_path)
    good, rng, named = path.read_bytes(), random.Random(1), 0
    for _ in range(300):
        flip(path, rng)
        found, printed = read(path), damage(str(path))
        assert len(found) == len(TEXT)
        if found != TEXT:
            named += 1
            ((begin, end),) = [
                [int(n.replace(",", "")) for n in re.findall(r"[\d,]+\d|\d", s.split(": ", 1)[1])] for s in printed
            ]
            assert found[:begin] == TEXT[:begin]
            assert found[end:] == TEXT[end:]
            assert not found[begin:end].strip()
            assert end - begin < len(TEXT) / 25
        assert frames.header_of(str(path)) == HEADER
        arrivals = frames.arrivals_of(str(path))
        assert arrivals is not None
        assert arrivals.pairs() == [(-8, 7), (0, 5), (len(TEXT), 9)]
        path.write_bytes(good)
    assert named > 200


def test_of_a_segment_that_was_cut_off_what_is_whole_is_read(tmp_path):
    path = segment(tmp_path)
    good = path.read_bytes()
    for size in (len(good) // 2, len(good) - 1, len(good) - 500, 400):
        path.write_bytes(good[:size])
        found = read(path)
        assert TEXT.startswith(found)
        assert len(found) >= len(TEXT) * (size / len(good) - 0.1) - 20_000
        assert found == TEXT or "it was cut off" in damage(str(path))[0]


def test_zstd_of_others_that_is_damaged_is_refused_as_before(tmp_path):
    path = tmp_path / "a.nmea.zst"
    path.write_bytes(pa.compress(TEXT, "zstd", asbytes=True)[:-300])
    assert damage(str(path)) == []
    with pytest.raises(SourceError, match="breaks off or is damaged"):
        read(path)


def test_what_is_lost_of_a_segment_is_told_by_the_chunk_that_holds_it(tmp_path):
    """Chunk by chunk the same spans as of the whole, and none by a chunk that is sound."""
    path = tmp_path / "20250310T000000.000Z.nmea"
    edges = [0, len(HEAD), *range(len(HEAD) + 2_500, len(TEXT), 2_500), len(TEXT)]
    entries = [
        IndexEntry(begin, end, zlib.crc32(TEXT[begin:end]), ((begin, 1_000_000 * k),))
        for k, (begin, end) in enumerate(pairwise(edges))
    ]
    with open(arrival_index.beside(str(path)), "wb") as out:
        out.write(header_line(HEADER) + b"".join(map(entry_line, entries)))
    text = bytearray(TEXT)
    for at in (3_000, 100_000, 100_010, len(TEXT) - 5):
        text[at] ^= 1
    path.write_bytes(text)
    whole = frames.lost_spans(str(path), 0, len(TEXT))
    cuts = [0, 60_000, 140_000, len(TEXT)]
    parts = [frames.lost_spans(str(path), a, b) for a, b in pairwise(cuts)]
    assert [len(set(part)) for part in parts] == [1, 1, 1]
    assert {span for part in parts for span in part} == set(whole)
    assert frames.lost_spans(str(path), 30_000, 60_000) == []
