"""What one column of a table may be: a whole time, a date, a time of day, or none, by its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline.batch import Ints
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.readers import time_values
from stswatch.pipeline.readers.column_map import TimeFormat
from stswatch.pipeline.readers.time_forms import DAY, FORMS, NUMBERS
from stswatch.pipeline.readers.time_values import TIMESTAMP, UNITS, plausible, times_us
from stswatch.pipeline.readers.values import flat, is_text, numbers

MOST = 0.5  # share of the values that must be times under the form that is taken
WORTH_SAYING = 0.01  # share of values that are no time, or of another order of day and month
_NOTHING = ("", "0", "0.0", "na", "n/a", "nan", "null", "none", "nat", "\\n")  # no value at all
_MOMENTS = ("iso", *UNITS, "compact")  # no value is two of these
_LONGEST = 40  # letters of an example
_ELSEWHERE = TimeFormat(("iso",), "Asia/Seoul")


@dataclass(frozen=True)
class TimeColumn:
    """A column that may hold the time or a part of it: its name and values from all through the file, (n,)."""

    name: str
    values: pa.Array
    index: int = 0  # of the column in the table


@dataclass(frozen=True)
class Looked:
    """What one column may be."""

    column: TimeColumn
    moments: tuple[str, ...] = ()  # forms of a whole time, the most frequent first
    dates: tuple[str, ...] = ()  # forms of a date alone
    clocks: tuple[str, ...] = ()  # forms of a time of day
    zoned: bool = False  # its values say which zone they are in
    share: float = 0.0  # of its values that are times under its form
    trouble: str = ""  # why it is none
    empty: bool = False
    time_us: Ints = field(default_factory=lambda: np.zeros(0, np.int64))


def look(column: TimeColumn, day: date | None) -> Looked:
    """What one column may be."""
    values_of = flat(column.values)
    values, kept = without_nothing(values_of)
    one = _typed(column, values, day) or _untyped(column, values, day)
    time_us = np.full(len(values_of), NO_TIME)
    if len(one.time_us):
        time_us[kept] = one.time_us
    return replace(one, time_us=time_us)


def without_nothing(values: pa.Array) -> tuple[pa.Array, Ints]:
    """The values that are not missing, blank or 0, and their rows."""
    known = pc.is_valid(values)
    if is_text(values.type):
        values = values.cast(pa.string())
        word = pc.utf8_lower(pc.utf8_trim_whitespace(values))
        known = pc.and_(known, pc.invert(pc.fill_null(pc.is_in(word, pa.array(_NOTHING)), True)))
    rows = np.flatnonzero(np.asarray(known.to_numpy(zero_copy_only=False), np.bool_))
    return values.take(pa.array(rows)), rows


def _typed(column: TimeColumn, values: pa.Array, day: date | None) -> Looked | None:
    """A column that Arrow itself says holds times, dates or times of day."""
    kind = values.type
    if pa.types.is_time(kind):
        problem = f"column {column.name!r} holds times of day without a date{such_as(column)}"
        return Looked(column, clocks=(time_values.TIME,), empty=not len(values), trouble=problem)
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        return None
    time_us = times_us(values, TimeFormat())
    good = plausible(time_us, day)
    if not len(values):
        return Looked(column, empty=True)
    share = float(good.mean())
    if share < MOST:
        return Looked(column, trouble=_no_time(column, day))
    time_us = np.where(good, time_us, NO_TIME)
    if pa.types.is_date(kind):
        return Looked(column, dates=(TIMESTAMP,), share=share, time_us=time_us)
    return Looked(column, (TIMESTAMP,), zoned=kind.tz is not None, share=share, time_us=time_us)


def _untyped(column: TimeColumn, values: pa.Array, day: date | None) -> Looked:
    """A column of words or numbers."""
    if time_values.is_utc_second(values if len(values) else flat(column.values)):
        problem = f"column {column.name!r} is the UTC second of AIS itself, 0 to 63{such_as(column)}, not a time"
        return Looked(column, trouble=problem)
    if not len(values):
        return Looked(column, empty=True)
    found = _every_form(values, day)
    taken, trouble = _moments(found, len(values)), ""
    clocks = time_values.form_of(values) if taken in ((), ("excel",)) else ()
    if not taken:
        taken, trouble = _day_or_month_first(column, found, len(values))
    if taken:
        share, time_us = _together(found, taken, len(values))
        zoned = bool(set(taken) & set(UNITS)) or (taken[0] == "iso" and _names_zone(values))
        return Looked(column, taken, (), clocks, zoned, share, time_us=time_us)
    if not trouble:
        taken, trouble = _dates(column, values, found)
    if taken:
        share, time_us = _together(found, taken, len(values))
        return Looked(column, (), taken, clocks, False, share, time_us=time_us)
    if clocks and is_text(values.type) and clocks == (time_values.WORDS,) and not trouble:
        trouble = f"column {column.name!r} holds times of day without a date{such_as(column)}"
    return Looked(column, clocks=clocks, trouble=trouble or _no_time(column, day))


def _every_form(values: pa.Array, day: date | None) -> dict[str, Ints]:
    """The values in each form that some of them fit, until every value has the one of a whole time that it can have."""
    first = _MOMENTS if is_text(values.type) and not np.isfinite(numbers(values[:1]))[0] else _MOMENTS[1:]
    found, rest = {}, np.ones(len(values), np.bool_)
    for name in (*first, *(name for name in FORMS if name not in (*first, "excel1904"))):
        time_us = _fitting(values, name, day)
        if (time_us != NO_TIME).any():
            found[name] = time_us
        if name in _MOMENTS:
            rest &= time_us == NO_TIME
        if not rest.any():
            break
    return found


def _fitting(values: pa.Array, name: str, day: date | None) -> Ints:
    """The values in one form, NO_TIME where that puts them outside 1995 to the day of ingest."""
    if name not in NUMBERS and not is_text(values.type):
        return np.full(len(values), NO_TIME)
    time_us = times_us(values, TimeFormat((name,), day=day, found=True))
    return np.where(plausible(time_us, day), time_us, NO_TIME)


def _moments(found: Mapping[str, Ints], count: int) -> tuple[str, ...]:
    """The forms of whole times that most values have."""
    fits = {name: int((found[name] != NO_TIME).sum()) for name in _MOMENTS if name in found}
    if sum(fits.values()) >= MOST * count:
        return tuple(sorted(fits, key=lambda name: -fits[name]))
    if "excel" in found and (of_day := found["excel"][found["excel"] != NO_TIME]).size >= MOST * count:
        return ("excel",) if (of_day % DAY != 0).mean() > WORTH_SAYING else ()
    return ()


def _dates(column: TimeColumn, values: pa.Array, found: Mapping[str, Ints]) -> tuple[tuple[str, ...], str]:
    """The form of dates alone that most values have, or why it is not known."""
    for name in ("iso_date", "compact_date", "excel"):
        if name in found and (found[name] != NO_TIME).sum() >= MOST * len(values):
            return (name,), ""
    return _day_or_month_first(column, found, len(values), "_date")


def _day_or_month_first(
    column: TimeColumn, found: Mapping[str, Ints], count: int, ending: str = ""
) -> tuple[tuple[str, ...], str]:
    """Whether the day or the month stands first, where one of them does, or that nothing shows which."""
    none = np.full(count, NO_TIME)
    day, month = (found.get(f"{name}_first{ending}", none) for name in ("day", "month"))
    either = (day != NO_TIME) | (month != NO_TIME)
    if either.sum() < MOST * count:
        return (), ""
    only_day, only_month = (int(((one != NO_TIME) & (other == NO_TIME)).sum()) for one, other in _both_ways(day, month))
    for name, first, second in (("day_first", only_day, only_month), ("month_first", only_month, only_day)):
        if first >= WORTH_SAYING * count and second <= WORTH_SAYING * first:
            return (name + ending,), ""
    if not only_day and not only_month and (day == month).all():
        return ("day_first" + ending,), ""
    words = f"column {column.name!r} may have the day or the month first{such_as(column)}"
    return (), words + ' (format = "day_first" or "month_first")'


def _both_ways(one: Ints, other: Ints) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints]]:
    return (one, other), (other, one)


def _together(found: Mapping[str, Ints], names: Sequence[str], count: int) -> tuple[float, Ints]:
    """The share of the values that are times under one of these forms, and the times."""
    time_us = np.full(count, NO_TIME)
    for name in names:
        time_us = np.where(time_us == NO_TIME, found[name], time_us)
    return float((time_us != NO_TIME).mean()), time_us


def _names_zone(values: pa.Array) -> bool:
    first = pc.first(values).as_py()
    return bool(times_us(pa.array([first]), TimeFormat(("iso",))) == times_us(pa.array([first]), _ELSEWHERE))


def at_midnight(one: Looked) -> bool:
    """Whether all times of a column are midnight."""
    known = one.time_us[one.time_us != NO_TIME]
    return bool(len(known)) and bool((known % DAY == 0).all())


def _no_time(column: TimeColumn, day: date | None) -> str:
    return f"column {column.name!r} holds no time between 1995-01-01 and {day or '2099-12-31'}{such_as(column)}"


def such_as(column: TimeColumn) -> str:
    """An example for a sentence, nothing where the column holds no value."""
    return f", such as {example(column)}" if column.values.null_count < len(column.values) else ""


def example(column: TimeColumn) -> str:
    """A value of a column, the middle one of those that are not nothing."""
    values, _ = without_nothing(flat(column.values))
    values = values if len(values) else flat(column.values).drop_null()
    value = values[len(values) // 2]
    try:
        value = value.as_py()
    except (OverflowError, ValueError):  # a time that Python has no date for: its number
        value = value.value
    shown = repr(value) if isinstance(value, str) else str(value)
    return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "..."
