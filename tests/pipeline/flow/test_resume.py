"""Stop a run, add data, change rules: the folder ends as after one undisturbed run, and nothing runs twice."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stswatch.pipeline import api
from stswatch.pipeline.batch import HOUR
from stswatch.pipeline.flow.run import OtherSlices
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.store import entries
from tests.pipeline import seas
from tests.pipeline.flow import archive
from tests.pipeline.flow.commands import of_session

pytestmark = pytest.mark.e2e

SEA = {"hours": 30.0, "pairs": 24, "anchored": 8, "fast": 0}
SLICES = 5  # of 6 h
LONGER = replace(Rules(), encounter=replace(Rules().encounter, min_duration_min=90.0))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The sea in many files, so that ingest takes a while."""
    rows, folder = archive.fleet(**SEA), tmp_path_factory.mktemp("files")
    parts = np.array_split(np.arange(rows.num_rows), 24)
    return [archive.write(folder / f"{k:02d}.csv.gz", archive.pick(rows, part)) for k, part in enumerate(parts)]


@pytest.fixture(scope="module")
def done(files, tmp_path_factory):
    """The data folder of an undisturbed run."""
    data = tmp_path_factory.mktemp("done") / "data"
    archive.run(data, files, slice_h=6.0)
    return data


@pytest.fixture(scope="module")
def undisturbed(done):
    found = archive.published(done)
    archive.has_a_floor(found, archive.cuts(done))
    assert len(archive.slices(done)) == SLICES
    return found


@pytest.fixture
def copy(done, tmp_path):
    """A data folder like it, elsewhere."""
    return shutil.copytree(done, tmp_path / "copy", symlinks=True)


def words(files, data, *options):
    return ["run", *files, "--data", data, "--quiet", "--slice-hours", "6", "--area", "world", *options]


def test_what_was_read_before_a_kill_is_not_read_again(files, undisturbed, commands, tmp_path):
    assert commands(*words(files, tmp_path), fault="chunk_received:3").killed
    assert len(archive.receipts(tmp_path)) == 3
    assert archive.sources(tmp_path) == {}
    before = archive.lake_times(tmp_path)
    archive.assert_same(undisturbed, archive.run(tmp_path, files, slice_h=6.0))
    assert before.items() <= archive.lake_times(tmp_path).items()
    assert len(archive.receipts(tmp_path)) == len(files)


def test_what_was_read_before_a_kill_and_is_not_asked_for_again_goes(files, undisturbed, commands, copy, tmp_path):
    other = archive.write(tmp_path / "other.csv", archive.fleet(hours=4.0, pairs=8, anchored=0, fast=0))
    assert commands(*words([*files, other], copy), fault="chunk_received").killed
    assert len(archive.receipts(copy)) == len(files) + 1
    archive.assert_same(undisturbed, archive.run(copy, files, slice_h=6.0))
    assert len(archive.receipts(copy)) == len(files)
    listed = {path for paths in entries.lake_files(archive.sources(copy)).values() for path in paths}
    assert {str(p.relative_to(copy)) for p in copy.glob("lake/*/*/*.parquet")} == listed


def test_killed_while_it_reads_again_otherwise_it_still_holds_what_it_held(files, undisturbed, commands, copy):
    """A source is read anew for slices of another length: what the catalogue leads to must not be touched meanwhile."""
    before = archive.lake_times(copy)
    for fault in ("chunk_written:3", "sources_entered"):
        assert commands("run", *files, "--data", copy, "--slice-hours", "12", fault=fault).killed
        assert before.items() <= archive.lake_times(copy).items() or fault.startswith("source")
        archive.assert_same(undisturbed, archive.published(copy))
    slabs = {entry.slab_us for entry in archive.sources(copy).values()}
    assert slabs == {12 * HOUR}, "all sources are entered for slices of 12 h at once"
    archive.assert_same(undisturbed, archive.run(copy, files, slice_h=6.0))


def test_slices_committed_before_a_kill_do_not_run_again(files, undisturbed, commands, tmp_path):
    done: dict[str, int] = {}
    for n in (1, 3):
        assert commands(*words(files, tmp_path), fault=f"slice_committed:{n - len(done)}").killed
        now = archive.slices(tmp_path)
        assert len(now) == n
        assert done.items() <= now.items()
        done = now
    archive.assert_same(undisturbed, archive.run(tmp_path, files, slice_h=6.0))
    after = archive.slices(tmp_path)
    assert done.items() <= after.items()
    assert len(after) == SLICES


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_a_run_that_is_killed_leaves_no_worker_behind(files, undisturbed, commands, tmp_path):
    killed = commands(*words(files, tmp_path, "--workers", "2"), fault="slice_committed")
    assert killed.killed
    until = time.monotonic() + 20
    while (left := of_session(killed.pid)) and time.monotonic() < until:
        time.sleep(0.01)
    assert left == []
    done = archive.slices(tmp_path)
    archive.assert_same(undisturbed, archive.run(tmp_path, files, slice_h=6.0))
    assert done.items() <= archive.slices(tmp_path).items()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_interrupted_it_says_how_to_go_on(workers, files, tmp_path):
    """Ctrl-C goes to every process of a terminal."""
    command = [sys.executable, "-m", "stswatch.pipeline.cli", *map(str, words(files, tmp_path, "--workers", workers))]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # what a shell starts with & ignores it
    )
    while not archive.slices(tmp_path):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGINT)
    printed = process.communicate()[1]
    assert process.returncode in (130, -signal.SIGINT)
    assert printed == "stswatch: stopped; the same command goes on from the last finished slice\n"
    assert 1 <= len(archive.slices(tmp_path)) < SLICES


