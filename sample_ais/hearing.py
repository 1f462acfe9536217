"""Who heard what a ship sent: the chances of its reports by shore stations and satellites, and which one it was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stswatch.sample_ais import transmit
from stswatch.sample_ais.columns import Bools, Cast
from stswatch.sample_ais.courses import Ints
from stswatch.sample_ais.listen import Chances, Network, over
from stswatch.sample_ais.motion import Floats

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

    def first(self, rng: np.random.Generator, of: transmit.Slots, phase: Floats) -> tuple[Bools, Floats, Ints]:
        """Which slots (n,) had a report that was received; of those (k,) when it was sent, and the station."""
        shore, space = self.of(of.emitter, of.time_s)
        heard, when_s = transmit.first_received(rng, of, 1 - (1 - shore) * (1 - space), phase)
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
