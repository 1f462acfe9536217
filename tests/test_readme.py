"""What the README shows is what the program says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from stswatch.pipeline import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(?:python)?\n(.*?)```", README, re.S)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.startswith(".venv/bin/stswatch ")]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A folder with demo-data made as `make demo` makes it, and what the command printed."""
    folder = tmp_path_factory.mktemp("readme")
    makefile = (ROOT / "Makefile").read_text()
    command = re.search(r"bin/stswatch (run sample_ais/\S+ --data demo-data)", makefile)
    assert command, "make demo no longer runs the command"
    return folder, command[1]


def test_the_output_of_the_demo_is_that_of_the_program(demo, capsys, monkeypatch):
    folder, command = demo
    monkeypatch.chdir(folder)
    (folder / "sample_ais").symlink_to(ROOT / "sample_ais")
    assert cli.main(shlex.split(command)) == 0
    shown = [block for block in BLOCKS if "demo-data/stswatch.duckdb" in block]
    assert len(shown) == 1
    assert capsys.readouterr().out.strip() == shown[0].strip()


def test_every_command_of_the_readme_runs(demo, capsys, monkeypatch):
    folder, _ = demo
    monkeypatch.chdir(folder)
    lines = (ROOT / "sample_ais" / "simulated_24h.nmea.gz",)
    assert len(COMMANDS) >= 4
    for line in COMMANDS:
        words = shlex.split(line)[1:]
        # the archive and the id are the reader's own
        words = [str(lines[0]) if "archive/" in w else w for w in words]
        if words[0] == "explain":
            cli.main(["leads", "--data", "my-data"])
            words[1] = re.search(r"E[0-9a-f]{12}", capsys.readouterr().out)[0]
        assert cli.main(words) == 0, line
    capsys.readouterr()


def test_the_python_of_the_readme_runs(demo, capsys, monkeypatch):
    folder, _ = demo
    monkeypatch.chdir(folder)
    python = [block for block in BLOCKS if "import api" in block]
    assert len(python) == 1
    exec(compile(python[0], "README.md", "exec"), {})
    assert "flagged" not in capsys.readouterr().err
