"""Meetings of the second sea: transfers and what looks like them, each a row of SCENES.

Sources. Two hulls of 85 to 105 m with one of 45 m between them, at anchor or adrift, for hours: Voice of America on
imagery off Cho-do and Sok-to (2022 to 2024). AIS switched off before and after: UN Panel of Experts, S/2024/215.
Positions of elsewhere while loading: Open Source Centre (2025). Bunkering, one to six hours: SIBCON 2022, Singapore.
Lightering, eight to 24 hours: OCIMF, Ship to Ship Transfer Guide (2013). Pilots: minutes. Pair trawls: 200 to 500 m
apart, FAO Fisheries Technical Paper 222 (1980). Tow lines: IMO MSC/Circ.884. Whatever no source gives is an estimate.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from stswatch.sample_ais.second import movement
from stswatch.sample_ais.second.movement import Passage, Random
from stswatch.sample_ais.second.net import Floats, Ints, Net
from stswatch.sample_ais.second.plans import (
    DAY,
    SWITCHED_OFF,
    Silence,
    Tracks,
    Vessel,
    afloat,
    berth,
    build,
    faults,
    haven_near,
)

TRANSFER, LOOK_ALIKE = "transfer", "look_alike"


class Recipe(NamedTuple):
    """One kind of meeting.

    hosts, guests: kinds of ships that may be; hours together; metres between antennas beyond half of both beams; where:
    sea (a reported area or the open sea), roads (of a port), quay; how the host lies: drift, anchor, moored, or kn of
    steady way; loose: how much the gap wanders; dark: which parties are silent (0 the host, 1 the first guest) and how
    long before and after, in hours; share: how often, among its kind.
    """

    name: str
    family: str
    kind: str
    hosts: tuple[str, ...]
    guests: tuple[tuple[str, ...], ...]
    hours: tuple[float, float]
    gap_m: tuple[float, float]
    where: str
    lies: str | float
    share: float
    loose: float = 0.06
    dark: tuple[int, ...] = ()
    extra: str = ""
    why: str = ""


_OIL, _DRY, _BIG = (
    ("oil_coaster", "coaster", "tanker"),
    ("coaster", "bulker"),
    ("bulker", "box_ship", "tanker", "coaster"),
)
_T, _L = TRANSFER, LOOK_ALIKE
SCENES = (
    Recipe("lit", "open", _T, _OIL, (_OIL,), (2, 11), (3, 22), "sea", "drift", 5,
           why="Cargo goes over, both report."),
    Recipe("lit_anchored", "open", _T, _OIL, (_OIL,), (2.5, 14), (3, 20), "sea", "anchor", 3,
           why="The same, at anchor."),
    Recipe("under_way", "open", _T, _OIL, (_OIL,), (2, 7), (8, 30), "sea", 4.0, 1, 0.12,
           why="Cargo goes over on slow way."),
    Recipe("one_dark", "dark", _T, _OIL, (_OIL,), (2, 12), (3, 22), "sea", "drift", 4, dark=(1,),
           why="One is silent."),
    Recipe("both_dark", "dark", _T, _OIL, (_OIL,), (2, 12), (3, 22), "sea", "drift", 3, dark=(0, 1),
           why="Both are silent."),
    Recipe("dark_in_midst", "dark", _T, _OIL, (_OIL,), (4, 12), (3, 22), "sea", "drift", 2, extra="midst",
           why="One falls silent when they lie together."),
    Recipe("coal_group", "group", _T, _DRY, (("barge",), _DRY), (5, 16), (3, 14), "sea", "anchor", 2,
           why="Two hulls with a smaller one between them."),
    Recipe("onward", "shuttle", _T, ("oil_coaster",), (("tanker",),), (3, 10), (4, 22), "sea", "drift", 2, extra="dprk",
           why="The receiver goes on to a port of the DPRK, silent."),
    Recipe("forged", "forged", _T, _OIL, (_OIL,), (3, 10), (3, 22), "sea", "drift", 1, extra="forged",
           why="One sends positions of elsewhere."),
    Recipe("bunkering", "bunkering", _L, _BIG, (("bunker_vessel",),), (1, 6), (3, 12), "roads", "anchor", 5,
           why="Fuel for a ship that waits."),
    Recipe("bunkering_off", "bunkering", _L, _BIG, (("bunker_vessel",),), (1, 5), (3, 12), "sea", "drift", 2,
           why="Fuel for a ship off port limits."),
    Recipe("lightering", "lightering", _L, ("tanker",), (("tanker",),), (8, 24), (5, 25), "roads", "anchor", 2,
           why="Part of a cargo goes over before a shallow port."),
    Recipe("supply", "supply", _L, _BIG, (("supply_ship", "launch"),), (0.5, 3), (4, 40), "sea", "drift", 3, 0.2,
           why="Stores and spares."),
    Recipe("crew_change", "supply", _L, _BIG, (("launch",),), (0.3, 1.2), (2, 15), "roads", "anchor", 3, 0.2,
           why="A boat with people."),
    Recipe("pilot", "pilot", _L, _BIG, (("pilot_boat",),), (0.12, 0.35), (3, 25), "roads", 6.0, 3, 0.25,
           why="A pilot boards."),
    Recipe("towing", "tow", _L, ("tug",), (("barge", "coaster"),), (6, 30), (0, 5), "sea", 4.5, 2, extra="line",
           why="A tow on its line."),
    Recipe("pair_trawl", "fishing", _L, ("trawler",), (("trawler",),), (3, 11), (180, 420), "sea", "trawl", 3, 0.12,
           why="One net between two."),
    Recipe("fishing_group", "fishing", _L, ("trawler",), (("trawler",),) * 4, (3, 13), (60, 420), "sea", "drift", 2,
           loose=0.25,
           why="Boats that lie to on one ground."),
    Recipe("fish_carrier", "fishing", _L, ("reefer",), (("trawler",), ("trawler",)), (1.5, 8), (2, 12), "sea", "drift",
           2, why="Catch goes over to a carrier, lawfully."),
    Recipe("neighbours", "anchorage", _L, _BIG, (_BIG,), (6, 40), (170, 430), "roads", "anchor", 4, 0.02,
           why="Two at anchor in one roads."),
    Recipe("waiting", "anchorage", _L, _BIG, (_BIG,), (4, 20), (200, 450), "sea", "drift", 2, 0.15,
           why="Both wait for orders."),
    Recipe("boarding", "patrol", _L, (*_BIG, "trawler"), (("patrol_ship",),), (0.5, 2.5), (40, 380), "sea", "drift",
           2, loose=0.3,
           why="A control at sea."),
    Recipe("dredging", "works", _L, ("dredger",), (("barge",),), (1, 5), (2, 12), "roads", "anchor", 2,
           why="Sand into a barge."),
    Recipe("double_banked", "quay", _L, _BIG, (("coaster", "barge", "tug"),), (5, 40), (1, 6), "quay",
           "moored", 3, loose=0.01,
           why="Two side by side at one quay."),
    Recipe("hole", "reception", _L, _BIG, (("bunker_vessel",),), (2, 8), (3, 12), "sea", "drift", 1, extra="fault",
           why="Bunkering while a transponder fails."),
)  # fmt: skip


def recipes(rng: Random, kind: str, n: int, only: Collection[str] = ()) -> list[Recipe]:
    """Which scenes a sea has, n of a kind: each by its share, the remainder drawn; only those named, if any are."""
    these = [
        recipe for recipe in SCENES if recipe.kind == kind and (not only or {recipe.name, recipe.family} & {*only})
    ]
    if not these:
        return []
    share = np.array([recipe.share for recipe in these])
    counts = np.floor(share / share.sum() * n).astype(int)
    rest = rng.choice(len(these), n - counts.sum(), p=share / share.sum())
    counts += np.bincount(rest, minlength=len(these))
    return [recipe for recipe, count in zip(these, counts, strict=True) for _ in range(count)]


def play(
    rng: Random, recipe: Recipe, vessels: list[Vessel], row: int, tracks: Tracks, net: Net, in_areas: float
) -> tuple[int, int]:
    """Write the tracks of the parties from a row on, and what they conceal; gives from which minute to which."""
    minutes = tracks.lon.shape[1]
    n = max(int(rng.uniform(*recipe.hours) * 60), 6)
    begin = int(rng.uniform(0.04 * minutes, 0.96 * minutes - min(n, 0.9 * minutes)))
    wait = int(rng.lognormal(np.log(90), 0.9)) + 10
    haven, node = _where(rng, recipe, net, in_areas)
    place, whole = (float(net.lon[node]), float(net.lat[node])), wait + n + wait // 2 + 10
    host = afloat(lambda: _hold(rng, recipe, vessels[0], place, whole))
    _voyage(rng, vessels[0], row, tracks, net, begin - wait, host, haven, node, recipe)
    side = 1.0
    for k, guest in enumerate(vessels[1:], 1):
        aside, along = _gap(rng, recipe, vessels[0], guest, k)
        side = side if recipe.family == "group" else rng.choice([-1.0, 1.0])
        late = int(rng.integers(0, 25)) if k > 1 else 0
        path = movement.beside(rng, host.part(wait + late, wait + n), aside, along, recipe.loose, side)
        _voyage(rng, guest, row + k, tracks, net, begin + late, path, haven, node, recipe)
    for vessel in vessels:
        vessel.laden_until = begin + n / 2
        faults(rng, vessel, minutes)
    _conceal(rng, recipe, vessels, begin, n)
    return begin, begin + n


def _where(rng: Random, recipe: Recipe, net: Net, in_areas: float) -> tuple[int, int]:
    """The nearest port, or one near, and the node of the meeting."""
    if recipe.where == "sea":
        zone = net.zones[sorted(net.zones)[rng.integers(len(net.zones))]]
        node = int(rng.choice(zone if rng.random() < in_areas else net.open_sea))
        return int(np.argmin(net.km_to_havens(net.lon[node], net.lat[node]))), node
    haven = int(rng.integers(len(net.havens)))
    of = net.havens[haven]
    return haven, int(rng.choice(of.roads if recipe.where == "roads" else of.quays))


def _hold(rng: Random, recipe: Recipe, host: Vessel, place: tuple[float, float], n: int) -> Passage:
    """What the host does from its arrival to its departure."""
    if recipe.lies == "drift":
        return movement.drift(rng, *place, n)
    if recipe.lies == "anchor":
        return movement.swing(rng, *place, n, 50 + host.length_m / 2)
    if recipe.lies == "moored":
        return movement.lie(rng, *place, n)
    if recipe.lies == "trawl":
        return movement.trawl(rng, *place, n, 3.2)
    return movement.steam(rng, *place, n, float(recipe.lies), rng.uniform(0, 360))


def _gap(rng: Random, recipe: Recipe, host: Vessel, guest: Vessel, k: int) -> tuple[float, float]:
    """Metres abeam and ahead between the antennas of a guest and the host."""
    free = rng.uniform(*recipe.gap_m)
    beams = (host.beam_m + guest.beam_m) / 2
    if recipe.extra == "line":
        return 12 + free, -rng.uniform(90, 420)
    if recipe.family == "group":
        return beams * (1 if k == 1 else 2) + free * k, rng.normal(0, 12)
    if recipe.gap_m[1] > 100:
        return free, rng.normal(0, 40)
    return beams + free, rng.normal(0, 0.12) * host.length_m


def _voyage(rng: Random, vessel: Vessel, row: int, tracks: Tracks, net: Net, minute: int, held: Passage, haven: int,
            node: int, recipe: Recipe) -> None:  # fmt: skip
    """A ship comes from a quay, does what is held from a minute on, and goes on to a quay, until the sea ends."""
    small = vessel.length_m < 45
    ends = []
    for onward in (False, True):
        dprk = onward and recipe.extra == "dprk" and vessel.role == "host"
        near = haven_near(rng, net, net.lon[node], net.lat[node], 60 if small else 350, dprk=dprk)
        ends.append((near, int(rng.choice(net.havens[near].quays))))
    edge = np.array([[held.lon[0], held.lat[0]], [held.lon[-1], held.lat[-1]]])
    there = net.between(*ends[0], haven, node)
    back = net.between(haven, node, *ends[1])
    come = movement.sail(rng, np.vstack([there[:-1], edge[:1]]), vessel.cruise_kn)
    go = movement.sail(rng, np.vstack([edge[1:], _leaving(edge[1], back)]), vessel.cruise_kn)
    long = tracks.lon.shape[1] + 10 * DAY
    first = berth(rng, net, ends[0][1], long)
    last = berth(rng, net, ends[1][1], long)
    tracks.place(row, minute - len(come.lon) - long, [first, come, held, go, last])
    if recipe.extra == "dprk" and vessel.role == "host":
        vessel.silences.append(Silence(minute + len(held.lon) + len(go.lon) * 0.4, np.inf, SWITCHED_OFF))


def _leaving(place: Floats, back: Floats) -> Floats:
    """The way home without its first corner, from which the meeting may have drifted."""
    return back[1:] if len(back) > 2 or np.abs(place - back[0]).max() > 1e-9 else back


def _conceal(rng: Random, recipe: Recipe, vessels: list[Vessel], begin: int, n: int) -> None:
    """Transponders switched off or told lies around a meeting."""
    for k in recipe.dark:
        span = begin - rng.uniform(2, 11) * 60, begin + n + rng.uniform(2, 16) * 60
        vessels[k].silences.append(Silence(*span, SWITCHED_OFF))
    guest = vessels[1]
    if recipe.extra == "midst":
        guest.silences.append(Silence(begin + 45, begin + n + rng.uniform(1, 8) * 60, SWITCHED_OFF))
    if recipe.extra == "forged":
        guest.forged = begin - rng.uniform(2, 10) * 60, begin + n + rng.uniform(2, 10) * 60
    if recipe.extra == "fault":
        guest.silences.append(Silence(begin - 30, begin + n * rng.uniform(0.4, 1.1), "equipment"))


def cast(rng: Random, recipe: Recipe, numbers: Ints, net: Net) -> list[Vessel]:
    """The ships of a scene, numbered in order, the host before its guests."""
    kinds = [str(rng.choice(recipe.hosts)), *(str(rng.choice(guests)) for guests in recipe.guests)]
    roles = ["host", *["guest"] * (len(kinds) - 1)]
    parts = zip(kinds, roles, numbers.tolist(), strict=False)
    return [build(rng, number, kind, role, recipe.name, net) for kind, role, number in parts]
