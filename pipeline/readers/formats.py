"""The archive formats, and three calls for the rest of the program: open a source, cut it, read a chunk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow.compute as pc

from stswatch.pipeline import schema
from stswatch.pipeline.options import ReadOptions
from stswatch.pipeline.readers import aisstream, column_map, columns, json_records, json_text, national, nmea, values
from stswatch.pipeline.readers.csv_rows import header_of
from stswatch.pipeline.readers.packing import check_unpacked, damage, is_packed, members, unreadable
from stswatch.pipeline.readers.source import (
    IDS,
    Chunk,
    DecodedBatch,
    NotAisError,
    Prepared,
    Reader,
    Source,
    SourceError,
    SourcePlace,
    request_of,
)
from stswatch.pipeline.readers.text import head
from stswatch.pipeline.schema import RECEIVERS

READERS: tuple[Reader, ...] = (  # in the order in which they are asked whether a file is theirs
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
        "aiscatcher",
        "JSON of AIS-catcher: its sentences, or the fields that it decoded.",
        json_records.sniff_catcher,
        json_records.prepare,
        json_records.chunks,
        json_records.read,
    ),
    Reader(
        "json",
        "Any JSON that carries NMEA sentences or positions, an object a line, in an array, or as GeoJSON points.",
        json_records.sniff,
        json_records.prepare,
        json_records.chunks,
        json_records.read,
    ),
    Reader(
        "nmea",
        "NMEA 0183 sentences with tag blocks, US Coast Guard suffixes or Gatehouse lines.",
        nmea.sniff,
        nmea.prepare,
        nmea.chunks,
        nmea.read,
    ),
    Reader(
        "marinecadastre",
        "Archives of MarineCadastre (NOAA, US Coast Guard), CSV of any year or GeoParquet.",
        national.sniff_cadastre,
        national.prepare_cadastre,
        national.chunks_cadastre,
        national.read_cadastre,
        receiver="terrestrial",
        licence=national.CADASTRE_LICENCE,
        own_columns=True,
    ),
    Reader(
        "danish",
        "CSV archives of the Danish Maritime Authority.",
        national.sniff_danish,
        national.prepare_danish,
        national.chunks_danish,
        national.read_danish,
        receiver="terrestrial",
        licence=national.DANISH_LICENCE,
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


DEFAULTS = ReadOptions()
_ANY_IDS: Mapping[str, Any] = {"columns": columns, "json": json_records, "aiscatcher": json_records}


def reader_of(name: str) -> Reader:
    """The reader of a format by its name. Raises SourceError for a name that is none.

    >>> reader_of("nmea").name
    'nmea'
    """
    for reader in READERS:
        if reader.name == name:
            return reader
    raise SourceError(
        f"`format={name}`: is not known; use auto or one of {', '.join(reader.name for reader in READERS)}"
    )


@dataclass(frozen=True)
class Opened:
    """The sources in a file, and a sentence for each member of a zip that is none and each stretch that is damaged."""

    sources: list[Source]
    passed_over: list[str]
    ids: frozenset[str] = frozenset()  # of vessels that are told apart by ids of another kind than MMSI


def open_sources(
    path: str | Path,
    request: ReadOptions = DEFAULTS,
    *,
    days: Mapping[str, date] = MappingProxyType({}),
) -> Opened:
    """Look at one file: its hash, and of it or of each member of a zip the format and where the times come from.

    request: what the user says of the file, and the day of ingest; days: that of
    sources that were ingested before, by their id, which goes before: they are read as they were then. Raises
    SourceError, one sentence with the file and the remedy, for whatever cannot be used.
    """
    file = os.fspath(path)
    _makes_sense(request)
    asked = reader_of(request.format) if request.format != "auto" else None
    check_is_file(file)
    inside = members(file)
    places = [SourcePlace(file)] if inside is None else [SourcePlace(file, member) for member in inside]
    found: list[tuple[SourcePlace, Reader]] = []
    passed_over: list[str] = []
    for place in places:
        try:
            found.append((place, _reader_for(place, asked, request)))
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
    found_ids: set[str] = set()
    for source in sources:
        if _numbers_ids(source):
            for chunk in chunks(source):
                found_ids |= _ANY_IDS.get(source.format, columns).ids_of(chunk)
    passed_over += damage(file) if inside is None else []
    return Opened([numbered(source, found_ids) for source in sources], passed_over, frozenset(found_ids))


def numbered(source: Source, found: Collection[str]) -> Source:
    """A source with its ids numbered so that no two of all that are read together have one number.

    found: all ids that are read together; a source whose ids are MMSI is as it was.
    """
    if not _numbers_ids(source):
        return source
    writing = replace(source.options.writing, ids=values.numbering_of(found))
    return replace(source, options=replace(source.options, writing=writing))


def _numbers_ids(source: Source) -> bool:
    writing = getattr(source.options, "writing", None)
    return writing is not None and writing.ids is not None


def _makes_sense(request: ReadOptions) -> None:
    if request.start_time is not None and request.start_time.tzinfo is None:
        raise SourceError(f"`start_time={request.start_time.isoformat()}`: names no zone; end it with Z for UTC")
    if request.ids not in IDS:
        raise SourceError(f"`ids={request.ids}`: is not known; it must be one of {', '.join(IDS)}")
    if request.receiver not in (None, *RECEIVERS):
        raise SourceError(f"`receiver={request.receiver}`: is not known; it must be one of {', '.join(RECEIVERS)}")


def _id(sha256: str, place: SourcePlace) -> str:
    name = sha256 if place.member is None else hashlib.sha256(f"{sha256}/{place.member}".encode()).hexdigest()
    return name[:16]


def _source(
    name: str, place: SourcePlace, reader: Reader, prepared: Prepared, request: ReadOptions, sha256: str, size: int
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
        request.licence or (reader.licence if prepared.licence is None else prepared.licence or None),
        prepared.options,
        request.day.isoformat() if request.day else None,
        prepared.columns,
        request_of(request),
    )


def open_source(path: str | Path, **options: Any) -> Source:
    """The one source in a file, as `open_sources` gives it. Raises SourceError where there are several.

    said: of ReadOptions.
    """
    found = open_sources(path, ReadOptions(**options)).sources
    if len(found) > 1:
        raise SourceError(f"{path}: holds {len(found)} members with AIS; open them with open_sources")
    return found[0]


def chunks(source: Source, target_bytes: int = 64 << 20) -> list[Chunk]:
    """Parts of a source of about target_bytes, each decoded by itself, in any order. Raises SourceError."""
    return reader_of(source.format).chunks(source, target_bytes)


def read(chunk: Chunk) -> Iterator[DecodedBatch]:
    """What a chunk holds, in batches of bounded size.

    Raises SourceError where the file breaks off or is gone: what came before must then not be used either.
    """
    check_is_file(chunk.source.path)
    batches = reader_of(chunk.source.format).read(chunk)
    receiver = chunk.source.receiver
    return batches if receiver == "unknown" else (_received(batch, receiver) for batch in batches)


def _received(batch: DecodedBatch, receiver: str) -> DecodedBatch:
    """A batch whose fixes are from this kind of receiver where they do not say."""
    at = schema.FIXES.get_field_index("receiver")
    silent = pc.equal(batch.fixes["receiver"], "unknown")
    if not pc.any(silent).as_py():
        return batch
    filled = pc.if_else(silent, receiver, batch.fixes["receiver"])
    return replace(batch, fixes=batch.fixes.set_column(at, schema.FIXES.field(at), filled))


def check_is_file(path: str) -> None:
    """Raise SourceError where a path leads to no file that can be read from its beginning as often as it has to be."""
    if os.path.isdir(path):
        raise SourceError(f"{path}: is a folder; give the files in it, for instance {os.path.join(path, '*')}")
    if not os.path.exists(path):
        if path == "-":
            raise SourceError(
                "-: standard input cannot be read twice; save it as a file, or give it to `stswatch stream`"
            )
        raise SourceError(f"{path}: does not exist; check the path")
    if not os.path.isfile(path):
        raise SourceError(f"{path}: is a pipe or a device, which cannot be read twice; save what it gives as a file")


def _hashed(path: str) -> tuple[str, int]:
    """SHA-256 of a file and its size, bytes. Raises SourceError where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
    except OSError as error:
        raise unreadable(path, error) from error


