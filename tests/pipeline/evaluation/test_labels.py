"""Owns: an encounter is what the true meeting was that it overlaps longest; none is lost, none counts twice."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline import schema
from stswatch.pipeline.batch import MINUTE, build
from stswatch.pipeline.evaluation.seas import LABELLED, label

KINDS = ("transfer", "look_alike", "traffic")
SPAN = st.tuples(st.integers(0, 3), st.integers(0, 500), st.integers(1, 300))  # pair, start, length in minutes
SPANS = st.lists(SPAN, max_size=12)


def encounters(spans):
    """Encounters of pairs (k, k + 10) with start and length in minutes, and nothing else known."""
    k, start, length = np.array(spans, np.int64).reshape(-1, 3).T
    loose = pa.schema([field.with_nullable(True) for field in schema.ENCOUNTERS])
    times = {"start_time": start * MINUTE, "end_time": (start + length) * MINUTE}
    collected = {"mmsi_a": k, "mmsi_b": k + 10, "duration_min": length.astype(float), **times}
    return build(loose, {field.name: pa.nulls(len(k), field.type) for field in loose} | collected)


def meetings(spans, kinds):
    k, start, length = np.array(spans, np.int64).reshape(-1, 3).T
    times = {side: pa.array(t * MINUTE).cast(schema.UTC) for side, t in (("start", start), ("end", start + length))}
    words = {name: pa.array([f"{name} {i}" for i in range(len(k))], pa.string()) for name in ("family", "scenario")}
    return pa.table(
        {
            "mmsi_a": pa.array(k, pa.int32()),
            "mmsi_b": pa.array(k + 10, pa.int32()),
            **times,
            "kind": pa.array(kinds, pa.string()),
            **words,
        }
    )


def overlap(a, b):
    return min(a[1] + a[2], b[1] + b[2]) - max(a[1], b[1]) if a[0] == b[0] else 0


@given(SPANS, st.lists(st.tuples(SPAN, st.sampled_from(KINDS)), max_size=8))
def test_each_is_what_counting_by_hand_says(spans, true):
    """A plain search over all pairs of spans agrees, row by row."""
    truth_spans, kinds = [s for s, _ in true], [k for _, k in true]
    rows = label(encounters(spans), meetings(truth_spans, kinds)).to_pylist()
    shared = [[overlap(s, t) for t in truth_spans] for s in spans]
    met = [int(np.argmax(row)) if max(row, default=0) > 0 else None for row in shared]
    for i, (row, of) in enumerate(zip(rows, met, strict=False)):
        assert row["detected"]
        assert row["truth"] == ("traffic" if of is None else kinds[of])
        assert row["scenario"] == ("none" if of is None else f"scenario {of}")
        rivals = [j for j, other in enumerate(met) if other == of and of is not None]
        assert row["repeat"] == (of is not None and i != min(rivals, key=lambda j: (-spans[j][2], j)))
        assert row["start_off_min"] == (None if of is None else spans[i][1] - truth_spans[of][1])
        assert row["end_off_min"] == (None if of is None else sum(spans[i][1:]) - sum(truth_spans[of][1:]))
    missed = [t for t, k in enumerate(kinds) if k == "transfer" and t not in met]
    assert [row["scenario"] for row in rows[len(spans) :]] == [f"scenario {t}" for t in missed]


@given(SPANS, st.lists(st.tuples(SPAN, st.sampled_from(KINDS)), max_size=8))
def test_every_transfer_stands_for_itself_once(spans, true):
    """Found or not, each transfer that can be told apart is one row that is no repeat."""
    rows = label(encounters(spans), meetings([s for s, _ in true], [k for _, k in true])).to_pylist()
    collected = [row["scenario"] for row in rows if row["truth"] == "transfer" and not row["repeat"]]
    assert sorted(collected) == sorted(f"scenario {i}" for i, (_, kind) in enumerate(true) if kind == "transfer")
    assert len(rows) >= len(spans)


def test_a_missed_transfer_has_its_pair_and_times_and_nothing_measured():
    (row,) = label(encounters([]), meetings([(1, 5, 60)], ["transfer"])).to_pylist()
    assert not row["detected"]
    assert (row["mmsi_a"], row["mmsi_b"]) == (1, 11)
    assert row["duration_min"] is None
    assert row["start_time"].minute == 5


def test_nothing_gives_nothing_of_the_schema():
    assert label(encounters([]), meetings([], [])).schema == LABELLED
    assert label(encounters([(1, 0, 40)]), meetings([], [])).to_pylist()[0]["truth"] == "traffic"
