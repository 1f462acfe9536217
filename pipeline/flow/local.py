"""The local engine: one slice is one bounded Beam pipeline over the table of steps, committed whole.

Beam carries keys and barriers, and where the rows lie that one step sends to another; those rows, and the state by step
and shard, are files that the calls of the steps read and write. The runner is named: `DirectRunner` would pick one by
itself. The pipeline is built once and run for each slice (docs/decisions/0005).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from stswatch.pipeline import faults, schema
from stswatch.pipeline.flow import workers
from stswatch.pipeline.flow.committed import checksums, forget
from stswatch.pipeline.flow.embedded import Embedded
from stswatch.pipeline.flow.parcel import SENT, Sent
from stswatch.pipeline.flow.shard import Job, run_shard
from stswatch.pipeline.flow.slices import MANIFEST, described
from stswatch.pipeline.flow.stepwise import Waiting, cpu_s, expand
from stswatch.pipeline.steps import Step
from stswatch.pipeline.store.disk import discard, sync, write_json


class Flow:
    """The table of steps as a pipeline that can be run for one slice after the other."""

    def __init__(self, steps: Sequence[Step], worker_count: int) -> None:
        self._workers = worker_count
        self._pipeline = Embedded(lambda p, given: expand(p, steps, given))

    def run_slice(self, job: Job) -> None:
        """Run one slice and commit it: either its manifest is there with all its files, or it does not exist.

        Raises what a step raised, OSError where the disk cannot hold it.
        """
        discard(job.folder, job.folder.parent)
        (job.folder / "state").mkdir(parents=True)
        faults.reach("slice_begun")
        result = self._pipeline.run(_InFiles(job, self._workers))
        shutil.rmtree(job.folder / SENT, ignore_errors=True)
        sync((path for path in job.folder.rglob("*") if path.is_file()), job.data)
        faults.reach("slice_written")
        files, crcs = _files(job.folder), checksums(job.folder)
        told = {"slice": described(job.slice), "files": files, "checksums": crcs, "cpu_s": cpu_s(result)}
        write_json(job.folder / MANIFEST, told, checksum=True)
        forget(job.folder)
        faults.reach("slice_committed")


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
