"""Text, packed or not, as windows of bytes: what a window owns, and enough of what lies round it."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from io import BufferedIOBase
from itertools import pairwise

import numpy as np

from stswatch.pipeline.decode.lines import Ints
from stswatch.pipeline.readers.base import WHOLE, Chunk, Place, Source
from stswatch.pipeline.readers.encodings import TITLES, UTF8, UTF16, encoding_of, known, wide_of
from stswatch.pipeline.readers.packing import is_packed, opened

_SAMPLE, _PACKED_SAMPLE = 8 << 20, 1 << 18  # bytes that are looked at for letters beyond ASCII
_PIECE = 1 << 18  # of these at a time


@dataclass(frozen=True)
class Window:
    """Whole lines of a text; those that begin in [start, end) are owned, the others are only looked at.

    Only a line that is longer than the bytes looked at after `end` may be cut off.
    """

    text: bytes  # of UTF-16 in UTF-8, else as it stands in the file
    base: int  # offset of the text in the unpacked file
    start: int
    end: int
    wide: bool = False  # the file is UTF-16

    def offsets(self, at: Ints) -> Ints:
        """Bytes of the unpacked file before places of the text, (n,)."""
        return at + self.base if not self.wide else 2 * units(self.text, at) + self.base


def units(text: bytes, at: Ints) -> Ints:
    """How many units of UTF-16 stand before places of a text in UTF-8, (n,).

    >>> units("a초b".encode(), np.array([0, 1, 4, 5])).tolist()
    [0, 1, 2, 3]
    """
    if text.isascii():
        return at
    data = np.frombuffer(text, np.uint8)
    begins = ((data & 0xC0) != 0x80).astype(np.int64) + (data >= 0xF0)
    return np.concatenate([[0], np.cumsum(begins)])[at]


def head(place: Place, size: int = 65_536) -> bytes:
    """The first bytes of a place, unpacked, UTF-16 in UTF-8. Raises SourceError where they cannot be read."""
    start = raw_head(place, size)
    wide = wide_of(start)
    return start if wide is None else narrow(start, wide)


def raw_head(place: Place, size: int = 65_536) -> bytes:
    """The first bytes of a place, unpacked. Raises SourceError where they cannot be read."""
    with opened(place) as file:
        return file.read(size)


def encoding_at(place: Place) -> str:
    """The encoding of a text, by its first bytes and, where these are ASCII, some more. Raises SourceError."""
    with opened(place) as file:
        sample = file.read(_PIECE)
        if wide := wide_of(sample):
            return wide
        left = _PACKED_SAMPLE if is_packed(place) else _SAMPLE
        before, more = b"", sample
        while more and more.isascii() and left > 0:
            before, more = more, file.read(_PIECE)
            left -= _PIECE
        sample = before + more + (b"" if more.isascii() else file.read(_PIECE))
    return encoding_of(sample)


def stated(clock: str, *notes: str) -> str:
    """What a run says of a source beside what it counted: where its times come from, and what else was found out.

    >>> stated("column time", "utf-8"), stated("column time", "cp949")
    ('column time', 'column time; text in CP949 (Korean)')
    """
    told = [f"text in {TITLES.get(note, note)}" if known(note) else note for note in notes if note not in ("", UTF8)]
    return "; ".join([clock, *told])


def narrow(wide: bytes, encoding: str) -> bytes:
    """UTF-16 in UTF-8, half a unit at its end left out; never raises.

    >>> narrow("초".encode("utf-16-le") + b"x", "utf-16-le").decode()
    '초'
    """
    return wide[: len(wide) // 2 * 2].decode(encoding, "replace").encode()


def byte_chunks(source: Source, target_bytes: int) -> list[Chunk]:
    """Even byte ranges of about target_bytes; what is packed cannot be cut and is one chunk."""
    if is_packed(source.place):
        return [Chunk(source, 0, WHOLE)]
    count = max(1, -(-source.bytes // target_bytes))
    edges = [source.bytes * i // count for i in range(count + 1)]
    return [Chunk(source, a, b) for a, b in pairwise(edges) if b > a]


def windows(
    place: Place, start: int, end: int, step: int, before: int, after: int, encoding: str = UTF8
) -> Iterator[Window]:
    """The text of [start, end) in windows that own at most `step` bytes, in order.

    before, after: bytes looked at on both sides, before at least 1; encoding: UTF-16 is given in UTF-8, anything else
    as it stands. Raises SourceError where the file breaks off.
    """
    wide = encoding in UTF16
    whole_lines = partial(_wide_lines, encoding) if wide else _whole_lines
    if wide:  # whole units
        before, after, step = 2 * before, 2 * after, 2 * step
    with opened(place) as file:
        base = max(0, start - before)
        base -= base % 2 if wide else 0
        _skip(file, base)
        kept = b""
        while start < end:
            stop = min(start + step, end)
            kept += file.read(stop + after - base - len(kept))
            ended = base + len(kept) < stop + after
            yield whole_lines(kept, base, start, stop, ended)
            if ended and base + len(kept) <= stop:
                return
            start = stop
            passed = max(0, start - before - base)
            passed -= passed % 2 if wide else 0
            kept, base = kept[passed:], base + passed


def pieces(place: Place, step: int, encoding: str = UTF8) -> Iterator[bytes]:
    """The whole text of a place in UTF-8, some `step` bytes at a time, b"" at its end. Raises SourceError."""
    decoder = codecs.getincrementaldecoder(encoding)("stswatch.latin1" if encoding not in UTF16 else "replace")
    with opened(place) as file:
        while more := file.read(step):
            yield more if encoding == UTF8 else decoder.decode(more).encode()
    yield b""


def _skip(file: BufferedIOBase, size: int) -> None:
    """Pass over the first bytes of a file, of one that cannot be sought by reading them."""
    if file.seekable():
        file.seek(size)
        return
    while size and (passed := len(file.read(min(size, 1 << 20)))):
        size -= passed


def _whole_lines(kept: bytes, base: int, start: int, stop: int, ended: bool) -> Window:
    first = kept.find(b"\n") + 1 if base else 0
    if base and not first:
        return Window(b"", base, start, stop)
    last = kept.rfind(b"\n") + 1
    if ended or base + last < stop:  # a line that begins before `stop` is owned, whole or not
        last = len(kept)
    return Window(kept[first:last], base + first, start, stop)


def _wide_lines(encoding: str, kept: bytes, base: int, start: int, stop: int, ended: bool) -> Window:
    """As `_whole_lines`, of UTF-16."""
    units = np.frombuffer(kept[: len(kept) // 2 * 2], "<u2" if encoding == UTF16[0] else ">u2")
    newline = (np.flatnonzero(units == ord("\n")) + 1) * 2
    if base and not len(newline):
        return Window(b"", base, start, stop, True)
    first = int(newline[0]) if base else 0
    last = int(newline[-1]) if len(newline) else 0
    if ended or base + last < stop:
        last = len(units) * 2
    return Window(narrow(kept[first:last], encoding), base + first, start, stop, True)
