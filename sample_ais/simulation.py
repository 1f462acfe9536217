"""A simulated sea with its truth: `simulate(plan, seed)` gives Arrow tables, the same for the same plan and seed.

    from stswatch.pipeline import api
    from stswatch.sample_ais.simulation import Plan, simulate

    sea = simulate(Plan(days=2.0), seed=1)
    found = api.detect(sea.fixes)

Tables of `Simulated`; times are timestamps in UTC, every id of a hull is unique in the sea:

`fixes`: position reports as received, in the order of their arrival: the columns and types of the lake's `fixes`
    (docs/tables.md). `source` is "simulated0000000", `offset` the row; `invalid_reason` is null or `no_position`.
`static_reports`: as the lake's `static_reports`.
`ships`: one row per hull and identity it claims. hull, mmsi, from, until (null: the plan's ends), imo (as claimed;
    null: none), true_imo, name, call_sign, flag (fictional, flags.csv), kind (ships.KINDS), ship_type, length_m,
    beam_m, ais_class (A or B), role (party of a scene, or traffic), scenario ("" for the background).
`meetings`: every pair of hulls within 500 m for 5 min or more, measured on the true courses before noise, joined over
    interruptions of up to 30 min. hull_a, hull_b, mmsi_a, mmsi_b (as broadcast at the middle of the meeting, smaller
    first; the hulls in the same order), start, end, begun_before, goes_on_after (cut by the plan, not by the hulls),
    nearest_m, median_m, lon, lat (where nearest), kind (transfer, look_alike: between hulls of one scene; traffic: any
    other), family, scenario, why, place (zone or setting), seen_share (of the meeting within 10 min of a received fix
    of both), seen_start, seen_end (whether both were heard within 10 min of it), receiver (of most fixes of both during
    the meeting: terrestrial, satellite or none), in_port (both lay in a port or anchorage of geo/).
`gaps`: hull, mmsi, start, end (null: the plan ended first), cause: switched_off, equipment (the ship sent nothing from
    start to end), out_of_range, outage (it sent, and nothing was received between two fixes 2 h or more apart).
`vessel_days`: how many pairs of hull and UTC day have a received fix.

Of a VoyagePlan, `gaps` has the causes fade and left (the ship is beyond the edge of the sea) too, and log10_unheard:
the chance that nothing would have been received from start to end of a ship that sent throughout. `more` holds:
`voyages`: legs from one call to the next. hull, mmsi, leaves, arrives, from_port, to_port (ids, or an edge's name),
    destination, draught_m, eta (as entered in the middle of the leg; null: not entered), met (a scene is on the way).
`port_calls`: hull, mmsi, port, country, kind (berth, roads or mooring), lon, lat, arrives, leaves, shown (lit,
    partly_dark, dark), silent_share, forged (a course elsewhere was shown meanwhile), fleet (trade, twin, moored, the
    scenario, or "" for the others).
`outages`: what (station, feed, terrestrial, satellite), stations, start, end.
`handshakes`: hull_a, hull_b, mmsi_a, mmsi_b (their numbers before), time of a swap of numbers.
`forged`: hull, mmsi, start, end, style (corners, smooth, replay, circle, port; displaced: by interference).
`fields`, `etas`: what each row of `fixes` and of `static_reports` holds beside their columns, as sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stswatch.sample_ais import plan as measure
from stswatch.sample_ais import truth
from stswatch.sample_ais.fleet.ships import Scene, ShipFactory, cast_of
from stswatch.sample_ais.fleet.waters import BERTH, Waters, waters
from stswatch.sample_ais.plan import Plan, Sea, Simulated
from stswatch.sample_ais.reception import fades, observe, receivers
from stswatch.sample_ais.reception.observe import Faults
from stswatch.sample_ais.reception.receivers import Hearing
from stswatch.sample_ais.scenes import scenarios, voyages
from stswatch.sample_ais.scenes.circumstances import circumstances
from stswatch.sample_ais.scenes.itinerary import Storm, VoyageStage, storms
from stswatch.sample_ais.scenes.stage import Stage, background
from stswatch.sample_ais.scenes.voyages import SHIPS_A_SCENE, VoyagePlan

__all__ = ["Plan", "Simulated", "VoyagePlan", "build", "scenes_of", "simulate"]


def simulate(plan: Plan, seed: int) -> Simulated:
    """The tables of a sea; the same plan and seed give the same tables.

    Never raises: a plan that cannot be is refused by Plan, with a PlanError that says what there is.

    >>> sea = simulate(Plan(days=0.5, background=3, transfers=1, look_alikes=1), seed=1)
    >>> set(sea.ships["role"].to_pylist()) == {"party", "traffic"}
    True
    """
    return truth.all_of(build(plan, seed))


def scenes_of(plan: Plan, seed: int) -> list[Scene]:
    """The scenes of a plan, the background last. Each draws from a random stream of its own."""
    rows = plan.rows()
    found: list[Scene] = []
    number = 0
    sea = waters() if plan.box is None else waters().within(plan.box)
    weather = storms(_stream(seed, 9), sea, plan.days) if isinstance(plan, VoyagePlan) else ()
    for salt, kind, count in ((1, scenarios.TRANSFER, plan.transfers), (2, scenarios.LOOK_ALIKE, plan.look_alikes)):
        rng, cast = np.random.default_rng([seed, salt]), Counter[str]()
        factors = plan.duration_factor, plan.distance_factor
        for c in circumstances(rng, count, sea, plan.days, plan.in_zones, *factors, plan.zones):
            number += 1
            stage = _stage(plan, sea, np.random.default_rng([seed, salt, number]), SHIPS_A_SCENE * number, weather)
            row = scenarios.choose(stage.rng, rows, kind, c, cast)
            if row is not None:
                cast[row.family] += 1
                scene = scenarios.scene(row, stage, c)
                if isinstance(stage, VoyageStage):
                    scene = replace(scene, actors=tuple(voyages.in_scene(stage, actor) for actor in scene.actors))
                found.append(scene)
    first = SHIPS_A_SCENE * (number + 1)
    if isinstance(plan, VoyagePlan):
        return [*found, *voyages.others(plan, seed, sea, weather, first)]
    for k in range(plan.background):
        stage = _stage(plan, sea, np.random.default_rng([seed, 3, k]), first + k, ())
        found.append(Scene("", "traffic", scenarios.TRAFFIC, "", "", (background(stage),)))
    return found


def _stage(plan: Plan, sea: Waters, rng: np.random.Generator, number: int, weather: tuple[Storm, ...]) -> Stage:
    if isinstance(plan, VoyagePlan):
        return plan.stage(rng, sea, number, weather)
    return Stage(rng, ShipFactory(rng, number), plan.days * 86_400, sea)


def build(plan: Plan, seed: int, more: Sequence[Scene] = ()) -> Sea:
    """The sea of a plan: scenes, those of `more` last, courses, what was heard, who met."""
    scenes = [*scenes_of(plan, seed), *more]
    actors = [actor for scene in scenes for actor in scene.actors]
    cast, weeks = cast_of(actors), isinstance(plan, VoyagePlan)
    passes = plan.satellite_min, plan.weak_min
    network = receivers.network(_stream(seed, 4), plan.days, plan.range_factor, *passes, plan.outages_per_day)
    network = fades.with_outages(_stream(seed, 12), network, plan.days) if weeks else network
    class_b = [actor.ship.kind.ais_class == "B" for actor in actors]
    gain = fades.gains(_stream(seed, 13), len(actors), plan.days) if weeks else None
    chances = receivers.chances(network, cast.courses, class_b, plan.days, plan.footprint_ships, plan.density, gain)
    hearing = Hearing(cast, network, chances)
    faults = Faults(plan.noise, plan.late_share, plan.no_position, boats_have_headings=weeks)
    heard = observe.received(_stream(seed, 5), hearing, plan.days, plan.slot_s, faults)
    static_reports = observe.received_statics(_stream(seed, 6), hearing, plan.days, plan.static_s)
    met = measure.meetings(cast.courses, len(actors), plan.days)
    scene_of = tuple(k for k, scene in enumerate(scenes) for _ in scene.actors)
    sea = Sea(plan, tuple(scenes), scene_of, cast, network, chances, heard, static_reports, met, seed)
    return _over_the_air(sea, hearing) if weeks else sea


def _over_the_air(sea: Sea, hearing: Hearing) -> Sea:
    """The sea with interference in its positions, and with the fields that its sets fill in."""
    spots = waters().spots
    places = np.array([spot.place for spot in spots if spot.kind == BERTH])
    spells = fades.interferences(_stream(sea.seed, 14), places, sea.plan.days)
    heard, moved_by = fades.interfered(spells, sea.heard)
    sent_s = heard.time_s - hearing.wrong_s(heard.station) + sea.plan.start_s
    heard, fields = fades.as_sent(sea.seed, sea.cast, heard, sent_s)
    return replace(sea, heard=heard, fields=fields, spells=spells, moved_by=moved_by)


def _stream(seed: int, part: int) -> np.random.Generator:
    """The random numbers of one part of the work, so that a change in one leaves the others as they were."""
    return np.random.default_rng([seed, part])
