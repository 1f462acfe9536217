"""What a destination was told and what still waits for it, in the catalogue, which a kill or a full disk cannot spoil.

A row for each alert, by destination and key, in the order in which they were put: the alert until it has arrived, and
after that only when it was put.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from threading import Lock
from typing import Any

from stswatch.pipeline.alerts.message import Alert, iso
from stswatch.pipeline.store.catalogue import Catalogue

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
        self._told = 0
        for row, told in catalogue.every(_TABLE, lambda key, told: told).items():
            of, _, key = row.partition("/")
            if of == name and isinstance(told, dict):
                self._known[key] = told["at"]
                if "event" in told:
                    self._waiting[key] = Alert(**told)

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

    def told(self, keys: Sequence[str], now: datetime) -> None:
        """These have arrived. Forgets keys that nobody offers any more. Where it raises they may be told again.

        The disk is not waited for: what a power cut takes is told twice, under the same key.
        """
        with self._lock:
            for key in keys:
                self._waiting.pop(key, None)
            rows = {self._row(key): {"at": self._known[key]} for key in keys if key in self._known}
            self._catalogue.put(_TABLE, rows, durable=False)
            self._told += len(keys)
            if self._told >= _FORGET_EVERY:
                self._forget(iso(now - REMEMBERED))

    def _forget(self, oldest: str) -> None:
        gone = [key for key, at in self._known.items() if at < oldest and key not in self._waiting]
        self._catalogue.delete(_TABLE, map(self._row, gone), durable=False)
        for key in gone:
            del self._known[key]
        self._told = 0

    def _row(self, key: str) -> str:
        return f"{self._name}/{key}"


def waiting(catalogue: Catalogue) -> dict[str, int]:
    """Destination -> how many alerts wait for it."""
    found: dict[str, int] = {}
    for row, told in catalogue.every(_TABLE, lambda key, told: told).items():
        if isinstance(told, dict) and "event" in told:
            name = row.partition("/")[0]
            found[name] = found.get(name, 0) + 1
    return found


def _written(alert: Alert) -> Mapping[str, Any]:
    return {"key": alert.key, "event": alert.event, "at": alert.at, "data": dict(alert.data)}
