"""Recordings played to a watch through a real TCP connection, as fast as it takes them, with the times they tell."""

from __future__ import annotations

import gzip
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, dropwhile, takewhile
from pathlib import Path
from typing import Any

from stswatch.pipeline.alerts.alert import LeadChange
from stswatch.pipeline.live.events import WatchSettings
from stswatch.pipeline.live.loop import watch
from stswatch.pipeline.live.state import Report
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.sources.kinds import parse
from stswatch.pipeline.spool.clock import RecordedClock
from stswatch.pipeline.spool.supervisor import run_sources
from tests.recording import RECORDING

STAMP = re.compile(rb"c:(\d+)")
# with gaps of an hour an encounter is finalized two hours after it ended, not ten: a short recording has some
SHORT_GAPS = replace(
    Rules(),
    vessel=replace(Rules().vessel, gap_terrestrial_h=1.0, gap_satellite_h=1.0),
    encounter=replace(Rules().encounter, around_h=0.5),
)
WORLD = WatchSettings(rules=SHORT_GAPS, every_s=0.02, area="world", shards=2)
# the score of a lead, in a query of a database
CUT_OFF = "(SELECT (rules ->> '$.lead.min_score')::DOUBLE FROM runs ORDER BY started LIMIT 1)"
PATIENCE_S = 120
LINES_AT_ONCE = 1000
MEETINGS_FROM_H = 12  # of the recording: in the five hours from then there are twice as many as in the first
HOUR = 3_600_000_000


def lines(hours: float, path: Path = RECORDING, after_h: float = 0.0) -> list[bytes]:
    """The lines of some hours of a recording, in the order in which they came."""
    with gzip.open(path) as file:
        every = iter(file)
        first = next(every)
        begin_s = int(STAMP.search(first)[1]) + after_h * 3600
        later = dropwhile(lambda line: int(STAMP.search(line)[1]) < begin_s, chain([first], every))
        return [*takewhile(lambda line: int(STAMP.search(line)[1]) < begin_s + hours * 3600, later)]


def in_order(text: list[bytes]) -> list[bytes]:
    """The same lines as if none had come late; parts of a message, which tell one time, stay together."""
    return sorted(text, key=lambda line: int(STAMP.search(line)[1]))


@dataclass
class Noted:
    """What a watch said of itself and of leads, with the answers that it takes for health and alerts."""

    reports: list[Report] = field(default_factory=list)
    changes: list[LeadChange] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    amiss_sentences: list[str] = field(default_factory=list)
    failed: list[BaseException] = field(default_factory=list)

    def slice_done(self, report: Report) -> None:
        self.reports.append(report)

    def amiss(self, what: str, sentence: str | None) -> None:
        self.amiss_sentences += [] if sentence is None else [sentence]

    @property
    def takes_final(self) -> bool:
        return False

    def offer(self, changes) -> int:
        self.changes += changes
        return len(changes)

    @property
    def arrival_us(self) -> int:
        """How far it has come."""
        return self.reports[-1].arrival_us if self.reports else 0

    @property
    def keys(self) -> set[str]:
        return {change.key for change in self.changes}


@contextmanager
def sending(text: list[bytes], noted: Noted, ahead_h: float) -> Iterator[int]:
    """A TCP server that sends lines to whoever connects, then keeps still; gives its port.

    It waits for the watch where that lies further back than ahead_h, as nobody does who sends as time passes.
    """
    over = threading.Event()

    def serve() -> None:
        peer, _ = server.accept()
        with peer:
            for at in range(0, len(text), LINES_AT_ONCE):
                part = text[at : at + LINES_AT_ONCE]
                stamp_us = int(STAMP.search(part[0])[1]) * 1_000_000
                while at and not noted.failed and not over.is_set() and noted.arrival_us < stamp_us - ahead_h * HOUR:
                    time.sleep(0.005)
                peer.sendall(b"".join(part))
            over.wait()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        over.set()


@contextmanager
def watching(data: Path, supervisor, noted: Any, settings: WatchSettings = WORLD) -> Iterator[None]:
    """A watch over what some sources fill, for as long as the block lasts. Raises what it died of."""
    stop = threading.Event()

    def run() -> None:
        try:
            spools = list(supervisor.spools.values())
            watch(data, spools, settings, noted, noted, noted.printed.append, stop)
        except BaseException as error:
            noted.failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    for error in noted.failed:
        raise error


def replay(
    data: Path,
    text: list[bytes],
    settings: WatchSettings = WORLD,
    ahead_h: float = 0.25,
    patience_s: float = PATIENCE_S,
    meanwhile: Callable[[Noted], None] = lambda noted: None,
    noted: Noted | None = None,
) -> Noted:
    """Watch a recording from its first line to its last; what is over by then is finalized.

    meanwhile: called again and again. noted: what takes what is said.
    """

    def over_and_done() -> bool:
        meanwhile(noted)
        return bool(noted.failed) or _heard(noted, supervisor, len(text))

    data.mkdir(parents=True, exist_ok=True)
    noted, clock, over = noted or Noted(), RecordedClock(), threading.Event()
    with sending(text, noted, ahead_h) as port:
        supervisor = run_sources(data, [parse(f"rec=tcp://127.0.0.1:{port}")], clock, print, over)
        try:
            with watching(data, supervisor, noted, settings):
                until(over_and_done, patience_s)
        finally:
            supervisor.close()
    return noted


def _heard(noted: Noted, supervisor, count: int) -> bool:
    """Whether everything was received, read, and as far as it is over finalized."""
    state = supervisor.state()["rec"]
    if state.counts.lines < count or not noted.reports:
        return False
    last, due_us = noted.reports[-1], state.counts.last_line_us
    over_us = (due_us - 60_000_000) // 3_600_000_000 * 3_600_000_000
    return last.arrival_us >= due_us and last.finalized_us == over_us and not last.finalizing


def until(holds, patience_s: float = PATIENCE_S) -> None:
    """Wait until something holds."""
    end_s = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < end_s, "it took too long"
        time.sleep(0.02)
