"""Reading a spool while it is written: whole lines since a position, across segments, each with its arrival."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

from stswatch.pipeline.readers.base import WHOLE, SourceError
from stswatch.pipeline.sources.base import Format
from stswatch.pipeline.spool.arrivals import Arrivals, Ints
from stswatch.pipeline.spool.lines import LONGEST
from stswatch.pipeline.spool.segments import Position, format_of, gone, parsed_header, reading, segment_of, segments

PIECE_BYTES = 4 << 20
_BEHIND = 131_072  # bytes before a position in which an arrival line stands for certain


@dataclass(frozen=True)
class Piece:
    """Whole lines of one segment."""

    segment: str
    base: int  # offset of the text in the segment, bytes unpacked
    text: bytes
    stamp_at: Ints  # (n,) where its arrival lines begin, offsets in the segment
    stamp_us: Ints  # (n,) what they say, UTC microseconds
    arrival_us: int | None  # what holds for lines before the first of them; None where nothing was said
    format: Format

    @property
    def after(self) -> Position:
        """The position behind it."""
        return Position(self.segment, self.base + len(self.text))


class Tail:
    """Reads a spool on and on from a position; holds one file open, which may be packed or removed meanwhile."""

    def __init__(self, folder: Path, position: Position | None = None) -> None:
        self._folder, self._at = folder, position or Position()
        self._open = ExitStack()
        self._file: BufferedIOBase | None = None
        self.arrivals = Arrivals("nmea", 0)
        self._arrival_us: int | None = None
        self._rest = b""

    @property
    def position(self) -> Position:
        """Where it will read on."""
        return self._at

    def read(self, until: Position | None = None, at_most: int = PIECE_BYTES) -> Piece | None:
        """The next lines, of one segment; None where there are none. Raises SourceError, OSError.

        until: what the spool has acknowledged; what lies behind it is not read. at_most: bytes.
        """
        try:
            return self._next(until, at_most)
        except OSError as error:
            if error.errno is None:  # not the system speaks, but what unpacks
                raise SourceError(f"{self._folder / self._at.segment}: is damaged ({error})") from error
            raise

    def _next(self, until: Position | None, at_most: int) -> Piece | None:
        while True:
            later = self._later(until)
            if self._file is None and not self._begin(later):
                return None
            text = self._lines(WHOLE if until is None or until.segment > self._at.segment else until.offset, at_most)
            if text:
                return self._piece(text)
            if not later:
                return None
            self._leave(Position(segment_of(later[0])))

    def all(self, until: Position | None = None, at_most: int = PIECE_BYTES) -> Iterator[Piece]:
        """What there is by now, piece after piece."""
        while (piece := self.read(until, at_most)) is not None:
            yield piece

    def close(self) -> None:
        """Let go of the file; reading again goes on from the same position."""
        self._leave(self._at)

    def _later(self, until: Position | None) -> list[Path]:
        """Files of the segments behind the one that is read, as far as they may be read."""
        found = [path for path in segments(self._folder) if segment_of(path) > self._at.segment]
        return [path for path in found if until is None or segment_of(path) <= until.segment]

    def _begin(self, later: list[Path]) -> bool:
        """Open the segment of the position, or where it is gone the next; whether there is one."""
        here = [path for path in segments(self._folder) if segment_of(path) == self._at.segment]
        for path in [*here, *later]:
            if segment_of(path) != self._at.segment:
                self._at = Position(segment_of(path))
            try:
                file = self._open.enter_context(reading(path))
            except SourceError as error:
                if gone(error):  # removed just now
                    continue
                raise
            start = _filled(file, b"", 4096)
            if b"\n" not in start:  # begun just now
                self._leave(self._at)
                return False
            header = parsed_header(start)
            self.arrivals = Arrivals(format_of(path), header.mark if header else 0)
            self._file, self._rest = file, start
            self._skip()
            return True
        return False

    def _skip(self) -> None:
        """Pass over what lies before the position, and take note of the arrival that holds there."""
        assert self._file is not None
        behind = b""
        left = self._at.offset
        self._arrival_us = None
        while left:
            data = self._rest[:left] or self._file.read(min(left, PIECE_BYTES))
            self._rest = self._rest[len(data) :]
            if not data:
                break
            left -= len(data)
            behind = (behind + data)[-_BEHIND:]
        _, told_us = self.arrivals.find(behind)
        if len(told_us):
            self._arrival_us = int(told_us[-1])

    def _lines(self, limit: int, at_most: int) -> bytes:
        """Whole lines up to an offset."""
        assert self._file is not None
        allowed = limit - self._at.offset
        size = min(allowed, max(at_most, 2 * LONGEST[self.arrivals.format]))  # no line is longer
        self._rest = _filled(self._file, self._rest, size)
        end = self._rest.rfind(b"\n", 0, size) + 1
        text, self._rest = self._rest[:end], self._rest[end:]
        return text

    def _piece(self, text: bytes) -> Piece:
        stamp_at, stamp_us = self.arrivals.find(text)
        piece = Piece(
            self._at.segment,
            self._at.offset,
            text,
            stamp_at + self._at.offset,
            stamp_us,
            self._arrival_us,
            self.arrivals.format,
        )
        if len(stamp_us):
            self._arrival_us = int(stamp_us[-1])
        self._at = piece.after
        return piece

    def _leave(self, at: Position) -> None:
        self._open.close()
        self._open, self._file, self._rest = ExitStack(), None, b""
        if at.segment != self._at.segment:
            self._arrival_us = None
        self._at = at


def _filled(file: BufferedIOBase, held: bytes, size: int) -> bytes:
    """What is held with more from the file, up to a size if there is so much."""
    parts, missing = [held], size - len(held)
    while missing > 0 and (data := file.read(min(missing, PIECE_BYTES))):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)
