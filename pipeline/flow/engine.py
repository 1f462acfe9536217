"""Beam's embedded engine, FnApiRunner, and what runs on it: decoding, and the steps over files or in memory."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import apache_beam as beam
from apache_beam.metrics import Metrics, MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import PipelineResult
from apache_beam.runners.worker import bundle_processor, statesampler
from apache_beam.transforms.environments import EmbeddedPythonEnvironment
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from stswatch.pipeline import faults, schema
from stswatch.pipeline.batch import Batch, Tables
from stswatch.pipeline.flow import workers
from stswatch.pipeline.flow.calls import SENT, Job, Parcel, Sent, run_shard
from stswatch.pipeline.flow.slices import States, checksums
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import Step
from stswatch.pipeline.store.files import discard, sync
from stswatch.pipeline.store.lake import Receipt

# --------- Beam's embedded engine, FnApiRunner: a pipeline that is built once and run again and again in this process
# Building and translating a pipeline costs some 0.3 s, which every slice would pay again. And Beam measures where a
# bundle spends its time with a thread that, asked to stop, sleeps to the end of its period, up to 0.2 s: with a short
# period the workers need not wait for it after each step. Both use what Beam does not promise to keep; where it is not
# there the pipeline is built anew each time, and waits.

_PERIOD_MS = 5
_handed: dict[int, Any] = {}  # by pipeline: Beam pickles a DoFn with what it holds, and keeps it from run to run
_numbers = itertools.count()


class RunInput:
    """What a run of one pipeline is about: a DoFn holds this, and calls it while it runs. Picklable."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __call__(self) -> Any:
        """What `Embedded.run` was handed."""
        return _handed[self._number]


class Embedded:
    """A pipeline on the embedded engine; `expand` puts its transforms into an empty one."""

    def __init__(self, expand: Callable[[beam.Pipeline, RunInput], None], anew: bool = False) -> None:
        """anew: build it for each run, as Beam's documented calls do."""
        logging.getLogger("apache_beam.runners.common").setLevel(logging.CRITICAL)  # it logs what it raises
        self._expand, self._number = expand, next(_numbers)
        self._options = PipelineOptions(["--direct_num_workers=1"])
        self._runner = FnApiRunner()
        self._proto: Any = None
        if not anew and hasattr(self._runner, "run_via_runner_api"):
            environment = EmbeddedPythonEnvironment.default()
            built = self._built()
            self._proto = built.to_runner_api(default_environment=environment)
            _forget_folder(built)

    def run(self, given: Any = None) -> PipelineResult:
        """Run it to its end, over what is given. Raises what a DoFn raised, as it was raised, KeyboardInterrupt too."""
        _handed[self._number] = given
        try:
            with _short_period():
                if self._proto is None:
                    result = self._built().run()
                else:
                    result = self._runner.run_via_runner_api(self._proto, self._options)
                result.wait_until_finish()
            return result
        except BaseException as error:
            failed = error
        finally:
            del _handed[self._number]
        # Beam raises another in its place that names the transform, of another type where it cannot make one of it
        while "[while running" in str(failed) and failed.__context__ is not None:
            failed = failed.__context__
        raise failed

    def _built(self) -> beam.Pipeline:
        p = beam.Pipeline(runner=self._runner, options=self._options)
        self._expand(p, RunInput(self._number))
        return p


def _forget_folder(built: beam.Pipeline) -> None:
    """Remove the empty folder that Beam makes for each pipeline, and removes only where it runs it itself."""
    if folder := getattr(built, "local_tempdir", None):
        with suppress(OSError):
            os.rmdir(folder)


class _Sampler(statesampler.StateSampler):  # type: ignore[misc]
    """Beam's clock of states with a short period."""

    def __init__(self, prefix: str, counter_factory: Any) -> None:
        super().__init__(prefix, counter_factory, sampling_period_ms=_PERIOD_MS)


@contextmanager
def _short_period() -> Iterator[None]:
    """Have the pipelines of this block measured with a short period; elsewhere Beam does as it did."""
    module = bundle_processor.statesampler
    before = module.StateSampler
    module.StateSampler = _Sampler
    try:
        yield
    finally:
        module.StateSampler = before


