"""What both vessels of an encounter had said of their kind and size by its end, and not too long before."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline.batch import MS, Ints, micros, ordered, starts_of
from stswatch.pipeline.rules import EncounterRules, days

COLUMNS = {"ship_type": "ship_type_{}", "length_m": "length_{}_m"}


def by_the_end(meetings: pa.Table, said: pa.Table, rules: EncounterRules) -> dict[str, pa.Array]:
    """The columns ship_type_a, ship_type_b, length_a_m, length_b_m for n encounters; null where nothing was said.

    said: schema.PARTICULARS. What a vessel says after the end does not count, so that later data change nothing; nor
    does what it said more than said_memory_d before, in whole UTC days, since a value is told once in each.
    """
    said = said.take(pa.array(ordered(np.asarray(said["mmsi"]), micros(said, "time") // MS))).combine_chunks()
    n = meetings.num_rows
    mmsi = np.concatenate([np.asarray(meetings[f"mmsi_{v}"]) for v in ("a", "b")])
    end_us = np.tile(micros(meetings, "end"), 2)
    columns: dict[str, pa.Array] = {}
    for name, column in COLUMNS.items():
        told = said.filter(pc.is_valid(said[name])).combine_chunks()
        row = _last_before(told, mmsi, end_us)
        told_us = np.append(micros(told, "time"), 0)[row]
        row[told_us < _oldest_us(end_us, rules)] = -1
        found = told[name].combine_chunks().take(pa.array(row, mask=row < 0))
        columns |= {column.format("a"): found[:n], column.format("b"): found[n:]}
    return columns


def still_needed(said: pa.Table, since_us: int, rules: EncounterRules) -> pa.Table:
    """What an encounter that ends then or later can ask for, and nothing older than said_memory_d before.

    Of each vessel that is the last row until then that tells a value, for each of them, and all rows after.
    """
    mmsi, time_us = np.asarray(said["mmsi"]), micros(said, "time")
    needed = time_us > since_us
    order = ordered(mmsi, time_us // MS)
    order = order[~needed[order]]
    for name in COLUMNS:
        row = order[np.asarray(said[name].is_valid())[order]]
        first = starts_of(mmsi[row])
        needed[row[np.append(first[1:], len(row))[: len(first)] - 1]] = True
    needed &= time_us >= _oldest_us(np.int64(since_us), rules)
    return said.filter(pa.array(needed)).combine_chunks()


def _oldest_us(end_us: Ints | np.int64, rules: EncounterRules) -> Ints:
    """The first moment of what is still remembered at a time, (n,) microseconds: the beginning of a UTC day."""
    oldest_us = end_us // days(1) * days(1) - days(rules.said_memory_d)
    return np.asarray(-(-oldest_us // days(1)) * days(1))


def _last_before(told: pa.Table, mmsi: Ints, end_us: Ints) -> Ints:
    """The row of each vessel's last word at or before a time, (n,); -1 where there is none. told: sorted."""
    have, time_us = np.asarray(told["mmsi"]), micros(told, "time")
    n = len(have)
    # both lists in one order, a word before an end at the same moment: the last word so far of the same vessel is it
    order = np.lexsort((np.repeat([0, 1], [n, len(mmsi)]), np.append(time_us, end_us), np.append(have, mmsi)))
    last = np.maximum.accumulate(np.where(order < n, order, -1))
    row = np.empty(n + len(mmsi), np.int64)
    row[order] = last
    row = row[n:]
    return np.asarray(np.where((row >= 0) & (np.append(have, -1)[row] == mmsi), row, -1))
