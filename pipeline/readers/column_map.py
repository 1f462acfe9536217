"""Which column of a table is which: names that are recognised, and the file that `--columns FILE` takes.

A table (CSV or Parquet) whose header has names as in HEADERS is read without further ado, case, blanks and punctuation
aside. For any other, a TOML file says which column is which, and how what stands in them is written. docs/formats.md
explains each line:

    receiver = "terrestrial"        # terrestrial, satellite or unknown (the default)
    licence = "bought, not to be passed on"
    delimiter = ";"                 # of a CSV; found out where it is not given
    decimal = ","                   # of numbers in a CSV
    encoding = "cp949"              # of its text; found out where it is not given
    ids = "any"                     # what stands in mmsi is no MMSI, see values.py; "mmsi" is the default

    [columns]                       # our name = "theirs"; mmsi, time, lon and lat must be named
    mmsi = "ShipID"
    time = "Received"
    lon = "X"
    lat = "Y"
    sog_kn = "Speed"                # the rest is optional, see HEADERS
    status = "State"

    [factors]                       # theirs times this is ours
    sog_kn = 1.943844               # from metres per second; or the unit itself, "m/s"

    [words.status]                  # what they write = what AIS says
    "fast to the pier" = 5

    [time]
    format = "%d/%m/%Y %H:%M:%S"    # "auto" (the default: found out), a name of TIME_FORMATS, a pattern as strptime
                                    # takes it, or several of them: ["iso", "ms"]
    zone = "Asia/Seoul"             # of times that name no zone themselves; UTC where it is not given
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from stswatch.pipeline.readers.column_names import (
    HEADERS,
    UNITS,
    lacking,
    listed,
    recognise,
    unit_of,
    without,
)
from stswatch.pipeline.readers.source import IDS, SourceError, SourcePlace
from stswatch.pipeline.readers.text import known
from stswatch.pipeline.readers.values import plain
from stswatch.pipeline.schema import RECEIVERS
from stswatch.regular_files import read_regular

if TYPE_CHECKING:
    from stswatch.pipeline.readers.values import Numbering

AUTO = "auto"
TIME_FORMATS = ("iso", "s", "ms", "us", "ns", "compact", "excel", "excel1904", "day_first", "month_first")
WORDED = ("status", "ship_type", "msg_type", "receiver")  # what a table may say in words, see values.py
_NUMBERS = tuple(
    name
    for name in HEADERS
    if name not in (*WORDED, "mmsi", "time", "date", "imo", "name", "call_sign", "destination", "station")
)
_SECTIONS = ("columns", "factors", "words", "time", "receiver", "licence", "delimiter", "decimal", "encoding", "ids")


@dataclass(frozen=True)
class TimeFormat:
    """How the time column is written."""

    formats: tuple[str, ...] = (AUTO,)  # names of TIME_FORMATS or strptime patterns, tried in this order
    zone: str = "UTC"  # of times that name none
    clock: str = ""  # form of the times of day, where dates stand in a column of their own, see time_values.py
    day: date | None = None  # of ingest: no time after it decides what the form is
    found: bool = False  # by looking at the column, see time_columns.py


@dataclass(frozen=True)
class Writing:
    """How the values of a table are written; hashable and picklable."""

    time: TimeFormat = TimeFormat()
    factors: tuple[tuple[str, float], ...] = ()  # our name -> what theirs is to be multiplied by
    words: tuple[tuple[str, tuple[tuple[str, int | str], ...]], ...] = ()  # our name -> plain word -> what AIS says
    decimal: str = "."
    ids: Numbering | None = None  # of ids that are no MMSI
    numbered: bool = False  # such numbers stand among the MMSI, as in rows of the lake
    east_360: bool = False  # longitudes run from 0 to 360

    def factor(self, name: str) -> float:
        """What a column is to be multiplied by."""
        return dict(self.factors).get(name, 1.0)

    def words_of(self, name: str) -> dict[str, int | str]:
        """What the words of a column mean, beside those that all tables share."""
        return dict(dict(self.words).get(name, ()))


PLAINLY_WRITTEN = Writing()


@dataclass(frozen=True)
class ColumnMap:
    """What a TOML file says of a table."""

    columns: tuple[tuple[str, str], ...] = ()  # (our name, their name); by the usual names where there is none
    writing: Writing = PLAINLY_WRITTEN
    receiver: str | None = None
    licence: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    ids: str = "mmsi"


def time_columns(
    header: Sequence[str], asked: ColumnMap | None, also: Mapping[str, tuple[str, ...]] | None = None
) -> tuple[list[int], list[int]]:
    """Indices of the columns that may hold the time, and of those that may hold dates, best first; never raises.

    >>> time_columns(["mmsi", "Timestamp", "day", "time_utc"], None)
    ([1, 3], [2])
    """
    found = []
    for ours in ("time", "date"):
        names = (*HEADERS[ours], *(also or {}).get(ours, ()))
        theirs = [plain(name) for name in header]
        places = [theirs.index(name) for name in names if name in theirs]
        if asked is not None and asked.columns:
            places = [header.index(name) for known, name in asked.columns if known == ours]
        found.append(places)
    return found[0], found[1]


def find(
    place: SourcePlace,
    header: Sequence[str],
    asked: ColumnMap | None,
    also: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[tuple[str, int], ...]:
    """(our name, index of their column), by map or names. Raises SourceError where a needed one lacks."""
    if asked is None or not asked.columns:
        found = recognise(header, also)
        missing = lacking(found)
        if missing:
            raise without(f"{place}: has no column for", missing, header, {n: header[at] for n, at in found.items()})
        return tuple(found.items())
    absent = [theirs for _, theirs in asked.columns if theirs not in header]
    if absent:
        raise SourceError(
            f"{place}: has no column {', '.join(map(repr, absent))}, which `columns` names;"
            f" correct the map, the table has {listed(header)}"
        )
    return tuple((ours, header.index(theirs)) for ours, theirs in asked.columns)


def load(path: Path) -> ColumnMap:
    """Read a column map. Raises SourceError where it is none, has unknown entries or lacks needed ones."""
    try:
        given = tomllib.loads(read_regular(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(
            f"{path}: is not a TOML file ({error}); correct it, `stswatch run --help` shows one"
        ) from error
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}); check the path given with `columns`") from error
    _only(path, "", given, _SECTIONS)
    columns = _section(path, given, "columns", str)
    _only(path, "[columns] ", columns, tuple(HEADERS))
    missing = lacking(columns) if columns else []
    if missing:
        raise SourceError(f"{path}: [columns] does not say which column is {', '.join(missing)}; add it")
    factors = _factors(path, given)
    decimal = _one_of(path, given, "decimal", (".", ",")) or "."
    writing = Writing(_time_format(path, given), tuple(factors.items()), _words(path, given), decimal)
    return ColumnMap(
        tuple(columns.items()),
        writing,
        _one_of(path, given, "receiver", RECEIVERS),
        _text(path, given, "licence"),
        _delimiter(path, given),
        _encoding(path, given),
        _one_of(path, given, "ids", IDS) or "mmsi",
    )


def _encoding(path: Path, given: Mapping[str, Any]) -> str | None:
    asked = _text(path, given, "encoding")
    found = None if asked is None else known(asked)
    if asked is not None and found is None:
        raise SourceError(
            f'{path}: encoding = {asked!r} is not read; use "utf-8", "utf-16", "cp949", "gb18030" or another'
        )
    return found


def _factors(path: Path, given: Mapping[str, Any]) -> dict[str, float]:
    """Numbers, or units such as "m/s" and "1/10 knot", as what theirs is to be multiplied by. Raises SourceError."""
    factors = _section(path, given, "factors", int, float, str)
    _only(path, "[factors] ", factors, _NUMBERS)
    for ours, value in factors.items():
        if isinstance(value, str):
            factor = unit_of(ours, value)
            if factor is None:
                some = ", ".join([f'"{unit}"' for unit in UNITS.get(ours, {})][:8])
                raise SourceError(
                    f"{path}: [factors] {ours} = {value!r} is no unit that is known; give a number, or one of {some}"
                )
            factors[ours] = factor
    return factors


def _one_of(path: Path, given: Mapping[str, Any], name: str, known: Sequence[str]) -> str | None:
    value: str | None = given.get(name)
    if value is not None and value not in known:
        raise SourceError(f"{path}: {name} = {value!r}; it must be one of {', '.join(known)}")
    return value


def _text(path: Path, given: Mapping[str, Any], name: str) -> str | None:
    value: str | None = given.get(name)
    if value is not None and not isinstance(value, str):
        raise SourceError(f"{path}: {name} = {value!r}; it must be a text in quotes")
    return value


def _delimiter(path: Path, given: Mapping[str, Any]) -> str | None:
    delimiter = _text(path, given, "delimiter")
    if delimiter is not None and len(delimiter) != 1:
        raise SourceError(f"{path}: delimiter = {delimiter!r}; it must be one character")
    return delimiter


def _words(path: Path, given: Mapping[str, Any]) -> tuple[tuple[str, tuple[tuple[str, int | str], ...]], ...]:
    sections = given.get("words", {})
    if not isinstance(sections, dict):
        raise SourceError(f'{path}: words must be sections such as [words.status] with lines such as "moored" = 5')
    _only(path, "[words] ", sections, WORDED)
    tables = []
    for name in sections:
        section = _section(path, sections, name, str if name == "receiver" else int)
        for word in section:
            if name == "receiver":
                _one_of(path, section, word, RECEIVERS)
        tables.append((name, tuple((plain(word), value) for word, value in section.items())))
    return tuple(tables)


def _section(path: Path, given: Mapping[str, Any], name: str, *kinds: type) -> dict[str, Any]:
    section = given.get(name, {})
    good = isinstance(section, dict) and all(isinstance(v, kinds) and v is not True for v in section.values())
    if not good:
        example = 'name = "text"' if kinds == (str,) else "name = 1"
        raise SourceError(f"{path}: {name} must be a section [{name}] with lines such as {example}")
    return dict(section)


def _only(path: Path, where: str, given: Mapping[str, Any], known: Sequence[str]) -> None:
    strange = [name for name in given if name not in known]
    if strange:
        raise SourceError(f"{path}: {where}{', '.join(strange)} is not known; known are {', '.join(known)}")


def _time_format(path: Path, given: Mapping[str, Any]) -> TimeFormat:
    """What the section [time] says. Raises SourceError."""
    time = given.get("time", {})
    if not isinstance(time, dict):
        raise SourceError(f'{path}: time must be a section [time] with lines such as format = "iso"')
    _only(path, "[time] ", time, ("format", "zone"))
    formats, zone = time.get("format", AUTO), time.get("zone", "UTC")
    formats = tuple(formats) if isinstance(formats, list) else (formats,)
    for name in formats or ("",):
        if not isinstance(name, str) or (name not in (AUTO, *TIME_FORMATS) and "%" not in name):
            known = ", ".join(f'"{name}"' for name in (AUTO, *TIME_FORMATS))
            raise SourceError(f"{path}: [time] format = {name!r}; use {known}, a % pattern, or a list of these")
    try:
        ZoneInfo(zone)
    except (TypeError, ValueError, OSError, KeyError) as error:
        raise SourceError(f"{path}: [time] zone = {zone!r} is no time zone; give one such as Asia/Seoul") from error
    return TimeFormat(formats, zone)
