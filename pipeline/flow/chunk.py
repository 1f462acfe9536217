"""Ingest of one chunk: decode it and write its part of the lake. Free of Beam, so that any worker process can do it."""

from __future__ import annotations

import os
from pathlib import Path

from stswatch.pipeline import faults
from stswatch.pipeline.flow import ahead
from stswatch.pipeline.readers.base import Chunk, Source, SourceError
from stswatch.pipeline.readers.registry import read
from stswatch.pipeline.store import lake


def ingest_chunk(data: Path, reading: str, chunk: Chunk, slab_us: int) -> lake.Receipt:
    """Decode a chunk into the lake; gives its receipt, which whoever gave the work enters into the catalogue.

    Raises SourceError for a file that breaks off or is not the one that was opened, OSError where it cannot write.
    """
    writer = lake.Writer(data, reading, chunk.start, slab_us)
    counts = {"sentences": 0, "messages": 0, "fragments": 0, "unread_times": 0}
    arrivals = ahead.arrivals_in(chunk.source)
    for decoded in read(chunk):
        rows = {"fixes": decoded.fixes, "static_reports": decoded.static_reports}
        if arrivals is not None:
            rows = {name: ahead.marked(table, arrivals) for name, table in rows.items()}
        writer.write(rows | {"rejects": decoded.rejects})
        for name in counts:
            counts[name] += getattr(decoded, name)
    _is_the_same(chunk.source)
    receipt = writer.close(**counts)
    faults.reach("chunk_written")
    return receipt


def _is_the_same(source: Source) -> None:
    """Raise SourceError where the file has gone or grown meanwhile: what was read of it is then not what was hashed."""
    try:
        size = os.path.getsize(source.path)
    except OSError as error:
        raise SourceError(
            f"{source.path}: went away while it was read ({error.strerror}); bring it back and run again"
        ) from error
    if size != source.bytes:
        raise SourceError(
            f"{source.path}: changed while it was read, from {source.bytes:,} to {size:,} bytes;"
            " wait until it is whole and run again"
        )
