"""Sealing by hand: by a running watch that is asked to, or without one by whoever asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from stswatch.pipeline.watch.settings import Settings


@dataclass(frozen=True)
class Reconciled:
    """What a reconciliation changed: `late` rows that lie in hours sealed when they arrived (of `day`, or of all), and
    events that are new, were revised, or were retracted since. `by_watch`: a running watch did it."""

    late: int
    new: int
    revised: int
    retracted: int
    by_watch: bool


def reconcile(data: Path, settings: Settings, day: date | None = None, wait_s: float = 600.0) -> Reconciled:
    """Bring the store in line with all that the spool holds.

    A running watch seals what it may, to the last hour that is over, within wait_s seconds; without one everything is
    ingested and run to the last fix, as `run` does. Raises StoreError where no spool is there or the watch does not
    answer, and what `run` raises.
    """
    raise NotImplementedError
