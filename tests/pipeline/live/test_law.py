"""Owns: the law, live: what a watch finalizes is what a run over the same lines finds; what it said comes true."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import duckdb
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stswatch.pipeline import api, faults
from stswatch.pipeline.batch import HOUR
from stswatch.pipeline.flow import workers
from stswatch.pipeline.live.events import engine_of
from stswatch.pipeline.live.finalize import Finalizing
from stswatch.pipeline.live.loop import watch
from stswatch.pipeline.live.reconcile import reconcile
from stswatch.pipeline.store import database
from tests.pipeline import seas
from tests.pipeline.flow import archive
from tests.pipeline.live.replay import (
    CUT_OFF,
    MEETINGS_FROM_H,
    SHORT_GAPS,
    WORLD,
    Noted,
    in_order,
    lines,
    replay,
    until,
    watching,
)

pytestmark = pytest.mark.e2e

HOURS = 6
NAMED = ("id", "run_id", "revision", "superseded_by")


@pytest.fixture(scope="module")
def recorded():
    """As it came: a tenth of it late, some of it by hours."""
    return lines(HOURS, after_h=MEETINGS_FROM_H)


@pytest.fixture(scope="module")
def found(recorded, tmp_path_factory):
    """What a run over the file publishes."""
    return by_run(recorded, tmp_path_factory.mktemp("run"))


def by_run(text, folder, rules=SHORT_GAPS):
    """What a run over a file of these lines publishes, in a data folder of its own."""
    path = folder / "rec.nmea.gz"
    path.write_bytes(gzip.compress(b"".join(text), 1))
    api.run(path, folder / "by-run", area="world", slice_h=1.0, rules=rules)
    return events(folder / "by-run")


def events(data):
    """What must be the same; how many lines were of no use is not, since a segment may repeat the head of a message."""
    found = archive.published(data)
    found["encounters"] = found["encounters"].drop_columns(["id"])
    return {name: rows for name, rows in found.items() if name != "reject_counts"}


@pytest.fixture(scope="module")
def watched(recorded, tmp_path_factory):
    """A folder in which a watch has heard it all, and what it said."""
    data = tmp_path_factory.mktemp("watch") / "data"
    return data, replay(data, recorded, noted=Compared(work=data / database.WORK))


def test_reconciled_a_watch_has_found_what_a_run_finds(watched, found):
    data, noted = watched
    assert noted.printed == []
    assert found["encounters"].num_rows >= 8
    assert sum(report.late for report in noted.reports) >= 1000, "a recording without late lines proves little"
    (data / "spool" / "rec" / "20990101T000000.000Z.nmea.zst").write_bytes(b"\x28\xb5\x2f\xfdof no use")
    changed = reconcile(data, WORLD)
    assert not changed.by_watch
    (collected,) = changed.notes
    assert re.search(r"20990101T000000\.000Z\.nmea\.zst: .*; it is passed over$", collected)
    assert changed.late == sum(report.late for report in noted.reports)
    seas.assert_same(found, events(data))
    assert statuses(data) <= {"current", "superseded", "retracted"}
    again = reconcile(data, WORLD)
    assert (again.new, again.revised, again.retracted) == (0, 0, 0)


@pytest.fixture(scope="module")
def reconciled(watched, tmp_path_factory):
    """A copy of that folder, all of it final to the last fix, where the data end."""
    data = tmp_path_factory.mktemp("reconciled") / "data"
    shutil.copytree(watched[0], data)
    reconcile(data, WORLD)
    return data


@contextmanager
def started_again(data):
    """A watch over what lies there, of which nothing new comes, once it has looked a few times."""
    noted = Noted()
    with watching(data, SimpleNamespace(spools={}), noted):
        until(lambda: noted.failed or len(noted.reports) >= 3)
        yield noted


def test_started_again_without_new_data_what_is_final_stays_so_and_reconciling_changes_nothing(reconciled):
    before = stored(reconciled)
    assert {"current"} <= {status for _, _, status in before} <= {"current", "superseded", "retracted"}
    with started_again(reconciled) as noted:
        assert stored(reconciled) == before
        collected = list(noted.changes)
        again = reconcile(reconciled, WORLD)
        assert (again.by_watch, again.new, again.revised, again.retracted) == (True, 0, 0, 0)
        looked = len(noted.reports)
        until(lambda: noted.failed or len(noted.reports) >= looked + 3)
        assert noted.changes == collected
    again = reconcile(reconciled, WORLD)
    assert (again.by_watch, again.new, again.revised, again.retracted) == (False, 0, 0, 0)
    assert stored(reconciled) == before


def test_what_a_reconciliation_has_told_says_something_else_or_that_a_meeting_is_over(watched, reconciled):
    with started_again(reconciled) as noted:
        new = [change for change in noted.changes if change.key not in watched[1].keys]
    assert new
    last = {change.id: change.change for change in watched[1].changes}  # one that was over may have gone on since
    for change in new:
        over = change.change == "closed" and last.get(change.id) != "closed"
        assert over or change.change == "retracted" or change.key in saying_something_else(reconciled)


def test_by_each_id_of_a_run_and_each_that_was_told_an_event_is_found(watched, reconciled, found):
    computed = set(found["encounters"]["computed_id"].to_pylist())
    assert len(computed) >= 8
    for name in computed:
        row = api.encounter(reconciled, name)
        assert (row["status"], row["computed_id"]) == ("current", name)
    for name in {change.id for change in watched[1].changes}:
        row = api.encounter(reconciled, name)
        assert row["id"] == name or row["superseded_by"] is None
        assert row["status"] == "retracted" or row["computed_id"] in computed


def statuses(data):
    with api.connect(data) as db:
        return {status for (status,) in db.sql("SELECT DISTINCT status FROM encounters").fetchall()}


def test_where_nothing_is_late_what_is_finalized_is_what_a_run_finds(recorded, tmp_path):
    """Before anything is reconciled: all that nothing can touch any more, and nothing else."""
    text = in_order(recorded)
    noted = replay(tmp_path / "data", text)
    assert sum(report.late for report in noted.reports) == 0
    finalized = events(tmp_path / "data")["encounters"]
    run = by_run(text, tmp_path)["encounters"]
    over_us = noted.reports[-1].finalized_us - SHORT_GAPS.wait_us
    over = pc.less(run["end_time"].cast(pa.int64()), over_us)
    assert finalized.num_rows >= 3
    seas.assert_same({"encounters": run.filter(over).combine_chunks()}, {"encounters": finalized})


def test_what_it_says_before_is_what_it_finalizes(watched):
    """An event that is finalized was provisional under the same name before, and little of it was changed by that."""
    data, _ = watched
    with api.connect(data) as db:
        rows = db.sql("SELECT * FROM encounters ORDER BY id, revision").to_arrow_table().to_pylist()
    by_name = {}
    for row in rows:
        by_name.setdefault(row["id"], []).append(row)
    finalized = [history for history in by_name.values() if history[-1]["status"] == "current"]
    assert len(finalized) >= 3
    before = [history[-2] for history in finalized if len(history) > 1]
    assert len(before) >= 0.9 * len(finalized)
    for history in finalized:
        if len(history) > 1:
            printed, last = history[-2:]
            assert abs((printed["start_time"] - last["start_time"]).total_seconds()) < 600
            assert np.isclose(printed["cpa_distance_m"], last["cpa_distance_m"], atol=100)


@dataclass
class Compared(Noted):
    """Compares what it is told with the working database as it is then: what stands so far is written over later."""

    work: Path = Path()
    due: set[str] = field(default_factory=set)  # keys of which somebody had to be told
    last: dict[str, int] = field(default_factory=dict)

    def offer(self, changes) -> int:
        with duckdb.connect(str(self.work)) as store:
            rows = store.sql("FROM encounters ORDER BY id, revision").to_arrow_table().to_pylist()
        for before, row in pairwise([None, *rows]):
            if row["revision"] > self.last.get(row["id"], 0) and row["_lead"]:
                first = before is None or before["id"] != row["id"]
                self.due |= {f"{row['id']}:{row['revision']}"} if first or says_else(row, before) else set()
        self.last = {row["id"]: row["revision"] for row in rows}
        return super().offer(changes)


def says_else(row, before):
    """Whether a revision that is a lead says something else than the one before."""
    moved_s = max(abs((row[name] - before[name]).total_seconds()) for name in ("start_time", "end_time"))
    other = moved_s >= 60 or abs(row["score"] - before["score"]) >= 0.05 or row["zones"] != before["zones"]
    return other or not before["_lead"] or (before["_running"] and not row["_running"])


def test_everybody_was_told_of_every_revision_that_was_a_lead_and_says_something_else(watched):
    data, noted = watched
    with api.connect(data) as db:
        query = f"SELECT id FROM encounters WHERE status IN ('current', 'provisional') AND score >= {CUT_OFF}"
        living = {name for (name,) in db.sql(query).fetchall()}
    assert len(living) >= 4
    assert {key.partition(":")[0] for key in noted.due} >= living
    assert noted.due <= {key for key in noted.keys if not key.endswith("retracted")}


def saying_something_else(data):
    """The keys of revisions that are leads, but for those that say what the one before says."""
    with api.connect(data) as db:
        leads = db.sql(
            f"""SELECT id, revision FROM encounters WHERE in_area AND score >= {CUT_OFF}
            WINDOW w AS (PARTITION BY id ORDER BY revision)
            QUALIFY NOT coalesce(
                zones = lag(zones) OVER w AND abs(score - lag(score) OVER w) < 0.05
                AND abs(epoch(start_time) - epoch(lag(start_time) OVER w)) < 60
                AND abs(epoch(end_time) - epoch(lag(end_time) OVER w)) < 60, false)"""
        ).fetchall()
    return {f"{name}:{revision}" for name, revision in leads}


def test_stopped_while_it_takes_up_what_was_left_it_says_nothing_and_keeps_nobody_waiting(watched, tmp_path):
    """Years of hours may have to be run again, after an update: what stands so far is not known before they are."""
    data = tmp_path / "data"
    shutil.copytree(watched[0], data)
    shutil.rmtree(data / "slices")
    before = stored(data)
    beside = psutil.Process(workers.aside(os.getpid).result())
    workers.aside(stop_at, "slice_committed:2").result()
    noted, stop = Noted(), threading.Event()
    loop = threading.Thread(target=watch, args=(data, [], WORLD, noted, noted, noted.printed.append, stop))
    loop.start()
    until(lambda: beside.status() == psutil.STATUS_STOPPED)  # in the midst of what is run again
    stop.set()
    began_s = time.monotonic()
    loop.join()
    assert time.monotonic() - began_s < 60
    assert any(data.glob("slices/*/*"))
    assert not beside.is_running(), "nothing goes on when the watch has ended"
    assert (noted.reports, noted.changes, noted.printed) == ([], [], [])
    assert stored(data) == before


def stop_at(point):
    """Have this process stand still at a point, for good."""
    os.environ[faults.VARIABLE] = f"{point}:SIGSTOP"


def stored(data):
    with api.connect(data) as db:
        return db.sql("SELECT id, revision, status FROM encounters ORDER BY ALL").fetchall()


def test_an_hour_under_way_is_ended_and_finalized_by_the_next(recorded, watched, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(watched[0] / "spool", data / "spool")
    how = (data, [], WORLD.rules, engine_of(WORLD), 60_000_000)
    first = Finalizing(*how)
    until_us = watched[1].reports[-1].finalized_us
    first.begin(until_us)
    assert first.step() is None
    until(lambda: any(data.glob("slices/*/*")))
    first.finish(within_s=0.0)
    assert not first.busy
    again = Finalizing(*how)
    again.begin(until_us)
    until(lambda: (finalized := again.step()) is not None and finalized.until_us == until_us)


def test_slices_have_their_hours(watched):
    """Peeks go on while hours are finalized, and no hour is left out."""
    _, noted = watched
    finalized = [report.finalized_us for report in noted.reports if report.finalized_us is not None]
    assert finalized == sorted(finalized)
    steps = np.diff(np.unique(finalized))
    assert (steps == HOUR).all()
    assert any(report.finalizing for report in noted.reports)
