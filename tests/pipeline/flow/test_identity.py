"""Owns: a slice is another one exactly where what decides it changed; the engine names no ship and no table of them."""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from stswatch.pipeline import flow, schema
from stswatch.pipeline.flow import slices as identity
from stswatch.pipeline.flow.slices import code
from stswatch.pipeline.steps import STEPS

DECIDE = ("stswatch.pipeline.tracks.legs", "stswatch.pipeline.meetings.relative_motion", "stswatch.models.scorecard")
DECIDE_NOT = (
    *("stswatch.pipeline.cli", "stswatch.pipeline.api", "stswatch.pipeline.pictures.page", "stswatch.pipeline.words"),
    *("stswatch.pipeline.flow.engine", "stswatch.pipeline.decode.messages", "stswatch.pipeline.store.lake"),
)


@pytest.fixture
def code_with(monkeypatch):
    """The identity of the code, with a comment at the end of some module."""
    plain = identity._file

    def changed(module, tmp_path):
        path = tmp_path / "changed.py"
        path.write_bytes(plain(module).read_bytes() + b"\n# a comment\n")
        monkeypatch.setattr(identity, "_file", lambda name: path if name == module else plain(name))
        identity.hash_of.cache_clear()
        found = code(STEPS)
        monkeypatch.undo()
        identity.hash_of.cache_clear()
        return found

    return changed


@pytest.mark.parametrize("module", [*DECIDE, *DECIDE_NOT])
def test_what_steps_import_decides_and_a_command_or_a_picture_does_not(module, code_with, tmp_path):
    assert identity._file(module).is_file()
    assert (code_with(module, tmp_path) != code(STEPS)) == (module in DECIDE)


def test_the_closure_holds_every_module_that_a_step_is_made_of():
    """As Python itself knows it: the modules of what the modules of steps hold."""
    found = identity.closure(identity.modules_of(STEPS))
    for step in STEPS:
        function = step.run.func if isinstance(step.run, partial) else step.run
        for value in vars(importlib.import_module(function.__module__)).values():
            name = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
            if isinstance(name, str) and name.startswith("stswatch.") and (inspect.ismodule(value) or callable(value)):
                assert name in found, name
    assert 30 < len(found) < 80


def test_another_version_of_a_step_is_other_code():
    assert code(STEPS) != code((replace(STEPS[0], version=2), *STEPS[1:]))


def test_the_engine_names_no_ship_and_no_table_or_column_of_ships():
    names = {*schema.FLOW, *schema.LAKE} | {name for step in STEPS for name in (step.name, *step.state)}
    quoted = re.compile("|".join(rf"[\"']{name}[\"']" for name in sorted(names - {"sent"})))
    files = sorted(Path(flow.__file__).parent.glob("*.py"))
    assert len(files) > 8
    for path in files:
        text = path.read_text()
        assert "mmsi" not in text, path.name
        assert quoted.findall(text) == [], path.name
