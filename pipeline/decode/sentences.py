r"""Text to sentences: where each begins and ends, what it carries, whether its checksum holds, its time.

Known wrappers: a tag block before the sentence (`\s:STATION,c:EPOCH,g:1-2-34*hh\`), the suffix of the US Coast Guard
after it (`,rSTATION,EPOCH`), a time at the start of the line, and a Gatehouse line (`$PGHP`) before it. A line may hold
several sentences. Blank lines, lines that begin with # and other `$` sentences are no AIS and not counted.

Lines of usual shape are read all at once (`usual.py`), the few others one at a time (`unusual.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stswatch.pipeline.decode.lines import Bools, Bytes, Ints, Lines, find_lines
from stswatch.pipeline.decode.octets import padded
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.decode.units import NO_SENTENCE, Units, together, where
from stswatch.pipeline.decode.unusual import Names, unusual
from stswatch.pipeline.decode.usual import usual

MAX_LINE = 4096  # bytes; a longer line is no NMEA and is rejected whole


@dataclass(frozen=True)
class Sentences:
    """The sentences of a text in their order, (n,) each, and the lines that should have held one.

    offset, length: bytes, the tag block and what else the line says before the sentence included; line: offset of its
    line; code: 0, or why it cannot be used, see rejects.CODES; own_us: the time it tells itself, else NO_TIME; near_us:
    that, or the time told last before it, not further back than `reach` bytes; first, last: the span of its payload in
    `data`; alike, where: of what it is a part and who sent it on, equal for the parts of one message; station: a number
    of `stations`, else -1; receiver: a number of units.RECEIVERS; bad_offset, bad_length: malformed lines.
    """

    data: Bytes  # the text, zeros after it
    size: int  # bytes of the text
    offset: Ints
    length: Ints
    line: Ints
    code: NDArray[np.int8]
    own_us: Ints
    near_us: Ints
    total: Ints
    part: Ints
    fill: Ints
    first: Ints
    last: Ints
    alike: Ints
    where: Ints
    station: Ints
    receiver: Ints
    stations: pa.Array
    bad_offset: Ints
    bad_length: Ints


def frame(text: bytes, base: int, reach: int) -> Sentences:
    """Find the sentences of a text that begins and ends at line ends; never raises.

    base: offset of the text in the file; reach: how far back a time is borrowed, bytes.

    >>> found = frame(b"# a comment\\n!AIVDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0*23\\n", 0, 65536)
    >>> found.offset.tolist(), found.code.tolist()
    ([12], [0])
    """
    data = padded(text)
    lines = find_lines(text, data)
    found, names, left = usual(text, data, lines, MAX_LINE)
    return _sentences(text, data, base, reach, lines, (found, names, left))


def frame_one_by_one(text: bytes, base: int, reach: int) -> Sentences:
    """What `frame` gives, each line read by itself: its oracle.

    >>> len(frame_one_by_one(b"!AIVDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0*23", 0, 65536).offset)
    1
    """
    data = padded(text)
    lines = find_lines(text, data)
    fits = lines.end - lines.start <= MAX_LINE
    return _sentences(text, data, base, reach, lines, ([], [], fits))


def _sentences(
    text: bytes, data: Bytes, base: int, reach: int, lines: Lines, usual_ones: tuple[list[Units], list[str], Bools]
) -> Sentences:
    """The usual units and those of the lines that are left, in one order, with the times that they borrow."""
    found, names, left = usual_ones
    rows = np.flatnonzero(left)
    table = Names(names)
    others, bad = unusual(text, lines.start[rows], lines.end[rows], table)
    units = together([*found, others])
    near_us = _nearest_before(units.begin, units.own_us, reach)
    sentence = units.code != NO_SENTENCE
    if not sentence.all():
        units, near_us = units.take(sentence), near_us[sentence]
    bad = np.sort(np.concatenate([rows[bad], np.flatnonzero(lines.end - lines.start > MAX_LINE)]))
    return Sentences(
        data,
        len(text),
        units.begin + base,
        units.end - units.begin,
        units.line + base,
        units.code,
        units.own_us,
        near_us,
        *(units.total, units.part, units.fill, units.first, units.last, units.alike),
        where(units.group, units.talker, units.station),
        units.station,
        units.receiver,
        pa.array(list(table.stations), pa.string()),
        lines.start[bad] + base,
        np.minimum((lines.end - lines.start)[bad], MAX_LINE),
    )


def _nearest_before(begin: Ints, own_us: Ints, reach: int) -> Ints:
    """Each unit's own time or, without one, that of the last unit before it that has one, if near enough."""
    tells = own_us != NO_TIME
    if tells.all() or not tells.any():
        return own_us
    at = np.maximum.accumulate(np.where(tells, np.arange(len(own_us)), -1))
    near = (at >= 0) & (begin - begin[at] <= reach)
    return np.where(near, own_us[at], NO_TIME)
