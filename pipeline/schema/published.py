"""What is published for people to read."""

from __future__ import annotations

import pyarrow as pa

from stswatch.pipeline.schema.flow_tables import GAPS, RECEPTIONS
from stswatch.pipeline.schema.lake_tables import UTC, column, meaning_of, table
from stswatch.pipeline.schema.measures import ENCOUNTER, Measure

ENCOUNTERS = table(
    "Meetings of two tracks: proximities of one pair joined over short interruptions. A meeting is not a transfer.",
    *(each.field if isinstance(each, Measure) else each for each in ENCOUNTER),
)
SILENCED = "silenced"  # what a gap is judged to be where the vessel, not reception, was silent
JUDGED_GAPS = table(
    "Silences of tracks, each with what is known of the reception round it.",
    *(GAPS.field(name) for name in GAPS.names if not name.startswith("satellite_")),
    column("judgement", pa.string(), "silenced, not_received, left_data or unknown; see docs/silence.md"),
    column(
        "silence_chance",
        pa.float64(),
        "chance that a vessel which sends all the time would not be heard in it, on the way where that is likeliest; "
        "null where no hour tells",
        null=True,
    ),
    column(
        "p_off",
        pa.float64(),
        "chance that it did not send, were reception.off_share of all spans such; null where no hour tells",
        null=True,
    ),
    column("judged_h", pa.int64(), "hours within it in which enough others were there, on the direct way", unit="h"),
    column("others_heard_h", pa.int64(), "ship-hours of others then and there in which they were heard", unit="h"),
    column("others_missed_h", pa.int64(), "ship-hours of others then and there in which they were not", unit="h"),
    column(
        "passes", pa.int64(), "passes of satellites in it that heard reception.pass_vessels others there", null=True
    ),
    column("passes_beside", pa.int64(), "such passes in the ten hours before it and after it", null=True),
    column("passes_heard", pa.int64(), "those of passes_beside in which the vessel was heard by satellite", null=True),
    column("own_share", pa.float64(), "share of hours in which the vessel is heard where others are", null=True),
    column(
        "silent_together",
        pa.int64(),
        "gaps of others near it that began and ended with it: one cause, so that none of them is silenced",
    ),
    column(
        "began_together",
        pa.int64(),
        "gaps of others near it that began with it, whenever they ended up to reception.together_after_h after it: of "
        "reception.together_least and more a receiver is the likelier cause, so that it is not silenced",
    ),
    column("ended_together", pa.int64(), "gaps of others near it that ended with it; the same holds of them"),
    column(
        "in_outage_min",
        pa.float64(),
        "how much of it lies in outages of all receivers, of its kind, and of the stations and regions of its two "
        "ends, that were known when it was judged; where no more than its threshold is left, it is not silenced",
        unit="min",
    ),
    column("gaps_before", pa.int64(), "gaps of the same number that ended in the seven days before it"),
    column("since_gap_h", pa.float64(), "from the end of the last of them to its start", unit="h", null=True),
    column(
        "since_gap_km",
        pa.float64(),
        "from where that one ended to where it starts: little in many hours is gap, loiter, gap",
        unit="km",
        null=True,
    ),
)
_SHORE = (
    column("distance_to_shore_km", pa.float64(), "distance to the nearest shore, 0 on land", unit="km", null=True),
    column(
        "distance_to_shore_error_km",
        pa.float64(),
        "how far distance_to_shore_km may be off: the coast's own error",
        unit="km",
        null=True,
    ),
)
PORT_CALLS = table(
    "Calls at ports: those that were heard, and those at DPRK and trade ports that a silence would have left time for.",
    *(GAPS.field(name) for name in ("mmsi", "track_start")),
    column(
        "shown",
        pa.string(),
        "lit: heard from arrival to departure; partly_dark: it begins or ends in, or spans, a silence of any cause; "
        "dark_possible: nothing was heard, and the vessel could have been there",
    ),
    column("port", pa.string(), "port id, see geo/reference/ports.py"),
    column("trade", pa.bool_(), "a port of the DPRK, or one known as part of its trade"),
    column(
        "part",
        pa.string(),
        "berth (in a harbour for some of it), anchorage, near (a port known by its point alone); "
        "null of a dark_possible one",
        null=True,
    ),
    column("arrival", UTC, "it lay still from then on; of a dark_possible one the earliest that it can have arrived"),
    column("departure", UTC, "it lay still until then; of a dark_possible one the latest that it can have left"),
    column("start_censored", pa.bool_(), "the data, not the vessel, began it"),
    column("end_censored", pa.bool_(), "the data, not the vessel, ended it"),
    column("silent_h", pa.float64(), "time within it that lies in silences", unit="h"),
    column("lon", pa.float64(), "mean place of the stay, else the port's point", unit="deg"),
    column("lat", pa.float64(), "mean place of the stay, else the port's point", unit="deg"),
    column("distance_to_port_km", pa.float64(), "from the point of the port", unit="km"),
    *_SHORE,
    *(
        column(f"{name}_{when}", kind, f"{what} that it had entered last {until}", unit=unit, null=True)
        for when, until in (("before", "by the arrival"), ("after", "by entered_after_h after the departure"))
        for name, kind, what, unit in (
            ("draught_m", pa.float32(), "draught", "m"),
            ("destination", pa.string(), "destination", ""),
        )
    ),
    *(
        column(
            f"{name}_{when}_h",
            pa.float64(),
            f"when {name}_{when} was entered, hours before the {at}: below 0 after it, and known to a UTC day",
            unit="h",
            null=True,
        )
        for when, at in (("before", "arrival"), ("after", "departure"))
        for name in ("draught_m", "destination")
    ),
    column("gap_start", UTC, "of a dark_possible one: last fix before the silence", null=True),
    column("gap_end", UTC, "of a dark_possible one: first fix after the silence", null=True),
    column(
        "judgement",
        pa.string(),
        "of a dark_possible one: what the gap was judged to be; where that is not silenced, the call is no indication",
        null=True,
    ),
    column("may_score", pa.bool_(), "a silence that was judged silenced; no score may take any other"),
    column("way_km", pa.float64(), "shortest way by sea there and back, no way is shorter", unit="km", null=True),
    column("spare_h", pa.float64(), "time left there at dark_speed_kn", unit="h", null=True),
    column(
        "rank",
        pa.int16(),
        "of the ports that one silence leaves time for, 1 where most is left; ports within 10 km share a place",
        null=True,
    ),
)
LOITERING = table(
    "Tracks that were slow or drifting for hours, away from berths and quays, and outside anchorages unless in a "
    "reported area. One that goes on over a mark of cut_d is told in parts.",
    *(GAPS.field(name) for name in ("mmsi", "track_start")),
    column("start_time", UTC, "slow from then on"),
    column("end_time", UTC, "slow until then"),
    column("duration_h", pa.float64(), "length", unit="h"),
    column("start_censored", pa.bool_(), "the data, not the vessel, began it"),
    column("end_censored", pa.bool_(), "the data, not the vessel, ended it"),
    column("lon", pa.float64(), "mean place", unit="deg"),
    column("lat", pa.float64(), "mean place", unit="deg"),
    column("drift_km", pa.float64(), "from the first place to the last", unit="km"),
    column("mean_speed_kn", pa.float64(), "mean speed", unit="kn"),
    column("zones", pa.list_(pa.string()), "zones that hold the mean place, most specific first"),
    column("port", pa.string(), "nearest port, id"),
    column("distance_to_port_km", pa.float64(), "distance to its point", unit="km"),
    *_SHORE,
)
COVERAGE = table(
    "What was received where and when, by cell and hour.",
    *(RECEPTIONS.field(name) for name in RECEPTIONS.names),
)
OUTAGES = table(
    "Spans in which nobody at all was heard, though the traffic before and after makes that no accident. They only "
    "excuse silences.",
    column(
        "receiver",
        pa.string(),
        "all: no receiver heard anybody; terrestrial, satellite, unknown: the kind that heard nobody; station: one "
        "station heard nobody; region: nobody was heard in one region, by whomever",
    ),
    column(
        "name",
        pa.string(),
        "of a station its name; of a region, a degree wide and high, its south-west corner, such as N38E124; else null",
        null=True,
    ),
    column("lon", pa.float64(), "middle of the region", unit="deg", null=True),
    column("lat", pa.float64(), "middle of the region", unit="deg", null=True),
    column("start_time", UTC, "last fix before, whole seconds"),
    column("end_time", UTC, "first fix after, whole seconds"),
    column("minutes", pa.float64(), "length", unit="min"),
    column("vessels_before", pa.int64(), "vessels heard in each half hour of outage_beside_h before, at least"),
    column("vessels_after", pa.int64(), "vessels heard in each half hour of outage_beside_h after, at least"),
)
PORT_PAIR_COUNTS = table(
    "Pairs of vessels that lay still within the encounter distance at berth, where that is no part of the DPRK trade.",
    column("port", pa.string(), "port id, see geo/reference/ports.py; by a shore the nearest port of the world"),
    column(
        "part", pa.string(), "harbour or anchorage, as they are drawn; shore: no further from it than the coast's error"
    ),
    column("hour", UTC, "start of the hour"),
    column("pairs", pa.int64(), "distinct pairs of tracks"),
)
VESSELS = table(
    "What each MMSI said of itself last, and how often it was heard.",
    column("mmsi", pa.int32(), "the number the vessel claims"),
    column("flag", pa.string(), "state that the first digits stand for, ISO 3166 alpha-2", null=True),
    column("first_seen", UTC, "first valid fix", null=True),
    column("last_seen", UTC, "last valid fix", null=True),
    *(
        column(f"{when}_{axis}", pa.float64(), f"where the {when} valid fix was", unit="deg", null=True)
        for when in ("first", "last")
        for axis in ("lon", "lat")
    ),
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
IDENTITY_VALUES = table(
    "What each MMSI reported of its identity: every value with when it was reported first and last.",
    column("mmsi", pa.int32(), "the number the vessel claims"),
    column("field", pa.string(), "imo, name, call_sign, ship_type, length_m or beam_m"),
    column("value", pa.string(), "as reported, untrusted text; numbers in digits, lengths in metres"),
    column("first_seen", UTC, "first report of it"),
    column("last_seen", UTC, "last report of it; of one still in use the first report of its last UTC day"),
)
IDENTITY_EVENTS = table(
    "What does not fit one hull under one number: changes, shared numbers, jumps, swaps. No row accuses anybody.",
    column("mmsi", pa.int32(), "the number the vessel claims; of two the smaller"),
    column(
        "kind",
        pa.string(),
        "identity_change; shared_identity (two tracks alive at once); position_jump (a hop that no ship can make); "
        "handshake (two numbers change places); imo_conflict (one IMO number under two MMSI); imo_invalid (its check "
        "digit is wrong); imo_look_alike (one digit differs by five, which the check digit cannot see)",
    ),
    column("field", pa.string(), "which field of static data, see identity_values", null=True),
    column("old_value", pa.string(), "value before, untrusted text; of two numbers that of `mmsi`", null=True),
    column("new_value", pa.string(), "value after, untrusted text; of two numbers that of `other_mmsi`", null=True),
    column("other_mmsi", pa.int32(), "the other number, where two have part in it", null=True),
    column("first_time", UTC, "when it was seen first"),
    column("last_time", UTC, "when it was seen last"),
    column("times", pa.int64(), "how often it was seen"),
    column("lon", pa.float64(), "where, the first time; no statement of guilt nor of truth", unit="deg", null=True),
    column("lat", pa.float64(), "where, the first time", unit="deg", null=True),
    column("distance_km", pa.float64(), "how far apart the two places were at most", unit="km", null=True),
)
STORED_IDENTITY_EVENTS = table(
    meaning_of(IDENTITY_EVENTS),
    *(IDENTITY_EVENTS.field(name) for name in IDENTITY_EVENTS.names),
    column("old_first_seen", UTC, "first report of the value before", null=True),
    column("old_last_seen", UTC, "last report of the value before", null=True),
    column("new_first_seen", UTC, "first report of the value after", null=True),
    column("new_last_seen", UTC, "last report of the value after, see identity_values", null=True),
    column("candidate", pa.bool_(), "chance or an error of entry explains it as well: shown, never scored"),
    column(
        "chance_hits",
        pa.float64(),
        "imo_look_alike: how many such pairs chance alone would give among the numbers of these data",
        null=True,
    ),
    column("same_size", pa.bool_(), "imo_look_alike: some length of both agrees within 5 m; null: unknown", null=True),
)
TRACK_CHECK_ROWS = table(
    "Parts of tracks that no ship sails so, or whose positions may be false, each with its evidence. No row accuses.",
    column("mmsi", pa.int32(), "the number the vessel claims"),
    column("track_start", UTC, "first fix of the track; with the MMSI it names the track"),
    column("check_name", pa.string(), "which check, see docs/identity.md"),
    column("start_time", UTC, "first fix of the part"),
    column("end_time", UTC, "last fix of the part"),
    column("lon", pa.float64(), "longitude as claimed, at its start", unit="deg"),
    column("lat", pa.float64(), "latitude as claimed, at its start", unit="deg"),
    column("measured", pa.float64(), "what the check measured, in the unit that docs/identity.md gives"),
    column("threshold", pa.float64(), "the value from or up to which it counts, in the same unit"),
    column("samples", pa.int64(), "on how many places it rests"),
    column("other_mmsi", pa.int32(), "copied_track: whose track it repeats, its own number among them", null=True),
    column("other_start", UTC, "copied_track: when that was first sailed", null=True),
    column("vessels", pa.int64(), "displacement: how many vessels went there at once", null=True),
)
STORED_TRACK_CHECKS = table(
    meaning_of(TRACK_CHECK_ROWS),
    *(TRACK_CHECK_ROWS.field(name) for name in TRACK_CHECK_ROWS.names),
    column(
        "interference",
        pa.bool_(),
        "the vessel was displaced together with many others in it: interference explains it, nobody is accused",
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
        "how much of it lies in outages, of all receivers, of its kind, and of the stations and regions of its two "
        "ends; 0 where none is known",
        unit="min",
    ),
)
PLACED = pa.schema([pa.field("row", pa.int64(), False), *map(STORED_ENCOUNTERS.field, AREA_COLUMNS)])
