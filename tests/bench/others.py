"""A whole run beside what one would use instead of it, on the same rows: pairs of vessels within 500 m of each other.

    python -m tests.bench.others [--positions 100000] [--write]

| program | way |
|---|---|
| Global Fishing Watch's | Apache Beam, an element a position: resampled to ten minutes, met in cells, joined by pair |
| PyMEOS | a sequence a vessel, exact in time: pairs whose boxes meet, then `tdwithin` on the plane of the pair |
| MovingPandas | a trajectory a vessel, its place every ten minutes, joined in space by geopandas |

Each runs in a process of its own, by one worker, with everything that it imports. They give pairs and spans, but no
ports, silences, medians, score or evidence.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from stswatch.pipeline import api
from tests.bench.run import FLOOR, SELF_JOIN, measure, put, table
from tests.simulators.density import density

BEGIN, END = "<!-- make bench: others -->", "<!-- end: others -->"
WITHIN_M, SLOW_KN, GAP_S, GRID_S = 500.0, 5.0, 7200, 600
METRES = 111_195.0  # a degree of latitude on the sphere
Position = dict[str, Any]
Fix = tuple[float, float, float, float]  # time, longitude, latitude, speed


def _rows(folder: str) -> list[Position]:
    found: list[Position] = pq.read_table(
        sorted(Path(folder).glob("*.parquet")), columns=["mmsi", "time", "lon", "lat", "sog_kn"]
    ).to_pylist()
    return found


# ---------------------------------------------------------------- one element a position, as pipe-encounters has it


def by_element(folder: str) -> int:
    """Encounters in the manner of Global Fishing Watch's pipe-encounters, as a pipeline of plain elements."""
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    counted = Path(folder) / "encounters.txt"
    with beam.Pipeline("FnApiRunner", PipelineOptions(["--direct_num_workers=1"])) as p:
        (
            p
            | beam.Impulse()
            | beam.FlatMap(lambda _: _plain(_rows(folder)))
            | "by vessel" >> beam.GroupByKey()
            | beam.FlatMapTuple(_resampled)
            | "by moment" >> beam.GroupByKey()
            | beam.FlatMapTuple(_near)
            | "by pair" >> beam.GroupByKey()
            | beam.FlatMapTuple(_spans)
            | beam.combiners.Count.Globally()
            | beam.Map(lambda found: counted.write_text(str(found)))
        )
    return int(counted.read_text())


def _plain(rows: Iterable[Position]) -> list[tuple[int, Fix]]:
    """Positions by vessel as Beam's coders take them fastest."""
    return [(r["mmsi"], (r["time"].timestamp(), r["lon"], r["lat"], r["sog_kn"] or 0.0)) for r in rows]


def _resampled(
    mmsi: int, rows: Iterable[tuple[float, float, float, float]]
) -> Iterator[tuple[int, tuple[int, float, float]]]:
    """The places of a slow vessel every ten minutes."""
    for (start, *a, speed_a), (end, *b, speed_b) in pairwise(sorted(rows)):
        if not 0 < end - start <= GAP_S or max(speed_a, speed_b) >= SLOW_KN:
            continue
        for slot in range(math.ceil(start / GRID_S), math.ceil(end / GRID_S)):
            part = (slot * GRID_S - start) / (end - start)
            lon, lat = (before + part * (after - before) for before, after in zip(a, b, strict=True))
            yield slot, (mmsi, lon, lat)


def _near(slot: int, there: Iterable[tuple[int, float, float]]) -> Iterator[tuple[tuple[int, int], int]]:
    """The pairs within the distance at one moment, found by cells."""
    cells: dict[tuple[int, int], list[tuple[int, float, float]]] = {}
    for a, lon_a, lat_a in sorted(there):
        x, y = math.floor(lon_a / 0.02), math.floor(lat_a / 0.01)
        beside = (cells.get((x + dx, y + dy), []) for dx in (-1, 0, 1) for dy in (-1, 0, 1))
        for b, lon_b, lat_b in (other for cell in beside for other in cell):
            east = (lon_a - lon_b) * math.cos(math.radians(lat_a))
            if a != b and METRES * math.hypot(east, lat_a - lat_b) <= WITHIN_M:
                yield (b, a), slot
        cells.setdefault((x, y), []).append((a, lon_a, lat_a))


