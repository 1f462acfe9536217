r"""Text to sentences: where each begins and ends, what it carries, whether its checksum holds, its time.

Known wrappers: a tag block before the sentence (`\s:STATION,c:EPOCH,g:1-2-34*hh\`), the suffix of the US Coast Guard
after it (`,rSTATION,EPOCH`) or an epoch alone, a time at the start of the line, and a Gatehouse line (`$PGHP`) before
it. A time belongs to its sentence, that of a Gatehouse line to the sentence on the next line; no other sentence takes
it. A line may hold several sentences. Blank lines, lines that begin with # and other `$` sentences are no
AIS and not counted.

Lines of usual shape are read all at once (`usual.py`), the few others one at a time (`unusual.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stswatch.pipeline.decode.lines import Bools, Bytes, Ints, Lines, find_lines
from stswatch.pipeline.decode.octets import PAD
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.decode.units import NO_SENTENCE, Names, Units, in_order, joined
from stswatch.pipeline.decode.unusual import unusual
from stswatch.pipeline.decode.usual import Usual, usual

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
    return _framed(text, base, _usual_first)


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


def _usual_first(data: Bytes, size: int, lines: Lines, names: Names) -> tuple[Units, Ints]:
    """The units of some lines, and which of the lines should hold one; the usual lines all at once."""
    found, told, left = usual(data, lines, MAX_LINE, names)
    rows = np.flatnonzero(left)
    text = data[:size].tobytes() if len(rows) else b""
    others, bad = unusual(text, lines.start[rows], lines.end[rows], names)
    return _merged(found, told, others), rows[bad]


def _one_by_one(data: Bytes, size: int, lines: Lines, names: Names) -> tuple[Units, Ints]:
    """As `_usual_first`, without the usual."""
    rows = np.flatnonzero(lines.end - lines.start <= MAX_LINE)
    units, bad = unusual(data[:size].tobytes(), lines.start[rows], lines.end[rows], names)
    return units, rows[bad]


def _merged(found: Usual, told: Units, others: Units) -> Units:
    """All units in one order; where each line that is not usual holds one sentence, as mostly, it takes that place."""
    void = np.flatnonzero(~found.usual)
    if len(told.begin) or len(others.begin) != len(void) or (found.units.line[void] != others.line).any():
        return in_order([found.units.take(found.usual), told, others])
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
