"""Transfers from hull to hull, one function a scene; the last five go with a deception.

That such things happen is told by the reports of the Panel of Experts of the 1718 Committee (2018 to 2024) and by the
advisory on deceptive practices of the United States (Departments of State and of the Treasury, Coast Guard, May 2020).
How the ships move is a choice of this project; durations, distances and speeds are drawn before a scene is chosen, see
circumstances.py. A docstring names a source where there is one for that very practice.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stswatch.geo.coordinates.sphere import M_PER_NM
from stswatch.sample_ais.fleet import at_rest
from stswatch.sample_ais.fleet.at_rest import Coming, Stationary
from stswatch.sample_ais.fleet.motion import shift, voyage
from stswatch.sample_ais.fleet.ships import (
    ALWAYS,
    DPRK_ROLE,
    SWITCHED_OFF,
    UNDER_WAY,
    Actor,
    Emitter,
    Quiet,
    Ship,
    with_check_digit,
)
from stswatch.sample_ais.fleet.waters import Spot
from stswatch.sample_ais.scenes.circumstances import HOUR_S, Circumstance
from stswatch.sample_ais.scenes.stage import Stage, passage, status_of

PARTIES = (
    ("tanker", "small_tanker", 0.3),
    ("small_tanker", "small_tanker", 0.3),
    ("tanker_large", "small_tanker", 0.08),
    ("bulker", "coaster", 0.12),
    ("coaster", "coaster", 0.12),
    ("bulker", "bulker", 0.08),
)
SILENT_AFTER = 0.30  # of each party: switched off before or after, since that is what the reports describe


def parties(stage: Stage) -> tuple[Ship, Ship]:
    """Host and guest; every other guest is under the flag in the role of the DPRK."""
    k = int(stage.rng.choice(len(PARTIES), p=[p[2] for p in PARTIES]))
    host, guest = PARTIES[k][:2]
    flag = DPRK_ROLE if stage.rng.random() < 0.5 else None
    return stage.ship_factory.launch(host), stage.ship_factory.launch(guest, flag)


Ends = tuple[Spot, Spot]


def ends(stage: Stage, c: Circumstance, ship: Ship) -> Ends:
    """Where a party comes from and goes to; ships under the flag in the role of the DPRK to and from its ports."""
    lands = ("KP",) if ship.flag == DPRK_ROLE else ()
    return stage.spot(c.place, countries=lands), stage.spot(c.place, countries=lands)


def goes(stage: Stage, c: Circumstance, ship: Ship, acts: list[Stationary], of: Ends | None = None) -> Actor:
    """A party that comes from somewhere for its acts and goes somewhere after."""
    origin, goal = of or ends(stage, c, ship)
    return stage.actor(ship, c.place, acts, origin, goal, status_of(c.speed_kn, ship))


def coming(stage: Stage, c: Circumstance, of: Ends, from_m: float = 3000.0) -> Coming:
    """How a guest comes up to a host there: on the side of its way, from less far where the shore is near."""
    sides = [stage.sea.bearing_deg(c.place, spot) for spot in of]
    return Coming(min(from_m, 600.0 * c.place.room_km), *sides)


def pair(
    stage: Stage,
    c: Circumstance,
    host: Ship,
    guest: Ship,
    waits_h: tuple[float, float] = (0.3, 9.0),
    under_way: bool | None = None,
) -> list[Actor]:
    """Host and guest meet as the circumstances say: one waits, the other comes alongside and leaves."""
    stationary = stage.host(
        c, host, stage.some_hours(*waits_h) + 2400.0, stage.some_hours(0.6, 2.5) + 2400.0, under_way
    )
    of = ends(stage, c, guest)
    right, ahead, turned = at_rest.offset_m(stage.rng, host, guest, c.distance_m)
    act = at_rest.alongside(stage.rng, stationary, c.start_s, c.end_s, right, ahead, turned, coming(stage, c, of))
    return [goes(stage, c, host, [stationary]), goes(stage, c, guest, [act], of)]


def laden(stage: Stage, c: Circumstance, actors: list[Actor]) -> list[Actor]:
    """The host grows lighter, the guest deeper, as far as their crews say so; each may fall silent beside it."""
    gives, takes = stage.loads(actors[0], c, -0.25, 0.45), stage.loads(actors[1], c, 0.3, 0.45)
    return [stage.silent(a, c, SILENT_AFTER) for a in (gives, takes, *actors[2:])]


def lit(stage: Stage, c: Circumstance) -> list[Actor]:
    """Two hulls lie side by side, both reporting throughout."""
    return laden(stage, c, pair(stage, c, *parties(stage)))


def at_anchor(stage: Stage, c: Circumstance) -> list[Actor]:
    """The host is at anchor and the guest makes fast to it."""
    return laden(stage, replace(c), pair(stage, replace(c, speed_kn=min(c.speed_kn, 0.1)), *parties(stage)))


def under_way(stage: Stage, c: Circumstance) -> list[Actor]:
    """Both keep way, about 4 kn at most, while hoses are across."""
    return laden(stage, c, pair(stage, c, *parties(stage), under_way=True))


def port_approaches(stage: Stage, c: Circumstance) -> list[Actor]:
    """Close to a port or in roads, where much lawful work of the same look goes on."""
    return laden(stage, c, pair(stage, c, *parties(stage), waits_h=(0.3, 4.0)))


def across_midnight(stage: Stage, c: Circumstance) -> list[Actor]:
    """Begins before and ends after midnight UTC, where records are cut into days."""
    midnight_s = np.round((c.start_s + c.end_s) / 2 / (24 * HOUR_S)) * 24 * HOUR_S
    return laden(stage, c, pair(stage, at(c, midnight_s, float(stage.rng.uniform(0.2, 0.8))), *parties(stage)))


def at(c: Circumstance, time_s: float, share: float) -> Circumstance:
    """The circumstances moved so that a time lies at a share of their duration."""
    return replace(c, start_s=float(time_s - share * c.duration_s))


def one_dark(stage: Stage, c: Circumstance) -> list[Actor]:
    """One of the two sends nothing from before the meeting until after it.

    Source: the advisory of May 2020: disabling or manipulating AIS.
    """
    actors = laden(stage, c, pair(stage, c, *parties(stage), waits_h=(1.0, 10.0)))
    who = 1 if stage.rng.random() < 0.7 else 0
    actors[who] = _dark(stage, actors[who], c)
    return actors


def both_dark(stage: Stage, c: Circumstance) -> list[Actor]:
    """Neither sends anything from before the meeting until after it."""
    return [_dark(stage, a, c) for a in laden(stage, c, pair(stage, c, *parties(stage)))]


def _dark(stage: Stage, actor: Actor, c: Circumstance) -> Actor:
    off_s, on_s = c.start_s - stage.some_hours(0.7, 6.0), c.end_s + stage.some_hours(0.7, 8.0)
    return replace(actor, quiets=(Quiet(off_s, on_s, SWITCHED_OFF),))


def shuttle(stage: Stage, c: Circumstance) -> list[Actor]:
    """A small hull comes to the same larger one two or three times, some hours apart."""
    host, guest = stage.ship_factory.launch("tanker"), stage.ship_factory.launch("small_tanker", DPRK_ROLE)
    trips = int(stage.rng.integers(2, 4))
    each_s = max(1200.0, min(c.duration_s, 8 * HOUR_S) / trips)
    gap_s = stage.some_hours(1.5, 5.0)
    whole = replace(c, duration_s=trips * each_s + (trips - 1) * gap_s)
    stationary = stage.host(whole, host, stage.some_hours(0.5, 6.0) + 2400.0, 6000.0)
    right, ahead, turned = at_rest.offset_m(stage.rng, host, guest, c.distance_m)
    of, acts = ends(stage, c, guest), []
    for k in range(trips):
        from_s = whole.start_s + k * (each_s + gap_s)
        how = coming(stage, c, of)
        acts.append(at_rest.alongside(stage.rng, stationary, from_s, from_s + each_s, right, ahead, turned, how))
    actors = [goes(stage, c, host, [stationary]), goes(stage, c, guest, acts, of)]
    return laden(stage, whole, actors)


def three_hulls(stage: Stage, c: Circumstance) -> list[Actor]:
    """A hull on each side of a third; often one of some 45 m between two of 85 to 105 m.

    Source: press reports of imagery off Cho-do, see docs/zones.md.
    """
    middle = stage.ship_factory.launch("small_tanker", scale=float(stage.rng.choice([0.5, 1.0])))
    sides = [stage.ship_factory.launch("coaster", DPRK_ROLE), stage.ship_factory.launch("coaster")]
    stationary = stage.host(c, middle, stage.some_hours(0.5, 5.0) + 2400.0, 6000.0)
    actors = [goes(stage, c, middle, [stationary])]
    for side, ship in zip((1.0, -1.0), sides, strict=True):
        right, ahead, turned = at_rest.offset_m(stage.rng, middle, ship, c.distance_m)
        late_s = max(0.0, -side) * float(stage.rng.uniform(0.1, 0.25)) * c.duration_s  # one after the other
        right = side * abs(right)
        of = ends(stage, c, ship)
        from_s, until_s = c.start_s + late_s, c.end_s - late_s
        act = at_rest.alongside(stage.rng, stationary, from_s, until_s, right, ahead, turned, coming(stage, c, of))
        actors.append(goes(stage, c, ship, [act], of))
    return laden(stage, c, actors)


def satellite_only(stage: Stage, c: Circumstance) -> list[Actor]:
    """Both transponders are weak: no shore station hears them, satellites only in passes 40 to 100 minutes apart.

    Their crews leave the status at "under way", so they send every 10 s and hardly a pass misses them; of a ship that
    says it is at anchor, and sends every 3 min, two passes in three get nothing.

    Source: Harati-Mokhtari et al. 2007 (see observe.py) found the status wrong on many ships.
    """
    actors = laden(stage, c, pair(stage, c, *parties(stage)))
    return [replace(a, weak=True, statuses=((ALWAYS[0], float(UNDER_WAY)),)) for a in actors]


# -------- Transfers that go with a deception: of identity, of flag, of the course that is shown. One function a scene
# Sources as in transfers.py; "the advisory" is that on deceptive practices of May 2020.


def identity_swap(stage: Stage, c: Circumstance) -> list[Actor]:
    """During the meeting, or within hours of it, both hulls go on under each other's identity.

    Source: the advisory of May 2020: physically altering vessel identification.
    """
    actors = laden(stage, c, pair(stage, c, *parties(stage)))
    when_s = c.end_s + stage.some_hours(-0.3, 3.0)
    ships = [a.ship for a in actors]
    return [
        replace(a, emitters=(Emitter(mine, until_s=when_s), Emitter(other, from_s=when_s)))
        for a, mine, other in zip(actors, ships, ships[::-1], strict=True)
    ]


def look_alike_imo(stage: Stage, c: Circumstance) -> list[Actor]:
    """The guest broadcasts an IMO number that differs from its own by 3 for 8 in one place, check digit still right.

    Source: the registry of Panama warned of numbers painted from 3 to 8; the weights 7 to 2 of the check digit let
    that pass in the second, fourth and sixth place.
    """
    actors = laden(stage, c, pair(stage, c, *parties(stage)))
    ship = actors[1].ship
    own = with_check_digit(300_000 + int(stage.rng.integers(0, 100)) * 1000 + 300 + int(stage.rng.integers(100)))
    shown = own + 500_0  # the fourth digit: 3 becomes 8
    actors[1] = replace(actors[1], ship=replace(ship, imo=own), emitters=(Emitter(replace(ship, imo=shown)),))
    return actors


def flag_hop(stage: Stage, c: Circumstance) -> list[Actor]:
    """The guest changes flag, MMSI, name and call sign on the way to the meeting, and keeps its IMO number.

    Source: the advisory of May 2020: false flags and flag hopping.
    """
    actors = laden(stage, c, pair(stage, c, *parties(stage)))
    ship = actors[1].ship
    was = replace(stage.ship_factory.launch("small_tanker"), imo=ship.imo, kind=ship.kind, hull=ship.hull)
    when_s = c.start_s - stage.some_hours(1.5, 12.0)
    actors[1] = replace(actors[1], emitters=(Emitter(was, until_s=when_s), Emitter(ship, from_s=when_s)))
    return actors


def forged_track(stage: Stage, c: Circumstance) -> list[Actor]:
    """While the guest is at the meeting its transponder shows another course, tens of kilometres away.

    Source: the advisory of May 2020: manipulating AIS.
    """
    actors = laden(stage, c, pair(stage, c, *parties(stage)))
    ship, from_s, until_s = actors[1].ship, c.start_s - stage.some_hours(0.7, 4.0), c.end_s + stage.some_hours(0.7, 4.0)
    out_m, bearing = stage.rng.uniform(25_000, 70_000), stage.rng.uniform(0, 2 * np.pi)
    start = shift(c.place.lon, c.place.lat, out_m * np.sin(bearing), out_m * np.cos(bearing))
    way = 4.5 * (until_s - from_s) * M_PER_NM / 3600 / 4
    corners = [shift(*start, way * x, way * y) for x, y in ((0, 0), (0.8, 0.6), (0.1, 1.0), (-0.6, 0.2), (0, 0))]
    shown = voyage([(float(x), float(y)) for x, y in corners], from_s, 4.5)
    claims = (Emitter(ship, until_s=from_s), Emitter(ship, from_s, until_s, shown), Emitter(ship, from_s=until_s))
    actors[1] = replace(actors[1], emitters=claims)
    return actors


def shared_by_two(stage: Stage, c: Circumstance) -> list[Actor]:
    """The guest uses the MMSI of another hull that goes about its own business at the same time."""
    actors = laden(stage, c, pair(stage, c, *parties(stage)))
    ship = actors[1].ship
    other = replace(stage.ship_factory.launch("small_tanker"), mmsi=ship.mmsi, name=ship.name, call_sign=ship.call_sign)
    far = stage.spot(c.place, 250.0, 1500.0)
    goal = stage.spot(c.place, 250.0, 1500.0)
    return [*actors, passage(stage, other, far, goal)]
