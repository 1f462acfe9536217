"""Lets the program watch simulated seas in which scripts of published cases are played: `python -m tests.replays.play`.

The same traffic three times: nobody of a script silent, the second party, both. Prints the table of docs/replays.md.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd

from stswatch.geo.coordinates.sphere import haversine_m
from stswatch.pipeline import api
from stswatch.sample_ais import feed, simulation, truth
from stswatch.sample_ais.fleet import at_rest
from stswatch.sample_ais.fleet.ships import DPRK_ROLE, SWITCHED_OFF, Actor, Quiet, Scene, Ship
from stswatch.sample_ais.fleet.waters import Place, Spot, waters
from stswatch.sample_ais.scenes.circumstances import HOUR_S, Circumstance
from stswatch.sample_ais.scenes.scenarios import TRANSFER
from stswatch.sample_ais.scenes.stage import Stage
from stswatch.sample_ais.scenes.transfers import coming
from stswatch.sample_ais.scenes.voyages import SHIPS_A_SCENE, VoyagePlan
from tests.replays.scripts import SCRIPTS, Party, Script

SEED, DAY_S = 2024, 86_400.0
PLAN = VoyagePlan(days=22.0, background=250, transfers=0, look_alikes=60)
FIRST_DAY, DAYS = 9, 6  # scripts begin on these days of the sea, in turn
APART_M, SPEED_KN = 30.0, 0.3
WAYS = {"nobody": (), "the second": (1,), "both": (0, 1)}  # who is silent
NUMBERS = 1000  # of the first script, in scenes: beyond those of the sea


QUERIES = {
    "encounter": """SELECT mmsi_a, mmsi_b, start_time, end_time, id IN (SELECT id FROM flagged_encounters) AS lead,
        rank() OVER (ORDER BY score DESC) AS rank FROM encounters WHERE status = 'current'""",
    "dark": """SELECT mmsi_a, mmsi_b, start_time, end_time, kind, id IN (SELECT id FROM dark_leads) AS lead,
        chance_by_accident AS chance FROM dark_meetings""",
    "absent pair": "SELECT mmsi_a, mmsi_b, start_time, end_time FROM dark_absences",
    "absence": "SELECT mmsi AS mmsi_a, mmsi AS mmsi_b, start_time, end_time, days FROM long_absences",
    "gap": """SELECT mmsi AS mmsi_a, mmsi AS mmsi_b, start_time,
        coalesce(end_time, TIMESTAMPTZ '2100-01-01') AS end_time, ending, judgement, judged_h, duration_h FROM gaps""",
}


class Played(NamedTuple):
    """What became of a script: how far from the published place it was played, and what the program wrote of it."""

    script: Script
    off_km: float
    mmsi: tuple[int, ...]
    found: dict[str, pd.DataFrame]


def place_of(script: Script) -> Place:
    """The place of the simulated sea in its zone that is nearest to the published one."""
    places = waters().zones[script.zone]
    return min(places, key=lambda p: float(haversine_m(p.lon, p.lat, script.lon, script.lat)))


def off_km(script: Script) -> float:
    """How far from its published place a script is played."""
    place = place_of(script)
    return float(haversine_m(place.lon, place.lat, script.lon, script.lat)) / 1000


def scene(script: Script, number: int, silent: tuple[int, ...]) -> Scene:
    """The script as a scene of the simulator."""
    stage = PLAN.stage(np.random.default_rng([SEED, number]), waters(), SHIPS_A_SCENE * (NUMBERS + number), ())
    start_s = DAY_S * (FIRST_DAY + number % DAYS) + HOUR_S * script.hour
    place = place_of(script)
    c = Circumstance(place, start_s, script.duration_h * HOUR_S, APART_M, SPEED_KN, waters().port_km(place))
    host, guest = ships = [_ship(stage, party) for party in (script.first, script.second)]
    ends = [(_spot(stage, party.of), _spot(stage, party.to)) for party in (script.first, script.second)]
    before_s, after_s = (HOUR_S * hours + 2400.0 for hours in script.waits_h)
    lies = stage.host(c, host, before_s, after_s)
    right, ahead, turned = at_rest.offset_m(stage.rng, host, guest, c.distance_m)
    act = at_rest.alongside(stage.rng, lies, c.start_s, c.end_s, right, ahead, turned, coming(stage, c, ends[1]))
    quiet = Quiet(c.start_s - HOUR_S * script.dark_h[0], c.end_s + HOUR_S * script.dark_h[1], SWITCHED_OFF)
    actors: list[Actor] = []
    for k, (ship, what, of) in enumerate(zip(ships, (lies, act), ends, strict=True)):
        actor = stage.actor(ship, c.place, [what], *of)
        actors.append(actor.quiet(quiet) if k in silent else actor)
    return Scene(script.name, "replay", TRANSFER, "replay", script.zone, tuple(actors))


def _ship(stage: Stage, party: Party) -> Ship:
    return stage.ship_factory.launch(party.kind, DPRK_ROLE if party.role else None)


def _spot(stage: Stage, port: str) -> Spot:
    of = [spot for spot in waters().spots if spot.port == port]
    return of[int(stage.rng.integers(len(of)))]


def play(silent: tuple[int, ...], folder: Path) -> tuple[list[Played], dict[str, int]]:
    """A sea with all scripts, watched as from a recording; what became of each, and how many rows there are in all."""
    scenes = [scene(script, number, silent) for number, script in enumerate(SCRIPTS)]
    sea = truth.all_of(simulation.build(PLAN, SEED, scenes))
    recording, *_ = feed.write(folder, sea, "replay", tables=False)
    api.run(recording, folder / "data")
    pairs = [tuple(sorted(actor.ship.mmsi for actor in each.actors)) for each in scenes]
    with closing(api.connect(folder / "data")) as db:
        tables = {name: db.sql(query).to_df() for name, query in QUERIES.items()}
    played = []
    for script, pair, each in zip(SCRIPTS, pairs, scenes, strict=True):
        start_s = PLAN.start_s + each.actors[0].acts[0][0]
        end_s = PLAN.start_s + each.actors[0].acts[0][1]
        of = {name: _of(table, pair, start_s, end_s) for name, table in tables.items()}
        played.append(Played(script, off_km(script), pair, of))
    return played, {name: len(table) for name, table in tables.items()}


def _of(table: pd.DataFrame, pair: tuple[int, ...], start_s: float, end_s: float) -> pd.DataFrame:
    """The rows of both numbers, or of one of them where a row has but one, that overlap a time."""
    start, end = (pd.Timestamp(t, unit="s", tz="UTC") for t in (start_s, end_s))
    mine = table.mmsi_a.isin(pair) & table.mmsi_b.isin(pair)
    return table[mine & (table.start_time < end) & (table.end_time > start)]


def outcome(found: dict[str, pd.DataFrame]) -> str:
    """What the program wrote of a script, in a few words."""
    met, dark, gaps = found["encounter"], found["dark"], found["gap"]
    if len(met):
        best = met.sort_values("rank").iloc[0]
        return f"encounter, {'lead' if best.lead else 'no lead'}, rank {int(best['rank'])}"
    if len(dark):
        best = dark.sort_values(["lead", "chance"], ascending=[False, True]).iloc[0]
        return f"{best.kind}, {'lead' if best.lead else 'candidate'}"
    if len(found["absent pair"]):
        return "one_dark, candidate of dark_absences"
    why = [f"absent for {days:.0f} d" for days in found["absence"].days]
    ended = gaps[gaps.ending == "resumed"]
    why += [
        f"{gap.judgement.replace('_', ' ')}, {gap.judged_h} of {gap.duration_h:.0f} h judged"
        for gap in ended.itertuples()
    ]
    return "; ".join(["missed", *sorted(set(why))])


def table(played: dict[str, list[Played]]) -> str:
    """A row of Markdown for each script, a column for each way to be silent."""
    lines = [
        f"| case | km off | {' | '.join(f'silent: {way}' for way in played)} |",
        "|---|---|" + "---|" * len(played),
    ]
    for rows in zip(*played.values(), strict=True):
        cells = [outcome(row.found) for row in rows]
        lines.append(f"| {rows[0].script.name} | {rows[0].off_km:.0f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Plays all scripts in all ways and prints the table."""
    played = {}
    for way, silent in WAYS.items():
        with TemporaryDirectory() as name:
            played[way], rows = play(silent, Path(name))
        print(way, rows)
    print(table(played))


if __name__ == "__main__":
    main()
