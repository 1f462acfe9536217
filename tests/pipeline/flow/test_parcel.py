"""Rows travel through Beam as an Arrow stream of just themselves, never pickled."""

from __future__ import annotations

import pickle

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam import coders
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline import schema
from stswatch.pipeline.flow import local
from stswatch.pipeline.flow.coder import ParcelCoder
from stswatch.pipeline.flow.parcel import Parcel

BIG = pa.record_batch(
    {"time": pa.array(np.arange(500_000)).cast(schema.UTC), "place": np.random.default_rng(0).random(500_000)}
)


def coded(parcel):
    return ParcelCoder().decode(ParcelCoder().encode(parcel))


@pytest.mark.parametrize("table", schema.FLOW)
def test_an_empty_table_of_the_flow_travels_with_its_schema(table):
    batch = pa.RecordBatch.from_pylist([], schema=schema.FLOW[table])
    got = coded(Parcel.of(table, batch))
    assert (got.table, got.batch.num_rows) == (table, 0)
    assert got.batch.schema.equals(schema.FLOW[table], check_metadata=True)


@settings(deadline=None)
@given(start=st.integers(0, 499_999), length=st.integers(0, 3000))
def test_a_slice_travels_as_its_rows_and_no_more(start, length):
    part = BIG.slice(start, length)
    parcel = Parcel.of("legs", part)
    encoded = ParcelCoder().encode(parcel)
    assert len(encoded) < 16 * part.num_rows + 2_000
    assert coded(parcel).batch.equals(part)


def test_pickled_the_slice_would_be_its_parent():
    """Why there is a coder: pickling writes the whole buffers."""
    assert len(pickle.dumps(BIG.slice(0, 10))) > 1_000_000
    assert len(ParcelCoder().encode(Parcel.of("legs", BIG.slice(0, 10)))) < 2_000


def test_rows_of_any_shape_travel():
    batch = pa.record_batch(
        {
            "words": pa.array(["a", None, "long" * 1000]).dictionary_encode(),
            "inner": pa.array([[1, 2], None, []], pa.list_(pa.int32())),
            "bins": pa.array([[{"bin": 1, "ms": 2}], [], None], pa.list_(schema.BIN)),
            "flag": pa.array([True, None, False]),
        }
    )
    for part in (batch, batch.slice(1, 2), batch.slice(3)):
        assert coded(Parcel.of("proximities", part)).batch.equals(part)


def test_buffers_lie_aligned():
    """The name before the stream is filled up, so that NumPy need not copy."""
    got = coded(Parcel.of("legs", BIG.slice(0, 64))).batch
    assert np.asarray(got["place"]).flags.aligned


def test_beam_takes_the_coder_for_the_type_and_pickles_nothing():
    found = coders.registry.get_coder(Parcel)
    assert isinstance(found, ParcelCoder)
    pair = coders.registry.get_coder(beam.typehints.Tuple[int, Parcel])
    assert isinstance(pair, coders.TupleCoder)
    assert [type(part) for part in pair.coders()] == [coders.VarIntCoder, ParcelCoder]
    assert found.to_type_hint() is Parcel
    assert not found.is_deterministic()


def test_no_collection_of_a_slice_is_pickled(tmp_path):
    """Every collection that is grouped or handed to a step names the coder of parcels."""
    from stswatch.pipeline.flow.shard import Job
    from stswatch.pipeline.flow.slices import Slice
    from stswatch.pipeline.rules import Rules
    from stswatch.pipeline.steps import STEPS

    p = beam.Pipeline(runner="FnApiRunner")
    local.expand(p, Job(tmp_path, tmp_path, None, Slice(0, 1, 1, True, (), 0), Rules(), 3, STEPS), 1)
    proto = p.to_runner_api(use_fake_coders=False)
    used = {c.coder_id for c in proto.components.pcollections.values() if "by shard" in c.unique_name}
    grouped = [c for name, c in proto.components.pcollections.items() if "with rows" in c.unique_name]
    assert len(grouped) >= len(STEPS)
    assert used
    for collection in grouped:
        coder = proto.components.coders[collection.coder_id]
        parts = [proto.components.coders[name] for name in coder.component_coder_ids]
        assert len(parts) == 2
        assert b"ParcelCoder" in parts[1].spec.payload
