"""Radio of a sea of weeks: fades of each ship, outages of many kinds, interference, the fields that sets fill in."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from stswatch.geo.coordinates.sphere import haversine_m
from stswatch.sample_ais import behaviour
from stswatch.sample_ais.fleet.motion import Floats, Ints, shift
from stswatch.sample_ais.fleet.ships import SMALL_M, Bools, Cast
from stswatch.sample_ais.reception.observe import Received
from stswatch.sample_ais.reception.receivers import HOUR_S, Network, Outage, lies

DAY_S = 24 * HOUR_S

# ------------------------------------------------------------------------- Fades: how far a ship is heard, by the hour


def gains(rng: np.random.Generator, ships: int, days: float) -> NDArray[np.float32]:
    """Factors on the range of ships, (ships, hours): antennas that differ, fades of hours, deep fades now and then."""
    known, hours = behaviour(), int(np.ceil(days * 24)) + 3
    keeps, sigma = known["fade_keeps"].first, known["fade_sigma"].first
    shock = rng.normal(0, sigma * np.sqrt(1 - keeps**2), (ships, hours))
    shock[:, 0] = rng.normal(0, sigma, ships)
    fade = lfilter([1.0], [1.0, -keeps], shock, axis=1)
    gain = np.exp(fade + rng.normal(0, known["antenna_sigma"].first, (ships, 1)))
    for ship in range(ships):
        count = rng.poisson(days / known["deep_fade_days"].first)
        lasts_h = known["deep_fade_h"].draw(rng, count)
        for start_h, end_h in zip(rng.uniform(0, hours, count).tolist(), lasts_h.tolist(), strict=True):
            gain[ship, int(start_h) : int(start_h + end_h) + 1] *= known["deep_fade_range"].one(rng)
    return np.asarray(gain, np.float32)


# ------------------------------------------- Outages: of a station, of a provider's feed, of all receivers of a kind

PROVIDERS = 3
FEED, TERRESTRIAL, SPACE = "feed", "terrestrial", "satellite"


def with_outages(rng: np.random.Generator, network: Network, days: float) -> Network:
    """The network with outages of stations, feeds and kinds of receivers; satellites that are down pass unheard."""
    stations = range(len(network.ids))
    provider = rng.integers(0, PROVIDERS, len(network.ids))
    found = [Outage((k,), *span) for k in stations for span in _spans(rng, "outage_station", days)]
    for each in range(PROVIDERS):
        of = tuple(np.flatnonzero(provider == each).tolist())
        found += [Outage(of, *span, FEED) for span in _spans(rng, "outage_feed", days)]
    found += [Outage(tuple(stations), *span, TERRESTRIAL) for span in _spans(rng, "outage_kind", days)]
    space = [Outage((), *span, SPACE) for span in _spans(rng, "outage_kind", days)]
    heard = [_without(passes, space) for passes in (network.passes, network.good_passes)]
    return replace(network, outages=(*found, *space), passes=heard[0], good_passes=heard[1])


def _spans(rng: np.random.Generator, name: str, days: float) -> list[tuple[float, float]]:
    known = behaviour()
    count = rng.poisson(days / known[f"{name}_days"].first)
    start_s = rng.uniform(0, days * DAY_S, count)
    end_s = start_s + HOUR_S * known[f"{name}_h"].draw(rng, count)
    return list(zip(start_s.tolist(), end_s.tolist(), strict=True))


def _without(passes: Floats, outages: list[Outage]) -> Floats:
    """The passes (p, 2) that begin in none of the outages."""
    down = np.zeros(len(passes), bool)
    for outage in outages:
        down |= (passes[:, 0] > outage.start_s) & (passes[:, 0] < outage.end_s)
    return passes[~down]


# --------------------------------------------- Interference with GNSS: all ships near its source are shown on a ring


class Interference(NamedTuple):
    """A spell in which ships within so many metres of a place are shown on a ring elsewhere; seconds, degrees."""

    lon: float
    lat: float
    within_m: float
    start_s: float
    end_s: float
    ring_lon: float
    ring_lat: float
    ring_m: float


def interferences(rng: np.random.Generator, places: Floats, days: float) -> tuple[Interference, ...]:
    """The spells of a plan about some of the places (n, 2), lon and lat: harbours and straits."""
    known, found = behaviour(), []
    for _ in range(rng.poisson(days / known["gnss_days"].first)):
        lon, lat = places[int(rng.integers(len(places)))].tolist()
        start_s, lasts_s = float(rng.uniform(0, days * DAY_S)), HOUR_S * known["gnss_h"].one(rng)
        ring = shift(lon, lat, *rng.uniform(-15_000, 15_000, 2))
        within_m, ring_m = 1000 * known["gnss_km"].one(rng), known["gnss_circle_m"].one(rng)
        found.append(
            Interference(lon, lat, within_m, start_s, start_s + lasts_s, float(ring[0]), float(ring[1]), ring_m)
        )
    return tuple(found)


def interfered(spells: tuple[Interference, ...], rows: Received) -> tuple[Received, Ints]:
    """Reports as shown in those spells, and of each the spell (n,) that moved it, -1 where none did."""
    which = np.full(len(rows.emitter), -1)
    lon, lat = rows.lon.copy(), rows.lat.copy()
    for k, spell in enumerate(spells):
        at = np.flatnonzero((rows.time_s > spell.start_s) & (rows.time_s < spell.end_s) & ~np.isnan(rows.lon))
        at = at[haversine_m(rows.lon[at], rows.lat[at], spell.lon, spell.lat) < spell.within_m]
        angle = rows.time_s[at] / 300.0 + 2.4 * rows.emitter[at]
        radius_m = spell.ring_m * (1 + 0.1 * np.sin(7.0 * rows.emitter[at]))
        shown = shift(spell.ring_lon, spell.ring_lat, radius_m * np.sin(angle), radius_m * np.cos(angle))
        lon[at], lat[at], which[at] = *shown, k
    return rows._replace(lon=lon, lat=lat), which


# ---------------------------------------------------------------- What sets fill in beside position, course and speed
# Drawn by a hash of emitter and report: two copies of a report by two stations are the same to the last bit.
# Layout of the communication state: ITU-R M.1371-5, annex 2, 3.3.7.2 (SOTDMA) and 3.3.7.3 (ITDMA).

SLOTS_A_FRAME, SLOTS_A_SECOND = 2250, 37.5
TURN_NONE = -128
TIMEOUTS = np.array([0.179, 0.161, 0.162, 0.162, 0.132, 0.101, 0.070, 0.033])  # as behaviour.csv's AISHub sample
TIMEOUTS /= TIMEOUTS.sum()
ITDMA, OWN = 1 << 19, -1  # the selector of message 18
B_STATES = {
    "cs": ITDMA | 0b1100000000000000110,  # the fixed state of carrier-sense sets, which have none to report
    "cs_selector_0": 0b1100000000000000110,
    "cs_zero": ITDMA | 0b1100000000000000000,
    "so": OWN,
    "so_fixed": ITDMA | 375 << 4 | 0b0011,  # a slot increment of 375, one slot, kept
}
ITDMA_SHARE_B = 0.07  # of the AISHub sample's sets that organise themselves
MOVES_KN, RESTS_KN = 3.0, 0.25
MOST_STATIONS = 850
FAR_INCREMENT = 5240  # slots, with the count of 5, in one in twenty of the AISHub sample
Hashed = Callable[[str], Floats]


def _hash(seed: int, *keys: NDArray[Any]) -> NDArray[np.uint64]:
    """A number (n,) for each row of keys; splitmix64, Steele et al. 2014."""
    value = np.full(len(keys[0]), seed, np.uint64)
    for key in keys:
        value = value ^ (key.astype(np.float64).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15))
        for by, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            value = (value ^ (value >> np.uint64(by))) * np.uint64(factor)
        value = value ^ (value >> np.uint64(31))
    return value


def _uniform(seed: int, *keys: NDArray[Any]) -> Hashed:
    """Numbers (n,) from 0 to 1, others for each name that they are asked by."""
    base = _hash(seed, *keys)

    def named(name: str) -> Floats:
        mixed = _hash(sum(ord(c) * 31**k for k, c in enumerate(name)) % 2**53, base.astype(np.float64))
        return np.asarray((mixed >> np.uint64(11)).astype(np.float64) / 2.0**53)

    return named


class ClassBSets(NamedTuple):
    """Types of sets of class B (t,), the rows of class_b_sets.csv: what all sets of a type send, and shares of them.

    flags: unit, display, DSC, band, message 22, mode; state: of B_STATES.
    """

    share: Floats
    flags: Ints
    state: Ints
    accuracy: Floats
    raim: Floats
    heading: Floats
    course_zero: Floats  # of those that send a course of 0 at a speed of 0
    second_none: Floats

    def drawn(self, uniform: Floats) -> Ints:
        """The type of each set (n,) from numbers from 0 to 1."""
        return np.searchsorted(np.cumsum(self.share), uniform).clip(0, len(self.share) - 1)


@cache
def class_b_sets() -> ClassBSets:
    """The types of class_b_sets.csv, read once.

    >>> bool(abs(class_b_sets().share.sum() - 1) < 1e-9)
    True
    """
    text = (files("stswatch.sample_ais") / "class_b_sets.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    shares = (np.array([float(row[name]) for row in rows]) for name in ClassBSets._fields[3:])
    return ClassBSets(
        np.array([float(row["share"]) for row in rows]),
        np.array([int(row["flags"], 2) for row in rows]),
        np.array([B_STATES[row["state"]] for row in rows]),
        *shares,
    )


class RadioFields(NamedTuple):
    """What reports (n,) hold beside the columns of the lake: as integers of the standard."""

    msg_type: Ints
    turn: Ints
    accuracy: Ints
    second: Ints
    maneuver: Ints
    raim: Ints
    radio: Ints
    flags: Ints  # of class B, raim the last bit


def as_sent(seed: int, cast: Cast, rows: Received, sent_s: Floats) -> tuple[Received, RadioFields]:
    """Reports with what their sets leave out (NaN), and the fields that they fill in; sent_s (n,) by a right clock."""
    known = behaviour()
    mine = _uniform(seed, rows.emitter)  # the same for all reports of an emitter
    here = _uniform(seed + 1, rows.emitter, np.nan_to_num(rows.lon), np.nan_to_num(rows.lat), rows.speed_kn)
    b = cast.class_b[rows.emitter]

    def of_set(name: str) -> Bools:
        return np.asarray(mine(name) < known[name].first)

    def by_heading(name: str) -> Bools:
        return np.where(bare, of_set(f"{name}_bare"), of_set(name))

    boats = class_b_sets()
    which = boats.drawn(mine("b_set"))
    small = np.array([actor.ship.kind.length_m < SMALL_M for actor in cast.actors])[cast.owner[rows.emitter]]
    bare_a = np.where(small, of_set("heading_none_small"), of_set("heading_none_a"))
    bare = np.where(b, mine("b_bare") >= boats.heading[which], bare_a) | np.isnan(rows.heading_deg)
    high = np.where(b, mine("b_high") < boats.accuracy[which], by_heading("accuracy_high"))
    raim_a = np.where(high, by_heading("raim_high"), by_heading("raim_low"))
    raim = np.where(b, mine("b_raim") < boats.raim[which], raim_a)
    lost = of_set("speed_none")
    no_second = np.where(lost, of_set("second_with_no_speed"), of_set("second_none"))
    no_second |= b & (mine("b_second") < boats.second_none[which])
    kind = _kinds(of_set, here, rows, b)
    organised = _self_organised(mine, here, sent_s)
    state_b = _state_b(boats.state[which], here, organised)
    state = np.where(b, state_b, np.where(kind == 3, _incremental(here), organised))
    zero = np.where(kind == 3, of_set("radio_zero_incremental"), of_set("radio_zero"))
    fields = RadioFields(
        kind,
        _turns(mine, here, rows, bare),
        high.astype(np.int64),
        np.where(no_second, 60, sent_s.astype(np.int64) % 60),
        (by_heading("maneuver_1") & ~b).astype(np.int64),
        raim.astype(np.int64),
        np.where(zero & ~b, 0, state),
        boats.flags[which] << 1 | raim,
    )
    zero = np.where(b, mine("zero") < boats.course_zero[which], by_heading("course_zero"))
    whole = by_heading("course_whole") & ~b
    return _instruments(mine, here, rows, b, bare, lost, zero, whole), fields


def _instruments(
    mine: Hashed, here: Hashed, rows: Received, b: Bools, bare: Bools, lost: Bools, zero: Bools, whole: Bools
) -> Received:
    """Reports (n,) with speeds, courses and headings as their sets send them: rounded, frozen at 0, off or missing."""
    known = behaviour()
    dead = b & (mine("b_speed_deadband") < known["b_speed_deadband"].first)
    speed = np.where(dead & (rows.speed_kn < 0.3), 0.0, rows.speed_kn)
    rests = rows.speed_kn < RESTS_KN  # a course then means nothing: any, or the last one
    frozen = np.where(mine("frozen") < known["course_frozen"].first, mine("last_course"), here("any_course"))
    course = np.where(rests, np.round(3599.4 * frozen) / 10, rows.course_deg)
    course = np.where(whole, np.round(course) % 360, course)
    course = np.where(zero & (speed == 0), 0.0, course)
    off_deg = _lognormal("heading_off_deg", mine("off"), here("off")) * np.where(here("side") < 0.5, -1, 1)
    off_deg = np.where(rows.speed_kn > MOVES_KN, np.clip(off_deg, -25, 25), 0.0)
    return rows._replace(
        speed_kn=np.where(lost, np.nan, speed),
        course_deg=np.where(lost, np.nan, course),
        heading_deg=np.where(bare, np.nan, np.round(rows.heading_deg + off_deg) % 360),
    )


def _kinds(of_set: Callable[[str], Bools], here: Hashed, rows: Received, b: Bools) -> Ints:
    """Message types (n,): 18 of class B; of class A incremental while a ship turns or changes its interval."""
    known = behaviour()
    slow = lies(rows.status) & (here("rest") < known["incremental_at_rest"].first)
    incremental = rows.turning | slow | (here("any") < known["incremental_any"].first)
    return np.where(b, 18, np.where(incremental, 3, np.where(of_set("assigned_mode"), 2, 1)))


def _turns(mine: Hashed, here: Hashed, rows: Received, bare: Bools) -> Ints:
    """Rates of turn (n,) as sent: none, from an indicator, or only that it turns."""
    known, moves = behaviour(), rows.speed_kn > MOVES_KN
    none = bare | (mine("turn") < known["turn_none_with_heading"].first)
    wild_set = mine("wild") < known["turn_wild_set"].first
    side = np.where(here("turn_side") < 0.5, -1, 1)
    has_turn = here("told") < np.where(moves, known["turn_told_moving"].first, known["turn_told_resting"].first)
    value = np.clip(np.where(rows.turning, 18.0, 4.0) - 7.0 * np.log(np.maximum(here("rate"), 1e-9)), 1, 126)
    sensor = np.where(has_turn | rows.turning, side * np.round(value), 0)
    wild = here("wild") < np.where(moves, known["turn_wild_moving"].first, known["turn_wild_resting"].first)
    return np.where(none, TURN_NONE, np.where(wild_set, np.where(wild, 127 * side, 0), sensor)).astype(np.int64)


def _self_organised(mine: Hashed, here: Hashed, time_s: Floats) -> Ints:
    """Communication states (n,) of messages 1 and 2; the slot is that in which the report goes out."""
    known = behaviour()
    timeout = np.searchsorted(np.cumsum(TIMEOUTS), here("timeout")).clip(0, 7)
    change = 1 + known["stations_change"].first * (here("stations") - 0.5)
    stations = _lognormal("stations_heard", mine("stations"), mine("more")) * change
    stations = np.where(stations > MOST_STATIONS, 255, stations)  # 255 is sent in 3 of 100
    hour, minute = (time_s // 3600 % 24).astype(np.int64), (time_s // 60 % 60).astype(np.int64)
    after_s = _lognormal("slot_after_s", here("after"), here("slot_after")) - known["slot_early_s"].first
    after_s = np.where(here("any_slot") < known["slot_any"].first, 60 * here("slot"), after_s)
    slot = ((np.floor(time_s) + after_s) % 60 * SLOTS_A_SECOND).astype(np.int64) % SLOTS_A_FRAME
    about = SLOTS_A_FRAME + known["offset_slots"].first * _normal(here("offset"), here("by"))
    offset = np.where(here("no_offset") < known["offset_none"].first, 0, about.astype(np.int64))
    message = np.where(timeout == 0, offset, np.where(timeout == 1, (hour << 9) | (minute << 2), slot))
    message = np.where((timeout >= 3) & (timeout % 2 == 1), stations.astype(np.int64), message)
    return _sync(here, known["sync_indirect"].first) << 17 | timeout << 14 | message


def _incremental(here: Hashed) -> Ints:
    """Communication states (n,) of message 3."""
    known = behaviour()
    last = here("last") < known["incremental_last"].first
    slots = np.minimum(_lognormal("incremental_slots", here("slot"), here("slots")), 8191)
    increment = np.where(last, 0, slots).astype(np.int64)
    count = np.select([here("count") < 0.856, here("count") < 0.944], [0, 1], 5)
    increment = np.where(count == 5, FAR_INCREMENT + (100 * here("slot")).astype(np.int64), increment)
    keep = (here("keep") < known["incremental_keep"].first).astype(np.int64)
    return _sync(here, known["sync_indirect"].first) << 17 | increment << 4 | count << 1 | keep


def _state_b(state: Ints, here: Hashed, organised: Ints) -> Ints:
    """Communication states (n,) of message 18, the selector before them.

    state: of B_STATES, OWN where a set organises itself; such sets count no stations and now and then send ITDMA.
    organised: states of messages 1 and 2.
    """
    timeout = organised >> 14 & 7
    own = np.where((timeout >= 3) & (timeout % 2 == 1), organised >> 14 << 14, organised)
    own = np.where(here("b_itdma") < ITDMA_SHARE_B, ITDMA, own)
    return np.where(state == OWN, own, state)


def _sync(here: Hashed, indirect: float) -> Ints:
    return (here("sync") < indirect).astype(np.int64)


def _lognormal(name: str, one: Floats, two: Floats) -> Floats:
    """Values (n,) of a lognormal figure from two uniform numbers."""
    figure = behaviour()[name]
    return np.asarray(figure.first * np.exp(figure.second * _normal(one, two)))


def _normal(one: Floats, two: Floats) -> Floats:
    """Normal values (n,) from two uniform numbers. Source: Box and Muller 1958."""
    return np.asarray(np.sqrt(-2 * np.log(np.maximum(one, 1e-12))) * np.cos(2 * np.pi * two))
