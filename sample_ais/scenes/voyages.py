"""A sea of weeks: its plan, and ships that meet nobody on purpose: trades, the DPRK trade, its twin, moored craft."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import ClassVar

import numpy as np

from stswatch.sample_ais import behaviour
from stswatch.sample_ais.fleet import at_rest
from stswatch.sample_ais.fleet.motion import shift, voyage
from stswatch.sample_ais.fleet.ships import (
    ALWAYS,
    DPRK_ROLE,
    EQUIPMENT,
    FISHING,
    MOORED,
    SWITCHED_OFF,
    UNDER_WAY,
    Actor,
    Call,
    Emitter,
    Quiet,
    Scene,
    Ship,
    ShipFactory,
)
from stswatch.sample_ais.fleet.waters import BERTH, EDGE, Place, Spot, Waters
from stswatch.sample_ais.plan import Plan
from stswatch.sample_ais.scenes import deceptions
from stswatch.sample_ais.scenes.circumstances import HOUR_S
from stswatch.sample_ais.scenes.itinerary import (
    TRAMP,
    Storm,
    Trade,
    VoyageStage,
    as_set,
    entered,
    in_one_port,
    in_turn,
    one_course,
    through,
)
from stswatch.sample_ais.scenes.scenarios import TRAFFIC, Scenario, allowed
from stswatch.sample_ais.scenes.stage import AROUND_S, apart

DAY_S = 24 * HOUR_S
SHIPS_A_SCENE = 8  # numbers kept for the ships of a scene, so that no scene renames those of another
BLOCKS = 1249  # of those numbers, as far as names hold them: four digits


@dataclass(frozen=True)
class VoyagePlan(Plan):
    """A sea of weeks in which ships go from port to port; counts beside those of Plan are of ships and craft."""

    days: float = 45.0
    background: int = 400
    transfers: int = 60
    look_alikes: int = 180
    slot_s: float = 300.0
    static_s: float = 10_800.0
    trade: int = 30  # ships of the DPRK trade, and as many of its lawful twin
    moored: int = 80  # craft that lie for weeks
    least_slot_s: ClassVar[float] = 2.0

    def rows(self) -> tuple[Scenario, ...]:
        """The scenarios that may be drawn, those of deceptions.py among them."""
        return allowed(self.only, self.without, deceptions.ALL)

    def stage(self, rng: np.random.Generator, sea: Waters, number: int, weather: tuple[Storm, ...]) -> VoyageStage:
        """A stage whose ships have numbers of a block of their own, in no order of kinds: none tells what a ship does.

        number: of SHIPS_A_SCENE for each stage before it.
        """
        block = number // SHIPS_A_SCENE
        block = _block_order()[block] if block < BLOCKS else block
        return VoyageStage(rng, ShipFactory(rng, SHIPS_A_SCENE * block), self.days * DAY_S, sea, weather=weather)


@cache
def _block_order() -> list[int]:
    return [int(block) for block in np.random.default_rng(BLOCKS).permutation(BLOCKS)]


def others(plan: VoyagePlan, seed: int, sea: Waters, weather: tuple[Storm, ...], number: int) -> list[Scene]:
    """The ships and craft that belong to no scene, those of the trade and its twin among them."""
    made: list[tuple[str, Callable[[VoyageStage], Sequence[Actor]]]] = []
    made += [("trade", lambda stage: [trader(stage, "trade")])] * plan.trade
    made += [("twin", lambda stage: [trader(stage, "twin")])] * plan.trade
    made += [("", lambda stage: [wanderer(stage)])] * plan.background
    made += [("moored", _site)] * round(plan.moored / AT_A_SITE)
    scenes = []
    for k, (name, make) in enumerate(made):
        stage = plan.stage(np.random.default_rng([seed, 3, k]), sea, number + SHIPS_A_SCENE * k, weather)
        actors = tuple(troubled(stage, actor) for actor in make(stage))
        scenes.append(Scene(name, "traffic", TRAFFIC, "", "", actors))
    return scenes


def in_scene(stage: VoyageStage, actor: Actor) -> Actor:
    """An actor of a scene with what its crew enters and what befalls its set."""
    return troubled(stage, entered(stage.rng, actor))


def troubled(stage: VoyageStage, actor: Actor) -> Actor:
    """The actor with failures of its set, silences of its crew that mean nothing, and those in storms."""
    known, rng, end_s = behaviour(), stage.rng, stage.end_s
    actor = actor.quiet(*stage.waited.pop(actor.ship.hull, []))
    if actor.role == "moored":
        return actor
    if known["equipment_fails"].happens(rng):
        off_s = DAY_S * known["equipment_days"].one(rng) * float(rng.random())
        while off_s < end_s:
            on_s = off_s + HOUR_S * known["equipment_h"].one(rng)
            actor = actor.quiet(Quiet(off_s, on_s, EQUIPMENT))
            off_s = on_s + DAY_S * known["equipment_days"].one(rng)
    if known["switched_lawful"].happens(rng):
        off_s = float(rng.uniform(0, end_s))
        actor = actor.quiet(Quiet(off_s, off_s + HOUR_S * known["dark_after_h"].one(rng) * 2, SWITCHED_OFF))
    return actor


# ----------------------------------------------------------------- The DPRK trade, and a lawful trade of the same look

KP = ("nampo", "nampo", "nampo_coal", "nampo_oil_buoys", "taean", "wonsan", "rajin", "chongjin", "haeju", "hungnam")
KP_FROM = ("vostochny", "vostochny", "dunay", "dalian", "CNYNT", "longkou", "rizhao", "lianyungang", "zhoushan")
TWIN_HERE = ("dandong", "dandong", "penglai", "lanshan", "bayuquan", "slavyanka", "kholmsk", "CNWEI", "CNSHD")
TWIN_FROM = ("nakhodka", "nakhodka", "vladivostok", "dalian", "CNYNT", "longkou", "rizhao", "lianyungang", "zhoushan")
KINDS_OF_TRADE = ("small_tanker", "small_tanker", "coaster", "coaster", "bulker", "tanker")
SHOWN_PORTS = ("vladivostok", "nakhodka", "slavyanka")  # where forged tracks lie while a ship loads elsewhere
TRADE_FLAG = {"trade": 0.5, "twin": 0.25}  # share under the flag in the role of the DPRK


def trader(stage: VoyageStage, name: str) -> Actor:
    """A ship of the DPRK trade, or of its twin: calls at Chinese and Russian ports of the same size, lawfully."""
    groups = (KP, KP_FROM) if name == "trade" else (TWIN_HERE, TWIN_FROM)
    flag = DPRK_ROLE if stage.rng.random() < TRADE_FLAG[name] else None
    kind = KINDS_OF_TRADE[int(stage.rng.integers(len(KINDS_OF_TRADE)))]
    ship = stage.ship_factory.launch(kind, flag, 0.9)
    actor = _roams(stage, ship, Trade(in_turn(*groups), "stay_berth_h"), _berth(stage, groups[1]))
    if name == "trade":
        return entered(stage.rng, _hides(stage, actor), (*KP, "vostochny", "dunay"))
    silent = [c for c in actor.calls if c.kind == BERTH and behaviour()["twin_silent"].happens(stage.rng)]
    return entered(stage.rng, actor.quiet(*(_about(stage, call, EQUIPMENT) for call in silent)))


def _hides(stage: VoyageStage, actor: Actor) -> Actor:
    """Its calls at ports of the trade lit, partly or wholly dark, some under a forged course."""
    known, rng = behaviour(), stage.rng
    for call in actor.calls:
        if call.kind != BERTH or not (call.country == "KP" or call.port == "vostochny"):
            continue
        lit = 1 - known["vostochny_dark"].first if call.port == "vostochny" else known["trade_lit"].first
        drawn = rng.random()
        if drawn < lit:
            continue
        if drawn < lit + (1 - lit) * known["trade_partly"].first / (1 - known["trade_lit"].first):
            actor = actor.quiet(_partly(stage, call))
            continue
        quiet = _about(stage, call, SWITCHED_OFF)
        if known["trade_forged"].happens(rng) and not actor.emitters and quiet.start_s > 0:
            actor = replace(actor, emitters=_elsewhere(stage, actor.ship, quiet))
        else:
            actor = actor.quiet(quiet)
    return actor


def _about(stage: VoyageStage, call: Call, cause: str) -> Quiet:
    """Silence from hours before a call until hours after."""
    known = behaviour()
    before_h, after_h = known["trade_dark_from_h"].one(stage.rng), known["trade_dark_to_h"].one(stage.rng)
    return Quiet(call.start_s - HOUR_S * before_h, call.end_s + HOUR_S * after_h, cause)


def _partly(stage: VoyageStage, call: Call) -> Quiet:
    """Silence on arrival, at the berth or on leaving."""
    whole, third = _about(stage, call, SWITCHED_OFF), (call.end_s - call.start_s) / 3
    ends = [(whole.start_s, call.start_s + third), (call.start_s + third / 2, call.end_s - third / 2)]
    ends.append((call.end_s - third, whole.end_s))
    return Quiet(*ends[int(stage.rng.integers(3))], SWITCHED_OFF)


def _elsewhere(stage: VoyageStage, ship: Ship, quiet: Quiet) -> tuple[Emitter, ...]:
    """Its set goes on as if the ship lay at a berth in another port."""
    spot = _berth(stage, SHOWN_PORTS)
    lies = stage.stationary(ship, spot, quiet.start_s, quiet.end_s)
    assert lies is not None
    return (
        Emitter(ship, until_s=quiet.start_s),
        Emitter(ship, quiet.start_s, quiet.end_s, lies.course, "port"),
        Emitter(ship, from_s=quiet.end_s),
    )


def _berth(stage: VoyageStage, ports: Sequence[str]) -> Spot:
    name = ports[int(stage.rng.integers(len(ports)))]
    there = [s for s in stage.sea.spots if s.port == name and s.kind == BERTH]
    there = there or [s for s in stage.sea.spots if s.kind == BERTH]
    return there[int(stage.rng.integers(len(there)))]


# ----------------------------------------------------------------------------------------- The ships of the background

FLEETS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("fleet_tramp", ("container", "bulker", "tanker", "coaster", "coaster", "small_tanker", "reefer", "tanker_large")),
    ("fleet_line", ("ferry", "coaster", "container", "small_tanker", "hopper")),
    ("fleet_harbour", ("bunker", "bunker", "tug", "pilot", "crew_boat")),
    ("fleet_through", ("container", "bulker", "tanker_large", "tanker")),
    ("fleet_fishes", ("trawler", "trawler", "trawler", "fisher")),  # class B: 75 of 100 in MarineCadastre 2022-01-03
)


def wanderer(stage: VoyageStage) -> Actor:
    """One ship of the background."""
    known, rng = behaviour(), stage.rng
    share = np.array([known[name].first for name, _ in FLEETS])
    name, kinds = FLEETS[int(rng.choice(len(FLEETS), p=share / share.sum()))]
    ship = stage.launch(*kinds)
    if name == "fleet_fishes":
        return entered(rng, _fishes_on(stage, ship))
    edges = [s for s in stage.sea.spots if s.kind == EDGE]
    begins = edges if name == "fleet_through" and edges else [s for s in stage.sea.spots if s.kind == BERTH]
    begins = [s for s in begins if s.port not in stage.sea.trade] or begins
    start = begins[int(rng.integers(len(begins)))]
    trade = {
        "fleet_tramp": TRAMP,
        "fleet_line": Trade(in_turn((start.port,), (_other(stage, start),)), "stay_line_h", waits=False),
        "fleet_harbour": Trade(in_one_port, "stay_line_h", waits=False),
        "fleet_through": Trade(through, "stay_berth_h"),
    }[name]
    return entered(rng, _renamed(stage, _roams(stage, ship, trade, start)))


def _other(stage: VoyageStage, start: Spot) -> str:
    """Another port within a day's sail."""
    sea = stage.sea
    near = sorted({s.port for s in sea.spots if s.kind == BERTH and 30 < sea.km[start.node, s.node] < 700})
    near = [p for p in near if p != start.port and p not in sea.trade]
    return near[int(stage.rng.integers(len(near)))] if near else start.port


