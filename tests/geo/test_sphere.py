"""Owns: distances, bearings and destinations agree with pyproj on the sphere, and with WGS 84 within stated bounds."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from stswatch.geo.coordinates import sphere
from stswatch.geo.coordinates.sphere import near_lon

SPHERE = Geod(a=sphere.MEAN_RADIUS_M, b=sphere.MEAN_RADIUS_M)
WGS84 = Geod(ellps="WGS84")
HALF_M = np.pi * sphere.MEAN_RADIUS_M
LON = st.floats(-180, 180)
LAT = st.floats(-90, 90)
FAR = st.floats(-500, 500)
NOT_A_POLE = st.one_of(st.floats(-89.99, 89.99), st.sampled_from([-89.99, 89.99, 89.98]))
BEARING = st.floats(0, 360, exclude_max=True)


def apart_deg(a, b):
    """Degrees between two directions."""
    return abs((a - b + 180) % 360 - 180)


@given(LON, LAT, LON, LAT)
def test_distance_agrees_with_the_sphere_and_within_six_per_mille_of_the_ellipsoid(lon0, lat0, lon1, lat1):
    ours_m = float(sphere.haversine_m(lon0, lat0, lon1, lat1))
    assert ours_m == pytest.approx(SPHERE.inv(lon0, lat0, lon1, lat1)[2], abs=1e-6)
    assert ours_m == pytest.approx(WGS84.inv(lon0, lat0, lon1, lat1)[2], rel=0.006, abs=1e-6)
    assert ours_m == float(sphere.haversine_m(lon1, lat1, lon0, lat0))


@given(FAR, LAT, BEARING, st.sampled_from([0.01, 1.0, 500.0]))
def test_centimetres_and_metres_are_measured_to_a_tenth_of_a_micrometre(lon, lat, bearing_deg, distance_m):
    lon1, lat1, _ = SPHERE.fwd(lon, lat, bearing_deg, distance_m)
    if abs(lat) < 89.9:
        assert float(sphere.haversine_m(lon, lat, lon1, lat1)) == pytest.approx(distance_m, abs=1e-7)


@given(LON, LAT, BEARING, st.sampled_from([0.0, 0.01, 1.0, 500.0]))
def test_near_antipodes_the_missing_metres_are_measured(lon, lat, bearing_deg, short_m):
    lon1, lat1, _ = SPHERE.fwd(lon + 180, -lat, bearing_deg, short_m)
    assert HALF_M - float(sphere.haversine_m(lon, lat, lon1, lat1)) == pytest.approx(short_m, abs=1e-6)


@given(FAR, NOT_A_POLE, BEARING, st.sampled_from([0.01, 1.0, 500.0, 1100.0, 8e3, 1e6, 1e7, 1.9e7]))
def test_a_destination_lies_at_its_bearing_and_distance(lon, lat, bearing, distance_m):
    end_lon, end_lat = map(float, sphere.destination(lon, lat, bearing, distance_m))
    assert abs(end_lon - lon) <= 180 + 1e-12
    assert -90 <= end_lat <= 90
    assert float(sphere.haversine_m(lon, lat, end_lon, end_lat)) == pytest.approx(distance_m, abs=1e-6)
    assert apart_deg(float(sphere.bearing_deg(lon, lat, end_lon, end_lat)), bearing) < 1e-4
    theirs_lon, theirs_lat, _ = SPHERE.fwd(lon, lat, bearing, distance_m)
    assert SPHERE.inv(end_lon, end_lat, theirs_lon, theirs_lat)[2] < 1e-6


@given(LON, NOT_A_POLE, BEARING, st.sampled_from([(500.0, 0.2), (8e3, 0.2), (1e7, 0.2), (1.5e7, 0.3)]))
def test_bearing_and_destination_keep_their_bounds_against_the_ellipsoid(lon, lat, bearing, scale):
    distance_m, bound_deg = scale
    lon1, lat1, _ = WGS84.fwd(lon, lat, bearing, distance_m)
    assert apart_deg(float(sphere.bearing_deg(lon, lat, lon1, lat1)), bearing) < bound_deg
    end_lon, end_lat = sphere.destination(lon, lat, bearing, distance_m)
    assert WGS84.inv(float(end_lon), float(end_lat), lon1, lat1)[2] < 0.006 * distance_m


@given(LON, LAT, LON, LAT)
def test_a_bearing_is_in_range_and_turns_about_with_the_great_circle(lon0, lat0, lon1, lat1):
    there = float(sphere.bearing_deg(lon0, lat0, lon1, lat1))
    assert 0 <= there < 360
    across = sphere.haversine_m(lon0, lat0, lon1, lat1)
    if max(abs(lat0), abs(lat1)) < 89.9 and 1 < across < HALF_M - 1e5:
        east, north = (float(v) for v in sphere.along(lon0, lat0, lon1, lat1, 0.5))
        assert apart_deg(float(sphere.bearing_deg(lon0, lat0, east, north)), there) < 1e-4


def test_bearings_at_the_poles_over_the_date_line_and_of_no_way():
    lon0, lat0 = np.array([179.9, -179.9, 0.0, 0.0, 30.0, 30.0, 5.0]), np.array([0, 0, 0, 0, 90, -90, 5.0])
    lon1, lat1 = np.array([-179.9, 179.9, 0.0, 0.0, 30.0, 30.0, 5.0]), np.array([0, 0, 90, -90, 0, 0, 5.0])
    assert sphere.bearing_deg(lon0, lat0, lon1, lat1).tolist() == [90, 270, 0, 180, 180, 0, 0]
    assert float(sphere.bearing_deg(0, 0, -1e-300, 1)) == 0.0  # and not 360
    lon, lat = sphere.destination([100.0, 100.0], [89.0, -89.0], [0.0, 180.0], 2 * 111_195.08)
    assert lat == pytest.approx([89.0, -89.0], abs=1e-4)
    assert lon == pytest.approx([280.0, 280.0], abs=1e-6)


@given(LON, LAT, LON, LAT, st.floats(0, 1))
def test_a_point_along_lies_on_the_great_circle_at_its_fraction(lon0, lat0, lon1, lat1, fraction):
    whole_m = float(sphere.haversine_m(lon0, lat0, lon1, lat1))
    lon, lat = sphere.along(lon0, lat0, lon1, lat1, fraction)
    assert abs(lon - lon0) <= 180 + 1e-12
    if whole_m > HALF_M - 1000:
        return  # any great circle will do
    assert float(sphere.haversine_m(lon0, lat0, lon, lat)) == pytest.approx(whole_m * fraction, abs=1e-5)
    assert float(sphere.haversine_m(lon, lat, lon1, lat1)) == pytest.approx(whole_m * (1 - fraction), abs=1e-5)


@given(FAR, LAT, FAR, LAT)
def test_fractions_nought_and_one_give_the_ends_bit_for_bit(lon0, lat0, lon1, lat1):
    assert tuple(map(float, sphere.along(lon0, lat0, lon1, lat1, 0))) == (lon0, lat0)
    assert tuple(map(float, sphere.along(lon0, lat0, lon1, lat1, 1))) == (float(near_lon(lon1, lon0)), lat1)


@given(LON, st.floats(-80, 80), st.floats(-1e-7, 1e-7), st.floats(-1e-7, 1e-7), st.floats(0, 1))
def test_on_a_leg_of_centimetres_the_point_lies_between_the_ends(lon, lat, east, north, fraction):
    x, y = sphere.along(lon, lat, lon + east, lat + north, fraction)
    assert x == pytest.approx(lon + fraction * east, abs=3e-13)
    assert y == pytest.approx(lat + fraction * north, abs=3e-13)


@given(st.lists(st.tuples(LON, LAT), min_size=3, max_size=9))
def test_the_nearest_by_chord_is_the_nearest_by_great_circle(points):
    lon, lat = np.array(points).T
    unit = sphere.unit_vectors(lon, lat)
    assert np.linalg.norm(unit, axis=1) == pytest.approx(1)
    chord = np.linalg.norm(unit[1:] - unit[0], axis=1)
    arc = np.asarray(sphere.haversine_m(lon[1:], lat[1:], lon[0], lat[0]))
    assert 2 * np.arcsin(np.minimum(chord / 2, 1)) * sphere.MEAN_RADIUS_M == pytest.approx(arc, abs=0.5)


def test_arrays_scalars_and_nothing_pass_alike():
    lon = np.array([179.0, 10.0])
    x, y = sphere.along(lon, [0.0, 0.0], [-179.0, 20.0], [0.0, 0.0], 0.5)
    assert x == pytest.approx([180.0, 15.0])
    assert y == pytest.approx([0.0, 0.0])
    assert lon.tolist() == [179.0, 10.0]
    none: list[float] = []
    assert sphere.haversine_m(none, none, none, none).shape == sphere.bearing_deg(none, none, none, none).shape == (0,)
    assert [v.shape for v in sphere.destination(none, none, none, none)] == [(0,), (0,)]
    assert sphere.unit_vectors(none, none).shape == (0, 3)
    assert np.isnan([sphere.haversine_m(np.nan, 0, 0, 0), sphere.bearing_deg(0, np.nan, 0, 0)]).all()
    assert np.isnan(sphere.destination(0, 0, 0, np.nan)).all()
    assert np.isnan(sphere.along(0, 0, np.nan, 0, 0.5)[0])


def test_a_nautical_mile_has_one_home():
    """Nobody else writes its length, in metres or kilometres."""
    root = Path(__file__).parents[2]
    homes = [
        path.relative_to(root).as_posix()
        for room in ("geo", "models", "pipeline", "sample_ais")
        for path in (root / room).rglob("*.py")
        if re.search(r"^[^\"#\n]*\b(1852(\.0)?|1\.852)\b", path.read_text(), re.MULTILINE)
    ]
    assert homes == ["geo/coordinates/sphere.py"]
