"""Owns: a sea is watched by the steps that a run has, its encounters get their truth, and a file keeps it whole."""

from __future__ import annotations

import json
from importlib.resources import files
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from stswatch.pipeline import api, schema
from stswatch.pipeline.trials.watch import ROWS, save, saved, together, watch
from tests.pipeline.trials import seas

SAMPLE = files("stswatch.sample_ais")


@pytest.fixture(scope="module")
def sea():
    """The simulated day that comes with the project, with its truth in columns."""
    truth = json.loads((SAMPLE / "truth.json").read_text())["meetings"]
    times = {
        side: pa.array([m[side].rstrip("Z") for m in truth]).cast(pa.timestamp("us")).cast(schema.UTC)
        for side in ("start", "end")
    }
    pairs = {f"mmsi_{v}": pa.array([m["mmsi"][i] for m in truth], pa.int32()) for i, v in enumerate("ab")}
    words = {"kind": "kind", "family": "scenario", "scenario": "scenario"}
    meetings = pa.table({**pairs, **times, **{name: [m[of] for m in truth] for name, of in words.items()}})
    decoded = api.decode(str(SAMPLE / "simulated_24h.nmea.gz"))
    return SimpleNamespace(
        fixes=decoded.fixes, static_reports=decoded.static_reports, meetings=meetings, vessel_days=40.0
    )


@pytest.fixture(scope="module")
def watched(sea):
    return watch(sea, days=1, seed=7)


def test_the_encounters_are_those_of_detect(sea, watched):
    found = api.detect(sea.fixes)
    rows = watched.rows.filter(watched.rows["detected"])
    assert sorted(rows["id"].to_pylist()) == sorted(found["id"])
    assert len(found) >= 10


def test_what_each_was_is_told(watched):
    """Lit transfers of the day are found near their true start and end; what is told fits the schema."""
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
    assert not any(row["starboard"] for row in rows if row["min_distance_m"] > 200)


def test_the_same_sea_gives_the_same_rows(sea, watched):
    assert watch(sea, days=1, seed=7).rows.equals(watched.rows)


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
