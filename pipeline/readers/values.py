"""Columns of a table as numbers and words, whatever their type; what cannot be read is missing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stswatch.geo.reference.mmsi import FIRST_NUMBERED
from stswatch.pipeline.decode.lines import Bools
from stswatch.pipeline.readers.source import SourceError, SourcePlace
from stswatch.pipeline.readers.text import in_utf8

# ------------ What tables write in words, as the numbers and names of AIS; case, blanks and punctuation do not matter
# Sources: ITU-R M.1371-5, tables 45 (navigational status) and 53 (type of ship), for the numbers; for the words the
# archives of the Danish Maritime Authority and, for the status, those of MarineCadastre of some years.

STATUS: Mapping[str, int] = {
    "underwayusingengine": 0,
    "atanchor": 1,
    "notundercommand": 2,
    "restrictedmaneuverability": 3,
    "restrictedmanoeuvrability": 3,
    "constrainedbyherdraught": 4,
    "moored": 5,
    "aground": 6,
    "engagedinfishing": 7,
    "underwaysailing": 8,
    "reservedforfutureamendmenthsc": 9,
    "reservedforfutureamendmentwig": 10,
    "powerdrivenvesseltowingastern": 11,
    "reservedforfutureuse11": 11,
    "powerdrivenvesselpushingaheadortowingalongside": 12,
    "reservedforfutureuse12": 12,
    "reservedforfutureuse": 13,
    "reservedforfutureuse13": 13,
    "aissart": 14,
    "aissartactive": 14,
}
SHIP_TYPE: Mapping[str, int] = {  # a word says nothing of the second digit of 20, 40, 60 to 90: that is 0
    "wig": 20,
    "fishing": 30,
    "towing": 31,
    "towinglongwide": 32,
    "dredging": 33,
    "diving": 34,
    "military": 35,
    "sailing": 36,
    "pleasure": 37,
    "hsc": 40,
    "pilot": 50,
    "sar": 51,
    "tug": 52,
    "porttender": 53,
    "antipollution": 54,
    "lawenforcement": 55,
    "spare1": 56,
    "spare2": 57,
    "medical": 58,
    "notpartytoconflict": 59,
    "passenger": 60,
    "cargo": 70,
    "tanker": 80,
    "other": 90,
}
MESSAGE_TYPE: Mapping[str, int] = {  # of what is no ship; "Class A" and "Class B" do not tell which of their messages
    "basestation": 4,
    "sarairborne": 9,
    "aton": 21,
}
RECEIVER: Mapping[str, str] = {
    "satellite": "satellite",
    "sat": "satellite",
    "sais": "satellite",
    "satais": "satellite",
    "terrestrial": "terrestrial",
    "ter": "terrestrial",
    "tais": "terrestrial",
}
NOTHING = ("Unknown", "Unknown value", "Undefined", "Not defined")  # AIS itself has no small letters


def plain(word: str) -> str:
    """A word in small letters and digits alone.

    >>> plain("# Timestamp"), plain("Reserved for future amendment [HSC]")
    ('timestamp', 'reservedforfutureamendmenthsc')
    """
    return re.sub(r"[^a-z0-9]", "", word.casefold())


# ------------------------ Longitudes that run from 0 to 360: known by the values of a table, and moved to -180 to 180
# The table is looked at as a whole, or where that takes long in samples all over it. Only a value beyond 180 is
# moved, so what is not seen costs positions, which are counted as out of range, and makes none wrong.

NOT_AVAILABLE = 181.0
NOTE = "longitudes of 0 to 360 taken as -180 to 180"

Floats = NDArray[np.float64]


def runs_to_360(lon: Floats) -> bool:
    """Whether longitudes of a table lie beyond 180 and none below 0; never raises.

    >>> runs_to_360(np.array([124.5, 235.0])), runs_to_360(np.array([-90.0, 235.0])), runs_to_360(np.array([181.0]))
    (True, False, False)
    """
    lon = lon[np.isfinite(lon) & (lon != NOT_AVAILABLE)]
    beyond = (lon > 180.0) & (lon <= 360.0)
    return bool(beyond.any() and not (lon < 0.0).any())


def westward(lon: Floats) -> Floats:
    """Longitudes with those beyond 180 as west; what means "not available" as it is.

    >>> westward(np.array([124.5, 235.0, 360.0, 181.0])).tolist()
    [124.5, -125.0, 0.0, 181.0]
    """
    beyond = (lon > 180.0) & (lon <= 360.0) & (lon != NOT_AVAILABLE)
    return np.where(beyond, lon - 360.0, lon)


# ------------------------------- Speeds that are no knots, though the name of their column is one of those in knots

_FASTEST_KN, _NO_SPEED = 102.2, 1023  # of AIS, where 1023 tenths are "not available". Source: ITU-R M.1371-5, table 48
_FEW_SPEEDS, _FASTER, _DIFFERENT = 20, 0.05, 5  # of fewer different ones each may stand for "not available"


def check_speeds(place: SourcePlace, name: str, speed: Floats) -> None:
    """Raise SourceError where speeds are whole numbers and more than one in twenty of them is no speed in knots.

    So tables write tenths of a knot, as AIS sends them, or cm/s: whether a vessel lies still would be misread.
    """
    speed = speed[(speed > 0) & (speed < _NO_SPEED)]
    fast = speed > _FASTEST_KN
    many = len(speed) >= _FEW_SPEEDS and fast.mean() > _FASTER and len(np.unique(speed[fast])) >= _DIFFERENT
    if many and (speed == np.rint(speed)).all():
        raise SourceError(
            f"{place}: column {name!r} holds whole numbers such as {speed[fast][0]:.0f}, and no speed of AIS is above"
            f' {_FASTEST_KN} knots; name its unit in a column map, given with `columns=FILE`: sog_kn = "1/10 kn" under'
            ' [factors], or "cm/s"'
        )


# ----------------------- Columns of a table as numbers and words, whatever their type; what cannot be read is missing

Ints = NDArray[np.int64]

_NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"


def is_text(kind: pa.DataType) -> bool:
    """Whether a type holds words."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One array, dictionaries written out."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def ordinary(column: pa.Array) -> pa.Array:
    """The same values in a type that all else here can work on, and words in UTF-8; never raises.

    Arrow compares no half floats and searches no views, and Parquet holds whatever bytes it was given as words.

    >>> ordinary(pa.array([b"caf\\xe9"]).view(pa.string())).to_pylist()
    ['café']
    """
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_float16(column.type):
        return column.cast(pa.float32())
    if not is_text(column.type):
        return column
    column = column.cast(pa.string())
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        given = column.view(pa.binary()).to_pylist()
        return pa.array([None if word is None else in_utf8(word).decode() for word in given], pa.string())
    return column


