"""What the command asks of a published snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.rules import days
from stswatch.pipeline.store import across_vessels, ddl, encounter_context, publish, revisions, snapshots, views
from stswatch.pipeline.store.database import StoreError, check_layout, connect, sound

_LAYOUT = {**schema.STORED, **publish.schemas()}  # what a snapshot of this version has
_SHOWN = 5  # names listed where a beginning fits several
# How well a name fits an event, best first: its id or the id computed of it, of one that holds, then of any; last the
# beginning of an id.
_PART = 4
_BY_NAME = f"""
    SELECT id, min(CASE WHEN id = $name AND status IN {revisions.LIVING} THEN 0
                        WHEN computed_id = $name AND status IN {revisions.LIVING} THEN 1
                        WHEN id = $name THEN 2 WHEN computed_id = $name THEN 3 ELSE {_PART} END) AS fit
    FROM encounters WHERE $name <> '' AND (starts_with(id, $name) OR starts_with(computed_id, $name))
    GROUP BY id ORDER BY fit, id LIMIT $limit
"""


_KEPT: ContextVar[tuple[Path, duckdb.DuckDBPyConnection] | None] = ContextVar("_KEPT", default=None)


@contextmanager
def one_snapshot(data: Path) -> Iterator[None]:
    """Have all that is asked of this folder within answered by one snapshot, over one connection.

    Raises StoreError where the folder holds no database.
    """
    with asked(data) as db:
        before = _KEPT.set((data, db))
        try:
            yield
        finally:
            _KEPT.reset(before)


@contextmanager
def asked(data: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to what was published last.

    Raises StoreError where there is nothing, it is damaged, or another version published it, which lacks something.
    """
    kept = _KEPT.get()
    if kept and kept[0] == data:
        yield kept[1]
        return
    remedy = f"`stswatch run` over any file of {data} publishes it anew"
    with closing(connect(data)) as db, sound(data / snapshots.PUBLISHED, remedy):
        check_layout(db, data, _LAYOUT)
        yield db


def leads(data: Path, limit: int, per_day: int | None = None) -> list[dict[str, Any]]:
    """At most `limit` leads, highest score first, one dict of the columns of flagged_encounters each.

    per_day: at most so many of those that ended on one day (UTC), first those with the highest score at closing, the
    first that was final; what has no such yet stands with the score that it has. So what a day shows does not change
    when scores ripen. Raises StoreError where the folder holds no database.
    """
    # The order of a view does not hold beyond it, so it is said again.
    query = f"""WITH closed AS (
            SELECT id, arg_min(score, revision) AS closing FROM encounters WHERE status <> 'provisional' GROUP BY id)
        SELECT l.* FROM {publish.LEADS} l LEFT JOIN closed USING (id)
        QUALIFY $per_day IS NULL OR $per_day >= row_number() OVER (
            PARTITION BY epoch_us(l.end_time) // {days(1)} ORDER BY coalesce(closing, l.score) DESC, l.start_time, l.id)
        ORDER BY l.score DESC, l.start_time, l.id LIMIT $limit"""
    with asked(data) as db:
        return dicts(db.sql(query, params={"limit": limit, "per_day": per_day}))


def encounter(data: Path, name: str) -> dict[str, Any]:
    """The latest revision of the encounter of that id, or of the only one whose id begins so.

    A computed_id names its event too, where no event has that id; one that is superseded by another gives that other.
    Raises StoreError where none or several fit, or the folder holds no database.
    """
    with asked(data) as db:
        found = db.execute(_BY_NAME, {"name": name, "limit": _SHOWN + 1}).fetchall()
        ids = [row[0] for row in found]
        if not ids:
            raise StoreError(f"{data}: no encounter {name!r}; `stswatch leads --data {data}` lists their ids")
        if len(ids) > 1 and found[0][1] == _PART:
            listed = ", ".join(ids[:_SHOWN]) + (", ..." if len(ids) > _SHOWN else "")
            raise StoreError(f"{data}: {name!r} begins several encounters ({listed}); give more of the id")
        return _succeeding(db, ids[0])


