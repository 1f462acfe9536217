"""One call of one step for one shard: read, call, write. Free of Beam, so that any worker process can do it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stswatch.pipeline import faults, schema
from stswatch.pipeline.batch import Batch, Tables, from_bytes, to_bytes
from stswatch.pipeline.flow.parcel import Outbox, Parcel, Sent, opened
from stswatch.pipeline.flow.slices import Slice
from stswatch.pipeline.routes import LAKE_SHARDS
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import LAKE_TABLES, Step, parcels
from stswatch.pipeline.store import lake

_READ = {
    "fixes": (
        *("mmsi", "time", "lon", "lat", "sog_kn", "heading_deg", "msg_type", "receiver", "invalid"),
        lake.ROUNDED,
    ),
    "static_reports": (
        *("mmsi", "time", "imo", "name", "call_sign", "ship_type"),
        *("length_m", "beam_m", "draught_m", "destination", "invalid"),
    ),
}


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


def run_shard(job: Job, name: str, shard: int, given: Iterable[Parcel]) -> tuple[list[Sent], int]:
    """Call one step for one shard; writes its state and its stored rows.

    Gives what later steps take, and the CPU time that all of it took, microseconds.
    """
    began = time.process_time()
    step = job.step(name)
    n = step.shards(job.shards)
    tables = opened(job.folder, given) | _from_lake(job, step, shard, n)
    state = _read_state(job, step, shard)
    result = step.run(state, Batch(tables, job.slice.frontier_us, job.slice.final, shard, n), job.rules)
    if step.state and not job.slice.final:
        _write(job.folder / "state" / f"{name}-{shard}.arrow", to_bytes(result.state))
    later = job.steps[job.steps.index(step) + 1 :]
    out: list[Sent] = []
    with Outbox(job.folder, f"{name}-{shard}") as outbox:
        for table, rows in result.rows.items():
            _store(job, table, shard, rows)
            for target, to, part in parcels(table, rows, later, job.shards, job.rules):
                out.append((target, to, outbox.put(table, part)))
    return out, round((time.process_time() - began) * 1e6)


def _from_lake(job: Job, step: Step, shard: int, n: int) -> Tables:
    """The rows of the lake that a step takes: those of its lake shards, in the span of the slice."""
    first, last = (-(-k * LAKE_SHARDS // n) for k in (shard, shard + 1))
    span = job.slice.start_us, job.slice.end_us
    tables = {}
    for table in LAKE_TABLES:
        if table in step.takes:
            parts = [p for p in job.slice.parts if p.table == table]
            tables[table] = lake.read(job.data, parts, _READ[table], (first, last), span, table)
    return tables


def _read_state(job: Job, step: Step, shard: int) -> Tables:
    if job.before is None or not step.state:
        return step.no_state()
    return from_bytes((job.before / "state" / f"{step.name}-{shard}.arrow").read_bytes())


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


def _write(path: Path, content: bytes) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(content)
    faults.reach("state_part")
    part.replace(path)
    faults.reach("state_written")
