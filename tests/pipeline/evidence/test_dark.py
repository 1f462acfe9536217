"""Owns: what is stored of dark meetings is found again by a plain path, and a number that is another is named."""

from __future__ import annotations

import time
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import event, given, settings
from hypothesis import strategies as st

from stswatch.geo.coordinates.sphere import destination, wrap_lon
from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, concat, micros
from stswatch.pipeline.evidence.dark_basis import DarkBasis
from stswatch.pipeline.evidence.dark_findings import of_dark
from tests.pipeline.meetings import test_dark as dark

RULES = dark.RULES


def held_against(rows, gaps, waits, reporting, outages=None):
    """Findings of each row of the dark step, from the tables as they are published."""
    hours = np.unique(micros(reporting, "minute") // HOUR)
    basis = DarkBasis.of(gaps, waits, outages or schema.empty("outages"), hours, RULES)
    return [list(of_dark(row, basis)) for row in rows]


def wrong(found):
    """The columns that do not follow."""
    return {name for each in found if each.follows is False for name in each.what.split(", ")}


def sea(seed, n=40, turn=0.0, silent=()):
    """Silences of some weeks, a few of which fit waits, or each other: gaps, waits, hours heard, and what was found."""
    rng = np.random.default_rng(seed)
    traffic = dark.traffic(n, seed, judgement=rng.choice(["silenced", "silenced", "not_received"], n))
    near = [
        dark.guest(445_000_001 + k, 602.0 + 30 * k, 611.0 + 30 * k, km, **steered(rng, k))
        for k, km in enumerate(rng.uniform(5, 70, 3))
    ]
    pair = [dark.gaps([431_000_001 + k], [700.0 + k], [712.0 - k], *places(rng, 40_000)) for k in range(2)]
    gaps = dark.plain(traffic, *near, *pair)
    if turn:
        for name in ("lon0", "lon1"):
            gaps = gaps.set_column(
                gaps.column_names.index(name),
                gaps.schema.field(name),
                pa.array(wrap_lon(np.asarray(gaps[name]) + turn)),
            )
    waits = concat(
        [
            dark.wait(600.0 + 30 * k, 612.0 + 30 * k, 273_000_001 + k, float(wrap_lon(dark.LON + turn)), dark.LAT)
            for k in range(3)
        ],
        schema.LOITERING,
    )
    reporting = dark.heard(silent=silent)
    rows = dark.found(gaps, waits, reporting).to_pylist()
    return gaps, waits, reporting, rows


def steered(rng, k):
    """A course at speed, or perhaps none."""
    return (
        {f"cog{e}_deg": rng.uniform(0, 360, 1) for e in (0, 1)} | {f"sog{e}_kn": [9.0] for e in (0, 1)}
        if k
        else dark.steered(rng, 1)
    )


def places(rng, within_m):
    at = [destination(dark.LON + 0.6, dark.LAT, rng.uniform(0, 360), rng.uniform(0, within_m)) for _ in range(2)]
    return [[np.atleast_1d(axis) for axis in place] for place in at]


@settings(max_examples=6, deadline=None)
@given(
    st.integers(0, 1 << 30),
    st.sampled_from([0.0, 0.0, -160.0, 57.0]),
    st.sampled_from([(), range(780), range(640, 760)]),
)
def test_what_the_step_gives_is_found_again(seed, turn, silent):
    gaps, waits, reporting, rows = sea(seed, turn=turn, silent=silent)
    assert {row["kind"] for row in rows} == {"one_dark", "both_dark"}
    for row, found in zip(rows, held_against(rows, gaps, waits, reporting), strict=True):
        event(f"{row['kind']}, by sea {row['over_water']}, chance {row['chance_by_accident'] is not None}")
        assert [each for each in found if each.follows is not True] == []
        assert set(schema.DARK_MEETINGS.names) <= {name for each in found for name in each.what.split(", ")}


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1 << 30), st.sampled_from([0.0, 10.0]))
def test_where_metres_decide_whether_a_course_counts_either_is_true(seed, drift_km):
    """Silences of many days that begin and end where a course begins to count, to a millionth of a metre."""
    rng = np.random.default_rng(seed)
    edge_km = max(drift_km / 2, RULES.dark.course_km)
    near = []
    for k in range(12):
        ends = [
            dark.EARTH.fwd(dark.LON, dark.LAT, turn, 1000 * edge_km + rng.uniform(-1e-6, 1e-6))[:2]
            for turn in (40, 220)
        ]
        steering = {
            "cog0_deg": [220.0 + rng.uniform(-0.1, 0.1)],
            "cog1_deg": [220.0],
            "sog0_kn": [2.0],
            "sog1_kn": [2.0],
        }
        at_h, places = 602.0 - 24 * k, [[np.atleast_1d(axis) for axis in end] for end in ends]
        near.append(dark.gaps([445_000_001 + k], [at_h], [at_h + 8], *places, **steering))
    gaps, waits = dark.plain(dark.traffic(30, seed), *near), dark.wait(drift_km=drift_km)
    rows = [row for row in dark.found(gaps, waits).to_pylist() if row["kind"] == "one_dark"]
    assert rows
    for found in held_against(rows, gaps, waits, dark.heard()):
        assert [each for each in found if each.follows is not True] == []


