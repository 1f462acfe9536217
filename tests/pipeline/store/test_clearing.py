"""Owns: what nobody needs goes, and nothing else: snapshots by who holds them, lake files by who lists them."""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta

import pytest

from stswatch.pipeline.store import database, files, snapshots
from stswatch.pipeline.store.database import connect
from stswatch.pipeline.store.snapshots import GRACE_S, KEPT, clear, every
from tests.pipeline.store import build
from tests.pipeline.store.build import gap, output, publish
from tests.pipeline.store.sessions import connection, session
from tests.pipeline.store.test_snapshots import lake_file


def later(seconds=3600.0):
    return datetime.now(UTC) + timedelta(seconds=seconds)


def published(data, *numbers):
    """Publications of that many gaps, each with a lake file of its own, of which the ledger lists the last."""
    for number in numbers:
        name = lake_file(data, f"lake/fixes/2023-08-0{number}T00/{number}.parquet", *range(number))
        publish(data, output(data, str(number), {"gaps": [gap(n) for n in range(number)]}), lake={"fixes": [name]})
    return {"fixes": [name]}


def left(data):
    """The numbers of the snapshots that are there, whole: both files and the manifest, nothing else."""
    found = {}
    for path in (data / "snapshots").rglob("*.*"):
        found.setdefault(path.name.split(".")[0], []).append(path.suffix)
    assert set(map(tuple, map(sorted, found.values()))) <= {(".duckdb", ".duckdb", ".json")}
    return [int(name) for name in sorted(found)]


def lake(data):
    return sorted(int(path.stem) for path in (data / "lake").rglob("*.parquet"))


def test_superseded_snapshots_go_when_nobody_holds_them_with_the_lake_files_that_only_they_list(tmp_path):
    listed = published(tmp_path, 1, 2, 3, 4)
    clear(tmp_path, listed, later())
    assert (left(tmp_path), lake(tmp_path)) == ([4], [4])
    assert build.rows(tmp_path, "SELECT count(*) AS n FROM fixes") == [{"n": 4}]
    assert sorted(path.name for path in (tmp_path / "lake" / "fixes").iterdir()) == ["2023-08-04T00"]
    clear(tmp_path, listed, later())
    assert left(tmp_path) == [4]


def test_whoever_holds_a_snapshot_keeps_it_and_its_lake_files_as_long_as_he_does(tmp_path):
    """The program's own connections, in this process and another, and sessions of DuckDB, to read and to write."""
    with ExitStack() as held:
        listed = published(tmp_path, 1)
        ours = held.enter_context(connection(tmp_path))
        listed = published(tmp_path, 2)
        here = held.enter_context(closing(connect(tmp_path)))
        listed = published(tmp_path, 3)
        reads = held.enter_context(session(tmp_path / "stswatch.duckdb", "read"))
        listed = published(tmp_path, 4)
        writes = held.enter_context(session(tmp_path / "snapshots" / "000004.duckdb", "hold"))
        listed = published(tmp_path, 5, 6)
        for _ in range(2):
            clear(tmp_path, listed, later())
            assert (left_with_logs(tmp_path), lake(tmp_path)) == ([1, 2, 3, 4, 6], [1, 2, 3, 4, 6])
        assert ours.ask("SELECT count(*) FROM fixes") == "1"
        assert here.execute("SELECT count(*) FROM fixes").fetchall() == [(2,)]
        assert (reads.ask(), writes.ask()) == ("3", "0")
        writes.kill()
        clear(tmp_path, listed, later())
        assert (left(tmp_path), lake(tmp_path)) == ([1, 2, 3, 6], [1, 2, 3, 6])
        here.close()
        clear(tmp_path, listed, later())
        assert (left(tmp_path), lake(tmp_path)) == ([1, 3, 6], [1, 3, 6])
    clear(tmp_path, listed, later())
    assert (left(tmp_path), lake(tmp_path)) == ([6], [6])


def left_with_logs(data):
    return sorted({int(path.name[:6]) for path in (data / "snapshots").rglob("0*")})


def test_what_was_superseded_just_now_stays_for_whoever_is_on_his_way_to_it(tmp_path):
    listed = published(tmp_path, 1, 2, 3)
    clear(tmp_path, listed, later(0))
    assert left(tmp_path) == [1, 2, 3]
    snapshots = tmp_path / "snapshots"
    for name, age_s in (("000002", 2 * GRACE_S), ("000003", GRACE_S / 2)):
        at = later(-age_s).timestamp()
        os.utime(snapshots / "pristine" / f"{name}.json", (at, at))
    clear(tmp_path, listed, later(0))
    assert left(tmp_path) == [2, 3], "1 was superseded when 2 was published, 2 only when 3 was"


