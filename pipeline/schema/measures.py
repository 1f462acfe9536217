"""The table of measures: what is measured of a meeting, how it is joined, and how it is published and worded.

A proximity, an open encounter and a closed one are the same thing at different times: an interval of a pair with sums
over it. INTERVAL says what is kept of it and what becomes of each column where neighbours join; ENCOUNTER says which
columns are made of that once it is closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import pyarrow as pa

from stswatch.pipeline.schema.lake_tables import REASON, UTC, column

BIN = pa.struct([pa.field("bin", pa.int32(), False), pa.field("ms", pa.int64(), False)])


class Join(Enum):
    """How a column of neighbouring intervals of one pair joins."""

    FIRST = "what stands in the first of them"
    LAST = "what stands in the last of them"
    SUM = "their sum"
    MOST = "the greatest"
    NEAREST = "what stands in the one with the least nearest_cm; of equal ones the earliest"
    FIXES = "their sum; a fix at the end of one is counted by the one that goes on from there, if one does"


@dataclass(frozen=True)
class Kept:
    """A column of an interval of a pair, and how it joins over the intervals of one encounter."""

    join: Join
    field: pa.Field


@dataclass(frozen=True)
class Measure:
    """A published column that is measured.

    decimals: to how many it is rounded before anything is made of it, None for not at all. taken: the columns of the
    interval that it is made of, `bins` among them. words: a phrase for people, with {column} for each value, said where
    the value is known; the empty one where a sentence of its own says it.
    """

    name: str
    kind: pa.DataType
    meaning: str
    unit: str = ""
    decimals: int | None = None
    null: bool = False
    taken: tuple[str, ...] = ()
    words: str = ""

    @property
    def field(self) -> pa.Field:
        """The column as it is published."""
        return column(self.name, self.kind, self.meaning, unit=self.unit, null=self.null)


INTERVAL = (
    Kept(Join.FIRST, column("start", UTC, "first moment within the distance, whole milliseconds")),
    Kept(Join.LAST, column("end", UTC, "last moment within the distance, whole milliseconds")),
    Kept(Join.SUM, column("within_ms", pa.int64(), "time within the distance", unit="ms")),
    Kept(
        Join.SUM, column("observed_ms", pa.int64(), "part of it within observed_within_min of a fix of both", unit="ms")
    ),
    Kept(Join.NEAREST, column("nearest_cm", pa.int64(), "least distance", unit="cm")),
    Kept(Join.NEAREST, column("cpa_time", UTC, "when it was least, the earliest such time")),
    Kept(Join.NEAREST, column("lon", pa.float64(), "middle of the pair then", unit="deg")),
    Kept(Join.NEAREST, column("lat", pa.float64(), "middle of the pair then", unit="deg")),
    Kept(
        Join.NEAREST,
        column("motion_cm", pa.int64(), "how far off both may be then, since no fix tells how they moved", unit="cm"),
    ),
    Kept(
        Join.SUM,
        column("moved_cm", pa.int64(), "way of one antenna as seen from the other within the distance", unit="cm"),
    ),
    Kept(Join.FIRST, column("lon0", pa.float64(), "middle of the pair at the start", unit="deg")),
    Kept(Join.FIRST, column("lat0", pa.float64(), "middle of the pair at the start", unit="deg")),
    Kept(Join.LAST, column("lon1", pa.float64(), "middle of the pair at the end", unit="deg")),
    Kept(Join.LAST, column("lat1", pa.float64(), "middle of the pair at the end", unit="deg")),
    Kept(Join.FIXES, column("fixes_a", pa.int64(), "fixes of a in it, one at the end left out")),
    Kept(Join.FIXES, column("fixes_b", pa.int64(), "fixes of b in it, one at the end left out")),
    Kept(Join.LAST, column("end_fix_a", pa.bool_(), "a fix of a stands at the end")),
    Kept(Join.LAST, column("end_fix_b", pa.bool_(), "a fix of b stands at the end")),
    Kept(Join.FIRST, column("fresh", pa.bool_(), "the legs of a or b begin at the start")),
    Kept(
        Join.MOST,
        column("rounding_m", pa.int32(), "how far rounding may have moved both, the most of it added up", unit="m"),
    ),
)
ENCOUNTER: tuple[pa.Field | Measure, ...] = (
    column("id", pa.string(), "stable name of the event"),
    column("revision", pa.int32(), "1, then one more each time late data or other rules change the event"),
    column("status", pa.string(), "current, provisional (what a watch has seen so far), superseded or retracted"),
    column("kind", pa.string(), "lit (both tracks seen), one_dark, both_dark (inferred from gaps)"),
    column("track_a", pa.string(), "MMSI and first fix of track a"),
    column("track_b", pa.string(), "MMSI and first fix of track b"),
    column("mmsi_a", pa.int32(), "smaller MMSI of the pair"),
    column("mmsi_b", pa.int32(), "larger MMSI of the pair"),
    column("start_time", UTC, "first moment within the encounter distance"),
    column("end_time", UTC, "last moment within the encounter distance"),
    column("start_censored", pa.bool_(), "the data, not the vessels, began it: no leg of one vessel comes before"),
    column("end_censored", pa.bool_(), "the data, not the vessels, ended it: no leg of one vessel comes after"),
    Measure(
        "duration_min",
        pa.float64(),
        "end less start, joined interruptions included",
        unit="min",
        taken=("start", "end"),
    ),
    Measure(
        "within_min", pa.float64(), "time measured within the encounter distance", unit="min", taken=("within_ms",)
    ),
    column("lon", pa.float64(), "middle of the pair at the nearest approach", unit="deg", null=True),
    column("lat", pa.float64(), "middle of the pair at the nearest approach", unit="deg", null=True),
    column("cpa_time", UTC, "time of the nearest approach", null=True),
    column("region", pa.binary(), "where a dark meeting may have been, WKB; null where it was seen", null=True),
    Measure(
        "cpa_distance_m",
        pa.float64(),
        "least distance between the antennas",
        decimals=2,
        unit="m",
        null=True,
        taken=("nearest_cm",),
    ),
    Measure(
        "position_error_m",
        pa.float64(),
        "how far distances of the two may be off: of each position twice fix_error_m and what it was rounded by",
        unit="m",
        null=True,
        taken=("rounding_m",),
    ),
    Measure(
        "motion_error_m",
        pa.float64(),
        "how far the two may be off at the nearest approach, beside position_error_m, since they may not have moved "
        "evenly between the reports before and after it: 9 of 10 are off by less",
        decimals=1,
        unit="m",
        null=True,
        taken=("motion_cm",),
        words="between reports the two may be {motion_error_m:.0f} m further off at the nearest approach",
    ),
    Measure(
        "median_distance_m",
        pa.float64(),
        "median distance between the antennas, weighted by time, from bins of 5 m; never below cpa_distance_m",
        decimals=1,
        unit="m",
        null=True,
        taken=("bins", "nearest_cm"),
    ),
    *(
        Measure(
            f"median_speed_{v}_kn",
            pa.float64(),
            f"median speed that {v} reported, weighted by time; null where no speed was sent",
            decimals=1,
            unit="kn",
            null=True,
            taken=("bins",),
        )
        for v in "ab"
    ),
    Measure(
        "relative_speed_kn",
        pa.float64(),
        "mean speed of one antenna as seen from the other, over the time within the encounter distance",
        decimals=2,
        unit="kn",
        null=True,
        taken=("moved_cm", "within_ms"),
        words="as seen from each other they moved at {relative_speed_kn:.2f} kn",
    ),
    Measure(
        "drift_km",
        pa.float64(),
        "how far the middle of the pair lay at the last moment within the distance from where it lay at the first",
        decimals=2,
        unit="km",
        null=True,
        taken=("lon0", "lat0", "lon1", "lat1"),
        words="from first to last the middle of the pair went {drift_km:.2f} km, {drift_kn:.2f} kn",
    ),
    Measure(
        "drift_kn",
        pa.float64(),
        "drift_km over the duration",
        decimals=2,
        unit="kn",
        null=True,
        taken=("lon0", "lat0", "lon1", "lat1", "start", "end"),
    ),
    Measure(
        "heading_difference_deg",
        pa.float64(),
        "median angle between the keels, weighted by time, from bins of 5 deg: 0 along, either way, 90 across; "
        "null where the two did not tell true headings within observed_within_min of each other",
        decimals=1,
        unit="deg",
        null=True,
        taken=("bins",),
        words="half of the time their keels were no more than {heading_difference_deg:.0f} deg from parallel",
    ),
    Measure(
        "fixes_a",
        pa.int32(),
        "fixes of a within the encounter distance",
        taken=("fixes_a", "end_fix_a"),
    ),
    Measure(
        "fixes_b",
        pa.int32(),
        "fixes of b within the encounter distance",
        taken=("fixes_b", "end_fix_b"),
    ),
    Measure(
        "observed_share",
        pa.float64(),
        "share of the time within the distance that lies within 10 min of a fix of both",
        decimals=4,
        taken=("observed_ms", "within_ms"),
    ),
    Measure(
        "possibly_one_hull",
        pa.bool_(),
        "both lay within one_place_m of each other nearly all the time, for hours: two transponders on one hull "
        "perhaps, or one registered twice",
        taken=("bins", "within_ms"),
    ),
    column("zones", pa.list_(pa.string()), "zones at the nearest approach, most specific first"),
    column("port", pa.string(), "nearest port", null=True),
    Measure(
        "distance_to_port_km",
        pa.float64(),
        "distance to the nearest port",
        decimals=2,
        unit="km",
        null=True,
        taken=("lon", "lat"),
    ),
    column("in_port", pa.string(), "port in whose waters the nearest approach lies; null outside of all", null=True),
    column(
        "in_port_part",
        pa.string(),
        "harbour or anchorage, as they are drawn; near: within port_radius_km of a port that has none drawn",
        null=True,
    ),
    Measure(
        "distance_to_shore_km",
        pa.float64(),
        "distance to the nearest shore, that of a lake or a wide river too; on the coast of GSHHG; 0 where that coast "
        "has land, as in narrow rivers, docks, at new quays",
        decimals=2,
        unit="km",
        null=True,
        taken=("lon", "lat"),
    ),
    Measure(
        "distance_to_shore_error_km",
        pa.float64(),
        "how far that may be off: 0.5 km by the source of the coast (9 of 10 of its shores lie within), 0.1 km by what "
        "is made of it by the shore of the region and 1 km elsewhere, and the position",
        decimals=2,
        unit="km",
        null=True,
        taken=("lon", "lat", "rounding_m"),
    ),
    Measure(
        "sun_elevation_deg",
        pa.float64(),
        "height of the sun over the horizon at the nearest approach, no refraction; day from -0.833, night below -12",
        decimals=2,
        unit="deg",
        null=True,
        taken=("lon", "lat", "cpa_time"),
    ),
    column("gap_a", pa.bool_(), "a gap of a begins or ends during the encounter or within dark_beside_min of it"),
    column("gap_b", pa.bool_(), "a gap of b begins or ends during the encounter or within dark_beside_min of it"),
    *(
        column(
            f"slow_{side}_{v}_h",
            pa.float64(),
            f"hours of the around_h {side} it in which {v} lay or drifted, slower than stays.slow_kn: how it {word}; "
            "null where its data do not cover them, or the encounter is longer than around_most_d",
            unit="h",
            null=True,
        )
        for side, word in (("before", "came"), ("after", "went"))
        for v in "ab"
    ),
    *(
        column(
            f"ship_type_{v}",
            pa.int16(),
            f"type that {v} last told by the end, at most static_memory_d before; ITU-R M.1371-5 table 53",
            null=True,
        )
        for v in "ab"
    ),
    *(
        column(
            f"length_{v}_m",
            pa.float32(),
            f"length that {v} last told by the end, at most static_memory_d before",
            unit="m",
            null=True,
        )
        for v in "ab"
    ),
    column("candidate_count", pa.int32(), "how many tracks could have been the second party; 1 where both were seen"),
    column("score", pa.float64(), "sum of the points in `reasons`; a rank, not a probability", unit="log-odds"),
    column("reasons", pa.list_(REASON), "what the score is made of, largest contribution first"),
    column("run_id", pa.string(), "the run that wrote this revision"),
)
MEASURES: Mapping[str, Measure] = {each.name: each for each in ENCOUNTER if isinstance(each, Measure)}


def names_joined_by(join: Join) -> tuple[str, ...]:
    """The columns of an interval that join so.

    >>> names_joined_by(Join.MOST)
    ('rounding_m',)
    """
    return tuple(kept.field.name for kept in INTERVAL if kept.join == join)
