"""The clock of a capture whose lines carry no time, from what base stations say (types 4 and 11).

A base station tells date and time, but single ones lie. Each station is heard once in every 200th of the
file, so that no talkative one outvotes the others; a report agrees if it lies within AGREE_S of the median of
the reports round it in the file. Between the agreeing reports time runs evenly with the bytes, and never
backwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from stswatch.pipeline.decode.lines import Ints

AGREE_S = 300
LEAST_REPORTS = 3
_SEGMENTS = 200
_ROUND = 51  # reports whose median is taken
_KNOTS = 256


@dataclass(frozen=True)
class Clock:
    """Time by the offset in the file: knots of (offset, UTC microseconds), rising, one or more."""

    knots: tuple[tuple[int, int], ...] = field(repr=False)

    def at(self, offset: Ints) -> Ints:
        """UTC microseconds at offsets (n,), to the millisecond; outside the knots at the mean rate.

        >>> Clock(((0, 0), (100, 1_000_000))).at(np.array([50, 200])).tolist()
        [500000, 2000000]
        """
        place, time_us = np.array(self.knots, np.int64).T
        known_s = (time_us - time_us[0]) / 1e6
        second = np.interp(offset, place, known_s)
        if len(place) > 1:
            rate = known_s[-1] / (place[-1] - place[0])
            second += rate * (np.minimum(offset - place[0], 0) + np.maximum(offset - place[-1], 0))
        return np.asarray(np.floor(second * 1e3).astype(np.int64) * 1_000 + time_us[0], np.int64)


@dataclass(frozen=True)
class Consensus:
    """What the base stations of a file agree on; clock is None where they do not."""

    clock: Clock | None
    agreeing: int
    reports: int
    stations: int


def consensus(offset: Ints, time_us: Ints, mmsi: Ints, size: int) -> Consensus:
    """The clock on which most base stations of a file agree; never raises.

    offset, time_us, mmsi: (n,) one for each report, offsets rising; size: bytes of the file.
    """
    _, once = np.unique(np.stack([mmsi, offset * _SEGMENTS // max(size, 1)]), axis=1, return_index=True)
    once = np.sort(once)
    heard_at, told_us, stations = offset[once], time_us[once], len(np.unique(mmsi))
    agree = np.abs(told_us - _running_median(told_us)) <= AGREE_S * 1_000_000
    agreeing = int(agree.sum())
    if agreeing < LEAST_REPORTS or 2 * agreeing <= len(once):
        return Consensus(None, agreeing, len(once), stations)
    return Consensus(Clock(_knots(heard_at[agree], told_us[agree])), agreeing, len(once), stations)


def _running_median(value: Ints) -> Ints:
    n = len(value)
    if n <= _ROUND:
        return np.full(n, np.median(value) if n else 0).astype(np.int64)
    middle = np.median(sliding_window_view(value, _ROUND), axis=1).astype(np.int64)
    return np.pad(middle, _ROUND // 2, mode="edge")


def _knots(offset: Ints, time_us: Ints) -> tuple[tuple[int, int], ...]:
    """At most _KNOTS knots, each the median of as many reports, none earlier than the one before."""
    parts = np.array_split(np.arange(len(offset)), min(_KNOTS, max(1, len(offset) // 3)))
    place = np.array([np.median(offset[rows]) for rows in parts]).astype(np.int64)
    time = np.maximum.accumulate(np.array([np.median(time_us[rows]) for rows in parts]).astype(np.int64))
    _, first = np.unique(place, return_index=True)
    return tuple((int(place[i]), int(time[i])) for i in first)
