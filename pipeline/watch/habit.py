"""For how long a source may be silent: what it allowed itself in the past week."""

from __future__ import annotations

import math
from collections.abc import Mapping

HOURS = 168  # a week: a source may keep other hours on a Sunday
SHARE = 0.9  # what happens in one hour of ten is habit; what is rarer is worth a word
FACTOR = 2.0
FLOOR_S = 60.0  # an antenna in an empty sea hears nothing for so long
FIRST_S = 600.0  # the floor until an hour is known


class Habit:
    """The longest silence of each hour, a week back.

    By hour and not by interval: a satellite sends thousands of sentences within a minute and then nothing for ninety,
    and nearly all of its intervals are short. A silence counts once it is over, in each of its hours with what it had
    come to by then, so that one which still lasts does not excuse itself.

    >>> habit = Habit()
    >>> habit.allowed_s()
    600.0
    >>> for arrival_s in range(0, 10 * 3600, 1200):  # a pass every twenty minutes
    ...     habit.heard(float(arrival_s))
    >>> habit.allowed_s()
    2400.0
    """

    def __init__(self, longest_s: Mapping[int, float] | None = None) -> None:
        self._longest_s = dict(longest_s or {})  # hour since 1970 -> longest silence in it, seconds
        self._last_s: float | None = None  # never kept: while nobody listened nobody was silent

    def heard(self, arrival_s: float) -> None:
        """Take note of when the source was heard last, as Unix time; the same time again, or an earlier, is nothing."""
        last_s = arrival_s if self._last_s is None else self._last_s
        if self._last_s is not None and arrival_s <= last_s:
            return
        first, final = int(last_s // 3600), int(arrival_s // 3600)
        for hour in range(max(first, final - HOURS + 1), final + 1):
            silent_s = min((hour + 1) * 3600.0, arrival_s) - last_s
            self._longest_s[hour] = max(self._longest_s.get(hour, 0.0), silent_s)
        self._last_s = arrival_s
        if first != final:
            self._longest_s = {hour: s for hour, s in self._longest_s.items() if hour > final - HOURS}

    def allowed_s(self) -> float:
        """Twice the silence that nine hours of ten keep within; never less than a minute, or ten in the first hour."""
        known = sorted(self._longest_s.values())
        if len(known) < 2:  # the first is not over
            return max(FIRST_S, FACTOR * max(known, default=0.0))
        return max(FLOOR_S, FACTOR * known[math.ceil(SHARE * len(known)) - 1])

    def to_json(self) -> dict[str, float]:
        """Hours and silences, as `from_json` takes them."""
        return {str(hour): round(silent_s, 1) for hour, silent_s in sorted(self._longest_s.items())}

    @classmethod
    def from_json(cls, told: Mapping[str, float]) -> Habit:
        """The habit that `to_json` gave. Raises ValueError for anything else."""
        return cls({int(hour): float(silent_s) for hour, silent_s in told.items()})
