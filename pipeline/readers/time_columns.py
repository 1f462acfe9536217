"""Which column of a table holds the time, and in which form: decided once for a file, by looking all through it.

A column has the form that puts its values between 1995 and the day of ingest. A few values may lie elsewhere: clocks go
wrong. Where no form does that, or two do with different results, the file is refused with an example and the remedy:
a wrong time puts ships together that never met.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline.batch import Ints
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.readers import time_of_day
from stswatch.pipeline.readers.base import SourceError
from stswatch.pipeline.readers.civil import DAY
from stswatch.pipeline.readers.column_map import AUTO, TIME_FORMATS, TimeFormat
from stswatch.pipeline.readers.time_forms import FORMS, NUMBERS
from stswatch.pipeline.readers.time_values import TIMESTAMP, UNITS, plausible, times_us
from stswatch.pipeline.readers.values import flat, is_text, numbers

_MOST = 0.5  # share of the values that must be times under the form that is taken
_ALMOST_NONE = 0.05  # share that a form of the map must fit to be taken for one of the column
_WORTH_SAYING = 0.01  # share of values that are no time, or of another order of day and month
_NOTHING = ("", "0", "0.0", "na", "n/a", "nan", "null", "none", "nat", "\\n")  # no value at all
_MOMENTS = ("iso", *UNITS, "compact")  # no value is two of these
_REPEATED = 10  # rows of a vessel at the same midnight that show that no time of day was kept
_LONGEST = 40  # letters of an example
_TOLD = 3  # columns of which a refusal says why they are no time


@dataclass(frozen=True)
class Column:
    """A column that may hold the time or a part of it: its name and values from all through the file, (n,)."""

    name: str
    values: pa.Array
    index: int = 0  # of the column in the table


@dataclass(frozen=True)
class Chosen:
    """Which columns hold the time, and how; says: for people."""

    time: Column
    date: Column | None
    how: TimeFormat
    says: str


@dataclass(frozen=True)
class _Looked:
    """What one column may be."""

    column: Column
    moments: tuple[str, ...] = ()  # forms of a whole time, the most frequent first
    dates: tuple[str, ...] = ()  # forms of a date alone
    clocks: tuple[str, ...] = ()  # forms of a time of day
    zoned: bool = False  # its values say which zone they are in
    share: float = 0.0  # of its values that are times under its form
    trouble: str = ""  # why it is none
    empty: bool = False
    time_us: Ints = field(default_factory=lambda: np.zeros(0, np.int64))


def choose(
    place: object,
    times: Sequence[Column],
    dates: Sequence[Column],
    mmsi: pa.Array,
    asked: TimeFormat,
    day: date | None,
) -> Chosen:
    """The columns of the time, the best of those given, and their form.

    place: the file, for the message; times, dates: columns whose names are those of times and of dates, best first;
    mmsi: (n,) of the same rows; asked: what a map says; day: of ingest. Raises SourceError where nothing fits, or two
    forms do.
    """
    where = _Where(place, day, asked.zone)
    if asked.formats != (AUTO,):
        return _as_asked(where, times, dates, asked)
    looked = [_look(column, day) for column in (*times, *dates)]
    whole = [one for one in looked if one.moments and not _hides_clock(one, looked, len(times))]
    still = [one for one in whole if _at_midnight(one)]
    moving = [one for one in whole if one not in still]
    two = _two(where, [*looked[len(times) :], *looked[: len(times)]], looked[: len(times)], still)
    best = min(moving, key=lambda one: not one.zoned, default=None)
    if best is None and two is not None:
        return two
    best = best or next((one for one in [*still, *looked] if one.moments or one.dates), None)
    if best is None:
        return _none(where, looked)
    _check_dates(where, best, mmsi)
    chosen = where.chosen(best.column, None, best.moments or best.dates, best.share)
    return replace(chosen, says=chosen.says + ", all at midnight") if best.dates else chosen


@dataclass(frozen=True)
class _Where:
    """What the messages and the choice have in common."""

    place: object
    day: date | None
    zone: str

    def chosen(
        self, time: Column, dates: Column | None, formats: tuple[str, ...], share: float, clock: str = ""
    ) -> Chosen:
        """The choice in words."""
        how = TimeFormat(formats, self.zone, clock, self.day, found=True)
        words = ", ".join(_says(name) for name in formats)
        named = f"column {time.name} ({words})"
        if dates is not None:
            of_day = f" ({time_of_day.SAYS[clock]})" if clock else ""
            named = f"columns {dates.name} ({words}) and {time.name}{of_day}"
        zone = "" if self.zone == "UTC" else f", times without a zone taken as {self.zone}"
        lost = 1 - share
        rest = f", {100 * lost:.0f} % of the values are no time between 1995 and then" if lost > _WORTH_SAYING else ""
        return Chosen(time, dates, how, named + zone + rest.replace("then", str(self.day or "2099")))

    def refused(self, found: str) -> SourceError:
        """What was found, and the remedy."""
        known = ", ".join(f'"{name}"' for name in TIME_FORMATS)
        return SourceError(
            f"{self.place}: {found}; say how it is written in a column map, given with --columns FILE: format under"
            f' [time], one or a list of {known}, or patterns such as "%d/%m/%Y %H:%M:%S"'
        )


def _says(name: str) -> str:
    return FORMS[name].says if name in FORMS else "a timestamp" if name == TIMESTAMP else name


def _hides_clock(one: _Looked, looked: Sequence[_Looked], times: int) -> bool:
    """Whether days since 1900 may as well be the seconds of the day that stand beside a column of dates."""
    return one.moments == ("excel",) and bool(one.clocks) and any(other.dates for other in looked[times:])


def _two(where: _Where, dates: Sequence[_Looked], times: Sequence[_Looked], still: Sequence[_Looked]) -> Chosen | None:
    """A column of dates with one of times of day. Raises SourceError where the times of day may be of several forms."""
    found = [one for one in dates if (one.dates and not one.moments) or any(one is other for other in still)]
    clocks = [one for one in times if one.clocks]
    for day in found:
        for clock in clocks:
            if clock is day:
                continue
            if len(clock.clocks) > 1:
                forms = " or ".join(time_of_day.SAYS[name] for name in clock.clocks)
                pattern = "pattern of both with a blank between, such as"
                raise SourceError(
                    f"{where.place}: column {clock.column.name!r} may be {forms}, such as {_example(clock.column)};"
                    f' say which in a column map, given with --columns FILE: format = "%Y%m%d %H%M%S" under [time], a'
                    f" {pattern} this, and the column of dates as date under [columns]"
                )
            return where.chosen(clock.column, day.column, day.dates or day.moments, day.share, clock.clocks[0])
    return None


def _at_midnight(one: _Looked) -> bool:
    known = one.time_us[one.time_us != NO_TIME]
    return bool(len(known)) and bool((known % DAY == 0).all())


def _check_dates(where: _Where, one: _Looked, mmsi: pa.Array) -> None:
    """Raise SourceError where rows of a vessel on one day all stand at midnight: when she was where is not known."""
    if one.moments and not _at_midnight(one):
        return
    known = one.time_us != NO_TIME
    vessel = np.asarray(numbers(flat(mmsi)))[known] if len(mmsi) == len(known) else np.zeros(int(known.sum()))
    rows = np.stack([vessel, one.time_us[known].astype(np.float64)], axis=1)
    repeated = len(rows) - len(np.unique(rows[~np.isnan(vessel)], axis=0))
    if repeated > (_REPEATED if one.moments else 0):
        forms = one.moments or one.dates
        raise SourceError(
            f"{where.place}: column {one.column.name!r} holds dates alone, such as {_example(one.column)}, with several"
            " positions of a vessel on one day; name the column with the time of day as time and this one as date under"
            f" [columns] in a column map, given with --columns FILE (format = {_map_word(forms[0])} under [time] takes"
            " them all as midnight)"
        )


def _map_word(form: str) -> str:
    known = form.removesuffix("_date")
    return f'"{known}"' if known in TIME_FORMATS else '"iso"'


def _none(where: _Where, looked: Sequence[_Looked]) -> Chosen:
    """What to take where no column holds a time: the first, if none holds a value. Raises SourceError."""
    if all(one.empty for one in looked):
        return where.chosen(looked[0].column, None, ("iso", *UNITS, "compact"), 1.0)
    raise where.refused("; ".join([one.trouble for one in looked if one.trouble][:_TOLD]))


def _look(column: Column, day: date | None) -> _Looked:
    """What one column may be."""
    values_of = flat(column.values)
    values, kept = _without_nothing(values_of)
    one = _typed(column, values, day) or _untyped(column, values, day)
    time_us = np.full(len(values_of), NO_TIME)
    if len(one.time_us):
        time_us[kept] = one.time_us
    return replace(one, time_us=time_us)


def _without_nothing(values: pa.Array) -> tuple[pa.Array, Ints]:
    """The values that are not missing, blank or 0, and their rows."""
    known = pc.is_valid(values)
    if is_text(values.type):
        values = values.cast(pa.string())
        word = pc.utf8_lower(pc.utf8_trim_whitespace(values))
        known = pc.and_(known, pc.invert(pc.fill_null(pc.is_in(word, pa.array(_NOTHING)), True)))
    rows = np.flatnonzero(np.asarray(known.to_numpy(zero_copy_only=False), np.bool_))
    return values.take(pa.array(rows)), rows


def _typed(column: Column, values: pa.Array, day: date | None) -> _Looked | None:
    """A column that Arrow itself says holds times, dates or times of day."""
    kind = values.type
    if pa.types.is_time(kind):
        told = f"column {column.name!r} holds times of day without a date{_such_as(column)}"
        return _Looked(column, clocks=(time_of_day.TIME,), empty=not len(values), trouble=told)
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        return None
    time_us = times_us(values, TimeFormat())
    good = plausible(time_us, day)
    if not len(values):
        return _Looked(column, empty=True)
    share = float(good.mean())
    if share < _MOST:
        return _Looked(column, trouble=_no_time(column, day))
    time_us = np.where(good, time_us, NO_TIME)
    if pa.types.is_date(kind):
        return _Looked(column, dates=(TIMESTAMP,), share=share, time_us=time_us)
    return _Looked(column, (TIMESTAMP,), zoned=kind.tz is not None, share=share, time_us=time_us)


def _untyped(column: Column, values: pa.Array, day: date | None) -> _Looked:
    """A column of words or numbers."""
    if time_of_day.is_utc_second(values if len(values) else flat(column.values)):
        told = f"column {column.name!r} is the UTC second of AIS itself, 0 to 63{_such_as(column)}, not a time"
        return _Looked(column, trouble=told)
    if not len(values):
        return _Looked(column, empty=True)
    found = {name: _fitting(values, name, day) for name in FORMS if name != "excel1904"}
    found = {name: time_us for name, time_us in found.items() if (time_us != NO_TIME).any()}
    clocks = time_of_day.form_of(values)
    taken, trouble = _moments(found, len(values)), ""
    if not taken:
        taken, trouble = _day_or_month_first(column, found, len(values))
    if taken:
        share, time_us = _together(found, taken, len(values))
        zoned = bool(set(taken) & set(UNITS)) or (taken[0] == "iso" and _names_zone(values))
        return _Looked(column, taken, (), clocks, zoned, share, time_us=time_us)
    if not trouble:
        taken, trouble = _dates(column, values, found)
    if taken:
        share, time_us = _together(found, taken, len(values))
        return _Looked(column, (), taken, clocks, False, share, time_us=time_us)
    if clocks and is_text(values.type) and clocks == (time_of_day.WORDS,) and not trouble:
        trouble = f"column {column.name!r} holds times of day without a date{_such_as(column)}"
    return _Looked(column, clocks=clocks, trouble=trouble or _no_time(column, day))


def _fitting(values: pa.Array, name: str, day: date | None) -> Ints:
    """The values in one form, NO_TIME where that puts them outside 1995 to the day of ingest."""
    if name not in NUMBERS and not is_text(values.type):
        return np.full(len(values), NO_TIME)
    time_us = times_us(values, TimeFormat((name,), day=day, found=True))
    return np.where(plausible(time_us, day), time_us, NO_TIME)


def _moments(found: Mapping[str, Ints], count: int) -> tuple[str, ...]:
    """The forms of whole times that most values have."""
    fits = {name: int((found[name] != NO_TIME).sum()) for name in _MOMENTS if name in found}
    if sum(fits.values()) >= _MOST * count:
        return tuple(sorted(fits, key=lambda name: -fits[name]))
    if "excel" in found and (of_day := found["excel"][found["excel"] != NO_TIME]).size >= _MOST * count:
        return ("excel",) if (of_day % DAY != 0).mean() > _WORTH_SAYING else ()
    return ()


def _dates(column: Column, values: pa.Array, found: Mapping[str, Ints]) -> tuple[tuple[str, ...], str]:
    """The form of dates alone that most values have, or why it is not known."""
    for name in ("iso_date", "compact_date", "excel"):
        if name in found and (found[name] != NO_TIME).sum() >= _MOST * len(values):
            return (name,), ""
    return _day_or_month_first(column, found, len(values), "_date")


def _day_or_month_first(
    column: Column, found: Mapping[str, Ints], count: int, ending: str = ""
) -> tuple[tuple[str, ...], str]:
    """Whether the day or the month stands first, where one of them does, or that nothing shows which."""
    none = np.full(count, NO_TIME)
    day, month = (found.get(f"{name}_first{ending}", none) for name in ("day", "month"))
    either = (day != NO_TIME) | (month != NO_TIME)
    if either.sum() < _MOST * count:
        return (), ""
    only_day, only_month = (int(((one != NO_TIME) & (other == NO_TIME)).sum()) for one, other in _both_ways(day, month))
    for name, first, second in (("day_first", only_day, only_month), ("month_first", only_month, only_day)):
        if first >= _WORTH_SAYING * count and second <= _WORTH_SAYING * first:
            return (name + ending,), ""
    if not only_day and not only_month and (day == month).all():
        return ("day_first" + ending,), ""
    words = f"column {column.name!r} may have the day or the month first{_such_as(column)}"
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


_ELSEWHERE = TimeFormat(("iso",), "Asia/Seoul")


def _no_time(column: Column, day: date | None) -> str:
    return f"column {column.name!r} holds no time between 1995-01-01 and {day or '2099-12-31'}{_such_as(column)}"


def _such_as(column: Column) -> str:
    return f", such as {_example(column)}" if column.values.null_count < len(column.values) else ""


def _example(column: Column) -> str:
    """A value of a column, the middle one of those that are not nothing."""
    values, _ = _without_nothing(flat(column.values))
    values = values if len(values) else flat(column.values).drop_null()
    value = values[len(values) // 2].as_py()
    shown = repr(value) if isinstance(value, str) else str(value)
    return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "..."


def _as_asked(where: _Where, times: Sequence[Column], dates: Sequence[Column], asked: TimeFormat) -> Chosen:
    """The first column, or two of them, that have the form that the map names. Raises SourceError where none has."""
    alone: list[tuple[Column, Column | None]] = [(time, None) for time in (*times, *dates)]
    pairs = [(time, day) for time in times for day in dates]
    trouble = []
    for time, day in [*pairs, *alone]:
        how = replace(asked, day=where.day)
        if day is not None and "%" not in how.formats[0]:  # the format is that of the dates
            clocks = time_of_day.form_of(_without_nothing(flat(time.values))[0])
            dated = tuple(name + "_date" if name + "_date" in FORMS else name for name in how.formats)
            if len(clocks) != 1:
                continue
            how = replace(how, formats=dated, clock=clocks[0], found=True)
        values, rows = _without_nothing(flat(time.values))
        beside = None if day is None else flat(day.values).take(pa.array(rows))
        time_us = times_us(values, how, beside)
        said = _against(where, time, time_us, how)
        if not said:
            good = plausible(time_us, where.day)
            midnight = ", all at midnight" if len(time_us) and (time_us[good] % DAY == 0).all() else ""
            share = float(good.mean()) if len(good) else 1.0
            chosen = where.chosen(time, day, how.formats, share, how.clock)
            return replace(chosen, how=how, says=chosen.says + midnight)
        trouble.append(said)
    raise where.refused(trouble[0])


def _against(where: _Where, time: Column, time_us: Ints, how: TimeFormat) -> str:
    """Why a column does not have the form that the map names; nothing where it has."""
    words = ", ".join(f'"{name}"' for name in how.formats)
    fits = time_us != NO_TIME
    if not len(fits):
        return ""
    if fits.mean() < _ALMOST_NONE:
        return f"column {time.name!r} is not written as {words}, which the column map names{_such_as(time)}"
    good = plausible(time_us, where.day)
    if good.sum() < _MOST * fits.sum():
        strange = time_us[fits & ~good]
        when = str(np.datetime64(int(strange[len(strange) // 2]), "us"))[:19]
        return (
            f"column {time.name!r} read as {words}, which the column map names, gives times such as {when},"
            f" not between 1995-01-01 and {where.day or '2099-12-31'}{_such_as(time)}"
        )
    return ""
