"""What the spools of a watch acknowledge, read and decoded as it comes, as it would be in an archive."""

from __future__ import annotations

import errno
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline.batch import Bools, micros
from stswatch.pipeline.decode.multipart import REACH
from stswatch.pipeline.decode.stamps import Arrivals
from stswatch.pipeline.flow import late_data
from stswatch.pipeline.live.provisional import Recent
from stswatch.pipeline.readers import aisstream, nmea, packing
from stswatch.pipeline.readers.arrival_index import Header
from stswatch.pipeline.readers.source import WHOLE, DecodedBatch, SourceError
from stswatch.pipeline.readers.text import Window
from stswatch.pipeline.schema import CLOCK
from stswatch.pipeline.spool.segments import (
    Position,
    Spooled,
    last_arrival_us,
    segment_of,
    segments,
    sources_of,
    time_of,
)
from stswatch.pipeline.spool.tail import PIECE_BYTES, Piece, Tail

if TYPE_CHECKING:
    from stswatch.pipeline.spool.writer import Spool


# ----------------------------------------------------------------------------------------------------------------
# What a source says, piece after piece: each piece is decoded once, as it comes, and as it would be in an archive
# A message of several sentences counts in the piece that brings the last of them. What of it came before is kept, with
# its arrival, as long as the reader of archives would look back for it.

_SOURCE = "0" * 16  # of the evidence, which nobody asks of what is not finalized
_NOT_YET = "fragment_missing"  # the rest may still come; finalized, it is counted
# lines that decide what becomes of later ones: the sentences of messages that have several, and what tells their time
_DECIDES = re.compile(rb"^(?:[^\n!]*![A-Z0-9-]{2}VD[MO],[2-9],[^\n]*|\$PGHP,[^\n]*)\n", re.MULTILINE)


@dataclass(frozen=True)
class DecodedPiece:
    """What one piece said: rows of the lake, sentences, and rejects by reason."""

    fixes: pa.Table
    static_reports: pa.Table
    sentences: int
    rejects: Mapping[str, int] = field(default_factory=dict)


class IncrementalDecoder:
    """Listens to one source; `form` is the format of its spool, nmea or json."""

    def __init__(self, form: str) -> None:
        self._form = form
        self._before: list[tuple[int, bytes, int]] = []  # deciding lines: offset, text, arrival
        self._segment = ""

    def hear(self, segment: str, base: int, text: bytes, arrivals: Arrivals, header: Header) -> DecodedPiece:
        """What whole lines say that begin at an offset of a segment; never raises.

        arrivals: what holds from `base` on; header: of the segment, whose first messages may have begun before it.
        """
        if self._form == "json":
            return _heard(aisstream.decode_any_lines(text, _SOURCE, "unknown", base), base, 0)
        if segment != self._segment:
            self._segment, at = segment, -len(header.context)
            self._before = []
            for arrival_us, line in header.begun:
                self._before.append((at, line, arrival_us))
                at += len(line)
        self._before = [each for each in self._before if each[0] >= base - 2 * REACH]
        context = b"".join(line for _, line, _ in self._before)
        first = base - len(context)
        window = Window(context + text, first, first, WHOLE)
        heard = _heard(nmea.decode_window(window, _SOURCE, self._clock(first, arrivals)), base, context.count(b"!"))
        found = [(base + m.start(), m[0]) for m in _DECIDES.finditer(text)]
        arrival_us = arrivals.at(np.array([at for at, _ in found], np.int64)).tolist()
        self._before += [(at, line, us) for (at, line), us in zip(found, arrival_us, strict=True)]
        return heard

    def _clock(self, first: int, arrivals: Arrivals) -> Arrivals:
        """The arrivals of the lines before, which begin at an offset here, and of the text."""
        lengths = np.array([len(line) for _, line, _ in self._before], np.int64)
        begins = first + np.cumsum(lengths) - lengths
        before_us = np.array([us for _, _, us in self._before], np.int64)
        base = first + int(lengths.sum())
        return Arrivals(
            np.concatenate([begins, np.maximum(arrivals.offset, base)]), np.concatenate([before_us, arrivals.time_us])
        )


def _heard(found: DecodedBatch, base: int, again: int) -> DecodedPiece:
    """What was completed at or after an offset; again: sentences before it."""
    new = found.rejects.filter(pc.greater_equal(found.rejects["offset"], base))
    reasons = {each["values"]: each["counts"] for each in new["reason"].value_counts().to_pylist()}
    reasons.pop(_NOT_YET, None)
    fixes, reports = (rows.filter(pa.array(_completed(rows, base))) for rows in (found.fixes, found.static_reports))
    return DecodedPiece(fixes, reports, found.sentences - again, reasons)


def _completed(rows: pa.Table, base: int) -> Bools:
    """Which rows have a sentence at or after an offset, (n,) bool."""
    done = np.asarray(rows["offset"]) >= base
    more = rows["more_refs"].combine_chunks()
    if more.null_count == len(more):
        return done
    last = pc.list_flatten(more).field("offset")
    at = np.asarray(pc.list_parent_indices(more))
    done = done.copy()
    done[at[np.asarray(last) >= base]] = True
    return done


# -------------------------------------------- What the spools of a watch acknowledge, read and decoded slice by slice

SLICE_BYTES = 64 << 20  # of one slice; what is left makes the next


@dataclass
class CycleCounts:
    """What was heard in some time; see Report."""

    bytes: int = 0
    sentences: int = 0
    fixes: int = 0
    static_reports: int = 0
    late: int = 0
    ahead: int = 0
    wrong: int = 0
    rejects: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: CycleCounts) -> CycleCounts:
        return CycleCounts(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})


