"""What a notebook and the command call: run, stream, decode, detect, connect, leads, encounter, areas, simulate."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime
from inspect import Parameter, signature
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from stswatch.pipeline.options import (
    DATA,
    DecodeOptions,
    EvaluateOptions,
    LeadOptions,
    ReadOptions,
    RunOptions,
    SimulateOptions,
    StreamOptions,
    TrainOptions,
)
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.rules import load as load_rules

if TYPE_CHECKING:
    import duckdb
    import geopandas as gpd
    import pandas as pd
    import pyarrow as pa

    from stswatch.pipeline.live.reconcile import Reconciled
    from stswatch.pipeline.readers.base import Source
    from stswatch.pipeline.readers.nmea_messages import Count
    from stswatch.pipeline.steps import Step

Tell = Callable[[str, int, int], None]
Moment = str | datetime  # ISO 8601 such as 2024-01-31T12:00:00Z, or a datetime that knows its zone
_O = TypeVar("_O", bound=DecodeOptions | LeadOptions | ReadOptions | SimulateOptions | TrainOptions | EvaluateOptions)
_F = TypeVar("_F", bound=Callable[..., Any])


def takes(options: type) -> Callable[[_F], _F]:
    """Let the signature of a function, as help() shows it, name each option that its keywords may be."""

    def named(function: _F) -> _F:
        known = signature(function)
        mine = [each for each in known.parameters.values() if each.kind is not Parameter.VAR_KEYWORD]
        keywords = [
            Parameter(each.name, Parameter.KEYWORD_ONLY, default=each.default, annotation=each.type)
            for each in fields(options)
        ]
        function.__signature__ = known.replace(parameters=[*mine, *keywords])  # type: ignore[attr-defined]
        return function

    return named


@dataclass(frozen=True)
class Summary:
    """What a run did, for people: where the database lies, and what was read and found."""

    database: Path
    counts: dict[str, int]
    sources: list[dict[str, Any]]
    passed_over: list[str] = field(default_factory=list)  # what was in a zip beside AIS, a sentence each


class Decoded(NamedTuple):
    """What `decode` gives: the three tables of the lake, see schema.LAKE."""

    fixes: pa.Table
    static_reports: pa.Table
    rejects: pa.Table


@takes(RunOptions)
def run(
    paths: str | Path | Sequence[str | Path],
    data: str | Path = DATA,
    options: RunOptions | None = None,
    *,
    tell: Tell = lambda stage, done, of: None,
    **also: Any,
) -> Summary:
    """Read archives, find encounters, write the database.

    Args:
        paths: a file or several, or folders whose files are all taken.
        data: the data folder; a second run over the same folder adds to it.
        options: RunOptions; each may be given as a keyword too, and goes before: area="world", workers=2. With more
            than one worker a script needs `if __name__ == "__main__":` round the call, as whatever starts processes
            does.
        tell: called with (stage, done, of) as the run goes on.

    Raises:
        ValueError (SourceError, AreaError, ScorecardError, StoreError, NothingToDo, OtherSlices): what was found,
            where, what to do.
    """
    from stswatch.pipeline.flow.workers import warm

    asked = _asked(RunOptions, options, also)
    warm(asked.workers)  # they import what they need while this process does

    from stswatch.geo.reference import zones
    from stswatch.pipeline.flow.row import Engine
    from stswatch.pipeline.flow.run import run as run_flow
    from stswatch.pipeline.store import entries, queries
    from stswatch.pipeline.store.database import StoreError

    folder, by, steps = Path(data), _rules(asked.rules), _scored_by(asked.scorecard)
    zones.area(asked.area)
    sources, passed_over = _opened(paths, asked, entries.ingest_days(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be the data folder ({error.strerror}); give another with `data`") from error
    engine = Engine(asked.slice_h, asked.shards, asked.workers, asked.memory_bytes, steps)
    run_flow(folder, sources, by, asked.area, engine, tell)
    return Summary(folder / "stswatch.duckdb", queries.summary(folder), queries.sources(folder), passed_over)


@takes(ReadOptions)
def decode(paths: str | Path | Sequence[str | Path], options: ReadOptions | None = None, **also: Any) -> Decoded:
    """Decode archives into memory: the rows that `run` would put into the lake, without Apache Beam and DuckDB.

    Args:
        paths: a file or several, or folders whose files are all taken; a file given twice is read once.
        options: ReadOptions; each may be given as a keyword too, and goes before.

    Returns:
        The tables `fixes`, `static_reports` and `rejects`, in the order of the files; their columns are described in
        docs/tables.md.

    Raises:
        ValueError (SourceError): what was found, where, what to do.
    """
    from stswatch.pipeline import schema
    from stswatch.pipeline.batch import concat
    from stswatch.pipeline.readers.registry import chunks, read

    found = _opened(paths, _asked(ReadOptions, options, also))[0]
    sources = {source.source: source for source in found}
    parts = [part for source in sources.values() for chunk in chunks(source) for part in read(chunk)]
    return Decoded(*(concat([getattr(part, name) for part in parts], schema.LAKE[name]) for name in Decoded._fields))


def messages(
    paths: str | Path | Sequence[str | Path],
    *,
    types: Collection[int] | None = None,
    start_time: Moment | None = None,
) -> Iterator[pa.Table]:
    """Every message of NMEA captures with all its fields, under the names that pyais gives them.

    Args:
        paths: a file or several, or folders whose files are all taken.
        types: message types to give; all of 1 to 28 where None.
        start_time: as for `run`, but no capture needs it: where nothing tells the time, it is null.

    Returns:
        Tables of up to some 80,000 messages in the order of the files: time, station, receiver, source, offset, length,
        msg_type, mmsi, then a column for each field of the types asked for, null where a message has no such field.

    Raises:
        ValueError (SourceError): what was found, where, what to do.
    """
    from stswatch.pipeline.decode.decoded_fields import ALL_TYPES, columns_of, table
    from stswatch.pipeline.readers.nmea_messages import open_captures, read

    wanted = ALL_TYPES if types is None else frozenset(types)
    schema = columns_of(wanted)
    for source in list(open_captures(_every_file(paths), _moment(start_time))):
        for part in read(source, wanted):
            yield table(part.head, part.forms, schema)


@takes(DecodeOptions)
def write_messages(
    paths: str | Path | Sequence[str | Path], options: DecodeOptions | None = None, **also: Any
) -> Count:
    """Write what `messages` gives, batch after batch, and count it.

    Args:
        paths: as for `messages`.
        options: DecodeOptions; each may be given as a keyword too, and goes before: to="jsonl", out="messages.jsonl".

    Raises:
        ValueError (SourceError, RecordsError): what was found, where, what to do. OSError: it cannot be written.
    """
    from stswatch.pipeline.decode.decoded_fields import ALL_TYPES
    from stswatch.pipeline.readers.nmea_messages import name_of, open_captures, read, write

    asked = _asked(DecodeOptions, options, also)
    wanted = ALL_TYPES if asked.types is None else frozenset(asked.types)
    # whatever is no capture is said before anything is written
    sources = list(open_captures(_every_file(paths), _moment(asked.start_time)))
    parts = ((name_of(source), read(source, wanted)) for source in sources)
    return write(parts, asked.to, asked.out, wanted, asked.rejects)


def detect(
    fixes: pa.Table | pd.DataFrame,
    rules: Rules | None = None,
    scorecard: str | Path | None = None,
    *,
    ids: str = "mmsi",
) -> gpd.GeoDataFrame:
    """Encounters among positions in memory: those that `run` finds in a file of the same rows, without Apache Beam.

    Args:
        fixes: a row per position, as an Arrow table, a DataFrame or a GeoDataFrame; columns by the names that `run`
            recognises, mmsi, time, lon and lat needed (or points as geometry). Or the fixes that `decode` gave: what
            they mark as invalid is left out.
        rules: the deciding numbers; the defaults where None.
        scorecard, ids: as for `run`.

    Returns:
        The columns of `encounters` that are measured or scored, nearest approach as geometry (WGS 84).

    Raises:
        ValueError (SourceError, ScorecardError): what lacks.
    """
    import geopandas as gpd

    from stswatch.pipeline import schema
    from stswatch.pipeline.readers.columns import decode_memory
    from stswatch.pipeline.steps import at_once
    from stswatch.pipeline.tracks.fixes import with_rounding
    from stswatch.pipeline.tracks.stray_days import without_strays

    decoded, by = decode_memory(fixes, ids, _today()), rules or Rules()
    used, reports = without_strays(decoded.fixes, decoded.static_reports, by, (_today() - date(1970, 1, 1)).days)
    tables = at_once(with_rounding(used), reports, by, _scored_by(scorecard))
    found = tables.get("encounters", schema.empty("encounters"))
    rows = found.drop_columns(["revision", "status", "run_id", "region"]).to_pandas()
    return gpd.GeoDataFrame(rows, geometry=gpd.points_from_xy(rows.lon, rows.lat), crs=4326)


def _scored_by(card: str | Path | None) -> tuple[Step, ...]:
    """The table of steps that scores so. Raises ScorecardError."""
    from stswatch.models.scorecard import chosen
    from stswatch.pipeline.steps import STEPS, scored_by

    return STEPS if card is None else scored_by(chosen(card))


@takes(TrainOptions)
def train(
    out: str | Path,
    options: TrainOptions | None = None,
    *,
    tell: Tell = lambda stage, done, of: None,
    **also: Any,
) -> dict[str, Any]:
    """Train a scorecard on simulated seas and write it as a JSON file: the same seeds give the same bytes.

    Args:
        out: the file, see models/rules.json for its shape.
        options: TrainOptions; each may be given as a keyword too, and goes before. Workers change no result.
        tell: called with (stage, done, of) as it goes on.

    Returns:
        What the file says of its training.

    Raises:
        OSError where the file cannot be written.
    """
    from stswatch.models.scorecard import parsed
    from stswatch.pipeline.evaluation import evaluate as trials
    from stswatch.pipeline.evaluation.seas import TRAINING_SEEDS

    asked = _asked(TrainOptions, options, also)
    content = trials.trained(tuple(asked.seeds or TRAINING_SEEDS), _path(asked.cache), asked.workers, tell)
    Path(out).write_bytes(content)
    return dict(parsed(content).training)


@takes(EvaluateOptions)
def evaluate(
    out: str | Path,
    options: EvaluateOptions | None = None,
    *,
    tell: Tell = lambda stage, done, of: None,
    **also: Any,
) -> str:
    """Evaluate a trained scorecard on seas that it was not trained on; writes CARD.md, evaluation.json and pictures.

    Args:
        out: a folder, made where there is none.
        options: EvaluateOptions; each may be given as a keyword too, and goes before.
        tell: as for `train`.

    Returns:
        The text of CARD.md.

    Raises:
        ValueError (ScorecardError, TrialError, SourceError): what was found, where, what to do.
    """
    from stswatch.models.scorecard import TRAINED, load, own
    from stswatch.pipeline.evaluation import evaluate as trials
    from stswatch.pipeline.evaluation.evaluate import Archive
    from stswatch.pipeline.evaluation.seas import HELD_OUT_SEEDS, SHIFTED_SEEDS

    asked, folder = _asked(EvaluateOptions, options, also), Path(out)
    card = load(_path(asked.scorecard) or own(TRAINED))
    known = (min(asked.pair), max(asked.pair)) if asked.pair else None
    read = [Archive(Path(path).name, *decode(path)[:2], known) for path in asked.archives]
    seeds, shifted = asked.seeds or HELD_OUT_SEEDS, asked.shifted or SHIFTED_SEEDS
    on = trials.ground(card, seeds, shifted, _path(asked.cache), asked.workers, tell)
    files = trials.evaluated(card, on, read, tell)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return files[trials.CARD].decode()


def _asked(kind: type[_O], options: _O | None, also: Mapping[str, Any]) -> _O:
    """The options that were given, those among keywords before the others. Raises TypeError for a name that is none."""
    return replace(options or kind(), **also)


def _rules(given: Rules | str | Path | None) -> Rules:
    """The deciding numbers, of a file where one is given. Raises RulesError."""
    return given if isinstance(given, Rules) else load_rules(Path(given)) if given else Rules()


def _path(given: str | Path | None) -> Path | None:
    return Path(given) if given else None


def _moment(given: Moment | None) -> datetime | None:
    """A time that was given as text or as a datetime. Raises SourceError where it is none or names no zone."""
    from stswatch.pipeline.readers.base import SourceError

    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError:
        raise SourceError(f"start_time {given!r}: is no time; give one such as 2024-01-31T12:00:00Z") from None
    if not isinstance(moment, datetime):
        raise SourceError(f"start_time {given!r}: is no time; give one such as 2024-01-31T12:00:00Z")
    if moment.tzinfo is None:
        raise SourceError(f"start_time {given!s}: names no zone; end it with Z for UTC, or give tzinfo=UTC")
    return moment


def _today() -> date:
    return datetime.now(UTC).date()


def _opened(
    paths: str | Path | Sequence[str | Path], asked: ReadOptions, days: Mapping[str, date] | None = None
) -> tuple[list[Source], list[str]]:
    """The sources at these paths, and what was passed over. days: see open_sources. Raises SourceError."""
    from stswatch.pipeline.readers.registry import numbered, open_sources

    asked = replace(
        asked, columns=asked.columns and Path(asked.columns), start_time=_moment(asked.start_time), day=_today()
    )
    found = [open_sources(file, asked, days=days or {}) for file in _every_file(paths)]
    ids = frozenset().union(*(each.ids for each in found))
    sources = [numbered(source, ids) for each in found for source in each.sources]
    return sources, [told for each in found for told in each.passed_over]


def _every_file(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    return [file for path in ([paths] if isinstance(paths, str | Path) else paths) for file in _files(Path(path))]


def _files(path: Path) -> list[Path]:
    """The file itself, or every file of a folder, in order of name. Raises SourceError where it holds none."""
    from stswatch.pipeline.readers.base import SourceError

    if not path.is_dir():
        return [path]
    files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
    if not files:
        raise SourceError(f"{path}: the folder holds no file; give AIS archives")
    return files


def connect(data: str | Path = DATA) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the published database; its views work from any folder. Raises StoreError."""
    from stswatch.pipeline.store.database import connect as open_database

    return open_database(Path(data))


