"""Columns of dates, times of day or whole times, under the form given or found, as UTC microseconds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stswatch.pipeline.batch import SECOND, Bools, Floats, Ints
from stswatch.pipeline.decode.stamps import LAST_US, NO_TIME
from stswatch.pipeline.readers import time_forms
from stswatch.pipeline.readers.column_map import AUTO, TimeFormat
from stswatch.pipeline.readers.time_forms import (
    DAY,
    NUMBERS,
    Numbers,
    digits_of,
    of_timestamps,
    read_numbers,
    read_pattern,
    read_words,
)
from stswatch.pipeline.readers.values import is_text, numbers
from stswatch.pipeline.times import micros

# ---------------- Times of day in a column of their own, beside one of dates: which form they have, and what they are
#     words      12:00:00, 09:30, 12:00:00.5Z
#     time       a column of times of day of Arrow
#     hhmmss     93005 is 09:30:05; hhmm: 930 is 09:30
#     seconds    of the day, 0 to 86,399
#     fraction   of the day, 0 to 1
#
# Numbers can be of several forms at once: 1200 may be noon, 00:12:00 or the 1,200th second. The words in which they
# are written or enough of them decide; else nothing does.

WORDS, TIME, HHMMSS, HHMM, SECONDS, FRACTION = "words", "time", "hhmmss", "hhmm", "seconds", "fraction"
SAYS = {
    WORDS: "hh:mm:ss",
    TIME: "a time of day",
    HHMMSS: "digits hhmmss",
    HHMM: "digits hhmm",
    SECONDS: "seconds of the day",
    FRACTION: "a fraction of the day",
}
_MOST = 0.95  # share of the values that have the form of a column
_ENOUGH = 20  # different numbers that would show what they are not: of seconds of a day two in three are no hhmmss
_SPAN = 10_000  # and how far they reach
_LAST_SECOND = 63  # of AIS: 60 to 63 say why there is none


def is_utc_second(column: pa.Array) -> bool:
    """Whether a column is the UTC second of AIS messages 1 to 3, 18 and 19: whole numbers of 0 to 63, not all 0.

    Source: ITU-R M.1371-5, table 47.

    >>> is_utc_second(pa.array([0, 59, None, 60])), is_utc_second(pa.array([0.5, 0.25]))
    (True, False)
    """
    if pa.types.is_temporal(column.type):
        return False
    value = numbers(column)[np.asarray(column.is_valid())]
    second = (value >= 0) & (value <= _LAST_SECOND) & (value == np.floor(value))
    return bool(second.all() and value.any())


def form_of(column: pa.Array) -> tuple[str, ...]:
    """The forms that a column of times of day may have: none, one, or several where it does not show which."""
    if pa.types.is_time(column.type):
        return (TIME,)
    if pa.types.is_temporal(column.type) or column.null_count == len(column) or is_utc_second(column):
        return ()
    if is_text(column.type):
        if _share(time_forms.times_of_day(column)[0] != NO_TIME, column) >= _MOST:
            return (WORDS,)
        for name, length in ((HHMMSS, 6), (HHMM, 4)):
            padded = pc.match_substring_regex(column, rf"^\s*\d{{{length}}}(\.\d+)?\s*$")
            if pc.all(padded).as_py() and _fits(column, name) >= _MOST:
                return (name,)
    return _of_numbers(column)


def _of_numbers(column: pa.Array) -> tuple[str, ...]:
    value = numbers(column)
    value = value[~np.isnan(value)]
    if not len(value):
        return ()
    if ((value >= 0) & (value < 1)).all() and value.any():
        return (FRACTION,)
    possible = tuple(name for name in (HHMMSS, HHMM, SECONDS) if _fits(column, name) >= _MOST)
    varied = len(np.unique(value)) >= _ENOUGH and np.ptp(value) >= _SPAN
    if possible == (HHMMSS, SECONDS) and varied:  # were they seconds, some would be no hhmmss
        return (HHMMSS,)
    return possible


def _fits(column: pa.Array, name: str) -> float:
    return _share(np.asarray(time_of_day_us(column, name)[0] != NO_TIME), column)


def _share(good: Bools, column: pa.Array) -> float:
    return int(good.sum()) / max(1, int(len(column) - column.null_count))


def time_of_day_us(column: pa.Array, name: str) -> tuple[Ints, Ints, Bools]:
    """Microseconds of the day, of the offset from UTC that is named, and where one is; never raises.

    NO_TIME where a value does not have the form.

    >>> time_of_day_us(pa.array([93005, 120000, 126000]), HHMMSS)[0].tolist()[:2]
    [34205000000, 43200000000]
    """
    none = np.zeros(len(column), np.int64), np.zeros(len(column), np.bool_)
    if pa.types.is_time(column.type):
        whole = column.cast(pa.time64("us"), safe=False).cast(pa.int64())
        return np.asarray(pc.fill_null(whole, NO_TIME).to_numpy(zero_copy_only=False)), *none
    if name == WORDS:
        return time_forms.times_of_day(column) if is_text(column.type) else (np.full(len(column), NO_TIME), *none)
    return _of_number(numbers(column), name), *none


def _of_number(value: Floats, name: str) -> Ints:
    known = (value >= 0) & (value < DAY)
    value = np.where(known, value, 0.0)
    if name in (SECONDS, FRACTION):
        day = 1.0 if name == FRACTION else DAY / SECOND
        part = np.rint(value / day * (DAY / 1e3)).astype(np.int64) * 1_000  # to the millisecond, as in spreadsheets
        return np.where(known & (value < day), part % DAY, NO_TIME)
    whole = np.floor(value).astype(np.int64)
    part_us = np.rint((value - whole) * SECOND).astype(np.int64)
    padded = whole * (100 if name == HHMM else 1)
    of_day: NDArray[np.int64] = time_forms.clock_us(padded // 10_000, padded // 100 % 100, padded % 100, part_us)
    return np.where(known & ((name == HHMMSS) | (part_us == 0)), of_day, NO_TIME)


# ------------------------------- A column of times under the form that was given or found for it, as UTC microseconds

FIRST_US = micros(datetime(1995, 1, 1, tzinfo=UTC))  # AIS was tried at sea from 1996 on
_LAST = date(2099, 12, 30)  # where no day of ingest is given
TIMESTAMP = "timestamp"  # the form of a column that Arrow itself says holds times
UNITS = ("s", "ms", "us", "ns")
_USUAL = ("iso", *UNITS, "compact")
_WITH_DATES = {AUTO: _USUAL, "iso": ("iso", "iso_date"), "compact": ("compact", "compact_date")}
_OTHERS = (*UNITS, "compact")  # none of which puts a number between 1995 and the day of ingest that another puts there


def plausible(time_us: Ints, day: date | None) -> Bools:
    """Which times lie between 1995 and the end of the day of ingest, and a day more: a local time may be ahead."""
    last = (day or _LAST) + timedelta(days=2)
    return np.asarray((time_us >= FIRST_US) & (time_us < micros(datetime(last.year, last.month, last.day, tzinfo=UTC))))


def times_us(column: pa.Array, how: TimeFormat, dates: pa.Array | None = None) -> Ints:
    """A column as UTC microseconds, NO_TIME where missing or not to be read; never raises.

    dates: the column of dates beside it, where it holds times of day alone. Each value is read by the first form that
    it fits; of several forms of numbers that is the one that puts it between 1995 and the day of ingest.

    >>> times_us(pa.array(["2023-08-01 00:00:00", "1690848000", "soon"]), TimeFormat()).tolist()[:2]
    [1690848000000000, 1690848000000000]
    """
    if dates is not None and how.clock:
        time_us = _of_two(dates, column, how)
    elif dates is not None:
        time_us = _one_by_one(joined(dates, column, how.formats[0]), how)
    elif pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        time_us = _of_typed(column, how)
    else:
        time_us = _one_by_one(column, how)
    good = (time_us != 0) & (time_us <= LAST_US)
    return time_us if good.all() else np.where(good, time_us, NO_TIME)


def _of_typed(column: pa.Array, how: TimeFormat) -> Ints:
    """Times that Arrow knows to be some; with a unit of an epoch, its number in that unit instead."""
    if how.formats[0] in UNITS and pa.types.is_timestamp(column.type):
        return read_numbers(how.formats[0], Numbers.of(column.cast(pa.int64())), how.zone)
    return of_timestamps(column, how.zone)


def _one_by_one(column: pa.Array, how: TimeFormat) -> Ints:
    """Each value by the first form that it fits."""
    names = how.formats if how.found else tuple(n for name in how.formats for n in _WITH_DATES.get(name, (name,)))
    counted = [name for name in names if name in NUMBERS]
    if not is_text(column.type):
        names = tuple(name for name in names if name in NUMBERS or "%" in name)
    time_us = np.full(len(column), NO_TIME)
    rest = np.arange(len(column))
    for name in names:
        whole = len(rest) == len(column)
        found = _in_form(column if whole else column.take(pa.array(rest)), name, how.zone)
        fits = found != NO_TIME
        if name in NUMBERS and len(counted) > 1:
            fits &= plausible(found, how.day)
        if whole and fits.all():
            time_us = found
            break
        time_us[rest[fits]] = found[fits]
        rest = rest[~fits]
        if not len(rest):
            break
    return _unless_another(column, time_us, how) if how.found and len(counted) == 1 else time_us


def _in_form(column: pa.Array, name: str, zone: str) -> Ints:
    if "%" in name:
        return read_pattern(name, digits_of(column, name), zone)
    if is_text(column.type):
        return read_words(name, column.cast(pa.string()), zone)
    return read_numbers(name, Numbers.of(column), zone)


def _unless_another(column: pa.Array, time_us: Ints, how: TimeFormat) -> Ints:
    """No time for numbers that the form that was found puts elsewhere and another between 1995 and the day of ingest.

    What no form puts there stays: a clock may be wrong by decades.
    """
    strange = np.flatnonzero((time_us != NO_TIME) & ~plausible(time_us, how.day))
    if not len(strange):
        return time_us
    given = column.take(pa.array(strange))
    others = [name for name in _OTHERS if name not in how.formats]
    elsewhere = np.any([plausible(_in_form(given, name, how.zone), how.day) for name in others], axis=0)
    if is_text(column.type) and "iso" in how.formats:
        elsewhere &= _in_form(given, "iso", how.zone) == NO_TIME
    time_us = time_us.copy()
    time_us[strange[elsewhere]] = NO_TIME
    return time_us


def _of_two(dates: pa.Array, clocks: pa.Array, how: TimeFormat) -> Ints:
    """Dates and times of day together."""
    if pa.types.is_timestamp(dates.type) or pa.types.is_date(dates.type):
        day_us = of_timestamps(dates, "UTC")
    else:
        day_us = _one_by_one(dates, TimeFormat(how.formats, "UTC", day=how.day, found=True))
    whole_day = (day_us == NO_TIME) | (day_us % time_forms.DAY == 0)
    clock_us, offset_us, zoned = time_of_day_us(clocks, how.clock)
    local_us = time_forms.added(np.where(whole_day, day_us, NO_TIME), clock_us)
    return np.where(zoned, time_forms.added(local_us, -offset_us), time_forms.to_utc(local_us, how.zone))


def joined(dates: pa.Array, clocks: pa.Array, pattern: str) -> pa.Array:
    """Dates and times of day as words with a blank between, for a pattern of both.

    >>> joined(pa.array([20250310]), pa.array([93005]), "%Y%m%d %H%M%S").to_pylist()
    ['20250310 093005']
    """
    first, _, second = pattern.partition(" ")
    return pc.binary_join_element_wise(digits_of(dates, first), digits_of(clocks, second or first), " ")
