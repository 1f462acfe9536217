"""Legs as columns, and when two of them are within a distance of each other on a local plane, exactly.

Relative motion of two even motions is even, so the squared distance is a quadratic of time and the interval within a
distance lies between its roots: no grid, no padding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from stswatch.geo.coordinates.plane import metres_per_degree
from stswatch.geo.coordinates.sphere import turn_to, wrap_lon
from stswatch.pipeline.batch import MS, Bools, Column, Floats, Ints, micros, ordered, spread, starts_of
from stswatch.pipeline.meetings.intervals import Motion


@dataclass(frozen=True)
class Ends:
    """Legs as columns, (n,) each: times in whole milliseconds as microseconds, degrees; lon1 within 180 of lon0."""

    start_us: Column
    end_us: Column
    lon0: Column
    lat0: Column
    lon1: Column
    lat1: Column

    def at(self, rows: Ints) -> Ends:
        """The legs of these rows."""
        return Ends(*(a[rows] for a in (self.start_us, self.end_us, self.lon0, self.lat0, self.lon1, self.lat1)))

    def beside(self, other: Ends) -> Ends:
        """The same legs with longitudes within 180 degrees of those of other legs, pair by pair."""
        turn_deg = turn_to(self.lon0, other.lon0)
        if not turn_deg.any():
            return self
        return replace(self, lon0=self.lon0 + turn_deg, lon1=self.lon1 + turn_deg)

    def position(self, time_us: Ints) -> tuple[Floats, Floats]:
        """Longitude and latitude at a time between the ends."""
        share = (time_us - self.start_us) / (self.end_us - self.start_us)
        return self.lon0 + (self.lon1 - self.lon0) * share, self.lat0 + (self.lat1 - self.lat0) * share

    def going(self, time_us: Ints, span_us: Ints) -> tuple[Floats, Floats, Floats, Floats]:
        """Longitude and latitude at a time between the ends, and how they change in a span from there, degrees."""
        lasts_us = self.end_us - self.start_us
        before, span = (time_us - self.start_us) / lasts_us, span_us / lasts_us
        east, north = self.lon1 - self.lon0, self.lat1 - self.lat0
        return self.lon0 + east * before, self.lat0 + north * before, east * span, north * span


@dataclass(frozen=True)
class Near:
    """Intervals within the distance, (m,) each: the pair, its times, and at both ends the offset and the middle.

    x_cm, y_cm: east and north of a to b, whole centimetres. lon, lat: the middle of the pair, degrees; the second
    longitude within 180 degrees of the first.
    """

    pair: Column
    start_us: Column
    end_us: Column
    x_cm: tuple[Column, ...]
    y_cm: tuple[Column, ...]
    lon: tuple[Column, ...]
    lat: tuple[Column, ...]

    def at(self, rows: Ints) -> Near:
        """These intervals."""
        ends = (tuple(end[rows] for end in both) for both in (self.x_cm, self.y_cm, self.lon, self.lat))
        return Near(self.pair[rows], self.start_us[rows], self.end_us[rows], *ends)

    def moved_cm(self) -> Ints:
        """How long the way of b as seen from a is in each, centimetres."""
        east_cm, north_cm = (end[1] - end[0] for end in (self.x_cm, self.y_cm))
        return np.asarray(np.rint(np.sqrt(east_cm * east_cm + north_cm * north_cm)).astype(np.int64))

    def middle(self, rows: Ints, end: int) -> tuple[Floats, Floats]:
        """Longitude and latitude of the middle of the pair at the start (0) or the end (1) of these."""
        lon, lat = self.lon[end][rows], self.lat[end][rows]
        return np.round(wrap_lon(lon), 7), np.asarray(np.round(lat, 7))

    def nearest_cm(self) -> Ints:
        """The distance of the nearest approach in each, centimetres."""
        return np.asarray(np.rint(self.motion.nearest_m * 100).astype(np.int64))

    def nearest(self) -> tuple[Ints, Floats, Floats]:
        """When and where the nearest approach in each is: microseconds, longitude, latitude."""
        share = self.motion.at
        when_us = self.start_us + np.rint(share * (self.end_us - self.start_us) / MS).astype(np.int64) * MS
        lon, lat = (at[0] + (at[1] - at[0]) * share for at in (self.lon, self.lat))
        return when_us, np.round(wrap_lon(lon), 7), np.round(lat, 7)

    @cached_property
    def motion(self) -> Motion:
        """How b moves beside a in each."""
        return Motion.of(self.x_cm[0] / 100, self.y_cm[0] / 100, self.x_cm[1] / 100, self.y_cm[1] / 100)


def near(a: Ends, b: Ends, distance_m: float) -> Near:
    """When each pair of legs is within the distance.

    The plane is made from the pair alone (the mean of the four latitudes), so that no other data can change the result.
    Times are rounded to the millisecond; a mere touch, shorter than half of one, is none.
    """
    b = b.beside(a)
    t0, t1 = np.maximum(a.start_us, b.start_us), np.minimum(a.end_us, b.end_us)
    first, moved = _pair_between(a, b, t0, t1 - t0)
    start_us, end_us, hits = _within(first, moved, t0, t1, distance_m)
    hit = np.flatnonzero(hits)
    if len(hit) < len(t0):
        t0, t1, start_us, end_us = t0[hit], t1[hit], start_us[hit], end_us[hit]
        first, moved = (tuple(at[hit] for at in both) for both in (first, moved))
    x, y, lon, lat = _ends(first, moved, t0, t1, start_us, end_us)
    x_cm, y_cm = (tuple(np.rint(m * 100) for m in both) for both in (x, y))
    return Near(hit, start_us, end_us, x_cm, y_cm, lon, lat)


def when_near(a: Ends, b: Ends, distance_m: float) -> tuple[Ints, Ints, Ints]:
    """Which pairs of legs `near` finds, (m,), and the times from when to when, at a third of its cost."""
    b = b.beside(a)
    t0, t1 = np.maximum(a.start_us, b.start_us), np.minimum(a.end_us, b.end_us)
    start_us, end_us, hits = _within(*_offset_between(a, b, t0, t1 - t0)[:2], t0, t1, distance_m)
    hit = np.flatnonzero(hits)
    return hit, start_us[hit], end_us[hit]


def _within(
    first: tuple[Floats, ...], moved: tuple[Floats, ...], t0: Ints, t1: Ints, distance_m: float
) -> tuple[Ints, Ints, Bools]:
    """From when to when each pair is within the distance, whole milliseconds, and whether it ever is."""
    (x, y), (vx, vy) = first[:2], moved[:2]
    # where both ends are within the distance, so is all between
    apart = np.flatnonzero(np.maximum(x * x + y * y, (x + vx) ** 2 + (y + vy) ** 2) > distance_m * distance_m)
    lower, upper = _roots(x[apart], y[apart], vx[apart], vy[apart], distance_m)
    begin_us, span_us = t0[apart], (t1 - t0)[apart]
    entry_us, exit_us = (np.rint(np.clip(s, 0, 1) * span_us / MS).astype(np.int64) * MS for s in (lower, upper))
    start_us, end_us = t0.copy(), t1.copy()
    start_us[apart] = begin_us + entry_us
    end_us[apart] = np.where(upper >= 1, end_us[apart], begin_us + exit_us)
    hits = start_us < end_us
    hits[apart] &= (lower <= 1) & (upper >= 0)
    return start_us, end_us, hits


def _ends(
    first: tuple[Floats, ...], moved: tuple[Floats, ...], t0: Ints, t1: Ints, start_us: Ints, end_us: Ints
) -> list[tuple[Floats, Floats]]:
    """What moves evenly from t0 to t1, at a start and an end between."""
    # most are near for as long as both legs last: only of the others is one of them within
    late, early = np.flatnonzero(start_us > t0), np.flatnonzero(end_us < t1)
    late_share, early_share = ((t - t0)[rows] / (t1 - t0)[rows] for t, rows in ((start_us, late), (end_us, early)))
    ends = []
    for begin, by in zip(first, moved, strict=True):
        at_start, at_end = begin.copy(), begin + by
        at_start[late] += by[late] * late_share
        at_end[early] = begin[early] + by[early] * early_share
        ends.append((at_start, at_end))
    return ends


_Places = tuple[Floats, Floats, Floats, Floats]


def _pair_between(a: Ends, b: Ends, t0: Ints, span_us: Ints) -> tuple[tuple[Floats, ...], tuple[Floats, ...]]:
    """East and north of a to b, metres, and longitude and latitude of the middle: at t0, and their change in a span.

    Longitudes of b lie beside those of a.
    """
    first, moved, going_a, going_b = _offset_between(a, b, t0, span_us)
    lon, lat, east, north = ((of_a + of_b) / 2 for of_a, of_b in zip(going_a, going_b, strict=True))
    return (*first, lon, lat), (*moved, east, north)


def _offset_between(
    a: Ends, b: Ends, t0: Ints, span_us: Ints
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats], _Places, _Places]:
    """East and north of a to b at t0, and their change in a span, metres; and how both go, degrees."""
    going_a, going_b = (leg.going(t0, span_us) for leg in (a, b))
    lon, lat, east, north = (of_b - of_a for of_a, of_b in zip(going_a, going_b, strict=True))
    lon_m, lat_m = metres_per_degree((a.lat0 + a.lat1 + b.lat0 + b.lat1) / 4)
    return (lon * lon_m, lat * lat_m), (east * lon_m, north * lat_m), going_a, going_b


def _roots(x0: Floats, y0: Floats, vx: Floats, vy: Floats, distance_m: float) -> tuple[Floats, Floats]:
    """Where |(x0, y0) + s (vx, vy)| is within the distance: lower and upper s; lower > upper where nowhere."""
    speed2 = vx * vx + vy * vy
    toward = x0 * vx + y0 * vy
    over = x0 * x0 + y0 * y0 - distance_m * distance_m
    # along the motion the nearest point lies `across` away: better conditioned than b*b - a*c when far apart and fast
    across = x0 * vy - y0 * vx
    room = distance_m * distance_m * speed2 - across * across
    moving = speed2 > 1e-12
    half = np.sqrt(np.maximum(room, 0))
    divisor = np.where(moving, speed2, 1.0)
    inside = np.where(over <= 0, -np.inf, np.inf)
    lower = np.where(moving, np.where(room >= 0, (-toward - half) / divisor, np.inf), inside)
    upper = np.where(moving, np.where(room >= 0, (-toward + half) / divisor, -np.inf), -inside)
    return lower, upper


class LegColumns:
    """Legs as NumPy columns."""

    def __init__(self, legs: pa.Table) -> None:
        self.mmsi = np.asarray(legs["mmsi"]).astype(np.int64)
        self.track_us = micros(legs, "track_start")
        # tracks by number, in order of MMSI and start
        order = ordered(self.mmsi, self.track_us // MS)
        self.rank = np.empty(len(order), np.int64)
        head = np.zeros(len(order), np.int64)
        head[starts_of(self.mmsi[order], self.track_us[order])] = 1
        self.rank[order] = np.cumsum(head) - 1
        self.ends = Ends(
            micros(legs, "start"),
            micros(legs, "end"),
            *(np.asarray(legs[n]) for n in ("lon0", "lat0", "lon1", "lat1")),
        )
        self.start_ms = self.ends.start_us // MS
        self.speed_dkn = np.asarray(legs["speed_dkn"]).astype(np.int64)
        self.rounding_m = np.asarray(legs["rounding_m"]).astype(np.int64)
        self.speed_sent = np.asarray(legs["speed_sent"])
        self.fix_start_us, self.fix_end_us = micros(legs, "fix_start"), micros(legs, "fix_end")
        self.fresh = np.asarray(legs["fresh"])
        self.heading_deg = np.asarray(legs["heading_deg"]).astype(np.int64)
        inner = legs["inner"].combine_chunks()
        self._base_us = self.ends.start_us.min(initial=0)
        self.thinned = np.asarray(inner.value_lengths()) > 0
        self._fixes = self._fix_keys(inner)

    def _fix_keys(self, inner: pa.ListArray) -> Ints:
        """Every fix of a track but its last, as one number of track and moment, rising."""
        order = ordered(self.rank, self.start_ms)
        inner = inner.take(pa.array(order)) if (np.diff(order) != 1).any() else inner
        begins = (self.ends.start_us == self.fix_start_us)[order].astype(np.int64)
        count = np.asarray(inner.value_lengths()).astype(np.int64) + begins
        leg, nth = spread(count)
        after_ms = np.zeros(len(leg), np.int64)
        after_ms[(nth > 0) | (begins[leg] == 0)] = np.asarray(inner.flatten())
        return self._key(self.rank[order[leg]], self.ends.start_us[order[leg]] + after_ms * MS)

    def _key(self, rank: Ints, time_us: Ints) -> Ints:
        return np.asarray((rank << 42) + (time_us - self._base_us) // MS)

    def fixes(self, leg: Ints, start_us: Ints, end_us: Ints) -> tuple[Ints, Bools]:
        """How many fixes of the track of each leg lie in [start, end), and whether one stands at the end, (m,) each."""
        low, high = (np.searchsorted(self._fixes, self._key(self.rank[leg], t)) for t in (start_us, end_us))
        at_end = np.append(self._fixes, -1)[high] == self._key(self.rank[leg], end_us)
        return high - low, at_end


@dataclass(frozen=True)
class Found:
    """Proximities of pairs of legs: rows of the legs a and b, and when and where they were near, (m,) each."""

    a: Ints
    b: Ints
    near: Near
