"""What others saw or know, from a TOML or JSON file into the log: sightings, photographs, imagery, registers, replies.

An observation never changes a score. It stands beside the events that are near it within the errors of both, or that it
names itself; how far to trust it is said by whoever enters it, in the grades of the Admiralty code.

Source: NATO AJP-2.1 (Admiralty code): reliability of the source A to F, credibility of the information 1 to 6.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stswatch.errors import StswatchError
from stswatch.pipeline.evidence.upkeep import Recorded, checked_name, show
from stswatch.pipeline.store import case_log
from stswatch.pipeline.store.case_tables import OBSERVATION
from stswatch.pipeline.times import iso
from stswatch.regular_files import read_regular

KINDS = ("sighting", "photograph", "eo", "sar", "registry", "reply")
_PLACED = ("sighting", "photograph", "eo", "sar")  # what is nothing without time and place
_GRADE = re.compile(r"[A-F][1-6]")
_MOST_BYTES = 1 << 20


class ObservationError(StswatchError, ValueError):
    """A file that is no observation; the message says which field lacks or what it holds, and what is expected."""


def observe(data: Path, path: Path, author: str, exercise: str | None = None, now: datetime | None = None) -> Recorded:
    """Write an observation from a file into the log. Raises ObservationError, CaseLogError, StoreError, OSError.

    A file whose content stands in the log already, of this exercise or live, is not written again.
    """
    body, when = read(path), now or datetime.now(UTC)
    author, exercise = checked_name(author), None if exercise is None else checked_name(exercise)
    with case_log.appending(data) as log:
        same = case_log.canonical(body)
        there = (e for e in log.entries if e.kind == OBSERVATION and e.exercise == exercise)
        again = next((e for e in there if case_log.canonical(dict(e.body)) == same), None)
        entry = again or log.append(OBSERVATION, author, None, exercise, body, when)
    return Recorded(entry, again is None, show(data))


def read(path: Path) -> dict[str, Any]:
    """The body of an observation, from a file. Raises ObservationError, OSError."""
    content = read_regular(path)
    if len(content) > _MOST_BYTES:
        raise ObservationError(f"{path}: has {len(content):,} bytes; an observation has a few hundred")
    try:
        given = json.loads(content) if path.suffix == ".json" else tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise ObservationError(f"{path}: is no {path.suffix[1:] or 'TOML'} ({error})") from error
    if not isinstance(given, dict) or not given:
        raise ObservationError(f"{path}: holds no observation; it needs {', '.join(_FIELDS)}")
    unknown = sorted(set(given) - set(_FIELDS))
    if unknown:
        raise ObservationError(f"{path}: no field {unknown[0]}; the fields are {', '.join(_FIELDS)}")
    body = {name: _field(path, name, given.get(name)) for name in _FIELDS}
    return {name: value for name, value in _consistent(path, body).items() if name != "grade"}


def _consistent(path: Path, body: dict[str, Any]) -> dict[str, Any]:
    """The body, where no field lacks that its kind needs."""
    needed = ["kind", "provider", "licence", "grade"]
    if body["kind"] in _PLACED:
        needed += ["time", "time_error_min", "lon", "lat", "error_km"]
    for name in needed:
        if body[name] is None:
            raise ObservationError(f"{path}: {name} lacks; {_EXPECTED[name]}")
    reliability, credibility = body["grade"]
    body |= {"reliability": reliability, "credibility": int(credibility), "file_sha256": None}
    if body["file"] is not None:
        attached = path.parent / body["file"]
        try:
            body["file_sha256"] = hashlib.sha256(read_regular(attached)).hexdigest()
        except OSError as error:
            raise ObservationError(f"{path}: file = {body['file']!r} cannot be read ({error.strerror})") from error
    return body


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 20_000 else None


def _number(low: float, high: float) -> Callable[[Any], float | None]:
    def read_number(value: Any) -> float | None:
        sound = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return float(value) if sound and low <= value <= high else None

    return read_number


def _time(value: Any) -> str | None:
    try:
        when = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return iso(when) if when.tzinfo else None


def _wholes(low: int, high: int) -> Callable[[Any], list[int] | None]:
    def read_wholes(value: Any) -> list[int] | None:
        sound = isinstance(value, list) and all(type(each) is int and low <= each <= high for each in value)
        return value if sound else None

    return read_wholes


def _texts(value: Any) -> list[str] | None:
    return value if isinstance(value, list) and all(_text(each) for each in value) else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= 10_000 else None


_EXPECTED: Mapping[str, str] = {
    "kind": f"one of {', '.join(KINDS)} is expected",
    "provider": "who made it is expected, as text",
    "time": "an ISO 8601 time with its zone is expected",
    "time_error_min": "how far the time may be off is expected, in minutes up to 44640",
    "lon": "degrees from -180 to 180 are expected",
    "lat": "degrees from -90 to 90 are expected",
    "error_km": "how far the place may be off is expected, in km up to 1000",
    "licence": "the terms under which it may be shown are expected, as text",
    "grade": "an Admiralty grade from A1 to F6 is expected",
    "vessels": "how many vessels were seen is expected, a whole number",
    "mmsi": "a list of numbers of up to nine digits is expected",
    "imo": "a list of numbers of seven digits is expected",
    "names": "a list of names is expected",
    "cases": "a list of ids of events is expected",
    "text": "text is expected",
    "file": "the name of a file beside this one is expected",
}
_FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "kind": lambda value: value if value in KINDS else None,
    "provider": _text,
    "time": _time,
    "time_error_min": _number(0, 44_640),
    "lon": _number(-180, 180),
    "lat": _number(-90, 90),
    "error_km": _number(0, 1000),
    "licence": _text,
    "grade": lambda value: value if isinstance(value, str) and _GRADE.fullmatch(value) else None,
    "vessels": _count,
    "mmsi": _wholes(1, 999_999_999),
    "imo": _wholes(1_000_000, 9_999_999),
    "names": _texts,
    "cases": _texts,
    "text": _text,
    "file": lambda value: value if _text(value) and Path(value).name == value else None,
}


def _field(path: Path, name: str, value: Any) -> Any:
    """A field as the log holds it, None where it is not given."""
    if value is None:
        return None
    found = _FIELDS[name](value)
    if found is None:
        raise ObservationError(f"{path}: {name} = {value!r}; {_EXPECTED[name]}")
    return found
