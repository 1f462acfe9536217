"""Owns: points fall in the right zones, most specific first; zones are water and no lawful port; areas of users."""

import csv
import json

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from stswatch.geo.coast.land import coast
from stswatch.geo.reference.harbours import harbours, lawful_port
from stswatch.geo.reference.ports import ports
from stswatch.geo.reference.zones import (
    CONTEXT,
    KINDS,
    MARKS,
    REPORTED,
    AreaError,
    area,
    area_km2,
    kinds,
    shipped,
    zone_of,
    zones,
)
from stswatch.geo.scripts import build_places

SQUARE = [[[170, -5], [190, -5], [190, 5], [170, 5], [170, -5]]]
AT_MOST_KM2 = 650_000  # of all reported areas together: a larger net says nothing


def write(folder, thing, name="area.geojson"):
    path = folder / name
    path.write_text(thing if isinstance(thing, str) else json.dumps(thing))
    return path


def feature(shape, **properties):
    return {"type": "Feature", "properties": properties, "geometry": shapely.geometry.mapping(shape)}


def collection(*features):
    return {"type": "FeatureCollection", "features": list(features)}


def reported():
    wanted = [p["kind"] == REPORTED for p in zones().properties]
    return zones().geometry[np.array(wanted)]


# ------------------------------------------------------------------------------------------------ the zones


def test_each_zone_says_what_it_is_and_where_it_comes_from():
    table = zones()
    assert len(table.ids) == len(set(table.ids)) == 17
    for properties in table.properties:
        assert properties["regime"] == "DPRK"
        assert properties["mark"] in MARKS
        assert properties["kind"] in KINDS
        assert len(properties["labels"]) == len(set(properties["labels"])) >= 1
        assert len(properties["source"]) > 10
        assert properties["date"] is None or properties["date"][:2] == "20"
    assert shapely.is_valid(table.geometry).all()
    assert kinds(["yellow_sea", "dprk_east_eez", "ecs_offshore"]) == [CONTEXT, CONTEXT, REPORTED]


def test_seas_have_all_their_customary_names_and_ids_take_no_side():
    printed = {p["id"]: set(p["labels"]) for p in zones().properties}
    assert {"Yellow Sea", "West Sea"} <= printed["yellow_sea"]
    assert {"Sea of Japan", "East Sea"} <= printed["dprk_east_eez"]
    assert {"Gulf of Tonkin", "Beibu Gulf"} <= printed["tonkin"]
    assert not any("japan" in name or "east_sea" in name or "west_sea" in name for name in printed)


def test_the_file_is_what_its_drawings_make():
    assert build_places.differences(build_places.build_zones()) == []


def test_a_drawing_that_was_changed_is_noticed():
    built = [f for f in shipped("zones.geojson") if f.properties["id"] != "chodo"]
    moved = built[0]._replace(shape=shapely.transform(built[0].shape, lambda xy: xy + 0.001))
    other = built[1]._replace(properties={**built[1].properties, "mark": "G"})
    printed = build_places.differences([moved, other, *built[2:]])
    assert sorted(line.split()[0] for line in printed) == sorted(["chodo", *(f.properties["id"] for f in built[:2])])


def test_the_zones_lie_within_their_drawings():
    drawn = {f.properties["id"]: f.shape for f in shipped(build_places.DRAWN)}
    for name, shape in zip(zones().ids, zones().geometry, strict=True):
        assert shapely.area(shape - drawn[name].buffer(1e-3)) == 0, name
        assert shapely.area(shape) > 0.2 * shapely.area(drawn[name]), name


def test_reported_areas_together_are_not_too_large():
    whole_km2 = area_km2(shapely.union_all(reported()))
    assert 300_000 < whole_km2 < AT_MOST_KM2
    assert whole_km2 < sum(area_km2(shape) for shape in reported()) * 0.99  # some overlap, counted once


def test_the_area_of_a_polygon_is_that_of_the_ellipsoid_holes_taken_out():
    """A quarter of the Earth; a square degree at the equator; either way round; a hole counts against."""
    assert area_km2(shapely.box(0, 0, 90, 90)) == pytest.approx(510_065_622 / 8, rel=1e-4)
    square = shapely.box(0, 0, 1, 1)
    assert area_km2(square) == pytest.approx(12_308.8, rel=1e-4)
    assert area_km2(square.reverse()) == pytest.approx(area_km2(square))
    holed = square - shapely.box(0.25, 0.25, 0.75, 0.75)
    assert area_km2(holed) == pytest.approx(0.75 * area_km2(square), rel=1e-3)


