"""Which pairs of legs are near, against every pair tried by brute force; each once, whatever shards and batches."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod, Transformer

from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, MINUTE, SECOND, build
from stswatch.pipeline.meetings import candidates, proximity
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import STEPS, InMemory
from tests.pipeline import seas

EARTH = Geod(ellps="WGS84")
TO_XYZ = Transformer.from_crs(4979, 4978, always_xy=True)
PROXIMITY = tuple(step for step in STEPS if step.name == "proximity")
RULES = Rules()
STEP_S = 2.0
SLACK_M = 1.5
# on the date line, on a corner of coarse cells, at high latitude, where columns of cells change
PLACES = [(180.0, 0.0), (-179.998, 51.999), (10.0, 60.0), (20.0, 78.5), (-70.25, -45.5), (0.001, 0.499)]


def some_legs(seed, n, place, spread_m=3000.0):
    """Legs of different vessels about a place, from standing still to 7 km, within six hours; sorted by their end."""
    rng = np.random.default_rng(seed)
    longest_m = 7000.0 / max(1.0, np.tan(np.radians(abs(place[1]))))
    lon0, lat0, _ = EARTH.fwd(
        np.full(n, place[0]), np.full(n, place[1]), rng.uniform(0, 360, n), spread_m * np.sqrt(rng.random(n))
    )
    length_m = longest_m * rng.random(n) ** 2 * (rng.random(n) > 0.2)
    lon1, lat1, _ = EARTH.fwd(lon0, lat0, rng.uniform(0, 360, n), length_m)
    start = seas.NOON_US + rng.integers(0, 6 * 3600_000, n) * 1000
    # some start at the same moment, and some where others end
    start[: n // 4] = start[0] + rng.integers(0, 6, n // 4) * HOUR
    end = start + np.where(rng.random(n) < 0.3, HOUR, rng.integers(60_000, 7_200_000, n) * 1000)
    order = np.argsort(end, kind="stable")
    lon0 = (lon0 + 180) % 360 - 180
    lon1 = lon0 + (lon1 - lon0 + 180) % 360 - 180
    columns = {
        "start": start,
        "end": end,
        "lon0": np.round(lon0, 7),
        "lat0": np.round(lat0, 7),
        "lon1": np.round(lon1, 7),
        "lat1": np.round(lat1, 7),
        "fix_start": start,
        "fix_end": end,
        "speed_dkn": np.full(n, 30),
        "speed_sent": np.full(n, True),
        "rounding_m": np.zeros(n),
        "fresh": np.zeros(n, bool),
        "heading_deg": np.full(n, -1),
        "inner": pa.array([[]] * n, pa.list_(pa.int32())),
        "mmsi": 100 + rng.permutation(n),
        "track_start": np.full(n, seas.NOON_US - HOUR),
    }
    return build("legs", columns).take(pa.array(order))


def by_brute_force(legs):
    """Of each pair of legs that overlap in time: times and distances every 2 s, on the chords between their ends."""
    ends = [
        np.column_stack(TO_XYZ.transform(legs[f"lon{k}"].to_numpy(), legs[f"lat{k}"].to_numpy(), np.zeros(len(legs))))
        for k in (0, 1)
    ]
    mmsi, start, end = legs["mmsi"].to_numpy(), *(seas.micros_of(legs, c) / SECOND for c in ("start", "end"))
    for i in range(len(legs)):
        for j in range(i + 1, len(legs)):
            low, high = max(start[i], start[j]), min(end[i], end[j])
            if low >= high:
                continue
            time = np.append(np.arange(low, high, STEP_S), high)
            at = [
                ends[0][k] + ((time - start[k]) / (end[k] - start[k]))[:, None] * (ends[1][k] - ends[0][k])
                for k in (i, j)
            ]
            pair = tuple(sorted((int(mmsi[i]), int(mmsi[j]))))
            yield pair, time, np.linalg.norm(at[0] - at[1], axis=1)


def meetings(legs, shards=1, parts=1):
    """All proximities of some legs, handed over in parts as they are complete."""
    engine, given = InMemory(shards=shards, steps=PROXIMITY), []
    end = seas.micros_of(legs, "end")
    cuts = np.linspace(end.min(), end.max() + 1, parts + 1).astype(np.int64)
    for low, high in pairwise(cuts):
        part = legs.filter(pa.array((end >= low) & (end < high)))
        rows = engine.slice({"legs": part}, int(high), high == cuts[-1]).get("proximities", schema.empty("proximities"))
        given.append(rows)
    return seas.in_order(pa.concat_tables(given), ("mmsi_a", "mmsi_b", "start"))


@pytest.mark.parametrize("place", PLACES)
def test_all_pairs_that_brute_force_finds_and_no_other(place):
    legs = some_legs(1, 130, place)
    found = {(row["mmsi_a"], row["mmsi_b"]): row for row in meetings(legs).to_pylist()}
    near = clear = 0
    for pair, time, distance_m in by_brute_force(legs):
        row = found.pop(pair, None)
        if distance_m.min() < 500 - SLACK_M:
            near += 1
            assert row is not None, pair
        if row is None:
            continue
        assert distance_m.min() < 500 + SLACK_M, pair
        clear += 1
        inside = (time >= row["start"].timestamp()) & (time <= row["end"].timestamp())
        assert (distance_m[inside] <= 500 + SLACK_M).all(), pair
        assert (distance_m[~inside] >= 500 - SLACK_M).all(), pair
        assert row["nearest_cm"] / 100 <= distance_m.min() + SLACK_M
    assert found == {}
    assert near >= 50
    assert clear >= near


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from(PLACES),
    st.sampled_from([(7, 1), (24, 1), (1, 9), (7, 4), (3, 60)]),
    st.sampled_from([3000.0, 30_000.0]),
)
def test_each_pair_once_whatever_the_shards_and_the_batches(seed, place, how, spread_m):
    legs = some_legs(seed, 400, place, spread_m)
    whole, cut = meetings(legs), meetings(legs, *how)
    pairs = list(zip(cut["mmsi_a"].to_pylist(), cut["mmsi_b"].to_pylist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert whole.num_rows >= (100 if spread_m == 3000.0 else 0)
    seas.assert_same({"p": whole}, {"p": cut})


def test_legs_of_one_track_never_meet_but_those_of_two_tracks_of_one_mmsi_do():
    legs = some_legs(3, 60, (0.0, 0.0), 300.0)
    one = legs.set_column(0, schema.LEGS.field("mmsi"), pa.array([7] * 60, pa.int32()))
    assert meetings(one).num_rows == 0
    started = pa.array(seas.NOON_US + np.arange(60) % 2 * MINUTE).cast(schema.UTC)
    two = meetings(one.set_column(1, schema.LEGS.field("track_start"), started))
    assert two.num_rows > 0
    assert (seas.micros_of(two, "track_a") < seas.micros_of(two, "track_b")).all()


def test_what_is_kept_reaches_back_as_far_as_a_leg_can():
    """A leg of six hours meets one that ended just after it began; legs that no later one can meet are let go."""
    day = seas.NOON_US
    legs = some_legs(3, 3, (0.0, 0.0), 1.0)
    place = {name: np.zeros(3) for name in ("lon0", "lat0", "lon1", "lat1")}
    start, end = day + np.array([-40, 1, 0]) * MINUTE, day + np.array([-20, 10, 360]) * MINUTE
    columns = {f.name: legs[f.name] for f in schema.LEGS} | place | {"start": start, "end": end}
    columns |= {"fix_start": start, "fix_end": end}
    legs = build("legs", columns)
    engine = InMemory(steps=PROXIMITY)
    engine.slice({"legs": legs.slice(0, 2)}, day + 30 * MINUTE)
    for k in range(1, 13):
        engine.slice({}, day + k * 30 * MINUTE)
    kept = engine._states["proximity", 0]["legs"]
    assert seas.micros_of(kept, "end").tolist() == [day - 20 * MINUTE, day + 10 * MINUTE]
    given = engine.slice({"legs": legs.slice(2)}, day + 390 * MINUTE)["proximities"]
    assert [(row["start"].timestamp() - day / SECOND) / 60 for row in given.to_pylist()] == [1]
    engine.slice({}, day + 410 * MINUTE)
    assert engine._states["proximity", 0]["legs"].num_rows == 1


@pytest.mark.parametrize(
    ("count", "found", "sorted_", "worked_on"),
    [(300, 97, 1, 1000), (300, 97, 500, 64), (300, 400, 300, 9), (60, 40, 30, 1)],
)
def test_a_million_pairs_at_a_time_are_all_pairs(monkeypatch, count, found, sorted_, worked_on):
    """A crowd is taken in parts; with small parts the result is the same."""
    legs = some_legs(5, count, (10.0, 60.0), 500.0)
    whole = meetings(legs)
    monkeypatch.setattr(candidates, "_PAIRS_AT_ONCE", found)
    monkeypatch.setattr(proximity, "_PAIRS_AT_ONCE", sorted_)
    monkeypatch.setattr(proximity, "_PAIRS_IN_CACHE", worked_on)
    assert whole.num_rows > 1000 * (count / 300) ** 2
    seas.assert_same({"p": whole}, {"p": meetings(legs)})
