"""A whole watch: sources into their spools, the loop, alerts, health, systemd; and its quiet end."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from stswatch.errors import StswatchError
from stswatch.pipeline.alerts.alert import Destination
from stswatch.pipeline.alerts.delivery import Alerter
from stswatch.pipeline.batch import SECOND
from stswatch.pipeline.flow.calls import SENT
from stswatch.pipeline.flow.cluster.flink import ClusterError, connected
from stswatch.pipeline.flow.cluster.topic import WHOLE_SLICES, TopicSpec, partitions_of
from stswatch.pipeline.flow.run import alone
from stswatch.pipeline.flow.slices import Slice, checksums, code, commit, committed, stored_files
from stswatch.pipeline.live import server
from stswatch.pipeline.live.events import Store, WatchSettings, offer
from stswatch.pipeline.live.finalize import Finalized, take_in
from stswatch.pipeline.live.health import READY, STOPPING, Health, notify, only_watch
from stswatch.pipeline.live.loop import Retry, watch
from stswatch.pipeline.live.reconcile import Reconciled, reconcile
from stswatch.pipeline.options import StreamOptions
from stswatch.pipeline.sources.address import Address
from stswatch.pipeline.spool.clock import Arrival, Clock, RecordedClock
from stswatch.pipeline.spool.closing import Keep, forget
from stswatch.pipeline.spool.segments import segment_of, sources_of
from stswatch.pipeline.spool.supervisor import Supervisor, run_sources
from stswatch.pipeline.steps import card_of
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.entries import entries, is_segment, lake_files, reject_counts, sources_table
from stswatch.pipeline.store.files import DamagedFile, discard, sync
from stswatch.pipeline.store.loader import Beside
from stswatch.pipeline.store.usable import plausible
from stswatch.pipeline.times import utc
from stswatch.pipeline.trouble import Tell

if TYPE_CHECKING:
    from stswatch.pipeline.flow.cluster.unbounded import LongSpec

# ----------------------------------------------------------------------------------------------------------------
# Removes segments of the spool beyond what is to be kept: only such as are in the lake and older than what is
# finalized,
# only where that was asked.

_UNITS = {"h": 3600, "d": 86_400, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class KeepError(StswatchError, ValueError):
    """A retention that cannot be read; the message says what was found and what is expected."""


def parse(text: str) -> Keep:
    """How much of the spool is kept: an age, a size, or both with a comma between them; all of it for `all`.

    Raises KeepError.

    >>> parse("7d"), parse("36h,20G"), parse("all")
    (Keep(bytes=0, age_us=604800000000), Keep(bytes=21474836480, age_us=129600000000), Keep(bytes=0, age_us=0))
    """
    if text == "all":
        return Keep()
    sizes: list[int] = []
    ages_s: list[int] = []
    for part in text.split(","):
        number, unit = part[:-1], part[-1:]
        if not (number.isascii() and number.isdecimal() and int(number) and unit in _UNITS):
            raise KeepError(f"{text!r}: give an age or a size such as 7d, 36h or 20G, both as 7d,20G, or all")
        (ages_s if unit in "hd" else sizes).append(int(number) * _UNITS[unit])
    return Keep(min(sizes, default=0), min(ages_s, default=0) * 1_000_000)


def clear(data: Path, keep: Keep, now_us: int, needed_us: int) -> list[str]:
    """Remove what is beyond `keep` from every spool of a data folder; gives the segments' names. Raises OSError.

    now_us: the clock of arrivals, UTC microseconds. needed_us: since when a start reads the spool again, however
    little is to be kept: the end of the last finalized hour less the allowed lateness.
    """
    if keep == Keep():
        return []
    if (catalogue := Catalogue.read(data)) is None:
        return []
    with catalogue:
        found = catalogue.every("sources", lambda source, fields: Path(str(fields["source"]["path"]))).values()
    ingested = [path for path in found if not isinstance(path, DamagedFile)]
    gone = []
    for spool in sources_of(data / "spool"):  # wherever the data folder lay when they were read
        here = {segment_of(path) for path in ingested if is_segment(path) and path.parent.name == spool.name}
        gone += forget(spool.folder, here, keep, now_us, needed_us)
    return gone


# ------------------------------ A whole watch: sources into their spools, the loop, alerts, health; and its quiet end

CLOCKS: Mapping[str, Callable[[Tell], Arrival]] = {"clock": Clock, "recorded": lambda tell: RecordedClock()}

_LOOK_EVERY_S = 0.5
_CLEAR_EVERY_S = 600.0
_CLEAR_FOR_ROOM_S = 30.0  # while a source is held back


@dataclass(frozen=True)
class WatchPlan:
    """StreamOptions as they were read, beside Settings.

    destinations: of alerts. identities: whether alerts tell names and MMSI. health: where to answer, None nowhere.
    keep: how much of the spool. arrival: `clock` is this machine's, `recorded` that of a recording.
    """

    addresses: Sequence[Address]
    destinations: Sequence[Destination]
    identities: bool = False
    health: server.ListenAddress | None = None
    keep: Keep = field(default_factory=Keep)
    arrival: Literal["clock", "recorded"] = "clock"


def stream(
    data: Path,
    plan: WatchPlan,
    settings: WatchSettings,
    secrets: Mapping[str, str],
    tell: Tell,
    stop: threading.Event,
) -> Reconciled | None:
    """Watch until `stop` is set, or until nothing can come any more: then finalize all, and give what that changed.

    Raises what `watch` raises, WatchError where another watch runs, AddressError, HealthError, OSError.
    """
    clock = CLOCKS[plan.arrival](tell)
    with only_watch(data):
        with _alerting(data, plan, clock, tell) as alerter:
            ended, health = _watched(data, plan, settings, clock, alerter, secrets, tell, stop)
            notify(STOPPING)
            done = _end(data, settings, clock, alerter) if ended else None
        health.write()  # once more: what waited may have been told meanwhile
    return done


def _end(data: Path, settings: WatchSettings, clock: Arrival, alerter: Alerter) -> Reconciled:
    """Finalize to the last fix, and tell what that changed."""
    done = reconcile(data, settings)
    with alone(data), Catalogue.open(data) as catalogue, closing(Store(catalogue, settings)) as store:
        offer(alerter, store, 0, utc(clock.now_us()))
    return done


def _watched(
    data: Path,
    plan: WatchPlan,
    settings: WatchSettings,
    clock: Arrival,
    alerter: Alerter,
    secrets: Mapping[str, str],
    tell: Tell,
    stop: threading.Event,
) -> tuple[bool, Health]:
    """Watch; gives whether all sources have ended, and what the watch knew of itself."""
    with _sources(data, plan, clock, secrets, tell) as supervisor:
        health = Health(
            data,
            clock.now_us,
            settings.every_s,
            sources=supervisor.state,
            alerts=alerter.state,
            clock=clock.trouble,
            tell=tell,
        )
        attending = _Attending(data, plan.keep, settings.allowed_lateness_s, clock, supervisor, health, stop)
        with server.serving(plan.health, health.state), health.running(), attending.running():
            notify(READY)
            watch(data, list(supervisor.spools.values()), settings, alerter, health, tell, attending.over)
        supervisor.check()
        return supervisor.ended and not stop.is_set(), health


@contextmanager
def _alerting(data: Path, plan: WatchPlan, clock: Arrival, tell: Tell) -> Iterator[Alerter]:
    def now() -> datetime:
        return utc(clock.now_us())

    alerter = Alerter(Catalogue.open(data), plan.destinations, now, identities=plan.identities, tell=tell)
    try:
        yield alerter
    finally:
        alerter.close()


@contextmanager
def _sources(
    data: Path, plan: WatchPlan, clock: Arrival, secrets: Mapping[str, str], tell: Tell
) -> Iterator[Supervisor]:
    supervisor = run_sources(data, plan.addresses, clock, tell, threading.Event(), secrets=secrets)
    try:
        yield supervisor
    finally:
        supervisor.close()


class _Attending:
    """Ends the loop when it is to end, or when all sources have and all is read; clears the spool meanwhile."""

    def __init__(
        self,
        data: Path,
        keep: Keep,
        allowed_lateness_s: float,
        clock: Arrival,
        supervisor: Supervisor,
        health: Health,
        stop: threading.Event,
    ) -> None:
        self.over = threading.Event()  # for the loop
        self._data, self._keep, self._clock = data, keep, clock
        self._allowed_lateness_us = round(allowed_lateness_s * SECOND)
        self._supervisor, self._health, self._stop = supervisor, health, stop
        self._finished = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Attend for as long as the block lasts."""
        thread = threading.Thread(target=self._run, name="attending", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._finished.set()
            thread.join()

    def _run(self) -> None:
        cleared_s = time.monotonic()
        slices: int | None = None  # when all sources had ended
        while not self._finished.wait(_LOOK_EVERY_S):
            if self._supervisor.ended and slices is None:
                slices = self._health.slices
            if self._stopped() or (slices is not None and self._known(slices)):
                self.over.set()
            held = any(spool.held for spool in self._supervisor.spools.values())
            if time.monotonic() - cleared_s >= (_CLEAR_FOR_ROOM_S if held else _CLEAR_EVERY_S):
                cleared_s = time.monotonic()
                self._clear()

    def _stopped(self) -> bool:
        try:
            self._supervisor.check()
        except BaseException:  # it is raised where somebody hears it, once the loop has ended
            return True
        return self._stop.is_set()

    def _known(self, slices: int) -> bool:
        """Whether the loop has looked at all that came: a slice that began after the end left nothing unread."""
        if not self._clock.now_us() or not any(each.counts.lines for each in self._supervisor.state().values()):
            return True  # what came tells no time, or nothing came: there will be no slice
        return self._health.slices >= slices + 2 and not self._health.behind_bytes

    def _clear(self) -> None:
        if (finalized_us := self._health.finalized_us) is None:
            return
        try:
            clear(self._data, self._keep, self._clock.now_us(), finalized_us - self._allowed_lateness_us)
            self._health.amiss("retention", None)
        except OSError as error:
            self._health.amiss("retention", f"{self._data / 'spool'}: what is to go stays there ({error.strerror})")


# ------------ A watch as a long job on Apache Flink, which finds the final events; this process loads and tells of them

JOB_S = 3600.0  # the longest that anything of it may take to begin
_MARGIN_US = 60 * SECOND  # between the clocks of machines


def stream_on_cluster(
    options: StreamOptions,
    data: Path,
    plan: WatchPlan,
    settings: WatchSettings,
    secrets: Mapping[str, str],
    tell: Tell,
    stop: threading.Event,
) -> Reconciled | None:
    """The same as `stream` on the cluster that the options name; it is stopped with a savepoint, and goes on from that.

    Raises ClusterError, Lost where the topic cannot be read, WatchError, FolderInUse, StoreError, OSError.
    """
    from stswatch.pipeline.flow.cluster.long_job import LongJob, workers_known  # with Beam

    clock, master = CLOCKS[plan.arrival](tell), str(options.flink_master)
    with only_watch(data), alone(data), _alerting(data, plan, clock, tell) as alerter:
        spec = _spec_of(data, plan, settings, secrets)
        with (
            connected(master, options.job_server, data, options.workers, JOB_S, known=workers_known(data)) as cluster,
            Catalogue.open(data) as catalogue,
            closing(Store(catalogue, settings)) as store,
        ):
            loading = _Loading(catalogue, store, alerter, spec, tell)
            job = LongJob(cluster, spec, tell)
            job.begin()
            notify(READY)
            retry = Retry(data, None, tell, store.reopen)
            while not stop.wait(_LOOK_EVERY_S):
                retry.call("slices", lambda: loading.load(job.whole()))
                job.look()
                loading.tidy(job.held_us)
            notify(STOPPING)
            job.stop()
            loading.load(job.whole())
    return None  # a topic has no end


def _spec_of(data: Path, plan: WatchPlan, settings: WatchSettings, secrets: Mapping[str, str]) -> LongSpec:
    from stswatch.pipeline.flow.cluster.unbounded import LongSpec

    if len(plan.addresses) != 1 or plan.addresses[0].scheme not in ("kafka", "kafkas"):
        raise ClusterError("a watch on Flink reads one topic: give kafka://BROKER/TOPIC, and nothing beside it")
    lateness_us, recorded = round(settings.allowed_lateness_s * SECOND), plan.arrival == "recorded"
    topic = TopicSpec(str(data.absolute()), plan.addresses[0], lateness_us, recorded)
    decides = [settings.rules.events_fingerprint(), settings.shards, code(settings.steps)]
    decides += [card_of(settings.steps).model_id, lateness_us, recorded]
    name = hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:16]
    return LongSpec(topic, partitions_of(topic, secrets), settings.steps, settings.rules, settings.shards, name)


