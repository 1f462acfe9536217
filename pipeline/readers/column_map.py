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
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from stswatch.pipeline.readers.base import IDS, Place, SourceError
from stswatch.pipeline.readers.column_units import UNITS, named_unit, unit_of
from stswatch.pipeline.readers.text import known
from stswatch.pipeline.readers.values import plain
from stswatch.pipeline.schema import RECEIVERS
from stswatch.pipeline.untrusted import escaped

if TYPE_CHECKING:
    from stswatch.pipeline.readers.values import Numbering

HEADERS: Mapping[str, tuple[str, ...]] = {  # our name -> theirs, in small letters and digits alone, best first
    "mmsi": ("mmsi", "mmsinumber", "usermmsi", "userid", "ssvid"),
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
        "msgtime",
        "timestampms",
        "epochms",
        "unixtime",
        "unixtimestamp",
        "epochtime",
        "utctime",
        "utctimestamp",
        "utc",
        "receivedat",
        "receivedtime",
        "timereceived",
        "receivetime",
        "rxtime",
        "msgtimestamp",
        "messagetime",
        "messagetimestamp",
        "positiontime",
        "positiontimestamp",
        "lastpositionepoch",
        "recordtime",
        "eventtime",
        "timeofday",
        "clock",
    ),
    "date": ("date", "dateutc", "utcdate", "day", "basedate", "msgdate", "messagedate", "positiondate", "datestamp"),
    "lon": ("lon", "longitude", "long", "lng", "londeg"),
    "lat": ("lat", "latitude", "latdeg"),
    "sog_kn": ("sogkn", "sog", "speed", "speedoverground", "speedkn", "speedknots"),
    "cog_deg": ("cogdeg", "cog", "course", "courseoverground", "coursedeg"),
    "heading_deg": ("headingdeg", "heading", "trueheading", "hdg"),
    "status": ("status", "navstatus", "navstat", "navigationalstatus", "navigationstatus"),
    "msg_type": ("msgtype", "messagetype", "messageid", "messagenr", "typeofmobile"),
    "receiver": ("receiver", "receivertype", "collectiontype", "datasourcetype", "src"),
    "imo": ("imo", "imonumber", "imonr"),
    "name": ("name", "vesselname", "shipname"),
    "call_sign": ("callsign",),
    "ship_type": ("shiptype", "vesseltype", "shiptypecode"),
    "length_m": ("lengthm", "length", "loa"),
    "beam_m": ("beamm", "beam", "width", "breadth"),
    "to_bow_m": ("tobowm", "tobow", "dimbow", "dimensiontobow"),
    "to_stern_m": ("tosternm", "tostern", "dimstern", "dimensiontostern"),
    "to_port_m": ("toportm", "toport", "dimport", "dimensiontoport"),
    "to_starboard_m": ("tostarboardm", "tostarboard", "dimstarboard", "dimstar", "dimensiontostarboard"),
    "draught_m": ("draughtm", "draught", "draft"),
    "destination": ("destination", "dest"),
}
OTHER_IDS = (
    "id",
    "vesselid",
    "shipid",
    "vessel",
    "ship",
    "trackid",
    "trajectoryid",
    "objectid",
    "identifier",
    "anonid",
)
AUTO = "auto"
TIME_FORMATS = ("iso", "s", "ms", "us", "ns", "compact", "excel", "excel1904", "day_first", "month_first")
NEEDED = ("mmsi", "time", "lon", "lat")
WORDED = ("status", "ship_type", "msg_type", "receiver")  # what a table may say in words, see values.py
_NUMBERS = tuple(
    name for name in HEADERS if name not in (*WORDED, "mmsi", "time", "date", "imo", "name", "call_sign", "destination")
)
_SECTIONS = ("columns", "factors", "words", "time", "receiver", "licence", "delimiter", "decimal", "encoding", "ids")
_NAME_LETTERS = 64  # of a name in a message
_LONGEST_NAME, _MAP_LETTERS = 200, 8_000  # letters in a map to copy: of a name, of all


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


AS_USUAL = Writing()


@dataclass(frozen=True)
class ColumnMap:
    """What a TOML file says of a table."""

    columns: tuple[tuple[str, str], ...] = ()  # (our name, their name); by the usual names where there is none
    writing: Writing = AS_USUAL
    receiver: str | None = None
    licence: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    ids: str = "mmsi"


def recognise(header: Sequence[str], also: Mapping[str, tuple[str, ...]] | None = None) -> dict[str, int]:
    """Our name -> index of their column, for all that are recognised; never raises.

    also: names that one format has beside those of HEADERS.

    >>> recognise(["MMSI", "timestamp", "lat", "lon", "sog", "cog", "track"])
    {'mmsi': 0, 'time': 1, 'lon': 3, 'lat': 2, 'sog_kn': 4, 'cog_deg': 5}
    """
    theirs = [plain(name) for name in header]
    found = {}
    for ours, names in HEADERS.items():
        known = [name for name in (*names, *(also or {}).get(ours, ())) if name in theirs]
        if known:
            found[ours] = theirs.index(known[0])
            continue
        for index, name in enumerate(header):
            if named_unit(name, ours, HEADERS) is not None:
                found.setdefault(ours, index)
    return found


