"""What stands so far: the six steps once more on Beam, as if the data ended now, all in memory and nothing committed.

There is one shard, so a step needs no barrier to have all its rows: the steps stand in a row, and Beam runs them as one
bundle, where slices of the archive take two for each step (stepwise.py). Steps change nothing that they are given, so
the states after the last sealed slice serve again for the next time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import apache_beam as beam

from stswatch.pipeline.batch import Batch, Tables
from stswatch.pipeline.flow.embedded import Embedded, Given
from stswatch.pipeline.flow.standing import States
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import Step


class Peek:
    """The table of steps as a pipeline that says what stands so far, as often as it is asked."""

    def __init__(self, steps: Sequence[Step], rules: Rules) -> None:
        self._steps, self._rules = {step.name: step for step in steps}, rules
        self._pipeline = Embedded(lambda p, given: _expand(p, steps, given))

    def at(self, states: States, lake: Tables, frontier_us: int) -> Tables:
        """The rows of every table that the steps give for these states and rows of the lake, the data ending there.

        Raises what a step raised.
        """
        question = _Question(self._steps, states, dict(lake), frontier_us, self._rules)
        self._pipeline.run(question)
        return {name: rows for name, rows in question.rows.items() if name not in lake}


@dataclass(frozen=True)
class _Question:
    """What one run of the pipeline is about; rows: those of the lake, and then what each step gave."""

    steps: dict[str, Step]
    states: States
    rows: Tables
    frontier_us: int
    rules: Rules

    def ask(self, name: str) -> None:
        """Call a step, with what the steps before it gave."""
        step = self.steps[name]
        taken = {table: self.rows[table] for table in step.takes if table in self.rows}
        result = step.run(self.states[name], Batch(taken, self.frontier_us, final=True), self.rules)
        self.rows.update(result.rows)


def _expand(p: beam.Pipeline, steps: Sequence[Step], given: Given) -> None:
    turn = p | beam.Impulse()
    for step in steps:
        turn = turn | step.name >> beam.ParDo(_Call(step.name, given)).with_output_types(bytes)


class _Call(beam.DoFn):  # type: ignore[misc]
    """Calls a step, then gives the next its turn. Rows do not travel: Beam would pickle them to weigh them."""

    def __init__(self, step: str, given: Given) -> None:
        self._name, self._given = step, given

    def process(self, element: bytes) -> Iterator[bytes]:
        self._given().ask(self._name)
        yield element
