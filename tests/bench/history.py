"""What finalizing an hour costs of itself, by how long the watch has been running.

    python -m tests.bench.history [--hours 168 1440 8760] [--sources 5] [--keep FOLDER]

A data folder as a watch leaves it after so many hours is made: entries, slices and the
database by the functions that a watch calls, rows of Parquet alike in all hours. Then real sentences of one more hour
are finalized and published, which shows what of it grows with the past.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR
from stswatch.pipeline.flow import late_data, row
from stswatch.pipeline.flow.row import folder_of, planned
from stswatch.pipeline.flow.slices import Slice, checksums, commit
from stswatch.pipeline.live.events import Store, WatchSettings, engine_of
from stswatch.pipeline.live.finalize import Finalized, finalize
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.spool.closing import pack
from stswatch.pipeline.spool.segments import name_of, segment_of, time_of
from stswatch.pipeline.steps import STEPS
from stswatch.pipeline.store import entries, lake
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.states import StateFiles
from stswatch.sample_ais.reception import encode
from tests.pipeline import seas
from tests.pipeline.spool.spools import written
from tests.pipeline.store import build as rows_of

FIRST_US = 1_704_067_200_000_000  # 2024-01-01T00:00:00Z
ALLOWED_LATENESS_US = 60_000_000
VESSELS = 1000  # heard in an hour
CELLS = 300  # of coverage, in an hour
MET = 5  # encounters in an hour
SETTINGS = WatchSettings(rules=Rules(), every_s=5.0, area="world", shards=1)
OPTIONS = "('nmea', None, None, None, ())"


def build(data: Path, hours: int, sources: int) -> None:
    """A data folder in which so many hours are final. What must be on the disk after a power cut need not be here."""
    synced, os.fsync = os.fsync, lambda handle: None  # tens of thousands of files, which the next boot need not find
    try:
        data.mkdir(parents=True, exist_ok=True)
        with Catalogue.open(data) as catalogue:
            _lake(catalogue, hours, sources)
            held = entries.entries(catalogue)
            _slices(catalogue, planned(held, SETTINGS.rules, HOUR, engine_of(SETTINGS), FIRST_US + hours * HOUR))
        finalized = finalize(data, SETTINGS.rules, engine_of(SETTINGS), ALLOWED_LATENESS_US, FIRST_US + hours * HOUR)
        with Catalogue.open(data) as catalogue, closing(Store(catalogue, SETTINGS)) as store:
            store.finalize(finalized, None)
            store.publish()
    finally:
        os.fsync = synced


def _lake(catalogue: Catalogue, hours: int, sources: int) -> None:
    """Segments, the files of the lake that they became, and their entries in the catalogue."""
    data = catalogue.data
    writer = lake.Writer(data, "template", 0, HOUR)
    writer.write({"fixes": _fixes(), "static_reports": _static_reports(), "rejects": schema.empty("rejects")})
    template = writer.close(sentences=VESSELS, messages=VESSELS, fragments=0)
    counted, entered = {}, []
    for source in range(sources):
        first = data / "spool" / f"source{source}" / f"{name_of(FIRST_US)}.nmea.zst"
        put(first, b"")
        for hour in range(hours):
            start_us = FIRST_US + hour * HOUR
            path = first.with_name(f"{name_of(start_us)}.nmea.zst")
            if hour:
                path.hardlink_to(first)
            name = f"{hour * sources + source:016x}"
            collected: dict[str, Any] = {"source": name, "path": str(path), "format": "nmea", "clock": "tagged"}
            collected |= {"sha256": name * 4, "bytes": 1000, "receiver": "unknown", "rejects": 0}
            collected |= {"member": None, "licence": None}
            collected |= dict.fromkeys(("sentences", "messages", "fixes", "static_reports"), VESSELS)
            collected |= dict.fromkeys(("fragments", "invalid_fixes"), 0)
            reading = entries.reading(name, HOUR, OPTIONS, [0])
            parts = [_linked(data, part, reading, start_us) for part in template.parts]
            receipt = lake.Receipt(parts, template.counts, {}, start_us, start_us + HOUR - 1000)
            entered.append(entries.SourceEntry(collected, HOUR, OPTIONS, [receipt], [0]))
            counted["/".join(late_data.within(path))] = {}
    for part in template.parts:
        (data / part.path).unlink()
    entries.enter(catalogue, entered)
    catalogue.put("late_rows", counted)


def _linked(data: Path, part: lake.Part, reading: str, start_us: int) -> lake.Part:
    path = Path("lake") / part.table / lake.slab_name(start_us) / f"{reading}-0-0.parquet"
    (data / path).parent.mkdir(parents=True, exist_ok=True)
    (data / path).hardlink_to(data / part.path)
    return lake.Part(part.table, start_us, str(path), part.rows, part.last_shards, part.pieces)


def _fixes() -> pa.Table:
    at = np.arange(VESSELS)
    return seas.fixes(201_000_000 + at, np.full(VESSELS, FIRST_US), 120.0 + at / 100, 30.0 + at / 100, 9.0)


def _static_reports() -> pa.Table:
    rows = [
        {"mmsi": 201_000_000 + k, "time": FIRST_US, "name": f"SHIP {k}", "source": "0" * 16, "offset": k, "length": 1}
        for k in range(100)
    ]
    return pa.Table.from_pylist(rows, schema=schema.STATIC_REPORTS)


def put(path: Path, text: bytes) -> None:
    """A closed segment with these lines, all of which came when it was begun."""
    plain = path.with_name(path.name.removesuffix(".zst"))
    written(plain, [(time_of(segment_of(path)), text)])
    pack(plain)


def _slices(catalogue: Catalogue, planned_row: Sequence[Slice]) -> None:
    """The folders of slices that were run, with what each found."""
    data = catalogue.data
    same = data / "slices" / "vessels.parquet"
    same.parent.mkdir(parents=True)
    vessels = [
        {"mmsi": 201_000_000 + k, "first_seen": FIRST_US, "last_seen": FIRST_US + 1000, "fixes": 9, "name": f"SHIP {k}"}
        | {"name_time": FIRST_US}
        for k in range(VESSELS)
    ]
    pq.write_table(pa.Table.from_pylist(vessels, schema=schema.VESSELS), same, compression="zstd")
    forgotten = {s.key for s in row._forgotten(planned_row)}
    for number, s in enumerate(planned_row):
        folder = folder_of(data, s)
        folder.mkdir()
        (folder / "vessels-0.parquet").hardlink_to(same)
        for name, table in _found(number).items():
            pq.write_table(table, folder / f"{name}-0.parquet", compression="zstd")
        if s.key not in forgotten:
            (folder / "state").mkdir()
            for step in STEPS:
                StateFiles(folder / "state", Rules().events_fingerprint()).write(step.name, 0, step.no_state())
        files = {table: [] for table in schema.EVENT_TABLES.values()}
        files |= {name: [f"{name}-0.parquet"] for name in ("vessels", "coverage", "encounters")}
        commit(catalogue, s, {"files": files, "checksums": checksums(folder), "cpu_s": {}})
    same.unlink()


def _found(number: int) -> Mapping[str, pa.Table]:
    hour = np.full(CELLS, FIRST_US + number * HOUR)
    cells = {"cell": np.arange(CELLS), "hour": pa.array(hour).cast(pa.timestamp("us", "UTC"))}
    cells |= {"receiver": ["terrestrial"] * CELLS, "fixes": np.full(CELLS, 9), "vessels": np.full(CELLS, 3)}
    coverage = pa.table({f.name: pa.array(cells[f.name]).cast(f.type) for f in schema.COVERAGE}, schema=schema.COVERAGE)
    met = [
        rows_of.encounter(k / MET, (k + 1) / MET, mmsi_a=201_000_000 + 2 * k, mmsi_b=201_000_001 + 2 * k)
        for k in range(MET)
    ]
    for k, event in enumerate(met):
        event |= {"median_distance_m": 60.0}
        start_us = FIRST_US + number * HOUR + k * 60_000_000
        event |= {"id": f"E{number:08x}{k}", "start_time": start_us, "end_time": start_us + HOUR // 2}
        event |= {"cpa_time": start_us, "track_a": f"{number}", "track_b": f"{k}"}
    names = schema.ENCOUNTERS.names
    encounters = pa.Table.from_pylist([{n: e.get(n) for n in names} for e in met], schema=schema.ENCOUNTERS)
    return {"coverage": coverage, "encounters": encounters}


def another_hour(data: Path, hours: int, sources: int) -> Finalized:
    """Finalize one hour more, of real sentences."""
    start_us = FIRST_US + hours * HOUR
    for source in range(sources):
        at = np.arange(200)
        time_s = start_us // 1_000_000 + at * 10 + source
        still = np.zeros(200)
        text = encode.positions(
            201_000_000 + at,
            time_s,
            120.0 + at / 100,
            30.0 + at / 100,
            still + 9,
            still,
            still + np.nan,
            ["B"] * 200,
            at * 0,
        )
        put(data / "spool" / f"source{source}" / f"{name_of(start_us)}.nmea.zst", b"\n".join(text) + b"\n")
    return finalize(data, SETTINGS.rules, engine_of(SETTINGS), ALLOWED_LATENESS_US, start_us + HOUR)


def measure(data: Path, hours: int, sources: int) -> str:
    """A row of the table: wall and CPU seconds of finalizing, storing and publishing the third hour more."""
    another_hour(data, hours, sources)  # what is imported and read once
    another_hour(data, hours + 1, sources)
    with Catalogue.open(data) as catalogue, closing(Store(catalogue, SETTINGS)) as store:
        clocks = [(time.perf_counter(), time.process_time())]
        finalized = another_hour(data, hours + 2, sources)
        clocks.append((time.perf_counter(), time.process_time()))
        store.finalize(finalized, None)
        clocks.append((time.perf_counter(), time.process_time()))
        store.publish()
        clocks.append((time.perf_counter(), time.process_time()))
    spans = [f"{b[0] - a[0]:.1f} ({b[1] - a[1]:.1f})" for a, b in pairwise(clocks)]
    return f"| {hours:,} | {len(finalized.outputs):,} | {' | '.join(spans)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, nargs="+", default=[168, 1440, 8760])
    parser.add_argument("--sources", type=int, default=5)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    print("| hours | slices | finalize, s (CPU) | store, s (CPU) | publish, s (CPU) |\n| --- | --- | --- | --- | --- |")
    for hours in asked.hours:
        with tempfile.TemporaryDirectory() as folder:
            data = (asked.keep or Path(folder)) / f"{hours}"
            build(data, hours, asked.sources)
            print(measure(data, hours, asked.sources), flush=True)


if __name__ == "__main__":
    main()
