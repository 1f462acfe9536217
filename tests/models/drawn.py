"""Meetings for tests of the judgement: as hypothesis draws them, and one of the plain sort."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import strategies as st

from stswatch.geo.reference.zones import zones
from stswatch.pipeline.store.encounter_context import beside_schema


def maybe(strategy):
    return st.none() | strategy


def around(field):
    """Values of a column of what lies round a meeting."""
    if pa.types.is_boolean(field.type):
        return st.booleans()
    if pa.types.is_string(field.type):
        return st.just("x")
    return st.floats(0, 1) if field.name.startswith("off_") else st.integers(0, 60).map(float)


KINDS = {
    "duration_min": st.floats(0, 50_000),
    "within_min": st.floats(0, 50_000),
    "median_distance_m": maybe(st.floats(0, 500)),
    "cpa_distance_m": maybe(st.floats(0, 500)),
    "median_speed_a_kn": maybe(st.floats(0, 5)),
    "median_speed_b_kn": maybe(st.floats(0, 5)),
    "relative_speed_kn": maybe(st.floats(0, 10)),
    "drift_km": maybe(st.floats(0, 60)),
    "heading_difference_deg": maybe(st.floats(0, 90)),
    "zones": st.lists(st.sampled_from(zones().ids), max_size=4, unique=True),
    "distance_to_port_km": maybe(st.floats(0, 2000)),
    "distance_to_shore_km": maybe(st.floats(0, 2000)),
    "gap_a": st.booleans(),
    "gap_b": st.booleans(),
    "observed_share": st.floats(0, 1),
    "possibly_one_hull": st.booleans(),
    "ship_type_a": maybe(st.integers(0, 99)),
    "ship_type_b": maybe(st.integers(0, 99)),
    "length_a_m": maybe(st.floats(1, 400, width=32)),
    "length_b_m": maybe(st.floats(1, 400, width=32)),
}
USED = tuple(KINDS)  # by what needs the meeting alone
KINDS |= {field.name: maybe(around(field)) for field in beside_schema()}
MEETING = st.fixed_dictionaries(KINDS)
MEETINGS = st.lists(MEETING, min_size=1, max_size=8)
PLAIN = {
    "duration_min": 90.0,
    "within_min": 90.0,
    "median_distance_m": 150.0,
    "cpa_distance_m": 120.0,
    "median_speed_a_kn": 1.0,
    "median_speed_b_kn": 1.0,
    "relative_speed_kn": 0.2,
    "drift_km": 1.4,
    "heading_difference_deg": 5.0,
    "zones": [],
    "possibly_one_hull": False,
    "distance_to_port_km": 60.0,
    "distance_to_shore_km": 40.0,
    "gap_a": False,
    "gap_b": False,
    "observed_share": 1.0,
    "ship_type_a": 80,
    "ship_type_b": 52,
    "length_a_m": 150.0,
    "length_b_m": 30.0,
}


def columns(rows, **further):
    """The rows as the columns that the features use."""
    return {name: [row.get(name) for row in rows] for name in KINDS} | further


def meeting(**given):
    """One meeting of the plain sort, with some of its columns changed."""
    return columns([PLAIN | given])


AROUND = [name.removesuffix("a") + "{}" for name in beside_schema().names if name.endswith("_a")]
OF_VESSELS = ("median_speed_{}_kn", "gap_{}", "ship_type_{}", "length_{}_m", *AROUND)


def swapped(given):
    """The same columns with the vessels in each other's place."""
    change = {name.format(v): given[name.format(w)] for name in OF_VESSELS for v, w in ("ab", "ba")}
    return given | change