def numbers(column: pa.Array) -> Floats:
    """A column as float64, NaN where missing or no number; never raises.

    >>> numbers(pa.array(["7", " 1.5 ", "x", None])).tolist()
    [7.0, 1.5, nan, nan]
    """
    if is_text(column.type):
        column = _text_to_number(column)
    try:
        values = column.cast(pa.float64(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return np.full(len(column), np.nan)
    return np.asarray(values.to_numpy(zero_copy_only=False), np.float64)


def _text_to_number(column: pa.Array) -> pa.Array:
    try:
        return column.cast(pa.float64())
    except pa.ArrowInvalid:
        good = pc.match_substring_regex(column, _NUMBER)
        kept = pc.if_else(good, column, pa.scalar(None, column.type))
        return pc.utf8_trim_whitespace(kept).cast(pa.float64())


def whole_numbers(column: pa.Array) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """A column as int32, and where it is one; 0 elsewhere. Never raises.

    >>> [part.tolist() for part in whole_numbers(pa.array(["431000123", "4.5", None, "99999999999"]))]
    [[431000123, 0, 0, 0], [True, False, False, False]]
    """
    if pa.types.is_integer(column.type) and not column.null_count:
        whole = column.to_numpy()
        good = (whole >= -(2**31)) & (whole < 2**31)
        return (whole if good.all() else np.where(good, whole, 0)).astype(np.int32), good
    value = numbers(column)
    good = (np.abs(value) < 2**31) & (value == np.floor(value))
    return np.where(good, value, 0).astype(np.int32), good


def codes(column: pa.Array, known: Mapping[str, int | str]) -> Floats:
    """A column of numbers or of words as numbers, NaN where missing or not known; never raises.

    known: the word, plain, and its number.

    >>> codes(pa.array(["Moored", "1", "at the pier", None]), {"moored": 5}).tolist()
    [5.0, 1.0, nan, nan]
    """
    if not is_text(column.type):
        return numbers(column)
    coded = words(column)
    texts = coded.dictionary.to_pylist()
    table = np.append(numbers(coded.dictionary), np.nan)
    for at, word in enumerate(texts):
        if np.isnan(table[at]):
            table[at] = known.get(plain(word), np.nan)
    return table[np.asarray(coded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False), np.int64)]


def names(column: pa.Array, known: Mapping[str, int | str], other: str) -> pa.Array:
    """A column of words as the names known for them, `other` where missing or not known; never raises.

    >>> names(pa.array(["S-AIS", "?", None]), {"sais": "satellite"}, "unknown").to_pylist()
    ['satellite', 'unknown', 'unknown']
    """
    coded = words(column)
    table = pa.array([str(known.get(plain(word), other)) for word in coded.dictionary.to_pylist()], pa.string())
    return table.take(coded.indices).fill_null(other)


def words(column: pa.Array) -> pa.Array:
    """A column as a dictionary of strings, missing where its type has no words for them; never raises.

    >>> words(pa.array([[1], [2]])).to_pylist(), words(pa.array([b"A", None])).to_pylist()
    ([None, None], ['A', None])
    """
    try:
        coded = column.cast(pa.string(), safe=False).dictionary_encode()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # lists, structs
        coded = pa.nulls(len(column), pa.string()).dictionary_encode()
    try:
        coded.dictionary.validate(full=True)
    except pa.ArrowInvalid:  # Parquet holds whatever bytes it was given
        texts = [in_utf8(word).decode() for word in coded.dictionary.view(pa.binary()).to_pylist()]
        return pa.DictionaryArray.from_arrays(coded.indices, pa.array(texts, pa.string()))
    return coded


# ----------------------------------------------------------------------------------------------------------------
# Ids that are no MMSI: hashed, or numbers of a table's own. With `--ids any` each is a vessel under a number of
# ours
# A whole number below 2**24 is told apart by itself, any other id by a hash of its letters; the numbers given lie
# from 2**30 on, where no MMSI is and none that a message of AIS could hold (30 bits). So an id has the same number in
# every file. Two ids of one hash are told apart among the files that are read together: the later one in the order of
# letters is hashed anew. What an id is, is kept as the vessel's name, or behind it.

IDS_NOTE = "ids numbered from 1,073,741,824 on: flag and kind of station are not judged"
_OWN = 2**24  # numbers below it are told apart by themselves
_HASHED = 2**30 - _OWN
_WHOLE = re.compile(r"(0|[1-9]\d{0,8})(?:\.0*)?")
_MAYBE_MMSI = r"^0*[1-9][0-9]{6,8}(\.0*)?$"  # no form of an MMSI has fewer digits
_FEW = 0.5  # share of possible MMSI below which a column is said to hold none


@dataclass(frozen=True)
class Numbering:
    """How ids are numbered; picklable. anew: ids of one hash with another, and their numbers."""

    anew: tuple[tuple[str, int], ...] = ()

    def number(self, text: str) -> int:
        """The number of an id, FIRST_NUMBERED or more.

        >>> Numbering().number("12"), Numbering().number("vessel_12") == Numbering().number("vessel_12")
        (1073741836, True)
        """
        known = dict(self.anew).get(text)
        return known if known is not None else _number(text, 0)

    def numbers(self, column: pa.Array) -> tuple[NDArray[np.int32], Bools]:
        """The numbers of ids, and where there is one; 0 elsewhere. Never raises."""
        coded = texts(column).dictionary_encode()
        values = [self.number(text) for text in coded.dictionary.to_pylist()]
        table = np.array([*values, 0], np.int64).astype(np.int32)
        found = table[np.asarray(coded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False), np.int64)]
        return found, found > 0