def altered(row, name):
    """Another value of a column; None where it has none."""
    value = row[name]
    if name == "over_water":
        return {None: False, True: False, False: None}[value]
    if name == "kind":
        return "both_dark" if value == "one_dark" else "one_dark"
    if name == "region" and value:
        region = shapely.from_wkb(value)
        east = (region.bounds[2] - region.bounds[0]) * (0.15 if row["over_water"] else 0.05)
        return shapely.to_wkb(shapely.transform(region, lambda corners: corners + np.array([east, 0])))
    if name in OFF and value is not None:
        return value + OFF[name]
    kinds = {bool: lambda: not value, int: lambda: value + 1, str: lambda: f"{value}x", list: lambda: [*value, "x"]}
    return kinds[type(value)]() if type(value) in kinds else value and value + timedelta(seconds=40)


OFF = {"stay_h": 0.01, "spare_h": -0.01, "least_speed_kn": 0.25, "lon": 0.02, "lat": -0.02, "region_km2": 600.0}
OFF |= {"stay_water_h": 0.01, "distance_to_port_km": 0.05, "outage_share": 0.001, "score": 0.02}
OFF |= {"expected_by_accident": 0.02, "nearer_by_accident": -0.004, "chance_by_accident": 0.002, "rivals": 3}
OFF |= {"course_off_before_deg": 0.2, "course_off_after_deg": -0.2}


@pytest.fixture(scope="module")
def known():
    return sea(7, 150)


@pytest.mark.parametrize("name", schema.DARK_MEETINGS.names)
def test_a_number_that_is_another_is_named(name, known):
    gaps, waits, reporting, rows = known
    seen = {}
    for row in rows:
        if altered(row, name) is not None:
            seen.setdefault((row["kind"], row["over_water"]), []).append({**row, name: altered(row, name)})
    some = [row for of in seen.values() for row in of[:4]]
    assert len(some) >= 2
    for row, found in zip(some, held_against(some, gaps, waits, reporting), strict=True):
        assert name in wrong(found), (row["id"], row["kind"], row["over_water"], row[name])


def test_another_silence_or_another_wait_is_named(known):
    """What is stored follows from the silences that there are: one more, or one judged otherwise, shows."""
    gaps, waits, reporting, rows = known
    (one,) = [row for row in rows if row["kind"] == "one_dark" and row["mmsi_a"] == 273_000_001]
    nearer = dark.guest(445_999_999, 601.0, 611.5, 1.0)
    found = held_against([one], dark.plain(gaps, nearer), waits, reporting)[0]
    assert {"rivals", "nearest"} <= wrong(found)
    assert "lost_together" in wrong(held_against([one], dark.plain(gaps, dark.guest(445_999_998)), waits, reporting)[0])
    assert wrong(held_against([one], gaps, waits, dark.heard(silent=range(200, 400)))[0]) >= {"shifts"}
    assert wrong(held_against([one], gaps, waits.slice(1), reporting)[0]) >= {"mmsi_a", "start_time"}


def test_it_is_quick(known):
    """200 rows a second on a quiet machine; those by sea, which are few, cost some tens of milliseconds each."""
    gaps, waits, reporting, rows = known
    straight = [row for row in rows if row["over_water"] is None]
    held_against(straight[:1], gaps, waits, reporting)
    begun = time.process_time()
    held_against(straight, gaps, waits, reporting)
    assert len(straight) / (time.process_time() - begun) > 40
