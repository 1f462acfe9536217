"""Messages as aisstream.io sends them, one JSON object a line: what was recorded from its WebSocket.

    {"MessageType": "PositionReport", "MetaData": {"MMSI": 431000001, "time_utc": "2025-03-10 12:00:00.1 +0000 UTC"},
     "Message": {"PositionReport": {"MessageID": 1, "UserID": 431000001, "Latitude": 38.5, "Longitude": 124.9, ...}}}

Message types 1, 2, 3, 5, 18, 19, 24 and 27 are used, all others counted. The time is MetaData.time_utc, that of
reception. Name and position in MetaData are the service's own and are not read.

Source: https://aisstream.io/documentation, https://github.com/aisstream/ais-message-models
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pajson
from numpy.typing import NDArray

from stswatch.pipeline import schema
from stswatch.pipeline.batch import concat
from stswatch.pipeline.decode.lines import Ints, line_spans
from stswatch.pipeline.decode.reports import Claims, Evidence, Positions, fixes_table, statics_table
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.options import ReadOptions
from stswatch.pipeline.readers.arrival_index import format_of
from stswatch.pipeline.readers.column_map import TimeFormat
from stswatch.pipeline.readers.json_fields import TEXT, Fields, JsonField, fields_of
from stswatch.pipeline.readers.json_records import JsonOptions, decode_records, together
from stswatch.pipeline.readers.json_text import JsonLayout, Records
from stswatch.pipeline.readers.source import Chunk, DecodedBatch, Prepared, Source, SourcePlace
from stswatch.pipeline.readers.text import Window, byte_chunks, head, in_utf8, windows
from stswatch.pipeline.readers.time_values import times_us
from stswatch.pipeline.readers.values import Floats, flat, numbers
from stswatch.pipeline.schema.lake_tables import CODES, rejects_table

LICENCE = "terms of aisstream.io"
STEP = 8 << 20  # bytes at a time: some 15,000 messages
LONGEST_LINE = 65_536

_I, _F, _S, _B = pa.int64(), pa.float64(), pa.string(), pa.bool_()
_SIDES = pa.struct([(side, _F) for side in "ABCD"])
_HEAD = {"MessageID": _I, "UserID": _I, "Valid": _B}
_PLACE = {**_HEAD, "Longitude": _F, "Latitude": _F, "Sog": _F, "Cog": _F, "Raim": _B}
_SECOND = {"TrueHeading": _F, "Timestamp": _F}
_STATE, _SELECTOR = "CommunicationState", "CommunicationStateIsItdma"  # of class B the selector stands for itself
_PART_A = pa.struct({"Valid": _B, "Name": _S})
_PART_B = pa.struct({"Valid": _B, "ShipType": _F, "CallSign": _S, "Dimension": _SIDES})
MESSAGES: Mapping[str, Mapping[str, pa.DataType]] = {  # what is read of each message
    "PositionReport": {**_PLACE, **_SECOND, "NavigationalStatus": _F, _STATE: _F},
    "StandardClassBPositionReport": {**_PLACE, **_SECOND, _STATE: _F, _SELECTOR: _B},
    "ExtendedClassBPositionReport": {**_PLACE, **_SECOND, "Name": _S, "Type": _F, "Dimension": _SIDES},
    "LongRangeAisBroadcastMessage": {**_PLACE, "NavigationalStatus": _F},
    "ShipStaticData": {
        **_HEAD,
        "ImoNumber": _F,
        "CallSign": _S,
        "Name": _S,
        "Type": _F,
        "Dimension": _SIDES,
        "MaximumStaticDraught": _F,
        "Destination": _S,
    },
    "StaticDataReport": {**_HEAD, "ReportA": _PART_A, "ReportB": _PART_B},
}
_SCHEMA = pa.schema(
    {
        "MessageType": _S,
        "MetaData": pa.struct({"MMSI": _I, "time_utc": _S}),
        "Message": pa.struct({name: pa.struct(dict(fields)) for name, fields in MESSAGES.items()}),
    }
)
_POSITION = {"sog_kn": "Sog", "cog_deg": "Cog", "heading_deg": "TrueHeading", "status": "NavigationalStatus"}
_POSITION |= {"raim": "Raim", "utc_second": "Timestamp", "radio": _STATE}
_STATIC = {"imo": "ImoNumber", "draught_m": "MaximumStaticDraught", "ship_type": "Type"}
_TEXTS = {"name": "Name", "call_sign": "CallSign", "destination": "Destination"}
_SAYS = ("ShipStaticData", "ExtendedClassBPositionReport", "StaticDataReport")
_TO = {"to_bow_m": "A", "to_stern_m": "B", "to_port_m": "C", "to_starboard_m": "D"}


def sniff(start: bytes, path: str) -> bool:
    """Whether the first line is an object with the three parts of these messages, or a segment of a spool is silent."""
    first = start.lstrip().partition(b"\n")[0]
    if not first.strip() and format_of(path) == "json":
        return True
    return first.startswith(b"{") and all(f'"{name}"'.encode() in first for name in _SCHEMA.names)


def prepare(place: SourcePlace, request: ReadOptions) -> Prepared:
    """Whose messages they are: what a watch spooled may be AIS-catcher's, which is under no terms of the service."""
    start = head(place) if format_of(place.path) == "json" else b""
    others = b'"class"' in start and b'"MessageType"' not in start
    return Prepared("rxuxtime, else rxtime", None, "unknown", "") if others else Prepared("MetaData.time_utc", None)


