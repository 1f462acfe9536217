"""The watch: from the spool to provisional events each cycle and to final ones each hour, then alerts and snapshots."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from stswatch.geo.reference import zones
from stswatch.pipeline import faults
from stswatch.pipeline.batch import SECOND
from stswatch.pipeline.flow.late_data import SLAB_US, finalized_by
from stswatch.pipeline.flow.run import alone
from stswatch.pipeline.flow.slices import healing
from stswatch.pipeline.live import reconcile
from stswatch.pipeline.live.events import Store, WatchSettings, changes, engine_of, offer
from stswatch.pipeline.live.finalize import Finalized, Finalizing
from stswatch.pipeline.live.provisional import Provisional
from stswatch.pipeline.live.spool_reader import CycleCounts, SpoolReader, found_us
from stswatch.pipeline.live.state import Report, Reporting
from stswatch.pipeline.spool.writer import HeldBack
from stswatch.pipeline.store.catalogue import Catalogue, CatalogueError
from stswatch.pipeline.store.database import StoreError
from stswatch.pipeline.store.files import DamagedFile
from stswatch.pipeline.times import utc
from stswatch.pipeline.trouble import Tell, sentence

if TYPE_CHECKING:
    from stswatch.pipeline.alerts.delivery import Alerter
    from stswatch.pipeline.spool.segments import Position
    from stswatch.pipeline.spool.writer import Spool


# ----------------------------------------------------------------------------------------------------------------
# What a watch does again and again, though the machine may lack something for it: room, memory, a right, a file

_THEN = "; the watch tries again by itself, and what was acknowledged is kept"


class Retry:
    """Says once when something begins to lack, and once when nothing does any more.

    mend: called before the next try after something lacked; what it raises is what lacks then.
    """

    def __init__(
        self, data: Path, health: Reporting | None, tell: Callable[[str], None], mend: Callable[[], None]
    ) -> None:
        self._data, self._health, self._tell, self._mend = data, health, tell, mend
        self._lacking: dict[str, str] = {}  # for what, and the sentence about it
        self._broken = False

    @property
    def lacks(self) -> bool:
        """Whether something lacks."""
        return bool(self._lacking)

    def call(self, what: str, call: Callable[[], bool | None]) -> None:
        """Call what goes by a name. What it raises is what the machine lacks for it, or a fault, which is raised.

        A call that gives False has not come to its end: what it lacked before it may lack still.
        """
        try:
            if self._broken:
                self._mend()
                self._broken = False
            done = call()
        except HeldBack:  # the source has said it
            return
        except Exception as error:
            message = str(error) if isinstance(error, StoreError | CatalogueError | DamagedFile) else None
            lacking = sentence(error, self._data, then=_THEN) or message
            if lacking is None:
                raise
            self._note(what, lacking)
            self._broken = True
            return
        if done is not False:
            self._note(what, "")

    def _note(self, what: str, lacking: str) -> None:
        if lacking and not self._lacking:
            self._tell(lacking)
        if self._health is not None and lacking != self._lacking.get(what, ""):
            self._health.amiss(what, lacking or None)
        if lacking:
            self._lacking[what] = lacking
        elif self._lacking.pop(what, None) and not self._lacking:
            self._tell(f"{self._data}: the watch goes on")


# ----------------------------------------------------------------------------------------------------------------
# The watch: from the spool to provisional events each slice and to finalized ones each hour, then alerts and snapshots
# All times are those in the spool: a clock is read only to pace the slices and to say how long they took. Killed
# anywhere and started again it goes on from what the spool, the committed slices and the store hold.

_BRIEF_S = 0.05  # between two looks at what is being waited for
_PUBLISH_SHARE = 10.0  # of the time at most a tenth goes into snapshots, but for new leads
_FINALIZE_AGAIN = 6  # slices later, where an hour could not be finalized


def watch(
    data: Path,
    spools: Sequence[Spool],
    settings: WatchSettings,
    alerter: Alerter | None,
    health: Reporting | None,
    tell: Tell,
    stop: threading.Event,
) -> None:
    """Watch until `stop` is set; holds the folder's lock meanwhile.

    spools: those that sources fill in this process (`Supervisor.spools`); what lies in DATA/spool from earlier is taken
    up too. Raises FolderInUse, OtherSlices, AreaError, StoreError, and MachineError where memory or a right lacks at
    the start; what the machine lacks later is told, waited for, and loses nothing that was acknowledged.
    """
    with (
        alone(data),
        Catalogue.open(data) as catalogue,
        closing(_Watch(catalogue, spools, settings, alerter, health, tell, stop)) as running,
    ):
        running.run()


class _Watch:
    """What a watch holds from slice to slice."""

    def __init__(
        self,
        catalogue: Catalogue,
        spools: Sequence[Spool],
        settings: WatchSettings,
        alerter: Alerter | None,
        health: Reporting | None,
        tell: Tell,
        stop: threading.Event,
    ) -> None:
        self._catalogue, self._data = catalogue, catalogue.data
        data, self._spools, self._settings = catalogue.data, spools, settings
        self._alerter, self._health, self._tell, self._stop = alerter, health, tell, stop
        self._allowed_lateness_us = round(settings.allowed_lateness_s * SECOND)
        shown = zones.area(settings.area)
        self._store = Store(catalogue, settings)
        self._finalizing = Finalizing(data, spools, settings.rules, engine_of(settings), self._allowed_lateness_us)
        self._provisional = Provisional(data, settings.rules, shown, self._allowed_lateness_us, settings.steps)
        self._hearing = SpoolReader(data, None, tell)
        self._begun = False  # what an earlier watch left is taken up
        self._heard = CycleCounts()  # and not reported yet
        self._finalized_us: int | None = None
        self._taken: Finalized | None = None  # taken over, and not in the store yet
        self._asked: list[str] = []  # requests that the finalizing under way answers
        self._reported_upto = 0  # the last commit of which everybody was told
        self._publish_at_s = 0.0
        self._finalize_at_s = 0.0
        self._retry = Retry(data, health, tell, self._store.reopen)

    def close(self) -> None:
        """Let go of all that is held."""
        self._finalizing.finish()
        self._hearing.close()
        self._store.close()
        gc.unfreeze()  # else what is left at the end of the process would be called leaked

    def run(self) -> None:
        """From the first slice to the last."""
        while not self._stop.is_set():
            started_s = time.monotonic()
            self._retry.call("slice", self._slice if self._begun else self._begin)
            self._wait(time.monotonic() - started_s)
        self._finalizing.finish()
        if self._begun:
            self._retry.call("slice", self._last_slice)

    def _wait(self, took_s: float) -> None:
        if not self._hearing.more or self._retry.lacks:
            self._stop.wait(max(self._settings.every_s - took_s, 0.0))
        elif self._finalizing.busy:
            self._stop.wait(_BRIEF_S)

    # ------------------------------------------------------------------------------------------------ slices

    def _begin(self) -> None:
        """Take up what an earlier watch left: all that is over is finalized before anything is said of what is not."""
        arrival_us = found_us(self._data, self._spools)
        if arrival_us is not None:
            until_us = self._boundary_us(arrival_us)
            self._finalizing.begin(until_us)
            while (finalized := self._finalizing.step()) is None:
                if self._stop.wait(_BRIEF_S):
                    return
            self._move_to(finalized)
            self._hearing.close()
            self._hearing = SpoolReader(self._data, until_us - self._allowed_lateness_us, self._tell)
            there = self._acknowledged()
            while self._hear(there).bytes:
                pass
        self._begun = True
        self._slice()
        gc.collect()
        gc.freeze()  # what lasts need not be looked through again and again

    def _last_slice(self) -> None:
        self._slice()
        self._store.publish()

    def _slice(self) -> None:
        began_s = time.monotonic()
        counts = self._hear(self._acknowledged())
        before_us = self._finalized_us
        self._retry.call("finalizing", self._take_over)
        if self._finalized_us == before_us and self._finalizing.busy and self._hearing.more and not counts.bytes:
            return  # nothing new can be said before the hour is finalized
        if not self._stop.is_set():
            self._retry.call("closed", self._read_closed)
        if (arrival_us := self._hearing.arrival_us) is not None:
            self._say(arrival_us)
        if not self._stop.is_set():
            self._retry.call("finalizing", self._finalize_on)
        self._report(time.monotonic() - began_s)

    def _hear(self, there: Mapping[str, Position]) -> CycleCounts:
        base_us = self._finalizing.until_us if self._finalizing.busy else self._finalized_us
        beyond_us = 0 if base_us is None else base_us + SLAB_US + self._allowed_lateness_us
        counts = self._hearing.slice(self._provisional.recent, there, self._allowed_lateness_us, beyond_us)
        self._heard += counts
        return counts

    def _acknowledged(self) -> Mapping[str, Position]:
        return {spool.name: spool.acknowledged for spool in self._spools}

    def _say(self, arrival_us: int) -> None:
        """Store what stands, then tell of leads, then publish."""
        live, vessels = self._provisional.look(arrival_us)
        if self._taken is not None:
            with healing(self._catalogue):
                self._answer(self._store.finalize(self._taken, live))
            self._taken = None
        else:
            self._store.stand(live, vessels)
        if self._tell_leads(arrival_us):
            self._publish_at_s = 0.0  # due from now on until it is done
        if time.monotonic() >= self._publish_at_s:
            self._retry.call("snapshot", self._publish)

    def _publish(self) -> None:
        began_s = time.monotonic()
        self._store.publish()
        took_s = time.monotonic() - began_s
        self._publish_at_s = time.monotonic() + max(self._settings.publish_s, _PUBLISH_SHARE * took_s)

    def _tell_leads(self, arrival_us: int) -> bool:
        """Tell what became of leads since the last commit; whether one is new."""
        if self._store.commit == self._reported_upto:
            return False
        since, at = self._reported_upto, utc(arrival_us)
        if self._alerter is None:
            changed = changes(self._store, since, at)
        else:
            changed = offer(self._alerter, self._store, since, at)
        self._reported_upto = self._store.commit
        faults.reach("leads_offered")
        return any(each.change == "opened" for each in changed)

    def _report(self, took_s: float) -> None:
        if self._health is None or self._hearing.arrival_us is None:
            return
        counts, self._heard = self._heard, CycleCounts()
        running, flagged = self._store.standing()
        self._health.slice_done(
            Report(
                arrival_us=self._hearing.arrival_us,
                finalized_us=self._finalized_us,
                took_s=took_s,
                behind_bytes=self._hearing.behind(self._acknowledged()),
                sentences=counts.sentences,
                fixes=counts.fixes,
                static_reports=counts.static_reports,
                rejects=counts.rejects,
                late=counts.late,
                ahead=counts.ahead,
                wrong=counts.wrong,
                vessels=self._provisional.recent.vessels,
                open_encounters=running,
                leads=flagged,
                finalizing=self._finalizing.busy,
                approaching=self._provisional.approaching(self._hearing.arrival_us),
            )
        )

    # ------------------------------------------------------------------------------------------------ hours

    def _boundary_us(self, arrival_us: int) -> int:
        return finalized_by(arrival_us, self._allowed_lateness_us)

    def _finalize_on(self) -> bool:
        """Begin to finalize where an hour is over, or somebody asked for it; gives False: it is not final yet."""
        arrival_us = self._hearing.arrival_us
        if arrival_us is None or self._finalizing.busy or time.monotonic() < self._finalize_at_s:
            return False
        asked = reconcile.waiting(self._catalogue)
        until_us = self._boundary_us(arrival_us)
        if asked or self._finalized_us is None or until_us > self._finalized_us:
            self._finalizing.begin(max(until_us, self._finalized_us or until_us), at_once=bool(asked))
            self._asked = asked
        return False

    def _take_over(self) -> bool:
        """Take over what is finalized; whether something is by now."""
        try:
            finalized = self._finalizing.step()
        except Exception:
            self._finalize_at_s = time.monotonic() + _FINALIZE_AGAIN * self._settings.every_s
            raise
        if finalized is not None:
            self._move_to(finalized)
        return finalized is not None

    def _read_closed(self) -> None:
        for note in self._finalizing.take_in():
            self._tell(note)

    def _move_to(self, finalized: Finalized) -> None:
        """Look from the end of what is finalized now."""
        assert finalized.until_us is not None
        for note in finalized.notes:
            self._tell(note)
        with healing(self._catalogue):
            self._provisional.move_to(finalized.until_us, finalized.last, self._settings.shards)
        self._finalized_us, self._taken = finalized.until_us, finalized

    def _answer(self, changed: Mapping[str, int]) -> None:
        faults.reach("hour_taken")
        reconcile.answer(self._catalogue, self._asked, changed)
        self._asked = []
