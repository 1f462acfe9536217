"""Owns: what stands so far costs little besides the steps, and a look leaves nothing behind that the next would see."""

from __future__ import annotations

import time

import apache_beam as beam
import numpy as np
import pytest

from stswatch.pipeline import schema
from stswatch.pipeline.batch import MINUTE, Result
from stswatch.pipeline.flow import slices
from stswatch.pipeline.flow.engine import Embedded, ProvisionalRun
from stswatch.pipeline.routes import to_all
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import STEPS, InMemory, Step
from tests.pipeline import seas

LAKE = {name: schema.empty(name) for name in ("fixes", "static_reports")}
NOW_US = 1_741_610_400_000_000


def fixes(minutes):
    """Two vessels that lie 100 m apart off Chodo."""
    time_us = NOW_US - np.repeat(np.arange(minutes), 2) * MINUTE
    mmsi, lon = np.tile([311_000_001, 311_000_002], minutes), np.tile([124.64, 124.641], minutes)
    return seas.fixes(mmsi, time_us, lon, np.full(2 * minutes, 38.4), np.full(2 * minutes, 0.2), "unknown")


def cpu_s(*calls):
    """The median CPU seconds of each of some calls that take turns."""
    took = np.zeros((30, len(calls)))
    for row in took:
        for k, call in enumerate(calls):
            began_s = time.process_time()
            call()
            row[k] = time.process_time() - began_s
    return np.median(took[5:], axis=0)


def test_six_steps_cost_beam_a_few_times_what_one_that_does_nothing_costs_it():
    """With a barrier before each of them it was nine times, and rows that travel are pickled only to be weighed."""
    peek, states = ProvisionalRun(STEPS, Rules()), slices.none_yet(STEPS)
    nothing = Embedded(lambda p, given: p | beam.Impulse() | beam.Map(len))
    look_s, steps_s, nothing_s = cpu_s(
        lambda: peek.at(states, LAKE, NOW_US),
        lambda: InMemory(Rules(), 1).slice(LAKE, NOW_US, final=True),
        nothing.run,
    )
    assert look_s - steps_s < 5 * nothing_s
    assert look_s > nothing_s, "it ran on Beam"


def test_each_look_sees_what_it_is_given_and_nothing_of_the_one_before():
    peek, states = ProvisionalRun(STEPS, Rules()), slices.none_yet(STEPS)
    found = [peek.at(states, LAKE | {"fixes": fixes(n)}, NOW_US) for n in (60, 0, 45)]
    assert [rows["encounters"].num_rows for rows in found] == [1, 0, 1]
    assert [rows["vessels"]["fixes"].to_pylist() for rows in found] == [[60, 60], [], [45, 45]]
    assert "fixes" not in found[0], "rows of the lake are no answer"


def test_what_a_step_raised_is_raised_and_the_next_look_goes_on():
    def refuses(state, batch, rules):
        if batch.table("encounters").num_rows:
            raise ArithmeticError("an encounter")
        return Result({})

    steps = (*STEPS, Step("refuses", refuses, {"encounters": to_all}, ()))
    peek, states = ProvisionalRun(steps, Rules()), slices.none_yet(steps)
    with pytest.raises(ArithmeticError, match=r"^an encounter$"):
        peek.at(states, LAKE | {"fixes": fixes(60)}, NOW_US)
    assert peek.at(states, LAKE | {"fixes": fixes(5)}, NOW_US)["encounters"].num_rows == 0
