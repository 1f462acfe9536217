"""What scenes are put together from: ships of a yard, voyages over water, a host with a guest beside it.

A scene is given a `Stage` (random numbers, a yard, when the plan ends) and a `Circumstance`, and gives actors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from stswatch.sample_ais.fleet import at_rest
from stswatch.sample_ais.fleet.at_rest import KEEPS_WAY_KN, STILL_KN, Stationary, keeping_way
from stswatch.sample_ais.fleet.motion import Course, Floats, shift, voyage
from stswatch.sample_ais.fleet.ships import (
    ALWAYS,
    AT_ANCHOR,
    EQUIPMENT,
    FISHING,
    MOORED,
    RESTRICTED,
    SEA_KN,
    SWITCHED_OFF,
    UNDER_WAY,
    Actor,
    Call,
    Quiet,
    Ship,
    ShipFactory,
)
from stswatch.sample_ais.fleet.waters import BERTH, EDGE, ROADS, Place, Spot, Waters
from stswatch.sample_ais.scenes.circumstances import HOUR_S, Circumstance

Rng = np.random.Generator
BERTHS_M, ANCHORS_M = 90.0, 250.0  # how far from the middle of a berth, of a place in the roads, ships lie
AROUND_S = 3600.0  # courses begin and end so long outside the plan


class Itinerary(NamedTuple):
    """What a ship does before or after a scene: its course, headings while it lies, statuses from when, calls."""

    course: Course | None
    headings: list[tuple[Floats, Floats]]
    statuses: list[tuple[float, float]]
    calls: tuple[Call, ...] = ()


NOTHING = Itinerary(None, [], [])


@dataclass
class Stage:
    """What a scene works with."""

    rng: Rng
    ship_factory: ShipFactory
    end_s: float
    sea: Waters
    taken: list[int] = field(default_factory=list)  # spots given so far: no two ships of a scene share one

    def speed_kn(self, ship: Ship) -> float:
        """A speed at sea for a ship."""
        return float(np.clip(SEA_KN[ship.trade] * np.exp(self.rng.normal(0, 0.1)), 5.6, 26.0))

    def spot(self, place: Place, from_km: float = 20.0, to_km: float = 900.0, countries: Sequence[str] = ()) -> Spot:
        """A berth, a place in the roads or an edge of the sea to come from or go to, nearer ones more often.

        countries: only ports of these, wherever they are.
        """
        sea = self.sea
        km = sea.km_from_spots(place)
        weight = np.where(sea.spot_on_edge, 18.0, 1.0) / (80 + km)
        if countries:
            weight = weight * np.isin(sea.spot_country, list(countries))
        weight[[k for k in self.taken if not sea.spot_on_edge[k]]] = 0.0
        inside = (km >= from_km) & (km <= to_km)
        if (weight * inside).sum() > 0:
            weight = weight * inside
        else:
            weight = np.where(weight > 0, np.exp(-(km - km[weight > 0].min()) / 50), 0.0)
        self.taken.append(int(self.rng.choice(len(km), p=weight / weight.sum())))
        return sea.spots[self.taken[-1]]

    def host(
        self, c: Circumstance, ship: Ship, early_s: float, late_s: float, under_way: bool | None = None
    ) -> Stationary:
        """How a host lies or goes from before to after the circumstances, by their speed and the room there is.

        Where a drift has no room it keeps slow way to and fro, or lies at anchor if it is not to be under way.
        """
        start_s, end_s, place, speed_kn = c.start_s - early_s, c.end_s + late_s, c.place, c.speed_kn
        adrift = STILL_KN <= speed_kn < KEEPS_WAY_KN
        no_room = at_rest.drift_room_m(speed_kn, end_s - start_s) > place.drift_m
        if under_way is None:
            under_way = speed_kn >= KEEPS_WAY_KN or (adrift and no_room)
        if under_way:
            goal = self.sea.goal(self.rng, place)
            return at_rest.keeping_way(self.rng, place.lon, place.lat, goal, start_s, end_s, speed_kn)
        if adrift and not no_room:
            return at_rest.drifting(self.rng, place.lon, place.lat, start_s, end_s, speed_kn, place.drift_m)
        return at_rest.at_anchor(self.rng, place.lon, place.lat, start_s, end_s, ship.kind.length_m)

    def actor(
        self,
        ship: Ship,
        place: Place,
        acts: Sequence[Stationary],
        origin: Spot,
        goal: Spot,
        status: int = UNDER_WAY,
        role: str = "party",
    ) -> Actor:
        """A ship that comes from a spot, does its acts one after another at a place, and goes to another spot."""
        sea, speed_kn = self.sea, self.speed_kn(ship)
        first, last = _end(acts[0], 0, place), _end(acts[-1], -1, place)
        there = voyage(apart(sea.way(self.rng, origin, first)), 0.0, speed_kn)
        begin_s = float(acts[0].course.time_s[0])
        there = Course(there.time_s - there.time_s[-1] + begin_s, there.lon, there.lat)
        onward = voyage(apart(sea.way(self.rng, last, goal)), float(acts[-1].course.time_s[-1]), speed_kn)
        leaves_s, arrives_s = float(there.time_s[0]), float(onward.time_s[-1])
        course, headings = there, [(a.time_s, a.heading_deg) for a in acts]
        for act in acts:
            course = course.then(act.course)
        course = course.then(onward)
        statuses = [(ALWAYS[0], float(UNDER_WAY))]
        before = self.until(ship, origin, leaves_s) if leaves_s > 0 else NOTHING
        if leaves_s > 0:
            statuses = before.statuses
        statuses.append((leaves_s, float(UNDER_WAY)))
        for act in acts:
            statuses += [(float(act.time_s[0]), float(status)), (float(act.time_s[-1]), float(UNDER_WAY))]
        after = self.since(ship, goal, arrives_s) if arrives_s < self.end_s else NOTHING
        course = before.course.then(course) if before.course else course
        course = course.then(after.course) if after.course else course
        headings, statuses = [*headings, *before.headings, *after.headings], [*statuses, *after.statuses]
        spans = tuple((float(act.course.time_s[0]), float(act.course.time_s[-1])) for act in acts)
        return Actor(
            ship,
            course,
            statuses=tuple(sorted(statuses)),
            headings=tuple(headings),
            acts=spans,
            role=role,
            calls=(*before.calls, *after.calls),
        )

    def until(self, ship: Ship, spot: Spot, until_s: float) -> Itinerary:
        """What a ship does from before the plan until it leaves a spot: it lies there."""
        return self._lies(self.stationary(ship, spot, -AROUND_S, until_s), spot, ALWAYS[0])

    def since(self, ship: Ship, spot: Spot, from_s: float) -> Itinerary:
        """What a ship does from when it comes to a spot until after the plan: it lies there."""
        return self._lies(self.stationary(ship, spot, from_s, self.end_s + AROUND_S), spot, from_s)

    def _lies(self, stationary: Stationary | None, spot: Spot, from_s: float) -> Itinerary:
        statuses = [(from_s, float(_status_at(spot)))]
        if stationary is None:
            return Itinerary(None, [], statuses)
        return Itinerary(stationary.course, [(stationary.time_s, stationary.heading_deg)], statuses)

    def stationary(self, ship: Ship, spot: Spot, start_s: float, end_s: float) -> Stationary | None:
        """How a ship lies at a berth or in the roads; None beyond the edge of the sea."""
        if spot.kind == EDGE or end_s - start_s < 60:
            return None
        apart_m = BERTHS_M if spot.kind == BERTH else ANCHORS_M  # seldom two at one bollard, never at one anchor
        lon, lat = (float(x) for x in shift(*spot.place, *self.rng.uniform(-apart_m, apart_m, 2)))
        if spot.kind == BERTH:
            return at_rest.moored(lon, lat, start_s, end_s, float(self.rng.uniform(0, 360)))
        found = at_rest.at_anchor(self.rng, lon, lat, start_s, end_s, ship.kind.length_m)
        back = found.course  # the anchor is placed so that the hull lies there when it comes or leaves
        k = -1 if start_s < 0 else 0
        return found._replace(course=Course(back.time_s, back.lon - back.lon[k] + lon, back.lat - back.lat[k] + lat))

    def launch(self, *kinds: str) -> Ship:
        """A new ship of one of some kinds, under any flag but that in the role of the DPRK."""
        return self.ship_factory.launch(str(self.rng.choice(list(kinds))))

    def some_hours(self, least: float, most: float) -> float:
        """Seconds of some hours."""
        return float(self.rng.uniform(least, most)) * HOUR_S

    def silent(self, actor: Actor, c: Circumstance, share: float, cause: str = SWITCHED_OFF) -> Actor:
        """The actor, with a chance of silence that begins right after the circumstances or ends right before them."""
        if self.rng.random() >= share:
            return actor
        hours, off_s = self.some_hours(2.3, 14.0), float(self.rng.uniform(120, 1500))
        if self.rng.random() < 0.6:
            return actor.quiet(Quiet(c.end_s + off_s, c.end_s + off_s + hours, cause))
        return actor.quiet(Quiet(c.start_s - off_s - hours, c.start_s - off_s, cause))

    def loads(self, actor: Actor, c: Circumstance, by: float, chance: float = 0.6) -> Actor:
        """The actor with a draught that changes by a share of itself, if its crew says so (share `told`) soon after."""
        now = actor.ship.kind.draught_m
        if self.rng.random() >= chance:
            return actor
        then = round(now * (1 + by * float(self.rng.uniform(0.4, 1.0))), 1)
        when_s = c.end_s + self.some_hours(-0.5, 5.0)
        return replace(actor, draughts=((ALWAYS[0], now), (when_s, max(0.5, then))))


def _end(act: Stationary, k: int, place: Place) -> Place:
    return replace(place, lon=float(act.course.lon[k]), lat=float(act.course.lat[k]))


def apart(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points without repetitions, at least two: a voyage needs a way."""
    out = [points[0]]
    for point in points[1:]:
        if abs(point[0] - out[-1][0]) + abs(point[1] - out[-1][1]) > 1e-6:
            out.append(point)
    return out if len(out) > 1 else [out[0], (out[0][0], out[0][1] + 1e-5)]


