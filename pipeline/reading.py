"""What is read for a notebook and the command: archives to tables, and what a data folder holds."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stswatch.pipeline.options import (
    DATA,
    DecodeOptions,
    Moment,
    ReadOptions,
    chosen,
    takes,
)
from stswatch.pipeline.trouble import Progress

if TYPE_CHECKING:
    import pyarrow as pa

    from stswatch.pipeline.evidence.reproduce import Reproduced
    from stswatch.pipeline.evidence.verify import Verification
    from stswatch.pipeline.readers.nmea_messages import Count
    from stswatch.pipeline.readers.source import Source
if TYPE_CHECKING:
    import duckdb


# ----------------------------------------------------------------------------------------------------------------
# Archives read for a notebook and the command: opened, decoded to tables, or all messages with all their fields


class Decoded(NamedTuple):
    """What `decode` gives: the three tables of the lake, see schema.LAKE."""

    fixes: pa.Table
    static_reports: pa.Table
    rejects: pa.Table


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
    from stswatch.pipeline.readers.formats import chunks, read

    found = opened(paths, chosen(ReadOptions, options, also))[0]
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
    from stswatch.pipeline.readers.source import start_moment

    wanted = ALL_TYPES if types is None else frozenset(types)
    schema = columns_of(types)
    for source in list(open_captures(_every_file(paths), start_moment(start_time))):
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
    from stswatch.pipeline.readers.source import start_moment

    asked = chosen(DecodeOptions, options, also)
    wanted = ALL_TYPES if asked.types is None else frozenset(asked.types)
    # whatever is no capture is said before anything is written
    sources = list(open_captures(_every_file(paths), start_moment(asked.start_time)))
    parts = ((name_of(source), read(source, wanted)) for source in sources)
    return write(parts, asked.to, asked.out, asked.types, asked.rejects)


def opened(
    paths: str | Path | Sequence[str | Path], asked: ReadOptions, days: Mapping[str, date] | None = None
) -> tuple[list[Source], list[str]]:
    """The sources at these paths, and what was passed over. days: see open_sources. Raises SourceError."""
    from stswatch.pipeline.readers.formats import numbered, open_sources
    from stswatch.pipeline.readers.source import start_moment

    asked = replace(
        asked, columns=asked.columns and Path(asked.columns), start_time=start_moment(asked.start_time), day=today()
    )
    found = [open_sources(file, asked, days=days or {}) for file in _every_file(paths)]
    ids = frozenset().union(*(each.ids for each in found))
    sources = [numbered(source, ids) for each in found for source in each.sources]
    return sources, [note for each in found for note in each.passed_over]


def _every_file(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    return [file for path in ([paths] if isinstance(paths, str | Path) else paths) for file in _files(Path(path))]


def _files(path: Path) -> list[Path]:
    """The file itself, or every file of a folder, in order of name. Raises SourceError where it holds none."""
    from stswatch.pipeline.readers.source import SourceError

    if not path.is_dir():
        return [path]
    files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
    if not files:
        raise SourceError(f"{path}: the folder holds no file; give AIS archives")
    return files


def today() -> date:
    """The UTC day of now."""
    return datetime.now(UTC).date()


# ----------------------------------------------------------------------------------------------------------------
# What a data folder holds, for a notebook and the command: leads, encounters, runs, areas, and pictures of them


CALLS_WITHIN = timedelta(days=10)  # of a meeting: what is shown beside it of the calls of its vessels


def connect(data: str | Path = DATA) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the published database; its views work from any folder. Raises StoreError."""
    from stswatch.pipeline.store.database import connect as open_database

    return open_database(Path(data))


def one_snapshot(data: str | Path = DATA) -> AbstractContextManager[None]:
    """Have what is asked of this folder within, under the same path, answered by one snapshot. Raises StoreError."""
    from stswatch.pipeline.store import queries

    return queries.one_snapshot(Path(data))


def leads(data: str | Path = DATA, limit: int = 20, leads_per_day: int | None = None) -> list[dict[str, Any]]:
    """The ranked leads, highest score first, of equals the one that began first, then by id. Raises StoreError.

    leads_per_day: at most so many of those that ended on one day (UTC), in the same order by the scores at closing.
    """
    from stswatch.pipeline.store import queries

    return queries.leads(Path(data), limit, leads_per_day)


