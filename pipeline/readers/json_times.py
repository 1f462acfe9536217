"""When each record of JSON was received: by the field that tells it best."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline.decode.lines import Bools, Ints
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.readers.column_map import TimeFormat
from stswatch.pipeline.readers.time_values import times_us
from stswatch.pipeline.readers.values import is_text, numbers

_EARLIEST_S, _LATEST_S = 788_918_400.0, 4_102_444_800.0  # 1995 to 2100: beyond, a number of seconds is none
_COMPACT = r"^\s*\d{14}\s*$"


def record_times(columns: Mapping[str, pa.Array], n: int, how: TimeFormat) -> Ints:
    """Times of n records, UTC microseconds, NO_TIME where none is told; never raises.

    >>> record_times({"rxuxtime": pa.array([None, 12.5]), "rxtime": pa.array(["20250310120000"] * 2)}, 2, TimeFormat())
    array([1741608000000000, 1741608000000000])
    """
    time_us = np.full(n, NO_TIME)
    for name, read in (("toa", _epochs), ("rxuxtime", _epochs), ("rxtime", _compact)):
        if name in columns and (time_us == NO_TIME).any():
            time_us = np.where(time_us == NO_TIME, read(columns[name]), time_us)
    if "time" in columns and (time_us == NO_TIME).any():
        time_us = np.where(time_us == NO_TIME, _any(columns["time"], how), time_us)
    return time_us


def _epochs(column: pa.Array) -> Ints:
    """Seconds since 1970, with a fraction; a number that is no such time of our days is none."""
    value = numbers(column)
    good = (value >= _EARLIEST_S) & (value < _LATEST_S)
    return np.where(good, np.rint(np.where(good, value, 0.0) * 1e6), NO_TIME).astype(np.int64)


def _compact(column: pa.Array) -> Ints:
    """YYYYMMDDHHMMSS in UTC, as a word or a number."""
    if not is_text(column.type):
        whole = column.cast(pa.int64(), safe=False)
        column = pc.if_else(pc.greater(whole, 0), whole.cast(pa.string()), pa.scalar(None, pa.string()))
    column = pc.if_else(pc.match_substring_regex(column, _COMPACT), column, pa.scalar(None, pa.string()))
    stamps = pc.strptime(pc.utf8_trim_whitespace(column), format="%Y%m%d%H%M%S", unit="us", error_is_null=True)
    found = np.asarray(stamps.cast(pa.int64()).fill_null(NO_TIME).to_numpy(zero_copy_only=False), np.int64)
    return np.where(_is_ours(found), found, NO_TIME)


def _is_ours(time_us: Ints) -> Bools:
    return np.asarray((time_us >= _EARLIEST_S * 1e6) & (time_us < _LATEST_S * 1e6))


def _any(column: pa.Array, how: TimeFormat) -> Ints:
    """A time as tables write it."""
    if not is_text(column.type):  # a number may be of another unit, or no time at all
        return np.where(_is_ours(found := times_us(column, how)), found, _compact(column))
    return times_us(column, how)
