"""Alerts on standard output, as a sentence each or as JSON lines."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from stswatch.pipeline.alerts.destination import Deliver, Given, Undelivered
from stswatch.pipeline.alerts.message import Message
from stswatch.pipeline.untrusted import harmless


def open_stdout(given: Given) -> tuple[str, Deliver]:
    """Deliver to standard output, as text unless format is json."""
    as_json = given.options.get("format", "text") == "json"

    def deliver(message: Message) -> None:
        out: TextIO = sys.stdout
        try:
            out.write((message.line().decode() if as_json else text(message)) + "\n")  # at once: others print too
            out.flush()
        except (OSError, ValueError) as error:  # a ValueError where it was closed from within
            raise Undelivered("standard output is closed") from error

    return "standard output", deliver


def text(message: Message) -> str:
    """A line for each alert of a message.

    >>> from stswatch.pipeline.alerts.message import Alert
    >>> data = {"change": "opened", "id": "E2a41", "revision": 1, "kind": "lit", "zones": ["korea_bay"],
    ...         "score": 3.25, "start_time": "2025-03-10T06:54:00.000Z", "end_time": "2025-03-10T07:30:00.000Z"}
    >>> print(text(Message((Alert("E2a41:1", "E2a41", "2025-03-10T07:31:00.000Z", data),))))
    lead opened: E2a41 revision 1, lit meeting in korea_bay, score 3.25, from 2025-03-10 06:54 to 2025-03-10 07:30 UTC
    """
    return "\n".join(_line(harmless(dict(alert.data))) for alert in message.alerts)


def _line(data: Any) -> str:
    zones = f" in {', '.join(data['zones'])}" if data["zones"] else ""
    who = " and ".join(_vessel(data, v) for v in ("a", "b") if f"mmsi_{v}" in data)
    kind = data["kind"].replace("_", " ")
    start, end = (data[name][:16].replace("T", " ") for name in ("start_time", "end_time"))
    return (
        f"lead {data['change']}: {data['id']} revision {data['revision']}, {kind} meeting{zones},"
        f" score {data['score']:.2f}, from {start} to {end} UTC" + (f", {who}" if who else "")
    )


def _vessel(data: Any, v: str) -> str:
    name = data.get(f"name_{v}")
    return f"{data[f'mmsi_{v}']:09d}" + (f" ({name})" if name else "")
