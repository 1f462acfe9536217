"""What is told of a lead: an alert as data, the message that carries one or several, and who takes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from stswatch.errors import StswatchError
from stswatch.pipeline.times import iso

# -------------------------------------------------------- What became of a lead: the one thing that an alert is about

Change = Literal["opened", "changed", "closed", "retracted"]
CHANGES: tuple[str, ...] = get_args(Change)


@dataclass(frozen=True)
class LeadChange:
    """One revision of a lead, as it was committed to the store.

    change: opened (it was no lead before), changed (kind, zones or the like), closed (the meeting is over), retracted
    (it is no lead any more). start_time, end_time: with a time zone; end_time of a running meeting is the end so far.
    mmsi and name leave the program only where identities were asked for.

    Raises ValueError for another word of change, or for a time without a zone.
    """

    id: str
    revision: int
    change: Change
    kind: str
    zones: tuple[str, ...]
    score: float
    start_time: datetime
    end_time: datetime
    mmsi_a: int
    mmsi_b: int
    name_a: str | None = None
    name_b: str | None = None

    def __post_init__(self) -> None:
        if self.change not in CHANGES:
            raise ValueError(f"{self.change!r} is no change of a lead; those are {', '.join(CHANGES)}")
        if self.start_time.tzinfo is None or self.end_time.tzinfo is None:
            raise ValueError(f"{self.id}: a time without a zone")

    @property
    def key(self) -> str:
        """By what a receiver knows it again: id and revision; with a word more where the revision itself was withdrawn.

        A retraction may change the fate of a row without a revision of its own, and must still be told.

        >>> from datetime import UTC
        >>> at = datetime(2025, 3, 10, tzinfo=UTC)
        >>> LeadChange("E2a41", 3, "closed", "encounter", (), 2.5, at, at, 1, 2).key
        'E2a41:3'
        >>> LeadChange("E2a41", 3, "retracted", "encounter", (), 2.5, at, at, 1, 2).key
        'E2a41:3:retracted'
        """
        return f"{self.id}:{self.revision}" + (":retracted" if self.change == "retracted" else "")


# ---------------------------------------- What is told: an alert as data, and the message that carries one or several

DIGEST = "leads.digest"


@dataclass(frozen=True)
class Alert:
    """One change of a lead as it will be told; `data` is plain JSON and holds nothing that may not leave."""

    key: str
    event: str
    at: str  # when it was offered, ISO 8601
    data: Mapping[str, Any]

    @property
    def type(self) -> str:
        """What it is about, as Standard Webhooks recommends: lead.opened and so on, or encounter.current and so on."""
        return f"lead.{self.data['change']}" if "change" in self.data else f"encounter.{self.data['status']}"


@dataclass(frozen=True)
class Message:
    """What is sent in one go: an alert, or a digest of those that the rate held back."""

    alerts: tuple[Alert, ...]

    @property
    def key(self) -> str:
        """The same for the same content, so that a receiver drops what it got twice."""
        if len(self.alerts) == 1:
            return self.alerts[0].key
        keys = "\n".join(alert.key for alert in self.alerts)
        return f"digest:{hashlib.sha256(keys.encode()).hexdigest()[:32]}"

    @property
    def events(self) -> frozenset[str]:
        """Ids of the events that it tells of."""
        return frozenset(alert.event for alert in self.alerts)

    def content(self) -> dict[str, Any]:
        """The message as JSON has it: type, timestamp, data, as Standard Webhooks recommends."""
        last = self.alerts[-1]
        if len(self.alerts) == 1:
            return {"type": last.type, "timestamp": last.at, "data": dict(last.data)}
        digest = {"held_back": len(self.alerts), "alerts": [dict(alert.data) for alert in self.alerts]}
        return {"type": DIGEST, "timestamp": last.at, "data": digest}

    def line(self) -> bytes:
        """The content as one line of JSON in printable ASCII, without its end: it may come to a terminal."""
        return json.dumps(self.content(), separators=(",", ":")).replace("\x7f", "\\u007f").encode()


def alert(change: LeadChange, at: datetime, identities: bool) -> Alert:
    """The alert of a change; names and MMSI are in it only where identities are asked for.

    >>> from datetime import UTC
    >>> t = datetime(2025, 3, 10, 6, 54, tzinfo=UTC)
    >>> told = alert(LeadChange("E2a41", 1, "opened", "encounter", ("korea_bay",), 3.25, t, t, 1, 2, "A"), t, False)
    >>> told.key, told.data["zones"], told.data["start_time"], "mmsi_a" in told.data
    ('E2a41:1', ['korea_bay'], '2025-03-10T06:54:00.000Z', False)
    """
    data: dict[str, Any] = {
        "key": change.key,
        "id": change.id,
        "revision": change.revision,
        "change": change.change,
        "kind": change.kind,
        "zones": list(change.zones),
        "score": round(change.score, 2),
        "start_time": iso(change.start_time),
        "end_time": iso(change.end_time),
    }
    if identities:
        data |= {name: getattr(change, name) for name in ("mmsi_a", "mmsi_b", "name_a", "name_b")}
    return Alert(change.key, change.id, iso(at), data)


def final_event(row: Mapping[str, Any], at: datetime, identities: bool) -> Alert:
    """What is sent of an encounter that is final, or that was and holds no more: a row of `final_encounters`.

    >>> from datetime import UTC
    >>> t = datetime(2025, 3, 10, 6, 54, tzinfo=UTC)
    >>> row = {"id": "E2a41", "revision": 2, "status": "current", "end_time": t, "mmsi_a": 1, "mmsi_b": 2}
    >>> sent = final_event(row, t, False)
    >>> sent.key, sent.type, sent.data["end_time"], "mmsi_a" in sent.data
    ('E2a41:2:current', 'encounter.current', '2025-03-10T06:54:00.000Z', False)
    """
    key = f"{row['id']}:{row['revision']}:{row['status']}"
    shown = {name: value for name, value in row.items() if identities or not name.startswith("mmsi_")}
    plain = {name: iso(value) if isinstance(value, datetime) else value for name, value in shown.items()}
    return Alert(key, row["id"], iso(at), {"key": key} | plain)


# ------------- What a destination is: a name, a pace, and a function that delivers a message or says why it could not


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
    final: bool = False  # it takes encounters that are final, not what becomes of leads


@dataclass(frozen=True)
class Section:
    """What a kind of destination is made from: its section of the file, the environment, the folder of the file."""

    name: str
    options: Mapping[str, Any]
    environment: Mapping[str, str] = field(repr=False)
    beside: Path
