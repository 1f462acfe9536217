"""What passes between the steps and is not published as it is; and what is published of dark meetings and absences."""

from __future__ import annotations

import pyarrow as pa

from stswatch.pipeline.schema.lake_tables import UTC, column, table
from stswatch.pipeline.schema.measures import BIN, INTERVAL

_TRACK = (
    column("mmsi", pa.int32(), "the number the vessel claims"),
    column("track_start", UTC, "first fix of the track; with the MMSI it names the track"),
)
_PAIR = (
    column("mmsi_a", pa.int32(), "smaller MMSI of the pair"),
    column("track_a", UTC, "first fix of track a"),
    column("mmsi_b", pa.int32(), "larger MMSI of the pair"),
    column("track_b", UTC, "first fix of track b"),
)

LEGS = table(
    "Slow legs, each at most piece_km long, thinned in stays.",
    *_TRACK,
    column("start", UTC, "time at the start"),
    column("end", UTC, "time at the end"),
    column("lon0", pa.float64(), "longitude at the start", unit="deg"),
    column("lat0", pa.float64(), "latitude at the start", unit="deg"),
    column("lon1", pa.float64(), "longitude at the end, within 180 degrees of lon0", unit="deg"),
    column("lat1", pa.float64(), "latitude at the end", unit="deg"),
    column("speed_dkn", pa.int16(), "mean of the two reported speeds, else the speed implied", unit="0.1 kn"),
    column("speed_sent", pa.bool_(), "the speed was reported; false where it is implied by the positions alone"),
    column(
        "fix_start",
        UTC,
        "time of the fix at or before the start: differs from start where a leg is cut in pieces",
    ),
    column("fix_end", UTC, "time of the fix at or after the end"),
    column("fresh", pa.bool_(), "no leg of the track comes before: its start is where the data begins"),
    column("heading_deg", pa.int16(), "true heading told with the fix at or after the end; -1 where none", unit="deg"),
    column("rounding_m", pa.int32(), "how far rounding may have moved a position", unit="m"),
    column("inner", pa.list_(pa.int32()), "fixes inside a thinned leg, after start", unit="ms"),
)
GAPS = table(
    "Two consecutive fixes of a track further apart than the threshold, or a track that ended.",
    *_TRACK,
    column("start_time", UTC, "last fix before"),
    column("end_time", UTC, "first fix after; null where the track ended or the data did", null=True),
    column("duration_h", pa.float64(), "length; null where no fix came after", unit="h", null=True),
    column("lon0", pa.float64(), "longitude of the last fix before", unit="deg"),
    column("lat0", pa.float64(), "latitude of the last fix before", unit="deg"),
    column("lon1", pa.float64(), "longitude of the first fix after", unit="deg", null=True),
    column("lat1", pa.float64(), "latitude of the first fix after", unit="deg", null=True),
    column("receiver", pa.string(), "satellite where both fixes came that way, else terrestrial"),
    column("threshold_h", pa.float64(), "the threshold that applied", unit="h"),
    column(
        "ending",
        pa.string(),
        "resumed, track_ended (no fix within the memory of a track), open (data ended first)",
    ),
    column("own_heard_h", pa.int64(), "hours in which it was heard in the seven days before its day", unit="h"),
    column("own_missed_h", pa.int64(), "hours in which it was not, between own fixes near each other", unit="h"),
    column(
        "lost_min",
        pa.float64(),
        "how much of it lies in stretches of spools that are damaged; where any does, it is not judged",
        unit="min",
    ),
    column("sog0_kn", pa.float64(), "speed over ground at the last fix before", unit="kn", null=True),
    column("sog1_kn", pa.float64(), "speed over ground at the first fix after", unit="kn", null=True),
    column("cog0_deg", pa.float64(), "course over ground at the last fix before", unit="deg", null=True),
    column("cog1_deg", pa.float64(), "course over ground at the first fix after", unit="deg", null=True),
    column("heard_before", pa.int64(), "spans of five minutes in which it was heard, of the 24 up to the last fix"),
    column(
        "heard_after", pa.int64(), "the same of the 24 from the first fix after on; null where none came", null=True
    ),
    column(
        "heard_earlier",
        pa.int64(),
        "the same of the 36 before those of heard_before: many there and few then is a track that grew thin before it "
        "fell silent; null where the track is younger",
        null=True,
    ),
    column("station0", pa.string(), "station that heard the last fix before, where the data name one", null=True),
    column("station1", pa.string(), "station that heard the first fix after, where the data name one", null=True),
    column("class0", pa.string(), "class of the set by the last fix before: A, B; null where not known", null=True),
    column("class1", pa.string(), "class of the set by the first fix after: A, B; null where not known", null=True),
    *(
        column(f"satellite_{side}", pa.int64(), f"bit k: heard by satellite k spans of ten minutes {side} {fix}")
        for side, fix in (("before", "the last fix before"), ("after", "the first fix after"))
    ),
)
LOST_SPANS = table(
    "Spans in which something arrived that is damaged and cannot be read any more.",
    column("start", UTC, "nothing of it is dated before"),
    column("end", UTC, "nothing of it is dated after"),
)
SHIP_HOURS = table(
    "Hours of vessels by cell, heard or not between own fixes; several rows of one key add up.",
    column("hour", UTC, "start of the hour"),
    column("cell", pa.int64(), "cell of reception.cell_deg, see geo/coordinates/cells.py"),
    column("heard", pa.int64(), "vessels of which the first fix in the hour lies in the cell"),
    column("missed", pa.int64(), "vessels that were not heard in the hour and are placed here by their fixes round it"),
)
SATELLITE_COUNTS = table(
    "Vessels that satellites heard, by region and span of ten minutes; several rows of one key add up.",
    column("span", UTC, "start of the span"),
    column("cell", pa.int64(), "cell of reception.pass_deg, see geo/coordinates/cells.py"),
    column("vessels", pa.int64(), "vessels of which the first fix by satellite in the span lies in the cell"),
)
EDGES = table(
    "Where the legs of a track begin or end for want of data.",
    *_TRACK,
    column("time", UTC, "time of the fix at the edge"),
    column("side", pa.string(), "start (legs begin here), end (legs end here), data_end (the data ends first)"),
)
RECEPTIONS = table(
    "Fixes received by cell, hour and kind of receiver; several rows of one key add up.",
    column("cell", pa.int64(), "coverage cell, see geo/coordinates/cells.py"),
    column("hour", UTC, "start of the hour"),
    column("receiver", pa.string(), "kind of receiver"),
    column("fixes", pa.int64(), "fixes received"),
    column("vessels", pa.int64(), "distinct MMSI received"),
)
REPORTING = table(
    "Minutes in which anybody was heard, by kind of receiver; several rows of one key add up.",
    column("receiver", pa.string(), "kind of receiver, or all"),
    column("minute", UTC, "start of the minute"),
    column("first", UTC, "first fix in it, whole seconds"),
    column("last", UTC, "last fix in it, whole seconds"),
    column("vessels", pa.int64(), "vessels of which the first fix of the half hour lies in it"),
)
REPORTING_PLACES = table(
    "Half hours in which a station heard anybody, or anybody was heard in a region; several rows of one key add up.",
    column("place", pa.int64(), "number of the station, above 0; of a region -1 less its cell of one degree"),
    column("station", pa.string(), "name of the station; null of a region", null=True),
    column("half", UTC, "start of the half hour"),
    column("first", UTC, "first fix in it, whole seconds"),
    column("last", UTC, "last fix in it, whole seconds"),
    column("vessels", pa.int64(), "vessels heard"),
)
PROXIMITIES = table(
    "Intervals in which two tracks are within the encounter distance, with sums over them.",
    *_PAIR,
    *(kept.field for kept in INTERVAL),
    column("bins", pa.list_(BIN), "time spent by distance, speed and heading, see pipeline/meetings/intervals.py"),
)
CLOSED_ENCOUNTERS = table(
    "Proximities of a pair joined, long enough to count, that nothing can touch any more.",
    *PROXIMITIES,
)
PARTIES = table(
    "What became of one vessel of a closed encounter, and what it had said of itself; two rows of each encounter.",
    *_PAIR,
    CLOSED_ENCOUNTERS.field("start"),
    column("party", pa.int8(), "0 for a, 1 for b"),
    column("gap", pa.bool_(), "a silence of it begins or ends in the encounter or beside it"),
    column("ended", pa.bool_(), "its legs end, for want of data, just where the encounter does"),
    *(
        column(f"slow_{side}_h", pa.float64(), f"hours of around_h {side} it in which it was slow", unit="h", null=True)
        for side in ("before", "after")
    ),
    column("ship_type", pa.int16(), "type of ship and cargo that it told last, ITU-R M.1371-5 table 53", null=True),
    column("length_m", pa.float32(), "length over all that it told last", unit="m", null=True),
)
STATIC_DATA = table(
    "What vessels say of their kind and size, each value once a UTC day and where it changes.",
    column("mmsi", pa.int32(), "the number the vessel claims"),
    column("time", UTC, "when it was said"),
    column("ship_type", pa.int16(), "type of ship and cargo, ITU-R M.1371-5 table 53", null=True),
    column("length_m", pa.float32(), "length over all", unit="m", null=True),
)
DARK_MEETINGS = table(
    "Meetings that silences left time for and nobody saw: of a vessel that loitered with one that was not heard, or of "
    "two that were not. A row says what was possible, never that it happened.",
    column("id", pa.string(), "stable name: of the two, the silence of b and start_time"),
    column("kind", pa.string(), "one_dark: a loitered, b was silent; both_dark: both were silent"),
    column(
        "lead",
        pa.bool_(),
        "one_dark alone: chance_by_accident at most dark.lead_chance, over_water not false, and neither others lost "
        "together nor an outage explains the silence; a both_dark is a candidate, unless something else speaks for it: "
        "view dark_leads",
    ),
    *(
        each
        for v in "ab"
        for each in (
            column(
                f"mmsi_{v}", pa.int32(), f"the number that {v} claims" + ("; of both_dark the smaller" * (v == "a"))
            ),
            column(f"track_start_{v}", UTC, f"first fix of the track of {v}"),
        )
    ),
    column("start_time", UTC, "the earliest that both can have been there, at dark_speed_kn"),
    column("end_time", UTC, "the latest"),
    column("stay_h", pa.float64(), "longest stay together", unit="h"),
    column("spare_h", pa.float64(), "stay_h less dark.stay_h", unit="h"),
    column("least_speed_kn", pa.float64(), "least speed at which they had time for dark.stay_h together", unit="kn"),
    column("lon", pa.float64(), "where it can have been longest; of one_dark the mean place of a", unit="deg"),
    column("lat", pa.float64(), "where it can have been longest; of one_dark the mean place of a", unit="deg"),
    column(
        "region",
        pa.binary(),
        "where both can have been for dark.stay_h, WKB, without land where over_water; null where a was heard",
        null=True,
    ),
    column("region_km2", pa.float64(), "its area", unit="km2", null=True),
    column(
        "over_water",
        pa.bool_(),
        "true: times, place and region are of ways by sea; false: by sea there was no time for dark.stay_h, and they "
        "are of straight ways over land, as where it is null: not known there (beyond 15 to 48 N, 105 to 145 E), or "
        "not asked, chance_by_accident being above dark.water_chance or null",
        null=True,
    ),
    column("stay_water_h", pa.float64(), "no stay by sea is longer; below 0: never at one time", unit="h", null=True),
    column("zones", pa.list_(pa.string()), "zones there, most specific first"),
    column("port", pa.string(), "nearest port"),
    column("distance_to_port_km", pa.float64(), "distance to its point", unit="km"),
    *(
        each
        for v, null in (("a", True), ("b", False))
        for each in (
            column(f"gap_start_{v}", UTC, f"last fix of {v} before its silence", null=null),
            column(f"gap_end_{v}", UTC, f"first fix of {v} after it", null=null),
            column(f"judgement_{v}", pa.string(), "what that silence was judged to be", null=null),
        )
    ),
    *(
        column(
            f"course_off_{side}_deg",
            pa.float64(),
            f"of one_dark how far the course of b was off the way {way} the place at the {fix} it; null where it sent "
            "none, was slower than dark.course_kn, nearer than dark.course_km or than a strayed, and of both_dark",
            unit="deg",
            null=True,
        )
        for side, way, fix in (("before", "to", "last fix before"), ("after", "from", "first fix after"))
    ),
    column(
        "rivals",
        pa.int64(),
        "how many other silences fit as well: of one_dark the wait, of both_dark one of the two",
    ),
    column(
        "expected_by_accident",
        pa.float64(),
        "how many silences fit by accident, in the mean of shifts by whole days; of both_dark that of a or b, the "
        "greater; null where fewer than dark.shifts_least tell",
        null=True,
    ),
    column(
        "nearer_by_accident",
        pa.float64(),
        "how many of these begin and end as near to the wait or the other silence as this one, in place and time, to a "
        "wait by their courses too; of both_dark that of a or b, the greater",
        null=True,
    ),
    column("shifts", pa.int64(), "days that tell it"),
    column(
        "chance_by_accident",
        pa.float64(),
        "chance that any fits as nearly by accident, 1 - exp(-nearer_by_accident)",
        null=True,
    ),
    column(
        "lost_together",
        pa.int64(),
        "other vessels lost within dark.together_h and dark.together_km of the silent one; of two the more",
    ),
    column("outage_share", pa.float64(), "share of the silence that lies in an outage; of two the greater"),
    column(
        "score",
        pa.float64(),
        "log-odds that none fits as nearly by accident: a rank among dark meetings, not on the scale of encounters",
        unit="log-odds",
        null=True,
    ),
)
LONG_ABSENCES = table(
    "Numbers that were not heard by anybody for more than 7 and up to 180 days, longer than a track lasts, and then "
    "again: by another hull perhaps. Absence of data accuses nobody.",
    column("mmsi", pa.int32(), "the number the vessel claims"),
    column("start_time", UTC, "last fix before"),
    column("end_time", UTC, "first fix after"),
    column("days", pa.float64(), "length", unit="d"),
    *(
        column(f"{axis}{k}", pa.float64(), f"where the {fix} was", unit="deg")
        for k, fix in ((0, "last fix before"), (1, "first fix after"))
        for axis in ("lon", "lat")
    ),
    column("distance_km", pa.float64(), "between the two, on the sphere", unit="km"),
    column("ports", pa.int64(), "ports of the DPRK and of its trade that it had time for, dark_stay_h in each"),
    column("port", pa.string(), "the one of them where most time was left, id; null where there is none", null=True),
    column("way_km", pa.float64(), "there and back, no way by sea is shorter", unit="km", null=True),
    column("spare_h", pa.float64(), "time left there at dark_speed_kn", unit="h", null=True),
)
STAYS = table(
    "How long a track was slow in one place; of a stay that goes through several slices a row each, which add up.",
    *_TRACK,
    column("start", UTC, "start of the first leg"),
    column("end", UTC, "end of the last leg"),
    column("fresh", pa.bool_(), "it begins where the data does: at the first fix of the track or after a silence"),
    column("slow_ms", pa.int64(), "time on slow legs", unit="ms"),
    column("dkn_ms", pa.int64(), "speed times time, summed", unit="0.1 kn ms"),
    column("lon_sum", pa.int64(), "longitude times time, summed, within 180 degrees of lon0", unit="1e-6 deg ms"),
    column("lat_sum", pa.int64(), "latitude times time, summed", unit="1e-6 deg ms"),
    *(
        column(f"{axis}{end}", pa.float64(), f"place at the {where}", unit="deg")
        for end, where in ((0, "start"), (1, "end"))
        for axis in ("lon", "lat")
    ),
)
VOYAGE_DATA = table(
    "Draught and destination as vessels enter them, each value once a UTC day and where it changes; one value a row.",
    column("mmsi", pa.int32(), "the number the vessel claims"),
    column("time", UTC, "when it was said"),
    column("draught_m", pa.float32(), "draught", unit="m", null=True),
    column("destination", pa.string(), "destination", null=True),
)
PORT_PAIRS = table(
    "Pairs that lay still beside each other at berth, by hour; one row is said once or more often.",
    *_PAIR,
    column("port", pa.string(), "port id, see geo/reference/ports.py"),
    column("part", pa.string(), "harbour, anchorage or shore"),
    column("hour", UTC, "start of the hour"),
)
LEAPS = table(
    "Where a vessel came further between two fixes than its reported speeds, or those of any ship, explain.",
    column("mmsi", pa.int32(), "the number the vessel claims"),
    column("start", UTC, "fix before"),
    column("end", UTC, "fix after"),
    column("hop", pa.bool_(), "no ship can go so fast, and another track begins"),
    column("lon0", pa.float64(), "longitude before", unit="deg"),
    column("lat0", pa.float64(), "latitude before", unit="deg"),
    column("lon1", pa.float64(), "longitude after", unit="deg"),
    column("lat1", pa.float64(), "latitude after", unit="deg"),
    column("sog0_kn", pa.float32(), "speed reported before", unit="kn", null=True),
    column("sog1_kn", pa.float32(), "speed reported after", unit="kn", null=True),
)
CROSSINGS = table(
    "Where legs cross a grid of degrees.",
    *_TRACK,
    column("time", UTC, "when, between the two fixes in equal motion"),
    column("fix_end", UTC, "fix at or after it"),
    column("line", pa.int64(), "which line, of which kind, in which direction"),
    column("along_m", pa.float64(), "where on the line, from the equator or Greenwich", unit="m"),
    column("lon", pa.float64(), "longitude of the fix after it", unit="deg"),
    column("lat", pa.float64(), "latitude of the fix after it", unit="deg"),
)
_BLOCK = (
    *_TRACK,
    column("start_time", UTC, "first of its places in the block"),
    column("end_time", UTC, "last of them"),
    column("lon", pa.float64(), "longitude of the first", unit="deg"),
    column("lat", pa.float64(), "latitude of the first", unit="deg"),
)
HEARD_BY = table(
    "Where one station heard a track in a block that is over.",
    *_BLOCK,
    column("station", pa.int64(), "number of the station, made of its name"),
    column("samples", pa.int64(), "places of the track that it heard"),
    column("of", pa.int64(), "places of the track in the block"),
)
STATES_SENT = table(
    "Communication states and UTC seconds that a track sent in messages 1 and 2, in a block that is over.",
    *_BLOCK,
    column("states", pa.int64(), "how many"),
    column("odd", pa.int64(), "of them states that no transponder among others sends"),
    column("seconds", pa.int64(), "different UTC seconds beside them; 60 where some have none"),
    column("clock_seconds", pa.int64(), "different seconds of the minute in which they were received"),
)
EVENT_REVISIONS = table(
    "Every revision of every event but encounters, which have their own: gaps, outages, port calls, loitering, dark "
    "meetings, identity events and track checks. The rows of those tables are its current ones, by subject and start; "
    "but port calls that a silence only left time for have none: they follow from the silence.",
    column("table_name", pa.string(), "the table of the event"),
    column("id", pa.string(), "stable name of the event: of what shares most time with it it keeps the name"),
    column("revision", pa.int32(), "counts from 1"),
    column("status", pa.string(), "current, superseded (by its next revision or another event) or retracted"),
    column("superseded_by", pa.string(), "the other event that covers most of it, where one does", null=True),
    column("subject", pa.string(), "what it is of: MMSI, port, kind, as pipeline/schema says, parted by spaces"),
    column("start_time", UTC, "begin of the event"),
    column("end_time", UTC, "end of the event; null where it has none yet", null=True),
    column("computed_id", pa.string(), "id of its row in that table then; null where rows have none", null=True),
    column(
        "changed", pa.list_(pa.string()), "columns that differ from the revision before; null of a first", null=True
    ),
    column("reason", pa.string(), "why it was written: data (more; late or corrected), rules, version"),
    column("run_id", pa.string(), "the run that wrote it"),
    column("ended_reason", pa.string(), "why it no longer holds, as reason", null=True),
    column("ended_run_id", pa.string(), "the run by which it no longer holds", null=True),
)
