"""What happens at sea, one function a scene: each gives the ships that take part and how they move.

Times are hours from the start of the recording and may lie outside it; places are (lon, lat) in degrees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stswatch.sample_ais.motion import Course, drift, shift, stay, swing, voyage
from stswatch.sample_ais.ships import Ship, Yard

Point = tuple[float, float]
Rng = np.random.Generator

UNDER_WAY, AT_ANCHOR, RESTRICTED, MOORED, FISHING = 0, 1, 3, 5, 7  # navigational status, ITU-R M.1371-5


@dataclass(frozen=True)
class Silence:
    """A time in which nothing of a ship is received, and why."""

    start_h: float
    end_h: float
    cause: str  # switched_off, out_of_range, equipment


@dataclass(frozen=True)
class Actor:
    """A ship, how it moves (in hours) and how it reports."""

    ship: Ship
    course: Course
    status: int = UNDER_WAY
    heading_deg: float | None = None  # where the bow points while it lies still; None: as it last moved
    silences: tuple[Silence, ...] = ()


@dataclass(frozen=True)
class Scene:
    """Ships that belong together: their meetings are of one kind (transfer, look_alike or traffic)."""

    name: str
    kind: str
    why: str
    actors: tuple[Actor, ...]


@dataclass(frozen=True)
class Role:
    """A ship in a meeting: which, where it comes from and goes to, when it is silent."""

    ship: Ship
    come_from: Sequence[Point]
    leave_to: Sequence[Point]
    silences: tuple[Silence, ...] = ()
    speed_kn: float = 10.0


HOUR_S = 3600.0


def transfer(
    rng: Rng,
    name: str,
    roles: Sequence[Role],
    place: Point,
    start_h: float,
    end_h: float,
    gap_m: float = 65.0,
    drift_kn: float = 0.4,
    kind: str = "transfer",
    why: str = "",
) -> Scene:
    """Two or more hulls come together, lie `gap_m` from antenna to antenna on a slow drift, and part.

    The first ship is in the middle and an hour early; the others come one after another, to each side.
    """
    begin_s, finish_s = start_h * HOUR_S, end_h * HOUR_S
    heading = rng.uniform(0, 360)
    middle = drift(rng, *place, begin_s - HOUR_S, finish_s + 2 * HOUR_S, drift_kn)
    mother = roles[0]
    leaves = _window(middle, begin_s - HOUR_S, finish_s + 0.7 * HOUR_S)
    actors = [Actor(mother.ship, _between(_near(rng, mother), leaves), heading_deg=heading, silences=mother.silences)]
    for k, role in enumerate(roles[1:]):
        side = np.radians(heading + (90 if k % 2 == 0 else -90))
        course = _alongside(rng, middle, begin_s + 900 * k, finish_s - 900 * k, gap_m, float(side))
        actors.append(
            Actor(
                role.ship,
                _between(_near(rng, role), course),
                heading_deg=heading + 180 * (k % 2),
                silences=role.silences,
            )
        )
    return Scene(name, kind, why, tuple(actors))


def _window(course: Course, start_s: float, end_s: float) -> Course:
    knots = np.union1d(course.time_s[(course.time_s > start_s) & (course.time_s < end_s)], [start_s, end_s])
    return Course(knots, *course.at(knots))


def _alongside(rng: Rng, middle: Course, start_s: float, end_s: float, gap_m: float, side: float) -> Course:
    """Beside a course from start to end; it closes from 3 km and opens again within 20 minutes."""
    lying = np.linspace(start_s, end_s, max(3, int((end_s - start_s) // 900)))
    time_s = np.concatenate([[start_s - 1200], lying, [end_s + 1200]])
    away_m = np.concatenate([[3000], gap_m + rng.normal(0, 3, len(lying)), [3000]])
    bearing = side + np.concatenate([[0.6], rng.normal(0, 0.03, len(lying)), [-0.6]])
    return _window(middle, time_s[0], time_s[-1]).beside(time_s, away_m * np.sin(bearing), away_m * np.cos(bearing))


def _between(role: Role, course: Course) -> Course:
    """A course with the way there before it and the way on after it."""
    first, last = ((float(course.lon[k]), float(course.lat[k])) for k in (0, -1))
    there = voyage([*role.come_from, first], 0.0, role.speed_kn)
    there = Course(there.time_s - there.time_s[-1] + course.time_s[0], there.lon, there.lat)
    onward = voyage([last, *role.leave_to], float(course.time_s[-1]), role.speed_kn)
    return there.then(course).then(onward)


def _near(rng: Rng, role: Role) -> Role:
    """The same role on a way of its own, some kilometres beside the lane: no two ships wait on one spot."""
    return replace(role, come_from=_beside_lane(rng, role.come_from), leave_to=_beside_lane(rng, role.leave_to))


def _beside_lane(rng: Rng, points: Sequence[Point]) -> list[Point]:
    moved = [shift(*p, *rng.uniform(-5000, 5000, 2)) for p in points]
    return [(float(lon), float(lat)) for lon, lat in moved]


def bunkering(rng: Rng, ship: Ship, barge: Role, place: Point, start_h: float, end_h: float) -> Scene:
    """A bunker boat lies beside a ship at anchor near a port: lawful, and just like a transfer."""
    anchored = swing(rng, *place, -HOUR_S, 26 * HOUR_S, 60.0)
    course = _alongside(rng, anchored, start_h * HOUR_S, end_h * HOUR_S, 45.0, rng.uniform(0, 6))
    actors = (
        Actor(ship, anchored, AT_ANCHOR),
        Actor(barge.ship, _between(barge, course), silences=barge.silences),
    )
    return Scene("bunkering", "look_alike", "fuel delivered to a ship at anchor near a port", actors)


def pilot(rng: Rng, ship: Role, boat: Ship, station: Point, base: Point, at_h: float) -> Scene:
    """A ship slows to 4 kn, a pilot boat keeps beside it for ten minutes and goes home."""
    inward = ship.leave_to[0]
    slow = voyage([station, _towards(station, inward, 4.0, 1.0)], at_h * HOUR_S, 4.0)
    course = _between(ship, slow)
    beside = slow.beside(slow.time_s, 35.0, 10.0)
    ride = _window(beside, at_h * HOUR_S + 600, at_h * HOUR_S + 1200)
    fetch = Role(boat, [base], [base], speed_kn=16.0)
    actors = (Actor(ship.ship, course), Actor(boat, _between(fetch, ride)))
    return Scene("pilot", "look_alike", "a pilot boards from a boat within ten minutes", actors)


def _towards(origin: Point, goal: Point, speed_kn: float, hours: float) -> Point:
    course = voyage([origin, goal], 0.0, speed_kn)
    lon, lat = course.at([hours * HOUR_S])
    return float(lon[0]), float(lat[0])


def tow(rng: Rng, tug: Ship, barge: Ship, points: Sequence[Point], start_h: float, speed_kn: float = 3.8) -> Scene:
    """A tug draws a barge on 350 m of wire: hours within 500 m, both slow, always one ahead of the other."""
    course = voyage(points, start_h * HOUR_S, speed_kn)
    lag_s = 350 / (speed_kn * 1852 / 3600)
    behind = Course(course.time_s + lag_s, course.lon, course.lat)
    actors = (Actor(tug, course, RESTRICTED), Actor(barge, behind, UNDER_WAY))
    return Scene("tow", "look_alike", "a tug with its tow", actors)


def pair_trawl(rng: Rng, ships: Sequence[Ship], place: Point, start_h: float, end_h: float) -> Scene:
    """Two trawlers draw one net between them, to and fro at 3.5 kn, 300 to 400 m apart."""
    turns = int((end_h - start_h) / 3) + 1
    ends = [shift(*place, 9000 * (-1) ** k, 900 * k) for k in range(turns + 1)]
    course = voyage([(float(lon), float(lat)) for lon, lat in ends], start_h * HOUR_S, 3.5)
    knots = np.arange(course.time_s[0], course.time_s[-1], 1200)
    apart_m = rng.uniform(300, 400, len(knots))
    actors = (Actor(ships[0], course, FISHING), Actor(ships[1], course.beside(knots, 0.0, apart_m), FISHING))
    return Scene("pair_trawl", "look_alike", "two trawlers with one net", actors)


def anchorage(rng: Rng, ships: Sequence[Ship], place: Point, spacing_m: float = 380.0) -> Scene:
    """Ships at anchor beside each other, swinging with the tide."""
    spots = [shift(*place, spacing_m * (k % 2), spacing_m * (k // 2)) for k in range(len(ships))]
    courses = [swing(rng, float(lon), float(lat), -HOUR_S, 25 * HOUR_S, rng.uniform(50, 90)) for lon, lat in spots]
    actors = tuple(Actor(s, c, AT_ANCHOR) for s, c in zip(ships, courses, strict=True))
    return Scene("anchorage", "look_alike", "neighbours at anchor", actors)


def moored(rng: Rng, ships: Sequence[Ship], quay: Point, spacing_m: float = 140.0) -> Scene:
    """Ships along a quay."""
    spots = [shift(*quay, spacing_m * k, 25.0 * k) for k in range(len(ships))]
    actors = tuple(
        Actor(s, stay(float(lon), float(lat), 0.0, 24 * HOUR_S), MOORED, heading_deg=80.0)
        for s, (lon, lat) in zip(ships, spots, strict=True)
    )
    return Scene("moored", "look_alike", "neighbours at a quay", actors)


def ferry(rng: Rng, ship: Ship, points: Sequence[Point], start_h: float, speed_kn: float = 19.0) -> Scene:
    """To and fro between two ports with two hours in each."""
    course = stay(*points[0], -HOUR_S, start_h * HOUR_S)
    way = list(points)
    while course.time_s[-1] < 24 * HOUR_S:
        leg = voyage(way, float(course.time_s[-1]), speed_kn)
        end_s = float(leg.time_s[-1])
        course = course.then(leg).then(stay(*way[-1], end_s, end_s + 2 * HOUR_S))
        way.reverse()
    return Scene("ferry", "traffic", "a ferry on its line", (Actor(ship, course),))


def passage(
    rng: Rng,
    ship: Ship,
    points: Sequence[Point],
    start_h: float,
    speed_kn: float,
    silences: tuple[Silence, ...] = (),
) -> Scene:
    """Through traffic at an even speed."""
    course = voyage(_beside_lane(rng, points), start_h * HOUR_S, speed_kn)
    return Scene("passage", "traffic", "through traffic", (Actor(ship, course, silences=silences),))


def two_hulls(rng: Rng, ship: Ship, other: Ship, tracks: Sequence[Sequence[Point]], speed_kn: float) -> Scene:
    """Two hulls under one MMSI, far from each other: the track seems to jump to and fro."""
    actors = tuple(Actor(s, voyage(t, -HOUR_S, speed_kn)) for s, t in zip((ship, other), tracks, strict=True))
    return Scene("two_hulls", "look_alike", "two hulls under one MMSI", actors)


def fishing(rng: Rng, ship: Ship, place: Point, silences: tuple[Silence, ...]) -> Scene:
    """A boat that fishes by itself."""
    return Scene(
        "fishing",
        "traffic",
        "a boat that fishes by itself",
        (Actor(ship, drift(rng, *place, -HOUR_S, 25 * HOUR_S, 2.2), FISHING, silences=silences),),
    )


def launch_all(yard: Yard, kinds: Sequence[tuple[str, str]]) -> list[Ship]:
    """Ships of (kind, flag) in order."""
    return [yard.launch(kind, flag) for kind, flag in kinds]
