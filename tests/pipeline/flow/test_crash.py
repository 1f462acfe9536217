"""Killed at every named point and at any moment: what was published stays, the next run ends as an undisturbed one."""

from __future__ import annotations

import re
import shutil
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from stswatch.pipeline import api, faults, schema
from stswatch.pipeline.batch import HOUR
from stswatch.pipeline.store import views
from tests.pipeline import seas
from tests.pipeline.flow import archive
from tests.pipeline.flow.commands import Commands, of_session

SEA = {"hours": 9.0, "pairs": 12, "anchored": 4, "fast": 0}
FIRST_H = 8  # of these the first file; the second is what is added
ADDING = ("--slice-hours", "1", "--area", "world", "--quiet")  # so many slices that a state is given up
FRESH = ("--slice-hours", "3", "--area", "world", "--quiet")
POINTS = list(faults.POINTS)
AT_FIRST = "work_made"  # only a run over an empty folder comes there
SLICES, LOADING = POINTS.index("slice_begun"), POINTS.index(AT_FIRST)
IN_A_ROW = {
    "reading": POINTS[:SLICES],
    "slices": [*POINTS[SLICES:LOADING], "folder_discarded"],  # first a state that is given up, then a slice
    "loading": POINTS[LOADING + 1 :],
}
IN_WORKERS = [point for point in POINTS if point.startswith(("lake", "chunk", "state", "rows"))]


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    with closing(Commands(tmp_path_factory.mktemp("commands"))) as commands:
        yield commands


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    rows, folder = archive.fleet(**SEA), tmp_path_factory.mktemp("files")
    time_us = np.nan_to_num(rows["time"].to_numpy()) * 1000
    late = time_us >= time_us[time_us > 0].min() // HOUR * HOUR + FIRST_H * HOUR
    return [archive.write(folder / f"{k}.csv", archive.pick(rows, late == bool(k))) for k in (0, 1)]


@pytest.fixture(scope="module")
def base(files, commands, tmp_path_factory):
    """A folder with a finished run over the first file."""
    data = tmp_path_factory.mktemp("base") / "data"
    assert commands("run", files[0], "--data", data, *ADDING).code == 0
    assert len(archive.slices(data)) == FIRST_H
    return data


@pytest.fixture
def copy(base, tmp_path):
    return shutil.copytree(base, tmp_path / "copy", symlinks=True)


@pytest.fixture(scope="module")
def added(files, commands, base, tmp_path_factory):
    """The same folder after an undisturbed run over both files."""
    data = shutil.copytree(base, tmp_path_factory.mktemp("added") / "data", symlinks=True)
    assert commands("run", *files, "--data", data, *ADDING).code == 0
    assert len(archive.slices(data)) == FIRST_H + 1
    return data


@pytest.fixture(scope="module")
def fresh(files, commands, tmp_path_factory):
    """A folder that was empty before an undisturbed run over both files, and how long that took, seconds."""
    data, began = tmp_path_factory.mktemp("fresh") / "data", time.monotonic()
    assert commands("run", *files, "--data", data, *FRESH).code == 0
    return data, time.monotonic() - began


def everything(data: Path) -> dict[str, pa.Table]:
    """Every row of every published table and view but runs, which has a row for each try, and the names of runs."""
    with closing(api.connect(data)) as db:
        found = {}
        for name in (*schema.STORED, *views.schemas()):
            if name != "runs":
                left_out = "EXCLUDE (run_id)" if name in ("encounters", views.LEADS) else ""
                found[name] = db.sql(f"SELECT * {left_out} FROM {name} ORDER BY ALL").to_arrow_table()
    return found


def names(data: Path) -> set[str]:
    """Every file of a data folder by name; those of a snapshot without its number, since how many there are differs."""
    found = {str(path.relative_to(data)) for path in data.rglob("*") if not path.is_dir() or path.is_symlink()}
    return {re.sub(r"^(snapshots/.*?)\d{6}\.", r"\1N.", name) for name in found}


