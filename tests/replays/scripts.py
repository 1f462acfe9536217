"""Published cases as scripts for simulated ships: who, where, when, for how long, from where to where, who is silent.

Each script holds what its source says; what no source says is an estimate, named in `estimated`. They were written from
the sources and are not changed by what the program makes of them. The ships are simulated, with numbers and names that
are given to nobody. That a script is found says nothing of the case: it is one way in which it may have looked.

Sources: press releases of the Japanese Ministry of Foreign Affairs on sightings by its Self-Defense Force, 2018
and 2019 (positions worked out from the published distance and bearing from Shanghai, off by 50 to 150 km);
satellite pictures published by VOA in February and March 2024; the Republic of Korea on DE YI, July 2024; what was
submitted to the 1718 Committee on FLYFREE, November 2025.
"""

from __future__ import annotations

from typing import NamedTuple

SHANGHAI = "Japan MOFA: distance and bearing from Shanghai"


class Party(NamedTuple):
    """A simulated ship in the place of one of a case: its kind (fleet/ships.py), and ports by their ids in geo/."""

    kind: str
    of: str  # port it comes from
    to: str  # port it goes to
    role: str  # "" or DPRK: under the fictional flag in that role


class Script(NamedTuple):
    """A meeting: degrees, hours; `waits_h` is how long the first party lies there before and after it."""

    name: str
    source: str
    lon: float
    lat: float
    zone: str
    hour: float  # of the day, UTC, at which it begins
    duration_h: float
    first: Party
    second: Party
    estimated: str
    waits_h: tuple[float, float] = (6.0, 3.0)
    dark_h: tuple[float, float] = (24.0, 24.0)  # of whoever is silent: before the meeting, after it


DPRK_TANKER = Party("small_tanker", "nampo", "nampo", "DPRK")
SMALL = Party("bunker", "CNSHA", "CNSHA", "")
_SEEN = "duration, ports, sizes, whether either set was on"


def _shanghai(name: str, lon: float, lat: float, hour: float, other: Party = SMALL) -> Script:
    return Script(name, SHANGHAI, lon, lat, "ecs_offshore", hour, 5.0, other, DPRK_TANKER, _SEEN)


SCRIPTS = (
    _shanghai("2018-02-13", 124.43, 31.2, 20.0, Party("small_tanker", "TWKHH", "CNSHA", "")),
    _shanghai("2018-02-16", 124.43, 31.2, 2.0),
    _shanghai("2018-02-24", 124.43, 31.2, 13.5, Party("small_tanker", "TWTPE", "CNSHA", "")),
    _shanghai("2018-06-21", 123.36, 27.9, 0.0),
    _shanghai("2018-06-22", 123.54, 27.48, 0.0),
    _shanghai("2018-07-31", 124.7, 28.65, 15.0),
    _shanghai("2019-01-18", 121.8, 27.54, 6.0),
    _shanghai("2019-03-02", 121.8, 27.72, 19.0),
    _shanghai("2019-03-20 morning", 121.8, 27.54, 0.0),
    _shanghai("2019-03-20 midnight", 121.8, 27.54, 15.0),
    Script(
        "Sok-do, February 2024", "VOA, satellite picture", 124.98, 38.63, "nampo_sokto", 2.0, 12.0,
        Party("bulker", "nampo", "nampo", "DPRK"), Party("barge", "nampo", "nampo", "DPRK"),
        "time, duration, ports, that both had sets",
    ),
    Script(
        "Wonsan, March 2024", "VOA, satellite picture: coal", 127.55, 39.25, "wonsan_bay", 2.0, 20.0,
        Party("bulker", "vostochny", "vostochny", ""), Party("coaster", "wonsan", "wonsan", "DPRK"),
        "time, duration, ports",
    ),
    Script(
        "DE YI, March 2024", "Republic of Korea, July 2024", 124.95, 38.6, "nampo_sokto", 4.0, 24.0,
        Party("coaster", "CNSHD", "KRYOS", ""), Party("coaster", "nampo", "nampo", "DPRK"),
        "when and how long they lay together; that the other was silent too", (168.0, 6.0), (180.0, 36.0),
    ),
    Script(
        "FLYFREE, 29 May 2025", "submitted to the 1718 Committee", 125.0, 38.6, "nampo_sokto", 3.0, 24.0,
        Party("bulker", "CNSHD", "CNWEI", ""), Party("coaster", "nampo", "nampo", "DPRK"),
        "hour, duration, port before, where in DPRK waters", (24.0, 72.0), (48.0, 96.0),
    ),
)  # fmt: skip
