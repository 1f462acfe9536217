"""Neighbours at berth are counted by port, part and hour, not written as encounters."""

from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest

from stswatch.geo.reference.ports import world_ports
from stswatch.pipeline.batch import HOUR, MINUTE, SECOND
from tests.pipeline import seas

QINGDAO, NAMPO, OPEN_SEA = (120.30, 36.08), (125.40, 38.70), (124.0, 28.0)
PUERTO_BANUS, GIBRALTAR, PORT_SUEZ, TANGER_MED = (-4.953, 36.485), (-5.356, 36.149), (32.57, 29.935), (-5.51, 35.89)
ON_A_RIVER, IN_A_DOCK = (4.33, 51.30), (4.30, 51.88)  # Antwerp and Rotterdam: the coast has land there
SUEZ_ROADS, OFF_TANGER = (32.55, 29.87), (-5.45, 35.93)  # within 10 km of a port without polygon, 1.7 km off and more
CHO_DO, SOK_TO, OFF_NAMPO = (124.84, 38.52), (125.02, 38.64), (125.1, 38.7)
HUNGNAM, VOSTOCHNY = (127.62, 39.8), (133.05, 42.74)
AT_BERTH = (QINGDAO, PUERTO_BANUS, GIBRALTAR, PORT_SUEZ, TANGER_MED, ON_A_RIVER, IN_A_DOCK)
MEETING = (NAMPO, OPEN_SEA, SUEZ_ROADS, OFF_TANGER, CHO_DO, SOK_TO, OFF_NAMPO, HUNGNAM, VOSTOCHNY)
MIDNIGHT = 1_709_251_200 * SECOND  # 2024-03-01


def stationary(mmsi, minutes, east_m=0.0, north_m=0.0, place=QINGDAO, sog_kn=0.0):
    lon = place[0] + np.asarray(east_m) / (seas.EAST_M * np.cos(np.radians(place[1])))
    time_us = MIDNIGHT + np.rint(np.asarray(minutes) * MINUTE).astype(np.int64)
    return seas.fixes(mmsi, time_us, lon, place[1] + np.asarray(north_m) / 111_000, sog_kn)


def counted(given):
    rows = seas.added(given["port_pair_counts"], "port", "part", "hour")
    hours = (seas.micros_of(rows, "hour") - MIDNIGHT) // HOUR
    return dict(zip(hours.tolist(), rows["pairs_sum"].to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("place", "berth"), [*((place, True) for place in AT_BERTH), *((place, False) for place in MEETING)]
)
def test_two_that_lie_still_at_berth_outside_the_trade_are_counted_else_they_meet(place, berth):
    times = np.arange(0, 151, 10)
    given = seas.meetings(pa.concat_tables([stationary(1, times, place=place), stationary(2, times, 100, place=place)]))
    assert given["encounters"].num_rows == (not berth)
    assert counted(given) == ({0: 1, 1: 1, 2: 1} if berth else {})


@pytest.mark.parametrize(("place", "port", "part"), [(QINGDAO, "CNTAO", "harbour"), (GIBRALTAR, "Gibraltar", "shore")])
def test_a_count_says_where_and_how_they_lay(place, port, part):
    times = np.arange(0, 51, 10)
    given = seas.meetings(pa.concat_tables([stationary(1, times, place=place), stationary(2, times, 100, place=place)]))
    (row,) = given["port_pair_counts"].to_pylist()
    assert row["part"] == part
    assert port in (row["port"], world_ports().name[world_ports().id == row["port"]][0])


def test_one_that_moves_meets_those_at_berth():
    times = np.arange(0, 61, 10)
    given = seas.meetings(pa.concat_tables([stationary(1, times), stationary(2, times, 100, sog_kn=1.0)]))
    assert given["encounters"].num_rows == 1
    assert counted(given) == {}


@pytest.mark.parametrize(("cuts", "shards"), [((), 1), (range(37, 700, 111), 7), (range(60, 700, 240), 32)])
def test_distinct_pairs_by_hour_are_those_of_brute_force(cuts, shards):
    """Ships come, shift and go; each pair counts once an hour though many legs say so, in one place at a time.

    Cuts fall within hours and between them; there are fewer shards than ships, and more.
    """
    rng = np.random.default_rng(4)
    n, minutes = 30, np.arange(0, 661)
    here = np.zeros((n, len(minutes)), bool)
    place_m = rng.uniform(0, 1500, (n, 2))
    tables = []
    for k in range(n):
        first, last = sorted(rng.choice(np.arange(0, 661, 10), 2, replace=False))
        here[k, first : last + 1] = True
        every = rng.choice([1, 2, 5, 10])
        times = np.arange(first, last + 1, every)
        tables.append(stationary(k + 1, times, np.full(len(times), place_m[k, 0]), place_m[k, 1]))
    sea = pa.concat_tables(tables)
    near = {
        (a, b)
        for a, b in combinations(range(n), 2)
        if np.hypot(*(place_m[a] - place_m[b]) * [1, seas.NORTH_M * 1.0034 / 111_000]) < 500
    }
    expected = {}
    for a, b in near:
        together = here[a] & here[b]
        for hour in range(11):
            # from one minute to the next is together only where both ends are
            span = together[hour * 60 : hour * 60 + 61]
            expected[hour] = expected.get(hour, 0) + bool((span[1:] & span[:-1]).any())
    given = seas.meetings(sea, [MIDNIGHT + c * MINUTE for c in cuts], shards)
    assert counted(given) == {hour: pairs for hour, pairs in expected.items() if pairs}
    assert sum(expected.values()) > 200
    assert given["encounters"].num_rows == 0
    assert set(given["port_pair_counts"]["port"].to_pylist()) <= set(world_ports().id.tolist())
