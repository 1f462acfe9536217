"""What became of leads, from what is committed: for those who are told of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo.reference import zones
from stswatch.pipeline import faults, schema
from stswatch.pipeline.store import ddl, loader, revisions, snapshots
from stswatch.pipeline.store.database import AFRESH, WORK, open_work, sound
from stswatch.pipeline.store.files import check_spare_files
from stswatch.pipeline.store.loader import LIVE, Beside, Output, Run

# A revision that is a lead is told, and one that is none where the one before was; a lead that was withdrawn is told
# once more, under its own revision. One that says the same as the one before, times to the minute, is not: what stands
# so far is made of a fix a minute, and differs by less from what is finalized.
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


# ----------------------------------------------------------------------------------------------------------------
# The store of a watch: held open as long as that lasts, told of each finalized hour and of what stands between them


class Live:
    """The working database of a data folder, for one run of a watch."""

    def __init__(self, data: Path, run: Run, beside: Beside | None = None, decided_us: int = revisions.EVER_US) -> None:
        """beside, decided_us: what was given with the last final hour. Raises StoreError where another process holds
        it or it cannot be used, AreaError for an unknown area;
        OSError, as the others do, where too many files are open."""
        self._data, self._run = data, run
        self._shown = zones.area(run.area)
        self._judge = loader.judge(self._shown, run.rules)
        self._beside = beside or Beside(schema.SOURCES.empty_table(), schema.REJECT_COUNTS.empty_table(), {})
        check_spare_files()
        self._decided_us = decided_us
        self._work = open_work(data)

    def close(self) -> None:
        """Let go of it."""
        self._work.close()

    def finalize(
        self,
        outputs: Sequence[Output],
        beside: Beside,
        live: pa.Table | None,
        now: datetime,
        decided_us: int = revisions.EVER_US,
    ) -> int:
        """Take what the slices of the finalized hours say and what stands beyond them; gives the number of the commit.

        See loader.load for what is given, `stand` for live, revisions.revise for decided_us, which holds until the next
        finalize. All of it or, where it raises, nothing.
        """
        check_spare_files()
        number = loader.commit(self._work, self._data, self._run, self._shown, outputs, live, now, decided_us)
        self._beside, self._decided_us = beside, decided_us
        return number

    def stand(self, live: pa.Table, vessels: pa.Table) -> int:
        """Take what stands so far in place of what stood before; gives the number of the commit.

        live: schema.ENCOUNTERS and revisions.RUNNING. vessels: what is known of vessels since the last finalized hour,
        schema.VESSELS; only those of live events are taken. All of it or, where it raises, nothing.
        """
        check_spare_files()
        self._work.begin()
        try:
            with sound(self._data / WORK, AFRESH):
                number = revisions.revise(self._work, self._run.run_id, self._judge, live, False, self._decided_us)
                self._take_vessels(live, vessels)
                loader.note_begun(self._work, self._run)
                self._work.commit()
        except BaseException:
            loader.undo(self._work)
            raise
        faults.reach("peek_committed")
        return number

    def _take_vessels(self, live: pa.Table, vessels: pa.Table) -> None:
        met = pa.chunked_array([*live["mmsi_a"].chunks, *live["mmsi_b"].chunks], pa.int32())
        rows = vessels.filter(pc.is_in(vessels["mmsi"], value_set=met.combine_chunks()))
        # fixes are counted when they are finalized, all of them
        at = rows.column_names.index("fixes")
        rows = rows.set_column(at, schema.VESSELS.field(at), pa.array(np.zeros(rows.num_rows, np.int64)))
        self._work.register("given_vessels", rows)
        self._work.execute("DELETE FROM part_vessels WHERE _output = ?", [LIVE])
        names = ddl.columns(schema.VESSELS.names)
        self._work.execute(f"INSERT INTO part_vessels SELECT {LIVE}, {names} FROM given_vessels")

    def publish(self, now: datetime) -> Path:
        """Publish what is committed, and remove the snapshots that nobody needs any more. Raises StoreError.

        The lake is cleared by whoever writes into it.
        """
        check_spare_files()
        path = loader.show(self._work, self._data, self._run, self._shown, self._beside)
        snapshots.clear_snapshots(self._data, now)
        return path

    def lead_changes(self, since: int, oldest: datetime) -> list[dict[str, Any]]:
        """See leads.lead_changes."""
        return lead_changes(self._work, since, oldest)

    def changed(self, commit: int) -> dict[str, int]:
        """How many finalized events a commit brought anew, how many it revised, and how many it withdrew."""
        query = """SELECT count(*) FILTER (WHERE status = 'current' AND revision = 1),
                       count(*) FILTER (WHERE status = 'current' AND revision > 1),
                       count(*) FILTER (WHERE status = 'retracted')
                   FROM encounters WHERE _commit = ?"""
        found = self._work.execute(query, [commit]).fetchall()[0]
        return dict(zip(("new", "revised", "retracted"), found, strict=True))

    def standing(self) -> tuple[int, int]:
        """How many provisional events still run, and how many are leads."""
        query = f"""SELECT count(*) FILTER (WHERE {revisions.RUNNING.name}), count(*) FILTER (WHERE _lead)
                    FROM encounters WHERE status = 'provisional'"""
        running, flagged = self._work.execute(query).fetchall()[0]
        return running, flagged
