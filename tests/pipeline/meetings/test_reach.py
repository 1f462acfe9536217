"""Owns: how long silent vessels can have been together, where, and at what speed, as slices of time have it."""

from __future__ import annotations

import numpy as np
import pytest

from stswatch.geo.coordinates.plane import in_space_km
from stswatch.geo.coordinates.sphere import destination, haversine_m
from stswatch.pipeline.meetings.reach import KMH_PER_KN, GapGroups, area_km2, least_speed_kn, longest, most_h, regions

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
