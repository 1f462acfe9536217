"""Late rows: those of hours that could be sealed when they arrived. Counted once for each segment, once it is ingested.

    table late_rows of the catalogue      spool/NAME/SEGMENT -> UTC day of the rows -> how many came late

What a segment and its rows say decides, not who read it when: the count of a replay is that of the watch itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from stswatch.pipeline.batch import HOUR, Ints, micros
from stswatch.pipeline.decode.arrivals import Arrivals
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.readers.base import SourceError
from stswatch.pipeline.rules import days
from stswatch.pipeline.spool.segments import arrivals_of
from stswatch.pipeline.store import lake
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.entries import Entry
from stswatch.pipeline.store.lake import Part

SLAB_US = HOUR
Times = TypeVar("Times", int, Ints)
_EPOCH = date(1970, 1, 1)


def sealed_by(arrival_us: Times, allowance_us: int) -> Times:
    """The end of the last hour that is over, with the allowance, at an arrival time.

    >>> sealed_by(3_659_999_999, 60_000_000), sealed_by(3_660_000_000, 60_000_000)
    (0, 3600000000)
    """
    return (arrival_us - allowance_us) // SLAB_US * SLAB_US


def of_rows(time_us: Ints, offset: Ints, arrivals: Arrivals, allowance_us: int) -> Ints:
    """Which of n rows are late, as their indices: their time, where they begin, when that arrived."""
    came_us = arrivals.at(offset)
    return np.flatnonzero((came_us != NO_TIME) & (time_us < sealed_by(came_us, allowance_us)))


def within(path: Path) -> tuple[str, ...]:
    """What names a segment wherever the data folder lies."""
    return path.parts[-3:]


def is_segment(path: Path) -> bool:
    """Whether a source is of a spool."""
    return path.parts[-3:-2] == ("spool",)


def note(catalogue: Catalogue, allowance_us: int, entries: Mapping[str, Entry]) -> set[str]:
    """Count the segments among the sources of the lake that were not counted yet; gives their ids. Raises OSError."""
    data, counted = catalogue.data, _counted(catalogue)
    new: dict[str, dict[str, int]] = {}
    ids = set()
    for source, entry in entries.items():
        name = "/".join(within(entry.path))
        if is_segment(entry.path) and name not in counted:
            new[name] = _of_segment(data, data / name, entry, allowance_us)
            ids.add(source)
    catalogue.put("late_rows", new)
    return ids


def rows(catalogue: Catalogue, day: date | None = None) -> int:
    """How many rows came late; day: only those of a UTC day."""
    counts = _counted(catalogue).values()
    return sum(n for found in counts for of, n in found.items() if day is None or of == day.isoformat())


def _counted(catalogue: Catalogue) -> dict[str, dict[str, int]]:
    """What was counted by segment; one of which the row is damaged is counted again."""
    found = catalogue.every("late_rows", _counts)
    return {name: counts for name, counts in found.items() if isinstance(counts, dict)}


def _counts(name: str, told: Any) -> dict[str, int]:
    return {str(day): int(n) for day, n in told.items()}


def _of_segment(data: Path, path: Path, entry: Entry, allowance_us: int) -> dict[str, int]:
    """Late rows by UTC day; none where the segment is gone, so that nobody knows when they came."""
    try:
        arrivals = arrivals_of(path)
    except SourceError:
        return {}
    sealed_us = sealed_by(int(arrivals.time_us.max(initial=0)), allowance_us)
    found = Counter[str]()
    for part in (part for receipt in entry.receipts for part in receipt.parts):
        if part.slab_us is not None and part.slab_us < sealed_us:
            late = len(of_rows(*_when(data, part), arrivals, allowance_us))
            found[(_EPOCH + timedelta(part.slab_us // days(1))).isoformat()] += late
    return {day: n for day, n in sorted(found.items()) if n}


def _when(data: Path, part: Part) -> tuple[Ints, Ints]:
    """Times of the rows of a file of the lake, and where they begin."""
    found = lake.columns(data, part, ("time", "offset"))
    return micros(found, "time"), np.asarray(found["offset"]).astype(np.int64)