def betrayed(header: Sequence[str], columns: Mapping[str, int]) -> dict[str, float]:
    """What the values of columns whose names betray another unit are to be multiplied by, by our name; never raises.

    >>> betrayed(["mmsi", "speed_x10"], {"mmsi": 0, "sog_kn": 1})
    {'sog_kn': 0.1}
    """
    found = {}
    for ours, index in columns.items():
        factor = None if plain(header[index]) in HEADERS[ours] else named_unit(header[index], ours, HEADERS)
        if factor is not None and factor != 1.0:
            found[ours] = factor
    return found


def lacking(found: Collection[str]) -> list[str]:
    """What is needed and was not found; a date may stand for the time, which is looked at later."""
    return [name for name in NEEDED if name not in found and not (name == "time" and "date" in found)]


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
    place: Place, header: Sequence[str], asked: ColumnMap | None, also: Mapping[str, tuple[str, ...]] | None = None
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


def without(said: str, missing: Sequence[str], theirs: Sequence[str], found: Mapping[str, str]) -> SourceError:
    """What to say of a table or records that lack what is needed, with a column map to copy.

    said: the beginning of the sentence; theirs: all their names, found: our name -> theirs. The map stands in the
    sentence as one line of TOML, and with all our names as the note of the error.
    """
    known = {n: found.get(n, "?") for n in HEADERS if n in NEEDED or n in found}
    pairs = ", ".join(f"{n} = {quoted(name if len(name) <= _LONGEST_NAME else '?')}" for n, name in known.items())
    error = SourceError(
        f"{said} {', '.join(missing)} among {listed(theirs)};{_other_ids(missing, theirs)} say which is which in a"
        " TOML file and give it with `columns=FILE`, for instance of this line with a name for each ?:"
        f" columns = {{{pairs}}}"
    )
    error.add_note(map_to_copy(theirs, found))
    return error


def map_to_copy(theirs: Sequence[str], found: Mapping[str, str]) -> str:
    """A column map in TOML with what is known filled in, to be saved, edited and given as `columns`; of all names.

    >>> tomllib.loads(map_to_copy(["Ship", "lat"], {"lat": "lat"}))["columns"]
    {'mmsi': '?', 'time': '?', 'lon': '?', 'lat': 'lat'}
    """
    lines = ["# save as columns.toml, put the names of the table for each ?, and give it as `columns`"]
    lines += ["[columns]  # our name = theirs"]
    for ours in HEADERS:
        known = quoted(found[ours]) if ours in found and len(found[ours]) <= _LONGEST_NAME else '"?"'
        lines.append(f"{ours} = {known}" if ours in found or ours in NEEDED else f'# {ours} = "?"')
    left = [quoted(name) for name in theirs if name not in found.values() and len(name) <= _LONGEST_NAME]
    shown, size = [], 0
    for name in left:
        size += len(name) + 2
        if size > _MAP_LETTERS:
            break
        shown.append(name)
    more = f" and {len(left) - len(shown):,} more" if len(left) > len(shown) else ""
    return "\n".join([*lines, f"# not used yet: {', '.join(shown) or 'none'}{more}"])


def quoted(name: str) -> str:
    """A name as a TOML string.

    >>> quoted('a "b"'), quoted("\\x1b")
    ('"a \\\\"b\\\\""', '"\\\\u001b"')
    """
    letters = (f"\\{c}" if c in '\\"' else c if c.isprintable() else f"\\u{ord(c) % 0x10000:04x}" for c in name)
    return f'"{"".join(letters)}"'


def _other_ids(missing: Sequence[str], header: Sequence[str]) -> str:
    """What to do where a table has ids of vessels that are no MMSI."""
    found = next((name for name in header if plain(name) in OTHER_IDS), None) if "mmsi" in missing else None
    if found is None:
        return ""
    return f" if {found[:_NAME_LETTERS]!r} names vessels otherwise than by MMSI, give `ids=any`, else"


def listed(names: Sequence[str], at_most: int = 2_800) -> str:
    """All names for a message, up to so many letters of them; a long one is cut.

    >>> listed(["mmsi", "lon"]), listed(["mmsi", "lon"], 5)
    ("'mmsi', 'lon'", "'mmsi' and 1 more")
    """
    shown: list[str] = []
    for name in names:
        shown.append(f"'{escaped(name, _NAME_LETTERS)}'")
        at_most -= len(shown[-1]) + 2
        if at_most < 0:
            break
    more = f" and {len(names) - len(shown):,} more" if len(names) > len(shown) else ""
    return ", ".join(shown) + more


def load(path: Path) -> ColumnMap:
    """Read a column map. Raises SourceError where it is none, has unknown entries or lacks needed ones."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
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
        told = _section(path, sections, name, str if name == "receiver" else int)
        for word in told:
            if name == "receiver":
                _one_of(path, told, word, RECEIVERS)
        tables.append((name, tuple((plain(word), value) for word, value in told.items())))
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
