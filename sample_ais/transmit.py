"""When ships send: how often by class, speed, status and turning, thinned to one report in a slot as networks do.

Of each slot the first report that anybody received is kept. Its number is drawn at once for all slots: reports of a
slot are received independently, so it is geometric. What a slot costs does not depend on how often a ship sends.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stswatch.sample_ais.cast import AT_ANCHOR, MOORED
from stswatch.sample_ais.courses import Ints
from stswatch.sample_ais.motion import Floats

Bools = NDArray[np.bool_]

# Source: ITU-R M.1371-5, annex 1, table 1, class A: (slower than kn, seconds, seconds while changing course)
CLASS_A_S = ((14.0, 10.0, 10.0 / 3), (23.0, 6.0, 2.0), (np.inf, 2.0, 2.0))
CLASS_A_LYING_S = 180.0  # at anchor or moored and not faster than 3 kn; 10 s if faster
# Source: ITU-R M.1371-5, annex 1, table 2, class B carrier-sense: 3 min at 2 kn or slower, else 30 s
CLASS_B_S = ((2.0, 180.0), (np.inf, 30.0))
LYING_KN = 3.0
TURNING_DEG_PER_MIN = 20.0  # of course; the standard goes by heading against its mean of 30 s: 5 degrees
STATIC_S = 360.0  # Source: ITU-R M.1371-5, annex 1, 4.2.2: static and voyage data every 6 minutes


class Slots(NamedTuple):
    """Emitter (n,), start of the slot in seconds (n,), seconds between reports in it (n,), how many are sent (n,)."""

    emitter: Ints
    time_s: Floats
    every_s: Floats
    sent: Ints


def interval_s(class_b: Bools, lying: Bools, speed_kn: Floats, turning: Bools) -> Floats:
    """Seconds between position reports (n,): see the tables above.

    >>> class_b, lying, turning = np.array([[0, 0, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0]], bool)
    >>> interval_s(class_b, lying, np.array([0.0, 9.0, 15.0, 9.0]), turning).tolist()
    [180.0, 10.0, 2.0, 30.0]
    """
    a = np.full(len(speed_kn), CLASS_A_S[-1][1])
    for limit, every, every_turning in CLASS_A_S[::-1]:
        a = np.where(speed_kn < limit, np.where(turning, every_turning, every), a)
    a = np.where(lying, np.where(speed_kn <= LYING_KN, CLASS_A_LYING_S, 10.0), a)
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
