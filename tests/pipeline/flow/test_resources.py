"""A machine that lacks something: one sentence, nothing lost, and the same command goes on when it is there again.

Disks are real: a small tmpfs where one may be mounted, and limits of the system that hold everywhere.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from stswatch.pipeline import cli
from stswatch.pipeline.flow.run import alone
from tests.pipeline.flow import archive
from tests.pipeline.flow.commands import ROOM, Commands

pytestmark = pytest.mark.e2e

HOW = ("--slice-hours", "3", "--area", "world", "--quiet")
STAGES = {  # killed there first; bytes that are left then; a point that the next run must not come to
    "reading": ("lake_file", 0, "chunk_received"),
    "slices": ("slice_begun", 8_000, "slice_written"),
    "loading": ("load_done", 0, "load_committed"),
    "publishing": ("load_committed", 300_000, "snapshot_named"),
}
DISK_BYTES = 64 << 20
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def base(two_files, commands, tmp_path_factory):
    """A folder with a finished run over the first file."""
    data = tmp_path_factory.mktemp("base") / "data"
    assert commands("run", two_files[0], "--data", data, *HOW).code == 0
    return data


@pytest.fixture(scope="module")
def before(base):
    return archive.everything(base)


@pytest.fixture(scope="module")
def added(two_files, commands, base, tmp_path_factory):
    """The same folder after a run over both files that lacked nothing."""
    data = shutil.copytree(base, tmp_path_factory.mktemp("added") / "data", symlinks=True)
    assert commands("run", *two_files, "--data", data, *HOW).code == 0
    return data


@pytest.fixture
def copy(base, tmp_path):
    return shutil.copytree(base, tmp_path / "copy", symlinks=True)


def one_sentence(done, *words):
    """No success, no output, no traceback: one line with all of these words, and what to do."""
    assert done.code == 1
    assert done.out == ""
    assert re.fullmatch(r"stswatch: [^\n]+\n", done.err), done.err
    for word in (*words, "run again"):
        assert word in done.err


def goes_on(run, data, added):
    """The same command again, which lacks nothing now."""
    done = run()
    assert (done.code, done.err) == (0, "")
    archive.is_as(added, data)


# ------------------------------------------------------------------------------------------------ disk


@pytest.mark.parametrize("stage", STAGES)
def test_no_file_may_grow(stage, two_files, commands, copy, before, added):
    first, left, never = STAGES[stage]
    words = ("run", *two_files, "--data", copy, *HOW)
    assert commands(*words, fault=first).killed
    one_sentence(commands(*words, file_bytes=max(left, 1000), fault=never), copy.name, "File too large", "ulimit -f")
    archive.assert_same(before, archive.everything(copy))
    goes_on(lambda: commands(*words), copy, added)


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """Commands where a small disk of their own is mounted, and where it is."""
    folder = tmp_path_factory.mktemp("room")
    disk = folder / "disk"
    disk.mkdir()
    try:
        commands = Commands(folder, ROOM)
    except (AssertionError, OSError):
        pytest.skip("no file system may be mounted here: unshare --mount is refused")
    with closing(commands):
        commands.shell("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", disk)
        yield commands, disk


def fill(disk, left):
    """Fill a disk but for some bytes; gives the file that does it."""
    free, filler = os.statvfs(disk), disk / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(free.f_bavail * free.f_frsize - left, 1))
    return filler


def seen(data, tmp_path, commands):
    """A copy of a data folder from the disk that only the commands see."""
    shutil.rmtree(tmp_path / "seen", ignore_errors=True)
    commands.shell("cp", "-a", data, tmp_path / "seen")
    return tmp_path / "seen"


@pytest.mark.parametrize("stage", STAGES)
def test_a_full_disk(stage, two_files, room, base, before, added, tmp_path):
    (commands, disk), (first, left, never) = room, STAGES[stage]
    data = disk / stage
    words = ("run", *two_files, "--data", data, *HOW)
    commands.shell("cp", "-a", base, data)
    assert commands(*words, fault=first).killed
    filler = fill(commands.root / disk.relative_to("/"), left)
    for _ in range(2):  # to try again does no harm
        one_sentence(commands(*words, fault=never), str(data), "the disk is full", "make room")
    archive.assert_same(before, archive.everything(seen(data, tmp_path, commands)))
    filler.unlink()
    assert commands(*words).code == 0
    archive.is_as(added, seen(data, tmp_path, commands))
    commands.shell("rm", "-r", data)


def test_a_disk_that_is_read_only(two_files, room, base, added, tmp_path):
    commands, disk = room
    data = disk / "data"
    words = ("run", *two_files, "--data", data, *HOW)
    commands.shell("cp", "-a", base, data)
    assert commands(*words, fault="slice_begun").killed
    commands.shell("mount", "-o", "remount,ro", disk)
    one_sentence(commands(*words), str(data), "read-only", "--data")
    leads = commands("leads", "--data", data)
    commands.shell("mount", "-o", "remount,rw", disk)
    assert (leads.code, leads.err) == (0, "")
    assert "no leads" not in leads.out
    assert commands(*words).code == 0
    archive.is_as(added, seen(data, tmp_path, commands))


def test_a_folder_that_one_may_not_write(two_files, commands, copy, before, added):
    words = ("run", *two_files, "--data", copy, *HOW)
    modes = {path: path.stat().st_mode for path in (copy, *copy.rglob("*")) if not path.is_symlink()}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    done = commands(*words, powerless=True)
    one_sentence(done, str(copy), "may not be written", "Permission denied", "--data")
    archive.assert_same(before, archive.everything(copy))
    for path, mode in modes.items():
        path.chmod(mode)
    goes_on(lambda: commands(*words, powerless=True), copy, added)


def test_a_folder_that_another_run_works_in(two_files, commands, copy, before, added):
    words = ("run", *two_files, "--data", copy, *HOW)
    with alone(copy):
        done = commands(*words)
        assert (done.code, done.out) == (1, "")
        assert re.fullmatch(rf"stswatch: {copy}: another run works in this folder; [^\n]+\n", done.err)
        archive.assert_same(before, archive.everything(copy))
    goes_on(lambda: commands(*words), copy, added)


def test_a_full_disk_behind_the_output(capsys, monkeypatch):
    full = Path("/dev/full").open("w")  # noqa: SIM115  it cannot be closed without a word
    monkeypatch.setattr("sys.stdout", full)
    assert cli.main(["rules"]) == 1
    assert "standard output: the disk is full" in capsys.readouterr().err
    with suppress(OSError):
        full.close()


# ------------------------------------------------------------------------------------------------ memory


GROUPED = """
import resource
import pyarrow as pa, pyarrow.acero
from stswatch.pipeline.batch import grouped
table = pa.table({"k": [7, 5, 7]})
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (4 << 20),) * 2)  # a thread's stack takes 8 MB
print(grouped(table, "k").aggregate([([], "count_all")])["count_all"].to_pylist())
"""


def test_rows_are_grouped_where_no_thread_can_be_started():
    """With threads Arrow waits for ever for one that it could not start."""
    done = subprocess.run([sys.executable, "-c", GROUPED], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "[2, 1]\n"), done.stderr


def test_nothing_groups_rows_with_threads():
    rooms = (ROOT / room for room in ("geo", "models", "pipeline", "sample_ais"))
    calling = [path.name for room in rooms for path in room.rglob("*.py") if ".group_by(" in path.read_text()]
    assert calling == ["batch.py"]


def test_no_memory(two_files, commands, copy, before, added):
    """Less and less address space. A library may end the process by itself, with a word of its own or none."""
    words, printed = ("run", *two_files, "--data", copy, *HOW), 0
    for spare_mb in (120, 105, 90, 75, 60):
        done = commands(*words, spare_bytes=spare_mb << 20)
        assert done.code != 0
        if done.code == 1:
            *before_it, sentence = done.err.splitlines()
            assert "Traceback" not in "".join(before_it)
            assert re.fullmatch(rf"stswatch: {copy}: no memory is left \(.+\); .*--memory.* run again: .+", sentence)
            printed += 1
    assert printed >= 1
    archive.assert_same(before, archive.everything(copy))
    goes_on(lambda: commands(*words), copy, added)
