"""What a source holds of each UTC day: rows, first and last time, and which vessels, as long as these are few.

Counts of parts add up, however the rows were cut into parts. So the days of a run are known without reading its rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from stswatch.pipeline.batch import HOUR, Ints, micros

DAY_US = 24 * HOUR
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
    day = time_us // DAY_US
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
