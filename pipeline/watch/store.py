"""The store as a watch uses it: opened again after a failure, and told the time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from stswatch.pipeline.flow import due
from stswatch.pipeline.flow.plausible import plausible
from stswatch.pipeline.flow.row import Engine
from stswatch.pipeline.flow.run import told_of
from stswatch.pipeline.flow.seal import Sealed
from stswatch.pipeline.flow.slices import EVER_US
from stswatch.pipeline.meetings.encounter import wait_us
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.entries import entries
from stswatch.pipeline.store.live import Live
from stswatch.pipeline.store.loader import Beside
from stswatch.pipeline.watch.settings import Settings


def engine_of(settings: Settings) -> Engine:
    """How the slices of a watch are run."""
    return Engine(
        slice_h=1.0, shards=settings.shards, workers=1, memory_bytes=settings.memory_bytes, steps=settings.steps
    )


class Store:
    """Raises what `store.live.Live` raises."""

    def __init__(self, catalogue: Catalogue, settings: Settings) -> None:
        self._data = data = catalogue.data
        held = entries(catalogue, given=None)  # who seals says what is damaged
        used = due.taken(plausible(held, settings.rules).entries, EVER_US)
        self._run = told_of(used, _now(), settings.rules, settings.area, None, settings.steps)
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

    def seal(self, sealed: Sealed, live: pa.Table | None) -> dict[str, int]:
        """See Live.seal; gives how many sealed events are new, were revised, were retracted."""
        self._beside, self._stands = sealed.beside, None
        until_us = sealed.until_us
        self._decided_us = EVER_US if until_us is None else until_us - wait_us(self._run.rules)
        self.commit = self._live.seal(sealed.outputs, sealed.beside, live, _now(), self._decided_us)
        return self._live.changed(self.commit)

    def publish(self) -> None:
        """See Live.publish."""
        self._live.publish(_now())

    def lead_changes(self, since: int, oldest: datetime) -> list[dict[str, Any]]:
        """See Live.lead_changes."""
        return self._live.lead_changes(since, oldest)

    def standing(self) -> tuple[int, int]:
        """See Live.standing."""
        return self._live.standing()


def _now() -> datetime:
    return datetime.now(UTC)
