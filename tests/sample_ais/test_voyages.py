"""Owns: the sea of weeks holds together: voyages, calls, silences and deceptions are in its fixes as its truth says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from stswatch.geo.coordinates.sphere import haversine_m
from stswatch.sample_ais.reception.fades import gains
from stswatch.sample_ais.scenes import deceptions
from stswatch.sample_ais.scenes.scenarios import PlanError
from stswatch.sample_ais.simulation import VoyagePlan, build, scenes_of, simulate

PLAN = VoyagePlan(days=9.0, background=40, transfers=14, look_alikes=24, trade=8, moored=16)


@pytest.fixture(scope="module")
def sea():
    return simulate(PLAN, 11)


@pytest.fixture(scope="module")
def fixes(sea):
    return sea.fixes.to_pandas()


@pytest.fixture(scope="module")
def calls(sea):
    return sea.more["port_calls"].to_pandas()


@pytest.fixture(scope="module")
def gaps(sea):
    return sea.gaps.to_pandas()


def test_same_seed_same_tables_another_seed_others():
    small = VoyagePlan(days=1.0, background=4, transfers=1, look_alikes=1, trade=1, moored=4)
    one, two, three = (simulate(small, seed) for seed in (1, 1, 2))
    assert one.fixes.equals(two.fixes)
    assert one.static_reports.equals(two.static_reports)
    assert one.gaps.equals(two.gaps)
    assert all(one.more[name].equals(two.more[name]) for name in one.more)
    assert not one.fixes.equals(three.fixes)


def test_a_plan_knows_the_further_scenarios_and_no_others():
    assert {row.name for row in VoyagePlan(only=("relay", "dark")).rows()} >= {"relay", "waits_for_dark", "both_dark"}
    with pytest.raises(PlanError, match=r"no scenario or family 'nonsense'; there are .*waits_alone"):
        VoyagePlan(only=("nonsense",))
    with pytest.raises(PlanError, match="slot_s is 1; give 2"):
        VoyagePlan(slot_s=1.0)


def test_ships_of_trades_go_from_port_to_port(sea, calls):
    legs = sea.more["voyages"].to_pandas()
    assert (legs.arrives > legs.leaves).all()
    assert (legs.from_port != legs.to_port).mean() > 0.5  # others go between berth and roads of one port
    of_trade = calls[calls.fleet == "trade"]
    assert {"KP", "RU"} & set(of_trade.country)
    assert not {"KP"} & set(calls[calls.fleet == "twin"].country)
    assert calls.groupby("hull").size().max() >= 4


def test_calls_of_a_hull_follow_each_other(calls):
    for _, mine in calls.sort_values("arrives").groupby("hull"):
        assert all(b.arrives >= a.leaves for a, b in pairwise(mine.itertuples()))


def test_a_ship_lies_where_and_when_its_call_is(sea, fixes, calls):
    near, heard = 0, 0
    forged = sea.more["forged"].to_pandas().mmsi
    for call in calls[(calls.shown == "lit") & ~calls.mmsi.isin(forged)].itertuples():
        inside = fixes[(fixes.mmsi == call.mmsi) & (fixes.time > call.arrives) & (fixes.time < call.leaves)].dropna(
            subset="lon"
        )
        heard += len(inside)
        near += (haversine_m(inside.lon, inside.lat, call.lon, call.lat) < 1500).sum()
    assert heard > 5_000
    assert near > 0.97 * heard


def test_destinations_are_entered_late_wrong_and_not_at_all(sea):
    legs = sea.more["voyages"].to_pandas()
    assert 0.05 < legs.destination.isna().mean() < 0.4
    assert legs.destination.nunique() > 20
    never = legs.groupby("hull").draught_m.first().isna().mean()  # not of legs: a boat of day trips has many
    assert 0.04 < never < 0.3
    collected = sea.static_reports.to_pandas()
    assert collected[collected.msg_type == 5].destination.nunique() > 15
    assert collected.groupby("mmsi").draught_m.nunique().max() >= 2


def test_craft_lie_also_where_no_port_is_near(sea, calls):
    assert {"mooring"} <= set(calls.kind)
    moored = calls[calls.kind == "mooring"]
    sizes = sea.ships.to_pandas().set_index("hull").length_m[moored.hull]
    assert sizes.min() < 20 < sizes.max()


def test_nothing_is_received_of_a_set_that_is_off(sea, fixes, gaps):
    own = gaps[gaps.cause.isin(["switched_off", "equipment", "left"])].dropna(subset="end")
    assert len(own) > 20
    shared = sea.ships.to_pandas().groupby("mmsi").hull.nunique()
    for gap in own[~own.mmsi.isin(shared[shared > 1].index)].itertuples():
        times = fixes.time[fixes.mmsi == gap.mmsi]
        edge = pd.Timedelta(minutes=2)  # of clocks and of the slot in which it fell silent
        inside = (times > gap.start + edge) & (times < gap.end - edge)
        slot = pd.Timedelta(seconds=PLAN.slot_s)
        assert times[inside & (times > gap.start + slot)].empty


def test_the_chance_of_silence_tells_off_from_unheard(gaps):
    """A ship that sent all the time and was not heard for hours had a fair chance of that; one switched off had not."""
    assert {"switched_off", "equipment", "out_of_range", "outage", "fade", "left"} >= set(gaps.cause)
    sent = gaps[gaps.cause.isin(["out_of_range", "outage", "fade"])].log10_unheard
    off = gaps[gaps.cause == "switched_off"].log10_unheard
    assert (sent > -6).mean() > 0.97
    assert (off < -6).mean() > 0.3


def test_outages_are_of_stations_feeds_and_kinds():
    sea = build(VoyagePlan(background=1, transfers=0, look_alikes=0, trade=0, moored=0, days=45.0), 3)
    found = {outage.what for outage in sea.network.outages}
    assert {"station", "feed"} <= found
    for outage in sea.network.outages:
        if outage.what == "satellite":
            start_s = sea.network.passes[:, 0]
            assert not ((start_s > outage.start_s) & (start_s < outage.end_s)).any()


def test_fades_last_for_hours_and_antennas_differ():
    gain = np.log(gains(np.random.default_rng(1), 200, 20.0))
    assert 0.1 < gain.mean(axis=1).std() < 0.5
    calm = gain - np.median(gain, axis=1, keepdims=True)
    calm = calm[np.abs(calm).max(axis=1) < 0.9]
    after = [np.mean(calm[:, :-k] * calm[:, k:]) / np.mean(calm**2) for k in (1, 24)]
    assert after[0] > 0.7
    assert after[1] < 0.2


def test_every_further_scenario_makes_ships_that_do_it():
    for row in deceptions.MORE:
        plan = VoyagePlan(
            days=6.0,
            background=0,
            trade=0,
            moored=0,
            only=(row.name,),
            transfers=2 * (row.kind == "transfer"),
            look_alikes=2 * (row.kind != "transfer"),
        )
        made = build(plan, 5)
        assert {scene.scenario for scene in made.scenes} == {row.name}
        met = made.met
        pairs = {(made.scene_of[a], made.scene_of[b]) for a, b in zip(met.a.tolist(), met.b.tolist(), strict=True)}
        if row.kind == "transfer":
            assert any(a == b for a, b in pairs), row.name
        if row.name.startswith("forged_"):
            assert {e.style for a in made.cast.actors for e in a.claims()} >= {row.name.removeprefix("forged_")}


def test_handshakes_are_told():
    plan = VoyagePlan(days=5.0, background=0, trade=0, moored=0, only=("identity_swap",), transfers=4, look_alikes=0)
    sea = simulate(plan, 2)
    swaps = sea.more["handshakes"].to_pandas()
    assert len(swaps) == 4
    assert (swaps.mmsi_a != swaps.mmsi_b).all()


def test_a_smooth_course_has_no_noise_and_a_replayed_one_was_sailed():
    plan = VoyagePlan(
        days=8.0, background=0, trade=0, moored=0, only=("forged_smooth", "forged_replay"), transfers=8, look_alikes=0
    )
    sea = simulate(plan, 4)
    fixes, forged = sea.fixes.to_pandas().dropna(subset="lon"), sea.more["forged"].to_pandas()
    assert {"smooth", "replay"} <= set(forged["style"])
    tried = 0
    for row in forged[forged["style"] == "smooth"].itertuples():
        track = fixes[(fixes.mmsi == row.mmsi) & (fixes.time > row.start) & (fixes.time < row.end)].sort_values("time")
        if len(track) > 30:
            assert track.sog_kn.dropna().value_counts(normalize=True).head(2).sum() > 0.8
            tried += 1
    assert tried


def test_lawful_scenes_are_in_zones_as_often_as_transfers():
    plan = VoyagePlan(days=4.0, background=0, trade=0, moored=0, transfers=60, look_alikes=120)
    zones = {"transfer": [], "look_alike": []}
    for scene in scenes_of(plan, 7):
        zones[scene.kind].append("_" in scene.place or scene.place in ("chodo", "tonkin", "lianyungang"))
    share = {kind: np.mean(inside) for kind, inside in zones.items()}
    assert abs(share["transfer"] - share["look_alike"]) < 0.2
