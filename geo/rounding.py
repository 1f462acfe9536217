"""Positions that were rounded before they were told: which grid of degrees holds them all.

Archives are thinned or made anonymous by rounding, and nothing says so but the numbers themselves. What is finer than a
thousandth of a degree is no matter here: it moves a position by less than the receivers of ships do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FINE = 4  # decimals of a degree from which on rounding is not looked for
MINUTE_TENTH_DEG = 1 / 600  # the grid of AIS message 27. Source: ITU-R M.1371-5, table 84
_PLACES = 4  # distinct positions that are remembered: no grid asks for more
_CHANCE = 1e-8  # that positions told to 0.0001 degree lie on a coarser grid by accident; rarer than any archive
_M_PER_DEG = 111_195.0  # along a meridian; the widest that a degree of longitude can be
_NEAR = 1e-5  # of a step: positions are kept to 1e-7 degree
_FEW = 256
_MANY = 1_000_000  # more thousandths of a degree than there are of latitude


@dataclass(frozen=True)
class Rounding:
    """How finely some positions are told: the fewest decimals that hold them all, and up to four distinct ones."""

    decimals: int = 0
    places: tuple[tuple[float, float], ...] = ()

    def with_positions(self, lon: Floats, lat: Floats) -> Rounding:
        """The same with n positions more, degrees; none may be NaN."""
        if self.decimals == FINE or not len(lon):
            return self
        decimals = _decimals(lon[:_FEW], lat[:_FEW], self.decimals)
        decimals = _decimals(lon, lat, decimals)
        if decimals == FINE:
            return Rounding(FINE)
        # most archives show enough places at once; others are looked through
        return Rounding(decimals, self.places).seen(lon[:_FEW], lat[:_FEW]).seen(lon, lat)

    def seen(self, lon: Floats, lat: Floats) -> Rounding:
        """The same, these positions among the distinct ones."""
        if len(self.places) == _PLACES:
            return self
        units = 10**self.decimals
        x, y = (np.rint(c * units).astype(np.int64) for c in (lon, lat))
        key = np.unique(x * _MANY + y + _MANY // 2)[: 2 * _PLACES]
        found = zip((key // _MANY / units).tolist(), ((key % _MANY - _MANY // 2) / units).tolist(), strict=True)
        places = sorted({*self.places, *found})
        return Rounding(self.decimals, tuple(places[:_PLACES]))

    def step_deg(self) -> float:
        """The step of the grid, degrees; 0 where there is none, or too few positions tell.

        >>> Rounding(0, ((124.0, 36.0),)).step_deg(), Rounding(3, ((124.001, 36.2),)).step_deg()
        (1.0, 0.0)
        """
        by_accident = 10.0 ** (2 * (self.decimals - FINE) * len(self.places))
        known = self.decimals < FINE and self.places and by_accident <= _CHANCE * (1 + 1e-9)
        return 10.0**-self.decimals if known else 0.0


def together(parts: Sequence[Rounding]) -> Rounding:
    """Of all positions of several parts, whatever their order.

    >>> together([Rounding(0, ((124.0, 36.0),)), Rounding(1, ((124.5, 36.1),))]).step_deg()
    0.1
    """
    places = sorted({place for part in parts for place in part.places})
    return Rounding(max((part.decimals for part in parts), default=FINE), tuple(places[:_PLACES]))


def moved_m(step_deg: float) -> float:
    """How far rounding to a grid may have moved a position: half the diagonal of a cell, metres.

    >>> round(moved_m(0.001)), round(moved_m(MINUTE_TENTH_DEG)), moved_m(0.0)
    (79, 131, 0.0)
    """
    return step_deg * _M_PER_DEG * sqrt(0.5)


def _decimals(lon: Floats, lat: Floats, least: int) -> int:
    """The fewest decimals, at least so many, that hold all of these degrees; FINE where three do not."""
    for decimals in range(least, FINE):
        units = 10.0**decimals
        if all(bool((np.abs(c * units - np.rint(c * units)) < _NEAR).all()) for c in (lat, lon)):
            return decimals
    return FINE