def _roams(stage: VoyageStage, ship: Ship, trade: Trade, start: Spot) -> Actor:
    """From port to port through the whole plan; it comes to its first one some time before the plan begins."""
    stage.trades[ship.hull] = trade
    begin_s = -float(stage.rng.uniform(0.0, 6.0)) * DAY_S
    part = stage.since(ship, start, begin_s)
    course = part.course or at_rest.moored(*start.place, begin_s, stage.end_s, 0.0).course
    return Actor(ship, course, statuses=tuple(part.statuses), headings=tuple(part.headings), calls=part.calls)


def _fishes_on(stage: VoyageStage, ship: Ship) -> Actor:
    """One trip after another from a home port to a ground, to and fro there; some silent on the ground.

    At 2 to 4 kn for days, or, some boats of class B, faster for a day near the port.
    """
    sea, rng, known = stage.sea, stage.rng, behaviour()
    by_day = ship.kind.ais_class == "B" and known["fishes_by_day"].happens(rng)
    base, ground = _inshore(stage) if by_day else _offshore(stage)
    time_s, pieces, headings = -float(rng.uniform(0.0, 6.0)) * DAY_S, [], []
    statuses: list[tuple[float, float]] = []
    calls, quiets = [], []
    secret = rng.random() < 0.25
    while time_s < stage.end_s + AROUND_S:
        home_h = known["day_boat_home_h"].one(rng) if by_day else 1.5 * known["stay_berth_h"].one(rng)
        leaves_s = stage.kept(ship, base, time_s, time_s + HOUR_S * home_h)
        lies = stage.stationary(ship, base, max(time_s, -AROUND_S), min(leaves_s, stage.end_s + AROUND_S))
        out = voyage(apart(sea.way(rng, base, ground)), leaves_s, stage.speed_kn(ship))
        works_s = HOUR_S * known["day_boat_out_h"].one(rng) if by_day else stage.some_hours(20, 140)
        until_s = float(out.time_s[-1]) + max(2 * HOUR_S, works_s)
        speed_kn = known["day_boat_kn"].one(rng) if by_day else float(rng.uniform(2.0, 4.2))
        place, goal = (ground.lon, ground.lat), sea.goal(rng, ground)
        work = at_rest.keeping_way(rng, *place, goal, float(out.time_s[-1]) + 1800.0, until_s, speed_kn)
        back = voyage(apart(sea.way(rng, ground, base)), until_s + 1800.0, stage.speed_kn(ship))
        pieces += [*([lies.course] if lies else []), out, work.course, back]
        headings += [*([(lies.time_s, lies.heading_deg)] if lies else []), (work.time_s, work.heading_deg)]
        statuses += [(time_s, float(MOORED)), (leaves_s, float(UNDER_WAY)), (float(out.time_s[-1]), float(FISHING))]
        statuses.append((until_s, float(UNDER_WAY)))
        calls.append(Call(base.port, base.kind, base.country, *base.place, time_s, leaves_s))
        if secret and rng.random() < 0.5:
            off_s = float(rng.uniform(out.time_s[-1], until_s))
            quiets.append(Quiet(off_s, off_s + stage.some_hours(2.3, 20.0), SWITCHED_OFF))
        time_s = float(back.time_s[-1])
    return Actor(
        ship,
        one_course(pieces),
        statuses=((ALWAYS[0], statuses[0][1]), *statuses[1:]),
        headings=tuple(headings),
        quiets=tuple(quiets),
        calls=tuple(calls),
    )


