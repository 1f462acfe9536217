"""The store of a watch: held open as long as that lasts, told of each sealed hour and of what stands between them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo import zones
from stswatch.pipeline import faults, schema
from stswatch.pipeline.store import clearing, ddl, leads, loader, revisions
from stswatch.pipeline.store.database import AFRESH, WORK, open_work, sound
from stswatch.pipeline.store.disk import check_spare_files
from stswatch.pipeline.store.loader import Beside, Output, Run
from stswatch.pipeline.store.parts import LIVE


class Live:
    """The working database of a data folder, for one run of a watch."""

    def __init__(self, data: Path, run: Run, beside: Beside | None = None, decided_us: int = revisions.EVER_US) -> None:
        """beside, decided_us: what was given with the last sealed hour. Raises StoreError where another process holds
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

    def seal(
        self,
        outputs: Sequence[Output],
        beside: Beside,
        live: pa.Table | None,
        now: datetime,
        decided_us: int = revisions.EVER_US,
    ) -> int:
        """Take what the slices of the sealed hours say and what stands beyond them; gives the number of the commit.

        See loader.load for what is given, `stand` for live, revisions.revise for decided_us, which holds until the next
        seal. All of it or, where it raises, nothing.
        """
        check_spare_files()
        number = loader.commit(self._work, self._data, self._run, self._shown, outputs, live, now, decided_us)
        self._beside, self._decided_us = beside, decided_us
        return number

    def stand(self, live: pa.Table, vessels: pa.Table) -> int:
        """Take what stands so far in place of what stood before; gives the number of the commit.

        live: schema.ENCOUNTERS and revisions.RUNNING. vessels: what is known of vessels since the last sealed hour,
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
        # fixes are counted when they are sealed, all of them
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
        clearing.clear_snapshots(self._data, now)
        return path

    def lead_changes(self, since: int, oldest: datetime) -> list[dict[str, Any]]:
        """See leads.lead_changes."""
        return leads.lead_changes(self._work, since, oldest)

    def changed(self, commit: int) -> dict[str, int]:
        """How many sealed events a commit brought anew, how many it revised, and how many it withdrew."""
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
