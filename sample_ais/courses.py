"""Many courses at once: where any of many ships is at any time, whole columns at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stswatch.geo.sphere import MS_PER_KN
from stswatch.sample_ais.motion import M_PER_DEG, Course, Floats

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Ragged:
    """Columns of many series end to end: series k is rows first[k] to first[k + 1] of `time_s` and each of `values`.

    Between its rows a series is straight, before the first and after the last it keeps that value; NaN in a row makes
    the pieces on both sides NaN.
    """

    first: Ints  # (v + 1,)
    time_s: Floats  # (k,)
    values: tuple[Floats, ...]  # each (k,)

    def at(self, which: Ints, time_s: Floats) -> tuple[Floats, ...]:
        """The values of series (n,) at times (n,), seconds; each (n,); never raises for series that there are.

        >>> two = Ragged(np.array([0, 2, 3]), np.array([0.0, 10.0, 5.0]), (np.array([1.0, 2.0, 7.0]),))
        >>> two.at(np.array([0, 0, 1]), np.array([5.0, 99.0, 0.0]))[0].tolist()
        [1.5, 2.0, 7.0]
        """
        row = self._row_before(which, time_s)
        after = np.minimum(row + 1, self.first[which + 1] - 1)
        span = self.time_s[after] - self.time_s[row]
        share = np.clip((time_s - self.time_s[row]) / np.where(span > 0, span, 1.0), 0.0, 1.0)
        share = np.where(span > 0, share, 0.0)
        return tuple(v[row] + share * (v[after] - v[row]) for v in self.values)

    def _row_before(self, which: Ints, time_s: Floats) -> Ints:
        """The last row of the series at or before each time, its first row where there is none."""
        if not len(self.time_s):
            return np.zeros(len(which), np.int64)
        low = min(float(self.time_s.min()), float(time_s.min(initial=np.inf))) - 1.0
        span = max(float(self.time_s.max()), float(time_s.max(initial=-np.inf))) - low + 1.0
        owner = np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))
        key = owner * span + (self.time_s - low)
        row = np.searchsorted(key, which * span + (time_s - low), side="right") - 1
        return np.asarray(np.maximum(row, self.first[which]))


@dataclass(frozen=True)
class Courses:
    """The courses of many ships; see motion.Course for what one is."""

    knots: Ragged

    @staticmethod
    def of(courses: Sequence[Course]) -> Courses:
        """Courses put end to end, in their order."""
        first = np.concatenate([[0], np.cumsum([len(c.time_s) for c in courses], dtype=np.int64)])
        columns = [np.concatenate([getattr(c, n) for c in courses] or [np.empty(0)]) for n in ("time_s", "lon", "lat")]
        return Courses(Ragged(first.astype(np.int64), columns[0], (columns[1], columns[2])))

    def at(self, which: Ints, time_s: Floats) -> tuple[Floats, Floats]:
        """Longitude and latitude of ships (n,) at times (n,)."""
        lon, lat = self.knots.at(which, time_s)
        return lon, lat

    def speed_and_bearing(self, which: Ints, time_s: Floats, window_s: float = 40.0) -> tuple[Floats, Floats]:
        """Speed over ground in kn and bearing in degrees, over a window: an instrument smooths too."""
        lon0, lat0 = self.at(which, time_s - window_s / 2)
        lon1, lat1 = self.at(which, time_s + window_s / 2)
        east = (lon1 - lon0) * M_PER_DEG * np.cos(np.radians((lat0 + lat1) / 2))
        north = (lat1 - lat0) * M_PER_DEG
        return np.hypot(east, north) / window_s / MS_PER_KN, np.degrees(np.arctan2(east, north)) % 360


def steps(since: Sequence[Sequence[tuple[float, float]]]) -> Ragged:
    """Step functions of many ships as `Ragged`: each a list of (from when, value), the first from the beginning on.

    Read with `step_at`.
    """
    first = np.concatenate([[0], np.cumsum([len(s) for s in since], dtype=np.int64)])
    rows = [pair for series in since for pair in series]
    time_s, value = np.array(rows, dtype=np.float64).reshape(-1, 2).T
    return Ragged(first.astype(np.int64), time_s, (value,))


def step_at(series: Ragged, which: Ints, time_s: Floats) -> Floats:
    """The value that holds for ships (n,) at times (n,).

    >>> step_at(steps([[(-9e9, 5.0), (100.0, 7.0)]]), np.array([0, 0]), np.array([0.0, 100.0])).tolist()
    [5.0, 7.0]
    """
    return series.values[0][series._row_before(which, time_s)]
