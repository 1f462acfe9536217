"""The row of slices over a data folder: which there are, running those that do not hold yet, and what goes after.

A run over archives brings the row up to the last fix, and there the data end; a watch brings it up to an hour that is
over, and the data go on.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from stswatch.errors import StswatchError
from stswatch.pipeline import faults
from stswatch.pipeline.flow import slices, workers
from stswatch.pipeline.flow.calls import Job
from stswatch.pipeline.flow.cluster.flink import Cluster
from stswatch.pipeline.flow.slices import Committed, Slice, commit, committed, forget
from stswatch.pipeline.routes import LAKE_SHARDS
from stswatch.pipeline.rules import Rules, days
from stswatch.pipeline.steps import STEPS, Step, card_of
from stswatch.pipeline.store import entries as sources
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.entries import SourceEntry
from stswatch.pipeline.store.files import DamagedFile, discard
from stswatch.pipeline.store.usable import nothing_usable
from stswatch.pipeline.trouble import Progress

if TYPE_CHECKING:
    from stswatch.pipeline.flow.cluster.storage import Storage
    from stswatch.pipeline.flow.engine import Flow

_ROWS_PER_CALL = 500_000  # what a step takes at once and stays in the cache
_BYTES_PER_ROW = 120  # what a slice holds at its fullest, per fix (docs/benchmarks.md)
_BYTES_ALWAYS = 400 << 20  # Python with Beam and Arrow, before the first fix
_STATES_KEPT = 8
_DAYS_KEPT = 32  # for which the state at the end of a day is kept too: an encounter may stay open for 30


class NothingToDo(StswatchError, ValueError):
    """The sources hold no usable position; the message says what they hold."""


@dataclass(frozen=True)
class Engine:
    """How to run, which changes no result: slice length, step shards (None: by the rows), workers, memory.

    beam: options of Beam; none stands for one process of its own. cluster: where the slices run in place of this
    machine, with as many tasks as there are workers. Slices of 24 h are the longest that can be asked for:
    they are joined where they hold few rows.
    """

    slice_h: float = 24.0
    shards: int | None = None
    workers: int = 1
    memory_bytes: int = 2 << 30
    steps: tuple[Step, ...] = field(default=STEPS)
    beam: tuple[str, ...] = ()
    cluster: Cluster | None = None

    @property
    def own_workers(self) -> int:
        """Processes of each worker of Beam; on a cluster there are more workers instead."""
        return 1 if self.cluster else self.workers

    @property
    def storage(self) -> Storage | None:
        """Through what the workers of a cluster exchange files; None where they see the data folder."""
        return self.cluster.storage if self.cluster else None

    def root(self, data: Path) -> str:
        """The data folder as workers see it; nothing where they do not."""
        return "" if self.storage else str(data.absolute())

    def rows_joined(self) -> int:
        """Slices with fewer rows together are one; 0 where they are to be as short as asked.

        On a cluster, where each is a job of several CPU seconds beside its work, as many as the memory holds.
        """
        if self.slice_h != 24.0:
            return 0
        return sys.maxsize if self.cluster else _ROWS_PER_CALL


def planned(
    entries: Mapping[str, SourceEntry], rules: Rules, slab_us: int, engine: Engine, until_us: int | None = None
) -> list[Slice]:
    """The slices over all that the catalogue holds, with their addresses.

    until_us: the end of a slab up to which the data are there, after which they go on; None where they end with the
    last fix. Raises NothingToDo without a usable fix; up to a time there may be no slice yet.
    """
    receipts = [receipt for entry in entries.values() for receipt in entry.receipts]
    times = [t for r in receipts for t in (r.first_us, r.last_us) if t is not None]
    if not times and until_us is None:
        raise NothingToDo(nothing_usable(list(entries.values()), receipts))
    parts = [part for entry in entries.values() for part in entry.parts]
    rows_at_most = max((engine.memory_bytes - _BYTES_ALWAYS) // _BYTES_PER_ROW, 1000)
    span_us = (min(times, default=0), max(times, default=0))
    row = slices.plan(parts, slab_us, span_us, rows_at_most, until_us, engine.rows_joined())
    row = slices.with_lost(row, (span for receipt in receipts for span in receipt.lost))
    shards = _shards(engine, row)
    readings = {part.path: _how_read(entry) for entry in entries.values() for part in entry.parts}
    return slices.addressed(row, rules, shards, slices.code(engine.steps), card_of(engine.steps).model_id, readings)


def _how_read(entry: SourceEntry) -> str:
    """What of a source decides how its positions count, beside their numbers."""
    return f"{entry.options} {entry.rounded_deg:g}" if entry.rounded_deg else entry.options


def _shards(engine: Engine, row: Sequence[Slice]) -> int:
    """The step shards asked for, else enough for the fullest slice: a power of two, steady while data grow a little."""
    if engine.shards:
        return engine.shards
    rows, shards = max((s.rows for s in row), default=0), 1
    while shards < LAKE_SHARDS and rows > shards * _ROWS_PER_CALL:
        shards *= 2
    return shards


def run_row(catalogue: Catalogue, row: Sequence[Slice], rules: Rules, engine: Engine, tell: Progress) -> None:
    """Run the slices that do not hold yet. Raises what a step raised, OSError where the disk cannot hold them."""
    data = catalogue.data
    shards = _shards(engine, row)
    flow = cache(partial(_flow, data, rules, shards, engine))
    total, done = sum(s.rows for s in row), 0
    begin = _resume_at(catalogue, row)
    for k, s in enumerate(row):
        if k >= begin:
            before = folder_of(data, row[k - 1]) if k else None
            catalogue.delete("slices", [s.key], durable=False)  # where its folder was found damaged or gone
            commit(
                catalogue, s, flow().run_slice(Job(data, folder_of(data, s), before, s, rules, shards, engine.steps))
            )
            faults.reach("slice_committed")
            for old in _forgotten(row[: k + 1])[-1:]:
                discard(folder_of(data, old) / "state", data / "slices")
        done += s.rows
        tell("slices", done, total)


def _flow(data: Path, rules: Rules, shards: int, engine: Engine) -> Flow:
    """The pipeline of the steps. Beam, which takes a second to import, is imported only here."""
    with workers.uncollected():
        from stswatch.pipeline.flow.engine import IN_PROCESS, Flow, StepsSpec

    spec = StepsSpec(engine.root(data), engine.steps, rules, shards, engine.own_workers, engine.storage)
    return Flow(spec, engine.beam or IN_PROCESS, engine.cluster)


def _resume_at(catalogue: Catalogue, row: Sequence[Slice]) -> int:
    """The first slice to run: behind the longest row that is committed, where the state to start from is whole."""
    known = committed(catalogue)
    have = 0
    while have < len(row) and row[have].key in known:
        have += 1
    while 0 < have < len(row) and not _states_whole(catalogue.data, known[row[have - 1].key]):
        have -= 1
    return have


def _states_whole(data: Path, before: Committed) -> bool:
    if not (before.folder(data) / "state").exists():
        return False
    try:
        before.verify_states(data)
    except DamagedFile:
        return False
    return True


def _forgotten(row: Sequence[Slice]) -> list[Slice]:
    """The slices whose state nobody needs: all but the last, and where slices are shorter than a day one a day.

    Late data have everything after them run again, from the last state before them.
    """
    return [
        s for s in row[:-_STATES_KEPT] if not (_ends_a_day(s) and s.end_us > row[-1].watermark_us - days(_DAYS_KEPT))
    ]


def _ends_a_day(s: Slice) -> bool:
    return s.end_us % days(1) == 0 and s.end_us - s.start_us < days(1)


def folder_of(data: Path, s: Slice) -> Path:
    """Where a slice lies, committed or not."""
    return data / "slices" / s.key


def tidy(catalogue: Catalogue, row: Sequence[Slice]) -> None:
    """Remove slices that no longer hold, old states, and receipts of what was read otherwise or not to its end."""
    data, keep = catalogue.data, {s.key for s in row}
    for s in _forgotten(row):
        discard(folder_of(data, s) / "state", data / "slices")
    there = {*catalogue.keys("slices"), *(folder.name for folder in (data / "slices").glob("*"))}
    forget(catalogue, sorted(there - keep))  # so goes what a kill left of an earlier removal
    sources.clear(catalogue)
