"""Owns: a pipe or a device in the place of a file that is named is refused in one sentence, and nobody waits for it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from stswatch.pipeline import cli
from stswatch.pipeline.alerts.alert import AlertsError
from stswatch.pipeline.alerts.destinations import load
from tests.hostile import corpus

NOBODY = "nobody=tcp://127.0.0.1:1"
WATCH = ("stream", NOBODY, "--health", "none", "--quiet")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An archive, an empty pipe beside it, and an end to whoever waits for that."""
    monkeypatch.chdir(tmp_path)
    Path("good.csv").write_bytes(corpus.table(corpus.rows()))
    os.mkfifo("pipe")

    def waited(*_):
        raise AssertionError("it waited")

    before = signal.signal(signal.SIGALRM, waited)
    signal.alarm(20)
    yield tmp_path
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("named", ["pipe", "/dev/zero"])
@pytest.mark.parametrize(
    "words",
    [
        ("run", "FILE"),
        ("run", "good.csv", "--rules", "FILE"),
        ("run", "good.csv", "--area", "FILE"),
        ("run", "good.csv", "--columns", "FILE"),
        ("run", "good.csv", "--scorecard", "FILE"),
        ("decode", "FILE", "--to", "csv"),
        ("areas", "--area", "FILE"),
        ("evaluate", "--out", "x", "--scorecard", "FILE"),
        ("stream", "FILE", "--health", "none"),
        (*WATCH, "--rules", "FILE"),
        (*WATCH, "--area", "FILE"),
        (*WATCH, "--alerts", "FILE"),
        (*WATCH, "--scorecard", "FILE"),
    ],
    ids=" ".join,
)
def test_it_is_refused_in_one_sentence(words, named, folder, capfd):
    assert cli.main([named if word == "FILE" else word for word in words]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"stswatch: {named}: ")
    assert "a pipe or a device" in err
    assert err.count("\n") == 1


def test_alerts_are_appended_to_no_pipe(folder):
    """It would take them until it is full, then keep the watch waiting."""
    toml = folder / "alerts.toml"
    toml.write_text('[log]\nkind = "file"\npath = "pipe"\n')
    with pytest.raises(AlertsError, match=r"\[log\] path: .*pipe is a folder, a pipe or a device; give the path"):
        load(toml, {})
