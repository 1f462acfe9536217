"""Text to sentences: where each begins and ends, what it carries, whether its checksum holds, its time.

Known wrappers: a tag block before the sentence (`\\s:STATION,c:EPOCH,g:1-2-34*hh\\`), the suffix of the US
Coast Guard after it (`,rSTATION,EPOCH`), a time at the start of the line, and a Gatehouse line (`$PGHP`) on
the line before. A line may hold several sentences. Blank lines, lines that begin with # and other `$`
sentences are no AIS and not counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stswatch.pipeline.decode import stamps
from stswatch.pipeline.decode.lines import Bytes, Ints, line_spans, xor_between
from stswatch.pipeline.decode.rejects import CODES
from stswatch.pipeline.decode.stamps import NO_TIME, Stamp

MAX_LINE = 4096  # bytes; a longer line is no NMEA and is rejected whole

_UNIT = re.compile(
    rb"""
    ^[ \t]*\#[^\n]*                                          # a comment, to the end of its line
    | (?P<gatehouse>\$PGHP,[^\r\n\\!]*)
    | (?:\\(?P<tag>[^\\\r\n]*?)(?:\*(?P<tag_sum>[0-9A-Fa-f]{2}))?\\)?
      !(?P<body>[A-Z0-9-]{2}VD[MO],)
      (?:(?P<total>[1-9]),(?P<part>[1-9]),(?P<seq>[0-9]?),(?P<channel>[^,*\r\n]{0,2}),
         (?P<payload>[^,*\r\n]*),(?P<fill>[0-5])\*(?P<sum>[0-9A-Fa-f]{2}))?
      (?P<rest>[^\\!\r\n]*)
    """,
    re.MULTILINE | re.VERBOSE,
)
_NO_AIS = re.compile(rb"[ \t]*(?:\\[^\\\r\n]*\\)?[ \t]*(?:[#$]|\r?$)")


@dataclass(frozen=True)
class Sentences:
    """The sentences of a text in their order, (n,) each, and the lines that should have held one.

    offset, length: bytes, the tag block and what else the line says before the sentence included; line:
    offset of its line; code: 0, or why it cannot be used, see rejects.CODES; own_us: the time it tells
    itself, else NO_TIME; near_us: that, or the time told last before it, not further back than `reach` bytes;
    bad_offset, bad_length: malformed lines.
    """

    offset: Ints
    length: Ints
    line: Ints
    code: NDArray[np.int8]
    own_us: Ints
    near_us: Ints
    total: Ints
    part: Ints
    fill: Ints
    key: list[tuple[bytes | str, ...]]  # equal for the parts of one message
    payload: list[bytes]
    station: list[str | None]
    receiver: list[str]
    bad_offset: Ints
    bad_length: Ints


def frame(text: bytes, base: int, reach: int) -> Sentences:
    """Find the sentences of a text that begins and ends at line ends; never raises.

    base: offset of the text in the file; reach: how far back a time is borrowed, bytes.

    >>> found = frame(b"# a comment\\n!AIVDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0*23\\n", 0, 65536)
    >>> found.offset.tolist(), found.code.tolist()
    ([12], [0])
    """
    data = np.frombuffer(text, np.uint8)
    starts, ends = line_spans(data)
    usable = ends - starts <= MAX_LINE
    units = [m for m in _UNIT.finditer(text) if m["body"] is not None or m["gatehouse"] is not None]
    home = np.searchsorted(starts, [m.start() for m in units], side="right") - 1  # index of the line
    units = [m for m, kept in zip(units, usable[home].tolist(), strict=True) if kept]
    home = home[usable[home]]
    begin, end = _extents(np.array([m.start() for m in units], np.int64), home, starts, ends)
    said = [_stamp(m, text[first : m.start()]) for m, first in zip(units, begin.tolist(), strict=True)]
    own_us = np.where(_tag_is_broken(data, units), NO_TIME, np.array([stamp.time_us for stamp in said], np.int64))
    near_us = _nearest_before(begin, own_us, reach)
    bad = _lines_without(text, starts, ends, usable, home)
    rows = np.flatnonzero([m["gatehouse"] is None for m in units])
    units, said = [units[row] for row in rows], [said[row] for row in rows]
    total, part, fill = (_numbers(units, name) for name in ("total", "part", "fill"))
    return Sentences(
        offset=begin[rows] + base,
        length=(end - begin)[rows],
        line=starts[home[rows]] + base,
        code=_codes(data, units, total, part),
        own_us=own_us[rows],
        near_us=near_us[rows],
        total=total,
        part=part,
        fill=fill,
        key=[_key(m, stamp) for m, stamp in zip(units, said, strict=True)],
        payload=[m["payload"] or b"" for m in units],
        station=[stamp.station for stamp in said],
        receiver=[stamp.receiver for stamp in said],
        bad_offset=starts[bad] + base,
        bad_length=np.minimum((ends - starts)[bad], MAX_LINE),
    )


def _extents(at: Ints, home: Ints, starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Where each unit begins and ends: the first of a line at its start, each up to the next or the end."""
    first = np.diff(home, prepend=-1) > 0
    last = np.diff(home, append=len(starts)) > 0
    begin = np.where(first, starts[home], at)
    return begin, np.where(last, ends[home], np.append(begin[1:], 0))


