"""Files whole or not at all, folders that go in one step."""

from __future__ import annotations

import json

import pytest

from stswatch.pipeline.store import files


def test_json_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "a.json"
    files.write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        files.write_json(path, {"a": object()})
    assert files.read_json(path) == json.loads(path.read_text()) == {"a": 1}


def test_a_folder_goes_whatever_an_earlier_stop_left_of_one_of_its_name(tmp_path):
    for left in (".gone-a-state", ".gone-b"):
        (tmp_path / left / "x").mkdir(parents=True)
    (tmp_path / "a" / "state").mkdir(parents=True)
    (tmp_path / "a" / "state" / "file").write_text("x")
    files.discard(tmp_path / "a" / "state", tmp_path)
    files.discard(tmp_path / "a" / "state", tmp_path)
    files.discard(tmp_path / ".gone-b", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert list((tmp_path / "a").iterdir()) == []


def test_what_is_not_there_cannot_be_put_on_the_disk(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_text("c")
    files.sync([tmp_path / "a" / "b" / "c"], tmp_path)
    with pytest.raises(FileNotFoundError):
        files.sync([tmp_path / "a" / "b" / "d"], tmp_path)


def refused(*_):
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("start", [refused, lambda *_: None, lambda work, _: work()])
def test_all_is_put_on_the_disk_though_no_thread_begins(tmp_path, monkeypatch, start):
    """Where memory is short a thread may be made and never come to its first line, or not be made at all."""
    synced = []
    monkeypatch.setattr(files, "start_new_thread", start)
    monkeypatch.setattr(files, "sync_path", synced.append)
    paths = [tmp_path / "a" / str(k) for k in range(20)]
    files.sync(paths, tmp_path)
    assert {*synced} == {*paths, tmp_path, tmp_path / "a"}
    assert synced.index(tmp_path) > 19, "folders after what is in them"
