"""Ingest: every source once, in any order, into the lake, by Beam pipelines over the chunks of all new sources.

Whoever decodes a chunk leaves its receipt in the storage; this process alone enters them into the catalogue.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stswatch.pipeline import faults
from stswatch.pipeline.flow import workers
from stswatch.pipeline.flow.calls import ingest_chunk
from stswatch.pipeline.flow.cluster.storage import ARCHIVES, put_archives, take_receipts
from stswatch.pipeline.flow.row import Engine
from stswatch.pipeline.readers.formats import chunks
from stswatch.pipeline.readers.nmea import unread_words
from stswatch.pipeline.readers.source import Chunk, Source
from stswatch.pipeline.store import entries
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.entries import SourceEntry
from stswatch.pipeline.store.lake import Receipt

_BYTES_AT_ONCE = 256 << 20  # of text, which a worker decodes in one run of Beam: some seconds
_BYTES_OF_A_JOB = 2 << 30  # the same on a cluster, where a job costs several CPU seconds beside its work
_PACKED = 8  # what a byte of a packed file holds of text


def ingest(
    catalogue: Catalogue,
    known: Mapping[str, SourceEntry],
    sources: Sequence[Source],
    slab_us: int,
    engine: Engine,
    tell: Callable[[int], None],
) -> None:
    """Decode what the catalogue does not hold yet and enter it there, all at once.

    known: what it holds.

    A source that was entered with another slab or other options is taken again, and so is one of which a file in the
    lake no longer is what was written. Raises SourceError for a file that breaks off; no source of the call is entered
    then, finished chunks are kept.
    """
    data = catalogue.data
    new = {s.source: s for s in sources if not _holds(known.get(s.source), s, slab_us, data)}
    work = {name: chunks(_seen_by_all(source) if engine.cluster else source) for name, source in new.items()}
    starts = {name: sorted(chunk.start for chunk in part) for name, part in work.items()}
    readings = {name: entries.reading(name, slab_us, _options(new[name]), starts[name]) for name in new}
    receipts: dict[str, dict[int, Receipt]] = {name: {} for name in new}
    todo = []
    for name, part in work.items():
        for chunk in part:
            entries.take_receipt(catalogue, readings[name], chunk.start)  # left by a run that was stopped
            receipt = entries.finished(catalogue, readings[name], chunk.start, known.get(name))
            if receipt is None:
                todo.append((name, chunk))
            else:
                receipts[name][chunk.start] = receipt

    def take_up(name: str, chunk: Chunk) -> None:
        if (receipt := entries.take_receipt(catalogue, readings[name], chunk.start)) is not None:
            faults.reach("chunk_received")
            receipts[name][chunk.start] = receipt
            tell(receipt.counts["sentences"])

    for group in _groups(todo, (_BYTES_OF_A_JOB if engine.cluster else _BYTES_AT_ONCE) * engine.workers):
        try:
            _decode([(readings[name], chunk) for name, chunk in group], data, slab_us, engine)
        finally:
            for name, chunk in group:
                take_up(name, chunk)
    if engine.storage is not None:
        engine.storage.remove(ARCHIVES)
    faults.reach("sources_read")
    entered = []
    for name, source in new.items():
        of_chunks = [receipts[name][start] for start in starts[name]]
        before = known[name].source.get("ingest_day") if name in known else None
        day = before or source.ingest_day or datetime.now(UTC).date().isoformat()
        row = _source_row(source, of_chunks) | {"ingest_day": day}
        entered.append(SourceEntry(row, slab_us, _options(source), of_chunks, starts[name]))
    entries.enter(catalogue, entered)
    faults.reach("sources_entered")


def decode_ahead(data: Path, source: Source, slab_us: int) -> list[Receipt]:
    """Decode a source into the lake, and leave the receipts of its chunks for whoever enters it; gives them.

    Raises SourceError, OSError.
    """
    parts = chunks(source)
    name = entries.reading(source.source, slab_us, _options(source), sorted(chunk.start for chunk in parts))
    return [ingest_chunk(data, name, chunk, slab_us) for chunk in parts]


def _seen_by_all(source: Source) -> Source:
    """The same by its whole path: workers elsewhere have another working folder."""
    return replace(source, path=os.path.abspath(source.path))


def _holds(entry: SourceEntry | None, source: Source, slab_us: int, data: Path) -> bool:
    """Whether the lake holds all of a source, read in this way."""
    same = entry is not None and (entry.slab_us, entry.options) == (slab_us, _options(source))
    return entry is not None and same and entry.is_whole(data)


def _groups(todo: Sequence[tuple[str, Chunk]], at_once_bytes: int) -> Iterator[list[tuple[str, Chunk]]]:
    """The chunks in order, as many together as are worth a run of Beam; what is done is taken up between two."""
    group: list[tuple[str, Chunk]] = []
    held = 0
    for name, chunk in todo:
        group.append((name, chunk))
        held += min(chunk.end - chunk.start, _PACKED * chunk.source.bytes)
        if held >= at_once_bytes:
            yield group
            group, held = [], 0
    if group:
        yield group


def _decode(chunks: Sequence[tuple[str, Chunk]], data: Path, slab_us: int, engine: Engine) -> None:
    """Beam takes a second to import, so it is imported only here, where it is needed."""
    with workers.uncollected():
        from stswatch.pipeline.flow.engine import IN_PROCESS, IngestSpec, decode

    spec = IngestSpec(engine.root(data), slab_us, engine.own_workers, engine.storage)
    if engine.storage is None:
        decode(chunks, spec, engine.beam or IN_PROCESS, engine.cluster)
        return
    chunks = put_archives(engine.storage, chunks)
    try:
        decode(chunks, spec, engine.beam or IN_PROCESS, engine.cluster)
    finally:
        take_receipts(engine.storage, data)


def _options(source: Source) -> str:
    """What else than the content decided how the source was read."""
    return repr((source.format, source.clock, source.receiver, source.licence, source.options))


def _source_row(source: Source, receipts: Sequence[Receipt]) -> dict[str, Any]:
    """The row of the table `sources` but for its times, which the receipts hold."""
    row: dict[str, Any] = {k: v for k, v in asdict(source).items() if k != "options"}
    row |= entries.counted(receipts)
    if unread := sum(r.counts.get("unread_times", 0) for r in receipts):
        row["clock"] += f"; {unread_words(unread, getattr(source.options, 'unread', ''))}"
    return row
