"""Who hears what ships send: when they send, which stations and satellites listen, the chances of each report."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stswatch.geo.coordinates.sphere import haversine_m
from stswatch.sample_ais.fleet.motion import Courses, Floats, Ints
from stswatch.sample_ais.fleet.ships import AT_ANCHOR, MOORED, Bools, Cast

# ----------------------------------------------------------------------------------------------------------------
# Who listens: shore stations with range, weather and outages, and satellites whose receivers a dense sea swamps
# Chances are worked out for each ship once in ten minutes, so that they cost little beside the reports.

BIN_S = 600.0
HOUR_S = 3600.0
LEAST_CHANCE = 0.004  # less is none
EDGE_KM = 7.0  # from the middle of the range, how far the chance falls from 73 % to 27 %
UNHEARD_KM = 60.0  # beyond the range there is no chance left, whatever the latitude
WEATHER_SIGMA, WEATHER_KEEPS = 0.16, 0.97  # of the logarithm of the range, and what remains of it after an hour
CLASS_B_RANGE = 0.55  # 2 W instead of 12.5 W, and a lower antenna (an estimate)
PASS_S = (480.0, 780.0)  # a satellite at 600 km is over the sea for 8 to 13 minutes
# A satellite hears all organised cells of the sea at once, so reports collide: at one report in each slot of both
# channels a report is alone with chance 1/e. Source: Poisson arrivals; 4,500 slots a minute by ITU-R M.1371-5.
SLOTS_PER_MIN = 4500.0
REPORTS_PER_MIN = 2.4  # of a ship on average, at anchor or under way
SATELLITE_DECODES = 0.55  # of reports that collide with none: fading and polarisation (an estimate)


@dataclass(frozen=True)
class Outage:
    """A station, or several, or all satellites, that delivered nothing for some time, seconds."""

    stations: tuple[int, ...]
    start_s: float
    end_s: float
    what: str = "station"  # or feed: those of one provider, or terrestrial or satellite: all receivers of a kind


@dataclass(frozen=True)
class Network:
    """The receivers of a plan: stations (s,), their range by hour, outages, and when satellites pass."""

    ids: tuple[str, ...]
    lon: Floats
    lat: Floats
    range_km: Floats  # (hours, s)
    outages: tuple[Outage, ...]
    passes: Floats  # (p, 2) start and end, seconds, of any satellite
    good_passes: Floats  # (q, 2) of those that hear weak signals too
    clock_s: Floats  # (s,) how wrong the clock of a station is


@cache
def stations() -> list[dict[str, str]]:
    """The rows of stations.csv, estimates of this project: places that exist, receivers that do not.

    `delivered` is the chance that a station shares what it hears at all: little of what shore stations in China hear
    has been shared since the law on personal information of November 2021.
    """
    return list(csv.DictReader((files("stswatch.sample_ais") / "stations.csv").read_text("utf-8").splitlines()))


def network(
    rng: np.random.Generator,
    days: float,
    range_factor: float = 1.0,
    every_min: tuple[float, float] = (12.0, 40.0),
    good_min: tuple[float, float] = (40.0, 100.0),
    outages_per_day: float = 0.4,
) -> Network:
    """Receivers for so many days: weather, outages, passes and which stations share what they hear are drawn anew."""
    rows, hours = [row for row in stations() if rng.random() < float(row["delivered"])], int(np.ceil(days * 24)) + 3
    shock = rng.normal(0, WEATHER_SIGMA * np.sqrt(1 - WEATHER_KEEPS**2), (hours, 1 + len(rows)))
    state = np.zeros((hours, 1 + len(rows)))
    state[0] = rng.normal(0, WEATHER_SIGMA, 1 + len(rows))
    for hour in range(1, hours):
        state[hour] = WEATHER_KEEPS * state[hour - 1] + shock[hour]
    weather = np.exp((state[:, :1] + state[:, 1:]) / np.sqrt(2.0))  # half of it is the same everywhere
    wrong = np.where(rng.random(len(rows)) < 0.1, rng.normal(0, 6, len(rows)), 0.0)
    return Network(
        ids=tuple(row["id"] for row in rows),
        lon=np.array([float(row["lon"]) for row in rows]),
        lat=np.array([float(row["lat"]) for row in rows]),
        range_km=weather * np.array([float(row["range_km"]) for row in rows]) * range_factor,
        outages=tuple(_outages(rng, days, outages_per_day, len(rows))),
        passes=_passes(rng, days, every_min),
        good_passes=_passes(rng, days, good_min),
        clock_s=np.asarray(np.round(wrong), np.float64),
    )


def _passes(rng: np.random.Generator, days: float, every_min: tuple[float, float]) -> Floats:
    """Start and end (p, 2) of passes so many minutes apart, from one beginning to the next."""
    gaps_s = 60.0 * rng.uniform(*every_min, int(days * 1440 / every_min[0]) + 4)
    start_s = np.cumsum(gaps_s) - gaps_s[0] * rng.random()
    start_s = start_s[start_s < days * 24 * HOUR_S + HOUR_S]
    return np.column_stack([start_s, start_s + rng.uniform(*PASS_S, len(start_s))])


def over(passes: Floats, time_s: Floats) -> NDArray[np.bool_]:
    """Whether a satellite of these passes (p, 2), in order of time, is over the sea at times (n,).

    >>> over(np.array([[0.0, 10.0], [50.0, 60.0]]), np.array([5.0, 20.0, 55.0])).tolist()
    [True, False, True]
    """
    if not len(passes):
        return np.zeros(len(time_s), bool)
    last = np.searchsorted(passes[:, 0], time_s, side="right") - 1
    return np.asarray((last >= 0) & (time_s < passes[np.maximum(last, 0), 1]))


def _outages(rng: np.random.Generator, days: float, per_day: float, n: int) -> list[Outage]:
    """Single stations, and one time in five a whole coast: a failed link."""
    found = []
    for _ in range(rng.poisson(per_day * days)):
        start_s = float(rng.uniform(0, days * 24 * HOUR_S))
        end_s = start_s + HOUR_S * float(np.exp(rng.normal(1.2, 0.7)))
        first = int(rng.integers(n))
        many = range(first, min(n, first + 6)) if rng.random() < 0.2 else (first,)
        found.append(Outage(tuple(many), start_s, end_s))
    return found


@dataclass(frozen=True)
class Chances:
    """For each ship and bin of BIN_S: the two best stations with their chances, and that of a satellite in a pass."""

    bins: int
    station: NDArray[np.int16]  # (2, v, bins)
    chance: NDArray[np.float32]  # (2, v, bins)
    without_outage: NDArray[np.float32]  # (v, bins) the best chance, had there been no outage
    satellite: NDArray[np.float32]  # (v, bins)
    without_fade: NDArray[np.float32] | None = None  # (v, bins) as without_outage, by the ship's usual range

    def bin_of(self, time_s: Floats) -> Ints:
        """The bin of each time (n,)."""
        return np.clip(time_s // BIN_S, 0, self.bins - 1).astype(np.int64)


def chances(
    of: Network,
    courses: Courses,
    class_b: Sequence[bool],
    days: float,
    footprint_ships: float,
    density: float,
    gain: NDArray[np.float32] | None = None,
) -> Chances:
    """The chances of ships, by where they truly are.

    footprint_ships: ships that a satellite sees at once beside those simulated; density: how many real ships each
    simulated one near the receiver stands for. gain: (v, hours) factor on the range by fades, none where not given.
    """
    ships, bins = len(class_b), int(np.ceil(days * 24 * HOUR_S / BIN_S))
    time_s = (np.arange(bins) + 0.5) * BIN_S
    hour = (time_s // HOUR_S).astype(int)
    lon, lat = (x.reshape(ships, bins) for x in courses.at(np.repeat(np.arange(ships), bins), np.tile(time_s, ships)))
    station, chance = np.zeros((2, ships, bins), np.int16), np.zeros((2, ships, bins), np.float32)
    clear = np.zeros((ships, bins), np.float32)
    calm = None if gain is None else np.zeros((ships, bins), np.float32)
    factor = np.where(np.asarray(class_b, bool), CLASS_B_RANGE, 1.0)
    widest = 1.0 if gain is None else max(1.0, float(gain.max()))
    for k in range(len(of.ids)):
        most_deg = (widest * of.range_km[:, k].max() + UNHEARD_KM) / 111.0
        ship, at = np.nonzero(np.abs(lat - of.lat[k]) < most_deg)
        far_km = haversine_m(lon[ship, at], lat[ship, at], of.lon[k], of.lat[k]) / 1000
        reach_km = of.range_km[hour[at], k] * factor[ship]
        if gain is not None and calm is not None:
            calm[ship, at] = np.maximum(calm[ship, at], _heard(far_km, reach_km))
            reach_km = reach_km * gain[ship, hour[at]]
        here = _heard(far_km, reach_km)
        clear[ship, at] = np.maximum(clear[ship, at], here)
        for outage in of.outages:
            if k in outage.stations:
                here[(time_s[at] > outage.start_s) & (time_s[at] < outage.end_s)] = 0.0
        some = here > 0
        ship, at, here = ship[some], at[some], here[some]
        best, second = here > chance[0, ship, at], (here > chance[1, ship, at]) & (here <= chance[0, ship, at])
        for column, new in ((chance, here.astype(np.float32)), (station, np.full(len(here), k, np.int16))):
            column[1, ship[best], at[best]] = column[0, ship[best], at[best]]
            column[0, ship[best], at[best]] = new[best]
            column[1, ship[second], at[second]] = new[second]
    return Chances(bins, station, chance, clear, _satellite(lon, lat, factor[:, None], footprint_ships, density), calm)


def _heard(far_km: Floats, reach_km: Floats) -> Floats:
    """The chance of one report by a station (n,) so far off with such a range."""
    here = 0.92 / (1 + np.exp((far_km - reach_km) / EDGE_KM))
    here[here < LEAST_CHANCE] = 0.0
    return np.asarray(here)


def _satellite(lon: Floats, lat: Floats, factor: Floats, footprint: float, density: float) -> NDArray[np.float32]:
    """The chance that a satellite decodes one report: the denser the sea about a ship, the less."""
    cell = (np.floor(lon / 2).astype(np.int64) * 1000 + np.floor(lat / 2).astype(np.int64)).T  # (bins, v)
    load = np.full(lon.shape, footprint)
    order = np.argsort(cell, axis=1, kind="stable")
    ranked = np.take_along_axis(cell, order, axis=1)
    new = np.ones_like(ranked, bool)
    new[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    flat = np.cumsum(new.ravel()) - 1
    counts = np.bincount(flat)[flat].reshape(ranked.shape)
    near = np.empty_like(counts)
    np.put_along_axis(near, order, counts, axis=1)
    load = load + density * 40.0 * near.T
    per_slot = load * REPORTS_PER_MIN / SLOTS_PER_MIN
    weak = np.where(factor < 1, 0.35, 1.0)
    return np.asarray(SATELLITE_DECODES * weak * np.exp(-per_slot), np.float32)


# ----------------------------------------------------------------------------------------------------------------
# When ships send: how often by class, speed, status and turning, thinned to one report in a slot as networks do
# Of each slot the first report that anybody received is kept. Its number is drawn at once for all slots: reports of a
# slot are received independently, so it is geometric. What a slot costs does not depend on how often a ship sends.

# Source: ITU-R M.1371-5, annex 1, table 1, class A: (slower than kn, seconds, seconds while changing course)
CLASS_A_S = ((14.0, 10.0, 10.0 / 3), (23.0, 6.0, 2.0), (np.inf, 2.0, 2.0))
CLASS_A_STILL_S = 180.0  # at anchor or moored and not faster than 3 kn; 10 s if faster
# Source: ITU-R M.1371-5, annex 1, table 2, class B carrier-sense: 3 min at 2 kn or slower, else 30 s
CLASS_B_S = ((2.0, 180.0), (np.inf, 30.0))
STILL_KN = 3.0
TURNING_DEG_PER_MIN = 20.0  # of course; the standard goes by heading against its mean of 30 s: 5 degrees
STATIC_S = 360.0  # Source: ITU-R M.1371-5, annex 1, 4.2.2: static and voyage data every 6 minutes


class Slots(NamedTuple):
    """Emitter (n,), start of the slot in seconds (n,), seconds between reports in it (n,), how many are sent (n,)."""

    emitter: Ints
    time_s: Floats
    every_s: Floats
    sent: Ints


def interval_s(class_b: Bools, stationary: Bools, speed_kn: Floats, turning: Bools) -> Floats:
    """Seconds between position reports (n,): see the tables above.

    >>> class_b, lying, turning = np.array([[0, 0, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0]], bool)
    >>> interval_s(class_b, lying, np.array([0.0, 9.0, 15.0, 9.0]), turning).tolist()
    [180.0, 10.0, 2.0, 30.0]
    """
    a = np.full(len(speed_kn), CLASS_A_S[-1][1])
    for limit, every, every_turning in CLASS_A_S[::-1]:
        a = np.where(speed_kn < limit, np.where(turning, every_turning, every), a)
    a = np.where(stationary, np.where(speed_kn <= STILL_KN, CLASS_A_STILL_S, 10.0), a)
    b = np.where(speed_kn <= CLASS_B_S[0][0], CLASS_B_S[0][1], CLASS_B_S[1][1])
    return np.where(class_b, b, a)


def lies(status: Floats) -> Bools:
    """Whether a status (n,) is that of a ship at anchor or moored."""
    return np.asarray((status == AT_ANCHOR) | (status == MOORED))


def slots(emitter: Ints, time_s: Floats, every_s: Floats, phase: Floats, slot_s: float) -> tuple[Bools, Slots]:
    """Which of the slots (n,) that a ship could use hold a report, and what is sent in those.

    Where a ship sends less than once a slot, only the slots in which it does are kept; `phase` (n,), 0 to 1, of its
    emitter says which.
    """
    per = np.maximum(np.round(every_s / slot_s), 1.0)
    turn = np.floor(time_s / slot_s) + np.floor(phase * per)
    keep = np.asarray(turn % per == 0)
    sent = np.maximum(np.floor(slot_s / every_s[keep]), 1).astype(np.int64)
    return keep, Slots(emitter[keep], time_s[keep], every_s[keep], sent)


def first_received(rng: np.random.Generator, of: Slots, chance: Floats, phase: Floats) -> tuple[Bools, Floats]:
    """Whether any report of each slot was received (n,), and when the first was sent (n,), whole seconds.

    chance (n,): that one report is received; phase (n,), 0 to 1, where in its interval a ship sends.
    """
    safe = np.clip(chance, 1e-9, 1 - 1e-9)
    number = np.floor(np.log(rng.random(len(safe))) / np.log1p(-safe))  # of the first received, from 0
    heard = (number < of.sent) & (chance > 0)
    late = (number + phase + 0.1 * rng.random(len(safe))) * np.minimum(of.every_s, 60.0)
    return np.asarray(heard), np.floor(of.time_s + np.where(heard, late, 0.0))


# ----------------------------------------------------------------------------------------------------------------
# Who heard what a ship sent: the chances of its reports by shore stations and satellites, and which one it was

SATELLITE = -1  # in place of a station


@dataclass(frozen=True)
class Hearing:
    """All ships and all receivers."""

    cast: Cast
    network: Network
    chances: Chances

    def of(self, emitter: Ints, time_s: Floats) -> tuple[Floats, Floats]:
        """The chances of one report (n,) by shore stations and by satellites."""
        ship, at = self.cast.owner[emitter], self.chances.bin_of(time_s)
        shore = 1 - (1 - self.chances.chance[0, ship, at].astype(float)) * (1 - self.chances.chance[1, ship, at])
        weak = self.cast.weak[ship]
        passing = np.where(weak, False, over(self.network.passes, time_s)) | over(self.network.good_passes, time_s)
        return np.where(weak, 0.0, shore), np.where(passing, self.chances.satellite[ship, at], 0.0)

    def first(self, rng: np.random.Generator, of: Slots, phase: Floats) -> tuple[Bools, Floats, Ints]:
        """Which slots (n,) had a report that was received; of those (k,) when it was sent, and the station."""
        shore, space = self.of(of.emitter, of.time_s)
        heard, when_s = first_received(rng, of, 1 - (1 - shore) * (1 - space), phase)
        when_s, emitter = when_s[heard], of.emitter[heard]
        by_space = rng.random(len(emitter)) * (shore + space)[heard] >= shore[heard]
        station = self.chances.station[0, self.cast.owner[emitter], self.chances.bin_of(when_s)]
        return heard, when_s, np.where(by_space, SATELLITE, station).astype(np.int64)

    def second(self, emitter: Ints, time_s: Floats) -> tuple[Ints, Floats]:
        """The second best station of reports (n,) and its chance."""
        ship, at = self.cast.owner[emitter], self.chances.bin_of(time_s)
        return self.chances.station[1, ship, at].astype(np.int64), self.chances.chance[1, ship, at].astype(np.float64)

    def wrong_s(self, station: Ints) -> Floats:
        """How wrong the clocks of stations (n,) are; those in space are right."""
        return np.where(station >= 0, self.network.clock_s[np.maximum(station, 0)], 0.0)
