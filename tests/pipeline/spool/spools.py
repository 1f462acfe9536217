"""Spools for tests: a clock set by hand, what lies in a spool, and what the readers make of it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from stswatch.pipeline.readers.arrival_index import Header, IndexEntry, beside, entry_line, header_line
from stswatch.pipeline.readers.formats import chunks, open_source, read
from stswatch.pipeline.readers.frames import segment_index
from stswatch.pipeline.sources.address import Format
from stswatch.pipeline.spool.segments import arrivals_of, segments
from stswatch.pipeline.spool.tail import Tail
from stswatch.pipeline.spool.writer import Limits, Spool
from tests.pipeline.decode.captures import sentence, tagged
from tests.pipeline.readers.gather import together

NOON_US = 1_764_072_000_000_000  # 2025-11-25T12:00:00Z
POSITION = b"13HOI:0P0000VOHLCnHQKwvL05Ip"


@dataclass
class ByHand:
    """A clock of arrivals, and one of the machine, that stand still until they are set."""

    us: int = NOON_US
    seconds: float = 1000.0
    floors: list[int] = field(default_factory=list)

    def now_us(self) -> int:
        return self.us

    def marks(self, lines: bytes) -> list[tuple[int, int]]:
        return [(0, self.us)]

    def trouble(self) -> str | None:
        return None

    def not_before(self, arrival_us: int) -> None:
        self.floors.append(arrival_us)

    def pass_s(self, seconds: float) -> None:
        """Let time pass on both."""
        self.us += round(seconds * 1e6)
        self.seconds += seconds


def spool(data: Path, clock: ByHand | None = None, form: Format = "nmea", **limits: Any) -> Spool:
    clock = clock or ByHand()
    return Spool(data / "spool", "busan", form, clock, Limits(**limits), monotonic=lambda: clock.seconds)


def everything(folder: Path, position=None, until=None, **how) -> bytes:
    """All that a source sent, as it lies in its spool."""
    tail = Tail(folder, position)
    text = b"".join(piece.text for piece in tail.all(until, **how))
    tail.close()
    return text


received = everything


def arrivals(folder: Path) -> int:
    """How many arrivals the indices of a spool tell."""
    return sum(len(arrivals_of(path).offset) for path in segments(folder))


def remarks(path: Path) -> list[str]:
    """What a source gave beside what it received, in a segment."""
    index = segment_index(str(path))
    return [] if index is None else [each for entry in index.arrivals.entries for each in entry.remarks]


def written(path: Path, came: list[tuple[int, bytes]], header: Header | None = None) -> None:
    """A segment that is not packed, with what came and when, UTC microseconds."""
    text, lines = b"", header_line(header or Header(path.parent.name))
    for arrival_us, data in came:
        lines += entry_line(IndexEntry(len(text), len(text) + len(data), zlib.crc32(data), ((len(text), arrival_us),)))
        text += data
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    Path(beside(str(path))).write_bytes(lines)


def decoded(*paths: Path, form: str = "nmea", **how):
    """What the program reads in these archives."""
    sources = [open_source(path, format=form, **how) for path in paths]
    return together(batch for source in sources for chunk in chunks(source) for batch in read(chunk))


def decoded_spool(folder: Path):
    return decoded(*segments(folder))


def times_s(table: pa.Table) -> list[float]:
    """Times of rows, s since 1970, in order."""
    return sorted(when.timestamp() for when in table["time"].to_pylist())


def bare(count: int) -> bytes:
    """So many positions without a time."""
    return (sentence(POSITION) + b"\n") * count


def collected(times: range | list[int]) -> bytes:
    """Positions that tell their time, s since 1970."""
    line = sentence(POSITION) + b"\n"
    return b"".join(tagged(line, each) for each in times)
