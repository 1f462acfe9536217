"""The local engine: one slice is one bounded Beam pipeline over the table of steps, committed whole.

Beam carries keys and barriers, and where the rows lie that one step sends to another; those rows, and the state by step
and shard, are files that the calls of the steps read and write. The runner is named: `DirectRunner` would pick one by
itself. The pipeline is built once and run for each slice (docs/decisions/0005).
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import apache_beam as beam
from apache_beam.metrics import Metrics, MetricsFilter
from apache_beam.runners.runner import PipelineResult
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from stswatch.pipeline import faults, schema
from stswatch.pipeline.flow import workers
from stswatch.pipeline.flow.embedded import Embedded
from stswatch.pipeline.flow.parcel import SENT, Parcel
from stswatch.pipeline.flow.shard import Job, Sent, run_shard
from stswatch.pipeline.flow.slices import MANIFEST, described
from stswatch.pipeline.steps import Step
from stswatch.pipeline.store.disk import discard, sync, write_json

_CPU_US = "stswatch: CPU us"
_SENT = tuple[int, Parcel]  # what travels between steps: the shard it is for, and where the rows lie
_CALL = ("", "", 0, 0)  # nothing, but a call
_jobs: dict[int, Job] = {}  # what each flow works on: Beam keeps its pickled DoFns from one slice to the next
_numbers = itertools.count()


class Flow:
    """The table of steps as a pipeline that can be run for one slice after the other."""

    def __init__(self, steps: Sequence[Step], worker_count: int) -> None:
        self._number = next(_numbers)
        self._pipeline = Embedded(lambda p: expand(p, steps, self._number, worker_count))

    def run_slice(self, job: Job) -> None:
        """Run one slice and commit it: either its manifest is there with all its files, or it does not exist.

        Raises what a step raised, OSError where the disk cannot hold it.
        """
        discard(job.folder, job.folder.parent)
        (job.folder / "state").mkdir(parents=True)
        faults.reach("slice_begun")
        _jobs[self._number] = job
        try:
            result = self._pipeline.run()
        finally:
            del _jobs[self._number]
        shutil.rmtree(job.folder / SENT, ignore_errors=True)
        sync((path for path in job.folder.rglob("*") if path.is_file()), job.data)
        faults.reach("slice_written")
        manifest = {"slice": described(job.slice), "files": _files(job.folder), "cpu_s": _cpu_s(result)}
        write_json(job.folder / MANIFEST, manifest)
        faults.reach("slice_committed")


def expand(p: beam.Pipeline, steps: Sequence[Step], flow: int, worker_count: int) -> None:
    """For each step its shards, what was sent to them, and one call each."""
    names = [step.name for step in steps]
    # every shard is called, also with nothing to do: silence must pass too
    called = p | beam.Impulse() | "shards" >> beam.ParDo(_Shards(flow)).with_output_types(_SENT).with_outputs(*names)
    sent: dict[str, list[beam.PCollection]] = {name: [called[name]] for name in names}
    for k, step in enumerate(steps):
        later = [s.name for s in steps[k + 1 :] if set(s.takes) & set(step.gives)]
        inputs = tuple(sent[step.name]) | f"{step.name}: with rows" >> beam.Flatten().with_output_types(_SENT)
        given = (
            inputs
            | f"{step.name}: by shard" >> beam.GroupByKey()
            | f"{step.name}: step"
            >> beam.ParDo(_Call(step.name, flow, worker_count)).with_output_types(_SENT).with_outputs(*later)
        )
        for name in later:
            sent[name].append(given[name])


class _Shards(beam.DoFn):  # type: ignore[misc]
    """Gives a call for each shard of each step."""

    def __init__(self, flow: int) -> None:
        self._flow = flow

    def process(self, element: bytes) -> Iterator[beam.pvalue.TaggedOutput]:
        job = _jobs[self._flow]
        for step in job.steps:
            for shard in range(step.shards(job.shards)):
                yield beam.pvalue.TaggedOutput(step.name, (shard, _CALL))


class _Call(beam.DoFn):  # type: ignore[misc]
    """Calls a step for each shard; with several workers the shards of a bundle run side by side."""

    def __init__(self, step: str, flow: int, worker_count: int) -> None:
        self._name, self._flow, self._workers = step, flow, worker_count
        self._cpu_us = Metrics.counter(_CPU_US, step)
        self._waiting: list[tuple[int, list[Parcel]]] = []

    def process(self, element: tuple[int, Iterable[Parcel]]) -> Iterator[beam.pvalue.TaggedOutput]:
        shard, parcels = element
        self._waiting.append((shard, [parcel for parcel in parcels if parcel != _CALL]))
        if self._workers == 1:
            yield from self._given()

    def finish_bundle(self) -> Iterator[beam.pvalue.TaggedOutput]:
        everywhere = GlobalWindow()
        for output in self._given():
            rows = WindowedValue(output.value, everywhere.max_timestamp(), [everywhere])
            yield beam.pvalue.TaggedOutput(output.tag, rows)

    def _given(self) -> Iterator[beam.pvalue.TaggedOutput]:
        # the fullest shards first, so that none of them is left to run alone
        waiting, self._waiting = sorted(self._waiting, key=_bytes, reverse=True), []
        job = _jobs[self._flow]
        calls = [(run_shard, job, self._name, shard, parcels) for shard, parcels in waiting]
        done: Iterator[tuple[list[Sent], int]] = workers.each(self._workers, calls)
        for sent, cpu_us in done:
            self._cpu_us.inc(cpu_us)
            for target, shard, parcel in sent:
                yield beam.pvalue.TaggedOutput(target, (shard, parcel))


def _bytes(given: tuple[int, list[Parcel]]) -> int:
    """What was sent to a shard."""
    return sum(length for _, _, _, length in given[1])


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
