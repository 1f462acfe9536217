"""The law through Beam, lake and store: the same rows publish the same tables, however files, slices and shards cut."""

from __future__ import annotations

import numpy as np
import pytest

from stswatch.pipeline.flow import row as engine
from tests.pipeline import seas
from tests.pipeline.flow import archive

pytestmark = pytest.mark.e2e

DAY = {"hours": 30.0, "pairs": 24, "anchored": 8, "fast": 0}
SHORT = {"hours": 6.0, "pairs": 48, "anchored": 4, "fast": 0}


@pytest.fixture(scope="module")
def rows():
    return archive.fleet(**DAY)


@pytest.fixture(scope="module")
def whole(rows, tmp_path_factory):
    """One file in order, one shard, a slice a day."""
    folder = tmp_path_factory.mktemp("whole")
    found = archive.run(folder / "data", [archive.write(folder / "a.csv", rows)], slice_h=12.0, shards=1)
    archive.has_a_floor(found, archive.cuts(folder / "data"))
    return found


@pytest.fixture(scope="module")
def file(rows, tmp_path_factory):
    return archive.write(tmp_path_factory.mktemp("file") / "a.parquet", rows)


def test_the_plainest_engine_gives_the_same(rows, whole):
    archive.assert_same(archive.in_memory(rows, whole), whole)


def in_time(rows):
    return [("a.csv", slice(0, 20_000)), ("b.csv.gz", slice(20_000, 31_000)), ("c.parquet", slice(31_000, None))]


def by_vessel(rows):
    mmsi = rows["mmsi"].to_numpy(zero_copy_only=False).astype(str)
    of = np.array([hash_of(m) % 3 for m in mmsi])
    return [(f"{k}.csv", of == k) for k in (2, 0, 1)]


def hash_of(word):
    return sum(word.encode())


def in_turn(rows):
    return [(f"{k}/x.parquet", np.arange(rows.num_rows) % 4 == k) for k in range(4)]


def shuffled(rows):
    return [("a.csv", np.random.default_rng(3).permutation(rows.num_rows))]


def shuffled_and_split(rows):
    parts = np.array_split(np.random.default_rng(4).permutation(rows.num_rows), 3)
    return [(f"{k}.csv", part) for k, part in enumerate(parts)]


@pytest.mark.parametrize(
    ("split", "hours", "shards", "workers"),
    [
        (in_time, 6, 7, 1),
        (by_vessel, 23, 64, 1),
        (in_turn, 12, 7, 2),
        (shuffled, 11.3, 7, 1),
        (shuffled_and_split, 6, 1, 1),
    ],
)
def test_neither_files_nor_slices_nor_shards_nor_workers_show(rows, whole, tmp_path, split, hours, shards, workers):
    """Each way to part the files, each length of slices and each number of shards once or more, not each with each."""
    paths = [archive.write(tmp_path / name, part(rows, chosen)) for name, chosen in split(rows)]
    found = archive.run(tmp_path / "data", paths, slice_h=hours, shards=shards, workers=workers)
    archive.has_a_floor(found, archive.cuts(tmp_path / "data"))
    archive.assert_same(whole, found)


def part(rows, chosen):
    if isinstance(chosen, slice):
        chosen = np.arange(rows.num_rows)[chosen]
    return archive.pick(rows, chosen)


def test_when_a_vessel_last_values_its_name_does_not_show_the_files(tmp_path):
    rows = archive.fleet(**SHORT)
    rows = rows.slice(0, rows.num_rows - archive.BAD_ROWS)
    rows = rows.set_column(rows.column_names.index("name"), "name", rows["mmsi"])
    half = rows.num_rows // 2
    one = archive.run(tmp_path / "one", [archive.write(tmp_path / "whole.csv", rows)])
    halves = [archive.write(tmp_path / "a.csv", rows[:half]), archive.write(tmp_path / "b.csv", rows[half:])]
    seas.assert_same({"vessels": one["vessels"]}, archive.run(tmp_path / "two", halves))


def test_order_of_files_and_repeats_do_not_show(rows, whole, tmp_path):
    """The same content under two names, two files that overlap, in both orders; a source counts once by content."""
    n = rows.num_rows
    good = rows.slice(0, n - archive.BAD_ROWS)
    paths = [
        archive.write(tmp_path / "first.csv", rows),
        archive.write(tmp_path / "again.csv", rows),
        archive.write(tmp_path / "middle.parquet", good.slice(n // 3, n // 3)),
    ]
    archive.assert_same(whole, archive.run(tmp_path / "data", paths))
    archive.assert_same(whole, archive.run(tmp_path / "other", paths[::-1], slice_h=6.0))
    assert len(archive.sources(tmp_path / "data")) == 2


def test_a_slab_that_exceeds_the_memory_is_cut_and_does_not_show(whole, file, tmp_path):
    budget = engine._BYTES_ALWAYS + 8_000 * engine._BYTES_PER_ROW
    found = archive.run(tmp_path, [file], memory_bytes=budget)
    archive.has_a_floor(found, archive.cuts(tmp_path))
    assert len(archive.cuts(tmp_path)) >= 4
    archive.assert_same(whole, found)


@pytest.mark.parametrize(("hours", "shards"), [(1, 1), (1, 7), seas.long(1, 64)])
def test_short_slices_do_not_show(tmp_path, hours, shards):
    rows = archive.fleet(**SHORT)
    file = archive.write(tmp_path / "a.parquet", rows)
    found = archive.run(tmp_path / "data", [file], slice_h=hours, shards=shards)
    archive.has_a_floor(found, archive.cuts(tmp_path / "data"))
    archive.assert_same(archive.in_memory(rows, found), found)
