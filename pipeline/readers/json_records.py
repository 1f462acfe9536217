"""JSON of any make whose records carry NMEA sentences or positions: AIS-catcher's, GeoJSON, or of whatever program.

See json_text.py for how records may lie, json_fields.py for the fields that are known.
"""

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
from stswatch.pipeline.decode.rejects import CODES, rejects_table
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.options import ReadOptions
from stswatch.pipeline.readers import column_map, ids, longitudes, nmea
from stswatch.pipeline.readers.base import WHOLE, Chunk, Decoded, Place, Prepared, Source, SourceError, nothing
from stswatch.pipeline.readers.column_map import AS_USUAL, ColumnMap, TimeFormat, Writing
from stswatch.pipeline.readers.encodings import UTF8, UTF16, in_utf8
from stswatch.pipeline.readers.json_fields import Fields, field_paths, fields_of, is_catcher, missing, paths_of, usable
from stswatch.pipeline.readers.json_rows import Columns, parsed
from stswatch.pipeline.readers.json_sentences import Carried, decode_carried, lines_of
from stswatch.pipeline.readers.json_text import BLANKS, LONGEST, Layout, Records, layouts_of, of_lines, scan
from stswatch.pipeline.readers.json_times import record_times
from stswatch.pipeline.readers.tabular import Rows, decode_rows, number_of
from stswatch.pipeline.readers.text import byte_chunks, encoding_at, head, stated, windows
from stswatch.pipeline.readers.values import flat

STEP = 8 << 20  # bytes at a time
AROUND = nmea.AROUND + (1 << 16)  # bytes on both sides that can decide what becomes of a sentence


@dataclass(frozen=True)
class Options:
    """How to read one file of JSON."""

    layout: Layout
    fields: Fields
    writing: Writing = AS_USUAL
    encoding: str = UTF8


def sniff(start: bytes, path: str) -> bool:
    """Whether it is JSON whose records carry sentences, or positions by names that are recognised."""
    return any(usable(fields_of(sample)) for _, sample in layouts_of(start))


def sniff_any_ids(start: bytes, path: str) -> bool:
    """As `sniff`, where the ids of vessels may be others than MMSI."""
    return any(usable(fields_of(sample, {"mmsi": column_map.OTHER_IDS})) for _, sample in layouts_of(start))


def sniff_catcher(start: bytes, path: str) -> bool:
    """Whether it is JSON as AIS-catcher writes it."""
    return any(is_catcher(sample) and usable(fields_of(sample)) for _, sample in layouts_of(start))


def prepare(place: Place, request: ReadOptions) -> Prepared:
    """Find the records and their fields. Raises SourceError where what is needed lacks or the map cannot be used."""
    asked = column_map.load(request.columns) if request.columns else ColumnMap()
    encoding = asked.encoding or encoding_at(place)
    start = head(place) if encoding in UTF16 else in_utf8(head(place), encoding)
    found = list(layouts_of(start))
    if not found:
        if start.strip(BLANKS + b"[]"):
            raise SourceError(f"{place}: holds no object of JSON; give its format with `format` if it is another one")
        found = [(Layout(1, False) if start.strip(BLANKS) else Layout(), [])]
    any_id = "any" in (request.ids, asked.ids)
    also = {"mmsi": column_map.OTHER_IDS} if any_id else {}
    read = [(layout, fields_of(sample, also), sample) for layout, sample in found]
    chosen = [each for each in read if usable(each[1])] or read[:1]
    layout, fields, sample = chosen[0]
    if asked.columns or not usable(fields):
        fields = _mapped(place, sample, asked)
    writing = replace(asked.writing, ids=ids.Numbering() if any_id else None)
    writing, notes = _looked_at(place, sample, Options(layout, fields, writing))
    return Prepared(
        stated(_clock(fields), encoding, *notes),
        Options(layout, fields, writing, encoding),
        asked.receiver,
        asked.licence,
    )


def _clock(fields: Fields) -> str:
    told = [f"field {fields.get(name)}" for name in fields.times]
    return ", else ".join(told) or "told by the sentences"


def _looked_at(place: Place, sample: Sequence[Mapping[str, Any]], options: Options) -> tuple[Writing, list[str]]:
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
        ids.check(place, str(name), pa.concat_arrays([ids.texts(each.columns["mmsi"]) for each in rows]))
    lon = np.concatenate([number_of(flat(each.columns["lon"]), "lon", writing) for each in rows])
    east_360 = longitudes.runs_to_360(lon)
    writing = replace(writing, east_360=east_360)
    return writing, [longitudes.NOTE] * east_360 + [ids.NOTE] * (writing.ids is not None)


