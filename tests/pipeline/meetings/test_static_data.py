"""Owns: an encounter has what both vessels had last said by its end, not too long before, whatever is said later."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR
from stswatch.pipeline.meetings.encounter import last_values, remembered
from stswatch.pipeline.rules import EncounterRules
from stswatch.pipeline.steps import InMemory
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


def said(words):
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


def by_the_end(table, told, rules):
    found = {}
    for v in "ab":
        of = last_values(np.asarray(table[f"mmsi_{v}"]), np.asarray(table["end"].cast(pa.int64())), told, rules)
        found |= {f"ship_type_{v}": of["ship_type"], f"length_{v}_m": of["length_m"]}
    return found


def last_word(words, mmsi, end, k):
    """The last value by the end, of no UTC day that lies further back than three."""
    told = [w for w in words if w[0] == mmsi and w[1] <= end and w[1] // 4 >= end // 4 - 3 and w[k] is not None]
    return max(told, key=lambda w: w[1], default=(None,) * 4)[k]


@given(WORDS, ENDS, st.randoms())
def test_it_is_the_last_word_by_the_end(words, ends, random):
    random.shuffle(words)
    found = by_the_end(meetings(ends), said(words), RULES)
    assert set(found) == {"ship_type_a", "ship_type_b", "length_a_m", "length_b_m"}
    for v, k in (("a", 0), ("b", 1)):
        assert found[f"ship_type_{v}"].to_pylist() == [last_word(words, end[k], end[2], 2) for end in ends]
        assert found[f"length_{v}_m"].to_pylist() == [last_word(words, end[k], end[2], 3) for end in ends]


@given(WORDS, ENDS, st.integers(-5, 50))
def test_what_is_forgotten_is_asked_for_by_none_that_ends_later(words, ends, since):
    kept = remembered(said(words), since * SIX_H, RULES)
    later = [end for end in ends if end[2] >= since]
    assert by_the_end(meetings(later), kept, RULES) == by_the_end(meetings(later), said(words), RULES)
    # of each value of each vessel one word until then, none of them old
    assert kept.num_rows <= 2 * len({w[0] for w in words}) + sum(w[1] > since for w in words)
    assert all(w[1] // 4 >= since // 4 - 3 for w in words if said([w]).slice(0, 1).to_pylist()[0] in kept.to_pylist())


@pytest.mark.parametrize(
    ("memory_d", "days", "known"), [(7.0, 7, True), (7.0, 8, False), (0.5, 0, True), (0.5, 1, False)]
)
def test_days_are_those_of_utc(memory_d, days, known):
    """Said early in a day, asked for late in another."""
    end = meetings([(1, 2, 4 * days + 3)])
    found = by_the_end(end, said([(1, 0, 70, None)]), EncounterRules(static_memory_d=memory_d))
    assert found["ship_type_a"].to_pylist() == [70 if known else None]


def silent_after(days):
    """Two vessels side by side for twelve days; one tells its type all the time, the other for some days only."""
    hours = range(12 * 24)
    sea = pa.concat_tables([seas.vessel(mmsi, [0] * len(hours), 100 * mmsi, every_s=3600.0) for mmsi in (1, 2)])
    words = [(1, seas.NOON_US + h * HOUR, 80) for h in hours] + [
        (2, seas.NOON_US + h * HOUR, 70) for h in hours[: days * 24]
    ]
    told = {
        "mmsi": pa.array([w[0] for w in words], pa.int32()),
        "ship_type": pa.array([w[2] for w in words], pa.int16()),
    }
    told |= {"time": pa.array([w[1] for w in words]).cast(schema.UTC)}
    told |= {"source": pa.array(["0" * 16] * len(words)), "offset": pa.array(range(len(words)))}
    told |= {"length": pa.array([1] * len(words), pa.int32())}
    reports = [told.get(f.name, pa.nulls(len(words), f.type)) for f in schema.STATIC_REPORTS]
    return sea, pa.table(reports, schema=schema.STATIC_REPORTS)


@pytest.mark.parametrize(
    ("days", "known", "hours", "shards"),
    [(5, 70, None, 1), (4, None, None, 1), (5, 70, 24, 3), (4, None, 6, 1), (4, None, 31 + 13 / 60, 2)],
)
def test_no_cut_shows_in_what_is_forgotten(days, known, hours, shards):
    """It ends on the 13th day of its own: what was said last on the 6th counts, on the 5th no longer."""
    sea, reports = silent_after(days)
    cuts = seas.every(sea, hours) if hours else ()
    (row,) = seas.run(sea, cuts, shards, reports=reports)["encounters"].to_pylist()
    assert row["duration_min"] > 11 * 24 * 60
    assert (row["ship_type_a"], row["ship_type_b"]) == (80, known)


def test_what_is_kept_between_slices_has_a_horizon():
    sea, reports = silent_after(12)
    engine = InMemory()
    time_us, kept = seas.micros_of(sea, "time"), []
    told_us = seas.micros_of(reports, "time")
    cuts = seas.every(sea, 24)
    for low, high in zip([0, *cuts], cuts, strict=False):
        part, word = (t.filter(pa.array((u >= low) & (u < high))) for t, u in ((sea, time_us), (reports, told_us)))
        engine.slice({"fixes": part, "static_reports": word}, high)
        for step in ("vessel", "parties"):
            kept_us = seas.micros_of(engine._states[step, 0]["said"], "time")
            kept.append(len(kept_us))
            assert (high - kept_us <= 9 * DAY).all()
    assert len(cuts) == 12
    assert max(kept) >= 2
    assert max(kept) <= 8
