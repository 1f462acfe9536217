"""Sealing what a watch has spooled: the closed segments into the lake, the hours that are over into slices.

What it gives depends on the segments and on the hour alone, so it may be killed and called again, in any process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stswatch.pipeline.flow import due, late
from stswatch.pipeline.flow.ingest import ingest
from stswatch.pipeline.flow.late import SLAB_US, within
from stswatch.pipeline.flow.row import Engine, NothingToDo, folder_of, outputs, planned, run_row, tidy
from stswatch.pipeline.flow.run import one_length
from stswatch.pipeline.readers.base import Source, SourceError
from stswatch.pipeline.readers.registry import open_source
from stswatch.pipeline.rules import Rules, days
from stswatch.pipeline.spool.segments import Spooled, closed, sources_of
from stswatch.pipeline.store import clearing, ledger
from stswatch.pipeline.store.ledger import Entry, lake_files, reject_counts, sources_table
from stswatch.pipeline.store.loader import Beside, Output

FORMATS: Mapping[str, str] = {"nmea": "nmea", "json": "aisstream"}  # of a spool -> the reader of its segments

_read: dict[Path, dict[str, Entry]] = {}  # the ledger, of one folder: after a year to read it takes seconds


@dataclass(frozen=True)
class Sealed:
    """What is sealed: up to when (None: to the last fix), the folder with the states after it, if any, what it gave.

    told: what there is to say of the segments that were taken in.
    """

    until_us: int | None
    last: Path | None
    outputs: list[Output]
    beside: Beside
    told: list[str]


def seal(
    data: Path, rules: Rules, engine: Engine, allowance_us: int, until_us: int | None, at_once: bool = False
) -> Sealed:
    """Ingest what is closed and run the slices up to the end of an hour, by whoever holds the folder.

    allowance_us: see late.py. until_us: None to run to the last fix, where the data end. at_once: what else would be
    due after midnight (due.py) is due now.

    Raises OtherSlices, NothingToDo where there is no last fix, OSError and what a step raises; what is finished by then
    is kept.
    """
    entries, told = _taken_in(data, allowance_us)
    whole_before_us = due.whole_before_us(data, entries, until_us, at_once or until_us is None)
    row = planned(_due(entries, whole_before_us, until_us), rules, SLAB_US, engine, until_us)
    run_row(data, row, rules, engine, lambda stage, done, of: None)
    tidy(data, row, entries)
    files = lake_files(entries)
    if until_us is None or until_us % days(1) == 0:  # of what a kill left; to look for it takes a while
        clearing.clear(data, files, datetime.now(UTC))
    beside = Beside(sources_table(entries), reject_counts(entries), files)
    return Sealed(until_us, folder_of(data, row[-1]) if row and until_us else None, outputs(data, row), beside, told)


def _due(entries: Mapping[str, Entry], whole_before_us: int, until_us: int | None) -> Mapping[str, Entry]:
    """What is due of the entries. Raises NothingToDo where that is no fix, though there are some, and the data end."""
    taken = due.taken(entries, whole_before_us)
    if until_us is None and not _any_fix(taken) and _any_fix(entries):
        raise NothingToDo(due.nothing(entries))
    return taken


def _any_fix(entries: Mapping[str, Entry]) -> bool:
    return any(receipt.first_us is not None for entry in entries.values() for receipt in entry.receipts)


def take_in(data: Path, allowance_us: int) -> list[str]:
    """Ingest the closed segments of all spools that are not in the lake; gives what there is to say of them, once.

    A segment that cannot be read is passed over.
    """
    return _taken_in(data, allowance_us)[1]


def _taken_in(data: Path, allowance_us: int) -> tuple[dict[str, Entry], list[str]]:
    """See take_in; what the ledger holds then, and the sentences."""
    entries = _entries(data)
    known = {within(entry.path) for entry in entries.values()}
    found: list[Source] = []
    told: list[str] = []
    for spool in sources_of(data / "spool"):
        for path in closed(spool.folder):
            if within(path) not in known:
                try:
                    found.append(_opened(spool, path))
                except SourceError as error:
                    told.append(f"{error}; it is passed over")
    one_length(data, entries, found, SLAB_US)
    try:
        _ingest(data, entries, found)
    except SourceError:  # one that breaks off must hold up no other
        for source in found:
            try:
                _ingest(data, entries, [source])
            except SourceError as error:
                told.append(f"{error}; it is passed over")
    entries = _entries(data) if found else entries
    told += due.said(entries, late.note(data, allowance_us, entries))
    return entries, told


def _entries(data: Path) -> dict[str, Entry]:
    """What the ledger of a folder holds; of what this process read before only what is new is read."""
    known = _read.get(data)
    _read.clear()
    _read[data] = ledger.entries(data, known)
    return _read[data]


def _ingest(data: Path, known: Mapping[str, Entry], sources: Sequence[Source]) -> None:
    ingest(data, known, sources, SLAB_US, 1, lambda sentences: None)


def _opened(spool: Spooled, path: Path) -> Source:
    receiver = None if spool.receiver == "unknown" else spool.receiver
    return open_source(path, format=FORMATS[spool.format], receiver=receiver, licence=spool.licence or None)
