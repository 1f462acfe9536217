"""Where vessels that were not heard may have met: for how long at most, in which region, at what least speed.

A silence from p at t0 to q at t1 leaves a vessel of speed v at place x from t0 + |x - p| / v until t1 - |x - q| / v.
So those of a group can be at x together for

    S(x) = min over k of (t1_k - |x - q_k| / v_k) - max over k of (t0_k + |x - p_k| / v_k),

which is concave along the ground, as far as the Earth is flat: where it is longest is one problem without local traps,
and the places where it is long enough are one region without holes, seen whole from any place in it. Distances are
those of `arc_km`: straight over land too, so nothing possible is left out;
`by_sea` has the same by ways round the land.

Source: Kuijpers, Grimson, Othman 2011 (International Journal of Geographical Information Science 25), the alibi query.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import ArrayLike

from stswatch.geo.coast.land import coast
from stswatch.geo.coast.water import is_water
from stswatch.geo.coordinates.plane import WGS84_A_M, WGS84_E2, apart_km, arc_km, in_space_km, not_below
from stswatch.geo.coordinates.sphere import KMH_PER_KN, near_lon
from stswatch.geo.reference.zones import area_km2
from stswatch.geo.sea.distance import bounds_km, in_region, nothing_between
from stswatch.pipeline.batch import Bools, Floats

_AT_ONCE = 2_000  # groups; so what is worked on stays in the cache


@dataclass(frozen=True)
class GapGroups:
    """GapGroups of n groups of k vessels: hours (n, k) from any moment on, places in space (3, n, k) km, speeds.

    start, end: where each was heard last and first again, see `in_space_km`. speed_kmh: (n, k).
    """

    start_h: Floats
    end_h: Floats
    start: Floats
    end: Floats
    speed_kmh: Floats

    @staticmethod
    def of(
        start_h: ArrayLike,
        end_h: ArrayLike,
        start: tuple[ArrayLike, ArrayLike],
        end: tuple[ArrayLike, ArrayLike],
        speed_kn: ArrayLike,
    ) -> GapGroups:
        """From hours (n, k), longitudes and latitudes (n, k), degrees, and speeds, knots, (n, k) or one for all."""
        begun = np.atleast_2d(np.asarray(start_h, np.float64))
        speed = np.broadcast_to(np.asarray(speed_kn, np.float64) * KMH_PER_KN, begun.shape)
        return GapGroups(begun, np.atleast_2d(np.asarray(end_h, np.float64)), _places(*start), _places(*end), speed)

    def __len__(self) -> int:
        return len(self.start_h)

    def taken(self, rows: slice | np.ndarray) -> GapGroups:
        """Some of the groups."""
        hours, places = (self.start_h[rows], self.end_h[rows]), (self.start[:, rows], self.end[:, rows])
        return GapGroups(*hours, *places, self.speed_kmh[rows])

    def faster(self, times: Floats) -> GapGroups:
        """The same groups, those of each (n,) so many times as fast."""
        return GapGroups(self.start_h, self.end_h, self.start, self.end, self.speed_kmh * times[:, None])

    def stay_h(self, x: Floats) -> Floats:
        """S at places (3, n, m) in space: hours (n, m); below 0 where they cannot be together."""
        from_h, until_h = np.full(x.shape[1:], -np.inf), np.full(x.shape[1:], np.inf)
        for k in range(self.start_h.shape[1]):
            speed = self.speed_kmh[:, k, None]
            from_h = np.maximum(from_h, self.start_h[:, k, None] + _apart_km(x, self.start[:, :, k, None]) / speed)
            until_h = np.minimum(until_h, self.end_h[:, k, None] - _apart_km(x, self.end[:, :, k, None]) / speed)
        return np.asarray(until_h - from_h)


def most_h(of: GapGroups) -> Floats:
    """No S is above it, hours (n,): the least of t1_i - t0_j - |q_i - p_j| / the greater of both speeds.

    >>> gap = GapGroups.of([[0, 2]], [[10, 12]], ([[124.0, 125.0]], [[38.0] * 2]), ([[124.0, 125.0]], [[38.0] * 2]), 12)
    >>> most_h(gap).round(2).tolist()
    [4.05]
    """
    return np.asarray(_bounds_h(of).min(axis=1))


def _bounds_h(of: GapGroups) -> Floats:
    """That of each pair i, j: (n, k * k), those of one i side by side."""
    speed = np.maximum(of.speed_kmh[:, :, None], of.speed_kmh[:, None])
    apart_h = _apart_km(of.end[:, :, :, None], of.start[:, :, None]) / speed
    return (of.end_h[:, :, None] - of.start_h[:, None] - apart_h).reshape(len(of), of.start_h.shape[1] ** 2)


class Longest(NamedTuple):
    """The longest common stay of groups (n,), hours, and where it is, degrees."""

    stay_h: Floats
    lon: Floats
    lat: Floats


def longest(of: GapGroups, enough_h: float = np.inf) -> Longest:
    """The longest common stay of each group, to 0.001 h, and where it is; where there is none, `most_h` and any place.

    Mostly it is as long as `most_h` has it, on the straight way between the two places that decide that. Else the best
    place of every way across is looked for. enough_h: where a stay so long is found, no longer one is looked for.

    >>> gap = GapGroups.of([[0, 2]], [[10, 12]], ([[124.0, 125.0]], [[38.0] * 2]), ([[124.0, 125.0]], [[38.0] * 2]), 12)
    >>> longest(gap).stay_h.round(2).tolist()
    [4.05]
    """
    bound_h = most_h(of)
    found = np.stack([bound_h, *degrees(of.start[:, :, 0])])
    rows = np.flatnonzero(bound_h > 0)
    for aside in (False, True):
        for at in range(0, len(rows), _AT_ONCE):
            some = rows[at : at + _AT_ONCE]
            found[:, some] = _longest(of.taken(some), aside)
        rows = rows[found[0, rows] < np.minimum(bound_h[rows], enough_h) - _EXACT_H]
    return Longest(*found)


_EXACT_H = 0.0005
_GOLDEN = (np.sqrt(5.0) - 1.0) / 2
_PARTINGS = 22  # leave 25 m of 1,000 km; for all groups alike, so that none shows in the result of another


def _longest(of: GapGroups, aside: bool) -> Floats:
    """The rows of Longest, (3, n): the best place on the straight way that decides `most_h`, or aside of it."""
    bounds, rows = _bounds_h(of), np.arange(len(of))
    j, k = divmod(bounds.argmin(axis=1), of.start_h.shape[1])
    frame = _Frame.along(of.start[:, rows, k], of.end[:, rows, j])
    ends = frame.flat(np.concatenate([of.start, of.end], axis=2))
    (west, south), (east, north) = ends.min(axis=2), ends.max(axis=2)  # the best place lies between all of them

    def stay_h(along: Floats, across: Floats) -> Floats:
        return of.stay_h(frame.places(along[:, None], across[:, None]))[:, 0]

    def across(along: Floats) -> tuple[Floats, Floats]:
        """The best place across the way, and the stay there."""
        if not aside:
            return np.zeros(len(of)), stay_h(along, np.zeros(len(of)))
        return _best(lambda at: stay_h(along, at), south, north)

    along, _ = _best(lambda at: across(at)[1], west, east)
    place = frame.places(along[:, None], across(along)[0][:, None])
    return np.stack([of.stay_h(place)[:, 0], *degrees(place[:, :, 0])])


def _best(value: Callable[[Floats], Floats], low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Where functions that rise and then fall are greatest between bounds (n,), and how great: golden section."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = value(left), value(right)
    for _ in range(_PARTINGS):
        lower = at_left >= at_right
        low, high = np.where(lower, low, left), np.where(lower, right, high)
        new = np.where(lower, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        at_new = value(new)
        left, right = np.where(lower, new, right), np.where(lower, left, new)
        at_left, at_right = np.where(lower, at_new, at_right), np.where(lower, at_left, at_new)
    return np.where(at_left >= at_right, left, right), np.maximum(at_left, at_right)


def least_speed_kn(of: GapGroups, stay_h: float) -> Floats:
    """The least speed, knots (n,), at which each group has so long a stay, all going equally fast; inf for never.

    Mostly the speed below which no `most_h` is long enough; else bisected to some 0.1 knots.
    """
    low = np.zeros(len(of))
    for i in range(of.start_h.shape[1]):
        for j in range(of.start_h.shape[1]):
            spare_h = of.end_h[:, i] - of.start_h[:, j] - stay_h
            apart_km = _apart_km(of.end[:, :, i], of.start[:, :, j])
            with np.errstate(divide="ignore", invalid="ignore"):
                kmh = np.where(spare_h > 0, apart_km / spare_h, np.where((spare_h < 0) | (apart_km > 0), np.inf, 0.0))
            low = np.maximum(low, kmh / KMH_PER_KN)
    out = low.copy()
    rows = np.flatnonzero(np.isfinite(low))
    rows = rows[~_lasts(of.taken(rows), low[rows] + 0.005, stay_h)]
    own = of.speed_kmh[rows].max(axis=1) / KMH_PER_KN
    slow, fast = low[rows], np.where(_lasts(of.taken(rows), own, stay_h), own, 2 * np.maximum(low[rows], own))
    for _ in range(7):
        middle = (slow + fast) / 2
        enough = _lasts(of.taken(rows), middle, stay_h)
        slow, fast = np.where(enough, slow, middle), np.where(enough, middle, fast)
    out[rows] = fast
    return out


def _lasts(of: GapGroups, speed_kn: Floats, stay_h: float) -> Bools:
    """Whether groups have so long a stay at speeds (n,)."""
    kmh = np.broadcast_to(np.maximum(speed_kn, 1e-3)[:, None] * KMH_PER_KN, of.speed_kmh.shape)
    at_speed = GapGroups(of.start_h, of.end_h, of.start, of.end, kmh)
    return np.asarray(longest(at_speed, stay_h).stay_h >= stay_h - _EXACT_H)


# --------------------------------------------------------------------------------------------------------- regions

RAYS, _HALVINGS = 72, 18


def regions(of: GapGroups, best: Longest, stay_h: float) -> tuple[Floats, Floats]:
    """Where each group can stay so long, as the corners of one polygon: longitudes and latitudes (n, RAYS), degrees.

    best: what `longest` gives, none shorter than stay_h. The corners lie as far outside as the sides between them would
    cut off of a circle.
    """
    frame = _Frame.at(in_space_km(best.lon, best.lat).T)
    rough = _edge(of, frame, np.zeros((2, len(of), 1)), _circle(24), stay_h)
    # the region may be long and narrow: look from its middle, along rays that are even on its own ellipse
    middle = rough.mean(axis=2, keepdims=True)
    off = rough - middle
    middle = np.where(of.stay_h(frame.places(*middle)) >= stay_h, middle, 0.0)
    spread = np.einsum("inm,jnm->nij", off, off) / off.shape[2] + 1e-16 * np.eye(2)
    rays = np.einsum("nij,jm->inm", np.linalg.cholesky(spread), _circle(RAYS)[:, 0])
    edge = _edge(of, frame, middle, rays, stay_h)
    return degrees(frame.places(*(middle + (edge - middle) / np.cos(np.pi / RAYS))))


def to_wkb(lon: Floats, lat: Floats) -> list[bytes]:
    """Polygons with corners (n, m), degrees, as well-known binary, to 10 m; one at the date line goes beyond 180.

    >>> len(to_wkb(np.array([[124.0, 125.0, 125.0]]), np.array([[38.0, 38.0, 39.0]]))[0])
    77
    """
    points = np.stack([near_lon(lon, lon[:, :1]), lat], axis=-1).round(4)
    return list(shapely.to_wkb(shapely.polygons(points), byte_order=1))


# ------------------------------------------------------------------------------------------------------- ways by sea


class StayBySea(NamedTuple):
    """What ways by sea leave of a group: no stay is longer than most_h; whether one of stay_h is possible.

    Where it is: from when until when the longest one found lasts, hours, where, the least speed for stay_h, the region
    as WKB, without land. None where it is not excluded, but no place was found.
    """

    most_h: float
    possible: bool | None
    from_h: float = np.nan
    until_h: float = np.nan
    lon: float = np.nan
    lat: float = np.nan
    least_speed_kn: float = np.nan
    region: bytes | None = None
    region_km2: float = np.nan


def by_sea(of: GapGroups, corners: tuple[Floats, Floats], stay_h: float) -> StayBySea | None:
    """A group of one by ways that no way by sea is shorter than; None where one of its ends lies beyond geo/sea.

    corners: of its region as `regions` has them, (m,) degrees. What was possible is never said not to be. Costs 20 ms,
    and up to 0.3 s where land lies in one of its ways.
    """
    start, end = degrees(of.start[:, 0]), degrees(of.end[:, 0])
    ends = np.concatenate([start, end], axis=1)
    if not in_region(*ends).all():
        return None
    speed, away_km = of.speed_kmh[0], bounds_km(end[0], end[1], start[0], start[1])
    time_h = of.end_h[0][:, None] - of.start_h[0]
    most_h = float((time_h - away_km / np.maximum(speed[:, None], speed)).min())
    if most_h < stay_h or not in_region(*corners).all():
        return StayBySea(most_h, False if most_h < stay_h else None)
    clear = nothing_between(ends[0], ends[1], *corners)
    x, y, span = _grid_by_sea(of, ends, corners, stay_h, clear)
    long_h = span[1] - span[0]
    found = shapely.polygons(np.column_stack(corners)) if clear else not_below(x, y, long_h - stay_h)
    at_sea = shapely.difference(found, coast(x[0, 0], y[0, 0], x[-1, -1], y[-1, -1]))
    region = shapely.set_precision(shapely.simplify(at_sea, (x[0, 1] - x[0, 0]) / 8), 1e-4)
    long_h = np.where(is_water(x.ravel(), y.ravel()).reshape(x.shape), long_h, -np.inf)
    best = np.unravel_index(long_h.argmax(), x.shape)
    if region.is_empty or long_h[best] < stay_h:
        return StayBySea(most_h, None)
    from_h, until_h, lon, lat = (float(each[best]) for each in (span[0], span[1], x, y))
    least_kn = float((away_km / np.maximum(time_h - stay_h, 1e-6)).max()) / KMH_PER_KN
    wkb, km2 = shapely.to_wkb(region, byte_order=1), area_km2(region)
    return StayBySea(most_h, True, from_h, until_h, lon, lat, least_kn, wkb, km2)


_ROUGH, _FINE = 13, 41  # points along a side


def _grid_by_sea(
    of: GapGroups, ends: Floats, corners: tuple[Floats, Floats], stay_h: float, straight: bool
) -> tuple[Floats, Floats, Floats]:
    """A grid, degrees (n, n), round where a group of one can stay so long, and from when until when there (2, n, n)."""
    low, high = (np.array([pick(axis) for axis in corners]) + off for pick, off in ((np.min, -1e-3), (np.max, 1e-3)))
    for points in (_ROUGH, _ROUGH, _FINE):  # drawn closer each time
        x, y = np.meshgrid(*np.linspace(low, high, points).T)
        step = (high - low) / (points - 1)
        # no place in a square is further from its corner than this, and a stay changes so much at most
        slack_h = 2 * 111.7 * float(np.hypot(*step)) / of.speed_kmh.min()
        span = _span_by_sea(of, ends, x, y, np.inf if straight else stay_h - slack_h)
        near = span[1] - span[0] >= stay_h - slack_h
        if near.any():
            low, high = (np.array([pick(axis[near]) for axis in (x, y)]) for pick in (np.min, np.max))
            low, high = low - step, high + step
    return x, y, span


def _span_by_sea(of: GapGroups, ends: Floats, x: Floats, y: Floats, least_h: float) -> Floats:
    """From when until when a group of one can be at places, hours (2, n, n); straight where that is below least_h."""
    k = of.start_h.shape[1]
    places = in_space_km(x.ravel(), y.ravel())
    km = np.stack([apart_km(places, end) for end in in_space_km(*ends)])
    for straight in (True, False):
        hours = km / np.tile(of.speed_kmh[0], 2)[:, None]
        span = np.stack([(of.start_h[0][:, None] + hours[:k]).max(0), (of.end_h[0][:, None] - hours[k:]).min(0)])
        near = np.flatnonzero(span[1] - span[0] >= least_h)
        if straight and len(near):
            km[:, near] = bounds_km(ends[0], ends[1], x.ravel()[near], y.ravel()[near])
    return span.reshape(2, *x.shape)


def _edge(of: GapGroups, frame: _Frame, middle: Floats, rays: Floats, stay_h: float) -> Floats:
    """Where the region ends along rays (2, n, m) or (2, 1, m) from places (2, n, 1) in it, (2, n, m)."""
    longest_km = (of.speed_kmh * (of.end_h - of.start_h)).min(axis=1)
    furthest = np.tan(np.minimum(longest_km / (WGS84_A_M / 1000), 1.2)) + np.hypot(*middle[..., 0])
    high = furthest[:, None] / np.maximum(np.hypot(*rays), 1e-12)
    low = np.zeros_like(high)
    for _ in range(_HALVINGS):
        half = (low + high) / 2
        inside = of.stay_h(frame.places(*(middle + half * rays))) >= stay_h
        low, high = np.where(inside, half, low), np.where(inside, high, half)
    return np.asarray(middle + (low + high) / 2 * rays)


def _circle(corners: int) -> Floats:
    turn = np.arange(corners) * 2 * np.pi / corners
    return np.stack([np.cos(turn), np.sin(turn)])[:, None]


# ------------------------------------------------------------- planes on which great circles are straight (gnomonic)


@dataclass(frozen=True)
class _Frame:
    """A plane for each group, touching at `up`: (3, n) each, of length 1."""

    up: Floats
    east: Floats
    north: Floats

    @staticmethod
    def at(places: Floats, toward: Floats | None = None) -> _Frame:
        """Those that touch at places (3, n), `east` leading toward others."""
        up = places / np.linalg.norm(places, axis=0)
        other = np.broadcast_to([[0.3], [0.5], [0.8]], up.shape) if toward is None else toward
        side = other - (other * up).sum(axis=0) * up
        far = np.linalg.norm(side, axis=0)
        axis = np.eye(3)[:, np.abs(up).argmin(axis=0)]  # for those that lead to where they are
        side = np.where(far > 1e-6, side, axis - (axis * up).sum(axis=0) * up)
        east = side / np.linalg.norm(side, axis=0)
        return _Frame(up, east, np.cross(up, east, axis=0))

    @staticmethod
    def along(one: Floats, other: Floats) -> _Frame:
        """Those that touch half way between places (3, n) and others, with `east` on the way between."""
        return _Frame.at(one + other, other - one)

    def flat(self, places: Floats) -> Floats:
        """Places (3, n, m) in space on the plane, (2, n, m)."""
        up, *sides = ((places * axis[..., None]).sum(axis=0) for axis in (self.up, self.east, self.north))
        return np.asarray(np.stack(sides) / np.maximum(up, 0.05 * WGS84_A_M / 1000))

    def places(self, along: Floats, across: Floats | float) -> Floats:
        """Points of the plane, (n, m) each, as places in space, (3, n, m) km."""
        x, y, z = (
            up[:, None] + east[:, None] * along + north[:, None] * across
            for up, east, north in zip(self.up, self.east, self.north, strict=True)
        )
        scale = WGS84_A_M / 1000 / np.sqrt(x * x + y * y + z * z * (1 / (1 - WGS84_E2)))
        return np.stack([x * scale, y * scale, z * scale])


def degrees(places: Floats) -> tuple[Floats, Floats]:
    """Longitude and latitude of places (3, ...) in space on the ground."""
    x, y, z = places
    return np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, (1 - WGS84_E2) * np.hypot(x, y)))


def _places(lon: ArrayLike, lat: ArrayLike) -> Floats:
    x, y = np.atleast_2d(np.asarray(lon, np.float64)), np.atleast_2d(np.asarray(lat, np.float64))
    return np.ascontiguousarray(in_space_km(x.ravel(), y.ravel()).T).reshape(3, *x.shape)


def _apart_km(one: Floats, other: Floats) -> Floats:
    dx, dy, dz = one - other
    return arc_km(np.sqrt(dx * dx + dy * dy + dz * dz))
