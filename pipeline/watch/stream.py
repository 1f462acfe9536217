"""A whole watch: sources into their spools, the loop, alerts, health; and its quiet end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from stswatch.pipeline.alerts.alerter import Alerter
from stswatch.pipeline.alerts.destination import Destination
from stswatch.pipeline.batch import SECOND
from stswatch.pipeline.flow.lock import alone
from stswatch.pipeline.sources.base import Address
from stswatch.pipeline.spool.clock import Arrival, Clock, Told
from stswatch.pipeline.spool.closing import Keep
from stswatch.pipeline.spool.segments import utc
from stswatch.pipeline.spool.supervisor import Supervisor, run_sources
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.watch import retention, server
from stswatch.pipeline.watch.health import Health
from stswatch.pipeline.watch.loop import watch
from stswatch.pipeline.watch.notify import READY, STOPPING, notify
from stswatch.pipeline.watch.reconcile import Reconciled, reconcile
from stswatch.pipeline.watch.settings import Settings
from stswatch.pipeline.watch.status import only_watch
from stswatch.pipeline.watch.store import Store
from stswatch.pipeline.watch.telling import changes

Tell = Callable[[str], None]
CLOCKS: Mapping[str, Callable[[Tell], Arrival]] = {"clock": Clock, "recorded": lambda tell: Told()}

_LOOK_EVERY_S = 0.5
_CLEAR_EVERY_S = 600.0
_CLEAR_FOR_ROOM_S = 30.0  # while a source is held back


@dataclass(frozen=True)
class WatchPlan:
    """StreamOptions as they were read, beside Settings.

    destinations: of alerts. identities: whether alerts tell names and MMSI. health: where to answer, None nowhere.
    keep: how much of the spool. arrival: `clock` is this machine's, `recorded` that of a recording.
    """

    addresses: Sequence[Address]
    destinations: Sequence[Destination]
    identities: bool = False
    health: server.Address | None = None
    keep: Keep = field(default_factory=Keep)
    arrival: Literal["clock", "recorded"] = "clock"


def stream(
    data: Path,
    plan: WatchPlan,
    settings: Settings,
    secrets: Mapping[str, str],
    tell: Tell,
    stop: threading.Event,
) -> Reconciled | None:
    """Watch until `stop` is set, or until nothing can come any more: then seal all, and give what that changed.

    Raises what `watch` raises, WatchError where another watch runs, AddressError, HealthError, OSError.
    """
    clock = CLOCKS[plan.arrival](tell)
    with only_watch(data):
        with _alerting(data, plan, clock, tell) as alerter:
            ended, health = _watched(data, plan, settings, clock, alerter, secrets, tell, stop)
            notify(STOPPING)
            done = _end(data, settings, clock, alerter) if ended else None
        health.write()  # once more: what waited may have been told meanwhile
    return done


def _end(data: Path, settings: Settings, clock: Arrival, alerter: Alerter) -> Reconciled:
    """Seal to the last fix, and tell what that changed."""
    done = reconcile(data, settings)
    with alone(data), Catalogue.open(data) as catalogue, closing(Store(catalogue, settings)) as store:
        alerter.offer(changes(store, 0, utc(clock.now_us())))
    return done


def _watched(
    data: Path,
    plan: WatchPlan,
    settings: Settings,
    clock: Arrival,
    alerter: Alerter,
    secrets: Mapping[str, str],
    tell: Tell,
    stop: threading.Event,
) -> tuple[bool, Health]:
    """Watch; gives whether all sources have ended, and what the watch knew of itself."""
    with _sources(data, plan, clock, secrets, tell) as supervisor:
        health = Health(
            data,
            clock.now_us,
            settings.every_s,
            sources=supervisor.state,
            alerts=alerter.state,
            clock=clock.trouble,
            tell=tell,
        )
        attending = _Attending(data, plan.keep, settings.allowance_s, clock, supervisor, health, stop)
        with server.serving(plan.health, health.state), health.running(), attending.running():
            notify(READY)
            watch(data, list(supervisor.spools.values()), settings, alerter, health, tell, attending.over)
        supervisor.check()
        return supervisor.ended and not stop.is_set(), health


@contextmanager
def _alerting(data: Path, plan: WatchPlan, clock: Arrival, tell: Tell) -> Iterator[Alerter]:
    def now() -> datetime:
        return utc(clock.now_us())

    alerter = Alerter(Catalogue.open(data), plan.destinations, now, identities=plan.identities, tell=tell)
    try:
        yield alerter
    finally:
        alerter.close()


@contextmanager
def _sources(
    data: Path, plan: WatchPlan, clock: Arrival, secrets: Mapping[str, str], tell: Tell
) -> Iterator[Supervisor]:
    supervisor = run_sources(data, plan.addresses, clock, tell, threading.Event(), secrets=secrets)
    try:
        yield supervisor
    finally:
        supervisor.close()


class _Attending:
    """Ends the loop when it is to end, or when all sources have and all is read; clears the spool meanwhile."""

    def __init__(
        self,
        data: Path,
        keep: Keep,
        allowance_s: float,
        clock: Arrival,
        supervisor: Supervisor,
        health: Health,
        stop: threading.Event,
    ) -> None:
        self.over = threading.Event()  # for the loop
        self._data, self._keep, self._clock = data, keep, clock
        self._allowance_us = round(allowance_s * SECOND)
        self._supervisor, self._health, self._stop = supervisor, health, stop
        self._finished = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Attend for as long as the block lasts."""
        thread = threading.Thread(target=self._run, name="attending", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._finished.set()
            thread.join()

    def _run(self) -> None:
        cleared_s = time.monotonic()
        slices: int | None = None  # when all sources had ended
        while not self._finished.wait(_LOOK_EVERY_S):
            if self._supervisor.ended and slices is None:
                slices = self._health.slices
            if self._stopped() or (slices is not None and self._known(slices)):
                self.over.set()
            held = any(spool.held for spool in self._supervisor.spools.values())
            if time.monotonic() - cleared_s >= (_CLEAR_FOR_ROOM_S if held else _CLEAR_EVERY_S):
                cleared_s = time.monotonic()
                self._clear()

    def _stopped(self) -> bool:
        try:
            self._supervisor.check()
        except BaseException:  # it is raised where somebody hears it, once the loop has ended
            return True
        return self._stop.is_set()

    def _known(self, slices: int) -> bool:
        """Whether the loop has looked at all that came: a slice that began after the end left nothing unread."""
        if not self._clock.now_us() or not any(each.counts.lines for each in self._supervisor.state().values()):
            return True  # what came tells no time, or nothing came: there will be no slice
        return self._health.slices >= slices + 2 and not self._health.behind_bytes

    def _clear(self) -> None:
        if (sealed_us := self._health.sealed_us) is None:
            return
        try:
            retention.clear(self._data, self._keep, self._clock.now_us(), sealed_us - self._allowance_us)
            self._health.amiss("retention", None)
        except OSError as error:
            self._health.amiss("retention", f"{self._data / 'spool'}: what is to go stays there ({error.strerror})")