class SpoolReader:
    """Reads on and on in every spool of a folder.

    data: the data folder. since_us: before which arrivals nothing new can be; None to read all.
    """

    def __init__(self, data: Path, since_us: int | None, tell: Callable[[str], None]) -> None:
        self._folder, self._since_us, self._tell = data / "spool", since_us, tell
        self._spools: dict[str, _Spool] = {}
        self.arrival_us: int | None = None  # the arrival clock, as far as it was read; None while it tells nothing
        self.more = False  # whether the last slice left something that is acknowledged

    def slice(
        self, recent: Recent, until: Mapping[str, Position], allowed_lateness_us: int, not_beyond_us: int
    ) -> CycleCounts:
        """Take what came since into `recent`. Raises OSError where the disk fails.

        until: what is acknowledged, by spool; one that is not named is read to its end. not_beyond_us: an arrival
        behind which no more is read.
        """
        for spooled in sources_of(self._folder):
            if spooled.name not in self._spools:
                self._spools[spooled.name] = _Spool(spooled, self._since_us)
        counts, left, self.more = CycleCounts(), SLICE_BYTES, False
        for name, spool in self._spools.items():
            while not (left <= 0 or 0 < spool.arrival_us >= not_beyond_us):
                if (piece := self._next(spool, until.get(name))) is None:
                    break
                left -= len(piece.text)
                spool.take(piece, recent, counts, allowed_lateness_us)
                self.arrival_us = max(self.arrival_us or 0, spool.arrival_us) or None
            else:
                self.more = True
        return counts

    def _next(self, spool: _Spool, until: Position | None) -> Piece | None:
        """The next piece; a segment that cannot be read is said once and passed over.

        Raises SourceError where there are too many open files to read it just now.
        """
        try:
            return spool.tail.read(until, PIECE_BYTES)
        except SourceError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.EMFILE, errno.ENFILE):
                raise
            self._tell(f"{error}; it is passed over")
            spool.pass_over()
            return None

    def behind(self, until: Mapping[str, Position]) -> int:
        """Bytes of the segments being written that are acknowledged and not read yet."""
        return sum(
            max(0, at.offset - (read.offset if read.segment == at.segment else 0))
            for name, at in until.items()
            if (spool := self._spools.get(name)) and (read := spool.tail.position) < at
        )

    def close(self) -> None:
        """Let go of all files."""
        for spool in self._spools.values():
            spool.tail.close()


class _Spool:
    """One spool: where it is read, and by what it is decoded."""

    def __init__(self, of: Spooled, since_us: int | None) -> None:
        self._of = of
        self.tail = Tail(of.folder, _position(of.folder, since_us))
        self._decoder = IncrementalDecoder(of.format)
        self.arrival_us = 0

    def take(self, piece: Piece, recent: Recent, counts: CycleCounts, allowed_lateness_us: int) -> None:
        """Decode a piece."""
        heard = self._decoder.hear(piece.segment, piece.base, piece.text, piece.arrivals, piece.header)
        arrivals = _earlier_too(piece)
        fixes, reports = (packing.marked(rows, arrivals) for rows in (heard.fixes, heard.static_reports))
        self.arrival_us = max(self.arrival_us, piece.last_us)
        counts.ahead += recent.add(fixes, reports, self._of.receiver, self.arrival_us)
        counts.wrong += sum(_wrong(rows) for rows in (fixes, reports))
        counts.late += _late(heard, arrivals, allowed_lateness_us)
        counts.bytes += len(piece.text)
        counts.sentences += heard.sentences
        counts.fixes += heard.fixes.num_rows
        counts.static_reports += heard.static_reports.num_rows
        counts.rejects.update(heard.rejects)

    def pass_over(self) -> None:
        """Go on behind the segment that is read."""
        self.tail.close()
        here = self.tail.position.segment
        later = [name for path in segments(self._of.folder) if (name := segment_of(path)) > here]
        self.tail = Tail(self._of.folder, Position(later[0] if later else f"{here}~"))


def _position(folder: Path, since_us: int | None) -> Position:
    """The beginning of the last segment that was begun by then; of the first where none was."""
    names = [segment_of(path) for path in segments(folder)]
    before = [name for name in names if since_us is not None and time_of(name) <= since_us]
    return Position(before[-1] if before else "")


def _earlier_too(piece: Piece) -> Arrivals:
    """The arrivals of a piece; the first holds for messages, too, that were begun before it."""
    offset = piece.arrivals.offset
    return Arrivals(np.where(offset <= piece.base, -WHOLE, offset), piece.arrivals.time_us)


def _wrong(rows: pa.Table) -> int:
    """How many rows are marked as dated by a wrong clock."""
    return pc.sum(pc.equal(rows["invalid_reason"], CLOCK)).as_py() or 0


def _late(heard: DecodedPiece, arrivals: Arrivals, allowed_lateness_us: int) -> int:
    """How many rows are of hours that could be finalized when they arrived."""
    tables = ((micros(rows, "time"), np.asarray(rows["offset"])) for rows in (heard.fixes, heard.static_reports))
    return sum(len(late_data.of_rows(*rows, arrivals, allowed_lateness_us)) for rows in tables)


def found_us(data: Path, spools: Sequence[Spool]) -> int | None:
    """The last arrival that an earlier watch left in a folder; `spools` are opened in this process, and remember.

    Raises OSError.
    """
    found = {spool.name: spool.found_us for spool in spools}
    for spooled in sources_of(data / "spool"):
        if spooled.name not in found:
            found[spooled.name] = last_arrival_us(spooled.folder)
    return max(found.values(), default=0) or None
