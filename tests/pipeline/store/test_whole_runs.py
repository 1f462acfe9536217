"""Owns: whole runs and the command, over a folder whose published files others hold, spoil or still read."""

from __future__ import annotations

import os
import time

import pytest

from stswatch.pipeline import api, cli
from stswatch.pipeline.store import snapshots
from tests.pipeline.flow import archive
from tests.pipeline.store.sessions import connection, session

pytestmark = pytest.mark.e2e

SEA = {"hours": 6.0, "pairs": 12, "anchored": 4, "fast": 0}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The archive of a sea in two halves."""
    rows, folder = archive.fleet(**SEA), tmp_path_factory.mktemp("sea")
    half = rows.num_rows // 2
    return [archive.write(folder / "a.csv", rows[:half]), archive.write(folder / "b.csv", rows[half:])]


def test_while_a_session_holds_what_it_changed_the_command_shows_what_was_published(files, tmp_path, capsys):
    def printed(*words):
        assert cli.main([*map(str, words), "--data", str(tmp_path)]) == 0
        return capsys.readouterr().out

    printed("run", files[0], "--area", "world", "--quiet")
    name, gaps = api.leads(tmp_path, 1)[0]["id"], api.counts(tmp_path)["gaps"]
    before = printed("leads"), printed("explain", name), printed("rules")
    with session(tmp_path / "stswatch.duckdb", "hold") as analyst:
        assert analyst.ask() == "0"
        assert (printed("leads"), printed("explain", name), printed("rules")) == before
        printed("run", *files, "--area", "world", "--quiet")
        assert analyst.ask() == "0"
        assert api.counts(tmp_path)["sources"] == 2
        assert api.counts(tmp_path)["gaps"] >= gaps > 0


def test_who_reads_an_old_snapshot_keeps_its_positions_when_the_archive_is_read_in_another_way(files, tmp_path):
    """Other slabs are other lake files; read in the first way again, the files of its names are written again."""
    query, files = "SELECT count(*) FROM fixes", files[:1]
    api.run(files, tmp_path, slice_h=6.0)
    first = lake(tmp_path)
    with connection(tmp_path) as reader:
        fixes = reader.ask(query)
        assert int(fixes) > 1000
        for slice_h in (3.0, 2.0, 6.0):
            api.run(files, tmp_path, slice_h=slice_h)
            age(tmp_path)
            assert reader.ask(query) == fixes
            assert first <= lake(tmp_path)
            assert reader.ask("SELECT count(DISTINCT mmsi) FROM static_reports") != "0"


def lake(data):
    return {path.relative_to(data) for path in (data / "lake").rglob("*.parquet")}


def age(data):
    """As if everything published so far had been published an hour ago."""
    for snapshot in snapshots.every(data):
        os.utime(snapshot.manifest, (time.time() - 3600,) * 2)
