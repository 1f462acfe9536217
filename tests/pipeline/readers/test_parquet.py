"""Owns: points of GeoParquet are longitudes and latitudes, however they are written, or are said not to be."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from stswatch.pipeline.readers.formats import chunks, open_source, read
from stswatch.pipeline.readers.parquet import lon_lat
from stswatch.pipeline.readers.source import SourceError
from tests.pipeline.readers.gather import together

LON, LAT = np.array([124.5, -90.25, 0.0]), np.array([38.25, 28.5, -60.0])
POINTS = shapely.points(LON, LAT)
WRITTEN = {
    "little-endian": pa.array(shapely.to_wkb(POINTS, byte_order=1)),
    "big-endian": pa.array(shapely.to_wkb(POINTS, byte_order=0)),
    "mixed": pa.array([shapely.to_wkb(POINTS[0], byte_order=0), *shapely.to_wkb(POINTS[1:], byte_order=1)]),
    "with height": pa.array(shapely.to_wkb(shapely.points(LON, LAT, [1.0, 2.0, 3.0]))),
    "with a number of its system": pa.array(shapely.to_wkb(shapely.set_srid(POINTS, 4326), include_srid=True)),
    "large": pa.array(shapely.to_wkb(POINTS, byte_order=1), pa.large_binary()),
    "structs": pa.StructArray.from_arrays([pa.array(LON), pa.array(LAT)], ["x", "y"]),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_points_are_read_however_they_are_written_and_wherever_the_batch_begins(name):
    for start in (0, 1):
        lon, lat = lon_lat(WRITTEN[name].slice(start))
        assert (lon.to_pylist(), lat.to_pylist()) == (LON[start:].tolist(), LAT[start:].tolist())


def test_what_is_no_point_has_no_position():
    line, empty = shapely.LineString([(0, 0), (1, 1)]), shapely.Point()
    strange = [shapely.to_wkb(POINTS[0]), None, shapely.to_wkb(line), b"rubbish", shapely.to_wkb(empty), b""]
    lon, lat = lon_lat(pa.array(strange, pa.binary()))
    assert lon.to_pylist() == [124.5, *[None] * 5]
    assert lat.to_pylist() == [38.25, *[None] * 5]
    assert lon_lat(pa.array([], pa.binary()))[0].to_pylist() == []


@pytest.fixture
def points(tmp_path):
    def write(**column):
        rows = {"mmsi": [431000001] * 3, "time": [1_741_608_000] * 3, "position": WRITTEN["little-endian"]}
        collected = {
            "version": "1.1.0",
            "primary_column": "position",
            "columns": {"position": {"encoding": "WKB", **column}},
        }
        path = tmp_path / "a.parquet"
        pq.write_table(pa.table(rows).replace_schema_metadata({"geo": json.dumps(collected)}), path)
        return path

    return write


@pytest.mark.parametrize(
    "column",
    [
        {"geometry_types": ["Point"]},
        {"geometry_types": []},
        {"geometry_types": ["Point Z"], "crs": {"id": {"authority": "OGC", "code": "CRS84"}}},
        {"geometry_types": ["Point"], "crs": {"id": {"authority": "EPSG", "code": 4326}}},
    ],
)
def test_the_column_that_the_file_names_is_taken(points, column):
    source = open_source(points(**column))
    got = together(batch for chunk in chunks(source) for batch in read(chunk))
    assert (got.fixes["lon"].to_pylist(), got.fixes["lat"].to_pylist()) == (LON.tolist(), LAT.tolist())


@pytest.mark.parametrize(
    ("column", "printed"),
    [
        ({"crs": {"id": {"authority": "EPSG", "code": 3857}}}, r"not in WGS 84 \(EPSG:4326\); write them in that"),
        ({"crs": {"name": "somewhere"}}, "not in WGS 84"),
        ({"geometry_types": ["Point", "LineString"]}, "holds a LineString, not points"),
    ],
)
def test_points_elsewhere_and_other_shapes_are_said(points, column, printed):
    with pytest.raises(SourceError, match=printed) as collected:
        open_source(points(**column))
    assert "\n" not in str(collected.value)


def test_longitude_and_latitude_go_before_points(tmp_path):
    rows = {
        "mmsi": [1],
        "time": [1_741_608_000],
        "lon": [1.0],
        "lat": [2.0],
        "geometry": WRITTEN["big-endian"].slice(0, 1),
    }
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    source = open_source(tmp_path / "a.parquet")
    got = together(batch for chunk in chunks(source) for batch in read(chunk))
    assert got.fixes["lon"].to_pylist() == [1.0]
