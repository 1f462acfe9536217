"""One run at a time over a data folder; the lock goes with the process that held it, however that ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stswatch.errors import StswatchError


class FolderInUse(StswatchError, ValueError):
    """Another run works in this data folder; the message says which folder and what to do."""


@contextmanager
def alone(data: Path) -> Iterator[None]:
    """Hold the folder for as long as the block lasts. Raises FolderInUse where another process does."""
    with (data / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FolderInUse(
                f"{data}: another run works in this folder; wait for it, or give another `data`"
            ) from error
        yield
