"""Owns: the coast that is shipped is sound, and is given by any box, over the date line and the region's edge too."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.geo.coast.land import LAYERS, REGION_BOX, coast, far_points, layer
from stswatch.geo.coast.water import distance_inland_km, distance_to_shore_km

SEAMS = [
    (143.0, 42.0, 148.0, 46.0),
    (103.0, 10.0, 108.0, 18.0),
    (177.0, 65.0, -175.0, 69.0),
    (177.0, -18.0, 182.0, -16.0),
]


@pytest.mark.parametrize(("name", "least"), [("region", 10_000), ("world", 150_000)])
def test_every_polygon_is_sound_and_all_of_them_together(name, least):
    polygons = layer(name).polygons()
    assert len(polygons) >= least
    assert shapely.multipolygons(polygons).is_valid


def test_the_layers_share_no_land():
    inside = shapely.box(*REGION_BOX)
    west, south, east, north = shapely.bounds(layer("region").polygons()).T
    assert west.min() >= REGION_BOX[0]
    assert south.min() >= REGION_BOX[1]
    assert east.max() <= REGION_BOX[2]
    assert north.max() <= REGION_BOX[3]
    near = [p for p in layer("world").polygons() if p.intersects(inside)]
    assert len(near) > 10
    assert max(p.intersection(inside).area for p in near) == 0


@pytest.mark.parametrize("box", SEAMS)
def test_land_is_whole_across_a_seam(box):
    """No shore runs along the edge of the region or the date line, but where the two layers meet a bit askew."""
    land = coast(*box)
    assert land.is_valid
    assert land.area > 0.1
    width = box[2] - box[0] if box[2] > box[0] else box[2] - box[0] + 360
    assert land.bounds[0] >= box[0]
    assert land.bounds[2] <= box[0] + width
    lines = [shapely.LineString([(x, -89), (x, 89)]) for x in (180.0, REGION_BOX[0], REGION_BOX[2])]
    crossed = [line for line in lines if line.intersects(land)]
    assert crossed
    rims = shapely.get_parts(shapely.intersection(land.boundary, shapely.union_all(crossed)))
    assert max(shapely.length(rims), default=0.0) < 0.004  # by what the world is simplified


@settings(max_examples=30)
@given(st.floats(-180, 180), st.floats(-80, 70), st.floats(0.1, 3), st.sampled_from([-360.0, 360.0, 720.0]))
def test_a_turn_round_the_earth_changes_nothing_but_the_longitudes(west, south, size, turn):
    here, there = (coast(west + by, south, west + by + size, south + size) for by in (0.0, turn))
    assert there.area == pytest.approx(here.area, abs=1e-6)
    if not here.is_empty:
        assert there.bounds == pytest.approx(np.add(here.bounds, [turn, 0, turn, 0]), abs=1e-6)


@pytest.mark.parametrize(
    "box", [(0, 10, 10, 10), (0, 10, 10, 0), (0, np.nan, 1, 1), (0, 0, np.inf, 1), (-200, 0, 200, 1)]
)
def test_what_is_no_box_is_refused(box):
    with pytest.raises(ValueError, match="box"):
        coast(*box)


def test_there_are_two_layers():
    assert LAYERS == ("region", "world")
    with pytest.raises(KeyError):
        layer("moon")


def test_the_points_that_matter_from_far_out_are_of_the_shore():
    lon, lat = far_points()
    assert 50_000 < len(lon) < 300_000
    here = (lon > 100) & (lon < 150) & (lat > 0) & (lat < 60)
    lon, lat = lon[here], lat[here]
    assert len(lon) > 10_000
    off_km = distance_to_shore_km(lon, lat) + distance_inland_km(lon, lat)
    assert np.median(off_km) < 0.05  # rounded to 0.001 degrees
    assert off_km.max() < 0.6
