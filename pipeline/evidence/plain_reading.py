"""What the bytes of a row of the lake say, read by others than the decoder: pyais, csv, json, pyarrow; and compared.

A null of the lake is compared where what was sent would have been a value. What no plain reading can tell is named, not
passed over.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import shapely

from stswatch.errors import StswatchError
from stswatch.pipeline.times import iso, micros

Claims = Mapping[str, Any]  # under the names of the lake; `time` in UTC microseconds

NMEA, AISSTREAM = "nmea", "aisstream"
# how far a value may be from that of the lake: places are kept to 1e-7 degree, pyais gives them to 1e-6
_OFF = {"lon": 6e-7, "lat": 6e-7, "sog_kn": 2e-2, "cog_deg": 6e-2, "draught_m": 6e-2, "length_m": 1e-2, "beam_m": 1e-2}
_COMPARED = (
    *("mmsi", "lon", "lat", "sog_kn", "cog_deg", "heading_deg", "status", "msg_type"),
    *("imo", "name", "call_sign", "ship_type", "length_m", "beam_m", "draught_m", "destination"),
)
_SENT: Mapping[str, tuple[float, float]] = {  # from, to before: what counts as sent where the lake holds a null
    "sog_kn": (0.0, 102.2),
    "heading_deg": (0.0, 360.0),
}
_PYAIS = {
    "speed": "sog_kn",
    "course": "cog_deg",
    "heading": "heading_deg",
    "shipname": "name",
    "callsign": "call_sign",
    **{name: name for name in ("mmsi", "lon", "lat", "status", "msg_type", "imo", "ship_type", "destination")},
    "draught": "draught_m",
}
_STREAM = {
    "UserID": "mmsi",
    "Longitude": "lon",
    "Latitude": "lat",
    "Sog": "sog_kn",
    "Cog": "cog_deg",
    "TrueHeading": "heading_deg",
    "MessageID": "msg_type",
    "ImoNumber": "imo",
    "Name": "name",
    "Type": "ship_type",
    "CallSign": "call_sign",
    "Destination": "destination",
    "MaximumStaticDraught": "draught_m",
}


_RECORD = {
    "mmsi": "mmsi",
    "lon": "lon",
    "lat": "lat",
    "longitude": "lon",
    "latitude": "lat",
    "speed": "sog_kn",
    "course": "cog_deg",
    "heading": "heading_deg",
    "type": "msg_type",
    "imo": "imo",
    "shipname": "name",
    "callsign": "call_sign",
    "shiptype": "ship_type",
    "destination": "destination",
    "draught": "draught_m",
}


@dataclass(frozen=True)
class Compared:
    """What of a row does not follow from its bytes, and what could not be compared, a phrase each."""

    differs: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()


class Unreadable(StswatchError, ValueError):
    """Bytes that a plain reading makes nothing of; the message says why."""


# ----------------------------------------------------------------------------------------------------- NMEA sentences

_SENTENCE = re.compile(rb"[!$][A-Z]{2}VD[MO],[^*\r\n]*\*[0-9A-Fa-f]{2}")
_TAG_TIME = re.compile(rb"\\[^\\]*\bc:(\d+)[^\\]*\\")
_EPOCH = re.compile(rb"(?<![\d.])(1\d{9}(?:\d{3})?(?:\.\d+)?)(?![\d.])")
_ISO = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?")


def of_sentences(lines: Sequence[bytes]) -> Claims:
    """What pyais reads in the sentences of one message. Raises Unreadable."""
    import pyais

    sentences = [found[0].replace(b"$", b"!", 1) for line in lines if (found := _SENTENCE.search(line))]
    if not sentences:
        raise Unreadable("no sentence stands there")
    try:
        fields = pyais.decode(*sentences).asdict()
    except Exception as error:  # of pyais, which has a kind for each thing that can be wrong with a sentence
        raise Unreadable(f"pyais cannot decode it ({type(error).__name__})") from error
    claims = {ours: fields[theirs] for theirs, ours in _PYAIS.items() if fields.get(theirs) is not None}
    if claims.get("msg_type") == 27 and claims.get("status") is None:
        claims.pop("status", None)
    claims |= _hull(*(fields.get(f"to_{side}") for side in ("bow", "stern", "port", "starboard")))
    return claims | ({"time": stamp} if (stamp := _tag_time_us(lines)) is not None else {})


def _hull(bow: Any, stern: Any, port: Any, starboard: Any) -> dict[str, Any]:
    """Length and breadth of the distances of the antenna from each side."""
    if None in (bow, stern, port, starboard):
        return {}
    return {"length_m": bow + stern, "beam_m": port + starboard}


def _tag_time_us(lines: Sequence[bytes]) -> int | None:
    for line in lines:
        if found := _TAG_TIME.search(line):
            seconds = int(found[1])
            return seconds * (1_000 if seconds > 10**11 else 1_000_000)
    return None


def stamps_us(lines: Sequence[bytes]) -> Iterator[int]:
    """Every moment that is written in some lines, as seconds or milliseconds since 1970 or as ISO 8601."""
    for line in lines:
        for found in _EPOCH.findall(line):
            whole, _, part = found.partition(b".")
            fraction_us = int(part[:6].ljust(6, b"0")) if part else 0
            yield int(whole) * (1_000 if len(whole) > 10 else 1_000_000) + fraction_us
        for text in _ISO.findall(line):
            yield iso_us(text.decode())


# ------------------------------------------------------------------------------------------------------------- tables


def mapping_of(columns: str | None) -> dict[str, str]:
    """Our names -> theirs, of what table `sources` says of the columns of a table.

    >>> mapping_of("mmsi = MMSI, time = Base Date; not read: Cargo")
    {'mmsi': 'MMSI', 'time': 'Base Date'}
    """
    pairs = (each.partition(" = ") for each in (columns or "").partition("; not read")[0].split(", "))
    return {ours: theirs for ours, equals, theirs in pairs if equals}


def of_line(header: bytes, line: bytes, columns: str | None) -> Claims:
    """What the csv module reads in a line of a table. Raises Unreadable."""
    try:
        top, text = header.decode("utf-8-sig").rstrip("\r\n"), line.decode()
    except UnicodeDecodeError as error:
        raise Unreadable("its text is no UTF-8") from error
    delimiter = max(",;\t|", key=top.count)
    names, cells = (next(csv.reader([row], delimiter=delimiter)) for row in (top, text))
    return of_values(dict(zip((name.strip() for name in names), cells, strict=False)), columns)


def of_values(row: Mapping[str, Any], columns: str | None) -> Claims:
    """What a row of a table says under the names of its columns. Raises Unreadable."""
    names = mapping_of(columns)
    lacking = sorted(theirs for ours, theirs in names.items() if ours in ("mmsi", "lon", "lat") and theirs not in row)
    if not names or lacking:
        raise Unreadable(f"which columns were read is not known{f' ({lacking[0]})' if lacking else ''}")
    claims: dict[str, Any] = {}
    for ours, theirs in names.items():
        value = row.get(theirs)
        if ours == "time":
            claims |= {"stamp": value}
        elif isinstance(value, bytes) and ours in ("lon", "lat"):  # a point, WKB
            claims[ours] = (shapely.get_x if ours == "lon" else shapely.get_y)(shapely.from_wkb(value))
        elif value is not None and not (isinstance(value, str) and not value.strip()):
            claims[ours] = value.strip() if isinstance(value, str) else value
    return claims


def of_record(text: bytes) -> Claims:
    """What the json module reads in a record: of aisstream.io, with a sentence, or with fields of common names.

    Raises Unreadable.
    """
    try:
        record = json.loads(text)
    except ValueError as error:
        raise Unreadable("it is no JSON by itself") from error
    if not isinstance(record, dict):
        raise Unreadable("it is no JSON object")
    if "MessageType" in record:
        return _of_stream(record)
    if sentences := [line for line in text.replace(b"\\\\", b"\\").split(b'"') if _SENTENCE.search(line)]:
        return of_sentences(sentences)
    fields = {**record, **record["properties"]} if isinstance(record.get("properties"), dict) else record
    claims = {_RECORD[name]: value for name, value in fields.items() if name in _RECORD and value is not None}
    if isinstance(point := fields.get("geometry"), dict) and point.get("type") == "Point":
        claims |= zip(("lon", "lat"), point["coordinates"], strict=False)
    if "mmsi" not in claims or len(claims) < 2:
        raise Unreadable("its fields have names of their own")
    return claims


def _of_stream(record: Mapping[str, Any]) -> Claims:
    message: Mapping[str, Any] = next(iter(record.get("Message", {}).values()), {})
    parts = [message, message.get("ReportA") or {}, message.get("ReportB") or {}]
    claims: dict[str, Any] = {}
    for part in parts:
        claims |= {ours: part[theirs] for theirs, ours in _STREAM.items() if part.get(theirs) is not None}
        if size := part.get("Dimension"):
            claims |= _hull(*(size.get(side) for side in "ABCD"))
    return claims | {
        "stamp": str(record.get("MetaData", {}).get("time_utc", "")).replace(" UTC", "").replace(" +", "+")
    }


# -------------------------------------------------------------------------------------------------------------- times

_WAYS = ("%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%Y%m%dT%H%M%S", "%Y%m%d%H%M%S", "%Y/%m/%d %H:%M:%S")


def iso_us(text: str) -> int:
    """UTC microseconds of an ISO 8601 text; what names no zone is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.strip()))
    return micros(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def moments_us(value: Any) -> set[int]:
    """Every moment that a value of a time column can mean, UTC microseconds; none where no plain reading fits."""
    if isinstance(value, datetime):
        return {micros(value if value.tzinfo else value.replace(tzinfo=UTC))}
    text, found = str(value).strip(), set[int]()
    try:
        found.add(iso_us(text))
    except ValueError:
        for way in _WAYS:
            try:
                found.add(micros(datetime.strptime(text, way).replace(tzinfo=UTC)))
            except ValueError:
                continue
    try:
        number = float(text)
    except ValueError:
        return found
    if math.isfinite(number):
        found |= {round(number * scale) for scale in (1e6, 1e3, 1.0, 1e-3)}
    return found


# ---------------------------------------------------------------------------------------------------------- compared


def compare(row: Mapping[str, Any], claims: Claims, written: Sequence[bytes], plainly: bool) -> Compared:
    """A row of the lake held against what its bytes say.

    row: time in UTC microseconds. written: the bytes, where moments may stand beside the sentence. plainly: whether
    values stand there as they are meant, else what differs may be so by a column map.
    """
    differs: list[str] = []
    unchecked: list[str] = []
    for name in _COMPARED:
        if name not in row or (name not in claims and name != "mmsi"):
            continue
        if (other := _difference(name, row[name], claims.get(name))) is not None:
            (differs if plainly else unchecked).append(other)
    sure, phrase = _time(row["time"], claims, written, plainly)
    if phrase:
        (differs if sure else unchecked).append(phrase)
    return Compared(tuple(differs), tuple(unchecked))


def _difference(name: str, kept: Any, sent: Any) -> str | None:
    """What differs of one value, in words."""
    if kept is None or (isinstance(kept, float) and math.isnan(kept)):
        low, high = _SENT.get(name, (0.0, 0.0))
        number = _number(sent)
        return f"{name} {sent} was sent, the lake has none" if number is not None and low <= number < high else None
    if isinstance(kept, str):
        return None if _plain(kept) == _plain(str(sent)) else f"{name} is {kept!r} in the lake and {sent!r} there"
    number = _number(sent.upper().removeprefix("IMO") if name == "imo" and isinstance(sent, str) else sent)
    if number is None:
        return None if isinstance(sent, str) and name in ("status", "ship_type") else f"{name} {kept} is not there"
    return (
        None if abs(number - kept) <= _OFF.get(name, 0) else f"{name} is {kept:.9g} in the lake and {number:.9g} there"
    )


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _plain(text: str) -> str:
    return text.partition("@")[0].strip().casefold()


def _time(time_us: int, claims: Claims, written: Sequence[bytes], plainly: bool) -> tuple[bool, str]:
    """Whether it is a contradiction, and what there is to say of the time; nothing where it follows."""
    if "time" in claims:
        same = claims["time"] == time_us
        return True, "" if same else f"time is {iso(time_us)} in the lake and {iso(claims['time'])} there"
    if "stamp" in claims:
        found = moments_us(claims["stamp"])
        if any(abs(each - time_us) < 1_000 for each in found):
            return True, ""
        sure = plainly and len(found) == 1
        return sure, f"time is {iso(time_us)} in the lake and {claims['stamp']} there"
    if any(abs(each - time_us) < 1_000 for each in stamps_us(written)):
        return True, ""
    return False, "time does not stand in these bytes"
