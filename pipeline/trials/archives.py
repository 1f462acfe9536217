"""What a score makes of a real archive: how many encounters pass, and where one stands of which more is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from stswatch.pipeline.batch import HOUR, Floats, micros
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.tracks.fixes import valid
from stswatch.pipeline.trials.watch import near_enough


@dataclass(frozen=True)
class Archive:
    """Decoded positions with a name; `pair` are two MMSI of which it is known that they met, smaller first."""

    name: str
    fixes: pa.Table
    static_reports: pa.Table
    pair: tuple[int, int] | None = None


def on_archive(
    archive: Archive, score: Callable[[pa.Table], Mapping[str, Floats]], cut_offs: Mapping[str, float]
) -> dict[str, Any]:
    """Encounters of an archive and, for each way of ranking, how many reach its cut-off and the rank of the known pair.

    Rank 1 is the highest; equal scores share the mean of their ranks. Vessel-days are the time from the first to the
    last valid fix of each MMSI.
    """
    found = near_enough(archive.fixes, archive.static_reports, Rules())
    days = vessel_days(archive.fixes)
    told: dict[str, Any] = {"name": archive.name, "vessel_days": days, "encounters": found.num_rows, "by": {}}
    a, b = (np.asarray(found[f"mmsi_{v}"]) for v in "ab")
    known = (a == archive.pair[0]) & (b == archive.pair[1]) if archive.pair else np.zeros(found.num_rows, bool)
    for name, of in score(found).items():
        passing = int((of >= cut_offs[name]).sum())
        told["by"][name] = {"passing": passing, "per_1000_vessel_days": passing / days * 1000 if days else None}
        if known.any():
            best = of[known].max()
            told["by"][name]["rank"] = float((of > best).sum() + ((of == best).sum() + 1) / 2)
    if archive.pair:
        told["pair"] = {"mmsi": list(archive.pair), "encounters": int(known.sum())}
    return told


def vessel_days(fixes: pa.Table) -> float:
    """From the first to the last valid fix of each MMSI, summed, days."""
    used = valid(fixes)
    if used.num_rows == 0:
        return 0.0
    _, which = np.unique(np.asarray(used["mmsi"]), return_inverse=True)
    time_us = micros(used, "time")
    first, last = np.full(which.max() + 1, np.iinfo(np.int64).max), np.full(which.max() + 1, np.iinfo(np.int64).min)
    np.minimum.at(first, which, time_us)
    np.maximum.at(last, which, time_us)
    return float((last - first).sum() / (24 * HOUR))
