"""What instruments make of the truth: positions that wander, speeds that are never quite zero, courses without sense.

The numbers are set against real stopped ships, see docs/simulator.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stswatch.sample_ais.courses import Ints
from stswatch.sample_ais.motion import Floats

WHITE_M, SLOW_M = 0.8, 1.25  # along each axis: from report to report, and over some tens of minutes
SPEED_KN, SWELL_KN = 0.045, 0.055  # of speeds: at a quay, and as much more afloat
AFLOAT_KN = 0.005  # a hull at a quay does not move at all


@dataclass(frozen=True)
class Receivers:
    """What is particular to the set of each emitter (e,), the same through a sea and drawn anew for each."""

    quality: Floats  # factor on its noise
    period_s: Floats
    phase: Floats
    heading: Floats  # 0 to 1: who sends no heading
    deadband_kn: Floats  # slower is shown as 0
    turn: Floats  # 0 to 1: which of the slots it sends in
    second: Floats  # 0 to 1: where in its interval it sends

    @staticmethod
    def of(rng: np.random.Generator, n: int) -> Receivers:
        """Receivers of n emitters."""
        return Receivers(
            np.exp(rng.normal(0, 0.4, n)),
            60 * np.exp(rng.normal(3.4, 0.5, n)),
            rng.uniform(0, 2 * np.pi, n),
            rng.random(n),
            np.where(rng.random(n) < 0.6, 0.1, 0.0),
            rng.random(n),
            rng.random(n),
        )


def position_noise_m(
    rng: np.random.Generator, of: Receivers, emitter: Ints, time_s: Floats, factor: float
) -> tuple[Floats, Floats]:
    """Metres east and north (n,) by which positions are off."""
    turn = 2 * np.pi * time_s / of.period_s[emitter] + of.phase[emitter]
    size = factor * of.quality[emitter]
    slow = SLOW_M * np.sqrt(2 / 3)
    east = slow * (np.sin(turn) + np.sin(0.37 * turn) + np.sin(2.3 * turn + 1)) / np.sqrt(1.0)
    north = slow * (np.cos(turn) + np.sin(0.41 * turn + 2) + np.cos(1.9 * turn))
    white = rng.normal(0, WHITE_M, (2, len(emitter)))
    return size * (east / np.sqrt(1.5) + white[0]), size * (north / np.sqrt(1.5) + white[1])


def shown_speed_kn(rng: np.random.Generator, of: Receivers, emitter: Ints, speed_kn: Floats) -> Floats:
    """Speed over ground as sent, in tenths of a knot."""
    spread_kn = SPEED_KN * of.quality[emitter] + SWELL_KN * (speed_kn > AFLOAT_KN)
    told = np.abs(speed_kn + spread_kn * rng.standard_normal(len(speed_kn)))
    return np.asarray(np.round(np.where(told < of.deadband_kn[emitter], 0.0, told), 1), np.float64)


def shown_course_deg(rng: np.random.Generator, speed_kn: Floats, bearing: Floats) -> Floats:
    """Course over ground as sent: the slower the ship, the less it means."""
    spread = np.minimum(1.0 + 4.0 / np.maximum(speed_kn, 0.05), 180.0)
    return np.asarray(np.round((bearing + spread * rng.normal(0, 1, len(speed_kn))) % 360, 1) % 360)
