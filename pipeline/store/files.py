"""Files of the data folder: written whole or not at all, and which processes hold one open."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import struct
import zlib
from _thread import start_new_thread
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from stswatch.errors import StswatchError
from stswatch.pipeline import faults

# --------- Files that are whole or not there, through a kill and through a power cut; and folders that go in one step

# Side by side the file system writes them out together: 250 files in 20 to 30 ms, one after the other in 130 to 640 ms.
_SYNCED_AT_ONCE = 8
SPARE_FILES = 16  # a snapshot takes three at once, and threads beside it take some
DIFFERS = "is damaged (its checksum is not that of what was written)"
WITH_RADIO = ".radio.parquet"  # how names of files of the lake end that have columns for schema.RADIO_FIELDS


def has_radio(path: str) -> bool:
    """Whether a file of the lake has columns for schema.RADIO_FIELDS.

    >>> [has_radio(f"lake/fixes/2024-01-01T05/{name}") for name in ("a-0-0.parquet", "a-0-0.radio.parquet")]
    [False, True]
    """
    return path.endswith(WITH_RADIO)


def sync(files: Iterable[Path], top: Path) -> None:
    """Have the disk hold these files, and the folders from `top` down that lead to them. Raises OSError."""
    files = list(files)
    folders: set[Path] = set()
    for file in files:
        folder = file.parent
        while folder not in folders and (folder == top or top in folder.parents):
            folders.add(folder)
            folder = folder.parent
    _sync_paths(files)
    _sync_paths(sorted(folders))


def _sync_paths(paths: Sequence[Path]) -> None:
    """Some side by side. Nothing waits for a thread: where memory is short one may never come to its first line."""
    waiting, synced, errors = deque(paths), set[Path](), list[OSError]()

    def work() -> None:
        with suppress(IndexError, MemoryError):  # none is left to take; what was taken is seen to below
            while not errors:
                path = waiting.popleft()
                try:
                    sync_path(path)
                except OSError as error:
                    errors.append(error)
                synced.add(path)

    for _ in range(min(_SYNCED_AT_ONCE, len(paths)) - 1):
        with suppress(RuntimeError):  # no thread can be started
            start_new_thread(work, ())
    work()
    for path in paths:
        if path not in synced and not errors:
            sync_path(path)  # a thread has it in hand, or ended before it was through
    if errors:
        raise errors[0]


def sync_path(path: Path) -> None:
    """Have the disk hold a file, or the names in a folder. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check_spare_files(count: int = SPARE_FILES) -> None:
    """Raise OSError where not so many more files may be opened: before DuckDB begins, which may end the process."""
    taken: list[int] = []
    try:
        taken += (os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC) for _ in range(count))
    finally:
        for handle in taken:
            os.close(handle)


class DamagedFile(StswatchError, ValueError):
    """A file of the data folder that no longer holds what was written into it: where, and what was found. Picklable."""

    def __init__(self, path: str, found: str) -> None:
        super().__init__(path, found)
        self.path, self.found = path, found

    def __str__(self) -> str:
        return f"{self.path}: {self.found}"


def of_file(path: Path) -> int:
    """The CRC-32 of a file. Raises OSError."""
    crc = 0
    with path.open("rb", buffering=0) as file:
        while piece := file.read(1 << 20):
            crc = zlib.crc32(piece, crc)
    return crc


def verify(folder: Path, wanted: Iterable[tuple[str, int]]) -> None:
    """Raise DamagedFile where a file of a folder is not there or not of this CRC-32. Raises OSError."""
    for name, crc in wanted:
        path = folder / name
        try:
            if of_file(path) != crc:
                raise DamagedFile(str(path), DIFFERS)
        except (FileNotFoundError, IsADirectoryError) as error:
            raise DamagedFile(str(path), "is not there") from error


def write_json(path: Path, content: Any, indent: int | None = 1) -> None:
    """Write a JSON file whole or not at all; indent: None for what may be long, which takes a tenth. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as out:
            out.write(json.dumps(content, indent=indent, sort_keys=True).encode())
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises OSError, DamagedFile."""
    text = path.read_bytes()
    try:
        return json.loads(text)
    except ValueError as error:
        raise DamagedFile(str(path), "is empty" if not text else "is damaged (it is no JSON)") from error


def discard(folder: Path, within: Path) -> None:
    """Remove a folder, if it is there: it is gone in one step, though a kill may leave it in `within` as .gone-NAME."""
    if not folder.exists():
        return
    gone = within / f".gone-{'-'.join(folder.relative_to(within).parts)}"
    shutil.rmtree(gone, ignore_errors=True)
    folder.rename(gone)
    faults.reach("folder_discarded")
    shutil.rmtree(gone, ignore_errors=True)


# -------- Who has a database open. DuckDB locks each file that it opens, to read or to write, with the locks of fcntl

_FLOCK = "hhqqi4x"  # l_type, l_whence, l_start, l_len, l_pid of struct flock where offsets have 64 bits


def descriptor(file: Path) -> int | None:
    """Under which number this process has a file open; None where it has not. Raises OSError where none can be listed.

    A file that DuckDB may have open here is looked into by that, or not at all: closing any descriptor of a file gives
    up every lock that the process has on it. Source: fcntl(2).
    """
    sought = file.stat()
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):  # that of the listing itself is closed again
            if os.path.samestat(os.fstat(int(name)), sought):
                return int(name)
    return None


def held(file: Path) -> bool | None:
    """Whether any process has the database open; None where the system or the file system cannot tell."""
    try:
        return descriptor(file) is not None or _locked(file)
    except FileNotFoundError:
        return False
    except (AttributeError, OSError):  # macOS has no such call, and some network file systems no locks
        return None


def _locked(file: Path) -> bool:
    handle = os.open(file, os.O_RDONLY)
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = struct.unpack(_FLOCK, fcntl.fcntl(handle, fcntl.F_OFD_GETLK, asked))
        return bool(answer[0] != fcntl.F_UNLCK)
    finally:
        os.close(handle)
