"""What stands round one sentence: when it was received, by which station, of which group; how times are written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import reduce
from operator import xor
from typing import NamedTuple

import numpy as np

from stswatch.pipeline.decode.lines import Ints
from stswatch.pipeline.times import micros

# ----------------------------------------------------------------------------------------------------------------
# Times as programs write them beside a sentence: epochs, compact stamps, ISO 8601; which number is one, and which
# not
# What could be two things is neither. So a bare number of 14 digits is a date or nothing, never an epoch of the year
# 2611, and a date of which the end is lost is no epoch either. Only what is named a time, `c:` of a tag block, is
# read by its size alone where it is no date.

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
    return micros(when) + (int(fraction or b"0") if len(digits) == 14 else 0)


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
        return micros(when) + int((found["fraction"] or b".0")[1:].ljust(6, b"0")[:6])
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


# ------------------- What stands round one sentence: when it was received, by which station, and of which group it is
# This is the meaning of all wrappers, one sentence at a time; `fast_path.py` does the same for many of usual shape.
# Times are UTC microseconds since 1970. A time of 0 is no time; any other that is written out (`c:` of a tag block, a
# date with its parts) is kept as it stands, also from a stray clock. A bare number is a time only where one reading
# of it is plausible: digits that were cut off, counters and ids stand there too. `stamp_columns.py` says how each is
# read.

__all__ = ["LAST_US", "NO_TIME", "Stamp", "epoch_us", "stamp"]

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
    found = of_tag_block(tag) if tag else NOTHING
    if found.time_us == NO_TIME and rest:
        suffix = of_suffix(rest)
        if suffix.time_us != NO_TIME:
            receiver = suffix.receiver if suffix.station else found.receiver
            found = suffix._replace(station=found.station or suffix.station, receiver=receiver, group=found.group)
        elif suffix.unread:
            found = found._replace(unread=True)
    if found.time_us == NO_TIME and prefix:
        time_us = time_in(prefix)
        found = found._replace(time_us=time_us, unread=found.unread or looks_like_time(prefix))
    return found if found.time_us == NO_TIME or not found.unread else found._replace(unread=False)


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
    checksum = _TAG_SUM.search(tag)
    body = tag[: checksum.start()] if checksum else tag
    broken = checksum is not None and int(checksum[1], 16) != reduce(xor, body, 0)
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
    number = fields[place + 1].strip() if 0 <= place < len(fields) - 1 else b""
    time_us = number_us(number)
    text = b" " + rest[2:]
    if time_us == NO_TIME:
        time_us = time_in(text)
    if time_us == NO_TIME:
        return NOTHING._replace(unread=(number != b"0" and number[:1].isdigit()) or looks_like_time(text))
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
    return micros(when)


# ------------------- The arrival of every byte of a text that was received live: what has no time of its own takes it


@dataclass(frozen=True)
class Arrivals:
    """From which offset, bytes, which arrival holds, UTC microseconds: (n,) each, offsets rising."""

    offset: Ints
    time_us: Ints

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, int]]) -> Arrivals:
        """From (offset, UTC microseconds) pairs in order."""
        offset, time_us = np.array(list(pairs), np.int64).reshape(-1, 2).T
        return cls(offset, time_us)

    def pairs(self) -> list[tuple[int, int]]:
        """As (offset, UTC microseconds) pairs."""
        return list(zip(self.offset.tolist(), self.time_us.tolist(), strict=True))

    def at(self, offset: Ints) -> Ints:
        """Arrival at offsets (n,), UTC microseconds; NO_TIME before the first.

        >>> (Arrivals.of([(3, 70), (9, 80)]).at(np.array([2, 3, 8, 9])) - 70).tolist()[1:]
        [0, 0, 10]
        """
        return np.concatenate([[NO_TIME], self.time_us])[np.searchsorted(self.offset, offset, side="right")]

    def between(self, begin: int, end: int) -> Arrivals:
        """What holds in [begin, end], that of silence at the end included."""
        first = max(int(np.searchsorted(self.offset, begin, side="right")) - 1, 0)
        last = int(np.searchsorted(self.offset, end, side="right"))
        return Arrivals(self.offset[first:last], self.time_us[first:last])
