"""Rows that a source dates after they came: a wrong clock, which no later row can bear out.

Judged row by row against the arrivals that the segment itself tells, so that a watch, a replay and a run over the same
segments agree. Such rows are in the lake with the reason `clock`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline.batch import MINUTE, Bools, Ints, micros
from stswatch.pipeline.readers.base import Source
from stswatch.pipeline.spool.arrivals import stamps_of
from stswatch.pipeline.spool.segments import header_of
from stswatch.pipeline.tracks.stray_days import CLOCK

# Clocks of receivers and machines that nobody sets are off by minutes; by more than these, nothing is silenced for
# what the shortest gap takes.
AHEAD_US = 10 * MINUTE

_FORMATS = ("nmea", "aisstream")  # of segments, as readers call them

Stamps = tuple[Ints, Ints]  # where arrivals are told, and which, see spool/arrivals.py


def stamps_in(source: Source) -> Stamps | None:
    """The arrivals that a source tells, where it is a segment of a spool, wherever it lies. Raises SourceError."""
    if source.format not in _FORMATS or source.member is not None:
        return None
    path = Path(source.path)
    return stamps_of(path) if header_of(path) is not None else None


def is_ahead(time_us: Ints, offset: Ints, stamps: Stamps) -> Bools:
    """Which of n rows are dated too far after they came, which was before the next arrival: their time, their offset.

    >>> is_ahead(np.array([0, AHEAD_US + 8]), np.array([5, 5]), (np.array([0]), np.array([7]))).tolist()
    [False, True]
    """
    stamp_at, stamp_us = stamps
    if not len(stamp_us):
        return np.zeros(len(time_us), bool)
    next_us = stamp_us[np.minimum(np.searchsorted(stamp_at, offset, side="right"), len(stamp_us) - 1)]
    return np.asarray(time_us > next_us + AHEAD_US)


def marked(rows: pa.Table, stamps: Stamps) -> pa.Table:
    """The same rows of `fixes` or `static_reports`; those that are too far ahead say so, if nothing else is said."""
    ahead = is_ahead(micros(rows, "time"), np.asarray(rows["offset"]), stamps)
    if not ahead.any():
        return rows
    word = pa.array([CLOCK]).take(pa.array(np.zeros(len(ahead), np.int8), mask=~ahead))
    at = rows.column_names.index("invalid")
    return rows.set_column(at, rows.schema.field(at), pc.coalesce(rows["invalid"], word))
