"""Owns: meetings are measured as stepping through every pair second by second finds them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from stswatch.geo.coordinates.sphere import haversine_m
from stswatch.sample_ais import plan
from stswatch.sample_ais.fleet.motion import Course, Courses, Ragged, shift, step_at, steps, voyage

DAYS = 0.5


def fleet(seed: int, ships: int = 7) -> list[Course]:
    """Ships that mill about within some kilometres, some at 25 kn, some nearly still."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(ships):
        points = [shift(124.0, 37.0, *rng.normal(0, 1500, 2)) for _ in range(14)]
        speed_kn = float(rng.choice([0.4, 3.0, 9.0, 25.0]))
        out.append(voyage([(float(x), float(y)) for x, y in points], float(rng.uniform(-2e4, 1e4)), speed_kn))
    return out


def slowly(courses: list[Course]) -> list[tuple[int, int, float, float, float, float]]:
    """Pairs, start, end, nearest and median distance, each second."""
    time_s = np.arange(0.0, DAYS * 86_400 + 1)
    places = [course.at(time_s) for course in courses]
    found = []
    for i, j in combinations(range(len(courses)), 2):
        far_m = haversine_m(*places[i], *places[j])
        at = np.flatnonzero(far_m <= plan.WITHIN_M)
        for run in np.split(at, np.flatnonzero(np.diff(at) > plan.JOIN_S) + 1) if len(at) else ():
            near = far_m[run]
            found.append((i, j, float(run[0]), float(run[-1]), float(near.min()), float(np.median(near))))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_every_meeting_is_found_where_it_is(seed):
    courses = fleet(seed)
    found = plan.meetings(Courses.of(courses), len(courses), DAYS)
    mine = sorted(zip(*(column.tolist() for column in found[:6]), strict=True))
    long_meetings = [row for row in sorted(slowly(courses)) if row[3] - row[2] >= plan.LEAST_S + 60]
    assert len(long_meetings) >= 1
    for a, b, start_s, end_s, nearest_m, median_m in long_meetings:
        near = [m for m in mine if m[:2] == (a, b) and m[2] < end_s + 60 and m[3] > start_s - 60]
        assert len(near) == 1
        assert near[0][2] == pytest.approx(start_s, abs=plan.FINE_S)
        assert near[0][3] == pytest.approx(end_s, abs=plan.FINE_S)
        assert nearest_m - 1 <= near[0][4] <= nearest_m + 130  # at 25 kn a step of 20 s is 257 m
        assert near[0][5] == pytest.approx(median_m, abs=60)  # of some that pass by, it has few steps to go by
    surely = [m for m in mine if m[3] - m[2] >= plan.LEAST_S + 60]
    assert len(surely) <= len(slowly(courses))


def test_courses_are_read_as_one_by_one():
    courses = fleet(9)
    rng = np.random.default_rng(1)
    which, time_s = rng.integers(0, len(courses), 500), rng.uniform(-3e4, 6e4, 500)
    lon, lat = Courses.of(courses).at(which, time_s)
    for k in range(500):
        one = courses[which[k]].at([time_s[k]])
        assert (lon[k], lat[k]) == pytest.approx((one[0][0], one[1][0]), abs=1e-9)


def test_steps_hold_from_their_moment_on():
    series = steps([[(-1e9, 1.0), (10.0, 2.0), (20.0, 3.0)], [(-1e9, 7.0)]])
    which, time_s = np.array([0, 0, 0, 0, 1]), np.array([-5.0, 10.0, 19.9, 1e6, 15.0])
    assert step_at(series, which, time_s).tolist() == [1.0, 2.0, 2.0, 3.0, 7.0]
    assert isinstance(series, Ragged)
