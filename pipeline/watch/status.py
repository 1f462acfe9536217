"""Whether a watch runs over a data folder, and what it last said of itself."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stswatch.errors import StswatchError
from stswatch.pipeline.store.disk import read_json
from stswatch.pipeline.watch.health import STATUS

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

    Raises WatchError where none ever ran.
    """
    try:
        told: dict[str, Any] = read_json(data / "live" / STATUS)
    except FileNotFoundError as error:
        raise WatchError(f"{data}: no watch has run over this folder; stswatch stream begins one") from error
    except ValueError as error:
        raise WatchError(f"{data}: its live/{STATUS} is no status; a running watch writes it anew") from error
    return told | {"runs": runs(data)}
