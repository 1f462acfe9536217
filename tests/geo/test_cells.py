"""Owns: a point of a box lies in a covered cell, date line and poles included; levels nest; ids invert."""

import time

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stswatch.geo.coordinates import cells

LEVELS = st.sampled_from(["coarse", "fine"])
LON, LAT = st.floats(-200, 200), st.floats(-90, 90)
UNIT = st.floats(0, 1)
SIZE = {"coarse": st.floats(0, 5), "fine": st.floats(0, 0.1)}


def cell_of(lon, lat, level):
    return cells.fine_of(lon, lat) if level == "fine" else cells.coarse_of(lon, lat)


def edges():
    """Points on and a hair beside cell edges, where rounding bites."""
    whole = st.integers(-18050, 18050).map(lambda k: k / 100)
    return st.one_of(
        LON,
        whole,
        whole.map(lambda x: float(np.nextafter(x, 999))),
        whole.map(lambda x: float(np.nextafter(x, -999))),
    )


@given(st.data(), LEVELS)
def test_any_point_of_a_box_lies_in_a_covered_cell(data, level):
    west, south = data.draw(edges()), data.draw(LAT)
    east, north = west + data.draw(SIZE[level]), south + data.draw(SIZE[level])
    lon = min(max(west + data.draw(UNIT) * (east - west), west), east)
    lat = min(max(south + data.draw(UNIT) * (north - south), south), north)
    index, covered = cells.cover([west], [south], [east], [north], level)
    assert set(index.tolist()) == {0}
    assert len(set(covered.tolist())) == covered.size
    assert cell_of(lon, lat, level) in covered
    if abs(lon) > 128:  # where taking off a turn is exact
        assert cell_of(lon - np.copysign(360, lon), lat, level) in covered


@given(st.data(), LEVELS)
def test_every_covered_cell_touches_its_box(data, level):
    west, south = data.draw(edges()), data.draw(LAT)
    east, north = west + data.draw(SIZE[level]), south + data.draw(SIZE[level])
    _, covered = cells.cover([west], [south], [east], [north], level)
    w, s, e, n = cells.box_of(covered, level)
    slack = 1e-9
    assert (s <= min(north, 90) + slack).all()
    assert (n >= south - slack).all()
    touches = [(w + turn <= east + slack) & (e + turn >= west - slack) for turn in (-720, -360, 0, 360, 720)]
    assert np.any(touches, axis=0).all()


@given(LON, LAT)
def test_fine_cells_nest_in_coarse_ones(lon, lat):
    fine, coarse = cells.fine_of(lon, lat), cells.coarse_of(lon, lat)
    assert cells.parent(fine) == coarse
    fw, fs, fe, fn = cells.box_of(fine, "fine")
    cw, cs, ce, cn = cells.box_of(coarse, "coarse")
    assert cw <= fw + 1e-9
    assert fe <= ce + 1e-9
    assert cs <= fs + 1e-9
    assert fn <= cn + 1e-9
    assert fe - fw == pytest.approx((ce - cw) / cells.FINE)
    assert fn - fs == pytest.approx(0.01)


@given(st.data(), LEVELS)
def test_the_cover_of_a_box_at_one_level_is_the_cover_at_the_other(data, level):
    west, south = data.draw(LON), data.draw(LAT)
    box = [west], [south], [west + data.draw(st.floats(0, 0.3))], [south + data.draw(st.floats(0, 0.3))]
    _, fine = cells.cover(*box, "fine")
    _, coarse = cells.cover(*box, "coarse")
    assert set(cells.parent(fine).tolist()) == set(coarse.tolist())


@given(LON, LAT, LEVELS)
def test_the_middle_of_a_cell_lies_in_it(lon, lat, level):
    cell = cell_of(lon, lat, level)
    west, south, east, north = cells.box_of(cell, level)
    assert cell_of((west + east) / 2, (south + north) / 2, level) == cell


