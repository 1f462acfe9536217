"""Archives of the simulated fleet on disk, runs of the local engine over them, and what they publish, side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from stswatch.models import scorecard
from stswatch.pipeline import api, schema
from stswatch.pipeline.batch import HOUR, Tables, micros
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.store import entries, publish
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.encounter_context import rescored
from tests.pipeline import seas
from tests.simulators import fleet as simulated

ADDED_H = 8
BAD_ROWS = 7  # without a vessel, at the end of the fleet


@cache
def fleet(**options: Any) -> pa.Table:
    """Rows of a decoded archive: the simulated fleet, here and there a name and a draught, a few rows of nobody.

    No name comes twice, so that it is a change from the row before, whichever row that is in a file.
    """
    rows = simulated.fleet(**options)
    n = rows.num_rows
    rng = np.random.default_rng(8)
    silent = rng.random(n) > 0.02
    columns = {
        "mmsi": rows["mmsi"].cast(pa.string()),
        "time": pa.array(micros(rows, "time") // 1000),
        "lon": np.asarray(rows["lon"]).round(7),
        "lat": np.asarray(rows["lat"]).round(7),
        "sog_kn": rows["sog_kn"],
        "name": pa.array([f"SHIP {k}" for k in range(n)], mask=silent),
        "draught_m": pa.array(rng.integers(30, 90, n) / 10, mask=silent | (rng.random(n) < 0.5)),
    }
    nobody = pa.array(["", "none", "1.5", "0x12", "-", "?", "x"])
    bad = pa.table({"mmsi": nobody} | {c: pa.nulls(BAD_ROWS, pa.array(v).type) for c, v in list(columns.items())[1:]})
    return pa.concat_tables([pa.table(columns), bad.cast(pa.table(columns).schema)])


def in_memory(rows: pa.Table, like: Tables) -> Tables:
    """What the plainest engine gives for the rows of an archive, in one slice; `like` what is published of it."""
    used = rows.slice(0, rows.num_rows - BAD_ROWS)
    time_us = np.asarray(used["time"]) * 1000
    speed = used["sog_kn"].to_numpy()
    fixes = seas.fixes(used["mmsi"].cast(pa.int32()), time_us, used["lon"], used["lat"], speed, "unknown")
    found = seas.run(fixes)
    found = found | {"encounters": rescored(found, scorecard.load(), Rules().context)}
    given = seas.canonical(found)
    named = {n: t.rename_columns([c.removesuffix("_sum") for c in t.column_names]) for n, t in given.items()}
    names = ("encounters", "gaps", "coverage", "port_pair_counts")
    added = {*schema.AREA_COLUMNS, "computed_id", "outage_min"}  # by the store, not by a step
    kept = {n: [c for c in like[n].column_names if c not in added] for n in names}
    return {n: named[n].select(kept[n]).cast(like[n].select(kept[n]).schema) for n in names}


def write(path: Path, rows: pa.Table) -> Path:
    """Rows as a file of the kind that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(rows, path, row_group_size=10_000)
        return path
    # Arrow writes floats with all their digits, so that CSV and Parquet hold the same
    with pa.output_stream(path, compression="gzip" if path.suffix == ".gz" else None) as out:
        pyarrow.csv.write_csv(rows, out)
    return path


def in_two(folder: Path) -> list[Path]:
    """A small archive: a file of its first ADDED_H hours, and one of what comes after."""
    rows = fleet(hours=ADDED_H + 1.0, pairs=12, anchored=4, fast=0)
    time_us = np.nan_to_num(rows["time"].to_numpy()) * 1000
    late = time_us >= time_us[time_us > 0].min() // HOUR * HOUR + ADDED_H * HOUR
    return [write(folder / f"{k}.csv", pick(rows, late == bool(k))) for k in (0, 1)]


def pick(rows: pa.Table, chosen: np.ndarray) -> pa.Table:
    """Some rows by mask or by number, in that order."""
    return rows.filter(pa.array(chosen)) if chosen.dtype == bool else rows.take(pa.array(chosen))


def published(data: Path) -> Tables:
    """What must be the same however the input is cut: every published table, in one order, names of runs aside."""
    with closing(api.connect(data)) as db:
        found = {name: db.sql(query).to_arrow_table() for name, query in _QUERIES.items()}
    return {name: rows.combine_chunks() for name, rows in found.items()}


_QUERIES = {
    "encounters": """SELECT * EXCLUDE (revision, run_id, superseded_by) FROM encounters WHERE status = 'current'
        ORDER BY mmsi_a, track_a, mmsi_b, track_b, start_time""",
    "gaps": "FROM gaps ORDER BY mmsi, track_start, start_time, ending",
    "coverage": "FROM coverage ORDER BY cell, hour, receiver",
    "port_pair_counts": "FROM port_pair_counts ORDER BY port, part, hour",
    "vessels": "FROM vessels ORDER BY mmsi",
    "reject_counts": "SELECT reason, sum(count) AS count FROM reject_counts GROUP BY reason ORDER BY reason",
}


