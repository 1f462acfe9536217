"""Alerts of a watch: what was not told yet is put on disk for each destination, and delivered until it has arrived."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from stswatch.pipeline.alerts.change import LeadChange
from stswatch.pipeline.alerts.courier import PAUSES_S, Courier, Delivery
from stswatch.pipeline.alerts.destination import Destination
from stswatch.pipeline.alerts.message import alert
from stswatch.pipeline.alerts.outbox import Outbox, waiting
from stswatch.pipeline.store.catalogue import Catalogue, CatalogueError

_LOOK_EVERY_S = 0.02


class Alerter:
    """Tells destinations of changed leads: each change once put on disk, at least once delivered, in order per event.

    Args:
        catalogue: keeps what waits and what was told; is closed with this.
        destinations: see destinations.load.
        now: the arrival clock of the watch.
        identities: whether names and MMSI are told; else they do not even reach the disk.
        tell: takes a sentence for people, once when a destination fails and once when it is back.
        pauses_s: seconds between tries, the first pause and the longest.

    Raises OSError, CatalogueError where the catalogue cannot be used.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        destinations: Sequence[Destination],
        now: Callable[[], datetime],
        *,
        identities: bool = False,
        tell: Callable[[str], None] = lambda sentence: None,
        pauses_s: tuple[float, float] = PAUSES_S,
    ) -> None:
        self._catalogue, self._now, self._identities = catalogue, now, identities
        self._couriers = [Courier(d, Outbox(catalogue, d.name), now, tell, pauses_s) for d in destinations]
        for courier in self._couriers:
            courier.start()
        for name, count in sorted(waiting(catalogue).items()):
            if name not in {d.name for d in destinations}:
                tell(f"{name}: {count} alerts wait for a destination that is gone; name it again to have them sent")

    def offer(self, changes: Sequence[LeadChange]) -> int:
        """Take changes that are committed; those offered before are passed over. Gives how many were new to anybody.

        They are on disk when it comes back, and go out by themselves. The changes of one event come in their order.

        Raises OSError where the disk lacks room or a right: offer the same again later, nothing is told twice for it.
        """
        at = self._now()
        alerts = [alert(change, at, self._identities) for change in changes]
        failed, new = None, set[str]()
        for courier in self._couriers:
            try:
                new |= courier.put(alerts)
            except (OSError, CatalogueError) as error:  # the others need not wait for it
                failed = error
        if failed is not None:
            raise failed
        return len(new)

    def state(self) -> tuple[Delivery, ...]:
        """How each destination stands, in their order; never raises."""
        return tuple(courier.state() for courier in self._couriers)

    def close(self, within_s: float = 5.0) -> None:
        """Stop, once nothing waits for a destination that answers, or so long has passed; what waits stays on disk.

        Nothing may be offered afterwards. A try under way may go on for as long again.
        """
        until_s = time.monotonic() + within_s
        while any(to.waiting and not to.trouble for to in self.state()) and time.monotonic() < until_s:
            time.sleep(_LOOK_EVERY_S)
        for courier in self._couriers:
            courier.stop()
        for courier in self._couriers:
            courier.join(within_s)
        if not any(courier.is_alive() for courier in self._couriers):
            self._catalogue.close()
