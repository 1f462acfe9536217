"""Voyages of weeks: calls at ports one after another, the legs between them, and what crews enter on the way.

A `VoyageStage` gives the actors of any scene a past and a future: where they come from before it and go to after.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import NamedTuple

import numpy as np

from stswatch.geo.coordinates.sphere import MS_PER_KN, haversine_m
from stswatch.geo.reference.ports import ports
from stswatch.sample_ais import behaviour
from stswatch.sample_ais.fleet.motion import Course, Floats
from stswatch.sample_ais.fleet.ships import (
    ALWAYS,
    AT_ANCHOR,
    MOORED,
    SMALL_M,
    SWITCHED_OFF,
    UNDER_WAY,
    Actor,
    Call,
    Quiet,
    Ship,
)
from stswatch.sample_ais.fleet.waters import BERTH, EDGE, ROADS, Spot, Waters
from stswatch.sample_ais.reception.observe import ERRORS
from stswatch.sample_ais.scenes.circumstances import HOUR_S
from stswatch.sample_ais.scenes.stage import AROUND_S, NOTHING, Itinerary, Stage, apart

# ------------------------------------------------- Where a ship goes next and how long it stays: one row for each trade

SLOW_WITHIN_M = 9_000.0  # of either end of a leg
SPOT_TRIES = 40  # until another port is drawn
STATUS = {BERTH: MOORED, ROADS: AT_ANCHOR, EDGE: UNDER_WAY}
Choose = Callable[[np.random.Generator, Waters, Spot], Spot]


class Storm(NamedTuple):
    """Weather that keeps ships in port or at anchor within so many metres, seconds from the start of the plan."""

    lon: float
    lat: float
    radius_m: float
    start_s: float
    end_s: float

    def keeps(self, spot: Spot, time_s: float) -> bool:
        """Whether a ship that would leave a spot at a time stays."""
        near = float(haversine_m(*spot.place, self.lon, self.lat)) < self.radius_m
        return near and self.start_s < time_s < self.end_s


def storms(rng: np.random.Generator, sea: Waters, days: float) -> tuple[Storm, ...]:
    """The storms of a plan, in order of time."""
    known = behaviour()
    found = []
    for _ in range(rng.poisson(days / known["storm_days"].first)):
        lon, lat = sea.nodes[int(rng.integers(len(sea.nodes)))].tolist()
        start_s, lasts_s = rng.uniform(0, days * 24 * HOUR_S), known["storm_h"].one(rng) * HOUR_S
        found.append(Storm(lon, lat, 1000 * known["storm_km"].one(rng), float(start_s), float(start_s + lasts_s)))
    return tuple(sorted(found, key=lambda storm: storm.start_s))


@dataclass(frozen=True)
class Trade:
    """How ships of one trade go on: where next, how long they stay, whether they wait in the roads before."""

    choose: Choose
    stay: str  # of behaviour.csv
    waits: bool = True


def any_port(rng: np.random.Generator, sea: Waters, here: Spot) -> Spot:
    """Another port, nearer ones more often, those of the DPRK trade seldom; now and then over the edge of the sea."""
    for _ in range(SPOT_TRIES):
        spot = sea.spots[int(rng.integers(len(sea.spots)))]
        km = float(sea.km[here.node, spot.node])
        likely = (0.05 if spot.port in sea.trade else 1.0) * 300 / (300 + km)
        if spot.kind != ROADS and spot.port != here.port and rng.random() < likely:
            return spot
    return _edge(rng, sea)


def _edge(rng: np.random.Generator, sea: Waters) -> Spot:
    edges = np.flatnonzero(sea.spot_on_edge)
    return sea.spots[int(edges[rng.integers(len(edges))])]


def through(rng: np.random.Generator, sea: Waters, here: Spot) -> Spot:
    """Another edge of the sea."""
    spot = _edge(rng, sea)
    return spot if spot.port != here.port else _edge(rng, sea)


def in_turn(*groups: Sequence[str]) -> Choose:
    """A choice that goes from a port of one group to one of the next, and from the last to the first."""

    def choose(rng: np.random.Generator, sea: Waters, here: Spot) -> Spot:
        at = next((k for k, group in enumerate(groups) if here.port in group), len(groups) - 1)
        names = groups[(at + 1) % len(groups)]
        name = names[int(rng.integers(len(names)))]
        there = [s for s in sea.spots if s.port == name and s.kind == BERTH] or [s for s in sea.spots if s.port == name]
        return there[int(rng.integers(len(there)))] if there else any_port(rng, sea, here)

    return choose


def in_one_port(rng: np.random.Generator, sea: Waters, here: Spot) -> Spot:
    """From the berth to the roads of the same port, and back."""
    kind = ROADS if here.kind == BERTH else BERTH
    there = [spot for spot in sea.spots if spot.port == here.port and spot.kind == kind]
    return there[int(rng.integers(len(there)))] if there else any_port(rng, sea, here)


TRAMP = Trade(any_port, "stay_berth_h")

# ---------------------------------------------------------------------------- The calls and legs of one ship, in a row


class Stop(NamedTuple):
    """A stay at a spot, seconds, and the leg (from 0 s) that leads to the next, None after the last."""

    spot: Spot
    arrives_s: float
    leaves_s: float
    leg: Course | None


@dataclass
class VoyageStage(Stage):
    """A stage of weeks: who is not busy in a scene goes from port to port."""

    weather: tuple[Storm, ...] = ()
    trades: dict[str, Trade] = field(default_factory=dict)  # of hulls; others tramp
    waited: dict[str, list[Quiet]] = field(default_factory=dict)  # silences of hulls in storms

    def until(self, ship: Ship, spot: Spot, until_s: float) -> Itinerary:
        """Calls and legs before a time at which the ship leaves a spot."""
        trade, stops = self.trades.get(ship.hull, TRAMP), [Stop(spot, 0.0, until_s, None)]
        while True:
            last = stops[-1]
            arrives_s = last.leaves_s - self._stay_s(trade, last.spot)
            stops[-1] = last._replace(arrives_s=arrives_s)
            if arrives_s < -AROUND_S:
                return self._part(ship, stops[::-1])
            before = trade.choose(self.rng, self.sea, last.spot)
            way = self.leg(ship, before, last.spot)
            stops.append(Stop(before, 0.0, arrives_s - float(way.time_s[-1]), way))

    def since(self, ship: Ship, spot: Spot, from_s: float) -> Itinerary:
        """Calls and legs from a time on, until after the plan."""
        trade, stops = self.trades.get(ship.hull, TRAMP), []
        while from_s < self.end_s + AROUND_S:
            leaves_s = self.kept(ship, spot, from_s, from_s + self._stay_s(trade, spot))
            there = trade.choose(self.rng, self.sea, spot)
            roads = self._roads(there) if trade.waits and spot.port != there.port else None
            way = self.leg(ship, spot, roads or there)
            stops.append(Stop(spot, from_s, leaves_s, way))
            from_s, spot = leaves_s + float(way.time_s[-1]), roads or there
            if roads:
                stops.append(self._waits(ship, roads, there, from_s))
                assert stops[-1].leg is not None
                from_s, spot = stops[-1].leaves_s + float(stops[-1].leg.time_s[-1]), there
        return self._part(ship, stops)

    def leg(self, ship: Ship, start: Spot, goal: Spot) -> Course:
        """A course from one spot to another that begins at 0 s, slower near both."""
        known = behaviour()
        at = np.array(apart(self.sea.way(self.rng, start, goal)))
        legs_m = haversine_m(*at[:-1].T, *at[1:].T)
        gone_m = np.concatenate([[0.0], np.cumsum(legs_m)])
        cuts_m = np.unique(np.clip([SLOW_WITHIN_M, gone_m[-1] - SLOW_WITHIN_M], 0.0, gone_m[-1]))
        along_m = np.union1d(gone_m, cuts_m)
        lon, lat = (np.interp(along_m, gone_m, column) for column in at.T)
        middle_m = (along_m[1:] + along_m[:-1]) / 2
        slow = np.minimum(middle_m, gone_m[-1] - middle_m) < SLOW_WITHIN_M
        sigma = known["leg_speed_sigma"].first
        speed_kn = self.speed_kn(ship) * float(np.exp(self.rng.normal(0, sigma)))
        speed_ms = MS_PER_KN * speed_kn * np.where(slow, known["approach_slow"].first, 1.0)
        return Course(np.concatenate([[0.0], np.cumsum(np.diff(along_m) / speed_ms)]), lon, lat)

    def _stay_s(self, trade: Trade, spot: Spot) -> float:
        known = behaviour()
        if spot.kind == EDGE:
            return 24 * HOUR_S * known["away_d"].one(self.rng)
        return HOUR_S * max(0.5, known[trade.stay if spot.kind == BERTH else "stay_roads_h"].one(self.rng))

    def _roads(self, there: Spot) -> Spot | None:
        """A place in the roads of a port where a ship waits before its berth; None where it need not."""
        roads = [s for s in self.sea.spots if s.port == there.port and s.kind == ROADS]
        if there.kind != BERTH or not roads or not behaviour()["waits_in_roads"].happens(self.rng):
            return None
        return roads[int(self.rng.integers(len(roads)))]

    def _waits(self, ship: Ship, roads: Spot, there: Spot, from_s: float) -> Stop:
        leaves_s = from_s + HOUR_S * behaviour()["stay_roads_h"].one(self.rng)
        return Stop(roads, from_s, self.kept(ship, roads, from_s, leaves_s), self.leg(ship, roads, there))

    def kept(self, ship: Ship, spot: Spot, from_s: float, leaves_s: float) -> float:
        """When a ship leaves that storms may keep; some are silent meanwhile, by habit of the crew."""
        for storm in self.weather:
            if storm.keeps(spot, leaves_s):
                leaves_s = storm.end_s + self.some_hours(1, 12)
                if behaviour()["storm_silent"].happens(self.rng):
                    quiet = Quiet(max(from_s, storm.start_s) + 600, leaves_s - 600, SWITCHED_OFF)
                    self.waited.setdefault(ship.hull, []).append(quiet)
        return leaves_s

    def _part(self, ship: Ship, stops: Sequence[Stop]) -> Itinerary:
        """Stops as one course, with headings, statuses and calls."""
        pieces: list[Course] = []
        headings: list[tuple[Floats, Floats]] = []
        statuses: list[tuple[float, float]] = []
        calls: list[Call] = []
        for spot, arrives_s, leaves_s, way in stops:
            lies = self.stationary(ship, spot, max(arrives_s, -AROUND_S), min(leaves_s, self.end_s + AROUND_S))
            pieces += [lies.course] if lies else []
            headings += [(lies.time_s, lies.heading_deg)] if lies else []
            statuses.append((arrives_s, float(STATUS[spot.kind])))
            calls.append(Call(spot.port, spot.kind, spot.country, *spot.place, arrives_s, leaves_s))
            if way is not None:
                pieces.append(Course(way.time_s + leaves_s, way.lon, way.lat))
                statuses.append((leaves_s, float(UNDER_WAY)))
        statuses[0] = (min(statuses[0][0], ALWAYS[0] if stops[0].arrives_s <= 0 else statuses[0][0]), statuses[0][1])
        return (
            Itinerary(one_course(pieces), headings, statuses, tuple(calls))
            if pieces
            else NOTHING._replace(statuses=statuses, calls=tuple(calls))
        )


def one_course(pieces: Sequence[Course]) -> Course:
    """Courses end to end; of knots of the same time the last."""
    time_s, lon, lat = (np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("time_s", "lon", "lat"))
    keep = np.append(np.diff(time_s) > 0, True)
    return Course(time_s[keep], lon[keep], lat[keep])


# ------------------------------------------------------- What crews enter: draught, destination and time of arrival
# Entered by hand at each call, so late, wrong or not at all; a scene's own change of draught comes on top.

OTHER = (3, 7, 8, 8)  # statuses that stay, whatever the ship does; 9 to 13 are reserved by ITU-R M.1371-5
BEYOND = ("SINGAPORE", "MANILA", "TOKYO", "LOS ANGELES", "OSAKA", "HO CHI MINH", "SUEZ", "BALIKPAPAN", "NEWCASTLE AU")
UNSET = ("ORDERS", "FOR ORDERS", "SIM ORDERS", "AT SEA", "OPEN SEA")
WIDEST = 20  # characters of a destination


def entered(rng: np.random.Generator, actor: Actor, declared: Sequence[str] = ()) -> Actor:
    """The actor with what its crew enters by its calls.

    declared: ports in whose place another is declared where the crew hides the true one.
    """
    known = behaviour()
    when_s = [call.end_s for call in actor.calls]
    nexts = [call.start_s for call in actor.calls[1:]]
    never = 1 - (1 - known["draught_never"].first) / (1 - ERRORS["no_draught"])  # the rest see observe.py
    draughts = _draughts(rng, actor) if rng.random() >= never else ((ALWAYS[0], float("nan")),)
    destinations = _destinations(rng, actor, when_s, declared)
    etas = [(ALWAYS[0], float("nan"))]
    if not known["eta_never"].happens(rng):
        for leaves_s, arrives_s in zip(when_s, nexts, strict=False):
            wrong_s = HOUR_S * float(rng.normal(0, known["eta_error_h"].first))
            etas.append((leaves_s + HOUR_S * known["destination_late_h"].one(rng), arrives_s + wrong_s))
    statuses = as_set(rng, actor)
    return replace(actor, draughts=draughts, destinations=destinations, etas=tuple(sorted(etas)), statuses=statuses)


def as_set(rng: np.random.Generator, actor: Actor) -> tuple[tuple[float, float], ...]:
    """Navigational statuses as the crew sets them: some never do, so that a ship at rest goes on as under way."""
    known, drawn = behaviour(), rng.random()
    never = "status_never_small" if actor.ship.kind.length_m < SMALL_M else "status_never_set"
    for name, status in ((never, UNDER_WAY), ("status_undefined", 15), ("status_other", rng.choice(OTHER))):
        if drawn < known[name].first:
            return ((ALWAYS[0], float(status)),)
        drawn -= known[name].first
    return actor.statuses


def _draughts(rng: np.random.Generator, actor: Actor) -> tuple[tuple[float, float], ...]:
    known, deep = behaviour(), actor.ship.kind.draught_m
    light = deep * known["draught_ballast"].one(rng)
    laden = bool(rng.random() < 0.5)
    found = [(ALWAYS[0], deep if laden else light)]
    for call in actor.calls:
        laden = laden != bool(call.kind == BERTH and rng.random() < 0.85)
        if call.kind == BERTH and known["draught_updates"].happens(rng):
            share = float(rng.uniform(0.85, 1.0))
            late_s = HOUR_S * (known["draught_late_h"].one(rng) - 4.0)
            found.append((call.end_s + late_s, share * deep if laden else light))
    if len(actor.draughts) > 1:  # the scene's own change
        (_, before), (when_s, after) = actor.draughts[0], actor.draughts[1]
        now = [value for time_s, value in sorted(found) if time_s <= when_s][-1]
        found.append((when_s, now * after / before))
    return tuple((time_s, max(0.5, round(value, 1))) for time_s, value in sorted(found))


def _destinations(
    rng: np.random.Generator, actor: Actor, when_s: Sequence[float], declared: Sequence[str]
) -> tuple[tuple[float, str], ...]:
    known = behaviour()
    if known["destination_none"].happens(rng):
        return ((ALWAYS[0], ""),)
    ports_to = [_port_text(rng, call, declared) for call in actor.calls]
    first = ports_to[0] if ports_to else str(rng.choice(BEYOND))
    found = [(ALWAYS[0], first)]
    for leaves_s, text in zip(when_s, [*ports_to[1:], str(rng.choice(BEYOND))], strict=False):
        if known["destination_stale"].happens(rng):
            continue
        late_s = HOUR_S * (known["destination_late_h"].one(rng) - 2.0)
        found.append((leaves_s + late_s, str(rng.choice(UNSET)) if known["destination_orders"].happens(rng) else text))
    return tuple(sorted(found))


def _port_text(rng: np.random.Generator, call: Call, declared: Sequence[str]) -> str:
    """A port as a crew writes it."""
    known, port = behaviour(), call.port
    if call.kind == EDGE:
        text = str(rng.choice(BEYOND))
    else:
        if declared and port in declared and not known["trade_declares_true"].happens(rng):
            port = str(rng.choice(HONEST))
        text = _names()[port]
    if known["destination_code"].happens(rng):
        code = f"{port[:2]} {port[2:]}" if len(port) == 5 and port.isupper() else text
        text = code if rng.random() < 0.5 else f">{code}"
    elif known["destination_misspelt"].happens(rng) and len(text) > 3:
        k = int(rng.integers(1, len(text) - 1))
        text = (text[:k] + text[k + 1 :], text[:k] + text[k] + text[k:], text[:k] + " " + text[k:])[
            int(rng.integers(3))
        ]
    return text[:WIDEST].strip()


HONEST = ("vladivostok", "slavyanka", "dandong", "CNYNT", "dalian", "hai_phong")  # declared in place of another


@cache
def _names() -> dict[str, str]:
    table = ports()
    known = zip(table.id.tolist(), table.name.tolist(), strict=True)
    return {port: "".join(c for c in str(name).upper() if " " <= c <= "_") for port, name in known}
