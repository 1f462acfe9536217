"""Owns: what a vessel says of its kind and size is told once a day and where it says otherwise, whatever the cut."""

from __future__ import annotations

from itertools import pairwise

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR
from stswatch.pipeline.reported import once_a_day

SIX_H = 6 * HOUR  # the moments of these tests: four a day
WORD = st.tuples(
    st.integers(1, 3),
    st.integers(0, 20),
    st.none() | st.sampled_from([30, 70, 80]),
    st.none() | st.sampled_from([20.0, 90.0]),
)
WORDS = st.lists(WORD, max_size=25)


def table(words):
    columns = dict(
        zip(("mmsi", "time", "ship_type", "length_m"), zip(*words, strict=True) if words else [[]] * 4, strict=True)
    )
    arrays = [
        pa.array([moment * SIX_H for moment in columns[f.name]], pa.int64()).cast(f.type)
        if f.name == "time"
        else pa.array(list(columns[f.name]), f.type)
        for f in schema.STATIC_DATA
    ]
    return pa.table(arrays, schema=schema.STATIC_DATA)


def changed_static_data(reports, today, watermark_us):
    return once_a_day(reports, today, schema.STATIC_DATA, watermark_us)


def by_hand(words):
    """Vessel by vessel, moment by moment, value by value: the greatest of each moment, where not told before."""
    rows = []
    for mmsi, moment in sorted({w[:2] for w in words}):
        row = []
        for k in (2, 3):
            now, before = (
                [
                    w
                    for w in words
                    if w[0] == mmsi and w[k] is not None and w[1] // 4 == moment // 4 and at(w[1], moment)
                ]
                for at in (int.__eq__, int.__lt__)
            )
            printed = max((w[k] for w in now), default=None)
            last = max((w[k] for w in before if w[1] == max(b[1] for b in before)), default=None)
            row.append(None if printed == last else printed)
        if row != [None, None]:
            rows.append((mmsi, moment, *row))
    return rows


def plain(found):
    moments = [time // SIX_H for time in found["time"].cast(pa.int64()).to_pylist()]
    return list(
        zip(
            found["mmsi"].to_pylist(),
            moments,
            found["ship_type"].to_pylist(),
            found["length_m"].to_pylist(),
            strict=True,
        )
    )


@given(WORDS, st.integers(0, 21))
def test_what_is_told_is_what_is_found_by_hand_and_the_last_day_is_kept(words, end):
    words = [word for word in words if word[1] < end]
    found, today = changed_static_data(table(words), table([]), end * SIX_H)
    assert plain(found) == by_hand(words)
    assert plain(today) == [row for row in by_hand(words) if row[1] // 4 == end // 4]
    assert found.schema.equals(schema.STATIC_DATA)
    assert today.schema.equals(schema.STATIC_DATA)


@given(WORDS, st.lists(st.integers(0, 21), max_size=3), st.randoms())
def test_neither_cut_nor_order_nor_repeats_show(words, cuts, random):
    edges = [0, *sorted(cuts), 22]
    today, rows = table([]), []
    for low, high in pairwise(edges):
        part = [w for w in words if low <= w[1] < high]
        part += part[: len(part) // 2]
        random.shuffle(part)
        found, today = changed_static_data(table(part), today, high * SIX_H)
        rows += plain(found)
    assert sorted(rows, key=lambda row: row[:2]) == by_hand(words)


def test_what_is_said_all_the_time_is_told_once_a_day():
    words = [(1, moment, 70, 90.0) for moment in range(40)]
    found, today = changed_static_data(table(words), table([]), 40 * SIX_H)
    assert plain(found) == [(1, 4 * day, 70, 90.0) for day in range(10)]
    assert today.num_rows == 0  # the day of the watermark has just begun


def test_nothing_said_is_nothing_told():
    assert changed_static_data(table([(1, 5, None, None)]), table([]), 0)[0].num_rows == 0
    today = table([(1, 4, 70, None)])
    found, kept = changed_static_data(table([]), today, 6 * SIX_H)
    assert (found.num_rows, kept) == (0, today)
    assert changed_static_data(table([(1, 5, 70, None)]), today, 6 * SIX_H)[0].num_rows == 0
    assert plain(changed_static_data(table([(1, 5, 70, 90.0)]), today, 6 * SIX_H)[0]) == [(1, 5, None, 90.0)]
    assert changed_static_data(table([]), today, 8 * SIX_H)[1].num_rows == 0
