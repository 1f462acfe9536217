"""The pipelines as Beam transforms, and Beam's embedded engine, on which a run runs them.

A DoFn carries a specification that can be pickled, and nothing of the process that built it. Rows, states and receipts
lie in storage that every worker sees; an element says where, in plain words and numbers (docs/decisions/0015). So the
same transforms run in this process, in processes that Beam starts, and on a cluster.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics, MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import PipelineResult
from apache_beam.transforms.environments import EmbeddedPythonEnvironment
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from stswatch.pipeline import faults
from stswatch.pipeline.flow import workers
from stswatch.pipeline.flow.calls import SENT, Job, Parcel, Sent, announced, current_job, ingest_chunk, run_shard
from stswatch.pipeline.flow.cluster.flink import Cluster
from stswatch.pipeline.flow.cluster.portable import Remote
from stswatch.pipeline.flow.cluster.storage import (
    Storage,
    announced_there,
    carried,
    ingest_chunk_there,
    run_shard_there,
)
from stswatch.pipeline.flow.slices import checksums, stored_files
from stswatch.pipeline.readers.source import Chunk
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import Step, stages
from stswatch.pipeline.store.files import discard, sync

IN_PROCESS = ("--direct_num_workers=1",)
CPU_US = "stswatch: CPU us"  # the namespace of the counters of each step
_KEY = tuple[str, int]  # step, shard
_ROWS = tuple[_KEY, Parcel]  # what travels between steps: whom it is for, and where the rows lie
_CALL = ("", "", 0, 0, 0, 0)  # nothing, but a call

Waiting = list[tuple[_KEY, list[Parcel]]]

# ------------------------------------------------------------------------------------- the table of steps, over a slice
# Steps that wait for the same are one transform, their shards side by side: each barrier costs what 10,000 rows cost.


@dataclass(frozen=True)
class StepsSpec:
    """What the workers of a run share: the data folder, steps, rules, shards; processes of each worker.

    storage: where they find files and leave them; None where they see the data folder.
    """

    root: str
    steps: tuple[Step, ...]
    rules: Rules
    shards: int
    workers: int = 1
    storage: Storage | None = None

    def job(self) -> Job:
        """The slice that the storage says is to be run. Raises OSError where there is none."""
        root = announced_there(self.storage) if self.storage else Path(self.root)
        return current_job(root, self.steps, self.rules, self.shards)

    def run(self) -> Callable[..., tuple[list[Sent], int]]:
        """What runs a step for a shard, as run_shard does."""
        return partial(run_shard_there, self.storage) if self.storage else run_shard


class ApplySteps(beam.PTransform):  # type: ignore[misc]
    """Runs every step of one slice for every shard; the slice is the one that the storage names when it runs.

    Takes an empty pipeline. What the steps give lies in the folder of the slice; a PCollection of (step, shard) of the
    last stage comes back.
    """

    def __init__(self, spec: StepsSpec) -> None:
        super().__init__()
        self._spec = spec

    def expand(self, begin: beam.Pipeline) -> beam.PCollection:
        """The shards of each stage of steps, what was sent to them, and one call each."""
        if self._spec.shards == self._spec.workers == 1:  # each barrier costs what a small slice does
            return begin | beam.Impulse() | "steps" >> beam.ParDo(_CallAll(self._spec)).with_output_types(_ROWS)
        of = stages(self._spec.steps)
        tags = [str(k) for k in range(len(of))]
        # every shard is called, also with nothing to do: silence must pass too
        called = begin | beam.Impulse() | "shards" >> _par_do(_Shards(self._spec), tags)
        sent = {tag: [called[tag]] for tag in tags}
        for k, steps in enumerate(of):
            later = [str(n) for n in range(k + 1, len(of)) if any(_takes(step, steps) for step in of[n])]
            name = ", ".join(step.name for step in steps)
            inputs = tuple(sent[tags[k]]) | f"{name}: with rows" >> beam.Flatten().with_output_types(_ROWS)
            grouped = inputs | f"{name}: by shard" >> beam.GroupByKey()
            found = grouped | f"{name}: steps" >> _par_do(_Call(self._spec, k), [*later, _DONE])
            for tag in later:
                sent[tag].append(found[tag])
        return found[_DONE]


_DONE = "done"


def _par_do(do: beam.DoFn, tags: Sequence[str]) -> beam.PTransform:
    return beam.ParDo(do).with_output_types(_ROWS).with_outputs(*tags)


def _takes(step: Step, given_by: Iterable[Step]) -> bool:
    return any(set(step.takes) & set(before.gives) for before in given_by)


class _Shards(beam.DoFn):  # type: ignore[misc]
    """Gives a call for each shard of each step."""

    def __init__(self, spec: StepsSpec) -> None:
        self._spec = spec

    def process(self, element: bytes) -> Iterator[beam.pvalue.TaggedOutput]:
        for k, steps in enumerate(stages(self._spec.steps)):
            for step in steps:
                for shard in range(step.shards(self._spec.shards)):
                    yield beam.pvalue.TaggedOutput(str(k), ((step.name, shard), _CALL))


class _Call(beam.DoFn):  # type: ignore[misc]
    """Calls the steps of a stage for each shard; with several processes of its own those of a bundle side by side."""

    def __init__(self, spec: StepsSpec, stage: int) -> None:
        self._spec, self._stage = spec, stage
        self._cpu_us = {step.name: Metrics.counter(CPU_US, step.name) for step in stages(spec.steps)[stage]}

    def setup(self) -> None:
        self._stage_of = {step.name: str(k) for k, steps in enumerate(stages(self._spec.steps)) for step in steps}

    def start_bundle(self) -> None:
        self._job, self._waiting = self._spec.job(), Waiting()

    def process(self, element: tuple[_KEY, Iterable[Parcel]]) -> Iterator[beam.pvalue.TaggedOutput]:
        key, parcels = element
        # sorted: a shard that is tried again must write the same bytes
        self._waiting.append((key, sorted(parcel for parcel in parcels if parcel != _CALL)))
        if self._spec.workers == 1:
            yield from self._found()

    def finish_bundle(self) -> Iterator[beam.pvalue.TaggedOutput]:
        everywhere = GlobalWindow()
        for output in self._found():
            rows = WindowedValue(output.value, everywhere.max_timestamp(), [everywhere])
            yield beam.pvalue.TaggedOutput(output.tag, rows)

    def _found(self) -> Iterator[beam.pvalue.TaggedOutput]:
        # the fullest shards first, so that none of them is left to run alone
        waiting, self._waiting = sorted(self._waiting, key=_fullness, reverse=True), Waiting()
        calls = [(self._spec.run(), self._job, *key, parcels) for key, parcels in waiting]
        for (key, _), (sent, cpu_us) in zip(waiting, workers.each(self._spec.workers, calls), strict=True):
            self._cpu_us[key[0]].inc(cpu_us)
            for target, shard, parcel in sent:
                yield beam.pvalue.TaggedOutput(self._stage_of[target], ((target, shard), parcel))
            yield beam.pvalue.TaggedOutput(_DONE, (key, _CALL))


class _CallAll(beam.DoFn):  # type: ignore[misc]
    """Calls every step of a slice of one shard, one after the other."""

    def __init__(self, spec: StepsSpec) -> None:
        self._spec = spec
        self._cpu_us = {step.name: Metrics.counter(CPU_US, step.name) for step in spec.steps}

    def process(self, element: bytes) -> Iterator[_ROWS]:
        job = self._spec.job()
        waiting: dict[str, list[Parcel]] = {step.name: [] for step in job.steps}
        for step in job.steps:
            sent, cpu_us = self._spec.run()(job, step.name, 0, waiting.pop(step.name))
            self._cpu_us[step.name].inc(cpu_us)
            for target, _, parcel in sent:
                waiting[target].append(parcel)
            yield (step.name, 0), _CALL


def _fullness(given: tuple[_KEY, list[Parcel]]) -> int:
    """How many rows were sent to a shard."""
    return sum(count for *_, count in given[1])


# ------------------------------------------------------------------------------------ chunks of archives, into the lake


@dataclass(frozen=True)
class IngestSpec:
    """The data folder, the slab of the lake, microseconds, how many processes each worker has; storage as above."""

    root: str
    slab_us: int
    workers: int = 1
    storage: Storage | None = None

    def decode(self) -> Callable[[str, Chunk, int], object]:
        """What decodes a chunk, as ingest_chunk does: reading, chunk, slab."""
        if self.storage:
            return partial(ingest_chunk_there, self.storage)
        return partial(ingest_chunk, Path(self.root))


ChunkOf = tuple[str, Chunk]  # the reading that a chunk is of, and the chunk: path, range, format and options


class IngestChunks(beam.PTransform):  # type: ignore[misc]
    """Decodes a PCollection of ChunkOf into the lake, and leaves a receipt of each there; gives nothing."""

    def __init__(self, spec: IngestSpec) -> None:
        super().__init__()
        self._spec = spec

    def expand(self, chunks: beam.PCollection) -> beam.PCollection:
        """A call for each chunk."""
        return chunks | "decode" >> beam.ParDo(_Ingest(self._spec))


class _Ingest(beam.DoFn):  # type: ignore[misc]
    """Decodes chunks; with several processes of its own those of a bundle side by side."""

    def __init__(self, spec: IngestSpec) -> None:
        self._spec = spec

    def start_bundle(self) -> None:
        self._waiting: list[ChunkOf] = []

    def process(self, element: ChunkOf) -> None:
        self._waiting.append(element)

    def finish_bundle(self) -> None:
        decode, slab_us = self._spec.decode(), self._spec.slab_us
        calls = [(decode, reading, chunk, slab_us) for reading, chunk in self._waiting]
        for _ in workers.each(self._spec.workers, calls):
            pass


# --------- A pipeline that is built once and run again and again in this process
# FnApiRunner is named explicitly: `DirectRunner` would pick one by itself. Building and translating a pipeline costs
# some 0.3 s, which every slice would pay again. `run_via_runner_api` is not promised by Beam, whose version is pinned:
# where it is not there the pipeline is built for each run.


class Embedded:
    """A pipeline on the embedded engine; `expand` puts its transforms into an empty one."""

    def __init__(
        self, expand: Callable[[beam.Pipeline], object], anew: bool = False, options: Sequence[str] = IN_PROCESS
    ) -> None:
        """anew: build it for each run, as Beam's documented calls do. options: of Beam."""
        workers.pass_over_what_stays()
        logging.getLogger("apache_beam.runners.common").setLevel(logging.CRITICAL)  # it logs what it raises
        self._expand = expand
        self._options = PipelineOptions(list(options))
        self._runner = FnApiRunner()
        self._proto: Any = None
        if not anew and tuple(options) == IN_PROCESS and hasattr(self._runner, "run_via_runner_api"):
            environment = EmbeddedPythonEnvironment.default()
            built = self._built()
            self._proto = built.to_runner_api(default_environment=environment)
            _forget_folder(built)

    def run(self) -> PipelineResult:
        """Run it to its end. Raises what a DoFn raised, as it was raised, KeyboardInterrupt too."""
        try:
            if self._proto is None:
                result = self._built().run()
            else:
                result = self._runner.run_via_runner_api(self._proto, self._options)
            result.wait_until_finish()
            return result
        except BaseException as error:
            failed = error
        # Beam raises another in its place that names the transform, of another type where it cannot make one of it
        while "[while running" in str(failed) and failed.__context__ is not None:
            failed = failed.__context__
        raise failed

    def _built(self) -> beam.Pipeline:
        p = beam.Pipeline(runner=self._runner, options=self._options)
        self._expand(p)
        return p


