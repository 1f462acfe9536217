"""Finalizing by hand: how a running watch is asked to, doing it without one, and what the commands of a watch say."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from stswatch.pipeline.batch import SECOND
from stswatch.pipeline.flow import late_data
from stswatch.pipeline.flow.run import FolderInUse, alone
from stswatch.pipeline.flow.slices import DamagedSlice, healing
from stswatch.pipeline.live.events import Store, WatchSettings, engine_of
from stswatch.pipeline.live.finalize import finalize
from stswatch.pipeline.readers.source import SourceError
from stswatch.pipeline.sources.address import Address
from stswatch.pipeline.spool.closing import settle
from stswatch.pipeline.spool.segments import sources_of
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.database import StoreError
from stswatch.pipeline.store.files import DamagedFile
from stswatch.pipeline.trouble import MachineError, sentence
from stswatch.pipeline.untrusted import SENTENCE, escaped

# ------------------------------------------------------- requests: rows of the catalogue, with their answers

_LOOK_EVERY_S = 0.2
_TABLE = "requests"


def ask(data: Path, wait_s: float) -> dict[str, Any] | None:
    """Put a request and wait for its answer; None where none came in time. Raises OSError, CatalogueError."""
    name = uuid.uuid4().hex[:12]
    until_s = time.monotonic() + wait_s
    with Catalogue.open(data, verify=False) as catalogue:
        catalogue.put(_TABLE, {name: None})
        try:
            while time.monotonic() < until_s:
                if found := catalogue.one(_TABLE, name, lambda key, answer: answer):
                    return dict(found)
                time.sleep(_LOOK_EVERY_S)
            return None
        finally:
            catalogue.delete(_TABLE, [name])


def waiting(catalogue: Catalogue) -> list[str]:
    """The requests that wait; one of which the row is damaged is none."""
    found = catalogue.every(_TABLE, lambda key, answer: answer)
    return [name for name, answer in found.items() if not answer and not isinstance(answer, DamagedFile)]


def answer(catalogue: Catalogue, requests: list[str], found: Mapping[str, Any]) -> None:
    """Answer those that still wait."""
    with catalogue.transaction():
        there = set(catalogue.keys(_TABLE))
        catalogue.put(_TABLE, {name: dict(found) for name in requests if name in there})


# -------------------------------------------------- finalizing by a running watch that is asked to, or without one


@dataclass(frozen=True)
class Reconciled:
    """What a reconciliation changed: `late` rows that lie in hours final when they came (of `day`, or of all), and
    events that are new, were revised, or were retracted since. `by_watch`: a running watch did it. `notes`: what there
    is to say of what was taken in for it."""

    late: int
    new: int
    revised: int
    retracted: int
    by_watch: bool
    notes: tuple[str, ...] = ()


def reconcile(data: Path, settings: WatchSettings, day: date | None = None, wait_s: float = 600.0) -> Reconciled:
    """Bring the store in line with all that the spool holds.

    A running watch finalizes what it may, to the last hour that is over, within wait_s seconds; without one everything
    is ingested and run to the last fix, as `run` does. Raises StoreError where no spool is there or the watch does
    not answer, and what `run` raises.
    """
    if not sources_of(data / "spool"):
        raise StoreError(f"{data}: holds no spool; `stswatch stream SOURCE... --data {data}` makes one")
    try:
        with alone(data):
            changed, notes, by_watch = *_all(data, settings), False
    except FolderInUse:
        changed, notes, by_watch = _asked(data, wait_s), [], True
    except Exception as error:
        lacking = sentence(error, data, disk=not isinstance(error, SourceError))
        if lacking is None:
            raise
        raise MachineError(lacking) from error
    with Catalogue.open(data, verify=False) as catalogue:
        late_rows = late_data.rows(catalogue, day)
    return Reconciled(late_rows, changed["new"], changed["revised"], changed["retracted"], by_watch, tuple(notes))


def _all(data: Path, settings: WatchSettings) -> tuple[dict[str, int], list[str]]:
    """Finalize everything to the last fix, where the data end; what that changed, and what there is to say of it."""
    notes = [note for spool in sources_of(data / "spool") for note in settle(spool.folder)]
    how = settings.rules, engine_of(settings), round(settings.allowed_lateness_s * SECOND)
    finalized = finalize(data, *how, None)
    with Catalogue.open(data, verify=False) as catalogue, closing(Store(catalogue, settings)) as store:
        for _ in range(1 + len(finalized.outputs)):  # once, but for slices that turn out to be damaged
            try:
                with healing(catalogue):
                    changed = store.finalize(finalized, None)
                break
            except DamagedSlice:
                finalized = finalize(data, *how, None)
        store.publish()
        return changed, notes + finalized.notes


def _asked(data: Path, wait_s: float) -> dict[str, int]:
    """Have the watch that runs do it."""
    found = ask(data, wait_s)
    if found is None:
        raise StoreError(
            f"{data}: whoever works in this folder did not answer within {wait_s:,.0f} s; if that is a run over"
            " archives, wait for it and ask again, else see `stswatch status`"
        )
    return {name: int(found[name]) for name in ("new", "revised", "retracted")}


# -------------------------------------------------------------------- What the commands of a watch say, as plain text


def begun(addresses: Sequence[Address], data: str, health: str) -> str:
    """What a watch begins with."""
    named = "; ".join(f"{address.name} from {escaped(address.text)}" for address in addresses)
    asked = "" if health == "none" else f"; health: http://{health}/healthz"
    return f"watching {named}; data: {escaped(data)}{asked}; Ctrl-C ends it"


def reconciled(done: Reconciled) -> str:
    """What a reconciliation changed, and what there is to say beside it.

    >>> reconciled(Reconciled(late=1200, new=3, revised=1, retracted=0, by_watch=True))
    'reconciled by the watch that runs: 1,200 late rows; 3 events new, 1 revised, 0 retracted'
    """
    who = " by the watch that runs" if done.by_watch else ""
    events = f"{done.new:,} events new, {done.revised:,} revised, {done.retracted:,} retracted"
    notes = (escaped(each, SENTENCE) for each in done.notes)
    return "\n".join([f"reconciled{who}: {done.late:,} late rows; {events}", *notes])