def _number(text: str, again: int) -> int:
    whole = _WHOLE.fullmatch(text)
    if whole and int(whole[1]) < _OWN:
        return FIRST_NUMBERED + int(whole[1])
    letters = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16, salt=again.to_bytes(8, "big")).digest()
    return FIRST_NUMBERED + _OWN + int.from_bytes(letters, "big") % _HASHED


def numbering_of(ids: Iterable[str]) -> Numbering:
    """The numbering of ids that are read together: no two have one number, whatever their order.

    >>> numbering_of(["b", "a"]) == numbering_of(["a", "b"]) == Numbering()
    True
    """
    anew: list[tuple[str, int]] = []
    taken: dict[int, str] = {}
    for text in sorted(set(ids)):
        again = 0
        while taken.setdefault(_number(text, again), text) not in (text, _same(text)):
            again += 1
        if again:
            anew.append((text, _number(text, again)))
    return Numbering(tuple(anew))


def _same(text: str) -> str:
    """The id as a whole number is written, which is the same id.

    >>> _same("7.0"), _same("x7")
    ('7', 'x7')
    """
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole and int(whole[1]) < _OWN else text


def texts(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Ids as words without blanks round them, null where there is none; whole numbers without a fraction.

    Never raises, whatever the type of the column.
    """
    column = flat(column)
    if pa.types.is_floating(column.type):
        whole = column.cast(pa.int64(), safe=False)
        same = pc.equal(whole.cast(column.type, safe=False), column)
        column = pc.if_else(same, whole.cast(pa.string()), column.cast(pa.string()))
    column = pc.utf8_trim_whitespace(flat(words(column)))
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def check(place: SourcePlace, name: str, column: pa.Array) -> None:
    """Raise SourceError where most of the ids of a table are no MMSI; column: those of some of its rows.

    >>> check(SourcePlace("a.csv"), "mmsi", pa.array(["431000001", "x", "412000001"]))
    """
    ids = pc.unique(texts(column).drop_null())
    strange = ids.filter(pc.invert(pc.match_substring_regex(ids, _MAYBE_MMSI)))
    if len(ids) > 1 and len(ids) - len(strange) < _FEW * len(ids):
        shown = ", ".join(repr(text[:40]) for text in strange[:2].to_pylist())
        raise SourceError(
            f"{place}: what stands in {name[:60]!r} is no MMSI ({shown}); if these are ids of another kind, give"
            " `ids=any`: each is then a vessel, and flag and kind of station are not judged"
        )
