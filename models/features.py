"""What the score is made of: one visible table, one pure function per feature (measures.py).

A feature sees what was measured of a meeting, where it was and what kinds of vessels say they took part, never who met:
flag, MMSI, names, lists and past decisions are no inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from stswatch.models import measures
from stswatch.models.measures import IN_CONTEXT, IN_REPORTED, NO_ZONE, Columns, Floats, floats

__all__ = [
    "FEATURES",
    "IN_CONTEXT",
    "IN_REPORTED",
    "NO_ZONE",
    "PLACE",
    "Columns",
    "Feature",
    "Floats",
    "floats",
    "values",
]


@dataclass(frozen=True)
class Feature:
    """One row of the table below.

    `sentence` is filled with `value` and says its unit; `levels` gives the words for a value that is a code;
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

    def text(self, value: float) -> str:
        """The sentence for one value; NaN says that it is not known.

        >>> FEATURES[1].text(62.4)
        'half of the time no more than 62 m apart'
        """
        if np.isnan(value):
            return f"{self.name} is not known"
        return self.sentence.format(value=self.levels.get(value, value))


FEATURES = (
    Feature(
        "duration_h",
        measures.duration_h,
        "together for {value:.1f} h",
        "h",
        1,
        cuts=(0.75, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 36, 48, 72),
    ),
    Feature(
        "median_distance_m",
        measures.median_distance_m,
        "half of the time no more than {value:.0f} m apart",
        "m",
        -1,
        cuts=(25, 35, 50, 60, 75, 90, 100, 125, 150, 175, 200, 250, 300, 350, 400, 450),
    ),
    Feature(
        "speed_kn",
        measures.speed_kn,
        "the faster of the two made {value:.1f} kn",
        "kn",
        -1,
        cuts=(0.2, 0.3, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 3.5, 4, 4.5),
    ),
    Feature(
        "zone",
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
    ),
    Feature(
        "distance_to_port_km",
        measures.distance_to_port_km,
        "{value:.1f} km from the nearest port",
        "km",
        1,
        cuts=(5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300),
        place=True,
    ),
    Feature(
        "dark_beside",
        measures.dark_beside,
        "{value:.0f} of 2 vessels silent beside the meeting",
        "vessels",
        1,
        cuts=(0.5, 1.5),
    ),
    Feature(
        "observed_share",
        measures.observed_share,
        "a share of {value:.2f} of the time reported by both",
        "share",
        1,
        cuts=(0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95, 0.99),
    ),
    Feature(
        "speed_difference_kn",
        measures.speed_difference_kn,
        "their speeds {value:.1f} kn apart",
        "kn",
        -1,
        cuts=(0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3),
    ),
    Feature(
        "relative_speed_kn",
        measures.relative_speed_kn,
        "moving at {value:.2f} kn as seen from each other",
        "kn",
        -1,
        cuts=(0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3),
    ),
    Feature(
        "drift_kn",
        measures.drift_kn,
        "the two together drifting at {value:.2f} kn",
        "kn",
        0,
        cuts=(0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 4),
    ),
    Feature(
        "heading_difference_deg",
        measures.heading_difference_deg,
        "their keels {value:.0f} deg from parallel",
        "deg",
        -1,
        cuts=(5, 10, 15, 20, 30, 45, 60, 75),
    ),
    Feature(
        "distance_spread_m",
        measures.distance_spread_m,
        "half of the time {value:.0f} m or more further apart than at the nearest",
        "m",
        -1,
        cuts=(5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300),
    ),
    Feature(
        "within_share",
        measures.within_share,
        "a share of {value:.2f} of the meeting within the encounter distance",
        "share",
        1,
        cuts=(0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999),
    ),
    Feature(
        "distance_to_shore_km",
        measures.distance_to_shore_km,
        "{value:.1f} km from the nearest shore",
        "km",
        1,
        cuts=(2, 5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200),
        place=True,
    ),
    Feature(
        "sun_elevation_deg",
        measures.sun_elevation_deg,
        "the sun at {value:.0f} deg over the horizon",
        "deg",
        0,
        cuts=(-45, -30, -18, -12, -6, 0, 15, 30, 45),
    ),
    Feature(
        "cargo_carriers",
        measures.cargo_carriers,
        "{value:.0f} of 2 vessels say that they carry cargo or oil",
        "vessels",
        1,
        cuts=(0.5, 1.5),
        said=True,
    ),
    Feature(
        "shorter_length_m",
        measures.shorter_length_m,
        "the shorter of the two says it is {value:.0f} m long",
        "m",
        1,
        cuts=(20, 30, 40),  # few and low: finer ones would learn the sizes that the simulator has
        said=True,
    ),
)
PLACE = tuple(feature.name for feature in FEATURES if feature.place)


def values(columns: Columns) -> Floats:
    """Every feature of n meetings, (n, k) in the order of FEATURES; NaN where not known.

    `columns` has the columns of schema.ENCOUNTERS, (n,) each, as a mapping or an Arrow table. A column
    `zone_kinds` (lists of kinds) may stand for `zones` where the zones are not those of geo/data. Raises
    KeyError for a column that is not there.
    """
    return np.column_stack([feature.function(columns) for feature in FEATURES])
