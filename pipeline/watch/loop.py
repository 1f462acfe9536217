"""The watch: from the spool to provisional events each slice and to sealed ones each hour, then alerts and snapshots.

All times are those in the spool: it reads no clock but to say how long it took. Killed anywhere and started again it
goes on from what the spool, the committed slices and the store hold.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stswatch.pipeline.watch.report import Health
from stswatch.pipeline.watch.settings import Settings

if TYPE_CHECKING:
    from stswatch.pipeline.alerts.alerter import Alerter
    from stswatch.pipeline.spool import Spool

Tell = Callable[[str], None]  # takes a sentence for people


def watch(
    data: Path,
    spools: Sequence[Spool],
    settings: Settings,
    alerter: Alerter | None,
    health: Health | None,
    tell: Tell,
    stop: threading.Event,
) -> None:
    """Watch until `stop` is set; holds the folder's lock meanwhile.

    spools: those that sources fill in this process (`Supervisor.spools`); what lies in DATA/spool from earlier is taken
    up too. Raises FolderInUse, OtherSlices, AreaError, StoreError, and MachineError where memory or a right lacks for
    good; a full disk is told, waited for, and loses nothing that was acknowledged.
    """
    raise NotImplementedError
