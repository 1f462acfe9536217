"""Ingest of one chunk: decode it and write its part of the lake. Free of Beam, so that any worker process can do it."""

from __future__ import annotations

from pathlib import Path

from stswatch.pipeline.readers.base import Chunk
from stswatch.pipeline.readers.registry import read
from stswatch.pipeline.store import lake, ledger


def ingest_chunk(data: Path, chunk: Chunk, slab_us: int) -> int:
    """Decode a chunk into the lake; gives the sentences or rows it held. Raises SourceError for a broken file."""
    writer = lake.Writer(data, chunk.source.source, chunk.start, slab_us)
    counts = {"sentences": 0, "messages": 0, "fragments": 0}
    for decoded in read(chunk):
        writer.write({"fixes": decoded.fixes, "static_reports": decoded.static_reports, "rejects": decoded.rejects})
        for name in counts:
            counts[name] += getattr(decoded, name)
    receipt = writer.close(**counts)
    ledger.write_receipt(ledger.receipt_path(data, chunk.source.source, chunk.start), receipt)
    return counts["sentences"]
