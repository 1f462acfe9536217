"""What a run costs when it is long, when it has two workers, and when a crowd lies at one anchorage.

The tests marked soak measure whole runs and want a machine that does nothing else; the others hold the same
at a hundredth of the size, by counts and sizes where these tell it.
"""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from stswatch.pipeline import api
from tests.bench.run import measure
from tests.pipeline import seas
from tests.pipeline.flow import archive
from tests.simulators import density

MILLION = 1_000_000
DAYS = 30
VESSELS = density.VESSELS
RECEIVED = density.RECEIVED * 0.555  # of the reports of 10,600 vessels: 100 million in thirty days

CROWD = 200
CROWD_DAYS = 5.0


def run(data, *paths, workers=1, how=()):
    """A whole run in a process of its own: what it cost."""
    command = [sys.executable, "-m", "stswatch.pipeline.cli", "run", *map(str, paths), "--data", str(data), *how]
    return measure(*command, "--area", "world", "--quiet", "--workers", str(workers))


def days_of(data):
    """Rows, CPU seconds of the steps and bytes of the state of each slice in order of time; old states are gone."""
    found = []
    for name, manifest in archive.manifests(data).items():
        kept = sum(p.stat().st_size for p in (data / "slices" / name / "state").glob("*"))
        found.append((manifest["slice"]["start_us"], manifest["slice"]["rows"], sum(manifest["cpu_s"].values()), kept))
    return [collected[1:] for collected in sorted(found)]


@pytest.mark.soak
def test_a_month_of_a_hundred_million_positions_costs_on_its_last_days_what_it_cost_on_the_first(tmp_path):
    sea = density.density(100 * MILLION, 1, tmp_path / "sea", received=RECEIVED)
    spent = run(tmp_path / "data", *sea)
    days = days_of(tmp_path / "data")
    each = [cpu_s / rows * MILLION for rows, cpu_s, _ in days]
    early, late = (float(np.median(each[k : k + 3])) for k in (1, len(each) - 4))
    counts = api.counts(tmp_path / "data")
    print(
        f"{len(days)} days, {spent.wall_s:.0f} s, {spent.cpu_s:.0f} CPU s, {spent.peak_mb:.0f} MB,"
        f" days 2 to 4 {early:.3f}, last three whole days {late:.3f} CPU s a million, {counts}"
    )
    assert DAYS <= len(days) <= DAYS + 2
    assert sum(rows for rows, _, _ in days) == 100 * MILLION
    assert counts["encounters"] >= VESSELS * DAYS / 100
    assert spent.peak_mb < 3000
    assert late <= 1.1 * early


@pytest.mark.soak
def test_two_years_of_fifty_positions_a_day_cost_no_more_than_their_rows(tmp_path):
    """As a satellite hears them; a slice of each day would cost a quarter of a second a day."""
    rng, rows, vessels = np.random.default_rng(1), 36_680, 200
    vessel, time_s = rng.integers(0, vessels, rows), np.sort(rng.integers(0, 730 * 86_400, rows)) + 1_577_836_800
    places = {"lon": 122 + 6 * rng.random(vessels)[vessel], "lat": 34 + 4 * rng.random(vessels)[vessel]}
    places = {name: (degrees + rng.normal(0, 0.05, rows)).round(5) for name, degrees in places.items()}
    who = {"mmsi": 412_000_000 + vessel, "time": pa.array(time_s * 1_000_000, pa.timestamp("us", "UTC"))}
    pacsv.write_csv(pa.table(who | places | {"receiver": ["satellite"] * rows}), tmp_path / "thin.csv")
    spent = run(tmp_path / "data", tmp_path / "thin.csv")
    print(f"{rows:,} rows of 730 days: {spent.cpu_s:.1f} CPU s, {len(days_of(tmp_path / 'data'))} slices")
    assert spent.cpu_s < 8


@pytest.mark.soak
@pytest.mark.parametrize("slice_h", [24, 6])
def test_two_workers_are_one_and_a_half_times_as_fast(slice_h, tmp_path):
    """On slices of some four and of 1.5 million positions; read, found, loaded and published, the best of two runs."""
    sea, hours = density.density(12 * MILLION, 1, tmp_path / "sea"), ("--slice-hours", str(slice_h))
    wall_s = {1: [], 2: []}
    for k in range(2):
        for workers, each in wall_s.items():
            each.append(run(tmp_path / f"data{workers}{k}", *sea, workers=workers, how=hours).wall_s)
    one, two = (min(each) for each in wall_s.values())
    print(f"slices of {slice_h} h: one worker {one:.1f} s, two {two:.1f} s: {one / two:.2f} times as fast")
    assert one >= 1.5 * two


@pytest.mark.soak
def test_a_position_in_a_crowd_costs_at_most_ten_times_one_at_sea(tmp_path):
    """200 vessels in one circle for five days, beside a sea so large that what a start and a slice cost is spread."""
    (tmp_path / "crowd").mkdir()
    crowd = density.crowd(CROWD, CROWD_DAYS)
    pq.write_table(crowd, tmp_path / "crowd" / "positions.parquet")
    density.density(16 * MILLION, 1, tmp_path / "sea")
    us = {}
    for name, positions in (("sea", 16 * MILLION), ("crowd", len(crowd))):
        spent = run(tmp_path / f"data-{name}", tmp_path / name)
        us[name] = spent.cpu_s / positions * 1e6
        print(f"{name}: {us[name]:.2f} CPU us a position, {spent.peak_mb:.0f} MB")
    print(f"{us['crowd'] / us['sea']:.1f} times")
    assert api.counts(tmp_path / "data-crowd")["encounters"] >= CROWD * (CROWD - 1) / 2
    assert us["crowd"] <= 10 * us["sea"]


def test_state_does_not_grow_with_the_days(tmp_path):
    """Beyond the longest horizon, sixteen days of how steadily a vessel is heard."""
    sea = density.density(185_000, 1, tmp_path / "sea", vessels=12)
    api.run(sea, tmp_path / "data", area="world", slice_h=20.0)
    slices = [size for _, _, size in days_of(tmp_path / "data")]
    kept = [(nth * 20 / 24, size) for nth, size in enumerate(slices, 1) if size]  # after so many days
    early, late = ([size for day, size in kept if low <= day < high] for low, high in ((20, 25), (30, 38)))
    assert len(early) == 1, "of those long ago, one in five days"
    assert len(late) >= 7
    assert max(late) <= 1.1 * early[0]


def test_a_stay_is_few_legs_however_often_it_is_reported():
    """So the cost of a crowd grows with time and with pairs, never with reports."""
    rows = density.crowd(vessels=6, days=1.0, every_s=30)
    fixes = seas.fixes(*(rows[name] for name in ("mmsi", "time", "lon", "lat", "sog_kn")))
    legs = seas.run(fixes)["legs"].num_rows
    half_hours = 6 * 48
    assert rows.num_rows >= 50 * half_hours
    assert half_hours <= legs <= 3 * half_hours
