"""What a watch knows of itself: slices, sources, alerts, what is amiss; kept in DATA/live for whoever asks.

The loop, the sources and the alerter tell; the web server, the status file and the sentences on standard error read.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from stswatch.pipeline.store.disk import write_json
from stswatch.pipeline.watch.listening import Listening, Source, lasting
from stswatch.pipeline.watch.report import Report

if TYPE_CHECKING:
    from stswatch.pipeline.alerts.courier import Delivery

STATUS, HABITS = "status.json", "habits.json"
_SLOW_S = 60.0  # a slice that old, a lag or a loss of a source that long is amiss; longer where slices are rarer
_SLICES = 6
_STUCK_S = 600.0  # alerts that wait so long for their destination
_MEASURED_EVERY_S = 60.0  # the size of the spool
_LOOK_EVERY_S = 5.0
_TOTALS = ("sentences", "fixes", "static_reports", "late")


class Health:
    """All of it, behind one lock.

    Args:
        data: the data folder; `live` in it is made.
        now_s: the arrival clock, Unix time in seconds.
        every_s: how often a slice is due.
        sources, alerts: how they stand at this moment.
        tell: takes a sentence for people, once when a source falls silent and once when it is heard again.

    Raises OSError where the folder cannot be written.
    """

    def __init__(
        self,
        data: Path,
        now_s: Callable[[], float],
        every_s: float,
        *,
        sources: Callable[[], Sequence[Source]] = tuple,
        alerts: Callable[[], Sequence[Delivery]] = tuple,
        tell: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._live, self._spool, self._now_s, self._every_s = data / "live", data / "spool", now_s, every_s
        self._sources, self._alerts, self._tell = sources, alerts, tell
        self._live.mkdir(parents=True, exist_ok=True)
        self._lock, self._news = Lock(), Event()
        self._started_s, self._ended_s = time.time(), 0.0
        self._listening = Listening(self._live / HABITS)
        self._amiss: dict[str, str] = {}
        self._totals, self._rejects = Counter[str](), Counter[str]()
        self._report: Report | None = None
        self._done_s = time.monotonic()  # of the last slice; the first has as long as any
        self._spool_bytes, self._measured_s = 0, -_MEASURED_EVERY_S

    # ------------------------------------------------------------------------------------------------ told

    def slice_done(self, report: Report) -> None:
        """Take note of a slice; the status file follows at once, on a thread of its own; never raises."""
        with self._lock:
            self._report, self._done_s = report, time.monotonic()
            self._rejects.update(report.rejects)
            for name in _TOTALS:
                self._totals[name] += getattr(report, name)
        self._news.set()

    def amiss(self, what: str, sentence: str | None) -> None:
        """Something of this name is amiss, or with None no longer; never raises."""
        with self._lock:
            if sentence is None:
                self._amiss.pop(what, None)
            else:
                self._amiss[what] = sentence

    @contextmanager
    def running(self) -> Iterator[None]:
        """Listen to the sources and keep the status file for as long as the block lasts."""
        thread = Thread(target=self._run, name="health", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended_s = time.time()
            self._news.set()
            thread.join()

    def _run(self) -> None:
        """After each slice, and every few seconds without one."""
        kept_h = int(self._now_s() // 3600)
        while not self._ended_s:
            self.look()
            self.write()
            if int(self._now_s() // 3600) != kept_h:
                kept_h = int(self._now_s() // 3600)
                self._listening.keep()
            self._news.wait(min(self._every_s, _LOOK_EVERY_S))
            self._news.clear()
        self._listening.keep()
        self.write()

    def look(self) -> None:
        """Compare the silence of each source with its habit; never raises."""
        with self._lock:
            said = self._listening.look(self._sources(), self._now_s())
        for sentence in said:
            self._tell(sentence)

    # ------------------------------------------------------------------------------------------------ asked

    def state(self) -> dict[str, Any]:
        """All of it as plain JSON, as status.json holds it and the metrics are made from; never raises."""
        with self._lock:
            now_s, sources, alerts = self._now_s(), list(self._sources()), list(self._alerts())
            lag_s = 0.0 if self._report is None else max(now_s - self._report.arrival_us / 1e6, 0.0)
            reasons = [*self._reasons(sources, alerts, now_s, lag_s), *self._amiss.values()]
            return {
                "version": version("stswatch"),
                "pid": os.getpid(),
                "started": _iso(self._started_s),
                "written": _iso(time.time()),
                "ended": _iso(self._ended_s) if self._ended_s else None,
                "arrival": _iso(now_s),
                "ok": not reasons,
                "reasons": reasons,
                "lag_s": round(lag_s, 3),
                "spool_bytes": self._measured(),
                "total": {name: self._totals[name] for name in _TOTALS},
                "rejects": dict(sorted(self._rejects.items())),
                "slice": None if self._report is None else _slice(self._report),
                "sources": [self._source(source, now_s) for source in sources],
                "alerts": [asdict(delivery) for delivery in alerts],
            }

    def write(self) -> None:
        """Write the status file; never raises: what the disk will not do is among what is amiss."""
        try:
            write_json(self._live / STATUS, self.state())
            self.amiss("status", None)
        except OSError as error:
            self.amiss("status", f"{self._live / STATUS}: cannot be written ({error.strerror})")

    def _reasons(
        self, sources: Sequence[Source], alerts: Sequence[Delivery], now_s: float, lag_s: float
    ) -> Iterator[str]:
        """Why all is not well, a sentence each."""
        patience_s = max(_SLOW_S, _SLICES * self._every_s)
        age_s = time.monotonic() - self._done_s
        if age_s > patience_s:
            yield f"no slice was finished for {lasting(age_s)}"
        if lag_s > patience_s:
            yield f"what is shown is {lasting(lag_s)} behind what arrives"
        for source in sources:
            if not source.connected and now_s - source.since_s > _SLOW_S:
                yield f"source {source.name}: not connected for {lasting(now_s - source.since_s)}"
            elif source.name in self._listening.silent:
                yield f"source {source.name}: silent for {lasting(source.silent_s(now_s))}, longer than its habit"
        for to in alerts:
            if to.stuck_s > _STUCK_S:
                yield f"alerts to {to.name}: {to.trouble}; {to.waiting} wait, for {lasting(to.stuck_s)}"

    def _source(self, source: Source, now_s: float) -> dict[str, Any]:
        told = asdict(source)
        since_s, last_s = told.pop("since_s"), told.pop("last_arrival_s")
        times = {"since": _iso(since_s), "last_arrival": None if last_s is None else _iso(last_s)}
        silent = {"silent_s": round(source.silent_s(now_s), 1)}
        return {**told, **times, **silent, "silent_allowed_s": self._listening.allowed_s(source.name)}

    def _measured(self) -> int:
        """Bytes of the spool, looked up once a minute."""
        if time.monotonic() - self._measured_s >= _MEASURED_EVERY_S:
            self._spool_bytes, self._measured_s = _bytes_in(self._spool), time.monotonic()
        return self._spool_bytes


def _slice(report: Report) -> dict[str, Any]:
    told = asdict(report)
    del told["rejects"]
    arrival_us, sealed_us = told.pop("arrival_us"), told.pop("sealed_us")
    return {"arrival": _iso(arrival_us / 1e6), "sealed": None if sealed_us is None else _iso(sealed_us / 1e6), **told}


def _iso(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _bytes_in(folder: Path) -> int:
    """Bytes of all files in it; what vanishes meanwhile is nothing."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total
