"""Owns: no flipped bit of a kept file goes unnoticed, whichever part of it is read."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR
from stswatch.pipeline.routes import LAKE_SHARDS
from stswatch.pipeline.store import entries, lake
from stswatch.pipeline.store.files import DamagedFile
from tests.pipeline.damage import flip

NAMES = ("mmsi", "time", "lon", "lat", "receiver")
EVER = (-(1 << 62), 1 << 62)
FLIPS = 300


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A folder with one source in its lake, of several row groups; gives it and the part."""
    monkeypatch.setattr(lake, "_ROWS_PER_GROUP", 100)
    n, rng = 2000, np.random.default_rng(1)
    fixes = pa.table(
        [
            {
                "mmsi": pa.array(rng.integers(2e8, 7e8, n).astype(np.int32)),
                "time": pa.array(rng.integers(0, HOUR, n)).cast(schema.UTC),
                "source": pa.array(["0" * 16] * n),
                "offset": pa.array(np.arange(n)),
                "length": pa.array(np.full(n, 50), pa.int32()),
                "receiver": pa.array(["unknown"] * n),
                "lon": pa.array(rng.uniform(0, 9, n)),
                "lat": pa.array(rng.uniform(0, 9, n)),
            }.get(f.name, pa.nulls(n, f.type))
            for f in schema.FIXES
        ],
        schema=schema.FIXES,
    )
    name = entries.reading("a" * 16, HOUR, "", [0])
    writer = lake.Writer(tmp_path, name, 0, HOUR)
    writer.write({"fixes": fixes, "static_reports": schema.empty("static_reports"), "rejects": schema.empty("rejects")})
    receipt = writer.close(sentences=n)
    (part,) = receipt.parts
    assert len(part.pieces) > 5
    return tmp_path, part


def read(data, part, shards=(0, LAKE_SHARDS)):
    return lake.read(data, [part], NAMES, shards, EVER, "fixes")


def test_no_flip_anywhere_in_a_file_of_the_lake_is_read_over(kept):
    data, part = kept
    path, whole = data / part.path, read(data, part)
    good, half = path.read_bytes(), read(data, part, (0, 32))
    rng, seen = random.Random(1), 0
    for _ in range(FLIPS):
        flip(path, rng)
        assert not lake.is_whole(data, part)
        with pytest.raises(DamagedFile, match=r"is damaged"):
            read(data, part)
        try:  # what is not read may be damaged
            assert read(data, part, (0, 32)).equals(half)
        except DamagedFile:
            seen += 1
        path.write_bytes(good)
    assert 0.2 * FLIPS < seen < 0.8 * FLIPS
    assert read(data, part).equals(whole)


@pytest.mark.parametrize("size", [0, 3, 1000, -1])
def test_a_file_that_is_cut_off_or_gone_is_named(kept, size):
    data, part = kept
    path = data / part.path
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DamagedFile, match=r"parquet: is damaged \(it has [\d,]+ bytes of"):
        read(data, part)
    path.unlink()
    with pytest.raises(DamagedFile, match=r"parquet: is not there"):
        read(data, part)


def test_a_lake_of_files_without_checksums_is_read(kept):
    data, part = kept
    bare = lake.Part(part.table, part.slab_us, part.path, part.rows, part.last_shards)
    assert read(data, bare).equals(read(data, part))
    assert lake.is_whole(data, bare)
