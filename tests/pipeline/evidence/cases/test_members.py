"""Owns: any one feed or member can be missing, and the rest says what it said before."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pytest

from stswatch.pipeline import api
from stswatch.pipeline.evidence import upkeep
from stswatch.pipeline.store import case_log
from tests.pipeline import damage
from tests.pipeline.evidence.cases.conftest import HOSTILE, LEAD
from tests.pipeline.evidence.cases.test_decisions import NOW, assess, refer
from tests.pipeline.store import build


@pytest.fixture
def federated(made, tmp_path):
    """Three members with the same event; the first has copies of the logs of the others."""
    folders = [shutil.copytree(made, tmp_path / name, symlinks=True) for name in ("us", "kr", "jp")]
    for folder, who in zip(folders, ("Ann", HOSTILE, "Cy"), strict=True):
        assess(folder, by=who)
    (folders[0] / upkeep.MEMBERS).mkdir()
    for folder in folders[1:]:
        shutil.copy(folder / case_log.NAME, folders[0] / upkeep.MEMBERS / f"{folder.name}.jsonl")
    return folders[0]


def test_logs_of_members_are_merged_in_the_order_of_time(federated, say):
    logs = upkeep.members(federated)
    assert {name: (len(log.entries), log.finding) for name, log in logs.items()} == {"jp": (1, None), "kr": (1, None)}
    assert [name for name, _ in upkeep.merged(logs)] == ["jp", "kr"]
    code, page, _ = say("case", LEAD, "--data", federated)
    assert (code, "jp, Cy: assessed: both waited" in page, "\x1b" in page) == (0, True, False)
    assert "member kr: all fit; 1 entries" in say("log", "verify", "--data", federated)[1]


@pytest.mark.parametrize("how", ["missing", "empty", "flipped", "folder"])
def test_a_member_that_is_missing_or_damaged_holds_nobody_up(federated, say, how):
    path = federated / upkeep.MEMBERS / "kr.jsonl"
    content = path.read_bytes()
    path.unlink()
    if how == "folder":
        path.mkdir()
    elif how != "missing":
        path.write_bytes(b"" if how == "empty" else content.replace(b"waited", b"wanted") + content)
    code, page, err = say("case", LEAD, "--data", federated)
    assert (code, err, "jp, Cy: assessed" in page) == (0, "", True)
    assert ("member kr: does not fit" in page) == (how in ("flipped", "folder"))
    assert say("log", "verify", "--data", federated)[0] == 0
    assess(federated, NOW)
    assert [entry.author for entry in case_log.verified(federated).entries] == ["Ann", "Ann Lee"]


def test_nothing_of_others_decides_here_and_a_second_reader_sees_none(federated, say):
    before = build.rows(federated, "FROM docket")
    shutil.rmtree(federated / upkeep.MEMBERS)
    assert build.rows(federated, "FROM docket") == before
    page = say("case", LEAD, "--masked", "--data", federated)[1]
    assert "Cy" not in page


@pytest.mark.parametrize("gone", ["a", "c"])
def test_without_one_feed_the_rest_says_what_it_said(tmp_path, gone):
    """Of three archives one is removed after it was read, or was never there: what does not rest on it stays."""
    files = damage.archives(tmp_path)
    api.run(files, tmp_path / "all", area="world")
    (tmp_path / f"{gone}.csv").unlink()
    rest = [path for path in files if path.exists()]
    query = "SELECT id, duration_min FROM encounters WHERE status = 'current' ORDER BY id"
    before = build.rows(tmp_path / "all", query)
    api.run(rest, tmp_path / "all", area="world")
    assert build.rows(tmp_path / "all", query) == before, "what was read stays"
    report = api.verify(tmp_path / "all", every=True)
    assert (report.first_fault(), [f"{gone}.csv" in each for each in report.absent]) == (None, [True])
    api.run(rest, tmp_path / "rest", area="world")
    assert len(build.rows(tmp_path / "rest", query)) == 1


def test_a_referral_goes_on_without_any_member(federated):
    shutil.rmtree(federated / upkeep.MEMBERS)
    assert refer(federated, NOW + timedelta(days=2)).entry.body["readers"] == "SINGLE READER"
