"""What a notebook and the command call: run, stream, decode, detect, connect, leads, encounter, areas, simulate."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from stswatch.pipeline.options import (
    DATA,
    EvaluateOptions,
    LeadOptions,
    Moment,
    RunOptions,
    SimulateOptions,
    StreamOptions,
    TrainOptions,
    chosen,
    takes,
)
from stswatch.pipeline.reading import (
    Decoded,
    areas,
    connect,
    counts,
    dark_meeting,
    dark_meetings,
    decode,
    draw_areas,
    draw_dark_meeting,
    draw_encounter,
    drift,
    encounter,
    leads,
    messages,
    one_snapshot,
    opened,
    reproduce,
    run_of,
    status,
    today,
    verify,
    write_messages,
)
from stswatch.pipeline.rule_files import load as load_rules
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.trouble import Progress

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    import pyarrow as pa

    from stswatch.pipeline.live.reconcile import Reconciled
    from stswatch.pipeline.steps import Step


# ----------------------------------------------------------------------------------------------------------------
# Simulated seas for a notebook and the command: written as recordings, trained on, and the judgement evaluated


@takes(TrainOptions)
def train(
    out: str | Path,
    options: TrainOptions | None = None,
    *,
    tell: Progress = lambda stage, done, of: None,
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

    asked = chosen(TrainOptions, options, also)
    content = trials.trained(tuple(asked.seeds or TRAINING_SEEDS), _path(asked.cache), asked.workers, tell)
    Path(out).write_bytes(content)
    return dict(parsed(content).training)


@takes(EvaluateOptions)
def evaluate(
    out: str | Path,
    options: EvaluateOptions | None = None,
    *,
    tell: Progress = lambda stage, done, of: None,
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
    from stswatch.pipeline.evaluation import dark_figures, silences
    from stswatch.pipeline.evaluation import evaluate as trials
    from stswatch.pipeline.evaluation.seas import HELD_OUT_SEEDS, SECOND_SEEDS, SHIFTED_SEEDS, Archive

    asked, folder = chosen(EvaluateOptions, options, also), Path(out)
    card = load(_path(asked.scorecard) or own(TRAINED))
    known = (min(asked.pair), max(asked.pair)) if asked.pair else None
    read = [Archive(Path(path).name, *decode(path)[:2], known) for path in asked.archives]
    seeds, shifted = asked.seeds or HELD_OUT_SEEDS, asked.shifted or SHIFTED_SEEDS
    second = asked.second or SECOND_SEEDS
    on = trials.ground(card, seeds, shifted, _path(asked.cache), asked.workers, tell, second)
    asked_too = (("silences", asked.silences, silences.measured), ("dark", asked.dark, dark_figures.measured))
    beside = {name: measured(of, second) for name, of, measured in asked_too if of}
    files = trials.evaluated(card, on, read, tell, beside)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return files[trials.CARD].decode()


@takes(SimulateOptions)
def simulate(out: str | Path, options: SimulateOptions | None = None, **also: Any) -> list[Path]:
    """Write a simulated sea into a folder: an NMEA recording, its truth as JSON and Parquet; gives the files.

    Args:
        out: the folder, made if need be.
        options: SimulateOptions; each may be given as a keyword too, and goes before.

    Raises:
        ValueError (PlanError, SecondPlanError, SourceError): what was asked for, what there is.
        OSError: the folder cannot be written.
    """
    from stswatch.pipeline.readers.source import start_moment
    from stswatch.sample_ais import feed
    from stswatch.sample_ais.simulation import Plan, VoyagePlan
    from stswatch.sample_ais.simulation import simulate as simulate_plan

    asked = chosen(SimulateOptions, options, also)
    begin = start_moment(asked.start_time)
    wanted: dict[str, Any] = {
        "start_s": Plan.start_s if begin is None else int(begin.timestamp()),
        "days": asked.days,
        "background": asked.background,
        "transfers": asked.transfers,
        "look_alikes": asked.look_alikes,
        "only": tuple(asked.scenarios),
    }
    if asked.style == "second":
        from stswatch.pipeline.evaluation.seas import write_second

        return write_second(Path(out), asked.seed, **wanted)
    plan = (VoyagePlan if asked.voyages else Plan)(**wanted)
    return feed.write(Path(out), simulate_plan(plan, asked.seed))


def _path(given: str | Path | None) -> Path | None:
    return Path(given) if given else None


__all__ = [
    "Decoded",
    "Moment",
    "Summary",
    "areas",
    "connect",
    "counts",
    "dark_meeting",
    "dark_meetings",
    "decode",
    "detect",
    "draw_areas",
    "draw_dark_meeting",
    "draw_encounter",
    "drift",
    "encounter",
    "evaluate",
    "leads",
    "messages",
    "one_snapshot",
    "reconcile",
    "reproduce",
    "run",
    "run_of",
    "simulate",
    "status",
    "stream",
    "train",
    "verify",
    "write_messages",
]


@dataclass(frozen=True)
class Summary:
    """What a run did, for people: where the database lies, and what was read and found."""

    database: Path
    counts: dict[str, int]
    sources: list[dict[str, Any]]
    passed_over: list[str] = field(default_factory=list)  # what was in a zip beside AIS, a sentence each


@takes(RunOptions)
def run(
    paths: str | Path | Sequence[str | Path],
    data: str | Path = DATA,
    options: RunOptions | None = None,
    *,
    tell: Progress = lambda stage, done, of: None,
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
        ValueError (SourceError, AreaError, ScorecardError, StoreError, NothingToDo, OtherSlices, ClusterError): what
            was found, where, what to do.
    """
    from stswatch.pipeline.flow.workers import keep_freed_memory, warm

    keep_freed_memory()
    asked = chosen(RunOptions, options, also)
    if asked.engine == "local":
        warm(asked.workers)  # they import what they need while this process does

    from stswatch.geo.reference import zones
    from stswatch.pipeline.flow.cluster.flink import asked_for
    from stswatch.pipeline.flow.row import Engine
    from stswatch.pipeline.flow.run import run as run_flow
    from stswatch.pipeline.store import entries, queries
    from stswatch.pipeline.store.database import StoreError

    folder, by, steps = Path(data), _rules(asked.rules), _scored_by(asked.scorecard)
    zones.area(asked.area)
    sources, passed_over = opened(paths, asked, entries.ingest_days(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be the data folder ({error.strerror}); give another with `data`") from error
    engine = Engine(asked.slice_h, asked.shards, asked.workers, asked.memory_bytes, steps)
    with asked_for(asked, folder, asked.workers) as cluster:
        run_flow(folder, sources, by, asked.area, replace(engine, cluster=cluster), tell)
    return Summary(folder / "stswatch.duckdb", queries.summary(folder), queries.sources(folder), passed_over)


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
    from stswatch.pipeline.steps import at_once, card_of
    from stswatch.pipeline.tracks.fixes import with_rounding
    from stswatch.pipeline.tracks.stray_days import without_strays

    decoded, by = decode_memory(fixes, ids, today()), rules or Rules()
    used, reports = without_strays(decoded.fixes, decoded.static_reports, by, (today() - date(1970, 1, 1)).days)
    steps = _scored_by(scorecard)
    tables = at_once(with_rounding(used), reports, by, steps)
    found = tables.get("encounters", schema.empty("encounters"))
    if card_of(steps).of_context.steps:
        from stswatch.pipeline.store.encounter_context import rescored  # with DuckDB

        found = rescored(tables, card_of(steps), by.context)
    rows = found.drop_columns(["revision", "status", "run_id", "region"]).to_pandas()
    return gpd.GeoDataFrame(rows, geometry=gpd.points_from_xy(rows.lon, rows.lat), crs=4326)


def _scored_by(card: str | Path | None) -> tuple[Step, ...]:
    """The table of steps that scores so. Raises ScorecardError."""
    from stswatch.models.scorecard import chosen
    from stswatch.pipeline.steps import STEPS, scored_by

    return STEPS if card is None else scored_by(chosen(card))


def _rules(given: Rules | str | Path | None) -> Rules:
    """The deciding numbers, of a file where one is given. Raises RulesError."""
    return given if isinstance(given, Rules) else load_rules(Path(given)) if given else Rules()


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
        sources: addresses, see SOURCES; each may be named as NAME=ADDRESS. On Flink one topic of Kafka.
        data: the data folder; what arrives is kept in its spool before anything looks at it.
        options: StreamOptions; each may be given as a keyword too, and goes before.
        environment: where secrets are looked up; that of this process where None. tell: takes a sentence of any thread.

    Returns:
        What the last finalizing changed, where all sources came to their end; None where it was stopped.

    Raises:
        ValueError (AddressError, AlertsError, HealthError, KeepError, WatchError, AreaError, ScorecardError,
        StoreError, ClusterError): what was found and what to do. MachineError where disk, memory or a right lacks.
    """
    from stswatch.geo.reference import zones
    from stswatch.pipeline.alerts import destinations
    from stswatch.pipeline.flow.cluster.flink import asks_for_flink
    from stswatch.pipeline.live import server
    from stswatch.pipeline.live import stream as whole
    from stswatch.pipeline.live.events import WatchSettings
    from stswatch.pipeline.sources.kinds import parse_all

    asked = chosen(StreamOptions, options, also)
    zones.area(asked.area)
    secrets = os.environ if environment is None else environment
    plan = whole.WatchPlan(
        parse_all([sources] if isinstance(sources, str) else sources),
        destinations.load(Path(asked.alerts), secrets) if asked.alerts else destinations.default(),
        asked.identities,
        server.parse(asked.health),
        whole.parse(asked.keep_spool),
        asked.arrival,
    )
    settings = WatchSettings(
        _rules(asked.rules),
        asked.area,
        asked.interval_s,
        asked.allowed_lateness_s,
        memory_bytes=asked.memory_bytes,
        steps=_scored_by(asked.scorecard),
    )
    given = Path(data), plan, settings, secrets, tell, stop or Event()
    return whole.stream_on_cluster(asked, *given) if asks_for_flink(asked) else whole.stream(*given)


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
    from stswatch.pipeline.live.events import WatchSettings

    asked = chosen(LeadOptions, options, also)
    settings = WatchSettings(_rules(asked.rules), asked.area, steps=_scored_by(asked.scorecard))
    return finalizing.reconcile(Path(data), settings, day)
