"""zstd in frames of whole lines that are verified one by one: what is damaged is known, and the rest can be read.

    a frame to skip: TAG, the first line      so that it is known where the first frame with data is damaged
    frames with data, each with the checksum of its content, as `zstd --check` writes it
    two frames to skip: TAG, the index        length of each frame, packed and unpacked, and CRC-32 of its packed bytes

Any zstd reads it, and verifies the content. Blanks of the same length stand for what is damaged, so that every other
line keeps its place. Source: RFC 8878, 3.1.2 Skippable Frames.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import zstandard

TAG = b"stswatch"
_SKIP = 0x184D2A57
_HEAD = struct.Struct("<II8sI")  # magic number, length of what follows, TAG, CRC-32 of the rest
_OF_HOUR = 60  # a frame is a minute of an even hour: what is lost with one is shorter than any gap
_LEAST, _MOST = 16_384, 1 << 20
_BLANK = b" " * 63 + b"\n"
_LEVEL = 1
_INDEX_BYTES = 1 << 18  # at the end of a file, in which both copies of the index lie


@dataclass(frozen=True)
class Frame:
    """Where a frame begins and how long it is, bytes, packed and unpacked; CRC-32 of its packed bytes."""

    at: int
    packed: int
    begins: int
    unpacked: int
    crc: int


@dataclass(frozen=True)
class Index:
    """The first line of a file, with its end, and its frames; whether they are all, or the file was cut off."""

    first: bytes
    frames: tuple[Frame, ...]
    whole: bool = True


def pack(lines: BinaryIO, out: BinaryIO) -> None:
    """Write whole lines as frames. Raises OSError."""
    size = lines.seek(0, os.SEEK_END)
    lines.seek(0)
    first = lines.readline(_LEAST)
    lines.seek(0)
    out.write(_to_skip(first))
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    told: list[tuple[int, int, int]] = []
    step = min(max(size // _OF_HOUR, _LEAST), _MOST)
    while piece := lines.read(step):
        piece += lines.readline()
        frame = compressor.compress(piece)
        out.write(frame)
        told.append((len(frame), len(piece), zlib.crc32(frame)))
    index = _to_skip(json.dumps([first.decode("latin-1"), told], separators=(",", ":")).encode())
    out.write(index + index)


def _to_skip(content: bytes) -> bytes:
    return _HEAD.pack(_SKIP, len(TAG) + 4 + len(content), TAG, zlib.crc32(content)) + content


def _skipped(data: bytes, at: int) -> bytes | None:
    """What a frame to skip of ours holds; None where there is none or it is damaged."""
    if len(data) - at < _HEAD.size:
        return None
    magic, length, tag, crc = _HEAD.unpack_from(data, at)
    content = data[at + _HEAD.size : at + 8 + length]
    return content if (magic, tag) == (_SKIP, TAG) and zlib.crc32(content) == crc else None


def index_of(file: BinaryIO) -> Index | None:
    """The index of a file, found again from its frames where it was cut off; None where it is no file of this kind.

    Raises OSError.
    """
    size = file.seek(0, os.SEEK_END)
    begin = max(0, size - _INDEX_BYTES)
    file.seek(begin)
    end = file.read(_INDEX_BYTES)
    at = len(end)
    while (at := end.rfind(TAG, 0, at)) >= 8:
        content = _skipped(end, at - 8)
        if content is not None and (found := _parsed(content)) is not None:
            return found
    file.seek(0)
    first = _skipped(file.read(_HEAD.size + _LEAST), 0)
    return None if first is None else _found_again(file, first)


def _parsed(content: bytes) -> Index | None:
    try:
        first, told = json.loads(content)
        frames, at, begins = [], len(_to_skip(first.encode("latin-1"))), 0
        for packed, unpacked, crc in told:
            frames.append(Frame(at, packed, begins, unpacked, crc))
            at, begins = at + packed, begins + unpacked
    except (ValueError, TypeError, AttributeError):
        return None  # the frame at the beginning, which holds a line
    return Index(first.encode("latin-1"), tuple(frames))


def _found_again(file: BinaryIO, first: bytes) -> Index:
    """The frames of a file that was cut off, up to the first that is not whole."""
    at, begins = len(_to_skip(first)), 0
    frames: list[Frame] = []
    file.seek(at)
    data = file.read()
    while data:
        one = zstandard.ZstdDecompressor().decompressobj()
        try:
            unpacked = len(one.decompress(data))
        except zstandard.ZstdError:
            break
        if not one.eof:
            break
        packed = len(data) - len(one.unused_data)
        if unpacked:
            frames.append(Frame(at, packed, begins, unpacked, zlib.crc32(data[:packed])))
        at, begins, data = at + packed, begins + unpacked, one.unused_data
    return Index(first, tuple(frames), whole=False)


class Lines(io.RawIOBase):
    """The unpacked bytes of such a file, every frame verified; blanks in place of what is damaged."""

    def __init__(self, file: BinaryIO, index: Index) -> None:
        self._file, self._index = file, index
        self._pieces = self._unpacked()
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """It can be read, from the first byte to the last."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer; gives how many bytes. Raises OSError."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _unpacked(self) -> Iterator[bytes]:
        for frame in self._index.frames:
            packed = _packed(self._file, frame)
            yield blanks(self._index.first, frame) if packed is None else _content(packed, frame)


def _packed(file: BinaryIO, frame: Frame) -> bytes | None:
    """The bytes of a frame; None where they are damaged."""
    file.seek(frame.at)
    packed = file.read(frame.packed)
    return packed if len(packed) == frame.packed and zlib.crc32(packed) == frame.crc else None


def _content(packed: bytes, frame: Frame) -> bytes:
    try:
        return zstandard.ZstdDecompressor().decompress(packed, max_output_size=frame.unpacked)
    except (
        zstandard.ZstdError
    ) as error:  # sound as written, and no content: not damage, but a fault of whoever wrote it
        raise OSError(str(error)) from error


def blanks(first: bytes, frame: Frame) -> bytes:
    r"""Lines without content as long as what a frame held; the first frame begins with the first line all the same.

    >>> blanks(b"# a\n", Frame(0, 0, 0, 70, 0))[:6], len(blanks(b"# a\n", Frame(0, 0, 64, 70, 0)))
    (b'# a\n  ', 70)
    """
    begin = first if not frame.begins else b""
    missing = frame.unpacked - len(begin)
    lines, rest = divmod(missing, len(_BLANK))
    return begin + _BLANK * lines + (b" " * (rest - 1) + b"\n" if rest else b"")


def damage(path: str) -> list[str]:
    """What is damaged of a file of this kind, a sentence for each stretch; nothing for any other. Raises OSError."""
    with open(path, "rb") as file:
        index = index_of(file)
        if index is None:
            return []
        bad = [frame for frame in index.frames if _packed(file, frame) is None]
    said = [LOST.format(path, f"bytes {begin:,} to {end:,} of its text") for begin, end in stretches(bad)]
    return said if index.whole else [*said, LOST.format(path, "it was cut off: its end")]


LOST = "{}: {} cannot be read any more and counts as not received; the rest is used; a copy of the file makes it whole"


def stretches(frames: Iterable[Frame]) -> list[tuple[int, int]]:
    """Where frames lie, bytes unpacked, those that touch as one."""
    found: list[tuple[int, int]] = []
    for frame in frames:
        begin, end = frame.begins, frame.begins + frame.unpacked
        if found and found[-1][1] == begin:
            begin = found.pop()[0]
        found.append((begin, end))
    return found
