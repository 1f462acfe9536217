"""What was received of ships: positions with the errors of instruments, static reports with those of crews."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from stswatch.geo.coordinates.sphere import wrap_lon
from stswatch.sample_ais.fleet.motion import Floats, Ints, shift, step_at, steps
from stswatch.sample_ais.fleet.ships import ALWAYS, Actor, Bools, Cast, Emitter, silent
from stswatch.sample_ais.reception import receivers
from stswatch.sample_ais.reception.receivers import SATELLITE, Hearing

# ----------------------------------------------------------------------------------------------------------------
# What instruments make of the truth: positions that wander, speeds that are never quite zero, courses without sense
# The numbers are set against real stopped ships, see docs/simulator.md.

WHITE_M, SLOW_M = 0.8, 1.25  # along each axis: from report to report, and over some tens of minutes
SPEED_KN, SWELL_KN = 0.045, 0.055  # of speeds: at a quay, and as much more afloat
AFLOAT_KN = 0.005  # a hull at a quay does not move at all


@dataclass(frozen=True)
class Receivers:
    """What is particular to the set of each emitter (e,), the same through a sea and drawn anew for each."""

    quality: Floats  # factor on its noise
    period_s: Floats
    phase: Floats
    heading: Floats  # 0 to 1: who sends no heading
    deadband_kn: Floats  # slower is shown as 0
    turn: Floats  # 0 to 1: which of the slots it sends in
    second: Floats  # 0 to 1: where in its interval it sends

    @staticmethod
    def of(rng: np.random.Generator, n: int) -> Receivers:
        """Receivers of n emitters."""
        return Receivers(
            np.exp(rng.normal(0, 0.4, n)),
            60 * np.exp(rng.normal(3.4, 0.5, n)),
            rng.uniform(0, 2 * np.pi, n),
            rng.random(n),
            np.where(rng.random(n) < 0.6, 0.1, 0.0),
            rng.random(n),
            rng.random(n),
        )


def position_noise_m(
    rng: np.random.Generator, of: Receivers, emitter: Ints, time_s: Floats, factor: float
) -> tuple[Floats, Floats]:
    """Metres east and north (n,) by which positions are off."""
    turn = 2 * np.pi * time_s / of.period_s[emitter] + of.phase[emitter]
    size = factor * of.quality[emitter]
    slow = SLOW_M * np.sqrt(2 / 3)
    east = slow * (np.sin(turn) + np.sin(0.37 * turn) + np.sin(2.3 * turn + 1)) / np.sqrt(1.0)
    north = slow * (np.cos(turn) + np.sin(0.41 * turn + 2) + np.cos(1.9 * turn))
    white = rng.normal(0, WHITE_M, (2, len(emitter)))
    return size * (east / np.sqrt(1.5) + white[0]), size * (north / np.sqrt(1.5) + white[1])


def shown_speed_kn(rng: np.random.Generator, of: Receivers, emitter: Ints, speed_kn: Floats) -> Floats:
    """Speed over ground as sent, in tenths of a knot."""
    spread_kn = SPEED_KN * of.quality[emitter] + SWELL_KN * (speed_kn > AFLOAT_KN)
    noisy = np.abs(speed_kn + spread_kn * rng.standard_normal(len(speed_kn)))
    return np.asarray(np.round(np.where(noisy < of.deadband_kn[emitter], 0.0, noisy), 1), np.float64)


def shown_course_deg(rng: np.random.Generator, speed_kn: Floats, bearing: Floats) -> Floats:
    """Course over ground as sent: the slower the ship, the less it means."""
    spread = np.minimum(1.0 + 4.0 / np.maximum(speed_kn, 0.05), 180.0)
    return np.asarray(np.round((bearing + spread * rng.normal(0, 1, len(speed_kn))) % 360, 1) % 360)


# ------------------ What was received of the ships: position reports, from true courses to what the network delivered
# They are drawn a group of ships at a time, so that memory does not grow with the plan.

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
    boats_have_headings: bool = False  # those of class B, as far as their sets send any


def received(rng: np.random.Generator, hearing: Hearing, days: float, slot_s: float, faults: Faults) -> Received:
    """All position reports that reached the archive."""
    emitters = len(hearing.cast.owner)
    sets = Receivers.of(rng, emitters)
    groups = [np.arange(low, min(low + GROUP, emitters)) for low in range(0, emitters, GROUP)]
    parts = []
    for group in groups:
        sent, turning, status = _sent(hearing, sets, group, days, slot_s)
        heard, when_s, station = hearing.first(rng, sent, sets.second[sent.emitter])
        shown = _shown(rng, hearing.cast, sets, sent.emitter[heard], when_s, status[heard], turning[heard], faults)
        parts.append(_delivered(rng, hearing, shown._replace(station=station), faults))
    return Received._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


def _sent(
    hearing: Hearing, sets: Receivers, group: Ints, days: float, slot_s: float
) -> tuple[receivers.Slots, Bools, Floats]:
    """The slots in which ships send and could be heard, and (n,) whether they turn there, and their status."""
    cast, slot = hearing.cast, np.arange(0.0, days * 86_400, slot_s)
    emitter, time_s = np.repeat(group, len(slot)), np.tile(slot, len(group))
    on = (time_s >= cast.from_s[emitter]) & (time_s < cast.until_s[emitter])
    on &= ~silent(cast, cast.owner[emitter], time_s) & (np.add(*hearing.of(emitter, time_s)) > 0)
    emitter, time_s = emitter[on], time_s[on]
    speed_kn, bearing = cast.courses.speed_and_bearing(cast.shown[emitter], time_s, 60.0)
    later = cast.courses.speed_and_bearing(cast.shown[emitter], time_s + 60.0, 60.0)[1]
    turning = (np.abs((later - bearing + 180) % 360 - 180) > receivers.TURNING_DEG_PER_MIN) & (speed_kn > 3)
    status = step_at(cast.statuses, cast.owner[emitter], time_s)
    every_s = receivers.interval_s(cast.class_b[emitter], receivers.lies(status), speed_kn, turning)
    keep, slots = receivers.slots(emitter, time_s, every_s, sets.turn[emitter], slot_s)
    return slots, turning[keep], status[keep]


def _shown(
    rng: np.random.Generator,
    cast: Cast,
    sets: Receivers,
    emitter: Ints,
    time_s: Floats,
    status: Floats,
    turning: Bools,
    faults: Faults,
) -> Received:
    """What the reports (n,) say, as the instruments on board have it; the station is still to be told."""
    n, course = len(emitter), cast.shown[emitter]
    speed_kn, bearing = cast.courses.speed_and_bearing(course, time_s)
    real = ~cast.smooth[emitter]  # others come from no instrument
    east_m, north_m = position_noise_m(rng, sets, emitter, time_s, faults.noise)
    lon, lat = shift(*cast.courses.at(course, time_s), east_m * real, north_m * real)
    (stationary,) = cast.headings.at(cast.owner[emitter], time_s)
    bow = np.where(np.isnan(stationary), bearing, stationary) + rng.normal(0, 0.8, n)
    without = sets.heading[emitter] < WITHOUT_HEADING
    without |= cast.class_b[emitter] & (not faults.boats_have_headings)
    lost = rng.random(n) < faults.no_position
    return Received(
        emitter,
        time_s,
        np.where(lost, np.nan, np.round(wrap_lon(lon) * STEPS) / STEPS),
        np.where(lost, np.nan, np.round(lat * STEPS) / STEPS),
        np.where(real, shown_speed_kn(rng, sets, emitter, speed_kn), np.round(speed_kn, 1)),
        np.where(real, shown_course_deg(rng, speed_kn, bearing), np.round(bearing, 1) % 360),
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
    received = Received._make(column[at] for column in rows)
    time_s = received.time_s + hearing.wrong_s(station)
    return received._replace(station=station, time_s=time_s, arrived_s=time_s + delay_s)


# --------------- What ships say of themselves, as received: static and voyage reports with the errors that crews make

# Share of ships whose static data hold an error, by kind. An estimate: Harati-Mokhtari et al., Automatic Identification
# System (AIS): data reliability and human error implications, Journal of Navigation 60 (2007), found type, dimensions,
# draught and destination wrong more often than names and numbers.
ERRORS = {"no_imo": 0.02, "swapped_size": 0.02, "no_size": 0.03, "type_0": 0.03, "no_draught": 0.10, "cut_name": 0.02}

Columns = Mapping[str, Any]


def static_values(emitter: Emitter, actor: Actor, number: int, seed: int) -> dict[str, Any]:
    """What an emitter says, but for the draught: values by column of the static reports, errors among them."""
    ship = emitter.ship
    rng = np.random.default_rng([seed, 11, number])
    wrong = {name for name, share in ERRORS.items() if rng.random() < share}
    bow, stern, port, starboard = antenna(ship.kind.length_m, ship.kind.beam_m, int(ship.hull[5:]))
    if "swapped_size" in wrong:
        bow, stern = stern, bow
    if "no_size" in wrong:
        bow = stern = port = starboard = 0
    return {
        "mmsi": ship.mmsi,
        "imo": 0 if "no_imo" in wrong else ship.imo,
        "name": ship.name[:-1] if "cut_name" in wrong else ship.name,
        "call_sign": ship.call_sign,
        "ship_type": 0 if "type_0" in wrong else ship.kind.ship_type,
        "to_bow_m": bow,
        "to_stern_m": stern,
        "to_port_m": port,
        "to_starboard_m": starboard,
        "destination": ship.destination,
        "tells_draught": "no_draught" not in wrong,
    }


def antenna(length_m: int, beam_m: int, number: int) -> tuple[int, int, int, int]:
    """Antenna to bow, stern, port and starboard, metres: on a bridge aft, or forward in one hull of five.

    >>> antenna(100, 16, 1)
    (83, 17, 8, 8)
    """
    share = 0.72 if number % 5 == 4 else 0.15 + 0.02 * (number % 4)
    stern = max(2, round(length_m * share))
    port = max(1, min(beam_m - 1, beam_m // 2 + (number % 3) - 1))
    return max(1, length_m - stern), stern, port, beam_m - port


def received_statics(
    rng: np.random.Generator, hearing: Hearing, days: float, every_s: float
) -> tuple[Ints, Floats, Floats, Ints]:
    """Emitter, time sent, draught and station of the static reports received (n,); draught NaN for class B.

    Of `every_s` at most one is kept, as networks do.
    """
    cast, slot = hearing.cast, np.arange(0.0, days * 86_400, every_s)
    emitter, time_s = np.repeat(np.arange(len(cast.owner)), len(slot)), np.tile(slot, len(cast.owner))
    on = (time_s >= cast.from_s[emitter]) & (time_s < cast.until_s[emitter])
    emitter, time_s = emitter[on], time_s[on]
    sent = np.full(len(emitter), max(1, round(every_s / receivers.STATIC_S)), np.int64)
    of = receivers.Slots(emitter, time_s, np.full(len(emitter), receivers.STATIC_S), sent)
    heard, when_s, station = hearing.first(rng, of, rng.random(len(emitter)))
    emitter, when_s = emitter[heard], when_s + np.floor(300 * rng.random(len(when_s)))
    awake = ~silent(cast, cast.owner[emitter], when_s) & (when_s < days * 86_400)
    emitter, when_s = emitter[awake], when_s[awake]
    return emitter, when_s, draughts_m(cast, emitter, when_s), station[awake]


def draughts_m(cast: Cast, emitter: Ints, time_s: Floats) -> Floats:
    """What each emitter (n,) says of its draught at a time (n,); NaN for class B, which has no such field."""
    draughts = [a.draughts or ((ALWAYS[0], a.ship.kind.draught_m),) for a in cast.actors]
    now = step_at(steps(draughts), cast.owner[emitter], time_s)
    return np.where(cast.class_b[emitter], np.nan, now)