def _spans(pair: tuple[int, int], slots: Iterable[int]) -> Iterator[tuple[tuple[int, int], int, int]]:
    listed = sorted(slots)
    cuts = [0, *(k for k, (a, b) in enumerate(pairwise(listed), 1) if b > a + 3), len(listed)]
    yield from ((pair, listed[a], listed[b - 1]) for a, b in pairwise(cuts))


# ------------------------------------------------------------------------------------- exact in time, one pair at once


def with_pymeos(folder: str) -> int:
    """Intervals within the distance by PyMEOS, of pairs of vessels whose boxes in space and time meet."""
    import numpy as np
    import shapely
    from pymeos import TBool, TGeomPoint, TGeomPointInst, TGeomPointSeq, pymeos_finalize, pymeos_initialize
    from pymeos_cffi import tdwithin_tgeo_tgeo

    pymeos_initialize()
    tracks: list[list[Position]] = []
    for row in sorted(_rows(folder), key=lambda row: (row["mmsi"], row["time"])):
        if (row["sog_kn"] or 0) >= SLOW_KN:
            continue
        last = tracks[-1][-1] if tracks else None
        if last and last["mmsi"] == row["mmsi"] and (row["time"] - last["time"]).total_seconds() <= GAP_S:
            tracks[-1].append(row)
        else:
            tracks.append([row])
    tracks = [track for track in tracks if len(track) > 1]
    places = [np.array([(row["lon"], row["lat"]) for row in track]) for track in tracks]
    margin = WITHIN_M / METRES
    boxes = shapely.box(*np.array([(*p.min(0) - margin, *p.max(0) + margin) for p in places]).T)
    left, right = shapely.STRtree(boxes).query(boxes)

    def sequence(track: list[Position], lat: float) -> Any:
        east = METRES * math.cos(math.radians(lat))
        instants = [
            TGeomPointInst(f"POINT({row['lon'] * east} {row['lat'] * METRES})@{row['time'].isoformat()}")
            for row in track
        ]
        return TGeomPointSeq(instant_list=instants, lower_inc=True, upper_inc=True)

    found, made = 0, [sequence(track, float(p[0, 1])) for track, p in zip(tracks, places, strict=True)]
    for k, n in zip(left.tolist(), right.tolist(), strict=True):
        a, b = tracks[k], tracks[n]
        if k < n and a[0]["mmsi"] != b[0]["mmsi"] and a[0]["time"] <= b[-1]["time"] and b[0]["time"] <= a[-1]["time"]:
            other: TGeomPoint = sequence(b, float(places[k][0, 1]))
            within = tdwithin_tgeo_tgeo(made[k]._inner, other._inner, WITHIN_M, True, True)
            if within is not None:
                found += TBool._factory(within).num_sequences()
    pymeos_finalize()
    return found


# ------------------------------------------------------------------------------------------- places every ten minutes


def with_movingpandas(folder: str) -> int:
    """Spans of pairs by MovingPandas: where each trajectory is every ten minutes, joined in space by geopandas."""
    import geopandas
    import movingpandas
    import pandas as pd

    rows = pd.DataFrame(_rows(folder))
    rows = rows[rows["sog_kn"].fillna(0) < SLOW_KN]
    rows["time"] = rows["time"].dt.tz_localize(None)
    tracks = movingpandas.TrajectoryCollection(rows, traj_id_col="mmsi", t="time", x="lon", y="lat", crs=4326)
    tracks = movingpandas.ObservationGapSplitter(tracks).split(gap=timedelta(seconds=GAP_S))
    first, last = rows["time"].min().ceil("10min"), rows["time"].max()
    near: dict[tuple[int, int], list[int]] = {}
    for moment in pd.date_range(first, last, freq="10min"):
        there = [(t.df["mmsi"].iloc[0], t.interpolate_position_at(moment)) for t in tracks if _covers(t, moment)]
        if not there:
            continue
        who, places = zip(*there, strict=True)
        points = geopandas.GeoDataFrame({"mmsi": who}, geometry=list(places), crs=4326).to_crs(3857)
        scale = 1 / math.cos(math.radians(float(rows["lat"].median())))
        pairs = geopandas.sjoin(points, points, predicate="dwithin", distance=WITHIN_M * scale)
        pairs = pairs[pairs["mmsi_left"] < pairs["mmsi_right"]]
        slot = int(moment.replace(tzinfo=UTC).timestamp()) // GRID_S
        for a, b in zip(pairs["mmsi_left"], pairs["mmsi_right"], strict=True):
            near.setdefault((a, b), []).append(slot)
    return sum(1 for pair, slots in near.items() for _ in _spans(pair, slots))


