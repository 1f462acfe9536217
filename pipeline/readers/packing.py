"""How archives are packed: one table of what each kind begins with and what opens it, and the members of a zip.

What is packed is read as a stream, so memory does not grow with the file. Within a zip a member may be packed once
more (a folder of .csv.gz); anything else that is packed twice is not read.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline.batch import HOUR, MINUTE, SECOND, Bools, Ints, micros
from stswatch.pipeline.decode.stamps import NO_TIME, Arrivals
from stswatch.pipeline.readers import frames
from stswatch.pipeline.readers.arrival_index import Header
from stswatch.pipeline.readers.source import Chunk, Source, SourceError, SourcePlace
from stswatch.pipeline.schema import CLOCK

_ZIP = re.compile(rb"PK(\x03\x04|\x05\x06)")  # the second: a zip without members
_LOOK = 512  # bytes that tell how a file is packed


def _zstd(file: BufferedIOBase) -> Any:
    return pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")


@dataclass(frozen=True)
class Packing:
    """One way to pack: a row of PACKINGS."""

    name: str
    begins: re.Pattern[bytes]
    open: Callable[[Any], Any]  # a file of packed bytes -> one of what is in it, all its parts one after the other


PACKINGS: tuple[Packing, ...] = (
    Packing("gzip", re.compile(rb"\x1f\x8b"), gzip.open),
    Packing("zstd", re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), _zstd),  # the second: a frame to skip
    Packing("bzip2", re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"), bz2.open),
    Packing("xz", re.compile(rb"\xfd7zXZ\x00"), lzma.open),
)
UNREAD: dict[str, re.Pattern[bytes]] = {  # told by name, so that the user knows what to do
    "zip": _ZIP,
    "7z": re.compile(rb"7z\xbc\xaf\x27\x1c"),
    "rar": re.compile(rb"Rar!\x1a\x07"),
    "tar": re.compile(rb"(?s).{257}ustar"),
} | {packing.name: packing.begins for packing in PACKINGS}


def unreadable(path: str, error: OSError) -> SourceError:
    """What to say of a file that the system does not give."""
    why = error.strerror or error
    few = error.errno == errno.EMFILE
    remedy = "raise the limit (ulimit -n)" if few else "check the path, its permissions and the disk that it lies on"
    return SourceError(f"{path}: cannot be read ({why}); {remedy}")


def packing_of(start: bytes) -> Packing | None:
    """How a file is packed that begins with these bytes; None where it is not, or as a zip.

    >>> packing_of(b"\\x1f\\x8b\\x08").name
    'gzip'
    """
    return next((packing for packing in PACKINGS if packing.begins.match(start)), None)


def damage(path: str) -> list[str]:
    """What of a file is damaged and left out when it is read, a sentence for each stretch. Raises SourceError."""
    with _worded(SourcePlace(path), ()):
        return frames.damage(path)


def is_packed(place: SourcePlace) -> bool:
    """Whether the bytes of a place can only be read from the first to the last. Raises SourceError."""
    if place.member is not None:
        return True
    with _worded(place, ()), open(place.path, "rb") as file:
        packing = packing_of(file.read(_LOOK))
    return packing is not None or _may_be_framed(place, packing) or _is_segment(place)


def _is_segment(place: SourcePlace) -> bool:
    """Whether it is a segment of a spool that is not packed, whose stretches are verified one by one."""
    return place.member is None and frames.stretches_of(place.path) is not None


def segment_arrivals(place: SourcePlace) -> Arrivals | None:
    """When the bytes of a segment of a spool arrived; None for any other file. Raises SourceError."""
    if place.member is not None:
        return None
    with _worded(place, ()):
        return frames.arrivals_of(place.path)


def segment_header(place: SourcePlace) -> Header | None:
    """What the index of a segment of a spool says of it; None for any other file. Raises SourceError."""
    if place.member is not None:
        return None
    with _worded(place, ()):
        return frames.header_of(place.path)


def _may_be_framed(place: SourcePlace, packing: Packing | None) -> bool:
    """Whether it is worth looking for an index of frames: also where damage hides that a segment is zstd."""
    return place.member is None and (place.path.endswith(".zst") if packing is None else packing.open is _zstd)


def check_unpacked(place: SourcePlace, start: bytes) -> None:
    """Raise SourceError where what was unpacked, or needed no unpacking, is still packed.

    start: its first bytes.
    """
    for kind, begins in UNREAD.items():
        if begins.match(start):
            again = " once more" if is_packed(place) else ""
            raise SourceError(f"{place}: is packed{again} as {kind}, which is not read; unpack it first")


def members(path: str) -> list[str] | None:
    """Names of the files in a zip, in the order of its directory, hidden ones left out; None for any other file.

    Raises SourceError where the file cannot be read or its directory is damaged or cut off.
    """
    with _worded(SourcePlace(path), ("zip",)), open(path, "rb") as file:
        if not _ZIP.match(file.read(4)):
            return None
        names = [each.filename for each in _zip(path).infolist() if not each.is_dir()]
    return [name for name in dict.fromkeys(names) if not name.rpartition("/")[2].startswith(".")]


@contextmanager
def opened(place: SourcePlace) -> Iterator[BufferedIOBase]:
    """The unpacked bytes of a place. Raises SourceError where it cannot be read, is damaged or breaks off."""
    kinds: list[str] = []
    with ExitStack() as stack:
        stack.enter_context(_worded(place, kinds))
        file: Any
        if place.member is None:
            file = stack.enter_context(open(place.path, "rb"))
        else:
            kinds.append("zip")
            file = stack.enter_context(_member(place))
        packing = packing_of(file.read(_LOOK))
        framed = frames.index_of(file) if _may_be_framed(place, packing) else None
        if place.member is None and packing is None and framed is None:
            framed = frames.stretches_of(place.path)
        file.seek(0)
        if framed is not None:
            file = io.BufferedReader(frames.SegmentReader(file, framed), 1 << 20)
        elif packing is not None:
            kinds.append(packing.name)
            file = stack.enter_context(packing.open(file))
        yield cast(BufferedIOBase, file)


@contextmanager
def _worded(place: SourcePlace, kinds: Sequence[str]) -> Iterator[None]:
    """What goes wrong while a place is read, in one sentence; kinds: how it was found to be packed by then."""
    try:
        yield
    except (EOFError, zipfile.BadZipFile, lzma.LZMAError, zlib.error) as error:
        raise _damaged(place, kinds, error) from error
    except OSError as error:
        if error.errno is None and kinds:  # not the system speaks, but what unpacks
            raise _damaged(place, kinds, error) from error
        raise unreadable(str(place), error) from error


def _damaged(place: SourcePlace, kinds: Sequence[str], error: Exception) -> SourceError:
    why = str(error).partition("\n")[0].rstrip(". ")
    return SourceError(f"{place}: the {kinds[-1]} data breaks off or is damaged ({why}); fetch the file again")


def _member(place: SourcePlace) -> Any:
    """A member of a zip as a file. Raises SourceError where it is gone, encrypted or packed in a way not known."""
    try:
        return _zip(place.path).open(str(place.member))
    except KeyError as error:
        raise SourceError(f"{place}: is no longer in the zip; give the file again as it was") from error
    except (RuntimeError, NotImplementedError) as error:
        why = str(error).rstrip(". ")
        raise SourceError(f"{place}: cannot be unpacked ({why}); unpack it first") from error


_open_zip: dict[tuple[str, int, int, int], zipfile.ZipFile] = {}


def _zip(path: str) -> zipfile.ZipFile:
    """A zip with its directory read; the last one is kept open, else thousands of members have it read as often.

    One that another file has taken the place of, or that has grown, is opened anew. What is being read of a former one
    goes on: it holds the file open itself.
    """
    found = os.stat(path)
    key = path, found.st_ino, found.st_size, found.st_mtime_ns
    if key not in _open_zip:
        for former in list(_open_zip):
            _open_zip.pop(former).close()
        _open_zip[key] = zipfile.ZipFile(path)
    return _open_zip[key]


# ------------------------------------------------------------------------- rows that a source dates after they came
# A wrong clock, which no later row can bear out. Judged row by row against the arrivals that the segment itself tells,
# so that a watch, a replay and a run over the same segments agree. Such rows are in the lake with the reason `clock`.

# Clocks of receivers and machines that nobody sets are off by minutes; by more than these, nothing is silenced for
# what the shortest gap takes.
AHEAD_US = 10 * MINUTE


_FORMATS = ("nmea", "aisstream")  # of segments, as readers call them


def arrivals_in(source: Source) -> Arrivals | None:
    """When a source arrived, where it is a segment of a spool, wherever it lies. Raises SourceError."""
    return segment_arrivals(source.place) if source.format in _FORMATS else None


LATE_US = 24 * HOUR  # what is dated longer before it came says nothing of when its neighbours are dated


class LostSpans:
    """When what is damaged of a chunk may be dated: while it arrived, and as far off as what is read of the chunk."""

    def __init__(self, chunk: Chunk, arrivals: Arrivals | None) -> None:
        """arrivals: those of its source, see arrivals_in. Raises SourceError."""
        self._arrivals = arrivals
        with _worded(chunk.source.place, ()):
            self._found = [] if arrivals is None else frames.lost_spans(chunk.source.path, chunk.start, chunk.end)
        self._before_us = self._after_us = 0

    def note(self, rows: pa.Table) -> None:
        """Take note of rows of `fixes` or `static_reports` of the chunk."""
        if not self._found or self._arrivals is None or not rows.num_rows:
            return
        came_us = self._arrivals.at(np.asarray(rows["offset"]).astype(np.int64))
        off_us = micros(rows, "time") - came_us
        off_us = off_us[(came_us != NO_TIME) & (off_us >= -LATE_US) & (off_us <= AHEAD_US)]
        self._before_us = min(self._before_us, int(off_us.min(initial=0)))
        self._after_us = max(self._after_us, int(off_us.max(initial=0)))

    def spans(self) -> list[tuple[int, int]]:
        """From, to, UTC microseconds, at least a second; none where nothing is damaged."""
        return [(begin + self._before_us, end + self._after_us + SECOND) for begin, end in self._found]


def is_ahead(time_us: Ints, offset: Ints, arrivals: Arrivals) -> Bools:
    """Which of n rows are dated too far after they came, which was before the next arrival: their time, their offset.

    >>> is_ahead(np.array([0, AHEAD_US + 8]), np.array([5, 5]), Arrivals.of([(0, 7)])).tolist()
    [False, True]
    """
    at, arrival_us = arrivals.offset, arrivals.time_us
    if not len(at):
        return np.zeros(len(time_us), bool)
    next_us = arrival_us[np.minimum(np.searchsorted(at, offset, side="right"), len(at) - 1)]
    return np.asarray(time_us > next_us + AHEAD_US)


def marked(rows: pa.Table, arrivals: Arrivals) -> pa.Table:
    """The same rows of `fixes` or `static_reports`; those that are too far ahead say so, if nothing else is said."""
    ahead = is_ahead(micros(rows, "time"), np.asarray(rows["offset"]), arrivals)
    if not ahead.any():
        return rows
    word = pa.array([CLOCK]).take(pa.array(np.zeros(len(ahead), np.int8), mask=~ahead))
    at = rows.column_names.index("invalid_reason")
    return rows.set_column(at, rows.schema.field(at), pc.coalesce(rows["invalid_reason"], word))
