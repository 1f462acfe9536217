"""What vessels say of their kind and size, told once and again when they say otherwise.

Law: reports of one vessel are taken in order of time; of several at one moment the greatest counts. So it does not show
where the data is cut, nor in which order or how often a report comes.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline import schema
from stswatch.pipeline.batch import Ints, concat, starts_of

SAID = ("ship_type", "length_m")


def changes(reports: pa.Table, last: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Reports that say another type or length than was said before, and what was said last of each MMSI.

    reports: static reports, in any order. last: what was said last so far, schema.PARTICULARS, one row per MMSI; so are
    both results. What a report leaves out stays as it was.
    """
    told = reports.select(["mmsi", "time", *SAID])
    told = told.filter(pc.or_(pc.is_valid(told["ship_type"]), pc.is_valid(told["length_m"])))
    if told.num_rows == 0:
        return schema.empty("particulars"), last
    told = told.group_by(["mmsi", "time"]).aggregate([(name, "max") for name in SAID])
    told = told.rename_columns(["mmsi", "time", *SAID]).cast(schema.PARTICULARS)
    both = concat([last, told], schema.PARTICULARS)
    is_new = np.arange(both.num_rows) >= last.num_rows
    order = np.lexsort((is_new, np.asarray(both["time"].cast(pa.int64())), np.asarray(both["mmsi"])))
    rows, is_new = both.take(pa.array(order)).combine_chunks(), is_new[order]
    head = np.zeros(rows.num_rows, bool)
    head[starts_of(np.asarray(rows["mmsi"]))] = True
    source = [_last_known(rows[name], head) for name in SAID]
    for name, row in zip(SAID, source, strict=True):
        filled = rows[name].take(pa.array(row, mask=row < 0))
        rows = rows.set_column(rows.column_names.index(name), rows.schema.field(name), filled)
    changed = head.copy()
    for name in SAID:
        value = np.asarray(rows[name].cast(pa.float64()).fill_null(-1.0))
        changed[1:] |= value[1:] != value[:-1]
    final = np.append(head[1:], True)
    return rows.filter(pa.array(changed & is_new)).combine_chunks(), rows.filter(pa.array(final)).combine_chunks()


def _last_known(column: pa.ChunkedArray, head: np.ndarray) -> Ints:
    """For each row the row at or before it, of the same vessel, that says something; -1 where there is none."""
    n = len(column)
    known = np.asarray(column.is_valid())
    at = np.maximum.accumulate(np.where(known, np.arange(n), -1))
    first = np.maximum.accumulate(np.where(head, np.arange(n), 0))
    return np.asarray(np.where(at >= first, at, -1))
