"""Owns: the port table is sound and keeps its trade marks; what lies in which port; the nearest port is the nearest."""

import csv
import gzip
from importlib import resources

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from stswatch.geo.coast.land import coast
from stswatch.geo.coast.water import distance_to_shore_km, is_water, shore_error_km
from stswatch.geo.coordinates.sphere import haversine_m
from stswatch.geo.reference.harbours import (
    NEAR_KM,
    berth_of,
    harbours,
    lawful_port,
    nearest_port,
    of_trade,
    port_of_call,
    port_or_anchorage_of,
)
from stswatch.geo.reference.ports import (
    ANCHORAGE,
    HARBOUR,
    NEAR,
    SAME_PORT_KM,
    SAME_TRADE_PORT_KM,
    SHORE,
    ports,
    world_ports,
)
from stswatch.geo.reference.zones import MARKS, shipped
from stswatch.geo.scripts import build_places

CHINA = {"dalian", "dandong", "CNWEI", "CNSHD", "CNYNT", "penglai", "longkou", "CNTAO", "rizhao", "lanshan", "bayuquan"}
CHINA |= {"lianyungang", "CNSHA", "CNYAN", "ningbo", "zhoushan", "CNFOC", "CNXMN"}
KOREA = {"KRINC", "KRPTK", "KRKUV", "KRMOK", "KRYOS", "KRKAN", "KRPUS", "KRUSN", "KRKPO", "KRTGH"}
OTHERS = {"vladivostok", "nakhodka", "slavyanka", "kholmsk", "hai_phong", "cam_pha", "TWKEL", "TWTPE", "TWKHH"}
NEIGHBOURS = sorted(CHINA | KOREA | OTHERS)


# ------------------------------------------------------------------------------------------------ the table


def test_the_table_is_sound():
    table = ports()
    assert len(table.id) > 3_900
    assert len(set(table.id)) == len(table.id)
    assert (np.abs(table.lon) <= 180).all()
    assert (np.abs(table.lat) <= 90).all()
    assert len(set(zip(table.lon.tolist(), table.lat.tolist(), strict=True))) == len(table.id)
    assert not ((np.abs(table.lon) < 0.1) & (np.abs(table.lat) < 0.1)).any()
    assert {len(code) for code in table.country} == {2}
    assert all(table.name)
    assert set(table.mark) == set(MARKS)
    assert all(len(source) > 10 for source in table.source)
    with pytest.raises(ValueError, match="read-only"):
        table.lon[0] = 0


def test_trade_ports_are_those_of_the_dprk_vostochny_and_dunay():
    table = ports()
    trade = set(table.id[table.trade])
    assert {"nampo", "rajin", "wonsan", "haeju", "tanchon", "vostochny", "dunay"} <= trade
    assert set(table.country[table.trade]) == {"KP", "RU"}
    assert table.trade[table.country == "KP"].all()
    assert not table.trade[np.isin(table.name, ["Nakhodka", "Dandong", "Dalian", "Hai Phong"])].any()


def test_no_double_stands_beside_one_of_our_own_ports():
    table = ports()
    own = np.flatnonzero(np.char.islower(table.id))
    rest = np.flatnonzero(~np.char.islower(table.id))
    assert len(own) == 32
    for i in own:
        distance_km = haversine_m(table.lon[i], table.lat[i], table.lon[rest], table.lat[rest]) / 1000
        assert distance_km.min() > (SAME_TRADE_PORT_KM if table.trade[i] else SAME_PORT_KM)


def test_every_trade_port_and_every_large_neighbour_has_polygons():
    """A trade port without one would be known by its point alone, and a lawful one beside it could claim its waters."""
    table = ports()
    assert table.drawn[table.trade].all()
    assert set(NEIGHBOURS) <= set(table.id[table.drawn])
    for name in [*table.id[table.trade], *NEIGHBOURS]:
        assert HARBOUR in harbours().part[table.id[harbours().port] == name], name


def test_each_polygon_says_what_it_is():
    features = shipped("harbours.geojson")
    assert len(features) == len(harbours().port) >= 110
    for feature in features:
        assert feature.properties["port"] in ports().id
        assert feature.properties["part"] in (HARBOUR, ANCHORAGE)
        assert feature.properties["mark"] in MARKS
        assert feature.properties["note"]
    assert shapely.is_valid(harbours().geometry).all()


