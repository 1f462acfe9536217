"""Intervals within the distance against those of MobilityDB's library MEOS (`tdwithin`), which shares nothing with us.

Positions go to MEOS as metres on a plane of each pair, made by geodesics of pyproj.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from pyproj import Geod

from stswatch.pipeline.batch import MS, SECOND
from stswatch.pipeline.meetings.relative_motion import Ends, near

pymeos = pytest.importorskip("pymeos", reason="no wheel of pymeos-cffi for this system")

PAIRS, DISTANCE_M = 1000, 500.0
START_US = 1_709_294_400 * SECOND
EDGE_M, EDGE_S = 0.05, 2.0  # a pair that passes so near the distance, or is within it so shortly, may fall either way
EARTH = Geod(ellps="WGS84")


@pytest.fixture(scope="module", autouse=True)
def meos():
    pymeos.pymeos_initialize("UTC")
    yield
    pymeos.pymeos_finalize()


def scene(seed):
    """Pairs of legs that overlap in time: (start_us, end_us, x0, y0, x1, y1) of a and b in metres, and how long a
    degree east and north is for each, and its place."""
    rng = np.random.default_rng(seed)
    lat, lon = rng.uniform(-70, 70, PAIRS), rng.uniform(-180, 180, PAIRS)
    lon[:100] = 180 - 1e-3  # over the date line
    east_m, north_m = (
        EARTH.inv(lon, lat - rise / 2, lon + turn, lat + rise / 2)[2] / 1e-3 for turn, rise in ((1e-3, 0), (0, 1e-3))
    )
    sides = []
    for _ in "ab":
        begin_ms, lasts_ms = rng.integers(0, 600_000, PAIRS), rng.integers(600_001, 3_600_000, PAIRS)
        times_us = START_US + begin_ms * MS, START_US + (begin_ms + lasts_ms) * MS
        sides.append((*times_us, *rng.uniform(-900, 900, (4, PAIRS))))
    return sides, (lon, lat, east_m, north_m)


def ends(side, place):
    """A side as legs in degrees."""
    start_us, end_us, x0, y0, x1, y1 = side
    lon, lat, east_m, north_m = place
    lon0 = (lon + x0 / east_m + 180) % 360 - 180
    return Ends(start_us, end_us, lon0, lat + y0 / north_m, lon0 + (x1 - x0) / east_m, lat + y1 / north_m)


def sequence(side, row):
    """A leg as MEOS has it."""
    start_us, end_us, x0, y0, x1, y1 = (column[row] for column in side)
    first, last = (datetime.fromtimestamp(int(t) / SECOND, UTC).isoformat() for t in (start_us, end_us))
    return pymeos.TGeomPointSeq(f"[Point({x0:.9f} {y0:.9f})@{first}, Point({x1:.9f} {y1:.9f})@{last}]")


def theirs(a, b, row, distance_m=DISTANCE_M):
    """From when to when MEOS has a pair within the distance, seconds; None where never."""
    within = sequence(a, row).within_distance(sequence(b, row), distance_m)
    spans = within.when_true() if within is not None else None
    if spans is None:
        return None
    return spans.start_span().lower().timestamp(), spans.end_span().upper().timestamp()


def test_intervals_are_those_of_mobilitydb_to_a_second():
    (a, b), place = scene(seed=18)
    found = near(ends(a, place), ends(b, place), DISTANCE_M)
    ours = {
        row: (start_us / SECOND, end_us / SECOND)
        for row, start_us, end_us in zip(found.pair.tolist(), found.start_us, found.end_us, strict=True)
    }
    dropped, compared, met = 0, 0, 0
    for row in range(PAIRS):
        less, more = (theirs(a, b, row, DISTANCE_M + edge_m) for edge_m in (-EDGE_M, EDGE_M))
        if (less is None) != (more is None) or (more is not None and more[1] - more[0] < EDGE_S):
            dropped += 1
            continue
        expected, got = theirs(a, b, row), ours.get(row)
        assert (expected is None) == (got is None), row
        compared += 1
        if expected is not None:
            met += 1
            assert got == pytest.approx(expected, abs=1.0), row
    assert dropped <= PAIRS // 50
    assert compared == PAIRS - dropped
    assert PAIRS // 4 < met < PAIRS
