"""Owns: what is removed by age leaves a tombstone and no false word, and a decided case keeps what it rests on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from stswatch.pipeline import api, faults
from stswatch.pipeline.evidence import decisions, retain, upkeep
from stswatch.pipeline.flow.run import FolderInUse, alone
from stswatch.pipeline.spool.clock import RecordedClock
from stswatch.pipeline.spool.segments import segments
from stswatch.pipeline.spool.writer import Limits, Spool
from stswatch.pipeline.store import case_log
from stswatch.pipeline.store.catalogue import CatalogueError
from stswatch.pipeline.store.database import StoreError, connect
from tests.pipeline import damage
from tests.pipeline.live.replay import lines
from tests.pipeline.store import build

NOW = datetime(2025, 6, 1, tzinfo=UTC)
AGES = retain.Ages(lake=retain.age_us("45d"))
WORDS = "removed by retain on 2025-06-01 under lake older than 45 d"


@pytest.fixture(scope="session")
def two_months(tmp_path_factory):
    """A folder with a meeting in March and one in May, and its archives."""
    top = tmp_path_factory.mktemp("months")
    damage.archives(top)
    text = (top / "a.csv").read_text() + (top / "b.csv").read_text().partition("\n")[2]
    for name in ("a", "b", "c"):
        (top / f"{name}.csv").unlink()
    (top / "march.csv").write_text(text)
    (top / "may.csv").write_text(text.replace("2025-03-10", "2025-05-10").replace("41200000", "41200001"))
    api.run([top / "march.csv", top / "may.csv"], top / "data", area="world")
    return top


@pytest.fixture
def data(two_months, tmp_path):
    return shutil.copytree(two_months / "data", tmp_path / "data", symlinks=True)


def events(data):
    """March's and May's."""
    query = "SELECT id FROM encounters WHERE status = 'current' ORDER BY start_time"
    return [row["id"] for row in build.rows(data, query)]


def lake(data):
    return sorted(str(path.relative_to(data)) for path in (data / "lake").rglob("*.parquet"))


def everything(data):
    """All rows but those of the log and of the lake."""
    return {name: rows for name, rows in build.everything(data).items() if name != "decisions"}


def test_nothing_goes_before_it_was_listed(data, say):
    before, whole = lake(data), sorted(data.rglob("*"))
    code, out, _ = say("retain", "--lake", "45d", "--by", "Ann", "--dry-run", "--data", data)
    assert (code, out[:26]) == (0, "would go: lake, 4 files, 0")
    assert (lake(data), sorted(data.rglob("*"))) == (before, whole)
    made = json.loads(say("retain", "--lake", "45d", "--by", "Ann", "--dry-run", "--json", "--data", data)[1])
    assert sorted(each["path"] for each in made["files"]) == before


def test_what_is_removed_says_when_and_under_which_rule(data, two_months, say):
    march, may = events(data)
    before, stored, sums = (
        lake(data),
        everything(data),
        {p: sha256((data / p).read_bytes()).hexdigest() for p in lake(data)},
    )
    made = retain.retain(data, AGES, "Ann Lee", NOW)
    gone = {each.path for each in made.going}
    assert gone == {path for path in before if "2025-03-10" in path} == set(before) - set(lake(data))
    stone = json.loads((data / "tombstones" / "000001.json").read_text())
    assert (stone["by"], stone["rules"]) == ("Ann Lee", {"lake": "lake older than 45 d"})
    assert {each["path"]: each["sha256"] for each in stone["files"]} == {path: sums[path] for path in gone}
    entry = case_log.read(data).entries[-1]
    assert (entry.kind, entry.body["sha256"]) == (
        "retained",
        sha256((data / entry.body["tombstone"]).read_bytes()).hexdigest(),
    )
    assert everything(data) == stored, "events stay"
    assert build.rows(data, "SELECT min(time)::DATE::VARCHAR AS day FROM fixes") == [{"day": "2025-05-10"}]
    assert say("verify", march, "--data", data) == (
        0,
        f"encounter {march}, revision 1: nothing was checked, {WORDS}\n",
        "",
    )
    assert say("verify", may, "--data", data)[1].startswith(
        f"encounter {may}, revision 1: all that was checked follows"
    )
    code, out, _ = say("verify", "--all", "--data", data)
    assert (code, f"not checked, of 1: all of it: {WORDS}" in out, "does not follow" in out) == (0, True, False)
    for words in (("leads",), ("explain", march), ("docket",), ("log", "verify"), ("case", march)):
        assert say(*words, "--data", data)[0] == 0


def test_the_next_run_changes_nothing_and_the_archive_brings_it_back(data, two_months):
    stored = everything(data)
    retain.retain(data, AGES, "Ann", NOW)
    api.run([two_months / "may.csv"], data, area="world")
    kept = ("encounters", "gaps", "port_calls", "loitering", "vessels")
    assert {name: everything(data)[name] for name in kept} == {name: stored[name] for name in kept}
    left = lake(data)
    api.run([two_months / "march.csv"], data, area="world")
    assert len(lake(data)) == len(left) + 2
    assert [event.unchecked for event in api.verify(data, every=True).events] == [[], []]


def test_other_rules_name_what_was_removed_and_what_can_be_done(data, two_months, tmp_path, say):
    retain.retain(data, AGES, "Ann", NOW)
    rules = tmp_path / "rules.toml"
    rules.write_text("[proximity]\ndistance_m = 400.0\n")
    with pytest.raises(CatalogueError, match=rf"was {WORDS}; give .*march.csv again"):
        api.run([two_months / "may.csv"], data, area="world", rules=rules)
    words = ("rebuild", "--without-removed", "--quiet", "--rules", rules, "--data", data)
    assert say(*words) == (0, "", "")
    assert [row["start_time"].month for row in build.rows(data, "FROM encounters")] == [5]
    assert say("verify", "--all", "--quiet", "--data", data) == (0, "", "")
    api.run([two_months / "march.csv"], data, area="world", rules=rules)
    assert len(events(data)) == 2


def test_a_decided_case_keeps_what_verify_needs(data, say):
    march, _ = events(data)
    decisions.decide(data, march, "watch", "Ann", "to be seen")
    before = lake(data)
    made = retain.retain(data, retain.Ages(lake=retain.age_us("1d")), "Ann", NOW)
    assert (made.kept, made.cases) == ({"lake": 2}, 1)
    assert lake(data) == [path for path in before if "2025-03-10" in path]
    assert say("verify", march, "--data", data)[1].startswith(f"encounter {march}, revision 1: all that was checked")


def test_twice_removes_nothing_more(data, say):
    retain.retain(data, AGES, "Ann", NOW)
    again = retain.retain(data, AGES, "Ann", NOW)
    assert (again.going, len(case_log.read(data).entries), len(list((data / "tombstones").iterdir()))) == ((), 1, 1)
    assert retain.as_text(again, True) == "nothing is that old"


def test_it_is_refused_during_a_run_and_beside_another(data):
    with alone(data), pytest.raises(FolderInUse, match="another run works in this folder"):
        retain.retain(data, AGES, "Ann", NOW)
    with build.Held(data), pytest.raises(StoreError, match="another run is loading"):
        retain.retain(data, AGES, "Ann", NOW)
    found = list[int | str]()

    def one():
        try:
            found.append(len(retain.retain(data, AGES, "Ann", NOW).going))
        except FolderInUse:
            found.append("refused")

    threads = [threading.Thread(target=one) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [n for n in found if n not in ("refused", 0)] == [2]


def test_what_is_asked_has_to_be_clear(data, say):
    for words, sentence in (
        ((), "say with --lake, --spool or --snapshots from which age on it is removed, such as 365d"),
        (("--lake", "soon"), "'soon': give an age such as 90d or 36h"),
    ):
        assert say("retain", *words, "--by", "Ann", "--data", data) == (1, "", f"stswatch: {sentence}\n")
    (data / "spool").mkdir()
    assert "40d or more" in say("retain", "--lake", "39d", "--by", "Ann", "--data", data)[2]


def test_a_session_keeps_what_it_opened(data):
    with connect(data) as db:
        count = db.execute("SELECT count(*) FROM fixes").fetchone()
        retain.retain(data, AGES, "Ann", NOW)
        assert db.execute("SELECT count(*) FROM fixes").fetchone() == count
    assert len(lake(data)) == 4
    retain.retain(data, retain.Ages(lake=retain.age_us("46d")), "Ann", NOW)
    assert len(lake(data)) == 4, "nothing more is that old"


def test_a_log_that_does_not_fit_stops_it(data):
    march, _ = events(data)
    decisions.decide(data, march, "watch", "Ann", "to be seen")
    (data / case_log.HEAD).write_text('{"entries": 2, "sha256": "0"}')
    before = lake(data)
    with pytest.raises(case_log.CaseLogError, match="nothing is removed beside it"):
        retain.retain(data, AGES, "Ann", NOW)
    assert lake(data) == before


PROGRAM = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from stswatch.pipeline.evidence import retain
retain.retain(Path(sys.argv[1]), retain.Ages(lake=retain.age_us("45d")), "Ann", datetime(2025, 6, 1, tzinfo=UTC))
"""
POINTS = (*faults.OF_A_REMOVAL, *faults.OF_A_CASE, *(name for name in faults.POINTS if name.startswith("snapshot_")))


