"""What else lines say of many sentences at once: Coast Guard suffixes, times that begin a line, Gatehouse lines.

Each function says what its like in `stamps.py` says of one, or that a line is not usual.
"""

from __future__ import annotations

import numpy as np

from stswatch.pipeline.decode.lines import Bools, Bytes, Ints
from stswatch.pipeline.decode.octets import bytes_at, cut, digits_first, first_of, number, words_at
from stswatch.pipeline.decode.stamp_columns import (
    NAME_WORDS,
    SECOND_US,
    Said,
    epochs_us,
    moments,
    nothing,
    scale_us,
)
from stswatch.pipeline.decode.stamps import LAST_US, NO_TIME

_COMMA, _DOT = b",."


def suffixes(data: Bytes, rest: Ints, end: Ints) -> Said:
    """Station and time of the suffixes of the US Coast Guard; rest, end: what follows each checksum.

    >>> text = b",x161433,s25723,d-112,T34.35063660,r3669961,1152921695"
    >>> from stswatch.pipeline.decode.octets import padded
    >>> suffixes(padded(text), np.array([0]), np.array([len(text)])).time_us.tolist()
    [1152921695000000]
    """
    said = nothing(len(rest))
    letter = data[1:] | 0x20
    place = np.flatnonzero((data[:-1] == _COMMA) & ((letter == ord("r")) | (letter == ord("b"))))
    place = np.append(place, len(data))[np.searchsorted(place, rest)]
    rows = np.flatnonzero(place < end)
    name, place = words_at(data, place[rows] + 1, NAME_WORDS), place[rows] + 1
    length = first_of(name, b",")
    second = data[place + 1] | np.uint8(0x20)
    lettered = (second >= ord("a")) & (second <= ord("z"))
    digits = digits_first(words_at(data, place + 1 + lettered, NAME_WORDS))
    usual = (digits > 0) & (length == 1 + lettered + digits)
    time = words_at(data, place + length + 1, 2)
    figures = digits_first(time)
    after = data[place + length + 1 + figures]
    usual &= ((figures == 9) | (figures == 10)) & (after != _DOT) & (place + length + 1 + figures <= end[rows])
    said.usual[rows] = usual
    said.time_us[rows] = epochs_us(number(time, figures))
    said.station[rows] = cut(name, length)
    said.by_suffix[rows] = True
    return said


def prefixes(data: Bytes, start: Ints, end: Ints) -> tuple[Bools, Ints]:
    """Whether what begins a line is a time and a separator, and the time; start, end: its span.

    An epoch in s, ms or µs, or a date and a time in UTC; both may have a fraction.

    >>> text = b"2006-07-15T00:01:33Z 1152921693.5,"
    >>> from stswatch.pipeline.decode.octets import padded
    >>> usual, time_us = prefixes(padded(text), np.array([0, 21]), np.array([21, 34]))
    >>> usual.tolist(), time_us.tolist()
    ([True, True], [1152921693000000, 1152921693500000])
    """
    epoch = words_at(data, start, 2)
    figures = digits_first(epoch)
    is_date, date_us = _dates(data, start)
    whole = np.where(is_date, 19, figures)
    fraction, length = _fractions(data, start + whole)
    value = number(epoch, figures)
    scale = scale_us(value)
    time_us = np.where(is_date, date_us + fraction, value * scale + fraction * scale // SECOND_US)
    time_us = np.where((time_us > 0) & (time_us <= LAST_US) | is_date, time_us, NO_TIME)
    after = start + whole + length
    after += is_date & (data[after] == ord("Z"))
    separated = (end - after == 1) & np.isin(data[after], np.frombuffer(b" \t,;|", np.uint8))
    return separated & (is_date | ((figures >= 9) & (figures <= 16) & (figures != 14))), time_us


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
