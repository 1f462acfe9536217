"""Owns: numbers that were unheard for weeks and came back, found wherever the data are cut."""

from __future__ import annotations

import itertools

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.geo.coordinates.sphere import haversine_m
from stswatch.pipeline import facts_beside, schema
from stswatch.pipeline.batch import HOUR, MINUTE, concat
from stswatch.pipeline.rules import Rules, days
from stswatch.pipeline.steps import STEPS
from stswatch.pipeline.store import across_vessels, queries
from tests.pipeline import seas
from tests.pipeline.store.build import at, encounter, output, publish, rows

DAY_US = seas.NOON_US - 12 * HOUR
ONE = 412_000_001


def comings(seed):
    """Fixes of some numbers now and then in 250 days; most are away for weeks."""
    rng = np.random.default_rng(seed)
    parts = []
    for k in range(6):
        day = np.cumsum(rng.choice([0.3, 1.0, 6.9, 7.1, 30.0, 100.0, 179.0, 200.0], 9, p=[0.3, 0.3, *[0.4 / 6] * 6]))
        time_us = DAY_US + (day * 24 * 60).astype(np.int64) * MINUTE
        parts.append(seas.fixes(ONE + k, time_us, 123 + rng.uniform(0, 4, 9), 36 + rng.uniform(0, 2, 9), 3.0))
    return pa.concat_tables(parts)


def by_hand(table):
    """Absences one number and one pair of fixes after the other."""
    time_us, found = seas.micros_of(table, "time"), []
    for mmsi in sorted(set(table["mmsi"].to_pylist())):
        own = np.flatnonzero(np.asarray(table["mmsi"]) == mmsi)
        own = own[np.argsort(time_us[own])]
        for a, b in itertools.pairwise(own):
            if days(7) < time_us[b] - time_us[a] <= days(180):
                ends = [table[axis][int(k)].as_py() for k in (a, b) for axis in ("lon", "lat")]
                found.append((mmsi, int(time_us[a]), int(time_us[b]), *ends))
    return found


def absences(table, cuts=(), shards=1):
    parts = seas.run(table, cuts, shards, steps=STEPS[:1])["vessels"]
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        db.register("part_vessels", parts)
        return across_vessels.absences(db, Rules())


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(0, 8))
def test_absences_are_those_found_one_by_one_wherever_the_data_are_cut(seed, shards, slices):
    table, rng = comings(seed), np.random.default_rng(seed)
    cuts = np.unique(DAY_US + rng.integers(0, 300 * 24, slices) * HOUR)
    whole = absences(table)
    names = ("mmsi", "start_time", "end_time", "lon0", "lat0", "lon1", "lat1")
    columns = [seas.micros_of(whole, n).tolist() if n.endswith("time") else whole[n].to_pylist() for n in names]
    assert list(zip(*columns, strict=True)) == by_hand(table)
    assert absences(table, cuts.tolist(), shards).equals(whole)


def test_there_are_some_and_they_say_what_time_was_left():
    whole = concat([absences(comings(seed)) for seed in range(4)], schema.STORED["long_absences"])
    assert whole.num_rows >= 20
    assert max(whole["days"].to_pylist()) <= 180
    for row in whole.to_pylist():
        straight_km = haversine_m(row["lon0"], row["lat0"], row["lon1"], row["lat1"]) / 1000
        assert row["distance_km"] == pytest.approx(straight_km, abs=0.01)
        assert row["way_km"] >= straight_km - 1
        assert row["spare_h"] == pytest.approx(24 * row["days"] - row["way_km"] / 22.224, abs=0.1)
        assert row["ports"] >= 1


def test_an_absence_is_published_and_said_of_a_vessel_of_a_meeting(tmp_path):
    seen = [
        {"mmsi": 241502000, "fixes": 3, "first_seen": at(h), "last_seen": at(h + 1)}
        | dict.fromkeys(("first_lon", "last_lon"), 125.0 + h / 1000)
        | dict.fromkeys(("first_lat", "last_lat"), 38.6)
        for h in (0, 24 * 40)
    ]
    met = encounter(24 * 40, 24 * 40 + 1)
    publish(tmp_path, output(tmp_path, "a", {"vessels": seen, "encounters": [met]}))
    (row,) = rows(tmp_path, "SELECT * FROM long_absences")
    assert (row["start_time"], row["end_time"], row["ports"] > 3) == (at(1), at(960), True)
    (vessel,) = rows(tmp_path, "SELECT first_lon, last_lon FROM vessels")
    assert (vessel["first_lon"], vessel["last_lon"]) == (125.0, 125.96)
    shown = queries.silences(tmp_path, met, (at(960), at(961)), [])
    (line,) = facts_beside.long_absences(shown)
    assert (
        "241502000 was heard by nobody from 2023-08-01 01:00 to 2023-09-10 00:00 UTC (40 days), then 83 km off" in line
    )
