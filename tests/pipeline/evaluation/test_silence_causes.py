"""Owns: of what only reception silences hardly any gap is called silenced, whatever hid the vessels."""

import numpy as np
import pyarrow as pa
import pytest

from stswatch.pipeline.evaluation import silences
from stswatch.pipeline.schema import SILENCED
from stswatch.sample_ais.simulation import simulate

# Least share of gaps of a cause that are not called silenced. An outage of one station is the hardest: those that it
# alone heard fall silent beside others that are heard on. Of fades there are some sixty here, of which nobody could
# decide most; of such gaps nineteen of twenty are to be left alone. Ships leave this sea at six places, where
# satellites hear others on: one in ten that come back there is not known to have left.
LEAST = {"out_of_range": 0.985, "fade": 0.95, "left": 0.9, "outage": 0.9}


@pytest.mark.soak  # a sea of two weeks through all steps: a minute and a half of CPU
def test_reception_holes_outages_fades_and_the_edge_of_the_sea_silence_nobody():
    sea = simulate(silences.PLAN, 705)
    found, until_us = silences.watched_to_the_end(sea.fixes, sea.static_reports)
    judged = found["judged_gaps"]
    row = silences._matched(judged, sea.gaps, until_us)
    known = np.flatnonzero(row >= 0)
    cause = np.array(sea.gaps.take(pa.array(row[known]))["cause"].to_pylist(), object)
    silenced = np.array(judged["judgement"].to_pylist(), object)[known] == SILENCED
    shares = {each: float(1 - silenced[cause == each].mean()) for each in LEAST}
    assert min((cause == each).sum() for each in LEAST) >= 10
    assert {each: share for each, share in shares.items() if share < LEAST[each]} == {}
    satellite = np.array(judged["receiver"].to_pylist(), object)[known] == "satellite"
    between_passes = satellite & (cause == "out_of_range")
    assert between_passes.sum() > 100
    assert silenced[between_passes].mean() <= 0.01
    assert silenced[np.isin(cause, silences.OFF)].mean() > 0.6