def _offshore(stage: VoyageStage) -> tuple[Spot, Place]:
    """A fishing ground in a zone, and a berth in reach of it."""
    places = [place for zone in stage.sea.zones.values() for place in zone]
    ground = places[int(stage.rng.integers(len(places)))]
    base = stage.spot(ground, 5.0, 400.0)
    return _berth(stage, ("zhoushan",)) if base.kind == EDGE else replace(base, kind=BERTH), ground


def _inshore(stage: VoyageStage) -> tuple[Spot, Place]:
    """A berth, and a ground where the way from it meets the lanes."""
    sea, rng = stage.sea, stage.rng
    berths = [s for s in sea.spots if s.kind == BERTH and s.port not in sea.trade]
    base = berths[int(rng.integers(len(berths)))] if berths else _berth(stage, ())
    room_km = float(sea.room_km[base.node])
    lon, lat = shift(*sea.nodes[base.node], *rng.uniform(-700.0, 700.0, 2) * min(5.0, 0.25 * room_km))
    return base, Place(float(lon), float(lat), 0.75 * room_km, base.node, "", "")


def _renamed(stage: VoyageStage, actor: Actor) -> Actor:
    """A few change name, flag and number in port, and keep their IMO number: lawful, after a sale."""
    calls = [c for c in actor.calls if c.kind == BERTH and c.start_s > 0 and c.end_s < stage.end_s]
    if not calls or not behaviour()["renamed"].happens(stage.rng):
        return actor
    when_s = calls[int(stage.rng.integers(len(calls)))].end_s - HOUR_S
    ship = actor.ship
    later = replace(stage.launch(ship.trade), imo=ship.imo, kind=ship.kind, hull=ship.hull)
    return replace(actor, emitters=(Emitter(ship, until_s=when_s), Emitter(later, from_s=when_s)))


