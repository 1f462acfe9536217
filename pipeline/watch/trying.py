"""What a watch does again and again, though the machine may lack something for it: room, memory, a right, a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from stswatch.pipeline.spool.spool import HeldBack
from stswatch.pipeline.store.catalogue import CatalogueError
from stswatch.pipeline.store.database import StoreError
from stswatch.pipeline.store.disk import DamagedFile
from stswatch.pipeline.trouble import sentence
from stswatch.pipeline.watch.report import Health

_THEN = "; the watch tries again by itself, and what was acknowledged is kept"


class Trying:
    """Says once when something begins to lack, and once when nothing does any more.

    mend: called before the next try after something lacked; what it raises is what lacks then.
    """

    def __init__(
        self, data: Path, health: Health | None, tell: Callable[[str], None], mend: Callable[[], None]
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
            said = str(error) if isinstance(error, StoreError | CatalogueError | DamagedFile) else None
            lacking = sentence(error, self._data, then=_THEN) or said
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
