"""Transfers from hull to hull, one function a scene, and the deceptions that go with some.

What they are built on: reports of the Panel of Experts of the 1718 Committee (documents S/2019/171 to S/2024/215) and
the maritime advisory of the United States of May 2020, as summed up in DOMAIN.md. Ways of moving are choices of this
project; durations, distances and speeds are drawn before a scene is chosen, see circumstances.py.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stswatch.sample_ais import beside
from stswatch.sample_ais.cast import SWITCHED_OFF, Actor, Emitter, Quiet
from stswatch.sample_ais.circumstances import HOUR_S, Circumstance
from stswatch.sample_ais.motion import shift, voyage
from stswatch.sample_ais.passages import passage
from stswatch.sample_ais.ships import Ship, with_check_digit
from stswatch.sample_ais.stage import DPRK_ROLE, Stage, status_of

PARTIES = (
    ("tanker", "small_tanker", 0.3),
    ("small_tanker", "small_tanker", 0.3),
    ("tanker_large", "small_tanker", 0.08),
    ("bulker", "coaster", 0.12),
    ("coaster", "coaster", 0.12),
    ("bulker", "bulker", 0.08),
)
SILENT_AFTER = 0.22  # of each party: switched off before or after, since that is what the reports describe


def parties(stage: Stage) -> tuple[tuple[str, Ship], tuple[str, Ship]]:
    """Kind and ship of host and guest; every other guest is under the flag in the role of the DPRK."""
    k = int(stage.rng.choice(len(PARTIES), p=[p[2] for p in PARTIES]))
    host, guest = PARTIES[k][:2]
    flag = DPRK_ROLE if stage.rng.random() < 0.5 else None
    return (host, stage.yard.launch(host)), (guest, stage.yard.launch(guest, flag))


def pair(
    stage: Stage,
    c: Circumstance,
    host: tuple[str, Ship],
    guest: tuple[str, Ship],
    waits_h: tuple[float, float] = (0.3, 9.0),
    under_way: bool | None = None,
) -> list[Actor]:
    """Host and guest meet as the circumstances say: one waits, the other comes alongside and leaves."""
    (host_kind, first), (guest_kind, second) = host, guest
    come_m = min(3000.0, 600.0 * c.place.room_km)
    late_s = stage.some_hours(0.6, 2.5)
    lying = stage.host(c, first, stage.some_hours(*waits_h) + 2400.0, late_s + 2400.0, under_way)
    right, ahead, turned = beside.offset_m(stage.rng, first, second, c.distance_m)
    course = beside.alongside(stage.rng, lying, c.start_s, c.end_s, right, ahead, turned, from_m=come_m)
    lands = ("KP",) if second.flag == DPRK_ROLE else ()
    status = [status_of(c.speed_kn, kind) for kind in (host_kind, guest_kind)]
    actors = []
    for ship, kind, act, where, told in (
        (first, host_kind, lying, (), status[0]),
        (second, guest_kind, course, lands, status[1]),
    ):
        origin, goal = stage.spot(c.place, countries=where), stage.spot(c.place, countries=where)
        actors.append(stage.actor(ship, kind, c.place, [act], origin, goal, told))
    return actors


def _laden(stage: Stage, c: Circumstance, actors: list[Actor]) -> list[Actor]:
    """The host grows lighter, the guest deeper, as far as their crews say so; each may fall silent beside it."""
    gives, takes = stage.loads(actors[0], c, -0.25, 0.45), stage.loads(actors[1], c, 0.3, 0.45)
    return [stage.silent(a, c, SILENT_AFTER) for a in (gives, takes, *actors[2:])]


def lit(stage: Stage, c: Circumstance) -> list[Actor]:
    """Two hulls lie side by side, both reporting throughout.

    Source: Panel of Experts, S/2019/171: transfers with AIS on, near the East China Sea coast.
    """
    return _laden(stage, c, pair(stage, c, *parties(stage)))


def at_anchor(stage: Stage, c: Circumstance) -> list[Actor]:
    """The host is at anchor and the guest makes fast to it.

    Source: Panel of Experts, S/2023/171: transfers at anchor in the approaches to Nampo, off Sok-to and Cho-do.
    """
    return _laden(stage, replace(c), pair(stage, replace(c, speed_kn=min(c.speed_kn, 0.1)), *parties(stage)))


def under_way(stage: Stage, c: Circumstance) -> list[Actor]:
    """Both keep way, about 4 kn at most, while hoses are across.

    Source: OCIMF, Ship to Ship Transfer Guide (2013): transfers under way at manoeuvring speed.
    """
    return _laden(stage, c, pair(stage, c, *parties(stage), under_way=True))


def port_approaches(stage: Stage, c: Circumstance) -> list[Actor]:
    """Close to a port or in roads, where much lawful work of the same look goes on.

    Source: Panel of Experts, S/2024/215: transfers within the territorial sea and port approaches.
    """
    return _laden(stage, c, pair(stage, c, *parties(stage), waits_h=(0.3, 4.0)))


def across_midnight(stage: Stage, c: Circumstance) -> list[Actor]:
    """Begins before and ends after midnight UTC, where records are cut into days."""
    midnight_s = np.round((c.start_s + c.end_s) / 2 / (24 * HOUR_S)) * 24 * HOUR_S
    return _laden(stage, c, pair(stage, at(c, midnight_s, float(stage.rng.uniform(0.2, 0.8))), *parties(stage)))


def at(c: Circumstance, time_s: float, share: float) -> Circumstance:
    """The circumstances moved so that a time lies at a share of their duration."""
    return replace(c, start_s=float(time_s - share * c.duration_s))


def one_dark(stage: Stage, c: Circumstance) -> list[Actor]:
    """One of the two sends nothing from before the meeting until after it.

    Source: US maritime advisory of May 2020: disabling of AIS before a transfer and on the way to a DPRK port.
    """
    actors = _laden(stage, c, pair(stage, c, *parties(stage), waits_h=(1.0, 10.0)))
    who = 1 if stage.rng.random() < 0.7 else 0
    actors[who] = _dark(stage, actors[who], c)
    return actors


def both_dark(stage: Stage, c: Circumstance) -> list[Actor]:
    """Neither sends anything from before the meeting until after it.

    Source: Panel of Experts, S/2020/151: both vessels without AIS, known from imagery alone.
    """
    return [_dark(stage, a, c) for a in _laden(stage, c, pair(stage, c, *parties(stage)))]


def _dark(stage: Stage, actor: Actor, c: Circumstance) -> Actor:
    off_s, on_s = c.start_s - stage.some_hours(0.7, 6.0), c.end_s + stage.some_hours(0.7, 8.0)
    return replace(actor, quiets=(Quiet(off_s, on_s, SWITCHED_OFF),))


def shuttle(stage: Stage, c: Circumstance) -> list[Actor]:
    """A small hull comes to the same larger one two or three times, some hours apart.

    Source: Panel of Experts, S/2020/840: feeder vessels that shuttle between a mother ship and the coast.
    """
    host, guest = (
        ("tanker", stage.yard.launch("tanker")),
        ("small_tanker", stage.yard.launch("small_tanker", DPRK_ROLE)),
    )
    trips = int(stage.rng.integers(2, 4))
    each_s = max(1200.0, min(c.duration_s, 8 * HOUR_S) / trips)
    gap_s = stage.some_hours(1.5, 5.0)
    whole = replace(c, duration_s=trips * each_s + (trips - 1) * gap_s)
    lying = stage.host(whole, host[1], stage.some_hours(0.5, 6.0) + 2400.0, 6000.0)
    right, ahead, turned = beside.offset_m(stage.rng, host[1], guest[1], c.distance_m)
    come_m = min(3000.0, 600.0 * c.place.room_km)
    acts = []
    for k in range(trips):
        start_s = whole.start_s + k * (each_s + gap_s)
        acts.append(beside.alongside(stage.rng, lying, start_s, start_s + each_s, right, ahead, turned, from_m=come_m))
    status = [status_of(c.speed_kn, kind) for kind, _ in (host, guest)]
    spots = [stage.spot(c.place), stage.spot(c.place), *[stage.spot(c.place, countries=("KP",)) for _ in range(2)]]
    actors = [
        stage.actor(host[1], host[0], c.place, [lying], spots[0], spots[1], status[0]),
        stage.actor(guest[1], guest[0], c.place, acts, spots[2], spots[3], status[1]),
    ]
    return _laden(stage, whole, actors)


def three_hulls(stage: Stage, c: Circumstance) -> list[Actor]:
    """A hull on each side of a third; often one of some 45 m between two of 85 to 105 m.

    Source: DOMAIN.md, scenes off Cho-do on imagery.
    """
    middle = ("small_tanker", stage.yard.launch("small_tanker", scale=float(stage.rng.choice([0.5, 1.0]))))
    sides = [("coaster", stage.yard.launch("coaster", DPRK_ROLE)), ("coaster", stage.yard.launch("coaster"))]
    lying = stage.host(c, middle[1], stage.some_hours(0.5, 5.0) + 2400.0, 6000.0)
    come_m = min(3000.0, 600.0 * c.place.room_km)
    actors = [_goes(stage, c, *middle, [lying])]
    for side, (kind, ship) in zip((1.0, -1.0), sides, strict=True):
        right, ahead, turned = beside.offset_m(stage.rng, middle[1], ship, c.distance_m)
        late_s = float(stage.rng.uniform(0, min(0.2 * c.duration_s, 3 * HOUR_S)))
        right = side * abs(right)
        act = beside.alongside(stage.rng, lying, c.start_s + late_s, c.end_s, right, ahead, turned, from_m=come_m)
        actors.append(_goes(stage, c, kind, ship, [act]))
    return _laden(stage, c, actors)


def _goes(stage: Stage, c: Circumstance, kind: str, ship: Ship, acts: list[beside.Lying]) -> Actor:
    lands = ("KP",) if ship.flag == DPRK_ROLE else ()
    origin, goal = stage.spot(c.place, countries=lands), stage.spot(c.place, countries=lands)
    return stage.actor(ship, kind, c.place, acts, origin, goal, status_of(c.speed_kn, kind))


def satellite_only(stage: Stage, c: Circumstance) -> list[Actor]:
    """Far from every shore station, so heard only in the passes of satellites, 40 to 100 minutes apart by default.

    The place is the plan's; this scene is chosen where no station is within 130 km of it.
    """
    return _laden(stage, c, pair(stage, c, *parties(stage)))


def identity_swap(stage: Stage, c: Circumstance) -> list[Actor]:
    """During the meeting, or within hours of it, both hulls go on under each other's identity.

    Source: US maritime advisory of May 2020; C4ADS, Unmasked (2021): vessels that exchange identities.
    """
    actors = _laden(stage, c, pair(stage, c, *parties(stage)))
    when_s = c.end_s + stage.some_hours(-0.3, 3.0)
    ships = [a.ship for a in actors]
    return [
        replace(a, emitters=(Emitter(mine, until_s=when_s), Emitter(other, from_s=when_s)))
        for a, mine, other in zip(actors, ships, ships[::-1], strict=True)
    ]


def look_alike_imo(stage: Stage, c: Circumstance) -> list[Actor]:
    """The guest broadcasts an IMO number that differs from its own by 3 for 8 in one place, check digit still right.

    Source: DOMAIN.md: Panama's circular of 3s painted to 8s, and the places at which the check digit does not notice.
    """
    actors = _laden(stage, c, pair(stage, c, *parties(stage)))
    ship = actors[1].ship
    own = with_check_digit(300_000 + int(stage.rng.integers(0, 100)) * 1000 + 300 + int(stage.rng.integers(100)))
    shown = own + 500_0  # the fourth digit: 3 becomes 8
    actors[1] = replace(actors[1], ship=replace(ship, imo=own), emitters=(Emitter(replace(ship, imo=shown)),))
    return actors


def flag_hop(stage: Stage, c: Circumstance) -> list[Actor]:
    """The guest changes flag, MMSI, name and call sign on the way to the meeting, and keeps its IMO number.

    Source: US maritime advisory of May 2020: false flags and flag hopping.
    """
    actors = _laden(stage, c, pair(stage, c, *parties(stage)))
    ship = actors[1].ship
    was = replace(stage.yard.launch("small_tanker"), imo=ship.imo, kind=ship.kind, hull=ship.hull)
    when_s = c.start_s - stage.some_hours(1.5, 12.0)
    actors[1] = replace(actors[1], emitters=(Emitter(was, until_s=when_s), Emitter(ship, from_s=when_s)))
    return actors


def forged_track(stage: Stage, c: Circumstance) -> list[Actor]:
    """While the guest is at the meeting its transponder shows another course, tens of kilometres away.

    Source: C4ADS, Unmasked (2021); Global Fishing Watch and SkyTruth (2021) on false AIS tracks.
    """
    actors = _laden(stage, c, pair(stage, c, *parties(stage)))
    ship, from_s, until_s = actors[1].ship, c.start_s - stage.some_hours(0.7, 4.0), c.end_s + stage.some_hours(0.7, 4.0)
    out_m, bearing = stage.rng.uniform(25_000, 70_000), stage.rng.uniform(0, 2 * np.pi)
    start = shift(c.place.lon, c.place.lat, out_m * np.sin(bearing), out_m * np.cos(bearing))
    way = float(stage.speed_kn("coaster")) * 0.5 * (until_s - from_s) * 1852 / 3600 / 4
    corners = [shift(*start, way * x, way * y) for x, y in ((0, 0), (0.8, 0.6), (0.1, 1.0), (-0.6, 0.2), (0, 0))]
    shown = voyage([(float(x), float(y)) for x, y in corners], from_s, 4.5)
    claims = (Emitter(ship, until_s=from_s), Emitter(ship, from_s, until_s, shown), Emitter(ship, from_s=until_s))
    actors[1] = replace(actors[1], emitters=claims)
    return actors


def shared_by_two(stage: Stage, c: Circumstance) -> list[Actor]:
    """The guest uses the MMSI of another hull that goes about its own business at the same time.

    Source: DOMAIN.md, one MMSI on two hulls.
    """
    actors = _laden(stage, c, pair(stage, c, *parties(stage)))
    ship = actors[1].ship
    other = replace(stage.yard.launch("small_tanker"), mmsi=ship.mmsi, name=ship.name, call_sign=ship.call_sign)
    far = stage.spot(c.place, 250.0, 1500.0)
    goal = stage.spot(c.place, 250.0, 1500.0)
    return [*actors, passage(stage, "small_tanker", other, far, goal)]
