"""Who sails the second sea and what each does, day after day: ships, and the pieces of their tracks in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

from stswatch.geo.coast.water import is_water
from stswatch.sample_ais.second import movement
from stswatch.sample_ais.second.movement import Passage, Random
from stswatch.sample_ais.second.net import BOX, DPRK, Floats, Net


class Build(NamedTuple):
    """A kind of ship: AIS type, length in m, lengths a beam, cruising speed in kn, share with class B, antenna in m.

    Lengths and speeds after the classes of Equasis, The world merchant fleet (2023), rounded; class B after the
    carriage rule of SOLAS V/19; the rest estimates.
    """

    ship_type: int
    length_m: tuple[float, float]
    slender: float
    cruise_kn: tuple[float, float]
    class_b: float
    height_m: float


BUILDS = {
    "bulker": Build(70, (110, 229), 6.4, (10, 13.5), 0, 28),
    "box_ship": Build(71, (115, 300), 7.0, (13, 19), 0, 34),
    "tanker": Build(80, (115, 250), 6.0, (10.5, 14), 0, 28),
    "coaster": Build(70, (62, 108), 6.3, (8, 11.5), 0, 15),
    "oil_coaster": Build(80, (60, 108), 6.2, (8, 11.5), 0, 15),
    "barge": Build(70, (38, 52), 4.6, (5.5, 8), 0.2, 7),
    "bunker_vessel": Build(80, (40, 92), 5.6, (7, 10.5), 0, 11),
    "reefer": Build(70, (70, 135), 6.4, (10, 14), 0, 18),
    "tug": Build(52, (22, 40), 3.4, (8, 11), 0, 12),
    "trawler": Build(30, (16, 46), 4.6, (7.5, 10.5), 0.35, 8),
    "pilot_boat": Build(50, (10, 19), 3.6, (15, 21), 0.1, 6),
    "ferry": Build(60, (60, 190), 6.6, (15, 22), 0, 24),
    "supply_ship": Build(90, (42, 86), 4.6, (9, 13), 0, 16),
    "launch": Build(90, (11, 26), 3.8, (11, 18), 0.4, 5),
    "patrol_ship": Build(55, (32, 98), 6.6, (12, 18), 0, 18),
    "dredger": Build(33, (48, 112), 5.0, (7, 10), 0, 16),
    "yacht": Build(36, (8, 20), 3.2, (5, 8), 0.95, 9),
}
# What ships in no scene are, shares of 100: estimates, after what a day of Korean and Japanese coast stations shows
FLEET = {
    "bulker": 13, "box_ship": 8, "tanker": 7, "coaster": 12, "oil_coaster": 6, "bunker_vessel": 3, "tug": 6,
    "trawler": 20, "pilot_boat": 2, "ferry": 5, "supply_ship": 2, "launch": 2, "patrol_ship": 2, "dredger": 2,
    "yacht": 10,
}  # fmt: skip
MIDS = (291, 292, 293, 294, 295, 296)  # given to no country by the ITU
SWITCHED_OFF, EQUIPMENT, LEFT = "switched_off", "equipment", "left"
_TRADERS = ("bulker", "box_ship", "tanker", "coaster", "oil_coaster", "reefer")
DAY = 1440


class Silence(NamedTuple):
    """A ship sends nothing from one minute to another, and why."""

    begin: float
    end: float
    cause: str


@dataclass
class Vessel:
    """One ship: what it is and sends, its silences, and where it sails for the truth's sake."""

    number: int
    kind: str
    role: str
    scenario: str
    mmsi: int
    imo: int | None
    length_m: float
    beam_m: float
    cruise_kn: float
    draughts_m: tuple[float, float]
    laden_until: float
    class_b: bool
    ship_type: int
    destination: str
    gyro: bool
    silences: list[Silence] = field(default_factory=list)
    forged: tuple[float, float] | None = None  # minutes from and to which it sends positions of elsewhere

    @property
    def name(self) -> str:
        """A name that nobody bears."""
        return f"SIM {self.kind.replace('_', ' ').upper()} {self.number}"[:20]

    @property
    def height_m(self) -> float:
        """Of the antenna over the water."""
        return BUILDS[self.kind].height_m


