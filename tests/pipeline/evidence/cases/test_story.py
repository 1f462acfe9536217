"""Owns: a lead of the sample becomes a case, and every table says what people did; nobody could hold it up."""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stswatch.pipeline import api, schema
from stswatch.pipeline.evidence import decisions
from stswatch.pipeline.store import case_queries
from tests.pipeline.flow.archive import in_two
from tests.recording import RECORDING

pytestmark = pytest.mark.e2e

BY, NOTE = "--by", "--note"


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    data = tmp_path_factory.mktemp("story") / "data"
    api.run(RECORDING, data)
    return data


@pytest.fixture
def data(sample, tmp_path):
    return shutil.copytree(sample, tmp_path / "data", symlinks=True)


@pytest.fixture
def tell(say, data):
    """A command over the folder that ends well; gives what it printed."""

    def tell(*words):
        code, out, err = say(*words, "--data", data)
        assert (code, err) == (0, ""), (words, err)
        return out

    return tell


def ask(data, query):
    with closing(api.connect(data)) as db:
        return db.sql(query).fetchall()


def test_a_lead_becomes_a_case(data, tell, shown):
    lead = api.leads(data, 1)[0]["id"]
    assert f"{lead}  first reader    read" in tell("docket")
    tell("decide", lead, "--status", "assessed", BY, "Ann Lee", NOTE, "alongside for hours",
         "--alternative", "bunkering: neither serves others", "--alternative", "crew change: too long")  # fmt: skip
    assert "second reader" in tell("docket")
    page = tell("case", lead, "--masked", BY, "Bo Park")
    assert "vessel A" in page
    assert "281647718" not in page
    tell("record", lead, "--kind", "dissent", BY, "Bo Park", NOTE, "may be a repair alongside")
    assert "who may refer" in tell("docket")
    tell("record", lead, "--kind", "inquiry", "--party", "owner", BY, "Ann Lee", NOTE, "what was the vessel doing?")
    assert "readers: two" in tell(
        "decide", lead, "--status", "referred", "--to", "KR", "--to", "ECC", BY, "Ann Lee", NOTE, "possible transfer"
    )
    assert [*ask(data, f"SELECT waits_for, what, status FROM docket WHERE case_id = '{lead}' ORDER BY ALL")] == [
        ("ECC", "acknowledge", "referred"),
        ("KR", "acknowledge", "referred"),
        ("owner", "reply", "referred"),
    ]
    tell("record", lead, "--kind", "acknowledged", "--party", "KR", BY, "Ann Lee", NOTE, "by telephone")
    tell("record", lead, "--kind", "reply", "--party", "owner", BY, "Ann Lee", NOTE, "engine repair, papers attached")
    tell("record", lead, "--kind", "outcome", "--outcome", "cleared", "--party", "KR", BY, "Ann Lee", NOTE, "inspected")
    assert ask(data, "SELECT DISTINCT outcome FROM referral_queue WHERE recipient = 'KR'") == [("cleared",)]
    assert "to be told: ECC, KR" in tell("decide", lead, "--status", "withdrawn", BY, "Ann Lee", NOTE, "a repair")
    assert ask(data, "SELECT waits_for, what FROM docket WHERE status = 'withdrawn' ORDER BY ALL") == [
        ("ECC", "tell"),
        ("KR", "tell"),
    ]
    for party in ("KR", "ECC"):
        tell("record", lead, "--kind", "correction", "--party", party, BY, "Ann Lee", NOTE, "withdrawn: a repair")
    assert ask(data, "SELECT count(*) FROM docket WHERE status = 'withdrawn'") == [(0,)]
    assert ask(data, "SELECT status, recipients, dissents, readers FROM cases") == [
        ("withdrawn", ["ECC", "KR"], 1, "two")
    ]
    kinds = [row[0] for row in ask(data, "SELECT coalesce(status, kind) FROM decisions ORDER BY seq")]
    assert kinds == [
        *("assessed", "reading", "dissent", "inquiry", "referred", "acknowledged", "reply", "outcome", "withdrawn"),
        *("correction", "correction"),
    ]
    assert "11 entries, all fit" in tell("log", "verify")


def test_nobody_who_is_absent_blocks(data, shown):
    """No second reader, no answer, no list, no feed but one: it goes on, and says what it lacked."""
    lead, now = api.leads(data, 1)[0]["id"], datetime.now(UTC)
    decisions.decide(data, lead, "assessed", "Ann", "why", ["bunkering: none near"], now=now - timedelta(hours=25))
    done = decisions.decide(data, lead, "referred", "Ann", "as assessed", recipients=["KR"])
    assert done.entry.body["readers"] == "SINGLE READER"
    assert [row["readers"] for row in case_queries.of_cases(data, "cases", lead)] == ["SINGLE READER"]


def test_either_feed_alone_is_enough(tmp_path, say):
    """Of two archives each runs without the other, and its leads are waited for."""
    for number, path in enumerate(in_two(tmp_path)):
        api.run(path, tmp_path / f"data{number}", area="world")
        code, out, err = say("docket", "--data", tmp_path / f"data{number}")
        assert (code, err) == (0, "")
        assert "of 1 source." in out


def everything(data: Path):
    """All rows of all tables that are no account of runs themselves."""
    with closing(api.connect(data)) as db:
        found = {}
        for name in (name for name in schema.STORED if name != "runs"):
            names = ", ".join(column for column in schema.STORED[name].names if column != "run_id")
            found[name] = db.sql(f"SELECT {names} FROM {name}").fetchall()
        return found


def test_the_database_comes_back_from_lake_slices_and_log(data, tell, say, shown):
    lead = api.leads(data, 1)[0]["id"]
    tell("decide", lead, "--status", "assessed", BY, "Ann", NOTE, "why", "--alternative", "bunkering: none near")
    before = everything(data)
    for folder in ("db", "snapshots"):
        shutil.rmtree(data / folder)
    (data / "stswatch.duckdb").unlink()
    code, out, _ = say("rebuild", "--area", "dprk", "--data", data)
    assert (code, out.strip()) == (0, f"database: {data / 'stswatch.duckdb'}")
    after = everything(data)
    assert {name for name in before if before[name] != after[name]} == set()
    assert before["decisions"]
    tell("rebuild", "--quiet")
    assert everything(data) == after