def _reader_for(place: SourcePlace, asked: Reader | None, request: ReadOptions) -> Reader:
    """The reader of a place. Raises NotAisError where none takes it, SourceError where it cannot be read."""
    start = head(place)
    if not start and not is_packed(place):
        raise SourceError(f"{place}: is empty; leave it out or fetch it again")
    check_unpacked(place, start)
    if asked is not None and place.member is None:
        return asked
    mapped, any_ids = request.columns is not None, request.ids == "any"
    for reader in [asked] if asked else READERS:
        if mapped and reader.own_columns:
            continue
        if reader.sniff(start, place.path) or (mapped and reader.name in _mapped_to(start)):
            return reader
        if any_ids and reader.name in ("json", "columns") and _ANY_IDS[reader.name].sniff_any_ids(start, place.path):
            return reader
    raise _stranger(place, start)


def _mapped_to(start: bytes) -> tuple[str, ...]:
    """Which readers can take a text by a column map alone."""
    if b"\0" in start:
        return ()
    return ("json",) if any(json_text.layouts_of(start)) else ("columns",)


def _stranger(place: SourcePlace, start: bytes) -> NotAisError:
    """What to say of a file that no reader takes."""
    if b"\0" in start or not start:
        found = "is neither text nor Parquet" if start else "holds nothing"
        return NotAisError(f"{place}: {found}; give NMEA sentences, CSV or Parquet with AIS positions")
    if any(json_text.layouts_of(start)):
        return _not_ais(json_records.lacking(place, start))
    if start.lstrip()[:1] in (b"{", b"["):
        return NotAisError(f"{place}: is JSON of a kind that is not read; docs/formats.md says which kinds are")
    names = header_of(start)[0]
    if len(names) > 1:
        try:
            column_map.find(place, names, None)
        except SourceError as lacking:
            return _not_ais(lacking)
    return NotAisError(
        f"{place}: is neither AIS sentences nor a table with a header; name its format with `format`"
        f" ({', '.join(reader.name for reader in READERS)}) if it is one of these"
    )


def _not_ais(error: SourceError) -> NotAisError:
    same = NotAisError(str(error))
    for note in getattr(error, "__notes__", ()):
        same.add_note(note)
    return same