def build(rng: Random, number: int, kind: str, role: str, scenario: str, net: Net) -> Vessel:
    """A ship of a kind, drawn within its bounds."""
    of = BUILDS[kind]
    length = round(rng.uniform(*of.length_m))
    class_b = bool(rng.random() < of.class_b)
    laden = round(float(np.clip(length / 18 * rng.uniform(0.8, 1.15), 1, 16)), 1)
    light = round(laden * rng.uniform(0.5, 0.75), 1)
    to = net.havens[rng.integers(len(net.havens))].name.upper()
    written = [to, to, to.replace("A", ""), f"{to} ANCH", "ORDERS", "FOR ORDERS", ""]
    return Vessel(
        number, kind, role, scenario,
        mmsi=int(rng.choice(MIDS)) * 1_000_000 + (number * 7919) % 1_000_000,
        imo=None if length < 48 or kind == "trawler" else checked(400_000 + number),
        length_m=length,
        beam_m=max(3, round(length / of.slender)),
        cruise_kn=float(rng.uniform(*of.cruise_kn)),
        draughts_m=(laden, light) if rng.random() < 0.5 else (light, laden),
        laden_until=np.inf,
        class_b=class_b,
        ship_type=of.ship_type if rng.random() > 0.05 else 0,
        destination=str(rng.choice(written))[:20],
        gyro=not class_b and rng.random() > 0.06,
    )  # fmt: skip


def checked(first_six: int) -> int:
    """Six digits and their check digit, as IMO numbers have it (IMO A.1117(30)).

    >>> checked(907472)
    9074729
    """
    return first_six * 10 + sum(int(d) * w for d, w in zip(f"{first_six:06}", range(7, 1, -1), strict=True)) % 10


@dataclass(frozen=True)
class Tracks:
    """Where every ship is each minute: lon, lat, heading (ships, minutes), and its navigational status."""

    lon: Floats
    lat: Floats
    heading: np.ndarray
    status: np.ndarray

    @classmethod
    def blank(cls, ships: int, minutes: int) -> Tracks:
        """Nothing placed yet."""
        lon, lat = (np.zeros((ships, minutes)) for _ in range(2))
        return cls(lon, lat, np.zeros((ships, minutes), np.float32), np.zeros((ships, minutes), np.int8))

    def place(self, row: int, minute: int, pieces: list[Passage]) -> None:
        """Write pieces one after another from a minute on; what lies outside of the time of the sea is cut off."""
        for piece in pieces:
            n = len(piece.lon)
            begin, end = max(minute, 0), min(minute + n, self.lon.shape[1])
            if begin < end:
                cut = slice(begin - minute, end - minute)
                self.lon[row, begin:end], self.lat[row, begin:end] = piece.lon[cut], piece.lat[cut]
                self.heading[row, begin:end], self.status[row, begin:end] = piece.heading[cut], piece.status
            minute += n


# ---------------------------------------------------- what ships in no scene do: an endless row of pieces by their kind


def days(rng: Random, vessel: Vessel, net: Net) -> Iterator[Passage]:
    """What a ship does, piece after piece, without end."""
    if vessel.kind in _TRADERS:
        return _trade(rng, vessel, net)
    if vessel.kind == "ferry":
        return _ferry(rng, vessel, net)
    if vessel.kind == "yacht" or rng.random() < 0.15:
        return _laid_up(rng, net)
    if vessel.kind in ("trawler", "dredger", "patrol_ship"):
        return _out_and_back(rng, vessel, net, km=(12, 90), at=_worked(vessel), hours=(6, 50))
    return _out_and_back(rng, vessel, net, km=(0, 12), at=movement.drift, hours=(0.3, 4))


def background(rng: Random, vessel: Vessel, row: int, tracks: Tracks, net: Net) -> None:
    """Fill the row of a ship in no scene, and break some transponders and some voyages off."""
    minutes = tracks.lon.shape[1]
    at = -int(rng.integers(0, 3 * DAY))
    for piece in days(rng, vessel, net):
        tracks.place(row, at, [piece])
        at += len(piece.lon)
        if at >= minutes:
            break
    faults(rng, vessel, minutes)
    if vessel.kind in _TRADERS and rng.random() < 0.06:
        vessel.silences.append(Silence(rng.uniform(0, minutes), np.inf, LEFT))


def faults(rng: Random, vessel: Vessel, minutes: int) -> None:
    """Transponders that fail for hours, lawfully: about one in 25 in ten days (an estimate)."""
    if rng.random() < 0.04 * minutes / (10 * DAY):
        begin = rng.uniform(0, minutes)
        vessel.silences.append(Silence(begin, begin + rng.lognormal(np.log(300), 0.8), EQUIPMENT))


def _worked(vessel: Vessel) -> Callable[..., Passage]:
    """How such a ship moves at its work."""
    kn = {"trawler": 3.3, "dredger": 1.6, "patrol_ship": 7.0}[vessel.kind]
    return lambda rng, lon, lat, n: movement.trawl(rng, lon, lat, n, kn)


