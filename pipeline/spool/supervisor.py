"""Runs the sources of a watch side by side, each into its spool."""

from __future__ import annotations

import os
import random
import secrets as drawing
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from stswatch.pipeline.sources.base import Address
from stswatch.pipeline.sources.registry import ready
from stswatch.pipeline.spool.clock import Arrival
from stswatch.pipeline.spool.running import TICK_S, Around, Running, SourceState, Tell, held_sentence
from stswatch.pipeline.spool.segments import Position
from stswatch.pipeline.spool.spool import HeldBack, Limits, Spool
from stswatch.pipeline.store.disk import read_json, write_json

_CLOSE_S = 3.0  # one that is still waiting for a connection then has nothing to give any more


class Supervisor:
    """The sources of a watch, each in a thread, and one thread that lets time pass for their spools."""

    def __init__(self, running: Sequence[Running], around: Around) -> None:
        self._running, self._around = {each.address.name: each for each in running}, around
        self._failed: BaseException | None = None
        self._tending = threading.Thread(target=self._tend, name="spools", daemon=True)
        self._tending.start()
        for each in running:
            each.thread.start()

    @property
    def spools(self) -> Mapping[str, Spool]:
        """The spool of each source by its name."""
        return {name: each.spool for name, each in self._running.items()}

    @property
    def ended(self) -> bool:
        """Whether nothing can come from any source any more: standard input is at its end."""
        return all(each.ended for each in self._running.values())

    def state(self) -> dict[str, SourceState]:
        """How each source is doing, by its name."""
        return {name: each.state() for name, each in self._running.items()}

    def acknowledged(self) -> dict[str, Position]:
        """Up to where the disk holds what came, by the name of the source."""
        return {name: spool.acknowledged for name, spool in self.spools.items()}

    def check(self) -> None:
        """Raise what a thread of ours died of."""
        for error in (self._failed, *(each.failed for each in self._running.values())):
            if error is not None:
                raise error

    def close(self) -> None:
        """Stop all sources and close their spools; says what could not be written. Never raises."""
        self._around.stop.set()
        until = self._around.monotonic() + _CLOSE_S
        for thread in (self._tending, *(each.thread for each in self._running.values())):
            thread.join(max(0.1, until - self._around.monotonic()))
        for spool in self.spools.values():
            try:
                spool.close()
            except HeldBack as error:
                self._around.tell(held_sentence(error, spool.folder))

    def _tend(self) -> None:
        try:
            while not self._around.stop.wait(TICK_S):
                for each in self._running.values():
                    each.tend()
        except BaseException as error:  # a fault of ours; whoever calls check() gets it
            self._failed = error


def identity_of(folder: Path) -> str:
    """What tells this data folder from all others: drawn once, kept in a file. Raises OSError, ValueError.

    folder: DATA/live, made where it is not there.
    """
    path = folder / "identity.json"
    with suppress(FileNotFoundError):
        return str(read_json(path)["identity"])
    drawn = drawing.token_hex(8)
    write_json(path, {"identity": drawn})
    return drawn


def run_sources(
    data: Path,
    addresses: Sequence[Address],
    clock: Arrival,
    tell: Tell,
    stop: threading.Event,
    *,
    secrets: Mapping[str, str] = os.environ,
    limits: Limits | None = None,
    draw: Callable[[], float] = random.random,
    monotonic: Callable[[], float] = time.monotonic,
) -> Supervisor:
    """Start a thread for each source that fills its spool in DATA/spool, until `stop` is set.

    Raises AddressError where what a source needs is not here, OSError and SourceError where its spool cannot be opened.
    """
    for address in addresses:
        ready(address, secrets)
    around = Around(clock, tell, stop, secrets, draw, monotonic, identity_of(data / "live"))
    running = []
    for each in addresses:
        spool = Spool(
            data / "spool",
            each.name,
            each.format,
            clock,
            limits,
            receiver=each.receiver,
            licence=each.licence,
            monotonic=monotonic,
        )
        running.append(Running(each, spool, around))
        for said in spool.damage:
            tell(said)
    return Supervisor(running, around)
