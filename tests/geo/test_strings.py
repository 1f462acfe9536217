"""Owns: taut strings round polygons are as short as brute force finds, and what corners see is what they see."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from stswatch.geo.coordinates.plane import sides_of, to_plane
from stswatch.geo.sea.strings import InnerLand, Strings, inner_land, sectors_of


def stars(rng, n):
    """Polygons of any shape that lie apart."""
    found = []
    for _ in range(50 * n):
        turn = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 9)))
        far = rng.uniform(0.03, 0.25, len(turn))
        star = shapely.Polygon(rng.uniform(-1, 1, 2) + np.column_stack([far * np.cos(turn), far * np.sin(turn)]))
        if star.is_valid and star.area > 1e-4 and all(star.disjoint(other) for other in found):
            found.append(star)
        if len(found) == n:
            break
    return np.array(found, object)


def strings(polygons):
    sides = sides_of(polygons)
    return Strings(*sides, sectors_of(*sides))


def outside(rng, polygons, n):
    xy = rng.uniform(-1.1, 1.1, (n, 2))
    return xy[~shapely.intersects_xy(shapely.union_all(polygons), *xy.T)]


def clear(polygons, one, other):
    inside = shapely.union_all(shapely.buffer(polygons, -1e-7))
    return ~shapely.intersects(inside, shapely.linestrings(np.stack([one, other], axis=1)))


def apart(one, other):
    return np.hypot(*(one - other).T)


@given(st.integers(0, 10**6), st.integers(1, 12))
@settings(max_examples=25)
def test_a_corner_sees_what_nothing_hides(seed, n):
    rng = np.random.default_rng(seed)
    polygons = stars(rng, n)
    held, xy = strings(polygons), outside(rng, polygons, 40)
    corner, point = (k.ravel() for k in np.meshgrid(np.arange(len(held.corner)), np.arange(len(xy)), indexing="ij"))
    found = held.sees(corner, xy[point])
    lines = shapely.linestrings(np.stack([held.corner[corner], xy[point]], axis=1))
    hidden = shapely.length(shapely.intersection(shapely.union_all(polygons), lines))
    assert found[hidden < 1e-12].all()
    assert not found[~clear(polygons, held.corner[corner], xy[point])].any(), "but for what only grazes"


@given(st.integers(0, 10**6), st.integers(1, 12))
@settings(max_examples=25)
def test_strings_are_as_short_as_ways_over_all_corners(seed, n):
    """Brute force: every pair of points and corners that see each other, in one graph."""
    rng = np.random.default_rng(seed)
    polygons = stars(rng, n)
    held, xy = strings(polygons), outside(rng, polygons, 25)
    size = len(held.corner)
    both = np.vstack([held.corner, xy])
    one, other = np.triu_indices(len(both), 1)
    seen = clear(polygons, both[one], both[other])
    brute = shortest(one[seen], other[seen], apart(both[one], both[other])[seen], len(both))[size:, size:]
    a, b = held.between()
    point, corner = held.seen(xy)
    p, q = np.triu_indices(len(xy), 1)
    straight = clear(polygons, xy[p], xy[q])
    begin = np.concatenate([a, size + point, size + p[straight]])
    end = np.concatenate([b, corner, size + q[straight]])
    mine = shortest(begin, end, apart(both[begin], both[end]), len(both))[size:, size:]
    assert len(point) >= 2
    np.testing.assert_allclose(mine, brute, atol=1e-9)


@given(st.integers(0, 10**6), st.integers(1, 12), st.floats(0.001, 0.06))
@settings(max_examples=25)
def test_many_points_together_see_what_each_sees_alone(seed, n, wide):
    """Points in little heaps, of which most corners are known not to be seen before any point is asked."""
    rng = np.random.default_rng(seed)
    polygons = stars(rng, n)
    held, middle = strings(polygons), outside(rng, polygons, 40)[:3]
    xy = np.vstack([middle, (middle[:, None] + rng.normal(0, wide, (len(middle), 150, 2))).reshape(-1, 2)])
    xy = xy[~shapely.intersects_xy(shapely.union_all(polygons), *xy.T)]
    point, corner = (k.ravel() for k in np.indices((len(xy), len(held.corner))))
    seen = held._grazed(xy, np.arange(len(held.corner))).ravel() & held.sees(corner, xy[point])
    assert all(np.array_equal(a, b[seen]) for a, b in zip(held.seen(xy), (point, corner), strict=True))


def test_of_many_points_together_few_corners_are_asked(monkeypatch):
    """Of the inner land: what each point sees is asked for some pairs that it does see, not for all that it faces."""
    asked, sees = [], Strings.sees
    monkeypatch.setattr(Strings, "sees", lambda held, corner, xy: asked.append(len(corner)) or sees(held, corner, xy))
    lon, lat = np.random.default_rng(1).uniform((122, 34), (128, 38), (4000, 2)).T
    xy = inner_land().moved_out(to_plane(lon, lat))
    point, _ = inner_land().strings.seen(xy)
    assert len(point) > 50 * len(xy)
    assert sum(asked) <= 4 * len(point), "without groups nine times as many"


@given(st.integers(0, 10**6), st.integers(1, 12))
@settings(max_examples=15)
def test_what_is_clear_from_one_point_is_what_is_clear_for_each_pair(seed, n):
    """Also for what lies on a line to a corner, at one, on a side and within."""
    rng = np.random.default_rng(seed)
    polygons = stars(rng, n)
    land = InnerLand(polygons, held := strings(polygons), held.between())
    tail, head, _ = land._solid_sides
    behind = [tail, tail + rng.normal(0, 1e-9, tail.shape), (tail + head) / 2]
    for here in (*outside(rng, polygons, 2), land.strings.corner[0], shapely.get_coordinates(polygons[0].centroid)[0]):
        to = np.vstack([*behind, here + (tail - here) * rng.uniform(0.2, 3.0, (len(tail), 1)), here[None]])
        xy = np.vstack([to, rng.uniform(-1.1, 1.1, (5000, 2))])
        assert np.array_equal(land.clear_from(here, xy), land.clear(np.broadcast_to(here, xy.shape), xy))


def shortest(one, other, length, n):
    return dijkstra(coo_array((length, (one, other)), shape=(n, n)).tocsr(), directed=False)


def test_only_corners_that_can_be_bent_round_are_seen():
    square = strings(np.array([shapely.box(0, 0, 1, 1)]))
    point, corner = square.seen(np.array([[-1.0, 0.5], [0.5, -1.0], [3.0, 3.0]]))
    found = {k: sorted(map(tuple, square.corner[corner[point == k]].tolist())) for k in range(3)}
    assert found == {0: [(0, 0), (0, 1)], 1: [(0, 0), (1, 0)], 2: [(0, 1), (1, 0)]}


@given(st.integers(0, 10**6))
@settings(max_examples=15)
def test_turning_and_stretching_the_plane_changes_nothing_that_is_seen(seed):
    rng = np.random.default_rng(seed)
    polygons = stars(rng, 6)
    assume(len(polygons))
    xy = outside(rng, polygons, 20)
    turned = np.array([[0.3, -0.9], [0.9, 0.4]])
    one = strings(polygons).seen(xy)
    other = strings(shapely.transform(polygons, lambda p: p @ turned)).seen(xy @ turned)
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_without_polygons_nothing_is_in_the_way():
    none = strings(np.empty(0, object))
    assert [len(part) for part in none.seen(np.zeros((3, 2)))] == [0, 0]
    assert [len(part) for part in none.between()] == [0, 0]


@pytest.mark.parametrize("n", [0, 1])
def test_no_points_and_one(n):
    point, corner = strings(np.array([shapely.box(0, 0, 1, 1)])).seen(np.full((n, 2), -1.0))
    assert len(point) == len(corner) == 2 * n


def test_the_ways_between_corners_of_the_inner_land_are_kept_as_they_are_found():
    kept, found = inner_land().between, inner_land().strings.between()
    assert all(np.array_equal(a, b) for a, b in zip(kept, found, strict=True))
    assert len(found[0]) > 50_000
