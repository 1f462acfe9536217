"""What a user may ask for: a dataclass of options for each command, with default, reading and meaning.

`pipeline/api.py` takes them as keywords, `pipeline/cli.py` as `--options`: what is said of an option stands here alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from stswatch.errors import StswatchError

if TYPE_CHECKING:
    from stswatch.pipeline.rules import Rules

DATA = "stswatch-data"
FORMS = ("parquet", "csv", "spreadsheet.csv", "jsonl")  # in which messages are written
_SIZES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class OptionError(StswatchError, ValueError):
    """A value that an option does not take; the message says what it takes."""


def option(
    default: str | None = None,
    help: str = "",
    metavar: str = "",
    read: Callable[[str], Any] = str,
    *,
    flag: str = "",
    choices: tuple[str, ...] = (),
    nargs: str = "",
    needed: bool = False,
) -> Any:
    """A field of a dataclass of options.

    default: as a user would write it; the value is what `read` makes of it, None where None. help: with `{default}` in
    it; without help it is no option of the command. metavar: what its value stands for; of a flag that takes none it is
    empty. read: makes the value of a text, raises OptionError. flag: where the command names it otherwise than Python.
    nargs: `+`, `?` or `1` of an argument without a name, `*` where the option may be given again; else empty.
    """
    metadata = {
        "help": help.format(default=default),
        "metavar": metavar,
        "read": read,
        "flag": flag,
        "choices": choices,
        "nargs": nargs,
        "needed": needed,
    }
    if not metavar and help:
        return field(default=False, metadata=metadata)
    several = nargs in ("+", "*")
    return field(default=() if several else None if default is None else read(default), metadata=metadata)


def between(low: float, high: float, unit: str) -> Callable[[str], float]:
    """What reads a number, low to high; neither may be below 0."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not low <= value <= high:
            raise OptionError(f"{text!r}: give {unit} from {low:g} to {high:g}")
        return value

    return read


def whole(least: int) -> Callable[[str], int]:
    """What reads a whole number from `least` on, which is not below 0."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise OptionError(f"{text!r}: give a whole number from {least} on")
        return int(text)

    return read


Moment = str | datetime  # ISO 8601 such as 2024-01-31T12:00:00Z, or a datetime that knows its zone


def moment(text: str) -> datetime:
    """A time with its zone.

    >>> moment("2024-01-31T12:00:00Z")
    datetime.datetime(2024, 1, 31, 12, 0, tzinfo=datetime.timezone.utc)
    """
    try:
        when = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise OptionError(f"{text!r} is no time; give one such as 2024-01-31T12:00:00Z") from None
    if when.tzinfo is None:
        raise OptionError(f"{text!r} names no zone; end it with Z for UTC")
    return when


def day(text: str) -> date:
    """A day, UTC."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise OptionError(f"{text!r} is no day; give one such as 2026-11-25") from None


def size(text: str) -> int:
    """Bytes of memory, from 512M on.

    >>> size("2G") == 2 << 30
    True
    """
    number, unit = (text[:-1], text[-1].upper()) if text[-1:].upper() in _SIZES else (text, "")
    if not number.isdecimal() or int(number) * _SIZES.get(unit, 1) < 512 << 20:
        raise OptionError(f"{text!r} is no size from 512M on; give one such as 1G or 4G")
    return int(number) * _SIZES.get(unit, 1)


def numbers(text: str) -> tuple[int, ...]:
    """Whole numbers and spans of them, rising; none where it is something else.

    >>> numbers("1,4,9-11"), numbers("3-1")
    ((1, 4, 9, 10, 11), ())
    """
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not first.isdecimal() or not (last or first).isdecimal() or int(last or first) < int(first):
            return ()
        found |= set(range(int(first), int(last or first) + 1))
    return tuple(sorted(found))


def seed_list(text: str) -> tuple[int, ...]:
    """Seeds as 1-8, 3 or 1,4,9-12."""
    if found := numbers(text):
        return found
    raise OptionError(f"{text!r}: give seeds such as 1-8 or 1,4,9")


def type_list(text: str) -> tuple[int, ...]:
    """Types of AIS messages, 1 to 28."""
    found = numbers(text)
    if not found or not 1 <= found[0] <= found[-1] <= 28:
        raise OptionError(f"{text!r}: give message types from 1 to 28 such as 1-3,5")
    return found


