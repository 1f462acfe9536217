"""Owns: in memory the same as on disk: `decode` gives the rows of the lake, `detect` the events of a run."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import shapely

from stswatch.pipeline import api, schema
from stswatch.pipeline.readers.source import SourceError
from tests.pipeline import seas
from tests.pipeline.flow import archive
from tests.recording import TABLE, beginning

ROW = [("source", "ascending"), ("offset", "ascending"), ("mmsi", "ascending"), ("time", "ascending")]
OF_STATIC_DATA = ["ship_type_a", "ship_type_b", "length_a_m", "length_b_m"]  # by static reports, which positions lack
SEA = {"hours": 12.0, "pairs": 24, "anchored": 4, "fast": 0}


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The beginning of the recording."""
    return beginning(tmp_path_factory.mktemp("sample") / "sample.nmea.gz", 60_000)


@pytest.fixture(scope="module")
def watched(sample, tmp_path_factory):
    """A run over the sample, scored by the card that asks nothing of what vessels say of themselves."""
    folder = tmp_path_factory.mktemp("watched") / "data"
    return api.run(sample, folder, area="world", scorecard="rules").database.parent


def stored(data):
    with closing(api.connect(data)) as db:
        return db.sql("SELECT * FROM encounters ORDER BY mmsi_a, mmsi_b, start_time").to_arrow_table()


def assert_same_events(found, table):
    assert len(found) == table.num_rows
    for name in found.columns.drop(["geometry", "reasons", "zones"]):
        expected = table[name].to_pandas().astype(found[name].dtype)
        pd.testing.assert_series_equal(found[name], expected, check_names=False, check_exact=True)
    assert [list(zones) for zones in found.zones] == table["zones"].to_pylist()
    assert [list(reasons) for reasons in found.reasons] == table["reasons"].to_pylist()
    assert (found.geometry.x == found.lon).all()
    assert found.crs.to_epsg() == 4326


def assert_lake(decoded, data):
    """The rows of each table are those of the lake, types too."""
    with closing(api.connect(data)) as db:
        for name, rows in zip(decoded._fields, decoded, strict=True):
            lake = db.sql(f"SELECT * FROM {name}").to_arrow_table()
            assert rows.schema.equals(schema.LAKE[name])
            keys = [key for key in ROW if key[0] in rows.column_names]
            assert rows.sort_by(keys).equals(lake.cast(rows.schema).sort_by(keys)), name


def test_decode_gives_the_rows_of_the_lake_and_detect_the_events_of_the_run(sample, watched):
    decoded = api.decode(sample)
    assert decoded.fixes.num_rows > 40_000
    assert decoded.static_reports.num_rows > 1_000
    assert_lake(decoded, watched)
    events = stored(watched)
    assert events.num_rows >= 8
    for fixes in (decoded.fixes, decoded.fixes.to_pandas()):
        found = api.detect(fixes, scorecard="rules")
        assert found[OF_STATIC_DATA].isna().all(axis=None)
        assert_same_events(found.drop(columns=OF_STATIC_DATA), events)


def test_several_files_with_rows_that_cannot_be_used(tmp_path):
    rows = archive.fleet(**SEA)
    noise = rows.slice(0, 40).set_column(2, "lon", pa.array(np.full(40, 200.0)))
    half = rows.num_rows // 2
    files = [
        archive.write(tmp_path / "in" / "a.csv.gz", rows.slice(0, half)),
        archive.write(tmp_path / "in" / "b.parquet", pa.concat_tables([rows.slice(half), noise])),
    ]
    decoded = api.decode([*files, files[0]])
    data = api.run(tmp_path / "in", tmp_path / "data", area="world").database.parent
    assert_lake(decoded, data)
    assert decoded.rejects.num_rows == archive.BAD_ROWS
    assert decoded.fixes["invalid_reason"].to_pylist().count("out_of_range") == 40
    assert [table.num_rows for table in api.decode(tmp_path / "in")] == [table.num_rows for table in decoded]
    assert_same_events(api.detect(decoded.fixes), stored(data))


@pytest.mark.real
def test_real_files_too(real, tmp_path):
    file = real / "decoded" / "gulf_mexico_2023-08-01_to_12.csv.gz"
    decoded = api.decode(file)
    assert decoded.fixes.num_rows == 29_332
    data = api.run(file, tmp_path / "data", area="world").database.parent
    assert_lake(decoded, data)
    assert_same_events(api.detect(decoded.fixes), stored(data))
    found = api.detect(decoded.fixes)
    (lightering,) = found[(found.mmsi_a == 241502000) & (found.mmsi_b == 311000222)].itertuples()
    assert lightering.duration_min > 600


@pytest.fixture(scope="module")
def sea():
    fixes = archive.fleet(**SEA).to_pandas()
    events = api.detect(fixes)
    assert len(events) >= 30
    return fixes, events


def same(found, events):
    pd.testing.assert_frame_equal(
        pd.DataFrame(found.drop(columns="geometry")), pd.DataFrame(events.drop(columns="geometry"))
    )


