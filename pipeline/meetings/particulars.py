"""What both vessels of an encounter had said of their kind and size by its end."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from stswatch.pipeline.batch import Bools, Ints, micros, ordered

COLUMNS = {"ship_type": "ship_type_{}", "length_m": "length_{}_m"}


def by_the_end(meetings: pa.Table, said: pa.Table) -> dict[str, pa.Array]:
    """The columns ship_type_a, ship_type_b, length_a_m, length_b_m for n encounters; null where nothing was said.

    said: schema.PARTICULARS. What a vessel says after the end does not count, so that later data change nothing.
    """
    said = said.take(pa.array(ordered(np.asarray(said["mmsi"]), micros(said, "time")))).combine_chunks()
    columns = {}
    for v in ("a", "b"):
        row = _last_before(said, np.asarray(meetings[f"mmsi_{v}"]), micros(meetings, "end"))
        for name, column in COLUMNS.items():
            columns[column.format(v)] = said[name].combine_chunks().take(pa.array(row, mask=row < 0))
    return columns


def still_needed(said: pa.Table, since_us: int) -> pa.Table:
    """What an encounter that ends then or later can ask for: of each MMSI the last row until then, and all after."""
    if said.num_rows == 0:
        return said
    mmsi, time_us = np.asarray(said["mmsi"]), micros(said, "time")
    order = ordered(mmsi, time_us)
    mmsi, time_us = mmsi[order], time_us[order]
    last_until = (time_us <= since_us) & ~_next_is_until(mmsi, time_us, since_us)
    return said.take(pa.array(order[(time_us > since_us) | last_until])).combine_chunks()


def _next_is_until(mmsi: Ints, time_us: Ints, since_us: int) -> Bools:
    """Whether the next row is of the same vessel and not after the time."""
    same = np.append(mmsi[1:] == mmsi[:-1], False)
    return np.asarray(same & np.append(time_us[1:] <= since_us, False))


def _last_before(said: pa.Table, mmsi: Ints, end_us: Ints) -> Ints:
    """The row of each vessel's last word at or before a time, (n,); -1 where there is none. said: sorted."""
    have, time_us = np.asarray(said["mmsi"]), micros(said, "time")
    n = len(have)
    # both lists in one order, a word before an end at the same moment: the last word so far of the same vessel is it
    order = np.lexsort((np.repeat([0, 1], [n, len(mmsi)]), np.append(time_us, end_us), np.append(have, mmsi)))
    last = np.maximum.accumulate(np.where(order < n, order, -1))
    row = np.empty(n + len(mmsi), np.int64)
    row[order] = last
    row = row[n:]
    return np.asarray(np.where((row >= 0) & (np.append(have, -1)[row] == mmsi), row, -1))
