"""Spool segments as they are read: in frames that are verified one by one, so that what is damaged is known.

Packed, a segment is zstd in frames of whole lines:

    a frame to skip: TAG, the arrival index   see arrival_index.py
    frames with data, each with the checksum of its content, as `zstd --check` writes it
    a frame to skip: TAG, the arrival index   once more
    two frames to skip: TAG, the frames       length of each, packed and unpacked, and CRC-32 of its packed bytes

Any zstd reads it, verifies the content, and gives what was received. Not packed, a frame is a stretch of which the
index beside it holds the checksum. Blanks of the same length stand for what is damaged, so that every other line keeps
its place. Source: RFC 8878, 3.1.2 Skippable Frames.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import numpy as np
import zstandard

from stswatch.pipeline.decode.stamps import Arrivals
from stswatch.pipeline.readers import arrival_index
from stswatch.pipeline.readers.arrival_index import ArrivalIndex, Header
from stswatch.pipeline.readers.source import WHOLE

TAG = b"stswatch"
_SKIP = 0x184D2A57
_HEAD = struct.Struct("<II8sI")  # magic number, length of what follows, TAG, CRC-32 of the rest
_OF_HOUR = 60  # a frame is a minute of an even hour: what is lost with one is shorter than any gap
_LEAST, _MOST = 16_384, 1 << 20
_BLANK = b" " * 63 + b"\n"
_LEVEL = 1
_INDEX_BYTES = 1 << 18  # at the end of a file, in which both copies of the list of frames lie


@dataclass(frozen=True)
class Frame:
    """Where a frame begins and how long it is, bytes, packed and unpacked; CRC-32 of its packed bytes, None where
    nobody knows it."""

    at: int
    packed: int
    begins: int
    unpacked: int
    crc: int | None


@dataclass(frozen=True)
class Index:
    """The frames of a segment and when their bytes arrived; whole: whether they are all, or the file was cut off."""

    frames: tuple[Frame, ...]
    arrivals: ArrivalIndex = field(default_factory=ArrivalIndex, repr=False)
    whole: bool = True
    packed: bool = True
    spare: bool = True  # whether both copies of all that is not text are sound


def pack(lines: BinaryIO, size: int, out: BinaryIO, index: bytes) -> None:
    """Write whole lines, so many bytes, as frames with their arrival index. Raises OSError."""
    aside = _to_skip(zstandard.ZstdCompressor(level=_LEVEL).compress(index))
    out.write(aside)
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    frames: list[tuple[int, int, int]] = []
    step = min(max(size // _OF_HOUR, _LEAST), _MOST)
    while piece := lines.read(step):
        piece += lines.readline()
        frame = compressor.compress(piece)
        out.write(frame)
        frames.append((len(frame), len(piece), zlib.crc32(frame)))
    trailer = _to_skip(json.dumps({"begin": len(aside), "frames": frames}, separators=(",", ":")).encode())
    out.write(aside + trailer + trailer)


def _to_skip(content: bytes) -> bytes:
    return _HEAD.pack(_SKIP, len(TAG) + 4 + len(content), TAG, zlib.crc32(content)) + content


def _skipped(data: bytes, at: int) -> bytes | None:
    """What a frame to skip of ours holds; None where there is none or it is damaged."""
    if len(data) - at < _HEAD.size:
        return None
    magic, length, tag, crc = _HEAD.unpack_from(data, at)
    content = data[at + _HEAD.size : at + 8 + length]
    whole = len(content) == 8 + length - _HEAD.size
    return content if whole and (magic, tag) == (_SKIP, TAG) and zlib.crc32(content) == crc else None


def index_of(file: BinaryIO) -> Index | None:
    """The index of a packed segment, found again from its frames where it was cut off; None for any other file.

    Raises OSError.
    """
    size = file.seek(0, os.SEEK_END)
    begin = max(0, size - _INDEX_BYTES)
    file.seek(begin)
    end = file.read(_INDEX_BYTES)
    at = len(end)
    while (at := end.rfind(TAG, 0, at)) >= 8:
        content = _skipped(end, at - 8)
        if content is not None and (frames := _parsed(content)) is not None:
            behind = frames[-1].at + frames[-1].packed if frames else json.loads(content)["begin"]
            copies = [_aside(file, 0), _aside(file, behind)]
            length = len(_to_skip(content))
            lists = [_skipped(end, len(end) - k * length) for k in (1, 2)] if 2 * length <= len(end) else [None]
            arrivals = _arrivals(copies[0] or copies[1], _unpacked(frames))
            return Index(tuple(frames), arrivals, spare=None not in copies and lists == [content, content])
    first = _aside(file, 0)
    return None if first is None else _found_again(file, first)


def _aside(file: BinaryIO, at: int) -> bytes | None:
    """What the frame to skip at a place holds, the arrival index, as it lies there; None where it is damaged."""
    file.seek(at)
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size or head[8:16] != TAG:
        return None
    return _skipped(head + file.read(_HEAD.unpack(head)[1] + 8 - _HEAD.size), 0)


def _arrivals(packed: bytes | None, size: int | None) -> ArrivalIndex:
    return arrival_index.parsed(zstandard.ZstdDecompressor().decompress(packed) if packed else b"", size)


def _parsed(content: bytes) -> list[Frame] | None:
    try:
        index = json.loads(content)
        frames, at, begins = [], int(index["begin"]), 0
        for packed, unpacked, crc in index["frames"]:
            frames.append(Frame(at, packed, begins, unpacked, crc))
            at, begins = at + packed, begins + unpacked
    except (ValueError, TypeError, KeyError):
        return None  # an arrival index
    return frames


def _unpacked(frames: Iterable[Frame]) -> int:
    return sum(frame.unpacked for frame in frames)


def _found_again(file: BinaryIO, first: bytes) -> Index | None:
    """The frames of a file that was cut off, up to the first that is not whole."""
    try:
        arrivals = _arrivals(first, None)
    except zstandard.ZstdError:
        return None
    if arrivals.header is None:
        return None
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
    return Index(tuple(frames), arrivals, whole=False)


def stretches_of(path: str) -> Index | None:
    """The index of a segment that is not packed; None for a file without one beside it. Raises OSError."""
    if arrival_index.format_of(path) is None:
        return None
    found = arrival_index.read_beside(path)
    if found is None:
        return None
    frames, end, size = [], 0, os.path.getsize(path)
    for entry in found.entries:
        if entry.begin > end:
            frames.append(Frame(end, entry.begin - end, end, entry.begin - end, None))
        if entry.end > entry.begin:
            stretch = entry.end - entry.begin
            frames.append(Frame(entry.begin, stretch, entry.begin, stretch, entry.crc))
        end = entry.end
    if size > end:
        frames.append(Frame(end, size - end, end, size - end, None))
    return Index(tuple(frames), found, packed=False)


class SegmentReader(io.RawIOBase):
    """The unpacked bytes of a segment, every frame verified; blanks in place of what is damaged."""

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
            packed = sound(self._file, frame)
            if packed is None:
                yield blanks(frame.unpacked)
            else:
                yield _content(packed, frame) if self._index.packed else packed


def sound(file: BinaryIO, frame: Frame) -> bytes | None:
    """The bytes of a frame; None where they are damaged."""
    file.seek(frame.at)
    packed = file.read(frame.packed)
    sound = len(packed) == frame.packed and frame.crc in (None, zlib.crc32(packed))
    return packed if sound else None


def _content(packed: bytes, frame: Frame) -> bytes:
    try:
        return zstandard.ZstdDecompressor().decompress(packed, max_output_size=frame.unpacked)
    except (
        zstandard.ZstdError
    ) as error:  # sound as written, and no content: not damage, but a fault of whoever wrote it
        raise OSError(str(error)) from error


def blanks(size: int) -> bytes:
    r"""Lines without content, so many bytes in all.

    >>> blanks(70)[60:]
    b'   \n     \n'
    """
    lines, rest = divmod(size, len(_BLANK))
    return _BLANK * lines + (b" " * (rest - 1) + b"\n" if rest else b"")


def segment_index(path: str) -> Index | None:
    """The index of a segment, packed or not; None for any other file. Raises OSError."""
    with open(path, "rb") as file:
        return index_of(file) or stretches_of(path)


def header_of(path: str) -> Header | None:
    """What the index of a segment says of it; None where it is damaged, or no index is there. Raises OSError."""
    with suppress(FileNotFoundError):
        if arrival_index.format_of(path) and os.path.exists(path):
            with open(arrival_index.beside(path), "rb") as file:  # it is asked with each look of a watch
                if isinstance(first := next(arrival_index.parsed_lines(file.readline()), None), Header):
                    return first
    index = segment_index(path)
    return None if index is None else index.arrivals.header


def arrivals_of(path: str) -> Arrivals | None:
    """When the bytes of a segment arrived; None for any other file. Raises OSError."""
    index = segment_index(path)
    return None if index is None else index.arrivals.arrivals(arrival_index.next_begun_us(path))


def damage(path: str) -> list[str]:
    """What is damaged of a segment, a sentence for each stretch; nothing for any other file. Raises OSError."""
    index = segment_index(path)
    if index is None:
        return []
    found = damaged_text(path, index) + arrival_index.describe_index(path, index.arrivals)
    now = _damaged(path, index)
    before = [(begin, end) for begin, end in _differing(path, index) if not any(a < end and begin < b for a, b in now)]
    found += [BLANK.format(path, begin, end) for begin, end in before] if index.whole else []
    return found if index.spare or found else [SPARE.format(path)]


def damaged_text(path: str, index: Index) -> list[str]:
    """What of the text of a segment is damaged, a sentence for each stretch. Raises OSError."""
    found = [LOST.format(path, f"bytes {begin:,} to {end:,} of its text") for begin, end in _damaged(path, index)]
    return found if index.whole else [*found, LOST.format(path, "it was cut off: its end")]


def _damaged(path: str, index: Index) -> list[tuple[int, int]]:
    """Where the text of a segment is damaged, bytes unpacked. Raises OSError."""
    with open(path, "rb") as file:
        return stretches(frame for frame in index.frames if sound(file, frame) is None)


def _differing(path: str, index: Index, start: int = 0, stop: int = WHOLE) -> list[tuple[int, int]]:
    """Stretches of the text that are not what was received, bytes unpacked: damaged now, or when they were packed.

    index: of all frames, or of those that hold bytes from start to before stop. Raises OSError.
    """
    found, at = [], index.frames[0].begins if index.frames else 0
    with open(path, "rb") as file:
        text = io.BufferedReader(SegmentReader(file, index), _MOST)
        for entry in index.arrivals.entries:
            if entry.begin >= stop or entry.end <= start:
                continue
            text.read(entry.begin - at)
            if zlib.crc32(text.read(entry.end - entry.begin)) != entry.crc:
                found.append((entry.begin, entry.end))
            at = entry.end
    return found


def lost_spans(path: str, start: int, stop: int) -> list[tuple[int, int]]:
    """From the arrival before to the one after what is damaged of a segment, UTC microseconds; none of any other file.

    start, stop: of which bytes of its text, unpacked; frames are taken whole. Raises OSError.
    """
    index = segment_index(path)
    if index is None:
        return []
    frames = (frame for frame in index.frames if frame.begins < stop and frame.begins + frame.unpacked > start)
    index = replace(index, frames=tuple(frames))
    first_us, next_us = (at(path) for at in (arrival_index.own_begun_us, arrival_index.next_begun_us))
    arrivals = index.arrivals.arrivals(next_us)
    found = np.array(_damaged(path, index) + _differing(path, index, start, stop), np.int64).reshape(-1, 2)
    edges = zip(arrivals.at(found[:, 0] - 1).tolist(), arrivals.at(found[:, 1]).tolist(), strict=True)
    return [(max(begin_us, first_us), max(end_us, first_us)) for begin_us, end_us in edges]


SPARE = "{}: one of two copies of its index is damaged; the other is used; a copy of the file makes it whole"
BLANK = "{}: bytes {:,} to {:,} of its text were damaged when it was packed and count as not received; the rest is used"
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
