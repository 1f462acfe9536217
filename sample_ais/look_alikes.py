"""What is lawful and looks like a transfer, one function a scene: the hard negatives.

Each is given circumstances drawn as those of transfers are. What tells them apart is who takes part, how the two move
against each other, where they come from and go to; and that overlaps. A docstring names a source where there is one;
the rest are choices of this project.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stswatch.sample_ais import beside
from stswatch.sample_ais.cast import EQUIPMENT, FISHING, RESTRICTED, UNDER_WAY, Actor, Quiet
from stswatch.sample_ais.circumstances import HOUR_S, Circumstance
from stswatch.sample_ais.lying import KEEPS_WAY_KN, Lying
from stswatch.sample_ais.motion import Course, shift
from stswatch.sample_ais.passages import passage
from stswatch.sample_ais.ships import Ship
from stswatch.sample_ais.stage import Stage, status_of
from stswatch.sample_ais.transfers import coming, pair

SILENT_BESIDE = 0.07  # of each party: equipment, or a switch for reasons of no concern here
CARGO = ("bulker", "container", "tanker", "coaster", "reefer")


def _done(stage: Stage, c: Circumstance, actors: Sequence[Actor]) -> list[Actor]:
    return [stage.silent(a, c, SILENT_BESIDE, EQUIPMENT) for a in actors]


def bunkering(stage: Stage, c: Circumstance) -> list[Actor]:
    """A bunker tanker delivers fuel to a ship that waits for it, near a port or off it."""
    actors = pair(stage, c, stage.launch(*CARGO), stage.launch("bunker"), waits_h=(0.5, 12.0))
    return _done(stage, c, [actors[0], stage.loads(actors[1], c, -0.2, 0.3)])


def lightering(stage: Stage, c: Circumstance) -> list[Actor]:
    """A laden tanker or bulker too deep for the port gives part of its cargo to a smaller one.

    Source: the lightering of 2023-08-01 in the Gulf of Mexico (NOAA): 710 minutes, 65 m apart, see docs/simulator.md.
    """
    large, small = ("tanker_large", "tanker") if stage.rng.random() < 0.6 else ("bulker", "coaster")
    actors = pair(stage, c, stage.launch(large), stage.launch(small), waits_h=(0.5, 12.0))
    return _done(stage, c, [stage.loads(actors[0], c, -0.25, 0.6), stage.loads(actors[1], c, 0.3, 0.6)])


def supply_at_sea(stage: Stage, c: Circumstance) -> list[Actor]:
    """Lawful supply from hull to hull at sea: fuel and stores to fishing boats, catch to a reefer, cargo to a coaster.

    Source: Miller et al. 2018, Frontiers in Marine Science 5:240, to whose 11,681 meetings the shapes are fitted.
    """
    pairs = (("reefer", "fisher"), ("small_tanker", "fisher"), ("tanker", "small_tanker"), ("coaster", "coaster"))
    host, guest = pairs[int(stage.rng.choice(len(pairs), p=[0.4, 0.2, 0.2, 0.2]))]
    actors = pair(stage, c, stage.launch(host), stage.launch(guest))
    return _done(stage, c, [stage.loads(actors[0], c, 0.15, 0.4), stage.loads(actors[1], c, -0.15, 0.4)])


def pilot(stage: Stage, c: Circumstance) -> list[Actor]:
    """A boat keeps beside a ship while a pilot boards or waits to."""
    return _done(stage, c, pair(stage, c, stage.launch(*CARGO), stage.launch("pilot"), waits_h=(0.1, 1.0)))


def tug(stage: Stage, c: Circumstance) -> list[Actor]:
    """A tug makes fast to a ship, to hold it, turn it or bring it on."""
    host = stage.launch("bulker", "tanker", "container", "small_tanker")
    return _done(stage, c, pair(stage, c, host, stage.launch("tug"), waits_h=(0.2, 3.0)))


def tow(stage: Stage, c: Circumstance) -> list[Actor]:
    """A tug with a barge, alongside it or on a wire astern: one always where the other just was."""
    lead, barge = stage.launch("tug"), stage.launch("barge")
    lying = stage.host(c, lead, 3600.0, 3600.0)
    right, ahead, _ = beside.offset_m(stage.rng, lead, barge, c.distance_m)
    if c.distance_m > 55:
        right, ahead = 0.0, -c.distance_m
    goal = stage.spot(c.place, 5.0, 500.0)
    whence = [stage.spot(c.place, 5.0, 500.0) for _ in range(2)]
    how = coming(stage, c, (whence[1], goal), 1200.0)
    act = beside.alongside(stage.rng, lying, c.start_s, c.end_s, right, ahead, coming=how)
    first = stage.actor(lead, c.place, [lying], whence[0], goal, RESTRICTED)
    return _done(stage, c, [first, stage.actor(barge, c.place, [act], whence[1], goal, UNDER_WAY)])


def crew_boat(stage: Stage, c: Circumstance) -> list[Actor]:
    """A launch brings people and stores to a ship and waits beside it."""
    host = stage.launch(*CARGO, "dredger", "research")
    return _done(stage, c, pair(stage, c, host, stage.launch("crew_boat"), waits_h=(0.3, 10.0)))


def pair_trawl(stage: Stage, c: Circumstance) -> list[Actor]:
    """Two trawlers draw one net between them, and lie side by side to haul it."""
    one, two = stage.launch("trawler"), stage.launch("trawler")
    lying = stage.host(c, one, 3 * HOUR_S, 3 * HOUR_S, under_way=True)
    right_m = float(stage.rng.choice([-1.0, 1.0])) * c.distance_m
    base = stage.spot(c.place, 5.0, 500.0)
    how = coming(stage, c, (base, base), 2000.0)
    act = beside.alongside(stage.rng, lying, c.start_s, c.end_s, right_m, 0.0, coming=how)
    courses = ((one, lying), (two, act))
    return _done(stage, c, [stage.actor(ship, c.place, [course], base, base, FISHING) for ship, course in courses])


def anchorage_neighbours(stage: Stage, c: Circumstance) -> list[Actor]:
    """Ships at anchor beside each other wait for orders, weather or a tide, and swing as one."""
    count = int(stage.rng.choice([2, 3, 4], p=[0.4, 0.35, 0.25]))
    return _done(stage, c, _beside_each_other(stage, c, [stage.launch(*CARGO, "small_tanker") for _ in range(count)]))


def port_queue(stage: Stage, c: Circumstance) -> list[Actor]:
    """Ships wait their turn off a port, slowly adrift or at anchor, one as near to the next as there is room."""
    return _done(stage, c, _beside_each_other(stage, c, [stage.launch(*CARGO) for _ in range(2)]))


def _beside_each_other(stage: Stage, c: Circumstance, ships: Sequence[Ship]) -> list[Actor]:
    """Ships in a row under the same wind and tide; the first comes before and goes after the others."""
    under_way = False if c.speed_kn < KEEPS_WAY_KN else None
    lying = stage.host(c, ships[0], stage.some_hours(0.5, 12.0), stage.some_hours(0.5, 12.0), under_way)
    actors, row = [], stage.rng.uniform(0, 2 * np.pi)
    for k, ship in enumerate(ships):
        bearing = row + stage.rng.normal(0, 0.2)
        away_m = c.distance_m * ((k + 1) // 2) * (1 if k % 2 else -1)
        act = lying if k == 0 else _shifted(lying, c, away_m * np.sin(bearing), away_m * np.cos(bearing))
        spots = stage.spot(c.place), stage.spot(c.place, 10.0, 400.0)
        actors.append(stage.actor(ship, c.place, [act], *spots, status_of(c.speed_kn, ship)))
    return actors


def _shifted(lying: Lying, c: Circumstance, east_m: float, north_m: float) -> Lying:
    """The same swing some metres off, only while the circumstances last."""
    inside = (lying.time_s > c.start_s) & (lying.time_s < c.end_s)
    time_s = np.concatenate([[c.start_s], lying.time_s[inside], [c.end_s]])
    lon, lat = shift(*lying.course.at(time_s), east_m, north_m)
    course = Course(time_s, lon, lat)
    return lying._replace(course=course, time_s=time_s, heading_deg=np.interp(time_s, lying.time_s, lying.heading_deg))


def ferry_transfer(stage: Stage, c: Circumstance) -> list[Actor]:
    """A ferry or coaster waits off its berth with a harbour craft beside it."""
    guest = stage.launch("tug", "crew_boat", "pilot")
    return _done(stage, c, pair(stage, c, stage.launch("ferry", "coaster"), guest, waits_h=(0.2, 2.0)))


def dredging(stage: Stage, c: Circumstance) -> list[Actor]:
    """A dredger fills a hopper beside it: sand at Haeju, spoil in the approaches of ports."""
    actors = pair(stage, c, stage.launch("dredger"), stage.launch("hopper"), waits_h=(0.5, 20.0))
    return _done(stage, c, [actors[0], stage.loads(actors[1], c, 0.5, 0.5)])


def boarding(stage: Stage, c: Circumstance) -> list[Actor]:
    """A patrol vessel stops beside another to inspect it."""
    host = stage.launch("fisher", "coaster", "small_tanker", "bulker")
    return _done(stage, c, pair(stage, c, host, stage.launch("patrol"), waits_h=(0.1, 3.0)))


def research(stage: Stage, c: Circumstance) -> list[Actor]:
    """A research vessel works on station with its launch or a supply vessel beside it."""
    guest = stage.launch("launch", "supply")
    return _done(stage, c, pair(stage, c, stage.launch("research"), guest, waits_h=(0.5, 12.0)))


def reception_hole(stage: Stage, c: Circumstance) -> list[Actor]:
    """A lawful supply, of which one party's transponder is weak or broken for hours that begin or end beside it."""
    actors = pair(stage, c, stage.launch("tanker", "reefer", "bulker"), stage.launch("coaster", "fisher"))
    who = int(stage.rng.integers(2))
    lasts_s = stage.some_hours(2.3, 12.0)
    edge_s = c.end_s - stage.some_hours(-0.4, 0.4) if stage.rng.random() < 0.5 else c.start_s - lasts_s
    actors[who] = actors[who].quiet(Quiet(edge_s, edge_s + lasts_s, EQUIPMENT))
    return actors


def shared_mmsi(stage: Stage, c: Circumstance) -> list[Actor]:
    """Two fishing vessels of one owner with the same MMSI by mistake; one is supplied while the other is elsewhere.

    Source: of 966 million messages, removing duplicate MMSI first cut false alarms most (arXiv 2603.11055).
    """
    actors = _done(stage, c, pair(stage, c, stage.launch("reefer"), stage.launch("fisher")))
    ship = actors[1].ship
    twin = replace(stage.launch("fisher"), mmsi=ship.mmsi, name=ship.name, call_sign=ship.call_sign)
    far, goal = stage.spot(c.place, 200.0, 1200.0), stage.spot(c.place, 200.0, 1200.0)
    return [*actors, passage(stage, twin, far, goal)]
