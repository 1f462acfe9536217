"""What a worker process does, free of Beam: one call of one step for one shard, and the decoding of one chunk."""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stswatch.pipeline import faults, schema
from stswatch.pipeline.batch import Batch, Tables, build, concat
from stswatch.pipeline.flow.slices import Slice
from stswatch.pipeline.readers.formats import read
from stswatch.pipeline.readers.packing import LostSpans, arrivals_in, marked
from stswatch.pipeline.readers.source import Chunk, Source, SourceError
from stswatch.pipeline.routes import LAKE_SHARDS
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import LAKE_TABLES, LOST, Step, shares
from stswatch.pipeline.store import lake
from stswatch.pipeline.store.entries import leave_receipt
from stswatch.pipeline.store.states import StateFiles, StateStore

# ----------------------------------------------------------------------- rows on their way from one step to another
# One file for each call of a step, mapped by those who read it. Sent through Beam the same bytes would be copied some
# four times, all in one process, which the workers would then wait for (docs/decisions/0004).

# table, file, where its Arrow stream begins and how long it is, bytes, and which of its rows: the first, how many
Parcel = tuple[str, str, int, int, int, int]
Sent = tuple[str, int, Parcel]  # step, shard, where the rows for it lie
SENT = "sent"  # the folder of these files in that of a slice