def _covers(track: Any, moment: datetime) -> bool:
    return bool(track.get_start_time() <= moment <= track.get_end_time())


# ---------------------------------------------------------------------------------------------------------- the table

Gives = str
SAMPLED: Gives = "spans of samples of ten minutes"
EXACT: Gives = "spans exact in time, each interruption a new one"
OTHERS: dict[str, tuple[str, str, Gives, Callable[[str], int]]] = {  # name, what it imports, gives, the program
    "by_element": ("Global Fishing Watch's way on Beam", "apache_beam", SAMPLED, by_element),
    "with_pymeos": (
        "PyMEOS, `tdwithin`",
        "pymeos, shapely",
        "spans exact in time, each interruption a new one",
        with_pymeos,
    ),
    "with_movingpandas": (
        "MovingPandas",
        "movingpandas, geopandas",
        "spans of samples of ten minutes",
        with_movingpandas,
    ),
}
OURS = "encounters exact in time, with ports, shore, silences, medians, score and evidence, in a database"


def rows_of(positions: int, folder: Path) -> list[list[str]]:
    """A row for each program: CPU microseconds a position, all and less start, how many it found, what that is."""
    sea, data = folder / "sea", folder / "data"
    density(positions, 1, sea, vessels=1500)
    own = ["-m", "stswatch.pipeline.cli", "run", str(sea), "--data", str(data), "--area", "world", "--quiet"]
    programs: list[tuple[str, str, Gives, list[str]]] = [
        ("stswatch", "stswatch.pipeline.flow.engine", OURS, own),
        ("DuckDB, sort", "duckdb", "nothing but order", ["-c", FLOOR, str(sea / "*.parquet")]),
        ("DuckDB, self-join", "duckdb", SAMPLED, ["-c", SELF_JOIN, str(sea / "*.parquet")]),
    ]
    for key, (name, imports, gives, _) in OTHERS.items():
        programs.append(
            (name, imports, gives, ["-m", "tests.bench.others", "--only", key, str(sea), str(folder / key)])
        )
    each_us, rows = 1e6 / positions, []
    for name, imports, gives, command in programs:
        all_us = measure(sys.executable, *command).cpu_s * each_us
        start_us = measure(sys.executable, "-c", f"import {imports}").cpu_s * each_us
        rows.append([name, f"{all_us:.1f}", f"{max(all_us - start_us, 0):.1f}", "", gives])
    rows[0][3] = f"{api.counts(data)['encounters']:,}"
    for row, key in zip(rows[-len(OTHERS) :], OTHERS, strict=True):
        row[3] = f"{int((folder / key).read_text()):,}"
    return rows


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--positions", type=int, default=100_000)
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    parser.add_argument("--only", nargs=3, metavar=("PROGRAM", "SEA", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        name, sea, out = given.only
        Path(out).write_text(str(OTHERS[name][3](sea)))
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = rows_of(given.positions, Path(folder))
    head = ["program", "CPU µs a position", "less start", "found", "what it gives"]
    text = f"{given.positions:,} positions of 1,500 vessels:\n\n{table(head, rows)}"
    print(text)
    if given.write:
        put(BEGIN, text, END)


if __name__ == "__main__":
    main()
