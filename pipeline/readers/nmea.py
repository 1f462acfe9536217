"""NMEA 0183 sentences with AIS messages (`!AIVDM` and its like), plain or gzip."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stswatch.pipeline.decode.assembled import (
    CaptureClock,
    Consensus,
    Whole,
    clock_sentences,
    codes,
    consensus,
    whole_messages,
)
from stswatch.pipeline.decode.lines import Bools, Ints, line_spans
from stswatch.pipeline.decode.messages import Messages, decode
from stswatch.pipeline.decode.multipart import REACH, SIDE_BY_SIDE
from stswatch.pipeline.decode.reports import Claims, Evidence, Positions, fixes_table, further_parts, statics_table
from stswatch.pipeline.decode.sentences import MAX_LINE, Sentences, frame
from stswatch.pipeline.decode.stamps import NO_TIME, Arrivals
from stswatch.pipeline.options import ReadOptions
from stswatch.pipeline.readers.arrival_index import format_of
from stswatch.pipeline.readers.packing import segment_arrivals, segment_header
from stswatch.pipeline.readers.source import WHOLE, Chunk, DecodedBatch, Prepared, Source, SourceError, SourcePlace
from stswatch.pipeline.readers.text import Window, byte_chunks, windows
from stswatch.pipeline.schema import RECEIVERS
from stswatch.pipeline.schema.lake_tables import CODES, rejects_table

# ---------------- Where the times of a capture come from: its own stamps, or a clock that is found in the whole of it

_HEAD = 1 << 20  # bytes in which a file shows whether its lines tell the time
_STEP = 4 << 20
_TIMED_SHARE = 0.9
_SHOWN = 60  # characters of a stamp that is not understood
_NEWLINE = ord("\n")


@dataclass(frozen=True)
class CaptureOptions:
    """How to read one capture."""

    clock: CaptureClock | None = None  # for what tells no time itself
    arrivals: bool = False  # a segment of a spool: what tells no time itself takes that of its arrival
    unread: str = ""  # a stamp that is not understood, for example


@dataclass(frozen=True)
class _Head:
    """What the first sentences of a capture say: how many tell a time, how many one that is not understood."""

    timed: int = 0
    of: int = 0
    unread: int = 0
    example: str = ""


def prepare(place: SourcePlace, request: ReadOptions) -> Prepared:
    """Find the clock of a capture. Raises SourceError where it has none and none is given."""
    first = _first_sentences(place)
    if segment_arrivals(place) is not None:
        return Prepared("told by the sentences, else their arrival", CaptureOptions(None, True, first.example))
    if first.of == 0 or first.timed >= _TIMED_SHARE * first.of:
        words = "told by the sentences" if first.of else "none needed: no sentence"
        return Prepared(words, CaptureOptions(None, False, first.example))
    agreed = consensus(*_reports(place))
    if agreed.clock is not None:
        return Prepared(_agreement(agreed), CaptureOptions(agreed.clock, False, first.example))
    if request.start_time is not None:
        when = request.start_time.astimezone(UTC)
        words = f"given: {when.replace(tzinfo=None).isoformat()}Z for all that tells no time"
        return Prepared(words, CaptureOptions(_still(when), False, first.example))
    if first.timed:
        words = f"told by {first.timed} of the first {first.of} sentences, the others have none"
        return Prepared(words, CaptureOptions(None, False, first.example))
    if request.untimed:
        return Prepared("not told", CaptureOptions(None, False, first.example))
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


def _still(when: datetime) -> CaptureClock:
    return CaptureClock(((0, round(when.timestamp() * 1e6)),))


def _first_sentences(place: SourcePlace) -> _Head:
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


def _reports(place: SourcePlace) -> tuple[Ints, Ints, Ints, int]:
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


# --------------------------------------- NMEA 0183 sentences with AIS messages (`!AIVDM` and its like), plain or gzip
# See decode/sentences.py for what may stand round a sentence.
#
# The time of a message is the one its sentences tell; else that of base stations, RMC and ZDA sentences heard in the
# file, see decode/assembled.py; else `--start-time`, the same for all; else it is a reject. It is never that of another
# message. In a segment of a spool, whose index says when its bytes arrived, what tells no time takes its arrival.

__all__ = ["AROUND", "STEP", "CaptureOptions", "chunks", "prepare", "read", "sniff"]

AROUND = (
    2 * REACH + SIDE_BY_SIDE + 4 * MAX_LINE
)  # bytes on both sides of a window that can decide what becomes of its sentences
STEP = 4 << 20  # bytes of text at a time: some 80,000 bare sentences

_SENTENCE = re.compile(rb"![A-Z0-9-]{2}VD[MO],")


def sniff(head: bytes, path: str) -> bool:
    """Whether AIS sentences stand among the first bytes, or it is a segment of a spool, which may be silent."""
    return _SENTENCE.search(head) is not None or (not head.strip() and format_of(path) == "nmea")


def chunks(source: Source, target_bytes: int) -> list[Chunk]:
    """Byte ranges; a range owns the lines that begin in it."""
    return byte_chunks(source, target_bytes)


def read(chunk: Chunk) -> Iterator[DecodedBatch]:
    """Decode a chunk, STEP bytes at a time. Raises SourceError where the file breaks off."""
    clock, context = clock_of(chunk.source)
    for window in windows(chunk.source.place, chunk.start, chunk.end, STEP, AROUND, AROUND):
        yield decode_window(with_context(window, context), chunk.source.source, clock)


def clock_of(source: Source) -> tuple[CaptureClock | Arrivals | None, bytes]:
    """What tells the time of sentences that tell none, and lines that stand before a segment. Raises SourceError."""
    if not source.options.arrivals:
        return source.options.clock, b""
    header = segment_header(source.place)
    return segment_arrivals(source.place), header.context if header else b""


def with_context(window: Window, context: bytes) -> Window:
    """The first window of a segment with the lines before it that belong to its messages, at offsets below 0."""
    if not context or window.base or window.start:
        return window
    return replace(window, text=context + window.text, base=-len(context), start=-len(context))


def decode_window(window: Window, source: str, clock: CaptureClock | Arrivals | None) -> DecodedBatch:
    """What the lines say that a window owns; never raises.

    source: first 16 hex digits of the SHA-256; clock: for sentences without a time.
    """
    found = frame(window.text, window.base)
    owned = (found.line >= window.start) & (found.line < window.end)
    return decode_sentences(found, owned, window, source, clock)


def decode_sentences(
    found: Sentences, owned: Bools, window: Window, source: str, clock: CaptureClock | Arrivals | None
) -> DecodedBatch:
    """What sentences say, of which those that are owned count; window: which malformed lines count."""
    whole = whole_messages(found, owned, clock)
    messages = decode(whole.data, whole.start, whole.end, whole.fill)
    code = codes(found, whole, messages.code)
    used = (code[whole.sentence] == 0) & owned[whole.sentence]
    return DecodedBatch(
        _fixes(found, whole, messages, used, source),
        _statics(found, whole, messages, used, source),
        rejects(found, window, owned & (code > 0), code, source),
        sentences=int(owned.sum() + bad_lines(found, window).sum()),
        messages=int(used.sum()),
        fragments=int((owned & (code == 0) & (found.total > 1)).sum()),
        unread_times=int((owned & found.unread).sum()),
    )


def bad_lines(found: Sentences, window: Window) -> Bools:
    """Which of the malformed lines the window owns."""
    return np.asarray((found.bad_offset >= window.start) & (found.bad_offset < window.end))


def rejects(found: Sentences, window: Window, rejected: Bools, code: NDArray[np.int8], source: str) -> pa.Table:
    """Rows of `rejects`: the sentences that are, with their codes, and the malformed lines of the window."""
    bad = bad_lines(found, window)
    return rejects_table(
        source,
        np.concatenate([found.offset[rejected], found.bad_offset[bad]]),
        np.concatenate([found.length[rejected], found.bad_length[bad]]),
        np.concatenate([code[rejected], np.full(int(bad.sum()), CODES["malformed"], np.int8)]),
    )


def _fixes(found: Sentences, whole: Whole, messages: Messages, used: Bools, source: str) -> pa.Table:
    columns = _of_used(messages.positions, used)
    rows = columns.pop("row")
    sentence = whole.sentence[rows]
    positions = Positions(time_us=whole.time_us[rows], msg_type=messages.msg_type[rows], **columns)
    receiver = named(found.receiver[sentence], pa.array(RECEIVERS))
    station = named(found.station[sentence], found.stations)
    return fixes_table(positions, _evidence(found, whole, rows, source), receiver, station)


def _statics(found: Sentences, whole: Whole, messages: Messages, used: Bools, source: str) -> pa.Table:
    columns = _of_used(messages.statics, used)
    rows = columns.pop("row")
    claims = Claims(time_us=whole.time_us[rows], msg_type=messages.msg_type[rows], **columns)
    return statics_table(claims, _evidence(found, whole, rows, source))


def _of_used(columns: dict[str, Any], used: Bools) -> dict[str, Any]:
    """The rows of messages that are used, here."""
    keep = used[columns["row"]]
    if keep.all():
        return dict(columns)
    return {k: v[keep] if isinstance(v, np.ndarray) else v.filter(pa.array(keep)) for k, v in columns.items()}


def _evidence(found: Sentences, whole: Whole, rows: Ints, source: str) -> Evidence:
    of, part = whole.parts_of(rows)
    apart = found.offset[part] != found.offset[whole.sentence[rows[of]]]  # not all of one record of JSON
    of, part = of[apart], part[apart]
    more = further_parts(of, found.offset[part], found.length[part].astype(np.int32), len(rows)) if len(of) else None
    first = whole.sentence[rows]
    return Evidence(source, found.offset[first], found.length[first].astype(np.int32), more)


def named(number: NDArray[Any], names: pa.Array) -> pa.Array:
    """Names by their numbers, null for numbers below 0.

    >>> named(np.array([0, -1]), pa.array(["r003669945"])).to_pylist()
    ['r003669945', None]
    """
    lowest, highest = (int(number.min()), int(number.max())) if len(number) else (-1, -1)
    if lowest == highest:
        return pa.nulls(len(number), pa.string()) if lowest < 0 else pa.repeat(names[lowest], len(number))
    return names.take(pa.array(number, mask=number < 0))
