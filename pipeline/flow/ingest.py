"""Ingest: every source once, in any order, into the lake; one Beam pipeline over the chunks of all new sources.

With several workers these are given the chunks first, and read while Beam is imported (docs/decisions/0005). They
return receipts, which this process enters into the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from stswatch.pipeline import faults
from stswatch.pipeline.flow import workers
from stswatch.pipeline.flow.calls import ingest_chunk
from stswatch.pipeline.readers.formats import chunks
from stswatch.pipeline.readers.nmea import unread_words
from stswatch.pipeline.readers.source import Source
from stswatch.pipeline.store import entries
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.entries import SourceEntry
from stswatch.pipeline.store.lake import Receipt


def ingest(
    catalogue: Catalogue,
    known: Mapping[str, SourceEntry],
    sources: Sequence[Source],
    slab_us: int,
    worker_count: int,
    tell: Callable[[int], None],
) -> None:
    """Decode what the catalogue does not hold yet and enter it there, all at once. known: what it holds.

    A source that was entered with another slab or other options is taken again, and so is one of which a file in the
    lake no longer is what was written. Raises SourceError for a file that breaks off; no source of the call is entered
    then, finished chunks are kept.
    """
    data = catalogue.data
    new: dict[str, Source] = {}
    for source in sources:
        entry = known.get(source.source)
        same = entry is not None and (entry.slab_us, entry.options) == (slab_us, _options(source))
        if entry is None or not same or not entry.is_whole(data):
            new[source.source] = source
    work = {name: chunks(source) for name, source in new.items()}
    starts = {name: sorted(chunk.start for chunk in part) for name, part in work.items()}
    readings = {name: entries.reading(name, slab_us, _options(new[name]), starts[name]) for name in new}
    receipts: dict[str, dict[int, Receipt]] = {name: {} for name in new}
    todo = []
    for name, part in work.items():
        for chunk in part:
            receipt = entries.finished(catalogue, readings[name], chunk.start, known.get(name))
            if receipt is None:
                todo.append((name, chunk))
            else:
                receipts[name][chunk.start] = receipt

    def receive(number: int, receipt: Receipt) -> None:
        name, chunk = todo[number]
        entries.keep_receipt(catalogue, readings[name], chunk.start, receipt)
        faults.reach("chunk_received")
        receipts[name][chunk.start] = receipt
        tell(receipt.counts["sentences"])

    if todo:
        calls = [(ingest_chunk, data, readings[name], chunk, slab_us) for name, chunk in todo]
        with workers.handed_out(worker_count, calls) as chunks_read:
            _decode(chunks_read, receive)
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


def _decode(chunks_read: Sequence[Callable[[], Receipt]], receive: Callable[[int, Receipt], None]) -> None:
    """Beam takes a second to import, so it is imported only here, where it is needed, and by now the workers read."""
    from stswatch.pipeline.flow.engine import decode

    decode(chunks_read, receive)


def _options(source: Source) -> str:
    """What else than the content decided how the source was read."""
    return repr((source.format, source.clock, source.receiver, source.licence, source.options))


def _source_row(source: Source, receipts: Sequence[Receipt]) -> dict[str, Any]:
    """The row of the table `sources` but for its times, which the receipts hold."""
    names = ("sentences", "messages", "fragments", "fixes", "invalid_fixes", "static_reports")
    row: dict[str, Any] = {k: v for k, v in asdict(source).items() if k != "options"}
    row |= {name: sum(r.counts[name] for r in receipts) for name in names}
    row["rejects"] = sum(sum(r.rejects.values()) for r in receipts)
    if unread := sum(r.counts.get("unread_times", 0) for r in receipts):
        row["clock"] += f"; {unread_words(unread, getattr(source.options, 'unread', ''))}"
    return row
