"""What was received of the ships: position reports, from true courses to what the network delivered.

They are drawn a group of ships at a time, so that memory does not grow with the plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stswatch.geo.longitude import wrap_lon
from stswatch.sample_ais import noise, transmit
from stswatch.sample_ais.columns import Bools, Cast, silent
from stswatch.sample_ais.courses import Ints, step_at
from stswatch.sample_ais.hearing import SATELLITE, Hearing
from stswatch.sample_ais.motion import Floats, shift

GROUP = 64  # ships at a time
STEPS = 600_000.0  # positions go out in 1/10000 of a minute
REPEATED, SECOND_COPY = 0.01, 0.04  # share of fixes delivered twice, and by a second station too
SECOND_LEAST = 0.2  # the chance from which a second station is there to hear
WITHOUT_HEADING = 0.04  # share of class A that sends none
SHORE_DELAY_S, SPACE_DELAY_S, LATE_S = 3.0, (300.0, 2400.0), 1800.0  # of delivery; an estimate


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


def received(rng: np.random.Generator, hearing: Hearing, days: float, slot_s: float, faults: Faults) -> Received:
    """All position reports that reached the archive."""
    emitters = len(hearing.cast.owner)
    sets = noise.Receivers.of(rng, emitters)
    groups = [np.arange(low, min(low + GROUP, emitters)) for low in range(0, emitters, GROUP)]
    parts = []
    for group in groups:
        sent, turning, status = _sent(hearing, sets, group, days, slot_s)
        heard, when_s, station = hearing.first(rng, sent, sets.second[sent.emitter])
        shown = _shown(rng, hearing.cast, sets, sent.emitter[heard], when_s, status[heard], turning[heard], faults)
        parts.append(_delivered(rng, hearing, shown._replace(station=station), faults))
    return Received._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


def _sent(
    hearing: Hearing, sets: noise.Receivers, group: Ints, days: float, slot_s: float
) -> tuple[transmit.Slots, Bools, Floats]:
    """The slots in which ships send and could be heard, and (n,) whether they turn there, and their status."""
    cast, slot = hearing.cast, np.arange(0.0, days * 86_400, slot_s)
    emitter, time_s = np.repeat(group, len(slot)), np.tile(slot, len(group))
    on = (time_s >= cast.from_s[emitter]) & (time_s < cast.until_s[emitter])
    on &= ~silent(cast, cast.owner[emitter], time_s) & (np.add(*hearing.of(emitter, time_s)) > 0)
    emitter, time_s = emitter[on], time_s[on]
    speed_kn, bearing = cast.courses.speed_and_bearing(cast.shown[emitter], time_s, 60.0)
    later = cast.courses.speed_and_bearing(cast.shown[emitter], time_s + 60.0, 60.0)[1]
    turning = (np.abs((later - bearing + 180) % 360 - 180) > transmit.TURNING_DEG_PER_MIN) & (speed_kn > 3)
    status = step_at(cast.statuses, cast.owner[emitter], time_s)
    every_s = transmit.interval_s(cast.class_b[emitter], transmit.lies(status), speed_kn, turning)
    keep, slots = transmit.slots(emitter, time_s, every_s, sets.turn[emitter], slot_s)
    return slots, turning[keep], status[keep]


def _shown(
    rng: np.random.Generator,
    cast: Cast,
    sets: noise.Receivers,
    emitter: Ints,
    time_s: Floats,
    status: Floats,
    turning: Bools,
    faults: Faults,
) -> Received:
    """What the reports (n,) say, as the instruments on board have it; the station is still to be told."""
    n, course = len(emitter), cast.shown[emitter]
    speed_kn, bearing = cast.courses.speed_and_bearing(course, time_s)
    lon, lat = shift(
        *cast.courses.at(course, time_s), *noise.position_noise_m(rng, sets, emitter, time_s, faults.noise)
    )
    (lying,) = cast.headings.at(cast.owner[emitter], time_s)
    bow = np.where(np.isnan(lying), bearing, lying) + rng.normal(0, 0.8, n)
    without = cast.class_b[emitter] | (sets.heading[emitter] < WITHOUT_HEADING)
    lost = rng.random(n) < faults.no_position
    return Received(
        emitter,
        time_s,
        np.where(lost, np.nan, np.round(wrap_lon(lon) * STEPS) / STEPS),
        np.where(lost, np.nan, np.round(lat * STEPS) / STEPS),
        noise.shown_speed_kn(rng, sets, emitter, speed_kn),
        noise.shown_course_deg(rng, speed_kn, bearing),
        np.where(without, np.nan, np.round(bow) % 360),
        np.where(cast.class_b[emitter], np.nan, status),
        turning,
        np.full(n, SATELLITE),
        time_s,
    )


def _delivered(rng: np.random.Generator, hearing: Hearing, rows: Received, faults: Faults) -> Received:
    """The reports by the clocks of their stations and with their arrival, some twice or by a second station too."""
    n, space = len(rows.emitter), rows.station == SATELLITE
    delay_s = np.where(space, rng.uniform(*SPACE_DELAY_S, n), rng.uniform(0, SHORE_DELAY_S, n))
    delay_s += np.where(rng.random(n) < faults.late_share, rng.exponential(LATE_S, n), 0.0)
    second, chance = hearing.second(rows.emitter, rows.time_s)
    twice = np.flatnonzero(~space & (rng.random(n) < SECOND_COPY * (chance > SECOND_LEAST)))
    again = np.flatnonzero(rng.random(n) < REPEATED)
    at = np.concatenate([np.arange(n), twice, again])
    station = np.concatenate([rows.station, second[twice], rows.station[again]])
    delay_s = delay_s[at] + np.concatenate([np.zeros(n), rng.uniform(0, 60, len(twice) + len(again))])
    told = Received._make(column[at] for column in rows)
    time_s = told.time_s + hearing.wrong_s(station)
    return told._replace(station=station, time_s=time_s, arrived_s=time_s + delay_s)
