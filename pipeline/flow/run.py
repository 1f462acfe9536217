"""A whole run on one machine, one at a time over a data folder: ingest, the row of slices, the store."""

from __future__ import annotations

import fcntl
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

from stswatch.errors import StswatchError
from stswatch.pipeline.batch import HOUR, MS
from stswatch.pipeline.flow.ingest import ingest
from stswatch.pipeline.flow.late_data import is_segment
from stswatch.pipeline.flow.row import Engine, named, planned, run_row, tidy
from stswatch.pipeline.flow.slices import DamagedSlice, healing, outputs
from stswatch.pipeline.flow.workers import keep_freed_memory
from stswatch.pipeline.readers.source import Source, SourceError
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import STEPS, Step, card_of, check
from stswatch.pipeline.store import snapshots
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.entries import SourceEntry, entries, lake_files, reject_counts, sources_table
from stswatch.pipeline.store.lake import Part, Receipt, Span
from stswatch.pipeline.store.loader import Beside, RunRecord, load
from stswatch.pipeline.times import utc
from stswatch.pipeline.tracks.stray_days import DAY_US, added, impossible, stray_days
from stswatch.pipeline.trouble import MachineError, Progress, sentence

# --------------- One run at a time over a data folder; the lock goes with the process that held it, however that ends


class FolderInUse(StswatchError, ValueError):
    """Another run works in this data folder; the message says which folder and what to do."""


@contextmanager
def alone(data: Path) -> Iterator[None]:
    """Hold the folder for as long as the block lasts. Raises FolderInUse where another process does."""
    with (data / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FolderInUse(
                f"{data}: another run works in this folder; wait for it, or give another `data`"
            ) from error
        yield


# ----------------------------------------------------------------------------------------------------------------
# What of the sources of a run is dated plausibly; other rows stay in the lake, marked `clock`, and out of all else
# Judged is what the catalogue holds, all of it together, each time a run or a watch plans its slices. So a source that
# comes later changes what was judged before as if all had come at once. What a watch has spooled was judged row by row
# when it was taken in, by its arrival (workers.py).


@dataclass(frozen=True)
class Plausible:
    """The entries of the catalogue without what is dated implausibly; source -> the spans that were left out of it."""

    entries: dict[str, SourceEntry]
    left_out: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)


def plausible(entries: Mapping[str, SourceEntry], rules: Rules) -> Plausible:
    """What of these entries is dated plausibly, judged together; never raises."""
    archives = {name: entry for name, entry in entries.items() if not is_segment(entry.path)}
    days = {name: added(found for r in entry.receipts for found in r.days.values()) for name, entry in archives.items()}
    never = {name: {day for day in found if impossible(day, entries[name].read_on)} for name, found in days.items()}
    likely = ({d: day for d, day in found.items() if d not in never[name]} for name, found in days.items())
    strays = stray_days(added(likely), rules)
    result, left_out = dict(entries), {}
    for name, found in days.items():
        if out := never[name] | (strays & found.keys()):
            left_out[name] = tuple(_spans(out))
            result[name] = _without(entries[name], out, left_out[name])
    return Plausible(result, left_out)


def _spans(days: Iterable[int]) -> Iterator[Span]:
    """Days as spans, those that follow each other as one.

    >>> [(a // DAY_US, b // DAY_US) for a, b in _spans({3, 1, 2, 7})]
    [(1, 4), (7, 8)]
    """
    listed = sorted(days)
    cuts = [k for k, (before, day) in enumerate(pairwise(listed), 1) if day > before + 1]
    for first, end in pairwise([0, *cuts, len(listed)]):
        yield listed[first] * DAY_US, (listed[end - 1] + 1) * DAY_US


def _without(entry: SourceEntry, days: set[int], spans: tuple[Span, ...]) -> SourceEntry:
    receipts = [_rest(receipt, days, spans, entry.slab_us) for receipt in entry.receipts]
    stray = sum(day.rows for r in entry.receipts for d, day in r.days.get("fixes", {}).items() if d in days)
    source = dict(entry.source) | {"stray_fixes": stray, "invalid_fixes": entry.source["invalid_fixes"] + stray}
    return replace(entry, source=source, receipts=receipts)


