"""Text to sentences: where each begins and ends, what it carries, whether its checksum holds, its time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from operator import xor
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stswatch.pipeline.decode import stamps
from stswatch.pipeline.decode.fast_path import FastPath, fast_path
from stswatch.pipeline.decode.lines import PAD, Bools, Bytes, Ints, Lines, find_lines
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.decode.units import (
    MAX_PAYLOAD,
    NO_GROUP,
    NO_SENTENCE,
    NO_STATION,
    Names,
    Units,
    alike,
    in_order,
    joined,
)
from stswatch.pipeline.schema import RECEIVERS
from stswatch.pipeline.schema.lake_tables import CODES

# ----------------------------------------------------------------------------------------------------------------
# Any line, one at a time: what a line of a capture can hold is written here, and this is the measure of `fast_path.py`
# A line may hold several sentences, each with a tag block before and a suffix behind it. Numbers are read as Python
# reads them, as pyais does, so that what pyais decodes from a sentence whose checksum holds is decoded here as well.

_HEAD = re.compile(
    rb"""
    (?:\\(?P<tag>[^\\]*)\\)? (?P<sentence>[!$] (?P<talker>[^,]{2}) [vV][dD][mMoO],)
    | (?P<gatehouse>\$PGHP,)
    """,
    re.VERBOSE,
)
_NO_AIS = re.compile(rb"[ \t]*(?:\\[^\\]*\\)?[ \t]*(?:[#$]|\r?\Z)")
_COMMENT = re.compile(rb"[ \t]*#")
_SUM = re.compile(rb"[0-9A-Fa-f]{1,2}")
_SMALL = (3, 5, 6, 7, 14, 15)  # code, total, part, fill, receiver, unread: columns of Units that are int8


class Parsed(NamedTuple):
    """One sentence without what stands round it; the payload is that of [first, last) from its "!" on."""

    code: int
    total: int = 0
    part: int = 0
    fill: int = 0
    first: int = 0
    last: int = 0
    alike: int = 0


def slow_path(text: bytes, starts: Ints, ends: Ints, names: Names) -> tuple[Units, Ints]:
    """The units of some lines, and which of these lines hold neither a sentence nor what need not be one.

    starts, ends: (n,) of the lines, in their order. Never raises.

    >>> line = b"$AIVDM,01, 1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0*0x33"
    >>> found, bad = slow_path(line, np.array([0]), np.array([len(line)]), Names())
    >>> found.code.tolist(), found.total.tolist(), bad.tolist()
    ([0], [1], [])
    """
    rows: list[tuple[int, ...]] = []
    bad = []
    for at, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        line = text[start:end]
        found = [] if _COMMENT.match(line) else list(_units(line, start, names))
        rows += found
        if not found and not _NO_AIS.match(line):
            bad.append(at)
    columns: list[Any] = list(np.array(rows, np.int64).reshape(-1, 16).T)
    for at in _SMALL:
        columns[at] = columns[at].astype(np.int8)
    return Units(*columns), np.array(bad, np.int64)


def _units(line: bytes, start: int, names: Names) -> Iterator[tuple[int, ...]]:
    """What a line holds, as rows of Units; `start`: where it begins in the text."""
    heads = list(_HEAD.finditer(line))
    begins = [0, *(head.start() for head in heads[1:]), len(line)]
    for head, begin, end in zip(heads, begins, begins[1:], strict=False):
        place = (start + begin, start + end, start)
        if head["gatehouse"] is not None:
            time_us = stamps.of_gatehouse(line[head.start() : end])
            yield (*place, NO_SENTENCE, time_us, 0, 0, 0, 0, 0, 0, 0, NO_GROUP, NO_STATION, 0, 0)
            continue
        at = head.start("sentence")
        parsed = parse(line[at:end], names)
        rest = line[at:end].partition(b"*")[2]
        stamp = stamps.stamp(line[begin : head.start()], head["tag"] or b"", rest)
        yield (
            *place,
            parsed.code,
            stamp.time_us,
            parsed.total,
            parsed.part,
            parsed.fill,
            start + at + parsed.first,
            start + at + parsed.last,
            parsed.alike,
            int.from_bytes(head["talker"], "little"),
            names.group(stamp.group),
            names.station(stamp.station),
            RECEIVERS.index(stamp.receiver),
            stamp.unread,
        )


def parse(sentence: bytes, names: Names) -> Parsed:
    """One sentence from its "!" on, with all that stands behind it.

    >>> parse(b"!AIVDM,1,1,,B,,0*25", Names()).code
    0
    >>> parse(b"!AIVDM,1,1,,B,,0", Names()).code == CODES["no_checksum"]
    True
    """
    body, star, tail = sentence.partition(b"*")
    fields = body.split(b",")
    if len(fields) < 7 or not b"".join(fields[:5] + fields[6:]).isascii():  # of the payload the decoder speaks
        return Parsed(CODES["malformed"])
    try:
        total, part = int(fields[1]), int(fields[2])
        seq = int(fields[3]) if fields[3] else -1
    except ValueError:
        return Parsed(CODES["malformed"])
    fill = _whole(fields[-1] if star else fields[6])
    if not (1 <= part <= total <= 9 and 0 <= fill <= 5):
        return Parsed(CODES["malformed"])
    if not tail.strip():
        return Parsed(CODES["no_checksum"])
    if not _holds(body, tail):
        return Parsed(CODES["checksum"])
    if len(fields[5]) > MAX_PAYLOAD:
        return Parsed(CODES["payload"])
    first = len(b",".join(fields[:5])) + 1
    key = 0 if total == 1 else _alike(total, seq, fields[4], body[5:6] in b"oO", names)
    return Parsed(0, total, part, fill, first, first + len(fields[5]), key)


def _whole(digits: bytes) -> int:
    """The fill bits; what is no number stands for none, as the checksum holds and types have lengths of their own."""
    try:
        return int(digits)
    except ValueError:
        return 0


def _holds(body: bytes, tail: bytes) -> bool:
    """Whether the checksum after the star belongs to the body, be it of one digit, of two, or with more before them."""
    checksum = reduce(xor, body[1:], 0)
    digits = _SUM.match(tail)
    if digits is not None and int(digits[0], 16) == checksum:
        return True
    try:
        return int(tail.partition(b",")[0], 16) == checksum
    except ValueError:
        return False


def _alike(total: int, seq: int, channel: bytes, own: bool, names: Names) -> int:
    if not (-1 <= seq <= 99 and len(channel) <= 2):
        return -1 - names.other(b"%d,%d,%d" % (total, seq, own), channel)
    numbers = (total, seq, int.from_bytes(channel, "little"), own)
    return int(alike(*(np.array([number], np.int64) for number in numbers))[0])


# --------------- Text to sentences: where each begins and ends, what it carries, whether its checksum holds, its time
# Known wrappers: a tag block before the sentence (`\s:STATION,c:EPOCH,g:1-2-34*hh\`), the suffix of the US Coast
# Guard after it (`,rSTATION,EPOCH`) or an epoch alone, a time at the start of the line, and a Gatehouse line
# (`$PGHP`) before it. A time belongs to its sentence, that of a Gatehouse line to the sentence on the next line; no
# other sentence takes it. A line may hold several sentences. Blank lines, lines that begin with # and other `$`
# sentences are no AIS and not counted.
#
# Lines of usual shape are read all at once (`fast_path.py`), the few others one at a time, as above.

MAX_LINE = 4096  # bytes; a longer line is no NMEA and is rejected whole
BLOCK = 1 << 20  # bytes read at once, so that its columns stay in the cache of the processor

_NEWLINE = ord("\n")
_Read = Callable[[Bytes, int, Lines, Names], tuple[Units, Ints]]


@dataclass(frozen=True)
class Sentences:
    """The sentences of a text in their order, (n,) each, and the lines that should have held one.

    offset, length: bytes, the tag block and what else the line says before the sentence included; line: offset of its
    line; code: 0, or why it cannot be used, see rejects.CODES; own_us: the time it tells itself, or its Gatehouse
    line, else NO_TIME; first, last: the span of its payload in `data`; alike, talker, group: as in units.Units;
    station: a number of `stations`, else -1; receiver: a code of schema.RECEIVERS; unread: whether it carries a time
    that is not understood, and none that is; bad_offset, bad_length: malformed lines.
    """

    data: Bytes  # the text, and room for as much
    size: int  # bytes of the text
    offset: Ints
    length: Ints
    line: Ints
    code: NDArray[np.int8]
    own_us: Ints
    total: NDArray[np.int8]
    part: NDArray[np.int8]
    fill: NDArray[np.int8]
    first: Ints
    last: Ints
    alike: Ints
    talker: Ints
    group: Ints
    station: Ints
    receiver: NDArray[np.int8]
    unread: Bools
    stations: pa.Array
    bad_offset: Ints
    bad_length: Ints


def frame(text: bytes, base: int) -> Sentences:
    """Find the sentences of a text that begins and ends at line ends; never raises.

    base: offset of the text in the file.

    >>> found = frame(b"# a comment\\n!AIVDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0*23\\n", 0)
    >>> found.offset.tolist(), found.code.tolist()
    ([12], [0])
    """
    return _framed(text, base, _fast_first)


def frame_one_by_one(text: bytes, base: int) -> Sentences:
    """What `frame` gives, each line read by itself: its oracle.

    >>> len(frame_one_by_one(b"!AIVDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0*23", 0).offset)
    1
    """
    return _framed(text, base, _one_by_one)


def _framed(text: bytes, base: int, read: _Read) -> Sentences:
    """The units that are sentences, by their places in the file, with the times of Gatehouse lines."""
    data, names = np.empty(2 * len(text) + PAD, np.uint8), Names()
    found = [_block(text, data, start, end, (names, read)) for start, end in _blocks(text)]
    units = joined([units for units, _ in found])
    bad_start, bad_end = np.concatenate([np.zeros((2, 0), np.int64), *(bad for _, bad in found)], axis=1)
    sentence = units.code != NO_SENTENCE
    if not sentence.all():
        units = _with_gatehouse(text, units, ~sentence)
        units = units.take(sentence)
    return Sentences(
        data,
        len(text),
        units.begin + base,
        units.end - units.begin,
        units.line + base,
        units.code,
        units.own_us,
        *(units.total, units.part, units.fill, units.first, units.last, units.alike),
        units.talker,
        units.group,
        units.station,
        units.receiver,
        units.unread.view(np.bool_),
        pa.array(list(names.stations), pa.string()),
        bad_start + base,
        np.minimum(bad_end - bad_start, MAX_LINE),
    )


def _blocks(text: bytes) -> Iterator[tuple[int, int]]:
    """Spans of whole lines, some BLOCK bytes each."""
    start = 0
    while start < len(text):
        end = text.find(b"\n", start + BLOCK) + 1 or len(text)
        yield start, end
        start = end


def _block(text: bytes, data: Bytes, start: int, end: int, how: tuple[Names, _Read]) -> tuple[Units, Ints]:
    """The units of a block and the spans of its bad lines, (2, n); it is laid into the data, zeros after it."""
    names, read = how
    data[start:end] = np.frombuffer(text, np.uint8, end - start, start)
    data[end : end + PAD] = 0
    data[end] = _NEWLINE  # where the text ends without one; else an empty line that is not looked at
    block = data[start : end + PAD]
    lines = find_lines(block, end - start)
    units, bad = read(block, end - start, lines, names)
    if len(long := np.flatnonzero(lines.end - lines.start > MAX_LINE)):
        bad = np.union1d(bad, long)
    return units.moved(start), np.stack([lines.start[bad], lines.end[bad]]) + start


def _fast_first(data: Bytes, size: int, lines: Lines, names: Names) -> tuple[Units, Ints]:
    """The units of some lines, and which of the lines should hold one; the usual lines all at once."""
    found, clocks, left = fast_path(data, lines, MAX_LINE, names)
    rows = np.flatnonzero(left)
    text = data[:size].tobytes() if len(rows) else b""
    others, bad = slow_path(text, lines.start[rows], lines.end[rows], names)
    return _merged(found, clocks, others), rows[bad]


def _one_by_one(data: Bytes, size: int, lines: Lines, names: Names) -> tuple[Units, Ints]:
    """As `_usual_first`, without the usual."""
    rows = np.flatnonzero(lines.end - lines.start <= MAX_LINE)
    units, bad = slow_path(data[:size].tobytes(), lines.start[rows], lines.end[rows], names)
    return units, rows[bad]


def _merged(found: FastPath, clocks: Units, others: Units) -> Units:
    """All units in one order; where each line that is not usual holds one sentence, as mostly, it takes that place."""
    void = np.flatnonzero(~found.fast)
    if len(clocks.begin) or len(others.begin) != len(void) or (found.units.line[void] != others.line).any():
        return in_order([found.units.take(found.fast), clocks, others])
    return found.units.put(void, others) if len(void) else found.units


def _with_gatehouse(text: bytes, units: Units, gatehouse: Bools) -> Units:
    """The units, with the time of a Gatehouse line as that of the sentence on the line after it, if it says none."""
    before = np.flatnonzero(gatehouse[:-1] & (units.code[1:] != NO_SENTENCE))
    before = before[_nothing_between(text, units.end[before], units.line[before + 1])]
    after = before + 1
    silent = (units.own_us[after] == NO_TIME) & (units.unread[after] == 0)
    before, after = before[silent], after[silent]
    if not len(after):
        return units
    own_us, unread = units.own_us.copy(), units.unread.copy()
    own_us[after] = units.own_us[before]
    unread[after] = own_us[after] == NO_TIME
    return replace(units, own_us=own_us, unread=unread)


def _nothing_between(text: bytes, end: Ints, start: Ints) -> Bools:
    """Where nothing but line ends and blanks stands between the end of one line and the start of another, (n,)."""
    directly = np.asarray(start - end <= len(b"\r\n"))
    for row in np.flatnonzero(~directly).tolist():  # few: a blank line, or one that is no sentence
        directly[row] = not text[end[row] : start[row]].strip()
    return directly
