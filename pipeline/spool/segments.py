"""The segments of a spool: how they are named, where they lie, what their index says of them.

DATA/spool/NAME/20261125T210000.000Z.nmea is being written, its index beside it (readers/arrival_index.py); with .zst it
is closed. A name is the arrival time at which the segment was begun, so names sort by time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple, TypeVar

from stswatch.pipeline.decode.stamps import Arrivals
from stswatch.pipeline.readers import frames
from stswatch.pipeline.readers.arrival_index import Header
from stswatch.pipeline.readers.formats import open_source
from stswatch.pipeline.readers.packing import opened, unreadable
from stswatch.pipeline.readers.source import Source, SourceError, SourcePlace
from stswatch.pipeline.sources.address import Format
from stswatch.pipeline.times import micros, utc

PACKED = ".zst"
PART = ".part"

_READERS: Mapping[Format, str] = {"nmea": "nmea", "json": "aisstream"}  # of the lines of a spool
_ENDINGS = (".nmea", ".json")
_OLD = (b"# stswatch {", b'{"arrival":')
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T")


class OldSpoolError(SourceError):
    """A spool that another version wrote; the message says what to do."""


class Position(NamedTuple):
    """A place between two lines of a spool; positions sort by time."""

    segment: str = ""  # name without endings; "" is before the first
    offset: int = 0  # bytes, unpacked


@dataclass(frozen=True)
class Spooled:
    """One spool in a folder."""

    name: str
    folder: Path
    format: Format
    receiver: str
    licence: str


def name_of(arrival_us: int) -> str:
    """The name of a segment begun at a time, to the millisecond.

    >>> name_of(1_700_000_000_123_456)
    '20231114T221320.123Z'
    """
    when = utc(arrival_us)
    return f"{when:%Y%m%dT%H%M%S}.{when.microsecond // 1000:03d}Z"


def time_of(name: str) -> int:
    """The time in the name of a segment, UTC microseconds. Raises ValueError.

    >>> time_of("20231114T221320.123Z") - 1_700_000_000_000_000
    123000
    """
    return micros(datetime.strptime(name, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC))


def segment_of(path: Path) -> str:
    """The name of a segment without its endings.

    >>> segment_of(Path("20231114T221320.123Z.nmea.zst"))
    '20231114T221320.123Z'
    """
    return path.name.removesuffix(PACKED).rpartition(".")[0]


def segments(folder: Path) -> list[Path]:
    """The files of all segments in a spool, in the order of time; the packed one where both are there."""
    found: dict[str, str] = {}  # a year has thousands, and this is asked with each look: no Path for those to compare
    with suppress(FileNotFoundError):
        for name in os.listdir(folder):
            plain = name.removesuffix(PACKED)
            segment = plain.rpartition(".")[0]
            if plain.endswith(_ENDINGS) and (name != plain or segment not in found):
                found[segment] = name
    return [folder / found[segment] for segment in sorted(found)]


def closed(folder: Path) -> list[Path]:
    """The files of the segments that are closed, packed and on the disk, in the order of time."""
    return [path for path in segments(folder) if path.suffix == PACKED]


def sources_of(folder: Path) -> list[Spooled]:
    """The spools in a folder (DATA/spool), by name; those without a segment are left out. Raises OldSpoolError."""
    found = []
    for each in sorted(folder.iterdir()) if folder.is_dir() else []:
        if paths := segments(each):
            header = next(filter(None, map(_header_if_readable, reversed(paths))), Header(each.name))
            found.append(Spooled(each.name, each, format_of(paths[-1]), header.receiver, header.licence))
    return found


def _header_if_readable(path: Path) -> Header | None:
    """As header_of; None where the segment is damaged: whoever reads it says so."""
    try:
        return header_of(path)
    except OldSpoolError:
        raise
    except SourceError:
        return None


def format_of(path: Path) -> Format:
    """What the lines of a segment are.

    >>> format_of(Path("20231114T221320.123Z.json.zst"))
    'json'
    """
    return "json" if path.name.removesuffix(PACKED).endswith(".json") else "nmea"


def as_source(spool: Spooled, path: Path) -> Source:
    """A closed segment as a source of the lake. Raises SourceError."""
    receiver = None if spool.receiver == "unknown" else spool.receiver
    return open_source(path, format=_READERS[spool.format], receiver=receiver, licence=spool.licence or None)


@contextmanager
def reading(path: Path) -> Iterator[BufferedIOBase]:
    """The unpacked bytes of a segment, packed meanwhile or not. Raises SourceError, caused by FileNotFoundError where
    it is gone."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(opened(SourcePlace(os.fspath(path))))
        except SourceError as error:
            if path.suffix == PACKED or not gone(error):
                raise
            file = stack.enter_context(opened(SourcePlace(os.fspath(path) + PACKED)))
        yield file


def gone(error: SourceError) -> bool:
    """Whether a segment cannot be read since it is not there."""
    return isinstance(error.__cause__, FileNotFoundError)


def header_of(path: Path) -> Header | None:
    """What the index of a segment says of it; None where it is damaged, or the segment is gone. Raises SourceError."""
    found = _first_of(path, frames.header_of)
    if found is None:
        refuse_old(path)
    return found


def arrivals_of(path: Path) -> Arrivals:
    """When the bytes of a segment arrived; nothing where it is gone. Raises SourceError."""
    return _first_of(path, frames.arrivals_of) or Arrivals.of([])


def last_arrival_us(folder: Path) -> int:
    """The last arrival in the newest segment that tells one; 0 where none does: a damaged one may tell none."""
    for path in reversed(segments(folder)):
        with suppress(SourceError):
            if last_us := int(arrivals_of(path).time_us.max(initial=0)):
                return last_us
    return 0


def _first_of(path: Path, call: Callable[[str], T | None]) -> T | None:
    """What a call finds of a segment, packed meanwhile or not; None where it is gone. Raises SourceError."""
    for each in (path, path.with_name(path.name + PACKED)):
        try:
            if (found := call(str(each))) is not None:
                return found
        except FileNotFoundError:
            continue
        except OSError as error:
            raise unreadable(str(each), error) from error
    return None


def refuse_old(path: Path) -> None:
    """Raise OldSpoolError for a segment that has arrival times between its lines, as they were written before."""
    start = b""
    with suppress(SourceError), reading(path) as file:
        start = file.read(16)
    if start.startswith(_OLD):
        raise OldSpoolError(
            f"{path.parent}: was written by an older version, with arrival times between the lines; move it away, and"
            " give its files to `stswatch run` as an archive if they are still needed"
        )


def previous_of(path: Path) -> str:
    """The name of the segment before one, as its index says; "" where it says none. Raises SourceError."""
    header = header_of(path)
    return header.previous if header else ""