def _trade(rng: Random, vessel: Vessel, net: Net) -> Iterator[Passage]:
    here = haven_near(rng, net, *_anywhere(rng), reach_km=700)
    node = int(rng.choice(net.havens[here].quays))
    while True:
        yield berth(rng, net, node, int(rng.uniform(7, 46) * 60))
        there = haven_near(rng, net, net.lon[node], net.lat[node], reach_km=500 if vessel.length_m < 110 else 900)
        roads, quay = int(rng.choice(net.havens[there].roads)), int(rng.choice(net.havens[there].quays))
        if rng.random() < 0.55:
            yield movement.sail(rng, net.between(here, node, there, roads), vessel.cruise_kn)
            place = net.lon[roads], net.lat[roads]
            yield movement.swing(rng, *place, int(rng.lognormal(np.log(11), 0.8) * 60) + 60, 60 + vessel.length_m / 2)
            yield movement.sail(rng, net.between(there, roads, there, quay), min(vessel.cruise_kn, 9))
        else:
            yield movement.sail(rng, net.between(here, node, there, quay), vessel.cruise_kn)
        here, node = there, quay


def _ferry(rng: Random, vessel: Vessel, net: Net) -> Iterator[Passage]:
    one = haven_near(rng, net, *_anywhere(rng), reach_km=900)
    other = haven_near(rng, net, *_at(net, net.havens[one].gateway), reach_km=250, but=one)
    ends = [(k, int(rng.choice(net.havens[k].quays))) for k in (one, other)]
    stay = int(rng.uniform(45, 300))
    while True:
        yield berth(rng, net, ends[0][1], stay + int(rng.integers(0, 20)))
        yield movement.sail(rng, net.between(*ends[0], *ends[1]), vessel.cruise_kn)
        ends = ends[::-1]


def _laid_up(rng: Random, net: Net) -> Iterator[Passage]:
    """Moored in a marina, at a quay, in a river, for as long as the sea lasts."""
    haven = haven_near(rng, net, *_anywhere(rng), reach_km=900)
    node = int(rng.choice(net.havens[haven].quays))
    while True:
        yield berth(rng, net, node, 30 * DAY)


def _out_and_back(rng: Random, vessel: Vessel, net: Net, km: tuple[float, float], at: Callable[..., Passage],
                  hours: tuple[float, float]) -> Iterator[Passage]:  # fmt: skip
    """From a quay to work at sea and back again."""
    haven = haven_near(rng, net, *_anywhere(rng), reach_km=900)
    of = net.havens[haven]
    quay = int(rng.choice(of.quays))
    far = np.hypot((net.lon - net.lon[of.gateway]) * 91, (net.lat - net.lat[of.gateway]) * 111)
    grounds = net.open_sea[(far[net.open_sea] > km[0]) & (far[net.open_sea] < km[1])] if km[1] > 20 else of.roads
    while True:
        yield berth(rng, net, quay, int(rng.uniform(2, 30) * 60))
        node = int(rng.choice(grounds))
        out = net.between(haven, quay, haven, node)
        yield movement.sail(rng, out, vessel.cruise_kn)
        n = int(rng.uniform(*hours) * 60)
        work = afloat(partial(at, rng, *out[-1], n))
        yield work
        yield movement.sail(rng, np.vstack([[work.lon[-1], work.lat[-1]], out[::-1]]), vessel.cruise_kn)


def berth(rng: Random, net: Net, node: int, n: int) -> Passage:
    """Moored at a quay for n minutes, some metres along from where others lie."""
    lon, lat = movement.moved(*_at(net, node), *rng.normal(0, 30, 2))
    return movement.lie(rng, float(lon), float(lat), max(n, 1))


def afloat(make: Callable[[], Passage], tries: int = 6) -> Passage:
    """What `make` draws, drawn again while it comes on land; the last draw where all do."""
    for _ in range(tries):
        piece = make()
        if is_water(piece.lon[::15], piece.lat[::15]).all():
            break
    return piece


def haven_near(
    rng: Random, net: Net, lon: float, lat: float, reach_km: float, but: int = -1, dprk: bool = False
) -> int:
    """A port, the nearer the likelier; those of the DPRK only where asked for, as ships of other trades do not call."""
    weight = np.exp(-net.km_to_havens(lon, lat) / reach_km)
    weight *= [(haven.country == DPRK) == dprk for haven in net.havens]
    weight[net.km_to_havens(lon, lat) < (20 if but < 0 else 0)] *= 0.05
    if but >= 0:
        weight[but] = 0
    return int(rng.choice(len(weight), p=weight / weight.sum()))


def _at(net: Net, node: int) -> tuple[float, float]:
    return float(net.lon[node]), float(net.lat[node])


def _anywhere(rng: Random) -> tuple[float, float]:
    west, south, east, north = BOX
    return float(rng.uniform(west, east)), float(rng.uniform(south, north))