def test_a_harbour_touches_water_and_an_anchorage_lies_mostly_in_it():
    rivers = {"the river Yong up to the city", "Langtou, the river port, its own bank"}  # too narrow for the coast data
    drawn = [f for f in shipped("harbours.geojson") if f.properties["note"] not in rivers]
    assert len(drawn) == len(harbours().port) - len(rivers)
    for _, properties, shape in drawn:
        west, south, east, north = shape.bounds
        water = 1 - shapely.area(shapely.intersection(coast(west, south, east, north), shape)) / shapely.area(shape)
        assert water > (0.7 if properties["part"] == ANCHORAGE else 0.01), properties


def test_the_polygons_of_a_port_lie_by_its_point():
    table = ports()
    for i in np.flatnonzero(table.drawn):
        shapes = harbours().geometry[harbours().port == i]
        away_km = 111 * shapely.distance(shapes, shapely.Point(table.lon[i], table.lat[i]))
        assert away_km.min() < 15, table.id[i]
        assert away_km.max() < 130, table.id[i]


def test_no_lawful_polygon_lies_on_one_of_the_trade():
    trade = ports().trade[harbours().port]
    i, j = shapely.STRtree(harbours().geometry[trade]).query(harbours().geometry[~trade], predicate="intersects")
    common = shapely.intersection(harbours().geometry[~trade][i], harbours().geometry[trade][j])
    assert shapely.area(common).max(initial=0) == 0


# ------------------------------------------------------------------------------------------------ look-ups


@given(st.floats(-200, 200), st.floats(-90, 90))
def test_the_nearest_port_is_the_nearest_of_all(lon, lat):
    table = world_ports()
    index, distance_km = nearest_port([lon], [lat])
    all_km = haversine_m(lon, lat, table.lon, table.lat) / 1000
    assert index.dtype == np.int64
    assert distance_km[0] == pytest.approx(all_km.min(), abs=1e-4)
    assert all_km[index[0]] == pytest.approx(all_km.min(), abs=1e-4)


def oracle(lon, lat, radius_km):
    """Port and how, one point at a time, by looking at every polygon and every port."""
    table = ports()
    held = [
        (part != HARBOUR, shape.area, port, part)
        for port, part, shape in zip(harbours().port, harbours().part, harbours().geometry, strict=True)
        if shape.intersects(shapely.Point(lon, lat))
    ]
    if held:
        return min(held)[2:]
    all_km = haversine_m(lon, lat, table.lon, table.lat) / 1000
    nearest = int(np.argmin(all_km))
    near = all_km[nearest] <= radius_km and not table.drawn[nearest]
    return (nearest, NEAR) if near else (-1, "")


def places():
    """Anywhere in the region, and by the ports, where it matters."""
    table = ports()
    there = np.flatnonzero((table.lon > 105) & (table.lon < 145) & (table.lat > 15) & (table.lat < 48)).tolist()
    near = st.tuples(st.sampled_from(there), st.floats(-0.2, 0.2), st.floats(-0.2, 0.2)).map(
        lambda t: (table.lon[t[0]] + t[1], table.lat[t[0]] + t[2])
    )
    return st.one_of(near, st.tuples(st.floats(105, 145), st.floats(15, 48)))


@given(st.lists(places(), min_size=1, max_size=20), st.sampled_from([2.0, 10.0, 50.0]))
def test_in_port_is_what_looking_at_every_polygon_and_every_port_says(points, radius_km):
    table = ports()
    lon, lat = np.array(points).T
    index, how = port_or_anchorage_of(lon, lat, radius_km)
    expected = [oracle(x, y, radius_km) for x, y in points]
    assert list(zip(index.tolist(), how.tolist(), strict=True)) == expected
    lawful = lawful_port(lon, lat, radius_km)
    assert lawful.tolist() == [-1 if i >= 0 and table.trade[i] else i for i, _ in expected]
    assert lawful_port(lon + 360, lat, radius_km).tolist() == lawful.tolist()


def test_where_polygons_overlap_the_same_holds():
    shapes = harbours().geometry
    i, j = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    common = shapely.intersection(shapes[i[i < j]], shapes[j[i < j]])
    both = shapely.point_on_surface(common[shapely.area(common) > 0])
    assert len(both) >= 5
    lon, lat = shapely.get_x(both), shapely.get_y(both)
    index, how = port_or_anchorage_of(lon, lat)
    assert list(zip(index.tolist(), how.tolist(), strict=True)) == [
        oracle(x, y, NEAR_KM) for x, y in zip(lon, lat, strict=True)
    ]
    assert HARBOUR in how


