"""The segments of a spool: how they are named, where they lie, what their first line says.

DATA/spool/NAME/20261125T210000.000Z.nmea is being written; with .zst it is closed. A name is the arrival time at which
the segment was begun, so names sort by time. The first line is a comment, or a line of JSON that tells an arrival.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple

from stswatch.pipeline.readers.base import Place, SourceError
from stswatch.pipeline.readers.packing import opened
from stswatch.pipeline.sources.base import Format

PACKED = ".zst"
PART = ".part"

_ENDINGS = (".nmea", ".json")
_COMMENT = b"# stswatch "
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HEADER_BYTES = 4096


class Position(NamedTuple):
    """A place between two lines of a spool; positions sort by time."""

    segment: str = ""  # name without endings; "" is before the first
    offset: int = 0  # bytes, unpacked


@dataclass(frozen=True)
class Header:
    """What the first line of a segment says."""

    source: str
    mark: int  # stands in every arrival line of this segment and is drawn anew for each, so that no source can tell one
    receiver: str = "unknown"
    licence: str = ""


@dataclass(frozen=True)
class Spooled:
    """One spool in a folder."""

    name: str
    folder: Path
    format: Format
    receiver: str
    licence: str


def utc(time_us: int) -> datetime:
    """UTC microseconds as a datetime.

    >>> utc(1_500_000).isoformat()
    '1970-01-01T00:00:01.500000+00:00'
    """
    return _EPOCH + timedelta(microseconds=time_us)


def micros(when: datetime) -> int:
    """A datetime with its zone as UTC microseconds.

    >>> micros(utc(1_500_000))
    1500000
    """
    return (when - _EPOCH) // timedelta(microseconds=1)


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
    """The spools in a folder (DATA/spool), by name; those that never held a line are left out."""
    found = []
    for each in sorted(folder.iterdir()) if folder.is_dir() else []:
        for path in reversed(segments(each)):
            with suppress(SourceError):  # whoever reads a segment says that it is damaged
                if header := header_of(path):
                    found.append(Spooled(each.name, each, format_of(path), header.receiver, header.licence))
                    break
    return found


def format_of(path: Path) -> Format:
    """What the lines of a segment are.

    >>> format_of(Path("20231114T221320.123Z.json.zst"))
    'json'
    """
    return "json" if path.name.removesuffix(PACKED).endswith(".json") else "nmea"


@contextmanager
def reading(path: Path) -> Iterator[BufferedIOBase]:
    """The unpacked bytes of a segment, packed meanwhile or not. Raises SourceError, caused by FileNotFoundError where
    it is gone."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(opened(Place(os.fspath(path))))
        except SourceError as error:
            if path.suffix == PACKED or not gone(error):
                raise
            file = stack.enter_context(opened(Place(os.fspath(path) + PACKED)))
        yield file


def gone(error: SourceError) -> bool:
    """Whether a segment cannot be read since it is not there."""
    return isinstance(error.__cause__, FileNotFoundError)


def header_of(path: Path) -> Header | None:
    """What the first line of a segment says; None where it has none, or is gone. Raises SourceError."""
    try:
        with reading(path) as file:
            return parsed_header(file.read(_HEADER_BYTES))
    except SourceError as error:
        if gone(error):
            return None
        raise


def header_line(header: Header, form: Format, arrival: str) -> bytes:
    """The first line of a segment; arrival: ISO 8601, in JSON alone."""
    told = {"spool": 1, "source": header.source, "receiver": header.receiver, "licence": header.licence}
    told |= {"mark": header.mark}
    if form == "json":
        return json.dumps({"arrival": arrival} | told).encode() + b"\n"
    return _COMMENT + json.dumps(told).encode() + b"\n"


def parsed_header(start: bytes) -> Header | None:
    """What the first line says of a segment that begins so; None where it is no such line.

    >>> parsed_header(header_line(Header("busan", 7), "nmea", "")).source
    'busan'
    """
    line, ended, _ = start.partition(b"\n")
    try:
        told = json.loads(line.removeprefix(_COMMENT))
        return Header(told["source"], told["mark"], told["receiver"], told["licence"]) if ended else None
    except (ValueError, KeyError, TypeError):
        return None
