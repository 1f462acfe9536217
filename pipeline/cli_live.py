"""The commands of a live watch: stream, reconcile, status."""

from __future__ import annotations

import argparse
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from types import FrameType

from stswatch.pipeline import api, rules, untrusted

DATA = "stswatch-data"
HEALTH = "127.0.0.1:9257"  # as watch/server.py, which is not loaded for a look at the help

_FLAGS = {  # an option as Python names it -> as the command does
    **{name: name for name in ("columns", "data", "format", "health", "ids", "receiver", "workers")},
    "memory_bytes": "memory",
    "slice_h": "slice-hours",
    "start_time": "start-time",
}
_OPTION = re.compile(rf"`({'|'.join(_FLAGS)})(?:=([^`]*))?`")


def add_stream(p: argparse.ArgumentParser) -> None:
    """Watch live sources: what stands so far every few seconds, alerts of leads, sealed events each hour.

    Example: stswatch stream tcp://127.0.0.1:10110 --data DIR --alerts alerts.toml
    """
    p.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="tcp://HOST:PORT, udp://HOST:PORT, mqtt://HOST/TOPIC, wss://HOST/PATH, a file that is being written, or -"
        " for standard input; NAME=SOURCE gives it a name",
    )
    add_data(p)
    p.add_argument("--area", default="dprk", help="leads to show: dprk, world or a GeoJSON file; it never cuts tracks")
    p.add_argument("--rules", type=Path, metavar="FILE", help="TOML with other deciding numbers; see `stswatch rules`")
    p.add_argument("--scorecard", metavar="FILE", help="what gives the scores: trained (the default), rules, or a file")
    p.add_argument(
        "--every",
        type=between(0.5, 3600, "seconds"),
        default=5.0,
        metavar="S",
        help="seconds from one look to the next (default 5)",
    )
    p.add_argument(
        "--allowance",
        type=between(0.5, 3600, "seconds"),
        default=60.0,
        metavar="S",
        help="seconds that data may be late before an hour is sealed (default 60)",
    )
    p.add_argument("--alerts", type=Path, metavar="FILE", help="TOML of destinations (default: standard output)")
    p.add_argument("--alert-identities", action="store_true", help="alerts tell names and MMSI")
    p.add_argument(
        "--health",
        default=HEALTH,
        metavar="ADDRESS",
        help=f"where /healthz and /metrics answer, or none (default {HEALTH})",
    )
    p.add_argument(
        "--keep-spool",
        default="all",
        metavar="HOW",
        help="how much of what was received is kept once it is read: 7d, 20G, both as 7d,20G, or all (default)",
    )
    p.add_argument(
        "--arrival",
        choices=("clock", "told"),
        default="clock",
        help="when something arrived: by this machine's clock, or as a recording tells that is replayed",
    )
    p.add_argument("--quiet", action="store_true", help="no words but alerts and errors")


def stream(given: argparse.Namespace) -> None:
    """Run the command."""
    from stswatch.pipeline.sources.registry import parse_all
    from stswatch.pipeline.watch import words

    def tell(sentence: str) -> None:
        if given.quiet:
            return
        with suppress(OSError):  # whoever read it is gone: the watch goes on
            said = untrusted.escaped(spelled(sentence), untrusted.SENTENCE)
            sys.stderr.write(f"stswatch: {said}\n")  # at once: threads tell too
            sys.stderr.flush()

    tell(words.begun(parse_all(given.sources), given.data, given.health))
    with _stopping() as stop:
        done = api.stream(
            given.sources,
            given.data,
            area=given.area,
            rules=rules.load(given.rules) if given.rules else None,
            scorecard=given.scorecard,
            every_s=given.every,
            allowance_s=given.allowance,
            alerts=given.alerts,
            identities=given.alert_identities,
            health=given.health,
            keep_spool=given.keep_spool,
            arrival=given.arrival,
            tell=tell,
            stop=stop,
        )
    tell("stopped; the same command goes on from here" if done is None else words.reconciled(done))


def add_reconcile(p: argparse.ArgumentParser) -> None:
    """Seal now what a watch has in its spool, with what came late; a running watch does it, else this command.

    Example: stswatch reconcile --data DIR --day 2026-11-25
    """
    add_data(p)
    p.add_argument("--day", type=_day, metavar="DAY", help="count late data of this day (UTC) alone")
    p.add_argument("--area", default="dprk", help="where no watch runs: leads to show, as for `stswatch stream`")
    p.add_argument("--rules", type=Path, metavar="FILE", help="where no watch runs: TOML with other deciding numbers")
    p.add_argument("--scorecard", metavar="FILE", help="where no watch runs: what gives the scores")


def reconcile(given: argparse.Namespace) -> None:
    """Run the command."""
    from stswatch.pipeline.watch import words

    told = rules.load(given.rules) if given.rules else None
    done = api.reconcile(given.data, given.day, area=given.area, rules=told, scorecard=given.scorecard)
    print(words.reconciled(done))


def add_status(p: argparse.ArgumentParser) -> None:
    """Say how a watch stands: whether it runs, how far it is, its sources and alerts, and what is amiss.

    Example: stswatch status --data DIR
    """
    add_data(p)


def status(given: argparse.Namespace) -> None:
    """Run the command."""
    from stswatch.pipeline.watch import words

    print(spelled(words.status(api.status(given.data))))


def add_data(p: argparse.ArgumentParser) -> None:
    """The option that names the data folder."""
    p.add_argument("--data", default=DATA, metavar="DIR", help=f"the data folder (default {DATA})")


def spelled(sentence: str) -> str:
    """A sentence of StswatchError, in which options stand as Python names them, with the words of the command.

    >>> spelled("give `ids=any` or a smaller `memory_bytes`; `stswatch rules` says more")
    'give --ids any or a smaller --memory; `stswatch rules` says more'
    """
    return _OPTION.sub(lambda found: f"--{_FLAGS[found[1]]}" + (f" {found[2]}" if found[2] else ""), sentence)


class Ended(KeyboardInterrupt):
    """A signal that asks the program to end came; its number is the argument."""


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM, and SIGHUP as a terminal that is closed sends it, end what runs as Ctrl-C does; the second at once."""

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Ended(number)

    with _handled((signal.SIGTERM, signal.SIGHUP), end):
        yield


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that Ctrl-C, SIGTERM and SIGHUP set; a second one ends the program at once."""
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    with _handled((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), end):
        yield stop


@contextmanager
def _handled(numbers: Sequence[int], end: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Signals go to `end` for as long as the block lasts, but one that is ignored, as nohup asks, stays so."""
    main = threading.current_thread() is threading.main_thread()  # no other may say what a signal does
    asked = [number for number in numbers if main and signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, end) for number in asked}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def between(low: float, high: float, unit: str) -> Callable[[str], float]:
    """What reads a number of an option, low to high; neither may be below 0."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r}: give {unit} from {low:g} to {high:g}")
        return value

    return read


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; give one such as 2026-11-25") from None
