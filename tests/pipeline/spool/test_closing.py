"""Owns: a segment is there under one name or the other, whole; only what is in the lake and too much is removed."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import pytest

from stswatch.pipeline.readers.arrival_index import beside
from stswatch.pipeline.spool.closing import Keep, Packer, forget, pack, recover
from stswatch.pipeline.spool.segments import Position, closed, segment_of, segments
from tests.pipeline.spool.spools import NOON_US, ByHand, bare, everything, spool

HOUR_S = 3600.0
ALL = 1 << 60  # no start needs any of it


def hours(tmp_path, count):
    """A closed spool with a segment an hour; gives its folder, their names, and the time."""
    clock = ByHand()
    spooled = spool(tmp_path, clock)
    for _ in range(count):
        spooled.append(bare(1000))
        clock.pass_s(HOUR_S)
    spooled.close()
    return spooled.folder, [segment_of(path) for path in segments(spooled.folder)], clock.us


@pytest.mark.parametrize("killed", ["before the name", "after the name"])
def test_a_kill_while_packing_costs_nothing(tmp_path, killed):
    spooled = spool(tmp_path)
    spooled.append(bare(100))
    spooled.tick()
    spooled._sync()
    path, whole = segments(spooled.folder)[0], everything(spooled.folder)
    held = path.read_bytes(), Path(beside(str(path))).read_bytes()
    packed, _ = pack(path)
    if killed == "before the name":
        packed.rename(packed.with_name(packed.name + ".part"))
    path.write_bytes(held[0])
    Path(beside(str(path))).write_bytes(held[1])
    assert everything(spooled.folder) == whole
    recover(spooled.folder)
    assert len(os.listdir(spooled.folder)) == (2 if killed == "before the name" else 1)
    assert everything(spooled.folder) == whole
    assert bool(closed(spooled.folder)) == (killed == "after the name")


def test_an_open_segment_is_cut_back_to_its_last_whole_line(tmp_path):
    spooled = spool(tmp_path, sync_s=0.0)
    spooled.append(bare(100))
    path, whole = segments(spooled.folder)[0], everything(spooled.folder)
    for half in (b"x", b"\0" * 3_000_000, b"!AIVDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0*"):
        with path.open("ab") as file:
            file.write(half)
        recover(spooled.folder)
        assert path.read_bytes() == whole
    (spooled.folder / "20251125T130000.000Z.nmea").write_bytes(b"half a line")
    recover(spooled.folder)
    assert segments(spooled.folder) == [path]


def test_what_is_not_in_the_lake_is_never_removed(tmp_path):
    folder, names, now_us = hours(tmp_path, 5)
    keep = Keep(bytes=1, age_us=1)
    assert forget(folder, set(), keep, now_us, ALL) == []
    assert forget(folder, {names[1], names[2]}, keep, now_us, ALL) == [], "the oldest goes first, or none"
    assert forget(folder, {names[0], names[2]}, keep, now_us, ALL) == names[:1]
    assert forget(folder, set(names), keep, now_us, ALL) == names[1:4]
    assert [segment_of(path) for path in segments(folder)] == names[4:], "the newest stays: a new start goes on from it"


def test_by_age_and_by_size(tmp_path):
    folder, names, now_us = hours(tmp_path, 6)
    assert forget(folder, set(names), Keep(), now_us, ALL) == []
    assert forget(folder, set(names), Keep(age_us=round(4.5 * HOUR_S * 1e6)), now_us, ALL) == names[:1]
    size = segments(folder)[0].stat().st_size
    assert forget(folder, set(names), Keep(bytes=3 * size + size // 2), now_us, ALL) == names[1:3]
    assert forget(folder, set(names), Keep(bytes=10 * size, age_us=round(24 * HOUR_S * 1e6)), now_us, ALL) == []


def test_the_open_segment_counts_but_stays(tmp_path):
    clock = ByHand()
    spooled = spool(tmp_path, clock)
    spooled.append(bare(10))
    spooled.rotate()
    spooled.append(bare(10))
    assert (
        forget(spooled.folder, {segment_of(path) for path in segments(spooled.folder)}, Keep(bytes=1), NOON_US, ALL)
        == []
    )
    assert len(segments(spooled.folder)) == 2


def test_where_there_is_no_room_packing_waits_and_says_why(tmp_path):
    now_s, plain = [0.0], tmp_path / "20251125T120000.000Z.nmea"
    plain.write_bytes(os.urandom(200_000))
    packer = Packer(lambda: now_s[0])
    packer.add(plain)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            packer.finish()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert plain.exists()
    assert closed(tmp_path) == []
    packer.go()
    assert packer._thread is None, "not again at once"
    now_s[0] += 10.0
    packer.go()
    packer.finish()
    assert packer.error is None
    assert os.listdir(tmp_path) == [plain.name + ".zst"]


def test_packing_what_somebody_removed_is_no_error(tmp_path):
    packer = Packer(lambda: 0.0)
    packer.add(tmp_path / "20251125T120000.000Z.nmea")
    packer.finish()
    assert packer.error is None
    assert Position() < Position("20251125T120000.000Z", 0)
