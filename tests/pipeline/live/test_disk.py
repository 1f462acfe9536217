"""Owns: a watch that lacks something while it works says so once, loses nothing, and goes on when it is there again.

The command runs as people run it, on a small disk of its own that is mounted where nobody else sees it. What is taken
from it is given back while it runs; in the end it has found what a run over the same lines finds.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from stswatch.pipeline.spool.segments import segments
from stswatch.pipeline.spool.writer import Limits
from tests.pipeline import seas
from tests.pipeline.flow.commands import ROOM, Commands, Done
from tests.pipeline.live.replay import PATIENCE_S, lines, until
from tests.pipeline.live.test_kill import RULES
from tests.pipeline.live.test_law import by_run, events
from tests.pipeline.sources.listen import free_port

pytestmark = pytest.mark.e2e

HOURS = 4
MB = 1 << 20
KEPT_MB = (Limits().segment_bytes + Limits().spare_bytes) // MB
FULL = ("disk/data: the disk is full", "make room", "the watch tries again by itself")
SPARE_MB = 120  # of the disk, beyond what the spool leaves alone


class Feed:
    """Sends lines to whoever connects first, as far as it may and as fast as they are taken."""

    def __init__(self, text: list[bytes]) -> None:
        self.text, self.may = text, 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"rec=tcp://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def let(self, share: float) -> None:
        """Send on, up to this share of all lines."""
        self.may = round(share * len(self.text))

    def _serve(self) -> None:
        peer, _ = self._server.accept()
        sent = 0
        with suppress(OSError):
            while True:
                peer.sendall(b"".join(self.text[sent : self.may]))
                sent = self.may
                time.sleep(0.01)


class Watch:
    """The command, running over a disk of its own, and what is done to that disk."""

    def __init__(self, room: Commands, folder: Path, pool: ThreadPoolExecutor) -> None:
        self._room, self._errors, self._port = room, folder / "err", free_port()
        self.disk, self.data = folder / "disk", folder / "disk" / "data"
        self.seen = room.root / self.data.relative_to("/")  # from outside the room
        self.feed = Feed(lines(HOURS))
        (folder / "rules.toml").write_text(RULES)
        self.how = ("--data", self.data, "--area", "world", "--rules", folder / "rules.toml")
        for place in (self.disk, self.data / "lake", self.data / "snapshots"):  # so that each can be full by itself
            room.shell("mkdir", "-p", place)
            room.shell("mount", "-t", "tmpfs", "-o", f"size={KEPT_MB + SPARE_MB}m", "tmpfs", place)
        words = ("stream", self.feed.address, *self.how, "--interval", "0.5", "--arrival", "recorded")
        self.done: Future[Done] = pool.submit(room, *words, "--health", f"127.0.0.1:{self._port}")

    @property
    def printed(self) -> list[str]:
        """What it said, but for its first line."""
        return self._errors.read_text().splitlines()[1:]

    def asked(self, path: str = "/healthz") -> str:
        """What its health answers; nothing while it does not."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.read().decode()
        except OSError:
            return ""

    def metric(self, name: str) -> float | None:
        found = re.search(rf"^stswatch_{name}(?:{{.*}})? (\S+)$", self.asked("/metrics"), re.M)
        return float(found[1]) if found else None

    def until(self, holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        try:
            until(lambda: self.done.done() or holds(), patience_s)
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self.printed, self.asked()])) from error
        assert not self.done.done(), self.done.result()

    def until_read(self, share: float) -> None:
        """Let so many of the lines come; wait until all is well, it has looked at them, and finalized what is over."""
        self.feed.let(share)
        wanted = {
            "source_lines_total": self.feed.may,
            "behind_bytes": 0,
            "lag_seconds": 0,
            "finalizing": 0,
            "healthy": 1,
        }
        self.until(lambda: all(self.metric(name) == value for name, value in wanted.items()))

    @property
    def pid(self) -> int:
        return json.loads((self.seen / "live" / "status.json").read_text())["pid"]

    # ------------------------------------------------------------------------------------------------ what is taken

    @contextmanager
    def ballast(self) -> Iterator[None]:
        """Somebody else's file takes so much that packing and finalizing would need the rest."""
        file = self.seen.parent / "ballast"
        with file.open("wb") as out:
            os.posix_fallocate(out.fileno(), 0, SPARE_MB * MB)
        yield
        file.unlink()

    @contextmanager
    def full(self, place: Path) -> Iterator[None]:
        """A disk that was full is as large as what lies on it."""
        until(lambda: self._filled(place))
        yield
        self._mounted(place, "remount", f"size={KEPT_MB + SPARE_MB}m")

    def _filled(self, place: Path) -> bool:
        """Whether a disk was made as large as what lay on it; not where the watch wrote just then."""
        disk = os.statvfs(self._room.root / place.relative_to("/"))
        with suppress(subprocess.CalledProcessError):
            self._mounted(place, "remount", f"size={(disk.f_blocks - disk.f_bfree) * disk.f_frsize}")
            return True
        return False

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """What is open may be written on, and nothing else."""
        self._room.beside("mount", "--bind", self.data, self.data)
        self._mounted(self.data, "remount", "bind", "ro")
        yield
        self._room.beside("umount", self.data)

    @contextmanager
    def no_more_files(self) -> Iterator[None]:
        pid = self.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (10, before[1]))
        yield
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)

    def _mounted(self, place: Path, *options: str) -> None:
        self._room.beside("mount", "--options-mode", "ignore", "-o", ",".join(options), place)


