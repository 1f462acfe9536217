"""The ledger: which sources are part of the lake, with a receipt for each chunk of them.

    lake/receipts/1a2b3c4d5e6f7a8b-90ab12cd/0.json      source - reading: one per chunk, written after its files
    lake/ledger/1a2b3c4d5e6f7a8b.json                   one per source, written after its chunks

A file of the lake counts only when the ledger leads to it. A source that is read again in another way (other slab,
other options) is another reading, with files of its own, until the ledger leads to that one instead: a stop in between
loses nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.store.disk import read_json, write_json
from stswatch.pipeline.store.lake import Part, Receipt

_LATER = ("first_time", "last_time", "member", "licence", "ingest_day", "columns")  # what an entry need not say


class LedgerError(ValueError):
    """The ledger leads to what is not there; the message says to what and what to do."""


def reading(source: str, slab_us: int, options: str, chunks: Iterable[int]) -> str:
    """The name of one way to read a source: how long its slabs are, what else decides, where its chunks begin."""
    told = json.dumps([slab_us, options, sorted(chunks)])
    return f"{source}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"


def receipt_path(data: Path, reading: str, chunk: int) -> Path:
    """Where the receipt of a chunk lies."""
    return _receipts(data) / reading / f"{chunk}.json"


def _receipts(data: Path) -> Path:
    return data / "lake" / "receipts"


def read_receipt(path: Path) -> Receipt | None:
    """A receipt, or None where the chunk was not finished."""
    if not path.exists():
        return None
    given = read_json(path)
    return Receipt(**given | {"parts": [Part(**part) for part in given["parts"]]})


def write_receipt(path: Path, receipt: Receipt) -> None:
    """Write a receipt: from now on the chunk is finished."""
    write_json(path, asdict(receipt))


@dataclass(frozen=True)
class Entry:
    """A source in the ledger: what `sources` tells of it, how it was cut, its receipts, and the name of the reading.

    written: tells the file from one that was written in its place.
    """

    source: Mapping[str, Any]
    slab_us: int
    options: str
    receipts: list[Receipt]
    reading: str = ""
    written: tuple[int, int] = field(default=(0, 0), compare=False)

    @cached_property
    def path(self) -> Path:
        """Where the source lay, as it was given."""
        return Path(str(self.source["path"]))


def entries(data: Path, known: Mapping[str, Entry] | None = None) -> dict[str, Entry]:
    """Every ingested source by its id, in order of id. Raises LedgerError where a receipt is gone.

    known: entries that were read before; those of which the file is the same still are not read again.
    """
    found = {}
    for source, written in _written(data):
        if known and (before := known.get(source)) and before.written == written:
            found[source] = before
            continue
        path = entry_path(data, source)
        given = read_json(path)
        receipts = []
        for chunk in given["chunks"]:
            place = receipt_path(data, given.get("reading", ""), chunk)
            receipt = read_receipt(place)
            if receipt is None:
                raise LedgerError(
                    f"{place}: is not there, though {path} leads to it; put it back,"
                    f" or remove {path.name} and give {given['source']['path']} again"
                )
            receipts.append(receipt)
        name = given.get("reading", "")
        found[source] = Entry(given["source"], given["slab_us"], given["options"], receipts, name, written)
    return found


def _written(data: Path) -> list[tuple[str, tuple[int, int]]]:
    """The sources in the ledger, in order, and what tells the file of each from one in its place: a new one is made."""
    with suppress(FileNotFoundError), os.scandir(data / "lake" / "ledger") as files:
        entered = [(file.name.removesuffix(".json"), file.stat()) for file in files if file.name.endswith(".json")]
        return sorted((source, (found.st_ino, found.st_mtime_ns)) for source, found in entered)
    return []


def paths(data: Path) -> Iterator[Path]:
    """Where each ingested source lay, as it was given."""
    for path in (data / "lake" / "ledger").glob("*.json"):
        yield Path(str(read_json(path)["source"]["path"]))


def ingest_days(data: Path) -> dict[str, date]:
    """The day on which each source was first ingested, by its id; those of which it is not known are left out."""
    found = {}
    for source, _ in _written(data):
        day = read_json(entry_path(data, source))["source"].get("ingest_day")
        if day is not None:
            found[source] = date.fromisoformat(day)
    return found


def entry_path(data: Path, source: str) -> Path:
    """Where the entry of a source lies."""
    return data / "lake" / "ledger" / f"{source}.json"


def enter(data: Path, source: Mapping[str, Any], slab_us: int, options: str, chunks: Iterable[int]) -> None:
    """Enter a source into the ledger: from now on the files of this reading, and of no other, are part of the lake."""
    starts = sorted(chunks)
    told = {"slab_us": slab_us, "options": options, "chunks": starts}
    name = reading(source["source"], slab_us, options, starts)
    write_json(entry_path(data, source["source"]), {"source": dict(source), "reading": name} | told)


def clear(data: Path, entries: Mapping[str, Entry]) -> None:
    """Remove the receipts that none of these entries, which are all, leads to: of readings given up or replaced."""
    entered = {entry.reading for entry in entries.values()}
    for folder in _receipts(data).glob("*"):
        if folder.name not in entered:
            shutil.rmtree(folder, ignore_errors=True)


def sources_table(entries: Mapping[str, Entry]) -> pa.Table:
    """The table `sources`."""
    rows = []
    for entry in entries.values():
        first = [r.first_us for r in entry.receipts if r.first_us is not None]
        last = [r.last_us for r in entry.receipts if r.last_us is not None]
        span = {"first_time": moment(min(first)), "last_time": moment(max(last))} if first else {}
        rows.append({"receiver": "unknown", **dict.fromkeys(_LATER)} | dict(entry.source) | span)
    return pa.Table.from_pylist(rows, schema=schema.SOURCES)


def reject_counts(entries: Mapping[str, Entry]) -> pa.Table:
    """The table `reject_counts`."""
    counts: dict[tuple[str, str], int] = {}
    for name, entry in entries.items():
        for receipt in entry.receipts:
            for reason, count in receipt.rejects.items():
                counts[name, reason] = counts.get((name, reason), 0) + count
    rows = [{"source": s, "reason": r, "count": n} for (s, r), n in sorted(counts.items())]
    return pa.Table.from_pylist(rows, schema=schema.REJECT_COUNTS)


def lake_files(entries: Mapping[str, Entry]) -> dict[str, list[str]]:
    """The files of each table of the lake, within the data folder."""
    files: dict[str, list[str]] = {table: [] for table in schema.LAKE}
    for entry in entries.values():
        for receipt in entry.receipts:
            for part in receipt.parts:
                files[part.table].append(part.path)
    return files


def moment(time_us: int) -> datetime:
    """Microseconds since 1970 as a time in UTC, to the microsecond."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).replace(microsecond=time_us % 1_000_000)
