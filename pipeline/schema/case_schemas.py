"""What people decided, saw and sent: the published tables of the log of decisions, and their views.

Rows of exercises stand in tables of their own, of the same columns, so that no query of a live table meets them.
"""

from __future__ import annotations

import pyarrow as pa

from stswatch.pipeline.schema.lake_tables import UTC, column, table

_TEXTS = pa.list_(pa.string())


def _entries(meaning: str) -> pa.Schema:
    return table(
        meaning,
        column("seq", pa.int64(), "number of the entry in the log, from 1"),
        column("time", UTC, "when it was written"),
        column(
            "kind",
            pa.string(),
            "decision, reading, dissent, inquiry, reply, acknowledged, outcome, correction, observation, "
            "retained, approved or torn",
        ),
        column("author", pa.string(), "who wrote it, by their own word"),
        column("case_id", pa.string(), "the event that it is about", null=True),
        column(
            "revision",
            pa.int32(),
            "revision of the event then; 0 where it had none",
            null=True,
        ),
        column("score", pa.float64(), "score of that revision", null=True),
        column(
            "status", pa.string(), "of a decision: watch, assessed, referred, cleared, dismissed, withdrawn", null=True
        ),
        column("note", pa.string(), "what was said, as written", null=True),
        column("alternatives", _TEXTS, "lawful explanations that were considered"),
        column(
            "party",
            pa.string(),
            "who was asked, answered, acknowledged, reported an outcome or was told of a correction",
            null=True,
        ),
        column("recipients", _TEXTS, "of a referral: to whom; of a case withdrawn or cleared: all who ever had it"),
        column("readers", pa.string(), "of a referral: two, or SINGLE READER where nobody answered in time", null=True),
        column("masked", pa.bool_(), "of a reading: flag, names and numbers were masked", null=True),
        column("outcome", pa.string(), "of an outcome: confirmed, cleared, inconclusive or no action", null=True),
        column("dissents", pa.list_(pa.int64()), "of a referral: entries of those who disagreed, which travel with it"),
        column("exercise", pa.string(), "name of the exercise; null of what is live", null=True),
        column("previous_sha256", pa.string(), "sha256 of the entry before it, zeros of the first"),
        column("sha256", pa.string(), "SHA-256 of the entry without this field, as canonical JSON"),
    )


def _observations(meaning: str) -> pa.Schema:
    return table(
        meaning,
        column("seq", pa.int64(), "number of its entry in the log"),
        column("kind", pa.string(), "sighting, photograph, eo, sar, registry or reply"),
        column("provider", pa.string(), "who made it"),
        column("author", pa.string(), "who entered it"),
        column("entered", UTC, "when it was entered"),
        column("time", UTC, "when it was made", null=True),
        column("time_error_min", pa.float64(), "how far that may be off", unit="min", null=True),
        column("lon", pa.float64(), "where", unit="deg", null=True),
        column("lat", pa.float64(), "where", unit="deg", null=True),
        column("error_km", pa.float64(), "how far that may be off", unit="km", null=True),
        column("licence", pa.string(), "terms under which it may be shown"),
        column("reliability", pa.string(), "of the source: A (reliable) to E, F where it cannot be judged"),
        column("credibility", pa.int32(), "of the information: 1 (confirmed) to 5, 6 where it cannot be judged"),
        column("vessels", pa.int64(), "vessels seen", null=True),
        column("mmsi", pa.list_(pa.int32()), "numbers that it names"),
        column("imo", pa.list_(pa.int32()), "IMO numbers that it names"),
        column("names", _TEXTS, "names that it gives, as written"),
        column("cases", _TEXTS, "cases that it names itself"),
        column("text", pa.string(), "what it says", null=True),
        column("file", pa.string(), "name of the attached file", null=True),
        column("file_sha256", pa.string(), "SHA-256 of that file", null=True),
        column("exercise", pa.string(), "name of the exercise; null of what is live", null=True),
    )


DECISIONS = _entries("Entries of the log of decisions, those of exercises apart. No score depends on them.")
OBSERVATIONS = _observations("What others saw or know: entries of the log. No score depends on them.")
EXERCISE_DECISIONS = _entries("Entries of the log that were made in an exercise, each marked with its name.")
EXERCISE_OBSERVATIONS = _observations("Observations that were entered in an exercise, each marked with its name.")
PORTS_IN_REACH = table(
    "Ports that the vessels of assessed and referred cases can come to first from where they were heard last.",
    column("mmsi", pa.int32(), "the vessel, by the number that it claims"),
    column("last_time", UTC, "when it was heard last, by what the lake holds"),
    column("last_lon", pa.float64(), "where", unit="deg"),
    column("last_lat", pa.float64(), "where", unit="deg"),
    column("port", pa.string(), "port id"),
    column("country", pa.string(), "State of the port, ISO 3166 alpha-2"),
    column("way_km", pa.float64(), "shortest way by sea that is known, none is shorter than way_least_km", unit="km"),
    column("way_least_km", pa.float64(), "no way by sea is shorter", unit="km"),
    column("earliest_arrival", UTC, "at stays.dark_speed_kn over way_least_km; not that it goes there"),
)
