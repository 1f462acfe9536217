"""What stands round one sentence: when it was received, by which station, and of which group it is.

This is the meaning of all wrappers, one sentence at a time; `around.py` does the same for many of usual shape.
Times are UTC microseconds since 1970. A time of 0 is no time; any other is kept as it stands, also from a stray
clock.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import reduce
from operator import xor
from typing import NamedTuple

NO_TIME = -(2**62)
LAST_US = 253_402_300_799_999_999  # the end of the year 9999: beyond it a number is no time

_TAG_SUM = re.compile(rb"\*([0-9A-Fa-f]{1,2})\Z")
_EPOCH = re.compile(rb"(\d{1,16})(?:\.(\d{1,6}))?")
_GROUP = re.compile(rb"\d+-(\d+)-([^-]+)")
_USCG = re.compile(rb",([rRbB][A-Za-z]?\d+)\s*,(\d{9,10})(?![\d.])")  # station, epoch in seconds
_LEADING_EPOCH = re.compile(rb"(?<![\d.:-])\d{9,16}(?:\.\d{1,6})?(?![\d:-])")
_LEADING_ISO = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d)?")
_KINDS = {"terrestrial": "terrestrial", "satellite": "satellite"}


class Stamp(NamedTuple):
    """What one sentence says of its reception."""

    time_us: int = NO_TIME
    station: str | None = None
    receiver: str = "unknown"
    group: bytes = b""


NOTHING = Stamp()


def stamp(prefix: bytes, tag: bytes, rest: bytes) -> Stamp:
    """What stands before a sentence on its line, in its tag block, and after it: the first of these that tells a time.

    The tag block comes first, then the suffix of the US Coast Guard, then what stands before both.
    """
    said = of_tag_block(tag) if tag else NOTHING
    if said.time_us == NO_TIME and rest:
        suffix = of_suffix(rest)
        if suffix is not NOTHING:
            said = suffix._replace(station=said.station or suffix.station, group=said.group)
    if said.time_us == NO_TIME and prefix:
        said = said._replace(time_us=of_prefix(prefix))
    return said


def epoch_us(digits: bytes) -> int:
    """An epoch in s, ms or µs, told apart by its size, as microseconds; NO_TIME for 0 or no number.

    >>> epoch_us(b"1599239526500") - epoch_us(b"1599239526.5"), epoch_us(b"0") == NO_TIME
    (0, True)
    """
    found = _EPOCH.fullmatch(digits)
    if found is None:
        return NO_TIME
    whole = int(found[1])
    scale = 1_000_000 if whole < 1e11 else 1_000 if whole < 1e14 else 1
    time_us = whole * scale + int((found[2] or b"").ljust(6, b"0")) * scale // 1_000_000
    return time_us if 0 < time_us <= LAST_US else NO_TIME


def kind_of(station: str | None) -> str:
    """The kind of receiver where a station is named after one, as Spire and others do.

    >>> kind_of("satellite"), kind_of("r003669945")
    ('satellite', 'unknown')
    """
    return _KINDS.get(station or "", "unknown")


def of_tag_block(tag: bytes) -> Stamp:
    r"""Time (`c:`), station (`s:`) and group (`g:`) of a tag block without its backslashes.

    No time is taken from one whose checksum does not hold.

    >>> of_tag_block(b"g:1-2-7,s:42809,c:1635731889*43")
    Stamp(time_us=1635731889000000, station='42809', receiver='unknown', group=b'7')
    """
    told = _TAG_SUM.search(tag)
    body = tag[: told.start()] if told else tag
    broken = told is not None and int(told[1], 16) != reduce(xor, body, 0)
    fields = {field[:1]: field[2:].partition(b"*")[0] for field in body.split(b",") if field[1:2] == b":"}
    group = _GROUP.fullmatch(fields.get(b"g", b""))
    station = fields.get(b"s", b"").decode("ascii", "replace") or None
    return Stamp(
        NO_TIME if broken else epoch_us(fields.get(b"c", b"")),
        station,
        kind_of(station),
        group[2] if group is not None and group[1] != b"1" else b"",
    )


def of_suffix(rest: bytes) -> Stamp:
    """Station and time of the US Coast Guard's suffix.

    >>> of_suffix(b"*1A,r003669987,1152921693")
    Stamp(time_us=1152921693000000, station='r003669987', receiver='terrestrial', group=b'')
    """
    found = _USCG.search(rest)
    if found is None:
        return NOTHING
    return Stamp(epoch_us(found[2]), found[1].decode(), "terrestrial")


def of_prefix(text: bytes) -> int:
    """A time at the start of the line, epoch or ISO 8601, UTC where no zone is named.

    >>> of_prefix(b"2006-07-15 00:01:33 ") == of_prefix(b"1152921693,") == of_prefix(b"2006-07-15T09:01:33+09:00")
    True
    """
    if iso := _LEADING_ISO.search(text):
        try:
            when = datetime.fromisoformat(iso[0].decode())
        except ValueError:
            return NO_TIME
        return us_of(when if when.tzinfo else when.replace(tzinfo=UTC))
    epoch = _LEADING_EPOCH.search(text)
    return NO_TIME if epoch is None else epoch_us(epoch[0])


def of_gatehouse(line: bytes) -> int:
    """The time of a Gatehouse line, which belongs to the sentence after it.

    >>> of_gatehouse(b"$PGHP,1,2010,6,11,11,46,11,390,231,45,992190934,1,2B*5B")
    1276256771390000
    """
    fields = line.split(b",")
    try:
        year, month, day, hour, minute, second, ms = (int(field) for field in fields[2:9])
        when = datetime(year, month, day, hour, minute, second, ms * 1000, UTC)
    except (ValueError, OverflowError):
        return NO_TIME
    return us_of(when)


def us_of(when: datetime) -> int:
    """A moment as microseconds since 1970.

    >>> us_of(datetime(1970, 1, 1, 0, 0, 1, 5, UTC))
    1000005
    """
    return int(when.replace(microsecond=0).timestamp()) * 1_000_000 + when.microsecond