def two_mmsi(text: str) -> tuple[int, int]:
    """Two MMSI."""
    first, _, second = text.partition(",")
    if not first.isdecimal() or not second.isdecimal():
        raise OptionError(f"{text!r}: give two MMSI with a comma between them")
    return int(first), int(second)


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How archives are read.

    day: of ingest; no time after it decides how the times of a table are read. untimed: whether a capture without any
    clock is read all the same.
    """

    format: str = option(
        "auto",
        "nmea, aisstream, aiscatcher, json, marinecadastre, danish or columns; default: by looking",
        "NAME",
    )
    columns: Path | None = option(None, "TOML that maps the columns of a CSV or Parquet archive", "FILE", Path)
    start_time: datetime | None = option(
        None, "time of a short capture without a clock: that of all its lines", "T", moment
    )
    receiver: str | None = option(None, "terrestrial, satellite or unknown: of what does not tell it itself", "KIND")
    ids: str = option(
        "mmsi",
        "any: what stands for a vessel is no MMSI; each id is a vessel, flag and kind of station are not judged",
        "KIND",
        choices=("mmsi", "any"),
    )
    licence: str | None = option(None, "terms of these files, kept with them in the table sources", "TEXT")
    day: date | None = None
    untimed: bool = False


@dataclass(frozen=True, kw_only=True)
class LeadOptions:
    """What is a lead, and which are shown. In Python `rules` may be a Rules too."""

    area: str = option("dprk", "leads to show: dprk, world or a GeoJSON file; it never cuts tracks", "AREA")
    rules: Rules | Path | None = option(None, "TOML with other deciding numbers; see `stswatch rules`", "FILE", Path)
    scorecard: str | Path | None = option(
        None, "what gives the scores: trained (the default), rules, or a file", "FILE"
    )


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Where the steps run, which changes no result; see docs/cluster.md."""

    engine: Literal["local", "flink"] = option(
        "local",
        "local: this machine (default); flink: a cluster of Apache Flink, see docs/cluster.md",
        "ENGINE",
        choices=("local", "flink"),
    )
    flink_master: str | None = option(None, "REST address of its JobManager", "HOST:PORT")
    job_server: str | None = option(
        None, "jar of Beam's job server, or HOST:PORT of one (default: what STSWATCH_JOB_SERVER names)", "WHERE"
    )


@dataclass(frozen=True, kw_only=True)
class ClusterOptions(EngineOptions):
    """Where archives are worked on, which changes no result; see docs/cluster.md."""

    storage: str | None = option(
        None, "where driver and workers exchange files, if they share no folder: s3://BUCKET/PREFIX and the like", "URL"
    )
    job_deadline_s: float = option(
        "3600",
        "seconds that a job of the cluster, a slice, may take (default {default})",
        "S",
        between(1, 1e6, "seconds"),
        flag="job-deadline",
    )


@dataclass(frozen=True, kw_only=True)
class RunOptions(ClusterOptions, LeadOptions, ReadOptions):
    """How archives become leads; engine, workers, memory_bytes, slice_h and shards change no result."""

    workers: int = option("1", "processes, or tasks of a cluster, side by side (default {default})", "N", whole(1))
    memory_bytes: int = option("2G", "memory budget of a slice (default {default})", "SIZE", size, flag="memory")
    slice_h: float = option(
        "24", "length of a slice (default {default})", "H", between(0.01, 24, "hours"), flag="slice-hours"
    )
    shards: int | None = None


@dataclass(frozen=True, kw_only=True)
class StreamOptions(EngineOptions, LeadOptions):
    """How live sources are watched; memory_bytes is what a final hour may take."""

    interval_s: float = option(
        "5",
        "seconds from one look to the next (default {default})",
        "S",
        between(0.5, 3600, "seconds"),
        flag="interval",
    )
    allowed_lateness_s: float = option(
        "60",
        "seconds that data may be late before an hour is finalized (default {default})",
        "S",
        between(0.5, 3600, "seconds"),
        flag="allowed-lateness",
    )
    memory_bytes: int = 2 << 30
    alerts: Path | None = option(None, "TOML of destinations (default: standard output)", "FILE", Path)
    identities: bool = option(help="alerts tell names and MMSI", flag="alert-identities")
    health: str = option("127.0.0.1:9257", "where /healthz and /metrics answer, or none (default {default})", "ADDRESS")
    keep_spool: str = option(
        "all",
        "how much of what was received is kept once it is read: 7d, 20G, both as 7d,20G, or all (default)",
        "HOW",
    )
    arrival: Literal["clock", "recorded"] = option(
        "clock",
        "when something arrived: by this machine's clock, or as it was recorded, of a recording that is replayed",
        "ARRIVAL",
        choices=("clock", "recorded"),
    )
    workers: int = option("1", "tasks of a cluster side by side (default {default})", "N", whole(1))


