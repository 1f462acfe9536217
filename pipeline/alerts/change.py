"""What became of a lead: the one thing that an alert is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

Change = Literal["opened", "changed", "closed", "retracted"]
CHANGES: tuple[str, ...] = get_args(Change)


@dataclass(frozen=True)
class LeadChange:
    """One revision of a lead, as it was committed to the store.

    change: opened (it was no lead before), changed (kind, zones or the like), closed (the meeting is over), retracted
    (it is no lead any more). start_time, end_time: with a time zone; end_time of a running meeting is the end so far.
    mmsi and name leave the program only where identities were asked for.

    Raises ValueError for another word of change, or for a time without a zone.
    """

    id: str
    revision: int
    change: Change
    kind: str
    zones: tuple[str, ...]
    score: float
    start_time: datetime
    end_time: datetime
    mmsi_a: int
    mmsi_b: int
    name_a: str | None = None
    name_b: str | None = None

    def __post_init__(self) -> None:
        if self.change not in CHANGES:
            raise ValueError(f"{self.change!r} is no change of a lead; those are {', '.join(CHANGES)}")
        if self.start_time.tzinfo is None or self.end_time.tzinfo is None:
            raise ValueError(f"{self.id}: a time without a zone")

    @property
    def key(self) -> str:
        """By what a receiver knows it again: id and revision; with a word more where the revision itself was withdrawn.

        A retraction may change the fate of a row without a revision of its own, and must still be told.

        >>> from datetime import UTC
        >>> at = datetime(2025, 3, 10, tzinfo=UTC)
        >>> LeadChange("E2a41", 3, "closed", "encounter", (), 2.5, at, at, 1, 2).key
        'E2a41:3'
        >>> LeadChange("E2a41", 3, "retracted", "encounter", (), 2.5, at, at, 1, 2).key
        'E2a41:3:retracted'
        """
        return f"{self.id}:{self.revision}" + (":retracted" if self.change == "retracted" else "")
