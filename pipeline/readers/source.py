"""What every reader of archives takes and gives: a source, a chunk of it, and the rows decoded from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from stswatch.errors import StswatchError
from stswatch.pipeline import schema
from stswatch.pipeline.options import Moment, ReadOptions
from stswatch.regular_files import read_regular

IDS = ("mmsi", "any")
WHOLE = 2**62  # the end of a source whose decompressed size is not known


class SourceError(StswatchError, ValueError):
    """A file that cannot be used: one sentence with the file, what was found and what to do."""


class NotAisError(SourceError):
    """A file that no reader takes; as a member of a zip it is passed over."""


@dataclass(frozen=True)
class SourcePlace:
    """Where the bytes of a source lie: a file, or a member of a zip."""

    path: str
    member: str | None = None

    def __str__(self) -> str:
        return self.path if self.member is None else f"{self.path} ({self.member})"


@dataclass(frozen=True)
class Source:
    """One file or one member of a zip, known by its content; picklable."""

    path: str
    member: str | None
    sha256: str  # of the file, the zip where it is a member
    source: str  # first 16 hex digits of the SHA-256; of a member: of that and its name
    bytes: int  # size of the file
    format: str  # name of the row in READERS
    clock: str  # where the times come from, in words
    receiver: str  # of what does not tell it itself: one of schema.RECEIVERS
    licence: str | None  # the terms, where known
    options: Any = None  # what the reader found out while preparing; picklable
    ingest_day: str | None = None  # when it was first looked at, ISO 8601: whoever reads it again keeps that
    columns: str | None = None  # of a table: which columns were taken for what, and which were not
    request: tuple[tuple[str, str], ...] = ()  # what a user said of it, see request_of

    @property
    def place(self) -> SourcePlace:
        """Where its bytes lie."""
        return SourcePlace(self.path, self.member)


@dataclass(frozen=True)
class Chunk:
    """A part of a source that is decoded by itself, in any order: bytes or rows [start, end); picklable."""

    source: Source
    start: int
    end: int


@dataclass(frozen=True)
class DecodedBatch:
    """What one batch of a chunk gave; each sentence is counted once over all chunks.

    sentences = single-part messages + fragments + rejects. A row of a table is a sentence and a message.
    """

    fixes: pa.Table
    static_reports: pa.Table
    rejects: pa.Table
    sentences: int
    messages: int
    fragments: int  # sentences that were part of a used multi-part message
    unread_times: int = 0  # sentences with a time beside them that is not understood

    @property
    def timed(self) -> dict[str, pa.Table]:
        """The rows by table of the lake, of those that tell a time."""
        return {"fixes": self.fixes, "static_reports": self.static_reports}

    @property
    def tables(self) -> dict[str, pa.Table]:
        """The rows by table of the lake."""
        return {"fixes": self.fixes, "static_reports": self.static_reports, "rejects": self.rejects}


@dataclass(frozen=True)
class Prepared:
    """What a reader found out about a file before decoding it."""

    clock: str
    options: Any
    receiver: str | None = None  # where the file or its map says more than its format
    licence: str | None = None  # "": none, whatever its format says
    columns: str | None = None  # of a table: which were taken for what, and which were not


@dataclass(frozen=True)
class Reader:
    """One archive format: a row of READERS."""

    name: str
    help: str  # one sentence for the documentation
    sniff: Callable[[bytes, str], bool]  # (first bytes, unpacked; path) -> is it this format
    prepare: Callable[[SourcePlace, ReadOptions], Prepared]  # raises SourceError
    chunks: Callable[[Source, int], list[Chunk]]  # (source, bytes aimed at)
    read: Callable[[Chunk], Iterator[DecodedBatch]]  # raises SourceError where the file breaks off
    receiver: str = "unknown"  # of all such files
    licence: str | None = None
    own_columns: bool = False  # a table of known columns: where a map is given, that is used instead


def nothing() -> DecodedBatch:
    """A batch without a row.

    >>> nothing().fixes.num_rows
    0
    """
    return DecodedBatch(schema.empty("fixes"), schema.empty("static_reports"), schema.empty("rejects"), 0, 0, 0)


def request_of(asked: ReadOptions) -> tuple[tuple[str, str], ...]:
    """What a user said of a file, as names and texts: to read it again so; a map of columns with what it holds.

    >>> request_of(ReadOptions(receiver="satellite"))
    (('receiver', 'satellite'),)
    """
    given: dict[str, str] = {}
    for name in ("format", "receiver", "ids", "licence"):
        if (value := getattr(asked, name)) not in (None, getattr(ReadOptions(), name)):
            given[name] = str(value)
    if asked.columns is not None:
        given["columns"] = read_regular(Path(asked.columns)).decode("utf-8", "replace")
    if asked.start_time is not None:
        given["start_time"] = asked.start_time.isoformat()
    return tuple(sorted(given.items()))


def start_moment(given: Moment | None) -> datetime | None:
    """A time that was given as text or as a datetime. Raises SourceError where it is none or names no zone."""
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError:
        raise SourceError(f"start_time {given!r}: is no time; give one such as 2024-01-31T12:00:00Z") from None
    if not isinstance(moment, datetime):
        raise SourceError(f"start_time {given!r}: is no time; give one such as 2024-01-31T12:00:00Z")
    if moment.tzinfo is None:
        raise SourceError(f"start_time {given!s}: names no zone; end it with Z for UTC, or give tzinfo=UTC")
    return moment
