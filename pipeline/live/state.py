"""How a watch stands at one moment, as plain JSON, what is amiss with it, and which sources are silent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from stswatch.pipeline.store.files import read_json, write_json
from stswatch.pipeline.times import iso, time_span

if TYPE_CHECKING:
    from stswatch.pipeline.alerts.delivery import Delivery
    from stswatch.pipeline.spool.supervisor import SourceState


# ---------------- What the loop says of each slice: health, `status` and tests are made from it and from nothing else


@dataclass(frozen=True)
class Report:
    """One slice of a watch, told when it is done. Counts are of the slice, not of all that came before.

    arrival_us, finalized_us: arrival clock at its end, and the end of the last finalized hour (None before the first),
    UTC epoch microseconds. took_s: how long it took, by the wall clock. behind_bytes: acknowledged and not read yet.
    sentences, fixes, static_reports, rejects (by reason): decoded. late: fixes and static reports of hours that could
    be finalized when they came. ahead: fixes further ahead of the arrival clock than the allowed lateness, which wait
    aside.
    wrong: fixes and static reports dated so far after they came that they are marked `clock` and used for nothing.
    vessels: heard since the last finalized hour. open_encounters: provisional rows that still run; leads: provisional
    ones that are leads. finalizing: whether an hour is being finalized just now. approaching: see
    `Provisional.approaching`.
    """

    arrival_us: int
    finalized_us: int | None
    took_s: float
    behind_bytes: int = 0
    sentences: int = 0
    fixes: int = 0
    static_reports: int = 0
    rejects: Mapping[str, int] = field(default_factory=dict)
    late: int = 0
    ahead: int = 0
    wrong: int = 0
    vessels: int = 0
    open_encounters: int = 0
    leads: int = 0
    finalizing: bool = False
    approaching: Sequence[Mapping[str, Any]] = ()


class Reporting(Protocol):
    """Who is told of slices: live/health.py, or a test."""

    def slice_done(self, report: Report) -> None:
        """Take note of a slice; must not raise and must not take long."""

    def amiss(self, what: str, sentence: str | None) -> None:
        """Something of this name is amiss, or with None no longer; must not raise."""


# --------------------------------------- For how long a source may be silent: what it allowed itself in the past week

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
    def from_json(cls, hours: Mapping[str, float]) -> Habit:
        """The habit that `to_json` gave. Raises ValueError for anything else."""
        return cls({int(hour): float(silent_s) for hour, silent_s in hours.items()})


# ------------------------------------------------------------ Which sources are silent for longer than is their habit


class SourceSilence:
    """The habits of all sources, kept in a file, and who is silent just now.

    path: of their file. begun_s: when the watch began to listen, Unix time on the clock of arrivals, as all times here.

    >>> listening = SourceSilence(Path("nowhere.json"), 0.0)
    >>> listening.look([_heard_at(10)], 20.0)
    []
    >>> listening.look([_heard_at(10)], 700.0)
    ['roof: connected, but silent for 12 min; its habit is 10 min at most']
    >>> listening.look([_heard_at(710)], 720.0)
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
        sentences = []
        self.begun_s = self.begun_s or now_s  # a clock that is told the time knows none at first
        for source in sources:
            allowed_s = self.allowed_s(source.name)  # before what it did just now is part of its habit
            if source.counts.last_line_us:
                self._habits.setdefault(source.name, Habit()).heard(source.counts.last_line_us / 1e6)
            silent_s, was = self.silent_s(source, now_s), source.name in self._silent
            if silent_s > allowed_s and not was and not source.ended:
                self._silent.add(source.name)
                sentences.append(_silence(source, silent_s, allowed_s))
            elif (silent_s <= allowed_s or source.ended) and was:
                self._silent.discard(source.name)
                sentences += [f"{source.name}: heard again"] * (not source.ended)
        return sentences

    def keep(self) -> None:
        """Write the habits down; never raises: where the disk will not have them they are learnt anew."""
        with suppress(OSError):
            write_json(self._path, {name: habit.to_json() for name, habit in self._habits.items()})


def _silence(source: SourceState, silent_s: float, allowed_s: float) -> str:
    how = "connected, but " if source.connected else ""
    return f"{source.name}: {how}silent for {time_span(silent_s)}; its habit is {time_span(allowed_s)} at most"


def _heard_at(last_s: int) -> SourceState:
    """A source for the example."""
    from stswatch.pipeline.spool.segments import Position
    from stswatch.pipeline.spool.supervisor import SourceState
    from stswatch.pipeline.spool.writer import SpoolCounts

    counts = SpoolCounts(0, 0, 0, last_s * 1_000_000, Position())
    return SourceState("roof", "tcp://roof:10110", True, 0, 0, False, "", counts)


def _read(path: Path) -> dict[str, Habit]:
    """The habits of earlier; none where the file is not there or is none of ours."""
    with suppress(OSError, ValueError, AttributeError, TypeError):
        return {name: Habit.from_json(fields) for name, fields in read_json(path).items()}
    return {}


