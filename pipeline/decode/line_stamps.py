"""What else lines say of many sentences at once: Coast Guard suffixes, times that begin a line, Gatehouse lines.

Each function says what its like in `stamps.py` says of one, or that a line is not usual.
"""

from __future__ import annotations

import numpy as np

from stswatch.pipeline.decode.lines import Bools, Bytes, Ints
from stswatch.pipeline.decode.octets import bytes_at, cut, digits_first, first_outside, number, words_at
from stswatch.pipeline.decode.stamp_columns import (
    NAME_WORDS,
    SECOND_US,
    Said,
    moments,
    nothing,
    scale_us,
)
from stswatch.pipeline.decode.written_times import FIRST_PLAUSIBLE_US, NO_TIME

_COMMA, _DOT, _COLON = b",.:"
_COMPACT = 14  # digits of a date and a time of day
_FROM_US, _TO_US = FIRST_PLAUSIBLE_US, 1_990_000_000_000_000  # 2033: from there on an epoch may be a date cut off
_NO_TIME_IN = 5  # bytes after a checksum in which no time has room, if there is no colon
_NAMES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_NOT_IN_NAMES = bytes(octet not in _NAMES for octet in range(256))  # bytes of which no name of a station is made


def suffixes(data: Bytes, rest: Ints, end: Ints) -> Said:
    """Station and time of the suffixes of the US Coast Guard, or a time alone; rest, end: what follows each checksum.

    >>> text = b",x161433,s25723,d-112,T34.35063660,r09ABCD1,1152921695"
    >>> from stswatch.pipeline.decode.octets import padded
    >>> suffixes(padded(text), np.array([0]), np.array([len(text)])).time_us.tolist()
    [1152921695000000]
    """
    said = nothing(len(rest))
    letter = data[1:] | 0x20
    place = np.flatnonzero((data[:-1] == _COMMA) & ((letter == ord("r")) | (letter == ord("b"))))
    place = np.append(place, len(data))[np.searchsorted(place, rest)]
    rows, bare = np.flatnonzero(place < end), np.flatnonzero(place >= end)
    if len(rows):
        name, begin = words_at(data, place[rows] + 1, NAME_WORDS), place[rows] + 1
        length = first_outside(name, _NOT_IN_NAMES)
        said.time_us[rows], usual = _epochs(data, begin + length, end[rows])
        said.usual[rows] = usual & (length > 1) & (length < 8 * NAME_WORDS)
        said.station[rows] = cut(name, length)
        said.by_suffix[rows] = True
    if len(bare):
        said.time_us[bare], usual = _epochs(data, rest[bare], end[bare])
        short = (end[bare] - rest[bare] <= _NO_TIME_IN) & (bytes_at(data, rest[bare], 8) != _COLON).all(axis=1)
        said.usual[bare] = usual | short
        said.time_us[bare[~usual]] = NO_TIME
    return said


def _epochs(data: Bytes, comma: Ints, end: Ints) -> tuple[Ints, Bools]:
    """Epochs in seconds after commas, a comma or the end of the line after each; and which are that beyond doubt."""
    time = words_at(data, comma + 1, 2)
    figures = digits_first(time)
    after = comma + 1 + figures
    value = number(time, figures)
    usual = (data[comma] == _COMMA) & ((data[after] == _COMMA) | (after == end)) & (after <= end)
    usual &= (value >= _FROM_US // SECOND_US) & (value < _TO_US // SECOND_US) & (figures <= 10)
    return value * SECOND_US, usual


def prefixes(data: Bytes, start: Ints, end: Ints) -> tuple[Bools, Ints]:
    """Whether what begins a line is a time and a separator, and the time; start, end: its span.

    An epoch in s, ms or µs, or a date and a time in UTC, with or without separators; all may have a fraction.

    >>> text = b"2006-07-15T00:01:33Z 1152921693.5,20060715000133 "
    >>> from stswatch.pipeline.decode.octets import padded
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
    >>> from stswatch.pipeline.decode.octets import padded
    >>> [column.tolist() for column in gatehouse(padded(line), np.array([0]), np.array([len(line)]))]
    [[1276256771390000], [True]]
    """
    place = start + len("$PGHP,")
    usual = np.ones(len(start), np.bool_)
    fields = []
    for most in (4, 4, 2, 2, 2, 2, 2, 3):  # a number that says what follows, then year to milliseconds
        words = words_at(data, place, 2)
        figures = digits_first(words)
        usual &= (figures >= 1) & (figures <= most) & (data[place + figures] == _COMMA)
        fields.append(number(words, figures))
        place = np.minimum(place + figures + 1, end)
    usual, time_us = moments(usual, *fields[1:7])
    return time_us + fields[7] * 1_000, usual