@pytest.mark.e2e
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_anywhere_leaves_all_or_what_the_next_call_does(data, two_months, point):
    stored, (march, _) = everything(data), events(data)
    killed = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(data)], env=os.environ | {faults.VARIABLE: point}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert everything(data) == stored
    upkeep.verify(data)
    for event in api.verify(data, every=True).events:
        assert event.follows
        assert event.found[0].why in ("", WORDS)
    subprocess.run([sys.executable, "-c", PROGRAM, str(data)], check=True)
    assert len(lake(data)) == 2
    assert [e.kind for e in case_log.read(data).entries] == ["retained"]
    report = api.verify(data, every=True)
    assert report.first_fault() is None
    assert [event.id for event in report.events if any(each.endswith(WORDS) for each in event.unchecked)] == [march]


@pytest.fixture
def spooled(data):
    """The same folder with a spool of March, packed segments that are in the lake."""
    spool = Spool(data / "spool", "rec", "nmea", RecordedClock(), Limits(sync_s=0.0, segment_bytes=20_000))
    for line in lines(0.5):
        spool.append(line)
        spool._packer.go()
    spool._packer.finish()
    spool.close()
    api.run(segments(data / "spool" / "rec"), data, area="world")
    return data


def test_segments_that_are_in_the_lake_go_but_the_newest(spooled, say):
    data = spooled
    every = segments(data / "spool" / "rec")
    assert len(every) > 2
    made = retain.retain(data, retain.Ages(spool=retain.age_us("45d")), "Ann", NOW)
    assert {data / each.path for each in made.going} == set(every[:-1])
    assert segments(data / "spool" / "rec") == every[-1:]
    report = api.verify(data, every=True)
    assert report.first_fault() is None
    words = WORDS.replace("lake", "spool")
    found = [phrase for phrase in report.absent if words in phrase]
    assert len(found) == len(every) - 1
    api.run([every[-1]], data, area="world")
    assert say("verify", "--all", "--quiet", "--data", data)[0] == 0


def test_segments_of_a_decided_case_stay(spooled):
    data = spooled
    case = build.rows(data, "SELECT id FROM encounters WHERE status = 'current' ORDER BY start_time LIMIT 1")[0]["id"]
    decisions.decide(data, case, "watch", "Ann", "to be seen")
    made = retain.retain(data, retain.Ages(spool=retain.age_us("45d")), "Ann", NOW)
    assert (made.going, made.kept) == ((), {"spool": len(segments(data / "spool" / "rec")) - 1})
