"""The row of slices: it covers all time once, and an address changes exactly with what the result depends on."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline.batch import HOUR
from stswatch.pipeline.flow.row import _forgotten
from stswatch.pipeline.flow.slices import EVER_US, Slice, addressed, described, plan
from stswatch.pipeline.rules import Rules, VesselRules
from stswatch.pipeline.store.lake import Part

SLAB = 6 * HOUR


@st.composite
def lakes(draw):
    """Parts of a lake, and the first and last valid fix in it."""
    numbers = draw(st.lists(st.integers(-5, 60), min_size=1, max_size=8, unique=True))
    parts = [
        Part("fixes", slab * SLAB, f"lake/fixes/{slab}/{k}.parquet", draw(st.integers(1, 5000)), [63])
        for slab in numbers
        for k in range(draw(st.integers(1, 3)))
    ]
    collected = draw(st.lists(st.integers(-9, 70), max_size=4, unique=True))
    parts += [
        Part("static_reports", slab * SLAB, f"lake/static_reports/{slab}/0.parquet", 9, [63]) for slab in collected
    ]
    parts.append(Part("rejects", None, "lake/rejects/timeless/0.parquet", 9))
    first = draw(st.sampled_from(numbers)) * SLAB + draw(st.integers(0, SLAB - 1))
    last = draw(st.sampled_from(numbers)) * SLAB + draw(st.integers(0, SLAB - 1))
    return draw(st.permutations(parts)), (min(first, last), max(first, last))


@given(lakes(), st.sampled_from([1000, 2500, 10**9]), st.sampled_from([0, 900, 10**6]))
def test_slices_cover_all_time_once_in_order(lake, rows_at_most, joined):
    parts, span = lake
    row = plan(parts, SLAB, span, rows_at_most, None, joined)
    assert (row[0].start_us, row[-1].end_us) == (-EVER_US, EVER_US)
    assert all(a.end_us == b.start_us for a, b in pairwise(row))
    assert all(s.start_us < s.end_us for s in row)
    assert [s.final for s in row] == [False] * (len(row) - 1) + [True]
    assert row[-1].watermark_us == span[1]
    assert all(s.watermark_us == s.end_us <= span[1] for s in row[:-1])
    assert all(a.watermark_us < b.watermark_us for a, b in pairwise(row[:-1]))


@given(lakes(), st.sampled_from([1000, 2500, 10**9]), st.sampled_from([0, 900, 10**6]))
def test_a_slice_has_every_file_that_its_span_touches(lake, rows_at_most, joined):
    parts, span = lake
    row = plan(parts, SLAB, span, rows_at_most, None, joined)
    for part in parts:
        if part.slab_us is None:
            assert all(part not in s.parts for s in row)
            continue
        if part.table == "fixes" and not span[0] // SLAB * SLAB <= part.slab_us <= span[1]:
            continue  # holds no valid fix
        for s in row:
            touches = part.slab_us < s.end_us and s.start_us < part.slab_us + SLAB
            assert part in s.parts or not touches, (part, s)


@given(lakes(), st.sampled_from([1000, 2500]), st.sampled_from([0, 900, 10**6]))
def test_no_slice_has_more_rows_than_may_be(lake, rows_at_most, joined):
    parts, span = lake
    row = plan(parts, SLAB, span, rows_at_most, None, joined)
    assert all(s.rows <= rows_at_most for s in row)


@given(lakes(), st.sampled_from([900, 10**6]))
def test_slices_of_few_rows_are_joined_and_no_file_is_read_twice(lake, joined):
    parts, span = lake
    apart, row = plan(parts, SLAB, span, 10**9), plan(parts, SLAB, span, 10**9, None, joined)
    assert all(len(set(names)) == len(names) for names in ([part.path for part in s.parts] for s in row))
    assert {s.start_us for s in row} <= {s.start_us for s in apart}
    held = [[s.rows for s in apart if each.start_us <= s.start_us < each.end_us] for each in row]
    assert [sum(rows) for rows in held] == [s.rows for s in row]
    assert all(len(rows) == 1 or sum(rows) < joined for rows in held)
    assert all(sum(rows) + after[0] >= joined for rows, after in pairwise(held))


@given(lakes())
def test_the_order_of_files_does_not_show(lake):
    parts, span = lake
    keys = [[s.key for s in _addressed(plan(p, SLAB, span, 2500), parts)] for p in (parts, parts[::-1])]
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == len(keys[0])


def _addressed(row, parts, rules=None, shards=3, code="c", model="m", readings=None):
    return addressed(row, rules or Rules(), shards, code, model, readings or {part.path: "as it is" for part in parts})


@given(lakes(), st.data())
def test_an_address_depends_on_all_before_it_and_on_nothing_after(lake, data):
    parts, span = lake
    row = plan(parts, SLAB, span, 2500)
    at = data.draw(st.integers(0, len(row) - 1))
    more = Part("fixes", 0, "lake/fixes/more.parquet", 1, [63])
    other = [*row[:at], replace(row[at], parts=(*row[at].parts, more)), *row[at + 1 :]]
    before, after = ([s.key for s in _addressed(r, [*parts, more])] for r in (row, other))
    assert before[:at] == after[:at]
    assert all(a != b for a, b in zip(before[at:], after[at:], strict=True))


@given(lakes())
def test_an_address_changes_with_rules_shards_code_model_and_reading(lake):
    parts, span = lake
    row = plan(parts, SLAB, span, 10**9)
    ways: list[dict[str, Any]] = [
        {},
        {"rules": Rules(vessel=VesselRules(slow_kn=4.0))},
        {"shards": 4},
        {"code": "d"},
        {"model": "n"},
        {"readings": {part.path: "otherwise" for part in parts}},
    ]
    first = [_addressed(row, parts, **way)[0].key for way in ways]
    assert len(set(first)) == len(ways)


def test_silence_is_one_slice():
    parts = [Part("fixes", slab * SLAB, f"{slab}.parquet", 10, [63]) for slab in (0, 1000)]
    row = plan(parts, SLAB, (HOUR, 1000 * SLAB + HOUR), 1000)
    assert [s.rows for s in row] == [10, 0, 10]
    assert (row[1].start_us, row[1].end_us, row[1].parts) == (SLAB, 1000 * SLAB, ())
    assert "parts" not in described(row[1])


@given(lakes(), st.sampled_from([1000, 10**9]), st.integers(-6, 72))
def test_up_to_an_hour_that_is_over_they_are_those_of_the_whole_and_no_last_one(lake, rows_at_most, slab):
    """What lies beyond waits, and does not show in a slice before."""
    parts, span = lake
    until_us = slab * SLAB
    row = plan(parts, SLAB, span, rows_at_most, until_us)
    if not row:
        assert until_us <= min(p.slab_us for p in parts if p.table == "fixes" and p.slab_us >= span[0] // SLAB * SLAB)
        return
    assert (row[0].start_us, row[-1].end_us) == (-EVER_US, until_us)
    assert all(a.end_us == b.start_us for a, b in pairwise(row))
    assert not any(s.final for s in row)
    assert all(s.watermark_us == s.end_us for s in row)
    assert all(part.slab_us < until_us for s in row for part in s.parts)
    beyond = [part for part in parts if part.slab_us is None or part.slab_us < until_us]
    assert plan(beyond, SLAB, span, rows_at_most, until_us) == row
    whole = plan(parts, SLAB, span, rows_at_most)
    before = [s for s in row[:-1] if s.end_us <= span[1] // SLAB * SLAB]
    assert [(s.start_us, s.end_us, s.parts) for s in whole[: len(before)]] == [
        (s.start_us, s.end_us, s.parts) for s in before
    ]


def test_of_short_slices_the_state_at_the_end_of_each_day_is_kept_for_a_month():
    hour, day = HOUR, 24 * HOUR
    row = [Slice(k * hour, (k + 1) * hour, (k + 1) * hour, False, (), 1) for k in range(40 * 24)]
    kept = [s for s in row if s not in _forgotten(row)]
    assert kept[-8:] == row[-8:]
    assert [s.end_us // day for s in kept[:-8]] == [s.end_us / day for s in kept[:-8]]
    assert 30 <= len(kept) - 8 <= 33
    days = [Slice(k * day, (k + 1) * day, (k + 1) * day, False, (), 1) for k in range(40)]
    assert [s for s in days if s not in _forgotten(days)] == days[-8:]
