"""Owns: a sea is watched by the steps that a run has, its encounters get their truth, and a file keeps it whole."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
import pytest

from stswatch.pipeline import api
from stswatch.pipeline.evaluation.seas import ROWS, save, saved, together, watch
from stswatch.sample_ais.simulation import Plan, simulate
from tests.pipeline.evaluation import seas

PLAN = Plan(days=1.0, background=10, transfers=14, look_alikes=24)


@pytest.fixture(scope="module")
def sea():
    return simulate(PLAN, 7)


@pytest.fixture(scope="module")
def watched(sea):
    return watch(sea, PLAN.days, seed=7)


def test_the_encounters_are_those_of_detect(sea, watched):
    found = api.detect(sea.fixes)
    rows = watched.rows.filter(watched.rows["detected"])
    assert sorted(rows["id"].to_pylist()) == sorted(found["id"])
    assert len(found) >= 10


def test_what_each_was_is_told(watched):
    """Transfers are found near their true start and end; what is told fits the schema."""
    assert watched.rows.schema.equals(ROWS)
    assert set(watched.rows["seed"].to_pylist()) == {7}
    transfers = [row for row in watched.rows.to_pylist() if row["truth"] == "transfer" and row["detected"]]
    assert len(transfers) >= 3
    near = [abs(row["start_off_min"]) <= 10 for row in transfers if not row["repeat"]]
    assert np.mean(near) > 0.5


def test_starboards_rule_holds_where_hulls_are_side_by_side_for_long(watched):
    rows = watched.rows.filter(watched.rows["detected"]).to_pylist()
    held = [row["starboard"] for row in rows]
    assert 0 < sum(held) < len(held)
    # within its median distance a pair was for half of the time: a sure case of the rule, and a sure case against it
    assert all(row["starboard"] for row in rows if row["median_distance_m"] < 190 and row["within_min"] > 180)
    assert not any(row["starboard"] for row in rows if row["cpa_distance_m"] > 200)


def test_how_both_were_heard_and_their_class_are_those_of_their_messages(sea, watched):
    """By loops over what was received, and by the class of the ship."""
    fixes = sea.fixes.filter(pc.is_null(sea.fixes["invalid_reason"])).to_pandas()
    ships = {(row["mmsi"], row["ais_class"]) for row in sea.ships.to_pylist()}
    rows = watched.rows.to_pylist()
    assert {None} == {row[f"heard_{v}"] for row in rows if not row["detected"] for v in "ab"}
    for row in (row for row in rows if row["detected"]):
        for v in "ab":
            mine = fixes[fixes["mmsi"] == row[f"mmsi_{v}"]]
            kinds = set(mine[mine["time"].between(row["start_time"], row["end_time"])]["receiver"])
            assert {row[f"heard_{v}"]} == ({"both"} if len(kinds) == 2 else kinds or {None})
            assert (row[f"mmsi_{v}"], row[f"class_{v}"]) in ships


def test_the_same_sea_gives_the_same_rows(sea, watched):
    assert watch(sea, PLAN.days, seed=7).rows.equals(watched.rows)


def test_a_watched_sea_is_kept_whole(watched, tmp_path):
    path = tmp_path / "new" / "sea.parquet"
    save(watched, path)
    again = saved(path)
    assert again.rows.equals(watched.rows)
    assert (again.days, again.vessel_days) == (watched.days, watched.vessel_days)
    assert [p.name for p in path.parent.iterdir()] == ["sea.parquet"]


def test_seas_add_up():
    one, other = seas.watched(n=30, seed=1), seas.watched(n=20, seed=2)
    both = together([one, other])
    assert both.rows.num_rows == one.rows.num_rows + other.rows.num_rows
    assert both.days == 14
    assert both.vessels == one.vessels
    with pytest.raises(ValueError, match="no sea was watched"):
        together([])
