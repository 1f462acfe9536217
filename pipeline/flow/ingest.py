"""Ingest: every source once, in any order, into the lake; one Beam pipeline over the chunks of all new sources.

With several workers these are given the chunks first, and read while Beam is imported (docs/decisions/0005).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stswatch.pipeline import faults
from stswatch.pipeline.flow import workers
from stswatch.pipeline.flow.chunk import ingest_chunk
from stswatch.pipeline.readers.base import Source
from stswatch.pipeline.readers.nmea_times import unread_words
from stswatch.pipeline.readers.registry import chunks
from stswatch.pipeline.store import ledger
from stswatch.pipeline.store.checksums import is_whole
from stswatch.pipeline.store.disk import sync
from stswatch.pipeline.store.ledger import Entry

Tell = Callable[[int], None]  # told of the sentences or rows of each finished chunk


def ingest(
    data: Path, known: Mapping[str, Entry], sources: Sequence[Source], slab_us: int, worker_count: int, tell: Tell
) -> None:
    """Decode what the ledger does not hold yet and enter it there. known: what it holds.

    A source that was entered with another slab or other options is taken again, and so is one of which a file in the
    lake no longer is what was written. Raises SourceError for a file that
    breaks off; the other sources of the call are not entered then, finished chunks are kept.
    """
    new: dict[str, Source] = {}
    for source in sources:
        entry = known.get(source.source)
        same = entry is not None and (entry.slab_us, entry.options) == (slab_us, _options(source))
        if entry is None or not same or not _is_whole(data, entry):
            new[source.source] = source
    work = {name: chunks(source) for name, source in new.items()}
    starts = {name: [chunk.start for chunk in part] for name, part in work.items()}
    readings = {name: ledger.reading(name, slab_us, _options(new[name]), starts[name]) for name in new}
    todo = [
        (readings[name], c)
        for name, part in work.items()
        for c in part
        if not ledger.finished(data, readings[name], c.start)
    ]
    calls = [(ingest_chunk, data, reading, chunk, slab_us) for reading, chunk in todo]
    if calls:
        with workers.handed_out(worker_count, calls) as chunks_read:
            _decode(chunks_read, tell)
    receipts = [ledger.receipt_path(data, readings[name], start) for name in new for start in starts[name]]
    sync(receipts, data)
    faults.reach("sources_read")
    for name, source in new.items():
        row = _source_row(data, source, readings[name], starts[name])
        before = known[name].source.get("ingest_day") if name in known else None
        row["ingest_day"] = before or source.ingest_day or datetime.now(UTC).date().isoformat()
        ledger.enter(data, row, slab_us, _options(source), starts[name])
        faults.reach("source_entered")
    if new:
        ledger.note_sources(data, [asdict(source) for source in new.values()])
    sync((ledger.entry_path(data, name) for name in new), data)


def _decode(chunks_read: Sequence[Callable[[], int]], tell: Tell) -> None:
    """Beam takes a second to import, so it is imported only here, where it is needed, and by now the workers read."""
    from stswatch.pipeline.flow.decoding import decode

    decode(chunks_read, tell)


def _options(source: Source) -> str:
    """What else than the content decided how the source was read."""
    return repr((source.format, source.clock, source.receiver, source.licence, source.options))


def _is_whole(data: Path, entry: Entry) -> bool:
    """Whether all files of a source in the lake are what was written."""
    return all(is_whole(data, part) for receipt in entry.receipts for part in receipt.parts)


def _source_row(data: Path, source: Source, reading: str, starts: Sequence[int]) -> dict[str, Any]:
    """The row of the table `sources` but for its times, which the receipts hold."""
    found = [ledger.read_receipt(ledger.receipt_path(data, reading, start)) for start in starts]
    receipts = [receipt for receipt in found if receipt is not None]
    names = ("sentences", "messages", "fragments", "fixes", "invalid_fixes", "static_reports")
    row: dict[str, Any] = {k: v for k, v in asdict(source).items() if k != "options"}
    row |= {name: sum(r.counts[name] for r in receipts) for name in names}
    row["rejects"] = sum(sum(r.rejects.values()) for r in receipts)
    if unread := sum(r.counts.get("unread_times", 0) for r in receipts):
        row["clock"] += f"; {unread_words(unread, getattr(source.options, 'unread', ''))}"
    return row
