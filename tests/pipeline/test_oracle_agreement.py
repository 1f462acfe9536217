"""Encounters against an oracle that shares no code and no formula with the program, on simulated and real seas.

Without thinning the two agree to the second. Thinning moves a vessel by up to 15 m, so with it every encounter lies
between those that the oracle finds at 470 m and at 530 m.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import pytest

from stswatch.geo.reference.harbours import berth_of
from tests.oracle import oracle_envelope
from tests.pipeline import seas

PAIR = ["mmsi_a", "track_a", "mmsi_b", "track_b"]
SECOND_S = 1.0  # the step of the oracle
BIN_M, ANGLE_DEG = 5.0, 5.0


CROWDS = ("southeast", "noaa")  # nearly all lie at berth there: measured as if none did


def berth(lon, lat):
    return berth_of(lon, lat)[0] >= 0


def nowhere(lon, lat):
    return np.zeros(len(lon), bool)


@cache
def truth(sea, minutes):
    """What the oracle finds in a sea at 470, 500 and 530 m, times in seconds."""
    found = oracle_envelope(frame(sea), berth=nowhere if sea in CROWDS else berth, min_duration_min=minutes)
    return {distance: _keyed(table) for distance, table in found.items()}


@cache
def frame(sea):
    seas_by_name: dict[str, Callable[[], pd.DataFrame]]
    seas_by_name = {"gulf": seas.gulf, "noaa": seas.noaa, "southeast": southeast, "day": day, "two days": two_days}
    return seas_by_name[sea]()


def day():
    return seas.frame_of(seas.fleet(seed=1, hours=24.0))


def two_days():
    return seas.frame_of(seas.fleet(seed=1))


def southeast():
    """A part of the real half hour, which is enough for every day: from Miami to Norfolk."""
    rows = seas.noaa()
    return rows[rows.lon.between(-80.3, -75.0)].reset_index(drop=True)


@cache
def found(sea, minutes, thinned, shards=1):
    """What the program finds in the same fixes."""
    rules = seas.at_least(minutes, None if thinned else seas.unthinned())
    rules = seas.uncounted(rules) if sea in CROWDS else rules
    given = seas.meetings(seas.of_frame(frame(sea)), rules=rules, shards=shards)
    table = given["encounters"].to_pandas()
    for v in "ab":
        table[f"track_{v}"] = pd.to_datetime(table[f"track_{v}"].str.split("@").str[1], format="ISO8601")
    return _keyed(table)


def _keyed(table):
    """Times as seconds, in order of pair and time."""
    table = table.copy()
    for name in ("track_a", "track_b", "start_time", "end_time"):
        table[name] = table[name].astype("datetime64[us, UTC]").astype("int64") / 1e6
    return table.sort_values([*PAIR, "start_time"], ignore_index=True)


def covered(inner, outer):
    """Whether each of some encounters lies within one of the others, give or take the oracle's second."""
    both = inner[[*PAIR, "start_time", "end_time"]].reset_index().merge(outer, on=PAIR, suffixes=("", "_outer"))
    within = (both.start_time_outer <= both.start_time + SECOND_S) & (both.end_time_outer >= both.end_time - SECOND_S)
    return inner.index.isin(both["index"][within])


def side_by_side(minutes, sea, thinned):
    """The encounters of the program and those of the oracle in one order; fails where they are not the same ones."""
    mine, theirs = found(sea, minutes, thinned), truth(sea, minutes)[500]
    assert mine[PAIR].values.tolist() == theirs[PAIR].values.tolist()
    return mine, theirs


SEAS = [
    pytest.param("day", 30, 85, id="day"),
    pytest.param("gulf", 30, 3, id="gulf", marks=[pytest.mark.real, seas.needs_real]),
    pytest.param("gulf", 5, 15, id="gulf-5min", marks=[pytest.mark.real, seas.needs_real]),
    pytest.param("southeast", 10, 1_500, id="southeast", marks=[pytest.mark.real, seas.needs_real, pytest.mark.soak]),
    pytest.param("noaa", 10, 10_000, id="noaa", marks=[pytest.mark.real, seas.needs_real, pytest.mark.soak]),
    pytest.param("two days", 30, 150, id="two days", marks=pytest.mark.soak),
]


@pytest.mark.parametrize(("sea", "minutes", "floor"), SEAS)
def test_without_thinning_the_same_encounters_to_the_second(sea, minutes, floor):
    mine, theirs = side_by_side(minutes, sea, thinned=False)
    assert len(mine) >= floor
    # the oracle stands up to a second inside
    assert (theirs.start_time - mine.start_time).between(-0.01, SECOND_S).all()
    assert (mine.end_time - theirs.end_time).between(-0.01, SECOND_S).all()
    for name in ("fixes_a", "fixes_b", "start_censored", "end_censored"):
        assert mine[name].tolist() == theirs[name].tolist(), name
    # and meets the nearest approach half a second off: 2.6 m at a relative speed of 10 kn
    assert (theirs.cpa_distance_m - mine.cpa_distance_m).between(-0.1, 2.6).all()
    assert (theirs.median_distance_m - mine.median_distance_m).abs().max() <= BIN_M
    assert (theirs.median_distance_m - mine.median_distance_m).abs().quantile(0.9) <= BIN_M / 2


