"""Sentences that are parts of messages, and how near two of them must be to belong together."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from stswatch.pipeline.decode.lines import Bools, Ints
from stswatch.pipeline.decode.stamps import NO_TIME

REACH = 32_768  # bytes: some 400 sentences; parts of one message lie some three apart, even in feeds of many stations
REACH_S = 60
SIDE_BY_SIDE = 4_096  # bytes from the first to the last of sentences that follow one another
SIDE_BY_SIDE_S = 5  # stations and services stamp the parts of one message by clocks and seconds of their own
FARTHER = 16  # what is so many times as far away as another is no rival of it


@dataclass(frozen=True)
class Parts:
    """Sentences that are parts of messages, (n,) each, in the order of the file.

    number: among all sentences; own_us: its own time, else NO_TIME; alike, where: equal for the parts of one message;
    station: the number of the station that it names, else NO_STATION; nobody names one where this is None.
    """

    number: Ints
    offset: Ints
    own_us: Ints
    total: Ints
    part: Ints
    alike: Ints
    where: Ints
    station: Ints | None = None

    def take(self, rows: Ints) -> Parts:
        """Some of them."""
        taken: dict[str, Any] = {}
        for field in fields(self):
            column = getattr(self, field.name)
            taken[field.name] = None if column is None else column[rows]
        return Parts(**taken)


def near(parts: Parts, row: Ints, other: Ints, reach: Ints | int, reach_us: Ints | int) -> Bools:
    """Whether sentences lie near enough to others, in the file and, where both tell their time, in time, (n,).

    row, other: (n,) rows of the parts; reach: bytes; reach_us: microseconds.

    >>> nought, one = np.zeros(2, np.int64), np.ones(2, np.int64)
    >>> parts = Parts(nought, np.array([0, 80]), np.full(2, NO_TIME), one, one, one, one)
    >>> near(parts, np.array([0]), np.array([1]), 79, 0).tolist()
    [False]
    """
    own_us, others_us = parts.own_us[row], parts.own_us[other]
    timed = (own_us != NO_TIME) & (others_us != NO_TIME)
    apart_us = np.abs(np.where(timed, own_us - others_us, 0))
    return np.asarray((np.abs(parts.offset[row] - parts.offset[other]) <= reach) & (apart_us <= reach_us))
