"""Owns: a measure of a meeting is one row of a table, and few files know it by name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from stswatch.pipeline import schema
from stswatch.pipeline.batch import Batch
from stswatch.pipeline.meetings import encounter, intervals
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.schema.measures import INTERVAL, MEASURES, Join, names_joined_by
from stswatch.pipeline.tracks import parties
from tests.pipeline import seas

ROOT = Path(__file__).parents[2]
ROOMS = ("geo", "models", "pipeline")
# A picture chooses what it draws, and nothing follows from it; what is verified is measured again by names of its own.
BESIDE = ("exports", "pictures", "evidence")
# calls, loitering, dark meetings and cases have columns of the same names in tables of their own
OF_OTHERS = (
    "schema/published",
    "schema/flow_tables",
    "tracks/port_calls",
    "tracks/stays",
    "meetings/dark",
    "store/case_tables",
)
OTHER_TABLES = {f"pipeline/{name}.py" for name in OF_OTHERS}
MOST_FILES = 4  # the table, the function that takes it, the feature that uses it, a sentence of its own
LEAST_MEASURES = 15


def names_in(tree: ast.AST) -> Iterator[str]:
    """The texts of a program but docstrings and the names that a module gives away."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    heads = [node.body[0] for node in ast.walk(tree) if isinstance(node, documented) and _has_docstring(node)]
    printed = {id(head.value) for head in heads if isinstance(head, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            printed |= {id(name) for name in ast.walk(node.value)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in printed:
            yield node.value


def _has_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> bool:
    return bool(node.body) and isinstance(node.body[0], ast.Expr)


@cache
def files_by_name() -> dict[str, set[str]]:
    """Text -> the files in which it stands as a literal."""
    found: dict[str, set[str]] = {}
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            if not set(path.parts) & set(BESIDE):
                for name in names_in(ast.parse(path.read_text())):
                    found.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    return found


def test_there_are_measures_and_they_are_published_as_the_table_says():
    assert len(MEASURES) >= LEAST_MEASURES
    for name, measure in MEASURES.items():
        assert schema.STORED["encounters"].field(name).equals(measure.field, check_metadata=True)


@pytest.mark.parametrize("name", MEASURES)
def test_few_files_know_a_measure_by_name(name):
    files = files_by_name().get(name, set()) - OTHER_TABLES
    assert len(files) <= MOST_FILES, sorted(files)


@pytest.mark.parametrize("name", sorted({kept.field.name for kept in INTERVAL} - {*schema.LEGS.names, "lon", "lat"}))
def test_few_files_know_a_column_of_an_interval_by_name(name):
    """Of those that are no column of legs or of positions too."""
    assert len(files_by_name()[name]) <= MOST_FILES, sorted(files_by_name()[name])


def test_every_column_of_an_interval_joins_in_one_way():
    names = [kept.field.name for kept in INTERVAL]
    assert sorted(name for join in Join for name in names_joined_by(join)) == sorted(names)
    assert {*names} == {*encounter.OPEN.names} - {*intervals.PAIR, "bins", "opened"}


@pytest.fixture(scope="module")
def closed():
    """Intervals of pairs as they are when an encounter is closed."""
    sea = seas.fleet(seed=3, hours=14.0, pairs=12)
    seen = []

    def keep(table, *others):
        seen.append(table)
        return made(table, *others)

    made = encounter.encounter_rows
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encounter, "encounter_rows", keep)
        seas.encounters(sea)
    table = pa.concat_tables(seen)
    assert table.num_rows > 5
    return table


def measured(table):
    state = {name: kind.empty_table() for name, kind in parties.STATE.items()}
    of = parties.parties(state, Batch({"closed_encounters": table}, 0), Rules()).rows["parties"]
    found = encounter.encounter_rows(table, of, Rules(), encounter.scorecard())
    return {name: found[name].to_pylist() for name in MEASURES}


@pytest.mark.parametrize("name", [kept.field.name for kept in INTERVAL if kept.field.name != "cpa_time"])
def test_a_measure_is_made_of_the_columns_that_it_names(closed, name):
    """Another value in one column changes no measure but those that say that they are made of it."""
    at, field = closed.column_names.index(name), closed.schema.field(name)
    values = closed[name].cast(pa.int64()) if pa.types.is_timestamp(field.type) else closed[name]
    other = np.asarray(values)
    other = ~other if other.dtype == bool else other + (-60_000_000 if name == "start" else 1)
    changed = closed.set_column(at, field, pa.array(other).cast(field.type))
    before, after = measured(closed), measured(changed)
    differ = {each for each in MEASURES if before[each] != after[each]}
    assert differ <= {each.name for each in MEASURES.values() if name in each.taken}


def test_what_is_published_is_as_precise_as_the_table_says(closed):
    for name, values in measured(closed).items():
        decimals = MEASURES[name].decimals
        if decimals is not None and name != "median_distance_m":  # never below the least distance, which is finer
            known = [value for value in values if value is not None]
            assert known == np.round(known, decimals).tolist(), name


def test_a_phrase_of_a_measure_has_its_value():
    worded = [each for each in MEASURES.values() if each.words]
    assert len(worded) >= 3
    assert all("{" + each.name in each.words for each in worded)
