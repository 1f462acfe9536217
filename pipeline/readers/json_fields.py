"""Which field of JSON records is which: found out from some of them, nested ones too.

A record is read from the sentences that it carries, where it carries any, else from fields named as the columns of any
other table (HEADERS), or from the coordinates of a GeoJSON point.

Of AIS-catcher `toa` is when a message was received first, where another program told it, `rxuxtime` when AIS-catcher
received it, both in s since 1970, and `rxtime` the same as YYYYMMDDHHMMSS in UTC. `timestamp` in it is the clock of a
base station and `second` that of a ship.

Source: https://docs.aiscatcher.org/references/JSON-decoding/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from stswatch.pipeline.readers.column_map import HEADERS, NEEDED
from stswatch.pipeline.readers.vocabulary import plain

NUMBER, TEXT, TEXTS, NUMBERS, FLAG = "number", "text", "texts", "numbers", "flag"
KINDS: Mapping[str, pa.DataType] = {
    NUMBER: pa.float64(),
    TEXT: pa.string(),
    TEXTS: pa.list_(pa.string()),
    NUMBERS: pa.list_(pa.float64()),
    FLAG: pa.bool_(),
}
SENTENCE = re.compile(r"[!$][A-Z0-9-]{2}VD[MO],")
STAMPS = ("toa", "rxuxtime", "rxtime")  # of AIS-catcher, best first
OTHER_TIMES = ("timestampexternal", "received", "receivedat", "receivetime", "rxtimestamp", "arrival", "date", "utc")
STATIONS = ("stationid", "station", "stationname", "receiverid")
_DEPTH = 4  # fields of fields
_FIELDS = 400  # of a record; more are not looked at

Path = tuple[str, ...]


@dataclass(frozen=True)
class Field:
    """A field of a record, by the names that lead to it."""

    path: Path
    kind: str  # of KINDS

    def __str__(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True)
class Fields:
    """What is read of each record; picklable. Names are ours, `sentences`, `point`, `scaled`, and those of STAMPS."""

    found: tuple[tuple[str, Field], ...]

    def get(self, name: str) -> Field | None:
        """The field by its name here."""
        return dict(self.found).get(name)

    @property
    def times(self) -> list[str]:
        """The names of what tells the time, best first."""
        return [name for name in (*STAMPS, "time") if self.get(name)]


def fields_of(sample: Sequence[Mapping[str, Any]], also: Mapping[str, tuple[str, ...]] | None = None) -> Fields:
    """What of these records is known by its name; never raises. also: names beside those of HEADERS.

    >>> record = {"rxtime": "20250310120000", "nmea": ["!AIVDM,1,1,,A,16K29hAP018qrW0EphL7CUtD0000,0*45"]}
    >>> [(name, str(field), field.kind) for name, field in fields_of([record]).found]
    [('sentences', 'nmea', 'texts'), ('rxtime', 'rxtime', 'text')]
    """
    kinds = _kinds(sample)
    of_catcher = is_catcher(sample)
    found = {}
    holders = [path for path, values in kinds.items() if _carry_sentences(values)]
    if holders:
        found["sentences"] = min(holders, key=_order)
    names: dict[str, tuple[str, ...]] = {name: (name,) for name in STAMPS}
    names["station"] = STATIONS
    names |= dict(HEADERS) | {"time": HEADERS["time"] + OTHER_TIMES}
    names |= {name: names[name] + more for name, more in (also or {}).items()}
    if of_catcher:
        names |= {"msg_type": ("type",), "time": (), "scaled": ("scaled",)}
    for ours, theirs in names.items():
        known = [path for path in kinds if plain(path[-1]) in theirs and path not in found.values()]
        if ours == "time":
            known = [path for path in known if not _are_utc_seconds(kinds[path])]
        if known:
            found[ours] = min(known, key=lambda path: (theirs.index(plain(path[-1])), *_order(path)))
    points = [path for path in kinds if path[-2:] == ("geometry", "coordinates")]
    if points and not {"lon", "lat"} <= set(found):
        found["point"] = points[0]
    fields = {name: Field(path, _kind(kinds[path])) for name, path in found.items()}
    wanted = {"point": (NUMBERS,), "sentences": (TEXT, TEXTS), "scaled": (FLAG,)}
    return Fields(tuple((n, f) for n, f in fields.items() if f.kind in wanted.get(n, (NUMBER, TEXT))))


def is_catcher(sample: Sequence[Mapping[str, Any]]) -> bool:
    """Whether records are as AIS-catcher (or gpsd) writes them."""
    return bool(sample) and all(each.get("class") == "AIS" for each in sample)


def usable(fields: Fields) -> bool:
    """Whether records of these fields can be read: sentences, or positions with a vessel and a time."""
    names = {name for name, _ in fields.found}
    timed = bool(names & {"time", *STAMPS})
    placed = {"lon", "lat"} <= names or "point" in names
    return "sentences" in names or ("mmsi" in names and timed and placed)


def missing(fields: Fields) -> list[str]:
    """Which of the needed names no field has."""
    names = {name for name, _ in fields.found} | ({"time"} if fields.times else set())
    names |= {"lon", "lat"} if "point" in names else set()
    return [name for name in NEEDED if name not in names]


def paths_of(sample: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of all fields, those of fields of fields with dots."""
    return [".".join(path) for path in _kinds(sample)]


def field_paths(sample: Sequence[Mapping[str, Any]]) -> dict[str, Field]:
    """The fields by such names."""
    return {".".join(path): Field(path, _kind(values)) for path, values in _kinds(sample).items()}


def _kinds(sample: Sequence[Mapping[str, Any]]) -> dict[Path, list[Any]]:
    """The values of each field that is no object."""
    found: dict[Path, list[Any]] = {}
    for record in sample:
        for path, value in _leaves(record, ()):
            if len(found) < _FIELDS or path in found:
                found.setdefault(path, []).append(value)
    return found


def _leaves(record: Mapping[str, Any], before: Path) -> Iterator[tuple[Path, Any]]:
    for name, value in record.items():
        if isinstance(value, dict):
            if len(before) < _DEPTH:
                yield from _leaves(value, (*before, name))
        else:
            yield (*before, name), value


def _are_utc_seconds(values: Sequence[Any]) -> bool:
    """Whether a field is the second within a minute that a message of AIS carries (60 to 63: not available)."""
    return all(isinstance(each, int | float) and 0 <= each <= 63 for each in values if each is not None)


def _order(path: Path) -> tuple[int, Path]:
    return len(path), path


def _carry_sentences(values: Sequence[Any]) -> bool:
    texts = [each for value in values for each in (value if isinstance(value, list) else [value])]
    return any(isinstance(each, str) and SENTENCE.search(each) for each in texts)


def _kind(values: Sequence[Any]) -> str:
    """The kind that the first value has which has one."""
    for value in values:
        if isinstance(value, bool):
            return FLAG
        if isinstance(value, int | float):
            return NUMBER
        if isinstance(value, str):
            return TEXT
        if isinstance(value, list) and value:
            return NUMBERS if all(isinstance(each, int | float) for each in value) else TEXTS
    return TEXT
