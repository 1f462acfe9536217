"""The parts of messages that take several sentences.

A part 1 begins a message; part k joins the last message begun by a like sentence if it is the next one that this one
waits for, lies on at most REACH bytes and, where both tell their time, at most REACH_S seconds. Every other part is an
orphan. So what becomes of a sentence depends only on the REACH bytes before and after it, however the file is cut.

Alike are sentences of the same kind (VDM or VDO), number of parts, id and channel, in the same group of sentences or,
where tag blocks name none, of the same talker and station. Orphans that follow one another in order, and are alike but
for group, talker and station, are a message too: what merges feeds or names stations anew sometimes tells parts apart.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from stswatch.pipeline.batch import spread, starts_of
from stswatch.pipeline.decode.lines import Bools, Bytes, Ints
from stswatch.pipeline.decode.octets import PAD
from stswatch.pipeline.decode.stamps import NO_TIME

REACH = 65_536  # bytes: some 800 sentences; the one-digit id of a multi-part message comes round far sooner
REACH_S = 60
SIDE_BY_SIDE = 4_096  # bytes from the first to the last of sentences that follow one another


@dataclass(frozen=True)
class Parts:
    """Sentences that are parts of messages, (n,) each, in the order of the file.

    number: among all sentences; own_us: its own time, else NO_TIME; alike, where: equal for the parts of one message.
    """

    number: Ints
    offset: Ints
    own_us: Ints
    total: Ints
    part: Ints
    alike: Ints
    where: Ints

    def take(self, rows: Ints) -> Parts:
        """Some of them."""
        return Parts(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True)
class Several:
    """Complete messages in the order of their first sentences: rows of the sentences, and where each message begins.

    rows: (m,) by message and part; begins: (n,) indices into rows.
    """

    rows: Ints
    begins: Ints


def assemble(parts: Parts) -> Several:
    """The complete messages among sentences; what is in none of them is an orphan. Never raises.

    >>> same, two = np.array([7, 7, 7]), np.array([2, 2, 2])
    >>> assemble(Parts(np.arange(3), np.arange(3) * 80, np.full(3, NO_TIME), two, np.array([1, 2, 2]), same, same)).rows
    array([0, 1])
    """
    heads, rows = _by_order(parts)
    orphan = np.ones(len(parts.number), np.bool_)
    orphan[rows] = False
    left = np.flatnonzero(orphan)
    more_heads, more_rows = _in_a_row(parts.take(left))
    heads, rows = np.concatenate([heads, left[more_heads]]), np.concatenate([rows, left[more_rows]])
    order = np.lexsort((parts.part[rows], heads))
    return Several(rows[order], starts_of(heads[order]))


def _by_order(parts: Parts) -> tuple[Ints, Ints]:
    """For each sentence of a complete message the row of the first one, and its own."""
    order = np.lexsort((parts.where, parts.alike))
    sorted_ = parts.take(order)
    new = sorted_.part == 1
    new[starts_of(sorted_.alike, sorted_.where)] = True
    begins = np.flatnonzero(new)
    message = np.cumsum(new) - 1
    first = begins[message]
    joined = _joined(sorted_.part, message, _near(sorted_, first, REACH), begins)
    complete = np.bincount(message[joined], minlength=len(begins)) == sorted_.total[begins]
    rows = np.flatnonzero(joined & complete[message])
    return order[first[rows]], order[rows]


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
        follows &= (orphans.alike[at] == orphans.alike) & _near(orphans, at, SIDE_BY_SIDE)
        whole &= follows | (orphans.total <= k)
    heads = np.flatnonzero(whole)
    head, number = spread(orphans.total[heads])
    return heads[head], heads[head] + number


def _near(parts: Parts, other: Ints, reach: int) -> Bools:
    """Whether each lies near enough to another, in the file and, where both tell their time, in time."""
    timed = (parts.own_us != NO_TIME) & (parts.own_us[other] != NO_TIME)
    apart_us = np.abs(np.where(timed, parts.own_us - parts.own_us[other], 0))
    return np.asarray(np.abs(parts.offset - parts.offset[other]) <= reach) & (apart_us <= REACH_S * 1_000_000)


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
