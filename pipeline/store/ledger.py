"""The ledger: which sources are part of the lake, with a receipt for each chunk of them.

    lake/receipts/1a2b3c4d5e6f7a8b-90ab12cd/0.json      source - reading: one per chunk, written after its files
    lake/ledger/1a2b3c4d5e6f7a8b.json                   one per source, written after its chunks
    lake/sources.json                                   where each of them lay; an entry that is gone is missed by it

A file of the lake counts only when the ledger leads to it. A source that is read again in another way (other slab,
other options) is another reading, with files of its own, until the ledger leads to that one instead: a stop in between
loses nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from stswatch.errors import StswatchError
from stswatch.pipeline import schema
from stswatch.pipeline.store.checksums import is_whole, verified
from stswatch.pipeline.store.disk import DamagedFile, read_json, write_json
from stswatch.pipeline.store.lake import Part, Receipt, rounded_deg
from stswatch.pipeline.tracks.day_counts import Day
from stswatch.pipeline.untrusted import storable

_LATER = ("first_time", "last_time", "member", "licence", "ingest_day", "columns")  # what an entry need not say


class LedgerError(StswatchError, ValueError):
    """The lake or the ledger no longer holds what was written of a source; the message says what and what to do.

    source: its id; path: where it lay, if that is known. Picklable.
    """

    def __init__(self, message: str, source: str = "", path: str | None = None) -> None:
        super().__init__(message, source, path)
        self.source, self.path = source, path

    def __str__(self) -> str:
        return str(self.args[0])


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
    """A receipt, or None where the chunk was not finished. Raises DamagedFile."""
    if not path.exists():
        return None
    given = read_json(path)
    try:
        days = {name: {day[0]: Day.from_list(day) for day in found} for name, found in given.get("days", {}).items()}
        return Receipt(**given | {"parts": [Part(**part) for part in given["parts"]], "days": days})
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise DamagedFile(str(path), "is damaged (it holds no receipt)") from error


def write_receipt(path: Path, receipt: Receipt) -> None:
    """Write a receipt: from now on the chunk is finished."""
    parts = [{name: told for name, told in asdict(part).items() if name != "left_out"} for part in receipt.parts]
    days = {name: [day.to_list() for day in found.values()] for name, found in receipt.days.items()}
    write_json(path, vars(receipt) | {"parts": parts, "days": days}, checksum=True)


def finished(data: Path, reading: str, chunk: int) -> bool:
    """Whether a chunk was finished, and all that its receipt tells of still is what was written. Raises OSError."""
    try:
        receipt = read_receipt(receipt_path(data, reading, chunk))
    except DamagedFile:
        return False
    return receipt is not None and all(is_whole(data, part) for part in receipt.parts)


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


def entries(
    data: Path, known: Mapping[str, Entry] | None = None, given: Collection[str] | None = ()
) -> dict[str, Entry]:
    """Every ingested source by its id, in order of id. Raises LedgerError where one is damaged or gone.

    known: entries that were read before; those of which the file is the same still are not read again. given: sources
    that will be read again if need be: of these a damaged one is left out; None: of all.
    """
    found = {}
    for source, written in _written(data):
        if known and (before := known.get(source)) and before.written == written:
            found[source] = before
            continue
        try:
            found[source] = _entry(data, source, written)
        except DamagedFile as damaged:
            if given is not None and source not in given:
                raise again(data, damaged, source) from damaged
    if given is not None:
        for source in sorted(_listed(data).keys() - found.keys() - set(given)):
            raise again(data, DamagedFile(str(entry_path(data, source)), "is not there"), source)
    return found


def _entry(data: Path, source: str, written: tuple[int, int]) -> Entry:
    """The entry of a source with its receipts. Raises DamagedFile."""
    path = entry_path(data, source)
    given = read_json(path)
    try:
        name = given.get("reading", "")
        places = [receipt_path(data, name, chunk) for chunk in given["chunks"]]
        receipts = [read_receipt(place) for place in places]
        if None in receipts:
            raise DamagedFile(str(places[receipts.index(None)]), f"is not there, though {path} leads to it")
        how = given["slab_us"], given["options"]
        read = [r for r in receipts if r]
        return Entry(given["source"], *how, read, name, written)
    except (TypeError, KeyError, AttributeError) as error:
        raise DamagedFile(str(path), "is damaged (it holds no entry)") from error


def again(data: Path, damaged: DamagedFile, source: str) -> LedgerError:
    """What is damaged of a source, and what to do."""
    path = _listed(data).get(source)
    if path is None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            path = read_json(entry_path(data, source))["source"]["path"]
    named = path or f"the file whose SHA-256 begins with {source}"
    remedy = f"give {named} again, which is then read anew"
    if damaged.path == str(entry_path(data, source)) and not Path(damaged.path).exists():
        remedy += f", or remove {_list_path(data)} to go on without it"
    return LedgerError(f"{damaged}; {remedy}", source, path)


def source_of(path: str) -> str:
    """The source that a file of the lake is of, by its name.

    >>> source_of("lake/fixes/2023-08-01T00/1a2b3c4d5e6f7a8b-90ab12cd-0-0.parquet")
    '1a2b3c4d5e6f7a8b'
    """
    return Path(path).name.partition("-")[0]


def verify(data: Path, paths: Iterable[str]) -> None:
    """Raise LedgerError where one of these files of the lake is no longer what was written, as its receipt tells."""
    for path in paths:
        reading, _, chunk = Path(path).stem.rpartition("-")[0].rpartition("-")
        try:
            receipt = read_receipt(receipt_path(data, reading, int(chunk))) if chunk.isdecimal() else None
            for part in receipt.parts if receipt else ():  # none: that of a reading that was given up, of an old view
                if part.path == path:
                    verified(data, part, range(len(part.pieces) - 1))
        except DamagedFile as damaged:
            raise again(data, damaged, source_of(path)) from damaged


def _list_path(data: Path) -> Path:
    return data / "lake" / "sources.json"


def _listed(data: Path) -> dict[str, str]:
    """Every source that was entered, by the list of them: where it lay. Nothing where the list is no use."""
    with suppress(FileNotFoundError, DamagedFile):
        found: dict[str, str] = read_json(_list_path(data))
        return found
    return {}


def note_sources(data: Path, sources: Iterable[Mapping[str, Any]]) -> None:
    """Put sources that were entered on the list of all; by it an entry is missed that is no longer there."""
    write_json(_list_path(data), _listed(data) | {s["source"]: str(s["path"]) for s in sources}, checksum=True)


def _written(data: Path) -> list[tuple[str, tuple[int, int]]]:
    """The sources in the ledger, in order, and what tells the file of each from one in its place: a new one is made."""
    with suppress(FileNotFoundError), os.scandir(data / "lake" / "ledger") as files:
        entered = [(file.name.removesuffix(".json"), file.stat()) for file in files if file.name.endswith(".json")]
        return sorted((source, (found.st_ino, found.st_mtime_ns)) for source, found in entered)
    return []


def paths(data: Path) -> Iterator[Path]:
    """Where each ingested source lay, as it was given; without those of which the entry is damaged."""
    for path in (data / "lake" / "ledger").glob("*.json"):
        with suppress(DamagedFile, FileNotFoundError, KeyError, TypeError):
            yield Path(str(read_json(path)["source"]["path"]))


def ingest_days(data: Path) -> dict[str, date]:
    """The day on which each source was first ingested, by its id; those of which it is not known are left out."""
    found: dict[str, date] = {}
    for source, _ in _written(data) if data.is_dir() else ():
        with suppress(DamagedFile, FileNotFoundError, KeyError, TypeError, ValueError):
            found[source] = date.fromisoformat(read_json(entry_path(data, source))["source"]["ingest_day"])
    return found


def entry_path(data: Path, source: str) -> Path:
    """Where the entry of a source lies."""
    return data / "lake" / "ledger" / f"{source}.json"


def enter(data: Path, source: Mapping[str, Any], slab_us: int, options: str, chunks: Iterable[int]) -> None:
    """Enter a source into the ledger: from now on the files of this reading, and of no other, are part of the lake."""
    starts = sorted(chunks)
    told = {"slab_us": slab_us, "options": options, "chunks": starts}
    name = reading(source["source"], slab_us, options, starts)
    write_json(entry_path(data, source["source"]), {"source": dict(source), "reading": name} | told, checksum=True)


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
        span: dict[str, Any] = {"first_time": moment(min(first)), "last_time": moment(max(last))} if first else {}
        span |= {"rounded_deg": entry.rounded_deg or None}
        told = {name: storable(value) if isinstance(value, str) else value for name, value in entry.source.items()}
        rows.append({"receiver": "unknown", "stray_fixes": 0, **dict.fromkeys(_LATER)} | told | span)
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
