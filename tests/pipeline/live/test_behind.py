"""Owns: a receiver whose clock lies behind: when what it sends is taken, what that costs, what is found.

Segments are finalized here hour by hour as a watch does it, one call after the other.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from functools import reduce
from operator import xor
from pathlib import Path

import pytest

from stswatch.pipeline import api
from stswatch.pipeline.flow.row import NothingToDo
from stswatch.pipeline.live.events import Store, engine_of
from stswatch.pipeline.live.finalize import finalize
from stswatch.pipeline.live.reconcile import reconcile
from stswatch.pipeline.sources.kinds import parse
from stswatch.pipeline.spool.clock import RecordedClock
from stswatch.pipeline.spool.closing import pack
from stswatch.pipeline.spool.segments import name_of
from stswatch.pipeline.spool.supervisor import run_sources
from stswatch.pipeline.store.catalogue import Catalogue
from tests.pipeline import seas
from tests.pipeline.flow import archive
from tests.pipeline.live.replay import HOUR, STAMP, WORLD, Noted, in_order, lines, replay, sending, until, watching
from tests.pipeline.live.test_law import by_run, events
from tests.pipeline.spool.spools import written

pytestmark = pytest.mark.e2e

HOURS = 6
BEGIN_H = 24  # of the recording: the second of its days, in whose first hours more happens
BACK_H = 3  # midnight comes with the third hour
SETTINGS = replace(WORLD, shards=1)
ALLOWED_LATENESS_US = 60_000_000
DAYS_H = 24
DECADE_H = 3653 * DAYS_H
TAG = re.compile(rb"\\(.*),c:(\d+)\*..\\")


def dated(line: bytes, by_h: float) -> bytes:
    """A line as a receiver would send it whose clock is off by so many hours."""
    _, body = line.split(b"\\")[1:]
    station, collected = TAG.match(line).groups()
    tag = b"%s,c:%d" % (station, int(collected) + by_h * 3600)
    return b"\\%s*%02X\\%s" % (tag, reduce(xor, tag), body)


@pytest.fixture(scope="module")
def hours():
    """The lines of some hours, each with when it came, so that the third hour ends with a day."""
    came = lines(HOURS, after_h=BEGIN_H)
    text = [dated(line, -BACK_H) for line in in_order(came)]
    first = (int(STAMP.search(came[0])[1]) + 60) // 3600 - BACK_H
    found = [[] for _ in range(HOURS)]
    for line in text:
        hour = int(STAMP.search(line)[1]) // 3600 - first
        if hour >= 0:  # some of the hours before come late in it
            found[hour].append(line)
    assert (first + BACK_H) % DAYS_H == 0
    return found


class Watch:
    """Finalizes a data folder hour by hour; counts what is run for it."""

    def __init__(self, data: Path) -> None:
        self.data, self.collected, self.ran = data, [], []

    def hear(self, name: str, text: list[bytes], clock_h: float = 0.0) -> int:
        """A closed segment with what a receiver sent in an hour; gives the end of the hour."""
        came_us = int(STAMP.search(text[1])[1]) * 1_000_000
        path = self.data / "spool" / name / f"{name_of(came_us)}.nmea"
        came = [(came_us, b"")]
        for at in range(0, len(text), 100):
            stamp_us = int(STAMP.search(text[at])[1]) * 1_000_000
            came.append((max(stamp_us, came_us), b"".join(dated(line, clock_h) for line in text[at : at + 100])))
        written(path, came)
        pack(path)
        return came_us // HOUR * HOUR + HOUR

    def finalize(self, until_us: int, at_once: bool = False) -> dict[str, int]:
        """Finalize up to an hour; what that changed."""
        before = archive.slices(self.data)
        finalized = finalize(self.data, SETTINGS.rules, engine_of(SETTINGS), ALLOWED_LATENESS_US, until_us, at_once)
        self.ran.append(len({key for key, at in archive.slices(self.data).items() if before.get(key) != at}))
        self.collected += finalized.notes
        with Catalogue.open(self.data) as catalogue, closing(Store(catalogue, SETTINGS)) as store:
            return store.finalize(finalized, None)

    def found(self):
        """What is published then."""
        with Catalogue.open(self.data) as catalogue, closing(Store(catalogue, SETTINGS)) as store:
            store.publish()
        return events(self.data)


def watched(data, hours, clock_h=None, own=True, upto=HOURS):
    """A watch of a receiver, and of a second that heard the same with a clock that is so many hours off."""
    watch = Watch(data)
    for text in hours[:upto]:
        until_us = watch.hear("roof", text) if own else 0
        if clock_h is not None:
            until_us = watch.hear("attic", text, clock_h)
        watch.finalize(until_us)
    return watch, until_us


@pytest.fixture(scope="module")
def alone(hours, tmp_path_factory):
    """The same without a second receiver."""
    watch, _ = watched(tmp_path_factory.mktemp("alone") / "data", hours)
    assert watch.found()["encounters"].num_rows >= 3
    assert watch.ran == [1] * HOURS
    return watch


def test_ten_years_behind_is_as_if_it_were_not_there(hours, alone, tmp_path):
    watch, _ = watched(tmp_path / "data", hours, -DECADE_H)
    assert watch.ran == alone.ran
    seas.assert_same(alone.found(), watch.found())
    (collected,) = watch.collected
    assert "attic: some of what it sends is dated more than 30 days before it came" in collected
    before = len(archive.slices(watch.data))
    done = reconcile(watch.data, SETTINGS)
    assert done.late >= 1000, "what is in no hour is counted"
    assert done.notes == ()
    assert len(archive.slices(watch.data)) <= before
    assert done.retracted == 0


@pytest.fixture(scope="module")
def two_hours(hours, tmp_path_factory):
    """What one receiver alone finds in two hours, before and after all is reconciled."""
    return twice(tmp_path_factory.mktemp("two") / "data", hours, None)


def twice(data, hours, clock_h):
    watch, _ = watched(data, hours, clock_h, upto=2)
    before = watch.found()
    reconcile(data, SETTINGS)
    return before, events(data)


@pytest.mark.parametrize("ahead_h", [1, DECADE_H])
def test_ahead_of_its_arrival_is_as_if_it_were_not_there(hours, two_hours, tmp_path, ahead_h):
    for alone, found in zip(two_hours, twice(tmp_path, hours, ahead_h), strict=True):
        seas.assert_same(alone, found)
    marks = "SELECT count(*) FROM {} WHERE invalid_reason = 'clock'"
    used = rows(tmp_path, "SELECT count(*) FROM fixes WHERE invalid_reason IS NULL")
    assert rows(tmp_path, marks.format("fixes")) == used > 1000
    assert rows(tmp_path, marks.format("static_reports")) > 10


def test_a_watch_that_runs_counts_them_and_goes_by_arrival(tmp_path):
    text = in_order(lines(0.5))
    strays = {k: dated(text[k], 40 * DAYS_H) for k in range(550, 1550, 100)}
    noted = replay(tmp_path / "data", [strays.get(k, line) for k, line in enumerate(text)])
    assert noted.arrival_us == int(STAMP.search(text[-1])[1]) * 1_000_000
    assert 5 <= sum(report.wrong for report in noted.reports) <= len(strays)
    assert sum(report.late for report in noted.reports) == 0


def test_where_all_is_too_old_that_is_said(hours, tmp_path):
    watch, _ = watched(tmp_path / "data", hours, -DECADE_H, own=False, upto=2)
    assert watch.ran == [0, 0]
    with pytest.raises(
        NothingToDo, match=r"attic: every position is dated more than 30 days before.*`arrival=recorded`"
    ):
        reconcile(watch.data, SETTINGS)


def test_ten_days_behind_costs_an_hour_once_a_day_and_reconciled_all_is_found(hours, tmp_path):
    watch, _ = watched(tmp_path / "data", hours, -10 * DAYS_H)
    first, midnight = watch.ran[0], watch.ran[BACK_H - 1]
    assert first >= 2, "with the first hour it is taken at once"
    assert midnight >= 2 * BACK_H, "and with the first after midnight"
    assert [n for k, n in enumerate(watch.ran) if k not in (0, BACK_H - 1)] == [1] * (HOURS - 2)
    assert watch.collected == []
    reconcile(watch.data, SETTINGS)
    text = [line for hour in hours for line in [*hour, *(dated(line, -10 * DAYS_H) for line in hour)]]
    run = by_run(text, tmp_path, SETTINGS.rules)
    assert run["encounters"].num_rows >= 10
    seas.assert_same(run, watch.found())
    again = reconcile(watch.data, SETTINGS)
    assert (again.new, again.revised, again.retracted) == (0, 0, 0)


def test_what_was_reconciled_stays_with_the_hours_after_it(hours, tmp_path):
    watch, until_us = watched(tmp_path / "data", hours, -10 * DAYS_H, upto=BACK_H - 1)
    asked = watch.finalize(until_us, at_once=True)
    assert watch.ran[-1] >= 2 * (BACK_H - 2)
    assert watch.finalize(until_us) == {"new": 0, "revised": 0, "retracted": 0}
    assert watch.ran[-1] == 0
    assert asked["retracted"] == 0
    reconcile(watch.data, SETTINGS)  # by nobody's watch: to the last fix
    stands = watch.found()["encounters"].num_rows
    watch.hear("attic", hours[BACK_H - 1], -10 * DAYS_H)
    watch.finalize(watch.hear("roof", hours[BACK_H - 1]) - HOUR)  # before midnight is finalized
    assert watch.ran[-1] <= 1
    old = "SELECT count(*) FROM encounters WHERE status = 'retracted' AND start_time < TIMESTAMPTZ '2025-03-05'"
    assert stands >= 3
    assert rows(watch.data, old) == 0


def rows(data, query):
    with api.connect(data) as db:
        return db.sql(query).fetchall()[0][0]


def test_a_watch_that_runs_takes_what_waits_when_it_is_asked_to(hours, tmp_path):
    """Through a real connection: one receiver, half of whose lines are dated ten days back."""
    data, noted, over = tmp_path / "data", Noted(), threading.Event()
    data.mkdir()
    text = [each for line in (*hours[0], *hours[1]) for each in (line, dated(line, -10 * DAYS_H))]
    with sending(text, noted, 0.25) as port:
        supervisor = run_sources(data, [parse(f"rec=tcp://127.0.0.1:{port}")], RecordedClock(), print, over)
        with closing(supervisor), watching(data, supervisor, noted, SETTINGS):
            until(lambda: noted.failed or (noted.reports and noted.reports[-1].arrival_us >= stamp_us(text[-2])))
            until(lambda: not noted.reports[-1].finalizing and noted.reports[-1].finalized_us is not None)
            waits = old_slices(data)
            assert reconcile(data, SETTINGS).by_watch
            assert len(old_slices(data)) > len(waits)


def stamp_us(line):
    return int(STAMP.search(line)[1]) * 1_000_000


def old_slices(data):
    """Slices of ten days ago."""
    return [key for key in archive.slices(data) if key.startswith("2025-02-28")]


_KILLED = """
import sys
from pathlib import Path
from tests.pipeline.live.test_behind import ALLOWED_LATENESS_US, SETTINGS, engine_of, finalize

finalize(Path(sys.argv[1]), SETTINGS.rules, engine_of(SETTINGS), ALLOWED_LATENESS_US, int(sys.argv[2]), True)
"""


def test_killed_while_it_reconciles_the_next_hour_goes_on_with_it(hours, tmp_path):
    watch, until_us = watched(tmp_path / "data", hours, -10 * DAYS_H, upto=BACK_H - 1)
    call = [sys.executable, "-c", _KILLED, str(watch.data), str(until_us)]
    killed = subprocess.run(call, env=os.environ | {"STSWATCH_FAULT": "slice_committed:2"}, cwd=Path.cwd(), check=False)
    assert killed.returncode == -9
    watch.finalize(until_us)
    assert watch.ran[-1] >= 1
    before = watch.found()
    assert watch.finalize(until_us, at_once=True) == {"new": 0, "revised": 0, "retracted": 0}
    assert watch.ran[-1] == 0
    seas.assert_same(before, watch.found())
