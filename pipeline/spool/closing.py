"""Closed segments: packed, found again after a kill, removed when nobody needs them any more."""

from __future__ import annotations

import io
import os
import shutil
import threading
import zlib
from collections import deque
from collections.abc import Callable, Container, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from stswatch.pipeline.readers import frames
from stswatch.pipeline.readers.arrival_index import (
    ENDING,
    ArrivalIndex,
    Header,
    IndexEntry,
    beside,
    describe_index,
    entry_line,
    header_line,
    next_begun_us,
    parsed,
)
from stswatch.pipeline.sources.address import Format
from stswatch.pipeline.spool.clock import Arrival, Clock
from stswatch.pipeline.spool.clock import RecordedClock as RecordedClock
from stswatch.pipeline.spool.segments import (
    PACKED,
    PART,
    closed,
    refuse_old,
    segment_of,
    segments,
    time_of,
)
from stswatch.pipeline.store.files import sync_path
from stswatch.pipeline.times import iso

FOUND = "{}: bytes {:,} to {:,} were found without an arrival time; they count as arrived {}"
DAMAGED = ".damaged"  # ending of the copy of a segment that was found damaged
_PIECE = 1 << 20
_AGAIN_S = 10.0


@dataclass(frozen=True)
class Keep:
    """How much of a spool is kept beyond what is still needed; 0 is no limit."""

    bytes: int = 0
    age_us: int = 0


def pack(path: Path) -> tuple[Path, list[str]]:
    """Compress a closed segment and its index; gives the file that is there then, and what was damaged of the segment.

    Raises OSError.

    The packed file gets its name when it is whole and on the disk; only then the others go. zstd, since it takes a
    fifth of the time of gzip for a fifth less room; in frames with checksums, so that damage is found, and costs a
    minute. What the index says is damaged is packed as blanks, and the segment kept as it was found.
    """
    packed = path.with_name(path.name + PACKED)
    part = packed.with_name(packed.name + PART)
    index = _bytes_of(Path(beside(str(path))))
    found = frames.stretches_of(str(path))
    notes = frames.damaged_text(str(path), found) if found else []
    with path.open("rb") as file, part.open("wb") as out:
        whole = io.BufferedReader(frames.SegmentReader(file, found)) if found else file
        frames.pack(whole, os.path.getsize(path), out, index)
    sync_path(part)
    if notes:
        shutil.copyfile(path, path.with_name(path.name + DAMAGED))
    part.replace(packed)
    sync_path(path.parent)
    path.unlink(missing_ok=True)
    Path(beside(str(path))).unlink(missing_ok=True)
    return packed, notes


def write_closed(
    folder: Path, name: str, form: Format, header: Header, text: bytes, arrivals: Sequence[tuple[int, int]]
) -> Path:
    """Write a whole segment at once, closed: the same content is the same file, byte for byte. Raises OSError.

    text: whole lines; arrivals: (offset, UTC microseconds) pairs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    index = header_line(header) + entry_line(IndexEntry(0, len(text), zlib.crc32(text), tuple(arrivals)))
    packed = folder / f"{name}.{form}{PACKED}"
    part = packed.with_name(f"{packed.name}.{os.getpid()}{PART}")
    with part.open("wb") as out:
        frames.pack(io.BytesIO(text), len(text), out, index)
    sync_path(part)
    part.replace(packed)
    sync_path(folder)
    return packed


class Packer:
    """Packs closed segments in a thread, one after the other; after an error it tries again later."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.error: OSError | None = None  # why the last try failed
        self.notes: list[str] = []  # what was found damaged
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
                        self.notes += pack(self._waiting[0])[1]
                except OSError as error:
                    self.error, self._not_before_s = error, self._monotonic() + _AGAIN_S
                    return
                except Exception as error:  # told by the next call
                    self._fault = error
                    return
                self._waiting.popleft()
                self.error = None


