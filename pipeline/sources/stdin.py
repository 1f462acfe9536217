"""Standard input, to its end: `-`."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator, Mapping
from threading import Event

from stswatch.pipeline.sources.base import BATCH_BYTES, POLL_S, Address, Resume


def receive(address: Address, secrets: Mapping[str, str], stop: Event, resume: Resume) -> Iterator[bytes]:
    """Give what comes until the other end of the pipe is closed; never raises Lost."""
    yield b""
    if sys.__stdin__ is None:  # it was closed before this program began, and its number may be another file's by now
        return
    handle = sys.__stdin__.fileno()
    while not stop.is_set():
        ready, _, _ = select.select([handle], [], [], POLL_S)
        if not ready:
            yield b""
        elif data := os.read(handle, BATCH_BYTES):
            yield data
        else:
            return
