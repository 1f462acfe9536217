"""Rows lie in files of the slice, just themselves; through Beam travels only where they lie."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline import schema
from stswatch.pipeline.batch import Result
from stswatch.pipeline.flow.calls import SENT, Job, ParcelWriter, opened, run_shard
from stswatch.pipeline.flow.engine import ApplySteps, StepsSpec
from stswatch.pipeline.flow.slices import Slice
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import STEPS, Step, stages

BIG = pa.table(
    {"time": pa.array(np.arange(500_000)).cast(schema.UTC), "place": np.random.default_rng(0).random(500_000)}
)


def sent(folder, *rows: tuple[str, pa.Table]):
    with ParcelWriter(folder, "vessel-0") as outbox:
        return [outbox.put(table, part) for table, part in rows]


@pytest.mark.parametrize("table", schema.FLOW)
def test_an_empty_table_of_the_flow_travels_with_its_schema(table, tmp_path):
    got = opened(tmp_path, sent(tmp_path, (table, schema.FLOW[table].empty_table())))
    assert list(got) == [table]
    assert got[table].num_rows == 0
    assert got[table].schema.equals(schema.FLOW[table], check_metadata=True)


@settings(deadline=None, max_examples=30)
@given(cuts=st.lists(st.tuples(st.integers(0, 499_999), st.integers(0, 3000)), min_size=1, max_size=5))
def test_slices_travel_as_their_rows_and_no_more(cuts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sent")
    parts = [BIG.slice(start, length) for start, length in cuts]
    parcels = sent(folder, *(("legs", part) for part in parts))
    (file,) = (folder / SENT).glob("vessel-0-*.arrow")
    assert file.stat().st_size < sum(16 * p.num_rows + 2_000 for p in parts)
    assert opened(folder, parcels)["legs"].equals(pa.concat_tables(parts))


def test_rows_of_any_shape_travel(tmp_path):
    rows = pa.table(
        {
            "words": pa.array(["a", None, "long" * 1000]).dictionary_encode(),
            "inner": pa.array([[1, 2], None, []], pa.list_(pa.int32())),
            "bins": pa.array([[{"bin": 1, "ms": 2}], [], None], pa.list_(schema.BIN)),
            "flag": pa.array([True, None, False]),
        }
    )
    parts = [rows, rows.slice(1, 2), rows.slice(3)]
    parcels = sent(tmp_path, *((str(k), part) for k, part in enumerate(parts)))
    got = opened(tmp_path, parcels)
    assert [got[str(k)].equals(part) for k, part in enumerate(parts)] == [True] * 3


def test_parcels_of_several_calls_come_in_the_order_given(tmp_path):
    parcels = []
    for name in ("vessel-0", "vessel-1"):
        with ParcelWriter(tmp_path, name) as outbox:
            parcels += [outbox.put("legs", BIG.slice(7 * k, 7)) for k in range(3)]
    got = opened(tmp_path, [parcels[k] for k in (4, 0, 5)])["legs"]
    assert got.equals(pa.concat_tables([BIG.slice(7 * k, 7) for k in (1, 0, 2)]))


@settings(deadline=None, max_examples=30)
@given(cuts=st.lists(st.tuples(st.integers(0, 499_999), st.integers(0, 3000)), min_size=1, max_size=5))
def test_shares_of_one_table_are_written_once(cuts, tmp_path_factory):
    folder, rows = tmp_path_factory.mktemp("sent"), BIG.slice(0, 10_000)
    cuts = [(start % 10_000, min(length, 10_000 - start % 10_000)) for start, length in cuts]
    with ParcelWriter(folder, "vessel-0") as outbox:
        parcels = [outbox.put("legs", rows, *cut) for cut in cuts]
    (file,) = (folder / SENT).glob("vessel-0-*.arrow")
    assert file.stat().st_size < 16 * rows.num_rows + 2_000
    assert opened(folder, parcels)["legs"].equals(pa.concat_tables([rows.slice(*cut) for cut in cuts]))


def test_a_call_that_sends_nothing_makes_no_file(tmp_path):
    assert sent(tmp_path) == []
    assert not (tmp_path / SENT).exists()


def test_buffers_lie_aligned(tmp_path):
    """So that NumPy need not copy, wherever in the file the rows begin."""
    parcels = sent(tmp_path, ("a", BIG.slice(0, 3)), ("legs", BIG.slice(0, 65)))
    assert np.asarray(opened(tmp_path, parcels[1:])["legs"]["place"].chunk(0)).flags.aligned


def test_no_collection_of_a_slice_is_pickled():
    """Every collection that is handed to a step is of plain words and numbers, which Beam has coders for."""
    p = beam.Pipeline(runner="FnApiRunner")
    _ = p | ApplySteps(StepsSpec("nowhere", STEPS, Rules(), 7))
    proto = p.to_runner_api(use_fake_coders=False)
    grouped = [c for c in proto.components.pcollections.values() if "with rows" in c.unique_name]
    assert len(grouped) == len(stages(STEPS))

    def kinds(coder_id):
        coder = proto.components.coders[coder_id]
        return {coder.spec.urn}.union(*(kinds(part) for part in coder.component_coder_ids))

    used = set().union(*(kinds(c.coder_id) for c in grouped))
    assert any("kv" in urn for urn in used)
    assert not [urn for urn in used if "pickled" in urn]


def test_threads_of_a_worker_call_one_step_at_a_time(tmp_path):
    """What shapely has prepared is for one at a time: two that ask of it at once end the process."""
    inside, most = [], []

    def run(state, batch, rules):
        inside.append(batch.shard)
        most.append(len(inside))
        time.sleep(0.02)
        inside.remove(batch.shard)
        return Result(state, {})

    (tmp_path / "slice" / "state").mkdir(parents=True)
    step = Step("alone", run, {}, ())
    job = Job(tmp_path, tmp_path / "slice", None, Slice(0, 1, 1, True, (), 0), Rules(), 8, (step,))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda shard: run_shard(job, "alone", shard, []), range(8)))
    assert most == [1] * 8
