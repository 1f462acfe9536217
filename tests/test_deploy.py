"""Owns: what stands in deploy/ fits the program: its options, its files, a unit that systemd takes and finds tight."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib

import pytest

from stswatch.pipeline import cli
from stswatch.pipeline.watch.server import DEFAULT
from tests.test_packaging import ROOT

UNIT = ROOT / "deploy" / "stswatch.service"
IMAGE = ROOT / "deploy" / "Containerfile"


@pytest.fixture
def analyze(tmp_path):
    """Call systemd-analyze on the unit, with a program that is there in the place of ours."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd here")
    text = re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text())
    (tmp_path / "stswatch.service").write_text(text)

    def analyze(*words):
        command = ["systemd-analyze", *words, str(tmp_path / "stswatch.service")]
        return subprocess.run(command, capture_output=True, text=True)

    return analyze


def test_systemd_takes_the_unit(analyze):
    done = analyze("verify")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_finds_the_unit_tight(analyze):
    done = analyze("security", "--offline=yes")
    exposure = float(re.search(r"Overall exposure level for stswatch.service: (\d+\.\d)", done.stdout)[1])
    assert exposure <= 1.5
    for setting in ("NoNewPrivileges=", "ProtectSystem=", "User=/DynamicUser=", "MemoryDenyWriteExecute="):
        assert re.search(rf"(?m)^✓ {re.escape(setting)}", done.stdout), setting


def test_the_unit_calls_the_program_as_it_is():
    words = re.search(r"(?m)^ExecStart=\S+/stswatch (.+)$", UNIT.read_text())[1].split()
    words[words.index("$STSWATCH_SOURCES")] = "tcp://127.0.0.1:10110"
    words[words.index("$STSWATCH_OPTIONS")] = "--quiet"
    given = cli.parser().parse_args(words)
    assert given.data == "/var/lib/stswatch"
    assert "StateDirectory=stswatch" in UNIT.read_text()


def test_the_image_is_made_from_what_is_there_and_runs_as_nobody_special():
    text = IMAGE.read_text()
    copied = [word for line in re.findall(r"(?m)^COPY (?!--)(.+)$", text) for word in line.split()[:-1]]
    assert {"geo", "models", "pipeline", "sample_ais", "constraints.txt"} <= set(copied)
    assert all((ROOT / name).exists() for name in copied)
    assert re.search(r"(?m)^ARG BASE=\S+:3\.(11|12|13)\.\d+-slim", text), "the base is pinned to a patch version"
    assert re.findall(r"(?m)^USER (.+)$", text) == ["10001:10001"]
    assert f"http://{DEFAULT}/healthz" in text
    (extra,) = re.findall(r"'\.\[(\w+)\]'", text)
    assert extra in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    given = cli.parser().parse_args(["stream", "-"])
    assert given.health == DEFAULT
