"""What vessels say of themselves: what each said last, and of kind and size each value that differs.

Of kind and size each value is told once a UTC day, and again when they say otherwise.

Law: reports of one vessel are taken in order of time; of several at one moment the greatest counts. A value is told
where the vessel said another one before, or none yet in that UTC day. So it does not show where the data is cut, nor in
which order or how often a report comes, and nothing older than the day of the watermark has to be kept.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo.reference.mmsi import flag_of
from stswatch.pipeline import schema
from stswatch.pipeline.batch import MS, Bools, Floats, Ints, build, concat, micros, ordered, starts_of
from stswatch.pipeline.rules import days

SAID = ("ship_type", "length_m")
TOLD = ("imo", "name", "call_sign", "ship_type", "length_m", "beam_m", "draught_m", "destination")


def told_anew(reports: pa.Table, today: pa.Table, watermark_us: int) -> tuple[pa.Table, pa.Table]:
    """What is told now, and what was told in the UTC day of the watermark, schema.STATIC_DATA both.

    reports: static reports, in any order. today: the second result of the slice before. A row has the values that are
    told there, null where the vessel said nothing or the same as before in that day. Never raises.
    """
    new = _by_moment(reports)
    both = concat([today, new], schema.STATIC_DATA)
    mmsi, time_us = np.asarray(both["mmsi"]), micros(both, "time")
    order = ordered(mmsi, time_us // MS)
    is_new, mmsi, day = order >= today.num_rows, mmsi[order], time_us[order] // days(1)
    both = both.take(pa.array(order)).combine_chunks()
    told = np.zeros(len(order), bool)
    for name in SAID:
        anew = _other_than_before(np.asarray(both[name].cast(pa.float64())), mmsi, day)
        told |= anew
        at = both.column_names.index(name)
        both = both.set_column(at, both.schema.field(at), pc.if_else(pa.array(anew), both[name], None))
    last = day >= watermark_us // days(1)
    return tuple(both.filter(pa.array(told & which)).combine_chunks() for which in (is_new, last))


def _by_moment(reports: pa.Table) -> pa.Table:
    """One row per vessel and moment, in whole milliseconds, that says something; the greatest of each value."""
    said = reports.select(["mmsi", "time", *SAID])
    said = said.filter(pc.or_(pc.is_valid(said["ship_type"]), pc.is_valid(said["length_m"])))
    if said.num_rows == 0:
        return schema.empty("static_data")
    whole_ms = pa.array(micros(said, "time") // MS * MS).cast(schema.UTC)
    said = said.set_column(1, "time", whole_ms)
    said = said.group_by(["mmsi", "time"]).aggregate([(name, "max") for name in SAID])
    return said.rename_columns(["mmsi", "time", *SAID]).cast(schema.STATIC_DATA)


def _other_than_before(value: Floats, mmsi: Ints, day: Ints) -> Bools:
    """Where a value, NaN for none, is the vessel's first of the day or another than the one before it, (n,) bool.

    Rows are sorted by vessel and time.
    """
    known = np.flatnonzero(~np.isnan(value))
    anew = np.zeros(len(value), bool)
    anew[known[starts_of(mmsi[known], day[known], value[known])]] = True
    return anew


def known(fixes: pa.Table, reports: pa.Table) -> pa.Table:
    """One row per MMSI heard, as schema.VESSELS; rows of several slices merge by least, greatest, sum and latest.

    fixes: valid and distinct, sorted by MMSI and time. reports: static reports in any order.
    """
    heard = np.asarray(fixes["mmsi"])
    head = starts_of(heard)
    tail = np.append(head[1:], len(heard)) - 1 if len(head) else head
    mmsi = np.union1d(heard[head], np.unique(np.asarray(reports["mmsi"])))
    at = np.searchsorted(mmsi, heard[head])
    time_us = micros(fixes, "time")
    count = np.zeros(len(mmsi), np.int64)
    count[at] = tail - head + 1
    columns: dict[str, object] = {
        "mmsi": mmsi,
        "flag": pa.array(flag_of(mmsi), pa.string()),
        "first_seen": _placed(time_us[head], at, len(mmsi)),
        "last_seen": _placed(time_us[tail], at, len(mmsi)),
        "fixes": count,
    }
    for name in TOLD:
        columns[name], columns[f"{name}_time"] = _latest(reports, name, mmsi)
    return build("vessels", columns)


def _placed(time_us: np.ndarray, at: np.ndarray, n: int) -> pa.Array:
    """Times at some of n rows, null elsewhere."""
    full, missing = np.zeros(n, np.int64), np.ones(n, bool)
    full[at], missing[at] = time_us, False
    return pa.array(full, pa.int64(), mask=missing).cast(schema.UTC)


def _latest(reports: pa.Table, name: str, mmsi: np.ndarray) -> tuple[pa.Array, pa.Array]:
    """The last value told of each MMSI and when; of several at one time the greatest."""
    said = reports.select(["mmsi", "time", name]).filter(pc.is_valid(reports[name]))
    said = said.sort_by([("mmsi", "ascending"), ("time", "ascending"), (name, "ascending")]).combine_chunks()
    who = np.asarray(said["mmsi"])
    head = starts_of(who)
    tail = np.append(head[1:], len(who)) - 1 if len(head) else head
    row = np.full(len(mmsi), -1)
    row[np.searchsorted(mmsi, who[tail])] = tail
    index = pa.array(row, mask=row < 0)
    return said[name].combine_chunks().take(index), said["time"].combine_chunks().take(index)
