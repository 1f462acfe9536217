"""The table of steps as a Beam pipeline: keys and barriers, and where the rows lie that one step sends to another.

How a call is made, and where its rows and its state lie, is the matter of what the pipeline is run over (`Calls`):
slices of the archive have them in files (local.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import apache_beam as beam
from apache_beam.metrics import Metrics, MetricsFilter
from apache_beam.runners.runner import PipelineResult
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from stswatch.pipeline.flow.embedded import Given
from stswatch.pipeline.flow.parcel import Parcel, Sent
from stswatch.pipeline.steps import Step

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


def expand(p: beam.Pipeline, steps: Sequence[Step], given: Given) -> None:
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

    def __init__(self, given: Given) -> None:
        self._given = given

    def process(self, element: bytes) -> Iterator[beam.pvalue.TaggedOutput]:
        calls: Calls = self._given()
        for step in calls.steps:
            for shard in range(step.shards(calls.shards)):
                yield beam.pvalue.TaggedOutput(step.name, (shard, _CALL))


class _Call(beam.DoFn):  # type: ignore[misc]
    """Calls a step for each shard."""

    def __init__(self, step: str, given: Given) -> None:
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
