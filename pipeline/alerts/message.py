"""What is told: an alert as data, and the message that carries one or several."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from stswatch.pipeline.alerts.change import LeadChange

DIGEST = "leads.digest"


@dataclass(frozen=True)
class Alert:
    """One change of a lead as it will be told; `data` is plain JSON and holds nothing that may not leave."""

    key: str
    event: str
    at: str  # when it was offered, ISO 8601
    data: Mapping[str, Any]


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
            return {"type": f"lead.{last.data['change']}", "timestamp": last.at, "data": dict(last.data)}
        told = {"held_back": len(self.alerts), "alerts": [dict(alert.data) for alert in self.alerts]}
        return {"type": DIGEST, "timestamp": last.at, "data": told}

    def line(self) -> bytes:
        """The content as one line of JSON in printable ASCII, without its end: it may come to a terminal."""
        return json.dumps(self.content(), separators=(",", ":")).replace("\x7f", "\\u007f").encode()


def alert(change: LeadChange, at: datetime, identities: bool) -> Alert:
    """The alert of a change; names and MMSI are in it only where identities are asked for.

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


def iso(time: datetime) -> str:
    """ISO 8601 in UTC to the millisecond, with Z."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
