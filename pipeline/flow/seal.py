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
from stswatch.pipeline.flow.committed import Committed, committed, healing, outputs
from stswatch.pipeline.flow.ingest import ingest
from stswatch.pipeline.flow.late import SLAB_US, is_segment, within
from stswatch.pipeline.flow.plausible import plausible
from stswatch.pipeline.flow.row import Engine, NothingToDo, planned, run_row, tidy
from stswatch.pipeline.flow.run import one_length
from stswatch.pipeline.readers.base import Source, SourceError
from stswatch.pipeline.readers.packing import damage
from stswatch.pipeline.readers.registry import open_source
from stswatch.pipeline.rules import Rules, days
from stswatch.pipeline.spool.segments import Spooled, closed, previous_of, segment_of, sources_of
from stswatch.pipeline.store import clearing
from stswatch.pipeline.store.catalogue import Catalogue, CatalogueError, Known
from stswatch.pipeline.store.entries import Entry, entries, lake_files, reject_counts, sources_table
from stswatch.pipeline.store.loader import Beside, Output

FORMATS: Mapping[str, str] = {"nmea": "nmea", "json": "aisstream"}  # of a spool -> the reader of its segments

GONE = "{}: is gone and was never read; what it held counts as not received; the rest is used; a copy brings it back"

T = TypeVar("T")
_known: dict[Path, Known] = {}  # what was read of one catalogue: after a year to read it takes seconds


@dataclass(frozen=True)
class Sealed:
    """What is sealed: up to when (None: to the last fix), the slice with the states after it, if any, what it gave.

    told: what there is to say of the segments that were taken in.
    """

    until_us: int | None
    last: Committed | None
    outputs: list[Output]
    beside: Beside
    told: list[str]


def seal(
    data: Path, rules: Rules, engine: Engine, allowance_us: int, until_us: int | None, at_once: bool = False
) -> Sealed:
    """Ingest what is closed and run the slices up to the end of an hour, by whoever holds the folder.

    allowance_us: see late.py. until_us: None to run to the last fix, where the data end. at_once: what else would be
    due after midnight (due.py) is due now.

    Raises OtherSlices, NothingToDo where there is no last fix, CatalogueError where the lake is damaged and the segment
    is gone, OSError and what a step raises; what is finished by then is kept.
    """
    return _reading_again(
        data, lambda catalogue, again: _seal(catalogue, rules, engine, allowance_us, until_us, at_once, again)
    )


def _seal(
    catalogue: Catalogue,
    rules: Rules,
    engine: Engine,
    allowance_us: int,
    until_us: int | None,
    at_once: bool,
    again: Collection[str],
) -> Sealed:
    held, told = _taken_in(catalogue, allowance_us, again)
    whole_before_us = due.whole_before_us(catalogue, held, until_us, at_once or until_us is None)
    used = plausible(held, rules)
    row = planned(_due(used.entries, whole_before_us, until_us), rules, SLAB_US, engine, until_us)
    run_row(catalogue, row, rules, engine, lambda stage, done, of: None)
    tidy(catalogue, row)
    files = lake_files(held)
    if until_us is None or until_us % days(1) == 0:  # of what a kill left; to look for it takes a while
        clearing.clear(catalogue.data, files, datetime.now(UTC))
    beside = Beside(sources_table(used.entries), reject_counts(held), files, used.left_out)
    given = outputs(catalogue, row)
    last = committed(catalogue)[row[-1].key] if row and until_us else None
    return Sealed(until_us, last, given, beside, told)


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
    return _reading_again(data, lambda catalogue, again: _taken_in(catalogue, allowance_us, again))[1]


def _reading_again(data: Path, call: Callable[[Catalogue, Collection[str]], T]) -> T:
    """What a call gives; the segment of a file of the lake that is damaged is read again, as long as it is there.

    Raises CatalogueError where it is not.
    """
    known = _known.pop(data, None)
    again: set[str] = set()
    _known.clear()
    with Catalogue.open(data, known) as catalogue:
        _known[data] = catalogue.known
        while True:
            try:
                with healing(catalogue):
                    return call(catalogue, again)
            except CatalogueError as error:
                if not error.source or error.source in again or not _lies_here(data, error.path):
                    raise
                again.add(error.source)


def _lies_here(data: Path, path: str | None) -> bool:
    return path is not None and is_segment(Path(path)) and data.joinpath(*within(Path(path))).exists()


def _taken_in(catalogue: Catalogue, allowance_us: int, again: Collection[str]) -> tuple[dict[str, Entry], list[str]]:
    """See take_in; what the catalogue holds then, and the sentences. again: sources to be read again."""
    data = catalogue.data
    held = {name: entry for name, entry in entries(catalogue, again).items() if name not in again}
    known = {within(entry.path) for entry in held.values()}
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
    one_length(data, held, found, SLAB_US)
    try:
        _ingest(catalogue, held, found)
    except SourceError:  # one that breaks off must hold up no other
        for source in found:
            try:
                _ingest(catalogue, held, [source])
            except SourceError as error:
                told.append(f"{error}; it is passed over")
    held = entries(catalogue) if found else held
    told += due.said(held, late.note(catalogue, allowance_us, held))
    return held, told


def _gone(path: Path, here: Collection[str], known: Collection[tuple[str, ...]]) -> list[str]:
    """What there is to say where the segment before one was removed before it was read. Raises SourceError."""
    name = previous_of(path)
    if not name or name in here or any(each[-2] == path.parent.name and each[-1].startswith(name) for each in known):
        return []
    return [GONE.format(path.parent / name)]


def _ingest(catalogue: Catalogue, known: Mapping[str, Entry], sources: Sequence[Source]) -> None:
    ingest(catalogue, known, sources, SLAB_US, 1, lambda sentences: None)


def _opened(spool: Spooled, path: Path) -> Source:
    receiver = None if spool.receiver == "unknown" else spool.receiver
    return open_source(path, format=FORMATS[spool.format], receiver=receiver, licence=spool.licence or None)
