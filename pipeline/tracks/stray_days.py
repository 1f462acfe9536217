"""Days that only a wrong clock can have brought: which of a run's rows are dated so that they say nothing of when.

One record of 2052 would make everybody else silent for decades. What tells is the rows per day of all sources of the
run together, so it does not show how these were cut. Judged are days that stand alone: far from all others, or at the
edge of the others with one vessel, where ten and more were heard. Such days hold no encounter. Nothing that lasts
longer than the recording itself is judged: a wrong clock moves a recording, and makes it no longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from stswatch.pipeline.batch import DAY, HOUR, Ints, micros
from stswatch.pipeline.rules import Rules, hours, minutes
from stswatch.pipeline.rules import days as whole_days
from stswatch.pipeline.tracks.fixes import used

# ------------------------------------------------------------------------------ what a source holds of each UTC day
# Counts of parts add up, however the rows were cut into parts. So the days of a run are known without reading its rows.

FEW = 64  # vessels of a day that are kept by name; of more it is known that they are more
_LOOK = 4096  # rows in which more than FEW vessels mostly show


@dataclass(frozen=True)
class Day:
    """One UTC day, by its number since 1970; vessels: sorted MMSI, None where they are more than FEW."""

    day: int
    rows: int
    first_us: int
    last_us: int
    vessels: tuple[int, ...] | None

    def __add__(self, other: Day) -> Day:
        """Both parts of one day as one."""
        return Day(
            self.day,
            self.rows + other.rows,
            min(self.first_us, other.first_us),
            max(self.last_us, other.last_us),
            union([self.vessels, other.vessels]),
        )

    def to_list(self) -> list[Any]:
        """The day as JSON holds it."""
        return [self.day, self.rows, self.first_us, self.last_us, self.vessels and list(self.vessels)]

    @staticmethod
    def from_list(given: list[Any]) -> Day:
        """The day that `to_list` gave."""
        day, rows, first_us, last_us, vessels = given
        return Day(day, rows, first_us, last_us, None if vessels is None else tuple(vessels))


Days = Mapping[int, Day]


def union(parts: Iterable[tuple[int, ...] | None]) -> tuple[int, ...] | None:
    """The vessels of all parts.

    >>> union([(1, 3), (2, 3)]), union([(1,), None])
    ((1, 2, 3), None)
    """
    found: set[int] = set()
    for part in parts:
        if part is None:
            return None
        found.update(part)
    return tuple(sorted(found)) if len(found) <= FEW else None


def days_of(rows: pa.Table) -> dict[int, Day]:
    """The days of a table with columns mmsi and time."""
    mmsi, time_us = np.asarray(rows["mmsi"]), micros(rows, "time")
    day = time_us // DAY
    if not len(day):
        return {}
    if day.min() == day.max():
        return {int(day[0]): _of_day(int(day[0]), mmsi, time_us)}
    return {number: _of_day(number, mmsi[at], time_us[at]) for number, at in _each(day)}


def _each(day: Ints) -> Iterable[tuple[int, Ints]]:
    """Each day and its rows."""
    order = np.argsort(day, kind="stable")
    numbers, begins = np.unique(day[order], return_index=True)
    return zip(numbers.tolist(), np.split(order, begins[1:]), strict=True)


def _of_day(day: int, mmsi: Ints, time_us: Ints) -> Day:
    many = len(np.unique(mmsi[:_LOOK])) > FEW
    names = () if many else np.unique(mmsi).tolist()
    vessels = None if many or len(names) > FEW else tuple(names)
    return Day(day, len(time_us), int(time_us.min()), int(time_us.max()), vessels)


def added(parts: Iterable[Days]) -> dict[int, Day]:
    """The days of all parts together, in order."""
    found: dict[int, Day] = {}
    for part in parts:
        for number, day in part.items():
            found[number] = found[number] + day if number in found else day
    return dict(sorted(found.items()))


# -------------------------------------------------------------------------------------------- days that stand alone

EARLIEST = (date(1995, 1, 1) - date(1970, 1, 1)).days  # before it nothing sent AIS; a receiver that lost its date did

_NIGHT_US = 12 * HOUR  # for less, one ship at its berth may be all that is heard

Group = Sequence[Day]  # in order of time, not empty


def stray_days(days: Days, rules: Rules) -> set[int]:
    """The numbers of the days among these, in order, that are strays; never raises."""
    groups = _apart(list(days.values()), whole_days(rules.clock.alone_d))
    if not groups:
        return set()
    main = max(groups, key=lambda group: (_count(group), _rows(group), -group[0].day))
    if not _typical(main, rules):
        return set()
    strays: set[int] = set()
    for group in groups:
        if group is not main and _alone(group, rules) and _lasts_us(group) <= _lasts_us(main) + DAY:
            strays.update(day.day for day in group)
        else:
            strays |= _at_edges(group, rules)
    return strays


def impossible(day: int, read_on: int | None) -> bool:
    """Whether no right clock can have told a day: it comes after the one on which the source was read, or before AIS.

    >>> impossible(10_957, 20_000), impossible(20_001, 20_000), impossible(20_001, None), impossible(0, None)
    (False, True, False, True)
    """
    return day < EARLIEST or (read_on is not None and day > read_on)


def without_strays(fixes: pa.Table, reports: pa.Table, rules: Rules, read_on: int) -> tuple[pa.Table, pa.Table]:
    """The rows of fixes and static reports of one run, all in memory, that are dated plausibly and used."""
    fixes, reports = used(fixes), used(reports)
    counted = added([days_of(fixes), days_of(reports)])
    never = {day for day in counted if impossible(day, read_on)}
    strays = never | stray_days({number: day for number, day in counted.items() if number not in never}, rules)
    if not strays:
        return fixes, reports
    return _not_of(fixes, strays), _not_of(reports, strays)


def _not_of(rows: pa.Table, days: set[int]) -> pa.Table:
    return rows.filter(pa.array(~np.isin(micros(rows, "time") // DAY, list(days))))


def _apart(days: Group, silence_us: int) -> list[Group]:
    """The days in groups between which nothing was heard for longer than that."""
    cuts = [k for k in range(1, len(days)) if days[k].first_us - days[k - 1].last_us > silence_us]
    return [days[a:b] for a, b in zip([0, *cuts], [*cuts, len(days)], strict=True) if b > a]


def _typical(group: Group, rules: Rules) -> Day | None:
    """The day in which the middle row of a group lies, if it says what is usual: where days are thin, none does."""
    by_rows = sorted(group, key=lambda day: (day.rows, day.day))
    middle = int(np.searchsorted(np.cumsum([day.rows for day in by_rows]), _rows(group) / 2))
    enough = by_rows[middle].rows >= rules.clock.typical_rows and _count(group) > 1
    return by_rows[middle] if enough else None


def _at_edges(group: Group, rules: Rules) -> set[int]:
    """The strays among the days before and after those that have a usual number of rows."""
    usual = _typical(group, rules)
    if usual is None:
        return set()
    full = [k for k, day in enumerate(group) if day.rows > rules.clock.thin_share * usual.rows]
    head = _outer(group[: full[0]], rules)
    tail = _outer(group[full[-1] + 1 :][::-1], rules)[::-1]
    kept = group[len(head) : len(group) - len(tail)]
    found = [_strays_of(side, kept, near, rules) for side, near in ((head, kept[0]), (tail, kept[-1]))]
    return set().union(*found)


def _outer(days: Group, rules: Rules) -> Group:
    """Of days from the outside to the inside those before the first that may hold an encounter."""
    for k, day in enumerate(days):
        if not _alone([day], rules):
            return days[:k]
    return days


def _strays_of(side: Group, kept: Group, near: Day, rules: Rules) -> set[int]:
    """The strays of one side of the days that are kept, each set of vessels by itself; near: the outermost of these."""
    heard, rich = union(day.vessels for day in kept), _count([near]) >= rules.clock.typical_vessels
    strays: set[int] = set()
    for who in {day.vessels for day in side}:
        theirs = [day for day in side if day.vessels == who]
        first_us, last_us = theirs[0].first_us, theirs[-1].last_us
        silence_us = max(first_us - near.last_us, near.first_us - last_us)
        beyond_us = max(last_us - near.last_us, near.first_us - first_us)
        known = heard is not None and who is not None and not set(who).isdisjoint(heard)
        likely = rich and (beyond_us > _NIGHT_US or not known)
        if (
            (likely or (silence_us > DAY and not known))
            and beyond_us > hours(rules.vessel.gap_terrestrial_h)
            and last_us - first_us <= _lasts_us(kept) + DAY
        ):
            strays.update(day.day for day in theirs)
    return strays


def _alone(group: Group, rules: Rules) -> bool:
    """Whether no two vessels can have met in these days."""
    return all(_count([day]) == 1 for day in group) or _lasts_us(group) < minutes(rules.encounter.min_duration_min)


def _count(group: Iterable[Day]) -> int:
    vessels = union(day.vessels for day in group)
    return FEW + 1 if vessels is None else len(vessels)


def _rows(group: Iterable[Day]) -> int:
    return sum(day.rows for day in group)


def _lasts_us(group: Group) -> int:
    return group[-1].last_us - group[0].first_us
