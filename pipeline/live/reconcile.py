"""How a watch runs, the store as it uses it, and finalizing by hand."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from stswatch.pipeline.alerts.alert import LeadChange
from stswatch.pipeline.batch import SECOND
from stswatch.pipeline.flow import late_data
from stswatch.pipeline.flow.row import Engine
from stswatch.pipeline.flow.run import FolderInUse, alone, plausible, told_of
from stswatch.pipeline.flow.slices import EVER_US, DamagedSlice, healing
from stswatch.pipeline.live.finalize import Finalized, finalize
from stswatch.pipeline.live.state import time_span
from stswatch.pipeline.meetings.encounter import wait_us
from stswatch.pipeline.readers.source import SourceError
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.sources.address import Address
from stswatch.pipeline.spool.closing import settle
from stswatch.pipeline.spool.segments import sources_of
from stswatch.pipeline.steps import STEPS, Step
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.database import StoreError
from stswatch.pipeline.store.entries import entries
from stswatch.pipeline.store.files import DamagedFile
from stswatch.pipeline.store.loader import Beside, Live
from stswatch.pipeline.trouble import MachineError, sentence
from stswatch.pipeline.untrusted import SENTENCE, escaped, harmless

# ----------------------------------------------------------------------------------------------------------------
# How a watch runs, and the store as it uses it: opened again after a failure, told the time, asked what changed

# ------------------------------ How a watch runs: what decides, and what only says how often and with how much memory


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


# -------------------------------------- The store as a watch uses it: opened again after a failure, and told the time


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

    def finalize(self, finalized: Finalized, live: pa.Table | None) -> dict[str, int]:
        """See Live.finalize; gives how many finalized events are new, were revised, were retracted."""
        self._beside, self._stands = finalized.beside, None
        until_us = finalized.until_us
        self._decided_us = EVER_US if until_us is None else until_us - wait_us(self._run.rules)
        self.commit = self._live.finalize(finalized.outputs, finalized.beside, live, _now(), self._decided_us)
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


# ------------------------------------------------------------------------------- What is told of leads after a commit

_TOLD_FOR = timedelta(hours=48)  # after its end a lead is told of no more


def changes(store: Store, since: int, arrival: datetime) -> list[LeadChange]:
    """What became of leads after a commit, of those that had not ended long before a time of arrival."""
    rows = store.lead_changes(since, arrival - _TOLD_FOR)
    return [LeadChange(**{**row, "zones": tuple(row["zones"])}) for row in rows]


# --------------- How others ask a running watch to reconcile: a row of the catalogue, into which it writes its answer

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
                if found := catalogue.one(_TABLE, name, lambda key, told: told):
                    return dict(found)
                time.sleep(_LOOK_EVERY_S)
            return None
        finally:
            catalogue.delete(_TABLE, [name])


def waiting(catalogue: Catalogue) -> list[str]:
    """The requests that wait; one of which the row is damaged is none."""
    found = catalogue.every(_TABLE, lambda key, told: told)
    return [name for name, told in found.items() if not told and not isinstance(told, DamagedFile)]


def answer(catalogue: Catalogue, requests: list[str], found: Mapping[str, Any]) -> None:
    """Answer those that still wait."""
    with catalogue.transaction():
        there = set(catalogue.keys(_TABLE))
        catalogue.put(_TABLE, {name: dict(found) for name in requests if name in there})


# ------------------------------- Finalizing by hand: by a running watch that is asked to, or without one by whoever
# asks


@dataclass(frozen=True)
class Reconciled:
    """What a reconciliation changed: `late` rows that lie in hours final when they came (of `day`, or of all), and
    events that are new, were revised, or were retracted since. `by_watch`: a running watch did it. `told`: what there
    is to say of what was taken in for it."""

    late: int
    new: int
    revised: int
    retracted: int
    by_watch: bool
    told: tuple[str, ...] = ()


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
            changed, told, by_watch = *_all(data, settings), False
    except FolderInUse:
        changed, told, by_watch = _asked(data, wait_s), [], True
    except Exception as error:
        lacking = sentence(error, data, disk=not isinstance(error, SourceError))
        if lacking is None:
            raise
        raise MachineError(lacking) from error
    with Catalogue.open(data, verify=False) as catalogue:
        late_rows = late_data.rows(catalogue, day)
    return Reconciled(late_rows, changed["new"], changed["revised"], changed["retracted"], by_watch, tuple(told))


def _all(data: Path, settings: WatchSettings) -> tuple[dict[str, int], list[str]]:
    """Finalize everything to the last fix, where the data end; what that changed, and what there is to say of it."""
    told = [said for spool in sources_of(data / "spool") for said in settle(spool.folder)]
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
        return changed, told + finalized.told


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

_SIZES = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


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
    told = (escaped(each, SENTENCE) for each in done.told)
    return "\n".join([f"reconciled{who}: {done.late:,} late rows; {events}", *told])


def status(told: Mapping[str, Any]) -> str:
    """How a watch stands, or stood when it was heard last, in a few lines."""
    told = harmless(dict(told), SENTENCE)
    lines = [_life(told), *_flow(told)]
    lines += [_source(source) for source in told["sources"]]
    lines += [_destination(alerts) for alerts in told["alerts"]]
    lines += [f"amiss: {reason}" for reason in told["reasons"]] or ["nothing is amiss"]
    return "\n".join(lines)


def size(count: int) -> str:
    """A number of bytes for people.

    >>> size(12), size(1_500), size(20_000_000_000)
    ('12 bytes', '1.5 kB', '20.0 GB')
    """
    return next((f"{count / each:.1f} {unit}" for unit, each in _SIZES if count >= each), f"{count} bytes")


def _life(told: Mapping[str, Any]) -> str:
    since = _minute(told["started"])
    if told["runs"]:
        return f"a watch runs since {since} (stswatch {told['version']}, process {told['pid']})"
    if told["ended"]:
        return f"no watch runs; the last ran from {since} to {_minute(told['ended'])}. How it stood then:"
    return f"no watch runs; the last began {since} and was not ended, but broke off after {_minute(told['written'])}:"


def _flow(told: Mapping[str, Any]) -> Iterator[str]:
    """How far it is, what it read, what it found."""
    last, total = told["slice"], told["total"]
    if last is None:
        yield "no slice is finished yet"
        return
    finalized = f"finalized up to {_minute(last['finalized'])}" if last["finalized"] else "nothing finalized yet"
    yield (
        f"arrival {_second(told['arrival'])}; shown up to {told['lag_s']:.1f} s before that,"
        f" a slice took {last['took_s']:.1f} s; {finalized}"
    )
    rejected = ", ".join(f"{count:,} {reason}" for reason, count in told["rejects"].items())
    rows = total["fixes"] + total["static_reports"]
    late = f", {100 * total['late'] / rows:.1f} % of it late" if total["late"] else ""
    late += f", {total['wrong']:,} rows by a wrong clock" if total.get("wrong") else ""
    yield (
        f"read: {total['sentences']:,} sentences ({rejected or 'none'} rejected), {total['fixes']:,} positions,"
        f" {total['static_reports']:,} static reports{late}; the spool takes {size(told['spool_bytes'])}"
    )
    yield (
        f"since the last finalized hour: vessels {last['vessels']:,}, encounters that still run"
        f" {last['open_encounters']:,}, provisional leads {last['leads']:,}"
    )


def _source(told: Mapping[str, Any]) -> str:
    stands = "has ended" if told["ended"] else "connected" if told["connected"] else "not connected"
    heard = f"heard {time_span(told['silent_s'])} before" if told["last_arrival"] else "not heard yet"
    lost = f", lost and found again {told['reconnects']:,} x" if told["reconnects"] else ""
    return f"source {told['name']} ({told['address']}): {stands}, {told['lines']:,} lines, {heard}{lost}"


def _destination(told: Mapping[str, Any]) -> str:
    trouble = f" ({told['trouble']})" if told["trouble"] else ""
    return f"alerts to {told['name']}: delivered {told['delivered']:,}, waiting {told['waiting']:,}{trouble}"


def _minute(time: str) -> str:
    return f"{datetime.fromisoformat(time):%Y-%m-%d %H:%M} UTC"


def _second(time: str | None) -> str:
    return f"{datetime.fromisoformat(time):%Y-%m-%d %H:%M:%S} UTC" if time else "not known"