def leads(data: str | Path = DATA, limit: int = 20) -> list[dict[str, Any]]:
    """The ranked leads, highest score first. Raises StoreError."""
    from stswatch.pipeline.store import queries

    return queries.leads(Path(data), limit)


def counts(data: str | Path = DATA) -> dict[str, int]:
    """Rows of each table, with `current_encounters` and `flagged_encounters`. Raises StoreError."""
    from stswatch.pipeline.store import queries

    return queries.summary(Path(data))


def encounter(data: str | Path, name: str | None = None) -> dict[str, Any]:
    """One encounter by its id or computed_id, or the beginning of one, else the first lead, with what explains it.

    One that another superseded gives that other.

    Beside its columns: `vessels` (by MMSI), `run`, `gaps_beside` (rows of the view of that name), `outages` (rows of
    the table, those about its time), and `met`: how often the `pair` met, and by MMSI how many other vessels each met.
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
    pair = [found["mmsi_a"], found["mmsi_b"]]
    gaps = queries.gaps_beside(Path(data), found["id"], found["revision"])
    begin = min((gap["start_time"] for gap in gaps), default=found["start_time"])
    end = max((gap["end_time"] or found["end_time"] for gap in gaps), default=found["end_time"])
    return found | {
        "vessels": queries.vessels(Path(data), pair),
        "run": queries.run_of(Path(data), found["run_id"]),
        "gaps_beside": gaps,
        "outages": queries.outages(Path(data), (begin, end)),
        "met": queries.met(Path(data), pair),
    }


def draw_encounter(path: str | Path, data: str | Path, name: str | None = None) -> None:
    """Draw an encounter, named as for `encounter`, into a file: .png, .svg or .pdf.

    Raises PictureError where the file is of another kind or cannot be written, CourseError where the lake holds no
    positions of it, and StoreError.
    """
    from stswatch.pipeline.pictures import file
    from stswatch.pipeline.pictures.courses import needed_us
    from stswatch.pipeline.pictures.page import render
    from stswatch.pipeline.rules import from_json
    from stswatch.pipeline.store import queries

    suffix = file.suffix_of(path)
    file.check(Path(path))
    row = encounter(data, name)
    rules = from_json(row["run"]["rules"])
    fixes = queries.tracks(Path(data), [row["mmsi_a"], row["mmsi_b"]], needed_us(row, rules))
    file.write(Path(path), render(row, fixes, rules, suffix))


@takes(SimulateOptions)
def simulate(out: str | Path, options: SimulateOptions | None = None, **also: Any) -> list[Path]:
    """Write a simulated sea into a folder: an NMEA recording, its truth as JSON and Parquet; gives the files.

    Args:
        out: the folder, made if need be.
        options: SimulateOptions; each may be given as a keyword too, and goes before.

    Raises:
        ValueError (PlanError, SourceError): what was asked for, what there is. OSError: the folder cannot be written.
    """
    from stswatch.sample_ais import feed
    from stswatch.sample_ais.simulation import Plan
    from stswatch.sample_ais.simulation import simulate as simulate_plan

    asked = _asked(SimulateOptions, options, also)
    begin = _moment(asked.start_time)
    plan = Plan(
        start_s=Plan.start_s if begin is None else int(begin.timestamp()),
        days=asked.days,
        background=asked.background,
        transfers=asked.transfers,
        look_alikes=asked.look_alikes,
        only=tuple(asked.scenarios),
    )
    return feed.write(Path(out), simulate_plan(plan, asked.seed))


def run_of(data: str | Path = DATA) -> dict[str, Any]:
    """The run published last: its rules (JSON), area, versions. Raises StoreError."""
    from stswatch.pipeline.store import queries

    return queries.run_of(Path(data))


def areas(area: str | Path = "dprk") -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The zones, those of an area file first, each with its `km2`, and the ports of interest. Raises AreaError."""
    from stswatch.geo.reference import ports, zones

    tables = (zones.area(area).zones, zones.zones())
    shapes = (pair for table in tables for pair in zip(table.properties, table.geometry, strict=True))
    return [{**told, "km2": zones.area_km2(shape)} for told, shape in shapes], ports.of_interest()


