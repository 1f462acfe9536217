"""The lake gives back what was written: every row once, by shard and span, and only what the catalogue leads to."""

from __future__ import annotations

import os
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, micros
from stswatch.pipeline.routes import LAKE_SHARDS, lake_shard
from stswatch.pipeline.store import entries, lake
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.entries import SourceEntry
from stswatch.pipeline.store.files import DamagedFile

SOURCE = "0123456789abcdef"
EVER = (-(1 << 62), 1 << 62)
ALL = (0, LAKE_SHARDS)
NAMES = [n for n in schema.FIXES.names if n != "more_refs"]
SMALL = 40  # rows of a group and of a file, so that few rows make many of each


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(lake, "_ROWS_PER_GROUP", SMALL)
    monkeypatch.setattr(lake, "_ROWS_PER_FILE", 5 * SMALL)


@st.composite
def tables(draw, kind="fixes"):
    """Fixes or static reports of any vessels, whole numbers of any kind among the MMSI, at any time of some days.

    Of every second table in order of time, as archives mostly are.
    """
    n, rng = draw(st.integers(0, 400)), np.random.default_rng(draw(st.integers(0, 2**32)))
    numbers = np.array(draw(st.lists(st.integers(-(2**31), 2**31 - 1) | st.integers(1, 10**9 - 1), min_size=1)))
    start_us = draw(st.sampled_from([0, -HOUR, 1_709_294_400_000_000, 253_000_000_000_000_000]))
    after_us = rng.integers(0, draw(st.sampled_from([1, HOUR, 30 * HOUR])), n)
    columns = {
        "mmsi": pa.array(rng.choice(numbers, n).astype(np.int32)),
        "time": pa.array(start_us + (np.sort(after_us) if draw(st.booleans()) else after_us)).cast(schema.UTC),
        "source": pa.array([SOURCE] * n, pa.string()),
        "offset": pa.array(np.arange(n)),
        "length": pa.array(rng.integers(1, 90, n), pa.int32()),
        "receiver": pa.array(rng.choice(["terrestrial", "satellite", "unknown"], n).tolist(), pa.string()),
        "lon": pa.array(rng.uniform(-180, 180, n), mask=rng.random(n) < 0.1),
        "invalid_reason": pa.array(
            ["bad_mmsi"] * n, pa.string(), mask=rng.random(n) > draw(st.sampled_from([0, 0.3, 1.1]))
        ),
        "name": pa.array([f"SHIP {k}" for k in rng.integers(0, 5, n)], pa.string(), mask=rng.random(n) < 0.2),
    }
    fields = schema.LAKE[kind]
    return pa.table([columns[f.name] if f.name in columns else pa.nulls(n, f.type) for f in fields], schema=fields)


def write(data, slab_h, *batches, reports=(), chunk=0):
    """The receipt of one chunk of these batches of fixes."""
    writer = lake.Writer(data, SOURCE, chunk, round(slab_h * HOUR))
    for k, fixes in enumerate(batches):
        collected = reports[k] if k < len(reports) else schema.empty("static_reports")
        writer.write({"fixes": fixes, "static_reports": collected, "rejects": schema.empty("rejects")})
    return writer.close(sentences=7, messages=5, fragments=2)


def of(table, receipt):
    return [part for part in receipt.parts if part.table == table]


def sorted_rows(table):
    """Rows in one order whatever they hold; the offset names each."""
    plain = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in table.columns]
    return pa.table(plain, names=table.column_names).sort_by("offset").combine_chunks()


def same(left, right):
    assert sorted_rows(left).to_pylist() == sorted_rows(right).to_pylist()


several = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@several
@given(fixes=tables(), cut=st.integers(0, 400), slab_h=st.sampled_from([24, 6]), shards=st.sampled_from([1, 3, 7, 64]))
def test_every_row_comes_back_once_whatever_the_shards(tmp_path_factory, fixes, cut, slab_h, shards):
    data = tmp_path_factory.mktemp("lake")
    parts = of("fixes", write(data, slab_h, fixes[:cut], fixes[cut:]))
    edges = [-(-k * LAKE_SHARDS // shards) for k in range(shards + 1)]
    found = [lake.read(data, parts, NAMES, pair, EVER, "fixes") for pair in pairwise(edges)]
    for (low, high), rows in zip(pairwise(edges), found, strict=True):
        shard = lake_shard(np.asarray(rows["mmsi"]))
        assert ((shard >= low) & (shard < high)).all()
    same(pa.concat_tables([sorted_rows(rows) for rows in found]), fixes.select(NAMES))


@several
@given(fixes=tables(), slab_h=st.sampled_from([24, 1]), edges=st.lists(st.integers(0, 30 * 60), max_size=4))
def test_spans_side_by_side_hold_each_row_once(tmp_path_factory, fixes, slab_h, edges):
    data = tmp_path_factory.mktemp("lake")
    parts = of("fixes", write(data, slab_h, fixes))
    start_us = int(micros(fixes, "time").min()) if fixes.num_rows else 0
    cuts = [EVER[0], *(start_us + m * 60_000_000 for m in sorted(edges)), EVER[1]]
    found = []
    for span in pairwise(cuts):
        rows = lake.read(data, parts, NAMES, ALL, span, "fixes")
        time_us = micros(rows, "time")
        assert ((time_us >= span[0]) & (time_us < span[1])).all()
        found.append(sorted_rows(rows))
    same(pa.concat_tables(found), fixes.select(NAMES))


@several
@given(fixes=tables(), reports=tables("static_reports"), slab_h=st.sampled_from([24, 1]))
def test_a_part_says_where_its_rows_are_and_a_group_holds_whole_shards(tmp_path_factory, fixes, reports, slab_h):
    data, slab_us = tmp_path_factory.mktemp("lake"), round(slab_h * HOUR)
    receipt = write(data, slab_h, fixes, reports=[reports])
    assert sum(part.rows for part in of("fixes", receipt)) == fixes.num_rows
    assert sum(part.rows for part in of("static_reports", receipt)) == reports.num_rows
    for part in receipt.parts:
        file = pq.ParquetFile(data / part.path)
        assert file.metadata.num_rows == part.rows
        rows = file.read(columns=["mmsi", "time"])
        assert (micros(rows, "time") // slab_us * slab_us == part.slab_us).all()
        assert lake.slab_name(part.slab_us) in part.path
        mmsi = np.asarray(rows["mmsi"]).astype(np.int64)
        keys = lake_shard(mmsi), mmsi & ((1 << 30) - 1), micros(rows, "time") // 1000
        assert np.array_equal(np.lexsort(keys[::-1]), np.arange(len(mmsi))), "by shard, MMSI and time"
        groups = [lake_shard(np.asarray(file.read_row_group(g)["mmsi"])) for g in range(file.num_row_groups)]
        assert [int(g.max()) for g in groups] == part.last_shards
        assert all((np.diff(group) >= 0).all() for group in groups), "sorted by shard"
        assert all(a.max() < b.min() for a, b in pairwise(groups)), "a shard is in one group"


def test_many_rows_make_many_groups_and_files(tmp_path):
    """The floor of the properties above: without it they could hold on single groups."""
    rng, n = np.random.default_rng(1), 400
    fixes = schema.empty("fixes")
    columns = {f.name: pa.nulls(n, f.type) for f in fixes.schema}
    columns |= {
        "mmsi": pa.array(rng.integers(2 * 10**8, 7 * 10**8, n), pa.int32()),
        "time": pa.array(np.arange(n) * 60_000_000).cast(schema.UTC),
        "receiver": pa.array(["terrestrial"] * n),
        "source": pa.array([SOURCE] * n),
        "offset": pa.array(np.arange(n)),
        "length": pa.array([1] * n, pa.int32()),
    }
    fixes = pa.table(columns, schema=schema.FIXES)
    parts = of("fixes", write(tmp_path, 24, fixes[:200], fixes[200:]))
    assert len(parts) == 2
    assert all(len(part.last_shards) >= 4 for part in parts)
    shard = np.unique(lake_shard(np.asarray(fixes["mmsi"])))
    assert len(shard) > 50


@several
@given(fixes=tables())
def test_a_receipt_counts_and_spans_the_valid_fixes(tmp_path_factory, fixes):
    data = tmp_path_factory.mktemp("lake")
    catalogue = Catalogue.open(data)
    receipt = write(data, 24, fixes)
    valid = fixes.filter(pc.is_null(fixes["invalid_reason"]))
    assert receipt.counts == {
        "fixes": fixes.num_rows,
        "invalid_fixes": fixes.num_rows - valid.num_rows,
        "static_reports": 0,
        "sentences": 7,
        "messages": 5,
        "fragments": 2,
    }
    time_us = micros(valid, "time") // 1000 * 1000
    span = (int(time_us.min()), int(time_us.max())) if len(time_us) else (None, None)
    assert (receipt.first_us, receipt.last_us) == span
    with catalogue:
        assert entries.finished(catalogue, SOURCE, 0) is None
        entries.keep_receipt(catalogue, SOURCE, 0, receipt)
        assert entries.finished(catalogue, SOURCE, 0) == receipt


def test_rejects_are_counted_by_reason_and_kept(tmp_path):
    reasons = ["checksum", "empty", "checksum"]
    rejects = pa.table(
        {
            "source": [SOURCE] * 3,
            "offset": [0, 50, 90],
            "length": pa.array([49, 39, 10], pa.int32()),
            "reason": reasons,
        },
        schema=schema.REJECTS,
    )
    writer = lake.Writer(tmp_path, SOURCE, 0, 24 * HOUR)
    for rows in (rejects[:1], rejects[1:]):
        writer.write(
            {"fixes": schema.empty("fixes"), "static_reports": schema.empty("static_reports"), "rejects": rows}
        )
    receipt = writer.close()
    assert receipt.rejects == {"checksum": 2, "empty": 1}
    (part,) = receipt.parts
    assert (part.table, part.slab_us, part.rows) == ("rejects", None, 3)
    kept = pq.read_table(tmp_path / part.path)
    assert sorted_rows(kept).to_pylist() == rejects.to_pylist()
    assert kept["offset"].to_pylist() == [0, 50, 90]


def test_a_source_counts_from_its_entry_in_the_catalogue_on(tmp_path):
    """Files and receipts without an entry are not seen; an entry holds its receipts."""
    fixes, collected = schema.empty("fixes"), {"source": SOURCE, "path": "a.csv"}
    with Catalogue.open(tmp_path) as catalogue:
        receipts = [write(tmp_path, 24, fixes, chunk=chunk) for chunk in (0, 64)]
        reading = entries.reading(SOURCE, 24 * HOUR, "as it is", [64, 0])
        for chunk, receipt in zip((0, 64), receipts, strict=True):
            entries.keep_receipt(catalogue, reading, chunk, receipt)
            assert entries.entries(catalogue) == {}
        entries.enter(catalogue, [SourceEntry(collected, 24 * HOUR, "as it is", receipts, [0, 64])])
        assert catalogue.keys("chunks") == []
        assert entries.entries(catalogue) == {SOURCE: SourceEntry(collected, 24 * HOUR, "as it is", receipts, [0, 64])}


def test_a_source_read_otherwise_is_what_it_was_until_it_is_entered_again(tmp_path):
    fixes, collected = schema.empty("fixes"), {"source": SOURCE, "path": "a.csv"}
    with Catalogue.open(tmp_path) as catalogue:
        for slab_us, chunks in ((24 * HOUR, [0, 64]), (HOUR, [0])):
            receipts = [write(tmp_path, slab_us // HOUR, fixes, chunk=chunk) for chunk in chunks]
            for chunk, receipt in zip(chunks, receipts, strict=True):
                name = entries.reading(SOURCE, slab_us, "as it is", chunks)
                entries.keep_receipt(catalogue, name, chunk, receipt)
            before = entries.entries(catalogue)
            assert [(e.slab_us, len(e.receipts)) for e in before.values()] == ([(24 * HOUR, 2)] if before else [])
            entries.enter(catalogue, [SourceEntry(collected, slab_us, "as it is", receipts, chunks)])
        assert [(e.slab_us, len(e.receipts)) for e in entries.entries(catalogue).values()] == [(HOUR, 1)]
        entries.keep_receipt(catalogue, "given-up", 0, receipts[0])
        entries.clear(catalogue)
        assert catalogue.keys("chunks") == []


def test_a_file_that_is_gone_is_an_error_with_its_name(tmp_path):
    part = lake.Part("fixes", 0, "lake/fixes/1970-01-01T00/gone-0-0.parquet", 1, [63])
    with pytest.raises(DamagedFile, match=r"gone-0-0\.parquet: is not there"):
        lake.read(tmp_path, [part], NAMES, ALL, EVER, "fixes")


@pytest.mark.parametrize(
    ("slab_us", "name"),
    [(None, "timeless"), (0, "1970-01-01T00"), (90_000_000, "1970-01-01T000130"), (-HOUR, "1969-12-31T23")],
)
def test_a_slab_is_named_by_its_start(slab_us, name):
    assert lake.slab_name(slab_us) == name
    assert os.sep not in name


def test_fields_of_the_sentence_cost_no_column_where_there_are_none(tmp_path):
    n = 6
    columns = {f.name: pa.nulls(n, f.type) for f in schema.FIXES}
    columns |= {
        "mmsi": pa.array([431000001 + k for k in range(n)], pa.int32()),
        "time": pa.array(np.arange(n) * 1_000_000).cast(schema.UTC),
        "receiver": pa.array(["terrestrial"] * n),
        "source": pa.array([SOURCE] * n),
        "offset": pa.array(np.arange(n)),
        "length": pa.array([1] * n, pa.int32()),
    }
    without = pa.table(columns, schema=schema.FIXES)
    collected = {"radio": [0, None, 5, 1, 2, 3], "raim": [None, True, False] * 2, "utc_second": [59, None, 63] * 2}
    columns |= {name: pa.array(values, schema.FIXES.field(name).type) for name, values in collected.items()}
    within = pa.table(columns, schema=schema.FIXES)
    for chunk, fixes in enumerate((without, within)):
        (part,) = write(tmp_path, 24, fixes, chunk=chunk).parts
        stored = set(pq.read_schema(tmp_path / part.path).names)
        assert stored.isdisjoint(collected) == (fixes is without)
        rows = lake.read(tmp_path, [part], schema.FIXES.names, ALL, EVER, "fixes")
        assert rows.sort_by("offset").select(list(collected)).to_pydict() == fixes.select(list(collected)).to_pydict()
        assert rows.column_names == schema.FIXES.names