class _Loading:
    """Takes slices that are whole into catalogue and store, each once."""

    def __init__(self, catalogue: Catalogue, store: Store, alerter: Alerter, spec: LongSpec, tell: Tell) -> None:
        self._catalogue, self._data, self._store, self._alerter = catalogue, catalogue.data, store, alerter
        self._spec, self._tell = spec, tell
        self._offered_upto = store.commit
        self._tidied: set[str] = set()
        self._begun = False  # the store has what the catalogue has, whatever was killed in between

    def load(self, whole: Sequence[Slice]) -> None:
        """Load those that are new, and publish. Raises OSError, StoreError."""
        known = committed(self._catalogue)
        new = [each for each in whole if each.key not in known]
        if not whole or (self._begun and not new):
            return
        until_us = whole[-1].end_us
        lateness_us = self._spec.topic.allowed_lateness_us
        for note in take_in(self._data, lateness_us, until_us + lateness_us):
            self._tell(note)
        for each in new:
            commit(self._catalogue, each, self._fields(self._data / "slices" / each.key))
        held = entries(self._catalogue)
        used = plausible(held, self._spec.rules)
        beside = Beside(sources_table(used.entries), reject_counts(held), lake_files(held), used.left_out)
        found = {key: each for key, each in sorted(committed(self._catalogue).items()) if key.endswith(self._spec.name)}
        last = found[whole[-1].key]
        given = [each.output for each in found.values()]
        self._store.finalize(Finalized(until_us, last, given, beside, []), None)
        self._store.publish()
        offer(self._alerter, self._store, self._offered_upto, utc(until_us + lateness_us))
        self._offered_upto = self._store.commit
        self._begun = True

    def _fields(self, folder: Path) -> dict[str, object]:
        """What the catalogue keeps of a slice, once the disk holds its files."""
        sync((path for path in folder.rglob("*") if path.is_file() and path.parent.name != SENT), self._data)
        crcs = {name: crc for name, crc in checksums(folder).items() if not name.startswith(SENT)}
        return {"files": stored_files(folder), "checksums": crcs, "cpu_s": {}}

    def tidy(self, held_us: int) -> None:
        """Remove what no failure of the job can need again; held_us: see LongJob."""
        folder = self._data / WHOLE_SLICES
        names = sorted(folder.glob(f"*-{self._spec.name}.json"))
        old = [path for path in names if path.stat().st_mtime_ns // 1000 < held_us - _MARGIN_US]
        for path in old[:-1]:
            if path.stem not in self._tidied:
                self._tidied.add(path.stem)
                for what in ("state", SENT):
                    discard(self._data / "slices" / path.stem / what, self._data / "slices")
