"""Owns: how long silent vessels can have been together, where, and at what speed, as slices of time have it."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from stswatch.geo.coast.water import is_water
from stswatch.geo.coordinates.plane import area_km2, in_space_km
from stswatch.geo.coordinates.sphere import KMH_PER_KN, destination, haversine_m
from stswatch.geo.sea.distance import nothing_between, sea_distance_km
from stswatch.pipeline.meetings.reach import GapGroups, by_sea, least_speed_kn, longest, most_h, regions

SPEED_KN, STAY_H = 12.0, 2.0
KMH = SPEED_KN * KMH_PER_KN
SPHERE = 0.007  # how far distances on a sphere, which the oracle takes, may be off those of the ellipsoid


def meetings(n, seed, speed_kn=SPEED_KN, spare=1.0, lat=(30.0, 41.0), lon=(119.0, 131.0)):
    """GapGroups of pairs that met, and where: each came from somewhere, stayed with the other, and went somewhere.

    spare: the most hours that each has left on either way, in the mean.
    """
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(*lon, (n, 1)), rng.uniform(*lat, (n, 1))
    way_h, spare_h = rng.lognormal(np.log(4.0), 0.8, (2, n, 2)), rng.exponential(spare, (2, n, 2))
    start, end = (destination(x, y, rng.uniform(0, 360, (n, 2)), w * speed_kn * 1852 * (1 - SPHERE)) for w in way_h)
    begun_h = rng.uniform(0, 24, (n, 1))
    silences = GapGroups.of(
        begun_h - way_h[0] - spare_h[0], begun_h + STAY_H + way_h[1] + spare_h[1], start, end, speed_kn
    )
    return silences, x[:, 0], y[:, 0], (start, end)


def slices_h(of, ends, lon, lat, kmh=KMH):
    """The oracle: S at places (m,) of one pair, by slices of five minutes; ends: lon and lat, (2,) each."""
    step_h = 1 / 12
    time_h = np.arange(of.start_h.min(), of.end_h.max(), step_h)[:, None]
    there = np.ones((len(time_h), len(lon)), bool)
    for k in range(2):
        for (x, y), at_h in zip(ends, (of.start_h[0, k], of.end_h[0, k]), strict=True):
            apart_h = haversine_m(lon, lat, x[k], y[k]) / 1000 / kmh
            since_h = time_h - at_h if at_h == of.start_h[0, k] else at_h - time_h
            there &= since_h >= apart_h
    return there.sum(axis=0) * step_h


def contains(corners, lon, lat):
    """Whether polygons (n, m) hold places (n,): all corners go round them the same way."""
    x, y = (corner - at[:, None] for corner, at in zip(corners, (lon, lat), strict=True))
    turn = x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)
    return (turn >= 0).all(axis=1) | (turn <= 0).all(axis=1)


def test_the_longest_stay_is_as_long_as_the_meeting_and_never_above_its_bound():
    of, lon, lat, _ = meetings(1000, seed=1)
    best = longest(of)
    there = in_space_km(lon, lat).T[:, :, None]
    assert (of.stay_h(there) >= STAY_H - 0.001).all()
    assert (best.stay_h >= of.stay_h(there)[:, 0] - 0.001).all()
    assert (best.stay_h >= STAY_H - 0.001).all()
    assert (best.stay_h <= most_h(of) + 0.001).all()


@pytest.mark.parametrize("spare", [0.05, 1.0, 5.0])
def test_the_region_holds_where_they_met_and_is_hardly_larger_than_what_slices_of_time_give(spare):
    """Over open water, where the straight way is the shortest."""
    of, lon, lat, ends = meetings(170, seed=2, spare=spare)
    corners = regions(of, longest(of), STAY_H)
    assert contains(corners, lon, lat).mean() >= 0.99
    ours = area_km2(*corners)
    brute = np.zeros(len(of))
    for k in range(len(of)):
        x, y = (np.linspace(c[k].min(), c[k].max(), 41) for c in corners)
        dx, dy = (axis[1] - axis[0] for axis in (x, y))
        x, y = (axis.ravel() for axis in np.meshgrid(np.r_[x[0] - dx, x, x[-1] + dx], np.r_[y[0] - dy, y, y[-1] + dy]))
        one = tuple((a[k], b[k]) for a, b in ends)
        held = slices_h(of.taken(slice(k, k + 1)), one, x, y) >= STAY_H
        cell = dx * dy * 111.2**2 * np.cos(np.radians(y[held])) * (1 + SPHERE / 2)
        brute[k] = cell.sum()
    large = brute > 50  # cells and slices are too coarse for others
    assert large.sum() > 40
    print(spare, np.percentile((ours / brute)[large], [5, 50, 95]))
    assert np.median((ours / brute)[large]) <= 1.05


def test_the_least_speed_is_the_one_at_which_they_can_just_meet():
    of, *_ = meetings(60, seed=3, spare=3.0)
    least = least_speed_kn(of, STAY_H)
    assert (least <= SPEED_KN * 1.001).all()
    for more_kn, enough in ((0.01, True), (-0.15, False)):
        kmh = np.tile(np.maximum(least + more_kn, 0.01)[:, None] * KMH_PER_KN, 2)
        found = longest(GapGroups(of.start_h, of.end_h, of.start, of.end, kmh)).stay_h
        assert (found >= STAY_H - 0.005 if enough else (found < STAY_H) | (least < 0.2)).all()


def test_who_cannot_meet_needs_more_speed_or_never_can():
    where = ([[124.0, 128.0]], [[36.0, 36.0]])
    apart = GapGroups.of([[0.0, 0.0]], [[10.0, 10.0]], where, where, 12)
    assert most_h(apart)[0] < STAY_H
    assert least_speed_kn(apart, STAY_H)[0] == pytest.approx(haversine_m(124, 36, 128, 36) / 1852 / 8, rel=0.01)
    after = GapGroups.of([[0.0, 20.0]], [[10.0, 30.0]], where, where, 12)
    assert least_speed_kn(after, STAY_H)[0] == np.inf


def test_n_vessels_are_a_group_as_two_are():
    """A third that was there too shortens no stay below the meeting; a third elsewhere makes it impossible."""
    of, _, _, (start, end) = meetings(200, seed=4)
    third = [np.concatenate([a, a[:, :1]], axis=1) for a in (of.start_h, of.end_h)]
    x, y, x1, y1 = (np.concatenate([c, c[:, :1]], axis=1) for c in (*start, *end))
    three = GapGroups.of(third[0], third[1], (x, y), (x1, y1), SPEED_KN)
    assert np.allclose(longest(three).stay_h, longest(of).stay_h, atol=0.002)


@pytest.mark.parametrize("lon", [-178.0, 179.5])
def test_nothing_changes_at_the_date_line(lon):
    one, *_ = meetings(100, seed=5, lon=(130.0, 131.0))
    two, *_ = meetings(100, seed=5, lon=(lon, lon + 1.0))
    assert np.allclose(longest(one).stay_h, longest(two).stay_h, atol=0.002)


# ------------------------------------------------------------------------------------------------------- ways by sea


def meetings_round_land(n, seed):
    """Pairs that met, as ships sail, with land in one of their straight ways: a group, its region, place, ends."""
    rng = np.random.default_rng(seed)
    while n:
        lon, lat = rng.uniform([119.0, 33.5], [130.0, 40.5])
        x, y = (v.reshape(2, 2) for v in destination(lon, lat, rng.uniform(0, 360, 4), rng.uniform(20e3, 250e3, 4)))
        if not is_water([lon, *x.ravel()], [lat, *y.ravel()]).all():
            continue
        way_km = sea_distance_km(lon, lat, x.ravel(), y.ravel()).value_km.reshape(2, 2)
        way_h = way_km / KMH + rng.exponential(0.7, (2, 2))
        if not way_h.max() < 40:
            continue  # a lake, or all the way round Korea
        of = GapGroups.of([-way_h[0]], [STAY_H + way_h[1]], (x[0], y[0]), (x[1], y[1]), SPEED_KN)
        corners = tuple(axis[0] for axis in regions(of, longest(of), STAY_H))
        if not nothing_between(x.ravel(), y.ravel(), *corners):
            n -= 1
            yield of, corners, (lon, lat), (x, y)


def sailed_km2(of, corners, ends):
    """The oracle: the area of the places at sea, in squares, to which both could sail in time and on from there."""
    lon, lat = (np.linspace(axis.min(), axis.max(), 61) for axis in corners)
    cell = (lon[1] - lon[0]) * (lat[1] - lat[0]) * 111.2**2
    lon, lat = (axis.ravel() for axis in np.meshgrid(lon, lat))
    sea = is_water(lon, lat)
    lon, lat = lon[sea], lat[sea]
    hours = [[sea_distance_km(ends[0][e, k], ends[1][e, k], lon, lat).value_km / KMH for k in range(2)] for e in (0, 1)]
    come = np.max([of.start_h[0, k] + hours[0][k] for k in range(2)], axis=0)
    go = np.min([of.end_h[0, k] - hours[1][k] for k in range(2)], axis=0)
    return float((cell * np.cos(np.radians(lat)))[go - come >= STAY_H].sum())


@pytest.mark.parametrize(("n", "seed"), [(2, 7), pytest.param(50, 8, marks=pytest.mark.soak)])
def test_round_land_the_region_holds_where_they_met_and_is_hardly_larger_than_what_can_be_sailed(n, seed):
    """No pair that met is excluded, and no region is larger than the straight one.

    Ways by sea are no shorter than what we take, so that some islands and narrows make a region too large.
    """
    shares, straight = [], []
    for of, corners, place, ends in meetings_round_land(n, seed):
        found = by_sea(of, corners, STAY_H)
        assert found.possible
        assert found.most_h >= max(STAY_H, found.until_h - found.from_h - 0.01)
        region = shapely.from_wkb(found.region)
        assert region.is_valid
        assert shapely.distance(region, shapely.Point(place)) < 0.01
        assert is_water([found.lon], [found.lat]).all()
        straight.append(found.region_km2 / area_km2(*(axis[None] for axis in corners))[0])
        brute = sailed_km2(of, corners, ends) if n > 10 else 0.0  # two seconds each
        if brute > 500:  # cells are too coarse for others
            shares.append(found.region_km2 / brute)
    print([np.percentile(each, [5, 50, 95]) for each in (shares, straight) if each])
    assert max(straight) <= 1.001
    assert not shares or np.median(shares) <= 1.05


@pytest.mark.parametrize(("turn", "possible"), [(0.0, False), (-180.0, None)])
def test_who_lies_on_both_sides_of_korea_cannot_meet_in_a_day(turn, possible):
    """On the straight way they could; beyond the region of ways by sea nobody knows."""
    where = [[125.0 + turn, 129.5 + turn]], [[38.5, 38.5]]
    of = GapGroups.of([[0.0, 0.0]], [[24.0, 24.0]], where, where, SPEED_KN)
    best = longest(of)
    assert best.stay_h[0] > STAY_H
    found = by_sea(of, tuple(axis[0] for axis in regions(of, best, STAY_H)), STAY_H)
    assert (found and found.possible) is possible


def test_what_is_just_possible_or_reaches_beyond_the_region_is_not_excluded():
    for long_h, possible in ((STAY_H + 1e-6, None), (STAY_H + 0.02, True), (160.0, None)):
        where = [[124.0, 124.0]], [[38.5, 38.5]]
        of = GapGroups.of([[0.0, 0.0]], [[long_h, long_h]], where, where, SPEED_KN)
        found = by_sea(of, tuple(axis[0] for axis in regions(of, longest(of), STAY_H)), STAY_H)
        assert found.most_h == pytest.approx(long_h)
        assert found.possible is possible
