"""From intervals to encounters: interruptions, fixes, what was observed, silences beside them, the longest one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline.batch import HOUR, MINUTE
from stswatch.pipeline.rules import Rules
from tests.pipeline import seas

NOON = seas.NOON_US
PLAIN = seas.unthinned()
DAY = 24 * HOUR


def at(mmsi, minutes, north_m=0.0, sog_kn=0.0, lon=0.0):
    """Fixes at some minutes after noon, metres north of the equator."""
    time_us = NOON + np.rint(np.asarray(minutes) * MINUTE).astype(np.int64)
    return seas.fixes(mmsi, time_us, lon, np.asarray(north_m) / seas.NORTH_M, sog_kn)


def minutes_of(found):
    """Starts and ends in minutes after noon."""
    columns = (found[name].astype("datetime64[us, UTC]").astype("int64") for name in ("start_time", "end_time"))
    return [tuple(round((t - NOON) / MINUTE, 3) for t in row) for row in zip(*columns, strict=True)]


def met(*ships, rules=None, **how):
    return seas.encounters(pa.concat_tables(ships), rules, **how)


@pytest.mark.parametrize(("away", "events"), [(29, 1), (30, 1), (31, 2), (45, 2)])
@pytest.mark.parametrize("sliced", [False, True])
def test_interruptions_are_joined_up_to_half_an_hour(away, events, sliced):
    """Two hours beside each other, some minutes 900 m off, two hours again; the way off and back is instant."""
    beside = np.arange(0, 121)
    times = np.concatenate([beside, [120.001, 120 + away - 0.001], 120 + away + beside])
    north = np.concatenate([np.full(121, 100.0), [900.0, 900.0], np.full(121, 100.0)])
    ships = at(1, times, north), at(2, np.arange(0, 241 + away))
    cuts = [NOON + m * MINUTE for m in (60, 125, 150, 190)] if sliced else []
    found = met(*ships, cuts=cuts)
    ends = [(0, 120), (120 + away, 240 + away)] if events == 2 else [(0, 240 + away)]
    assert [tuple(np.rint(m).astype(int)) for m in minutes_of(found)] == ends
    assert found.within_min.sum() == pytest.approx(240, abs=0.01)
    assert found.median_distance_m.tolist() == pytest.approx([100] * events, abs=2.6)


@pytest.mark.parametrize(("minutes", "counts"), [(29.999, False), (30, True)])
def test_half_an_hour_counts(minutes, counts):
    assert len(met(at(1, [0, minutes]), at(2, [0, minutes], 100))) == counts


def test_fixes_within_the_distance_are_counted_once_each():
    """Half open intervals, one after the other: 13 fixes of a and 5 of b, from the first to the last."""
    ships = at(1, np.arange(13) * 10.0), at(2, np.arange(5) * 30.0, 100)
    for rules in (None, PLAIN):
        for cuts in ((), [NOON + 30 * MINUTE], [NOON + 40 * MINUTE], [NOON + m * MINUTE for m in range(7, 120, 7)]):
            (row,) = met(*ships, rules=rules, cuts=cuts).to_dict("records")
            assert (row["fixes_a"], row["fixes_b"]) == (13, 5)


def test_a_fix_at_the_very_end_counts_though_it_lies_inside_a_thinned_leg():
    """b speeds off at 50 min, when a, thinned, has a fix too; and b comes back."""
    a = at(1, np.arange(0, 241, 5.0))
    b = at(2, [0, 50, 60, 70, 80, 120, 200], 100, [0, 0, 40, 40, 0, 0, 0])
    for rules in (None, PLAIN):
        (row,) = met(a, b, rules=rules).to_dict("records")
        assert row["within_min"] == 170
        assert row["fixes_a"] == 11 + 25
        assert row["fixes_b"] == 2 + 3


def test_what_was_observed_is_within_ten_minutes_of_a_fix_of_both():
    """a each minute; b at 0, 15, 45 and 120 min: unseen from 25 to 35 and from 55 to 110, both thinned and not."""
    a, b = at(1, np.arange(0, 121)), at(2, [0, 15, 45, 120], 100)
    for rules in (None, PLAIN):
        (row,) = met(a, b, rules=rules).to_dict("records")
        assert row["observed_share"] == pytest.approx((120 - 10 - 55) / 120, abs=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_observed_share_is_that_of_every_second(seed):
    rng = np.random.default_rng(seed)
    times = [np.append(0, np.cumsum(rng.choice([2, 7, 19, 20, 21, 45, 90], 12))) for _ in "ab"]
    end = min(t[-1] for t in times)
    ships = [at(k, t, 100 * k + rng.normal(0, 3, 13)) for k, t in enumerate(times, 1)]
    seconds = np.arange(0, end * 60) / 60 + 1 / 120
    seen = [np.abs(seconds[:, None] - t).min(axis=1) <= 10 for t in times]
    (row,) = met(*ships).to_dict("records")
    assert row["duration_min"] == end
    assert row["observed_share"] == pytest.approx((seen[0] & seen[1]).mean(), abs=1e-3)


@pytest.mark.parametrize(("silent_from", "dark"), [(75, True), (90, True), (92, False), (150, False)])
@pytest.mark.parametrize("sliced", [False, True])
def test_a_silence_is_dark_when_it_begins_in_or_within_half_an_hour_of_the_meeting(silent_from, dark, sliced):
    """Within 500 m from 0 to 61.05 min; then b is off, is heard until some minute, and is silent for hours."""
    heard = np.unique(np.append(np.arange(0, 61, 5), [*range(65, silent_from, 5), silent_from]))
    north = np.where(heard <= 60, 100.0, 2000.0)
    back = silent_from + 300
    a, b = at(1, np.arange(0, 800, 5)), at(2, np.append(heard, [back, back + 5]), np.append(north, [2000.0, 2000.0]))
    cuts = [NOON + m * MINUTE for m in range(60, 800, 60)] if sliced else []
    (row,) = met(a, b, rules=PLAIN, cuts=cuts).to_dict("records")
    assert (row["gap_a"], row["gap_b"]) == (False, dark)
    assert not row["end_censored"]


@pytest.mark.parametrize(("back", "dark"), [(100, True), (60, True), (59, True), (29, True)])
def test_a_silence_that_ends_beside_a_meeting_is_dark_too(back, dark):
    """b comes back `back` minutes before the meeting of minute 100 begins, or in it."""
    heard = np.arange(100 - min(back, 30), 181, 5)
    north = np.where(heard < 100, 2000.0, 100.0)
    b = at(2, np.append([-400, -390], heard), np.append([2000.0, 2000.0], north))
    (row,) = met(at(1, np.arange(-400, 300, 5)), b, rules=PLAIN).to_dict("records")
    assert (row["gap_a"], row["gap_b"]) == (False, dark)


def test_a_silence_in_the_middle_of_a_meeting_parts_it_and_the_data_bounds_both():
    a, b = at(1, np.arange(-60, 541, 5)), at(2, [*range(0, 121, 5), *range(360, 481, 5)], 100)
    found = met(a, b)
    assert minutes_of(found) == [(0, 120), (360, 480)]
    assert found.start_censored.tolist() == [True, True]
    assert found.end_censored.tolist() == [True, True]
    # what lies open when the data ends is no silence
    assert found.gap_a.tolist() == [False, False]
    assert found.gap_b.tolist() == [True, True]


def test_the_end_of_the_data_ends_a_meeting_and_is_no_silence():
    (row,) = met(at(1, np.arange(0, 301, 5)), at(2, np.arange(0, 301, 5), 100)).to_dict("records")
    assert (row["start_censored"], row["end_censored"], row["gap_a"], row["gap_b"]) == (True, True, False, False)


def test_meetings_that_begin_and_end_by_distance_are_not_censored():
    north = np.concatenate([np.linspace(3000, 100, 30), np.full(60, 100.0), np.linspace(100, 3000, 30)])
    (row,) = met(at(1, np.arange(120), north), at(2, np.arange(120))).to_dict("records")
    assert (row["start_censored"], row["end_censored"]) == (False, False)


@pytest.mark.parametrize(
    ("begun", "slices_h", "shards"), [(0, (6, 31.7), 1), (700, (24, 31.7), 1), (800, (24, 31.7), 3), (800, (6,), 2)]
)
def test_an_encounter_is_cut_when_it_has_lasted_too_long(begun, slices_h, shards):
    """Eight days together with a cut at three UTC days: parts that touch, the same for slices of any length."""
    rules = replace(Rules(), encounter=replace(Rules().encounter, max_open_d=3.0))
    times = begun + np.arange(0, 8 * 1440 + 1, 10.0)
    table = pa.concat_tables([at(1, times), at(2, times + 4, 100)])
    whole = seas.encounters(table, rules)
    last = begun + 8 * 1440
    # the first legs that begin on the fourth and seventh day, at noon plus 2.5 and 5.5 days
    first = (3610, 7930) if begun < 720 else (3610 + 1440, 7930 + 1440)
    assert [m[0] for m in minutes_of(whole)][1:] == pytest.approx(first, abs=15)
    assert minutes_of(whole)[0][0] == begun + 4
    assert minutes_of(whole)[-1][1] == last
    assert (whole.end_time[:-1].to_numpy() == whole.start_time[1:].to_numpy()).all()
    for hours in slices_h:
        cut = seas.encounters(table, rules, cuts=seas.every(table, hours), shards=shards)
        assert cut.drop(columns=["reasons", "zones"]).equals(whole.drop(columns=["reasons", "zones"]))
