"""What is found on the lines of a text, as columns: AIS sentences, and lines that tell the time of those after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from stswatch.pipeline.decode.lines import Ints

NO_SENTENCE = -1  # the code of a line that only tells a time
NO_GROUP = -1
NO_STATION = -1
RECEIVERS = ("unknown", "terrestrial", "satellite")
MAX_PAYLOAD = 200  # characters in one sentence; as pyais, far beyond the 82 of the standard


@dataclass(frozen=True)
class Units:
    """Sentences and lines of time in the order of the text, (n,) each, by their places in it.

    begin, end: what belongs to it, tag block and suffix included; line: where its line begins; code: 0, NO_SENTENCE, or
    why it cannot be used (rejects.CODES); own_us: the time that it tells, else stamps.NO_TIME; first, last: its
    payload; alike, talker: equal for the parts of one message; group: of its tag block, else NO_GROUP; station: a
    number of a list of names, else NO_STATION; receiver: a number of RECEIVERS.
    """

    begin: Ints
    end: Ints
    line: Ints
    code: NDArray[np.int8]
    own_us: Ints
    total: Ints
    part: Ints
    fill: Ints
    first: Ints
    last: Ints
    alike: Ints
    talker: Ints
    group: Ints
    station: Ints
    receiver: Ints

    def take(self, rows: Ints | slice | NDArray[np.bool_]) -> Units:
        """Some of them."""
        return Units(*(getattr(self, field.name)[rows] for field in fields(self)))


def times(begin: Ints, end: Ints, own_us: Ints) -> Units:
    """Lines that only tell a time.

    >>> times(np.array([0]), np.array([55]), np.array([10**15])).code.tolist()
    [-1]
    """
    n = len(begin)
    nought, code = np.zeros(n, np.int64), np.full(n, NO_SENTENCE, np.int8)
    no_group, no_station = np.full(n, NO_GROUP), np.full(n, NO_STATION)
    payload = (nought, nought, nought, nought, nought, nought, nought)
    return Units(begin, end, begin, code, own_us, *payload, no_group, no_station, nought)


def together(parts: Sequence[Units]) -> Units:
    """All units in the order of the text."""
    some = [part for part in parts if len(part.begin)]
    if len(some) < 2:
        return some[0] if some else parts[0]
    both = Units(*(np.concatenate([getattr(part, field.name) for part in some]) for field in fields(Units)))
    return both.take(np.argsort(both.begin, kind="stable"))


def alike(total: Ints, seq: Ints, channel: Ints, own: Ints) -> Ints:
    """What the parts of one message have in common whoever sent them on, as one number, (n,).

    total: 2 to 9; seq: 0 to 99, -1 for none; channel: up to two bytes as a number; own: 1 for VDO.

    >>> alike(np.array([2]), np.array([7]), np.array([65]), np.array([0])).tolist()
    [133250]
    """
    return np.asarray(total | (seq + 1) << 4 | channel << 11 | own << 27, np.int64)


def where(group: Ints, talker: Ints, station: Ints) -> Ints:
    """Who sent on the parts of a message, as one number, (n,): the group of sentences, else talker and station.

    >>> where(np.array([7, NO_GROUP]), np.array([1, 1]), np.array([3, NO_STATION])).tolist()
    [7, -2]
    """
    return np.where(group >= 0, group, -1 - (talker | (station + 1) << 16))
