"""Owns: a disk that does not take what comes is told in one sentence, holds the source back, and costs nothing."""

from __future__ import annotations

import base64
import errno
import os
import resource
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import pytest

from stswatch.pipeline.spool.closing import Keep, forget
from stswatch.pipeline.spool.segments import closed, segment_of, segments
from stswatch.pipeline.spool.writer import HeldBack, Limits
from tests.pipeline.flow.commands import ROOM
from tests.pipeline.sources.listen import in_pieces, wait
from tests.pipeline.spool.spools import NOON_US, ByHand, bare, collected, everything, received, spool
from tests.pipeline.spool.test_supervisor import Watch


@cache
def ten_megabytes():
    return collected(range(1_700_000_000, 1_700_150_000))


class Pouring:
    """A server that pours a text out as fast as it is taken, once it is let."""

    def __init__(self, text: bytes, let: bool = True) -> None:
        self.sent, self.let = 0, threading.Event()
        if let:
            self.let.set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"busan=tcp://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._pour, args=(text,), daemon=True).start()

    def _pour(self, text: bytes) -> None:
        self.connection, _ = self._listening.accept()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)  # the kernel holds megabytes as it is
        self.let.wait()
        with suppress(OSError):  # the watch stopped
            for piece in in_pieces(text, 10_000):
                self.connection.sendall(piece)
                self.sent += len(piece)


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A disk with room for ten megabytes, though none were packed yet, seen from outside the room of its mount."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = f"mount -t tmpfs -o size=16m tmpfs {place} && echo ready && cat"
    with subprocess.Popen([*ROOM, "sh", "-c", mount], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as room:
        assert room.stdin is not None
        assert room.stdout is not None
        if room.stdout.readline() != b"ready\n":
            pytest.skip("no file system may be mounted here: unshare --mount is refused")
        yield Path(f"/proc/{room.pid}/root") / place.relative_to("/")
        room.stdin.close()


def held_back(watch: Watch, pouring: Pouring, *words: str) -> None:
    """The source waits, it is said once, and what was acknowledged lies there."""
    wait(lambda: watch.supervisor.state()["busan"].trouble != "")
    spooled = watch.supervisor.spools["busan"]
    taken, acknowledged = spooled.counts().bytes, spooled.acknowledged
    threading.Event().wait(0.6)
    assert spooled.counts().bytes <= taken + (2 << 20)
    assert pouring.sent < len(ten_megabytes()), "the rest waits on the other side"
    assert spooled.acknowledged == acknowledged
    assert ten_megabytes().startswith(received(spooled.folder, until=spooled.acknowledged))
    assert len(watch.printed) == 1
    for word in (str(spooled.folder), *words, "until then the source is held back"):
        assert word in watch.printed[0]
    assert watch.supervisor.state()["busan"].trouble == watch.printed[0]


def goes_on(watch: Watch) -> None:
    watch.until("busan", lambda text: len(text) == len(ten_megabytes()))
    assert received(watch.folder("busan")) == ten_megabytes()
    wait(lambda: len(watch.printed) % 2 == 0)
    assert watch.printed[1] == f"{watch.folder('busan')}: is written again; nothing that was acknowledged is lost"
    assert watch.supervisor.state()["busan"].trouble == ""


def test_no_file_may_grow(tmp_path):
    pouring = Pouring(ten_megabytes())
    with Watch(tmp_path / "data", pouring.address) as watch:
        with no_file_above(1_000_003):
            held_back(watch, pouring, "File too large", "ulimit -f")
        goes_on(watch)


def fill(disk: Path, left: int) -> Path:
    """Fill a disk but for some bytes; gives the file that does it."""
    free, filler = os.statvfs(disk), disk / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - left)
    return filler


SMALL = Limits(sync_s=0.05, segment_bytes=1 << 20, spare_bytes=1 << 20)


def test_a_full_disk(tmp_path, disk):
    filler = fill(disk, 800_000)  # less is left than a segment
    pouring = Pouring(ten_megabytes())
    with Watch(disk / "data", pouring.address, limits=SMALL, hurry=20.0) as watch:
        held_back(
            watch,
            pouring,
            "the disk is full (1 MB are free, 2 MB are kept to pack and finalize what came)",
            "make room",
        )
        filler.unlink()
        goes_on(watch)
    assert len(segments(watch.folder("busan"))) >= 5


def test_however_little_room_there_is_what_is_closed_is_packed_and_may_go(tmp_path, disk):
    """More than the disk holds passes through it, though none of it can be made smaller: nobody has to help."""
    fill(disk, 12 << 20)
    limits = replace(SMALL, segment_bytes=2 << 20, spare_bytes=2 << 20)  # a source gives up to 1 MiB at once
    rubbish = b"".join(base64.b64encode(Random(k).randbytes(45)) + b"\n" for k in range(400_000))  # 24 MB
    pouring, went, held = Pouring(rubbish), 0, 0
    with Watch(disk / "data", pouring.address, limits=limits, hurry=20.0) as watch:
        spooled = watch.supervisor.spools["busan"]

        def all_came() -> bool:
            nonlocal went, held
            assert spooled.packing_error is None
            held += spooled.held
            if spooled.held:
                names = {segment_of(path) for path in segments(spooled.folder)}
                went += len(forget(spooled.folder, names, Keep(bytes=1), NOON_US, 1 << 60))
            return spooled.counts().bytes == len(rubbish) and not spooled.held

        wait(all_came, 30.0)
    assert held >= 1
    assert went >= 5


