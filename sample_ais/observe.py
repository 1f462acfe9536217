"""What was received of the ships: rows of fixes and of static reports, from true courses to what the network delivered.

Position reports are drawn a group of ships at a time, so that memory does not grow with the plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stswatch.geo.longitude import wrap_lon
from stswatch.sample_ais import transmit
from stswatch.sample_ais.cast import Actor, heading_of
from stswatch.sample_ais.courses import Courses, Ints, Ragged, step_at, steps
from stswatch.sample_ais.listen import Chances, Network, over
from stswatch.sample_ais.motion import Floats, shift
from stswatch.sample_ais.noise import Receivers, position_noise_m, shown_course_deg, shown_speed_kn

Bools = NDArray[np.bool_]
GROUP = 64  # ships at a time
SATELLITE = -1  # in place of a station
STEPS = 600_000.0  # positions go out in 1/10000 of a minute
REPEATED, SECOND_COPY = 0.01, 0.04  # share of fixes delivered twice, and by a second station too


class Cast(NamedTuple):
    """All actors as columns: true courses (v), emitters (e) with the actor (e,) and the course shown (e,) of each."""

    actors: Sequence[Actor]
    courses: Courses  # of the actors, then forged ones
    statuses: Ragged
    headings: Ragged
    owner: Ints  # (e,) actor
    shown: Ints  # (e,) course
    mmsi: Ints  # (e,)
    from_s: Floats
    until_s: Floats
    class_b: Bools  # (e,)
    weak: Bools  # (v,)


class Received(NamedTuple):
    """Position reports as received (n,), in no order; station SATELLITE or the number of one; arrived_s in seconds."""

    emitter: Ints
    time_s: Floats
    lon: Floats
    lat: Floats
    speed_kn: Floats
    course_deg: Floats
    heading_deg: Floats  # NaN: none
    status: Floats
    turning: Bools
    station: Ints
    arrived_s: Floats


@dataclass(frozen=True)
class Faults:
    """How often things go wrong, and how much noise there is; see simulation.Plan."""

    noise: float = 1.0
    late_share: float = 0.02
    no_position: float = 0.0004


def cast_of(actors: Sequence[Actor]) -> Cast:
    """Columns of actors."""
    claims = [(k, e) for k, actor in enumerate(actors) for e in actor.claims()]
    forged = [(n, e.shown) for n, (_, e) in enumerate(claims) if e.shown is not None]
    shown = np.array([k for k, _ in claims], np.int64)
    for number, (n, _) in enumerate(forged):
        shown[n] = len(actors) + number
    headings = [heading_of(actor) for actor in actors]
    first = np.concatenate([[0], np.cumsum([len(t) for t, _ in headings])]).astype(np.int64)
    time_s, deg = (np.concatenate([h[k] for h in headings]) for k in (0, 1))
    return Cast(
        actors,
        Courses.of([*(a.course for a in actors), *(c for _, c in forged if c is not None)]),
        steps([a.statuses for a in actors]),
        Ragged(first, time_s, (deg,)),
        np.array([k for k, _ in claims], np.int64),
        shown,
        np.array([e.ship.mmsi for _, e in claims], np.int64),
        np.array([e.from_s for _, e in claims]),
        np.array([e.until_s for _, e in claims]),
        np.array([e.ship.kind.ais_class == "B" for _, e in claims], bool),
        np.array([actor.weak for actor in actors], bool),
    )


def silent(cast: Cast, owner: Ints, time_s: Floats) -> Bools:
    """Whether actors (n,) send nothing at times (n,)."""
    there = np.unique(owner).tolist()
    out = np.zeros(len(owner), bool)
    for who in there:
        for quiet in cast.actors[who].quiets:
            out |= (owner == who) & (time_s > quiet.start_s) & (time_s < quiet.end_s)
    return out


def received(
    rng: np.random.Generator,
    cast: Cast,
    network: Network,
    chances: Chances,
    days: float,
    slot_s: float,
    faults: Faults,
) -> Received:
    """All position reports that reached the archive."""
    emitters = len(cast.owner)
    parts = []
    for low in range(0, emitters, GROUP):
        group = np.arange(low, min(low + GROUP, emitters))
        parts.append(_group(rng, cast, network, chances, days, slot_s, faults, group))
    return Received._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


def _group(
    rng: np.random.Generator,
    cast: Cast,
    network: Network,
    chances: Chances,
    days: float,
    slot_s: float,
    faults: Faults,
    group: Ints,
) -> Received:
    slot = np.arange(0.0, days * 86_400, slot_s)
    emitter, time_s = np.repeat(group, len(slot)), np.tile(slot, len(group))
    owner = cast.owner[emitter]
    on = (time_s >= cast.from_s[emitter]) & (time_s < cast.until_s[emitter]) & ~silent(cast, owner, time_s)
    on &= _reach(cast, chances, network, emitter, time_s) > 0
    emitter, time_s, owner = emitter[on], time_s[on], owner[on]
    speed_kn, bearing = cast.courses.speed_and_bearing(cast.shown[emitter], time_s, 60.0)
    later = cast.courses.speed_and_bearing(cast.shown[emitter], time_s + 60.0, 60.0)[1]
    turning = (np.abs((later - bearing + 180) % 360 - 180) > transmit.TURNING_DEG_PER_MIN) & (speed_kn > 3)
    status = step_at(cast.statuses, owner, time_s)
    every_s = transmit.interval_s(cast.class_b[emitter], transmit.lies(status), speed_kn, turning)
    phase = _phase(emitter, 1)
    keep, slots = transmit.slots(emitter, time_s, every_s, phase, slot_s)
    shore, space = chances_of(cast, chances, network, slots.emitter, slots.time_s)
    chance = 1 - (1 - shore) * (1 - space)
    heard, when_s = transmit.first_received(rng, slots, chance, _phase(slots.emitter, 2))
    emitter, time_s = slots.emitter[heard], when_s[heard]
    by_space = rng.random(len(emitter)) * (shore + space)[heard] >= shore[heard]
    station = station_of(chances, cast.owner[emitter], time_s, by_space)
    return _rows(
        rng, cast, network, chances, faults, emitter, time_s, station, turning[keep][heard], status[keep][heard]
    )


def chances_of(cast: Cast, chances: Chances, network: Network, emitter: Ints, time_s: Floats) -> tuple[Floats, Floats]:
    """The chances of one report (n,) by shore stations and by satellites."""
    ship, at = cast.owner[emitter], chances.bin_of(time_s)
    shore = 1 - (1 - chances.chance[0, ship, at].astype(float)) * (1 - chances.chance[1, ship, at])
    weak = cast.weak[ship]
    passing = np.where(weak, False, over(network.passes, time_s)) | over(network.good_passes, time_s)
    return np.where(weak, 0.0, shore), np.where(passing, chances.satellite[ship, at], 0.0)


def _reach(cast: Cast, chances: Chances, network: Network, emitter: Ints, time_s: Floats) -> Floats:
    shore, space = chances_of(cast, chances, network, emitter, time_s)
    return shore + space


def station_of(chances: Chances, ship: Ints, time_s: Floats, by_space: Bools) -> Ints:
    """The station (n,) that heard ships (n,), SATELLITE where it came from space."""
    return np.where(by_space, SATELLITE, chances.station[0, ship, chances.bin_of(time_s)]).astype(np.int64)


def _phase(number: Ints, salt: int) -> Floats:
    """A number of its own for each emitter, 0 to 1: where in its interval it sends."""
    return np.asarray((number * 0.618_033_988_749_895 * (salt + 1) + 0.37 * salt) % 1.0)


def _rows(
    rng: np.random.Generator,
    cast: Cast,
    network: Network,
    chances: Chances,
    faults: Faults,
    emitter: Ints,
    time_s: Floats,
    station: Ints,
    turning: Bools,
    status: Floats,
) -> Received:
    n, owner, shown = len(emitter), cast.owner[emitter], cast.shown[emitter]
    speed_kn, bearing = cast.courses.speed_and_bearing(shown, time_s)
    sets = Receivers.of(len(cast.owner), 7)
    east, north = position_noise_m(rng, sets, emitter, time_s, faults.noise)
    lon, lat = shift(*cast.courses.at(shown, time_s), east, north)
    sog = shown_speed_kn(rng, sets, emitter, speed_kn)
    cog = shown_course_deg(rng, speed_kn, bearing)
    (lying,) = cast.headings.at(owner, time_s)
    bow = np.where(np.isnan(lying), bearing + rng.normal(0, 1.0, n), lying + rng.normal(0, 0.6, n))
    heading = np.where(cast.class_b[emitter] | (sets.heading[emitter] < 0.04), np.nan, np.round(bow) % 360)
    wrong = np.where(station >= 0, network.clock_s[np.maximum(station, 0)], 0.0)
    late = rng.random(n) < faults.late_share
    delay = np.where(station == SATELLITE, rng.uniform(300, 2400, n), rng.uniform(0, 3, n))
    delay = np.where(late, delay + rng.exponential(1800.0, n), delay)
    no_place = rng.random(n) < faults.no_position
    first = Received(
        emitter,
        time_s + wrong,
        np.where(no_place, np.nan, np.round(wrap_lon(lon) * STEPS) / STEPS),
        np.where(no_place, np.nan, np.round(lat * STEPS) / STEPS),
        sog,
        cog,
        heading,
        np.where(cast.class_b[emitter], np.nan, status),
        turning,
        station,
        time_s + wrong + delay,
    )
    return _repeated(rng, first, network, chances, cast)


def _repeated(rng: np.random.Generator, rows: Received, network: Network, chances: Chances, cast: Cast) -> Received:
    """The rows, with copies that a second station heard, or that the network delivered twice."""
    n = len(rows.emitter)
    second = chances.station[1, cast.owner[rows.emitter], chances.bin_of(rows.time_s)].astype(np.int64)
    chance = chances.chance[1, cast.owner[rows.emitter], chances.bin_of(rows.time_s)]
    twice = (rows.station >= 0) & (rng.random(n) < SECOND_COPY * (chance > 0.2))
    again = rng.random(n) < REPEATED
    out = [rows]
    for pick, station in ((twice, second), (again, rows.station)):
        at = np.flatnonzero(pick)
        copy = Received._make(column[at] for column in rows)
        wrong = np.where(station[at] >= 0, network.clock_s[np.maximum(station[at], 0)], 0.0)
        was = np.where(copy.station >= 0, network.clock_s[np.maximum(copy.station, 0)], 0.0)
        copy = copy._replace(
            station=station[at],
            time_s=copy.time_s - was + wrong,
            arrived_s=copy.arrived_s + rng.uniform(0, 60, len(at)),
        )
        out.append(copy)
    return Received._make(np.concatenate(columns) for columns in zip(*out, strict=True))