class ParcelWriter:
    """Takes the parcels of one call of a step; the file is made with the first.

    No two calls share a file, also where one is tried again: its parcels may have been handed on already.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / SENT / f"{name}-{secrets.token_hex(4)}.arrow"
        self._file: pa.NativeFile | None = None
        self._last: tuple[pa.Table | None, int, int] = None, 0, 0

    def put(self, table: str, rows: pa.Table, first: int = 0, count: int | None = None) -> Parcel:
        """Write rows, once for calls with the same ones that follow each other; gives what finds some of them again.

        first, count: which; all from the first on where there is no count. Raises OSError where they cannot be written.
        """
        if self._file is None:
            self._path.parent.mkdir(exist_ok=True)
            self._file = pa.OSFile(str(self._path), "wb")
        if self._last[0] is not rows:
            begin = self._file.tell()
            with pa.ipc.new_stream(self._file, rows.schema) as stream:
                stream.write_table(rows)
            self._last = rows, begin, self._file.tell() - begin
        return table, self._path.name, *self._last[1:], first, rows.num_rows - first if count is None else count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()


def opened(folder: Path, parcels: Iterable[Parcel]) -> Tables:
    """The rows of some parcels by table, in the order given. Raises OSError where a file is gone."""
    files: dict[str, pa.Buffer] = {}
    parts: dict[str, list[pa.Table]] = {}
    for table, name, begin, length, first, count in parcels:
        if name not in files:
            files[name] = pa.memory_map(str(folder / SENT / name)).read_buffer()
        rows = pa.ipc.open_stream(files[name].slice(begin, length)).read_all()
        parts.setdefault(table, []).append(rows.slice(first, count))
    return {table: concat(found, found[0].schema) for table, found in parts.items()}


# ------------------------------------------------------------------------------------------- one step for one shard


@dataclass(frozen=True)
class Job:
    """What all shards of one slice share. `before` holds the state after the slice before, None at the start."""

    data: Path
    folder: Path
    before: Path | None
    slice: Slice
    rules: Rules
    shards: int
    steps: tuple[Step, ...]

    def step(self, name: str) -> Step:
        """The step of that name."""
        return next(step for step in self.steps if step.name == name)


CURRENT = "slice.json"  # which slice is run, for all who work on it; there while it is


@contextmanager
def announced(job: Job) -> Iterator[None]:
    """Have the storage say for as long as the block lasts which slice is to be run. Raises OSError."""
    path = job.data / CURRENT
    described = {"before": job.before and job.before.name, "folder": job.folder.name, "slice": job.slice.to_json()}
    part = path.with_suffix(".part")
    part.write_text(json.dumps(described))
    part.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def current_job(root: Path, steps: tuple[Step, ...], rules: Rules, shards: int) -> Job:
    """The slice that the storage says is to be run. Raises OSError where it names none."""
    described = json.loads((root / CURRENT).read_text())
    slices = root / "slices"
    before = slices / described["before"] if described["before"] else None
    return Job(root, slices / described["folder"], before, Slice.from_json(described["slice"]), rules, shards, steps)


# A worker of a cluster calls from several threads, and polygons that shapely has prepared are for one at a time: two
# make it find what is not so, or end the process.
_one_step = threading.Lock()


def run_shard(job: Job, name: str, shard: int, given: Iterable[Parcel]) -> tuple[list[Sent], int]:
    """Call one step for one shard; writes its state and its stored rows.

    Gives what later steps take, and the CPU time that all of it took, microseconds.
    """
    began = time.process_time()
    step = job.step(name)
    n = step.shards(job.shards)
    tables = opened(job.folder, given) | _from_lake(job, step, shard, n)
    state = _read_state(job, step, shard)
    with _one_step:
        result = step.run(state, Batch(tables, job.slice.watermark_us, job.slice.final, shard, n), job.rules)
    if step.state and not job.slice.final:
        states: StateStore = _states(job, job.folder)
        states.write(step.name, shard, result.state)
    later = job.steps[job.steps.index(step) + 1 :]
    out: list[Sent] = []
    with ParcelWriter(job.folder, f"{name}-{shard}") as outbox:
        for table, rows in result.rows.items():
            _store(job, table, shard, rows)
            for share in shares(table, rows, later, job.shards, job.rules):
                out.append((share.step, share.shard, outbox.put(table, share.rows, share.first, share.count)))
    return out, round((time.process_time() - began) * 1e6)


def read_by(job: Job, name: str, shard: int, given: Iterable[Parcel]) -> Iterator[str]:
    """The files that a call of run_shard reads, as names in the data folder."""
    step = job.step(name)
    first, last = _lake_shards(shard, step.shards(job.shards))
    files = [job.folder / SENT / file for _, file, *_ in given]
    if job.before is not None and step.state:
        files.append(_states(job, job.before).path(name, shard))
    for part in job.slice.parts:
        takes = part.table in LAKE_TABLES and part.table in step.takes
        if takes and any(e >= first and b + 1 < last for b, e in pairwise([-1, *part.last_shards])):
            files.append(job.data / part.path)
    return (path.relative_to(job.data).as_posix() for path in files)


def written_by(job: Job, name: str, shard: int, sent: Iterable[Sent]) -> Iterator[str]:
    """The files that a call of run_shard wrote, which gave `sent`, as names in the data folder."""
    step = job.step(name)
    files = {job.folder / SENT / file for _, _, (_, file, *_) in sent}
    files |= {job.folder / f"{schema.EVENT_TABLES.get(table)}-{shard}.parquet" for table in step.gives}
    files.add(_states(job, job.folder).path(name, shard))
    return (path.relative_to(job.data).as_posix() for path in files if path.exists())


def _lake_shards(shard: int, of: int) -> tuple[int, int]:
    """The shards of the lake, from and to before, that a shard of a step takes."""
    first, last = (-(-k * LAKE_SHARDS // of) for k in (shard, shard + 1))
    return first, last


def _from_lake(job: Job, step: Step, shard: int, n: int) -> Tables:
    """The rows of the lake that a step takes, of its lake shards and the span of the slice, and what was lost in it."""
    shards = _lake_shards(shard, n)
    span = job.slice.start_us, job.slice.end_us
    tables = {}
    for table in LAKE_TABLES:
        if table in step.takes:
            parts = [p for p in job.slice.parts if p.table == table]
            columns = step.reads.get(table, ())
            tables[table] = lake.read(job.data, parts, columns, shards, span, table)
    if LOST in step.takes:
        lost = np.array(job.slice.lost, np.int64).reshape(-1, 2)
        tables[LOST] = build(LOST, {"start": lost[:, 0], "end": lost[:, 1]})
    return tables


def _read_state(job: Job, step: Step, shard: int) -> Tables:
    if job.before is None or not step.state:
        return step.no_state()
    states: StateStore = _states(job, job.before)
    return states.read(step.name, shard, step.state)


def _states(job: Job, folder: Path) -> StateFiles:
    return StateFiles(folder / "state", job.rules.events_fingerprint())


def _store(job: Job, table: str, shard: int, rows: pa.Table) -> None:
    """Write the rows of a stored table as Parquet."""
    stored = schema.EVENT_TABLES.get(table)
    if stored is None or rows.num_rows == 0:
        return
    path = job.folder / f"{stored}-{shard}.parquet"
    part = path.with_suffix(".part")
    pq.write_table(rows, part, compression="zstd")
    faults.reach("rows_part")
    part.replace(path)
    faults.reach("rows_written")


# ---------------------------------------------------------------------------------------- the decoding of one chunk


def ingest_chunk(data: Path, reading: str, chunk: Chunk, slab_us: int) -> lake.Receipt:
    """Decode a chunk into the lake and leave its receipt, which whoever gave the work enters into the catalogue.

    Raises SourceError for a file that breaks off or is not the one that was opened, OSError where it cannot write.
    """
    writer = lake.Writer(data, reading, chunk.start, slab_us)
    counts = {"sentences": 0, "messages": 0, "fragments": 0, "unread_times": 0}
    arrivals = arrivals_in(chunk.source)
    lost = LostSpans(chunk, arrivals)
    for decoded in read(chunk):
        rows = decoded.timed
        if arrivals is not None:
            rows = {name: marked(table, arrivals) for name, table in rows.items()}
            for table in rows.values():
                lost.note(table)
        writer.write(decoded.tables | rows)
        for name in counts:
            counts[name] += getattr(decoded, name)
    _is_the_same(chunk.source)
    receipt = writer.close(lost.spans(), **counts)
    faults.reach("chunk_written")
    leave_receipt(data, reading, chunk.start, receipt)
    return receipt


def _is_the_same(source: Source) -> None:
    """Raise SourceError where the file has gone or grown meanwhile: what was read of it is then not what was hashed."""
    try:
        size = os.path.getsize(source.path)
    except OSError as error:
        raise SourceError(
            f"{source.path}: went away while it was read ({error.strerror}); bring it back and run again"
        ) from error
    if size != source.bytes:
        raise SourceError(
            f"{source.path}: changed while it was read, from {source.bytes:,} to {size:,} bytes;"
            " wait until it is whole and run again"
        )
