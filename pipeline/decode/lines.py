"""Lines of a text by their byte offsets, and sums over pieces of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

_NEWLINE, _RETURN = 10, 13


def line_spans(data: Bytes) -> tuple[Ints, Ints]:
    r"""Where each line begins and ends, its line end (\n or \r\n) left out; the last line may have none.

    >>> [span.tolist() for span in line_spans(np.frombuffer(b"ab\r\n\nc", np.uint8))]
    [[0, 4, 5], [2, 4, 6]]
    """
    newline = np.flatnonzero(data == _NEWLINE)
    starts = np.concatenate([[0], newline + 1])
    ends = np.append(newline, len(data))
    if starts[-1] == len(data):
        starts, ends = starts[:-1], ends[:-1]
    returned = (ends > starts) & (data[np.maximum(ends - 1, 0)] == _RETURN) if len(data) else np.zeros(0, np.bool_)
    return starts.astype(np.int64), (ends - returned).astype(np.int64)


def xor_between(data: Bytes, start: Ints, end: Ints) -> Bytes:
    """Exclusive or of the bytes in each [start, end); no span may be empty or reach the end of the data.

    >>> xor_between(np.frombuffer(b"AIVDM,1*", np.uint8), np.array([0]), np.array([1])).tolist()
    [65]
    """
    if not len(start):
        return np.zeros(0, np.uint8)
    edges = np.stack([start, end], axis=1).ravel()
    return np.bitwise_xor.reduceat(data, edges)[::2]
