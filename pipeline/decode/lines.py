"""Lines of a text by their byte offsets, and sums over pieces of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]

_ZERO, _NEWLINE, _RETURN, _BANG, _DOLLAR, _SLASH = b"\0\n\r!$\\"


@dataclass(frozen=True)
class Lines:
    """The lines of a text, (n,) each.

    start, end: without line ends; marks: how many "!" and backslashes stand on it; bang: where its only "!" stands, if
    there is no backslash but those of one tag block just before it, else -1; slash: where that tag block begins, or -1;
    odd: whether it holds a carriage return or a zero, or a "$" that is not its first byte.
    """

    start: Ints
    end: Ints
    marks: Ints
    bang: Ints
    slash: Ints
    odd: Bools


def find_lines(data: Bytes, size: int) -> Lines:
    """The lines of the first `size` bytes; where the last of them is no line end, one follows.

    >>> find_lines(np.frombuffer(b"#\\n!AIVDM\\n", np.uint8), 8).bang.tolist()
    [-1, 2]
    """
    data = data[: size + bool(size and data[size - 1] != _NEWLINE)]
    marked = data <= _DOLLAR  # of all that usually stands on a line, only "!" and its end; else what makes it odd
    marked |= data == _SLASH
    place = np.flatnonzero(marked)
    kind = data[place]
    ends, bangs, slashes = (kind == mark for mark in (_NEWLINE, _BANG, _SLASH))
    tagged, known = np.count_nonzero(slashes), ends | bangs | slashes
    others = place[~known] if not known.all() else place[:0]
    if len(others):
        place, kind, ends = place[known], kind[known], ends[known]
    newline = np.flatnonzero(ends)
    stop = place[newline]
    start, end = _spans(data, stop) if len(others) else (_starts(stop), stop)
    marks = newline - _starts(newline)
    banged = (marks >= 1) & (kind[newline - 1] == _BANG)
    bang = np.where(banged & (marks == 1), place[newline - 1], -1)
    slash = np.full(len(bang), -1)
    if tagged:
        rows = np.flatnonzero(banged & (marks == 3))
        at = newline[rows]
        rows = rows[(kind[at - 3] == _SLASH) & (kind[at - 2] == _SLASH) & (place[at - 2] == place[at - 1] - 1)]
        bang[rows], slash[rows] = place[newline[rows] - 1], place[newline[rows] - 3]
    return Lines(start, end, marks, bang, slash, _odd(data, stop, others))


def _odd(data: Bytes, stop: Ints, place: Ints) -> Bools:
    """Which lines are odd, see Lines; stop: where each ends; place: of all bytes that may make them so."""
    odd = np.zeros(len(stop), np.bool_)
    if len(place):
        kind = data[place]
        inside = (kind == _RETURN) & (data[np.minimum(place + 1, len(data) - 1)] != _NEWLINE)
        later = (kind == _DOLLAR) & (place > 0) & (data[place - 1] != _NEWLINE)
        odd[np.searchsorted(stop, place[inside | later | (kind == _ZERO)])] = True
    return odd


def line_spans(data: Bytes) -> tuple[Ints, Ints]:
    r"""Where each line begins and ends, its line end (\n or \r\n) left out; the last line may have none.

    >>> [span.tolist() for span in line_spans(np.frombuffer(b"ab\r\n\nc", np.uint8))]
    [[0, 4, 5], [2, 4, 6]]
    """
    newline = np.flatnonzero(data == _NEWLINE)
    ended = not len(data) or data[-1] == _NEWLINE
    return _spans(data, newline if ended else np.append(newline, len(data)))


def _spans(data: Bytes, newline: Ints) -> tuple[Ints, Ints]:
    """The spans of lines that end here, without line ends."""
    start = _starts(newline)
    returned = (newline > start) & (data[newline - 1] == _RETURN)
    return start, newline - returned


def _starts(newline: Ints) -> Ints:
    """Where those begin that end here and follow one another."""
    start = np.zeros_like(newline)
    start[1:] = newline[:-1] + 1
    return start


def xor_between(data: Bytes, start: Ints, end: Ints) -> Bytes:
    """Exclusive or of the bytes in each [start, end), anything where that is empty; none may reach the data's end.

    start, end: (n,), in the order of the data, no span within another.

    >>> xor_between(np.frombuffer(b"AIVDM,1*", np.uint8), np.array([0]), np.array([1])).tolist()
    [65]
    """
    if not len(start):
        return np.zeros(0, np.uint8)
    return np.bitwise_xor.reduceat(data, _edges(start, end))[::2]


def count_between(marked: NDArray[np.bool_], start: Ints, end: Ints) -> Bytes:
    """How many bytes are marked in each [start, end), up to 255; spans as those of `xor_between`.

    >>> count_between(np.frombuffer(b"A,1,2*", np.uint8) == 44, np.array([0, 3]), np.array([3, 5])).tolist()
    [1, 1]
    """
    if not len(start):
        return np.zeros(0, np.uint8)
    return np.add.reduceat(marked.view(np.uint8), _edges(start, end), dtype=np.uint8)[::2]


def _edges(start: Ints, end: Ints) -> Ints:
    edges = np.empty(2 * len(start), np.int64)
    edges[::2], edges[1::2] = start, end
    return edges