def chunks(source: Source, target_bytes: int) -> list[Chunk]:
    """Byte ranges; a range owns the lines that begin in it."""
    return byte_chunks(source, target_bytes)


def decode_lines(text: bytes, source: str, receiver: str = "terrestrial", base: int = 0) -> DecodedBatch:
    """What lines of JSON say; never raises.

    text: whole lines; source: name of the source in the evidence; base: offset of the text in it, bytes.
    """
    return decode_window(Window(text, base, base, base + len(text) + 1), source, receiver)


def decode_window(window: Window, source: str, receiver: str) -> DecodedBatch:
    """What the lines say that a window owns; never raises."""
    data = np.frombuffer(window.text, np.uint8)
    start, end = line_spans(data)
    owned = (start + window.base >= window.start) & (start + window.base < window.end) & (end > start)
    start, end = start[owned], end[owned]
    rows, good = _parsed(window.text, start, end)
    offset, length = start + window.base, (end - start).astype(np.int32)
    objects = _Objects.of(rows, Evidence(source, offset[good], length[good]))
    code = np.full(len(start), CODES["malformed"], np.int8)
    code[good] = objects.code
    bad = code > 0
    fixes = [_fixes(objects.of_type(name), receiver) for name, fields in MESSAGES.items() if "Sog" in fields]
    statics = [_statics(objects.of_type(name)) for name in MESSAGES if name in _SAYS]
    return DecodedBatch(
        concat(fixes, schema.FIXES).sort_by("offset"),
        concat(statics, schema.STATIC_REPORTS).sort_by("offset"),
        rejects_table(source, offset[bad], length[bad], code[bad]),
        len(start),
        int((~bad).sum()),
        0,
    )


def _parsed(text: bytes, start: Ints, end: Ints) -> tuple[pa.Table, NDArray[np.bool_]]:
    """The objects of the lines that are one, and which lines these are.

    A line that is none spoils the block it stands in: that is halved until the line is alone. Every line tried begins
    and ends as an object does, so each holds one at least, and as many rows as lines are one for each.
    """
    data = np.frombuffer(text, np.uint8)
    good = np.zeros(len(start), np.bool_)
    tried = np.flatnonzero((data[start] == ord("{")) & (data[end - 1] == ord("}")))
    tables, todo = [_SCHEMA.empty_table()], [(0, len(tried))]
    while todo:
        first, last = todo.pop()
        if first == last:
            continue
        lines = tried[first:last]
        whole = lines[-1] - lines[0] == last - first - 1  # nothing lies between them
        table = _objects(text[start[lines[0]] : end[lines[-1]]]) if whole else None
        if table is not None and table.num_rows == last - first:
            good[lines] = True
            tables.append(table)
        elif last - first > 1:
            middle = (first + last) // 2
            todo += [(middle, last), (first, middle)]
    return pa.concat_tables(tables).combine_chunks(), good