def everything(data: Path) -> Tables:
    """Every row of every published table and view but runs, which has a row for each try, and the names of runs."""
    with closing(api.connect(data)) as db:
        found = {}
        for name in (*schema.STORED, *publish.schemas()):
            if name != "runs":
                rows = db.table(name)
                names = ", ".join(f'"{column}"' for column in rows.columns if column not in ("run_id", "ended_run_id"))
                found[name] = rows.select(names).order("ALL").to_arrow_table()
    return found


def names(data: Path) -> set[str]:
    """Every file of a data folder by name; those of a snapshot without its number, since how many there are differs."""
    found = {str(path.relative_to(data)) for path in data.rglob("*") if not path.is_dir() or path.is_symlink()}
    return {re.sub(r"^(snapshots/.*?)\d{6}\.", r"\1N.", name) for name in found}


def is_as(undisturbed: Path, data: Path) -> None:
    """Fail unless two folders publish the same, more than nothing, and hold the same files."""
    assert_same(everything(undisturbed), everything(data))
    assert names(data) == names(undisturbed)


def run(data: Path, paths: Sequence[Path], **how: Any) -> Tables:
    """Run the local engine over files, for leads anywhere; gives what is published."""
    api.run(paths, data, area="world", **how)
    return published(data)


def slices(data: Path) -> dict[str, int]:
    """Committed slices by name, with a number that another commit of the same slice would not have."""
    if (catalogue := Catalogue.read(data)) is None:
        return {}
    with catalogue:
        rows = catalogue._connection.execute("SELECT key, number FROM slices ORDER BY key").fetchall()
    return {key.decode(): number for key, number in rows}


def manifests(data: Path) -> dict[str, dict]:
    """What the catalogue keeps of each committed slice, by name."""
    with Catalogue.read(data) as catalogue:
        found = catalogue.every("slices", lambda key, collected: collected)
    return {key: row for key, row in found.items() if isinstance(row, dict)}


def sources(data: Path) -> dict[str, entries.SourceEntry]:
    """What the catalogue of a folder knows of its sources; nothing where there is none."""
    if (catalogue := Catalogue.read(data)) is None:
        return {}
    with catalogue:
        return entries.entries(catalogue)


def receipts(data: Path) -> list[str]:
    """The chunks that are read, of sources that are entered or not yet."""
    with Catalogue.read(data) as catalogue:
        kept = catalogue.keys("chunks")
    return sorted([*kept, *(f"{e.reading}-{chunk}" for e in sources(data).values() for chunk in e.chunks)])


def lake_times(data: Path) -> dict[str, int]:
    """Every file of the lake, and when it was written."""
    files = (path for path in sorted((data / "lake").rglob("*")) if path.is_file())
    return {str(path.relative_to(data)): path.stat().st_mtime_ns for path in files}


def assert_same(left: Tables, right: Tables) -> None:
    """Fail on the first table that differs, after a look that none is empty; somebody is heard all the time."""
    none = {"outages", "port_calls", "voyages", "loitering", "dark_meetings"}
    none |= {"identity_events", "identity_values", "track_checks", "meeting_groups", "transfer_chains", "dark_leads"}
    none |= {"mass_silences", "mass_silence_gaps", "long_absences", "dark_absences"}
    none |= {"decisions", "observations", "exercise_decisions", "exercise_observations", "ports_in_reach", "cases"}
    none |= {"case_observations", "unmatched_detections", "referral_queue", "psi_queue"}  # nobody decides anything
    empty = {name for name, rows in left.items() if not rows.num_rows}
    assert empty <= none, empty - none
    seas.assert_same(left, right)


def has_a_floor(found: Tables, cuts: Sequence[int], encounters: int = 50, across: int = 10) -> None:
    """Fail where there is too little to tell a difference: so many encounters, so many open across each cut."""
    assert found["encounters"].num_rows >= encounters
    assert cuts
    assert min(seas.open_across(found["encounters"], cuts)) >= across


def cuts(data: Path) -> list[int]:
    """Where a run cut time."""
    return sorted(collected["slice"]["start_us"] for collected in manifests(data).values())[1:]


def every(rows: pa.Table, hours: float) -> list[int]:
    """Cuts through the rows at whole multiples of some hours of UTC."""
    time_us = np.asarray(rows["time"].drop_null()) * 1000
    span = round(hours * HOUR)
    return list(range((int(time_us.min()) // span + 1) * span, int(time_us.max()) + 1, span))
