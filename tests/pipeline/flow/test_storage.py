"""Owns: workers that see no data folder, and exchange files through storage, give the same events; what is wrong with
the storage is one sentence. `make cluster-test` has the same on a cluster, with a server of S3."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stswatch.pipeline.flow.cluster import storage as there
from stswatch.pipeline.flow.cluster.storage import Storage, StorageError, of_a_run
from stswatch.pipeline.flow.row import Engine
from tests.pipeline.flow import archive
from tests.recording import RECORDING

pytest.importorskip("fsspec")


@pytest.fixture
def stored(tmp_path):
    return Storage(f"file://{tmp_path}/stored")


@pytest.mark.e2e
@pytest.mark.parametrize("shards", [1, 2])
def test_through_storage_the_events_are_the_same(tmp_path, stored, monkeypatch, shards):
    archive.run(tmp_path / "plain", [RECORDING], shards=shards)
    monkeypatch.setattr(Engine, "storage", stored)
    archive.run(tmp_path / "data", [RECORDING], shards=shards)
    archive.assert_same(archive.everything(tmp_path / "plain"), archive.everything(tmp_path / "data"))
    kept = {name.split("/")[0] for name in stored.names("")}
    assert kept == {"lake", "slice.json", "slices"}
    assert len({name.split("/")[1] for name in stored.names("slices")}) == 1  # the last, from which another would go on
    assert not [name for name in stored.names("") if "/sent/" in name]


def test_files_come_and_go_whole(tmp_path, stored):
    here, other = tmp_path / "here", tmp_path / "other"
    for name, content in {"a/b": b"1", "c": b"", "a/d/e": bytes(1 << 20)}.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(content)
    stored.put(here, ["a/b", "c", "a/d/e", "c"])
    assert stored.names("") == ["a/b", "a/d/e", "c"]
    assert (stored.names("a"), stored.names("none")) == (["a/b", "a/d/e"], [])
    stored.fetch(other, ["a/d/e", "c"])
    assert (other / "a/d/e").read_bytes() == bytes(1 << 20)
    (here / "c").write_bytes(b"2")
    stored.put(here, ["c"])
    for anew, content in ((False, b""), (True, b"2")):
        stored.fetch(other, ["c"], anew)
        assert (other / "c").read_bytes() == content
    with pytest.raises(StorageError, match="cannot be read") as error:
        stored.fetch(other, ["c", "none"], anew=True)
    assert "\n" not in str(error.value)
    for hostile in ("../c", "a/../../c", "/c"):
        with pytest.raises(StorageError, match="give a prefix that nobody else has"):
            stored.fetch(other, [hostile], anew=True)
    assert {path.name for path in other.rglob("*") if path.is_file()} == {"e", "c"}
    stored.remove("a")
    stored.remove("none")
    assert stored.names("") == ["c"]


def test_a_run_leaves_nothing_there(tmp_path):
    with of_a_run(f"file://{tmp_path}/kept") as storage:
        assert storage.names("") == []
        (tmp_path / "x").touch()
        storage.put(tmp_path, ["x"])
    assert not list((tmp_path / "kept").iterdir())
    with of_a_run(None) as storage:
        assert storage is None


def test_what_is_no_storage_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for url in ("nothing://a/b", f"file://{tmp_path}/file/in"):
        with pytest.raises(StorageError, match="cannot be written") as error, of_a_run(url):
            pass
        assert "\n" not in str(error.value)
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(StorageError, match=r"pip install 'stswatch\[s3\]'"), of_a_run("s3://bucket"):
        pass


KILLED = """
import os, signal
from stswatch.pipeline.flow.cluster.storage import scratch
print(scratch(), flush=True)
os.kill(os.getpid(), signal.SIG{name}) if "{name}" != "NONE" else None
"""


def test_a_scratch_folder_goes_with_its_process_or_with_the_next(tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}

    def folder(name: str) -> Path:
        code = [sys.executable, "-c", KILLED.format(name=name)]
        return Path(subprocess.run(code, env=environment, capture_output=True, text=True, timeout=60).stdout.strip())

    assert not folder("NONE").exists()
    left = folder("KILL")
    assert left.exists()
    assert folder("KILL").exists()
    assert not left.exists()


def test_one_process_has_one_scratch_folder():
    try:
        assert there.scratch() == there.scratch()
        assert there.scratch().is_dir()
    finally:
        there.leave()
        there._scratch.clear()
