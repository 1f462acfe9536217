"""What was received where and when: exact counts by cell, hour and kind of receiver."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from stswatch.geo.cells import grid_cell
from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, Batch, Result, Tables, build, micros, starts_of
from stswatch.pipeline.rules import CoverageRules, Rules


def receptions(fixes: pa.Table, rules: CoverageRules) -> pa.Table:
    """Counts of the fixes of one MMSI shard (sorted by MMSI and time), as schema.RECEPTIONS.

    Each MMSI lies in one shard, so the numbers of vessels of several shards add up. Fixes of one vessel that stay in
    one cell within an hour are counted as a run first: that leaves little to sort.
    """
    if fixes.num_rows == 0:
        return schema.empty("receptions")
    mmsi, hour = np.asarray(fixes["mmsi"]), micros(fixes, "time") // HOUR
    cell = grid_cell(np.asarray(fixes["lon"]), np.asarray(fixes["lat"]), rules.cell_deg)
    kinds = fixes["receiver"].combine_chunks().dictionary_encode()
    kind = np.asarray(kinds.indices).astype(np.int64)
    run = starts_of(mmsi, hour, cell, kind)
    length = np.diff(np.append(run, fixes.num_rows))
    order = np.lexsort((mmsi[run], kind[run], hour[run], cell[run]))
    run, length = run[order], length[order]
    group = starts_of(cell[run], hour[run], kind[run])
    new_vessel = np.zeros(len(run), np.int64)
    new_vessel[starts_of(cell[run], hour[run], kind[run], mmsi[run])] = 1
    head = run[group]
    return build(
        "receptions",
        {
            "cell": cell[head],
            "hour": hour[head] * HOUR,
            "receiver": kinds.dictionary.take(pa.array(kind[head])),
            "fixes": np.add.reduceat(length, group),
            "vessels": np.add.reduceat(new_vessel, group),
        },
    )


def coverage(state: Tables, batch: Batch, rules: Rules) -> Result:
    """The coverage step: adds up the counts of all shards. Outages are not told yet."""
    rows = batch.table("receptions")
    if rows.num_rows:
        summed = rows.group_by(["cell", "hour", "receiver"]).aggregate([("fixes", "sum"), ("vessels", "sum")])
        summed = summed.rename_columns(["cell", "hour", "receiver", "fixes", "vessels"]).sort_by(
            [("cell", "ascending"), ("hour", "ascending"), ("receiver", "ascending")]
        )
        rows = summed.cast(schema.COVERAGE)
    return Result(state, {"coverage": rows.cast(schema.COVERAGE)})