def _status_at(spot: Spot) -> int:
    return {BERTH: MOORED, EDGE: UNDER_WAY}.get(spot.kind, AT_ANCHOR)


def status_of(stationary_kn: float, ship: Ship) -> int:
    """The status a crew sets for a slow meeting: at anchor, restricted, fishing or under way."""
    if ship.trade in ("trawler", "fisher"):
        return FISHING
    if stationary_kn < STILL_KN:
        return AT_ANCHOR
    return RESTRICTED if ship.trade in ("tug", "dredger", "research") else UNDER_WAY


# ----------------------------------------------------------------------------------------------------------------
# Ships that meet nobody on purpose: through traffic, port calls, ships that lie for days, ferries, fishing boats

# What the ships of the background do, by share, and which kinds do it: an estimate for a coast with ports and fishing.
TRADES = (
    ("call", 0.40, ("container", "bulker", "coaster", "tanker", "small_tanker", "tanker_large", "reefer")),
    ("through", 0.22, ("container", "bulker", "tanker_large", "tanker", "coaster")),
    ("lies", 0.13, ("bulker", "coaster", "tanker", "small_tanker")),
    ("ferry", 0.06, ("ferry",)),
    ("fishes", 0.19, ("trawler", "fisher")),
)


def background(stage: Stage) -> Actor:
    """One ship of the background."""
    k = int(stage.rng.choice(len(TRADES), p=[t[1] for t in TRADES]))
    does, _, kinds = TRADES[k]
    ship = stage.launch(*kinds)
    actor = {"call": _call, "through": _through, "lies": _lies, "ferry": _ferry, "fishes": _fishes}[does](stage, ship)
    if stage.rng.random() < 0.05:
        off_s = float(stage.rng.uniform(0, stage.end_s))
        actor = actor.quiet(Quiet(off_s, off_s + stage.some_hours(1.0, 9.0), EQUIPMENT))
    return actor