@pytest.fixture(scope="module")
def inside():
    """Points drawn evenly from each zone, as id -> lon (n,), lat (n,)."""
    rng = np.random.default_rng(5)
    out = {}
    for name, shape in zip(zones().ids, zones().geometry, strict=True):
        west, south, east, north = shape.bounds
        lon, lat = rng.uniform(west, east, 4000), rng.uniform(south, north, 4000)
        out[name] = tuple(axis[shapely.intersects_xy(shape, lon, lat)] for axis in (lon, lat))
    return out


def test_zones_are_water_but_for_islets_and_for_the_harbours_of_the_trade(inside):
    quays = shapely.union_all(harbours().geometry[ports().trade[harbours().port]])
    for name, (lon, lat) in inside.items():
        assert len(lon) > 500, name
        land = coast(lon.min() - 0.1, lat.min() - 0.1, lon.max() + 0.1, lat.max() + 0.1)
        shapely.prepare(land)
        dry = shapely.intersects_xy(land, lon, lat) & ~shapely.intersects_xy(quays, lon, lat)
        assert dry.mean() < 0.03, name
        # none far from the shore: islets up to 2 km2, and the coast as simplified
        depth_km = 111 * shapely.distance(shapely.boundary(land), shapely.points(lon[dry], lat[dry]))
        assert depth_km.max(initial=0) < 0.9, name


def test_no_zone_holds_a_place_in_a_lawful_port(inside):
    """But within the 10 m to which corners are rounded; points of circles round bare ports differ by 30 m."""
    for name, (lon, lat) in inside.items():
        assert (lawful_port(lon, lat, 9.9) >= 0).mean() < 0.002, name
    some = lawful_port(*inside["ecs_offshore"], radius_km=60.0) >= 0
    assert some.mean() > 0.01, "with another radius some do: this test can fail"


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ((125.40, 38.712), ["nampo_sokto"]),  # Nampo, at the quay
        ((125.40, 38.73), ["nampo_sokto"]),  # on land, by the coast data, and in the harbour
        ((130.30, 42.225), ["rason_chongjin"]),  # Rajin
        ((133.06, 42.75), ["vostochny_nakhodka"]),  # Vostochny
        ((132.38, 42.89), ["dunay_strelok"]),
        ((132.885, 42.80), []),  # Nakhodka
        ((124.15, 39.80), []),  # Dandong
        ((124.15, 39.73), []),  # its roads
        ((122.15, 37.48), []),  # Weihai
        ((106.75, 20.86), []),  # Hai Phong
        ((107.35, 21.0), []),  # Cam Pha
        ((107.1, 20.93), []),  # Hon Gai, a port without polygons
        ((121.52, 31.41), []),  # Shanghai
        ((125.90, 37.75), ["haeju_north"]),
        ((125.70, 37.665), []),  # Yeonpyeong, of the Republic of Korea
        ((125.60, 37.65), []),  # south of the Northern Limit Line
        ((124.98, 38.63), ["nampo_sokto", "korea_bay"]),
        ((125.0, 39.9), []),  # land
    ],
)
def test_ports_of_the_trade_are_in_and_other_ports_are_out(place, expected):
    found = zone_of([place[0]], [place[1]])[0]
    assert [name for name in found if name != "chodo"] == expected


@given(st.lists(st.tuples(st.floats(100, 140), st.floats(15, 45)), max_size=30))
def test_zones_hold_the_points_in_them_by_their_precedence(points):
    table = zones()
    lon, lat = np.array(points).reshape(-1, 2).T
    found = zone_of(lon, lat)
    assert len(found) == len(points)
    for (x, y), names in zip(points, found, strict=True):
        held = [i for i, g in zip(table.ids, table.geometry, strict=True) if g.intersects(shapely.Point(x, y))]
        assert names == held
    rank = {p["id"]: p["precedence"] for p in table.properties}
    assert all([rank[n] for n in names] == sorted(rank[n] for n in names) for names in found)


def test_precedence_puts_the_smaller_of_two_that_overlap_first():
    table = zones()
    near = shapely.STRtree(table.geometry).query(table.geometry, predicate="intersects").T.tolist()
    pairs = [(i, j) for i, j in near if i < j]
    assert len(pairs) >= 5
    for i, j in pairs:
        assert area_km2(table.geometry[i]) < 1.3 * area_km2(table.geometry[j]), (table.ids[i], table.ids[j])


def test_a_point_is_in_the_same_zones_at_any_turn_and_nowhere_if_it_is_no_place():
    assert zone_of([124.98 - 360, 124.98, 124.98 + 360], [38.63] * 3) == [["chodo", "nampo_sokto", "korea_bay"]] * 3
    for lon, lat in [(np.nan, 38.6), (124.98, np.nan), (np.inf, 38.6), (124.98, -np.inf), (124.98, 91), (125, 1e300)]:
        assert zone_of([lon], [lat]) == [[]]
    assert zone_of([], []) == []
    assert zone_of(124.98, 38.63) == [["chodo", "nampo_sokto", "korea_bay"]]


