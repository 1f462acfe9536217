"""Sealing what a watch has spooled: the closed segments into the lake, the hours that are over into slices.

What it gives depends on the segments and on the hour alone, so it may be killed and called again, in any process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from stswatch.pipeline.batch import HOUR
from stswatch.pipeline.flow.ingest import ingest
from stswatch.pipeline.flow.row import Engine, folder_of, outputs, planned, run_row, tidy
from stswatch.pipeline.flow.run import one_length
from stswatch.pipeline.readers.base import Source, SourceError
from stswatch.pipeline.readers.registry import open_source
from stswatch.pipeline.rules import Rules, days
from stswatch.pipeline.spool.segments import Spooled, closed, segment_of, sources_of, time_of
from stswatch.pipeline.store import clearing, ledger
from stswatch.pipeline.store.ledger import Entry, lake_files, reject_counts, sources_table
from stswatch.pipeline.store.loader import Beside, Output

SLAB_US = HOUR
FORMATS: Mapping[str, str] = {"nmea": "nmea", "json": "aisstream"}  # of a spool -> the reader of its segments


@dataclass(frozen=True)
class Sealed:
    """What is sealed: up to when (None: to the last fix), the folder with the states after it, if any, what it gave.

    told: a sentence for each segment that cannot be read and was passed over.
    """

    until_us: int | None
    last: Path | None
    outputs: list[Output]
    beside: Beside
    told: list[str]


def seal(data: Path, rules: Rules, engine: Engine, until_us: int | None) -> Sealed:
    """Ingest what is closed and run the slices up to the end of an hour, by whoever holds the folder.

    until_us: None to run to the last fix, where the data end.

    Raises OtherSlices, NothingToDo where there is no last fix, OSError and what a step raises; what is finished by then
    is kept.
    """
    told = take_in(data)
    entries = ledger.entries(data)
    row = planned(entries, rules, SLAB_US, engine, until_us)
    run_row(data, row, rules, engine, lambda stage, done, of: None)
    tidy(data, row)
    clearing.clear(data, lake_files(entries), datetime.now(UTC))
    beside = Beside(sources_table(entries), reject_counts(entries), lake_files(entries))
    return Sealed(until_us, folder_of(data, row[-1]) if row and until_us else None, outputs(data, row), beside, told)


def take_in(data: Path) -> list[str]:
    """Ingest the closed segments of all spools that are not in the lake; gives a sentence for each that is no use."""
    known = {_within(Path(str(entry.source["path"]))) for entry in ledger.entries(data).values()}
    found: list[Source] = []
    told: list[str] = []
    for spool in sources_of(data / "spool"):
        for path in closed(spool.folder):
            if _within(path) not in known:
                try:
                    found.append(_opened(spool, path))
                except SourceError as error:
                    told.append(f"{error}; it is passed over")
    one_length(data, found, SLAB_US)
    try:
        _ingest(data, found)
    except SourceError:  # one that breaks off must hold up no other
        for source in found:
            try:
                _ingest(data, [source])
            except SourceError as error:
                told.append(f"{error}; it is passed over")
    return told


def _ingest(data: Path, sources: Sequence[Source]) -> None:
    ingest(data, sources, SLAB_US, 1, lambda sentences: None)


def _within(path: Path) -> tuple[str, ...]:
    """What names a segment wherever the data folder lies."""
    return path.parts[-3:]


def _opened(spool: Spooled, path: Path) -> Source:
    receiver = None if spool.receiver == "unknown" else spool.receiver
    return open_source(path, format=FORMATS[spool.format], receiver=receiver, licence=spool.licence or None)


def late_rows(entries: Mapping[str, Entry], allowance_us: int, day: date | None = None) -> int:
    """How many fixes and static reports lie in hours that were sealed when the segment that holds them was begun.

    day: only those of a UTC day. What the segments are called and where their rows lie says it, whoever read them when.
    """
    return sum(_late(entry, allowance_us, day) for entry in entries.values())


def _late(entry: Entry, allowance_us: int, day: date | None) -> int:
    path = Path(str(entry.source["path"]))
    if path.parent.parent.name != "spool":
        return 0
    sealed_us = (time_of(segment_of(path)) - allowance_us) // SLAB_US * SLAB_US
    of_day = None if day is None else (day - date(1970, 1, 1)).days
    return sum(
        part.rows
        for receipt in entry.receipts
        for part in receipt.parts
        if part.slab_us is not None
        and part.slab_us < sealed_us
        and (of_day is None or part.slab_us // days(1) == of_day)
    )
