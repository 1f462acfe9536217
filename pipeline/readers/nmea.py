"""NMEA 0183 sentences with AIS messages (`!AIVDM` and its like), plain or gzip.

See decode/sentences.py for what may stand round a sentence.

The time of a message is the one its sentences tell; else the one told last before it, up to 64 KiB back; else
that of the base stations heard in the file, see decode/clock.py; else `--start-time`, the same for all; else
it is a reject.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stswatch.pipeline.decode.clock import Clock, consensus
from stswatch.pipeline.decode.fixes import Evidence, Positions, fixes_table, further_parts
from stswatch.pipeline.decode.lines import Bools, Ints, line_spans
from stswatch.pipeline.decode.messages import Messages, decode
from stswatch.pipeline.decode.multipart import REACH, SIDE_BY_SIDE
from stswatch.pipeline.decode.rejects import CODES, rejects_table
from stswatch.pipeline.decode.sentences import MAX_LINE, Sentences, frame
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.decode.statics import Claims, statics_table
from stswatch.pipeline.decode.units import RECEIVERS
from stswatch.pipeline.decode.whole import Whole, codes, whole_messages
from stswatch.pipeline.readers.base import WHOLE, Chunk, Decoded, Place, Prepared, Request, Source, SourceError
from stswatch.pipeline.readers.text import Window, byte_chunks, windows

AROUND = (
    REACH + SIDE_BY_SIDE + 4 * MAX_LINE
)  # bytes on both sides of a window that can decide what becomes of its sentences
STEP = 4 << 20  # bytes of text at a time: some 80,000 bare sentences
_HEAD = 1 << 20  # bytes in which a file shows whether its lines tell the time
_TIMED_SHARE = 0.9

_SPOOL = b"# stswatch {"
_SENTENCE = re.compile(rb"![A-Z0-9-]{2}VD[MO],")
_NEWLINE = ord("\n")


@dataclass(frozen=True)
class Options:
    """How to read one capture."""

    clock: Clock | None = None  # for what tells no time and has none told shortly before


def sniff(head: bytes, path: str) -> bool:
    """Whether AIS sentences stand among the first bytes, or it is the spool of a watch, which may be silent."""
    return head.startswith(_SPOOL) or _SENTENCE.search(head) is not None


def prepare(place: Place, request: Request) -> Prepared:
    """Find the clock of a capture. Raises SourceError where it has none and none is given."""
    told, of = _told_share(place)
    if of == 0 or told >= _TIMED_SHARE * of:
        return Prepared("told by the sentences" if of else "none needed: no sentence", Options())
    agreed = consensus(*_base_stations(place))
    if agreed.clock is not None:
        found = f"{agreed.agreeing} of {agreed.reports} reports from {agreed.stations} stations agree"
        return Prepared(f"base stations: {found}", Options(agreed.clock))
    if request.start_time is not None:
        when = request.start_time.astimezone(UTC)
        words = f"given: {when.replace(tzinfo=None).isoformat()}Z for all that tells no time"
        return Prepared(words, Options(_still(when)))
    if told:
        return Prepared(f"told by {told} of the first {of} sentences, the others take the time told before", Options())
    if request.untimed:
        return Prepared("not told", Options())
    found = f"{agreed.agreeing} of {agreed.reports} base station reports agree"
    raise SourceError(
        f"{place}: no sentence tells its time and {found};"
        " give the time of the capture with --start-time, for instance --start-time 2012-03-14T11:00:00Z"
    )


def _still(when: datetime) -> Clock:
    return Clock(((0, round(when.timestamp() * 1e6)),))


def _told_share(place: Place) -> tuple[int, int]:
    """Sentences of the head with a time of their own or told shortly before, and all of them."""
    for window in windows(place, 0, _HEAD, _HEAD, 1, AROUND):
        near_us = frame(window.text, window.base, REACH).near_us
        return int((near_us != NO_TIME).sum()), len(near_us)
    return 0, 0


def _base_stations(place: Place) -> tuple[Ints, Ints, Ints, int]:
    """Offset, time and MMSI of every base station report, and the size of the text in bytes."""
    parts: list[NDArray[np.int64]] = [np.zeros((3, 0), np.int64)]
    size = 0
    for window in windows(place, 0, WHOLE, STEP, 1, MAX_LINE):
        text, moved = _base_lines(window.text)
        found = frame(text, 0, 0)
        rows = np.flatnonzero((found.code == 0) & (found.total == 1))
        bases = decode(found.data, found.first[rows], found.last[rows], found.fill[rows]).bases
        at = found.offset[rows[bases["row"]]]
        offset = window.base + at + moved[np.cumsum(found.data == _NEWLINE)[at]]
        parts.append(np.stack([offset, bases["time_us"], bases["mmsi"]])[:, offset < window.end])
        size = window.base + len(window.text)
    offset, time_us, mmsi = np.concatenate(parts, axis=1)
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


def chunks(source: Source, target_bytes: int) -> list[Chunk]:
    """Byte ranges; a range owns the lines that begin in it."""
    return byte_chunks(source, target_bytes)


def read(chunk: Chunk) -> Iterator[Decoded]:
    """Decode a chunk, STEP bytes at a time. Raises SourceError where the file breaks off."""
    options: Options = chunk.source.options
    for window in windows(chunk.source.place, chunk.start, chunk.end, STEP, AROUND, AROUND):
        yield decode_window(window, chunk.source.source, options.clock)


def decode_window(window: Window, source: str, clock: Clock | None) -> Decoded:
    """What the lines say that a window owns; never raises.

    source: first 16 hex digits of the SHA-256; clock: for sentences without a time.
    """
    found = frame(window.text, window.base, REACH)
    owned = (found.line >= window.start) & (found.line < window.end)
    return decode_sentences(found, owned, window, source, clock)


def decode_sentences(found: Sentences, owned: Bools, window: Window, source: str, clock: Clock | None) -> Decoded:
    """What sentences say, of which those that are owned count; window: which malformed lines count."""
    whole = whole_messages(found, owned, clock)
    messages = decode(whole.data, whole.start, whole.end, whole.fill)
    code = codes(found, whole, messages.code)
    used = (code[whole.sentence] == 0) & owned[whole.sentence]
    return Decoded(
        _fixes(found, whole, messages, used, source),
        _statics(found, whole, messages, used, source),
        rejects(found, window, owned & (code > 0), code, source),
        sentences=int(owned.sum() + bad_lines(found, window).sum()),
        messages=int(used.sum()),
        fragments=int((owned & (code == 0) & (found.total > 1)).sum()),
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
