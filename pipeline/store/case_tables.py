"""From the log of decisions to tables and views: entries, observations, where each case stands, and who is waited for.

Law: all of it is a function of the log and of the tables beside it, so that a database that is thrown away comes back.
The views ask the clock for one thing alone: whether a time that was given to somebody is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.rules import CaseRules, hours
from stswatch.pipeline.schema import column
from stswatch.pipeline.store import case_log, ddl
from stswatch.pipeline.store.case_log import LogEntry
from stswatch.pipeline.store.revisions import LIVING

CASES, DOCKET, BESIDE, UNMATCHED = "cases", "docket", "case_observations", "unmatched_detections"
OBSERVATION = "observation"
SINGLE = "SINGLE READER"
STILL_TO_TELL = ("withdrawn", "cleared")  # of a case that was referred: whoever has it must learn of it


def given(data: Path) -> dict[str, pa.Table]:
    """Tables decisions, observations and those of exercises, from the log of a data folder. Raises OSError.

    Of a log that does not fit, what stands before the first line that does not: `stswatch log verify` names it.
    """
    try:
        found = (data / case_log.NAME).stat()
    except FileNotFoundError:
        return tables(())
    return _kept(data, found.st_ino, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=1)
def _kept(data: Path, *state: int) -> dict[str, pa.Table]:
    """Read once for each state of the file: a watch publishes each minute."""
    return tables(case_log.read(data).entries)


def tables(entries: Iterable[LogEntry]) -> dict[str, pa.Table]:
    """Tables by name from entries in their order."""
    live, exercises = list[LogEntry](), list[LogEntry]()
    for entry in entries:
        (live if entry.exercise is None else exercises).append(entry)
    return {
        f"{before}{name}": make(of, schema.STORED[f"{before}{name}"])
        for before, of in (("", live), ("exercise_", exercises))
        for name, make in (("decisions", _decisions), ("observations", _observations))
    }


def _decisions(entries: Sequence[LogEntry], fields: pa.Schema) -> pa.Table:
    bodies = [e.body if e.kind != OBSERVATION else {"note": e.body.get("text")} for e in entries]
    own: dict[str, list[Any]] = {
        "seq": [e.seq for e in entries],
        "time": [e.when for e in entries],
        "kind": [e.kind for e in entries],
        "author": [e.author for e in entries],
        "case_id": [e.case for e in entries],
        "exercise": [e.exercise for e in entries],
        "previous_sha256": [e.previous_sha256 for e in entries],
        "sha256": [e.sha256 for e in entries],
    }
    return _table(own, bodies, fields)


def _observations(entries: Sequence[LogEntry], fields: pa.Schema) -> pa.Table:
    seen = [e for e in entries if e.kind == OBSERVATION]
    times = [e.body.get("time") for e in seen]
    own: dict[str, list[Any]] = {
        "seq": [e.seq for e in seen],
        "author": [e.author for e in seen],
        "entered": [e.when for e in seen],
        "exercise": [e.exercise for e in seen],
        "time": [time and datetime.fromisoformat(time) for time in times],
    }
    return _table(own, [e.body for e in seen], fields)


def _table(own: Mapping[str, list[Any]], bodies: Sequence[Mapping[str, Any]], fields: pa.Schema) -> pa.Table:
    """Column after column: of the entries themselves, else of their bodies; a list that is not there is empty."""
    columns = []
    for field in fields:
        none: Any = [] if pa.types.is_list(field.type) else None
        values = own.get(field.name) or [none if (v := body.get(field.name)) is None else v for body in bodies]
        columns.append(pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=fields)


# ------------------------------------------------------------------------------------------------------------- views


def schemas() -> dict[str, pa.Schema]:
    """View -> its schema."""
    return {CASES: _case_schema(), DOCKET: _docket_schema(), BESIDE: _beside_schema(), UNMATCHED: _unmatched_schema()}


def queries(rules: CaseRules) -> dict[str, str]:
    """View -> the query for all of its rows; each reads tables and the views before it."""
    return {
        CASES: _CASES,
        DOCKET: docket_query(rules),
        BESIDE: _beside_query(rules),
        UNMATCHED: _unmatched_query(rules),
    }


def _case_schema() -> pa.Schema:
    return schema.table(
        "Where each case stands: by the last decision on it, beside what its event is now. Exercises are not in it.",
        column("case_id", pa.string(), "id of the encounter or dark meeting"),
        column("status", pa.string(), "watch, assessed, referred, cleared, dismissed or withdrawn; null: undecided"),
        column("since", schema.UTC, "time of that decision, else of the first entry"),
        column("author", pa.string(), "who took it"),
        column("decided_revision", pa.int32(), "revision of the event that it was taken on; 0 where it had none then"),
        column("decided_score", pa.float64(), "its score then"),
        column("revision", pa.int32(), "revision of the event now; null where there is no such event any more"),
        column("score", pa.float64(), "its score now"),
        column("event_status", pa.string(), "of the event now; null where there is none"),
        column("superseded_by", pa.string(), "the event that took its place"),
        column("changed", pa.bool_(), "the event is another than the one that was decided on"),
        column("readers", pa.string(), "of the last referral: two, or SINGLE READER"),
        column("recipients", pa.list_(pa.string()), "all to whom it was ever referred"),
        column("dissents", pa.int64(), "entries of those who disagreed"),
        column("entries", pa.int64(), "entries about it"),
        column("last_time", schema.UTC, "time of the last entry"),
    )


# a dark meeting is named by what it is made of, so that its next revision may bear another name: the one before it is
# then superseded by that one, as by another event
_EVENTS = """SELECT id, revision, score, status AS event_status, superseded_by FROM encounters
            WHERE id IN (SELECT case_id FROM entries)
            QUALIFY row_number() OVER (PARTITION BY id ORDER BY revision DESC) = 1
        UNION ALL SELECT d.computed_id, d.revision, m.score, CASE WHEN m.id IS NOT NULL THEN 'current'
                WHEN last.status = 'current' THEN 'superseded' ELSE last.status END,
                CASE WHEN m.id IS NULL AND last.status = 'current' THEN last.computed_id END
            FROM (FROM dark WHERE computed_id IN (SELECT case_id FROM entries) QUALIFY row_number() OVER (
                PARTITION BY computed_id ORDER BY status = 'current' DESC, revision DESC) = 1) d
            LEFT JOIN dark_meetings m ON m.id = d.computed_id
            LEFT JOIN (FROM dark QUALIFY row_number() OVER (PARTITION BY id ORDER BY revision DESC) = 1) last
                ON last.id = coalesce(d.superseded_by, d.id)"""
_CASES = f"""WITH entries AS MATERIALIZED (FROM decisions WHERE case_id IS NOT NULL),
        dark AS MATERIALIZED (FROM event_revisions WHERE table_name = 'dark_meetings'),
        events AS ({_EVENTS}),
        last AS (FROM entries WHERE kind = 'decision'
            QUALIFY row_number() OVER (PARTITION BY case_id ORDER BY seq DESC) = 1),
        sent AS (SELECT case_id, list_sort(list_distinct(flatten(list(recipients)))) AS recipients,
                arg_max(readers, seq) AS readers
            FROM entries WHERE kind = 'decision' AND status = 'referred' GROUP BY case_id),
        every AS (SELECT case_id, count(*) AS entries, min(time) AS first_time, max(time) AS last_time,
                count(*) FILTER (WHERE kind = 'dissent') AS dissents FROM entries GROUP BY case_id)
        SELECT case_id, last.status, coalesce(last.time, first_time) AS since, last.author,
            last.revision AS decided_revision, last.score AS decided_score, events.revision, events.score,
            events.event_status, events.superseded_by,
            last.seq IS NOT NULL AND (events.id IS NULL OR events.event_status NOT IN {LIVING}
                OR CASE WHEN last.revision = 0 THEN events.score IS DISTINCT FROM last.score
                    ELSE events.revision <> last.revision END)
                AS changed,
            sent.readers, coalesce(sent.recipients, []) AS recipients, every.dissents, every.entries, last_time
        FROM every LEFT JOIN last USING (case_id) LEFT JOIN sent USING (case_id)
            LEFT JOIN events ON events.id = case_id ORDER BY last_time DESC, case_id"""


def _docket_schema() -> pa.Schema:
    return schema.table(
        "What waits for whom, and why. Nobody can hold a case up: what waits for a second reader has a time from which "
        "it may be referred without one.",
        column("case_id", pa.string(), "id of the encounter or dark meeting"),
        column("waits_for", pa.string(), "first reader, second reader, who may refer, or a party by name"),
        column("what", pa.string(), "read, second reading, refer, decide again, acknowledge, outcome, reply or tell"),
        column("why", pa.string(), "what it waits since"),
        column("since", schema.UTC, "since when"),
        column("due", schema.UTC, "of a second reading: when it may be referred without one"),
        column("status", pa.string(), "of the case; null where nobody has decided"),
        column("score", pa.float64(), "of the event now"),
    )


# of each case that is assessed last: since the first of its assessments in a row, by whom it was last
ASSESSED = """SELECT case_id, min(time) AS since, arg_max(author, seq) AS author FROM decisions d
        WHERE kind = 'decision' AND status = 'assessed' AND seq > coalesce((SELECT max(seq) FROM decisions o
            WHERE o.case_id = d.case_id AND o.kind = 'decision' AND o.status <> 'assessed'), 0) GROUP BY case_id"""
# the first reading of each who read a case: only one that was masked counts
READINGS = """SELECT case_id, nfc_normalize(lower(trim(author))) AS who, min(time) AS time
        FROM decisions WHERE kind = 'reading' GROUP BY ALL HAVING arg_min(masked, seq)"""


def docket_query(rules: CaseRules, now: str = "now()") -> str:
    """The query for all rows of view docket; now: SQL for the time at which it is asked."""
    wait = f"to_microseconds({hours(rules.second_reader_h)})"
    return f"""WITH standing AS MATERIALIZED (FROM cases),
        assessed AS ({ASSESSED}), readings AS ({READINGS}),
        read AS (SELECT a.case_id, min(r.who) AS who FROM assessed a JOIN readings r ON r.case_id = a.case_id
            AND r.who <> nfc_normalize(lower(trim(a.author))) GROUP BY a.case_id),
        open AS (SELECT s.case_id, a.since, a.since + {wait} AS due, r.who, s.status, s.score
            FROM standing s JOIN assessed a USING (case_id) LEFT JOIN read r USING (case_id)
            WHERE s.status = 'assessed' AND NOT s.changed),
        sent AS (SELECT case_id, party, max(time) AS time FROM (SELECT case_id, time, unnest(recipients) AS party
            FROM decisions WHERE kind = 'decision' AND status = 'referred') GROUP BY ALL),
        heard AS (SELECT case_id, kind, party, max(time) AS time FROM decisions WHERE party IS NOT NULL GROUP BY ALL)
        SELECT * FROM (
            SELECT f.id AS case_id, 'first reader' AS waits_for, 'read' AS what, 'a lead that nobody has decided on'
                AS why, f.end_time AS since, NULL::TIMESTAMPTZ AS due, NULL::VARCHAR AS status, f.score
                FROM flagged_encounters f LEFT JOIN standing s ON s.case_id = f.id WHERE s.status IS NULL
            UNION ALL SELECT m.id, 'first reader', 'read', 'a dark meeting, a lead, that nobody has decided on',
                m.end_time, NULL, NULL, m.score
                FROM dark_leads m LEFT JOIN standing s ON s.case_id = m.id WHERE s.status IS NULL
            UNION ALL SELECT case_id, 'first reader', 'decide again', CASE
                    WHEN superseded_by IS NOT NULL THEN concat('it became part of ', superseded_by)
                    WHEN event_status IS NULL OR event_status = 'superseded' THEN 'there is no such event any more'
                    WHEN event_status = 'retracted' THEN 'the event was retracted'
                    ELSE concat('decided on revision ', decided_revision, ', it now has revision ', revision) END,
                last_time, NULL, status, score
                FROM standing s WHERE changed AND status NOT IN ('dismissed', 'withdrawn')
                    AND NOT EXISTS (FROM standing n WHERE n.case_id = s.superseded_by AND n.since >= s.last_time
                        AND n.status IS NOT NULL)
            UNION ALL SELECT case_id, 'second reader', 'second reading',
                'assessed by one reader; read it masked', since, due, status, score
                FROM open WHERE who IS NULL AND {now} < due
            UNION ALL SELECT case_id, 'who may refer', 'refer', CASE WHEN who IS NULL
                    THEN 'no second reader in time: may be referred, as {SINGLE}' ELSE 'assessed and read by two' END,
                since, due, status, score
                FROM open WHERE who IS NOT NULL OR {now} >= due
            UNION ALL SELECT s.case_id, t.party, 'acknowledge', 'referred, not acknowledged', t.time, NULL, s.status,
                s.score FROM standing s JOIN sent t USING (case_id) LEFT JOIN heard h ON h.case_id = s.case_id
                AND h.party = t.party AND h.kind IN ('acknowledged', 'outcome') AND h.time >= t.time
                WHERE s.status = 'referred' AND h.time IS NULL
            UNION ALL SELECT s.case_id, a.party, 'outcome', 'acknowledged, no outcome', a.time, NULL, s.status,
                s.score FROM standing s JOIN heard a ON a.case_id = s.case_id AND a.kind = 'acknowledged'
                ANTI JOIN heard o ON o.case_id = a.case_id AND o.party = a.party AND o.kind = 'outcome'
                WHERE s.status = 'referred'
            UNION ALL SELECT i.case_id, i.party, 'reply', 'was asked', i.time, NULL, s.status, s.score
                FROM heard i JOIN standing s USING (case_id) LEFT JOIN heard r ON r.case_id = i.case_id
                AND r.party = i.party AND r.kind = 'reply' AND r.time >= i.time
                WHERE i.kind = 'inquiry' AND r.time IS NULL
            UNION ALL SELECT s.case_id, t.party, 'tell', concat('has a case that is ', s.status), s.since, NULL,
                s.status, s.score FROM standing s JOIN sent t USING (case_id) LEFT JOIN heard c
                ON c.case_id = s.case_id AND c.party = t.party AND c.kind = 'correction' AND c.time >= s.since
                WHERE s.status IN {STILL_TO_TELL} AND c.time IS NULL)
        ORDER BY score DESC NULLS LAST, since, case_id, what, waits_for"""


def _beside_schema() -> pa.Schema:
    return schema.table(
        "Observations beside cases and leads: those that name the case, and those near it in time and place within the "
        "errors of both. No score changes; a both_dark stays a candidate, and its case says what speaks for it.",
        column("case_id", pa.string(), "id of the encounter or dark meeting"),
        column("event_kind", pa.string(), "lit, one_dark or both_dark"),
        column("seq", pa.int64(), "of the observation"),
        column("kind", pa.string(), "of the observation"),
        column("provider", pa.string(), "who made it"),
        column("reliability", pa.string(), "A to F"),
        column("credibility", pa.int32(), "1 to 6"),
        column("named", pa.bool_(), "it names the case itself"),
        column("apart_km", pa.float64(), "from the place of the event", unit="km"),
        column("apart_min", pa.float64(), "from the time of the event, 0 within it", unit="min"),
        column("vessels", pa.int64(), "vessels seen"),
        column("names_vessel", pa.bool_(), "it names one of the two by MMSI"),
        column(
            "independent_indicator",
            pa.bool_(),
            "of a both_dark: two vessels or more seen there and then by who is usually reliable (A to C) and probably "
            "right (1 to 3); a person judges, the score stays",
        ),
    )


def distance_km(one: str, other: str) -> str:
    """SQL for the great circle between the places of two rows, km."""
    return ddl.haversine_km((f"{one}.lon", f"{one}.lat"), (f"{other}.lon", f"{other}.lat"))


def _beside_query(rules: CaseRules) -> str:
    far = f"(o.error_km + coalesce(sqrt(e.region_km2 / pi()), {rules.beside_km!r}))"
    slack = f"o.time_error_min + {rules.beside_min!r}"
    apart = distance_km("o", "e")
    minutes = (
        """greatest(0, epoch_us(e.start_time) - epoch_us(o.time), epoch_us(o.time) - epoch_us(e.end_time)) / 6e7"""
    )
    return f"""WITH events AS (SELECT id, kind, mmsi_a, mmsi_b, start_time, end_time, lon, lat,
                NULL::DOUBLE AS region_km2 FROM encounters WHERE status IN {LIVING}
            UNION ALL SELECT id, kind, mmsi_a, mmsi_b, start_time, end_time, lon, lat, region_km2 FROM dark_meetings),
        near AS (SELECT e.*, o.seq, o.kind AS seen, o.provider, o.reliability, o.credibility, o.vessels, o.mmsi,
                coalesce(list_contains(o.cases, e.id), false) AS named, {apart} AS apart_km, {minutes} AS apart_min
            FROM observations o JOIN events e ON list_contains(o.cases, e.id)
                OR e.start_time <= o.time + to_microseconds((({slack}) * 60000000)::BIGINT)
                AND e.end_time >= o.time - to_microseconds((({slack}) * 60000000)::BIGINT) AND {apart} <= {far})
        SELECT id AS case_id, kind AS event_kind, seq, seen AS kind, provider, reliability, credibility, named,
            apart_km, apart_min, vessels, list_has_any(mmsi, [mmsi_a, mmsi_b]) AS names_vessel,
            kind = 'both_dark' AND seen IN ('sighting', 'photograph', 'eo', 'sar') AND coalesce(vessels >= 2, false)
                AND reliability <= 'C' AND credibility <= 3 AS independent_indicator
        FROM near ORDER BY case_id, seq"""


def _unmatched_schema() -> pa.Schema:
    return schema.table(
        "Detections, sightings and photographs near which nobody was heard: no AIS position within their errors. It "
        "says that nobody was received there, not why.",
        column("seq", pa.int64(), "of the observation"),
        column("kind", pa.string(), "of the observation"),
        column("provider", pa.string(), "who made it"),
        column("time", schema.UTC, "when"),
        column("lon", pa.float64(), "where", unit="deg"),
        column("lat", pa.float64(), "where", unit="deg"),
        column("error_km", pa.float64(), "how far that may be off", unit="km"),
        column("vessels", pa.int64(), "vessels seen"),
        column("within_km", pa.float64(), "how far off a position would have counted", unit="km"),
        column("within_min", pa.float64(), "how long before or after", unit="min"),
    )


def _unmatched_query(rules: CaseRules) -> str:
    return f"""WITH seen AS (SELECT *, error_km + {rules.beside_km!r} AS within_km,
                time_error_min + {rules.beside_min!r} AS within_min
            FROM observations WHERE kind IN ('sighting', 'photograph', 'eo', 'sar') AND lon IS NOT NULL)
        SELECT seq, kind, provider, time, lon, lat, error_km, vessels, within_km, within_min FROM seen o
        WHERE NOT EXISTS (SELECT 1 FROM fixes f WHERE f.invalid_reason IS NULL
            AND f.time BETWEEN o.time - to_microseconds((o.within_min * 60000000)::BIGINT)
                AND o.time + to_microseconds((o.within_min * 60000000)::BIGINT)
            AND {distance_km("o", "f")} <= o.within_km) ORDER BY seq"""
