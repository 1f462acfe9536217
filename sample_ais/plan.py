"""What is to be simulated, and what comes of it: simulation.py says what the tables hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from stswatch.geo.coordinates.sphere import MEAN_RADIUS_M, haversine_m, unit_vectors
from stswatch.sample_ais.fleet.motion import Courses, Floats, Ints
from stswatch.sample_ais.fleet.ships import Cast, Scene
from stswatch.sample_ais.fleet.waters import waters
from stswatch.sample_ais.reception.fades import Interference, RadioFields
from stswatch.sample_ais.reception.observe import Received
from stswatch.sample_ais.reception.receivers import Chances, Network
from stswatch.sample_ais.scenes import scenarios

# -------------- Who met whom, measured on the true courses before noise and silence: every pair of hulls within 500 m

WITHIN_M = 500.0
JOIN_S = 1800  # interruptions up to so long do not end a meeting
LEAST_S = 300  # shorter meetings are not listed
COARSE_S = 300.0
FINE_S = 20.0
STEPS = 1000  # coarse ones worked on at a time
ROWS = 100_000  # coarse steps measured at a time, or those of one pair if more: they bound the memory
FASTEST_MS = 28.0  # two ships towards each other at 27 kn each: what a pair closes in half a coarse step is found


class Meetings(NamedTuple):
    """Ships a and b (n,), start and end in seconds (n,), distances in metres, where they were nearest, degrees."""

    a: Ints
    b: Ints
    start_s: Floats
    end_s: Floats
    nearest_m: Floats
    median_m: Floats
    lon: Floats
    lat: Floats


def meetings(courses: Courses, ships: int, days: float) -> Meetings:
    """All meetings of the first `ships` courses of LEAST_S or more, joined over interruptions of up to JOIN_S.

    Start and end are where the distance, straight between steps of FINE_S, crosses 500 m, or where the plan begins and
    ends. Distances are medians over time.
    """
    a, b, step = _near(courses, ships, days)
    starts = np.flatnonzero(np.r_[True, (np.diff(a) != 0) | (np.diff(b) != 0)]) if len(a) else np.zeros(1, int)
    cuts = np.unique(starts[np.searchsorted(starts, np.arange(0, len(a), ROWS), side="right") - 1]).tolist() or [0]
    parts = [
        _between(courses, *_fine(a[low:high], b[low:high], step[low:high], days))
        for low, high in zip(cuts, [*cuts[1:], len(a)], strict=True)
    ]
    return Meetings._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


def _between(courses: Courses, a: Ints, b: Ints, time_s: Floats) -> Meetings:
    """The meetings of whole pairs, given at all steps (n,), in order of pair and time, at which they could be near."""
    lon, lat = (np.stack([courses.at(who, time_s)[k] for who in (a, b)]) for k in (0, 1))
    apart_m = haversine_m(lon[0], lat[0], lon[1], lat[1])
    rows = np.flatnonzero(apart_m <= WITHIN_M)
    same = (a[rows[1:]] == a[rows[:-1]]) & (b[rows[1:]] == b[rows[:-1]])
    new = np.ones(len(rows), bool)
    new[1:] = ~(same & (np.diff(time_s[rows]) <= JOIN_S + FINE_S))
    heads = np.flatnonzero(new)
    first, last = rows[heads], rows[np.append(heads[1:], len(rows))[: len(heads)] - 1]
    group = np.cumsum(new) - 1
    nearest = rows[np.lexsort((apart_m[rows], group))][np.searchsorted(group, np.arange(len(first)))]
    found = Meetings(
        a[first],
        b[first],
        _crossing(a, b, time_s, apart_m, first, -1),
        _crossing(a, b, time_s, apart_m, last, 1),
        apart_m[nearest],
        _medians(apart_m[rows], group),
        (lon[0][nearest] + lon[1][nearest]) / 2,
        (lat[0][nearest] + lat[1][nearest]) / 2,
    )
    keep = found.end_s - found.start_s >= LEAST_S
    return Meetings._make(column[keep] for column in found)


def _near(courses: Courses, ships: int, days: float) -> tuple[Ints, Ints, Ints]:
    """Pairs a < b and coarse steps at which they could be within 500 m before the next, in order of pair and step."""
    steps = np.arange(0, int(np.ceil(days * 86_400 / COARSE_S)) + 1)
    found = []
    for some in np.array_split(steps, len(steps) // STEPS + 1):
        which = np.tile(np.arange(ships), len(some))
        places = MEAN_RADIUS_M * unit_vectors(*courses.at(which, np.repeat(some * COARSE_S, ships)))
        found += [_pairs(places[k * ships : (k + 1) * ships], step) for k, step in enumerate(some.tolist())]
    a, b, step = np.concatenate(found).T
    order = np.lexsort((step, b, a))
    return a[order], b[order], step[order]


def _pairs(places: Floats, step: int) -> NDArray[np.int64]:
    reach_m = WITHIN_M + FASTEST_MS * COARSE_S / 2
    pairs = cKDTree(places).query_pairs(reach_m, output_type="ndarray")
    return np.column_stack([pairs, np.full(len(pairs), step)]).astype(np.int64)


def _fine(a: Ints, b: Ints, step: Ints, days: float) -> tuple[Ints, Ints, Floats]:
    """The pairs at steps of FINE_S around each coarse one, in order of pair and time as they are given."""
    inner = np.arange(-COARSE_S / 2, COARSE_S / 2, FINE_S)
    time_s = (step[:, None] * COARSE_S + inner).ravel()
    keep = (time_s >= 0) & (time_s <= days * 86_400)
    return np.repeat(a, len(inner))[keep], np.repeat(b, len(inner))[keep], time_s[keep]


def _crossing(a: Ints, b: Ints, time_s: Floats, apart_m: Floats, at: Ints, way: int) -> Floats:
    """When the distance crosses 500 m on the way out of the rows `at`, or their own times where nothing is beyond."""
    beyond = np.clip(at + way, 0, len(a) - 1)
    beside = (a[beyond] == a[at]) & (b[beyond] == b[at]) & (np.abs(time_s[beyond] - time_s[at]) < 1.5 * FINE_S)
    rise = np.where(beside, apart_m[beyond] - apart_m[at], 1.0)
    share = np.where(beside & (rise > 0), (WITHIN_M - apart_m[at]) / np.where(rise > 0, rise, 1.0), 0.0)
    return time_s[at] + np.clip(share, 0, 1) * way * FINE_S


def _medians(values: Floats, group: Ints) -> Floats:
    """The median of each group of values (n,); groups are numbered from 0 in order."""
    order = np.lexsort((values, group))
    count = np.bincount(group)
    first = np.cumsum(count) - count
    ranked = values[order]
    return np.asarray((ranked[first + (count - 1) // 2] + ranked[first + count // 2]) / 2)


# ----------------------------- What is to be simulated, and what comes of it; simulation.py says what the tables hold


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
    least_slot_s: ClassVar[float] = 10.0

    def __post_init__(self) -> None:
        for name, least, value in (
            ("slot_s", self.least_slot_s, self.slot_s),
            ("days", 0.05, self.days),
            ("background", 0, self.background),
            ("transfers", 0, self.transfers),
            ("look_alikes", 0, self.look_alikes),
        ):
            if value < least:
                raise scenarios.PlanError(f"{name} is {value:g}; give {least:g} or more")
        kinds = {row.kind for row in self.rows()}
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

    def rows(self) -> tuple[scenarios.Scenario, ...]:
        """The scenarios that may be drawn. Raises PlanError where a name is none."""
        return scenarios.allowed(self.only, self.without)


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
    more: Mapping[str, pa.Table] = MappingProxyType({})  # of a VoyagePlan: see simulation.py


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
    static_times: tuple[Ints, Floats, Floats, Ints]  # see statics.received
    met: Meetings
    seed: int
    fields: RadioFields | None = None  # of a VoyagePlan, as the rest
    spells: tuple[Interference, ...] = ()
    moved_by: Ints | None = None  # (n,) of each report the spell that moved it, or -1
