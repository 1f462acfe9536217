"""Killed at every named point and at any moment: what was published stays, the next run ends as an undisturbed one."""

from __future__ import annotations

import re
import shutil
import time

import numpy as np
import pytest

from stswatch.pipeline import faults
from tests.pipeline.flow import archive
from tests.pipeline.flow.commands import of_session

pytestmark = pytest.mark.e2e

ADDING = ("--slice-hours", "1", "--area", "world", "--quiet")  # so many slices that a state is given up
FRESH = ("--slice-hours", "3", "--area", "world", "--quiet")
POINTS = list(faults.POINTS)
AT_FIRST = "work_made"  # only a run over an empty folder comes there
SLICES, LOADING = POINTS.index("slice_begun"), POINTS.index(AT_FIRST)
IN_A_ROW = {
    "reading": POINTS[:SLICES],
    # both slices; what is discarded first is a state that is given up, then a slice
    "slices": [*POINTS[SLICES : LOADING - 1], "slice_committed", "folder_discarded", "folder_discarded"],
    "loading": POINTS[LOADING + 1 :],
}
IN_WORKERS = [point for point in POINTS if point.startswith(("lake", "chunk_written", "state", "rows"))]


@pytest.fixture(scope="module")
def base(two_files, commands, tmp_path_factory):
    """A folder with a finished run over the first file."""
    data = tmp_path_factory.mktemp("base") / "data"
    assert commands("run", two_files[0], "--data", data, *ADDING).code == 0
    assert len(archive.slices(data)) == archive.ADDED_H
    return data


@pytest.fixture
def copy(base, tmp_path):
    return shutil.copytree(base, tmp_path / "copy", symlinks=True)


@pytest.fixture(scope="module")
def added(two_files, commands, base, tmp_path_factory):
    """The same folder after an undisturbed run over both files."""
    data = shutil.copytree(base, tmp_path_factory.mktemp("added") / "data", symlinks=True)
    assert commands("run", *two_files, "--data", data, *ADDING).code == 0
    assert len(archive.slices(data)) == archive.ADDED_H + 1
    return data


@pytest.fixture(scope="module")
def fresh(two_files, commands, tmp_path_factory):
    """A folder that was empty before an undisturbed run over both files, and how long that took, seconds."""
    data, began = tmp_path_factory.mktemp("fresh") / "data", time.monotonic()
    assert commands("run", *two_files, "--data", data, *FRESH).code == 0
    return data, time.monotonic() - began


def killed_at(point, files, data, before, after, commands):
    """Kill a run that adds the second file: it publishes nothing, unless the link was already set."""
    assert commands("run", *files, "--data", data, *ADDING, fault=point).killed, "it never came there"
    archive.assert_same(after if point == "snapshot_published" else before, archive.everything(data))


def then(files, data, commands, how=ADDING):
    """A run that nobody disturbs."""
    done = commands("run", *files, "--data", data, *how)
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("stage", IN_A_ROW)
def test_killed_at_one_point_after_the_other(stage, two_files, copy, base, added, commands):
    before, after = archive.everything(base), archive.everything(added)
    for point in IN_A_ROW[stage]:
        killed_at(point, two_files, copy, before, after, commands)
    then(two_files, copy, commands)
    archive.is_as(added, copy)


@pytest.mark.soak
@pytest.mark.parametrize("point", [point for point in POINTS if point != AT_FIRST])
def test_killed_at(point, two_files, copy, base, added, commands):
    killed_at(point, two_files, copy, archive.everything(base), archive.everything(added), commands)
    then(two_files, copy, commands)
    archive.is_as(added, copy)


def test_killed_before_there_is_a_database(two_files, fresh, commands, tmp_path):
    assert commands("run", *two_files, "--data", tmp_path, *FRESH, fault=AT_FIRST).killed
    then(two_files, tmp_path, commands, FRESH)
    archive.is_as(fresh[0], tmp_path)


def test_a_point_that_is_none_is_refused(two_files, commands, tmp_path):
    done = commands("run", *two_files, "--data", tmp_path, *FRESH, fault="nowhere")
    assert done.code == 1
    assert "STSWATCH_FAULT=nowhere: is no point" in done.err


def a_worker_dies_at(point, two_files, data, commands):
    """A worker is killed: one sentence, and no process is left for long."""
    done = commands("run", *two_files, "--data", data, *ADDING, "--workers", "2", fault=point)
    assert done.code == 1
    assert re.fullmatch(rf"stswatch: {data}: a worker process was killed \(.+\); give .+ run again.*\n", done.err)
    nobody_is_left(done)


def nobody_is_left(done):
    """Of a run that has ended no process is left for long; till then one may still say something."""
    until = time.monotonic() + 20
    while of_session(done.pid) and time.monotonic() < until:
        time.sleep(0.01)
    assert of_session(done.pid) == []


@pytest.mark.parametrize(
    "points",
    [["chunk_written", "state_written", "rows_part"], pytest.param(IN_WORKERS, marks=pytest.mark.soak)],
    ids=["some", "all"],
)
def test_workers_killed_at_one_point_after_the_other(points, two_files, copy, base, added, commands):
    published = archive.everything(base)
    for point in points:
        a_worker_dies_at(point, two_files, copy, commands)
        archive.assert_same(published, archive.everything(copy))
    then(two_files, copy, commands)
    archive.is_as(added, copy)


@pytest.mark.parametrize(
    ("seed", "kills", "workers"),
    [(0, 5, 1), *(pytest.param(k, 5, 1 + k % 2, marks=pytest.mark.soak) for k in range(1, 11))],
)
def test_killed_at_any_moment_several_times_in_a_row(seed, kills, workers, two_files, fresh, commands, tmp_path):
    """A run over an empty folder, with one worker or with two."""
    undisturbed, took_s = fresh
    rng, killed = np.random.default_rng(seed), 0
    for _ in range(kills):
        at_s = rng.uniform(0, took_s if killed else took_s / 2)  # on a quieter machine a run takes less
        done = commands("run", *two_files, "--data", tmp_path, *FRESH, "--workers", workers, kill_after_s=at_s)
        killed += done.killed
        nobody_is_left(done)
        assert done.killed or (done.code, done.err) == (0, "")
        if (tmp_path / "stswatch.duckdb").exists():
            archive.assert_same(archive.everything(undisturbed), archive.everything(tmp_path))
    assert killed >= 1
    then(two_files, tmp_path, commands, FRESH)
    archive.is_as(undisturbed, tmp_path)


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.soak)])
def test_killed_at_any_moment_while_it_loads_and_publishes(kills, two_files, copy, base, commands):
    """A run that has nothing to read or to work out; every other time all is loaded afresh."""
    rng, before, took_s, killed = np.random.default_rng(kills), archive.everything(base), 0.0, 0
    for number in range(-1, kills):
        if number % 2:
            shutil.rmtree(copy / "db")
        began, at_s = time.monotonic(), rng.uniform(0, took_s) if number >= 0 else None
        done = commands("run", two_files[0], "--data", copy, *ADDING, kill_after_s=at_s)
        took_s, killed = took_s or time.monotonic() - began, killed + done.killed
        assert done.killed or (done.code, done.err) == (0, "")
        archive.assert_same(before, archive.everything(copy))
    assert killed >= kills // 2
    then(two_files[:1], copy, commands)
    archive.is_as(base, copy)
