"""How long meetings last, how far apart the antennas are, how fast both go: drawn from what was fitted to real ones.

meetings.json holds the parameters, with their errors; fit_meetings.py says how they were fitted, and to what.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

from stswatch.sample_ais.motion import Floats

SHORTEST_H, LONGEST_H = 1 / 3, 72.0
NEAREST_M, FARTHEST_M = 12.0, 460.0  # under the 500 m of an encounter with the swing of both
FASTEST_KN = 4.3


class Mixture(NamedTuple):
    """Share, median and sigma of a lognormal; median and sigma of a second one, or the median of an exponential."""

    share: float
    median_1: float
    sigma_1: float
    median_2: float
    sigma_2: float | None = None  # None: the second part is exponential

    def draw(self, rng: np.random.Generator, n: int, low: float, high: float) -> Floats:
        """Values (n,) within (low, high); those that fall outside are drawn again."""
        out = np.empty(0)
        while len(out) < n:
            first = rng.random(4 * n) < self.share
            one = self.median_1 * np.exp(self.sigma_1 * rng.standard_normal(4 * n))
            if self.sigma_2 is None:
                two = rng.exponential(self.median_2 / np.log(2.0), 4 * n)
            else:
                two = self.median_2 * np.exp(self.sigma_2 * rng.standard_normal(4 * n))
            drawn = np.where(first, one, two)
            out = np.append(out, drawn[(drawn > low) & (drawn < high)])
        return out[:n]


def fitted_columns() -> dict[str, dict[str, Any]]:
    """What meetings.json says of each column: parameters, their errors, how many values, bounds."""
    held = json.loads((files("stswatch.sample_ais") / "meetings.json").read_text(encoding="utf-8"))
    columns: dict[str, dict[str, Any]] = held["columns"]
    return columns


@cache
def fitted() -> dict[str, Mixture]:
    """The fitted mixtures: duration_h, median_distance_m, median_speed_kn.

    >>> 30 < fitted()["median_distance_m"].median_1 < 45
    True
    """
    return {
        name: Mixture(**{k: told[k] for k in Mixture._fields if k in told}) for name, told in fitted_columns().items()
    }


def durations_h(rng: np.random.Generator, n: int, longest_h: float = LONGEST_H, factor: float = 1.0) -> Floats:
    """Durations (n,) in hours, from 20 minutes up; `factor` stretches the fitted shape."""
    return factor * fitted()["duration_h"].draw(rng, n, SHORTEST_H / factor, longest_h / factor)


def distances_m(rng: np.random.Generator, n: int, factor: float = 1.0) -> Floats:
    """Median distances of antennas (n,) in metres."""
    return factor * fitted()["median_distance_m"].draw(rng, n, NEAREST_M / factor, FARTHEST_M / factor)


def speeds_kn(rng: np.random.Generator, n: int, fastest_kn: float = FASTEST_KN) -> Floats:
    """Median speeds (n,) in knots, up to that of hulls that go on side by side."""
    return fitted()["median_speed_kn"].draw(rng, n, 0.0, fastest_kn)
