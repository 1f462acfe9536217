"""Owns: the judgement and the steps load neither Beam nor DuckDB, so a notebook or a worker starts in a moment."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIGHT = (
    "stswatch.geo",
    "stswatch.models",
    "stswatch.pipeline.decode",
    "stswatch.pipeline.tracks",
    "stswatch.pipeline.meetings",
    "stswatch.pipeline.steps",
    "stswatch.sample_ais",
)
HEAVY = ("apache_beam", "duckdb")

# prints how many modules it imported, then those of HEAVY that came along
SCRIPT = """
import importlib, pkgutil, sys
heavy, names = sys.argv[1].split(), sys.argv[2:]
for name in list(names):
    path = getattr(importlib.import_module(name), "__path__", ())
    names += [module.name for module in pkgutil.walk_packages(path, name + ".")]
for name in names:
    importlib.import_module(name)
print(len(set(names)), *(name for name in heavy if name in sys.modules))
"""


def fresh(*names: str) -> list[str]:
    """What SCRIPT prints in a process of its own."""
    command = [sys.executable, "-c", SCRIPT, " ".join(HEAVY), *names]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def test_light_modules_load_neither():
    count, *came_along = fresh(*LIGHT)
    assert came_along == []
    assert int(count) >= 45


def test_what_reads_archives_loads_no_beam():
    """Neither a worker nor a run that only has to load waits for it."""
    rooms = ("shard", "chunk", "workers", "ingest", "run")
    loaded = fresh(*(f"stswatch.pipeline.flow.{name}" for name in rooms))
    assert int(loaded[0]) == len(rooms)
    assert "apache_beam" not in loaded


@pytest.mark.parametrize(
    ("name", "loaded"), [("stswatch.pipeline.flow", "apache_beam"), ("stswatch.pipeline.store", "duckdb")]
)
def test_the_guard_sees_the_two_rooms_that_may(name: str, loaded: str):
    assert loaded in fresh(name)[1:]


def test_the_command_answers_without_either():
    script = f"import sys, stswatch.pipeline.cli; print([n for n in {HEAVY} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
