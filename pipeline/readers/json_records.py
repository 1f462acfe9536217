"""JSON of any make whose records carry NMEA sentences or positions: AIS-catcher's, GeoJSON, or of whatever program."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline import schema
from stswatch.pipeline.batch import concat
from stswatch.pipeline.decode.lines import Bools, Ints
from stswatch.pipeline.decode.sentences import Sentences, frame
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.decode.units import NO_STATION
from stswatch.pipeline.options import ReadOptions
from stswatch.pipeline.readers import column_map, column_names, nmea, values
from stswatch.pipeline.readers.column_map import PLAINLY_WRITTEN, ColumnMap, TimeFormat, Writing
from stswatch.pipeline.readers.json_fields import (
    Columns,
    Fields,
    field_paths,
    fields_of,
    is_catcher,
    missing,
    parsed,
    paths_of,
    record_times,
    usable,
)
from stswatch.pipeline.readers.json_text import BLANKS, LONGEST, JsonLayout, Records, layouts_of, of_lines, scan
from stswatch.pipeline.readers.nmea import decode_sentences
from stswatch.pipeline.readers.source import (
    WHOLE,
    Chunk,
    DecodedBatch,
    Prepared,
    Source,
    SourceError,
    SourcePlace,
    nothing,
)
from stswatch.pipeline.readers.tabular import TableRows, decode_rows, number_of
from stswatch.pipeline.readers.text import UTF8, UTF16, Window, byte_chunks, encoding_at, head, in_utf8, stated, windows
from stswatch.pipeline.readers.values import flat
from stswatch.pipeline.schema.lake_tables import CODES, rejects_table

# ----------------------------------------------------------------------------------------------------------------
# NMEA sentences that stand in records of JSON: decoded as those of a capture, at the time that their record tells
# What belongs to a message is found as in a capture, but the sentences of one record belong together. A row refers to
# the record, not to the sentence in it.

_GROUPS = 1 << 60  # numbers of groups that no tag block has


@dataclass(frozen=True)
class Carried:
    """What records carry, (n,) each, in the order of the file: sentences, a line each, and what holds for all of them.

    time_us: NO_TIME where the record tells none; station: names or null; offset, length: of the record, bytes.
    """

    sentences: pa.Array
    time_us: Ints
    station: pa.Array
    offset: Ints
    length: Ints
    owned: Bools


def lines_of(column: pa.Array) -> pa.Array:
    """Sentences of each record as one text, a line each; null where it carries none.

    >>> lines_of(pa.array([["!A", "!B"], [], None])).to_pylist()
    ['!A\\n!B', None, None]
    """
    if pa.types.is_list(column.type):
        column = pc.binary_join(column, "\n")
    return pc.if_else(pc.match_substring_regex(column, "[^\\s]"), column, pa.scalar(None, pa.string()))


def decode_carried(carried: Carried, source: str, alone: bool = False) -> DecodedBatch:
    """What the sentences say; those of records that are not owned are only looked at. Never raises.

    alone: the parts of a message are looked for in one record only.
    """
    text, begin = _as_capture(carried.sentences)
    found = frame(text, 0)
    record = np.searchsorted(begin, found.line, "right") - 1
    owned = carried.owned[record] if len(record) else np.zeros(0, np.bool_)
    found = _of_records(found, record, begin, carried)
    if alone:
        found = replace(found, alike=found.alike + ((record + 1) << 32))
    return decode_sentences(found, owned, Window(b"", 0, 0, WHOLE), source, None)


def _as_capture(sentences: pa.Array) -> tuple[bytes, Ints]:
    """All sentences as the text of a capture, and where those of each record begin."""
    ended = pc.binary_join_element_wise(sentences, "", "\n").cast(pa.binary())
    edges = np.frombuffer(ended.buffers()[1], np.int32)[ended.offset : ended.offset + len(ended) + 1]
    text = (ended.buffers()[2] or b"")[edges[0] : edges[-1]]
    return bytes(text), (edges[:-1] - edges[0]).astype(np.int64)


def _of_records(found: Sentences, record: Ints, begin: Ints, carried: Carried) -> Sentences:
    """The sentences with time, station and place of their records."""
    time_us = carried.time_us[record]
    own_us = np.where(time_us == NO_TIME, found.own_us, time_us)
    together = np.bincount(record, minlength=len(begin))[record] > 1
    bad = np.searchsorted(begin, found.bad_offset, "right") - 1
    mine = carried.owned[bad] if len(bad) else np.zeros(0, np.bool_)
    names = carried.station.dictionary_encode()
    station = np.asarray(pc.fill_null(names.indices, NO_STATION).to_numpy(zero_copy_only=False), np.int64)[record]
    own = found.station >= 0  # what a sentence says itself goes before
    station[together & (found.part > 1)] = NO_STATION  # a further part is of the station of the first, if it names none
    return replace(
        found,
        offset=carried.offset[record],
        length=carried.length[record],
        line=carried.offset[record],
        own_us=own_us,
        unread=found.unread & (own_us == NO_TIME),
        group=np.where(together, _GROUPS + record, found.group),
        station=np.where(own, found.station, np.where(station >= 0, station + len(found.stations), NO_STATION)),
        stations=pa.concat_arrays([found.stations, names.dictionary.cast(pa.string())]),
        bad_offset=carried.offset[bad][mine],
        bad_length=carried.length[bad][mine],
    )


# ----------------------------------------------------------------------------------------------------------------
# JSON of any make whose records carry NMEA sentences or positions: AIS-catcher's, GeoJSON, or of whatever program
# See json_text.py for how records may lie, json_fields.py for the fields that are known.

STEP = 8 << 20  # bytes at a time
AROUND = nmea.AROUND + (1 << 16)  # bytes on both sides that can decide what becomes of a sentence


@dataclass(frozen=True)
class JsonOptions:
    """How to read one file of JSON."""

    layout: JsonLayout
    fields: Fields
    writing: Writing = PLAINLY_WRITTEN
    encoding: str = UTF8


def sniff(start: bytes, path: str) -> bool:
    """Whether it is JSON whose records carry sentences, or positions by names that are recognised."""
    return any(usable(fields_of(sample)) for _, sample in layouts_of(start))


def sniff_any_ids(start: bytes, path: str) -> bool:
    """As `sniff`, where the ids of vessels may be others than MMSI."""
    return any(usable(fields_of(sample, {"mmsi": column_names.OTHER_IDS})) for _, sample in layouts_of(start))


def sniff_catcher(start: bytes, path: str) -> bool:
    """Whether it is JSON as AIS-catcher writes it."""
    return any(is_catcher(sample) and usable(fields_of(sample)) for _, sample in layouts_of(start))


def prepare(place: SourcePlace, request: ReadOptions) -> Prepared:
    """Find the records and their fields. Raises SourceError where what is needed lacks or the map cannot be used."""
    asked = column_map.load(request.columns) if request.columns else ColumnMap()
    encoding = asked.encoding or encoding_at(place)
    start = head(place) if encoding in UTF16 else in_utf8(head(place), encoding)
    found = list(layouts_of(start))
    if not found:
        if start.strip(BLANKS + b"[]"):
            raise SourceError(f"{place}: holds no object of JSON; give its format with `format` if it is another one")
        found = [(JsonLayout(1, False) if start.strip(BLANKS) else JsonLayout(), [])]
    any_id = "any" in (request.ids, asked.ids)
    also = {"mmsi": column_names.OTHER_IDS} if any_id else {}
    read = [(layout, fields_of(sample, also), sample) for layout, sample in found]
    chosen = [each for each in read if usable(each[1])] or read[:1]
    layout, fields, sample = chosen[0]
    if asked.columns or not usable(fields):
        fields = _mapped(place, sample, asked)
    writing = replace(asked.writing, ids=values.Numbering() if any_id else None)
    writing, notes = _looked_at(place, sample, JsonOptions(layout, fields, writing))
    return Prepared(
        stated(_clock(fields), encoding, *notes),
        JsonOptions(layout, fields, writing, encoding),
        asked.receiver,
        asked.licence,
    )


def _clock(fields: Fields) -> str:
    clocks = [f"field {fields.get(name)}" for name in fields.times]
    return ", else ".join(clocks) or "told by the sentences"


def _looked_at(
    place: SourcePlace, sample: Sequence[Mapping[str, Any]], options: JsonOptions
) -> tuple[Writing, list[str]]:
    """What the values of some records show, and what to say of it. Raises SourceError where ids are no MMSI."""
    writing, name = options.writing, options.fields.get("mmsi")
    lines = [json.dumps(record).encode() for record in sample]
    text, edges = b"\n".join(lines), np.cumsum([0, *(len(line) + 1 for line in lines)])
    none, noughts = np.zeros(0, np.int64), np.zeros(len(lines), np.int64)
    records = Records(text, noughts, noughts, noughts, noughts, noughts > 0)
    rows = [
        _rows(part, np.flatnonzero(~_carry(part)), none, records)
        for part in parsed(text, edges[:-1], edges[1:] - 1, options.fields)
    ]
    rows = [each for each in rows if len(each.offset)]
    if not rows:
        return writing, []
    if writing.ids is None and name is not None:
        values.check(place, str(name), pa.concat_arrays([values.texts(each.columns["mmsi"]) for each in rows]))
    lon = np.concatenate([number_of(flat(each.columns["lon"]), "lon", writing) for each in rows])
    east_360 = values.runs_to_360(lon)
    writing = replace(writing, east_360=east_360)
    return writing, [values.NOTE] * east_360 + [values.IDS_NOTE] * (writing.ids is not None)


def ids_of(chunk: Chunk) -> set[str]:
    """The ids of the vessels in a chunk. Raises SourceError where the file breaks off."""
    found: set[str] = set()
    options: JsonOptions = chunk.source.options
    for records in _records(chunk):
        for part in parsed(records.text, records.start, records.end, options.fields, _encoding_of(options)):
            if "mmsi" in part.columns:
                found.update(pc.unique(values.texts(part.columns["mmsi"]).drop_null()).to_pylist())
    return found


def _encoding_of(options: JsonOptions) -> str:
    """The encoding of the text of records: what is scanned comes in UTF-8."""
    return options.encoding if options.layout.lines else UTF8


def _mapped(place: SourcePlace, sample: Sequence[Mapping[str, Any]], asked: ColumnMap) -> Fields:
    """The fields that a column map names, theirs with dots; the usual ones where there is none. Raises SourceError."""
    if not sample:
        return Fields(())
    if not asked.columns:
        raise _lacking(place, sample)
    known = field_paths(sample)
    absent = [theirs for _, theirs in asked.columns if theirs not in known]
    if absent:
        raise SourceError(
            f"{place}: has no field {', '.join(map(repr, absent))}, which `columns` names; correct the map, the records"
            f" have {column_names.listed(list(known))}"
        )
    return Fields(tuple((ours, known[theirs]) for ours, theirs in asked.columns))


def lacking(place: SourcePlace, start: bytes) -> SourceError:
    """What to say of JSON whose records cannot be read; start: the first bytes of the text."""
    return _lacking(
        place, max((sample for _, sample in layouts_of(start)), key=lambda sample: len(fields_of(sample).found))
    )


def _lacking(place: SourcePlace, sample: Sequence[Mapping[str, Any]]) -> SourceError:
    fields, names = fields_of(sample), paths_of(sample)
    found = {n: str(f) for n, f in fields.found if n in column_names.HEADERS}
    return column_names.without(f"{place}: has neither sentences nor a field for", missing(fields), names, found)


def chunks(source: Source, target_bytes: int) -> list[Chunk]:
    """Byte ranges where each record is a line, else the whole; a range owns the records that begin in it."""
    options: JsonOptions = source.options
    return byte_chunks(source, target_bytes) if options.layout.lines else [Chunk(source, 0, WHOLE)]


def read(chunk: Chunk) -> Iterator[DecodedBatch]:
    """Decode a chunk, STEP bytes at a time. Raises SourceError where the file breaks off."""
    source, options = chunk.source, chunk.source.options
    for records in _records(chunk):
        yield decode_records(records, options, source.source, source.receiver)


def _records(chunk: Chunk) -> Iterator[Records]:
    place, options = chunk.source.place, chunk.source.options
    if not options.layout.lines:
        yield from scan(place, options.layout.depth, STEP, AROUND, options.encoding)
        return
    for window in windows(place, chunk.start, chunk.end, STEP, AROUND, LONGEST, options.encoding):
        yield of_lines(window, AROUND)


def decode_records(
    records: Records, options: JsonOptions, source: str, receiver: str, feed: bool = False
) -> DecodedBatch:
    """What the records say of which those that are owned count; never raises.

    feed: records are AIS-catcher's or none, and the parts of a message are looked for in one record only.
    """
    parts = list(parsed(records.text, records.start, records.end, options.fields, _encoding_of(options)))
    if feed:
        parts = [part.where(pc.equal(part.columns["class"], "AIS")) for part in parts]
    seen = np.zeros(len(records.start), np.bool_)
    for part in parts:
        seen[part.rows] = True
    broken = records.owned & ~seen
    rejects = rejects_table(
        source,
        records.offset[broken],
        np.minimum(records.length[broken], LONGEST),
        np.full(int(broken.sum()), CODES["malformed"], np.int8),
    )
    none = nothing()
    found = [replace(none, rejects=rejects, sentences=int(broken.sum()))]
    carried, others = _divided(parts, records, options.writing.time)
    if carried is not None:
        found.append(decode_carried(carried, source, feed))
    found += [decode_rows(rows, source, receiver, options.writing) for rows in others]
    return together([each for each in found if each.sentences] or [none])


def _divided(parts: Sequence[Columns], records: Records, how: TimeFormat) -> tuple[Carried | None, list[TableRows]]:
    """The records that carry sentences, and the others that are owned as rows of a table."""
    carried, others = [], []
    for part in parts:
        n = len(part.rows)
        time_us = record_times(part.columns, n, how)
        lines = _lines(part)
        carries = np.asarray(lines.is_valid())
        if carries.any():
            station = part.columns.get("station", pa.nulls(n, pa.string())).cast(pa.string())
            whole = pa.table({"row": part.rows, "sentences": lines, "time_us": time_us, "station": station})
            carried.append(whole.filter(pa.array(carries)))
        left = np.flatnonzero(~carries & records.owned[part.rows])
        if len(left):
            others.append(_rows(part, left, time_us, records))
    if not carried:
        return None, others
    whole = pa.concat_tables(carried).sort_by("row").combine_chunks()
    row, time_us = np.asarray(whole["row"]), np.asarray(whole["time_us"])
    names, place = whole["station"].combine_chunks(), (records.offset[row], records.length[row], records.owned[row])
    return Carried(whole["sentences"].combine_chunks(), time_us, names, *place), others


def _lines(part: Columns) -> pa.Array:
    if "sentences" in part.columns:
        return lines_of(part.columns["sentences"])
    return pa.nulls(len(part.rows), pa.string())


def _carry(part: Columns) -> Bools:
    """Which records carry sentences."""
    return np.asarray(_lines(part).is_valid())


def _rows(part: Columns, left: Ints, time_us: Ints, records: Records) -> TableRows:
    """Decoded fields of some records as rows of a table; those in other units than AIS-catcher's usual are none."""
    columns = {name: column for name, column in part.columns.items() if name in column_names.HEADERS}
    n = len(part.rows)
    if "point" in part.columns:
        columns["lon"], columns["lat"] = (_coordinate(part.columns["point"], axis) for axis in (0, 1))
    if len(time_us):
        columns["time"] = pa.array(time_us, mask=time_us == NO_TIME).cast(schema.UTC)
    for name in column_names.NEEDED:
        columns.setdefault(name, pa.nulls(n, pa.float64()))
    scaled = np.ones(n, np.bool_)
    if "scaled" in part.columns:
        scaled = np.asarray(part.columns["scaled"].fill_null(True).to_numpy(zero_copy_only=False), np.bool_)
    good, bad = left[scaled[left]], left[~scaled[left]]
    at, other = part.rows[good], part.rows[bad]
    kept = {name: column.take(pa.array(good)) for name, column in columns.items()}
    return TableRows(
        kept,
        records.offset[at],
        records.length[at].astype(np.int32),
        records.offset[other],
        records.length[other],
    )


def _coordinate(points: pa.Array, axis: int) -> pa.Array:
    """Longitude (0) or latitude (1) of GeoJSON coordinates, null where there are none."""
    enough = pc.greater_equal(pc.list_value_length(points), 2)
    return pc.list_element(pc.if_else(enough, points, pa.scalar([None, None], points.type)), axis)


def together(parts: Sequence[DecodedBatch]) -> DecodedBatch:
    """The rows of all, in the order of the file."""
    if len(parts) == 1:
        return parts[0]
    tables = (
        concat([getattr(part, name) for part in parts], schema.LAKE[name]).sort_by("offset").combine_chunks()
        for name in ("fixes", "static_reports", "rejects")
    )
    counts = (sum(getattr(part, name) for part in parts) for name in ("sentences", "messages", "fragments"))
    return DecodedBatch(*tables, *counts)