def passage(stage: Stage, ship: Ship, start: Spot, goal: Spot, leaves_s: float | None = None) -> Actor:
    """From one spot to another at sea speed, lying before and after; leaves at some time, before the plan perhaps."""
    sea, speed_kn = stage.sea, stage.speed_kn(ship)
    course = voyage(apart(sea.way(stage.rng, start, goal)), 0.0, speed_kn)
    takes_s = float(course.time_s[-1])
    if leaves_s is None:
        leaves_s = float(stage.rng.uniform(-0.7 * takes_s, stage.end_s))
    course = Course(course.time_s + leaves_s, course.lon, course.lat)
    arrives_s = leaves_s + takes_s
    before = stage.until(ship, start, leaves_s) if leaves_s > 0 else Itinerary(None, [], [(ALWAYS[0], 0.0)])
    after = stage.since(ship, goal, arrives_s) if arrives_s < stage.end_s else NOTHING
    course = before.course.then(course) if before.course else course
    course = course.then(after.course) if after.course else course
    statuses = (*before.statuses, (leaves_s, float(UNDER_WAY)), *after.statuses)
    headings, calls = (*before.headings, *after.headings), (*before.calls, *after.calls)
    actor = Actor(ship, course, statuses=statuses, headings=headings, calls=calls)
    return _draught_in_port(stage, actor, goal, arrives_s)


