"""What stands round a sentence: when it was received, by which station, and of which group it is.

Times are UTC microseconds since 1970. A time of 0 is no time; any other is kept as it stands, also from a
stray clock.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

NO_TIME = -(2**62)
LAST_US = 253_402_300_799_999_999  # the end of the year 9999: beyond it a number is no time

_TAG_FIELD = re.compile(rb"([A-Za-z]):([^,*]*)")
_DIGITS = re.compile(rb"\d{1,16}(?:\.\d{1,6})?")
_USCG = re.compile(rb",([rRbB][A-Za-z]?\d+)\s*,(\d{9,10})(?![\d.])")  # station, epoch in seconds
_LEADING_EPOCH = re.compile(rb"(?<![\d.:-])\d{9,16}(?:\.\d{1,6})?(?![\d:-])")
_LEADING_ISO = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?")
_KINDS = (b"satellite", b"terrestrial")


class Stamp(NamedTuple):
    """What one sentence says of its reception."""

    time_us: int = NO_TIME
    station: str | None = None
    receiver: str = "unknown"
    group: bytes = b""


NOTHING = Stamp()


def epoch_us(digits: bytes) -> int:
    """An epoch in s, ms or µs, told apart by its size, as microseconds; NO_TIME for 0 or no number.

    >>> epoch_us(b"1599239526500") - epoch_us(b"1599239526.5"), epoch_us(b"0") == NO_TIME
    (0, True)
    """
    if not _DIGITS.fullmatch(digits):
        return NO_TIME
    value = float(digits) if b"." in digits else int(digits)
    scale = 1_000_000 if value < 1e11 else 1_000 if value < 1e14 else 1
    time_us = round(value * scale)
    return time_us if 0 < time_us <= LAST_US else NO_TIME


def of_tag_block(tag: bytes) -> Stamp:
    r"""Time (`c:`), station (`s:`) and group (`g:`) of a tag block without its backslashes.

    >>> of_tag_block(b"g:1-2-7,s:42809,c:1635731889*6A")
    Stamp(time_us=1635731889000000, station='42809', receiver='unknown', group=b'7')
    """
    fields = dict(_TAG_FIELD.findall(tag))
    group = fields.get(b"g", b"").split(b"-")
    station = fields.get(b"s", b"")
    return Stamp(
        epoch_us(fields.get(b"c", b"")),
        station.decode("ascii", "replace") or None,
        station.decode() if station in _KINDS else "unknown",
        group[2] if len(group) == 3 and group[1] != b"1" else b"",
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


def of_prefix(text: bytes) -> Stamp:
    """A time at the start of the line, epoch or ISO 8601 in UTC.

    >>> of_prefix(b"2006-07-15 00:01:33 ").time_us
    1152921693000000
    """
    if iso := _LEADING_ISO.search(text):
        try:
            return Stamp(_us(datetime.fromisoformat(iso[0].decode()).replace(tzinfo=UTC)))
        except ValueError:
            return NOTHING
    epoch = _LEADING_EPOCH.search(text)
    return NOTHING if epoch is None else Stamp(epoch_us(epoch[0]))


@lru_cache(maxsize=1024)
def of_gatehouse(line: bytes) -> Stamp:
    """The time of a Gatehouse line, which belongs to the sentence after it.

    >>> of_gatehouse(b"$PGHP,1,2010,6,11,11,46,11,390,231,45,992190934,1,2B*5B").time_us
    1276256771390000
    """
    fields = line.split(b",")
    try:
        year, month, day, hour, minute, second, ms = (int(field) for field in fields[2:9])
        when = datetime(year, month, day, hour, minute, second, ms * 1000, UTC)
    except ValueError:
        return NOTHING
    return Stamp(_us(when))


def _us(when: datetime) -> int:
    return int(when.replace(microsecond=0).timestamp()) * 1_000_000 + when.microsecond
