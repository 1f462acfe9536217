"""Brings what waits for one destination there, one message after the other, for as long as it takes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Thread

from stswatch.pipeline.alerts.bucket import Bucket
from stswatch.pipeline.alerts.destination import Destination, Undelivered
from stswatch.pipeline.alerts.message import Alert, Message
from stswatch.pipeline.alerts.outbox import Outbox
from stswatch.pipeline.backoff import wait_s
from stswatch.pipeline.store.catalogue import CatalogueError

AT_ONCE = 100  # alerts in a digest: some 40 kB, which any receiver takes
PAUSES_S = (1.0, 300.0)  # between tries, the first and the longest; in an outage of an hour there are some twenty
_IDLE_S = 60.0


@dataclass(frozen=True)
class Delivery:
    """How a destination stands: alerts that wait and that arrived, for how long none did though some wait, and why."""

    name: str
    where: str
    waiting: int
    delivered: int
    stuck_s: float
    trouble: str | None


class Courier(Thread):
    """A thread for one destination.

    A destination that cannot be reached is tried again after 1 s, 2 s and so on up to 5 min, less up to a half by
    chance. A message that a living receiver refuses is put aside in the same way, with all that waits of the same
    event; others go before it.
    """

    def __init__(
        self,
        destination: Destination,
        outbox: Outbox,
        now: Callable[[], datetime],
        tell: Callable[[str], None],
        pauses_s: tuple[float, float] = PAUSES_S,
    ) -> None:
        super().__init__(name=f"alerts to {destination.name}", daemon=True)
        self._to, self._outbox, self._now, self._tell = destination, outbox, now, tell
        self._pauses_s = pauses_s
        self._bucket = Bucket(destination.pace, time.monotonic())
        self._wake, self._ending = Event(), False
        self._pending: Message | None = None  # tried once: the next try sends the same, under the same key
        self._held = False
        self._failures, self._not_before_s = 0, 0.0
        self._aside: dict[str, tuple[int, float]] = {}  # event -> refusals in a row, not before
        self._trouble: str | None = None
        self._delivered, self._stuck_since_s = 0, 0.0

    # ------------------------------------------------------------------------------------------------ from outside

    def put(self, alerts: Sequence[Alert]) -> set[str]:
        """Have these wait; gives the keys of those that did not before. Raises what Outbox.put raises."""
        new = self._outbox.put(alerts)
        if new:
            self._wake.set()
        return new

    def state(self) -> Delivery:
        """How it stands; never raises."""
        waiting = len(self._outbox)
        since_s = self._stuck_since_s if waiting else 0.0
        stuck_s = time.monotonic() - since_s if since_s else 0.0
        return Delivery(self._to.name, self._to.where, waiting, self._delivered, stuck_s, self._trouble)

    def stop(self) -> None:
        """End after the try that is under way."""
        self._ending = True
        self._wake.set()

    # ------------------------------------------------------------------------------------------------ the thread

    def run(self) -> None:
        """Deliver until it is told to stop; never raises."""
        while not self._ending:
            self._wake.clear()
            message, rest_s = self._next(time.monotonic())
            if message is None:
                self._wake.wait(rest_s)
            else:
                self._try(message)

    def _next(self, now_s: float) -> tuple[Message | None, float]:
        """What is to be sent now; else for how long there is nothing to do."""
        if now_s < self._not_before_s:
            return None, self._not_before_s - now_s
        if self._pending is not None:
            return self._pending, 0.0
        aside = {event: until_s for event, (_, until_s) in self._aside.items() if until_s > now_s}
        due = self._outbox.first(AT_ONCE, aside)
        if not due:
            return None, min([_IDLE_S, *(until_s - now_s for until_s in aside.values())])
        if not self._bucket.take(now_s):
            self._held = True  # what comes while none may go, goes together
            return None, self._bucket.ready_in_s(now_s)
        return Message(tuple(due if self._held else due[:1])), 0.0

    def _try(self, message: Message) -> None:
        try:
            self._to.deliver(message)
        except Undelivered as error:
            self._failed(message, error)
        except Exception as error:  # whatever it is, the next try may go well, and the thread must not end
            self._failed(message, Undelivered(f"failed ({type(error).__name__})"))
        else:
            self._arrived(message)

    def _arrived(self, message: Message) -> None:
        try:
            self._outbox.told([alert.key for alert in message.alerts], self._now())
        except (OSError, CatalogueError) as error:
            why = getattr(error, "strerror", None) or error
            self._tell(f"alerts to {self._to.name}: what arrived cannot be noted ({why}); it may come again")
        for event in message.events:
            self._aside.pop(event, None)
        self._pending, self._held, self._failures = None, False, 0
        self._delivered += 1
        if self._trouble is not None and not self._aside:
            self._trouble, self._stuck_since_s = None, 0.0
            self._tell(f"alerts to {self._to.name}: delivered again, {len(self._outbox)} wait")

    def _failed(self, message: Message, error: Undelivered) -> None:
        now_s = time.monotonic()
        self._stuck_since_s = self._stuck_since_s or now_s
        if error.refused:
            self._pending = None
            for event in message.events:
                refusals = self._aside.get(event, (0, 0.0))[0] + 1
                self._aside[event] = refusals, now_s + self._pause_s(refusals, error)
        else:
            self._pending = message
            self._failures += 1
            self._not_before_s = now_s + self._pause_s(self._failures, error)
        if self._trouble is None:
            self._tell(
                f"alerts to {self._to.name}: {error}; {len(self._outbox)} wait on disk, and it is tried until it works"
            )
        self._trouble = str(error)

    def _pause_s(self, failures: int, error: Undelivered) -> float:
        chance = random.random()  # nosec B311  # it spreads tries over time, and keeps no secret
        return max(wait_s(failures, *self._pauses_s, chance), min(error.after_s, 3600.0))
