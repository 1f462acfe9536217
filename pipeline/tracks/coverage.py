"""What was received where and when: exact counts, and the coverage and reception steps.

The coverage step adds the counts up and finds when nobody was heard at all; the reception step asks of a silence
whether it was one, or nobody was listening.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from stswatch.geo.grid import grid_cell
from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, Batch, Result, Tables, build, micros, ordered, starts_of
from stswatch.pipeline.rules import CoverageRules, Rules, minutes
from stswatch.pipeline.schema import RECEIVERS
from stswatch.pipeline.tracks import outages

HEARD = schema.table(
    "Vessels already counted in an hour that is not over.",
    schema.column("mmsi", pa.int32(), "the number the vessel claims"),
    *(schema.RECEPTIONS.field(name) for name in ("cell", "hour")),
    schema.column("receiver", pa.int8(), "kind of receiver, its place in RECEIVERS"),
)


def receptions(fixes: pa.Table, heard: pa.Table, until_us: int, rules: CoverageRules) -> tuple[pa.Table, pa.Table]:
    """Counts of the fixes of one MMSI shard, as schema.RECEPTIONS, and who was heard in the hour that is not over.

    fixes: sorted by MMSI and time, all before until_us. heard: what the last call gave, so that a cut within an hour
    counts no vessel twice. Each MMSI lies in one shard, so the numbers of vessels of several shards add up.
    """
    runs = _runs(fixes, heard, rules)
    mmsi, cell, hour, kind, count = (np.asarray(runs[name]) for name in ("mmsi", "cell", "hour", "kind", "fixes"))
    # who was heard before counts no fixes, and so comes first of its vessel
    order = ordered(cell, hour, kind, mmsi, count)
    mmsi, cell, hour, kind, count = (a[order] for a in (mmsi, cell, hour, kind, count))
    if not len(order):
        return schema.empty("receptions"), HEARD.empty_table()
    vessel = starts_of(cell, hour, kind, mmsi)
    new_vessel = np.zeros(len(order), np.int64)
    new_vessel[vessel] = count[vessel] > 0
    group = starts_of(cell, hour, kind)
    total = np.add.reduceat(count, group)
    some = total > 0
    head = group[some]
    words = np.array(RECEIVERS, object)
    rows = {"cell": cell[head], "hour": hour[head], "receiver": words[kind[head]], "fixes": total[some]}
    rows["vessels"] = np.add.reduceat(new_vessel, group)[some]
    last = vessel[hour[vessel] + HOUR > until_us]
    kept = {"mmsi": mmsi[last], "cell": cell[last], "hour": hour[last], "receiver": kind[last]}
    return build("receptions", rows), build(HEARD, kept)


def _runs(fixes: pa.Table, heard: pa.Table, rules: CoverageRules) -> dict[str, object]:
    """Fixes of one vessel that stay in one cell within an hour as one row: that leaves little to sort."""
    old, kind = heard.num_rows, np.asarray(fixes["receiver"])
    mmsi, hour = np.asarray(fixes["mmsi"]), micros(fixes, "time") // HOUR * HOUR
    cell = grid_cell(np.asarray(fixes["lon"]), np.asarray(fixes["lat"]), rules.cell_deg)
    run = starts_of(mmsi, hour, cell, kind)
    return {
        "mmsi": np.concatenate([np.asarray(heard["mmsi"]), mmsi[run]]),
        "cell": np.concatenate([np.asarray(heard["cell"]), cell[run]]),
        "hour": np.concatenate([micros(heard, "hour"), hour[run]]),
        "kind": np.concatenate([np.asarray(heard["receiver"]), kind[run]]),
        "fixes": np.concatenate([np.zeros(old, np.int64), np.diff(np.append(run, fixes.num_rows))]),
    }


STATE = outages.STATE


def coverage(state: Tables, batch: Batch, rules: Rules) -> Result:
    """The coverage step: adds up the counts of all shards, and finds when nobody was heard."""
    half_us = minutes(rules.vessel.thin_bucket_min)
    until_us = batch.frontier_us if batch.final else batch.frontier_us // half_us * half_us
    kept, found = outages.find(state, batch.table("reporting"), until_us, batch.final, rules)
    rows = batch.table("receptions")
    if rows.num_rows:
        summed = rows.group_by(["cell", "hour", "receiver"]).aggregate([("fixes", "sum"), ("vessels", "sum")])
        summed = summed.rename_columns(["cell", "hour", "receiver", "fixes", "vessels"]).sort_by(
            [("cell", "ascending"), ("hour", "ascending"), ("receiver", "ascending")]
        )
        rows = summed.cast(schema.COVERAGE)
    return Result(kept, {"coverage": rows.cast(schema.COVERAGE), "outages": found})


def reception(state: Tables, batch: Batch, rules: Rules) -> Result:
    """Pass gaps on, each with the judgement `unknown`: reception round a gap is not weighed yet."""
    gaps = batch.table("gaps")
    unknown = pa.array(["unknown"] * gaps.num_rows, pa.string())
    judged = gaps.append_column(schema.JUDGED_GAPS.field("judgement"), unknown)
    return Result(state, {"judged_gaps": judged.cast(schema.JUDGED_GAPS)})
