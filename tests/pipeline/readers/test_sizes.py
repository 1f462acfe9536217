"""Owns: what a file is unpacked to is bounded, and many members of a zip cost what as many files cost."""

from __future__ import annotations

import io
import time
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stswatch.pipeline import api
from stswatch.pipeline.readers import parquet
from stswatch.pipeline.readers.formats import open_sources
from stswatch.pipeline.readers.source import SourceError
from stswatch.pipeline.readers.tabular import LONGEST_WORD

BEGIN = datetime(2025, 3, 10, tzinfo=UTC)


def positions(names):
    n = len(names)
    return pa.table(
        {
            "mmsi": [412000001 + k % 3 for k in range(n)],
            "time": pa.array([BEGIN + timedelta(seconds=10 * k) for k in range(n)]),
            "lon": [124.5] * n,
            "lat": [38.0] * n,
            "name": names,
        }
    )


def of_dictionary(words, numbers):
    return pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), pa.array(words))


BOMBS: dict[str, tuple[pa.Table, dict[str, Any]]] = {
    "in a dictionary": (positions(["A" * 3_000_000] * 3), {}),
    "plain": (positions(["A" * 3_000_000] * 3), {"use_dictionary": False}),
    "pages of version 2": (positions(["A" * 3_000_000] * 3), {"data_page_version": "2.0", "use_dictionary": False}),
    "one that stands for many": (positions(of_dictionary(["A" * 3_000_000], [0] * 5000)), {}),
    "one among short ones": (
        positions(of_dictionary(["A" * 700_000, *map(str, range(2000))], [*range(2001), *[0] * 5000])),
        {},
    ),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_small_file_of_huge_texts_is_refused_and_the_folder_is_as_before(tmp_path, kind):
    table, how = BOMBS[kind]
    path = tmp_path / "bomb.parquet"
    pq.write_table(table, path, compression="zstd", **how)
    assert path.stat().st_size < 1_000_000
    before = pa.total_allocated_bytes()
    with pytest.raises(SourceError, match=r"bomb\.parquet: column 'name' holds what no AIS tells \(.*leave it out"):
        api.decode(path)
    assert pa.total_allocated_bytes() - before < 10_000_000


@pytest.mark.parametrize("name", ["mmsi", "time"])
def test_huge_texts_are_refused_before_the_form_of_the_times_is_looked_for(tmp_path, name):
    table = positions(["A"] * 3)
    huge = pa.array(["1" * 3_000_000] * 3)
    path = tmp_path / "bomb.parquet"
    pq.write_table(table.set_column(table.column_names.index(name), name, huge), path, compression="zstd")
    with pytest.raises(SourceError, match=rf"column '{name}' holds what no AIS tells"):
        api.decode(path)


@pytest.mark.parametrize("how", [{}, {"use_dictionary": False}, {"data_page_version": "2.0"}, {"row_group_size": 100}])
def test_texts_of_ships_are_read(tmp_path, how):
    names = [f"SHIP {k % 700}" for k in range(3000)]
    pq.write_table(positions(names), tmp_path / "a.parquet", compression="zstd", **how)
    assert api.decode(tmp_path / "a.parquet").static_reports.num_rows > 2000


def test_the_pages_of_a_file_are_those_that_were_written(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(positions([f"SHIP {k}" for k in range(5000)]), path, data_page_size=4096, use_dictionary=False)
    collected = pq.ParquetFile(path).metadata.row_group(0).column(4)
    with path.open("rb") as file:
        begin = collected.data_page_offset
        found = list(parquet.pages(file, begin, begin + collected.total_compressed_size))
    assert len(found) > 4
    assert sum(page.values for page in found) == 5000


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_text_that_is_too_long_is_cut(tmp_path, suffix):
    table = positions(["LONG" * 200, "SHORT"])
    path = tmp_path / f"a.{suffix}"
    if suffix == "csv":
        table.to_pandas().to_csv(path, index=False)
    else:
        pq.write_table(table, path)
    assert api.decode(path).static_reports["name"].to_pylist() == [("LONG" * 200)[:LONGEST_WORD], "SHORT"]


def zipped(path, count):
    with zipfile.ZipFile(path, "w") as out:
        for k in range(count):
            out.writestr(f"{k:05d}.csv", f"mmsi,time,lon,lat\n412000001,2025-03-10T00:{k % 60:02d}:00Z,124.5,38\n")


def test_the_directory_of_a_zip_is_read_once(tmp_path, monkeypatch):
    zipped(tmp_path / "a.zip", 50)
    read = []
    real = getattr(zipfile.ZipFile, "_RealGetContents")  # noqa: B009  typeshed hides it
    monkeypatch.setattr(zipfile.ZipFile, "_RealGetContents", lambda self: (read.append(1), real(self)))
    assert api.decode(tmp_path / "a.zip").fixes.num_rows == 50
    assert len(read) == 1


def test_a_zip_in_the_place_of_another_is_read_anew(tmp_path):
    zipped(tmp_path / "a.zip", 2)
    assert api.decode(tmp_path / "a.zip").fixes.num_rows == 2
    zipped(tmp_path / "b.zip", 3)
    (tmp_path / "b.zip").replace(tmp_path / "a.zip")
    assert api.decode(tmp_path / "a.zip").fixes.num_rows == 3


@pytest.mark.soak
def test_opening_a_zip_takes_time_by_the_member(tmp_path):
    took = []
    for count in (500, 4000):
        zipped(tmp_path / f"{count}.zip", count)
        began = time.process_time()
        assert len(open_sources(tmp_path / f"{count}.zip").sources) == count
        took.append(time.process_time() - began)
    assert took[1] < 16 * took[0]


def test_a_header_of_pages_that_breaks_off_is_said():
    with pytest.raises(parquet.PageError, match="breaks off"):
        list(parquet.pages(io.BytesIO(b"\x15\x00\x15"), 0, 3))
