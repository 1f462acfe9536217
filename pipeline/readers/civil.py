"""Dates and times of day, as numbers or as words, to microseconds; what is none is missing.

The proleptic Gregorian calendar. Source of the count of days: H. Hinnant, chrono-compatible low-level date algorithms,
https://howardhinnant.github.io/date_algorithms.html#days_from_civil
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stswatch.pipeline.batch import HOUR, MINUTE, SECOND, Bools, Ints
from stswatch.pipeline.decode.stamps import LAST_US, NO_TIME

DAY = 24 * HOUR
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_LONGEST_ZONE_H = 15  # from UTC

# What may follow a time of day: Z, UTC, an offset, and after that the name of the zone, as Go and Java print it.
_OFFSET = r"(?:UTC|GMT)?(?P<sign>[+-])(?P<zh>\d\d):?(?P<zm>\d\d)?(?: +[A-Za-z0-9+:_/-]+)?(?: m=\S+)?(?:\[[^\]]*\])?"
_ZONE = rf"(?:\s*(?:(?P<utc>[Zz]|UTC|GMT)(?:\[[^\]]*\])?|{_OFFSET}))?"
_CLOCK = r"(?P<h>\d{1,2})(?::(?P<m>\d\d)(?::(?P<s>\d\d)(?:[.,](?P<f>\d+))?)?)?"
_BETWEEN = r"(?:[Tt]|[ ,]+)"
YEAR_FIRST = r"(?P<y>\d{4})[-/.](?P<mo>\d{1,2})[-/.](?P<d>\d{1,2})"
DAY_FIRST = r"(?P<d>\d{1,2})[-/.](?P<mo>\d{1,2})[-/.](?P<y>\d{4})"
MONTH_FIRST = r"(?P<mo>\d{1,2})[-/.](?P<d>\d{1,2})[-/.](?P<y>\d{4})"
_TIME_ALONE = rf"^\s*{_CLOCK}{_ZONE}\s*$"
_DIGITS = (  # ISO 8601 without its dashes and colons: with a T or blank, a fraction or a zone, else it is a number
    (r"^\s*(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)([.,]\d+|\s*[Zz]|\s*[+-]\d)", r"\1-\2-\3T\4:\5:\6\7"),
    (r"^\s*(\d{4})(\d\d)(\d\d)[Tt ](\d\d)(\d\d)(\d\d)", r"\1-\2-\3T\4:\5:\6"),
    (r"^\s*(\d{4})(\d\d)(\d\d)[Tt ](\d\d)(\d\d)", r"\1-\2-\3T\4:\5"),
    (r"^\s*(\d{4})(\d\d)(\d\d)[Tt ](\d\d):", r"\1-\2-\3T\4:"),
)


def date_us(year: Ints, month: Ints, day: Ints) -> Ints:
    """Midnight of dates, microseconds since 1970; NO_TIME for what is no date. Never raises.

    >>> (date_us(np.array([2025, 2025]), np.array([3, 2]), np.array([10, 29])) // DAY).tolist()[0]
    20157
    """
    known = (year >= 1) & (year <= 9999) & (month >= 1) & (month <= 12) & (day >= 1)
    year, month = np.where(known, year, 2000), np.where(known, month, 1)
    leap = (month == 2) & (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    known &= day <= _MONTH_DAYS[month] + leap
    march = year - (month <= 2)
    of_era = march % 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = march // 400 * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
    return np.where(known, days * DAY, NO_TIME)


def clock_us(hour: Ints, minute: Ints, second: Ints, fraction_us: Ints | int = 0) -> Ints:
    """Times of day in microseconds; NO_TIME for what is none, a leap second too. Never raises.

    >>> clock_us(np.array([9, 24]), np.array([30, 0]), np.array([5, 0])).tolist()[0]
    34205000000
    """
    known = (hour >= 0) & (hour < 24) & (minute >= 0) & (minute < 60) & (second >= 0) & (second < 60)
    return np.where(known, hour * HOUR + minute * MINUTE + second * SECOND + fraction_us, NO_TIME)


def added(*parts_us: Ints) -> Ints:
    """Sums of microseconds, NO_TIME where one of them is missing."""
    missing = np.any([part == NO_TIME for part in parts_us], axis=0)
    total = sum(np.where(missing, 0, part) for part in parts_us)
    return np.where(missing, NO_TIME, total).astype(np.int64)


def to_utc(local_us: Ints, zone: str) -> Ints:
    """Times of a zone as UTC, the first of two where the clock is set back; never raises.

    zone: a name of the IANA database.
    """
    if zone == "UTC":
        return local_us
    inside = (local_us != NO_TIME) & (np.abs(local_us) <= LAST_US - DAY)
    column = pa.array(np.where(inside, local_us, 0)).cast(pa.timestamp("us"))
    moved = pc.assume_timezone(column, zone, ambiguous="earliest", nonexistent="earliest").cast(pa.int64())
    return np.where(inside, np.asarray(moved), NO_TIME)


def words_us(column: pa.Array, date: str, zone: str) -> tuple[Ints, Bools]:
    """Words of one order of day, month and year as UTC microseconds, and which of them are a date alone.

    column: (n,) strings; date: YEAR_FIRST, DAY_FIRST or MONTH_FIRST; zone: of words that name none. NO_TIME where a
    word is none; digits beyond the microsecond are cut off. Never raises.

    >>> words_us(pa.array(["2025-03-10 12:00:00 +0900 KST", "2025/03/10"]), YEAR_FIRST, "UTC")[1].tolist()
    [False, True]
    """
    if date == YEAR_FIRST:
        for digits, usual in _DIGITS:
            column = pc.replace_substring_regex(column, digits, usual)
    found = pc.extract_regex(column, rf"^\s*{date}(?:{_BETWEEN}{_CLOCK}{_ZONE})?\s*$")
    day = date_us(*(_number(found, name) for name in ("y", "mo", "d")))
    clock, offset_us, zoned = _clock(found)
    local_us = added(day, clock)
    utc_us = added(local_us, -offset_us) if zoned.all() else np.where(
        zoned, added(local_us, -offset_us), to_utc(local_us, zone)
    )  # fmt: skip
    alone = np.asarray(pc.fill_null(pc.equal(pc.struct_field(found, "h"), ""), False))
    return utc_us, alone & (day != NO_TIME)


def times_of_day(column: pa.Array) -> tuple[Ints, Ints, Bools]:
    """Words of a time of day: microseconds of the day, of its offset from UTC, and which name their zone.

    NO_TIME where a word is none; a number without a colon is none. Never raises.
    """
    found = pc.extract_regex(column, _TIME_ALONE)
    clock, offset_us, zoned = _clock(found)
    colon = np.asarray(pc.fill_null(pc.not_equal(pc.struct_field(found, "m"), ""), False))
    return np.where(colon, clock, NO_TIME), offset_us, zoned


def _clock(found: pa.StructArray) -> tuple[Ints, Ints, Bools]:
    hour, minute, second = (_number(found, name) for name in ("h", "m", "s"))
    fraction = pc.utf8_rpad(pc.utf8_slice_codeunits(pc.struct_field(found, "f"), 0, 6), 6, "0")
    sign = pc.fill_null(pc.struct_field(found, "sign"), "")
    offset_h, offset_m = _number(found, "zh"), _number(found, "zm")
    offset_us = offset_h * HOUR + offset_m * MINUTE
    offset_us = np.where(np.asarray(pc.equal(sign, "-")), -offset_us, offset_us)
    utc = pc.not_equal(pc.fill_null(pc.struct_field(found, "utc"), ""), "")
    zoned = np.asarray(pc.or_(utc, pc.not_equal(sign, "")))
    clock = clock_us(hour, minute, second, _whole(fraction))
    good = (clock != NO_TIME) & (offset_h < _LONGEST_ZONE_H) & (offset_m < 60) & np.asarray(found.is_valid())
    return np.where(good, clock, NO_TIME), offset_us, zoned


def _number(found: pa.StructArray, name: str) -> NDArray[np.int64]:
    """A group of digits as numbers, 0 where it is empty, -1 where nothing was found."""
    return _whole(pc.struct_field(found, name))


def _whole(digits: pa.Array) -> NDArray[np.int64]:
    filled = pc.if_else(pc.equal(digits, ""), "0", digits)
    return np.asarray(pc.fill_null(filled.cast(pa.int64()), -1).to_numpy(zero_copy_only=False), np.int64)
