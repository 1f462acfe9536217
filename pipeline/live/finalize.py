"""Finalizing what a watch has spooled: closed segments into the lake, hours that are over into slices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from stswatch.pipeline.flow import late_data, workers
from stswatch.pipeline.flow.ingest import ingest
from stswatch.pipeline.flow.late_data import SLAB_US, within
from stswatch.pipeline.flow.row import Engine, NothingToDo, planned, run_row, tidy
from stswatch.pipeline.flow.run import one_length
from stswatch.pipeline.flow.slices import EVER_US, Committed, committed, healing, outputs
from stswatch.pipeline.readers.packing import damage
from stswatch.pipeline.readers.source import Source, SourceError
from stswatch.pipeline.rules import Rules, days
from stswatch.pipeline.spool.closing import settle
from stswatch.pipeline.spool.segments import (
    PACKED,
    as_source,
    closed,
    previous_of,
    segment_of,
    segments,
    sources_of,
    time_of,
)
from stswatch.pipeline.store import snapshots
from stswatch.pipeline.store.catalogue import Catalogue, CatalogueError, Known
from stswatch.pipeline.store.entries import SourceEntry, entries, is_segment, lake_files, reject_counts, sources_table
from stswatch.pipeline.store.loader import Beside, Output
from stswatch.pipeline.store.usable import plausible
from stswatch.pipeline.trouble import sentence

if TYPE_CHECKING:
    from stswatch.pipeline.spool.writer import Spool


# ----------- Finalizing what a watch has spooled: the closed segments into the lake, the hours that are over into
# slices What it gives depends on the segments and on the hour alone, so it may be killed and called again, in any
# process.

GONE = "{}: is gone and was never read; what it held counts as not received; the rest is used; a copy brings it back"

T = TypeVar("T")
_known: dict[Path, Known] = {}  # what was read of one catalogue: after a year to read it takes seconds


@dataclass(frozen=True)
class Finalized:
    """What is finalized: up to when (None: to the last fix), the slice with the states after it, if any, what it gave.

    notes: what there is to say of the segments that were taken in.
    """

    until_us: int | None
    last: Committed | None
    outputs: list[Output]
    beside: Beside
    notes: list[str]


def finalize(
    data: Path, rules: Rules, engine: Engine, allowed_lateness_us: int, until_us: int | None, at_once: bool = False
) -> Finalized:
    """Ingest what is closed and run the slices up to the end of an hour, by whoever holds the folder.

    allowed_lateness_us: see flow/late_data.py. until_us: None to run to the last fix, where the data end. at_once: what
    else would be due after midnight is due now.

    Raises OtherSlices, NothingToDo where there is no last fix, CatalogueError where the lake is damaged and the segment
    is gone, OSError and what a step raises; what is finished by then is kept.
    """
    return _reading_again(
        data,
        lambda catalogue, again: _finalize(catalogue, rules, engine, allowed_lateness_us, until_us, at_once, again),
    )


def _finalize(
    catalogue: Catalogue,
    rules: Rules,
    engine: Engine,
    allowed_lateness_us: int,
    until_us: int | None,
    at_once: bool,
    again: Collection[str],
) -> Finalized:
    held, notes = _taken_in(catalogue, allowed_lateness_us, again)
    whole_before_us = late_data.whole_before_us(catalogue, held, until_us, at_once or until_us is None)
    used = plausible(held, rules)
    row = planned(_due(used.entries, whole_before_us, until_us), rules, SLAB_US, engine, until_us)
    run_row(catalogue, row, rules, engine, lambda stage, done, of: None)
    tidy(catalogue, row)
    files = lake_files(held)
    if until_us is None or until_us % days(1) == 0:  # of what a kill left; to look for it takes a while
        snapshots.clear(catalogue.data, files, datetime.now(UTC))
    beside = Beside(sources_table(used.entries), reject_counts(held), files, used.left_out)
    given = outputs(catalogue, row)
    last = committed(catalogue)[row[-1].key] if row and until_us else None
    return Finalized(until_us, last, given, beside, notes)


def _due(entries: Mapping[str, SourceEntry], whole_before_us: int, until_us: int | None) -> Mapping[str, SourceEntry]:
    """What is due of the entries. Raises NothingToDo where that is no fix, though there are some, and the data end."""
    taken = late_data.taken(entries, whole_before_us)
    if until_us is None and not _any_fix(taken) and _any_fix(entries):
        raise NothingToDo(late_data.nothing(entries))
    return taken


def _any_fix(entries: Mapping[str, SourceEntry]) -> bool:
    return any(receipt.first_us is not None for entry in entries.values() for receipt in entry.receipts)


def take_in(data: Path, allowed_lateness_us: int, before_us: int = EVER_US) -> list[str]:
    """Ingest the closed segments of all spools that are not in the lake; gives what there is to say of them, once.

    A segment that cannot be read is passed over. before_us: leave those that were begun then or later.
    """
    return _reading_again(data, lambda catalogue, again: _taken_in(catalogue, allowed_lateness_us, again, before_us))[1]


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


def _taken_in(
    catalogue: Catalogue, allowed_lateness_us: int, again: Collection[str], before_us: int = EVER_US
) -> tuple[dict[str, SourceEntry], list[str]]:
    """See take_in; what the catalogue holds then, and the sentences. again: sources to be read again."""
    data = catalogue.data
    held = {name: entry for name, entry in entries(catalogue, again).items() if name not in again}
    known = {within(entry.path) for entry in held.values()}
    found: list[Source] = []
    notes: list[str] = []
    for spool in sources_of(data / "spool"):
        paths = closed(spool.folder)
        for path in paths:
            if within(path) not in known and time_of(segment_of(path)) < before_us:
                try:
                    notes += _gone(path, {segment_of(each) for each in paths}, known)
                    found.append(as_source(spool, path))
                    notes += damage(str(path))
                except SourceError as error:
                    notes.append(f"{error}; it is passed over")
    one_length(data, held, found, SLAB_US)
    try:
        _ingest(catalogue, held, found)
    except SourceError:  # one that breaks off must hold up no other
        for source in found:
            try:
                _ingest(catalogue, held, [source])
            except SourceError as error:
                notes.append(f"{error}; it is passed over")
    held = entries(catalogue) if found else held
    notes += late_data.describe_late(held, late_data.note(catalogue, allowed_lateness_us, held))
    return held, notes


def _gone(path: Path, here: Collection[str], known: Collection[tuple[str, ...]]) -> list[str]:
    """What there is to say where the segment before one was removed before it was read. Raises SourceError."""
    name = previous_of(path)
    if not name or name in here or any(each[-2] == path.parent.name and each[-1].startswith(name) for each in known):
        return []
    return [GONE.format(path.parent / name)]


def _ingest(catalogue: Catalogue, known: Mapping[str, SourceEntry], sources: Sequence[Source]) -> None:
    ingest(catalogue, known, sources, SLAB_US, Engine(), lambda sentences: None)


# ----------------------------------------------------------------------------------------------------------------
# The hours of a watch being finalized: segments closed, then packed, then a process beside this one, then its result

_PATIENCE_S = 10.0  # at the end, with what is under way: an hour takes some seconds, a row of them may take hours


class Finalizing:
    """Finalizes one hour after the other, each once it is asked for; what takes long happens beside this process.

    spools: those that are written in this process; the others in the folder are settled here.
    """

    def __init__(
        self, data: Path, spools: Sequence[Spool], rules: Rules, engine: Engine, allowed_lateness_us: int
    ) -> None:
        self._data, self._spools, self._how = data, spools, (rules, engine, allowed_lateness_us)
        self._closing: list[Path] | None = None  # segments that are to be packed
        self._until_us, self._at_once, self._failed = 0, False, False
        self._notes: list[str] = []  # what there is to say of spools that were settled
        self._writing: list[str] = []  # the segments that were being written when the last was taken in
        self._taking: Future[list[str]] | None = None
        self._finalizing: Future[Finalized] | None = None

    @property
    def busy(self) -> bool:
        """Whether an hour is being finalized."""
        return self._closing is not None or self._finalizing is not None

    @property
    def until_us(self) -> int:
        """Up to where that, or the last one, goes."""
        return self._until_us

    def begin(self, until_us: int, at_once: bool = False) -> None:
        """Begin to finalize up to the end of an hour. Raises HeldBack where the disk takes nothing: try again.

        at_once: see `finalize`. After a failure only the process beside this one is begun again: a watch that
        tries for hours closes no segment for each try.
        """
        if self._failed and until_us == self._until_us and at_once <= self._at_once:
            self._closing = []
            return
        own = {spool.folder.resolve() for spool in self._spools}
        for spooled in sources_of(self._data / "spool"):
            if spooled.folder.resolve() not in own:
                self._notes += settle(spooled.folder)
        before = [path for spool in self._spools for path in segments(spool.folder) if path.suffix != PACKED]
        names = {spool.folder: spool.rotate() for spool in self._spools}
        self._closing = [path for path in before if _closed(path, names[path.parent])]
        self._until_us, self._at_once = until_us, at_once

    def step(self) -> Finalized | None:
        """Go on as far as nothing has to be waited for; what is finalized once it is. Raises what finalizing raised."""
        if self._closing is not None and not any(path.exists() for path in self._closing):
            self._finalizing = workers.aside(finalize, self._data, *self._how, self._until_us, self._at_once)
            self._closing = None
        if self._finalizing is None or not self._finalizing.done():
            return None
        done, self._finalizing = self._finalizing, None
        self._failed = done.exception() is not None
        return done.result()

    def take_in(self) -> list[str]:
        """Have closed segments ingested while nothing is finalized, so that less is left; says which were no use.

        What the machine lacks for it is nothing yet: the hour is finalized later, and says it then.
        """
        notes, self._notes = self._notes, []
        if self._taking is not None and self._taking.done():
            done, self._taking = self._taking, None
            if (error := done.exception()) is None:
                notes += done.result()
            elif sentence(error, self._data) is None:
                raise error
        writing = [spool.acknowledged.segment for spool in self._spools]
        if self._taking is None and not self.busy and writing != self._writing:
            self._writing, self._taking = writing, workers.aside(take_in, self._data, self._how[-1])
        return notes

    def finish(self, within_s: float = _PATIENCE_S) -> None:
        """Let the process beside this one do what it does for so long, then end it; never raises what it raised.

        Each hour that is finalized by then stays finalized, and the next watch goes on behind it.
        """
        both: list[Future[Any] | None] = [self._taking, self._finalizing]
        running = [future for future in both if future is not None and not future.cancel()]
        if wait(running, within_s).not_done:
            workers.end_aside()
        self._taking = self._finalizing = None


def _closed(path: Path, rotated: str | None) -> bool:
    """Whether a plain segment is closed now: all that were there are, but for one that was begun meanwhile."""
    return rotated is None or segment_of(path) <= rotated
