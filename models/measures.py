"""What a feature measures of a meeting: one pure function each, of the columns of encounters, (n,) in and (n,) out.

NaN where it is not known. Each is symmetric in the two vessels; its docstring is the sentence that an analyst reads.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    """How many of the two were silenced beside the meeting; 0 where nobody was silent.

    Not known where somebody was: no gap is judged yet, and a receiver, a station or a file that heard nobody leaves the
    same gap behind. A silence that is not judged gives no points, for or against.
    """
    dark = np.stack([floats(columns, "dark_a"), floats(columns, "dark_b")])
    return np.where((dark == 0).all(axis=0), 0.0, np.nan)


def observed_share(columns: Columns) -> Floats:
    """What share of the time together was reported by both; the rest is inferred."""
    return floats(columns, "observed_share")


def speed_difference_kn(columns: Columns) -> Floats:
    """How far apart the two median speeds are; hulls made fast to each other move as one."""
    return np.abs(floats(columns, "median_speed_a_kn") - floats(columns, "median_speed_b_kn"))


def relative_speed_kn(columns: Columns) -> Floats:
    """How fast one antenna moved as seen from the other, on average; hulls made fast to each other move as one."""
    return floats(columns, "relative_speed_kn")


def drift_km(columns: Columns) -> Floats:
    """How far the pair as a whole came from first to last; at a quay it stays, adrift it goes with wind and stream.

    A way and no speed: errors of positions are as large in an hour as in a day, so that the speed of a short stretch
    is mostly error, and a meeting of which less was received would look more like a drift.
    """
    return floats(columns, "drift_km")


def heading_difference_deg(columns: Columns) -> Floats:
    """The angle between the two keels half of the time; hulls side by side are parallel, whichever way the bows."""
    return floats(columns, "heading_difference_deg")


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


def cargo_carriers(columns: Columns) -> Floats:
    """How many of the two say that they carry cargo or oil; tugs, pilots, launches, fishing boats and the like do not.

    One that says it does not settles it: not both do, whatever the other is. What a vessel says of itself can be
    forged. Types 70 to 89. Source: ITU-R M.1371-5, table 53.
    """
    said = np.stack([floats(columns, "ship_type_a"), floats(columns, "ship_type_b")])
    carries = (said >= 70) & (said < 90)
    settled = carries.all(axis=0) | (~carries & ~np.isnan(said)).any(axis=0)
    return np.where(settled, carries.sum(axis=0), np.nan)


def shorter_length_m(columns: Columns) -> Floats:
    """How long the shorter of the two says it is; what is no longer than a launch takes no cargo over."""
    return np.minimum(floats(columns, "length_a_m"), floats(columns, "length_b_m"))


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
