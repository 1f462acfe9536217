"""Parts that could belong to several messages: what stands there twice, and nobody can know which is whose.

Two feeds that are merged may both be within a message of the same id at the same time. Then two parts 1 stand before
two parts 2, and nothing but their order tells which belong together: none is joined. Where a part was lost it is the
same: two parts 1 before one part 2. The same part twice, as two stations hear it, harms nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stswatch.pipeline.batch import starts_of
from stswatch.pipeline.decode.lines import Bools, Ints
from stswatch.pipeline.decode.parts import FARTHER, REACH, REACH_S, SIDE_BY_SIDE, SIDE_BY_SIDE_S, Parts, near
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.decode.units import NO_STATION

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
    told = (pair.own_us != NO_TIME).all()
    apart, apart_us = (int(abs(c[1] - c[0])) for c in (pair.offset, pair.own_us if told else np.zeros(2)))
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