def test_coarse_cells_tile_the_globe_and_are_about_equally_large():
    _, cell = cells.cover([-180], [-90], [180], [90], "coarse")
    assert len(np.unique(cell)) == cell.size == cells.columns(np.arange(360)).sum()
    west, south, east, north = cells.box_of(cell, "coarse")
    area = np.radians(east - west) * (np.sin(np.radians(north)) - np.sin(np.radians(south)))
    assert area.sum() == pytest.approx(4 * np.pi)
    away = np.maximum(np.abs(south), np.abs(north)) <= 80
    assert area[away].max() / area[away].min() < 1.15


def test_a_whole_circle_is_covered_once_and_boxes_over_a_pole_are_clipped():
    for west, south, east, north in [(-180, 89.9, 180, 95), (0, 89.9, 360, 90), (-300, 89.9, 300, 89.99)]:
        _, cell = cells.cover([west], [south], [east], [north], "coarse")
        assert sorted(cell) == sorted(set(cell))
        assert cell.size == cells.columns(359) == 6
    assert cells.coarse_of(0, 90) == cells.coarse_of(0, 89.99)


def test_many_boxes_are_covered_as_each_alone():
    rng = np.random.default_rng(1)
    west, south = rng.uniform(-181, 181, 200), rng.uniform(-90, 90, 200)
    east, north = west + rng.uniform(0, 2, 200), south + rng.uniform(0, 2, 200)
    index, cell = cells.cover(west, south, east, north, "coarse")
    assert (np.diff(index) >= 0).all()
    for i in range(200):
        alone = cells.cover(west[i], south[i], east[i], north[i], "coarse")[1]
        assert sorted(cell[index == i]) == sorted(alone)


def test_no_box_gives_no_cell_and_a_box_the_wrong_way_round_is_refused():
    index, cell = cells.cover([], [], [], [], "fine")
    assert index.size == cell.size == 0
    with pytest.raises(ValueError, match=r"box 1 runs from 179\.9"):
        cells.cover([0, 179.9], [0, 0], [1, -179.9], [1, 1], "fine")
    with pytest.raises(ValueError, match="box 0"):
        cells.cover([np.nan], [0], [1], [1], "fine")


@given(LON, LAT, LEVELS)
def test_neighbours_are_mutual_and_cover_what_lies_beside(lon, lat, level):
    cell = int(cell_of(lon, lat, level))
    index, beside = cells.neighbours([cell], level)
    assert set(index.tolist()) == {0}
    assert cell not in beside
    assert len(set(beside.tolist())) == beside.size >= 5
    back_index, back = cells.neighbours(beside, level)
    assert all(cell in back[back_index == i] for i in range(beside.size))
    west, south, east, north = cells.box_of(cell, level)
    assume(south > -89.9)
    assume(north < 89.9)
    grown = cells.cover([west - 1e-7], [south - 1e-7], [east + 1e-7], [north + 1e-7], level)[1]
    assert set(grown.tolist()) == {*beside.tolist(), cell}


