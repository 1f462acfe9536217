"""What became of leads, from what is committed: for those who are told of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb

# A revision that is a lead is told, and one that is none where the one before was; a lead that was withdrawn is told
# once more, under its own revision. One that says the same as the one before, times to the minute, is not: what stands
# so far is made of a fix a minute, and differs by less from what is sealed.
_SAME = """
    kind = lag(kind) OVER w AND zones IS NOT DISTINCT FROM lag(zones) OVER w
    AND abs(score - lag(score) OVER w) < 0.05
    AND abs(epoch_us(start_time) - epoch_us(lag(start_time) OVER w)) < 60_000_000
    AND abs(epoch_us(end_time) - epoch_us(lag(end_time) OVER w)) < 60_000_000
"""
_CHANGES = f"""
    WITH touched AS (SELECT DISTINCT id FROM encounters WHERE _commit > $since AND end_time >= $oldest),
    revisions AS (
        SELECT *, _lead AND (status = 'retracted' OR superseded_by IS NOT NULL) AS withdrawn
        FROM encounters WHERE id IN (FROM touched)),
    numbered AS (
        SELECT *, coalesce(lag(_lead AND NOT withdrawn) OVER w, false) AS was_lead,
            coalesce(lag(_running) OVER w, false) AS was_running, coalesce({_SAME}, false) AS same
        FROM revisions WINDOW w AS (PARTITION BY id ORDER BY revision)),
    changes AS (
        SELECT *, CASE WHEN NOT _lead THEN 'retracted' WHEN NOT was_lead THEN 'opened'
            WHEN was_running AND NOT _running THEN 'closed' ELSE 'changed' END AS change
        FROM numbered WHERE _lead OR was_lead
        UNION ALL SELECT *, 'retracted' AS change FROM numbered WHERE withdrawn)
    SELECT id, revision, change, kind, zones, score, start_time, end_time, mmsi_a, mmsi_b
    FROM changes WHERE _commit > $since AND NOT (change = 'changed' AND same)
    ORDER BY _commit, id, revision, change = 'retracted'
"""
_NAMES = """
    SELECT mmsi, max({'time': name_time, 'value': name}).value AS name FROM part_vessels
    WHERE name_time IS NOT NULL AND mmsi IN (SELECT unnest($mmsi::INTEGER[])) GROUP BY mmsi
"""


def lead_changes(work: duckdb.DuckDBPyConnection, since: int, oldest: datetime) -> list[dict[str, Any]]:
    """What became of leads after a commit, of those that lasted at least until `oldest`; in order of the commits.

    A row each: id, revision, change (opened, changed, closed, retracted), kind, zones, score, start_time, end_time,
    mmsi_a, mmsi_b, name_a, name_b. The same rows come again for the same commits: nothing is noted as told.
    """
    rows = work.sql(_CHANGES, params={"since": since, "oldest": oldest}).to_arrow_table().to_pylist()
    names = _names(work, sorted({row[f"mmsi_{v}"] for row in rows for v in "ab"})) if rows else {}
    return [row | {f"name_{v}": names.get(row[f"mmsi_{v}"]) for v in "ab"} for row in rows]


def _names(work: duckdb.DuckDBPyConnection, mmsi: Sequence[int]) -> dict[int, str]:
    return dict(work.execute(_NAMES, {"mmsi": list(mmsi)}).fetchall())
