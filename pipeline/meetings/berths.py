"""Neighbours at berth: counted by port and hour, each pair once."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, Batch, Tables, concat, micros
from stswatch.pipeline.rules import Rules


def distinct(pairs: pa.Table) -> pa.Table:
    """Each row once."""
    if pairs.num_rows == 0:
        return pairs
    return pairs.group_by(pairs.column_names).aggregate([]).cast(schema.BERTH_PAIRS)


def count(state: Tables, batch: Batch, rules: Rules) -> tuple[pa.Table, pa.Table]:
    """The pairs of hours that more can still be told of, and the counts of the hours that are over."""
    pairs = distinct(concat([state["berths"], batch.table("berth_pairs")], schema.BERTH_PAIRS))
    over = np.ones(pairs.num_rows, bool)
    if not batch.final:
        over = micros(pairs, "hour") + HOUR < batch.frontier_us - rules.lag_us
    done = pairs.filter(pa.array(over))
    counted = done.group_by(["port", "hour"]).aggregate([([], "count_all")])
    counted = counted.rename_columns(["port", "hour", "pairs"]).cast(schema.BERTH_NEIGHBOURS)
    return pairs.filter(pa.array(~over)).combine_chunks(), counted
