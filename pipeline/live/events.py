"""How a watch runs, and its events in the store, which is opened again after a failure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from stswatch.pipeline.alerts.alert import LeadChange
from stswatch.pipeline.alerts.delivery import Alerter
from stswatch.pipeline.flow import late_data
from stswatch.pipeline.flow.row import Engine
from stswatch.pipeline.flow.run import run_record
from stswatch.pipeline.flow.slices import EVER_US
from stswatch.pipeline.live.finalize import Finalized
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import STEPS, Step
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.entries import entries
from stswatch.pipeline.store.loader import Beside, Live
from stswatch.pipeline.store.usable import plausible


@dataclass(frozen=True)
class WatchSettings:
    """What the user said of a watch.

    rules, area: as for a run over archives. every_s: how often it says what stands so far. allowed_lateness_s: how
    long after its end an hour is finalized, so that what comes a little late still counts. publish_s: how often at
    most a snapshot is published, but for a new lead. shards: of the steps; fixed, since another number would run
    everything again.
    memory_bytes: what a finalized slice may take. steps: the table of steps, with its scorecard.
    """

    rules: Rules = field(default_factory=Rules)
    area: str = "dprk"
    every_s: float = 5.0
    allowed_lateness_s: float = 60.0
    publish_s: float = 60.0
    shards: int = 16
    memory_bytes: int = 2 << 30
    steps: tuple[Step, ...] = STEPS


def engine_of(settings: WatchSettings) -> Engine:
    """How the slices of a watch are run."""
    return Engine(
        slice_h=1.0, shards=settings.shards, workers=1, memory_bytes=settings.memory_bytes, steps=settings.steps
    )


class Store:
    """Raises what `store.live.Live` raises."""

    def __init__(self, catalogue: Catalogue, settings: WatchSettings) -> None:
        self._data = data = catalogue.data
        held = entries(catalogue, given=None)  # who finalizes says what is damaged
        used = late_data.taken(plausible(held, settings.rules).entries, EVER_US)
        self._run = run_record(used, _now(), settings.rules, settings.area, None, settings.steps)
        self._live = Live(data, self._run)
        self._beside: Beside | None = None
        self._stands: pa.Table | None = None  # what stands there, where that is known
        self._decided_us = EVER_US  # the slices say all of what ended before
        self.commit = 0  # the last

    def reopen(self) -> None:
        """After a failure: DuckDB may not go on with a database that could not be written."""
        self._stands = None
        self._live.close()
        self._live = Live(self._data, self._run, self._beside, self._decided_us)

    def close(self) -> None:
        """Let go of it."""
        self._live.close()

    def stand(self, live: pa.Table, vessels: pa.Table) -> None:
        """See Live.stand; where the same stands there already it is left alone."""
        if self._stands is not None and self._stands.equals(live):
            return
        self._stands = None
        self.commit = self._live.stand(live, vessels)
        self._stands = live

    def finalize(self, finalized: Finalized, live: pa.Table | None) -> dict[str, int]:
        """See Live.finalize; gives how many finalized events are new, were revised, were retracted."""
        self._beside, self._stands = finalized.beside, None
        until_us = finalized.until_us
        self._decided_us = EVER_US if until_us is None else until_us - self._run.rules.wait_us
        self.commit = self._live.finalize(finalized.outputs, finalized.beside, live, _now(), self._decided_us)
        return self._live.changed(self.commit)

    def publish(self) -> None:
        """See Live.publish."""
        self._live.publish(_now())

    def lead_changes(self, since: int, oldest: datetime) -> list[dict[str, Any]]:
        """See Live.lead_changes."""
        return self._live.lead_changes(since, oldest)

    def final_encounters(self, since: int, oldest: datetime) -> list[dict[str, Any]]:
        """See Live.final_encounters."""
        return self._live.final_encounters(since, oldest)

    def standing(self) -> tuple[int, int]:
        """See Live.standing."""
        return self._live.standing()


def _now() -> datetime:
    return datetime.now(UTC)


_CHANGES_FOR = timedelta(hours=48)  # after its end a lead is told of no more
_FINAL_FOR = timedelta(days=35)  # after its end no new revision is sent; shorter than alerts are remembered


def changes(store: Store, since: int, arrival: datetime) -> list[LeadChange]:
    """What became of leads after a commit, of those that had not ended long before a time of arrival."""
    rows = store.lead_changes(since, arrival - _CHANGES_FOR)
    return [LeadChange(**{**row, "zones": tuple(row["zones"])}) for row in rows]


def offer(alerter: Alerter, store: Store, since: int, arrival: datetime) -> list[LeadChange]:
    """Offer what became of leads, and what became final, after a commit; gives the former. Raises OSError."""
    changed = changes(store, since, arrival)
    alerter.offer(changed)
    if alerter.takes_final:
        alerter.offer_final(store.final_encounters(since, arrival - _FINAL_FOR))
    return changed
