"""When something arrived: the only clock of a watch.

Arrival never runs backwards. It follows the wall clock of the machine as far as the monotonic one bears it out. A jump
of more than 60 s against that is said and not followed. A jump forward that has stayed for ten minutes is followed,
a jump back never: arrival goes on from where it was. A new start takes the wall clock as it finds it, but no earlier
time than the spool holds.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stswatch.pipeline.decode.sentences import frame
from stswatch.pipeline.times import iso, micros

JUMP_US = 60_000_000  # NTP steps a clock by less, leap seconds and slow clocks by far less
DAY_US = 86_400_000_000
AGREEING = 4  # lines: a message has at most a few parts, which tell one time
STAYED_US = 600_000_000  # long enough for whoever set a clock wrong to see it

_TIME_LINE = b"$PGHP,"
_UTC_KEY = b'"time_utc"'
_RXUXTIME = re.compile(rb'"rxuxtime"\s*:\s*(\d{9,10}(?:\.\d{1,6})?)(?=[,}\s])')
_UTC = re.compile(_UTC_KEY + rb'\s*:\s*"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)')


Ints = NDArray[np.int64]


class Arrival(Protocol):
    """A clock of arrivals; may be asked from several threads."""

    def now_us(self) -> int:
        """The arrival time of what arrives now, UTC microseconds, whole milliseconds; 0 while none is known."""

    def marks(self, lines: bytes) -> list[tuple[int, int]]:
        """Where in whole lines that came together an arrival time begins to hold, and which; the first at 0."""

    def not_before(self, arrival_us: int) -> None:
        """Let no arrival be earlier than this."""

    def trouble(self) -> str | None:
        """What is wrong with it and what to do, a sentence; None where nothing is."""


def _monotonic_us() -> int:
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1000  # runs on in sleep


def _wall_us() -> int:
    return time.time_ns() // 1000


class Clock:
    """The clock of this machine."""

    def __init__(
        self,
        tell: Callable[[str], None] = lambda sentence: None,
        wall_us: Callable[[], int] = _wall_us,
        monotonic_us: Callable[[], int] = _monotonic_us,
    ) -> None:
        self._tell, self._wall_us, self._monotonic_us = tell, wall_us, monotonic_us
        self._ahead_us = wall_us() - monotonic_us()  # of the monotonic clock, as it is followed
        self._last_us = 0
        self._jumped: tuple[int, int] | None = None  # ahead by so much since then, on the monotonic clock
        self._lock = Lock()

    def now_us(self) -> int:
        """The arrival time of what arrives now, UTC microseconds, whole milliseconds."""
        with self._lock:
            passed_us = self._monotonic_us()
            self._follow(self._wall_us() - passed_us, passed_us)
            self._last_us = max(self._last_us, (passed_us + self._ahead_us) // 1000 * 1000)
            return self._last_us

    def marks(self, lines: bytes) -> list[tuple[int, int]]:
        """One time for all that came together."""
        return [(0, self.now_us())]

    def not_before(self, arrival_us: int) -> None:
        """Let no arrival be earlier than this; from one far ahead of this machine's clock run on, and say so."""
        with self._lock:
            now_us = self._monotonic_us() + self._ahead_us
            self._last_us = max(self._last_us, arrival_us)
            if arrival_us - now_us <= JUMP_US:
                return
            self._ahead_us += arrival_us - now_us
            self._jumped = (self._wall_us() - self._monotonic_us(), self._monotonic_us())
        self._tell(
            f"the spool's last arrival is {iso(arrival_us)} and this machine's clock says {iso(now_us)}: arrival times"
            " go on from the former; if that was wrong, start again when it has come, or with the spool moved away"
        )

    def trouble(self) -> str | None:
        """That it is far ahead of this machine's clock; one that lies behind follows within STAYED_US."""
        off_us = self.now_us() - self._wall_us()
        if off_us <= JUMP_US:
            return None
        return (
            f"arrival times are {off_us / 3.6e9:,.1f} h ahead of this machine's clock, which says"
            f" {iso(self._wall_us())}: set that right if it is wrong; if it is right, stop the watch and start it with"
            " another `data`, for here all that comes counts as late"
        )

    def _follow(self, ahead_us: int, passed_us: int) -> None:
        """Take the wall clock's word, or note that it jumped."""
        jump_us = ahead_us - self._ahead_us
        if abs(jump_us) <= JUMP_US:
            self._ahead_us, self._jumped = ahead_us, None
            return
        if self._jumped is None or abs(ahead_us - self._jumped[0]) > JUMP_US:
            self._jumped = (ahead_us, passed_us)
            then = (
                "followed if it stays for 10 min" if jump_us > 0 else "not followed: arrival times do not run backwards"
            )
            self._tell(
                f"this machine's clock jumped {abs(jump_us) / 1e6:,.0f} s {'forward' if jump_us > 0 else 'back'},"
                f" to {iso(ahead_us + passed_us)}; {then}"
            )
        elif jump_us > 0 and passed_us - self._jumped[1] >= STAYED_US:
            self._ahead_us, self._jumped = ahead_us, None
            self._tell(
                f"the jump of this machine's clock has stayed: arrival times go on from {iso(ahead_us + passed_us)}"
            )