def test_while_it_leaves_room_a_segment_can_be_closed(disk):
    """Else no hour could be finalized, and nothing would ever go."""
    spooled = spool(disk / "data", sync_s=0.0, segment_bytes=1 << 20, spare_bytes=1 << 20)
    spooled.append(bare(100))
    filler = fill(disk, 1_900_000)
    with pytest.raises(HeldBack):
        spooled.append(bare(10))
    name = spooled.rotate()
    assert spooled.held
    wait(lambda: [segment_of(path) for path in closed(spooled.folder)] == [name])
    assert received(spooled.folder) == bare(100)
    filler.unlink()
    spooled.tick()
    assert not spooled.held
    spooled.close()
    assert received(spooled.folder) == bare(110)


def test_a_disk_without_any_room_is_full_too(tmp_path, disk):
    """Another program took what was left: what is not on the disk is kept, and told the same way."""
    pouring = Pouring(ten_megabytes())
    limits = Limits(sync_s=0.05, segment_bytes=1 << 20, spare_bytes=-(1 << 20))  # nothing is left free
    filler = fill(disk, 800_000)
    with Watch(disk / "data", pouring.address, limits=limits, hurry=20.0) as watch:
        held_back(watch, pouring, "the disk is full (No space left on device)", "make room")
        filler.unlink()
        goes_on(watch)


def test_what_cannot_be_packed_is_said_once_and_piles_up_without_open_files(tmp_path):
    pouring = Pouring(ten_megabytes(), let=False)
    limits = Limits(sync_s=0.05, segment_bytes=100_000)
    with Watch(tmp_path / "data", pouring.address, limits=limits, hurry=20.0) as watch:
        wait(lambda: bool(segments(watch.folder("busan"))))
        first = segments(watch.folder("busan"))[0]
        first.with_name(f"{first.name}.zst.part").mkdir()  # where it is to be packed nothing can be written
        before = len(os.listdir("/proc/self/fd"))
        pouring.let.set()
        watch.until("busan", lambda text: len(text) == len(ten_megabytes()))
        assert len(segments(watch.folder("busan"))) > 8
        assert len(os.listdir("/proc/self/fd")) <= before + 3
        wait(lambda: bool(watch.printed))
        (printed,) = watch.printed
        assert "until then no segment is packed, and no hour finalized" in printed
        assert watch.supervisor.state()["busan"].trouble == printed
        first.with_name(f"{first.name}.zst.part").rmdir()
        wait(lambda: len(closed(watch.folder("busan"))) > 8, 30.0)
        wait(lambda: len(watch.printed) == 2)
        assert watch.printed[1] == f"{watch.folder('busan')}: its segments are packed again"
        assert watch.supervisor.state()["busan"].trouble == ""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that users without rights can reach, and such a user."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        os.seteuid(was)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o777)
        shutil.rmtree(folder)


def test_a_folder_that_one_may_not_write(open_folder):
    """What is open is written on; the next segment is held back."""
    pouring = Pouring(ten_megabytes(), let=False)
    limits = Limits(sync_s=0.05, segment_bytes=1 << 20)
    with Watch(open_folder / "data", pouring.address, limits=limits) as watch:
        wait(lambda: bool(segments(watch.folder("busan"))))
        watch.folder("busan").chmod(0o555)
        pouring.let.set()
        held_back(watch, pouring, "may not be written", "Permission denied")
        watch.folder("busan").chmod(0o755)
        goes_on(watch)


def test_a_data_folder_that_is_gone_for_a_while(tmp_path):
    data, away = tmp_path / "data", tmp_path / "away"
    spooled = spool(data, sync_s=0.0)
    spooled.append(bare(10))
    data.rename(away)
    with pytest.raises(HeldBack) as raised_:
        spooled.append(bare(1))
    assert raised_.value.errno == errno.ENOENT
    assert spooled.held
    assert not data.exists()
    away.rename(data)
    spooled.tick()
    assert not spooled.held
    spooled.close()
    assert received(spooled.folder) == bare(11)


def test_a_spool_that_somebody_removes_is_written_anew(tmp_path):
    """Of the segment that is open nothing is lost, and positions in it hold."""
    pouring = Pouring(bare(100))
    with Watch(tmp_path / "data", pouring.address) as watch:
        watch.until("busan", lambda text: text == bare(100))
        before = watch.supervisor.acknowledged()["busan"]
        whole = everything(watch.folder("busan"), until=before)
        shutil.rmtree(tmp_path / "data" / "spool")
        pouring.connection.sendall(bare(1))
        watch.until("busan", lambda text: text == bare(101))
        assert everything(watch.folder("busan"), until=before) == whole
        wait(lambda: bool(watch.printed))
    assert watch.printed == [f"{watch.folder('busan')}: the open segment had been removed and is written anew"]


def test_a_disk_that_fails_to_confirm_is_written_again(tmp_path):
    """After a failed fsync the system may have thrown away what it held."""
    clock = ByHand()
    spooled = spool(tmp_path, clock)
    spooled.append(bare(10))
    clock.pass_s(1.0)
    spooled.tick()
    handle, full = spooled._open.handle, os.open("/dev/full", os.O_RDWR)
    spooled._open.handle = full
    with pytest.raises(HeldBack):
        spooled.append(bare(5))
    with open(segments(spooled.folder)[0], "r+b") as file:  # what the disk made of it
        file.truncate(spooled.acknowledged.offset)
        file.seek(0, os.SEEK_END)
        file.write(b"\0" * 100)
    spooled._open.handle = handle
    os.close(full)
    spooled.tick()
    assert received(spooled.folder, until=spooled.acknowledged) == bare(15), "what was held is confirmed at once"
    spooled.close()
    assert received(spooled.folder) == bare(15)
