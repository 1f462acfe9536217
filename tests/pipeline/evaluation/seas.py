"""A watched sea that is made up, for tests of its figures: no ship sails in it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from stswatch.pipeline.evaluation.seas import ROWS, Watched

FAMILIES = {
    "transfer": ("at_anchor", "under_way", "never_seen"),
    "look_alike": ("bunkering", "pilots"),
    "traffic": ("none",),
}


def watched(n=600, seed=1, missed=20, vessels=200):
    """n encounters, of which the longer and the nearer are transfers more often, and transfers that were missed."""
    rng = np.random.default_rng(seed)
    duration_min, distance_m = rng.lognormal(5, 1, n).round(1), rng.uniform(20, 500, n).round(1)
    odds = np.log(duration_min / 150) + (150 - distance_m) / 80
    truth = np.where(rng.random(n) < 1 / (1 + np.exp(-odds)), "transfer", rng.choice(["look_alike", "traffic"], n))
    family = np.array([rng.choice([f for f in FAMILIES[t] if f != "never_seen"]) for t in truth])
    columns = {name: [None] * (n + missed) for name in ROWS.names}
    columns |= {
        "truth": [*truth, *["transfer"] * missed],
        "family": [*family, *["never_seen"] * missed],
        "scenario": [*family, *["never_seen"] * missed],
        "detected": [True] * n + [False] * missed,
        "repeat": [*(rng.random(n) < 0.05).tolist(), *[False] * missed],
        "seed": [seed] * (n + missed),
        "mmsi_a": rng.integers(1, vessels, n + missed).tolist(),
        "mmsi_b": rng.integers(vessels, 2 * vessels, n + missed).tolist(),
        "start_time": [0] * (n + missed),
        "end_time": [1] * (n + missed),
        "start_off_min": [*rng.normal(0, 3, n), *[None] * missed],
        "end_off_min": [*rng.normal(0, 3, n), *[None] * missed],
    }
    measured = {
        "duration_min": duration_min,
        "within_min": duration_min,
        "median_distance_m": distance_m,
        "cpa_distance_m": distance_m * 0.8,
        "median_speed_a_kn": rng.uniform(0, 4, n).round(1),
        "median_speed_b_kn": rng.uniform(0, 4, n).round(1),
        "distance_to_port_km": rng.uniform(0, 100, n).round(1),
        "sun_elevation_deg": rng.uniform(-70, 70, n).round(1),
        "observed_share": rng.random(n).round(2),
    }
    columns |= {name: [*values.tolist(), *[None] * missed] for name, values in measured.items()}
    for name in ("gap_a", "gap_b", "starboard"):
        columns[name] = [*(rng.random(n) < 0.3).tolist(), *[name == "starboard" and False] * missed]
    columns["zones"] = [*[["chodo"] if here else [] for here in rng.random(n) < 0.5], *[None] * missed]
    rows = pa.table([pa.array(columns[field.name], field.type) for field in ROWS], schema=ROWS)
    return Watched(rows, days=7.0, vessel_days=7.0 * 2 * vessels)
