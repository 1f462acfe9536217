"""Reception counts against a count by hand."""

from collections import Counter

import numpy as np
import pytest

from stswatch.pipeline.batch import HOUR, MINUTE, SECOND
from tests.pipeline import seas


def sea(seed, n=3000, hours=7):
    """Fixes anywhere about the date line, by three kinds of receiver, some of them twice."""
    rng = np.random.default_rng(seed)
    table = seas.fixes(
        rng.integers(1, 9, n),
        seas.NOON_US + rng.integers(0, hours * 3600, n) * SECOND,
        (rng.normal(180, 0.5, n) + 180) % 360 - 180,
        rng.normal(-1, 0.4, n),
        0.0,
        rng.choice(["terrestrial", "satellite", "unknown"], n, p=[0.7, 0.2, 0.1]),
    )
    return table.take(np.append(np.arange(n), np.arange(0, n, 7)))


def by_hand(table):
    """Fixes and vessels by cell, hour and receiver; of several fixes of one vessel at one time the least place."""
    rows = zip(*(table[c].to_pylist() for c in ("mmsi", "time", "lon", "lat", "receiver")), strict=True)
    kept = {}
    for mmsi, time, *place in rows:
        kept[mmsi, time] = min(kept.get((mmsi, time), place), place)
    fixes, vessels = Counter(), set()
    for (mmsi, time), (lon, lat, receiver) in kept.items():
        cell = int((lat + 90) // 0.5) * 100_000 + int((lon + 180) // 0.5)
        hour = int(time.timestamp()) // 3600 * HOUR
        fixes[cell, hour, receiver] += 1
        vessels.add((cell, hour, receiver, mmsi))
    return fixes, Counter(key[:3] for key in vessels)


@pytest.mark.parametrize(("cut_min", "shards"), [(None, 1), (60, 7), (20, 3), (47, 1), (433, 64)])
def test_counts_are_those_counted_by_hand_wherever_the_cuts_lie(cut_min, shards):
    """Cuts within an hour count no vessel twice."""
    table = sea(3)
    cuts = () if cut_min is None else range(seas.NOON_US + cut_min * MINUTE, seas.NOON_US + 7 * HOUR, cut_min * MINUTE)
    counted = seas.added(seas.tracked(table, list(cuts), shards=shards)["coverage"], "cell", "hour", "receiver")
    keys = list(
        zip(
            counted["cell"].to_pylist(),
            seas.micros_of(counted, "hour").tolist(),
            counted["receiver"].to_pylist(),
            strict=True,
        )
    )
    fixes, vessels = by_hand(table)
    assert len(keys) > 100
    assert dict(zip(keys, counted["fixes_sum"].to_pylist(), strict=True)) == fixes
    assert dict(zip(keys, counted["vessels_sum"].to_pylist(), strict=True)) == vessels


def test_what_is_kept_of_an_hour_goes_with_the_hour():
    """The state of who was heard is empty at whole hours, and never holds more than one."""
    from stswatch.pipeline.batch import Batch
    from stswatch.pipeline.rules import Rules
    from stswatch.pipeline.steps import STEPS

    step, table = STEPS[0], sea(4)
    time_us, state = seas.micros_of(table, "time"), STEPS[0].no_state()
    for k in range(1, 15):
        low, high = seas.NOON_US + (k - 1) * 30 * MINUTE, seas.NOON_US + k * 30 * MINUTE
        part = table.filter((time_us >= low) & (time_us < high))
        state = step.run(state, Batch({"fixes": part}, high), Rules()).state
        hours = set(seas.micros_of(state["heard"], "hour").tolist())
        assert hours == (set() if k % 2 == 0 else {high // HOUR * HOUR})