def ids_of(chunk: Chunk) -> set[str]:
    """The ids of the vessels in a chunk. Raises SourceError where the file breaks off."""
    found: set[str] = set()
    options: Options = chunk.source.options
    for records in _records(chunk):
        for part in parsed(records.text, records.start, records.end, options.fields, _encoding_of(options)):
            if "mmsi" in part.columns:
                found.update(pc.unique(ids.texts(part.columns["mmsi"]).drop_null()).to_pylist())
    return found


def _encoding_of(options: Options) -> str:
    """The encoding of the text of records: what is scanned comes in UTF-8."""
    return options.encoding if options.layout.lines else UTF8


def _mapped(place: Place, sample: Sequence[Mapping[str, Any]], asked: ColumnMap) -> Fields:
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
            f" have {column_map.listed(list(known))}"
        )
    return Fields(tuple((ours, known[theirs]) for ours, theirs in asked.columns))


def lacking(place: Place, start: bytes) -> SourceError:
    """What to say of JSON whose records cannot be read; start: the first bytes of the text."""
    return _lacking(
        place, max((sample for _, sample in layouts_of(start)), key=lambda sample: len(fields_of(sample).found))
    )


def _lacking(place: Place, sample: Sequence[Mapping[str, Any]]) -> SourceError:
    fields, names = fields_of(sample), paths_of(sample)
    found = {n: str(f) for n, f in fields.found if n in column_map.HEADERS}
    return column_map.without(f"{place}: has neither sentences nor a field for", missing(fields), names, found)


def chunks(source: Source, target_bytes: int) -> list[Chunk]:
    """Byte ranges where each record is a line, else the whole; a range owns the records that begin in it."""
    options: Options = source.options
    return byte_chunks(source, target_bytes) if options.layout.lines else [Chunk(source, 0, WHOLE)]


def read(chunk: Chunk) -> Iterator[Decoded]:
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


def decode_records(records: Records, options: Options, source: str, receiver: str, feed: bool = False) -> Decoded:
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


def _divided(parts: Sequence[Columns], records: Records, how: TimeFormat) -> tuple[Carried | None, list[Rows]]:
    """The records that carry sentences, and the others that are owned as rows of a table."""
    carried, others = [], []
    for part in parts:
        n = len(part.rows)
        time_us = record_times(part.columns, n, how)
        lines = _lines(part)
        carries = np.asarray(lines.is_valid())
        if carries.any():
            station = part.columns.get("station", pa.nulls(n, pa.string())).cast(pa.string())
            told = pa.table({"row": part.rows, "sentences": lines, "time_us": time_us, "station": station})
            carried.append(told.filter(pa.array(carries)))
        left = np.flatnonzero(~carries & records.owned[part.rows])
        if len(left):
            others.append(_rows(part, left, time_us, records))
    if not carried:
        return None, others
    told = pa.concat_tables(carried).sort_by("row").combine_chunks()
    row, time_us = np.asarray(told["row"]), np.asarray(told["time_us"])
    names, place = told["station"].combine_chunks(), (records.offset[row], records.length[row], records.owned[row])
    return Carried(told["sentences"].combine_chunks(), time_us, names, *place), others


def _lines(part: Columns) -> pa.Array:
    if "sentences" in part.columns:
        return lines_of(part.columns["sentences"])
    return pa.nulls(len(part.rows), pa.string())


def _carry(part: Columns) -> Bools:
    """Which records carry sentences."""
    return np.asarray(_lines(part).is_valid())


def _rows(part: Columns, left: Ints, time_us: Ints, records: Records) -> Rows:
    """Decoded fields of some records as rows of a table; those in other units than AIS-catcher's usual are none."""
    columns = {name: column for name, column in part.columns.items() if name in column_map.HEADERS}
    n = len(part.rows)
    if "point" in part.columns:
        columns["lon"], columns["lat"] = (_coordinate(part.columns["point"], axis) for axis in (0, 1))
    if len(time_us):
        columns["time"] = pa.array(time_us, mask=time_us == NO_TIME).cast(schema.UTC)
    for name in column_map.NEEDED:
        columns.setdefault(name, pa.nulls(n, pa.float64()))
    scaled = np.ones(n, np.bool_)
    if "scaled" in part.columns:
        scaled = np.asarray(part.columns["scaled"].fill_null(True).to_numpy(zero_copy_only=False), np.bool_)
    good, bad = left[scaled[left]], left[~scaled[left]]
    at, other = part.rows[good], part.rows[bad]
    kept = {name: column.take(pa.array(good)) for name, column in columns.items()}
    return Rows(
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


def together(parts: Sequence[Decoded]) -> Decoded:
    """The rows of all, in the order of the file."""
    if len(parts) == 1:
        return parts[0]
    tables = (
        concat([getattr(part, name) for part in parts], schema.LAKE[name]).sort_by("offset").combine_chunks()
        for name in ("fixes", "static_reports", "rejects")
    )
    counts = (sum(getattr(part, name) for part in parts) for name in ("sentences", "messages", "fragments"))
    return Decoded(*tables, *counts)