def test_a_day_more_in_the_same_folder_is_one_run_over_both(tmp_path):
    rows = archive.fleet(**SEA)
    late = np.nan_to_num(rows["time"].to_numpy()) >= archive.every(rows, 24)[0] // 1000
    days = [archive.write(tmp_path / f"{k}.csv", archive.pick(rows, late == bool(k))) for k in (0, 1)]
    one = archive.run(tmp_path / "one", days, slice_h=6.0)
    archive.has_a_floor(one, archive.every(rows, 24))
    first = archive.run(tmp_path / "two", days[:1], slice_h=6.0)
    read, done = archive.lake_times(tmp_path / "two"), archive.slices(tmp_path / "two")
    archive.assert_same(one, archive.run(tmp_path / "two", days[1:], slice_h=6.0))
    assert read.items() <= archive.lake_times(tmp_path / "two").items(), "the first day was read again"
    kept = done.items() & archive.slices(tmp_path / "two").items()
    assert len(kept) == len(done) - 1 == 3, "only the slice at whose end the data ended may run again"
    keeps_its_names(tmp_path / "two", first, one)


def keeps_its_names(data, first, both):
    """Every encounter keeps its name; its revision rises where what is said of it changed, and only there."""
    query = "SELECT id, revision FROM encounters WHERE status = 'current'"
    with closing(api.connect(data)) as db:
        revision = dict(db.execute(query).fetchall())
    later = {row["id"]: row for row in both["encounters"].to_pylist()}
    changed = {row["id"]: later[row["id"]] != row for row in first["encounters"].to_pylist()}
    assert {name: 2 if change else 1 for name, change in changed.items()} == {n: revision[n] for n in changed}
    assert list(changed.values()).count(True) >= 10
    assert list(changed.values()).count(False) >= 10


def test_other_rules_run_from_the_lake(files, undisturbed, copy, tmp_path):
    read, ran = archive.lake_times(copy), archive.slices(copy)
    changed = archive.run(copy, files, slice_h=6.0, rules=LONGER)
    assert archive.lake_times(copy) == read
    assert not ran.keys() & archive.slices(copy).keys()
    archive.assert_same(archive.run(tmp_path / "fresh", files, rules=LONGER), changed)
    assert 0 < changed["encounters"].num_rows < undisturbed["encounters"].num_rows


def test_the_same_run_again_runs_nothing(files, undisturbed, copy):
    read, ran = archive.lake_times(copy), archive.slices(copy)
    archive.assert_same(undisturbed, archive.run(copy, files[::-1], slice_h=6.0))
    assert (archive.lake_times(copy), archive.slices(copy)) == (read, ran)
    with closing(api.connect(copy)) as db:
        assert db.execute("SELECT max(revision), count(DISTINCT run_id) FROM encounters").fetchall() == [(1, 1)]
        assert db.execute("SELECT count(*) FROM runs").fetchall() == [(2,)]


def test_a_file_read_with_another_map_is_read_and_run_anew(tmp_path):
    """Same bytes, same span, other columns: no slice of the first reading may be taken for one of the second."""
    file = archive.write(tmp_path / "a.csv", archive.fleet(hours=4.0, pairs=8, anchored=0, fast=0))
    needed = '[columns]\nmmsi = "mmsi"\ntime = "time"\nlon = "lon"\nlat = "lat"\n'
    maps = [tmp_path / "plain.toml", tmp_path / "named.toml"]
    for path, more in zip(maps, ("", 'name = "name"\nsog_kn = "sog_kn"\n'), strict=True):
        path.write_text(needed + more)
    archive.run(tmp_path / "data", [file], columns=maps[0])
    found = archive.run(tmp_path / "data", [file], columns=maps[1])
    assert found["vessels"]["name"].null_count < found["vessels"].num_rows
    fresh = archive.run(tmp_path / "fresh", [file], columns=maps[1])
    seas.assert_same({n: fresh[n] for n in ("encounters", "vessels")}, found)


def test_slices_of_another_length_leave_nothing_out(files, undisturbed, tmp_path):
    archive.run(tmp_path, files[:4], slice_h=12.0)
    with pytest.raises(OtherSlices, match=r"csv\.gz.* and 1 more.* 12 h.*`slice_h=12`"):
        api.run(files[4:], tmp_path, slice_h=24.0)
    archive.assert_same(undisturbed, archive.run(tmp_path, files, slice_h=24.0))


def test_a_file_that_breaks_off_leaves_the_folder_as_it_was(files, undisturbed, copy, tmp_path):
    broken, other = tmp_path / "broken.csv.gz", tmp_path / "other.csv"
    broken.write_bytes(files[0].read_bytes()[:-20])
    other.write_bytes(b"mmsi,time,lon,lat\n201000001,2025-03-10T12:00:00,1.0,1.0\n")
    entered = archive.sources(copy).keys()
    with pytest.raises(ValueError, match=r"broken\.csv\.gz.*breaks off") as collected:
        api.run([other, broken], copy, slice_h=6.0)
    assert "while running" not in str(collected.value)
    assert archive.sources(copy).keys() == entered
    archive.assert_same(undisturbed, archive.published(copy))
    archive.assert_same(undisturbed, archive.run(copy, files[:1], slice_h=6.0))
