"""What is lawful and looks like a transfer, one function a scene: the hard negatives.

Each is given circumstances drawn as those of transfers are. What tells them apart is who takes part, how the two move
against each other, where they come from and go to; and that overlaps. List: DOMAIN.md. Sources stand where there is
one; the rest are choices of this project.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stswatch.sample_ais import beside
from stswatch.sample_ais.beside import Lying
from stswatch.sample_ais.cast import EQUIPMENT, FISHING, RESTRICTED, UNDER_WAY, Actor, Quiet
from stswatch.sample_ais.circumstances import HOUR_S, Circumstance
from stswatch.sample_ais.motion import Course, shift
from stswatch.sample_ais.passages import passage
from stswatch.sample_ais.ships import Ship
from stswatch.sample_ais.stage import Stage, status_of
from stswatch.sample_ais.transfers import pair

SILENT_BESIDE = 0.10  # of each party: equipment, or a hole in reception of no meaning


def _kinds(stage: Stage, *kinds: str) -> list[tuple[str, Ship]]:
    return [(kind, stage.yard.launch(kind)) for kind in kinds]


def _one(stage: Stage, kinds: Sequence[str]) -> str:
    return str(stage.rng.choice(list(kinds)))


def _done(stage: Stage, c: Circumstance, actors: Sequence[Actor]) -> list[Actor]:
    return [stage.silent(a, c, SILENT_BESIDE, EQUIPMENT) for a in actors]


def bunkering(stage: Stage, c: Circumstance) -> list[Actor]:
    """A bunker tanker delivers fuel to a ship that waits for it, near a port or off it."""
    host, guest = _kinds(stage, _one(stage, ("bulker", "container", "tanker", "coaster", "reefer")), "bunker")
    actors = pair(stage, c, host, guest, waits_h=(0.5, 12.0))
    return _done(stage, c, [actors[0], stage.loads(actors[1], c, -0.2, 0.3)])


def lightering(stage: Stage, c: Circumstance) -> list[Actor]:
    """A laden tanker or bulker too deep for the port gives part of its cargo to a smaller one.

    Source: the lightering of 2023-08-01 in the Gulf of Mexico (NOAA): 710 minutes, 65 m apart, see docs/simulator.md.
    """
    kinds = ("tanker_large", "tanker") if stage.rng.random() < 0.6 else ("bulker", "coaster")
    actors = pair(stage, c, *_kinds(stage, *kinds), waits_h=(0.5, 12.0))
    return _done(stage, c, [stage.loads(actors[0], c, -0.25, 0.6), stage.loads(actors[1], c, 0.3, 0.6)])


def supply_at_sea(stage: Stage, c: Circumstance) -> list[Actor]:
    """A lawful supply from hull to hull at sea: fuel and stores to fishing vessels, catch to a reefer, cargo to a coaster.

    Source: Miller et al. 2018, Frontiers in Marine Science 5:240, to whose 11,681 meetings the shapes are fitted.
    """
    pairs = (("reefer", "fisher"), ("small_tanker", "fisher"), ("tanker", "small_tanker"), ("coaster", "coaster"))
    kinds = pairs[int(stage.rng.choice(len(pairs), p=[0.4, 0.2, 0.2, 0.2]))]
    actors = pair(stage, c, *_kinds(stage, *kinds))
    return _done(stage, c, [stage.loads(actors[0], c, 0.15, 0.4), stage.loads(actors[1], c, -0.15, 0.4)])


def pilot(stage: Stage, c: Circumstance) -> list[Actor]:
    """A boat keeps beside a ship while a pilot boards or waits to."""
    kinds = _one(stage, ("bulker", "container", "tanker", "coaster")), "pilot"
    return _done(stage, c, pair(stage, c, *_kinds(stage, *kinds), waits_h=(0.1, 1.0)))


def tug(stage: Stage, c: Circumstance) -> list[Actor]:
    """A tug makes fast to a ship, to hold it, turn it or bring it on."""
    kinds = _one(stage, ("bulker", "tanker", "container", "small_tanker")), "tug"
    return _done(stage, c, pair(stage, c, *_kinds(stage, *kinds), waits_h=(0.2, 3.0)))


def tow(stage: Stage, c: Circumstance) -> list[Actor]:
    """A tug with a barge, alongside it or on a short wire astern: one always where the other just was."""
    (_, lead), (_, barge) = _kinds(stage, "tug", "barge")
    lying = stage.host(c, lead, 3600.0, 3600.0)
    right, ahead, _ = beside.offset_m(stage.rng, lead, barge, c.distance_m)
    if c.distance_m > 55:
        right, ahead = 0.0, -c.distance_m
    act = beside.alongside(stage.rng, lying, c.start_s, c.end_s, right, ahead, from_m=1200.0)
    spots = [stage.spot(c.place, 5.0, 500.0) for _ in range(3)]
    return _done(
        stage,
        c,
        [
            stage.actor(lead, "tug", c.place, [lying], spots[0], spots[1], RESTRICTED),
            stage.actor(barge, "barge", c.place, [act], spots[2], spots[1], UNDER_WAY),
        ],
    )


def crew_boat(stage: Stage, c: Circumstance) -> list[Actor]:
    """A launch brings people and stores to a ship and waits beside it."""
    kinds = _one(stage, ("bulker", "tanker", "dredger", "research", "container")), "crew_boat"
    return _done(stage, c, pair(stage, c, *_kinds(stage, *kinds), waits_h=(0.3, 10.0)))


def pair_trawl(stage: Stage, c: Circumstance) -> list[Actor]:
    """Two trawlers draw one net between them, and lie side by side to haul it."""
    (_, one), (_, two) = _kinds(stage, "trawler", "trawler")
    lying = stage.host(c, one, 3 * HOUR_S, 3 * HOUR_S, under_way=c.speed_kn > 1.0)
    side = float(stage.rng.choice([-1.0, 1.0]))
    act = beside.alongside(stage.rng, lying, c.start_s, c.end_s, side * c.distance_m, 0.0, from_m=2000.0)
    base = stage.spot(c.place, 5.0, 500.0)
    return _done(
        stage,
        c,
        [stage.actor(ship, "trawler", c.place, [how], base, base, FISHING) for ship, how in ((one, lying), (two, act))],
    )


def anchorage_neighbours(stage: Stage, c: Circumstance) -> list[Actor]:
    """Ships at anchor beside each other wait for orders, weather or a tide, and swing as one."""
    count = int(stage.rng.choice([2, 3], p=[0.75, 0.25]))
    kinds = [_one(stage, ("bulker", "coaster", "tanker", "small_tanker", "fisher")) for _ in range(count)]
    return _done(stage, c, _rafted(stage, c, kinds))


def port_queue(stage: Stage, c: Circumstance) -> list[Actor]:
    """Ships wait their turn off a port, slowly adrift or at anchor, one as near to the next as there is room."""
    return _done(stage, c, _rafted(stage, c, [_one(stage, ("bulker", "container", "tanker", "coaster"))] * 2))


def _rafted(stage: Stage, c: Circumstance, kinds: Sequence[str]) -> list[Actor]:
    """Ships that lie at a distance under the same wind and tide, each for a time of its own about the circumstances."""
    ships = _kinds(stage, *kinds)
    early_s, late_s = stage.some_hours(0.5, 12.0), stage.some_hours(0.5, 12.0)
    under_way = False if c.speed_kn < beside.KEEPS_WAY_KN else None
    lying = stage.host(c, ships[0][1], early_s, late_s, under_way)
    actors = []
    for k, (kind, ship) in enumerate(ships):
        away_m, bearing = c.distance_m * ((k + 1) // 2) * (1 if k % 2 else -1), stage.rng.uniform(0, 2 * np.pi)
        act = lying if k == 0 else _shifted(lying, c, away_m * np.sin(bearing), away_m * np.cos(bearing))
        spots = stage.spot(c.place), stage.spot(c.place, 10.0, 400.0)
        actors.append(stage.actor(ship, kind, c.place, [act], *spots, status_of(c.speed_kn, kind)))
    return actors


def _shifted(lying: Lying, c: Circumstance, east_m: float, north_m: float) -> Lying:
    """The same swing some metres off, only while the circumstances last."""
    inside = (lying.time_s > c.start_s) & (lying.time_s < c.end_s)
    time_s = np.r_[c.start_s, lying.time_s[inside], c.end_s]
    lon, lat = shift(*lying.course.at(time_s), east_m, north_m)
    return Lying(Course(time_s, lon, lat), time_s, np.interp(time_s, lying.time_s, lying.heading_deg))


def ferry_transfer(stage: Stage, c: Circumstance) -> list[Actor]:
    """A ferry or coaster waits off its berth with a harbour craft beside it."""
    kinds = _one(stage, ("ferry", "coaster")), _one(stage, ("tug", "crew_boat", "pilot"))
    return _done(stage, c, pair(stage, c, *_kinds(stage, *kinds), waits_h=(0.2, 2.0)))


def dredging(stage: Stage, c: Circumstance) -> list[Actor]:
    """A dredger fills a hopper beside it: sand at Haeju, spoil in the approaches of ports."""
    actors = pair(stage, c, *_kinds(stage, "dredger", "hopper"), waits_h=(0.5, 20.0))
    return _done(stage, c, [actors[0], stage.loads(actors[1], c, 0.5, 0.5)])


def boarding(stage: Stage, c: Circumstance) -> list[Actor]:
    """A patrol vessel stops beside another to inspect it."""
    kinds = _one(stage, ("fisher", "coaster", "small_tanker", "bulker")), "patrol"
    return _done(stage, c, pair(stage, c, *_kinds(stage, *kinds), waits_h=(0.1, 3.0)))


def research(stage: Stage, c: Circumstance) -> list[Actor]:
    """A research vessel works on station with its launch or a supply vessel beside it."""
    kinds = "research", _one(stage, ("launch", "supply"))
    return _done(stage, c, pair(stage, c, *_kinds(stage, *kinds), waits_h=(0.5, 12.0)))


def reception_hole(stage: Stage, c: Circumstance) -> list[Actor]:
    """A lawful supply, of which one party's transponder is weak or broken for hours that begin or end beside it."""
    actors = pair(
        stage, c, *_kinds(stage, _one(stage, ("tanker", "reefer", "bulker")), _one(stage, ("coaster", "fisher")))
    )
    who = int(stage.rng.integers(2))
    hours = stage.some_hours(2.3, 12.0)
    edge_s = c.end_s - stage.some_hours(-0.4, 0.4) if stage.rng.random() < 0.5 else c.start_s - hours
    actors[who] = actors[who].quiet(Quiet(edge_s, edge_s + hours, EQUIPMENT))
    return actors


def shared_mmsi(stage: Stage, c: Circumstance) -> list[Actor]:
    """Two fishing vessels of one owner with the same MMSI by mistake; one is supplied while the other fishes elsewhere.

    Source: DOMAIN.md: removing duplicate MMSI first cuts alarms most (arXiv 2603.11055).
    """
    actors = _done(stage, c, pair(stage, c, *_kinds(stage, "reefer", "fisher")))
    ship = actors[1].ship
    twin = replace(stage.yard.launch("fisher"), mmsi=ship.mmsi, name=ship.name, call_sign=ship.call_sign)
    far = stage.spot(c.place, 200.0, 1200.0)
    return [*actors, passage(stage, "fisher", twin, far, stage.spot(c.place, 200.0, 1200.0))]
