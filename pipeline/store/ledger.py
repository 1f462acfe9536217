"""The ledger: which sources are part of the lake, with a receipt for each chunk of them.

    lake/receipts/1a2b3c4d5e6f7a8b/0.json      one per chunk, written after its files
    lake/ledger/1a2b3c4d5e6f7a8b.json          one per source, written after its chunks

A file of the lake counts only when the ledger leads to it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.store.lake import Part, Receipt


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("w") as out:
        json.dump(content, out, indent=1, sort_keys=True)
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)


def read_json(path: Path) -> Any:
    """What a JSON file holds."""
    return json.loads(path.read_text())


def receipt_path(data: Path, source: str, chunk: int) -> Path:
    """Where the receipt of a chunk lies."""
    return data / "lake" / "receipts" / source / f"{chunk}.json"


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
    """A source in the ledger: what `sources` tells of it, how it was cut, and its receipts."""

    source: Mapping[str, Any]
    slab_us: int
    options: str
    receipts: list[Receipt]


def entries(data: Path) -> dict[str, Entry]:
    """Every ingested source by its id, in order of id."""
    found = {}
    for path in sorted((data / "lake" / "ledger").glob("*.json")):
        given = read_json(path)
        chunks = [read_receipt(receipt_path(data, path.stem, chunk)) for chunk in given["chunks"]]
        receipts = [chunk for chunk in chunks if chunk is not None]
        found[path.stem] = Entry(given["source"], given["slab_us"], given["options"], receipts)
    return found


def enter(data: Path, source: Mapping[str, Any], slab_us: int, options: str, chunks: Iterable[int]) -> None:
    """Enter a source into the ledger: from now on its files are part of the lake."""
    content = {"source": dict(source), "slab_us": slab_us, "options": options, "chunks": sorted(chunks)}
    write_json(data / "lake" / "ledger" / f"{source['source']}.json", content)


def sources_table(entries: Mapping[str, Entry]) -> pa.Table:
    """The table `sources`."""
    rows = []
    for entry in entries.values():
        first = [r.first_us for r in entry.receipts if r.first_us is not None]
        last = [r.last_us for r in entry.receipts if r.last_us is not None]
        span = {"first_time": moment(min(first)), "last_time": moment(max(last))} if first else {}
        rows.append({"first_time": None, "last_time": None} | dict(entry.source) | span)
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
