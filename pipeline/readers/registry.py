"""The archive formats, and three calls for the rest of the program: open a source, cut it, read a chunk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from stswatch.pipeline.readers import column_map, columns, marinecadastre, nmea
from stswatch.pipeline.readers.base import Chunk, Decoded, Reader, Request, Source, SourceError
from stswatch.pipeline.readers.csv_rows import header_of
from stswatch.pipeline.readers.text import head, is_gzip, unreadable

READERS: tuple[Reader, ...] = (  # in the order in which they are asked whether a file is theirs
    Reader(
        "nmea",
        "NMEA 0183 sentences, plain or gzip, with tag blocks, US Coast Guard suffixes or Gatehouse lines.",
        nmea.sniff,
        nmea.prepare,
        nmea.chunks,
        nmea.read,
    ),
    Reader(
        "marinecadastre",
        "CSV archives of MarineCadastre (NOAA), plain or gzip.",
        marinecadastre.sniff,
        marinecadastre.prepare,
        marinecadastre.chunks,
        marinecadastre.read,
    ),
    Reader(
        "columns",
        "Any CSV (plain or gzip) or Parquet table, by its column names or by the map given with --columns.",
        columns.sniff,
        columns.prepare,
        columns.chunks,
        columns.read,
    ),
)
_PACKED = {
    b"PK\x03\x04": "zip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"7z\xbc\xaf": "7z",
}


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


def open_source(
    path: str | Path, *, format: str = "auto", columns: Path | None = None, start_time: datetime | None = None
) -> Source:
    """Look at one file: its hash, its format and where its times come from.

    format: auto or a name in READERS; columns: a TOML file, see column_map.py; start_time: for captures
    without a clock, with its zone. Raises SourceError, one sentence with the file and the remedy, for
    whatever cannot be used.
    """
    place = os.fspath(path)
    if start_time is not None and start_time.tzinfo is None:
        raise SourceError(f"--start-time {start_time.isoformat()}: names no zone; end it with Z for UTC")
    reader = reader_of(format) if format != "auto" else None
    _is_there(place)
    start = head(place)
    if not start and not is_gzip(place):
        raise SourceError(f"{place}: is empty; leave it out or fetch it again")
    _is_unpacked(place, start)
    if reader is None:
        reader = _sniffed(place, start, columns is not None)
    prepared = reader.prepare(place, Request(columns, start_time))
    sha256, size = _hashed(place)
    return Source(place, sha256, sha256[:16], size, reader.name, prepared.clock, prepared.options)


def chunks(source: Source, target_bytes: int = 64 << 20) -> list[Chunk]:
    """Parts of a source of about target_bytes, each decoded by itself, in any order. Raises SourceError."""
    return reader_of(source.format).chunks(source, target_bytes)


def read(chunk: Chunk) -> Iterator[Decoded]:
    """What a chunk holds, in batches of bounded size.

    Raises SourceError where the file breaks off or is gone: what came before must then not be used either.
    """
    _is_there(chunk.source.path)
    return reader_of(chunk.source.format).read(chunk)


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


def _is_unpacked(path: str, start: bytes) -> None:
    for magic, kind in {**_PACKED, b"\x1f\x8b": "twice gzip"}.items():
        if start.startswith(magic):
            raise SourceError(f"{path}: is packed as {kind}, which is not read; unpack it first")


def _sniffed(path: str, start: bytes, mapped: bool) -> Reader:
    """The reader that takes a file; a map makes every table `columns`."""
    for reader in READERS:
        if mapped and reader.name == "marinecadastre":
            continue
        if reader.sniff(start, path) or (mapped and reader.name == "columns" and b"\0" not in start):
            return reader
    names = header_of(start)[0]
    if b"\0" in start or not start:
        found = "is neither text nor Parquet" if start else "holds nothing"
        raise SourceError(f"{path}: {found}; give NMEA sentences, CSV or Parquet with AIS positions")
    if len(names) > 1:
        column_map.find(path, names, None)  # says which columns lack
    raise SourceError(
        f"{path}: is neither AIS sentences nor a table with a header; name its format with --format"
        f" ({', '.join(reader.name for reader in READERS)}) if it is one of these"
    )
