"""What is found on the lines of a text, as columns: AIS sentences, and lines that tell the time of those after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from stswatch.pipeline.decode.lines import Ints
from stswatch.pipeline.schema import UNKNOWN
from stswatch.pipeline.untrusted import escaped

NO_SENTENCE = -1  # the code of a line that only tells a time
NO_GROUP = -1
NO_STATION = -1
_LONGEST_NUMBER = 16  # digits of a group
_WORDS = 1 << 61  # from here on numbers of groups that are no numbers
MAX_PAYLOAD = 200  # characters in one sentence; as pyais, far beyond the 82 of the standard


@dataclass(frozen=True)
class Units:
    """Sentences and lines of time in the order of the text, (n,) each, by their places in it.

    begin, end: what belongs to it, tag block and suffix included; line: where its line begins; code: 0, NO_SENTENCE, or
    why it cannot be used (rejects.CODES); own_us: the time that it tells, else stamps.NO_TIME; first, last: its
    payload; alike, talker: equal for the parts of one message; group: of its tag block, else NO_GROUP; station: a
    number of a list of names, else NO_STATION; receiver: a code of schema.RECEIVERS; unread: 1 where it carries a time
    that is not understood.
    """

    begin: Ints
    end: Ints
    line: Ints
    code: NDArray[np.int8]
    own_us: Ints
    total: NDArray[np.int8]
    part: NDArray[np.int8]
    fill: NDArray[np.int8]
    first: Ints
    last: Ints
    alike: Ints
    talker: Ints
    group: Ints
    station: Ints
    receiver: NDArray[np.int8]
    unread: NDArray[np.int8]

    def take(self, rows: Ints | slice | NDArray[np.bool_]) -> Units:
        """Some of them."""
        return Units(*(getattr(self, field.name)[rows] for field in fields(self)))

    def moved(self, by: int) -> Units:
        """The same in a text that has so many bytes more before them."""
        places = {name: getattr(self, name) + by for name in ("begin", "end", "line", "first", "last")}
        return replace(self, **places)

    def put(self, rows: Ints, others: Units) -> Units:
        """The same with others in some rows."""
        columns = {field.name: getattr(self, field.name).copy() for field in fields(self)}
        for name, column in columns.items():
            column[rows] = getattr(others, name)
        return Units(**columns)


class Names:
    """Numbers of stations, and of whatever else has no number of its own, given as they are met."""

    def __init__(self) -> None:
        self.stations: dict[str, int] = {}
        self._others: dict[tuple[bytes, ...], int] = {}

    def station(self, name: str | None) -> int:
        """The number of a station, given the first time; control codes in its name become escapes."""
        return NO_STATION if name is None else self.stations.setdefault(escaped(name), len(self.stations))

    def other(self, *what: bytes) -> int:
        """A number of its own for anything else."""
        return self._others.setdefault(what, len(self._others))

    def group(self, name: bytes) -> int:
        """The number of a group of sentences."""
        if not name:
            return NO_GROUP
        return int(name) if name.isdigit() and len(name) <= _LONGEST_NUMBER else _WORDS + self.other(name)


def times(begin: Ints, end: Ints, own_us: Ints) -> Units:
    """Lines that only tell a time.

    >>> times(np.array([0]), np.array([55]), np.array([10**15])).code.tolist()
    [-1]
    """
    n = len(begin)
    nought, none, code = np.zeros(n, np.int64), np.zeros(n, np.int8), np.full(n, NO_SENTENCE, np.int8)
    payload = (none, none, none, nought, nought, nought, nought)
    names = (np.full(n, NO_GROUP), np.full(n, NO_STATION), np.full(n, UNKNOWN, np.int8))
    return Units(begin, end, begin, code, own_us, *payload, *names, none)


def joined(parts: Sequence[Units]) -> Units:
    """All units of texts that follow one another."""
    if len(parts) == 1:
        return parts[0]
    none = times(*np.zeros((3, 0), np.int64))
    return Units(*(np.concatenate([getattr(part, field.name) for part in [none, *parts]]) for field in fields(Units)))


def in_order(parts: Sequence[Units]) -> Units:
    """All units of one text, in the order in which they begin."""
    units = joined(parts)
    return units.take(np.argsort(units.begin, kind="stable"))


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
