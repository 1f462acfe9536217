"""Where labels go: beside what they name, where they hide least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from stswatch.pipeline.batch import Floats

Rectangle = tuple[float, float, float, float]  # left, bottom, right, top
_SIDES = ((1, 0), (1, 1), (1, -1), (-1, 0), (-1, 1), (-1, -1), (0, 1), (0, -1))  # the first is liked best
_OUTSIDE, _HIT, _POINT, _FAR = 1e6, 1e4, 10.0, 3.0  # what it costs: off the map, over a label, over a point, far off


@dataclass
class Labels:
    """Labels put on one map so far. All lengths in one unit, pixels say; points (n,) are what had better be seen."""

    frame: Rectangle
    x: Floats
    y: Floats
    taken: list[Rectangle] = field(default_factory=list)

    def take(self, rectangle: Rectangle) -> None:
        """Keep labels away from here."""
        self.taken.append(rectangle)

    def place(self, at: tuple[float, float], size: tuple[float, float], gap: Sequence[float]) -> Rectangle:
        """The best place for a label of a width and height beside a point, at one of these gaps; it is then taken.

        >>> Labels((0, 0, 100, 100), np.zeros(0), np.zeros(0)).place((98, 50), (20, 10), [5])
        (73.0, 45.0, 93.0, 55.0)
        """
        tried = [_beside(*at, *size, side, away) for away, side in product(gap, _SIDES)]
        costs = [self._cost(rectangle) + _FAR * k / len(_SIDES) for k, rectangle in enumerate(tried)]
        best = tried[int(np.argmin(costs))]
        self.take(best)
        return best

    def free(self, rectangles: Sequence[Rectangle]) -> int:
        """Which of several rectangles hides least; it is taken from now on."""
        best = int(np.argmin([self._cost(rectangle) for rectangle in rectangles]))
        self.take(rectangles[best])
        return best

    def clear(self, rectangle: Rectangle, among: int) -> bool:
        """Whether a label there is on the map and over none of the first so many taken places."""
        return self._cost(rectangle, among) < _HIT

    def _cost(self, rectangle: Rectangle, among: int | None = None) -> float:
        left, bottom, right, top = rectangle
        low_x, low_y, high_x, high_y = self.frame
        outside = left < low_x or bottom < low_y or right > high_x or top > high_y
        hits = sum(left < r[2] and right > r[0] and bottom < r[3] and top > r[1] for r in self.taken[:among])
        points = ((self.x > left) & (self.x < right) & (self.y > bottom) & (self.y < top)).sum()
        return float(_OUTSIDE * outside + _HIT * hits + _POINT * points)


def _beside(x: float, y: float, width: float, height: float, side: tuple[int, int], away: float) -> Rectangle:
    across, up = side
    reach = away if 0 in side else away * 0.7
    left = x + across * reach - (1 - across) / 2 * width
    bottom = y + up * reach - (1 - up) / 2 * height
    return left, bottom, left + width, bottom + height
