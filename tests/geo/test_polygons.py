"""Owns: the points that polygons hold, by a sweep, are those that shapely finds one by one."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from stswatch.geo.coast.land import holding

# on a coarse grid, so that points fall on edges and corners, and on one meridian
GRID = st.integers(-4, 4).map(lambda k: k / 2)
POINTS = st.lists(st.tuples(st.one_of(GRID, st.just(np.nan)), st.one_of(GRID, st.just(np.inf))), max_size=30)
BOXES = st.lists(st.tuples(GRID, GRID, GRID, GRID).filter(lambda b: b[0] < b[2] and b[1] < b[3]), max_size=8)


@given(POINTS, BOXES, st.booleans())
def test_the_pairs_are_those_of_every_point_with_every_polygon(points, boxes, cornered):
    lon, lat = np.array(points, float).reshape(-1, 2).T
    shapes = np.array([shapely.box(*b) for b in boxes], object)
    if cornered and len(shapes):
        shapes = shapely.difference(shapes, shapely.buffer(shapely.centroid(shapes), 0.3))
    expected = [
        (i, k)
        for k, shape in enumerate(shapes)
        for i, (x, y) in enumerate(points)
        if np.isfinite([x, y]).all() and shape.intersects(shapely.Point(x, y))
    ]
    point, polygon = holding(shapes, lon, lat)
    assert polygon.tolist() == sorted(polygon.tolist())
    assert sorted(zip(point.tolist(), polygon.tolist(), strict=True)) == sorted(expected)


def test_it_finds_what_the_tree_of_shapely_finds():
    """Many points, large polygons with holes: as shapely's tree has it."""
    rng = np.random.default_rng(2)
    lon, lat = rng.uniform(-10, 10, (2, 20_000))
    rings = shapely.buffer(shapely.points(rng.uniform(-8, 8, (40, 2))), rng.uniform(0.5, 4, 40))
    shapes = shapely.difference(rings, shapely.buffer(shapely.centroid(rings), 0.3))
    mine = np.column_stack(holding(shapes, lon, lat))
    tree = shapely.STRtree(shapes).query(shapely.points(lon, lat), predicate="intersects").T
    assert len(tree) > 20_000
    np.testing.assert_array_equal(mine[np.lexsort(mine.T)], tree[np.lexsort(tree.T)])


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_is_held_by_nothing(n):
    for shapes in (np.empty(0, object), np.array([shapely.box(5, 5, 6, 6)], object)):
        point, polygon = holding(shapes, np.zeros(n), np.zeros(n))
        assert point.shape == polygon.shape == (0,)
        assert point.dtype == polygon.dtype == np.int64
