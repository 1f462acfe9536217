"""Owns: what stands in deploy/ fits the program: its options, its files, a unit that systemd takes and finds tight, and
under whose confinement a watch does all that it does."""

from __future__ import annotations

import ctypes
import gzip
import re
import subprocess
import sys
import tomllib

import pytest

from stswatch.pipeline import api, cli
from stswatch.pipeline.live.server import DEFAULT
from tests import confined
from tests.recording import RECORDING
from tests.test_packaging import ROOT

pytestmark = pytest.mark.e2e

UNIT = ROOT / "deploy" / "stswatch.service"
IMAGE = ROOT / "deploy" / "Containerfile"
CONF = ROOT / "deploy" / "watch.conf"


@pytest.fixture
def analyze(tmp_path):
    """Call systemd-analyze on the unit, with a program that is there in the place of ours."""
    text = re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text())
    (tmp_path / "stswatch.service").write_text(text)

    def analyze(*words):
        command = ["systemd-analyze", *words, str(tmp_path / "stswatch.service")]
        return subprocess.run(command, capture_output=True, text=True)

    return analyze


@pytest.mark.service("systemd-analyze")
def test_systemd_takes_the_unit(analyze):
    done = analyze("verify")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.service("systemd-analyze")
def test_systemd_finds_the_unit_tight(analyze):
    done = analyze("security", "--offline=yes")
    exposure = float(re.search(r"Overall exposure level for stswatch.service: (\d+\.\d)", done.stdout)[1])
    assert exposure <= 1.5
    for setting in ("NoNewPrivileges=", "ProtectSystem=", "User=/DynamicUser=", "MemoryDenyWriteExecute="):
        assert re.search(rf"(?m)^✓ {re.escape(setting)}", done.stdout), setting


def test_the_unit_calls_the_program_as_it_is_with_nothing_that_an_installation_lacks():
    words = re.search(r"(?m)^ExecStart=\S+/stswatch (.+)$", UNIT.read_text())[1]
    for name, value in re.findall(r'(?m)^(\w+)="(.*)"$', CONF.read_text()):
        words = words.replace(f"${name}", value)
    assert "$" not in words
    given = cli.parser().parse_args(words.split())
    assert given.data == "/var/lib/stswatch"
    assert "StateDirectory=stswatch" in UNIT.read_text()
    assert given.alerts is None, "a file that nobody has written yet"


def permitted():
    """The system calls that the unit permits, as systemd here lists them."""
    text = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True).stdout
    groups, members = {}, []
    for line in text.partition("\n# ")[0].splitlines():
        if line.startswith("@"):
            members = groups[line.strip()] = []
        elif line.strip() and not line.strip().startswith("#"):
            members.append(line.strip())

    def named(words):
        return {call for word in words for call in (named(groups[word]) if word.startswith("@") else [word])}

    calls = named(["@default"])
    for words in re.findall(r"(?m)^SystemCallFilter=(.+)$", UNIT.read_text()):
        calls = calls - named(words[1:].split()) if words.startswith("~") else calls | named(words.split())
    return sorted(calls)


def confinement():
    """What is missing here to confine a program as the unit does; nothing where it can be done."""
    try:
        ctypes.CDLL(confined.LIBRARY)
    except OSError:
        return "no libseccomp here"
    return "a kernel before 6.3" if ctypes.CDLL(None).prctl(confined.PR_SET_MDWE + 1, 0, 0, 0, 0) < 0 else ""


@pytest.mark.service("systemd-analyze")
@pytest.mark.skipif(bool(confinement()), reason=confinement())
def test_a_watch_does_all_that_it_does_under_the_confinement_of_the_unit(tmp_path):
    """Spools, decodes, peeks, finalizes in a process beside it, scores, publishes: what needs more calls breaks."""
    assert {"MemoryDenyWriteExecute=yes", "SystemCallErrorNumber=EPERM"} <= set(UNIT.read_text().splitlines())
    calls = permitted()
    assert len(calls) > 200
    assert not {"chown", "setuid", "nice", "mount", "ptrace"} & set(calls)
    with gzip.open(RECORDING) as file:
        heard = [next(file) for _ in range(6_000)]
    watch = [
        "stream",
        "-",
        "--data",
        str(tmp_path),
        "--arrival",
        "recorded",
        "--health",
        "127.0.0.1:0",
        "--area",
        "world",
    ]
    program = [sys.executable, "-m", "stswatch.pipeline.cli", *watch]
    command = [sys.executable, "-m", "tests.confined", ",".join(calls), *program]
    done = subprocess.run(command, input=b"".join(heard), capture_output=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    assert "reconciled: " in done.stderr.decode(), done.stderr.decode()
    assert api.leads(tmp_path, 100)


def test_the_image_is_made_from_what_is_there_and_runs_as_nobody_special():
    text = IMAGE.read_text()
    copied = [word for line in re.findall(r"(?m)^COPY (?!--)(.+)$", text) for word in line.split()[:-1]]
    assert {"geo", "models", "pipeline", "sample_ais", "constraints.txt"} <= set(copied)
    assert all((ROOT / name).exists() for name in copied)
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    assert [line for line in sent if line[:1] not in ("#", "!")] == ["*", "**/__pycache__"]
    assert sorted(line[1:] for line in sent if line[:1] == "!") == sorted(set(copied))
    assert re.search(r"(?m)^ARG BASE=\S+:3\.(11|12|13)\.\d+-slim", text), "the base is pinned to a patch version"
    assert re.findall(r"(?m)^USER (.+)$", text) == ["10001:10001"]
    assert f"http://{DEFAULT}/healthz" in text
    (extra,) = re.findall(r"'\.\[(\w+)\]'", text)
    assert extra in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    given = cli.parser().parse_args(["stream", "-"])
    assert given.health == DEFAULT
