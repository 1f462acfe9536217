"""What a source says, piece after piece: each piece is decoded once, as it comes, and as it would be in an archive.

A message of several sentences counts in the piece that brings the last of them. What of it came before is kept, with
its arrival, as long as the reader of archives would look back for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline.batch import Bools
from stswatch.pipeline.decode.arrivals import Arrivals
from stswatch.pipeline.decode.parts import REACH
from stswatch.pipeline.readers import json_feed, nmea
from stswatch.pipeline.readers.arrival_index import Header
from stswatch.pipeline.readers.base import WHOLE, Decoded
from stswatch.pipeline.readers.text import Window

_SOURCE = "0" * 16  # of the evidence, which nobody asks of what is not sealed
_NOT_YET = "fragment_missing"  # the rest may still come; sealed, it is counted
# lines that decide what becomes of later ones: the sentences of messages that have several, and what tells their time
_DECIDES = re.compile(rb"^(?:[^\n!]*![A-Z0-9-]{2}VD[MO],[2-9],[^\n]*|\$PGHP,[^\n]*)\n", re.MULTILINE)


@dataclass(frozen=True)
class Heard:
    """What one piece said: rows of the lake, sentences, and rejects by reason."""

    fixes: pa.Table
    static_reports: pa.Table
    sentences: int
    rejects: Mapping[str, int] = field(default_factory=dict)


class Ear:
    """Listens to one source; `form` is the format of its spool, nmea or json."""

    def __init__(self, form: str) -> None:
        self._form = form
        self._before: list[tuple[int, bytes, int]] = []  # deciding lines: offset, text, arrival
        self._segment = ""

    def hear(self, segment: str, base: int, text: bytes, arrivals: Arrivals, header: Header) -> Heard:
        """What whole lines say that begin at an offset of a segment; never raises.

        arrivals: what holds from `base` on; header: of the segment, whose first messages may have begun before it.
        """
        if self._form == "json":
            return _heard(json_feed.decode_lines(text, _SOURCE, "unknown", base), base, 0)
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


def _heard(found: Decoded, base: int, again: int) -> Heard:
    """What was completed at or after an offset; again: sentences before it."""
    new = found.rejects.filter(pc.greater_equal(found.rejects["offset"], base))
    reasons = {each["values"]: each["counts"] for each in new["reason"].value_counts().to_pylist()}
    reasons.pop(_NOT_YET, None)
    fixes, reports = (rows.filter(pa.array(_completed(rows, base))) for rows in (found.fixes, found.static_reports))
    return Heard(fixes, reports, found.sentences - again, reasons)


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
