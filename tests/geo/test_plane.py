"""Owns: metres near a place agree with pyproj within the stated bounds, poles and date line included."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Geod, Transformer

from stswatch.geo.coordinates import plane
from stswatch.geo.coordinates.sphere import haversine_m, near_lon

WGS84 = Geod(ellps="WGS84")
LON = st.floats(-180, 180)
LAT = st.floats(-90, 90)
LAT_BY_POLES = st.one_of(LAT, st.floats(87, 90), st.floats(-90, -87))
BEARING = st.floats(0, 360, exclude_max=True)
BOUNDS = st.sampled_from([(0.01, 1e-8), (500.0, 1e-6), (8e3, 2.2e-3), (5e4, 0.52), (1e5, 4.2)])


@given(LON, st.floats(-89, 89))
def test_a_degree_is_as_long_as_the_geodesic_says(lon, lat):
    east_m, north_m = plane.metres_per_degree(lat)
    step = 1e-3
    _, _, along_m = WGS84.inv(lon, lat - step / 2, lon, lat + step / 2)
    _, _, across_m = WGS84.inv(lon - step / 2, lat, lon + step / 2, lat)
    assert along_m / step == pytest.approx(north_m, rel=1e-7)
    assert across_m / step == pytest.approx(east_m, rel=1e-7)
    assert north_m > plane.LEAST_M_PER_DEG


@given(LON, st.floats(-70, 70), BEARING, st.sampled_from([(500, 2e-6), (8000, 5e-3)]))
def test_a_plane_at_the_mean_latitude_measures_as_the_geodesic_does(lon, lat, bearing_deg, scale):
    distance_m, error_m = scale
    lon1, lat1, _ = WGS84.fwd(lon, lat, bearing_deg, distance_m)
    east_m, north_m = plane.metres_per_degree((lat + lat1) / 2)
    on_plane_m = np.hypot((near_lon(lon1, lon) - lon) * east_m, (lat1 - lat) * north_m)
    assert on_plane_m == pytest.approx(distance_m, abs=error_m)


@given(st.floats(-500, 500), st.floats(-89.99, 89.99), BEARING, BOUNDS)
def test_on_a_local_plane_distance_and_bearing_keep_their_bounds(lon, lat, bearing, scale):
    distance_m, short_m = scale
    lon1, lat1, _ = WGS84.fwd(lon, lat, bearing, distance_m)
    east_m, north_m = plane.to_local_m(lon1, lat1, lon, lat)
    assert -short_m <= np.hypot(east_m, north_m) - distance_m <= 1e-8
    aside_m = east_m * np.cos(np.radians(bearing)) - north_m * np.sin(np.radians(bearing))
    assert abs(aside_m) < max(1e-8, 2e-7 * distance_m)


@given(LON, LAT, st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_what_was_laid_on_a_plane_comes_back(lon0, lat0, east_m, north_m):
    lon, lat = plane.from_local_m(east_m, north_m, lon0, lat0)
    assert abs(lon - lon0) <= 180 + 1e-12
    back = np.array(plane.to_local_m(lon, lat, lon0, lat0))
    assert np.hypot(*(back - (east_m, north_m))) < 1e-8


@pytest.mark.parametrize("origin", [(179.9, 38.6), (-180.0, 0.0), (10.0, 90.0), (-20.0, -90.0), (124.9, -65.0)])
def test_the_plane_is_the_orthographic_projection_of_proj(origin):
    lon0, lat0 = origin
    to_plane = Transformer.from_crs(
        CRS("EPSG:4326"), CRS(f"+proj=ortho +ellps=WGS84 +lon_0={lon0} +lat_0={lat0}"), always_xy=True
    )
    rng = np.random.default_rng(3)
    bearing, distance_m = rng.uniform(0, 360, 200), 10 ** rng.uniform(-2, 6.5, 200)
    lon, lat, _ = WGS84.fwd(np.full(200, lon0), np.full(200, lat0), bearing, distance_m)
    theirs = np.array(to_plane.transform(lon, lat))
    assert np.hypot(*(np.array(plane.to_local_m(lon, lat, lon0, lat0)) - theirs)).max() < 1e-5


def test_the_plane_ends_where_the_earth_curves_away():
    assert np.isfinite(plane.from_local_m(6.35e6, 0, 0, 0)).all()
    assert np.isnan(plane.from_local_m([6.4e6, np.nan], [0, 0], 0, 0)).all()
    assert np.isnan(plane.to_local_m(np.nan, 0, 0, 0)[0])
    assert [v.shape for v in plane.to_local_m([], [], 0, 0)] == [(0,), (0,)]
    assert [v.shape for v in plane.from_local_m([], [], 0, 0)] == [(0,), (0,)]
    assert [v.shape for v in plane.metres_per_degree([])] == [(0,), (0,)]
    assert np.isnan(plane.metres_per_degree(np.nan)).all()


@given(LON, st.floats(-85, 85), st.floats(-0.2, 0.2), st.floats(-0.2, 0.2))
def test_a_hop_is_the_great_circle_to_a_part_in_100_000_and_one_hop_the_same(lon, lat, east, north):
    lon1, lat1 = lon + east, min(max(lat + north, -90), 90)
    hop_m = float(plane.hop_m([lon, lon1], [lat, lat1])[0])
    assert hop_m == pytest.approx(float(haversine_m(lon, lat, lon1, lat1)), rel=1e-5, abs=1e-6)
    assert plane.one_hop_m(lon, lat, lon1, lat1) == pytest.approx(hop_m, abs=1e-6)


@given(LON, LAT, LON, LAT, st.booleans())
def test_a_hop_of_any_length_is_measured_and_one_hop_the_same(lon0, lat0, lon1, lat1, antipodes):
    if antipodes:
        lon1, lat1 = lon0 + 180 + lon1 / 1e6, -lat0 * (1 - abs(lat1) / 1e8)
    hop_m = float(plane.hop_m([lon0, lon1], [lat0, lat1])[0])
    assert plane.one_hop_m(lon0, lat0, lon1, lat1) == pytest.approx(hop_m, abs=1e-6)


def test_one_point_makes_no_hop_and_no_point_neither():
    assert plane.hop_m([1.0], [2.0]).shape == plane.hop_m([], []).shape == (0,)
    assert np.isnan(plane.hop_m([1.0, np.nan, 2.0], [2.0, 2.0, 2.0])).all()
    assert plane.hop_m([179.99, -179.99], [0.0, 0.0]) == pytest.approx([2223.9], abs=0.1)


@given(LON, LAT_BY_POLES, st.floats(0, 1), st.floats(0, 1), BEARING, st.floats(0.01, 2e5), st.floats(0, 1))
def test_all_within_reach_of_a_box_lies_in_the_grown_box(west, south, width, height, bearing, by_m, share):
    east, north = west + width, min(south + height, 90)
    w, s, e, n = plane.grow_box(west, south, east, north, by_m)
    for lon, lat in ((west, south), (east, north), (west, north), (east, south), (west + share * width, north)):
        x, y, _ = WGS84.fwd(lon, lat, bearing, by_m)
        x = float(near_lon(x, (w + e) / 2))
        assert s - 1e-9 <= y <= n + 1e-9
        assert (w - 1e-9 <= x <= e + 1e-9) or e - w >= 360


def test_a_grown_box_is_hardly_larger_than_it_must_be_and_the_whole_circle_by_a_pole():
    w, s, e, n = plane.grow_box(10.0, 60.0, 10.0, 60.0, 1000.0)
    assert (e - w) / 2 * plane.metres_per_degree(60.0)[0] == pytest.approx(1000, rel=0.02)
    assert (n - s) / 2 * plane.metres_per_degree(60.0)[1] == pytest.approx(1000, rel=0.02)
    for south, north in ((89.9999, 89.9999), (-89.9999, 0.0), (90.0, 90.0)):
        w, _, e, _ = plane.grow_box(10.0, south, 11.0, north, 500.0)
        assert e - w >= 360
    assert [side.shape for side in plane.grow_box([], [], [], [], 10.0)] == [(0,)] * 4
    assert np.isnan(plane.grow_box(np.nan, 0.0, 1.0, 1.0, 10.0)[0])
