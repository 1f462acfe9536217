"""Owns: Ctrl-C while a run loads and publishes ends it with one sentence; the next run ends as an undisturbed one."""

from __future__ import annotations

import shutil
import signal
import time

import pytest

from stswatch.pipeline import faults
from tests.pipeline.flow import archive

pytestmark = pytest.mark.e2e

HOW = ("--slice-hours", "3", "--area", "world", "--quiet")
POINTS = list(faults.POINTS)
LOADING = POINTS[POINTS.index("work_made") :]
GOLDEN = 0.618034
STOPPED = "stswatch: stopped; the same command goes on from the last finished slice\n"


@pytest.fixture(scope="module")
def sliced(two_files, commands, tmp_path_factory):
    """A folder in which all but loading is done, and how long that takes, seconds."""
    top = tmp_path_factory.mktemp("sliced")
    assert commands("run", *two_files, "--data", top / "data", *HOW, fault="work_made").killed
    whole = shutil.copytree(top / "data", top / "whole", symlinks=True)
    began = time.monotonic()
    done = commands("run", *two_files, "--data", whole, *HOW)
    assert (done.code, done.err) == (0, "")
    return top / "data", whole, time.monotonic() - began


def then(two_files, data, whole, commands):
    done = commands("run", *two_files, "--data", data, *HOW)
    assert (done.code, done.err) == (0, "")
    archive.is_as(whole, data)


def test_at_every_named_point(two_files, sliced, commands, tmp_path):
    data, whole, _ = sliced
    copy = shutil.copytree(data, tmp_path / "copy", symlinks=True)
    for point in LOADING:
        done = commands("run", *two_files, "--data", copy, *HOW, fault=f"{point}:1:SIGINT")
        assert (done.code, done.err) == (128 + signal.SIGINT, STOPPED), point
        assert [*copy.rglob("unfinished*")] == [], point
    then(two_files, copy, whole, commands)


@pytest.mark.soak
@pytest.mark.parametrize("moments", [8, 100])
def test_at_any_moment(moments, two_files, sliced, commands, tmp_path):
    """In the middle of a query too, where DuckDB sees it first; the next run clears what lies under temporary names."""
    data, whole, took_s = sliced
    stopped, tried, wrong = 0, 0, []
    while stopped < moments:
        tried += 1
        at_s = 0.02 + tried * GOLDEN % 1 * took_s  # evenly, wherever it stops
        copy = shutil.copytree(data, tmp_path / "copy", symlinks=True)
        done = commands("run", *two_files, "--data", copy, *HOW, kill_after_s=at_s, by=signal.SIGINT)
        stopped += done.code == 128 + signal.SIGINT
        if done.code == 0:
            took_s = max(0.9 * took_s, 0.1)  # it was over by then, so is most of what comes later
        # the words were not read yet; all was done; all was done and Python itself was about to end
        ended = (128 + signal.SIGINT, "stswatch: stopped\n"), (0, ""), (-signal.SIGINT, "")
        if (done.code, done.err) not in [(128 + signal.SIGINT, STOPPED), *ended]:
            wrong.append((round(at_s, 3), done.code, done.err))
        if moments < 20 or stopped % 10 == 0:
            then(two_files, copy, whole, commands)
        shutil.rmtree(copy)
        assert tried < 4 * moments + 40
    assert wrong == []
