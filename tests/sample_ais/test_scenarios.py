"""Owns: the table of scenarios: every row makes what it says, at the circumstances it is given."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from stswatch.geo.coordinates.sphere import haversine_m
from stswatch.sample_ais import simulation
from stswatch.sample_ais.fleet.ships import SWITCHED_OFF, with_check_digit
from stswatch.sample_ais.fleet.waters import waters
from stswatch.sample_ais.scenes import scenarios
from stswatch.sample_ais.scenes.circumstances import circumstances
from stswatch.sample_ais.scenes.scenarios import LOOK_ALIKE, SCENARIOS, TRANSFER
from stswatch.sample_ais.simulation import Plan, simulate

every_row = pytest.mark.parametrize("row", SCENARIOS, ids=lambda row: row.name)
PROMISED = {
    *("lit", "one_dark", "both_dark", "at_anchor", "under_way", "port_approaches", "across_midnight", "shuttle"),
    *("three_hulls", "satellite_only", "identity_swap", "look_alike_imo", "forged_track", "flag_hop", "shared_by_two"),
    *(
        "bunkering",
        "lightering",
        "pilot",
        "tug",
        "tow",
        "crew_boat",
        "pair_trawl",
        "anchorage_neighbours",
        "port_queue",
    ),
    *("ferry_transfer", "dredging", "boarding", "research", "reception_hole", "shared_mmsi", "supply_at_sea"),
}


@cache
def few(name: str, seed: int = 2):
    """A sea with some scenes of one name and nothing else."""
    kind = next(row.kind for row in SCENARIOS if row.name == name)
    transfers, look_alikes = (3, 0) if kind == TRANSFER else (0, 3)
    plan = Plan(transfers=transfers, look_alikes=look_alikes, days=2.0, background=0, only=(name,), range_factor=1.5)
    return simulate(plan, seed)


def test_the_table_holds_what_was_promised():
    assert set(scenarios.NAMES) == PROMISED
    assert len(scenarios.NAMES) == len(set(scenarios.NAMES))
    assert {row.kind for row in SCENARIOS} == {TRANSFER, LOOK_ALIKE}
    assert len({row.make for row in SCENARIOS}) == len(SCENARIOS)


@every_row
def test_a_row_says_what_it_is(row):
    assert len(row.what) > 30
    assert row.what.endswith(".")
    assert row.weight > 0


@every_row
def test_a_row_makes_meetings_of_its_kind(row):
    sea = few(row.name)
    mine = [m for m in sea.meetings.to_pylist() if m["kind"] == row.kind]
    assert len(mine) >= 2
    assert {m["scenario"] for m in mine} == {row.name}
    assert {m["family"] for m in mine} == {row.family}
    assert {m["why"] for m in mine} == {row.what}
    assert {s for s in sea.ships["scenario"].to_pylist() if s} == {row.name}


def test_meetings_are_as_long_and_as_close_as_their_circumstances():
    """Of two hulls side by side: the truth that was measured is what was drawn."""
    plan = Plan(days=4.0, background=0, transfers=40, look_alikes=0, only=("lit",))
    sea, rng = simulation.build(plan, 6), np.random.default_rng([6, 1])
    drawn = circumstances(rng, 40, waters(), plan.days, plan.in_zones)
    off_h, off_m = [], []
    for k, c in enumerate(drawn):
        hulls = [n for n, scene in enumerate(sea.scene_of) if scene == k]
        at = np.flatnonzero((sea.met.a == hulls[0]) & (sea.met.b == hulls[1]))
        if c.start_s < 0 or c.end_s > plan.days * 86_400 or not len(at):
            continue
        longest = at[np.argmax(sea.met.end_s[at] - sea.met.start_s[at])]
        off_h.append((sea.met.end_s[longest] - sea.met.start_s[longest] - c.duration_s) / 3600)
        off_m.append(sea.met.median_m[longest] - c.distance_m)
        assert haversine_m(sea.met.lon[longest], sea.met.lat[longest], c.place.lon, c.place.lat) < 45_000
    assert len(off_h) >= 20
    assert 0 <= np.median(off_h) < 0.6  # the guest comes up and leaves within 500 m for some minutes
    assert np.max(np.abs(off_h)) < 1.2
    assert np.median(np.abs(off_m)) < 6


def test_dark_ones_are_not_heard_while_they_meet():
    for name, silent in (("one_dark", 1), ("both_dark", 2)):
        sea = few(name)
        off = {}
        for gap in sea.gaps.to_pylist():
            if gap["cause"] == SWITCHED_OFF:
                off.setdefault(gap["hull"], []).append((gap["start"], gap["end"]))
        for m in sea.meetings.to_pylist():
            if m["kind"] != TRANSFER:
                continue
            dark = [h for h in (m["hull_a"], m["hull_b"]) if any(covers(span, m) for span in off.get(h, ()))]
            assert len(dark) == silent
            assert m["seen_share"] < 0.2


def covers(span, meeting):
    return span[0] <= meeting["start"] and (span[1] is None or span[1] >= meeting["end"])


def test_a_swap_gives_both_hulls_both_identities():
    ships = few("identity_swap").ships.to_pylist()
    hulls = {}
    for ship in ships:
        hulls.setdefault(ship["hull"], []).append(ship["mmsi"])
    pairs = [set(claims) for claims in hulls.values()]
    assert len(pairs) == 6
    assert all(len(pair) == 2 and pairs.count(pair) == 2 for pair in pairs)


def test_a_look_alike_number_differs_by_a_3_for_an_8_and_keeps_its_check_digit():
    tried = 0
    for ship in few("look_alike_imo").ships.to_pylist():
        if ship["imo"] == ship["true_imo"] or ship["imo"] is None:
            continue
        shown, own = str(ship["imo"]), str(ship["true_imo"])
        assert with_check_digit(int(shown[:6])) == ship["imo"]
        assert with_check_digit(int(own[:6])) == ship["true_imo"]
        assert [(a, b) for a, b in zip(own, shown, strict=True) if a != b] == [("3", "8")]
        tried += 1
    assert tried == 3


def test_a_flag_hop_keeps_the_imo_number_alone():
    hulls = {}
    for ship in few("flag_hop").ships.to_pylist():
        hulls.setdefault(ship["hull"], []).append(ship)
    hopped = [claims for claims in hulls.values() if len(claims) == 2]
    assert len(hopped) == 3
    for before, after in hopped:
        assert before["until"] == after["from"]
        assert before["imo"] == after["imo"]
        for name in ("mmsi", "name", "call_sign"):
            assert before[name] != after[name]


def test_a_forged_track_is_shown_far_from_the_truth():
    plan = Plan(days=2.0, background=0, transfers=3, look_alikes=0, only=("forged_track",), range_factor=1.5)
    sea = simulation.build(plan, 2)
    forged = sea.cast.shown[sea.heard.emitter] != sea.cast.owner[sea.heard.emitter]
    rows = np.flatnonzero(forged & ~np.isnan(sea.heard.lon))
    assert len(rows) > 20
    truth = sea.cast.courses.at(sea.cast.owner[sea.heard.emitter[rows]], sea.heard.time_s[rows])
    assert np.median(haversine_m(*truth, sea.heard.lon[rows], sea.heard.lat[rows])) > 10_000


@pytest.mark.parametrize("name", ["shared_by_two", "shared_mmsi"])
def test_a_shared_number_is_on_two_hulls_at_once(name):
    hulls = {}
    for ship in few(name).ships.to_pylist():
        hulls.setdefault(ship["mmsi"], set()).add(ship["hull"])
    assert sum(len(claims) == 2 for claims in hulls.values()) == 3


def test_draughts_change_when_cargo_goes_over():
    collected = {}
    for row in few("lightering").static_reports.to_pylist():
        if row["draught_m"]:
            collected.setdefault(row["mmsi"], set()).add(row["draught_m"])
    assert any(len(values) == 2 for values in collected.values())
    assert all(len(values) <= 2 for values in collected.values())


def test_ships_at_a_berth_say_that_they_are_moored():
    sea = simulate(Plan(days=1.0, background=40, transfers=0, look_alikes=0), 3)
    status, speed = sea.fixes["status"].to_numpy(zero_copy_only=False), sea.fixes["sog_kn"].to_numpy()
    assert (status == 5).sum() > 300
    assert np.quantile(speed[status == 5], 0.99) < 1.0
    assert np.median(speed[status == 0]) > 5
    assert pa.types.is_int8(sea.fixes["status"].type)


def test_a_word_names_one_row_or_one_family():
    """A family that has the name of a row holds that row alone: `only` and `without` mean one thing."""
    for row in SCENARIOS:
        assert {other.name for other in SCENARIOS if other.family == row.name} <= {row.name}
        assert row in scenarios.allowed(only=(row.family,))
        assert row not in scenarios.allowed(without=(row.name,))


def test_every_family_is_cast_often_enough_for_a_figure():
    """In four seas of 500 ships for a week; a scene of anchorage neighbours, a shuttle or three hulls has more than one
    meeting."""
    plan = Plan(days=7.0, background=0, transfers=50, look_alikes=100)
    cast = Counter(scene.family for seed in range(301, 305) for scene in simulation.scenes_of(plan, seed))
    assert set(cast) == set(scenarios.FAMILIES)
    assert min(count for family, count in cast.items() if family not in ("anchorage", "shuttle", "three_hulls")) >= 20
    assert min(cast.values()) >= 12
    assert max(cast.values()) < 40


@pytest.mark.soak
def test_every_family_has_meetings_enough_for_a_figure():
    plan, met = Plan(days=7.0, background=190, transfers=50, look_alikes=100), Counter()
    for seed in range(301, 305):
        met.update(family for family in simulate(plan, seed).meetings["family"].to_pylist() if family != "chance")
    assert set(met) == set(scenarios.FAMILIES)
    assert min(met.values()) >= 20


def test_zones_hold_look_alikes_as_often_as_transfers():
    inside = {TRANSFER: [], LOOK_ALIKE: []}
    plan = Plan(days=7.0, background=0, transfers=200, look_alikes=200)
    for scene in simulation.scenes_of(plan, 7):
        inside[scene.kind].append(scene.place in waters().zones and scene.place != "")
    assert abs(np.mean(inside[TRANSFER]) - np.mean(inside[LOOK_ALIKE])) < 0.15
    assert np.mean(inside[TRANSFER]) > 0.45
