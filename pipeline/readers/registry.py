"""The archive formats, and three calls for the rest of the program: open a source, cut it, read a chunk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow.compute as pc

from stswatch.pipeline import schema
from stswatch.pipeline.readers import aisstream, column_map, columns, danish, marinecadastre, nmea
from stswatch.pipeline.readers.base import (
    RECEIVERS,
    Chunk,
    Decoded,
    NotAisError,
    Place,
    Prepared,
    Reader,
    Request,
    Source,
    SourceError,
)
from stswatch.pipeline.readers.csv_rows import header_of
from stswatch.pipeline.readers.packing import check_unpacked, is_packed, members, unreadable
from stswatch.pipeline.readers.text import head

READERS: tuple[Reader, ...] = (  # in the order in which they are asked whether a file is theirs
    Reader(
        "nmea",
        "NMEA 0183 sentences with tag blocks, US Coast Guard suffixes or Gatehouse lines.",
        nmea.sniff,
        nmea.prepare,
        nmea.chunks,
        nmea.read,
    ),
    Reader(
        "aisstream",
        "Messages of aisstream.io, a line of JSON each.",
        aisstream.sniff,
        aisstream.prepare,
        aisstream.chunks,
        aisstream.read,
        receiver="terrestrial",
        licence=aisstream.LICENCE,
    ),
    Reader(
        "marinecadastre",
        "Archives of MarineCadastre (NOAA, US Coast Guard), CSV of any year or GeoParquet.",
        marinecadastre.sniff,
        marinecadastre.prepare,
        marinecadastre.chunks,
        marinecadastre.read,
        receiver="terrestrial",
        licence=marinecadastre.LICENCE,
        own_columns=True,
    ),
    Reader(
        "danish",
        "CSV archives of the Danish Maritime Authority.",
        danish.sniff,
        danish.prepare,
        danish.chunks,
        danish.read,
        receiver="terrestrial",
        licence=danish.LICENCE,
        own_columns=True,
    ),
    Reader(
        "columns",
        "Any CSV, Parquet or GeoParquet table, by its column names or by the map given with --columns.",
        columns.sniff,
        columns.prepare,
        columns.chunks,
        columns.read,
    ),
)


NOTHING_SAID = Request()


def reader_of(name: str) -> Reader:
    """The reader of a format by its name. Raises SourceError for a name that is none.

    >>> reader_of("nmea").name
    'nmea'
    """
    for reader in READERS:
        if reader.name == name:
            return reader
    raise SourceError(
        f"--format {name}: is not known; use auto or one of {', '.join(reader.name for reader in READERS)}"
    )


@dataclass(frozen=True)
class Opened:
    """The sources in a file, and for each member of a zip that is none a sentence that says so."""

    sources: list[Source]
    passed_over: list[str]


def open_sources(
    path: str | Path,
    request: Request = NOTHING_SAID,
    *,
    format: str = "auto",
    days: Mapping[str, date] = MappingProxyType({}),
) -> Opened:
    """Look at one file: its hash, and of it or of each member of a zip the format and where the times come from.

    request: what the user says of the file, and the day of ingest; format: auto or a name in READERS; days: that of
    sources that were ingested before, by their id, which goes before: they are read as they were then. Raises
    SourceError, one sentence with the file and the remedy, for whatever cannot be used.
    """
    file = os.fspath(path)
    _makes_sense(request)
    asked = reader_of(format) if format != "auto" else None
    _is_there(file)
    inside = members(file)
    places = [Place(file)] if inside is None else [Place(file, member) for member in inside]
    found: list[tuple[Place, Reader]] = []
    passed_over: list[str] = []
    for place in places:
        try:
            found.append((place, _reader_for(place, asked, request.columns is not None)))
        except NotAisError as error:
            if inside is None:
                raise
            passed_over.append(str(error))
    if not found:
        none = f"no member of the zip is AIS; {passed_over[0]}" if passed_over else "the zip holds no file"
        raise SourceError(f"{file}: {none}")
    sha256, size = _hashed(file)
    sources = []
    for place, reader in found:
        name = _id(sha256, place)
        asked_of = replace(request, day=days.get(name, request.day))
        sources.append(_source(name, place, reader, reader.prepare(place, asked_of), asked_of, sha256, size))
    return Opened(sources, passed_over)


def _makes_sense(request: Request) -> None:
    if request.start_time is not None and request.start_time.tzinfo is None:
        raise SourceError(f"--start-time {request.start_time.isoformat()}: names no zone; end it with Z for UTC")
    if request.receiver not in (None, *RECEIVERS):
        raise SourceError(f"--receiver {request.receiver}: is not known; it must be one of {', '.join(RECEIVERS)}")


def _id(sha256: str, place: Place) -> str:
    name = sha256 if place.member is None else hashlib.sha256(f"{sha256}/{place.member}".encode()).hexdigest()
    return name[:16]


def _source(
    name: str, place: Place, reader: Reader, prepared: Prepared, request: Request, sha256: str, size: int
) -> Source:
    return Source(
        place.path,
        place.member,
        sha256,
        name,
        size,
        reader.name,
        prepared.clock,
        request.receiver or prepared.receiver or reader.receiver,
        request.licence or prepared.licence or reader.licence,
        prepared.options,
        request.day.isoformat() if request.day else None,
        prepared.columns,
    )


def open_source(path: str | Path, *, format: str = "auto", **said: Any) -> Source:
    """The one source in a file, as `open_sources` gives it. Raises SourceError where there are several.

    said: fields of Request.
    """
    found = open_sources(path, Request(**said), format=format).sources
    if len(found) > 1:
        raise SourceError(f"{path}: holds {len(found)} members with AIS; open them with open_sources")
    return found[0]


def chunks(source: Source, target_bytes: int = 64 << 20) -> list[Chunk]:
    """Parts of a source of about target_bytes, each decoded by itself, in any order. Raises SourceError."""
    return reader_of(source.format).chunks(source, target_bytes)


def read(chunk: Chunk) -> Iterator[Decoded]:
    """What a chunk holds, in batches of bounded size.

    Raises SourceError where the file breaks off or is gone: what came before must then not be used either.
    """
    _is_there(chunk.source.path)
    batches = reader_of(chunk.source.format).read(chunk)
    receiver = chunk.source.receiver
    return batches if receiver == "unknown" else (_received(batch, receiver) for batch in batches)


def _received(batch: Decoded, receiver: str) -> Decoded:
    """A batch whose fixes are from this kind of receiver where they do not say."""
    at = schema.FIXES.get_field_index("receiver")
    silent = pc.equal(batch.fixes["receiver"], "unknown")
    if not pc.any(silent).as_py():
        return batch
    told = pc.if_else(silent, receiver, batch.fixes["receiver"])
    return replace(batch, fixes=batch.fixes.set_column(at, schema.FIXES.field(at), told))


def _is_there(path: str) -> None:
    if os.path.isdir(path):
        raise SourceError(f"{path}: is a folder; give the files in it, for instance {os.path.join(path, '*')}")
    if not os.path.exists(path):
        raise SourceError(f"{path}: does not exist; check the path")


def _hashed(path: str) -> tuple[str, int]:
    """SHA-256 of a file and its size, bytes. Raises SourceError where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
    except OSError as error:
        raise unreadable(path, error) from error


def _reader_for(place: Place, asked: Reader | None, mapped: bool) -> Reader:
    """The reader of a place. Raises NotAisError where none takes it, SourceError where it cannot be read."""
    start = head(place)
    if not start and not is_packed(place):
        raise SourceError(f"{place}: is empty; leave it out or fetch it again")
    check_unpacked(place, start)
    if asked is not None and place.member is None:
        return asked
    for reader in [asked] if asked else READERS:
        if mapped and reader.own_columns:
            continue
        if reader.sniff(start, place.path) or (mapped and reader.name == "columns" and b"\0" not in start):
            return reader
    raise NotAisError(_stranger(place, start))


def _stranger(place: Place, start: bytes) -> str:
    """What to say of a file that no reader takes."""
    if b"\0" in start or not start:
        found = "is neither text nor Parquet" if start else "holds nothing"
        return f"{place}: {found}; give NMEA sentences, CSV or Parquet with AIS positions"
    names = header_of(start)[0]
    if len(names) > 1:
        try:
            column_map.find(place, names, None)
        except SourceError as lacking:
            return str(lacking)
    return (
        f"{place}: is neither AIS sentences nor a table with a header; name its format with --format"
        f" ({', '.join(reader.name for reader in READERS)}) if it is one of these"
    )
