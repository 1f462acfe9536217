"""Owns: an encounter has what both vessels had last said by its end, whatever is said later or forgotten."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline import schema
from stswatch.pipeline.meetings.particulars import by_the_end, still_needed

WORDS = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, 30), st.sampled_from([30, 70, 80]), st.none() | st.just(90.0)),
    max_size=20,
    unique_by=lambda word: word[:2],
)
ENDS = st.lists(st.tuples(st.integers(1, 3), st.integers(2, 5), st.integers(-5, 40)), max_size=10)


def said(words):
    columns = list(zip(*words, strict=True)) if words else [[]] * 4
    arrays = [
        pa.array(list(c), pa.int64() if f.name == "time" else f.type).cast(f.type)
        for c, f in zip(columns, schema.PARTICULARS, strict=True)
    ]
    return pa.table(arrays, schema=schema.PARTICULARS)


def meetings(ends):
    a, b, end = zip(*ends, strict=True) if ends else ([], [], [])
    return pa.table(
        {
            "mmsi_a": pa.array(list(a), pa.int32()),
            "mmsi_b": pa.array(list(b), pa.int32()),
            "end": pa.array(list(end), pa.int64()).cast(schema.UTC),
        }
    )


def last_word(words, mmsi, end):
    return max((w for w in words if w[0] == mmsi and w[1] <= end), key=lambda w: w[1], default=(None,) * 4)


@given(WORDS, ENDS, st.randoms())
def test_it_is_the_last_word_by_the_end(words, ends, random):
    random.shuffle(words)
    found = by_the_end(meetings(ends), said(words))
    assert set(found) == {"ship_type_a", "ship_type_b", "length_a_m", "length_b_m"}
    for v, k in (("a", 0), ("b", 1)):
        wanted = [last_word(words, end[k], end[2]) for end in ends]
        assert found[f"ship_type_{v}"].to_pylist() == [w[2] for w in wanted]
        assert found[f"length_{v}_m"].to_pylist() == [w[3] for w in wanted]


@given(WORDS, ENDS, st.integers(-5, 40))
def test_what_is_forgotten_is_asked_for_by_none_that_ends_later(words, ends, since):
    kept = still_needed(said(words), since)
    later = [end for end in ends if end[2] >= since]
    assert by_the_end(meetings(later), kept) == by_the_end(meetings(later), said(words))
    assert kept.num_rows <= len({w[0] for w in words}) + sum(w[1] > since for w in words)
