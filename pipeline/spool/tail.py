"""Reading a spool while it is written: whole lines since a position, across segments, verified, with their arrivals."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stswatch.pipeline.decode.stamps import Arrivals
from stswatch.pipeline.readers import frames
from stswatch.pipeline.readers.arrival_index import (
    ArrivalIndex,
    Header,
    IndexEntry,
    beside,
    next_begun_us,
    parsed_lines,
)
from stswatch.pipeline.readers.packing import unreadable
from stswatch.pipeline.readers.source import WHOLE, SourceError
from stswatch.pipeline.sources.address import NOTE, Format
from stswatch.pipeline.spool.open_segment import LONGEST
from stswatch.pipeline.spool.segments import PACKED, Position, format_of, refuse_old, segment_of, segments

PIECE_BYTES = 4 << 20
_INDEX_BYTES = 1 << 16  # of the index, at a time


@dataclass(frozen=True)
class Piece:
    """Whole lines of one segment; without any it only says that time has passed."""

    segment: str
    base: int  # offset of the text in the segment, bytes unpacked
    text: bytes
    arrivals: Arrivals  # what holds from `base` to behind the text, that of silence there included
    format: Format
    header: Header

    @property
    def after(self) -> Position:
        """The position behind it."""
        return Position(self.segment, self.base + len(self.text))

    @property
    def last_us(self) -> int:
        """The last arrival that it tells, UTC microseconds; 0 for none."""
        return int(self.arrivals.time_us[-1]) if len(self.arrivals.time_us) else 0


class Tail:
    """Reads a spool on and on from a position; holds one segment open, which may be packed or removed meanwhile."""

    def __init__(self, folder: Path, position: Position | None = None) -> None:
        self._folder, self._at = folder, position or Position()
        self._open: _Plain | _Packed | None = None
        self._seen = 0  # arrivals of the segment that were given
        self._rest = b""
        self.note = b""  # the last one of the source

    @property
    def position(self) -> Position:
        """Where it will read on."""
        return self._at

    @property
    def header(self) -> Header:
        """What the index of the segment says that was read last."""
        return self._open.header if self._open else Header(self._folder.name)

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
            if self._open is None and not self._begin(later):
                return None
            assert self._open is not None
            text = self._lines(WHOLE if until is None or until.segment > self._at.segment else until.offset, at_most)
            if text or self._open.counted > self._seen:
                return self._piece(text)
            if not later:
                return None
            self._leave(Position(segment_of(later[0])))

    def all(self, until: Position | None = None, at_most: int = PIECE_BYTES) -> Iterator[Piece]:
        """What there is by now, piece after piece."""
        while (piece := self.read(until, at_most)) is not None:
            yield piece

    def close(self) -> None:
        """Let go of the segment; reading again goes on from the same position."""
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
            if (found := _opened(path)) is not None:
                self._open, self._seen = found, 0
                self._skip()
                return True
        return False

    def _skip(self) -> None:
        """Pass over what lies before the position; what was told of it is not told again."""
        assert self._open is not None
        left = self._at.offset
        while left and (data := self._rest or self._open.more(WHOLE)):
            self._rest = data[left:]
            left -= min(left, len(data))
        self._seen = self._open.counted if self._at.offset and not self._rest else 0

    def _lines(self, limit: int, at_most: int) -> bytes:
        """Whole lines up to an offset."""
        assert self._open is not None
        size = min(limit - self._at.offset, max(at_most, 2 * LONGEST[self._open.format]))  # no line is longer
        parts, held = [self._rest], len(self._rest)
        while held < size and (data := self._open.more(limit)):
            parts.append(data)
            held += len(data)
        self._rest = b"".join(parts)
        self.note = self._open.note or self.note
        end = self._rest.rfind(b"\n", 0, max(size, 0)) + 1
        text, self._rest = self._rest[:end], self._rest[end:]
        return text

    def _piece(self, text: bytes) -> Piece:
        assert self._open is not None
        self._seen = self._open.counted
        base, end = self._at.offset, self._at.offset + len(text)
        arrivals = self._open.arrivals(base).between(base, end)
        piece = Piece(self._at.segment, base, text, arrivals, self._open.format, self._open.header)
        self._at = piece.after
        return piece

    def _leave(self, at: Position) -> None:
        if self._open is not None:
            self._open.close()
        self._open, self._rest, self._at = None, b"", at


def _opened(path: Path) -> _Plain | _Packed | None:
    """A segment, packed meanwhile or not; None where it is gone, or is just being begun. Raises SourceError."""
    plain = path.with_name(path.name.removesuffix(PACKED))
    for kind, each in ((_Plain, plain), (_Packed, path.with_name(plain.name + PACKED))):
        try:
            if path.suffix != PACKED or kind is _Packed:
                return kind(each)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise unreadable(str(each), error) from error
    return None


class _Plain:
    """A segment that is not packed, as far as its index names it: every stretch verified, blanks for damage."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises OldSpoolError, FileNotFoundError where it or its index is not there."""
        self.format, self.header, self.counted, self.note = format_of(path), Header(path.parent.name), 0, b""
        self._pairs: list[tuple[int, int]] = []
        self._end = self._consumed = 0  # bytes of the text, and of the index, that were taken
        self._files, index = ExitStack(), Path(beside(str(path)))
        try:
            self._text: BinaryIO = self._files.enter_context(path.open("rb"))
            self._index: BinaryIO = self._files.enter_context(index.open("rb"))
        except FileNotFoundError:
            self.close()
            with suppress(FileNotFoundError):
                refuse_old(path)
            raise
        self.more(0)

    def more(self, limit: int) -> bytes:
        """The next stretch that ends at an offset or before; b"" where none does yet."""
        while lines := self._lines():
            for line in lines:
                entry = next(parsed_lines(line))
                if isinstance(entry, IndexEntry) and entry.end > limit:
                    return b""
                self._consumed += len(line)
                if isinstance(entry, Header):
                    self.header = entry
                elif entry is not None and (data := self._taken(entry)):
                    return data
        return b""

    def _lines(self) -> list[bytes]:
        """Whole lines of the index that were not taken yet."""
        self._index.seek(self._consumed)
        text = self._index.read(_INDEX_BYTES)
        if b"\n" not in text and len(text) == _INDEX_BYTES:  # a line of many arrivals
            text += self._index.read()
        return text[: text.rfind(b"\n") + 1].splitlines(keepends=True)

    def _taken(self, entry: IndexEntry) -> bytes:
        """The bytes up to the end of an entry; those before its beginning lost theirs and take its arrival."""
        if entry.begin < self._end:
            return b""
        pairs = [(self._end, entry.arrivals[0][1])] if entry.begin > self._end and entry.arrivals else []
        pairs += entry.arrivals
        self._pairs += pairs
        self.counted += len(pairs)
        for remark in entry.remarks:
            self.note = remark.encode() if remark.encode().startswith(NOTE) else self.note
        self._text.seek(self._end)
        before = self._text.read(entry.begin - self._end)
        data = self._text.read(entry.end - entry.begin)
        sound = len(data) == entry.end - entry.begin and zlib.crc32(data) == entry.crc
        self._end = entry.end
        return before + (data if sound else frames.blanks(entry.end - entry.begin))

    def arrivals(self, base: int) -> Arrivals:
        """The arrivals that hold from an offset on."""
        found = Arrivals.of(self._pairs)
        kept = found.between(base, WHOLE)
        self._pairs = self._pairs[len(self._pairs) - len(kept.offset) :]
        return kept

    def close(self) -> None:
        """Let go of its files."""
        self._files.close()