def is_as(undisturbed: Path, data: Path) -> None:
    """Fail unless two folders publish the same and hold the same files."""
    published = everything(undisturbed)
    assert {name for name, rows in published.items() if not rows.num_rows} == set()
    seas.assert_same(published, everything(data))
    assert names(data) == names(undisturbed)


def killed_at(point, files, data, commands):
    """Kill a run that adds the second file; what was published is what it was, or where the link is set what is new."""
    assert commands("run", *files, "--data", data, *ADDING, fault=point).killed, "it never came there"


def then(files, data, commands, how=ADDING):
    """A run that nobody disturbs."""
    done = commands("run", *files, "--data", data, *how)
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("stage", IN_A_ROW)
def test_killed_at_one_point_after_the_other(stage, files, copy, base, added, commands):
    published = everything(base)
    for point in IN_A_ROW[stage]:
        killed_at(point, files, copy, commands)
        seas.assert_same(everything(added) if point == "snapshot_published" else published, everything(copy))
    then(files, copy, commands)
    is_as(added, copy)


@pytest.mark.soak
@pytest.mark.parametrize("point", [point for point in POINTS if point != AT_FIRST])
def test_killed_at(point, files, copy, base, added, commands):
    killed_at(point, files, copy, commands)
    seas.assert_same(everything(added if point == "snapshot_published" else base), everything(copy))
    then(files, copy, commands)
    is_as(added, copy)


def test_killed_before_there_is_a_database(files, fresh, commands, tmp_path):
    assert commands("run", *files, "--data", tmp_path, *FRESH, fault=AT_FIRST).killed
    then(files, tmp_path, commands, FRESH)
    is_as(fresh[0], tmp_path)


def test_a_point_that_is_none_is_refused(files, commands, tmp_path):
    done = commands("run", *files, "--data", tmp_path, *FRESH, fault="nowhere")
    assert done.code == 1
    assert "STSWATCH_FAULT=nowhere: is no point" in done.err


def a_worker_dies_at(point, files, data, commands):
    """A worker is killed: one sentence, and no process is left for long."""
    done = commands("run", *files, "--data", data, *ADDING, "--workers", "2", fault=point)
    assert done.code == 1
    assert re.fullmatch(rf"stswatch: {data}: a worker process was killed \(.+\); give .+ run again.*\n", done.err)
    until = time.monotonic() + 20
    while of_session(done.pid) and time.monotonic() < until:
        time.sleep(0.01)
    assert of_session(done.pid) == []


@pytest.mark.parametrize(
    "points",
    [["chunk_written", "state_written", "rows_part"], pytest.param(IN_WORKERS, marks=pytest.mark.soak)],
    ids=["some", "all"],
)
def test_workers_killed_at_one_point_after_the_other(points, files, copy, base, added, commands):
    published = everything(base)
    for point in points:
        a_worker_dies_at(point, files, copy, commands)
        seas.assert_same(published, everything(copy))
    then(files, copy, commands)
    is_as(added, copy)


@pytest.mark.parametrize(
    ("seed", "kills", "workers"),
    [(0, 3, 1), *(pytest.param(k, 3, 1 + k % 2, marks=pytest.mark.soak) for k in range(1, 11))],
)
def test_killed_at_any_moment_several_times_in_a_row(seed, kills, workers, files, fresh, commands, tmp_path):
    """A run over an empty folder, with one worker or with two."""
    undisturbed, took_s = fresh
    rng, killed = np.random.default_rng(seed), 0
    for _ in range(kills):
        at_s = rng.uniform(0, took_s)
        done = commands("run", *files, "--data", tmp_path, *FRESH, "--workers", workers, kill_after_s=at_s)
        killed += done.killed
        assert done.killed or (done.code, done.err) == (0, "")
        if (tmp_path / "stswatch.duckdb").exists():
            seas.assert_same(everything(undisturbed), everything(tmp_path))
    assert killed >= 1
    then(files, tmp_path, commands, FRESH)
    is_as(undisturbed, tmp_path)
