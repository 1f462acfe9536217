"""What else a user would rank meetings by: published rules and the plainest of measures, to be beaten or not.

A published rule parts meetings into those that pass, 1, and those that do not, 0, without an order in either. At a
number of leads that falls among equals, evaluation.py tells the mean over all their orders.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stswatch.models import scorecard
from stswatch.models.measures import (
    Columns,
    Floats,
    distance_to_port_km,
    distance_to_shore_km,
    duration_h,
    floats,
    median_distance_m,
    speed_kn,
)

BESIDE = "starboard"
PASSED = 1.0


def global_fishing_watch(columns: Columns) -> Floats:
    """Within 500 m for 2 h, median speed under 2 kn, 10 km or more from the nearest port.

    Source: https://globalfishingwatch.org/faqs/what-is-a-vessel-encounter/; the 10 km there are to an anchorage.
    """
    slow, far = speed_kn(columns) < 2, distance_to_port_km(columns) >= 10
    return ((duration_h(columns) >= 2) & slow & far).astype(np.float64)


def starboard(columns: Columns) -> Floats:
    """Within 50 m for 10 min or within 200 m for 30 min, 10 km or more from the shore.

    A column `starboard` says whether the meeting holds such a stretch; the steps find it with these two distances and
    durations as their rules. Where the shore is not known the nearest port stands for it.
    Source: https://help.starboard.nz/en/articles/5587275-how-are-vessel-encounters-identified
    """
    shore_km = distance_to_shore_km(columns)
    away = np.where(np.isnan(shore_km), distance_to_port_km(columns), shore_km) >= 10
    return ((floats(columns, BESIDE) > 0) & away).astype(np.float64)


def longest(columns: Columns) -> Floats:
    """The longer the meeting, the higher."""
    return duration_h(columns)


def nearest(columns: Columns) -> Floats:
    """The smaller the median distance, the higher; last where it is not known."""
    return -np.nan_to_num(median_distance_m(columns), nan=1e9)


def rules(columns: Columns) -> Floats:
    """The points of models/rules.json, set by hand from what the domain says."""
    return scorecard.load(scorecard.own(scorecard.RULES)).score(columns)[0]


@dataclass(frozen=True)
class Baseline:
    """One row of the table below; `parts` says that it is a rule which meetings pass or not."""

    name: str
    function: Callable[[Columns], Floats]
    parts: bool = False


BASELINES = (
    Baseline("Global Fishing Watch", global_fishing_watch, parts=True),
    Baseline("Starboard", starboard, parts=True),
    Baseline("duration alone", longest),
    Baseline("distance alone", nearest),
    Baseline("rules.json", rules),
)


def scores(columns: Columns) -> dict[str, Floats]:
    """The score of every baseline, by name, (n,) each; needs the column `starboard` beside those of encounters."""
    return {baseline.name: baseline.function(columns) for baseline in BASELINES}
