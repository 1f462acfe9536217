"""How a hull lies or goes slowly, by itself or beside another."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stswatch.geo.coordinates.sphere import MS_PER_KN
from stswatch.sample_ais.fleet.motion import M_PER_DEG, Course, Floats, shift, stay
from stswatch.sample_ais.fleet.ships import Ship

# ------------------ How a hull lies or goes slowly by itself: at anchor, adrift, under way at a few knots, at a berth
# A `Stationary` is a slow course with the heading of the bow. Times are seconds from the start of the plan.

Rng = np.random.Generator
M2_S, S2_S = 44_714.0, 43_200.0  # the tides of moon and sun, 12.42 h and 12 h: springs and neaps follow from the two
SPRINGS = 0.35  # the sun's share of the moon's current (an estimate for the Yellow Sea)
STILL_KN, KEEPS_WAY_KN = 0.35, 1.9  # a slower meeting is at anchor, a faster one under way
STRAYS_M = 25_000.0  # who waits for somebody comes back before it is farther off (a choice)
WEATHER_SHARES = 1.0, 0.6, 0.35, 0.2, 0.1, 0.0  # of what was drawn: the first at which a drift keeps to its room


class Stationary(NamedTuple):
    """A slow course with the heading (k,) of the bow, degrees, unwrapped, at the times of its knots (k,)."""

    course: Course
    time_s: Floats
    heading_deg: Floats
    keeps_way: bool = False


def knots(start_s: float, end_s: float, every_s: float) -> Floats:
    """Times (k,) from start to end, about so many seconds apart, three or more.

    >>> knots(0.0, 10.0, 60.0).tolist()
    [0.0, 5.0, 10.0]
    """
    return np.linspace(start_s, end_s, max(3, int((end_s - start_s) / every_s) + 2))


def wander(rng: Rng, time_s: Floats, period_s: float) -> Floats:
    """A smooth random function (k,), about 1 in size: four waves about a period, nothing that a knot could show."""
    waves = period_s * np.exp(rng.normal(0, 0.35, 4))
    phase = rng.uniform(0, 2 * np.pi, 4)
    return np.asarray(np.sin(2 * np.pi * time_s[:, None] / waves + phase).sum(axis=1) / np.sqrt(2.0))


def at_anchor(rng: Rng, lon: float, lat: float, start_s: float, end_s: float, length_m: float) -> Stationary:
    """At anchor: the bow heads into tide and wind, the hull yaws on its chain, the antenna aft swings the most.

    The scope of the chain is 4 to 6 times a depth of 20 to 35 m, a choice; how much hulls yaw is set so that positions
    scatter as those of ships at anchor do, see docs/simulator.md.
    """
    time_s = knots(start_s, end_s, 240.0)
    tide = np.tanh(2.5 * np.sin(2 * np.pi * time_s / M2_S + rng.uniform(0, 2 * np.pi)))  # turns in an hour or two
    swing = rng.uniform(20, 88) * tide + 15 * wander(rng, time_s, 6 * 3600.0)
    yaw = min(0.4 + rng.exponential(1.9), 9.0) * wander(rng, time_s, 1000.0)
    heading = rng.uniform(0, 360) + swing + yaw
    radius_m = rng.uniform(4, 6) * rng.uniform(20, 35) + 0.8 * length_m
    back = np.radians(heading + 180)
    lon_, lat_ = shift(lon, lat, radius_m * np.sin(back), radius_m * np.cos(back))
    return Stationary(Course(time_s, lon_, lat_), time_s, heading)


def drift_room_m(speed_kn: float, for_s: float) -> float:
    """The least room, metres about its middle, in which a drift at a mean speed for so many seconds can be had.

    A hull that the tide alone moves strays half of the way that it makes before the tide turns, at springs a third of
    what it goes in 12.42 h; a sixth more is for the weather. A short drift cannot stray so far.

    >>> [round(drift_room_m(1.0, hours * 3600.0) / 1000, 1) for hours in (2, 48)]
    [2.2, 9.2]
    """
    metres_s = speed_kn * MS_PER_KN
    return float(min(0.6 * metres_s * for_s, 0.4 * metres_s * M2_S))


def drifting(
    rng: Rng, lon: float, lat: float, start_s: float, end_s: float, speed_kn: float, room_m: float
) -> Stationary:
    """Adrift: what the tide, which turns, and current and wind, which change in a day or two, make of a hull.

    The tide runs along one line with the shore on its beam, or turns through all directions with none near, faster at
    springs; the weather takes the hull on meanwhile, so that no two turns are the same. Where that would take it out
    of the room there is less weather in it. The course stays within `room_m` of the place, if that is `drift_room_m`
    or more, and its mean speed is the one given.

    Source: tides of the Yellow Sea are semidiurnal, the moon's by far the strongest (Naimie et al. 2001, Continental
    Shelf Research 21:667); ships adrift in the Gulf of Mexico go on for 6 to 20 h at 0.4 to 1.6 kn and turn by 2 to
    40 degrees an hour, see docs/simulator.md.
    """
    time_s = knots(start_s, end_s, 300.0)
    tide, weather = _tide(rng, time_s), _weather(rng, time_s)
    heading = rng.uniform(0, 360) + 25 * wander(rng, time_s, 4 * 3600.0)
    for share in WEATHER_SHARES:
        path = _path(time_s, tide + share * weather, speed_kn)
        if np.hypot(*path).max() <= room_m:
            break
    return Stationary(Course(time_s, *shift(lon, lat, *path)), time_s, heading)


def _tide(rng: Rng, time_s: Floats) -> Floats:
    """East and north (2, k) of a tidal current, about 1 at its strongest: an ellipse run round either way."""
    phase, narrow = rng.uniform(0, 2 * np.pi, 2), rng.uniform(-0.6, 0.6)
    turn = [2 * np.pi * time_s / period + p for period, p in zip((M2_S, S2_S), phase, strict=True)]
    along = np.cos(turn[0]) + SPRINGS * np.cos(turn[1])
    across = narrow * (np.sin(turn[0]) + SPRINGS * np.sin(turn[1]))
    return _turned(np.stack([along, across]), rng.uniform(0, 2 * np.pi))


def _weather(rng: Rng, time_s: Floats) -> Floats:
    """East and north (2, k) of a current and of what the wind makes: a mean, days of weather, hours of gusts."""
    days = np.stack([wander(rng, time_s, 36 * 3600.0) for _ in range(2)])
    hours = np.stack([wander(rng, time_s, 4 * 3600.0) for _ in range(2)])
    mean = np.array([[1.0], [0.0]])
    return rng.uniform(0.3, 1.2) * _turned(mean + 0.5 * days + 0.2 * hours, rng.uniform(0, 2 * np.pi))


def _turned(of: Floats, angle: float) -> Floats:
    """Vectors (2, k), turned."""
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ of


def _path(time_s: Floats, flow: Floats, speed_kn: float) -> Floats:
    """Where a flow (2, k) takes a hull, metres (2, k) from the middle of it, at a mean speed over its whole length."""
    step = (flow[:, 1:] + flow[:, :-1]) / 2 * np.diff(time_s)
    scale = speed_kn * MS_PER_KN * (time_s[-1] - time_s[0]) / np.hypot(*step).sum()
    path = np.concatenate([np.zeros((2, 1)), np.cumsum(scale * step, axis=1)], axis=1)
    return np.asarray(path - (path.max(axis=1, keepdims=True) + path.min(axis=1, keepdims=True)) / 2)


def keeping_way(
    rng: Rng, lon: float, lat: float, goal: tuple[float, float], start_s: float, end_s: float, speed_kn: float
) -> Stationary:
    """Under way at one speed, to and fro between a place and some part of the way to a goal over water.

    At each end it turns through half a circle, wider the longer the way.
    """
    east, north = _metres(lon, lat, *goal)
    course = np.arctan2(east, north)
    reach_m = float(np.clip(0.75 * np.hypot(east, north), 600.0, 15_000.0))
    radius_m = float(np.clip(0.04 * reach_m, 100.0, 350.0))
    time_s, along_m, across_m, turned_deg = _to_and_fro(rng, start_s, end_s, speed_kn * MS_PER_KN, reach_m, radius_m)
    across_m = across_m + min(120.0, 30.0 * speed_kn, 0.03 * reach_m) * wander(rng, time_s, 7200.0)
    x = along_m * np.sin(course) + across_m * np.cos(course)
    y = along_m * np.cos(course) - across_m * np.sin(course)
    heading_deg = np.degrees(course) + turned_deg + 2 * wander(rng, time_s, 1500.0)
    return Stationary(Course(time_s, *shift(lon, lat, x, y)), time_s, heading_deg, keeps_way=True)


def _to_and_fro(
    rng: Rng, start_s: float, end_s: float, speed_ms: float, reach_m: float, radius_m: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Times (k,), metres along and to starboard, and degrees turned, on two straight sides joined by half circles.

    Knots are close in the turns and far apart on the straight.
    """
    fine_s = float(np.clip(0.2 * radius_m / speed_ms, 20.0, 240.0))
    time_s, half_m = knots(start_s, end_s, fine_s), reach_m + np.pi * radius_m
    sides, gone_m = np.divmod((time_s - start_s) * speed_ms + rng.uniform(0, reach_m), half_m)
    straight = gone_m < reach_m
    few = ~straight | (np.arange(len(time_s)) % max(1, int(240.0 / fine_s)) == 0)
    few[[0, -1]] = True
    time_s, sides, gone_m = time_s[few], sides[few], gone_m[few]
    angle = np.maximum(gone_m - reach_m, 0.0) / radius_m
    along_m = np.minimum(gone_m, reach_m) + radius_m * np.sin(angle)
    across_m = radius_m * (1 - np.cos(angle))
    back = sides % 2 == 1
    along_m, across_m = np.where(back, reach_m - along_m, along_m), np.where(back, 2 * radius_m - across_m, across_m)
    return time_s, along_m, across_m, 180.0 * sides + np.degrees(angle)


