"""Files that users name, read as files: what is a pipe or a device there is refused, instead of being waited for.

It stands above the rooms, since each of them reads such files.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a file to read its bytes. Raises OSError as `open` does, and where it is a pipe, a socket or a device.

    To open a pipe waits until somebody writes, which nothing but a second signal ends; /dev/zero has no end.

    >>> open_regular("/dev/null")
    Traceback (most recent call last):
    OSError: [Errno 22] it is a pipe or a device, and no file: '/dev/null'
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # `open` tells of a folder by itself
        raise OSError(errno.EINVAL, "it is a pipe or a device, and no file", os.fspath(path))
    return open(path, "rb")


def read_regular(path: str | os.PathLike[str]) -> bytes:
    """All bytes of a file. Raises OSError, see `open_regular`."""
    with open_regular(path) as file:
        return file.read()
