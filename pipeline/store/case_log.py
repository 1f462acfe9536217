"""The log of decisions: DATA/decisions.jsonl, canonical JSON, only ever appended, each line sealed to the last.

An entry is one line: seq, time, kind, author, case, exercise, body, previous_sha256, sha256. `sha256` is that of the
line's JSON without it, and `previous_sha256` is that of the entry before: an entry that is altered, taken out or moved
shows at itself or at its neighbour. What a cut would take away at the end is known by DATA/decisions.head.json, which
names the last entry, and by the last snapshot; the command prints it, so that it can be noted down elsewhere too.

A write that was cut off leaves a piece of a line. It stays where it is, and the next entry is of kind `torn` and names
its SHA-256: nothing is ever removed. A piece that lacks nothing but its line end is an entry, and gets it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from stswatch.errors import StswatchError
from stswatch.pipeline import faults
from stswatch.pipeline.store.files import read_json, sync_path, write_json
from stswatch.pipeline.times import iso
from stswatch.pipeline.untrusted import storable

NAME, HEAD = "decisions.jsonl", "decisions.head.json"
FIRST = "0" * 64
TORN = "torn"
_FIELDS: Mapping[str, Any] = {
    "seq": int,
    "time": str,
    "kind": str,
    "author": str,
    "case": str | None,
    "exercise": str | None,
    "body": dict,
    "previous_sha256": str,
    "sha256": str,
}


class CaseLogError(StswatchError, ValueError):
    """A log that does not fit, or an entry that it cannot take; the message says which line and why."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry; `time` is ISO 8601 in UTC, `body` what its kind needs (pipeline/evidence/decisions.py)."""

    seq: int
    time: str
    kind: str
    author: str
    case: str | None
    exercise: str | None
    body: Mapping[str, Any]
    previous_sha256: str
    sha256: str

    @property
    def when(self) -> datetime:
        """`time` as a datetime."""
        return datetime.fromisoformat(self.time)


@dataclass(frozen=True)
class CaseLog:
    """What the file holds: the entries up to the first line that does not fit.

    finding: which line that is and why, None where all fit. torn: what stands behind the last entry and is none, of
    writes that were cut off; unended: whether the last line lacks its end.
    """

    entries: Sequence[LogEntry]
    finding: str | None
    torn: bytes = b""
    unended: bool = False

    @property
    def head(self) -> str:
        """`sha256` of the last entry."""
        return self.entries[-1].sha256 if self.entries else FIRST


def canonical(value: Any) -> bytes:
    """JSON with sorted names, without spaces, in ASCII: one form for one value. Raises ValueError for NaN.

    >>> canonical({"b": 1, "a": "é"})
    b'{"a":"\\\\u00e9","b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def line_of(entry: LogEntry) -> bytes:
    """The line of an entry, its end included."""
    return canonical(_fields(entry) | {"sha256": entry.sha256}) + b"\n"


def sealed(previous: LogEntry | None, time: str, kind: str, author: str, rest: Mapping[str, Any]) -> LogEntry:
    """The entry behind another one, with its hash; rest: case, exercise, body."""
    seq, before = (previous.seq + 1, previous.sha256) if previous else (1, FIRST)
    fields = {"seq": seq, "time": time, "kind": kind, "author": author, "previous_sha256": before, **rest}
    return LogEntry(**fields, sha256=hashlib.sha256(canonical(fields)).hexdigest())


def _fields(entry: LogEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in _FIELDS if name != "sha256"}


# ------------------------------------------------------------------------------------------------ read and verified


def read(data: Path) -> CaseLog:
    """All entries of a data folder, each verified; no log is one without entries. Raises OSError."""
    try:
        return walk((data / NAME).read_bytes())
    except FileNotFoundError:
        return CaseLog((), None)


def walk(content: bytes) -> CaseLog:
    """The entries of these bytes up to the first line that does not fit; never raises."""
    *lines, tail = content.split(b"\n")
    entries: list[LogEntry] = []
    torn: list[bytes] = []
    for number, line in enumerate([*lines, tail] if tail else lines, 1):
        entry = _parsed(line)
        if entry is None:
            torn.append(line)
            continue
        if (finding := _misfit(entry, entries[-1] if entries else None, torn, number)) is not None:
            return CaseLog(entries, finding)
        torn.clear()
        entries.append(entry)
    return CaseLog(entries, None, b"\n".join(torn), bool(tail))


def _parsed(line: bytes) -> LogEntry | None:
    """The entry of a line; None where it is not, to the byte, what its hash says."""
    try:
        fields = json.loads(line)
        if not isinstance(fields, dict) or set(fields) != set(_FIELDS):
            return None
        if not all(isinstance(fields[name], kind) for name, kind in _FIELDS.items()):
            return None
        datetime.fromisoformat(fields["time"])
        own = b'"sha256":"%b",' % str(fields["sha256"]).encode()
        at = line.rfind(own)  # nothing but the time stands behind it
        if at < 0 or hashlib.sha256(line[:at] + line[at + len(own) :]).hexdigest() != fields["sha256"]:
            return None
        return LogEntry(**fields)
    except (ValueError, RecursionError):
        return None


def _misfit(entry: LogEntry, before: LogEntry | None, torn: Sequence[bytes], number: int) -> str | None:
    """Why an entry does not stand where it does: a sentence, None where it fits."""
    if torn and (entry.kind != TORN or entry.body.get("sha256") != _hash_of(torn)):
        return f"line {number - len(torn)} is no entry as it was written"
    if entry.kind == TORN and not torn:
        return f"line {number}: entry {entry.seq} names a piece of a line that is not before it"
    seq = before.seq + 1 if before else 1
    if entry.seq != seq:
        return f"line {number} holds entry {entry.seq} where entry {seq} belongs: lines were taken out or moved"
    if entry.previous_sha256 != (before.sha256 if before else FIRST):
        return f"line {number}: entry {entry.seq} was not written after the one that stands before it"
    return None


def _hash_of(torn: Sequence[bytes]) -> str:
    return hashlib.sha256(b"\n".join(torn)).hexdigest()


def verified(data: Path, heads: Iterable[tuple[int, str]] = ()) -> CaseLog:
    """The log, held against what is known of its end: its head file, and heads (entries, sha256) kept elsewhere.

    Its `finding` names what does not fit. Raises OSError.
    """
    log = read(data)
    if log.finding is not None:
        return log
    known, found = [*heads], None
    try:
        head = read_json(data / HEAD)
        known.append((int(head["entries"]), str(head["sha256"])))
    except FileNotFoundError:
        if len(log.entries) > 1:
            found = f"{HEAD} is gone, which names the last entry"
    except (ValueError, TypeError, KeyError):
        found = f"{HEAD} is damaged, which names the last entry"
    for count, sha256 in known:
        if count > len(log.entries) and log.torn:
            found = f"what stands behind entry {len(log.entries)} is not entry {len(log.entries) + 1} as it was written"
        elif count > len(log.entries):
            found = f"entries {len(log.entries) + 1} to {count} are gone from its end"
        elif count and log.entries[count - 1].sha256 != sha256:
            found = f"entry {count} is another than the one that was written"
    return CaseLog(log.entries, found, log.torn, log.unended)


def noted_head(data: Path) -> str:
    """The last entry's sha256 by the head file, without reading the log; empty where it is not whole."""
    try:
        return str(read_json(data / HEAD)["sha256"])
    except (OSError, ValueError, TypeError, KeyError):
        return ""