def recover(folder: Path, clock: Arrival | None = None) -> list[str]:
    """Make whole what a kill left in a spool that nobody writes. Raises OSError, SourceError for one of old.

    Half-packed files are removed, and segments in which nothing was begun. A plain segment ends with a line then, and
    its index names all of it: what had no entry takes the arrival that the clock tells now, or where segments follow
    the time at which the next was begun. Nothing that was acknowledged is touched. Gives a sentence for each stretch
    that is damaged or lacked its entry. clock: None for that of this machine, or of a recording where it is one.
    """
    for part in folder.glob(f"*{PART}"):
        if part.is_file():
            part.unlink(missing_ok=True)
    packed = {path.name for path in closed(folder)}
    plain = [path for path in segments(folder) if path.suffix != PACKED]
    wanted = {beside(str(path)) for path in plain}
    for path in folder.glob("*"):
        if path.name + PACKED in packed or (path.name.endswith(ENDING) and str(path) not in wanted):
            path.unlink(missing_ok=True)
    notes: list[str] = []
    for path in plain:
        refuse_old(path)
        notes += _made_whole(path, folder.name, clock)
    return notes


def _made_whole(path: Path, source: str, clock: Arrival | None) -> list[str]:
    """Give a plain segment a whole index, and end both at a line end; what there is to say of it."""
    place = Path(beside(str(path)))
    text = _bytes_of(place)
    text = text[: text.rfind(b"\n") + 1]
    found = parsed(text)
    size = _cut_back(path, found.size)
    lines, notes = b"" if found.header else header_line(Header(source)), describe_index(str(path), found)
    if size > found.size:
        entry = _entry_for(path, found, size, clock)
        lines += entry_line(entry)
        when = f"at {iso(entry.arrivals[0][1])}" if entry.arrivals else "at a time that is not known"
        notes.append(FOUND.format(path, found.size, size, when))
    if not (size or found.entries):
        path.unlink()
        place.unlink(missing_ok=True)
        return []
    with place.open("r+b" if text else "w+b") as file:
        file.truncate(len(text))
        file.seek(len(text))
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())
    sync_path(path.parent)
    index = frames.stretches_of(str(path))
    return notes if index is None else frames.damaged_text(str(path), index) + notes


def _entry_for(path: Path, found: ArrivalIndex, size: int, clock: Arrival | None) -> IndexEntry:
    """The entry of bytes that have none, behind all others."""
    with path.open("rb") as file:
        file.seek(found.size)
        text = file.read()
    later_us = next_begun_us(str(path))
    last_us = max((us for entry in found.entries[-1:] for _, us in entry.arrivals), default=0)
    if later_us > time_of(segment_of(path)):
        marks = [(0, later_us)]
    else:
        clock = clock or (RecordedClock() if found.header and found.header.recorded else Clock())
        clock.not_before(last_us)
        marks = clock.marks(text)
    pairs = tuple((found.size + at, us) for at, us in marks if us)
    return IndexEntry(found.size, size, zlib.crc32(text), pairs, found=True)


def settle(folder: Path) -> list[str]:
    """Recover a spool that nobody writes, and pack what is plain in it; see recover. Raises OSError."""
    notes = recover(folder)
    for path in segments(folder):
        if path.suffix != PACKED:
            pack(path)
    return notes


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
    """Its bytes, with those of its index; none where it was packed just now, since that only takes room away."""
    found = 0
    for each in (path, Path(beside(str(path)))):
        with suppress(FileNotFoundError):
            found += each.stat().st_size
    return found


def _bytes_of(path: Path) -> bytes:
    """What a file holds; nothing where it is not there."""
    with suppress(FileNotFoundError):
        return path.read_bytes()
    return b""


def _cut_back(path: Path, least: int) -> int:
    """End a file behind its last line end, but not before what its index names; gives its size."""
    with path.open("r+b") as file:
        end = size = file.seek(0, os.SEEK_END)
        while end > least:
            start = max(least, end - _PIECE)
            file.seek(start)
            if (at := file.read(end - start).rfind(b"\n")) >= 0:
                end = start + at + 1
                break
            end = start
        if end < size:
            file.truncate(end)
        os.fsync(file.fileno())
        return end
