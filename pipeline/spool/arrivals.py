"""The lines in a segment that say when what follows them arrived.

In NMEA a Gatehouse line, `$PGHP,1,2026,11,25,21,0,0,123,,,MARK,1,*hh`, which this program and others take for the time
of the sentences after it; in JSON `{"arrival":"2026-11-25T21:00:00.123Z","mark":MARK}`. The mark tells them from what a
source says of itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from operator import xor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stswatch.pipeline.sources.base import Format
from stswatch.pipeline.spool.segments import format_of, header_of, micros, reading, time_of, utc

Ints = NDArray[np.int64]
_PIECE_BYTES = 4 << 20


@dataclass(frozen=True)
class Arrivals:
    """Writes and finds the arrival lines of one segment."""

    format: Format
    mark: int

    def line(self, arrival_us: int) -> bytes:
        """The line for a time, UTC microseconds, to the millisecond.

        >>> Arrivals("nmea", 123456789).line(1_700_000_000_123_456)
        b'$PGHP,1,2023,11,14,22,13,20,123,,,123456789,1,*24\\n'
        """
        if self.format == "json":
            return b'{"arrival":"%s","mark":%d}\n' % (iso(arrival_us).encode(), self.mark)
        when = utc(arrival_us)
        fields = when.year, when.month, when.day, when.hour, when.minute, when.second, when.microsecond // 1000
        body = b"PGHP,1,%s,,,%d,1," % (",".join(map(str, fields)).encode(), self.mark)
        return b"$%s*%02X\n" % (body, reduce(xor, body))

    def find(self, text: bytes) -> tuple[Ints, Ints]:
        """Where the arrival lines of a text begin (n,), and what they say (n,), UTC microseconds.

        The text begins at the beginning of a line.

        >>> arrivals = Arrivals("json", 5)
        >>> [found.tolist() for found in arrivals.find(b"{}\\n" + arrivals.line(1_000_000))]
        [[3], [1000000]]
        """
        found = list(self._pattern().finditer(b"\n" + text))
        time = [_told(self.format, m) for m in found]
        return np.array([m.start() for m in found], np.int64), np.array(time, np.int64)

    def told_before(self, text: bytes, at: Ints) -> Ints:
        """What holds at offsets (n,) in a text, UTC microseconds; 0 where nothing was said before."""
        stamp_at, stamp_us = self.find(text)
        return np.concatenate([[0], stamp_us])[np.searchsorted(stamp_at, at, side="right")]

    def _pattern(self) -> re.Pattern[bytes]:
        if self.format == "json":
            return re.compile(rb'\n\{"arrival":"([^"\n]*)","mark":%d\}(?=\n)' % self.mark)
        return re.compile(rb"\n\$PGHP,1,((?:\d+,){7}),,%d,1,\*..(?=\n)" % self.mark)


def iso(arrival_us: int) -> str:
    """A time as JSON tells it.

    >>> iso(1_500_000)
    '1970-01-01T00:00:01.500Z'
    """
    return f"{utc(arrival_us):%Y-%m-%dT%H:%M:%S}.{arrival_us // 1000 % 1000:03d}Z"


def _told(form: Format, found: re.Match[bytes]) -> int:
    if form == "json":
        return time_of(found[1].decode().replace("-", "").replace(":", ""))
    year, month, day, hour, minute, second, ms = map(int, found[1].split(b",")[:7])
    return micros(datetime(year, month, day, hour, minute, second, ms * 1000, UTC))


class Stamper:
    """Puts arrival lines before the lines of one segment."""

    def __init__(self, arrivals: Arrivals, at_least_every: int) -> None:
        self.last_us = 0  # what the last arrival line says; 0 before the first
        self._arrivals, self._every, self._since = arrivals, at_least_every, 0

    def stamped(self, arrival_us: int, lines: bytes) -> bytes:
        """The lines that arrived at a time, an arrival line before at most so many bytes of them.

        Where the same is still being said none is added; 0 is no time. Without lines it is a sign of life.
        """
        found = []
        while True:
            if arrival_us and (arrival_us != self.last_us or self._since + len(lines) > self._every):
                found.append(self._arrivals.line(arrival_us))
                self.last_us, self._since = arrival_us, 0
            cut = len(lines)
            if cut > self._every:
                cut = lines.rfind(b"\n", 0, self._every) + 1 or lines.find(b"\n") + 1
            found.append(lines[:cut])
            self._since += cut
            lines = lines[cut:]
            if not lines:
                return b"".join(found)


def stamps_of(path: Path) -> tuple[Ints, Ints]:
    """Where a segment tells arrivals, offsets of whole lines, and which, UTC microseconds. Raises SourceError."""
    header = header_of(path)
    arrivals = Arrivals(format_of(path), header.mark if header else 0)
    at, told_us = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    base, rest = 0, b""
    with reading(path) as file:
        while more := file.read(_PIECE_BYTES):
            text = rest + more
            end = text.rfind(b"\n") + 1
            found_at, found_us = arrivals.find(text[:end])
            at.append(found_at + base)
            told_us.append(found_us)
            base, rest = base + end, text[end:]
    return np.concatenate(at), np.concatenate(told_us)
