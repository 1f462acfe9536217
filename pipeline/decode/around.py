"""What stands round many sentences at once, as `stamps.stamp` has it of one: tag blocks, suffixes, starts of lines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stswatch.pipeline.decode.line_stamps import prefixes, suffixes
from stswatch.pipeline.decode.lines import Bytes, Ints
from stswatch.pipeline.decode.stamp_columns import Said, nothing
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.decode.tag_blocks import tag_blocks, tag_sums


@dataclass(frozen=True)
class Around:
    """Where to look, (n,) each: start of the line, tag block or -1, "!", what follows the checksum, end of the line.

    tag_sum: exclusive or of the bytes of each tag block before its checksum, None where some have no tag block.
    """

    start: Ints
    slash: Ints
    bang: Ints
    rest: Ints
    end: Ints
    tag_sum: Bytes | None = None


def said_around(data: Bytes, at: Around) -> Said:
    """Time, station and group of sentences: of the tag block, else of the suffix, else of what begins the line.

    data: the text, padded.
    """
    said = nothing(len(at.bang))
    rows = np.flatnonzero(at.slash >= 0)
    if at.tag_sum is not None:
        said = tag_blocks(data, at.slash, at.bang, at.tag_sum)
    elif len(rows):
        slash, bang = at.slash[rows], at.bang[rows]
        said = said.put(rows, tag_blocks(data, slash, bang, tag_sums(data, slash, bang)))
    rows = np.flatnonzero((said.time_us == NO_TIME) & (at.end > at.rest))
    if len(rows):
        said = _with_suffixes(said, rows, suffixes(data, at.rest[rows], at.end[rows]))
    opened = np.where(at.slash >= 0, at.slash, at.bang)
    rows = np.flatnonzero((said.time_us == NO_TIME) & (opened > at.start))
    if len(rows):
        usual, time_us = prefixes(data, at.start[rows], opened[rows])
        said.usual[rows] &= usual
        said.time_us[rows] = time_us
    return said


def _with_suffixes(said: Said, rows: Ints, suffix: Said) -> Said:
    """A suffix gives the time, and the station where the tag block names none."""
    named = said.station[rows]
    station = np.where(named[:, :1] != 0, named, suffix.station)
    usual = said.usual[rows] & suffix.usual
    return said.put(rows, Said(usual, suffix.time_us, station, said.group[rows], suffix.by_suffix))
