"""Owns: the law, live, for a week with outages and late lines; and that in two weeks nothing grows without bound."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import psutil
import pytest

from stswatch.pipeline import api
from stswatch.pipeline.live.events import WatchSettings
from stswatch.pipeline.live.reconcile import reconcile
from stswatch.pipeline.rules import Rules
from tests.pipeline import seas
from tests.pipeline.flow import archive
from tests.pipeline.live import replay
from tests.pipeline.live.test_law import by_run, events

pytestmark = pytest.mark.soak

OUTAGES_H = ((30, 36), (71, 71.5), (100, 115))
DAY_S = 86_400


def sea(folder, days, **more):
    """The lines of a simulated sea, in the order in which they came."""
    paths = api.simulate(folder, seed=11, days=days, **more)
    return replay.lines(24.0 * days, next(path for path in paths if path.name.endswith(".nmea.gz")))


def with_outages(text):
    """Without what came while everything was dead."""
    stamp_s = np.maximum.accumulate([int(replay.STAMP.search(line)[1]) for line in text])
    hour = (stamp_s - stamp_s[0]) / 3600
    dead = np.any([(hour >= begin) & (hour < end) for begin, end in OUTAGES_H], axis=0)
    return [line for line, gone in zip(text, dead.tolist(), strict=True) if not gone]


def test_the_recording_of_two_days(tmp_path):
    holds(replay.lines(48), tmp_path, least=40)


def test_a_week_with_outages_and_late_lines(tmp_path):
    text = with_outages(sea(tmp_path / "sea", 7.0, transfers=60, look_alikes=60, background=80))
    holds(text, tmp_path, least=100)


def holds(text, folder, least):
    """With the rules as they are, and an hour's worth of lines at a time."""
    settings = WatchSettings(rules=Rules(), every_s=0.02, area="world")
    noted = replay.replay(folder / "data", text, settings, ahead_h=0.5, patience_s=7200)
    assert noted.printed == []
    late = sum(report.late for report in noted.reports)
    assert late >= 1000
    found = by_run(text, folder, Rules())
    assert found["encounters"].num_rows >= least
    done = reconcile(folder / "data", settings)
    seas.assert_same(found, events(folder / "data"))
    collected = (
        f"{len(text):,} lines, {late:,} rows late; {found['encounters'].num_rows} encounters, as a run finds them"
    )
    print(f"{collected}; by the last reconciliation {done.new} new, {done.revised} revised, {done.retracted} retracted")


class Looks:
    """Notes what a watch in this process costs, whenever it has done a slice."""

    columns = ("day", "memory, MB", "open files", "states, MB", "snapshots", "slice, s")

    def __init__(self, data):
        self.data, self.process, self.seen = data, psutil.Process(), 0
        self.rows: list[tuple[float, ...]] = []

    def __call__(self, noted):
        if len(noted.reports) > self.seen:
            self.seen, report = len(noted.reports), noted.reports[-1]
            states = sum(map(size, self.data.glob("slices/*/state/*")))
            snapshots = len(list(self.data.glob("snapshots/*.duckdb")))
            memory, day = self.process.memory_info().rss / 1e6, report.arrival_us / 1e6 / DAY_S
            self.rows.append((day, memory, self.process.num_fds(), states / 1e6, snapshots, report.took_s))


def size(path):
    """Its bytes; 0 where it is gone by now."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def test_two_weeks_cost_as_much_at_the_end_as_at_the_beginning(tmp_path):
    """Memory, open files, states and snapshots on the disk; what grows is the lake, and the database."""
    text = sea(tmp_path / "sea", 14.0, transfers=80, look_alikes=80, background=60)
    data = tmp_path / "data"
    looks = Looks(data)
    replay.replay(data, text, WatchSettings(every_s=0.02, area="world"), ahead_h=0.5, patience_s=7200, meanwhile=looks)
    rows = np.array(looks.rows)
    day = rows[:, 0] - rows[0, 0]
    early, late = rows[(day > 3) & (day < 5)], rows[day > 12]
    assert min(len(early), len(late)) > 20
    before, after = np.median(early, axis=0), np.median(late, axis=0)
    for name, *seen in zip(Looks.columns[1:], before[1:], after[1:], late[:, 1:].max(axis=0), strict=True):
        print(f"{name}: " + ", ".join(f"{value:,.2f}" for value in seen))
    _, memory, files, states, _, _ = after
    assert memory < before[1] * 1.3 + 100
    assert files < before[2] + 20
    assert states < before[3] * 5
    assert late[:, 4].max() < 200
    assert len(os.listdir(Path(data / "live"))) < 10
    assert archive.published(data)["encounters"].num_rows >= 50
