"""Alerts of a watch: put on disk for each destination, and delivered until they have arrived, at its pace."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from threading import Event, Lock, Thread
from typing import Any

from stswatch.pipeline.alerts.alert import (
    Alert,
    Destination,
    LeadChange,
    Message,
    Pace,
    Undelivered,
    alert,
    final_event,
)
from stswatch.pipeline.store.catalogue import Catalogue, CatalogueError
from stswatch.pipeline.times import iso
from stswatch.pipeline.trouble import wait_s

# ----------------------------------------------------------------------------------------------------------------
# What a destination was told and what still waits for it, in the catalogue, which a kill or a full disk cannot
# spoil
# A row for each alert, by destination and key, in the order in which they were put: the alert until it has arrived,
# and after that only when it was put.

# An encounter is open for 30 d at the most and is offered for 2 d beyond its end; a key is known for longer than that.
REMEMBERED = timedelta(days=40)
_TABLE = "alerts"
_FORGET_EVERY = 2_000  # alerts told between two looks at which keys nobody offers any more


class Outbox:
    """The alerts of one destination. Raises OSError and CatalogueError where the catalogue cannot be used.

    A row that is damaged is passed over: what was offered less than two days ago is offered, and told, again.
    """

    def __init__(self, catalogue: Catalogue, name: str) -> None:
        self._catalogue, self._name, self._lock = catalogue, name, Lock()
        self._waiting: dict[str, Alert] = {}
        self._known: dict[str, str] = {}  # key -> when it was put
        self._taken_since = 0
        for row, fields in catalogue.every(_TABLE, lambda key, fields: fields).items():
            of, _, key = row.partition("/")
            if of == name and isinstance(fields, dict):
                self._known[key] = fields["at"]
                if "event" in fields:
                    self._waiting[key] = Alert(**fields)

    def put(self, alerts: Sequence[Alert]) -> set[str]:
        """Add those that are not known yet, and have the disk hold them; gives their keys.

        Raises as the class does, and then none of them is added.
        """
        with self._lock:
            new = {alert.key: alert for alert in alerts if alert.key not in self._known}
            self._catalogue.put(_TABLE, {self._row(key): _written(alert) for key, alert in new.items()})
            self._waiting |= new
            self._known |= {alert.key: alert.at for alert in new.values()}
            return set(new)

    def first(self, most: int, without: Container[str]) -> list[Alert]:
        """At most so many of those that wait, the first put first, and none of these events."""
        with self._lock:
            return list(islice((alert for alert in self._waiting.values() if alert.event not in without), most))

    def __len__(self) -> int:
        return len(self._waiting)

    def delivered(self, keys: Sequence[str], now: datetime) -> None:
        """These have arrived. Forgets keys that nobody offers any more. Where it raises they may be told again.

        The disk is not waited for: what a power cut takes is told twice, under the same key.
        """
        with self._lock:
            for key in keys:
                self._waiting.pop(key, None)
            rows = {self._row(key): {"at": self._known[key]} for key in keys if key in self._known}
            self._catalogue.put(_TABLE, rows, durable=False)
            self._taken_since += len(keys)
            if self._taken_since >= _FORGET_EVERY:
                self._forget(iso(now - REMEMBERED))

    def _forget(self, oldest: str) -> None:
        gone = [key for key, at in self._known.items() if at < oldest and key not in self._waiting]
        self._catalogue.delete(_TABLE, map(self._row, gone), durable=False)
        for key in gone:
            del self._known[key]
        self._taken_since = 0

    def _row(self, key: str) -> str:
        return f"{self._name}/{key}"


def waiting(catalogue: Catalogue) -> dict[str, int]:
    """Destination -> how many alerts wait for it."""
    found: dict[str, int] = {}
    for row, fields in catalogue.every(_TABLE, lambda key, fields: fields).items():
        if isinstance(fields, dict) and "event" in fields:
            name = row.partition("/")[0]
            found[name] = found.get(name, 0) + 1
    return found


def _written(alert: Alert) -> Mapping[str, Any]:
    return {"key": alert.key, "event": alert.event, "at": alert.at, "data": dict(alert.data)}


# ----------------------------------------------------- How many messages may go: a bucket of tokens that fills evenly


class Bucket:
    """Full at first. A message takes a token; `per_hour` of them come back in an hour, never more than `burst`.

    >>> bucket = Bucket(Pace(per_hour=60, burst=2), now_s=0.0)
    >>> [bucket.take(0.0), bucket.take(0.0), bucket.take(0.0)]
    [True, True, False]
    >>> bucket.ready_in_s(0.0), bucket.take(60.0)
    (60.0, True)
    """

    def __init__(self, pace: Pace, now_s: float) -> None:
        self._pace, self._tokens, self._at_s = pace, float(pace.burst), now_s

    def take(self, now_s: float) -> bool:
        """Whether a message may go now; takes its token if so."""
        if not self._pace.per_hour:
            return True
        self._fill(now_s)
        if self._tokens < 1 - 1e-9:
            return False
        self._tokens -= 1
        return True

    def ready_in_s(self, now_s: float) -> float:
        """Seconds until a token is there; 0 if one is."""
        if not self._pace.per_hour:
            return 0.0
        self._fill(now_s)
        return max(1 - self._tokens, 0.0) * 3600 / self._pace.per_hour

    def _fill(self, now_s: float) -> None:
        came = max(now_s - self._at_s, 0.0) * self._pace.per_hour / 3600
        self._tokens, self._at_s = min(self._tokens + came, float(self._pace.burst)), now_s


# ------------------ Brings what waits for one destination there, one message after the other, for as long as it takes

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
        self.final = destination.final
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
            self._outbox.delivered([alert.key for alert in message.alerts], self._now())
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


# ----------------------------------------------------------------------------------------------------------------
# Alerts of a watch: what was not told yet is put on disk for each destination, and delivered until it has arrived

_LOOK_EVERY_S = 0.02


class Alerter:
    """Tells destinations of changed leads: each change once put on disk, at least once delivered, in order per event.

    Args:
        catalogue: keeps what waits and what was told; is closed with this.
        destinations: see destinations.load.
        now: the arrival clock of the watch.
        identities: whether names and MMSI are told; else they do not even reach the disk.
        tell: takes a sentence for people, once when a destination fails and once when it is back.
        pauses_s: seconds between tries, the first pause and the longest.

    Raises OSError, CatalogueError where the catalogue cannot be used.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        destinations: Sequence[Destination],
        now: Callable[[], datetime],
        *,
        identities: bool = False,
        tell: Callable[[str], None] = lambda sentence: None,
        pauses_s: tuple[float, float] = PAUSES_S,
    ) -> None:
        self._catalogue, self._now, self._identities = catalogue, now, identities
        self._couriers = [Courier(d, Outbox(catalogue, d.name), now, tell, pauses_s) for d in destinations]
        for courier in self._couriers:
            courier.start()
        for name, count in sorted(waiting(catalogue).items()):
            if name not in {d.name for d in destinations}:
                tell(f"{name}: {count} alerts wait for a destination that is gone; name it again to have them sent")

    def offer(self, changes: Sequence[LeadChange]) -> int:
        """Take changes that are committed; those offered before are passed over. Gives how many were new to anybody.

        They are on disk when it comes back, and go out by themselves. The changes of one event come in their order.

        Raises OSError where the disk lacks room or a right: offer the same again later, nothing is told twice for it.
        """
        at = self._now()
        return self._put([alert(change, at, self._identities) for change in changes], final=False)

    def offer_final(self, rows: Sequence[Mapping[str, Any]]) -> int:
        """The same for encounters that are final, for the destinations that take them."""
        at = self._now()
        return self._put([final_event(row, at, self._identities) for row in rows], final=True)

    @property
    def takes_final(self) -> bool:
        """Whether any destination takes encounters that are final."""
        return any(courier.final for courier in self._couriers)

    def _put(self, alerts: Sequence[Alert], final: bool) -> int:
        couriers = [courier for courier in self._couriers if courier.final == final]
        failed, new = None, set[str]()
        for courier in couriers:
            try:
                new |= courier.put(alerts)
            except (OSError, CatalogueError) as error:  # the others need not wait for it
                failed = error
        if failed is not None:
            raise failed
        return len(new)

    def state(self) -> tuple[Delivery, ...]:
        """How each destination stands, in their order; never raises."""
        return tuple(courier.state() for courier in self._couriers)

    def close(self, within_s: float = 5.0) -> None:
        """Stop, once nothing waits for a destination that answers, or so long has passed; what waits stays on disk.

        Nothing may be offered afterwards. A try under way may go on for as long again.
        """
        until_s = time.monotonic() + within_s
        while any(to.waiting and not to.trouble for to in self.state()) and time.monotonic() < until_s:
            time.sleep(_LOOK_EVERY_S)
        for courier in self._couriers:
            courier.stop()
        for courier in self._couriers:
            courier.join(within_s)
        if not any(courier.is_alive() for courier in self._couriers):
            self._catalogue.close()
