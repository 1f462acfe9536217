"""Owns: the interface of the simulated sea: same plan and seed, same tables; columns; truth that agrees with itself."""

from __future__ import annotations

import time
from dataclasses import fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stswatch.pipeline import api, schema
from stswatch.sample_ais import truth
from stswatch.sample_ais.reception.observe import Receivers
from stswatch.sample_ais.simulation import Plan, simulate

SMALL = Plan(days=1.0, background=12, transfers=6, look_alikes=8)


@pytest.fixture(scope="module")
def sea():
    return simulate(SMALL, 3)


def test_same_plan_and_seed_same_tables(sea):
    again, other = simulate(SMALL, 3), simulate(SMALL, 4)
    for name in ("fixes", "static_reports", "ships", "meetings", "gaps"):
        assert getattr(sea, name).equals(getattr(again, name)), name
        assert not getattr(sea, name).equals(getattr(other, name)), name
    assert sea.vessel_days == again.vessel_days > 0


def test_fixes_and_static_reports_are_those_of_the_lake(sea):
    for mine, lake in ((sea.fixes, "fixes"), (sea.static_reports, "static_reports")):
        assert mine.schema.equals(schema.LAKE[lake], check_metadata=False)
        assert len(mine) > 100
    assert truth.FIXES.equals(schema.FIXES, check_metadata=False)


def test_detect_takes_the_fixes_and_finds_meetings(sea):
    found = api.detect(sea.fixes)
    collected = {(m["mmsi_a"], m["mmsi_b"]) for m in sea.meetings.to_pylist() if m["seen_share"] > 0.9}
    assert len(collected) >= 3
    assert collected & set(zip(found.mmsi_a, found.mmsi_b, strict=True))


def test_every_meeting_is_between_ships_that_there_are(sea):
    hulls = set(sea.ships["hull"].to_pylist())
    meetings = sea.meetings
    assert {*meetings["hull_a"].to_pylist(), *meetings["hull_b"].to_pylist()} <= hulls
    assert pc.all(pc.less_equal(meetings["mmsi_a"], meetings["mmsi_b"])).as_py()
    assert pc.all(pc.less_equal(meetings["nearest_m"], meetings["median_m"])).as_py()
    assert (meetings["median_m"].to_numpy() <= 500.001).all()
    lasts = pc.subtract(meetings["end"], meetings["start"]).cast(pa.int64()).to_numpy() / 1e6
    assert (lasts >= 300 - 1).all()
    assert {"transfer", "look_alike"} <= set(meetings["kind"].to_pylist())


def test_everything_lies_within_the_plan(sea):
    start_us = SMALL.start_s * 1_000_000
    for name in ("start", "end"):
        at = sea.meetings[name].cast(pa.int64()).to_numpy() - start_us
        assert (at >= -1).all()
        assert (at <= SMALL.days * 86_400e6 + 1).all()
    time_us = sea.fixes["time"].cast(pa.int64()).to_numpy() - start_us
    assert (time_us > -120e6).all()  # clocks of stations are off by some seconds
    assert (time_us < SMALL.days * 86_400e6 + 120e6).all()


def test_a_silent_ship_is_not_heard(sea):
    times = {}
    for mmsi, when in zip(sea.fixes["mmsi"].to_pylist(), sea.fixes["time"].cast(pa.int64()).to_pylist(), strict=True):
        times.setdefault(mmsi, []).append(when)
    tried = 0
    for gap in sea.gaps.to_pylist():
        if gap["cause"] not in ("switched_off", "equipment") or gap["mmsi"] not in times:
            continue
        first, last = (g.timestamp() * 1e6 if g else np.inf for g in (gap["start"], gap["end"]))
        heard = np.array(times[gap["mmsi"]])
        assert not ((heard > first + 90e6) & (heard < last - 90e6)).any()
        tried += 1
    assert tried >= 2


def test_what_cannot_be_planned_is_refused():
    with pytest.raises(ValueError, match="no scenario or family 'smuggling'"):
        Plan(only=("smuggling",))
    with pytest.raises(ValueError, match="slot_s is 1; give 10 or more"):
        Plan(slot_s=1.0)
    with pytest.raises(ValueError, match="no zone 'atlantis'"):
        Plan(zones=("atlantis",))
    with pytest.raises(ValueError, match="no ships"):
        Plan(background=0, transfers=0, look_alikes=0)
    with pytest.raises(ValueError, match="no ships"):
        Plan(background=0, look_alikes=0, only=("bunkering",))


def test_one_ship_alone_meets_nobody():
    sea = simulate(Plan(days=0.5, background=1, transfers=0, look_alikes=0), 1)
    assert len(sea.ships) == 1
    assert len(sea.meetings) == 0


@pytest.mark.soak
def test_five_hundred_ships_for_a_week_take_under_two_minutes_of_one_core():
    before_s = time.process_time()
    sea = simulate(Plan(days=7.0, background=190, transfers=50, look_alikes=100), 1)
    assert time.process_time() - before_s < 120
    assert len(set(sea.ships["hull"].to_pylist())) >= 490
    assert len(sea.fixes) > 1_000_000


def test_the_time_it_takes_grows_with_the_ships_and_no_faster():
    """Ratios of one run: twice the ships and scenes, about twice the time."""
    took_s = []
    for times in (1, 3):
        before_s = time.process_time()
        simulate(Plan(days=1.0, background=20 * times, transfers=10 * times, look_alikes=10 * times), 1)
        took_s.append(time.process_time() - before_s)
    assert took_s[1] < 5 * took_s[0]


def test_scenes_do_not_depend_on_what_else_there_is():
    """A scene keeps its ships when others are left out or the background grows: each draws from a stream of its own."""
    few, many = (simulate(Plan(days=1.0, background=count, transfers=4, look_alikes=0), 9) for count in (0, 15))
    mine = few.ships.to_pylist()
    assert len(mine) >= 8
    assert [ship for ship in many.ships.to_pylist() if ship["scenario"]] == mine
    assert (
        few.meetings.filter(pc.not_equal(few.meetings["kind"], "traffic"))
        .select(["start", "median_m"])
        .equals(many.meetings.filter(pc.not_equal(many.meetings["kind"], "traffic")).select(["start", "median_m"]))
    )


def test_seas_with_as_many_transponders_have_other_receivers():
    sets = [Receivers.of(np.random.default_rng([seed, 5]), 50) for seed in (1, 2, 1)]
    assert all((getattr(sets[0], f.name) == getattr(sets[2], f.name)).all() for f in fields(Receivers))
    assert all((getattr(sets[0], f.name) != getattr(sets[1], f.name)).any() for f in fields(Receivers))
    plan = Plan(days=0.3, background=0, transfers=0, look_alikes=1, only=("tug",), range_factor=2.0)
    seconds = []
    for seed in (1, 2):  # where in its interval each of the two ships sends
        fixes = simulate(plan, seed).fixes.to_pandas()
        assert fixes.mmsi.nunique() == 2
        seconds.append(sorted(rows.time.dt.second.median() for _, rows in fixes.groupby("mmsi")))
    assert seconds[0] != seconds[1]


def test_a_box_confines_ports_and_places():
    sea = simulate(Plan(days=0.5, background=10, transfers=3, look_alikes=3, box=(117.5, 30.0, 129.5, 41.0)), 2)
    lon, lat = sea.meetings["lon"].to_numpy(), sea.meetings["lat"].to_numpy()
    assert ((lon > 117) & (lon < 130) & (lat > 29.5) & (lat < 41.5)).all()
    with pytest.raises(ValueError, match="holds too few ports"):
        Plan(box=(0.0, 0.0, 1.0, 1.0))
