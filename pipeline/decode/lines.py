"""Lines of a text by their byte offsets, and sums over pieces of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]

_NEWLINE, _RETURN, _BANG, _SLASH = b"\n\r!\\"


@dataclass(frozen=True)
class Lines:
    """The lines of a text, (n,) each: spans without line ends, and where "!" and backslashes stand, -1 for nowhere."""

    start: Ints
    end: Ints
    bangs: Ints  # how many
    bang: Ints  # the last
    slashes: Ints
    slash: Ints  # the first
    last_slash: Ints


def find_lines(text: bytes, data: Bytes) -> Lines:
    """The lines of a text; data: its bytes, zeros after them.

    >>> find_lines(b"#\\n!AIVDM", np.frombuffer(b"#\\n!AIVDM", np.uint8)).bang.tolist()
    [-1, 2]
    """
    marked = (data == _NEWLINE) | (data == _BANG)
    if b"\\" in text:
        marked |= data == _SLASH
    place = np.flatnonzero(marked)
    kind = data[place]
    ended = kind == _NEWLINE
    start, end = _spans(data[: len(text)], place[ended])
    line = np.cumsum(ended) - ended
    bangs, _, bang = _by_line(place, line, kind == _BANG, len(start))
    return Lines(start, end, bangs, bang, *_by_line(place, line, kind == _SLASH, len(start)))


def _by_line(place: Ints, line: Ints, chosen: Bools, n: int) -> tuple[Ints, Ints, Ints]:
    """How many of the places are chosen on each line, the first and the last of them."""
    first, last = np.full((2, n), -1, np.int64)
    if not chosen.any():
        return np.zeros(n, np.int64), first, last
    place, line = place[chosen], line[chosen]
    last[line] = place
    first[line[::-1]] = place[::-1]
    return np.bincount(line, minlength=n), first, last


def line_spans(data: Bytes) -> tuple[Ints, Ints]:
    r"""Where each line begins and ends, its line end (\n or \r\n) left out; the last line may have none.

    >>> [span.tolist() for span in line_spans(np.frombuffer(b"ab\r\n\nc", np.uint8))]
    [[0, 4, 5], [2, 4, 6]]
    """
    return _spans(data, np.flatnonzero(data == _NEWLINE))


def _spans(data: Bytes, newline: Ints) -> tuple[Ints, Ints]:
    starts = np.concatenate([[0], newline + 1])
    ends = np.append(newline, len(data))
    if starts[-1] == len(data):
        starts, ends = starts[:-1], ends[:-1]
    returned = (ends > starts) & (data[np.maximum(ends - 1, 0)] == _RETURN) if len(data) else np.zeros(0, np.bool_)
    return starts.astype(np.int64), (ends - returned).astype(np.int64)


def xor_between(data: Bytes, start: Ints, end: Ints) -> Bytes:
    """Exclusive or of the bytes in each [start, end); no span may be empty or reach the end of the data.

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
