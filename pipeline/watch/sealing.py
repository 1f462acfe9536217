"""The hours of a watch being sealed: segments closed, then packed, then a process beside this one, then its result."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stswatch.pipeline.flow import workers
from stswatch.pipeline.flow.row import Engine
from stswatch.pipeline.flow.seal import Sealed, seal, take_in
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.spool.closing import settle
from stswatch.pipeline.spool.segments import PACKED, segment_of, segments, sources_of
from stswatch.pipeline.trouble import sentence

if TYPE_CHECKING:
    from stswatch.pipeline.spool.spool import Spool

_PATIENCE_S = 10.0  # at the end, with what is under way: an hour takes some seconds, a row of them may take hours


class Sealing:
    """Seals one hour after the other, each once it is asked for; what takes long happens beside this process.

    spools: those that are written in this process; the others in the folder are settled here.
    """

    def __init__(self, data: Path, spools: Sequence[Spool], rules: Rules, engine: Engine, allowance_us: int) -> None:
        self._data, self._spools, self._how = data, spools, (rules, engine, allowance_us)
        self._closing: list[Path] | None = None  # segments that are to be packed
        self._until_us, self._at_once, self._failed = 0, False, False
        self._told: list[str] = []  # what there is to say of spools that were settled
        self._writing: list[str] = []  # the segments that were being written when the last was taken in
        self._taking: Future[list[str]] | None = None
        self._sealing: Future[Sealed] | None = None

    @property
    def busy(self) -> bool:
        """Whether an hour is being sealed."""
        return self._closing is not None or self._sealing is not None

    @property
    def until_us(self) -> int:
        """Up to where that, or the last one, goes."""
        return self._until_us

    def begin(self, until_us: int, at_once: bool = False) -> None:
        """Begin to seal up to the end of an hour. Raises HeldBack where the disk does not take what came: try again.

        at_once: see flow/seal.py. After a failure only the process beside this one is begun again: a watch that tries
        for hours closes no segment for each try.
        """
        if self._failed and until_us == self._until_us and at_once <= self._at_once:
            self._closing = []
            return
        own = {spool.folder.resolve() for spool in self._spools}
        for spooled in sources_of(self._data / "spool"):
            if spooled.folder.resolve() not in own:
                self._told += settle(spooled.folder)
        before = [path for spool in self._spools for path in segments(spool.folder) if path.suffix != PACKED]
        names = {spool.folder: spool.rotate() for spool in self._spools}
        self._closing = [path for path in before if _closed(path, names[path.parent])]
        self._until_us, self._at_once = until_us, at_once

    def step(self) -> Sealed | None:
        """Go on as far as nothing has to be waited for; what is sealed once it is. Raises what sealing raised."""
        if self._closing is not None and not any(path.exists() for path in self._closing):
            self._sealing = workers.aside(seal, self._data, *self._how, self._until_us, self._at_once)
            self._closing = None
        if self._sealing is None or not self._sealing.done():
            return None
        done, self._sealing = self._sealing, None
        self._failed = done.exception() is not None
        return done.result()

    def take_in(self) -> list[str]:
        """Have closed segments ingested while nothing is sealed, so that less is left; says which were no use.

        What the machine lacks for it is nothing yet: the hour is sealed later, and says it then.
        """
        told, self._told = self._told, []
        if self._taking is not None and self._taking.done():
            done, self._taking = self._taking, None
            if (error := done.exception()) is None:
                told += done.result()
            elif sentence(error, self._data) is None:
                raise error
        writing = [spool.acknowledged.segment for spool in self._spools]
        if self._taking is None and not self.busy and writing != self._writing:
            self._writing, self._taking = writing, workers.aside(take_in, self._data, self._how[-1])
        return told

    def finish(self, within_s: float = _PATIENCE_S) -> None:
        """Let the process beside this one do what it does for so long, then end it; never raises what it raised.

        Each hour that is sealed by then stays sealed, and the next watch goes on behind it.
        """
        both: list[Future[Any] | None] = [self._taking, self._sealing]
        running = [future for future in both if future is not None and not future.cancel()]
        if wait(running, within_s).not_done:
            workers.end_aside()
        self._taking = self._sealing = None


def _closed(path: Path, rotated: str | None) -> bool:
    """Whether a plain segment is closed now: all that were there are, but for one that was begun meanwhile."""
    return rotated is None or segment_of(path) <= rotated
