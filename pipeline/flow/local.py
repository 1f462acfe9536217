"""The local engine: one slice is one bounded Beam pipeline over the table of steps.

Beam carries keys and barriers, and where the rows lie that one step sends to another; those rows, and the state by step
and shard, are files that the calls of the steps read and write. The runner is named: `DirectRunner` would pick one by
itself. The pipeline is built once and run for each slice (docs/decisions/0005).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stswatch.pipeline import faults, schema
from stswatch.pipeline.flow import workers
from stswatch.pipeline.flow.committed import checksums
from stswatch.pipeline.flow.embedded import Embedded
from stswatch.pipeline.flow.parcel import SENT, Sent
from stswatch.pipeline.flow.shard import Job, run_shard
from stswatch.pipeline.flow.stepwise import Waiting, cpu_s, expand
from stswatch.pipeline.steps import Step
from stswatch.pipeline.store.disk import discard, sync


class Flow:
    """The table of steps as a pipeline that can be run for one slice after the other."""

    def __init__(self, steps: Sequence[Step], worker_count: int) -> None:
        self._workers = worker_count
        self._pipeline = Embedded(lambda p, given: expand(p, steps, given))

    def run_slice(self, job: Job) -> dict[str, Any]:
        """Run one slice; gives what the catalogue is to keep of it, once the disk holds all its files.

        Raises what a step raised, OSError where the disk cannot hold it.
        """
        discard(job.folder, job.folder.parent)
        (job.folder / "state").mkdir(parents=True)
        faults.reach("slice_begun")
        result = self._pipeline.run(_InFiles(job, self._workers))
        shutil.rmtree(job.folder / SENT, ignore_errors=True)
        sync((path for path in job.folder.rglob("*") if path.is_file()), job.data)
        faults.reach("slice_written")
        return {"files": _files(job.folder), "checksums": checksums(job.folder), "cpu_s": cpu_s(result)}


class _InFiles:
    """The calls of one slice; with several workers the shards of a bundle run side by side."""

    def __init__(self, job: Job, worker_count: int) -> None:
        self._job, self._workers = job, worker_count
        self.steps, self.shards, self.together = job.steps, job.shards, worker_count > 1

    def each(self, step: str, waiting: Waiting) -> Iterator[tuple[list[Sent], int]]:
        """See Calls."""
        return workers.each(self._workers, [(run_shard, self._job, step, *given) for given in waiting])


def _files(folder: Path) -> dict[str, list[str]]:
    """The stored files of a slice by table, as paths within its folder."""
    files: dict[str, list[str]] = {table: [] for table in schema.EVENT_TABLES.values()}
    for path in sorted(folder.glob("*.parquet")):
        files[path.name.rpartition("-")[0]].append(path.name)
    return files
