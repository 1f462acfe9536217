"""What a notebook and the command call: run, detect, connect, leads, encounter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stswatch.pipeline.rules import Rules

if TYPE_CHECKING:
    import duckdb
    import geopandas as gpd
    import pandas as pd
    import pyarrow as pa

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Summary:
    """What a run did, for people: where the database lies, and what was read and found."""

    database: Path
    counts: dict[str, int]
    sources: list[dict[str, Any]]


def run(
    paths: Sequence[str | Path],
    data: str | Path = "stswatch-data",
    *,
    area: str = "dprk",
    format: str = "auto",
    columns: str | Path | None = None,
    start_time: datetime | None = None,
    rules: Rules | None = None,
    workers: int = 1,
    memory_bytes: int = 2 << 30,
    slice_h: float = 24.0,
    shards: int | None = None,
    tell: Tell = lambda stage, done, of: None,
) -> Summary:
    """Read archives, find encounters, write the database.

    Args:
        paths: files, or folders whose files are all taken.
        data: the data folder; a second run over the same folder adds to it.
        area: what leads are shown: dprk, world or a GeoJSON file. It selects leads and never cuts tracks.
        format: a row of READERS, or auto.
        columns: column map in TOML, for CSV and Parquet with names of their own.
        start_time: time of the first line, for captures without any clock.
        rules: the deciding numbers; the defaults where None.
        workers, memory_bytes, slice_h, shards: how to run; they change no result.
        tell: called with (stage, done, of) as the run goes on.

    Raises:
        ValueError (SourceError, AreaError, StoreError, NothingToDo, OtherSlices): what was found, where, what to do.
    """
    from stswatch.geo import zones
    from stswatch.pipeline.flow.run import Engine
    from stswatch.pipeline.flow.run import run as run_flow
    from stswatch.pipeline.readers.base import SourceError
    from stswatch.pipeline.readers.registry import open_source
    from stswatch.pipeline.store import queries
    from stswatch.pipeline.store.database import StoreError

    folder = Path(data)
    zones.area(area)
    files = [file for path in paths for file in _files(Path(path), SourceError)]
    sources = [
        open_source(file, format=format, columns=Path(columns) if columns else None, start_time=start_time)
        for file in files
    ]
    engine = Engine(slice_h, shards, workers, memory_bytes)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be the data folder ({error.strerror}); give another with --data") from error
    run_flow(folder, sources, rules or Rules(), area, engine, tell)
    return Summary(folder / "stswatch.duckdb", queries.summary(folder), queries.sources(folder))


def detect(fixes: pa.Table | pd.DataFrame, rules: Rules | None = None) -> gpd.GeoDataFrame:
    """Encounters among positions in memory: those that `run` finds in a file of the same rows, without Apache Beam.

    Args:
        fixes: a row per position; columns by the names that `run` recognises, mmsi, time, lon and lat needed.
        rules: the deciding numbers; the defaults where None.

    Returns:
        The columns of `encounters` that are measured or scored, nearest approach as geometry (WGS 84).

    Raises:
        ValueError (SourceError): a needed column lacks.
    """
    import geopandas as gpd
    import numpy as np
    import pyarrow as pa

    from stswatch.pipeline import schema
    from stswatch.pipeline.batch import micros
    from stswatch.pipeline.readers.columns import decode_table
    from stswatch.pipeline.steps import InMemory
    from stswatch.pipeline.tracks.fixes import valid

    table = fixes if isinstance(fixes, pa.Table) else pa.Table.from_pandas(fixes, preserve_index=False)
    decoded = decode_table(table)
    found = schema.empty("encounters")
    used = valid(decoded.fixes)
    if used.num_rows:
        lake = {"fixes": decoded.fixes, "static_reports": decoded.static_reports}
        found = InMemory(rules or Rules()).slice(lake, int(np.max(micros(used, "time"))), final=True)["encounters"]
    rows = found.drop_columns(["revision", "status", "run_id", "region"]).to_pandas()
    return gpd.GeoDataFrame(rows, geometry=gpd.points_from_xy(rows.lon, rows.lat), crs=4326)


def _files(path: Path, error: type[ValueError]) -> list[Path]:
    """The file itself, or every file of a folder, in order of name."""
    if not path.is_dir():
        return [path]
    files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
    if not files:
        raise error(f"{path}: the folder holds no file; give AIS archives")
    return files


def connect(data: str | Path = "stswatch-data") -> duckdb.DuckDBPyConnection:
    """A read-only connection to the published database; its views work from any folder. Raises StoreError."""
    from stswatch.pipeline.store.database import connect as open_database

    return open_database(Path(data))


def leads(data: str | Path = "stswatch-data", limit: int = 20) -> list[dict[str, Any]]:
    """The ranked leads, highest score first. Raises StoreError."""
    from stswatch.pipeline.store import queries

    return queries.leads(Path(data), limit)


def counts(data: str | Path = "stswatch-data") -> dict[str, int]:
    """Rows of each table, with `current_encounters` and `flagged_encounters`. Raises StoreError."""
    from stswatch.pipeline.store import queries

    return queries.summary(Path(data))


def encounter(data: str | Path, name: str | None = None) -> dict[str, Any]:
    """One encounter by its id or the beginning of it, else the first lead; with `vessels` (by MMSI) and `run`.

    Raises StoreError.
    """
    from stswatch.pipeline.store import queries
    from stswatch.pipeline.store.database import StoreError

    if name is None:
        first = queries.leads(Path(data), 1)
        if not first:
            raise StoreError(f"{data}: no lead in the area that was asked for; give the id of an encounter")
        name = str(first[0]["id"])
    found = queries.encounter(Path(data), name)
    vessels = queries.vessels(Path(data), [found["mmsi_a"], found["mmsi_b"]])
    return found | {"vessels": vessels, "run": queries.run_of(Path(data), found["run_id"])}


def draw_encounter(path: str | Path, data: str | Path, name: str | None = None) -> None:
    """Draw an encounter, named as for `encounter`, into a file: .png, .svg or .pdf.

    Raises PictureError where the file is of another kind or cannot be written, CourseError where the lake holds no
    positions of it, and StoreError.
    """
    from stswatch.pipeline.exports import file
    from stswatch.pipeline.exports.courses import needed_us
    from stswatch.pipeline.exports.picture import render
    from stswatch.pipeline.rules import from_json
    from stswatch.pipeline.store import queries

    suffix = file.suffix_of(path)
    row = encounter(data, name)
    rules = from_json(row["run"]["rules"])
    fixes = queries.tracks(Path(data), [row["mmsi_a"], row["mmsi_b"]], needed_us(row, rules))
    file.write(Path(path), render(row, fixes, rules, suffix))


def run_of(data: str | Path = "stswatch-data") -> dict[str, Any]:
    """The run published last: its rules (JSON), area, versions. Raises StoreError."""
    from stswatch.pipeline.store import queries

    return queries.run_of(Path(data))
