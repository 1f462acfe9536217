"""Where the times of a capture come from: its own stamps, or a clock that is found in the whole of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from stswatch.pipeline.decode.clock import Clock, Consensus, consensus
from stswatch.pipeline.decode.clock_sentences import clock_sentences
from stswatch.pipeline.decode.lines import Ints, line_spans
from stswatch.pipeline.decode.messages import decode
from stswatch.pipeline.decode.parts import REACH
from stswatch.pipeline.decode.sentences import MAX_LINE, Sentences, frame
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.options import ReadOptions
from stswatch.pipeline.readers.base import WHOLE, Place, Prepared, SourceError
from stswatch.pipeline.readers.packing import segment_arrivals
from stswatch.pipeline.readers.text import windows

_HEAD = 1 << 20  # bytes in which a file shows whether its lines tell the time
_STEP = 4 << 20
_TIMED_SHARE = 0.9
_SHOWN = 60  # characters of a stamp that is not understood
_NEWLINE = ord("\n")


@dataclass(frozen=True)
class Options:
    """How to read one capture."""

    clock: Clock | None = None  # for what tells no time itself
    arrivals: bool = False  # a segment of a spool: what tells no time itself takes that of its arrival
    unread: str = ""  # a stamp that is not understood, for example


@dataclass(frozen=True)
class _Head:
    """What the first sentences of a capture say: how many tell a time, how many one that is not understood."""

    told: int = 0
    of: int = 0
    unread: int = 0
    example: str = ""


def prepare(place: Place, request: ReadOptions) -> Prepared:
    """Find the clock of a capture. Raises SourceError where it has none and none is given."""
    first = _first_sentences(place)
    if segment_arrivals(place) is not None:
        return Prepared("told by the sentences, else their arrival", Options(None, True, first.example))
    if first.of == 0 or first.told >= _TIMED_SHARE * first.of:
        words = "told by the sentences" if first.of else "none needed: no sentence"
        return Prepared(words, Options(None, False, first.example))
    agreed = consensus(*_reports(place))
    if agreed.clock is not None:
        return Prepared(_agreement(agreed), Options(agreed.clock, False, first.example))
    if request.start_time is not None:
        when = request.start_time.astimezone(UTC)
        words = f"given: {when.replace(tzinfo=None).isoformat()}Z for all that tells no time"
        return Prepared(words, Options(_still(when), False, first.example))
    if first.told:
        words = f"told by {first.told} of the first {first.of} sentences, the others have none"
        return Prepared(words, Options(None, False, first.example))
    if request.untimed:
        return Prepared("not told", Options(None, False, first.example))
    found = f"{agreed.agreeing} of {agreed.reports} base station reports agree"
    unread = f" in a way that is understood (`{first.example}`)" if first.example else ""
    raise SourceError(
        f"{place}: no sentence tells its time{unread} and {found};"
        " give the time of the capture with `start_time`, for instance `start_time=2012-03-14T11:00:00Z`"
    )


def _agreement(agreed: Consensus) -> str:
    who = "RMC or ZDA sentences" if agreed.by_fix else "base stations"
    return f"{who}: {agreed.agreeing} of {agreed.reports} reports from {agreed.stations} stations agree"


def unread_words(count: int, example: str) -> str:
    """What to say of lines with a stamp that is not understood.

    >>> unread_words(1, "")
    '1 line carries a time that is not understood'
    """
    some = "1 line carries" if count == 1 else f"{count:,} lines carry"
    return f"{some} a time that is not understood" + (f", for example `{example}`" if example else "")


def _still(when: datetime) -> Clock:
    return Clock(((0, round(when.timestamp() * 1e6)),))


def _first_sentences(place: Place) -> _Head:
    """What the sentences of the head say of their times."""
    for window in windows(place, 0, _HEAD, _HEAD, 1, 2 * REACH):
        found = frame(window.text, window.base)
        unread = np.flatnonzero(found.unread)
        example = _stamps_of(found, int(unread[0])) if len(unread) else ""
        return _Head(int((found.own_us != NO_TIME).sum()), len(found.own_us), len(unread), example)
    return _Head()


def _stamps_of(found: Sentences, row: int) -> str:
    """What stands round a sentence, safe to print."""
    begin = int(found.offset[row])
    line = found.data[begin : begin + int(found.length[row])].tobytes().decode("latin-1")
    before, bang, sentence = line.partition("!")
    after = sentence.partition("*")[2][2:]
    shown = f"{before}{bang}...{after}" if after else f"{before}{bang}..."
    shown = "".join(letter if " " <= letter <= "~" and letter != "`" else "?" for letter in shown)
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 3] + "..."


def _reports(place: Place) -> tuple[Ints, Ints, Ints, int]:
    """Offset, time and MMSI of every report that tells a time, and the size of the text in bytes.

    Of RMC and ZDA the offset is that of the line after, which is the one that they tell the time of.
    """
    parts: list[NDArray[np.int64]] = [np.zeros((3, 0), np.int64)]
    size = 0
    for window in windows(place, 0, WHOLE, _STEP, 1, MAX_LINE):
        text, moved = _base_lines(window.text)
        found = frame(text, 0)
        rows = np.flatnonzero((found.code == 0) & (found.total == 1))
        bases = decode(found.data, found.first[rows], found.last[rows], found.fill[rows]).bases
        at = found.offset[rows[bases["row"]]]
        offset = window.base + at + moved[np.cumsum(found.data == _NEWLINE)[at]]
        parts.append(np.stack([offset, bases["time_us"], bases["mmsi"]])[:, offset < window.end])
        begin, after, time_us, talker = clock_sentences(window.text)
        owned = (begin + window.base >= window.start) & (begin + window.base < window.end)
        parts.append(np.stack([after + window.base, time_us, talker])[:, owned])
        size = window.base + len(window.text)
    reports = np.concatenate(parts, axis=1)
    offset, time_us, mmsi = reports[:, np.argsort(reports[0], kind="stable")]
    return offset, time_us, mmsi, size


def _base_lines(text: bytes) -> tuple[bytes, Ints]:
    """Lines that may hold a report of a base station, and how far each was moved to the front, by its number."""
    data = np.frombuffer(text, np.uint8)
    begins = (data[:-1] == ord(",")) & ((data[1:] == ord("4")) | (data[1:] == ord(";")))
    starts, ends = line_spans(data)
    rows = np.unique(np.searchsorted(starts, np.flatnonzero(begins), side="right") - 1)
    starts, ends = starts[rows], ends[rows]
    lines = [text[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    return b"\n".join(lines), starts - (np.cumsum(ends - starts + 1) - (ends - starts + 1))
