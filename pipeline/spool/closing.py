"""Closed segments: packed, found again after a kill, removed when nobody needs them any more."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Container
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from stswatch.pipeline.readers import frames
from stswatch.pipeline.spool import sums
from stswatch.pipeline.spool.segments import PACKED, PART, closed, segment_of, segments, time_of

_PIECE = 1 << 20
_AGAIN_S = 10.0


@dataclass(frozen=True)
class Keep:
    """How much of a spool is kept beyond what is still needed; 0 is no limit."""

    bytes: int = 0
    age_us: int = 0


def pack(path: Path) -> Path:
    """Compress a closed segment; gives the file that is there then. Raises OSError.

    The packed file gets its name when it is whole and on the disk; only then the other goes. zstd, since it takes a
    fifth of the time of gzip for a fifth less room; in frames with checksums, so that damage is found, and costs a
    minute.
    """
    packed = path.with_name(path.name + PACKED)
    part = packed.with_name(packed.name + PART)
    with path.open("rb") as whole, part.open("wb") as out:
        frames.pack(whole, out)
    sync(part)
    part.replace(packed)
    sync(path.parent)
    sums.beside(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    return packed


class Packer:
    """Packs closed segments in a thread, one after the other; after an error it tries again later."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.error: OSError | None = None  # why the last try failed
        self._fault: Exception | None = None  # of ours
        self._monotonic, self._not_before_s = monotonic, 0.0
        self._waiting: deque[Path] = deque()
        self._thread: threading.Thread | None = None
        self._packing = threading.Lock()  # two may find at the same moment that nothing runs

    def add(self, path: Path) -> None:
        """Have a closed segment packed with the next `go`."""
        self._waiting.append(path)

    def go(self) -> None:
        """Begin, if something waits and nothing runs; returns at once. Raises what the thread died of."""
        if self._fault is not None:
            raise self._fault
        running = self._thread is not None and self._thread.is_alive()
        if self._waiting and not running and self._monotonic() >= self._not_before_s:
            self._thread = threading.Thread(target=self._run, name="packing", daemon=True)
            self._thread.start()

    def again(self) -> None:
        """Try again with the next `go`: the disk takes what comes again."""
        self.error, self._not_before_s = None, 0.0

    def finish(self) -> None:
        """Pack all that waits. Raises OSError."""
        if self._thread is not None:
            self._thread.join()
        self._run()
        if (error := self._fault or self.error) is not None:
            raise error

    def _run(self) -> None:
        with self._packing:
            while self._waiting:
                try:
                    with suppress(FileNotFoundError):  # somebody removed it
                        pack(self._waiting[0])
                except OSError as error:
                    self.error, self._not_before_s = error, self._monotonic() + _AGAIN_S
                    return
                except Exception as error:  # told by the next call
                    self._fault = error
                    return
                self._waiting.popleft()
                self.error = None


def recover(folder: Path) -> list[str]:
    """Make whole what a kill left in a spool that nobody writes: plain segments end with a line. Raises OSError.

    Half-packed files are removed, and so are segments without a line. Nothing that was acknowledged is touched but
    what is damaged (sums.py), of which there is a sentence each.
    """
    for part in folder.glob(f"*{PART}"):
        part.unlink(missing_ok=True)
    packed = {path.name for path in closed(folder)}
    for path in folder.glob("*"):
        if path.name.removesuffix(sums.ENDING) + PACKED in packed:
            path.unlink(missing_ok=True)
    told: list[str] = []
    for path in segments(folder):
        if path.suffix != PACKED:
            told += sums.mend(path)
            if not _cut_back(path):
                sums.beside(path).unlink(missing_ok=True)
                path.unlink()
    return told


def settle(folder: Path) -> list[str]:
    """Recover a spool that nobody writes, and pack what is plain in it; see recover. Raises OSError."""
    told = recover(folder)
    for path in segments(folder):
        if path.suffix != PACKED:
            pack(path)
    return told


def forget(folder: Path, ingested: Container[str], keep: Keep, now_us: int, needed_us: int) -> list[str]:
    """Remove the oldest closed segments beyond what is kept; gives their names. Raises OSError.

    ingested: names of the segments that are in the lake: no other is removed. needed_us: since when a start reads the
    spool again: no segment goes that holds what arrived then or later. now_us, needed_us: on the clock of arrivals.
    """
    files = closed(folder)
    total = sum(map(_size, segments(folder)))
    gone = []
    for path, after in pairwise(files):  # never the newest: the next start looks at its end
        ended_us = time_of(segment_of(after))
        large = keep.bytes and total > keep.bytes
        old = keep.age_us and now_us - ended_us > keep.age_us
        if segment_of(path) not in ingested or ended_us > needed_us or not (large or old):
            break
        total -= path.stat().st_size
        path.unlink()
        gone.append(segment_of(path))
    return gone


def _size(path: Path) -> int:
    """Its bytes; none where it was packed just now, since that only takes room away."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def sync(path: Path) -> None:
    """Have the disk hold a file, or the names in a folder. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cut_back(path: Path) -> int:
    """End a file behind its last line end; gives its size."""
    with path.open("r+b") as file:
        end = size = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - _PIECE)
            file.seek(start)
            if (at := file.read(end - start).rfind(b"\n")) >= 0:
                end = start + at + 1
                break
            end = start
        if end < size:
            file.truncate(end)
        os.fsync(file.fileno())
        return end
