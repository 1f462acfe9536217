"""Owns: points fall in the right zones, smallest first; areas are read; bad files are refused clearly."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from stswatch.geo.zones import CONTEXT, KINDS, REPORTED, AreaError, area, kinds, zones, zones_of

SQUARE = [[[170, -5], [190, -5], [190, 5], [170, 5], [170, -5]]]


def write(folder, thing):
    path = folder / "area.geojson"
    path.write_text(thing if isinstance(thing, str) else json.dumps(thing))
    return path


def test_each_zone_says_what_it_is_and_where_it_comes_from():
    table = zones()
    assert len(table.ids) == len(set(table.ids)) == 16
    for properties in table.properties:
        assert properties["regime"] == "DPRK"
        assert properties["mark"] in "GDE"
        assert properties["kind"] in KINDS
        assert properties["labels"]
        assert properties["source"]
    assert shapely.is_valid(table.geometry).all()
    assert kinds(["yellow_sea", "dprk_east_eez", "ecs_offshore"]) == [CONTEXT, CONTEXT, REPORTED]


@given(st.lists(st.tuples(st.floats(100, 140), st.floats(15, 45)), max_size=30))
def test_zones_hold_the_points_in_them_smallest_first(points):
    table = zones()
    lon, lat = np.array(points).reshape(-1, 2).T
    found = zones_of(lon, lat)
    size = dict(zip(table.ids, shapely.area(table.geometry), strict=True))
    assert len(found) == len(points)
    for (x, y), names in zip(points, found, strict=True):
        assert set(names) == {
            i for i, g in zip(table.ids, table.geometry, strict=True) if g.intersects(shapely.Point(x, y))
        }
        small = [size[name] for name in names if name in ("chodo", "nampo_sokto", "korea_bay", "yellow_sea")]
        assert small == sorted(small)
    assert zones_of(lon + 360, lat) == zones_of(lon + 360 - 360, lat)


def test_sokto_is_in_its_own_zone_before_the_bay():
    assert zones_of(124.98, 38.63)[0] == ["chodo", "nampo_sokto", "korea_bay"]
    assert zones_of([np.nan], [0.0]) == [[]]
    assert zones_of([], []) == []


def test_the_dprk_area_is_the_reported_zones_and_the_world_is_everything():
    middle = [(124.98, 38.63), (127.6, 39.3), (133.0, 42.75), (123.0, 36.0), (-90.0, 28.0)]
    lon, lat = np.array(middle).T
    assert area("dprk").contains(lon, lat).tolist() == [True, True, False, False, False]
    assert area("world").contains(lon, lat).all()
    assert area("world").contains([np.nan], [0]).tolist() == [False]


@pytest.mark.parametrize(
    "shape",
    [
        {"type": "Polygon", "coordinates": SQUARE},
        {"type": "Feature", "properties": None, "geometry": {"type": "Polygon", "coordinates": SQUARE}},
        shapely.geometry.mapping(shapely.MultiPolygon([shapely.box(170, -5, 180, 5), shapely.box(-180, -5, -170, 5)])),
        shapely.geometry.mapping(shapely.box(-190, -5, -170, 5)),
    ],
    ids=["drawn beyond 180", "a feature", "cut at the line", "drawn beyond -180"],
)
def test_an_area_over_the_date_line_may_be_drawn_on_or_cut(tmp_path, shape):
    lon = np.array([175, 185, -175, -185, 179.9999, -180, 165, -165, 0])
    inside = [True, True, True, True, True, True, False, False, False]
    got = area(write(tmp_path, shape)).contains(lon, np.zeros(9))
    assert got.tolist() == inside


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("\x00\x01", "not JSON"),
        ('{"type": "FeatureCollection", "features": []}', "holds no feature"),
        ('{"type": "Point", "coordinates": [0, 0]}', "feature 1 is a Point"),
        ('{"a": 1}', "feature 1 is no GeoJSON geometry"),
        ("[1, 2]", "feature 1 is no GeoJSON geometry"),
        ('{"type": "Feature", "geometry": null}', "feature 1"),
        ('{"type": "Polygon", "coordinates": []}', "feature 1 is nothing"),
        ('{"type": "Polygon", "coordinates": [[[0,0],[1,1],[0,1],[1,0],[0,0]]]}', "not valid"),
        ('{"type": "Polygon", "coordinates": [[[0,0],[500000,0],[500000,4000000],[0,0]]]}', "give degrees"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path, text, says):
    path = write(tmp_path, text)
    with pytest.raises(AreaError, match=says) as caught:
        area(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_a_binary_and_a_zone_file_without_provenance_are_refused(tmp_path):
    with pytest.raises(AreaError, match="cannot be read"):
        area(tmp_path / "none.geojson")
    with pytest.raises(AreaError, match="cannot be read"):
        area(tmp_path)
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(AreaError, match="not text"):
        area(binary)
    bare = {
        "type": "Feature",
        "properties": {"id": "x"},
        "geometry": {"type": "Polygon", "coordinates": SQUARE},
    }
    with pytest.raises(AreaError, match="zone 1 has no labels, regime, kind, mark, source"):
        zones(write(tmp_path, bare))


@pytest.mark.real
@pytest.mark.skipif("STSWATCH_REAL_DATA" not in os.environ, reason="STSWATCH_REAL_DATA names no folder of real data")
def test_reported_transfers_lie_in_the_dprk_area_within_their_error():
    with (Path(os.environ["STSWATCH_REAL_DATA"]) / "truth" / "sts_events_public.csv").open() as file:
        events = [row for row in csv.DictReader(file) if row["lat_approx"]]
    assert len(events) >= 10
    whole = area("dprk").geometry
    for event in events:
        point = shapely.Point(float(event["lon_approx"]), float(event["lat_approx"]))
        assert whole.distance(point) * 111 <= float(event["error_km"]), event["event_id"]
