"""The states after a committed slice, taken into memory: of all shards in one, and of some vessels alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline.batch import Ints, Tables, concat, from_bytes
from stswatch.pipeline.flow.committed import Committed
from stswatch.pipeline.steps import Step

States = Mapping[str, Tables]  # by step


def none_yet(steps: Sequence[Step]) -> dict[str, Tables]:
    """The states before the first slice."""
    return {step.name: step.no_state() for step in steps}


def after(data: Path, last: Committed, steps: Sequence[Step], shards: int) -> dict[str, Tables]:
    """The states that a slice of a data folder left, each of all shards. Raises DamagedFile where one is no longer what
    was written or gone."""
    last.verify_states(data)
    folder = last.folder(data)
    found = {}
    for step in steps:
        files = [folder / "state" / f"{step.name}-{shard}.arrow" for shard in range(step.shards(shards))]
        parts = [from_bytes(file.read_bytes()) for file in files] if step.state else []
        found[step.name] = {name: _once(concat([p[name] for p in parts], kind)) for name, kind in step.state.items()}
    return found


def _once(rows: pa.Table) -> pa.Table:
    """Each row once: several shards keep a leg at the edge of their cells, and all of them what is sent to all."""
    plain = [field.name for field in rows.schema if not pa.types.is_nested(field.type)]
    numbered = rows.select(plain).append_column("row", pa.array(np.arange(rows.num_rows)))
    first = numbered.group_by(plain).aggregate([("row", "min")])["row_min"]
    if len(first) == rows.num_rows:
        return rows
    return rows.take(pa.array(np.sort(np.asarray(first)))).combine_chunks()


def of_vessels(states: States, mmsi: Ints) -> dict[str, Tables]:
    """The same states as if there were only these vessels, (n,): of pairs, those of which both are among them."""
    wanted = pa.array(mmsi, pa.int32())
    return {step: {name: _rows_of(rows, wanted) for name, rows in tables.items()} for step, tables in states.items()}


def _rows_of(rows: pa.Table, wanted: pa.Array) -> pa.Table:
    keep = None
    for name in ("mmsi", "mmsi_a", "mmsi_b"):
        if name in rows.column_names:
            found = pc.is_in(rows[name], value_set=wanted)
            keep = found if keep is None else pc.and_(keep, found)
    return rows if keep is None else rows.filter(keep).combine_chunks()
