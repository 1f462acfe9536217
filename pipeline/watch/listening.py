"""Which sources are silent for longer than is their habit."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from stswatch.pipeline.spool.segments import Position
from stswatch.pipeline.spool.spool import Counts
from stswatch.pipeline.spool.supervisor import SourceState
from stswatch.pipeline.store.disk import read_json, write_json
from stswatch.pipeline.watch.habit import Habit


class Listening:
    """The habits of all sources, kept in a file, and who is silent just now.

    path: of their file. begun_s: when the watch began to listen, Unix time on the clock of arrivals, as all times here.

    >>> ear = Listening(Path("nowhere.json"), 0.0)
    >>> ear.look([_heard_at(10)], 20.0)
    []
    >>> ear.look([_heard_at(10)], 700.0)
    ['roof: connected, but silent for 12 min; its habit is 10 min at most']
    >>> ear.look([_heard_at(710)], 720.0)
    ['roof: heard again']
    """

    def __init__(self, path: Path, begun_s: float) -> None:
        self._path, self._habits, self.begun_s = path, _read(path), begun_s
        self._silent: set[str] = set()

    @property
    def silent(self) -> frozenset[str]:
        """Names of those that were silent for too long when they were looked at last."""
        return frozenset(self._silent)

    def allowed_s(self, name: str) -> float:
        """For how long the source of a name may be silent, seconds."""
        return self._habits.get(name, Habit()).allowed_s()

    def silent_s(self, source: SourceState, now_s: float) -> float:
        """Seconds since a source was heard last, or since the watch began where it never was."""
        last_us = source.counts.last_line_us
        return max(now_s - (last_us / 1e6 if last_us else self.begun_s), 0.0)

    def look(self, sources: Iterable[SourceState], now_s: float) -> list[str]:
        """What is to be said of them now: a sentence when one falls silent, and one when it is heard again."""
        said = []
        self.begun_s = self.begun_s or now_s  # a clock that is told the time knows none at first
        for source in sources:
            allowed_s = self.allowed_s(source.name)  # before what it did just now is part of its habit
            if source.counts.last_line_us:
                self._habits.setdefault(source.name, Habit()).heard(source.counts.last_line_us / 1e6)
            silent_s, was = self.silent_s(source, now_s), source.name in self._silent
            if silent_s > allowed_s and not was and not source.ended:
                self._silent.add(source.name)
                said.append(_silence(source, silent_s, allowed_s))
            elif (silent_s <= allowed_s or source.ended) and was:
                self._silent.discard(source.name)
                said += [f"{source.name}: heard again"] * (not source.ended)
        return said

    def keep(self) -> None:
        """Write the habits down; never raises: where the disk will not have them they are learnt anew."""
        with suppress(OSError):
            write_json(self._path, {name: habit.to_json() for name, habit in self._habits.items()})


def lasting(seconds: float) -> str:
    """A time span for people.

    >>> lasting(75), lasting(600), lasting(7300), lasting(200_000)
    ('75 s', '10 min', '2.0 h', '2.3 d')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} d"


def _silence(source: SourceState, silent_s: float, allowed_s: float) -> str:
    how = "connected, but " if source.connected else ""
    return f"{source.name}: {how}silent for {lasting(silent_s)}; its habit is {lasting(allowed_s)} at most"


def _heard_at(last_s: int) -> SourceState:
    """A source for the example."""
    counts = Counts(0, 0, 0, last_s * 1_000_000, Position())
    return SourceState("roof", "tcp://roof:10110", True, 0, 0, False, "", counts)


def _read(path: Path) -> dict[str, Habit]:
    """The habits of earlier; none where the file is not there or is none of ours."""
    with suppress(OSError, ValueError, AttributeError, TypeError):
        return {name: Habit.from_json(told) for name, told in read_json(path).items()}
    return {}