@pytest.mark.parametrize(("sea", "minutes", "floor"), SEAS)
def test_without_thinning_the_same_motion(sea, minutes, floor):
    mine, theirs = side_by_side(minutes, sea, thinned=False)
    assert len(mine) >= floor
    # the oracle stands up to a second inside, and knows that the Earth is no sphere
    assert ((mine.drift_km - theirs.drift_km).abs() <= 0.02 + 0.006 * theirs.drift_km).all()
    assert (mine.drift_kn - mine.drift_km / mine.duration_min * 60 / 1.852).abs().max() <= 0.04
    off_kn = (mine.relative_speed_kn - theirs.relative_speed_kn).abs()
    assert off_kn.max() <= 0.05
    assert off_kn.median() <= 0.01


@pytest.mark.parametrize(("sea", "minutes", "floor"), [SEAS[0], *SEAS[3:]])
def test_without_thinning_the_same_angle_between_the_keels(sea, minutes, floor):
    mine, theirs = side_by_side(minutes, sea, thinned=False)
    mine, theirs = mine.heading_difference_deg, theirs.heading_difference_deg
    assert mine.notna().tolist() == theirs.notna().tolist()
    assert mine.notna().sum() >= floor / 10
    assert mine.isna().sum() >= floor / 10
    assert mine.between(0, 90).sum() == mine.notna().sum()
    # where one half of the time lies in a bin far from the other half, any angle between them is a median
    assert (mine - theirs).abs().quantile(0.99) <= ANGLE_DEG


@pytest.mark.parametrize(("sea", "minutes", "floor"), SEAS)
def test_with_thinning_between_what_lies_within_470_and_within_530_m(sea, minutes, floor):
    mine, theirs = found(sea, minutes, True), truth(sea, minutes)
    assert len(mine) >= floor
    assert covered(theirs[470], mine).all()
    assert covered(mine, theirs[530]).all()


@pytest.mark.parametrize(("sea", "minutes", "floor"), SEAS)
def test_thinning_moves_distances_by_thirty_metres_at_most(sea, minutes, floor):
    """Of encounters that begin and end alike with it and without; hardly any does not."""
    mine, theirs = found(sea, minutes, True), truth(sea, minutes)[500]
    both = mine.merge(theirs, on=PAIR, suffixes=("", "_true"))
    alike = (both.start_time - both.start_time_true).abs() <= 60
    alike &= (both.end_time - both.end_time_true).abs() <= 60
    both = both[alike]
    assert len(both) >= 0.9 * len(theirs) >= 0.9 * floor
    assert (both.cpa_distance_m - both.cpa_distance_m_true).abs().max() <= 30
    assert (both.median_distance_m - both.median_distance_m_true).abs().max() <= 30 + BIN_M / 2
    assert (both.fixes_a != both.fixes_a_true).mean() < 0.05


@pytest.mark.real
@seas.needs_real
@pytest.mark.parametrize("cut_h", [None, seas.long(1), 24])
def test_the_lightering_of_august_2023(cut_h):
    """241502000 and 311000222 are one encounter of 704 min from 08:54, 62 m apart (NOAA / USCG AIS)."""
    table = seas.of_frame(seas.gulf())
    rows = seas.encounters(table, cuts=seas.every(table, cut_h) if cut_h else (), shards=1)
    (row,) = rows[(rows.mmsi_a == 241502000) & (rows.mmsi_b == 311000222)].to_dict("records")
    assert abs(row["start_time"] - pd.Timestamp("2023-08-01T08:54Z")) <= pd.Timedelta(1, "min")
    assert row["duration_min"] == pytest.approx(704, abs=5)
    assert row["median_distance_m"] == pytest.approx(62, abs=10)
    assert row["score"] > rows.score.drop(row_of(rows, row)).max()


def row_of(rows, row):
    return rows.index[rows.id == row["id"]]


@pytest.mark.real
@seas.needs_real
def test_neighbours_at_berth_in_half_an_hour_of_harbours():
    """At least 20,000 pairs lay still beside each other in US ports between 00:00 and 00:24."""
    rows = seas.meetings(seas.of_frame(seas.noaa()), shards=7)["port_pair_counts"].to_pandas()
    midnight = rows[rows.hour == pd.Timestamp("2022-01-03T00:00Z")]
    assert midnight.pairs.sum() >= 20_000
