"""A column of times under the form that was given or found for it, as UTC microseconds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline.batch import Bools, Ints
from stswatch.pipeline.decode.stamps import LAST_US, NO_TIME, us_of
from stswatch.pipeline.readers import civil, time_of_day
from stswatch.pipeline.readers.column_map import AUTO, TimeFormat
from stswatch.pipeline.readers.time_forms import (
    NUMBERS,
    Numbers,
    digits_of,
    of_timestamps,
    read_numbers,
    read_pattern,
    read_words,
)
from stswatch.pipeline.readers.values import is_text

FIRST_US = us_of(datetime(1995, 1, 1, tzinfo=UTC))  # AIS was tried at sea from 1996 on
_LAST = date(2099, 12, 30)  # where no day of ingest is given
TIMESTAMP = "timestamp"  # the form of a column that Arrow itself says holds times
UNITS = ("s", "ms", "us", "ns")
_USUAL = ("iso", *UNITS, "compact")
_WITH_DATES = {AUTO: _USUAL, "iso": ("iso", "iso_date"), "compact": ("compact", "compact_date")}
_OTHERS = (*UNITS, "compact")  # none of which puts a number between 1995 and the day of ingest that another puts there


def plausible(time_us: Ints, day: date | None) -> Bools:
    """Which times lie between 1995 and the end of the day of ingest, and a day more: a local time may be ahead."""
    last = (day or _LAST) + timedelta(days=2)
    return np.asarray((time_us >= FIRST_US) & (time_us < us_of(datetime(last.year, last.month, last.day, tzinfo=UTC))))


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
    whole_day = (day_us == NO_TIME) | (day_us % civil.DAY == 0)
    clock_us, offset_us, zoned = time_of_day.clock_us(clocks, how.clock)
    local_us = civil.added(np.where(whole_day, day_us, NO_TIME), clock_us)
    return np.where(zoned, civil.added(local_us, -offset_us), civil.to_utc(local_us, how.zone))


def joined(dates: pa.Array, clocks: pa.Array, pattern: str) -> pa.Array:
    """Dates and times of day as words with a blank between, for a pattern of both.

    >>> joined(pa.array([20250310]), pa.array([93005]), "%Y%m%d %H%M%S").to_pylist()
    ['20250310 093005']
    """
    first, _, second = pattern.partition(" ")
    return pc.binary_join_element_wise(digits_of(dates, first), digits_of(clocks, second or first), " ")