def test_the_oracle_saw_every_answer():
    table = ports()
    centre = shapely.point_on_surface(harbours().geometry)
    index, how = port_or_anchorage_of(shapely.get_x(centre), shapely.get_y(centre))
    assert set(how.tolist()) == {HARBOUR, ANCHORAGE}
    assert np.mean(table.id[index] == table.id[harbours().port]) > 0.9  # some lie on another's
    alone = np.flatnonzero(~table.drawn)
    index, how = port_or_anchorage_of(table.lon[alone], table.lat[alone])
    assert np.mean(how == NEAR) > 0.98
    assert set(how[how != NEAR].tolist()) <= {HARBOUR, ANCHORAGE}


@pytest.mark.parametrize("name", ports().id[ports().trade].tolist())
def test_no_place_within_10_km_of_a_trade_port_is_in_a_lawful_port_but_by_a_polygon(name):
    table = ports()
    (i,) = np.flatnonzero(table.id == name)
    east, north = np.meshgrid(np.linspace(-0.13, 0.13, 60), np.linspace(-0.09, 0.09, 60))
    lon, lat = table.lon[i] + east.ravel(), table.lat[i] + north.ravel()
    _, how = port_or_anchorage_of(lon, lat)
    lawful = lawful_port(lon, lat)
    assert set(table.id[lawful[lawful >= 0]]) <= {"nakhodka"}
    assert set(how[lawful >= 0]) <= {HARBOUR, ANCHORAGE}


@given(st.lists(places(), min_size=1, max_size=20))
def test_at_berth_is_in_a_polygon_of_a_lawful_port_or_by_a_shore_that_is_none_of_the_trade(points):
    lon, lat = np.array(points).T
    index, how = berth_of(lon, lat)
    drawn, part = port_or_anchorage_of(lon, lat, 0.0)
    x, y = np.rint(lon * 1000) / 1000, np.rint(lat * 1000) / 1000
    km = distance_to_shore_km(x, y)
    by_shore = km <= shore_error_km(x, y, km)
    for k in range(len(lon)):
        if drawn[k] >= 0 and part[k] != NEAR:
            expected = (-1, "") if ports().trade[drawn[k]] else (drawn[k], part[k])
        else:
            by = by_shore[k] and not of_trade(x[k : k + 1], y[k : k + 1])[0]
            expected = (nearest_port(x[k], y[k])[0][0], SHORE) if by else (-1, "")
        assert (index[k], how[k]) == expected
    assert berth_of(lon + 360, lat)[0].tolist() == index.tolist()


def test_no_berth_lies_off_the_coast_of_the_dprk_or_beside_a_port_of_its_trade_but_by_a_polygon():
    rng = np.random.default_rng(5)
    table, polygons = ports(), harbours()
    for west, south, east, north in [(124.3, 37.7, 126.7, 39.8), (127.2, 38.7, 130.6, 42.2)]:
        lon, lat = rng.uniform(west, east, 3000), rng.uniform(south, north, 3000)
        afloat = is_water(lon, lat)
        index, how = berth_of(lon[afloat], lat[afloat])
        assert set(how[index >= 0].tolist()) <= {HARBOUR, ANCHORAGE}  # Dandong has one
    trade = np.flatnonzero(table.trade)
    lon = (table.lon[trade, None] + rng.uniform(-0.09, 0.09, (1, 400))).ravel()
    lat = (table.lat[trade, None] + rng.uniform(-0.06, 0.06, (1, 400))).ravel()
    index, _ = berth_of(lon, lat)
    assert set(table.id[index[index >= 0]].tolist()) <= set(table.id[polygons.port].tolist())
    assert not table.trade[index[index >= 0]].any()


def test_every_port_of_the_dprk_is_of_its_trade():
    table = world_ports()
    found = of_trade(table.lon, table.lat)
    assert found[table.country == "KP"].all()
    assert set(table.country[found]) <= {"KP", "RU", "CN"}  # Vostochny, Dunay, and Dandong across the Yalu


