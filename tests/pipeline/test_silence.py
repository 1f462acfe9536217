"""Owns: that a receiver, a station or a file was silent raises no score, by any scorecard."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.models.scorecard import NAMES, chosen
from stswatch.pipeline import api

HOURS, EVERY_S, DEG_M = 12, 180, 111_195.0
LON, LAT = 140.0, 20.0  # 200 km and more from every shore, port and zone
STEPS = HOURS * 3600 // EVERY_S
PAIR = (431000001, 431000002)


def meeting(beside_m, drift_kn, noise_m, seed):
    """Two ships side by side for half a day, drifting steadily; a position of each every three minutes."""
    rng = np.random.default_rng(seed)
    t = np.arange(STEPS) * EVERY_S
    north_m = drift_kn * 0.514444 * t
    parts = [
        pd.DataFrame(
            {
                "mmsi": mmsi,
                "time": pd.Timestamp("2025-03-10", tz="UTC") + pd.to_timedelta(t, "s"),
                "lon": LON + (east_m + rng.normal(0, noise_m, STEPS)) / DEG_M / np.cos(np.radians(LAT)),
                "lat": LAT + (north_m + rng.normal(0, noise_m, STEPS)) / DEG_M,
                "sog_kn": drift_kn,
            }
        )
        for mmsi, east_m in zip(PAIR, (0.0, beside_m), strict=True)
    ]
    return pd.concat(parts).sort_values("time", ignore_index=True)


def scores(rows, card):
    return api.detect(rows, scorecard=card).score.tolist()


MEETING = st.tuples(
    st.sampled_from([50.0, 140.0, 300.0]), st.sampled_from([0.0, 0.1, 0.3, 1.0]), st.sampled_from([0.0, 10.0])
)
WINDOW = st.tuples(st.integers(0, STEPS), st.integers(1, STEPS // 2))


@pytest.mark.parametrize("card", NAMES)
@settings(max_examples=12)
@given(MEETING, WINDOW, st.sampled_from([PAIR, PAIR[:1]]), st.sampled_from([1.0, 0.9]))
def test_no_score_rises_when_less_was_received(card, how, window, silent, kept):
    """A stretch in which nobody, or one of the two, was heard, and reports lost here and there."""
    whole = meeting(*how, seed=1)
    number = np.round((whole.time - whole.time[0]).dt.total_seconds() / EVERY_S)
    lost = whole.mmsi.isin(silent) & (number >= window[0]) & (number < window[0] + window[1])
    lost |= np.random.default_rng(2).random(len(whole)) >= kept
    (score,) = scores(whole, card)
    assert all(part <= score for part in scores(whole[~lost], card))


@pytest.mark.parametrize("card", NAMES)
def test_an_outage_in_the_middle_makes_two_meetings_that_score_no_more(card):
    whole = meeting(50.0, 0.0, 0.0, seed=1)
    hour = (whole.time - whole.time[0]).dt.total_seconds() / 3600
    found = api.detect(whole[(hour < 5) | (hour >= 7.5)], scorecard=card)
    assert len(found) == 2
    assert found.gap_a.all()
    assert found.gap_b.all()
    assert (found.score <= scores(whole, card)[0]).all()


@pytest.mark.parametrize("card", NAMES)
def test_a_type_that_was_not_heard_gives_no_points(card):
    found = api.detect(meeting(50.0, 0.3, 10.0, seed=1), scorecard=card)
    (reasons,) = found.reasons
    assert {r["points"] for r in reasons if r["feature"] in ("cargo_carriers", "shorter_length_m")} <= {0.0}
    assert chosen(card).model_id
