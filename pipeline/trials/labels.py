"""What each encounter really was: the true meeting of the same pair that it overlaps longest.

An encounter that overlaps no true meeting is traffic of the family `none`: two hulls under one number, a forged course,
hulls that passed. Of several encounters that one true meeting gave the longest stands for it; the others are repeats,
which say nothing new and are counted apart. A transfer that gave no encounter is a row too, with nothing measured.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from stswatch.models.measures import duration_h
from stswatch.pipeline import schema
from stswatch.pipeline.batch import MINUTE, Bools, Floats, Ints, micros, spread

TRANSFER, LOOK_ALIKE, TRAFFIC, NONE = "transfer", "look_alike", "traffic", "none"
_SIDES = ("start", "end")
TRUTH = (
    schema.column("truth", pa.string(), "what it was: transfer, look_alike or traffic"),
    schema.column("family", pa.string(), "family of the scenario; none where no true meeting lies beneath"),
    schema.column("scenario", pa.string(), "the scenario; none where no true meeting lies beneath"),
    schema.column("detected", pa.bool_(), "an encounter; else a transfer that gave none"),
    schema.column("repeat", pa.bool_(), "a longer encounter stands for the same true meeting"),
    schema.column("start_off_min", pa.float64(), "start less the true start", unit="min", null=True),
    schema.column("end_off_min", pa.float64(), "end less the true end", unit="min", null=True),
)
_NO_MODEL = ("score", "reasons", "run_id", "region")  # what was made of the encounter, not measured
_ALWAYS = ("mmsi_a", "mmsi_b", "start_time", "end_time")  # known of a transfer that gave no encounter too
MEASURED = pa.schema(
    [f if f.name in _ALWAYS else f.with_nullable(True) for f in schema.ENCOUNTERS if f.name not in _NO_MODEL]
)
LABELLED = pa.schema([*MEASURED, *TRUTH])


def label(encounters: pa.Table, meetings: pa.Table) -> pa.Table:
    """Encounters with what they were, then the transfers that gave none, as LABELLED.

    encounters: schema.ENCOUNTERS. meetings: the truth, with mmsi_a, mmsi_b (smaller first), start, end, kind, family,
    scenario. Rows keep their order. Never raises for such tables.
    """
    met = overlapping(encounters, meetings)
    found = encounters.select(MEASURED.names).cast(MEASURED)
    known = met >= 0
    at = pa.array(np.where(known, met, 0), mask=~known)
    off_min = {f"{side}_off_min": pa.array(_off_min(encounters, meetings, side, met), mask=~known) for side in _SIDES}
    labels = {
        "truth": meetings["kind"].take(at).fill_null(TRAFFIC),
        "family": meetings["family"].take(at).fill_null(NONE),
        "scenario": meetings["scenario"].take(at).fill_null(NONE),
        "detected": np.ones(len(met), bool),
        "repeat": _repeats(encounters, met),
    } | off_min
    for field in TRUTH:
        found = found.append_column(field, _flat(labels[field.name], field.type))
    return pa.concat_tables([found, _missed(meetings, met)]).combine_chunks()


def overlapping(encounters: pa.Table, meetings: pa.Table) -> Ints:
    """For each encounter the row among meetings (pair, start, end) that it overlaps longest, -1 where none, (n,)."""
    key, pair = _pairs(meetings), _pairs(encounters)
    order = np.argsort(key, kind="stable")
    first, last = (np.searchsorted(key[order], pair, side=side) for side in ("left", "right"))
    row, nth = spread(last - first)
    of = order[first[row] + nth]
    start = np.maximum(micros(encounters, "start_time")[row], micros(meetings, "start")[of])
    shared = np.minimum(micros(encounters, "end_time")[row], micros(meetings, "end")[of]) - start
    best = np.lexsort((of, -shared, row))
    best = best[np.diff(row[best], prepend=-1) > 0]  # the first of each encounter
    best = best[shared[best] > 0]
    met = np.full(encounters.num_rows, -1)
    met[row[best]] = of[best]
    return met


def _pairs(table: pa.Table) -> Ints:
    """The two numbers of each row as one."""
    a, b = (np.asarray(table[name]).astype(np.int64) for name in ("mmsi_a", "mmsi_b"))
    return np.asarray((a << 32) | b)


def _off_min(encounters: pa.Table, meetings: pa.Table, side: str, met: Ints) -> Floats:
    """How much later each encounter starts or ends than its true meeting, minutes; anything where there is none."""
    true_us = np.append(micros(meetings, side), 0)
    return np.asarray((micros(encounters, f"{side}_time") - true_us[met]) / MINUTE)


def _repeats(encounters: pa.Table, met: Ints) -> Bools:
    """Which encounters a longer one of the same true meeting stands for; of equals the first stays."""
    order = np.lexsort((np.arange(len(met)), -duration_h(encounters), met))
    repeat = np.zeros(len(met), bool)
    repeat[order] = (np.diff(met[order], prepend=-2) == 0) & (met[order] >= 0)
    return repeat


def _missed(meetings: pa.Table, met: Ints) -> pa.Table:
    """The transfers that gave no encounter, with their pair and times and nothing else."""
    transfers = np.asarray(meetings["kind"].to_numpy(zero_copy_only=False) == TRANSFER)
    rows = meetings.take(pa.array(np.setdiff1d(np.flatnonzero(transfers), met)))
    n = rows.num_rows
    told = {"truth": rows["kind"], "family": rows["family"], "scenario": rows["scenario"]}
    told |= {"mmsi_a": rows["mmsi_a"], "mmsi_b": rows["mmsi_b"], "start_time": rows["start"], "end_time": rows["end"]}
    told |= {"detected": np.zeros(n, bool), "repeat": np.zeros(n, bool)}
    columns = [_flat(told[f.name], f.type) if f.name in told else pa.nulls(n, f.type) for f in LABELLED]
    return pa.table(columns, schema=LABELLED)


def _flat(column: object, kind: pa.DataType) -> pa.Array:
    """A column as one Arrow array of a type."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return column.cast(kind) if isinstance(column, pa.Array) else pa.array(column, kind)
