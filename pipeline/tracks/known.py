"""What is known of each vessel: when it was heard, and what it last said of itself."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo.mmsi import flag_of
from stswatch.pipeline import schema
from stswatch.pipeline.batch import build, micros, starts_of

TOLD = ("imo", "name", "call_sign", "ship_type", "length_m", "beam_m", "draught_m", "destination")


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
