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
from stswatch.pipeline.store import across_vessels, queries, views
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


def scattered(seed, absent, waiting):
    """Absences of 7 to 40 days and waits of hours, all over a sea in two months, as rows."""
    rng = np.random.default_rng(seed)

    def of(kind, n, **columns):
        plain = {f.name: [[]] * n if pa.types.is_list(f.type) else [None] * n for f in kind}
        return pa.table(plain | {name: list(values) for name, values in columns.items()}, schema=kind)

    long_d, from_d = rng.uniform(7, 40, absent), rng.uniform(0, 60, absent)
    ends = {f"{axis}{k}": at for k in (0, 1) for axis, at in zip(("lon", "lat"), places(rng, absent), strict=True)}
    span = {"start_time": [at(24 * d) for d in from_d], "end_time": [at(24 * d) for d in from_d + long_d]}
    away = of(schema.STORED["long_absences"], absent, mmsi=ONE + np.arange(absent), days=long_d, **span, **ends)
    from_h, long_h = rng.uniform(0, 24 * 90, waiting), rng.uniform(1, 20, waiting)
    lon, lat = places(rng, waiting)
    span = {"start_time": [at(h) for h in from_h], "end_time": [at(h) for h in from_h + long_h]}
    drift_km, mmsi = rng.uniform(0, 9, waiting), ONE + rng.integers(0, 2 * absent, waiting)
    waits = of(schema.STORED["loitering"], waiting, mmsi=mmsi, lon=lon, lat=lat, drift_km=drift_km, **span)
    return away, waits


def places(rng, n):
    return rng.uniform(100, 140, n), rng.uniform(10, 45, n)


def fitting(away, waits, rules):
    """The oracle: of each pair with time for it the number of both, the stay, and how far they are."""
    kmh, own, found = rules.stays.dark_speed_kn * 1.852, rules.dark, []
    for i, a in enumerate(away.to_pylist()):
        for j, w in enumerate(waits.to_pylist()):
            if a["days"] > own.absence_d or a["mmsi"] == w["mmsi"]:
                continue
            km = [
                haversine_m(a[f"lon{k}"], a[f"lat{k}"], w["lon"], w["lat"]) / 1000 - w["drift_km"] / 2 for k in (0, 1)
            ]
            come_h, go_h = (max(float(each), 0.0) / kmh for each in km)
            ahead = [(w[name] - a[name]).total_seconds() / 3600 for name in ("start_time", "end_time")]
            long_h = (w["end_time"] - w["start_time"]).total_seconds() / 3600
            stay_h = min(long_h, long_h - ahead[1] - go_h) - max(0.0, come_h - ahead[0])
            if stay_h >= own.stay_h:
                logs = [np.log1p(h * kmh / own.near_km) for h in (come_h, go_h)]
                found.append((i, j, stay_h, sum(logs) + sum(np.log1p(abs(h) / own.near_h) for h in ahead)))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_of_each_absence_the_nearest_wait_that_it_left_time_for_is_a_candidate(seed):
    rules, (away, waits) = Rules(), scattered(seed, 25, 60)
    found = fitting(away, waits, rules)
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        db.register("long_absences", away)
        db.register("loitering", waits)
        query = views.dark_absence_query(rules)
        rows = db.sql(query).to_arrow_table().to_pylist()
        assert db.sql(query).columns == views.dark_absence_schema().names
    assert len(rows) == len({i for i, *_ in found}) > 5
    for row in rows:
        own = [pair for pair in found if away["mmsi"][pair[0]].as_py() == row["mmsi_b"]]
        i, j, stay_h, far = min(own, key=lambda pair: pair[3])
        assert (row["mmsi_a"], row["waits"]) == (waits["mmsi"][j].as_py(), len(own))
        assert row["stay_h"] == pytest.approx(stay_h, abs=0.01)
        others = [pair for pair in found if pair[1] == j and pair[0] != i]
        assert (row["rivals"], row["as_near"]) == (len(others), sum(pair[3] < far for pair in others))
        assert row["chance_by_accident"] > 10 * rules.dark.lead_chance
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