def _draught_in_port(stage: Stage, actor: Actor, goal: Spot, arrives_s: float) -> Actor:
    """A ship at a berth loads or discharges: its draught changes some hours after it came."""
    now = actor.ship.kind.draught_m
    then = round(now * float(stage.rng.uniform(0.6, 1.2)), 1)
    draughts = ((ALWAYS[0], now), (arrives_s + stage.some_hours(6, 30), then))
    return replace(actor, draughts=draughts) if goal.kind == BERTH else actor


def _spots(stage: Stage, kinds: tuple[str, ...], trade: float = 0.06) -> list[Spot]:
    """Two spots of some kinds; those in ports of the DPRK trade seldom."""
    sea = stage.sea
    all_spots = [s for s in sea.spots if s.kind in kinds]
    weight = np.array([(trade if s.port in sea.trade else 1.0) * (10.0 if s.kind == EDGE else 1.0) for s in all_spots])
    pick = stage.rng.choice(len(all_spots), 2, replace=False, p=weight / weight.sum())
    return [all_spots[int(k)] for k in pick]


def _call(stage: Stage, ship: Ship) -> Actor:
    start, goal = _spots(stage, (BERTH, ROADS, EDGE))
    return passage(stage, ship, start, goal)


def _through(stage: Stage, ship: Ship) -> Actor:
    start, goal = _spots(stage, (EDGE,))
    return passage(stage, ship, start, goal)


def _lies(stage: Stage, ship: Ship) -> Actor:
    start, goal = _spots(stage, (BERTH, ROADS))
    return passage(stage, ship, start, goal, float(stage.rng.uniform(0.6, 1.6)) * stage.end_s)


def _ferry(stage: Stage, ship: Ship) -> Actor:
    """To and fro between two berths, some hours in each, without end."""
    start = _spots(stage, (BERTH,), 0.02)[0]
    goal = stage.spot(_place(start), 40.0, 420.0)
    if goal.kind == EDGE or goal.port == start.port:  # no other port is so near
        return _call(stage, ship)
    sea, speed_kn = stage.sea, stage.speed_kn(ship)
    time_s, course, headings, statuses = -stage.some_hours(0, 20), None, [], [(ALWAYS[0], float(MOORED))]
    ends = (start, goal)
    leg = 0
    while time_s < stage.end_s:
        stationary = stage.stationary(
            ship, replace(ends[leg % 2], kind=BERTH), time_s, time_s + stage.some_hours(1.5, 6.0)
        )
        assert stationary is not None
        course = stationary.course if course is None else course.then(stationary.course)
        headings.append((stationary.time_s, stationary.heading_deg))
        leaves_s = float(stationary.course.time_s[-1])
        way = voyage(sea.way(stage.rng, ends[leg % 2], ends[(leg + 1) % 2]), leaves_s, speed_kn)
        course, time_s = course.then(way), float(way.time_s[-1])
        statuses += [(leaves_s, float(UNDER_WAY)), (time_s, float(MOORED))]
        leg += 1
    assert course is not None
    return Actor(ship, course, statuses=tuple(statuses), headings=tuple(headings))


def _fishes(stage: Stage, ship: Ship) -> Actor:
    """Out from a port to a ground, to and fro there at 2 to 4 kn, and back; some fall silent on the ground."""
    sea = stage.sea
    zones = [z for z in sea.zones.values() if z]
    places = zones[int(stage.rng.integers(len(zones)))]
    ground = places[int(stage.rng.integers(len(places)))]
    base = stage.spot(ground, 5.0, 400.0)
    goal = sea.goal(stage.rng, ground)
    start_s = float(stage.rng.uniform(-0.6, 0.9)) * stage.end_s
    end_s = start_s + stage.some_hours(20, 140)
    work = keeping_way(stage.rng, ground.lon, ground.lat, goal, start_s, end_s, float(stage.rng.uniform(2.0, 4.2)))
    actor = stage.actor(ship, ground, [work], base, base, FISHING, "traffic")
    if stage.rng.random() < 0.25:
        off_s = float(stage.rng.uniform(max(0, start_s), max(1.0, min(stage.end_s, end_s))))
        actor = actor.quiet(Quiet(off_s, off_s + stage.some_hours(2.3, 20.0), SWITCHED_OFF))
    return actor


def _place(spot: Spot) -> Place:
    return Place(*spot.place, 1.0, spot.node, "", "")
