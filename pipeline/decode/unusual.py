"""Any line, one at a time: what a line of a capture can hold is written here, and this is the measure of `usual.py`.

A line may hold several sentences, each with a tag block before and a suffix behind it. Numbers are read as Python reads
them, as pyais does, so that what pyais decodes from a sentence whose checksum holds is decoded here as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import reduce
from operator import xor
from typing import Any, NamedTuple

import numpy as np

from stswatch.pipeline.decode import stamps
from stswatch.pipeline.decode.lines import Ints
from stswatch.pipeline.decode.rejects import CODES
from stswatch.pipeline.decode.units import (
    MAX_PAYLOAD,
    NO_GROUP,
    NO_SENTENCE,
    NO_STATION,
    Names,
    Units,
    alike,
)
from stswatch.pipeline.schema import RECEIVERS

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


def unusual(text: bytes, starts: Ints, ends: Ints, names: Names) -> tuple[Units, Ints]:
    """The units of some lines, and which of these lines hold neither a sentence nor what need not be one.

    starts, ends: (n,) of the lines, in their order. Never raises.

    >>> line = b"$AIVDM,01, 1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0*0x33"
    >>> found, bad = unusual(line, np.array([0]), np.array([len(line)]), Names())
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
        said = stamps.stamp(line[begin : head.start()], head["tag"] or b"", rest)
        yield (
            *place,
            parsed.code,
            said.time_us,
            parsed.total,
            parsed.part,
            parsed.fill,
            start + at + parsed.first,
            start + at + parsed.last,
            parsed.alike,
            int.from_bytes(head["talker"], "little"),
            names.group(said.group),
            names.station(said.station),
            RECEIVERS.index(said.receiver),
            said.unread,
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
    told = reduce(xor, body[1:], 0)
    digits = _SUM.match(tail)
    if digits is not None and int(digits[0], 16) == told:
        return True
    try:
        return int(tail.partition(b",")[0], 16) == told
    except ValueError:
        return False


def _alike(total: int, seq: int, channel: bytes, own: bool, names: Names) -> int:
    if not (-1 <= seq <= 99 and len(channel) <= 2):
        return -1 - names.other(b"%d,%d,%d" % (total, seq, own), channel)
    numbers = (total, seq, int.from_bytes(channel, "little"), own)
    return int(alike(*(np.array([number], np.int64) for number in numbers))[0])
