"""The arrival of every byte of a text that was received live: what has no time of its own takes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from stswatch.pipeline.decode.lines import Ints
from stswatch.pipeline.decode.stamps import NO_TIME


@dataclass(frozen=True)
class Arrivals:
    """From which offset, bytes, which arrival holds, UTC microseconds: (n,) each, offsets rising."""

    offset: Ints
    time_us: Ints

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, int]]) -> Arrivals:
        """From (offset, UTC microseconds) pairs in order."""
        offset, time_us = np.array(list(pairs), np.int64).reshape(-1, 2).T
        return cls(offset, time_us)

    def pairs(self) -> list[tuple[int, int]]:
        """As (offset, UTC microseconds) pairs."""
        return list(zip(self.offset.tolist(), self.time_us.tolist(), strict=True))

    def at(self, offset: Ints) -> Ints:
        """Arrival at offsets (n,), UTC microseconds; NO_TIME before the first.

        >>> (Arrivals.of([(3, 70), (9, 80)]).at(np.array([2, 3, 8, 9])) - 70).tolist()[1:]
        [0, 0, 10]
        """
        return np.concatenate([[NO_TIME], self.time_us])[np.searchsorted(self.offset, offset, side="right")]

    def between(self, begin: int, end: int) -> Arrivals:
        """What holds in [begin, end], that of silence at the end included."""
        first = max(int(np.searchsorted(self.offset, begin, side="right")) - 1, 0)
        last = int(np.searchsorted(self.offset, end, side="right"))
        return Arrivals(self.offset[first:last], self.time_us[first:last])