class _Packed:
    """A packed segment: every frame verified, blanks for what is damaged."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises SourceError where it is none, FileNotFoundError where it is gone."""
        index = frames.segment_index(str(path))
        if index is None:
            refuse_old(path)
            raise SourceError(f"{path}: is no segment of a spool, or damaged from end to end; a copy makes it whole")
        found: ArrivalIndex = index.arrivals
        self.format, self.header = format_of(path), found.header or Header(path.parent.name)
        remarks = [remark.encode() for entry in found.entries for remark in entry.remarks]
        self.note = next((remark for remark in reversed(remarks) if remark.startswith(NOTE)), b"")
        self._arrivals = found.arrivals(next_begun_us(str(path)))
        self.counted = len(self._arrivals.offset)
        self._files = ExitStack()
        self._file: BinaryIO = self._files.enter_context(path.open("rb"))
        self._lines = frames.SegmentReader(self._file, index)

    def more(self, limit: int) -> bytes:
        """The next bytes; b"" at the end. All of a packed segment is acknowledged."""
        return self._lines.read(PIECE_BYTES) or b""

    def arrivals(self, base: int) -> Arrivals:
        """The arrivals that hold from an offset on."""
        return self._arrivals.between(base, WHOLE)

    def close(self) -> None:
        """Let go of its file."""
        self._files.close()
