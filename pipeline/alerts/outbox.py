"""What a destination was told and what still waits for it, in one file that a kill or a full disk cannot spoil.

Lines of JSON, appended: `put` an alert, `told` its key, and after the file was written anew `knew` for a key that was
told before. A line counts once it ends. The file is written anew when it has grown to twice what was needed then.
"""

from __future__ import annotations

import json
import os
from collections.abc import Container, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any

from stswatch.pipeline.alerts.message import Alert, iso

# An encounter is open for 30 d at the most and is offered for 2 d beyond its end; a key is known for longer than that.
REMEMBERED = timedelta(days=40)
_LINES = 2_000  # a file with fewer is not worth writing anew


class Outbox:
    """The alerts of one destination. Raises OSError where the file cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, Lock()
        self._waiting: dict[str, Alert] = {}
        self._known: dict[str, str] = {}  # key -> when it was put
        self._lines = self._needed = 0  # in the file now; when it was last written anew
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _sync_folder(path)
        self._size = self._read()

    def put(self, alerts: Sequence[Alert]) -> set[str]:
        """Add those that are not known yet, and have the disk hold them; gives their keys.

        Raises OSError, and then none of them is added.
        """
        with self._lock:
            new = {alert.key: alert for alert in alerts if alert.key not in self._known}
            if new:
                self._append([_put(alert) for alert in new.values()], durable=True)
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
        """These have arrived. Forgets keys that nobody offers any more. Raises OSError: they may then be told again.

        The disk is not waited for: what a power cut takes is told twice, under the same key.
        """
        with self._lock:
            for key in keys:
                self._waiting.pop(key, None)
            self._append([{"told": list(keys)}], durable=False)
            if self._lines > max(_LINES, 2 * self._needed):
                self._write_anew(now)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            os.close(self._file)

    # ------------------------------------------------------------------------------------------------ the file

    def _append(self, records: list[dict[str, Any]], durable: bool) -> None:
        """Behind the last whole line, over whatever a failed attempt left there."""
        data = b"".join(_line(record) for record in records)
        os.ftruncate(self._file, self._size)
        _write(self._file, data, self._size)
        if durable:
            os.fsync(self._file)
        self._size += len(data)
        self._lines += len(records)

    def _read(self) -> int:
        """Take in what the file holds; gives where its last whole line ends."""
        size = 0
        with open(self._file, "rb", closefd=False) as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                size += len(line)
                self._lines += 1
                self._take(_record(line))
        return size

    def _take(self, record: dict[str, Any]) -> None:
        if "put" in record:
            told = Alert(**record["put"])
            self._waiting[told.key] = told
            self._known[told.key] = told.at
        for key in record.get("told", ()):
            self._waiting.pop(key, None)
        if "knew" in record:
            self._known[record["knew"]] = record["at"]

    def _write_anew(self, now: datetime) -> None:
        """Only what is still needed, in a file that takes the place of this one in one step."""
        oldest = iso(now - REMEMBERED)
        known = {k: at for k, at in self._known.items() if at >= oldest or k in self._waiting}
        records = list(_records(known, self._waiting))
        data, part = b"".join(_line(record) for record in records), self._path.with_suffix(".part")
        file = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write(file, data, 0)
            os.fsync(file)
            part.replace(self._path)
            _sync_folder(self._path)
        except OSError:
            os.close(file)
            raise
        os.close(self._file)
        self._file, self._size, self._known = file, len(data), known
        self._lines = self._needed = len(records)


def _records(known: dict[str, str], waiting: dict[str, Alert]) -> Iterator[dict[str, Any]]:
    yield from ({"knew": key, "at": at} for key, at in known.items() if key not in waiting)
    yield from (_put(alert) for alert in waiting.values())


def _put(alert: Alert) -> dict[str, Any]:
    return {"put": {"key": alert.key, "event": alert.event, "at": alert.at, "data": dict(alert.data)}}


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def _record(line: bytes) -> dict[str, Any]:
    """A line as it was written; nothing for one that a power cut spoiled: what was not waited for, a key that was told.

    >>> _record(b'{"told": ["E2:1"]}\\n'), _record(bytes(20))
    ({'told': ['E2:1']}, {})
    """
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _sync_folder(path: Path) -> None:
    """Have the disk hold the name of a file."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write(file: int, data: bytes, at: int) -> None:
    """All of it: a disk that fills takes a part without an error."""
    rest = memoryview(data)
    while rest:
        done = os.pwrite(file, rest, at)
        rest, at = rest[done:], at + done
