"""Owns: what stands so far costs little besides the steps, and a look leaves nothing behind that the next would see."""

from __future__ import annotations

import time

import numpy as np
import pytest

from stswatch.pipeline import schema
from stswatch.pipeline.batch import MINUTE, Result
from stswatch.pipeline.flow import slices
from stswatch.pipeline.routes import to_all
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import STEPS, Step, look_ahead
from tests.pipeline import seas

LAKE = {name: schema.empty(name) for name in ("fixes", "static_reports")}
NOW_US = 1_741_610_400_000_000


def fixes(minutes):
    """Two vessels that lie 100 m apart off Chodo."""
    time_us = NOW_US - np.repeat(np.arange(minutes), 2) * MINUTE
    mmsi, lon = np.tile([311_000_001, 311_000_002], minutes), np.tile([124.64, 124.641], minutes)
    return seas.fixes(mmsi, time_us, lon, np.full(2 * minutes, 38.4), np.full(2 * minutes, 0.2), "unknown")


def look(states, lake, steps=STEPS):
    return look_ahead(steps, states, lake, NOW_US, Rules())


def test_a_look_without_a_row_takes_milliseconds():
    """It is a plain loop over the steps: no engine stands between them."""
    states, took_s = slices.none_yet(STEPS), []
    for _ in range(20):
        began_s = time.process_time()
        look(states, LAKE)
        took_s.append(time.process_time() - began_s)
    assert min(took_s) < 0.03, "10 ms on an idle machine"


def test_each_look_sees_what_it_is_given_and_nothing_of_the_one_before():
    states = slices.none_yet(STEPS)
    found = [look(states, LAKE | {"fixes": fixes(n)}) for n in (60, 0, 45)]
    assert [rows["encounters"].num_rows for rows in found] == [1, 0, 1]
    assert [rows["vessels"]["fixes"].to_pylist() for rows in found] == [[60, 60], [], [45, 45]]
    assert "fixes" not in found[0], "rows of the lake are no answer"


def test_what_a_step_raised_is_raised_and_the_next_look_goes_on():
    def refuses(state, batch, rules):
        if batch.table("encounters").num_rows:
            raise ArithmeticError("an encounter")
        return Result({})

    steps = (*STEPS, Step("refuses", refuses, {"encounters": to_all}, ()))
    states = slices.none_yet(steps)
    with pytest.raises(ArithmeticError, match=r"^an encounter$"):
        look(states, LAKE | {"fixes": fixes(60)}, steps)
    assert look(states, LAKE | {"fixes": fixes(5)}, steps)["encounters"].num_rows == 0
