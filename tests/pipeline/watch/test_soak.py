"""Owns: the law, live, for a week with outages and late lines; and that in two weeks nothing grows without bound."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import psutil
import pytest

from stswatch.pipeline import api
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.watch.reconcile import reconcile
from stswatch.pipeline.watch.settings import Settings
from tests.pipeline import seas
from tests.pipeline.flow import archive
from tests.pipeline.watch import replay
from tests.pipeline.watch.test_law import by_run, events

pytestmark = pytest.mark.soak

OUTAGES_H = ((30, 36), (71, 71.5), (100, 115))
DAY_S = 86_400


def sea(folder, days, **more):
    """The lines of a simulated sea, in the order in which they came."""
    paths = api.simulate(folder, seed=11, days=days, **more)
    return replay.lines(24.0 * days, next(path for path in paths if path.name.endswith(".nmea.gz")))


def with_outages(text):
    """Without what came while everything was dead."""
    told_s = np.maximum.accumulate([int(replay.TOLD.search(line)[1]) for line in text])
    hour = (told_s - told_s[0]) / 3600
    dead = np.any([(hour >= begin) & (hour < end) for begin, end in OUTAGES_H], axis=0)
    return [line for line, gone in zip(text, dead.tolist(), strict=True) if not gone]


def test_the_recording_of_two_days(tmp_path):
    holds(replay.lines(48), tmp_path, least=40)


def test_a_week_with_outages_and_late_lines(tmp_path):
    text = with_outages(sea(tmp_path / "sea", 7.0, transfers=60, look_alikes=60, background=80))
    holds(text, tmp_path, least=100)


def holds(text, folder, least):
    """With the rules as they are, and an hour's worth of lines at a time."""
    settings = Settings(rules=Rules(), every_s=0.02, area="world")
    noted = replay.replay(folder / "data", text, settings, ahead_h=0.5, patience_s=7200)
    assert noted.said == []
    assert sum(report.late for report in noted.reports) >= 1000
    found = by_run(text, folder, Rules())
    assert found["encounters"].num_rows >= least
    reconcile(folder / "data", settings)
    seas.assert_same(found, events(folder / "data"))


def test_two_weeks_cost_as_much_at_the_end_as_at_the_beginning(tmp_path, monkeypatch):
    """Memory, open files, states and snapshots on the disk; what grows is the lake, and the database."""
    text = sea(tmp_path / "sea", 14.0, transfers=80, look_alikes=80, background=60)
    looks: list[tuple[float, int, int, int, int]] = []
    process = psutil.Process()
    data = tmp_path / "data"

    def slice_done(self, report):
        self.reports.append(report)
        states = sum(f.stat().st_size for f in data.glob("slices/*/state/*") if f.exists())
        snapshots = len(list(data.glob("snapshots/*.duckdb")))
        day = (report.arrival_us / 1e6 - begun_s) / DAY_S
        looks.append((day, process.memory_info().rss, process.num_fds(), states, snapshots))

    begun_s = int(replay.TOLD.search(text[0])[1])
    monkeypatch.setattr(replay.Noted, "slice_done", slice_done)
    replay.replay(data, text, Settings(every_s=0.02, area="world"), ahead_h=0.5, patience_s=7200)
    day, memory, files, states, snapshots = np.array(looks).T
    early, late = (day > 3) & (day < 5), day > 12
    assert early.sum() > 20
    assert late.sum() > 20
    assert np.median(memory[late]) < np.median(memory[early]) * 1.3 + 100e6
    assert np.median(files[late]) < np.median(files[early]) + 20
    assert np.median(states[late]) < np.median(states[early]) * 5
    assert snapshots[late].max() < 200
    assert len(os.listdir(Path(data / "live"))) < 10
    assert archive.published(data)["encounters"].num_rows >= 50
