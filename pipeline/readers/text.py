"""Text, packed or not, as windows of bytes: what a window owns, and enough of what lies round it."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from itertools import pairwise

from stswatch.pipeline.readers.base import WHOLE, Chunk, Place, Source
from stswatch.pipeline.readers.packing import is_packed, opened


def _as_latin1(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error("stswatch.latin1", _as_latin1)  # names in older archives are not UTF-8


def as_utf8(block: bytes) -> bytes:
    """The same text in UTF-8: bytes that are none are taken for Latin-1; never raises.

    >>> as_utf8("CHÓ".encode("latin-1")).decode()
    'CHÓ'
    """
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return block.decode("utf-8", "stswatch.latin1").encode()
    return block


@dataclass(frozen=True)
class Window:
    """Whole lines of a text; those that begin in [start, end) are owned, the others are only looked at.

    Only a line that is longer than the bytes looked at after `end` may be cut off.
    """

    text: bytes
    base: int  # offset of the text in the unpacked file
    start: int
    end: int


def head(place: Place, size: int = 65_536) -> bytes:
    """The first bytes of a place, unpacked. Raises SourceError where they cannot be read."""
    with opened(place) as file:
        return file.read(size)


def byte_chunks(source: Source, target_bytes: int) -> list[Chunk]:
    """Even byte ranges of about target_bytes; what is packed cannot be cut and is one chunk."""
    if is_packed(source.place):
        return [Chunk(source, 0, WHOLE)]
    count = max(1, -(-source.bytes // target_bytes))
    edges = [source.bytes * i // count for i in range(count + 1)]
    return [Chunk(source, a, b) for a, b in pairwise(edges) if b > a]


def windows(place: Place, start: int, end: int, step: int, before: int, after: int) -> Iterator[Window]:
    """The text of [start, end) in windows that own at most `step` bytes, in order.

    before, after: bytes looked at on both sides, before at least 1. Raises SourceError where the file breaks
    off.
    """
    with opened(place) as file:
        base = max(0, start - before)
        _skip(file, base)
        kept = b""
        while start < end:
            stop = min(start + step, end)
            kept += file.read(stop + after - base - len(kept))
            ended = base + len(kept) < stop + after
            yield _whole_lines(kept, base, start, stop, ended)
            if ended and base + len(kept) <= stop:
                return
            start = stop
            passed = max(0, start - before - base)
            kept, base = kept[passed:], base + passed


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