def dark_meetings(data: str | Path = DATA, limit: int = 20) -> dict[str, list[dict[str, Any]]]:
    """Meetings that silences left time for, which nobody saw: `leads` and `candidates`, each ranked. Raises StoreError.

    limit: of each. What a row says, and what not: docs/dark_meetings.md.
    """
    from stswatch.pipeline.store import queries

    with one_snapshot(data):
        leads, candidates = (queries.dark_meetings(Path(data), limit, lead) for lead in (True, False))
        return {"leads": leads, "candidates": candidates}


def dark_meeting(data: str | Path, name: str) -> dict[str, Any]:
    """One dark meeting by its id or the beginning of it, with `vessels` (by MMSI) and the last `run`.

    Raises StoreError.
    """
    from stswatch.pipeline.store import queries

    with one_snapshot(data):
        found, run = queries.dark_meeting(Path(data), name), queries.run_of(Path(data))
        return found | {"vessels": queries.vessels(Path(data), [found["mmsi_a"], found["mmsi_b"]]), "run": run}


def counts(data: str | Path = DATA) -> dict[str, int]:
    """Rows of each table, with `current_encounters` and `flagged_encounters`. Raises StoreError."""
    from stswatch.pipeline.store import queries

    return queries.summary(Path(data))


def encounter(data: str | Path, name: str | None = None) -> dict[str, Any]:
    """One encounter by its id or computed_id, or the beginning of one, else the first lead, with what explains it.

    One that another superseded gives that other.

    Beside its columns: `vessels` (by MMSI), `run`, `gaps_beside` (rows of the view of that name), `outages` (rows of
    the table, those about its time), `context` (rows of view encounter_context), `groups` and `chains` (rows of
    meeting_groups and transfer_chains that it is part of), `calls` (rows of port_calls, those next to it),
    `identity_events` and `track_checks` (rows of the tables, of the pair and a week before to a week after), and
    `met`: how often the `pair` met, and by MMSI how many other vessels each met.
    Raises StoreError.
    """
    with one_snapshot(data):
        return _encounter(data, name)


_WEEK = timedelta(days=7)


def _encounter(data: str | Path, name: str | None) -> dict[str, Any]:
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
        **queries.silences(Path(data), found, (begin, end), gaps),
        "met": queries.met(Path(data), pair),
        "context": queries.context(Path(data), found["id"], found["revision"]),
        "groups": queries.groups_of(Path(data), found["id"]),
        "chains": queries.chains_of(Path(data), found),
        "calls": queries.calls_around(Path(data), found, CALLS_WITHIN),
        **queries.identity(Path(data), pair, (begin - _WEEK, end + _WEEK)),
    }


def draw_encounter(path: str | Path, data: str | Path, name: str | None = None) -> None:
    """Draw an encounter, named as for `encounter`, into a file: .png, .svg or .pdf.

    Raises PictureError where the file is of another kind or cannot be written, CourseError where the lake holds no
    positions of it, and StoreError.
    """
    from stswatch.pipeline.pictures import image_file
    from stswatch.pipeline.pictures.courses import needed_us
    from stswatch.pipeline.pictures.page import render
    from stswatch.pipeline.rule_files import from_json
    from stswatch.pipeline.store import queries

    suffix = image_file.suffix_of(path)
    image_file.check(Path(path))
    row = encounter(data, name)
    rules = from_json(row["run"]["rules"])
    fixes = queries.tracks(Path(data), [row["mmsi_a"], row["mmsi_b"]], needed_us(row, rules))
    image_file.write(Path(path), render(row, fixes, rules, suffix))


def draw_dark_meeting(path: str | Path, data: str | Path, name: str) -> None:
    """Draw a dark meeting, named as for `dark_meeting`, into a file: .png, .svg or .pdf. Raises as `draw_encounter`."""
    from stswatch.pipeline.pictures import dark_page, image_file
    from stswatch.pipeline.rule_files import from_json
    from stswatch.pipeline.store import queries

    suffix = image_file.suffix_of(path)
    image_file.check(Path(path))
    row = dark_meeting(data, name)
    fixes = queries.tracks(Path(data), [row["mmsi_a"], row["mmsi_b"]], dark_page.needed_us(row))
    image_file.write(Path(path), dark_page.render(row, fixes, from_json(row["run"]["rules"]), suffix))


