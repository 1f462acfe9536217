"""Sealing what a watch has spooled: the closed segments into the lake, the hours that are over into slices.

What it gives depends on the segments and on the hour alone, so it may be killed and called again, in any process.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from stswatch.pipeline.flow import due, late
from stswatch.pipeline.flow.damage import healing
from stswatch.pipeline.flow.ingest import ingest
from stswatch.pipeline.flow.late import SLAB_US, is_segment, within
from stswatch.pipeline.flow.plausible import plausible
from stswatch.pipeline.flow.row import Engine, NothingToDo, folder_of, outputs, planned, run_row, tidy
from stswatch.pipeline.flow.run import one_length
from stswatch.pipeline.readers.base import Source, SourceError
from stswatch.pipeline.readers.packing import damage
from stswatch.pipeline.readers.registry import open_source
from stswatch.pipeline.rules import Rules, days
from stswatch.pipeline.spool.segments import Spooled, closed, previous_of, segment_of, sources_of
from stswatch.pipeline.store import clearing, ledger
from stswatch.pipeline.store.ledger import Entry, LedgerError, lake_files, reject_counts, sources_table
from stswatch.pipeline.store.loader import Beside, Output

FORMATS: Mapping[str, str] = {"nmea": "nmea", "json": "aisstream"}  # of a spool -> the reader of its segments

GONE = "{}: is gone and was never read; what it held counts as not received; the rest is used; a copy brings it back"

T = TypeVar("T")
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

    Raises OtherSlices, NothingToDo where there is no last fix, LedgerError where the lake is damaged and the segment is
    gone, OSError and what a step raises; what is finished by then is kept.
    """
    return _reading_again(data, lambda again: _seal(data, rules, engine, allowance_us, until_us, at_once, again))


def _seal(
    data: Path,
    rules: Rules,
    engine: Engine,
    allowance_us: int,
    until_us: int | None,
    at_once: bool,
    again: Collection[str],
) -> Sealed:
    entries, told = _taken_in(data, allowance_us, again)
    whole_before_us = due.whole_before_us(data, entries, until_us, at_once or until_us is None)
    used = plausible(entries, rules)
    row = planned(_due(used.entries, whole_before_us, until_us), rules, SLAB_US, engine, until_us)
    run_row(data, row, rules, engine, lambda stage, done, of: None)
    tidy(data, row, entries)
    files = lake_files(entries)
    if until_us is None or until_us % days(1) == 0:  # of what a kill left; to look for it takes a while
        clearing.clear(data, files, datetime.now(UTC))
    beside = Beside(sources_table(used.entries), reject_counts(entries), files, used.left_out)
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
    return _reading_again(data, lambda again: _taken_in(data, allowance_us, again))[1]


def _reading_again(data: Path, call: Callable[[Collection[str]], T]) -> T:
    """What a call gives; the segment of a file of the lake that is damaged is read again, as long as it is there.

    Raises LedgerError where it is not.
    """
    again: set[str] = set()
    while True:
        try:
            with healing(data):
                return call(again)
        except LedgerError as error:
            if error.source in again or not _lies_here(data, error.path):
                raise
            again.add(error.source)


def _lies_here(data: Path, path: str | None) -> bool:
    return path is not None and is_segment(Path(path)) and data.joinpath(*within(Path(path))).exists()


def _taken_in(data: Path, allowance_us: int, again: Collection[str]) -> tuple[dict[str, Entry], list[str]]:
    """See take_in; what the ledger holds then, and the sentences. again: sources to be read again."""
    entries = {name: entry for name, entry in _entries(data, again).items() if name not in again}
    known = {within(entry.path) for entry in entries.values()}
    found: list[Source] = []
    told: list[str] = []
    for spool in sources_of(data / "spool"):
        paths = closed(spool.folder)
        for path in paths:
            if within(path) not in known:
                try:
                    told += _gone(path, {segment_of(each) for each in paths}, known)
                    found.append(_opened(spool, path))
                    told += damage(str(path))
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


def _gone(path: Path, here: Collection[str], known: Collection[tuple[str, ...]]) -> list[str]:
    """What there is to say where the segment before one was removed before it was read. Raises SourceError."""
    name = previous_of(path)
    if not name or name in here or any(each[-2] == path.parent.name and each[-1].startswith(name) for each in known):
        return []
    return [GONE.format(path.parent / name)]


def _entries(data: Path, again: Collection[str] = ()) -> dict[str, Entry]:
    """What the ledger of a folder holds; of what this process read before only what is new is read."""
    known = _read.get(data)
    _read.clear()
    _read[data] = ledger.entries(data, known, again)
    return _read[data]


def _ingest(data: Path, known: Mapping[str, Entry], sources: Sequence[Source]) -> None:
    ingest(data, known, sources, SLAB_US, 1, lambda sentences: None)


def _opened(spool: Spooled, path: Path) -> Source:
    receiver = None if spool.receiver == "unknown" else spool.receiver
    return open_source(path, format=FORMATS[spool.format], receiver=receiver, licence=spool.licence or None)
