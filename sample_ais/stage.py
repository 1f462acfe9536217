"""What scenes are put together from: ships of a yard, voyages over water, a host with a guest beside it.

A scene is given a `Stage` (random numbers, a yard, when the plan ends) and a `Circumstance`, and gives actors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from stswatch.sample_ais import lying
from stswatch.sample_ais.cast import (
    ALWAYS,
    AT_ANCHOR,
    FISHING,
    MOORED,
    RESTRICTED,
    SWITCHED_OFF,
    UNDER_WAY,
    Actor,
    Quiet,
)
from stswatch.sample_ais.circumstances import HOUR_S, Circumstance
from stswatch.sample_ais.lying import KEEPS_WAY_KN, STILL_KN, Lying
from stswatch.sample_ais.motion import Course, shift, voyage
from stswatch.sample_ais.ships import Ship
from stswatch.sample_ais.waters import BERTH, EDGE, Place, Spot, Waters
from stswatch.sample_ais.yard import SEA_KN, Yard

Rng = np.random.Generator
BERTHS_M, ANCHORS_M = 90.0, 250.0  # how far from the middle of a berth, of a place in the roads, ships lie
AROUND_S = 3600.0  # courses begin and end so long outside the plan


@dataclass
class Stage:
    """What a scene works with."""

    rng: Rng
    yard: Yard
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

    def host(self, c: Circumstance, ship: Ship, early_s: float, late_s: float, under_way: bool | None = None) -> Lying:
        """How a host lies or goes from before to after the circumstances, by their speed and the room there is.

        Where a drift has no room it keeps slow way to and fro, or lies at anchor if it is not to be under way.
        """
        start_s, end_s, place, speed_kn = c.start_s - early_s, c.end_s + late_s, c.place, c.speed_kn
        adrift = STILL_KN <= speed_kn < KEEPS_WAY_KN
        no_room = lying.drift_room_m(speed_kn, end_s - start_s) > place.drift_m
        if under_way is None:
            under_way = speed_kn >= KEEPS_WAY_KN or (adrift and no_room)
        if under_way:
            goal = self.sea.goal(self.rng, place)
            return lying.keeping_way(self.rng, place.lon, place.lat, goal, start_s, end_s, speed_kn)
        if adrift and not no_room:
            return lying.drifting(self.rng, place.lon, place.lat, start_s, end_s, speed_kn, place.drift_m)
        return lying.at_anchor(self.rng, place.lon, place.lat, start_s, end_s, ship.kind.length_m)

    def actor(
        self,
        ship: Ship,
        place: Place,
        acts: Sequence[Lying],
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
        if leaves_s > 0:
            waits = self.lying(ship, origin, -AROUND_S, leaves_s)
            course = waits.course.then(course) if waits else course
            headings += [(waits.time_s, waits.heading_deg)] if waits else []
            statuses = [(ALWAYS[0], float(_status_at(origin)))]
        statuses.append((leaves_s, float(UNDER_WAY)))
        for act in acts:
            statuses += [(float(act.time_s[0]), float(status)), (float(act.time_s[-1]), float(UNDER_WAY))]
        if arrives_s < self.end_s:
            waits = self.lying(ship, goal, arrives_s, self.end_s + AROUND_S)
            course = course.then(waits.course) if waits else course
            headings += [(waits.time_s, waits.heading_deg)] if waits else []
            statuses.append((arrives_s, float(_status_at(goal))))
        told = tuple((float(act.course.time_s[0]), float(act.course.time_s[-1])) for act in acts)
        return Actor(ship, course, statuses=tuple(sorted(statuses)), headings=tuple(headings), acts=told, role=role)

    def lying(self, ship: Ship, spot: Spot, start_s: float, end_s: float) -> Lying | None:
        """How a ship lies at a berth or in the roads; None beyond the edge of the sea."""
        if spot.kind == EDGE or end_s - start_s < 60:
            return None
        apart_m = BERTHS_M if spot.kind == BERTH else ANCHORS_M  # seldom two at one bollard, never at one anchor
        lon, lat = (float(x) for x in shift(*spot.place, *self.rng.uniform(-apart_m, apart_m, 2)))
        if spot.kind == BERTH:
            return lying.moored(lon, lat, start_s, end_s, float(self.rng.uniform(0, 360)))
        found = lying.at_anchor(self.rng, lon, lat, start_s, end_s, ship.kind.length_m)
        back = found.course  # the anchor is placed so that the hull lies there when it comes or leaves
        k = -1 if start_s < 0 else 0
        return found._replace(course=Course(back.time_s, back.lon - back.lon[k] + lon, back.lat - back.lat[k] + lat))

    def launch(self, *kinds: str) -> Ship:
        """A new ship of one of some kinds, under any flag but that in the role of the DPRK."""
        return self.yard.launch(str(self.rng.choice(list(kinds))))

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

    def loads(self, actor: Actor, c: Circumstance, by: float, told: float = 0.6) -> Actor:
        """The actor with a draught that changes by a share of itself, if its crew says so (share `told`) soon after."""
        now = actor.ship.kind.draught_m
        if self.rng.random() >= told:
            return actor
        then = round(now * (1 + by * float(self.rng.uniform(0.4, 1.0))), 1)
        when_s = c.end_s + self.some_hours(-0.5, 5.0)
        return replace(actor, draughts=((ALWAYS[0], now), (when_s, max(0.5, then))))


def _end(act: Lying, k: int, place: Place) -> Place:
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


def status_of(lying_kn: float, ship: Ship) -> int:
    """The status a crew sets for a slow meeting: at anchor, restricted, fishing or under way."""
    if ship.trade in ("trawler", "fisher"):
        return FISHING
    if lying_kn < STILL_KN:
        return AT_ANCHOR
    return RESTRICTED if ship.trade in ("tug", "dredger", "research") else UNDER_WAY
