"""The table of scenarios: what happens in the simulated sea, one row each.

A row has a name, a family (what is left out together in an evaluation), a kind (what its meetings are), a weight (how
often it is drawn within its family), whether given circumstances fit it, and the function that makes it. The docstring
of the function says what it is and on what source.

How often each practice is at sea nobody knows. So each family is cast about as often as every other of its kind, as far
as circumstances fit it, and often enough for a figure of its own; those hardest to tell apart a third more often.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from stswatch.errors import StswatchError
from stswatch.sample_ais import deceptions, look_alikes, transfers
from stswatch.sample_ais.cast import Actor, Scene
from stswatch.sample_ais.circumstances import APPROACHES, HOUR_S, TRADE_ROADS, Circumstance
from stswatch.sample_ais.lying import KEEPS_WAY_KN, STILL_KN
from stswatch.sample_ais.motion import Floats
from stswatch.sample_ais.stage import Stage


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
        _, _, told = (inspect.getdoc(self.make) or "").partition("Source: ")
        return told.replace("\n", " ")


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
    Scenario("identity_swap", "deception", TRANSFER, 0.7, anything, deceptions.identity_swap),
    Scenario("look_alike_imo", "deception", TRANSFER, 0.7, anything, deceptions.look_alike_imo),
    Scenario("flag_hop", "deception", TRANSFER, 0.7, anything, deceptions.flag_hop),
    Scenario("forged_track", "deception", TRANSFER, 0.7, anything, deceptions.forged_track),
    Scenario("shared_by_two", "deception", TRANSFER, 0.5, anything, deceptions.shared_by_two),
    Scenario("bunkering", "bunkering", LOOK_ALIKE, 1.0, slow, look_alikes.bunkering),
    Scenario("lightering", "lightering", LOOK_ALIKE, 1.0, of_hours, look_alikes.lightering),
    Scenario("supply_at_sea", "supply", LOOK_ALIKE, 1.0, anything, look_alikes.supply_at_sea),
    Scenario("pilot", "pilot", LOOK_ALIKE, 1.0, short, look_alikes.pilot),
    Scenario("tug", "tug", LOOK_ALIKE, 1.0, close, look_alikes.tug),
    Scenario("tow", "tow", LOOK_ALIKE, 1.0, making_way, look_alikes.tow),
    Scenario("crew_boat", "crew_boat", LOOK_ALIKE, 1.0, close, look_alikes.crew_boat),
    Scenario("pair_trawl", "fishing", LOOK_ALIKE, 1.0, making_way, look_alikes.pair_trawl),
    Scenario("anchorage_neighbours", "anchorage", LOOK_ALIKE, 2.0, apart_and_still, look_alikes.anchorage_neighbours),
    Scenario("port_queue", "anchorage", LOOK_ALIKE, 1.0, apart, look_alikes.port_queue),
    Scenario("ferry_transfer", "ferry", LOOK_ALIKE, 1.0, near_port, look_alikes.ferry_transfer),
    Scenario("dredging", "dredging", LOOK_ALIKE, 1.0, slow, look_alikes.dredging),
    Scenario("boarding", "patrol", LOOK_ALIKE, 1.0, short, look_alikes.boarding),
    Scenario("research", "research", LOOK_ALIKE, 1.0, slow, look_alikes.research),
    Scenario("reception_hole", "reception", LOOK_ALIKE, 1.0, anything, look_alikes.reception_hole),
    Scenario("shared_mmsi", "shared_mmsi", LOOK_ALIKE, 1.0, anything, look_alikes.shared_mmsi),
)
NAMES = tuple(row.name for row in SCENARIOS)
FAMILIES = tuple(dict.fromkeys(row.family for row in SCENARIOS))


def allowed(only: Collection[str] = (), without: Collection[str] = ()) -> tuple[Scenario, ...]:
    """The rows named, by name or family, all where none is; less those in `without`. Raises PlanError for no such."""
    unknown = (set(only) | set(without)) - set(NAMES) - set(FAMILIES)
    if unknown:
        raise PlanError(
            f"no scenario or family {sorted(unknown)[0]!r}; there are {', '.join(dict.fromkeys((*NAMES, *FAMILIES)))}"
        )
    rows = [row for row in SCENARIOS if not only or row.name in only or row.family in only]
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
