"""Owns: readers see what was published, whatever others do to it, and never anything between two publications."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pytest

from stswatch.pipeline import schema
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.store import queries, snapshots
from stswatch.pipeline.store.database import StoreError, connect, followed, open_work
from stswatch.pipeline.store.publish import publish as publish_database
from tests.docs.pages import ROOT
from tests.pipeline.store import build
from tests.pipeline.store.build import encounter, everything, gap, output, publish
from tests.pipeline.store.sessions import session
from tests.pipeline.store.test_snapshots import FIX


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with one publication: two encounters and two gaps."""
    folder = tmp_path_factory.mktemp("made")
    publish(folder, output(folder, "a", {"gaps": [gap(0), gap(5)], "encounters": [encounter(1, 3), encounter(5, 6)]}))
    return folder


@pytest.fixture
def data(made, tmp_path):
    """That folder, to be spoilt."""
    return shutil.copytree(made, tmp_path / "data", symlinks=True)


def files(data):
    """What somebody may open: the link, what it leads to, and the copy that is not for him."""
    newest = snapshots.newest(data)
    return {"link": data / "stswatch.duckdb", "shown": newest.shown, "pristine": newest.pristine}


def read_plainly(data, query="SELECT count(*) FROM gaps"):
    """The answer of DuckDB itself, without anything of ours."""
    with closing(duckdb.connect(str(data / "stswatch.duckdb"), read_only=True)) as db:
        return db.execute(query).fetchall()[0][0]


def asked(data):
    """What `stswatch leads` and `stswatch explain` ask of a folder."""
    found = queries.encounter(data, "241502000-311000222-1")
    return queries.leads(data, 9), found, queries.vessels(data, [found["mmsi_a"]]), queries.run_of(data)


