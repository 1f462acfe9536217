"""Further scenarios of a sea of weeks: forged courses of three styles, shared numbers, classes changed, waits, relays.

As those of scenarios.py: one function a scene, whose docstring says what happens and on what source.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stswatch.sample_ais import behaviour
from stswatch.sample_ais.fleet import at_rest
from stswatch.sample_ais.fleet.motion import Course, shift, voyage
from stswatch.sample_ais.fleet.ships import DPRK_ROLE, EQUIPMENT, SWITCHED_OFF, Actor, Emitter, Quiet
from stswatch.sample_ais.scenes import scenarios, transfers
from stswatch.sample_ais.scenes.circumstances import HOUR_S, Circumstance
from stswatch.sample_ais.scenes.scenarios import LOOK_ALIKE, TRANSFER, Scenario
from stswatch.sample_ais.scenes.stage import Stage, passage, status_of
from stswatch.sample_ais.scenes.transfers import coming, ends, goes, laden, pair, parties

# ---------------------------------------------------------------------------------------- Courses that are not sailed


def forged_smooth(stage: Stage, c: Circumstance) -> list[Actor]:
    """While the guest is at the meeting its transponder shows straight legs at one speed, without any noise.

    Source: generated tracks of naval vessels, found in 2021 (Bergmann and others with Global Fishing Watch).
    """
    actors = laden(stage, c, pair(stage, c, *parties(stage)))
    from_s, until_s = _while(stage, c)
    speed_kn = behaviour()["forged_smooth_kn"].one(stage.rng)
    places, bearing = [_off(stage, c, 20_000, 60_000)], stage.rng.uniform(0, 2 * np.pi)
    leg_m = speed_kn * 0.514444 * (until_s - from_s) / 3
    for _ in range(3):
        bearing += stage.rng.uniform(0.5, 1.4)
        lon, lat = shift(*places[-1], leg_m * np.sin(bearing), leg_m * np.cos(bearing))
        places.append((float(lon), float(lat)))
    return [actors[0], _shows(actors[1], voyage(places, from_s, speed_kn), from_s, until_s, "smooth")]


def forged_replay(stage: Stage, c: Circumstance) -> list[Actor]:
    """While the guest is at the meeting its transponder shows a course that it truly sailed days before.

    Source: the advisory of May 2020: manipulating AIS; how is a choice of this project.
    """
    actors = laden(stage, c, pair(stage, c, *parties(stage)))
    from_s, until_s = _while(stage, c)
    course = actors[1].course
    back_s = min(HOUR_S * behaviour()["forged_shift_h"].one(stage.rng), from_s - float(course.time_s[0]))
    time_s = np.arange(from_s, until_s, 120.0)
    return [actors[0], _shows(actors[1], Course(time_s, *course.at(time_s - back_s)), from_s, until_s, "replay")]


def forged_circle(stage: Stage, c: Circumstance) -> list[Actor]:
    """While the guest is at the meeting its transponder shows it going round in a circle.

    Source: circles of false positions, C4ADS 2019 and SkyTruth 2020.
    """
    actors = laden(stage, c, pair(stage, c, *parties(stage)))
    from_s, until_s = _while(stage, c)
    radius_m = behaviour()["forged_circle_m"].one(stage.rng)
    time_s = np.arange(from_s, until_s, 60.0)
    angle = stage.rng.choice([-1.0, 1.0]) * stage.rng.uniform(2.0, 5.0) * (time_s - from_s) / radius_m
    lon, lat = _off(stage, c, 15_000, 60_000)
    course = Course(time_s, *shift(lon, lat, radius_m * np.sin(angle), radius_m * np.cos(angle)))
    return [actors[0], _shows(actors[1], course, from_s, until_s, "circle")]


def _while(stage: Stage, c: Circumstance) -> tuple[float, float]:
    return c.start_s - stage.some_hours(0.7, 6.0), c.end_s + stage.some_hours(0.7, 6.0)


def _off(stage: Stage, c: Circumstance, least_m: float, most_m: float) -> tuple[float, float]:
    """A place at sea so far off."""
    out_m, bearing = stage.rng.uniform(least_m, most_m), stage.rng.uniform(0, 2 * np.pi)
    lon, lat = shift(c.place.lon, c.place.lat, out_m * np.sin(bearing), out_m * np.cos(bearing))
    return float(lon), float(lat)


def _shows(actor: Actor, shown: Course, from_s: float, until_s: float, style: str) -> Actor:
    """The actor, whose set shows a course that it is not on from when to when."""
    ship = actor.ship
    claims = (
        Emitter(ship, until_s=from_s),
        Emitter(ship, from_s, until_s, shown, style),
        Emitter(ship, from_s=until_s),
    )
    return replace(actor, emitters=claims)


# ------------------------------------------------------------------------------------- Numbers and classes of the sets


def shared_near(stage: Stage, c: Circumstance) -> list[Actor]:
    """The guest uses the number of another hull that passes some kilometres off at the same time.

    Source: the advisory of May 2020: altering vessel identification; how near is a choice of this project.
    """
    actors = laden(stage, c, pair(stage, c, *parties(stage)))
    ship = actors[1].ship
    other = replace(stage.ship_factory.launch("small_tanker"), mmsi=ship.mmsi, name=ship.name, call_sign=ship.call_sign)
    lon, lat = _off(stage, c, 1_500, 1_500 + 400 * c.place.room_km)
    near = replace(c.place, lon=lon, lat=lat, room_km=0.6 * c.place.room_km)
    at = replace(c, place=near, start_s=c.start_s - 2 * HOUR_S, duration_s=c.duration_s + 4 * HOUR_S)
    lies = stage.host(at, other, 600.0, 600.0)
    return [*actors, stage.actor(other, near, [lies], *ends(stage, at, other), status_of(c.speed_kn, other), "traffic")]


def class_change(stage: Stage, c: Circumstance) -> list[Actor]:
    """The guest goes over from class A to class B, of less power and with fewer fields, before the meeting.

    Source: press and analysts on DPRK vessels with sets of fishing boats; a choice of this project.
    """
    actors = laden(stage, c, pair(stage, c, *parties(stage)))
    ship = actors[1].ship
    as_boat = replace(ship, imo=0, kind=ship.kind._replace(ais_class="B", ship_type=30))
    from_s, until_s = _while(stage, c)
    claims = [Emitter(ship, until_s=from_s), Emitter(as_boat, from_s=from_s)]
    if behaviour()["class_change"].happens(stage.rng):
        claims = [claims[0], Emitter(as_boat, from_s, until_s), Emitter(ship, from_s=until_s)]
    return [actors[0], replace(actors[1], emitters=tuple(claims))]


# ------------------------------------------------------------------- Waits with a guest and without, dark and lawful


def waits_for_dark(stage: Stage, c: Circumstance) -> list[Actor]:
    """One waits for hours with its set on; the other comes, and goes, with its set off.

    Source: the advisory of May 2020: disabling or manipulating AIS.
    """
    known, rng = behaviour(), stage.rng
    extra = known["loiter_extra_h"]
    host, guest = parties(stage)
    lies = stage.host(c, host, HOUR_S * extra.one(rng) + 2400, HOUR_S * extra.one(rng) + 2400)
    of = ends(stage, c, guest)
    right, ahead, turned = at_rest.offset_m(rng, host, guest, c.distance_m)
    act = at_rest.alongside(rng, lies, c.start_s, c.end_s, right, ahead, turned, coming(stage, c, of))
    loaded = laden(stage, c, [goes(stage, c, host, [lies]), goes(stage, c, guest, [act], of)])
    return [loaded[0], dark(stage, loaded[1], c)]


def dark(stage: Stage, actor: Actor, c: Circumstance) -> Actor:
    """The actor, silent from hours before the circumstances until hours after."""
    known = behaviour()
    before_s, after_s = (HOUR_S * known[name].one(stage.rng) for name in ("dark_before_h", "dark_after_h"))
    return replace(actor, quiets=(Quiet(c.start_s - before_s - 1800, c.end_s + after_s + 1800, SWITCHED_OFF),))


def waits_alone(stage: Stage, c: Circumstance) -> list[Actor]:
    """A lawful ship waits at sea for orders, weather or a tide, as long as others wait for a guest; none comes."""
    ship = stage.launch(*scenarios.CARGO, "small_tanker")
    half_s = HOUR_S * behaviour()["loiter_h"].one(stage.rng) / 2
    middle_s = (c.start_s + c.end_s) / 2
    at = replace(c, start_s=middle_s - half_s, duration_s=2 * half_s)
    spots = stage.spot(c.place), stage.spot(c.place, 10.0, 500.0)
    return [stage.actor(ship, c.place, [stage.host(at, ship, 600.0, 600.0)], *spots, status_of(c.speed_kn, ship))]


def two_silent(stage: Stage, c: Circumstance) -> list[Actor]:
    """Two lawful ships pass the same waters at the same time, both silent for hours by chance, and never meet."""
    actors = []
    for k in range(2):
        lon, lat = _off(stage, c, 2_000, 2_000 + 500 * c.place.room_km)
        place = replace(c.place, lon=lon, lat=lat, room_km=0.5 * c.place.room_km)
        ship = stage.launch(*scenarios.CARGO, "small_tanker")
        at = replace(c, place=place, start_s=c.start_s + k * stage.some_hours(0, 3))
        spots = stage.spot(place), stage.spot(place, 10.0, 500.0)
        actor = stage.actor(ship, place, [stage.host(at, ship, 600.0, 600.0)], *spots, status_of(c.speed_kn, ship))
        cause = EQUIPMENT if stage.rng.random() < 0.5 else SWITCHED_OFF
        actors.append(replace(dark(stage, actor, c), quiets=(replace(dark(stage, actor, c).quiets[0], cause=cause),)))
    return actors


def three_dark(stage: Stage, c: Circumstance) -> list[Actor]:
    """A hull on each side of a third, one or more of them silent.

    Source: press reports of imagery off Cho-do and Sok-to: several at once, often without AIS; see docs/zones.md.
    """
    actors = transfers.three_hulls(stage, c)
    silent = stage.rng.random(3) < np.array([0.4, 0.7, 0.7])
    return [dark(stage, actor, c) if off else actor for actor, off in zip(actors, silent, strict=True)]


def relay(stage: Stage, c: Circumstance) -> list[Actor]:
    """A hull takes cargo from one and, hours to days later, gives it to another at a place near by.

    Source: chains of transfers in the reports of the Panel of Experts; how long between is an estimate.
    """
    host, middle = parties(stage)
    last = stage.ship_factory.launch("small_tanker", DPRK_ROLE)
    gap_s = HOUR_S * (1.0 + behaviour()["relay_h"].one(stage.rng))
    each_s = min(c.duration_s, 8 * HOUR_S)
    first, second = replace(c, duration_s=each_s), replace(c, start_s=c.start_s + each_s + gap_s, duration_s=each_s)
    whole = replace(c, duration_s=2 * each_s + gap_s)
    lies = stage.host(whole, middle, stage.some_hours(1, 6) + 2400, stage.some_hours(1, 6) + 2400)
    actors = [goes(stage, c, middle, [lies])]
    for at, ship in ((first, host), (second, last)):
        of = ends(stage, c, ship)
        right, ahead, turned = at_rest.offset_m(stage.rng, middle, ship, c.distance_m)
        act = at_rest.alongside(stage.rng, lies, at.start_s, at.end_s, right, ahead, turned, coming(stage, c, of))
        actors.append(goes(stage, c, ship, [act], of))
    return laden(stage, whole, actors)


def silent_twin(stage: Stage, c: Circumstance) -> list[Actor]:
    """A lawful ship waits at sea while another, silent by a failure of its set, passes it at some kilometres."""
    waits = waits_alone(stage, c)
    ship = stage.launch(*scenarios.CARGO)
    spots = stage.spot(c.place), stage.spot(c.place, 10.0, 600.0)
    other = passage(stage, ship, *spots, leaves_s=c.start_s - stage.some_hours(4, 20))
    return [*waits, other.quiet(replace(dark(stage, other, c).quiets[0], cause=EQUIPMENT))]


# ---------------------------------------------------------------------------------- Rows beside those of scenarios.py

MORE: tuple[Scenario, ...] = (
    Scenario("forged_smooth", "deception", TRANSFER, 0.7, scenarios.anything, forged_smooth),
    Scenario("forged_replay", "deception", TRANSFER, 0.7, scenarios.anything, forged_replay),
    Scenario("forged_circle", "deception", TRANSFER, 0.7, scenarios.anything, forged_circle),
    Scenario("shared_near", "deception", TRANSFER, 0.5, scenarios.anything, shared_near),
    Scenario("class_change", "deception", TRANSFER, 0.5, scenarios.anything, class_change),
    Scenario("waits_for_dark", "dark", TRANSFER, 2.0, scenarios.slow, waits_for_dark),
    Scenario("three_dark", "dark", TRANSFER, 0.8, scenarios.slow, three_dark),
    Scenario("relay", "three_hulls", TRANSFER, 1.0, scenarios.slow, relay),
    Scenario("waits_alone", "loitering", LOOK_ALIKE, 1.0, scenarios.slow, waits_alone),
    Scenario("two_silent", "silence", LOOK_ALIKE, 1.0, scenarios.slow, two_silent),
    Scenario("silent_twin", "silence", LOOK_ALIKE, 1.0, scenarios.slow, silent_twin),
)
ALL = (*scenarios.SCENARIOS, *MORE)
