"""What stands round many sentences at once, as columns: the common form, and times that are numbers or dates."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from stswatch.pipeline.decode.lines import Bools, Ints
from stswatch.pipeline.decode.octets import Words
from stswatch.pipeline.decode.stamps import LAST_US, NO_TIME
from stswatch.pipeline.decode.units import NO_GROUP

NAME_WORDS = 4  # words of the longest name of a station that is usual: 32 bytes
SECOND_US = 1_000_000


@dataclass(frozen=True)
class Said:
    """What is said, (n,) each; station: (n, NAME_WORDS), zeros for none; by_suffix: whether the suffix said it.

    usual: whether it is sure to be what `stamps.py` says; the rest is not to be used where it is not. marks: commas and
    stars of all tag blocks, if all are usual.
    """

    usual: Bools
    time_us: Ints
    station: Words
    group: Ints
    by_suffix: Bools
    marks: int = 0

    def put(self, rows: Ints, other: Said) -> Said:
        """The same with some rows from elsewhere."""
        columns = {name: getattr(self, name).copy() for name in _COLUMNS}
        for name, column in columns.items():
            column[rows] = getattr(other, name)
        return Said(**columns, marks=self.marks + other.marks)


_COLUMNS = [field.name for field in fields(Said) if field.name != "marks"]


def nothing(n: int) -> Said:
    """Of n sentences, nothing is said.

    >>> nothing(2).time_us.tolist() == [NO_TIME] * 2
    True
    """
    station = np.zeros((n, NAME_WORDS), np.uint64)
    return Said(np.ones(n, np.bool_), np.full(n, NO_TIME), station, np.full(n, NO_GROUP), np.zeros(n, np.bool_))


def epochs_us(value: Ints) -> Ints:
    """Epochs in s, ms or µs, told apart by their size, as microseconds; NO_TIME for 0.

    >>> epochs_us(np.array([1599239526, 1599239526500, 0])).tolist()[:2]
    [1599239526000000, 1599239526500000]
    """
    time_us = value * scale_us(value)
    return np.where((time_us > 0) & (time_us <= LAST_US), time_us, NO_TIME)


def scale_us(value: Ints) -> Ints:
    """Microseconds in the unit of an epoch, told by its size: s, ms or µs.

    >>> scale_us(np.array([1599239526, 1599239526500])).tolist()
    [1000000, 1000]
    """
    if value.max(initial=0) < 10**11:
        return np.full(len(value), SECOND_US)
    return np.where(value < 10**11, SECOND_US, np.where(value < 10**14, 1_000, 1))


def moments(
    well: Bools, year: Ints, month: Ints, day: Ints, hour: Ints, minute: Ints, second: Ints
) -> tuple[Bools, Ints]:
    """Which of these are moments of the calendar, and their microseconds since 1970, UTC; well: those to consider.

    >>> day = np.array([28, 29])
    >>> moments(day > 0, day * 0 + 1970, day * 0 + 2, day, day * 0, day * 0, day * 0)[0].tolist()
    [True, False]
    """
    well = well & (year >= 1) & (year <= 9999) & (month >= 1) & (month <= 12)
    well &= (day >= 1) & (hour <= 23) & (minute <= 59) & (second <= 59)
    well &= (hour >= 0) & (minute >= 0) & (second >= 0)
    months = np.where(well, (year - 1970) * 12 + month - 1, 0)
    first, after = (
        each.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) for each in (months, months + 1)
    )
    well &= day <= after - first
    seconds = (first + day - 1) * 86_400 + hour * 3_600 + minute * 60 + second
    return well, np.where(well, seconds * SECOND_US, NO_TIME)
