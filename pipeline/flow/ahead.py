"""Rows that a source dates after they came: a wrong clock, which no later row can bear out.

Judged row by row against the arrivals that the segment itself tells, so that a watch, a replay and a run over the same
segments agree. Such rows are in the lake with the reason `clock`.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline.batch import MINUTE, Bools, Ints, micros
from stswatch.pipeline.decode.arrivals import Arrivals
from stswatch.pipeline.readers.base import Source
from stswatch.pipeline.readers.packing import segment_arrivals
from stswatch.pipeline.tracks.stray_days import CLOCK

# Clocks of receivers and machines that nobody sets are off by minutes; by more than these, nothing is silenced for
# what the shortest gap takes.
AHEAD_US = 10 * MINUTE

_FORMATS = ("nmea", "aisstream")  # of segments, as readers call them


def arrivals_in(source: Source) -> Arrivals | None:
    """When a source arrived, where it is a segment of a spool, wherever it lies. Raises SourceError."""
    return segment_arrivals(source.place) if source.format in _FORMATS else None


def is_ahead(time_us: Ints, offset: Ints, arrivals: Arrivals) -> Bools:
    """Which of n rows are dated too far after they came, which was before the next arrival: their time, their offset.

    >>> is_ahead(np.array([0, AHEAD_US + 8]), np.array([5, 5]), Arrivals.of([(0, 7)])).tolist()
    [False, True]
    """
    at, arrival_us = arrivals.offset, arrivals.time_us
    if not len(at):
        return np.zeros(len(time_us), bool)
    next_us = arrival_us[np.minimum(np.searchsorted(at, offset, side="right"), len(at) - 1)]
    return np.asarray(time_us > next_us + AHEAD_US)


def marked(rows: pa.Table, arrivals: Arrivals) -> pa.Table:
    """The same rows of `fixes` or `static_reports`; those that are too far ahead say so, if nothing else is said."""
    ahead = is_ahead(micros(rows, "time"), np.asarray(rows["offset"]), arrivals)
    if not ahead.any():
        return rows
    word = pa.array([CLOCK]).take(pa.array(np.zeros(len(ahead), np.int8), mask=~ahead))
    at = rows.column_names.index("invalid")
    return rows.set_column(at, rows.schema.field(at), pc.coalesce(rows["invalid"], word))
