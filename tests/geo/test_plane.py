"""Owns: degrees and metres agree with pyproj, at centimetres, antipodes, poles and the date line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from stswatch.geo import plane

SPHERE = Geod(a=plane.MEAN_RADIUS_M, b=plane.MEAN_RADIUS_M)
WGS84 = Geod(ellps="WGS84")
LON = st.floats(-180, 180)
LAT = st.floats(-90, 90)
FAR = st.floats(-500, 500)


@given(FAR)
def test_a_wrapped_longitude_is_the_same_meridian_in_range(lon):
    wrapped = float(plane.wrap_lon(lon))
    assert -180 <= wrapped < 180
    assert (wrapped - lon) / 360 == pytest.approx(round((wrapped - lon) / 360), abs=1e-12)
    if -180 <= lon < 180:
        assert wrapped == lon


@pytest.mark.parametrize(
    "lon", [np.nextafter(180, 0), np.nextafter(180, 999), np.nextafter(-180, -999), 180.0, 540.0, -540.0]
)
def test_wrapping_holds_a_hair_beside_the_date_line(lon):
    assert -180 <= float(plane.wrap_lon(lon)) < 180


@given(FAR, FAR)
def test_a_near_longitude_is_the_same_meridian_within_half_a_turn(lon, reference):
    near = float(plane.near_lon(lon, reference))
    assert abs(near - reference) <= 180 + 1e-12
    assert (near - lon) % 360 == pytest.approx(0, abs=1e-9) or (near - lon) % 360 == pytest.approx(360, abs=1e-9)


@given(LON, st.floats(-89, 89))
def test_a_degree_is_as_long_as_the_geodesic_says(lon, lat):
    east_m, north_m = plane.metres_per_degree(lat)
    step = 1e-3
    _, _, along_m = WGS84.inv(lon, lat - step / 2, lon, lat + step / 2)
    _, _, across_m = WGS84.inv(lon - step / 2, lat, lon + step / 2, lat)
    assert along_m / step == pytest.approx(north_m, rel=1e-7)
    assert across_m / step == pytest.approx(east_m, rel=1e-7)


@given(LON, st.floats(-70, 70), st.floats(0, 360), st.sampled_from([(500, 2e-6), (8000, 5e-3)]))
def test_a_plane_at_the_mean_latitude_measures_as_the_geodesic_does(lon, lat, bearing_deg, scale):
    distance_m, error_m = scale
    lon1, lat1, _ = WGS84.fwd(lon, lat, bearing_deg, distance_m)
    east_m, north_m = plane.metres_per_degree((lat + lat1) / 2)
    on_plane_m = np.hypot((plane.near_lon(lon1, lon) - lon) * east_m, (lat1 - lat) * north_m)
    assert on_plane_m == pytest.approx(distance_m, abs=error_m)


@given(LON, LAT, LON, LAT)
def test_distance_agrees_with_the_sphere_and_within_six_per_mille_of_the_ellipsoid(lon0, lat0, lon1, lat1):
    ours_m = float(plane.haversine_m(lon0, lat0, lon1, lat1))
    assert ours_m == pytest.approx(SPHERE.inv(lon0, lat0, lon1, lat1)[2], abs=1e-6)
    assert ours_m == pytest.approx(WGS84.inv(lon0, lat0, lon1, lat1)[2], rel=0.006, abs=1e-6)
    assert ours_m == float(plane.haversine_m(lon1, lat1, lon0, lat0))


@given(FAR, LAT, st.floats(0, 360), st.sampled_from([0.01, 1.0, 500.0]))
def test_centimetres_and_metres_are_measured_to_a_tenth_of_a_micrometre(lon, lat, bearing_deg, distance_m):
    lon1, lat1, _ = SPHERE.fwd(lon, lat, bearing_deg, distance_m)
    if abs(lat) < 89.9:
        assert float(plane.haversine_m(lon, lat, lon1, lat1)) == pytest.approx(distance_m, abs=1e-7)


@given(LON, LAT, st.floats(0, 360), st.sampled_from([0.0, 0.01, 1.0, 500.0]))
def test_near_antipodes_the_missing_metres_are_measured(lon, lat, bearing_deg, short_m):
    lon1, lat1, _ = SPHERE.fwd(lon + 180, -lat, bearing_deg, short_m)
    half_m = np.pi * plane.MEAN_RADIUS_M
    assert half_m - float(plane.haversine_m(lon, lat, lon1, lat1)) == pytest.approx(short_m, abs=1e-6)


@given(LON, LAT, LON, LAT, st.floats(0, 1))
def test_a_point_along_lies_on_the_great_circle_at_its_fraction(lon0, lat0, lon1, lat1, fraction):
    whole_m = float(plane.haversine_m(lon0, lat0, lon1, lat1))
    lon, lat = plane.along(lon0, lat0, lon1, lat1, fraction)
    assert abs(lon - lon0) <= 180 + 1e-12
    if whole_m > np.pi * plane.MEAN_RADIUS_M - 1000:
        return  # any great circle will do
    assert float(plane.haversine_m(lon0, lat0, lon, lat)) == pytest.approx(whole_m * fraction, abs=1e-5)
    assert float(plane.haversine_m(lon, lat, lon1, lat1)) == pytest.approx(whole_m * (1 - fraction), abs=1e-5)


@given(FAR, LAT, FAR, LAT)
def test_fractions_nought_and_one_give_the_ends_bit_for_bit(lon0, lat0, lon1, lat1):
    assert tuple(map(float, plane.along(lon0, lat0, lon1, lat1, 0))) == (lon0, lat0)
    assert tuple(map(float, plane.along(lon0, lat0, lon1, lat1, 1))) == (
        float(plane.near_lon(lon1, lon0)),
        lat1,
    )


@given(LON, st.floats(-80, 80), st.floats(-1e-7, 1e-7), st.floats(-1e-7, 1e-7), st.floats(0, 1))
def test_on_a_leg_of_centimetres_the_point_lies_between_the_ends(lon, lat, east, north, fraction):
    x, y = plane.along(lon, lat, lon + east, lat + north, fraction)
    assert x == pytest.approx(lon + fraction * east, abs=3e-13)
    assert y == pytest.approx(lat + fraction * north, abs=3e-13)


def test_arrays_scalars_and_nothing_pass_alike():
    lon = np.array([179.0, 10.0])
    x, y = plane.along(lon, [0.0, 0.0], [-179.0, 20.0], [0.0, 0.0], 0.5)
    assert x == pytest.approx([180.0, 15.0])
    assert y == pytest.approx([0.0, 0.0])
    assert plane.haversine_m([], [], [], []).shape == plane.wrap_lon([]).shape == (0,)
    assert isinstance(plane.wrap_lon(1.0), np.float64)
    assert np.isnan(plane.haversine_m(np.nan, 0, 0, 0))
    assert lon.tolist() == [179.0, 10.0]