def _succeeding(db: duckdb.DuckDBPyConnection, name: str) -> dict[str, Any]:
    """The latest revision of an event, or of the one that superseded it."""
    seen: set[str] = set()
    while True:
        query = "SELECT * FROM encounters WHERE id = $id ORDER BY revision DESC LIMIT 1"
        row = dicts(db.sql(query, params={"id": name}))[0]
        seen.add(name)
        if row["superseded_by"] is None or row["superseded_by"] in seen:
            return row
        name = row["superseded_by"]


def dark_meetings(data: Path, limit: int, lead: bool) -> list[dict[str, Any]]:
    """At most `limit` dark meetings, leads or all others, best score first, then unknown ones, then impossible ones.

    Raises StoreError where the folder holds no database.
    """
    which = "IN" if lead else "NOT IN"
    query = f"""SELECT * EXCLUDE region FROM dark_meetings WHERE id {which} (SELECT id FROM {views.DARK_LEADS})
        ORDER BY coalesce(NOT over_water, false), score DESC NULLS LAST, start_time, id LIMIT $limit"""
    with asked(data) as db:
        return dicts(db.sql(query, params={"limit": limit}))


def dark_meeting(data: Path, name: str) -> dict[str, Any]:
    """The dark meeting whose id is or begins so, with `revision` and, of a lead, `indicators`; of one whose later
    revision bears another id, that. Raises StoreError where none or several fit, or the folder holds no database.
    """
    query = f"""WITH dark AS (FROM event_revisions WHERE table_name = 'dark_meetings'),
        found AS (SELECT DISTINCT n.computed_id AS id, n.revision FROM dark d JOIN dark n ON n.status = 'current'
            AND n.id = coalesce(d.superseded_by, d.id) WHERE starts_with(d.computed_id, $name)
            QUALIFY rank() OVER (ORDER BY d.computed_id = n.computed_id DESC) = 1)
        SELECT d.* REPLACE (l.id IS NOT NULL AS lead), indicators, revision FROM dark_meetings d JOIN found USING (id)
        LEFT JOIN {views.DARK_LEADS} l USING (id) ORDER BY d.id LIMIT $limit"""
    with asked(data) as db:
        found = dicts(db.sql(query, params={"name": name, "limit": _SHOWN + 1}))
    if not found:
        raise StoreError(f"{data}: no dark meeting {name!r}; `stswatch dark --data {data}` lists their ids")
    if len(found) > 1:
        listed = ", ".join(row["id"] for row in found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
        raise StoreError(f"{data}: {name!r} begins several dark meetings ({listed}); give more of the id")
    return found[0]


def vessels(data: Path, mmsi: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What is known of each MMSI; one that was never heard is left out.

    Raises StoreError where the folder holds no database.
    """
    with asked(data) as db:
        rows = dicts(db.sql("SELECT * FROM vessels WHERE mmsi IN (SELECT unnest($mmsi))", params={"mmsi": list(mmsi)}))
    return {row["mmsi"]: row for row in rows}


def gaps_beside(data: Path, name: str, revision: int) -> list[dict[str, Any]]:
    """The gaps in or beside one revision of an encounter, in order of vessel and time; columns as of view gaps_beside.

    Raises StoreError where the folder holds no database.
    """
    query = f"SELECT * FROM {publish.GAPS_BESIDE} WHERE id = $id AND revision = $revision ORDER BY mmsi, start_time"
    with asked(data) as db:
        return dicts(db.sql(query, params={"id": name, "revision": revision}))


def calls_around(data: Path, row: dict[str, Any], memory: timedelta) -> list[dict[str, Any]]:
    """The calls of both vessels of an encounter about its time: of each the last before, the first after, all within.

    Those further off than memory are left out; of what a silence leaves time for the ports with most (rank 1). In order
    of vessel and time. Raises StoreError where the folder holds no database.
    """
    query = """
        SELECT * FROM port_calls WHERE mmsi IN ($a, $b) AND departure >= $begin - $memory AND arrival <= $end + $memory
            AND (shown <> 'dark_possible' OR rank = 1)
        QUALIFY (arrival <= $end AND departure >= $begin)
            OR row_number() OVER (PARTITION BY mmsi, departure < $begin, shown = 'dark_possible'
                ORDER BY CASE WHEN departure < $begin THEN -epoch_us(departure) ELSE epoch_us(arrival) END, port) = 1
        ORDER BY mmsi, arrival, port"""
    given = {"a": row["mmsi_a"], "b": row["mmsi_b"], "begin": row["start_time"], "end": row["end_time"]}
    with asked(data) as db:
        return dicts(db.sql(query, params=given | {"memory": memory}))


def context(data: Path, name: str, revision: int) -> list[dict[str, Any]]:
    """What lies round one revision of an encounter, a row for each vessel; columns as of view encounter_context.

    Raises StoreError where the folder holds no database.
    """
    query = f"SELECT * FROM {encounter_context.CONTEXT} WHERE id = $id AND revision = $revision ORDER BY mmsi"
    with asked(data) as db:
        return dicts(db.sql(query, params={"id": name, "revision": revision}))


FEWEST = 100  # meetings of a week; of fewer a drift is chance


def drift(data: Path, weeks: int) -> list[dict[str, Any]]:
    """How far the meetings of the last weeks are from those that the scorecard was trained on, a dict a week.

    week: its Monday, UTC; meetings end in it. meetings: how many. drift: `stability` (models/scorecard.py) of the score
    and of each feature by name; None where the card does not say how its training was spread, or where there are fewer
    than FEWEST. Raises StoreError where the folder holds no database.
    """
    from stswatch.models.scorecard import NAMES, chosen

    query = f"""WITH held AS (SELECT date_trunc('week', end_time) AS week, score, reasons FROM encounters
            WHERE status IN {revisions.LIVING}),
        last AS (SELECT DISTINCT week FROM held ORDER BY week DESC LIMIT $weeks)
        SELECT week, r.feature AS feature, list(coalesce(r.value, 'nan'::DOUBLE)) AS value, list(score) AS score
        FROM (SELECT *, unnest(reasons) AS r FROM held SEMI JOIN last USING (week))
        GROUP BY ALL ORDER BY week, feature"""
    with asked(data) as db:
        rows = db.execute(query, {"weeks": weeks}).fetchall()
    by: dict[datetime, tuple[Any, dict[str, Any]]] = {}
    model_id = run_of(data)["model_id"]
    card = next((card for card in map(chosen, NAMES) if card.model_id == model_id), None)
    for week, feature, value, score in rows:
        of = by.setdefault(week, (np.asarray(score, float), {}))
        of[1][feature] = np.asarray(value, float)
    return [
        {
            "week": week,
            "meetings": len(score),
            "drift": card.drift(score, of) if card and len(score) >= FEWEST else None,
        }
        for week, (score, of) in by.items()
    ]


def groups_of(data: Path, name: str) -> list[dict[str, Any]]:
    """The group that an encounter is a member of, where there is one; columns as of view meeting_groups.

    Raises StoreError where the folder holds no database.
    """
    query = f"SELECT * FROM {views.GROUPS} WHERE list_contains(members, $id)"
    with asked(data) as db:
        return dicts(db.sql(query, params={"id": name}))


def chains_of(data: Path, row: dict[str, Any]) -> list[dict[str, Any]]:
    """The chains that an encounter is part of, the shortest first; columns as of view transfer_chains, and two names.

    from_name, to_name: what those two called themselves last. Raises StoreError where the folder holds no database.
    """
    query = f"""SELECT c.*, f.name AS from_name, t.name AS to_name FROM {views.CHAINS} c
        LEFT JOIN vessels f ON f.mmsi = from_mmsi LEFT JOIN vessels t ON t.mmsi = to_mmsi
        WHERE via_mmsi IN ($a, $b) AND $id IN (first_id, second_id) ORDER BY between_d, first_id, second_id"""
    with asked(data) as db:
        return dicts(db.sql(query, params={"id": row["id"], "a": row["mmsi_a"], "b": row["mmsi_b"]}))


def silences(
    data: Path, row: dict[str, Any], span: tuple[datetime, datetime], gaps: Sequence[dict[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """What explains the silences of an encounter, a row of the table, and gaps beside it, in order of time.

    outages: in the span, of all, of kinds, near it, or of stations of the gaps. Raises StoreError as `leads`.
    """
    beside = "abs((lon - $lon + 540) % 360 - 180) <= 1 AND abs(lat - $lat) <= 1"
    failed = f"""SELECT * FROM outages WHERE start_time < $last AND end_time > $first
        AND (name IS NULL OR {beside} OR receiver = 'station' AND list_contains($stations, name))
        ORDER BY start_time, receiver, name"""
    own = f"FROM {across_vessels.MASS_MEMBERS} WHERE list_contains($own, mmsi || ' ' || epoch_us(start_time))"
    mass = f"""SELECT * FROM {across_vessels.MASS_SILENCES}
        WHERE start_time <= $last AND end_time >= $first AND {beside} OR id IN (SELECT id {own})
        ORDER BY start_time, id"""
    place, pair = {"lon": row["lon"], "lat": row["lat"]}, {"pair": [row["mmsi_a"], row["mmsi_b"]]}
    stations = sorted({name for gap in gaps for side in "01" if (name := gap.get(f"station{side}"))})
    of = [f"{gap['mmsi']} {round(gap['start_time'].timestamp() * 1e6)}" for gap in gaps]
    by = {
        "outages": (failed, {"first": span[0], "last": span[1], "stations": stations, **place}),
        "mass_silences": (mass, {"first": row["start_time"], "last": row["end_time"], "own": of, **place}),
        "long_absences": ("FROM long_absences WHERE list_contains($pair, mmsi) ORDER BY start_time, mmsi", pair),
    }
    with asked(data) as db:
        return {name: dicts(db.sql(query, params=given)) for name, (query, given) in by.items()}


def identity(data: Path, mmsi: Sequence[int], span: tuple[datetime, datetime]) -> dict[str, list[dict[str, Any]]]:
    """Rows of `identity_events` and `track_checks` about these MMSI that overlap a span, in order of time.

    Raises StoreError where the folder holds no database.
    """
    given = {"mmsi": list(mmsi), "first": span[0], "last": span[1]}
    who = "list_contains($mmsi, mmsi)"
    events = f"""SELECT * FROM identity_events WHERE ({who} OR list_contains($mmsi, other_mmsi)) AND first_time < $last
        AND last_time > $first ORDER BY first_time, mmsi, kind, field, old_value, new_value, other_mmsi"""
    checks = f"""SELECT * FROM track_checks WHERE {who} AND start_time < $last AND end_time > $first
        ORDER BY start_time, mmsi, check_name"""
    with asked(data) as db:
        return {
            "identity_events": dicts(db.sql(events, params=given)),
            "track_checks": dicts(db.sql(checks, params=given)),
        }


def met(data: Path, mmsi: Sequence[int]) -> dict[str | int, int]:
    """How often two vessels met: `pair`, encounters of the two that hold; by MMSI, how many other vessels each met.

    Raises StoreError where the folder holds no database.
    """
    query = f"""WITH living AS (
            SELECT mmsi_a AS mmsi, mmsi_b AS other, id FROM encounters WHERE status IN {revisions.LIVING}
            UNION ALL SELECT mmsi_b, mmsi_a, id FROM encounters WHERE status IN {revisions.LIVING})
        SELECT mmsi, count(DISTINCT id) FILTER (WHERE other IN (SELECT unnest($mmsi))),
            count(DISTINCT other) FILTER (WHERE other NOT IN (SELECT unnest($mmsi)))
        FROM living WHERE mmsi IN (SELECT unnest($mmsi)) GROUP BY mmsi"""
    with asked(data) as db:
        found = db.execute(query, {"mmsi": list(mmsi)}).fetchall()
    others = {who: others for who, _, others in found}
    return {"pair": max((pair for _, pair, _ in found), default=0)} | {who: others.get(who, 0) for who in mmsi}


def tracks(data: Path, mmsi: Sequence[int], span_us: tuple[int, int]) -> pa.Table:
    """The fixes of these MMSI in a span, both ends included, in no order: the columns of the lake that decide.

    Raises StoreError where the folder holds no database or a file of its lake is gone, CatalogueError where one that
    may hold such fixes is no longer what was written.
    """
    names = ("mmsi", "time", "lon", "lat", "sog_kn", "heading_deg", "receiver", "invalid_reason")
    query = f"""SELECT {", ".join(names)} FROM {_fixes_near(data, span_us)}
                WHERE mmsi IN (SELECT unnest($mmsi)) AND epoch_us(time) BETWEEN $first AND $last"""
    given = {"mmsi": list(mmsi), "first": span_us[0], "last": span_us[1]}
    with asked(data) as db:
        try:
            found = db.sql(query, params=given).to_arrow_table()
        except duckdb.IOException as error:
            raise StoreError(f"{data}: its lake cannot be read ({str(error).splitlines()[0]}); run again") from error
    return found.cast(pa.schema([schema.FIXES.field(name) for name in names]))


def _fixes_near(data: Path, span_us: tuple[int, int]) -> str:
    """What holds the fixes of a span: the files of its slabs, which all have one length; else the view over all."""
    snapshot = snapshots.newest(data)
    manifest = snapshots.read_manifest(snapshot) if snapshot else None
    if manifest is None:
        return "fixes"
    from stswatch.pipeline.store import entries, lake  # with them come readers of Parquet, of which DuckDB has its own

    files: dict[str, list[str]] = {}
    for path in manifest.lake_files.get("fixes", ()):
        files.setdefault(path.rsplit("/", 2)[-2], []).append(path)
    begins = {lake.slab_start_us(slab): paths for slab, paths in files.items()}
    first_us = max((begin for begin in begins if begin <= span_us[0]), default=span_us[0])
    near = [path for begin, paths in begins.items() if first_us <= begin <= span_us[1] for path in paths]
    entries.verify(data, near)
    return f"({ddl.lake_rows(schema.FIXES, near, manifest.left_out)})"


def sources(data: Path) -> list[dict[str, Any]]:
    """The sources by path, each with its rejects by reason, most first.

    Raises StoreError where the folder holds no database.
    """
    with asked(data) as db:
        rows = dicts(db.sql("SELECT * FROM sources ORDER BY path, member"))
        counts = dicts(db.sql("SELECT * FROM reject_counts ORDER BY count DESC, reason"))
    return [row | {"reasons": [c for c in counts if c["source"] == row["source"]]} for row in rows]


def run_of(data: Path, run_id: str | None = None) -> dict[str, Any]:
    """The run of that id, or the newest. Raises StoreError where the folder holds no database or no such run."""
    with asked(data) as db:
        query = "SELECT * FROM runs WHERE run_id = coalesce($id, run_id) ORDER BY started DESC LIMIT 1"
        found = dicts(db.sql(query, params={"id": run_id}))
    if not found:  # a watch publishes before its first hour is finalized
        raise StoreError(
            f"{data}: holds no {f'run {run_id}' if run_id else 'results yet'}; `stswatch status` says more"
        )
    return found[0]


def summary(data: Path) -> dict[str, int]:
    """Rows of each stored table, then of current_encounters and flagged_encounters.

    Raises StoreError where the folder holds no database.
    """
    counted = {name: name for name in schema.STORED if name not in schema.LAKE}
    counted |= {"current_encounters": "encounters WHERE status = 'current'", publish.LEADS: publish.LEADS}
    with asked(data) as db:
        rows = [db.execute(f"SELECT count(*) FROM {source}").fetchall()[0][0] for source in counted.values()]
    return dict(zip(counted, rows, strict=True))


def dicts(relation: Any) -> list[dict[str, Any]]:
    """The rows as DuckDB gives them: Arrow would import pandas for their times, which takes longer than a query."""
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def freshness(data: Path) -> dict[str, Any]:
    """How fresh the answers are: `last_data`, `final_to`, `run` (when it was started) and `sources`, how many.

    last_data: the last position that is used. final_to: what ended before is final. Raises StoreError as `leads`.
    """
    query = """SELECT (SELECT max(last_seen) FROM vessels) AS last_data,
            (SELECT max(data_end) FROM runs WHERE finished IS NOT NULL) AS final_to,
            (SELECT max(started) FROM runs) AS run, (SELECT count(*) FROM sources) AS sources"""
    with asked(data) as db:
        return dicts(db.sql(query))[0]
