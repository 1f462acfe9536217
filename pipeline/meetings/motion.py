"""Two legs on a local plane: when they are within a distance of each other, exactly.

Relative motion of two even motions is even, so the squared distance is a quadratic of time and the interval within a
distance lies between its roots: no grid, no padding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from stswatch.geo.longitude import turn_to, wrap_lon
from stswatch.geo.plane import metres_per_degree
from stswatch.pipeline.batch import MS, Column, Floats, Ints
from stswatch.pipeline.meetings.histogram import distance_bins, nearest_share


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

    def nearest_cm(self) -> Ints:
        """The distance of the nearest approach in each, centimetres."""
        x0, y0, x1, y1 = self._offsets_m()
        share = nearest_share(x0, y0, x1, y1)
        return np.asarray(np.rint(np.hypot(x0 + (x1 - x0) * share, y0 + (y1 - y0) * share) * 100).astype(np.int64))

    def nearest(self) -> tuple[Ints, Floats, Floats]:
        """When and where the nearest approach in each is: microseconds, longitude, latitude."""
        share = nearest_share(*self._offsets_m())
        when_us = self.start_us + np.rint(share * (self.end_us - self.start_us) / MS).astype(np.int64) * MS
        lon, lat = (at[0] + (at[1] - at[0]) * share for at in (self.lon, self.lat))
        return when_us, np.round(wrap_lon(lon), 7), np.round(lat, 7)

    def distance_bins(self) -> tuple[Ints, Ints, Ints]:
        """How long each keeps in each ring of distance: (row, ring, milliseconds)."""
        return distance_bins(*self._offsets_m(), (self.end_us - self.start_us) // MS)

    def _offsets_m(self) -> tuple[Floats, Floats, Floats, Floats]:
        return self.x_cm[0] / 100, self.y_cm[0] / 100, self.x_cm[1] / 100, self.y_cm[1] / 100


def near(a: Ends, b: Ends, distance_m: float) -> Near:
    """When each pair of legs is within the distance.

    The plane is made from the pair alone (the mean of the four latitudes), so that no other data can change the result.
    Times are rounded to the millisecond; a mere touch, shorter than half of one, is none.
    """
    b = b.beside(a)
    t0, t1 = np.maximum(a.start_us, b.start_us), np.minimum(a.end_us, b.end_us)
    plane = metres_per_degree((a.lat0 + a.lat1 + b.lat0 + b.lat1) / 4)
    first, last = _pair_at(a, b, t0, plane), _pair_at(a, b, t1, plane)
    lower, upper = _roots(first[0], first[1], last[0] - first[0], last[1] - first[1], distance_m)
    span_us = t1 - t0
    start_us = t0 + np.rint(np.clip(lower, 0, 1) * span_us / MS).astype(np.int64) * MS
    end_us = np.where(upper >= 1, t1, t0 + np.rint(np.clip(upper, 0, 1) * span_us / MS).astype(np.int64) * MS)
    hit = np.flatnonzero((lower <= 1) & (upper >= 0) & (start_us < end_us))
    t0, span_us, start_us, end_us = t0[hit], span_us[hit], start_us[hit], end_us[hit]
    moved = [(begin[hit], (end - begin)[hit]) for begin, end in zip(first, last, strict=True)]
    ends = [[begin + by * share for begin, by in moved] for share in ((t - t0) / span_us for t in (start_us, end_us))]
    x, y, lon, lat = zip(*ends, strict=True)
    x_cm, y_cm = (tuple(np.rint(m * 100).astype(np.int64) for m in both) for both in (x, y))
    return Near(hit, start_us, end_us, x_cm, y_cm, lon, lat)


def _pair_at(a: Ends, b: Ends, time_us: Ints, plane: tuple[Floats, Floats]) -> tuple[Floats, Floats, Floats, Floats]:
    """East and north of a to b, metres, and longitude and latitude of the middle; longitudes of b beside those of a.

    plane: metres per degree of longitude and of latitude.
    """
    (lon_a, lat_a), (lon_b, lat_b) = a.position(time_us), b.position(time_us)
    return (lon_b - lon_a) * plane[0], (lat_b - lat_a) * plane[1], (lon_a + lon_b) / 2, (lat_a + lat_b) / 2


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
