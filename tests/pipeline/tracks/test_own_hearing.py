"""How well a vessel was heard beside its gaps: as counted one by one, wherever the data are cut."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline.batch import HOUR, MINUTE
from stswatch.pipeline.tracks.fixes import BESIDE, EARLIER, SPAN_US
from tests.pipeline import seas

NOON = seas.NOON_US
ONE = 412_000_001


def by_hand(time_us, start_us, end_us):
    """Spans of the 24 up to the last fix, of the 24 from the next one on, and of 36 before, in which a fix lies."""
    spans = {int(t) // SPAN_US for t in time_us}
    before = len([k for k in range(BESIDE) if start_us // SPAN_US - k in spans])
    after = None if end_us is None else len([k for k in range(BESIDE) if end_us // SPAN_US + k in spans])
    first = start_us // SPAN_US - BESIDE - EARLIER + 1
    earlier = len([k for k in range(EARLIER) if first + k in spans])
    return before, after, earlier if min(time_us) // SPAN_US <= first else None


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from([None, 1, 5]))
def test_spans_are_those_counted_one_by_one_wherever_the_data_are_cut(seed, cut_h):
    """Each slice costs the same however little lies in it: so several vessels for some hours, not one for days."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(12, 150))
    minute = np.sort(rng.choice(20 * 60, n, replace=False))
    silent = rng.uniform(0, 15) * 60
    minute = minute[(minute < silent) | (minute > silent + rng.uniform(2.1, 9) * 60)]
    mmsi = ONE + rng.integers(0, 6, len(minute))
    time_us = NOON + minute * MINUTE
    table = seas.fixes(mmsi, time_us, 123.0, 36.0, 1.0)
    given_rows = seas.tracked(table, seas.every(table, cut_h) if cut_h else ())["gaps"].to_pylist()
    for row in given_rows:
        ends = [None if t is None else round(t.timestamp() * 1e6) for t in (row["start_time"], row["end_time"])]
        want = by_hand(time_us[mmsi == row["mmsi"]], *ends)
        assert (row["heard_before"], row["heard_after"], row["heard_earlier"]) == want


def test_a_gap_is_given_once_the_two_hours_after_it_are_over_and_with_all_at_the_end():
    minute = np.concatenate([np.arange(0, 180, 5), np.arange(480, 1200, 5)])
    table = pa.concat_tables(
        [
            seas.fixes(ONE, NOON + minute * MINUTE, 123.0, 36.0, 1.0),
            seas.fixes(ONE + 1, NOON + np.arange(0, 1200, 10) * MINUTE, 123.1, 36.0, 1.0),
        ]
    )
    (row,) = seas.tracked(table, seas.every(table, 1))["gaps"].to_pylist()
    assert (row["heard_before"], row["heard_after"], row["sog0_kn"]) == (24, 24, 1.0)
    early = table.filter(pa.array(seas.micros_of(table, "time") < NOON + 9 * HOUR))
    (row,) = seas.tracked(early)["gaps"].to_pylist()
    assert row["heard_after"] == 12


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from([None, 1, 5]))
def test_a_gap_knows_the_course_at_both_ends_who_heard_them_and_from_which_class_of_set(seed, cut_h):
    rng = np.random.default_rng(seed)
    minute = np.sort(rng.choice(30 * 60, 40, replace=False))
    mmsi, time_us = ONE + rng.integers(0, 4, 40), NOON + minute * MINUTE
    names, types = rng.choice(["SOUTH", "NORTH", ""], 40), rng.choice([1, 3, 18, 19, 27, 0], 40)
    table = seas.fixes(mmsi, time_us, 123.0, 36.0, 1.0)
    course = pa.array(np.round(rng.uniform(0, 360, 40), 1).astype(np.float32), mask=rng.random(40) < 0.3)
    collected = {
        "cog_deg": course,
        "station": pa.array([name or None for name in names]),
        "msg_type": pa.array(types, mask=types == 0),
    }
    for name, values in collected.items():
        field = table.schema.field(name)
        table = table.set_column(table.column_names.index(name), field, values.cast(field.type))
    at = {(int(who), int(t)): k for k, (who, t) in enumerate(zip(mmsi, time_us, strict=True))}
    found = seas.tracked(table, seas.every(table, cut_h) if cut_h else ())["gaps"].to_pylist()
    assert len(found) >= 4
    for row in found:
        for side, time in (("0", row["start_time"]), ("1", row["end_time"])):
            k = None if time is None else at[row["mmsi"], round(time.timestamp() * 1e6)]
            assert row[f"cog{side}_deg"] == (None if k is None else course[k].as_py())
            assert row[f"station{side}"] == (None if k is None else names[k] or None)
            assert row[f"class{side}"] == (None if k is None else {1: "A", 3: "A", 18: "B", 19: "B"}.get(types[k]))