def _rest(receipt: Receipt, days: set[int], spans: tuple[Span, ...], slab_us: int) -> Receipt:
    """What a receipt says of the other days."""
    rest = {table: {d: day for d, day in found.items() if d not in days} for table, found in receipt.days.items()}
    times = [t // MS * MS for day in rest.get("fixes", {}).values() for t in (day.first_us, day.last_us)]
    parts = [part for given in receipt.parts if (part := _part(given, spans, slab_us)) is not None]
    first_us, last_us = (min(times), max(times)) if times else (None, None)
    return replace(receipt, parts=parts, first_us=first_us, last_us=last_us, days=rest)


def _part(part: Part, spans: tuple[Span, ...], slab_us: int) -> Part | None:
    """A file of the lake with the spans of its slab that are left out; None where that is all of it."""
    if part.slab_us is None:
        return part
    start_us, end_us = part.slab_us, part.slab_us + slab_us
    inside = tuple((a, b) for a, b in spans if a < end_us and b > start_us)
    if any(a <= start_us and b >= end_us for a, b in inside):
        return None
    return replace(part, left_out=inside) if inside else part


# --------------------------------------------------- A whole run on one machine: ingest, the row of slices, the store


class OtherSlices(StswatchError, ValueError):
    """The folder holds sources that were read for slices of another length; the message says which and what to do."""


def run(data: Path, sources: Sequence[Source], rules: Rules, area: str, engine: Engine, tell: Progress) -> Path:
    """Ingest the sources, run the slices that do not hold yet, load and publish; gives the published database.

    Raises SourceError, NothingToDo, OtherSlices, AreaError, StoreError, CatalogueError, FolderInUse; MachineError where
    disk, memory or a right lacks.
    """
    try:
        with alone(data), Catalogue.open(data) as catalogue:
            return _run(catalogue, sources, rules, area, engine, tell)
    except Exception as error:
        lacking = sentence(error, data, disk=not isinstance(error, SourceError))
        if lacking is None:
            raise
        raise MachineError(lacking) from error


def _run(
    catalogue: Catalogue, sources: Sequence[Source], rules: Rules, area: str, engine: Engine, tell: Progress
) -> Path:
    data, started = catalogue.data, datetime.now(UTC)
    keep_freed_memory()
    check(engine.steps)
    slab_us = round(engine.slice_h * HOUR)
    given = {source.source for source in sources}
    known = entries(catalogue, given)
    one_length(data, known, sources, slab_us)
    read = [0]

    def counted(sentences: int) -> None:
        read[0] += sentences
        tell("read", read[0], 0)

    ingest(catalogue, known, sources, slab_us, engine.workers, counted)
    held = entries(catalogue)
    used = plausible(held, rules)
    row = planned(used.entries, rules, slab_us, engine)
    with healing(catalogue):
        run_row(catalogue, row, rules, engine, tell)
    tidy(catalogue, row)
    beside = Beside(sources_table(used.entries), reject_counts(held), lake_files(held), used.left_out)
    this_run = run_record(used.entries, started, rules, area, row[-1].watermark_us, engine.steps)
    database = None
    while database is None:
        tell("load", 0, 0)
        try:
            with healing(catalogue):
                database = load(data, this_run, outputs(catalogue, row), beside, datetime.now(UTC))
        except DamagedSlice:  # found when it is loaded, and gone by now
            with healing(catalogue):
                run_row(catalogue, row, rules, engine, tell)
    snapshots.clear(data, lake_files(held), datetime.now(UTC))
    return database


def run_record(
    entries: Mapping[str, SourceEntry],
    started: datetime,
    rules: Rules,
    area: str,
    end_us: int | None,
    steps: Sequence[Step] = STEPS,
) -> RunRecord:
    """What the table `runs` says of a run over what the catalogue holds; it used what lies before `end_us`, if known.

    A cut-off that the rules leave to the scorecard is kept as the number that it was.
    """
    card = card_of(steps)
    first_us = [r.first_us for entry in entries.values() for r in entry.receipts if r.first_us is not None]
    return RunRecord(
        run_id=uuid.uuid4().hex[:12],
        started=started,
        code_version=version("stswatch"),
        rules=rules.with_cut_off(card.cut_off.score),
        model_id=card.model_id,
        area=area,
        data_start=utc(min(first_us)) if first_us else None,
        data_end=utc(end_us) if first_us and end_us is not None else None,
    )


def one_length(data: Path, known: Mapping[str, SourceEntry], sources: Sequence[Source], slab_us: int) -> None:
    """Raise OtherSlices where the lake holds what no slice of this length could read, and it is not given again."""
    given = {source.source for source in sources}
    others = [entry for name, entry in known.items() if entry.slab_us != slab_us and name not in given]
    if others:
        hours = others[0].slab_us / HOUR
        raise OtherSlices(
            f"{data}: holds {named(others)}, read for slices of {hours:g} h; give `slice_h={hours:g}`,"
            " or these files too, or another folder with `data`"
        )