# --------- The Beam pipeline that decodes archives: an element is a chunk, and what is found in it goes into the lake
# With several workers the chunks were handed to them before this module, and with it Beam, was imported: the pipeline
# then waits for what they have done (docs/decisions/0005).

Chunks = Sequence[Callable[[], Receipt]]  # each decodes a chunk, or waits for it, and gives its receipt


def decode(chunks: Chunks, receive: Callable[[int, Receipt], None]) -> None:
    """Decode all chunks; hands over the number and the receipt of each when it is done, to this process.

    Raises what a chunk raised.
    """
    Embedded(lambda p, given: expand_chunks(p, given, len(chunks))).run((chunks, receive))


def expand_chunks(p: beam.Pipeline, given: RunInput, count: int) -> None:
    """The chunks, and a call for each."""
    _ = (
        p
        | "chunks" >> beam.Create(range(count), reshuffle=False).with_output_types(int)
        | "decode" >> beam.ParDo(_Decode(given))
    )


class _Decode(beam.DoFn):  # type: ignore[misc]
    """Decodes chunks of a run, by number."""

    def __init__(self, given: RunInput) -> None:
        self._given = given

    def process(self, element: int) -> None:
        chunks, receive = self._given()
        receive(element, chunks[element]())


# ----------------------------------------------------------------------------------------------------------------
# The table of steps as a Beam pipeline: keys and barriers, and where the rows lie that one step sends to another
# How a call is made, and where its rows and its state lie, is the matter of what the pipeline is run over (`Calls`):
# slices of the archive have them in files (see below).

_CPU_US = "stswatch: CPU us"
_SENT = tuple[int, Parcel]  # what travels between steps: the shard it is for, and where the rows lie
_CALL = ("", "", 0, 0)  # nothing, but a call

Waiting = list[tuple[int, list[Parcel]]]  # shards, and what was sent to each


class Calls(Protocol):
    """What a run of the pipeline works on."""

    steps: tuple[Step, ...]
    shards: int
    together: bool  # whether the shards of a bundle are called at once, side by side, or each as it comes

    def each(self, step: str, waiting: Waiting) -> Iterable[tuple[list[Sent], int]]:
        """Call a step for shards: what later steps take, and the CPU time of each call, microseconds."""


def expand(p: beam.Pipeline, steps: Sequence[Step], given: RunInput) -> None:
    """For each step its shards, what was sent to them, and one call each."""
    names = [step.name for step in steps]
    # every shard is called, also with nothing to do: silence must pass too
    called = p | beam.Impulse() | "shards" >> beam.ParDo(_Shards(given)).with_output_types(_SENT).with_outputs(*names)
    sent: dict[str, list[beam.PCollection]] = {name: [called[name]] for name in names}
    for k, step in enumerate(steps):
        later = [s.name for s in steps[k + 1 :] if set(s.takes) & set(step.gives)]
        inputs = tuple(sent[step.name]) | f"{step.name}: with rows" >> beam.Flatten().with_output_types(_SENT)
        found = (
            inputs
            | f"{step.name}: by shard" >> beam.GroupByKey()
            | f"{step.name}: step" >> beam.ParDo(_Call(step.name, given)).with_output_types(_SENT).with_outputs(*later)
        )
        for name in later:
            sent[name].append(found[name])


def cpu_s(result: PipelineResult) -> dict[str, float]:
    """CPU seconds that the calls of each step took, in whatever process."""
    counters = result.metrics().query(MetricsFilter().with_namespace(_CPU_US))["counters"]
    return {counter.key.metric.name: counter.result / 1e6 for counter in counters}


class _Shards(beam.DoFn):  # type: ignore[misc]
    """Gives a call for each shard of each step."""

    def __init__(self, given: RunInput) -> None:
        self._given = given

    def process(self, element: bytes) -> Iterator[beam.pvalue.TaggedOutput]:
        calls: Calls = self._given()
        for step in calls.steps:
            for shard in range(step.shards(calls.shards)):
                yield beam.pvalue.TaggedOutput(step.name, (shard, _CALL))


