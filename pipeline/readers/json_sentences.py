"""NMEA sentences that stand in records of JSON: decoded as those of a capture, at the time that their record tells.

What belongs to a message is found as in a capture, but the sentences of one record belong together. A row refers to the
record, not to the sentence in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.pipeline.decode.lines import Bools, Ints
from stswatch.pipeline.decode.sentences import Sentences, frame
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.decode.units import NO_STATION
from stswatch.pipeline.readers.base import WHOLE, Decoded
from stswatch.pipeline.readers.nmea import decode_sentences
from stswatch.pipeline.readers.text import Window

_GROUPS = 1 << 60  # numbers of groups that no tag block has


@dataclass(frozen=True)
class Carried:
    """What records carry, (n,) each, in the order of the file: sentences, a line each, and what holds for all of them.

    time_us: NO_TIME where the record tells none; station: names or null; offset, length: of the record, bytes.
    """

    sentences: pa.Array
    time_us: Ints
    station: pa.Array
    offset: Ints
    length: Ints
    owned: Bools


def lines_of(column: pa.Array) -> pa.Array:
    """Sentences of each record as one text, a line each; null where it carries none.

    >>> lines_of(pa.array([["!A", "!B"], [], None])).to_pylist()
    ['!A\\n!B', None, None]
    """
    if pa.types.is_list(column.type):
        column = pc.binary_join(column, "\n")
    return pc.if_else(pc.match_substring_regex(column, "[^\\s]"), column, pa.scalar(None, pa.string()))


def decode_carried(carried: Carried, source: str, alone: bool = False) -> Decoded:
    """What the sentences say; those of records that are not owned are only looked at. Never raises.

    alone: the parts of a message are looked for in one record only.
    """
    text, begin = _as_capture(carried.sentences)
    found = frame(text, 0)
    record = np.searchsorted(begin, found.line, "right") - 1
    owned = carried.owned[record] if len(record) else np.zeros(0, np.bool_)
    found = _of_records(found, record, begin, carried)
    if alone:
        found = replace(found, alike=found.alike + ((record + 1) << 32))
    return decode_sentences(found, owned, Window(b"", 0, 0, WHOLE), source, None)


def _as_capture(sentences: pa.Array) -> tuple[bytes, Ints]:
    """All sentences as the text of a capture, and where those of each record begin."""
    ended = pc.binary_join_element_wise(sentences, "", "\n").cast(pa.binary())
    edges = np.frombuffer(ended.buffers()[1], np.int32)[ended.offset : ended.offset + len(ended) + 1]
    text = (ended.buffers()[2] or b"")[edges[0] : edges[-1]]
    return bytes(text), (edges[:-1] - edges[0]).astype(np.int64)


def _of_records(found: Sentences, record: Ints, begin: Ints, carried: Carried) -> Sentences:
    """The sentences with time, station and place of their records."""
    time_us = carried.time_us[record]
    own_us = np.where(time_us == NO_TIME, found.own_us, time_us)
    together = np.bincount(record, minlength=len(begin))[record] > 1
    bad = np.searchsorted(begin, found.bad_offset, "right") - 1
    mine = carried.owned[bad] if len(bad) else np.zeros(0, np.bool_)
    names = carried.station.dictionary_encode()
    station = np.asarray(pc.fill_null(names.indices, NO_STATION).to_numpy(zero_copy_only=False), np.int64)[record]
    own = found.station >= 0  # what a sentence says itself goes before
    station[together & (found.part > 1)] = NO_STATION  # a further part is of the station of the first, if it names none
    return replace(
        found,
        offset=carried.offset[record],
        length=carried.length[record],
        line=carried.offset[record],
        own_us=own_us,
        unread=found.unread & (own_us == NO_TIME),
        group=np.where(together, _GROUPS + record, found.group),
        station=np.where(own, found.station, np.where(station >= 0, station + len(found.stations), NO_STATION)),
        stations=pa.concat_arrays([found.stations, names.dictionary.cast(pa.string())]),
        bad_offset=carried.offset[bad][mine],
        bad_length=carried.length[bad][mine],
    )
