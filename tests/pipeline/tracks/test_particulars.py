"""Owns: what a vessel says of its kind and size is told once, and again where it says otherwise, whatever the cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline import schema
from stswatch.pipeline.tracks.particulars import changes

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
        pa.array(list(columns[f.name]), pa.int64()).cast(f.type)
        if f.name == "time"
        else pa.array(list(columns[f.name]), f.type)
        for f in schema.PARTICULARS
    ]
    return pa.table(arrays, schema=schema.PARTICULARS)


def by_hand(words):
    """Vessel by vessel, moment by moment: the greatest of each moment, what was said before where it says nothing."""
    rows = []
    for mmsi in sorted({w[0] for w in words}):
        last = (None, None)
        for time in sorted({w[1] for w in words if w[0] == mmsi}):
            now = [
                max((w[k] for w in words if w[:2] == (mmsi, time) and w[k] is not None), default=last[k - 2])
                for k in (2, 3)
            ]
            if tuple(now) != last:
                rows.append((mmsi, time, *now))
            last = tuple(now)
    return rows


def plain(found):
    times = found["time"].cast(pa.int64()).to_pylist()
    return list(
        zip(
            found["mmsi"].to_pylist(), times, found["ship_type"].to_pylist(), found["length_m"].to_pylist(), strict=True
        )
    )


@given(WORDS)
def test_changes_are_those_found_by_hand(words):
    found, last = changes(table(words), table([]))
    assert plain(found) == by_hand(words)
    assert found.schema.equals(schema.PARTICULARS)
    assert last.schema.equals(schema.PARTICULARS)
    assert len(set(last["mmsi"].to_pylist())) == last.num_rows


@given(WORDS, st.lists(st.integers(0, 21), max_size=3), st.randoms())
def test_neither_cut_nor_order_nor_repeats_show(words, cuts, random):
    edges = [0, *sorted(cuts), 22]
    last, rows = table([]), []
    for low, high in pairwise(edges):
        part = [w for w in words if low <= w[1] < high]
        part += part[: len(part) // 2]
        random.shuffle(part)
        found, last = changes(table(part), last)
        rows += plain(found)
    assert sorted(rows, key=lambda row: row[:2]) == by_hand(words)


def test_nothing_said_is_nothing_told():
    assert changes(table([(1, 5, None, None)]), table([]))[0].num_rows == 0
    last = table([(1, 0, 70, None)])
    found, kept = changes(table([]), last)
    assert (found.num_rows, kept) == (0, last)
    assert np.asarray(changes(table([(1, 5, 70, None)]), last)[0]["mmsi"]).size == 0
