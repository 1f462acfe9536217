"""Simulated ships: what they are and what they say of themselves; nobody can take one for a real ship.

Country digits 281 to 286 and call signs beginning with 1 are given to nobody (ITU: table of maritime
identification digits, appendix 42 of the Radio Regulations). IMO numbers keep their check digit but lie below
5 million, where company numbers are and hulls are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stswatch.sample_ais.fleet.motion import Course, Courses, Floats, Ints, Ragged, step_at, steps

FLAGS = {"XA": 281, "XB": 282, "XC": 283, "XD": 284, "XE": 285, "XF": 286}  # as in flags.csv


class ShipKind(NamedTuple):
    """What ships of one trade have in common."""

    ship_type: int  # ITU-R M.1371-5, table 53
    length_m: int
    beam_m: int
    draught_m: float
    name: str
    ais_class: str = "A"


KINDS = {
    "tanker": ShipKind(80, 150, 23, 8.2, "TANKER"),
    "small_tanker": ShipKind(80, 96, 14, 5.1, "COASTER OIL"),
    "bulker": ShipKind(70, 180, 28, 9.4, "BULK"),
    "coaster": ShipKind(70, 88, 13, 4.6, "COASTER"),
    "container": ShipKind(71, 260, 36, 11.8, "BOX"),
    "bunker": ShipKind(80, 58, 11, 3.6, "BUNKER"),
    "tug": ShipKind(31, 34, 10, 4.0, "TUG"),
    "barge": ShipKind(37, 76, 20, 3.1, "BARGE", "B"),
    "trawler": ShipKind(30, 38, 7, 3.2, "TRAWL", "B"),
    "pilot": ShipKind(50, 18, 5, 1.5, "PILOT"),
    "ferry": ShipKind(60, 165, 25, 6.1, "FERRY"),
    "reefer": ShipKind(70, 118, 17, 6.0, "REEFER"),
    "fisher": ShipKind(30, 52, 9, 3.6, "FISHER"),
    "supply": ShipKind(79, 68, 15, 4.8, "SUPPLY"),
    "crew_boat": ShipKind(69, 26, 7, 1.8, "CREW", "B"),
    "dredger": ShipKind(33, 98, 19, 5.6, "DREDGER"),
    "hopper": ShipKind(79, 72, 15, 4.2, "HOPPER"),
    "patrol": ShipKind(55, 88, 13, 4.1, "PATROL"),
    "research": ShipKind(90, 74, 15, 5.0, "RESEARCH"),
    "launch": ShipKind(90, 16, 5, 1.6, "LAUNCH", "B"),
    "tanker_large": ShipKind(80, 228, 36, 12.4, "TANKER L"),
}


_TRADES = {kind.name: trade for trade, kind in KINDS.items()}


@dataclass(frozen=True)
class Ship:
    """What one ship sends as its identity."""

    hull: str  # name of the hull in the truth: two hulls may claim one MMSI
    mmsi: int
    name: str
    imo: int  # 0 where it has none
    call_sign: str
    kind: ShipKind
    destination: str
    flag: str

    @property
    def trade(self) -> str:
        """The key of its kind in KINDS, whatever its size."""
        return _TRADES[self.kind.name]

    @property
    def size_m(self) -> tuple[int, int, int, int]:
        """Antenna to bow, stern, port and starboard: on the bridge, aft, a little to port."""
        stern = max(2, round(self.kind.length_m * 0.18))
        port = self.kind.beam_m // 2
        return self.kind.length_m - stern, stern, port, self.kind.beam_m - port


def with_check_digit(number: int) -> int:
    """Six digits with the check digit of an IMO number behind them.

    Source: IMO resolution A.1117(30): the six digits times 7 to 2, the last digit of the sum.

    >>> with_check_digit(907472)
    9074729
    """
    return number * 10 + sum(int(d) * w for d, w in zip(f"{number:06d}", range(7, 1, -1), strict=True)) % 10


# ---------- Ships of any kind with running numbers: what they are called, how large they are, how fast they go at sea

DPRK_ROLE = "XA"
# Speed at sea in kn, median; an estimate of this project for the trades in question.
SEA_KN = {
    "tanker": 11.5,
    "tanker_large": 12.5,
    "small_tanker": 9.5,
    "bulker": 11.0,
    "coaster": 9.0,
    "container": 15.0,
    "bunker": 8.0,
    "tug": 9.0,
    "barge": 7.0,
    "trawler": 8.0,
    "pilot": 16.0,
    "ferry": 19.0,
    "reefer": 13.0,
    "fisher": 9.0,
    "supply": 10.5,
    "crew_boat": 17.0,
    "dredger": 8.5,
    "hopper": 8.0,
    "patrol": 14.0,
    "research": 10.0,
    "launch": 12.0,
}
SMALL_M = 50  # crews and sets of shorter hulls are those of boats
WITHOUT_IMO = ("barge", "trawler", "pilot", "crew_boat", "launch", "fisher", "hopper")


@dataclass
class ShipFactory:
    """Launches ships with running numbers, of sizes that vary within their kind."""

    rng: np.random.Generator
    launched: int = 0

    def launch(self, kind: str, flag: str | None = None, scale: float = 1.0) -> Ship:
        """The next ship of a kind; KeyError where there is none such. `scale` makes it larger or smaller.

        No flag given: any but the one in the role of the DPRK.
        """
        self.launched += 1
        number, what = self.launched, KINDS[kind]
        size = scale * float(np.exp(self.rng.normal(0, 0.14)))
        flag = flag or str(self.rng.choice([f for f in FLAGS if f != DPRK_ROLE]))
        what = what._replace(
            length_m=max(9, round(what.length_m * size)),
            beam_m=max(3, round(what.beam_m * size**0.9)),
            draught_m=max(0.8, round(what.draught_m * size**0.7, 1)),
        )
        return Ship(
            hull=f"hull-{number:05d}",
            mmsi=FLAGS[flag] * 1_000_000 + (number * 7919) % 1_000_000,
            name=f"SIM {what.name} {number if number < 10_000 else _four(number)}",
            imo=0 if kind in WITHOUT_IMO else with_check_digit(300_000 + number * 13 % 200_000),
            call_sign=f"1S{flag[1]}{_four(number)}",
            kind=what,
            destination="SIM ORDERS",
            flag=flag,
        )


def _four(number: int) -> str:
    """Four characters, others for each number up to 466,975: digits, and from 10,000 on letters."""
    if number < 10_000:
        return f"{number:04d}"
    return "".join(chr(ord("A") + (number - 10_000) // 26**place % 26) for place in (3, 2, 1, 0))


# ------------- Who takes part: actors with a true course and what they show of it, and the scenes that they belong to
# Times are seconds from the start of the plan and may lie outside it. A course is that of the antenna.

UNDER_WAY, AT_ANCHOR, RESTRICTED, MOORED, FISHING = 0, 1, 3, 5, 7  # navigational status, ITU-R M.1371-5
ALWAYS = (-1e9, 1e9)
SWITCHED_OFF, EQUIPMENT = "switched_off", "equipment"  # silences that the ship itself makes
LEFT = "left"  # and that of one that is beyond the edge of the sea
OUT_OF_RANGE, OUTAGE, FADE = "out_of_range", "outage", "fade"  # those of who listens, and of the way between


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
    style: str = ""  # how a forged course was made; "smooth" ones are without any noise


class Call(NamedTuple):
    """A stay in a port or its roads, or `edge`: beyond the sea; seconds, degrees."""

    port: str
    kind: str
    country: str
    lon: float
    lat: float
    start_s: float
    end_s: float


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
    calls: tuple[Call, ...] = ()  # in order of time
    destinations: tuple[tuple[float, str], ...] = ()  # (from when, what the crew has entered); none: that of the ship
    etas: tuple[tuple[float, float], ...] = ()  # (from when, seconds of the plan), NaN where none is entered

    def claims(self) -> tuple[Emitter, ...]:
        """Its emitters, itself where none is given."""
        return self.emitters or (Emitter(self.ship),)

    @property
    def silences(self) -> tuple[Quiet, ...]:
        """Its silences, those beyond the edge of the sea among them."""
        return (*self.quiets, *(Quiet(call.start_s, call.end_s, LEFT) for call in self.calls if call.kind == "edge"))

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


# ----------------------- All actors as columns: courses end to end, what each says of its state, and its transponders

Bools = NDArray[np.bool_]


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
    quiet: Ragged  # 1 while an actor sends nothing
    smooth: Bools  # (e,)


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
        steps([_silence(actor.silences) for actor in actors]),
        np.array([e.style == "smooth" for _, e in claims], bool),
    )


def _silence(quiets: Sequence[Quiet]) -> list[tuple[float, float]]:
    """Silences as steps (from when, 1 or 0); those that overlap are one. A set is silent between the two ends."""
    found, until_s = [(ALWAYS[0], 0.0)], ALWAYS[0]
    for quiet in sorted(quiets, key=lambda each: each.start_s):
        if quiet.end_s <= max(until_s, quiet.start_s):
            continue
        if quiet.start_s >= until_s:
            found.append((float(np.nextafter(quiet.start_s, np.inf)), 1.0))
        else:
            found.pop()
        until_s = quiet.end_s
        found.append((until_s, 0.0))
    return found


def silent(cast: Cast, owner: Ints, time_s: Floats) -> Bools:
    """Whether actors (n,) send nothing at times (n,)."""
    return np.asarray(step_at(cast.quiet, owner, time_s) > 0)
