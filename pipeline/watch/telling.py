"""What is told of leads after a commit."""

from __future__ import annotations

from datetime import datetime, timedelta

from stswatch.pipeline.alerts.change import LeadChange
from stswatch.pipeline.watch.store import Store

_TOLD_FOR = timedelta(hours=48)  # after its end a lead is told of no more


def changes(store: Store, since: int, arrival: datetime) -> list[LeadChange]:
    """What became of leads after a commit, of those that had not ended long before a time of arrival."""
    rows = store.lead_changes(since, arrival - _TOLD_FOR)
    return [LeadChange(**{**row, "zones": tuple(row["zones"])}) for row in rows]
