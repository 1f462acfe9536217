"""Silences: when a gap is told, how it ends, and the edges that go with it."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline.batch import HOUR, MINUTE
from tests.pipeline import seas

DAY = 24 * HOUR
NOON = seas.NOON_US


def at(minutes, mmsi=1, **how):
    """Fixes of a vessel that lies still, at some minutes after noon."""
    return seas.fixes(mmsi, NOON + np.rint(np.asarray(minutes) * MINUTE).astype(np.int64), 0.0, 0.0, 0.0, **how)


def edges_of(given):
    rows = seas.in_order(given["edges"], ("mmsi", "track_start", "time", "side")).to_pylist()
    return [(e["mmsi"], (e["time"].timestamp() * 1e6 - NOON) / MINUTE, e["side"]) for e in rows]


def test_a_gap_names_both_fixes_and_what_lies_between():
    lon = np.array([10.0, 10.0, 10.5])
    given = seas.tracked(seas.fixes(1, NOON + np.array([0, 10, 250]) * MINUTE, lon, 1.0, 0.0))
    (gap,) = given["gaps"].to_pylist()
    assert (gap["lon0"], gap["lat0"], gap["lon1"], gap["lat1"]) == (10.0, 1.0, 10.5, 1.0)
    assert (gap["duration_h"], gap["ending"], gap["threshold_h"]) == (4.0, "resumed", 2.0)
    assert given["judged_gaps"]["judgement"].to_pylist() == ["unknown"]
    assert edges_of(given) == [(1, 10, "end"), (1, 250, "data_end"), (1, 250, "start")]


@pytest.mark.parametrize(("minutes", "is_gap"), [(120, False), (120.001, True)])
def test_the_threshold_itself_is_no_gap(minutes, is_gap):
    given = seas.tracked(at([0, 10, 10 + minutes]))
    assert given["gaps"].num_rows == is_gap
    assert given["legs"].num_rows == 2 - is_gap


@pytest.mark.parametrize(
    ("silence_h", "receiver", "ending", "side"),
    [
        (1, "terrestrial", None, "data_end"),
        (3, "terrestrial", "open", "end"),
        (5, "satellite", None, "data_end"),
        (7, "satellite", "open", "end"),
        (170, "terrestrial", "track_ended", "end"),
    ],
)
@pytest.mark.parametrize("sliced", [False, True])
def test_how_a_silence_ends(silence_h, receiver, ending, side, sliced):
    """Another vessel is heard for so long after; the sliced run has many slices without a fix of the first."""
    minutes = np.append(np.arange(0, silence_h * 60, 60), silence_h * 60 + 10)
    table = pa.concat_tables([at([0, 10], receiver=receiver), at(minutes, mmsi=2)])
    given = seas.tracked(table, seas.every(table, 5) if sliced else ())
    gaps = [(g["mmsi"], g["ending"], g["end_time"], g["duration_h"]) for g in given["gaps"].to_pylist()]
    assert gaps == ([(1, ending, None, None)] if ending else [])
    assert [e for e in edges_of(given) if e[0] == 1] == [(1, 10, side)]
    assert set(given["gaps"]["receiver"].to_pylist()) <= {receiver}


def test_after_a_track_has_ended_another_begins():
    days = np.array([0, 8])
    minutes = (days[:, None] * 1440 + np.array([0, 10])).ravel()
    table = pa.concat_tables([at(minutes), at(np.arange(0, 8.1 * 1440, 100), mmsi=2)])
    for cuts in ((), seas.every(table, 24)):
        given = seas.tracked(table, cuts)
        assert [(g["mmsi"], g["ending"]) for g in given["gaps"].to_pylist()] == [(1, "track_ended")]
        named = sorted(
            set(seas.micros_of(given["legs"].filter(pa.array(np.asarray(given["legs"]["mmsi"]) == 1)), "track_start"))
        )
        assert named == [NOON, NOON + 8 * DAY]


def test_one_fix_alone_is_no_track_that_fell_silent():
    table = pa.concat_tables([at([0]), at(np.arange(0, 600, 30), mmsi=2)])
    given = seas.tracked(table)
    assert given["gaps"].num_rows == 0
    assert edges_of(given)[0] == (1, 0, "end")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 40), st.integers(1, 6))
def test_each_silence_is_told_once_wherever_the_cuts_lie(seed, n, parts):
    rng = np.random.default_rng(seed)
    step_min = np.where(rng.random(n) < 0.4, rng.integers(100, 700, n), rng.integers(1, 40, n))
    minutes = np.cumsum(step_min)
    receiver = np.where(rng.random(n) < 0.3, "satellite", "terrestrial")
    table = pa.concat_tables([at(minutes, receiver=receiver), at([0, minutes[-1] + rng.integers(1, 600)], mmsi=2)])
    cuts = sorted({int(c) for c in NOON + rng.integers(1, minutes[-1], parts) * MINUTE + 77_000})
    whole, cut = seas.tracked(table), seas.tracked(table, cuts)
    key = ("mmsi", "track_start", "start_time", "ending")
    seas.assert_same({"g": seas.in_order(whole["gaps"], key)}, {"g": seas.in_order(cut["gaps"], key)})
    assert edges_of(whole) == edges_of(cut)
    assert len(set(edges_of(cut))) == len(edges_of(cut))
