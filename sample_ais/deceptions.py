"""Transfers that go with a deception: of identity, of flag, of the course that is shown. One function a scene.

Sources as in transfers.py; "the advisory" is that on deceptive practices of May 2020.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stswatch.geo.sphere import M_PER_NM
from stswatch.sample_ais.cast import Actor, Emitter
from stswatch.sample_ais.circumstances import Circumstance
from stswatch.sample_ais.motion import shift, voyage
from stswatch.sample_ais.passages import passage
from stswatch.sample_ais.ships import with_check_digit
from stswatch.sample_ais.stage import Stage
from stswatch.sample_ais.transfers import laden, pair, parties


def identity_swap(stage: Stage, c: Circumstance) -> list[Actor]:
    """During the meeting, or within hours of it, both hulls go on under each other's identity.

    Source: the advisory of May 2020: physically altering vessel identification.
    """
    actors = laden(stage, c, pair(stage, c, *parties(stage)))
    when_s = c.end_s + stage.some_hours(-0.3, 3.0)
    ships = [a.ship for a in actors]
    return [
        replace(a, emitters=(Emitter(mine, until_s=when_s), Emitter(other, from_s=when_s)))
        for a, mine, other in zip(actors, ships, ships[::-1], strict=True)
    ]


def look_alike_imo(stage: Stage, c: Circumstance) -> list[Actor]:
    """The guest broadcasts an IMO number that differs from its own by 3 for 8 in one place, check digit still right.

    Source: the registry of Panama warned of numbers painted from 3 to 8; the weights 7 to 2 of the check digit let
    that pass in the second, fourth and sixth place.
    """
    actors = laden(stage, c, pair(stage, c, *parties(stage)))
    ship = actors[1].ship
    own = with_check_digit(300_000 + int(stage.rng.integers(0, 100)) * 1000 + 300 + int(stage.rng.integers(100)))
    shown = own + 500_0  # the fourth digit: 3 becomes 8
    actors[1] = replace(actors[1], ship=replace(ship, imo=own), emitters=(Emitter(replace(ship, imo=shown)),))
    return actors


def flag_hop(stage: Stage, c: Circumstance) -> list[Actor]:
    """The guest changes flag, MMSI, name and call sign on the way to the meeting, and keeps its IMO number.

    Source: the advisory of May 2020: false flags and flag hopping.
    """
    actors = laden(stage, c, pair(stage, c, *parties(stage)))
    ship = actors[1].ship
    was = replace(stage.yard.launch("small_tanker"), imo=ship.imo, kind=ship.kind, hull=ship.hull)
    when_s = c.start_s - stage.some_hours(1.5, 12.0)
    actors[1] = replace(actors[1], emitters=(Emitter(was, until_s=when_s), Emitter(ship, from_s=when_s)))
    return actors


def forged_track(stage: Stage, c: Circumstance) -> list[Actor]:
    """While the guest is at the meeting its transponder shows another course, tens of kilometres away.

    Source: the advisory of May 2020: manipulating AIS.
    """
    actors = laden(stage, c, pair(stage, c, *parties(stage)))
    ship, from_s, until_s = actors[1].ship, c.start_s - stage.some_hours(0.7, 4.0), c.end_s + stage.some_hours(0.7, 4.0)
    out_m, bearing = stage.rng.uniform(25_000, 70_000), stage.rng.uniform(0, 2 * np.pi)
    start = shift(c.place.lon, c.place.lat, out_m * np.sin(bearing), out_m * np.cos(bearing))
    way = 4.5 * (until_s - from_s) * M_PER_NM / 3600 / 4
    corners = [shift(*start, way * x, way * y) for x, y in ((0, 0), (0.8, 0.6), (0.1, 1.0), (-0.6, 0.2), (0, 0))]
    shown = voyage([(float(x), float(y)) for x, y in corners], from_s, 4.5)
    claims = (Emitter(ship, until_s=from_s), Emitter(ship, from_s, until_s, shown), Emitter(ship, from_s=until_s))
    actors[1] = replace(actors[1], emitters=claims)
    return actors


def shared_by_two(stage: Stage, c: Circumstance) -> list[Actor]:
    """The guest uses the MMSI of another hull that goes about its own business at the same time."""
    actors = laden(stage, c, pair(stage, c, *parties(stage)))
    ship = actors[1].ship
    other = replace(stage.yard.launch("small_tanker"), mmsi=ship.mmsi, name=ship.name, call_sign=ship.call_sign)
    far = stage.spot(c.place, 250.0, 1500.0)
    goal = stage.spot(c.place, 250.0, 1500.0)
    return [*actors, passage(stage, other, far, goal)]
