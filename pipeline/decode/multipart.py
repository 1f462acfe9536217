"""The parts of messages that take several sentences.

A part 1 begins a message; part k joins the last message begun by a like sentence if it is the next one that this one
waits for, lies on at most REACH bytes and, where both tell their time, at most REACH_S seconds. Every other part is an
orphan. Where a part could as well belong beside another one, see `rivals.py`, all of them are ambiguous and none is
joined. So what becomes of a sentence depends only on 2 * REACH bytes before and after it, however the file is cut.

Alike are sentences of the same kind (VDM or VDO), number of parts, id and channel, in the same group of sentences and
of the same station where both name one or, where tag blocks name no group, of the same talker and station. Orphans that
follow one another in order, and are alike but for group and talker, are a message too, unless they name two stations:
what merges feeds sometimes numbers groups anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stswatch.pipeline.batch import spread, starts_of
from stswatch.pipeline.decode.lines import Bools, Bytes, Ints
from stswatch.pipeline.decode.octets import PAD
from stswatch.pipeline.decode.parts import REACH, REACH_S, SIDE_BY_SIDE, Parts, near
from stswatch.pipeline.decode.rivals import Differ, ambiguous
from stswatch.pipeline.decode.units import NO_STATION

_REACH_US = REACH_S * 1_000_000


@dataclass(frozen=True)
class Several:
    """Complete messages in the order of their first sentences: rows of the sentences, and where each message begins.

    rows: (m,) by message and part; begins: (n,) indices into rows; ambiguous: rows of sentences that could belong to
    several messages, in none of these.
    """

    rows: Ints
    begins: Ints
    ambiguous: Ints


def assemble(parts: Parts, differ: Differ = int.__ne__) -> Several:
    """The complete messages among sentences; what is in none of them is an orphan or ambiguous. Never raises.

    differ: whether two of the sentences, by their rows, carry different payloads; the same part may come twice.

    >>> from stswatch.pipeline.decode.stamps import NO_TIME
    >>> same, two = np.array([7, 7, 7]), np.array([2, 2, 2])
    >>> assemble(Parts(np.arange(3), np.arange(3) * 80, np.full(3, NO_TIME), two, np.array([1, 2, 1]), same, same)).rows
    array([0, 1])
    """
    streams = np.lexsort((parts.where, parts.alike))
    heads, rows = _by_order(parts, streams)
    unclear = ambiguous(parts, streams, heads, rows, differ)
    sure = ~unclear[heads]
    heads, rows = heads[sure], rows[sure]
    orphan = ~unclear
    orphan[rows] = False
    left = np.flatnonzero(orphan)
    more_heads, more_rows = _in_a_row(parts.take(left))
    heads, rows = np.concatenate([heads, left[more_heads]]), np.concatenate([rows, left[more_rows]])
    order = np.lexsort((parts.part[rows], heads))
    return Several(rows[order], starts_of(heads[order]), np.flatnonzero(unclear))


def _by_order(parts: Parts, streams: Ints) -> tuple[Ints, Ints]:
    """For each sentence of a complete message the row of the first one, and its own."""
    order, sender = _by_station(parts, streams)
    sorted_ = parts.take(order)
    new = sorted_.part == 1
    new[starts_of(sorted_.alike, sorted_.where, sender)] = True
    begins = np.flatnonzero(new)
    message = np.cumsum(new) - 1
    first = begins[message]
    joined = _joined(sorted_.part, message, near(sorted_, np.arange(len(first)), first, REACH, _REACH_US), begins)
    complete = np.bincount(message[joined], minlength=len(begins)) == sorted_.total[begins]
    rows = np.flatnonzero(joined & complete[message])
    return order[first[rows]], order[rows]


def _by_station(parts: Parts, order: Ints) -> tuple[Ints, Ints]:
    """The rows by what they have in common and by station, in the order of the file, and the station of each.

    Within a group a sentence that names no station is taken for one of the station named last, else named next.
    """
    if parts.station is None or not (parts.where >= 0).any():  # without a group, `where` holds the station
        return order, np.zeros(len(order), np.int64)
    stream = np.zeros(len(order), np.int64)
    stream[starts_of(parts.alike[order], parts.where[order])] = 1
    stream = np.cumsum(stream)
    station = _named(parts.station[order], stream, parts.offset[order])
    if (station[1:] == station[:-1])[stream[1:] == stream[:-1]].all():
        return order, station
    again = np.lexsort((station, stream))
    return order[again], station[again]


def _named(station: Ints, stream: Ints, offset: Ints) -> Ints:
    """The station of each sentence or, where it names none, of the last before it in its stream, else the next."""
    place, last = np.arange(len(station)), len(station) - 1
    names = station != NO_STATION
    before = np.maximum(np.maximum.accumulate(np.where(names, place, -1)), 0)
    after = np.minimum(np.minimum.accumulate(np.where(names, place, last)[::-1])[::-1], last)
    for other in (before, after):
        takes = (station == NO_STATION) & (stream[other] == stream) & (np.abs(offset[other] - offset) <= REACH)
        station = np.where(takes, station[other], station)
    return station


def _joined(part: Ints, message: Ints, near: Bools, begins: Ints) -> Bools:
    """Which rows join the message that was begun last before them: of each part the first one after the part before it.

    part, message, near: (n,) in order; begins: (m,) row with which each message begins.
    """
    nowhere = len(part)
    last = np.where(part[begins] == 1, begins, nowhere)  # what does not begin with part 1 takes no other
    joined = np.zeros(len(part), np.bool_)
    joined[last[last < nowhere]] = True
    for k in range(2, int(part.max(initial=1)) + 1):
        next_ones = np.flatnonzero((part == k) & near)
        next_ones = next_ones[next_ones > last[message[next_ones]]]
        next_ones = next_ones[starts_of(message[next_ones])]
        last = np.full(len(begins), nowhere)
        last[message[next_ones]] = next_ones
        joined[next_ones] = True
    return joined


def _in_a_row(orphans: Parts) -> tuple[Ints, Ints]:
    """As `_by_order`, of orphans that follow one another as the parts of a message do, whoever sent them on."""
    n = len(orphans.number)
    place = np.arange(n)
    whole = orphans.part == 1
    for k in range(1, int(orphans.total.max(initial=1))):
        at = np.minimum(place + k, n - 1)
        follows = (orphans.number[at] == orphans.number + k) & (orphans.part[at] == k + 1)
        follows &= (orphans.alike[at] == orphans.alike) & near(orphans, at, place, SIDE_BY_SIDE, _REACH_US)
        if orphans.station is not None:
            both = (orphans.station[at] != NO_STATION) & (orphans.station != NO_STATION)
            follows &= ~both | (orphans.station[at] == orphans.station)
        whole &= follows | (orphans.total <= k)
    heads = np.flatnonzero(whole)
    head, number = spread(orphans.total[heads])
    return heads[head], heads[head] + number


def join(data: Bytes, size: int, first: Ints, last: Ints, begins: Ints) -> tuple[Bytes, Ints, Ints]:
    """A text with the joined payloads of messages after it, with PAD zeros if there is room, and the spans of these.

    data: the text, `size` bytes, and room for as much, which is written to; first, last: (m,) spans of the parts in the
    text, by message and part; begins: (n,) the first part of each message.

    >>> text = np.frombuffer(bytearray(b"ab,c,de" * 2), np.uint8)
    >>> data, start, end = join(text, 7, np.array([0, 3, 5]), np.array([2, 4, 7]), np.array([0, 1]))
    >>> [data[a:b].tobytes() for a, b in zip(start, end)]
    [b'ab', b'cde']
    """
    edges = size + np.concatenate([[0], np.cumsum(last - first)])
    data[size : edges[-1]] = data[np.repeat(first - edges[:-1], last - first) + np.arange(size, edges[-1])]
    data[edges[-1] : edges[-1] + PAD] = 0
    return data[: edges[-1] + PAD], edges[begins], edges[np.append(begins[1:], len(first))[: len(begins)]]