def test_transfers_in_dprk_waters_are_not_taken_for_a_port_call():
    """Everywhere on the west coast from the Northern Limit Line to the Yalu, and from the line to the Tumen."""
    for west, south, east, north in [
        (124.6, 37.75, 125.7, 39.6),
        (127.2, 38.7, 129.9, 42.0),
        (129.9, 42.0, 130.6, 42.4),
    ]:
        lon, lat = (axis.ravel() for axis in np.meshgrid(np.linspace(west, east, 90), np.linspace(south, north, 90)))
        assert (lawful_port(lon, lat) == -1).all()


def test_what_is_no_place_lies_in_no_port():
    lon = np.array([np.nan, 125.39, np.inf, 125.39, 125.39, 125.39])
    lat = np.array([38.71, np.nan, 38.71, -np.inf, 90.1, 38.71])
    expected = [False] * 5 + [True]
    index, how = port_or_anchorage_of(lon, lat)
    assert (index >= 0).tolist() == (how != "").tolist() == expected
    index, distance_km = nearest_port(lon, lat)
    assert (index >= 0).tolist() == np.isfinite(distance_km).tolist() == expected
    assert (lawful_port(lon, lat) == -1).all()
    assert (berth_of(lon, lat)[0] == -1).all()
    for index, other in (port_or_anchorage_of([], []), nearest_port([], []), berth_of([], [])):
        assert index.shape == other.shape == (0,)
        assert index.dtype == np.int64
    assert lawful_port([], []).shape == (0,)
    assert lawful_port(120.30, 36.08).shape == (1,)
    assert lawful_port([0.0], [0.0], 0.0).tolist() == [-1]


def test_what_is_given_stays_as_it_was():
    lon, lat = np.array([125.39 + 360, np.nan]), np.array([38.71, 0.0])
    kept = lon.copy(), lat.copy()
    for look in (berth_of, lawful_port, nearest_port, port_or_anchorage_of):
        look(lon, lat)
    np.testing.assert_array_equal((lon, lat), kept)


def test_every_port_is_its_own_nearest():
    table = ports()
    _, distance_km = nearest_port(table.lon, table.lat)
    assert distance_km.max() < 1e-6


# ------------------------------------------------------------------------------------------------ the World Port Index


