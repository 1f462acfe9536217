"""The sources of a watch side by side, each into its spool: connects again and again, says what is lost, holds back
while the disk cannot write."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import secrets as drawing
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stswatch.pipeline.sources.address import Address, Checkpoint, Loss, Lost, Remark, Resume
from stswatch.pipeline.sources.kinds import ready, receive
from stswatch.pipeline.spool.clock import Arrival
from stswatch.pipeline.spool.segments import Position
from stswatch.pipeline.spool.writer import HeldBack, Limits, Spool, SpoolCounts
from stswatch.pipeline.store.files import read_json, write_json
from stswatch.pipeline.trouble import DISK, Tell, wait_s

_GONE = {errno.ENOENT: ("is gone", "bring it back")}


FIRST_S, LONGEST_S = 1.0, 60.0  # between two tries to connect
BACK_S = 5.0  # a connection that has stood so long is back, and says so
TICK_S = 0.25


@dataclass(frozen=True)
class SourceState:
    """How one source is doing; times are arrivals, UTC microseconds, 0 for never."""

    name: str
    address: str
    connected: bool
    since_us: int  # connected or not
    reconnects: int  # connections that were lost
    ended: bool  # nothing can come any more
    trouble: str  # the sentence about it while it is not connected, held back, or not packed; "" otherwise
    counts: SpoolCounts
    lost_messages: int = 0  # known to be lost: by the system (UDP on Linux), by a broker, which counts for all clients


def backoff_s(failures: int, draw: Callable[[], float]) -> float:
    """How long to wait after so many failures in a row, s: twice as long each time, half of it left to chance.

    draw: evenly from 0 to 1.

    >>> [backoff_s(n, lambda: 1.0) for n in (1, 2, 7, 100)], backoff_s(1, lambda: 0.0)
    ([1.0, 2.0, 60.0, 60.0], 0.5)
    """
    return wait_s(failures, FIRST_S, LONGEST_S, draw())


HELD = "the source is held back"
UNPACKED = "no segment is packed, and no hour finalized"


def held_sentence(error: OSError, folder: Path, until_then: str = HELD) -> str:
    """What to say where the disk does not take what came.

    >>> held_sentence(OSError(errno.ENOSPC, "No space left on device"), Path("data/spool/busan"))
    'data/spool/busan: the disk is full (No space left on device); make room on it: until then the source is held back'
    """
    what, remedy = {**DISK, **_GONE}.get(error.errno or 0, ("cannot be written", "see to it"))
    return f"{folder}: {what} ({error.strerror}); {remedy}: until then {until_then}"


@dataclass(frozen=True)
class Shared:
    """What all sources of a watch share."""

    clock: Arrival
    tell: Tell
    stop: threading.Event
    secrets: Mapping[str, str]
    draw: Callable[[], float]  # evenly from 0 to 1
    monotonic: Callable[[], float]  # s
    identity: str  # of the data folder


def client_id(identity: str, name: str) -> str:
    """What a source calls itself where a server keeps something for it; differs by data folder and source.

    Source: MQTT 3.1.1, 3.1.3.1: every server takes 23 letters and digits.

    >>> len(client_id("0f3a", "busan")), client_id("0f3a", "busan") == client_id("0f3b", "busan")
    (20, False)
    """
    return "stswatch" + hashlib.sha256(f"{identity}/{name}".encode()).hexdigest()[:12]


class Running:
    """One source and its spool."""

    def __init__(self, address: Address, spool: Spool, around: Shared) -> None:
        self.address, self.spool, self._of = address, spool, around
        self.connected = self.ended = False
        self.since_us = 0
        self.reconnects = 0
        self.lost = self.held = self.unpacked = ""
        self._restored = self.lost_messages = 0
        self._losses: set[str] = set()
        self.failed: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name=f"source {address.name}", daemon=True)

    def _run(self) -> None:
        try:
            self._connect_on_and_on()
        except BaseException as error:  # a fault of ours; whoever calls check() gets it
            self.failed = error
        finally:
            self._is(False)

    def _connect_on_and_on(self) -> None:
        failures, stop = 0, self._of.stop
        while not stop.is_set():
            received = self.spool.counts().bytes
            try:
                self._connection()
                self.ended = not stop.is_set()
                if self.ended:
                    self._put(self.spool.end_line)
                    self._of.tell(f"{self.address.name}: {self.address.text} has ended")
                return
            except Lost as error:
                failures = 1 if self.spool.counts().bytes > received else failures + 1
                patient = error.patient
                self._lost(str(error))
            self._put(self.spool.end_line)
            stop.wait(LONGEST_S if patient else backoff_s(failures, self._of.draw))

    def _connection(self) -> None:
        """One connection, to its end. Raises Lost."""
        begun_s = self._of.monotonic()
        resume = Resume(self.spool.note, client_id(self._of.identity, self.address.name))
        for data in receive(self.address, self._of.secrets, self._of.stop, resume):
            if not self.connected:
                self._is(True)
            if self.lost and self._of.monotonic() - begun_s >= BACK_S:
                self.lost = ""
                self._of.tell(f"{self.address.name}: {self.address.text} is back")
            if isinstance(data, Loss):
                self._lose(data)
            if isinstance(data, Remark):
                self._put(partial(self.spool.remark, data))
                if isinstance(data, Checkpoint):
                    self._put(self.spool.sync)
            elif data:
                self._put(partial(self.spool.append, data))

    def _lost(self, why: str) -> None:
        """Say it once, until it is back."""
        if self.connected:
            self.reconnects += 1
        if not self.lost:
            self._of.tell(
                f"{self.address.name}: {self.address.text} {why}; trying again, at most every {LONGEST_S:.0f} s"
            )
        self.lost = why
        self._is(False)

    def _lose(self, loss: Loss) -> None:
        """Count what is known to be lost; say it the first time of each kind."""
        if loss.why not in self._losses:
            self._losses.add(loss.why)
            many = f" ({loss.messages:,} messages so far)" if loss.messages else ""
            self._of.tell(f"{self.address.name}: {self.address.text} {loss.why}{many}")
        self.lost_messages += loss.messages

    def _is(self, connected: bool) -> None:
        self.connected, self.since_us = connected, self._of.clock.now_us()

    def _put(self, call: Callable[[], None]) -> None:
        """Have the spool take something; come back only when the disk has it, or the watch stops."""
        with suppress(HeldBack):
            call()
        while self.spool.held and not self._of.stop.is_set():  # in its memory; `tend` tries on and on
            self._of.stop.wait(TICK_S)

    def tend(self) -> None:
        """Let time pass for the spool. Says once that it cannot be written, and that it can again."""
        try:
            self.spool.tick()
        except HeldBack as error:
            before, self.held = self.held, held_sentence(error, self.spool.folder)
            if not before:
                self._of.tell(self.held)
            return
        if (restored := self.spool.restored) > self._restored:
            self._of.tell(f"{self.spool.folder}: the open segment had been removed and is written anew")
        self._restored = restored
        if self.held:
            self.held = ""
            self._of.tell(f"{self.spool.folder}: is written again; nothing that was acknowledged is lost")
        self._look_at_packing()

    def _look_at_packing(self) -> None:
        """Say once that closed segments cannot be packed, and that they can again."""
        for each in self.spool.found_damaged():
            self._of.tell(each)
        error, before = self.spool.packing_error, self.unpacked
        self.unpacked = held_sentence(error, self.spool.folder, UNPACKED) if error else ""
        if self.unpacked and not before:
            self._of.tell(self.unpacked)
        if before and not self.unpacked:
            self._of.tell(f"{self.spool.folder}: its segments are packed again")

    def state(self) -> SourceState:
        """How it is doing."""
        return SourceState(
            name=self.address.name,
            address=self.address.text,
            connected=self.connected,
            since_us=self.since_us,
            reconnects=self.reconnects,
            ended=self.ended,
            trouble=self.held or self.lost or self.unpacked,
            counts=self.spool.counts(),
            lost_messages=self.lost_messages,
        )


_CLOSE_S = 3.0  # one that is still waiting for a connection then has nothing to give any more


class Supervisor:
    """The sources of a watch, each in a thread, and one thread that lets time pass for their spools."""

    def __init__(self, running: Sequence[Running], around: Shared) -> None:
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
    around = Shared(clock, tell, stop, secrets, draw, monotonic, identity_of(data / "live"))
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
        for note in spool.damage:
            tell(note)
    return Supervisor(running, around)