class _Call(beam.DoFn):  # type: ignore[misc]
    """Calls a step for each shard."""

    def __init__(self, step: str, given: RunInput) -> None:
        self._name, self._given = step, given
        self._cpu_us = Metrics.counter(_CPU_US, step)
        self._waiting: Waiting = []

    def process(self, element: tuple[int, Iterable[Parcel]]) -> Iterator[beam.pvalue.TaggedOutput]:
        shard, parcels = element
        self._waiting.append((shard, [parcel for parcel in parcels if parcel != _CALL]))
        calls: Calls = self._given()
        if not calls.together:
            yield from self._found(calls)

    def finish_bundle(self) -> Iterator[beam.pvalue.TaggedOutput]:
        everywhere = GlobalWindow()
        for output in self._found(self._given()):
            rows = WindowedValue(output.value, everywhere.max_timestamp(), [everywhere])
            yield beam.pvalue.TaggedOutput(output.tag, rows)

    def _found(self, calls: Calls) -> Iterator[beam.pvalue.TaggedOutput]:
        # the fullest shards first, so that none of them is left to run alone
        waiting, self._waiting = sorted(self._waiting, key=_bytes, reverse=True), []
        for sent, cpu_us in calls.each(self._name, waiting):
            self._cpu_us.inc(cpu_us)
            for target, shard, parcel in sent:
                yield beam.pvalue.TaggedOutput(target, (shard, parcel))


def _bytes(given: tuple[int, list[Parcel]]) -> int:
    """What was sent to a shard."""
    return sum(length for _, _, _, length in given[1])


# ----------------------------------- The local engine: one slice is one bounded Beam pipeline over the table of steps
# Beam carries keys and barriers, and where the rows lie that one step sends to another; those rows, and the state by
# step and shard, are files that the calls of the steps read and write. The runner is named: `DirectRunner` would pick
# one by itself. The pipeline is built once and run for each slice (docs/decisions/0005).


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


# ----------------------------------------------------------------------------------------------------------------
# What stands so far: the six steps once more on Beam, as if the data ended now, all in memory and nothing committed
# There is one shard, so a step needs no barrier to have all its rows: the steps stand in a row, and Beam runs them as
# one bundle, where slices of the archive take two for each step (see above). Steps change nothing that they are
# given, so the states after the last finalized slice serve again for the next time.


class ProvisionalRun:
    """The table of steps as a pipeline that says what stands so far, as often as it is asked."""

    def __init__(self, steps: Sequence[Step], rules: Rules) -> None:
        self._steps, self._rules = {step.name: step for step in steps}, rules
        self._pipeline = Embedded(lambda p, given: _expand(p, steps, given))

    def at(self, states: States, lake: Tables, watermark_us: int) -> Tables:
        """The rows of every table that the steps give for these states and rows of the lake, the data ending there.

        Raises what a step raised.
        """
        question = _Question(self._steps, states, dict(lake), watermark_us, self._rules)
        self._pipeline.run(question)
        return {name: rows for name, rows in question.rows.items() if name not in lake}


@dataclass(frozen=True)
class _Question:
    """What one run of the pipeline is about; rows: those of the lake, and then what each step gave."""

    steps: dict[str, Step]
    states: States
    rows: Tables
    watermark_us: int
    rules: Rules

    def ask(self, name: str) -> None:
        """Call a step, with what the steps before it gave."""
        step = self.steps[name]
        taken = {table: self.rows[table] for table in step.takes if table in self.rows}
        result = step.run(self.states[name], Batch(taken, self.watermark_us, final=True), self.rules)
        self.rows.update(result.rows)


def _expand(p: beam.Pipeline, steps: Sequence[Step], given: RunInput) -> None:
    turn = p | beam.Impulse()
    for step in steps:
        turn = turn | step.name >> beam.ParDo(_CallInMemory(step.name, given)).with_output_types(bytes)


class _CallInMemory(beam.DoFn):  # type: ignore[misc]
    """Calls a step, then gives the next its turn. Rows do not travel: Beam would pickle them to weigh them."""

    def __init__(self, step: str, given: RunInput) -> None:
        self._name, self._given = step, given

    def process(self, element: bytes) -> Iterator[bytes]:
        self._given().ask(self._name)
        yield element