# --------------------------------------------------------------------------------------------------------- appended


class Appending:
    """The log, held alone: what is appended is on the disk when the call returns."""

    def __init__(self, data: Path, handle: int, log: CaseLog) -> None:
        self._data, self._handle, self._last = data, handle, log.entries[-1] if log.entries else None
        self.entries = list(log.entries)
        self._before = b"\n" if log.unended else b""
        self._torn = log.torn

    def append(
        self, kind: str, author: str, case: str | None, exercise: str | None, body: Mapping[str, Any], now: datetime
    ) -> LogEntry:
        """Write one entry behind the last; all of it or, where that raises, nothing. Raises OSError."""
        time, content, added = iso(now), self._before, list[LogEntry]()
        if self._torn:
            named = {"bytes": len(self._torn), "sha256": hashlib.sha256(self._torn).hexdigest()}
            added.append(sealed(self._last, time, TORN, "stswatch", {"case": None, "exercise": None, "body": named}))
        rest = {"case": case, "exercise": exercise, "body": json.loads(canonical(_storable(body)))}
        added.append(sealed(added[-1] if added else self._last, time, kind, storable(author), rest))
        self._write(content + b"".join(map(line_of, added)))
        self._before = self._torn = b""
        self.entries += added
        self._last = added[-1]
        faults.reach("entry_written")
        write_json(self._data / HEAD, {"entries": self._last.seq, "sha256": self._last.sha256})
        sync_path(self._data)
        faults.reach("entry_named")
        return self._last

    def _write(self, content: bytes) -> None:
        before = os.lseek(self._handle, 0, os.SEEK_END)
        try:
            while content:
                content = content[os.write(self._handle, content) :]
            os.fsync(self._handle)
        except BaseException:
            with suppress(OSError):  # nobody was told of it: the disk was full
                os.ftruncate(self._handle, before)
            raise


@contextmanager
def appending(data: Path) -> Iterator[Appending]:
    """Hold the log to append to it, alone, waiting for whoever does; what is read in it stands until the block ends.

    Raises CaseLogError where it does not fit: nothing is sealed onto what was altered. OSError.
    """
    handle = os.open(data / NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        log = verified(data)
        if log.finding is not None:
            raise CaseLogError(
                f"{data / NAME}: {log.finding}; nothing is written behind it: put the file back from a copy"
            )
        yield Appending(data, handle, log)
    finally:
        os.close(handle)


def _storable(value: Any) -> Any:
    """The same with every text as UTF-8 can hold it."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable(str(name)): _storable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(each) for each in value]
    return value
