"""Sealing by hand: by a running watch that is asked to, or without one by whoever asks."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from stswatch.pipeline.batch import SECOND
from stswatch.pipeline.flow import late
from stswatch.pipeline.flow.committed import DamagedSlice, healing
from stswatch.pipeline.flow.lock import FolderInUse, alone
from stswatch.pipeline.flow.seal import seal
from stswatch.pipeline.readers.base import SourceError
from stswatch.pipeline.spool.closing import settle
from stswatch.pipeline.spool.segments import sources_of
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.database import StoreError
from stswatch.pipeline.trouble import MachineError, sentence
from stswatch.pipeline.watch import requests
from stswatch.pipeline.watch.settings import Settings
from stswatch.pipeline.watch.store import Store, engine_of


@dataclass(frozen=True)
class Reconciled:
    """What a reconciliation changed: `late` rows that lie in hours sealed when they arrived (of `day`, or of all), and
    events that are new, were revised, or were retracted since. `by_watch`: a running watch did it. `told`: what there
    is to say of what was taken in for it."""

    late: int
    new: int
    revised: int
    retracted: int
    by_watch: bool
    told: tuple[str, ...] = ()


def reconcile(data: Path, settings: Settings, day: date | None = None, wait_s: float = 600.0) -> Reconciled:
    """Bring the store in line with all that the spool holds.

    A running watch seals what it may, to the last hour that is over, within wait_s seconds; without one everything is
    ingested and run to the last fix, as `run` does. Raises StoreError where no spool is there or the watch does
    not answer, and what `run` raises.
    """
    if not sources_of(data / "spool"):
        raise StoreError(f"{data}: holds no spool; `stswatch stream SOURCE... --data {data}` makes one")
    try:
        with alone(data):
            changed, told, by_watch = *_all(data, settings), False
    except FolderInUse:
        changed, told, by_watch = _asked(data, wait_s), [], True
    except Exception as error:
        lacking = sentence(error, data, disk=not isinstance(error, SourceError))
        if lacking is None:
            raise
        raise MachineError(lacking) from error
    with Catalogue.open(data, verify=False) as catalogue:
        late_rows = late.rows(catalogue, day)
    return Reconciled(late_rows, changed["new"], changed["revised"], changed["retracted"], by_watch, tuple(told))


def _all(data: Path, settings: Settings) -> tuple[dict[str, int], list[str]]:
    """Seal everything to the last fix, where the data end; what that changed, and what there is to say of it."""
    told = [said for spool in sources_of(data / "spool") for said in settle(spool.folder)]
    how = settings.rules, engine_of(settings), round(settings.allowance_s * SECOND)
    sealed = seal(data, *how, None)
    with Catalogue.open(data, verify=False) as catalogue, closing(Store(catalogue, settings)) as store:
        for _ in range(1 + len(sealed.outputs)):  # once, but for slices that turn out to be damaged
            try:
                with healing(catalogue):
                    changed = store.seal(sealed, None)
                break
            except DamagedSlice:
                sealed = seal(data, *how, None)
        store.publish()
        return changed, told + sealed.told


def _asked(data: Path, wait_s: float) -> dict[str, int]:
    """Have the watch that runs do it."""
    found = requests.ask(data, wait_s)
    if found is None:
        raise StoreError(
            f"{data}: whoever works in this folder did not answer within {wait_s:,.0f} s; if that is a run over"
            " archives, wait for it and ask again, else see `stswatch status`"
        )
    return {name: int(found[name]) for name in ("new", "revised", "retracted")}
