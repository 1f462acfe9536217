"""What stands round many sentences at once, as columns: times, stations, suffixes, Gatehouse lines."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stswatch.pipeline.decode.lines import (
    Bools,
    Bytes,
    Ints,
    Words,
    bytes_at,
    cut,
    digits_first,
    first_outside,
    number,
    words_at,
)
from stswatch.pipeline.decode.stamps import FIRST_PLAUSIBLE_US, LAST_US, NO_TIME, kind_of
from stswatch.pipeline.decode.units import NO_GROUP, NO_STATION, Names
from stswatch.pipeline.schema import RECEIVERS, TERRESTRIAL, UNKNOWN

# --------- What stands round many sentences at once, as columns: the common form, and times that are numbers or dates

NAME_WORDS = 4  # words of the longest name of a station that is usual: 32 bytes
SECOND_US = 1_000_000


@dataclass(frozen=True)
class StampColumns:
    """What is said, (n,) each; station: (n, NAME_WORDS), zeros for none; by_suffix: whether the suffix said it.

    fast: whether it is sure to be what `stamps.py` says; the rest is not to be used where it is not. marks: commas and
    stars of all tag blocks, if all are usual.
    """

    fast: Bools
    time_us: Ints
    station: Words
    group: Ints
    by_suffix: Bools
    marks: int = 0

    def put(self, rows: Ints, other: StampColumns) -> StampColumns:
        """The same with some rows from elsewhere."""
        columns = {name: getattr(self, name).copy() for name in _COLUMNS}
        for name, column in columns.items():
            column[rows] = getattr(other, name)
        return StampColumns(**columns, marks=self.marks + other.marks)


_COLUMNS = [field.name for field in fields(StampColumns) if field.name != "marks"]


def nothing(n: int) -> StampColumns:
    """Of n sentences, nothing is said.

    >>> nothing(2).time_us.tolist() == [NO_TIME] * 2
    True
    """
    station = np.zeros((n, NAME_WORDS), np.uint64)
    return StampColumns(np.ones(n, np.bool_), np.full(n, NO_TIME), station, np.full(n, NO_GROUP), np.zeros(n, np.bool_))


def epochs_us(value: Ints) -> Ints:
    """Epochs in s, ms or µs, told apart by their size, as microseconds; NO_TIME for 0.

    >>> epochs_us(np.array([1599239526, 1599239526500, 0])).tolist()[:2]
    [1599239526000000, 1599239526500000]
    """
    time_us = value * scale_us(value)
    return np.where((time_us > 0) & (time_us <= LAST_US), time_us, NO_TIME)


def scale_us(value: Ints) -> Ints:
    """Microseconds in the unit of an epoch, told by its size: s, ms or µs.

    >>> scale_us(np.array([1599239526, 1599239526500])).tolist()
    [1000000, 1000]
    """
    if value.max(initial=0) < 10**11:
        return np.full(len(value), SECOND_US)
    return np.where(value < 10**11, SECOND_US, np.where(value < 10**14, 1_000, 1))


def moments(
    well: Bools, year: Ints, month: Ints, day: Ints, hour: Ints, minute: Ints, second: Ints
) -> tuple[Bools, Ints]:
    """Which of these are moments of the calendar, and their microseconds since 1970, UTC; well: those to consider.

    >>> day = np.array([28, 29])
    >>> moments(day > 0, day * 0 + 1970, day * 0 + 2, day, day * 0, day * 0, day * 0)[0].tolist()
    [True, False]
    """
    well = well & (year >= 1) & (year <= 9999) & (month >= 1) & (month <= 12)
    well &= (day >= 1) & (hour <= 23) & (minute <= 59) & (second <= 59)
    well &= (hour >= 0) & (minute >= 0) & (second >= 0)
    months = np.where(well, (year - 1970) * 12 + month - 1, 0)
    first, after = (
        each.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) for each in (months, months + 1)
    )
    well &= day <= after - first
    seconds = (first + day - 1) * 86_400 + hour * 3_600 + minute * 60 + second
    return well, np.where(well, seconds * SECOND_US, NO_TIME)


# ----------------------------------------------------------------------------------------------------------------
# What else lines say of many sentences at once: Coast Guard suffixes, times that begin a line, Gatehouse lines
# Each function says what its like in `stamps.py` says of one, or that a line is not usual.

_COMMA, _DOT, _COLON = b",.:"
_COMPACT = 14  # digits of a date and a time of day
_FROM_US, _TO_US = FIRST_PLAUSIBLE_US, 1_990_000_000_000_000  # 2033: from there on an epoch may be a date cut off
_NO_TIME_IN = 5  # bytes after a checksum in which no time has room, if there is no colon
_NAMES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_NOT_IN_NAMES = bytes(octet not in _NAMES for octet in range(256))  # bytes of which no name of a station is made


def suffixes(data: Bytes, rest: Ints, end: Ints) -> StampColumns:
    """Station and time of the suffixes of the US Coast Guard, or a time alone; rest, end: what follows each checksum.

    >>> text = b",x161433,s25723,d-112,T34.35063660,r09ABCD1,1152921695"
    >>> from stswatch.pipeline.decode.lines import padded
    >>> suffixes(padded(text), np.array([0]), np.array([len(text)])).time_us.tolist()
    [1152921695000000]
    """
    stamps = nothing(len(rest))
    letter = data[1:] | 0x20
    place = np.flatnonzero((data[:-1] == _COMMA) & ((letter == ord("r")) | (letter == ord("b"))))
    place = np.append(place, len(data))[np.searchsorted(place, rest)]
    rows, bare = np.flatnonzero(place < end), np.flatnonzero(place >= end)
    if len(rows):
        name, begin = words_at(data, place[rows] + 1, NAME_WORDS), place[rows] + 1
        length = first_outside(name, _NOT_IN_NAMES)
        stamps.time_us[rows], fast = _epochs(data, begin + length, end[rows])
        stamps.fast[rows] = fast & (length > 1) & (length < 8 * NAME_WORDS)
        stamps.station[rows] = cut(name, length)
        stamps.by_suffix[rows] = True
    if len(bare):
        stamps.time_us[bare], fast = _epochs(data, rest[bare], end[bare])
        short = (end[bare] - rest[bare] <= _NO_TIME_IN) & (bytes_at(data, rest[bare], 8) != _COLON).all(axis=1)
        stamps.fast[bare] = fast | short
        stamps.time_us[bare[~fast]] = NO_TIME
    return stamps


def _epochs(data: Bytes, comma: Ints, end: Ints) -> tuple[Ints, Bools]:
    """Epochs in seconds after commas, a comma or the end of the line after each; and which are that beyond doubt."""
    time = words_at(data, comma + 1, 2)
    figures = digits_first(time)
    after = comma + 1 + figures
    value = number(time, figures)
    fast = (data[comma] == _COMMA) & ((data[after] == _COMMA) | (after == end)) & (after <= end)
    fast &= (value >= _FROM_US // SECOND_US) & (value < _TO_US // SECOND_US) & (figures <= 10)
    return value * SECOND_US, fast


def prefixes(data: Bytes, start: Ints, end: Ints) -> tuple[Bools, Ints]:
    """Whether what begins a line is a time and a separator, and the time; start, end: its span.

    An epoch in s, ms or µs, or a date and a time in UTC, with or without separators; all may have a fraction.

    >>> text = b"2006-07-15T00:01:33Z 1152921693.5,20060715000133 "
    >>> from stswatch.pipeline.decode.lines import padded
    >>> usual, time_us = prefixes(padded(text), np.array([0, 21, 34]), np.array([21, 34, 49]))
    >>> usual.tolist(), (time_us - 1152921693000000).tolist()
    ([True, True, True], [0, 500000, 0])
    """
    epoch = words_at(data, start, 2)
    figures = digits_first(epoch)
    is_date, date_us = _dates(data, start)
    whole = np.where(is_date, 19, figures)
    fraction, length = _fractions(data, start + whole)
    value = number(epoch, figures)
    scale = scale_us(value)
    time_us = np.where(is_date, date_us + fraction, value * scale + fraction * scale // SECOND_US)
    known = is_date | ((figures >= 9) & (figures <= 16) & (time_us >= _FROM_US) & (time_us < _TO_US))
    known &= is_date | ((figures != 11) & (figures != 12) & (figures != 14))
    compact = np.flatnonzero(figures == _COMPACT)
    if len(compact):
        known[compact], moment_us = _compacts(data, start[compact])
        time_us[compact] = moment_us + fraction[compact]
    after = start + whole + length
    after += is_date & (data[after] == ord("Z"))
    separated = (end - after == 1) & np.isin(data[after], np.frombuffer(b" \t,;|", np.uint8))
    return separated & known, time_us


def _compacts(data: Bytes, place: Ints) -> tuple[Bools, Ints]:
    """Where the 14 digits of `20060715000133` are a moment, of 1995 or later, and the microseconds since 1970."""
    digit = (bytes_at(data, place, _COMPACT) - np.uint8(ord("0"))).astype(np.int64)
    two = digit[:, ::2] * 10 + digit[:, 1::2]
    year = two[:, 0] * 100 + two[:, 1]
    return moments((year >= 1995) & (year < 2200), year, *two[:, 2:].T)


def _fractions(data: Bytes, place: Ints) -> tuple[Ints, Ints]:
    """A fraction of up to six digits as microseconds, and its length with the dot; 0 and 0 where there is none."""
    words = words_at(data, place + 1, 2)
    figures = digits_first(words)
    is_one = (data[place] == _DOT) & (figures >= 1) & (figures <= 6)
    micros = number(words, figures) * 10 ** np.clip(6 - figures, 0, 6)
    return np.where(is_one, micros, 0), np.where(is_one, figures + 1, 0)


def _dates(data: Bytes, place: Ints) -> tuple[Bools, Ints]:
    """Where `2006-07-15T00:01:33` stands, and the microseconds since 1970."""
    text = bytes_at(data, place, 24)[:, :19]
    digit = (text - np.uint8(ord("0"))).astype(np.int64)
    two = digit[:, :-1] * 10 + digit[:, 1:]
    year, month, day = two[:, 0] * 100 + two[:, 2], two[:, 5], two[:, 8]
    hour, minute, second = two[:, 11], two[:, 14], two[:, 17]
    marks = text[:, [4, 7, 13, 16]] == np.frombuffer(b"--::", np.uint8)
    figures = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18]
    shape = marks.all(axis=1) & (digit[:, figures] <= 9).all(axis=1) & np.isin(text[:, 10], (ord("T"), ord(" ")))
    return moments(shape, year, month, day, hour, minute, second)


def gatehouse(data: Bytes, start: Ints, end: Ints) -> tuple[Ints, Bools]:
    """The times of Gatehouse lines, and which of these lines are usual; start, end: their spans.

    >>> line = b"$PGHP,1,2010,6,11,11,46,11,390,231,45,992190934,1,2B*5B"
    >>> from stswatch.pipeline.decode.lines import padded
    >>> [column.tolist() for column in gatehouse(padded(line), np.array([0]), np.array([len(line)]))]
    [[1276256771390000], [True]]
    """
    place = start + len("$PGHP,")
    fast = np.ones(len(start), np.bool_)
    fields = []
    for most in (4, 4, 2, 2, 2, 2, 2, 3):  # a number that says what follows, then year to milliseconds
        words = words_at(data, place, 2)
        figures = digits_first(words)
        fast &= (figures >= 1) & (figures <= most) & (data[place + figures] == _COMMA)
        fields.append(number(words, figures))
        place = np.minimum(place + figures + 1, end)
    fast, time_us = moments(fast, *fields[1:7])
    return time_us + fields[7] * 1_000, fast


# ------------------------------------------------ Names of stations to numbers: few different ones, on many sentences

_MIX = np.uint64(0x9E3779B97F4A7C15)  # the golden ratio, odd
_SLOT, _SLOTS = np.uint64(48), 1 << 16  # bits that are left out, so that what is left is a slot


def stations(name: Words, by_suffix: Bools, names: Names) -> tuple[Ints, NDArray[np.int8]]:
    """The numbers of stations, NO_STATION for none, and the kinds of their receivers, (n,) each.

    name: (n, words), zeros for none; by_suffix: (n,) whether the suffix of the Coast Guard names it; names: numbers of
    stations, to which new ones are added.

    >>> name = np.frombuffer(b"S1      S2      S1      ".replace(b" ", b"\\0"), np.uint64)[:, None]
    >>> stations(name, np.zeros(3, np.bool_), Names())[0].tolist()
    [0, 1, 0]
    """
    n = len(name)
    station, receiver = np.full(n, NO_STATION, np.int64), np.full(n, UNKNOWN, np.int8)
    rows = np.flatnonzero(name[:, 0])
    if not len(rows):
        return station, receiver
    number, first = _distinct(name[rows])
    names_of = [each.tobytes().rstrip(b"\0").decode("ascii", "replace") for each in name[rows[first]]]
    station[rows] = np.array([names.station(each) for each in names_of])[number]
    receiver[rows] = np.array([RECEIVERS.index(kind_of(each)) for each in names_of], np.int8)[number]
    receiver[by_suffix] = TERRESTRIAL
    return station, receiver


def _distinct(name: Words) -> tuple[Ints, Ints]:
    """For each name (n, words) its number among the different ones, and for each of these a row that has it."""
    columns = [name[:, 0], *(column for column in name.T[1:] if column.any())]
    mixed = columns[0] * _MIX
    for column in columns[1:]:
        mixed = ((mixed ^ (mixed >> np.uint64(29))) + column) * _MIX
    slot = (mixed >> _SLOT).astype(np.int64)
    rows = np.arange(len(name))
    table = np.empty(_SLOTS, np.int64)  # only the slots that are met are ever touched
    table[slot[::-1]] = rows[::-1]
    first = table[slot]  # the first row of the same name, or of another one that mixes to the same
    if any((column != column[first]).any() for column in columns):
        return _distinct_by_hash(name)
    ones = np.flatnonzero(first == rows)
    table[slot[ones]] = rows[: len(ones)]
    return table[slot], ones


def _distinct_by_hash(name: Words) -> tuple[Ints, Ints]:
    """As `_distinct`, for so many names that two of them share a slot."""
    width = pa.binary(name.itemsize * name.shape[1])
    byte_columns = pa.py_buffer(np.ascontiguousarray(name))
    found = pa.FixedSizeBinaryArray.from_buffers(width, len(name), [None, byte_columns]).dictionary_encode()
    number = found.indices.to_numpy()
    first = np.empty(len(found.dictionary), np.int64)
    first[number[::-1]] = np.arange(len(name))[::-1]
    return number, first