# --------------------------------------------------------------------------------------- Craft that lie for weeks

AT_A_SITE = 4  # craft on average
BOATS = ("launch", "crew_boat", "fisher", "trawler", "tug", "barge", "bunker", "hopper", "pilot", "coaster")
BOAT_SHARES = (0.34, 0.10, 0.14, 0.12, 0.10, 0.06, 0.04, 0.03, 0.04, 0.03)


@cache
def moorings() -> list[dict[str, str]]:
    """The sites of moorings.csv: kind, lon, lat, off_shore_km (below 0 on land), port_km; see make_files.py."""
    return list(csv.DictReader((files("stswatch.sample_ais") / "moorings.csv").read_text("utf-8").splitlines()))


def _site(stage: VoyageStage) -> list[Actor]:
    sites, count = moorings(), int(stage.rng.integers(2, 2 * AT_A_SITE - 1))
    return moored(stage, sites[int(stage.rng.integers(len(sites)))], count)


def moored(stage: VoyageStage, site: dict[str, str], count: int) -> list[Actor]:
    """Craft of all sizes beside each other in a marina, a dock, a river or at a quay, all through the plan."""
    known, rng = behaviour(), stage.rng
    bearing = float(rng.uniform(0, 360))
    ahead_m = np.cumsum(known["moored_apart_m"].draw(rng, count))
    side_m = rng.normal(0, 8.0, count)
    way = np.radians(bearing)
    east_m = ahead_m * np.sin(way) + side_m * np.cos(way)
    north_m = ahead_m * np.cos(way) - side_m * np.sin(way)
    lon, lat = shift(float(site["lon"]), float(site["lat"]), east_m, north_m)
    places = list(zip(lon.tolist(), lat.tolist(), strict=True))
    craft = [_lies_for_weeks(stage, site["kind"], place, bearing + 180.0 * (k % 2)) for k, place in enumerate(places)]
    return [replace(actor, statuses=as_set(rng, actor)) for actor in craft]


