"""Room on the disk that a spool leaves alone, so that what is closed can be packed and sealed: only then it may go."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_MB = 1e6


class Room:
    """Looks whether so many bytes are free; where they were not, an eighth more must be before it is enough again."""

    def __init__(self, kept_bytes: int) -> None:
        self._kept_bytes = kept_bytes
        self.short = False  # there was not enough when it was looked last

    def look(self, where: int | Path) -> None:
        """Raise OSError where too little is free on the disk of a folder or an open file.

        What a user's quota leaves is not seen here; the disk says so when it is used up.
        """
        wanted = self._kept_bytes * (9 if self.short else 8) // 8
        disk = os.statvfs(where)
        free = disk.f_bavail * disk.f_frsize
        self.short = free < wanted
        if self.short:
            kept = f"{self._kept_bytes / _MB:,.0f} MB are kept to pack and seal what came"
            raise OSError(errno.ENOSPC, f"{free / _MB:,.0f} MB are free, {kept}")
