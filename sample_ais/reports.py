"""What each ship sends: position reports and static reports as columns.

Class A under way sends every 2 to 10 s; here that is thinned to about one a minute, and to one in three
minutes for whoever is at anchor or moored, or is class B and slower than 2 kn, as the standard has it. Static
reports, every 6 minutes on the air, are thinned to every 30.
Source: ITU-R M.1371-5, annex 1, tables 1 and 2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stswatch.geo.longitude import wrap_lon
from stswatch.sample_ais.motion import Floats, report_times, shift
from stswatch.sample_ais.scenes import AT_ANCHOR, MOORED, Actor

UNDER_WAY_S = 60.0
STILL_EVERY = 3  # one in three of the reports under way
STATIC_S = 1800.0
NOISE_M = 4.5  # along each axis: 6 m in all, what a receiver without correction shows
STEPS = 600_000.0  # positions go out in 1/10000 of a minute


class Positions(NamedTuple):
    """Position reports of one ship, (n,) each; heading 511 means none."""

    time_s: NDArray[np.int64]
    lon: Floats
    lat: Floats
    speed_kn: Floats
    course_deg: Floats
    heading_deg: Floats
    status: NDArray[np.int64]
    turning: NDArray[np.bool_]


def positions(rng: np.random.Generator, actor: Actor, start_s: float, hours: float) -> Positions:
    """The position reports of an actor whose course counts seconds from the start of the recording."""
    time_s = report_times(rng, 0.0, hours * 3600, UNDER_WAY_S)
    speed_kn, bearing = actor.course.speed_and_bearing(time_s)
    status = _status(actor, speed_kn)
    often = ~np.isin(status, (AT_ANCHOR, MOORED)) if actor.ship.kind.ais_class == "A" else speed_kn >= 2
    keep = (often | (np.arange(len(time_s)) % STILL_EVERY == 0)) & heard(actor, time_s)
    time_s, speed_kn, bearing, status = time_s[keep], speed_kn[keep], bearing[keep], status[keep]
    n = len(time_s)
    lon, lat = shift(*actor.course.at(time_s), *rng.normal(0, NOISE_M, (2, n)))
    shown_kn = np.abs(speed_kn + rng.normal(0, 0.1, n)).round(1)
    wander = rng.normal(0, 2, n) / np.maximum(shown_kn, 0.1) * 3  # the slower, the less a course means
    turning = np.abs((np.diff(bearing, append=bearing[-1:]) + 180) % 360 - 180) > 10
    return Positions(
        (start_s + time_s).astype(np.int64),
        np.round(wrap_lon(lon) * STEPS) / STEPS,
        np.round(lat * STEPS) / STEPS,
        shown_kn,
        np.round((bearing + wander) % 360, 1) % 360,
        _heading(rng, actor, speed_kn, bearing),
        status,
        turning & (speed_kn > 3),
    )


def static_times(rng: np.random.Generator, actor: Actor, start_s: float, hours: float) -> NDArray[np.int64]:
    """When an actor says who it is, seconds since 1970."""
    time_s = np.floor(np.arange(rng.uniform(0, STATIC_S), hours * 3600, STATIC_S))
    return np.asarray(start_s + time_s[heard(actor, time_s)], dtype=np.int64)


def heard(actor: Actor, time_s: Floats) -> NDArray[np.bool_]:
    """Whether anything of the actor is received at times (n,), seconds from the start of the recording."""
    silent = np.zeros(len(time_s), dtype=np.bool_)
    for gap in actor.silences:
        silent |= (time_s > gap.start_h * 3600) & (time_s < gap.end_h * 3600)
    return ~silent


def _status(actor: Actor, speed_kn: Floats) -> NDArray[np.int64]:
    """The status the actor is in; one at anchor or moored that moves is under way."""
    still = actor.status in (AT_ANCHOR, MOORED)
    return np.asarray(np.where(still & (speed_kn > 2), 0, actor.status), dtype=np.int64)


def _heading(rng: np.random.Generator, actor: Actor, speed_kn: Floats, bearing: Floats) -> Floats:
    """Where the bow points: along the course when moving, else as given or as it last moved."""
    n = len(speed_kn)
    if actor.ship.kind.ais_class == "B" or n == 0:
        return np.full(n, 511.0)
    moving = speed_kn > 1.5
    last = np.maximum.accumulate(np.where(moving, np.arange(n), 0))
    lying = bearing[last] if actor.heading_deg is None else np.full(n, actor.heading_deg)
    return np.round(np.where(moving, bearing, lying) + rng.normal(0, 1, n)) % 360
