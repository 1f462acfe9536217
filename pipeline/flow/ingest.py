"""Ingest: every source once, in any order, into the lake; one Beam pipeline over the chunks of all new sources."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Any

import apache_beam as beam

from stswatch.pipeline.flow import workers
from stswatch.pipeline.flow.chunk import ingest_chunk
from stswatch.pipeline.flow.local import pipeline
from stswatch.pipeline.readers.base import Chunk, Source, SourceError
from stswatch.pipeline.readers.registry import chunks
from stswatch.pipeline.store import lake, ledger

Tell = Callable[[int], None]  # told of the sentences or rows of each finished chunk
_told: dict[str, Tell] = {}  # by data folder: Beam pickles what a DoFn holds, and a copy would tell nobody


def ingest(data: Path, sources: Sequence[Source], slab_us: int, worker_count: int, tell: Tell) -> None:
    """Decode what the ledger does not hold yet and enter it there.

    A source that was entered with another slab or other options is taken again. Raises SourceError for a file that
    breaks off; the other sources of the call are not entered then, finished chunks are kept.
    """
    known = ledger.entries(data)
    new: dict[str, Source] = {}
    for source in sources:
        entry = known.get(source.source)
        if entry is None or (entry.slab_us, entry.options) != (slab_us, _options(source)):
            new[source.source] = source
    work = {name: chunks(source) for name, source in new.items()}
    for name, source in new.items():
        _forget_other(data, source, slab_us, [chunk.start for chunk in work[name]])
    todo = [c for part in work.values() for c in part if _receipt(data, c) is None]
    if todo:
        _decode(data, todo, slab_us, worker_count, tell)
    for name, source in new.items():
        row = _source_row(data, source, work[name])
        ledger.enter(data, row, slab_us, _options(source), [chunk.start for chunk in work[name]])


def _decode(data: Path, todo: Sequence[Chunk], slab_us: int, worker_count: int, tell: Tell) -> None:
    _told[str(data)] = tell
    try:
        with pipeline() as p:
            _ = p | "chunks" >> beam.Create(todo) | "decode" >> beam.ParDo(_Ingest(data, slab_us, worker_count))
    except SourceError as error:
        raise SourceError(str(error).partition(" [while running")[0]) from error  # Beam's words are not for the user
    finally:
        del _told[str(data)]


class _Ingest(beam.DoFn):  # type: ignore[misc]
    """Decodes chunks; with several workers those of a bundle side by side."""

    def __init__(self, data: Path, slab_us: int, worker_count: int) -> None:
        self._data, self._slab_us, self._workers = data, slab_us, worker_count
        self._running: list[Future[Any]] = []

    def process(self, chunk: Chunk) -> Iterator[None]:
        self._running.append(workers.submit(self._workers, ingest_chunk, self._data, chunk, self._slab_us))
        if self._workers == 1:
            self.finish_bundle()
        return iter(())

    def finish_bundle(self) -> None:
        running, self._running = self._running, []
        for future in running:
            _told[str(self._data)](future.result())


def _options(source: Source) -> str:
    """What else than the content decided how the source was read."""
    return repr((source.format, source.clock, source.options))


def _receipt(data: Path, chunk: Chunk) -> lake.Receipt | None:
    return ledger.read_receipt(ledger.receipt_path(data, chunk.source.source, chunk.start))


def _forget_other(data: Path, source: Source, slab_us: int, starts: list[int]) -> None:
    """Drop receipts of an earlier, unfinished or different reading of this source."""
    folder = ledger.receipt_path(data, source.source, 0).parent
    mark = folder / "reading.json"
    reading = {"slab_us": slab_us, "options": _options(source), "chunks": starts}
    if not mark.exists() or ledger.read_json(mark) != reading:
        shutil.rmtree(folder, ignore_errors=True)
        ledger.write_json(mark, reading)


def _source_row(data: Path, source: Source, parts: Sequence[Chunk]) -> dict[str, Any]:
    """The row of the table `sources` but for its times, which the receipts hold."""
    receipts = [receipt for chunk in parts if (receipt := _receipt(data, chunk)) is not None]
    names = ("sentences", "messages", "fragments", "fixes", "invalid_fixes", "static_reports")
    row: dict[str, Any] = {k: v for k, v in asdict(source).items() if k != "options"}
    row |= {name: sum(r.counts[name] for r in receipts) for name in names}
    row["rejects"] = sum(sum(r.rejects.values()) for r in receipts)
    return row