@pytest.fixture(scope="module")
def index(real):
    """The World Port Index by name, and its columns."""
    with gzip.open(real / "geo" / "wpi_full.csv.gz", "rt", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def where(rows):
    return (np.array([float(row[name]) for row in rows]) for name in ("LONGITUDE", "LATITUDE"))


def test_ports_of_the_world_port_index_are_found_near(index):
    rows = [row for row in index if row["PORT_NAME"] != "LANSHAN"]  # its latitude there is wrong, see below
    found, distance_km = nearest_port(*where(rows))
    dprk = np.array([row["COUNTRY"] == "KP" for row in rows])
    large = np.array([row["HARBORSIZE"] == "L" for row in rows])
    assert dprk.sum() == 10
    assert distance_km[dprk].max() < 0.2
    assert ports().trade[found[dprk]].all()
    assert large.sum() > 100
    assert np.median(distance_km[large]) < 3
    assert np.mean(distance_km[large] < 10) > 0.9


def test_ports_of_the_index_lie_in_or_by_the_polygons_of_their_name(index):
    names = {
        "nampo": "NAMPO",
        "haeju": "HAEJU HANG",
        "wonsan": "WONSAN",
        "hungnam": "HUNGNAM",
        "chaho": "CH'AHO",
        "kimchaek": "KIMCH'AEK",
        "chongjin": "CH'ONGJIN",
        "rajin": "NAJIN",
        "sonbong": "SENBONG",
        "vostochny": "VOSTOCHNYY",
        "nakhodka": "NAKHODKA",
        "vladivostok": "VLADIVOSTOK",
        "slavyanka": "SLAVYANKA",
        "kholmsk": "KHOLMSK",
        "dalian": "DALIAN",
        "dandong": "DANDONG",
        "CNWEI": "WEIHAI",
        "CNYNT": "YANTAI",
        "CNTAO": "QINGDAO GANG",
        "rizhao": "RIZHAO",
        "lianyungang": "LIANYUNGANG",
        "zhoushan": "ZHOUSHAN",
        "CNXMN": "XIAMEN",
        "hai_phong": "HAI PHONG",
        "cam_pha": "CAM PHA",
        "KRINC": "INCHON",
        "KRKUV": "KUNSAN",
        "KRMOK": "MOKPO",
        "KRPUS": "PUSAN",
        "KRUSN": "ULSAN",
        "KRKPO": "POHANG",
        "KRYOS": "YOSU",
        "KRKAN": "GWANGYANG HANG",
        "TWKEL": "CHI-LUNG",
        "TWKHH": "KAO-HSIUNG",
    }
    (found,) = ({row["PORT_NAME"]: row for row in index if row["COUNTRY"] in ("KP", "RU", "CN", "VN", "KR", "TW")},)
    lon, lat = where([found[name] for name in names.values()])
    for name, x, y in zip(names, lon, lat, strict=True):
        shapes = harbours().geometry[ports().id[harbours().port] == name]
        assert 111 * shapely.distance(shapes, shapely.Point(x, y)).min() < 4, name  # the Index is rounded to minutes


def test_lanshan_is_where_it_is_and_not_where_the_index_prints_it(index):
    (printed,) = (row for row in index if row["PORT_NAME"] == "LANSHAN")
    assert float(printed["LATITUDE"]) == pytest.approx(30.10)  # 550 km inland
    (ours,) = np.flatnonzero(ports().id == "lanshan")
    assert ports().lat[ours] == pytest.approx(35.08)
    assert port_or_anchorage_of([ports().lon[ours]], [ports().lat[ours]])[1].tolist() == [HARBOUR]


def test_dunay_is_not_in_the_index_and_no_port_of_it_is_taken_for_it(index):
    (ours,) = np.flatnonzero(ports().id == "dunay")
    lon, lat = where(index)
    away_km = haversine_m(ports().lon[ours], ports().lat[ours], lon, lat) / 1000
    assert index[int(np.argmin(away_km))]["PORT_NAME"] == "BUKHTA GAYDAMAK"
    assert 20 < away_km.min() < 35
    assert np.sort(away_km)[1] > 40


def test_the_radius_is_that_of_the_rules():
    from stswatch.pipeline.rules import Rules

    assert Rules().proximity.port_radius_km == NEAR_KM


# ------------------------------------------------------------------------------------------------ the world's ports


def test_the_ports_of_the_world_stand_behind_those_by_which_meetings_are_judged():
    table, known = world_ports(), ports()
    n = len(known.id)
    assert len(table.id) > n + 1_500
    assert len(set(table.id)) == len(table.id)
    assert (table.id[:n] == known.id).all()
    assert not table.trade[n:].any()
    assert not table.drawn[n:].any()
    for i in range(n, len(table.id), 40):
        away_m = haversine_m(table.lon[i], table.lat[i], known.lon, known.lat)
        assert (away_m > 1000 * np.where(known.trade, SAME_TRADE_PORT_KM, SAME_PORT_KM)).all()


@pytest.mark.parametrize(
    ("lon", "lat", "name"),
    [
        (-5.495, 35.888, "Tanger Med"),
        (32.555, 29.945, "Port Suez"),
        (-4.9535, 36.4845, "Puerto Banus"),
        (-5.362, 36.142, "Gibraltar"),
        (119.37, 35.09, "Lanshan"),
        (125.39, 38.71, "Nampo"),
    ],
)
def test_a_call_is_named_by_its_port(lon, lat, name):
    index, how, km = port_of_call([lon, lon + 360], [lat, lat])
    assert world_ports().name[index].tolist() == [name, name]
    assert (how != "").all()
    assert km.max() < 10


def test_a_port_of_call_is_that_of_the_polygons_where_there_are_some():
    centre = shapely.point_on_surface(harbours().geometry)
    lon, lat = shapely.get_x(centre), shapely.get_y(centre)
    index, how, _ = port_of_call(lon, lat)
    expected = port_or_anchorage_of(lon, lat)
    assert index.tolist() == expected[0].tolist()
    assert how.tolist() == expected[1].tolist()


def test_no_call_at_sea_or_at_no_place():
    index, how, km = port_of_call([-30.0, np.nan, 0.0], [40.0, 40.0, 95.0])
    assert index.tolist() == [-1, -1, -1]
    assert how.tolist() == ["", "", ""]
    assert np.isfinite(km).tolist() == [True, False, False]


def test_the_file_is_what_the_index_makes(real):
    made = build_places.build_ports(real / "geo" / "wpi_full.csv.gz")
    assert made == (resources.files("stswatch.geo") / "data" / "world_ports.csv").read_text()
