"""Owns: what is appended lies in the segments, once, in order, with its arrival; a spool is an archive."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stswatch.pipeline.readers.formats import open_source
from stswatch.pipeline.sources.address import Checkpoint, Format, Note
from stswatch.pipeline.spool.clock import RecordedClock
from stswatch.pipeline.spool.segments import (
    OldSpoolError,
    Position,
    arrivals_of,
    closed,
    header_of,
    segment_of,
    segments,
    sources_of,
    time_of,
)
from stswatch.pipeline.spool.tail import Tail
from stswatch.pipeline.spool.writer import Spool
from tests.pipeline.decode.captures import capture, parts, tagged
from tests.pipeline.spool.spools import (
    NOON_US,
    ByHand,
    bare,
    collected,
    decoded,
    decoded_spool,
    everything,
    received,
    spool,
    times_s,
)

MESSAGE = {
    "MessageType": "PositionReport",
    "MetaData": {"MMSI": 431000001, "time_utc": "2025-03-10 12:00:00.1 +0000 UTC"},
    "Message": {"PositionReport": {"MessageID": 1, "UserID": 431000001, "Latitude": 38.5, "Longitude": 124.9}},
}
REPEATED = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
CALLS = st.lists(st.one_of(st.integers(0, 30_000), st.sampled_from(["tick", "rotate", "second", "again"])), max_size=25)


@REPEATED
@given(calls=CALLS, seed=st.integers(0, 1000))
def test_what_comes_is_what_lies_there(tmp_path_factory, calls, seed):
    """In pieces of any size, with closing, time and new starts between; messages of one sentence."""
    text = collected(range(1_700_000_000 + seed, 1_700_000_000 + seed + 1500))
    data, clock, given_ = tmp_path_factory.mktemp("spool"), ByHand(), 0
    spooled = spool(data, clock)
    for call in calls:
        if call == "tick":
            spooled.tick()
        elif call == "rotate":
            spooled.rotate()
        elif call == "second":
            clock.pass_s(1.0)
        elif call == "again":
            given_ = text.rfind(b"\n", 0, given_ + 1) + 1  # a source begins a line anew that lacks more than its end
            spooled.close()
            spooled = spool(data, clock)
        else:
            spooled.append(text[given_ : given_ + call])
            given_ = min(given_ + call, len(text))
        acknowledged = received(spooled.folder, until=spooled.acknowledged)
        assert text.startswith(without_halves(acknowledged, text))
    spooled.append(text[given_:])
    spooled.close()
    assert without_halves(received(spooled.folder), text) == text
    names = [segment_of(path) for path in segments(spooled.folder)]
    assert names == sorted(set(names))


def without_halves(found: bytes, text: bytes) -> bytes:
    """Without lines that a new start left half."""
    whole = set(text.splitlines())
    return b"".join(line + b"\n" for line in found.splitlines() if line in whole)


def test_what_was_not_synced_is_not_acknowledged(tmp_path):
    clock = ByHand()
    spooled = spool(tmp_path, clock)
    spooled.append(bare(3) + b"!AIVDM,half")
    assert spooled.acknowledged == Position()
    assert everything(spooled.folder, until=spooled.acknowledged) == b""
    clock.pass_s(0.4)
    spooled.append(bare(1))
    assert spooled.acknowledged == Position()
    clock.pass_s(0.1)
    spooled.tick()
    assert spooled.acknowledged.segment == segment_of(segments(spooled.folder)[0])
    assert received(spooled.folder, until=spooled.acknowledged).count(b"\n") == 4
    assert spooled.acknowledged.offset == os.path.getsize(segments(spooled.folder)[0])


def test_much_at_once_does_not_wait_in_memory(tmp_path):
    spooled = spool(tmp_path, sync_bytes=100_000)
    for _ in range(40):
        spooled.append(bare(200))
        assert spooled.counts().bytes - spooled.acknowledged.offset < 100_000 + len(bare(200))
    assert spooled.acknowledged.offset > 0


def test_how_it_is_doing_can_be_asked_while_the_disk_hangs(tmp_path):
    spooled = spool(tmp_path)
    spooled.append(bare(2))
    with spooled._lock, ThreadPoolExecutor(1) as other:  # as while fsync takes its time
        assert other.submit(spooled.counts).result(20).lines == 2
        assert other.submit(lambda: spooled.acknowledged).result(20) == Position()


def test_silence_advances_time(tmp_path):
    clock = ByHand()
    spooled = spool(tmp_path, clock)
    for _ in range(24):
        spooled.tick()
        clock.pass_s(1.0)
    spooled.close()
    (piece,) = Tail(spooled.folder).all()
    assert ((piece.arrivals.time_us - NOON_US) / 1e6).tolist() == [20], "of one silence the last arrival counts"
    assert arrivals_of(segments(spooled.folder)[0]).time_us.tolist()[-5:] == [
        NOON_US + s * 1_000_000 for s in range(0, 21, 5)
    ]
    assert received(spooled.folder) == b""
    assert spooled.counts().last_line_us == 0


def test_a_source_that_speaks_needs_no_heartbeat(tmp_path):
    clock = ByHand()
    spooled = spool(tmp_path, clock)
    for _ in range(20):
        spooled.append(bare(1))
        clock.pass_s(1.0)
        spooled.tick()
    spooled.close()
    (piece,) = Tail(spooled.folder).all()
    assert len(piece.arrivals.time_us) == 20


def test_another_hour_another_segment(tmp_path):
    clock = ByHand(us=NOON_US + 3_599_000_000)
    spooled = spool(tmp_path, clock)
    for _ in range(3):
        spooled.append(bare(1))
        clock.pass_s(1.0)
    clock.pass_s(3600.0)
    spooled.tick()  # in silence too
    spooled.close()
    found = [time_of(segment_of(path)) - NOON_US for path in segments(spooled.folder)]
    assert [us / 1e6 for us in found] == [3599, 3600, 7202]
    assert [received(spooled.folder).count(b"\n")] == [3]


def test_a_full_segment_is_closed(tmp_path):
    spooled = spool(tmp_path, segment_bytes=len(bare(200)))
    for _ in range(10):
        spooled.append(bare(100))
    spooled.close()
    assert len(spooled.closed()) == 5
    assert received(spooled.folder) == bare(1000)


def test_closed_segments_are_packed_soon_and_hold_what_they_held(tmp_path):
    spooled = spool(tmp_path)
    before = collected(range(1_700_000_000, 1_700_000_500))
    spooled.append(before)
    name = spooled.rotate()
    assert everything(spooled.folder) == before
    spooled.append(bare(1))
    spooled._packer.finish()
    (path,) = spooled.closed()
    assert (segment_of(path), path.suffix) == (name, ".zst")
    assert path.stat().st_size < len(before) / 3
    assert everything(spooled.folder, until=Position(name, 2**62)) == before
    assert len(segments(spooled.folder)) == 2
    assert spooled.rotate() is not None
    assert spooled.rotate() is None


def test_a_new_start_goes_on_in_a_new_segment(tmp_path):
    clock = ByHand()
    first = spool(tmp_path, clock)
    first.append(bare(2) + b"!AIVDM,ha")
    first.close()
    clock.floors.clear()
    second = spool(tmp_path, clock)
    assert second.acknowledged == first.acknowledged
    assert clock.floors[-1] == NOON_US
    second.append(bare(1))
    second.close()
    names = [segment_of(path) for path in closed(second.folder)]
    assert [time_of(name) for name in names] == [NOON_US, NOON_US + 1000]
    second.append(bare(1))
    assert received(second.folder) == bare(2) + b"!AIVDM,ha\n" + bare(1), "what comes after the end is not taken"


@REPEATED
@given(seed=st.integers(0, 1000), cuts=st.lists(st.integers(0, 200), min_size=1, max_size=8))
def test_a_message_of_several_sentences_is_whole_in_one_segment(tmp_path_factory, seed, cuts):
    """Interleaved over stations, of which several use the same number, and closed anywhere between."""
    lines, waiting = [], []
    for at in range(60):
        first, second = parts(b"%d" % ((seed + at) % 3))
        station = b"S%d" % (at % 5)
        waiting.append(tagged(second, None, station))
        lines.append(tagged(first, 1_700_000_000 + at, station))
        if at >= 2 + seed % 4:
            lines.append(waiting.pop(0))
    lines += waiting
    folder = tmp_path_factory.mktemp("spool")
    whole = folder / "whole.nmea"
    whole.write_bytes(b"".join(line + b"\n" for line in lines))
    spooled = spool(folder, ByHand())
    for a, b in pairwise([0, *sorted(min(cut, len(lines)) for cut in cuts), len(lines)]):
        spooled.append(b"".join(line + b"\n" for line in lines[a:b]))
        spooled.rotate()
    spooled.close()
    once, cut = decoded(whole), decoded_spool(spooled.folder)
    assert set(times_s(cut.static_reports)) == set(times_s(once.static_reports))
    assert once.static_reports.num_rows >= 20
    assert cut.static_reports.num_rows == once.static_reports.num_rows, "what is complete is not repeated"


def test_what_is_repeated_keeps_its_arrival(tmp_path):
    clock = ByHand()
    spooled = spool(tmp_path, clock)
    first, second = parts(b"7")
    spooled.append(first + b"\n")
    clock.pass_s(2.0)
    spooled.append(bare(1))
    spooled.rotate()
    clock.pass_s(2.0)
    spooled.append(second + b"\n" + bare(1))
    spooled.close()
    found = decoded_spool(spooled.folder)
    assert times_s(found.static_reports) == [NOON_US / 1e6]
    assert times_s(found.fixes) == [NOON_US / 1e6 + 2, NOON_US / 1e6 + 4]


@pytest.mark.parametrize("seed", range(3))
def test_a_spool_is_an_archive(tmp_path, seed):
    """What a capture of everything, rubbish too, gives when read as it is, it gives out of its spool."""
    text = capture(seed, 1500).rstrip(b"\n") + b"\n"
    (tmp_path / "whole.nmea").write_bytes(text)
    spooled = Spool(tmp_path / "spool", "busan", "nmea", ByHand())
    for at in range(0, len(text), 7001):
        spooled.append(text[at : at + 7001])
    spooled.close()
    start = datetime.fromtimestamp(NOON_US / 1e6, UTC)
    once = decoded(tmp_path / "whole.nmea", start_time=start)
    out = decoded_spool(spooled.folder)
    assert (out.sentences, out.messages, out.fragments) == (once.sentences, once.messages, once.fragments)
    assert out.rejects.num_rows == once.rejects.num_rows > 50
    assert out.fixes.num_rows == once.fixes.num_rows > 300


def test_a_segment_is_what_was_received_byte_for_byte(tmp_path):
    """To any zstd, too; what the source gave beside it, and when all came, stands in the index."""
    clock = ByHand()
    spooled = spool(tmp_path, clock, sync_s=0.0)
    came = [collected(range(1_700_000_000 + 100 * k, 1_700_000_000 + 100 * k + 7)) for k in range(50)]
    for text in came:
        spooled.append(text)
        clock.pass_s(0.2)
        spooled.remark(Note.of(b"12 %d" % len(text)))
    (plain,) = segments(spooled.folder)
    assert plain.read_bytes() == b"".join(came)
    spooled.close()
    (packed,) = segments(spooled.folder)
    assert pa.CompressedInputStream(pa.OSFile(str(packed)), "zstd").read() == b"".join(came)
    starts = np.cumsum([0, *map(len, came)])[:-1]
    assert arrivals_of(packed).at(starts).tolist() == [NOON_US + 200_000 * k for k in range(50)]
    again = spool(tmp_path, clock)
    assert again.note == b"# stswatch note 12 %d" % len(came[-1])
    again.append(bare(1))
    again.close()
    assert spool(tmp_path, clock).note == again.note, "it is carried into the next segment"


def test_a_spool_of_another_version_is_refused(tmp_path):
    heads: dict[Format, bytes] = {
        "nmea": b'# stswatch {"spool": 1}\n',
        "json": b'{"arrival":"2025-11-25T12:00:00.007Z"}\n',
    }
    for name, head in heads.items():
        folder = tmp_path / name / "spool" / "busan"
        folder.mkdir(parents=True)
        (folder / f"20251125T120000.000Z.{name}").write_bytes(head + bare(3))
        with pytest.raises(OldSpoolError, match=r"older version.* move it away.*`stswatch run`"):
            spool(tmp_path / name, form=name)
        (folder / f"20251125T120000.000Z.{name}").rename(tmp_path / f"a.{name}")
        (folder / f"20251125T120000.000Z.{name}.zst").write_bytes(pa.compress(head + bare(3), "zstd", asbytes=True))
        with pytest.raises(OldSpoolError):
            sources_of(tmp_path / name / "spool")


def test_a_replay_closes_at_the_hours_that_the_recording_tells(tmp_path):
    spooled = Spool(tmp_path / "spool", "busan", "nmea", RecordedClock())
    text = collected(range(1_700_000_000, 1_700_010_000, 10))
    spooled.append(text)
    spooled.close()
    found = [segment_of(path) for path in segments(spooled.folder)]
    assert found == ["20231114T221320.000Z", "20231114T230000.000Z", "20231115T000000.000Z"]
    assert received(spooled.folder) == text


def test_a_spool_of_json_is_an_archive_too(tmp_path):
    """And so is one in which nothing came."""
    clock = ByHand()
    spooled = spool(tmp_path, clock, "json")
    spooled.tick()
    clock.pass_s(6.0)
    spooled.tick()
    spooled.rotate()
    lines = [json.dumps(MESSAGE | {"n": number}).encode() + b"\n" for number in range(300)]
    for line in lines:
        spooled.append(line)
        clock.pass_s(0.01)
    spooled.append(b'{"not": "a message"}\n' + b"[" * 100_000 + b"\n")
    spooled.close()
    silent, fields_read = segments(spooled.folder)
    (piece,) = Tail(spooled.folder, Position(segment_of(fields_read))).all()
    assert piece.format == "json"
    assert len(piece.arrivals.time_us) >= 301
    assert [open_source(path).format for path in (silent, fields_read)] == ["aisstream"] * 2
    found = [decoded(path, form="aisstream") for path in (silent, fields_read)]
    assert (found[0].sentences, found[0].rejects.num_rows) == (0, 0)
    assert (found[1].messages, found[1].fixes.num_rows, found[1].rejects.num_rows) == (300, 300, 2)
    assert received(spooled.folder).startswith(b"".join(lines))


def test_a_folder_says_what_spools_are_in_it(tmp_path):
    clock = ByHand()
    forms: dict[str, Format] = {"west": "nmea", "east": "json"}
    for name, form in forms.items():
        spooled = Spool(tmp_path / "spool", name, form, clock, receiver="satellite", licence="our own, 2026")
        spooled.append(b"a line\n")
        spooled.close()
    Spool(tmp_path / "spool", "silent", "nmea", clock)
    found = sources_of(tmp_path / "spool")
    assert [(each.name, each.format, each.receiver, each.licence) for each in found] == [
        ("east", "json", "satellite", "our own, 2026"),
        ("west", "nmea", "satellite", "our own, 2026"),
    ]
    header = header_of(segments(found[0].folder)[0])
    assert header is not None
    assert header.source == "east"
    assert sources_of(Path("nowhere")) == []


def test_synced_all_whole_lines_are_acknowledged_at_once_whatever_the_limits(tmp_path):
    clock = ByHand()
    spooled = spool(tmp_path, clock)
    spooled.append(collected(range(1_700_000_000, 1_700_000_010)))
    before = spooled.acknowledged
    spooled.remark(Checkpoint.of(b"kafka ais 0:10"))
    spooled.sync()
    assert spooled.acknowledged.offset > before.offset
    assert spooled.acknowledged.offset == len(collected(range(1_700_000_000, 1_700_000_010)))
    spooled.close()
    assert spool(tmp_path, clock).note == b"# stswatch note kafka ais 0:10"
