"""What stands so far: the six steps once more on Beam, as if the data ended now, all in memory and nothing committed.

The pipeline is that of the slices (stepwise.py), built once; rows and states lie in this process. Steps change nothing
that they are given, so the states after the last sealed slice serve again for the next time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import pyarrow as pa

from stswatch.pipeline.batch import Batch, Tables, concat
from stswatch.pipeline.flow.embedded import Embedded
from stswatch.pipeline.flow.parcel import Parcel, Sent
from stswatch.pipeline.flow.standing import States
from stswatch.pipeline.flow.stepwise import Waiting, expand
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import Step, parcels


class Peek:
    """The table of steps as a pipeline that says what stands so far, as often as it is asked."""

    def __init__(self, steps: Sequence[Step], rules: Rules) -> None:
        self._steps, self._rules = tuple(steps), rules
        self._pipeline = Embedded(lambda p, given: expand(p, steps, given))

    def at(self, states: States, lake: Tables, frontier_us: int) -> Tables:
        """The rows of every table that the steps give for these states and rows of the lake, the data ending there.

        Raises what a step raised.
        """
        calls = _InMemory(self._steps, states, lake, frontier_us, self._rules)
        self._pipeline.run(calls)
        return calls.found()


class _InMemory:
    """The calls of one peek: one shard of each step, and its rows where the next finds them."""

    shards, together = 1, False

    def __init__(self, steps: tuple[Step, ...], states: States, lake: Tables, frontier_us: int, rules: Rules) -> None:
        self.steps = steps
        self._states, self._lake, self._frontier_us, self._rules = states, lake, frontier_us, rules
        self._rows: list[pa.Table] = []
        self._found: dict[str, list[pa.Table]] = {}

    def each(self, step: str, waiting: Waiting) -> Iterator[tuple[list[Sent], int]]:
        """See Calls."""
        for _, sent in waiting:
            began = time.process_time()
            yield self._call(step, sent), round((time.process_time() - began) * 1e6)

    def _call(self, name: str, sent: list[Parcel]) -> list[Sent]:
        at = next(k for k, step in enumerate(self.steps) if step.name == name)
        step, tables = self.steps[at], {n: rows for n, rows in self._lake.items() if n in self.steps[at].takes}
        for table in {table for table, *_ in sent}:
            parts = [self._rows[place] for named, _, place, _ in sent if named == table]
            tables[table] = concat(parts, parts[0].schema)
        result = step.run(self._states[name], Batch(tables, self._frontier_us, final=True), self._rules)
        out: list[Sent] = []
        for table, rows in result.rows.items():
            self._found.setdefault(table, []).append(rows)
            for target, shard, part in parcels(table, rows, self.steps[at + 1 :], self.shards, self._rules):
                out.append((target, shard, (table, name, len(self._rows), part.nbytes)))
                self._rows.append(part)
        return out

    def found(self) -> Tables:
        """What all calls gave."""
        return {name: concat(parts, parts[0].schema) for name, parts in self._found.items()}
