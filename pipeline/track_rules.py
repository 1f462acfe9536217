"""The numbers that decide on tracks, gaps and their judgement; rules.py has the others, and all together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ABSENT_D = (7, 180)  # a track lasts for seven days; after half a year a number is another ship's as likely


def number(default: float | None, unit: str, reason: str) -> Any:
    """A rule: its default (None: the scorecard's own), its unit and the reason for it."""
    return field(default=default, metadata={"unit": unit, "reason": reason})


@dataclass(frozen=True)
class ClockRules:
    """Which days of a run only a wrong clock can have brought."""

    alone_d: float = number(
        7.0,
        "d",
        "a day so far from all others, with one vessel, tells nothing of who was heard between; tracks have ended",
    )
    thin_share: float = number(
        0.1, "share", "a day with less than this share of the rows of a usual day is thin; only at its edges data is so"
    )
    typical_rows: float = number(10.0, "rows", "where a usual day has fewer, as of satellites, a thin one says nothing")
    typical_vessels: float = number(
        10.0, "vessels", "where so many were heard, a following day with one of them alone is no silence of the others"
    )


@dataclass(frozen=True)
class VesselRules:
    """From fixes to tracks, legs and gaps."""

    gap_terrestrial_h: float = number(
        2.0,
        "h",
        "2, 4, 6, 8, 10 and 12 h are all in use; the shortest hides least, and what was received is judged after",
    )
    gap_satellite_h: float = number(6.0, "h", "passes of a satellite constellation can lie hours apart")
    max_speed_kn: float = number(
        60.0, "kn", "no ship of the trades in question does more; a faster hop is another hull or an error"
    )
    hop_slack_m: float = number(
        1000.0, "m", "position noise and receiver clocks a few seconds apart make short hops look fast"
    )
    tracks_at_once: float = number(
        64.0,
        "tracks",
        "an MMSI with more hulls than this is noise, and each costs time: only those heard last can go on",
    )
    slow_kn: float = number(5.0, "kn", "transfers under way are reported up to 4 kn; above it hoses are not passed")
    implied_over_s: float = number(60.0, "s", "a speed implied over less than a minute is mostly position noise")
    piece_km: float = number(
        8.0, "km", "longer legs are cut so that each piece is straight on a local plane to about 1 m"
    )
    thin_bucket_min: float = number(
        30.0, "min", "fixes of a stay are thinned within fixed UTC buckets, so that no cut shows"
    )
    thin_tolerance_m: float = number(
        15.0, "m", "position noise of a moored antenna; a leg may stray so far from its fixes"
    )
    thin_interval_min: float = number(20.0, "min", "twice observed_within_min: a thinned leg is observed throughout")
    fix_error_m: float = number(
        10.0, "m", "a position that AIS marks as accurate is so within 10 m; the mark is seldom kept in archives"
    )
    leg_error_share: float = number(
        0.4,
        "of the way",
        "left out of real tracks (docs/identity.md), 9 of 10 fixes lie so near to the middle of the leg without them",
    )
    track_memory_d: float = number(7.0, "d", "a track silent for longer has ended; what comes after is another track")


@dataclass(frozen=True)
class StayRules:
    """Stays, port calls and loitering."""

    slow_kn: float = number(2.0, "kn", "Global Fishing Watch's loitering; anchored and drifting vessels make less")
    join_min: float = number(
        30.0, "min", "a swing, a missed report or a correction of place interrupts a stay for less"
    )
    join_m: float = number(1000.0, "m", "who went further meanwhile lies elsewhere")
    cut_d: float = number(30.0, "d", "a stay is parted at fixed marks so far apart, so that state stays bounded")
    call_min: float = number(30.0, "min", "a shorter stop in a port is for a pilot, a lock or the traffic")
    call_join_h: float = number(6.0, "h", "from anchorage to berth, or from berth to berth, in one call")
    call_max_d: float = number(30.0, "d", "a longer call is told in parts, so that state stays bounded")
    entered_after_h: float = number(12.0, "h", "crews often enter draught and destination after they have left")
    port_radius_km: float = number(
        10.0, "km", "at a port without polygons; Global Fishing Watch uses 10 km from an anchorage"
    )
    loitering_h: float = number(3.0, "h", "shorter waits are for a pilot, the tide or the traffic")
    dark_speed_kn: float = number(12.0, "kn", "what small tankers and coasters of these trades make; faster is rare")
    dark_stay_h: float = number(4.0, "h", "to moor, load or discharge some of it, and leave")


@dataclass(frozen=True)
class IdentityRules:
    """What counts as a change of identity."""

    memory_d: float = number(
        7.0, "d", "as long as a track lasts; after a longer silence another value is not a change that was seen"
    )


@dataclass(frozen=True)
class CheckRules:
    """Which parts of tracks are shown as perhaps false."""

    apart_min: float = number(
        20.0, "min", "a part elsewhere that lasts as long is no single error of position or of a receiver"
    )
    leap_m: float = number(60.0, "m", "two ships beside each other lie so far apart; noise of positions is less")
    leap_factor: float = number(1.2, "times", "the mean of two reported speeds misses what lay between by less, mostly")
    leap_within_min: float = number(60.0, "min", "over a longer time ships move further than they lie apart")
    unknown_kn: float = number(60.0, "kn", "where no speed was reported any that a ship can make explains a leap")
    swap_times: float = number(
        1.5, "times", "each number goes on so much nearer to where the other was: else a stray position explains it too"
    )
    displaced_vessels: float = number(
        4.0,
        "vessels",
        "at one place in one half hour: no crew forges for others",
    )
    displaced_deg: float = number(0.1, "deg", "places of interference spread over some kilometres")
    sample_min: float = number(10.0, "min", "over it a ship bends and varies its speed by more than its noise")
    block_h: float = number(3.0, "h", "18 places: fewer tell no circle from a turn; forged courses last for longer")
    least_samples: float = number(10.0, "places", "of 18 in a block, so that holes of an hour do not hide one")
    moving_kn: float = number(2.5, "kn", "ships at anchor swing on circles too, slower than this")
    circle_least_m: float = number(100.0, "m", "smaller circles are those of ships that turn on the spot")
    circle_most_m: float = number(3000.0, "m", "circles of false positions: tens of metres to some km")
    circle_off: float = number(0.05, "of radius", "how far places stray from it; where ships wait, more")
    circle_lopsided: float = number(0.5, "share", "length of the mean direction from its middle: 0 on all sides")
    smooth_m: float = number(
        0.25, "m", "the last digit of AIS is 0.19 m; of real ships the median is 3 m and more over ten minutes"
    )
    station_vessels: float = number(20.0, "vessels", "besides it: fewer do not show how far a station hears")
    station_reach_km: float = number(
        300.0,
        "km",
        "nine of ten whom a station heard lie within: else it is no one antenna, but a network or satellite",
    )
    station_beyond_km: float = number(
        400.0, "km", "beyond nine of ten others: ducting over water carries some ships that far on some days"
    )
    station_samples: float = number(6.0, "places", "an hour of them: a single position may be a fault of the feed")
    state_samples: float = number(10.0, "states", "of 18 in a block: fewer are zero by chance")
    state_share: float = number(
        0.95, "share", "of states that are zero, name a slot that there is not, or tell another time"
    )
    state_vessels: float = number(20.0, "vessels", "besides it: fewer do not show what the feed does to the fields")
    state_feed_share: float = number(
        0.05, "share", "of the others that send so too: more, and the feed or its converter does it"
    )
    state_seconds: float = number(
        1.0, "seconds", "different ones beside the states: some old sets send zero states, with a second that goes on"
    )
    state_clock_share: float = number(
        0.5, "share", "of them at different seconds by the receiver: who reports each third minute has one second too"
    )
    inland_km: float = number(2.0, "km", "beyond the coast's own error: docks, canals and river mouths lie nearer")
    grid_deg: float = number(0.1, "deg", "11 km: a ship crosses a line each half hour, and a week of them is kept")
    copy_block_h: float = number(6.0, "h", "a forged course lasts for some hours")
    copy_m: float = number(15.0, "m", "noise of positions; two ships on one lane pass further apart, mostly")
    copy_slack: float = number(0.002, "share", "of the time from line to line: no two ships keep one speed so well")
    copy_slack_s: float = number(4.0, "s", "receiver clocks and whole seconds")
    copy_even_min: float = number(10.0, "min", "a copy keeps its distance in time; counted in steps of this")
    copy_shift_h: float = number(3.0, "h", "the own course so long before: a ship that goes to and fro")
    copy_other_min: float = number(
        30.0, "min", "another's course so long before: what sails with or behind it is tow, convoy or pilot"
    )
    copy_memory_d: float = number(7.0, "d", "what is older is no longer kept; a copy of an older course is not seen")
    copy_least: float = number(5.0, "lines", "on one lane at one speed two or three agree by accident")
    copy_share: float = number(0.7, "share", "of the lines crossed in the block; at bends not all agree")


@dataclass(frozen=True)
class CoverageRules:
    """Counts of what was received."""

    cell_deg: float = number(0.5, "deg", "about the scale on which the range of a coast station changes")
    outage_min: float = number(
        10.0, "min", "class A at anchor reports every 3 min: nobody heard for three times as long"
    )
    outage_vessels: float = number(
        6.0,
        "vessels",
        "heard in each half hour beside it: so many do not fall silent at once by themselves",
    )
    outage_beside_h: float = number(1.0, "h", "before and after an outage: longer, and a watch would learn of it late")
    outage_chance: float = number(
        1e-6,
        "chance",
        "that nobody is heard so long by accident, each vessel beside it once a half hour: once in many years",
    )
    outage_factor: float = number(
        3.0, "times", "the silences of the days before: passes of satellites and thin archives have many like it"
    )
    outage_context_h: float = number(72.0, "h", "three nights: where nobody sails at night, each is silent")


@dataclass(frozen=True)
class ReceptionRules:
    """Whether a silence tells of the vessel, or of what could be received."""

    cell_deg: float = number(
        0.25, "deg", "with the eight cells round it some 40 nm: about the range of a coast station, and of a storm"
    )
    bracket_h: float = number(
        24.0,
        "h",
        "between own fixes so far apart a vessel is placed; shorter hides poor reception, longer excuses whole fleets",
    )
    window_h: float = number(
        24.0,
        "h",
        "before an hour, what others were heard of in its cell and the eight round it tells how far stations reach",
    )
    ship_hours_least: float = number(
        3.0, "ship-hours", "of others in an hour; with fewer a product over empty cells turns ignorance into evidence"
    )
    correlation: float = number(
        0.15, "share", "spans of one vessel are heard or missed together; fitted on simulated seas"
    )
    hour_correlation: float = number(
        0.08, "share", "the same of its hours, less than of spans: they reach over days; fitted on simulated seas"
    )
    independent_spans: float = number(
        6.0, "spans", "so many chances has an hour to be heard in, though it has twelve spans: passes last for several"
    )
    better_side_weight: float = number(
        0.15, "share", "by which the side of a gap on which it was heard worse is drawn to the other one: it is one set"
    )
    independent_h: float = number(
        24.0, "h", "of a gap count at most so many: weather and stations last for hours, and no longer one tells more"
    )
    prior_heard: float = number(1.0, "spans", "before anything is counted: all shares alike")
    prior_missed: float = number(1.0, "spans", "before anything is counted: all shares alike")
    hour_weight: float = number(
        2.0, "ship-hours", "by which an hour is drawn to all hours of the gap; more, and a storm of 3 h drowns"
    )
    class_b_power: float = number(
        10.0,
        "times",
        "as often as sets of class A one of class B, 2 W, is missed where few are, or one of unknown class; fitted on "
        "simulated seas",
    )
    pass_deg: float = number(
        5.0, "deg", "with the eight cells round it a third of what a satellite at 600 km sees, 5,000 km across"
    )
    pass_vessels: float = number(
        3.0,
        "vessels",
        "others heard there by satellite at one time: of fewer, the pass may have been one of elsewhere",
    )
    passes_beside: float = number(
        12.0, "passes", "on each side of a gap, the nearest: in earlier ones it may have been elsewhere, or under way"
    )
    pass_correlation: float = number(
        0.02, "share", "passes hear or miss a vessel together: it lies, or is among many; fitted on simulated seas"
    )
    pass_moved_kn: float = number(
        2.0, "kn", "between both ends of a gap: slower, it may have lain and sent every three minutes, as at one end"
    )
    pass_moved_weight: float = number(
        0.7,
        "share",
        "as better_side_weight, of passes and who moved: on half of the way it is heard as on the better side",
    )
    anchor_km: float = number(
        20.0, "km", "so near the shore a ship that hardly moved may have lain at anchor, sending every three minutes"
    )
    detour_kn: float = number(8.0, "kn", "an estimate: what small tankers make over a day, turns and all")
    river_km: float = number(
        10.0,
        "km",
        "so near the shore at either end a ship may be bound up a river or into a dock that no coast shows: pilots of "
        "the Mississippi board 10 km off",
    )
    detour_share: float = number(
        0.1, "share", "of ships go as far aside as time allows, to where nobody is heard: an estimate, a high one"
    )
    detour_h: float = number(
        16.0, "h", "of longer gaps detour_share grows with the square of time, as the sea in reach does: an estimate"
    )
    gone_share: float = number(
        1.0, "share", "in place of detour_share of ships that are not heard again: all of them may have gone away"
    )
    stay_m: float = number(250.0, "m", "so near each other, both ends of a gap are one berth or anchorage")
    stay_kn: float = number(0.5, "kn", "no faster than sets show a ship that lies still")
    stay_detour_share: float = number(
        0.0001, "share", "of ships that lie in one place before and after were away unheard between: an estimate"
    )
    together_min: float = number(
        10.0, "min", "silences that begin and end so near each other have one cause; as far as reports are apart"
    )
    together_deg: float = number(0.5, "deg", "about the range of one station")
    together_least: float = number(
        2.0, "gaps", "of others that begin with it, or end with it: one more than happens by accident among few ships"
    )
    together_after_h: float = number(
        12.0, "h", "a gap of another that ends later after its own end is not asked: it may not be known yet"
    )
    gate_deg: float = number(
        0.05, "deg", "where others were lost or came back so near, data may end right there, as at the edge of a box"
    )
    gate_least: float = number(
        6.0,
        "gaps",
        "of others in a week, at both ends: sets that are switched off have a coast in common, no spot",
    )
    mass_vessels: float = number(
        5.0, "vessels", "of one degree that fall silent or come back each within together_min of the one before"
    )
    mass_min: float = number(60.0, "min", "all of them: what goes on for longer is a busy coast or a night")
    mass_factor: float = number(
        4.0, "times", "as many as in the two days round it fall silent there in such a time: else a busy coast is one"
    )
    day_edge_min: float = number(
        15.0,
        "min",
        "a gap from so long before a midnight (UTC) to so long after a later one may be days that an archive lacks of "
        "the vessel, reports thinned to 15 min; by accident one gap in ten thousand is so",
    )
    near_h: float = number(2.0, "h", "after the start and before the end of a gap a vessel is looked for more often")
    edge_h: float = number(
        12.0, "h", "of longer gaps so many hours after the start and before the end; between, it may be anywhere"
    )
    own_bracket_h: float = number(
        6.0, "h", "own fixes so near each other place it well; fitted on simulated seas, where antennas differ"
    )
    own_weight_h: float = number(4.0, "h", "by which a vessel's own share is drawn to 1")
    own_share_least: float = number(0.5, "share", "so that habitual silence buys no innocence")
    silenced_chance: float = number(
        0.001,
        "chance",
        "of being silent by reception alone; a vessel has many spans of hours, so a rare chance comes true: fitted on "
        "simulated seas of two kinds; of what an oracle decides there, nine of ten or more called silenced were off",
    )
    poor_share: float = number(0.8, "share", "where fewer ship-hours were heard, reception explains silences")
    off_share: float = number(0.005, "share", "of spans of two hours, the set was off: an estimate, none is published")
