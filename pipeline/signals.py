"""What Ctrl-C, SIGTERM and SIGHUP do to a command: an end as orderly as there is time for, the second one at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType


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
def stopped_by_signals() -> Iterator[threading.Event]:
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