def _lies_for_weeks(stage: VoyageStage, site: str, place: tuple[float, float], heading: float) -> Actor:
    known, rng = behaviour(), stage.rng
    ship = stage.launch(str(rng.choice(BOATS, p=BOAT_SHARES)))
    length_m = float(np.clip(known["moored_length_m"].one(rng) * (2.2 if site == "dock" else 1.0), 8.0, 140.0))
    b = length_m < 30 and known["moored_class_b"].happens(rng)
    kind = ship.kind._replace(
        length_m=round(length_m), beam_m=max(3, round(0.28 * length_m)), ais_class="B" if b else "A"
    )
    ship = replace(ship, kind=kind)
    quiets = []
    if known["moored_night_off"].happens(rng):
        nights = (
            np.arange(-1.0, stage.end_s / DAY_S + 1) * DAY_S + rng.uniform(8.0, 13.0) * HOUR_S
        )  # from dusk in UTC+8
        for off_s in nights[rng.random(len(nights)) < 0.85].tolist():
            late_s = float(rng.normal(0, HOUR_S))
            quiets.append(Quiet(off_s + late_s, off_s + late_s + stage.some_hours(9, 15), SWITCHED_OFF))
    lies = at_rest.moored(*place, -AROUND_S, stage.end_s + AROUND_S, heading)
    call = Call(f"mooring:{site}", "mooring", "", *place, -AROUND_S, stage.end_s + AROUND_S)
    return Actor(
        ship,
        lies.course,
        statuses=((ALWAYS[0], float(MOORED)),),
        headings=((lies.time_s, lies.heading_deg),),
        quiets=tuple(quiets),
        role="moored",
        calls=(call,),
    )
