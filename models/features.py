"""What the score is made of: one visible table, one pure function per feature (measures.py).

A feature sees what was measured of a meeting, where it was and what kinds of vessels say they took part, never who met:
flag, MMSI, names, lists and past decisions are no inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stswatch.models import measures
from stswatch.models.measures import IN_CONTEXT, IN_REPORTED, NO_ZONE, Columns, Floats, floats

__all__ = [
    "FEATURES",
    "IN_CONTEXT",
    "IN_REPORTED",
    "NO_ZONE",
    "PLACE",
    "SILENCE",
    "Columns",
    "Feature",
    "Floats",
    "floats",
    "values",
]


@dataclass(frozen=True)
class Feature:
    """One row of the table below.

    `sentence` is filled with `value` and says its unit; `levels` gives the words for a value that is a code. `supports`
    follows it where the points are above 0, `opposes` where they are below, `unknown` stands for all of it where
    the value is not known.
    `monotone` is the direction that the domain demands of any scorecard: 1 a greater value never lowers the
    score, -1 it never raises it, 0 free. `cuts` are the values at which a trained scorecard may step, in round
    numbers, so that it can be read and two of them compared. `place` says that it tells where, not what was done;
    `said` that it rests on what vessels say of themselves.
    """

    name: str
    function: Callable[[Columns], Floats]
    sentence: str
    unit: str
    monotone: int
    levels: Mapping[float, str] = field(default_factory=dict)
    cuts: tuple[float, ...] = ()
    place: bool = False
    said: bool = False
    supports: str = ""
    opposes: str = ""
    unknown: str = ""

    def text(self, value: float, points: float = 0.0) -> str:
        """The sentence for one value and the points that it got; NaN says that it is not known.

        >>> FEATURES[1].text(41.4, 0.28)
        'half of the time no more than 41 m apart: as near as two hulls side by side'
        """
        if np.isnan(value):
            told = self.unknown or f"{self.name} is not known"
            return told if points else f"{told}: no points for or against"
        told = self.sentence.format(value=self.levels.get(value, value))
        way = self.supports if points > 0 else self.opposes if points < 0 else ""
        return f"{told}: {way}" if way else told

    @property
    def reason(self) -> str:
        """What the points of a trained card follow from, in the words of both directions."""
        way = {1: "a greater value never lowers the score", -1: "a greater value never raises it", 0: ""}[self.monotone]
        ways = (("above 0", self.supports), ("below", self.opposes), ("", way))
        return "; ".join(f"{side}: {told}" if side else told for side, told in ways if told)


def _feature(function: Callable[[Columns], Floats], *row: Any, **more: Any) -> Feature:
    """A row of the table below, named as the function that measures it."""
    return Feature(function.__name__, function, *row, **more)


FEATURES = (
    _feature(
        measures.duration_h,
        "together for {value:.1f} h",
        "h",
        1,
        cuts=(0.75, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 36, 48, 72),
        supports="long enough to take over cargo or oil",
        opposes="pilots, tugs and crew boats stay as briefly",
    ),
    _feature(
        measures.median_distance_m,
        "half of the time no more than {value:.0f} m apart",
        "m",
        -1,
        cuts=(25, 35, 50, 60, 75, 90, 100, 125, 150, 175, 200, 250, 300, 350, 400, 450),
        supports="as near as two hulls side by side",
        opposes="further apart than most hulls side by side",
    ),
    _feature(
        measures.speed_kn,
        "the faster of the two made {value:.1f} kn",
        "kn",
        -1,
        cuts=(0.2, 0.3, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 3.5, 4, 4.5),
        supports="slow enough to pass hoses",
        opposes="fast for passing hoses",
        unknown="how fast they were is not known",
    ),
    _feature(
        measures.zone,
        "nearest approach {value}",
        "",
        1,
        {
            NO_ZONE: "in no zone",
            IN_CONTEXT: "in a zone that is context only",
            IN_REPORTED: "in a reported transfer area",
        },
        cuts=(1.5,),  # a zone that is context only is never scored
        place=True,
        supports="transfers were reported there",
        opposes="outside the areas where transfers were reported",
        unknown="in which zone it was is not known",
    ),
    _feature(
        measures.distance_to_port_km,
        "{value:.1f} km from the nearest port",
        "km",
        1,
        cuts=(5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300),
        place=True,
        supports="away from the bunkering, pilots and queues of a port",
        opposes="near ports bunkering, pilots, tugs and queues prevail",
        unknown="the distance to the nearest port is not known",
    ),
    _feature(
        measures.dark_beside,
        "{value:.0f} of 2 vessels silenced beside the meeting",
        "vessels",
        1,
        cuts=(0.5, 1.5),
        supports="who hides a meeting switches off near it",
        opposes="nobody hid it",
        unknown="a silence beside the meeting, not judged whether one was switched off",
    ),
    _feature(
        measures.observed_share,
        "a share of {value:.2f} of the time reported by both",
        "share",
        1,
        cuts=(0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95, 0.99),
        supports="next to nothing of it is inferred",
        opposes="the rest is inferred between reports far apart",
    ),
    _feature(
        measures.speed_difference_kn,
        "their speeds {value:.1f} kn apart",
        "kn",
        -1,
        cuts=(0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3),
        supports="as of hulls made fast to each other",
        opposes="hulls made fast to each other move as one",
        unknown="how far their speeds are apart is not known",
    ),
    _feature(
        measures.relative_speed_kn,
        "moving at {value:.2f} kn as seen from each other",
        "kn",
        -1,
        cuts=(0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3),
        supports="as of hulls made fast to each other",
        opposes="hulls made fast to each other move as one",
    ),
    _feature(
        measures.drift_km,
        "the two together {value:.1f} km from where they began",
        "km",
        1,
        # from 0.1: two positions with their errors, thinned within 15 m, and the swing of a moored pair are below it
        cuts=(0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 20, 30, 50),
        supports="adrift, swinging or under way side by side, not made fast to a quay",
        opposes="they lay still, as at a quay or at anchor",
        unknown="how far they drifted is not known",
    ),
    _feature(
        measures.heading_difference_deg,
        "their keels {value:.0f} deg from parallel",
        "deg",
        -1,
        cuts=(5, 10, 15, 20, 30, 45, 60, 75),
        supports="as of hulls side by side",
        opposes="hulls side by side lie parallel",
        unknown="how their keels lay is not known",
    ),
    _feature(
        measures.distance_spread_m,
        "half of the time {value:.0f} m or more further apart than at the nearest",
        "m",
        -1,
        cuts=(5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300),
        supports="as steady as hulls made fast to each other",
        opposes="hulls made fast to each other keep their distance",
    ),
    _feature(
        measures.within_share,
        "a share of {value:.2f} of the meeting within the encounter distance",
        "share",
        1,
        cuts=(0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999),
        supports="they stayed together",
        opposes="they parted in between",
    ),
    _feature(
        measures.distance_to_shore_km,
        "{value:.1f} km from the nearest shore",
        "km",
        1,
        cuts=(2, 5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200),
        place=True,
        supports="further out than harbour craft, pilots and ferries meet",
        opposes="harbour craft, pilots and ferries meet as close to it",
        unknown="the distance to the shore is not known",
    ),
    _feature(
        measures.cargo_carriers,
        "{value:.0f} of 2 vessels say that they carry cargo or oil",
        "vessels",
        1,
        cuts=(0.5, 1.5),
        said=True,
        supports="one can take over what the other carries",
        opposes="tugs, pilots, launches and fishing boats have other business alongside",
        unknown="what they carry was not heard from both",
    ),
    _feature(
        measures.shorter_length_m,
        "the shorter of the two says it is {value:.0f} m long",
        "m",
        1,
        cuts=(20, 30, 40),  # few and low: finer ones would learn the sizes that the simulator has
        said=True,
        supports="large enough to take over cargo",
        opposes="a launch or a workboat, too small to take over much",
        unknown="how long they are was not heard from both",
    ),
)
PLACE = tuple(feature.name for feature in FEATURES if feature.place)
SILENCE = "dark_beside"  # one that is not judged may give no more than that nobody was silent


def values(columns: Columns) -> Floats:
    """Every feature of n meetings, (n, k) in the order of FEATURES; NaN where not known.

    `columns` has the columns of schema.ENCOUNTERS, (n,) each, as a mapping or an Arrow table. A column
    `zone_kinds` (lists of kinds) may stand for `zones` where the zones are not those of geo/data. Raises
    KeyError for a column that is not there.
    """
    return np.column_stack([feature.function(columns) for feature in FEATURES])
