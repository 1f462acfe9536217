"""Alerts appended to a file, a line of JSON each."""

from __future__ import annotations

import os
from pathlib import Path

from stswatch.pipeline.alerts.destination import AlertsError, Deliver, Given, Undelivered
from stswatch.pipeline.alerts.message import Message


def open_file(given: Given) -> tuple[str, Deliver]:
    """Deliver to a file, which is opened for each message: it may be rotated at any time. Raises AlertsError."""
    path = given.beside / given.options["path"]
    if not path.parent.is_dir():
        raise AlertsError(f"[{given.name}] path: there is no folder {path.parent}; make it, or give another path")

    def deliver(message: Message) -> None:
        try:
            _append(path, message.line() + b"\n")
        except OSError as error:
            raise Undelivered(f"{path.name} cannot be written ({error.strerror})") from error

    return path.name, deliver


def _append(path: Path, line: bytes) -> None:
    """Behind the last line, which a kill may have left without an end; the disk holds it then."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        size = os.fstat(file).st_size
        torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
        data = b"\n" * torn + line
        try:
            while data:
                data = data[os.write(file, data) :]
            os.fsync(file)
        except OSError:
            os.ftruncate(file, size)
            raise
    finally:
        os.close(file)
