"""What the loop says of each slice: health, `status` and tests are made from it and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Report:
    """One slice of a watch, told when it is done. Counts are of the slice, not of all that came before.

    arrival_us, sealed_us: arrival clock at its end, and the end of the last sealed hour (None before the first), UTC
    epoch microseconds. took_s: how long it took, by the wall clock. behind_bytes: acknowledged and not read yet.
    sentences, fixes, static_reports, rejects (by reason): decoded. late: fixes and static reports of hours that could
    be sealed when they came. ahead: fixes further ahead of the arrival clock than the allowance, which wait aside.
    wrong: fixes and static reports dated so far after they came that they are marked `clock` and used for nothing.
    vessels: heard since the last sealed hour. open_encounters: provisional rows that still run; leads: provisional ones
    that are leads. sealing: whether an hour is being sealed just now.
    """

    arrival_us: int
    sealed_us: int | None
    took_s: float
    behind_bytes: int = 0
    sentences: int = 0
    fixes: int = 0
    static_reports: int = 0
    rejects: Mapping[str, int] = field(default_factory=dict)
    late: int = 0
    ahead: int = 0
    wrong: int = 0
    vessels: int = 0
    open_encounters: int = 0
    leads: int = 0
    sealing: bool = False


class Health(Protocol):
    """Who is told of slices: watch/health.py, or a test."""

    def slice_done(self, report: Report) -> None:
        """Take note of a slice; must not raise and must not take long."""

    def amiss(self, what: str, sentence: str | None) -> None:
        """Something of this name is amiss, or with None no longer; must not raise."""
