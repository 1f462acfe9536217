"""Who takes part: actors with a true course and what they show of it, and the scenes that they belong to.

Times are seconds from the start of the plan and may lie outside it. A course is that of the antenna.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from stswatch.sample_ais.motion import Course, Floats
from stswatch.sample_ais.ships import Ship

UNDER_WAY, AT_ANCHOR, RESTRICTED, MOORED, FISHING = 0, 1, 3, 5, 7  # navigational status, ITU-R M.1371-5
ALWAYS = (-1e9, 1e9)
SWITCHED_OFF, EQUIPMENT = "switched_off", "equipment"  # silences that the ship itself makes
OUT_OF_RANGE, OUTAGE = "out_of_range", "outage"  # those of who listens


@dataclass(frozen=True)
class Quiet:
    """A time in which a ship sends nothing, and why."""

    start_s: float
    end_s: float
    cause: str


@dataclass(frozen=True)
class Emitter:
    """What a transponder claims from when to when: an identity and, where forged, a course that the ship is not on."""

    ship: Ship
    from_s: float = ALWAYS[0]
    until_s: float = ALWAYS[1]
    shown: Course | None = None


@dataclass(frozen=True)
class Actor:
    """A hull: its true identity and course, what it shows, and how it lies, reports and loads."""

    ship: Ship
    course: Course
    emitters: tuple[Emitter, ...] = ()  # none: itself, always
    statuses: tuple[tuple[float, float], ...] = ((ALWAYS[0], float(UNDER_WAY)),)  # (from when, status)
    draughts: tuple[tuple[float, float], ...] = ()  # (from when, metres); none: that of its kind
    headings: tuple[tuple[Floats, Floats], ...] = ()  # times and degrees, unwrapped, while it lies or crabs
    quiets: tuple[Quiet, ...] = ()
    acts: tuple[tuple[float, float], ...] = ()  # when it does what its scene is about; outside it is traffic
    role: str = "traffic"
    weak: bool = False  # heard by no shore station, and only in the passes of the better satellites

    def claims(self) -> tuple[Emitter, ...]:
        """Its emitters, itself where none is given."""
        return self.emitters or (Emitter(self.ship),)

    def quiet(self, *more: Quiet) -> Actor:
        """The same with further silences."""
        return replace(self, quiets=(*self.quiets, *more))


@dataclass(frozen=True)
class Scene:
    """Hulls that belong together: what their meetings are, why, and where they were meant to be."""

    scenario: str
    family: str
    kind: str  # transfer, look_alike or traffic
    why: str
    place: str  # zone id, port id or "" for the open sea
    actors: tuple[Actor, ...]


def heading_of(actor: Actor) -> tuple[Floats, Floats]:
    """Times (k,) and headings (k,) of an actor as one series, NaN between and beyond its spells."""
    times, degrees = [np.array([ALWAYS[0]])], [np.array([np.nan])]
    for time_s, deg in actor.headings:
        times += [time_s[:1] - 1e-3, time_s, time_s[-1:] + 1e-3]
        degrees += [np.array([np.nan]), deg, np.array([np.nan])]
    return np.concatenate(times), np.concatenate(degrees)
