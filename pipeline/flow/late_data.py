"""Late data: rows of hours that could be final when they arrived, counted by segment, and when they are taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from stswatch.pipeline.batch import HOUR, Ints, micros
from stswatch.pipeline.decode.stamps import NO_TIME, Arrivals
from stswatch.pipeline.readers.source import SourceError
from stswatch.pipeline.rules import days
from stswatch.pipeline.spool.segments import arrivals_of, segment_of, time_of
from stswatch.pipeline.store import lake
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.entries import SourceEntry
from stswatch.pipeline.store.files import DamagedFile
from stswatch.pipeline.store.lake import Part, Receipt

# ----------------------------------------------------------------------------------------------------------------
# Late rows: those of hours that could be finalized when they arrived. Counted once for each segment, once it is
# ingested
#     table late_rows of the catalogue      spool/NAME/SEGMENT -> UTC day of the rows -> how many came late
#
# What a segment and its rows say decides, not who read it when: the count of a replay is that of the watch itself.

SLAB_US = HOUR
Times = TypeVar("Times", int, Ints)
_EPOCH = date(1970, 1, 1)


def finalized_by(arrival_us: Times, allowed_lateness_us: int) -> Times:
    """The end of the last hour that is over, with the allowed lateness, at an arrival time.

    >>> finalized_by(3_659_999_999, 60_000_000), finalized_by(3_660_000_000, 60_000_000)
    (0, 3600000000)
    """
    return (arrival_us - allowed_lateness_us) // SLAB_US * SLAB_US


def of_rows(time_us: Ints, offset: Ints, arrivals: Arrivals, allowed_lateness_us: int) -> Ints:
    """Which of n rows are late, as their indices: their time, where they begin, when that arrived."""
    came_us = arrivals.at(offset)
    return np.flatnonzero((came_us != NO_TIME) & (time_us < finalized_by(came_us, allowed_lateness_us)))


def within(path: Path) -> tuple[str, ...]:
    """What names a segment wherever the data folder lies."""
    return path.parts[-3:]


def is_segment(path: Path) -> bool:
    """Whether a source is of a spool."""
    return path.parts[-3:-2] == ("spool",)


def note(catalogue: Catalogue, allowed_lateness_us: int, entries: Mapping[str, SourceEntry]) -> set[str]:
    """Count the segments among the sources of the lake that were not counted yet; gives their ids. Raises OSError."""
    data, counted = catalogue.data, _counted(catalogue)
    new: dict[str, dict[str, int]] = {}
    ids = set()
    for source, entry in entries.items():
        name = "/".join(within(entry.path))
        if is_segment(entry.path) and name not in counted:
            new[name] = _of_segment(data, data / name, entry, allowed_lateness_us)
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


def _counts(name: str, counts: Any) -> dict[str, int]:
    return {str(day): int(n) for day, n in counts.items()}


def _of_segment(data: Path, path: Path, entry: SourceEntry, allowed_lateness_us: int) -> dict[str, int]:
    """Late rows by UTC day; none where the segment is gone, so that nobody knows when they came."""
    try:
        arrivals = arrivals_of(path)
    except SourceError:
        return {}
    finalized_us = finalized_by(int(arrivals.time_us.max(initial=0)), allowed_lateness_us)
    found = Counter[str]()
    for part in (part for receipt in entry.receipts for part in receipt.parts):
        if part.slab_us is not None and part.slab_us < finalized_us:
            late = len(of_rows(*_when(data, part), arrivals, allowed_lateness_us))
            found[(_EPOCH + timedelta(part.slab_us // days(1))).isoformat()] += late
    return {day: n for day, n in sorted(found.items()) if n}


def _when(data: Path, part: Part) -> tuple[Ints, Ints]:
    """Times of the rows of a file of the lake, and where they begin."""
    found = lake.columns(data, part, ("time", "offset"))
    return micros(found, "time"), np.asarray(found["offset"]).astype(np.int64)


# ----------------------------------------------------------------------------------------------------------------
# What a watch takes of rows that came late, and when: by the segment that brought them and the hour they belong to
#     up to a day late    with the next hour that is finalized
#     up to 30 days       once a day, with the first hour finalized after midnight; at once where it is asked to
# reconcile     more                never: they are in the lake and counted
#
# Else a receiver whose clock lies behind would have all hours since run again with every hour. Late is what came so
# long after the end of its hour that even the first row of its segment did; when a segment was begun says its name.
#
# The catalogue keeps before which arrival segments were begun that a reconciliation took, which holds for good.

DAYS_LATE = 30  # for which there are states to start from (row.py)
SOON_US = days(1)  # what came so long after its hour at most is due at once
_DAY = days(1)
_WHOLE = "whole_before_us"
_REMEDY = "set its clock right, play a recording with `arrival=recorded`, or give archives to `stswatch run`"
_SOME = "{}: some of what it sends is dated more than {} days before it came; that is in the lake and in no hour: {}"
_ALL = "{}: every position is dated more than {} days before it came, and a watch takes none so old: {}"


def since_us(arrival_us: int, whole_before_us: int) -> int:
    """The first hour of which a watch takes rows, for a segment begun at a time of arrival.

    whole_before_us: segments begun before that are due whole, as far as a watch takes them at all.

    >>> since_us(40 * _DAY + 5, 0) // SLAB_US, since_us(40 * _DAY + 5, 41 * _DAY) // SLAB_US
    (936, 240)
    """
    at_most = days(DAYS_LATE) if arrival_us < whole_before_us else SOON_US
    return (arrival_us - at_most) // SLAB_US * SLAB_US


def describe_late(entries: Mapping[str, SourceEntry], new: Collection[str]) -> list[str]:
    """A sentence for each spool that with these new entries has rows, for the first time, that no watch takes."""
    first = {entries[name].path.parent.name for name in new if _never(entries[name])}
    if not first:
        return []
    before = {entry.path.parent.name for name, entry in entries.items() if name not in new and _never(entry)}
    return [_SOME.format(spool, DAYS_LATE, _REMEDY) for spool in sorted(first - before)]


def nothing(entries: Mapping[str, SourceEntry]) -> str:
    """What to say where none of what they hold is taken."""
    spools = {entry.path.parent.name for entry in entries.values() if _never(entry)}
    return _ALL.format(", ".join(sorted(spools)), DAYS_LATE, _REMEDY)


def taken(entries: Mapping[str, SourceEntry], whole_before_us: int) -> dict[str, SourceEntry]:
    """The same entries with what of their files a watch takes; of archives that somebody gave to `run` it takes all."""
    found = dict(entries)
    for name, entry in entries.items():
        if (came_us := began_us(entry)) is not None:
            from_us = since_us(came_us, whole_before_us)
            if _first_us(entry) < from_us:
                found[name] = replace(entry, receipts=[_since(receipt, from_us) for receipt in entry.receipts])
    return found


def whole_before_us(
    catalogue: Catalogue, entries: Mapping[str, SourceEntry], until_us: int | None, at_once: bool
) -> int:
    """Before which arrival segments are due whole: that of the last midnight, or of the last reconciliation.

    until_us: up to where is finalized; at_once: whether all that is there is due now. That is noted, before anything is
    done with it: what was found once is not withdrawn because it was asked for. Raises OSError.
    """
    noted_us = _noted(catalogue)
    if at_once or noted_us is None:  # with the first hour nothing is run again by that
        begun = [came_us for entry in entries.values() if (came_us := began_us(entry)) is not None]
        noted_us = max([noted_us or 0, *(came_us + 1 for came_us in begun)])
        catalogue.put("marks", {_WHOLE: noted_us})
    return max(noted_us, 0 if until_us is None else until_us // _DAY * _DAY)


def began_us(entry: SourceEntry) -> int | None:
    """When the segment was begun, time of arrival; None where the source is none."""
    return _time_of(entry.path) if is_segment(entry.path) else None


@lru_cache(1 << 17)
def _time_of(path: Path) -> int | None:
    try:
        return time_of(segment_of(path))
    except ValueError:
        return None


def _never(entry: SourceEntry) -> bool:
    """Whether it has rows that no watch takes."""
    came_us = began_us(entry)
    return came_us is not None and _first_us(entry) < since_us(came_us, came_us + 1)


def _first_us(entry: SourceEntry) -> int:
    """The first hour of which there is a file; far in the future where there is none."""
    slabs = (part.slab_us for receipt in entry.receipts for part in receipt.parts if part.slab_us is not None)
    return min(slabs, default=1 << 62)


def _since(receipt: Receipt, from_us: int) -> Receipt:
    """A receipt without what lies before an hour."""
    parts = [part for part in receipt.parts if part.slab_us is None or part.slab_us >= from_us]
    fixes = [part.slab_us for part in parts if part.table == "fixes" and part.slab_us is not None]
    if not fixes or receipt.first_us is None or receipt.last_us is None or receipt.last_us < from_us:
        return replace(receipt, parts=parts, first_us=None, last_us=None)
    return replace(receipt, parts=parts, first_us=max(receipt.first_us, min(fixes)))


def _noted(catalogue: Catalogue) -> int | None:
    try:
        return catalogue.one("marks", _WHOLE, _number)
    except DamagedFile:
        return None


def _number(key: str, number: Any) -> int:
    return int(number)
