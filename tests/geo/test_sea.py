"""Owns: ways by sea hold the truth between value and bound, on drawn ways, in open water, and round the peninsula."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyproj
import pytest
import searoute
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

import stswatch.geo
from stswatch.geo.coast.land import coast
from stswatch.geo.coast.water import is_water
from stswatch.geo.coordinates.plane import from_plane, to_plane
from stswatch.geo.reference.ports import ports
from stswatch.geo.scripts.build_sea import INNER_BOX
from stswatch.geo.sea.distance import port_bound_km, port_distance_km, reach_km, sea_distance_km
from stswatch.geo.sea.lattice import LEVELS, crosses_shore, from_place_km, lattice, nodes_near, straight_is_clear
from stswatch.geo.sea.strings import InnerLand, inner_land

GEOD = pyproj.Geod(ellps="WGS84")
ROUTES = json.loads((Path(stswatch.geo.__path__[0]) / "data" / "routes.geojson").read_text())["features"]
DRAWN = {route["properties"]["name"]: np.array(route["geometry"]["coordinates"]) for route in ROUTES}
DPRK = ["nampo", "haeju", "wonsan", "hungnam", "chongjin", "rajin"]


def geodesic_km(lon0, lat0, lon1, lat1):
    return np.asarray(GEOD.inv(lon0, lat0, lon1, lat1)[2]) / 1000


def at_sea(n, seed=3, box=(105.0, 15.0, 145.0, 48.0)):
    rng = np.random.default_rng(seed)
    lon, lat = rng.uniform(box[0], box[2], 4 * n), rng.uniform(box[1], box[3], 4 * n)
    water = is_water(lon, lat)
    return lon[water][:n], lat[water][:n]


@pytest.mark.parametrize("name", DRAWN)
def test_no_way_is_longer_than_one_drawn_by_hand(name):
    lon, lat = DRAWN[name].T
    assert not crosses_shore(lon[:-1], lat[:-1], lon[1:], lat[1:]).any(), "a drawn way lies on water"
    drawn_km = GEOD.line_length(lon, lat) / 1000
    value, bound = sea_distance_km(lon[0], lat[0], lon[-1], lat[-1])
    assert bound <= value <= drawn_km
    assert value >= 0.85 * drawn_km, "ways are drawn as one would sail them"
    assert bound >= 0.9 * value


def test_there_are_drawn_ways_round_all_that_matters():
    assert len(DRAWN) >= 12
    wonsan = DRAWN["Nampo to Wonsan, round the peninsula"]
    assert geodesic_km(*wonsan[0], *wonsan[-1]) < 200
    assert sea_distance_km(*wonsan[0], *wonsan[-1]).bound_km > 1250


@pytest.mark.parametrize("name", [name for name, way in DRAWN.items() if GEOD.line_length(*way.T) > 300_000])
def test_the_figures_of_searoute_are_not_far_off(name):
    """A sanity check: its network is coarse, and its ways are those of large ships."""
    first, *_, last = DRAWN[name].tolist()
    theirs_km = searoute.searoute(first, last).properties["length"]
    assert 0.75 * theirs_km <= sea_distance_km(*first, *last).value_km[0] <= 1.1 * theirs_km


@given(st.floats(0, 360), st.floats(50, 900))
@settings(max_examples=40)
def test_in_open_water_both_are_near_the_geodesic_at_any_bearing(bearing, km):
    lon, lat = 134.0, 22.0  # the Philippine Sea
    lon1, lat1, _ = GEOD.fwd(lon, lat, bearing, km * 1000)
    if (128 < lon1 < 144 and 15 < lat1 < 26) or (130.6 < lon1 < 144 and 15 < lat1 < 30):  # elsewhere is Okinawa
        value, bound = sea_distance_km(lon, lat, lon1, lat1)
        assert bound == pytest.approx(km, rel=2e-4)
        assert km * (1 - 2e-4) <= value <= km * 1.012, "an islet may lie on the straight way"


def test_on_the_lattice_itself_open_water_is_within_three_percent_at_any_bearing():
    """What a way costs that is not straight to its end, as the long ones round land are."""
    held = lattice()
    turn = np.arange(0, 360, 3.0)
    for km in (60.0, 500.0):
        lon, lat, _ = GEOD.fwd(np.full(len(turn), 133.0), np.full(len(turn), 21.5), turn, np.full(len(turn), km * 1000))
        field = from_place_km(133.0, 21.5)
        assert len(field) == len(held.row)
        place, node, off_km = nodes_near(lon, lat)
        found = np.full(len(turn), np.inf)
        np.minimum.at(found, place, field[node] + off_km)
        assert (found >= km * (1 - 1e-4)).all()
        assert found.max() <= km * (1.03 if km < 100 else 1.012)


def test_the_bound_is_never_above_the_value_nor_below_the_great_circle():
    lon, lat = at_sea(250)
    value, bound = port_distance_km(lon, lat, DPRK)
    there = np.isfinite(value)
    assert there.mean() > 0.95
    assert (bound[there] <= value[there]).all()
    table = ports()
    for k, port in enumerate(DPRK):
        row = np.full(len(lon), np.flatnonzero(table.id == port)[0])
        assert (bound[:, k] >= geodesic_km(lon, lat, table.lon[row], table.lat[row]) * 0.9997).all()
    assert np.median(bound[there] / value[there]) > 0.96
    assert np.quantile(bound[there] / value[there], 0.05) > 0.9


def test_what_else_is_asked_changes_no_bound_and_few_are_asked_one_by_one(monkeypatch):
    """Bit for bit: a slice asks as many places together as it happens to hold, on land or at sea, few or thousands."""
    asked, clear = [], InnerLand.clear
    monkeypatch.setattr(InnerLand, "clear", lambda land, one, xy: asked.append(len(xy)) or clear(land, one, xy))
    rng, ids = np.random.default_rng(2), [*DPRK, "dalian"]
    lon, lat = np.append(rng.uniform(121, 131, 5000), 136.0), np.append(rng.uniform(33, 43, 5000), 60.0)
    many = port_bound_km(lon, lat, ids)
    assert sum(asked) <= 50 * len(ids), "as good as all is read off what a port sees"
    some = rng.choice(len(lon), 300, replace=False)
    assert np.array_equal(port_bound_km(lon[some], lat[some], ids), many[some])
    for k in some[:10].tolist():
        assert np.array_equal(port_bound_km(lon[k], lat[k], ids[::2]), many[k : k + 1, ::2])
    half = rng.random(many.shape) < 0.5
    assert np.array_equal(port_bound_km(lon, lat, ids, half)[half], many[half])


def test_value_and_bound_keep_the_triangle():
    """A way over a third place is a way: no bound is above the values of both of its parts."""
    lon, lat = at_sea(12, seed=5, box=(118.0, 30.0, 132.0, 42.0))
    value, bound = port_distance_km(lon, lat, DPRK)
    between = sea_distance_km(lon[:6], lat[:6], lon[6:], lat[6:])
    for k in range(len(DPRK)):
        for one, other in ((slice(0, 6), slice(6, 12)), (slice(6, 12), slice(0, 6))):
            ways = between.value_km + value[other, k]
            known = np.isfinite(ways)
            assert (bound[one, k][known] <= ways[known] + 1e-6).all()


def test_both_directions_are_the_same():
    lon, lat = at_sea(8, seed=9, box=(118.0, 30.0, 132.0, 42.0))
    there = sea_distance_km(lon[:4], lat[:4], lon[4:], lat[4:])
    back = sea_distance_km(lon[4:], lat[4:], lon[:4], lat[:4])
    np.testing.assert_allclose(there.value_km, back.value_km, rtol=1e-9)
    np.testing.assert_allclose(there.bound_km, back.bound_km, rtol=1e-9)


def test_inner_land_lies_within_the_land():
    """So no way at sea crosses it: no side of it meets a shore but that of a lake, and each polygon is on land."""
    shells = shapely.get_exterior_ring(shapely.get_parts(coast(*INNER_BOX)))
    shores = shapely.STRtree(shapely.linestrings(pairs(shells)))
    inner = shapely.transform(inner_land().polygons, lambda xy: np.column_stack(from_plane(xy)))
    sides = shapely.segmentize(inner_land().polygons, 0.0005)  # great circles, not lines in degrees
    sides = pairs(shapely.get_exterior_ring(shapely.transform(sides, lambda xy: np.column_stack(from_plane(xy)))))
    assert len(inner) > 80
    assert len(sides) > 10_000
    assert shores.query(shapely.linestrings(sides), predicate="intersects").size == 0
    within = shapely.STRtree(shapely.polygons(shells)).query(shapely.point_on_surface(inner), predicate="within")[0]
    assert len(np.unique(within)) == len(inner)


def pairs(rings):
    """The sides of rings, (n, 2, 2)."""
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    return np.stack([xy[:-1], xy[1:]], axis=1)[ring[1:] == ring[:-1]]


def test_ways_of_the_lattice_cross_no_land():
    held = lattice()
    ways = held.ways_km.tocoo()
    some = np.random.default_rng(1).choice(ways.nnz, 40_000)
    one, other = ways.row[some], ways.col[some]
    assert not crosses_shore(held.lon[one], held.lat[one], held.lon[other], held.lat[other]).any()
    np.testing.assert_allclose(
        ways.data[some], geodesic_km(held.lon[one], held.lat[one], held.lon[other], held.lat[other]), rtol=1e-4
    )
    assert is_water(held.lon[one], held.lat[one]).all()
    assert [len(level.ways) for level in LEVELS] == [8, 16, 48]


def test_great_circles_are_tried_piece_by_piece():
    over_shandong = to_plane([119.9], [36.0]), to_plane([121.2], [38.4])
    along_it = to_plane([122.9], [36.0]), to_plane([122.9], [38.4])
    assert straight_is_clear(*over_shandong).tolist() == [False]
    assert straight_is_clear(*along_it).tolist() == [True]


@given(st.floats(104.6, 145.4), st.floats(14.6, 48.4))
def test_the_plane_gives_back_what_it_got(lon, lat):
    back = from_plane(to_plane(lon, lat))
    assert back[0] == pytest.approx(lon, abs=1e-9)
    assert back[1] == pytest.approx(lat, abs=1e-9)


def test_the_net_is_never_sharper_than_the_answer_itself():
    lon, lat = at_sea(600, seed=11, box=(123.0, 37.0, 126.0, 40.0))
    sharp, coarse = port_distance_km(lon, lat, ["nampo", "wonsan"]), reach_km(lon, lat, ["nampo", "wonsan"])
    known = np.isfinite(coarse.value_km)
    assert known.mean() > 0.9
    assert (coarse.bound_km <= sharp.bound_km + 0.01).all()
    assert (coarse.value_km[known] - sharp.value_km[known] > -6.0).all(), (
        "two ways that can be sailed, either the shorter"
    )
    assert (
        coarse.value_km[known] - coarse.bound_km[known] - sharp.value_km[known] + sharp.bound_km[known] < 12.0
    ).all()


def test_outside_the_region_only_the_great_circle_is_known():
    value, bound = sea_distance_km([-90.0, 124.0], [27.0, 38.0], [-80.0, 151.0], [30.0, 38.0])
    assert np.isnan(value).all()
    assert bound == pytest.approx(geodesic_km([-90.0, 124.0], [27.0, 38.0], [-80.0, 151.0], [30.0, 38.0]), rel=4e-3)
    assert (bound <= geodesic_km([-90.0, 124.0], [27.0, 38.0], [-80.0, 151.0], [30.0, 38.0])).all()


def test_what_is_no_position_is_not_a_number_and_far_inland_there_is_no_way():
    value, bound = sea_distance_km(
        [np.nan, 124.0, 124.0, np.inf], [38.0, 91.0, 38.0, 0.0], 125.0, [38.0, 38.0, np.nan, 38.0]
    )
    assert np.isnan(value).all()
    assert np.isnan(bound).all()
    inland = port_distance_km([110.0], [34.0], ["nampo"])
    assert np.isnan(inland.value_km).all()
    assert inland.bound_km[0, 0] > 1000
    for found in (sea_distance_km([], [], [], []), port_distance_km([], [], [])):
        assert found.value_km.size == found.bound_km.size == 0
    assert port_distance_km([124.0], [38.0], []).value_km.shape == (1, 0)
    with pytest.raises(KeyError, match="no port"):
        port_distance_km([124.0], [38.0], ["atlantis"])


def test_a_turn_round_the_earth_and_the_shape_change_nothing():
    one = sea_distance_km([[125.0], [484.0]], [[38.4], [38.0]], 128.0, 39.3)
    other = sea_distance_km(125.0 - 360, 38.4, 128.0, 39.3)
    assert one.value_km.shape == (2, 1)
    assert one.value_km[0] == pytest.approx(other.value_km)
    assert one.bound_km[0] == pytest.approx(other.bound_km)