def _objects(block: bytes) -> pa.Table | None:
    """Lines of JSON as a table of what is read of them; None where one is no such object."""
    how = pajson.ReadOptions(use_threads=False, block_size=2 * len(block) + 2)
    form = pajson.ParseOptions(explicit_schema=_SCHEMA, unexpected_field_behavior="ignore")
    try:
        return pajson.read_json(pa.BufferReader(in_utf8(block)), how, form)
    except pa.ArrowInvalid:
        return None


@dataclass(frozen=True)
class _Part:
    """Messages of one type: their fields, and whose they are; (n,) each."""

    body: pa.StructArray
    mmsi: NDArray[np.int32]
    time_us: Ints
    evidence: Evidence

    def field(self, *path: str) -> pa.Array | None:
        """A field of the messages, None where their type has none of that name."""
        found = self.body
        for name in path:
            if found.type.get_field_index(name) < 0:
                return None
            found = pc.struct_field(found, name)
        return found

    def number(self, *path: str) -> Floats | None:
        """A field as numbers, NaN where missing."""
        found = self.field(*path)
        return None if found is None else numbers(found)

    def types(self) -> NDArray[np.int8]:
        """Message types of ITU-R M.1371."""
        return np.nan_to_num(numbers(self.body.field("MessageID"))).astype(np.int8)


@dataclass(frozen=True)
class _Objects:
    """All objects: 0 or why they cannot be used, and what they share; (n,) each."""

    code: NDArray[np.int8]
    kind: pa.Array  # MessageType
    message: pa.StructArray
    mmsi: NDArray[np.int32]
    time_us: Ints
    evidence: Evidence

    @classmethod
    def of(cls, rows: pa.Table, evidence: Evidence) -> _Objects:
        """Look at every object."""
        kind, meta, message = (flat(rows[name]) for name in _SCHEMA.names)
        time_us = times_us(pc.struct_field(meta, "time_utc"), TimeFormat(("iso",)))
        mmsi = numbers(pc.struct_field(meta, "MMSI"))
        no_body, invalid, known = np.zeros((3, len(rows)), np.bool_)
        for name in MESSAGES:
            body, of_kind = pc.struct_field(message, name), _true(pc.equal(kind, name))
            user = numbers(pc.struct_field(body, "UserID"))
            mmsi = np.where(of_kind & np.isfinite(user), user, mmsi)
            no_body |= of_kind & np.asarray(body.is_null())
            invalid |= of_kind & _true(pc.invert(pc.struct_field(body, "Valid")))
            known |= of_kind
        named = (mmsi >= 0) & (mmsi < 2**31)
        why = (
            (np.asarray(kind.is_null()) | no_body, "malformed"),
            (invalid, "payload"),
            (time_us == NO_TIME, "no_time"),
            (known & ~named, "no_mmsi"),
        )
        code = np.select([found for found, _ in why], [CODES[reason] for _, reason in why], 0).astype(np.int8)
        return cls(code, kind, message, np.where(named, mmsi, 0).astype(np.int32), time_us, evidence)

    def of_type(self, name: str) -> _Part:
        """The messages of one type that can be used."""
        rows = np.flatnonzero((self.code == 0) & _true(pc.equal(self.kind, name)))
        body = pc.struct_field(self.message, name).take(pa.array(rows))
        return _Part(body, self.mmsi[rows], self.time_us[rows], self.evidence.take(rows))


