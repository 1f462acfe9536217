"""Checksums of a segment that is not packed yet, in a file beside it: a line for each stretch that went to the disk.

    spool/NAME/20261125T210000.000Z.nmea.crc     the first line of the segment, then [begin, end, CRC-32], each with a
                                                 CRC-32 of its own behind it

A line that was cut off or damaged vouches for nothing and spoils nothing. The file goes when the segment is packed.
"""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from stswatch.pipeline.readers.frames import LOST, Frame, blanks, stretches

ENDING = ".crc"
_KEPT = ".damaged"  # ending of the copy of what was found


def beside(segment: Path) -> Path:
    """Where the checksums of a segment lie."""
    return segment.with_name(segment.name + ENDING)


def note(segment: Path, begin: int, stretch: bytes | bytearray) -> None:
    """Note what went to the disk behind the first bytes of a segment; never raises: without it nothing is verified."""
    told = [begin, begin + len(stretch), zlib.crc32(stretch)]
    lines = [] if begin else [bytes(stretch[: stretch.find(b"\n") + 1]).decode("latin-1")]
    with suppress(OSError), beside(segment).open("ab") as file:
        file.write(b"".join(map(_line, [*lines, told])))


def _line(told: object) -> bytes:
    text = json.dumps(told).encode()
    return b"%s %08x\n" % (text, zlib.crc32(text))


def _noted(path: Path) -> Iterator[object]:
    with suppress(FileNotFoundError):
        for line in path.read_bytes().splitlines():
            text, _, crc = line.rpartition(b" ")
            if crc == b"%08x" % zlib.crc32(text):
                yield json.loads(text)


def mend(segment: Path) -> list[str]:
    """Put blanks in place of what is damaged in a segment that nobody writes; gives a sentence for each stretch.

    What was found is kept beside it. Raises OSError.
    """
    first, bad = b"", []
    with segment.open("rb") as file:
        for told in _noted(beside(segment)):
            if isinstance(told, str):
                first = told.encode("latin-1")
            elif isinstance(told, list):
                begin, end, crc = told
                file.seek(begin)
                held = file.read(end - begin)
                if len(held) == end - begin and zlib.crc32(held) != crc:
                    bad.append(Frame(begin, end - begin, begin, end - begin, crc))
    if bad:
        shutil.copyfile(segment, segment.with_name(segment.name + _KEPT))
        with segment.open("r+b") as out:
            for stretch in bad:
                out.seek(stretch.begins)
                out.write(blanks(first, stretch))
    return [LOST.format(segment, f"bytes {begin:,} to {end:,}") for begin, end in stretches(bad)]
