"""One source's spool: what it sent, on the disk with its arrival before anything looks at it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stswatch.errors import StswatchError
from stswatch.pipeline.decode.stamps import Arrivals
from stswatch.pipeline.readers.arrival_index import ArrivalIndex, Header
from stswatch.pipeline.readers.source import SourceError
from stswatch.pipeline.sources.address import NOTE, Format, Receiver, Remark
from stswatch.pipeline.spool import segments as files
from stswatch.pipeline.spool.clock import Arrival, RecordedClock
from stswatch.pipeline.spool.closing import Packer, recover
from stswatch.pipeline.spool.open_segment import LONGEST, SEEN_BYTES, LineCutter, OpenSegment, Room, unfinished_lines
from stswatch.pipeline.spool.segments import Position
from stswatch.pipeline.spool.tail import Piece, Tail

_HOUR_US = 3_600_000_000


@dataclass(frozen=True)
class Limits:
    """How often and how large."""

    heartbeat_s: float = 5.0  # in silence
    sync_s: float = 0.5  # what a power cut can take
    sync_bytes: int = 4 << 20  # held in memory until the disk has it
    segment_bytes: int = 256 << 20
    spare_bytes: int = 256 << 20  # of the disk, left free beside what packing a segment may take


@dataclass(frozen=True)
class SpoolCounts:
    """What went through a spool since it was opened."""

    bytes: int  # received
    lines: int
    dropped_bytes: int  # of over-long lines
    last_line_us: int  # arrival of the last line; 0 before the first
    acknowledged: Position


class HeldBack(StswatchError, OSError):
    """What was given is not on the disk; it is kept, and tried again with the next call. Its cause says why."""


class Spool:
    """Appends to the segments of one source; its calls may come from several threads.

    folder: DATA/spool; name: of the source, and of the folder below.
    Raises OSError where the folder cannot be made, SourceError where what is in it cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        format: Format,
        clock: Arrival,
        limits: Limits | None = None,
        *,
        receiver: Receiver = "unknown",
        licence: str = "",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.folder, self.format, self.limits = name, folder / name, format, limits or Limits()
        self._clock, self._monotonic = clock, monotonic
        self._receiver, self._licence = receiver, licence
        self._lines = LineCutter(LONGEST[format])
        self._queue: deque[tuple[int, bytes, str]] = deque()  # what no segment has taken: arrival, lines, remark
        self._open: OpenSegment | None = None
        self._begun: tuple[tuple[int, bytes], ...] = ()  # lines of messages that are not complete
        self._noted_us = 0  # the last arrival that a segment was given
        self._given_s = self._synced_s = monotonic()
        self._bytes = self._line_count = self._last_line_us = 0
        self._over = False
        self.note = b""  # the last one of the source
        self._lock = threading.RLock()
        self._packer = Packer(monotonic)
        self._room = Room(self.limits.segment_bytes + self.limits.spare_bytes)
        self.held = False  # what was given last is not on the disk; give nothing more until it is
        self.found_us = 0  # the last arrival that was there when it was opened; 0 where none was
        self.folder.mkdir(parents=True, exist_ok=True)
        self.damage = recover(self.folder, clock)  # a sentence for each stretch
        self._begin()

    def _begin(self) -> None:
        """Go on behind what is there already."""
        there = files.segments(self.folder)
        for path in there:
            if path.suffix != files.PACKED:
                self._packer.add(path)
        self._last_name = files.segment_of(there[-1]) if there else ""
        tail = Tail(self.folder, Position(self._last_name))
        end, last = b"", None
        at: list[Arrivals] = []
        try:
            for piece in tail.all():
                end, last = (end + piece.text)[-SEEN_BYTES:], piece
                at = [*at[-1:], piece.arrivals]
                self.found_us = max(self.found_us, piece.last_us)
        except SourceError as error:  # the newest is damaged from end to end: what comes goes behind it
            self.damage.append(f"{error}; it is passed over")
        self.note = tail.note
        tail.close()
        self.found_us = self.found_us or files.last_arrival_us(self.folder)
        self._clock.not_before(self.found_us)
        self._acknowledged = tail.position
        if last is not None:
            self._begun = self._unfinished(last, end, at)

    def _unfinished(self, last: Piece, end: bytes, at: list[Arrivals]) -> tuple[tuple[int, bytes], ...]:
        """The lines of messages of which more must come, in the segment that was written last."""
        if self.format != "nmea":
            return ()
        base = last.after.offset - len(end)
        skipped = end.find(b"\n") + 1 if base else 0
        pairs = ArrivalIndex(last.header).arrivals(0).pairs() + [pair for each in at for pair in each.pairs()]
        return unfinished_lines(last.header.context, end[skipped:], base + skipped, Arrivals.of(sorted(set(pairs))))

    def append(self, data: bytes) -> None:
        """Put what arrived now into the segment, as far as its lines have ended; nothing once it is closed.

        Raises HeldBack.
        """
        with self._lock:
            if self._over:
                return
            self._bytes += len(data)
            self._take(self._lines.take(data))
            self._flush()

    def remark(self, given: Remark) -> None:
        """Keep in the index what the source gave beside what it received. Raises HeldBack."""
        with self._lock:
            if self._over:
                return
            line = given.rstrip(b"\n")
            self.note = line if line.startswith(NOTE) else self.note
            self._queue.append((self._clock.now_us(), b"", line.decode("utf-8", "replace")))
            self._flush()

    def sync(self) -> None:
        """Have the disk hold all whole lines that were given. Raises HeldBack."""
        with self._lock:
            self._flush(sync=True)

    def end_line(self) -> None:
        """End a line that will not go on, since the connection was lost. Raises HeldBack."""
        with self._lock:
            self._take(self._lines.end())
            self._flush(sync=True)

    def tick(self) -> None:
        """Let time pass: heartbeats, what the disk must hold by now, packing. Raises HeldBack."""
        self._packer.go()
        with self._lock:
            silent = self._monotonic() - self._given_s >= self.limits.heartbeat_s or not self._noted_us
            if silent and not self._queue and (now_us := self._clock.now_us()) > self._noted_us:
                self._queue.append((now_us, b"", ""))
                self._given_s = self._monotonic()
            self._flush()

    def rotate(self) -> str | None:
        """Close the segment that is open; gives its name, None where none is. It is packed soon. Raises HeldBack.

        Not where what came last is held back to leave room: that comes into the next segment, and finalizing makes
        room.
        """
        with self._lock:
            try:
                self._flush(sync=True)
            except HeldBack:
                if not self._room.short:
                    raise
            name = self._open.name if self._open else None
            with self._holding():
                self._close_segment()
        self._packer.go()
        return name

    def close(self) -> None:
        """End the last line, close and pack all. Raises HeldBack; what was acknowledged is kept then too."""
        with self._lock:
            self._over = True
            self._take(self._lines.end())
            self.rotate()
        with self._holding():
            self._packer.finish()

    def closed(self) -> list[Path]:
        """The files of the segments that are closed, packed and on the disk."""
        return files.closed(self.folder)

    @property
    def acknowledged(self) -> Position:
        """Up to where the disk holds what was given."""
        return self._acknowledged

    @property
    def restored(self) -> int:
        """How often the segment that is open had vanished and was written anew."""
        return self._open.restored if self._open else 0

    def found_damaged(self) -> list[str]:
        """What was found damaged of closed segments since it was asked last, a sentence each."""
        notes, self._packer.notes = self._packer.notes, []
        return [each for each in notes if each not in self.damage]

    @property
    def packing_error(self) -> OSError | None:
        """Why closed segments cannot be packed, while they cannot."""
        return self._packer.error

    def counts(self) -> SpoolCounts:
        """What went through since it was opened; does not wait, whatever the disk does."""
        return SpoolCounts(self._bytes, self._line_count, self._lines.dropped, self._last_line_us, self._acknowledged)

    def _take(self, lines: bytes) -> None:
        """Keep lines with their arrival until they are in a segment."""
        if not lines:
            return
        marks = self._clock.marks(lines)
        ends = [at for at, _ in marks[1:]] + [len(lines)]
        self._queue.extend((arrival_us, lines[at:end], "") for (at, arrival_us), end in zip(marks, ends, strict=True))
        self._line_count += lines.count(b"\n")
        self._last_line_us = marks[-1][1]
        self._given_s = self._monotonic()

    def _flush(self, sync: bool = False) -> None:
        """Move what is queued to the segment, and sync if it is time. Raises HeldBack; nothing is lost then."""
        with self._holding():
            if self._queue and not self._over:  # at the end the little that waits may take of it
                self._leave_room()
            while self._queue:
                arrival_us, lines, remark = self._queue[0]
                segment = self._segment_for(arrival_us)
                segment.add(arrival_us, lines, remark)
                self._noted_us = arrival_us or self._noted_us
                self._queue.popleft()
                if segment.unsynced >= self.limits.sync_bytes:
                    self._sync()
            if self._open is not None:
                self._open.write()
                if sync or self.held or self._monotonic() - self._synced_s >= self.limits.sync_s:
                    self._sync()
            if self.held:
                self._packer.again()
            self.held = False

    @contextmanager
    def _holding(self) -> Iterator[None]:
        try:
            yield
        except HeldBack:
            raise
        except OSError as error:
            self.held = True
            raise HeldBack(error.errno, error.strerror or str(error), error.filename) from error

    def _leave_room(self) -> None:
        try:
            self._room.look(self._open.handle if self._open else self.folder)
        except OSError:
            self._sync()  # what is written already
            raise

    def _sync(self) -> None:
        if self._open is not None and self._open.waiting:
            self._open.sync()
            self._acknowledged = Position(self._open.name, self._open.synced)
        self._synced_s = self._monotonic()

    def _segment_for(self, arrival_us: int) -> OpenSegment:
        """The segment for what arrived then: another one when the hour has passed or this one is full."""
        if self._open is not None:
            later = arrival_us // _HOUR_US > files.time_of(self._open.name) // _HOUR_US
            if later or self._open.size >= self.limits.segment_bytes:
                self._close_segment()
        if self._open is None:
            self._open_segment(arrival_us)
        assert self._open is not None
        return self._open

    def _open_segment(self, arrival_us: int) -> None:
        begun_us = max(arrival_us, files.time_of(self._last_name) + 1000) if self._last_name else arrival_us
        header = Header(
            self.name,
            self._receiver,
            self._licence,
            isinstance(self._clock, RecordedClock),
            self._last_name,
            self._begun,
        )
        segment = OpenSegment(self.folder, files.name_of(begun_us), self.format, header)
        if self.note:
            segment.add(0, b"", self.note.decode("utf-8", "replace"))
        self._open, self._last_name, self._begun, self._noted_us = segment, segment.name, (), 0

    def _close_segment(self) -> None:
        if self._open is not None:
            self._sync()
            self._begun = self._open.unfinished() if self.format == "nmea" else ()
            self._packer.add(self._open.path)
            self._open.close()
            self._open = None