def _true(column: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(column.fill_null(False).to_numpy(zero_copy_only=False), np.bool_)


def _fixes(part: _Part, receiver: str) -> pa.Table:
    lon, lat = numbers(part.body.field("Longitude")), numbers(part.body.field("Latitude"))
    moving: dict[str, Any] = {ours: part.number(theirs) for ours, theirs in _POSITION.items()}
    selector = part.number(_SELECTOR)
    if selector is not None:
        moving["radio"] = moving["radio"] + np.nan_to_num(selector) * 2**19
    positions = Positions(part.mmsi, part.time_us, lon, lat, msg_type=part.types(), **moving)
    return fixes_table(positions, part.evidence, receiver)


def _statics(part: _Part) -> pa.Table:
    """Static reports; the two halves of type 24 come one at a time, each says whether it is there."""
    halves = part.field("ReportA") is not None
    values: dict[str, Any] = {}
    for ours, theirs in {**_STATIC, **_TEXTS, **_TO}.items():
        path = ("Dimension", theirs) if ours in _TO else (theirs,)
        column = _half(part, ours, path) if halves else part.field(*path)
        values[ours] = column if ours in _TEXTS or column is None else numbers(column)
    return statics_table(Claims(part.mmsi, part.time_us, msg_type=part.types(), **values), part.evidence)


def _half(part: _Part, ours: str, path: tuple[str, ...]) -> pa.Array | None:
    """A field of type 24, null where its half is not there."""
    half = "ReportA" if ours == "name" else "ReportB"
    column = part.field(half, *(("ShipType",) if ours == "ship_type" else path))
    if column is None:
        return None
    there = pc.struct_field(part.body, [half, "Valid"]).fill_null(True)
    return pc.if_else(there, column, pa.scalar(None, column.type))


# ------------- JSON as live sources send it, a line each: messages of aisstream.io and of AIS-catcher, in any mixture
# Each line stands for itself, so that it does not show in which piece it came: the parts of a message must stand in
# one record, as AIS-catcher has them. Fields are those of AIS-catcher, whatever else comes.

_BROKEN = "malformed"  # as aisstream.py calls what is none of its messages
_NUMBERS = (
    *("rxuxtime", "toa", "mmsi", "type", "lon", "lat", "speed", "course", "heading", "status", "imo", "shiptype"),
    *("to_bow", "to_stern", "to_port", "to_starboard", "draught", "radio", "second"),
)
_FEED_TEXTS = ("rxtime", "shipname", "callsign", "destination", "station_id")
_RECORD = {
    "class": "AIS",
    "nmea": ["!AIVDM,"],
    "scaled": True,
    "raim": True,
    **dict.fromkeys(_NUMBERS, 1.0),
    **dict.fromkeys(_FEED_TEXTS, "x"),
}
_OPTIONS = JsonOptions(JsonLayout(), Fields((*fields_of([_RECORD]).found, ("class", JsonField(("class",), TEXT)))))


def read(chunk: Chunk) -> Iterator[DecodedBatch]:
    """Decode a chunk, some 15,000 messages at a time. Raises SourceError where the file breaks off."""
    source = chunk.source
    for window in windows(source.place, chunk.start, chunk.end, STEP, 1, LONGEST_LINE):
        yield decode_any_window(window, source.source, source.receiver)


def decode_any_lines(text: bytes, source: str, receiver: str, base: int = 0) -> DecodedBatch:
    """What lines of JSON say; never raises.

    text: whole lines; source: name of the source in the evidence; base: offset of the text in it, bytes.
    """
    return decode_any_window(Window(text, base, base, base + len(text) + 1), source, receiver)


def decode_any_window(window: Window, source: str, receiver: str) -> DecodedBatch:
    """What the lines say that a window owns; never raises."""
    found = decode_window(window, source, receiver)
    broken = pc.equal(found.rejects["reason"], _BROKEN)
    if not pc.any(broken).as_py():
        return found
    left = found.rejects.filter(broken)
    offset, length = np.asarray(left["offset"]), np.asarray(left["length"]).astype(np.int64)
    start = offset - window.base
    records = Records(window.text, start, start + length, offset, length, np.ones(len(start), np.bool_))
    kept = replace(
        found,
        rejects=found.rejects.filter(pc.invert(broken)).combine_chunks(),
        sentences=found.sentences - len(start),
    )
    return together([kept, decode_records(records, _OPTIONS, source, receiver, feed=True)])
