"""Ships of any kind with running numbers: what they are called, how large they are, how fast they go at sea."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stswatch.sample_ais.ships import FLAGS, KINDS, Ship, with_check_digit

DPRK_ROLE = "XA"
# Speed at sea in kn, median; an estimate of this project for the trades in question.
SEA_KN = {
    "tanker": 11.5,
    "tanker_large": 12.5,
    "small_tanker": 9.5,
    "bulker": 11.0,
    "coaster": 9.0,
    "container": 15.0,
    "bunker": 8.0,
    "tug": 9.0,
    "barge": 7.0,
    "trawler": 8.0,
    "pilot": 16.0,
    "ferry": 19.0,
    "reefer": 13.0,
    "fisher": 9.0,
    "supply": 10.5,
    "crew_boat": 17.0,
    "dredger": 8.5,
    "hopper": 8.0,
    "patrol": 14.0,
    "research": 10.0,
    "launch": 12.0,
}
WITHOUT_IMO = ("barge", "trawler", "pilot", "crew_boat", "launch", "fisher", "hopper")


@dataclass
class Yard:
    """Launches ships with running numbers, of sizes that vary within their kind."""

    rng: np.random.Generator
    launched: int = 0

    def launch(self, kind: str, flag: str | None = None, scale: float = 1.0) -> Ship:
        """The next ship of a kind; KeyError where there is none such. `scale` makes it larger or smaller.

        No flag given: any but the one in the role of the DPRK.
        """
        self.launched += 1
        number, what = self.launched, KINDS[kind]
        size = scale * float(np.exp(self.rng.normal(0, 0.14)))
        flag = flag or str(self.rng.choice([f for f in FLAGS if f != DPRK_ROLE]))
        what = what._replace(
            length_m=max(9, round(what.length_m * size)),
            beam_m=max(3, round(what.beam_m * size**0.9)),
            draught_m=max(0.8, round(what.draught_m * size**0.7, 1)),
        )
        return Ship(
            hull=f"hull-{number:05d}",
            mmsi=FLAGS[flag] * 1_000_000 + (number * 7919) % 1_000_000,
            name=f"SIM {what.name} {number}",
            imo=0 if kind in WITHOUT_IMO else with_check_digit(300_000 + number * 13 % 200_000),
            call_sign=f"1S{flag[1]}{number:04d}",
            kind=what,
            destination="SIM ORDERS",
            flag=flag,
        )