@dataclass(frozen=True, kw_only=True)
class DecodeOptions:
    """Which messages are written, and where."""

    to: str = option(
        None,
        "parquet, csv or jsonl; a line of JSON has the fields of its message, a table a column for each field;"
        " spreadsheet.csv for csv of which no program makes formulas",
        "FORM",
        choices=FORMS,
        needed=True,
    )
    out: str = option("-", "a file, or a folder for a file for each capture; default: standard output", "PATH")
    types: tuple[int, ...] | None = option(
        None, "message types to give, such as 1-3,5 (default: all)", "N,M-K", type_list
    )
    rejects: str | None = option(None, "write the lines that are no message there, each with the reason", "FILE")
    start_time: datetime | None = option(None, "time of all lines of a capture without a clock", "T", moment)


@dataclass(frozen=True, kw_only=True)
class SimulateOptions:
    """What a simulated sea holds; the same options give the same files."""

    scenarios: tuple[str, ...] = option(
        None,
        "only scenes of this name or family (may be given again); default: all of docs/simulator.md",
        "NAME",
        flag="scenario",
        nargs="*",
    )
    style: Literal["first", "second"] = option(
        "first",
        "which simulator; the second shares nothing with the first (docs/second_sea.md)",
        "STYLE",
        choices=("first", "second"),
    )
    seed: int = option("1", "the same seed gives the same files (default {default})", "N", int)
    days: float = option("2", "how long it lasts (default {default})", "D", float)
    transfers: int = option("20", "scenes of transfers (default {default})", "N", whole(0))
    look_alikes: int = option("40", "scenes of look-alikes (default {default})", "N", whole(0), flag="look-alikes")
    background: int = option("120", "ships in no scene (default {default})", "N", whole(0))
    voyages: bool = option(help="a sea in which ships go from port to port for weeks, see docs/simulator.md")
    start_time: datetime | None = option(None, "when it begins (default 2025-03-10T00:00:00Z)", "T", moment)


@dataclass(frozen=True, kw_only=True)
class SeaOptions:
    """How simulated seas are watched."""

    cache: Path | None = option(None, "folder to keep watched seas in, so that none is made twice", "DIR", Path)
    workers: int = option("1", "seas side by side, some 5 minutes and 5 GB each (default {default})", "N", whole(1))


@dataclass(frozen=True, kw_only=True)
class TrainOptions(SeaOptions):
    """What a scorecard is trained on; the project's own seeds where none are given."""

    seeds: tuple[int, ...] | None = option(None, "seeds of the sea (default 1-4)", "N-M", seed_list)


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(SeaOptions):
    """What a scorecard is evaluated on; the project's own seeds where none are given."""

    scorecard: Path | None = option(None, "a file of `stswatch train` (default: the project's)", "FILE", Path)
    seeds: tuple[int, ...] | None = option(None, "seeds of the sea it learned from (default 101-104)", "N-M", seed_list)
    shifted: tuple[int, ...] | None = option(None, "seeds of the shifted sea (default 201-202)", "N-M", seed_list)
    second: tuple[int, ...] | None = option(None, "seeds of the second simulator (default 1901-1902)", "N-M", seed_list)
    silences: tuple[int, ...] | None = option(
        None, "seeds of seas of weeks to judge silences, identity, checks and calls on too", "N-M", seed_list
    )
    dark: tuple[int, ...] | None = option(
        None, "seeds of seas of weeks to judge meetings in the dark on too", "N-M", seed_list
    )
    archives: tuple[Path, ...] = option(
        None, "a real archive to count leads in; may be given again", "FILE", Path, flag="archive", nargs="*"
    )
    pair: tuple[int, int] | None = option(None, "two MMSI of which it is known that they met there", "A,B", two_mmsi)


_O = TypeVar("_O")
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


def chosen(kind: type[_O], options: _O | None, also: Mapping[str, Any]) -> _O:
    """The options that were given, those among keywords before the others. Raises TypeError for a name that is none."""
    return replace(options or kind(), **also)  # type: ignore[type-var]
