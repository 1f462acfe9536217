"""A whole run on one machine, one at a time over a data folder: ingest, the row of slices, the store."""

from __future__ import annotations

import fcntl
import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import shapely

from stswatch.errors import StswatchError
from stswatch.geo.reference import zones
from stswatch.pipeline.batch import HOUR
from stswatch.pipeline.flow.ingest import ingest
from stswatch.pipeline.flow.row import Engine, planned, run_row, tidy
from stswatch.pipeline.flow.slices import DamagedSlice, code, healing, outputs
from stswatch.pipeline.readers.source import Source, SourceError
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import STEPS, Step, card_of, check
from stswatch.pipeline.store import snapshots
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.entries import SourceEntry, entries, lake_files, reject_counts, sources_table
from stswatch.pipeline.store.loader import Beside, RunRecord, load
from stswatch.pipeline.store.usable import named, plausible
from stswatch.pipeline.times import utc
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
    check(engine.steps)
    slab_us = round(engine.slice_h * HOUR)
    given = {source.source for source in sources}
    known = entries(catalogue, given)
    one_length(data, known, sources, slab_us)
    read = [0]

    def counted(sentences: int) -> None:
        read[0] += sentences
        tell("read", read[0], 0)

    ingest(catalogue, known, sources, slab_us, engine, counted)
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
    catalogue.put("marks", {_MANIFEST + this_run.run_id: manifest_of(area, held, engine.steps, this_run)})
    snapshots.clear(data, lake_files(held), datetime.now(UTC))
    return database


_MANIFEST = "run-"


def manifest_of(area: str, sources: Iterable[str], steps: Sequence[Step], record: RunRecord | None) -> dict[str, Any]:
    """What a run notes of itself beside its row in `runs`: sources, what the area holds, the code of its steps."""
    shown = zones.area(area)
    return {
        "sources": sorted(sources),
        "area": hashlib.sha256(shapely.to_wkb(shown.geometry)).hexdigest() if shown.geometry is not None else "world",
        "code": hashlib.sha256(code(steps).encode()).hexdigest() if steps else "",
        "card": record.model_id if record else "",
        "rules": record.rules.fingerprint() if record else "",
    }


def noted_manifest(data: Path, run_id: str) -> Mapping[str, Any] | None:
    """What a run noted of itself; None where it noted nothing. Raises DamagedFile, CatalogueError."""
    catalogue = Catalogue.read(data)
    if catalogue is None:
        return None
    with catalogue:
        return catalogue.one("marks", _MANIFEST + run_id, lambda key, content: dict(content))


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
        card=card,
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