def test_points_of_a_geodataframe_are_positions(sea):
    fixes, events = sea
    points = gpd.points_from_xy(fixes.lon, fixes.lat, crs=4326)
    frame = gpd.GeoDataFrame(fixes.drop(columns=["lon", "lat"]), geometry=points)
    same(api.detect(frame), events)
    same(api.detect(frame.set_crs(None, allow_override=True)), events)
    same(api.detect(frame.rename_geometry("position")), events)
    wrong = gpd.GeoDataFrame(fixes, geometry=gpd.points_from_xy(fixes.lat * 0, fixes.lon * 0), crs=4326)
    same(api.detect(wrong), events)  # columns that are there go before
    before = api.detect(frame.to_crs(3857))
    assert len(before) == len(events)
    assert np.allclose(before.cpa_distance_m, events.cpa_distance_m, atol=0.05)


def test_points_that_lack_are_no_positions_and_other_shapes_are_refused(sea):
    fixes, _ = sea
    frame = gpd.GeoDataFrame(fixes.drop(columns=["lon", "lat"]), geometry=gpd.points_from_xy(fixes.lon, fixes.lat))
    some = frame.geometry.where(np.arange(len(frame)) % 50 > 0, None)
    kept = fixes[np.arange(len(fixes)) % 50 > 0]
    same(api.detect(frame.set_geometry(some)), api.detect(kept))
    shapes = frame.geometry.copy()
    shapes.iloc[3] = shapely.LineString([(0, 0), (1, 1)])
    with pytest.raises(SourceError, match="holds a LineString; give points"):
        api.detect(frame.set_geometry(shapes))


def test_marks_of_decode_are_honoured():
    """Invalid rows are left out, and by satellite the gap threshold is longer."""
    a = seas.vessel(201000001, np.zeros(8), np.zeros(8), every_s=4 * 3600.0, sog_kn=0.0, lon=170.0)
    b = seas.vessel(201000002, np.full(8, 60.0), np.zeros(8), every_s=4 * 3600.0, sog_kn=0.0, lon=170.0)
    fixes = pa.concat_tables([a, b])
    at = fixes.column_names.index("receiver")
    by_satellite = fixes.set_column(at, schema.FIXES.field(at), pa.array(["satellite"] * 16))
    assert len(api.detect(fixes)) == 0, "four hours are a gap"
    (event,) = api.detect(by_satellite).itertuples()
    assert event.duration_min == 28 * 60
    frame = by_satellite.to_pandas()
    nobody = frame.iloc[:1].assign(mmsi=-0.5, receiver="terrestrial")
    assert len(api.detect(pd.concat([nobody, frame]))) == 1, "a row of nobody shifts no mark"
    marks = ["no reason"] + [None] * 15
    marked = by_satellite.set_column(
        by_satellite.column_names.index("invalid_reason"), "invalid_reason", pa.array(marks)
    )
    (event,) = api.detect(marked).itertuples()
    assert event.duration_min == 24 * 60
    assert len(api.detect(by_satellite.drop_columns(["invalid_reason"]))) == 1, "any table may tell its receivers"
    every = by_satellite.set_column(
        by_satellite.column_names.index("invalid_reason"), "invalid_reason", pa.array(["x"] * 16)
    )
    assert len(api.detect(every)) == 0


def test_what_cannot_be_decoded_is_said(tmp_path):
    (tmp_path / "a.txt").write_text("no archive\n")
    with pytest.raises(SourceError, match=r"a\.txt: is neither"):
        api.decode(tmp_path / "a.txt")
    with pytest.raises(SourceError, match="does not exist"):
        api.decode([TABLE, tmp_path / "none.csv"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="holds no file"):
        api.decode(tmp_path / "empty")


def test_decode_takes_a_column_map_and_a_start(tmp_path):
    (tmp_path / "map.toml").write_text(
        '[columns]\nmmsi = "id"\ntime = "t"\nlon = "x"\nlat = "y"\n[time]\nformat = "s"\n'
    )
    (tmp_path / "a.csv").write_text("id,t,x,y\n201000001,1700000000,1.5,2.5\n")
    (fix,) = api.decode(tmp_path / "a.csv", columns=tmp_path / "map.toml").fixes.to_pylist()
    assert (fix["mmsi"], fix["time"].timestamp(), fix["lon"], fix["lat"]) == (201000001, 1.7e9, 1.5, 2.5)


@pytest.mark.parametrize(("card", "loaded"), [("rules", []), ("trained", ["duckdb"])])
def test_neither_loads_beam_or_matplotlib_nor_duckdb_for_a_card_of_the_meeting_alone(card, loaded):
    """What lies round a meeting is asked of DuckDB, for cards with points for it."""
    code = f"""
import sys
from stswatch.pipeline import api
from tests.simulators.fleet import fleet
import geopandas as gpd
sea = fleet(hours=6.0)
frame = sea.to_pandas()
points = gpd.GeoDataFrame(frame.drop(columns=["lon", "lat"]), geometry=gpd.points_from_xy(frame.lon, frame.lat))
found = [api.detect(of, scorecard={card!r}) for of in (sea, frame, points)]
assert len(found[0]) == len(found[1]) == len(found[2]) > 0
assert api.decode({str(TABLE)!r}).fixes.num_rows
print([name for name in ("apache_beam", "duckdb", "matplotlib") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == str(loaded)
