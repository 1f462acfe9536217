"""Small event files and the calls that load them, for the tests of the store."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from stswatch.geo.reference import zones
from stswatch.pipeline import schema
from stswatch.pipeline.rules import LeadRules, Rules
from stswatch.pipeline.store.database import connect, open_work
from stswatch.pipeline.store.loader import Beside, Output, RunRecord, commit, load

DAY = datetime(2023, 8, 1, tzinfo=UTC)
HISTORY = "SELECT id, revision, status, superseded_by FROM encounters ORDER BY id, revision"


def at(hour: float) -> datetime:
    return DAY + timedelta(hours=hour)


def encounter(start_h: float, end_h: float, **more: Any) -> dict[str, Any]:
    """An encounter off Nampo between hours of the day, named as the flow names it: by pair and start."""
    pair = (more.pop("mmsi_a", 241502000), more.pop("mmsi_b", 311000222))
    row = {
        "id": f"{pair[0]}-{pair[1]}-{start_h:g}",
        "revision": 1,
        "status": "current",
        "kind": "lit",
        "track_a": f"{pair[0]} 2023-08-01",
        "track_b": f"{pair[1]} 2023-08-01",
        "mmsi_a": pair[0],
        "mmsi_b": pair[1],
        "start_time": at(start_h),
        "end_time": at(end_h),
        "start_censored": False,
        "end_censored": False,
        "duration_min": (end_h - start_h) * 60,
        "within_min": (end_h - start_h) * 60,
        "lon": 125.0,
        "lat": 38.6,
        "cpa_time": at(start_h),
        "region": None,
        "cpa_distance_m": 40.0,
        "fixes_a": 9,
        "fixes_b": 8,
        "observed_share": 1.0,
        "zones": ["chodo", "nampo_sokto"],
        "gap_a": False,
        "gap_b": False,
        "possibly_one_hull": False,
        "candidate_count": 1,
        "score": 1.0,
        "reasons": [{"feature": "duration", "value": 60.0, "points": 1.0, "text": "long beside each other"}],
        "run_id": "",
    }
    return row | more


def gap(start_h: float, **more: Any) -> dict[str, Any]:
    row = {"mmsi": 241502000, "track_start": DAY, "start_time": at(start_h), "lon0": 125.0, "lat0": 38.6}
    hours = ("own_heard_h", "own_missed_h", "judged_h", "others_heard_h", "others_missed_h")
    counts = ("heard_before", "silent_together", "began_together", "ended_together", "gaps_before")
    row |= {"receiver": "terrestrial", "threshold_h": 2.0, "ending": "open", "judgement": "unknown"}
    return row | dict.fromkeys((*hours, *counts), 0) | {"lost_min": 0.0, "in_outage_min": 0.0} | more


def output(
    data: Path, key: str, *files: Mapping[str, Sequence[Mapping[str, Any]]], tables: schema.Registry = schema.TABLES
) -> Output:
    """Write the rows of each table of each file and give the output that names them."""
    named: dict[str, list[str]] = {}
    for number, given in enumerate(files):
        for name, rows in given.items():
            path = f"events/{key}/{name}-{number}.parquet"
            write(data / path, rows, tables.parts[name])
            named.setdefault(name, []).append(path)
    return Output(key, named)


def write(path: Path, rows: Sequence[Mapping[str, Any]], fields: pa.Schema) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), schema=fields), path)


def run(run_id: str = "run-1", *, area: str = "world", min_score: float = 0.0) -> RunRecord:
    rules = Rules(lead=LeadRules(min_score=min_score))
    return RunRecord(run_id, DAY, "0.1.0", rules, "rules-1", area, at(0), at(24))


def publish(data: Path, *outputs: Output, lake: Mapping[str, list[str]] | None = None, **more: Any) -> Path:
    """Load outputs without sources."""
    sources, counts = schema.SOURCES.empty_table(), schema.REJECT_COUNTS.empty_table()
    return load(data, run(**more), outputs, Beside(sources, counts, lake or {}), at(30))


def rows(data: Path, query: str) -> list[dict[str, Any]]:
    with connect(data) as db:
        return db.sql(query).to_arrow_table().to_pylist()


def history(data: Path) -> list[tuple[str, int, str, str | None]]:
    """Id, revision, status and successor of every stored encounter."""
    return [tuple(row.values()) for row in rows(data, HISTORY)]


def everything(data: Path) -> dict[str, list[dict[str, Any]]]:
    """All rows of all stored tables."""
    with connect(data) as db:
        return {name: db.sql(f"SELECT * FROM {name}").to_arrow_table().to_pylist() for name in schema.STORED}


class Working:
    """A data folder and its working database, from which nothing is published."""

    STORED: tuple[str, ...]  # beside outputs and runs, what is loaded into it

    def __init__(self, data: Path, work: duckdb.DuckDBPyConnection) -> None:
        self.data, self.work = data, work

    @classmethod
    @contextmanager
    def at(cls, data: Path) -> Iterator[Self]:
        """One that is held for as long as the block lasts."""
        with closing(open_work(data)) as work:
            yield cls(data, work)

    def load(self, name: str, outputs: Sequence[Output], hour: float = 30.0, **more: Any) -> None:
        """Load outputs in place of those before, by a run of that name."""
        commit(self.work, self.data, run(name, **more), zones.area("world"), outputs, None, at(hour))

    def rows(self, query: str) -> list[dict[str, Any]]:
        """What a query gives."""
        return self.work.sql(query).to_arrow_table().to_pylist()

    def empty(self) -> None:
        """Have it be as it was made, which takes longer."""
        for name in ("outputs", "runs", *self.STORED):
            self.work.execute(f"DELETE FROM {name}")


class Held:
    """The working database of a folder, held by another process, as a watch does."""

    def __init__(self, data: Path) -> None:
        program = (
            "import sys, pathlib; from stswatch.pipeline.store.database import open_work;"
            " held = open_work(pathlib.Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, str(data)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> bool:
        assert self._process.stdout
        return self._process.stdout.readline() == "held\n"

    def __exit__(self, *error: object) -> None:
        self._process.communicate("")
