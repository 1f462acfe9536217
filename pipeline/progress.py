"""How far a run has come: one line that is written over on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import TextIO

from stswatch.pipeline.untrusted import unguarded

_EVERY_S = {True: 0.2, False: 10.0}  # on a terminal, elsewhere
_WORDS = {"read": ("reading", "lines"), "slices": ("watching", "reports"), "load": ("loading", "")}  # what, of what


class Progress:
    """Told of the stages of a run; prints rate and time left."""

    def __init__(self, out: TextIO, quiet: bool = False) -> None:
        self._out, self._quiet = unguarded(out), quiet
        self._line = out.isatty()
        self._stage = ""
        self._began = self._last = time.monotonic()
        self._shown = 0.0
        self._from = 0

    def __call__(self, stage: str, done: int, of: int) -> None:
        """Take note of a stage, what is done of it, and how much there is (0: not known)."""
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._began, self._from = stage, self._last, 0
        self._last = now
        if self._quiet or (now - self._shown < _EVERY_S[self._line] and done != of):
            return
        self._shown = now
        self._write(text(*_WORDS.get(stage, (stage, "")), done - self._from, of, now - self._began))

    def end(self) -> None:
        """Finish the line."""
        if self._line and not self._quiet and self._shown:
            self._out.write("\r\033[K")

    def _write(self, line: str) -> None:
        self._out.write(f"\r\033[K{line}" if self._line else f"{line}\n")
        self._out.flush()


def text(stage: str, of_what: str, done: int, of: int, took_s: float) -> str:
    """One line of progress.

    >>> text("watching", "positions", 500_000, 1_500_000, 2.0)
    'watching 33 %, 500,000 of 1,500,000 positions, 250,000 a second, 4 s left'
    """
    if not done:
        return stage
    rate = done / max(took_s, 1e-3)
    speed = f"{rate:,.0f} a second"
    if not of:
        return f"{stage} {done:,} {of_what}, {speed}"
    left_s = (of - done) / rate
    left = f"{left_s:.0f} s" if left_s < 120 else f"{left_s / 60:.0f} min"
    return f"{stage} {100 * done / of:.0f} %, {done:,} of {of:,} {of_what}, {speed}, {left} left"