def _metres(lon: float, lat: float, to_lon: float, to_lat: float) -> tuple[float, float]:
    return (to_lon - lon) * M_PER_DEG * float(np.cos(np.radians(lat))), (to_lat - lat) * M_PER_DEG


def moored(lon: float, lat: float, start_s: float, end_s: float, heading_deg: float) -> Stationary:
    """At a berth."""
    time_s = np.array([start_s, end_s])
    return Stationary(stay(lon, lat, start_s, end_s), time_s, np.full(2, heading_deg))


# ----------------------------------------------------------------------------------------------------------------
# How a guest lies beside a host: it keeps an offset in the host's frame, so the two swing, drift and turn as one
# Offsets are antenna to antenna: metres to starboard and metres ahead.

FENDER_M = 3.5


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
    host: Stationary,
    start_s: float,
    end_s: float,
    starboard_m: float,
    ahead_m: float,
    turned_deg: float = 0.0,
    coming: Coming = STRAIGHT,
) -> Stationary:
    """Beside a host from start to end, comes and leaves as `coming` says, its heading turned against the host's.

    No two hulls keep way together stem to stern: beside a host under way a guest heads as it does.
    """
    time_s = knots(start_s, end_s, 300.0)
    sway_m = 0.8 + 0.02 * np.hypot(starboard_m, ahead_m)  # fenders and lines give way, the farther off the more
    right = starboard_m + sway_m * wander(rng, time_s, 1400.0)
    ahead = ahead_m + sway_m * wander(rng, time_s, 1900.0)
    steps = np.array([1.0, 0.5, 0.2]) * coming.over_s
    far_s = np.concatenate([start_s - steps, [start_s, end_s], end_s + steps[::-1]])
    far_m = coming.from_m * np.array([1.0, 0.35, 0.1, 0.0, 0.0, 0.1, 0.35, 1.0])
    around = np.radians([coming.from_deg, coming.to_deg]) + rng.normal(0, 0.25, 2)
    inner = host.course.time_s[(host.course.time_s > far_s[0]) & (host.course.time_s < far_s[-1])]
    at_s = np.union1d(np.union1d(inner, time_s), far_s)
    # between at_s the offset must turn with the host, so it is interpolated in the host's frame at all at_s
    theta = np.interp(at_s, host.time_s, np.radians(host.heading_deg))
    right, ahead = np.interp(at_s, time_s, right), np.interp(at_s, time_s, ahead)
    out_m, side = np.interp(at_s, far_s, far_m), np.where(at_s < (start_s + end_s) / 2, around[0], around[1])
    x = ahead * np.sin(theta) + right * np.cos(theta) + out_m * np.sin(side)
    y = ahead * np.cos(theta) - right * np.sin(theta) + out_m * np.cos(side)
    course = Course(at_s, *shift(*host.course.at(at_s), x, y))
    stationary = (at_s >= far_s[2]) & (at_s <= far_s[-3])
    turned = 0.0 if host.keeps_way else turned_deg
    return Stationary(course, at_s[stationary], np.degrees(theta[stationary]) + turned + rng.normal(0, 1.5))
