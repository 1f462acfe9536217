"""The local engine: one slice is one bounded Beam pipeline over the table of steps, committed whole.

Beam carries keys and barriers, and where the rows lie that one step sends to another; those rows, and the state by step
and shard, are files that the calls of the steps read and write. The runner is named: `DirectRunner` would pick one by
itself.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics, MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from stswatch.pipeline import faults, schema
from stswatch.pipeline.flow import workers
from stswatch.pipeline.flow.parcel import SENT, Parcel
from stswatch.pipeline.flow.shard import Job, run_shard
from stswatch.pipeline.flow.slices import described
from stswatch.pipeline.steps import Step
from stswatch.pipeline.store.disk import discard, sync, write_json

MANIFEST = "manifest.json"
_CPU_US = "stswatch: CPU us"
_SENT = tuple[int, Parcel]  # what travels between steps: the shard it is for, and where the rows lie
_CALL = ("", "", 0, 0)  # nothing, but a call


def run_slice(job: Job, worker_count: int) -> None:
    """Run one slice and commit it: either its manifest is there with all its files, or it does not exist."""
    discard(job.folder, job.folder.parent)
    (job.folder / "state").mkdir(parents=True)
    faults.reach("slice_begun")
    p = pipeline()
    expand(p, job, worker_count)
    result = completed(p)
    shutil.rmtree(job.folder / SENT, ignore_errors=True)
    sync((path for path in job.folder.rglob("*") if path.is_file()), job.data)
    faults.reach("slice_written")
    manifest = {"slice": described(job.slice), "files": _files(job.folder), "cpu_s": _cpu_s(result)}
    write_json(job.folder / MANIFEST, manifest)
    faults.reach("slice_committed")


def pipeline() -> beam.Pipeline:
    """An empty pipeline on the embedded engine."""
    logging.getLogger("apache_beam.runners.common").setLevel(logging.CRITICAL)  # it logs what it raises
    return beam.Pipeline(runner="FnApiRunner", options=PipelineOptions(["--direct_num_workers=1"]))


def completed(p: beam.Pipeline) -> PipelineResult:
    """Run a pipeline to its end. Raises what a DoFn raised, as it was raised, KeyboardInterrupt too."""
    try:
        result = p.run()
        result.wait_until_finish()
        return result
    except BaseException as error:
        failed = error
    # Beam raises another in its place that names the transform, of another type where it cannot make one of the same
    while "[while running" in str(failed) and failed.__context__ is not None:
        failed = failed.__context__
    raise failed


def expand(p: beam.Pipeline, job: Job, worker_count: int) -> None:
    """The flow of one slice: for each step its shards, what was sent to them, and one call each."""
    sent: dict[str, list[beam.PCollection]] = {step.name: [] for step in job.steps}
    for k, step in enumerate(job.steps):
        later = [s.name for s in job.steps[k + 1 :] if set(s.takes) & set(step.gives)]
        # every shard is called, also with nothing to do: silence must pass too
        shards = [(shard, _CALL) for shard in range(step.shards(job.shards))]
        called = p | f"{step.name}: shards" >> beam.Create(shards, reshuffle=False).with_output_types(_SENT)
        inputs = (called, *sent[step.name]) | f"{step.name}: with rows" >> beam.Flatten().with_output_types(_SENT)
        given = (
            inputs
            | f"{step.name}: by shard" >> beam.GroupByKey()
            | f"{step.name}: step"
            >> beam.ParDo(_Call(step, job, worker_count)).with_output_types(_SENT).with_outputs(*later)
        )
        for name in later:
            sent[name].append(given[name])


class _Call(beam.DoFn):  # type: ignore[misc]
    """Calls a step for each shard; with several workers the shards of a bundle run side by side."""

    def __init__(self, step: Step, job: Job, worker_count: int) -> None:
        self._name, self._job, self._workers = step.name, job, worker_count
        self._cpu_us = Metrics.counter(_CPU_US, step.name)
        self._running: list[Future[Any]] = []

    def process(self, element: tuple[int, Iterable[Parcel]]) -> Iterator[beam.pvalue.TaggedOutput]:
        shard, parcels = element
        given = [parcel for parcel in parcels if parcel != _CALL]
        self._running.append(workers.submit(self._workers, run_shard, self._job, self._name, shard, given))
        if self._workers == 1:
            yield from self._given()

    def finish_bundle(self) -> Iterator[beam.pvalue.TaggedOutput]:
        everywhere = GlobalWindow()
        for output in self._given():
            rows = WindowedValue(output.value, everywhere.max_timestamp(), [everywhere])
            yield beam.pvalue.TaggedOutput(output.tag, rows)

    def _given(self) -> Iterator[beam.pvalue.TaggedOutput]:
        running, self._running = self._running, []
        for future in running:
            sent, cpu_us = future.result()
            self._cpu_us.inc(cpu_us)
            for target, shard, parcel in sent:
                yield beam.pvalue.TaggedOutput(target, (shard, parcel))


def _cpu_s(result: PipelineResult) -> dict[str, float]:
    """CPU seconds that the calls of each step took, in whatever process."""
    counters = result.metrics().query(MetricsFilter().with_namespace(_CPU_US))["counters"]
    return {counter.key.metric.name: counter.result / 1e6 for counter in counters}


def _files(folder: Path) -> dict[str, list[str]]:
    """The stored files of a slice by table, as paths within its folder."""
    files: dict[str, list[str]] = {table: [] for table in schema.EVENT_TABLES.values()}
    for path in sorted(folder.glob("*.parquet")):
        files[path.name.rpartition("-")[0]].append(path.name)
    return files


def committed(folder: Path) -> bool:
    """Whether a slice is there."""
    return (folder / MANIFEST).exists()
