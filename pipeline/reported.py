"""What vessels report of themselves: each value once a UTC day and where it changes, and the last one before a time.

Law: reports of one vessel are taken in order of time; of several at one moment the greatest of each value counts. A
value is given where the vessel reported another one before, or none yet in that UTC day. So it does not show where the
data are cut, nor in which order or how often a report comes, and nothing older than the day of the watermark is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline.batch import MS, Ints, build, concat, micros, ordered, starts_of
from stswatch.pipeline.rules import days


def once_a_day(reports: pa.Table, today: pa.Table, kind: pa.Schema, watermark_us: int) -> tuple[pa.Table, pa.Table]:
    """What is given now, and what was given in the UTC day of the watermark, both of a schema: mmsi, time, values.

    reports: static reports, in any order. today: the second result of the slice before. A row has the values that are
    given there, null where the vessel reported nothing or the same as before in that day. Never raises.
    """
    both = concat([today, reports.select(kind.names).cast(kind)], kind)
    names = kind.names[2:]
    some = np.flatnonzero(reduce(pc.or_, (pc.is_valid(both[name]) for name in names)))
    if not len(some):
        return kind.empty_table(), kind.empty_table()
    both, new = both.take(pa.array(some)).combine_chunks(), some >= today.num_rows
    mmsi, time_us = np.asarray(both["mmsi"]), micros(both, "time") // MS * MS
    order = ordered(mmsi, time_us // MS)
    moments = starts_of(mmsi[order], time_us[order])
    mmsi, time_us = mmsi[order][moments], time_us[order][moments]
    new, day = np.logical_or.reduceat(new[order], moments), time_us // days(1)
    columns: dict[str, object] = {"mmsi": mmsi, "time": time_us}
    given = np.zeros(len(mmsi), bool)
    for name in names:
        words, rank = ranked(both[name])
        rank = np.maximum.reduceat(rank[order], moments)
        known = np.flatnonzero(rank >= 0)
        anew = known[starts_of(mmsi[known], day[known], rank[known])]
        at = np.full(len(mmsi), -1)
        at[anew], given[anew] = rank[anew], True
        columns[name] = words.take(pa.array(at, mask=at < 0))
    found = build(kind, columns)
    last = day >= watermark_us // days(1)
    return tuple(found.filter(pa.array(given & which)).combine_chunks() for which in (new, last))


def ranked(values: pa.ChunkedArray) -> tuple[pa.Array, Ints]:
    """The distinct values in order, and the place of each row's among them, (n,), -1 where null.

    >>> words, rank = ranked(pa.chunked_array([["B", None, "A"]]))
    >>> words.to_pylist(), rank.tolist()
    (['A', 'B'], [1, -1, 0])
    """
    coded = values.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    words = coded.dictionary
    order = np.asarray(pc.array_sort_indices(words)).astype(np.int64)
    place = np.empty(len(words) + 1, np.int64)
    place[order], place[-1] = np.arange(len(words)), -1
    rows = np.asarray(pc.fill_null(coded.indices.cast(pa.int64()), len(words)))
    return words.take(pa.array(order)), place[rows]


def as_of(known: pa.Table, name: str, mmsi: Ints, time_us: Ints, oldest_us: Ints) -> tuple[pa.Array, pa.Array]:
    """What vessels (n,) had reported last by some times: values and when; null where nothing, or before oldest_us (n,).

    known: rows of `once_a_day` in any order. What a vessel reports later does not count: later data change nothing.
    """
    rows = known.filter(pc.is_valid(known[name]))
    rows = rows.take(pa.array(ordered(np.asarray(rows["mmsi"]), micros(rows, "time") // MS))).combine_chunks()
    row = _last_before(np.asarray(rows["mmsi"]), micros(rows, "time"), mmsi, time_us)
    row[np.append(micros(rows, "time"), 0)[row] < oldest_us] = -1
    index = pa.array(row, mask=row < 0)
    return rows[name].combine_chunks().take(index), rows["time"].combine_chunks().take(index)


def _last_before(have: Ints, have_us: Ints, mmsi: Ints, time_us: Ints) -> Ints:
    """The last of some sorted rows of each vessel at or before a time, (n,); -1 where there is none."""
    n = len(have)
    # both lists in one order, a report before a time at the same moment: the last so far of the same vessel is it
    order = np.lexsort((np.repeat([0, 1], [n, len(mmsi)]), np.append(have_us, time_us), np.append(have, mmsi)))
    row = np.empty(n + len(mmsi), np.int64)
    row[order] = np.maximum.accumulate(np.where(order < n, order, -1)) if len(order) else []
    row = row[n:]
    return np.where((row >= 0) & (np.append(have, -1)[row] == mmsi), row, -1)


def still_needed(known: pa.Table, names: Sequence[str], since_us: int, oldest_us: int) -> pa.Table:
    """What can be asked for at a time after since_us: all rows after, of each vessel and value the last until then.

    Nothing before oldest_us.
    """
    mmsi, time_us = np.asarray(known["mmsi"]), micros(known, "time")
    needed = time_us > since_us
    order = ordered(mmsi, time_us // MS)
    order = order[~needed[order]]
    for name in names:
        row = order[np.asarray(known[name].is_valid())[order]]
        first = starts_of(mmsi[row])
        needed[row[np.append(first[1:], len(row))[: len(first)] - 1]] = True
    return known.filter(pa.array(needed & (time_us >= oldest_us))).combine_chunks()
