"""Owns: an encounter has what both vessels had last said by its end, not too long before, whatever is said later; and
how long they lay or drifted in the hours before and after.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, MINUTE, build
from stswatch.pipeline.rules import EncounterRules
from stswatch.pipeline.steps import InMemory
from stswatch.pipeline.tracks.parties import Spans, last_values, remembered
from tests.pipeline import seas

SIX_H = 6 * HOUR  # the moments of these tests: four a day
DAY = 4 * SIX_H
RULES = EncounterRules(static_memory_d=3.0)
WORDS = st.lists(
    st.tuples(
        st.integers(1, 4), st.integers(0, 30), st.none() | st.sampled_from([30, 70, 80]), st.none() | st.just(90.0)
    ),
    max_size=20,
    unique_by=lambda word: word[:2],
)
ENDS = st.lists(st.tuples(st.integers(1, 3), st.integers(2, 5), st.integers(-5, 50)), max_size=10)


def printed(words):
    columns = list(zip(*words, strict=True)) if words else [[]] * 4
    arrays = [
        pa.array([moment * SIX_H for moment in c], pa.int64()).cast(f.type)
        if f.name == "time"
        else pa.array(list(c), f.type)
        for f, c in zip(schema.STATIC_DATA, columns, strict=True)
    ]
    return pa.table(arrays, schema=schema.STATIC_DATA)


def meetings(ends):
    a, b, end = zip(*ends, strict=True) if ends else ([], [], [])
    return pa.table(
        {
            "mmsi_a": pa.array(list(a), pa.int32()),
            "mmsi_b": pa.array(list(b), pa.int32()),
            "end": pa.array([moment * SIX_H for moment in end], pa.int64()).cast(schema.UTC),
        }
    )


def by_the_end(table, collected, rules):
    found = {}
    for v in "ab":
        of = last_values(np.asarray(table[f"mmsi_{v}"]), np.asarray(table["end"].cast(pa.int64())), collected, rules)
        found |= {f"ship_type_{v}": of["ship_type"], f"length_{v}_m": of["length_m"]}
    return found


def last_word(words, mmsi, end, k):
    """The last value by the end, of no UTC day that lies further back than three."""
    collected = [w for w in words if w[0] == mmsi and w[1] <= end and w[1] // 4 >= end // 4 - 3 and w[k] is not None]
    return max(collected, key=lambda w: w[1], default=(None,) * 4)[k]


@given(WORDS, ENDS, st.randoms())
def test_it_is_the_last_word_by_the_end(words, ends, random):
    random.shuffle(words)
    found = by_the_end(meetings(ends), printed(words), RULES)
    assert set(found) == {"ship_type_a", "ship_type_b", "length_a_m", "length_b_m"}
    for v, k in (("a", 0), ("b", 1)):
        assert found[f"ship_type_{v}"].to_pylist() == [last_word(words, end[k], end[2], 2) for end in ends]
        assert found[f"length_{v}_m"].to_pylist() == [last_word(words, end[k], end[2], 3) for end in ends]


@given(WORDS, ENDS, st.integers(-5, 50))
def test_what_is_forgotten_is_asked_for_by_none_that_ends_later(words, ends, since):
    kept = remembered(printed(words), since * SIX_H, RULES)
    later = [end for end in ends if end[2] >= since]
    assert by_the_end(meetings(later), kept, RULES) == by_the_end(meetings(later), printed(words), RULES)
    # of each value of each vessel one word until then, none of them old
    assert kept.num_rows <= 2 * len({w[0] for w in words}) + sum(w[1] > since for w in words)
    assert all(
        w[1] // 4 >= since // 4 - 3 for w in words if printed([w]).slice(0, 1).to_pylist()[0] in kept.to_pylist()
    )


@pytest.mark.parametrize(
    ("memory_d", "days", "known"), [(7.0, 7, True), (7.0, 8, False), (0.5, 0, True), (0.5, 1, False)]
)
def test_days_are_those_of_utc(memory_d, days, known):
    """Said early in a day, asked for late in another."""
    end = meetings([(1, 2, 4 * days + 3)])
    found = by_the_end(end, printed([(1, 0, 70, None)]), EncounterRules(static_memory_d=memory_d))
    assert found["ship_type_a"].to_pylist() == [70 if known else None]


def silent_after(days):
    """Two vessels side by side for twelve days; one tells its type all the time, the other for some days only."""
    hours = range(12 * 24)
    sea = pa.concat_tables([seas.vessel(mmsi, [0] * len(hours), 100 * mmsi, every_s=3600.0) for mmsi in (1, 2)])
    words = [(1, seas.NOON_US + h * HOUR, 80) for h in hours] + [
        (2, seas.NOON_US + h * HOUR, 70) for h in hours[: days * 24]
    ]
    collected = {
        "mmsi": pa.array([w[0] for w in words], pa.int32()),
        "ship_type": pa.array([w[2] for w in words], pa.int16()),
    }
    collected |= {"time": pa.array([w[1] for w in words]).cast(schema.UTC)}
    collected |= {"source": pa.array(["0" * 16] * len(words)), "offset": pa.array(range(len(words)))}
    collected |= {"length": pa.array([1] * len(words), pa.int32())}
    reports = [collected.get(f.name, pa.nulls(len(words), f.type)) for f in schema.STATIC_REPORTS]
    return sea, pa.table(reports, schema=schema.STATIC_REPORTS)


@pytest.mark.parametrize(
    ("days", "known", "hours", "shards"),
    [(5, 70, None, 1), (4, None, None, 1), (5, 70, 24, 3), (4, None, 6, 1), (4, None, 31 + 13 / 60, 2)],
)
def test_no_cut_shows_in_what_is_forgotten(days, known, hours, shards):
    """It ends on the 13th day of its own: what was said last on the 6th counts, on the 5th no longer."""
    sea, reports = silent_after(days)
    cuts = seas.every(sea, hours) if hours else ()
    (row,) = seas.meetings(sea, cuts, shards, reports=reports)["encounters"].to_pylist()
    assert row["duration_min"] > 11 * 24 * 60
    assert (row["ship_type_a"], row["ship_type_b"]) == (80, known)


def test_what_is_kept_between_slices_has_a_horizon():
    sea, reports = silent_after(12)
    engine = InMemory()
    time_us, kept = seas.micros_of(sea, "time"), []
    static_us = seas.micros_of(reports, "time")
    cuts = seas.every(sea, 24)
    for low, high in zip([0, *cuts], cuts, strict=False):
        part, word = (t.filter(pa.array((u >= low) & (u < high))) for t, u in ((sea, time_us), (reports, static_us)))
        engine.slice({"fixes": part, "static_reports": word}, high)
        for step in ("vessel", "parties"):
            kept_us = seas.micros_of(engine._states[step, 0]["static_data"], "time")
            kept.append(len(kept_us))
            assert (high - kept_us <= 9 * DAY).all()
    assert len(cuts) == 12
    assert max(kept) >= 2
    assert max(kept) <= 8


# ---------------------------------------------------------------------------------------------- how they came and went


@given(st.integers(0, 2**32), st.integers(0, 40))
def test_time_in_spans_is_what_adding_up_every_span_gives(seed, n):
    rng = np.random.default_rng(seed)
    mmsi, track = rng.integers(1, 5, n), rng.integers(0, 3, n) * HOUR
    start, long = np.arange(n) * 10 * MINUTE, rng.integers(0, 11, n) * MINUTE  # they touch, and never overlap
    columns = {name: np.zeros(n, np.int64) for name in schema.STAYS.names} | {"fresh": np.zeros(n, bool)}
    table = build("stays", columns | {"mmsi": mmsi, "track_start": track, "start": start, "end": start + long})
    of, of_track = rng.integers(1, 6, 30), rng.integers(0, 4, 30) * HOUR
    low = rng.integers(-60, 460, 30) * MINUTE
    high = low + rng.integers(0, 200, 30) * MINUTE
    found = Spans.of(table.take(pa.array(rng.permutation(n), pa.int64()))).between(of, of_track, low, high)
    mine = (mmsi == of[:, None]) & (track == of_track[:, None])
    part = np.minimum(start + long, high[:, None]) - np.maximum(start, low[:, None])
    assert found.tolist() == (np.where(mine, np.maximum(part, 0), 0)).sum(axis=1).tolist()


def route(mmsi, hours, way_km, aside_m=0.0):
    """A vessel along a meridian in the open: by hours the km that it has made; a report every ten minutes."""
    at = np.arange(hours[0], hours[-1] + 1e-9, 1 / 6)
    return seas.vessel(mmsi, np.full(len(at), aside_m), np.interp(at, hours, way_km) * 1000, 600.0)


WAITING = route(1, (0, 16), (100, 100))
PASSING = route(2, (0, 6, 9, 16), (0, 100, 100, 230), 80.0)  # 9 kn; beside the other for three hours and some minutes


@pytest.mark.parametrize("cut_h", [None, 1.0, 5.0])
def test_one_waits_and_the_other_comes_and_goes(cut_h):
    sea = pa.concat_tables([WAITING, PASSING])
    (row,) = seas.run(sea, seas.every(sea, cut_h) if cut_h else ())["encounters"].to_pylist()
    assert (row["slow_before_a_h"], row["slow_after_a_h"]) == (3.0, 3.0)
    assert (row["slow_before_b_h"], row["slow_after_b_h"]) == (0.0, 0.0)


@pytest.mark.parametrize(("side", "from_h", "to_h"), [("before", 4.0, 16.0), ("after", 0.0, 11.0)])
def test_where_the_data_do_not_cover_the_hours_nothing_is_told(side, from_h, to_h):
    sea = pa.concat_tables([WAITING, PASSING])
    hour = (seas.micros_of(sea, "time") - seas.NOON_US) / HOUR
    (row,) = seas.run(sea.filter(pa.array((hour >= from_h) & (hour <= to_h))))["encounters"].to_pylist()
    other = {"before": "after", "after": "before"}[side]
    assert row[f"slow_{side}_a_h"] is row[f"slow_{side}_b_h"] is None
    assert (row[f"slow_{other}_a_h"], row[f"slow_{other}_b_h"]) == (3.0, 0.0)


def test_of_a_meeting_of_a_week_it_is_not_told():
    sea = pa.concat_tables([route(1, (0, 160), (100, 100)), route(2, (0, 150, 160), (100, 100, 230), 80.0)])
    (row,) = seas.run(sea)["encounters"].to_pylist()
    assert row["slow_after_b_h"] is None
