"""What the score is made of: one visible table, one pure function per feature."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo.reference.zones import REPORTED, zones
from stswatch.models.feature import Columns, Feature, Floats, floats, lists

# Each is symmetric in the two vessels, NaN where it is not known; its docstring is the sentence an analyst reads.
NO_ZONE, IN_CONTEXT, IN_REPORTED = 0.0, 1.0, 2.0
NEAR_SHORE_KM, NEAR_PORT_KM = 2.0, 10.0  # with the coast's own error; nothing that may be so near counts as remote
FAR_SHORE_KM, FAR_PORT_KM = 5.0, 15.0  # from where on a card may count them as far


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
    known = columns.column_names if isinstance(columns, pa.Table) else columns
    listed = lists(columns, "zone_kinds" if "zone_kinds" in known else "zones")
    reported = [REPORTED, *(str(p["id"]) for p in zones().properties if p["kind"] == REPORTED)]
    level = np.full(len(listed), NO_ZONE)
    names, row = pc.list_flatten(listed), pc.list_parent_indices(listed).to_numpy()
    scored = pc.is_in(names, value_set=pa.array(reported, pa.string())).to_numpy(zero_copy_only=False)
    np.maximum.at(level, row, np.where(scored, IN_REPORTED, IN_CONTEXT))
    return np.where(listed.is_null().to_numpy(zero_copy_only=False), np.nan, level)


def distance_to_port_km(columns: Columns) -> Floats:
    """How far the nearest port is; far from all of them near the shore says nothing: no table has every quay."""
    km, shore_km = (floats(columns, f"distance_to_{of}_km") for of in ("port", "shore"))
    return np.where((km >= FAR_PORT_KM) & ~(shore_km > NEAR_SHORE_KM), np.nan, km)


def dark_beside(columns: Columns) -> Floats:
    """How many of the two were silenced beside the meeting; 0 where nobody was silent.

    Not known where somebody was: no gap is judged yet, and a receiver, a station or a file that heard nobody leaves the
    same gap behind. A silence that is not judged gives no points, for or against.
    """
    return np.where((floats(columns, "gap_a") == 0) & (floats(columns, "gap_b") == 0), 0.0, np.nan)


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
    return np.maximum(floats(columns, "median_distance_m") - floats(columns, "cpa_distance_m"), 0)


def within_share(columns: Columns) -> Floats:
    """What share of the meeting, first to last, was spent within the encounter distance; hulls made fast stay."""
    duration_min = floats(columns, "duration_min")
    within_min = np.minimum(floats(columns, "within_min"), duration_min)
    return within_min / np.where(duration_min > 0, duration_min, np.nan)


def distance_to_shore_km(columns: Columns) -> Floats:
    """How far the nearest shore is; harbour craft, pilots and ferries meet close to it. Far by a port says nothing."""
    km, port_km = (floats(columns, f"distance_to_{of}_km") for of in ("shore", "port"))
    return np.where((km >= FAR_SHORE_KM) & ~(port_km > NEAR_PORT_KM), np.nan, km)


def cargo_carriers(columns: Columns) -> Floats:
    """How many of the two say that they carry cargo or oil; tugs, pilots, launches, fishing boats and the like do not.

    One that says it does not settles it: not both do, whatever the other is. What a vessel says of itself can be
    forged. Types 70 to 89. Source: ITU-R M.1371-5, table 53.
    """
    types = np.stack([floats(columns, "ship_type_a"), floats(columns, "ship_type_b")])
    carries = (types >= 70) & (types < 90)
    settled = carries.all(axis=0) | (~carries & ~np.isnan(types)).any(axis=0)
    return np.where(settled, carries.sum(axis=0), np.nan)


def shorter_length_m(columns: Columns) -> Floats:
    """How long the shorter of the two says it is; what is no longer than a launch takes no cargo over."""
    return np.minimum(floats(columns, "length_a_m"), floats(columns, "length_b_m"))


def one_hull(columns: Columns) -> Floats:
    """1 where both numbers lay at one place for hours, as one hull under two numbers does: then nobody met."""
    return floats(columns, "possibly_one_hull")


# -------------------------- What the score is made of: one visible table, one pure function per feature (measures.py)
# A feature sees what was measured of a meeting, where it was and what kinds of vessels say they took part, never who
# met: flag, MMSI, names, lists and past decisions are no inputs.


FEATURES = (
    Feature.measured_by(
        duration_h,
        "together for {value:.1f} h",
        "h",
        1,
        cuts=(0.75, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 36, 48, 72),
        supports="long enough to take over cargo or oil",
        opposes="pilots, tugs and crew boats stay as briefly",
    ),
    Feature.measured_by(
        median_distance_m,
        "half of the time no more than {value:.0f} m apart",
        "m",
        -1,
        cuts=(25, 35, 50, 60, 75, 90, 100, 125, 150, 175, 200, 250, 300, 350, 400, 450),
        supports="as near as two hulls side by side",
        opposes="further apart than most hulls side by side",
    ),
    Feature.measured_by(
        speed_kn,
        "the faster of the two made {value:.1f} kn",
        "kn",
        -1,
        cuts=(0.2, 0.3, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 3.5, 4, 4.5),
        supports="slow enough to pass hoses",
        opposes="fast for passing hoses",
        unknown="how fast they were is not known",
    ),
    Feature.measured_by(
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
        supports="transfers were reported there",
        opposes="outside the areas where transfers were reported",
        unknown="in which zone it was is not known",
    ),
    Feature.measured_by(
        distance_to_port_km,
        "{value:.1f} km from the nearest port",
        "km",
        1,
        cuts=(5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300),
        near=NEAR_PORT_KM,
        place=True,
        supports="away from the bunkering, pilots and queues of a port",
        opposes="near ports bunkering, pilots, tugs and queues prevail",
        unknown="near the shore far from the ports of the table, or the distance to the nearest port is not known",
    ),
    Feature.measured_by(
        dark_beside,
        "{value:.0f} of 2 vessels silenced beside the meeting",
        "vessels",
        1,
        cuts=(0.5, 1.5),
        silence=True,
        supports="who hides a meeting switches off near it",
        opposes="nobody hid it",
        unknown="a silence beside the meeting, not judged whether one was switched off",
    ),
    Feature.measured_by(
        observed_share,
        "a share of {value:.2f} of the time reported by both",
        "share",
        1,
        cuts=(0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95, 0.99),
        supports="next to nothing of it is inferred",
        opposes="the rest is inferred between reports far apart",
    ),
    Feature.measured_by(
        speed_difference_kn,
        "their speeds {value:.1f} kn apart",
        "kn",
        -1,
        cuts=(0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3),
        supports="as of hulls made fast to each other",
        opposes="hulls made fast to each other move as one",
        unknown="how far their speeds are apart is not known",
    ),
    Feature.measured_by(
        relative_speed_kn,
        "moving at {value:.2f} kn as seen from each other",
        "kn",
        -1,
        cuts=(0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3),
        supports="as of hulls made fast to each other",
        opposes="hulls made fast to each other move as one",
    ),
    Feature.measured_by(
        drift_km,
        "the two together {value:.1f} km from where they began",
        "km",
        1,
        # from 0.1: two positions with their errors, thinned within 15 m, and the swing of a moored pair are below it
        cuts=(0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 20, 30, 50),
        supports="adrift, swinging or under way side by side, not made fast to a quay",
        opposes="they lay still, as at a quay or at anchor",
        unknown="how far they drifted is not known",
    ),
    Feature.measured_by(
        heading_difference_deg,
        "their keels {value:.0f} deg from parallel",
        "deg",
        -1,
        cuts=(5, 10, 15, 20, 30, 45, 60, 75),
        supports="as of hulls side by side",
        opposes="hulls side by side lie parallel",
        unknown="how their keels lay is not known",
    ),
    Feature.measured_by(
        distance_spread_m,
        "half of the time {value:.0f} m or more further apart than at the nearest",
        "m",
        -1,
        cuts=(5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300),
        supports="as steady as hulls made fast to each other",
        opposes="hulls made fast to each other keep their distance",
    ),
    Feature.measured_by(
        within_share,
        "a share of {value:.2f} of the meeting within the encounter distance",
        "share",
        1,
        cuts=(0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999),
        supports="they stayed together",
        opposes="they parted in between",
    ),
    Feature.measured_by(
        distance_to_shore_km,
        "{value:.1f} km from the nearest shore",
        "km",
        1,
        cuts=(2, 5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200),
        near=NEAR_SHORE_KM,
        place=True,
        supports="further out than harbour craft, pilots and ferries meet",
        opposes="harbour craft, pilots and ferries meet as close to it",
        unknown="near a port far from the shore, or the distance to the shore is not known",
    ),
    Feature.measured_by(
        cargo_carriers,
        "{value:.0f} of 2 vessels say that they carry cargo or oil",
        "vessels",
        1,
        cuts=(0.5, 1.5),
        self_reported=True,
        supports="one can take over what the other carries",
        opposes="tugs, pilots, launches and fishing boats have other business alongside",
        unknown="what they carry was not heard from both",
    ),
    Feature.measured_by(
        shorter_length_m,
        "the shorter of the two says it is {value:.0f} m long",
        "m",
        1,
        cuts=(20, 30, 40),  # few and low: finer ones would learn the sizes that the simulator has
        self_reported=True,
        supports="large enough to take over cargo",
        opposes="a launch or a workboat, too small to take over much",
        unknown="how long they are was not heard from both",
    ),
)
# What speaks against a meeting of two, whatever else was measured of it.
GUARDS = (
    Feature.measured_by(
        one_hull,
        "{value}",
        "",
        -1,
        {0.0: "the two at places of their own", 1.0: "both numbers at one place for hours"},
        cuts=(1,),
        by_hand=(0.0, -6.0),
        opposes="as one hull under two numbers, or positions that somebody made up: no two hulls lie in one place",
        unknown="whether both numbers lay at one place for hours is not known",
    ),
)
PLACE = tuple(feature.name for feature in FEATURES if feature.place)