# -------- How a watch stands at one moment, as plain JSON, and what is amiss with it: pure functions of what it knows

TOTALS = ("sentences", "fixes", "static_reports", "late", "wrong")
SLOW_S = 60.0  # a slice so old, a lag or a lost source that long is amiss; longer where slices are rarer
SLICES = 6
STUCK_S = 600.0  # alerts that wait so long for their destination


@dataclass(frozen=True)
class SourceHeard:
    """A source: how it stands, for how long it has been silent and for how long it may be, whether that is too long."""

    source: SourceState
    silent_s: float
    allowed_s: float
    too_long: bool


@dataclass(frozen=True)
class Known:
    """All that a watch knows of itself at one moment.

    Times are Unix time, seconds, by the wall clock, but arrival_s, by the clock of arrivals (0: it does not know).
    report: of the last slice, None before the first; report_age_s: since when. amiss: what others said is amiss.
    """

    version: str
    pid: int
    started_s: float
    written_s: float
    ended_s: float  # 0: it runs
    arrival_s: float
    every_s: float
    report: Report | None
    report_age_s: float
    totals: Mapping[str, int]
    rejects: Mapping[str, int]
    sources: Sequence[SourceHeard]
    alerts: Sequence[Delivery]
    spool_bytes: int
    amiss: Sequence[str]

    @property
    def lag_s(self) -> float:
        """How far what is shown lies behind what arrives, seconds."""
        return 0.0 if self.report is None else max(self.arrival_s - self.report.arrival_us / 1e6, 0.0)


def described(known: Known) -> dict[str, Any]:
    """All of it as status.json holds it and the metrics are made from; never raises."""
    why = list(reasons(known))
    return {
        "version": known.version,
        "pid": known.pid,
        "started": _iso(known.started_s),
        "written": _iso(known.written_s),
        "ended": _iso(known.ended_s),
        "arrival": _iso(known.arrival_s),
        "every_s": known.every_s,
        "ok": not why,
        "reasons": why,
        "lag_s": round(known.lag_s, 3),
        "spool_bytes": known.spool_bytes,
        "total": {name: known.totals.get(name, 0) for name in TOTALS},
        "rejects": dict(sorted(known.rejects.items())),
        "slice": None if known.report is None else _slice(known.report),
        "sources": [_source(heard) for heard in known.sources],
        "alerts": [asdict(delivery) for delivery in known.alerts],
    }


def reasons(known: Known) -> Iterator[str]:
    """Why all is not well, a sentence each; nothing where it is."""
    patience_s = max(SLOW_S, SLICES * known.every_s)
    if known.report_age_s > patience_s:
        yield f"no slice was finished for {time_span(known.report_age_s)}"
    if known.lag_s > patience_s:
        yield f"what is shown is {time_span(known.lag_s)} behind what arrives"
    for heard in known.sources:
        if reason := _amiss_with(heard, known):
            yield f"{heard.source.name}: {reason}"
    for to in known.alerts:
        if to.stuck_s > STUCK_S:
            yield f"alerts to {to.name}: {to.trouble}; {to.waiting} wait, for {time_span(to.stuck_s)}"
    yield from known.amiss


def _iso(time_s: float) -> str | None:
    """Unix time as ISO 8601 to the millisecond; None for 0.

    >>> _iso(1741564800.5), _iso(0)
    ('2025-03-10T00:00:00.500Z', None)
    """
    if not time_s:
        return None
    return iso(round(time_s * 1e6))


def _amiss_with(heard: SourceHeard, known: Known) -> str | None:
    source = heard.source
    if source.ended:
        return None
    if source.connected:
        silent = f"silent for {time_span(heard.silent_s)}, longer than its habit" if heard.too_long else None
        return source.trouble or silent  # connected and in trouble: what it sends is held back
    lost_s = known.arrival_s - source.since_us / 1e6 if source.since_us else known.written_s - known.started_s
    why = f" ({source.trouble})" if source.trouble else ""
    return f"not connected for {time_span(lost_s)}{why}" if lost_s > SLOW_S else None


def _source(heard: SourceHeard) -> dict[str, Any]:
    source, counts = heard.source, heard.source.counts
    return {
        "name": source.name,
        "address": source.address,
        "connected": source.connected,
        "ended": source.ended,
        "since": _iso(source.since_us / 1e6),
        "last_arrival": _iso(counts.last_line_us / 1e6),
        "bytes": counts.bytes,
        "lines": counts.lines,
        "overlong_bytes": counts.dropped_bytes,
        "lost_messages": source.lost_messages,
        "reconnects": source.reconnects,
        "silent_s": round(heard.silent_s, 1),
        "silent_allowed_s": heard.allowed_s,
    }


def _slice(report: Report) -> dict[str, Any]:
    fields = asdict(report)
    del fields["rejects"]
    return {
        "arrival": _iso(fields.pop("arrival_us") / 1e6),
        "finalized": _iso((fields.pop("finalized_us") or 0) / 1e6),
        **fields,
    }
