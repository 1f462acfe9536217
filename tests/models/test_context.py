"""Owns: features of what lies round a meeting: symmetric, unknown where data do not reach or nothing is judged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.models.context import CONTEXT
from stswatch.models.feature import values
from stswatch.models.features import FEATURES
from stswatch.pipeline.store import encounter_context

ALL = encounter_context.beside_schema().names
NAMES = [name.removesuffix("_a") for name in ALL if name.endswith("_a")]
WORDS = ("last_port", "next_port", "bound_for")
# As far as the windows reach on both sides, and nothing of it happened.
QUIET = {"known_before_d": 30.0, "known_after_d": 10.0} | dict.fromkeys(
    [name for name in NAMES if name.startswith(("off_", "dark_", "loitered_", "meetings_"))]
    + ["partners_before", "same_before", "identity_events", "track_checks"],
    0.0,
)


def round_it(**changed):
    """What lies round one meeting: nothing of it where it is not given, for both vessels or for NAME_a, NAME_b."""
    both = {f"{name}_{v}": [QUIET.get(name)] for name in NAMES for v in "ab"}
    for name, value in changed.items():
        assert name in NAMES or name in both
        for column in [name] if name in both else [f"{name}_{v}" for v in "ab"]:
            both[column] = [value]
    return both


def of(name, **changed):
    return float(values(round_it(**changed), CONTEXT)[0, [f.name for f in CONTEXT].index(name)])


@given(st.fixed_dictionaries({name: st.none() | st.sampled_from([0.0, 0.3, 1.0, 5.0, 40.0]) for name in ALL}))
def test_which_vessel_is_which_does_not_matter(drawn):
    columns = {name: [value] for name, value in drawn.items()}
    swapped = {f"{name}_{v}": columns[f"{name}_{w}"] for name in NAMES for v, w in ("ab", "ba")}
    np.testing.assert_array_equal(values(columns, CONTEXT), values(swapped, CONTEXT))


def test_where_nothing_is_known_nothing_is_said():
    known = values({name: [None] for name in ALL}, CONTEXT)
    assert np.isnan(known).all()


@pytest.mark.parametrize(
    ("name", "window"),
    [
        ("silenced_before", {"known_before_d_b": 0.9}),
        ("silenced_after", {"known_after_d_b": 0.9}),
        ("loitered_before_h", {"known_before_d_a": 1.9}),
        ("loitered_after_h", {"known_after_d": None}),
        ("partners_before", {"known_before_d_b": 29.0}),
        ("met_before", {"known_before_d": 29.0}),
    ],
)
def test_a_window_that_the_data_do_not_cover_tells_nothing(name, window):
    assert of(name) == 0
    assert np.isnan(of(name, **window))


@pytest.mark.parametrize("side", ["before", "inside", "after"])
def test_a_silence_that_is_not_judged_is_unknown_and_one_that_is_counts_by_its_chance(side):
    assert of(f"silenced_{side}") == 0
    assert np.isnan(of(f"silenced_{side}", **{f"off_{side}_a": None}))
    assert of(f"silenced_{side}", **{f"off_{side}_a": None, f"off_{side}_b": 0.75}) == 0.75
    assert of(f"silenced_{side}", **{f"off_{side}_a": 0.5, f"off_{side}_b": 0.75}) == 0.75


def test_what_each_says_of_one_meeting():
    assert of("loitered_before_h", loitered_before_h_a=3.0, loitered_before_h_b=12.0) == 12
    assert of("since_call_h", since_call_h_a=5.0, since_call_h_b=90.0) == 5
    assert np.isnan(of("since_call_h", since_call_h_a=5.0))
    assert of("to_call_h", to_call_h_a=50.0, to_call_h_b=9.0) == 9
    assert of("dark_call_h", dark_call_before_h_a=8.0, dark_call_after_h_b=30.0) == 30
    assert of("trade_calls", last_port_trade_a=False, next_port_trade_a=True, last_port_trade_b=False) == 1
    assert np.isnan(of("trade_calls", last_port_trade_a=True))
    assert of("partners_before", partners_before_a=1.0, partners_before_b=4.0) == 4
    assert of("met_before", same_before=2.0) == 2
    assert of("draught_exchanged_m", draught_change_m_a=1.5, draught_change_m_b=-0.75) == 0.75
    assert of("draught_exchanged_m", draught_change_m_a=1.5, draught_change_m_b=0.75) == 0
    assert np.isnan(of("draught_exchanged_m", draught_change_m_a=1.5))
    assert of("doubts", identity_events_a=1.0, track_checks_a=1.0, track_checks_b=1.0) == 2


def test_names_are_told_apart_and_each_says_something_for_and_against():
    assert len({f.name for f in (*FEATURES, *CONTEXT)}) == len(FEATURES) + len(CONTEXT)
    for feature in CONTEXT:
        assert feature.supports
        assert feature.opposes
        assert list(feature.cuts) == sorted(set(feature.cuts))
        assert "{value" in feature.sentence


def test_none_of_them_reads_who_met_or_where():
    """Columns with words, of ports and destinations, are read by none of them."""
    words = {f"{name}_{v}": ["x"] for name in WORDS for v in "ab"}
    np.testing.assert_array_equal(values(round_it() | words, CONTEXT), values(round_it(), CONTEXT))