@pytest.mark.parametrize(
    ("does", "which"),
    [
        ("killed", "link"),
        ("killed", "pristine"),
        ("closed", "shown"),
        ("closed", "pristine"),
        ("holds", "link"),
        ("holds", "pristine"),
    ],
)
def test_a_session_that_writes_harms_neither_readers_nor_what_is_published_next(data, does, which):
    before, collected = everything(data), asked(data)
    with session(files(data)[which], "write" if does == "closed" else "hold") as analyst:
        if does == "killed":
            analyst.kill()
            assert list(data.rglob("*.wal")), "the session left its log"
        assert everything(data) == before
        assert asked(data) == collected
        with closing(connect(data)) as reader:
            day = output(data, "b", {"gaps": [gap(hour) for hour in range(9)], "encounters": [encounter(1, 3)]})
            publish(data, day, run_id="run-2")
            snapshots.clear(data, {}, datetime.now(UTC) + timedelta(hours=1))
            assert reader.execute("SELECT count(*) FROM gaps").fetchall() == [(2,)]
        assert len(build.rows(data, "SELECT * FROM gaps")) == read_plainly(data) == 9
        assert read_plainly(data, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'notes'") == 0
        newest = files(data)["shown"]
        if does == "holds":
            assert analyst.ask() == "0", "his own file is as he left it"
    assert not snapshots.log(newest).exists()
    assert not snapshots.log(data / "stswatch.duckdb").exists()


def test_a_log_beside_the_link_does_not_outlive_a_publication(data):
    """DuckDB 1.4 writes it there."""
    (data / "stswatch.duckdb.wal").write_bytes(b"a log beside the link")
    assert len(build.rows(data, "SELECT * FROM gaps")) == 2
    publish(data, output(data, "b", {"gaps": [gap(1)]}))
    assert not (data / "stswatch.duckdb.wal").exists()
    assert read_plainly(data) == 1


def test_where_both_files_are_spoilt_it_is_said_and_the_next_publication_is_whole(data):
    for which in ("shown", "pristine"):
        with session(files(data)[which], "write"):
            pass
    with pytest.raises(StoreError, match=r"another program has changed it.*run again"):
        connect(data)
    publish(data, output(data, "b", {"gaps": [gap(1)]}))
    assert len(build.rows(data, "SELECT * FROM gaps")) == 1


def test_a_file_that_was_cut_off_is_not_taken_for_what_was_published(data):
    pristine = files(data)["pristine"]
    pristine.chmod(0o644)
    os.truncate(pristine, pristine.stat().st_size - (256 << 10))
    assert len(build.rows(data, "SELECT * FROM gaps")) == 2
    files(data)["shown"].unlink()
    with pytest.raises(StoreError, match="cannot be opened"):
        connect(data)


@pytest.mark.parametrize("how", ["moved", "copied", "copied without links", "only the file"])
def test_a_folder_is_read_wherever_it_was_taken(data, tmp_path_factory, how):
    there = tmp_path_factory.mktemp("there") / "data"
    before = everything(data)
    if how == "moved":
        data.rename(there)
    elif how == "only the file":
        there.mkdir()
        subprocess.run(["cp", data / "stswatch.duckdb", there], check=True)
    else:
        subprocess.run(["cp", "-rL" if "without" in how else "-r", data, there], check=True)
    assert everything(there) == before
    with closing(connect(there)) as one, closing(connect(there)) as two:
        assert one.sql("FROM gaps").fetchall() == two.sql("FROM gaps").fetchall()


def test_a_reader_who_holds_a_snapshot_keeps_it_locked_while_others_look_for_holders(data):
    """Closing a file gives up all locks of a process on it, so nothing may open it beside DuckDB."""
    with closing(connect(data)) as held, closing(connect(data)):
        assert len(everything(data)) > 3
        later = datetime.now(UTC) + timedelta(hours=1)
        snapshots.clear(data, {}, later)
        publish(data, output(data, "b", {"gaps": [gap(1)]}))
        snapshots.clear(data, {}, later)
        held_file = data / "snapshots" / "pristine" / "000001.duckdb"
        code = "import duckdb, os, sys; os.chmod(sys.argv[1], 0o644); duckdb.connect(sys.argv[1])"
        other = subprocess.run([sys.executable, "-c", code, held_file], capture_output=True, text=True, check=False)
        assert "Conflicting lock" in other.stderr
        assert held.execute("SELECT count(*) FROM gaps").fetchall() == [(2,)]


def test_whoever_was_on_the_way_to_a_file_that_was_cleared_is_led_to_the_newest(data):
    link, seen = data / "stswatch.duckdb", []

    def opened(file):
        seen.append(file.name)
        if len(seen) == 1:
            publish(data, output(data, "b", {"gaps": [gap(1)]}))
            snapshots.clear(data, {}, datetime.now(UTC) + timedelta(hours=1))
            assert not file.exists()
        return duckdb.connect(str(file), read_only=True)

    with closing(followed(link, opened)) as db:
        assert db.execute("SELECT count(*) FROM gaps").fetchall() == [(1,)]
    assert seen == ["000001.duckdb", "000002.duckdb"]
    link.resolve().unlink()
    with pytest.raises(duckdb.IOException, match="does not exist"):
        followed(link, opened)


SHORT = """
import resource, signal, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tests.pipeline.store.test_publication import published
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
published(Path(sys.argv[1]), 2, datetime.now(UTC))
"""


def test_what_could_not_be_written_whole_leaves_nothing_half(data):
    before = everything(data)
    code = [sys.executable, "-c", SHORT, str(data), str(files(data)["shown"].stat().st_size - 1)]
    done = subprocess.run(code, capture_output=True, text=True, check=False, cwd=ROOT)
    assert "no snapshot was made" in done.stderr
    assert everything(data) == before
    assert sorted(path.name for path in (data / "snapshots").rglob("*.*")) == [
        "000001.duckdb",
        "000001.duckdb",
        "000001.json",
    ]


LOOP = """
import sys
from contextlib import closing
from pathlib import Path
import duckdb
from stswatch.pipeline.store.database import connect
data, publications, ways = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
opened = {
    "ours": lambda: connect(data),
    "plainly": lambda: duckdb.connect(str(data / "stswatch.duckdb"), read_only=True),
}
seen = times = 0
print("ready", flush=True)
while seen < publications:
    with closing(opened[ways[times % len(ways)]]()) as db:
        (row,) = db.execute("SELECT (SELECT count(*) FROM reject_counts), (SELECT count(*) FROM fixes)").fetchall()
    assert row[0] == row[1] >= seen, (row, seen)
    seen, times = row[0], times + 1
print(times)
"""


def published(data, number, now):
    """A publication that says its number in a table and in the lake, and what follows it in a run."""
    name = f"lake/fixes/2023-08-01T00/{number}.parquet"
    build.write(data / name, [FIX | {"offset": n} for n in range(number)], schema.FIXES)
    rows = [{"source": f"{n:016x}", "reason": "checksum", "count": 1} for n in range(number)]
    tables = {
        "sources": schema.SOURCES.empty_table(),
        "reject_counts": pa.Table.from_pylist(rows, schema=schema.REJECT_COUNTS),
        "placed": schema.PLACED.empty_table(),
    }
    with closing(open_work(data)) as work:
        publish_database(work, data, tables, {"fixes": [name]}, Rules().with_cut_off(0.0))
    snapshots.clear(data, {"fixes": [name]}, now)


@pytest.mark.parametrize(("publications", "ways"), [(10, ["ours", "plainly"]), (8, ["ours"])])
def test_a_reader_who_opens_again_and_again_sees_whole_publications_in_order(tmp_path, publications, ways):
    """Where DuckDB alone reads, superseded files stay a while; ours finds its way though they go at once."""
    now = datetime.now(UTC) + timedelta(hours=0 if "plainly" in ways else 1)
    published(tmp_path, 1, now)
    command = [sys.executable, "-c", LOOP, str(tmp_path), str(publications), *ways]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
        assert reader.stdout.readline() == "ready\n"
        for number in range(2, publications + 1):
            published(tmp_path, number, now)
        printed, errors = reader.communicate(timeout=60)
    assert reader.returncode == 0, errors
    assert int(printed) > publications, "it was at it all the time"
    for kind in ("snapshots/*.duckdb", "lake/fixes/*/*"):
        left = len(list(tmp_path.glob(kind)))
        assert left == publications if "plainly" in ways else 1 <= left <= 3


def test_a_watch_that_has_finalized_nothing_yet_is_no_error_of_the_program(tmp_path):
    published(tmp_path, 1, datetime.now(UTC))
    with pytest.raises(StoreError, match="holds no results yet; `stswatch status` says more"):
        queries.run_of(tmp_path)


# -------------------------------------------------------------------- what a snapshot shows is made once, then copied

SHOWN = (
    "SELECT table_name, sql, comment FROM duckdb_tables() ORDER BY ALL",
    "SELECT view_name, sql, comment FROM duckdb_views() WHERE NOT internal ORDER BY ALL",
    "SELECT table_name, column_name, data_type, is_nullable, comment FROM duckdb_columns() ORDER BY 1, column_index",
    "SELECT table_name, constraint_text FROM duckdb_constraints() ORDER BY ALL",
)


def shown(folder):
    """All that a new folder's snapshot says of its tables, views and columns; EXCLUDE is a set, in any order."""
    publish(folder, output(folder, "one", {"encounters": [encounter(1, 4)]}))
    with closing(connect(folder)) as db:
        rows = [db.sql(query).fetchall() for query in (*SHOWN, "SELECT id FROM flagged_encounters")]
    return re.sub(r"EXCLUDE \((.*?)\)", lambda found: str(sorted(found[1].split(", "))), repr(rows))


@pytest.mark.parametrize("kept", ["nothing", "whole", "damaged", "cut", "no folder", "no home"])
def test_whatever_was_kept_of_an_earlier_publication_a_snapshot_shows_the_same(kept, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    first = shown(tmp_path / "first")
    (file,) = cache.glob("stswatch/*")
    whole = file.read_bytes()
    if kept == "nothing":
        file.unlink()
    elif kept == "damaged":  # a bit of each kB
        file.write_bytes(bytes(byte ^ (k % 1000 == 999) for k, byte in enumerate(whole)))
    elif kept == "cut":
        file.write_bytes(whole[:5000])
    elif kept == "no folder":
        shutil.rmtree(cache)
        cache.write_text("a file is in the way")
    elif kept == "no home":
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setenv("HOME", "/dev/null")
    assert shown(tmp_path / "second") == first
    if kept in ("nothing", "damaged", "cut"):
        assert shown(tmp_path / "third") == first
        assert [path.name for path in cache.glob("stswatch/*")] == [file.name]
