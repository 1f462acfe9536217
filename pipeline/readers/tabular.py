"""Rows of a decoded archive to fixes, static reports and rejects: what all tables have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stswatch.pipeline.batch import HOUR, MS, ordered
from stswatch.pipeline.decode.fixes import Evidence, Positions, fixes_table
from stswatch.pipeline.decode.rejects import CODES, rejects_table
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.decode.statics import LARGEST_M, Claims, statics_table
from stswatch.pipeline.readers.base import Decoded
from stswatch.pipeline.readers.column_map import TimeFormat
from stswatch.pipeline.readers.values import Floats, Ints, flat, numbers, times_us, whole_numbers, words

KINEMATIC = ("sog_kn", "cog_deg", "heading_deg", "status")
STATIC_WORDS = ("name", "call_sign", "destination")
STATIC_NUMBERS = ("ship_type", "length_m", "beam_m", "draught_m")
STATIC = ("imo", *STATIC_WORDS, *STATIC_NUMBERS)
_BLANK = re.compile(r"[@\s]*")
_DAY = 24 * HOUR


@dataclass(frozen=True)
class Rows:
    """A batch of rows: columns by our names, in whatever type, and where each row stands."""

    columns: Mapping[str, pa.Array]
    offset: Ints
    length: NDArray[np.int32]
    bad_offset: Ints  # rows that do not have the columns of the header
    bad_length: Ints


def decode_rows(rows: Rows, source: str, receiver: str, time: TimeFormat) -> Decoded:
    """Fixes of all rows with a vessel and a time, static reports where static columns change; never raises.

    source: first 16 hex digits of the SHA-256; receiver: terrestrial, satellite or unknown.
    """
    columns = {name: flat(column) for name, column in rows.columns.items()}
    mmsi, named = whole_numbers(columns["mmsi"])
    time_us = times_us(columns["time"], time)
    code = np.where(named, np.where(time_us == NO_TIME, CODES["no_time"], 0), CODES["no_mmsi"]).astype(np.int8)
    used = code == 0
    offset, length = rows.offset, rows.length
    rejects = rejects_table(
        source,
        np.concatenate([offset[~used], rows.bad_offset]),
        np.concatenate([length[~used], rows.bad_length]),
        np.concatenate([code[~used], np.full(len(rows.bad_offset), CODES["malformed"], np.int8)]),
    )
    if not used.all():
        columns = {name: column.filter(pa.array(used)) for name, column in columns.items()}
        mmsi, time_us, offset, length = mmsi[used], time_us[used], offset[used], length[used]
    evidence = Evidence(source, offset, length)
    moving: dict[str, Any] = {name: numbers(columns[name]) for name in KINEMATIC if name in columns}
    positions = Positions(
        mmsi,
        time_us,
        numbers(columns["lon"]),
        numbers(columns["lat"]),
        **moving,
    )
    statics = _statics(columns, mmsi, time_us, evidence)
    total = len(rows.offset) + len(rows.bad_offset)
    return Decoded(fixes_table(positions, evidence, receiver), statics, rejects, total, len(mmsi), 0)


def _statics(columns: Mapping[str, pa.Array], mmsi: NDArray[np.int32], time_us: Ints, evidence: Evidence) -> pa.Table:
    """One row for each vessel, and for each change of what it says, in the order of the rows."""
    number: dict[str, Floats] = {
        name: _real(numbers(columns[name]), name) for name in STATIC_NUMBERS if name in columns
    }
    word = {name: words(columns[name]) for name in STATIC_WORDS if name in columns}
    if "imo" in columns:
        number["imo"] = imo_numbers(columns["imo"])
    codes = [np.nan_to_num(value, nan=-1.0) for value in number.values()]
    codes += [_codes(value) for value in word.values()]
    at = _changes(mmsi, time_us, codes) if codes else np.zeros(0, np.int64)
    rows = pa.array(at)
    said: dict[str, Any] = {name: value[at] for name, value in number.items()}
    said |= {name: value.take(rows).dictionary_decode() for name, value in word.items()}
    return statics_table(Claims(mmsi[at], time_us[at], **said), evidence.take(at))


def _real(value: Floats, name: str) -> Floats:
    """NaN for what means "not available", so that it is no change."""
    largest = 255.0 if name == "ship_type" else LARGEST_M
    return np.where((value > 0) & (value <= largest), value, np.nan)


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
    said = np.arange(len(coded.dictionary), dtype=np.float64)
    said[[i for i, word in enumerate(coded.dictionary.to_pylist()) if _BLANK.fullmatch(word)]] = -1.0
    return np.append(said, -1.0)[_indices(coded, len(said))]


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
