"""Beam's embedded engine, FnApiRunner: a pipeline that is built once and run again and again in this process.

Building and translating a pipeline costs some 0.3 s, which every slice would pay again. And Beam measures where a
bundle spends its time with a thread that, asked to stop, sleeps to the end of its period, up to 0.2 s: with a short
period the workers need not wait for it after each step. Both use what Beam does not promise to keep; where it is not
there the pipeline is built anew each time, and waits.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import PipelineResult
from apache_beam.runners.worker import bundle_processor, statesampler
from apache_beam.transforms.environments import EmbeddedPythonEnvironment

_PERIOD_MS = 5
_handed: dict[int, Any] = {}  # by pipeline: Beam pickles a DoFn with what it holds, and keeps it from run to run
_numbers = itertools.count()


class Given:
    """What a run of one pipeline is about: a DoFn holds this, and calls it while it runs. Picklable."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __call__(self) -> Any:
        """What `Embedded.run` was handed."""
        return _handed[self._number]


class Embedded:
    """A pipeline on the embedded engine; `expand` puts its transforms into an empty one."""

    def __init__(self, expand: Callable[[beam.Pipeline, Given], None], anew: bool = False) -> None:
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
        self._expand(p, Given(self._number))
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
