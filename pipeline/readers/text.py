"""Text files, plain or gzip, as windows of bytes: what a window owns, and enough of what lies round it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from itertools import pairwise
from typing import cast

from stswatch.pipeline.readers.base import WHOLE, Chunk, Source, SourceError

GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class Window:
    """Whole lines of a text; those that begin in [start, end) are owned, the others are only looked at.

    Only a line that is longer than the bytes looked at after `end` may be cut off.
    """

    text: bytes
    base: int  # offset of the text in the decompressed file
    start: int
    end: int


def unreadable(path: str, error: OSError) -> SourceError:
    """What to say of a file that the system does not give."""
    told = error.strerror or error
    return SourceError(f"{path}: cannot be read ({told}); check the path, its permissions and the disk that it lies on")


def is_gzip(path: str) -> bool:
    """Whether a file begins as gzip does. Raises SourceError where it cannot be opened."""
    try:
        with open(path, "rb") as file:
            return file.read(2) == GZIP_MAGIC
    except OSError as error:
        raise unreadable(path, error) from error


@contextmanager
def open_text(path: str, gz: bool) -> Iterator[BufferedIOBase]:
    """The decompressed bytes of a file. Raises SourceError where it cannot be read or breaks off."""
    try:
        with gzip.open(path) if gz else open(path, "rb") as file:
            yield cast(BufferedIOBase, file)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(f"{path}: the gzip data breaks off or is damaged ({error}); fetch the file again") from error
    except OSError as error:
        raise unreadable(path, error) from error


def head(path: str, size: int = 65_536) -> bytes:
    """The first bytes of a file, decompressed. Raises SourceError where they cannot be read."""
    with open_text(path, is_gzip(path)) as file:
        return file.read(size)


def byte_chunks(source: Source, gz: bool, target_bytes: int) -> list[Chunk]:
    """Even byte ranges of about target_bytes; gzip cannot be cut and is one chunk."""
    if gz:
        return [Chunk(source, 0, WHOLE)]
    count = max(1, -(-source.bytes // target_bytes))
    edges = [source.bytes * i // count for i in range(count + 1)]
    return [Chunk(source, a, b) for a, b in pairwise(edges) if b > a]


def windows(path: str, gz: bool, start: int, end: int, step: int, before: int, after: int) -> Iterator[Window]:
    """The text of [start, end) in windows that own at most `step` bytes, in order.

    before, after: bytes looked at on both sides, before at least 1. Raises SourceError where the file breaks
    off.
    """
    with open_text(path, gz) as file:
        base = max(0, start - before)
        file.seek(base)
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


def _whole_lines(kept: bytes, base: int, start: int, stop: int, ended: bool) -> Window:
    first = kept.find(b"\n") + 1 if base else 0
    if base and not first:
        return Window(b"", base, start, stop)
    last = kept.rfind(b"\n") + 1
    if ended or base + last < stop:  # a line that begins before `stop` is owned, whole or not
        last = len(kept)
    return Window(kept[first:last], base + first, start, stop)
