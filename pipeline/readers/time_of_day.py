"""Times of day in a column of their own, beside one of dates: which form they have, and what they are.

    words      12:00:00, 09:30, 12:00:00.5Z
    time       a column of times of day of Arrow
    hhmmss     93005 is 09:30:05; hhmm: 930 is 09:30
    seconds    of the day, 0 to 86,399
    fraction   of the day, 0 to 1

Numbers can be of several forms at once: 1200 may be noon, 00:12:00 or the 1,200th second. The words in which they are
written or enough of them decide; else nothing does.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stswatch.pipeline.batch import SECOND, Bools, Floats, Ints
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.readers import civil
from stswatch.pipeline.readers.civil import DAY
from stswatch.pipeline.readers.values import is_text, numbers

WORDS, TIME, HHMMSS, HHMM, SECONDS, FRACTION = "words", "time", "hhmmss", "hhmm", "seconds", "fraction"
SAYS = {
    WORDS: "hh:mm:ss",
    TIME: "a time of day",
    HHMMSS: "digits hhmmss",
    HHMM: "digits hhmm",
    SECONDS: "seconds of the day",
    FRACTION: "a fraction of the day",
}
_MOST = 0.95  # share of the values that have the form of a column
_ENOUGH = 20  # different numbers that would show what they are not: of seconds of a day two in three are no hhmmss
_SPAN = 10_000  # and how far they reach
_LAST_SECOND = 63  # of AIS: 60 to 63 say why there is none


def is_utc_second(column: pa.Array) -> bool:
    """Whether a column is the UTC second of AIS messages 1 to 3, 18 and 19: whole numbers of 0 to 63, not all 0.

    Source: ITU-R M.1371-5, table 47.

    >>> is_utc_second(pa.array([0, 59, None, 60])), is_utc_second(pa.array([0.5, 0.25]))
    (True, False)
    """
    if pa.types.is_temporal(column.type):
        return False
    value = numbers(column)[np.asarray(column.is_valid())]
    second = (value >= 0) & (value <= _LAST_SECOND) & (value == np.floor(value))
    return bool(second.all() and value.any())


def form_of(column: pa.Array) -> tuple[str, ...]:
    """The forms that a column of times of day may have: none, one, or several where it does not show which."""
    if pa.types.is_time(column.type):
        return (TIME,)
    if pa.types.is_temporal(column.type) or column.null_count == len(column) or is_utc_second(column):
        return ()
    if is_text(column.type):
        if _share(civil.times_of_day(column)[0] != NO_TIME, column) >= _MOST:
            return (WORDS,)
        for name, length in ((HHMMSS, 6), (HHMM, 4)):
            padded = pc.match_substring_regex(column, rf"^\s*\d{{{length}}}(\.\d+)?\s*$")
            if pc.all(padded).as_py() and _fits(column, name) >= _MOST:
                return (name,)
    return _of_numbers(column)


def _of_numbers(column: pa.Array) -> tuple[str, ...]:
    value = numbers(column)
    value = value[~np.isnan(value)]
    if not len(value):
        return ()
    if ((value >= 0) & (value < 1)).all() and value.any():
        return (FRACTION,)
    possible = tuple(name for name in (HHMMSS, HHMM, SECONDS) if _fits(column, name) >= _MOST)
    varied = len(np.unique(value)) >= _ENOUGH and np.ptp(value) >= _SPAN
    if possible == (HHMMSS, SECONDS) and varied:  # were they seconds, some would be no hhmmss
        return (HHMMSS,)
    return possible


def _fits(column: pa.Array, name: str) -> float:
    return _share(np.asarray(clock_us(column, name)[0] != NO_TIME), column)


def _share(good: Bools, column: pa.Array) -> float:
    return int(good.sum()) / max(1, int(len(column) - column.null_count))


def clock_us(column: pa.Array, name: str) -> tuple[Ints, Ints, Bools]:
    """Microseconds of the day, of the offset from UTC that is named, and where one is; never raises.

    NO_TIME where a value does not have the form.

    >>> clock_us(pa.array([93005, 120000, 126000]), HHMMSS)[0].tolist()[:2]
    [34205000000, 43200000000]
    """
    none = np.zeros(len(column), np.int64), np.zeros(len(column), np.bool_)
    if pa.types.is_time(column.type):
        whole = column.cast(pa.time64("us"), safe=False).cast(pa.int64())
        return np.asarray(pc.fill_null(whole, NO_TIME).to_numpy(zero_copy_only=False)), *none
    if name == WORDS:
        return civil.times_of_day(column) if is_text(column.type) else (np.full(len(column), NO_TIME), *none)
    return _of_number(numbers(column), name), *none


def _of_number(value: Floats, name: str) -> Ints:
    known = (value >= 0) & (value < DAY)
    value = np.where(known, value, 0.0)
    if name in (SECONDS, FRACTION):
        day = 1.0 if name == FRACTION else DAY / SECOND
        part = np.rint(value / day * (DAY / 1e3)).astype(np.int64) * 1_000  # to the millisecond, as in spreadsheets
        return np.where(known & (value < day), part % DAY, NO_TIME)
    whole = np.floor(value).astype(np.int64)
    part_us = np.rint((value - whole) * SECOND).astype(np.int64)
    padded = whole * (100 if name == HHMM else 1)
    of_day: NDArray[np.int64] = civil.clock_us(padded // 10_000, padded // 100 % 100, padded % 100, part_us)
    return np.where(known & ((name == HHMMSS) | (part_us == 0)), of_day, NO_TIME)
