"""The table of steps: what every row of it must hold, and that a further step needs no change to an engine."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, Batch, Result, concat, from_bytes, to_bytes
from stswatch.pipeline.routes import by_cell, by_mmsi, by_pair, by_party, to_all
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import LAKE_TABLES, LOST, STEPS, InMemory, Step, check, shares
from tests.pipeline import seas

TABLES = {**schema.LAKE, **schema.FLOW}
RULES = Rules()


@pytest.fixture(scope="module")
def calls():
    """Every call of every step over a short sea of several slices and shards, as (step, state, batch, result)."""
    seen = []

    def watched(step):
        def run(state, batch, rules):
            before = to_bytes(state), to_bytes(dict(batch.tables))
            result = step.run(state, batch, rules)
            assert (to_bytes(state), to_bytes(dict(batch.tables))) == before, f"{step.name} changed its input"
            seen.append((step, state, batch, result))
            return result

        return Step(step.name, run, step.takes, step.gives, step.state, step.single)

    sea = seas.fleet(seed=3, hours=14.0, pairs=12)
    steps = tuple(watched(step) for step in STEPS)
    seas.run(sea, seas.every(sea, 3), 3, reports=seas.reports(sea, 60), steps=steps)
    return seen


def test_names_are_unique_and_the_table_fits_together():
    assert len({step.name for step in STEPS}) == len(STEPS)
    given = [name for step in STEPS for name in step.gives]
    assert len(set(given)) == len(given)
    assert {*given, LOST} == set(schema.FLOW)
    check(STEPS)


@pytest.mark.parametrize("step", STEPS, ids=lambda s: s.name)
def test_each_step_says_what_it_does_and_is_a_function_of_its_arguments(step):
    """A docstring; neither clock, nor randomness, nor files, nor another library than numpy and pyarrow."""
    assert inspect.getdoc(step.run)
    module = ast.parse(inspect.getsource(inspect.getmodule(step.run)))
    imports = {
        name.split(".")[0]
        for node in ast.walk(module)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    pure = {"__future__", "collections", "dataclasses", "functools", "hashlib", "math", "typing"}
    assert imports <= pure | {"numpy", "pyarrow", "stswatch"}
    scores = ["card"] if step.name == "judge" else []  # which scorecard is no rule: scored_by gives it
    assert list(inspect.signature(step.run).parameters) == ["state", "batch", "rules", *scores]


@pytest.mark.parametrize("step", STEPS, ids=lambda s: s.name)
@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize("tables", ["none", "empty"])
def test_nothing_in_gives_nothing_out(step, final, tables):
    """Of the right schemas, with a state that can be handed on."""
    state = step.no_state()
    given = {} if tables == "none" else {name: TABLES[name].empty_table() for name in step.takes}
    for k in range(3):
        result = step.run(state, Batch(given, seas.NOON_US + k * HOUR, final and k == 2), RULES)
        assert set(result.rows) <= set(step.gives)
        for name, rows in result.rows.items():
            assert rows.num_rows == 0
            assert rows.schema.equals(schema.FLOW[name]), name
        state = result.state
        assert {name: kept.num_rows for name, kept in state.items()} == dict.fromkeys(step.state, 0)


def test_what_is_given_and_kept_has_its_schema_and_only_that_is_given(calls):
    counts = dict.fromkeys(schema.FLOW, 0)
    for step, _, _, result in calls:
        assert set(result.rows) <= set(step.gives), step.name
        for name, rows in result.rows.items():
            assert rows.schema.equals(schema.FLOW[name]), name
            rows.validate(full=True)
            counts[name] += rows.num_rows
            for field in schema.FLOW[name]:
                assert field.nullable or rows[field.name].null_count == 0, f"{name}.{field.name}"
        assert set(result.state) == set(step.state), step.name
        for name, kept in result.state.items():
            assert kept.schema.equals(step.state[name]), f"{step.name} keeps {name}"
    none = {"outages", "checked_parts", "track_checks", "heard_by", "states_sent", LOST}
    none |= {"satellite_counts", "dark_meetings"}  # no satellite heard the sea, and nobody is silenced at its edges
    assert {name for name, n in counts.items() if n == 0} == none


def test_a_state_that_was_written_and_read_is_the_same(calls):
    kept = 0
    for _, state, _, result in calls:
        for tables in (state, result.state):
            again = from_bytes(to_bytes(tables))
            assert set(again) == set(tables)
            assert all(again[name].equals(tables[name]) for name in tables)
            assert all(again[name].schema.equals(tables[name].schema, check_metadata=True) for name in tables)
            assert to_bytes(again) == to_bytes(tables)
            kept += sum(t.num_rows for t in tables.values())
    assert kept > 1000


def test_every_shard_is_called_in_every_slice_also_with_nothing(calls):
    """Silence too must advance time."""
    sea = seas.fleet(seed=3, hours=14.0, pairs=12)
    slices = len(seas.every(sea, 3)) + 1
    for step in STEPS:
        mine = [batch for called, _, batch, _ in calls if called.name == step.name]
        shards = 1 if step.single else 3
        assert len(mine) == slices * shards
        assert {batch.shard for batch in mine} == set(range(shards))
        assert sum(batch.final for batch in mine) == shards


def test_a_seventh_step_runs_in_the_engine_as_it_is():
    """One that counts encounters by vessel a, and keeps how many it saw."""
    seen = pa.schema([pa.field("n", pa.int64())])

    def tally(state, batch, rules):
        """Encounters as coverage rows, for want of a table of its own."""
        n = batch.table("encounters").num_rows + sum(state["seen"]["n"].to_pylist())
        kept = pa.table({"n": [n]}, schema=seen)
        return Result({"seen": kept}, {"judged_gaps": schema.empty("judged_gaps")} if batch.final else {})

    seventh = Step("tally", tally, {"encounters": by_pair, "gaps": by_mmsi}, ("judged_gaps",), {"seen": seen})
    steps = (*STEPS, seventh)
    check(steps)
    sea = seas.fleet(seed=3, hours=14.0, pairs=12)
    engine = InMemory(shards=3, steps=steps)
    found = engine.slice({"fixes": sea}, int(seas.micros_of(sea, "time").max()), True)
    counts = [engine._states["tally", shard]["seen"]["n"][0].as_py() for shard in range(3)]
    assert sum(counts) == found["encounters"].num_rows > 10
    assert sum(n > 0 for n in counts) > 1


@pytest.mark.parametrize(
    ("takes", "gives", "words"),
    [
        ({"sightings": to_all}, ("coverage",), "takes sightings"),
        ({"encounters": to_all}, ("verdicts",), "gives verdicts"),
    ],
)
def test_a_step_that_does_not_fit_is_named(takes, gives, words):
    wrong = Step("seventh", STEPS[0].run, takes, gives)
    with pytest.raises(ValueError, match=f"seventh {words}"):
        check((*STEPS, wrong))


def test_a_step_cannot_take_what_only_a_later_one_gives():
    with pytest.raises(ValueError, match="step proximity takes legs"):
        check((STEPS[3], *STEPS[:3]))


@pytest.mark.parametrize("shards", [1, 7, 64])
def test_shares_hand_each_row_to_the_shards_of_its_route(shards, calls):
    """MMSI and pair: to one shard each; cells: to those that own them, each once; to all: to all."""
    given = {name: [] for name in (*LAKE_TABLES, *schema.FLOW)}
    for _, _, _, result in calls:
        for name, rows in result.rows.items():
            given[name].append(rows)
    tables = {name: concat(parts, TABLES[name]) for name, parts in given.items()}
    tables["fixes"] = seas.fleet(seed=3, hours=14.0, pairs=12)
    routes: dict[Any, int] = {by_mmsi: 1, by_pair: 1, to_all: shards}
    for name, rows in tables.items():
        sent = {}
        for share in shares(name, rows, STEPS, shards, RULES):
            assert 0 <= share.shard < shards
            sent.setdefault(share.step, []).append(share.table().num_rows)
        for step in STEPS:
            if name not in step.takes or rows.num_rows == 0:
                assert step.name not in sent
                continue
            copies = 1 if step.single else routes.get(step.takes[name])
            total = sum(sent[step.name])
            if step.takes[name] is by_party:
                assert rows.num_rows <= total <= min(shards, 2) * rows.num_rows
                continue
            if copies:
                assert total == copies * rows.num_rows, (name, step.name)
            else:
                row, shard = by_cell(rows, shards, RULES)
                assert total == len(row) == len(np.unique(row * shards + shard))
                assert set(row.tolist()) == set(range(rows.num_rows))
