"""How hulls lie and go beside each other: the slow courses of which scenes are made.

A host lies at anchor, drifts or keeps way; a guest keeps an offset in the host's frame, so the two swing and turn as
one. Offsets are antenna to antenna: metres to starboard and metres ahead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stswatch.geo.sphere import haversine_m
from stswatch.sample_ais.motion import MS_PER_KN, Course, Floats, shift, stay
from stswatch.sample_ais.ships import Ship

Rng = np.random.Generator
M2_S = 44_714.0  # the lunar tide, 12.42 h
STILL_KN, KEEPS_WAY_KN = 0.35, 1.9  # a slower meeting is at anchor, a faster one under way
FENDER_M = 3.5


class Lying(NamedTuple):
    """A slow course with the heading (k,) of the bow, degrees, unwrapped, at the times of its knots (k,)."""

    course: Course
    time_s: Floats
    heading_deg: Floats


def _knots(start_s: float, end_s: float, every_s: float) -> Floats:
    return np.linspace(start_s, end_s, max(3, int((end_s - start_s) / every_s) + 2))


def _wander(rng: Rng, time_s: Floats, period_s: float) -> Floats:
    """A smooth random function (k,), about 1 in size: four waves about a period, nothing that a knot could show."""
    waves = period_s * np.exp(rng.normal(0, 0.35, 4))
    phase = rng.uniform(0, 2 * np.pi, 4)
    return np.asarray(np.sin(2 * np.pi * time_s[:, None] / waves + phase).sum(axis=1) / np.sqrt(2.0))


def at_anchor(rng: Rng, lon: float, lat: float, start_s: float, end_s: float, length_m: float) -> Lying:
    """At anchor: the bow heads into tide and wind, the hull yaws on its chain, the antenna aft swings the most.

    The scope of the chain is 4 to 6 times a depth of 20 to 35 m, a choice; how much hulls yaw is set so that positions
    scatter as those of ships at anchor do, see docs/simulator.md.
    """
    time_s = _knots(start_s, end_s, 240.0)
    tide = np.tanh(2.5 * np.sin(2 * np.pi * time_s / M2_S + rng.uniform(0, 2 * np.pi)))  # turns in an hour or two
    swing = rng.uniform(20, 88) * tide + 15 * _wander(rng, time_s, 6 * 3600.0)
    yaw = min(0.4 + rng.exponential(1.9), 9.0) * _wander(rng, time_s, 1000.0)
    heading = rng.uniform(0, 360) + swing + yaw
    radius_m = rng.uniform(4, 6) * rng.uniform(20, 35) + 0.8 * length_m
    back = np.radians(heading + 180)
    lon_, lat_ = shift(lon, lat, radius_m * np.sin(back), radius_m * np.cos(back))
    return Lying(Course(time_s, lon_, lat_), time_s, heading)


def drifting(rng: Rng, lon: float, lat: float, start_s: float, end_s: float, speed_kn: float, room_m: float) -> Lying:
    """Adrift: the current turns with the tide, or sooner where the shore leaves less room; the bow turns by itself.

    Some hours of it stay within the room or little more; in days the turns do not close, and it strays to twice as far.
    """
    time_s = _knots(start_s, end_s, 300.0)
    fastest = 1.3 * speed_kn * MS_PER_KN
    turn = max(2 * np.pi / M2_S, fastest / max(0.4 * room_m, 150.0)) * rng.choice([-1.0, 1.0])
    bearing = rng.uniform(0, 2 * np.pi) + turn * time_s + 0.3 * _wander(rng, time_s, 9000.0)
    pace = 1 + 0.25 * _wander(rng, time_s, 11_000.0).clip(-2, 2)
    step_m = np.diff(time_s, prepend=time_s[0]) * speed_kn * MS_PER_KN * pace
    east, north = np.cumsum(step_m * np.sin(bearing)), np.cumsum(step_m * np.cos(bearing))
    middle = (east.max() + east.min()) / 2, (north.max() + north.min()) / 2
    heading = rng.uniform(0, 360) + 25 * _wander(rng, time_s, 4 * 3600.0)
    return Lying(Course(time_s, *shift(lon, lat, east - middle[0], north - middle[1])), time_s, heading)


def keeping_way(
    rng: Rng, lon: float, lat: float, goal: tuple[float, float], start_s: float, end_s: float, speed_kn: float
) -> Lying:
    """Under way at one speed, to and fro between a place and some part of the way to a goal over water."""
    away_m = np.hypot(*_metres(lon, lat, *goal))
    reach_m = float(np.clip(0.75 * away_m, 600.0, 30_000.0))
    time_s = _knots(start_s, end_s, 240.0)
    gone_m = (time_s - start_s) * speed_kn * MS_PER_KN + rng.uniform(0, reach_m)
    along_m = reach_m * (1 - np.abs(1 - gone_m / reach_m % 2))
    outward = gone_m / reach_m % 2 < 1
    east, north = _metres(lon, lat, *goal)
    course = np.arctan2(east, north)
    across_m = np.minimum(120.0, 0.05 * reach_m) * _wander(rng, time_s, 7200.0)
    course_deg = np.degrees(course) + np.where(outward, 0.0, 180.0) + 2 * _wander(rng, time_s, 1500.0)
    x = along_m * np.sin(course) + across_m * np.cos(course)
    y = along_m * np.cos(course) - across_m * np.sin(course)
    return Lying(Course(time_s, *shift(lon, lat, x, y)), time_s, course_deg)


def _metres(lon: float, lat: float, to_lon: float, to_lat: float) -> tuple[float, float]:
    per_deg = 111_195.0
    return (to_lon - lon) * per_deg * float(np.cos(np.radians(lat))), (to_lat - lat) * per_deg


def offset_m(rng: Rng, host: Ship, guest: Ship, distance_m: float) -> tuple[float, float, float]:
    """Metres to starboard and ahead, antenna to antenna, of a guest alongside, and its heading against the host's.

    The hulls leave at least half of both beams and a fender between the antennas; the rest of the distance is along
    the hulls, as far as these reach. Farther apart the two are not alongside, and the bearing is any.
    """
    least_m = (host.kind.beam_m + guest.kind.beam_m) / 2 + FENDER_M
    most_along_m = 0.6 * (host.kind.length_m + guest.kind.length_m) / 2
    along_m = np.sqrt(max(distance_m**2 - least_m**2, 0.0))
    if along_m > most_along_m:
        bearing = rng.uniform(0, 2 * np.pi)
        return distance_m * float(np.sin(bearing)), distance_m * float(np.cos(bearing)), float(rng.normal(0, 8))
    side = float(rng.choice([-1.0, 1.0]))
    return side * least_m, float(along_m * rng.choice([-1.0, 1.0])), float(rng.choice([0.0, 180.0], p=[0.75, 0.25]))


class Coming(NamedTuple):
    """How a guest comes and goes: slowly over so long, from so far, on the sides that its ways lie on."""

    from_m: float = 3000.0
    from_deg: float = 0.0  # from the host to where the guest comes from
    to_deg: float = 0.0  # and to where it goes
    over_s: float = 1800.0


STRAIGHT = Coming()


def alongside(
    rng: Rng,
    host: Lying,
    start_s: float,
    end_s: float,
    starboard_m: float,
    ahead_m: float,
    turned_deg: float = 0.0,
    coming: Coming = STRAIGHT,
) -> Lying:
    """Beside a host from start to end, comes and leaves as `coming` says, its heading turned against the host's.

    No two hulls keep way together stem to stern: beside a host under way a guest heads as it does.
    """
    time_s = _knots(start_s, end_s, 300.0)
    sway_m = 0.8 + 0.02 * np.hypot(starboard_m, ahead_m)  # fenders and lines give way, the farther off the more
    right = starboard_m + sway_m * _wander(rng, time_s, 1400.0)
    ahead = ahead_m + sway_m * _wander(rng, time_s, 1900.0)
    steps = np.array([1.0, 0.5, 0.2]) * coming.over_s
    far_s = np.concatenate([start_s - steps, [start_s, end_s], end_s + steps[::-1]])
    far_m = coming.from_m * np.array([1.0, 0.35, 0.1, 0.0, 0.0, 0.1, 0.35, 1.0])
    around = np.radians([coming.from_deg, coming.to_deg]) + rng.normal(0, 0.25, 2)
    inner = host.course.time_s[(host.course.time_s > far_s[0]) & (host.course.time_s < far_s[-1])]
    knots = np.union1d(np.union1d(inner, time_s), far_s)
    # between knots the offset must turn with the host, so it is interpolated in the host's frame at all knots
    theta = np.interp(knots, host.time_s, np.radians(host.heading_deg))
    right, ahead = np.interp(knots, time_s, right), np.interp(knots, time_s, ahead)
    out_m, side = np.interp(knots, far_s, far_m), np.where(knots < (start_s + end_s) / 2, around[0], around[1])
    x = ahead * np.sin(theta) + right * np.cos(theta) + out_m * np.sin(side)
    y = ahead * np.cos(theta) - right * np.sin(theta) + out_m * np.cos(side)
    course = Course(knots, *shift(*host.course.at(knots), x, y))
    lying = (knots >= far_s[2]) & (knots <= far_s[-3])
    turned = turned_deg if _pace_kn(host.course) < KEEPS_WAY_KN else 0.0
    return Lying(course, knots[lying], np.degrees(theta[lying]) + turned + rng.normal(0, 1.5))


def _pace_kn(course: Course) -> float:
    """The mean speed of a slow course."""
    metres = haversine_m(course.lon[:-1], course.lat[:-1], course.lon[1:], course.lat[1:]).sum()
    return float(metres / (course.time_s[-1] - course.time_s[0]) / MS_PER_KN)


def moored(lon: float, lat: float, start_s: float, end_s: float, heading_deg: float) -> Lying:
    """At a berth."""
    time_s = np.array([start_s, end_s])
    return Lying(stay(lon, lat, start_s, end_s), time_s, np.full(2, heading_deg))
