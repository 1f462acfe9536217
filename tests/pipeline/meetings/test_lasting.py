"""Owns: no kept leg that a new one could meet is left out, at the date line and near the poles too; most others are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, MINUTE, micros
from stswatch.pipeline.meetings import candidates, proximity
from stswatch.pipeline.meetings.candidates import prune_legs
from stswatch.pipeline.meetings.relative_motion import LegColumns
from stswatch.pipeline.rules import Rules
from tests.pipeline import seas
from tests.pipeline.meetings.test_pairs import PLACES, some_legs

RULES = Rules()
DISTANCE_M = RULES.proximity.distance_m


def met(kept, new):
    """Which kept legs meet a new one, by candidates over all of them."""
    legs = pa.concat_tables([kept, new]).combine_chunks()
    is_new = np.arange(legs.num_rows) >= kept.num_rows
    boxes = proximity._boxes(legs, LegColumns(legs), is_new, RULES)
    found = [np.concatenate(pair) for pair in candidates.candidates(boxes, 0, 1)]
    rows = np.unique(np.concatenate([np.zeros(0, np.int64), *found]))
    return rows[rows < kept.num_rows]


def cut(legs, at_us):
    """What a slice that ends then keeps, and what comes new: legs are delivered when they are complete."""
    before = micros(legs, "end") <= at_us
    return legs.filter(pa.array(before)), legs.filter(pa.array(~before))


@pytest.mark.parametrize("place", [*PLACES, (40.0, 89.5)])
@pytest.mark.parametrize("seed", range(2))
def test_what_a_new_leg_can_meet_is_never_left_out(place, seed):
    kept, new = cut(some_legs(seed, 300, place), seas.NOON_US + 4 * HOUR)
    found = 0
    for k in range(0, new.num_rows, 3):  # by itself each: else the others in its square would hide what it leaves out
        one = new.slice(k, 1)
        some = met(kept, one)
        assert prune_legs(kept, one, DISTANCE_M)[some].all()
        found += len(some)
    assert found >= 10


def test_of_legs_far_apart_from_each_other_those_that_end_before_all_near_them_begin_are_left_out():
    """Hours of legs in four places; new ones in three of them, begun at one time here and another there."""
    places = [(-120.0, 30.0), (0.0, 0.0), (179.99, 50.0), (30.0, -60.0)]
    kept = pa.concat_tables([some_legs(k, 400, place) for k, place in enumerate(places)]).combine_chunks()
    since_us = seas.NOON_US + np.array([4, 5, 3]) * HOUR
    parts = [some_legs(9, 400, place) for place in places[:3]]
    new = [part.filter(pa.array(micros(part, "start") >= t)) for part, t in zip(parts, since_us, strict=True)]
    begun_us = [*(micros(part, "start").min() for part in new), seas.NOON_US + 99 * HOUR]
    found = prune_legs(kept, pa.concat_tables(new).combine_chunks(), DISTANCE_M).reshape(4, -1)
    assert found.tolist() == (micros(kept, "end").reshape(4, -1) > np.array(begun_us)[:, None]).tolist()
    assert 0 < found.sum() < 0.6 * found.size


@pytest.mark.parametrize("turn_deg", [-360.0, 360.0])
def test_longitudes_may_be_of_any_turn(turn_deg):
    legs = some_legs(1, 200, PLACES[0])
    kept, new = cut(legs, seas.NOON_US + 3 * HOUR + 30 * MINUTE)
    turned = kept
    for name in ("lon0", "lon1"):
        at = kept.column_names.index(name)
        turned = turned.set_column(at, schema.LEGS.field(name), pa.array(np.asarray(kept[name]) + turn_deg))
    assert prune_legs(turned, new, DISTANCE_M).tolist() == prune_legs(kept, new, DISTANCE_M).tolist()


def test_without_kept_or_new_ones_nothing_lasts():
    legs = some_legs(1, 20, PLACES[2])
    assert len(prune_legs(legs.slice(0, 0), legs, DISTANCE_M)) == 0
    assert not prune_legs(legs, legs.slice(0, 0), DISTANCE_M).any()
