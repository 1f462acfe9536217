"""Simulated ships: what they are and what they say of themselves; nobody can take one for a real ship.

Country digits 281 to 286 and call signs beginning with 1 are given to nobody (ITU: table of maritime
identification digits, appendix 42 of the Radio Regulations). IMO numbers keep their check digit but lie below
5 million, where company numbers are and hulls are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

FLAGS = {"XA": 281, "XB": 282, "XC": 283, "XD": 284, "XE": 285, "XF": 286}  # as in flags.csv


class Kind(NamedTuple):
    """What ships of one trade have in common."""

    ship_type: int  # ITU-R M.1371-5, table 53
    length_m: int
    beam_m: int
    draught_m: float
    name: str
    ais_class: str = "A"


KINDS = {
    "tanker": Kind(80, 150, 23, 8.2, "TANKER"),
    "small_tanker": Kind(80, 96, 14, 5.1, "COASTER OIL"),
    "bulker": Kind(70, 180, 28, 9.4, "BULK"),
    "coaster": Kind(70, 88, 13, 4.6, "COASTER"),
    "container": Kind(71, 260, 36, 11.8, "BOX"),
    "bunker": Kind(80, 58, 11, 3.6, "BUNKER"),
    "tug": Kind(31, 34, 10, 4.0, "TUG"),
    "barge": Kind(37, 76, 20, 3.1, "BARGE", "B"),
    "trawler": Kind(30, 38, 7, 3.2, "TRAWL", "B"),
    "pilot": Kind(50, 18, 5, 1.5, "PILOT"),
    "ferry": Kind(60, 165, 25, 6.1, "FERRY"),
    "reefer": Kind(70, 118, 17, 6.0, "REEFER"),
    "fisher": Kind(30, 52, 9, 3.6, "FISHER"),
    "supply": Kind(79, 68, 15, 4.8, "SUPPLY"),
    "crew_boat": Kind(69, 26, 7, 1.8, "CREW", "B"),
    "dredger": Kind(33, 98, 19, 5.6, "DREDGER"),
    "hopper": Kind(79, 72, 15, 4.2, "HOPPER"),
    "patrol": Kind(55, 88, 13, 4.1, "PATROL"),
    "research": Kind(90, 74, 15, 5.0, "RESEARCH"),
    "launch": Kind(90, 16, 5, 1.6, "LAUNCH", "B"),
    "tanker_large": Kind(80, 228, 36, 12.4, "TANKER L"),
}


_TRADES = {kind.name: trade for trade, kind in KINDS.items()}


@dataclass(frozen=True)
class Ship:
    """What one ship sends as its identity."""

    hull: str  # name of the hull in the truth: two hulls may claim one MMSI
    mmsi: int
    name: str
    imo: int  # 0 where it has none
    call_sign: str
    kind: Kind
    destination: str
    flag: str

    @property
    def trade(self) -> str:
        """The key of its kind in KINDS, whatever its size."""
        return _TRADES[self.kind.name]

    @property
    def size_m(self) -> tuple[int, int, int, int]:
        """Antenna to bow, stern, port and starboard: on the bridge, aft, a little to port."""
        stern = max(2, round(self.kind.length_m * 0.18))
        port = self.kind.beam_m // 2
        return self.kind.length_m - stern, stern, port, self.kind.beam_m - port


def with_check_digit(number: int) -> int:
    """Six digits with the check digit of an IMO number behind them.

    Source: IMO resolution A.1117(30): the six digits times 7 to 2, the last digit of the sum.

    >>> with_check_digit(907472)
    9074729
    """
    return number * 10 + sum(int(d) * w for d, w in zip(f"{number:06d}", range(7, 1, -1), strict=True)) % 10
