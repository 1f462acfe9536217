"""The table of scenarios: what happens in the simulated sea, one row each; what is lawful and looks like a transfer."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stswatch.errors import StswatchError
from stswatch.sample_ais.fleet import at_rest
from stswatch.sample_ais.fleet.at_rest import KEEPS_WAY_KN, STILL_KN, Stationary
from stswatch.sample_ais.fleet.motion import Course, Floats, shift
from stswatch.sample_ais.fleet.ships import EQUIPMENT, FISHING, RESTRICTED, UNDER_WAY, Actor, Quiet, Scene, Ship
from stswatch.sample_ais.scenes import transfers
from stswatch.sample_ais.scenes.circumstances import APPROACHES, HOUR_S, TRADE_ROADS, Circumstance
from stswatch.sample_ais.scenes.stage import Stage, passage, status_of
from stswatch.sample_ais.scenes.transfers import coming, pair

# --------------------------------- What is lawful and looks like a transfer, one function a scene: the hard negatives
# Each is given circumstances drawn as those of transfers are. What tells them apart is who takes part, how the two
# move against each other, where they come from and go to; and that overlaps. A docstring names a source where there
# is one; the rest are choices of this project.

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

    Source: Miller et al. 2018, Watermarks in Marine Science 5:240, to whose 11,681 meetings the shapes are fitted.
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
    stationary = stage.host(c, lead, 3600.0, 3600.0)
    right, ahead, _ = at_rest.offset_m(stage.rng, lead, barge, c.distance_m)
    if c.distance_m > 55:
        right, ahead = 0.0, -c.distance_m
    goal = stage.spot(c.place, 5.0, 500.0)
    whence = [stage.spot(c.place, 5.0, 500.0) for _ in range(2)]
    how = coming(stage, c, (whence[1], goal), 1200.0)
    act = at_rest.alongside(stage.rng, stationary, c.start_s, c.end_s, right, ahead, coming=how)
    first = stage.actor(lead, c.place, [stationary], whence[0], goal, RESTRICTED)
    return _done(stage, c, [first, stage.actor(barge, c.place, [act], whence[1], goal, UNDER_WAY)])


def crew_boat(stage: Stage, c: Circumstance) -> list[Actor]:
    """A launch brings people and stores to a ship and waits beside it."""
    host = stage.launch(*CARGO, "dredger", "research")
    return _done(stage, c, pair(stage, c, host, stage.launch("crew_boat"), waits_h=(0.3, 10.0)))


def pair_trawl(stage: Stage, c: Circumstance) -> list[Actor]:
    """Two trawlers draw one net between them, and lie side by side to haul it."""
    one, two = stage.launch("trawler"), stage.launch("trawler")
    stationary = stage.host(c, one, 3 * HOUR_S, 3 * HOUR_S, under_way=True)
    right_m = float(stage.rng.choice([-1.0, 1.0])) * c.distance_m
    base = stage.spot(c.place, 5.0, 500.0)
    how = coming(stage, c, (base, base), 2000.0)
    act = at_rest.alongside(stage.rng, stationary, c.start_s, c.end_s, right_m, 0.0, coming=how)
    courses = ((one, stationary), (two, act))
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
    stationary = stage.host(c, ships[0], stage.some_hours(0.5, 12.0), stage.some_hours(0.5, 12.0), under_way)
    actors, row = [], stage.rng.uniform(0, 2 * np.pi)
    for k, ship in enumerate(ships):
        bearing = row + stage.rng.normal(0, 0.2)
        away_m = c.distance_m * ((k + 1) // 2) * (1 if k % 2 else -1)
        act = stationary if k == 0 else _shifted(stationary, c, away_m * np.sin(bearing), away_m * np.cos(bearing))
        spots = stage.spot(c.place), stage.spot(c.place, 10.0, 400.0)
        actors.append(stage.actor(ship, c.place, [act], *spots, status_of(c.speed_kn, ship)))
    return actors


def _shifted(stationary: Stationary, c: Circumstance, east_m: float, north_m: float) -> Stationary:
    """The same swing some metres off, only while the circumstances last."""
    inside = (stationary.time_s > c.start_s) & (stationary.time_s < c.end_s)
    time_s = np.concatenate([[c.start_s], stationary.time_s[inside], [c.end_s]])
    lon, lat = shift(*stationary.course.at(time_s), east_m, north_m)
    course = Course(time_s, lon, lat)
    return stationary._replace(
        course=course, time_s=time_s, heading_deg=np.interp(time_s, stationary.time_s, stationary.heading_deg)
    )


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


# -------------------------------------------- The table of scenarios: what happens in the simulated sea, one row each
# A row has a name, a family (what is left out together in an evaluation), a kind (what its meetings are), a weight
# (how often it is drawn within its family), whether given circumstances fit it, and the function that makes it. The
# docstring of the function says what it is and on what source.
#
# How often each practice is at sea nobody knows. So each family is cast about as often as every other of its kind, as
# far as circumstances fit it, and often enough for a figure of its own; those hardest to tell apart a third more
# often.


class PlanError(StswatchError, ValueError):
    """A plan that cannot be; the message says what was found and what there is."""


Make = Callable[[Stage, Circumstance], list[Actor]]
Fits = Callable[[Circumstance], bool]
TRANSFER, LOOK_ALIKE, TRAFFIC = "transfer", "look_alike", "traffic"
NEAR_PORT_KM = 15.0
OFTEN = {  # families; others 1. A scene of a shuttle or of three hulls has two or three meetings
    **dict.fromkeys(("plain", "bunkering", "lightering", "supply", "reception"), 1.3),
    **dict.fromkeys(("shuttle", "three_hulls"), 0.6),
}
CATCHES_UP = 0.01  # the chance of a family falls by so much with each scene that it is ahead of another


def anything(c: Circumstance) -> bool:
    """Fits all."""
    return True


def still(c: Circumstance) -> bool:
    """At anchor or nearly so."""
    return c.speed_kn < STILL_KN


def slow(c: Circumstance) -> bool:
    """Not under way."""
    return c.speed_kn < KEEPS_WAY_KN


def making_way(c: Circumstance) -> bool:
    """Under way."""
    return c.speed_kn >= 1.0


def near_port(c: Circumstance) -> bool:
    """In the approaches of a port, in roads of the DPRK trade, or in a zone as near to a port."""
    return c.place.setting in (APPROACHES, TRADE_ROADS) or c.port_km < NEAR_PORT_KM


def of_hours(c: Circumstance) -> bool:
    """Two hours or more."""
    return c.duration_s >= 2 * HOUR_S


def close(c: Circumstance) -> bool:
    """As near as hulls alongside have their antennas."""
    return c.distance_m < 130


def apart(c: Circumstance) -> bool:
    """Farther than hulls alongside have their antennas: as near as ships at anchor by themselves lie."""
    return c.distance_m >= 130


def apart_and_still(c: Circumstance) -> bool:
    """Both."""
    return apart(c) and still(c)


def short(c: Circumstance) -> bool:
    """Three hours or less."""
    return c.duration_s <= 3 * HOUR_S


@dataclass(frozen=True)
class Scenario:
    """One row of the table."""

    name: str
    family: str
    kind: str
    weight: float
    fits: Fits
    make: Make

    @property
    def what(self) -> str:
        """The first sentence of the docstring: why its ships meet."""
        return (inspect.getdoc(self.make) or "").split("\n\n")[0].replace("\n", " ")

    @property
    def source(self) -> str:
        """Where it is known from; "" where it is a choice of this project."""
        _, _, cited = (inspect.getdoc(self.make) or "").partition("Source: ")
        return cited.replace("\n", " ")


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("lit", "plain", TRANSFER, 5.0, anything, transfers.lit),
    Scenario("at_anchor", "plain", TRANSFER, 2.0, still, transfers.at_anchor),
    Scenario("under_way", "under_way", TRANSFER, 1.0, making_way, transfers.under_way),
    Scenario("port_approaches", "port", TRANSFER, 1.0, near_port, transfers.port_approaches),
    Scenario("across_midnight", "plain", TRANSFER, 1.5, of_hours, transfers.across_midnight),
    Scenario("shuttle", "shuttle", TRANSFER, 1.0, of_hours, transfers.shuttle),
    Scenario("three_hulls", "three_hulls", TRANSFER, 1.0, slow, transfers.three_hulls),
    Scenario("satellite_only", "satellite", TRANSFER, 1.0, of_hours, transfers.satellite_only),
    Scenario("one_dark", "dark", TRANSFER, 2.0, anything, transfers.one_dark),
    Scenario("both_dark", "dark", TRANSFER, 1.2, anything, transfers.both_dark),
    Scenario("identity_swap", "deception", TRANSFER, 0.7, anything, transfers.identity_swap),
    Scenario("look_alike_imo", "deception", TRANSFER, 0.7, anything, transfers.look_alike_imo),
    Scenario("flag_hop", "deception", TRANSFER, 0.7, anything, transfers.flag_hop),
    Scenario("forged_track", "deception", TRANSFER, 0.7, anything, transfers.forged_track),
    Scenario("shared_by_two", "deception", TRANSFER, 0.5, anything, transfers.shared_by_two),
    Scenario("bunkering", "bunkering", LOOK_ALIKE, 1.0, slow, bunkering),
    Scenario("lightering", "lightering", LOOK_ALIKE, 1.0, of_hours, lightering),
    Scenario("supply_at_sea", "supply", LOOK_ALIKE, 1.0, anything, supply_at_sea),
    Scenario("pilot", "pilot", LOOK_ALIKE, 1.0, short, pilot),
    Scenario("tug", "tug", LOOK_ALIKE, 1.0, close, tug),
    Scenario("tow", "tow", LOOK_ALIKE, 1.0, making_way, tow),
    Scenario("crew_boat", "crew_boat", LOOK_ALIKE, 1.0, close, crew_boat),
    Scenario("pair_trawl", "fishing", LOOK_ALIKE, 1.0, making_way, pair_trawl),
    Scenario("anchorage_neighbours", "anchorage", LOOK_ALIKE, 2.0, apart_and_still, anchorage_neighbours),
    Scenario("port_queue", "anchorage", LOOK_ALIKE, 1.0, apart, port_queue),
    Scenario("ferry_transfer", "ferry", LOOK_ALIKE, 1.0, near_port, ferry_transfer),
    Scenario("dredging", "dredging", LOOK_ALIKE, 1.0, slow, dredging),
    Scenario("boarding", "patrol", LOOK_ALIKE, 1.0, short, boarding),
    Scenario("research", "research", LOOK_ALIKE, 1.0, slow, research),
    Scenario("reception_hole", "reception", LOOK_ALIKE, 1.0, anything, reception_hole),
    Scenario("shared_mmsi", "shared_mmsi", LOOK_ALIKE, 1.0, anything, shared_mmsi),
)
NAMES = tuple(row.name for row in SCENARIOS)
FAMILIES = tuple(dict.fromkeys(row.family for row in SCENARIOS))


def allowed(
    only: Collection[str] = (), without: Collection[str] = (), of: Sequence[Scenario] = SCENARIOS
) -> tuple[Scenario, ...]:
    """The rows named, by name or family, all where none is; less those in `without`. Raises PlanError for no such."""
    names = dict.fromkeys((*(row.name for row in of), *(row.family for row in of)))
    unknown = (set(only) | set(without)) - set(names)
    if unknown:
        raise PlanError(f"no scenario or family {sorted(unknown)[0]!r}; there are {', '.join(names)}")
    rows = [row for row in of if not only or row.name in only or row.family in only]
    return tuple(row for row in rows if row.name not in without and row.family not in without)


def choose(
    rng: np.random.Generator, rows: Sequence[Scenario], kind: str, c: Circumstance, cast: Counter[str]
) -> Scenario | None:
    """A row of a kind to which the circumstances can happen; one that they do not fit only where there is no other.

    cast: how many scenes of each family there are so far; those with the fewest come next, by OFTEN.
    """
    mine = [row for row in rows if row.kind == kind]
    fit = [row for row in mine if row.fits(c)] or mine
    if not fit:
        return None
    families = list(dict.fromkeys(row.family for row in fit))
    often = np.array([OFTEN.get(family, 1.0) for family in families])
    done = np.array([cast[family] for family in families]) / often
    family = families[_pick(rng, often * CATCHES_UP ** (done - done.min()))]
    among = [row for row in fit if row.family == family]
    return among[_pick(rng, np.array([row.weight for row in among]))]


def _pick(rng: np.random.Generator, weight: Floats) -> int:
    return int(rng.choice(len(weight), p=weight / weight.sum()))


def scene(row: Scenario, stage: Stage, c: Circumstance) -> Scene:
    """What a row makes of circumstances."""
    actors = tuple(row.make(stage, c))
    return Scene(row.name, row.family, row.kind, row.what, c.place.zone or c.place.setting, actors)
