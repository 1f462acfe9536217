"""What stands round one sentence: when it was received, by which station, and of which group it is.

This is the meaning of all wrappers, one sentence at a time; `around.py` does the same for many of usual shape.
Times are UTC microseconds since 1970. A time of 0 is no time; any other that is written out (`c:` of a tag block, a
date with its parts) is kept as it stands, also from a stray clock. A bare number is a time only where one reading of it
is plausible: digits that were cut off, counters and ids stand there too. `written_times.py` says how each is read.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import reduce
from operator import xor
from typing import NamedTuple

from stswatch.pipeline.decode.written_times import (
    LAST_US,
    NO_TIME,
    epoch_us,
    looks_like_time,
    number_us,
    time_in,
    us_of,
)

__all__ = ["LAST_US", "NO_TIME", "Stamp", "epoch_us", "stamp", "us_of"]

_TAG_SUM = re.compile(rb"\*([0-9A-Fa-f]{1,2})\Z")
_GROUP = re.compile(rb"\d+-(\d+)-([^-]+)")
_STATION = re.compile(rb"[rRbB][A-Za-z0-9_-]+")
_KINDS = {"terrestrial": "terrestrial", "satellite": "satellite"}


class Stamp(NamedTuple):
    """What one sentence says of its reception; unread: it carries a time that is not understood."""

    time_us: int = NO_TIME
    station: str | None = None
    receiver: str = "unknown"
    group: bytes = b""
    unread: bool = False


NOTHING = Stamp()


def stamp(prefix: bytes, tag: bytes, rest: bytes) -> Stamp:
    """What stands before a sentence on its line, in its tag block, and after it: the first of these that tells a time.

    The tag block comes first, then what follows the checksum, then what stands before both.
    """
    said = of_tag_block(tag) if tag else NOTHING
    if said.time_us == NO_TIME and rest:
        suffix = of_suffix(rest)
        if suffix.time_us != NO_TIME:
            receiver = suffix.receiver if suffix.station else said.receiver
            said = suffix._replace(station=said.station or suffix.station, receiver=receiver, group=said.group)
        elif suffix.unread:
            said = said._replace(unread=True)
    if said.time_us == NO_TIME and prefix:
        time_us = time_in(prefix)
        said = said._replace(time_us=time_us, unread=said.unread or looks_like_time(prefix))
    return said if said.time_us == NO_TIME or not said.unread else said._replace(unread=False)


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
    Stamp(time_us=1635731889000000, station='42809', receiver='unknown', group=b'7', unread=False)
    """
    told = _TAG_SUM.search(tag)
    body = tag[: told.start()] if told else tag
    broken = told is not None and int(told[1], 16) != reduce(xor, body, 0)
    fields = {field[:1]: field[2:].partition(b"*")[0] for field in body.split(b",") if field[1:2] == b":"}
    group = _GROUP.fullmatch(fields.get(b"g", b""))
    station = fields.get(b"s", b"").decode("ascii", "replace") or None
    clock = fields.get(b"c", b"")
    time_us = NO_TIME if broken else epoch_us(clock)
    return Stamp(
        time_us,
        station,
        kind_of(station),
        group[2] if group is not None and group[1] != b"1" else b"",
        time_us == NO_TIME and bool(clock.strip(b"0 ")),  # a device without a clock says 0
    )


def of_suffix(rest: bytes) -> Stamp:
    """Station and time of what follows a sentence, the two digits of its checksum first.

    Of several times that after the station counts, as the US Coast Guard writes it; else the first.

    >>> of_suffix(b"1A,r09ABCD1,1152921693.5").time_us, of_suffix(b"53,1741608005123").station
    (1152921693500000, None)
    """
    behind = rest.partition(b",")[2]
    fields = behind.split(b",")
    place = next((at for at, field in enumerate(fields) if _STATION.fullmatch(field.rstrip())), -1)
    told = fields[place + 1].strip() if 0 <= place < len(fields) - 1 else b""
    time_us = number_us(told)
    text = b" " + rest[2:]
    if time_us == NO_TIME:
        time_us = time_in(text)
    if time_us == NO_TIME:
        return NOTHING._replace(unread=(told != b"0" and told[:1].isdigit()) or looks_like_time(text))
    if place < 0:
        return Stamp(time_us)
    return Stamp(time_us, fields[place].rstrip().decode(), "terrestrial")


def of_gatehouse(line: bytes) -> int:
    """The time of a Gatehouse line, which belongs to the sentence on the line after it.

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
