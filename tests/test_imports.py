"""Owns: the judgement and the steps load neither Beam nor DuckDB, so a notebook or a worker starts in a moment."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
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
    rooms = ("workers", "ingest", "row", "run")
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


def test_a_plain_checkout_is_followed_by_editors_and_checkers_of_types():
    """Every import of ours leads to a file below the folder stswatch, without anything installed or made."""
    found = set()
    for room in ("geo", "models", "pipeline", "sample_ais"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stswatch"):
                    found |= {(node.module, each.name) for each in node.names}
                elif isinstance(node, ast.Import):
                    found |= {(each.name, "") for each in node.names if each.name.startswith("stswatch")}
    assert len(found) > 500
    for module, name in found:
        place = ROOT / module.replace(".", "/")
        inside = place.with_suffix(".py") if place.with_suffix(".py").is_file() else place / "__init__.py"
        assert inside.is_file() or (place / name).is_dir() or (place / f"{name}.py").is_file(), f"{module}, {name}"


def test_what_a_program_needs_first_stands_at_the_top():
    script = "import sys, stswatch; print(*sorted(stswatch.__all__), 'pyarrow' in sys.modules, stswatch.run.__name__)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["__version__", "connect", "decode", "detect", "run", "False", "run"]