def draw_areas(path: str | Path, area: str | Path = "dprk") -> None:
    """Draw the zones and the ports of interest into a .png, .svg or .pdf file, round an area file where one is given.

    Raises AreaError; PictureError where the picture cannot be written.
    """
    from stswatch.geo.reference import zones
    from stswatch.pipeline.pictures import file, zone_map
    from stswatch.pipeline.untrusted import escaped, harmless

    suffix, given = file.suffix_of(path), zones.area(area)
    own = zones.Zones(tuple(harmless(given.zones.properties)), given.zones.geometry)
    shown = zones.Area(escaped(given.name), given.geometry, own)
    file.check(Path(path))
    file.write(Path(path), zone_map.render(suffix, shown))


@takes(StreamOptions)
def stream(
    sources: str | Sequence[str],
    data: str | Path = DATA,
    options: StreamOptions | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    tell: Callable[[str], None] = lambda sentence: None,
    stop: Event | None = None,
    **also: Any,
) -> Reconciled | None:
    """Watch live sources until `stop` is set, or until none of them can give anything any more.

    Args:
        sources: addresses, see SOURCES; each may be named as NAME=ADDRESS.
        data: the data folder; what arrives is kept in its spool before anything looks at it.
        options: StreamOptions; each may be given as a keyword too, and goes before.
        environment: where secrets are looked up; that of this process where None.
        tell: takes a sentence for people, from any thread.

    Returns:
        What the last finalizing changed, where all sources came to their end; None where it was stopped.

    Raises:
        ValueError (AddressError, AlertsError, HealthError, KeepError, WatchError, AreaError, ScorecardError,
        StoreError): what was found, where, what to do. MachineError where disk, memory or a right lacks for good.
    """
    import os

    from stswatch.geo.reference import zones
    from stswatch.pipeline.alerts import destinations
    from stswatch.pipeline.live import server, stream
    from stswatch.pipeline.live import stream as whole
    from stswatch.pipeline.live.reconcile import Settings
    from stswatch.pipeline.sources.registry import parse_all

    asked = _asked(StreamOptions, options, also)
    zones.area(asked.area)
    secrets = os.environ if environment is None else environment
    plan = whole.WatchPlan(
        parse_all([sources] if isinstance(sources, str) else sources),
        destinations.load(Path(asked.alerts), secrets) if asked.alerts else destinations.default(),
        asked.identities,
        server.parse(asked.health),
        stream.parse(asked.keep_spool),
        asked.arrival,
    )
    settings = Settings(
        _rules(asked.rules),
        asked.area,
        asked.interval_s,
        asked.allowed_lateness_s,
        memory_bytes=asked.memory_bytes,
        steps=_scored_by(asked.scorecard),
    )
    return whole.stream(Path(data), plan, settings, secrets, tell, stop or Event())


@takes(LeadOptions)
def reconcile(
    data: str | Path = DATA, day: date | None = None, options: LeadOptions | None = None, **also: Any
) -> Reconciled:
    """Bring finalized events in line with all that a watch has in its spool, late data too; see live/reconcile.py.

    day: count late rows of this day alone. options: LeadOptions of the watch, where none runs; each may be given as
    a keyword too.

    Raises WatchError, StoreError, and what `run` raises.
    """
    from stswatch.pipeline.live import reconcile as finalizing
    from stswatch.pipeline.live.reconcile import Settings

    asked = _asked(LeadOptions, options, also)
    settings = Settings(_rules(asked.rules), asked.area, steps=_scored_by(asked.scorecard))
    return finalizing.reconcile(Path(data), settings, day)


def status(data: str | Path = DATA) -> dict[str, Any]:
    """How the watch over a folder stands, or stood when it was heard last (`runs` says which). Raises WatchError."""
    from stswatch.pipeline.live import health as kept

    return kept.read(Path(data))