def _stamp(m: re.Match[bytes], prefix: bytes) -> Stamp:
    """What the wrappers say: the tag block before the suffix before the start of the line."""
    if m["gatehouse"] is not None:
        return stamps.of_gatehouse(m["gatehouse"])
    stamp = stamps.of_tag_block(m["tag"]) if m["tag"] else stamps.NOTHING
    if stamp.time_us == NO_TIME and m["rest"]:
        suffix = stamps.of_suffix(m["rest"])
        if suffix is not stamps.NOTHING:
            stamp = suffix._replace(station=stamp.station or suffix.station, group=stamp.group)
    if stamp.time_us == NO_TIME and prefix:
        stamp = stamp._replace(time_us=stamps.of_prefix(prefix).time_us)
    return stamp


def _tag_is_broken(data: Bytes, units: list[re.Match[bytes]]) -> NDArray[np.bool_]:
    """Tag blocks whose checksum does not hold: no time is taken from them."""
    broken = np.zeros(len(units), np.bool_)
    rows = [row for row, m in enumerate(units) if m["tag"] and m["tag_sum"]]
    start = np.array([units[row].start("tag") for row in rows], np.int64)
    end = np.array([units[row].end("tag") for row in rows], np.int64)
    broken[rows] = xor_between(data, start, end) != _hex([units[row]["tag_sum"] for row in rows])
    return broken


def _nearest_before(begin: Ints, own_us: Ints, reach: int) -> Ints:
    """Each unit's own time or, without one, that of the last unit before it that has one, if near enough."""
    at = np.maximum.accumulate(np.where(own_us != NO_TIME, np.arange(len(own_us)), -1))
    near = (at >= 0) & (begin - begin[at] <= reach)
    return np.where(near, own_us[at], NO_TIME)


def _lines_without(text: bytes, starts: Ints, ends: Ints, usable: NDArray[np.bool_], home: Ints) -> Ints:
    """Indices of the lines that are overlong, or hold neither a sentence nor what need not be one."""
    without = usable.copy()
    without[home] = False
    empty = ends == starts
    bad = [i for i in np.flatnonzero(without & ~empty).tolist() if not _NO_AIS.match(text, starts[i], ends[i])]
    return np.union1d(np.array(bad, np.int64), np.flatnonzero(~usable))


def _numbers(units: list[re.Match[bytes]], name: str) -> Ints:
    return np.array([int(m[name] or 0) for m in units], np.int64)


def _codes(data: Bytes, units: list[re.Match[bytes]], total: Ints, part: Ints) -> NDArray[np.int8]:
    """0, or why a sentence cannot be used whatever its payload says."""
    well = (total > 0) & (part <= total)
    code = np.where(well, 0, CODES["malformed"]).astype(np.int8)
    rows = np.flatnonzero(well)
    start = np.array([units[row].start("body") for row in rows], np.int64)
    end = np.array([units[row].end("fill") for row in rows], np.int64)
    told = _hex([units[row]["sum"] for row in rows])
    code[rows[xor_between(data, start, end) != told]] = CODES["checksum"]
    return code


def _hex(digits: list[bytes]) -> Bytes:
    return np.frombuffer(bytes.fromhex(b"".join(digits).decode()), np.uint8)


def _key(m: re.Match[bytes], stamp: Stamp) -> tuple[bytes | str, ...]:
    """What the parts of one message have in common; only the first of a tag group may name its station."""
    if m["total"] in (None, b"1"):
        return ()
    return (m["total"], m["seq"], m["channel"], stamp.group or stamp.station or b"")
