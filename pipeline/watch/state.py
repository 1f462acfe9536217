"""How a watch stands at one moment, as plain JSON, and what is amiss with it: pure functions of what it knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from stswatch.pipeline.watch.listening import lasting
from stswatch.pipeline.watch.report import Report

if TYPE_CHECKING:
    from stswatch.pipeline.alerts.courier import Delivery
    from stswatch.pipeline.spool.supervisor import SourceState

TOTALS = ("sentences", "fixes", "static_reports", "late", "wrong")
SLOW_S = 60.0  # a slice so old, a lag or a lost source that long is amiss; longer where slices are rarer
SLICES = 6
STUCK_S = 600.0  # alerts that wait so long for their destination


@dataclass(frozen=True)
class Heard:
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
    sources: Sequence[Heard]
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
        "started": iso(known.started_s),
        "written": iso(known.written_s),
        "ended": iso(known.ended_s),
        "arrival": iso(known.arrival_s),
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
        yield f"no slice was finished for {lasting(known.report_age_s)}"
    if known.lag_s > patience_s:
        yield f"what is shown is {lasting(known.lag_s)} behind what arrives"
    for heard in known.sources:
        if reason := _amiss_with(heard, known):
            yield f"{heard.source.name}: {reason}"
    for to in known.alerts:
        if to.stuck_s > STUCK_S:
            yield f"alerts to {to.name}: {to.trouble}; {to.waiting} wait, for {lasting(to.stuck_s)}"
    yield from known.amiss


def iso(time_s: float) -> str | None:
    """Unix time as ISO 8601 to the millisecond; None for 0.

    >>> iso(1741564800.5), iso(0)
    ('2025-03-10T00:00:00.500Z', None)
    """
    if not time_s:
        return None
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _amiss_with(heard: Heard, known: Known) -> str | None:
    source = heard.source
    if source.ended:
        return None
    if source.connected:
        silent = f"silent for {lasting(heard.silent_s)}, longer than its habit" if heard.too_long else None
        return source.trouble or silent  # connected and in trouble: what it sends is held back
    lost_s = known.arrival_s - source.since_us / 1e6 if source.since_us else known.written_s - known.started_s
    why = f" ({source.trouble})" if source.trouble else ""
    return f"not connected for {lasting(lost_s)}{why}" if lost_s > SLOW_S else None


def _source(heard: Heard) -> dict[str, Any]:
    source, counts = heard.source, heard.source.counts
    return {
        "name": source.name,
        "address": source.address,
        "connected": source.connected,
        "ended": source.ended,
        "since": iso(source.since_us / 1e6),
        "last_arrival": iso(counts.last_line_us / 1e6),
        "bytes": counts.bytes,
        "lines": counts.lines,
        "overlong_bytes": counts.dropped_bytes,
        "lost_messages": source.lost_messages,
        "reconnects": source.reconnects,
        "silent_s": round(heard.silent_s, 1),
        "silent_allowed_s": heard.allowed_s,
    }


def _slice(report: Report) -> dict[str, Any]:
    told = asdict(report)
    del told["rejects"]
    return {"arrival": iso(told.pop("arrival_us") / 1e6), "sealed": iso((told.pop("sealed_us") or 0) / 1e6), **told}