def _forget_folder(built: beam.Pipeline) -> None:
    """Remove the empty folder that Beam makes for each pipeline, and removes only where it runs it itself."""
    if folder := getattr(built, "local_tempdir", None):
        with suppress(OSError):
            os.rmdir(folder)


def decode(
    chunks: Sequence[ChunkOf], spec: IngestSpec, options: Sequence[str] = IN_PROCESS, cluster: Cluster | None = None
) -> None:
    """Decode chunks into the lake, which then has a receipt of each. Raises what a chunk raised; see also Remote."""

    def expand(p: beam.Pipeline) -> object:
        return p | "chunks" >> beam.Create(chunks, reshuffle=False) | IngestChunks(spec)

    def spread(p: beam.Pipeline) -> object:
        return p | "chunks" >> beam.Create(chunks) | "spread" >> beam.Reshuffle() | IngestChunks(spec)

    (Remote(spread, cluster) if cluster else Embedded(expand, anew=True, options=options)).run()


# ----------------------------------- One slice after the other: each is one bounded run of the pipeline of all steps


class Flow:
    """The table of steps as a pipeline that can be run for one slice after the other."""

    def __init__(self, spec: StepsSpec, options: Sequence[str] = IN_PROCESS, cluster: Cluster | None = None) -> None:
        def expand(p: beam.Pipeline) -> object:
            return p | ApplySteps(spec)

        self._pipeline = Remote(expand, cluster) if cluster else Embedded(expand, options=options)
        self._storage = spec.storage

    def run_slice(self, job: Job) -> dict[str, Any]:
        """Run one slice; gives what the catalogue is to keep of it, once the disk holds all its files.

        Raises what a step raised, OSError where the disk cannot hold it.
        """
        discard(job.folder, job.folder.parent)
        (job.folder / "state").mkdir(parents=True)
        faults.reach("slice_begun")
        with announced(job), carried(self._storage, job):
            result = self._pipeline.run()
        shutil.rmtree(job.folder / SENT, ignore_errors=True)
        sync((path for path in job.folder.rglob("*") if path.is_file()), job.data)
        faults.reach("slice_written")
        return {"files": stored_files(job.folder), "checksums": checksums(job.folder), "cpu_s": cpu_s(result)}


def cpu_s(result: PipelineResult) -> dict[str, float]:
    """CPU seconds that the calls of each step took, in whatever process."""
    counters = result.metrics().query(MetricsFilter().with_namespace(CPU_US))["counters"]
    return {counter.key.metric.name: counter.result / 1e6 for counter in counters}
