"""What the score is made of: one visible table, one pure function per feature.

A feature sees what was measured of a meeting and where it was, never who met: flag, MMSI, names, lists
and past decisions are no inputs. Each is symmetric in the two vessels; an analyst reads its docstring.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stswatch.geo.zones import REPORTED, zones

Columns: TypeAlias = Mapping[str, Any] | pa.Table
Floats = NDArray[np.float64]
NO_ZONE, IN_CONTEXT, IN_REPORTED = 0.0, 1.0, 2.0


def duration_h(columns: Columns) -> Floats:
    """How long the two stayed within the encounter distance, first to last; a transfer of oil takes hours."""
    return floats(columns, "duration_min") / 60


def median_distance_m(columns: Columns) -> Floats:
    """How far apart the antennas were half of the time; hulls side by side have theirs within about 200 m."""
    return floats(columns, "median_distance_m")


def speed_kn(columns: Columns) -> Floats:
    """The greater of the two median speeds, or the only one known; hoses are passed at a crawl."""
    return np.fmax(floats(columns, "median_speed_a_kn"), floats(columns, "median_speed_b_kn"))


def zone(columns: Columns) -> Floats:
    """Whether it was in a reported transfer area (2), in a zone that is context only (1), or in none (0)."""
    lists = _lists(columns, "zone_kinds") if _has(columns, "zone_kinds") else _lists(columns, "zones")
    reported = [REPORTED, *(str(p["id"]) for p in zones().properties if p["kind"] == REPORTED)]
    level = np.full(len(lists), NO_ZONE)
    names, row = pc.list_flatten(lists), pc.list_parent_indices(lists).to_numpy()
    scored = pc.is_in(names, value_set=pa.array(reported, pa.string())).to_numpy(zero_copy_only=False)
    np.maximum.at(level, row, np.where(scored, IN_REPORTED, IN_CONTEXT))
    return np.where(lists.is_null().to_numpy(zero_copy_only=False), np.nan, level)


def distance_to_port_km(columns: Columns) -> Floats:
    """How far the nearest port is; by ports most meetings are bunkering, pilots, tugs or queues."""
    return floats(columns, "distance_to_port_km")


def dark_beside(columns: Columns) -> Floats:
    """How many of the two vessels fell silent, or came back, during the meeting or shortly beside it."""
    dark = np.stack([floats(columns, "dark_a"), floats(columns, "dark_b")])
    return np.where(np.isnan(dark).all(axis=0), np.nan, np.nansum(dark, axis=0))


def observed_share(columns: Columns) -> Floats:
    """What share of the time together was reported by both; the rest is inferred."""
    return floats(columns, "observed_share")


def speed_difference_kn(columns: Columns) -> Floats:
    """How far apart the two median speeds are; hulls made fast to each other move as one."""
    return np.abs(floats(columns, "median_speed_a_kn") - floats(columns, "median_speed_b_kn"))


def distance_spread_m(columns: Columns) -> Floats:
    """How much further apart they were half of the time than at the nearest; hulls made fast keep their distance."""
    return np.maximum(floats(columns, "median_distance_m") - floats(columns, "min_distance_m"), 0)


def within_share(columns: Columns) -> Floats:
    """What share of the meeting, first to last, was spent within the encounter distance; hulls made fast stay."""
    duration_min = floats(columns, "duration_min")
    within_min = np.minimum(floats(columns, "within_min"), duration_min)
    return within_min / np.where(duration_min > 0, duration_min, np.nan)


def distance_to_shore_km(columns: Columns) -> Floats:
    """How far the nearest shore is; harbour craft, pilots and ferries meet close to it."""
    return floats(columns, "distance_to_shore_km")


def sun_elevation_deg(columns: Columns) -> Floats:
    """How high the sun stood at the nearest approach, below 0 at night; what is done in the dark is seen by fewer."""
    return floats(columns, "sun_elevation_deg")


def cargo_carriers(columns: Columns) -> Floats:
    """How many of the two say that they carry cargo or oil; tugs, pilots, launches, fishing boats and the like do not.

    What a vessel says of itself can be forged. Types 70 to 89. Source: ITU-R M.1371-5, table 53.
    """
    said = np.stack([floats(columns, "ship_type_a"), floats(columns, "ship_type_b")])
    return np.where(np.isnan(said).any(axis=0), np.nan, ((said >= 70) & (said < 90)).sum(axis=0))


def shorter_length_m(columns: Columns) -> Floats:
    """How long the shorter of the two says it is; what is no longer than a launch takes no cargo over."""
    return np.minimum(floats(columns, "length_a_m"), floats(columns, "length_b_m"))


@dataclass(frozen=True)
class Feature:
    """One row of the table below.

    `sentence` is filled with `value` and says its unit; `levels` gives the words for a value that is a code;
    `monotone` is the direction that the domain demands of any scorecard: 1 a greater value never lowers the
    score, -1 it never raises it, 0 free. `cuts` are the values at which a trained scorecard may step, in round
    numbers, so that it can be read and two of them compared. `place` says that it tells where, not what was done.
    """

    name: str
    function: Callable[[Columns], Floats]
    sentence: str
    unit: str
    monotone: int
    levels: Mapping[float, str] = field(default_factory=dict)
    cuts: tuple[float, ...] = ()
    place: bool = False

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
        duration_h,
        "together for {value:.1f} h",
        "h",
        1,
        cuts=(0.75, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 36, 48, 72),
    ),
    Feature(
        "median_distance_m",
        median_distance_m,
        "half of the time no more than {value:.0f} m apart",
        "m",
        -1,
        cuts=(25, 35, 50, 60, 75, 90, 100, 125, 150, 175, 200, 250, 300, 350, 400, 450),
    ),
    Feature(
        "speed_kn",
        speed_kn,
        "the faster of the two made {value:.1f} kn",
        "kn",
        -1,
        cuts=(0.2, 0.3, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 3.5, 4, 4.5),
    ),
    Feature(
        "zone",
        zone,
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
        distance_to_port_km,
        "{value:.1f} km from the nearest port",
        "km",
        1,
        cuts=(5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300),
        place=True,
    ),
    Feature(
        "dark_beside",
        dark_beside,
        "{value:.0f} of 2 vessels silent beside the meeting",
        "vessels",
        1,
        cuts=(0.5, 1.5),
    ),
    Feature(
        "observed_share",
        observed_share,
        "a share of {value:.2f} of the time reported by both",
        "share",
        1,
        cuts=(0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95, 0.99),
    ),
    Feature(
        "speed_difference_kn",
        speed_difference_kn,
        "their speeds {value:.1f} kn apart",
        "kn",
        -1,
        cuts=(0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3),
    ),
    Feature(
        "distance_spread_m",
        distance_spread_m,
        "half of the time {value:.0f} m or more further apart than at the nearest",
        "m",
        -1,
        cuts=(5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300),
    ),
    Feature(
        "within_share",
        within_share,
        "a share of {value:.2f} of the meeting within the encounter distance",
        "share",
        1,
        cuts=(0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999),
    ),
    Feature(
        "distance_to_shore_km",
        distance_to_shore_km,
        "{value:.1f} km from the nearest shore",
        "km",
        1,
        cuts=(2, 5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200),
        place=True,
    ),
    Feature(
        "sun_elevation_deg",
        sun_elevation_deg,
        "the sun at {value:.0f} deg over the horizon",
        "deg",
        0,
        cuts=(-45, -30, -18, -12, -6, 0, 15, 30, 45),
    ),
    Feature(
        "cargo_carriers",
        cargo_carriers,
        "{value:.0f} of 2 vessels say that they carry cargo or oil",
        "vessels",
        1,
        cuts=(0.5, 1.5),
    ),
    Feature(
        "shorter_length_m",
        shorter_length_m,
        "the shorter of the two says it is {value:.0f} m long",
        "m",
        1,
        cuts=(20, 30, 40),  # few and low: finer ones would learn the sizes that the simulator has
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


def floats(columns: Columns, name: str) -> Floats:
    """One column as float64 (n,), NaN for null; raises KeyError where it is not there.

    >>> floats({"dark_a": [True, None]}, "dark_a").tolist()
    [1.0, nan]
    """
    column = columns[name]
    if isinstance(column, pa.Array | pa.ChunkedArray):
        column = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return np.asarray(column, np.float64)


def _has(columns: Columns, name: str) -> bool:
    return name in (columns.column_names if isinstance(columns, pa.Table) else columns)


def _lists(columns: Columns, name: str) -> pa.Array:
    """A column of lists of words as one Arrow array."""
    column = columns[name]
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks()
    return column if isinstance(column, pa.Array) else pa.array(column, pa.list_(pa.string()))
