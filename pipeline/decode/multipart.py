"""The parts of messages that take several sentences: which belong together, and where nobody can know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from stswatch.pipeline.batch import spread, starts_of
from stswatch.pipeline.decode.lines import PAD, Bools, Bytes, Ints
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.decode.units import NO_STATION

# -------------------------- Sentences that are parts of messages, and how near two of them must be to belong together

REACH = 32_768  # bytes: some 400 sentences; parts of one message lie some three apart, even in feeds of many stations
REACH_S = 60
SIDE_BY_SIDE = 4_096  # bytes from the first to the last of sentences that follow one another
SIDE_BY_SIDE_S = 5  # stations and services stamp the parts of one message by clocks and seconds of their own
FARTHER = 16  # what is so many times as far away as another is no rival of it


@dataclass(frozen=True)
class Parts:
    """Sentences that are parts of messages, (n,) each, in the order of the file.

    number: among all sentences; own_us: its own time, else NO_TIME; alike, where: equal for the parts of one message;
    station: the number of the station that it names, else NO_STATION; nobody names one where this is None.
    """

    number: Ints
    offset: Ints
    own_us: Ints
    total: Ints
    part: Ints
    alike: Ints
    where: Ints
    station: Ints | None = None

    def take(self, rows: Ints) -> Parts:
        """Some of them."""
        taken: dict[str, Any] = {}
        for field in fields(self):
            column = getattr(self, field.name)
            taken[field.name] = None if column is None else column[rows]
        return Parts(**taken)


def near(parts: Parts, row: Ints, other: Ints, reach: Ints | int, reach_us: Ints | int) -> Bools:
    """Whether sentences lie near enough to others, in the file and, where both tell their time, in time, (n,).

    row, other: (n,) rows of the parts; reach: bytes; reach_us: microseconds.

    >>> nought, one = np.zeros(2, np.int64), np.ones(2, np.int64)
    >>> parts = Parts(nought, np.array([0, 80]), np.full(2, NO_TIME), one, one, one, one)
    >>> near(parts, np.array([0]), np.array([1]), 79, 0).tolist()
    [False]
    """
    own_us, others_us = parts.own_us[row], parts.own_us[other]
    timed = (own_us != NO_TIME) & (others_us != NO_TIME)
    apart_us = np.abs(np.where(timed, own_us - others_us, 0))
    return np.asarray((np.abs(parts.offset[row] - parts.offset[other]) <= reach) & (apart_us <= reach_us))


# ----------- Parts that could belong to several messages: what stands there twice, and nobody can know which is whose
# Two feeds that are merged may both be within a message of the same id at the same time. Then two parts 1 stand before
# two parts 2, and nothing but their order tells which belong together: none is joined. Where a part was lost it is the
# same: two parts 1 before one part 2. The same part twice, as two stations hear it, harms nothing.

Differ = Callable[[int, int], bool]  # whether two sentences, by their rows, carry different payloads


def ambiguous(parts: Parts, streams: Ints, heads: Ints, rows: Ints, differ: Differ) -> Bools:
    """Which sentences could belong to several messages, (n,): of the messages that are given, and others beside them.

    parts: (n,); streams: (n,) their rows by what they have in common; heads, rows: (m,) the first sentence and the
    sentence, of the messages found by their order.

    A new message, begun after the last part of another, ends the wait for all that began before: an id is given again
    only when the message that had it is complete. Between two such points, in a round, each part that differs from one
    of a message and could stand in its place beside the next or the one before makes this message ambiguous.
    """
    unclear, whole = np.zeros(len(parts.number), np.bool_), np.zeros(len(parts.number), np.bool_)
    whole[rows] = True
    if not len(rows):
        return unclear
    order, (begins, place) = streams, _rounds(parts, streams)
    round_ = np.searchsorted(begins, place[rows], side="right") - 1
    ends = np.append(begins[1:], len(order))
    crowded = np.flatnonzero((ends - begins)[round_] > parts.total[rows])
    crowded = crowded[np.lexsort((parts.part[rows[crowded]], heads[crowded]))]
    for at, then in zip(crowded[:-1].tolist(), crowded[1:].tolist(), strict=True):
        if heads[at] != heads[then]:
            continue
        span = order[begins[round_[at]] : ends[round_[at]]]
        found = _rivals(parts, span, int(rows[at]), int(rows[then]), differ)
        if len(found):
            unclear[heads[at]] = True
            unclear[found[~whole[found]]] = True
    unclear[rows[unclear[heads]]] = True
    return unclear


def _rounds(parts: Parts, order: Ints) -> tuple[Ints, Ints]:
    """Where each round begins in the streams, and the place of each row there."""
    fresh = np.zeros(len(order), np.bool_)
    part, total = parts.part[order], parts.total[order]
    fresh[1:] = (part[1:] == 1) & (part[:-1] == total[:-1])
    fresh[starts_of(parts.alike[order], parts.where[order])] = True
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return np.flatnonzero(fresh), place


def _rivals(parts: Parts, span: Ints, one: int, then: int, differ: Differ) -> Ints:
    """The rows that could stand in place of one of two neighbours of a message beside the other; span: their round.

    What lies much farther away than the neighbour, and not side by side, is no rival.
    """
    pair = parts.take(np.array([one, then]))
    timed = (pair.own_us != NO_TIME).all()
    apart, apart_us = (int(abs(c[1] - c[0])) for c in (pair.offset, pair.own_us if timed else np.zeros(2)))
    reach = min(REACH, max(SIDE_BY_SIDE, FARTHER * apart))
    reach_us = min(REACH_S, max(SIDE_BY_SIDE_S, FARTHER * apart_us / 1e6)) * 1_000_000
    first, last = np.searchsorted(parts.offset[span], (pair.offset[1] - reach, pair.offset[0] + reach + 1))
    rows = span[first:last]
    found: list[int] = []
    for stays, goes, before in ((then, one, True), (one, then, False)):
        some = rows[(parts.part[rows] == parts.part[goes]) & ((rows < stays) if before else (rows > stays))]
        beside = np.full(len(some), stays)
        some = some[near(parts, some, beside, reach, int(reach_us)) & _of_one_station(parts, some, stays)]
        found += [row for row in some.tolist() if row != goes and differ(row, goes)]
    return np.array(found, np.int64)


def _of_one_station(parts: Parts, rows: Ints, row: int) -> Bools:
    """Which sentences can be of the station of another: of two that both name one, it must be the same."""
    if parts.station is None or parts.station[row] == NO_STATION:
        return np.ones(len(rows), np.bool_)
    station = parts.station[rows]
    return np.asarray((station == NO_STATION) | (station == parts.station[row]))


# ------------------------------------------------------------------ The parts of messages that take several sentences
# A part 1 begins a message; part k joins the last message begun by a like sentence if it is the next one that this
# one waits for, lies on at most REACH bytes and, where both tell their time, at most REACH_S seconds. Every other
# part is an orphan. Where a part could as well belong beside another one, see `ambiguous`, all of them are ambiguous
# and none is joined. So what becomes of a sentence depends only on 2 * REACH bytes before and after it, however the
# file is cut.
#
# Alike are sentences of the same kind (VDM or VDO), number of parts, id and channel, in the same group of sentences
# and of the same station where both name one or, where tag blocks name no group, of the same talker and station.
# Orphans that follow one another in order, and are alike but for group and talker, are a message too, unless they
# name two stations: what merges feeds sometimes numbers groups anew.

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