def run_of(data: str | Path = DATA) -> dict[str, Any]:
    """The run published last: its rules (JSON), area, versions. Raises StoreError."""
    from stswatch.pipeline.store import queries

    return queries.run_of(Path(data))


def areas(area: str | Path = "dprk") -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The zones, those of an area file first, each with its `km2`, and the ports of interest. Raises AreaError."""
    from stswatch.geo.reference import harbours, zones

    tables = (zones.area(area).zones, zones.zones())
    shapes = (pair for table in tables for pair in zip(table.properties, table.geometry, strict=True))
    return [{**zone, "km2": zones.area_km2(shape)} for zone, shape in shapes], harbours.of_interest()


def draw_areas(path: str | Path, area: str | Path = "dprk") -> None:
    """Draw the zones and the ports of interest into a .png, .svg or .pdf file, round an area file where one is given.

    Raises AreaError; PictureError where the picture cannot be written.
    """
    from stswatch.geo.reference import zones
    from stswatch.pipeline.pictures import image_file, zone_map
    from stswatch.pipeline.untrusted import escaped, harmless

    suffix, given = image_file.suffix_of(path), zones.area(area)
    own = zones.Zones(tuple(harmless(given.zones.properties)), given.zones.geometry)
    shown = zones.Area(escaped(given.name), given.geometry, own)
    image_file.check(Path(path))
    image_file.write(Path(path), zone_map.render(suffix, shown))


def drift(data: str | Path = DATA, weeks: int = 4) -> list[dict[str, Any]]:
    """How far the meetings of the last weeks are from those that the scorecard was trained on, see `queries.drift`."""
    from stswatch.pipeline.store import queries

    return queries.drift(Path(data), weeks)


def status(data: str | Path = DATA) -> dict[str, Any]:
    """How the watch over a folder stands, or stood when it was heard last (`runs` says which). Raises WatchError."""
    from stswatch.pipeline.live import health as kept

    return kept.read(Path(data))


# ----------------------------------------------------------------------------------------------------------------
# Evidence: whether what is stored follows from what was received, and whether a run comes again


def verify(
    data: str | Path = DATA,
    name: str | None = None,
    *,
    every: bool = False,
    files: Sequence[str | Path] = (),
    scorecard: str | Path | None = None,
    every_fix: bool = False,
    tell: Progress = lambda stage, done, of: None,
) -> Verification:
    """Hold one event, or every file and event of a folder, against the bytes that were received; docs/evidence.md.

    Args:
        data: the data folder.
        name: id of an encounter or dark meeting, or its beginning; the first lead where None.
        every: the whole folder instead.
        files: folders in which input files are looked for that no longer lie where they were read.
        scorecard: that of the run, where it does not come with the program.
        every_fix: read back every fix of both vessels in the meeting, not those alone that decide.
        tell: called with (stage, done, of) as it goes on.

    Raises StoreError, CatalogueError; OSError where the scorecard cannot be read. What does not follow is in what comes
    back, `first_fault` names the first of it.
    """
    from stswatch.pipeline.evidence import verify as room

    elsewhere, card = [*map(Path, files)], Path(scorecard).read_bytes() if scorecard else None
    whole = room.verify_all(Path(data), elsewhere, card, tell) if every else None
    return whole or room.verify(Path(data), name, elsewhere, card, every_fix)


def reproduce(
    data: str | Path = DATA,
    run: str | None = None,
    *,
    files: Sequence[str | Path] = (),
    scorecard: str | Path | None = None,
    tell: Progress = lambda stage, done, of: None,
) -> Reproduced:
    """Run again what a run did, the last where None, in a folder that goes away again, and compare what it finds.

    files, scorecard, tell: as for `verify`. Raises StoreError, CatalogueError, and what `run` raises.
    """
    from stswatch.pipeline.evidence import reproduce as room

    return room.reproduce(Path(data), run, [*map(Path, files)], Path(scorecard) if scorecard else None, tell)
