"""Silences: when a gap is told, how it ends, and the edges that go with it."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, MINUTE, build
from stswatch.pipeline.tracks.gaps import Losses
from tests.pipeline import seas

DAY = 24 * HOUR
NOON = seas.NOON_US


def at(minutes, mmsi=1, **how):
    """Fixes of a vessel that lies still, at some minutes after noon."""
    return seas.fixes(mmsi, NOON + np.rint(np.asarray(minutes) * MINUTE).astype(np.int64), 0.0, 0.0, 0.0, **how)


def lost_spans(*minutes):
    """Spans of which something is damaged, from and to some minutes after noon."""
    edges = NOON + np.rint(np.array(minutes).reshape(-1, 2) * MINUTE).astype(np.int64)
    return build(schema.LOST_SPANS, {"start": edges[:, 0], "end": edges[:, 1]})


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


# ---------------------------------------------------------------- what was received and is damaged is no silence


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 90), st.integers(1, 20)), max_size=6), st.integers(0, 2**32))
def test_what_is_lost_of_a_span_is_what_a_look_at_each_moment_finds(given, seed):
    spans = [(start, start + length) for start, length in given]
    moments = np.zeros(130, bool)
    for start, end in spans:
        moments[start:end] = True
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 110, 50)
    last = first + rng.integers(1, 20, 50)
    longest = [
        max(map(len, "".join(" x"[free] for free in (~moments[a:b]).tolist()).split()), default=0)
        for a, b in zip(first, last, strict=True)
    ]
    losses = Losses.of(lost_spans(*spans))
    span = NOON + first * MINUTE, NOON + last * MINUTE
    assert (losses.within(*span) // MINUTE).tolist() == [moments[a:b].sum() for a, b in zip(first, last, strict=True)]
    assert np.maximum(losses.longest_outside(*span) // MINUTE, 0).tolist() == longest


def sent(rng, vessels=4, n=40):
    """What some vessels sent, with silences, and the end of the data."""
    tables = []
    for mmsi in range(1, vessels + 1):
        step_min = np.where(rng.random(n) < 0.3, rng.integers(60, 400, n), rng.integers(1, 40, n))
        receiver = np.where(rng.random(n) < 0.2, "satellite", "terrestrial")
        tables.append(at(np.cumsum(step_min), mmsi=mmsi, receiver=receiver))
    return pa.concat_tables([*tables, at([0, n * 100], mmsi=9)])


def damaged(rng, table):
    """Some spans of a time, and what lies outside them."""
    start = rng.integers(0, 40 * 100, 5)
    spans = np.stack([start, start + rng.integers(1, 90, 5)], axis=1)
    minutes = (seas.micros_of(table, "time") - NOON) / MINUTE
    whole = (minutes[:, None] < spans[:, 0]) | (minutes[:, None] > spans[:, 1])
    keep = whole.all(axis=1) | (np.asarray(table["mmsi"]) == 9)
    return table.filter(pa.array(keep)), lost_spans(*spans.tolist())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_what_is_damaged_makes_no_gap_and_no_silence_beside_a_meeting(seed):
    """Each gap holds one that is there in what was sent; where nothing of it is damaged it is that one."""
    rng = np.random.default_rng(seed)
    table = sent(rng)
    rest, lost = damaged(rng, table)
    whole, found = seas.tracked(table), seas.tracked(rest, lost=lost)
    spans, there = ([_span(gap) for gap in given["gaps"].to_pylist()] for given in (found, whole))
    assert len(there) > 5
    for (mmsi, start, end), gap in zip(spans, found["gaps"].to_pylist(), strict=True):
        within = [other for other in there if other[0] == mmsi and other[1] >= start and other[2] <= end]
        assert within
        assert gap["lost_min"] > 0 or within == [(mmsi, start, end)]
    assert len(spans) <= len(there)
    silences, known = ({e for e in edges_of(given) if e[2] != "data_end"} for given in (found, whole))
    assert silences <= known
    judged = found["judged_gaps"].to_pylist()
    assert {gap["judgement"] for gap in judged if gap["lost_min"]} <= {"unknown", "left_data"}


def _span(gap):
    return gap["mmsi"], gap["start_time"].timestamp(), gap["end_time"].timestamp() if gap["end_time"] else np.inf


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_wherever_the_cuts_lie_what_is_damaged_tells_the_same(seed, parts):
    rng = np.random.default_rng(seed)
    rest, lost = damaged(rng, sent(rng))
    cuts = sorted({int(c) for c in NOON + rng.integers(1, 40 * 100, parts) * MINUTE + 77_000})
    whole, cut = seas.tracked(rest, lost=lost), seas.tracked(rest, cuts, lost=lost)
    key = ("mmsi", "track_start", "start_time", "ending")
    seas.assert_same({"g": seas.in_order(whole["gaps"], key)}, {"g": seas.in_order(cut["gaps"], key)})
    assert edges_of(whole) == edges_of(cut)


@pytest.mark.parametrize(("lost", "is_gap"), [((100, 101), False), ((20, 21), True), ((20, 70), False)])
def test_a_gap_is_what_is_one_beside_what_is_damaged(lost, is_gap):
    given = seas.tracked(at([0, 10, 430]), lost=lost_spans(*lost))
    assert [gap["lost_min"] for gap in given["gaps"].to_pylist()] == [float(lost[1] - lost[0])] * is_gap
    assert given["legs"].num_rows == 1
