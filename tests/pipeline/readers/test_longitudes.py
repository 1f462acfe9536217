"""Owns: a table of longitudes from 0 to 360 gives what the same table from -180 to 180 gives, and no other is moved."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stswatch.pipeline import api
from stswatch.pipeline.readers.formats import open_source


def rows(lon):
    return [
        {"mmsi": 431000001, "time": f"2025-03-10T{at // 60 % 24:02d}:{at % 60:02d}:00Z", "lat": 10.5, "lon": value}
        for at, value in enumerate(lon)
    ]


def csv(lon):
    lines = [",".join(str(value) for value in row.values()) for row in rows(lon)]
    return "\n".join(["mmsi,time,lat,lon", *lines]).encode()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(-1799, 1799).map(lambda tenths: tenths / 10), min_size=1, max_size=30))
def test_longitudes_of_0_to_360_give_the_same(written, lon):
    moved = [round(value % 360, 1) for value in lon]
    moved = [value if value != 181.0 else 181.1 for value in moved]
    lon = [value if value != -179.0 else -178.9 for value in lon]
    wanted = api.decode(written("a.csv", csv(lon))).fixes
    for content in (csv(moved), json.dumps(rows(moved)).encode()):
        got = api.decode(written("b.dat", content)).fixes
        assert got["lon"].to_pylist() == wanted["lon"].to_pylist()
        assert got["invalid_reason"].to_pylist() == wanted["invalid_reason"].to_pylist()


def test_it_is_said(written, tmp_path):
    table = pa.table({name: [row[name] for row in rows([124.5, 235.0])] for name in rows([0])[0]})
    pq.write_table(table, tmp_path / "a.parquet")
    for path in (written("a.csv", csv([124.5, 235.0])), tmp_path / "a.parquet"):
        assert "longitudes of 0 to 360" in open_source(path).clock
        assert api.decode(path).fixes["lon"].to_pylist() == [124.5, -125.0]


@pytest.mark.parametrize("lon", [[124.5, 235.0, -90.0], [124.5, 400.0], [124.5, 181.0]])
def test_any_other_table_is_left_as_it_is(written, lon):
    path = written("a.csv", csv(lon))
    assert "longitudes" not in open_source(path).clock
    got = api.decode(path).fixes
    assert got["lon"].to_pylist() == [value if value != 181.0 else None for value in lon]
    assert got["invalid_reason"].to_pylist()[1] is not None


def test_large_tables_are_looked_at_all_over(written):
    lon = np.full(60_000, 124.5)
    lon[-20:] = 235.0
    got = api.decode(written("a.csv", csv(lon.tolist()))).fixes
    assert set(got["lon"].to_pylist()) == {124.5, -125.0}
    lon[30_000:36_000] = -90.0
    got = api.decode(written("a.csv", csv(lon.tolist()))).fixes
    assert got["invalid_reason"].to_pylist()[-1] == "out_of_range"
