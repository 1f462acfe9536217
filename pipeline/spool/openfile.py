"""The segment that is being written: what the disk holds of it, and what only the memory does."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from stswatch.pipeline.decode.parts import REACH
from stswatch.pipeline.decode.sentences import MAX_LINE
from stswatch.pipeline.sources.base import Format
from stswatch.pipeline.spool.closing import sync
from stswatch.pipeline.spool.segments import PART

SEEN_BYTES = REACH + 4 * MAX_LINE  # of the end of a segment, in which a message may have begun


class OpenSegment:
    """Whole lines go in; after an error all that the disk did not confirm is written again with the next call."""

    def __init__(self, folder: Path, name: str, form: Format) -> None:
        """Make the file. Raises OSError."""
        self.name, self.path = name, folder / f"{name}.{form}"
        self.synced = 0  # bytes that the disk holds
        self._data = bytearray()  # what comes behind them
        self._written = 0  # of these bytes in the file
        self._doubtful = False
        self.restored = 0  # how often the file had vanished and was written anew
        self.handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            sync(folder)
        except OSError:
            self.close()
            self.path.unlink(missing_ok=True)
            raise

    @property
    def unsynced(self) -> int:
        """Bytes that the disk does not hold yet."""
        return len(self._data)

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self.synced + len(self._data)

    def add(self, lines: bytes) -> None:
        """Take lines, in memory; never raises."""
        self._data += lines

    def write(self) -> None:
        """Give the system what the file lacks: it survives a kill of this process then. Raises OSError."""
        if self._doubtful:
            os.ftruncate(self.handle, self.synced)
            self._written = 0
        self._doubtful = True
        try:
            with memoryview(self._data) as data:
                while self._written < len(data):
                    self._written += os.pwrite(self.handle, data[self._written :], self.synced + self._written)
        except OSError:
            with suppress(OSError):  # the last room on a full disk is for packing, which makes more
                os.ftruncate(self.handle, self.synced)
            raise
        self._doubtful = False

    def sync(self) -> None:
        """Have the disk hold all of it, under its name. Raises OSError."""
        self.write()
        if not self._is_there():
            self._restore()
        self._doubtful = True  # after a failed fsync nobody knows what the disk holds
        os.fsync(self.handle)
        self._doubtful = False
        self.synced += len(self._data)
        self._data.clear()
        self._written = 0

    def end(self) -> bytes:
        """Its last lines, as the disk holds them. Raises OSError."""
        begin = max(0, self.synced - SEEN_BYTES)
        text = os.pread(self.handle, self.synced - begin, begin)
        return text[text.find(b"\n") + 1 :] if begin else text

    def close(self) -> None:
        """Let go of the file; what was not synced is lost with it."""
        os.close(self.handle)

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self.handle))
        except FileNotFoundError:
            return False

    def _restore(self) -> None:
        """Write the file anew under its name: somebody removed it, and we still hold it.

        Raises FileNotFoundError where the data folder itself is gone: it may be a disk that was taken away.
        """
        folder, part = self.path.parent, self.path.with_name(self.path.name + PART)
        os.stat(folder.parent.parent)
        folder.mkdir(parents=True, exist_ok=True)
        with open(os.dup(self.handle), "rb") as held, part.open("wb") as file:
            held.seek(0)
            shutil.copyfileobj(held, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        handle = os.open(part, os.O_RDWR | os.O_CLOEXEC)
        part.replace(self.path)
        for each in (folder, folder.parent, folder.parent.parent):
            sync(each)
        os.close(self.handle)
        self.handle = handle
        self.restored += 1
