"""Which sources are silent for longer than is their habit."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stswatch.pipeline.store.disk import read_json, write_json
from stswatch.pipeline.watch.habit import Habit


@dataclass(frozen=True)
class Source:
    """How a source stands: whether it is connected, since when (Unix time), what came, when it was heard last."""

    name: str
    connected: bool
    since_s: float
    last_arrival_s: float | None
    bytes: int = 0
    lines: int = 0
    reconnects: int = 0
    overlong_bytes: int = 0

    def silent_s(self, now_s: float) -> float:
        """Seconds since it was heard last, or since it is listened to where it was never heard."""
        return max(now_s - (self.since_s if self.last_arrival_s is None else self.last_arrival_s), 0.0)


class Listening:
    """The habits of all sources, kept in a file, and who is silent just now.

    >>> ear = Listening(Path("nowhere.json"))
    >>> ear.look([Source("roof", True, 0.0, 10.0)], 20.0)
    []
    >>> ear.look([Source("roof", True, 0.0, 10.0)], 700.0)
    ['source roof: connected, but silent for 12 min; its habit is 10 min at most']
    >>> ear.look([Source("roof", True, 0.0, 710.0)], 720.0)
    ['source roof: heard again']
    """

    def __init__(self, path: Path) -> None:
        self._path, self._habits = path, _read(path)
        self._silent: set[str] = set()

    @property
    def silent(self) -> frozenset[str]:
        """Names of those that were silent for too long when they were looked at last."""
        return frozenset(self._silent)

    def allowed_s(self, name: str) -> float:
        """For how long the source of a name may be silent, seconds."""
        return self._habits.get(name, Habit()).allowed_s()

    def look(self, sources: Sequence[Source], now_s: float) -> list[str]:
        """What is to be said of them now: a sentence when one falls silent, and one when it is heard again."""
        said = []
        for source in sources:
            allowed_s = self.allowed_s(source.name)  # before what it did just now is part of its habit
            if source.last_arrival_s is not None:
                self._habits.setdefault(source.name, Habit()).heard(source.last_arrival_s)
            silent_s, was = source.silent_s(now_s), source.name in self._silent
            if silent_s > allowed_s and not was:
                self._silent.add(source.name)
                said.append(_silence(source, silent_s, allowed_s))
            elif silent_s <= allowed_s and was:
                self._silent.discard(source.name)
                said.append(f"source {source.name}: heard again")
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


def _silence(source: Source, silent_s: float, allowed_s: float) -> str:
    how = "connected, but " if source.connected else ""
    return f"source {source.name}: {how}silent for {lasting(silent_s)}; its habit is {lasting(allowed_s)} at most"


def _read(path: Path) -> dict[str, Habit]:
    """The habits of earlier; none where the file is not there or is none of ours."""
    with suppress(OSError, ValueError, AttributeError, TypeError):
        return {name: Habit.from_json(told) for name, told in read_json(path).items()}
    return {}
