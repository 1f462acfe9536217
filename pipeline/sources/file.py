"""A file that another program writes, as `tail -F` follows it: a path, or `file:///PATH`; and standard input: `-`."""

from __future__ import annotations

import os
import re
import select
import sys
from collections.abc import Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from threading import Event

from stswatch.pipeline.sources.address import (
    BATCH_BYTES,
    NOTE,
    POLL_S,
    Address,
    AddressError,
    Lost,
    Note,
    Resume,
    ended,
    why,
)
from stswatch.regular_files import open_regular

# ------------------------------------------------------------------------------------ Standard input, to its end: `-`


def receive_stdin(address: Address, secrets: Mapping[str, str], stop: Event, resume: Resume) -> Iterator[bytes]:
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


# ----------------------------- A file that another program writes, as `tail -F` follows it: a path, or `file:///PATH`
# It is read from its beginning, or with `from=end` from where it ends now, and followed when it is renamed and begun
# anew, or emptied. After each batch a note says how far it was read, so that a watch that was stopped or killed goes
# on from there.

OPTIONS = {"from": "start (all that is in it already) or end (only what is written from now on); start by default"}

_NOTE = re.compile(NOTE + rb"(\d+) (\d+)")  # inode, offset


def check(address: Address) -> None:
    """Raise AddressError where the file is a folder, or the option is no word that is known."""
    if address.one("from", "start") not in ("start", "end"):
        raise AddressError(f"{address.text}: from={address.one('from', '')} is not known; use start or end")
    path = Path(address.path)
    if path.is_dir():
        raise AddressError(f"{address.text}: is a folder; give the file in it that is being written")
    if path.exists() and not path.is_file():
        raise AddressError(f"{address.text}: is a pipe or a device; lead it to standard input, which is the source -")


def receive(address: Address, secrets: Mapping[str, str], stop: Event, resume: Resume) -> Iterator[bytes]:
    """Give the lines of the file as they are written. Raises Lost where it is not there or cannot be read."""
    path = Path(address.path)
    file = _opened(path)
    begun_at = _beginning(file, address, resume.note)
    while True:
        with file:
            file.seek(begun_at)
            yield b""
            yield from _lines(file, path, stop)
        if stop.is_set():
            return
        file, begun_at = _opened(path), 0


def _beginning(file: BufferedReader, address: Address, note: bytes) -> int:
    """Where to begin: behind what was read of this file, or where it was another or none, as the user wishes."""
    stat = os.fstat(file.fileno())
    if noted := _NOTE.fullmatch(note):
        inode, offset = map(int, noted.groups())
        return offset if inode == stat.st_ino and offset <= stat.st_size else 0
    return stat.st_size if address.one("from", "start") == "end" else 0


def _lines(file: BufferedReader, path: Path, stop: Event) -> Iterator[bytes]:
    """What is in an open file and is still being written, until another has its place."""
    while not stop.is_set():
        begun = file.tell()
        try:
            data = file.read(BATCH_BYTES)
        except OSError as error:
            raise Lost(f"cannot be read ({why(error)})") from error
        whole = data.rfind(b"\n") + 1
        if whole == 0 and len(data) == BATCH_BYTES:  # no line; it is cut by whoever takes it
            whole = len(data)
        if whole:
            file.seek(begun + whole)
            yield data[:whole]
            if data[whole - 1 : whole] == b"\n":
                yield Note.of(b"%d %d" % (os.fstat(file.fileno()).st_ino, file.tell()))
        elif _was_replaced(file, path, begun + len(data)):
            yield ended(data)
            return
        else:
            file.seek(begun)
            yield b""
            stop.wait(POLL_S)


def _was_replaced(file: BufferedReader, path: Path, read_to: int) -> bool:
    """Whether another file has the name by now, or this one was emptied; not while none has it."""
    try:
        now = path.stat()
    except OSError:
        return False
    return now.st_ino != os.fstat(file.fileno()).st_ino or now.st_size < read_to


def _opened(path: Path) -> BufferedReader:
    try:
        return open_regular(path)
    except OSError as error:
        raise Lost(f"cannot be opened ({why(error)})") from error
