"""What a destination is: a name, a pace, and a function that delivers a message or says why it could not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stswatch.errors import StswatchError
from stswatch.pipeline.alerts.message import Message


class AlertsError(StswatchError, ValueError):
    """Destinations that cannot be used; the message says what was found, where, and what to do."""


class Undelivered(StswatchError):
    """A message that did not arrive; the words hold no secret.

    refused: the receiver lives and will not have this very message; others may go before it. after_s: it asked to be
    left alone for so long.
    """

    def __init__(self, why: str, *, refused: bool = False, after_s: float = 0.0) -> None:
        super().__init__(why)
        self.refused, self.after_s = refused, after_s


Deliver = Callable[[Message], None]  # comes back once it has arrived; raises Undelivered


@dataclass(frozen=True)
class Pace:
    """How many messages may go; 0 an hour: as many as there are."""

    per_hour: float = 0.0
    burst: int = 10


@dataclass(frozen=True)
class Destination:
    """Where alerts go. `deliver` is not shown, since it knows secrets."""

    name: str
    where: str  # for people: no path, no secret
    pace: Pace
    deliver: Deliver = field(repr=False)


@dataclass(frozen=True)
class Given:
    """What a kind of destination is made from: its section of the file, the environment, the folder of the file."""

    name: str
    options: Mapping[str, Any]
    environment: Mapping[str, str] = field(repr=False)
    beside: Path
