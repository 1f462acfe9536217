"""Owns: what another version left opens with one sentence, and what people decided outlives every version."""

from __future__ import annotations

import re
from contextlib import closing

import duckdb
import pytest

from stswatch.pipeline import api
from stswatch.pipeline.evidence import decisions, upkeep
from stswatch.pipeline.store import case_log, publish, queries, snapshots
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
    assert queries.area_of(data) is None


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
