"""The ways in which tables write dates and times, a row each, and what a value is in each of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stswatch.pipeline.batch import HOUR, MINUTE, SECOND, Bools, Floats, Ints
from stswatch.pipeline.decode.stamps import LAST_US, NO_TIME
from stswatch.pipeline.readers.values import is_text, numbers
from stswatch.pipeline.times import micros

# --------------------------- Dates and times of day, as numbers or as words, to microseconds; what is none is missing
# The proleptic Gregorian calendar. Source of the count of days: H. Hinnant, chrono-compatible low-level date
# algorithms, https://howardhinnant.github.io/date_algorithms.html#days_from_civil

DAY = 24 * HOUR
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_LONGEST_ZONE_H = 15  # from UTC

# What may follow a time of day: Z, UTC, an offset, and after that the name of the zone, as Go and Java print it.
_OFFSET = r"(?:UTC|GMT)?(?P<sign>[+-])(?P<zh>\d\d):?(?P<zm>\d\d)?(?: +[A-Za-z0-9+:_/-]+)?(?: m=\S+)?(?:\[[^\]]*\])?"
_ZONE = rf"(?:\s*(?:(?P<utc>[Zz]|UTC|GMT)(?:\[[^\]]*\])?|{_OFFSET}))?"
_CLOCK = r"(?P<h>\d{1,2})(?::(?P<m>\d\d)(?::(?P<s>\d\d)(?:[.,](?P<f>\d+))?)?)?"
_BETWEEN = r"(?:[Tt_]|[ ,]+)"
YEAR_FIRST = r"(?P<y>\d{4})[-/.](?P<mo>\d{1,2})[-/.](?P<d>\d{1,2})"
DAY_FIRST = r"(?P<d>\d{1,2})[-/.](?P<mo>\d{1,2})[-/.](?P<y>\d{4})"
MONTH_FIRST = r"(?P<mo>\d{1,2})[-/.](?P<d>\d{1,2})[-/.](?P<y>\d{4})"
_TIME_ALONE = rf"^\s*{_CLOCK}{_ZONE}\s*$"
_DIGITS = (  # ISO 8601 without its dashes and colons: with a T, blank or _, a fraction or a zone, else it is a number
    (r"^\s*(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)([.,]\d+|\s*[Zz]|\s*[+-]\d)", r"\1-\2-\3T\4:\5:\6\7"),
    (r"^\s*(\d{4})(\d\d)(\d\d)[Tt _](\d\d)(\d\d)(\d\d)", r"\1-\2-\3T\4:\5:\6"),
    (r"^\s*(\d{4})(\d\d)(\d\d)[Tt _](\d\d)(\d\d)", r"\1-\2-\3T\4:\5"),
    (r"^\s*(\d{4})(\d\d)(\d\d)[Tt _](\d\d):", r"\1-\2-\3T\4:"),
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


# ----------------------------- The ways in which tables write a time, a row each, and what a value is in each of them
# A form reads a column of numbers or of words and gives UTC microseconds, NO_TIME for each value that it does not fit.
# Which form a column has is decided in time_columns.py.

_EXCEL_1970 = 25_569.0  # serial number of 1970-01-01, days; Source: ECMA-376 part 1, 18.17.4.1
_EXCEL_1904 = 1_462.0  # by which the system that begins in 1904 is behind
_EXACT = 2.0**53  # below it a float holds every whole number
_LONG = r"^\s*([1-9]\d{15,17}|[1-8]\d{18})\s*$"
_WIDTHS = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "y": 2, "j": 3}  # digits of what strptime reads
_FREQUENT = (  # as Go and BigQuery print times, and as MarineCadastre once did
    (r"^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d{1,6})?\d*(?: \+0000)? UTC$", r"\1T\2\3Z"),
    (r"^(\d{4})/(\d\d)/(\d\d)", r"\1-\2-\3"),
)
_MS = 1_000


@dataclass(frozen=True)
class Numbers:
    """A column of numbers, (n,) each: those that are more than a float holds, as an epoch in ns, exactly too."""

    value: Floats  # NaN where missing
    long: Ints | None = None  # whole numbers where is_long, None where there is none
    is_long: Bools | None = None

    @classmethod
    def of(cls, column: pa.Array) -> Numbers:
        """A column of numbers or of words that are numbers; never raises."""
        if is_text(column.type):
            if not (pc.first(column).as_py() or "").isdecimal():
                return cls._of_words(column)
            try:
                column = column.cast(pa.int64())
            except pa.ArrowInvalid:
                return cls._of_words(column)
        value = numbers(column)
        if not pa.types.is_integer(column.type) or not _any_long(value):
            return cls(value)
        whole = np.asarray(pc.fill_null(column.cast(pa.int64(), safe=False), 0).to_numpy(zero_copy_only=False))
        return cls(value, whole, np.abs(value) >= _EXACT)

    @classmethod
    def _of_words(cls, column: pa.Array) -> Numbers:
        value = numbers(column)
        if not _any_long(value):
            return cls(value)
        long = pc.fill_null(pc.match_substring_regex(column, _LONG), False)
        digits = pc.utf8_trim_whitespace(pc.if_else(long, column, pa.scalar(None, column.type)))
        whole = np.asarray(pc.fill_null(digits.cast(pa.int64()), 0).to_numpy(zero_copy_only=False), np.int64)
        return cls(value, whole, np.asarray(long.to_numpy(zero_copy_only=False), np.bool_) & (np.abs(value) >= _EXACT))


def _any_long(value: Floats) -> bool:
    return bool(len(value)) and bool(np.fmax.reduce(value) >= _EXACT)


Read = Callable[[Numbers, str], Ints]  # numbers; the zone of what names none


def _epoch(per_us: float) -> Read:
    """An epoch, of which a unit is `per_us` microseconds."""

    def read(given: Numbers, zone: str) -> Ints:
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = given.value * per_us
            good = (scaled > 0) & (scaled <= LAST_US)
        time_us = np.rint(scaled if good.all() else np.where(good, scaled, 0.0)).astype(np.int64)
        if given.long is not None and given.is_long is not None:
            exact = given.long * int(per_us) if per_us >= 1 else given.long // round(1 / per_us)
            time_us = np.where(good & given.is_long, exact, time_us)
        return time_us if good.all() else np.where(good, time_us, NO_TIME)

    return read


def _excel(behind: float) -> Read:
    """Days and fractions of them, to the millisecond, which is what a spreadsheet keeps."""

    def read(given: Numbers, zone: str) -> Ints:
        days = given.value - (_EXCEL_1970 - behind)
        good = (given.value >= 1) & (days <= LAST_US / DAY)
        ms = np.rint(np.where(good, days, 0.0) * (DAY // _MS)).astype(np.int64)
        return to_utc(np.where(good, ms * _MS, NO_TIME), zone)

    return read


def _compact(*lengths: int) -> Read:
    """YYYYMMDD, with hhmm or hhmmss behind it; lengths: how many digits there may be."""

    def read(given: Numbers, zone: str) -> Ints:
        known = np.isfinite(given.value) & (np.abs(given.value) < 1e15)
        floor = np.floor(np.where(known, given.value, 0.0))
        part_us = np.rint((np.where(known, given.value, 0.0) - floor) * 1e3).astype(np.int64) * _MS
        digits = floor.astype(np.int64)
        total = np.full(len(digits), NO_TIME)
        for length in lengths:
            rows = np.flatnonzero((digits >= 10 ** (length - 1)) & (digits < 10**length))
            rows = rows if length == 14 else rows[part_us[rows] == 0]
            if not len(rows):
                continue
            padded = digits[rows] * 10 ** (14 - length)
            day, clock = padded // 1_000_000, padded % 1_000_000
            midnight = date_us(day // 10_000, day // 100 % 100, day % 100)
            of_day = clock_us(clock // 10_000, clock // 100 % 100, clock % 100, part_us[rows])
            total[rows] = added(midnight, of_day)
        return to_utc(total, zone)

    return read


@dataclass(frozen=True)
class TimeForm:
    """One way to write a time."""

    name: str  # as [time] format of a column map has it
    says: str  # for people
    read: Read | None = None  # of numbers
    order: str = ""  # of words: the order of day, month and year
    dates: bool = False  # dates alone, which are midnight


FORMS: Mapping[str, TimeForm] = {
    form.name: form
    for form in (
        TimeForm("iso", "ISO 8601", order=YEAR_FIRST),
        TimeForm("s", "epoch in s", _epoch(1e6)),
        TimeForm("ms", "epoch in ms", _epoch(1e3)),
        TimeForm("us", "epoch in us", _epoch(1.0)),
        TimeForm("ns", "epoch in ns", _epoch(1e-3)),
        TimeForm("compact", "digits YYYYMMDDhhmmss", _compact(14, 12)),
        TimeForm("excel", "Excel serial days", _excel(0.0)),
        TimeForm("excel1904", "Excel serial days since 1904", _excel(_EXCEL_1904)),
        TimeForm("day_first", "day/month/year", order=DAY_FIRST),
        TimeForm("month_first", "month/day/year", order=MONTH_FIRST),
        TimeForm("iso_date", "ISO 8601, dates alone", order=YEAR_FIRST, dates=True),
        TimeForm("compact_date", "digits YYYYMMDD, dates alone", _compact(8), dates=True),
        TimeForm("day_first_date", "day/month/year, dates alone", order=DAY_FIRST, dates=True),
        TimeForm("month_first_date", "month/day/year, dates alone", order=MONTH_FIRST, dates=True),
    )
}
NUMBERS = tuple(form.name for form in FORMS.values() if form.read)


def read_numbers(name: str, given: Numbers, zone: str) -> Ints:
    """Numbers in one form; NO_TIME for what is none, and for all where the form is one of words. Never raises.

    >>> read_numbers("compact", Numbers.of(pa.array([20250310120000, 20251310120000])), "UTC").tolist()[0]
    1741608000000000
    """
    read = FORMS[name].read
    return np.full(len(given.value), NO_TIME) if read is None else read(given, zone)


def read_words(name: str, column: pa.Array, zone: str) -> Ints:
    """Words (n,) in one form, of which a number is one too; NO_TIME for what is none. Never raises."""
    form = FORMS[name]
    if form.read is not None:
        return form.read(Numbers.of(column), zone)
    fast = _all_iso(_typical(column), zone) if name == "iso" else None
    if fast is not None:
        return fast
    time_us, alone = words_us(column, form.order, zone)
    return np.where(alone == form.dates, time_us, NO_TIME)


def _typical(column: pa.Array) -> pa.Array:
    """Words as Arrow can read them, where the first of a column is written in another frequent way."""
    first = pc.first(column).as_py() or ""
    for other, usual in _FREQUENT:
        if re.match(other, first):
            return pc.replace_substring_regex(column, other, usual)
    return column


def _all_iso(column: pa.Array, zone: str) -> Ints | None:
    """The column at once where Arrow can read it, as most are; None where a word needs a closer look."""
    first = pc.first(column).as_py()
    shortest = pc.min(pc.binary_length(column)).as_py()
    if first is None or shortest < len("2025-03-10T12:00"):
        return None
    try:
        return of_timestamps(column.cast(pa.timestamp("us", "UTC" if _ZONED.search(first) else None)), zone)
    except pa.ArrowInvalid:
        return None


_ZONED = re.compile(r":\d\d(\.\d+)?(Z|[+-]\d\d(:?\d\d)?)$")


def of_timestamps(column: pa.Array, zone: str) -> Ints:
    """Arrow timestamps or dates as UTC microseconds, NO_TIME where missing; zone: of those that have none."""
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("us"), safe=False)
    if column.type.tz is None and zone != "UTC":
        column = pc.assume_timezone(column, zone, ambiguous="earliest", nonexistent="earliest")
    whole = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
    return np.asarray(pc.fill_null(whole, NO_TIME).to_numpy(zero_copy_only=False), np.int64)


def read_pattern(pattern: str, column: pa.Array, zone: str) -> Ints:
    """Words by a pattern as strptime takes it; NO_TIME where a word does not fit. Never raises."""
    if "%f" not in pattern and "%z" not in pattern.lower():
        return of_timestamps(pc.strptime(column, format=pattern, unit="us", error_is_null=True), zone)
    coded = column.dictionary_encode()
    known = [_by_pattern(word.strip(), pattern, zone) for word in coded.dictionary.to_pylist()]
    table = np.array([*known, NO_TIME], np.int64)
    at = np.asarray(pc.fill_null(coded.indices, len(known)).to_numpy(zero_copy_only=False), np.int64)
    return np.asarray(table[at], np.int64)


def _by_pattern(word: str, pattern: str, zone: str) -> int:
    try:
        when = datetime.strptime(word, pattern)
        when = when.replace(tzinfo=ZoneInfo(zone)) if when.tzinfo is None else when
        return micros(when.astimezone(UTC))
    except (ValueError, OverflowError):
        return NO_TIME


def digits_of(column: pa.Array, pattern: str) -> pa.Array:
    """Numbers as the words that a pattern is to read, with the zeros before them that a number has lost.

    >>> digits_of(pa.array([1032025]), "%d%m%Y").to_pylist()
    ['01032025']
    """
    if is_text(column.type):
        return column.cast(pa.string())
    if pa.types.is_temporal(column.type):
        return column.cast(pa.string())
    value = numbers(column)
    whole = (np.abs(value) < _EXACT) & (np.floor(value) == value)
    digits = pa.array(np.where(whole, value, 0.0).astype(np.int64), mask=~whole).cast(pa.string())
    words = pc.coalesce(digits, pa.array(value, mask=np.isnan(value)).cast(pa.string()))
    width = _width(pattern)
    return pc.utf8_lpad(words, width, "0") if width else words


def _width(pattern: str) -> int:
    """How many letters a pattern reads, 0 where that is not always the same."""
    named = re.findall(r"%(.)", pattern)
    if not all(name in _WIDTHS for name in named):
        return 0
    return len(re.sub(r"%.", "", pattern)) + sum(_WIDTHS[name] for name in named)
