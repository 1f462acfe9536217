"""How simulated ships move: courses through points in time, and where any of many ships is at any time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stswatch.geo.coordinates.sphere import MEAN_RADIUS_M, MS_PER_KN, haversine_m

# --------------------- How simulated ships move: courses through points in time, put together from a few small pieces

Floats = NDArray[np.float64]

M_PER_DEG = np.pi / 180 * MEAN_RADIUS_M


@dataclass(frozen=True)
class Course:
    """Where a ship is at any time: straight between knots, still before the first and after the last.

    Longitudes may run past 180 so that a course across the date line stays in one piece.
    """

    time_s: Floats  # (k,) increasing
    lon: Floats  # (k,) deg
    lat: Floats  # (k,) deg

    def at(self, time_s: ArrayLike) -> tuple[Floats, Floats]:
        """Longitude and latitude at times (n,), seconds; never raises."""
        when = np.asarray(time_s, dtype=np.float64)
        return np.interp(when, self.time_s, self.lon), np.interp(when, self.time_s, self.lat)

    def speed_and_bearing(self, time_s: ArrayLike, window_s: float = 60.0) -> tuple[Floats, Floats]:
        """Speed over ground in kn and bearing in degrees at times (n,), over a window in seconds.

        A ship's instrument smooths too, so a knot does not show as a step.

        >>> speed, bearing = Course(*np.array([[0, 3600], [0, 0], [0, 1 / 6]])).speed_and_bearing([1800])
        >>> round(float(speed[0]), 1), float(bearing[0])
        (10.0, 0.0)
        """
        time_s = np.asarray(time_s, dtype=np.float64)
        lon0, lat0 = self.at(time_s - window_s / 2)
        lon1, lat1 = self.at(time_s + window_s / 2)
        east = (lon1 - lon0) * M_PER_DEG * np.cos(np.radians((lat0 + lat1) / 2))
        north = (lat1 - lat0) * M_PER_DEG
        speed_kn = np.hypot(east, north) / window_s / MS_PER_KN
        return speed_kn, np.degrees(np.arctan2(east, north)) % 360

    def beside(self, time_s: ArrayLike, east_m: ArrayLike, north_m: ArrayLike) -> Course:
        """The same course shifted by metres east and north given at times (k,), straight between them."""
        offset_s = np.asarray(time_s, dtype=np.float64)
        knots = np.union1d(self.time_s, offset_s)
        lon, lat = self.at(knots)
        east = np.interp(knots, offset_s, np.broadcast_to(east_m, offset_s.shape))
        north = np.interp(knots, offset_s, np.broadcast_to(north_m, offset_s.shape))
        return Course(knots, *shift(lon, lat, east, north))

    def then(self, later: Course) -> Course:
        """This course up to the first knot of another, then that one."""
        mine = self.time_s < later.time_s[0]
        return Course(
            np.concatenate([self.time_s[mine], later.time_s]),
            np.concatenate([self.lon[mine], later.lon]),
            np.concatenate([self.lat[mine], later.lat]),
        )


def shift(lon: ArrayLike, lat: ArrayLike, east_m: ArrayLike, north_m: ArrayLike) -> tuple[Floats, Floats]:
    """Positions (n,) moved by some metres east and north; good for distances small against the Earth.

    >>> [float(v) for v in shift(0.0, 60.0, M_PER_DEG / 2, 0.0)]
    [1.0, 60.0]
    """
    lat = np.asarray(lat, dtype=np.float64)
    moved_lon = np.asarray(lon) + np.asarray(east_m) / (M_PER_DEG * np.cos(np.radians(lat)))
    lon_out, lat_out = np.broadcast_arrays(np.round(moved_lon, 9), np.round(lat + np.asarray(north_m) / M_PER_DEG, 9))
    return lon_out, lat_out


def voyage(points: ArrayLike, start_s: float, speed_kn: float) -> Course:
    """A course through points (k, 2), lon and lat in degrees, from a start time in seconds at one speed.

    >>> float(voyage([[0, 0], [0, 1]], 0.0, 10.0).time_s[-1]) // 3600
    6.0
    """
    lon, lat = np.asarray(points, dtype=np.float64).T
    legs_m = haversine_m(lon[:-1], lat[:-1], lon[1:], lat[1:])
    return Course(start_s + np.concatenate([[0.0], np.cumsum(legs_m)]) / (speed_kn * MS_PER_KN), lon, lat)


def stay(lon: float, lat: float, start_s: float, end_s: float) -> Course:
    """A course that stays at one place from start to end, seconds."""
    return Course(np.array([start_s, end_s]), np.full(2, lon), np.full(2, lat))


def drift(rng: np.random.Generator, lon: float, lat: float, start_s: float, end_s: float, speed_kn: float) -> Course:
    """A slow meander from a place: about the speed given, turning a little every half hour or so."""
    knots = np.append(np.arange(start_s, end_s, 1800.0), end_s)
    bearing = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.4, len(knots)))
    step_m = np.diff(knots, prepend=knots[0]) * speed_kn * MS_PER_KN * rng.uniform(0.5, 1.5, len(knots))
    return stay(lon, lat, start_s, end_s).beside(
        knots, np.cumsum(step_m * np.sin(bearing)), np.cumsum(step_m * np.cos(bearing))
    )


def swing(rng: np.random.Generator, lon: float, lat: float, start_s: float, end_s: float, radius_m: float) -> Course:
    """At anchor: the antenna goes to and fro on a circle about the anchor, with tide and wind."""
    knots = np.append(np.arange(start_s, end_s, 900.0), end_s)
    tide = 2 * np.pi * knots / 44_714.0  # M2, the lunar tide: 12.42 h
    bearing = rng.uniform(0, 2 * np.pi) + 1.8 * np.sin(tide) + np.cumsum(rng.normal(0, 0.05, len(knots)))
    return stay(lon, lat, start_s, end_s).beside(knots, radius_m * np.sin(bearing), radius_m * np.cos(bearing))


def report_times(
    rng: np.random.Generator, start_s: float, end_s: float, every_s: float, whole_ms: int = 1000
) -> Floats:
    """Times of reports (n,) in [start, end), about `every_s` apart, on a grid of whole milliseconds."""
    slots = np.arange(start_s + rng.uniform(0, every_s / 2), end_s - every_s / 2, every_s)
    times_ms = (slots + rng.uniform(0, 0.4 * every_s, len(slots))) * 1000
    return np.asarray(np.round(times_ms / whole_ms) * whole_ms / 1000)


# ------------------------------ Many courses at once: where any of many ships is at any time, whole columns at a time

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
