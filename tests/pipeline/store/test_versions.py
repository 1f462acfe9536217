"""Owns: what another version left opens with one sentence, and what people decided outlives every version."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from stswatch.pipeline import api, faults
from stswatch.pipeline.evidence import decisions, upkeep
from stswatch.pipeline.store import case_log, database, publish, queries, snapshots
from stswatch.pipeline.store.database import OtherVersion, connect, open_file, open_work
from tests.pipeline.store import build
from tests.pipeline.store.build import encounter


def published_by(data, version, *statements):
    """Publish what was published last as an older version did, which had less."""
    last, following = snapshots.newest(data), snapshots.following(data)
    made = following.pristine.with_name("unfinished.duckdb")
    snapshots.copy(last.pristine, made)
    made.chmod(0o644)
    with closing(open_file(made)) as db:
        db.execute("UPDATE runs SET code_version = ?", [version])
        for statement in statements:
            db.execute(statement)
        db.execute("CHECKPOINT")
    snapshots.finalize(following, made, snapshots.read_manifest(last).lake_files, {})
    publish._lead_to(following, data / snapshots.PUBLISHED)


@pytest.fixture
def data(tmp_path):
    build.publish(tmp_path, build.output(tmp_path, "a", {"encounters": [encounter(1, 3)]}))
    return tmp_path


EVERY = (
    ("leads",),
    ("dark",),
    ("explain", "D1"),
    ("explain",),
    ("docket",),
    ("case", "E1"),
    ("decide", "E1", "--status", "watch", "--by", "Ann", "--note", "x"),
    ("verify",),
    ("status", "--drift"),
)
LACKS = {
    "DROP VIEW dark_leads": "dark_leads",
    "DROP VIEW unmatched_detections": "unmatched_detections",
    "ALTER TABLE outages DROP COLUMN receiver": "outages.receiver",
    "DROP TABLE port_calls": "port_calls",
}


@pytest.mark.parametrize("lacking", LACKS)
def test_a_snapshot_of_an_older_version_opens_with_a_sentence(data, say, lacking):
    published_by(data, "0.1.7", lacking)
    sentence = (
        f"stswatch: {data / 'stswatch.duckdb'}: was published by another version of stswatch (0.1.7) and lacks"
        f" {LACKS[lacking]}; `stswatch rebuild` makes the database anew of the lake and the log of decisions\n"
    )
    for words in EVERY if "dark" in lacking else EVERY[:1]:
        assert say(*words, "--data", data) == (1, "", sentence), words
    assert case_log.read(data).entries == (), "nothing is written of what cannot be shown"
    with connect(data) as db:  # whoever asks by themselves may, and finds what there is
        assert db.execute("SELECT count(*) FROM encounters").fetchone() == (1,)


def test_all_that_lacks_is_counted_and_more_than_is_known_is_no_hindrance(data):
    published_by(data, "0.1.7", "DROP VIEW dark_leads", "DROP VIEW docket")
    with pytest.raises(OtherVersion, match=r"lacks (docket|dark_leads) and 1 more; "):
        queries.leads(data, 1)
    build.publish(data, build.output(data, "a", {"encounters": [encounter(1, 3)]}))
    published_by(data, "9.0.0", "CREATE TABLE moons (n INTEGER)", "ALTER TABLE runs ADD COLUMN moon INTEGER")
    assert len(queries.leads(data, 1)) == 1
    assert api.counts(data)["encounters"] == 1


def test_one_that_has_not_even_runs_names_no_version(data):
    published_by(data, "0.1.7", "DROP TABLE runs")
    with pytest.raises(OtherVersion, match=r"another version of stswatch and lacks runs; "):
        queries.leads(data, 1)
    assert database.area_of(data) is None


def test_what_is_decided_beside_a_workspace_of_another_version_is_in_the_log(data):
    with closing(open_work(data)) as work:
        work.execute("UPDATE layout SET statements = 'CREATE TABLE other (a INTEGER)'")
    name = queries.leads(data, 1)[0]["id"]
    done = decisions.decide(data, name, "watch", "Ann", "to be seen")
    assert (done.new, done.published) == (True, False)
    assert upkeep.verify(data).startswith("1 entries, all fit")


def test_the_head_that_an_older_snapshot_knows_still_holds_the_log(data):
    name = queries.leads(data, 1)[0]["id"]
    decisions.decide(data, name, "watch", "Ann", "to be seen")
    published_by(data, "0.1.7", "DROP VIEW dark_leads")
    for file in (case_log.NAME, case_log.HEAD):
        (data / file).unlink()
    with pytest.raises(case_log.CaseLogError, match=re.escape("entries 1 to 1 are gone from its end")):
        upkeep.verify(data)


def test_no_command_shows_what_duckdb_says(data, say):
    """The oracle of the check: DuckDB itself refuses what lacks."""
    published_by(data, "0.1.7", "DROP VIEW dark_leads")
    with connect(data) as db, pytest.raises(duckdb.CatalogException):
        db.execute("FROM dark_leads")
    assert "Catalog Error" not in "".join(say("dark", "--data", data)[1:])


# ---------------------------------------------------------- folders that released versions left, see versions/write.py

RUN = ("run", "a.csv", "--area", "world", "--quiet")
# Python 3.11.4 and later refuse members that lead elsewhere
SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
LEFT = sorted(Path(__file__).with_name("versions").glob("*.tar.xz"))


@pytest.fixture
def left(tmp_path, request, monkeypatch):
    """A folder as a version left it, its archives beside it, by the paths by which they were given."""
    with tarfile.open(request.param) as packed:
        packed.extractall(tmp_path, **SAFELY)
    monkeypatch.chdir(tmp_path)
    return Path("data")


def test_each_released_version_left_a_folder():
    changes = (Path(__file__).parents[3] / "CHANGELOG.md").read_text()
    released = {found[1] for found in re.finditer(r"^## (\d+\.\d+\.\d+)", changes, re.MULTILINE)}
    assert {path.name.removesuffix(".tar.xz") for path in LEFT} == released >= {"0.1.0"}


@pytest.mark.e2e
@pytest.mark.parametrize("left", LEFT, indirect=True, ids=lambda path: path.name.removesuffix(".tar.xz"))
def test_what_a_released_version_left_says_one_sentence_and_comes_back(left, say):
    """Whatever is asked of it answers or says one sentence; a rebuild brings back all that people decided."""
    log = case_log.verified(left).entries
    for words in (*EVERY, ("log", "verify"), ("verify", "--all"), ("reproduce",), RUN):
        code, out, err = say(*words, "--data", left)
        assert code == 0 or re.fullmatch("stswatch: [^\n]+\n", err), words
        assert not re.search("Traceback|Catalog Error|Binder Error|sqlite3", out + err), words
    assert case_log.read(left).entries[: len(log)] == log
    assert say("rebuild", "--quiet", "--data", left) == (0, "", "")
    assert say("verify", "--all", "--data", left)[0] == 0
    found = [say(*words, "--data", left) for words in EVERY[:2]]
    assert [code for code, *_ in found] == [0, 0]
    assert "Eced2c7f5754a" in found[0][1]
    live = [entry.seq for entry in log if entry.exercise is None]
    rows = build.rows(left, "SELECT seq FROM decisions ORDER BY seq")
    assert [row["seq"] for row in rows if row["seq"] <= len(log)] == live
    assert len(build.rows(left, "FROM observations")) == sum(entry.kind == "observation" for entry in log)
    assert case_log.verified(left).finding is None
    assert queries.run_of(left)["area"] == "world"


@pytest.mark.parametrize("left", LEFT[:1], indirect=True, ids=["0.1.0"])
def test_archives_of_the_first_version_that_are_gone_are_named_and_nothing_is_removed(left, say):
    Path("b.csv").unlink()
    with Path("c.csv").open("a") as file:
        file.write("\n")
    code, _, err = say("rebuild", "--quiet", "--data", left)
    assert (code, "made by version 0.1.0 of b.csv and 1 more, not there as it was" in err) == (1, True)
    assert (left / "lake").is_dir()
    assert (left / "db").is_dir()


@pytest.mark.e2e
@pytest.mark.parametrize("left", LEFT[:1], indirect=True, ids=["0.1.0"])
def test_a_rebuild_of_the_first_version_that_was_killed_goes_on(left):
    words = [sys.executable, "-m", "stswatch.pipeline.cli", "rebuild", "--quiet", "--data", str(left)]
    for point in ("folder_discarded", "folder_discarded:2", "sources_read", "sources_entered", "load_done"):
        killed = subprocess.run(words, env=os.environ | {faults.VARIABLE: point}, check=False, capture_output=True)
        assert killed.returncode == -signal.SIGKILL, point
    subprocess.run(words, check=True, capture_output=True)
    assert [row["path"] for row in queries.sources(left)] == ["a.csv", "b.csv", "c.csv"]
    assert queries.leads(left, 1)[0]["id"] == "Eced2c7f5754a"
