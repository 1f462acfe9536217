"""Times as programs write them beside a sentence: epochs, compact stamps, ISO 8601; which number is one, and which not.

What could be two things is neither. So a bare number of 14 digits is a date or nothing, never an epoch of the year
2611, and a date of which the end is lost is no epoch either. Only what is named a time, `c:` of a tag block, is read by
its size alone where it is no date.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

NO_TIME = -(2**62)
LAST_US = 253_402_300_799_999_999  # the end of the year 9999: beyond it a number is no time
FIRST_PLAUSIBLE_US = 788_918_400_000_000  # 1995: no AIS before; a smaller number lost digits, or is none of these
_CENTURIES = (b"19", b"20", b"21")  # how a number begins that is a date
_COMPACT = {12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_BARE = (9, 10, 12, 13, 14, 15, 16, 17, 18, 19)  # digits: s, ms, µs, ns since 1995, and dates without separators

_NUMBER = re.compile(rb"(\d{1,19})(?:\.(\d{1,9}))?")
_ZONES = rb"AM|PM|[AECMP][SD]T|AK[SD]T|HST|CES?T|EES?T|WES?T|BST|MSK|[JKPI]ST|SGT|HKT|AE[SD]T|AWST|NZ[SD]T"
_WRITTEN = re.compile(
    rb"""
    (?<![\w./:-]) (?:
      (?P<year>\d{4}) (?P<mark>[-/.]) (?P<month>\d\d) (?P=mark) (?P<day>\d\d) [T\ _,;-]
      (?P<clock>\d\d:\d\d:\d\d)
    | (?P<date>\d{8}) (?:[T\ _,;/\t-] (?P<time>\d{6}|\d\d:\d\d:\d\d) | (?P<joined>\d{6}) (?=\.\d|Z|\ ?[+-]\d\d))
    )
    (?P<fraction>\.\d{1,9} | ,\d{3}(?![\d,]))?
    (?: \ ?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d|[+-]\d\d) (?![\w.:+-])
      | (?![\w.:+-]) (?!\ ?(?:[+-]\d|(?:%(zones)b)\b)) )
    | (?<![\w./-])(?<!\d:) (?P<number>\d{9,19}(?:\.\d{1,9})?) (?![\w:/.-])
    """
    % {b"zones": _ZONES},
    re.VERBOSE | re.ASCII,
)
_LIKE_TIME = re.compile(
    rb"(?<!\w)(?:\d{1,2}:\d\d|\d{6,}|\d{4}[-/.]\d{1,2}[-/.]\d|\d{1,2}[-/.](?:\d{1,2}|[A-Za-z]{3})[-/.]\d\d)"
)


def epoch_us(digits: bytes) -> int:
    """A number that is a time: an epoch in s, ms, µs or ns, or a date, told apart by their size; NO_TIME for 0 or none.

    >>> epoch_us(b"1599239526500") - epoch_us(b"1599239526.5"), epoch_us(b"0") == NO_TIME
    (0, True)
    >>> epoch_us(b"20250310120000") == epoch_us(b"1741608000"), number_us(b"20251310120000") == NO_TIME
    (True, True)
    """
    found = _NUMBER.fullmatch(digits)
    if found is None:
        return NO_TIME
    count, fraction = len(found[1]), (found[2] or b"").ljust(6, b"0")[:6]
    if count in (12, 14, 17) and (compact_us := _compact_us(found[1], fraction)) != NO_TIME:
        return compact_us
    whole = int(found[1])
    if whole >= 10**17:
        return whole // 1_000
    scale = 1_000_000 if whole < 1e11 else 1_000 if whole < 1e14 else 1
    time_us = whole * scale + int(fraction) * scale // 1_000_000
    return time_us if 0 < time_us <= LAST_US else NO_TIME


def _compact_us(digits: bytes, fraction: bytes) -> int:
    """A date without separators, to the minute, the second or the millisecond."""
    if digits[:2] not in _CENTURIES:
        return NO_TIME
    if len(digits) == 17:
        digits, fraction = digits[:14], digits[14:].ljust(6, b"0")
    try:
        when = datetime.strptime(digits.decode(), _COMPACT[len(digits)]).replace(tzinfo=UTC)
    except ValueError:
        return NO_TIME
    return us_of(when) + (int(fraction or b"0") if len(digits) == 14 else 0)


def number_us(digits: bytes) -> int:
    """As `epoch_us`, of a number that nothing names a time: NO_TIME also where it could be something else.

    >>> number_us(b"1741608005") == epoch_us(b"1741608005"), number_us(b"174160800") == NO_TIME  # a digit is lost
    (True, True)
    """
    whole = digits.partition(b".")[0]
    if len(whole) not in _BARE or (len(whole) in (10, 13, 16) and _is_day(whole[:8])):
        return NO_TIME
    if len(whole) in (14, 17) and _compact_us(whole, b"") == NO_TIME:
        return NO_TIME
    time_us = epoch_us(digits)
    return time_us if time_us >= FIRST_PLAUSIBLE_US else NO_TIME


def _is_day(digits: bytes) -> bool:
    """Whether a number begins as a date does from 1995 on: as epochs these are of 2033 and later."""
    try:
        return datetime.strptime(digits.decode(), "%Y%m%d").year >= 1995
    except ValueError:
        return False


def time_in(text: bytes) -> int:
    """The first time that stands in a text and is understood: ISO 8601, a compact stamp, an epoch; else NO_TIME.

    UTC where no zone is named; where a zone is named by anything but its offset, nothing is understood.

    >>> time_in(b"[2006-07-15 00:01:33] ") == time_in(b"1152921693,") == time_in(b"20060715T090133+0900 ")
    True
    >>> time_in(b"2006-07-15 00:01:33 KST ") == NO_TIME
    True
    """
    for found in _WRITTEN.finditer(text):
        time_us = number_us(found["number"]) if found["number"] else _written_us(found)
        if time_us != NO_TIME:
            return time_us
    return NO_TIME


def _written_us(found: re.Match[bytes]) -> int:
    """A date and a time of day, with or without separators."""
    date = found["date"] or found["year"] + found["month"] + found["day"]
    time = (found["clock"] or found["time"] or found["joined"]).replace(b":", b"")
    try:
        when = datetime.strptime((date + time).decode(), _COMPACT[14]).replace(tzinfo=_zone(found["zone"]))
        return us_of(when) + int((found["fraction"] or b".0")[1:].ljust(6, b"0")[:6])
    except (ValueError, OverflowError):
        return NO_TIME


def _zone(name: bytes | None) -> timezone:
    if name is None or name[:1] not in b"+-":
        return UTC
    minutes = int(name[1:3]) * 60 + int(name[3:].lstrip(b":") or 0)
    if minutes > 14 * 60 or int(name[3:].lstrip(b":") or 0) > 59:
        raise ValueError(name)
    return timezone(timedelta(minutes=-minutes if name[:1] == b"-" else minutes))


def looks_like_time(text: bytes) -> bool:
    """Whether something stands in a text that may be meant for a date, a time of day or an epoch.

    >>> looks_like_time(b"Mar 10 12:00:05 host "), looks_like_time(b"AIS1 ")
    (True, False)
    """
    return _LIKE_TIME.search(text) is not None


def us_of(when: datetime) -> int:
    """A moment as microseconds since 1970.

    >>> us_of(datetime(1970, 1, 1, 0, 0, 1, 5, UTC))
    1000005
    """
    return int(when.replace(microsecond=0).timestamp()) * 1_000_000 + when.microsecond
