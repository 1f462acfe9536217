"""One Arrow schema per table; every field carries its unit and its meaning.

Three families: what lies in the lake, what flows between the steps, what is stored for people to read. The stored
tables become DuckDB tables of the same name, and their comments become the column comments there.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

UTC = pa.timestamp("us", tz="UTC")
REF = pa.struct([pa.field("offset", pa.int64(), False), pa.field("length", pa.int32(), False)])
REASON = pa.struct(
    [
        pa.field("feature", pa.string(), False),
        pa.field("value", pa.float64()),
        pa.field("points", pa.float64(), False),
        pa.field("text", pa.string(), False),
    ]
)


def column(name: str, kind: pa.DataType, meaning: str, *, unit: str = "", null: bool = False) -> pa.Field:
    """One field with its meaning and unit in the metadata; not nullable unless said."""
    return pa.field(name, kind, nullable=null, metadata={"meaning": meaning, "unit": unit})


def table(meaning: str, *columns: pa.Field) -> pa.Schema:
    """One schema with what the table holds in its metadata."""
    return pa.schema(columns, metadata={"meaning": meaning})


def meaning_of(thing: pa.Field | pa.Schema) -> str:
    """The sentence that describes a field or a table, with the unit in brackets where there is one."""
    metadata = thing.metadata or {}
    unit = metadata.get(b"unit", b"").decode()
    meaning: str = metadata.get(b"meaning", b"").decode()
    return meaning + (f" [{unit}]" if unit else "")


# ------------------------------------------------------------------------------------------------ the lake

_EVIDENCE = (
    column("source", pa.string(), "first 16 hex digits of the SHA-256 of the source file"),
    column(
        "offset",
        pa.int64(),
        "where the first sentence begins in the decompressed file; the row number in Parquet",
    ),
    column("length", pa.int32(), "length of the first sentence without its line end; 1 in Parquet", unit="byte"),
    column("more_refs", pa.list_(REF), "the further sentences of a multi-part message", null=True),
)

FIXES = table(
    "Position reports, one row each as received. Nothing is dropped: what cannot be used says why in `invalid`.",
    column("mmsi", pa.int32(), "the number the vessel claims"),
    column("time", UTC, "when the report was received or sent, as the source tells it"),
    column("lon", pa.float64(), "longitude, WGS 84, rounded to 1e-7", unit="deg", null=True),
    column("lat", pa.float64(), "latitude, WGS 84, rounded to 1e-7", unit="deg", null=True),
    column("sog_kn", pa.float32(), "speed over ground; null where not available", unit="kn", null=True),
    column("cog_deg", pa.float32(), "course over ground; null where not available", unit="deg", null=True),
    column("heading_deg", pa.int16(), "true heading; null where not available", unit="deg", null=True),
    column(
        "status",
        pa.int8(),
        "navigational status of ITU-R M.1371-5; null where not defined or not sent",
        null=True,
    ),
    column(
        "msg_type",
        pa.int8(),
        "AIS message type; null where the archive does not say; 27 tells places to 1/10 minute (185 m), speed to 1 kn",
        null=True,
    ),
    column("receiver", pa.string(), "kind of receiver: terrestrial, satellite or unknown"),
    column("station", pa.string(), "receiving station as the source names it", null=True),
    column("invalid", pa.string(), "why the fix is left out of legs; null where it is used", null=True),
    *_EVIDENCE,
)

STATIC_REPORTS = table(
    "What vessels say of themselves: types 5, 19 and 24, or an archive's static columns where they change.",
    column("mmsi", pa.int32(), "the number the vessel claims"),
    column("time", UTC, "when the report was received or sent, as the source tells it"),
    column("imo", pa.int32(), "IMO number as sent, without check; null where zero", null=True),
    column("name", pa.string(), "name as sent, trailing blanks and @ cut", null=True),
    column("call_sign", pa.string(), "call sign as sent", null=True),
    column("ship_type", pa.int16(), "type of ship and cargo, ITU-R M.1371-5 table 53; null where zero", null=True),
    column("length_m", pa.float32(), "length over all, bow plus stern; null where zero", unit="m", null=True),
    column("beam_m", pa.float32(), "breadth, port plus starboard; null where zero", unit="m", null=True),
    column("to_bow_m", pa.int16(), "antenna to bow", unit="m", null=True),
    column("to_stern_m", pa.int16(), "antenna to stern", unit="m", null=True),
    column("to_port_m", pa.int16(), "antenna to port side", unit="m", null=True),
    column("to_starboard_m", pa.int16(), "antenna to starboard side", unit="m", null=True),
    column("draught_m", pa.float32(), "present static draught; null where zero", unit="m", null=True),
    column("destination", pa.string(), "destination as sent", null=True),
    column("msg_type", pa.int8(), "AIS message type; null where the archive does not say", null=True),
    column("invalid", pa.string(), "why the report is used for nothing; null where it is used", null=True),
    *_EVIDENCE,
)

REJECTS = table(
    "Lines that should have been a message and could not be used.",
    column("source", pa.string(), "first 16 hex digits of the SHA-256 of the source file"),
    column("offset", pa.int64(), "where the line begins in the decompressed file"),
    column("length", pa.int32(), "length of the line", unit="byte"),
    column("reason", pa.string(), "from the closed list in pipeline/decode/rejects.py"),
)

LAKE: Mapping[str, pa.Schema] = {"fixes": FIXES, "static_reports": STATIC_REPORTS, "rejects": REJECTS}

# ------------------------------------------------------------------------------------------------ the flow

_TRACK = (
    column("mmsi", pa.int32(), "the number the vessel claims"),
    column("track", UTC, "first fix of the track; with the MMSI it names the track"),
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
    column("speed_told", pa.bool_(), "the speed was reported; false where it is implied by the positions alone"),
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
)
EDGES = table(
    "Where the legs of a track begin or end for want of data, sent to every pair shard.",
    *_TRACK,
    column("time", UTC, "time of the fix at the edge"),
    column("side", pa.string(), "start (legs begin here), end (legs end here), data_end (the data ends first)"),
)
RECEPTIONS = table(
    "Fixes received by cell, hour and kind of receiver; several rows of one key add up.",
    column("cell", pa.int64(), "coverage cell, see geo/grid.py"),
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
BIN = pa.struct([pa.field("bin", pa.int32(), False), pa.field("ms", pa.int64(), False)])

PROXIMITIES = table(
    "Intervals in which two tracks are within the encounter distance, with sums over them.",
    *_PAIR,
    column("start", UTC, "first moment within the distance, whole milliseconds"),
    column("end", UTC, "last moment within the distance, whole milliseconds"),
    column("within_ms", pa.int64(), "time within the distance", unit="ms"),
    column("observed_ms", pa.int64(), "part of it within observed_within_min of a fix of both", unit="ms"),
    column("nearest_cm", pa.int64(), "least distance", unit="cm"),
    column("nearest_time", UTC, "when it was least, the earliest such time"),
    column("lon", pa.float64(), "middle of the pair then", unit="deg"),
    column("lat", pa.float64(), "middle of the pair then", unit="deg"),
    column("moved_cm", pa.int64(), "way of one antenna as seen from the other within the distance", unit="cm"),
    column("lon0", pa.float64(), "middle of the pair at the start", unit="deg"),
    column("lat0", pa.float64(), "middle of the pair at the start", unit="deg"),
    column("lon1", pa.float64(), "middle of the pair at the end", unit="deg"),
    column("lat1", pa.float64(), "middle of the pair at the end", unit="deg"),
    column("fixes_a", pa.int64(), "fixes of a in it, one at the end left out"),
    column("fixes_b", pa.int64(), "fixes of b in it, one at the end left out"),
    column("end_fix_a", pa.bool_(), "a fix of a stands at the end"),
    column("end_fix_b", pa.bool_(), "a fix of b stands at the end"),
    column("fresh", pa.bool_(), "the legs of a or b begin at the start"),
    column("rounding_m", pa.int32(), "how far rounding may have moved both, the most of it added up", unit="m"),
    column("bins", pa.list_(BIN), "time spent by distance, speed and heading, see pipeline/meetings/histogram.py"),
)
PARTICULARS = table(
    "What vessels say of their kind and size, each value once a UTC day and where it changes; to every pair shard.",
    column("mmsi", pa.int32(), "the number the vessel claims"),
    column("time", UTC, "when it was said"),
    column("ship_type", pa.int16(), "type of ship and cargo, ITU-R M.1371-5 table 53", null=True),
    column("length_m", pa.float32(), "length over all", unit="m", null=True),
)
BERTH_PAIRS = table(
    "Pairs that lay still beside each other in a port or anchorage, by hour; one row is said once or more often.",
    *_PAIR,
    column("port", pa.string(), "port id, see geo/ports.py"),
    column("hour", UTC, "start of the hour"),
)

# ------------------------------------------------------------------------------------------------ what is stored

ENCOUNTERS = table(
    "Meetings of two tracks: proximities of one pair joined over short interruptions. A meeting is not a transfer.",
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
    column("duration_min", pa.float64(), "end less start, joined interruptions included", unit="min"),
    column("within_min", pa.float64(), "time measured within the encounter distance", unit="min"),
    column("lon", pa.float64(), "middle of the pair at the nearest approach", unit="deg", null=True),
    column("lat", pa.float64(), "middle of the pair at the nearest approach", unit="deg", null=True),
    column("nearest_time", UTC, "time of the nearest approach", null=True),
    column("region", pa.binary(), "where a dark meeting may have been, WKB; null where it was seen", null=True),
    column("min_distance_m", pa.float64(), "least distance between the antennas", unit="m", null=True),
    column(
        "position_error_m",
        pa.float64(),
        "how far distances of the two may be off: of each position twice fix_error_m and what it was rounded by",
        unit="m",
        null=True,
    ),
    column(
        "median_distance_m",
        pa.float64(),
        "median distance between the antennas, weighted by time, from bins of 5 m; never below min_distance_m",
        unit="m",
        null=True,
    ),
    *(
        column(
            f"median_speed_{v}_kn",
            pa.float64(),
            f"median speed that {v} reported, weighted by time; null where no speed was sent",
            unit="kn",
            null=True,
        )
        for v in "ab"
    ),
    column(
        "relative_speed_kn",
        pa.float64(),
        "mean speed of one antenna as seen from the other, over the time within the encounter distance",
        unit="kn",
        null=True,
    ),
    column(
        "drift_km",
        pa.float64(),
        "how far the middle of the pair lay at the last moment within the distance from where it lay at the first",
        unit="km",
        null=True,
    ),
    column("drift_kn", pa.float64(), "drift_km over the duration", unit="kn", null=True),
    column(
        "heading_difference_deg",
        pa.float64(),
        "median angle between the keels, weighted by time, from bins of 5 deg: 0 along, either way, 90 across; "
        "null where the two did not tell true headings within observed_within_min of each other",
        unit="deg",
        null=True,
    ),
    column("fixes_a", pa.int32(), "fixes of a within the encounter distance"),
    column("fixes_b", pa.int32(), "fixes of b within the encounter distance"),
    column(
        "observed_share",
        pa.float64(),
        "share of the time within the distance that lies within 10 min of a fix of both",
    ),
    column(
        "possibly_one_hull",
        pa.bool_(),
        "both lay within one_place_m of each other nearly all the time, for hours: two transponders on one hull "
        "perhaps, or one registered twice",
    ),
    column("zones", pa.list_(pa.string()), "zones at the nearest approach, most specific first"),
    column("port", pa.string(), "nearest port", null=True),
    column("distance_to_port_km", pa.float64(), "distance to the nearest port", unit="km", null=True),
    column("in_port", pa.string(), "port in whose waters the nearest approach lies; null outside of all", null=True),
    column(
        "in_port_part",
        pa.string(),
        "harbour or anchorage, as they are drawn; near: within port_radius_km of a port that has none drawn",
        null=True,
    ),
    column(
        "distance_to_shore_km",
        pa.float64(),
        "distance to the nearest shore, that of a lake or a wide river too; on the coast of GSHHG, within 0.1 km by "
        "the shore of the region, 1 km elsewhere; 0 where that coast has land, "
        "as in narrow rivers, docks, at new quays",
        unit="km",
        null=True,
    ),
    column(
        "distance_to_shore_error_km",
        pa.float64(),
        "how far that may be off: by the coast, 0.1 km by the shore of the region and 1 km elsewhere, and the position",
        unit="km",
        null=True,
    ),
    column(
        "sun_elevation_deg",
        pa.float64(),
        "height of the sun over the horizon at the nearest approach, no refraction; day from -0.833, night below -12",
        unit="deg",
        null=True,
    ),
    column("dark_a", pa.bool_(), "a gap of a begins or ends during the encounter or within dark_beside_min of it"),
    column("dark_b", pa.bool_(), "a gap of b begins or ends during the encounter or within dark_beside_min of it"),
    *(
        column(
            f"ship_type_{v}",
            pa.int16(),
            f"type that {v} last told by the end, at most said_memory_d before; ITU-R M.1371-5 table 53",
            null=True,
        )
        for v in "ab"
    ),
    *(
        column(
            f"length_{v}_m",
            pa.float32(),
            f"length that {v} last told by the end, at most said_memory_d before",
            unit="m",
            null=True,
        )
        for v in "ab"
    ),
    column("candidates", pa.int32(), "how many tracks could have been the second party; 1 where both were seen"),
    column("score", pa.float64(), "sum of the points in `reasons`; a rank, not a probability", unit="log-odds"),
    column("reasons", pa.list_(REASON), "what the score is made of, largest contribution first"),
    column("run_id", pa.string(), "the run that wrote this revision"),
)
JUDGED_GAPS = table(
    "Silences of tracks, each with what is known of the reception round it.",
    *(GAPS.field(name) for name in GAPS.names),
    column("judgement", pa.string(), "silenced, not_received, left_data or unknown"),
)
COVERAGE = table(
    "What was received where and when, by cell and hour.",
    *(RECEPTIONS.field(name) for name in RECEPTIONS.names),
)
OUTAGES = table(
    "Spans in which nobody at all was heard, though the traffic before and after makes that no accident.",
    column("receiver", pa.string(), "all: no receiver heard anybody; else the kind that heard nobody"),
    column("start_time", UTC, "last fix before, whole seconds"),
    column("end_time", UTC, "first fix after, whole seconds"),
    column("minutes", pa.float64(), "length", unit="min"),
    column("vessels_before", pa.int64(), "vessels heard in each half hour of outage_beside_h before, at least"),
    column("vessels_after", pa.int64(), "vessels heard in each half hour of outage_beside_h after, at least"),
)
BERTH_NEIGHBOURS = table(
    "Pairs of vessels that lay still within the encounter distance in a port that is not part of the DPRK trade.",
    column("port", pa.string(), "port id, see geo/ports.py"),
    column("hour", UTC, "start of the hour"),
    column("pairs", pa.int64(), "distinct pairs of tracks"),
)
VESSELS = table(
    "What each MMSI said of itself last, and how often it was heard.",
    column("mmsi", pa.int32(), "the number the vessel claims"),
    column("flag", pa.string(), "state that the first digits stand for, ISO 3166 alpha-2", null=True),
    column("first_seen", UTC, "first valid fix", null=True),
    column("last_seen", UTC, "last valid fix", null=True),
    column("fixes", pa.int64(), "valid fixes, repeats left out"),
    *(
        column(name, kind, f"last {what} reported; `{name}_time` says when", unit=unit, null=True)
        for name, kind, what, unit in (
            ("imo", pa.int32(), "IMO number", ""),
            ("name", pa.string(), "name", ""),
            ("call_sign", pa.string(), "call sign", ""),
            ("ship_type", pa.int16(), "type", ""),
            ("length_m", pa.float32(), "length", "m"),
            ("beam_m", pa.float32(), "breadth", "m"),
            ("draught_m", pa.float32(), "draught", "m"),
            ("destination", pa.string(), "destination", ""),
        )
    ),
    *(
        column(f"{name}_time", UTC, f"when {name} was last reported", null=True)
        for name in (
            "imo",
            "name",
            "call_sign",
            "ship_type",
            "length_m",
            "beam_m",
            "draught_m",
            "destination",
        )
    ),
)
RUNS = table(
    "One row per run of the program over this folder.",
    column("run_id", pa.string(), "name of the run"),
    column("started", UTC, "wall clock at the start"),
    column("finished", UTC, "wall clock at publication", null=True),
    column("code_version", pa.string(), "version of stswatch"),
    column("rules", pa.string(), "every deciding number, JSON"),
    column("rules_fingerprint", pa.string(), "SHA-256 of `rules`"),
    column("model_id", pa.string(), "the scorecard that gave the scores"),
    column("area", pa.string(), "what the user asked to be shown"),
    column("data_start", UTC, "start of the first slice", null=True),
    column("data_end", UTC, "last fix used", null=True),
)
SOURCES = table(
    "Files that were ingested, each once by content; of a zip each member by itself.",
    column(
        "source", pa.string(), "first 16 hex digits of the SHA-256; of a member: of the one of the zip and its name"
    ),
    column("sha256", pa.string(), "SHA-256 of the file"),
    column("path", pa.string(), "where it lay when it was first ingested"),
    column("member", pa.string(), "name of the member, where the file is a zip", null=True),
    column("bytes", pa.int64(), "size of the file", unit="byte"),
    column("format", pa.string(), "reader that took it"),
    column("clock", pa.string(), "where the times come from"),
    column(
        "ingest_day",
        pa.string(),
        "day of the first ingest: no time after it decided in which form a table has its times",
        null=True,
    ),
    column("columns", pa.string(), "of a table: which columns were taken for what, and which were not", null=True),
    column("receiver", pa.string(), "kind of receiver of what does not tell it: terrestrial, satellite or unknown"),
    column("licence", pa.string(), "terms of the data, as the format or the user says", null=True),
    column("sentences", pa.int64(), "sentences or rows found"),
    column("messages", pa.int64(), "messages or rows decoded"),
    column("fragments", pa.int64(), "sentences that were part of a used multi-part message"),
    column("rejects", pa.int64(), "sentences or rows that could not be used"),
    column("fixes", pa.int64(), "position reports, the invalid ones included"),
    column("invalid_fixes", pa.int64(), "position reports left out of legs"),
    column("stray_fixes", pa.int64(), "those of them that are left out because no right clock can have dated them so"),
    column("static_reports", pa.int64(), "static reports"),
    column(
        "rounded_deg",
        pa.float64(),
        "grid to which positions are rounded, found from the positions; null where finer than 0.001",
        unit="deg",
        null=True,
    ),
    column("first_time", UTC, "earliest fix that is used", null=True),
    column("last_time", UTC, "latest fix that is used", null=True),
)
REJECT_COUNTS = table(
    "How many lines of each source could not be used, and why.",
    column("source", pa.string(), "first 16 hex digits of the SHA-256"),
    column("reason", pa.string(), "from the closed list"),
    column("count", pa.int64(), "lines"),
)

FLOW: Mapping[str, pa.Schema] = {
    "legs": LEGS,
    "gaps": GAPS,
    "edges": EDGES,
    "particulars": PARTICULARS,
    "receptions": RECEPTIONS,
    "reporting": REPORTING,
    "proximities": PROXIMITIES,
    "berth_pairs": BERTH_PAIRS,
    "vessels": VESSELS,
    "coverage": COVERAGE,
    "outages": OUTAGES,
    "judged_gaps": JUDGED_GAPS,
    "encounters": ENCOUNTERS,
    "dark_meetings": ENCOUNTERS,
    "berth_neighbours": BERTH_NEIGHBOURS,
}
AREA_COLUMNS = ("in_area", "area_zones")  # of a stored encounter: what is asked anew for each publication
STORED_ENCOUNTERS = table(
    meaning_of(ENCOUNTERS),
    *(ENCOUNTERS.field(name) for name in ENCOUNTERS.names),
    column("superseded_by", pa.string(), "id of the event, if another, that took its place", null=True),
    column(
        "computed_id",
        pa.string(),
        "id that the pair, tracks and start of this revision give, in any run over the same data; differs from id "
        "where the event got its id from an earlier revision, as a provisional one",
    ),
    column(
        "in_area",
        pa.bool_(),
        "the nearest approach lies in the area asked for; false where no point is known",
    ),
    column(
        "area_zones",
        pa.list_(pa.string()),
        "zones of the area asked for at the nearest approach, where that is a file; most specific first, never scored",
    ),
)
STORED_GAPS = table(
    meaning_of(JUDGED_GAPS),
    *(JUDGED_GAPS.field(name) for name in JUDGED_GAPS.names),
    column(
        "outage_min",
        pa.float64(),
        "how much of it lies in outages, of all receivers or of its kind; 0 where none is known",
        unit="min",
    ),
)
PLACED = pa.schema([pa.field("row", pa.int64(), False), *map(STORED_ENCOUNTERS.field, AREA_COLUMNS)])
STORED: Mapping[str, pa.Schema] = {
    "runs": RUNS,
    "sources": SOURCES,
    "vessels": VESSELS,
    "encounters": STORED_ENCOUNTERS,
    "gaps": STORED_GAPS,
    "outages": OUTAGES,
    "coverage": COVERAGE,
    "reject_counts": REJECT_COUNTS,
    "berth_neighbours": BERTH_NEIGHBOURS,
}
EVENT_TABLES: Mapping[str, str] = {  # table of the flow -> stored table that its rows end in
    "encounters": "encounters",
    "judged_gaps": "gaps",
    "outages": "outages",
    "coverage": "coverage",
    "vessels": "vessels",
    "berth_neighbours": "berth_neighbours",
}


def empty(name: str) -> pa.Table:
    """An empty table of the flow or the lake, by name.

    >>> empty("legs").num_rows
    0
    """
    return {**LAKE, **FLOW}[name].empty_table()