# ------------------------------------------------------------------------------------------------ areas


def test_the_dprk_area_is_the_reported_zones_and_the_world_is_everything():
    middle = [(124.98, 38.63), (127.6, 39.3), (133.0, 42.65), (123.0, 36.0), (-90.0, 28.0)]
    lon, lat = np.array(middle).T
    assert area("dprk").contains(lon, lat).tolist() == [True, True, False, False, False]
    assert area("world").contains(lon, lat).all()
    for name in ("world", "dprk"):
        assert area(name).contains([np.nan, np.inf, 125], [0, 0, np.nan]).tolist() == [False] * 3
        assert area(name).contains([], []).tolist() == []
        assert area(name).zones.of([124.98], [38.63]) == [[]]


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
    got = area(write(tmp_path, shape))
    assert got.contains(lon, np.zeros(9)).tolist() == inside
    assert got.zones.of(lon, np.zeros(9)) == [["area"] if here else [] for here in inside]


def test_a_user_adds_a_regime_by_adding_a_file(tmp_path):
    wide, narrow, beside = shapely.box(10, 50, 20, 60), shapely.box(14, 54, 16, 56), shapely.box(30, 50, 31, 51)
    given = collection(
        feature(wide, id="wide", labels="the wide one", regime="EU", mark="G", source="a decree", date="2024"),
        feature(narrow, id="narrow", labels=["one", "two"]),
        feature(beside, kind=CONTEXT),
    )
    got = area(write(tmp_path, given, "mine.geojson"))
    assert got.zones.of([15, 11, 30.5, 0], [55, 51, 50.5, 0]) == [["narrow", "wide"], ["wide"], ["mine-3"], []]
    assert got.contains([15, 11, 30.5, 0], [55, 51, 50.5, 0]).tolist() == [True, True, False, False]
    printed = {p["id"]: p for p in got.zones.properties}
    assert printed["wide"] == {
        "id": "wide",
        "labels": ["the wide one"],
        "regime": "EU",
        "kind": REPORTED,
        "mark": "G",
        "source": "a decree",
        "date": "2024",
        "precedence": None,
    }
    assert (printed["narrow"]["labels"], printed["mine-3"]["kind"]) == (["one", "two"], CONTEXT)
    given["features"][0]["properties"]["precedence"] = 1
    assert area(write(tmp_path, given)).zones.of([15], [55]) == [["wide", "narrow"]]


def test_a_file_of_our_own_shape_is_read_as_it_is(tmp_path):
    text = build_places.text(shipped("zones.geojson"))
    got = area(write(tmp_path, text))
    assert got.zones.properties == zones().properties
    assert got.contains([124.8], [38.45]).tolist() == [True]


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
        (json.dumps(feature(shapely.box(0, 0, 1, 1), kind="secret")), "feature 1 is of kind 'secret'; give reported"),
        (json.dumps(feature(shapely.box(0, 0, 1, 1), kind=CONTEXT)), "every feature is context"),
        (json.dumps(feature(shapely.box(0, 0, 1, 1), precedence="first")), "has the precedence 'first'; give a number"),
        (json.dumps(feature(shapely.box(0, 0, 1, 1)) | {"properties": [1]}), "give an object or null"),
        (json.dumps(collection(*[feature(shapely.box(0, 0, 1, 1), id=7)] * 2)), "several features have the id '7'"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path, text, says):
    path = write(tmp_path, text)
    with pytest.raises(AreaError, match=says) as caught:
        area(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_a_folder_and_a_binary_are_refused(tmp_path):
    for path in (tmp_path / "none.geojson", tmp_path):
        with pytest.raises(AreaError, match="cannot be read"):
            area(path)
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(AreaError, match="not text"):
        area(binary)


def test_reported_transfers_lie_in_the_dprk_area_within_their_error(real):
    with (real / "truth" / "sts_events_public.csv").open() as file:
        events = [row for row in csv.DictReader(file) if row["lat_approx"]]
    assert len(events) >= 10
    whole = area("dprk").geometry
    for event in events:
        lon, lat = float(event["lon_approx"]), float(event["lat_approx"])
        error_km = float(event["error_km"])
        # a degree of longitude is the shorter one: a circle of the error, drawn with it, is too narrow, if anything
        circle = shapely.transform(
            shapely.Point(0, 0).buffer(error_km / 111.7),
            lambda xy, lon=lon, lat=lat: np.column_stack([lon + xy[:, 0], lat + xy[:, 1]]),
        )
        assert whole.intersects(circle), event["event_id"]
