"""The ways in which tables write a time, a row each, and what a value is in each of them.

A form reads a column of numbers or of words and gives UTC microseconds, NO_TIME for each value that it does not fit.
Which form a column has is decided in time_columns.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline.batch import Bools, Floats, Ints
from stswatch.pipeline.decode.stamps import LAST_US, NO_TIME, us_of
from stswatch.pipeline.readers import civil
from stswatch.pipeline.readers.civil import DAY, DAY_FIRST, MONTH_FIRST, YEAR_FIRST
from stswatch.pipeline.readers.values import is_text, numbers

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
        return civil.to_utc(np.where(good, ms * _MS, NO_TIME), zone)

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
            midnight = civil.date_us(day // 10_000, day // 100 % 100, day % 100)
            of_day = civil.clock_us(clock // 10_000, clock // 100 % 100, clock % 100, part_us[rows])
            total[rows] = civil.added(midnight, of_day)
        return civil.to_utc(total, zone)

    return read


@dataclass(frozen=True)
class Form:
    """One way to write a time."""

    name: str  # as [time] format of a column map has it
    says: str  # for people
    read: Read | None = None  # of numbers
    order: str = ""  # of words: the order of day, month and year
    dates: bool = False  # dates alone, which are midnight


FORMS: Mapping[str, Form] = {
    form.name: form
    for form in (
        Form("iso", "ISO 8601", order=YEAR_FIRST),
        Form("s", "epoch in s", _epoch(1e6)),
        Form("ms", "epoch in ms", _epoch(1e3)),
        Form("us", "epoch in us", _epoch(1.0)),
        Form("ns", "epoch in ns", _epoch(1e-3)),
        Form("compact", "digits YYYYMMDDhhmmss", _compact(14, 12)),
        Form("excel", "Excel serial days", _excel(0.0)),
        Form("excel1904", "Excel serial days since 1904", _excel(_EXCEL_1904)),
        Form("day_first", "day/month/year", order=DAY_FIRST),
        Form("month_first", "month/day/year", order=MONTH_FIRST),
        Form("iso_date", "ISO 8601, dates alone", order=YEAR_FIRST, dates=True),
        Form("compact_date", "digits YYYYMMDD, dates alone", _compact(8), dates=True),
        Form("day_first_date", "day/month/year, dates alone", order=DAY_FIRST, dates=True),
        Form("month_first_date", "month/day/year, dates alone", order=MONTH_FIRST, dates=True),
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
    fast = _all_iso(_usual(column), zone) if name == "iso" else None
    if fast is not None:
        return fast
    time_us, alone = civil.words_us(column, form.order, zone)
    return np.where(alone == form.dates, time_us, NO_TIME)


def _usual(column: pa.Array) -> pa.Array:
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
        return us_of(when.astimezone(UTC))
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
