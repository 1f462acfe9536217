"""Which column of a table is which: names that are recognised, and the file that `--columns FILE` takes.

A table (CSV, gzip CSV or Parquet) whose header has names as in HEADERS is read without further ado, case,
blanks and punctuation aside. For any other, a TOML file says which column is which; mmsi, time, lon and lat
must be named:

    receiver = "terrestrial"        # terrestrial, satellite or unknown (the default)
    delimiter = ";"                 # of a CSV; found out where it is not given

    [columns]                       # our name = "theirs"
    mmsi = "ShipID"
    time = "Received"
    lon = "X"
    lat = "Y"
    sog_kn = "Speed"                # the rest is optional: sog_kn, cog_deg, heading_deg, status, imo, name,
    imo = "IMO"                     # call_sign, ship_type, length_m, beam_m, draught_m, destination

    [time]
    format = "%d/%m/%Y %H:%M:%S"    # "auto" (the default: ISO 8601, or an epoch whose unit its size tells),
                                    # "s", "ms", "us", or a pattern as strptime takes it
    zone = "Asia/Seoul"             # of times that name no zone themselves; UTC where it is not given
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from stswatch.pipeline.readers.base import Place, SourceError

HEADERS: Mapping[str, tuple[str, ...]] = {  # our name -> theirs, in small letters and digits alone, best first
    "mmsi": ("mmsi", "mmsinumber", "usermmsi", "ssvid"),
    "time": (
        "time",
        "timestamp",
        "datetime",
        "basedatetime",
        "timestamputc",
        "datetimeutc",
        "timeutc",
        "epoch",
        "ts",
    ),
    "lon": ("lon", "longitude", "long", "lng", "londeg"),
    "lat": ("lat", "latitude", "latdeg"),
    "sog_kn": ("sogkn", "sog", "speed", "speedoverground", "speedkn", "speedknots"),
    "cog_deg": ("cogdeg", "cog", "course", "courseoverground", "coursedeg"),
    "heading_deg": ("headingdeg", "heading", "trueheading", "hdg"),
    "status": ("status", "navstatus", "navigationalstatus", "navigationstatus"),
    "imo": ("imo", "imonumber"),
    "name": ("name", "vesselname", "shipname"),
    "call_sign": ("callsign",),
    "ship_type": ("shiptype", "vesseltype", "shiptypecode"),
    "length_m": ("lengthm", "length", "loa"),
    "beam_m": ("beamm", "beam", "width", "breadth"),
    "draught_m": ("draughtm", "draught", "draft"),
    "destination": ("destination", "dest"),
}
NEEDED = ("mmsi", "time", "lon", "lat")
RECEIVERS = ("terrestrial", "satellite", "unknown")
_SECTIONS = ("columns", "time", "receiver", "delimiter")


@dataclass(frozen=True)
class TimeFormat:
    """How the time column is written."""

    format: str = "auto"  # auto, s, ms, us or a strptime pattern
    zone: str = "UTC"  # of times that name none


@dataclass(frozen=True)
class ColumnMap:
    """What a TOML file says of a table."""

    columns: tuple[tuple[str, str], ...]  # (our name, their name)
    time: TimeFormat = TimeFormat()
    receiver: str = "unknown"
    delimiter: str | None = None


def plain(name: str) -> str:
    """A column name in small letters and digits alone.

    >>> plain("# Timestamp"), plain("Base_Date_Time")
    ('timestamp', 'basedatetime')
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def recognise(header: Sequence[str]) -> dict[str, int]:
    """Our name -> index of their column, for all that are recognised; never raises.

    >>> recognise(["MMSI", "timestamp", "lat", "lon", "sog", "cog", "track"])
    {'mmsi': 0, 'time': 1, 'lon': 3, 'lat': 2, 'sog_kn': 4, 'cog_deg': 5}
    """
    theirs = [plain(name) for name in header]
    found = {}
    for ours, names in HEADERS.items():
        known = [name for name in names if name in theirs]
        if known:
            found[ours] = theirs.index(known[0])
    return found


def find(place: Place, header: Sequence[str], asked: ColumnMap | None) -> tuple[tuple[str, int], ...]:
    """(our name, index of their column), by map or names. Raises SourceError where a needed one lacks."""
    listed = ", ".join(repr(name) for name in header[:40])
    if asked is None:
        found = recognise(header)
        missing = [name for name in NEEDED if name not in found]
        if missing:
            raise SourceError(
                f"{place}: has no column for {', '.join(missing)} among {listed};"
                " say which column is which in a TOML file and give it with --columns FILE"
            )
        return tuple(found.items())
    absent = [theirs for _, theirs in asked.columns if theirs not in header]
    if absent:
        raise SourceError(
            f"{place}: has no column {', '.join(map(repr, absent))}, which --columns names;"
            f" correct the map, the table has {listed}"
        )
    return tuple((ours, header.index(theirs)) for ours, theirs in asked.columns)


def load(path: Path) -> ColumnMap:
    """Read a column map. Raises SourceError where it is none, has unknown entries or lacks needed ones."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(
            f"{path}: is not a TOML file ({error}); correct it, `stswatch run --help` shows one"
        ) from error
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}); check the path given with --columns") from error
    _only(path, "", given, _SECTIONS)
    columns, time = _section(path, given, "columns"), _section(path, given, "time")
    _only(path, "[columns] ", columns, tuple(HEADERS))
    _only(path, "[time] ", time, ("format", "zone"))
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise SourceError(f"{path}: [columns] does not say which column is {', '.join(missing)}; add it")
    receiver = given.get("receiver", "unknown")
    if receiver not in RECEIVERS:
        raise SourceError(f"{path}: receiver = {receiver!r}; it must be one of {', '.join(RECEIVERS)}")
    delimiter = given.get("delimiter")
    if delimiter is not None and (not isinstance(delimiter, str) or len(delimiter) != 1):
        raise SourceError(f"{path}: delimiter = {delimiter!r}; it must be one character")
    return ColumnMap(tuple(columns.items()), _time_format(path, time), receiver, delimiter)


def _section(path: Path, given: dict[str, Any], name: str) -> dict[str, str]:
    section = given.get(name, {})
    if not isinstance(section, dict) or not all(isinstance(value, str) for value in section.values()):
        raise SourceError(f'{path}: {name} must be a section [{name}] with lines such as name = "text"')
    return section


def _only(path: Path, where: str, given: Mapping[str, Any], known: Sequence[str]) -> None:
    strange = [name for name in given if name not in known]
    if strange:
        raise SourceError(f"{path}: {where}{', '.join(strange)} is not known; known are {', '.join(known)}")


def _time_format(path: Path, time: Mapping[str, str]) -> TimeFormat:
    wanted = TimeFormat(**time)
    if wanted.format not in ("auto", "s", "ms", "us") and "%" not in wanted.format:
        raise SourceError(f'{path}: [time] format = {wanted.format!r}; use "auto", "s", "ms", "us" or a % pattern')
    try:
        ZoneInfo(wanted.zone)
    except (ValueError, OSError, KeyError) as error:
        raise SourceError(
            f"{path}: [time] zone = {wanted.zone!r} is no time zone; give one such as Asia/Seoul"
        ) from error
    return wanted
