"""Who met whom, measured on the true courses before noise and silence: every pair of hulls within 500 m."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from stswatch.geo.sphere import MEAN_RADIUS_M, haversine_m, unit_vectors
from stswatch.sample_ais.courses import Courses, Ints
from stswatch.sample_ais.motion import Floats

WITHIN_M = 500.0
JOIN_S = 1800  # interruptions up to so long do not end a meeting
LEAST_S = 300  # shorter meetings are not listed
COARSE_S = 300.0
FINE_S = 20.0
ROWS = 100_000  # coarse steps measured at a time, or those of one pair if more: they bound the memory
FASTEST_MS = 28.0  # two ships towards each other at 27 kn each: what a pair closes in half a coarse step is found


class Meetings(NamedTuple):
    """Ships a and b (n,), start and end in seconds (n,), distances in metres, where they were nearest, degrees."""

    a: Ints
    b: Ints
    start_s: Floats
    end_s: Floats
    nearest_m: Floats
    median_m: Floats
    lon: Floats
    lat: Floats


def meetings(courses: Courses, ships: int, days: float) -> Meetings:
    """All meetings of the first `ships` courses of LEAST_S or more, joined over interruptions of up to JOIN_S.

    Start and end are where the distance, straight between steps of FINE_S, crosses 500 m, or where the plan begins and
    ends. Distances are medians over time.
    """
    a, b, step = _near(courses, ships, days)
    starts = np.flatnonzero(np.r_[True, (np.diff(a) != 0) | (np.diff(b) != 0)]) if len(a) else np.zeros(1, int)
    cuts = np.unique(starts[np.searchsorted(starts, np.arange(0, len(a), ROWS), side="right") - 1]).tolist() or [0]
    parts = [
        _between(courses, *_fine(a[low:high], b[low:high], step[low:high], days))
        for low, high in zip(cuts, [*cuts[1:], len(a)], strict=True)
    ]
    return Meetings._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


def _between(courses: Courses, a: Ints, b: Ints, time_s: Floats) -> Meetings:
    """The meetings of whole pairs, given at all steps (n,), in order of pair and time, at which they could be near."""
    lon, lat = (np.stack([courses.at(who, time_s)[k] for who in (a, b)]) for k in (0, 1))
    apart_m = haversine_m(lon[0], lat[0], lon[1], lat[1])
    rows = np.flatnonzero(apart_m <= WITHIN_M)
    same = (a[rows[1:]] == a[rows[:-1]]) & (b[rows[1:]] == b[rows[:-1]])
    new = np.ones(len(rows), bool)
    new[1:] = ~(same & (np.diff(time_s[rows]) <= JOIN_S + FINE_S))
    heads = np.flatnonzero(new)
    first, last = rows[heads], rows[np.append(heads[1:], len(rows))[: len(heads)] - 1]
    group = np.cumsum(new) - 1
    nearest = rows[np.lexsort((apart_m[rows], group))][np.searchsorted(group, np.arange(len(first)))]
    found = Meetings(
        a[first],
        b[first],
        _crossing(a, b, time_s, apart_m, first, -1),
        _crossing(a, b, time_s, apart_m, last, 1),
        apart_m[nearest],
        _medians(apart_m[rows], group),
        (lon[0][nearest] + lon[1][nearest]) / 2,
        (lat[0][nearest] + lat[1][nearest]) / 2,
    )
    keep = found.end_s - found.start_s >= LEAST_S
    return Meetings._make(column[keep] for column in found)


def _near(courses: Courses, ships: int, days: float) -> tuple[Ints, Ints, Ints]:
    """Pairs a < b and coarse steps at which they could be within 500 m before the next, in order of pair and step."""
    steps = np.arange(0, int(np.ceil(days * 86_400 / COARSE_S)) + 1)
    which = np.tile(np.arange(ships), len(steps))
    places = MEAN_RADIUS_M * unit_vectors(*courses.at(which, np.repeat(steps * COARSE_S, ships)))
    found = [_pairs(places[k * ships : (k + 1) * ships], k) for k in steps.tolist()]
    a, b, step = np.concatenate(found).T
    order = np.lexsort((step, b, a))
    return a[order], b[order], step[order]


def _pairs(places: Floats, step: int) -> NDArray[np.int64]:
    reach_m = WITHIN_M + FASTEST_MS * COARSE_S / 2
    pairs = cKDTree(places).query_pairs(reach_m, output_type="ndarray")
    return np.column_stack([pairs, np.full(len(pairs), step)]).astype(np.int64)


def _fine(a: Ints, b: Ints, step: Ints, days: float) -> tuple[Ints, Ints, Floats]:
    """The pairs at steps of FINE_S around each coarse one, in order of pair and time as they are given."""
    inner = np.arange(-COARSE_S / 2, COARSE_S / 2, FINE_S)
    time_s = (step[:, None] * COARSE_S + inner).ravel()
    keep = (time_s >= 0) & (time_s <= days * 86_400)
    return np.repeat(a, len(inner))[keep], np.repeat(b, len(inner))[keep], time_s[keep]


def _crossing(a: Ints, b: Ints, time_s: Floats, apart_m: Floats, at: Ints, way: int) -> Floats:
    """When the distance crosses 500 m on the way out of the rows `at`, or their own times where nothing is beyond."""
    beyond = np.clip(at + way, 0, len(a) - 1)
    beside = (a[beyond] == a[at]) & (b[beyond] == b[at]) & (np.abs(time_s[beyond] - time_s[at]) < 1.5 * FINE_S)
    rise = np.where(beside, apart_m[beyond] - apart_m[at], 1.0)
    share = np.where(beside & (rise > 0), (WITHIN_M - apart_m[at]) / np.where(rise > 0, rise, 1.0), 0.0)
    return time_s[at] + np.clip(share, 0, 1) * way * FINE_S


def _medians(values: Floats, group: Ints) -> Floats:
    """The median of each group of values (n,); groups are numbered from 0 in order."""
    order = np.lexsort((values, group))
    count = np.bincount(group)
    first = np.cumsum(count) - count
    ranked = values[order]
    return np.asarray((ranked[first + (count - 1) // 2] + ranked[first + count // 2]) / 2)
