"""Archives that go away, grow or fail while they are read: one sentence, and nothing of them is taken in."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from stswatch.pipeline.batch import HOUR
from stswatch.pipeline.flow.calls import ingest_chunk
from stswatch.pipeline.readers.formats import chunks, open_source
from stswatch.pipeline.readers.source import SourceError
from tests.pipeline.flow import archive
from tests.pipeline.flow.commands import ROOM, Commands
from tests.recording import beginning

pytestmark = pytest.mark.e2e

REFUSES = Path("/sys/class/net/lo/speed")  # opens, has a size, and cannot be read: nothing else fails so everywhere
KINDS = ("a.csv", "a.csv.gz", "a.parquet", "a.nmea.gz")


@pytest.fixture
def file(request, tmp_path):
    """An archive of each kind that is read."""
    path = tmp_path / request.param
    if path.name == "a.nmea.gz":
        return beginning(path, 20_000)
    return archive.write(path, archive.fleet(hours=3.0, pairs=6, anchored=2, fast=0))


def read(source, data):
    """Every chunk of an opened source into a lake."""
    receipts = [ingest_chunk(data, "a-reading", chunk, 24 * HOUR) for chunk in chunks(source)]
    assert len(receipts) == 1
    return receipts[0].counts["sentences"]


@pytest.mark.parametrize("file", KINDS, indirect=True)
def test_a_file_that_stays_is_read(file, tmp_path):
    assert read(open_source(file), tmp_path) > 500


@pytest.mark.parametrize("file", KINDS, indirect=True)
def test_a_file_that_goes_away_after_it_was_opened(file, tmp_path):
    source = open_source(file)
    file.unlink()
    with pytest.raises(SourceError, match=rf"^{file}: .+; (check the path|fetch the file)"):
        read(source, tmp_path)


@pytest.mark.parametrize("file", KINDS, indirect=True)
def test_a_file_that_grows_or_shrinks_while_it_is_read(file, tmp_path):
    source, whole = open_source(file), file.read_bytes()
    for content in (whole + whole[-100:], whole[: len(whole) // 2]):
        file.write_bytes(content)
        with pytest.raises(SourceError, match=rf"^{file}: .+; (wait until it is whole|fetch the file again)"):
            read(source, tmp_path)


@pytest.mark.skipif(not REFUSES.exists(), reason=f"{REFUSES} is not there: no file that opens and refuses to be read")
@pytest.mark.parametrize("file", KINDS, indirect=True)
def test_a_file_that_cannot_be_read_though_it_opens(file, tmp_path):
    source = open_source(file)
    file.unlink()
    file.symlink_to(REFUSES)
    with pytest.raises(SourceError, match=rf"^{file}: .+; (check the path|fetch the file again)"):
        read(source, tmp_path)
    with pytest.raises(SourceError, match=rf"^{file}: cannot be read .+ disk"):
        open_source(file)


@pytest.fixture
def failing_disk(tmp_path):
    """A disk of which the end is lost, with an archive that reaches into it, and commands that see it."""
    image, disk = tmp_path / "image", tmp_path / "disk"
    disk.mkdir()
    file = archive.write(tmp_path / "a.csv", archive.fleet(hours=9.0, pairs=60, anchored=4, fast=0))
    if os.geteuid() or not shutil.which("mkfs.ext4"):
        pytest.skip("no disk can be made from a file: that takes root and mkfs.ext4")
    with closing(Commands(tmp_path, ROOM)) as commands:
        try:
            commands.shell("truncate", "-s", "8M", image)
            commands.shell("mkfs.ext4", "-q", "-F", "-O", "^has_journal", image)
            commands.shell("mount", "-o", "loop", image, disk)
        except AssertionError:
            pytest.skip("no disk can be made from a file: mounting it is refused")
        commands.shell("cp", file, disk)
        commands.shell("umount", disk)  # so that nothing of it is in memory
        commands.shell("mount", "-o", "loop,ro", image, disk)
        os.truncate(image, 5 << 20)
        yield commands, disk / file.name
        commands.shell("umount", disk)


def test_a_disk_that_fails_in_the_middle_of_a_file(failing_disk, tmp_path):
    commands, file = failing_disk
    done = commands("run", file, "--data", tmp_path / "data", "--quiet")
    assert (done.code, done.out) == (1, "")
    collected = "cannot be read (Input/output error); check the path, its permissions and the disk that it lies on"
    assert done.err == f"stswatch: {file}: {collected}\n"
