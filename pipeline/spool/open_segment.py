"""The segment that is being written: whole lines of bounded length, what the disk holds of them, room on the disk."""

from __future__ import annotations

import errno
import os
import re
import shutil
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from stswatch.pipeline.decode.multipart import REACH
from stswatch.pipeline.decode.sentences import MAX_LINE
from stswatch.pipeline.decode.stamps import Arrivals
from stswatch.pipeline.readers import arrival_index
from stswatch.pipeline.readers.arrival_index import Header, IndexEntry, entry_line, header_line
from stswatch.pipeline.sources.address import Format
from stswatch.pipeline.spool.segments import PART
from stswatch.pipeline.store.files import sync_path

SEEN_BYTES = REACH + 4 * MAX_LINE  # of the end of a segment, in which a message may have begun
_PAIRS = 8192  # arrivals in these bytes, and more
_MB = 1e6

# Of a longer line so many bytes are kept: of NMEA enough for the decoder to see that it is longer than a line may be,
# and reject it as it would reject the whole line, be the last byte kept a carriage return.
LONGEST: Mapping[Format, int] = {"nmea": MAX_LINE + 2, "json": 65_536}

_PART = re.compile(
    rb"(?:\\(?P<tag>[^\\\n]*)\\)?![A-Z0-9-]{2}VD[MO],"
    rb"(?P<total>[2-9]),(?P<part>[1-9]),(?P<seq>[0-9]?),(?P<channel>[^,*\n]{0,2}),"
)
_GROUP = re.compile(rb"(?:^|,)g:\d+-\d+-([^,*]*)")
_STATION = re.compile(rb"(?:^|,)s:([^,*]*)")


class LineCutter:
    """Cuts a stream into whole lines; holds at most one that has not ended yet."""

    def __init__(self, longest: int = LONGEST["nmea"]) -> None:
        self._longest = longest
        self.dropped = 0  # bytes of over-long lines that were not kept
        self._rest = b""
        self._dropping = False

    def take(self, data: bytes) -> bytes:
        r"""The lines that end in what came; what has not ended waits for more.

        >>> lines = LineCutter()
        >>> lines.take(b"ab\nc"), lines.take(b"d\n")
        (b'ab\n', b'cd\n')
        """
        if self._dropping:
            at = data.find(b"\n")
            self.dropped += len(data) if at < 0 else at
            if at < 0:
                return b""
            data, self._dropping = data[at + 1 :], False
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        whole, self._rest = self._shortened(data[:end]), data[end:]
        if len(self._rest) > self._longest:
            self.dropped += len(self._rest) - self._longest
            whole += self._rest[: self._longest] + b"\n"
            self._rest, self._dropping = b"", True
        return whole

    def end(self) -> bytes:
        r"""The line that had not ended, with a line end: nothing will follow it.

        >>> lines = LineCutter()
        >>> lines.take(b"ab"), lines.end(), lines.end()
        (b'', b'ab\n', b'')
        """
        rest, self._rest, self._dropping = self._rest, b"", False
        return rest + b"\n" if rest else b""

    def _shortened(self, whole: bytes) -> bytes:
        """The lines with those cut that are too long."""
        if len(whole) <= self._longest:
            return whole
        ends = np.flatnonzero(np.frombuffer(whole, np.uint8) == ord("\n"))
        length = np.diff(ends, prepend=-1) - 1
        parts, begun = [], 0
        for row in np.flatnonzero(length > self._longest).tolist():
            cut, end = int(ends[row] - length[row]) + self._longest, int(ends[row])
            parts.append(whole[begun:cut])
            self.dropped += end - cut
            begun = end
        return b"".join([*parts, whole[begun:]])


def unfinished(text: bytes) -> list[tuple[int, int]]:
    r"""Where the lines begin and end that hold parts of messages not complete by the end of the text.

    >>> unfinished(b"!AIVDM,2,1,7,A,x,0*00\n!AIVDM,2,1,8,A,y,0*00\n!AIVDM,2,2,7,A,z,2*00\n")
    [(22, 44)]
    """
    begun: dict[tuple[bytes, ...], list[int]] = {}
    for found in _PART.finditer(text, max(0, len(text) - REACH)):
        key, part = _key(found), int(found["part"])
        if part == 1:
            begun[key] = [found.start()]
        elif key in begun and part == len(begun[key]) + 1:
            begun[key].append(found.start())
            if part == int(found["total"]):
                del begun[key]
    starts = {text.rfind(b"\n", 0, at) + 1 for places in begun.values() for at in places}
    return [(start, text.find(b"\n", start) + 1 or len(text)) for start in sorted(starts)]


def unfinished_lines(context: bytes, text: bytes, base: int, arrivals: Arrivals) -> tuple[tuple[int, bytes], ...]:
    """Lines at the end of a segment that belong to messages of which more must come, with their arrivals.

    context: lines before its offset 0; text: its last lines, which begin at `base`. 0 is no time.
    """
    whole, first = (context + text, -len(context)) if base == 0 else (text, base)
    spans = unfinished(whole)
    arrival_us = arrivals.at(np.array([first + start for start, _ in spans], np.int64))
    return tuple((max(us, 0), whole[start:end]) for us, (start, end) in zip(arrival_us.tolist(), spans, strict=True))


def _key(found: re.Match[bytes]) -> tuple[bytes, ...]:
    """What the parts of one message have in common, as decode/sentences.py has it."""
    tag = found["tag"] or b""
    of = _GROUP.search(tag) or _STATION.search(tag)
    return found["total"], found["seq"], found["channel"], of[1] if of else b""


