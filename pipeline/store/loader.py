"""The one loader: from the files of committed slices to a published snapshot, once for a run or all along a watch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo.reference import zones
from stswatch.models.scorecard import Scorecard
from stswatch.pipeline import faults, schema
from stswatch.pipeline.batch import Bools
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.schema import Registry
from stswatch.pipeline.store import (
    across_vessels,
    case_referrals,
    case_tables,
    ddl,
    publish,
    revisions,
    snapshots,
    touched,
)
from stswatch.pipeline.store.database import AFRESH, WORK, StoreError, connect, open_work, sound
from stswatch.pipeline.store.ddl import LeftOut
from stswatch.pipeline.store.encounter_context import rescoring
from stswatch.pipeline.store.event_revisions import Moved, event_span, revise_events
from stswatch.pipeline.store.files import check_spare_files, verify
from stswatch.pipeline.store.revisions import final_encounters, lead_changes
from stswatch.pipeline.untrusted import storable

# ------------------------------ what each committed slice contributed, and which of that is in the working database

LIVE = 0  # the number of what stands so far, beside those of outputs


@dataclass(frozen=True)
class Output:
    """The files of one committed slice: its content address; stored table -> paths within the data folder.

    checksums: path -> CRC-32 of the file, which is verified when it is loaded.
    """

    key: str
    files: Mapping[str, list[str]]
    checksums: Mapping[str, int] = field(default_factory=dict)


def synchronise(
    work: duckdb.DuckDBPyConnection, data: Path, outputs: Sequence[Output], tables: Registry = schema.TABLES
) -> Moved:
    """Take in the outputs that the ledger lacks, and drop what came from outputs that are no longer given.

    Runs inside the caller's transaction. Raises StoreError for repeated keys, unknown tables and files that
    cannot be read, DamagedFile for one that no longer is what was written.
    """
    given = {output.key: output for output in outputs}
    if len(given) < len(outputs):
        raise StoreError(
            f"{data}: {len(outputs) - len(given)} outputs have the key of another; each key must be unique"
        )
    known = dict(work.execute("SELECT key, number FROM outputs").fetchall())
    gone = [number for key, number in known.items() if key not in given]
    first = 1 + max(known.values(), default=0)
    touched.begin(work, tables, gone, len(given.keys() - known), first)
    dropped = event_span(work, tables, gone)
    _drop(work, tables, [LIVE, *gone])
    new = {first + i: output for i, output in enumerate(o for key, o in given.items() if key not in known)}
    _add(work, data, new, tables)
    last = event_span(work, tables, new)
    return Moved(len(gone), len(new), min(dropped[0], last[0]), max(dropped[1], last[1]))


def _drop(work: duckdb.DuckDBPyConnection, tables: Registry, numbers: list[int]) -> None:
    for name in tables.parts:
        work.execute(f"DELETE FROM part_{name} WHERE _output IN (SELECT unnest(?::INTEGER[]))", [numbers])
    work.execute("DELETE FROM outputs WHERE number IN (SELECT unnest(?::INTEGER[]))", [numbers])


def _add(work: duckdb.DuckDBPyConnection, data: Path, new: Mapping[int, Output], tables: Registry) -> None:
    if not new:
        return
    ledger = pa.table({"number": pa.array(list(new), pa.int32()), "key": [output.key for output in new.values()]})
    work.register("new_outputs", ledger)
    work.execute("INSERT INTO outputs SELECT number, key FROM new_outputs")
    unknown = {name for output in new.values() for name in output.files} - set(tables.parts)
    if unknown:
        raise StoreError(f"no table {sorted(unknown)} in the store; outputs may hold {sorted(tables.parts)}")
    for output in new.values():
        verify(data, output.checksums.items())
    for name, fields in tables.parts.items():
        files = {str(data.resolve() / path): n for n, output in new.items() for path in output.files.get(name, ())}
        if files:
            _read(work, name, fields, files)


def _read(work: duckdb.DuckDBPyConnection, name: str, fields: pa.Schema, files: Mapping[str, int]) -> None:
    names = ddl.columns(fields.names)
    owners = pa.table({"path": list(files), "number": pa.array(list(files.values()), pa.int32())})
    work.register("owners", owners)
    source = "read_parquet($files, filename = '_file', hive_partitioning = false)"
    try:
        work.execute(
            f"INSERT INTO part_{name} SELECT number, {names} FROM {source} JOIN owners ON path = _file",
            {"files": list(files)},
        )
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.BinderException) as error:
        first_line = str(error).splitlines()[0]
        raise StoreError(f"a file of {name} cannot be read ({first_line}); run again to write it anew") from error


# --------------------------------------------------------------------------------------------------------- one load

__all__ = ["Output", "RunRecord", "load"]


@dataclass(frozen=True)
class RunRecord:
    """What is told of one run of the program; `data_start` and `data_end` are None where it used no fix.

    `rules` name the cut-off of leads, their own or the one of the scorecard. `card` gives points for what lies
    round each event, which are added to its score when it is loaded; None for no points.
    """

    run_id: str
    started: datetime
    code_version: str
    rules: Rules
    model_id: str
    area: str
    data_start: datetime | None
    data_end: datetime | None
    card: Scorecard | None = None


@dataclass(frozen=True)
class Beside:
    """What is published beside the events: tables `sources` and `reject_counts`, lake table -> paths in the folder.

    left_out: source -> spans of which its rows are marked `clock`, see flow/run.py.
    """

    sources: pa.Table
    reject_counts: pa.Table
    lake_files: Mapping[str, list[str]]
    left_out: LeftOut = field(default_factory=dict)


def load(
    data: Path,
    run: RunRecord,
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
    run: RunRecord,
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
            moved = synchronise(work, data, outputs, tables)
            rescore = rescoring(run.card, run.rules.context, True, tables) or touched.forget
            number = revisions.revise(work, run.run_id, judge(shown, run.rules), live, True, decided_us, rescore)
            revise_events(work, run, moved, tables)
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
    run: RunRecord,
    shown: zones.Area,
    beside: Beside,
    tables: Registry = schema.TABLES,
) -> Path:
    """Publish what the working database holds; returns the path of the snapshot. Raises StoreError."""
    given = {
        "sources": _typed(beside.sources, schema.SOURCES),
        "reject_counts": _typed(beside.reject_counts, schema.REJECT_COUNTS),
        "placed": _placed(work, shown),
        "long_absences": across_vessels.absences(work, run.rules),
        **case_tables.given(data),
    }
    reach = partial(case_referrals.ports_in_reach, decisions=given["decisions"], before=_reach(data), rules=run.rules)
    return publish.publish(work, data, given, beside.lake_files, run.rules, beside.left_out, tables, reach)


def _reach(data: Path) -> pa.Table:
    """Table ports_in_reach as it was published last; empty where it was not."""
    with suppress(StoreError, duckdb.Error), closing(connect(data)) as db:
        return db.sql("FROM ports_in_reach").to_arrow_table().cast(schema.STORED["ports_in_reach"])
    return schema.STORED["ports_in_reach"].empty_table()


def _typed(table: pa.Table, fields: pa.Schema) -> pa.Table:
    return table.select(fields.names).cast(fields)


def note_begun(work: duckdb.DuckDBPyConnection, run: RunRecord) -> None:
    """Put the run among the runs, if it is not there: what stands so far names it before anything is finalized."""
    if not work.execute("SELECT count(*) FROM runs WHERE run_id = ?", [run.run_id]).fetchall()[0][0]:
        _note(work, run, None)


def _note(work: duckdb.DuckDBPyConnection, run: RunRecord, finished: datetime | None) -> None:
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


# ------------------------- the store of a watch: held open, told of each final hour and of what stands between them


class Live:
    """The working database of a data folder, for one run of a watch."""

    def __init__(
        self, data: Path, run: RunRecord, beside: Beside | None = None, decided_us: int = revisions.EVER_US
    ) -> None:
        """beside, decided_us: what was given with the last final hour. Raises StoreError where another process holds
        it or it cannot be used, AreaError for an unknown area;
        OSError, as the others do, where too many files are open."""
        self._data, self._run = data, run
        self._shown = zones.area(run.area)
        self._judge = judge(self._shown, run.rules)
        self._rescore = rescoring(run.card, run.rules.context, False, schema.TABLES)
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
        number = commit(self._work, self._data, self._run, self._shown, outputs, live, now, decided_us)
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
                self._take_vessels(live, vessels)  # before the scores, which rest on how long each was heard
                number = revisions.revise(
                    self._work, self._run.run_id, self._judge, live, False, self._decided_us, self._rescore
                )
                note_begun(self._work, self._run)
                self._work.commit()
        except BaseException:
            undo(self._work)
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
        path = show(self._work, self._data, self._run, self._shown, self._beside)
        snapshots.clear_snapshots(self._data, now)
        return path

    def lead_changes(self, since: int, oldest: datetime) -> list[dict[str, Any]]:
        """See leads.lead_changes."""
        return lead_changes(self._work, since, oldest)

    def final_encounters(self, since: int, oldest: datetime) -> list[dict[str, Any]]:
        """See revisions.final_encounters."""
        return final_encounters(self._work, since, oldest)

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
