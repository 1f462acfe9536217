"""Sentences to whole messages: those of one sentence, and those of several whose parts are all there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stswatch.pipeline.decode.arrivals import Arrivals
from stswatch.pipeline.decode.clock import Clock
from stswatch.pipeline.decode.lines import Bools, Bytes, Ints
from stswatch.pipeline.decode.multipart import Several, assemble, join
from stswatch.pipeline.decode.parts import Parts
from stswatch.pipeline.decode.rejects import CODES
from stswatch.pipeline.decode.sentences import Sentences
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.decode.units import where


@dataclass(frozen=True)
class Whole:
    """Whole messages in the order of their first sentences, (n,) each, and their further sentences, (m,) each.

    sentence: row of the first sentence; data, start, end: the payloads; fill: bits that fill up the last character;
    time_us: when it was received, else NO_TIME; of, further: to which message each further sentence belongs, and its
    row; ambiguous: rows of sentences that could belong to several messages.
    """

    sentence: Ints
    data: Bytes
    start: Ints
    end: Ints
    fill: NDArray[np.int8]
    time_us: Ints
    of: Ints
    further: Ints
    ambiguous: Ints

    def parts_of(self, rows: Ints) -> tuple[Ints, Ints]:
        """The further sentences of some messages, these numbered in the order given, which must rise."""
        place = np.searchsorted(rows, self.of)
        among = np.flatnonzero(np.append(rows, -1)[place] == self.of)
        return place[among], self.further[among]


def whole_messages(found: Sentences, owned: Bools, clock: Clock | Arrivals | None) -> Whole:
    """The messages of which at least one sentence is owned, also where other sentences of it are not; never raises.

    owned: (n,) of the sentences; clock: for what tells no time.
    """
    several = _several(found, owned)
    edges = np.append(several.begins, len(several.rows))
    heads, tails = several.rows[several.begins], several.rows[edges[1:] - 1]
    begins = (found.code == 0) & (found.total == 1) & owned
    begins[heads] = True
    sentence = np.flatnonzero(begins)
    at = np.searchsorted(sentence, heads)
    start, end, fill = found.first[sentence], found.last[sentence], found.fill[sentence]
    spans = found.first[several.rows], found.last[several.rows]
    data, start[at], end[at] = join(found.data, found.size, *spans, several.begins)
    fill[at] = found.fill[tails]
    later = found.part[several.rows] > 1
    of, further = np.repeat(at, np.diff(edges))[later], several.rows[later]
    time_us = _times(found, sentence, of, further, clock)
    return Whole(sentence, data, start, end, fill, time_us, of, further, several.ambiguous)


def _several(found: Sentences, owned: Bools) -> Several:
    """Complete messages of several sentences of which one at least is owned."""
    parts = np.flatnonzero((found.code == 0) & (found.total > 1))
    total, part = (column[parts].astype(np.int64) for column in (found.total, found.part))
    sender = where(found.group[parts], found.talker[parts], found.station[parts])
    offset, own_us, alike, station = (c[parts] for c in (found.offset, found.own_us, found.alike, found.station))
    several = assemble(
        Parts(parts, offset, own_us, total, part, alike, sender, station),
        lambda one, other: _payload(found, parts[one]) != _payload(found, parts[other]),
    )
    rows, ambiguous = parts[several.rows], parts[several.ambiguous]
    if not len(rows):
        return Several(rows, several.begins, ambiguous)
    kept = np.logical_or.reduceat(owned[rows], several.begins)
    counts = np.diff(np.append(several.begins, len(rows)))[kept]
    begins = np.cumsum(counts) - counts
    return Several(rows[np.repeat(kept, np.diff(np.append(several.begins, len(rows))))], begins, ambiguous)


def _payload(found: Sentences, row: int) -> tuple[bytes, int]:
    return found.data[found.first[row] : found.last[row]].tobytes(), int(found.fill[row])


def _times(found: Sentences, sentence: Ints, of: Ints, further: Ints, clock: Clock | Arrivals | None) -> Ints:
    """When each message was received: what its sentences tell, the first one first; else what the clock says."""
    time_us = found.own_us[sentence]
    tells = found.own_us[further] != NO_TIME
    silent = found.own_us[sentence] == NO_TIME
    message, first = np.unique(of[tells], return_index=True)
    told = found.own_us[further][tells][first]
    time_us[message] = np.where(silent[message], told, time_us[message])
    if clock is not None:
        without = time_us == NO_TIME
        if isinstance(clock, Arrivals):  # a time that is told and not understood is another than its arrival
            without &= ~found.unread[sentence]
        rows = np.flatnonzero(without)
        time_us[rows] = clock.at(found.offset[sentence[rows]])
    return time_us


def codes(found: Sentences, whole: Whole, code: NDArray[np.int8]) -> NDArray[np.int8]:
    """0 for each sentence that was used, else why not; code: (n,) what the decoder says of each message."""
    why = np.where((code == 0) & (whole.time_us == NO_TIME), np.int8(CODES["no_time"]), code)
    alone = (found.code == 0) & (found.total > 1)
    said = np.where(alone, np.int8(CODES["fragment_missing"]), found.code)
    said[whole.ambiguous] = CODES["fragment_ambiguous"]
    said[whole.sentence] = why
    said[whole.further] = why[whole.of]
    return said
