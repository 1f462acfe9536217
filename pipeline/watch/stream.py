"""A whole watch: sources into their spools, the loop, alerts, health; and its quiet end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from stswatch.pipeline.alerts.alerter import Alerter
from stswatch.pipeline.alerts.destination import Destination
from stswatch.pipeline.sources.base import Address
from stswatch.pipeline.spool.clock import Arrival, Clock, Told
from stswatch.pipeline.spool.closing import Keep
from stswatch.pipeline.spool.segments import utc
from stswatch.pipeline.spool.supervisor import Supervisor, run_sources
from stswatch.pipeline.watch import retention, server
from stswatch.pipeline.watch.health import Health
from stswatch.pipeline.watch.loop import watch
from stswatch.pipeline.watch.notify import READY, STOPPING, notify
from stswatch.pipeline.watch.reconcile import Reconciled, reconcile
from stswatch.pipeline.watch.settings import Settings
from stswatch.pipeline.watch.status import only_watch

Tell = Callable[[str], None]
CLOCKS: Mapping[str, Callable[[Tell], Arrival]] = {"clock": Clock, "told": lambda tell: Told()}

_LOOK_EVERY_S = 0.5
_CLEAR_EVERY_S = 600.0


@dataclass(frozen=True)
class Wishes:
    """What the user said of a watch beside its settings.

    destinations: of alerts. identities: whether alerts tell names and MMSI. health: where to answer, None nowhere.
    keep: how much of the spool. arrival: `clock` is this machine's, `told` that of a recording.
    """

    addresses: Sequence[Address]
    destinations: Sequence[Destination]
    identities: bool = False
    health: server.Address | None = None
    keep: Keep = field(default_factory=Keep)
    arrival: Literal["clock", "told"] = "clock"


def stream(
    data: Path,
    wishes: Wishes,
    settings: Settings,
    secrets: Mapping[str, str],
    tell: Tell,
    stop: threading.Event,
) -> Reconciled | None:
    """Watch until `stop` is set, or until nothing can come any more: then seal all, and give what that changed.

    Raises what `watch` raises, WatchError where another watch runs, AddressError, HealthError, OSError.
    """
    with only_watch(data):
        ended = _stream(data, wishes, settings, secrets, tell, stop)
    return reconcile(data, settings) if ended else None


def _stream(
    data: Path, wishes: Wishes, settings: Settings, secrets: Mapping[str, str], tell: Tell, stop: threading.Event
) -> bool:
    """Gives whether all sources have ended."""
    clock = CLOCKS[wishes.arrival](tell)
    alerter = Alerter(
        data / "alerts", wishes.destinations, lambda: utc(clock.now_us()), identities=wishes.identities, tell=tell
    )
    try:
        with _sources(data, wishes, clock, secrets, tell) as supervisor:
            health = Health(
                data, clock.now_us, settings.every_s, sources=supervisor.state, alerts=alerter.state, tell=tell
            )
            with server.serving(wishes.health, health.state), health.running():
                attending = _Attending(data, wishes.keep, clock, supervisor, stop, tell)
                notify(READY)
                watch(data, list(supervisor.spools.values()), settings, alerter, health, tell, attending.over)
                attending.finish()
                return supervisor.ended and not stop.is_set()
    finally:
        notify(STOPPING)
        alerter.close()


@contextmanager
def _sources(
    data: Path, wishes: Wishes, clock: Arrival, secrets: Mapping[str, str], tell: Tell
) -> Iterator[Supervisor]:
    supervisor = run_sources(data, wishes.addresses, clock, tell, threading.Event(), secrets=secrets)
    try:
        yield supervisor
    finally:
        supervisor.close()


class _Attending:
    """Ends the loop when it is to end or when all sources have, and clears the spool; on a thread of its own."""

    def __init__(
        self, data: Path, keep: Keep, clock: Arrival, supervisor: Supervisor, stop: threading.Event, tell: Tell
    ) -> None:
        self.over = threading.Event()  # for the loop
        self._data, self._keep, self._clock, self._tell = data, keep, clock, tell
        self._supervisor, self._stop, self._finished = supervisor, stop, threading.Event()
        self._thread = threading.Thread(target=self._run, name="attending", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Stop attending. Raises what a source died of."""
        self._finished.set()
        self._thread.join()
        self._supervisor.check()

    def _run(self) -> None:
        waited_s = 0.0
        while not self._finished.wait(_LOOK_EVERY_S):
            waited_s += _LOOK_EVERY_S
            if self._done():
                self.over.set()
            if waited_s >= _CLEAR_EVERY_S:
                waited_s = 0.0
                self._clear()

    def _done(self) -> bool:
        try:
            self._supervisor.check()
        except BaseException:  # finish() raises it where somebody hears it
            return True
        return self._stop.is_set() or self._supervisor.ended

    def _clear(self) -> None:
        try:
            retention.clear(self._data, self._keep, self._clock.now_us())
        except OSError as error:
            self._tell(f"{self._data / 'spool'}: what is to go cannot be removed ({error.strerror})")
