"""The one loader: from the files of committed slices to a published snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from stswatch.geo import zones
from stswatch.pipeline import faults, schema
from stswatch.pipeline.batch import Bools
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.schema import Registry
from stswatch.pipeline.store import ddl, parts, publish, revisions
from stswatch.pipeline.store.database import AFRESH, WORK, open_work, sound
from stswatch.pipeline.store.parts import Output
from stswatch.pipeline.store.views import LeftOut
from stswatch.pipeline.untrusted import storable

__all__ = ["Output", "Run", "load"]


@dataclass(frozen=True)
class Run:
    """What is told of one run of the program; `data_start` and `data_end` are None where it used no fix.

    `rules` name the cut-off of leads, their own or the one of the scorecard.
    """

    run_id: str
    started: datetime
    code_version: str
    rules: Rules
    model_id: str
    area: str
    data_start: datetime | None
    data_end: datetime | None


@dataclass(frozen=True)
class Beside:
    """What is published beside the events: tables `sources` and `reject_counts`, lake table -> paths in the folder.

    left_out: source -> spans of which its rows are marked `clock`, see flow/plausible.py.
    """

    sources: pa.Table
    reject_counts: pa.Table
    lake_files: Mapping[str, list[str]]
    left_out: LeftOut = field(default_factory=dict)


def load(
    data: Path,
    run: Run,
    outputs: Sequence[Output],
    beside: Beside,
    finished: datetime,
    tables: Registry = schema.TABLES,
) -> Path:
    """Load what is new, drop what was replaced, publish; returns the path of the published snapshot.

    `outputs` are all slices that now hold; tables: what the flow writes and what is published. Loading the same twice
    gives the same snapshot twice. Raises StoreError where the folder or a file cannot be used, AreaError for an area
    that is not known; then the former publication stays.
    """
    shown = zones.area(run.area)
    with closing(open_work(data, tables)) as work:
        commit(work, data, run, shown, outputs, None, finished, tables=tables)
        with sound(data / WORK, AFRESH):
            return show(work, data, run, shown, beside, tables)


def commit(
    work: duckdb.DuckDBPyConnection,
    data: Path,
    run: Run,
    shown: zones.Area,
    outputs: Sequence[Output],
    live: pa.Table | None,
    finished: datetime,
    decided_us: int = revisions.EVER_US,
    tables: Registry = schema.TABLES,
) -> int:
    """Take what the slices say, and what stands beyond them, into the working database; gives the number of the commit.

    live, decided_us: see revisions.revise. All of it or, where it raises, nothing.
    """
    work.begin()
    try:
        with sound(data / WORK, AFRESH):
            parts.synchronise(work, data, outputs, tables)
            number = revisions.revise(work, run.run_id, judge(shown, run.rules), live, True, decided_us)
            _note(work, run, finished)
            faults.reach("load_done")
            work.commit()
    except BaseException:
        undo(work)
        raise
    faults.reach("load_committed")
    return number


def undo(work: duckdb.DuckDBPyConnection) -> None:
    """Roll back what has failed; never raises."""
    with suppress(duckdb.Error):  # a commit that failed is rolled back already
        work.rollback()


def judge(shown: zones.Area, rules: Rules) -> revisions.Judge:
    """What says which events are leads: their score and where they were."""
    least = rules.cut_off

    def is_lead(events: pa.Table) -> Bools:
        lon, lat, score = (events[name].to_numpy() for name in ("lon", "lat", "score"))
        return np.asarray(shown.contains(lon, lat) & (score >= least))

    return is_lead


def show(
    work: duckdb.DuckDBPyConnection,
    data: Path,
    run: Run,
    shown: zones.Area,
    beside: Beside,
    tables: Registry = schema.TABLES,
) -> Path:
    """Publish what the working database holds; returns the path of the snapshot. Raises StoreError."""
    given = {
        "sources": _typed(beside.sources, schema.SOURCES),
        "reject_counts": _typed(beside.reject_counts, schema.REJECT_COUNTS),
        "placed": _placed(work, shown),
    }
    return publish.publish(work, data, given, beside.lake_files, run.rules, beside.left_out, tables)


def _typed(table: pa.Table, fields: pa.Schema) -> pa.Table:
    return table.select(fields.names).cast(fields)


def note_begun(work: duckdb.DuckDBPyConnection, run: Run) -> None:
    """Put the run among the runs, if it is not there: what stands so far names it before anything is sealed."""
    if not work.execute("SELECT count(*) FROM runs WHERE run_id = ?", [run.run_id]).fetchall()[0][0]:
        _note(work, run, None)


def _note(work: duckdb.DuckDBPyConnection, run: Run, finished: datetime | None) -> None:
    row = {
        "run_id": run.run_id,
        "started": run.started,
        "finished": finished,
        "code_version": run.code_version,
        "rules": run.rules.to_json(),
        "rules_fingerprint": run.rules.fingerprint(),
        "model_id": run.model_id,
        "area": storable(run.area),
        "data_start": run.data_start,
        "data_end": run.data_end,
    }
    work.register("this_run", pa.Table.from_pylist([row], schema=schema.RUNS))
    work.execute("DELETE FROM runs WHERE run_id = ?", [run.run_id])
    work.execute(f"INSERT INTO runs SELECT {ddl.columns(schema.RUNS.names)} FROM this_run")


def _placed(work: duckdb.DuckDBPyConnection, shown: zones.Area) -> pa.Table:
    """Row of each stored encounter -> its nearest approach lies in the area, and in which zones of the area's file."""
    places = work.sql("SELECT rowid AS row, lon, lat FROM encounters").to_arrow_table()
    lon, lat = (places[name].to_numpy() for name in ("lon", "lat"))  # null becomes NaN, which lies nowhere
    found = {"row": places["row"], "in_area": shown.contains(lon, lat), "area_zones": shown.zones.of(lon, lat)}
    return pa.table(found, schema=schema.PLACED)
