"""The one base of every error that is expected: what the user, or whoever sends data, can mend.

It stands above the rooms, since each of them has such errors: the command catches this class and no other of ours. With
it stands what refuses a pipe or a device where a user names a file, since each room reads such files too.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader


class StswatchError(Exception):
    """One sentence that says what was found, where, and what to do.

    An option is named as Python names it, between grave accents: `columns=FILE`. Whoever shows the sentence may spell
    it otherwise; the command does, see pipeline/cli.py.
    """


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
