"""How a guest lies beside a host: it keeps an offset in the host's frame, so the two swing, drift and turn as one.

Offsets are antenna to antenna: metres to starboard and metres ahead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stswatch.sample_ais.lying import Lying, knots, wander
from stswatch.sample_ais.motion import Course, shift
from stswatch.sample_ais.ships import Ship

Rng = np.random.Generator
FENDER_M = 3.5


def offset_m(rng: Rng, host: Ship, guest: Ship, distance_m: float) -> tuple[float, float, float]:
    """Metres to starboard and ahead, antenna to antenna, of a guest alongside, and its heading against the host's.

    The hulls leave at least half of both beams and a fender between the antennas; the rest of the distance is along
    the hulls, as far as these reach. Farther apart the two are not alongside, and the bearing is any.
    """
    least_m = (host.kind.beam_m + guest.kind.beam_m) / 2 + FENDER_M
    most_along_m = 0.6 * (host.kind.length_m + guest.kind.length_m) / 2
    along_m = np.sqrt(max(distance_m**2 - least_m**2, 0.0))
    if along_m > most_along_m:
        bearing = rng.uniform(0, 2 * np.pi)
        return distance_m * float(np.sin(bearing)), distance_m * float(np.cos(bearing)), float(rng.normal(0, 8))
    side = float(rng.choice([-1.0, 1.0]))
    return side * least_m, float(along_m * rng.choice([-1.0, 1.0])), float(rng.choice([0.0, 180.0], p=[0.75, 0.25]))


class Coming(NamedTuple):
    """How a guest comes and goes: slowly over so long, from so far, on the sides that its ways lie on."""

    from_m: float = 3000.0
    from_deg: float = 0.0  # from the host to where the guest comes from
    to_deg: float = 0.0  # and to where it goes
    over_s: float = 1800.0


STRAIGHT = Coming()


def alongside(
    rng: Rng,
    host: Lying,
    start_s: float,
    end_s: float,
    starboard_m: float,
    ahead_m: float,
    turned_deg: float = 0.0,
    coming: Coming = STRAIGHT,
) -> Lying:
    """Beside a host from start to end, comes and leaves as `coming` says, its heading turned against the host's.

    No two hulls keep way together stem to stern: beside a host under way a guest heads as it does.
    """
    time_s = knots(start_s, end_s, 300.0)
    sway_m = 0.8 + 0.02 * np.hypot(starboard_m, ahead_m)  # fenders and lines give way, the farther off the more
    right = starboard_m + sway_m * wander(rng, time_s, 1400.0)
    ahead = ahead_m + sway_m * wander(rng, time_s, 1900.0)
    steps = np.array([1.0, 0.5, 0.2]) * coming.over_s
    far_s = np.concatenate([start_s - steps, [start_s, end_s], end_s + steps[::-1]])
    far_m = coming.from_m * np.array([1.0, 0.35, 0.1, 0.0, 0.0, 0.1, 0.35, 1.0])
    around = np.radians([coming.from_deg, coming.to_deg]) + rng.normal(0, 0.25, 2)
    inner = host.course.time_s[(host.course.time_s > far_s[0]) & (host.course.time_s < far_s[-1])]
    at_s = np.union1d(np.union1d(inner, time_s), far_s)
    # between at_s the offset must turn with the host, so it is interpolated in the host's frame at all at_s
    theta = np.interp(at_s, host.time_s, np.radians(host.heading_deg))
    right, ahead = np.interp(at_s, time_s, right), np.interp(at_s, time_s, ahead)
    out_m, side = np.interp(at_s, far_s, far_m), np.where(at_s < (start_s + end_s) / 2, around[0], around[1])
    x = ahead * np.sin(theta) + right * np.cos(theta) + out_m * np.sin(side)
    y = ahead * np.cos(theta) - right * np.sin(theta) + out_m * np.cos(side)
    course = Course(at_s, *shift(*host.course.at(at_s), x, y))
    lying = (at_s >= far_s[2]) & (at_s <= far_s[-3])
    turned = 0.0 if host.keeps_way else turned_deg
    return Lying(course, at_s[lying], np.degrees(theta[lying]) + turned + rng.normal(0, 1.5))
