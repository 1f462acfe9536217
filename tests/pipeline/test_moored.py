"""Owns: craft moored in ports far from the trade are no leads, by any card, however they are received."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stswatch.models.scorecard import NAMES, chosen
from tests.pipeline import seas

DEG_M = 111_195.0
NEW_QUAYS, NEW_BASIN = (-5.525, 35.895), (-5.54, 35.905)  # Tanger Med: 1.8 and 3.5 km from the coast as it is known
PLACES = {
    "Tanger Med": (-5.51, 35.89),
    "its new quays": NEW_QUAYS,
    "off its new quays": NEW_BASIN,
    "Port Suez": (32.57, 29.935),
    "roads of Port Suez": (32.55, 29.87),
    "Puerto Banus": (-4.953, 36.485),
    "Gibraltar harbour": (-5.366, 36.142),
    "bay of Gibraltar": (-5.375, 36.155),
    "Maasvlakte": (3.99, 51.97),
    "Seine": (1.09, 49.43),
    "a marina at Miami": (-80.18, 25.79),
}
HOW = {  # scatter of positions in metres, speeds as reported, swing at a buoy in metres
    "fast at a quay": (3.0, "zero", 0.0),
    "class B, noisy": (15.0, "noise", 0.0),
    "no speed reported": (15.0, "none", 0.0),
    "at buoys": (10.0, "noise", 150.0),
}
CRAFT, DAYS, EVERY_S, TIDE_S, BESIDE_M = 3, 1.5, 360, 44_700.0, 45.0
HOLES_H = ((5.0, 8.0), (16.0, 18.5), (28.0, 31.0))  # hours in which the receiver heard nobody


def moored(place, scatter_m, speeds, swing_m, seed=1):
    """Craft side by side for days, no heading; a position of each every six minutes, with holes of the receiver."""
    rng = np.random.default_rng(seed)
    t = np.arange(0, DAYS * 86_400, EVERY_S)
    t = t[~np.any([(t >= low * 3600) & (t < high * 3600) for low, high in HOLES_H], axis=0)]
    parts = []
    for k in range(CRAFT):
        time_s = t + rng.uniform(0, EVERY_S)
        phase = 2 * np.pi * time_s / TIDE_S + rng.normal(0, 0.1)
        east_m = k * BESIDE_M + swing_m * np.cos(phase) + rng.normal(0, scatter_m, len(t))
        north_m = swing_m * np.sin(phase) + rng.normal(0, scatter_m, len(t))
        noise_kn = np.abs(rng.normal(0, 0.3, len(t))).round(1)
        sog_kn = {"zero": np.zeros(len(t)), "noise": noise_kn, "none": np.full(len(t), np.nan)}[speeds]
        columns = {
            "mmsi": 211000001 + k,
            "time": pd.Timestamp("2024-06-01", tz="UTC") + pd.to_timedelta(time_s, "s"),
            "lon": place[0] + east_m / DEG_M / np.cos(np.radians(place[1])),
            "lat": place[1] + north_m / DEG_M,
            "sog_kn": sog_kn,
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts).sort_values("time", ignore_index=True)


def leads(found, card):
    score, _ = chosen(card).score(found)  # with what lies round them
    return [round(points, 2) for points in score.tolist() if points >= chosen(card).cut_off.score]


def meetings(*how):
    return seas.with_context(seas.run(seas.of_frame(moored(*how))))


@pytest.fixture(scope="module", params=PLACES)
def found(request):
    """What is found at one place, however the craft lie."""
    return {how: meetings(PLACES[request.param], *HOW[how]) for how in HOW}


@pytest.mark.parametrize("card", NAMES)
def test_moored_craft_are_no_leads(found, card):
    assert {how: leads(rows, card) for how, rows in found.items()} == {how: [] for how in HOW}


def test_in_roads_they_are_meetings_all_the_same():
    assert meetings(PLACES["roads of Port Suez"], *HOW["at buoys"]).num_rows >= CRAFT


CHO_DO, SOK_TO, OFF_NAMPO = (124.84, 38.52), (125.02, 38.64), (125.1, 38.7)


@pytest.mark.parametrize("place", [CHO_DO, SOK_TO, OFF_NAMPO], ids=["Cho-do", "Sok-to", "off Nampo"])
def test_the_same_off_the_coast_of_the_dprk_is_a_meeting_and_by_the_table_a_lead(place):
    rows = meetings(place, 3.0, "zero", 0.0)
    assert rows.num_rows >= CRAFT
    assert leads(rows, "rules")
