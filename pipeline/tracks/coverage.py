"""The coverage step: what was received where and when, and when nobody was heard at all."""

from __future__ import annotations

from stswatch.pipeline import schema
from stswatch.pipeline.batch import Batch, Result, Tables
from stswatch.pipeline.rules import Rules, minutes
from stswatch.pipeline.tracks import outages

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