class OpenSegment:
    """Whole lines go in; after an error all that the disk did not confirm is written again with the next call.

    The law: bytes are on the disk before their entry in the index, and acknowledged once both are.
    """

    def __init__(self, folder: Path, name: str, form: Format, header: Header) -> None:
        """Make the files, the index first, with its header. Raises OSError."""
        self.name, self.path, self.header = name, folder / f"{name}.{form}", header
        self.synced = 0  # bytes that the disk holds, and the index
        self._data = bytearray()  # what comes behind them
        self._written = 0  # of these bytes in the file
        self._doubtful = False
        self._pairs: list[tuple[int, int]] = []  # arrivals of these bytes
        self._remarks: list[str] = []
        self._last_us = 0
        self._arrivals: list[tuple[int, int]] = []  # of what is in the index
        self.restored = 0  # how often the file had vanished and was written anew
        self.index_path = Path(arrival_index.beside(str(self.path)))
        self._index = os.open(self.index_path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o644)
        self._indexed = 0  # bytes of the index that the disk holds
        try:
            self._write_index(header_line(header))
            self.handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o644)
        except OSError:
            os.close(self._index)
            self.index_path.unlink(missing_ok=True)
            raise
        try:
            sync_path(folder)
        except OSError:
            self.close()
            self.path.unlink(missing_ok=True)
            self.index_path.unlink(missing_ok=True)
            raise

    @property
    def unsynced(self) -> int:
        """Bytes that the disk does not hold yet."""
        return len(self._data)

    @property
    def waiting(self) -> bool:
        """Whether the disk or the index lacks something."""
        return bool(self._data or self._pairs or self._remarks)

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self.synced + len(self._data)

    def add(self, arrival_us: int, lines: bytes, remark: str = "") -> None:
        """Take lines, and what the source gave beside them, in memory; 0 is no time. Never raises."""
        if arrival_us and (arrival_us != self._last_us or not self._pairs):
            if self._pairs and self._pairs[-1][0] == self.size:  # of silence only the last counts
                self._pairs.pop()
            self._pairs.append((self.size, arrival_us))
            self._last_us = arrival_us
        self._data += lines
        if remark:
            self._remarks.append(remark)

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
        """Have the disk hold all of it, under its name, and then the index say when it came. Raises OSError."""
        self.write()
        if not self._are_there():
            self._restore()
        if self._data:
            self._doubtful = True  # after a failed fsync nobody knows what the disk holds
            os.fsync(self.handle)
            self._doubtful = False
        if not self.waiting:
            return
        end = self.synced + len(self._data)
        entry = IndexEntry(self.synced, end, zlib.crc32(self._data), tuple(self._pairs), tuple(self._remarks))
        self._write_index(entry_line(entry))
        os.fsync(self._index)
        self._indexed = os.fstat(self._index).st_size
        self._arrivals = (self._arrivals + self._pairs)[-_PAIRS:] if self._pairs else self._arrivals
        self.synced = end
        self._data.clear()
        self._pairs, self._remarks = [], []
        self._written = 0

    def _write_index(self, lines: bytes) -> None:
        """Write lines behind what is sure to be in the index. Raises OSError."""
        os.ftruncate(self._index, self._indexed)
        written = 0
        while written < len(lines):
            written += os.pwrite(self._index, lines[written:], self._indexed + written)
        if not self._indexed:
            self._indexed = written  # the header, which the first entry takes to the disk with it

    def unfinished(self) -> tuple[tuple[int, bytes], ...]:
        """The lines of messages of which more must come, as the disk holds them. Raises OSError."""
        begin = max(0, self.synced - SEEN_BYTES)
        text = os.pread(self.handle, self.synced - begin, begin)
        skipped = text.find(b"\n") + 1 if begin else 0
        found = arrival_index.ArrivalIndex(self.header).arrivals(0)
        own = Arrivals.of(self._arrivals)
        both = Arrivals(np.concatenate([found.offset, own.offset]), np.concatenate([found.time_us, own.time_us]))
        return unfinished_lines(self.header.context, text[skipped:], begin + skipped, both)

    def close(self) -> None:
        """Let go of the files; what was not synced is lost with them."""
        os.close(self.handle)
        os.close(self._index)

    def _are_there(self) -> bool:
        try:
            return all(
                os.path.samestat(os.stat(path), os.fstat(handle))
                for path, handle in ((self.path, self.handle), (self.index_path, self._index))
            )
        except FileNotFoundError:
            return False

    def _restore(self) -> None:
        """Write the files anew under their names: somebody removed them, and we still hold them.

        Raises FileNotFoundError where the data folder itself is gone: it may be a disk that was taken away.
        """
        folder = self.path.parent
        os.stat(folder.parent.parent)
        folder.mkdir(parents=True, exist_ok=True)
        index, handle = _written_anew(self.index_path, self._index), _written_anew(self.path, self.handle)
        for each in (folder, folder.parent, folder.parent.parent):
            sync_path(each)
        self.close()
        self._index, self.handle = index, handle
        self.restored += 1


def _written_anew(path: Path, handle: int) -> int:
    """Put what an open file holds under its name again; gives the new file. Raises OSError."""
    part = path.with_name(path.name + PART)
    with open(os.dup(handle), "rb") as held, part.open("wb") as file:
        held.seek(0)
        shutil.copyfileobj(held, file, 1 << 20)
        file.flush()
        os.fsync(file.fileno())
    new = os.open(part, os.O_RDWR | os.O_CLOEXEC)
    part.replace(path)
    return new


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
            kept = f"{self._kept_bytes / _MB:,.0f} MB are kept to pack and finalize what came"
            raise OSError(errno.ENOSPC, f"{free / _MB:,.0f} MB are free, {kept}")
