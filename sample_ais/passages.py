"""Ships that meet nobody on purpose: through traffic, port calls, ships that lie for days, ferries, fishing boats."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stswatch.sample_ais.cast import ALWAYS, EQUIPMENT, FISHING, MOORED, SWITCHED_OFF, UNDER_WAY, Actor, Quiet
from stswatch.sample_ais.lying import keeping_way
from stswatch.sample_ais.motion import Course, voyage
from stswatch.sample_ais.ships import Ship
from stswatch.sample_ais.stage import AROUND_S, Stage, apart
from stswatch.sample_ais.waters import BERTH, EDGE, ROADS, Place, Spot

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
    headings, statuses = [], [(ALWAYS[0], 0.0)]
    arrives_s = leaves_s + takes_s
    if leaves_s > 0 and (lying := stage.lying(ship, start, -AROUND_S, leaves_s)):
        course, headings = lying.course.then(course), [(lying.time_s, lying.heading_deg)]
        statuses = [(ALWAYS[0], float(MOORED if start.kind == BERTH else 1))]
    statuses.append((leaves_s, float(UNDER_WAY)))
    if arrives_s < stage.end_s and (lying := stage.lying(ship, goal, arrives_s, stage.end_s + AROUND_S)):
        course = course.then(lying.course)
        headings.append((lying.time_s, lying.heading_deg))
        statuses.append((arrives_s, float(MOORED if goal.kind == BERTH else 1)))
    actor = Actor(ship, course, statuses=tuple(statuses), headings=tuple(headings))
    return _draught_in_port(stage, actor, goal, arrives_s)


def _draught_in_port(stage: Stage, actor: Actor, goal: Spot, arrives_s: float) -> Actor:
    """A ship at a berth loads or discharges: its draught changes some hours after it came."""
    now = actor.ship.kind.draught_m
    then = round(now * float(stage.rng.uniform(0.6, 1.2)), 1)
    told = ((ALWAYS[0], now), (arrives_s + stage.some_hours(6, 30), then))
    return replace(actor, draughts=told) if goal.kind == BERTH else actor


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
        lying = stage.lying(ship, replace(ends[leg % 2], kind=BERTH), time_s, time_s + stage.some_hours(1.5, 6.0))
        assert lying is not None
        course = lying.course if course is None else course.then(lying.course)
        headings.append((lying.time_s, lying.heading_deg))
        leaves_s = float(lying.course.time_s[-1])
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
