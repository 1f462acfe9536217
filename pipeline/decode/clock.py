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
from numpy.typing import NDArray

from stswatch.pipeline.decode.lines import Ints

AGREE_US = 300_000_000
LEAST_REPORTS = 3
_SEGMENTS = 200
_BESIDE = 25  # reports before and after one with which it is compared
_LEAST_BESIDE = 5
_QUARTILES = (25, 50, 75)
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
        outside = np.flatnonzero((offset < place[0]) | (offset > place[-1]))
        if len(place) > 1 and len(outside):
            beyond = offset[outside]
            rate = known_s[-1] / (place[-1] - place[0])
            second[outside] += rate * (np.minimum(beyond - place[0], 0) + np.maximum(beyond - place[-1], 0))
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
    agree = _agrees(told_us)
    agree[agree] = _agrees(told_us[agree])  # once more without those that were far off
    agreeing = int(agree.sum())
    if agreeing < LEAST_REPORTS or 2 * agreeing <= len(once):
        return Consensus(None, agreeing, len(once), stations)
    return Consensus(Clock(_knots(heard_at[agree], told_us[agree])), agreeing, len(once), stations)


def _agrees(told_us: Ints) -> NDArray[np.bool_]:
    """Where a report is near the median of as many reports before it as after it, as time passes between them.

    So a capture may be of any length: where reports are rare, half of what passes between them is allowed on top. The
    first and last few are compared with the first and last such median.
    """
    n = len(told_us)
    if n <= 2 * _LEAST_BESIDE:
        return np.asarray(np.abs(told_us - np.median(told_us)) <= AGREE_US) if n else np.zeros(0, np.bool_)
    low, middle, high = np.zeros((3, n))
    for at in range(_LEAST_BESIDE, min(n - _LEAST_BESIDE, _BESIDE)):
        beside = min(at, n - 1 - at)
        for here in (at, n - 1 - at):
            around = told_us[here - beside : here + beside + 1]
            low[here], middle[here], high[here] = np.percentile(around, _QUARTILES)
    if n > 2 * _BESIDE:
        around = sliding_window_view(told_us, 2 * _BESIDE + 1)
        low[_BESIDE:-_BESIDE], middle[_BESIDE:-_BESIDE], high[_BESIDE:-_BESIDE] = np.percentile(
            around, _QUARTILES, axis=1
        )
    for quartile in (low, middle, high):
        quartile[:_LEAST_BESIDE] = quartile[_LEAST_BESIDE]
        quartile[-_LEAST_BESIDE:] = quartile[-_LEAST_BESIDE - 1]
    return np.abs(told_us - middle) <= AGREE_US + np.minimum(middle - low, high - middle)


def _knots(offset: Ints, time_us: Ints) -> tuple[tuple[int, int], ...]:
    """At most _KNOTS knots, each the median of as many reports, none earlier than the one before."""
    parts = np.array_split(np.arange(len(offset)), min(_KNOTS, max(1, len(offset) // 3)))
    place = np.array([np.median(offset[rows]) for rows in parts]).astype(np.int64)
    time = np.maximum.accumulate(np.array([np.median(time_us[rows]) for rows in parts]).astype(np.int64))
    _, first = np.unique(place, return_index=True)
    return tuple((int(place[i]), int(time[i])) for i in first)
