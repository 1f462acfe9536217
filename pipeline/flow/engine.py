"""Beam's embedded engine, FnApiRunner, named explicitly: `DirectRunner` would pick one by itself.

It runs what `apply_steps` builds. On another runner the transforms are the same, and the files lie where all workers
see them.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.metrics import MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import PipelineResult
from apache_beam.transforms.environments import EmbeddedPythonEnvironment

from stswatch.pipeline import faults, schema
from stswatch.pipeline.flow.apply_steps import CPU_US, ApplySteps, ChunkOf, IngestChunks, IngestSpec, StepsSpec
from stswatch.pipeline.flow.calls import SENT, Job, announced
from stswatch.pipeline.flow.slices import checksums
from stswatch.pipeline.store.files import discard, sync

IN_PROCESS = ("--direct_num_workers=1",)

# --------- A pipeline that is built once and run again and again in this process
# Building and translating a pipeline costs some 0.3 s, which every slice would pay again. `run_via_runner_api` is not
# promised by Beam, whose version is pinned: where it is not there the pipeline is built for each run.


class Embedded:
    """A pipeline on the embedded engine; `expand` puts its transforms into an empty one."""

    def __init__(
        self, expand: Callable[[beam.Pipeline], object], anew: bool = False, options: Sequence[str] = IN_PROCESS
    ) -> None:
        """anew: build it for each run, as Beam's documented calls do. options: of Beam."""
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


def decode(chunks: Sequence[ChunkOf], spec: IngestSpec, options: Sequence[str] = IN_PROCESS) -> None:
    """Decode chunks into the lake, which then has a receipt of each. Raises what a chunk raised."""

    def expand(p: beam.Pipeline) -> object:
        return p | "chunks" >> beam.Create(chunks, reshuffle=False) | IngestChunks(spec)

    Embedded(expand, anew=True, options=options).run()


# ----------------------------------- One slice after the other: each is one bounded run of the pipeline of all steps


class Flow:
    """The table of steps as a pipeline that can be run for one slice after the other."""

    def __init__(self, spec: StepsSpec, options: Sequence[str] = IN_PROCESS) -> None:
        self._pipeline = Embedded(lambda p: p | ApplySteps(spec), options=options)

    def run_slice(self, job: Job) -> dict[str, Any]:
        """Run one slice; gives what the catalogue is to keep of it, once the disk holds all its files.

        Raises what a step raised, OSError where the disk cannot hold it.
        """
        discard(job.folder, job.folder.parent)
        (job.folder / "state").mkdir(parents=True)
        faults.reach("slice_begun")
        with announced(job):
            result = self._pipeline.run()
        shutil.rmtree(job.folder / SENT, ignore_errors=True)
        sync((path for path in job.folder.rglob("*") if path.is_file()), job.data)
        faults.reach("slice_written")
        return {"files": _files(job.folder), "checksums": checksums(job.folder), "cpu_s": cpu_s(result)}


def cpu_s(result: PipelineResult) -> dict[str, float]:
    """CPU seconds that the calls of each step took, in whatever process."""
    counters = result.metrics().query(MetricsFilter().with_namespace(CPU_US))["counters"]
    return {counter.key.metric.name: counter.result / 1e6 for counter in counters}


def _files(folder: Path) -> dict[str, list[str]]:
    """The stored files of a slice by table, as paths within its folder."""
    files: dict[str, list[str]] = {table: [] for table in schema.EVENT_TABLES.values()}
    for path in sorted(folder.glob("*.parquet")):
        files[path.name.rpartition("-")[0]].append(path.name)
    return files
