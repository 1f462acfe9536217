"""NMEA 0183 sentences with AIS messages (`!AIVDM` and its like), plain or gzip.

See decode/sentences.py for what may stand round a sentence.

The time of a message is the one its sentences tell; else the one told last before it, up to 64 KiB back; else
that of the base stations heard in the file, see decode/clock.py; else `--start-time`, the same for all; else
it is a reject.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stswatch.pipeline.decode.clock import Clock, consensus
from stswatch.pipeline.decode.fixes import Evidence, Positions, fixes_table, further_parts
from stswatch.pipeline.decode.lines import Ints
from stswatch.pipeline.decode.messages import Messages, decode
from stswatch.pipeline.decode.multipart import REACH, assemble
from stswatch.pipeline.decode.rejects import CODES, rejects_table
from stswatch.pipeline.decode.sentences import MAX_LINE, Sentences, frame
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.decode.statics import Claims, statics_table
from stswatch.pipeline.readers.base import WHOLE, Chunk, Decoded, Place, Prepared, Request, Source, SourceError
from stswatch.pipeline.readers.text import Window, byte_chunks, windows

AROUND = REACH + 4 * MAX_LINE  # bytes on both sides of a window that can decide what becomes of its sentences
STEP = 4 << 20  # bytes of text at a time: some 80,000 bare sentences
_HEAD = 4 << 20  # bytes in which a file shows whether its lines tell the time
_TIMED_SHARE = 0.9

_SENTENCE = re.compile(rb"![A-Z0-9-]{2}VD[MO],")
_BASE_STATION = re.compile(rb"VD[MO],1,1,[0-9]?,[^,*\r\n]{0,2},([4;][0-W`-w]{12,}),([0-5])\*")


@dataclass(frozen=True)
class Options:
    """How to read one capture."""

    clock: Clock | None = None  # for what tells no time and has none told shortly before


def sniff(head: bytes, path: str) -> bool:
    """Whether AIS sentences stand among the first bytes."""
    return _SENTENCE.search(head) is not None


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
        found = [m for m in _BASE_STATION.finditer(window.text) if window.base + m.start() < window.end]
        bases = _decoded([m[1] for m in found], [int(m[2]) for m in found]).bases
        offset = np.array([window.base + m.start() for m in found], np.int64)[bases["row"]]
        parts.append(np.stack([offset, bases["time_us"], bases["mmsi"]]))
        size = window.base + len(window.text)
    offset, time_us, mmsi = np.concatenate(parts, axis=1)
    return offset, time_us, mmsi, size


def chunks(source: Source, target_bytes: int) -> list[Chunk]:
    """Byte ranges; a range owns the lines that begin in it."""
    return byte_chunks(source, target_bytes)


def read(chunk: Chunk) -> Iterator[Decoded]:
    """Decode a chunk, STEP bytes at a time. Raises SourceError where the file breaks off."""
    options: Options = chunk.source.options
    for window in windows(chunk.source.place, chunk.start, chunk.end, STEP, AROUND, AROUND):
        yield decode_window(window, chunk.source.source, options.clock)


@dataclass(frozen=True)
class _Whole:
    """Whole messages of a window, in the order of their first sentences; each of (n,)."""

    rows: list[list[int]]  # of the sentences
    first: Ints
    time_us: Ints


def decode_window(window: Window, source: str, clock: Clock | None) -> Decoded:
    """What the lines say that a window owns; never raises.

    source: first 16 hex digits of the SHA-256; clock: for sentences without a time.
    """
    found = frame(window.text, window.base, REACH)
    owned = (found.line >= window.start) & (found.line < window.end)
    whole = _whole_messages(found, owned, clock)
    messages = _decoded(
        [b"".join([found.payload[row] for row in rows]) for rows in whole.rows],
        [int(found.fill[rows[-1]]) for rows in whole.rows],
    )
    code = _codes(found, whole, messages)
    used = (code[whole.first] == 0) & owned[whole.first]
    bad = (found.bad_offset >= window.start) & (found.bad_offset < window.end)
    fragments = owned & (code == 0) & (found.total > 1)
    rejected = owned & (code > 0)
    return Decoded(
        _fixes(found, whole, messages, used, source),
        _statics(found, whole, messages, used, source),
        rejects_table(
            source,
            np.concatenate([found.offset[rejected], found.bad_offset[bad]]),
            np.concatenate([found.length[rejected], found.bad_length[bad]]),
            np.concatenate([code[rejected], np.full(int(bad.sum()), CODES["malformed"], np.int8)]),
        ),
        sentences=int(owned.sum() + bad.sum()),
        messages=int(used.sum()),
        fragments=int(fragments.sum()),
    )


def _decoded(payloads: list[bytes], fill: list[int]) -> Messages:
    end = np.cumsum([len(payload) for payload in payloads], dtype=np.int64)
    start = np.concatenate([[0], end[:-1]]) if len(end) else end
    return decode(np.frombuffer(b"".join(payloads), np.uint8), start, end, np.array(fill, np.int64))


def _whole_messages(found: Sentences, owned: NDArray[np.bool_], clock: Clock | None) -> _Whole:
    """Single-part messages and complete multi-part ones of which a sentence is owned."""
    usable = found.code == 0
    parts = np.flatnonzero(usable & (found.total > 1)).tolist()
    several = assemble(parts, found.offset, found.own_us, found.total, found.part, found.key)
    single = np.flatnonzero(usable & owned & (found.total == 1)).tolist()
    rows = sorted([[row] for row in single] + [message for message in several if owned[message].any()])
    first = np.array([message[0] for message in rows], np.int64)
    time_us = found.near_us[first]
    for at, message in enumerate(rows):
        if len(message) > 1:
            told = [t for t in found.own_us[message].tolist() if t != NO_TIME]
            time_us[at] = told[0] if told else time_us[at]
    if clock is not None:
        time_us = np.where(time_us == NO_TIME, clock.at(found.offset[first]), time_us)
    return _Whole(rows, first, time_us)


def _codes(found: Sentences, whole: _Whole, messages: Messages) -> NDArray[np.int8]:
    """0 for each sentence that was used, else why not."""
    why = np.where((messages.code == 0) & (whole.time_us == NO_TIME), np.int8(CODES["no_time"]), messages.code)
    sizes = np.array([len(rows) for rows in whole.rows], np.int64)
    rows = np.array([row for message in whole.rows for row in message], np.int64)
    code = np.where((found.code == 0) & (found.total > 1), np.int8(CODES["fragment_missing"]), found.code)
    code[rows] = np.repeat(why, sizes)
    return code.astype(np.int8)


def _evidence(found: Sentences, whole: _Whole, rows: Ints, source: str) -> Evidence:
    parts = [(at, i) for at, row in enumerate(rows.tolist()) for i in whole.rows[row][1:]]
    of, at = np.array(parts, np.int64).reshape(-1, 2).T
    more = further_parts(of, found.offset[at], found.length[at].astype(np.int32), len(rows))
    first = whole.first[rows]
    return Evidence(source, found.offset[first], found.length[first].astype(np.int32), more)


def _texts(values: Sequence[str | None], rows: Ints) -> pa.Array:
    return pa.array([values[row] for row in rows.tolist()], pa.string())


def _of_used(columns: dict[str, Any], used: NDArray[np.bool_]) -> dict[str, Any]:
    """The rows of messages that are used, here."""
    keep = used[columns["row"]]
    return {k: v[keep] if isinstance(v, np.ndarray) else v.filter(pa.array(keep)) for k, v in columns.items()}


def _fixes(found: Sentences, whole: _Whole, messages: Messages, used: NDArray[np.bool_], source: str) -> pa.Table:
    columns = _of_used(messages.positions, used)
    rows = columns.pop("row")
    first = whole.first[rows]
    positions = Positions(time_us=whole.time_us[rows], msg_type=messages.msg_type[rows], **columns)
    evidence = _evidence(found, whole, rows, source)
    return fixes_table(positions, evidence, _texts(found.receiver, first), _texts(found.station, first))


def _statics(found: Sentences, whole: _Whole, messages: Messages, used: NDArray[np.bool_], source: str) -> pa.Table:
    columns = _of_used(messages.statics, used)
    rows = columns.pop("row")
    claims = Claims(time_us=whole.time_us[rows], msg_type=messages.msg_type[rows], **columns)
    return statics_table(claims, _evidence(found, whole, rows, source))
