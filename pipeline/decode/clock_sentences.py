"""RMC and ZDA sentences of NMEA 0183, in which a satellite receiver tells date and time.

Source: NMEA 0183 4.10, RMC (recommended minimum data) and ZDA (time and date).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import reduce
from operator import xor

import numpy as np

from stswatch.pipeline.decode.lines import Ints
from stswatch.pipeline.decode.written_times import FIRST_PLAUSIBLE_US, us_of

_SENTENCE = re.compile(rb"\$([A-Z]{2})(RMC|ZDA),([^*$!\\\r\n]*)\*([0-9A-F]{2})(?![0-9A-Fa-f])")
_TIME = re.compile(rb"(\d{6})(?:\.(\d{1,6}))?")
_CENTURY = 80  # a year of two digits from here on is one of the last century


def clock_sentences(text: bytes) -> tuple[Ints, Ints, Ints, Ints]:
    """Where these sentences begin, where the line after each begins, UTC microseconds, and the talker, (n,) each.

    Only those whose checksum holds, with a fix where they say so, and with a date from 1995 on. A talker is a number
    below 0. Never raises.

    >>> begin, after, time_us, _ = clock_sentences(b"$GPZDA,120005.00,10,03,2025,00,00*67\\n!AIVDM")
    >>> begin.tolist(), after.tolist(), time_us.tolist()
    ([0], [37], [1741608005000000])
    """
    found = []
    for sentence in _SENTENCE.finditer(text):
        if reduce(xor, sentence[0][1:-3], 0) != int(sentence[4], 16):
            continue
        time_us = (_rmc if sentence[2] == b"RMC" else _zda)(sentence[3].split(b","))
        if time_us is None or time_us < FIRST_PLAUSIBLE_US:
            continue
        after = text.find(b"\n", sentence.end()) + 1 or len(text)
        found.append((sentence.start(), after, time_us, -1 - int.from_bytes(sentence[1], "little")))
    begin, after_, told_us, talker = np.array(found, np.int64).reshape(-1, 4).T
    return begin, after_, told_us, talker


def _rmc(fields: list[bytes]) -> int | None:
    """Time, status, position, speed, course, and the date as ddmmyy; a status of V is a warning."""
    if len(fields) < 9 or fields[1] != b"A" or len(fields[8]) != 6 or not fields[8].isdigit():
        return None
    day, month, year = (int(fields[8][at : at + 2]) for at in (0, 2, 4))
    return _moment(year + (1900 if year >= _CENTURY else 2000), month, day, fields[0])


def _zda(fields: list[bytes]) -> int | None:
    """Time, day, month, year; the local zone after them is not looked at, the time is UTC."""
    if len(fields) < 4 or not all(field.isdigit() and len(field) <= 4 for field in fields[1:4]):
        return None
    day, month, year = (int(field) for field in fields[1:4])
    return _moment(year, month, day, fields[0])


def _moment(year: int, month: int, day: int, time: bytes) -> int | None:
    found = _TIME.fullmatch(time)
    if found is None:
        return None
    hour, minute, second = (int(found[1][at : at + 2]) for at in (0, 2, 4))
    try:
        when = datetime(year, month, day, hour, minute, second, int((found[2] or b"0").ljust(6, b"0")), UTC)
        return us_of(when)
    except ValueError:
        return None
