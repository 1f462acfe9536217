"""Owns: each feature is symmetric, reads only what was measured, says its value; its cuts and its kind are sound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stswatch.geo.reference.zones import zones
from stswatch.models.feature import values
from stswatch.models.features import (
    FEATURES,
    GUARDS,
    IN_CONTEXT,
    IN_REPORTED,
    NEAR_PORT_KM,
    NEAR_SHORE_KM,
    NO_ZONE,
    PLACE,
)
from stswatch.models.scorecard import NAMES, chosen
from stswatch.pipeline import schema
from tests.models.drawn import MEETINGS, USED, columns, meeting, swapped

by_name = pytest.mark.parametrize("feature", FEATURES, ids=[f.name for f in FEATURES])
SAYS = {  # feature -> a value and what its sentence must hold
    "duration_h": (11.7, "11.7 h"),
    "median_distance_m": (62, "62 m"),
    "speed_kn": (1.3, "1.3 kn"),
    "zone": (2, "in a reported transfer area"),
    "distance_to_port_km": (80.5, "80.5 km"),
    "dark_beside": (1, "1 of 2 vessels silenced"),
    "observed_share": (0.85, "share of 0.85"),
    "speed_difference_kn": (0.4, "0.4 kn"),
    "relative_speed_kn": (0.12, "0.12 kn"),
    "drift_km": (3.46, "3.5 km"),
    "heading_difference_deg": (7, "7 deg"),
    "distance_spread_m": (35, "35 m"),
    "within_share": (0.97, "share of 0.97"),
    "distance_to_shore_km": (31.2, "31.2 km"),
    "cargo_carriers": (1, "1 of 2 vessels"),
    "shorter_length_m": (24, "24 m"),
}


def of(name, **given):
    """One feature of one meeting."""
    return float(values(meeting(**given), FEATURES)[0, [f.name for f in FEATURES].index(name)])


@by_name
@given(rows=MEETINGS)
def test_swapping_the_vessels_changes_no_feature(feature, rows):
    given_columns = columns(rows)
    assert feature.function(given_columns).tobytes() == feature.function(swapped(given_columns)).tobytes()


@given(MEETINGS)
def test_values_are_the_columns_of_the_table(rows):
    found = values(columns(rows), FEATURES)
    assert found.shape == (len(rows), len(FEATURES))
    for i, feature in enumerate(FEATURES):
        np.testing.assert_array_equal(found[:, i], feature.function(columns(rows)))
    assert not np.isinf(found).any()


def test_features_read_what_was_measured_and_nothing_else():
    """Every column asked for is one of those measured; the guard cannot pass on nothing."""
    asked = set()

    class Recorded(dict):
        def __getitem__(self, name):
            asked.add(name)
            return super().__getitem__(name)

    values(Recorded(meeting()), (*FEATURES, *GUARDS))
    assert asked == set(USED)
    assert set(USED) <= set(schema.ENCOUNTERS.names)


@by_name
def test_its_sentence_has_value_and_unit(feature):
    """Each sentence says the number and its unit, or the word that a code stands for."""
    value, words = SAYS[feature.name]
    assert words in feature.text(value)
    assert feature.unit in feature.text(value)
    assert feature.text(np.nan).endswith(": no points for or against")
    assert feature.function.__doc__


@by_name
def test_its_sentence_says_whether_it_speaks_for_or_against(feature):
    """What an analyst reads follows the sign of the points, in words of the domain."""
    value, _ = SAYS[feature.name]
    ways = [feature.text(value, points) for points in (1.0, -1.0, 0.0)]
    assert ways[0] == f"{ways[2]}: {feature.supports}"
    assert ways[1] == f"{ways[2]}: {feature.opposes}"
    assert len(feature.supports) > 8
    assert len(feature.opposes) > 8
    assert feature.supports in feature.reason
    assert feature.opposes in feature.reason
    assert not {"learned", "trained", "simulated"} & set(" ".join((*ways, feature.reason)).split())


@by_name
def test_its_cuts_ascend_and_its_direction_is_one(feature):
    assert len(feature.cuts) >= 1
    assert (np.diff(feature.cuts) > 0).all()
    assert feature.monotone in (-1, 0, 1)


def test_no_trained_card_can_part_a_zone_that_is_context_from_none():
    (zone,) = (f for f in FEATURES if f.name == "zone")
    level = {k: int(np.searchsorted(zone.cuts, k, side="right")) for k in (NO_ZONE, IN_CONTEXT, IN_REPORTED)}
    assert level[NO_ZONE] == level[IN_CONTEXT] < level[IN_REPORTED]


def test_where_and_what_are_told_apart():
    """The features of place are those, and only those, that change with the place alone."""
    there = {"zones": ["chodo"], "distance_to_port_km": 3.0, "distance_to_shore_km": 1.0}
    moved = values(meeting(**there), FEATURES) != values(meeting(), FEATURES)
    assert tuple(f.name for f, changed in zip(FEATURES, moved[0], strict=True) if changed) == PLACE
    assert zones().ids


REMOTENESS = ("distance_to_port_km", "distance_to_shore_km")
KM = st.one_of(st.floats(0, 30), st.floats(0, 400), st.none())


@pytest.mark.parametrize("card", NAMES)
@given(KM, KM)
@example(1.9, 300.0)
@example(0.0, None)
@example(None, 0.0)
@example(30.0, 9.9)
def test_near_a_port_or_the_shore_no_card_gives_points_for_remoteness(card, shore_km, port_km):
    """At a quay the shore is within its own error, which is nearer still; what is not known may be so near."""
    points = points_of(card, distance_to_shore_km=shore_km, distance_to_port_km=port_km)
    near = (shore_km or 0) <= NEAR_SHORE_KM or (port_km or 0) <= NEAR_PORT_KM
    given_for_place = [points.get(name, 0.0) for name in REMOTENESS]
    if near:
        assert max(given_for_place) <= 0
    assert {f.name for f in FEATURES if f.place} == {*REMOTENESS, "zone"}


@pytest.mark.parametrize("card", NAMES)
def test_far_out_a_card_may_give_points_for_remoteness(card):
    points = points_of(card, distance_to_shore_km=120.0, distance_to_port_km=150.0)
    assert sum(points.get(name, 0.0) for name in REMOTENESS) > 0


@pytest.mark.parametrize("card", NAMES)
@pytest.mark.parametrize(("gap_a", "gap_b"), [(True, False), (False, True), (True, True)])
def test_a_silence_gives_no_points_by_any_card_until_it_is_judged(card, gap_a, gap_b):
    """The columns say that a gap lies beside the meeting, whatever left it behind; none says how it was judged."""
    silent, none = (points_of(card, gap_a=a, gap_b=b) for a, b in ((gap_a, gap_b), (False, False)))
    assert silent == none
    assert silent.get("dark_beside", 0.0) == 0


def points_of(card, **changed):
    """The points of one meeting by feature."""
    judge = chosen(card).of_meeting
    _, points = judge.score(meeting(**changed))
    return dict(zip(judge.parts, points[0].tolist(), strict=True))


def test_what_each_says_of_one_meeting():
    assert of("duration_h", duration_min=90) == 1.5
    assert of("speed_kn", median_speed_a_kn=0.5, median_speed_b_kn=2.5) == 2.5
    assert of("speed_difference_kn", median_speed_a_kn=0.5, median_speed_b_kn=2.5) == 2.0
    assert of("distance_spread_m", median_distance_m=150, cpa_distance_m=120) == 30
    assert of("distance_spread_m", median_distance_m=100, cpa_distance_m=101) == 0  # medians are rounded
    assert of("within_share", duration_min=100, within_min=80) == 0.8
    assert of("dark_beside", gap_a=False, gap_b=False) == 0
    assert [of("cargo_carriers", ship_type_a=a, ship_type_b=80) for a in (69, 70, 89, 90)] == [1, 2, 2, 1]
    assert of("shorter_length_m", length_a_m=18.0, length_b_m=300.0) == 18


def test_what_is_not_known_of_one_meeting_is_not_known_of_its_features():
    assert np.isnan(of("speed_difference_kn", median_speed_a_kn=None))
    assert np.isnan(of("distance_spread_m", cpa_distance_m=None))
    assert np.isnan(of("within_share", duration_min=0))
    assert np.isnan(of("cargo_carriers", ship_type_a=None, ship_type_b=80))
    assert of("cargo_carriers", ship_type_a=None, ship_type_b=52) == 0  # whatever the other is, not both carry
    assert all(np.isnan(of("dark_beside", gap_a=a, gap_b=b)) for a, b in ((True, False), (False, True), (True, True)))
    assert np.isnan(of("shorter_length_m", length_b_m=None))
    assert np.isnan(of("distance_to_shore_km", distance_to_shore_km=None))
    assert of("speed_kn", median_speed_a_kn=None, median_speed_b_kn=2.5) == 2.5
