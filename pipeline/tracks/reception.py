"""The reception step: was a silence silence, or was nobody listening?"""

from __future__ import annotations

import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.batch import Batch, Result, Tables
from stswatch.pipeline.rules import Rules


def reception(state: Tables, batch: Batch, rules: Rules) -> Result:
    """Pass gaps on, each with the judgement `unknown`: reception round a gap is not weighed yet."""
    gaps = batch.table("gaps")
    unknown = pa.array(["unknown"] * gaps.num_rows, pa.string())
    judged = gaps.append_column(schema.JUDGED_GAPS.field("judgement"), unknown)
    return Result(state, {"judged_gaps": judged.cast(schema.JUDGED_GAPS)})
