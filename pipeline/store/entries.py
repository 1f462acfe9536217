"""The sources of the lake as the catalogue knows them: each with how it was read and the receipts of its chunks.

A file of the lake counts only when the entry of its source names it. A source that is read again in another way (other
slab, other options) is another reading, with files of its own, until the catalogue leads to that one instead: a stop
in between loses nothing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.batch import MS
from stswatch.pipeline.store.catalogue import Catalogue, CatalogueError
from stswatch.pipeline.store.files import DamagedFile
from stswatch.pipeline.store.lake import Part, Receipt, is_whole, rounded_deg, verified
from stswatch.pipeline.times import utc
from stswatch.pipeline.tracks.stray_days import Day
from stswatch.pipeline.trouble import MachineError, sentence
from stswatch.pipeline.untrusted import storable

RECEIPTS = "receipts"  # the folder of receipts that nobody has taken up yet
_LATER = ("first_time", "last_time", "member", "licence", "ingest_day", "columns")  # what an entry need not say


def reading(source: str, slab_us: int, options: str, chunks: Iterable[int]) -> str:
    """The name of one way to read a source: how long its slabs are, what else decides, where its chunks begin."""
    identity = json.dumps([slab_us, options, sorted(chunks)])
    return f"{source}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class SourceEntry:
    """A source of the lake: what `sources` tells of it, how it was cut, where its chunks begin, their receipts."""

    source: Mapping[str, Any]
    slab_us: int
    options: str
    receipts: list[Receipt]
    chunks: list[int]

    @cached_property
    def reading(self) -> str:
        """The name of this way to read it."""
        return reading(self.source["source"], self.slab_us, self.options, self.chunks)

    @cached_property
    def read_on(self) -> int | None:
        """The UTC day on which it was read first, by its number since 1970; None where nobody noted it."""
        day = self.source.get("ingest_day")
        return (date.fromisoformat(day) - date(1970, 1, 1)).days if day else None

    @cached_property
    def path(self) -> Path:
        """Where the source lay, as it was given."""
        return Path(str(self.source["path"]))

    @cached_property
    def rounded_deg(self) -> float:
        """The grid to which its positions are rounded, degrees; 0 where none is known."""
        return rounded_deg(self.receipts)

    @property
    def parts(self) -> list[Part]:
        """Its files in the lake."""
        parts = [part for receipt in self.receipts for part in receipt.parts]
        return [replace(part, rounded_deg=self.rounded_deg) for part in parts] if self.rounded_deg else parts

    def is_whole(self, data: Path) -> bool:
        """Whether all its files are what was written; of a segment, but those that were removed. Raises OSError."""
        parts = (part for receipt in self.receipts for part in receipt.parts)
        return all((part.removed and is_segment(self.path)) or is_whole(data, part) for part in parts)


def entries(catalogue: Catalogue, given: Collection[str] | None = ()) -> dict[str, SourceEntry]:
    """Every source of the lake by its id, in order of id. Raises CatalogueError where one is damaged.

    given: sources that will be read again if need be: of these a damaged one is left out; None: of all.
    """
    found = {}
    for source, entry in sorted(catalogue.every("sources", _entry).items()):
        if isinstance(entry, SourceEntry):
            found[source] = entry
        elif given is not None and source not in given:
            raise again(catalogue, entry, source) from entry
    return found


def is_segment(path: Path) -> bool:
    """Whether a source is of a spool."""
    return path.parts[-3:-2] == ("spool",)


def enter(catalogue: Catalogue, new: Iterable[SourceEntry]) -> None:
    """Enter sources: from now on the files of these readings, and of no other, are part of the lake.

    All of them at once. The receipts that their entries hold now are no longer kept apart.
    """
    rows, chunks = {}, []
    for entry in new:
        written = [_written(receipt) for receipt in entry.receipts]
        rows[str(entry.source["source"])] = {
            "source": dict(entry.source),
            "slab_us": entry.slab_us,
            "options": entry.options,
            "chunks": entry.chunks,
            "receipts": written,
        }
        chunks += [_chunk(entry.reading, start) for start in entry.chunks]
    with catalogue.transaction():
        catalogue.put("sources", rows)
        catalogue.delete("chunks", chunks)


def keep_receipt(catalogue: Catalogue, reading: str, chunk: int, receipt: Receipt) -> None:
    """Keep the receipt of a chunk until its source is entered: from now on the chunk is finished."""
    catalogue.put("chunks", {_chunk(reading, chunk): _written(receipt)}, durable=False)


def receipt_name(reading: str, chunk: int) -> str:
    """Where the receipt of a chunk is left, within the data folder."""
    return f"{RECEIPTS}/{_chunk(reading, chunk)}.json"


def leave_receipt(data: Path, reading: str, chunk: int, receipt: Receipt) -> None:
    """Leave the receipt of a chunk beside the lake, where whoever gave the work takes it up. Raises OSError."""
    path = data / receipt_name(reading, chunk)
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(_written(receipt)))
    part.replace(path)


def take_receipt(catalogue: Catalogue, reading: str, chunk: int) -> Receipt | None:
    """Keep the receipt that was left of a chunk in the catalogue; None where there is none. Raises OSError."""
    path = catalogue.data / receipt_name(reading, chunk)
    try:
        receipt = _receipt(json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):  # a power cut left an empty file: the chunk is decoded again
        path.unlink()
        return None
    keep_receipt(catalogue, reading, chunk, receipt)
    path.unlink()
    return receipt


def finished(catalogue: Catalogue, reading: str, chunk: int, entry: SourceEntry | None = None) -> Receipt | None:
    """The receipt of a chunk, where that was finished and all that it tells of still is what was written.

    entry: that of the source, which may be of this reading. Raises OSError.
    """
    if entry is not None and entry.reading == reading:
        receipt: Receipt | None = entry.receipts[entry.chunks.index(chunk)]
    else:
        try:
            receipt = catalogue.one("chunks", _chunk(reading, chunk), lambda key, fields: _receipt(fields))
        except DamagedFile:
            return None
    if receipt is None or not all(is_whole(catalogue.data, part) for part in receipt.parts):
        return None
    return receipt


def clear(catalogue: Catalogue) -> None:
    """Forget the receipts of chunks of which no source was entered: of readings that were given up."""
    catalogue.delete("chunks", catalogue.keys("chunks"), durable=False)
    shutil.rmtree(catalogue.data / RECEIPTS, ignore_errors=True)


def again(catalogue: Catalogue, damaged: DamagedFile, source: str) -> CatalogueError:
    """What is damaged of a source, and what to do."""
    path = None
    with suppress(DamagedFile):
        entry = catalogue.one("sources", source, _entry)
        path = str(entry.path) if entry else None
    named = path or f"the file whose SHA-256 begins with {source} (the table sources of stswatch.duckdb names it)"
    left = ", or `stswatch rebuild --without-removed`" if "removed by retain" in damaged.found else ""
    return CatalogueError(f"{damaged}; give {named} again, which is then read anew{left}", source, path)


def forget_removed(catalogue: Catalogue) -> None:
    """Have what `stswatch retain` removed count as never read; all else stays. Raises CatalogueError."""
    rows = []
    for entry in entries(catalogue).values():
        if any(part.removed for part in entry.parts):
            receipts = [_remaining(receipt, entry.slab_us) for receipt in entry.receipts]
            # so that an archive may come again
            options = entry.options if is_segment(entry.path) else f"{entry.options}, in part"
            rows.append(replace(entry, receipts=receipts, options=options))
    enter(catalogue, rows)


def _remaining(receipt: Receipt, slab_us: int) -> Receipt:
    parts = [part for part in receipt.parts if not part.removed]
    begins = [part.slab_us for part in parts if part.moves_time and part.slab_us is not None]
    if receipt.first_us is None or receipt.last_us is None or not begins:
        return replace(receipt, parts=parts, first_us=None, last_us=None)
    first_us, last_us = max(receipt.first_us, min(begins)), min(receipt.last_us, max(begins) + slab_us - MS)
    return replace(receipt, parts=parts, first_us=first_us, last_us=last_us)


def source_of(path: str) -> str:
    """The source that a file of the lake is of, by its name.

    >>> source_of("lake/fixes/2023-08-01T00/1a2b3c4d5e6f7a8b-90ab12cd-0-0.parquet")
    '1a2b3c4d5e6f7a8b'
    """
    return Path(path).name.partition("-")[0]


def verify(data: Path, paths: Iterable[str]) -> None:
    """Raise CatalogueError where one of these files of the lake is no longer what was written, as its receipt tells."""
    wanted: dict[str, set[str]] = {}
    for path in paths:
        wanted.setdefault(source_of(path), set()).add(path)
    if not wanted or (catalogue := Catalogue.read(data)) is None:
        return
    with closing(catalogue):
        for source, named in wanted.items():
            try:
                entry = catalogue.one("sources", source, _entry)
                for part in entry.parts if entry else ():
                    if part.path in named:  # else one of a reading that was given up, of an old view
                        verified(data, part, range(len(part.pieces) - 1))
            except DamagedFile as damaged:
                raise again(catalogue, damaged, source) from damaged


def ingest_days(data: Path) -> dict[str, date]:
    """The day on which each source was first ingested, by its id; those of which it is not known are left out.

    Raises CatalogueError; MachineError where the machine lets it not be read.
    """
    try:
        catalogue = Catalogue.read(data)
        if catalogue is None:
            return {}
        with closing(catalogue):
            days = catalogue.every("sources", lambda source, row: row["source"].get("ingest_day"))
    except OSError as error:
        raise MachineError(sentence(error, data) or str(error)) from error
    return {source: date.fromisoformat(day) for source, day in days.items() if isinstance(day, str)}


def _chunk(reading: str, chunk: int) -> str:
    return f"{reading}-{chunk}"


def _entry(source: str, fields: Mapping[str, Any]) -> SourceEntry:
    """An entry as `enter` wrote it. Raises what says that it is none."""
    receipts = [_receipt(receipt) for receipt in fields["receipts"]]
    entry = SourceEntry(fields["source"], fields["slab_us"], fields["options"], receipts, fields["chunks"])
    if entry.source["source"] != source or len(entry.chunks) != len(receipts):
        raise ValueError(source)
    return entry


def _receipt(fields: Mapping[str, Any]) -> Receipt:
    days = {name: {day[0]: Day.from_list(day) for day in found} for name, found in fields["days"].items()}
    lost = tuple((start_us, end_us) for start_us, end_us in fields.get("lost", ()))
    return Receipt(**{**fields, "parts": [Part(**part) for part in fields["parts"]], "days": days, "lost": lost})


def _written(receipt: Receipt) -> dict[str, Any]:
    parts = [
        {name: value for name, value in vars(part).items() if name != "left_out" and (value or name != "removed")}
        for part in receipt.parts
    ]
    days = {name: [day.to_list() for day in found.values()] for name, found in receipt.days.items()}
    return vars(receipt) | {"parts": parts, "days": days}


def sources_table(entries: Mapping[str, SourceEntry]) -> pa.Table:
    """The table `sources`."""
    rows = []
    for entry in entries.values():
        first = [r.first_us for r in entry.receipts if r.first_us is not None]
        last = [r.last_us for r in entry.receipts if r.last_us is not None]
        span: dict[str, Any] = {"first_time": utc(min(first)), "last_time": utc(max(last))} if first else {}
        span |= {"rounded_deg": entry.rounded_deg or None}
        fields = {name: storable(value) if isinstance(value, str) else value for name, value in entry.source.items()}
        rows.append({"receiver": "unknown", "stray_fixes": 0, **dict.fromkeys(_LATER)} | fields | span)
    return pa.Table.from_pylist(rows, schema=schema.SOURCES)


def counted(receipts: Iterable[Receipt]) -> dict[str, int]:
    """What the chunks of a source count together, for its row in `sources`."""
    names = ("sentences", "messages", "fragments", "fixes", "invalid_fixes", "static_reports")
    receipts = list(receipts)
    found = {name: sum(r.counts[name] for r in receipts) for name in names}
    return found | {"rejects": sum(sum(r.rejects.values()) for r in receipts)}


def reject_counts(entries: Mapping[str, SourceEntry]) -> pa.Table:
    """The table `reject_counts`."""
    counts: dict[tuple[str, str], int] = {}
    for name, entry in entries.items():
        for receipt in entry.receipts:
            for reason, count in receipt.rejects.items():
                counts[name, reason] = counts.get((name, reason), 0) + count
    rows = [{"source": s, "reason": r, "count": n} for (s, r), n in sorted(counts.items())]
    return pa.Table.from_pylist(rows, schema=schema.REJECT_COUNTS)


def lake_files(entries: Mapping[str, SourceEntry]) -> dict[str, list[str]]:
    """The files of each table of the lake, within the data folder."""
    files: dict[str, list[str]] = {table: [] for table in schema.LAKE}
    for entry in entries.values():
        for receipt in entry.receipts:
            for part in receipt.parts:
                if not part.removed:
                    files[part.table].append(part.path)
    return files