@pytest.fixture
def room(tmp_path) -> Iterator[Commands]:
    try:
        room = Commands(tmp_path, ROOM)
    except (AssertionError, OSError):
        pytest.skip("no file system may be mounted here: unshare --mount is refused")
    with closing(room):
        yield room


@pytest.fixture
def watch(room, tmp_path) -> Iterator[Watch]:
    with ThreadPoolExecutor(1) as pool:
        watch = Watch(room, tmp_path, pool)
        try:
            yield watch
        finally:
            for process in psutil.Process(room.pid).children():
                process.kill()


def test_what_a_watch_lacks_it_says_once_and_goes_on_when_it_has_it(watch, room, tmp_path):
    watch.until_read(0.25)
    assert watch.printed == []
    files = len(os.listdir(f"/proc/{watch.pid}/fd"))
    with (
        lacking(watch, "disk/data/spool/rec: the disk is full", "make room", "until then the source is held back"),
        watch.ballast(),
    ):
        is_held_back(watch, 0.4)
        with watch.full(watch.disk):  # and the last byte of it goes too
            stays_amiss(watch, "until then the source is held back")
    watch.until_read(0.4)
    with lacking(watch, *FULL), watch.full(watch.data / "lake"):
        watch.feed.let(0.6)  # an hour is over, and cannot be finalized
        stays_amiss(watch, FULL[0])
        assert len(segments(watch.seen / "spool" / "rec")) < 7, "none is closed for each try"
    watch.until_read(0.6)
    with lacking(watch, *FULL), watch.full(watch.data / "snapshots"):
        watch.feed.let(0.75)  # with new leads, which are published at once
        stays_amiss(watch, FULL[0])
    watch.until_read(0.75)
    with lacking(watch, "read-only", "--data", "until then the source is held back"), watch.read_only():
        watch.feed.let(0.9)  # into another hour, which needs another file
        stays_amiss(watch, "until then the source is held back")
    watch.until_read(0.9)
    with lacking(watch, "too many files are open", "ulimit -n"), watch.no_more_files():
        before = len(watch.printed)
        watch.feed.let(1.0)
        # a snapshot needs another file now: it waits ten times as long as the last took, on a busy machine long
        watch.until(lambda: any("the watch tries again" in line for line in watch.printed[before:]), 5 * PATIENCE_S)
    watch.until_read(1.0)
    assert len(os.listdir(f"/proc/{watch.pid}/fd")) < files + 10, "what failed holds none open"
    os.kill(watch.pid, signal.SIGTERM)
    done = watch.done.result()
    assert done.code == 0, done.err
    assert 5 <= sum(map(ends, watch.printed[:-1])) == len(watch.printed[:-1]) / 2, done.err
    assert room("reconcile", *watch.how).code == 0
    room.shell("cp", "-a", watch.data, tmp_path / "copy")
    found = by_run(watch.feed.text, tmp_path)
    assert found["encounters"].num_rows >= 5
    seas.assert_same(found, events(tmp_path / "copy"))


@contextmanager
def lacking(watch, *words):
    """What happens within is told once, in a sentence with these words, and its end in another.

    The source and the watch each tell of what they lack: a snapshot that is due just then, a segment that was closed.
    """
    before = len(watch.printed)
    yield
    watch.until(lambda: 2 * sum(ends(line) for line in watch.printed[before:]) == len(watch.printed[before:]) > 0)
    begun = [line for line in watch.printed[before:] if not ends(line)]
    assert len(set(begun)) == len(begun)
    assert any(all(word in line for word in words) for line in begun), begun


def ends(line):
    """Whether a line says that something lacks no more."""
    return any(words in line for words in ("goes on", "is written again", "are packed again"))


def stays_amiss(watch, words):
    """It is among the reasons of its health, at every look."""
    watch.until(lambda: words in watch.asked())
    for _ in range(8):
        time.sleep(0.15)
        collected = watch.asked()
        assert words in collected
        assert not json.loads(collected)["ok"]


def is_held_back(watch, share):
    """Nothing of what is sent is put on the disk."""
    before = on_disk(watch)
    watch.feed.let(share)
    stays_amiss(watch, "until then the source is held back")
    assert on_disk(watch) == before


def on_disk(watch):
    return {path.name: path.stat().st_size for path in segments(watch.seen / "spool" / "rec")}