def touching(cell, other, level):
    """Whether the closed boxes of a cell and of others share a point, worked out in whole rows and columns."""
    size = 1 if level == "fine" else cells.FINE
    west, south, east, _ = (np.asarray(side) for side in cells.box_of(np.append(other, cell), level))
    row = np.rint((south + 90) * 100 / size).astype(int)
    wide = np.rint(360 / (east - west)).astype(int)
    column = np.rint((west + 180) / (east - west)).astype(int)
    r, w, c, rows, width, columns = row[-1], wide[-1], column[-1], row[:-1], wide[:-1], column[:-1]
    beside = [
        ((columns + turn * width) * w <= (c + 1) * width) & (c * width <= (columns + turn * width + 1) * w)
        for turn in (-1, 0, 1)
    ]
    at_pole = (rows == r) & (np.isin(r, (0, 18_000 // size - 1)))
    return (np.abs(rows - r) <= 1) & (np.any(beside, axis=0) | at_pole)


@pytest.mark.parametrize("level", ["coarse", "fine"])
def test_neighbours_are_all_cells_that_touch_by_brute_force(level):
    rng = np.random.default_rng(2)
    lon = np.concatenate([rng.uniform(-180, 180, 30), [179.9999, -179.9999, 0.0001, 60, -60, 179.9999]])
    lat = np.concatenate([np.degrees(np.arcsin(rng.uniform(-1, 1, 30))), [0.001, -45, 89.9999, 89.6, -89.4, -89.9999]])
    mine = cell_of(lon, lat, level)
    index, beside = cells.neighbours(mine, level)
    high = 0.5 if level == "coarse" else 0.01
    for i, cell in enumerate(mine.tolist()):
        row = np.floor((lat[i] + 90) / high) * high - 90
        near = cells.cover([-180], [row - 0.9 * high], [180], [row + 1.9 * high], level)[1]
        near = near[near != cell]
        assert sorted(beside[index == i].tolist()) == sorted(near[touching(cell, near, level)].tolist())
        assert near.size > beside[index == i].size or abs(lat[i]) > 89


def test_the_cover_of_a_box_is_all_cells_that_it_touches_by_brute_force():
    every = cells.cover([-180], [-90], [180], [90], "coarse")[1]
    w, s, e, n = cells.box_of(every, "coarse")
    rng = np.random.default_rng(4)
    west, south = rng.uniform(-200, 200, 60), np.degrees(np.arcsin(rng.uniform(-1, 1, 60)))
    east, north = west + rng.choice([0, 0.7, 30, 300], 60) * rng.random(60), south + rng.choice([0, 0.7, 30], 60)
    index, cell = cells.cover(west, south, east, north, "coarse")
    for i in range(60):
        beside = [(w + turn <= east[i]) & (e + turn > west[i]) for turn in (-360, 0, 360)]
        rows = (s <= north[i]) & (n > south[i])
        assert sorted(cell[index == i].tolist()) == sorted(every[np.any(beside, axis=0) & rows].tolist())


@pytest.mark.parametrize(("lon", "lat"), [(np.nan, 0.0), (0.0, np.nan), (np.inf, 0.0), (0.0, -np.inf)])
def test_a_point_that_is_not_finite_is_refused_and_no_point_has_no_cell(lon, lat):
    for function in (cells.fine_of, cells.coarse_of):
        with pytest.raises(ValueError, match="point 1 is not finite"):
            function([0.0, lon], [0.0, lat])
        assert function([], []).shape == (0,)
    assert cells.parent([]).shape == cells.fine_row([]).shape == cells.columns(np.array([], int)).shape == (0,)
    assert [v.shape for v in cells.box_of([], "fine")] == [(0,)] * 4
    assert [v.shape for v in cells.neighbours([], "fine")] == [(0,)] * 2


@pytest.mark.parametrize(("level", "wrong"), [("coarse", -1), ("coarse", 360 << 10), ("coarse", 6), ("fine", 50)])
def test_an_id_of_no_cell_is_refused(level, wrong):
    for function in (cells.box_of, cells.neighbours):
        with pytest.raises(ValueError, match=f"{wrong} is no {level} cell"):
            function([wrong], level)


def test_at_the_pole_all_cells_of_the_row_are_neighbours():
    _, row = cells.cover([-180], [89.9], [180], [90], "coarse")
    _, beside = cells.neighbours([row[0]], "coarse")
    assert set(row.tolist()) - {int(row[0])} <= set(beside.tolist())


def test_a_million_small_boxes_are_covered_in_well_under_a_second():
    rng = np.random.default_rng(0)
    west, south = rng.uniform(-180, 180, 1_000_000), rng.uniform(-60, 60, 1_000_000)

    def seconds():
        began = time.process_time()
        index, _ = cells.cover(west, south, west + 0.005, south + 0.005, "fine")
        assert 1_000_000 < index.size < 4_000_000
        return time.process_time() - began

    assert min(seconds() for _ in range(3)) < 0.6  # 0.14 s alone on a core; the rest is for a busy machine
