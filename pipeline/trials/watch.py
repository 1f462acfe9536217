"""A simulated sea as the steps see it: its encounters with what they really were, and how much was watched."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stswatch.models.baselines import BESIDE
from stswatch.pipeline import schema
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import at_once
from stswatch.pipeline.trials.labels import LABELLED, label, overlapping

# within 50 m for 10 min, or within 200 m for 30 min; source in models/baselines.py
STARBOARD = ((50.0, 10.0), (200.0, 30.0))
ROWS = LABELLED.append(schema.column(BESIDE, pa.bool_(), "so near for so long that the rule of Starboard holds"))
ROWS = ROWS.append(schema.column("seed", pa.int64(), "seed of the simulated sea"))
_TOLD = b"watched"


class Happened(Protocol):
    """What is asked of a simulated sea, see stswatch.sample_ais.simulation."""

    @property
    def fixes(self) -> pa.Table: ...  # noqa: D102

    @property
    def static_reports(self) -> pa.Table: ...  # noqa: D102

    @property
    def meetings(self) -> pa.Table: ...  # noqa: D102

    @property
    def vessel_days(self) -> float: ...  # noqa: D102


@dataclass(frozen=True)
class Watched:
    """Labelled encounters of one sea or several, ROWS, and over all of them the days and the vessel-days watched."""

    rows: pa.Table
    days: float
    vessel_days: float

    @property
    def vessels(self) -> float:
        """How many vessels there were at a time, on average."""
        return self.vessel_days / self.days

    def where(self, keep: pa.Array | np.ndarray) -> Watched:
        """The same sea with some of its rows."""
        return replace(self, rows=self.rows.filter(pa.array(keep)).combine_chunks())


def watch(sea: Happened, days: float, seed: int, rules: Rules | None = None) -> Watched:
    """The encounters that the steps find in a sea, labelled. The same sea gives the same rows."""
    found = near_enough(sea.fixes, sea.static_reports, rules or Rules())
    rows = label(found.drop_columns([BESIDE]), sea.meetings)
    missed = rows.num_rows - found.num_rows
    beside = pa.concat_arrays([found[BESIDE].combine_chunks(), pa.array([False] * missed, pa.bool_())])
    rows = rows.append_column(ROWS.field(BESIDE), beside)
    rows = rows.append_column(ROWS.field("seed"), pa.array(np.full(rows.num_rows, seed)))
    return Watched(rows.cast(ROWS), days, float(sea.vessel_days))


def near_enough(fixes: pa.Table, static_reports: pa.Table, rules: Rules) -> pa.Table:
    """Encounters (schema.ENCOUNTERS) with a column that says whether the rule of Starboard holds in them, for it alone.

    fixes, static_reports: of the lake, see schema.LAKE.
    """
    found = at_once(fixes, static_reports, rules).get("encounters", schema.empty("encounters"))
    met = pc.unique(pa.concat_arrays([found[f"mmsi_{v}"].combine_chunks() for v in "ab"]))
    theirs = fixes.filter(pc.is_in(fixes["mmsi"], value_set=met))
    beside = np.zeros(found.num_rows, bool)
    for distance_m, duration_min in STARBOARD:
        tight = replace(
            rules,
            proximity=replace(rules.proximity, distance_m=distance_m),
            encounter=replace(rules.encounter, min_duration_min=duration_min),
        )
        stretches = at_once(theirs, static_reports, tight).get("encounters", schema.empty("encounters"))
        stretches = stretches.rename_columns({"start_time": "start", "end_time": "end"})
        beside |= overlapping(found, stretches) >= 0
    return found.append_column(BESIDE, pa.array(beside))


def together(seas: Sequence[Watched]) -> Watched:
    """Several seas as one. Raises ValueError where none is given."""
    if not seas:
        raise ValueError("no sea was watched; give at least one seed")
    rows = pa.concat_tables([sea.rows for sea in seas]).combine_chunks()
    return Watched(rows, sum(sea.days for sea in seas), sum(sea.vessel_days for sea in seas))


def save(watched: Watched, path: Path) -> None:
    """Write a watched sea as one Parquet file, by a rename, so that none is half there. Raises OSError."""
    told = {_TOLD: json.dumps({"days": watched.days, "vessel_days": watched.vessel_days}).encode()}
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    pq.write_table(watched.rows.replace_schema_metadata({**(watched.rows.schema.metadata or {}), **told}), half)
    half.replace(path)


def saved(path: Path) -> Watched:
    """The sea that `save` wrote. Raises OSError, KeyError for a file of another kind."""
    rows = pq.read_table(path)
    return Watched(rows.cast(ROWS), **json.loads(rows.schema.metadata[_TOLD]))
