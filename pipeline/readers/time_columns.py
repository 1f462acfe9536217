"""Which column of a table holds the time, and in which form: decided once for a file, by looking all through it.

A column has the form that puts its values between 1995 and the day of ingest. A few values may lie elsewhere: clocks go
wrong. Where no form does that, or two do with different results, the file is refused with an example and the remedy:
a wrong time puts ships together that never met.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pyarrow as pa

from stswatch.pipeline.batch import Ints
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.readers import time_values
from stswatch.pipeline.readers.column_map import AUTO, TIME_FORMATS, TimeFormat
from stswatch.pipeline.readers.source import SourceError
from stswatch.pipeline.readers.time_forms import DAY, FORMS
from stswatch.pipeline.readers.time_look import (
    MOST,
    WORTH_SAYING,
    Looked,
    TimeColumn,
    at_midnight,
    example,
    look,
    such_as,
    without_nothing,
)
from stswatch.pipeline.readers.time_values import TIMESTAMP, UNITS, plausible, times_us
from stswatch.pipeline.readers.values import flat, numbers

_ALMOST_NONE = 0.05  # share that a form of the map must fit to be taken for one of the column
_REPEATED = 10  # rows of a vessel at the same midnight that show that no time of day was kept
_EXPLAINED = 3  # columns of which a refusal says why they are no time


@dataclass(frozen=True)
class Chosen:
    """Which columns hold the time, and how; says: for people."""

    time: TimeColumn
    date: TimeColumn | None
    how: TimeFormat
    says: str


def choose(
    place: object,
    times: Sequence[TimeColumn],
    dates: Sequence[TimeColumn],
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
    looked = [look(column, day) for column in (*times, *dates)]
    whole = [one for one in looked if one.moments and not _hides_clock(one, looked, len(times))]
    still = [one for one in whole if at_midnight(one)]
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
        self, time: TimeColumn, dates: TimeColumn | None, formats: tuple[str, ...], share: float, clock: str = ""
    ) -> Chosen:
        """The choice in words."""
        how = TimeFormat(formats, self.zone, clock, self.day, found=True)
        words = ", ".join(_says(name) for name in formats)
        named = f"column {time.name} ({words})"
        if dates is not None:
            of_day = f" ({time_values.SAYS[clock]})" if clock else ""
            named = f"columns {dates.name} ({words}) and {time.name}{of_day}"
        zone = "" if self.zone == "UTC" else f", times without a zone taken as {self.zone}"
        lost = 1 - share
        rest = f", {100 * lost:.0f} % of the values are no time between 1995 and then" if lost > WORTH_SAYING else ""
        return Chosen(time, dates, how, named + zone + rest.replace("then", str(self.day or "2099")))

    def refused(self, found: str) -> SourceError:
        """What was found, and the remedy."""
        known = ", ".join(f'"{name}"' for name in TIME_FORMATS)
        return SourceError(
            f"{self.place}: {found}; say how it is written in a column map, given with `columns=FILE`: format under"
            f' [time], one or a list of {known}, or patterns such as "%d/%m/%Y %H:%M:%S"'
        )


def _says(name: str) -> str:
    return FORMS[name].says if name in FORMS else "a timestamp" if name == TIMESTAMP else name


def _hides_clock(one: Looked, looked: Sequence[Looked], times: int) -> bool:
    """Whether days since 1900 may as well be the seconds of the day that stand beside a column of dates."""
    return one.moments == ("excel",) and bool(one.clocks) and any(other.dates for other in looked[times:])


def _two(where: _Where, dates: Sequence[Looked], times: Sequence[Looked], still: Sequence[Looked]) -> Chosen | None:
    """A column of dates with one of times of day. Raises SourceError where the times of day may be of several forms."""
    found = [one for one in dates if (one.dates and not one.moments) or any(one is other for other in still)]
    clocks = [one for one in times if one.clocks]
    for day in found:
        for clock in clocks:
            if clock is day:
                continue
            if len(clock.clocks) > 1:
                forms = " or ".join(time_values.SAYS[name] for name in clock.clocks)
                pattern = "pattern of both with a blank between, such as"
                raise SourceError(
                    f"{where.place}: column {clock.column.name!r} may be {forms}, such as {example(clock.column)};"
                    f' say which in a column map, given with `columns=FILE`: format = "%Y%m%d %H%M%S" under [time], a'
                    f" {pattern} this, and the column of dates as date under [columns]"
                )
            return where.chosen(clock.column, day.column, day.dates or day.moments, day.share, clock.clocks[0])
    return None


def _check_dates(where: _Where, one: Looked, mmsi: pa.Array) -> None:
    """Raise SourceError where rows of a vessel on one day all stand at midnight: when she was where is not known."""
    if one.moments and not at_midnight(one):
        return
    known = one.time_us != NO_TIME
    vessel = np.asarray(numbers(flat(mmsi)))[known] if len(mmsi) == len(known) else np.zeros(int(known.sum()))
    rows = np.stack([vessel, one.time_us[known].astype(np.float64)], axis=1)
    repeated = len(rows) - len(np.unique(rows[~np.isnan(vessel)], axis=0))
    if repeated > (_REPEATED if one.moments else 0):
        forms = one.moments or one.dates
        raise SourceError(
            f"{where.place}: column {one.column.name!r} holds dates alone, such as {example(one.column)}, with several"
            " positions of a vessel on one day; name the column with the time of day as time and this one as date under"
            f" [columns] in a column map, given with `columns=FILE` (format = {_map_word(forms[0])} under [time] takes"
            " them all as midnight)"
        )


def _map_word(form: str) -> str:
    known = form.removesuffix("_date")
    return f'"{known}"' if known in TIME_FORMATS else '"iso"'


def _none(where: _Where, looked: Sequence[Looked]) -> Chosen:
    """What to take where no column holds a time: the first, if none holds a value. Raises SourceError."""
    if all(one.empty for one in looked):
        return where.chosen(looked[0].column, None, ("iso", *UNITS, "compact"), 1.0)
    raise where.refused("; ".join([one.trouble for one in looked if one.trouble][:_EXPLAINED]))


def _as_asked(where: _Where, times: Sequence[TimeColumn], dates: Sequence[TimeColumn], asked: TimeFormat) -> Chosen:
    """The first column, or two of them, that have the form that the map names. Raises SourceError where none has."""
    alone: list[tuple[TimeColumn, TimeColumn | None]] = [(time, None) for time in (*times, *dates)]
    pairs = [(time, day) for time in times for day in dates]
    trouble = []
    for time, day in [*pairs, *alone]:
        how = replace(asked, day=where.day)
        if day is not None and "%" not in how.formats[0]:  # the format is that of the dates
            clocks = time_values.form_of(without_nothing(flat(time.values))[0])
            dated = tuple(name + "_date" if name + "_date" in FORMS else name for name in how.formats)
            if len(clocks) != 1:
                continue
            how = replace(how, formats=dated, clock=clocks[0], found=True)
        values, rows = without_nothing(flat(time.values))
        beside = None if day is None else flat(day.values).take(pa.array(rows))
        time_us = times_us(values, how, beside)
        problem = _against(where, time, time_us, how)
        if not problem:
            good = plausible(time_us, where.day)
            midnight = ", all at midnight" if len(time_us) and (time_us[good] % DAY == 0).all() else ""
            share = float(good.mean()) if len(good) else 1.0
            chosen = where.chosen(time, day, how.formats, share, how.clock)
            return replace(chosen, how=how, says=chosen.says + midnight)
        trouble.append(problem)
    raise where.refused(trouble[0])


def _against(where: _Where, time: TimeColumn, time_us: Ints, how: TimeFormat) -> str:
    """Why a column does not have the form that the map names; nothing where it has."""
    words = ", ".join(f'"{name}"' for name in how.formats)
    fits = time_us != NO_TIME
    if not len(fits):
        return ""
    if fits.mean() < _ALMOST_NONE:
        return f"column {time.name!r} is not written as {words}, which the column map names{such_as(time)}"
    good = plausible(time_us, where.day)
    if good.sum() < MOST * fits.sum():
        strange = time_us[fits & ~good]
        when = str(np.datetime64(int(strange[len(strange) // 2]), "us"))[:19]
        return (
            f"column {time.name!r} read as {words}, which the column map names, gives times such as {when},"
            f" not between 1995-01-01 and {where.day or '2099-12-31'}{such_as(time)}"
        )
    return ""