class RecordedClock:
    """The clock of a recording: arrival is the latest time told so far; for replays.

    A jump of more than a day counts once AGREEING lines in a row tell it: one line of 2052 is a wrong clock, and would
    make all that follows late.

    Told by a sentence, in whichever way `stswatch run` reads it, by a message of aisstream.io, or by `rxuxtime` of
    AIS-catcher. The times are those of each line, however they come together, so that a replay gives the same arrivals
    at any speed.
    """

    def __init__(self) -> None:
        self._last_us = 0
        self._jump: list[int] = []  # the times of the last lines, where they jumped
        self._waiting = b""  # a time line at the end of what came, which belongs to what comes next
        self._lock = Lock()

    def now_us(self) -> int:
        """The latest time told so far, UTC microseconds; 0 before the first."""
        with self._lock:
            return self._last_us

    def marks(self, lines: bytes) -> list[tuple[int, int]]:
        r"""Where the lines tell a later time than any before.

        >>> RecordedClock().marks(b"rubbish\n\\c:5*6C\\!AIVDM,1\n\\c:4*6D\\!AIVDM,1\n\\c:7*6E\\!AIVDM,1\n")
        [(0, 0), (8, 5000000), (42, 7000000)]
        """
        with self._lock:
            before, text = len(self._waiting), self._waiting + lines
            last = text[text.rfind(b"\n", 0, -1) + 1 :]
            self._waiting = last if last.startswith(_TIME_LINE) else b""
            marks = [(0, self._last_us)]
            for at, stamped_us in self._later(*_stamped(text)):
                self._last_us = stamped_us
                at = max(at - before, 0)
                marks = [*(marks if at > marks[-1][0] else marks[:-1]), (at, stamped_us)]
            return marks

    def _later(self, at: Ints, stamped_us: Ints) -> list[tuple[int, int]]:
        """Where lines (n,) tell a later time than any before, and which."""
        if not len(stamped_us):
            return []
        first_us = self._last_us or int(stamped_us[0])
        known_us = np.maximum.accumulate(np.concatenate([[first_us], stamped_us]))
        if self._jump or (np.diff(known_us) > DAY_US).any():
            known_us = self._borne_out(first_us, stamped_us)
        later = np.diff(known_us) > 0
        later[0] |= not self._last_us
        return list(zip(at[later].tolist(), known_us[1:][later].tolist(), strict=True))

    def _borne_out(self, last_us: int, stamped_us: Ints) -> Ints:
        """The latest time at each of these lines, the one before them first, where one of them jumps."""
        found = [last_us]
        for time_us in stamped_us.tolist():
            if time_us <= last_us + DAY_US:
                self._jump, last_us = [], max(last_us, time_us)
            else:
                agree = bool(self._jump) and abs(time_us - self._jump[-1]) <= DAY_US
                self._jump = [*self._jump, time_us] if agree else [time_us]
                if len(self._jump) == AGREEING:
                    self._jump, last_us = [], max(self._jump)
            found.append(last_us)
        return np.array(found)

    def not_before(self, arrival_us: int) -> None:
        """Let no arrival be earlier than this."""
        with self._lock:
            self._last_us = max(self._last_us, arrival_us)

    def trouble(self) -> str | None:
        """Nothing: a recording is of whatever time."""
        return None


def _stamped(text: bytes) -> tuple[Ints, Ints]:
    """Where the lines begin that tell a time (n,), and which, to the millisecond."""
    found = frame(text, 0)
    at, stamped_us = found.line, found.own_us
    if _UTC_KEY in text:
        messages = list(_UTC.finditer(text))
        at = np.array([text.rfind(b"\n", 0, m.start()) + 1 for m in messages], np.int64)
        stamped_us = np.array([_of_message(m[1]) for m in messages], np.int64)
    elif b'"rxuxtime"' in text:
        records = list(_RXUXTIME.finditer(text))
        at = np.array([text.rfind(b"\n", 0, m.start()) + 1 for m in records], np.int64)
        stamped_us = np.array([round(float(m[1]) * 1e6) for m in records], np.int64)
    stamped_us = stamped_us // 1000 * 1000
    stamped = stamped_us > 0
    return at[stamped], stamped_us[stamped]


def _of_message(text: bytes) -> int:
    try:
        return micros(datetime.fromisoformat(text.decode()[:26]).replace(tzinfo=UTC))
    except ValueError:
        return 0
