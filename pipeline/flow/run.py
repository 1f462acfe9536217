"""A whole run on one machine: ingest, the row of slices, the store."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from stswatch.pipeline.batch import HOUR
from stswatch.pipeline.decode.rejects import REASONS
from stswatch.pipeline.flow import slices
from stswatch.pipeline.flow.ingest import ingest
from stswatch.pipeline.flow.lock import alone
from stswatch.pipeline.flow.shard import Job
from stswatch.pipeline.flow.slices import MANIFEST, Slice, committed
from stswatch.pipeline.flow.workers import keep_freed_memory
from stswatch.pipeline.meetings.rows import scorecard
from stswatch.pipeline.readers.base import Source, SourceError
from stswatch.pipeline.routes import LAKE_SHARDS
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import STEPS, Step, check
from stswatch.pipeline.store import clearing, ledger
from stswatch.pipeline.store.disk import discard, read_json
from stswatch.pipeline.store.lake import Receipt
from stswatch.pipeline.store.ledger import Entry, lake_files, moment, reject_counts, sources_table
from stswatch.pipeline.store.loader import Output, Run, load
from stswatch.pipeline.trouble import MachineError, sentence

if TYPE_CHECKING:
    from stswatch.pipeline.flow.local import Flow

_ROWS_PER_CALL = 250_000  # what a step takes at once and stays in the cache
_BYTES_PER_ROW = 120  # what a slice holds at its fullest, per fix (docs/benchmarks.md)
_BYTES_ALWAYS = 400 << 20  # Python with Beam and Arrow, before the first fix
_STATES_KEPT = 8
_INVALID = "missing, not in degrees with a decimal point, 0, 0, or of an MMSI that is no vessel's"


class NothingToDo(ValueError):
    """The sources hold no usable position; the message says what they hold."""


class OtherSlices(ValueError):
    """The folder holds sources that were read for slices of another length; the message says which and what to do."""


@dataclass(frozen=True)
class Engine:
    """How to run, which changes no result: slice length, step shards (None: by the rows), workers, memory."""

    slice_h: float = 24.0
    shards: int | None = None
    workers: int = 1
    memory_bytes: int = 2 << 30
    steps: tuple[Step, ...] = field(default=STEPS)


Tell = Callable[[str, int, int], None]  # (stage, done, of): rows for ingest (of 0: not known), fixes for slices


def run(data: Path, sources: Sequence[Source], rules: Rules, area: str, engine: Engine, tell: Tell) -> Path:
    """Ingest the sources, run the slices that do not hold yet, load and publish; gives the published database.

    Raises SourceError, NothingToDo, OtherSlices, AreaError, StoreError, FolderInUse; MachineError where disk, memory or
    a right lacks.
    """
    try:
        with alone(data):
            return _run(data, sources, rules, area, engine, tell)
    except Exception as error:
        lacking = sentence(error, data, disk=not isinstance(error, SourceError))
        if lacking is None:
            raise
        raise MachineError(lacking) from error


def _run(data: Path, sources: Sequence[Source], rules: Rules, area: str, engine: Engine, tell: Tell) -> Path:
    started = datetime.now(UTC)
    keep_freed_memory()
    check(engine.steps)
    slab_us = round(engine.slice_h * HOUR)
    _one_length(data, sources, slab_us)
    read = [0]

    def told(sentences: int) -> None:
        read[0] += sentences
        tell("read", read[0], 0)

    ingest(data, sources, slab_us, engine.workers, told)
    entries = ledger.entries(data)
    row = planned(entries, rules, slab_us, engine)
    _run_slices(data, row, rules, engine, tell)
    _tidy(data, row)
    tell("load", 0, 0)
    this_run = Run(
        run_id=uuid.uuid4().hex[:12],
        started=started,
        code_version=version("stswatch"),
        rules=rules,
        model_id=scorecard().model_id,
        area=area,
        data_start=moment(min(r.first_us for e in entries.values() for r in e.receipts if r.first_us is not None)),
        data_end=moment(row[-1].frontier_us),
    )
    database = load(
        data,
        this_run,
        [_output(data, s) for s in row],
        sources_table(entries),
        reject_counts(entries),
        lake_files(entries),
        datetime.now(UTC),
    )
    clearing.clear(data, lake_files(entries), datetime.now(UTC))
    return database


def _one_length(data: Path, sources: Sequence[Source], slab_us: int) -> None:
    """Raise OtherSlices where the lake holds what no slice of this length could read, and it is not given again."""
    given = {source.source for source in sources}
    others = [entry for name, entry in ledger.entries(data).items() if entry.slab_us != slab_us and name not in given]
    if others:
        hours = others[0].slab_us / HOUR
        raise OtherSlices(
            f"{data}: holds {_named(others)}, read for slices of {hours:g} h; give --slice-hours {hours:g},"
            " or these files too, or another folder with --data"
        )


def _named(entries: Sequence[Entry]) -> str:
    """The files of some sources, at most three by name."""
    names = [str(entry.source["path"]) for entry in entries]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def planned(entries: dict[str, Entry], rules: Rules, slab_us: int, engine: Engine) -> list[Slice]:
    """The slices over all that the ledger holds, with their addresses. Raises NothingToDo without a usable fix."""
    receipts = [receipt for entry in entries.values() for receipt in entry.receipts]
    times = [t for r in receipts for t in (r.first_us, r.last_us) if t is not None]
    if not times:
        raise NothingToDo(_nothing(list(entries.values()), receipts))
    parts = [part for receipt in receipts for part in receipt.parts]
    row = slices.plan(
        parts, slab_us, (min(times), max(times)), max((engine.memory_bytes - _BYTES_ALWAYS) // _BYTES_PER_ROW, 1000)
    )
    shards = _shards(engine, row)
    readings = {part.path: entry.options for entry in entries.values() for r in entry.receipts for part in r.parts}
    return slices.addressed(row, rules, shards, slices.code(engine.steps), scorecard().model_id, readings)


def _nothing(entries: Sequence[Entry], receipts: Sequence[Receipt]) -> str:
    """What the sources hold instead of a usable position, and what to do."""
    reasons = Counter[str]()
    for receipt in receipts:
        reasons.update(receipt.rejects)
    found = [f"{n:,} lines rejected: {REASONS[reason].rstrip('.')}" for reason, n in reasons.most_common(1)]
    if invalid := sum(r.counts["fixes"] for r in receipts):
        found.append(f"{invalid:,} positions invalid: {_INVALID}")
    told = f" ({'; '.join(found)})" if found else ""
    remedy = (
        "say with --columns how its times are written" if "no_time" in reasons else "give an archive with positions"
    )
    return f"{_named(entries)}: no usable position{told}; {remedy}"


def _shards(engine: Engine, row: Sequence[Slice]) -> int:
    """The step shards asked for, else enough for the fullest slice: a power of two, steady while data grow a little."""
    if engine.shards:
        return engine.shards
    rows, shards = max(s.rows for s in row), 1
    while shards < LAKE_SHARDS and rows > shards * _ROWS_PER_CALL:
        shards *= 2
    return shards


def _run_slices(data: Path, row: Sequence[Slice], rules: Rules, engine: Engine, tell: Tell) -> None:
    shards, flow = _shards(engine, row), cache(partial(_flow, engine))
    total, done = sum(s.rows for s in row), 0
    begin = _resume_at(data, row)
    for k, s in enumerate(row):
        if k >= begin:
            before = _folder(data, row[k - 1]) if k else None
            flow().run_slice(Job(data, _folder(data, s), before, s, rules, shards, engine.steps))
            if k >= _STATES_KEPT:
                discard(_folder(data, row[k - _STATES_KEPT]) / "state", data / "slices")
        done += s.rows
        tell("slices", done, total)


def _flow(engine: Engine) -> Flow:
    """The pipeline of the steps. Beam, which takes a second to import, is imported only here."""
    from stswatch.pipeline.flow.local import Flow

    return Flow(engine.steps, engine.workers)


def _resume_at(data: Path, row: Sequence[Slice]) -> int:
    """The first slice to run: behind the longest row that is committed, where the state to start from still lies."""
    have = 0
    while have < len(row) and committed(_folder(data, row[have])):
        have += 1
    while 0 < have < len(row) and not (_folder(data, row[have - 1]) / "state").exists():
        have -= 1
    return have


def _folder(data: Path, s: Slice) -> Path:
    return data / "slices" / s.key


def _tidy(data: Path, row: Sequence[Slice]) -> None:
    """Remove slices that no longer hold, old states, and receipts of what was read otherwise or not to its end."""
    keep = {s.key for s in row}
    for s in row[:-_STATES_KEPT]:
        discard(_folder(data, s) / "state", data / "slices")
    for folder in list((data / "slices").iterdir()):
        if folder.name not in keep:  # nor is what a kill left of an earlier removal
            discard(folder, data / "slices")
    ledger.clear(data)


def _output(data: Path, s: Slice) -> Output:
    files = read_json(_folder(data, s) / MANIFEST)["files"]
    return Output(s.key, {table: [f"slices/{s.key}/{name}" for name in names] for table, names in files.items()})
