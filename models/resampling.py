"""How sure a figure is: vessels are drawn again, never meetings, since the meetings of one vessel are alike."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """A figure and the range that holds it in 95 of 100 draws."""

    value: float
    low: float
    high: float


def vessel_draws(a: NDArray[np.int64], b: NDArray[np.int64], draws: int, seed: int) -> Floats:
    """Weights (draws, n) of meetings between vessels a and b, (n,) numbers each: each vessel is drawn again.

    A vessel comes so often as a Poisson number of mean 1 says, and a meeting as often as both of its vessels do: what
    hangs on one busy vessel comes and goes with it. The same input gives the same weights.
    Source: Owen (2007), The pigeonhole bootstrap, Annals of Applied Statistics 1(2), for two crossed factors; Poisson
    numbers in place of drawing with replacement after Chamandy et al. (2012), Estimating uncertainty for massive data
    streams.

    >>> vessel_draws(np.array([1, 1]), np.array([2, 3]), 4, seed=0).shape
    (4, 2)
    """
    vessels, which = np.unique(np.concatenate([a, b]), return_inverse=True)
    often = np.random.default_rng(seed).poisson(1.0, (draws, len(vessels))).astype(np.float64)
    return np.asarray(often[:, which[: len(a)]] * often[:, which[len(a) :]])


def interval(value: ArrayLike, drawn: Floats) -> Interval:
    """The figure with its range, percentiles 2.5 and 97.5 of the draws (d,); draws without meaning are left out.

    >>> interval(2.0, np.array([1.0, 2.0, 3.0, np.nan]))
    Interval(value=2.0, low=1.05, high=2.95)
    """
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return Interval(float(np.asarray(value)), float("nan"), float("nan"))
    low, high = np.percentile(known, [2.5, 97.5])
    return Interval(float(np.asarray(value)), float(low), float(high))