def test_where_nobody_can_tell_who_holds_them_the_last_few_stay(tmp_path, monkeypatch):
    """As on macOS: the question is not there to be asked."""
    listed = published(tmp_path, 1, 2, 3, 4, 5, 6)
    monkeypatch.delattr(fcntl, "F_OFD_GETLK")
    assert files.held(tmp_path / "snapshots" / "000001.duckdb") is None
    with closing(connect(tmp_path)):
        assert files.held(tmp_path / "snapshots" / "pristine" / "000006.duckdb") is True
    clear(tmp_path, listed, later())
    assert left(tmp_path) == [6 - KEPT, *range(7 - KEPT, 7)]
    assert lake(tmp_path) == left(tmp_path)


def test_lake_files_that_no_list_tells_of_go_and_others_stay(tmp_path):
    listed = published(tmp_path, 1)
    debris = [
        lake_file(tmp_path, name, 1)
        for name in (
            "lake/fixes/2023-08-01T00/8.parquet",
            "lake/rejects/timeless/9.parquet",
            "lake/fixes/odd/7.parquet",
        )
    ]
    (tmp_path / "lake" / "static_reports" / "2023-08-01T00").mkdir(parents=True)
    half = tmp_path / "lake" / "static_reports" / "2023-08-01T00" / "half.parquet"
    half.write_bytes(b"PAR1")
    listed |= {"static_reports": [lake_file(tmp_path, "lake/static_reports/2023-08-02T00/2.parquet", 1)]}
    clear(tmp_path, listed, later())
    assert not half.exists()
    assert not any((tmp_path / name).exists() for name in debris)
    assert lake(tmp_path) == [1, 2]
    assert not (tmp_path / "lake" / "fixes" / "odd").exists()


def test_no_lake_file_goes_while_nobody_can_tell_what_a_snapshot_lists(tmp_path):
    published(tmp_path, 1)
    with closing(connect(tmp_path)) as db:
        listed = published(tmp_path, 2)
        manifest = tmp_path / "snapshots" / "pristine" / "000001.json"
        manifest.write_text("{")
        clear(tmp_path, listed, later())
        assert (left(tmp_path), lake(tmp_path)) == ([1, 2], [1, 2])
        assert db.execute("SELECT count(*) FROM fixes").fetchall() == [(1,)]
    clear(tmp_path, listed, later())
    assert (left(tmp_path), lake(tmp_path)) == ([2], [2])


@pytest.mark.parametrize("left_by", ["pristine/000009.duckdb", "pristine/000009.json", "000002.duckdb.tmp/x"])
def test_what_a_kill_left_of_a_publication_or_a_removal_goes_with_the_next(tmp_path, left_by):
    published(tmp_path, 1, 2)
    path = tmp_path / "snapshots" / left_by
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"left")
    listed = published(tmp_path, 3)
    clear(tmp_path, listed, later())
    newest = 10 if "9" in left_by else 3
    assert (left(tmp_path), lake(tmp_path)) == ([newest], [3])


def test_a_folder_without_a_link_is_left_alone(tmp_path):
    listed = published(tmp_path, 1, 2)
    (tmp_path / "stswatch.duckdb").unlink()
    clear(tmp_path, listed, later())
    assert (left(tmp_path), lake(tmp_path)) == ([1, 2], [1, 2])
    clear(tmp_path / "nowhere", {}, later())


def test_whoever_opened_one_after_it_was_asked_who_holds_it_keeps_it(tmp_path):
    """Between the question and the removal, with its lake files; whoever comes after finds nothing there any more."""
    published(tmp_path, 1, 2)
    first, _ = every(tmp_path)
    with closing(database._reading(first.shown)) as opened:
        snapshots._remove(first)
        assert left(tmp_path) == [1, 2]
        assert opened.execute("SELECT count(*) FROM gaps").fetchall() == [(1,)]
    with closing(database.open_file(first.pristine, read_only=True)):
        manifest = snapshots.read_manifest(first)
        assert snapshots.as_published(first.pristine, manifest)
        first.pristine.rename(tmp_path / "away")
        assert not snapshots.as_published(first.pristine, manifest)
        (tmp_path / "away").rename(first.pristine)
    snapshots._remove(first)
    assert left(tmp_path) == [2]
