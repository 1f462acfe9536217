"""Rows of a decoded archive to fixes, static reports and rejects: what all tables have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stswatch.geo.reference.mmsi import FIRST_NUMBERED
from stswatch.pipeline.batch import HOUR, MS, ordered
from stswatch.pipeline.decode.reports import LARGEST_M, Claims, Evidence, Positions, fixes_table, statics_table, text
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.readers.column_map import Writing
from stswatch.pipeline.readers.source import DecodedBatch
from stswatch.pipeline.readers.time_values import times_us
from stswatch.pipeline.readers.values import (
    MESSAGE_TYPE,
    NOTHING,
    RECEIVER,
    SHIP_TYPE,
    STATUS,
    Floats,
    Ints,
    codes,
    flat,
    is_text,
    names,
    numbers,
    texts,
    westward,
    whole_numbers,
    words,
)
from stswatch.pipeline.schema import RADIO_FIELDS
from stswatch.pipeline.schema.lake_tables import CODES, rejects_table

MEASURED = ("sog_kn", "cog_deg", "heading_deg", "status", *RADIO_FIELDS)
STATIC_WORDS = ("name", "call_sign", "destination")
LENGTHS = {"length_m": ("to_bow_m", "to_stern_m"), "beam_m": ("to_port_m", "to_starboard_m")}
STATIC_NUMBERS = ("ship_type", *LENGTHS, *LENGTHS["length_m"], *LENGTHS["beam_m"], "draught_m")
STATIC = ("imo", *STATIC_WORDS, *STATIC_NUMBERS)
LONGEST_WORD = 120  # characters: six times what AIS has room for
_SHARED: Mapping[str, Mapping[str, int]] = {"status": STATUS, "ship_type": SHIP_TYPE, "msg_type": MESSAGE_TYPE}
_POSITION_TYPES = (0, 1, 2, 3, 18, 19, 27)  # message types whose rows are positions of ships; 0: it is not said
_STATIC_TYPES = (*_POSITION_TYPES, 5, 24)
_NOTHING = pa.array(NOTHING)
_BLANK = re.compile(r"[@\s]*")
_DAY = 24 * HOUR


@dataclass(frozen=True)
class TableRows:
    """A batch of rows: columns by our names, in whatever type, and where each row stands."""

    columns: Mapping[str, pa.Array]
    offset: Ints
    length: NDArray[np.int32]
    bad_offset: Ints  # rows that do not have the columns of the header
    bad_length: Ints


def decode_rows(rows: TableRows, source: str, receiver: str, writing: Writing) -> DecodedBatch:
    """Fixes of all rows with a vessel and a time, static reports where static columns change; never raises.

    A row that says it is from another message than those of ships is counted and gives neither.

    source: first 16 hex digits of the SHA-256; receiver: terrestrial, satellite or unknown, of rows that do not say.
    """
    columns = {name: flat(column) for name, column in rows.columns.items()}
    mmsi, named = vessels_of(columns["mmsi"], writing)
    time_us = times_us(columns["time"], writing.time, columns.get("date"))
    code = np.where(named, np.where(time_us == NO_TIME, CODES["no_time"], 0), CODES["no_mmsi"]).astype(np.int8)
    used = code == 0
    offset, length = rows.offset, rows.length
    rejects = rejects_table(
        source,
        np.concatenate([offset[~used], rows.bad_offset]),
        np.concatenate([length[~used], rows.bad_length]),
        np.concatenate([code[~used], np.full(len(rows.bad_offset), CODES["malformed"], np.int8)]),
    )
    batch = _Batch(columns, mmsi, time_us, Evidence(source, offset, length), writing)
    batch = batch if used.all() else batch.where(used)
    types = batch.types()
    fixes = _fixes(batch if types is None else batch.where(np.isin(types, _POSITION_TYPES)), receiver)
    statics = _statics(batch if types is None else batch.where(np.isin(types, _STATIC_TYPES)))
    total = len(rows.offset) + len(rows.bad_offset)
    return DecodedBatch(fixes, statics, rejects, total, int(used.sum()), 0)


def vessels_of(column: pa.Array, writing: Writing) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """MMSI of a column, or numbers of other ids, and where there is a number; 0 elsewhere. Never raises."""
    if writing.ids is not None:
        return writing.ids.numbers(column)
    number, named = whole_numbers(column)
    if not writing.numbered and number.max(initial=0) >= FIRST_NUMBERED:
        named = named & (number < FIRST_NUMBERED)
        number = np.where(named, number, 0).astype(np.int32)
    return number, named


def number_of(column: pa.Array, name: str, writing: Writing) -> Floats:
    """A column as numbers in our unit; NaN where missing or no number."""
    if name in _SHARED:
        return codes(column, {**_SHARED[name], **writing.words_of(name)})
    if writing.decimal != "." and is_text(column.type):
        column = pc.replace_substring(column, writing.decimal, ".")
    factor = writing.factor(name)
    return numbers(column) if factor == 1.0 else numbers(column) * factor


@dataclass(frozen=True)
class _Batch:
    """Rows that name a vessel and a time, (n,) each."""

    columns: Mapping[str, pa.Array]
    mmsi: NDArray[np.int32]
    time_us: Ints
    evidence: Evidence
    writing: Writing

    def where(self, kept: NDArray[np.bool_]) -> _Batch:
        """Some of the rows."""
        if kept.all():
            return self
        columns = {name: column.filter(pa.array(kept)) for name, column in self.columns.items()}
        evidence = self.evidence.take(np.flatnonzero(kept))
        return _Batch(columns, self.mmsi[kept], self.time_us[kept], evidence, self.writing)

    def number(self, name: str) -> Floats:
        """A column as numbers in our unit; NaN where missing or no number."""
        return number_of(self.columns[name], name, self.writing)

    def word(self, name: str) -> pa.Array:
        """A column as a dictionary of strings; null where missing or told to be nothing."""
        coded = _capped(words(self.columns[name]))
        if not pc.any(pc.is_in(coded.dictionary, _NOTHING)).as_py():
            return coded
        texts = coded.dictionary_decode()
        return pc.if_else(pc.is_in(texts, _NOTHING), pa.scalar(None, texts.type), texts).dictionary_encode()

    def types(self) -> NDArray[np.int8] | None:
        """Message types, 0 where not said; None where no row says."""
        if "msg_type" not in self.columns:
            return None
        kinds = self.number("msg_type")
        return np.where((kinds >= 1) & (kinds <= 27), kinds, 0).astype(np.int8)

    def receivers(self, other: str) -> str | pa.Array:
        """Kinds of receiver, `other` where not said."""
        if "receiver" not in self.columns:
            return other
        return names(self.columns["receiver"], {**RECEIVER, **self.writing.words_of("receiver")}, other)


def _capped(coded: pa.Array) -> pa.Array:
    """Words cut to LONGEST_WORD characters: a text without end must not be kept with each vessel."""
    length = pc.max(pc.binary_length(coded.dictionary)).as_py() or 0
    if length <= LONGEST_WORD:
        return coded
    cut = pc.utf8_slice_codeunits(coded.dictionary, 0, LONGEST_WORD)
    return pa.DictionaryArray.from_arrays(coded.indices, cut)


def _fixes(batch: _Batch, receiver: str) -> pa.Table:
    moving: dict[str, Any] = {name: batch.number(name) for name in MEASURED if name in batch.columns}
    lon = batch.number("lon")
    if batch.writing.east_360:
        lon = westward(lon)
    positions = Positions(batch.mmsi, batch.time_us, lon, batch.number("lat"), **moving)
    station = text(batch.word("station").dictionary_decode(), len(lon)) if "station" in batch.columns else None
    fixes = fixes_table(positions, batch.evidence, batch.receivers(receiver), station)
    types = batch.types()
    if types is None:
        return fixes
    at = fixes.schema.get_field_index("msg_type")
    return fixes.set_column(at, fixes.schema.field(at), pa.array(types, mask=types == 0))


def _statics(batch: _Batch) -> pa.Table:
    """One row for each vessel, for each change of what it says, and each day, in the order of the rows."""
    columns, mmsi, time_us = batch.columns, batch.mmsi, batch.time_us
    sides = [side for whole, sides in LENGTHS.items() if whole in columns for side in sides]  # which it then is without
    asked = [name for name in STATIC_NUMBERS if name in columns and name not in sides]
    number: dict[str, Floats] = {name: _real(batch.number(name), name) for name in asked}
    word = {name: batch.word(name) for name in STATIC_WORDS if name in columns}
    if batch.writing.ids:
        word["name"] = _with_ids(word.get("name"), texts(columns["mmsi"]))
    if "imo" in columns:
        number["imo"] = imo_numbers(columns["imo"])
    known_codes = [np.nan_to_num(value, nan=-1.0) for value in number.values()]
    known_codes += [_codes(value) for value in word.values()]
    at = _changes(mmsi, time_us, known_codes) if known_codes else np.zeros(0, np.int64)
    rows = pa.array(at)
    values: dict[str, Any] = {name: value[at] for name, value in number.items()}
    values |= {name: value.take(rows).dictionary_decode() for name, value in word.items()}
    return statics_table(Claims(mmsi[at], time_us[at], **values), batch.evidence.take(at))


def _with_ids(name: pa.Array | None, ids: pa.Array) -> pa.Array:
    """Names with the ids behind them, the ids alone where there is none; as a dictionary."""
    ids = pc.binary_join_element_wise("id", ids, " ")
    if name is not None:
        names = pc.utf8_trim_whitespace(pc.utf8_rtrim(name.dictionary_decode(), "@ "))
        names = pc.if_else(pc.equal(names, ""), pa.scalar(None, pa.string()), names)
        ids = pc.if_else(pc.is_valid(names), pc.binary_join_element_wise(names, ids, ", "), ids)
    return ids.dictionary_encode()


def _real(value: Floats, name: str) -> Floats:
    """NaN for what means "not available", so that it is no change."""
    largest = 255.0 if name == "ship_type" else LARGEST_M
    least = 0.0 if name.startswith("to_") else np.nextafter(0.0, 1.0)  # an antenna may stand right at the bow
    return np.where((value >= least) & (value <= largest), value, np.nan)


def imo_numbers(column: pa.Array) -> Floats:
    """IMO numbers from numbers or from words such as IMO8207721; NaN where there is none or it is 0.

    >>> imo_numbers(pa.array(["IMO8207721", "IMO0000000", "9187629", None])).tolist()
    [8207721.0, nan, 9187629.0, nan]
    """
    coded = words(column)
    digits = [
        re.fullmatch(r"\s*(?:IMO)?[ :]*0*([1-9]\d{0,6})(?:\.0*)?\s*", word, re.I)
        for word in coded.dictionary.to_pylist()
    ]
    known = np.array([*(float(m[1]) if m else np.nan for m in digits), np.nan])
    return known[_indices(coded, len(digits))]


def _indices(coded: pa.Array, missing: int) -> Ints:
    return np.asarray(coded.indices.fill_null(missing).to_numpy(zero_copy_only=False), np.int64)


def _codes(coded: pa.Array) -> Floats:
    """A number for each different word, -1 for none and for words of @ and blanks."""
    codes = np.arange(len(coded.dictionary), dtype=np.float64)
    codes[[i for i, word in enumerate(coded.dictionary.to_pylist()) if _BLANK.fullmatch(word)]] = -1.0
    return np.append(codes, -1.0)[_indices(coded, len(codes))]


def _changes(mmsi: NDArray[np.int32], time_us: Ints, codes: list[Floats]) -> Ints:
    """Rows, rising, at which a vessel begins or ends to say the same, or says it for the first time in a UTC day.

    The end too: when a vessel last told its name must not depend on where a batch begins. The day: what was said long
    ago is forgotten, so that it has to be seen that it was said again.
    """
    order = ordered(mmsi, time_us // MS)
    changed = np.diff(mmsi[order], prepend=-1) != 0
    says = np.zeros(len(mmsi), np.bool_)
    for code in codes:
        changed |= np.diff(code[order], prepend=-2.0) != 0
        says |= code >= 0
    changed |= np.append(changed[1:], True)[: len(changed)]
    changed |= np.diff(time_us[order] // _DAY, prepend=-1) != 0
    return np.sort(order[changed & says[order]])
