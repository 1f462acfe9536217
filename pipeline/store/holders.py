"""Who has a database open. DuckDB locks each file that it opens, to read or to write, with the locks of fcntl."""

from __future__ import annotations

import fcntl
import os
import struct
from contextlib import suppress
from pathlib import Path

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
