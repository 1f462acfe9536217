"""What is to be simulated, and what comes of it; simulation.py says what the tables hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from stswatch.sample_ais import scenarios
from stswatch.sample_ais.cast import Scene
from stswatch.sample_ais.columns import Cast
from stswatch.sample_ais.courses import Ints
from stswatch.sample_ais.listen import Chances, Network
from stswatch.sample_ais.measure import Meetings
from stswatch.sample_ais.motion import Floats
from stswatch.sample_ais.observe import Received
from stswatch.sample_ais.waters import waters


@dataclass(frozen=True)
class Plan:
    """What is simulated. Counts are of scenes and ships, not of what is received of them."""

    start_s: int = 1_741_564_800  # seconds since 1970; the default is 2025-03-10T00:00Z
    days: float = 2.0
    background: int = 120  # ships that take part in no scene
    transfers: int = 20  # scenes of kind transfer
    look_alikes: int = 40  # scenes of kind look_alike
    only: tuple[str, ...] = ()  # names or families of scenarios; all where empty
    without: tuple[str, ...] = ()  # names or families that are not drawn
    in_zones: float = 0.6  # share of scenes in reported transfer areas, the same for both kinds
    zones: tuple[str, ...] = ()  # only in these; all by their weights where empty
    box: tuple[float, float, float, float] | None = None  # west, south, east, north: only ports and places in it
    duration_factor: float = 1.0  # stretches the fitted durations
    distance_factor: float = 1.0  # stretches the fitted distances
    noise: float = 1.0  # factor on position noise
    slot_s: float = 60.0  # at most one report of a ship in so long is delivered, 10 or more
    static_s: float = 1800.0  # and one static report
    range_factor: float = 1.0  # on the range of shore stations
    satellite_min: tuple[float, float] = (12.0, 40.0)  # minutes between passes
    weak_min: tuple[float, float] = (40.0, 100.0)  # between those that hear the ships of `satellite_only` too
    footprint_ships: float = 2500.0  # that a satellite hears at once beside those simulated
    density: float = 1.0  # factor on the crowding of receivers by the ships near by
    outages_per_day: float = 0.4
    late_share: float = 0.02  # of fixes, delivered half an hour late and more
    no_position: float = 0.0004  # of fixes, without a position

    def __post_init__(self) -> None:
        for name, least, value in (
            ("slot_s", 10.0, self.slot_s),
            ("days", 0.05, self.days),
            ("background", 0, self.background),
            ("transfers", 0, self.transfers),
            ("look_alikes", 0, self.look_alikes),
        ):
            if value < least:
                raise scenarios.PlanError(f"{name} is {value:g}; give {least:g} or more")
        kinds = {row.kind for row in scenarios.allowed(self.only, self.without)}
        counts = {scenarios.TRANSFER: self.transfers, scenarios.LOOK_ALIKE: self.look_alikes}
        if self.background + sum(counts[kind] for kind in kinds) == 0:
            raise scenarios.PlanError(
                "no ships: no background, and no scenes of the kinds that may be drawn; give some"
            )
        sea = waters() if self.box is None else waters().within(self.box)
        unknown = set(self.zones) - set(sea.zones)
        if unknown:
            raise scenarios.PlanError(f"no zone {sorted(unknown)[0]!r}; there are {', '.join(sea.zones)}")
        if len(sea.spots) < 100 or not sea.zones or not sea.open_nodes:
            raise scenarios.PlanError(f"box {self.box} holds too few ports or zones; give a larger one")


class Simulated(NamedTuple):
    """What came of a plan; the columns are described at the top of this module."""

    fixes: pa.Table
    static_reports: pa.Table
    ships: pa.Table
    meetings: pa.Table
    gaps: pa.Table
    vessel_days: int
    plan: Plan
    seed: int


@dataclass(frozen=True)
class Sea:
    """The scenes and all that was worked out of them, before it became tables."""

    plan: Plan
    scenes: tuple[Scene, ...]
    scene_of: tuple[int, ...]  # of each actor
    cast: Cast
    network: Network
    chances: Chances
    heard: Received
    said: tuple[Ints, Floats, Floats, Ints]  # see statics.received
    met: Meetings
    seed: int
