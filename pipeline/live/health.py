"""What a watch knows of itself, kept in DATA/live for whoever asks, and what systemd hears of it."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from stswatch.errors import StswatchError
from stswatch.pipeline.live.state import TOTALS, Known, Report, SourceHeard, SourceSilence, described
from stswatch.pipeline.store.files import read_json, write_json
from stswatch.pipeline.times import minute, second, time_span
from stswatch.pipeline.untrusted import SENTENCE, harmless

if TYPE_CHECKING:
    from stswatch.pipeline.alerts.delivery import Delivery
    from stswatch.pipeline.spool.supervisor import SourceState


# ---------------------------- What systemd wants to hear of a service: that it has begun, that it lives, that it ends

READY, ALIVE, STOPPING = "READY=1", "WATCHDOG=1", "STOPPING=1"


def notify(word: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Say a word to systemd, where it listens; gives whether it does; never raises.

    Source: sd_notify(3): a datagram to the socket that NOTIFY_SOCKET names; @ begins the name of an abstract one.

    >>> notify(READY, {})
    False
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.connect("\0" + address[1:] if address.startswith("@") else address)
            out.send(word.encode())
    except OSError:
        return False
    return True


# ----------- What a watch knows of itself: slices, sources, alerts, what is amiss; kept in DATA/live for whoever asks
# The loop, the sources and the alerter tell; the web server, the status file and the sentences on standard error read.

STATUS, HABITS = "status.json", "habits.json"
_MEASURED_EVERY_S = 60.0  # the size of the spool
_LOOK_EVERY_S = 5.0
_RECENT = 60  # slices with rows: five minutes and more
_ENOUGH_ROWS, _NEARLY_ALL = 100, 0.9
_LATE = (
    "{:,} of the last {:,} rows are of hours that were final when they came: a clock is wrong, that of this machine or"
    " of a source; set it right, and where this folder was begun with it, start again with another `data`; play a"
    " recording with `arrival=recorded`"
)
_HANGS_S = 600.0  # without a slice systemd hears no sign of life; the first may have days to finalize before it
_HOUR_US = 3_600_000_000


class Health:
    """All of it, behind one lock.

    Args:
        data: the data folder; `live` in it is made.
        now_us: the arrival clock, UTC microseconds; 0 while it does not know.
        every_s: how often a slice is due.
        sources, alerts: how they stand at this moment; clock: what is wrong with that of arrivals, a sentence.
        tell: takes a sentence for people, once when a source falls silent and once when it is heard again.

    Raises OSError where the folder cannot be written.
    """

    def __init__(
        self,
        data: Path,
        now_us: Callable[[], int],
        every_s: float,
        *,
        sources: Callable[[], Mapping[str, SourceState]] = dict,
        alerts: Callable[[], Sequence[Delivery]] = tuple,
        clock: Callable[[], str | None] = lambda: None,
        tell: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        from importlib.metadata import version  # with it comes the package email, for which `status` is not to wait

        self._live, self._spool, self._now_us, self._every_s = data / "live", data / "spool", now_us, every_s
        self._sources, self._alerts, self._clock, self._tell = sources, alerts, clock, tell
        self._live.mkdir(parents=True, exist_ok=True)
        self._lock, self._news = Lock(), Event()
        self._version = version("stswatch")  # which opens files
        self._started_s, self._ended_s = time.time(), 0.0
        self._listening = SourceSilence(self._live / HABITS, now_us() / 1e6)
        self._amiss: dict[str, str] = {}
        self._totals, self._rejects = Counter[str](), Counter[str]()
        self._recent: deque[tuple[int, int]] = deque(maxlen=_RECENT)  # rows of slices, and how many of them late
        self._report: Report | None = None
        self._slices = 0
        self._done_s = time.monotonic()  # of the last slice; the first has as long as any
        self._spool_bytes, self._measured_s = 0, -_MEASURED_EVERY_S

    # ------------------------------------------------------------------------------------------------ told

    def slice_done(self, report: Report) -> None:
        """Take note of a slice; the status file follows at once, on a thread of its own; never raises."""
        with self._lock:
            self._report, self._done_s = report, time.monotonic()
            self._slices += 1
            self._rejects.update(report.rejects)
            if rows := report.fixes + report.static_reports:
                self._recent.append((rows, report.late))
            self._totals.update({name: getattr(report, name) for name in TOTALS})
        self._news.set()

    def amiss(self, what: str, sentence: str | None) -> None:
        """Something of this name is amiss, or with None no longer; never raises."""
        with self._lock:
            if sentence is None:
                self._amiss.pop(what, None)
            else:
                self._amiss[what] = sentence

    @contextmanager
    def running(self) -> Iterator[None]:
        """Listen to the sources and keep the status file for as long as the block lasts."""
        thread = Thread(target=self._run, name="health", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended_s = time.time()
            self._news.set()
            thread.join()

    def _run(self) -> None:
        """After each slice, and every few seconds without one."""
        kept_hour = self._now_us() // _HOUR_US
        while not self._ended_s:
            self.look()
            self.write()
            if self._report is None or time.monotonic() - self._done_s < _HANGS_S:
                notify(ALIVE)
            if (hour := self._now_us() // _HOUR_US) != kept_hour:
                kept_hour = hour
                self._listening.keep()
            self._news.wait(min(self._every_s, _LOOK_EVERY_S))
            self._news.clear()
        self._listening.keep()
        self.write()

    def look(self) -> None:
        """Compare the silence of each source with its habit; never raises."""
        with self._lock:
            sentences = self._listening.look(self._sources().values(), self._now_us() / 1e6)
        for sentence in sentences:
            self._tell(sentence)

    def write(self) -> None:
        """Write the status file; never raises: what the disk will not do is among what is amiss."""
        try:
            write_json(self._live / STATUS, self.state())
            self.amiss("status", None)
        except OSError as error:
            self.amiss("status", f"{self._live / STATUS}: cannot be written ({error.strerror})")

    # ------------------------------------------------------------------------------------------------ asked

    @property
    def slices(self) -> int:
        """How many slices were done."""
        return self._slices

    @property
    def behind_bytes(self) -> int | None:
        """What was in the spool and not read yet after the last slice; None before the first."""
        report = self._report
        return None if report is None else report.behind_bytes

    @property
    def finalized_us(self) -> int | None:
        """The end of the last finalized hour, UTC microseconds; None before the first."""
        report = self._report
        return None if report is None else report.finalized_us

    def state(self) -> dict[str, Any]:
        """All of it as plain JSON, see state.described; never raises."""
        return described(self._known())

    def _known(self) -> Known:
        with self._lock:
            now_s = self._now_us() / 1e6
            return Known(
                version=self._version,
                pid=os.getpid(),
                started_s=self._started_s,
                written_s=time.time(),
                ended_s=self._ended_s,
                arrival_s=now_s,
                every_s=self._every_s,
                report=self._report,
                report_age_s=time.monotonic() - self._done_s,
                totals=dict(self._totals),
                rejects=dict(self._rejects),
                sources=[self._heard(source, now_s) for source in self._sources().values()],
                alerts=self._alerts(),
                spool_bytes=self._measured(),
                amiss=[*self._amiss.values(), *filter(None, [self._clock(), self._mostly_late()])],
            )

    def _heard(self, source: SourceState, now_s: float) -> SourceHeard:
        name, listening = source.name, self._listening
        return SourceHeard(
            source, listening.silent_s(source, now_s), listening.allowed_s(name), name in listening.silent
        )

    def _mostly_late(self) -> str | None:
        """That nearly all of what came is of hours that were finalized by then; None where it is not."""
        rows, late = (sum(column) for column in zip(*self._recent, strict=True)) if self._recent else (0, 0)
        return _LATE.format(late, rows) if rows >= _ENOUGH_ROWS and late > _NEARLY_ALL * rows else None

    def _measured(self) -> int:
        """Bytes of the spool, looked up once a minute, and at the end."""
        if self._ended_s or time.monotonic() - self._measured_s >= _MEASURED_EVERY_S:
            self._spool_bytes, self._measured_s = _bytes_in(self._spool), time.monotonic()
        return self._spool_bytes


def _bytes_in(folder: Path) -> int:
    """Bytes of all files in it; what vanishes meanwhile is nothing."""
    total = 0
    with suppress(OSError):  # too many files are open
        for path in folder.rglob("*"):
            with suppress(OSError):
                total += path.stat().st_size if path.is_file() else 0
    return total


# ------------------------------------------- Whether a watch runs over a data folder, and what it last said of itself

_LOCK = ".lock"


class WatchError(StswatchError, ValueError):
    """A watch that is not there, or is there already; the message says where and what to do."""


@contextmanager
def only_watch(data: Path) -> Iterator[None]:
    """Be the one watch of a folder for as long as the block lasts; the folder is made if need be.

    Raises WatchError where another is, or where it cannot be the folder.
    """
    live = data / "live"
    try:
        live.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WatchError(f"{data}: cannot be the data folder ({error.strerror}); give another with `data`") from error
    with (live / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WatchError(f"{data}: another watch runs over this folder; give another `data`") from error
        yield


def runs(data: Path) -> bool:
    """Whether a watch runs over this folder; never raises."""
    try:
        lock = os.open(data / "live" / _LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def read(data: Path) -> dict[str, Any]:
    """What the watch over a folder last said, as Health.state has it, with `runs`.

    Raises WatchError where none ever ran, and where it is that of another version.
    """
    try:
        status: dict[str, Any] = read_json(data / "live" / STATUS) | {"runs": runs(data)}
        status_text(status)  # of another version something that is shown is missing, or is of another kind
    except FileNotFoundError as error:
        raise WatchError(f"{data}: no watch has run over this folder; stswatch stream begins one") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise WatchError(
            f"{data}: its live/{STATUS} is no status of this version of stswatch; a running watch writes it anew"
        ) from error
    return status


# -------------------------------------------------------------------------------- What `status` says, as plain text

_SIZES = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def status_text(state: Mapping[str, Any]) -> str:
    """How a watch stands, or stood when it was heard last, in a few lines."""
    state = harmless(dict(state), SENTENCE)
    lines = [_life(state), *_flow(state)]
    lines += [_source(source) for source in state["sources"]]
    lines += [_destination(alerts) for alerts in state["alerts"]]
    lines += [f"amiss: {reason}" for reason in state["reasons"]] or ["nothing is amiss"]
    return "\n".join(lines)


def size(count: int) -> str:
    """A number of bytes for people.

    >>> size(12), size(1_500), size(20_000_000_000)
    ('12 bytes', '1.5 kB', '20.0 GB')
    """
    return next((f"{count / each:.1f} {unit}" for unit, each in _SIZES if count >= each), f"{count} bytes")


def _life(status: Mapping[str, Any]) -> str:
    since = _minute(status["started"])
    if status["runs"]:
        return f"a watch runs since {since} (stswatch {status['version']}, process {status['pid']})"
    if status["ended"]:
        return f"no watch runs; the last ran from {since} to {_minute(status['ended'])}. How it stood then:"
    return f"no watch runs; the last began {since} and was not ended, but broke off after {_minute(status['written'])}:"


def _flow(status: Mapping[str, Any]) -> Iterator[str]:
    """How far it is, what it read, what it found."""
    last, total = status["slice"], status["total"]
    if last is None:
        yield "no slice is finished yet"
        return
    finalized = f"finalized up to {_minute(last['finalized'])}" if last["finalized"] else "nothing finalized yet"
    yield (
        f"arrival {_second(status['arrival'])}; shown up to {status['lag_s']:.1f} s before that,"
        f" a slice took {last['took_s']:.1f} s; {finalized}"
    )
    rejected = ", ".join(f"{count:,} {reason}" for reason, count in status["rejects"].items())
    rows = total["fixes"] + total["static_reports"]
    late = f", {100 * total['late'] / rows:.1f} % of it late" if total["late"] else ""
    late += f", {total['wrong']:,} rows by a wrong clock" if total.get("wrong") else ""
    yield (
        f"read: {total['sentences']:,} sentences ({rejected or 'none'} rejected), {total['fixes']:,} positions,"
        f" {total['static_reports']:,} static reports{late}; the spool takes {size(status['spool_bytes'])}"
    )
    yield (
        f"since the last finalized hour: vessels {last['vessels']:,}, encounters that still run"
        f" {last['open_encounters']:,}, provisional leads {last['leads']:,}"
    )
    yield from map(_approaching, last.get("approaching", ()))


def _approaching(row: Mapping[str, Any]) -> str:
    """Who waits, and who may come: no event and no lead."""
    from stswatch.pipeline.facts import position  # with it comes numpy

    others = f"; so may {row['others']:,} other{'s' * (row['others'] > 1)}" if row["others"] else ""
    return (
        f"{row['waiting']:09d} waits since {_minute(row['since'])} near {position(row['lon'], row['lat'])};"
        f" {row['silent']:09d}, not heard since {_minute(row['lost'])}, {row['lost_km']:.0f} km off,"
        f" may be there from {_minute(row['earliest'])} on{others}"
    )


def _source(source: Mapping[str, Any]) -> str:
    stands = "has ended" if source["ended"] else "connected" if source["connected"] else "not connected"
    heard = f"heard {time_span(source['silent_s'])} before" if source["last_arrival"] else "not heard yet"
    lost = f", lost and found again {source['reconnects']:,} x" if source["reconnects"] else ""
    return f"source {source['name']} ({source['address']}): {stands}, {source['lines']:,} lines, {heard}{lost}"


def _destination(destination: Mapping[str, Any]) -> str:
    trouble = f" ({destination['trouble']})" if destination["trouble"] else ""
    counts = f"delivered {destination['delivered']:,}, waiting {destination['waiting']:,}"
    return f"alerts to {destination['name']}: {counts}{trouble}"


def _minute(time: str) -> str:
    return f"{minute(datetime.fromisoformat(time))} UTC"


def _second(time: str | None) -> str:
    return f"{second(datetime.fromisoformat(time))} UTC" if time else "not known"
