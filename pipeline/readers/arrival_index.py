"""When the bytes of a spool segment arrived: the index beside the segment, which itself holds only what was received.

    spool/NAME/20261125T210000.000Z.nmea          what was received
    spool/NAME/20261125T210000.000Z.nmea.index    a line for each stretch that went to the disk
    spool/NAME/20261125T210000.000Z.nmea.zst      both, packed: the index in frames that zstd skips (frames.py)

A line is JSON and the CRC-32 of that. The first is the header; each of the others holds begin and end of a stretch and
its CRC-32, [offset, arrival] pairs, and what the source noted. A line that is damaged says nothing and spoils nothing:
its bytes take the next arrival that is told: what seems to have come later is never taken for a wrong clock.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from stswatch.pipeline.decode.stamps import Arrivals

ENDING = ".index"
FORMATS = ("nmea", "json")
_PACKED = ".zst"
_VERSION = 2  # 1 had its arrival times between the lines of the text


@dataclass(frozen=True)
class Header:
    """What holds for a segment.

    recorded: arrivals are those that the sentences tell; previous: name of the segment before it; begun: sentences at
    the end of that one whose messages were not complete, with their arrivals, UTC microseconds: a reader takes them as
    lines before offset 0, so that each segment is decoded by itself.
    """

    source: str
    receiver: str = "unknown"
    licence: str = ""
    recorded: bool = False
    previous: str = ""
    begun: tuple[tuple[int, bytes], ...] = ()

    @property
    def context(self) -> bytes:
        """The lines before offset 0."""
        return b"".join(line for _, line in self.begun)


@dataclass(frozen=True)
class IndexEntry:
    """A stretch of whole lines on the disk, bytes [begin, end), and its CRC-32.

    arrivals: (offset, UTC microseconds) pairs, the first at begin; empty while no time was known. remarks: lines that
    the source gave for itself, without their ends. found: the stretch was found without an entry, at that time.
    """

    begin: int
    end: int
    crc: int
    arrivals: tuple[tuple[int, int], ...] = ()
    remarks: tuple[str, ...] = ()
    found: bool = False


@dataclass(frozen=True)
class ArrivalIndex:
    """An index as far as it can be read; lost: (begin, end) of stretches whose entries are damaged or missing."""

    header: Header | None = None
    entries: tuple[IndexEntry, ...] = ()
    lost: tuple[tuple[int, int], ...] = ()
    damaged: int = 0  # lines that cannot be read

    @property
    def size(self) -> int:
        """Bytes of the segment up to the end of the last entry."""
        return self.entries[-1].end if self.entries else 0

    def arrivals(self, next_us: int) -> Arrivals:
        """The arrival at every offset, the lines before offset 0 included.

        next_us: when the next segment was begun, for what lies behind all entries.
        """
        pairs: list[tuple[int, int]] = []
        if self.header is not None:
            at = -len(self.header.context)
            for arrival_us, line in self.header.begun:
                pairs += [(at, arrival_us)] if arrival_us else []
                at += len(line)
        lost, end = dict(self.lost), 0
        for entry in self.entries:
            if end in lost and entry.arrivals:
                pairs.append((end, entry.arrivals[0][1]))
            pairs += entry.arrivals
            end = entry.end
        if end in lost:
            pairs.append((end, max([next_us, *(us for _, us in pairs[-1:])])))
        return Arrivals.of(pairs)


def line(content: object) -> bytes:
    """A line of the index, with its end."""
    text = json.dumps(content, separators=(",", ":")).encode()
    return b"%s %08x\n" % (text, zlib.crc32(text))


def header_line(header: Header) -> bytes:
    """The first line of an index."""
    fields = asdict(header) | {"begun": [[us, text.decode("latin-1")] for us, text in header.begun]}
    return line({"spool": _VERSION} | fields)


def entry_line(entry: IndexEntry) -> bytes:
    """The line for a stretch."""
    more = [entry.remarks, entry.found] if entry.remarks or entry.found else []
    return line([entry.begin, entry.end, entry.crc, entry.arrivals, *more])


def parsed(text: bytes, size: int | None = None) -> ArrivalIndex:
    """An index as far as its lines are whole; never raises.

    size: bytes of the segment, where it is known; what lies behind the last entry is lost then.

    >>> parsed(header_line(Header("busan")) + entry_line(IndexEntry(0, 3, 7, ((0, 5),)))).size
    3
    """
    header, entries, lost, bad, end = None, [], [], 0, 0
    for entry in parsed_lines(text):
        if isinstance(entry, Header):
            header = entry
        elif entry is None:
            bad += 1
        elif entry.begin >= end:  # what was written twice, after an error of the disk, counts once
            if entry.begin > end:
                lost.append((end, entry.begin))
            entries.append(entry)
            end = entry.end
    if size is not None and size > end:
        lost.append((end, size))
    return ArrivalIndex(header, tuple(entries), tuple(lost), bad + (header is None))


def parsed_lines(text: bytes) -> Iterator[Header | IndexEntry | None]:
    """The lines of an index, None for one that cannot be read."""
    for each in text.splitlines():
        content, _, crc = each.rpartition(b" ")
        yield _parsed(content) if crc == b"%08x" % zlib.crc32(content) else None


def _parsed(text: bytes) -> Header | IndexEntry | None:
    try:
        content: Any = json.loads(text)
        if isinstance(content, dict):
            begun = tuple((us, line.encode("latin-1")) for us, line in content["begun"])
            names = ("source", "receiver", "licence", "recorded", "previous")
            fields: dict[str, Any] = {name: content[name] for name in names}
            return Header(**fields, begun=begun) if content["spool"] == _VERSION else None
        begin, end, crc, arrivals, remarks, found = [*content, (), False] if len(content) == 4 else content
        return IndexEntry(begin, end, crc, tuple((at, us) for at, us in arrivals), tuple(remarks), found)
    except (ValueError, KeyError, TypeError):
        return None


def beside(segment: str) -> str:
    """Where the index of a segment that is not packed lies.

    >>> beside("20231114T221320.123Z.nmea")
    '20231114T221320.123Z.nmea.index'
    """
    return segment + ENDING


def read_beside(segment: str) -> ArrivalIndex | None:
    """The index of a segment that is not packed; None where it has none. Raises OSError."""
    try:
        with open(beside(segment), "rb") as file:
            return parsed(file.read(), os.path.getsize(segment))
    except FileNotFoundError:
        return None


def format_of(path: str) -> str | None:
    """What the lines of a segment are, one of FORMATS; None where the name is none of a segment.

    >>> format_of("spool/busan/20231114T221320.123Z.json.zst"), format_of("busan.nmea")
    ('json', None)
    """
    begun, _, form = os.path.basename(path).removesuffix(_PACKED).rpartition(".")
    return form if form in FORMATS and begun_us(begun) is not None else None


def begun_us(name: str) -> int | None:
    """When a segment was begun, by its name without endings, UTC microseconds; None where it is no such name.

    >>> begun_us("20231114T221320.123Z"), begun_us("busan")
    (1700000000123000, None)
    """
    with suppress(ValueError):
        when = datetime.strptime(name, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
        return round((when - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000) * 1000
    return None


def next_begun_us(path: str) -> int:
    """When the segment after one was begun, or where there is none that one itself, UTC microseconds.

    What a segment is taken to have arrived at of which no time can be read.
    """
    name = _name(path)
    with suppress(OSError):
        later = [each for each in map(_name, os.listdir(os.path.dirname(path) or ".")) if each > name]
        times = [us for us in map(begun_us, sorted(later)) if us is not None]
        if times:
            return times[0]
    return own_begun_us(path)


def own_begun_us(path: str) -> int:
    """When a segment was begun, UTC microseconds; 0 where its name does not tell it.

    >>> own_begun_us("spool/busan/20231114T221320.123Z.nmea.zst")
    1700000000123000
    """
    return begun_us(_name(path)) or 0


def _name(path: str) -> str:
    plain = os.path.basename(path).removesuffix(_PACKED)
    return plain.rpartition(".")[0] if plain.endswith(tuple(f".{form}" for form in FORMATS)) else ""


def describe_index(path: str, index: ArrivalIndex) -> list[str]:
    """What there is to say of an index, a sentence each; path: of the segment."""
    found = [LOST.format(path, f"bytes {begin:,} to {end:,}") for begin, end in index.lost]
    if index.header is None:
        found.append(f"{path}: what its index says of the source cannot be read any more; the rest is used")
    elif index.damaged and not found:
        found.append(f"{path}: of the arrival times of silence some cannot be read any more; nothing depends on them")
    return found


LOST = "{}: the arrival times of {} cannot be read any more; they count as arrived at the next time that is known"
