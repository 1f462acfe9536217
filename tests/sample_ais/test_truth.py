"""Owns: the truth of a simulated sea agrees with its tables: who is who, what was seen, who was not heard and why."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from stswatch.sample_ais.simulation import Plan, simulate

PLAN = Plan(days=2.0, background=60, transfers=14, look_alikes=14, outages_per_day=8.0)


@pytest.fixture(scope="module")
def sea():
    return simulate(PLAN, 21)


@pytest.fixture(scope="module")
def heard(sea):
    """Times of the fixes of each MMSI, seconds since 1970, in order."""
    fixes = sea.fixes.to_pandas().dropna(subset="lon")
    time_s = fixes.time.dt.tz_convert(None).astype("datetime64[s]").astype("int64")
    return {mmsi: np.sort(group.to_numpy()) for mmsi, group in time_s.groupby(fixes.mmsi)}


@pytest.fixture(scope="module")
def plain(sea):
    """Hulls whose MMSI nobody else claims, and who claim no other: hull -> MMSI."""
    ships = sea.ships.to_pandas()
    claims, owners = ships.groupby("hull").mmsi.nunique(), ships.groupby("mmsi").hull.nunique()
    forged = set(ships[ships.scenario == "forged_track"].hull)
    good = ships[ships.hull.map(claims).eq(1) & ships.mmsi.map(owners).eq(1) & ~ships.hull.isin(forged)]
    return dict(zip(good.hull, good.mmsi, strict=True))


def test_numbers_are_shared_only_where_a_scene_says_so(sea):
    ships = sea.ships.to_pandas()
    shared = ships[ships.mmsi.map(ships.groupby("mmsi").hull.nunique()) > 1]
    assert set(shared.scenario) <= {"shared_by_two", "shared_mmsi", "identity_swap"}
    assert ships.groupby("hull").size().max() <= 3
    assert len(ships.hull.unique()) >= 100


def test_ships_say_their_true_size_but_for_a_few(sea, plain):
    ships = sea.ships.to_pandas().drop_duplicates("hull").set_index("mmsi")
    printed = sea.static_reports.to_pandas().dropna(subset="length_m").groupby("mmsi").length_m.first()
    mine = ships.loc[[m for m in plain.values() if m in printed.index]]
    right = np.isclose(printed[mine.index], mine.length_m, atol=1)
    assert len(right) >= 60
    assert right.mean() > 0.9


def test_what_was_seen_of_a_meeting_is_what_the_fixes_say(sea, heard, plain):
    tried = 0
    for m in sea.meetings.to_pylist():
        if not {m["hull_a"], m["hull_b"]} <= set(plain):
            continue
        grid = np.linspace(m["start"].timestamp(), m["end"].timestamp(), 300)
        near = [from_nearest(heard.get(plain[h], np.empty(0)), grid) <= 600 for h in (m["hull_a"], m["hull_b"])]
        assert m["seen_share"] == pytest.approx((near[0] & near[1]).mean(), abs=0.03)
        tried += 1
    assert tried >= 15


def from_nearest(fixes_s: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """Seconds to the nearest fix, each with each."""
    if not len(fixes_s):
        return np.full(len(time_s), np.inf)
    return np.abs(fixes_s[None, :] - time_s[:, None]).min(axis=1)


def test_gaps_are_the_times_in_which_nothing_was_heard(sea, heard, plain):
    end_s = PLAN.start_s + PLAN.days * 86_400
    causes = Counter()
    for gap in sea.gaps.to_pylist():
        if gap["hull"] not in plain or gap["mmsi"] not in heard:
            continue
        start_s = gap["start"].timestamp()
        until_s = gap["end"].timestamp() if gap["end"] else end_s + 1
        inside = (heard[gap["mmsi"]] > start_s + 70) & (heard[gap["mmsi"]] < until_s - 70)
        assert not inside.any()
        if gap["cause"] in ("out_of_range", "outage"):
            assert until_s - start_s >= 7200 - 1
        causes[gap["cause"]] += 1
    assert causes["switched_off"] >= 3
    assert causes["out_of_range"] >= 3
    assert sum(Counter(sea.gaps["cause"].to_pylist()).values()) == len(sea.gaps)
    assert set(sea.gaps["cause"].to_pylist()) <= {"switched_off", "equipment", "out_of_range", "outage"}


def test_every_long_silence_of_a_ship_is_a_gap(sea, heard, plain):
    gaps = sea.gaps.to_pandas()
    start_s = gaps.start.dt.tz_convert(None).astype("datetime64[s]").astype("int64")
    until_s = pd.Series([g.timestamp() if g is not pd.NaT else np.inf for g in gaps.end], gaps.index)
    tried = 0
    for hull, mmsi in plain.items():
        times = heard.get(mmsi, np.empty(0))
        mine = gaps.hull == hull
        for k in np.flatnonzero(np.diff(times) > 7400):
            assert ((start_s[mine] < times[k + 1]) & (until_s[mine] > times[k])).any()
            tried += 1
    assert tried >= 10


def test_outages_are_told_as_such():
    """A sea of stations that fail all the time, and no satellite: somebody is not heard for that reason."""
    plan = Plan(days=2.0, background=80, transfers=0, look_alikes=0, outages_per_day=80.0, satellite_min=(2000, 4000))
    sea = simulate(plan, 4)
    assert Counter(sea.gaps["cause"].to_pylist())["outage"] >= 3


def test_vessel_days_are_days_with_a_fix(sea):
    assert 0 < sea.vessel_days <= 3 * len(set(sea.ships["hull"].to_pylist()))
    assert sea.vessel_days >= 1.5 * len(set(sea.fixes["mmsi"].to_pylist()))
